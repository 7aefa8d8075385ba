// The worker's loop for plain requests, and what it shares with Go: see doc.go. Fields with capital letters are read and written by Go too.
#ifndef JSR_LOOP_H
#define JSR_LOOP_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

// Rules that the loop and Go's worker share: see the constants of loop.go.
enum {
  JSR_TICK_MS = 10,
  JSR_QUICK_US = 200,
  JSR_SHORT_US = 200,
  JSR_LOOKS_APART = 8,
  JSR_TIDY_AFTER = 64,
  JSR_PUMP_WALL_MS = 1000,
  JSR_PUMP_CPU_MS = 250,
  JSR_MAX_DEPTH = 1000,
  JSR_HEADROOM = 16 << 20,
};

// jsr_memory is the process's size and its bounds, in bytes. The main thread's, or the watchdog's while JavaScript runs.
typedef struct jsr_memory {
  int32_t Statm;   // an open /proc/self/statm
  uint64_t Page;   // the size of a page
  uint64_t Base;   // data segment before there was any tenant's code
  uint64_t Idle;   // memory of its own before there was any tenant's code
  uint64_t Hard;   // the limit that cannot be raised any more
  uint64_t Last;   // the limit in force
  uint64_t High;   // data segment from which on V8 is asked to give memory back
  uint64_t Asked;  // data segment when V8 was last asked and could give back no more
} jsr_memory;

// jsr_slot is a script in this worker. The main thread's.
typedef struct jsr_slot {
  uint32_t ID;
  int32_t Ran;  // since its isolate was last tidied
  uint64_t MaxMemory;
  uint64_t Used;  // bytes at the end of its last run
  uint64_t LastUse;
  int64_t LastWall;  // nanoseconds; 0: it has not run
  int64_t Owed;      // nanoseconds of CPU time of its callbacks between executions, for which its next one answers; below 0: what was too much
  void* Isolate;     // what begin and pump are called with; null: the loop leaves it to Go
  int32_t* Control;  // boot.js's control block
  const uint8_t* Short;
  uint64_t ShortLength;
} jsr_slot;

// What Go compares its own structs with.
enum {
  JSR_SLOT_OWED = offsetof(jsr_slot, Owed),
  JSR_SLOT_SHORT_LENGTH = offsetof(jsr_slot, ShortLength),
  JSR_MEMORY_BASE = offsetof(jsr_memory, Base),
};

// States of jsr_front.
enum { JSR_NONE = 0, JSR_RUNNING = 1, JSR_ADOPTED = 2 };

// jsr_front is what the loop runs. State goes from RUNNING to NONE by the loop, or to ADOPTED by Go: that one of the two has it then.
typedef struct jsr_front {
  int32_t State;  // atomic
  int32_t Pump;   // not an execution, but what V8 has put off
  int64_t Began;  // CLOCK_MONOTONIC, nanoseconds; atomic
  int64_t CPUBegan;
  uint32_t Seq, Slot, WallMillis, CPUMillis, OutputLimit, LogLimit;
} jsr_front;

// jsr_timer is the watchdog's timer.
typedef struct jsr_timer {
  int32_t FD;
  int32_t Set;  // atomic; it changes together with the kernel's timer while mu is held, but for the expiry
  pthread_mutex_t mu;
  int64_t SetAt;  // CLOCK_MONOTONIC, nanoseconds
  int32_t Often;  // it was set soon after the time before
} jsr_timer;

// jsr_out collects frames for the node and writes them whole.
typedef struct jsr_out {
  int32_t FD;
  int32_t Held;  // atomic: something is not written yet
  pthread_mutex_t mu;
  uint8_t* buf;
  size_t length;
  int error;  // errno of the first write that failed
} jsr_out;

// What a call into an isolate says, bits.
enum { JSR_THREW = 1, JSR_TERMINATED = 2, JSR_EXCEEDED = 4 };

// jsr_begin calls boot.js's begin with a text of ASCII and, where body is not null, another. jsr_pump runs what V8 has put off. jsr_used is how
// many bytes the isolate uses.
typedef int (*jsr_begin)(void* isolate, const uint8_t* start, size_t n, const uint8_t* body, size_t body_length);
typedef int (*jsr_pump)(void* isolate, int ended);
typedef uint64_t (*jsr_used)(void* isolate);

enum { JSR_START = 64 << 10, JSR_SLOTS = 256 };

typedef struct jsr_loop {
  int32_t FD;
  int32_t Flags;  // what the last call said
  jsr_memory Memory;
  jsr_timer Timer;
  jsr_out Out;
  jsr_front Front;
  jsr_begin begin;
  jsr_pump pump;
  jsr_used used;
  jsr_slot** slots;
  uint32_t count, room;
  jsr_slot* Loaded;  // whose memory limit is in force
  uint64_t Clock;
  jsr_slot* last;       // what ran last since the CPU clock was read, or null
  int64_t cpu;          // the CPU clock after it, estimated: 0 where it must be read
  int64_t read;         // the CPU clock when it was read last
  int32_t Runs, Looks;  // executions since the last tidy, and since the memory was looked at
  int32_t Tidies;       // slots that were tidied since the memory was looked at there
  int32_t RanCount;     // slots with Ran
  int64_t Quick;        // executions by the loop, for tests
  uint8_t* Buf;         // the inbox's memory while the loop has it
  size_t Start, End, Cap;
  uint8_t start[JSR_START];
} jsr_loop;

// Why the loop has returned.
enum { JSR_GO = 0, JSR_SETTLE = 1, JSR_PUMPED = 2, JSR_RELIEVE = 3, JSR_ERROR = 4 };

#ifdef __cplusplus
extern "C" {
#endif

jsr_loop* jsr_loop_new(int fd, int timer, int statm, uint64_t page, void* begin, void* pump, void* used);
void jsr_loop_free(jsr_loop* l);
int jsr_loop_run(jsr_loop* l);
int jsr_slot_add(jsr_loop* l, jsr_slot* s);
void jsr_slot_remove(jsr_loop* l, jsr_slot* s);
uint64_t jsr_others(const jsr_loop* l, const jsr_slot* s);
uint64_t jsr_high(const jsr_loop* l, const jsr_slot* s);
void jsr_bound(jsr_loop* l, jsr_slot* s);
int jsr_memory_size(const jsr_memory* m, uint64_t* own, uint64_t* data);
void jsr_timer_set(jsr_timer* t);
void jsr_timer_rest(jsr_timer* t);
int jsr_out_add(jsr_out* o, const uint8_t* frames, size_t n);
int jsr_out_flush(jsr_out* o);

#ifdef __cplusplus
}
#endif
#endif
