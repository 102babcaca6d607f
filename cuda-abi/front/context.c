/*
 * Contexts: each thread's stack of current ones, primary contexts, and what is asked about them. The stack holds
 * handles: a context may end while another thread has it there.
 */
#include "front.h"

#include <pthread.h>
#include <stdlib.h>

#include "visible.h"

/* ---- the stack ---- */

static __thread struct {
    size_t depth, capacity;
    CUcontext *items;
} stack;
static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

/* Another destructor of the thread may make a context current after this one. */
static void free_stack(void *items) {
    (void)items;
    free(stack.items);
    stack.items = NULL;
    stack.depth = stack.capacity = 0;
}

static void make_key(void) {
    pthread_key_create(&key, free_stack);
}

static CUresult push(CUcontext c) {
    if (stack.depth == stack.capacity) {
        if (!hawser_abi_grow((void **)&stack.items, &stack.capacity, stack.depth + 1, sizeof *stack.items))
            return CUDA_ERROR_OUT_OF_MEMORY;
        pthread_once(&key_once, make_key);
        pthread_setspecific(key, stack.items);
    }
    stack.items[stack.depth++] = c;
    return CUDA_SUCCESS;
}

CUcontext hawser_current(void) {
    return stack.depth ? stack.items[stack.depth - 1] : NULL;
}

CUresult hawser_current_context(struct hawser_context **out) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!stack.depth) return CUDA_ERROR_INVALID_CONTEXT;
    *out = hawser_front_context(hawser_current());
    return *out && (*out)->active ? CUDA_SUCCESS : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

CUresult cuCtxGetCurrent(CUcontext *pctx) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!pctx) return CUDA_ERROR_INVALID_VALUE;
    *pctx = hawser_current();
    return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext ctx) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (ctx && !hawser_front_context(ctx)) return CUDA_ERROR_INVALID_CONTEXT;
    if (stack.depth) stack.depth--;
    return ctx ? push(ctx) : CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent_v2(CUcontext ctx) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    return hawser_front_context(ctx) ? push(ctx) : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cuCtxPopCurrent_v2(CUcontext *pctx) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!stack.depth) return CUDA_ERROR_INVALID_CONTEXT;
    CUcontext c = stack.items[--stack.depth];
    if (pctx) *pctx = c;
    return CUDA_SUCCESS;
}

/* ---- making and ending ---- */

static CUresult start(struct hawser_context *c) {
    CUresult r = hawser_front_context_start(c);
    c->active = r == CUDA_SUCCESS;
    return r;
}

static CUresult end(struct hawser_context *c, bool reset) {
    CUresult r = hawser_front_context_end(c, reset);
    c->active = reset && r == CUDA_SUCCESS;
    return r;
}

CUresult cuCtxCreate_v2(CUcontext *pctx, unsigned int flags, CUdevice dev) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!pctx || flags & ~(unsigned)CU_CTX_FLAGS_MASK) return CUDA_ERROR_INVALID_VALUE;
    if (!hawser_front_device_ok(dev)) return CUDA_ERROR_INVALID_DEVICE;
    struct hawser_context *c = hawser_front_context_new(dev, flags, false);
    if (!c) return CUDA_ERROR_OUT_OF_MEMORY;
    r = start(c);
    if (r == CUDA_SUCCESS) r = push(c->handle);
    if (r == CUDA_SUCCESS) {
        *pctx = c->handle;
        return CUDA_SUCCESS;
    }
    if (c->active) end(c, false);
    hawser_front_context_gone(c);
    return r;
}

CUresult cuCtxCreate_v3(CUcontext *pctx, CUexecAffinityParam *paramsArray, int numParams, unsigned int flags,
                        CUdevice dev) {
    if (paramsArray || numParams) return hawser_abi_not_supported("cuCtxCreate_v3 with affinity");
    return cuCtxCreate_v2(pctx, flags, dev);
}

CUresult cuCtxCreate_v4(CUcontext *pctx, CUctxCreateParams *params, unsigned int flags, CUdevice dev) {
    if (params && (params->numExecAffinityParams || params->cigParams))
        return hawser_abi_not_supported("cuCtxCreate_v4 with affinity or graphics sharing");
    return cuCtxCreate_v2(pctx, flags, dev);
}

CUresult cuCtxDestroy_v2(CUcontext ctx) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    struct hawser_context *c = hawser_front_context(ctx);
    if (!c || c->primary) return CUDA_ERROR_INVALID_CONTEXT;
    r = end(c, false);
    hawser_abi_context_gone(ctx);
    if (hawser_current() == ctx) stack.depth--;
    hawser_front_context_gone(c);
    return r;
}

/* ---- primary contexts ---- */

/* By device; guarded by lock. The handles live for ever, as CUDA's do. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct primary {
    struct hawser_context *context;
    unsigned retained;
} primaries[HAWSER_MAX_DEVICES];

/* Under the lock. */
static struct hawser_context *primary_of(CUdevice device) {
    struct primary *p = &primaries[device];
    if (!p->context) p->context = hawser_front_context_new(device, 0, true);
    return p->context;
}

/* The device's primary context with the lock, which is the caller's to give back after success. */
static CUresult lock_primary(CUdevice device, struct primary **out) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!hawser_front_device_ok(device)) return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&lock);
    if (primary_of(device)) {
        *out = &primaries[device];
        return CUDA_SUCCESS;
    }
    pthread_mutex_unlock(&lock);
    return CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult hawser_abi_primary_context(CUcontext *out, CUdevice dev) {
    struct primary *p;
    CUresult r = lock_primary(dev, &p);
    if (r != CUDA_SUCCESS) return r;
    *out = p->context->handle;
    pthread_mutex_unlock(&lock);
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *pctx, CUdevice dev) {
    struct primary *p;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!pctx) return CUDA_ERROR_INVALID_VALUE;
    r = lock_primary(dev, &p);
    if (r != CUDA_SUCCESS) return r;
    if (!p->context->active) r = start(p->context);
    if (r == CUDA_SUCCESS) {
        p->retained++;
        *pctx = p->context->handle;
    }
    pthread_mutex_unlock(&lock);
    return r;
}

static CUresult end_primary(CUdevice dev, bool reset) {
    struct primary *p;
    CUcontext ended = NULL;
    CUresult r = lock_primary(dev, &p);
    if (r != CUDA_SUCCESS) return r;
    if (!reset && !p->retained) {
        r = CUDA_ERROR_INVALID_CONTEXT;
    } else if (reset ? p->retained > 0 : --p->retained == 0) {
        ended = p->context->handle;
        r = end(p->context, reset);
    }
    pthread_mutex_unlock(&lock);
    /* Calls destructors of the runtime's, which may ask for the context again: outside the lock. */
    if (ended) hawser_abi_context_gone(ended);
    return r;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice dev) {
    return end_primary(dev, false);
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice dev) {
    return end_primary(dev, true);
}

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags) {
    struct primary *p;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (flags & ~(unsigned)CU_CTX_FLAGS_MASK) return CUDA_ERROR_INVALID_VALUE;
    r = lock_primary(dev, &p);
    if (r != CUDA_SUCCESS) return r;
    r = hawser_front_primary_flags(dev, flags);
    if (r == CUDA_SUCCESS) p->context->flags = flags;
    pthread_mutex_unlock(&lock);
    return r;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int *flags, int *active) {
    struct primary *p;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!flags || !active) return CUDA_ERROR_INVALID_VALUE;
    r = lock_primary(dev, &p);
    if (r != CUDA_SUCCESS) return r;
    *flags = p->context->flags;
    *active = p->context->active;
    pthread_mutex_unlock(&lock);
    return CUDA_SUCCESS;
}

/* ---- queries ---- */

/* The context named, or the current one for NULL; out is where the answer goes. */
static CUresult named_or_current(CUcontext ctx, const void *out, struct hawser_context **c) {
    CUresult r = ctx ? hawser_abi_ready() : hawser_current_context(c);
    if (r != CUDA_SUCCESS) return r;
    if (ctx && !(*c = hawser_front_context(ctx))) return CUDA_ERROR_INVALID_CONTEXT;
    return out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuCtxGetDevice_v2(CUdevice *device, CUcontext ctx) {
    struct hawser_context *c;
    CUresult r = named_or_current(ctx, device, &c);
    if (r == CUDA_SUCCESS) *device = c->device;
    return r;
}

CUresult cuCtxGetDevice(CUdevice *device) {
    return cuCtxGetDevice_v2(device, NULL);
}

CUresult cuCtxGetFlags(unsigned int *flags) {
    struct hawser_context *c;
    CUresult r = named_or_current(NULL, flags, &c);
    if (r == CUDA_SUCCESS) *flags = c->flags;
    return r;
}

CUresult cuCtxGetId(CUcontext ctx, unsigned long long *ctxId) {
    struct hawser_context *c;
    CUresult r = named_or_current(ctx, ctxId, &c);
    if (r == CUDA_SUCCESS) *ctxId = c->id;
    return r;
}

CUresult cuCtxGetApiVersion(CUcontext ctx, unsigned int *version) {
    struct hawser_context *c;
    CUresult r = named_or_current(ctx, version, &c);
    if (r == CUDA_SUCCESS) *version = 3020; /* the ABI revision of contexts that cuCtxCreate_v2 and later make */
    return r;
}

CUresult cuCtxSynchronize_v2(CUcontext ctx) {
    struct hawser_context *c;
    CUresult r = named_or_current(ctx, &c, &c);
    return r == CUDA_SUCCESS ? hawser_front_context_sync(c) : r;
}

CUresult cuCtxSynchronize(void) {
    return cuCtxSynchronize_v2(NULL);
}
