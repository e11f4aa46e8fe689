// What is done before main and after it: constructors, initialised and zero data, thread-local data, big bss.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIG (48ul << 20)

static char big[BIG];
static int initialised = 1234;
static int *pointer = &initialised;                 // a relocation in a PIE
static const char *const table[] = {"zero", "one", "two"};
static __thread int tls_data = 77;
static __thread char tls_bss[5000];
static __thread _Alignas(64) char tls_aligned[64] = "aligned";
static int order;

__attribute__((constructor(201))) static void first(void) { printf("constructor 201, order %d\n", order++); }
__attribute__((constructor(202))) static void second(void) { printf("constructor 202, order %d\n", order++); }
__attribute__((constructor)) static void third(void) { printf("constructor, order %d\n", order++); }
__attribute__((destructor)) static void last(void) { printf("destructor, order %d\n", order++); }

static void bye(void) { printf("at exit, order %d\n", order++); }

int main(void) {
    unsigned long nonzero = 0;
    for (size_t i = 0; i < BIG; i += 4096)
        nonzero += big[i] != 0;
    nonzero += big[BIG - 1] != 0;
    big[0] = big[BIG / 2] = big[BIG - 1] = 1;
    printf("big bss, bytes not zero: %lu\n", nonzero);
    printf("data %d, through a pointer %d, table %s\n", initialised, *pointer, table[2]);
    for (size_t i = 0; i < sizeof tls_bss; i++)
        nonzero += tls_bss[i] != 0;
    printf("tls %d, zero %lu, aligned %lu %s\n", tls_data, nonzero, (unsigned long)tls_aligned % 64, tls_aligned);
    tls_data++;
    printf("tls after %d\n", tls_data);
    atexit(bye);
    return 0;
}
