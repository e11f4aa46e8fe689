// Arguments, environment (names that begin with TEST_) and auxiliary vector, as far as they do not depend on the machine.
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

extern char **environ;
extern const char __ehdr_start[];
extern void _start(void);

int main(int argc, char **argv) {
    int empty = 0;
    printf("argc %d\n", argc);
    for (int i = 1; i < argc; i++) {
        printf("argv[%d] =", i);
        for (const unsigned char *p = (const unsigned char *)argv[i]; *p; p++)
            printf(" %02x", *p);
        puts("");
    }
    printf("argv[argc] %s\n", argv[argc] ? "is set" : "is null");
    for (char **e = environ; *e; e++) {
        if (!strncmp(*e, "TEST_", 5))
            printf("env %s\n", *e);
        if (!**e)
            empty++;
    }
    printf("empty variables %d\n", empty);
    printf("environ behind argv: %d\n", environ == argv + argc + 1);
    printf("stack pointer at entry, mod 16: %d\n", (int)(((uintptr_t)argv - 8) % 16));

    // The vector lies behind the environment: the raw list must end and hold no entry twice.
    char **e = environ;
    while (*e)
        e++;
    const Elf64_auxv_t *av = (const Elf64_auxv_t *)(e + 1);
    uint64_t seen = 0;
    int twice = 0, n = 0;
    unsigned long hwcap = 0;
    for (; av->a_type != AT_NULL && n < 64; av++, n++)
        if (av->a_type < 64) {
            twice += seen >> av->a_type & 1;
            seen |= 1ull << av->a_type;
            if (av->a_type == AT_HWCAP)
                hwcap = av->a_un.a_val;
        }
    printf("vector ends: %d, twice: %d\n", n < 64, twice);

    printf("AT_PAGESZ %lu\n", getauxval(AT_PAGESZ));
    printf("AT_PHENT %lu\n", getauxval(AT_PHENT));
    printf("AT_PHNUM %lu\n", getauxval(AT_PHNUM));
    printf("AT_CLKTCK %lu\n", getauxval(AT_CLKTCK));
    printf("AT_FLAGS %lu\n", getauxval(AT_FLAGS));
    printf("AT_BASE %lu\n", getauxval(AT_BASE));
    printf("AT_SECURE %lu\n", getauxval(AT_SECURE));
    printf("AT_UID is uid: %d\n", getauxval(AT_UID) == getuid());
    printf("AT_EUID is euid: %d\n", getauxval(AT_EUID) == geteuid());
    printf("AT_GID is gid: %d\n", getauxval(AT_GID) == getgid());
    printf("AT_EGID is egid: %d\n", getauxval(AT_EGID) == getegid());
    printf("AT_HWCAP has fpu and sse2: %d\n", (hwcap & 0x4000001) == 0x4000001);
    const Elf64_Ehdr *eh = (const void *)__ehdr_start;
    printf("AT_PHDR is in the image: %d\n", getauxval(AT_PHDR) == (uintptr_t)__ehdr_start + eh->e_phoff);
    printf("AT_ENTRY is _start: %d\n", getauxval(AT_ENTRY) == (uintptr_t)_start);
    const char *platform = (const char *)getauxval(AT_PLATFORM), *execfn = (const char *)getauxval(AT_EXECFN);
    printf("AT_PLATFORM %s\n", platform ? platform : "(null)");
    printf("AT_EXECFN is argv[0]: %d\n", execfn && !strcmp(execfn, argv[0]));
    const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
    int any = 0;
    for (int i = 0; random && i < 16; i++)
        any |= random[i];
    printf("AT_RANDOM is random: %d\n", any != 0);
    printf("strings above the vector: %d\n", (uintptr_t)argv[0] > (uintptr_t)av);
    return 0;
}
