/*
 * Contexts, the front end's verbs. The stack of current ones belongs to the guest's threads and never crosses the wire:
 * each call carries the id of the context that is current where it was made.
 */
#include "shim.h"

#include <pthread.h>
#include <stdatomic.h>

#include "cuda_abi.h"

/* ---- threads ---- */

static __thread uint32_t thread;
static _Atomic(uint32_t) last_thread;
static pthread_key_t at_thread_end;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void thread_ended(void *id) {
    struct shim_call c = {.function = HAWSER_FN_ThreadGone, .who = {.thread = *(uint32_t *)id}};
    Hawser__ThreadGone m = HAWSER__THREAD_GONE__INIT;
    if (shim_initialized() == CUDA_SUCCESS) shim_post(&c, &m.base, NULL, 0);
}

static void make_key(void) {
    pthread_key_create(&at_thread_end, thread_ended);
}

uint32_t shim_thread_id(void) {
    if (!thread) {
        thread = atomic_fetch_add(&last_thread, 1) + 1;
        pthread_once(&key_once, make_key);
        pthread_setspecific(at_thread_end, &thread);
    }
    return thread;
}

/* ---- contexts ---- */

struct hawser_context *hawser_front_context(CUcontext handle) {
    struct shim_object *o = shim_object(HAWSER_CONTEXT, handle);
    return o ? &o->ctx.facts : NULL;
}

struct hawser_context *hawser_front_context_new(CUdevice device, unsigned flags, bool primary) {
    struct shim_object *o = shim_object_new(HAWSER_CONTEXT, NULL);
    if (!o) return NULL;
    o->ctx.facts.handle = (CUcontext)o;
    o->ctx.facts.device = device;
    o->ctx.facts.flags = flags;
    o->ctx.facts.primary = primary;
    o->ctx.facts.id = o->id;
    return &o->ctx.facts;
}

void hawser_front_context_gone(struct hawser_context *c) {
    shim_object_gone(c->handle);
}

CUresult hawser_front_context_start(struct hawser_context *context) {
    struct shim_call c;
    Hawser__ContextCreate m = HAWSER__CONTEXT_CREATE__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_ContextCreate, false);
    if (r != CUDA_SUCCESS) return r;
    m.context = context->id;
    m.device = context->device;
    m.flags = context->flags;
    m.primary = context->primary;
    return shim_call(&c, &m.base, NULL, 0, NULL);
}

CUresult hawser_front_context_end(struct hawser_context *context, bool reset) {
    struct shim_call c;
    struct shim_object *o = (struct shim_object *)context->handle;
    Hawser__ContextDestroy m = HAWSER__CONTEXT_DESTROY__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_ContextDestroy, false);
    if (r != CUDA_SUCCESS) return r;
    m.context = context->id;
    m.device = context->device;
    m.primary = context->primary;
    m.reset = reset;
    shim_range_context_gone(o); /* now: its addresses may soon be another context's */
    r = shim_call(&c, &m.base, NULL, 0, NULL);
    if (r == CUDA_SUCCESS) atomic_store(&o->ctx.failed, 0);
    shim_variables_gone(NULL, o);
    return r;
}

CUresult hawser_front_context_sync(struct hawser_context *context) {
    struct shim_call c;
    Hawser__ContextSync m = HAWSER__CONTEXT_SYNC__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_ContextSync, false);
    if (r != CUDA_SUCCESS) return r;
    m.context = context->id;
    c.who.context = context->id;
    return shim_call(&c, &m.base, NULL, 0, NULL);
}

CUresult hawser_front_primary_flags(CUdevice device, unsigned flags) {
    struct shim_call c;
    Hawser__PrimaryFlags m = HAWSER__PRIMARY_FLAGS__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_PrimaryFlags, false);
    if (r != CUDA_SUCCESS) return r;
    m.device = device;
    m.flags = flags;
    return shim_call(&c, &m.base, NULL, 0, NULL);
}

void shim_note_cuCtxSetFlags(unsigned int flags) {
    shim_current()->ctx.facts.flags = flags;
}
