/* What cuda.spec here is checked against. */
#define CUDA_VERSION 13000
typedef enum cudaError_enum { CUDA_SUCCESS = 0 } CUresult;
CUresult cuInit(unsigned int Flags);
CUresult cuStreamCreate(CUstream *phStream, unsigned int Flags);
CUresult cuStreamDestroy_v2(CUstream hStream);
CUresult cuStreamSynchronize(CUstream hStream);
CUresult cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize);
CUresult cuMemFreeAsync(CUdeviceptr dptr, CUstream hStream);
CUresult cuMemRelease(CUmemGenericAllocationHandle handle);
CUresult cuTexRefGetAddress_v2(CUdeviceptr *pdptr, CUtexref hTexRef);
CUresult cuMemGetInfo_v2(size_t *free, size_t *total);
CUresult cuModuleGetTexRef(CUtexref *pTexRef, CUmodule hmod, const char *name);
CUresult cuMemCreate(CUmemGenericAllocationHandle *handle, size_t size, const CUmemAllocationProp *prop,
                     unsigned long long flags);
CUresult cuStreamBatchMemOp_v2(CUstream stream, unsigned int count, CUstreamBatchMemOpParams *paramArray,
                               unsigned int flags);
CUresult cuTexRefGetBorderColor(float *pBorderColor, CUtexref hTexRef);
CUresult cuIpcOpenEventHandle(CUevent *phEvent, CUipcEventHandle handle);
CUresult cuTensorMapEncode(CUtensorMap *tensorMap, unsigned int rank, void *globalAddress,
                           const unsigned long long *strides);
CUresult cuCapabilities(unsigned int *capabilities, const int *operations, unsigned int count);
CUresult cuLaunchKernel(CUfunction f, CUstream hStream);
CUresult cuMemFree_v2(CUdeviceptr dptr);
CUresult cuNotYet(int value);
