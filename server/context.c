/* Serving contexts, parts of devices, default pools and the end of guest threads. */
#include "served.h"

#include <stdlib.h>
#include <string.h>

#include "trace.h"

CUresult serve_ContextCreate(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__ContextCreate *m = (const Hawser__ContextCreate *)msg;
    const struct cuda_driver *d = c->driver;
    CUcontext context;
    struct object known;
    CUresult r;
    if (m->primary) {
        r = d->cuDevicePrimaryCtxRetain(&context, (CUdevice)m->device);
        /* After a release the guest uses the same handle again. */
        if (r == CUDA_SUCCESS && served_object(c, HAWSER_CONTEXT, m->context, &known))
            served_unbind(c, m->context);
    } else {
        r = d->cuCtxCreate_v2(&context, (unsigned)m->flags, (CUdevice)m->device);
        CUcontext pushed;
        if (r == CUDA_SUCCESS) d->cuCtxPopCurrent_v2(&pushed);
    }
    return r == CUDA_SUCCESS ? served_bind(c, HAWSER_CONTEXT, m->context, context) : r;
}

CUresult serve_ContextDestroy(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__ContextDestroy *m = (const Hawser__ContextDestroy *)msg;
    const struct cuda_driver *d = c->driver;
    CUcontext context;
    CUresult r = served_handle(c, HAWSER_CONTEXT, m->context, (void **)&context);
    if (r != CUDA_SUCCESS) return r;
    /* Copies under way end first; an error of theirs is the program's to have asked for. */
    if (d->cuCtxSetCurrent(context) == CUDA_SUCCESS) d->cuCtxSynchronize();
    trace_forget_context(d, context);
    staging_forget_context(c->worker, m->context);
    host_memory_forget_context(c, context);
    served_forget_context(c, m->context);
    if (!m->primary) {
        served_unbind(c, m->context);
        return d->cuCtxDestroy_v2(context);
    }
    d->cuCtxSetCurrent(NULL);
    if (m->reset) return d->cuDevicePrimaryCtxReset_v2((CUdevice)m->device);
    served_unbind(c, m->context);
    return d->cuDevicePrimaryCtxRelease_v2((CUdevice)m->device);
}

CUresult serve_ContextSync(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__ContextSync *m = (const Hawser__ContextSync *)msg;
    CUcontext context;
    CUresult r = served_handle(c, HAWSER_CONTEXT, m->context, (void **)&context);
    return r == CUDA_SUCCESS ? c->driver->cuCtxSynchronize() : r;
}

CUresult serve_PrimaryFlags(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__PrimaryFlags *m = (const Hawser__PrimaryFlags *)msg;
    return c->driver->cuDevicePrimaryCtxSetFlags_v2((CUdevice)m->device, (unsigned)m->flags);
}

CUresult serve_ThreadGone(struct served *c, const ProtobufCMessage *msg)
{
    (void)msg;
    served_thread_gone(c, c->thread);
    return CUDA_SUCCESS;
}

CUresult serve_PoolDefault(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__PoolDefault *m = (const Hawser__PoolDefault *)msg;
    CUmemoryPool pool;
    if (!c->driver->cuDeviceGetDefaultMemPool) return CUDA_ERROR_NOT_SUPPORTED;
    CUresult r = c->driver->cuDeviceGetDefaultMemPool(&pool, (CUdevice)m->device);
    return r == CUDA_SUCCESS ? served_bind(c, HAWSER_POOL, m->object, pool) : r;
}

CUresult serve_AddressRange(struct served *c, const ProtobufCMessage *msg)
{
    CUdeviceptr base;
    size_t size;
    CUresult r = c->driver->cuMemGetAddressRange_v2(&base, &size, ((const Hawser__AddressRange *)msg)->address);
    if (r != CUDA_SUCCESS) return r;
    Hawser__AddressRangeReply reply = HAWSER__ADDRESS_RANGE_REPLY__INIT;
    reply.start = base;
    reply.size = size;
    served_reply(c, &reply.base);
    return CUDA_SUCCESS;
}

CUresult serve_MemFree(struct served *c, const ProtobufCMessage *msg)
{
    return c->driver->cuMemFree_v2(((const Hawser__MemFree *)msg)->address);
}

/* The value is an int or a 64-bit size by the attribute; eight zeroed bytes hold either. */
CUresult serve_PoolAttribute(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__PoolAttribute *m = (const Hawser__PoolAttribute *)msg;
    const struct cuda_driver *d = c->driver;
    CUmemoryPool pool;
    CUresult r = served_handle(c, HAWSER_POOL, m->pool, (void **)&pool);
    if (r != CUDA_SUCCESS) return r;
    uint64_t value = m->value;
    if (!d->cuMemPoolSetAttribute || !d->cuMemPoolGetAttribute) return CUDA_ERROR_NOT_SUPPORTED;
    if (m->set) return d->cuMemPoolSetAttribute(pool, (CUmemPool_attribute)m->attribute, &value);
    value = 0;
    r = d->cuMemPoolGetAttribute(pool, (CUmemPool_attribute)m->attribute, &value);
    Hawser__PoolAttributeReply reply = HAWSER__POOL_ATTRIBUTE_REPLY__INIT;
    reply.value = value;
    served_reply(c, &reply.base);
    return r;
}

#define MAX_GROUPS 4096

CUresult serve_SplitResource(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__SplitResource *m = (const Hawser__SplitResource *)msg;
    Hawser__SplitResourceReply reply = HAWSER__SPLIT_RESOURCE_REPLY__INIT;
    CUdevResource input, remaining, *results = NULL;
    unsigned groups = (unsigned)m->groups;
    if (m->input.len != sizeof input || m->groups > MAX_GROUPS) return CUDA_ERROR_INVALID_VALUE;
    if (!c->driver->cuDevSmResourceSplitByCount) return CUDA_ERROR_NOT_SUPPORTED;
    memcpy(&input, m->input.data, sizeof input);
    if (m->results && !(results = calloc(groups + 1, sizeof *results))) return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult r = c->driver->cuDevSmResourceSplitByCount(results, &groups, &input, m->remaining ? &remaining : NULL,
                                                        (unsigned)m->flags, (unsigned)m->least);
    reply.groups = groups;
    if (results && groups <= m->groups)
        reply.results = (ProtobufCBinaryData){groups * sizeof *results, (uint8_t *)results};
    if (m->remaining) reply.remaining = (ProtobufCBinaryData){sizeof remaining, (uint8_t *)&remaining};
    if (r == CUDA_SUCCESS) served_reply(c, &reply.base);
    free(results);
    return r;
}
