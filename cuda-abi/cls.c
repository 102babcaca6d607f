/*
 * Context-local storage: each copy of the runtime in a process keeps its state per context here,
 * under its own address as the key. A look-up stands before every runtime call, so reading takes no
 * lock: entries are never freed, only emptied and used again, and an entry's key is written last.
 */
#include "abi_internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct entry {
    struct entry *next;     /* fixed once the entry is in its list */
    _Atomic(CUcontext) ctx; /* NULL: free */
    _Atomic(void *) key, value;
    void (*destroy)(CUcontext, void *, void *);
};

#define BUCKETS 64
static _Atomic(struct entry *) buckets[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for writers */

static _Atomic(struct entry *) *bucket(CUcontext ctx, const void *key) {
    uintptr_t h = ((uintptr_t)ctx >> 8) ^ ((uintptr_t)key >> 4);
    return &buckets[h % BUCKETS];
}

static struct entry *find(CUcontext ctx, const void *key) {
    struct entry *e = atomic_load_explicit(bucket(ctx, key), memory_order_acquire);
    while (e && (atomic_load_explicit(&e->ctx, memory_order_acquire) != ctx || e->key != key))
        e = e->next;
    return e;
}

/* NULL and -1 mean the current context. */
static CUresult actual(CUcontext *ctx) {
    if (*ctx && *ctx != (CUcontext)-1) return CUDA_SUCCESS;
    CUresult r = cuCtxGetCurrent(ctx);
    if (r != CUDA_SUCCESS) return r;
    return *ctx ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult hawser_abi_cls_get(void **value, CUcontext ctx, void *key) {
    if (actual(&ctx) != CUDA_SUCCESS) return CUDA_ERROR_INVALID_HANDLE;
    struct entry *e = find(ctx, key);
    if (!e) return CUDA_ERROR_INVALID_HANDLE;
    void *found = e->value;
    /* The entry may have been emptied and used again for another pair meanwhile. */
    if (e->key != key || e->ctx != ctx) return CUDA_ERROR_INVALID_HANDLE;
    *value = found;
    return CUDA_SUCCESS;
}

/* Under the lock. An emptied entry of the bucket, or a new one. */
static struct entry *take(_Atomic(struct entry *) *b) {
    for (struct entry *e = *b; e; e = e->next)
        if (!e->ctx) return e;
    struct entry *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->next = *b;
    atomic_store_explicit(b, e, memory_order_release);
    return e;
}

CUresult hawser_abi_cls_set(CUcontext ctx, void *key, void *value, void (*destroy)(CUcontext, void *, void *)) {
    CUresult r = actual(&ctx);
    if (r != CUDA_SUCCESS) return r;
    pthread_mutex_lock(&lock);
    struct entry *e = find(ctx, key);
    if (!e) e = take(bucket(ctx, key));
    if (e) {
        e->key = key;
        e->value = value;
        e->destroy = destroy;
        atomic_store_explicit(&e->ctx, ctx, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    return e ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult hawser_abi_cls_delete(CUcontext ctx, void *key) {
    CUresult r = actual(&ctx);
    if (r != CUDA_SUCCESS) return r;
    pthread_mutex_lock(&lock);
    struct entry *e = find(ctx, key);
    if (e) atomic_store(&e->ctx, NULL);
    pthread_mutex_unlock(&lock);
    return e ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

void hawser_abi_context_gone(CUcontext ctx) {
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct entry *e = buckets[i]; e; e = e->next) {
            pthread_mutex_lock(&lock);
            bool ours = e->ctx == ctx;
            void *key = e->key, *value = e->value;
            void (*destroy)(CUcontext, void *, void *) = e->destroy;
            if (ours) atomic_store(&e->ctx, NULL);
            pthread_mutex_unlock(&lock);
            if (ours && destroy) destroy(ctx, key, value); /* may call back into this file */
        }
}
