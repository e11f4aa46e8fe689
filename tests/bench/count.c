// A QEMU plugin that counts the instructions of the first processor: built and loaded by calls.py.
//   gcc -shared -fPIC -O2 -o libcount.so count.c;  qemu-system-x86_64 -plugin ./libcount.so,out=FILE
// FILE begins with the count, 64 bits, up to date at any time. A repeated string instruction counts once. The second word counts
// the instructions of all processors in the kernel's half of the addresses: for one thread of QEMU's (thread=single).
// Behind it, the count of each block of instructions that was executed: struct block, up to one with the address 0.
// Declares what it uses of version 1 of QEMU's plugin interface, which has no package of its own.
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info_t;
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*)(uint64_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int flags, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;
#define BLOCKS (1 << 18)

// A block that begins at an address, with a number of instructions. Others in other address spaces count with it.
struct block {
    uint64_t address, instructions, count;
};

static struct {
    uint64_t count, kernel;
    struct block blocks[BLOCKS];
} *shared;
static unsigned used;

static void executed(unsigned cpu, void *block) {
    struct block *b = block;
    if (b->address >> 63)
        shared->kernel += b->instructions;
    if (cpu == 0) {
        shared->count += b->instructions;
        b->count += b->instructions;
    }
}

// The same block is translated again when QEMU's memory for translations is full.
static struct block *block_at(uint64_t address, uint64_t instructions) {
    for (unsigned i = 0; i < used; i++)
        if (shared->blocks[i].address == address && shared->blocks[i].instructions == instructions)
            return &shared->blocks[i];
    if (used == BLOCKS)
        return &shared->blocks[BLOCKS - 1];
    shared->blocks[used] = (struct block){address, instructions, 0};
    return &shared->blocks[used++];
}

// rep movs, stos, lods, cmps, scas.
static int repeats(const uint8_t *code, size_t len) {
    int prefix = 0;
    for (size_t i = 0; i < len; i++) {
        if (code[i] == 0xf3 || code[i] == 0xf2)
            prefix = 1;
        else if ((code[i] & 0xf0) != 0x40 && code[i] != 0x66 && code[i] != 0x67)
            return prefix && ((code[i] >= 0xa4 && code[i] <= 0xa7) || (code[i] >= 0xaa && code[i] <= 0xaf));
    }
    return 0;
}

static void translated(uint64_t id, struct qemu_plugin_tb *block) {
    (void)id;
    size_t n = qemu_plugin_tb_n_insns(block);
    struct qemu_plugin_insn *first = qemu_plugin_tb_get_insn(block, 0);
    // All repetitions but the first run as a block of this one instruction.
    if (n == 1 && repeats(qemu_plugin_insn_data(first), qemu_plugin_insn_size(first)))
        return;
    qemu_plugin_register_vcpu_tb_exec_cb(block, executed, 0, block_at(qemu_plugin_tb_vaddr(block), n));
}

EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_info_t *info, int argc, char **argv) {
    (void)info;
    if (argc < 1 || strncmp(argv[0], "out=", 4))
        return 1;
    int fd = open(argv[0] + 4, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || ftruncate(fd, sizeof *shared))
        return 1;
    shared = mmap(0, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
