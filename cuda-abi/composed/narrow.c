/* Structures of the API's first revision, in which addresses and sizes had 32 bits. */
#include "../abi_internal.h"

#define COPY_SIDES_2D(p)                                                                                               \
    .srcXInBytes = (p)->srcXInBytes, .srcY = (p)->srcY, .srcMemoryType = (p)->srcMemoryType, .srcHost = (p)->srcHost,  \
    .srcDevice = (p)->srcDevice, .srcArray = (p)->srcArray, .srcPitch = (p)->srcPitch,                                 \
    .dstXInBytes = (p)->dstXInBytes, .dstY = (p)->dstY, .dstMemoryType = (p)->dstMemoryType, .dstHost = (p)->dstHost,  \
    .dstDevice = (p)->dstDevice, .dstArray = (p)->dstArray, .dstPitch = (p)->dstPitch,                                 \
    .WidthInBytes = (p)->WidthInBytes, .Height = (p)->Height

void hawser_abi_widen_CUDA_MEMCPY2D(const CUDA_MEMCPY2D_v1 *p, CUDA_MEMCPY2D *out) {
    *out = (CUDA_MEMCPY2D){COPY_SIDES_2D(p)};
}

void hawser_abi_widen_CUDA_MEMCPY3D(const CUDA_MEMCPY3D_v1 *p, CUDA_MEMCPY3D *out) {
    *out = (CUDA_MEMCPY3D){COPY_SIDES_2D(p), .srcZ = p->srcZ,     .srcLOD = p->srcLOD,       .srcHeight = p->srcHeight,
                           .dstZ = p->dstZ,  .dstLOD = p->dstLOD, .dstHeight = p->dstHeight, .Depth = p->Depth};
}

void hawser_abi_copy_box(const CUDA_MEMCPY2D *p, CUDA_MEMCPY3D *out) {
    *out = (CUDA_MEMCPY3D){COPY_SIDES_2D(p), .Depth = 1};
}

void hawser_abi_widen_CUDA_ARRAY_DESCRIPTOR(const CUDA_ARRAY_DESCRIPTOR_v1 *p, CUDA_ARRAY_DESCRIPTOR *out) {
    *out = (CUDA_ARRAY_DESCRIPTOR){p->Width, p->Height, p->Format, p->NumChannels};
}

void hawser_abi_widen_CUDA_ARRAY3D_DESCRIPTOR(const CUDA_ARRAY3D_DESCRIPTOR_v1 *p, CUDA_ARRAY3D_DESCRIPTOR *out) {
    *out = (CUDA_ARRAY3D_DESCRIPTOR){p->Width, p->Height, p->Depth, p->Format, p->NumChannels, p->Flags};
}

void hawser_abi_narrow_CUDA_ARRAY_DESCRIPTOR(const CUDA_ARRAY_DESCRIPTOR *p, CUDA_ARRAY_DESCRIPTOR_v1 *out) {
    *out = (CUDA_ARRAY_DESCRIPTOR_v1){(unsigned)p->Width, (unsigned)p->Height, p->Format, p->NumChannels};
}

void hawser_abi_narrow_CUDA_ARRAY3D_DESCRIPTOR(const CUDA_ARRAY3D_DESCRIPTOR *p, CUDA_ARRAY3D_DESCRIPTOR_v1 *out) {
    *out = (CUDA_ARRAY3D_DESCRIPTOR_v1){(unsigned)p->Width, (unsigned)p->Height, (unsigned)p->Depth,
                                        p->Format,          p->NumChannels,      p->Flags};
}
