// What of V8 and of the libraries that are linked with it is called here, as their headers have it. A change of a signature fails at link
// time.
#ifndef JSR_V8ABI_H
#define JSR_V8ABI_H

#include <stddef.h>
#include <stdint.h>

namespace v8 {

class Context;
class Isolate;
class Name;
class Promise;
class String;
class Value;
class Function;
class UnboundScript;
enum class NewStringType { kNormal, kInternalized };
enum class SideEffectType { kHasSideEffect, kHasNoSideEffect, kHasSideEffectToReceiver };
enum class MemoryPressureLevel { kNone, kModerate, kCritical };
enum PropertyAttribute { None = 0, ReadOnly = 1, DontEnum = 2, DontDelete = 4 };

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

// What a getter is called with. Where the isolate is and where the value goes depends on V8's version: see layouts.
template <class T>
class PropertyCallbackInfo {
 public:
  mutable uintptr_t args[8];
};

struct OOMDetails {
  bool is_heap_oom;
  const char* detail;
};

class TryCatch {
 public:
  explicit TryCatch(Isolate* isolate);
  ~TryCatch();
  bool HasTerminated() const;
  Local<Value> Exception() const;

 private:
  void* space_[32];
};

class StackTrace {
 public:
  enum StackTraceOptions { kLineNumber = 1 };
};

// HeapStatistics is filled by V8. Which field is which is probed: see checkWarm.
class HeapStatistics {
 public:
  HeapStatistics();
  size_t fields[32];
};

class Isolate {
 public:
  void GetHeapStatistics(HeapStatistics* statistics);
  void SetCaptureStackTraceForUncaughtExceptions(bool capture, int frames, StackTrace::StackTraceOptions options);
  static Isolate* GetCurrent();
  Local<Context> GetCurrentContext();
  void SetPromiseRejectCallback(void (*callback)(PromiseRejectMessage));
  void SetOOMErrorHandler(void (*callback)(const char*, const OOMDetails&));
  void MemoryPressureNotification(MemoryPressureLevel level);
  void AddNearHeapLimitCallback(size_t (*callback)(void* data, size_t current, size_t initial), void* data);
  void TerminateExecution();
  void PerformMicrotaskCheckpoint();
  void Enter();
  void Exit();
};

class Locker {
 public:
  explicit Locker(Isolate* isolate) { Initialize(isolate); }
  ~Locker();

 private:
  void Initialize(Isolate* isolate);
  void* space_[8];
};

class Platform;

namespace platform {
enum class MessageLoopBehavior : bool { kDoNotWait = false, kWaitForWork = true };
bool PumpMessageLoop(Platform* platform, Isolate* isolate, MessageLoopBehavior behavior);
}  // namespace platform

namespace internal {
class Isolate;
class V8 {
 public:
  static Platform* GetCurrentPlatform();
};
class FlagList {
 public:
  static int SetFlagsFromString(const char* text, size_t length);
};
}  // namespace internal

namespace api_internal {
uintptr_t* GlobalizeReference(internal::Isolate* isolate, uintptr_t value);
void DisposeGlobal(uintptr_t* slot);
}  // namespace api_internal

class V8 {
 public:
  static void SetEntropySource(bool (*source)(unsigned char* buffer, size_t length));
};

class Object {
 public:
  MaybeLocal<Value> Get(Local<Context> context, Local<Value> key);
  Maybe<bool> Set(Local<Context> context, Local<Value> key, Local<Value> value);
  Maybe<bool> SetNativeDataProperty(Local<Context> context, Local<Name> name, void (*getter)(Local<Name>, const PropertyCallbackInfo<Value>&),
                                    void (*setter)(Local<Name>, Local<Value>, const PropertyCallbackInfo<void>&), Local<Value> data,
                                    PropertyAttribute attributes, SideEffectType getting, SideEffectType setting);
  Maybe<bool> SetLazyDataProperty(Local<Context> context, Local<Name> name, void (*getter)(Local<Name>, const PropertyCallbackInfo<Value>&),
                                  Local<Value> data, PropertyAttribute attributes, SideEffectType getting, SideEffectType setting);
};

class Context {
 public:
  Local<Object> Global();
  Local<Object> GetExtrasBindingObject();
  void SetEmbedderData(int index, Local<Value> value);
  Local<Value> SlowGetEmbedderData(int index);
};

class Value {
 public:
  bool IsFunction() const;
  bool IsObject() const;
  bool FullIsString() const; // IsString is inline
  MaybeLocal<String> ToString(Local<Context> context) const;
  bool IsUint8Array() const;
  bool IsUint16Array() const;
  bool IsSharedArrayBuffer() const;
};

class String {
 public:
  // ExternalOneByteStringResource is the text of strings that V8 keeps no copy of. Which of its functions V8 calls for what depends on V8's
  // version: see layouts.
  class ExternalOneByteStringResource {
   public:
    virtual ~ExternalOneByteStringResource() {}
    virtual bool IsCacheable() const { return true; }
    virtual void Unaccount(Isolate*) {}
    virtual size_t EstimateMemoryUsage() const { return 0; }
    virtual void EstimateSharedMemoryUsage(void*) const {}
    virtual void Dispose() {}
    virtual void Lock() const {}
    virtual void Unlock() const {}
    virtual const char* data() const = 0;
    virtual size_t length() const = 0;

   private:
    const char* cached_ = nullptr;  // V8 writes it
  };
  static MaybeLocal<String> NewExternalOneByte(Isolate* isolate, ExternalOneByteStringResource* resource);

  enum { kReplaceInvalidUtf8 = 2 };
  int Length() const;
  bool ContainsOnlyOneByte() const;
  size_t Utf8LengthV2(Isolate* isolate) const;
  size_t WriteUtf8V2(Isolate* isolate, char* buffer, size_t capacity, int flags, size_t* read) const;
  void WriteOneByteV2(Isolate* isolate, uint32_t offset, uint32_t length, uint8_t* buffer, int flags) const;
  static MaybeLocal<String> NewFromUtf8(Isolate* isolate, const char* data, NewStringType type, int length);
  static MaybeLocal<String> NewFromOneByte(Isolate* isolate, const uint8_t* data, NewStringType type, int length);
  static MaybeLocal<String> NewFromTwoByte(Isolate* isolate, const uint16_t* data, NewStringType type, int length);
};

class Integer {
 public:
  static Local<Integer> New(Isolate* isolate, int value);
};

class ArrayBuffer {
 public:
  void* Data() const;
};

class ArrayBufferView {
 public:
  Local<ArrayBuffer> Buffer();
  size_t ByteOffset();
  size_t ByteLength();
};

class Function {
 public:
  MaybeLocal<Value> Call(Isolate* isolate, Local<Context> context, Local<Value> recv, int argc, Local<Value> argv[]);
};

class Script {
 public:
  MaybeLocal<Value> Run(Local<Context> context);
};

class UnboundScript {
 public:
  Local<Script> BindToCurrentContext();
};

class ScriptCompiler {
 public:
  struct CachedData {
    enum BufferPolicy { BufferNotOwned, BufferOwned };
    CachedData(const uint8_t* data, int length, BufferPolicy policy);
    ~CachedData();
    const uint8_t* data;
    int length;
    bool rejected;
    BufferPolicy policy;
  };
  // Source is as V8 13 has it: see layouts.
  class Source {
   public:
    Local<String> text;
    Local<Value> name;
    int line = 0, column = 0, options = 0;
    Local<Value> map{nullptr};
    Local<Value> host{nullptr};
    CachedData* cache = nullptr;  // V8 reads it only
    void* task = nullptr;
    void *hints = nullptr, *hintData = nullptr;
    int64_t details[8] = {};
  };
  enum CompileOptions { kNoCompileOptions = 0, kConsumeCodeCache = 1 };
  enum NoCacheReason { kNoCacheNoReason = 0 };
  static MaybeLocal<UnboundScript> CompileUnboundScript(Isolate* isolate, Source* source, CompileOptions options, NoCacheReason reason);
  static CachedData* CreateCodeCache(Local<UnboundScript> script);
};

namespace base {
void SetFatalFunction(void (*callback)(const char* file, int line, const char* message));
}

}  // namespace v8

// simdutf converts and checks text with the processor's vector instructions. V8 has a copy of it.
namespace simdutf {

enum error_code { SUCCESS = 0 };
struct result {
  error_code error;
  size_t count;
};
enum base64_options : uint64_t { base64_default = 0 };
enum last_chunk_handling_options : uint64_t { loose = 0 };

size_t binary_to_base64(const char* input, size_t length, char* output, base64_options options);
size_t maximal_binary_length_from_base64(const char* input, size_t length);
result base64_to_binary(const char* input, size_t length, char* output, base64_options options, last_chunk_handling_options last);
size_t utf8_length_from_latin1(const char* input, size_t length);
size_t convert_latin1_to_utf8_safe(const char* input, size_t length, char* output, size_t room);
size_t count_utf8(const char* input, size_t length);
bool validate_ascii(const char* input, size_t length);
bool validate_utf8(const char* input, size_t length);
size_t utf16_length_from_utf8(const char* input, size_t length);
size_t convert_utf8_to_latin1(const char* input, size_t length, char* output);
size_t convert_valid_utf8_to_utf16(const char* input, size_t length, char16_t* output);

}  // namespace simdutf

template <class T, class U>
v8::Local<T> as(v8::Local<U> v) {
  return v8::Local<T>{v.slot};
}

// A Local points at a slot that holds the object's address; V8's methods take that slot as this.
template <class T>
T* raw(v8::Local<T> v) {
  return reinterpret_cast<T*>(v.slot);
}

// Hook is what is kept here of an isolate. The Go side has its address from jsr_hook until jsr_forget.
struct Hook {
  v8::Isolate* isolate;
  int limitHits;  // how often the heap limit was reached

  // Of the warm path (v8warm_linux.cc): global handles of the context that is loaded and of boot.js's functions, null where there is none.
  uintptr_t *context, *begin, *end, *reply, *answered;
  size_t heapLimit;    // as V8 names it before the limit was ever reached
  uint8_t* exchange;   // boot.js's buffer for bytes, null where there is none
  size_t exchangeLength;
  char message[8192];  // of what the last call threw, with a NUL at its end
};

// The binding keeps its own data in the first indexes: 1, and with V8 15 also 2 and 3.
const int kHookIndex = 16, kLazyIndex = 17, kHolderIndex = 18;

// Where a getter's arguments have the isolate and the slot of the value: see layouts.
extern int isolateIndex, valueIndex;

// Whether scripts can be compiled from texts that V8 does not copy and from code caches: see layouts.
extern int compiles;

// isolateOf returns the isolate of a getter's call. It ends the process where the arguments are not laid out as assumed: a write to a slot
// that is not the value's would corrupt memory, which a script could use.
v8::Isolate* isolateOf(const v8::PropertyCallbackInfo<v8::Value>& info);

void complain(const char* message);

// globalize makes a handle that outlives the scope of the one in slot. Its owner gives it back by dispose.
inline uintptr_t* globalize(v8::Isolate* isolate, uintptr_t* slot) {
  return v8::api_internal::GlobalizeReference(reinterpret_cast<v8::internal::Isolate*>(isolate), *slot);
}

inline void dispose(uintptr_t** global) {
  if (*global != nullptr) v8::api_internal::DisposeGlobal(*global);
  *global = nullptr;
}

// addTextGetters gives the holder the getters that work on its text and bytes: 0 for a failure.
int addTextGetters(v8::Isolate* isolate, v8::Local<v8::Context> context, v8::Local<v8::Value> holder);

#endif
