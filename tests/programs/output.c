// Output of many sizes, in the way of argument 1; argument 2 is the number of bytes for "bytes".
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static char buffer[1 << 16];

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "";
    long n = argc > 2 ? atol(argv[2]) : 0;
    if (!strcmp(how, "bytes")) {                    // every byte value, in writes of odd sizes
        unsigned seed = 7;
        for (long done = 0; done < n;) {
            long part = (seed >> 7) % sizeof buffer + 1;
            if (part > n - done)
                part = n - done;
            for (long i = 0; i < part; i++) {
                seed = seed * 1664525 + 1013904223;
                buffer[i] = (char)(seed >> 24);
            }
            for (long out = 0; out < part;) {
                long w = write(1, buffer + out, part - out);
                if (w < 0)
                    return 1;
                out += w;
            }
            done += part;
        }
        return 0;
    }
    if (!strcmp(how, "lines")) {
        for (long i = 0; i < n; i++)
            printf("line %ld of %ld\n", i, n);
        return 0;
    }
    if (!strcmp(how, "mixed")) {
        setvbuf(stdout, 0, _IOLBF, 0);
        printf("to stdout, line buffered\n");
        fprintf(stderr, "to stderr\n");
        printf("no newline yet");
        fflush(stdout);
        fprintf(stderr, "|stderr behind it|");
        setvbuf(stdout, 0, _IONBF, 0);
        printf("unbuffered %d\r\n\t\x01\x7f\xff", 42);
        struct iovec iov[3] = {{"vector ", 7}, {"", 0}, {"of parts\n", 9}};
        return writev(1, iov, 3) == 16 ? 0 : 1;
    }
    if (!strcmp(how, "lost")) {                     // buffered, and dropped by _exit
        printf("never seen");
        _exit(5);
    }
    printf("%s %5d|%-8s|%08.3f|%x|%c\n", "formatted", 42, "left", 3.14159, 0xbeef, 'z');
    return 0;
}
