// What the instruction files share. They are compiled once per instruction set (SG_ISA); everything
// in them is static except the picker at the end of each.
#ifndef SOFTGPU_EXEC_OPS_H
#define SOFTGPU_EXEC_OPS_H

#include "table.h"
#include "warp.h"

#include <string.h>

#ifndef SG_ISA
#define SG_ISA baseline
#endif
#define SG_PASTE2(a, b) a##_##b
#define SG_PASTE(a, b) SG_PASTE2(a, b)
#define SG_ISA_NAME(name) SG_PASTE(name, SG_ISA)

// Decoding asks the pickers in turn. What one handler cannot do alone (rounding direction, flushing,
// saturation, blending) is done by further ones before and after it.
typedef sg_handler (*sg_picker)(const struct sg_insn *insn, const struct sg_function *fn);

struct isa_ops {
    const char *name;
    sg_picker integer, floating, half, logic, convert, math, atomic, warp, matrix;
    sg_handler blend[5]; // 1 2 4 8 16 bytes
    sg_handler blend_pred;
    sg_handler copy[5];
    sg_handler flush32, flush64, sat32, sat64, sat16, satb16, relu32, relu16, relub16, relu_s32, relu_s16x2;
    sg_handler set_rounding; // n: enum sg_rnd; SG_RN restores
};

#define SG_PICKERS(isa)                                                                                                \
    sg_handler sg_pick_integer_##isa(const struct sg_insn *, const struct sg_function *);                              \
    sg_handler sg_pick_floating_##isa(const struct sg_insn *, const struct sg_function *);                             \
    sg_handler sg_pick_half_##isa(const struct sg_insn *, const struct sg_function *);                                 \
    sg_handler sg_pick_logic_##isa(const struct sg_insn *, const struct sg_function *);                                \
    sg_handler sg_pick_convert_##isa(const struct sg_insn *, const struct sg_function *);                              \
    sg_handler sg_pick_math_##isa(const struct sg_insn *, const struct sg_function *);                                 \
    sg_handler sg_pick_warp_##isa(const struct sg_insn *, const struct sg_function *);                                 \
    sg_handler sg_pick_matrix_##isa(const struct sg_insn *, const struct sg_function *);                               \
    extern struct isa_ops sg_ops_table_##isa;
SG_PICKERS(baseline)
SG_PICKERS(avx2)
SG_PICKERS(avx512)
// tables.c
const struct isa_ops *sg_ops_table(enum sg_isa isa);
sg_handler sg_pick_atomic(const struct sg_insn *, const struct sg_function *);

#define HANDLER(name) static const struct op *name(struct warp *w, const struct op *op)
#define SLOT(T, field) ((T *)__builtin_assume_aligned(w->R + op->field, 4))
#define VEC(T, field) ((T *)__builtin_assume_aligned(w->R + op->field, sizeof(T) * 32 < 64 ? sizeof(T) * 32 : 64))
#define PRED(field) (*(uint32_t *)(w->R + op->field))

// d = expr(x), (x, y), (x, y, z), lane by lane. A register may be both source and destination; the
// lanes are independent, so that no order of loads and stores can matter.
#define UNARY(name, TD, TA, expr)                                                                                      \
    HANDLER(name) {                                                                                                    \
        TD *restrict d = VEC(TD, d);                                                                                   \
        const TA *restrict a = VEC(TA, a);                                                                             \
        SG_LANES(i) {                                                                                                  \
            TA x = a[i];                                                                                               \
            d[i] = (TD)(expr);                                                                                         \
        }                                                                                                              \
        return op + 1;                                                                                                 \
    }
#define BINARY(name, TD, TA, TB, expr)                                                                                 \
    HANDLER(name) {                                                                                                    \
        TD *restrict d = VEC(TD, d);                                                                                   \
        const TA *restrict a = VEC(TA, a);                                                                             \
        const TB *restrict b = VEC(TB, b);                                                                             \
        SG_LANES(i) {                                                                                                  \
            TA x = a[i];                                                                                               \
            TB y = b[i];                                                                                               \
            d[i] = (TD)(expr);                                                                                         \
        }                                                                                                              \
        return op + 1;                                                                                                 \
    }
#define TERNARY(name, TD, TA, TB, TC, expr)                                                                            \
    HANDLER(name) {                                                                                                    \
        TD *restrict d = VEC(TD, d);                                                                                   \
        const TA *restrict a = VEC(TA, a);                                                                             \
        const TB *restrict b = VEC(TB, b);                                                                             \
        const TC *restrict c = VEC(TC, c);                                                                             \
        SG_LANES(i) {                                                                                                  \
            TA x = a[i];                                                                                               \
            TB y = b[i];                                                                                               \
            TC z = c[i];                                                                                               \
            d[i] = (TD)(expr);                                                                                         \
        }                                                                                                              \
        return op + 1;                                                                                                 \
    }

static inline float sg_f32(uint32_t bits) {
    float f;
    memcpy(&f, &bits, 4);
    return f;
}
static inline uint32_t sg_u32(float f) {
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return bits;
}
static inline double sg_f64(uint64_t bits) {
    double f;
    memcpy(&f, &bits, 8);
    return f;
}
static inline uint64_t sg_u64(double f) {
    uint64_t bits;
    memcpy(&bits, &f, 8);
    return bits;
}
// Single precision arithmetic makes one NaN only.
static inline float sg_canon(float f) {
    return f != f ? sg_f32(0x7fffffff) : f;
}
static inline uint32_t sg_first(uint32_t mask) {
    return mask ? (uint32_t)__builtin_ctz(mask) : 0;
}
static inline float sg_from_bf16(uint16_t h) {
    return sg_f32((uint32_t)h << 16);
}
static inline uint16_t sg_to_bf16(float f) {
    uint32_t u = sg_u32(f);
    if (f != f) return 0x7fff;
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
static inline float sg_from_f16(uint16_t h) {
    _Float16 v;
    memcpy(&v, &h, 2);
    return (float)v;
}
static inline uint16_t sg_to_f16(float f) {
    if (f != f) return 0x7fff;
    _Float16 v = (_Float16)f;
    uint16_t h;
    memcpy(&h, &v, 2);
    return h;
}

#endif
