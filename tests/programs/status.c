// Ends with the status of argument 2, in the way of argument 1.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void last_words(void) { puts("at exit"); }

int main(int argc, char **argv) {
    if (argc < 3)
        return 99;
    long n = atol(argv[2]);
    printf("ending by %s\n", argv[1]);
    atexit(last_words);
    if (!strcmp(argv[1], "return"))
        return (int)n;
    if (!strcmp(argv[1], "exit"))
        exit((int)n);
    fflush(stdout);
    if (!strcmp(argv[1], "_exit"))
        _exit((int)n);
    if (!strcmp(argv[1], "exit-thread"))
        syscall(SYS_exit, n);
    if (!strcmp(argv[1], "raise"))
        raise((int)n);
    if (!strcmp(argv[1], "kill"))
        kill(getpid(), (int)n);
    if (!strcmp(argv[1], "ignored")) {
        signal((int)n, SIG_IGN);
        raise((int)n);
        puts("still here");
        fflush(stdout);
        _exit(0);
    }
    puts("not ended");
    return 98;
}
