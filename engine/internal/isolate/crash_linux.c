// A fatal signal in native code ends the worker at once, with an exit status that says whether memory was the reason: no stack dump
// with addresses, no core. Go's own handlers for these signals are replaced; the worker has no use for recovering from them.
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int statm = -1;
static long page = 4096;

// dataBytes reads the size of the data segment as RLIMIT_DATA counts it: field 6 of statm less the stack.
static uint64_t dataBytes(void) {
  char b[128];
  ssize_t n = pread(statm, b, sizeof b - 1, 0);
  if (n <= 0) return 0;
  uint64_t field = 0, value = 0;
  for (ssize_t i = 0; i < n; i++) {
    if (b[i] == ' ') {
      if (++field == 6) break;
      value = 0;
    } else if (b[i] >= '0' && b[i] <= '9') {
      value = value * 10 + (uint64_t)(b[i] - '0');
    }
  }
  return value * (uint64_t)page;
}

// jsr_memory_gone ends the process as one that exceeded its memory, where its data segment is near its limit.
void jsr_memory_gone(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    uint64_t used = dataBytes();
    // A failed allocation is at most as large as what is left; 1/8 of the limit catches those that crash V8 or ICU.
    if (used + limit.rlim_cur / 8 >= limit.rlim_cur) _exit(87);
  }
}

static void onCrash(int sig, siginfo_t *info, void *context) {
  (void)info;
  (void)context;
  jsr_memory_gone();
  char text[] = "worker: fatal signal 00 in native code\n";
  text[21] = (char)('0' + sig / 10);
  text[22] = (char)('0' + sig % 10);
  ssize_t ignored = write(2, text, sizeof text - 1);
  (void)ignored;
  _exit(88);
}

void jsr_crash_handlers(int statm_fd) {
  statm = statm_fd;
  page = sysconf(_SC_PAGESIZE);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = onCrash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGABRT, SIGTRAP, SIGFPE};
  for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++) sigaction(signals[i], &action, NULL);
}
