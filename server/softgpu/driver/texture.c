/* Texture and surface objects: descriptors checked, kept for those who ask, and made into the engine's textures. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

/* What an object was made from, by its handle. */
struct made {
    struct made *next;
    uint64_t handle;
    bool surface;
    CUDA_RESOURCE_DESC resource;
    CUDA_TEXTURE_DESC texture;
    CUDA_RESOURCE_VIEW_DESC view;
    bool has_view;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct made *all; /* lock */

static void level_of(const struct sd_array *a, struct sg_level *l)
{
    *l = (struct sg_level){.base = (uint8_t *)a->base, .width = (uint32_t)a->desc.Width,
                           .height = a->desc.Height ? (uint32_t)a->desc.Height : 1,
                           .depth = a->desc.Depth ? (uint32_t)a->desc.Depth : 1, .pitch = a->pitch, .slice = a->slice};
}

static CUresult set_format(struct sg_texture *t, CUarray_format format, unsigned channels)
{
    unsigned bytes;
    enum sg_channel channel;
    if (!sd_format(format, &bytes, &channel) || (channels != 1 && channels != 2 && channels != 4))
        return CUDA_ERROR_INVALID_VALUE;
    t->channel = (uint8_t)channel;
    t->channel_bytes = (uint8_t)bytes;
    t->channels = (uint8_t)channels;
    t->query_type = (uint32_t)format;
    t->query_order = channels;
    return CUDA_SUCCESS;
}

static CUresult from_array(struct sg_texture *t, CUarray handle)
{
    struct sd_array *a = sd_array(handle);
    if (!a) return CUDA_ERROR_INVALID_HANDLE;
    level_of(a, &t->levels[0]);
    t->nlevels = 1;
    t->layered = a->desc.Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP);
    return set_format(t, a->desc.Format, a->desc.NumChannels);
}

static CUresult from_mipmap(struct sg_texture *t, CUmipmappedArray handle)
{
    struct sd_mipmap *m = sd_mipmap(handle);
    if (!m) return CUDA_ERROR_INVALID_HANDLE;
    CUresult r = from_array(t, (CUarray)m->level[0]);
    for (t->nlevels = 0; t->nlevels < m->n; t->nlevels++)
        level_of(m->level[t->nlevels], &t->levels[t->nlevels]);
    return r;
}

static CUresult from_memory(struct sg_texture *t, const CUDA_RESOURCE_DESC *d)
{
    bool line = d->resType == CU_RESOURCE_TYPE_LINEAR;
    CUdeviceptr base = line ? d->res.linear.devPtr : d->res.pitch2D.devPtr;
    CUresult r = line ? set_format(t, d->res.linear.format, d->res.linear.numChannels)
                      : set_format(t, d->res.pitch2D.format, d->res.pitch2D.numChannels);
    if (r != CUDA_SUCCESS) return r;
    size_t texel = (size_t)t->channels * t->channel_bytes;
    struct sg_level *l = &t->levels[0];
    *l = (struct sg_level){.base = (uint8_t *)base, .height = 1, .depth = 1};
    size_t extent = d->res.linear.sizeInBytes;
    if (line) {
        l->width = extent / texel > UINT32_MAX ? UINT32_MAX : (uint32_t)(extent / texel);
    } else {
        l->width = (uint32_t)d->res.pitch2D.width;
        l->height = (uint32_t)d->res.pitch2D.height;
        l->pitch = d->res.pitch2D.pitchInBytes;
        if (!l->width || !l->height || l->pitch < l->width * texel) return CUDA_ERROR_INVALID_VALUE;
        extent = l->pitch * (l->height - 1) + l->width * texel;
    }
    t->nlevels = 1;
    t->linear_memory = line;
    return base && base % (line ? texel : 1) == 0 && sd_reachable(base, extent) ? CUDA_SUCCESS
                                                                               : CUDA_ERROR_INVALID_VALUE;
}

static CUresult take_resource(struct sg_texture *t, const CUDA_RESOURCE_DESC *d)
{
    if (d->flags) return CUDA_ERROR_INVALID_VALUE;
    switch (d->resType) {
    case CU_RESOURCE_TYPE_ARRAY:
        return from_array(t, d->res.array.hArray);
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
        return from_mipmap(t, d->res.mipmap.hMipmappedArray);
    case CU_RESOURCE_TYPE_LINEAR:
    case CU_RESOURCE_TYPE_PITCH2D:
        return from_memory(t, d);
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
}

static CUresult take_sampling(struct sg_texture *t, const CUDA_TEXTURE_DESC *d)
{
    unsigned known = CU_TRSF_READ_AS_INTEGER | CU_TRSF_NORMALIZED_COORDINATES | CU_TRSF_SRGB |
                     CU_TRSF_DISABLE_TRILINEAR_OPTIMIZATION | CU_TRSF_SEAMLESS_CUBEMAP;
    for (int i = 0; i < 3; i++) {
        if ((unsigned)d->addressMode[i] > CU_TR_ADDRESS_MODE_BORDER) return CUDA_ERROR_INVALID_VALUE;
        t->address[i] = (uint8_t)d->addressMode[i];
    }
    if ((unsigned)d->filterMode > CU_TR_FILTER_MODE_LINEAR || (unsigned)d->mipmapFilterMode > CU_TR_FILTER_MODE_LINEAR ||
        d->flags & ~known)
        return CUDA_ERROR_INVALID_VALUE;
    bool integers = t->channel != SG_CHANNEL_FLOAT;
    t->normalized = d->flags & CU_TRSF_NORMALIZED_COORDINATES;
    t->to_float = integers && !(d->flags & CU_TRSF_READ_AS_INTEGER);
    /* Integers of 32 bits are never promoted. */
    if (t->to_float && t->channel_bytes == 4) t->to_float = false;
    t->srgb = d->flags & CU_TRSF_SRGB && t->channel == SG_CHANNEL_UINT && t->channel_bytes == 1;
    t->linear = d->filterMode == CU_TR_FILTER_MODE_LINEAR;
    t->mip_linear = d->mipmapFilterMode == CU_TR_FILTER_MODE_LINEAR;
    t->bias = d->mipmapLevelBias;
    t->min_level = d->minMipmapLevelClamp;
    t->max_level = d->maxMipmapLevelClamp > 0 || t->nlevels > 1 ? d->maxMipmapLevelClamp : 0;
    memcpy(t->border, d->borderColor, sizeof t->border);
    if (t->linear && integers && !t->to_float) return CUDA_ERROR_INVALID_VALUE;
    if (t->nlevels > 1 && !t->normalized) return CUDA_ERROR_INVALID_VALUE;
    return CUDA_SUCCESS;
}

/* A view may narrow the layers and levels; another format of equal size reinterprets. */
static CUresult take_view(struct sg_texture *t, const CUDA_RESOURCE_VIEW_DESC *v)
{
    if (v->format != CU_RES_VIEW_FORMAT_NONE) return hawser_abi_not_supported("resource views of another format");
    if (v->firstMipmapLevel > v->lastMipmapLevel || v->lastMipmapLevel >= t->nlevels) return CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = v->firstMipmapLevel; i <= v->lastMipmapLevel; i++) {
        struct sg_level *l = &t->levels[i - v->firstMipmapLevel];
        *l = t->levels[i];
        if (!t->layered) continue;
        if (v->firstLayer > v->lastLayer || v->lastLayer >= l->depth) return CUDA_ERROR_INVALID_VALUE;
        l->base += v->firstLayer * l->slice;
        l->depth = v->lastLayer - v->firstLayer + 1;
    }
    t->nlevels = v->lastMipmapLevel - v->firstMipmapLevel + 1;
    return CUDA_SUCCESS;
}

static CUresult finish(const struct sg_texture *t, struct made *m, unsigned long long *out)
{
    m->handle = sg_texture_add(t);
    if (!m->handle) {
        free(m);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    pthread_mutex_lock(&lock);
    m->next = all;
    all = m;
    pthread_mutex_unlock(&lock);
    *out = m->handle;
    return CUDA_SUCCESS;
}

CUresult cuTexObjectCreate(CUtexObject *pTexObject, const CUDA_RESOURCE_DESC *pResDesc,
                           const CUDA_TEXTURE_DESC *pTexDesc, const CUDA_RESOURCE_VIEW_DESC *pResViewDesc)
{
    struct sd_context *c;
    struct sg_texture t = {0};
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!pTexObject || !pResDesc || !pTexDesc) return CUDA_ERROR_INVALID_VALUE;
    bool plain = pResDesc->resType == CU_RESOURCE_TYPE_LINEAR || pResDesc->resType == CU_RESOURCE_TYPE_PITCH2D;
    if (plain && pResViewDesc) return CUDA_ERROR_INVALID_VALUE;
    r = take_resource(&t, pResDesc);
    if (r == CUDA_SUCCESS) r = take_sampling(&t, pTexDesc);
    if (r == CUDA_SUCCESS && pResViewDesc) r = take_view(&t, pResViewDesc);
    if (r != CUDA_SUCCESS) return r;
    struct made *m = calloc(1, sizeof *m);
    if (!m) return CUDA_ERROR_OUT_OF_MEMORY;
    m->resource = *pResDesc;
    m->texture = *pTexDesc;
    m->has_view = pResViewDesc != NULL;
    if (pResViewDesc) m->view = *pResViewDesc;
    return finish(&t, m, pTexObject);
}

CUresult cuSurfObjectCreate(CUsurfObject *pSurfObject, const CUDA_RESOURCE_DESC *pResDesc)
{
    struct sd_context *c;
    struct sg_texture t = {.surface = true};
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!pSurfObject || !pResDesc || pResDesc->resType != CU_RESOURCE_TYPE_ARRAY) return CUDA_ERROR_INVALID_VALUE;
    struct sd_array *a = sd_array(pResDesc->res.array.hArray);
    if (!a) return CUDA_ERROR_INVALID_HANDLE;
    if (!(a->desc.Flags & CUDA_ARRAY3D_SURFACE_LDST)) return CUDA_ERROR_INVALID_VALUE;
    r = take_resource(&t, pResDesc);
    if (r != CUDA_SUCCESS) return r;
    struct made *m = calloc(1, sizeof *m);
    if (!m) return CUDA_ERROR_OUT_OF_MEMORY;
    m->resource = *pResDesc;
    m->surface = true;
    return finish(&t, m, pSurfObject);
}

static CUresult destroy(unsigned long long handle, bool surface)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    struct made *m = NULL;
    pthread_mutex_lock(&lock);
    for (struct made **p = &all; *p; p = &(*p)->next)
        if ((*p)->handle == handle && (*p)->surface == surface) {
            m = *p;
            *p = m->next;
            break;
        }
    pthread_mutex_unlock(&lock);
    if (!m) return CUDA_ERROR_INVALID_VALUE;
    sd_wait_all(c); /* kernels under way may use it */
    sg_texture_remove(handle);
    free(m);
    return CUDA_SUCCESS;
}

CUresult cuTexObjectDestroy(CUtexObject texObject)
{
    return destroy(texObject, false);
}

CUresult cuSurfObjectDestroy(CUsurfObject surfObject)
{
    return destroy(surfObject, true);
}

static CUresult look_up(unsigned long long handle, bool surface, const void *out, struct made *copy)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&lock);
    struct made *m = all;
    while (m && (m->handle != handle || m->surface != surface))
        m = m->next;
    if (m) *copy = *m;
    pthread_mutex_unlock(&lock);
    return m ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuTexObjectGetResourceDesc(CUDA_RESOURCE_DESC *pResDesc, CUtexObject texObject)
{
    struct made m;
    CUresult r = look_up(texObject, false, pResDesc, &m);
    if (r == CUDA_SUCCESS) *pResDesc = m.resource;
    return r;
}

CUresult cuTexObjectGetTextureDesc(CUDA_TEXTURE_DESC *pTexDesc, CUtexObject texObject)
{
    struct made m;
    CUresult r = look_up(texObject, false, pTexDesc, &m);
    if (r == CUDA_SUCCESS) *pTexDesc = m.texture;
    return r;
}

CUresult cuTexObjectGetResourceViewDesc(CUDA_RESOURCE_VIEW_DESC *pResViewDesc, CUtexObject texObject)
{
    struct made m;
    CUresult r = look_up(texObject, false, pResViewDesc, &m);
    if (r != CUDA_SUCCESS) return r;
    if (!m.has_view) return CUDA_ERROR_INVALID_VALUE;
    *pResViewDesc = m.view;
    return CUDA_SUCCESS;
}

CUresult cuSurfObjectGetResourceDesc(CUDA_RESOURCE_DESC *pResDesc, CUsurfObject surfObject)
{
    struct made m;
    CUresult r = look_up(surfObject, true, pResDesc, &m);
    if (r == CUDA_SUCCESS) *pResDesc = m.resource;
    return r;
}

CUresult cuDeviceGetTexture1DLinearMaxWidth(size_t *maxWidthInElements, CUarray_format format, unsigned numChannels,
                                            CUdevice dev)
{
    unsigned bytes;
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!sd_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    if (!maxWidthInElements || !sd_format(format, &bytes, NULL) ||
        (numChannels != 1 && numChannels != 2 && numChannels != 4))
        return CUDA_ERROR_INVALID_VALUE;
    *maxWidthInElements = (size_t)1 << 28;
    return CUDA_SUCCESS;
}
