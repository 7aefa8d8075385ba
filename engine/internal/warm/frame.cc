#include "frame.h"

#include <string.h>

namespace {

// Reader takes fields off a payload. After the first malformed one all are zero, as wire.Decoder's.
struct Reader {
  const uint8_t *at, *end;
  bool bad;

  uint64_t number(uint64_t limit) {
    uint64_t v = 0;
    for (int i = 0; !bad && i < 10 && at < end; i++) {
      uint8_t c = *at++;
      if (i == 9 && c > 1) break;  // more than 64 bits
      v |= (uint64_t)(c & 0x7F) << (7 * i);
      if (c >= 0x80) continue;
      if (v > limit) break;
      return v;
    }
    bad = true;
    return 0;
  }

  const uint8_t* bytes(size_t* n) {
    *n = (size_t)number((uint64_t)(end - at));
    if (!bad && *n > (size_t)(end - at)) bad = true;  // the length itself took some of the bytes that were left
    if (bad) *n = 0;
    const uint8_t* p = at;
    at += *n;
    return p;
  }
};

uint8_t* number(uint8_t* to, uint64_t v) {
  for (; v >= 0x80; v >>= 7) *to++ = (uint8_t)v | 0x80;
  *to++ = (uint8_t)v;
  return to;
}

uint8_t* bytes(uint8_t* to, const uint8_t* p, size_t n) {
  to = number(to, n);
  if (n > 0) memcpy(to, p, n);
  return to + n;
}

// framed writes the length of a frame that ends at a place, and returns it with its own four bytes.
size_t framed(uint8_t* to, const uint8_t* end) {
  size_t n = (size_t)(end - to);
  for (int i = 0; i < 4; i++) to[i] = (uint8_t)((n - 4) >> (8 * i));
  return n;
}

}  // namespace

extern "C" int jsr_run_parse(const uint8_t* payload, size_t n, jsr_run* r) {
  const uint32_t kHandlerLoad = 5;
  Reader d = {payload, payload + n, false};
  r->Seq = (uint32_t)d.number(UINT32_MAX);
  r->Slot = (uint32_t)d.number(UINT32_MAX);
  r->Handler = (uint32_t)d.number(kHandlerLoad);
  r->WallMillis = (uint32_t)d.number(UINT32_MAX);
  r->CPUMillis = (uint32_t)d.number(UINT32_MAX);
  r->OutputLimit = (uint32_t)d.number(UINT32_MAX);
  r->LogLimit = (uint32_t)d.number(UINT32_MAX);
  r->HasBody = (uint32_t)d.number(1);
  r->Context = d.bytes(&r->ContextLength);
  r->Head = d.bytes(&r->HeadLength);
  r->Body = d.bytes(&r->BodyLength);
  return !d.bad && d.at == d.end;
}

extern "C" int jsr_ascii(const uint8_t* p, size_t n) {
  uint64_t seen = 0, word;
  for (; n >= sizeof word; p += sizeof word, n -= sizeof word) {
    memcpy(&word, p, sizeof word);
    seen |= word;
  }
  for (; n > 0; p++, n--) seen |= *p;
  return (seen & 0x8080808080808080u) == 0;
}

extern "C" int jsr_answer_split(const uint8_t* text, size_t n, int32_t lines, jsr_result* r) {
  size_t rest = 0;
  for (int32_t i = 0; i < lines; i++) {
    const void* end = rest < n ? memchr(text + rest, '\n', n - rest) : nullptr;
    if (end == nullptr) {
      // The last line may have no end: there is no body then.
      if (i != lines - 1 || rest > n) return 0;
      r->Headers = text, r->HeadersLength = n;
      r->Body = text + n, r->BodyLength = 0;
      return 1;
    }
    rest = (size_t)(static_cast<const uint8_t*>(end) - text) + 1;
  }
  r->Headers = text, r->HeadersLength = lines > 0 ? rest - 1 : 0;
  r->Body = text + rest, r->BodyLength = n - rest;
  return 1;
}

extern "C" size_t jsr_result_write(uint8_t* to, size_t room, const jsr_result* r) {
  if (room < JSR_RESULT_ROOM || r->HeadersLength > room - JSR_RESULT_ROOM || r->BodyLength > room - JSR_RESULT_ROOM - r->HeadersLength) return 0;
  uint8_t* at = to + 4;
  *at++ = JSR_KIND_RESULT;
  at = number(at, r->Seq);
  // Code, Message, Stack, NoRetry, Condemned, Exiting, Streamed and Cancelled are empty or false.
  memset(at, 0, 8);
  at = number(at + 8, r->Status);
  at = bytes(at, r->Headers, r->HeadersLength);
  at = bytes(at, r->Body, r->BodyLength);
  at = number(at, r->WallMicros);
  at = number(at, r->CPUMicros);
  at = number(at, r->PeakMemory);
  at = number(at, r->LogBytes);
  return framed(to, at);
}

extern "C" int jsr_reply_parse(const uint8_t* payload, size_t n, jsr_reply* r) {
  Reader d = {payload, payload + n, false};
  r->Seq = (uint32_t)d.number(UINT32_MAX);
  r->Call = (uint32_t)d.number(UINT32_MAX);
  r->OK = (uint32_t)d.number(1);
  r->Stream = (uint32_t)d.number(1);
  r->Payload = d.bytes(&r->PayloadLength);
  r->Body = d.bytes(&r->BodyLength);
  return !d.bad && d.at == d.end;
}

extern "C" size_t jsr_call_write(uint8_t* to, size_t room, const jsr_call* c) {
  if (room < JSR_CALL_ROOM || c->MethodLength > room - JSR_CALL_ROOM || c->ArgsLength > room - JSR_CALL_ROOM - c->MethodLength) return 0;
  uint8_t* at = to + 4;
  *at++ = JSR_KIND_HOST_CALL;
  at = number(at, c->Seq);
  at = number(at, c->Call);
  at = bytes(at, c->Method, c->MethodLength);
  *at++ = 0;  // it streams nothing
  at = bytes(at, c->Args, c->ArgsLength);
  at = number(at, 0);  // and has no body
  return framed(to, at);
}

extern "C" size_t jsr_line_write(uint8_t* to, size_t room, const jsr_line* l) {
  if (room < JSR_LINE_ROOM || l->TextLength > room - JSR_LINE_ROOM) return 0;
  uint8_t* at = to + 4;
  *at++ = JSR_KIND_LOG;
  at = number(at, l->Seq);
  at = number(at, l->Level);
  at = number(at, l->Micros);
  at = bytes(at, l->Text, l->TextLength);
  return framed(to, at);
}
