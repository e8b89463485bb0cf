// Put before a test's server by LD_PRELOAD: a clock that is known to be right, as a container's is not, and so many days ahead.
// What must not live here: anything else that a server is told by its system.
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t which, struct timespec *now) {
  const char *days = getenv("DAYS_AHEAD");
  int failed = (int)syscall(SYS_clock_gettime, which, now);
  if (!failed && which == CLOCK_REALTIME && days) now->tv_sec += atol(days) * 86400;
  return failed;
}

int adjtimex(struct timex *query) {
  (void)query;
  return TIME_OK;
}
