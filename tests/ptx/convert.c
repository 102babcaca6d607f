/* Conversions, and half and bfloat16 arithmetic. Halves are rounded here by hand from double, which is exact. */
#include "ptx.h"

#include <fenv.h>
#include <math.h>
#include <string.h>

static float f(uint64_t bits) {
    float v;
    uint32_t low = (uint32_t)bits;
    memcpy(&v, &low, 4);
    return v;
}
static uint64_t fb(double x) {
    float v = (float)x;
    uint32_t bits;
    memcpy(&bits, &v, 4);
    return bits;
}
static double d(uint64_t bits) {
    double v;
    memcpy(&v, &bits, 8);
    return v;
}
static uint64_t db(double v) {
    uint64_t bits;
    memcpy(&bits, &v, 8);
    return bits;
}

/* A small float: sign, exponent bits, mantissa bits. */
static double small_value(uint32_t bits, int exponent, int mantissa) {
    int bias = (1 << (exponent - 1)) - 1, e = (int)(bits >> mantissa & ((1u << exponent) - 1));
    double m = (double)(bits & ((1u << mantissa) - 1)), sign = bits >> (exponent + mantissa) & 1 ? -1 : 1;
    if (e == (1 << exponent) - 1) return m ? NAN : sign * INFINITY;
    if (e == 0) return sign * ldexp(m, 1 - bias - mantissa);
    return sign * ldexp(m + (1 << mantissa), e - bias - mantissa);
}
/* Nearest, ties to even (toward zero when truncate). */
static uint32_t small_bits(double v, int exponent, int mantissa, bool truncate) {
    int bias = (1 << (exponent - 1)) - 1;
    uint32_t sign = signbit(v) ? 1u << (exponent + mantissa) : 0, inf = ((1u << exponent) - 1) << mantissa;
    if (isnan(v)) return (1u << (exponent + mantissa)) - 1;
    v = fabs(v);
    if (isinf(v)) return sign | inf;
    int e = v > 0 ? ilogb(v) : 1 - bias;
    if (e < 1 - bias) e = 1 - bias;
    double scaled = ldexp(v, mantissa - e); /* the mantissa as an integer with a fraction */
    uint64_t m = (uint64_t)(truncate ? trunc(scaled) : nearbyint(scaled));
    uint64_t bits = m < 1u << mantissa ? m : ((uint64_t)(e + bias) << mantissa) + (m - (1u << mantissa));
    if (bits >= inf) bits = truncate ? inf - 1 : inf;
    return sign | (uint32_t)bits;
}
static double h(uint64_t bits) {
    return small_value((uint32_t)bits & 0xffff, 5, 10);
}
static uint64_t hb(double v) {
    return small_bits(v, 5, 10, false);
}
static double b16(uint64_t bits) {
    return small_value((uint32_t)bits & 0xffff, 8, 7);
}
static uint64_t bb(double v) {
    return small_bits(v, 8, 7, false);
}

/* What NaN becomes: the top bit alone if either side has 64 bits, else 0. */
static uint64_t nan_int(int from, int bits) {
    return from == 64 || bits == 64 ? 1ull << (bits - 1) : 0;
}

/* From a float of so many bits to an integer, as cvt does: rounded and clamped. */
static uint64_t to_int(double v, int from, int mode, int bits, bool is_signed) {
    fesetround(mode);
    volatile double r = nearbyint(v);
    fesetround(FE_TONEAREST);
    double low = is_signed ? -ldexp(1, bits - 1) : 0, high = ldexp(1, is_signed ? bits - 1 : bits);
    uint64_t most = is_signed ? (1ull << (bits - 1)) - 1 : bits == 64 ? UINT64_MAX : (1ull << bits) - 1;
    if (isnan(v)) return nan_int(from, bits);
    if (r < low) return is_signed ? most + 1 : 0;
    if (r >= high) return most;
    uint64_t value = is_signed ? (uint64_t)(int64_t)r : (uint64_t)r;
    return bits == 64 ? value : value & ((1ull << bits) - 1);
}

#define E(name, expr)                                                                                                  \
    static uint64_t name(uint64_t A, uint64_t B, uint64_t C) {                                                         \
        (void)A, (void)B, (void)C;                                                                                     \
        return expr;                                                                                                   \
    }
#define MODE(name, mode, type, expr)                                                                                   \
    static uint64_t name(uint64_t A, uint64_t B, uint64_t C) {                                                         \
        (void)B, (void)C;                                                                                              \
        fesetround(mode);                                                                                              \
        volatile type r = (expr);                                                                                      \
        fesetround(FE_TONEAREST);                                                                                      \
        uint64_t bits = 0;                                                                                             \
        type v = r;                                                                                                    \
        memcpy(&bits, &v, sizeof v);                                                                                   \
        return bits;                                                                                                   \
    }

E(s8_to_s32, (uint32_t)(int8_t)A)
E(u64_to_u32, A & 0xffffffff)
E(s32_to_s64, (uint64_t)(int64_t)(int32_t)A)
E(u32_to_u64, A & 0xffffffff)
E(sat_s8, (uint32_t)((int32_t)A > 127 ? 127 : (int32_t)A < -128 ? -128 : (int32_t)A))
E(sat_u8, (int32_t)A > 255 ? 255 : (int32_t)A < 0 ? 0 : A & 0xff)
E(sat_u16, (int32_t)A > 65535 ? 65535 : (int32_t)A < 0 ? 0 : A & 0xffff)
/* A value of so many bits from a 32-bit integer. */
static uint32_t field(uint64_t from, unsigned bits, bool is_signed) {
    int64_t v = (int32_t)from, most = ((int64_t)1 << (bits - is_signed)) - 1, least = is_signed ? -most - 1 : 0;
    return (uint32_t)(v > most ? most : v < least ? least : v) & (((uint32_t)1 << bits) - 1);
}
E(pack_s16, field(A, 16, true) << 16 | field(B, 16, true))
E(pack_u16, field(A, 16, false) << 16 | field(B, 16, false))
E(pack_s8, (uint32_t)C << 16 | field(A, 8, true) << 8 | field(B, 8, true))
E(pack_u8, (uint32_t)C << 16 | field(A, 8, false) << 8 | field(B, 8, false))
E(pack_s4, (uint32_t)C << 8 | field(A, 4, true) << 4 | field(B, 4, true))
E(pack_u4, (uint32_t)C << 8 | field(A, 4, false) << 4 | field(B, 4, false))
/* Every float to every integer in every rounding; results of 8 and 16 bits are extended to 32. */
#define TO_INT(from, in, bits, mode, rnd, to, is_signed)                                                               \
    E(rnd##_##to##_##from, extended(to_int(in(A), bits, mode, INT_BITS_##to, is_signed), INT_BITS_##to, is_signed))
#define INT_BITS_s8 8
#define INT_BITS_u8 8
#define INT_BITS_s16 16
#define INT_BITS_u16 16
#define INT_BITS_s32 32
#define INT_BITS_u32 32
#define INT_BITS_s64 64
#define INT_BITS_u64 64
#define EACH_INT(X, from, in, bits, mode, rnd)                                                                         \
    X(from, in, bits, mode, rnd, s8, true)                                                                             \
    X(from, in, bits, mode, rnd, u8, false)                                                                            \
    X(from, in, bits, mode, rnd, s16, true)                                                                            \
    X(from, in, bits, mode, rnd, u16, false)                                                                           \
    X(from, in, bits, mode, rnd, s32, true)                                                                            \
    X(from, in, bits, mode, rnd, u32, false)                                                                           \
    X(from, in, bits, mode, rnd, s64, true) X(from, in, bits, mode, rnd, u64, false)
#define EACH_ROUNDING(X, from, in, bits)                                                                               \
    EACH_INT(X, from, in, bits, FE_TONEAREST, rni)                                                                     \
    EACH_INT(X, from, in, bits, FE_TOWARDZERO, rzi)                                                                    \
    EACH_INT(X, from, in, bits, FE_DOWNWARD, rmi)                                                                      \
    EACH_INT(X, from, in, bits, FE_UPWARD, rpi)
#define EACH_FLOAT(X) EACH_ROUNDING(X, f16, h, 16) EACH_ROUNDING(X, f32, f, 32) EACH_ROUNDING(X, f64, d, 64)
static uint64_t extended(uint64_t v, int bits, bool is_signed) {
    if (bits >= 32) return v;
    return is_signed ? (uint32_t)((int32_t)(v << (32 - bits)) >> (32 - bits)) : v;
}
EACH_FLOAT(TO_INT)
E(rni_f32, isnan(f(A)) ? fb(NAN) : fb(nearbyintf(f(A))))
E(rzi_f32, isnan(f(A)) ? fb(NAN) : fb(truncf(f(A))))
E(rmi_f64, isnan(d(A)) ? db(NAN) : db(floor(d(A))))
E(rpi_f64, isnan(d(A)) ? db(NAN) : db(ceil(d(A))))
MODE(s32_f32_rn, FE_TONEAREST, float, (float)(volatile int32_t){(int32_t)A})
MODE(s32_f32_rz, FE_TOWARDZERO, float, (float)(volatile int32_t){(int32_t)A})
MODE(u32_f32_rp, FE_UPWARD, float, (float)(volatile uint32_t){(uint32_t)A})
MODE(u64_f32_rm, FE_DOWNWARD, float, (float)(volatile long double){(long double)A})
MODE(s64_f64_rn, FE_TONEAREST, double, (double)(volatile int64_t){(int64_t)A})
MODE(f64_f32_rn, FE_TONEAREST, float, (float)(volatile double){d(A)})
MODE(f64_f32_rz, FE_TOWARDZERO, float, (float)(volatile double){d(A)})
MODE(f64_f32_rm, FE_DOWNWARD, float, (float)(volatile double){d(A)})
E(f32_f64, db((double)f(A)))
E(f32_sat, fb(!(f(A) > 0) ? 0 : f(A) > 1 ? 1 : f(A)))
E(f32_f16_rn, small_bits(f(A), 5, 10, false))
E(f32_f16_rz, small_bits(f(A), 5, 10, true))
E(f16_f32, fb(h(A)))
E(f32_bf16_rn, small_bits(f(A), 8, 7, false))
E(bf16_f32, fb(b16(A)))
E(f32_pair, small_bits(f(A), 5, 10, false) << 16 | small_bits(f(B), 5, 10, false))

/* Products and sums of halves are exact in double, so one rounding is made. */
E(add_h, hb(h(A) + h(B)))
E(sub_h, hb(h(A) - h(B)))
E(mul_h, hb(h(A) * h(B)))
E(fma_h, hb(h(A) * h(B) + h(C)))
static double least(double a, double b) {
    if (isnan(a) || isnan(b)) return isnan(a) ? b : a;
    return a == b ? (signbit(a) ? a : b) : a < b ? a : b;
}
E(min_h, hb(least(h(A), h(B))))
E(neg_h, isnan(h(A)) ? 0x7fff : (A & 0xffff) ^ 0x8000)
E(abs_h, isnan(h(A)) ? 0x7fff : A & 0x7fff)
E(lt_h, h(A) < h(B))
E(fma_b, bb(b16(A) * b16(B) + b16(C)))
E(add_b, bb(b16(A) + b16(B)))
E(max_b, bb(-least(-b16(A), -b16(B))))

const struct op_case half_cases[] = {
    {"add_f16", 'h', 'h', "add.f16 %hd, %ha, %hb;", add_h, 0, 0},
    {"sub_f16", 'h', 'h', "sub.f16 %hd, %ha, %hb;", sub_h, 0, 0},
    {"mul_f16", 'h', 'h', "mul.f16 %hd, %ha, %hb;", mul_h, 0, 0},
    {"fma_f16_rounds_once", 'h', 'h', "fma.rn.f16 %hd, %ha, %hb, %hc;", fma_h, 0, 0},
    {"min_f16_prefers_numbers", 'h', 'h', "min.f16 %hd, %ha, %hb;", min_h, 0, 80},
    {"neg_f16", 'h', 'h', "neg.f16 %hd, %ha;", neg_h, 0, 0},
    {"abs_f16", 'h', 'h', "abs.f16 %hd, %ha;", abs_h, 0, 0},
    {"setp_lt_f16", 'h', 'p', "setp.lt.f16 %pd, %ha, %hb;", lt_h, 0, 0},
    {"add_b16_lanes_of_f16x2", 'h', 'h',
     "mov.b32 %a, {%ha, %hb}; mov.b32 %b, {%hb, %ha}; add.f16x2 %d, %a, %b; mov.b32 {%hd, %ht}, %d;", add_h, 0, 0},
    {"fma_bf16_rounds_once", 'b', 'h', "fma.rn.bf16 %hd, %ha, %hb, %hc;", fma_b, 0, 80},
    {"add_bf16", 'b', 'h', "add.rn.bf16 %hd, %ha, %hb;", add_b, 0, 90},
    {"max_bf16_prefers_numbers", 'b', 'h', "max.bf16 %hd, %ha, %hb;", max_b, 0, 80},
    {0},
};

#define REGISTER_s8 "%d"
#define REGISTER_u8 "%d"
#define REGISTER_s16 "%d"
#define REGISTER_u16 "%d"
#define REGISTER_s32 "%d"
#define REGISTER_u32 "%d"
#define REGISTER_s64 "%D"
#define REGISTER_u64 "%D"
#define SOURCE_f16 "%ha"
#define SOURCE_f32 "%fa"
#define SOURCE_f64 "%da"
#define TO_INT_CASE(from, in, bits, mode, rnd, to, is_signed)                                                          \
    {"cvt_" #rnd "_" #to "_" #from,                                                                                    \
     #in[0],                                                                                                           \
     INT_BITS_##to == 64 ? 'R' : 'r',                                                                                  \
     "cvt." #rnd "." #to "." #from " " REGISTER_##to ", " SOURCE_##from ";",                                           \
     rnd##_##to##_##from,                                                                                              \
     0,                                                                                                                \
     0},

const struct op_case convert_cases[] = {
    {"cvt_s32_s8_extends_the_sign", 'i', 'r', "cvt.s32.s8 %d, %a;", s8_to_s32, 0, 0},
    {"cvt_u32_u64_truncates", 'l', 'r', "cvt.u32.u64 %d, %A;", u64_to_u32, 0, 0},
    {"cvt_s64_s32_extends_the_sign", 'i', 'R', "cvt.s64.s32 %D, %a;", s32_to_s64, 0, 0},
    {"cvt_u64_u32_extends_zeros", 'i', 'R', "cvt.u64.u32 %D, %a;", u32_to_u64, 0, 0},
    {"cvt_sat_s8_s32", 'i', 'r', "cvt.sat.s8.s32 %d, %a;", sat_s8, 0, 0},
    {"cvt_sat_u8_s32", 'i', 'r', "cvt.sat.u8.s32 %d, %a;", sat_u8, 0, 0},
    {"cvt_sat_u16_s32", 'i', 'h', "cvt.sat.u16.s32 %hd, %a;", sat_u16, 0, 0},
    {"cvt_pack_s16", 'i', 'r', "cvt.pack.sat.s16.s32 %d, %a, %b;", pack_s16, 0, 72},
    {"cvt_pack_u16", 'i', 'r', "cvt.pack.sat.u16.s32 %d, %a, %b;", pack_u16, 0, 72},
    {"cvt_pack_s8", 'i', 'r', "cvt.pack.sat.s8.s32.b32 %d, %a, %b, %c;", pack_s8, 0, 72},
    {"cvt_pack_u8", 'i', 'r', "cvt.pack.sat.u8.s32.b32 %d, %a, %b, %c;", pack_u8, 0, 72},
    {"cvt_pack_s4", 'i', 'r', "cvt.pack.sat.s4.s32.b32 %d, %a, %b, %c;", pack_s4, 0, 75},
    {"cvt_pack_u4", 'i', 'r', "cvt.pack.sat.u4.s32.b32 %d, %a, %b, %c;", pack_u4, 0, 75},
    EACH_FLOAT(TO_INT_CASE){"cvt_rni_f32_f32", 'f', 'f', "cvt.rni.f32.f32 %fd, %fa;", rni_f32, 0, 0},
    {"cvt_rzi_f32_f32", 'f', 'f', "cvt.rzi.f32.f32 %fd, %fa;", rzi_f32, 0, 0},
    {"cvt_rmi_f64_f64", 'd', 'g', "cvt.rmi.f64.f64 %dd, %da;", rmi_f64, 0, 0},
    {"cvt_rpi_f64_f64", 'd', 'g', "cvt.rpi.f64.f64 %dd, %da;", rpi_f64, 0, 0},
    {"cvt_rn_f32_s32", 'i', 'f', "cvt.rn.f32.s32 %fd, %a;", s32_f32_rn, 0, 0},
    {"cvt_rz_f32_s32", 'i', 'f', "cvt.rz.f32.s32 %fd, %a;", s32_f32_rz, 0, 0},
    {"cvt_rp_f32_u32", 'i', 'f', "cvt.rp.f32.u32 %fd, %a;", u32_f32_rp, 0, 0},
    {"cvt_rm_f32_u64", 'l', 'f', "cvt.rm.f32.u64 %fd, %A;", u64_f32_rm, 0, 0},
    {"cvt_rn_f64_s64", 'l', 'g', "cvt.rn.f64.s64 %dd, %A;", s64_f64_rn, 0, 0},
    {"cvt_rn_f32_f64", 'd', 'f', "cvt.rn.f32.f64 %fd, %da;", f64_f32_rn, 0, 0},
    {"cvt_rz_f32_f64", 'd', 'f', "cvt.rz.f32.f64 %fd, %da;", f64_f32_rz, 0, 0},
    {"cvt_rm_f32_f64", 'd', 'f', "cvt.rm.f32.f64 %fd, %da;", f64_f32_rm, 0, 0},
    {"cvt_f64_f32_is_exact", 'f', 'g', "cvt.f64.f32 %dd, %fa;", f32_f64, 0, 0},
    {"cvt_sat_f32_f32", 'f', 'f', "cvt.sat.f32.f32 %fd, %fa;", f32_sat, 0, 0},
    {"cvt_rn_f16_f32", 'f', 'h', "cvt.rn.f16.f32 %hd, %fa;", f32_f16_rn, 0, 0},
    {"cvt_rz_f16_f32", 'f', 'h', "cvt.rz.f16.f32 %hd, %fa;", f32_f16_rz, 0, 0},
    {"cvt_f32_f16_is_exact", 'h', 'f', "cvt.f32.f16 %fd, %ha;", f16_f32, 0, 0},
    {"cvt_rn_bf16_f32", 'f', 'r', "cvt.rn.bf16.f32 %hd, %fa; cvt.u32.u16 %d, %hd;", f32_bf16_rn, 0, 80},
    {"cvt_f32_bf16_is_exact", 'b', 'f', "shl.b32 %d, %a, 16; mov.b32 %fd, %d;", bf16_f32, 0, 0},
    {"cvt_rn_f16x2_f32_has_the_first_one_above", 'f', 'r', "cvt.rn.f16x2.f32 %d, %fa, %fb;", f32_pair, 0, 80},
    {0},
};
