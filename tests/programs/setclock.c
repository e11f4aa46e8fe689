// Sets the wall clock, which the C library then reads without a system call. Only in a machine of its own.
#include "show.h"
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

static long wall(void) {
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec;
}

int main(void) {
    struct timespec a, b, new = {2000000000, 0};
    struct timeval tv = {1500000000, 0};
    printf("before: %d\n", wall() > 1600000000);
    clock_gettime(CLOCK_MONOTONIC, &a);
    show("clock_settime", clock_settime(CLOCK_REALTIME, &new));
    printf("after: %d, by system call %d\n", wall() - 2000000000 < 5, RAW(SYS_time, 0, 0, 0, 0, 0, 0) - 2000000000 < 5);
    show("settimeofday", settimeofday(&tv, 0));
    printf("after: %d, time %d\n", wall() - 1500000000 < 5, time(0) - 1500000000 < 5);
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("monotonic goes on: %d\n", b.tv_sec >= a.tv_sec && b.tv_sec - a.tv_sec < 5);
    new.tv_sec = 0;
    show("before the machine's start", clock_settime(CLOCK_REALTIME, &new) ? -errno : 0);
    // Timers at a time of the clock go along with it, and can be told that it was set.
    int timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    struct itimerspec at = {.it_value = {1600000000, 0}};
    unsigned long expired = 0;
    timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at, 0);
    show("not yet", RAW(SYS_read, timer, &expired, 8, 0, 0, 0));
    new.tv_sec = 1500000500;
    clock_settime(CLOCK_REALTIME, &new);
    printf("cancelled: %d\n", RAW(SYS_read, timer, &expired, 8, 0, 0, 0) == -ECANCELED);
    show("told once", RAW(SYS_read, timer, &expired, 8, 0, 0, 0));
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, 0);
    new.tv_sec = 1600000001;
    clock_settime(CLOCK_REALTIME, &new);
    show("expired", RAW(SYS_read, timer, &expired, 8, 0, 0, 0));
    return 0;
}
