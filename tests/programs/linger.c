/* SO_LINGER: when close(2) waits for what was sent, and for how long; with a port as argument instead: sends a megabyte to the first who
 * connects there, and ends at once. Used by the cases of calls, and of the network's faults. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int listener;
static struct sockaddr_in place;

static unsigned char pattern(long at)
{
    return at * 7 + at / 251;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void begin(int port)
{
    socklen_t len = sizeof place;
    int one = 1;
    place.sin_family = AF_INET;
    place.sin_port = htons(port);
    place.sin_addr.s_addr = port ? INADDR_ANY : htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&place, sizeof place) || listen(listener, 5) ||
        getsockname(listener, (struct sockaddr *)&place, &len)) {
        perror("listen");
        exit(1);
    }
}

/* Sends until no more is taken for a while, or so much is sent. */
static long fill(int fd, long most)
{
    unsigned char piece[1000];
    struct pollfd room = {fd, POLLOUT, 0};
    long sent = 0;
    while (sent < most && poll(&room, 1, 300) == 1) {
        for (unsigned i = 0; i < sizeof piece; i++)
            piece[i] = pattern(sent + i);
        ssize_t n = send(fd, piece, sizeof piece, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return -1;
        sent += n > 0 ? n : 0;
    }
    return sent;
}

/* A connection that lingers so long; the other end goes to *peer. */
static int connection(int seconds, int *peer)
{
    struct linger linger = {1, seconds};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&place, sizeof place)) {
        perror("connect");
        exit(1);
    }
    *peer = accept(listener, NULL, NULL);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    return fd;
}

/* Reads all there is, and to the end. */
static void *drain(void *arg)
{
    static char piece[100000];
    int fd = *(int *)arg;
    long got = 0;
    ssize_t n;
    usleep(200000);
    while ((n = read(fd, piece, sizeof piece)) > 0)
        got += n;
    return (void *)(n < 0 ? -errno : got);
}

static void nothing(int signal)
{
    (void)signal;
}

static void closed(const char *what, int result, double since, double least, double most)
{
    double took = now() - since;
    const char *verdict = took < least ? "too early" : took > most ? "too late" : "in time";
    printf("%s: %d, %s\n", what, result, verdict);
}

static void lingers(void)
{
    int peer, fd = connection(1, &peer);
    fill(fd, LONG_MAX);
    double since = now();
    closed("nobody reads", close(fd), since, 0.99, 25);
    close(peer);

    fd = connection(1, &peer);
    fill(fd, LONG_MAX);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    since = now();
    closed("does not block", close(fd), since, 0.99, 25);
    close(peer);

    pthread_t reader;
    void *got;
    fd = connection(30, &peer);
    long sent = fill(fd, LONG_MAX);
    since = now();
    pthread_create(&reader, NULL, drain, &peer);
    closed("somebody reads", close(fd), since, 0.19, 25);
    pthread_join(reader, &got);
    printf("all of it: %s\n", (long)got == sent ? "yes" : "no");
    close(peer);

    fd = connection(30, &peer);
    since = now();
    closed("nothing sent", close(fd), since, 0, 25);
    close(peer);

    fd = connection(30, &peer);
    fill(fd, LONG_MAX);
    since = now();
    closed("shutdown", shutdown(fd, SHUT_WR), since, 0, 25);
    struct sigaction action = {.sa_handler = nothing};
    struct itimerval soon = {.it_value.tv_usec = 300000};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    since = now();
    closed("a signal", close(fd), since, 0.29, 25);
    close(peer);
}

static void others(void)
{
    struct linger one = {1, 1};
    int peer, fd = connection(30, &peer), copy = dup(fd);
    fill(fd, LONG_MAX);
    double since = now();
    closed("one of two", close(fd), since, 0, 25);
    setsockopt(copy, SOL_SOCKET, SO_LINGER, &one, sizeof one);
    since = now();
    closed("dup2 over the last", dup2(listener, copy) == copy ? 0 : -1, since, 0.99, 25);
    close(peer);
    close(copy);

    char byte;
    fd = connection(0, &peer);
    since = now();
    closed("no time", close(fd), since, 0, 25);
    ssize_t n = read(peer, &byte, 1);
    printf("a reset: %s\n", n < 0 ? strerror(errno) : "no");
    close(peer);

    /* Who has not read all resets at once. */
    fd = connection(30, &peer);
    fill(fd, LONG_MAX);
    send(peer, "unread", 6, 0);
    since = now();
    closed("unread", close(fd), since, 0, 25);
    close(peer);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1) {
        begin(atoi(argv[1]));
        printf("sent %ld\n", fill(accept(listener, NULL, NULL), 1000000));
        return 3;
    }
    begin(0);
    lingers();
    others();
    int peer, fd = connection(30, &peer);
    /* The end of the program does not wait. */
    fill(fd, LONG_MAX);
    return 0;
}
