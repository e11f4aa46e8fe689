/* Many threads that wait for the same thing: each event wakes one of them, not all, whichever of them give up meanwhile, and an
 * end wakes all. Wake-ups are counted as voluntary context switches. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef _Atomic long atomic_long;
typedef _Atomic int atomic_int;

enum { WAITERS = 16, EVENTS = 60, STRESS = 400 };

static void fail(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

/* What is waited for. */
struct what {
    const char *name;
    int family, kind;
};

static const struct what all[] = {
    { "TCP connections", AF_INET, SOCK_STREAM },
    { "local connections", AF_UNIX, SOCK_STREAM },
    { "datagrams", AF_INET, SOCK_DGRAM },
    { "local datagrams", AF_UNIX, SOCK_DGRAM },
    { "local packets' connections", AF_UNIX, SOCK_SEQPACKET },
    { "bytes of a pipe", 0, 0 },
};

static const struct what *what;
/* What the threads wait on, and where events are made. */
static int waits, makes;
static struct sockaddr_storage name;
static socklen_t name_len;
static sem_t taken, gone;
static atomic_int inside, ended;
static atomic_long switches, interruptions, ends;

static int takes_connections(void) { return what->kind == SOCK_STREAM || what->kind == SOCK_SEQPACKET; }

static void set_up(void)
{
    memset(&name, 0, sizeof name);
    if (!what->family) {
        int ends[2];
        if (pipe(ends) < 0)
            fail("pipe");
        waits = ends[0], makes = ends[1];
        return;
    }
    waits = socket(what->family, what->kind, 0);
    if (what->family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&name;
        in->sin_family = AF_INET;
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        name_len = sizeof *in;
    } else {
        name.ss_family = AF_UNIX;
        name_len = sizeof(sa_family_t); // The kernel chooses a name.
    }
    if (bind(waits, (struct sockaddr *)&name, name_len) < 0)
        fail("bind");
    name_len = sizeof name;
    getsockname(waits, (struct sockaddr *)&name, &name_len);
    if (takes_connections()) {
        if (listen(waits, 64) < 0)
            fail("listen");
        makes = -1;
        return;
    }
    makes = socket(what->family, what->kind, 0);
    if (connect(makes, (struct sockaddr *)&name, name_len) < 0)
        fail("connect");
}

/* One thing to take. */
static void event(void)
{
    if (!takes_connections()) {
        if (write(makes, "x", 1) != 1)
            fail("write");
        return;
    }
    int fd = socket(what->family, what->kind, 0);
    if (connect(fd, (struct sockaddr *)&name, name_len) < 0)
        fail("connect");
    close(fd);
}

/* The end, for all who wait. */
static void end(void)
{
    ended = 1;
    if (!what->family) {
        close(makes);
        return;
    }
    if (!takes_connections() && what->family == AF_INET)
        connect(waits, (struct sockaddr *)&name, name_len); // Only connected ones can be shut down.
    shutdown(waits, SHUT_RDWR);
}

static void *wait_for_all(void *arg)
{
    struct rusage before, after;
    (void)arg;
    getrusage(RUSAGE_THREAD, &before);
    inside++;
    for (;;) {
        char byte;
        int got = takes_connections() ? accept(waits, NULL, NULL) : (int)read(waits, &byte, 1);
        if (got < 0 && errno == EINTR) {
            interruptions++;
            continue;
        }
        if (ended && (got < 0 || (got == 0 && !takes_connections())))
            break;
        if (got < 0)
            fail(what->name);
        if (takes_connections())
            close(got);
        sem_post(&taken);
    }
    getrusage(RUSAGE_THREAD, &after);
    switches += after.ru_nvcsw - before.ru_nvcsw;
    ends++;
    sem_post(&gone);
    return NULL;
}

static pthread_t threads[WAITERS];

static void begin(void)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 64 << 10);
    switches = interruptions = ends = inside = ended = 0;
    set_up();
    for (int i = 0; i < WAITERS; i++)
        if (pthread_create(&threads[i], &attr, wait_for_all, NULL) != 0)
            fail("pthread_create");
    while (inside < WAITERS)
        usleep(1000);
    usleep(20000);
}

static void finish(void)
{
    end();
    for (int i = 0; i < WAITERS; i++)
        pthread_join(threads[i], NULL);
    close(waits);
    if (what->family && makes >= 0)
        close(makes);
}

static void nothing(int signal) { (void)signal; }

/* Lets the threads come back from their waits at any time. */
static void *disturb(void *arg)
{
    (void)arg;
    for (int i = 0; !ended; i++) {
        pthread_kill(threads[i % WAITERS], SIGUSR1);
        usleep(100);
    }
    return NULL;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct sigaction action = { .sa_handler = nothing };
    sigaction(SIGUSR1, &action, NULL);
    sem_init(&taken, 0, 0);
    sem_init(&gone, 0, 0);
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        what = &all[i];
        begin();
        for (int k = 0; k < EVENTS; k++) {
            event();
            sem_wait(&taken);
        }
        finish();
        // One wake-up for each event and some for the beginning and the end; all would be 16 times as many.
        long most = EVENTS * 3 + WAITERS * 3;
        printf("%s: %s\n", what->name, switches < most ? "one is woken" : "too many are woken");
        if (switches >= most)
            printf("%ld times\n", (long)switches);
        printf("at the end: %s\n", ends == WAITERS ? "all" : "some");

        // The same while they are interrupted: nothing is left lying.
        pthread_t other;
        begin();
        pthread_create(&other, NULL, disturb, NULL);
        while (!interruptions)
            usleep(1000);
        for (int k = 0; k < STRESS; k++) {
            event();
            if (k % 3)
                event();
            sem_wait(&taken);
            if (k % 3)
                sem_wait(&taken);
        }
        ended = 1;
        pthread_join(other, NULL);
        printf("with interruptions: all are taken\n");
        finish();
    }
    return 0;
}
