// Many calls, most with long arguments or results, while the machine has no free page: each works or says that there is no memory, and
// the kernel goes on. When memory is back all of them work. Only for a machine of its own.
#define _GNU_SOURCE
#include "show.h"
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <time.h>

#define MIB (1ul << 20)
enum { GROUPS = 60000, HIGH = 19999, PAIRS = 150, AREAS = 1500, LINK = 4000, FILES = 300, LOCKS = 600 };

static char out[1 << 17], big[1 << 18], deep[PATH_MAX], text[LINK + 1], path[PATH_MAX];
static size_t used;
static int maps, smaps, status, netunix, locks, fdinfo, fddir, tmpdir, comm, route, file, epoll, pair[2 * PAIRS];
static struct pollfd polled[4096];
static struct iovec vectors[1024];
static struct epoll_event events[2 * PAIRS];
static gid_t groups[GROUPS];
static unsigned long set[(HIGH + 64) / 64];
static int lean, bad;

static void say(const char *what, const char *result) {
    int n = snprintf(out + used, sizeof out - used, "%s: %s\n", what, result);
    used += (size_t)n;
}

// How a call went: with memory it must work.
static void went(const char *what, long result) {
    int error = result < 0 && result > -4096 ? (int)-result : 0;
    int scarce = error == ENOMEM || error == ENOBUFS || error == EAGAIN || error == ENOSPC;
    if (error && !(lean && scarce)) {
        bad++;
        say(what, error_name(error));
    }
}

#define CALL(nr, ...) CALL_(nr, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(nr, a, b, c, d, e, f, ...) RAW(nr, a, b, c, d, e, f)

// Makes a call that reads again and again, from the beginning to the end.
static void all_of(const char *what, long nr, int fd) {
    CALL(SYS_lseek, fd, 0, SEEK_SET);
    long n;
    do
        n = CALL(nr, fd, big, sizeof big);
    while (n > 0);
    went(what, n);
}

// A call that makes a descriptor.
static void makes(const char *what, long fd) {
    went(what, fd);
    if (fd >= 0)
        CALL(SYS_close, fd);
}

static void descriptors(void) {
    makes("open /proc/self/maps", CALL(SYS_open, "/proc/self/maps", O_RDONLY));
    makes("open a long link", CALL(SYS_open, "/tmp/long", O_RDONLY));
    makes("open and create", CALL(SYS_open, "/tmp/new", O_RDWR | O_CREAT, 0600));
    makes("socket", CALL(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
    makes("TCP socket", CALL(SYS_socket, AF_INET, SOCK_STREAM, 0));
    makes("UDP socket", CALL(SYS_socket, AF_INET, SOCK_DGRAM, 0));
    makes("epoll", CALL(SYS_epoll_create1, 0));
    makes("eventfd", CALL(SYS_eventfd2, 0, 0));
    makes("timerfd", CALL(SYS_timerfd_create, CLOCK_MONOTONIC, 0));
    makes("signalfd", CALL(SYS_signalfd4, -1, &(long){2}, 8, 0));
    makes("inotify", CALL(SYS_inotify_init1, 0));
    makes("memfd", CALL(SYS_memfd_create, "x", 0));
    makes("dup", CALL(SYS_dup, 0));
    int two[2];
    long made = CALL(SYS_pipe2, two, 0);
    went("pipe", made);
    if (!made)
        close(two[0]), close(two[1]);
}

static void files(void) {
    struct stat st;
    went("stat a long link", CALL(SYS_stat, "/tmp/long", &st));
    went("stat a long path", CALL(SYS_stat, text, &st));
    went("readlink", CALL(SYS_readlink, "/tmp/long", big, sizeof big));
    went("getcwd", CALL(SYS_getcwd, big, sizeof big));
    long made = CALL(SYS_symlink, text, "/tmp/another");
    went("symlink", made);
    if (!made)
        went("rename", CALL(SYS_rename, "/tmp/another", "/tmp/third")), unlink("/tmp/third"), unlink("/tmp/another");
    made = CALL(SYS_mkdir, "/tmp/directory", 0700);
    went("mkdir", made);
    if (!made)
        went("rmdir", CALL(SYS_rmdir, "/tmp/directory"));
    CALL(SYS_unlink, "/tmp/new");
    went("setxattr", CALL(SYS_setxattr, "/tmp/file", "user.x", big, 3000, 0));
    went("getxattr", CALL(SYS_getxattr, "/tmp/file", "user.x", big, sizeof big) == -ENODATA);
    went("listxattr", CALL(SYS_listxattr, "/tmp/file", big, sizeof big));
    went("write", CALL(SYS_pwrite64, file, big, 10000, 0));
    went("writev", CALL(SYS_pwritev, file, vectors, 1024, 0));
    went("readv", CALL(SYS_preadv, file, vectors, 1024, 0));
    went("punch a hole", CALL(SYS_fallocate, file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 6 * MIB));
    went("cut", CALL(SYS_ftruncate, file, 5000));
    went("write a name", CALL(SYS_write, comm, big, 4096) < 0 ? -ENOMEM : 0);
    all_of("list descriptors", SYS_getdents64, fddir);
    all_of("list files", SYS_getdents64, tmpdir);
}

static void messages(void) {
    static char control[CMSG_SPACE(100 * sizeof(int))], back[sizeof control];
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 1024, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){.cmsg_len = CMSG_LEN(100 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    for (int i = 0; i < 100; i++)
        memcpy(CMSG_DATA(head) + i * sizeof(int), &(int){0}, sizeof(int));
    went("sendmsg", CALL(SYS_sendmsg, pair[0], &message, MSG_DONTWAIT));
    message.msg_control = back;
    message.msg_flags = 0;
    long got = CALL(SYS_recvmsg, pair[1], &message, MSG_DONTWAIT);
    went("recvmsg", got == -EAGAIN ? 0 : got);
    if (got >= 0 && (head = CMSG_FIRSTHDR(&message)))
        for (size_t i = 0; i * sizeof(int) < head->cmsg_len - CMSG_LEN(0); i++)
            CALL(SYS_close, ((int *)CMSG_DATA(head))[i]);
    while (CALL(SYS_recvfrom, pair[1], big, sizeof big, MSG_DONTWAIT) > 0)
        ;
    struct {
        struct nlmsghdr head;
        struct rtgenmsg body;
    } ask = {{sizeof ask, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, {AF_UNSPEC}};
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    went("ask for addresses", CALL(SYS_sendto, route, &ask, sizeof ask, 0, &kernel, sizeof kernel));
    long nothing = CALL(SYS_sendto, route, big, 8192, 0, &kernel, sizeof kernel);
    went("say nothing at length", nothing);
    while (CALL(SYS_recvfrom, route, big, sizeof big, MSG_DONTWAIT) > 0)
        ;
}

static void others(void) {
    struct timeval none = {0, 0};
    went("getgroups", CALL(SYS_getgroups, GROUPS, big));
    went("setgroups", CALL(SYS_setgroups, GROUPS, groups));
    memset(set, 0, sizeof set);
    set[HIGH / 64] = 1ul << HIGH % 64;
    went("select", CALL(SYS_select, HIGH + 1, set, set, set, &none));
    memset(set, 0, sizeof set);
    went("select of nothing", CALL(SYS_select, HIGH + 1, set, set, set, &none));
    went("poll", CALL(SYS_poll, polled, 4096, 0));
    went("epoll_wait", CALL(SYS_epoll_wait, epoll, events, 2 * PAIRS, 0));
    went("getpriority", CALL(SYS_getpriority, PRIO_PGRP, 0));
    long at = CALL(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    went("mmap", at);
    if (at > 0)
        went("munmap", CALL(SYS_munmap, at, 4096));
    went("prctl", CALL(SYS_prctl, 15, "name"));
    went("getrandom", CALL(SYS_getrandom, big, 256, 0));
    went("uname", CALL(SYS_uname, big));
    went("times", CALL(SYS_times, big));
    timer_t timer;
    long made = CALL(SYS_timer_create, CLOCK_MONOTONIC, 0, &timer);
    went("timer_create", made);
    if (!made)
        CALL(SYS_timer_delete, *(int *)&timer);
    long pages = CALL(SYS_mincore, (long)out & ~4095l, 1 << 17, big);
    went("mincore", pages == -ENOMEM && !lean ? -EINVAL : pages);
}

static void texts(void) {
    all_of("maps", SYS_read, maps), all_of("smaps", SYS_read, smaps);
    all_of("status", SYS_read, status), all_of("sockets", SYS_read, netunix);
    all_of("locks", SYS_read, locks), all_of("fdinfo", SYS_read, fdinfo);
}

static void round_of_calls(void) {
    texts(), descriptors(), files(), messages(), others();
}

static void prepare(void) {
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){HIGH + 1, HIGH + 1});
    // Areas that cannot be one.
    char *at = mmap(0, AREAS * 4096ul, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < AREAS; i += 2)
        mprotect(at + i * 4096ul, 4096, PROT_READ);
    for (int i = 0; i < GROUPS; i++)
        groups[i] = (gid_t)i * 3;
    setgroups(GROUPS, groups);
    epoll = epoll_create1(0);
    for (int i = 0; i < PAIRS; i++) {
        socketpair(AF_UNIX, i ? SOCK_STREAM : SOCK_DGRAM, 0, pair + 2 * i);
        for (int j = 0; j < 2; j++)
            epoll_ctl(epoll, EPOLL_CTL_ADD, pair[2 * i + j], &(struct epoll_event){.events = EPOLLOUT});
    }
    dup2(0, HIGH);
    memset(text, '/', LINK);
    memcpy(text, "/tmp", 4);
    for (int i = 5; i < LINK - 1; i += 2)
        text[i] = '.';
    symlink(text, "/tmp/long");
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "/tmp/file-with-a-name-that-is-not-so-short-%d", i);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    // A directory whose path is long.
    char name[101];
    memset(name, 'd', 100), name[100] = 0;
    chdir("/tmp");
    for (int i = 0; i < 30; i++)
        mkdir(name, 0700), chdir(name);
    file = open("/tmp/file", O_CREAT | O_RDWR, 0600);
    for (int i = 0; i < LOCKS; i++)
        fcntl(file, F_SETLK, &(struct flock){F_WRLCK, SEEK_SET, i * 3, 1, 0});
    for (int i = 0; i < 4096; i++)
        polled[i] = (struct pollfd){i % 3 ? -1 : 0, POLLIN, 0};
    for (int i = 0; i < 1024; i++)
        vectors[i] = (struct iovec){big + i, 1};
    maps = open("/proc/self/maps", O_RDONLY), smaps = open("/proc/self/smaps", O_RDONLY);
    status = open("/proc/self/status", O_RDONLY), netunix = open("/proc/net/unix", O_RDONLY);
    locks = open("/proc/locks", O_RDONLY), comm = open("/proc/self/comm", O_WRONLY);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", epoll);
    fdinfo = open(path, O_RDONLY);
    fddir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY), tmpdir = open("/tmp", O_RDONLY | O_DIRECTORY);
    route = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    memset(big, 0, sizeof big), memset(out, 0, sizeof out), memset(set, 0, sizeof set);
}

// All free memory, in pieces that become smaller. Nothing may be written to afterwards that was not before.
static void *take(void) {
    struct sysinfo info;
    void *first = 0;
    for (size_t size = 4 * MIB; size >= 4096;) {
        void **at = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED) {
            size /= 2;
            continue;
        }
        unsigned char resident = 0;
        mincore(at, 4096, &resident);
        if (!(resident & 1)) {
            munmap(at, size);
            size /= 2;
            continue;
        }
        at[0] = first, at[1] = (void *)size;
        first = at;
        sysinfo(&info);
        if (info.freeram < size)
            size /= 2;
    }
    return first;
}

static void give_back(void *first) {
    while (first) {
        void *next = ((void **)first)[0];
        munmap(first, (size_t)((void **)first)[1]);
        first = next;
    }
}

int main(void) {
    struct sysinfo info;
    deep[0] = 1;
    prepare();
    ftruncate(file, 0);
    for (size_t at = 0; at < 8 * MIB; at += sizeof big)
        pwrite(file, big, sizeof big, (off_t)at);
    round_of_calls();
    for (int i = 0; i < 2; i++) {
        ftruncate(file, 0);
        for (size_t at = 0; at < 8 * MIB; at += sizeof big)
            pwrite(file, big, sizeof big, (off_t)at);
        void *taken = take();
        lean = 1;
        CALL(SYS_sysinfo, &info);
        say("little is left", info.freeram < 256 << 10 ? "yes" : "no");
        round_of_calls();
        round_of_calls();
        give_back(taken);
        lean = 0;
        round_of_calls();
    }
    say("wrong", bad ? "some" : "nothing");
    CALL(SYS_write, 1, out, used);
    return 0;
}
