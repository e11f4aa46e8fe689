/* Files used by many threads at once: pipes, counters, epoll, sockets, positions, descriptors that come and go. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

typedef _Atomic int atomic_int;
typedef _Atomic long atomic_long;

static void check(const char *what, int ok) { printf("%s: %s\n", what, ok ? "ok" : "WRONG"); }

static void run(int count, void *(*body)(void *), void *arg)
{
    pthread_t threads[64];
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, body, arg);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static int fds[2], epoll, event, ended;
static atomic_long sum, number;
static atomic_int in_use;

/* A pipe with several readers and writers, each message one byte or four. */
static void *write_numbers(void *arg)
{
    (void)arg;
    int n;
    while ((n = (int)++number) <= 4000)
        if (write(fds[1], &n, sizeof n) != sizeof n)
            printf("write: %s\n", strerror(errno));
    return NULL;
}

static void *read_numbers(void *arg)
{
    (void)arg;
    int n;
    while (read(fds[0], &n, sizeof n) == sizeof n)
        sum += n;
    return NULL;
}

static void *read_all(void *arg)
{
    run(4, read_numbers, arg);
    return NULL;
}

static void pipes(int size)
{
    pthread_t readers;
    sum = number = 0;
    pipe(fds);
    fcntl(fds[1], F_SETPIPE_SZ, size);
    pthread_create(&readers, NULL, read_all, NULL);
    run(4, write_numbers, NULL);
    close(fds[1]);
    pthread_join(readers, NULL);
    close(fds[0]);
    printf("pipe of %d, sum: %ld\n", size, (long)sum);
}

/* Large writes are whole, whoever else writes. */
static void *write_large(void *arg)
{
    char block[4096];
    memset(block, 'a' + (int)++number, sizeof block);
    for (int i = 0; i < 50; i++)
        write(fds[1], block, sizeof block);
    return arg;
}

static void *check_blocks(void *arg)
{
    static char block[4096];
    long mixed = 0, got = 0;
    for (;;) {
        size_t have = 0;
        while (have < sizeof block) {
            ssize_t n = read(fds[0], block + have, sizeof block - have);
            if (n <= 0)
                goto out;
            have += n;
        }
        got++;
        for (size_t i = 1; i < sizeof block; i++)
            mixed += block[i] != block[0];
    }
out:
    printf("blocks: %ld, mixed: %ld\n", got, mixed);
    return arg;
}

static void whole_blocks(void)
{
    pthread_t reader;
    number = 0;
    pipe(fds);
    pthread_create(&reader, NULL, check_blocks, NULL);
    run(4, write_large, NULL);
    close(fds[1]);
    pthread_join(reader, NULL);
    close(fds[0]);
}

/* A counter as semaphore: as many are woken as there are units. */
static void *take_unit(void *arg)
{
    (void)arg;
    uint64_t unit;
    for (int i = 0; i < 100; i++)
        if (read(event, &unit, sizeof unit) == sizeof unit)
            sum += (long)unit;
    return NULL;
}

static void *give_units(void *arg)
{
    for (int i = 0; i < 200; i++)
        eventfd_write(event, 4);
    return arg;
}

static void counters(void)
{
    pthread_t giver;
    sum = 0;
    event = eventfd(0, EFD_SEMAPHORE);
    pthread_create(&giver, NULL, give_units, NULL);
    run(8, take_unit, NULL);
    pthread_join(giver, NULL);
    close(event);
    printf("units taken: %ld\n", (long)sum);
}

/* epoll: each event goes to one thread (EPOLLET and EPOLLONESHOT), nobody waits for ever. */
static void *collect(void *arg)
{
    uint32_t flags = *(uint32_t *)arg;
    for (;;) {
        struct epoll_event found;
        if (epoll_wait(epoll, &found, 1, -1) != 1)
            continue;
        if (found.data.fd == ended)
            return NULL;
        if (flags & EPOLLONESHOT && ++in_use != 1)
            printf("two at a time\n");
        int n;
        while (read(found.data.fd, &n, sizeof n) == sizeof n)
            sum += n;
        if (flags & EPOLLONESHOT) {
            in_use--;
            struct epoll_event again = { .events = flags, .data.fd = found.data.fd };
            epoll_ctl(epoll, EPOLL_CTL_MOD, found.data.fd, &again);
        }
    }
}

static void *collect_all(void *arg)
{
    run(4, collect, arg);
    return NULL;
}

static void epolls(const char *what, uint32_t flags)
{
    pthread_t readers;
    sum = number = 0;
    pipe2(fds, O_NONBLOCK);
    fcntl(fds[1], F_SETFL, 0);
    epoll = epoll_create1(0);
    ended = eventfd(0, 0);
    struct epoll_event add = { .events = flags, .data.fd = fds[0] };
    epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &add);
    struct epoll_event end = { .events = EPOLLIN, .data.fd = ended };
    epoll_ctl(epoll, EPOLL_CTL_ADD, ended, &end);
    pthread_create(&readers, NULL, collect_all, &flags);
    run(4, write_numbers, NULL);
    while (sum < 4000L * 4001 / 2)
        usleep(1000);
    eventfd_write(ended, 1);
    pthread_join(readers, NULL);
    close(fds[0]);
    close(fds[1]);
    close(ended);
    close(epoll);
    printf("epoll, %s: %ld\n", what, (long)sum);
}

/* Sets that change while threads wait for them. */
static void *change_set(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        int fd = eventfd(1, EFD_NONBLOCK);
        struct epoll_event add = { .events = EPOLLIN | EPOLLET, .data.fd = fd };
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &add) != 0)
            printf("add: %s\n", strerror(errno));
        if (i % 2)
            epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
        close(fd);
    }
    return NULL;
}

static void *wait_for_set(void *arg)
{
    (void)arg;
    for (;;) {
        struct epoll_event found[8];
        int n = epoll_wait(epoll, found, 8, -1);
        for (int i = 0; i < n; i++)
            if (found[i].data.fd == ended)
                return NULL;
    }
}

static void changing_sets(void)
{
    pthread_t waiters[2];
    epoll = epoll_create1(0);
    ended = eventfd(0, 0);
    struct epoll_event end = { .events = EPOLLIN, .data.fd = ended };
    epoll_ctl(epoll, EPOLL_CTL_ADD, ended, &end);
    for (int i = 0; i < 2; i++)
        pthread_create(&waiters[i], NULL, wait_for_set, NULL);
    run(4, change_set, NULL);
    eventfd_write(ended, 1);
    for (int i = 0; i < 2; i++)
        pthread_join(waiters[i], NULL);
    close(ended);
    close(epoll);
    printf("sets that change: done\n");
}

/* Sockets: many clients, several threads that accept from one socket. */
static int listener;

static void *serve(void *arg)
{
    for (;;) {
        int n, fd = accept(listener, NULL, NULL);
        if (fd < 0)
            return arg;
        if (read(fd, &n, sizeof n) == sizeof n) {
            n *= 2;
            write(fd, &n, sizeof n);
        }
        close(fd);
    }
}

static struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0threads" };

static void *ask(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        int n = i, fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&name, sizeof(sa_family_t) + 8) != 0)
            printf("connect: %s\n", strerror(errno));
        write(fd, &n, sizeof n);
        if (read(fd, &n, sizeof n) == sizeof n)
            sum += n;
        close(fd);
    }
    return NULL;
}

static void *serve_all(void *arg)
{
    run(4, serve, arg);
    return NULL;
}

static void sockets(void)
{
    pthread_t servers;
    sum = 0;
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&name, sizeof(sa_family_t) + 8);
    listen(listener, 4);
    pthread_create(&servers, NULL, serve_all, NULL);
    run(6, ask, NULL);
    shutdown(listener, SHUT_RDWR);
    pthread_join(servers, NULL);
    close(listener);
    printf("answers: %ld\n", (long)sum);
}

/* One description: positions and appends are nobody's but the caller's while a call runs. */
static int file;

static void *append(void *arg)
{
    char line[16];
    int who = (int)++number;
    for (int i = 0; i < 200; i++)
        write(file, line, sprintf(line, "%d:%03d\n", who, i));
    return arg;
}

static void *read_lines(void *arg)
{
    char line[6];
    while (read(file, line, 6) == 6) {
        if (line[1] != ':' || line[5] != '\n')
            printf("torn: %.6s\n", line);
        sum += atoi(line + 2);
    }
    return arg;
}

static void positions(const char *dir, int flags)
{
    char path[200];
    struct stat status;
    snprintf(path, sizeof path, "%s/lines.%d", dir, (int)getpid());
    number = sum = 0;
    file = open(path, O_RDWR | O_CREAT | O_TRUNC | flags, 0600);
    run(4, append, NULL);
    fstat(file, &status);
    lseek(file, 0, SEEK_SET);
    run(4, read_lines, NULL);
    printf("file: %ld bytes, sum %ld\n", (long)status.st_size, (long)sum);
    close(file);
    unlink(path);
}

/* Descriptors: the lowest free one, never one to two. */
static atomic_int owners[1024];

static void *open_and_close(void *arg)
{
    for (int i = 0; i < 500; i++) {
        int fd = dup(0);
        if (fd < 0 || ++owners[fd] != 1)
            printf("%d is another's\n", fd);
        owners[fd]--;
        close(fd);
    }
    return arg;
}

/* What a thread waits for is closed, or its number becomes another file's: it waits on. */
static void *read_one(void *arg)
{
    char byte = 0;
    in_use = 1;
    long n = read(fds[0], &byte, 1);
    return (void *)(n == 1 ? (long)byte : -1);
    (void)arg;
}

static void closed_while_read(void)
{
    pthread_t reader;
    void *result;
    in_use = 0;
    pipe(fds);
    int other = dup(fds[0]);
    pthread_create(&reader, NULL, read_one, NULL);
    while (!in_use)
        usleep(500);
    usleep(5000);
    close(fds[0]);
    write(fds[1], "y", 1);
    pthread_join(reader, &result);
    printf("read of a closed descriptor: %ld\n", (long)result);
    close(other);
    close(fds[1]);
}

/* poll of several files by several threads: all are told. */
static void *poll_all(void *arg)
{
    struct pollfd all[2] = { { fds[0], POLLIN, 0 }, { ended, POLLIN, 0 } };
    in_use++;
    int n = poll(all, 2, -1);
    sum += n == 1 && all[1].revents == POLLIN;
    return arg;
}

static void *poll_many(void *arg)
{
    run(10, poll_all, arg);
    return NULL;
}

static void polls(void)
{
    pthread_t pollers;
    sum = in_use = 0;
    pipe(fds);
    ended = eventfd(0, 0);
    pthread_create(&pollers, NULL, poll_many, NULL);
    while (in_use < 10)
        usleep(500);
    eventfd_write(ended, 1);
    pthread_join(pollers, NULL);
    printf("told: %ld\n", (long)sum);
    close(fds[0]);
    close(fds[1]);
    close(ended);
}

/* A timer that one thread waits for and another sets. */
static void *wait_for_timer(void *arg)
{
    uint64_t times = 0;
    in_use = 1;
    read(event, &times, sizeof times);
    return (void *)(long)(times > 0);
    (void)arg;
}

static void timers(void)
{
    pthread_t thread;
    void *result;
    in_use = 0;
    event = timerfd_create(CLOCK_MONOTONIC, 0);
    pthread_create(&thread, NULL, wait_for_timer, NULL);
    while (!in_use)
        usleep(500);
    usleep(3000);
    struct itimerspec soon = { .it_value.tv_nsec = 1000000 };
    timerfd_settime(event, 0, &soon, NULL);
    pthread_join(thread, &result);
    printf("timer that was set later: %ld\n", (long)result);
    close(event);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    pipes(65536);
    pipes(4096);
    whole_blocks();
    counters();
    epolls("level", EPOLLIN);
    epolls("edge", EPOLLIN | EPOLLET);
    epolls("oneshot", EPOLLIN | EPOLLONESHOT);
    epolls("exclusive", EPOLLIN | EPOLLEXCLUSIVE);
    changing_sets();
    sockets();
    positions(argc > 1 ? argv[1] : "/tmp", 0);
    positions(argc > 1 ? argv[1] : "/tmp", O_APPEND);
    run(4, open_and_close, NULL);
    closed_while_read();
    polls();
    timers();
    check("end", 1);
    return 0;
}
