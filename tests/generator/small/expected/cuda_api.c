/* Generated from cuda.spec by remoting/gen/generate.py. */

#include "cuda_api.h"

static const struct hawser_api_function functions[HAWSER_CUDA_LIMIT - HAWSER_CUDA_FIRST] = {
    [12] = {"GetGlobal", HAWSER_API_CALL | HAWSER_API_WAITS, &hawser__get_global__descriptor, &hawser__get_global_reply__descriptor},
    [17] = {"Launch", HAWSER_API_POST | HAWSER_API_WORK, &hawser__launch__descriptor, &hawser__launch_reply__descriptor},
    [109] = {"cuMemAlloc_v2", HAWSER_API_CALL, &hawser__cu_mem_alloc_v2__descriptor, &hawser__cu_mem_alloc_v2_reply__descriptor},
    [112] = {"cuMemGetInfo_v2", HAWSER_API_CALL, &hawser__cu_mem_get_info_v2__descriptor, &hawser__cu_mem_get_info_v2_reply__descriptor},
    [117] = {"cuStreamCreate", HAWSER_API_POST, &hawser__cu_stream_create__descriptor, &hawser__cu_stream_create_reply__descriptor},
    [120] = {"cuStreamDestroy_v2", HAWSER_API_POST, &hawser__cu_stream_destroy_v2__descriptor, &hawser__cu_stream_destroy_v2_reply__descriptor},
    [123] = {"cuStreamSynchronize", HAWSER_API_CALL | HAWSER_API_SYNCS | HAWSER_API_WAITS, &hawser__cu_stream_synchronize__descriptor, &hawser__cu_stream_synchronize_reply__descriptor},
    [210] = {"cuModuleGetTexRef", HAWSER_API_CALL, &hawser__cu_module_get_tex_ref__descriptor, &hawser__cu_module_get_tex_ref_reply__descriptor},
    [235] = {"cuTexRefGetBorderColor", HAWSER_API_CALL, &hawser__cu_tex_ref_get_border_color__descriptor, &hawser__cu_tex_ref_get_border_color_reply__descriptor},
    [302] = {"cuMemCreate", HAWSER_API_CALL, &hawser__cu_mem_create__descriptor, &hawser__cu_mem_create_reply__descriptor},
    [334] = {"cuIpcOpenEventHandle", HAWSER_API_CALL, &hawser__cu_ipc_open_event_handle__descriptor, &hawser__cu_ipc_open_event_handle_reply__descriptor},
    [345] = {"cuStreamBatchMemOp_v2", HAWSER_API_POST, &hawser__cu_stream_batch_mem_op_v2__descriptor, &hawser__cu_stream_batch_mem_op_v2_reply__descriptor},
    [352] = {"cuCapabilities", HAWSER_API_CALL, &hawser__cu_capabilities__descriptor, &hawser__cu_capabilities_reply__descriptor},
    [375] = {"cuTensorMapEncode", HAWSER_API_CALL, &hawser__cu_tensor_map_encode__descriptor, &hawser__cu_tensor_map_encode_reply__descriptor},
};

const struct hawser_api_name hawser_cuda_names[] = {
    {"cuCapabilities", 1},
    {"cuInit", 1},
    {"cuIpcOpenEventHandle", 1},
    {"cuLaunchKernel", 1},
    {"cuMemAlloc_v2", 1},
    {"cuMemCreate", 1},
    {"cuMemFree_v2", 1},
    {"cuMemGetInfo_v2", 1},
    {"cuModuleGetTexRef", 1},
    {"cuNotYet", 0},
    {"cuStreamBatchMemOp_v2", 1},
    {"cuStreamCreate", 1},
    {"cuStreamDestroy_v2", 1},
    {"cuStreamSynchronize", 1},
    {"cuTensorMapEncode", 1},
    {"cuTexRefGetBorderColor", 1},
    {NULL, 0}
};

static const struct hawser_retired_field retired[] = {
    {&hawser__launch__descriptor, 2}, /* shape */
    {NULL, 0}
};

const struct hawser_api hawser_cuda_api = {
    HAWSER_CUDA_FIRST, HAWSER_CUDA_LIMIT, functions, retired
};

/* The spec's signatures against the header's. */
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuInit), CUresult (*)(unsigned int Flags)), "cuInit: cuda.spec line 29 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuStreamCreate), CUresult (*)(CUstream *phStream, unsigned int Flags)), "cuStreamCreate: cuda.spec line 30 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuStreamDestroy_v2), CUresult (*)(CUstream hStream)), "cuStreamDestroy_v2: cuda.spec line 31 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuStreamSynchronize), CUresult (*)(CUstream hStream)), "cuStreamSynchronize: cuda.spec line 32 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuMemAlloc_v2), CUresult (*)(CUdeviceptr *dptr, size_t bytesize)), "cuMemAlloc_v2: cuda.spec line 33 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuMemGetInfo_v2), CUresult (*)(size_t *free, size_t *total)), "cuMemGetInfo_v2: cuda.spec line 34 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuModuleGetTexRef), CUresult (*)(CUtexref *pTexRef, CUmodule hmod, const char *name)), "cuModuleGetTexRef: cuda.spec line 35 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuMemCreate), CUresult (*)(CUmemGenericAllocationHandle *handle, size_t size, const CUmemAllocationProp *prop, unsigned long long flags)), "cuMemCreate: cuda.spec line 36 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuStreamBatchMemOp_v2), CUresult (*)(CUstream stream, unsigned int count, CUstreamBatchMemOpParams *paramArray, unsigned int flags)), "cuStreamBatchMemOp_v2: cuda.spec line 37 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuTexRefGetBorderColor), CUresult (*)(float *pBorderColor, CUtexref hTexRef)), "cuTexRefGetBorderColor: cuda.spec line 38 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuIpcOpenEventHandle), CUresult (*)(CUevent *phEvent, CUipcEventHandle handle)), "cuIpcOpenEventHandle: cuda.spec line 39 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuTensorMapEncode), CUresult (*)(CUtensorMap *tensorMap, unsigned int rank, void *globalAddress, const unsigned long long *strides)), "cuTensorMapEncode: cuda.spec line 40 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuCapabilities), CUresult (*)(unsigned int *capabilities, const int *operations, unsigned int count)), "cuCapabilities: cuda.spec line 41 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuLaunchKernel), CUresult (*)(CUfunction f, CUstream hStream)), "cuLaunchKernel: cuda.spec line 42 and the header disagree");
