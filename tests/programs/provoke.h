// For the programs that provoke errors, call by call: CALL prints a raw system call as it is written here and what
// comes of it; OPENS does so for calls that make a descriptor, which it closes.
#ifndef PROVOKE_H
#define PROVOKE_H
#include "show.h"
#include <sys/mman.h>

#define CALL_(nr, a, b, c, d, e, f, ...) RAW(nr, a, b, c, d, e, f)
#define CALL(name, ...) show(#name "(" #__VA_ARGS__ ")", CALL_(SYS_##name, __VA_ARGS__, 0, 0, 0, 0, 0, 0))
#define OPENS(name, ...) opens(#name "(" #__VA_ARGS__ ")", CALL_(SYS_##name, __VA_ARGS__, 0, 0, 0, 0, 0, 0))

static inline void opens(const char *what, long result) {
    show_ok(what, result);
    if (result >= 0)
        raw(SYS_close, result, 0, 0, 0, 0, 0);
}

// Pointers that lead nowhere, and a page that can only be read.
#define NOWHERE ((void *)0x123456789000)
#define KERNEL ((void *)0xffff800000000000)
#define ONES ((void *)-1)
// A 32-bit argument with bits set that do not belong to it.
#define HIGH(x) (0x7700000000 | (unsigned)(x))

static inline void *read_only_page(void) {
    return mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

// The last four bytes before memory that nobody may touch.
static inline void *edge(void) {
    char *two = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(two + 4096, 4096, PROT_NONE);
    return two + 4092;
}
#endif
