/* Serving contexts, parts of devices, default pools and the end of guest threads. */
#include "state.h"

CUresult serve_ContextCreate(struct served *c, const struct context_create_args *a, struct object *context) {
    const struct cuda_driver *d = c->driver;
    CUcontext made = NULL, pushed;
    struct object known;
    CUresult r =
        a->primary ? d->cuDevicePrimaryCtxRetain(&made, a->device) : d->cuCtxCreate_v2(&made, a->flags, a->device);
    context->handle = made;
    context->is_primary = a->primary;
    if (r != CUDA_SUCCESS) return r;
    if (!a->primary)
        d->cuCtxPopCurrent_v2(&pushed);
    else if (served_object(c, HAWSER_CONTEXT, context->id, &known)) /* it is used again after a release */
        served_unbind(c, context->id);
    return CUDA_SUCCESS;
}

CUresult context_end(struct served *c, const struct object *context, CUdevice device, bool reset) {
    const struct cuda_driver *d = c->driver;
    /* Copies under way end first; an error of theirs is the program's to have asked for. */
    if (d->cuCtxSetCurrent(context->handle) == CUDA_SUCCESS) d->cuCtxSynchronize();
    session_end_context(c, context);
    if (!reset) served_unbind(c, context->id);
    if (!context->is_primary) return d->cuCtxDestroy_v2(context->handle);
    d->cuCtxSetCurrent(NULL);
    return reset ? d->cuDevicePrimaryCtxReset_v2(device) : d->cuDevicePrimaryCtxRelease_v2(device);
}

CUresult serve_ContextDestroy(struct served *c, const struct context_destroy_args *a) {
    if (a->primary != a->context.is_primary) return CUDA_ERROR_INVALID_CONTEXT;
    return context_end(c, &a->context, a->device, a->primary && a->reset);
}

CUresult serve_ContextSync(struct served *c, const struct context_sync_args *a) {
    (void)a; /* it is the current one */
    return c->driver->cuCtxSynchronize();
}

CUresult serve_PrimaryFlags(struct served *c, const struct primary_flags_args *a) {
    return c->driver->cuDevicePrimaryCtxSetFlags_v2(a->device, a->flags);
}

CUresult serve_ThreadGone(struct served *c) {
    served_thread_gone(c, c->thread);
    post_errors_thread_gone(c->session, c->thread);
    return CUDA_SUCCESS;
}

CUresult serve_PoolDefault(struct served *c, const struct pool_default_args *a, CUmemoryPool *object) {
    if (!c->driver->cuDeviceGetDefaultMemPool) return CUDA_ERROR_NOT_SUPPORTED;
    return c->driver->cuDeviceGetDefaultMemPool(object, a->device);
}

CUresult serve_AddressRange(struct served *c, const struct address_range_args *a, Hawser__AddressRangeReply *reply) {
    CUdeviceptr base = 0;
    size_t size = 0;
    CUresult r = c->driver->cuMemGetAddressRange_v2(&base, &size, a->address);
    reply->start = base;
    reply->size = size;
    return r;
}

CUresult serve_MemFree(struct served *c, const struct mem_free_args *a) {
    return c->driver->cuMemFree_v2(a->address);
}

/* The value is an int or a 64-bit size by the attribute; eight zeroed bytes hold either. */
CUresult serve_PoolAttribute(struct served *c, const struct pool_attribute_args *a, Hawser__PoolAttributeReply *reply) {
    const struct cuda_driver *d = c->driver;
    uint64_t value = a->value;
    if (!d->cuMemPoolSetAttribute || !d->cuMemPoolGetAttribute) return CUDA_ERROR_NOT_SUPPORTED;
    if (a->set) return d->cuMemPoolSetAttribute(a->pool, a->attribute, &value);
    value = 0;
    CUresult r = d->cuMemPoolGetAttribute(a->pool, a->attribute, &value);
    reply->value = value;
    return r;
}

#define MAX_GROUPS 4096

CUresult serve_SplitResource(struct served *c, const struct split_resource_args *a, Hawser__SplitResourceReply *reply) {
    CUdevResource *remaining = served_alloc(c, sizeof *remaining), *results = NULL;
    unsigned groups = (unsigned)a->groups;
    if (a->groups > MAX_GROUPS) return CUDA_ERROR_INVALID_VALUE;
    if (!c->driver->cuDevSmResourceSplitByCount) return CUDA_ERROR_NOT_SUPPORTED;
    if (a->results) results = served_alloc(c, (groups + 1) * sizeof *results);
    if (!remaining || (a->results && !results)) return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult r = c->driver->cuDevSmResourceSplitByCount(results, &groups, a->input, a->remaining ? remaining : NULL,
                                                        a->flags, a->least);
    if (r != CUDA_SUCCESS) return r;
    reply->groups = groups;
    if (results && groups <= a->groups)
        reply->results = (ProtobufCBinaryData){groups * sizeof *results, (uint8_t *)results};
    if (a->remaining) reply->remaining = (ProtobufCBinaryData){sizeof *remaining, (uint8_t *)remaining};
    return r;
}
