// Copies stdin to stdout in the way of argument 1, and says what it saw on stderr.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "read";
    unsigned long total = 0, sum = 0;
    if (!strcmp(how, "stdio")) {
        int c;
        while ((c = getchar()) != EOF) {
            putchar(c);
            total++;
            sum = sum * 31 + (unsigned)c;
        }
    } else {
        unsigned char buf[3000];
        size_t size = strcmp(how, "bytewise") ? sizeof buf : 1;
        long n;
        while ((n = read(0, buf, size)) > 0) {
            for (long i = 0; i < n; i++)
                sum = sum * 31 + buf[i];
            total += (unsigned long)n;
            for (long out = 0, w; out < n; out += w)
                if ((w = write(1, buf + out, (size_t)(n - out))) < 0)
                    return 1;
        }
        if (n < 0)
            return 2;
        if (read(0, buf, 1) != 0)                   // the end stays the end
            return 3;
    }
    fflush(stdout);
    fprintf(stderr, "%lu bytes, sum %lx\n", total, sum);
    return 0;
}
