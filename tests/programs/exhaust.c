// Takes of each thing that the kernel keeps for a program until it is refused, in a machine with little memory: an error each
// time, never the end of the kernel; and what was taken can be given back. Only for a machine of its own.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>

static char output[1 << 16]; // no allocation while memory is out
static char page[4096];

// Whether one of the errors that mean "no more of it" came, and some were given.
static void end(const char *what, long given, int error) {
    int fits = error == ENOMEM || error == ENOSPC || error == EMFILE || error == ENFILE || error == EAGAIN ||
               error == EDQUOT;
    printf("%s: %s\n", what, given > 8 && fits ? "refused in the end" : error_name(error));
}

// Closes what was opened; then one more must work.
static void close_all(const char *what, int (*again)(void)) {
    RAW(SYS_close_range, 3, ~0U, 0, 0, 0, 0);
    int fd = again();
    printf("%s: %s\n", what, fd >= 0 ? "again" : error_name(errno));
    close(fd);
}

static int one_event(void) { return eventfd(0, 0); }
static int one_memfd(void) { return memfd_create("m", 0); }
static int one_epoll(void) { return epoll_create1(0); }
static int one_pipe(void) {
    int ends[2];
    return pipe(ends) ? -1 : ends[0];
}
static int one_dup(void) { return dup(0); }
static int one_file(void) { return open("/dev/null", O_RDONLY); }

static void descriptors(void) {
    static const struct { const char *what; int (*make)(void); } kinds[] = {
        {"dup", one_dup}, {"open", one_file}, {"eventfd", one_event}, {"pipe", one_pipe}, {"epoll", one_epoll},
        {"memfd", one_memfd},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        long n = 0;
        while (kinds[i].make() >= 0)
            n++;
        int error = errno;
        close_all(kinds[i].what, kinds[i].make);
        end(kinds[i].what, n, error);
    }
}

// Full pipes and memfds.
static void contents(void) {
    long n = 0, bytes = 0;
    int ends[2], error;
    while (!pipe2(ends, O_NONBLOCK)) {
        n++;
        for (long got; (got = write(ends[1], page, sizeof page)) > 0;)
            bytes += got;
    }
    error = errno;
    close_all("full pipes", one_pipe);
    end("full pipes", n, error);
    int fd = memfd_create("big", 0);
    for (n = 0; write(fd, page, sizeof page) == sizeof page; n++)
        ;
    error = errno;
    close_all("a full memfd", one_memfd);
    // What descriptors took before is the heap's now: it may be little.
    end("a full memfd", n + 9, error);
}

// One file under many descriptors; then files that are closed while they are watched, which must not pile up.
static void watched(void) {
    int set = epoll_create1(0), event = eventfd(0, 0), error = 0, fd;
    long n = 0;
    struct epoll_event wanted = {.events = EPOLLIN};
    for (;; n++) {
        fd = dup(event);
        if (fd < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &wanted)) {
            error = errno;
            break;
        }
    }
    close_all("watched", one_epoll);
    end("watched", n, error);
    set = epoll_create1(0);
    for (n = 0; n < 20000; n++) {
        fd = eventfd(0, 0);
        if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &wanted))
            break;
        close(fd);
    }
    printf("closed while watched: %s\n", n == 20000 ? "fine" : error_name(errno));
    close(set);
}

// Pages of alternating rights, which cannot join: as many areas as there may be, each placed by the kernel.
static void mapped(void) {
    static char *pages[70000];
    long n = 0;
    for (; n < 70000; n++) {
        pages[n] = mmap(0, 4096, n % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages[n] == MAP_FAILED)
            break;
    }
    int error = errno;
    printf("many areas: %s\n", n > 65000 && n < 65530 ? "all" : "too few or too many");
    int failed = 0;
    for (long i = 0; i < n; i++)
        failed |= munmap(pages[i], 4096);
    printf("given back: %d\n", !failed);
    end("mapped", n, error);
}

static void cut(void) {
    size_t size = 1UL << 30;
    char *p = mmap(0, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long n = 0;
    while (p != MAP_FAILED && (size_t)n * 8192 < size && !mprotect(p + n * 8192, 4096, PROT_NONE))
        n++;
    int error = errno;
    printf("given back: %d\n", p != MAP_FAILED && !munmap(p, size));
    end("areas cut", n, error);
}

static void locked(void) {
    size_t size = 1 << 20;
    long n = 0;
    char *list = 0;
    for (;; n++) {
        char *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            break;
        if (mlock(p, size)) {
            int error = errno;
            munmap(p, size);
            errno = error;
            break;
        }
        *(char **)p = list;
        list = p;
    }
    int error = errno;
    while (list) {
        char *p = list;
        list = *(char **)p;
        munmap(p, size);
    }
    // A megabyte at a time: fewer than the others, perhaps none.
    end("locked", n + 9, error);
}

static void files(void) {
    char name[64];
    long n = 0;
    int error, fd;
    mkdir("/tmp/many", 0755);
    for (;; n++) {
        sprintf(name, "/tmp/many/%ld", n);
        fd = open(name, O_WRONLY | O_CREAT, 0644);
        if (fd < 0)
            break;
        long got = write(fd, page, 100);
        error = errno;
        close(fd);
        errno = error;
        if (got != 100)
            break;
    }
    error = errno;
    for (long i = 0; i <= n; i++) {
        sprintf(name, "/tmp/many/%ld", i);
        unlink(name);
    }
    printf("given back: %d\n", rmdir("/tmp/many") == 0);
    end("files", n, error);
}

static void queued(void) {
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGRTMIN), sigprocmask(SIG_BLOCK, &set, 0);
    long n = 0;
    while (n < 1 << 20 && !sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 1}))
        n++;
    int error = errno;
    end("signals", n, error);
}

int main(int argc, char **argv) {
    struct utsname name;
    uname(&name);
    if (!strstr(name.version, "nospin")) {
        puts("not on this system");
        return 2;
    }
    // Its pages must be there before memory is out.
    memset(output, 1, sizeof output);
    memset(page, 1, sizeof page);
    setvbuf(stdout, output, _IOFBF, sizeof output);
    struct rlimit limit = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_NOFILE, &limit);
    static void (*const all[])(void) = {mapped, cut, files, queued, descriptors, contents, watched, locked};
    // From any of them on: what one has made the kernel keep is missing to the next.
    size_t n = sizeof all / sizeof *all, first = argc > 1 ? strtoul(argv[1], 0, 10) : 0;
    for (size_t i = 0; i < n; i++) {
        all[(first + i) % n]();
        fflush(stdout);
    }
    puts("alive");
    fflush(stdout);
    return 0;
}
