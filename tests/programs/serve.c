/* Echoes over TCP and UDP on the port in its first argument, to many clients at once, until a datagram says "quit". Then prints how
 * many clients there were and how many bytes came over TCP. Used by the network's cases in the VM. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 64, PIECE = 8192 };

static void check(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static int bound(int kind, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, fd = socket(AF_INET, kind, 0);
    check(fd >= 0, "socket");
    check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0, "setsockopt");
    check(bind(fd, (struct sockaddr *)&to, sizeof to) == 0, "bind");
    return fd;
}

/* Sends all, waiting where the socket is full. */
static int send_all(int fd, const char *from, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, from, len, MSG_NOSIGNAL);
        if (n < 0)
            return -1;
        from += n;
        len -= n;
    }
    return 0;
}

/* Answers a datagram; returns whether it ends the program. */
static int datagram(int fd)
{
    static char piece[65536];
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    ssize_t n = recvfrom(fd, piece, sizeof piece, 0, (struct sockaddr *)&from, &len);
    check(n >= 0, "recvfrom");
    check(sendto(fd, piece, n, 0, (struct sockaddr *)&from, len) == n, "sendto");
    return n == 4 && memcmp(piece, "quit", 4) == 0;
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 7;
    struct pollfd fds[CLIENTS + 2] = {{bound(SOCK_STREAM, port), POLLIN, 0}, {bound(SOCK_DGRAM, port), POLLIN, 0}};
    int count = 2, seen = 0;
    long long bytes = 0;
    check(listen(fds[0].fd, CLIENTS) == 0, "listen");
    for (;;) {
        check(poll(fds, count, -1) >= 0, "poll");
        for (int i = count - 1; i >= 2; i--) {
            char piece[PIECE];
            if (fds[i].revents == 0)
                continue;
            ssize_t n = read(fds[i].fd, piece, sizeof piece);
            if (n > 0)
                bytes += n;
            if (n <= 0 || send_all(fds[i].fd, piece, n) < 0) {
                close(fds[i].fd);
                fds[i] = fds[--count];
            }
        }
        if (fds[1].revents && datagram(fds[1].fd))
            break;
        if (fds[0].revents && count < CLIENTS + 2) {
            int fd = accept(fds[0].fd, NULL, NULL);
            check(fd >= 0, "accept");
            fds[count++] = (struct pollfd){fd, POLLIN, 0};
            seen++;
        }
    }
    printf("%d clients, %lld bytes\n", seen, bytes);
    return 0;
}
