/* What threads have for themselves: names, CPUs, policies, nice values, processor time, and what /proc says of them. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef _Atomic int atomic_int;

static int tid(void) { return (int)syscall(SYS_gettid); }
static void check(const char *what, int ok) { printf("%s: %s\n", what, ok ? "ok" : "WRONG"); }

static void show(const char *what, long result)
{
    if (result < 0)
        printf("%s: %s\n", what, strerror(errno));
    else
        printf("%s: %ld\n", what, result);
}

static atomic_int other, go, done;


static void await(int to)
{
    done = to - 1;
    while (go != to)
        usleep(500);
}

static void text(char *buffer, size_t size, const char *format, int thread)
{
    char path[100];
    snprintf(path, sizeof path, format, thread);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, size - 1);
    buffer[n < 0 ? 0 : n] = 0;
    if (fd >= 0)
        close(fd);
}

static void line(const char *status, const char *name)
{
    const char *at = strstr(status, name);
    if (at)
        printf("%.*s\n", (int)strcspn(at, "\n"), at);
}

/* The other thread: does one thing at each step. */
static void *body(void *arg)
{
    char name[16];
    other = tid();
    await(1);
    prctl(PR_GET_NAME, name);
    printf("inherited name: %s\n", name);
    prctl(PR_SET_NAME, "second");
    printf("inherited nice value: %d, policy: %d\n", getpriority(PRIO_PROCESS, 0), sched_getscheduler(0));
    await(2);
    prctl(PR_GET_NAME, name);
    printf("name given by the first: %s\n", name);
    await(3);
    volatile long n = 0;
    struct timespec now, from;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    do {
        for (int i = 0; i < 10000; i++)
            n++;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    } while ((now.tv_sec - from.tv_sec) * 1000000000L + now.tv_nsec - from.tv_nsec < 30000000);
    await(4);
    done = 4;
    return arg;
}

static double clock_of(clockid_t clock)
{
    struct timespec now = { 0, 0 };
    if (clock_gettime(clock, &now) != 0)
        return -1;
    return now.tv_sec + now.tv_nsec / 1e9;
}

static void cpus(void)
{
    cpu_set_t all, one, now;
    unsigned cpu, node;
    sched_getaffinity(0, sizeof all, &all);
    check("more than none", CPU_COUNT(&all) > 0);
    int last = 0;
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &all))
            last = i;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    show("one CPU for the other", sched_setaffinity(other, sizeof one, &one));
    sched_getaffinity(other, sizeof now, &now);
    check("the other has it", CPU_EQUAL(&now, &one));
    sched_getaffinity(0, sizeof now, &now);
    check("the first has all", CPU_EQUAL(&now, &all));
    show("one CPU for itself", sched_setaffinity(0, sizeof one, &one));
    syscall(SYS_getcpu, &cpu, &node, NULL);
    check("runs there", (int)cpu == last && sched_getcpu() == last);
    show("all", sched_setaffinity(0, sizeof all, &all));
    show("all for the other", sched_setaffinity(other, sizeof all, &all));
    CPU_ZERO(&one);
    show("none", sched_setaffinity(0, sizeof one, &one));
    show("nobody's", sched_setaffinity(99999, sizeof all, &all));
    show("nobody's", sched_getaffinity(99999, sizeof all, &all));
    for (int i = 0; i < 300; i++) {
        CPU_ZERO(&one);
        CPU_SET(i % 2 ? last : 0, &all);
        sched_setaffinity(0, sizeof all, &all);
        CPU_SET(last, &one);
        sched_setaffinity(0, sizeof one, &one);
        if (sched_getcpu() != last)
            printf("not there\n");
    }
    sched_setaffinity(0, sizeof all, &all);
}

static void policies(void)
{
    struct sched_param param = { 0 };
    show("batch for the other", sched_setscheduler(other, SCHED_BATCH, &param));
    printf("policies: %d %d\n", sched_getscheduler(0), sched_getscheduler(other));
    show("ordinary", sched_setscheduler(other, SCHED_OTHER, &param));
    param.sched_priority = 5;
    int result = sched_setscheduler(other, SCHED_RR, &param);
    if (result != 0 && errno == EPERM)
        return;
    sched_getparam(other, &param);
    printf("priority: %d, policy: %d\n", param.sched_priority, sched_getscheduler(other));
    param.sched_priority = 0;
    show("ordinary again", sched_setscheduler(other, SCHED_OTHER, &param));
}

static void nice_values(void)
{
    show("nice value of the other", setpriority(PRIO_PROCESS, other, 5));
    errno = 0;
    printf("nice values: %d %d\n", getpriority(PRIO_PROCESS, 0), getpriority(PRIO_PROCESS, other));
    show("nobody's", getpriority(PRIO_PROCESS, 99999));
    show("of no kind", getpriority(7, 0));
    char stat[600];
    text(stat, sizeof stat, "/proc/self/task/%d/stat", other);
    long priority = 0, nice = 0, threads = 0;
    char *after = strrchr(stat, ')');
    if (after)
        sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %ld %ld %ld", &priority, &nice, &threads);
    printf("stat: priority %ld, nice %ld, threads %ld\n", priority, nice, threads);
}

static void proc(void)
{
    char buffer[4000], path[100];
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    int count = 0, known = 0;
    while ((entry = readdir(tasks)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        known += atoi(entry->d_name) == other || atoi(entry->d_name) == getpid();
    }
    closedir(tasks);
    printf("tasks: %d, known: %d\n", count, known);
    text(buffer, sizeof buffer, "/proc/self/task/%d/comm", other);
    printf("comm: %s", buffer);
    text(buffer, sizeof buffer, "/proc/self/comm", 0);
    printf("comm of the process: %s", buffer);
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", other);
    int fd = open(path, O_WRONLY);
    show("write", write(fd, "renamed", 7));
    close(fd);
    text(buffer, sizeof buffer, "/proc/self/task/%d/status", other);
    line(buffer, "Name:");
    line(buffer, "Threads:");
    ssize_t n = readlink("/proc/thread-self", buffer, sizeof buffer - 1);
    buffer[n < 0 ? 0 : n] = 0;
    snprintf(path, sizeof path, "%d/task/%d", getpid(), tid());
    check("thread-self", !strcmp(buffer, path));
    snprintf(path, sizeof path, "/proc/self/task/%d", 99999);
    show("of nobody", access(path, F_OK));
}

/* Timers on the clocks of threads: that of one who computes goes on, those of who sleep do not. */
static volatile int computing;

static void *compute(void *arg)
{
    (void)arg;
    while (computing)
        ;
    return NULL;
}

static timer_t timer_on(clockid_t clock, int value, long ms)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2, .sigev_value.sival_int = value };
    struct itimerspec at = { .it_value = { 0, ms * 1000000 } };
    timer_t timer;
    if (timer_create(clock, &event, &timer) < 0 || timer_settime(timer, 0, &at, NULL) < 0)
        printf("no timer: %s\n", strerror(errno));
    return timer;
}

/* The signal of these timers; all threads block it. */
static sigset_t set;

static void timers_of_threads(void)
{
    siginfo_t info;
    clockid_t clock;
    pthread_t thread;
    computing = 1;
    pthread_create(&thread, NULL, compute, NULL);
    pthread_getcpuclockid(thread, &clock);
    double before = clock_of(clock);
    timer_t own = timer_on(CLOCK_THREAD_CPUTIME_ID, 1, 500);
    timer_t other = timer_on(clock, 2, 30);
    int signal = sigwaitinfo(&set, &info);
    check("the other's timer", signal == SIGUSR2 && info.si_code == SI_TIMER && info.si_value.sival_int == 2);
    check("after its time", clock_of(clock) - before >= 0.03);
    struct itimerspec left;
    timer_gettime(other, &left);
    check("it is over", left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0);
    // The process has had the time of the own timer, this thread has not.
    while (clock_of(clock) - before < 0.6)
        usleep(10000);
    struct timespec now = { 0 };
    check("the own one waits", sigtimedwait(&set, &info, &now) < 0 && errno == EAGAIN);
    timer_gettime(own, &left);
    check("nearly all of it", left.it_value.tv_nsec > 300000000 && left.it_value.tv_nsec <= 500000000);
    struct itimerspec soon = { .it_value = { 0, 20000000 }, .it_interval = { 0, 20000000 } };
    timer_settime(own, 0, &soon, NULL);
    for (int i = 0; i < 3; i++) {
        struct timespec none = { 0 };
        while (sigtimedwait(&set, &info, &none) != SIGUSR2)
            ;
    }
    check("the own one comes again and again", info.si_value.sival_int == 1);
    timer_delete(own);
    computing = 0;
    pthread_join(thread, NULL);
    timer_delete(other);
}

int main(void)
{
    pthread_t thread;
    clockid_t clock;
    setvbuf(stdout, NULL, _IOLBF, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    prctl(PR_SET_NAME, "first");
    show("nice value", setpriority(PRIO_PROCESS, 0, 3));
    pthread_create(&thread, NULL, body, NULL);
    while (!other)
        usleep(500);
    go = 1;
    while (done != 1)
        usleep(500);
    proc();
    go = 2;
    while (done != 2)
        usleep(500);
    cpus();
    policies();
    nice_values();
    printf("clock of a thread: %d\n", pthread_getcpuclockid(thread, &clock));
    double own = clock_of(CLOCK_THREAD_CPUTIME_ID), theirs = clock_of(clock);
    go = 3;
    while (done != 3)
        usleep(500);
    double own_after = clock_of(CLOCK_THREAD_CPUTIME_ID), theirs_after = clock_of(clock);
    check("the other's time", theirs_after - theirs >= 0.03);
    check("not the caller's", own_after >= own && own_after - own < theirs_after - theirs);
    check("together at most the process's", own_after + theirs_after <= clock_of(CLOCK_PROCESS_CPUTIME_ID) + 0.001);
    struct rusage of_thread, of_process;
    getrusage(RUSAGE_THREAD, &of_thread);
    getrusage(RUSAGE_SELF, &of_process);
    check("usage", of_thread.ru_utime.tv_sec * 1000000L + of_thread.ru_utime.tv_usec
                       <= of_process.ru_utime.tv_sec * 1000000L + of_process.ru_utime.tv_usec + 20000);
    timers_of_threads();
    go = 4;
    pthread_join(thread, NULL);
    // Who joins is told before the number is free.
    while (syscall(SYS_tgkill, getpid(), ~(clock >> 3), 0) == 0)
        usleep(500);
    check("a clock whose thread has ended", clock_gettime(clock, &(struct timespec){ 0 }) < 0 && errno == EINVAL);
    return 0;
}
