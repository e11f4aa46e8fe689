// Small operations in loops, for calls.py, which counts their instructions in nospin and in a Linux guest.
//
// Argument 3 chooses operations by a part of their name. As the first process of a Linux guest it mounts what it needs, and turns the machine off in the end.
#define _GNU_SOURCE
#include "marks.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PAGES 1024 // mapped at a time to measure page faults

static int file, zero, ready, event, watch, ends[2], listener;
static struct sockaddr_un address = {AF_UNIX, "\0calls"};
static const socklen_t address_len = offsetof(struct sockaddr_un, sun_path) + 6;
static char buffer[4096];
static volatile int handled;

static void null_call(long n) { while (n--) syscall(SYS_getppid); }
static void read_1(long n) { while (n--) pread(file, buffer, 1, 0); }
static void write_1(long n) { while (n--) pwrite(file, buffer, 1, 0); }
static void read_4k(long n) { while (n--) pread(file, buffer, 4096, 0); }
static void write_4k(long n) { while (n--) pwrite(file, buffer, 4096, 0); }
static void zero_1(long n) { while (n--) read(zero, buffer, 1); }
static void zero_4k(long n) { while (n--) read(zero, buffer, 4096); }
static void into_zero_4k(long n) { while (n--) write(zero, buffer, 4096); }

static void stat_5(long n) {
    struct stat st;
    while (n--) stat("/tmp/a/b/c/file", &st);
}

// With its share of mapping and unmapping, which is a 1024th.
static void page_fault(long n) {
    while (n > 0) {
        char *p = mmap(0, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        madvise(p, PAGES * 4096, MADV_NOHUGEPAGE);
        for (int i = 0; i < PAGES && n > 0; i++, n--)
            p[i * 4096] = 1;
        munmap(p, PAGES * 4096);
    }
}

static void map_unmap(long n) {
    while (n--)
        munmap(mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 65536);
}

static void handler(int signal) { handled = signal; }

// The call that sends it, delivery, and the return from the handler.
static void signal_return(long n) {
    pid_t pid = getpid();
    signal(SIGUSR1, handler);
    while (n--) syscall(SYS_tgkill, pid, pid, SIGUSR1);
}

// What a server does for each request.
static void poll_ready(long n) {
    struct epoll_event found;
    while (n--) epoll_wait(watch, &found, 1, 0);
}

static void event_round(long n) {
    long value = 1;
    while (n--) write(event, &value, 8), read(event, &value, 8);
}

static void stream_round(long n) {
    while (n--) write(ends[0], buffer, 64), read(ends[1], buffer, 64);
}

static void message_round(long n) {
    struct iovec part = {buffer, 64};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    while (n--) sendmsg(ends[0], &message, MSG_NOSIGNAL), recvmsg(ends[1], &message, 0);
}

static void writev_2(long n) {
    struct iovec parts[2] = {{buffer, 16}, {buffer + 16, 64}};
    while (n--) writev(ends[0], parts, 2), read(ends[1], buffer, sizeof buffer);
}

// A whole short connection: socket, connect, accept4, twice close.
static void connection(long n) {
    while (n--) {
        int client = socket(AF_UNIX, SOCK_STREAM, 0);
        connect(client, (struct sockaddr *)&address, address_len);
        close(accept4(listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC));
        close(client);
    }
}

static void clock_read(long n) {
    struct timespec now;
    while (n--) clock_gettime(CLOCK_MONOTONIC, &now);
}

static void open_for_server(void) {
    struct epoll_event wanted = {.events = EPOLLIN};
    ready = eventfd(1, EFD_NONBLOCK);
    event = eventfd(0, EFD_NONBLOCK);
    watch = epoll_create1(0);
    epoll_ctl(watch, EPOLL_CTL_ADD, ready, &wanted);
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&address, address_len);
    listen(listener, 8);
}

// Two threads that hand something to each other, there and back: two wake-ups and two switches each.
static void with_partner(long n, void *(*partner)(void *), void (*mine)(long)) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, partner, &n))
        return;
    mine(n);
    pthread_join(thread, NULL);
}

static int word; // whose turn it is

static void hand_over(int me, long n) {
    while (n--) {
        while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) != me)
            syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, !me, NULL);
        __atomic_store_n(&word, !me, __ATOMIC_RELEASE);
        syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1);
    }
}

static void *futex_partner(void *n) { return hand_over(1, *(long *)n), NULL; }
static void futex_mine(long n) { hand_over(0, n); }
static void futex_round(long n) { with_partner(n, futex_partner, futex_mine); }

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned[2] = {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER};
static int turn;

static void take_turns(int me, long n) {
    pthread_mutex_lock(&mutex);
    while (n--) {
        while (turn != me)
            pthread_cond_wait(&turned[me], &mutex);
        turn = !me;
        pthread_cond_signal(&turned[turn]);
    }
    pthread_mutex_unlock(&mutex);
}

static void *cond_partner(void *n) { return take_turns(1, *(long *)n), NULL; }
static void cond_mine(long n) { take_turns(0, n); }
static void cond_round(long n) { with_partner(n, cond_partner, cond_mine); }

static int there[2], back[2];

static void *pipe_partner(void *n) {
    char c;
    for (long left = *(long *)n; left > 0 && read(there[0], &c, 1) == 1; left--)
        write(back[1], &c, 1);
    return NULL;
}

static void pipe_mine(long n) {
    char c = 0;
    while (n-- && write(there[1], &c, 1) == 1)
        read(back[0], &c, 1);
}

static void pipe_round(long n) { with_partner(n, pipe_partner, pipe_mine); }

static void yield_mine(long n) { while (n--) sched_yield(); }
static void *yield_partner(void *n) { return yield_mine(*(long *)n), NULL; }
static void yield_both(long n) { with_partner(n, yield_partner, yield_mine); }

static const struct operation ops[] = {
    {"getppid", null_call}, {"read 1 byte, tmpfs", read_1}, {"write 1 byte, tmpfs", write_1},
    {"read 4 KiB, tmpfs", read_4k}, {"write 4 KiB, tmpfs", write_4k}, {"read 1 byte, /dev/zero", zero_1},
    {"read 4 KiB, /dev/zero", zero_4k}, {"write 4 KiB, /dev/zero", into_zero_4k}, {"stat, 5 levels", stat_5},
    {"page fault, anonymous", page_fault}, {"mmap + munmap", map_unmap}, {"signal + return", signal_return},
    {"epoll_wait, 1 ready", poll_ready}, {"eventfd write + read", event_round}, {"AF_UNIX write + read", stream_round},
    {"AF_UNIX sendmsg + recvmsg", message_round}, {"AF_UNIX writev + read", writev_2},
    {"AF_UNIX connection", connection}, {"clock_gettime", clock_read},
    {"futex, there and back", futex_round}, {"condvar, there and back", cond_round},
    {"pipe, there and back", pipe_round}, {"sched_yield, two switches", yield_both},
};

int main(int argc, char **argv) {
    long counts[2] = {argc > 1 ? atol(argv[1]) : 2000, argc > 2 ? atol(argv[2]) : 12000};
    if (getpid() == 1) {
        mkdir("/dev", 0755), mkdir("/tmp", 0755);
        mount("dev", "/dev", "devtmpfs", 0, 0);
        mount("tmp", "/tmp", "tmpfs", 0, 0);
    }
    zero = open("/dev/zero", O_RDWR);
    mkdir("/tmp/a", 0755), mkdir("/tmp/a/b", 0755), mkdir("/tmp/a/b/c", 0755);
    file = open("/tmp/a/b/c/file", O_RDWR | O_CREAT, 0644);
    write(file, buffer, sizeof buffer);
    open_for_server();
    if (pipe(there) || pipe(back))
        return 1;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (argc > 3 && !strstr(ops[i].name, argv[3]))
            continue;
        measure(ops[i], 100, counts);
    }
    end_marks();
    return file < 0 || zero < 0;
}
