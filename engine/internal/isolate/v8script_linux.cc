// Scripts from code caches, and from a text that all isolates of the process share. All of this is called from within a native call, as jsr_hook.
#include <stdlib.h>
#include <string.h>

#include <new>

#include "v8abi_linux.h"

namespace {

// Text is memory that is never freed or changed.
class Text : public v8::String::ExternalOneByteStringResource {
 public:
  Text(const char* data, size_t length) : data_(data), length_(length) {}
  const char* data() const override { return data_; }
  size_t length() const override { return length_; }

 private:
  const char* data_;
  size_t length_;
};

}  // namespace

extern "C" int jsr_compiles(void) { return compiles; }

// jsr_text makes the resource of strings of so many bytes of ASCII.
extern "C" void* jsr_text(const char* data, size_t length) { return new (std::nothrow) Text(data, length); }

// jsr_compile compiles the resource's text, or where that is null the length bytes of UTF-8 at source, with a code cache if there is one. It
// returns a handle of the script, which no context has yet, or null where V8 does not take the text. accepted is whether V8 took the cache.
extern "C" uintptr_t* jsr_compile(void* resource, const char* source, int length, const char* origin, const uint8_t* cache, int cacheLength, int* accepted) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::TryCatch quiet(isolate);
  v8::MaybeLocal<v8::String> text = resource != nullptr ? v8::String::NewExternalOneByte(isolate, static_cast<Text*>(resource))
                                                        : v8::String::NewFromUtf8(isolate, source, v8::NewStringType::kNormal, length);
  v8::MaybeLocal<v8::String> name = v8::String::NewFromUtf8(isolate, origin, v8::NewStringType::kInternalized, -1);
  *accepted = 0;
  if (text.slot == nullptr || name.slot == nullptr) return nullptr;
  v8::ScriptCompiler::CachedData cached(cache, cacheLength, v8::ScriptCompiler::CachedData::BufferNotOwned);
  v8::ScriptCompiler::Source s;
  s.text = v8::Local<v8::String>{text.slot};
  s.name = v8::Local<v8::Value>{name.slot};
  if (cacheLength > 0) s.cache = &cached;
  v8::MaybeLocal<v8::UnboundScript> script = v8::ScriptCompiler::CompileUnboundScript(
      isolate, &s, cacheLength > 0 ? v8::ScriptCompiler::kConsumeCodeCache : v8::ScriptCompiler::kNoCompileOptions, v8::ScriptCompiler::kNoCacheNoReason);
  *accepted = cacheLength > 0 && !cached.rejected;
  return script.slot == nullptr ? nullptr : globalize(isolate, script.slot);
}

// jsr_run runs a script in the current context and gives globalThis its value under name: 0 where it throws or is terminated.
extern "C" int jsr_run(uintptr_t* script, const char* name) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::TryCatch quiet(isolate);
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  v8::MaybeLocal<v8::String> key = v8::String::NewFromUtf8(isolate, name, v8::NewStringType::kInternalized, -1);
  if (key.slot == nullptr) return 0;
  v8::Local<v8::Script> bound = raw(v8::Local<v8::UnboundScript>{script})->BindToCurrentContext();
  v8::MaybeLocal<v8::Value> value = raw(bound)->Run(context);
  if (value.slot == nullptr) return 0;
  v8::Maybe<bool> done = raw(raw(context)->Global())->Set(context, v8::Local<v8::Value>{key.slot}, v8::Local<v8::Value>{value.slot});
  return done.has_value && done.value;
}

// jsr_code_cache returns a copy of a script's code, for free: null where V8 makes none.
extern "C" void* jsr_code_cache(uintptr_t* script, int* length) {
  v8::ScriptCompiler::CachedData* made = v8::ScriptCompiler::CreateCodeCache(v8::Local<v8::UnboundScript>{script});
  if (made == nullptr) return nullptr;
  *length = made->length;
  void* copy = malloc(made->length > 0 ? made->length : 1);
  if (copy != nullptr) memcpy(copy, made->data, made->length);
  delete made;
  return copy;
}

extern "C" void jsr_drop(uintptr_t* script) { dispose(&script); }
