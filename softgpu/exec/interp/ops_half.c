// f16 and bf16, single and in pairs.
//
// Sums, differences and products of halves are right when made in single precision and rounded once
// more. fma needs a double whose last bit remembers what was lost (rounding to odd).
#include "round.h"

#include <math.h>

typedef uint16_t u16;
typedef uint32_t u32;

static double odd_fma(double x, double y, double z) {
    double p = x * y, s = p + z; // the product is exact
    if (s - s != 0) return s;
    double t = s - p, error = (p - (s - t)) + (z - t);
    uint64_t u = sg_u64(s);
    if (error != 0 && !(u & 1)) u += ((error > 0) == (s > 0)) ? 1 : (uint64_t)-1;
    if (s == 0) return s;
    return sg_f64(u);
}

static inline u16 pack_double(double v, bool b) {
    if (v != v) return 0x7fff;
    u16 sign = signbit(v) ? 0x8000 : 0;
    if (isinf(v)) return sign | (b ? 0x7f80 : 0x7c00);
    return sign | (u16)sg_round_double(v, b ? &sg_fmt_bf16 : &sg_fmt_f16, SG_RN, false);
}

#define GET(b, h) ((b) ? sg_from_bf16(h) : sg_from_f16(h))
#define PUT(b, f) ((b) ? sg_to_bf16(f) : sg_to_f16(f))

static inline float least(float x, float y, bool min) {
    if (x != x) return y;
    if (y != y) return x;
    if (x == y) return min ? sg_f32(sg_u32(x) | sg_u32(y)) : sg_f32(sg_u32(x) & sg_u32(y));
    return (x < y) == min ? x : y;
}

static inline u16 flush16(u16 h, bool on) {
    return on && !(h & 0x7c00) ? h & 0x8000 : h;
}

static inline __attribute__((always_inline)) u16 compute(enum sg_op what, uint32_t flags, u16 x, u16 y, u16 z, bool b) {
    bool ftz = (flags & SG_F_FTZ) && !b;
    x = flush16(x, ftz), y = flush16(y, ftz), z = flush16(z, ftz);
    float f = GET(b, x), g = GET(b, y), h = GET(b, z);
    u16 r;
    switch (what) {
    case SG_OP_ADD:
        r = PUT(b, f + g);
        break;
    case SG_OP_SUB:
        r = PUT(b, f - g);
        break;
    case SG_OP_MUL:
        r = PUT(b, f * g);
        break;
    case SG_OP_FMA:
        r = f != f || g != g || h != h ? 0x7fff : pack_double(odd_fma(f, g, h), b);
        break;
    case SG_OP_NEG:
        r = x ^ 0x8000;
        break;
    case SG_OP_ABS:
        r = x & 0x7fff;
        break;
    case SG_OP_EX2:
        r = pack_double(exp2((double)f), b);
        break;
    case SG_OP_TANH:
        r = pack_double(tanh((double)f), b);
        break;
    case SG_OP_MIN:
    case SG_OP_MAX: {
        bool min = what == SG_OP_MIN, xs = flags & SG_F_XORSIGN_ABS;
        if ((flags & SG_F_NAN) && (f != f || g != g)) return 0x7fff;
        float m = xs ? least(fabsf(f), fabsf(g), min) : least(f, g, min);
        r = PUT(b, m);
        if (xs) r = (r & 0x7fff) | ((x ^ y) & 0x8000);
        break;
    }
    default:
        r = 0;
    }
    return flush16(r, ftz);
}

// n: how many sources there are.
static inline __attribute__((always_inline)) void half(struct warp *w, const struct op *op, enum sg_op what) {
    const struct form *form = &op->form;
    bool b = form->type == SG_BF16 || form->type == SG_BF16X2;
    bool pair = form->type == SG_F16X2 || form->type == SG_BF16X2;
    u16 *d = VEC(u16, d);
    const u16 *x = VEC(u16, a), *y = op->n > 1 ? VEC(u16, b) : x, *z = op->n > 2 ? VEC(u16, c) : x;
    for (int i = 0; i < (pair ? 64 : 32); i++)
        d[i] = compute(what, form->flags, x[i], y[i], z[i], b);
}
#define HALF(name, what)                                                                                               \
    HANDLER(half_##name) {                                                                                             \
        half(w, op, SG_OP_##what);                                                                                     \
        return op + 1;                                                                                                 \
    }
HALF(add, ADD)
HALF(sub, SUB)
HALF(mul, MUL)
HALF(fma, FMA)
HALF(neg, NEG)
HALF(abs, ABS)
HALF(ex2, EX2)
HALF(tanh, TANH)
HALF(min, MIN)
HALF(max, MAX)

#define FAST(name, expr)                                                                                               \
    HANDLER(name##_f16) {                                                                                              \
        int n = op->form.type == SG_F16X2 ? 64 : 32;                                                                   \
        u16 *d = VEC(u16, d);                                                                                          \
        const u16 *a = VEC(u16, a), *b = VEC(u16, b);                                                                  \
        for (int i = 0; i < n; i++) {                                                                                  \
            float x = sg_from_f16(a[i]), y = sg_from_f16(b[i]);                                                        \
            d[i] = sg_to_f16(expr);                                                                                    \
        }                                                                                                              \
        return op + 1;                                                                                                 \
    }
FAST(add, x + y)
FAST(sub, x - y)
FAST(mul, x *y)

static bool is_half(enum sg_type t) {
    return t == SG_F16 || t == SG_F16X2 || t == SG_BF16 || t == SG_BF16X2;
}

sg_handler SG_ISA_NAME(sg_pick_half)(const struct sg_insn *insn, const struct sg_function *fn) {
    (void)fn;
    if (!is_half(insn->type) || insn->rnd > SG_RN) return NULL;
    bool f16 = insn->type == SG_F16 || insn->type == SG_F16X2;
    bool plain = f16 && !(insn->flags & SG_F_FTZ);
    switch (insn->op) {
    case SG_OP_ADD:
        return plain ? add_f16 : half_add;
    case SG_OP_SUB:
        return plain ? sub_f16 : half_sub;
    case SG_OP_MUL:
        return plain ? mul_f16 : half_mul;
    case SG_OP_MIN:
        return insn->nsrc == 2 ? half_min : NULL;
    case SG_OP_MAX:
        return insn->nsrc == 2 ? half_max : NULL;
    case SG_OP_FMA:
        return half_fma;
    case SG_OP_NEG:
        return half_neg;
    case SG_OP_ABS:
        return half_abs;
    case SG_OP_EX2:
        return half_ex2;
    case SG_OP_TANH:
        return half_tanh;
    default:
        return NULL;
    }
}

// .sat and .relu of f16 and bf16, for one or a pair: register width decides.
#define POST(name, b, expr)                                                                                            \
    HANDLER(name) {                                                                                                    \
        u16 *d = VEC(u16, d);                                                                                          \
        int n = sg_type_bytes(op->form.type) == 4 ? 64 : 32;                                                           \
        for (int i = 0; i < n; i++) {                                                                                  \
            u16 h = d[i];                                                                                              \
            float x = GET(b, h);                                                                                       \
            d[i] = expr;                                                                                               \
        }                                                                                                              \
        return op + 1;                                                                                                 \
    }
POST(sat_f16, false, x > 0 ? x < 1 ? h : 0x3c00 : 0)
POST(sat_bf16, true, x > 0 ? x < 1 ? h : 0x3f80 : 0)
POST(relu_f16, false, x != x ? h : x > 0 ? h : 0)
POST(relu_bf16, true, x != x ? h : x > 0 ? h : 0)
const sg_handler SG_ISA_NAME(sg_half_posts)[4] = {sat_f16, sat_bf16, relu_f16, relu_bf16};
