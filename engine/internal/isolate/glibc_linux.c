// V8's archives are built against glibc 2.38 or newer, where the C23 names of these functions exist. On an older glibc they do not;
// the weak definitions below stand in. Where the C library has its own, those win and these are not used.

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define WEAK __attribute__((weak))

WEAK long __isoc23_strtol(const char *s, char **end, int base) { return strtol(s, end, base); }
WEAK unsigned long __isoc23_strtoul(const char *s, char **end, int base) { return strtoul(s, end, base); }
WEAK long long __isoc23_strtoll(const char *s, char **end, int base) { return strtoll(s, end, base); }
WEAK unsigned long long __isoc23_strtoull(const char *s, char **end, int base) { return strtoull(s, end, base); }

WEAK int __isoc23_sscanf(const char *s, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsscanf(s, format, args);
  va_end(args);
  return n;
}

WEAK int __isoc23_fscanf(FILE *f, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vfscanf(f, format, args);
  va_end(args);
  return n;
}

void jsr_trim(void) { malloc_trim(0); }

// V8 belongs to one thread, and the others allocate next to nothing. An arena for each of those that do, which glibc makes by default, was
// 0.5 MiB of a worker's private memory, in parts that malloc_trim does not give back.
__attribute__((constructor)) static void one_arena(void) { mallopt(M_ARENA_MAX, 1); }
