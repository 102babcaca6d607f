/* Copies and fills: every function's parameters as two sides and a box, or as a rectangle to be filled. */
#include "front.h"

#define MAX_PITCH ((size_t)2147483647) /* CU_DEVICE_ATTRIBUTE_MAX_PITCH of every device */

/* a * b + c into *out; false when that is no size. */
static bool multiply_add(size_t a, size_t b, size_t c, size_t *out) {
    size_t product;
    return !__builtin_mul_overflow(a, b, &product) && !__builtin_add_overflow(product, c, out);
}

bool hawser_side_bytes(const struct hawser_side *s, const struct hawser_copy *c, size_t *bytes) {
    size_t all;
    if (!s->address || (c->height > 1 && s->pitch < c->width)) return false;
    return multiply_add(s->pitch, c->height - 1, c->width, bytes) &&
           multiply_add(s->slice, c->depth - 1, *bytes, bytes) && *bytes <= UINTPTR_MAX - s->address &&
           multiply_add(c->width, c->height, 0, &all) && multiply_add(all, c->depth, 0, &all);
}

/* ---- lines ---- */

static struct hawser_side side(CUmemorytype type, uintptr_t address) {
    return (struct hawser_side){.type = type, .address = address};
}

static CUresult line(struct hawser_side dst, struct hawser_side src, size_t size, CUstream stream, bool async) {
    struct hawser_copy c = {.dst = dst, .src = src, .width = size, .height = 1, .depth = 1, .async = async};
    c.dst.pitch = c.dst.slice = c.src.pitch = c.src.slice = size;
    return hawser_front_copy(&c, stream);
}

static struct hawser_side host(const void *p) {
    return side(CU_MEMORYTYPE_HOST, (uintptr_t)p);
}

static struct hawser_side device(CUdeviceptr p) {
    return side(CU_MEMORYTYPE_DEVICE, p);
}

static struct hawser_side unified(CUdeviceptr p) {
    return side(CU_MEMORYTYPE_UNIFIED, p);
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount) {
    return line(device(dstDevice), host(srcHost), ByteCount, NULL, false);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount, CUstream hStream) {
    return line(device(dstDevice), host(srcHost), ByteCount, hStream, true);
}

CUresult cuMemcpyDtoH_v2(void *dstHost, CUdeviceptr srcDevice, size_t ByteCount) {
    return line(host(dstHost), device(srcDevice), ByteCount, NULL, false);
}

CUresult cuMemcpyDtoHAsync_v2(void *dstHost, CUdeviceptr srcDevice, size_t ByteCount, CUstream hStream) {
    return line(host(dstHost), device(srcDevice), ByteCount, hStream, true);
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount) {
    return line(device(dstDevice), device(srcDevice), ByteCount, NULL, false);
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount, CUstream hStream) {
    return line(device(dstDevice), device(srcDevice), ByteCount, hStream, true);
}

CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount) {
    return line(unified(dst), unified(src), ByteCount, NULL, false);
}

CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream hStream) {
    return line(unified(dst), unified(src), ByteCount, hStream, true);
}

/* Addresses are unified, so the contexts only need to be good. */
CUresult cuMemcpyPeerAsync(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice, CUcontext srcContext,
                           size_t ByteCount, CUstream hStream) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!hawser_front_context(dstContext) || !hawser_front_context(srcContext)) return CUDA_ERROR_INVALID_CONTEXT;
    return line(device(dstDevice), device(srcDevice), ByteCount, hStream, true);
}

CUresult cuMemcpyPeer(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice, CUcontext srcContext,
                      size_t ByteCount) {
    return cuMemcpyPeerAsync(dstDevice, dstContext, srcDevice, srcContext, ByteCount, NULL);
}

/* ---- boxes ---- */

/* CUDA_MEMCPY3D's words for a side; x in bytes. */
struct named {
    CUmemorytype type;
    const void *host;
    CUdeviceptr device;
    CUarray array;
    size_t pitch, rows, x, y, z;
};

static bool in_array(const struct named *n, const struct hawser_copy *c, const CUDA_ARRAY3D_DESCRIPTOR *d) {
    size_t element = d->NumChannels * hawser_abi_format_bytes(d->Format), row = d->Width * element;
    size_t height = d->Height ? d->Height : 1, depth = d->Depth ? d->Depth : 1;
    return element && n->x % element == 0 && n->x <= row && c->width <= row - n->x && n->y <= height &&
           c->height <= height - n->y && n->z <= depth && c->depth <= depth - n->z;
}

/* The place of a side's first byte. */
static bool in_memory(const struct named *n, const struct hawser_copy *c, struct hawser_side *out) {
    size_t offset;
    if (n->pitch > MAX_PITCH || (n->pitch && (n->x > n->pitch || c->width > n->pitch - n->x))) return false;
    out->address = n->type == CU_MEMORYTYPE_HOST ? (uintptr_t)n->host : n->device;
    out->pitch = n->pitch ? n->pitch : c->width;
    if (!out->address || !multiply_add(out->pitch, n->rows ? n->rows : c->height, 0, &out->slice) ||
        !multiply_add(out->pitch, n->y, n->x, &offset) || !multiply_add(out->slice, n->z, offset, &offset))
        return false;
    out->address += offset;
    return true;
}

static CUresult side_of(const struct named *n, const struct hawser_copy *c, struct hawser_side *out) {
    *out = side(n->type, 0);
    if (n->type == CU_MEMORYTYPE_HOST || n->type == CU_MEMORYTYPE_DEVICE || n->type == CU_MEMORYTYPE_UNIFIED)
        return in_memory(n, c, out) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    if (n->type != CU_MEMORYTYPE_ARRAY) return CUDA_ERROR_INVALID_VALUE;
    const CUDA_ARRAY3D_DESCRIPTOR *d = hawser_front_array(n->array);
    if (!d) return CUDA_ERROR_INVALID_HANDLE;
    out->array = n->array;
    out->x = n->x;
    out->y = n->y;
    out->z = n->z;
    return in_array(n, c, d) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult hawser_copy_of(const CUDA_MEMCPY3D *p, bool async, struct hawser_copy *out) {
    if (p->srcLOD || p->dstLOD || p->reserved0 || p->reserved1) return CUDA_ERROR_INVALID_VALUE;
    *out = (struct hawser_copy){.width = p->WidthInBytes, .height = p->Height, .depth = p->Depth, .async = async};
    struct named src = {p->srcMemoryType, p->srcHost,     p->srcDevice, p->srcArray, p->srcPitch,
                        p->srcHeight,     p->srcXInBytes, p->srcY,      p->srcZ};
    struct named dst = {p->dstMemoryType, p->dstHost,     p->dstDevice, p->dstArray, p->dstPitch,
                        p->dstHeight,     p->dstXInBytes, p->dstY,      p->dstZ};
    CUresult r = side_of(&src, out, &out->src);
    return r == CUDA_SUCCESS ? side_of(&dst, out, &out->dst) : r;
}

static CUresult box(const CUDA_MEMCPY3D *p, CUstream stream, bool async) {
    struct hawser_copy c;
    if (!p) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = hawser_copy_of(p, async, &c);
    return r == CUDA_SUCCESS ? hawser_front_copy(&c, stream) : r;
}

static CUresult rectangle(const CUDA_MEMCPY2D *p, CUstream stream, bool async) {
    CUDA_MEMCPY3D b;
    if (!p) return CUDA_ERROR_INVALID_VALUE;
    hawser_abi_copy_box(p, &b);
    return box(&b, stream, async);
}

CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *pCopy) {
    return rectangle(pCopy, NULL, false);
}

CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *pCopy) {
    return rectangle(pCopy, NULL, false);
}

CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *pCopy, CUstream hStream) {
    return rectangle(pCopy, hStream, true);
}

CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D *pCopy) {
    return box(pCopy, NULL, false);
}

CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *pCopy, CUstream hStream) {
    return box(pCopy, hStream, true);
}

/* ---- fills ---- */

CUresult hawser_fill_check(const struct hawser_fill *f) {
    size_t width, bytes;
    if (!multiply_add(f->width, f->element, 0, &width) || f->dst % f->element) return CUDA_ERROR_INVALID_VALUE;
    if (f->height > 1 && (f->pitch % f->element || f->pitch < width)) return CUDA_ERROR_INVALID_VALUE;
    return multiply_add(f->pitch, f->height - 1, width, &bytes) && hawser_front_reached(f->dst, bytes)
               ? CUDA_SUCCESS
               : CUDA_ERROR_INVALID_VALUE;
}

/* The pitch of a single row means nothing. */
static CUresult fill(CUdeviceptr dst, size_t pitch, unsigned value, unsigned element, size_t width, size_t height,
                     CUstream stream, bool async) {
    if (height == 1) pitch = width * element;
    return hawser_front_fill(&(struct hawser_fill){dst, pitch, width, height, element, value, async}, stream);
}

#define FILLS(bits, type)                                                                                              \
    CUresult cuMemsetD##bits##_v2(CUdeviceptr dst, type value, size_t N) {                                             \
        return fill(dst, 0, value, bits / 8, N, 1, NULL, false);                                                       \
    }                                                                                                                  \
    CUresult cuMemsetD##bits##Async(CUdeviceptr dst, type value, size_t N, CUstream hStream) {                         \
        return fill(dst, 0, value, bits / 8, N, 1, hStream, true);                                                     \
    }                                                                                                                  \
    CUresult cuMemsetD2D##bits##_v2(CUdeviceptr dst, size_t pitch, type value, size_t Width, size_t Height) {          \
        return fill(dst, pitch, value, bits / 8, Width, Height, NULL, false);                                          \
    }                                                                                                                  \
    CUresult cuMemsetD2D##bits##Async(CUdeviceptr dst, size_t pitch, type value, size_t Width, size_t Height,          \
                                      CUstream hStream) {                                                              \
        return fill(dst, pitch, value, bits / 8, Width, Height, hStream, true);                                        \
    }

FILLS(8, unsigned char)
FILLS(16, unsigned short)
FILLS(32, unsigned int)
