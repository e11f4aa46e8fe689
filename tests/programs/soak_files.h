/* The part of `soak` in which threads wait for files: a pipe, counters under epoll, sockets. */
#include "soak.h"

/* Numbers through a pipe, in writes and reads of any size. */
static int numbers[2];

static void pipe_in(struct worker *me)
{
    unsigned next = 0, some[3000];
    while (!stopping) {
        unsigned count = 1 + below(me, below(me, 8) == 0 ? 3000 : 20);
        for (unsigned i = 0; i < count; i++)
            some[i] = next++;
        whole(me, numbers[1], some, count * sizeof *some, 1);
        me->steps++;
    }
    close(numbers[1]);
}

static void pipe_out(struct worker *me)
{
    unsigned char bytes[9000];
    uint64_t at = 0;
    ssize_t n;
    while ((n = read(numbers[0], bytes, 1 + below(me, sizeof bytes))) > 0) {
        for (ssize_t i = 0; i < n; i++, at++)
            CHECK(bytes[i] == (unsigned char)((unsigned)(at / 4) >> at % 4 * 8));
        me->steps++;
    }
    CHECK(n == 0);
}

/* Counters watched by epoll: level, edge and one at a time. */
static int events[4], poller;
static atomic_long told, heard;
static atomic_int tellers = 2, listeners = 2;

static void tell(struct worker *me)
{
    for (; !stopping; me->steps++) {
        uint64_t one = 1;
        whole(me, events[below(me, 3)], &one, sizeof one, 1);
        told++;
        if (below(me, 4) == 0)
            rest(below(me, 1000000));
    }
    if (--tellers == 0) {
        uint64_t one = 1;
        whole(me, events[3], &one, sizeof one, 1); /* never read: wakes all listeners */
    }
}

static void listen_to(struct worker *me)
{
    for (;;) {
        struct epoll_event ready;
        int n = epoll_wait(poller, &ready, 1, -1);
        CHECK(n == 1 || (n == -1 && errno == EINTR));
        uint64_t value;
        int which = ready.data.fd;
        if (which == 3)
            break;
        if (read(events[which], &value, sizeof value) == sizeof value) {
            heard += value;
            me->steps++;
        } else {
            CHECK(errno == EAGAIN);
        }
        if (which == 2) {
            struct epoll_event again = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = 2};
            CHECK(epoll_ctl(poller, EPOLL_CTL_MOD, events[2], &again) == 0);
        }
    }
    if (--listeners == 0) {
        uint64_t value;
        for (int i = 0; i < 3; i++)
            if (read(events[i], &value, sizeof value) == sizeof value)
                heard += value;
        CHECK(heard == told);
    }
}

/* Messages to and fro over a pair of sockets, and over connections that end now and then. */
static int pair[2], server;

static int exchange(struct worker *me, int fd)
{
    unsigned char out[6000], in[6000];
    size_t length = 1 + below(me, below(me, 10) == 0 ? sizeof out : 200);
    for (size_t i = 0; i < length; i++)
        out[i] = (unsigned char)(length + i + me->steps);
    whole(me, fd, out, length, 1);
    whole(me, fd, in, length, 0);
    return memcmp(in, out, length) == 0;
}

static void echo_until_end(struct worker *me, int fd)
{
    char bytes[3000];
    ssize_t n;
    while ((n = read(fd, bytes, sizeof bytes)) > 0) {
        whole(me, fd, bytes, n, 1);
        me->steps++;
    }
    CHECK(n == 0);
    close(fd);
}

static void unix_client(struct worker *me)
{
    for (; !stopping; me->steps++)
        CHECK(exchange(me, pair[0]));
    close(pair[0]);
}

static void unix_server(struct worker *me) { echo_until_end(me, pair[1]); }

static void tcp_client(struct worker *me)
{
    struct sockaddr_in to;
    socklen_t length = sizeof to;
    CHECK(getsockname(server, (struct sockaddr *)&to, &length) == 0);
    while (!stopping) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(fd >= 0);
        CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
        for (unsigned left = 1 + below(me, 200); left > 0 && !stopping; left--, me->steps++)
            CHECK(exchange(me, fd));
        close(fd);
    }
    shutdown(server, SHUT_RDWR);
}

static void tcp_server(struct worker *me)
{
    int fd;
    while ((fd = accept(server, NULL, NULL)) >= 0)
        echo_until_end(me, fd);
    CHECK(stopping && errno == EINVAL);
}
