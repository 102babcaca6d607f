/*
 * CUDA arrays and mipmapped arrays. An array is rows of texels in hidden device memory, without tiling;
 * layers and cube faces are slices. A mipmapped array's levels are arrays that share one allocation.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

enum { ROW_ALIGNMENT = 32, LEVEL_ALIGNMENT = 512 };

#define KNOWN_FLAGS                                                                                                    \
    (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_SURFACE_LDST | CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_TEXTURE_GATHER |           \
     CUDA_ARRAY3D_COLOR_ATTACHMENT)
#define FOREIGN_FLAGS                                                                                                  \
    (CUDA_ARRAY3D_DEPTH_TEXTURE | CUDA_ARRAY3D_SPARSE | CUDA_ARRAY3D_DEFERRED_MAPPING |                                \
     CUDA_ARRAY3D_VIDEO_ENCODE_DECODE)

/* ---- formats ---- */

static const struct {
    CUarray_format format;
    enum sg_channel channel;
    unsigned channels; /* 0: one, two or four */
} formats[] = {
    {CU_AD_FORMAT_UNSIGNED_INT8, SG_CHANNEL_U8, 0},   {CU_AD_FORMAT_UNSIGNED_INT16, SG_CHANNEL_U16, 0},
    {CU_AD_FORMAT_UNSIGNED_INT32, SG_CHANNEL_U32, 0}, {CU_AD_FORMAT_SIGNED_INT8, SG_CHANNEL_S8, 0},
    {CU_AD_FORMAT_SIGNED_INT16, SG_CHANNEL_S16, 0},   {CU_AD_FORMAT_SIGNED_INT32, SG_CHANNEL_S32, 0},
    {CU_AD_FORMAT_HALF, SG_CHANNEL_F16, 0},           {CU_AD_FORMAT_FLOAT, SG_CHANNEL_F32, 0},
    {CU_AD_FORMAT_UNORM_INT8X1, SG_CHANNEL_U8, 1},    {CU_AD_FORMAT_UNORM_INT8X2, SG_CHANNEL_U8, 2},
    {CU_AD_FORMAT_UNORM_INT8X4, SG_CHANNEL_U8, 4},    {CU_AD_FORMAT_UNORM_INT16X1, SG_CHANNEL_U16, 1},
    {CU_AD_FORMAT_UNORM_INT16X2, SG_CHANNEL_U16, 2},  {CU_AD_FORMAT_UNORM_INT16X4, SG_CHANNEL_U16, 4},
    {CU_AD_FORMAT_SNORM_INT8X1, SG_CHANNEL_S8, 1},    {CU_AD_FORMAT_SNORM_INT8X2, SG_CHANNEL_S8, 2},
    {CU_AD_FORMAT_SNORM_INT8X4, SG_CHANNEL_S8, 4},    {CU_AD_FORMAT_SNORM_INT16X1, SG_CHANNEL_S16, 1},
    {CU_AD_FORMAT_SNORM_INT16X2, SG_CHANNEL_S16, 2},  {CU_AD_FORMAT_SNORM_INT16X4, SG_CHANNEL_S16, 4},
};

/* Planar video, block compression and packed bits, which have no texels of a plain type. */
static bool is_foreign(CUarray_format f) {
    return f == CU_AD_FORMAT_NV12 || f == CU_AD_FORMAT_UNORM_INT_101010_2 ||
           (f >= CU_AD_FORMAT_BC1_UNORM && f <= CU_AD_FORMAT_YUV444_16bit_SemiPlanar);
}

CUresult sd_format(CUarray_format format, unsigned channels, enum sg_channel *channel, bool *fraction) {
    if (is_foreign(format)) return hawser_abi_not_supported("arrays of this format");
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (formats[i].format != format) continue;
        bool fits =
            formats[i].channels ? channels == formats[i].channels : channels == 1 || channels == 2 || channels == 4;
        if (!fits) return CUDA_ERROR_INVALID_VALUE;
        *channel = formats[i].channel;
        *fraction = formats[i].channels != 0;
        return CUDA_SUCCESS;
    }
    return CUDA_ERROR_INVALID_VALUE;
}

/* ---- shapes ---- */

#define LIMIT(name) CU_DEVICE_ATTRIBUTE_MAXIMUM_##name

/* The device attributes that bound each kind of array; 0: the extent must be 0. */
struct bounds {
    CUdevice_attribute width, height, depth;
};
struct shape {
    struct bounds texture, mipmapped, surface;
};
static const struct shape shape_1d = {
    {LIMIT(TEXTURE1D_WIDTH), 0, 0}, {LIMIT(TEXTURE1D_MIPMAPPED_WIDTH), 0, 0}, {LIMIT(SURFACE1D_WIDTH), 0, 0}};
static const struct shape shape_2d = {{LIMIT(TEXTURE2D_WIDTH), LIMIT(TEXTURE2D_HEIGHT), 0},
                                      {LIMIT(TEXTURE2D_MIPMAPPED_WIDTH), LIMIT(TEXTURE2D_MIPMAPPED_HEIGHT), 0},
                                      {LIMIT(SURFACE2D_WIDTH), LIMIT(SURFACE2D_HEIGHT), 0}};
#define SAME(w, h, d)                                                                                                  \
    {LIMIT(TEXTURE##w), h, d}, {                                                                                       \
        LIMIT(TEXTURE##w), h, d                                                                                        \
    }
static const struct shape shape_3d = {SAME(3D_WIDTH, LIMIT(TEXTURE3D_HEIGHT), LIMIT(TEXTURE3D_DEPTH)),
                                      {LIMIT(SURFACE3D_WIDTH), LIMIT(SURFACE3D_HEIGHT), LIMIT(SURFACE3D_DEPTH)}};
static const struct bounds alternate_3d = {LIMIT(TEXTURE3D_WIDTH_ALTERNATE), LIMIT(TEXTURE3D_HEIGHT_ALTERNATE),
                                           LIMIT(TEXTURE3D_DEPTH_ALTERNATE)};
static const struct shape shape_1d_layered = {SAME(1D_LAYERED_WIDTH, 0, LIMIT(TEXTURE1D_LAYERED_LAYERS)),
                                              {LIMIT(SURFACE1D_LAYERED_WIDTH), 0, LIMIT(SURFACE1D_LAYERED_LAYERS)}};
static const struct shape shape_2d_layered = {
    SAME(2D_LAYERED_WIDTH, LIMIT(TEXTURE2D_LAYERED_HEIGHT), LIMIT(TEXTURE2D_LAYERED_LAYERS)),
    {LIMIT(SURFACE2D_LAYERED_WIDTH), LIMIT(SURFACE2D_LAYERED_HEIGHT), LIMIT(SURFACE2D_LAYERED_LAYERS)}};
static const struct shape shape_cube_layered = {
    SAME(CUBEMAP_LAYERED_WIDTH, LIMIT(TEXTURECUBEMAP_LAYERED_WIDTH), LIMIT(TEXTURECUBEMAP_LAYERED_LAYERS)),
    {LIMIT(SURFACECUBEMAP_LAYERED_WIDTH), LIMIT(SURFACECUBEMAP_LAYERED_WIDTH), LIMIT(SURFACECUBEMAP_LAYERED_LAYERS)}};
/* Its six faces are bounded by the rules for cubes themselves. */
static const struct shape shape_cube = {
    SAME(CUBEMAP_WIDTH, LIMIT(TEXTURECUBEMAP_WIDTH), LIMIT(TEXTURECUBEMAP_LAYERED_LAYERS)),
    {LIMIT(SURFACECUBEMAP_WIDTH), LIMIT(SURFACECUBEMAP_WIDTH), LIMIT(SURFACECUBEMAP_LAYERED_LAYERS)}};
static const struct bounds gather_2d = {LIMIT(TEXTURE2D_GATHER_WIDTH), LIMIT(TEXTURE2D_GATHER_HEIGHT), 0};

static const struct shape *shape_of(const CUDA_ARRAY3D_DESCRIPTOR *d) {
    bool layered = d->Flags & CUDA_ARRAY3D_LAYERED;
    if (d->Flags & CUDA_ARRAY3D_CUBEMAP) return layered ? &shape_cube_layered : &shape_cube;
    if (layered) return d->Height ? &shape_2d_layered : &shape_1d_layered;
    return d->Depth ? &shape_3d : d->Height ? &shape_2d : &shape_1d;
}

static bool extent_ok(const struct sd_device *dev, size_t extent, CUdevice_attribute limit) {
    return limit ? extent >= 1 && extent <= (size_t)sd_device_attribute(dev, limit) : extent == 0;
}

static bool within(const struct sd_device *dev, const CUDA_ARRAY3D_DESCRIPTOR *d, const struct bounds *b) {
    return extent_ok(dev, d->Width, b->width) && extent_ok(dev, d->Height, b->height) &&
           extent_ok(dev, d->Depth, b->depth);
}

static CUresult check(const struct sd_device *dev, const CUDA_ARRAY3D_DESCRIPTOR *d, bool mipmapped,
                      enum sg_channel *channel) {
    bool fraction;
    if (d->Flags & FOREIGN_FLAGS) return hawser_abi_not_supported("arrays with these flags");
    if (d->Flags & ~(unsigned)KNOWN_FLAGS) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = sd_format(d->Format, d->NumChannels, channel, &fraction);
    if (r != CUDA_SUCCESS) return r;
    const struct shape *shape = shape_of(d);
    if (!within(dev, d, mipmapped ? &shape->mipmapped : &shape->texture) &&
        !(shape == &shape_3d && within(dev, d, &alternate_3d)))
        return CUDA_ERROR_INVALID_VALUE;
    if ((d->Flags & CUDA_ARRAY3D_SURFACE_LDST) && !within(dev, d, &shape->surface)) return CUDA_ERROR_INVALID_VALUE;
    if (d->Flags & CUDA_ARRAY3D_CUBEMAP) {
        bool layered = d->Flags & CUDA_ARRAY3D_LAYERED;
        if (d->Width != d->Height || (layered ? d->Depth % 6 != 0 : d->Depth != 6)) return CUDA_ERROR_INVALID_VALUE;
    }
    if ((d->Flags & CUDA_ARRAY3D_TEXTURE_GATHER) && (shape != &shape_2d || !within(dev, d, &gather_2d)))
        return CUDA_ERROR_INVALID_VALUE;
    return CUDA_SUCCESS;
}

/* ---- layout ---- */

static size_t align_up(size_t n, size_t unit) {
    return (n + unit - 1) / unit * unit;
}

/* Everything of a level but where it begins. */
static void lay_out(struct sd_array *a, const CUDA_ARRAY3D_DESCRIPTOR *desc, enum sg_channel channel) {
    a->desc = *desc;
    a->element = sg_channel_bytes(channel) * desc->NumChannels;
    a->level = (struct sg_level){.width = (uint32_t)desc->Width,
                                 .height = desc->Height ? (uint32_t)desc->Height : 1,
                                 .depth = desc->Depth ? (uint32_t)desc->Depth : 1,
                                 .pitch = align_up(desc->Width * a->element, ROW_ALIGNMENT)};
    a->level.slice = a->level.pitch * a->level.height;
}

static size_t level_bytes(const struct sd_array *a) {
    return align_up(a->level.slice * a->level.depth, LEVEL_ALIGNMENT);
}

struct sd_array *sd_array(CUarray handle) {
    return sd_is(SD_ARRAY, handle) ? (struct sd_array *)handle : NULL;
}

const CUDA_ARRAY3D_DESCRIPTOR *hawser_front_array(CUarray handle) {
    const struct sd_array *a = sd_array(handle);
    return a ? &a->desc : NULL;
}

struct sd_mipmap *sd_mipmap(CUmipmappedArray handle) {
    return sd_is(SD_MIPMAP, handle) ? (struct sd_mipmap *)handle : NULL;
}

/* ---- arrays ---- */

static CUresult create(CUarray *out, const CUDA_ARRAY3D_DESCRIPTOR *desc) {
    struct sd_context *c;
    enum sg_channel channel;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!out || !desc) return CUDA_ERROR_INVALID_VALUE;
    r = check(c->device, desc, false, &channel);
    if (r != CUDA_SUCCESS) return r;
    struct sd_array *a = calloc(1, sizeof *a);
    if (!a) return CUDA_ERROR_OUT_OF_MEMORY;
    a->context = c;
    lay_out(a, desc, channel);
    r = sd_alloc(c, level_bytes(a), HAWSER_ON_DEVICE, 0, true, (void **)&a->level.base);
    if (r == CUDA_SUCCESS && !sd_register(SD_ARRAY, a)) {
        sd_free((void *)a->level.base, HAWSER_ON_DEVICE, true);
        r = CUDA_ERROR_OUT_OF_MEMORY;
    }
    if (r != CUDA_SUCCESS) {
        free(a);
        return r;
    }
    pthread_mutex_lock(&c->lock);
    a->next = c->arrays;
    c->arrays = a;
    pthread_mutex_unlock(&c->lock);
    *out = (CUarray)a;
    return CUDA_SUCCESS;
}

CUresult cuArray3DCreate_v2(CUarray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR *pAllocateArray) {
    return create(pHandle, pAllocateArray);
}

CUresult cuArrayCreate_v2(CUarray *pHandle, const CUDA_ARRAY_DESCRIPTOR *pAllocateArray) {
    if (!pAllocateArray) return create(pHandle, NULL);
    CUDA_ARRAY3D_DESCRIPTOR d = {.Width = pAllocateArray->Width,
                                 .Height = pAllocateArray->Height,
                                 .Format = pAllocateArray->Format,
                                 .NumChannels = pAllocateArray->NumChannels};
    return create(pHandle, &d);
}

CUresult cuArrayDestroy(CUarray hArray) {
    CUresult r = sd_ready();
    struct sd_array *a = sd_array(hArray);
    if (r != CUDA_SUCCESS) return r;
    if (!a || a->mipmap) return CUDA_ERROR_INVALID_HANDLE;
    struct sd_context *c = a->context;
    r = sd_wait_all(c); /* work under way may use it */
    if (r != CUDA_SUCCESS) return r;
    sd_unregister(a);
    pthread_mutex_lock(&c->lock);
    for (struct sd_array **p = &c->arrays; *p; p = &(*p)->next)
        if (*p == a) {
            *p = a->next;
            break;
        }
    pthread_mutex_unlock(&c->lock);
    sd_free((void *)a->level.base, HAWSER_ON_DEVICE, true);
    free(a);
    return CUDA_SUCCESS;
}

/* The array behind a handle, for a query that writes to out. */
static CUresult queried(CUarray handle, const void *out, struct sd_array **a) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *a = sd_array(handle);
    return *a ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

/* There are no planar formats, no sparse arrays and none whose memory comes later: these queries are for
 * those alone. */
CUresult cuArrayGetPlane(CUarray *pPlaneArray, CUarray hArray, unsigned int planeIdx) {
    struct sd_array *a;
    CUresult r = queried(hArray, pPlaneArray, &a);
    (void)planeIdx;
    return r == CUDA_SUCCESS ? CUDA_ERROR_INVALID_VALUE : r;
}

CUresult cuArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES *sparseProperties, CUarray array) {
    struct sd_array *a;
    CUresult r = queried(array, sparseProperties, &a);
    return r == CUDA_SUCCESS ? CUDA_ERROR_INVALID_VALUE : r;
}

CUresult cuArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *memoryRequirements, CUarray array,
                                      CUdevice device) {
    struct sd_array *a;
    CUresult r = queried(array, memoryRequirements, &a);
    if (r == CUDA_SUCCESS && !sd_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    return r == CUDA_SUCCESS ? CUDA_ERROR_INVALID_VALUE : r;
}

/* ---- mipmapped arrays ---- */

static unsigned most_levels(const CUDA_ARRAY3D_DESCRIPTOR *d) {
    size_t longest = d->Width > d->Height ? d->Width : d->Height;
    bool slices = d->Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP);
    if (!slices && d->Depth > longest) longest = d->Depth;
    unsigned n = 0;
    for (; longest; longest >>= 1)
        n++;
    return n < SG_MAX_LEVELS ? n : SG_MAX_LEVELS;
}

/* The levels' layout; the bytes of all. */
static size_t lay_out_levels(struct sd_mipmap *m, const CUDA_ARRAY3D_DESCRIPTOR *desc, enum sg_channel channel) {
    size_t bytes = 0;
    for (unsigned i = 0; i < m->n_levels; i++) {
        CUDA_ARRAY3D_DESCRIPTOR d = hawser_array_level(*desc, i);
        struct sd_array *a = &m->levels[i];
        a->context = m->context;
        a->mipmap = m;
        lay_out(a, &d, channel);
        a->level.base = bytes;
        bytes += level_bytes(a);
    }
    return bytes;
}

static void free_mipmap(struct sd_mipmap *m) {
    sd_unregister(m);
    for (unsigned i = 0; i < m->n_levels; i++)
        sd_unregister(&m->levels[i]);
    sd_free((void *)m->levels[0].level.base, HAWSER_ON_DEVICE, true);
    free(m);
}

CUresult cuMipmappedArrayCreate(CUmipmappedArray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR *pMipmappedArrayDesc,
                                unsigned int numMipmapLevels) {
    struct sd_context *c;
    enum sg_channel channel;
    uintptr_t base;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!pHandle || !pMipmappedArrayDesc) return CUDA_ERROR_INVALID_VALUE;
    r = check(c->device, pMipmappedArrayDesc, true, &channel);
    if (r != CUDA_SUCCESS) return r;
    struct sd_mipmap *m = calloc(1, sizeof *m);
    if (!m) return CUDA_ERROR_OUT_OF_MEMORY;
    unsigned most = most_levels(pMipmappedArrayDesc);
    m->context = c;
    m->n_levels = numMipmapLevels < 1 ? 1 : numMipmapLevels > most ? most : numMipmapLevels;
    r = sd_alloc(c, lay_out_levels(m, pMipmappedArrayDesc, channel), HAWSER_ON_DEVICE, 0, true, (void **)&base);
    if (r != CUDA_SUCCESS) {
        free(m);
        return r;
    }
    bool ok = sd_register(SD_MIPMAP, m);
    for (unsigned i = 0; i < m->n_levels; i++) {
        m->levels[i].level.base += base;
        ok = ok && sd_register(SD_ARRAY, &m->levels[i]);
    }
    if (!ok) {
        free_mipmap(m);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    pthread_mutex_lock(&c->lock);
    m->next = c->mipmaps;
    c->mipmaps = m;
    pthread_mutex_unlock(&c->lock);
    *pHandle = (CUmipmappedArray)m;
    return CUDA_SUCCESS;
}

CUresult cuMipmappedArrayDestroy(CUmipmappedArray hMipmappedArray) {
    CUresult r = sd_ready();
    struct sd_mipmap *m = sd_mipmap(hMipmappedArray);
    if (r != CUDA_SUCCESS) return r;
    if (!m) return CUDA_ERROR_INVALID_HANDLE;
    struct sd_context *c = m->context;
    r = sd_wait_all(c);
    if (r != CUDA_SUCCESS) return r;
    pthread_mutex_lock(&c->lock);
    for (struct sd_mipmap **p = &c->mipmaps; *p; p = &(*p)->next)
        if (*p == m) {
            *p = m->next;
            break;
        }
    pthread_mutex_unlock(&c->lock);
    free_mipmap(m);
    return CUDA_SUCCESS;
}

static CUresult queried_mipmap(CUmipmappedArray handle, const void *out, struct sd_mipmap **m) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *m = sd_mipmap(handle);
    return *m ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuMipmappedArrayGetLevel(CUarray *pLevelArray, CUmipmappedArray hMipmappedArray, unsigned int level) {
    struct sd_mipmap *m;
    CUresult r = queried_mipmap(hMipmappedArray, pLevelArray, &m);
    if (r != CUDA_SUCCESS) return r;
    if (level >= m->n_levels) return CUDA_ERROR_INVALID_VALUE;
    *pLevelArray = (CUarray)&m->levels[level];
    return CUDA_SUCCESS;
}

CUresult cuMipmappedArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES *sparseProperties, CUmipmappedArray mipmap) {
    struct sd_mipmap *m;
    CUresult r = queried_mipmap(mipmap, sparseProperties, &m);
    return r == CUDA_SUCCESS ? CUDA_ERROR_INVALID_VALUE : r;
}

CUresult cuMipmappedArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *memoryRequirements,
                                               CUmipmappedArray mipmap, CUdevice device) {
    struct sd_mipmap *m;
    CUresult r = queried_mipmap(mipmap, memoryRequirements, &m);
    if (r == CUDA_SUCCESS && !sd_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    return r == CUDA_SUCCESS ? CUDA_ERROR_INVALID_VALUE : r;
}

/* The memory goes with the context's. */
void sd_arrays_end(struct sd_context *c) {
    while (c->arrays) {
        struct sd_array *a = c->arrays;
        c->arrays = a->next;
        sd_unregister(a);
        free(a);
    }
    while (c->mipmaps) {
        struct sd_mipmap *m = c->mipmaps;
        c->mipmaps = m->next;
        free_mipmap(m);
    }
}
