// What every tier runs on: engines and their workers, instances and kernels, launches, heaps. Internal to exec/.
#ifndef SOFTGPU_EXEC_ENGINE_H
#define SOFTGPU_EXEC_ENGINE_H

#include "exec.h"
#include "texture.h"

#include <setjmp.h>
#include <stdatomic.h>

struct sg_tier;

// Of the processor. Results do not depend on it.
enum sg_isa { SG_ISA_BASELINE, SG_ISA_AVX2, SG_ISA_AVX512 };

struct sg_kernel {
    struct sg_instance *instance;
    struct sg_function *fn;
    struct sg_kernel_info info;
    const struct sg_tier *tier; // that runs it
    void *code;                 // the tier's
    struct sg_kernel *next;
};

struct sg_instance {
    struct sg_engine *engine;
    struct sg_module *module;
    void *memory; // all variables
    size_t memory_bytes;
    uint32_t const_bytes;
    struct sg_kernel *kernels;
    pthread_mutex_t lock;
};

// ---- launches -----------------------------------------------------------------------------------

struct range {
    uintptr_t lo, hi;
};

struct launch {
    struct sg_engine *engine;
    struct sg_kernel *kernel;
    struct sg_launch_params p;
    uint8_t *params;
    uint32_t param_bytes;
    uint64_t nblocks;
    _Atomic uint64_t next;
    uint32_t threads, warps, shared_bytes;
    uint32_t cluster; // blocks of one; next goes in such steps
    bool explicit_cluster;
    _Atomic int failed;
    struct sg_fault fault;
    uint32_t running; // workers inside, under the engine's lock
    struct launch *queue_next;
    struct range *ranges;
    uint32_t nranges;
    void *grid_workspace; // device address; %envreg1/2
    uint64_t grid_id;
    // Grids that this one launches, newest first; a buffer is offered before its grid is launched.
    struct child *offered, *children, *tails;
    pthread_mutex_t children_lock;
};

struct child {
    struct child *next;
    uint64_t buffer; // of the parameters, in the launch heap
    struct sg_kernel *kernel;
    struct sg_launch_params p;
};

enum sg_device_error { NO_ERROR, INVALID_VALUE = 1, CONFIGURATION = 7, TOO_MANY_PENDING = 12 }; // the device runtime's

// children.c: kernels that kernels launch.
// The place for a child's parameters, 0 when memory is short.
uint64_t sg_offer_child(struct launch *l, struct child child, uint64_t bytes);
// Launches what was offered at `buffer`; `given`, if not NULL, says what was not known then.
enum sg_device_error sg_launch_child(struct launch *l, uint64_t buffer, uint64_t stream, const struct child *given);
// One grid and its children; its tail launches are the caller's to run.
enum sg_fault_kind sg_run_grid(struct sg_engine *engine, struct sg_kernel *kernel,
                               const struct sg_launch_params *params, struct child **tails, struct sg_fault *fault);
enum sg_fault_kind sg_run_children(struct launch *l, struct child **tails, struct sg_fault *fault);
void sg_run_tails(struct sg_engine *engine, struct child *tails, struct sg_fault *fault);
// instance.c: the kernel whose address a kernel has taken, or NULL.
struct sg_kernel *sg_instance_kernel_at(struct sg_instance *instance, uint64_t address);

// ---- workers ------------------------------------------------------------------------------------

struct worker {
    struct sg_engine *engine;
    pthread_t thread;
    uint32_t index;
    struct launch *launch;
    uint8_t *memory; // for what a tier keeps for its blocks, kept from launch to launch
    size_t memory_size;
    void *running; // the tier's
    sigjmp_buf jump;
    volatile bool in_kernel; // accesses may fault
    enum sg_fault_kind fault;
    uint64_t fault_address;
    char fault_message[192];
    void *signal_stack;
};

// worker.c
void sg_worker_enter(struct worker *worker);
void sg_worker_leave(struct worker *worker);
void sg_install_signals(void);
// At least so much of worker->memory, if need be afresh. False if there is none.
bool sg_worker_reserve(struct worker *worker, size_t bytes);
// Ends the launch on this worker: the tier says where it was. SG_FAULT_NONE: another worker has found a fault.
_Noreturn void sg_worker_fault(struct worker *worker, enum sg_fault_kind kind, uint64_t address, const char *message);
// Runs blocks of the launch until none is left, or it has failed.
void sg_run_blocks(struct worker *worker, struct launch *launch);

// ---- heaps --------------------------------------------------------------------------------------

struct chunk;

// A part of device memory that is given out in pieces (heap.c). Taken from the engine's memory at first use.
struct heap {
    pthread_mutex_t lock; // all below
    size_t bytes;
    uint8_t *memory;
    struct chunk *chunks;
};
void sg_heap_init(struct heap *h, size_t bytes);
void sg_heap_destroy(struct sg_engine *engine, struct heap *h);
// False once it is in use.
bool sg_heap_resize(struct heap *h, size_t bytes);
// An address, 0 when there is no room; false for what was not given.
uint64_t sg_heap_take(struct sg_engine *engine, struct heap *h, uint64_t bytes);
bool sg_heap_give_back(struct heap *h, uint64_t at);

// ---- engines ------------------------------------------------------------------------------------

enum { TEXTURE_CHUNK = 256 };
struct textures {
    struct place *_Atomic chunks[SG_MAX_TEXTURES / TEXTURE_CHUNK];
    uint32_t used, free; // free: index + 1 of the first free place
    pthread_mutex_t lock;
};
void sg_textures_init(struct textures *t);
void sg_textures_destroy(struct textures *t);

// NULL when there is none of that handle.
const struct sg_texture *sg_texture_find(const struct sg_engine *engine, uint64_t handle);

struct sg_engine {
    struct sg_engine_config config;
    unsigned nworkers;
    struct worker *workers;
    enum sg_isa isa;
    pthread_mutex_t lock, print_lock, cooperative_lock;
    pthread_cond_t work, done;
    struct launch *queue; // launches with blocks left
    bool stopping;
    struct range *ranges;
    uint32_t nranges;
    struct heap malloc_heap;
    struct heap launch_heap; // parameters of kernels that kernels launch
    _Atomic uint64_t grid_ids;
    struct textures textures;
};

#endif
