// Bit fields, permutations, predicates' logic.
#include "ops.h"

typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

UNARY(popc_32, u32, u32, __builtin_popcount(x))
UNARY(popc_64, u32, u64, __builtin_popcountll(x))
UNARY(clz_32, u32, u32, x ? __builtin_clz(x) : 32)
UNARY(clz_64, u32, u64, x ? __builtin_clzll(x) : 64)

static inline u32 find_high(u64 x, unsigned width, bool sgn, bool shiftamt) {
    if (sgn && (x >> (width - 1) & 1)) x = ~x & (width == 64 ? ~(u64)0 : ((u64)1 << width) - 1);
    if (!x) return UINT32_MAX;
    u32 at = 63u - (u32)__builtin_clzll(x);
    return shiftamt ? width - 1 - at : at;
}
UNARY(bfind_u32, u32, u32, find_high(x, 32, false, op->form.flags &SG_F_SHIFTAMT))
UNARY(bfind_s32, u32, u32, find_high(x, 32, true, op->form.flags &SG_F_SHIFTAMT))
UNARY(bfind_u64, u32, u64, find_high(x, 64, false, op->form.flags &SG_F_SHIFTAMT))
UNARY(bfind_s64, u32, u64, find_high(x, 64, true, op->form.flags &SG_F_SHIFTAMT))

static inline u32 reverse32(u32 x) {
    x = __builtin_bswap32(x);
    x = (x >> 4 & 0x0f0f0f0f) | (x & 0x0f0f0f0f) << 4;
    x = (x >> 2 & 0x33333333) | (x & 0x33333333) << 2;
    return (x >> 1 & 0x55555555) | (x & 0x55555555) << 1;
}
UNARY(brev_32, u32, u32, reverse32(x))
UNARY(brev_64, u64, u64, (u64)reverse32((u32)x) << 32 | reverse32((u32)(x >> 32)))

// Position and length are of 8 bits. Bits beyond the register are the sign's (or zero).
static inline u64 extract(u64 x, u32 pos, u32 len, unsigned width, bool sgn) {
    pos &= 255;
    len &= 255;
    if (len == 0) return 0;
    u64 top = pos + len - 1 < width - 1 ? pos + len - 1 : width - 1;
    u64 sign = sgn ? x >> top & 1 : 0;
    u64 field = pos < width ? x >> pos : 0;
    u64 valid = pos < width ? width - pos : 0;
    if (len < valid) valid = len;
    u64 mask = valid >= 64 ? ~(u64)0 : ((u64)1 << valid) - 1;
    return (field & mask) | (sign ? ~mask : 0);
}
TERNARY(bfe_u32, u32, u32, u32, u32, extract(x, y, z, 32, false))
TERNARY(bfe_s32, u32, u32, u32, u32, extract(x, y, z, 32, true))
TERNARY(bfe_u64, u64, u64, u32, u32, extract(x, y, z, 64, false))
TERNARY(bfe_s64, u64, u64, u32, u32, extract(x, y, z, 64, true))

static inline u64 insert(u64 field, u64 base, u32 pos, u32 len, unsigned width) {
    pos &= 255;
    len &= 255;
    if (pos >= width || len == 0) return base;
    u64 mask = (len >= 64 ? ~(u64)0 : ((u64)1 << len) - 1) << pos;
    return (base & ~mask) | (field << pos & mask);
}
TERNARY(bfi_32, u32, u32, u32, u32, insert(x, y, z, ((const u32 *)(w->R + op->d2))[i], 32))
TERNARY(bfi_64, u64, u64, u64, u32, insert(x, y, z, ((const u32 *)(w->R + op->d2))[i], 64))

static inline u32 bit_mask(u32 pos, u32 len, bool clamp) {
    if (!clamp) pos &= 31, len &= 31;
    u64 ones = len >= 32 ? 0xffffffffu : ((u64)1 << len) - 1;
    return pos >= 32 ? 0 : (u32)(ones << pos);
}
BINARY(bmsk, u32, u32, u32, bit_mask(x, y, op->form.flags &SG_F_CLAMP))

static inline u32 extend(u32 x, u32 n, bool clamp, bool sgn) {
    if (!clamp) n &= 31;
    if (n >= 32) return x;
    if (n == 0) return 0;
    u32 mask = ((u32)1 << n) - 1;
    return sgn && (x >> (n - 1) & 1) ? x | ~mask : x & mask;
}
BINARY(szext_u, u32, u32, u32, extend(x, y, op->form.flags &SG_F_CLAMP, false))
BINARY(szext_s, u32, u32, u32, extend(x, y, op->form.flags &SG_F_CLAMP, true))

static inline u32 funnel(u32 lo, u32 hi, u32 n, bool left, bool clamp) {
    n = clamp ? n > 32 ? 32 : n : n & 31;
    u64 v = (u64)hi << 32 | lo;
    return left ? (u32)(v << n >> 32) : (u32)(v >> n);
}
TERNARY(shf_l, u32, u32, u32, u32, funnel(x, y, z, true, op->form.flags &SG_F_CLAMP))
TERNARY(shf_r, u32, u32, u32, u32, funnel(x, y, z, false, op->form.flags &SG_F_CLAMP))

static inline u32 permute(u32 a, u32 b, u32 sel) {
    u64 bytes = (u64)b << 32 | a;
    u32 r = 0;
    for (int k = 0; k < 4; k++) {
        u32 s = sel >> (4 * k) & 15;
        u32 v = (u32)(bytes >> (8 * (s & 7)) & 255);
        if (s & 8) v = v & 128 ? 255 : 0;
        r |= v << (8 * k);
    }
    return r;
}
// Selectors of the modes, by the low two bits of c: four nibbles each.
static const uint16_t selectors[][4] = {
    [SG_PRMT_F4E] = {0x3210, 0x4321, 0x5432, 0x6543}, [SG_PRMT_B4E] = {0x5670, 0x6701, 0x7012, 0x0123},
    [SG_PRMT_RC8] = {0x0000, 0x1111, 0x2222, 0x3333}, [SG_PRMT_ECL] = {0x3210, 0x3211, 0x3222, 0x3333},
    [SG_PRMT_ECR] = {0x0000, 0x1110, 0x2210, 0x3210}, [SG_PRMT_RC16] = {0x1010, 0x3232, 0x1010, 0x3232},
};
TERNARY(prmt, u32, u32, u32, u32, permute(x, y, z))
TERNARY(prmt_mode, u32, u32, u32, u32, permute(x, y, selectors[op->form.mode][z & 3]))

// The lanes whose result is not zero.
static inline u32 logic3(struct warp *w, const struct op *op) {
    u32 *d = VEC(u32, d);
    const u32 *a = VEC(u32, a), *b = VEC(u32, b), *c = VEC(u32, c);
    u32 lut = (u32)op->imm, any = 0, r[SG_WARP];
    u32 t[8];
    for (int k = 0; k < 8; k++)
        t[k] = lut >> k & 1 ? UINT32_MAX : 0;
    SG_LANES(i) {
        u32 x = a[i], y = b[i], z = c[i];
        u32 lo = ~x & ((~y & ((~z & t[0]) | (z & t[1]))) | (y & ((~z & t[2]) | (z & t[3]))));
        u32 hi = x & ((~y & ((~z & t[4]) | (z & t[5]))) | (y & ((~z & t[6]) | (z & t[7]))));
        r[i] = lo | hi;
    }
    SG_LANES(i) {
        d[i] = r[i];
        any |= (u32)(r[i] != 0) << i;
    }
    return any;
}
HANDLER(lop3) {
    logic3(w, op);
    return op + 1;
}
HANDLER(lop3_or) {
    u32 any = logic3(w, op);
    PRED(d2) = any | PRED(n);
    return op + 1;
}
HANDLER(lop3_and) {
    u32 any = logic3(w, op);
    PRED(d2) = any & PRED(n);
    return op + 1;
}

// The n-th set bit of a mask from a base, up for positive n, down for negative.
static inline u32 nth_set(u32 mask, u32 base, s32 n) {
    if (n == 0) return mask >> (base & 31) & 1 ? base : UINT32_MAX;
    int step = n > 0 ? 1 : -1;
    u32 left = (u32)(n > 0 ? n : -n);
    for (int at = (int)base; at >= 0 && at < 32; at += step)
        if (mask >> at & 1 && --left == 0) return (u32)at;
    return UINT32_MAX;
}
TERNARY(fns, u32, u32, u32, s32, nth_set(x, y, z))

static inline s64 part(u32 v, unsigned bits, unsigned k, bool sgn) {
    u32 f = v >> (bits * k) & ((1u << bits) - 1);
    return sgn && f >> (bits - 1) ? (s64)f - (1 << bits) : (s64)f;
}
static inline void dot(struct warp *w, const struct op *op, bool two) {
    const u32 *a = VEC(u32, a), *b = VEC(u32, b), *c = VEC(u32, c);
    u32 *d = VEC(u32, d);
    bool sa = sg_type_is_signed(op->form.type), sb = sg_type_is_signed(op->form.type2);
    unsigned skip = two && (op->form.flags & SG_F_HI) ? 2 : 0;
    SG_LANES(i) {
        s64 sum = 0;
        for (unsigned k = 0; k < (two ? 2 : 4); k++)
            sum += part(a[i], two ? 16 : 8, k, sa) * part(b[i], 8, k + skip, sb);
        d[i] = c[i] + (u32)sum;
    }
}
HANDLER(dot4) {
    dot(w, op, false);
    return op + 1;
}
HANDLER(dot2) {
    dot(w, op, true);
    return op + 1;
}

#define PREDS(name, expr)                                                                                              \
    HANDLER(pred_##name) {                                                                                             \
        u32 x = PRED(a), y = PRED(b);                                                                                  \
        (void)y;                                                                                                       \
        PRED(d) = (expr);                                                                                              \
        return op + 1;                                                                                                 \
    }
PREDS(and, x &y)
PREDS(or, x | y)
PREDS(xor, x ^ y) PREDS(not, ~x)

    static sg_handler pick_pred(const struct sg_insn *insn) {
    switch (insn->op) {
    case SG_OP_AND:
        return pred_and;
    case SG_OP_OR:
        return pred_or;
    case SG_OP_XOR:
        return pred_xor;
    case SG_OP_NOT:
        return pred_not;
    default:
        return NULL;
    }
}

sg_handler SG_ISA_NAME(sg_pick_logic)(const struct sg_insn *insn, const struct sg_function *fn) {
    (void)fn;
    if (insn->type == SG_PRED) return pick_pred(insn);
    bool big = sg_type_bytes(insn->type) == 8, sgn = sg_type_is_signed(insn->type);
    switch (insn->op) {
    case SG_OP_POPC:
        return big ? popc_64 : popc_32;
    case SG_OP_CLZ:
        return big ? clz_64 : clz_32;
    case SG_OP_BREV:
        return big ? brev_64 : brev_32;
    case SG_OP_BFIND:
        return big ? sgn ? bfind_s64 : bfind_u64 : sgn ? bfind_s32 : bfind_u32;
    case SG_OP_BFE:
        return big ? sgn ? bfe_s64 : bfe_u64 : sgn ? bfe_s32 : bfe_u32;
    case SG_OP_BFI:
        return big ? bfi_64 : bfi_32;
    case SG_OP_BMSK:
        return bmsk;
    case SG_OP_SZEXT:
        return sgn ? szext_s : szext_u;
    case SG_OP_SHF:
        return insn->mode == SG_SHF_L ? shf_l : shf_r;
    case SG_OP_PRMT:
        return insn->mode == SG_MODE_NONE ? prmt : prmt_mode;
    case SG_OP_LOP3:
        return insn->mode == SG_LOP3_OR ? lop3_or : insn->mode == SG_LOP3_AND ? lop3_and : lop3;
    case SG_OP_FNS:
        return fns;
    case SG_OP_DP4A:
        return dot4;
    case SG_OP_DP2A:
        return dot2;
    default:
        return NULL;
    }
}
