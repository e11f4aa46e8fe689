/* Signals and threads: who takes a signal, what a signal ends, masks, timers, and how threads and the process end.
 * The argument chooses an end of the process; without one everything that does not end it is tried. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

typedef _Atomic int atomic_int;
typedef _Atomic long atomic_long;

static void check(const char *what, int ok) { printf("%s: %s\n", what, ok ? "ok" : "WRONG"); }
static int tid(void) { return (int)syscall(SYS_gettid); }
static int tgkill_(int to, int signal) { return (int)syscall(SYS_tgkill, getpid(), to, signal); }

static atomic_int taken_by, taken, ready, done;
static _Thread_local int own_count;

static void handler(int signal)
{
    (void)signal;
    taken_by = tid();
    taken++;
    own_count++;
}

static void handle(int signal, int flags)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
    sigaction(signal, &action, NULL);
}

static void block(int signal, int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(how, &set, NULL);
}

static void wait_for(atomic_int *what, int value)
{
    while (*what < value)
        usleep(500);
}

/* A thread that computes takes a signal that is sent to it. */
static void *compute(void *arg)
{
    volatile long *stop = arg;
    ready = tid();
    long n = 0;
    while (!*stop)
        n++;
    return (void *)(long)own_count;
}

static void to_a_computing_thread(void)
{
    static volatile long stop;
    pthread_t thread;
    void *count;
    ready = taken = 0;
    handle(SIGUSR1, 0);
    pthread_create(&thread, NULL, compute, (void *)&stop);
    wait_for(&ready, 1);
    for (int i = 1; i <= 50; i++) {
        tgkill_(ready, SIGUSR1);
        wait_for(&taken, i);
    }
    check("taken by the one it was sent to", taken_by == ready);
    stop = 1;
    pthread_join(thread, &count);
    printf("taken %ld times\n", (long)count);
}

/* A signal of the process goes to a thread that does not block it. */
static void to_who_does_not_block(void)
{
    static volatile long stop;
    pthread_t thread;
    ready = taken = 0;
    handle(SIGUSR2, 0);
    pthread_create(&thread, NULL, compute, (void *)&stop);
    wait_for(&ready, 1);
    block(SIGUSR2, SIG_BLOCK);
    for (int i = 1; i <= 50; i++) {
        kill(getpid(), SIGUSR2);
        wait_for(&taken, i);
    }
    check("taken by the one that does not block it", taken_by == ready);
    stop = 1;
    pthread_join(thread, NULL);
    kill(getpid(), SIGUSR2);
    sigset_t set;
    sigpending(&set);
    printf("blocked by all: pending %d, taken %d\n", sigismember(&set, SIGUSR2), taken);
    block(SIGUSR2, SIG_UNBLOCK);
    check("taken when unblocked", taken == 51 && taken_by == getpid());
}

/* Each thread takes its own, also many at once. */
static void *take_own(void *arg)
{
    (void)arg;
    own_count = 0;
    ready++;
    while (own_count < 100)
        usleep(200);
    done++;
    return NULL;
}

static void many_to_many(void)
{
    pthread_t threads[6];
    ready = done = 0;
    handle(SIGUSR1, SA_RESTART);
    for (int i = 0; i < 6; i++)
        pthread_create(&threads[i], NULL, take_own, NULL);
    wait_for(&ready, 6);
    while (done < 6) {
        for (int i = 0; i < 6; i++)
            pthread_kill(threads[i], SIGUSR1);
        usleep(100);
    }
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    check("every thread got its own", done == 6);
}

/* What a signal ends. */
struct blocked { int kind, fd; pthread_mutex_t *lock; };

static void *block_in(void *arg)
{
    struct blocked *in = arg;
    char byte;
    struct epoll_event event;
    struct timespec second = { 100, 0 };
    ready = tid();
    long result = 0;
    errno = 0;
    switch (in->kind) {
    case 0: result = read(in->fd, &byte, 1); break;
    case 1: result = nanosleep(&second, NULL); break;
    case 2: result = epoll_wait(in->fd, &event, 1, -1); break;
    case 3: result = pause(); break;
    case 4: {
        static int word;
        result = syscall(SYS_futex, &word, 0, 0, NULL, NULL, 0);
        break;
    }
    }
    return (void *)(result < 0 ? (long)errno : result);
}

static void interrupts(int flags, const char *what, int kind, int feed)
{
    int fds[2];
    struct blocked in = { kind, -1, NULL };
    pthread_t thread;
    void *result;
    pipe(fds);
    in.fd = kind == 2 ? epoll_create1(0) : fds[0];
    handle(SIGUSR1, flags);
    ready = taken = 0;
    pthread_create(&thread, NULL, block_in, &in);
    wait_for(&ready, 1);
    usleep(5000);
    tgkill_(ready, SIGUSR1);
    wait_for(&taken, 1);
    if (feed) {
        usleep(2000);
        write(fds[1], "x", 1);
    } else {
        /* It may not have begun to wait when the first came. */
        while (pthread_tryjoin_np(thread, &result) != 0) {
            tgkill_(ready, SIGUSR1);
            usleep(1000);
        }
    }
    if (feed)
        pthread_join(thread, &result);
    printf("%s: %s\n", what, (long)result > 1 ? strerror((int)(long)result) : "went on");
    close(fds[0]);
    close(fds[1]);
    if (kind == 2)
        close(in.fd);
}

/* sigwait in one of several threads. */
static void *wait_for_signals(void *arg)
{
    sigset_t *set = arg;
    long sum = 0;
    for (int i = 0; i < 200; i++) {
        siginfo_t info;
        int signal;
        /* EINTR: another one was faster. */
        while ((signal = sigwaitinfo(set, &info)) < 0 && errno == EINTR)
            ;
        if (signal != SIGRTMIN)
            return (void *)-1;
        sum += info.si_value.sival_int;
    }
    return (void *)sum;
}

static void waiting(void)
{
    sigset_t set;
    pthread_t threads[2];
    void *results[2];
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, wait_for_signals, &set);
    for (int i = 1; i <= 400; i++)
        while (sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i }) != 0)
            usleep(100);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], &results[i]);
    printf("waited for, all together: %ld\n", (long)results[0] + (long)results[1]);
    int fd = signalfd(-1, &set, SFD_NONBLOCK);
    struct signalfd_siginfo info;
    printf("none left: %s\n", read(fd, &info, sizeof info) < 0 ? strerror(errno) : "one more");
    close(fd);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* A timer for one thread, and one for the process while all threads compute. */
static void timers(void)
{
    static volatile long stop;
    pthread_t thread;
    timer_t timer;
    struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
    struct itimerspec spec = { { 0, 1000000 }, { 0, 1000000 } };
    handle(SIGUSR1, SA_RESTART);
    ready = taken = 0;
    pthread_create(&thread, NULL, compute, (void *)&stop);
    wait_for(&ready, 1);
    event._sigev_un._tid = ready;
    printf("timer_create: %d\n", timer_create(CLOCK_MONOTONIC, &event, &timer));
    timer_settime(timer, 0, &spec, NULL);
    wait_for(&taken, 10);
    check("the timer's signal goes to its thread", taken_by == ready);
    timer_delete(timer);
    handle(SIGALRM, SA_RESTART);
    taken = 0;
    struct itimerval interval = { { 0, 1000 }, { 0, 1000 } };
    setitimer(ITIMER_REAL, &interval, NULL);
    while (taken < 10)
        ;
    memset(&interval, 0, sizeof interval);
    setitimer(ITIMER_REAL, &interval, NULL);
    check("interval timer", taken >= 10);
    stop = 1;
    pthread_join(thread, NULL);
}

/* Faults are the thread's own. */
static _Thread_local void *fault_at;
static atomic_int faults, faults_wrong;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    char here;
    if (info->si_addr != fault_at)
        faults_wrong++;
    if (&here < (char *)fault_at + 8192 || &here > (char *)fault_at + 8192 + 65536)
        faults_wrong++;
    faults++;
    mprotect(fault_at, 4096, PROT_READ | PROT_WRITE);
}

static void *fault(void *arg)
{
    (void)arg;
    char *area = mmap(NULL, 8192 + 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = { .ss_sp = area + 8192, .ss_size = 65536 };
    sigaltstack(&stack, NULL);
    fault_at = area;
    for (int i = 0; i < 50; i++) {
        mprotect(area, 4096, PROT_NONE);
        *(volatile char *)area = 1;
    }
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    munmap(area, 8192 + 65536);
    return NULL;
}

static void own_faults(void)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    pthread_t threads[4];
    sigaction(SIGSEGV, &action, NULL);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, fault, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    printf("faults: %d, wrong: %d\n", faults, faults_wrong);
    signal(SIGSEGV, SIG_DFL);
}

static void result(const char *what, long value)
{
    printf("%s: %s\n", what, value < 0 ? strerror(errno) : "done");
}

static void errors(void)
{
    result("tgkill of nobody", tgkill_(99999, 0));
    result("tkill of nobody", syscall(SYS_tkill, 99999, 0));
    result("tkill of 0", syscall(SYS_tkill, 0, 0));
    result("tgkill of -1", tgkill_(-1, 0));
    result("tgkill in group 0", syscall(SYS_tgkill, 0, tid(), 0));
    result("tgkill in another group", syscall(SYS_tgkill, 1, tid(), 0));
    result("tgkill with signal 65", tgkill_(tid(), 65));
    result("tgkill with signal 0", tgkill_(tid(), 0));
}

/* How it ends. */
static void *end_soon(void *arg)
{
    usleep(20000);
    if (!strcmp(arg, "exit"))
        exit(3);
    if (!strcmp(arg, "exit_group"))
        _exit(4);
    if (!strcmp(arg, "abort"))
        abort();
    if (!strcmp(arg, "fault"))
        *(volatile int *)8 = 1;
    if (!strcmp(arg, "kill"))
        kill(getpid(), SIGTERM);
    if (!strcmp(arg, "leader"))
        printf("the others go on\n");
    fflush(stdout);
    return NULL;
}

static void *for_ever(void *arg)
{
    volatile long *count = arg;
    for (;;)
        ++*count;
    return NULL;
}

static void *asleep(void *arg) { pause(); return arg; }

static void end(char *how)
{
    static long counts[2];
    pthread_t thread;
    int leader = !strcmp(how, "leader");
    for (int i = 0; i < 2 && !leader; i++) {
        pthread_create(&thread, NULL, for_ever, &counts[i]);
        pthread_create(&thread, NULL, asleep, NULL);
    }
    pthread_create(&thread, NULL, end_soon, how);
    if (leader)
        pthread_exit(NULL);
    pthread_join(thread, NULL);
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1)
        end(argv[1]);
    to_a_computing_thread();
    to_who_does_not_block();
    many_to_many();
    interrupts(0, "read", 0, 0);
    interrupts(SA_RESTART, "read, restarted", 0, 1);
    interrupts(SA_RESTART, "nanosleep", 1, 0);
    interrupts(SA_RESTART, "epoll_wait", 2, 0);
    interrupts(SA_RESTART, "pause", 3, 0);
    interrupts(0, "futex", 4, 0);
    waiting();
    timers();
    own_faults();
    errors();
    return 0;
}
