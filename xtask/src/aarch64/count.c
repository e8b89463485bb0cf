/* Counts the instructions that QEMU executes. The counters lie in a file that others may read at any time: 64 numbers of
   64 bits, 64 bytes apart, whose sum is the count. The declarations are QEMU's plugin interface, version 1. */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PLACES 64
#define APART 8
#define EXPORTED __attribute__((visibility("default")))

struct qemu_plugin_tb;
typedef uint64_t plugin_id;
typedef void (*translated_cb)(plugin_id, struct qemu_plugin_tb *);
typedef void (*executed_cb)(unsigned int, void *);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, translated_cb);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, executed_cb, int, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);

/* Newer releases take plugins from version 2 on; what is used here is the same in both. */
#ifndef VERSION
#define VERSION 1
#endif
EXPORTED int qemu_plugin_version = VERSION;

static uint64_t *counts;

static void executed(unsigned int thread, void *instructions)
{
    __atomic_fetch_add(&counts[thread % PLACES * APART], (uint64_t)(uintptr_t)instructions, __ATOMIC_RELAXED);
}

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    /* 0: the callback touches no register of the guest. */
    qemu_plugin_register_vcpu_tb_exec_cb(block, executed, 0, (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

EXPORTED int qemu_plugin_install(plugin_id id, const void *info, int count, char **words)
{
    (void)info;
    if (count != 1 || strncmp(words[0], "out=", 4) != 0)
        return -1;
    int file = open(words[0] + 4, O_RDWR | O_CREAT, 0600);
    size_t length = PLACES * APART * sizeof *counts;
    if (file < 0 || ftruncate(file, (off_t)length) != 0)
        return -1;
    counts = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (counts == MAP_FAILED)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
