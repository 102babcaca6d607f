// Loads and stores.
// A full warp's addresses often form rows: all in one, or one in each half of the warp (blocks 16
// wide), where one copy or one load serves many lanes.
//
// Addresses: op->a holds 64-bit lane addresses (32-bit offsets for .shared), op->imm is added.
// op->n: local space: add the frame's base. Loads write active lanes only, so nothing is blended.
// Fast paths take whole warps whose addresses all lie in the arena, aligned.
#include "ops.h"

typedef unsigned __int128 u128;
typedef struct {
    u128 v[2];
} u256;

// The place of one lane's access. Kept out of line: it is the rare or divergent case.
#define PLAIN(T)                                                                                                       \
    static inline T *place_##T(struct warp *w, const struct op *op, uint32_t i) {                                      \
        uint64_t at = ((const uint64_t *)(w->R + op->a))[i] + (uint64_t)op->imm;                                       \
        if (__builtin_expect(at - w->lo < w->hi - w->lo - sizeof(T) && !(at & (sizeof(T) - 1)), 1)) return (T *)at;    \
        return sg_translate(w, op, i, at, sizeof(T), sizeof(T));                                                       \
    }                                                                                                                  \
    static inline T *place_shared_##T(struct warp *w, const struct op *op, uint32_t i) {                               \
        uint32_t at = ((const uint32_t *)(w->R + op->a))[i] + (uint32_t)op->imm;                                       \
        if (__builtin_expect(at + (uint64_t)sizeof(T) > w->shared_size || at & (sizeof(T) - 1), 0))                    \
            return sg_shared(w, op, i, at, sizeof(T), sizeof(T));                                                      \
        return (T *)(w->shared + at);                                                                                  \
    }                                                                                                                  \
    static inline T *place_local_##T(struct warp *w, const struct op *op, uint32_t i) {                                \
        uint64_t at = ((const uint64_t *)(w->R + op->a))[i] + (uint64_t)op->imm;                                       \
        if (op->n) at += w->f->local_base;                                                                             \
        if (__builtin_expect(at > w->local_stride || w->local_stride - at < sizeof(T), 0))                             \
            sg_raise(w, op, SG_FAULT_ADDRESS, i, at, "address outside the thread's local memory");                     \
        if (__builtin_expect(at & (sizeof(T) - 1), 0))                                                                 \
            sg_raise(w, op, SG_FAULT_MISALIGNED, i, at, "misaligned address in local memory");                         \
        return (T *)(w->local + i * w->local_stride + at);                                                             \
    }                                                                                                                  \
    /* All lanes in the arena and aligned? 2: and one after the other. 3: and all the same. The latter two also        \
     * outside the arena (managed and pinned memory), where one look serves the warp. */                               \
    static inline int shape_##T(struct warp *w, const struct op *op) {                                                 \
        const uint64_t *a = VEC(uint64_t, a);                                                                          \
        uint64_t lo = w->lo - (uint64_t)op->imm, span = w->hi - w->lo - sizeof(T);                                     \
        uint64_t first = a[0], bad = 0, row = 0, same = 0;                                                             \
        SG_LANES(i) {                                                                                                  \
            uint64_t x = a[i], y = x - lo;                                                                             \
            bad |= (uint64_t)(y > span) | (y & (sizeof(T) - 1));                                                       \
            row |= x - first - (uint64_t)i * sizeof(T);                                                                \
            same |= x ^ first;                                                                                         \
        }                                                                                                              \
        if (__builtin_expect(!bad, 1)) return !row ? 2 : !same ? 3 : 1;                                                \
        uint64_t at = first + (uint64_t)op->imm;                                                                       \
        if (at & (sizeof(T) - 1)) return 0;                                                                            \
        return !row && sg_reach(w, at, 32 * sizeof(T)) ? 2 : !same && sg_reach(w, at, sizeof(T)) ? 3 : 0;              \
    }                                                                                                                  \
    HANDLER(ld_##T) {                                                                                                  \
        T *d = (T *)(w->R + op->d);                                                                                    \
        uint32_t m = w->exec;                                                                                          \
        w->pc = op;                                                                                                    \
        if (__builtin_expect(m == UINT32_MAX, 1)) {                                                                    \
            const uint64_t *a = VEC(uint64_t, a);                                                                      \
            switch (shape_##T(w, op)) {                                                                                \
            case 1:                                                                                                    \
                for (int h = 0; h < 32; h += 16) {                                                                     \
                    uint64_t row = 0, same = 0;                                                                        \
                    _Pragma("GCC unroll 1") for (int i = 0; i < 16; i++) {                                             \
                        row |= a[h + i] - a[h] - (uint64_t)i * sizeof(T);                                              \
                        same |= a[h + i] ^ a[h];                                                                       \
                    }                                                                                                  \
                    const T *p = (const T *)(a[h] + (uint64_t)op->imm);                                                \
                    if (!row)                                                                                          \
                        memcpy(d + h, p, sizeof(T) * 16);                                                              \
                    else if (!same) {                                                                                  \
                        T v = *p;                                                                                      \
                        for (int i = 0; i < 16; i++)                                                                   \
                            d[h + i] = v;                                                                              \
                    } else                                                                                             \
                        for (int i = 0; i < 16; i++)                                                                   \
                            d[h + i] = *(const T *)(a[h + i] + (uint64_t)op->imm);                                     \
                }                                                                                                      \
                return op + 1;                                                                                         \
            case 2:                                                                                                    \
                memcpy(d, (const void *)(a[0] + (uint64_t)op->imm), sizeof(T) * 32);                                   \
                return op + 1;                                                                                         \
            case 3: {                                                                                                  \
                T v = *(const T *)(a[0] + (uint64_t)op->imm);                                                          \
                SG_LANES(i) d[i] = v;                                                                                  \
                return op + 1;                                                                                         \
            }                                                                                                          \
            }                                                                                                          \
        }                                                                                                              \
        SG_ACTIVE(i, m) d[i] = *place_##T(w, op, i);                                                                   \
        return op + 1;                                                                                                 \
    }                                                                                                                  \
    HANDLER(st_##T) {                                                                                                  \
        const T *b = (const T *)(w->R + op->b);                                                                        \
        uint32_t m = w->exec;                                                                                          \
        w->pc = op;                                                                                                    \
        if (__builtin_expect(m == UINT32_MAX, 1)) {                                                                    \
            const uint64_t *a = VEC(uint64_t, a);                                                                      \
            int shape = shape_##T(w, op);                                                                              \
            if (shape == 2) {                                                                                          \
                memcpy((void *)(a[0] + (uint64_t)op->imm), b, sizeof(T) * 32);                                         \
                return op + 1;                                                                                         \
            }                                                                                                          \
            if (shape) {                                                                                               \
                SG_LANES(i) * (T *)(a[i] + (uint64_t)op->imm) = b[i];                                                  \
                return op + 1;                                                                                         \
            }                                                                                                          \
        }                                                                                                              \
        SG_ACTIVE(i, m) * place_##T(w, op, i) = b[i];                                                                  \
        return op + 1;                                                                                                 \
    }                                                                                                                  \
    static inline int shape_shared_##T(const struct warp *w, const struct op *op) {                                    \
        const uint32_t *a = VEC(uint32_t, a);                                                                          \
        uint32_t first = a[0], bad = 0, row = 0, same = 0;                                                             \
        if (w->shared_size < sizeof(T)) return 0;                                                                      \
        uint32_t last = (uint32_t)(w->shared_size - sizeof(T));                                                        \
        SG_LANES(i) {                                                                                                  \
            uint32_t x = a[i], y = x + (uint32_t)op->imm;                                                              \
            bad |= (uint32_t)(y > last) | (y & (sizeof(T) - 1));                                                       \
            row |= x - first - (uint32_t)i * (uint32_t)sizeof(T);                                                      \
            same |= x ^ first;                                                                                         \
        }                                                                                                              \
        return bad ? 0 : !row ? 2 : !same ? 3 : 1;                                                                     \
    }                                                                                                                  \
    HANDLER(ld_shared_##T) {                                                                                           \
        T *d = (T *)(w->R + op->d);                                                                                    \
        if (__builtin_expect(w->exec == UINT32_MAX, 1)) {                                                              \
            const uint32_t *a = VEC(uint32_t, a);                                                                      \
            const uint8_t *base = w->shared;                                                                           \
            uint32_t imm = (uint32_t)op->imm;                                                                          \
            switch (shape_shared_##T(w, op)) {                                                                         \
            case 1:                                                                                                    \
                for (int h = 0; h < 32; h += 16) {                                                                     \
                    uint32_t row = 0, same = 0;                                                                        \
                    _Pragma("GCC unroll 1") for (int i = 0; i < 16; i++) {                                             \
                        row |= a[h + i] - a[h] - (uint32_t)i * (uint32_t)sizeof(T);                                    \
                        same |= a[h + i] ^ a[h];                                                                       \
                    }                                                                                                  \
                    const T *p = (const T *)(base + (uint32_t)(a[h] + imm));                                           \
                    if (!row)                                                                                          \
                        memcpy(d + h, p, sizeof(T) * 16);                                                              \
                    else if (!same) {                                                                                  \
                        T v = *p;                                                                                      \
                        for (int i = 0; i < 16; i++)                                                                   \
                            d[h + i] = v;                                                                              \
                    } else                                                                                             \
                        for (int i = 0; i < 16; i++)                                                                   \
                            d[h + i] = *(const T *)(base + (uint32_t)(a[h + i] + imm));                                \
                }                                                                                                      \
                return op + 1;                                                                                         \
            case 2:                                                                                                    \
                memcpy(d, base + (uint32_t)(a[0] + imm), sizeof(T) * 32);                                              \
                return op + 1;                                                                                         \
            case 3: {                                                                                                  \
                T v = *(const T *)(base + (uint32_t)(a[0] + imm));                                                     \
                SG_LANES(i) d[i] = v;                                                                                  \
                return op + 1;                                                                                         \
            }                                                                                                          \
            }                                                                                                          \
        }                                                                                                              \
        SG_ACTIVE(i, w->exec) d[i] = *place_shared_##T(w, op, i);                                                      \
        return op + 1;                                                                                                 \
    }                                                                                                                  \
    HANDLER(st_shared_##T) {                                                                                           \
        const T *b = (const T *)(w->R + op->b);                                                                        \
        if (w->exec == UINT32_MAX && shape_shared_##T(w, op) == 2)                                                     \
            memcpy(w->shared + (uint32_t)(VEC(uint32_t, a)[0] + (uint32_t)op->imm), b, sizeof(T) * 32);                \
        else                                                                                                           \
            SG_ACTIVE(i, w->exec) * place_shared_##T(w, op, i) = b[i];                                                 \
        return op + 1;                                                                                                 \
    }                                                                                                                  \
    HANDLER(ld_local_##T) {                                                                                            \
        T *d = (T *)(w->R + op->d);                                                                                    \
        SG_ACTIVE(i, w->exec) d[i] = *place_local_##T(w, op, i);                                                       \
        return op + 1;                                                                                                 \
    }                                                                                                                  \
    HANDLER(st_local_##T) {                                                                                            \
        const T *b = (const T *)(w->R + op->b);                                                                        \
        SG_ACTIVE(i, w->exec) * place_local_##T(w, op, i) = b[i];                                                      \
        return op + 1;                                                                                                 \
    }
PLAIN(uint8_t)
PLAIN(uint16_t)
PLAIN(uint32_t)
PLAIN(uint64_t)
PLAIN(u128)
PLAIN(u256)

// A kernel's parameters: the same for all lanes unless indexed by a register. The buffer is a copy
// of this launch's own; its bounds were checked when decoding if there is no register (n == 0).
HANDLER(ld_params) {
    const struct launch *launch = w->blk->launch;
    unsigned bytes = op->d2;
    const uint64_t *a = VEC(uint64_t, a);
    SG_ACTIVE(i, w->exec) {
        uint64_t at = (uint64_t)op->imm + (op->n ? a[i] : 0);
        if (at > launch->param_bytes || launch->param_bytes - at < bytes)
            sg_raise(w, op, SG_FAULT_ADDRESS, i, at, "address outside the kernel's parameters");
        memcpy(w->R + op->d + i * bytes, launch->params + at, bytes);
    }
    return op + 1;
}
#define PARAM(T)                                                                                                       \
    HANDLER(ld_param_##T) {                                                                                            \
        T *d = VEC(T, d), v;                                                                                           \
        memcpy(&v, w->blk->launch->params + op->imm, sizeof v);                                                        \
        if (w->exec == w->f->live)                                                                                     \
            SG_LANES(i) d[i] = v;                                                                                      \
        else                                                                                                           \
            SG_ACTIVE(i, w->exec) d[i] = v;                                                                            \
        return op + 1;                                                                                                 \
    }
PARAM(uint32_t)
PARAM(uint64_t)

// Between the lane-major bytes of vector or narrow accesses and registers.
// d: register of c bytes; a: buffer of n bytes per lane; imm: byte offset there; d2: element bytes,
// with bit 7 for sign extension.
HANDLER(spread) {
    unsigned element = op->d2 & 0x7f, wide = op->c, unit = op->n;
    const uint8_t *a = w->R + op->a + op->imm;
    uint8_t *d = w->R + op->d;
    if (element == 4 && wide == 4) {
        SG_ACTIVE(i, w->exec) memcpy(d + i * 4, a + i * unit, 4);
        return op + 1;
    }
    if (element == 8 && wide == 8) {
        SG_ACTIVE(i, w->exec) memcpy(d + i * 8, a + i * unit, 8);
        return op + 1;
    }
    SG_ACTIVE(i, w->exec) {
        u128 v = 0;
        memcpy(&v, a + i * unit, element);
        if (op->d2 & 0x80) {
            unsigned shift = 64 - element * 8;
            v = (u128)(__int128)((int64_t)((uint64_t)v << shift) >> shift);
        }
        memcpy(d + i * wide, &v, wide);
    }
    return op + 1;
}

// The other way: d: buffer of n bytes per lane at imm; b: register of c bytes; d2: element bytes.
HANDLER(gather) {
    unsigned element = op->d2, wide = op->c, unit = op->n;
    const uint8_t *b = w->R + op->b;
    uint8_t *d = w->R + op->d + op->imm;
    SG_LANES(i) memcpy(d + (unsigned)i * unit, b + (unsigned)i * wide, element);
    return op + 1;
}

#define SIX(f)                                                                                                         \
    { f##_uint8_t, f##_uint16_t, f##_uint32_t, f##_uint64_t, f##_u128, f##_u256 }
const struct memory_ops {
    sg_handler ld[6], st[6], ld_shared[6], st_shared[6], ld_local[6], st_local[6];
    sg_handler ld_params, ld_param4, ld_param8, spread, gather;
} SG_ISA_NAME(sg_memory_ops) = {
    SIX(ld),   SIX(st),           SIX(ld_shared),    SIX(st_shared), SIX(ld_local), SIX(st_local),
    ld_params, ld_param_uint32_t, ld_param_uint64_t, spread,         gather,
};
