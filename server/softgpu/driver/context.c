/* Contexts: each thread's stack of current ones, primary contexts, limits, sticky errors. */
#include "driver.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct stack {
    unsigned depth, capacity;
    struct sd_context **items;
};

static __thread struct stack stack;
/* Recursive: runtimes' destructors, which run when a primary context ends, may ask for it again. */
static pthread_mutex_t primary_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static _Atomic(uint64_t) last_id;
static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void free_stack(void *items)
{
    free(items);
}

static void make_key(void)
{
    pthread_key_create(&key, free_stack);
}

static CUresult push(struct sd_context *c)
{
    if (stack.depth == stack.capacity) {
        unsigned n = stack.capacity ? 2 * stack.capacity : 8;
        struct sd_context **p = realloc(stack.items, n * sizeof *p);
        if (!p) return CUDA_ERROR_OUT_OF_MEMORY;
        stack.items = p;
        stack.capacity = n;
        pthread_once(&key_once, make_key);
        pthread_setspecific(key, p);
    }
    stack.items[stack.depth++] = c;
    return CUDA_SUCCESS;
}

static struct sd_context *top(void)
{
    return stack.depth ? stack.items[stack.depth - 1] : NULL;
}

CUresult sd_current_any(struct sd_context **out)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    *out = top();
    if (!*out) return CUDA_ERROR_INVALID_CONTEXT;
    if (!sd_is(SD_CONTEXT, *out) || !(*out)->active) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    return CUDA_SUCCESS;
}

CUresult sd_current(struct sd_context **out)
{
    CUresult r = sd_current_any(out);
    return r == CUDA_SUCCESS ? sd_context_error(*out) : r;
}

CUresult sd_context_error(struct sd_context *c)
{
    pthread_mutex_lock(&c->lock);
    CUresult r = c->error;
    pthread_mutex_unlock(&c->lock);
    return r;
}

void sd_context_fail(struct sd_context *c, CUresult error)
{
    pthread_mutex_lock(&c->lock);
    if (c->error == CUDA_SUCCESS) c->error = error;
    pthread_mutex_unlock(&c->lock);
}

/* ---- making and ending ---- */

static void default_limits(struct sd_context *c)
{
    memset(c->limits, 0, sizeof c->limits);
    c->limits[CU_LIMIT_STACK_SIZE] = 1024;
    c->limits[CU_LIMIT_PRINTF_FIFO_SIZE] = 1 << 20;
    c->limits[CU_LIMIT_MALLOC_HEAP_SIZE] = 8 << 20;
    c->limits[CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT] = 2048;
    c->error = CUDA_SUCCESS;
    c->cache = CU_FUNC_CACHE_PREFER_NONE;
}

static CUresult activate(struct sd_context *c)
{
    default_limits(c);
    c->legacy = sd_stream_new(c, CU_STREAM_DEFAULT, 0, true);
    c->active = c->legacy != NULL;
    return c->active ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static struct sd_context *new_context(struct sd_device *d, unsigned flags)
{
    struct sd_context *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->device = d;
    c->flags = flags;
    c->id = ++last_id;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->progress, NULL);
    if (!sd_register(SD_CONTEXT, c)) {
        free(c);
        return NULL;
    }
    return c;
}

/* Everything that lives in the context ends; the context itself may go on. */
static void empty(struct sd_context *c)
{
    sd_streams_end(c);
    sd_events_end(c);
    sd_modules_end(c);
    sd_textures_end(c);
    sd_arrays_end(c);
    sd_free_all(c);
    c->active = false;
    hawser_abi_context_gone((CUcontext)c);
}

/* Under primary_lock. */
static struct sd_context *primary(struct sd_device *d)
{
    if (!d->primary && (d->primary = new_context(d, 0))) d->primary->primary = true;
    return d->primary;
}

CUresult hawser_abi_primary_context(CUcontext *out, CUdevice dev)
{
    struct sd_device *d = sd_device(dev);
    if (!d) return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&primary_lock);
    *out = (CUcontext)primary(d);
    pthread_mutex_unlock(&primary_lock);
    return *out ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

bool hawser_front_context_ok(CUcontext handle)
{
    return sd_is(SD_CONTEXT, handle);
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *pctx, CUdevice dev)
{
    CUresult r = sd_ready();
    struct sd_device *d = sd_device(dev);
    if (r != CUDA_SUCCESS) return r;
    if (!pctx) return CUDA_ERROR_INVALID_VALUE;
    if (!d) return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&primary_lock);
    struct sd_context *c = primary(d);
    r = !c ? CUDA_ERROR_OUT_OF_MEMORY : c->active ? CUDA_SUCCESS : activate(c);
    if (r == CUDA_SUCCESS) {
        c->retained++;
        *pctx = (CUcontext)c;
    }
    pthread_mutex_unlock(&primary_lock);
    return r;
}

static CUresult end_primary(CUdevice dev, bool reset)
{
    CUresult r = sd_ready();
    struct sd_device *d = sd_device(dev);
    if (r != CUDA_SUCCESS) return r;
    if (!d) return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&primary_lock);
    struct sd_context *c = d->primary, *ended = NULL;
    if (!reset && (!c || !c->retained)) {
        r = CUDA_ERROR_INVALID_CONTEXT;
    } else if (c && c->retained) {
        if (!reset) c->retained--;
        if (reset || !c->retained) ended = c;
    }
    if (ended && ended->active) {
        empty(ended);
        if (reset) r = activate(ended);
    }
    pthread_mutex_unlock(&primary_lock);
    return r;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice dev)
{
    return end_primary(dev, false);
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice dev)
{
    return end_primary(dev, true);
}

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags)
{
    CUcontext c;
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (flags & ~(unsigned)CU_CTX_FLAGS_MASK) return CUDA_ERROR_INVALID_VALUE;
    r = hawser_abi_primary_context(&c, dev);
    if (r == CUDA_SUCCESS) ((struct sd_context *)c)->flags = flags;
    return r;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int *flags, int *active)
{
    CUcontext c;
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!flags || !active) return CUDA_ERROR_INVALID_VALUE;
    r = hawser_abi_primary_context(&c, dev);
    if (r != CUDA_SUCCESS) return r;
    *flags = ((struct sd_context *)c)->flags;
    *active = ((struct sd_context *)c)->active;
    return CUDA_SUCCESS;
}

CUresult cuCtxCreate_v2(CUcontext *pctx, unsigned int flags, CUdevice dev)
{
    CUresult r = sd_ready();
    struct sd_device *d = sd_device(dev);
    if (r != CUDA_SUCCESS) return r;
    if (!pctx || flags & ~(unsigned)CU_CTX_FLAGS_MASK) return CUDA_ERROR_INVALID_VALUE;
    if (!d) return CUDA_ERROR_INVALID_DEVICE;
    struct sd_context *c = new_context(d, flags);
    if (!c) return CUDA_ERROR_OUT_OF_MEMORY;
    r = activate(c);
    if (r == CUDA_SUCCESS) r = push(c);
    if (r == CUDA_SUCCESS)
        *pctx = (CUcontext)c;
    else
        sd_unregister(c);
    return r;
}

CUresult cuCtxCreate_v3(CUcontext *pctx, CUexecAffinityParam *paramsArray, int numParams,
                        unsigned int flags, CUdevice dev)
{
    if (paramsArray || numParams) return hawser_abi_not_supported("cuCtxCreate_v3 with affinity");
    return cuCtxCreate_v2(pctx, flags, dev);
}

CUresult cuCtxCreate_v4(CUcontext *pctx, CUctxCreateParams *params, unsigned int flags, CUdevice dev)
{
    if (params && (params->numExecAffinityParams || params->cigParams))
        return hawser_abi_not_supported("cuCtxCreate_v4 with affinity or graphics sharing");
    return cuCtxCreate_v2(pctx, flags, dev);
}

/* The structure stays: other threads may have it on their stacks and find it unregistered there. */
CUresult cuCtxDestroy_v2(CUcontext ctx)
{
    CUresult r = sd_ready();
    struct sd_context *c = (struct sd_context *)ctx;
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_CONTEXT, c) || c->primary) return CUDA_ERROR_INVALID_CONTEXT;
    empty(c);
    sd_unregister(c);
    if (top() == c) stack.depth--;
    return CUDA_SUCCESS;
}

/* ---- the stack ---- */

CUresult cuCtxGetCurrent(CUcontext *pctx)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!pctx) return CUDA_ERROR_INVALID_VALUE;
    *pctx = (CUcontext)top();
    return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext ctx)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (ctx && !sd_is(SD_CONTEXT, ctx)) return CUDA_ERROR_INVALID_CONTEXT;
    if (stack.depth) stack.depth--;
    return ctx ? push((struct sd_context *)ctx) : CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent_v2(CUcontext ctx)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    return sd_is(SD_CONTEXT, ctx) ? push((struct sd_context *)ctx) : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cuCtxPopCurrent_v2(CUcontext *pctx)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!stack.depth) return CUDA_ERROR_INVALID_CONTEXT;
    struct sd_context *c = stack.items[--stack.depth];
    if (pctx) *pctx = (CUcontext)c;
    return CUDA_SUCCESS;
}

/* ---- queries ---- */

static CUresult named_or_current(CUcontext ctx, struct sd_context **out)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!ctx) return sd_current_any(out);
    *out = (struct sd_context *)ctx;
    return sd_is(SD_CONTEXT, ctx) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cuCtxGetDevice_v2(CUdevice *device, CUcontext ctx)
{
    struct sd_context *c;
    CUresult r = named_or_current(ctx, &c);
    if (r != CUDA_SUCCESS) return r;
    if (!device) return CUDA_ERROR_INVALID_VALUE;
    *device = c->device->ordinal;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice *device)
{
    return cuCtxGetDevice_v2(device, NULL);
}

CUresult cuCtxGetFlags(unsigned int *flags)
{
    struct sd_context *c;
    CUresult r = sd_current_any(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!flags) return CUDA_ERROR_INVALID_VALUE;
    *flags = c->flags;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetId(CUcontext ctx, unsigned long long *ctxId)
{
    struct sd_context *c;
    CUresult r = named_or_current(ctx, &c);
    if (r != CUDA_SUCCESS) return r;
    if (!ctxId) return CUDA_ERROR_INVALID_VALUE;
    *ctxId = c->id;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetApiVersion(CUcontext ctx, unsigned int *version)
{
    struct sd_context *c;
    CUresult r = named_or_current(ctx, &c);
    if (r != CUDA_SUCCESS) return r;
    if (!version) return CUDA_ERROR_INVALID_VALUE;
    *version = 3020;
    return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize_v2(CUcontext ctx)
{
    struct sd_context *c;
    CUresult r = named_or_current(ctx, &c);
    return r == CUDA_SUCCESS ? sd_synchronized(sd_wait_all(c)) : r;
}

CUresult cuCtxSynchronize(void)
{
    return cuCtxSynchronize_v2(NULL);
}

CUresult cuCtxGetStreamPriorityRange(int *leastPriority, int *greatestPriority)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (leastPriority) *leastPriority = 0;
    if (greatestPriority) *greatestPriority = 0;
    return CUDA_SUCCESS;
}

CUresult cuCtxSetLimit(CUlimit limit, size_t value)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    switch (limit) {
    case CU_LIMIT_MALLOC_HEAP_SIZE:
        if (value == c->limits[limit]) return CUDA_SUCCESS;
        if (!sg_engine_set_heap(c->device->engine, value)) return CUDA_ERROR_INVALID_VALUE;
        break;
    case CU_LIMIT_STACK_SIZE: /* for recursion and calls through pointers; for others there is always enough */
    case CU_LIMIT_PRINTF_FIFO_SIZE: /* output is written through: any size holds */
    case CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT: /* the bytes of their parameters are bounded, not their number */
        break;
    default:
        return CUDA_ERROR_UNSUPPORTED_LIMIT;
    }
    c->limits[limit] = value;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetLimit(size_t *pvalue, CUlimit limit)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!pvalue) return CUDA_ERROR_INVALID_VALUE;
    switch (limit) {
    case CU_LIMIT_MALLOC_HEAP_SIZE:
    case CU_LIMIT_STACK_SIZE:
    case CU_LIMIT_PRINTF_FIFO_SIZE:
    case CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT:
        *pvalue = c->limits[limit];
        return CUDA_SUCCESS;
    case CU_LIMIT_CIG_ENABLED: /* no graphics here that a context could belong to; cuBLAS asks */
        *pvalue = 0;
        return CUDA_SUCCESS;
    default:
        return CUDA_ERROR_UNSUPPORTED_LIMIT;
    }
}

CUresult cuCtxGetCacheConfig(CUfunc_cache *pconfig)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!pconfig) return CUDA_ERROR_INVALID_VALUE;
    *pconfig = c->cache;
    return CUDA_SUCCESS;
}

/* A preference, which CUDA lets a device ignore; kept for cuCtxGetCacheConfig. */
CUresult cuCtxSetCacheConfig(CUfunc_cache config)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if ((unsigned)config > CU_FUNC_CACHE_PREFER_EQUAL) return CUDA_ERROR_INVALID_VALUE;
    c->cache = config;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetSharedMemConfig(CUsharedconfig *pConfig)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!pConfig) return CUDA_ERROR_INVALID_VALUE;
    *pConfig = CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE;
    return CUDA_SUCCESS;
}

CUresult cuCtxSetSharedMemConfig(CUsharedconfig config)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    return (unsigned)config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE ? CUDA_ERROR_INVALID_VALUE
                                                                        : CUDA_SUCCESS;
}

CUresult cuCtxResetPersistingL2Cache(void)
{
    struct sd_context *c;
    return sd_current(&c); /* nothing persists in a CPU's cache by request */
}

CUresult cuCtxEnablePeerAccess(CUcontext peerContext, unsigned int Flags)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (Flags) return CUDA_ERROR_INVALID_VALUE;
    if (!sd_is(SD_CONTEXT, peerContext) || peerContext == (CUcontext)c) return CUDA_ERROR_INVALID_CONTEXT;
    uint32_t bit = 1u << ((struct sd_context *)peerContext)->device->ordinal;
    if (bit == 1u << c->device->ordinal) return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
    /* One arena serves all devices: access is always there. */
    uint32_t before = __atomic_fetch_or(&c->peers, bit, __ATOMIC_RELAXED);
    return before & bit ? CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED : CUDA_SUCCESS;
}

CUresult cuCtxDisablePeerAccess(CUcontext peerContext)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_CONTEXT, peerContext)) return CUDA_ERROR_INVALID_CONTEXT;
    uint32_t bit = 1u << ((struct sd_context *)peerContext)->device->ordinal;
    uint32_t before = __atomic_fetch_and(&c->peers, ~bit, __ATOMIC_RELAXED);
    return before & bit ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
}

CUresult cuCtxSetFlags(unsigned int flags)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (flags & ~(unsigned)CU_CTX_FLAGS_MASK) return CUDA_ERROR_INVALID_VALUE;
    c->flags = flags; /* how threads wait is the operating system's affair here */
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetExecAffinitySupport(int *pi, CUexecAffinityType type, CUdevice dev)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!pi || (unsigned)type >= CU_EXEC_AFFINITY_TYPE_MAX) return CUDA_ERROR_INVALID_VALUE;
    if (!sd_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    *pi = 0;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetExecAffinity(CUexecAffinityParam *pExecAffinity, CUexecAffinityType type)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!pExecAffinity || (unsigned)type >= CU_EXEC_AFFINITY_TYPE_MAX) return CUDA_ERROR_INVALID_VALUE;
    return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
}

/* ---- resources: the "multiprocessors", which cannot be divided ---- */

CUresult cuDeviceGetDevResource(CUdevice device, CUdevResource *resource, CUdevResourceType type)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    const struct sd_device *d = sd_device(device);
    if (!d) return CUDA_ERROR_INVALID_DEVICE;
    if (!resource) return CUDA_ERROR_INVALID_VALUE;
    if (type != CU_DEV_RESOURCE_TYPE_SM) return CUDA_ERROR_INVALID_RESOURCE_TYPE;
    memset(resource, 0, sizeof *resource);
    resource->type = type;
    resource->sm.smCount = resource->sm.minSmPartitionSize = sg_engine_threads(d->engine);
    resource->sm.smCoscheduledAlignment = 1;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetDevResource(CUcontext hCtx, CUdevResource *resource, CUdevResourceType type)
{
    CUdevice device;
    CUresult r = cuCtxGetDevice_v2(&device, hCtx);
    return r == CUDA_SUCCESS ? cuDeviceGetDevResource(device, resource, type) : r;
}
