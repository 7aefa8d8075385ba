// The loop: it takes plain requests from the socket, runs them and answers them, and returns for everything else. See doc.go for its rules.
#include "loop.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"

namespace {

// Members of the control block, as in boot.js and package isolate.
enum {
  kState = 0, kBytes = 2, kPending = 3, kRejections = 4, kHandler = 5, kBodyMode = 6, kWall = 8, kOutputLimit = 9, kResult = 11, kStatus = 12,
  kHeaderLines = 13, kStopping = 10, kStreamed = 15, kCall = 16, kOK = 17, kStream = 18, kContext = 22, kText = 23, kEnded = 24, kDue = 32 /* a double */,
};
const int32_t kIdle = 0, kRunning = 1, kDone = 2, kResponse = 1, kOutput = 2;

const uint32_t kFetch = 1, kRun = 4;              // wire.HandlerFetch and HandlerRun, the first and the last that are plain
const size_t kMaxFrame = 20 << 20;                // wire.MaxFrame
const size_t kReadRoom = 4096, kLargeBuf = 1 << 20;
const int64_t kLongest = 3600ll * 1000000000;       // of a poll
const int64_t kClockApart = 1000000;              // how long the CPU clock is estimated
const int64_t kTrimAfter = 512, kTrimTimes = 4;   // see trim

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

// start makes what runs known to the watchdog, before anything of it runs. The clock is read, unless began is when it was.
void start(jsr_loop* l, int64_t began, int64_t used) {
  jsr_front* f = &l->Front;
  l->at = now(CLOCK_MONOTONIC);
  f->Began = began != 0 ? began : l->at;
  l->from = l->cpu != 0 ? l->cpu : clock(l);
  f->CPUBegan = l->from - used;
  __atomic_store_n(&f->Turn, l->at, __ATOMIC_RELAXED);
  __atomic_store_n(&f->State, JSR_RUNNING, __ATOMIC_SEQ_CST);
  jsr_timer_set(&l->Timer);
}

// finish takes back what has run. False: Go has it.
bool finish(jsr_loop* l) {
  int32_t running = JSR_RUNNING;
  return __atomic_compare_exchange_n(&l->Front.State, &running, JSR_NONE, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

// within reports whether an execution has ended within all limits and leaves nothing behind.
bool within(const jsr_loop* l, const jsr_slot* s) {
  const int32_t* c = s->Control;
  if (l->Flags != 0 || c[kState] != kDone || c[kRejections] != 0 || c[kStreamed] != 0 || c[kPending] > 0 || c[kBytes] >= 0) return false;
  return s->Used <= s->MaxMemory - s->MaxMemory / 8;
}

// longer takes a response that is too long for the short text. Its headers are ASCII: what else they have is Go's.
bool longer(jsr_loop* l, const jsr_slot* s, jsr_result* r) {
  if (l->text == nullptr) return false;
  if (l->answer == nullptr) l->answer = static_cast<uint8_t*>(malloc(2 * JSR_LONG + JSR_RESULT_ROOM));
  if (l->answer == nullptr) return false;
  size_t n = l->text(s->Isolate, l->answer, JSR_LONG);
  if (n > JSR_LONG || !jsr_answer_split(l->answer, n, s->Control[kHeaderLines], r)) return false;
  r->Status = (uint32_t)s->Control[kStatus];
  return jsr_ascii(r->Headers, r->HeadersLength) && r->BodyLength <= l->Front.OutputLimit;
}

// plain reports whether an execution has ended with an answer that the loop gives: a short one of ASCII, or a response of text.
bool plain(jsr_loop* l, const jsr_slot* s, jsr_result* r) {
  const int32_t* c = s->Control;
  if (!within(l, s)) return false;
  if (c[kText] < 0) return c[kResult] == kResponse && longer(l, s, r);
  if ((uint64_t)c[kText] > s->ShortLength) return false;
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

// measure looks how long the call that has just returned has taken, and at its isolate's memory where it is time: l->Looks is 0 then.
int64_t measure(jsr_loop* l, jsr_slot* s) {
  l->at = now(CLOCK_MONOTONIC);
  int64_t took = l->at - l->Front.Turn;
  if (took >= JSR_SHORT_US * 1000 || s->Used == 0 || ++l->Looks >= JSR_LOOKS_APART) {
    l->Looks = 0;
    s->Used = l->used(s->Isolate);
  }
  return took > 0 ? took : 1;
}

// spent is the CPU time of the call that has just returned. That of a short one is its wall time: what this is too much, because another
// process had the processor, the next reading of the clock takes back.
int64_t spent(jsr_loop* l, jsr_slot* s, int64_t took) {
  int64_t from = l->from, cpu = took;
  if (took < JSR_SHORT_US * 1000 && from + took - l->read < kClockApart) {
    l->cpu = from + took;
  } else {
    l->last = nullptr;
    cpu = clock(l) - from;
  }
  l->last = s;
  return cpu;
}

// said sends what the script in front has said in the call that has just returned.
void said(jsr_loop* l, jsr_slot* s) {
  jsr_saying w = {l->Front.Seq, l->Front.LogLimit, l->Front.Began};
  jsr_said(l, s, &w, 1);
}

// answer writes the result of the execution that has just ended. tight says that the data segment has grown too much.
int answer(jsr_loop* l, jsr_slot* s, int64_t took, jsr_result* r, bool* tight) {
  jsr_front* f = &l->Front;
  int64_t wall = l->at - f->Began, sum = s->CPU + spent(l, s, took) + s->Owed;
  s->Owed = sum < 0 ? sum : sum % 1000;
  s->LastWall = took > s->Longest ? took : s->Longest;
  said(l, s);
  r->Seq = f->Seq;
  r->WallMicros = wall >= 1000 ? (uint64_t)wall / 1000 : 1;
  r->CPUMicros = (uint64_t)(sum < 0 ? 0 : sum) / 1000;
  r->LogBytes = s->LogBytes;
  uint64_t own, data, peak = s->Peak;
  if (l->Looks == 0 && jsr_memory_size(&l->Memory, &own, &data)) {
    if (own > l->Memory.Idle && own - l->Memory.Idle > peak) peak = own - l->Memory.Idle;
    *tight = data >= jsr_high(l, s);
    if (*tight) l->Tidies = JSR_LOOKS_APART;
  }
  r->PeakMemory = s->Used;
  if (peak > s->Used) {
    uint64_t others = jsr_others(l, s);
    if (peak > others && peak - others > s->Used) r->PeakMemory = peak - others;
  }
  s->Control[kState] = kIdle;
  if (s->Ran == 0) s->Ran = 1, l->RanCount++;
  l->Runs++;
  l->Quick++;
  uint8_t small[JSR_RESULT_ROOM + 4096], *frame = small;
  size_t room = sizeof small;
  if (l->answer != nullptr && r->HeadersLength + r->BodyLength > 4096) frame = l->answer + JSR_LONG, room = JSR_RESULT_ROOM + JSR_LONG;
  size_t n = jsr_result_write(frame, room, r);
  if (n == 0) return JSR_ERROR;  // plain has seen that it has room
  return jsr_out_add(&l->Out, frame, n) == 0 ? JSR_GO : JSR_ERROR;
}

// due is when the execution that waits in a slot is due for something but a frame of the node's: its first timer, or its time limit. What the
// control block has is the script's.
int64_t due(const jsr_slot* s) {
  double timer, limit = s->WallMillis;
  memcpy(&timer, s->Control + kDue, sizeof timer);
  if (!(timer < limit)) timer = limit;
  return s->Began + (timer > 0 ? (int64_t)(timer * 1e6) : 0);
}

// waits reports whether the execution in front waits for the node or for a timer, within all limits: it may be set aside here. Now and then
// Go does it, which lets V8 do what it put off.
bool waits(const jsr_loop* l, const jsr_slot* s, int64_t took) {
  const int32_t* c = s->Control;
  if (l->Flags != 0 || c[kState] != kRunning || c[kRejections] != 0 || c[kStreamed] != 0 || c[kStopping] != 0) return false;
  double timer;
  memcpy(&timer, c + kDue, sizeof timer);
  if (c[kPending] <= 0 && !(timer < (double)UINT32_MAX)) return false;  // nothing can go on with it
  if (l->Front.CPUMillis > 0 && s->CPU + took > l->Front.CPUMillis * 1000000ll) return false;
  return s->Turns % JSR_TURNS != 0;
}

// conclude answers the execution in front where its answer is plain, or sets it aside where it waits.
int conclude(jsr_loop* l, jsr_slot* s, bool* tight) {
  jsr_front* f = &l->Front;
  int64_t took = measure(l, s);
  jsr_result r;
  bool ended = plain(l, s, &r);
  if ((!ended && !waits(l, s, took)) || !finish(l)) {
    l->cpu = 0, l->last = nullptr;  // Go reads the clock
    return JSR_SETTLE;
  }
  if (ended) return answer(l, s, took, &r, tight);
  s->CPU += spent(l, s, took);
  if (took > s->Longest) s->Longest = took;
  said(l, s);
  s->Seq = f->Seq, s->WallMillis = f->WallMillis, s->CPUMillis = f->CPUMillis, s->OutputLimit = f->OutputLimit, s->LogLimit = f->LogLimit;
  s->Began = f->Began;
  return jsr_lend(l, s) ? JSR_GO : JSR_ERROR;
}

// front makes a slot the one in front. JSR_ERROR: nothing can be written any more.
int front(jsr_loop* l, jsr_slot* s) {
  // What may take long, or kill the process, does not hold back the answers of others.
  if ((s->LastWall == 0 || s->LastWall > JSR_QUICK_US * 1000) && jsr_out_flush(&l->Out) != 0) return JSR_ERROR;
  s->LastUse = ++l->Clock;
  jsr_bound(l, s);
  s->Turns++;
  return JSR_GO;
}

// execute begins one Run: JSR_GO with done where it was answered or waits.
int execute(jsr_loop* l, const uint8_t* payload, size_t n, size_t frame, bool* done, bool* tight) {
  jsr_run run;
  if (!jsr_run_parse(payload, n, &run) || run.Handler < kFetch || run.Handler > kRun) return JSR_GO;
  bool body = run.HasBody != 0 || run.Handler != kFetch;
  jsr_slot* s = find(l, run.Slot);
  if (s == nullptr || s->Isolate == nullptr || run.ContextLength > JSR_START || run.HeadLength > JSR_START - run.ContextLength) return JSR_GO;
  if (s->Waits) {
    *done = frame != 0 && jsr_later_add(l, run.Slot, payload, n);
    if (*done) l->Start += frame;
    return JSR_GO;
  }
  if (!jsr_ascii(run.Context, run.ContextLength) || !jsr_ascii(run.Head, run.HeadLength) || !jsr_ascii(run.Body, run.BodyLength)) return JSR_GO;
  jsr_slot_fresh(s);
  if (front(l, s) != JSR_GO) return JSR_ERROR;
  memcpy(l->start, run.Context, run.ContextLength);
  memcpy(l->start + run.ContextLength, run.Head, run.HeadLength);
  jsr_front* f = &l->Front;
  f->Pump = 0, f->Seq = run.Seq, f->Slot = run.Slot, f->WallMillis = run.WallMillis, f->CPUMillis = run.CPUMillis;
  f->OutputLimit = run.OutputLimit, f->LogLimit = run.LogLimit;
  int32_t* c = s->Control;
  c[kHandler] = (int32_t)run.Handler, c[kWall] = bounded(run.WallMillis), c[kOutputLimit] = bounded(run.OutputLimit);
  c[kContext] = (int32_t)run.ContextLength, c[kBodyMode] = body ? 1 : 0, c[kBytes] = -1;
  l->Start += frame;  // from here on the frame is taken: whoever adopts the execution has the inbox too
  *done = true;
  start(l, 0, 0);
  l->Flags = l->begin(s->Isolate, l->start, run.ContextLength + run.HeadLength, body ? run.Body : nullptr, run.BodyLength);
  return conclude(l, s, tight);
}

// later begins the first Run that came for a slot while its execution waited, where that has ended. It says whether there is one, and done as
// execute.
int later(jsr_loop* l, bool* found, bool* done, bool* tight) {
  for (jsr_later** at = &l->Later; *at != nullptr; at = &(*at)->Next) {
    jsr_later* r = *at;
    jsr_slot* s = find(l, r->Slot);
    if (s != nullptr && s->Waits) continue;
    *found = true;
    *at = r->Next, l->laterBytes -= r->Length;
    int code = execute(l, reinterpret_cast<const uint8_t*>(r + 1), r->Length, 0, done, tight);
    if (code == JSR_GO && !*done) {
      r->Next = l->Later, l->Later = r, l->laterBytes += r->Length;  // Go takes it
      return code;
    }
    free(r);
    return code;
  }
  return JSR_GO;
}

// resume lets an execution go on with the node's reply: JSR_GO with done where it was answered or waits again.
int resume(jsr_loop* l, const uint8_t* payload, size_t n, size_t frame, bool* done, bool* tight, bool* freed) {
  jsr_reply reply;
  if (!jsr_reply_parse(payload, n, &reply) || reply.Stream != 0 || reply.BodyLength > JSR_BODY) return JSR_GO;
  jsr_slot* s = nullptr;
  for (uint32_t i = 0; i < l->count && s == nullptr; i++) {
    if (l->slots[i]->Waits && l->slots[i]->Seq == reply.Seq) s = l->slots[i];
  }
  l->Start += frame;
  *done = true;
  if (s == nullptr) return JSR_GO;  // of a Run that has ended
  if (front(l, s) != JSR_GO) return JSR_ERROR;
  jsr_front* f = &l->Front;
  f->Pump = 0, f->Seq = s->Seq, f->Slot = s->ID, f->WallMillis = s->WallMillis, f->CPUMillis = s->CPUMillis;
  f->OutputLimit = s->OutputLimit, f->LogLimit = s->LogLimit;
  int32_t* c = s->Control;
  c[kCall] = (int32_t)reply.Call, c[kOK] = (int32_t)reply.OK, c[kStream] = 0, c[kBytes] = reply.BodyLength > 0 ? (int32_t)reply.BodyLength : -1;
  jsr_take_back(l, s);
  start(l, s->Began, s->CPU);
  l->Flags = l->reply(s->Isolate, reply.Payload, reply.PayloadLength, jsr_ascii(reply.Payload, reply.PayloadLength), reply.Body, reply.BodyLength);
  int code = conclude(l, s, tight);
  *freed = code == JSR_GO && !s->Waits;
  return code;
}

// trim gives the memory back that V8's compilers have left: after the executions from which on most of a script is compiled, and four times as
// many each time. It takes 0.1 to 0.3 ms.
void trim(jsr_loop* l) {
  if (l->TrimAt == 0) l->TrimAt = kTrimAfter;
  if (l->Quick < l->TrimAt) return;
  l->TrimAt = l->Quick * kTrimTimes;
  malloc_trim(0);
}

// tidy writes the answers and lets V8 do what it put off in the isolates in which something ran.
int tidy(jsr_loop* l) {
  if (l->Runs > 0) clock(l);  // the time of writing counts for no run
  l->Runs = 0;
  if (jsr_out_flush(&l->Out) != 0) return JSR_ERROR;
  trim(l);
  for (uint32_t i = 0; i < l->count && l->RanCount > 0; i++) {
    jsr_slot* s = l->slots[i];
    if (s->Ran == 0) continue;
    s->Ran = 0, l->RanCount--;
    if (s->Waits) continue;  // its own execution goes on
    jsr_bound(l, s);
    jsr_front* f = &l->Front;
    f->Pump = 1, f->Seq = 0, f->Slot = s->ID, f->WallMillis = JSR_PUMP_WALL_MS, f->CPUMillis = JSR_PUMP_CPU_MS, f->OutputLimit = f->LogLimit = 0;
    start(l, 0, 0);
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

// overdue reports whether something is due of an execution that waits.
bool overdue(jsr_loop* l) {
  if (l->waits == 0 || l->at < l->due) return false;
  l->due = INT64_MAX;
  for (uint32_t i = 0; i < l->count; i++) {
    const jsr_slot* s = l->slots[i];
    if (s->Waits && due(s) < l->due) l->due = due(s);
  }
  return l->at >= l->due;
}

// more waits for more of the node's bytes: false where Go must do it.
bool more(jsr_loop* l) {
  if (l->Start > 0) {
    memmove(l->Buf, l->Buf + l->Start, l->End - l->Start);
    l->End -= l->Start, l->Start = 0;
  }
  if (l->Cap - l->End < kReadRoom || (l->End == 0 && l->Cap > kLargeBuf)) return false;
  jsr_timer_rest(&l->Timer);
  while (l->waits > 0) {
    int64_t left = l->due - l->at;
    if (left > kLongest) left = kLongest;
    struct pollfd fd = {l->FD, POLLIN, 0};
    int ready = left > 0 ? poll(&fd, 1, (int)((left + 999999) / 1000000)) : 0;
    l->at = now(CLOCK_MONOTONIC);
    if (ready > 0) break;
    if (ready == 0 && overdue(l)) return false;  // Go looks what is due
    if (ready < 0 && errno != EINTR) return false;
  }
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
  bool freed = true;
  for (;;) {
    if (overdue(l)) return JSR_GO;
    const uint8_t* p = l->Buf + l->Start;
    size_t have = l->End - l->Start;
    uint32_t n = 0;
    bool done = false, tight = false;
    int code;
    if (freed && l->Later != nullptr) {
      freed = false;
      code = later(l, &freed, &done, &tight);
      if (!freed) continue;
    } else {
      if (have >= 4) n = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
      if (have >= 4 && (n < 1 || n > kMaxFrame)) return JSR_GO;
      if (have < 4 || have - 4 < n) {
        code = tidy(l);
        l->cpu = 0;
        if (code != JSR_GO) return code;
        if (!more(l)) return JSR_GO;
        continue;
      }
      if (p[4] == JSR_KIND_RUN) code = execute(l, p + 5, n - 1, 4 + n, &done, &tight);
      else if (p[4] == JSR_KIND_HOST_REPLY) code = resume(l, p + 5, n - 1, 4 + n, &done, &tight, &freed);
      else return JSR_GO;
    }
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
  l->at = now(CLOCK_MONOTONIC);
  int code = run(l);
  if (l->cpu != 0 && l->last != nullptr) clock(l);
  return code;
}

// jsr_lend makes the execution that waits in a slot the loop's: its state there says what it is. 0: the slot cannot be known to the loop.
extern "C" int jsr_lend(jsr_loop* l, jsr_slot* s) {
  if (s->Control == nullptr || s->Isolate == nullptr) return 0;
  if (!s->Waits) s->Waits = 1, l->waits++;
  int64_t at = due(s);
  if (l->waits == 1 || at < l->due) l->due = at;
  return 1;
}

// jsr_take_back makes the execution that waits in a slot the loop's no more.
extern "C" void jsr_take_back(jsr_loop* l, jsr_slot* s) {
  if (s->Waits) s->Waits = 0, l->waits--;
}

// jsr_later_add keeps a Run for a slot whose execution waits: 0 where too much is kept.
extern "C" int jsr_later_add(jsr_loop* l, uint32_t slot, const uint8_t* payload, size_t n) {
  if (n > JSR_LATER || l->laterBytes > JSR_LATER - n) return 0;
  jsr_later* r = static_cast<jsr_later*>(malloc(sizeof *r + n));
  if (r == nullptr) return 0;
  r->Next = nullptr, r->Slot = slot, r->Length = n;
  memcpy(r + 1, payload, n);
  jsr_later** at = &l->Later;
  while (*at != nullptr) at = &(*at)->Next;
  *at = r;
  l->laterBytes += n;
  return 1;
}

// jsr_later_drop forgets the oldest Run that is kept.
extern "C" void jsr_later_drop(jsr_loop* l) {
  jsr_later* r = l->Later;
  l->Later = r->Next, l->laterBytes -= r->Length;
  free(r);
}
