#include "abi_internal.h"

void hawser_abi_copy_box(const CUDA_MEMCPY2D *p, CUDA_MEMCPY3D *out)
{
    *out = (CUDA_MEMCPY3D){.srcXInBytes = p->srcXInBytes, .srcY = p->srcY, .srcMemoryType = p->srcMemoryType,
                           .srcHost = p->srcHost, .srcDevice = p->srcDevice, .srcArray = p->srcArray,
                           .srcPitch = p->srcPitch, .dstXInBytes = p->dstXInBytes, .dstY = p->dstY,
                           .dstMemoryType = p->dstMemoryType, .dstHost = p->dstHost, .dstDevice = p->dstDevice,
                           .dstArray = p->dstArray, .dstPitch = p->dstPitch, .WidthInBytes = p->WidthInBytes,
                           .Height = p->Height, .Depth = 1};
}
