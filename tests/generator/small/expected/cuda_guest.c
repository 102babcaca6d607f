/* Generated from cuda.spec by remoting/gen/generate.py. */

#include "shim.h"

CUresult cuStreamCreate(CUstream *phStream, unsigned int Flags)
{
    struct shim_call c;
    Hawser__CuStreamCreate m = HAWSER__CU_STREAM_CREATE__INIT;
    struct shim_object *made = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_cuStreamCreate, true);
    if (r != CUDA_SUCCESS) return r;
    if (!phStream) return CUDA_ERROR_INVALID_VALUE;
    m.flags = Flags;
    made = shim_object_new(HAWSER_STREAM, &c);
    if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
    m.phstream = made->id;
    r = shim_check_cuStreamCreate(made, phStream, Flags);
    if (r != CUDA_SUCCESS) goto out;
    r = shim_post(&c, &m.base, NULL, 0);
out:
    if (r == CUDA_SUCCESS)
        *phStream = (CUstream)made;
    else
        shim_object_gone(made);
    return r;
}

CUresult cuStreamDestroy_v2(CUstream hStream)
{
    struct shim_call c;
    Hawser__CuStreamDestroyV2 m = HAWSER__CU_STREAM_DESTROY_V2__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_cuStreamDestroy_v2, false);
    if (r != CUDA_SUCCESS) return r;
    r = shim_handle(HAWSER_STREAM, (const void *)(uintptr_t)hStream, &m.hstream);
    if (r != CUDA_SUCCESS) return r;
    r = shim_post(&c, &m.base, NULL, 0);
    if (r == CUDA_SUCCESS) shim_object_gone((void *)(uintptr_t)hStream);
    return r;
}

CUresult cuStreamSynchronize(CUstream hStream)
{
    struct shim_call c;
    Hawser__CuStreamSynchronize m = HAWSER__CU_STREAM_SYNCHRONIZE__INIT;
    CUresult r = shim_enter_stream(&c, HAWSER_FN_cuStreamSynchronize, hStream);
    if (r != CUDA_SUCCESS) return r;
    r = shim_handle(HAWSER_STREAM, (const void *)(uintptr_t)hStream, &m.hstream);
    if (r != CUDA_SUCCESS) return r;
    r = shim_call(&c, &m.base, NULL, 0, NULL);
    return r;
}

CUresult cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)
{
    struct shim_call c;
    Hawser__CuMemAllocV2 m = HAWSER__CU_MEM_ALLOC_V2__INIT;
    Hawser__CuMemAllocV2Reply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_cuMemAlloc_v2, true);
    if (r != CUDA_SUCCESS) return r;
    if (!dptr) return CUDA_ERROR_INVALID_VALUE;
    m.bytesize = bytesize;
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS) *dptr = (CUdeviceptr)reply->dptr;
    shim_free_reply(reply);
    if (r == CUDA_SUCCESS) shim_note_cuMemAlloc_v2(dptr, bytesize);
    return r;
}

CUresult cuMemFreeAsync(CUdeviceptr dptr, CUstream hStream)
{
    struct shim_call c;
    Hawser__CuMemFreeAsync m = HAWSER__CU_MEM_FREE_ASYNC__INIT;
    CUresult r = shim_enter_stream(&c, HAWSER_FN_cuMemFreeAsync, hStream);
    if (r != CUDA_SUCCESS) return r;
    m.dptr = dptr;
    r = shim_handle(HAWSER_STREAM, (const void *)(uintptr_t)hStream, &m.hstream);
    if (r != CUDA_SUCCESS) return r;
    r = shim_post(&c, &m.base, NULL, 0);
    return r;
}

CUresult cuMemGetInfo_v2(size_t *free, size_t *total)
{
    struct shim_call c;
    Hawser__CuMemGetInfoV2 m = HAWSER__CU_MEM_GET_INFO_V2__INIT;
    Hawser__CuMemGetInfoV2Reply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_cuMemGetInfo_v2, true);
    if (r != CUDA_SUCCESS) return r;
    if (!total) return CUDA_ERROR_INVALID_VALUE;
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS) {
        if (free) *free = (size_t)reply->free;
        *total = (size_t)reply->total;
    }
    shim_free_reply(reply);
    return r;
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle)
{
    struct shim_call c;
    Hawser__CuMemRelease m = HAWSER__CU_MEM_RELEASE__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_cuMemRelease, false);
    if (r != CUDA_SUCCESS) return r;
    r = shim_handle(HAWSER_MEMORY, (const void *)(uintptr_t)handle, &m.handle);
    if (r != CUDA_SUCCESS) return r;
    r = shim_call(&c, &m.base, NULL, 0, NULL);
    if (r == CUDA_SUCCESS) shim_object_gone((void *)(uintptr_t)handle);
    return r;
}

CUresult cuTexRefGetAddress_v2(CUdeviceptr *pdptr, CUtexref hTexRef)
{
    struct shim_call c;
    Hawser__CuTexRefGetAddressV2 m = HAWSER__CU_TEX_REF_GET_ADDRESS_V2__INIT;
    Hawser__CuTexRefGetAddressV2Reply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_cuTexRefGetAddress_v2, true);
    if (r != CUDA_SUCCESS) return r;
    if (!pdptr) return CUDA_ERROR_INVALID_VALUE;
    r = shim_handle(HAWSER_TEXREF, (const void *)(uintptr_t)hTexRef, &m.htexref);
    if (r != CUDA_SUCCESS) return r;
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS) *pdptr = (CUdeviceptr)reply->pdptr;
    shim_free_reply(reply);
    return r;
}

CUresult cuModuleGetTexRef(CUtexref *pTexRef, CUmodule hmod, const char *name)
{
    struct shim_call c;
    Hawser__CuModuleGetTexRef m = HAWSER__CU_MODULE_GET_TEX_REF__INIT;
    struct shim_object *made = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_cuModuleGetTexRef, true);
    if (r != CUDA_SUCCESS) return r;
    if (!pTexRef || !name) return CUDA_ERROR_INVALID_VALUE;
    r = shim_handle(HAWSER_MODULE, (const void *)(uintptr_t)hmod, &m.hmod);
    if (r != CUDA_SUCCESS) return r;
    m.name = (char *)name;
    made = shim_object_new(HAWSER_TEXREF, &c);
    if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
    m.ptexref = made->id;
    r = shim_call(&c, &m.base, NULL, 0, NULL);
    if (r == CUDA_SUCCESS)
        *pTexRef = (CUtexref)made;
    else
        shim_object_gone(made);
    return r;
}

CUresult cuMemCreate(CUmemGenericAllocationHandle *handle, size_t size, const CUmemAllocationProp *prop, unsigned long long flags)
{
    struct shim_call c;
    Hawser__CuMemCreate m = HAWSER__CU_MEM_CREATE__INIT;
    struct shim_object *made = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_cuMemCreate, false);
    if (r != CUDA_SUCCESS) return r;
    if (!handle || !prop) return CUDA_ERROR_INVALID_VALUE;
    m.size = size;
    m.prop = (ProtobufCBinaryData){sizeof(CUmemAllocationProp), (uint8_t *)prop};
    m.flags = flags;
    made = shim_object_new(HAWSER_MEMORY, &c);
    if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
    m.handle = made->id;
    r = shim_call(&c, &m.base, NULL, 0, NULL);
    if (r == CUDA_SUCCESS)
        *handle = (CUmemGenericAllocationHandle)made;
    else
        shim_object_gone(made);
    return r;
}

CUresult cuStreamBatchMemOp_v2(CUstream stream, unsigned int count, CUstreamBatchMemOpParams *paramArray, unsigned int flags)
{
    struct shim_call c;
    Hawser__CuStreamBatchMemOpV2 m = HAWSER__CU_STREAM_BATCH_MEM_OP_V2__INIT;
    CUresult r = shim_enter_stream(&c, HAWSER_FN_cuStreamBatchMemOp_v2, stream);
    if (r != CUDA_SUCCESS) return r;
    if (!paramArray || (uint64_t)count > HAWSER_MAX_ELEMENTS) return CUDA_ERROR_INVALID_VALUE;
    r = shim_handle(HAWSER_STREAM, (const void *)(uintptr_t)stream, &m.stream);
    if (r != CUDA_SUCCESS) return r;
    m.count = count;
    m.paramarray = (ProtobufCBinaryData){sizeof(CUstreamBatchMemOpParams) * (size_t)count, (uint8_t *)paramArray};
    m.flags = flags;
    r = shim_check_cuStreamBatchMemOp_v2(stream, count, paramArray, flags);
    if (r != CUDA_SUCCESS) return r;
    r = shim_post(&c, &m.base, NULL, 0);
    return r;
}

CUresult cuTexRefGetBorderColor(float *pBorderColor, CUtexref hTexRef)
{
    struct shim_call c;
    Hawser__CuTexRefGetBorderColor m = HAWSER__CU_TEX_REF_GET_BORDER_COLOR__INIT;
    Hawser__CuTexRefGetBorderColorReply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_cuTexRefGetBorderColor, true);
    if (r != CUDA_SUCCESS) return r;
    if (!pBorderColor) return CUDA_ERROR_INVALID_VALUE;
    r = shim_handle(HAWSER_TEXREF, (const void *)(uintptr_t)hTexRef, &m.htexref);
    if (r != CUDA_SUCCESS) return r;
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS) {
        if (!shim_take(pBorderColor, sizeof(float) * 4, &reply->pbordercolor)) r = CUDA_ERROR_UNKNOWN;
    }
    shim_free_reply(reply);
    return r;
}

CUresult cuIpcOpenEventHandle(CUevent *phEvent, CUipcEventHandle handle)
{
    struct shim_call c;
    Hawser__CuIpcOpenEventHandle m = HAWSER__CU_IPC_OPEN_EVENT_HANDLE__INIT;
    struct shim_object *made = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_cuIpcOpenEventHandle, true);
    if (r != CUDA_SUCCESS) return r;
    if (!phEvent) return CUDA_ERROR_INVALID_VALUE;
    m.handle = (ProtobufCBinaryData){sizeof(CUipcEventHandle), (uint8_t *)&handle};
    made = shim_object_new(HAWSER_EVENT, &c);
    if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
    m.phevent = made->id;
    r = shim_call(&c, &m.base, NULL, 0, NULL);
    if (r == CUDA_SUCCESS)
        *phEvent = (CUevent)made;
    else
        shim_object_gone(made);
    return r;
}

CUresult cuTensorMapEncode(CUtensorMap *tensorMap, unsigned int rank, void *globalAddress, const unsigned long long *strides)
{
    struct shim_call c;
    Hawser__CuTensorMapEncode m = HAWSER__CU_TENSOR_MAP_ENCODE__INIT;
    Hawser__CuTensorMapEncodeReply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_cuTensorMapEncode, false);
    if (r != CUDA_SUCCESS) return r;
    if (!tensorMap || !strides || (uint64_t)rank > HAWSER_MAX_ELEMENTS || rank < 1) return CUDA_ERROR_INVALID_VALUE;
    m.rank = rank;
    m.globaladdress = (uintptr_t)globalAddress;
    m.strides = (ProtobufCBinaryData){sizeof(unsigned long long) * ((size_t)rank - 1), (uint8_t *)strides};
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS) {
        if (!shim_take(tensorMap, sizeof(CUtensorMap), &reply->tensormap)) r = CUDA_ERROR_UNKNOWN;
    }
    shim_free_reply(reply);
    return r;
}

CUresult cuCapabilities(unsigned int *capabilities, const int *operations, unsigned int count)
{
    struct shim_call c;
    Hawser__CuCapabilities m = HAWSER__CU_CAPABILITIES__INIT;
    Hawser__CuCapabilitiesReply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_cuCapabilities, true);
    if (r != CUDA_SUCCESS) return r;
    if (!capabilities || !operations || (uint64_t)count > HAWSER_MAX_ELEMENTS) return CUDA_ERROR_INVALID_VALUE;
    m.operations = (ProtobufCBinaryData){sizeof(int) * (size_t)count, (uint8_t *)operations};
    m.count = count;
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS) {
        if (!shim_take(capabilities, sizeof(unsigned int) * (size_t)count, &reply->capabilities)) r = CUDA_ERROR_UNKNOWN;
    }
    shim_free_reply(reply);
    return r;
}

