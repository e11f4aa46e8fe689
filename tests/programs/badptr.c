// System calls with pointers that lead nowhere: each must answer EFAULT (or what Linux answers), and the program lives.
#include "show.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

static char *edge;              // one byte before an unmapped page
static char *read_only, *no_access;

static void all(const char *kind, void *bad) {
    char label[80];
    int zero = open("/dev/zero", O_RDONLY), dir = open("/", O_RDONLY | O_DIRECTORY);
    printf("-- %s\n", kind);
    // The byte at the edge is set anew for each call, for some of them fill as much as there is.
#define CALL(name, ...) \
    (*edge = 'x', snprintf(label, sizeof label, "%s", #name), show_ok(label, RAW(SYS_##name, __VA_ARGS__)))
    CALL(read, zero, bad, 64, 0, 0, 0);
    CALL(pread64, zero, bad, 64, 0, 0, 0);
    CALL(open, bad, O_RDONLY, 0, 0, 0, 0);
    CALL(openat, AT_FDCWD, bad, O_RDONLY, 0, 0, 0);
    CALL(access, bad, R_OK, 0, 0, 0, 0);
    CALL(faccessat, AT_FDCWD, bad, R_OK, 0, 0, 0);
    CALL(stat, "/", bad, 0, 0, 0, 0);
    CALL(stat, bad, &label, 0, 0, 0, 0);
    CALL(lstat, "/", bad, 0, 0, 0, 0);
    CALL(fstat, 0, bad, 0, 0, 0, 0);
    CALL(newfstatat, AT_FDCWD, "/", bad, 0, 0, 0);
    CALL(readlink, bad, label, sizeof label, 0, 0, 0);
    CALL(readlinkat, AT_FDCWD, bad, label, sizeof label, 0, 0);
    CALL(chdir, bad, 0, 0, 0, 0, 0);
    CALL(getcwd, bad, 4096, 0, 0, 0, 0);
    CALL(getdents64, dir, bad, 4096, 0, 0, 0);
    CALL(uname, bad, 0, 0, 0, 0, 0);
    CALL(sysinfo, bad, 0, 0, 0, 0, 0);
    CALL(getrandom, bad, 64, 0, 0, 0, 0);
    CALL(clock_gettime, CLOCK_MONOTONIC, bad, 0, 0, 0, 0);
    CALL(clock_gettime, CLOCK_REALTIME, bad, 0, 0, 0, 0);
    CALL(nanosleep, bad, 0, 0, 0, 0, 0);
    CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, bad, 0, 0, 0);
    CALL(rt_sigaction, 10, bad, 0, 8, 0, 0);
    CALL(rt_sigprocmask, 0, bad, 0, 8, 0, 0);
    CALL(getrlimit, 7, bad, 0, 0, 0, 0);
    CALL(poll, bad, 1, 0, 0, 0, 0);
    CALL(sched_getaffinity, 0, 128, bad, 0, 0, 0);
    CALL(writev, 1, bad, 1, 0, 0, 0);
    CALL(readv, zero, bad, 1, 0, 0, 0);
    CALL(prctl, 15, bad, 0, 0, 0, 0);
    struct iovec iov = {bad, 64};
    snprintf(label, sizeof label, "readv into it");
    show_ok(label, RAW(SYS_readv, zero, &iov, 1, 0, 0, 0));
    CALL(close, zero, 0, 0, 0, 0, 0);
    CALL(close, dir, 0, 0, 0, 0, 0);
}

int main(void) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    read_only = mmap(0, 4096, PROT_READ, flags, -1, 0);
    no_access = mmap(0, 4096, PROT_NONE, flags, -1, 0);
    // Last, so that no later mapping fills the hole.
    char *two = mmap(0, 8192, PROT_READ | PROT_WRITE, flags, -1, 0);
    munmap(two + 4096, 4096);
    edge = two + 4095;
    *edge = 'x';
    all("one", (void *)1);
    all("unmapped", (void *)0x123456789000);
    all("no access", no_access);
    all("end of a page", edge);
    all("the last user byte", (void *)0x7fffffffefff);
    all("behind the user's half", (void *)0x800000000000);
    all("the kernel's half", (void *)0xffff800000000000);
    all("the kernel's text", (void *)0xffffffff80100000);
    all("the last byte", (void *)-1);
    all("not canonical", (void *)0x8000000000000000);

    puts("-- writing");
    show("write from nowhere", RAW(SYS_write, 1, 0x123456789000, 8, 0, 0, 0));
    show("write from the kernel's half", RAW(SYS_write, 1, 0xffffffff80100000, 8, 0, 0, 0));
    show("write from no access", RAW(SYS_write, 1, no_access, 8, 0, 0, 0));
    show("write with a wrapping length", RAW(SYS_write, 1, "x", 0x7fffffffffffffff, 0, 0, 0) < 0);
    struct iovec wrong = {(void *)0x123456789000, 8};
    show("writev from nowhere", RAW(SYS_writev, 1, &wrong, 1, 0, 0, 0));
    show("writev with a negative count", RAW(SYS_writev, 1, &wrong, -1, 0, 0, 0));
    show("writev with 1025 parts", RAW(SYS_writev, 1, &wrong, 1025, 0, 0, 0));
    show("uname into a read-only page", RAW(SYS_uname, read_only, 0, 0, 0, 0, 0));
    show("clock_gettime into code", RAW(SYS_clock_gettime, 1, main, 0, 0, 0, 0));
    show("write of nothing from nowhere", RAW(SYS_write, 1, 0x123456789000, 0, 0, 0, 0));
    show("writing to a closed descriptor from nowhere", RAW(SYS_write, 77, 0x123456789000, 8, 0, 0, 0));
    puts("alive");
    return 0;
}
