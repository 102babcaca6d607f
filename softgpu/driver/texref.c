/*
 * Texture and surface references: module variables to which a program binds arrays or memory. Deprecated,
 * but PTX may still name them. A binding is a texture in the variable's own place of the engine's table.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

struct sd_texref {
    struct sd_texref *next;
    struct sd_module *module;
    uint64_t handle;
    bool surface, bound;
    CUDA_RESOURCE_DESC resource;
    CUDA_TEXTURE_DESC desc;
    CUarray_format format; /* of linear memory */
    int channels;
};

/* ---- finding ---- */

static CUresult get(void *out, CUmodule hmod, const char *name, bool surface) {
    struct sd_module *m;
    CUresult r = sd_module_of(hmod, &m);
    if (r != CUDA_SUCCESS) return r;
    if (!out || !name) return CUDA_ERROR_INVALID_VALUE;
    uint64_t handle = sg_instance_texture(m->instance, name);
    if (!handle) return CUDA_ERROR_NOT_FOUND;
    pthread_mutex_lock(&m->lock);
    struct sd_texref *t = m->texrefs;
    while (t && t->handle != handle)
        t = t->next;
    if (!t && (t = calloc(1, sizeof *t))) {
        *t = (struct sd_texref){.next = m->texrefs,
                                .module = m,
                                .handle = handle,
                                .surface = surface,
                                .format = CU_AD_FORMAT_FLOAT,
                                .channels = 1};
        for (int i = 0; i < 3; i++)
            t->desc.addressMode[i] = CU_TR_ADDRESS_MODE_CLAMP;
        if (sd_register(surface ? SD_SURFREF : SD_TEXREF, t)) {
            m->texrefs = t;
        } else {
            free(t);
            t = NULL;
        }
    }
    pthread_mutex_unlock(&m->lock);
    if (!t) return CUDA_ERROR_OUT_OF_MEMORY;
    if (t->surface != surface) return CUDA_ERROR_NOT_FOUND;
    *(struct sd_texref **)out = t;
    return CUDA_SUCCESS;
}

CUresult cuModuleGetTexRef(CUtexref *pTexRef, CUmodule hmod, const char *name) {
    return get(pTexRef, hmod, name, false);
}

CUresult cuModuleGetSurfRef(CUsurfref *pSurfRef, CUmodule hmod, const char *name) {
    return get(pSurfRef, hmod, name, true);
}

void sd_texrefs_end(struct sd_module *m) {
    while (m->texrefs) {
        struct sd_texref *t = m->texrefs;
        m->texrefs = t->next;
        sd_unregister(t);
        free(t);
    }
}

/* ---- binding ---- */

/* Starts a change of a reference: kernels under way keep what they were launched with. */
static CUresult change(const void *handle, enum sd_kind kind, struct sd_context **c, struct sd_texref **t) {
    CUresult r = sd_current(c);
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(kind, handle)) return CUDA_ERROR_INVALID_HANDLE;
    *t = (struct sd_texref *)handle;
    return sd_wait_all(*c);
}

static CUresult bind(struct sd_context *c, struct sd_texref *t, const CUDA_RESOURCE_DESC *resource) {
    struct sg_texture described;
    CUresult r = sd_describe(c, resource, t->surface ? NULL : &t->desc, NULL, &described);
    if (r != CUDA_SUCCESS) return r;
    t->resource = *resource;
    t->bound = true;
    return sg_texture_set(t->module->device->engine, t->handle, &described) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

/* After a change of t->desc. A binding that the new setting does not suit stays as it was. */
static CUresult resample(struct sd_context *c, struct sd_texref *t) {
    CUDA_RESOURCE_DESC resource = t->resource;
    return t->bound ? bind(c, t, &resource) : CUDA_SUCCESS;
}

CUresult cuTexRefSetArray(CUtexref hTexRef, CUarray hArray, unsigned int Flags) {
    struct sd_context *c;
    struct sd_texref *t;
    CUresult r = change(hTexRef, SD_TEXREF, &c, &t);
    if (r != CUDA_SUCCESS) return r;
    if (Flags != CU_TRSA_OVERRIDE_FORMAT) return CUDA_ERROR_INVALID_VALUE;
    CUDA_RESOURCE_DESC d = {.resType = CU_RESOURCE_TYPE_ARRAY, .res.array.hArray = hArray};
    return bind(c, t, &d);
}

CUresult cuTexRefSetMipmappedArray(CUtexref hTexRef, CUmipmappedArray hMipmappedArray, unsigned int Flags) {
    struct sd_context *c;
    struct sd_texref *t;
    CUresult r = change(hTexRef, SD_TEXREF, &c, &t);
    if (r != CUDA_SUCCESS) return r;
    if (Flags != CU_TRSA_OVERRIDE_FORMAT) return CUDA_ERROR_INVALID_VALUE;
    CUDA_RESOURCE_DESC d = {.resType = CU_RESOURCE_TYPE_MIPMAPPED_ARRAY, .res.mipmap.hMipmappedArray = hMipmappedArray};
    return bind(c, t, &d);
}

/* Memory that is not aligned is bound from the aligned address before; the program adds the offset. */
CUresult cuTexRefSetAddress_v2(size_t *ByteOffset, CUtexref hTexRef, CUdeviceptr dptr, size_t bytes) {
    struct sd_context *c;
    struct sd_texref *t;
    CUresult r = change(hTexRef, SD_TEXREF, &c, &t);
    if (r != CUDA_SUCCESS) return r;
    size_t offset = dptr % 512;
    if (offset && !ByteOffset) return CUDA_ERROR_INVALID_VALUE;
    CUDA_RESOURCE_DESC d = {.resType = CU_RESOURCE_TYPE_LINEAR};
    d.res.linear.devPtr = dptr - offset;
    d.res.linear.format = t->format;
    d.res.linear.numChannels = (unsigned)t->channels;
    d.res.linear.sizeInBytes = bytes + offset;
    r = bind(c, t, &d);
    if (r == CUDA_SUCCESS && ByteOffset) *ByteOffset = offset;
    return r;
}

CUresult cuTexRefSetAddress2D_v3(CUtexref hTexRef, const CUDA_ARRAY_DESCRIPTOR *desc, CUdeviceptr dptr, size_t Pitch) {
    struct sd_context *c;
    struct sd_texref *t;
    CUresult r = change(hTexRef, SD_TEXREF, &c, &t);
    if (r != CUDA_SUCCESS) return r;
    if (!desc) return CUDA_ERROR_INVALID_VALUE;
    CUDA_RESOURCE_DESC d = {.resType = CU_RESOURCE_TYPE_PITCH2D};
    d.res.pitch2D.devPtr = dptr;
    d.res.pitch2D.format = desc->Format;
    d.res.pitch2D.numChannels = desc->NumChannels;
    d.res.pitch2D.width = desc->Width;
    d.res.pitch2D.height = desc->Height;
    d.res.pitch2D.pitchInBytes = Pitch;
    return bind(c, t, &d);
}

CUresult cuSurfRefSetArray(CUsurfref hSurfRef, CUarray hArray, unsigned int Flags) {
    struct sd_context *c;
    struct sd_texref *t;
    CUresult r = change(hSurfRef, SD_SURFREF, &c, &t);
    if (r != CUDA_SUCCESS) return r;
    if (Flags) return CUDA_ERROR_INVALID_VALUE;
    CUDA_RESOURCE_DESC d = {.resType = CU_RESOURCE_TYPE_ARRAY, .res.array.hArray = hArray};
    return bind(c, t, &d);
}

/* ---- settings ---- */

/* Defines cuTexRefSet<name>: checks a condition, stores, and binds anew. */
#define SETTER(name, params, condition, store)                                                                         \
    CUresult cuTexRefSet##name params {                                                                                \
        struct sd_context *c;                                                                                          \
        struct sd_texref *t;                                                                                           \
        CUresult r = change(hTexRef, SD_TEXREF, &c, &t);                                                               \
        if (r != CUDA_SUCCESS) return r;                                                                               \
        if (!(condition)) return CUDA_ERROR_INVALID_VALUE;                                                             \
        store;                                                                                                         \
        return resample(c, t);                                                                                         \
    }

SETTER(AddressMode, (CUtexref hTexRef, int dim, CUaddress_mode am),
       dim >= 0 && dim < 3 && (unsigned)am <= CU_TR_ADDRESS_MODE_BORDER, t->desc.addressMode[dim] = am)
SETTER(FilterMode, (CUtexref hTexRef, CUfilter_mode fm), (unsigned)fm <= CU_TR_FILTER_MODE_LINEAR,
       t->desc.filterMode = fm)
SETTER(MipmapFilterMode, (CUtexref hTexRef, CUfilter_mode fm), (unsigned)fm <= CU_TR_FILTER_MODE_LINEAR,
       t->desc.mipmapFilterMode = fm)
SETTER(MipmapLevelBias, (CUtexref hTexRef, float bias), true, t->desc.mipmapLevelBias = bias)
SETTER(MipmapLevelClamp, (CUtexref hTexRef, float minMipmapLevelClamp, float maxMipmapLevelClamp), true,
       (t->desc.minMipmapLevelClamp = minMipmapLevelClamp, t->desc.maxMipmapLevelClamp = maxMipmapLevelClamp))
SETTER(MaxAnisotropy, (CUtexref hTexRef, unsigned int maxAniso), true, t->desc.maxAnisotropy = maxAniso)
SETTER(BorderColor, (CUtexref hTexRef, float *pBorderColor), pBorderColor != NULL,
       memcpy(t->desc.borderColor, pBorderColor, sizeof t->desc.borderColor))
SETTER(Flags, (CUtexref hTexRef, unsigned int Flags), true, t->desc.flags = Flags)

/* Of memory bound later. */
CUresult cuTexRefSetFormat(CUtexref hTexRef, CUarray_format fmt, int NumPackedComponents) {
    struct sd_context *c;
    struct sd_texref *t;
    enum sg_channel channel;
    bool fraction;
    CUresult r = change(hTexRef, SD_TEXREF, &c, &t);
    if (r == CUDA_SUCCESS) r = sd_format(fmt, (unsigned)NumPackedComponents, &channel, &fraction);
    if (r != CUDA_SUCCESS) return r;
    t->format = fmt;
    t->channels = NumPackedComponents;
    return CUDA_SUCCESS;
}

/* ---- queries ---- */

static CUresult queried(const void *handle, enum sd_kind kind, const void *out, struct sd_texref **t) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(kind, handle)) return CUDA_ERROR_INVALID_HANDLE;
    *t = (struct sd_texref *)handle;
    return out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* Defines cuTexRefGet<name>: writes through its first parameter. */
#define GETTER(name, params, out, fetch)                                                                               \
    CUresult cuTexRefGet##name params {                                                                                \
        struct sd_texref *t;                                                                                           \
        CUresult r = queried(hTexRef, SD_TEXREF, out, &t);                                                             \
        if (r == CUDA_SUCCESS) fetch;                                                                                  \
        return r;                                                                                                      \
    }

GETTER(FilterMode, (CUfilter_mode * pfm, CUtexref hTexRef), pfm, *pfm = t->desc.filterMode)
GETTER(MipmapFilterMode, (CUfilter_mode * pfm, CUtexref hTexRef), pfm, *pfm = t->desc.mipmapFilterMode)
GETTER(MipmapLevelBias, (float *pbias, CUtexref hTexRef), pbias, *pbias = t->desc.mipmapLevelBias)
GETTER(MaxAnisotropy, (int *pmaxAniso, CUtexref hTexRef), pmaxAniso, *pmaxAniso = (int)t->desc.maxAnisotropy)
GETTER(Flags, (unsigned int *pFlags, CUtexref hTexRef), pFlags, *pFlags = t->desc.flags)
GETTER(BorderColor, (float *pBorderColor, CUtexref hTexRef), pBorderColor,
       memcpy(pBorderColor, t->desc.borderColor, sizeof t->desc.borderColor))

CUresult cuTexRefGetMipmapLevelClamp(float *pminMipmapLevelClamp, float *pmaxMipmapLevelClamp, CUtexref hTexRef) {
    struct sd_texref *t;
    CUresult r =
        queried(hTexRef, SD_TEXREF, pminMipmapLevelClamp && pmaxMipmapLevelClamp ? pminMipmapLevelClamp : NULL, &t);
    if (r != CUDA_SUCCESS) return r;
    *pminMipmapLevelClamp = t->desc.minMipmapLevelClamp;
    *pmaxMipmapLevelClamp = t->desc.maxMipmapLevelClamp;
    return CUDA_SUCCESS;
}

CUresult cuTexRefGetAddressMode(CUaddress_mode *pam, CUtexref hTexRef, int dim) {
    struct sd_texref *t;
    CUresult r = queried(hTexRef, SD_TEXREF, pam, &t);
    if (r == CUDA_SUCCESS && (dim < 0 || dim > 2)) r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS) *pam = t->desc.addressMode[dim];
    return r;
}

CUresult cuTexRefGetFormat(CUarray_format *pFormat, int *pNumChannels, CUtexref hTexRef) {
    struct sd_texref *t;
    CUresult r = queried(hTexRef, SD_TEXREF, &t, &t);
    if (r != CUDA_SUCCESS) return r;
    if (pFormat) *pFormat = t->format;
    if (pNumChannels) *pNumChannels = t->channels;
    return CUDA_SUCCESS;
}

/* What is bound, when it is of the kind asked for. */
static CUresult bound(const void *handle, enum sd_kind kind, const void *out, CUresourcetype type,
                      const CUDA_RESOURCE_DESC **d) {
    struct sd_texref *t;
    CUresult r = queried(handle, kind, out, &t);
    if (r != CUDA_SUCCESS) return r;
    *d = &t->resource;
    bool pitch = type == CU_RESOURCE_TYPE_LINEAR && t->resource.resType == CU_RESOURCE_TYPE_PITCH2D;
    return t->bound && (t->resource.resType == type || pitch) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuTexRefGetAddress_v2(CUdeviceptr *pdptr, CUtexref hTexRef) {
    const CUDA_RESOURCE_DESC *d;
    CUresult r = bound(hTexRef, SD_TEXREF, pdptr, CU_RESOURCE_TYPE_LINEAR, &d);
    if (r == CUDA_SUCCESS)
        *pdptr = d->resType == CU_RESOURCE_TYPE_LINEAR ? d->res.linear.devPtr : d->res.pitch2D.devPtr;
    return r;
}

CUresult cuTexRefGetArray(CUarray *phArray, CUtexref hTexRef) {
    const CUDA_RESOURCE_DESC *d;
    CUresult r = bound(hTexRef, SD_TEXREF, phArray, CU_RESOURCE_TYPE_ARRAY, &d);
    if (r == CUDA_SUCCESS) *phArray = d->res.array.hArray;
    return r;
}

CUresult cuTexRefGetMipmappedArray(CUmipmappedArray *phMipmappedArray, CUtexref hTexRef) {
    const CUDA_RESOURCE_DESC *d;
    CUresult r = bound(hTexRef, SD_TEXREF, phMipmappedArray, CU_RESOURCE_TYPE_MIPMAPPED_ARRAY, &d);
    if (r == CUDA_SUCCESS) *phMipmappedArray = d->res.mipmap.hMipmappedArray;
    return r;
}

CUresult cuSurfRefGetArray(CUarray *phArray, CUsurfref hSurfRef) {
    const CUDA_RESOURCE_DESC *d;
    CUresult r = bound(hSurfRef, SD_SURFREF, phArray, CU_RESOURCE_TYPE_ARRAY, &d);
    if (r == CUDA_SUCCESS) *phArray = d->res.array.hArray;
    return r;
}
