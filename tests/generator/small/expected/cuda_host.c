/* Generated from cuda.spec by remoting/gen/generate.py. */

#include "served.h"

CUresult serve_Launch(struct served *c, const ProtobufCMessage *msg);
CUresult serve_GetGlobal(struct served *c, const ProtobufCMessage *msg);

static CUresult serve_cuStreamCreate(struct served *c, const ProtobufCMessage *msg)
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

static CUresult serve_cuStreamDestroy_v2(struct served *c, const ProtobufCMessage *msg)
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

static CUresult serve_cuStreamSynchronize(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuStreamSynchronize *m = (const Hawser__CuStreamSynchronize *)msg;
    CUstream hStream = {0};
    CUresult r = c->driver->cuStreamSynchronize ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS) r = served_handle(c, HAWSER_STREAM, m->hstream, (void **)&hStream);
    if (r == CUDA_SUCCESS) r = c->driver->cuStreamSynchronize(hStream);
    return r;
}

static CUresult serve_cuMemAlloc_v2(struct served *c, const ProtobufCMessage *msg)
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

static CUresult serve_cuMemGetInfo_v2(struct served *c, const ProtobufCMessage *msg)
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

static CUresult serve_cuModuleGetTexRef(struct served *c, const ProtobufCMessage *msg)
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

static CUresult serve_cuMemCreate(struct served *c, const ProtobufCMessage *msg)
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

static CUresult serve_cuStreamBatchMemOp_v2(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__CuStreamBatchMemOpV2 *m = (const Hawser__CuStreamBatchMemOpV2 *)msg;
    CUstream stream = {0};
    CUresult r = c->driver->cuStreamBatchMemOp_v2 ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS) r = served_handle(c, HAWSER_STREAM, m->stream, (void **)&stream);
    if (r == CUDA_SUCCESS && ((uint64_t)m->count > HAWSER_MAX_ELEMENTS || m->paramarray.len != sizeof(CUstreamBatchMemOpParams) * (size_t)m->count)) r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS) r = c->driver->cuStreamBatchMemOp_v2(stream, (unsigned int)m->count, (CUstreamBatchMemOpParams *)m->paramarray.data, (unsigned int)m->flags);
    return r;
}

static CUresult serve_cuTexRefGetBorderColor(struct served *c, const ProtobufCMessage *msg)
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

static CUresult serve_cuIpcOpenEventHandle(struct served *c, const ProtobufCMessage *msg)
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

static CUresult serve_cuTensorMapEncode(struct served *c, const ProtobufCMessage *msg)
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

static CUresult serve_cuCapabilities(struct served *c, const ProtobufCMessage *msg)
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
    [12] = serve_GetGlobal,
    [17] = serve_Launch,
    [109] = serve_cuMemAlloc_v2,
    [112] = serve_cuMemGetInfo_v2,
    [117] = serve_cuStreamCreate,
    [120] = serve_cuStreamDestroy_v2,
    [123] = serve_cuStreamSynchronize,
    [210] = serve_cuModuleGetTexRef,
    [235] = serve_cuTexRefGetBorderColor,
    [302] = serve_cuMemCreate,
    [334] = serve_cuIpcOpenEventHandle,
    [345] = serve_cuStreamBatchMemOp_v2,
    [352] = serve_cuCapabilities,
    [375] = serve_cuTensorMapEncode,
};

const struct hawser_symbol cuda_driver_symbols[] = {
    {"cuCapabilities", offsetof(struct cuda_driver, cuCapabilities)},
    {"cuIpcOpenEventHandle", offsetof(struct cuda_driver, cuIpcOpenEventHandle)},
    {"cuLaunchKernel", offsetof(struct cuda_driver, cuLaunchKernel)},
    {"cuMemAlloc_v2", offsetof(struct cuda_driver, cuMemAlloc_v2)},
    {"cuMemCreate", offsetof(struct cuda_driver, cuMemCreate)},
    {"cuMemGetInfo_v2", offsetof(struct cuda_driver, cuMemGetInfo_v2)},
    {"cuModuleGetTexRef", offsetof(struct cuda_driver, cuModuleGetTexRef)},
    {"cuStreamBatchMemOp_v2", offsetof(struct cuda_driver, cuStreamBatchMemOp_v2)},
    {"cuStreamCreate", offsetof(struct cuda_driver, cuStreamCreate)},
    {"cuStreamDestroy_v2", offsetof(struct cuda_driver, cuStreamDestroy_v2)},
    {"cuStreamSynchronize", offsetof(struct cuda_driver, cuStreamSynchronize)},
    {"cuTensorMapEncode", offsetof(struct cuda_driver, cuTensorMapEncode)},
    {"cuTexRefGetBorderColor", offsetof(struct cuda_driver, cuTexRefGetBorderColor)},
    {NULL, 0}
};
