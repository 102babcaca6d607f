/* Texture and surface objects: descriptors to what the engine's table holds. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

enum { TEXTURE_ALIGNMENT = 512, PITCH_ALIGNMENT = 32 }; /* the device attributes of these names */

#define KNOWN_FLAGS                                                                                                    \
    (CU_TRSF_READ_AS_INTEGER | CU_TRSF_NORMALIZED_COORDINATES | CU_TRSF_SRGB |                                         \
     CU_TRSF_DISABLE_TRILINEAR_OPTIMIZATION | CU_TRSF_SEAMLESS_CUBEMAP)

struct sd_texture {
    struct sd_texture *next;
    uint64_t handle;
    struct hawser_texture from;
};

/* ---- descriptors ---- */

static CUresult set_format(struct sg_texture *t, CUarray_format format, unsigned channels) {
    enum sg_channel channel;
    bool fraction;
    CUresult r = sd_format(format, channels, &channel, &fraction);
    if (r != CUDA_SUCCESS) return r;
    t->channel = (uint8_t)channel;
    t->channels = (uint8_t)channels;
    t->promote = fraction;
    return CUDA_SUCCESS;
}

static CUresult of_array(struct sg_texture *t, const struct sd_array *a) {
    t->layered = a->desc.Flags & CUDA_ARRAY3D_LAYERED;
    t->cube = a->desc.Flags & CUDA_ARRAY3D_CUBEMAP;
    t->nlevels = 1;
    t->level[0] = a->level;
    return set_format(t, a->desc.Format, a->desc.NumChannels);
}

static CUresult of_mipmap(struct sg_texture *t, const struct sd_mipmap *m) {
    CUresult r = of_array(t, &m->levels[0]);
    t->nlevels = m->n_levels;
    for (unsigned i = 1; i < m->n_levels; i++)
        t->level[i] = m->levels[i].level;
    return r;
}

static CUresult of_memory(struct sg_texture *t, struct sd_context *c, const CUDA_RESOURCE_DESC *d) {
    bool linear = d->resType == CU_RESOURCE_TYPE_LINEAR;
    CUdeviceptr at = linear ? d->res.linear.devPtr : d->res.pitch2D.devPtr;
    CUresult r = linear ? set_format(t, d->res.linear.format, d->res.linear.numChannels)
                        : set_format(t, d->res.pitch2D.format, d->res.pitch2D.numChannels);
    if (r != CUDA_SUCCESS) return r;
    size_t element = sg_channel_bytes(t->channel) * t->channels, width, height = 1, pitch = 0, bytes;
    if (linear) {
        width = d->res.linear.sizeInBytes / element;
        struct sd_allocation a;
        if (width > SD_LINEAR_TEXELS || !sd_find(at, &a)) return CUDA_ERROR_INVALID_VALUE;
        /* CUDA does not ask whether the memory is that long; what is not there reads 0, as beyond the end. */
        if (width > (a.base + a.size - at) / element) width = (a.base + a.size - at) / element;
        bytes = width * element;
    } else {
        width = d->res.pitch2D.width;
        height = d->res.pitch2D.height;
        pitch = d->res.pitch2D.pitchInBytes;
        const CUdevice_attribute limits[] = {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_WIDTH,
                                             CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_HEIGHT,
                                             CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_PITCH};
        const size_t extents[] = {width, height, pitch};
        for (int i = 0; i < 3; i++)
            if (!extents[i] || extents[i] > (size_t)sd_device_attribute(c->device, limits[i]))
                return CUDA_ERROR_INVALID_VALUE;
        if (pitch % PITCH_ALIGNMENT || pitch < width * element) return CUDA_ERROR_INVALID_VALUE;
        bytes = pitch * (height - 1) + width * element;
    }
    if (!width || at % TEXTURE_ALIGNMENT || !hawser_front_reached(at, bytes)) return CUDA_ERROR_INVALID_VALUE;
    t->linear = linear;
    t->nlevels = 1;
    t->level[0] = (struct sg_level){.base = at,
                                    .pitch = pitch,
                                    .slice = pitch * height,
                                    .width = (uint32_t)width,
                                    .height = (uint32_t)height,
                                    .depth = 1};
    return CUDA_SUCCESS;
}

static CUresult of_resource(struct sg_texture *t, struct sd_context *c, const CUDA_RESOURCE_DESC *d) {
    if (d->flags) return CUDA_ERROR_INVALID_VALUE;
    switch (d->resType) {
    case CU_RESOURCE_TYPE_ARRAY: {
        const struct sd_array *a = sd_array(d->res.array.hArray);
        return a ? of_array(t, a) : CUDA_ERROR_INVALID_VALUE;
    }
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY: {
        const struct sd_mipmap *m = sd_mipmap(d->res.mipmap.hMipmappedArray);
        return m ? of_mipmap(t, m) : CUDA_ERROR_INVALID_VALUE;
    }
    case CU_RESOURCE_TYPE_LINEAR:
    case CU_RESOURCE_TYPE_PITCH2D:
        return of_memory(t, c, d);
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
}

static CUresult add_sampling(struct sg_texture *t, const CUDA_RESOURCE_DESC *resource, const CUDA_TEXTURE_DESC *d) {
    for (int i = 0; i < 3; i++) {
        if ((unsigned)d->addressMode[i] > CU_TR_ADDRESS_MODE_BORDER) return CUDA_ERROR_INVALID_VALUE;
        t->address[i] = (uint8_t)d->addressMode[i];
    }
    if ((unsigned)d->filterMode > CU_TR_FILTER_MODE_LINEAR ||
        (unsigned)d->mipmapFilterMode > CU_TR_FILTER_MODE_LINEAR || (d->flags & ~(unsigned)KNOWN_FLAGS))
        return CUDA_ERROR_INVALID_VALUE;
    t->normalized = d->flags & CU_TRSF_NORMALIZED_COORDINATES;
    t->seamless = d->flags & CU_TRSF_SEAMLESS_CUBEMAP;
    if ((resource->resType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY && !t->normalized) || (t->seamless && !t->cube))
        return CUDA_ERROR_INVALID_VALUE;
    if (!(d->flags & CU_TRSF_READ_AS_INTEGER)) t->promote = true;
    t->srgb = d->flags & CU_TRSF_SRGB;
    t->filter = d->filterMode == CU_TR_FILTER_MODE_LINEAR;
    t->mip_filter = d->mipmapFilterMode == CU_TR_FILTER_MODE_LINEAR;
    t->bias = d->mipmapLevelBias;
    t->least_level = d->minMipmapLevelClamp;
    t->most_level = d->maxMipmapLevelClamp;
    memcpy(t->border, d->borderColor, sizeof t->border);
    return CUDA_SUCCESS;
}

/* View formats come in threes: one, two and four channels of each of these. */
static const CUarray_format view_formats[] = {
    CU_AD_FORMAT_UNSIGNED_INT8,  CU_AD_FORMAT_SIGNED_INT8,  CU_AD_FORMAT_UNSIGNED_INT16, CU_AD_FORMAT_SIGNED_INT16,
    CU_AD_FORMAT_UNSIGNED_INT32, CU_AD_FORMAT_SIGNED_INT32, CU_AD_FORMAT_HALF,           CU_AD_FORMAT_FLOAT};

static CUresult view_format(struct sg_texture *t, CUresourceViewFormat format) {
    if (format == CU_RES_VIEW_FORMAT_NONE) return CUDA_SUCCESS;
    if (format >= CU_RES_VIEW_FORMAT_UNSIGNED_BC1 && format <= CU_RES_VIEW_FORMAT_UNSIGNED_BC7)
        return hawser_abi_not_supported("resource views of block compressed formats");
    unsigned index = (unsigned)format - 1, before = sg_channel_bytes(t->channel) * t->channels;
    if (index >= 3 * sizeof view_formats / sizeof *view_formats) return CUDA_ERROR_INVALID_VALUE;
    bool promote = t->promote;
    CUresult r = set_format(t, view_formats[index / 3], 1u << index % 3);
    t->promote = promote;
    return sg_channel_bytes(t->channel) * t->channels == before ? r : CUDA_ERROR_INVALID_VALUE;
}

static CUresult add_view(struct sg_texture *t, const CUDA_RESOURCE_DESC *resource, const CUDA_RESOURCE_VIEW_DESC *v) {
    bool mipmapped = resource->resType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY;
    if (resource->resType != CU_RESOURCE_TYPE_ARRAY && !mipmapped) return CUDA_ERROR_INVALID_VALUE;
    const CUDA_ARRAY3D_DESCRIPTOR *d = mipmapped ? &sd_mipmap(resource->res.mipmap.hMipmappedArray)->levels[0].desc
                                                 : &sd_array(resource->res.array.hArray)->desc;
    CUresult r = view_format(t, v->format);
    if (r != CUDA_SUCCESS) return r;
    if (v->width != d->Width || v->height != d->Height || v->depth != d->Depth) return CUDA_ERROR_INVALID_VALUE;
    if (v->firstMipmapLevel > v->lastMipmapLevel || v->lastMipmapLevel >= t->nlevels) return CUDA_ERROR_INVALID_VALUE;
    unsigned slices = t->layered ? t->level[0].depth : 1;
    if (v->firstLayer > v->lastLayer || v->lastLayer >= slices) return CUDA_ERROR_INVALID_VALUE;
    t->nlevels = v->lastMipmapLevel - v->firstMipmapLevel + 1;
    memmove(t->level, t->level + v->firstMipmapLevel, t->nlevels * sizeof *t->level);
    for (unsigned i = 0; i < t->nlevels && t->layered; i++) {
        t->level[i].base += v->firstLayer * t->level[i].slice;
        t->level[i].depth = v->lastLayer - v->firstLayer + 1;
    }
    return CUDA_SUCCESS;
}

CUresult sd_describe(struct sd_context *c, const CUDA_RESOURCE_DESC *resource, const CUDA_TEXTURE_DESC *desc,
                     const CUDA_RESOURCE_VIEW_DESC *view, struct sg_texture *out) {
    *out = (struct sg_texture){.kind = desc ? SG_TEXTURE : SG_SURFACE};
    CUresult r = of_resource(out, c, resource);
    if (r == CUDA_SUCCESS && desc) r = add_sampling(out, resource, desc);
    if (r == CUDA_SUCCESS && view) r = add_view(out, resource, view);
    if (r != CUDA_SUCCESS || desc) return r;
    if (resource->resType != CU_RESOURCE_TYPE_ARRAY) return CUDA_ERROR_INVALID_VALUE;
    /* Programs make surfaces of mipmap levels that were not created for them, and it works. */
    const struct sd_array *a = sd_array(resource->res.array.hArray);
    return a->mipmap || a->desc.Flags & CUDA_ARRAY3D_SURFACE_LDST ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- objects ---- */

CUresult hawser_front_texture_create(const struct hawser_texture *from, unsigned long long *handle) {
    struct sd_context *c;
    struct sg_texture t;
    CUresult r = sd_current(&c);
    if (r == CUDA_SUCCESS)
        r = sd_describe(c, &from->resource, from->surface ? NULL : &from->texture, from->has_view ? &from->view : NULL,
                        &t);
    if (r != CUDA_SUCCESS) return r;
    struct sd_texture *o = calloc(1, sizeof *o);
    if (!o || !(o->handle = sg_texture_add(c->device->engine, &t))) {
        free(o);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    o->from = *from;
    pthread_mutex_lock(&c->lock);
    o->next = c->textures;
    c->textures = o;
    pthread_mutex_unlock(&c->lock);
    *handle = o->handle;
    return CUDA_SUCCESS;
}

/* The link to a handle's object, or to the NULL at the end. Under the context's lock. */
static struct sd_texture **find(struct sd_context *c, uint64_t handle, bool surface) {
    struct sd_texture **p = &c->textures;
    while (*p && ((*p)->handle != handle || (*p)->from.surface != surface))
        p = &(*p)->next;
    return p;
}

CUresult hawser_front_texture_destroy(unsigned long long handle, bool surface) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r == CUDA_SUCCESS) r = sd_wait_all(c); /* kernels under way may use it */
    if (r != CUDA_SUCCESS) return r;
    pthread_mutex_lock(&c->lock);
    struct sd_texture **p = find(c, handle, surface), *o = *p;
    if (o) *p = o->next;
    pthread_mutex_unlock(&c->lock);
    if (!o) return CUDA_ERROR_INVALID_VALUE;
    sg_texture_remove(c->device->engine, handle);
    free(o);
    return CUDA_SUCCESS;
}

bool hawser_front_texture(unsigned long long handle, bool surface, struct hawser_texture *out) {
    struct sd_context *c;
    if (sd_current_any(&c) != CUDA_SUCCESS) return false;
    pthread_mutex_lock(&c->lock);
    const struct sd_texture *o = *find(c, handle, surface);
    if (o) *out = o->from;
    pthread_mutex_unlock(&c->lock);
    return o != NULL;
}

void sd_textures_end(struct sd_context *c) {
    while (c->textures) {
        struct sd_texture *o = c->textures;
        c->textures = o->next;
        sg_texture_remove(c->device->engine, o->handle);
        free(o);
    }
}
