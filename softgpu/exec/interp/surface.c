// Surface loads, stores and reductions.
#include "textures.h"

#include <math.h>

struct spot {
    uint8_t *p; // NULL: outside, where nothing is read or written
    const struct sg_texture *t;
};

static uint32_t lane_u32(const struct warp *w, uint32_t slot, uint32_t lane) {
    return slot == NO_SLOT ? 0 : ((const uint32_t *)(w->R + slot))[lane];
}

// The memory of an access of `bytes`, 0 for a whole texel; x counts bytes, or texels when formatted. op->d2: enum
// sg_bounds.
static struct spot locate(struct warp *w, const struct op *op, uint32_t lane, unsigned bytes) {
    const struct form *form = &op->form;
    struct spot s = {.t = sg_texture_of(w, op, lane, SG_SURFACE)};
    const struct sg_level *l = &s.t->level[0];
    unsigned texel = sg_channel_bytes(s.t->channel) * s.t->channels;
    int64_t unit = form->mode == SG_SURF_P ? texel : 1;
    if (!bytes) bytes = texel;
    bool layered = form->detail == SG_GEOM_A1D || form->detail == SG_GEOM_A2D;
    bool flat = form->detail == SG_GEOM_1D || form->detail == SG_GEOM_A1D;
    const uint32_t *c = op->list + AT_COORDS + layered;
    int64_t at[3] = {(int32_t)lane_u32(w, c[0], lane) * unit, flat ? 0 : (int32_t)lane_u32(w, c[1], lane), 0};
    if (form->detail == SG_GEOM_3D) at[2] = (int32_t)lane_u32(w, c[2], lane);
    if (layered) at[2] = lane_u32(w, op->list[AT_COORDS], lane);
    const int64_t row = (int64_t)l->width * texel,
                  last[3] = {row - bytes, (int64_t)l->height - 1, (int64_t)l->depth - 1};
    for (int k = 0; k < 3; k++) {
        if (at[k] >= 0 && at[k] <= last[k]) continue;
        if (op->d2 == SG_BOUNDS_ZERO) return s;
        if (op->d2 == SG_BOUNDS_TRAP || last[k] < 0)
            sg_raise(w, op, SG_FAULT_TRAP, lane, (uint64_t)at[k], "coordinates outside the surface");
        at[k] = at[k] < 0 ? 0 : last[k];
    }
    unsigned align = bytes & -bytes;
    if (at[0] & (align - 1))
        sg_raise(w, op, SG_FAULT_MISALIGNED, lane, (uint64_t)at[0], "misaligned x in a surface access");
    uint64_t address = l->base + (uint64_t)at[2] * l->slice + (uint64_t)at[1] * l->pitch + (uint64_t)at[0];
    s.p = sg_texel(w, op, lane, address, bytes);
    return s;
}

// n: elements.
const struct op *sg_op_suld(struct warp *w, const struct op *op) {
    unsigned element = sg_type_bytes(op->form.type), n = op->n;
    w->pc = op;
    SG_ACTIVE(i, w->exec) {
        struct spot s = locate(w, op, i, element * n);
        for (unsigned k = 0; k < n; k++) {
            uint32_t slot = op->list[AT_DST + k], bytes = op->list[AT_DST_BYTES + k];
            uint64_t v = 0;
            if (s.p) memcpy(&v, s.p + k * element, element);
            if (slot != NO_SLOT) memcpy(w->R + slot + i * bytes, &v, bytes < 8 ? bytes : 8);
        }
    }
    return op + 1;
}

// A channel's bits from 32 bits of the kernel's. Integers are brought into range.
static uint32_t packed(const struct sg_texture *t, uint32_t v) {
    static const struct {
        int64_t least, most;
    } range[] = {{0, UINT8_MAX},       {0, UINT16_MAX},        {0, UINT32_MAX},
                 {INT8_MIN, INT8_MAX}, {INT16_MIN, INT16_MAX}, {INT32_MIN, INT32_MAX}};
    if (t->channel == SG_CHANNEL_F16) return sg_to_f16(sg_f32(v));
    if (t->channel == SG_CHANNEL_F32) return v;
    int64_t x, least = range[t->channel].least, most = range[t->channel].most;
    if (t->promote) {
        float f = sg_f32(v);
        f = f != f ? 0 : f > 1 ? 1 : f < (least ? -1.0f : 0.0f) ? (least ? -1.0f : 0.0f) : f;
        x = llrintf(f * (float)most);
    } else {
        x = least ? (int64_t)(int32_t)v : (int64_t)v;
    }
    return (uint32_t)(x < least ? least : x > most ? most : x);
}

const struct op *sg_op_sust(struct warp *w, const struct op *op) {
    bool formatted = op->form.mode == SG_SURF_P;
    unsigned element = sg_type_bytes(op->form.type), n = op->n;
    w->pc = op;
    SG_ACTIVE(i, w->exec) {
        struct spot s = locate(w, op, i, formatted ? 0 : element * n);
        unsigned size = formatted ? sg_channel_bytes(s.t->channel) : element;
        for (unsigned k = 0; s.p && k < (formatted ? s.t->channels : n); k++) {
            uint64_t v = 0;
            uint32_t bytes = op->list[AT_DST_BYTES + k];
            if (k < n) memcpy(&v, w->R + op->list[AT_DST + k] + i * bytes, bytes < 8 ? bytes : 8);
            if (formatted) v = packed(s.t, (uint32_t)v);
            memcpy(s.p + k * size, &v, size);
        }
    }
    return op + 1;
}

#define REDUCE(T, S)                                                                                                   \
    static void reduce_##T(void *at, enum sg_atom atom, bool sgn, T v) {                                               \
        T *p = at, old = __atomic_load_n(p, __ATOMIC_RELAXED), new;                                                    \
        do {                                                                                                           \
            bool less = sgn ? (S)v < (S)old : v < old;                                                                 \
            switch (atom) {                                                                                            \
            case SG_ATOM_ADD:                                                                                          \
                new = old + v;                                                                                         \
                break;                                                                                                 \
            case SG_ATOM_MIN:                                                                                          \
                new = less ? v : old;                                                                                  \
                break;                                                                                                 \
            case SG_ATOM_MAX:                                                                                          \
                new = less ? old : v;                                                                                  \
                break;                                                                                                 \
            case SG_ATOM_AND:                                                                                          \
                new = old &v;                                                                                          \
                break;                                                                                                 \
            default:                                                                                                   \
                new = old | v;                                                                                         \
            }                                                                                                          \
        } while (!__atomic_compare_exchange_n(p, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));               \
    }
REDUCE(uint32_t, int32_t)
REDUCE(uint64_t, int64_t)

// Formatted, the surface says whether its integers have a sign. n: enum sg_atom.
const struct op *sg_op_sured(struct warp *w, const struct op *op) {
    const struct form *form = &op->form;
    unsigned bytes = sg_type_bytes(form->type);
    w->pc = op;
    SG_ACTIVE(i, w->exec) {
        struct spot s = locate(w, op, i, bytes);
        uint64_t v = 0;
        bool sgn = form->mode == SG_SURF_P ? s.t->channel == SG_CHANNEL_S32 : sg_type_is_signed(form->type);
        if (!s.p) continue;
        memcpy(&v, w->R + op->list[AT_DST] + i * bytes, bytes);
        if (bytes == 4)
            reduce_uint32_t(s.p, op->n, sgn, (uint32_t)v);
        else
            reduce_uint64_t(s.p, op->n, sgn, v);
    }
    return op + 1;
}
