/*
 * Stream-ordered allocation. Memory is taken at the call, which is earlier than the stream asks for it, and is the
 * pool's again when the stream has come to the free, or at once for what comes later in the same stream. Pools differ
 * in what they keep and count, and in whether other processes may have their memory (ipc.c).
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

struct free_task {
    struct sd_task task;
    uintptr_t base;
    uint64_t id;
};

static void free_run(struct sd_task *t) {
    struct free_task *f = (struct free_task *)t;
    if (!sd_free_imported(f->base)) sd_freed_in_order(f->base, f->id);
}

static void free_drop(struct sd_task *t) {
    free(t);
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr *dptr, size_t bytesize, CUmemoryPool pool, CUstream hStream) {
    struct sd_context *c;
    struct sd_stream *s;
    struct sd_pool *p = (struct sd_pool *)pool;
    CUresult r = sd_stream_of(hStream, &c, &s);
    if (r != CUDA_SUCCESS) return r;
    if (!dptr || !sd_is(SD_POOL, p) || p->imported) return CUDA_ERROR_INVALID_VALUE;
    return sd_alloc_in_order(s, p, bytesize, (void **)dptr);
}

CUresult cuMemAllocAsync(CUdeviceptr *dptr, size_t bytesize, CUstream hStream) {
    struct sd_context *c;
    struct sd_stream *s;
    CUmemoryPool pool;
    CUresult r = sd_stream_of(hStream, &c, &s);
    if (r == CUDA_SUCCESS) r = cuDeviceGetMemPool(&pool, s->context->device->ordinal);
    return r == CUDA_SUCCESS ? cuMemAllocFromPoolAsync(dptr, bytesize, pool, hStream) : r;
}

CUresult cuMemFreeAsync(CUdeviceptr dptr, CUstream hStream) {
    struct sd_context *c;
    struct sd_stream *s;
    CUresult r = sd_stream_of(hStream, &c, &s);
    if (r != CUDA_SUCCESS) return r;
    struct free_task *t = calloc(1, sizeof *t);
    if (!t) return CUDA_ERROR_OUT_OF_MEMORY;
    *t = (struct free_task){
        .task = {.run = free_run, .drop = free_drop, .always = true}, .base = dptr, .id = sd_free_in_order(dptr, s)};
    if (t->id) return sd_enqueue(s, &t->task, NULL);
    free(t);
    return CUDA_ERROR_INVALID_VALUE;
}

/* NULL when memory is short. */
static struct sd_pool *new_pool(struct sd_device *d) {
    struct sd_pool *p = calloc(1, sizeof *p);
    if (!p || !sd_register(SD_POOL, p)) {
        free(p);
        return NULL;
    }
    p->device = d;
    for (int i = 1; i < 4; i++)
        p->reuse[i] = 1;
    sd_add_pool(p);
    return p;
}

CUresult sd_pool_imported(struct sd_device *d, CUmemoryPool *out) {
    if (!d) return CUDA_ERROR_INVALID_DEVICE;
    struct sd_pool *p = new_pool(d);
    if (!p) return CUDA_ERROR_OUT_OF_MEMORY;
    p->imported = true;
    *out = (CUmemoryPool)p;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *pool_out, CUdevice dev) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    CUresult r = sd_ready();
    struct sd_device *d = sd_device(dev);
    if (r != CUDA_SUCCESS) return r;
    if (!pool_out) return CUDA_ERROR_INVALID_VALUE;
    if (!d) return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&lock);
    if (!d->pool) d->pool = new_pool(d);
    *pool_out = (CUmemoryPool)d->pool;
    pthread_mutex_unlock(&lock);
    return d->pool ? r : CUDA_ERROR_OUT_OF_MEMORY;
}

static struct sd_pool *current[SD_MAX_DEVICES]; /* NULL: the default one */

CUresult cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice dev) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!pool) return CUDA_ERROR_INVALID_VALUE;
    if (!sd_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    struct sd_pool *p = __atomic_load_n(&current[dev], __ATOMIC_ACQUIRE);
    if (!p || !sd_is(SD_POOL, p)) return cuDeviceGetDefaultMemPool(pool, dev);
    *pool = (CUmemoryPool)p;
    return CUDA_SUCCESS;
}

CUresult cuDeviceSetMemPool(CUdevice dev, CUmemoryPool pool) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!sd_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    struct sd_pool *p = (struct sd_pool *)pool;
    if (!sd_is(SD_POOL, p) || p->device != sd_device(dev)) return CUDA_ERROR_INVALID_VALUE;
    __atomic_store_n(&current[dev], p, __ATOMIC_RELEASE);
    return CUDA_SUCCESS;
}

CUresult cuMemPoolCreate(CUmemoryPool *pool, const CUmemPoolProps *poolProps) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!pool || !poolProps || poolProps->allocType != CU_MEM_ALLOCATION_TYPE_PINNED) return CUDA_ERROR_INVALID_VALUE;
    if (poolProps->location.type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_INVALID_VALUE;
    if (!sd_device(poolProps->location.id)) return CUDA_ERROR_INVALID_DEVICE;
    if (poolProps->handleTypes & ~(unsigned)CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)
        return hawser_abi_not_supported("this kind of handle of a memory pool");
    struct sd_pool *p = new_pool(sd_device(poolProps->location.id));
    if (!p) return CUDA_ERROR_OUT_OF_MEMORY;
    p->shareable = poolProps->handleTypes;
    *pool = (CUmemoryPool)p;
    return CUDA_SUCCESS;
}

/* Memory in use stays until it is freed. */
CUresult cuMemPoolDestroy(CUmemoryPool pool) {
    struct sd_pool *p = (struct sd_pool *)pool;
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_POOL, p) || p == p->device->pool) return CUDA_ERROR_INVALID_VALUE;
    sd_unregister(p);
    sd_remove_pool(p);
    return CUDA_SUCCESS;
}

static CUresult check_location(const CUmemLocation *l) {
    if (l->type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_INVALID_VALUE;
    return sd_device(l->id) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

/* Every device of this process reaches all memory; what a program forbids itself is kept for those who ask. */
CUresult cuMemPoolSetAccess(CUmemoryPool pool, const CUmemAccessDesc *map, size_t count) {
    struct sd_pool *p = (struct sd_pool *)pool;
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_POOL, p) || !map || !count) return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < count && r == CUDA_SUCCESS; i++) {
        r = check_location(&map[i].location);
        if (r == CUDA_SUCCESS &&
            (map[i].flags == CU_MEM_ACCESS_FLAGS_PROT_READ ||
             (map[i].flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE && sd_device(map[i].location.id) == p->device)))
            r = CUDA_ERROR_INVALID_VALUE;
    }
    for (size_t i = 0; i < count && r == CUDA_SUCCESS; i++)
        p->access[map[i].location.id] = map[i].flags;
    return r;
}

CUresult cuMemPoolGetAccess(CUmemAccess_flags *flags, CUmemoryPool memPool, CUmemLocation *location) {
    struct sd_pool *p = (struct sd_pool *)memPool;
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_POOL, p) || !flags || !location) return CUDA_ERROR_INVALID_VALUE;
    r = check_location(location);
    if (r != CUDA_SUCCESS) return r;
    *flags = sd_device(location->id) == p->device ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE : p->access[location->id];
    return CUDA_SUCCESS;
}

CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t minBytesToKeep) {
    if (!sd_is(SD_POOL, pool)) return CUDA_ERROR_INVALID_VALUE;
    sd_shrink_pool((struct sd_pool *)pool, minBytesToKeep);
    return CUDA_SUCCESS;
}

CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value) {
    struct sd_pool *p = (struct sd_pool *)pool;
    if (!sd_is(SD_POOL, pool) || !value) return CUDA_ERROR_INVALID_VALUE;
    switch (attr) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
        p->reuse[attr] = *(int *)value;
        return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
        p->threshold = *(cuuint64_t *)value;
        return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH: /* they may only be reset */
        if (*(cuuint64_t *)value) return CUDA_ERROR_INVALID_VALUE;
        p->most_reserved = p->reserved;
        return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
        if (*(cuuint64_t *)value) return CUDA_ERROR_INVALID_VALUE;
        p->most_used = p->used;
        return CUDA_SUCCESS;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value) {
    struct sd_pool *p = (struct sd_pool *)pool;
    if (!sd_is(SD_POOL, pool) || !value) return CUDA_ERROR_INVALID_VALUE;
    switch (attr) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
        *(int *)value = p->reuse[attr];
        return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
        *(cuuint64_t *)value = p->threshold;
        return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
        *(cuuint64_t *)value = p->reserved;
        return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
        *(cuuint64_t *)value = p->most_reserved;
        return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
        *(cuuint64_t *)value = p->used;
        return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
        *(cuuint64_t *)value = p->most_used;
        return CUDA_SUCCESS;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
}
