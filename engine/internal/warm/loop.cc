// The loop: it takes plain requests from the socket, runs them and answers them, and returns for everything else. See doc.go for its rules.
#include "loop.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"

namespace {

// Members of the control block, as in boot.js and package isolate.
enum {
  kState = 0, kBytes = 2, kPending = 3, kRejections = 4, kHandler = 5, kBodyMode = 6, kWall = 8, kOutputLimit = 9, kResult = 11, kStatus = 12,
  kHeaderLines = 13, kStreamed = 15, kContext = 22, kText = 23, kEnded = 24,
};
const int32_t kIdle = 0, kDone = 2, kResponse = 1, kOutput = 2;

const uint32_t kFetch = 1, kRun = 4;              // wire.HandlerFetch and HandlerRun, the first and the last that are plain
const size_t kMaxFrame = 20 << 20;                // wire.MaxFrame
const size_t kReadRoom = 4096, kLargeBuf = 1 << 20;
const int64_t kClockApart = 1000000;              // how long the CPU clock is estimated

int64_t now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}

int32_t bounded(uint32_t v) { return v > INT32_MAX ? INT32_MAX : (int32_t)v; }

jsr_slot* find(jsr_loop* l, uint32_t id) {
  if (l->Loaded != nullptr && l->Loaded->ID == id) return l->Loaded;
  for (uint32_t i = 0; i < l->count; i++) {
    if (l->slots[i]->ID == id) return l->slots[i];
  }
  return nullptr;
}

// clock reads the CPU clock, which is a system call of half a microsecond. What the executions before took more or less than they answered for
// is left to the next one of the last of them.
int64_t clock(jsr_loop* l) {
  l->read = now(CLOCK_PROCESS_CPUTIME_ID);
  if (l->cpu != 0 && l->last != nullptr) l->last->Owed += l->read - l->cpu;
  l->last = nullptr;
  return l->cpu = l->read;
}

// start makes what runs known to the watchdog, before anything of it runs.
void start(jsr_loop* l) {
  jsr_front* f = &l->Front;
  __atomic_store_n(&f->Began, now(CLOCK_MONOTONIC), __ATOMIC_RELAXED);
  f->CPUBegan = l->cpu != 0 ? l->cpu : clock(l);
  __atomic_store_n(&f->State, JSR_RUNNING, __ATOMIC_SEQ_CST);
  jsr_timer_set(&l->Timer);
}

// finish takes back what has run. False: Go has it.
bool finish(jsr_loop* l) {
  int32_t running = JSR_RUNNING;
  return __atomic_compare_exchange_n(&l->Front.State, &running, JSR_NONE, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

// plain reports whether an execution has ended with a short answer of ASCII, within all limits, and leaves nothing behind.
bool plain(const jsr_loop* l, const jsr_slot* s, jsr_result* r) {
  const int32_t* c = s->Control;
  if (l->Flags != 0 || c[kState] != kDone || c[kRejections] != 0 || c[kStreamed] != 0 || c[kPending] > 0 || c[kBytes] >= 0) return false;
  if (c[kText] < 0 || (uint64_t)c[kText] > s->ShortLength || s->Used > s->MaxMemory - s->MaxMemory / 8) return false;
  size_t n = (size_t)c[kText];
  switch (c[kResult]) {
    case kResponse:
      if (!jsr_answer_split(s->Short, n, c[kHeaderLines], r)) return false;
      r->Status = (uint32_t)c[kStatus];
      break;
    case kOutput:
      if (n > JSR_MAX_DEPTH /* it may nest too deep: Go looks */ || !jsr_answer_split(s->Short, n, 0, r)) return false;
      r->Status = 0;
      break;
    default:
      return false;
  }
  return jsr_ascii(s->Short, n) && r->BodyLength <= l->Front.OutputLimit;
}

// measure looks how long the execution that has just ended has run, and at its isolate's memory where it is time: l->Looks is 0 then.
int64_t measure(jsr_loop* l, jsr_slot* s) {
  int64_t wall = now(CLOCK_MONOTONIC) - l->Front.Began;
  if (wall >= JSR_SHORT_US * 1000 || s->Used == 0 || ++l->Looks >= JSR_LOOKS_APART) {
    l->Looks = 0;
    s->Used = l->used(s->Isolate);
  }
  return wall > 0 ? wall : 1;
}

// spent is the CPU time of the execution that has just ended. That of a short one is its wall time: what this is too much, because another
// process had the processor, the next reading of the clock takes back.
int64_t spent(jsr_loop* l, jsr_slot* s, int64_t wall) {
  int64_t began = l->Front.CPUBegan, sum;
  if (wall < JSR_SHORT_US * 1000 && began + wall - l->read < kClockApart) {
    l->cpu = began + wall;
    sum = wall + s->Owed;
  } else {
    l->last = nullptr;
    sum = clock(l) - began + s->Owed;
  }
  l->last = s;
  s->Owed = sum < 0 ? sum : sum % 1000;
  return sum < 0 ? 0 : sum;
}

// answer writes the result of the execution that has just ended. tight says that the data segment has grown too much.
int answer(jsr_loop* l, jsr_slot* s, int64_t wall, jsr_result* r, bool* tight) {
  jsr_front* f = &l->Front;
  s->LastWall = wall;
  r->Seq = f->Seq;
  r->WallMicros = wall >= 1000 ? (uint64_t)wall / 1000 : 1;
  r->CPUMicros = (uint64_t)spent(l, s, wall) / 1000;
  r->PeakMemory = s->Used;
  r->LogBytes = 0;
  uint64_t own, data;
  if (l->Looks == 0 && jsr_memory_size(&l->Memory, &own, &data)) {
    uint64_t rest = l->Memory.Idle + jsr_others(l, s);
    if (own > rest && own - rest > s->Used) r->PeakMemory = own - rest;
    *tight = data >= jsr_high(l, s);
    if (*tight) l->Tidies = JSR_LOOKS_APART;
  }
  s->Control[kState] = kIdle;
  if (s->Ran == 0) s->Ran = 1, l->RanCount++;
  l->Runs++;
  l->Quick++;
  uint8_t frame[JSR_RESULT_ROOM + 4096];
  size_t n = jsr_result_write(frame, sizeof frame, r);
  if (n == 0) return JSR_ERROR;  // plain has seen that it is short
  return jsr_out_add(&l->Out, frame, n) == 0 ? JSR_GO : JSR_ERROR;
}

// execute runs one Run: JSR_GO with done where it was answered.
int execute(jsr_loop* l, const uint8_t* payload, size_t n, bool* done, bool* tight) {
  jsr_run run;
  if (!jsr_run_parse(payload, n, &run) || run.Handler < kFetch || run.Handler > kRun) return JSR_GO;
  bool body = run.HasBody != 0 || run.Handler != kFetch;
  jsr_slot* s = find(l, run.Slot);
  if (s == nullptr || s->Isolate == nullptr || run.ContextLength > JSR_START || run.HeadLength > JSR_START - run.ContextLength) return JSR_GO;
  if (!jsr_ascii(run.Context, run.ContextLength) || !jsr_ascii(run.Head, run.HeadLength) || !jsr_ascii(run.Body, run.BodyLength)) return JSR_GO;
  // What may take long, or kill the process, does not hold back the answers of others.
  if ((s->LastWall == 0 || s->LastWall > JSR_QUICK_US * 1000) && jsr_out_flush(&l->Out) != 0) return JSR_ERROR;
  s->LastUse = ++l->Clock;
  jsr_bound(l, s);
  memcpy(l->start, run.Context, run.ContextLength);
  memcpy(l->start + run.ContextLength, run.Head, run.HeadLength);
  jsr_front* f = &l->Front;
  f->Pump = 0, f->Seq = run.Seq, f->Slot = run.Slot, f->WallMillis = run.WallMillis, f->CPUMillis = run.CPUMillis;
  f->OutputLimit = run.OutputLimit, f->LogLimit = run.LogLimit;
  int32_t* c = s->Control;
  c[kHandler] = (int32_t)run.Handler, c[kWall] = bounded(run.WallMillis), c[kOutputLimit] = bounded(run.OutputLimit);
  c[kContext] = (int32_t)run.ContextLength, c[kBodyMode] = body ? 1 : 0, c[kBytes] = -1;
  l->Start += 4 + 1 + n;  // from here on the frame is taken: whoever adopts the execution has the inbox too
  *done = true;
  start(l);
  l->Flags = l->begin(s->Isolate, l->start, run.ContextLength + run.HeadLength, body ? run.Body : nullptr, run.BodyLength);
  int64_t wall = measure(l, s);
  jsr_result r;
  if (!plain(l, s, &r) || !finish(l)) {
    l->cpu = 0, l->last = nullptr;  // Go reads the clock
    return JSR_SETTLE;
  }
  return answer(l, s, wall, &r, tight);
}

// tidy writes the answers and lets V8 do what it put off in the isolates in which something ran.
int tidy(jsr_loop* l) {
  if (l->Runs > 0) clock(l);  // the time of writing counts for no run
  l->Runs = 0;
  if (jsr_out_flush(&l->Out) != 0) return JSR_ERROR;
  for (uint32_t i = 0; i < l->count && l->RanCount > 0; i++) {
    jsr_slot* s = l->slots[i];
    if (s->Ran == 0) continue;
    s->Ran = 0, l->RanCount--;
    jsr_bound(l, s);
    jsr_front* f = &l->Front;
    f->Pump = 1, f->Seq = 0, f->Slot = s->ID, f->WallMillis = JSR_PUMP_WALL_MS, f->CPUMillis = JSR_PUMP_CPU_MS, f->OutputLimit = f->LogLimit = 0;
    start(l);
    uint64_t own, data;
    l->Flags = l->pump(s->Isolate, s->Control[kEnded]);
    int64_t wall = now(CLOCK_MONOTONIC) - f->Began;
    if (l->Flags != 0 || !finish(l)) return JSR_PUMPED;
    s->Owed += wall < JSR_SHORT_US * 1000 ? wall : now(CLOCK_PROCESS_CPUTIME_ID) - f->CPUBegan;
    if (wall < JSR_SHORT_US * 1000 && ++l->Tidies < JSR_LOOKS_APART) continue;
    l->Tidies = 0;
    if (jsr_memory_size(&l->Memory, &own, &data) && data >= jsr_high(l, s)) return JSR_RELIEVE;
  }
  return JSR_GO;
}

// more waits for more of the node's bytes: false where Go must do it.
bool more(jsr_loop* l) {
  if (l->Start > 0) {
    memmove(l->Buf, l->Buf + l->Start, l->End - l->Start);
    l->End -= l->Start, l->Start = 0;
  }
  if (l->Cap - l->End < kReadRoom || (l->End == 0 && l->Cap > kLargeBuf)) return false;
  jsr_timer_rest(&l->Timer);
  for (;;) {
    ssize_t n = read(l->FD, l->Buf + l->End, l->Cap - l->End);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;  // Go sees the same
    l->End += (size_t)n;
    return true;
  }
}

// run runs plain requests until something else comes.
int run(jsr_loop* l) {
  for (;;) {
    const uint8_t* p = l->Buf + l->Start;
    size_t have = l->End - l->Start;
    uint32_t n = 0;
    if (have >= 4) n = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    if (have >= 4 && (n < 1 || n > kMaxFrame)) return JSR_GO;
    if (have < 4 || have - 4 < n) {
      int code = tidy(l);
      l->cpu = 0;
      if (code != JSR_GO) return code;
      if (!more(l)) return JSR_GO;
      continue;
    }
    if (p[4] != JSR_KIND_RUN) return JSR_GO;
    bool done = false, tight = false;
    int code = execute(l, p + 5, n - 1, &done, &tight);
    if (code != JSR_GO || !done) return code;
    if (tight || l->Runs >= JSR_TIDY_AFTER) {
      code = tidy(l);
      l->cpu = 0;
      if (code != JSR_GO) return code;
    }
  }
}

}  // namespace

extern "C" int jsr_loop_run(jsr_loop* l) {
  l->cpu = 0, l->last = nullptr;  // the process did other things
  int code = run(l);
  if (l->cpu != 0 && l->last != nullptr) clock(l);
  return code;
}
