/* Connects to the address and port in its arguments, sends a pattern over TCP while it reads the echo, compares, and says the same of
 * a port where nobody listens. Used by the network's cases in the VM. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TOTAL = 500000 };

static unsigned char pattern(long at)
{
    return at * 7 + at / 251;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))}, own;
    socklen_t len = sizeof own;
    inet_pton(AF_INET, argv[1], &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int result = connect(fd, (struct sockaddr *)&to, sizeof to);
    printf("connect %d %s\n", result, result < 0 ? strerror(errno) : "");
    struct pollfd p = {fd, POLLOUT, 0};
    result = poll(&p, 1, 20000);
    int error = -1;
    socklen_t size = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    getsockname(fd, (struct sockaddr *)&own, &len);
    printf("poll %d events %d error %d port %s\n", result, p.revents, error, own.sin_port ? "chosen" : "none");
    long sent = 0, got = 0, wrong = 0;
    while (got < TOTAL) {
        unsigned char piece[3000];
        p.events = POLLIN | (sent < TOTAL ? POLLOUT : 0);
        if (poll(&p, 1, 20000) <= 0)
            break;
        if (p.revents & POLLOUT) {
            long n = TOTAL - sent < (long)sizeof piece ? TOTAL - sent : (long)sizeof piece;
            for (long i = 0; i < n; i++)
                piece[i] = pattern(sent + i);
            n = write(fd, piece, n);
            if (n < 0 && errno != EAGAIN)
                perror("write");
            sent += n > 0 ? n : 0;
            if (sent == TOTAL)
                shutdown(fd, SHUT_WR);
        }
        if (p.revents & ~POLLOUT) {
            ssize_t n = read(fd, piece, sizeof piece);
            if (n < 0 && errno != EAGAIN)
                perror("read");
            if (n == 0 || (n < 0 && errno != EAGAIN))
                break;
            for (ssize_t i = 0; i < n; i++)
                wrong += piece[i] != pattern(got + i);
            got += n > 0 ? n : 0;
        }
    }
    printf("sent %ld got %ld wrong %ld\n", sent, got, wrong);
    close(fd);
    return got == TOTAL && wrong == 0 ? 0 : 1;
}
