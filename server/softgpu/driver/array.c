/* CUDA arrays: texels in device memory, row by row, and the copies' view of them. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#define LARGEST 131072u

static const struct {
    CUarray_format format;
    unsigned bytes;
    enum sg_channel channel;
} formats[] = {
    {CU_AD_FORMAT_UNSIGNED_INT8, 1, SG_CHANNEL_UINT}, {CU_AD_FORMAT_UNSIGNED_INT16, 2, SG_CHANNEL_UINT},
    {CU_AD_FORMAT_UNSIGNED_INT32, 4, SG_CHANNEL_UINT}, {CU_AD_FORMAT_SIGNED_INT8, 1, SG_CHANNEL_SINT},
    {CU_AD_FORMAT_SIGNED_INT16, 2, SG_CHANNEL_SINT},   {CU_AD_FORMAT_SIGNED_INT32, 4, SG_CHANNEL_SINT},
    {CU_AD_FORMAT_HALF, 2, SG_CHANNEL_FLOAT},          {CU_AD_FORMAT_FLOAT, 4, SG_CHANNEL_FLOAT},
};

bool sd_format(CUarray_format format, unsigned *bytes, enum sg_channel *channel)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i].format == format) {
            *bytes = formats[i].bytes;
            if (channel) *channel = formats[i].channel;
            return true;
        }
    return false;
}

struct sd_array *sd_array(CUarray handle)
{
    return sd_is(SD_ARRAY, handle) ? (struct sd_array *)handle : NULL;
}

static size_t at_least_1(size_t n)
{
    return n ? n : 1;
}

static CUresult check(const CUDA_ARRAY3D_DESCRIPTOR *d)
{
    const unsigned known = CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_SURFACE_LDST | CUDA_ARRAY3D_CUBEMAP |
                           CUDA_ARRAY3D_TEXTURE_GATHER | CUDA_ARRAY3D_COLOR_ATTACHMENT;
    unsigned bytes;
    bool cube = d->Flags & CUDA_ARRAY3D_CUBEMAP, layered = d->Flags & CUDA_ARRAY3D_LAYERED;
    if (d->NumChannels != 1 && d->NumChannels != 2 && d->NumChannels != 4) return CUDA_ERROR_INVALID_VALUE;
    if (!sd_format(d->Format, &bytes, NULL)) return CUDA_ERROR_INVALID_VALUE;
    if (d->Flags & ~known)
        return d->Flags & (CUDA_ARRAY3D_SPARSE | CUDA_ARRAY3D_DEFERRED_MAPPING | CUDA_ARRAY3D_DEPTH_TEXTURE)
                   ? hawser_abi_not_supported("sparse, deferred and depth arrays")
                   : CUDA_ERROR_INVALID_VALUE;
    if (!d->Width || d->Width > LARGEST || d->Height > LARGEST || d->Depth > LARGEST) return CUDA_ERROR_INVALID_VALUE;
    if (!d->Height && d->Depth && !layered) return CUDA_ERROR_INVALID_VALUE;
    if (layered && !d->Depth) return CUDA_ERROR_INVALID_VALUE;
    if (cube && (d->Width != d->Height || (layered ? d->Depth % 6 : d->Depth != 6))) return CUDA_ERROR_INVALID_VALUE;
    return CUDA_SUCCESS;
}

static CUresult make(struct sd_context *c, const CUDA_ARRAY3D_DESCRIPTOR *d, struct sd_array **out)
{
    unsigned bytes = 0;
    struct sd_array *a = calloc(1, sizeof *a);
    if (!a) return CUDA_ERROR_OUT_OF_MEMORY;
    sd_format(d->Format, &bytes, NULL);
    a->desc = *d;
    a->pitch = d->Width * d->NumChannels * bytes;
    a->slice = a->pitch * at_least_1(d->Height);
    a->bytes = a->slice * at_least_1(d->Depth);
    void *memory;
    CUresult r = sd_alloc(c, a->bytes, SD_ON_DEVICE, 0, true, &memory);
    if (r == CUDA_SUCCESS && !sd_register(SD_ARRAY, a)) {
        sd_free(memory, SD_ON_DEVICE, true);
        r = CUDA_ERROR_OUT_OF_MEMORY;
    }
    if (r != CUDA_SUCCESS) {
        free(a);
        return r;
    }
    a->base = memory;
    a->context = c;
    *out = a;
    return CUDA_SUCCESS;
}

static void destroy(struct sd_array *a)
{
    sd_unregister(a);
    sd_free(a->base, SD_ON_DEVICE, true);
    free(a);
}

CUresult cuArray3DCreate_v2(CUarray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR *pAllocateArray)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!pHandle || !pAllocateArray) return CUDA_ERROR_INVALID_VALUE;
    r = check(pAllocateArray);
    return r == CUDA_SUCCESS ? make(c, pAllocateArray, (struct sd_array **)pHandle) : r;
}

CUresult cuArrayCreate_v2(CUarray *pHandle, const CUDA_ARRAY_DESCRIPTOR *p)
{
    if (!p) return CUDA_ERROR_INVALID_VALUE;
    CUDA_ARRAY3D_DESCRIPTOR d = {.Width = p->Width, .Height = p->Height, .Format = p->Format,
                                 .NumChannels = p->NumChannels};
    return cuArray3DCreate_v2(pHandle, &d);
}

CUresult cuArrayDestroy(CUarray hArray)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    struct sd_array *a = sd_array(hArray);
    if (!a) return CUDA_ERROR_INVALID_HANDLE;
    if (a->mipmap) return CUDA_ERROR_INVALID_HANDLE; /* goes with its mipmapped array */
    sd_wait_all(a->context);
    destroy(a);
    return CUDA_SUCCESS;
}

CUresult cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR *pArrayDescriptor, CUarray hArray)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    struct sd_array *a = sd_array(hArray);
    if (!a) return CUDA_ERROR_INVALID_HANDLE;
    if (!pArrayDescriptor) return CUDA_ERROR_INVALID_VALUE;
    *pArrayDescriptor = a->desc;
    return CUDA_SUCCESS;
}

CUresult cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR *pArrayDescriptor, CUarray hArray)
{
    CUDA_ARRAY3D_DESCRIPTOR d;
    if (!pArrayDescriptor) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = cuArray3DGetDescriptor_v2(&d, hArray);
    if (r == CUDA_SUCCESS) *pArrayDescriptor = (CUDA_ARRAY_DESCRIPTOR){d.Width, d.Height, d.Format, d.NumChannels};
    return r;
}

/* No array here has planes, and none is sparse or deferred. */
CUresult cuArrayGetPlane(CUarray *pPlaneArray, CUarray hArray, unsigned int planeIdx)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    (void)planeIdx;
    return pPlaneArray && !sd_array(hArray) ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES *sparseProperties, CUarray array)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    return sparseProperties && !sd_array(array) ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *memoryRequirements, CUarray array,
                                      CUdevice device)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!sd_array(array)) return CUDA_ERROR_INVALID_HANDLE;
    if (!memoryRequirements) return CUDA_ERROR_INVALID_VALUE;
    if (!sd_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    return CUDA_ERROR_INVALID_VALUE; /* asked only of arrays whose memory comes later */
}

/* ---- mipmapped arrays ---- */

CUresult cuMipmappedArrayCreate(CUmipmappedArray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR *p,
                                unsigned int numMipmapLevels)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!pHandle || !p || !numMipmapLevels) return CUDA_ERROR_INVALID_VALUE;
    r = check(p);
    if (r != CUDA_SUCCESS) return r;
    struct sd_mipmap *m = calloc(1, sizeof *m);
    if (!m || !sd_register(SD_MIPMAP, m)) {
        free(m);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    CUDA_ARRAY3D_DESCRIPTOR d = *p;
    bool layers = d.Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP);
    m->context = c;
    while (r == CUDA_SUCCESS && m->n < numMipmapLevels && m->n < SG_MAX_LEVELS) {
        r = make(c, &d, &m->level[m->n]);
        if (r != CUDA_SUCCESS) break;
        m->level[m->n++]->mipmap = m;
        if (d.Width == 1 && d.Height <= 1 && (layers || d.Depth <= 1)) break; /* CUDA ends the chain here too */
        d.Width = at_least_1(d.Width / 2);
        if (d.Height) d.Height = at_least_1(d.Height / 2);
        if (d.Depth && !layers) d.Depth = at_least_1(d.Depth / 2);
    }
    if (r != CUDA_SUCCESS)
        cuMipmappedArrayDestroy((CUmipmappedArray)m);
    else
        *pHandle = (CUmipmappedArray)m;
    return r;
}

struct sd_mipmap *sd_mipmap(CUmipmappedArray handle)
{
    return sd_is(SD_MIPMAP, handle) ? (struct sd_mipmap *)handle : NULL;
}

CUresult cuMipmappedArrayGetLevel(CUarray *pLevelArray, CUmipmappedArray hMipmappedArray, unsigned int level)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    struct sd_mipmap *m = sd_mipmap(hMipmappedArray);
    if (!m) return CUDA_ERROR_INVALID_HANDLE;
    if (!pLevelArray || level >= m->n) return CUDA_ERROR_INVALID_VALUE;
    *pLevelArray = (CUarray)m->level[level];
    return CUDA_SUCCESS;
}

CUresult cuMipmappedArrayDestroy(CUmipmappedArray hMipmappedArray)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    struct sd_mipmap *m = sd_mipmap(hMipmappedArray);
    if (!m) return CUDA_ERROR_INVALID_HANDLE;
    sd_wait_all(m->context);
    for (unsigned i = 0; i < m->n; i++)
        destroy(m->level[i]);
    sd_unregister(m);
    free(m);
    return CUDA_SUCCESS;
}

CUresult cuMipmappedArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES *sparseProperties, CUmipmappedArray mipmap)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    return sparseProperties && !sd_mipmap(mipmap) ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMipmappedArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *memoryRequirements,
                                               CUmipmappedArray mipmap, CUdevice device)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!sd_mipmap(mipmap)) return CUDA_ERROR_INVALID_HANDLE;
    return memoryRequirements && !sd_device(device) ? CUDA_ERROR_INVALID_DEVICE : CUDA_ERROR_INVALID_VALUE;
}
