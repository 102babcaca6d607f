// Single and double precision: arithmetic, minimum and maximum, flushing, saturation.
//
// Rounding directions other than to nearest are set in the processor's control register by an op of
// their own before the arithmetic and taken back by one behind it.
#include "ops.h"

#include <math.h>
#include <immintrin.h>

#define FLOAT(T, N, CANON)                                                                                             \
    BINARY(add_##N, T, T, T, CANON(x + y))                                                                             \
    BINARY(sub_##N, T, T, T, CANON(x - y))                                                                             \
    BINARY(mul_##N, T, T, T, CANON(x *y))                                                                              \
    BINARY(div_##N, T, T, T, CANON(x / y))
static inline double same(double x) {
    return x;
}
FLOAT(float, f32, sg_canon)
FLOAT(double, f64, same)
TERNARY(fma_f32, float, float, float, float, sg_canon(__builtin_fmaf(x, y, z)))
TERNARY(fma_f64, double, double, double, double, __builtin_fma(x, y, z))
UNARY(rcp_f32, float, float, sg_canon(1.0f / x))
UNARY(rcp_f64, double, double, 1.0 / x)
UNARY(sqrt_f32, float, float, sg_canon(__builtin_sqrtf(x)))
UNARY(sqrt_f64, double, double, __builtin_sqrt(x))
UNARY(neg_f32, uint32_t, uint32_t, x ^ 0x80000000u)
UNARY(neg_f64, uint64_t, uint64_t, x ^ (uint64_t)1 << 63)
UNARY(abs_f32, uint32_t, uint32_t, x & 0x7fffffffu)
UNARY(abs_f64, uint64_t, uint64_t, x & ~((uint64_t)1 << 63))
BINARY(copysign_f32, uint32_t, uint32_t, uint32_t, (y & 0x7fffffffu) | (x & 0x80000000u))
BINARY(copysign_f64, uint64_t, uint64_t, uint64_t, (y & ~((uint64_t)1 << 63)) | (x & (uint64_t)1 << 63))

// Two packed single values.
static inline uint64_t two(float lo, float hi) {
    return sg_u32(sg_canon(lo)) | (uint64_t)sg_u32(sg_canon(hi)) << 32;
}
#define LO(v) sg_f32((uint32_t)(v))
#define HI(v) sg_f32((uint32_t)((v) >> 32))
BINARY(add_f32x2, uint64_t, uint64_t, uint64_t, two(LO(x) + LO(y), HI(x) + HI(y)))
BINARY(sub_f32x2, uint64_t, uint64_t, uint64_t, two(LO(x) - LO(y), HI(x) - HI(y)))
BINARY(mul_f32x2, uint64_t, uint64_t, uint64_t, two(LO(x) * LO(y), HI(x) * HI(y)))
TERNARY(fma_f32x2, uint64_t, uint64_t, uint64_t, uint64_t,
        two(__builtin_fmaf(LO(x), LO(y), LO(z)), __builtin_fmaf(HI(x), HI(y), HI(z))))

// -0 is less than +0; a NaN loses against a number.
static inline float min32(float x, float y) {
    float r = x < y ? x : y;
    if (x == y) r = sg_f32(sg_u32(x) | sg_u32(y));
    r = x != x ? y : r;
    return sg_canon(y != y ? x : r);
}
static inline float max32(float x, float y) {
    float r = x > y ? x : y;
    if (x == y) r = sg_f32(sg_u32(x) & sg_u32(y));
    r = x != x ? y : r;
    return sg_canon(y != y ? x : r);
}
static inline double min64(double x, double y) {
    double r = x < y ? x : y;
    if (x == y) r = sg_f64(sg_u64(x) | sg_u64(y));
    r = x != x ? y : r;
    return y != y ? x : r;
}
static inline double max64(double x, double y) {
    double r = x > y ? x : y;
    if (x == y) r = sg_f64(sg_u64(x) & sg_u64(y));
    r = x != x ? y : r;
    return y != y ? x : r;
}
static inline float nan_of(float x, float y, float r) {
    return x != x || y != y ? sg_f32(0x7fffffff) : r;
}
// .xorsign.abs: of the magnitudes, with the sign of the product.
static inline float signed_like(float x, float y, float r) {
    return sg_f32((sg_u32(r) & 0x7fffffff) | ((sg_u32(x) ^ sg_u32(y)) & 0x80000000u));
}
BINARY(min_f32, float, float, float, min32(x, y))
BINARY(max_f32, float, float, float, max32(x, y))
BINARY(min_f64, double, double, double, min64(x, y))
BINARY(max_f64, double, double, double, max64(x, y))
#define ABS(x) __builtin_fabsf(x)
#define EXTREME(N)                                                                                                     \
    static inline float N##_nan(float x, float y) {                                                                    \
        return nan_of(x, y, N##32(x, y));                                                                              \
    }                                                                                                                  \
    BINARY(N##nan_f32, float, float, float, N##_nan(x, y))                                                             \
    BINARY(N##xs_f32, float, float, float, signed_like(x, y, N##32(ABS(x), ABS(y))))                                   \
    BINARY(N##nanxs_f32, float, float, float, nan_of(x, y, signed_like(x, y, N##32(ABS(x), ABS(y)))))                  \
    TERNARY(N##3_f32, float, float, float, float, N##32(N##32(x, y), z))                                               \
    TERNARY(N##3abs_f32, float, float, float, float, N##32(N##32(ABS(x), ABS(y)), ABS(z)))                             \
    TERNARY(N##3nan_f32, float, float, float, float, N##_nan(N##_nan(x, y), z))                                        \
    TERNARY(N##3nanabs_f32, float, float, float, float, N##_nan(N##_nan(ABS(x), ABS(y)), ABS(z)))
EXTREME(min)
EXTREME(max)

static inline bool nan32(uint32_t x) {
    return (x & 0x7fffffff) > 0x7f800000;
}
static inline bool nan64(uint64_t x) {
    return (x & ~((uint64_t)1 << 63)) > (uint64_t)0x7ff << 52;
}
#define TESTP(name, T, cond)                                                                                           \
    HANDLER(testp_##name) {                                                                                            \
        const T *a = VEC(T, a);                                                                                        \
        uint32_t m = 0;                                                                                                \
        SG_LANES(i) {                                                                                                  \
            T x = a[i];                                                                                                \
            m |= (uint32_t)(cond) << i;                                                                                \
        }                                                                                                              \
        PRED(d) = m;                                                                                                   \
        return op + 1;                                                                                                 \
    }
#define E32 (x >> 23 & 0xff)
#define E64 (x >> 52 & 0x7ff)
TESTP(finite_f32, uint32_t, E32 != 0xff)
TESTP(finite_f64, uint64_t, E64 != 0x7ff)
TESTP(infinite_f32, uint32_t, x << 1 == 0xff000000u)
TESTP(infinite_f64, uint64_t, x << 1 == (uint64_t)0x7ff << 53)
TESTP(number_f32, uint32_t, !nan32(x))
TESTP(number_f64, uint64_t, !nan64(x))
TESTP(nan_f32, uint32_t, nan32(x))
TESTP(nan_f64, uint64_t, nan64(x))
// Zeros count as normal here, as the PTX ISA says.
TESTP(normal_f32, uint32_t, (E32 != 0 || x << 1 == 0) && E32 != 0xff)
TESTP(normal_f64, uint64_t, (E64 != 0 || x << 1 == 0) && E64 != 0x7ff)
TESTP(subnormal_f32, uint32_t, E32 == 0 && x << 1)
TESTP(subnormal_f64, uint64_t, E64 == 0 && x << 1)

// ---- set: 0xffffffff or 1.0 by a comparison; setp's result is in a predicate slot, so done here

static inline bool compare(double x, double y, enum sg_cmp cmp) {
    switch (cmp) {
    case SG_EQ:
        return x == y;
    case SG_NE:
        return x < y || x > y;
    case SG_LT:
    case SG_LO:
        return x < y;
    case SG_LE:
    case SG_LS:
        return x <= y;
    case SG_GT:
    case SG_HI:
        return x > y;
    case SG_GE:
    case SG_HS:
        return x >= y;
    case SG_EQU:
        return !(x < y || x > y);
    case SG_NEU:
        return x != y;
    case SG_LTU:
        return !(x >= y);
    case SG_LEU:
        return !(x > y);
    case SG_GTU:
        return !(x <= y);
    case SG_GEU:
        return !(x < y);
    case SG_NUM:
        return x == x && y == y;
    case SG_NAN:
        return x != x || y != y;
    default:
        return false;
    }
}
static inline bool compare_int(int64_t x, int64_t y, bool sgn, enum sg_cmp cmp) {
    bool less = sgn ? x < y : (uint64_t)x < (uint64_t)y;
    switch (cmp) {
    case SG_EQ:
        return x == y;
    case SG_NE:
        return x != y;
    case SG_LT:
    case SG_LO:
        return less;
    case SG_LE:
    case SG_LS:
        return less || x == y;
    case SG_GT:
    case SG_HI:
        return !less && x != y;
    case SG_GE:
    case SG_HS:
        return !less;
    default:
        return false;
    }
}
static bool compare_as(const uint8_t *a, const uint8_t *b, enum sg_type t, enum sg_cmp cmp) {
    uint64_t x = 0, y = 0;
    unsigned bytes = sg_type_bytes(t);
    memcpy(&x, a, bytes);
    memcpy(&y, b, bytes);
    switch (t) {
    case SG_F32:
        return compare(sg_f32((uint32_t)x), sg_f32((uint32_t)y), cmp);
    case SG_F64:
        return compare(sg_f64(x), sg_f64(y), cmp);
    case SG_F16:
        return compare(sg_from_f16((uint16_t)x), sg_from_f16((uint16_t)y), cmp);
    case SG_BF16:
        return compare(sg_from_bf16((uint16_t)x), sg_from_bf16((uint16_t)y), cmp);
    default:
        break;
    }
    unsigned shift = 64 - bytes * 8;
    bool sgn = sg_type_is_signed(t);
    if (sgn) x = (uint64_t)((int64_t)(x << shift) >> shift), y = (uint64_t)((int64_t)(y << shift) >> shift);
    return compare_int((int64_t)x, (int64_t)y, sgn, cmp);
}
static uint64_t truth(enum sg_type t) {
    switch (t) {
    case SG_F32:
        return 0x3f800000;
    case SG_F16:
        return 0x3c00;
    case SG_BF16:
        return 0x3f80;
    case SG_U16:
    case SG_S16:
        return 0xffff;
    default:
        return 0xffffffff;
    }
}
static bool combined(bool t, bool q, enum sg_boolop how) {
    switch (how) {
    case SG_BOOL_AND:
        return t & q;
    case SG_BOOL_OR:
        return t | q;
    case SG_BOOL_XOR:
        return t ^ q;
    default:
        return t;
    }
}

// imm: enum sg_cmp.
HANDLER(set_any) {
    const struct form *form = &op->form;
    bool pair = form->type2 == SG_F16X2 || form->type2 == SG_BF16X2;
    enum sg_type from = form->type2 == SG_F16X2 ? SG_F16 : form->type2 == SG_BF16X2 ? SG_BF16 : form->type2;
    enum sg_type to = form->type == SG_F16X2 ? SG_F16 : form->type == SG_BF16X2 ? SG_BF16 : form->type;
    if (pair && sg_type_bytes(to) == 4) to = SG_U16; // both halves of a .u32
    unsigned sb = sg_type_bytes(form->type2), db = sg_type_bytes(form->type);
    uint32_t p = op->n > 2 ? PRED(c) : 0;
    SG_LANES(i) {
        uint64_t r = 0;
        for (int h = 0; h <= pair; h++) {
            bool t = compare_as(w->R + op->a + (unsigned)i * sb + h * 2, w->R + op->b + (unsigned)i * sb + h * 2, from,
                                (enum sg_cmp)op->imm);
            if (combined(t, p >> i & 1, form->detail)) r |= truth(to) << h * 16;
        }
        memcpy(w->R + op->d + (unsigned)i * db, &r, db);
    }
    return op + 1;
}

// ---- before and after ---------------------------------------------------------------------------

UNARY(flush_f32, uint32_t, uint32_t, x & 0x7f800000 ? x : x & 0x80000000u)
UNARY(flush_f64, uint64_t, uint64_t, x &(uint64_t)0x7ff << 52 ? x : x & (uint64_t)1 << 63)
UNARY(sat_f32, float, float, x > 0 ? x < 1 ? x : 1.0f : 0.0f)
UNARY(sat_f64, double, double, x > 0 ? x < 1 ? x : 1.0 : 0.0)
UNARY(relu_f32, float, float, x != x ? x : x > 0 ? x : 0.0f)

HANDLER(set_rounding) {
    static const uint32_t bits[] = {[SG_RN] = 0, [SG_RM] = 1, [SG_RP] = 2, [SG_RZ] = 3};
    _mm_setcsr((_mm_getcsr() & ~0x6000u) | bits[op->n] << 13);
    (void)w;
    return op + 1;
}

#define PAIR64(f)                                                                                                      \
    { f##_f32, f##_f64 }
static const sg_handler rows[SG_OP_COUNT][2] = {
    [SG_OP_ADD] = PAIR64(add),           [SG_OP_SUB] = PAIR64(sub), [SG_OP_MUL] = PAIR64(mul),
    [SG_OP_MAD] = PAIR64(fma),           [SG_OP_FMA] = PAIR64(fma), [SG_OP_NEG] = PAIR64(neg),
    [SG_OP_ABS] = PAIR64(abs),           [SG_OP_MIN] = PAIR64(min), [SG_OP_MAX] = PAIR64(max),
    [SG_OP_COPYSIGN] = PAIR64(copysign),
};
static const sg_handler exact[SG_OP_COUNT][2] = {
    [SG_OP_DIV] = PAIR64(div),
    [SG_OP_RCP] = PAIR64(rcp),
    [SG_OP_SQRT] = PAIR64(sqrt),
};
static const sg_handler tests[][2] = {
    [SG_TESTP_FINITE] = PAIR64(testp_finite), [SG_TESTP_INFINITE] = PAIR64(testp_infinite),
    [SG_TESTP_NUMBER] = PAIR64(testp_number), [SG_TESTP_NOTANUMBER] = PAIR64(testp_nan),
    [SG_TESTP_NORMAL] = PAIR64(testp_normal), [SG_TESTP_SUBNORMAL] = PAIR64(testp_subnormal),
};

static sg_handler pick_extreme(const struct sg_insn *insn) {
    // Of two or of three; also of magnitudes; a NaN loses or wins.
    static const sg_handler min[2][2][2] = {{{min_f32, minnan_f32}, {minxs_f32, minnanxs_f32}},
                                            {{min3_f32, min3nan_f32}, {min3abs_f32, min3nanabs_f32}}};
    static const sg_handler max[2][2][2] = {{{max_f32, maxnan_f32}, {maxxs_f32, maxnanxs_f32}},
                                            {{max3_f32, max3nan_f32}, {max3abs_f32, max3nanabs_f32}}};
    bool three = insn->nsrc == 3, nan = insn->flags & SG_F_NAN;
    bool magnitudes = insn->flags & (three ? SG_F_ABS : SG_F_XORSIGN_ABS);
    return (insn->op == SG_OP_MIN ? min : max)[three][magnitudes][nan];
}

sg_handler SG_ISA_NAME(sg_pick_floating)(const struct sg_insn *insn, const struct sg_function *fn) {
    (void)fn;
    if (insn->op == SG_OP_SET) return set_any;
    if (insn->type == SG_F32X2) {
        if (insn->rnd > SG_RN) return NULL;
        return insn->op == SG_OP_ADD   ? add_f32x2
               : insn->op == SG_OP_SUB ? sub_f32x2
               : insn->op == SG_OP_MUL ? mul_f32x2
               : insn->op == SG_OP_FMA ? fma_f32x2
                                       : NULL;
    }
    if (insn->type != SG_F32 && insn->type != SG_F64) return NULL;
    bool big = insn->type == SG_F64;
    if (insn->op == SG_OP_TESTP) return tests[insn->mode][big];
    if (!big && (insn->op == SG_OP_MIN || insn->op == SG_OP_MAX)) return pick_extreme(insn);
    if (exact[insn->op][big]) {
        // Approximate quotients and roots of single precision may as well be right; rcp.approx.f64
        // is something else.
        if (big && (insn->flags & SG_F_APPROX)) return NULL;
        return exact[insn->op][big];
    }
    return rows[insn->op][big];
}

const sg_handler SG_ISA_NAME(sg_posts)[6] = {flush_f32, flush_f64, sat_f32, sat_f64, relu_f32, set_rounding};
