/* Contexts: the front end's verbs, limits, sticky errors. */
#include "driver.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

CUresult sd_current_any(struct sd_context **out) {
    struct hawser_context *c;
    CUresult r = hawser_current_context(&c);
    if (r == CUDA_SUCCESS) *out = (struct sd_context *)c->handle;
    return r;
}

CUresult sd_current(struct sd_context **out) {
    CUresult r = sd_current_any(out);
    return r == CUDA_SUCCESS ? sd_context_error(*out) : r;
}

CUresult sd_context_error(struct sd_context *c) {
    pthread_mutex_lock(&c->lock);
    CUresult r = c->error;
    pthread_mutex_unlock(&c->lock);
    return r;
}

void sd_context_fail(struct sd_context *c, CUresult error) {
    pthread_mutex_lock(&c->lock);
    if (c->error == CUDA_SUCCESS) c->error = error;
    pthread_mutex_unlock(&c->lock);
}

/* ---- making and ending ---- */

static void default_limits(struct sd_context *c) {
    memset(c->limits, 0, sizeof c->limits);
    c->limits[CU_LIMIT_STACK_SIZE] = 1024;
    c->limits[CU_LIMIT_PRINTF_FIFO_SIZE] = 1 << 20;
    c->limits[CU_LIMIT_MALLOC_HEAP_SIZE] = 8 << 20;
    c->limits[CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT] = 2048;
    c->error = CUDA_SUCCESS;
    c->cache = CU_FUNC_CACHE_PREFER_NONE;
}

struct hawser_context *hawser_front_context(CUcontext handle) {
    return sd_is(SD_CONTEXT, handle) ? &((struct sd_context *)handle)->facts : NULL;
}

struct hawser_context *hawser_front_context_new(CUdevice device, unsigned flags, bool primary) {
    static _Atomic(uint64_t) last_id;
    struct sd_context *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->device = sd_device(device);
    c->facts.handle = (CUcontext)c;
    c->facts.device = device;
    c->facts.flags = flags;
    c->facts.primary = primary;
    c->facts.id = ++last_id;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->progress, NULL);
    if (!sd_register(SD_CONTEXT, c)) {
        free(c);
        return NULL;
    }
    if (primary) c->device->primary = c;
    return &c->facts;
}

/* The structure stays: other threads may have it on their stacks and find it unregistered there. */
void hawser_front_context_gone(struct hawser_context *c) {
    sd_unregister(c->handle);
}

CUresult hawser_front_context_start(struct hawser_context *context) {
    struct sd_context *c = (struct sd_context *)context->handle;
    default_limits(c);
    c->legacy = sd_stream_new(c, CU_STREAM_DEFAULT, 0, true);
    return c->legacy ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult hawser_front_context_end(struct hawser_context *context, bool reset) {
    struct sd_context *c = (struct sd_context *)context->handle;
    if (context->active) {
        sd_streams_end(c);
        sd_events_end(c);
        sd_modules_end(c);
        sd_textures_end(c);
        sd_arrays_end(c);
        sd_free_all(c);
    }
    return reset ? hawser_front_context_start(context) : CUDA_SUCCESS;
}

CUresult hawser_front_context_sync(struct hawser_context *c) {
    return sd_synchronized(sd_wait_all((struct sd_context *)c->handle));
}

/* How threads wait is the operating system's affair here. */
CUresult hawser_front_primary_flags(CUdevice device, unsigned flags) {
    (void)device, (void)flags;
    return CUDA_SUCCESS;
}

/* ---- limits and settings ---- */

CUresult cuCtxGetStreamPriorityRange(int *leastPriority, int *greatestPriority) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (leastPriority) *leastPriority = 0;
    if (greatestPriority) *greatestPriority = 0;
    return CUDA_SUCCESS;
}

CUresult cuCtxSetLimit(CUlimit limit, size_t value) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    switch (limit) {
    case CU_LIMIT_MALLOC_HEAP_SIZE:
        if (value == c->limits[limit]) return CUDA_SUCCESS;
        if (!sg_engine_set_heap(c->device->engine, value)) return CUDA_ERROR_INVALID_VALUE;
        break;
    case CU_LIMIT_STACK_SIZE:       /* for recursion and calls through pointers; for others there is always enough */
    case CU_LIMIT_PRINTF_FIFO_SIZE: /* output is written through: any size holds */
    case CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT: /* the bytes of their parameters are bounded, not their number */
        break;
    default:
        return CUDA_ERROR_UNSUPPORTED_LIMIT;
    }
    c->limits[limit] = value;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetLimit(size_t *pvalue, CUlimit limit) {
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

CUresult cuCtxGetCacheConfig(CUfunc_cache *pconfig) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!pconfig) return CUDA_ERROR_INVALID_VALUE;
    *pconfig = c->cache;
    return CUDA_SUCCESS;
}

/* A preference, which CUDA lets a device ignore; kept for cuCtxGetCacheConfig. */
CUresult cuCtxSetCacheConfig(CUfunc_cache config) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if ((unsigned)config > CU_FUNC_CACHE_PREFER_EQUAL) return CUDA_ERROR_INVALID_VALUE;
    c->cache = config;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetSharedMemConfig(CUsharedconfig *pConfig) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!pConfig) return CUDA_ERROR_INVALID_VALUE;
    *pConfig = CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE;
    return CUDA_SUCCESS;
}

CUresult cuCtxSetSharedMemConfig(CUsharedconfig config) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    return (unsigned)config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuCtxResetPersistingL2Cache(void) {
    struct sd_context *c;
    return sd_current(&c); /* nothing persists in a CPU's cache by request */
}

CUresult cuCtxEnablePeerAccess(CUcontext peerContext, unsigned int Flags) {
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

CUresult cuCtxDisablePeerAccess(CUcontext peerContext) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_CONTEXT, peerContext)) return CUDA_ERROR_INVALID_CONTEXT;
    uint32_t bit = 1u << ((struct sd_context *)peerContext)->device->ordinal;
    uint32_t before = __atomic_fetch_and(&c->peers, ~bit, __ATOMIC_RELAXED);
    return before & bit ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
}

CUresult cuCtxSetFlags(unsigned int flags) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (flags & ~(unsigned)CU_CTX_FLAGS_MASK) return CUDA_ERROR_INVALID_VALUE;
    c->facts.flags = flags;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetExecAffinitySupport(int *pi, CUexecAffinityType type, CUdevice dev) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!pi || (unsigned)type >= CU_EXEC_AFFINITY_TYPE_MAX) return CUDA_ERROR_INVALID_VALUE;
    if (!sd_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    *pi = 0;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetExecAffinity(CUexecAffinityParam *pExecAffinity, CUexecAffinityType type) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!pExecAffinity || (unsigned)type >= CU_EXEC_AFFINITY_TYPE_MAX) return CUDA_ERROR_INVALID_VALUE;
    return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
}

/* ---- resources: the "multiprocessors", which cannot be divided ---- */

CUresult cuDeviceGetDevResource(CUdevice device, CUdevResource *resource, CUdevResourceType type) {
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

CUresult cuCtxGetDevResource(CUcontext hCtx, CUdevResource *resource, CUdevResourceType type) {
    CUdevice device;
    CUresult r = cuCtxGetDevice_v2(&device, hCtx);
    return r == CUDA_SUCCESS ? cuDeviceGetDevResource(device, resource, type) : r;
}
