// The executor of the software GPU. What runs kernels stands behind tier.h: an interpreter whose unit is a warp of 32
// lanes.
//
// An engine owns worker threads and knows which memory kernels may touch. A module from the PTX
// front end is instantiated in an engine (its variables get device memory), its kernels are looked
// up and launched. Device addresses are host addresses: what the driver hands out as CUdeviceptr is
// a pointer into the arena, valid in this process.
//
// Threads: every function may be called from any thread; sg_launch blocks its caller until the grid
// has ended, and several launches may run at once. An engine, instance or kernel must not be
// destroyed while a launch uses it.
#ifndef SOFTGPU_EXEC_EXEC_H
#define SOFTGPU_EXEC_EXEC_H

#include <pthread.h>

#include "ir.h"

// ---- limits -----------------------------------------------------------------------------------

enum {
    SG_WARP = 32,
    SG_MAX_BLOCK_THREADS = 1024,
    SG_BLOCK_REGISTERS = 65536,       // of 32 bits, of all threads of a block
    SG_MAX_SHARED_BYTES = 227 * 1024, // static and dynamic, per block
    // At the start of each block's shared memory, before the program's, as on GPUs of compute capability 8.0 and newer:
    // of the toolkit's own headers, which keep there what tiles of several warps need.
    SG_RESERVED_SHARED_BYTES = 1024,
    SG_MULTIPROCESSOR_SHARED_BYTES = SG_MAX_SHARED_BYTES + SG_RESERVED_SHARED_BYTES,
    SG_MAX_PARAM_BYTES = 32764,
    SG_MAX_WORKERS = 256,
    SG_MAX_CLUSTER = 16, // blocks
};

// ---- engine -----------------------------------------------------------------------------------

struct sg_engine;

struct sg_engine_config {
    unsigned threads; // workers; 0: one per usable core
    // The arena [lo, hi): all device memory of this engine. Its pages may come and go; a kernel
    // that touches one that is not accessible faults with SG_FAULT_ADDRESS. Required.
    uintptr_t arena_lo, arena_hi;
    // Device memory for module variables and the device heap, inside the arena, at least
    // align-aligned (a power of two up to 4096 or more). NULL on exhaustion. Required.
    void *(*alloc)(void *user, size_t bytes, size_t align);
    void (*release)(void *user, void *memory);
    void *memory_user;
    // Device printf's output, in pieces, possibly from several workers at once but one call at a
    // time. NULL: to stdout.
    void (*print)(void *user, const void *bytes, size_t n);
    void *print_user;
    // The value of a CUdevice_attribute, for kernels that ask; less than 0 for none. May be NULL.
    int (*attribute)(void *memory_user, int attribute);
    size_t heap_bytes; // device malloc; 0: 8 MiB. Taken at the first malloc.
};

// NULL if memory or threads lack. The first engine of a process installs handlers for SIGSEGV and
// SIGBUS that pass on every fault not raised by a kernel.
struct sg_engine *sg_engine_create(const struct sg_engine_config *config);
// pthread_create for a thread that takes no signals of the program's, but its own faults.
int sg_start_thread(pthread_t *thread, void *(*run)(void *), void *arg);
void sg_engine_destroy(struct sg_engine *engine);
unsigned sg_engine_threads(const struct sg_engine *engine);
// The threads of an engine that was not told how many.
unsigned sg_usable_cores(void);
// The instruction set in use: "avx512", "avx2" or "baseline". Results do not depend on it.
const char *sg_engine_isa(const struct sg_engine *engine);

// Host memory outside the arena that kernels may access (pinned, registered, managed), until
// removed. A launch sees the ranges as they are when it starts. Removing wants the same bounds.
bool sg_engine_add_range(struct sg_engine *engine, const void *start, size_t bytes);
bool sg_engine_remove_range(struct sg_engine *engine, const void *start, size_t bytes);

// Size of the device heap for malloc() in kernels. False once the heap is in use.
bool sg_engine_set_heap(struct sg_engine *engine, size_t bytes);

// ---- modules ----------------------------------------------------------------------------------

struct sg_instance;

// Places the module's global and const variables, runs their initializers and relocations. At most
// one instance of a module at a time (addresses are kept in the module). The module must outlive
// the instance. NULL with *diag filled on failure (SG_NO_MEMORY, SG_UNRESOLVED_SYMBOL).
struct sg_instance *sg_instance_create(struct sg_engine *engine, struct sg_module *module, struct sg_diag *diag);
void sg_instance_destroy(struct sg_instance *instance);

// Address and size in bytes of a module-scope .global or .const variable. False if there is none.
bool sg_instance_global(struct sg_instance *instance, const char *name, void **address, size_t *bytes, bool *managed);

// The handle (texture.h) of a module-scope .texref or .surfref variable, 0 if there is none.
uint64_t sg_instance_texture(struct sg_instance *instance, const char *name);

// ---- kernels ----------------------------------------------------------------------------------

struct sg_kernel;

struct sg_kernel_info {
    const char *name;
    const struct sg_function *function; // parameters: function->params[0..nparams)
    uint32_t nparams;
    uint32_t param_bytes;  // of the whole parameter buffer
    uint32_t shared_bytes; // static
    uint32_t const_bytes;  // of the module's .const variables
    uint32_t local_bytes;  // per thread
    uint32_t registers;    // per thread, an estimate within hardware's limits
    uint32_t max_threads;  // per block: 1024, or less by .maxntid/.reqntid
    uint32_t architecture; // that its PTX is for: 75 for sm_75
};

// Parses and decodes a kernel at its first use; NULL with *diag filled if it has no such entry or
// an instruction that cannot be executed. Owned by the instance; the same pointer each time.
struct sg_kernel *sg_instance_kernel(struct sg_instance *instance, const char *name, struct sg_diag *diag);
const struct sg_kernel_info *sg_kernel_info(const struct sg_kernel *kernel);

// ---- launches ---------------------------------------------------------------------------------

enum sg_fault_kind {
    SG_FAULT_NONE,
    SG_FAULT_ADDRESS,     // -> CUDA_ERROR_ILLEGAL_ADDRESS
    SG_FAULT_MISALIGNED,  // -> CUDA_ERROR_MISALIGNED_ADDRESS
    SG_FAULT_TRAP,        // trap, brkpt -> CUDA_ERROR_LAUNCH_FAILED
    SG_FAULT_INSTRUCTION, // -> CUDA_ERROR_ILLEGAL_INSTRUCTION
    SG_FAULT_PC,          // call of what is no function -> CUDA_ERROR_INVALID_PC
    SG_FAULT_SPACE,       // wrong state space -> CUDA_ERROR_INVALID_ADDRESS_SPACE
    SG_FAULT_ASSERT,      // -> CUDA_ERROR_ASSERT; the message has gone to stderr
    SG_FAULT_STACK,       // calls too deep -> CUDA_ERROR_LAUNCH_FAILED
    SG_FAULT_DEADLOCK,    // all warps of a block wait at barriers that cannot complete
                          // -> CUDA_ERROR_LAUNCH_TIMEOUT
    // The launch was refused before any thread ran:
    SG_FAULT_INVALID_VALUE,    // -> CUDA_ERROR_INVALID_VALUE
    SG_FAULT_COOPERATIVE_SIZE, // -> CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE
    SG_FAULT_CLUSTER_SIZE,     // -> CUDA_ERROR_INVALID_CLUSTER_SIZE
    SG_FAULT_NO_MEMORY,        // -> CUDA_ERROR_OUT_OF_MEMORY
};

// The first fault of a launch. The caller owns it.
struct sg_fault {
    enum sg_fault_kind kind;
    uint64_t address;   // ADDRESS, MISALIGNED, PC
    uint32_t block[3];  // where it happened
    uint32_t thread[3]; // the first faulting thread of the warp, or the warp's first
    uint32_t line;      // of the PTX text, 0 if unknown
    char message[256];
};

struct sg_launch_params {
    uint32_t grid[3], block[3]; // all at least 1
    uint32_t cluster[3];        // blocks of a cluster; zeros for what the kernel says, or none
    uint32_t dynamic_shared;    // bytes
    const void *params;         // the packed parameter buffer; read before sg_launch returns
    size_t param_bytes;         // at least sg_kernel_info.param_bytes
    bool cooperative;           // all blocks are resident; the grid may synchronize
    uint64_t grid_id;           // %gridid
    size_t stack_bytes;         // per thread, for calls whose depth only running tells (CU_LIMIT_STACK_SIZE)
};

// Runs the grid to its end. SG_FAULT_NONE or what went wrong (fault->kind, same value; fault may
// be NULL). After a fault the grid's remaining blocks are not started; memory keeps what was
// written.
enum sg_fault_kind sg_launch(struct sg_engine *engine, struct sg_kernel *kernel, const struct sg_launch_params *launch,
                             struct sg_fault *fault);

// Most blocks a cooperative launch may have.
uint32_t sg_cooperative_limit(const struct sg_engine *engine, uint32_t block_threads);

const char *sg_fault_name(enum sg_fault_kind kind);

#endif
