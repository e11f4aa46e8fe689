// The vDSO: found as a C library finds it, called directly, compared with the system calls.
// "count": reads clocks a thousand times. "dump": the object itself, for readelf.
#define _GNU_SOURCE
#include "show.h"
#include <elf.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <time.h>

static const char *base;
static const Elf64_Dyn *dynamic(long tag) {
    const Elf64_Ehdr *eh = (const void *)base;
    const Elf64_Phdr *ph = (const void *)(base + eh->e_phoff);
    for (int i = 0; i < eh->e_phnum; i++)
        if (ph[i].p_type == PT_DYNAMIC)
            for (const Elf64_Dyn *d = (const void *)(base + ph[i].p_offset); d->d_tag; d++)
                if (d->d_tag == tag)
                    return d;
    return 0;
}

static void *find(const char *name) {
    const Elf64_Sym *syms = (const void *)(base + dynamic(DT_SYMTAB)->d_un.d_ptr);
    const char *strings = base + dynamic(DT_STRTAB)->d_un.d_ptr;
    const Elf64_Dyn *hash = dynamic(DT_HASH);
    int count = hash ? ((const int *)(base + hash->d_un.d_ptr))[1] : 16;
    for (int i = 1; i < count; i++)
        if (!strcmp(strings + syms[i].st_name, name))
            return (void *)(base + syms[i].st_value);
    return 0;
}

static int (*v_gettime)(clockid_t, struct timespec *), (*v_getres)(clockid_t, struct timespec *);
static int (*v_gettimeofday)(struct timeval *, struct timezone *), (*v_getcpu)(unsigned *, unsigned *, void *);
static time_t (*v_time)(time_t *);

static long long ns(struct timespec t) { return t.tv_sec * 1000000000ll + t.tv_nsec; }

static void clocks(void) {
    static const clockid_t ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
        CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI};
    for (unsigned i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct timespec a, b, c;
        int wrong = 0;
        for (int n = 0; n < 1000; n++) {
            wrong += RAW(SYS_clock_gettime, ids[i], &a, 0, 0, 0, 0) != 0;
            wrong += v_gettime(ids[i], &b) != 0;
            wrong += RAW(SYS_clock_gettime, ids[i], &c, 0, 0, 0, 0) != 0;
            // One millisecond, for a vDSO may read a coarse clock from a page that is filled in each tick.
            wrong += ns(a) > ns(b) + 1000000 || ns(b) > ns(c) + 1000000 || b.tv_nsec < 0 || b.tv_nsec >= 1000000000;
        }
        printf("clock %d: %d wrong\n", ids[i], wrong);
        struct timespec r1 = {9, 9}, r2 = {9, 9};
        printf("resolution %ld %ld, agree %d\n", RAW(SYS_clock_getres, ids[i], &r1, 0, 0, 0, 0), (long)v_getres(ids[i], &r2),
               ns(r1) == ns(r2));
        show("without a place", v_getres(ids[i], 0));
    }
    for (int id = 12; id < 40; id += 13) {
        struct timespec t;
        show("no such clock", v_gettime(id, &t));
        show("no such resolution", v_getres(id, &t));
    }
    show("clock 10", v_gettime(10, &(struct timespec){0}));
}

static void others(void) {
    struct timeval tv, tv2;
    struct timezone tz = {77, 77};
    show("gettimeofday", v_gettimeofday(&tv, &tz));
    printf("zone %d %d\n", tz.tz_minuteswest, tz.tz_dsttime);
    show("gettimeofday", v_gettimeofday(&tv2, 0));
    long long d = (tv2.tv_sec - tv.tv_sec) * 1000000ll + tv2.tv_usec - tv.tv_usec;
    printf("goes on: %d, microseconds: %d\n", d >= 0 && d < 5000000, tv2.tv_usec >= 0 && tv2.tv_usec < 1000000);
    show("gettimeofday into nothing", v_gettimeofday(0, 0));
    time_t t = 0, r = v_time(&t), s = RAW(SYS_time, 0, 0, 0, 0, 0, 0);
    printf("time %d %d %d\n", r == t, s - r >= 0 && s - r < 5, v_time(0) >= r);
    unsigned cpu = 99, node = 99;
    show("getcpu", v_getcpu(&cpu, &node, 0));
    printf("cpu %d node %d\n", cpu < 99, node < 99);
    show("getcpu into nothing", v_getcpu(0, 0, 0));
}

int main(int argc, char **argv) {
    base = (const char *)getauxval(AT_SYSINFO_EHDR);
    if (argc > 1 && !strcmp(argv[1], "count")) {
        struct timespec ts;
        struct timeval tv;
        for (int i = 0; i < 1000; i++) {
            clock_gettime(i & 1 ? CLOCK_MONOTONIC : CLOCK_REALTIME, &ts);
            gettimeofday(&tv, 0);
            time(0);
        }
        return 0;
    }
    if (argc > 1 && !strcmp(argv[1], "now")) {
        struct timespec ts;
        clock_gettime(CLOCK_REALTIME, &ts);
        printf("%ld%09ld\n", ts.tv_sec, ts.tv_nsec);
        return 0;
    }
    if (argc > 1) {
        fwrite(base, 1, 4096, stdout);
        return 0;
    }
    printf("page-aligned: %d, magic: %d\n", (long)base % 4096 == 0, !memcmp(base, ELFMAG, 4));
    printf("soname %s\n", base + dynamic(DT_STRTAB)->d_un.d_ptr + dynamic(DT_SONAME)->d_un.d_val);
    static const char *names[] = {"__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time", "__vdso_clock_getres",
        "__vdso_getcpu", "clock_gettime", "gettimeofday", "time", "clock_getres", "getcpu"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        printf("%s: %d\n", names[i], find(names[i]) != 0);
    v_gettime = find("__vdso_clock_gettime");
    v_getres = find("__vdso_clock_getres");
    v_gettimeofday = find("__vdso_gettimeofday");
    v_time = find("__vdso_time");
    v_getcpu = find("__vdso_getcpu");
    clocks();
    others();
    return 0;
}
