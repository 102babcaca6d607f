/* Generated from cuda.spec by remoting/gen/generate.py. */

#include "layers.h"
#include "cuda_account.h"
#include "ledger.h"

/* ---- trace: every call of the driver, for the log ---- */

static struct cuda_driver trace_next; /* one per process, as the driver is; set at the start */

static CUresult trace_cuCapabilities(unsigned int *capabilities, const int *operations, unsigned int count)
{
    uint64_t begin = layer_begins();
    CUresult r = trace_next.cuCapabilities(capabilities, operations, count);
    layer_ends("cuCapabilities", r, begin);
    return r;
}

static CUresult trace_cuIpcOpenEventHandle(CUevent *phEvent, CUipcEventHandle handle)
{
    uint64_t begin = layer_begins();
    CUresult r = trace_next.cuIpcOpenEventHandle(phEvent, handle);
    layer_ends("cuIpcOpenEventHandle", r, begin);
    return r;
}

static CUresult trace_cuLaunchKernel(CUfunction f, CUstream hStream)
{
    uint64_t begin = layer_begins();
    CUresult r = trace_next.cuLaunchKernel(f, hStream);
    layer_ends("cuLaunchKernel", r, begin);
    return r;
}

static CUresult trace_cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)
{
    uint64_t begin = layer_begins();
    CUresult r = trace_next.cuMemAlloc_v2(dptr, bytesize);
    layer_ends("cuMemAlloc_v2", r, begin);
    return r;
}

static CUresult trace_cuMemCreate(CUmemGenericAllocationHandle *handle, size_t size, const CUmemAllocationProp *prop, unsigned long long flags)
{
    uint64_t begin = layer_begins();
    CUresult r = trace_next.cuMemCreate(handle, size, prop, flags);
    layer_ends("cuMemCreate", r, begin);
    return r;
}

static CUresult trace_cuMemFreeAsync(CUdeviceptr dptr, CUstream hStream)
{
    uint64_t begin = layer_begins();
    CUresult r = trace_next.cuMemFreeAsync(dptr, hStream);
    layer_ends("cuMemFreeAsync", r, begin);
    return r;
}

static CUresult trace_cuMemGetInfo_v2(size_t *free, size_t *total)
{
    uint64_t begin = layer_begins();
    CUresult r = trace_next.cuMemGetInfo_v2(free, total);
    layer_ends("cuMemGetInfo_v2", r, begin);
    return r;
}

static CUresult trace_cuMemRelease(CUmemGenericAllocationHandle handle)
{
    uint64_t begin = layer_begins();
    CUresult r = trace_next.cuMemRelease(handle);
    layer_ends("cuMemRelease", r, begin);
    return r;
}

static CUresult trace_cuModuleGetTexRef(CUtexref *pTexRef, CUmodule hmod, const char *name)
{
    uint64_t begin = layer_begins();
    CUresult r = trace_next.cuModuleGetTexRef(pTexRef, hmod, name);
    layer_ends("cuModuleGetTexRef", r, begin);
    return r;
}

static CUresult trace_cuStreamBatchMemOp_v2(CUstream stream, unsigned int count, CUstreamBatchMemOpParams *paramArray, unsigned int flags)
{
    uint64_t begin = layer_begins();
    CUresult r = trace_next.cuStreamBatchMemOp_v2(stream, count, paramArray, flags);
    layer_ends("cuStreamBatchMemOp_v2", r, begin);
    return r;
}

static CUresult trace_cuStreamCreate(CUstream *phStream, unsigned int Flags)
{
    uint64_t begin = layer_begins();
    CUresult r = trace_next.cuStreamCreate(phStream, Flags);
    layer_ends("cuStreamCreate", r, begin);
    return r;
}

static CUresult trace_cuStreamDestroy_v2(CUstream hStream)
{
    uint64_t begin = layer_begins();
    CUresult r = trace_next.cuStreamDestroy_v2(hStream);
    layer_ends("cuStreamDestroy_v2", r, begin);
    return r;
}

static CUresult trace_cuStreamSynchronize(CUstream hStream)
{
    uint64_t begin = layer_begins();
    CUresult r = trace_next.cuStreamSynchronize(hStream);
    layer_ends("cuStreamSynchronize", r, begin);
    return r;
}

static CUresult trace_cuTensorMapEncode(CUtensorMap *tensorMap, unsigned int rank, void *globalAddress, const unsigned long long *strides)
{
    uint64_t begin = layer_begins();
    CUresult r = trace_next.cuTensorMapEncode(tensorMap, rank, globalAddress, strides);
    layer_ends("cuTensorMapEncode", r, begin);
    return r;
}

static CUresult trace_cuTexRefGetAddress_v2(CUdeviceptr *pdptr, CUtexref hTexRef)
{
    uint64_t begin = layer_begins();
    CUresult r = trace_next.cuTexRefGetAddress_v2(pdptr, hTexRef);
    layer_ends("cuTexRefGetAddress_v2", r, begin);
    return r;
}

static CUresult trace_cuTexRefGetBorderColor(float *pBorderColor, CUtexref hTexRef)
{
    uint64_t begin = layer_begins();
    CUresult r = trace_next.cuTexRefGetBorderColor(pBorderColor, hTexRef);
    layer_ends("cuTexRefGetBorderColor", r, begin);
    return r;
}

void layer_trace(struct cuda_driver *d)
{
    trace_next = *d;
    if (d->cuCapabilities) d->cuCapabilities = trace_cuCapabilities;
    if (d->cuIpcOpenEventHandle) d->cuIpcOpenEventHandle = trace_cuIpcOpenEventHandle;
    if (d->cuLaunchKernel) d->cuLaunchKernel = trace_cuLaunchKernel;
    if (d->cuMemAlloc_v2) d->cuMemAlloc_v2 = trace_cuMemAlloc_v2;
    if (d->cuMemCreate) d->cuMemCreate = trace_cuMemCreate;
    if (d->cuMemFreeAsync) d->cuMemFreeAsync = trace_cuMemFreeAsync;
    if (d->cuMemGetInfo_v2) d->cuMemGetInfo_v2 = trace_cuMemGetInfo_v2;
    if (d->cuMemRelease) d->cuMemRelease = trace_cuMemRelease;
    if (d->cuModuleGetTexRef) d->cuModuleGetTexRef = trace_cuModuleGetTexRef;
    if (d->cuStreamBatchMemOp_v2) d->cuStreamBatchMemOp_v2 = trace_cuStreamBatchMemOp_v2;
    if (d->cuStreamCreate) d->cuStreamCreate = trace_cuStreamCreate;
    if (d->cuStreamDestroy_v2) d->cuStreamDestroy_v2 = trace_cuStreamDestroy_v2;
    if (d->cuStreamSynchronize) d->cuStreamSynchronize = trace_cuStreamSynchronize;
    if (d->cuTensorMapEncode) d->cuTensorMapEncode = trace_cuTensorMapEncode;
    if (d->cuTexRefGetAddress_v2) d->cuTexRefGetAddress_v2 = trace_cuTexRefGetAddress_v2;
    if (d->cuTexRefGetBorderColor) d->cuTexRefGetBorderColor = trace_cuTexRefGetBorderColor;
}

/* ---- account: what device memory the session has ---- */

static struct cuda_driver account_next; /* one per process, as the driver is; set at the start */

static CUresult account_cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)
{
    CUresult r = account_next.cuMemAlloc_v2(dptr, bytesize);
    if (r == CUDA_SUCCESS) ledger_add(LEDGER_PLAIN, (uint64_t)(uintptr_t)*dptr, (uint64_t)bytesize);
    return r;
}

static CUresult account_cuMemCreate(CUmemGenericAllocationHandle *handle, size_t size, const CUmemAllocationProp *prop, unsigned long long flags)
{
    CUresult r = account_next.cuMemCreate(handle, size, prop, flags);
    if (r == CUDA_SUCCESS) accounted_cuMemCreate(handle, size, prop, flags);
    return r;
}

static CUresult account_cuMemFreeAsync(CUdeviceptr dptr, CUstream hStream)
{
    struct ledger_entry *gone = ledger_take((uint64_t)(uintptr_t)dptr);
    CUresult r = account_next.cuMemFreeAsync(dptr, hStream);
    ledger_settle(gone, r == CUDA_SUCCESS);
    return r;
}

static CUresult account_cuMemRelease(CUmemGenericAllocationHandle handle)
{
    struct ledger_entry *gone = ledger_take((uint64_t)(uintptr_t)handle);
    CUresult r = account_next.cuMemRelease(handle);
    ledger_settle(gone, r == CUDA_SUCCESS);
    return r;
}

void layer_account(struct cuda_driver *d)
{
    account_next = *d;
    if (d->cuMemAlloc_v2) d->cuMemAlloc_v2 = account_cuMemAlloc_v2;
    if (d->cuMemCreate) d->cuMemCreate = account_cuMemCreate;
    if (d->cuMemFreeAsync) d->cuMemFreeAsync = account_cuMemFreeAsync;
    if (d->cuMemRelease) d->cuMemRelease = account_cuMemRelease;
}
