// Integer arithmetic, shifts, comparison, selection, blending.
#include "ops.h"

typedef __int128 i128;
typedef unsigned __int128 u128;
typedef uint8_t u8;
typedef int8_t s8;
typedef uint16_t u16;
typedef int16_t s16;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;
typedef int64_t s64;

// ---- moving -------------------------------------------------------------------------------------

#define COPY(T)                                                                                                        \
    UNARY(copy_##T, T, T, x)                                                                                           \
    HANDLER(blend_##T) {                                                                                               \
        T *restrict d = VEC(T, d);                                                                                     \
        const T *restrict a = VEC(T, a);                                                                               \
        uint32_t m = w->exec;                                                                                          \
        SG_LANES(i) {                                                                                                  \
            T old = d[i], new = a[i];                                                                                  \
            d[i] = m >> i & 1 ? new : old;                                                                             \
        }                                                                                                              \
        return op + 1;                                                                                                 \
    }
COPY(u8)
COPY(u16)
COPY(u32)
COPY(u64)
COPY(u128)

HANDLER(blend_pred) {
    uint32_t m = w->exec;
    PRED(d) = (PRED(d) & ~m) | (PRED(a) & m);
    return op + 1;
}

// ---- arithmetic ---------------------------------------------------------------------------------

// Wraps: computed unsigned. Division by zero gives all ones, the remainder then is the dividend.
#define ARITH(U, S, W, SW)                                                                                             \
    BINARY(add_##U, U, U, U, x + y)                                                                                    \
    BINARY(sub_##U, U, U, U, x - y)                                                                                    \
    BINARY(mul_##U, U, U, U, (U)((W)x * (W)y))                                                                         \
    BINARY(mulhi_##U, U, U, U, (W)x *(W)y >> (sizeof(U) * 8))                                                          \
    BINARY(mulhi_##S, S, S, S, (SW)x *(SW)y >> (sizeof(U) * 8))                                                        \
    TERNARY(mad_##U, U, U, U, U, (U)((W)x * (W)y + z))                                                                 \
    TERNARY(madhi_##U, U, U, U, U, (U)((W)x * (W)y >> (sizeof(U) * 8)) + z)                                            \
    TERNARY(madhi_##S, U, S, S, U, (U)((SW)x * (SW)y >> (sizeof(U) * 8)) + z)                                          \
    BINARY(div_##U, U, U, U, y ? x / (y ? y : 1) : (U) ~(U)0)                                                          \
    BINARY(rem_##U, U, U, U, y ? x % (y ? y : 1) : x)                                                                  \
    BINARY(div_##S, U, S, S, y == 0 ? (U) ~(U)0 : y == -1 ? (U)(0 - (U)x) : (U)(x / (y == 0 || y == -1 ? 1 : y)))      \
    BINARY(rem_##S, U, S, S, y == 0 ? (U)x : y == -1 ? (U)0 : (U)(x % (y == 0 || y == -1 ? 1 : y)))                    \
    UNARY(neg_##S, U, U, (U)(0 - x))                                                                                   \
    UNARY(abs_##S, U, U, (S)x < 0 ? (U)(0 - x) : x)                                                                    \
    BINARY(min_##U, U, U, U, x < y ? x : y)                                                                            \
    BINARY(max_##U, U, U, U, x > y ? x : y)                                                                            \
    BINARY(min_##S, S, S, S, x < y ? x : y)                                                                            \
    BINARY(max_##S, S, S, S, x > y ? x : y)                                                                            \
    TERNARY(sad_##U, U, U, U, U, z + (x < y ? y - x : x - y))                                                          \
    TERNARY(sad_##S, U, S, S, U, z + (x < y ? (U)y - (U)x : (U)x - (U)y))                                              \
    BINARY(shl_##U, U, U, u32, y >= sizeof(U) * 8 ? 0 : (U)((W)x << (y & (sizeof(U) * 8 - 1))))                        \
    BINARY(shr_##U, U, U, u32, y >= sizeof(U) * 8 ? 0 : x >> (y & (sizeof(U) * 8 - 1)))                                \
    BINARY(shr_##S, S, S, u32, x >> (y >= sizeof(U) * 8 ? sizeof(U) * 8 - 1 : y))                                      \
    BINARY(and_##U, U, U, U, x &y)                                                                                     \
    BINARY(or_##U, U, U, U, x | y)                                                                                     \
    BINARY(xor_##U, U, U, U, x ^ y)                                                                                    \
    UNARY(not_##U, U, U, ~x)                                                                                           \
    UNARY(cnot_##U, U, U, x == 0)                                                                                      \
    HANDLER(selp_##U) {                                                                                                \
        U *restrict d = VEC(U, d);                                                                                     \
        const U *restrict a = VEC(U, a), *restrict b = VEC(U, b);                                                      \
        uint32_t p = PRED(c);                                                                                          \
        SG_LANES(i) {                                                                                                  \
            U x = a[i], y = b[i];                                                                                      \
            d[i] = p >> i & 1 ? x : y;                                                                                 \
        }                                                                                                              \
        return op + 1;                                                                                                 \
    }                                                                                                                  \
    TERNARY(slct_s_##U, U, U, U, s32, z >= 0 ? x : y)                                                                  \
    TERNARY(slct_f_##U, U, U, U, float, z >= 0 ? x : y)
ARITH(u16, s16, u32, s32)
ARITH(u32, s32, u64, s64)
ARITH(u64, s64, u128, i128)

BINARY(wide_u16, u32, u16, u16, (u32)x *y)
BINARY(wide_s16, s32, s16, s16, (s32)x *y)
BINARY(wide_u32, u64, u32, u32, (u64)x *y)
BINARY(wide_s32, s64, s32, s32, (s64)x *y)
TERNARY(madw_u16, u32, u16, u16, u32, (u32)x *y + z)
TERNARY(madw_s16, u32, s16, s16, u32, (u32)((s32)x *y) + z)
TERNARY(madw_u32, u64, u32, u32, u64, (u64)x *y + z)
TERNARY(madw_s32, u64, s32, s32, u64, (u64)((s64)x *y) + z)

static inline s32 clamp32(s64 v) {
    return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (s32)v;
}
BINARY(addsat_s32, s32, s32, s32, clamp32((s64)x + y))
BINARY(subsat_s32, s32, s32, s32, clamp32((s64)x - y))
TERNARY(madhisat_s32, s32, s32, s32, s32, clamp32(((s64)x * y >> 32) + z))

static inline s64 low24(u32 x, bool is_signed) {
    return is_signed ? (s32)(x << 8) >> 8 : (s64)(x & 0xffffff);
}
BINARY(mul24lo_u, u32, u32, u32, low24(x, false) * low24(y, false))
BINARY(mul24lo_s, u32, u32, u32, low24(x, true) * low24(y, true))
BINARY(mul24hi_u, u32, u32, u32, low24(x, false) * low24(y, false) >> 16)
BINARY(mul24hi_s, u32, u32, u32, low24(x, true) * low24(y, true) >> 16)
TERNARY(mad24lo_u, u32, u32, u32, u32, (u32)(low24(x, false) * low24(y, false)) + z)
TERNARY(mad24lo_s, u32, u32, u32, u32, (u32)(low24(x, true) * low24(y, true)) + z)
TERNARY(mad24hi_u, u32, u32, u32, u32, (u32)(low24(x, false) * low24(y, false) >> 16) + z)
TERNARY(mad24hi_s, u32, u32, u32, u32, (u32)(low24(x, true) * low24(y, true) >> 16) + z)
TERNARY(mad24hisat_s, s32, u32, u32, s32, clamp32((low24(x, true) * low24(y, true) >> 16) + z))

// Pairs of 16 bits.
#define PAIR(name, T, expr)                                                                                            \
    static inline u32 name##_(u32 p, u32 q) {                                                                          \
        T x = (T)p, y = (T)q;                                                                                          \
        u32 lo = (u16)(expr);                                                                                          \
        x = (T)(p >> 16), y = (T)(q >> 16);                                                                            \
        return lo | (u32)(u16)(expr) << 16;                                                                            \
    }                                                                                                                  \
    BINARY(name, u32, u32, u32, name##_(x, y))
PAIR(add2, u16, x + y)
PAIR(sub2, u16, x - y)
PAIR(min2u, u16, x < y ? x : y)
PAIR(max2u, u16, x > y ? x : y)
PAIR(min2s, s16, x < y ? x : y)
PAIR(max2s, s16, x > y ? x : y)

// .relu
static inline u32 relu2(u32 p) {
    s16 lo = (s16)p, hi = (s16)(p >> 16);
    return (u32)(u16)(lo > 0 ? lo : 0) | (u32)(u16)(hi > 0 ? hi : 0) << 16;
}
UNARY(relu_s32, s32, s32, x > 0 ? x : 0)
UNARY(relu_s16x2, u32, u32, relu2(x))

// ---- carries ------------------------------------------------------------------------------------

// The condition code is one carry bit per lane; .cc instructions set it for active lanes. Subtraction adds the
// complement, so that the bit means "no borrow" behind it: whoever reads it, addc or subc, takes it as it is. ptxas
// does the same whatever wrote it last; compilers read the borrow of a subtraction by addc.
#define CARRY(name, U, W, SUM, USES)                                                                                   \
    HANDLER(name##_##U) {                                                                                              \
        U *restrict d = VEC(U, d);                                                                                     \
        const U *a = VEC(U, a), *b = VEC(U, b), *c = VEC(U, c);                                                        \
        uint32_t in = w->carry, out = 0;                                                                               \
        (void)c;                                                                                                       \
        SG_LANES(i) {                                                                                                  \
            W k = USES ? in >> i & 1 : 0, x = a[i], y = b[i], z = 0;                                                   \
            (void)x, (void)y, (void)z, (void)k;                                                                        \
            W sum = SUM;                                                                                               \
            out |= (uint32_t)(sum >> (sizeof(U) * 8) & 1) << i;                                                        \
            d[i] = (U)sum;                                                                                             \
        }                                                                                                              \
        if (op->form.flags & SG_F_CC) w->carry = (in & ~w->exec) | (out & w->exec);                                    \
        return op + 1;                                                                                                 \
    }
#define CARRIES(U, S, W, SW)                                                                                           \
    CARRY(addcc, U, W, x + y, 0)                                                                                       \
    CARRY(addc, U, W, x + y + k, 1)                                                                                    \
    CARRY(subcc, U, W, x + (U)~y + 1, 0)                                                                               \
    CARRY(subc, U, W, x + (U)~y + k, 1)                                                                                \
    CARRY(madlocc, U, W, (W)(U)(x * y) + c[i], 0)                                                                      \
    CARRY(madloc, U, W, (W)(U)(x * y) + c[i] + k, 1)                                                                   \
    CARRY(madhicc, U, W, (x * y >> (sizeof(U) * 8)) + c[i], 0)                                                         \
    CARRY(madhic, U, W, (x * y >> (sizeof(U) * 8)) + c[i] + k, 1)                                                      \
    CARRY(madhiccs, U, W, (W)(U)((SW)(S)a[i] * (S)b[i] >> (sizeof(U) * 8)) + c[i], 0)                                  \
    CARRY(madhics, U, W, (W)(U)((SW)(S)a[i] * (S)b[i] >> (sizeof(U) * 8)) + c[i] + k, 1)
CARRIES(u32, s32, u64, s64)
CARRIES(u64, s64, u128, i128)

// ---- comparison ---------------------------------------------------------------------------------

static inline uint32_t combine(const struct warp *w, const struct op *op, uint32_t m) {
    switch (op->form.detail) {
    case SG_BOOL_AND:
        return m & PRED(c);
    case SG_BOOL_OR:
        return m | PRED(c);
    case SG_BOOL_XOR:
        return m ^ PRED(c);
    default:
        return m;
    }
}

#define SETP(name, T, LOAD, cond)                                                                                      \
    HANDLER(setp_##name) {                                                                                             \
        const T *restrict a = VEC(T, a), *restrict b = VEC(T, b);                                                      \
        uint32_t m = 0;                                                                                                \
        SG_LANES(i) {                                                                                                  \
            LOAD;                                                                                                      \
            m |= (uint32_t)(cond) << i;                                                                                \
        }                                                                                                              \
        uint32_t r = combine(w, op, m);                                                                                \
        if (op->unit > 1) PRED(d2) = combine(w, op, ~m);                                                               \
        PRED(d) = r;                                                                                                   \
        return op + 1;                                                                                                 \
    }
#define SAME(T)                                                                                                        \
    T x = a[i];                                                                                                        \
    T y = b[i]
#define ORDERED(T, N, LOAD)                                                                                            \
    SETP(eq_##N, T, LOAD, x == y)                                                                                      \
    SETP(ne_##N, T, LOAD, (x < y) | (x > y))                                                                           \
    SETP(lt_##N, T, LOAD, x < y)                                                                                       \
    SETP(le_##N, T, LOAD, x <= y)                                                                                      \
    SETP(gt_##N, T, LOAD, x > y)                                                                                       \
    SETP(ge_##N, T, LOAD, x >= y)
ORDERED(u16, u16, SAME(u16))
ORDERED(s16, s16, SAME(s16))
ORDERED(u32, u32, SAME(u32))
ORDERED(s32, s32, SAME(s32))
ORDERED(u64, u64, SAME(u64))
ORDERED(s64, s64, SAME(s64))
#define UNORDERED(T, N, LOAD)                                                                                          \
    ORDERED(T, N, LOAD)                                                                                                \
    SETP(equ_##N, T, LOAD, !((x < y) | (x > y)))                                                                       \
    SETP(neu_##N, T, LOAD, !(x == y))                                                                                  \
    SETP(ltu_##N, T, LOAD, !(x >= y))                                                                                  \
    SETP(leu_##N, T, LOAD, !(x > y))                                                                                   \
    SETP(gtu_##N, T, LOAD, !(x <= y))                                                                                  \
    SETP(geu_##N, T, LOAD, !(x < y))                                                                                   \
    SETP(num_##N, T, LOAD, (x == x) & (y == y))                                                                        \
    SETP(nan_##N, T, LOAD, (x != x) | (y != y))
UNORDERED(float, f32, SAME(float))
UNORDERED(double, f64, SAME(double))
UNORDERED(u16, f16, float x = sg_from_f16(a[i]); float y = sg_from_f16(b[i]))
UNORDERED(u16, bf16, float x = sg_from_bf16(a[i]); float y = sg_from_bf16(b[i]))

#define ROW6(N)                                                                                                        \
    {                                                                                                                  \
        [SG_EQ] = setp_eq_##N, [SG_NE] = setp_ne_##N, [SG_LT] = setp_lt_##N, [SG_LE] = setp_le_##N,                    \
        [SG_GT] = setp_gt_##N, [SG_GE] = setp_ge_##N, [SG_LO] = setp_lt_##N, [SG_LS] = setp_le_##N,                    \
        [SG_HI] = setp_gt_##N, [SG_HS] = setp_ge_##N                                                                   \
    }
#define ROW14(N)                                                                                                       \
    {                                                                                                                  \
        [SG_EQ] = setp_eq_##N, [SG_NE] = setp_ne_##N, [SG_LT] = setp_lt_##N, [SG_LE] = setp_le_##N,                    \
        [SG_GT] = setp_gt_##N, [SG_GE] = setp_ge_##N, [SG_EQU] = setp_equ_##N, [SG_NEU] = setp_neu_##N,                \
        [SG_LTU] = setp_ltu_##N, [SG_LEU] = setp_leu_##N, [SG_GTU] = setp_gtu_##N, [SG_GEU] = setp_geu_##N,            \
        [SG_NUM] = setp_num_##N, [SG_NAN] = setp_nan_##N                                                               \
    }
static const sg_handler setps[SG_TYPE_COUNT][SG_NAN + 1] = {
    [SG_B16] = ROW6(u16),  [SG_U16] = ROW6(u16),  [SG_S16] = ROW6(s16),    [SG_B32] = ROW6(u32), [SG_U32] = ROW6(u32),
    [SG_S32] = ROW6(s32),  [SG_B64] = ROW6(u64),  [SG_U64] = ROW6(u64),    [SG_S64] = ROW6(s64), [SG_F32] = ROW14(f32),
    [SG_F64] = ROW14(f64), [SG_F16] = ROW14(f16), [SG_BF16] = ROW14(bf16),
};

// ---- which --------------------------------------------------------------------------------------

enum { W16, W32, W64, WIDTHS };
#define U3(f)                                                                                                          \
    { f##_u16, f##_u32, f##_u64 }
#define S3(f)                                                                                                          \
    { f##_s16, f##_s32, f##_s64 }
struct row {
    sg_handler u[WIDTHS], s[WIDTHS];
};
static const struct row rows[SG_OP_COUNT] = {
    [SG_OP_ADD] = {U3(add), U3(add)},    [SG_OP_SUB] = {U3(sub), U3(sub)}, [SG_OP_DIV] = {U3(div), S3(div)},
    [SG_OP_REM] = {U3(rem), S3(rem)},    [SG_OP_NEG] = {S3(neg), S3(neg)}, [SG_OP_ABS] = {S3(abs), S3(abs)},
    [SG_OP_MIN] = {U3(min), S3(min)},    [SG_OP_MAX] = {U3(max), S3(max)}, [SG_OP_SAD] = {U3(sad), S3(sad)},
    [SG_OP_SHL] = {U3(shl), U3(shl)},    [SG_OP_SHR] = {U3(shr), S3(shr)}, [SG_OP_AND] = {U3(and), U3(and)},
    [SG_OP_OR] = {U3(or), U3(or)},       [SG_OP_XOR] = {U3(xor), U3(xor)}, [SG_OP_NOT] = {U3(not ), U3(not )},
    [SG_OP_CNOT] = {U3(cnot), U3(cnot)},
};
static const struct row mul_lo = {U3(mul), U3(mul)}, mul_hi = {U3(mulhi), S3(mulhi)}, mad_lo = {U3(mad), U3(mad)},
                        mad_hi = {U3(madhi), S3(madhi)}, selps = {U3(selp), U3(selp)}, slcts = {U3(slct_s), U3(slct_f)},
                        wides = {{wide_u16, wide_u32, NULL}, {wide_s16, wide_s32, NULL}},
                        madws = {{madw_u16, madw_u32, NULL}, {madw_s16, madw_s32, NULL}};

static sg_handler carries(const struct sg_insn *insn, bool big) {
    bool hi = insn->flags & SG_F_HI, sgn = sg_type_is_signed(insn->type);
    switch (insn->op) {
    case SG_OP_ADD:
        return big ? addcc_u64 : addcc_u32;
    case SG_OP_SUB:
        return big ? subcc_u64 : subcc_u32;
    case SG_OP_ADDC:
        return big ? addc_u64 : addc_u32;
    case SG_OP_SUBC:
        return big ? subc_u64 : subc_u32;
    case SG_OP_MAD:
        if (!hi) return big ? madlocc_u64 : madlocc_u32;
        return sgn ? big ? madhiccs_u64 : madhiccs_u32 : big ? madhicc_u64 : madhicc_u32;
    case SG_OP_MADC:
        if (!hi) return big ? madloc_u64 : madloc_u32;
        return sgn ? big ? madhics_u64 : madhics_u32 : big ? madhic_u64 : madhic_u32;
    default:
        return NULL;
    }
}

static sg_handler pairs(const struct sg_insn *insn) {
    bool sgn = insn->type == SG_S16X2;
    switch (insn->op) {
    case SG_OP_ADD:
        return add2;
    case SG_OP_SUB:
        return sub2;
    case SG_OP_MIN:
        return sgn ? min2s : min2u;
    case SG_OP_MAX:
        return sgn ? max2s : max2u;
    default:
        return NULL;
    }
}

static sg_handler pick24(const struct sg_insn *insn, bool sgn) {
    bool hi = insn->flags & SG_F_HI;
    if (insn->op == SG_OP_MUL24) return hi ? sgn ? mul24hi_s : mul24hi_u : sgn ? mul24lo_s : mul24lo_u;
    if (insn->flags & SG_F_SAT) return hi && sgn ? mad24hisat_s : NULL;
    return hi ? sgn ? mad24hi_s : mad24hi_u : sgn ? mad24lo_s : mad24lo_u;
}

sg_handler SG_ISA_NAME(sg_pick_integer)(const struct sg_insn *insn, const struct sg_function *fn) {
    (void)fn;
    enum sg_type type = insn->type;
    if (insn->op == SG_OP_SETP) return setps[type][insn->cmp];
    if (type == SG_PRED) return NULL;
    if ((insn->flags & SG_F_RELU) && type != SG_S32 && type != SG_S16X2) return NULL;
    unsigned bytes = sg_type_bytes(type);
    unsigned width = bytes == 2 ? W16 : bytes == 4 ? W32 : bytes == 8 ? W64 : WIDTHS;
    bool sgn = sg_type_is_signed(type);
    if (width == WIDTHS) return NULL;
    if (insn->op == SG_OP_SELP) return selps.u[width];
    if (insn->op == SG_OP_SLCT) return insn->type2 == SG_F32 ? slcts.s[width] : slcts.u[width];
    if (type == SG_U16X2 || type == SG_S16X2) return pairs(insn);
    if (sg_type_is_float(type)) return NULL;
    if ((insn->flags & SG_F_CC) || insn->op == SG_OP_ADDC || insn->op == SG_OP_SUBC || insn->op == SG_OP_MADC)
        return width == W16 ? NULL : carries(insn, width == W64);
    if (insn->op == SG_OP_MUL24 || insn->op == SG_OP_MAD24) return pick24(insn, sgn);
    if (insn->flags & SG_F_SAT) {
        if (type != SG_S32) return NULL;
        return insn->op == SG_OP_ADD                              ? addsat_s32
               : insn->op == SG_OP_SUB                            ? subsat_s32
               : insn->op == SG_OP_MAD && (insn->flags & SG_F_HI) ? madhisat_s32
                                                                  : NULL;
    }
    const struct row *row = &rows[insn->op];
    if (insn->op == SG_OP_MUL) row = insn->flags & SG_F_WIDE ? &wides : insn->flags & SG_F_HI ? &mul_hi : &mul_lo;
    if (insn->op == SG_OP_MAD) row = insn->flags & SG_F_WIDE ? &madws : insn->flags & SG_F_HI ? &mad_hi : &mad_lo;
    return sgn ? row->s[width] : row->u[width];
}

// ---- the table of this instruction set ----------------------------------------------------------

const sg_handler SG_ISA_NAME(sg_blends)[6] = {blend_u8, blend_u16, blend_u32, blend_u64, blend_u128, blend_pred};
const sg_handler SG_ISA_NAME(sg_integer_posts)[2] = {relu_s32, relu_s16x2};
const sg_handler SG_ISA_NAME(sg_copies)[5] = {copy_u8, copy_u16, copy_u32, copy_u64, copy_u128};
