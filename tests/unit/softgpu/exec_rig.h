// A small device for tests of the executor: an arena, an engine, and launching PTX text.
#ifndef TESTS_SOFTGPU_EXEC_RIG_H
#define TESTS_SOFTGPU_EXEC_RIG_H

#include "exec.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RIG_ARENA ((size_t)64 << 20)
#define RIG_HEAD ".version 8.0\n.target sm_80\n.address_size 64\n"

struct rig {
    struct sg_engine *engine;
    uint8_t *arena;
    size_t used; // a bump allocator: tests are short
    struct sg_module *module;
    struct sg_instance *instance;
    char printed[4096];
    size_t printed_n;
};

static inline void *rig_alloc(void *user, size_t bytes, size_t align) {
    struct rig *rig = user;
    size_t at = (rig->used + align - 1) & ~(align - 1);
    if (at + bytes > RIG_ARENA) return NULL;
    rig->used = at + bytes;
    return rig->arena + at;
}

static inline void rig_release(void *user, void *memory) {
    (void)user, (void)memory;
}

static inline void rig_print(void *user, const void *bytes, size_t n) {
    struct rig *rig = user;
    if (n > sizeof rig->printed - 1 - rig->printed_n) n = sizeof rig->printed - 1 - rig->printed_n;
    memcpy(rig->printed + rig->printed_n, bytes, n);
    rig->printed_n += n;
}

static inline void rig_open(struct rig *rig, const char *ptx, unsigned threads) {
    memset(rig, 0, sizeof *rig);
    rig->arena = mmap(NULL, RIG_ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(rig->arena != MAP_FAILED);
    struct sg_engine_config config = {.threads = threads,
                                      .arena_lo = (uintptr_t)rig->arena,
                                      .arena_hi = (uintptr_t)rig->arena + RIG_ARENA,
                                      .alloc = rig_alloc,
                                      .release = rig_release,
                                      .memory_user = rig,
                                      .print = rig_print,
                                      .print_user = rig};
    rig->engine = sg_engine_create(&config);
    cr_assert(rig->engine);
    struct sg_text text = {ptx, strlen(ptx)};
    struct sg_diag diag = {0};
    rig->module = sg_module_load(&text, 1, &diag);
    cr_assert(rig->module, "%s line %u", diag.message, diag.line);
    rig->instance = sg_instance_create(rig->engine, rig->module, &diag);
    cr_assert(rig->instance, "%s", diag.message);
}

static inline void rig_close(struct rig *rig) {
    sg_instance_destroy(rig->instance);
    sg_module_free(rig->module);
    sg_engine_destroy(rig->engine);
    munmap(rig->arena, RIG_ARENA);
}

static inline enum sg_fault_kind rig_launch(struct rig *rig, const char *name, unsigned blocks, unsigned threads,
                                            const void *params, size_t bytes, struct sg_fault *fault) {
    struct sg_diag diag = {0};
    struct sg_kernel *kernel = sg_instance_kernel(rig->instance, name, &diag);
    cr_assert(kernel, "%s: %s (%s line %u)", name, diag.message, diag.instruction, diag.line);
    struct sg_launch_params launch = {
        .grid = {blocks, 1, 1}, .block = {threads, 1, 1}, .params = params, .param_bytes = bytes};
    return sg_launch(rig->engine, kernel, &launch, fault);
}

#endif
