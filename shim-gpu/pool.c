/* Memory pools: each device's default and current one, and pool attributes. */
#include "shim.h"

#include <pthread.h>

#define MAX_DEVICES 64

/* Default pool handles by device, made when first asked for. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shim_object *pools[MAX_DEVICES];
static CUmemoryPool current[MAX_DEVICES]; /* NULL: the default one */

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *pool_out, CUdevice dev) {
    struct shim_call c;
    CUresult r = shim_enter(&c, HAWSER_FN_PoolDefault, false);
    if (r != CUDA_SUCCESS) return r;
    if (!pool_out) return CUDA_ERROR_INVALID_VALUE;
    if (!hawser_front_device_ok(dev) || dev >= MAX_DEVICES) return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&lock);
    if (!pools[dev]) {
        struct shim_object *o = shim_object_new(HAWSER_POOL, NULL);
        Hawser__PoolDefault m = HAWSER__POOL_DEFAULT__INIT;
        m.device = dev;
        m.object = o ? o->id : 0;
        r = o ? shim_call(&c, &m.base, NULL, 0, NULL) : CUDA_ERROR_OUT_OF_MEMORY;
        if (r == CUDA_SUCCESS)
            pools[dev] = o;
        else
            shim_object_gone(o);
    }
    *pool_out = (CUmemoryPool)pools[dev];
    pthread_mutex_unlock(&lock);
    return r;
}

CUresult cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice dev) {
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    if (!pool) return CUDA_ERROR_INVALID_VALUE;
    if (!hawser_front_device_ok(dev) || dev >= MAX_DEVICES) return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&lock);
    bool set = shim_object(HAWSER_POOL, current[dev]) != NULL; /* a destroyed one gives way to the default */
    if (set) *pool = current[dev];
    pthread_mutex_unlock(&lock);
    return set ? CUDA_SUCCESS : cuDeviceGetDefaultMemPool(pool, dev);
}

void shim_note_cuDeviceSetMemPool(CUdevice dev, CUmemoryPool pool) {
    if (!hawser_front_device_ok(dev) || dev >= MAX_DEVICES) return;
    pthread_mutex_lock(&lock);
    current[dev] = pool;
    pthread_mutex_unlock(&lock);
}

/* The reuse switches are ints, the rest 64-bit sizes. */
static bool is_int(CUmemPool_attribute attr) {
    return attr <= CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES;
}

static CUresult attribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value, bool set) {
    struct shim_call c;
    Hawser__PoolAttribute m = HAWSER__POOL_ATTRIBUTE__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_PoolAttribute, false);
    if (r == CUDA_SUCCESS) r = shim_handle(HAWSER_POOL, pool, &m.pool);
    if (r != CUDA_SUCCESS) return r;
    if (!value) return CUDA_ERROR_INVALID_VALUE;
    m.attribute = (int64_t)attr;
    m.set = set;
    if (set) m.value = is_int(attr) ? (uint64_t) * (int *)value : *(cuuint64_t *)value;
    Hawser__PoolAttributeReply *reply = NULL;
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS && !set) {
        if (is_int(attr))
            *(int *)value = (int)reply->value;
        else
            *(cuuint64_t *)value = reply->value;
    }
    shim_free_reply(reply);
    return r;
}

CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value) {
    return attribute(pool, attr, value, true);
}

CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value) {
    return attribute(pool, attr, value, false);
}
