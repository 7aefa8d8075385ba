// V8 functions that the Go binding does not reach: the promise reject hook, lazy properties, garbage collection, and what happens
// when V8 runs out of memory. Only what is called is declared here, as V8's headers have it; the classes are never laid out by this file, only passed on. A change of V8's
// signatures fails at link time.
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <new>

namespace v8 {

class Context;
class Isolate;
class Name;
class Promise;
class String;
class Value;
class Function;
enum class NewStringType { kNormal, kInternalized };
enum class SideEffectType { kHasSideEffect, kHasNoSideEffect, kHasSideEffectToReceiver };
enum class MemoryPressureLevel { kNone, kModerate, kCritical };
enum PropertyAttribute { None = 0, DontEnum = 2 };

template <class T>
class Local {
 public:
  uintptr_t* slot;
};

template <class T>
class MaybeLocal {
 public:
  uintptr_t* slot;
};

class PromiseRejectMessage {
 public:
  Local<Promise> promise;
  int event;
  Local<Value> value;
};

template <class T>
class Maybe {
 public:
  bool has_value;
  T value;
};

// What a getter is called with. The value that it returns is the object's address at index 5, as in V8's header.
template <class T>
class PropertyCallbackInfo {
 public:
  mutable uintptr_t args[8];
};

struct OOMDetails {
  bool is_heap_oom;
  const char* detail;
};

class HandleScope {
 public:
  explicit HandleScope(Isolate* isolate);
  ~HandleScope();

 private:
  void* space_[16];
};

class TryCatch {
 public:
  explicit TryCatch(Isolate* isolate);
  ~TryCatch();

 private:
  void* space_[32];
};

class Isolate {
 public:
  static Isolate* GetCurrent();
  Local<Context> GetCurrentContext();
  void SetPromiseRejectCallback(void (*callback)(PromiseRejectMessage));
  void SetOOMErrorHandler(void (*callback)(const char*, const OOMDetails&));
  void MemoryPressureNotification(MemoryPressureLevel level);
};

class V8 {
 public:
  static void SetEntropySource(bool (*source)(unsigned char* buffer, size_t length));
};

class Object {
 public:
  MaybeLocal<Value> Get(Local<Context> context, Local<Value> key);
  Maybe<bool> SetLazyDataProperty(Local<Context> context, Local<Name> name, void (*getter)(Local<Name>, const PropertyCallbackInfo<Value>&),
                                  Local<Value> data, PropertyAttribute attributes, SideEffectType getting, SideEffectType setting);
};

class Context {
 public:
  Local<Object> Global();
  void SetEmbedderData(int index, Local<Value> value);
  Local<Value> SlowGetEmbedderData(int index);
};

class Value {
 public:
  bool IsFunction() const;
};

class String {
 public:
  static MaybeLocal<String> NewFromUtf8(Isolate* isolate, const char* data, NewStringType type, int length);
};

class Integer {
 public:
  static Local<Integer> New(Isolate* isolate, int value);
};

class Function {
 public:
  MaybeLocal<Value> Call(Isolate* isolate, Local<Context> context, Local<Value> recv, int argc, Local<Value> argv[]);
};

namespace base {
void SetFatalFunction(void (*callback)(const char* file, int line, const char* message));
}

}  // namespace v8

namespace {

// The binding keeps its own data at index 1.
const int kHookIndex = 2, kLazyIndex = 3;

template <class T, class U>
v8::Local<T> as(v8::Local<U> v) {
  return v8::Local<T>{v.slot};
}

// A Local points at a slot that holds the object's address; V8's methods take that slot as this.
template <class T>
T* raw(v8::Local<T> v) {
  return reinterpret_cast<T*>(v.slot);
}

void onReject(v8::PromiseRejectMessage message) {
  if (message.event > 1) return;
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::HandleScope scope(isolate);
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  if (context.slot == nullptr) return;
  v8::Local<v8::Value> hook = raw(context)->SlowGetEmbedderData(kHookIndex);
  if (hook.slot == nullptr || !raw(hook)->IsFunction()) return;
  v8::TryCatch quiet(isolate);
  v8::Local<v8::Value> promise = as<v8::Value>(message.promise);
  v8::Local<v8::Value> args[3] = {
      as<v8::Value>(v8::Integer::New(isolate, message.event)),
      promise,
      message.value.slot != nullptr ? message.value : promise,
  };
  raw(as<v8::Function>(hook))->Call(isolate, context, as<v8::Value>(raw(context)->Global()), 3, args);
}

// onLazy makes the value of a lazy property. V8 puts it in the property's place; where the call throws, the property stays lazy.
void onLazy(v8::Local<v8::Name> name, const v8::PropertyCallbackInfo<v8::Value>& info) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::HandleScope scope(isolate);
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  v8::Local<v8::Value> make = raw(context)->SlowGetEmbedderData(kLazyIndex);
  v8::Local<v8::Value> args[1] = {as<v8::Value>(name)};
  v8::MaybeLocal<v8::Value> value = raw(as<v8::Function>(make))->Call(isolate, context, as<v8::Value>(raw(context)->Global()), 1, args);
  if (value.slot != nullptr) info.args[5] = *value.slot;
}

bool entropy(unsigned char* buffer, size_t length) {
  while (length > 0) {
    ssize_t n = getrandom(buffer, length, 0);
    if (n < 0) return false;
    buffer += n;
    length -= (size_t)n;
  }
  return true;
}

// The exit statuses are those of package wire.
const int kExitMemory = 87, kExitCrash = 88;

void onOutOfMemory(const char*, const v8::OOMDetails&) { _exit(kExitMemory); }

void onNoMemory() { _exit(kExitMemory); }

// onFatal ends the process where V8 would abort. An array or string that is larger than V8 can make at all is a want of memory too.
void onFatal(const char*, int, const char* message) {
  if (message == nullptr) _exit(kExitCrash);
  if (strstr(message, "invalid size") != nullptr || strstr(message, "out of memory") != nullptr || strstr(message, "llocation failed") != nullptr) {
    _exit(kExitMemory);
  }
  ssize_t ignored = write(2, "worker: V8: ", 12);
  ignored = write(2, message, strnlen(message, 500));
  ignored = write(2, "\n", 1);
  (void)ignored;
  _exit(kExitCrash);
}

}  // namespace

extern "C" int jsr_hook(const char* name) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::HandleScope scope(isolate);
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  v8::MaybeLocal<v8::String> key = v8::String::NewFromUtf8(isolate, name, v8::NewStringType::kNormal, -1);
  if (key.slot == nullptr) return 0;
  v8::MaybeLocal<v8::Value> hook = raw(raw(context)->Global())->Get(context, v8::Local<v8::Value>{key.slot});
  if (hook.slot == nullptr || !raw(v8::Local<v8::Value>{hook.slot})->IsFunction()) return 0;
  raw(context)->SetEmbedderData(kHookIndex, v8::Local<v8::Value>{hook.slot});
  isolate->SetPromiseRejectCallback(onReject);
  isolate->SetOOMErrorHandler(onOutOfMemory);
  return 1;
}

// jsr_lazy defines lazy properties of the global object. names has spaces in between.
extern "C" int jsr_lazy(const char* name, const char* names, int attributes) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::HandleScope scope(isolate);
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  v8::Object* global = raw(raw(context)->Global());
  v8::MaybeLocal<v8::String> key = v8::String::NewFromUtf8(isolate, name, v8::NewStringType::kNormal, -1);
  if (key.slot == nullptr) return 0;
  v8::MaybeLocal<v8::Value> make = global->Get(context, v8::Local<v8::Value>{key.slot});
  if (make.slot == nullptr || !raw(v8::Local<v8::Value>{make.slot})->IsFunction()) return 0;
  raw(context)->SetEmbedderData(kLazyIndex, v8::Local<v8::Value>{make.slot});
  for (const char* at = names; *at != 0;) {
    size_t n = strcspn(at, " ");
    key = v8::String::NewFromUtf8(isolate, at, v8::NewStringType::kInternalized, (int)n);
    if (key.slot == nullptr) return 0;
    v8::Maybe<bool> done = global->SetLazyDataProperty(context, v8::Local<v8::Name>{key.slot}, onLazy, v8::Local<v8::Value>{nullptr},
                                                       (v8::PropertyAttribute)attributes, v8::SideEffectType::kHasSideEffect,
                                                       v8::SideEffectType::kHasSideEffect);
    if (!done.has_value || !done.value) return 0;
    at += n;
    at += strspn(at, " ");
  }
  return 1;
}

// jsr_collect frees what nothing refers to any more.
extern "C" void jsr_collect(void) { v8::Isolate::GetCurrent()->MemoryPressureNotification(v8::MemoryPressureLevel::kCritical); }

extern "C" void jsr_fatal_handlers(void) {
  v8::base::SetFatalFunction(onFatal);
  std::set_new_handler(onNoMemory);
}

// V8 would open /dev/urandom for the seeds of Math.random and of hash tables, and take the clock where it cannot.
extern "C" void jsr_entropy(void) { v8::V8::SetEntropySource(entropy); }
