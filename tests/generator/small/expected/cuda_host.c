/* Generated from cuda.spec by remoting/gen/generate.py. */

#include "served.h"

static CUresult read_Launch(struct served *c, const Hawser__Launch *m, struct launch_args *a)
{
    *a = (struct launch_args){0};
    a->params = m->params;
    a->cooperative = m->cooperative;
    if (m->n_grid != 3 || m->attributes.len % sizeof(CUlaunchAttribute) || m->attributes.len / sizeof(CUlaunchAttribute) > 64) return CUDA_ERROR_INVALID_VALUE;
    _Static_assert(_Alignof(CUlaunchAttribute) <= _Alignof(max_align_t), "a message is not aligned so");
    for (size_t i = 0; i < 3; i++)
        a->grid[i] = (unsigned int)m->grid[i];
    a->n_attributes = m->attributes.len / sizeof(CUlaunchAttribute);
    a->attributes = (CUlaunchAttribute *)m->attributes.data;
    CUresult r = CUDA_SUCCESS;
    if (r == CUDA_SUCCESS) r = served_entry(c, 1u << HAWSER_FUNCTION, m->function, &a->function);
    if (r == CUDA_SUCCESS && m->stream) r = served_handle(c, HAWSER_STREAM, m->stream, (void **)&a->stream);
    return r;
}

static CUresult run_Launch(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__Launch *m = (const Hawser__Launch *)msg;
    struct launch_args a;
    CUresult r = read_Launch(c, m, &a);
    if (r == CUDA_SUCCESS) r = serve_Launch(c, &a);
    return r;
}

static CUresult read_GetGlobal(struct served *c, const Hawser__GetGlobal *m, struct get_global_args *a)
{
    *a = (struct get_global_args){0};
    a->name = m->name;
    CUresult r = CUDA_SUCCESS;
    if (r == CUDA_SUCCESS) r = served_entry(c, 1u << HAWSER_MODULE | 1u << HAWSER_LIBRARY, m->owner, &a->owner);
    return r;
}

static CUresult run_GetGlobal(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__GetGlobal *m = (const Hawser__GetGlobal *)msg;
    struct get_global_args a;
    Hawser__GetGlobalReply reply = HAWSER__GET_GLOBAL_REPLY__INIT;
    CUresult r = read_GetGlobal(c, m, &a);
    if (r == CUDA_SUCCESS) r = serve_GetGlobal(c, &a, &reply);
    served_reply(c, &reply.base);
    return r;
}

static CUresult read_Make(struct served *c, const Hawser__Make *m, struct make_args *a)
{
    *a = (struct make_args){0};
    a->n_sizes = m->n_sizes;
    a->sizes = m->sizes;
    CUresult r = CUDA_SUCCESS;
    if (r == CUDA_SUCCESS && m->parent) r = served_handle(c, HAWSER_MODULE, m->parent, (void **)&a->parent);
    return r;
}

static CUresult run_Make(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__Make *m = (const Hawser__Make *)msg;
    struct make_args a;
    CUmodule object = {0};
    CUresult r = read_Make(c, m, &a);
    if (r == CUDA_SUCCESS) r = serve_Make(c, &a, &object);
    if (r == CUDA_SUCCESS) r = served_bind(c, HAWSER_MODULE, m->object, (void *)(uintptr_t)object);
    return r;
}

static CUresult run_MakeEither(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__MakeEither *m = (const Hawser__MakeEither *)msg;
    struct object object = {.id = m->object, .kind = HAWSER_NO_OBJECT};
    CUresult r = serve_MakeEither(c, &object);
    if (r == CUDA_SUCCESS) r = served_bind_entry(c, &object);
    return r;
}

static CUresult read_Drop(struct served *c, const Hawser__Drop *m, struct drop_args *a)
{
    *a = (struct drop_args){0};
    a->n_parts = m->n_parts;
    a->parts = m->parts;
    a->memory = m->memory;
    a->bytes = (size_t)m->bytes;
    CUresult r = CUDA_SUCCESS;
    if (r == CUDA_SUCCESS) r = served_handle(c, HAWSER_LIBRARY, m->object, (void **)&a->object);
    return r;
}

static CUresult run_Drop(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__Drop *m = (const Hawser__Drop *)msg;
    struct drop_args a;
    CUresult r = read_Drop(c, m, &a);
    if (r == CUDA_SUCCESS) served_unbind(c, m->object);
    if (r == CUDA_SUCCESS) r = serve_Drop(c, &a);
    return r;
}

static CUresult read_Done(struct served *c, const Hawser__Done *m, struct done_args *a)
{
    (void)c;
    *a = (struct done_args){0};
    a->turn = m->turn;
    return CUDA_SUCCESS;
}

static CUresult run_Done(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__Done *m = (const Hawser__Done *)msg;
    struct done_args a;
    CUresult r = read_Done(c, m, &a);
    if (r == CUDA_SUCCESS) r = serve_Done(c, &a);
    return r;
}

static CUresult run_Flush(struct served *c, const ProtobufCMessage *msg)
{
    (void)msg;
    CUresult r = serve_Flush(c);
    return r;
}

static CUresult read_Node(struct served *c, const Hawser__Node *m, struct node_args *a)
{
    *a = (struct node_args){0};
    a->part = m->part;
    if ((m->how.len && m->how.len != sizeof(CUtensorMap))) return CUDA_ERROR_INVALID_VALUE;
    _Static_assert(_Alignof(CUtensorMap) <= _Alignof(max_align_t), "a message is not aligned so");
    a->how = m->how.len ? (CUtensorMap *)m->how.data : NULL;
    CUresult r = CUDA_SUCCESS;
    if (r == CUDA_SUCCESS && m->launch) {
        a->launch = served_alloc(c, sizeof *a->launch);
        r = a->launch ? read_Launch(c, m->launch, a->launch) : CUDA_ERROR_OUT_OF_MEMORY;
    }
    return r;
}

static CUresult run_Node(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__Node *m = (const Hawser__Node *)msg;
    struct node_args a;
    CUresult r = read_Node(c, m, &a);
    r = serve_Node(c, &a, r);
    return r;
}

static CUresult run_cuStreamCreate(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuStreamCreate *m = (const Hawser__CuStreamCreate *)msg;
    CUstream phStream = {0};
    CUresult r = c->driver->cuStreamCreate ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS) {
        r = c->driver->cuStreamCreate(&phStream, (unsigned int)m->flags);
        if (r == CUDA_SUCCESS) r = served_bind(c, HAWSER_STREAM, m->phstream, (void *)(uintptr_t)phStream);
    }
    return r;
}

static CUresult run_cuStreamDestroy_v2(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuStreamDestroyV2 *m = (const Hawser__CuStreamDestroyV2 *)msg;
    CUstream hStream = {0};
    CUresult r = c->driver->cuStreamDestroy_v2 ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS) r = served_handle(c, HAWSER_STREAM, m->hstream, (void **)&hStream);
    if (r == CUDA_SUCCESS) {
        r = c->driver->cuStreamDestroy_v2(hStream);
        served_unbind(c, m->hstream);
    }
    return r;
}

static CUresult run_cuStreamSynchronize(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuStreamSynchronize *m = (const Hawser__CuStreamSynchronize *)msg;
    CUstream hStream = {0};
    CUresult r = c->driver->cuStreamSynchronize ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS) r = served_handle(c, HAWSER_STREAM, m->hstream, (void **)&hStream);
    if (r == CUDA_SUCCESS) r = c->driver->cuStreamSynchronize(hStream);
    return r;
}

static CUresult run_cuMemAlloc_v2(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuMemAllocV2 *m = (const Hawser__CuMemAllocV2 *)msg;
    Hawser__CuMemAllocV2Reply reply = HAWSER__CU_MEM_ALLOC_V2_REPLY__INIT;
    CUdeviceptr dptr = {0};
    CUresult r = c->driver->cuMemAlloc_v2 ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS) {
        r = c->driver->cuMemAlloc_v2(&dptr, (size_t)m->bytesize);
        reply.dptr = dptr;
    }
    served_reply(c, &reply.base);
    return r;
}

static CUresult run_cuMemFreeAsync(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuMemFreeAsync *m = (const Hawser__CuMemFreeAsync *)msg;
    CUstream hStream = {0};
    CUresult r = c->driver->cuMemFreeAsync ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS) r = served_handle(c, HAWSER_STREAM, m->hstream, (void **)&hStream);
    if (r == CUDA_SUCCESS) r = c->driver->cuMemFreeAsync((CUdeviceptr)m->dptr, hStream);
    return r;
}

static CUresult run_cuMemGetInfo_v2(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuMemGetInfoV2 *m = (const Hawser__CuMemGetInfoV2 *)msg;
    Hawser__CuMemGetInfoV2Reply reply = HAWSER__CU_MEM_GET_INFO_V2_REPLY__INIT;
    size_t free = {0};
    size_t total = {0};
    CUresult r = c->driver->cuMemGetInfo_v2 ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    (void)m;
    if (r == CUDA_SUCCESS) {
        r = c->driver->cuMemGetInfo_v2(&free, &total);
        reply.free = free;
        reply.total = total;
    }
    served_reply(c, &reply.base);
    return r;
}

static CUresult run_cuMemRelease(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuMemRelease *m = (const Hawser__CuMemRelease *)msg;
    CUmemGenericAllocationHandle handle = {0};
    CUresult r = c->driver->cuMemRelease ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS) r = served_handle(c, HAWSER_MEMORY, m->handle, (void **)&handle);
    if (r == CUDA_SUCCESS) {
        r = c->driver->cuMemRelease(handle);
        served_unbind(c, m->handle);
    }
    return r;
}

static CUresult run_cuTexRefGetAddress_v2(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuTexRefGetAddressV2 *m = (const Hawser__CuTexRefGetAddressV2 *)msg;
    Hawser__CuTexRefGetAddressV2Reply reply = HAWSER__CU_TEX_REF_GET_ADDRESS_V2_REPLY__INIT;
    CUdeviceptr pdptr = {0};
    CUtexref hTexRef = {0};
    CUresult r = c->driver->cuTexRefGetAddress_v2 ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS) r = served_handle(c, HAWSER_TEXREF, m->htexref, (void **)&hTexRef);
    if (r == CUDA_SUCCESS) {
        r = c->driver->cuTexRefGetAddress_v2(&pdptr, hTexRef);
        reply.pdptr = pdptr;
    }
    served_reply(c, &reply.base);
    return r;
}

static CUresult run_cuModuleGetTexRef(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuModuleGetTexRef *m = (const Hawser__CuModuleGetTexRef *)msg;
    CUtexref pTexRef = {0};
    CUmodule hmod = {0};
    CUresult r = c->driver->cuModuleGetTexRef ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS) r = served_handle(c, HAWSER_MODULE, m->hmod, (void **)&hmod);
    if (r == CUDA_SUCCESS) {
        r = c->driver->cuModuleGetTexRef(&pTexRef, hmod, m->name);
        if (r == CUDA_SUCCESS) r = served_bind(c, HAWSER_TEXREF, m->ptexref, (void *)(uintptr_t)pTexRef);
    }
    return r;
}

static CUresult run_cuMemCreate(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuMemCreate *m = (const Hawser__CuMemCreate *)msg;
    CUmemGenericAllocationHandle handle = {0};
    CUresult r = c->driver->cuMemCreate ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS && (m->prop.len != sizeof(CUmemAllocationProp))) r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS) {
        r = c->driver->cuMemCreate(&handle, (size_t)m->size, (CUmemAllocationProp *)m->prop.data, (unsigned long long)m->flags);
        if (r == CUDA_SUCCESS) r = served_bind(c, HAWSER_MEMORY, m->handle, (void *)(uintptr_t)handle);
    }
    return r;
}

static CUresult run_cuStreamBatchMemOp_v2(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuStreamBatchMemOpV2 *m = (const Hawser__CuStreamBatchMemOpV2 *)msg;
    CUstream stream = {0};
    CUresult r = c->driver->cuStreamBatchMemOp_v2 ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS) r = served_handle(c, HAWSER_STREAM, m->stream, (void **)&stream);
    if (r == CUDA_SUCCESS && ((uint64_t)m->count > HAWSER_MAX_ELEMENTS || m->paramarray.len != sizeof(CUstreamBatchMemOpParams) * (size_t)m->count)) r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS) r = c->driver->cuStreamBatchMemOp_v2(stream, (unsigned int)m->count, (CUstreamBatchMemOpParams *)m->paramarray.data, (unsigned int)m->flags);
    return r;
}

static CUresult run_cuTexRefGetBorderColor(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuTexRefGetBorderColor *m = (const Hawser__CuTexRefGetBorderColor *)msg;
    Hawser__CuTexRefGetBorderColorReply reply = HAWSER__CU_TEX_REF_GET_BORDER_COLOR_REPLY__INIT;
    float pBorderColor[4] = {0};
    CUtexref hTexRef = {0};
    CUresult r = c->driver->cuTexRefGetBorderColor ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS) r = served_handle(c, HAWSER_TEXREF, m->htexref, (void **)&hTexRef);
    if (r == CUDA_SUCCESS) {
        r = c->driver->cuTexRefGetBorderColor(pBorderColor, hTexRef);
        reply.pbordercolor = (ProtobufCBinaryData){sizeof(float) * 4, (uint8_t *)pBorderColor};
    }
    served_reply(c, &reply.base);
    return r;
}

static CUresult run_cuIpcOpenEventHandle(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuIpcOpenEventHandle *m = (const Hawser__CuIpcOpenEventHandle *)msg;
    CUevent phEvent = {0};
    CUresult r = c->driver->cuIpcOpenEventHandle ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS && (m->handle.len != sizeof(CUipcEventHandle))) r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS) {
        r = c->driver->cuIpcOpenEventHandle(&phEvent, *(CUipcEventHandle *)m->handle.data);
        if (r == CUDA_SUCCESS) r = served_bind(c, HAWSER_EVENT, m->phevent, (void *)(uintptr_t)phEvent);
    }
    return r;
}

static CUresult run_cuTensorMapEncode(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuTensorMapEncode *m = (const Hawser__CuTensorMapEncode *)msg;
    Hawser__CuTensorMapEncodeReply reply = HAWSER__CU_TENSOR_MAP_ENCODE_REPLY__INIT;
    CUtensorMap tensorMap = {0};
    CUresult r = c->driver->cuTensorMapEncode ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS && ((uint64_t)m->rank > HAWSER_MAX_ELEMENTS || m->rank < 1 || m->strides.len != sizeof(unsigned long long) * ((size_t)m->rank - 1))) r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS) {
        r = c->driver->cuTensorMapEncode(&tensorMap, (unsigned int)m->rank, (void *)(uintptr_t)m->globaladdress, (unsigned long long *)m->strides.data);
        reply.tensormap = (ProtobufCBinaryData){sizeof(CUtensorMap), (uint8_t *)&tensorMap};
    }
    served_reply(c, &reply.base);
    return r;
}

static CUresult run_cuCapabilities(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuCapabilities *m = (const Hawser__CuCapabilities *)msg;
    Hawser__CuCapabilitiesReply reply = HAWSER__CU_CAPABILITIES_REPLY__INIT;
    unsigned int *capabilities = NULL;
    CUresult r = c->driver->cuCapabilities ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS && ((uint64_t)m->count > HAWSER_MAX_ELEMENTS || m->operations.len != sizeof(int) * (size_t)m->count)) r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS && !(capabilities = served_alloc(c, ((size_t)m->count + 1) * sizeof *capabilities))) r = CUDA_ERROR_OUT_OF_MEMORY;
    if (r == CUDA_SUCCESS) {
        r = c->driver->cuCapabilities(capabilities, (int *)m->operations.data, (unsigned int)m->count);
        reply.capabilities = (ProtobufCBinaryData){sizeof(unsigned int) * (size_t)m->count, (uint8_t *)capabilities};
    }
    served_reply(c, &reply.base);
    return r;
}

const serve_function hawser_cuda_serve[HAWSER_CUDA_LIMIT - HAWSER_CUDA_FIRST] = {
    [12] = run_GetGlobal,
    [13] = run_Make,
    [14] = run_MakeEither,
    [15] = run_Drop,
    [16] = run_Node,
    [17] = run_Launch,
    [18] = run_Done,
    [19] = run_Flush,
    [109] = run_cuMemAlloc_v2,
    [112] = run_cuMemGetInfo_v2,
    [116] = run_cuMemFreeAsync,
    [117] = run_cuStreamCreate,
    [120] = run_cuStreamDestroy_v2,
    [123] = run_cuStreamSynchronize,
    [210] = run_cuModuleGetTexRef,
    [227] = run_cuTexRefGetAddress_v2,
    [235] = run_cuTexRefGetBorderColor,
    [302] = run_cuMemCreate,
    [303] = run_cuMemRelease,
    [334] = run_cuIpcOpenEventHandle,
    [345] = run_cuStreamBatchMemOp_v2,
    [352] = run_cuCapabilities,
    [375] = run_cuTensorMapEncode,
};

const struct hawser_symbol cuda_driver_symbols[] = {
    {"cuCapabilities", offsetof(struct cuda_driver, cuCapabilities)},
    {"cuIpcOpenEventHandle", offsetof(struct cuda_driver, cuIpcOpenEventHandle)},
    {"cuLaunchKernel", offsetof(struct cuda_driver, cuLaunchKernel)},
    {"cuMemAlloc_v2", offsetof(struct cuda_driver, cuMemAlloc_v2)},
    {"cuMemCreate", offsetof(struct cuda_driver, cuMemCreate)},
    {"cuMemFreeAsync", offsetof(struct cuda_driver, cuMemFreeAsync)},
    {"cuMemGetInfo_v2", offsetof(struct cuda_driver, cuMemGetInfo_v2)},
    {"cuMemRelease", offsetof(struct cuda_driver, cuMemRelease)},
    {"cuModuleGetTexRef", offsetof(struct cuda_driver, cuModuleGetTexRef)},
    {"cuStreamBatchMemOp_v2", offsetof(struct cuda_driver, cuStreamBatchMemOp_v2)},
    {"cuStreamCreate", offsetof(struct cuda_driver, cuStreamCreate)},
    {"cuStreamDestroy_v2", offsetof(struct cuda_driver, cuStreamDestroy_v2)},
    {"cuStreamSynchronize", offsetof(struct cuda_driver, cuStreamSynchronize)},
    {"cuTensorMapEncode", offsetof(struct cuda_driver, cuTensorMapEncode)},
    {"cuTexRefGetAddress_v2", offsetof(struct cuda_driver, cuTexRefGetAddress_v2)},
    {"cuTexRefGetBorderColor", offsetof(struct cuda_driver, cuTexRefGetBorderColor)},
    {NULL, 0}
};
