// Limits beside those on memory: on the size of files, with SIGXFSZ; then, as a user without capabilities, on locked memory,
// threads, priorities, signals and the limits themselves. Needs root to begin with. Argument 1 is a directory.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static volatile int got, code, uid;

static void handler(int signal, siginfo_t *info, void *context) {
    got = signal;
    code = info->si_code;
    uid = info->si_uid;
}

static long limit(int resource, rlim_t soft, rlim_t hard) {
    struct rlimit r = {soft, hard};
    return RAW(SYS_prlimit64, 0, resource, &r, 0, 0, 0);
}

// A call, whether it brought SIGXFSZ, and how long the file is then.
static void sized(const char *what, int fd, long result) {
    struct stat st;
    fstat(fd, &st);
    show(what, result);
    printf("  signal %d, code %d, size %ld\n", got, code, (long)st.st_size);
    got = code = 0;
}

static void sizes(const char *dir) {
    static char buf[8192];
    char path[PATH_MAX], other[PATH_MAX];
    struct iovec vectors[2] = {{buf, 60}, {buf, 60}};
    snprintf(path, sizeof path, "%s/limited", dir);
    snprintf(other, sizeof other, "%s/source", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), from = open(other, O_RDWR | O_CREAT | O_TRUNC, 0600);
    write(from, buf, sizeof buf);
    sized("write before", fd, RAW(SYS_write, fd, buf, 5000, 0, 0, 0));
    show("limit", limit(RLIMIT_FSIZE, 100, RLIM_INFINITY));
    sized("overwrite within", fd, RAW(SYS_pwrite64, fd, buf, 10, 0, 0, 0));
    sized("overwrite up to it", fd, RAW(SYS_pwrite64, fd, buf, 50, 90, 0, 0));
    sized("overwrite beyond it", fd, RAW(SYS_pwrite64, fd, buf, 50, 100, 0, 0));
    sized("append", fd, RAW(SYS_write, fd, buf, 1, 0, 0, 0));
    sized("nothing", fd, RAW(SYS_write, fd, buf, 0, 0, 0, 0));
    sized("truncate longer", fd, RAW(SYS_ftruncate, fd, 6000, 0, 0, 0, 0));
    sized("truncate the same", fd, RAW(SYS_ftruncate, fd, 5000, 0, 0, 0, 0));
    sized("truncate shorter", fd, RAW(SYS_ftruncate, fd, 4000, 0, 0, 0, 0));
    sized("truncate to nothing", fd, RAW(SYS_ftruncate, fd, 0, 0, 0, 0, 0));
    sized("truncate to it", fd, RAW(SYS_truncate, path, 100, 0, 0, 0, 0));
    sized("truncate by path", fd, RAW(SYS_truncate, path, 101, 0, 0, 0, 0));
    ftruncate(fd, 0);
    lseek(fd, 0, SEEK_SET);
    sized("writev", fd, RAW(SYS_writev, fd, vectors, 2, 0, 0, 0));
    sized("writev again", fd, RAW(SYS_writev, fd, vectors, 2, 0, 0, 0));
    sized("pwritev2", fd, RAW(SYS_pwritev2, fd, vectors, 2, 95, 0, 0));
    sized("pwritev2 behind", fd, RAW(SYS_pwritev2, fd, vectors, 2, 300, 0, 0));
    ftruncate(fd, 0);
    lseek(fd, 0, SEEK_SET);
    lseek(from, 0, SEEK_SET);
    sized("sendfile", fd, RAW(SYS_sendfile, fd, from, 0, 300, 0, 0));
    sized("sendfile again", fd, RAW(SYS_sendfile, fd, from, 0, 300, 0, 0));
    ftruncate(fd, 0);
    long in = 0, out = 70;
    sized("copy_file_range", fd, RAW(SYS_copy_file_range, from, &in, fd, &out, 300, 0));
    out = 100;
    sized("copy_file_range behind", fd, RAW(SYS_copy_file_range, from, &in, fd, &out, 300, 0));
    int pipes[2];
    pipe(pipes);
    write(pipes[1], buf, 200);
    ftruncate(fd, 0);
    out = 150;
    sized("splice behind", fd, RAW(SYS_splice, pipes[0], 0, fd, &out, 10, 0));
    ftruncate(fd, 0);
    sized("fallocate", fd, RAW(SYS_fallocate, fd, 0, 0, 4096, 0, 0));
    sized("fallocate within", fd, RAW(SYS_fallocate, fd, 0, 0, 100, 0, 0));
    sized("a pipe", pipes[1], RAW(SYS_write, pipes[1], buf, 4096, 0, 0, 0));
    int null = open("/dev/null", O_WRONLY), memory = RAW(SYS_memfd_create, "x", 0, 0, 0, 0, 0);
    show("/dev/null", RAW(SYS_write, null, buf, 4096, 0, 0, 0));
    sized("memfd", memory, RAW(SYS_write, memory, buf, 4096, 0, 0, 0));
    sized("memfd again", memory, RAW(SYS_write, memory, buf, 1, 0, 0, 0));
    int appending = open(path, O_WRONLY | O_APPEND);
    sized("O_APPEND at it", appending, RAW(SYS_write, appending, buf, 1, 0, 0, 0));
    ftruncate(fd, 90);
    sized("O_APPEND before it", appending, RAW(SYS_write, appending, buf, 50, 0, 0, 0));
    signal(SIGXFSZ, SIG_IGN);
    sized("ignored", appending, RAW(SYS_write, appending, buf, 1, 0, 0, 0));
    show("lifted", limit(RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY));
    sized("write after", appending, RAW(SYS_write, appending, buf, 1, 0, 0, 0));
    close(appending), close(fd), close(from);
    unlink(path), unlink(other);
}

static long map(size_t len, int flags) {
    void *p = mmap(0, len, RW, ANON | flags, -1, 0);
    if (p == MAP_FAILED)
        return -errno;
    munmap(p, len);
    return 0;
}

static void locking(const char *who) {
    char *p = mmap(0, 64 * PAGE, RW, ANON, -1, 0);
    printf("%s:\n", who);
    show("mlock within", RAW(SYS_mlock, p, 8 * PAGE, 0, 0, 0, 0));
    show("mlock again", RAW(SYS_mlock, p, 16 * PAGE, 0, 0, 0, 0));
    show("mlock too much", RAW(SYS_mlock, p + 32 * PAGE, PAGE, 0, 0, 0, 0));
    show("mlock over what is locked", RAW(SYS_mlock, p + 8 * PAGE, 9 * PAGE, 0, 0, 0, 0));
    show("mlock2 too much", RAW(SYS_mlock2, p + 32 * PAGE, PAGE, 1, 0, 0, 0));
    show("MAP_LOCKED too much", map(PAGE, MAP_LOCKED));
    show("mremap of locked", (long)mremap(p, 16 * PAGE, 17 * PAGE, 0) == -1 ? -errno : 0);
    show("mremap longer", (long)mremap(p, 16 * PAGE, 20 * PAGE, MREMAP_MAYMOVE) == -1 ? -errno : 0);
    munmap(p, 64 * PAGE);
    RAW(SYS_munlockall, 0, 0, 0, 0, 0, 0);
    show("MAP_LOCKED within", map(16 * PAGE, MAP_LOCKED));
    show("mlockall", RAW(SYS_mlockall, MCL_CURRENT, 0, 0, 0, 0, 0));
    show("mlockall of the future", RAW(SYS_mlockall, MCL_FUTURE, 0, 0, 0, 0, 0));
    show("the future", map(17 * PAGE, 0));
    RAW(SYS_munlockall, 0, 0, 0, 0, 0, 0);
}

static void *nothing(void *arg) {
    pause();
    return arg;
}

static long thread(void) {
    pthread_t id;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    return -(long)pthread_create(&id, &attr, nothing, 0);
}

static void priorities(void) {
    struct sched_param two = {2}, one = {1}, three = {3}, none = {0};
    show("SCHED_FIFO", RAW(SYS_sched_setscheduler, 0, SCHED_FIFO, &one, 0, 0, 0));
    show("nice better", setpriority(PRIO_PROCESS, 0, -1) ? -errno : 0);
    show("nice worse", setpriority(PRIO_PROCESS, 0, 5) ? -errno : 0);
    show("nice back", setpriority(PRIO_PROCESS, 0, 4) ? -errno : 0);
    show("RLIMIT_NICE", limit(RLIMIT_NICE, 17, 17));
    show("nice back, allowed", setpriority(PRIO_PROCESS, 0, 3) ? -errno : 0);
    show("nice better than that", setpriority(PRIO_PROCESS, 0, 2) ? -errno : 0);
    show("RLIMIT_RTPRIO", limit(RLIMIT_RTPRIO, 2, 2));
    show("SCHED_FIFO 3", RAW(SYS_sched_setscheduler, 0, SCHED_FIFO, &three, 0, 0, 0));
    show("SCHED_FIFO 2", RAW(SYS_sched_setscheduler, 0, SCHED_FIFO, &two, 0, 0, 0));
    show("sched_setparam 3", RAW(SYS_sched_setparam, 0, &three, 0, 0, 0, 0));
    show("RLIMIT_RTPRIO lower", limit(RLIMIT_RTPRIO, 0, 2));
    show("sched_setparam 1", RAW(SYS_sched_setparam, 0, &one, 0, 0, 0, 0));
    show("sched_setparam 2", RAW(SYS_sched_setparam, 0, &two, 0, 0, 0, 0));
    show("SCHED_RR", RAW(SYS_sched_setscheduler, 0, SCHED_RR, &one, 0, 0, 0));
    show("SCHED_OTHER", RAW(SYS_sched_setscheduler, 0, SCHED_OTHER, &none, 0, 0, 0));
    show("SCHED_FIFO again", RAW(SYS_sched_setscheduler, 0, SCHED_FIFO, &one, 0, 0, 0));
}

static void queued(void) {
    union sigval value = {0};
    show("SIGPENDING", limit(RLIMIT_SIGPENDING, 3, 3));
    for (int i = 0; i < 5; i++)
        show("sigqueue", sigqueue(getpid(), SIGRTMIN, value) ? -errno : 0);
    show("kill all the same", kill(getpid(), SIGUSR1) ? -errno : 0);
}

int main(int argc, char **argv) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigset_t set;
    // For the threads, too.
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN), sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, 0);
    setvbuf(stdout, malloc(1 << 16), _IOFBF, 1 << 16);
    sigaction(SIGXFSZ, &action, 0);
    sizes(argv[1]);
    show("MEMLOCK", limit(RLIMIT_MEMLOCK, 16 * PAGE, 32 * PAGE));
    // Without an argument 2 both stay 0: not every root may raise them.
    if (argc > 2) {
        show("NICE", limit(RLIMIT_NICE, 0, 17));
        show("RTPRIO", limit(RLIMIT_RTPRIO, 0, 2));
    }
    show("NPROC", limit(RLIMIT_NPROC, 3, 10));
    show("NOFILE", limit(RLIMIT_NOFILE, 20, 30));
    show("NOFILE beyond nr_open", limit(RLIMIT_NOFILE, 20, RLIM_INFINITY));
    show("soft above hard", limit(RLIMIT_AS, 20, 10));
    show("no such limit", limit(16, 20, 20));
    RAW(SYS_setgroups, 0, 0, 0, 0, 0, 0);
    // A user of its own: the threads of all processes of a user count, also those of the same test beside this one.
    int me = 20000 + getpid() % 40000;
    show("become a user", RAW(SYS_setresuid, me, me, me, 0, 0, 0));
    sigaction(SIGTERM, &action, 0);
    kill(getpid(), SIGTERM);
    printf("kill: %d, code %d, from me: %d\n", got, code, uid == me);
    got = code = uid = 0;
    RAW(SYS_tgkill, getpid(), getpid(), SIGTERM, 0, 0, 0);
    printf("tgkill: %d, code %d, from me: %d\n", got, code, uid == me);
    show("kill init", RAW(SYS_kill, 1, 0, 0, 0, 0, 0));
    locking("a little");
    show("raise soft", limit(RLIMIT_MEMLOCK, 32 * PAGE, 32 * PAGE));
    show("raise hard", limit(RLIMIT_MEMLOCK, 32 * PAGE, 33 * PAGE));
    show("raise hard without end", limit(RLIMIT_MEMLOCK, 32 * PAGE, RLIM_INFINITY));
    show("lower hard", limit(RLIMIT_MEMLOCK, 0, 16 * PAGE));
    locking("nothing at all");
    show("first thread", thread());
    show("second thread", thread());
    show("third thread", thread());
    show("NPROC raised", limit(RLIMIT_NPROC, 4, 10));
    show("third thread", thread());
    show("fourth thread", thread());
    int last = -1, fd;
    while ((fd = open("/dev/null", O_RDONLY)) >= 0)
        last = fd;
    printf("last descriptor: %d, %s\n", last, error_name(errno));
    show("dup2 within", RAW(SYS_dup2, 0, 19, 0, 0, 0, 0));
    show("dup2 behind", RAW(SYS_dup2, 0, 20, 0, 0, 0, 0));
    show("F_DUPFD behind", RAW(SYS_fcntl, 0, F_DUPFD, 20, 0, 0, 0));
    show("socket", RAW(SYS_socket, 1, 1, 0, 0, 0, 0));
    show("epoll_create", RAW(SYS_epoll_create1, 0, 0, 0, 0, 0, 0));
    show("eventfd", RAW(SYS_eventfd2, 0, 0, 0, 0, 0, 0));
    int pair[2];
    show("pipe", RAW(SYS_pipe2, pair, 0, 0, 0, 0, 0));
    close(last);
    show("pipe with one place", RAW(SYS_pipe2, pair, 0, 0, 0, 0, 0));
    show("one place", open("/dev/null", O_RDONLY) == last);
    priorities();
    queued();
    fflush(stdout);
    return 0;
}
