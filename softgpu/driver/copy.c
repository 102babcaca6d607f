/*
 * Copies and fills. Device memory is memory of this process, so each is a copy of rows. In a stream they
 * take their turn; where nothing is before them they run at once.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

/* Sides that are arrays have become memory. */
struct copy {
    struct sd_task task;
    struct hawser_copy c;
    void *taken; /* pageable source bytes, taken at the call */
};

static char *row(const struct hawser_side *s, size_t y, size_t z) {
    return (char *)s->address + z * s->slice + y * s->pitch;
}

static void copy_now(const struct hawser_copy *c) {
    for (size_t z = 0; z < c->depth; z++)
        for (size_t y = 0; y < c->height; y++)
            memmove(row(&c->dst, y, z), row(&c->src, y, z), c->width);
}

static void copy_run(struct sd_task *t) {
    copy_now(&((struct copy *)t)->c);
}

static void copy_drop(struct sd_task *t) {
    free(((struct copy *)t)->taken);
    free(t);
}

/* Whether the rows that the copy touches are memory that this side may name. An address in the device's
 * range must be allocated also where the program did not say that it is the device's: unified addresses need no
 * telling apart here, as device addresses are addresses of this process. */
static bool side_ok(const struct hawser_side *s, const struct hawser_copy *c) {
    size_t bytes;
    uintptr_t lo, hi;
    if (!hawser_side_bytes(s, c, &bytes)) return false;
    sd_arena_bounds(&lo, &hi);
    bool in_arena = s->address < hi && s->address + bytes > lo;
    return !(s->type == CU_MEMORYTYPE_DEVICE || in_arena) || hawser_front_reached(s->address, bytes);
}

/* Takes a pageable source's bytes, packed, so that the program may change them at once. */
static bool take_source(struct copy *t) {
    struct hawser_copy *c = &t->c;
    char *p = malloc(c->width * c->height * c->depth), *at = p;
    if (!p) return false;
    for (size_t z = 0; z < c->depth; z++)
        for (size_t y = 0; y < c->height; y++, at += c->width)
            memcpy(at, row(&c->src, y, z), c->width);
    t->taken = p;
    c->src = (struct hawser_side){.address = (uintptr_t)p, .pitch = c->width, .slice = c->width * c->height};
    return true;
}

/* An array is memory without tiling. */
static void lay_flat(struct hawser_side *s) {
    if (s->type != CU_MEMORYTYPE_ARRAY) return;
    const struct sg_level *l = &sd_array(s->array)->level;
    *s = (struct hawser_side){.type = CU_MEMORYTYPE_DEVICE,
                              .pitch = l->pitch,
                              .slice = l->slice,
                              .address = (uintptr_t)l->base + s->z * l->slice + s->y * l->pitch + s->x};
}

/* In the stream's turn. Functions that are not asynchronous wait, though not for a copy within the device; none returns
 * before pageable memory has its bytes. */
static CUresult queue(const struct hawser_copy *c, struct sd_stream *s) {
    struct sd_allocation from, to;
    bool from_known = sd_find(c->src.address, &from), to_known = sd_find(c->dst.address, &to);
    bool inside = from_known && to_known && from.kind == HAWSER_ON_DEVICE && to.kind == HAWSER_ON_DEVICE;
    bool wait = (!c->async && !inside) || !to_known;
    struct copy *t = calloc(1, sizeof *t);
    if (!t) return CUDA_ERROR_OUT_OF_MEMORY;
    t->task = (struct sd_task){.run = copy_run, .drop = copy_drop};
    t->c = *c;
    if (!from_known && !wait && !take_source(t)) {
        free(t);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    return wait ? sd_enqueue_and_wait(s, &t->task) : sd_enqueue(s, &t->task, NULL);
}

CUresult hawser_front_copy(const struct hawser_copy *c, CUstream stream) {
    struct sd_context *context;
    struct sd_stream *s;
    struct hawser_copy flat;
    CUresult r = sd_stream_of(stream, &context, &s);
    if (r != CUDA_SUCCESS || !c->width || !c->height || !c->depth) return r;
    if (c->dst.type == CU_MEMORYTYPE_ARRAY || c->src.type == CU_MEMORYTYPE_ARRAY) {
        flat = *c;
        lay_flat(&flat.dst);
        lay_flat(&flat.src);
        c = &flat;
    }
    if (!side_ok(&c->dst, c) || !side_ok(&c->src, c)) return CUDA_ERROR_INVALID_VALUE;
    if (!sd_idle_for(s)) return queue(c, s);
    copy_now(c);
    return sd_context_error(s->context);
}

/* ---- fills ---- */

struct fill {
    struct sd_task task;
    struct hawser_fill f;
};

static void fill_now(const struct hawser_fill *f) {
    for (size_t y = 0; y < f->height; y++) {
        char *row = (char *)f->dst + y * f->pitch;
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

static void fill_run(struct sd_task *t) {
    fill_now(&((struct fill *)t)->f);
}

static void fill_drop(struct sd_task *t) {
    free(t);
}

CUresult hawser_front_fill(const struct hawser_fill *f, CUstream stream) {
    struct sd_context *c;
    struct sd_stream *s;
    CUresult r = sd_stream_of(stream, &c, &s);
    if (r != CUDA_SUCCESS || !f->width || !f->height) return r;
    r = hawser_fill_check(f);
    if (r != CUDA_SUCCESS) return r;
    if (sd_idle_for(s)) {
        fill_now(f);
        return sd_context_error(s->context);
    }
    struct fill *t = malloc(sizeof *t);
    if (!t) return CUDA_ERROR_OUT_OF_MEMORY;
    *t = (struct fill){{.run = fill_run, .drop = fill_drop}, *f};
    return sd_enqueue(s, &t->task, NULL);
}
