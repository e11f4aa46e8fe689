// What the kernel counts for a program: bytes and calls of reads and writes, switches, waiting, threads made. Differences that must be
// exact are shown, others are compared with what must have happened at least.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <time.h>

static char text[1 << 16];

static const char *slurp(const char *path) {
    int fd = open(path, O_RDONLY);
    long n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    if (n < 0)
        printf("%s: %s\n", path, error_name(errno));
    close(fd);
    return text;
}

// The number behind a name at the beginning of a line.
static long long number(const char *path, const char *name) {
    char line[100];
    snprintf(line, sizeof line, "\n%s", name);
    slurp(path);
    char *at = strncmp(text, name, strlen(name)) ? strstr(text, line) : text - 1;
    return at ? atoll(at + 1 + strlen(name)) : -1;
}

struct io {
    long long rchar, wchar, syscr, syscw;
};

static struct io io(const char *path) {
    struct io io = {-1, -1, -1, -1};
    sscanf(slurp(path), "rchar: %lld\nwchar: %lld\nsyscr: %lld\nsyscw: %lld\nread_bytes: ", &io.rchar, &io.wchar, &io.syscr,
           &io.syscw);
    return io;
}

static struct io before;
static long long own;

static void start(void) {
    before = io("/proc/self/io");
    own = (long long)strlen(text);
}

static void count(const char *what) {
    struct io after = io("/proc/self/io");
    printf("%s: %lld bytes in %lld reads, %lld bytes in %lld writes\n", what, after.rchar - before.rchar - own,
           after.syscr - before.syscr - 1, after.wchar - before.wchar, after.syscw - before.syscw);
}

static void *sleeper(void *arg) {
    struct timespec ms = {0, 1000000};
    for (int i = 0; i < 5; i++)
        nanosleep(&ms, 0);
    return arg;
}

static void *writer(void *arg) {
    char path[100];
    write(*(int *)arg, "abc", 3);
    snprintf(path, sizeof path, "/proc/self/task/%d/io", gettid());
    struct io own = io(path);
    printf("of a thread: %lld bytes in %lld writes\n", own.wchar, own.syscw);
    return arg;
}

static void transfers(void) {
    static char buf[10000];
    int pipes[2], file = memfd_create("x", 0), null = open("/dev/null", O_RDWR);
    struct iovec vectors[2] = {{buf, 100}, {buf + 100, 50}};
    pipe(pipes);
    start();
    count("nothing");
    start();
    for (int i = 0; i < 10; i++)
        write(pipes[1], buf, 77);
    read(pipes[0], buf, 10000);
    count("a pipe");
    start();
    write(file, buf, 5000);
    pwrite(file, buf, 500, 100);
    pread(file, buf, 1000, 4500);
    count("a file");
    start();
    writev(file, vectors, 2);
    pwritev(file, vectors, 2, 10);
    preadv(file, vectors, 2, 10);
    readv(null, vectors, 2);
    count("vectors");
    start();
    write(-1, buf, 10);
    read(-1, buf, 10);
    write(file, (void *)8, 10);
    count("failures");
    lseek(file, 0, SEEK_SET);
    start();
    sendfile(null, file, 0, 300);
    count("sendfile");
    pthread_t id;
    start();
    pthread_create(&id, 0, writer, &null);
    pthread_join(id, 0);
    struct io after = io("/proc/self/io");
    printf("with a thread that has ended: %lld bytes in %lld writes\n", after.wchar - before.wchar, after.syscw - before.syscw);
}

static void switches(void) {
    struct rusage all, own, all2, own2;
    const char *status = "/proc/thread-self/status";
    long long told = number(status, "voluntary_ctxt_switches:"), forced = number(status, "nonvoluntary_ctxt_switches:");
    getrusage(RUSAGE_SELF, &all), getrusage(RUSAGE_THREAD, &own);
    sleeper(0);
    pthread_t id;
    pthread_create(&id, 0, sleeper, 0);
    pthread_join(id, 0);
    getrusage(RUSAGE_SELF, &all2), getrusage(RUSAGE_THREAD, &own2);
    printf("voluntary switches of the thread: %d\n", own2.ru_nvcsw - own.ru_nvcsw >= 5 && own2.ru_nvcsw - own.ru_nvcsw < 100);
    printf("of the process: %d\n", all2.ru_nvcsw - all.ru_nvcsw >= own2.ru_nvcsw - own.ru_nvcsw + 5);
    printf("in status: %d\n", number(status, "voluntary_ctxt_switches:") - told >= 5);
    printf("involuntary ones: %d\n", forced >= 0 && number(status, "nonvoluntary_ctxt_switches:") >= forced);
    printf("in sched: %d\n", number("/proc/thread-self/sched", "nr_voluntary_switches                        :") - told >= 5);
    printf("both there: %d\n", number("/proc/thread-self/sched", "nr_switches                                  :") >= told + 5);
    char head[100];
    snprintf(head, sizeof head, "(%d, #threads: 1)\n", getpid());
    printf("head of sched: %d\n", !strncmp(slurp("/proc/self/sched"), "counted (", 9) && strstr(text, head));
}

static void shares(void) {
    long long run, wait, turns, run2, wait2, turns2;
    printf("schedstat: %d\n", sscanf(slurp("/proc/self/schedstat"), "%lld %lld %lld\n", &run, &wait, &turns));
    clock_t until = clock() + CLOCKS_PER_SEC / 50;
    while (clock() < until)
        ;
    sleeper(0);
    sscanf(slurp("/proc/self/schedstat"), "%lld %lld %lld\n", &run2, &wait2, &turns2);
    printf("it ran 20 ms: %d, had turns: %d, waited: %d\n", run2 - run >= 20000000, turns2 - turns >= 5, wait2 >= wait);
}

static void machine(void) {
    long long switches = number("/proc/stat", "ctxt "), interrupts = number("/proc/stat", "intr ");
    long long made = number("/proc/stat", "processes ");
    pthread_t id;
    for (int i = 0; i < 3; i++) {
        pthread_create(&id, 0, sleeper, 0);
        pthread_join(id, 0);
    }
    printf("switches: %d\n", number("/proc/stat", "ctxt ") - switches >= 15);
    printf("interrupts: %d\n", interrupts >= 0 && number("/proc/stat", "intr ") > interrupts);
    printf("threads made: %d\n", number("/proc/stat", "processes ") - made >= 3);
    printf("running: %d\n", number("/proc/stat", "procs_running ") >= 1);
    int all = 0, runs = 0, last = 0;
    sscanf(slurp("/proc/loadavg"), "%*f %*f %*f %d/%d %d", &runs, &all, &last);
    printf("loadavg: %d\n", runs >= 1 && all >= 2 && last >= getpid() + 3);
    slurp("/proc/cmdline");
    printf("cmdline: %d\n", text[0] && text[strlen(text) - 1] == '\n');
}

int main(void) {
    // What is said counts only at the end.
    setvbuf(stdout, malloc(1 << 16), _IOFBF, 1 << 16);
    transfers();
    switches();
    shares();
    machine();
    fflush(stdout);
    return 0;
}
