/* Generated from cuda.spec by remoting/gen/generate.py. */

#include "cuda_api.h"

static const struct hawser_api_function functions[HAWSER_CUDA_LIMIT - HAWSER_CUDA_FIRST] = {
    [12] = {"GetGlobal", HAWSER_API_CALL | HAWSER_API_WAITS, &hawser__get_global__descriptor, &hawser__get_global_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_HANDLE, "module|library"}, {0}}},
    [13] = {"Make", HAWSER_API_CALL, &hawser__make__descriptor, &hawser__make_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_NEW, "module"}, {2, HAWSER_ROLE_HANDLE, "module"}, {0}}},
    [14] = {"MakeEither", HAWSER_API_CALL, &hawser__make_either__descriptor, &hawser__make_either_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_NEW, "module|library"}, {0}}},
    [15] = {"Drop", HAWSER_API_POST, &hawser__drop__descriptor, &hawser__drop_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_GONE, "library"}, {2, HAWSER_ROLE_HANDLE, "module"}, {3, HAWSER_ROLE_ADDRESS | HAWSER_ROLE_FREES, ""}, {4, HAWSER_ROLE_TAKES, ""}, {0}}},
    [16] = {"Node", HAWSER_API_POST, &hawser__node__descriptor, &hawser__node_reply__descriptor, NULL},
    [17] = {"Launch", HAWSER_API_POST | HAWSER_API_WORK, &hawser__launch__descriptor, &hawser__launch_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_HANDLE, "function"}, {4, HAWSER_ROLE_HANDLE | HAWSER_ROLE_ORDERS, "stream"}, {0}}},
    [18] = {"Done", HAWSER_API_POST | HAWSER_API_AT_ONCE, &hawser__done__descriptor, &hawser__done_reply__descriptor, NULL},
    [19] = {"Flush", HAWSER_API_CALL, &hawser__flush__descriptor, &hawser__flush_reply__descriptor, NULL},
    [109] = {"cuMemAlloc_v2", HAWSER_API_CALL, &hawser__cu_mem_alloc_v2__descriptor, &hawser__cu_mem_alloc_v2_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_TAKES, ""}, {0}}},
    [112] = {"cuMemGetInfo_v2", HAWSER_API_CALL, &hawser__cu_mem_get_info_v2__descriptor, &hawser__cu_mem_get_info_v2_reply__descriptor, NULL},
    [116] = {"cuMemFreeAsync", HAWSER_API_POST, &hawser__cu_mem_free_async__descriptor, &hawser__cu_mem_free_async_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_ADDRESS | HAWSER_ROLE_FREES, ""}, {2, HAWSER_ROLE_HANDLE | HAWSER_ROLE_ORDERS, "stream"}, {0}}},
    [117] = {"cuStreamCreate", HAWSER_API_POST, &hawser__cu_stream_create__descriptor, &hawser__cu_stream_create_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_NEW, "stream"}, {0}}},
    [120] = {"cuStreamDestroy_v2", HAWSER_API_POST, &hawser__cu_stream_destroy_v2__descriptor, &hawser__cu_stream_destroy_v2_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_GONE, "stream"}, {0}}},
    [123] = {"cuStreamSynchronize", HAWSER_API_CALL | HAWSER_API_SYNCS | HAWSER_API_WAITS, &hawser__cu_stream_synchronize__descriptor, &hawser__cu_stream_synchronize_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_HANDLE | HAWSER_ROLE_ORDERS, "stream"}, {0}}},
    [210] = {"cuModuleGetTexRef", HAWSER_API_CALL, &hawser__cu_module_get_tex_ref__descriptor, &hawser__cu_module_get_tex_ref_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_NEW, "texref"}, {2, HAWSER_ROLE_HANDLE, "module"}, {0}}},
    [227] = {"cuTexRefGetAddress_v2", HAWSER_API_CALL, &hawser__cu_tex_ref_get_address_v2__descriptor, &hawser__cu_tex_ref_get_address_v2_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_HANDLE, "texref"}, {0}}},
    [235] = {"cuTexRefGetBorderColor", HAWSER_API_CALL, &hawser__cu_tex_ref_get_border_color__descriptor, &hawser__cu_tex_ref_get_border_color_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_HANDLE, "texref"}, {0}}},
    [302] = {"cuMemCreate", HAWSER_API_CALL, &hawser__cu_mem_create__descriptor, &hawser__cu_mem_create_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_NEW, "memory"}, {0}}},
    [303] = {"cuMemRelease", HAWSER_API_CALL, &hawser__cu_mem_release__descriptor, &hawser__cu_mem_release_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_GONE, "memory"}, {0}}},
    [334] = {"cuIpcOpenEventHandle", HAWSER_API_CALL, &hawser__cu_ipc_open_event_handle__descriptor, &hawser__cu_ipc_open_event_handle_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_NEW, "event"}, {0}}},
    [345] = {"cuStreamBatchMemOp_v2", HAWSER_API_POST, &hawser__cu_stream_batch_mem_op_v2__descriptor, &hawser__cu_stream_batch_mem_op_v2_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_HANDLE | HAWSER_ROLE_ORDERS, "stream"}, {0}}},
    [352] = {"cuCapabilities", HAWSER_API_CALL, &hawser__cu_capabilities__descriptor, &hawser__cu_capabilities_reply__descriptor, NULL},
    [375] = {"cuTensorMapEncode", HAWSER_API_CALL, &hawser__cu_tensor_map_encode__descriptor, &hawser__cu_tensor_map_encode_reply__descriptor, (const struct hawser_field_role[]){{2, HAWSER_ROLE_ADDRESS, ""}, {0}}},
};

const struct hawser_api_name hawser_cuda_names[] = {
    {"cuCapabilities", 1},
    {"cuInit", 1},
    {"cuIpcOpenEventHandle", 1},
    {"cuLaunchKernel", 1},
    {"cuMemAlloc_v2", 1},
    {"cuMemCreate", 1},
    {"cuMemFreeAsync", 1},
    {"cuMemFree_v2", 1},
    {"cuMemGetInfo_v2", 1},
    {"cuMemRelease", 1},
    {"cuModuleGetTexRef", 1},
    {"cuNotYet", 0},
    {"cuStreamBatchMemOp_v2", 1},
    {"cuStreamCreate", 1},
    {"cuStreamDestroy_v2", 1},
    {"cuStreamSynchronize", 1},
    {"cuTensorMapEncode", 1},
    {"cuTexRefGetAddress_v2", 1},
    {"cuTexRefGetBorderColor", 1},
    {NULL, 0}
};

static const struct hawser_retired_field retired[] = {
    {&hawser__launch__descriptor, 2}, /* shape */
    {NULL, 0}
};

const char *const hawser_object_kinds[HAWSER_OBJECT_KINDS] = {
    "",
    "stream",
    "event",
    "module",
    "library",
    "texref",
    "function",
    "memory",
};

const struct hawser_api hawser_cuda_api = {
    HAWSER_CUDA_FIRST, HAWSER_CUDA_LIMIT, functions, retired
};

/* The spec's signatures against the header's. */
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuInit), CUresult (*)(unsigned int Flags)), "cuInit: cuda.spec line 53 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuStreamCreate), CUresult (*)(CUstream *phStream, unsigned int Flags)), "cuStreamCreate: cuda.spec line 54 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuStreamDestroy_v2), CUresult (*)(CUstream hStream)), "cuStreamDestroy_v2: cuda.spec line 55 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuStreamSynchronize), CUresult (*)(CUstream hStream)), "cuStreamSynchronize: cuda.spec line 56 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuMemAlloc_v2), CUresult (*)(CUdeviceptr *dptr, size_t bytesize)), "cuMemAlloc_v2: cuda.spec line 57 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuMemFreeAsync), CUresult (*)(CUdeviceptr dptr, CUstream hStream)), "cuMemFreeAsync: cuda.spec line 58 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuMemGetInfo_v2), CUresult (*)(size_t *free, size_t *total)), "cuMemGetInfo_v2: cuda.spec line 59 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuMemRelease), CUresult (*)(CUmemGenericAllocationHandle handle)), "cuMemRelease: cuda.spec line 60 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuTexRefGetAddress_v2), CUresult (*)(CUdeviceptr *pdptr, CUtexref hTexRef)), "cuTexRefGetAddress_v2: cuda.spec line 61 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuModuleGetTexRef), CUresult (*)(CUtexref *pTexRef, CUmodule hmod, const char *name)), "cuModuleGetTexRef: cuda.spec line 62 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuMemCreate), CUresult (*)(CUmemGenericAllocationHandle *handle, size_t size, const CUmemAllocationProp *prop, unsigned long long flags)), "cuMemCreate: cuda.spec line 63 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuStreamBatchMemOp_v2), CUresult (*)(CUstream stream, unsigned int count, CUstreamBatchMemOpParams *paramArray, unsigned int flags)), "cuStreamBatchMemOp_v2: cuda.spec line 64 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuTexRefGetBorderColor), CUresult (*)(float *pBorderColor, CUtexref hTexRef)), "cuTexRefGetBorderColor: cuda.spec line 65 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuIpcOpenEventHandle), CUresult (*)(CUevent *phEvent, CUipcEventHandle handle)), "cuIpcOpenEventHandle: cuda.spec line 66 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuTensorMapEncode), CUresult (*)(CUtensorMap *tensorMap, unsigned int rank, void *globalAddress, const unsigned long long *strides)), "cuTensorMapEncode: cuda.spec line 67 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuCapabilities), CUresult (*)(unsigned int *capabilities, const int *operations, unsigned int count)), "cuCapabilities: cuda.spec line 68 and the header disagree");
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuLaunchKernel), CUresult (*)(CUfunction f, CUstream hStream)), "cuLaunchKernel: cuda.spec line 69 and the header disagree");
