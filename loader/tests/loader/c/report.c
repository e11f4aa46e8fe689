/* Without libc: writes /proc/self/maps to descriptor 1 and the initial stack, from its pointer to the end of the
   mapping, to descriptor 2. Linked in many ways by the tests. */

static char text[1 << 16];
const char constants[5000] = {1, 2, 3};
char variables[5000] = {4, 5, 6};
char space[300000];

static long call(long nr, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

static void put(int fd, const char *from, const char *to) {
    while (from < to) {
        long count = call(1, fd, (long)from, to - from);
        if (count <= 0)
            call(60, 3, 0, 0);
        from += count;
    }
}

__attribute__((used)) static void report(char *sp) {
    static const char path[] = "/proc/self/maps";
    long length = 0, count;
    long fd = call(2, (long)path, 0, 0);
    if (fd < 0)
        call(60, 4, 0, 0);
    while ((count = call(0, fd, (long)text + length, sizeof text - length)) > 0)
        length += count;
    put(1, text, text + length);

    /* The end of the mapping that holds the stack pointer. */
    unsigned long start = 0, end = 0;
    int field = 0;
    for (long at = 0; at < length; at++) {
        char c = text[at];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (c == '\n') {
            field = 0;
            start = end = 0;
        } else if (field == 0 && digit >= 0) {
            start = start * 16 + digit;
        } else if (field == 1 && digit >= 0) {
            end = end * 16 + digit;
        } else if (field < 2) {
            field++;
            if (field == 2 && start <= (unsigned long)sp && (unsigned long)sp < end) {
                put(2, sp, (char *)end);
                call(60, constants[0] + variables[0] + space[0] - 5, 0, 0);
            }
        }
    }
    call(60, 5, 0, 0);
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall report\n\thlt\n");
