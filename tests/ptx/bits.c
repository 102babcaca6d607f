/* Bits, shifts, comparisons and selection of integers. */
#include "ptx.h"

#define E(name, expr)                                                                                                  \
    static uint64_t name(uint64_t A, uint64_t B, uint64_t C) {                                                         \
        uint32_t a = (uint32_t)A, b = (uint32_t)B, c = (uint32_t)C;                                                    \
        (void)a, (void)b, (void)c;                                                                                     \
        return expr;                                                                                                   \
    }
#define U32(x) ((uint64_t)(uint32_t)(x))

static uint32_t reverse(uint32_t v) {
    uint32_t r = 0;
    for (int i = 0; i < 32; i++)
        r |= (v >> i & 1) << (31 - i);
    return r;
}
/* Bit 31 is the highest; -1 when there is none. */
static uint32_t highest(uint32_t v) {
    uint32_t r = 0xffffffff;
    for (uint32_t i = 0; i < 32; i++)
        if (v >> i & 1) r = i;
    return r;
}
static uint64_t funnel(uint32_t lo, uint32_t hi, uint32_t n) {
    return (((uint64_t)hi << 32) | lo) >> n;
}
static uint32_t extract_u(uint32_t v, uint32_t pos, uint32_t len) {
    pos &= 0xff, len &= 0xff;
    if (!len || pos > 31) return 0;
    uint64_t m = len > 31 ? 0xffffffff : (1u << len) - 1;
    return (uint32_t)((uint64_t)v >> pos & m);
}
static uint32_t extract_s(uint32_t v, uint32_t pos, uint32_t len) {
    pos &= 0xff, len &= 0xff;
    if (!len) return 0;
    uint32_t last = pos + len - 1 > 31 ? 31 : pos + len - 1;
    uint32_t sign = v >> last & 1, r = 0;
    for (uint32_t i = 0; i < 32; i++)
        r |= (i < len && pos + i < 32 ? v >> (pos + i) & 1 : sign) << i;
    return r;
}
static uint32_t insert(uint32_t from, uint32_t into, uint32_t pos, uint32_t len) {
    pos &= 0xff, len &= 0xff;
    for (uint32_t i = 0; i < len && pos + i < 32; i++)
        into = (into & ~(1u << (pos + i))) | (from >> i & 1) << (pos + i);
    return into;
}
static uint32_t permute(uint32_t a, uint32_t b, uint32_t s) {
    uint64_t both = (uint64_t)b << 32 | a;
    uint32_t r = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t n = s >> (4 * i) & 15, byte = both >> (8 * (n & 7)) & 0xff;
        if (n & 8) byte = byte & 0x80 ? 0xff : 0;
        r |= byte << (8 * i);
    }
    return r;
}
static uint32_t logic3(uint32_t a, uint32_t b, uint32_t c, unsigned table) {
    uint32_t r = 0;
    for (int i = 0; i < 32; i++)
        r |= (table >> ((a >> i & 1) << 2 | (b >> i & 1) << 1 | (c >> i & 1)) & 1) << i;
    return r;
}

E(and32, a &b)
E(or64, A | B)
E(xor32, a ^ b)
E(not32, U32(~a))
E(cnot, a == 0)
E(not16, (uint16_t)~A)
E(xor_pred, (a < b) ^ (a == c))
E(not_pred, !(a < b))
E(shl32, b > 31 ? 0 : U32(a << b))
E(shr_u, b > 31 ? 0 : a >> b)
E(shr_s, U32((int32_t)a >> (b > 31 ? 31 : b)))
E(shl64, b > 63 ? 0 : A << b)
E(shr64, (uint64_t)((int64_t)(A << 32) >> (b > 63 ? 63 : b)))
E(shf_l_wrap, U32(b % 32 ? a << b % 32 | c >> (32 - b % 32) : a))
E(shf_l_clamp, b > 31 ? c : U32(b ? a << b | c >> (32 - b) : a))
E(shf_r_wrap, U32(funnel(c, a, b % 32)))
E(shf_r_clamp, U32(funnel(c, a, b > 32 ? 32 : b)))
E(popc, (uint64_t)__builtin_popcount(a))
E(popc64, (uint64_t)__builtin_popcountll(A))
E(clz, a ? (uint64_t)__builtin_clz(a) : 32)
E(clz64, A ? (uint64_t)__builtin_clzll(A) : 64)
E(brev, reverse(a))
E(bfind_u, highest(a))
E(bfind_s, highest((int32_t)a < 0 ? ~a : a))
E(bfind_shift, highest(a) == 0xffffffff ? 0xffffffff : 31 - highest(a))
E(bfe_u, extract_u(a, b, c))
E(bfe_s, extract_s(a, b, c & 0x3f))
E(bfi, insert(a, c, b, 9))
E(bmsk_clamp, b > 31 ? 0 : U32((c > 31 ? 0xffffffff : (1u << c) - 1) << b))
E(szext_wrap_s, U32((b & 31) ? (int32_t)(a << (32 - (b & 31))) >> (32 - (b & 31)) : 0))
E(prmt, permute(a, b, c))
E(lop3_majority, logic3(a, b, c, 0xe8))
E(lop3_xor, logic3(a, b, c, 0x96))
E(lt_u, a < b)
E(lt_s, (int32_t)a < (int32_t)b)
E(hs, a >= b)
E(eq64, A == B)
E(ge_s64, (int64_t)A >= (int64_t)B)
E(setp_and, (a < b) && (c > 7))
E(setp_second, !(a < b))
E(set_mask, a > b ? 0xffffffff : 0)
E(selp, a < b ? a : c)
E(slct, (int32_t)c >= 0 ? a : b)

const struct op_case bit_cases[] = {
    {"and_b32", 'i', 'r', "and.b32 %d, %a, %b;", and32, 0, 0},
    {"or_b64", 'l', 'R', "or.b64 %D, %A, %B;", or64, 0, 0},
    {"xor_b32", 'i', 'r', "xor.b32 %d, %a, %b;", xor32, 0, 0},
    {"not_b32", 'i', 'r', "not.b32 %d, %a;", not32, 0, 0},
    {"not_b16", 'i', 'h', "not.b16 %hd, %ha;", not16, 0, 0},
    {"cnot_is_one_for_zero_alone", 'i', 'r', "cnot.b32 %d, %a;", cnot, 0, 0},
    {"xor_of_predicates", 'i', 'p', "setp.lt.u32 %p, %a, %b; setp.eq.u32 %q, %a, %c; xor.pred %pd, %p, %q;", xor_pred,
     0, 0},
    {"not_of_a_predicate", 'i', 'p', "setp.lt.u32 %p, %a, %b; not.pred %pd, %p;", not_pred, 0, 0},
    {"shl_b32_clamps_at_width", 's', 'r', "shl.b32 %d, %a, %b;", shl32, 0, 0},
    {"shr_u32_clamps_at_width", 's', 'r', "shr.u32 %d, %a, %b;", shr_u, 0, 0},
    {"shr_s32_fills_with_the_sign", 's', 'r', "shr.s32 %d, %a, %b;", shr_s, 0, 0},
    {"shl_b64_clamps_at_width", 's', 'R', "shl.b64 %D, %A, %b;", shl64, 0, 0},
    {"shr_s64_fills_with_the_sign", 's', 'R', "shl.b64 %A, %A, 32; shr.s64 %D, %A, %b;", shr64, 0, 0},
    {"shf_l_wrap_takes_the_count_modulo_32", 's', 'r', "shf.l.wrap.b32 %d, %c, %a, %b;", shf_l_wrap, 0, 0},
    {"shf_l_clamp_stops_at_32", 's', 'r', "shf.l.clamp.b32 %d, %c, %a, %b;", shf_l_clamp, 0, 0},
    {"shf_r_wrap_takes_the_count_modulo_32", 's', 'r', "shf.r.wrap.b32 %d, %c, %a, %b;", shf_r_wrap, 0, 0},
    {"shf_r_clamp_stops_at_32", 's', 'r', "shf.r.clamp.b32 %d, %c, %a, %b;", shf_r_clamp, 0, 0},
    {"popc_b32", 'i', 'r', "popc.b32 %d, %a;", popc, 0, 0},
    {"popc_b64", 'l', 'r', "popc.b64 %d, %A;", popc64, 0, 0},
    {"clz_b32_of_zero_is_32", 'i', 'r', "clz.b32 %d, %a;", clz, 0, 0},
    {"clz_b64_of_zero_is_64", 'l', 'r', "clz.b64 %d, %A;", clz64, 0, 0},
    {"brev_b32", 'i', 'r', "brev.b32 %d, %a;", brev, 0, 0},
    {"bfind_u32_of_zero_is_all_ones", 'i', 'r', "bfind.u32 %d, %a;", bfind_u, 0, 0},
    {"bfind_s32_looks_for_the_last_bit_unlike_the_sign", 'i', 'r', "bfind.s32 %d, %a;", bfind_s, 0, 0},
    {"bfind_shiftamt_counts_from_the_top", 'i', 'r', "bfind.shiftamt.u32 %d, %a;", bfind_shift, 0, 0},
    {"bfe_u32", 's', 'r', "bfe.u32 %d, %a, %b, %c;", bfe_u, 0, 0},
    {"bfe_s32_extends_the_sign", 's', 'r', "and.b32 %c, %c, 0x3f; bfe.s32 %d, %a, %b, %c;", bfe_s, 0, 0},
    {"bfi_b32_stops_at_the_top", 's', 'r', "bfi.b32 %d, %a, %c, %b, 9;", bfi, 0, 0},
    {"bmsk_clamp_b32", 's', 'r', "bmsk.clamp.b32 %d, %b, %c;", bmsk_clamp, 0, 0},
    {"szext_wrap_s32_takes_the_width_modulo_32", 's', 'r', "szext.wrap.s32 %d, %a, %b;", szext_wrap_s, 0, 0},
    {"prmt_picks_bytes_and_signs", 'i', 'r', "prmt.b32 %d, %a, %b, %c;", prmt, 0, 0},
    {"lop3_majority", 'i', 'r', "lop3.b32 %d, %a, %b, %c, 0xe8;", lop3_majority, 0, 0},
    {"lop3_xor_of_three", 'i', 'r', "lop3.b32 %d, %a, %b, %c, 0x96;", lop3_xor, 0, 0},
    {"setp_lt_u32", 'i', 'p', "setp.lt.u32 %pd, %a, %b;", lt_u, 0, 0},
    {"setp_lt_s32", 'i', 'p', "setp.lt.s32 %pd, %a, %b;", lt_s, 0, 0},
    {"setp_hs_is_unsigned", 'i', 'p', "setp.hs.u32 %pd, %a, %b;", hs, 0, 0},
    {"setp_eq_u64", 'l', 'p', "setp.eq.u64 %pd, %A, %B;", eq64, 0, 0},
    {"setp_ge_s64", 'l', 'p', "setp.ge.s64 %pd, %A, %B;", ge_s64, 0, 0},
    {"setp_combines_with_a_predicate", 'i', 'p', "setp.gt.u32 %q, %c, 7; setp.lt.and.u32 %pd, %a, %b, %q;", setp_and, 0,
     0},
    {"setp_gives_the_opposite_as_second_result", 'i', 'p', "setp.lt.u32 %p|%pd, %a, %b;", setp_second, 0, 0},
    {"set_makes_all_ones", 'i', 'r', "set.gt.u32.u32 %d, %a, %b;", set_mask, 0, 0},
    {"selp_b32", 'i', 'r', "setp.lt.u32 %p, %a, %b; selp.b32 %d, %a, %c, %p;", selp, 0, 0},
    {"slct_chooses_by_sign", 'i', 'r', "slct.b32.s32 %d, %a, %b, %c;", slct, 0, 0},
    {0},
};
