// The calls into V8 of the warm path: what package warm's loop runs without Go. Handles are taken from within a native call (jsr_warm), as
// jsr_hook takes its own. The two calls are those of Isolate.Begin and Isolate.Pump, with the same scopes around them.
#include <string.h>

#include "v8abi_linux.h"

// V8 15 has no function that opens a handle scope: there the warm path is off (jsr_warm_supported).
extern "C" void jsr_scope_open(void* scope, v8::Isolate* isolate) __asm__("_ZN2v811HandleScopeC1EPNS_7IsolateE") __attribute__((weak));
extern "C" void jsr_scope_close(void* scope) __asm__("_ZN2v811HandleScopeD1Ev") __attribute__((weak));

extern "C" int jsr_pump(void* made, int tasks, int64_t micros);

namespace {

// As package warm has them.
enum { kThrew = 1, kTerminated = 2, kExceeded = 4 };

// Of Isolate.Pump.
const int kPumpTasks = 100;
const int64_t kPumpMicros = 5000;

// Scope is a handle scope, a lock of the isolate, and the isolate entered, for as long as it lives.
class Scope {
 public:
  explicit Scope(v8::Isolate* isolate) : locker_(isolate), isolate_(isolate) {
    isolate->Enter();
    jsr_scope_open(space_, isolate);
  }
  ~Scope() {
    jsr_scope_close(space_);
    isolate_->Exit();
  }

 private:
  v8::Locker locker_;
  v8::Isolate* isolate_;
  void* space_[8];
};

// say keeps the text of what was thrown, as the binding's error has it.
void say(Hook* hook, v8::Local<v8::Context> context, const v8::TryCatch& caught) {
  hook->message[0] = 0;
  v8::Local<v8::Value> exception = caught.Exception();
  if (exception.slot == nullptr) return;
  v8::TryCatch quiet(hook->isolate);
  v8::MaybeLocal<v8::String> text = raw(exception)->ToString(context);
  if (text.slot == nullptr) return;
  size_t n = raw(v8::Local<v8::String>{text.slot})
                 ->WriteUtf8V2(hook->isolate, hook->message, sizeof hook->message - 1, v8::String::kReplaceInvalidUtf8, nullptr);
  hook->message[n] = 0;
}

// call calls a function of boot.js, which uses no receiver.
int call(Hook* hook, uintptr_t* function, int argc, v8::Local<v8::Value>* argv) {
  v8::TryCatch caught(hook->isolate);
  v8::Local<v8::Context> context{hook->context};
  v8::Local<v8::Function> fn{function};
  v8::MaybeLocal<v8::Value> result = raw(fn)->Call(hook->isolate, context, as<v8::Value>(fn), argc, argv);
  if (result.slot != nullptr) return 0;
  if (caught.HasTerminated()) return kTerminated;
  say(hook, context, caught);
  return kThrew;
}

struct Usage {
  size_t used, limit;
};

// usage is what Isolate.Usage gives: heap and native memory, and V8's word for the heap limit.
Usage usage(v8::Isolate* isolate) {
  v8::HeapStatistics s;
  isolate->GetHeapStatistics(&s);
  return {s.fields[4] + s.fields[6] + s.fields[7], s.fields[5]};
}

int end(Hook* hook, int flags) { return flags | (hook->limitHits > 0 ? kExceeded : 0); }

}  // namespace

// jsr_warm_supported reports whether this V8 has what this file needs.
extern "C" int jsr_warm_supported(void) { return jsr_scope_open != nullptr && jsr_scope_close != nullptr; }

// jsr_cool gives the context's handles back. It is called before the context is closed.
extern "C" void jsr_cool(void* made) {
  Hook* hook = static_cast<Hook*>(made);
  dispose(&hook->context);
  dispose(&hook->begin);
  dispose(&hook->end);
  dispose(&hook->reply);
  dispose(&hook->answered);
}

// jsr_warm takes the current context, and the functions begin, end, reply and answered of the object that globalThis has under name. It is called as
// jsr_hook, and returns 0 for a failure.
extern "C" int jsr_warm(const char* name, void* made, size_t heapLimit) {
  Hook* hook = static_cast<Hook*>(made);
  v8::Isolate* isolate = hook->isolate;
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  v8::MaybeLocal<v8::String> key = v8::String::NewFromUtf8(isolate, name, v8::NewStringType::kNormal, -1);
  if (key.slot == nullptr) return 0;
  v8::MaybeLocal<v8::Value> faces = raw(raw(context)->Global())->Get(context, v8::Local<v8::Value>{key.slot});
  if (faces.slot == nullptr || !raw(v8::Local<v8::Value>{faces.slot})->IsObject()) return 0;
  uintptr_t* functions[3];
  const char* const names[3] = {"begin", "end", "reply"};
  for (int i = 0; i < 3; i++) {
    key = v8::String::NewFromUtf8(isolate, names[i], v8::NewStringType::kInternalized, -1);
    if (key.slot == nullptr) return 0;
    v8::MaybeLocal<v8::Value> fn = raw(v8::Local<v8::Object>{faces.slot})->Get(context, v8::Local<v8::Value>{key.slot});
    if (fn.slot == nullptr || !raw(v8::Local<v8::Value>{fn.slot})->IsFunction()) return 0;
    functions[i] = fn.slot;
  }
  jsr_cool(made);
  hook->context = globalize(isolate, context.slot);
  hook->begin = globalize(isolate, functions[0]);
  hook->end = globalize(isolate, functions[1]);
  hook->reply = globalize(isolate, functions[2]);
  hook->heapLimit = heapLimit;
  key = v8::String::NewFromUtf8(isolate, "answered", v8::NewStringType::kInternalized, -1);
  if (key.slot == nullptr) return 0;
  v8::MaybeLocal<v8::Value> answered = raw(v8::Local<v8::Object>{faces.slot})->Get(context, v8::Local<v8::Value>{key.slot});
  if (answered.slot == nullptr || !raw(v8::Local<v8::Value>{answered.slot})->IsFunction()) return 0;
  hook->answered = globalize(isolate, answered.slot);
  return 1;
}

// jsr_warm_begin is warm's jsr_begin: it calls boot.js's begin with texts of ASCII.
extern "C" int jsr_warm_begin(void* made, const uint8_t* start, size_t n, const uint8_t* body, size_t bodyLength) {
  Hook* hook = static_cast<Hook*>(made);
  Scope scope(hook->isolate);
  v8::Local<v8::Value> args[2];
  v8::MaybeLocal<v8::String> text = v8::String::NewFromOneByte(hook->isolate, start, v8::NewStringType::kNormal, (int)n);
  args[0] = v8::Local<v8::Value>{text.slot};
  if (body != nullptr) {
    v8::MaybeLocal<v8::String> second = v8::String::NewFromOneByte(hook->isolate, body, v8::NewStringType::kNormal, (int)bodyLength);
    args[1] = v8::Local<v8::Value>{second.slot};
  }
  if (args[0].slot == nullptr || (body != nullptr && args[1].slot == nullptr)) {
    strcpy(hook->message, "RangeError: Invalid string length");
    return end(hook, kThrew);
  }
  return end(hook, call(hook, hook->begin, body != nullptr ? 2 : 1, args));
}

// jsr_exchange says where boot.js's buffer for bytes is.
extern "C" void jsr_exchange(void* made, uint8_t* exchange, size_t length) {
  Hook* hook = static_cast<Hook*>(made);
  hook->exchange = exchange, hook->exchangeLength = length;
}

// jsr_warm_reply is warm's jsr_reply_call: it calls boot.js's reply with a text of UTF-8, and bytes that fit its buffer.
extern "C" int jsr_warm_reply(void* made, const uint8_t* payload, size_t n, int ascii, const uint8_t* body, size_t bodyLength) {
  Hook* hook = static_cast<Hook*>(made);
  if (bodyLength > hook->exchangeLength) {  // it is never as small
    strcpy(hook->message, "RangeError: exchange: too small");
    return end(hook, kThrew);
  }
  if (bodyLength > 0) memcpy(hook->exchange, body, bodyLength);
  Scope scope(hook->isolate);
  v8::MaybeLocal<v8::String> text =
      ascii ? v8::String::NewFromOneByte(hook->isolate, payload, v8::NewStringType::kNormal, (int)n)
            : v8::String::NewFromUtf8(hook->isolate, reinterpret_cast<const char*>(payload), v8::NewStringType::kNormal, (int)n);
  v8::Local<v8::Value> args[1] = {v8::Local<v8::Value>{text.slot}};
  if (text.slot == nullptr) {
    strcpy(hook->message, "RangeError: Invalid string length");
    return end(hook, kThrew);
  }
  return end(hook, call(hook, hook->reply, 1, args));
}

// jsr_warm_text is warm's jsr_text: it calls boot.js's answered, which changes nothing.
extern "C" size_t jsr_warm_text(void* made, uint8_t* to, size_t room) {
  Hook* hook = static_cast<Hook*>(made);
  v8::Isolate* isolate = hook->isolate;
  Scope scope(isolate);
  v8::TryCatch caught(isolate);
  v8::Local<v8::Function> fn{hook->answered};
  v8::MaybeLocal<v8::Value> result = raw(fn)->Call(isolate, v8::Local<v8::Context>{hook->context}, as<v8::Value>(fn), 0, nullptr);
  if (result.slot == nullptr || !raw(v8::Local<v8::Value>{result.slot})->FullIsString()) return SIZE_MAX;
  const v8::String* text = raw(v8::Local<v8::String>{result.slot});
  size_t length = (size_t)text->Length();
  if (length > room) return SIZE_MAX;
  size_t n = text->Utf8LengthV2(isolate);
  if (n > room) return SIZE_MAX;
  if (n == length) {  // ASCII
    text->WriteOneByteV2(isolate, 0, (uint32_t)length, to, 0);
  } else {
    n = text->WriteUtf8V2(isolate, reinterpret_cast<char*>(to), room, v8::String::kReplaceInvalidUtf8, nullptr);
  }
  return n;
}

// jsr_warm_pump is warm's jsr_pump. ended is 0 where boot.js still has the execution whose result was handed over without a call.
extern "C" int jsr_warm_pump(void* made, int ended) {
  Hook* hook = static_cast<Hook*>(made);
  Scope scope(hook->isolate);
  int flags = ended != 0 ? 0 : call(hook, hook->end, 0, nullptr);
  // What callbacks reject counts for nothing between executions: begin ends what is left.
  if (flags == 0 && jsr_pump(made, kPumpTasks, kPumpMicros) > 0) flags = call(hook, hook->end, 0, nullptr);
  return end(hook, flags);
}

extern "C" const char* jsr_warm_message(void* made) { return static_cast<Hook*>(made)->message; }

// jsr_warm_used is warm's jsr_used. All of it is used where the heap limit is not what it was.
extern "C" uint64_t jsr_warm_used(void* made) {
  Hook* hook = static_cast<Hook*>(made);
  v8::Locker locker(hook->isolate);
  Usage u = usage(hook->isolate);
  return u.limit == hook->heapLimit ? u.used : UINT64_MAX;
}

// jsr_warm_usage is what the warm path reads of V8's statistics, for the probe.
extern "C" uint64_t jsr_warm_usage(void* made, uint64_t* limit) {
  Hook* hook = static_cast<Hook*>(made);
  v8::Locker locker(hook->isolate);
  Usage u = usage(hook->isolate);
  *limit = u.limit;
  return u.used;
}
