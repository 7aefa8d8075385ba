// Base64 and encodings of text for boot.js. The holder is an object of boot.js with the members text, a string, and bytes and table, typed
// arrays, which boot.js alone can set; a getter here works on them and returns a string, or a number: the count that it is asked for, or
// one of the codes below. No JavaScript runs between the look at a length and the use of it, and V8 moves no memory of an array that has a
// buffer.
//
//	getter        takes          gives
//	btoa          text           base64
//	atob          text           the bytes as characters, by the standard's forgiving decode
//	utf8Length    text           how many bytes it is as UTF-8
//	utf8Write     text, bytes    how many bytes were written; the holder's read is how many 16-bit units of the text those are
//	utf8          bytes          the text; kMalformed where the bytes are not UTF-8
//	utf8Replace   bytes          the text, with U+FFFD for what is malformed
//	single        bytes, table   the text by a table of 256 characters, a Uint16Array
//	utf16le       bytes          the text, halves of surrogate pairs as they are; an odd byte at the end is left out
//	utf16be
#include <stdlib.h>
#include <string.h>

#include "v8abi_linux.h"

namespace {

const int kMalformed = -1, kTooLong = -2, kNoMemory = -3;

// kMaxLength is V8's bound of a string on 64 bits.
const size_t kMaxLength = (1 << 29) - 24;

// Buffer is memory for the time of a call: on the stack where it is little. ok is false where there is none.
class Buffer {
 public:
  explicit Buffer(size_t size) : ok(true), data(small_) {
    if (size <= sizeof small_) return;
    data = static_cast<char*>(malloc(size));
    ok = data != nullptr;
  }
  ~Buffer() {
    if (data != small_) free(data);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  bool ok;
  char* data;

 private:
  alignas(16) char small_[8192];
};

// Call is one call of a getter.
class Call {
 public:
  explicit Call(const v8::PropertyCallbackInfo<v8::Value>& info) : info_(info), isolate(isolateOf(info)), context(isolate->GetCurrentContext()) {
    holder_ = as<v8::Object>(raw(context)->SlowGetEmbedderData(kHolderIndex));
  }

  // text is the holder's string, null if it has none.
  v8::String* text() {
    v8::MaybeLocal<v8::Value> v = member("text");
    return v.slot != nullptr && raw(v8::Local<v8::Value>{v.slot})->FullIsString() ? raw(v8::Local<v8::String>{v.slot}) : nullptr;
  }

  // bytes finds the memory of the holder's Uint8Array. It is empty for a detached array, and for one that its buffer has become too
  // small for.
  bool bytes(char** data, size_t* length) {
    v8::MaybeLocal<v8::Value> v = member("bytes");
    if (v.slot == nullptr || !raw(v8::Local<v8::Value>{v.slot})->IsUint8Array()) return false;
    return view(v, data, length);
  }

  bool table(uint16_t* to, size_t units) {
    v8::MaybeLocal<v8::Value> v = member("table");
    if (v.slot == nullptr || !raw(v8::Local<v8::Value>{v.slot})->IsUint16Array()) return false;
    char* data;
    size_t length;
    if (!view(v, &data, &length) || length != units * sizeof *to) return false;
    memcpy(to, data, length);
    return true;
  }

  void number(int n) { info_.args[valueIndex] = *v8::Integer::New(isolate, n).slot; }

  void string(v8::MaybeLocal<v8::String> s) {
    if (s.slot == nullptr) return number(kTooLong);
    info_.args[valueIndex] = *s.slot;
  }

  void latin1(const char* data, size_t length) {
    if (length > kMaxLength) return number(kTooLong);
    string(v8::String::NewFromOneByte(isolate, reinterpret_cast<const uint8_t*>(data), v8::NewStringType::kNormal, (int)length));
  }

  void units(const void* data, size_t length) {
    if (length > kMaxLength) return number(kTooLong);
    string(v8::String::NewFromTwoByte(isolate, static_cast<const uint16_t*>(data), v8::NewStringType::kNormal, (int)length));
  }

  bool setRead(size_t n) {
    v8::MaybeLocal<v8::String> key = v8::String::NewFromUtf8(isolate, "read", v8::NewStringType::kInternalized, 4);
    if (key.slot == nullptr) return false;
    v8::Maybe<bool> done = raw(holder_)->Set(context, v8::Local<v8::Value>{key.slot}, as<v8::Value>(v8::Integer::New(isolate, (int)n)));
    return done.has_value && done.value;
  }

 private:
  const v8::PropertyCallbackInfo<v8::Value>& info_;
  v8::Local<v8::Object> holder_;

  v8::MaybeLocal<v8::Value> member(const char* name) {
    v8::MaybeLocal<v8::String> key = v8::String::NewFromUtf8(isolate, name, v8::NewStringType::kInternalized, -1);
    if (key.slot == nullptr) return {nullptr};
    return raw(holder_)->Get(context, v8::Local<v8::Value>{key.slot});
  }

  static bool view(v8::MaybeLocal<v8::Value> v, char** data, size_t* length) {
    v8::ArrayBufferView* array = raw(v8::Local<v8::ArrayBufferView>{v.slot});
    v8::Local<v8::ArrayBuffer> buffer = array->Buffer();
    // Shared memory may change while it is read. No script has any.
    if (raw(as<v8::Value>(buffer))->IsSharedArrayBuffer()) return false;
    static char none;
    *length = array->ByteLength();
    *data = *length == 0 ? &none : static_cast<char*>(raw(buffer)->Data()) + array->ByteOffset();
    return true;
  }

 public:
  v8::Isolate* isolate;
  v8::Local<v8::Context> context;
};

using Info = v8::PropertyCallbackInfo<v8::Value>;
using Name = v8::Local<v8::Name>;

void onBtoa(Name, const Info& info) {
  Call call(info);
  v8::String* text = call.text();
  if (text == nullptr || !text->ContainsOnlyOneByte()) return call.number(kMalformed);
  size_t n = (size_t)text->Length(), out = (n + 2) / 3 * 4;
  if (out > kMaxLength) return call.number(kTooLong);
  Buffer to(out);
  if (!to.ok) return call.number(kNoMemory);
  uint8_t part[6144]; // three bytes are four characters: only the last part may have another length
  size_t at = 0, made = 0;
  while (at < n) {
    size_t m = n - at < sizeof part ? n - at : sizeof part;
    text->WriteOneByteV2(call.isolate, (uint32_t)at, (uint32_t)m, part, 0);
    made += simdutf::binary_to_base64(reinterpret_cast<char*>(part), m, to.data + made, simdutf::base64_default);
    at += m;
  }
  call.latin1(to.data, made);
}

void onAtob(Name, const Info& info) {
  Call call(info);
  v8::String* text = call.text();
  if (text == nullptr || !text->ContainsOnlyOneByte()) return call.number(kMalformed);
  size_t n = (size_t)text->Length();
  Buffer from(n);
  if (!from.ok) return call.number(kNoMemory);
  text->WriteOneByteV2(call.isolate, 0, (uint32_t)n, reinterpret_cast<uint8_t*>(from.data), 0);
  Buffer to(simdutf::maximal_binary_length_from_base64(from.data, n));
  if (!to.ok) return call.number(kNoMemory);
  simdutf::result r = simdutf::base64_to_binary(from.data, n, to.data, simdutf::base64_default, simdutf::loose);
  if (r.error != simdutf::SUCCESS) return call.number(kMalformed);
  call.latin1(to.data, r.count);
}

void onUtf8Length(Name, const Info& info) {
  Call call(info);
  v8::String* text = call.text();
  if (text == nullptr) return call.number(kMalformed);
  if (!text->ContainsOnlyOneByte()) return call.number((int)text->Utf8LengthV2(call.isolate)); // three times kMaxLength at most
  size_t n = (size_t)text->Length(), length = 0;
  char part[4096];
  for (size_t at = 0; at < n; at += sizeof part) {
    size_t m = n - at < sizeof part ? n - at : sizeof part;
    text->WriteOneByteV2(call.isolate, (uint32_t)at, (uint32_t)m, reinterpret_cast<uint8_t*>(part), 0);
    length += simdutf::utf8_length_from_latin1(part, m);
  }
  call.number((int)length);
}

// writeLatin1 writes a text without characters above U+00FF, of which V8's own way looks at each. It stops where one does not fit.
size_t writeLatin1(v8::Isolate* isolate, v8::String* text, char* data, size_t room, size_t* read) {
  size_t n = (size_t)text->Length(), written = 0;
  char part[4096];
  *read = 0;
  while (*read < n) {
    size_t m = n - *read < sizeof part ? n - *read : sizeof part;
    text->WriteOneByteV2(isolate, (uint32_t)*read, (uint32_t)m, reinterpret_cast<uint8_t*>(part), 0);
    size_t made = simdutf::convert_latin1_to_utf8_safe(part, m, data + written, room - written);
    size_t taken = simdutf::count_utf8(data + written, made);
    written += made;
    *read += taken;
    if (taken < m) break;
  }
  return written;
}

void onUtf8Write(Name, const Info& info) {
  Call call(info);
  v8::String* text = call.text();
  char* data;
  size_t room, read = 0;
  if (text == nullptr || !call.bytes(&data, &room)) return call.number(kMalformed);
  size_t most = (size_t)text->Length() * 3, written;
  if (text->ContainsOnlyOneByte()) written = writeLatin1(call.isolate, text, data, room, &read);
  else written = text->WriteUtf8V2(call.isolate, data, room < most ? room : most, v8::String::kReplaceInvalidUtf8, &read);
  if (!call.setRead(read)) return call.number(kMalformed);
  call.number((int)written);
}

void onUtf8(Name, const Info& info) {
  Call call(info);
  char* data;
  size_t n;
  if (!call.bytes(&data, &n)) return call.number(kMalformed);
  if (simdutf::validate_ascii(data, n)) return call.latin1(data, n);
  if (!simdutf::validate_utf8(data, n)) return call.number(kMalformed);
  size_t units = simdutf::utf16_length_from_utf8(data, n);
  if (units > kMaxLength) return call.number(kTooLong);
  Buffer to(units * sizeof(char16_t));
  if (!to.ok) return call.number(kNoMemory);
  // It stops at the first character above U+00FF, and gives 0.
  size_t narrow = simdutf::convert_utf8_to_latin1(data, n, to.data);
  if (narrow > 0) return call.latin1(to.data, narrow);
  char16_t* wide = reinterpret_cast<char16_t*>(to.data);
  call.units(wide, simdutf::convert_valid_utf8_to_utf16(data, n, wide));
}

void onUtf8Replace(Name, const Info& info) {
  Call call(info);
  char* data;
  size_t n;
  if (!call.bytes(&data, &n)) return call.number(kMalformed);
  if (n > kMaxLength) return call.number(kTooLong);
  call.string(v8::String::NewFromUtf8(call.isolate, data, v8::NewStringType::kNormal, (int)n));
}

void onSingle(Name, const Info& info) {
  Call call(info);
  char* data;
  size_t n;
  uint16_t table[256], seen = 0;
  if (!call.bytes(&data, &n) || !call.table(table, 256)) return call.number(kMalformed);
  if (n > kMaxLength) return call.number(kTooLong);
  Buffer to(n * sizeof *table);
  if (!to.ok) return call.number(kNoMemory);
  const uint8_t* from = reinterpret_cast<const uint8_t*>(data);
  uint16_t* wide = reinterpret_cast<uint16_t*>(to.data);
  for (size_t i = 0; i < n; i++) {
    wide[i] = table[from[i]];
    seen |= wide[i];
  }
  if (seen > 0xFF) return call.units(wide, n);
  for (size_t i = 0; i < n; i++) to.data[i] = (char)wide[i];
  call.latin1(to.data, n);
}

void utf16(const Info& info, bool swap) {
  Call call(info);
  char* data;
  size_t n;
  if (!call.bytes(&data, &n)) return call.number(kMalformed);
  n /= 2;
  if (n > kMaxLength) return call.number(kTooLong);
  Buffer to(n * sizeof(uint16_t));
  if (!to.ok) return call.number(kNoMemory);
  memcpy(to.data, data, n * sizeof(uint16_t));
  uint16_t* wide = reinterpret_cast<uint16_t*>(to.data);
  if (swap) {
    for (size_t i = 0; i < n; i++) wide[i] = __builtin_bswap16(wide[i]);
  }
  call.units(wide, n);
}

void onUtf16le(Name, const Info& info) { utf16(info, false); }

void onUtf16be(Name, const Info& info) { utf16(info, true); }

const struct {
  const char* name;
  void (*getter)(Name, const Info&);
} getters[] = {
    {"btoa", onBtoa},     {"atob", onAtob},     {"utf8Length", onUtf8Length}, {"utf8Write", onUtf8Write}, {"utf8", onUtf8}, {"utf8Replace", onUtf8Replace},
    {"single", onSingle}, {"utf16le", onUtf16le}, {"utf16be", onUtf16be},
};

}  // namespace

int addTextGetters(v8::Isolate* isolate, v8::Local<v8::Context> context, v8::Local<v8::Value> holder) {
  for (const auto& g : getters) {
    v8::MaybeLocal<v8::String> key = v8::String::NewFromUtf8(isolate, g.name, v8::NewStringType::kInternalized, -1);
    if (key.slot == nullptr) return 0;
    v8::Maybe<bool> done = raw(as<v8::Object>(holder))->SetNativeDataProperty(
        context, v8::Local<v8::Name>{key.slot}, g.getter, nullptr, v8::Local<v8::Value>{nullptr}, (v8::PropertyAttribute)(v8::ReadOnly | v8::DontDelete),
        v8::SideEffectType::kHasSideEffect, v8::SideEffectType::kHasSideEffect);
    if (!done.has_value || !done.value) return 0;
  }
  return 1;
}
