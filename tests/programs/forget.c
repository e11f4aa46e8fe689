// Threads keep using pages while one of them unmaps, replaces, protects and copies them: when a call has returned, nobody may see
// what was there before. Each round waits until all threads have used the page, so that their CPUs know where it was.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { THREADS = 3, ROUNDS = 40, PAGE = 4096, PAGES = 64 };

static _Atomic unsigned long seen[THREADS]; // rounds of each thread's loop
static atomic_int stop, closed;             // the test is over; who faults waits
static atomic_ulong least, wrong;
static _Atomic(volatile unsigned long *) place;

// The page is not accessible: it will be again.
static void fault(int sig) {
    (void)sig;
    while (closed) {
        sched_yield();
    }
}

// Waits until each thread has been round twice: it has used the page since this was called.
static void all_seen(void) {
    unsigned long from[THREADS];
    for (int i = 0; i < THREADS; i++) {
        from[i] = seen[i];
    }
    for (int i = 0; i < THREADS; i++) {
        while (seen[i] < from[i] + 2) {
            sched_yield();
        }
    }
}

// One round more. The CPUs are shared out now and then; who comes back still has its CPU's memory of the page.
static void round_done(long thread) {
    if (++seen[thread] % 32 == 0) {
        sched_yield();
    }
}

// Reads: never less than what was there for certain before.
static void *reader(void *arg) {
    while (!stop) {
        volatile unsigned long *at = place;
        unsigned long floor = least;
        if (at == place && *at < floor && at == place) {
            wrong++;
        }
        round_done((long)arg);
    }
    return NULL;
}

// Writes to a word of its own.
static void *writer(void *arg) {
    while (!stop) {
        place[(long)arg]++;
        round_done((long)arg);
    }
    return NULL;
}

static pthread_t threads[THREADS];

static void begin(void *(*body)(void *), void *at) {
    stop = 0;
    wrong = 0;
    least = 0;
    closed = 0;
    place = at;
    for (long i = 0; i < THREADS; i++) {
        seen[i] = 0;
        if (pthread_create(&threads[i], NULL, body, (void *)i)) {
            puts("no thread");
            exit(1);
        }
    }
    all_seen();
}

static void end(const char *what) {
    stop = 1;
    closed = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    if (wrong) {
        printf("%s: %lu times wrong\n", what, (unsigned long)wrong);
    } else {
        printf("%s: good\n", what);
    }
}

static void *map(size_t pages) {
    void *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        puts("no memory");
        exit(1);
    }
    return at;
}

// Another page is moved over the one they read.
static void moved_over(void) {
    unsigned long *at = map(1);
    *at = 1;
    begin(reader, at);
    for (unsigned long round = 2; round < ROUNDS; round++) {
        unsigned long *next = map(1);
        *next = round;
        if (mremap(next, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at) {
            wrong++;
        }
        least = round;
        all_seen();
    }
    end("moved over");
    munmap(at, PAGE);
}

// A file's page is mapped over it.
static void mapped_over(void) {
    unsigned long *at = map(1);
    int fd = memfd_create("rounds", 0);
    if (ftruncate(fd, ROUNDS * PAGE)) {
        wrong++;
    }
    begin(reader, at);
    for (unsigned long round = 1; round < ROUNDS; round++) {
        pwrite(fd, &round, sizeof round, (off_t)(round * PAGE));
        int kind = round % 2 ? MAP_SHARED : MAP_PRIVATE;
        if (mmap(at, PAGE, PROT_READ | PROT_WRITE, kind | MAP_FIXED, fd, (off_t)(round * PAGE)) != at) {
            wrong++;
        }
        least = round;
        all_seen();
    }
    end("mapped over");
    munmap(at, PAGE);
    close(fd);
}

// They read zeros that are nobody's until the first write.
static void first_write(void) {
    unsigned long *at = map(ROUNDS);
    madvise(at, ROUNDS * PAGE, MADV_NOHUGEPAGE);
    begin(reader, at);
    for (unsigned long round = 1; round < ROUNDS; round++) {
        volatile unsigned long *page = at + round * PAGE / sizeof *at;
        least = 0;
        all_seen();
        place = page;
        all_seen();
        *page = round;
        least = round;
        all_seen();
    }
    end("first write");
    munmap(at, ROUNDS * PAGE);
}

// Behind DONTNEED there are zeros; the file's content under a private copy shows again.
static void dropped(void) {
    unsigned long *at = map(1);
    begin(writer, at);
    for (int round = 0; round < ROUNDS; round++) {
        all_seen();
        closed = 1;
        mprotect(at, PAGE, PROT_READ);
        madvise(at, PAGE, MADV_DONTNEED);
        for (int i = 0; i < THREADS; i++) {
            wrong += at[i] != 0;
        }
        mprotect(at, PAGE, PROT_READ | PROT_WRITE);
        closed = 0;
    }
    end("dropped");
    munmap(at, PAGE);
}

// Nobody writes any more when writing is forbidden.
static void protected(void) {
    unsigned long *at = map(1);
    begin(writer, at);
    for (int round = 0; round < ROUNDS; round++) {
        unsigned long was[THREADS];
        all_seen();
        closed = 1;
        mprotect(at, PAGE, PROT_READ);
        memcpy(was, at, sizeof was);
        for (int i = 0; i < 20; i++) {
            sched_yield();
            wrong += memcmp(was, at, sizeof was) != 0;
        }
        mprotect(at, PAGE, PROT_READ | PROT_WRITE);
        closed = 0;
    }
    end("protected");
    munmap(at, PAGE);
}

// Memory that was theirs is used for something else: they must not write there.
static void unmapped(void) {
    unsigned long *at = map(1);
    begin(writer, at);
    for (int round = 0; round < ROUNDS; round++) {
        all_seen();
        closed = 1;
        munmap(at, PAGE);
        // The frame is among these, most likely.
        unsigned long *other = mmap((char *)at + 64 * PAGE, PAGES * PAGE, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int i = 0; i < PAGES; i++) {
            other[i * PAGE / sizeof *other + THREADS] = 1;
        }
        for (int i = 0; i < 5; i++) {
            sched_yield();
        }
        for (int i = 0; i < PAGES; i++) {
            for (int n = 0; n < THREADS; n++) {
                wrong += other[i * PAGE / sizeof *other + n] != 0;
            }
        }
        munmap(other, PAGES * PAGE);
        if (mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != at) {
            wrong++;
        }
        closed = 0;
    }
    end("unmapped");
    munmap(at, PAGE);
}

// All of them map, fill, check and unmap for themselves, at once.
static void *mapper(void *arg) {
    for (int round = 0; round < 2 * ROUNDS; round++) {
        size_t pages = 1 + (size_t)(round * 7 + (long)arg) % 40;
        unsigned long *at = map(pages);
        for (size_t i = 0; i < pages; i++) {
            wrong += at[i * PAGE / sizeof *at] != 0;
            at[i * PAGE / sizeof *at] = (unsigned long)arg + 1;
        }
        for (size_t i = 0; i < pages; i++) {
            wrong += at[i * PAGE / sizeof *at] != (unsigned long)arg + 1;
        }
        munmap(at, pages * PAGE);
        round_done((long)arg);
    }
    return NULL;
}

int main(void) {
    struct sigaction action = {.sa_handler = fault};
    sigaction(SIGSEGV, &action, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    moved_over();
    mapped_over();
    first_write();
    dropped();
    protected();
    unmapped();
    begin(mapper, NULL);
    end("all at once");
    return 0;
}
