// What the loop and Go's worker share: slots and the memory limit, the watchdog's timer, the frames for the node.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"

namespace {

const uint64_t kIsolateOverhead = 7 << 18;  // what an isolate adds to the data segment beside the memory that it says it uses: 1.66 MiB, measured
const int64_t kTick = JSR_TICK_MS * 1000000ll, kBusy = kTick / 2;
const size_t kFlushAt = 64 << 10, kOutRoom = kFlushAt + (8 << 10);

void settime(jsr_timer* t, int64_t after) {
  struct itimerspec s = {};
  s.it_value.tv_nsec = after;
  if (timerfd_settime(t->FD, 0, &s, nullptr) != 0) abort();  // nothing would bound what runs
}

// writeAll writes with the lock held.
void writeAll(jsr_out* o, const uint8_t* p, size_t n) {
  while (n > 0 && o->error == 0) {
    ssize_t done = write(o->FD, p, n);
    if (done < 0) {
      if (errno != EINTR) o->error = errno;
      continue;
    }
    p += done, n -= (size_t)done;
  }
}

void flushLocked(jsr_out* o) {
  writeAll(o, o->buf, o->length);
  o->length = 0;
  __atomic_store_n(&o->Held, 0, __ATOMIC_SEQ_CST);
}

}  // namespace

extern "C" jsr_loop* jsr_loop_new(int fd, int timer, int statm, uint64_t page, void* begin, void* pump, void* used, void* reply) {
  jsr_loop* l = static_cast<jsr_loop*>(calloc(1, sizeof(jsr_loop)));
  if (l == nullptr) return nullptr;
  l->FD = l->Out.FD = fd;
  l->Timer.FD = timer;
  l->Memory.Statm = statm;
  l->Memory.Page = page;
  l->begin = reinterpret_cast<jsr_begin>(begin);
  l->pump = reinterpret_cast<jsr_pump>(pump);
  l->used = reinterpret_cast<jsr_used>(used);
  l->reply = reinterpret_cast<jsr_reply_call>(reply);
  l->room = JSR_SLOTS;
  l->slots = static_cast<jsr_slot**>(calloc(l->room, sizeof *l->slots));
  l->Out.buf = static_cast<uint8_t*>(malloc(kOutRoom));
  if (l->slots == nullptr || l->Out.buf == nullptr) abort();
  pthread_mutex_init(&l->Timer.mu, nullptr);
  pthread_mutex_init(&l->Out.mu, nullptr);
  pthread_mutex_init(&l->said, nullptr);
  return l;
}

extern "C" void jsr_loop_text(jsr_loop* l, void* text) { l->text = reinterpret_cast<jsr_text>(text); }

extern "C" void jsr_loop_free(jsr_loop* l) {
  while (l->Later != nullptr) jsr_later_drop(l);
  free(l->answer);
  free(l->slots);
  free(l->Out.buf);
  free(l);
}

// jsr_slot_add makes the slot known: 0 where there is no memory for it.
extern "C" int jsr_slot_add(jsr_loop* l, jsr_slot* s) {
  if (l->count == l->room) {
    jsr_slot** more = static_cast<jsr_slot**>(realloc(l->slots, 2 * l->room * sizeof *more));
    if (more == nullptr) return 0;
    l->slots = more, l->room *= 2;
  }
  l->slots[l->count++] = s;
  return 1;
}

extern "C" void jsr_slot_remove(jsr_loop* l, jsr_slot* s) {
  for (uint32_t i = 0; i < l->count; i++) {
    if (l->slots[i] != s) continue;
    l->slots[i] = l->slots[--l->count];
    break;
  }
  if (l->Loaded == s) l->Loaded = nullptr;
  if (l->last == s) l->last = nullptr;
  if (s->Ran != 0) l->RanCount--;
  jsr_take_back(l, s);
}

// jsr_others is the memory of all slots but s.
extern "C" uint64_t jsr_others(const jsr_loop* l, const jsr_slot* s) {
  uint64_t n = 0;
  for (uint32_t i = 0; i < l->count; i++) {
    if (l->slots[i] != s) n += l->slots[i]->Used + kIsolateOverhead;
  }
  return n;
}

// jsr_high is the data segment of s that its heap alone does not explain, half of the way to the limit.
extern "C" uint64_t jsr_high(const jsr_loop* l, const jsr_slot* s) { return l->Memory.Base + jsr_others(l, s) + s->MaxMemory + JSR_HEADROOM / 2; }

// jsr_bound puts the memory limit of s in force. V8 gets twice the script's limit, so that its own heap limit (which is doubled once) bites
// before the kernel's does.
extern "C" void jsr_bound(jsr_loop* l, jsr_slot* s) {
  if (l->Loaded == s) return;
  jsr_memory* m = &l->Memory;
  uint64_t others = jsr_others(l, s), n = m->Base + others + 2 * s->MaxMemory + JSR_HEADROOM;
  if (n > m->Hard) n = m->Hard;
  struct rlimit limit = {n, m->Hard};
  if (n == m->Last || setrlimit(RLIMIT_DATA, &limit) == 0) {
    m->Last = n;
    l->Loaded = s;
  }
  m->High = jsr_high(l, s), m->Asked = 0;
}

// jsr_memory_size reads the bytes of memory that is the process's own (resident pages that belong to no file) and of the data segment: 0
// for a failure.
extern "C" int jsr_memory_size(const jsr_memory* m, uint64_t* own, uint64_t* data) {
  char b[128];
  ssize_t n = pread(m->Statm, b, sizeof b, 0);
  // size resident shared text lib data dt, in pages
  uint64_t fields[6] = {};
  int at = 0;
  for (ssize_t i = 0; i < n && at < 6; i++) {
    if (b[i] >= '0' && b[i] <= '9') fields[at] = fields[at] * 10 + (uint64_t)(b[i] - '0');
    if (b[i] == ' ') at++;
  }
  if (at < 6) return 0;
  *own = (fields[1] > fields[2] ? fields[1] - fields[2] : 0) * m->Page;
  *data = fields[5] * m->Page;
  return 1;
}

// jsr_timer_set makes sure that the watchdog looks within a tick. What it is to see has been stored before.
extern "C" void jsr_timer_set(jsr_timer* t) {
  if (__atomic_load_n(&t->Set, __ATOMIC_SEQ_CST)) return;
  pthread_mutex_lock(&t->mu);
  if (!__atomic_load_n(&t->Set, __ATOMIC_SEQ_CST)) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t now = at.tv_sec * 1000000000ll + at.tv_nsec;
    t->Often = now - t->SetAt < kBusy, t->SetAt = now;
    __atomic_store_n(&t->Set, 1, __ATOMIC_SEQ_CST);
    settime(t, kTick);
  }
  pthread_mutex_unlock(&t->mu);
}

// jsr_timer_rest unsets the timer where nothing is to be watched: nothing runs and no answer is held. Only the main thread calls it.
extern "C" void jsr_timer_rest(jsr_timer* t) {
  if (!__atomic_load_n(&t->Set, __ATOMIC_SEQ_CST)) return;
  pthread_mutex_lock(&t->mu);
  if (__atomic_load_n(&t->Set, __ATOMIC_SEQ_CST) && !t->Often) {
    __atomic_store_n(&t->Set, 0, __ATOMIC_SEQ_CST);
    settime(t, 0);
  }
  pthread_mutex_unlock(&t->mu);
}

// jsr_out_add appends frames. They are written by the next flush, or at once when much has come together. It returns errno, 0 for none.
extern "C" int jsr_out_add(jsr_out* o, const uint8_t* frames, size_t n) {
  pthread_mutex_lock(&o->mu);
  if (n > kOutRoom - o->length) flushLocked(o);
  if (n > kOutRoom) {
    writeAll(o, frames, n);
  } else {
    memcpy(o->buf + o->length, frames, n);
    o->length += n;
    __atomic_store_n(&o->Held, 1, __ATOMIC_SEQ_CST);
    if (o->length >= kFlushAt) flushLocked(o);
  }
  int error = o->error;
  pthread_mutex_unlock(&o->mu);
  return error;
}

// jsr_out_flush writes what was collected. It returns errno, 0 for none.
extern "C" int jsr_out_flush(jsr_out* o) {
  if (!__atomic_load_n(&o->Held, __ATOMIC_SEQ_CST)) return 0;
  pthread_mutex_lock(&o->mu);
  flushLocked(o);
  int error = o->error;
  pthread_mutex_unlock(&o->mu);
  return error;
}
