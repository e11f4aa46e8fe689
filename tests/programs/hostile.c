// A hostile program: thousands of random system calls with random arguments. The kernel must survive: at the end
// calls still work, and memory is not lost. Only for a machine of its own: natively it does nothing.
//   hostile ROUNDS SEED [trace]     same seed, same calls; "trace" prints each call before it is made
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <time.h>

#define CALLS 500               // a round
#define ARENA 0x100000000000UL  // all memory that random calls may change
#define ARENA_SIZE (16UL << 20)
#define DATA_SIZE (64 << 10)    // its beginning: readable, writable, full of words
#define TABLE 462               // the numbers of the table, and some beyond it
#define SAFE 900                // a descriptor that stays

static uint64_t state;
static int trace, ruined;
static char *const arena = (char *)ARENA;
static char alternate[64 << 10] __attribute__((aligned(4096)));
static uintptr_t heap_end;
static const char *const paths[] = {
    "/tmp/h/file", "/tmp/h/dir", "/tmp/h/link", "/tmp/h/loop", "/tmp/h/new", "/tmp/h/dir/below", ".", "..", "", "/",
    "/dev/zero", "/dev/null", "/dev/full", "/proc/self/maps", "/proc/self/status", "/proc/self/fd", "/proc/meminfo",
    "/sys/devices/system/cpu/online", "/tmp/h/file/", "/tmp/h/none/none", "new", "/dev", "/proc", "/var/tmp/h"};
#define PATHS (sizeof paths / sizeof *paths)

static uint64_t next(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}

static uint64_t below(uint64_t n) { return next() % n; }

// A pointer: into the arena, at an edge of it, or nowhere.
static uint64_t pointer(void) {
    switch (below(12)) {
    case 0: return 0;
    case 1: return ARENA + DATA_SIZE - below(40);               // the next page is missing
    case 2: return ARENA + (1 << 20) + below(4096);              // read-only
    case 3: return ARENA + (2 << 20) + below(4096);              // no access
    case 4: return below(2) ? 0xffffffff80100000 + below(1 << 20) : 0xffff800000000000 + below(1 << 30);
    case 5: return below(2) ? 0x7fffffffefff + below(3) : 0x8000000000000000 + below(64);
    case 6: return ARENA + below(ARENA_SIZE / 4096) * 4096;
    case 7: return ARENA + 4096 * (1 + below(14)) - below(24);   // across two good pages
    default: return ARENA + (below(DATA_SIZE - 4096) & -8UL);
    }
}

static uint64_t argument(void) {
    switch (below(16)) {
    case 0: case 1: case 2: case 3: case 4: return pointer();
    case 5: return ARENA + below(PATHS) * 64;                     // a path
    case 6: case 7: return 3 + below(40);                         // a descriptor, perhaps
    case 8: return below(4096);
    case 9: return 1UL << below(64);
    case 10: return -(1 + below(130));                            // AT_FDCWD is among them
    case 11: return next();
    case 12: return 4096 << below(12);
    case 13: return 0x7fffffff + below(3);
    default: return below(12);
    }
}

// Memory that random calls work on, as at first: data (the paths first), a read-only page, one without access.
static void lay_out(void) {
    munlockall();
    munmap(arena, ARENA_SIZE);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    char *data = mmap(arena, DATA_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
    char *fixed = mmap(arena + (1 << 20), 4096, PROT_READ, flags, -1, 0);
    char *none = mmap(arena + (2 << 20), 4096, PROT_NONE, flags, -1, 0);
    if (data != arena || fixed == MAP_FAILED || none == MAP_FAILED)
        ruined = 1;
    else
        for (size_t i = 0; i < DATA_SIZE; i += 8) {
            uint64_t word = argument();
            memcpy(data + i, &word, 8);
        }
    for (size_t i = 0; !ruined && i < PATHS; i++)
        strcpy(data + 64 * i, paths[i]);
}

static void quiet(int signal) { (void)signal; }

static void fault(int signal, siginfo_t *info, void *context) {
    (void)context;
    if (info->si_code > 0 && info->si_code != SI_KERNEL) {
        dprintf(SAFE, "the program itself got signal %d at %p\n", signal, info->si_addr);
        _exit(3);
    }
}

// Signals as at first: all caught, none blocked.
static void calm(void) {
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    sigaltstack(&stack, 0);
    for (int n = 1; n <= 64; n++) {
        struct sigaction action = {.sa_flags = SA_ONSTACK | SA_RESTART | SA_SIGINFO};
        if (n == SIGSEGV || n == SIGBUS || n == SIGILL || n == SIGFPE || n == SIGTRAP)
            action.sa_sigaction = fault;
        else
            action.sa_handler = quiet;
        // Past libc, which keeps two signals to itself.
        uint64_t raw_action[4] = {(uintptr_t)action.sa_sigaction, (unsigned)action.sa_flags | 0x04000000,
                                  0, 0};
        extern void restorer(void);
        raw_action[2] = (uintptr_t)restorer;
        RAW(SYS_rt_sigaction, n, raw_action, 0, 8, 0, 0);
    }
    uint64_t none = 0;
    RAW(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, 8, 0, 0);
}
asm(".globl restorer\nrestorer: mov $15, %eax\n syscall\n");

// Closes all but the safe one; what random calls print goes nowhere.
static void close_all(void) {
    RAW(SYS_close_range, 0, SAFE - 1, 0, 0, 0, 0);
    RAW(SYS_close_range, SAFE + 1, ~0U, 0, 0, 0, 0);
    for (int fd = 0; fd < 3; fd++)
        open("/dev/null", O_RDWR);
}

// Descriptors of each kind, from 3 on, and files to work on.
static void open_all(void) {
    close_all();
    umask(022);
    mkdir("/tmp/h", 0755), mkdir("/tmp/h/dir", 0755), mkdir("/var/tmp/h", 0755), chdir("/tmp/h");
    symlink("file", "/tmp/h/link"), symlink("loop", "/tmp/h/loop");
    int fd = open("/tmp/h/file", O_RDWR | O_CREAT | O_TRUNC | O_NONBLOCK, 0644);
    write(fd, "some text that is in the file", 29);
    open("/tmp/h/file", O_RDONLY | O_NONBLOCK), open("/tmp/h", O_RDONLY | O_DIRECTORY), open("/tmp/h/file", O_PATH);
    open("/dev/zero", O_RDWR), open("/dev/null", O_RDWR), open("/dev/full", O_RDWR), open("/proc/self/maps", O_RDONLY);
    open("/proc/self/fd", O_RDONLY | O_DIRECTORY), open("/var/tmp/h/root", O_RDWR | O_CREAT, 0600);
    int ends[2];
    for (int i = 0; i < 2; i++)
        pipe2(ends, O_NONBLOCK);
    eventfd(3, EFD_NONBLOCK), timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), memfd_create("h", MFD_ALLOW_SEALING);
    int set = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event);
}

// What was lowered; the rest of a round goes without.
static void raise_limits(void) {
    for (int what = 0; what < 16; what++) {
        uint64_t limit[2] = {RLIM_INFINITY, RLIM_INFINITY};
        if (what == RLIMIT_NOFILE)
            limit[0] = limit[1] = 1024;
        if (what == RLIMIT_STACK)
            limit[0] = 8 << 20;
        RAW(SYS_prlimit64, 0, what, limit, 0, 0, 0);
    }
}

static int outside(uint64_t start, uint64_t len) {
    uint64_t end = start + len;
    if (start >= 1UL << 47 || end < start || start % 4096)
        return 0; // refused anyway
    return start < ARENA || end > ARENA + ARENA_SIZE;
}

// A pointer that is refused for certain, or 0 where that does not mean "none".
static uint64_t bad(void) { return below(2) ? ARENA + (2 << 20) : 0xffffffff80100000; }

// Of calls that take a time to wait: a short one that stays short, or none that can be read.
static void short_time(long *arg) {
    static const struct timespec brief[2] = {{0, 200000}, {0, 0}};
    *arg = below(4) ? (long)&brief[below(2)] : (long)bad();
}

// The same for timers that repeat: slow enough for the program to go on.
static void slow_timer(long *arg) {
    static const struct itimerspec slow = {{3, 1}, {2, 1}};
    *arg = below(4) ? (long)&slow : (long)bad();
}

// Whether opening a path may wait for somebody at the other end of a FIFO, for ever by right.
static int is_fifo(long dir, long path) {
    struct stat st;
    return !RAW(SYS_newfstatat, dir, path, (long)&st, 0, 0, 0) && S_ISFIFO(st.st_mode);
}

// Makes a call one that comes back and leaves the program alive. Returns 0 for one that cannot be made so.
static int tame(long nr, long a[6]) {
    switch (nr) {
    // Ends the program or makes another one of it, by right.
    case SYS_exit: case SYS_exit_group: case SYS_fork: case SYS_vfork: case SYS_clone: case SYS_clone3:
    case SYS_execve: case SYS_execveat: case SYS_reboot: case SYS_ptrace: case SYS_seccomp: case SYS_rt_sigreturn:
    // Waits for a signal, for ever by right.
    case SYS_pause: case SYS_rt_sigsuspend:
    // Takes the files away that are looked at in the end.
    case SYS_chroot: case SYS_pivot_root: case SYS_umount2: case SYS_mount:
        return 0;
    case SYS_munmap: case SYS_mprotect: case SYS_madvise: case SYS_pkey_mprotect: case SYS_remap_file_pages:
        return !outside(a[0], a[1]);
    case SYS_mmap:
        // Fetching the zeros of terabytes comes back, but not today.
        if ((uint64_t)a[1] > 64 << 20)
            a[3] &= ~MAP_POPULATE;
        return !(a[3] & MAP_FIXED) || !outside(a[0], a[1]);
    case SYS_mremap:
        return !outside(a[0], a[1]) && !outside(a[0], a[2]) && (!(a[3] & MREMAP_FIXED) || !outside(a[4], a[2]));
    case SYS_shmat:
        return 0;
    case SYS_brk:
        return (uint64_t)a[0] < 4096 || (uint64_t)a[0] >= heap_end;
    case SYS_arch_prctl:
        return a[0] != 0x1002 && a[0] != 0x1001;    // the bases of FS and GS
    case SYS_kill: case SYS_tkill: case SYS_pidfd_send_signal:
        return (int)a[1] != SIGKILL && (int)a[1] != SIGSTOP;
    case SYS_tgkill:
        return (int)a[2] != SIGKILL && (int)a[2] != SIGSTOP;
    // One that says that it is a fault cannot be told from a fault.
    case SYS_rt_sigqueueinfo:
        return (int)a[1] >= SIGUSR1 && (int)a[1] != SIGSEGV && (int)a[1] != SIGSTOP;
    case SYS_rt_tgsigqueueinfo:
        return (int)a[2] >= SIGUSR1 && (int)a[2] != SIGSEGV && (int)a[2] != SIGSTOP;
    // Ends the program when its processor time is used up, by right.
    case SYS_setrlimit:
        return (unsigned)a[0] != RLIMIT_CPU && (unsigned)a[0] != RLIMIT_RTTIME;
    case SYS_prlimit64:
        return (unsigned)a[1] != RLIMIT_CPU && (unsigned)a[1] != RLIMIT_RTTIME;
    case SYS_open: case SYS_creat:
        return !is_fifo(AT_FDCWD, a[0]);
    case SYS_openat: case SYS_openat2:
        return !is_fifo(a[0], a[1]);
    case SYS_close:
        return (unsigned)a[0] != SAFE;
    case SYS_dup2: case SYS_dup3:
        return (unsigned)a[1] != SAFE;
    case SYS_close_range:
        return (unsigned)a[0] > SAFE || (unsigned)a[1] < SAFE;
    case SYS_ioctl:
        return a[0] > 2 && (a[1] & 0xffffffff) != TCXONC;   // stopping the console is for ever, too
    case SYS_fcntl:
        if (a[1] == F_SETLKW || a[1] == F_OFD_SETLKW)
            a[1]--;
        return 1;
    case SYS_flock:
        a[1] |= 4; // LOCK_NB
        return 1;
    case SYS_sendfile: case SYS_splice: case SYS_copy_file_range: case SYS_tee: case SYS_vmsplice: {
        int length = nr == SYS_sendfile || nr == SYS_vmsplice ? 3 : nr == SYS_tee ? 2 : 4;
        if (a[length] > 1 << 20)
            a[length] &= (1 << 20) - 1; // a copy of zeros has no end
        return 1;
    }
    case SYS_fallocate:
        // Not all memory, which ends a program by right; what is too much is refused.
        for (int i = 2; i < 4; i++)
            if (a[i] > 64 << 10 && a[i] < 1L << 36)
                a[i] &= (64 << 10) - 1;
        return 1;
    case SYS_poll:
        a[2] = below(3);
        return 1;
    case SYS_epoll_wait: case SYS_epoll_pwait:
        a[3] = below(3);
        return 1;
    case SYS_ppoll:
        short_time(&a[2]);
        return 1;
    case SYS_select: case SYS_pselect6: {
        static struct timeval brief;
        short_time(&a[4]);
        if (nr == SYS_select && (uint64_t)a[4] != ARENA + (2 << 20)) {
            brief.tv_sec = 0, brief.tv_usec = 200;
            a[4] = (long)&brief;
        }
        return 1;
    }
    case SYS_epoll_pwait2: case SYS_futex:
        short_time(&a[3]);
        return 1;
    case SYS_rt_sigtimedwait:
        short_time(&a[2]);
        return 1;
    case SYS_nanosleep:
        short_time(&a[0]);
        return 1;
    case SYS_clock_nanosleep:
        short_time(&a[2]);
        return 1;
    case SYS_semtimedop: case SYS_mq_timedsend: case SYS_mq_timedreceive: case SYS_recvmmsg: case SYS_futex_waitv:
        short_time(&a[nr == SYS_semtimedop ? 3 : nr == SYS_futex_waitv ? 3 : 4]);
        return 1;
    case SYS_semop: case SYS_msgrcv: case SYS_msgsnd: case SYS_io_getevents: case SYS_wait4: case SYS_waitid:
        return 1;
    case SYS_setitimer: {
        static const uint64_t slow[4] = {3, 1, 2, 1};
        a[1] = below(4) ? (long)slow : (long)bad();
        return 1;
    }
    case SYS_timer_settime: case SYS_timerfd_settime:
        slow_timer(&a[2]);
        return 1;
    case SYS_process_vm_writev: case SYS_process_madvise:
        return 0; // words of the arena may be addresses of the program
    default:
        return 1;
    }
}

// Reading and writing do not wait either.
static void no_waiting(const long a[6]) {
    for (int i = 0; i < 4; i++)
        if ((uint64_t)a[i] < 1024 && a[i] != SAFE) {
            long flags = RAW(SYS_fcntl, a[i], F_GETFL, 0, 0, 0, 0);
            if (flags >= 0 && !(flags & (O_NONBLOCK | O_PATH)))
                RAW(SYS_fcntl, a[i], F_SETFL, flags | O_NONBLOCK, 0, 0, 0);
        }
}

// What later calls would be refused after; only in the last round.
static int loses_rights(long nr) {
    switch (nr) {
    case SYS_capset: case SYS_setuid: case SYS_setgid: case SYS_setreuid: case SYS_setregid: case SYS_setresuid:
    case SYS_setresgid: case SYS_setfsuid: case SYS_setfsgid: case SYS_unshare: case SYS_prctl:
        return 1;
    default:
        return 0;
    }
}

// Takes back what would end or slow the program.
static void repair(long nr, const long a[6], long result) {
    switch (nr) {
    case SYS_mmap: case SYS_mremap: {
        uint64_t len = nr == SYS_mmap ? a[1] : a[2];
        if (result > 0 && outside(result, len))
            RAW(SYS_munmap, result, len, 0, 0, 0, 0);
        break;
    }
    case SYS_brk:
        RAW(SYS_brk, heap_end, 0, 0, 0, 0, 0);
        break;
    case SYS_rt_sigaction: case SYS_sigaltstack: case SYS_rt_sigprocmask:
        calm();
        break;
    case SYS_setrlimit: case SYS_prlimit64:
        raise_limits();
        break;
    case SYS_mlockall:
        munlockall();
        break;
    }
}

// What calls want, one letter for each argument: f descriptor, p path, b memory, n length of memory, a address of a page,
// l length in pages, o offset, s signal, t memory or 0, i a small number, x bits, d AT_FDCWD or a descriptor, m mapping
// flags, r protection, 0 nothing, ? anything.
static const struct { short nr; char args[7]; } wishes[] = {
    {SYS_read, "fbn"}, {SYS_write, "fbn"}, {SYS_open, "pxx"}, {SYS_close, "f"}, {SYS_stat, "pb"}, {SYS_fstat, "fb"},
    {SYS_lstat, "pb"}, {SYS_poll, "bii"}, {SYS_lseek, "foi"}, {SYS_mmap, "alrmfl"}, {SYS_mprotect, "alr"},
    {SYS_munmap, "al"}, {SYS_rt_sigaction, "sttE"}, {SYS_rt_sigprocmask, "ittE"}, {SYS_ioctl, "f?b"},
    {SYS_pread64, "fbno"}, {SYS_pwrite64, "fbno"}, {SYS_readv, "fbi"}, {SYS_writev, "fbi"}, {SYS_access, "pi"},
    {SYS_pipe, "b"}, {SYS_select, "ittt?"}, {SYS_mremap, "allia"}, {SYS_msync, "ali"}, {SYS_mincore, "alb"},
    {SYS_madvise, "ali"}, {SYS_dup, "f"}, {SYS_dup2, "fi"}, {SYS_sendfile, "fftn"}, {SYS_kill, "is"},
    {SYS_fcntl, "fii"}, {SYS_flock, "fi"}, {SYS_ftruncate, "fo"}, {SYS_truncate, "po"}, {SYS_getdents64, "fbn"},
    {SYS_getcwd, "bn"}, {SYS_chdir, "p"}, {SYS_fchdir, "f"}, {SYS_rename, "pp"}, {SYS_mkdir, "px"}, {SYS_rmdir, "p"},
    {SYS_creat, "px"}, {SYS_link, "pp"}, {SYS_unlink, "p"}, {SYS_symlink, "pp"}, {SYS_readlink, "pbn"},
    {SYS_chmod, "px"}, {SYS_fchmod, "fx"}, {SYS_chown, "pii"}, {SYS_getrlimit, "ib"}, {SYS_setrlimit, "ib"},
    {SYS_getrusage, "0b"}, {SYS_sysinfo, "b"}, {SYS_times, "t"}, {SYS_getgroups, "ib"}, {SYS_setgroups, "ib"},
    {SYS_rt_sigpending, "bE"}, {SYS_rt_sigtimedwait, "bt?E"}, {SYS_rt_sigqueueinfo, "isb"}, {SYS_sigaltstack, "tt"},
    {SYS_utime, "pt"}, {SYS_mknod, "pxi"}, {SYS_statfs, "pb"}, {SYS_fstatfs, "fb"}, {SYS_mlock, "al"},
    {SYS_munlock, "al"}, {SYS_mlockall, "i"}, {SYS_prctl, "ibii"}, {SYS_setxattr, "ppbni"}, {SYS_getxattr, "ppbn"},
    {SYS_listxattr, "pbn"}, {SYS_futex, "biitbi"}, {SYS_sched_getaffinity, "0nb"}, {SYS_sched_setaffinity, "0nb"},
    {SYS_epoll_create, "i"}, {SYS_fadvise64, "foni"}, {SYS_timer_create, "ibb"}, {SYS_timer_delete, "i"},
    {SYS_clock_gettime, "ib"}, {SYS_clock_settime, "ib"}, {SYS_clock_nanosleep, "ii?t"}, {SYS_epoll_wait, "fbi"},
    {SYS_epoll_ctl, "fifb"}, {SYS_utimes, "pt"}, {SYS_inotify_add_watch, "fpx"}, {SYS_openat, "dpxx"},
    {SYS_mkdirat, "dpx"}, {SYS_mknodat, "dpxi"}, {SYS_fchownat, "dpiii"}, {SYS_newfstatat, "dpb0"},
    {SYS_unlinkat, "dp0"}, {SYS_renameat, "dpdp"}, {SYS_linkat, "dpdp0"}, {SYS_symlinkat, "pdp"},
    {SYS_readlinkat, "dpbn"}, {SYS_fchmodat, "dpx"}, {SYS_faccessat, "dpi"}, {SYS_pselect6, "ittt?t"},
    {SYS_ppoll, "bi?tE"}, {SYS_splice, "ftftni"}, {SYS_tee, "ffni"}, {SYS_sync_file_range, "fooi"},
    {SYS_utimensat, "dpt0"}, {SYS_epoll_pwait, "fbiitE"}, {SYS_signalfd4, "fbE0"}, {SYS_timerfd_create, "i0"},
    {SYS_eventfd2, "i0"}, {SYS_fallocate, "fioo"}, {SYS_timerfd_settime, "fi?t"}, {SYS_timerfd_gettime, "fb"},
    {SYS_epoll_create1, "0"}, {SYS_dup3, "fi0"}, {SYS_pipe2, "b0"}, {SYS_inotify_init1, "0"}, {SYS_preadv, "fbio0"},
    {SYS_pwritev, "fbio0"}, {SYS_prlimit64, "0itt"}, {SYS_renameat2, "dpdpi"}, {SYS_getrandom, "bn0"},
    {SYS_memfd_create, "px"}, {SYS_membarrier, "ii"}, {SYS_mlock2, "ali"}, {SYS_copy_file_range, "ftftn0"},
    {SYS_preadv2, "fbio0i"}, {SYS_pwritev2, "fbio0i"}, {SYS_statx, "dp0xb"}, {SYS_openat2, "dpbn"},
    {SYS_close_range, "ii0"}, {SYS_faccessat2, "dpi0"}, {SYS_socketpair, "ii0b"}, {SYS_socket, "ii0"},
};
#define WISHES (sizeof wishes / sizeof *wishes)

static uint64_t wished(char kind) {
    static const unsigned short mapping[] = {0x22, 0x32, 0x21, 0x31, 0x02, 0x12, 0x01, 0x11, 0x8022, 0x8032, 0x122, 0x4022};
    switch (kind) {
    case 'f': return 3 + below(24);
    case 'p': return ARENA + below(PATHS) * 64;
    case 'b': return ARENA + (below(DATA_SIZE - 8192) & -8UL);
    case 'n': return below(4) ? below(8192) : below(100);
    case 'a': return ARENA + below(below(2) ? 32 : ARENA_SIZE / 4096) * 4096;
    case 'l': return (1 + below(below(4) ? 8 : 1200)) * 4096;
    case 'o': return below(2) ? below(100000) : 1UL << below(40);
    case 's': return below(66);
    case 't': return below(2) ? 0 : ARENA + (below(DATA_SIZE - 8192) & -8UL);
    case 'i': return below(24);
    case 'x': return below(4) ? 1UL << below(24) | 1UL << below(8) : below(0200);
    case 'd': return below(2) ? (uint64_t)AT_FDCWD : 3 + below(4);
    case 'm': return mapping[below(sizeof mapping / sizeof *mapping)];
    case 'r': return below(8);
    case 'E': return 8;
    case '0': return 0;
    default: return argument();
    }
}

static long free_kib(void) {
    struct sysinfo info;
    sysinfo(&info);
    return (long)(info.freeram * info.mem_unit / 1024);
}

static void call(int last) {
    static const long unknown[] = {-1, 1 << 20, 0x40000000, 1000, 0x7fffffff, 0x100000000};
    long nr = below(200) ? (long)below(TABLE) : unknown[below(6)], a[6];
    for (int i = 0; i < 6; i++)
        a[i] = argument();
    // Half of them as a program would want it, but for one argument now and then.
    if (below(2)) {
        int n = below(WISHES);
        nr = wishes[n].nr;
        for (int i = 0; i < 6 && wishes[n].args[i]; i++)
            a[i] = below(10) ? (long)wished(wishes[n].args[i]) : a[i];
    }
    if (!tame(nr, a) || (loses_rights(nr) && !last))
        return;
    no_waiting(a);
    if (trace)
        dprintf(SAFE, "%ld(%#lx, %#lx, %#lx, %#lx, %#lx, %#lx)\n", nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    long result = raw(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (trace)
        dprintf(SAFE, "  = %ld, %ld KiB free\n", result, free_kib());
    repair(nr, a, result);
}

// Removes a file or a directory with all that is in it.
static void purge(const char *path, int depth) {
    unlink(path);
    if (!rmdir(path) || errno == ENOENT || errno == ENOTDIR || depth == 0)
        return;
    char entries[2048], below_it[512];
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    long len;
    while (fd >= 0 && (len = RAW(SYS_getdents64, fd, entries, sizeof entries, 0, 0, 0)) > 0)
        for (char *at = entries; at < entries + len; at += *(unsigned short *)(at + 16)) {
            const char *name = at + 19;
            if (strcmp(name, ".") && strcmp(name, "..") && strlen(path) + strlen(name) < 500) {
                sprintf(below_it, "%s/%s", path, name);
                purge(below_it, depth - 1);
            }
        }
    close(fd);
    rmdir(path);
}

static void clean(void) {
    static const char *const left[] = {"/tmp/h", "/var/tmp/h", "/new", "/dev/new", "/var/tmp/new", "/tmp/new",
        "/var/new", "/below", "/sys/new"};
    chdir("/");
    close_all();
    munmap(arena, ARENA_SIZE);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        purge(left[i], 8);
}

static int memory_works(void) {
    long size = 4 << 20;
    char *memory = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        // The last round may have given up the right to raise a limit that it lowered.
        struct rlimit data, space;
        getrlimit(RLIMIT_DATA, &data), getrlimit(RLIMIT_AS, &space);
        return errno == ENOMEM && (data.rlim_max != RLIM_INFINITY || space.rlim_max != RLIM_INFINITY);
    }
    int works = 1;
    for (long i = 0; works && i < size; i += 4096)
        works = memory[i] == 0 && (memory[i] = 1);
    return works && !munmap(memory, size);
}

// Ordinary work: a program that starts over after all this finds a system that works.
static int still_works(void) {
    char back[8] = "";
    int fd = open("/tmp/after", O_RDWR | O_CREAT | O_TRUNC, 0644);
    int named = fd >= 0;
    // The last round may have given up the right to write there.
    if (!named && errno == EACCES)
        fd = memfd_create("after", 0);
    int file = fd >= 0 && write(fd, "content", 8) == 8 && pread(fd, back, 8, 0) == 8 && !strcmp(back, "content");
    close(fd);
    return file && (!named || !unlink("/tmp/after")) && memory_works();
}

// Fills and empties a file, so that memory that the kernel keeps for such things is its own before it is counted.
static void warm_up(void) {
    struct sysinfo info;
    sysinfo(&info);
    int fd = open("/tmp/warm", O_RDWR | O_CREAT, 0600);
    fallocate(fd, 0, 0, (off_t)(info.freeram * info.mem_unit / 4));
    close(fd);
    unlink("/tmp/warm");
}

int main(int argc, char **argv) {
    struct utsname name;
    uname(&name);
    if (!strstr(name.version, "nospin")) {
        puts("not on this system");
        return 2;
    }
    int rounds = argc > 1 ? atoi(argv[1]) : 8;
    uint64_t seed = argc > 2 ? strtoull(argv[2], 0, 0) : 1;
    trace = argc > 3;
    state = seed * 0x9e3779b97f4a7c15 ^ 0x2545f4914f6cdd1d;
    printf("seed %lu, %d rounds\n", (unsigned long)seed, rounds);
    fflush(stdout);
    heap_end = (uintptr_t)sbrk(0);
    dup2(1, SAFE);
    long before = 0;
    warm_up();
    for (int round = 0; round < rounds && !ruined; round++) {
        raise_limits(), calm(), lay_out(), open_all();
        for (int n = 0; n < CALLS && !ruined; n++)
            call(round == rounds - 1);
        raise_limits(), calm(), clean();
        if (trace)
            dprintf(SAFE, "round %d: %ld KiB free\n", round, free_kib());
        if (round == 0)
            before = free_kib();
    }
    long lost = before - free_kib();
    dprintf(SAFE, "ruined: %d\nworks: %d\nmemory: %s\n", ruined, still_works(), lost < 4096 ? "is back" : "is lost");
    if (lost >= 4096)
        dprintf(SAFE, "%ld KiB\n", lost);
    dprintf(SAFE, "survived\n");
    return 0;
}
