// Clocks and sleeping, as far as truth does not depend on the machine.
#include "show.h"
#include <sys/time.h>
#include <time.h>

static long long now(clockid_t clock) {
    struct timespec ts;
    if (clock_gettime(clock, &ts))
        return -1;
    return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

int main(void) {
    long long last = now(CLOCK_MONOTONIC), back = 0;
    for (int i = 0; i < 10000; i++) {
        long long t = now(CLOCK_MONOTONIC);
        back += t < last;
        last = t;
    }
    printf("monotonic went back %lld times\n", back);
    struct timespec ts = {0, 50000000};
    long long start = now(CLOCK_MONOTONIC);
    show("nanosleep", nanosleep(&ts, 0));
    long long took = now(CLOCK_MONOTONIC) - start;
    printf("slept at least: %d, at most a hundred times that: %d\n", took >= 50000000, took < 5000000000ll);
    start = now(CLOCK_MONOTONIC);
    long long until = start + 30000000;
    ts.tv_sec = until / 1000000000;
    ts.tv_nsec = until % 1000000000;
    show("clock_nanosleep", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, 0));
    printf("until: %d\n", now(CLOCK_MONOTONIC) >= until);
    printf("after 2023: %d\n", time(0) > 1700000000);
    struct timeval tv;
    gettimeofday(&tv, 0);
    printf("clocks agree: %d\n", tv.tv_sec - time(0) >= -2 && tv.tv_sec - time(0) <= 2);
    struct timespec res = {0, 0};
    show("clock_getres", clock_getres(CLOCK_MONOTONIC, &res));
    printf("resolution below 10 ms: %d\n", res.tv_sec == 0 && res.tv_nsec < 10000000);
    printf("cpu time passes: %d\n", now(CLOCK_PROCESS_CPUTIME_ID) > 0);
    printf("boot time: %d\n", now(CLOCK_BOOTTIME) >= start);
    return 0;
}
