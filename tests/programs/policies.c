/* Attributes of scheduling in the structure that may grow, priorities of input and output, how the clocks are adjusted:
 * results and errors. Leaves nice value and policy as they were. */

#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "show.h"

struct attr {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t low, high;
    uint64_t more[4];
};

enum { RESET = 1, KEEP_POLICY = 8, KEEP_PARAMS = 16 };

#define BAD ((void *)8)

/* What libc says of a call, with the error in it. */
static long r(long result) { return result < 0 ? -errno : result; }

static void told(const char *what) {
    struct attr a;
    memset(&a, 0xee, sizeof a);
    show(what, r(syscall(SYS_sched_getattr, 0, &a, 48, 0)));
    printf("  size %u policy %u flags %lu nice %d priority %u, behind it %x\n", a.size, a.policy, (unsigned long)a.flags,
           a.nice, a.priority, a.low);
}

static void set(const char *what, struct attr a) {
    long result = r(syscall(SYS_sched_setattr, 0, &a, 0));
    show(what, result);
    if (result == -E2BIG) printf("  size %u\n", a.size);
}

static void attributes(void) {
    struct attr a;
    memset(&a, 0, sizeof a);
    told("at the start");
    show("getattr: later version", r(syscall(SYS_sched_getattr, 0, &a, 88, 0)));
    printf("  size %u\n", a.size);
    show("getattr: too small", r(syscall(SYS_sched_getattr, 0, &a, 47, 0)));
    show("getattr: too large", r(syscall(SYS_sched_getattr, 0, &a, 4097, 0)));
    show("getattr: flags", r(syscall(SYS_sched_getattr, 0, &a, 48, 1)));
    show("getattr: no structure", r(syscall(SYS_sched_getattr, 0, NULL, 48, 0)));
    show("getattr: bad pointer", r(syscall(SYS_sched_getattr, 0, BAD, 48, 0)));
    show("getattr: negative", r(syscall(SYS_sched_getattr, -1, &a, 48, 0)));
    show("getattr: nobody", r(syscall(SYS_sched_getattr, 0x3ffffff0, &a, 48, 0)));

    set("setattr: batch, nice", (struct attr){.size = 48, .policy = SCHED_BATCH, .nice = 3});
    told("  is");
    set("setattr: size 0 is the first", (struct attr){.policy = SCHED_BATCH, .nice = 4});
    told("  is");
    set("setattr: nice is cut", (struct attr){.size = 56, .policy = SCHED_BATCH, .nice = 1000});
    told("  is");
    set("setattr: keeps the policy", (struct attr){.size = 56, .flags = KEEP_POLICY | RESET, .policy = 77, .nice = 5});
    told("  is");
    set("setattr: keeps both", (struct attr){.size = 56, .flags = KEEP_POLICY | KEEP_PARAMS | RESET, .nice = 9});
    told("  is");
    set("setattr: priority without cause", (struct attr){.size = 48, .priority = 1});
    set("setattr: real-time without priority", (struct attr){.size = 48, .policy = SCHED_RR});
    set("setattr: priority too high", (struct attr){.size = 48, .policy = SCHED_FIFO, .priority = 100});
    set("setattr: policy", (struct attr){.size = 48, .policy = 99});
    set("setattr: negative policy", (struct attr){.size = 48, .policy = -1});
    set("setattr: unknown flag", (struct attr){.size = 48, .flags = 1 << 20});
    set("setattr: clamps in a version without", (struct attr){.size = 48, .flags = 32});
    set("setattr: no deadline", (struct attr){.size = 48, .policy = SCHED_DEADLINE});
    set("setattr: too small", (struct attr){.size = 47});
    set("setattr: too large", (struct attr){.size = 4097});
    set("setattr: a later version with nothing", (struct attr){.size = 88});
    set("setattr: a later version with something", (struct attr){.size = 88, .more = {0, 1}});
    memset(&a, 0, sizeof a);
    show("setattr: flags", r(syscall(SYS_sched_setattr, 0, &a, 1)));
    show("setattr: none", r(syscall(SYS_sched_setattr, 0, NULL, 0)));
    show("setattr: bad pointer", r(syscall(SYS_sched_setattr, 0, BAD, 0)));
    show("setattr: negative", r(syscall(SYS_sched_setattr, -1, &a, 0)));
    show("setattr: nobody", r(syscall(SYS_sched_setattr, 0x3ffffff0, &a, 0)));
    struct sched_param p = {0};
    show("setscheduler: no deadline", r(sched_setscheduler(0, SCHED_DEADLINE, &p)));
    told("at the end");
}

/* The C library has no names for these. */
static long get(int which, int who) { return syscall(SYS_ioprio_get, which, who); }
static long put(int which, int who, int value) { return syscall(SYS_ioprio_set, which, who, value); }
#define CLASS(class, data) ((class) << 13 | (data))

static void priorities(void) {
    enum { PROCESS = 1, GROUP, USER };
    printf("unset: %#lx\n", get(PROCESS, 0));
    show("idle", r(put(PROCESS, 0, CLASS(3, 0))));
    printf("  %#lx, by number %#lx\n", get(PROCESS, 0), get(PROCESS, getpid()));
    show("idle with a level", r(put(PROCESS, getpid(), CLASS(3, 5))));
    printf("  %#lx\n", get(PROCESS, 0));
    show("best effort", r(put(PROCESS, 0, CLASS(2, 7))));
    printf("  %#lx\n", get(PROCESS, 0));
    show("none with a level", r(put(PROCESS, 0, 4)));
    show("class 4", r(put(PROCESS, 0, CLASS(4, 0))));
    show("set: which", r(put(0, 0, 0)));
    show("set: nobody", r(put(PROCESS, 0x3ffffff0, CLASS(2, 1))));
    show("get: which", r(get(9, 0)));
    show("get: nobody", r(get(PROCESS, 0x3ffffff0)));
    show("get: no group", r(get(GROUP, 0x3ffffff0)));
    printf("  %#lx\n", get(PROCESS, 0));
    show("none", r(put(PROCESS, 0, 0)));
    printf("  %#lx\n", get(PROCESS, 0));
}

static void adjusting(void) {
    struct timex t;
    memset(&t, 0, sizeof t);
    int state = adjtimex(&t);
    printf("adjtimex: %d, like clock_adjtime %d\n", state >= 0, state == clock_adjtime(CLOCK_REALTIME, &t));
    printf("  tick %ld tolerance %ld\n", t.tick, t.tolerance);
    memset(&t, 0, sizeof t);
    t.modes = ADJ_OFFSET_SS_READ;
    t.offset = 77;
    printf("what is left to adjust: %d", adjtimex(&t) >= 0);
    printf(", %ld\n", t.offset);
    struct timeval left = {7, 7};
    show("adjtime reads", r(adjtime(NULL, &left)));
    printf("  %ld.%06ld\n", (long)left.tv_sec, (long)left.tv_usec);
    t.modes = 0x8000;
    show("half of a mode", r(adjtimex(&t)));
    show("bad pointer", r(syscall(SYS_adjtimex, BAD)));
    show("clock_adjtime: bad pointer", r(syscall(SYS_clock_adjtime, CLOCK_REALTIME, BAD)));
    show("clock_adjtime: monotonic", r(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &t)));
    show("clock_adjtime: the pointer goes before the clock", r(syscall(SYS_clock_adjtime, 99, BAD)));
    show("clock_adjtime: processor time", r(syscall(SYS_clock_adjtime, CLOCK_PROCESS_CPUTIME_ID, &t)));
    show("clock_adjtime: no clock", r(syscall(SYS_clock_adjtime, 99, &t)));
}

int main(void) {
    attributes();
    priorities();
    adjusting();
    return 0;
}
