// Prints where its memory lies, for a test that compares runs.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    int local;
    uint64_t chance;
    memcpy(&chance, (const void *)getauxval(AT_RANDOM), sizeof chance);
    void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("stack %p\nmmap %p\nprogram %p\nheap %p\nvdso %#lx\n", (void *)&local, page, (void *)main, sbrk(0),
           getauxval(AT_SYSINFO_EHDR));
    printf("chance %#lx\n", (unsigned long)chance);
    return 0;
}
