// Calls that fail for a reason other than a bad pointer: the reason must be Linux's. Argument 1 is a regular file.
#include "show.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

int main(int argc, char **argv) {
    static char longname[300], longpath[5000], path[5200];
    const char *file = argc > 1 ? argv[1] : "/nothing";
    memset(longname, 'a', sizeof longname - 1);
    longname[0] = '/';
    memset(longpath, '/', sizeof longpath - 1);
    int fd = open(file, O_RDONLY), dir = open("/", O_RDONLY | O_DIRECTORY), null = open("/dev/null", O_RDWR);
    char buf[64];
    struct timespec ts = {0, 2000000000};
    struct rlimit lim = {2, 1};

    show_ok("open", fd);
    show("open: missing", RAW(SYS_open, "/no/such/file", O_RDONLY, 0, 0, 0, 0));
    show("open: empty", RAW(SYS_open, "", O_RDONLY, 0, 0, 0, 0));
    snprintf(path, sizeof path, "%s/x", file);
    show("open: below a file", RAW(SYS_open, path, O_RDONLY, 0, 0, 0, 0));
    snprintf(path, sizeof path, "%s/", file);
    show("open: file with a slash", RAW(SYS_open, path, O_RDONLY, 0, 0, 0, 0));
    snprintf(path, sizeof path, "%s/..", file);
    show("open: file and two dots", RAW(SYS_open, path, O_RDONLY, 0, 0, 0, 0));
    show("open: file as a directory", RAW(SYS_open, file, O_RDONLY | O_DIRECTORY, 0, 0, 0, 0));
    show("open: directory for writing", RAW(SYS_open, "/", O_WRONLY, 0, 0, 0, 0));
    show("open: long name", RAW(SYS_open, longname, O_RDONLY, 0, 0, 0, 0));
    show("open: long path", RAW(SYS_open, longpath, O_RDONLY, 0, 0, 0, 0));
    show("openat: not a directory", RAW(SYS_openat, fd, "x", O_RDONLY, 0, 0, 0));
    show("openat: closed", RAW(SYS_openat, 77, "x", O_RDONLY, 0, 0, 0));
    show_ok("openat: absolute, closed", RAW(SYS_openat, 77, "/", O_RDONLY, 0, 0, 0));
    show("read: closed", RAW(SYS_read, 77, buf, 1, 0, 0, 0));
    show("read: -1", RAW(SYS_read, -1, buf, 1, 0, 0, 0));
    show("read: directory", RAW(SYS_read, dir, buf, 1, 0, 0, 0));
    show("read: nothing", RAW(SYS_read, fd, buf, 0, 0, 0, 0));
    show("write: read-only descriptor", RAW(SYS_write, fd, buf, 1, 0, 0, 0));
    show("write: /dev/null", RAW(SYS_write, null, buf, 64, 0, 0, 0));
    show("read: /dev/null", RAW(SYS_read, null, buf, 64, 0, 0, 0));
    show("write: /dev/full", RAW(SYS_write, open("/dev/full", O_WRONLY), buf, 1, 0, 0, 0));
    show("pread: negative offset", RAW(SYS_pread64, fd, buf, 1, -1, 0, 0));
    show("lseek: stdin, a pipe", RAW(SYS_lseek, 0, 0, SEEK_SET, 0, 0, 0));
    show("lseek: bad whence", RAW(SYS_lseek, fd, 0, 77, 0, 0, 0));
    show("lseek: before the start", RAW(SYS_lseek, fd, -1, SEEK_SET, 0, 0, 0));
    show("lseek: behind the end", RAW(SYS_lseek, fd, 1 << 20, SEEK_SET, 0, 0, 0));
    show("read: behind the end", RAW(SYS_read, fd, buf, 1, 0, 0, 0));
    show("close: closed", RAW(SYS_close, 77, 0, 0, 0, 0, 0));
    show("dup: closed", RAW(SYS_dup, 77, 0, 0, 0, 0, 0));
    show("dup2: closed", RAW(SYS_dup2, 77, 5, 0, 0, 0, 0));
    show("dup2: itself", RAW(SYS_dup2, fd, fd, 0, 0, 0, 0) == fd);
    show("dup3: itself", RAW(SYS_dup3, fd, fd, 0, 0, 0, 0));
    show("dup2: high", RAW(SYS_dup2, fd, 1 << 30, 0, 0, 0, 0));
    show("fcntl: closed", RAW(SYS_fcntl, 77, F_GETFD, 0, 0, 0, 0));
    show("fcntl: unknown", RAW(SYS_fcntl, fd, 7777, 0, 0, 0, 0));
    show("fcntl: F_GETFD", RAW(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0));
    show("fcntl: F_SETFD", RAW(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC, 0, 0, 0));
    show("fcntl: F_GETFD after", RAW(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0));
    show("fcntl: F_GETFL", RAW(SYS_fcntl, null, F_GETFL, 0, 0, 0, 0) & O_ACCMODE);
    show("ioctl: TCGETS on a pipe", RAW(SYS_ioctl, 0, TCGETS, buf, 0, 0, 0));
    show("ioctl: TCGETS on a file", RAW(SYS_ioctl, fd, TCGETS, buf, 0, 0, 0));
    show("ioctl: closed", RAW(SYS_ioctl, 77, TCGETS, buf, 0, 0, 0));
    show("getcwd: too small", RAW(SYS_getcwd, buf, 1, 0, 0, 0, 0));
    show("chdir: file", RAW(SYS_chdir, file, 0, 0, 0, 0, 0));
    show("readlink: not a link", RAW(SYS_readlink, "/", buf, 64, 0, 0, 0));
    show("readlink: size 0", RAW(SYS_readlink, "/", buf, 0, 0, 0, 0));
    show("access: bad mode", RAW(SYS_access, "/", 99, 0, 0, 0, 0));
    show("getdents64: file", RAW(SYS_getdents64, fd, buf, 64, 0, 0, 0));
    show("getdents64: too small", RAW(SYS_getdents64, dir, buf, 1, 0, 0, 0));
    show("mmap: length 0", RAW(SYS_mmap, 0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    show("mmap: neither shared nor private", RAW(SYS_mmap, 0, 4096, PROT_READ, MAP_ANONYMOUS, -1, 0));
    show("mmap: closed", RAW(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, 77, 0));
    show("mmap: odd offset", RAW(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, fd, 1));
    show("mmap: huge", RAW(SYS_mmap, 0, 1ul << 50, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    show("mmap: fixed, odd", RAW(SYS_mmap, 0x10001, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    show("mmap: fixed, kernel", RAW(SYS_mmap, 0xffff800000000000, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    show("munmap: odd", RAW(SYS_munmap, 1, 4096, 0, 0, 0, 0));
    show("munmap: length 0", RAW(SYS_munmap, 0x10000, 0, 0, 0, 0, 0));
    show("munmap: kernel", RAW(SYS_munmap, 0xffff800000000000, 4096, 0, 0, 0, 0));
    show("mprotect: odd", RAW(SYS_mprotect, 1, 4096, PROT_READ, 0, 0, 0));
    show("mprotect: unmapped", RAW(SYS_mprotect, 0x123456789000, 4096, PROT_READ, 0, 0, 0));
    show("mprotect: bad flags", RAW(SYS_mprotect, 0x123456789000, 4096, 0x1000, 0, 0, 0));
    show("madvise: unmapped", RAW(SYS_madvise, 0x123456789000, 4096, MADV_DONTNEED, 0, 0, 0));
    show("madvise: unknown", RAW(SYS_madvise, 0x123456789000, 4096, 7777, 0, 0, 0));
    show("clock_gettime: unknown clock", RAW(SYS_clock_gettime, 77, &ts, 0, 0, 0, 0));
    show("nanosleep: bad nanoseconds", RAW(SYS_nanosleep, &ts, 0, 0, 0, 0, 0));
    show("getrandom: bad flags", RAW(SYS_getrandom, buf, 1, 77, 0, 0, 0));
    show("rt_sigaction: signal 0", RAW(SYS_rt_sigaction, 0, 0, 0, 8, 0, 0));
    show("rt_sigaction: signal 65", RAW(SYS_rt_sigaction, 65, 0, 0, 8, 0, 0));
    show("rt_sigaction: size", RAW(SYS_rt_sigaction, 10, 0, 0, 7, 0, 0));
    show("rt_sigprocmask: how", RAW(SYS_rt_sigprocmask, 77, buf, 0, 8, 0, 0));
    show("kill: bad signal", RAW(SYS_kill, getpid(), 99, 0, 0, 0, 0));
    show("kill: nobody", RAW(SYS_kill, 0x3fffffff, 0, 0, 0, 0, 0));
    show("kill: probing itself", RAW(SYS_kill, getpid(), 0, 0, 0, 0, 0));
    show("tgkill: zero", RAW(SYS_tgkill, 0, 0, 0, 0, 0, 0));
    show("setrlimit: soft above hard", RAW(SYS_prlimit64, 0, 7, &lim, 0, 0, 0));
    show("getrlimit: unknown", RAW(SYS_getrlimit, 77, buf, 0, 0, 0, 0));
    show("arch_prctl: unknown", RAW(SYS_arch_prctl, 0x7777, 0, 0, 0, 0, 0));
    show("set_robust_list: size", RAW(SYS_set_robust_list, buf, 1, 0, 0, 0, 0));
    show("futex: mismatch", RAW(SYS_futex, &lim, 128, 77, 0, 0, 0));
    show("futex: odd", RAW(SYS_futex, (char *)&lim + 1, 128, 77, 0, 0, 0));
    show("futex: wake nobody", RAW(SYS_futex, &lim, 129, 1, 0, 0, 0));
    show("prctl: unknown", RAW(SYS_prctl, 7777, 0, 0, 0, 0, 0));
    lim.rlim_cur = 50;
    lim.rlim_max = 60;
    show("setrlimit", setrlimit(RLIMIT_NOFILE, &lim) ? -errno : 0);
    int last = 0, n;
    while ((n = open("/dev/null", O_RDONLY)) >= 0)
        last = n;
    show("open: until no more", -errno);
    struct rlimit now;
    getrlimit(RLIMIT_NOFILE, &now);
    printf("the last is the limit's: %d\n", (unsigned long)last + 1 == now.rlim_cur);
    return 0;
}
