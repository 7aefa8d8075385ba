// V8 functions that the Go binding does not reach: the promise reject hook, lazy properties, garbage collection, the message loop, and
// what happens when V8 runs out of memory. What this file assumes about the layout of V8's data is probed when a worker starts: see
// probe.go.
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <new>

#include "v8abi_linux.h"

extern "C" void jsr_memory_gone(void);

int isolateIndex, valueIndex, compiles;

namespace {

// layouts says where a getter's arguments have the isolate and the slot of the value, from a major version of V8 on, and in which minor
// version of it ScriptCompiler and the resource of an external string are as v8abi_linux.h has them (-1: in none).
const struct {
  int major, isolate, value, minor;
} layouts[] = {{13, 3, 5, 6}, {15, 5, 6, -1}};

// The exit statuses are those of package wire.
const int kExitMemory = 87, kExitCrash = 88;

}  // namespace

void complain(const char* message) {
  ssize_t ignored = write(2, "worker: V8: ", 12);
  ignored = write(2, message, strnlen(message, 500));
  ignored = write(2, "\n", 1);
  (void)ignored;
}

v8::Isolate* isolateOf(const v8::PropertyCallbackInfo<v8::Value>& info) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  if (info.args[isolateIndex] != reinterpret_cast<uintptr_t>(isolate)) {
    complain("a getter's arguments are not laid out as this build assumes");
    _exit(kExitCrash);
  }
  return isolate;
}

namespace {

void onReject(v8::PromiseRejectMessage message) {
  if (message.event > 1) return;
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
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
  v8::Isolate* isolate = isolateOf(info);
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  v8::Local<v8::Value> make = raw(context)->SlowGetEmbedderData(kLazyIndex);
  v8::Local<v8::Value> args[1] = {as<v8::Value>(name)};
  v8::MaybeLocal<v8::Value> value = raw(as<v8::Function>(make))->Call(isolate, context, as<v8::Value>(raw(context)->Global()), 1, args);
  if (value.slot != nullptr) info.args[valueIndex] = *value.slot;
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

// onHeapLimit ends what runs and leaves V8 room to do so. V8 asks the callback that was added last, so that the binding's does not count.
size_t onHeapLimit(void* data, size_t current, size_t) {
  Hook* hook = static_cast<Hook*>(data);
  hook->limitHits++;
  hook->isolate->TerminateExecution();
  return current * 2;
}

void onOutOfMemory(const char*, const v8::OOMDetails&) { _exit(kExitMemory); }

void onNoMemory() { _exit(kExitMemory); }

// onFatal ends the process where V8 would abort. An array or string that is larger than V8 can make at all is a want of memory too. Another message
// is judged as a fatal signal is: where V8 says that ICU made no object, ICU may have been refused memory.
void onFatal(const char*, int, const char* message) {
  if (message != nullptr) {
    if (strstr(message, "invalid size") != nullptr || strstr(message, "out of memory") != nullptr || strstr(message, "llocation failed") != nullptr) {
      _exit(kExitMemory);
    }
  }
  jsr_memory_gone();
  if (message != nullptr) complain(message);
  _exit(kExitCrash);
}

// newFailed shows jsr_probe_allocator that a failed operator new asked for the handler.
bool newFailed;

void onNewFailed() {
  newFailed = true;
  std::set_new_handler(nullptr);
}

}  // namespace

// jsr_layout chooses the layout for V8's version: 0 if none is known for it.
extern "C" int jsr_layout(int major, int minor) {
  int known = 0;
  for (const auto& l : layouts) {
    if (major >= l.major) isolateIndex = l.isolate, valueIndex = l.value, compiles = major == l.major && minor == l.minor, known = 1;
  }
  return known;
}

// jsr_hook makes hook's isolate and context ours, and returns hook, which is made where it is null. null is returned for a failure.
extern "C" void* jsr_hook(const char* name, void* made) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  v8::MaybeLocal<v8::String> key = v8::String::NewFromUtf8(isolate, name, v8::NewStringType::kNormal, -1);
  if (key.slot == nullptr) return nullptr;
  v8::MaybeLocal<v8::Value> reject = raw(raw(context)->Global())->Get(context, v8::Local<v8::Value>{key.slot});
  if (reject.slot == nullptr || !raw(v8::Local<v8::Value>{reject.slot})->IsFunction()) return nullptr;
  raw(context)->SetEmbedderData(kHookIndex, v8::Local<v8::Value>{reject.slot});
  if (made != nullptr) return static_cast<Hook*>(made)->isolate == isolate ? made : nullptr;
  isolate->SetPromiseRejectCallback(onReject);
  // The binding asks V8 for a second trace of each error that is made, which nothing here reads: an error's own stack is there without it.
  isolate->SetCaptureStackTraceForUncaughtExceptions(false, 0, v8::StackTrace::kLineNumber);
  isolate->SetOOMErrorHandler(onOutOfMemory);
  Hook* hook = new Hook{};
  hook->isolate = isolate;
  isolate->AddNearHeapLimitCallback(onHeapLimit, hook);
  return hook;
}

// jsr_forget is called once the hook's isolate is gone.
extern "C" void jsr_forget(void* hook) { delete static_cast<Hook*>(hook); }

extern "C" int jsr_limit_hits(void* hook) { return static_cast<Hook*>(hook)->limitHits; }

// jsr_pump runs what V8 and JavaScript have put off: at most so many tasks, and none is begun after so many microseconds. It returns
// how many ran. No JavaScript of the isolate may be under way. Tasks run tenants' code: the caller watches over it.
extern "C" int jsr_pump(void* made, int tasks, int64_t micros) {
  v8::Isolate* isolate = static_cast<Hook*>(made)->isolate;
  v8::Platform* platform = v8::internal::V8::GetCurrentPlatform();
  v8::Locker locker(isolate);
  isolate->Enter();
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  int64_t end = at.tv_sec * 1000000 + at.tv_nsec / 1000 + micros;
  int n = 0;
  while (n < tasks && v8::platform::PumpMessageLoop(platform, isolate, v8::platform::MessageLoopBehavior::kDoNotWait)) {
    n++;
    clock_gettime(CLOCK_MONOTONIC, &at);
    if (at.tv_sec * 1000000 + at.tv_nsec / 1000 >= end) break;
  }
  if (n > 0) isolate->PerformMicrotaskCheckpoint();
  isolate->Exit();
  return n;
}

// jsr_pressure makes V8 give back what it can: at once where no JavaScript of the isolate runs, else at the script's next loop or call.
// It may be called from any thread while the isolate is there.
extern "C" void jsr_pressure(void* made) { static_cast<Hook*>(made)->isolate->MemoryPressureNotification(v8::MemoryPressureLevel::kCritical); }

// jsr_relieve is jsr_pressure on the isolate's own thread between executions.
extern "C" void jsr_relieve(void* made) {
  v8::Isolate* isolate = static_cast<Hook*>(made)->isolate;
  v8::Locker locker(isolate);
  isolate->Enter();
  isolate->MemoryPressureNotification(v8::MemoryPressureLevel::kCritical);
  isolate->Exit();
}

// jsr_flags sets V8's flags: 0 if V8 knows all of them, else a number.
extern "C" int jsr_flags(const char* text) { return v8::internal::FlagList::SetFlagsFromString(text, strlen(text)); }

// jsr_probe_slots reports whether the context's embedder data are what jsr_hook and jsr_lazy stored. It is called as jsr_hook.
extern "C" int jsr_probe_slots(void) {
  v8::Local<v8::Context> context = v8::Isolate::GetCurrent()->GetCurrentContext();
  v8::Local<v8::Value> reject = raw(context)->SlowGetEmbedderData(kHookIndex), lazy = raw(context)->SlowGetEmbedderData(kLazyIndex);
  return raw(reject)->IsFunction() && raw(lazy)->IsFunction();
}

// jsr_probe_new reports whether a failed operator new asks for our handler.
extern "C" int jsr_probe_new(void) {
  std::new_handler before = std::set_new_handler(onNewFailed);
  newFailed = false;
  // The address space has no such room; volatile, so that the compiler does not leave the call out.
  volatile size_t huge = (size_t)1 << 62;
  void* p = ::operator new(huge, std::nothrow);
  ::operator delete(p);
  std::set_new_handler(before);
  return p == nullptr && newFailed;
}

// jsr_probe_malloc reports whether malloc is the C library's, whose free memory jsr_trim gives back.
extern "C" int jsr_probe_malloc(void) {
  const size_t n = 64 << 10;
  size_t before = mallinfo2().uordblks;
  void* volatile p = malloc(n);
  size_t with = mallinfo2().uordblks;
  void* volatile q = ::operator new(n);
  size_t both = mallinfo2().uordblks;
  ::operator delete(q);
  free(p);
  return with >= before + n && both >= with + n;
}

// jsr_lazy defines lazy properties of the global object. names has spaces in between.
extern "C" int jsr_lazy(const char* name, const char* names, int attributes) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
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

// jsr_holder takes the object that globalThis has under name as the one that jsr_hold gives strings to. It is called as jsr_hook.
extern "C" int jsr_holder(const char* name) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  v8::MaybeLocal<v8::String> key = v8::String::NewFromUtf8(isolate, name, v8::NewStringType::kNormal, -1);
  if (key.slot == nullptr) return 0;
  v8::MaybeLocal<v8::Value> holder = raw(raw(context)->Global())->Get(context, v8::Local<v8::Value>{key.slot});
  if (holder.slot == nullptr || !raw(v8::Local<v8::Value>{holder.slot})->IsObject()) return 0;
  raw(context)->SetEmbedderData(kHolderIndex, v8::Local<v8::Value>{holder.slot});
  return addTextGetters(isolate, context, v8::Local<v8::Value>{holder.slot});
}

// jsr_hold makes a string of so many bytes, or of so many 16-bit units where wide is set, the text of the holder: 0 where V8 makes none.
// It is called as jsr_hook. V8 copies the data without looking at it, which UTF-8 would cost.
extern "C" int jsr_hold(const void* data, int length, int wide) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  v8::Local<v8::Value> holder = raw(context)->SlowGetEmbedderData(kHolderIndex);
  if (holder.slot == nullptr || !raw(holder)->IsObject()) return 0;
  v8::MaybeLocal<v8::String> key = v8::String::NewFromUtf8(isolate, "text", v8::NewStringType::kInternalized, 4);
  v8::MaybeLocal<v8::String> text =
      wide ? v8::String::NewFromTwoByte(isolate, static_cast<const uint16_t*>(data), v8::NewStringType::kNormal, length)
           : v8::String::NewFromOneByte(isolate, static_cast<const uint8_t*>(data), v8::NewStringType::kNormal, length);
  if (key.slot == nullptr || text.slot == nullptr) return 0;
  v8::Maybe<bool> done = raw(as<v8::Object>(holder))->Set(context, v8::Local<v8::Value>{key.slot}, v8::Local<v8::Value>{text.slot});
  return done.has_value && done.value;
}

// jsr_continuation gives the object that globalThis has under name V8's functions get and set, for the value that V8 keeps for the
// reactions of promises: 0 where this V8 has none. It is called as jsr_hook.
extern "C" int jsr_continuation(const char* name) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  v8::MaybeLocal<v8::String> key = v8::String::NewFromUtf8(isolate, name, v8::NewStringType::kNormal, -1);
  if (key.slot == nullptr) return 0;
  v8::MaybeLocal<v8::Value> target = raw(raw(context)->Global())->Get(context, v8::Local<v8::Value>{key.slot});
  if (target.slot == nullptr || !raw(v8::Local<v8::Value>{target.slot})->IsObject()) return 0;
  v8::Object* extras = raw(raw(context)->GetExtrasBindingObject());
  const char* const names[2][2] = {{"get", "getContinuationPreservedEmbedderData"}, {"set", "setContinuationPreservedEmbedderData"}};
  for (const auto& pair : names) {
    v8::MaybeLocal<v8::String> ours = v8::String::NewFromUtf8(isolate, pair[0], v8::NewStringType::kInternalized, -1);
    v8::MaybeLocal<v8::String> theirs = v8::String::NewFromUtf8(isolate, pair[1], v8::NewStringType::kInternalized, -1);
    if (ours.slot == nullptr || theirs.slot == nullptr) return 0;
    v8::MaybeLocal<v8::Value> fn = extras->Get(context, v8::Local<v8::Value>{theirs.slot});
    if (fn.slot == nullptr || !raw(v8::Local<v8::Value>{fn.slot})->IsFunction()) return 0;
    v8::Maybe<bool> done = raw(v8::Local<v8::Object>{target.slot})->Set(context, v8::Local<v8::Value>{ours.slot}, v8::Local<v8::Value>{fn.slot});
    if (!done.has_value || !done.value) return 0;
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

// The functions of ICU have its version in their names: the one that is linked is found among weak references.
#define JSR_ICU(v)                                                                                              \
  extern "C" void jsr_u_version_##v(uint8_t*) __asm__("u_getVersion_" #v) __attribute__((weak));              \
  extern "C" const char* jsr_tz_version_##v(int*) __asm__("_ZN6icu_" #v "8TimeZone16getTZDataVersionER10UErrorCode") \
      __attribute__((weak));
#define JSR_ICU_ASK(v)                                    \
  if (jsr_u_version_##v != nullptr) jsr_u_version_##v(icu); \
  if (jsr_tz_version_##v != nullptr) zones = jsr_tz_version_##v(&error);
#define JSR_ICU_EACH(X) \
  X(72) X(73) X(74) X(75) X(76) X(77) X(78) X(79) X(80) X(81) X(82) X(83) X(84) X(85) X(86) X(87) X(88) X(89) X(90)

JSR_ICU_EACH(JSR_ICU)

// jsr_icu returns the version of the time zone data, null if unknown, and writes ICU's, four numbers.
extern "C" const char* jsr_icu(uint8_t* icu) {
  int error = 0;
  const char* zones = nullptr;
  JSR_ICU_EACH(JSR_ICU_ASK)
  return error > 0 ? nullptr : zones;
}
