/*
 * Contexts. The stack of current contexts belongs to the guest's threads and never crosses the wire:
 * each call carries the id of the context that is current where it was made.
 */
#include "shim.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_abi.h"

#define MAX_DEVICES 64

struct thread_state {
    uint32_t id;
    unsigned depth, capacity;
    struct shim_object **stack;
};

static __thread struct thread_state self;
static _Atomic(uint32_t) last_thread_id;
static pthread_key_t at_thread_end;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

/* Primary contexts by device; guarded by lock. The handles live for ever, as CUDA's do. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct primary {
    struct shim_object *handle;
    unsigned retained;
    unsigned flags;
} primaries[MAX_DEVICES];

/* ---- threads ---- */

static void thread_ended(void *state)
{
    struct thread_state *t = state;
    struct shim_call c = {.function = HAWSER_FN_ThreadGone, .who = {.thread = t->id}};
    Hawser__ThreadGone m = HAWSER__THREAD_GONE__INIT;
    if (shim_initialized() == CUDA_SUCCESS) shim_post(&c, &m.base, NULL, 0);
    free(t->stack);
    t->stack = NULL;
    t->depth = t->capacity = 0;
}

static void make_key(void)
{
    pthread_key_create(&at_thread_end, thread_ended);
}

uint32_t shim_thread_id(void)
{
    if (!self.id) {
        self.id = atomic_fetch_add(&last_thread_id, 1) + 1;
        pthread_once(&key_once, make_key);
        pthread_setspecific(at_thread_end, &self);
    }
    return self.id;
}

struct shim_object *shim_current(void)
{
    return self.depth ? self.stack[self.depth - 1] : NULL;
}

static CUresult push(struct shim_object *o)
{
    shim_thread_id(); /* so that the stack is freed with the thread */
    if (self.depth == self.capacity) {
        unsigned capacity = self.capacity ? self.capacity * 2 : 8;
        struct shim_object **p = realloc(self.stack, capacity * sizeof *p);
        if (!p) return CUDA_ERROR_OUT_OF_MEMORY;
        self.stack = p;
        self.capacity = capacity;
    }
    self.stack[self.depth++] = o;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext *pctx)
{
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    if (!pctx) return CUDA_ERROR_INVALID_VALUE;
    *pctx = (CUcontext)shim_current();
    return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext ctx)
{
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    if (ctx && !shim_object(HAWSER_CONTEXT, ctx)) return CUDA_ERROR_INVALID_CONTEXT;
    if (self.depth) self.depth--;
    return ctx ? push((struct shim_object *)ctx) : CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent_v2(CUcontext ctx)
{
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    if (!shim_object(HAWSER_CONTEXT, ctx)) return CUDA_ERROR_INVALID_CONTEXT;
    return push((struct shim_object *)ctx);
}

CUresult cuCtxPopCurrent_v2(CUcontext *pctx)
{
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    if (!self.depth) return CUDA_ERROR_INVALID_CONTEXT;
    struct shim_object *o = self.stack[--self.depth];
    if (pctx) *pctx = (CUcontext)o;
    return CUDA_SUCCESS;
}

/* ---- making and ending ---- */

/* Under the lock. */
static struct primary *primary_of(CUdevice device)
{
    struct primary *p = &primaries[device];
    if (!p->handle) {
        p->handle = shim_object_new(HAWSER_CONTEXT, NULL);
        if (!p->handle) return NULL;
        p->handle->ctx.device = device;
        p->handle->ctx.primary = true;
    }
    return p;
}

struct shim_object *shim_primary(CUdevice device)
{
    pthread_mutex_lock(&lock);
    struct primary *p = device < MAX_DEVICES ? primary_of(device) : NULL;
    pthread_mutex_unlock(&lock);
    return p ? p->handle : NULL;
}

static CUresult create_on_host(struct shim_call *c, struct shim_object *o)
{
    Hawser__ContextCreate m = HAWSER__CONTEXT_CREATE__INIT;
    m.context = o->id;
    m.device = o->ctx.device;
    m.flags = o->ctx.flags;
    m.primary = o->ctx.primary;
    c->function = HAWSER_FN_ContextCreate;
    return shim_call(c, &m.base, NULL, 0, NULL);
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *pctx, CUdevice dev)
{
    struct shim_call c;
    CUresult r = shim_enter(&c, HAWSER_FN_ContextCreate, false);
    if (r != CUDA_SUCCESS) return r;
    if (!pctx) return CUDA_ERROR_INVALID_VALUE;
    if (!hawser_front_device_ok(dev) || dev >= MAX_DEVICES) return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&lock);
    struct primary *p = primary_of(dev);
    if (!p) {
        r = CUDA_ERROR_OUT_OF_MEMORY;
    } else if (p->retained == 0) {
        p->handle->ctx.flags = p->flags;
        r = create_on_host(&c, p->handle);
    }
    if (r == CUDA_SUCCESS) {
        p->retained++;
        *pctx = (CUcontext)p->handle;
    }
    pthread_mutex_unlock(&lock);
    return r;
}

static CUresult destroy_on_host(struct shim_call *c, struct shim_object *o, bool reset)
{
    Hawser__ContextDestroy m = HAWSER__CONTEXT_DESTROY__INIT;
    m.context = o->id;
    m.device = o->ctx.device;
    m.primary = o->ctx.primary;
    m.reset = reset;
    c->function = HAWSER_FN_ContextDestroy;
    shim_range_context_gone(o); /* now: its addresses may soon be another context's */
    CUresult r = shim_call(c, &m.base, NULL, 0, NULL);
    if (r == CUDA_SUCCESS) atomic_store(&o->ctx.failed, 0);
    return r;
}

/* What lived in the context lives no more. */
static void forget(struct shim_object *o)
{
    shim_variables_gone(NULL, o);
    hawser_abi_context_gone((CUcontext)o);
}

static CUresult end_primary(CUdevice dev, bool reset)
{
    struct shim_call c;
    CUresult r = shim_enter(&c, HAWSER_FN_ContextDestroy, false);
    if (r != CUDA_SUCCESS) return r;
    if (!hawser_front_device_ok(dev) || dev >= MAX_DEVICES) return CUDA_ERROR_INVALID_DEVICE;
    struct shim_object *ended = NULL;
    pthread_mutex_lock(&lock);
    struct primary *p = &primaries[dev];
    if (!reset && p->retained == 0) {
        r = CUDA_ERROR_INVALID_CONTEXT;
    } else if (reset ? p->retained > 0 : --p->retained == 0) {
        ended = p->handle;
        r = destroy_on_host(&c, ended, reset);
    }
    pthread_mutex_unlock(&lock);
    if (ended) forget(ended); /* calls cudart's destructors: outside the lock */
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
    struct shim_call c;
    CUresult r = shim_enter(&c, HAWSER_FN_PrimaryFlags, false);
    if (r != CUDA_SUCCESS) return r;
    if (!hawser_front_device_ok(dev) || dev >= MAX_DEVICES) return CUDA_ERROR_INVALID_DEVICE;
    if (flags & ~(unsigned)CU_CTX_FLAGS_MASK) return CUDA_ERROR_INVALID_VALUE;
    Hawser__PrimaryFlags m = HAWSER__PRIMARY_FLAGS__INIT;
    m.device = dev;
    m.flags = flags;
    r = shim_call(&c, &m.base, NULL, 0, NULL);
    if (r != CUDA_SUCCESS) return r;
    pthread_mutex_lock(&lock);
    primaries[dev].flags = flags;
    if (primaries[dev].handle) primaries[dev].handle->ctx.flags = flags;
    pthread_mutex_unlock(&lock);
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int *flags, int *active)
{
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    if (!flags || !active) return CUDA_ERROR_INVALID_VALUE;
    if (!hawser_front_device_ok(dev) || dev >= MAX_DEVICES) return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&lock);
    *flags = primaries[dev].flags;
    *active = primaries[dev].retained > 0;
    pthread_mutex_unlock(&lock);
    return CUDA_SUCCESS;
}

CUresult cuCtxCreate_v2(CUcontext *pctx, unsigned int flags, CUdevice dev)
{
    struct shim_call c;
    CUresult r = shim_enter(&c, HAWSER_FN_ContextCreate, false);
    if (r != CUDA_SUCCESS) return r;
    if (!pctx || flags & ~(unsigned)CU_CTX_FLAGS_MASK) return CUDA_ERROR_INVALID_VALUE;
    if (!hawser_front_device_ok(dev)) return CUDA_ERROR_INVALID_DEVICE;
    struct shim_object *o = shim_object_new(HAWSER_CONTEXT, NULL);
    if (!o) return CUDA_ERROR_OUT_OF_MEMORY;
    o->ctx.device = dev;
    o->ctx.flags = flags;
    r = create_on_host(&c, o);
    if (r == CUDA_SUCCESS) r = push(o);
    if (r == CUDA_SUCCESS)
        *pctx = (CUcontext)o;
    else
        shim_object_gone(o);
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

CUresult cuCtxDestroy_v2(CUcontext ctx)
{
    struct shim_call c;
    CUresult r = shim_enter(&c, HAWSER_FN_ContextDestroy, false);
    if (r != CUDA_SUCCESS) return r;
    struct shim_object *o = shim_object(HAWSER_CONTEXT, ctx);
    if (!o || o->ctx.primary) return CUDA_ERROR_INVALID_CONTEXT;
    r = destroy_on_host(&c, o, false);
    forget(o);
    if (shim_current() == o) self.depth--;
    shim_object_gone(o);
    return r;
}

/* ---- queries ---- */

/* The context named, or the current one for NULL. */
static CUresult named_or_current(CUcontext ctx, struct shim_object **out)
{
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    *out = ctx ? shim_object(HAWSER_CONTEXT, ctx) : shim_current();
    if (!*out) return CUDA_ERROR_INVALID_CONTEXT;
    return (*out)->kind == HAWSER_CONTEXT ? CUDA_SUCCESS : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

CUresult cuCtxGetDevice_v2(CUdevice *device, CUcontext ctx)
{
    struct shim_object *o;
    CUresult r = named_or_current(ctx, &o);
    if (r != CUDA_SUCCESS) return r;
    if (!device) return CUDA_ERROR_INVALID_VALUE;
    *device = o->ctx.device;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice *device)
{
    return cuCtxGetDevice_v2(device, NULL);
}

CUresult cuCtxGetFlags(unsigned int *flags)
{
    struct shim_object *o;
    CUresult r = named_or_current(NULL, &o);
    if (r != CUDA_SUCCESS) return r;
    if (!flags) return CUDA_ERROR_INVALID_VALUE;
    *flags = o->ctx.flags;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetId(CUcontext ctx, unsigned long long *ctxId)
{
    struct shim_object *o;
    CUresult r = named_or_current(ctx, &o);
    if (r != CUDA_SUCCESS) return r;
    if (!ctxId) return CUDA_ERROR_INVALID_VALUE;
    *ctxId = o->id;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetApiVersion(CUcontext ctx, unsigned int *version)
{
    struct shim_object *o;
    CUresult r = named_or_current(ctx, &o);
    if (r != CUDA_SUCCESS) return r;
    if (!version) return CUDA_ERROR_INVALID_VALUE;
    *version = 3020; /* the ABI revision of contexts that cuCtxCreate_v2 and later make */
    return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize_v2(CUcontext ctx)
{
    struct shim_call c;
    CUresult r = shim_enter(&c, HAWSER_FN_ContextSync, false);
    if (r != CUDA_SUCCESS) return r;
    struct shim_object *o;
    r = named_or_current(ctx, &o);
    if (r != CUDA_SUCCESS) return r;
    Hawser__ContextSync m = HAWSER__CONTEXT_SYNC__INIT;
    m.context = o->id;
    c.who.context = o->id;
    return shim_call(&c, &m.base, NULL, 0, NULL);
}

CUresult cuCtxSynchronize(void)
{
    return cuCtxSynchronize_v2(NULL);
}
