/*
 * Stream-ordered allocation. Memory is taken at the call, which is earlier than the stream asks for it,
 * and given back when the stream has come to the free. Each device has its default pool and no other.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

struct sd_pool {
    struct sd_device *device;
    int reuse[4]; /* by CUmemPool_attribute: switches that only matter to reuse between streams */
    cuuint64_t threshold;
};

struct free_task {
    struct sd_task task;
    void *memory;
};

static void free_run(struct sd_task *t)
{
    sd_free(((struct free_task *)t)->memory, SD_ON_DEVICE, false);
}

static void free_drop(struct sd_task *t)
{
    free(t);
}

CUresult cuMemAllocAsync(CUdeviceptr *dptr, size_t bytesize, CUstream hStream)
{
    struct sd_context *c;
    struct sd_stream *s;
    CUresult r = sd_stream_of(hStream, &c, &s);
    if (r != CUDA_SUCCESS) return r;
    return dptr ? sd_alloc(c, bytesize, SD_ON_DEVICE, 0, false, (void **)dptr) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr *dptr, size_t bytesize, CUmemoryPool pool, CUstream hStream)
{
    return sd_is(SD_POOL, pool) ? cuMemAllocAsync(dptr, bytesize, hStream) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemFreeAsync(CUdeviceptr dptr, CUstream hStream)
{
    struct sd_context *c;
    struct sd_stream *s;
    struct sd_allocation a;
    CUresult r = sd_stream_of(hStream, &c, &s);
    if (r != CUDA_SUCCESS) return r;
    if (!sd_find(dptr, &a) || a.base != dptr || a.kind != SD_ON_DEVICE || a.hidden)
        return CUDA_ERROR_INVALID_VALUE;
    struct free_task *t = calloc(1, sizeof *t);
    if (!t) return CUDA_ERROR_OUT_OF_MEMORY;
    t->task.run = free_run;
    t->task.drop = free_drop;
    t->task.always = true;
    t->memory = (void *)dptr;
    return sd_enqueue(s, &t->task, NULL);
}

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *pool_out, CUdevice dev)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    CUresult r = sd_ready();
    struct sd_device *d = sd_device(dev);
    if (r != CUDA_SUCCESS) return r;
    if (!pool_out) return CUDA_ERROR_INVALID_VALUE;
    if (!d) return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&lock);
    if (!d->pool && (d->pool = calloc(1, sizeof *d->pool))) {
        d->pool->device = d;
        for (int i = 1; i < 4; i++)
            d->pool->reuse[i] = 1;
        if (!sd_register(SD_POOL, d->pool)) r = CUDA_ERROR_OUT_OF_MEMORY;
    }
    *pool_out = (CUmemoryPool)d->pool;
    pthread_mutex_unlock(&lock);
    return d->pool ? r : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice dev)
{
    return cuDeviceGetDefaultMemPool(pool, dev);
}

/* Freed memory goes back at once, so there is never more than is in use. */
CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t minBytesToKeep)
{
    (void)minBytesToKeep;
    return sd_is(SD_POOL, pool) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value)
{
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
    default:
        return hawser_abi_not_supported("setting this memory pool attribute");
    }
}

CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value)
{
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
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
        *(cuuint64_t *)value = sd_used(p->device);
        return CUDA_SUCCESS;
    default:
        return hawser_abi_not_supported("this memory pool attribute");
    }
}
