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
  JSR_SAID = 4096,
  JSR_SAID_AT = 4 * 25,  // of the control block: how many bytes of records there are
  JSR_TURNS = 64,
  JSR_BODY = 64 << 10,  // what boot.js's buffer for bytes has at least
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
  uint8_t* Said;  // boot.js's records of what the script says: see said.cc
  uint64_t SaidLength;
  // Of its execution. What it has said is guarded by the loop's said.
  uint32_t Heard;     // bytes of Said that were sent on
  uint32_t LogLines;
  uint64_t LogBytes;
  uint64_t LogMicros;  // of its last line
  uint64_t Peak;       // memory that looks at the process have seen beyond an empty worker's
  int64_t CPU;         // nanoseconds that it has used; until it is set aside: of its turns before
  int64_t Longest;     // nanoseconds of its longest turn before
  int32_t Turns;       // calls into the isolate for it
  int32_t Waits;       // the loop has set it aside: what follows is its
  int64_t Began;       // CLOCK_MONOTONIC, nanoseconds
  uint32_t Seq, WallMillis, CPUMillis, OutputLimit, LogLimit, Pad;
} jsr_slot;

// What Go compares its own structs with.
enum {
  JSR_SLOT_OWED = offsetof(jsr_slot, Owed),
  JSR_SLOT_SHORT_LENGTH = offsetof(jsr_slot, ShortLength),
  JSR_SLOT_LOG_BYTES = offsetof(jsr_slot, LogBytes),
  JSR_SLOT_BEGAN = offsetof(jsr_slot, Began),
  JSR_MEMORY_BASE = offsetof(jsr_memory, Base),
};

// States of jsr_front.
enum { JSR_NONE = 0, JSR_RUNNING = 1, JSR_ADOPTED = 2 };

// jsr_front is what the loop runs. State goes from RUNNING to NONE by the loop, or to ADOPTED by Go: that one of the two has it then.
typedef struct jsr_front {
  int32_t State;  // atomic
  int32_t Pump;   // not an execution, but what V8 has put off
  int64_t Turn;   // when the call into the isolate began: CLOCK_MONOTONIC, nanoseconds; atomic
  int64_t Began;  // when the execution did
  int64_t CPUBegan;  // the CPU clock then, less what other executions have used since
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

// jsr_reply_call calls boot.js's reply with a text of UTF-8, which ascii says to be ASCII, and at most JSR_BODY bytes of a body.
typedef int (*jsr_reply_call)(void* isolate, const uint8_t* payload, size_t n, int ascii, const uint8_t* body, size_t body_length);

// jsr_saying is whose words jsr_said and jsr_log send on.
typedef struct jsr_saying {
  uint32_t Seq, LogLimit;
  int64_t Began;
} jsr_saying;

// jsr_later is a Run that came for a slot whose execution waits. Its bytes follow.
typedef struct jsr_later {
  struct jsr_later* Next;
  uint32_t Slot;
  size_t Length;
} jsr_later;

// jsr_text gives a response that has ended and is too long for the short text: its head and its body as UTF-8, of at most room bytes. It returns
// their length, SIZE_MAX where there is no such text or it has no room; the execution is as it was before.
typedef size_t (*jsr_text)(void* isolate, uint8_t* to, size_t room);

// JSR_LONG is how long a response may be that the loop answers, in bytes: what it writes at once, and what JSON.stringify makes in a tick.
enum { JSR_LONG = 64 << 10 };

enum { JSR_START = 64 << 10, JSR_SLOTS = 256, JSR_LATER = 1 << 20 };

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
  jsr_reply_call reply;
  int64_t from;      // the CPU clock when the call in front began
  pthread_mutex_t said;
  jsr_later* Later;  // oldest first
  size_t laterBytes;
  int32_t waits;     // slots with Waits
  int64_t due;       // CLOCK_MONOTONIC: nothing of them is due before; it may be early
  int64_t at;        // CLOCK_MONOTONIC when it was read last
  jsr_text text;   // null: what is long is left to Go
  uint8_t* answer; // JSR_LONG bytes, and a frame of as many: null until the first
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
  int64_t Quick;        // executions by the loop
  int64_t TrimAt;       // of Quick, when memory is given back next
  uint8_t* Buf;         // the inbox's memory while the loop has it
  size_t Start, End, Cap;
  uint8_t start[JSR_START];
} jsr_loop;

// Why the loop has returned.
enum { JSR_GO = 0, JSR_SETTLE = 1, JSR_PUMPED = 2, JSR_RELIEVE = 3, JSR_ERROR = 4 };

#ifdef __cplusplus
extern "C" {
#endif

jsr_loop* jsr_loop_new(int fd, int timer, int statm, uint64_t page, void* begin, void* pump, void* used, void* reply);
void jsr_loop_free(jsr_loop* l);
int jsr_loop_run(jsr_loop* l);
void jsr_loop_text(jsr_loop* l, void* text);
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
void jsr_slot_fresh(jsr_slot* s);
void jsr_said(jsr_loop* l, jsr_slot* s, const jsr_saying* w, int over);
int jsr_log(jsr_loop* l, jsr_slot* s, const jsr_saying* w, uint32_t level, uint64_t micros, const uint8_t* text, size_t n);
int jsr_lend(jsr_loop* l, jsr_slot* s);
void jsr_take_back(jsr_loop* l, jsr_slot* s);
int jsr_later_add(jsr_loop* l, uint32_t slot, const uint8_t* payload, size_t n);
void jsr_later_drop(jsr_loop* l);

#ifdef __cplusplus
}
#endif
#endif
