// What scripts say while they run: host calls and log lines, which boot.js leaves as records beside its control block. See doc.go.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "frame.h"
#include "loop.h"

namespace {

// Members of the control block.
enum { kLogClosed = 20, kSaid = JSR_SAID_AT / 4 };

// A record: kind, the length of a call's method or a line's level, the length of the text in two bytes, a number in four, and then method and
// text. The number is a call's, or when a line was logged, in milliseconds since the execution began.
enum { kCall = 1, kLine = 2, kHead = 8 };

const uint64_t kLineCost = 16;   // what a line counts beside its bytes, so that empty lines are bounded too
const size_t kLongLine = 8 << 10;  // of a message of Go's: worker's maxLogMessage

// line sends a line, within the limit. It returns 0 once the limit is reached: the script's log is closed then.
int line(jsr_loop* l, jsr_slot* s, uint32_t limit, jsr_line* m) {
  uint8_t frame[JSR_LINE_ROOM + kLongLine];
  char note[80];
  s->LogLines++;
  bool closed = s->LogBytes + m->TextLength + s->LogLines * kLineCost > limit + kLineCost;
  if (closed) {
    m->Level = 2;  // wire.LevelWarn
    m->TextLength = (size_t)snprintf(note, sizeof note, "[log truncated: max_log_bytes limit %u]", limit);
    m->Text = reinterpret_cast<const uint8_t*>(note);
  } else {
    s->LogBytes += m->TextLength;
  }
  size_t n = jsr_line_write(frame, sizeof frame, m);
  if (n > 0) jsr_out_add(&l->Out, frame, n);  // the next flush says what is wrong
  return !closed;
}

// record sends what a record says, and returns its length: 0 where it is none of boot.js's.
size_t record(jsr_loop* l, jsr_slot* s, const jsr_saying* w, const uint8_t* p, size_t have, int64_t now) {
  if (have < kHead) return 0;
  uint32_t kind = p[0], aux = p[1], number;
  size_t n = (size_t)p[2] | (size_t)p[3] << 8;
  memcpy(&number, p + 4, sizeof number);  // boot.js writes the least byte first, as both processors do
  if (kind == kCall) {
    if (have - kHead < aux + n) return 0;
    uint8_t frame[JSR_CALL_ROOM + JSR_SAID];
    jsr_call c = {w->Seq, number, p + kHead, p + kHead + aux, aux, n};
    size_t length = jsr_call_write(frame, sizeof frame, &c);
    if (length > 0) jsr_out_add(&l->Out, frame, length);
    return kHead + aux + n;
  }
  if (kind != kLine || aux > 3 || have - kHead < n) return 0;
  if (__atomic_load_n(&s->Control[kLogClosed], __ATOMIC_RELAXED) == 0) {
    // Not before what came before, nor later than now: the script's clock counts whole milliseconds.
    uint64_t elapsed = now > w->Began ? (uint64_t)(now - w->Began) / 1000 : 0, micros = (uint64_t)number * 1000;
    if (micros < s->LogMicros) micros = s->LogMicros;
    if (micros > elapsed) micros = elapsed;
    s->LogMicros = micros;
    jsr_line m = {w->Seq, aux, micros, p + kHead, n};
    if (!line(l, s, w->LogLimit, &m)) __atomic_store_n(&s->Control[kLogClosed], 1, __ATOMIC_RELAXED);
  }
  return kHead + n;
}

}  // namespace

// jsr_said sends what the script in a slot has said since the last time. The main thread says that it may be overwritten: the script does not
// run. The watchdog calls it while it does.
extern "C" void jsr_said(jsr_loop* l, jsr_slot* s, const jsr_saying* w, int over) {
  if (s->Control == nullptr) return;
  if (__atomic_load_n(&s->Control[kSaid], __ATOMIC_RELAXED) == 0) return;
  pthread_mutex_lock(&l->said);
  int32_t said = __atomic_load_n(&s->Control[kSaid], __ATOMIC_ACQUIRE);
  size_t end = said < 0 || (uint64_t)said > s->SaidLength ? 0 : (size_t)said;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  int64_t now = t.tv_sec * 1000000000ll + t.tv_nsec;
  while (s->Heard < end) {
    size_t n = record(l, s, w, s->Said + s->Heard, end - s->Heard, now);
    if (n == 0) s->Heard = (uint32_t)end;
    else s->Heard += (uint32_t)n;
  }
  if (over) {
    s->Heard = 0;
    __atomic_store_n(&s->Control[kSaid], 0, __ATOMIC_RELEASE);
  }
  pthread_mutex_unlock(&l->said);
}

// jsr_log sends a line that the script in a slot has given to Go: 0 once its log is closed.
extern "C" int jsr_log(jsr_loop* l, jsr_slot* s, const jsr_saying* w, uint32_t level, uint64_t micros, const uint8_t* text, size_t n) {
  pthread_mutex_lock(&l->said);
  jsr_line m = {w->Seq, level, micros, text, n};
  s->LogMicros = micros;
  // A line of the records before it may have reached the limit: boot.js did not know.
  int open = (s->Control == nullptr || __atomic_load_n(&s->Control[kLogClosed], __ATOMIC_RELAXED) == 0) && line(l, s, w->LogLimit, &m);
  pthread_mutex_unlock(&l->said);
  return open;
}

// jsr_slot_fresh forgets what the execution before has said, and what it has used.
extern "C" void jsr_slot_fresh(jsr_slot* s) {
  s->LogBytes = s->LogMicros = 0, s->LogLines = 0;
  s->Peak = 0, s->CPU = s->Longest = 0, s->Turns = 0;
  if (s->Control == nullptr) return;
  s->Heard = 0;
  s->Control[kSaid] = 0;
}
