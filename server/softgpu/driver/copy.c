/*
 * Copies and fills. Device memory is memory of this process, so each is a copy of rows. In a stream they
 * take their turn; where nothing is before them they run at once.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

struct side {
    char *base;
    size_t pitch, slice;
    bool device; /* must lie in memory that the device can reach */
    const struct sd_array *array; /* when base, pitch and slice are an array's */
};

#define MAX_PITCH ((size_t)2147483647) /* CU_DEVICE_ATTRIBUTE_MAX_PITCH */

struct copy {
    struct sd_task task;
    struct side dst, src;
    size_t width, height, depth;
    void *taken; /* pageable source bytes, taken at the call */
};

static void copy_now(const struct copy *c)
{
    for (size_t z = 0; z < c->depth; z++)
        for (size_t y = 0; y < c->height; y++)
            memmove(c->dst.base + z * c->dst.slice + y * c->dst.pitch,
                    c->src.base + z * c->src.slice + y * c->src.pitch, c->width);
}

static void copy_run(struct sd_task *t)
{
    copy_now((struct copy *)t);
}

static void copy_drop(struct sd_task *t)
{
    free(((struct copy *)t)->taken);
    free(t);
}

/* a * b + c into *out; false when that is no size. */
static bool multiply_add(size_t a, size_t b, size_t c, size_t *out)
{
    size_t product;
    return !__builtin_mul_overflow(a, b, &product) && !__builtin_add_overflow(product, c, out);
}

/* Whether the rows that the copy touches are memory that this side may name. An address in the device's
 * range must be allocated also where the program did not say that it is the device's. */
static bool side_ok(const struct side *s, const struct copy *c)
{
    size_t extent;
    uintptr_t lo, hi, at = (uintptr_t)s->base;
    if (!s->base || (c->height > 1 && s->pitch < c->width)) return false;
    if (!multiply_add(s->pitch, c->height - 1, c->width, &extent) ||
        !multiply_add(s->slice, c->depth - 1, extent, &extent) || extent > UINTPTR_MAX - at)
        return false;
    sd_arena_bounds(&lo, &hi);
    bool in_arena = at < hi && at + extent > lo;
    return !(s->device || in_arena) || hawser_front_reached(at, extent);
}

/* Takes a pageable source's bytes, packed, so that the program may change them at once. */
static bool take_source(struct copy *c)
{
    char *p = malloc(c->width * c->height * c->depth), *at = p;
    if (!p) return false;
    for (size_t z = 0; z < c->depth; z++)
        for (size_t y = 0; y < c->height; y++, at += c->width)
            memcpy(at, c->src.base + z * c->src.slice + y * c->src.pitch, c->width);
    c->taken = p;
    c->src = (struct side){.base = p, .pitch = c->width, .slice = c->width * c->height};
    return true;
}

static CUresult submit(struct copy *c, CUstream hStream, bool async)
{
    struct sd_context *context;
    struct sd_stream *s;
    CUresult r = sd_stream_of(hStream, &context, &s);
    if (r != CUDA_SUCCESS) return r;
    if (!c->width || !c->height || !c->depth) return CUDA_SUCCESS;
    if (!side_ok(&c->dst, c) || !side_ok(&c->src, c)) return CUDA_ERROR_INVALID_VALUE;
    if (sd_idle_for(s)) {
        copy_now(c);
        return sd_context_error(s->context);
    }
    struct sd_allocation a;
    bool pageable_src = !sd_find((uintptr_t)c->src.base, &a), pageable_dst = !sd_find((uintptr_t)c->dst.base, &a);
    struct copy *t = malloc(sizeof *t);
    if (!t) return CUDA_ERROR_OUT_OF_MEMORY;
    *t = *c;
    t->task = (struct sd_task){.run = copy_run, .drop = copy_drop};
    bool wait = !async || pageable_dst;
    if (pageable_src && !wait && !take_source(t)) {
        free(t);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    return wait ? sd_enqueue_and_wait(s, &t->task) : sd_enqueue(s, &t->task, NULL);
}

static struct side on_host(const void *p)
{
    return (struct side){.base = (char *)p};
}

static struct side on_device(CUdeviceptr p)
{
    return (struct side){.base = (char *)p, .device = true};
}

static CUresult line(struct side dst, struct side src, size_t size, CUstream stream, bool async)
{
    struct copy c = {.dst = dst, .src = src, .width = size, .height = 1, .depth = 1};
    return submit(&c, stream, async);
}

/* ---- lines ---- */

CUresult cuMemcpyHtoD_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount)
{
    return line(on_device(dstDevice), on_host(srcHost), ByteCount, NULL, false);
}

CUresult cuMemcpyDtoH_v2(void *dstHost, CUdeviceptr srcDevice, size_t ByteCount)
{
    return line(on_host(dstHost), on_device(srcDevice), ByteCount, NULL, false);
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount)
{
    return line(on_device(dstDevice), on_device(srcDevice), ByteCount, NULL, true);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount, CUstream hStream)
{
    return line(on_device(dstDevice), on_host(srcHost), ByteCount, hStream, true);
}

CUresult cuMemcpyDtoHAsync_v2(void *dstHost, CUdeviceptr srcDevice, size_t ByteCount, CUstream hStream)
{
    return line(on_host(dstHost), on_device(srcDevice), ByteCount, hStream, true);
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount,
                              CUstream hStream)
{
    return line(on_device(dstDevice), on_device(srcDevice), ByteCount, hStream, true);
}

/* Unified addresses need no telling apart here: device addresses are addresses of this process. */
CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount)
{
    return line(on_host((void *)dst), on_host((void *)src), ByteCount, NULL, false);
}

CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream hStream)
{
    return line(on_host((void *)dst), on_host((void *)src), ByteCount, hStream, true);
}

CUresult cuMemcpyPeerAsync(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice,
                           CUcontext srcContext, size_t ByteCount, CUstream hStream)
{
    if (!sd_is(SD_CONTEXT, dstContext) || !sd_is(SD_CONTEXT, srcContext)) return CUDA_ERROR_INVALID_CONTEXT;
    return cuMemcpyDtoDAsync_v2(dstDevice, srcDevice, ByteCount, hStream);
}

CUresult cuMemcpyPeer(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice,
                      CUcontext srcContext, size_t ByteCount)
{
    return cuMemcpyPeerAsync(dstDevice, dstContext, srcDevice, srcContext, ByteCount, NULL);
}

/* ---- rectangles and boxes ---- */

static CUresult of_array(CUarray handle, struct side *out)
{
    const struct sd_array *a = sd_array(handle);
    if (!a) return CUDA_ERROR_INVALID_HANDLE;
    *out = (struct side){.base = (char *)a->level.base, .pitch = a->level.pitch, .slice = a->level.slice,
                         .device = true, .array = a};
    return CUDA_SUCCESS;
}

static CUresult named(CUmemorytype type, const void *host, CUdeviceptr device, CUarray array, struct side *out)
{
    switch (type) {
    case CU_MEMORYTYPE_HOST:
        *out = on_host(host);
        return CUDA_SUCCESS;
    case CU_MEMORYTYPE_DEVICE:
        *out = on_device(device);
        return CUDA_SUCCESS;
    case CU_MEMORYTYPE_UNIFIED:
        *out = on_host((const void *)device);
        return CUDA_SUCCESS;
    case CU_MEMORYTYPE_ARRAY:
        return of_array(array, out);
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
}

/* Whether a box at a place lies inside an array. */
static bool inside_array(const struct side *s, const struct copy *c, size_t x, size_t y, size_t z)
{
    const struct sg_level *l = &s->array->level;
    size_t row = (size_t)l->width * s->array->element;
    return x % s->array->element == 0 && x <= row && c->width <= row - x && y <= l->height &&
           c->height <= l->height - y && z <= l->depth && c->depth <= l->depth - z;
}

/* The place of a side's first byte. */
static bool offset_side(struct side *s, const struct copy *c, size_t pitch, size_t rows, size_t x,
                        size_t y, size_t z)
{
    size_t offset;
    if (s->array) {
        s->base += z * s->slice + y * s->pitch + x;
        return inside_array(s, c, x, y, z);
    }
    if (pitch > MAX_PITCH || (pitch && (x > pitch || c->width > pitch - x))) return false;
    s->pitch = pitch ? pitch : c->width;
    if (!s->base || !multiply_add(s->pitch, rows ? rows : c->height, 0, &s->slice) ||
        !multiply_add(s->pitch, y, x, &offset) || !multiply_add(s->slice, z, offset, &offset))
        return false;
    s->base += offset;
    return true;
}

static CUresult box(const CUDA_MEMCPY3D *p, CUstream stream, bool async)
{
    struct copy c = {.width = p->WidthInBytes, .height = p->Height, .depth = p->Depth};
    if (p->srcLOD || p->dstLOD) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = named(p->srcMemoryType, p->srcHost, p->srcDevice, p->srcArray, &c.src);
    if (r == CUDA_SUCCESS) r = named(p->dstMemoryType, p->dstHost, p->dstDevice, p->dstArray, &c.dst);
    if (r != CUDA_SUCCESS) return r;
    if (!offset_side(&c.src, &c, p->srcPitch, p->srcHeight, p->srcXInBytes, p->srcY, p->srcZ) ||
        !offset_side(&c.dst, &c, p->dstPitch, p->dstHeight, p->dstXInBytes, p->dstY, p->dstZ))
        return CUDA_ERROR_INVALID_VALUE;
    return submit(&c, stream, async);
}

static CUresult rectangle(const CUDA_MEMCPY2D *p, CUstream stream, bool async)
{
    if (!p) return CUDA_ERROR_INVALID_VALUE;
    CUDA_MEMCPY3D b;
    hawser_abi_copy_box(p, &b);
    return box(&b, stream, async);
}

CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *pCopy)
{
    return rectangle(pCopy, NULL, false);
}

CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *pCopy)
{
    return rectangle(pCopy, NULL, false);
}

CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *pCopy, CUstream hStream)
{
    return rectangle(pCopy, hStream, true);
}

CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D *pCopy)
{
    return pCopy ? box(pCopy, NULL, false) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *pCopy, CUstream hStream)
{
    return pCopy ? box(pCopy, hStream, true) : CUDA_ERROR_INVALID_VALUE;
}

/* ---- fills ---- */

struct fill {
    struct sd_task task;
    char *dst;
    size_t pitch, width, height; /* width in elements */
    unsigned element, value;     /* element in bytes */
};

static void fill_now(const struct fill *f)
{
    for (size_t y = 0; y < f->height; y++) {
        char *row = f->dst + y * f->pitch;
        if (f->element == 1) {
            memset(row, (int)f->value, f->width);
        } else if (f->element == 2) {
            for (size_t x = 0; x < f->width; x++)
                ((uint16_t *)row)[x] = (uint16_t)f->value;
        } else {
            for (size_t x = 0; x < f->width; x++)
                ((uint32_t *)row)[x] = f->value;
        }
    }
}

static void fill_run(struct sd_task *t)
{
    fill_now((struct fill *)t);
}

static void fill_drop(struct sd_task *t)
{
    free(t);
}

static CUresult fill(CUdeviceptr dst, size_t pitch, unsigned value, unsigned element, size_t width,
                     size_t height, CUstream hStream)
{
    struct sd_context *c;
    struct sd_stream *s;
    CUresult r = sd_stream_of(hStream, &c, &s);
    if (r != CUDA_SUCCESS) return r;
    if (!width || !height) return CUDA_SUCCESS;
    if (width > SIZE_MAX / element || dst % element) return CUDA_ERROR_INVALID_VALUE;
    if (height == 1) pitch = width * element;
    size_t extent;
    if (pitch % element || pitch < width * element ||
        !multiply_add(pitch, height - 1, width * element, &extent) || !hawser_front_reached(dst, extent))
        return CUDA_ERROR_INVALID_VALUE;
    struct fill f = {{.run = fill_run, .drop = fill_drop}, (char *)dst, pitch, width, height, element, value};
    if (sd_idle_for(s)) {
        fill_now(&f);
        return sd_context_error(s->context);
    }
    struct fill *t = malloc(sizeof *t);
    if (!t) return CUDA_ERROR_OUT_OF_MEMORY;
    *t = f;
    return sd_enqueue(s, &t->task, NULL);
}

#define FILLS(bits, type)                                                                           \
    CUresult cuMemsetD##bits##_v2(CUdeviceptr dst, type value, size_t N)                            \
    {                                                                                               \
        return fill(dst, 0, value, bits / 8, N, 1, NULL);                                           \
    }                                                                                               \
    CUresult cuMemsetD##bits##Async(CUdeviceptr dst, type value, size_t N, CUstream hStream)        \
    {                                                                                               \
        return fill(dst, 0, value, bits / 8, N, 1, hStream);                                        \
    }                                                                                               \
    CUresult cuMemsetD2D##bits##_v2(CUdeviceptr dst, size_t pitch, type value, size_t Width,        \
                                    size_t Height)                                                  \
    {                                                                                               \
        return fill(dst, pitch, value, bits / 8, Width, Height, NULL);                              \
    }                                                                                               \
    CUresult cuMemsetD2D##bits##Async(CUdeviceptr dst, size_t pitch, type value, size_t Width,      \
                                      size_t Height, CUstream hStream)                              \
    {                                                                                               \
        return fill(dst, pitch, value, bits / 8, Width, Height, hStream);                           \
    }

FILLS(8, unsigned char)
FILLS(16, unsigned short)
FILLS(32, unsigned int)
