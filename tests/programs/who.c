// Identity, scheduling and properties of the process: what can be set is told, and what may not be set is refused. As root.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/times.h>
#include <sys/time.h>
#include <time.h>

#define CALL(nr, ...) show(#nr, CALL_(SYS_##nr, __VA_ARGS__, 0, 0, 0, 0, 0, 0))
#define CALL_(nr, a, b, c, d, e, f, ...) RAW(nr, a, b, c, d, e, f)

// As in linux/capability.h.
struct cap_header { unsigned version; int pid; };
struct cap_data { unsigned effective, permitted, inheritable; };

static char *bad = (char *)8;

static void users(void) {
    unsigned r, e, s;
    RAW(SYS_getresuid, &r, &e, &s, 0, 0, 0);
    printf("uids %u %u %u\n", r, e, s);
    RAW(SYS_getresgid, &r, &e, &s, 0, 0, 0);
    printf("gids %u %u %u\n", r, e, s);
}

static void scheduling(void) {
    struct sched_param p = {0};
    struct timespec ts;
    CALL(sched_getscheduler, 0);
    CALL(sched_getscheduler, -1);
    CALL(sched_getscheduler, 4194000);
    CALL(sched_getparam, 0, &p);
    CALL(sched_getparam, 0, 0);
    CALL(sched_getparam, 0, bad);
    printf("priority %d\n", p.sched_priority);
    for (int policy = -1; policy < 7; policy++) {
        CALL(sched_get_priority_max, policy);
        CALL(sched_get_priority_min, policy);
    }
    p.sched_priority = 5;
    CALL(sched_setscheduler, 0, SCHED_OTHER, &p);
    CALL(sched_setscheduler, 0, 77, &p);
    CALL(sched_setscheduler, 0, SCHED_OTHER, 0);
    CALL(sched_setscheduler, 0, SCHED_OTHER, bad);
    CALL(sched_setparam, 0, &p);
    p.sched_priority = 0;
    CALL(sched_setscheduler, 0, SCHED_BATCH, &p);
    CALL(sched_getscheduler, 0);
    CALL(sched_setscheduler, 0, SCHED_OTHER, &p);
    CALL(sched_rr_get_interval, -1, &ts);
    CALL(sched_rr_get_interval, 0, bad);
    cpu_set_t set;
    CPU_ZERO(&set);
    CALL(sched_setaffinity, 0, sizeof set, &set);
    CPU_SET(0, &set);
    CALL(sched_setaffinity, 0, sizeof set, &set);
    CALL(sched_setaffinity, 0, sizeof set, bad);
    // Whatever it was started with.
    CALL(setpriority, PRIO_PROCESS, 0, 3);
    CALL(getpriority, PRIO_PROCESS, 0);
    CALL(getpriority, 9, 0);
    CALL(getpriority, PRIO_PROCESS, 4194000);
    CALL(setpriority, PRIO_PROCESS, 0, 5);
    CALL(getpriority, PRIO_PROCESS, 0);
    CALL(setpriority, PRIO_PROCESS, 0, 100);
    CALL(getpriority, PRIO_PROCESS, 0);
    CALL(setpriority, 9, 0, 0);
}

static void properties(void) {
    int v = 7;
    char name[65];
    CALL(prctl, PR_GET_DUMPABLE);
    CALL(prctl, PR_SET_DUMPABLE, 0);
    CALL(prctl, PR_GET_DUMPABLE);
    CALL(prctl, PR_SET_DUMPABLE, 9);
    CALL(prctl, PR_SET_DUMPABLE, 1);
    CALL(prctl, PR_SET_PDEATHSIG, 15);
    CALL(prctl, PR_GET_PDEATHSIG, &v);
    printf("signal %d\n", v);
    CALL(prctl, PR_GET_PDEATHSIG, bad);
    CALL(prctl, PR_SET_PDEATHSIG, 65);
    CALL(prctl, PR_SET_PDEATHSIG, 0);
    CALL(prctl, PR_GET_KEEPCAPS);
    CALL(prctl, PR_SET_KEEPCAPS, 2);
    CALL(prctl, PR_GET_NO_NEW_PRIVS);
    CALL(prctl, PR_SET_NO_NEW_PRIVS, 0);
    CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 1);
    CALL(prctl, PR_CAPBSET_READ, 99);
    CALL(prctl, PR_CAPBSET_READ, 0);
    CALL(prctl, PR_SET_TIMERSLACK, 1234);
    CALL(prctl, PR_GET_TIMERSLACK);
    CALL(prctl, 12345);
    long before = RAW(SYS_personality, 0xffffffff, 0, 0, 0, 0, 0);
    CALL(personality, before | ADDR_NO_RANDOMIZE);
    printf("persona kept %d\n", RAW(SYS_personality, 0xffffffff, 0, 0, 0, 0, 0) == (before | ADDR_NO_RANDOMIZE));
    CALL(sethostname, "x", -1);
    CALL(sethostname, name, 65);
    CALL(sethostname, bad, 3);
    CALL(setdomainname, name, 65);
    CALL(membarrier, 0, 1);
    CALL(membarrier, 0x4000, 0);
}

static void descriptors(void) {
    for (int i = 0; i < 5; i++)
        dup2(1, 10 + i);
    CALL(close_range, 12, 11, 0);
    CALL(close_range, 10, 11, 0x100);
    CALL(close_range, 10, 11, 0);
    for (int i = 0; i < 5; i++)
        printf("%d %d\n", i, fcntl(10 + i, F_GETFD));
    CALL(close_range, 13, ~0u, 4);
    for (int i = 0; i < 5; i++)
        printf("%d %d\n", i, fcntl(10 + i, F_GETFD));
    CALL(close_range, 3, ~0u, 0);
    printf("%d\n", fcntl(14, F_GETFD));
}

static void used(void) {
    struct tms t;
    struct rusage u;
    struct timespec ts = {5, 1000000000};
    struct timeval tv = {5, 1000000};
    printf("ticks %d\n", times(&t) > 0);
    printf("times %d %d\n", t.tms_utime >= 0, (int)(t.tms_cutime + t.tms_cstime));
    CALL(times, bad);
    CALL(getrusage, RUSAGE_SELF, &u);
    printf("resident %d\n", u.ru_maxrss > 0);
    CALL(getrusage, RUSAGE_CHILDREN, &u);
    printf("children %ld\n", (long)u.ru_utime.tv_sec);
    CALL(getrusage, RUSAGE_THREAD, &u);
    CALL(getrusage, 7, &u);
    CALL(getrusage, RUSAGE_SELF, bad);
    CALL(clock_settime, CLOCK_MONOTONIC, &ts);
    CALL(clock_settime, 77, &ts);
    CALL(clock_settime, CLOCK_REALTIME, &ts);
    CALL(clock_settime, CLOCK_REALTIME, bad);
    CALL(settimeofday, &tv, 0);
    CALL(settimeofday, bad, 0);
}

static void advice(char *self) {
    int fd = open(self, O_RDONLY);
    for (int a = -1; a < 7; a++)
        CALL(fadvise64, fd, 0, 0, a);
    CALL(fadvise64, fd, 0, -1, 0);
    CALL(fadvise64, 99, 0, 0, 0);
    CALL(readahead, fd, 0, 4096);
    CALL(readahead, 99, 0, 4096);
    int dir = open("/", O_RDONLY);
    CALL(readahead, dir, 0, 4096);
    CALL(adjtimex, bad);
    long timex[26] = {0};
    printf("tick %d\n", RAW(SYS_adjtimex, timex, 0, 0, 0, 0, 0) >= 0 && timex[11] > 0);
}

static void capabilities(void) {
    struct cap_header h = {0, 0};
    struct cap_data d[2];
    CALL(capget, &h, 0);
    printf("version %x\n", h.version);
    CALL(capget, &h, d);
    printf("permitted %d, effective within %d\n", d[0].permitted != 0, !(d[0].effective & ~d[0].permitted));
    CALL(capset, &h, d);
    h.version = 1;
    CALL(capget, &h, d);
    printf("version %x\n", h.version);
    h.pid = -1;
    CALL(capget, &h, d);
    h.pid = 4194000;
    CALL(capget, &h, d);
    CALL(capset, &h, d);
    h.pid = 0;
    d[1].permitted = ~0u;
    CALL(capset, &h, d);
    CALL(capget, bad, d);
    CALL(capget, &h, bad);
}

static void ids(void) {
    gid_t groups[4] = {7, 5, 6, 5};
    CALL(setgroups, 4, groups);
    CALL(getgroups, 0, 0);
    CALL(getgroups, 3, groups);
    CALL(getgroups, -1, groups);
    CALL(getgroups, 4, groups);
    printf("groups %u %u %u %u\n", groups[0], groups[1], groups[2], groups[3]);
    CALL(getgroups, 4, bad);
    CALL(setgroups, 4, bad);
    CALL(setgroups, 65537, groups);
    CALL(setuid, -1);
    CALL(setgid, -1);
    CALL(getresuid, bad, bad, bad);
    CALL(setresgid, 10, 11, 12);
    users();
    CALL(setregid, -1, 10);
    users();
    CALL(setfsgid, 99);
    CALL(setfsgid, -1);
    CALL(setresuid, -1, 1000, -1);
    users();
    CALL(setgid, 77);
    CALL(setgid, 10);
    CALL(setgroups, 0, 0);
    CALL(sethostname, "abc", 3);
    CALL(setpriority, PRIO_PROCESS, 0, -20);
    struct timespec ts = {1700000000, 0};
    CALL(clock_settime, CLOCK_REALTIME, &ts);
    CALL(setresuid, -1, 0, -1);
    CALL(setreuid, 3, 4);
    users();
    CALL(setreuid, 4, 3);
    users();
    CALL(setuid, 0);
    CALL(setuid, 3);
    CALL(setfsuid, 1234);
    CALL(setfsuid, -1);
    CALL(setresuid, 5, -1, -1);
    struct cap_header h = {0x20080522, 0};
    struct cap_data d[2];
    CALL(capget, &h, d);
    printf("left %x %x\n", d[0].effective, d[0].permitted);
}

int main(int argc, char **argv) {
    (void)argc;
    users();
    scheduling();
    properties();
    descriptors();
    used();
    advice(argv[0]);
    capabilities();
    ids();
    return 0;
}
