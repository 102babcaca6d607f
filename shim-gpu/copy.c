/*
 * Copies and fills. All come down to rectangles of rows between guest memory and device memory. Bytes
 * from the guest are taken before the call returns and posted; bytes for pinned memory may come later,
 * bytes for pageable memory are awaited, as CUDA does it.
 */
#include "shim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cuda_abi.h"

/* One side of a copy. Host memory that is shared with the host is ON_DEVICE too: nothing of it need travel. */
struct side {
    enum { ON_HOST, ON_DEVICE } where;
    uintptr_t address;
    size_t pitch;
    bool seen; /* the program may look at it with no other call between */
};

struct rectangle {
    size_t width, height; /* bytes, rows */
    uint64_t stream;      /* wire id */
    bool async;
};

/* a * b + c into *out; false when that is no size. */
static bool multiply_add(size_t a, size_t b, size_t c, size_t *out)
{
    size_t product;
    return !__builtin_mul_overflow(a, b, &product) && !__builtin_add_overflow(product, c, out);
}

/* The bytes from the first to the last of a pitched rectangle that side_ok has passed. */
static size_t extent(size_t pitch, const struct rectangle *r)
{
    return r->height ? pitch * (r->height - 1) + r->width : 0;
}

/* ---- to the device ---- */

/* Posts rows [row, row + rows) and, of a row longer than a chunk, columns [column, column + width). */
static CUresult post_chunk(struct shim_call *c, const struct side *dst, const struct side *src,
                           const struct rectangle *r, size_t row, size_t rows, size_t column,
                           size_t width)
{
    struct hawser_frame f;
    if (!shim_reserve(rows * width, &f)) return CUDA_ERROR_OUT_OF_MEMORY;
    char *data = f.data;
    const char *from = (const char *)src->address + row * src->pitch + column;
    if (rows == 1 || src->pitch == width)
        memcpy(data, from, rows * width);
    else
        for (size_t i = 0; i < rows; i++)
            memcpy(data + i * width, from + i * src->pitch, width);
    Hawser__CopyIn m = HAWSER__COPY_IN__INIT;
    m.dst = dst->address + row * dst->pitch + column;
    m.pitch = dst->pitch;
    m.width = width;
    m.height = rows;
    m.stream = r->stream;
    return shim_post(c, &m.base, &f, 1);
}

static CUresult copy_in(struct shim_call *c, const struct side *dst, const struct side *src,
                        const struct rectangle *r)
{
    c->function = HAWSER_FN_CopyIn;
    if (shim_range_holds(src->address, extent(src->pitch, r), HAWSER_PINNED)) shim_host_functions_settle();
    shim_transfer_settle((const void *)src->address, extent(src->pitch, r));
    size_t rows = r->width < HAWSER_BULK_CHUNK ? HAWSER_BULK_CHUNK / r->width : 1;
    for (size_t row = 0; row < r->height; row += rows) {
        if (rows > r->height - row) rows = r->height - row;
        for (size_t column = 0; column < r->width; column += HAWSER_BULK_CHUNK) {
            size_t width = r->width - column;
            if (width > HAWSER_BULK_CHUNK) width = HAWSER_BULK_CHUNK;
            CUresult e = post_chunk(c, dst, src, r, row, rows, column, width);
            if (e != CUDA_SUCCESS) return e;
        }
    }
    return CUDA_SUCCESS;
}

/* ---- from the device ---- */

static CUresult copy_out(struct shim_call *c, const struct side *dst, const struct side *src,
                         const struct rectangle *r)
{
    bool later = r->async && shim_range_holds(dst->address, extent(dst->pitch, r), HAWSER_PINNED);
    uint64_t id;
    struct shim_transfer *t =
        shim_transfer_begin((void *)dst->address, dst->pitch, r->width, r->height, later, &id);
    if (!t) return CUDA_ERROR_OUT_OF_MEMORY;
    if (later) {
        Hawser__CopyOutLater m = HAWSER__COPY_OUT_LATER__INIT;
        m.src = src->address;
        m.pitch = src->pitch;
        m.width = r->width;
        m.height = r->height;
        m.stream = r->stream;
        m.transfer = id;
        c->function = HAWSER_FN_CopyOutLater;
        CUresult e = shim_post(c, &m.base, NULL, 0);
        if (e != CUDA_SUCCESS) shim_transfer_end(t);
        return e;
    }
    Hawser__CopyOut m = HAWSER__COPY_OUT__INIT;
    m.src = src->address;
    m.pitch = src->pitch;
    m.width = r->width;
    m.height = r->height;
    m.stream = r->stream;
    m.transfer = id;
    c->function = HAWSER_FN_CopyOut;
    CUresult e = shim_call(c, &m.base, NULL, 0, NULL);
    CUresult pushed = shim_transfer_end(t);
    return e != CUDA_SUCCESS ? e : pushed;
}

/* ---- every direction ---- */

static CUresult copy_device(struct shim_call *c, const struct side *dst, const struct side *src,
                            const struct rectangle *r)
{
    Hawser__CopyDevice m = HAWSER__COPY_DEVICE__INIT;
    m.dst = dst->address;
    m.dst_pitch = dst->pitch;
    m.src = src->address;
    m.src_pitch = src->pitch;
    m.width = r->width;
    m.height = r->height;
    m.stream = r->stream;
    c->function = HAWSER_FN_CopyDevice;
    return shim_post(c, &m.base, NULL, 0);
}

static CUresult sync_stream(struct shim_call *c, const struct rectangle *r)
{
    Hawser__CuStreamSynchronize m = HAWSER__CU_STREAM_SYNCHRONIZE__INIT;
    m.hstream = r->stream;
    c->function = HAWSER_FN_cuStreamSynchronize;
    return shim_call(c, &m.base, NULL, 0, NULL);
}

/* A copy from pageable memory whose function has returned may still wait for its stream, where CUDA's function has
 * waited. So this thread waits before it gives work to a stream that does not wait for that one. */
static __thread struct {
    uint64_t context, stream; /* the stream is a default one; zeros: nothing is owed */
} owed;

CUresult shim_settle_copy(const struct shim_call *c, CUstream stream)
{
    uint64_t id;
    if (!owed.context || shim_handle(HAWSER_STREAM, stream, &id) != CUDA_SUCCESS) return CUDA_SUCCESS;
    const struct shim_object *o = id > SHIM_STREAM_PER_THREAD ? shim_object(HAWSER_STREAM, stream) : NULL;
    uint64_t context = o && o->context ? o->context->id : c->context->id;
    bool waits = id == owed.stream || id == SHIM_STREAM_LEGACY || owed.stream == SHIM_STREAM_LEGACY;
    if (o && o->stream.flags & CU_STREAM_NON_BLOCKING) waits = false;
    if (waits && context == owed.context) return CUDA_SUCCESS;
    struct shim_call sync = *c;
    struct rectangle r = {.stream = owed.stream};
    sync.who.context = owed.context;
    owed.context = 0;
    CUresult e = sync_stream(&sync, &r);
    return e == CUDA_ERROR_INVALID_CONTEXT ? CUDA_SUCCESS : e; /* destroyed since, and all in it */
}

/* Host to host, where the copy has its place in a stream: after what was given to the stream before. */
static CUresult copy_host(struct shim_call *c, const struct side *dst, const struct side *src,
                          const struct rectangle *r)
{
    Hawser__ContextSync m = HAWSER__CONTEXT_SYNC__INIT;
    m.context = c->who.context;
    c->function = HAWSER_FN_ContextSync;
    CUresult e = shim_call(c, &m.base, NULL, 0, NULL);
    if (e != CUDA_SUCCESS) return e;
    for (size_t i = 0; i < r->height; i++)
        memmove((char *)dst->address + i * dst->pitch, (char *)src->address + i * src->pitch, r->width);
    return CUDA_SUCCESS;
}

static bool side_ok(const struct side *s, const struct rectangle *r)
{
    size_t bytes, rows;
    if (!s->address || (r->height > 1 && s->pitch < r->width)) return false;
    if (!multiply_add(s->pitch, r->height - 1, r->width, &bytes) || bytes > UINTPTR_MAX - s->address ||
        !multiply_add(r->width, r->height, 0, &rows))
        return false;
    return s->where == ON_HOST || hawser_front_reached(s->address, bytes);
}

/* What kind of memory a side really is: a device address may be host memory that kernels reach, and a host address
 * memory that the worker shares. */
static void look_closer(struct side *s, const struct rectangle *r)
{
    struct shim_range range;
    size_t bytes = extent(s->pitch, r);
    if (!shim_range_find(s->address, &range) || bytes > range.base + range.size - s->address) return;
    if (s->where == ON_HOST && range.shared) s->where = ON_DEVICE;
    if (s->where == ON_DEVICE && range.kind != HAWSER_ON_DEVICE) s->seen = true;
}

static CUresult copy(const struct side *dst, const struct side *src, struct rectangle *r,
                     CUstream stream)
{
    struct shim_call c;
    CUresult e = shim_enter_stream(&c, HAWSER_FN_CopyDevice, stream);
    if (e == CUDA_SUCCESS) e = shim_copy_stream(&c, stream, &r->stream);
    if (e != CUDA_SUCCESS) return e;
    if (r->width == 0 || r->height == 0) return CUDA_SUCCESS;
    struct side to = *dst, from = *src;
    if (!side_ok(&to, r) || !side_ok(&from, r)) return CUDA_ERROR_INVALID_VALUE;
    look_closer(&to, r);
    look_closer(&from, r);
    if (to.seen || from.seen) e = shim_mirror_post(&c);
    if (e != CUDA_SUCCESS) return e;
    if (from.where == ON_DEVICE)
        e = (to.where == ON_DEVICE ? copy_device : copy_out)(&c, &to, &from, r);
    else
        e = (to.where == ON_DEVICE ? copy_in : copy_host)(&c, &to, &from, r);
    bool wait = !r->async && ((to.where == ON_DEVICE && to.seen) || (to.where == ON_DEVICE && from.seen));
    if (e == CUDA_SUCCESS && !wait && !r->async && to.where == ON_DEVICE && from.where != ON_DEVICE) {
        owed.context = c.who.context;
        owed.stream = r->stream;
    }
    return e == CUDA_SUCCESS && wait ? sync_stream(&c, r) : e;
}

static CUresult copy_line(struct side dst, struct side src, size_t size, CUstream stream, bool async)
{
    struct rectangle r = {.width = size, .height = 1, .async = async};
    dst.pitch = src.pitch = size;
    return copy(&dst, &src, &r, stream);
}

static struct side host(const void *p)
{
    return (struct side){.where = ON_HOST, .address = (uintptr_t)p};
}

static struct side device(CUdeviceptr p)
{
    return (struct side){.where = ON_DEVICE, .address = p};
}

/* Whether this process has memory there. */
static bool mapped(uintptr_t address)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    unsigned char unused;
    return mincore((void *)(address & ~(page - 1)), 1, &unused) == 0;
}

/* Unified addressing: a device address when the program allocated it there, or when it can be nothing else:
 * then it was freed, and the copy is refused. */
static struct side unified(CUdeviceptr p)
{
    struct shim_range r;
    bool on_device = shim_range_find(p, &r) ? r.kind == HAWSER_ON_DEVICE || r.kind == HAWSER_MANAGED : !mapped(p);
    return on_device ? device(p) : host((const void *)p);
}

/* ---- the API: lines ---- */

CUresult cuMemcpyHtoD_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount)
{
    return copy_line(device(dstDevice), host(srcHost), ByteCount, NULL, false);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount,
                              CUstream hStream)
{
    return copy_line(device(dstDevice), host(srcHost), ByteCount, hStream, true);
}

CUresult cuMemcpyDtoH_v2(void *dstHost, CUdeviceptr srcDevice, size_t ByteCount)
{
    return copy_line(host(dstHost), device(srcDevice), ByteCount, NULL, false);
}

CUresult cuMemcpyDtoHAsync_v2(void *dstHost, CUdeviceptr srcDevice, size_t ByteCount,
                              CUstream hStream)
{
    return copy_line(host(dstHost), device(srcDevice), ByteCount, hStream, true);
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount)
{
    return copy_line(device(dstDevice), device(srcDevice), ByteCount, NULL, false);
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount,
                              CUstream hStream)
{
    return copy_line(device(dstDevice), device(srcDevice), ByteCount, hStream, true);
}

CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount)
{
    return copy_line(unified(dst), unified(src), ByteCount, NULL, false);
}

CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream hStream)
{
    return copy_line(unified(dst), unified(src), ByteCount, hStream, true);
}

CUresult cuMemcpyPeerAsync(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice,
                           CUcontext srcContext, size_t ByteCount, CUstream hStream)
{
    if (!shim_object(HAWSER_CONTEXT, dstContext) || !shim_object(HAWSER_CONTEXT, srcContext))
        return CUDA_ERROR_INVALID_CONTEXT;
    return copy_line(device(dstDevice), device(srcDevice), ByteCount, hStream, true);
}

CUresult cuMemcpyPeer(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice,
                      CUcontext srcContext, size_t ByteCount)
{
    return cuMemcpyPeerAsync(dstDevice, dstContext, srcDevice, srcContext, ByteCount, NULL);
}

/* ---- the API: rectangles and boxes ---- */

/* CUDA_MEMCPY2D and CUDA_MEMCPY3D name a side by memory type, host pointer, device pointer, pitch, bytes from
 * slice to slice, and the place (x in bytes, y, z) of its first byte. */
static CUresult named_side(CUmemorytype type, const void *on_host, CUdeviceptr on_device, size_t pitch,
                           size_t slice, const size_t place[3], struct side *out)
{
    size_t offset;
    switch (type) {
    case CU_MEMORYTYPE_HOST:
        *out = host(on_host);
        break;
    case CU_MEMORYTYPE_DEVICE:
        *out = device(on_device);
        break;
    case CU_MEMORYTYPE_UNIFIED:
        *out = unified(on_device);
        break;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (!out->address || !multiply_add(pitch, place[1], place[0], &offset) ||
        !multiply_add(slice, place[2], offset, &offset))
        return CUDA_ERROR_INVALID_VALUE;
    out->address += offset;
    out->pitch = pitch;
    return CUDA_SUCCESS;
}

static CUresult copy_3d(const CUDA_MEMCPY3D *p, CUstream stream, bool async);

/* ---- copies from and to arrays: on the host; bytes of this process pass through a buffer of the device's ---- */

static bool in_array(const struct shim_object *o, const CUDA_MEMCPY3D *p, size_t x, size_t y, size_t z)
{
    const CUDA_ARRAY3D_DESCRIPTOR *d = &o->array;
    size_t row = d->Width * d->NumChannels * shim_format_bytes(d->Format), height = d->Height ? d->Height : 1;
    size_t depth = d->Depth ? d->Depth : 1;
    return x <= row && p->WidthInBytes <= row - x && y <= height && p->Height <= height - y && z <= depth &&
           p->Depth <= depth - z;
}

/* *d must outlive the message. */
static void array_message(Hawser__CopyArray *m, CUDA_MEMCPY3D *d, const struct shim_object *src,
                          const struct shim_object *dst)
{
    hawser__copy_array__init(m);
    d->srcArray = d->dstArray = NULL;
    d->srcHost = d->dstHost = NULL;
    m->copy = (ProtobufCBinaryData){sizeof *d, (uint8_t *)d};
    m->src_array = src ? src->id : 0;
    m->dst_array = dst ? dst->id : 0;
}

static CUresult post_array(const CUDA_MEMCPY3D *p, const struct shim_object *src, const struct shim_object *dst,
                           CUstream stream)
{
    struct shim_call c;
    CUDA_MEMCPY3D d = *p;
    Hawser__CopyArray m;
    array_message(&m, &d, src, dst);
    CUresult r = shim_enter_stream(&c, HAWSER_FN_CopyArray, stream);
    if (r == CUDA_SUCCESS) r = shim_copy_stream(&c, stream, &m.stream);
    if (r != CUDA_SUCCESS) return r;
    r = shim_mirror_post(&c);
    return r == CUDA_SUCCESS ? shim_post(&c, &m.base, NULL, 0) : r;
}

/* The side that is no array: memory that the device reaches, or not. */
static CUresult plain_side(CUmemorytype type, const void *on_host, CUdeviceptr on_device, size_t pitch, size_t height,
                           const CUDA_MEMCPY3D *p, const size_t place[3], CUdeviceptr *start, bool *reached)
{
    struct side s;
    size_t slice, rows;
    if (!pitch) pitch = p->WidthInBytes;
    if (!multiply_add(pitch, height ? height : p->Height, 0, &slice)) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = named_side(type, on_host, on_device, pitch, slice, place, &s);
    if (r != CUDA_SUCCESS) return r;
    struct rectangle all = {.width = p->WidthInBytes, .height = p->Height};
    if ((p->Height > 1 && pitch < p->WidthInBytes) || !multiply_add(slice, p->Depth - 1, extent(pitch, &all), &rows))
        return CUDA_ERROR_INVALID_VALUE;
    *start = s.address;
    *reached = hawser_front_reached(s.address, rows) && (s.where == ON_DEVICE || shim_range_shared(s.address));
    return s.where == ON_DEVICE && !*reached ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult shim_copy_fill(Hawser__CopyArray *m, CUDA_MEMCPY3D *d, const CUDA_MEMCPY3D *p)
{
    bool from_array = p->srcMemoryType == CU_MEMORYTYPE_ARRAY, to_array = p->dstMemoryType == CU_MEMORYTYPE_ARRAY;
    struct shim_object *src = from_array ? shim_object(HAWSER_ARRAY, p->srcArray) : NULL;
    struct shim_object *dst = to_array ? shim_object(HAWSER_ARRAY, p->dstArray) : NULL;
    const size_t from[3] = {p->srcXInBytes, p->srcY, p->srcZ}, to[3] = {p->dstXInBytes, p->dstY, p->dstZ};
    bool src_reached = true, dst_reached = true;
    *d = *p;
    if (from_array ? !src || !in_array(src, p, p->srcXInBytes, p->srcY, p->srcZ)
                   : plain_side(p->srcMemoryType, p->srcHost, p->srcDevice, p->srcPitch, p->srcHeight, p, from,
                                &d->srcDevice, &src_reached) != CUDA_SUCCESS)
        return CUDA_ERROR_INVALID_VALUE;
    if (to_array ? !dst || !in_array(dst, p, p->dstXInBytes, p->dstY, p->dstZ)
                 : plain_side(p->dstMemoryType, p->dstHost, p->dstDevice, p->dstPitch, p->dstHeight, p, to,
                              &d->dstDevice, &dst_reached) != CUDA_SUCCESS)
        return CUDA_ERROR_INVALID_VALUE;
    if (!src_reached || !dst_reached) return CUDA_ERROR_NOT_SUPPORTED;
    if (!from_array) {
        d->srcXInBytes = d->srcY = d->srcZ = 0, d->srcMemoryType = CU_MEMORYTYPE_DEVICE;
        d->srcPitch = p->srcPitch ? p->srcPitch : p->WidthInBytes;
        d->srcHeight = p->srcHeight ? p->srcHeight : p->Height;
    }
    if (!to_array) {
        d->dstXInBytes = d->dstY = d->dstZ = 0, d->dstMemoryType = CU_MEMORYTYPE_DEVICE;
        d->dstPitch = p->dstPitch ? p->dstPitch : p->WidthInBytes;
        d->dstHeight = p->dstHeight ? p->dstHeight : p->Height;
    }
    array_message(m, d, src, dst);
    return CUDA_SUCCESS;
}

static CUresult copy_array(const CUDA_MEMCPY3D *p, CUstream stream, bool async)
{
    bool from_array = p->srcMemoryType == CU_MEMORYTYPE_ARRAY, to_array = p->dstMemoryType == CU_MEMORYTYPE_ARRAY;
    struct shim_object *src = from_array ? shim_object(HAWSER_ARRAY, p->srcArray) : NULL;
    struct shim_object *dst = to_array ? shim_object(HAWSER_ARRAY, p->dstArray) : NULL;
    if ((from_array && !src) || (to_array && !dst)) return CUDA_ERROR_INVALID_HANDLE;
    if (!p->WidthInBytes || !p->Height || !p->Depth) return CUDA_SUCCESS;
    if ((src && !in_array(src, p, p->srcXInBytes, p->srcY, p->srcZ)) ||
        (dst && !in_array(dst, p, p->dstXInBytes, p->dstY, p->dstZ)))
        return CUDA_ERROR_INVALID_VALUE;
    CUDA_MEMCPY3D d = *p;
    if (src && dst) return post_array(&d, src, dst, stream);
    const size_t from[3] = {p->srcXInBytes, p->srcY, p->srcZ}, to[3] = {p->dstXInBytes, p->dstY, p->dstZ};
    CUdeviceptr start, buffer;
    bool reached;
    CUresult r = src ? plain_side(p->dstMemoryType, p->dstHost, p->dstDevice, p->dstPitch, p->dstHeight, p, to, &start,
                                  &reached)
                     : plain_side(p->srcMemoryType, p->srcHost, p->srcDevice, p->srcPitch, p->srcHeight, p, from,
                                  &start, &reached);
    if (r != CUDA_SUCCESS) return r;
    if (src)
        d.dstXInBytes = d.dstY = d.dstZ = 0, d.dstMemoryType = CU_MEMORYTYPE_DEVICE, d.dstDevice = start;
    else
        d.srcXInBytes = d.srcY = d.srcZ = 0, d.srcMemoryType = CU_MEMORYTYPE_DEVICE, d.srcDevice = start;
    if (reached) {
        r = post_array(&d, src, dst, stream);
        return r == CUDA_SUCCESS && !async ? cuStreamSynchronize(stream) : r;
    }
    size_t bytes;
    if (__builtin_mul_overflow(p->WidthInBytes * p->Height, p->Depth, &bytes)) return CUDA_ERROR_INVALID_VALUE;
    r = cuMemAllocAsync(&buffer, bytes, stream);
    if (r != CUDA_SUCCESS) return r;
    /* Between this process and the buffer, which is packed. */
    CUDA_MEMCPY3D h = *p;
    if (src) {
        d.dstDevice = buffer;
        d.dstPitch = p->WidthInBytes;
        d.dstHeight = p->Height;
        h.srcMemoryType = CU_MEMORYTYPE_DEVICE, h.srcDevice = buffer, h.srcPitch = p->WidthInBytes;
        h.srcXInBytes = h.srcY = h.srcZ = 0, h.srcHeight = p->Height;
        r = post_array(&d, src, dst, stream);
        if (r == CUDA_SUCCESS) r = copy_3d(&h, stream, async);
    } else {
        d.srcDevice = buffer;
        d.srcPitch = p->WidthInBytes;
        d.srcHeight = p->Height;
        h.dstMemoryType = CU_MEMORYTYPE_DEVICE, h.dstDevice = buffer, h.dstPitch = p->WidthInBytes;
        h.dstXInBytes = h.dstY = h.dstZ = 0, h.dstHeight = p->Height;
        r = copy_3d(&h, stream, async);
        if (r == CUDA_SUCCESS) r = post_array(&d, src, dst, stream);
    }
    CUresult freed = cuMemFreeAsync(buffer, stream);
    return r == CUDA_SUCCESS ? freed : r;
}

static CUresult copy_3d(const CUDA_MEMCPY3D *p, CUstream stream, bool async)
{
    if (!p || p->reserved0 || p->reserved1) return CUDA_ERROR_INVALID_VALUE;
    if (p->srcMemoryType == CU_MEMORYTYPE_ARRAY || p->dstMemoryType == CU_MEMORYTYPE_ARRAY)
        return copy_array(p, stream, async);
    struct side src, dst;
    size_t src_pitch = p->srcPitch ? p->srcPitch : p->WidthInBytes;
    size_t dst_pitch = p->dstPitch ? p->dstPitch : p->WidthInBytes;
    const size_t from[3] = {p->srcXInBytes, p->srcY, p->srcZ}, to[3] = {p->dstXInBytes, p->dstY, p->dstZ};
    size_t src_slice, dst_slice;
    if (!multiply_add(src_pitch, p->srcHeight ? p->srcHeight : p->Height, 0, &src_slice) ||
        !multiply_add(dst_pitch, p->dstHeight ? p->dstHeight : p->Height, 0, &dst_slice))
        return CUDA_ERROR_INVALID_VALUE;
    CUresult e = named_side(p->srcMemoryType, p->srcHost, p->srcDevice, src_pitch, src_slice, from, &src);
    if (e == CUDA_SUCCESS)
        e = named_side(p->dstMemoryType, p->dstHost, p->dstDevice, dst_pitch, dst_slice, to, &dst);
    for (size_t z = 0; z < p->Depth && e == CUDA_SUCCESS; z++) {
        struct rectangle r = {.width = p->WidthInBytes, .height = p->Height, .async = async};
        e = copy(&dst, &src, &r, stream);
        src.address += src_slice;
        dst.address += dst_slice;
    }
    return e;
}

static CUresult copy_2d(const CUDA_MEMCPY2D *p, CUstream stream, bool async)
{
    CUDA_MEMCPY3D box;
    if (!p) return CUDA_ERROR_INVALID_VALUE;
    hawser_abi_copy_box(p, &box);
    return copy_3d(&box, stream, async);
}

CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *pCopy)
{
    return copy_2d(pCopy, NULL, false);
}

CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *pCopy)
{
    return copy_2d(pCopy, NULL, false);
}

CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *pCopy, CUstream hStream)
{
    return copy_2d(pCopy, hStream, true);
}

CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D *pCopy)
{
    return copy_3d(pCopy, NULL, false);
}

CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *pCopy, CUstream hStream)
{
    return copy_3d(pCopy, hStream, true);
}

/* ---- fills ---- */

static CUresult fill(CUdeviceptr dst, size_t pitch, unsigned value, size_t element, size_t width,
                     size_t height, CUstream stream, bool async)
{
    struct shim_call c;
    uint64_t id;
    CUresult e = shim_enter_stream(&c, HAWSER_FN_Fill, stream);
    if (e == CUDA_SUCCESS) e = shim_copy_stream(&c, stream, &id);
    if (e != CUDA_SUCCESS) return e;
    if (width == 0 || height == 0) return CUDA_SUCCESS;
    if (width > SIZE_MAX / element) return CUDA_ERROR_INVALID_VALUE;
    struct rectangle r = {.width = width * element, .height = height};
    if (height == 1) pitch = r.width;
    struct side s = {.where = ON_DEVICE, .address = dst, .pitch = pitch};
    if (dst % element || pitch % element || !side_ok(&s, &r)) return CUDA_ERROR_INVALID_VALUE;
    Hawser__Fill m = HAWSER__FILL__INIT;
    m.dst = dst;
    m.pitch = pitch;
    m.value = value;
    m.element = element;
    m.width = width;
    m.height = height;
    m.stream = r.stream = id;
    look_closer(&s, &r);
    if (s.seen) e = shim_mirror_post(&c);
    if (e == CUDA_SUCCESS) e = shim_post(&c, &m.base, NULL, 0);
    return e == CUDA_SUCCESS && s.seen && !async ? sync_stream(&c, &r) : e;
}

#define FILLS(bits, type)                                                                           \
    CUresult cuMemsetD##bits##_v2(CUdeviceptr dst, type value, size_t N)                            \
    {                                                                                               \
        return fill(dst, 0, value, bits / 8, N, 1, NULL, false);                                           \
    }                                                                                               \
    CUresult cuMemsetD##bits##Async(CUdeviceptr dst, type value, size_t N, CUstream hStream)        \
    {                                                                                               \
        return fill(dst, 0, value, bits / 8, N, 1, hStream, true);                                        \
    }                                                                                               \
    CUresult cuMemsetD2D##bits##_v2(CUdeviceptr dst, size_t pitch, type value, size_t Width,        \
                                    size_t Height)                                                  \
    {                                                                                               \
        return fill(dst, pitch, value, bits / 8, Width, Height, NULL, false);                              \
    }                                                                                               \
    CUresult cuMemsetD2D##bits##Async(CUdeviceptr dst, size_t pitch, type value, size_t Width,      \
                                      size_t Height, CUstream hStream)                              \
    {                                                                                               \
        return fill(dst, pitch, value, bits / 8, Width, Height, hStream, true);                           \
    }

FILLS(8, unsigned char)
FILLS(16, unsigned short)
FILLS(32, unsigned int)
