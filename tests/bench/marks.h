// How a program that calls.py counts tells the host where an operation begins and ends. Used by ops.c and flush.c.
//
// For each operation and each of two counts: prints a line, waits for a line, does the operation that often, prints a line, waits.
// The host reads the counter at each wait; what printing and waiting cost is the same for both counts.
#include <stdio.h>
#include <sys/reboot.h>
#include <unistd.h>

struct operation { const char *name; void (*run)(long); };

static void mark(const char *what, const char *name, long n) {
    printf("@ %s|%s|%ld\n", what, name, n);
    fflush(stdout);
    char c;
    while (read(0, &c, 1) == 1 && c != '\n')
        ;
}

static void measure(struct operation operation, long warm_up, const long counts[2]) {
    operation.run(warm_up);
    for (int k = 0; k < 2; k++) {
        mark("begin", operation.name, counts[k]);
        operation.run(counts[k]);
        mark("end", operation.name, counts[k]);
    }
}

// Nothing more comes; the first process of a Linux guest turns the machine off.
static void end_marks(void) {
    mark("done", "", 0);
    if (getpid() == 1)
        reboot(RB_POWER_OFF);
}
