// Timers that interrupt the program: interval timers, alarm, POSIX timers. Nothing printed depends on how fast it runs.
#define _GNU_SOURCE
#include "show.h"
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

static volatile int count, last_code, last_value, last_overrun;
static void *volatile last_ptr;

static void tick(int sig, siginfo_t *info, void *context) {
    (void)sig, (void)context;
    last_code = info->si_code;
    if (info->si_code == SI_TIMER) {
        last_value = info->si_value.sival_int;
        last_ptr = info->si_value.sival_ptr;
        last_overrun = info->si_overrun;
    }
    count++;
}

static void on(int sig, int flags) {
    struct sigaction act = {.sa_sigaction = tick, .sa_flags = SA_SIGINFO | flags};
    sigemptyset(&act.sa_mask);
    sigaction(sig, &act, 0);
}

static volatile unsigned long work;
static void spin_until(int wanted) {
    while (count < wanted)
        work++;
}

static struct timeval tv(long us) { return (struct timeval){us / 1000000, us % 1000000}; }
static struct timespec ts(long us) { return (struct timespec){us / 1000000, us % 1000000 * 1000}; }
static long us_of(struct timespec t) { return t.tv_sec * 1000000 + t.tv_nsec / 1000; }

static void block(int how, int sig) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, sig);
    sigprocmask(how, &set, 0);
}

static void interval(const char *name, int which, int sig) {
    struct itimerval set = {.it_value = tv(3000)}, old, now;
    on(sig, 0);
    count = 0;
    setitimer(which, &set, 0);
    spin_until(1);
    getitimer(which, &now);
    printf("%s: once, code %d, left %ld.%06ld\n", name, last_code, (long)now.it_value.tv_sec, (long)now.it_value.tv_usec);
    count = 0;
    set = (struct itimerval){.it_interval = tv(2000), .it_value = tv(1)};
    setitimer(which, &set, 0);
    spin_until(5);
    set = (struct itimerval){.it_value = tv(70000000), .it_interval = tv(5)};
    setitimer(which, &set, &old);
    printf("%s: five, period %ld\n", name, (long)old.it_interval.tv_usec);
    getitimer(which, &now);
    printf("%s: left %d period %ld\n", name, now.it_value.tv_sec <= 70 && now.it_value.tv_sec >= 60, (long)now.it_interval.tv_usec);
    set = (struct itimerval){.it_interval = tv(5)};
    setitimer(which, &set, &old);
    printf("%s: was %d period %ld\n", name, old.it_value.tv_sec >= 60, (long)old.it_interval.tv_usec);
    getitimer(which, &now);
    printf("%s: off %ld %ld period %ld\n", name, (long)now.it_value.tv_sec, (long)now.it_value.tv_usec, (long)now.it_interval.tv_usec);
}

static void intervals(void) {
    interval("real", ITIMER_REAL, SIGALRM);
    interval("virtual", ITIMER_VIRTUAL, SIGVTALRM);
    interval("prof", ITIMER_PROF, SIGPROF);
    printf("alarm: %u", alarm(100));
    printf(" %u", alarm(50));
    struct itimerval now;
    getitimer(ITIMER_REAL, &now);
    printf(" %d", now.it_value.tv_sec >= 49 && now.it_value.tv_sec <= 50);
    struct itimerval set = {.it_value = tv(300000)};
    setitimer(ITIMER_REAL, &set, 0);
    printf(" %u", alarm(0));
    printf(" %u\n", alarm(0));
    struct itimerval bad[] = {{.it_value = {0, 1000000}}, {.it_value = {-1, 0}}, {.it_value = {0, -1}}, {.it_interval = {0, 1000000}}};
    for (int i = 0; i < 4; i++)
        show("setitimer, no time", RAW(SYS_setitimer, 0, &bad[i], 0, 0, 0, 0));
    show("setitimer 3", RAW(SYS_setitimer, 3, &set, 0, 0, 0, 0));
    show("setitimer, bad new", RAW(SYS_setitimer, 0, 16, 0, 0, 0, 0));
    show("setitimer, bad old", RAW(SYS_setitimer, 0, &set, 16, 0, 0, 0));
    show("setitimer, nothing", RAW(SYS_setitimer, 0, 0, &now, 0, 0, 0));
    show("getitimer 3", RAW(SYS_getitimer, 3, &now, 0, 0, 0, 0));
    show("getitimer, bad", RAW(SYS_getitimer, 0, 16, 0, 0, 0, 0));
    // A blocked signal waits, and the timer with it.
    block(SIG_BLOCK, SIGALRM);
    count = 0;
    set = (struct itimerval){.it_interval = tv(1000), .it_value = tv(1000)};
    setitimer(ITIMER_REAL, &set, 0);
    usleep(20000);
    sigset_t pending;
    sigpending(&pending);
    printf("blocked: %d pending %d\n", count, sigismember(&pending, SIGALRM));
    block(SIG_UNBLOCK, SIGALRM);
    printf("unblocked: %d\n", count >= 1);
    spin_until(4);
    alarm(0);
    signal(SIGALRM, SIG_IGN);
    set = (struct itimerval){.it_value = tv(1000)};
    setitimer(ITIMER_REAL, &set, 0);
    usleep(3000);
    getitimer(ITIMER_REAL, &now);
    printf("ignored: %ld %ld\n", (long)now.it_value.tv_sec, (long)now.it_value.tv_usec);
}

static timer_t make(clockid_t clock, int notify, int sig, int value) {
    struct sigevent ev = {.sigev_notify = notify, .sigev_signo = sig, .sigev_value.sival_int = value};
    if (notify == SIGEV_THREAD_ID)
        ev._sigev_un._tid = getpid();
    timer_t timer = 0;
    if (timer_create(clock, &ev, &timer))
        printf("timer_create: %s\n", error_name(errno));
    return timer;
}

static void arm(timer_t timer, long first, long period) {
    struct itimerspec set = {.it_value = ts(first), .it_interval = ts(period)};
    if (timer_settime(timer, 0, &set, 0))
        printf("timer_settime: %s\n", error_name(errno));
}

static void posix(void) {
    static const struct { const char *name; clockid_t clock; } clocks[] = {
        {"realtime", CLOCK_REALTIME}, {"monotonic", CLOCK_MONOTONIC}, {"boottime", CLOCK_BOOTTIME},
        {"tai", CLOCK_TAI}, {"process", CLOCK_PROCESS_CPUTIME_ID}, {"thread", CLOCK_THREAD_CPUTIME_ID}};
    on(SIGRTMIN, 0);
    for (unsigned i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        timer_t timer = make(clocks[i].clock, i % 2 ? SIGEV_THREAD_ID : SIGEV_SIGNAL, SIGRTMIN, 40 + i);
        struct itimerspec now, old;
        count = 0;
        arm(timer, 3000, 0);
        spin_until(1);
        timer_gettime(timer, &now);
        printf("%s: code %d value %d left %ld\n", clocks[i].name, last_code, last_value, us_of(now.it_value));
        count = 0;
        arm(timer, 1, 2000);
        spin_until(4);
        struct itimerspec far = {.it_value = {100, 0}, .it_interval = {7, 5}};
        timer_settime(timer, 0, &far, &old);
        timer_gettime(timer, &now);
        printf("%s: period %ld left %d %d\n", clocks[i].name, us_of(old.it_interval), now.it_value.tv_sec >= 90 && now.it_value.tv_sec <= 100,
               now.it_interval.tv_sec == 7 && now.it_interval.tv_nsec == 5);
        // At a time of the clock, also one that has passed.
        count = 0;
        clock_gettime(clocks[i].clock, &far.it_value);
        far.it_interval = ts(0);
        far.it_value.tv_nsec += 2000000;
        if (far.it_value.tv_nsec >= 1000000000)
            far.it_value.tv_sec++, far.it_value.tv_nsec -= 1000000000;
        timer_settime(timer, TIMER_ABSTIME, &far, 0);
        spin_until(1);
        clock_gettime(clocks[i].clock, &now.it_value);
        printf("%s: absolute %d\n", clocks[i].name, us_of(now.it_value) >= us_of(far.it_value));
        far.it_value = (struct timespec){0, 1};
        timer_settime(timer, TIMER_ABSTIME, &far, 0);
        spin_until(2);
        far.it_value = (struct timespec){0, 0};
        timer_settime(timer, 0, &far, 0);
        show("delete", timer_delete(timer));
    }
    clockid_t own;
    clock_getcpuclockid(0, &own);
    timer_t timer = make(own, SIGEV_SIGNAL, SIGRTMIN, 1);
    count = 0;
    arm(timer, 1000, 0);
    spin_until(1);
    timer_delete(timer);
    puts("own process clock");

    // Expiries without a signal are counted.
    block(SIG_BLOCK, SIGRTMIN);
    timer = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 5);
    count = 0;
    arm(timer, 1000, 1000);
    usleep(30000);
    struct itimerspec now;
    timer_gettime(timer, &now);
    printf("overrun: blocked, left in the period %d\n", us_of(now.it_value) <= 1000);
    siginfo_t info;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    printf("overrun: took %d", sigwaitinfo(&set, &info) == SIGRTMIN);
    printf(" many %d same %d code %d value %d\n", info.si_overrun >= 20, timer_getoverrun(timer) == info.si_overrun, info.si_code, info.si_value.sival_int);
    arm(timer, 0, 0);
    struct timespec no = {0, 0};
    sigtimedwait(&set, 0, &no);
    // A very short period keeps nobody busy.
    struct itimerspec shortest = {.it_value = {0, 1}, .it_interval = {0, 1}};
    timer_settime(timer, 0, &shortest, 0);
    usleep(2000);
    sigwaitinfo(&set, &info);
    printf("overrun: shortest %d\n", info.si_overrun > 1000);
    timer_delete(timer);
    while (sigtimedwait(&set, 0, &no) > 0)
        ;
    // Many timers: in the order in which they expire, whatever the order of arming. Again with more time if others had the CPU for
    // so long that the first expired before the last was armed.
    enum { MANY = 60 };
    timer_t many[MANY];
    struct itimerspec at = {};
    for (int i = 0; i < MANY; i++)
        many[i] = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, i);
    for (long ahead = 100000, base = 0;; ahead *= 2) {
        clock_gettime(CLOCK_MONOTONIC, &at.it_value);
        base = us_of(at.it_value) + ahead;
        for (int i = 0; i < MANY; i++) {
            int place = i * 17 % MANY;
            at.it_value = ts(base + place * 100);
            timer_settime(many[place], TIMER_ABSTIME, &at, 0);
        }
        clock_gettime(CLOCK_MONOTONIC, &at.it_value);
        if (us_of(at.it_value) < base)
            break;
        for (int i = 0; i < MANY; i++)
            arm(many[i], 0, 0);
        while (sigtimedwait(&set, 0, &no) > 0)
            ;
    }
    for (int i = 50; i < MANY; i++)
        timer_delete(many[i]);
    int ordered = 0;
    for (int i = 0; i < 50; i++)
        ordered += sigwaitinfo(&set, &info) == SIGRTMIN && info.si_value.sival_int == i;
    printf("many: %d of 50 in order, more %s\n", ordered, sigtimedwait(&set, 0, &(struct timespec){0, 20000000}) < 0 ? error_name(errno) : "came");
    for (int i = 0; i < 50; i++)
        timer_delete(many[i]);
    block(SIG_UNBLOCK, SIGRTMIN);

    // Two timers with one standard signal: both arrive.
    block(SIG_BLOCK, SIGUSR1);
    on(SIGUSR1, 0);
    timer_t one = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 1), two = make(CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, 2);
    arm(one, 1000, 0);
    arm(two, 2000, 0);
    usleep(10000);
    count = 0;
    block(SIG_UNBLOCK, SIGUSR1);
    printf("two timers: %d signals, last value %d\n", count, last_value);
    timer_delete(two);
    // Ignored for a while, it goes on.
    signal(SIGUSR1, SIG_IGN);
    arm(one, 1000, 1000);
    usleep(10000);
    count = 0;
    on(SIGUSR1, 0);
    spin_until(2);
    timer_delete(one);
    puts("ignored, then not");
    // One that says nothing.
    timer = make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
    arm(timer, 1000, 0);
    usleep(3000);
    timer_gettime(timer, &now);
    printf("silent: left %ld\n", us_of(now.it_value));
    arm(timer, 1000, 5000000);
    usleep(3000);
    timer_gettime(timer, &now);
    printf("silent: left %d overrun %d\n", now.it_value.tv_sec == 4, timer_getoverrun(timer));
    timer_delete(timer);
    // Without an event: SIGALRM with the timer's number.
    int id = -1;
    on(SIGALRM, 0);
    show("create, no event", RAW(SYS_timer_create, CLOCK_MONOTONIC, 0, &id, 0, 0, 0));
    struct itimerspec soon = {.it_value = ts(1000)};
    count = 0;
    RAW(SYS_timer_settime, id, 0, &soon, 0, 0, 0);
    spin_until(1);
    printf("no event: code %d number %d\n", last_code, (int)(intptr_t)last_ptr == id);
    RAW(SYS_timer_delete, id, 0, 0, 0, 0, 0);
    show("delete again", RAW(SYS_timer_delete, id, 0, 0, 0, 0, 0));
}

static void errors(void) {
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    struct itimerspec set = {}, bad = {.it_value = {0, 1000000000}}, bad2 = {.it_value = {-1, 0}}, bad3 = {.it_interval = {0, -1}};
    int id;
    show("create, bad clock", RAW(SYS_timer_create, 77, &ev, &id, 0, 0, 0));
    show("create, raw clock", RAW(SYS_timer_create, CLOCK_MONOTONIC_RAW, &ev, &id, 0, 0, 0));
    show("create, coarse clock", RAW(SYS_timer_create, CLOCK_REALTIME_COARSE, &ev, &id, 0, 0, 0));
    show("create, bad event", RAW(SYS_timer_create, CLOCK_REALTIME, 16, &id, 0, 0, 0));
    show("create, bad id", RAW(SYS_timer_create, CLOCK_REALTIME, &ev, 16, 0, 0, 0));
    ev.sigev_signo = 65;
    show("create, signal 65", RAW(SYS_timer_create, CLOCK_REALTIME, &ev, &id, 0, 0, 0));
    ev.sigev_signo = 0;
    show("create, signal 0", RAW(SYS_timer_create, CLOCK_REALTIME, &ev, &id, 0, 0, 0));
    ev.sigev_signo = SIGUSR1;
    ev.sigev_notify = 3;
    show("create, notify 3", RAW(SYS_timer_create, CLOCK_REALTIME, &ev, &id, 0, 0, 0));
    ev.sigev_notify = SIGEV_THREAD_ID;
    ev._sigev_un._tid = 1 << 21;
    show("create, other thread", RAW(SYS_timer_create, CLOCK_REALTIME, &ev, &id, 0, 0, 0));
    ev.sigev_notify = SIGEV_NONE;
    show("create", RAW(SYS_timer_create, CLOCK_REALTIME, &ev, &id, 0, 0, 0) < 0);
    show("settime, bad new", RAW(SYS_timer_settime, id, 0, 16, 0, 0, 0));
    show("settime, no new", RAW(SYS_timer_settime, id, 0, 0, 0, 0, 0));
    show("settime, no time", RAW(SYS_timer_settime, id, 0, &bad, 0, 0, 0));
    show("settime, negative", RAW(SYS_timer_settime, id, 0, &bad2, 0, 0, 0));
    show("settime, bad period", RAW(SYS_timer_settime, id, 0, &bad3, 0, 0, 0));
    show("settime, bad old", RAW(SYS_timer_settime, id, 0, &set, 16, 0, 0));
    show("settime, unknown", RAW(SYS_timer_settime, 99999, 0, &set, 0, 0, 0));
    show("settime, negative id", RAW(SYS_timer_settime, -1, 0, &set, 0, 0, 0));
    show("gettime, bad", RAW(SYS_timer_gettime, id, 16, 0, 0, 0, 0));
    show("gettime, unknown", RAW(SYS_timer_gettime, 99999, &set, 0, 0, 0, 0));
    show("getoverrun", RAW(SYS_timer_getoverrun, id, 0, 0, 0, 0, 0));
    show("getoverrun, unknown", RAW(SYS_timer_getoverrun, 99999, 0, 0, 0, 0, 0));
    show("delete", RAW(SYS_timer_delete, id, 0, 0, 0, 0, 0));
    show("delete, unknown", RAW(SYS_timer_delete, -5, 0, 0, 0, 0, 0));
    struct timespec t;
    show("own thread's clock", clock_gettime((~getpid() << 3) | 6, &t));
    show("own process's time", clock_gettime((~getpid() << 3) | 2, &t));
    show("other process's clock", RAW(SYS_clock_gettime, (int)(~(1u << 21) << 3) | 2, &t, 0, 0, 0, 0));
}

// Processor time: advances while the program runs and not while it sleeps; its parts add up.
static void processor(void) {
    struct timespec a, b, c;
    struct rusage usage;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    usleep(50000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    printf("asleep: %d\n", us_of(b) - us_of(a) < 40000);
    clock_t start = clock();
    while (clock() - start < 30000)
        work++;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &c);
    getrusage(RUSAGE_SELF, &usage);
    long used = usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
    printf("busy: %d rusage %d user %d\n", us_of(c) - us_of(b) >= 29000, used >= us_of(c) - 15000, usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec > 0);
    struct tms tms;
    times(&tms);
    printf("times: %d children %ld\n", tms.tms_utime + tms.tms_stime >= 3, (long)(tms.tms_cutime + tms.tms_cstime));
}

// A limit of one second of processor time.
// Linux counts ticks for the limit, so on a busy host it comes early.
static void limit(void) {
    struct rlimit limit = {1, 2};
    on(SIGXCPU, 0);
    count = 0;
    setrlimit(RLIMIT_CPU, &limit);
    spin_until(1);
    printf("limit: SIGXCPU, code %d, at %d\n", last_code, clock() >= 200000);
    fflush(stdout);
    for (;;)
        work++;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "limit"))
        limit();
    intervals();
    posix();
    errors();
    processor();
}
