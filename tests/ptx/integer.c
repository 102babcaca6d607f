/* Integer arithmetic. */
#include "ptx.h"

typedef unsigned __int128 u128;
typedef __int128 s128;

#define E(name, expr)                                                                                                  \
    static uint64_t name(uint64_t A, uint64_t B, uint64_t C) {                                                         \
        uint32_t a = (uint32_t)A, b = (uint32_t)B, c = (uint32_t)C;                                                    \
        (void)a, (void)b, (void)c;                                                                                     \
        return expr;                                                                                                   \
    }
#define U32(x) ((uint64_t)(uint32_t)(x))
#define S32(x) ((int64_t)(int32_t)(x))

static int64_t clamp32(int64_t v) {
    return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v;
}
static int64_t low24(uint32_t v) {
    return v & 0xffffff;
}
static int64_t signed24(uint32_t v) {
    return (int32_t)(v << 8) >> 8;
}

E(add32, U32(a + b))
E(add64, A + B)
E(add_sat, U32(clamp32(S32(a) + S32(b))))
E(sub32, U32(a - b))
E(sub_sat, U32(clamp32(S32(a) - S32(b))))
E(mul_lo, U32(a *b))
E(mul_hi_u, (uint64_t)a *b >> 32)
E(mul_hi_s, U32((uint64_t)(S32(a) * S32(b)) >> 32))
E(mul_wide_u, (uint64_t)a *b)
E(mul_wide_s, (uint64_t)(S32(a) * S32(b)))
E(mul_lo64, A *B)
E(mul_hi64_u, (uint64_t)((u128)A *B >> 64))
E(mul_hi64_s, (uint64_t)((u128)((s128)(int64_t)A *(int64_t)B) >> 64))
E(mul_lo16, (uint16_t)((A & 0xffff) * (B & 0xffff)))
E(mad_lo, U32(a *b + c))
E(mad_hi_u, U32(((uint64_t)a * b >> 32) + c))
E(mad_wide_s, (uint64_t)(S32(a) * S32(b)) + C)
E(mad_lo64, A *B + C)
E(mul24_lo_u, U32(low24(a) * low24(b)))
E(mul24_lo_s, U32(signed24(a) * signed24(b)))
E(mul24_hi_u, U32((uint64_t)(low24(a) * low24(b)) >> 16))
E(mad24_lo_u, U32(low24(a) * low24(b) + c))
E(sad_u, U32((a > b ? a - b : b - a) + c))
E(sad_s, U32((uint64_t)(S32(a) > S32(b) ? S32(a) - S32(b) : S32(b) - S32(a)) + c))
E(div_u, b ? a / b : 0xffffffff)
E(div_s, b == 0 ? 0xffffffff : b == 0xffffffff ? U32(-a) : U32(S32(a) / S32(b)))
E(rem_u, b ? a % b : a)
E(rem_s, b == 0 ? a : b == 0xffffffff ? 0 : U32(S32(a) % S32(b)))
E(div_u64, B ? A / B : UINT64_MAX)
E(div_s64, B == 0 ? UINT64_MAX : B == UINT64_MAX ? -A : (uint64_t)((int64_t)A / (int64_t)B))
E(rem_u64, B ? A % B : A)
E(neg, U32(-a))
E(neg64, -A)
E(abs32, U32(S32(a) < 0 ? -a : a))
E(abs64, (int64_t)A < 0 ? -A : A)
E(min_u, a < b ? a : b)
E(min_s, U32(S32(a) < S32(b) ? a : b))
E(max_u, a > b ? a : b)
E(max_s, U32(S32(a) > S32(b) ? a : b))
E(max_s64, (int64_t)A > (int64_t)B ? A : B)
E(min_u16, (A & 0xffff) < (B & 0xffff) ? A & 0xffff : B & 0xffff)
E(carry_add, (uint64_t)(((u128)A + B) >> 64) + C)
E(borrow_sub, (uint64_t)((((u128)0 << 64 | A) - B) >> 64) + C)
E(mad_cc, (uint64_t)a *b + (uint64_t)c)
/* l + m + 1 and h + k + carry: A + B + 1 */
E(add_chain, A + B + 1)
static int32_t byte_s(uint32_t v, int i) {
    return (int8_t)(v >> (8 * i));
}
static uint32_t byte_u(uint32_t v, int i) {
    return v >> (8 * i) & 0xff;
}
E(dp4a_u, U32(byte_u(a, 0) * byte_u(b, 0) + byte_u(a, 1) * byte_u(b, 1) + byte_u(a, 2) * byte_u(b, 2) +
              byte_u(a, 3) * byte_u(b, 3) + c))
E(dp4a_s, U32((uint32_t)(byte_s(a, 0) * byte_s(b, 0) + byte_s(a, 1) * byte_s(b, 1) + byte_s(a, 2) * byte_s(b, 2) +
                         byte_s(a, 3) * byte_s(b, 3)) +
              c))
E(absdiff4, (byte_u(a, 0) > byte_u(b, 0) ? byte_u(a, 0) - byte_u(b, 0) : byte_u(b, 0) - byte_u(a, 0)) |
                (byte_u(a, 1) > byte_u(b, 1) ? byte_u(a, 1) - byte_u(b, 1) : byte_u(b, 1) - byte_u(a, 1)) << 8 |
                (byte_u(a, 2) > byte_u(b, 2) ? byte_u(a, 2) - byte_u(b, 2) : byte_u(b, 2) - byte_u(a, 2)) << 16 |
                (byte_u(a, 3) > byte_u(b, 3) ? byte_u(a, 3) - byte_u(b, 3) : byte_u(b, 3) - byte_u(a, 3)) << 24)
static uint64_t absdiff4_add(uint64_t a, uint64_t b, uint64_t c) {
    uint64_t parts = absdiff4(a, b, c);
    return U32(c + (parts & 0xff) + (parts >> 8 & 0xff) + (parts >> 16 & 0xff) + (parts >> 24 & 0xff));
}
static int32_t saturated_half(int32_t v) {
    return v > 32767 ? 32767 : v < -32768 ? -32768 : v;
}
E(add2_sat, ((uint32_t)saturated_half((int16_t)a + (int16_t)b) & 0xffff) |
                (uint32_t)saturated_half((int16_t)(a >> 16) + (int16_t)(b >> 16)) << 16)
E(min4_s, ((uint32_t)(byte_s(a, 0) < byte_s(b, 0) ? byte_s(a, 0) : byte_s(b, 0)) & 0xff) |
              ((uint32_t)(byte_s(a, 1) < byte_s(b, 1) ? byte_s(a, 1) : byte_s(b, 1)) & 0xff) << 8 |
              ((uint32_t)(byte_s(a, 2) < byte_s(b, 2) ? byte_s(a, 2) : byte_s(b, 2)) & 0xff) << 16 |
              ((uint32_t)(byte_s(a, 3) < byte_s(b, 3) ? byte_s(a, 3) : byte_s(b, 3)) & 0xff) << 24)
E(dp2a_lo, U32((a & 0xffff) * byte_u(b, 0) + (a >> 16) * byte_u(b, 1) + c))
E(dp2a_hi, U32((a & 0xffff) * byte_u(b, 2) + (a >> 16) * byte_u(b, 3) + c))

const struct op_case int_cases[] = {
    {"add_s32_wraps", 'i', 'r', "add.s32 %d, %a, %b;", add32, 0, 0},
    {"add_u64_wraps", 'l', 'R', "add.u64 %D, %A, %B;", add64, 0, 0},
    {"add_sat_s32_clamps", 'i', 'r', "add.sat.s32 %d, %a, %b;", add_sat, 0, 0},
    {"sub_s32_wraps", 'i', 'r', "sub.s32 %d, %a, %b;", sub32, 0, 0},
    {"sub_sat_s32_clamps", 'i', 'r', "sub.sat.s32 %d, %a, %b;", sub_sat, 0, 0},
    {"mul_lo_s32", 'i', 'r', "mul.lo.s32 %d, %a, %b;", mul_lo, 0, 0},
    {"mul_hi_u32", 'i', 'r', "mul.hi.u32 %d, %a, %b;", mul_hi_u, 0, 0},
    {"mul_hi_s32", 'i', 'r', "mul.hi.s32 %d, %a, %b;", mul_hi_s, 0, 0},
    {"mul_wide_u32", 'i', 'R', "mul.wide.u32 %D, %a, %b;", mul_wide_u, 0, 0},
    {"mul_wide_s32", 'i', 'R', "mul.wide.s32 %D, %a, %b;", mul_wide_s, 0, 0},
    {"mul_lo_u64", 'l', 'R', "mul.lo.u64 %D, %A, %B;", mul_lo64, 0, 0},
    {"mul_hi_u64", 'l', 'R', "mul.hi.u64 %D, %A, %B;", mul_hi64_u, 0, 0},
    {"mul_hi_s64", 'l', 'R', "mul.hi.s64 %D, %A, %B;", mul_hi64_s, 0, 0},
    {"mul_lo_u16", 'i', 'h', "mul.lo.u16 %hd, %ha, %hb;", mul_lo16, 0, 0},
    {"mad_lo_s32", 'i', 'r', "mad.lo.s32 %d, %a, %b, %c;", mad_lo, 0, 0},
    {"mad_hi_u32", 'i', 'r', "mad.hi.u32 %d, %a, %b, %c;", mad_hi_u, 0, 0},
    {"mad_wide_s32", 'i', 'R', "mad.wide.s32 %D, %a, %b, %C;", mad_wide_s, 0, 0},
    {"mad_lo_s64", 'l', 'R', "mad.lo.s64 %D, %A, %B, %C;", mad_lo64, 0, 0},
    {"mul24_lo_u32", 'i', 'r', "mul24.lo.u32 %d, %a, %b;", mul24_lo_u, 0, 0},
    {"mul24_lo_s32", 'i', 'r', "mul24.lo.s32 %d, %a, %b;", mul24_lo_s, 0, 0},
    {"mul24_hi_u32", 'i', 'r', "mul24.hi.u32 %d, %a, %b;", mul24_hi_u, 0, 0},
    {"mad24_lo_u32", 'i', 'r', "mad24.lo.u32 %d, %a, %b, %c;", mad24_lo_u, 0, 0},
    {"sad_u32", 'i', 'r', "sad.u32 %d, %a, %b, %c;", sad_u, 0, 0},
    {"sad_s32", 'i', 'r', "sad.s32 %d, %a, %b, %c;", sad_s, 0, 0},
    {"div_u32_by_zero_is_all_ones", 'i', 'r', "div.u32 %d, %a, %b;", div_u, 0, 0},
    {"div_s32_of_the_least_by_minus_one_wraps", 'i', 'r', "div.s32 %d, %a, %b;", div_s, 0, 0},
    {"rem_u32_by_zero_is_the_dividend", 'i', 'r', "rem.u32 %d, %a, %b;", rem_u, 0, 0},
    {"rem_s32_has_the_dividends_sign", 'i', 'r', "rem.s32 %d, %a, %b;", rem_s, 0, 0},
    {"div_u64", 'l', 'R', "div.u64 %D, %A, %B;", div_u64, 0, 0},
    {"div_s64", 'l', 'R', "div.s64 %D, %A, %B;", div_s64, 0, 0},
    {"rem_u64", 'l', 'R', "rem.u64 %D, %A, %B;", rem_u64, 0, 0},
    {"neg_s32", 'i', 'r', "neg.s32 %d, %a;", neg, 0, 0},
    {"neg_s64", 'l', 'R', "neg.s64 %D, %A;", neg64, 0, 0},
    {"abs_s32_of_the_least_is_itself", 'i', 'r', "abs.s32 %d, %a;", abs32, 0, 0},
    {"abs_s64", 'l', 'R', "abs.s64 %D, %A;", abs64, 0, 0},
    {"min_u32", 'i', 'r', "min.u32 %d, %a, %b;", min_u, 0, 0},
    {"min_s32", 'i', 'r', "min.s32 %d, %a, %b;", min_s, 0, 0},
    {"max_u32", 'i', 'r', "max.u32 %d, %a, %b;", max_u, 0, 0},
    {"max_s32", 'i', 'r', "max.s32 %d, %a, %b;", max_s, 0, 0},
    {"max_s64", 'l', 'R', "max.s64 %D, %A, %B;", max_s64, 0, 0},
    {"min_u16", 'i', 'h', "min.u16 %hd, %ha, %hb;", min_u16, 0, 0},
    {"add_cc_gives_the_carry_to_addc", 'l', 'R', "add.cc.u64 %D, %A, %B; addc.u64 %D, %C, 0;", carry_add, 0, 0},
    {"sub_cc_gives_the_borrow_to_subc", 'l', 'R', "sub.cc.u64 %D, %A, %B; subc.u64 %D, %C, 0;", borrow_sub, 0, 0},
    {"mad_cc_and_madc_make_a_wide_sum", 'i', 'R',
     "mad.lo.cc.u32 %d, %a, %b, %c; madc.hi.u32 %t, %a, %b, 0; mov.b64 %D, {%d, %t};", mad_cc, 0, 0},
    {"addc_cc_carries_on", 'l', 'R',
     "{ .reg .b32 l, h, m, k; mov.b64 {l, h}, %A; mov.b64 {m, k}, %B; add.cc.u32 %t, 0xffffffff, 1;"
     " addc.cc.u32 l, l, m; addc.u32 h, h, k; mov.b64 %D, {l, h}; }",
     add_chain, 0, 0},
    {"dp4a_u32", 'i', 'r', "dp4a.u32.u32 %d, %a, %b, %c;", dp4a_u, 0, 0},
    {"vabsdiff4", 'i', 'r', "vabsdiff4.u32.u32.u32 %d, %a, %b, %c;", absdiff4, 0, 0},
    {"vabsdiff4_add", 'i', 'r', "vabsdiff4.u32.u32.u32.add %d, %a, %b, %c;", absdiff4_add, 0, 0},
    {"vadd2_sat", 'i', 'r', "vadd2.s32.s32.s32.sat %d, %a, %b, %c;", add2_sat, 0, 0},
    {"vmin4_s", 'i', 'r', "vmin4.s32.s32.s32 %d, %a, %b, %c;", min4_s, 0, 0},
    {"dp4a_s32", 'i', 'r', "dp4a.s32.s32 %d, %a, %b, %c;", dp4a_s, 0, 0},
    {"dp2a_lo", 'i', 'r', "dp2a.lo.u32.u32 %d, %a, %b, %c;", dp2a_lo, 0, 0},
    {"dp2a_hi", 'i', 'r', "dp2a.hi.u32.u32 %d, %a, %b, %c;", dp2a_hi, 0, 0},
    {0},
};
