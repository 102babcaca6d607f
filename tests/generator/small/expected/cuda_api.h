/* Generated from cuda.spec by remoting/gen/generate.py. */

#ifndef HAWSER_CUDA_API_H
#define HAWSER_CUDA_API_H

#include <stddef.h>

#include "cuda_types.h"
#include "api.h"
#include "cuda.pb-c.h"

enum {
    HAWSER_CUDA_FIRST = 0,
    HAWSER_FN_GetGlobal = HAWSER_CUDA_FIRST + 12,
    HAWSER_FN_Make = HAWSER_CUDA_FIRST + 13,
    HAWSER_FN_MakeEither = HAWSER_CUDA_FIRST + 14,
    HAWSER_FN_Drop = HAWSER_CUDA_FIRST + 15,
    HAWSER_FN_Node = HAWSER_CUDA_FIRST + 16,
    HAWSER_FN_Launch = HAWSER_CUDA_FIRST + 17,
    HAWSER_FN_Done = HAWSER_CUDA_FIRST + 18,
    HAWSER_FN_Flush = HAWSER_CUDA_FIRST + 19,
    HAWSER_FN_cuMemAlloc_v2 = HAWSER_CUDA_FIRST + 109,
    HAWSER_FN_cuMemGetInfo_v2 = HAWSER_CUDA_FIRST + 112,
    HAWSER_FN_cuMemFreeAsync = HAWSER_CUDA_FIRST + 116,
    HAWSER_FN_cuStreamCreate = HAWSER_CUDA_FIRST + 117,
    HAWSER_FN_cuStreamDestroy_v2 = HAWSER_CUDA_FIRST + 120,
    HAWSER_FN_cuStreamSynchronize = HAWSER_CUDA_FIRST + 123,
    HAWSER_FN_cuModuleGetTexRef = HAWSER_CUDA_FIRST + 210,
    HAWSER_FN_cuTexRefGetAddress_v2 = HAWSER_CUDA_FIRST + 227,
    HAWSER_FN_cuTexRefGetBorderColor = HAWSER_CUDA_FIRST + 235,
    HAWSER_FN_cuMemCreate = HAWSER_CUDA_FIRST + 302,
    HAWSER_FN_cuMemRelease = HAWSER_CUDA_FIRST + 303,
    HAWSER_FN_cuIpcOpenEventHandle = HAWSER_CUDA_FIRST + 334,
    HAWSER_FN_cuStreamBatchMemOp_v2 = HAWSER_CUDA_FIRST + 345,
    HAWSER_FN_cuCapabilities = HAWSER_CUDA_FIRST + 352,
    HAWSER_FN_cuTensorMapEncode = HAWSER_CUDA_FIRST + 375,
    HAWSER_CUDA_LIMIT = HAWSER_CUDA_FIRST + 376
};

extern const struct hawser_api hawser_cuda_api;
extern const struct hawser_api_name hawser_cuda_names[];

enum hawser_object_kind {
    HAWSER_NO_OBJECT,
    HAWSER_STREAM,
    HAWSER_EVENT,
    HAWSER_MODULE,
    HAWSER_LIBRARY,
    HAWSER_TEXREF,
    HAWSER_FUNCTION,
    HAWSER_MEMORY,
    HAWSER_OBJECT_KINDS
};

extern const char *const hawser_object_kinds[HAWSER_OBJECT_KINDS]; /* their names */

/* The functions of the host's library; NULL where it has none. */
struct cuda_driver {
    CUresult (*cuCapabilities)(unsigned int *, const int *, unsigned int);
    CUresult (*cuIpcOpenEventHandle)(CUevent *, CUipcEventHandle);
    CUresult (*cuLaunchKernel)(CUfunction, CUstream);
    CUresult (*cuMemAlloc_v2)(CUdeviceptr *, size_t);
    CUresult (*cuMemCreate)(CUmemGenericAllocationHandle *, size_t, const CUmemAllocationProp *, unsigned long long);
    CUresult (*cuMemFreeAsync)(CUdeviceptr, CUstream);
    CUresult (*cuMemGetInfo_v2)(size_t *, size_t *);
    CUresult (*cuMemRelease)(CUmemGenericAllocationHandle);
    CUresult (*cuModuleGetTexRef)(CUtexref *, CUmodule, const char *);
    CUresult (*cuStreamBatchMemOp_v2)(CUstream, unsigned int, CUstreamBatchMemOpParams *, unsigned int);
    CUresult (*cuStreamCreate)(CUstream *, unsigned int);
    CUresult (*cuStreamDestroy_v2)(CUstream);
    CUresult (*cuStreamSynchronize)(CUstream);
    CUresult (*cuTensorMapEncode)(CUtensorMap *, unsigned int, void *, const unsigned long long *);
    CUresult (*cuTexRefGetAddress_v2)(CUdeviceptr *, CUtexref);
    CUresult (*cuTexRefGetBorderColor)(float *, CUtexref);
};
extern const struct hawser_symbol cuda_driver_symbols[];

#endif
