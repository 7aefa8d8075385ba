// Drives frame.cc, shared.cc and loop.cc with hostile input, for the sanitizers: see .ci/sanitize. Each buffer is as large as what it holds, so
// that a byte beyond it is seen. The calls into V8 are played by functions that leave anything in the control block, as a script could that
// has broken out of V8. Usage: main ROUNDS [SEED].
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "../../frame.h"
#include "../../loop.h"

namespace {

struct Random {
  uint64_t state;
  uint64_t next() {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
  }
  uint64_t below(uint64_t n) { return next() % n; }
  bool once(uint64_t in) { return below(in) == 0; }
};

#define MUST(x)                                          \
  do {                                                   \
    if (!(x)) {                                          \
      fprintf(stderr, "line %d: not %s\n", __LINE__, #x); \
      abort();                                           \
    }                                                    \
  } while (0)

const int kControl = 64, kShort = 2048, kDue = 32, kSaid = JSR_SAID_AT / 4;
const size_t kBuf = 64 << 10;

size_t number(uint8_t* to, uint64_t v) {
  size_t n = 0;
  for (; v >= 0x80; v >>= 7) to[n++] = (uint8_t)v | 0x80;
  to[n++] = (uint8_t)v;
  return n;
}

// runFrame makes the frame of a Run, which is broken now and then.
size_t runFrame(Random* r, uint8_t* to, uint32_t seq) {
  uint8_t* at = to + 4;
  *at++ = r->once(50) ? (uint8_t)r->below(20) : (uint8_t)JSR_KIND_RUN;
  uint64_t fields[8] = {seq, r->below(6), r->once(20) ? r->below(8) : 1 + r->below(4), 1000, 0, r->once(5) ? r->below(3000) : 1 << 20, 65536, r->below(2)};
  for (uint64_t f : fields) at += number(at, r->once(200) ? r->next() : f);
  for (int part = 0; part < 3; part++) {
    size_t n = r->once(30) ? r->below(9000) : r->below(100);
    at += number(at, r->once(200) ? r->next() : n);
    for (size_t i = 0; i < n; i++) *at++ = r->once(20000) ? (uint8_t)r->next() : (uint8_t)(32 + r->below(90));
  }
  uint32_t length = (uint32_t)(at - to - 4);
  if (r->once(50000)) length = (uint32_t)r->below(1 << 20);
  memcpy(to, &length, 4);
  return (size_t)(at - to);
}

// replyFrame makes the frame of a HostReply to a call of a Run before, which is broken now and then.
size_t replyFrame(Random* r, uint8_t* to, uint32_t seq) {
  uint8_t* at = to + 4;
  *at++ = (uint8_t)JSR_KIND_HOST_REPLY;
  uint64_t fields[4] = {seq - r->below(20), 1 + r->below(3), r->below(2), r->once(50)};
  for (uint64_t f : fields) at += number(at, r->once(300) ? r->next() : f);
  for (int part = 0; part < 2; part++) {
    size_t n = part == 1 && !r->once(20) ? 0 : r->below(300);
    at += number(at, r->once(300) ? r->next() : n);
    for (size_t i = 0; i < n; i++) *at++ = (uint8_t)(r->once(2000) ? r->next() : 32 + r->below(90));
  }
  uint32_t length = (uint32_t)(at - to - 4);
  memcpy(to, &length, 4);
  return (size_t)(at - to);
}

void frames(Random* r) {
  static uint8_t frame[64 << 10];
  size_t n = runFrame(r, frame, (uint32_t)r->next()) - 5;
  if (r->once(3)) n = r->below(n + 1);
  uint8_t* payload = static_cast<uint8_t*>(malloc(n));
  memcpy(payload, frame + 5, n);
  for (int i = 0; n > 0 && r->once(2) && i < 4; i++) payload[r->below(n)] = (uint8_t)r->next();
  jsr_run run;
  if (jsr_run_parse(payload, n, &run)) {
    MUST(run.ContextLength + run.HeadLength + run.BodyLength <= n);
    MUST(run.Body + run.BodyLength == payload + n);
    jsr_ascii(run.Context, run.ContextLength);
    jsr_ascii(run.Body, run.BodyLength);
  }
  free(payload);
  n = replyFrame(r, frame, (uint32_t)r->next()) - 5;
  if (r->once(3)) n = r->below(n + 1);
  payload = static_cast<uint8_t*>(malloc(n));
  memcpy(payload, frame + 5, n);
  for (int i = 0; n > 0 && r->once(2) && i < 4; i++) payload[r->below(n)] = (uint8_t)r->next();
  jsr_reply reply;
  if (jsr_reply_parse(payload, n, &reply)) MUST(reply.PayloadLength + reply.BodyLength <= n && reply.Body + reply.BodyLength == payload + n);
  free(payload);

  size_t length = r->below(kShort + 1), room = r->once(3) ? r->below(3000) : length + JSR_RESULT_ROOM;
  uint8_t *text = static_cast<uint8_t*>(malloc(length)), *to = static_cast<uint8_t*>(malloc(room));
  for (size_t i = 0; i < length; i++) text[i] = r->once(10) ? '\n' : (uint8_t)r->next();
  jsr_result result = {};
  if (jsr_answer_split(text, length, r->once(5) ? (int32_t)r->next() : (int32_t)r->below(20), &result)) {
    MUST(result.HeadersLength <= length && result.BodyLength <= length);
    result.Seq = (uint32_t)r->next(), result.Status = (uint32_t)r->next();
    result.WallMicros = r->next(), result.CPUMicros = r->next(), result.PeakMemory = r->next(), result.LogBytes = r->next();
    size_t wrote = jsr_result_write(to, room, &result);
    MUST(wrote <= room);
    MUST(wrote > 0 || room < result.HeadersLength + result.BodyLength + JSR_RESULT_ROOM);
  }
  size_t cut = r->below(length + 1);
  jsr_call call = {(uint32_t)r->next(), (uint32_t)r->next(), text, text + cut, cut, length - cut};
  MUST(jsr_call_write(to, room, &call) <= room);
  jsr_line line = {(uint32_t)r->next(), (uint32_t)r->below(4), r->next(), text, length};
  MUST(jsr_line_write(to, room, &line) <= room);
  free(text);
  free(to);
}

// Isolate is what the two calls are given.
struct Isolate {
  Random* random;
  int32_t* control;
  uint8_t* text;
  uint8_t* said;
};

void set(int32_t* to, int32_t v) { __atomic_store_n(to, v, __ATOMIC_RELAXED); }

// says leaves records of calls and lines, some of which are none.
void says(Isolate* i) {
  Random* r = i->random;
  if (!r->once(2)) return;
  size_t at = 0;
  for (uint64_t k = r->below(6); k > 0; k--) {
    size_t aux = r->once(2) ? r->below(4) : r->below(20), n = r->below(700);
    if (at + 8 + aux + n > JSR_SAID) break;
    uint8_t* p = i->said + at;
    p[0] = (uint8_t)(1 + r->below(2)), p[1] = (uint8_t)aux, p[2] = (uint8_t)n, p[3] = (uint8_t)(n >> 8);
    if (p[0] == 2) p[1] &= 3, aux = 0;
    for (size_t b = 4; b < 8 + aux + n; b++) p[b] = (uint8_t)(32 + r->below(90));
    if (r->once(10)) p[r->below(8)] = (uint8_t)r->next();
    at += 8 + aux + n;
  }
  __atomic_store_n(&i->control[kSaid], r->once(30) ? (int32_t)r->next() : (int32_t)at, __ATOMIC_RELEASE);
}

int hostile(Isolate* i) {
  Random* r = i->random;
  int32_t* c = i->control;
  for (int k = 0; k < kControl; k++) {
    if (r->once(60)) set(&c[k], (int32_t)r->next());
  }
  says(i);
  return r->once(50) ? (int)r->below(8) : 0;
}

int begin(void* made, const uint8_t* start, size_t n, const uint8_t* body, size_t bodyLength) {
  Isolate* i = static_cast<Isolate*>(made);
  MUST(jsr_ascii(start, n) && (body == nullptr || jsr_ascii(body, bodyLength)));
  Random* r = i->random;
  int32_t* c = i->control;
  for (int k = 0; k < kControl; k++) set(&c[k], 0);
  const double never = r->once(10) ? (double)r->below(50) : 1.0 / 0.0;
  memcpy(&c[kDue], &never, sizeof never);
  if (r->once(2)) {
    set(&c[0], 1), set(&c[3], 1);  // it waits for the node
    return hostile(i);
  }
  int32_t n2 = r->once(30) ? (int32_t)r->next() : (int32_t)r->below(kShort + 1);
  set(&c[0], 2), set(&c[2], -1), set(&c[11], 1 + (int32_t)r->below(2)), set(&c[12], 200), set(&c[13], (int32_t)r->below(5)), set(&c[23], r->once(4) ? -1 : n2);
  for (int k = 0; k < kShort; k++) i->text[k] = r->once(300) ? '\n' : (uint8_t)(32 + r->below(90));
  if (r->once(20)) i->text[r->below(kShort)] = 0xC3;
  return hostile(i);
}

int reply(void* made, const uint8_t* payload, size_t n, int ascii, const uint8_t* body, size_t bodyLength) {
  MUST(bodyLength <= JSR_BODY);
  static uint8_t exchange[JSR_BODY];
  if (bodyLength > 0) memcpy(exchange, body, bodyLength);
  MUST(!ascii || jsr_ascii(payload, n));
  return begin(made, payload, 0, nullptr, 0);
}

// text gives a long answer, which may be none or not fit its head.
size_t text(void* made, uint8_t* to, size_t room) {
  Isolate* i = static_cast<Isolate*>(made);
  Random* r = i->random;
  if (r->once(10)) return r->once(2) ? SIZE_MAX : room + 1 + r->below(1 << 20);
  size_t n = r->once(3) ? room - r->below(200) : r->below(room + 1);
  for (size_t k = 0; k < n; k++) to[k] = r->once(300) ? '\n' : (uint8_t)(32 + r->below(90));
  for (int k = 0; n > 0 && k < 3; k++) to[r->below(n)] = (uint8_t)r->next();
  for (int k = 0; k < kControl; k++) {
    if (k != kSaid && r->once(40)) set(&i->control[k], (int32_t)r->next());
  }
  return n;
}

int pump(void* made, int) { return hostile(static_cast<Isolate*>(made)); }

uint64_t used(void* made) {
  Random* r = static_cast<Isolate*>(made)->random;
  return r->once(20) ? r->next() : 1 << 20;
}

struct Peer {
  jsr_loop* loop;
  jsr_slot* slots;
  int fd;
  uint64_t seed;
  int rounds;
  bool over;
  pthread_mutex_t* mu;  // as the worker's current.mu: held while what was adopted is heard
};

// write sends frames, in pieces.
void* sender(void* p) {
  Peer* peer = static_cast<Peer*>(p);
  Random r = {peer->seed | 1};
  static uint8_t frame[64 << 10];
  for (int i = 0; i < peer->rounds; i++) {
    size_t n = r.once(2) ? runFrame(&r, frame, (uint32_t)i) : replyFrame(&r, frame, (uint32_t)i);
    for (size_t at = 0; at < n;) {
      size_t part = r.once(10) ? 1 + r.below(n - at) : n - at;
      ssize_t done = write(peer->fd, frame + at, part);
      if (done <= 0) return nullptr;
      at += (size_t)done;
    }
  }
  shutdown(peer->fd, SHUT_WR);
  return nullptr;
}

// receiver reads what the loop sends: whole frames of Results, HostCalls and Logs.
void* receiver(void* p) {
  Peer* peer = static_cast<Peer*>(p);
  static uint8_t buf[1 << 20];
  size_t have = 0;
  for (;;) {
    ssize_t n = read(peer->fd, buf + have, sizeof buf - have);
    if (n <= 0) break;
    have += (size_t)n;
    size_t at = 0;
    for (uint32_t length; have - at >= 5; at += 4 + length) {
      memcpy(&length, buf + at, 4);
      MUST(length >= 1 && length <= JSR_LONG + JSR_RESULT_ROOM && (buf[at + 4] == JSR_KIND_RESULT || buf[at + 4] == JSR_KIND_HOST_CALL || buf[at + 4] == JSR_KIND_LOG));
      if (have - at < 4 + length) break;
    }
    memmove(buf, buf + at, have - at);
    have -= at;
  }
  MUST(have == 0);
  return nullptr;
}

// watchdog adopts what runs, hears what it says, flushes, and sets the timer, at any time.
void* watchdog(void* p) {
  Peer* peer = static_cast<Peer*>(p);
  Random r = {peer->seed | 1};
  while (!__atomic_load_n(&peer->over, __ATOMIC_SEQ_CST)) {
    if (r.once(3)) {
      int32_t running = JSR_RUNNING;
      pthread_mutex_lock(peer->mu);
      if (__atomic_compare_exchange_n(&peer->loop->Front.State, &running, JSR_ADOPTED, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) && peer->loop->Front.Pump == 0) {
        const jsr_front* f = &peer->loop->Front;
        jsr_saying w = {f->Seq, f->LogLimit, f->Began};
        for (uint32_t i = 0; i < 5; i++) {
          if (peer->slots[i].ID == f->Slot) jsr_said(peer->loop, &peer->slots[i], &w, 0);
        }
      }
      pthread_mutex_unlock(peer->mu);
    }
    jsr_out_flush(&peer->loop->Out);
    jsr_timer_set(&peer->loop->Timer);
    usleep((unsigned)r.below(200));
  }
  return nullptr;
}

void loop(Random* r, int rounds) {
  int fds[2];
  MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  int statm = open("/proc/self/statm", O_RDONLY);
  jsr_loop* l = jsr_loop_new(fds[1], timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), statm, 4096, reinterpret_cast<void*>(begin), reinterpret_cast<void*>(pump),
                            reinterpret_cast<void*>(used), reinterpret_cast<void*>(reply));
  jsr_loop_text(l, reinterpret_cast<void*>(text));
  l->Memory.Hard = RLIM_INFINITY;
  // Nothing here sets a memory limit: the sanitizers need the memory.
  l->Memory.Base = (uint64_t)1 << 50;
  l->Memory.Hard = l->Memory.Last = RLIM_INFINITY >> 1;
  jsr_slot slots[5] = {};
  Isolate isolates[5];
  for (uint32_t i = 0; i < 5; i++) {
    isolates[i] = {r, static_cast<int32_t*>(calloc(kControl, 4)), static_cast<uint8_t*>(calloc(1, kShort)), static_cast<uint8_t*>(calloc(1, JSR_SAID))};
    slots[i].ID = i, slots[i].MaxMemory = 64 << 20;
    if (i > 0) slots[i].Isolate = &isolates[i], slots[i].Control = isolates[i].control, slots[i].Short = isolates[i].text, slots[i].ShortLength = kShort;
    if (i > 0) slots[i].Said = isolates[i].said, slots[i].SaidLength = JSR_SAID;
    MUST(jsr_slot_add(l, &slots[i]));
  }
  pthread_mutex_t mu;
  pthread_mutex_init(&mu, nullptr);
  Peer peers[3];
  for (Peer& p : peers) p = {l, slots, fds[0], r->next(), rounds, false, &mu};
  pthread_t threads[3];
  void* (*const mains[3])(void*) = {sender, receiver, watchdog};
  for (int i = 0; i < 3; i++) MUST(pthread_create(&threads[i], nullptr, mains[i], &peers[i]) == 0);
  uint8_t* buf = static_cast<uint8_t*>(malloc(kBuf));
  size_t start = 0, end = 0;
  int64_t others = 0, settled = 0;
  for (;;) {
    l->Buf = buf, l->Start = start, l->End = end, l->Cap = kBuf;
    int code = jsr_loop_run(l);
    start = l->Start, end = l->End;
    MUST(start <= end && end <= kBuf && code != JSR_ERROR);
    // As Go does: what waits is taken back, and lent again, or not.
    pthread_mutex_lock(&mu);
    int waits = 0;
    for (jsr_slot& s : slots) {
      waits += s.Waits;
      if (!s.Waits) continue;
      jsr_take_back(l, &s);
      if (r->once(4)) MUST(jsr_lend(l, &s));
    }
    while (l->Later != nullptr && r->once(2)) jsr_later_drop(l);
    MUST(waits <= 5 && l->waits >= 0 && l->waits <= waits);
    if (code == JSR_SETTLE) {
      const jsr_front* f = &l->Front;
      jsr_saying w = {f->Seq, f->LogLimit, f->Began};
      for (jsr_slot& s : slots) {
        if (s.ID == f->Slot) jsr_said(l, &s, &w, 1);
      }
    }
    if (code != JSR_GO) __atomic_store_n(&l->Front.State, JSR_NONE, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&mu);
    if (code != JSR_GO) {
      settled++;
      continue;
    }
    MUST(__atomic_load_n(&l->Front.State, __ATOMIC_SEQ_CST) == JSR_NONE);
    // As Go does: take one frame, or read more.
    others++;
    uint32_t n = 0;
    if (end - start >= 4) memcpy(&n, buf + start, 4);
    if (end - start >= 4 && (n < 1 || n > kBuf / 2)) break;  // Go would hang up
    if (end - start >= 4 && end - start - 4 >= n) {
      start += 4 + n;
      continue;
    }
    memmove(buf, buf + start, end - start);
    end -= start, start = 0;
    ssize_t got = read(fds[1], buf + end, kBuf - end);
    if (got <= 0) break;
    end += (size_t)got;
  }
  jsr_out_flush(&l->Out);
  __atomic_store_n(&peers[2].over, true, __ATOMIC_SEQ_CST);
  shutdown(fds[1], SHUT_RDWR);
  for (pthread_t t : threads) pthread_join(t, nullptr);
  printf("loop: %lld plain, %lld settled, %lld left\n", (long long)l->Quick, (long long)settled, (long long)others);
  close(l->Timer.FD), close(fds[0]), close(fds[1]), close(statm);
  for (jsr_slot& s : slots) jsr_slot_remove(l, &s);
  for (Isolate& i : isolates) free(i.control), free(i.text), free(i.said);
  free(buf);
  jsr_loop_free(l);
}

// asleep answers after a wait in which the process uses no CPU time.
int asleep(void* made, const uint8_t*, size_t, const uint8_t*, size_t) {
  int32_t* c = static_cast<Isolate*>(made)->control;
  memset(c, 0, kControl * sizeof *c);
  c[0] = 2, c[2] = -1, c[11] = 1, c[12] = 200;
  usleep(50);
  return 0;
}

int nothing(void*, int) { return 0; }

uint64_t little(void*) { return 1 << 20; }

// answered is the CPU time that a Result answers for, the last but two of its numbers.
uint64_t answered(const uint8_t* at, size_t n) {
  uint64_t numbers[64] = {};
  int have = 0;
  for (const uint8_t* end = at + n; at < end && have < 64; have++) {
    for (int shift = 0; at < end; shift += 7) {
      numbers[have] |= (uint64_t)(*at & 0x7F) << shift;
      if (*at++ < 0x80) break;
    }
  }
  MUST(have > 3 && have < 64);
  return numbers[have - 3];
}

// clocks shows that executions do not answer for more CPU time than the process has used, though short ones answer for their wall time at first.
void clocks() {
  int fds[2];
  MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  int statm = open("/proc/self/statm", O_RDONLY);
  jsr_loop* l = jsr_loop_new(fds[1], timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), statm, 4096, reinterpret_cast<void*>(asleep), reinterpret_cast<void*>(nothing),
                            reinterpret_cast<void*>(little), nullptr);
  l->Memory.Base = (uint64_t)1 << 50;
  l->Memory.Hard = l->Memory.Last = RLIM_INFINITY >> 1;
  Isolate isolate = {nullptr, static_cast<int32_t*>(calloc(kControl, 4)), static_cast<uint8_t*>(calloc(1, kShort)), nullptr};
  jsr_slot slot = {};
  slot.ID = 1, slot.MaxMemory = 64 << 20, slot.Isolate = &isolate, slot.Control = isolate.control, slot.Short = isolate.text, slot.ShortLength = kShort;
  MUST(jsr_slot_add(l, &slot));
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  int64_t before = t.tv_sec * 1000000000ll + t.tv_nsec, sum = 0;
  static uint8_t frame[64 << 10], buf[kBuf];
  const int kAtOnce = 16;
  for (int round = 0; round < 40; round++) {
    // The last frame is Go's, so that the loop returns.
    size_t n = 0;
    for (int i = 0; i < kAtOnce; i++) {
      uint8_t* at = frame + n + 4;
      *at++ = JSR_KIND_RUN;
      uint64_t fields[11] = {(uint64_t)i, 1, 1, 1000, 1000, 1 << 20, 1 << 16, 0, 0, 0, 0};
      for (uint64_t f : fields) at += number(at, f);
      uint32_t length = (uint32_t)(at - frame - n - 4);
      memcpy(frame + n, &length, 4);
      n += 4 + length;
    }
    const uint8_t other[5] = {1, 0, 0, 0, 99};
    memcpy(frame + n, other, sizeof other);
    n += sizeof other;
    memcpy(buf, frame, n);
    l->Buf = buf, l->Start = 0, l->End = n, l->Cap = kBuf;
    MUST(jsr_loop_run(l) == JSR_GO && l->End - l->Start == sizeof other);
    MUST(jsr_out_flush(&l->Out) == 0);
    for (int i = 0; i < kAtOnce; i++) {
      uint32_t length;
      MUST(read(fds[0], &length, 4) == 4 && length < sizeof frame && read(fds[0], frame, length) == (ssize_t)length && frame[0] == JSR_KIND_RESULT);
      sum += (int64_t)answered(frame + 1, length - 1) * 1000;
    }
  }
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  int64_t all = t.tv_sec * 1000000000ll + t.tv_nsec - before;
  MUST(l->Quick == 40 * kAtOnce);
  MUST(sum + slot.Owed <= all);
  printf("clocks: %lld of %lld us\n", (long long)sum / 1000, (long long)all / 1000);
  close(l->Timer.FD), close(fds[0]), close(fds[1]), close(statm);
  jsr_slot_remove(l, &slot);
  free(isolate.control), free(isolate.text);
  jsr_loop_free(l);
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 1000;
  Random r = {argc > 2 ? strtoull(argv[2], nullptr, 10) | 1 : (uint64_t)time(nullptr) | 1};
  signal(SIGPIPE, SIG_IGN);
  setvbuf(stdout, nullptr, _IOLBF, 0);
  printf("seed %llu\n", (unsigned long long)r.state);
  for (int i = 0; i < 20 * rounds; i++) frames(&r);
  for (int i = 0; i < 10; i++) loop(&r, rounds);
  clocks();
  return 0;
}
