/*
 * Copies and fills, the front end's verbs. All come down to rectangles of rows between guest memory and device memory.
 * Bytes from the guest are taken before the call returns and posted; bytes for pinned memory may come later, bytes for
 * pageable memory are awaited, as CUDA does it.
 */
#include "shim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cuda_abi.h"

/* A side of a copy that is memory. What the host's process shares with this one is the device's too: nothing of it need
 * travel. */
struct side {
    bool on_device;
    bool seen; /* the program may look at it with no other call between */
    uintptr_t address;
    size_t pitch, slice;
};

struct rectangle {
    size_t width, height; /* bytes, rows */
    uint64_t stream;      /* wire id */
    bool async;
};

/* The bytes from the first to the last of a rectangle of a side that has been looked at. */
static size_t extent(size_t pitch, const struct rectangle *r) {
    return r->height ? pitch * (r->height - 1) + r->width : 0;
}

/* ---- to the device ---- */

/* Posts rows [row, row + rows) and, of a row longer than a chunk, columns [column, column + width). */
static CUresult post_chunk(struct shim_call *c, const struct side *dst, const struct side *src,
                           const struct rectangle *r, size_t row, size_t rows, size_t column, size_t width) {
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
                        const struct rectangle *r) {
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
                         const struct rectangle *r) {
    bool later = r->async && shim_range_holds(dst->address, extent(dst->pitch, r), HAWSER_PINNED);
    uint64_t id;
    struct shim_transfer *t = shim_transfer_begin((void *)dst->address, dst->pitch, r->width, r->height, later, &id);
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
                            const struct rectangle *r) {
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

static CUresult sync_stream(struct shim_call *c, const struct rectangle *r) {
    Hawser__CuStreamSynchronize m = HAWSER__CU_STREAM_SYNCHRONIZE__INIT;
    m.hstream = r->stream;
    c->function = HAWSER_FN_cuStreamSynchronize;
    return shim_call(c, &m.base, NULL, 0, NULL);
}

/* A copy from pageable memory whose function has returned may still wait for its stream, where CUDA's function has
 * waited. So this thread waits before it gives work to a stream that does not wait for that one. */
static __thread struct { uint64_t context, stream; /* the stream is a default one; zeros: nothing is owed */ } owed;

CUresult shim_settle_copy(const struct shim_call *c, CUstream stream) {
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
                          const struct rectangle *r) {
    Hawser__ContextSync m = HAWSER__CONTEXT_SYNC__INIT;
    m.context = c->who.context;
    c->function = HAWSER_FN_ContextSync;
    CUresult e = shim_call(c, &m.base, NULL, 0, NULL);
    if (e != CUDA_SUCCESS) return e;
    for (size_t i = 0; i < r->height; i++)
        memmove((char *)dst->address + i * dst->pitch, (char *)src->address + i * src->pitch, r->width);
    return CUDA_SUCCESS;
}

/* Whether this process has memory there. */
static bool mapped(uintptr_t address) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    unsigned char unused;
    return mincore((void *)(address & ~(page - 1)), 1, &unused) == 0;
}

/* What kind of memory a side really is: a device address may be host memory that kernels reach, and a host address
 * memory that the worker shares. A unified address is the device's when the program allocated it there, or when it can
 * be nothing else: then it was freed, and the copy is refused. */
static CUresult look(const struct hawser_side *s, const struct hawser_copy *c, struct side *out) {
    struct shim_range range;
    size_t bytes;
    if (!hawser_side_bytes(s, c, &bytes)) return CUDA_ERROR_INVALID_VALUE;
    *out = (struct side){
        .on_device = s->type == CU_MEMORYTYPE_DEVICE, .address = s->address, .pitch = s->pitch, .slice = s->slice};
    bool known = shim_range_find(s->address, &range);
    if (s->type == CU_MEMORYTYPE_UNIFIED)
        out->on_device = known ? range.kind == HAWSER_ON_DEVICE || range.kind == HAWSER_MANAGED : !mapped(s->address);
    bool whole = known && bytes <= range.base + range.size - s->address;
    if (out->on_device && !(whole && range.device == range.base)) return CUDA_ERROR_INVALID_VALUE;
    if (whole && range.shared) out->on_device = true;
    out->seen = out->on_device && range.kind != HAWSER_ON_DEVICE;
    return CUDA_SUCCESS;
}

static CUresult copy_slice(struct shim_call *c, const struct side *to, const struct side *from, struct rectangle *r) {
    if (from->on_device) return (to->on_device ? copy_device : copy_out)(c, to, from, r);
    return (to->on_device ? copy_in : copy_host)(c, to, from, r);
}

static CUresult copy_memory(struct shim_call *c, const struct hawser_copy *k, uint64_t stream) {
    struct side to, from;
    struct rectangle r = {.width = k->width, .height = k->height, .stream = stream, .async = k->async};
    CUresult e = look(&k->dst, k, &to);
    if (e == CUDA_SUCCESS) e = look(&k->src, k, &from);
    if (e == CUDA_SUCCESS && (to.seen || from.seen)) e = shim_mirror_post(c);
    for (size_t z = 0; z < k->depth && e == CUDA_SUCCESS; z++) {
        e = copy_slice(c, &to, &from, &r);
        to.address += to.slice;
        from.address += from.slice;
    }
    if (e != CUDA_SUCCESS || k->async || !to.on_device) return e;
    if (to.seen || from.seen) return sync_stream(c, &r);
    if (!from.on_device) {
        owed.context = c->who.context;
        owed.stream = stream;
    }
    return e;
}

/* ---- copies that the host makes by itself, arrays' among them ---- */

static void box_side(const struct hawser_side *s, const struct side *memory, struct hawser_side *out) {
    *out = *s;
    if (s->type == CU_MEMORYTYPE_ARRAY) return;
    out->type = CU_MEMORYTYPE_DEVICE;
    out->address = memory->address;
}

static uint64_t array_id(const struct hawser_side *s) {
    return s->type == CU_MEMORYTYPE_ARRAY ? shim_object(HAWSER_ARRAY, s->array)->id : 0;
}

/* One side of a CUDA_MEMCPY3D, src or dst; its array has a field of the message. */
#define BOX_SIDE(d, which, s)                                                                                          \
    do {                                                                                                               \
        (d)->which##MemoryType = (s)->type;                                                                            \
        if ((s)->type == CU_MEMORYTYPE_ARRAY) {                                                                        \
            (d)->which##XInBytes = (s)->x;                                                                             \
            (d)->which##Y = (s)->y;                                                                                    \
            (d)->which##Z = (s)->z;                                                                                    \
        } else {                                                                                                       \
            (d)->which##Device = (s)->address;                                                                         \
            (d)->which##Pitch = (s)->pitch;                                                                            \
            (d)->which##Height = (s)->slice / (s)->pitch;                                                              \
        }                                                                                                              \
    } while (0)

/* The message for a copy between arrays and memory of the device's. *d must outlive it. */
static void box_message(Hawser__CopyArray *m, CUDA_MEMCPY3D *d, const struct hawser_copy *k) {
    *d = (CUDA_MEMCPY3D){.WidthInBytes = k->width, .Height = k->height, .Depth = k->depth};
    BOX_SIDE(d, src, &k->src);
    BOX_SIDE(d, dst, &k->dst);
    hawser__copy_array__init(m);
    m->copy = (ProtobufCBinaryData){sizeof *d, (uint8_t *)d};
    m->src_array = array_id(&k->src);
    m->dst_array = array_id(&k->dst);
}

/* The copy with its memory sides as the host names them; CUDA_ERROR_NOT_SUPPORTED where one is this process's alone. */
static CUresult for_host(const struct hawser_copy *k, struct hawser_copy *out) {
    struct side to = {.on_device = true}, from = {.on_device = true};
    CUresult r = k->src.type == CU_MEMORYTYPE_ARRAY ? CUDA_SUCCESS : look(&k->src, k, &from);
    if (r == CUDA_SUCCESS && k->dst.type != CU_MEMORYTYPE_ARRAY) r = look(&k->dst, k, &to);
    if (r != CUDA_SUCCESS) return r;
    *out = *k;
    box_side(&k->src, &from, &out->src);
    box_side(&k->dst, &to, &out->dst);
    return to.on_device && from.on_device ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
}

CUresult shim_copy_fill(Hawser__CopyArray *m, CUDA_MEMCPY3D *d, const CUDA_MEMCPY3D *p) {
    struct hawser_copy k, hosts;
    CUresult r = hawser_copy_of(p, true, &k);
    if (r == CUDA_SUCCESS) r = for_host(&k, &hosts);
    if (r == CUDA_SUCCESS) box_message(m, d, &hosts);
    return r;
}

static CUresult post_box(struct shim_call *c, const struct hawser_copy *k, uint64_t stream) {
    CUDA_MEMCPY3D d;
    Hawser__CopyArray m;
    box_message(&m, &d, k);
    m.stream = stream;
    c->function = HAWSER_FN_CopyArray;
    CUresult r = shim_mirror_post(c);
    return r == CUDA_SUCCESS ? shim_post(c, &m.base, NULL, 0) : r;
}

/* Bytes of this process pass through a buffer of the device's, which is packed. */
static CUresult copy_by_buffer(const struct hawser_copy *k, CUstream stream) {
    CUdeviceptr buffer;
    CUresult r = cuMemAllocAsync(&buffer, k->width * k->height * k->depth, stream);
    if (r != CUDA_SUCCESS) return r;
    struct hawser_copy first = *k, second = *k;
    first.dst = second.src = (struct hawser_side){
        .type = CU_MEMORYTYPE_DEVICE, .address = buffer, .pitch = k->width, .slice = k->width * k->height};
    first.async |= k->src.type == CU_MEMORYTYPE_ARRAY;
    second.async |= k->dst.type == CU_MEMORYTYPE_ARRAY; /* the program's bytes have been taken */
    r = hawser_front_copy(&first, stream);
    if (r == CUDA_SUCCESS) r = hawser_front_copy(&second, stream);
    CUresult freed = cuMemFreeAsync(buffer, stream);
    return r == CUDA_SUCCESS ? freed : r;
}

CUresult hawser_front_copy(const struct hawser_copy *k, CUstream stream) {
    struct shim_call c;
    struct hawser_copy hosts;
    uint64_t id;
    CUresult r = shim_enter_stream(&c, HAWSER_FN_CopyDevice, stream);
    if (r == CUDA_SUCCESS) r = shim_copy_stream(&c, stream, &id);
    if (r != CUDA_SUCCESS || !k->width || !k->height || !k->depth) return r;
    bool arrays = k->src.type == CU_MEMORYTYPE_ARRAY, to_array = k->dst.type == CU_MEMORYTYPE_ARRAY;
    if (!arrays && !to_array) return copy_memory(&c, k, id);
    r = for_host(k, &hosts);
    if (r == CUDA_ERROR_NOT_SUPPORTED) return copy_by_buffer(k, stream);
    if (r == CUDA_SUCCESS) r = post_box(&c, &hosts, id);
    struct rectangle all = {.stream = id};
    return r == CUDA_SUCCESS && !k->async && !(arrays && to_array) ? sync_stream(&c, &all) : r;
}

/* ---- fills ---- */

CUresult hawser_front_fill(const struct hawser_fill *f, CUstream stream) {
    struct shim_call c;
    struct shim_range range;
    Hawser__Fill m = HAWSER__FILL__INIT;
    CUresult e = shim_enter_stream(&c, HAWSER_FN_Fill, stream);
    if (e == CUDA_SUCCESS) e = shim_copy_stream(&c, stream, &m.stream);
    if (e != CUDA_SUCCESS || !f->width || !f->height) return e;
    e = hawser_fill_check(f);
    if (e != CUDA_SUCCESS) return e;
    m.dst = f->dst;
    m.pitch = f->pitch;
    m.value = f->value;
    m.element = f->element;
    m.width = f->width;
    m.height = f->height;
    bool seen = shim_range_find(f->dst, &range) && range.kind != HAWSER_ON_DEVICE;
    if (seen) e = shim_mirror_post(&c);
    if (e == CUDA_SUCCESS) e = shim_post(&c, &m.base, NULL, 0);
    struct rectangle r = {.stream = m.stream};
    return e == CUDA_SUCCESS && seen && !f->async ? sync_stream(&c, &r) : e;
}
