/* A soak: many threads that do all kinds of things with each other, each of which checks what it can and counts its
 * progress. `soak SECONDS [NAMES]`: NAMES chooses workers by the beginning of their names. The main thread looks after the
 * others: who makes no progress for a while is named, and that is the end. When all have ended it prints the progress of
 * each. Called by the area `soak`, in a machine whose CPUs stand still at times. */
#include "soak_files.h"
#include "soak_waits.h"

/* Clocks and timers: never early. */
static void sleeper(struct worker *me)
{
    for (; !stopping; me->steps++) {
        long ns = 1000 + below(me, 5000000), before = now_ns();
        struct timespec time = {0, ns};
        CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL) == 0);
        CHECK(now_ns() - before >= ns);
    }
}

static void ticker(struct worker *me)
{
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec every = {{0, 2000000}, {0, 2000000}};
    long start = now_ns(), ticks = 0;
    CHECK(timerfd_settime(timer, 0, &every, NULL) == 0);
    for (; !stopping; me->steps++) {
        uint64_t count;
        whole(me, timer, &count, sizeof count, 0);
        ticks += count;
        CHECK(ticks <= (now_ns() - start) / 2000000);
    }
    close(timer);
}

static void alarms(struct worker *me)
{
    struct sigevent how = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    how._sigev_un._tid = gettid();
    timer_t timer;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    CHECK(timer_create(CLOCK_MONOTONIC, &how, &timer) == 0);
    for (; !stopping; me->steps++) {
        struct itimerspec once = {{0, 0}, {0, 1 + below(me, 3000000)}};
        siginfo_t info;
        CHECK(timer_settime(timer, 0, &once, NULL) == 0);
        while (sigwaitinfo(&set, &info) < 0)
            CHECK(errno == EINTR);
        CHECK(info.si_code == SI_TIMER);
    }
    timer_delete(timer);
}

/* Mappings come, change and go, while others use theirs beside them. */
static void mappings(struct worker *me)
{
    const size_t page = 4096;
    for (; !stopping; me->steps++) {
        size_t pages = 1 + below(me, below(me, 10) == 0 ? 700 : 30), first = below(me, (unsigned)pages);
        volatile char *at = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(at != MAP_FAILED);
        for (size_t i = 0; i < pages; i++) {
            CHECK(at[i * page] == 0);
            at[i * page + i % page] = (char)(i + 1);
        }
        CHECK(mprotect((void *)(at + first * page), (pages - first) * page, PROT_READ) == 0);
        for (size_t i = 0; i < pages; i++)
            CHECK(at[i * page + i % page] == (char)(i + 1));
        CHECK(madvise((void *)(at + first * page), (pages - first) * page, MADV_DONTNEED) == 0);
        for (size_t i = first; i < pages; i++)
            CHECK(at[i * page + i % page] == 0);
        CHECK(mprotect((void *)at, pages * page, PROT_READ | PROT_WRITE) == 0);
        volatile char *moved = mremap((void *)at, pages * page, (pages + 3) * page, MREMAP_MAYMOVE);
        CHECK(moved != MAP_FAILED);
        for (size_t i = 0; i < first; i++)
            CHECK(moved[i * page + i % page] == (char)(i + 1));
        CHECK(munmap((void *)moved, (pages + 3) * page) == 0);
    }
}

/* Allocations that other threads free. */
static char *parcels[64];

static void parcel(struct worker *me)
{
    for (; !stopping; me->steps++) {
        size_t length = 16 + below(me, below(me, 20) == 0 ? 300000 : 2000);
        char *mine = malloc(length + sizeof length);
        CHECK(mine != NULL);
        memcpy(mine, &length, sizeof length);
        memset(mine + sizeof length, (char)length, length);
        char *other = __atomic_exchange_n(&parcels[below(me, 64)], mine, __ATOMIC_ACQ_REL);
        if (other != NULL) {
            memcpy(&length, other, sizeof length);
            for (size_t i = 0; i < length; i++)
                CHECK(other[sizeof length + i] == (char)length);
            free(other);
        }
        if (below(me, 50) == 0)
            rest(100000);
    }
}

/* Threads come and go. */
static void *end_at_once(void *arg) { return (char *)arg + 1; }

static void *end_later(void *arg)
{
    rest(100000);
    return (char *)arg + 1;
}

static void children(struct worker *me)
{
    for (; !stopping; me->steps++) {
        pthread_t all[6];
        for (long i = 0; i < 6; i++)
            CHECK((errno = pthread_create(&all[i], NULL, i % 2 ? end_later : end_at_once, (void *)i)) == 0);
        for (long i = 0; i < 6; i++) {
            void *result;
            CHECK(pthread_join(all[i], &result) == 0 && result == (void *)(i + 1));
        }
    }
}

/* From CPU to CPU, with numbers in vector registers. */
static double series(int count)
{
    volatile int terms = count; /* to be computed each time */
    double sum = 0;
    for (int i = 1; i <= terms; i++)
        sum += (i + 0.3) / (i * 0.7 + 1.5);
    return sum;
}

static void compute(struct worker *me)
{
    for (double first = series(3000); !stopping; me->steps++)
        for (int i = 0; i < 20; i++)
            CHECK(series(3000) == first);
}

static void wander(struct worker *me)
{
    cpu_set_t all, one;
    CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
    for (double first = series(300); !stopping; me->steps++) {
        int cpu = (int)below(me, CPU_SETSIZE);
        while (!CPU_ISSET(cpu, &all))
            cpu = (cpu + 1) % CPU_SETSIZE;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
        CHECK(sched_getcpu() == cpu);
        CHECK(series(300) == first);
        rest(300000);
        CHECK(sched_getcpu() == cpu);
    }
}

static struct worker workers[] = {
    {"mutex", mutex, 0}, {"mutex", mutex, 1}, {"mutex", mutex, 2},
    {"produce", produce, 0}, {"produce", produce, 1}, {"consume", consume, 0}, {"consume", consume, 1},
    {"rwlock", rwlock, 0}, {"rwlock", rwlock, 1}, {"rwlock", rwlock, 2},
    {"futex", futex, 0}, {"futex", futex, 1},
    {"semaphore", semaphore, 0}, {"semaphore", semaphore, 1}, {"semaphore", semaphore, 2}, {"semaphore", semaphore, 3},
    {"pipe in", pipe_in, 0}, {"pipe out", pipe_out, 0},
    {"tell", tell, 0}, {"tell", tell, 1}, {"listen", listen_to, 0}, {"listen", listen_to, 1},
    {"sleeper", sleeper, 0}, {"sleeper", sleeper, 1}, {"ticker", ticker, 0}, {"alarms", alarms, 0},
    {"sender", sender, 0}, {"receive", receive, 0},
    {"mappings", mappings, 0}, {"mappings", mappings, 1}, {"parcel", parcel, 0}, {"parcel", parcel, 1},
    {"unix client", unix_client, 0}, {"unix server", unix_server, 0},
    {"tcp client", tcp_client, 0}, {"tcp server", tcp_server, 0},
    {"children", children, 0}, {"compute", compute, 0}, {"compute", compute, 1}, {"wander", wander, 0},
};
enum { WORKERS = sizeof workers / sizeof *workers };

static void set_up(struct worker *me)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&filled, &monotonic);
    pthread_cond_init(&drained, &monotonic);
    makers = 2;
    for (int i = 0; i < 4; i++)
        sem_init(&ring[i], 0, i == 0);
    sem_init(&answered, 0, 0);
    CHECK(pipe(numbers) == 0);
    CHECK((poller = epoll_create1(EPOLL_CLOEXEC)) >= 0);
    static const uint32_t how[4] = {EPOLLIN, EPOLLIN | EPOLLET, EPOLLIN | EPOLLONESHOT, EPOLLIN};
    for (int i = 0; i < 4; i++) {
        struct epoll_event event = {.events = how[i], .data.fd = i};
        CHECK((events[i] = eventfd(0, EFD_NONBLOCK)) >= 0);
        CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, events[i], &event) == 0);
    }
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK((server = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
    CHECK(bind(server, (struct sockaddr *)&any, sizeof any) == 0);
    CHECK(listen(server, 8) == 0);
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR2, &action, NULL);
    /* Blocked in all threads: who wants one opens it, or waits for it. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void *start(void *arg)
{
    struct worker *me = arg;
    me->body(me);
    me->done = 1;
    return NULL;
}

/* Who has bytes waiting says more than who hangs. */
static void show_file(const char *path)
{
    char line[300];
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        fputs(line, stdout);
    if (file != NULL)
        fclose(file);
}

/* Looks at all workers; returns how many have not ended. Ends the program if one of them hangs. */
static int look_after(long now)
{
    int left = 0, hang = 0;
    for (int i = 0; i < WORKERS; i++) {
        struct worker *worker = &workers[i];
        if (worker->done)
            continue;
        left++;
        if (now - worker->since > worker->longest)
            worker->longest = now - worker->since;
        if (worker->steps != worker->seen) {
            worker->seen = worker->steps;
            worker->since = now;
        } else if (now - worker->since > STALL_SECONDS * 1000000000L) {
            printf("HANGS: %s %d after %ld steps\n", worker->name, worker->index, worker->seen);
            hang = 1;
        }
    }
    if (hang) {
        show_file("/proc/net/tcp");
        fflush(stdout);
        kill(getpid(), SIGABRT);
    }
    return left;
}

int main(int argc, char **argv)
{
    static struct worker here = {.name = "set-up"};
    setvbuf(stdout, NULL, _IOLBF, 0);
    set_up(&here);
    long begin = now_ns(), end = begin + (argc > 1 ? atol(argv[1]) : 1) * 1000000000L;
    for (int i = 0; i < WORKERS; i++) {
        workers[i].random = 12345 + i;
        workers[i].since = begin;
        workers[i].done = argc > 2 && strncmp(workers[i].name, argv[2], strlen(argv[2])) != 0;
        if (workers[i].body == receive)
            receiver = &workers[i];
    }
    /* The receiver of signals first: its sender needs to know it. */
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < WORKERS; i++)
            if (!workers[i].done && (&workers[i] == receiver) == (round == 0)
                && pthread_create(&workers[i].thread, NULL, start, &workers[i]) != 0)
                wrong("set-up", "pthread_create");
    while (look_after(now_ns()) > 0) {
        rest(200000000);
        if (now_ns() > end)
            stopping = 1;
    }
    for (int i = 0; i < WORKERS; i++)
        if (workers[i].thread != 0)
            pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < WORKERS; i++)
        printf("%s %d: %ld, longest step %ld ms\n", workers[i].name, workers[i].index, workers[i].steps,
               workers[i].longest / 1000000);
    if (under_lock != locked)
        wrong("mutex", "count");
    printf("soak: ok\n");
    return 0;
}
