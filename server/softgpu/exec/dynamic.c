// Dynamic parallelism: kernels launched by kernels. Programs carry NVIDIA's device runtime (libcudadevrt) as PTX, which
// comes down to the functions below; what they take and give was read there, see docs/private-abi.md.
//
// A grid's children run after it has ended, one after the other in the order in which they were launched, each with its
// own children; then the tail launches. CUDA lets nobody wait for a child in the launching grid, so that this order is
// one of those it allows, whatever streams and events the program uses.
#include "ops.h"

#include <stdlib.h>

enum { NO_ERROR, INVALID_VALUE = 1, CONFIGURATION = 7, TOO_MANY_PENDING = 12 }; // the device runtime's own
enum { STREAM_TAIL_LAUNCH = 3 }; // cudaStreamTailLaunch

// ---- children -----------------------------------------------------------------------------------

static void free_child(struct sg_engine *engine, struct child *c) {
    sg_heap_give_back(&engine->launch_heap, c->buffer);
    free(c);
}

static struct child *reversed(struct child *list) {
    struct child *out = NULL;
    while (list) {
        struct child *next = list->next;
        list->next = out;
        out = list;
        list = next;
    }
    return out;
}

enum sg_fault_kind sg_run_children(struct launch *l, struct child **tails, struct sg_fault *fault) {
    for (struct child *c = l->offered = reversed(l->offered), *next; c; c = next) { // never launched
        next = c->next;
        free_child(l->engine, c);
    }
    for (struct child *c = reversed(l->children), *next; c; c = next) {
        next = c->next;
        if (fault->kind == SG_FAULT_NONE) sg_launch(l->engine, c->kernel, &c->p, fault);
        free_child(l->engine, c);
    }
    *tails = reversed(l->tails);
    return fault->kind;
}

// A tail launch's own tail launches come before those that are left.
void sg_run_tails(struct sg_engine *engine, struct child *tails, struct sg_fault *fault) {
    while (tails) {
        struct child *c = tails, *more = NULL;
        tails = c->next;
        if (fault->kind == SG_FAULT_NONE) sg_run_grid(engine, c->kernel, &c->p, &more, fault);
        free_child(engine, c);
        struct child **end = &more;
        while (*end) end = &(*end)->next;
        *end = tails;
        tails = more;
    }
}

// ---- launching ----------------------------------------------------------------------------------

// The place for a child's parameters, 0 when memory is short.
static uint64_t offer(struct launch *l, struct child child, uint64_t bytes) {
    struct child *c = malloc(sizeof *c);
    uint64_t buffer = c ? sg_heap_take(l->engine, &l->engine->launch_heap, bytes ? bytes : 1) : 0;
    if (!buffer) {
        free(c);
        return 0;
    }
    *c = child;
    c->buffer = buffer;
    c->p.params = (const void *)buffer;
    c->p.param_bytes = bytes;
    c->p.stack_bytes = l->p.stack_bytes;
    pthread_mutex_lock(&l->children_lock);
    c->next = l->offered;
    l->offered = c;
    pthread_mutex_unlock(&l->children_lock);
    return buffer;
}

static uint32_t configuration_error(const struct child *c) {
    uint64_t threads = (uint64_t)c->p.block[0] * c->p.block[1] * c->p.block[2];
    if (!threads || !c->p.grid[0] || !c->p.grid[1] || !c->p.grid[2] || c->p.grid[0] > 2147483647u ||
        c->p.grid[1] > 65535 || c->p.grid[2] > 65535 || threads > SG_MAX_BLOCK_THREADS)
        return CONFIGURATION;
    return threads > c->kernel->info.max_threads ? INVALID_VALUE : NO_ERROR;
}

static uint32_t launch_offered(struct launch *l, uint64_t buffer, uint64_t stream, const struct child *given) {
    pthread_mutex_lock(&l->children_lock);
    struct child **p = &l->offered;
    while (*p && (*p)->buffer != buffer) p = &(*p)->next;
    struct child *c = *p;
    uint32_t error = c ? NO_ERROR : INVALID_VALUE;
    if (c && given) {
        c->kernel = given->kernel;
        memcpy(c->p.grid, given->p.grid, sizeof c->p.grid);
        memcpy(c->p.block, given->p.block, sizeof c->p.block);
        c->p.dynamic_shared = given->p.dynamic_shared;
    }
    if (c) error = !c->kernel || c->kernel->fn->param_bytes > c->p.param_bytes ? INVALID_VALUE : configuration_error(c);
    if (error == NO_ERROR) {
        struct child **list = stream == STREAM_TAIL_LAUNCH ? &l->tails : &l->children;
        *p = c->next;
        c->next = *list;
        *list = c;
    }
    pthread_mutex_unlock(&l->children_lock);
    return error;
}

static struct sg_kernel *kernel_at(struct warp *w, uint64_t address) {
    return sg_instance_kernel_at(w->blk->launch->kernel->instance, address);
}

// (kernel, grid, block, shared bytes) -> buffer
HANDLER(get_parameter_buffer) {
    SG_ACTIVE(i, w->exec) {
        struct child c = {.kernel = kernel_at(w, sg_argument(w, op, 0, i))};
        memcpy(c.p.grid, sg_argument_bytes(w, op, 1, i, sizeof c.p.grid), sizeof c.p.grid);
        memcpy(c.p.block, sg_argument_bytes(w, op, 2, i, sizeof c.p.block), sizeof c.p.block);
        c.p.dynamic_shared = (uint32_t)sg_argument(w, op, 3, i);
        sg_give_result(w, op, i, c.kernel ? offer(w->blk->launch, c, c.kernel->fn->param_bytes) : 0);
    }
    return op + 1;
}

// (buffer, stream) -> error
HANDLER(launch_device) {
    SG_ACTIVE(i, w->exec) {
        uint64_t buffer = sg_argument(w, op, 0, i);
        uint32_t error = buffer ? launch_offered(w->blk->launch, buffer, sg_argument(w, op, 1, i), NULL) : TOO_MANY_PENDING;
        sg_give_result(w, op, i, error);
    }
    return op + 1;
}

// (alignment, bytes) -> buffer; the older way, in which the launch brings all the rest
HANDLER(get_plain_buffer) {
    SG_ACTIVE(i, w->exec) {
        struct child c = {0};
        sg_give_result(w, op, i, offer(w->blk->launch, c, sg_argument(w, op, 1, i)));
    }
    return op + 1;
}

// (kernel, buffer, address of the grid, address of the block, shared bytes, stream) -> error
HANDLER(launch_plain) {
    SG_ACTIVE(i, w->exec) {
        struct child c = {.kernel = kernel_at(w, sg_argument(w, op, 0, i))};
        w->pc = op;
        memcpy(c.p.grid, sg_translate(w, op, i, sg_argument(w, op, 2, i), sizeof c.p.grid, 4), sizeof c.p.grid);
        memcpy(c.p.block, sg_translate(w, op, i, sg_argument(w, op, 3, i), sizeof c.p.block, 4), sizeof c.p.block);
        c.p.dynamic_shared = (uint32_t)sg_argument(w, op, 4, i);
        uint64_t buffer = sg_argument(w, op, 1, i);
        uint32_t error = buffer ? launch_offered(w->blk->launch, buffer, sg_argument(w, op, 5, i), &c) : TOO_MANY_PENDING;
        sg_give_result(w, op, i, error);
    }
    return op + 1;
}

// ---- errors, streams, events, the device --------------------------------------------------------

HANDLER(get_last_error) {
    SG_ACTIVE(i, w->exec) sg_give_result(w, op, i, w->last_error[i]);
    return op + 1;
}

HANDLER(set_last_error) {
    SG_ACTIVE(i, w->exec) {
        w->last_error[i] = (uint32_t)sg_argument(w, op, 0, i);
        sg_give_result(w, op, i, w->last_error[i]);
    }
    return op + 1;
}

static void store(struct warp *w, const struct op *op, uint32_t lane, uint64_t value, size_t bytes) {
    w->pc = op;
    memcpy(sg_translate(w, op, lane, sg_argument(w, op, 0, lane), bytes, bytes), &value, bytes);
    sg_give_result(w, op, lane, NO_ERROR);
}

// (address of the handle, flags) -> error. Streams and events are names only: the order of launches is theirs already.
HANDLER(create) {
    SG_ACTIVE(i, w->exec) store(w, op, i, 0x100 + atomic_fetch_add(&w->blk->launch->engine->grid_ids, 1), 8);
    return op + 1;
}

HANDLER(nothing) {
    SG_ACTIVE(i, w->exec) sg_give_result(w, op, i, NO_ERROR);
    return op + 1;
}

HANDLER(get_device_count) {
    SG_ACTIVE(i, w->exec) store(w, op, i, 1, 4);
    return op + 1;
}

// Device 0, and no preference for caches or banks.
HANDLER(get_zero) {
    SG_ACTIVE(i, w->exec) store(w, op, i, 0, 4);
    return op + 1;
}

// (address of the value, attribute, device) -> error
HANDLER(get_attribute) {
    const struct sg_engine_config *config = &w->blk->launch->engine->config;
    SG_ACTIVE(i, w->exec) {
        int value = config->attribute ? config->attribute(config->memory_user, (int)sg_argument(w, op, 1, i)) : -1;
        if (value < 0) sg_give_result(w, op, i, INVALID_VALUE);
        else store(w, op, i, (uint64_t)value, 4);
    }
    return op + 1;
}

// What programs have not been seen to call. It must not keep the others from running: an indirect call may reach all.
HANDLER(unknown) {
    SG_ACTIVE(i, w->exec) sg_raise(w, op, SG_FAULT_INSTRUCTION, i, 0, "a call of the device runtime that is not supported");
    return op + 1;
}

sg_handler sg_device_runtime(const char *name) {
    static const char prefix[] = "__cuda_syscall_cnpv2";
    static const struct {
        const char *name;
        sg_handler fn;
    } table[] = {{"GetParameterBufferV2", get_parameter_buffer}, {"LaunchDeviceV2", launch_device},
                 {"GetParameterBuffer", get_plain_buffer}, {"LaunchDevice", launch_plain},
                 {"GetLastError", get_last_error}, {"SetLastError", set_last_error},
                 {"StreamCreate", create}, {"StreamDestroy", nothing}, {"StreamWaitEvent", nothing},
                 {"EventCreate", create}, {"EventRecord", nothing}, {"EventDestroy", nothing},
                 {"GetCacheConfig", get_zero}, {"GetSharedMemConfig", get_zero},
                 {"GetDeviceCount", get_device_count}, {"GetDevice", get_zero},
                 {"DeviceGetAttribute", get_attribute}};
    bool ours = !strncmp(name, prefix, sizeof prefix - 1);
    for (size_t i = 0; ours && i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].name, name + sizeof prefix - 1)) return table[i].fn;
    return ours || !strncmp(name, "cnp", 3) || !strncmp(name, "__cuda_syscall_cnp", 18) ? unknown : NULL;
}
