/* CUDA arrays: what is known from their descriptors. */
#include "front.h"

static size_t half(size_t extent, unsigned level) {
    return extent ? extent >> level ? extent >> level : 1 : 0;
}

CUDA_ARRAY3D_DESCRIPTOR hawser_array_level(CUDA_ARRAY3D_DESCRIPTOR d, unsigned level) {
    d.Width = half(d.Width, level);
    d.Height = half(d.Height, level);
    if (!(d.Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP))) d.Depth = half(d.Depth, level);
    return d;
}

static CUresult named(CUarray handle, const void *out, const CUDA_ARRAY3D_DESCRIPTOR **d) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *d = hawser_front_array(handle);
    return *d ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR *pArrayDescriptor, CUarray hArray) {
    const CUDA_ARRAY3D_DESCRIPTOR *d;
    CUresult r = named(hArray, pArrayDescriptor, &d);
    if (r == CUDA_SUCCESS) *pArrayDescriptor = *d;
    return r;
}

CUresult cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR *pArrayDescriptor, CUarray hArray) {
    const CUDA_ARRAY3D_DESCRIPTOR *d;
    CUresult r = named(hArray, pArrayDescriptor, &d);
    if (r == CUDA_SUCCESS) *pArrayDescriptor = (CUDA_ARRAY_DESCRIPTOR){d->Width, d->Height, d->Format, d->NumChannels};
    return r;
}
