// Frames of plain executions: the Run, the HostReply that lets it go on, and what it sends: HostCall, Log, and the Result that answers it. See
// doc.go; package wire has the format's rules.
#ifndef JSR_FRAME_H
#define JSR_FRAME_H

#include <stddef.h>
#include <stdint.h>

// Kinds of frames, as in package wire.
enum { JSR_KIND_RUN = 6, JSR_KIND_RESULT = 7, JSR_KIND_HOST_CALL = 9, JSR_KIND_HOST_REPLY = 11, JSR_KIND_LOG = 12 };

// A Run. Pointers are into the payload.
typedef struct jsr_run {
  uint32_t Seq, Slot, Handler, WallMillis, CPUMillis, OutputLimit, LogLimit, HasBody;
  const uint8_t *Context, *Head, *Body;
  size_t ContextLength, HeadLength, BodyLength;
} jsr_run;

// A Result without a code.
typedef struct jsr_result {
  uint32_t Seq, Status;
  const uint8_t *Headers, *Body;
  size_t HeadersLength, BodyLength;
  uint64_t WallMicros, CPUMicros, PeakMemory, LogBytes;
} jsr_result;

// A HostReply. Pointers are into the payload.
typedef struct jsr_reply {
  uint32_t Seq, Call, OK, Stream;
  const uint8_t *Payload, *Body;
  size_t PayloadLength, BodyLength;
} jsr_reply;

// A HostCall without a body.
typedef struct jsr_call {
  uint32_t Seq, Call;
  const uint8_t *Method, *Args;
  size_t MethodLength, ArgsLength;
} jsr_call;

// A Log.
typedef struct jsr_line {
  uint32_t Seq, Level;
  uint64_t Micros;
  const uint8_t* Text;
  size_t TextLength;
} jsr_line;

// JSR_CALL_ROOM and JSR_LINE_ROOM are what the frames of a HostCall and of a Log may have beside their texts.
enum { JSR_CALL_ROOM = 5 + 1 + 5 * 10, JSR_LINE_ROOM = 5 + 4 * 10 };

// JSR_RESULT_ROOM is what a Result's frame may have beside its headers and body: 5 bytes of length and kind, 8 fields of one byte, and at
// most 10 bytes for each of 8 numbers.
enum { JSR_RESULT_ROOM = 5 + 8 + 8 * 10 };

#ifdef __cplusplus
extern "C" {
#endif

// jsr_run_parse reads the payload of a Run, as wire.ParseRun does: 0 where it is malformed.
int jsr_run_parse(const uint8_t* payload, size_t n, jsr_run* r);

// jsr_reply_parse reads the payload of a HostReply, as wire.ParseHostReply does: 0 where it is malformed.
int jsr_reply_parse(const uint8_t* payload, size_t n, jsr_reply* r);

// jsr_call_write and jsr_line_write write a whole frame and return its length, 0 where it has no room.
size_t jsr_call_write(uint8_t* to, size_t room, const jsr_call* c);
size_t jsr_line_write(uint8_t* to, size_t room, const jsr_line* l);

// jsr_ascii reports whether all bytes are ASCII.
int jsr_ascii(const uint8_t* p, size_t n);

// jsr_answer_split splits text, a response's header lines and its body, as isolate.Outcome does: 0 where it has not so many lines.
int jsr_answer_split(const uint8_t* text, size_t n, int32_t lines, jsr_result* r);

// jsr_result_write writes a whole frame and returns its length, 0 where it has no room.
size_t jsr_result_write(uint8_t* to, size_t room, const jsr_result* r);

#ifdef __cplusplus
}
#endif
#endif
