/* Carry chains: every instruction that sets the carry before every one that reads it, of 32 and of 64 bits. There is
 * one flag, the carry-out of an adder; subtraction adds the complement, so that it means "no borrow" there. */
#include "ptx.h"

typedef unsigned __int128 u128;
typedef __int128 s128;

/* x + y + k in so many bits; *k becomes the carry. */
static uint64_t sum(uint64_t x, uint64_t y, unsigned *k, unsigned bits) {
    u128 s = (u128)x + y + *k;
    *k = (unsigned)(s >> bits) & 1;
    return bits == 64 ? (uint64_t)s : (uint32_t)s;
}

static uint64_t complement(uint64_t x, unsigned bits) {
    return bits == 64 ? ~x : (uint32_t)~x;
}

static uint64_t low(uint64_t x, uint64_t y, unsigned bits) {
    return bits == 64 ? x * y : (uint32_t)(x * y);
}

static uint64_t high(uint64_t x, uint64_t y, unsigned bits) {
    return bits == 64 ? (uint64_t)((u128)x * y >> 64) : x * y >> 32;
}

static uint64_t high_signed(uint64_t x, uint64_t y, unsigned bits) {
    if (bits == 64) return (uint64_t)((s128)(int64_t)x * (int64_t)y >> 64);
    return (uint32_t)((int64_t)(int32_t)x * (int32_t)y >> 32);
}

/* One step on x, y and z. */
#define STEP_add sum(x, y, k, bits)
#define STEP_sub sum(x, complement(y, bits), k, bits)
#define STEP_mad_lo sum(low(x, y, bits), z, k, bits)
#define STEP_mad_hi sum(high(x, y, bits), z, k, bits)
#define STEP_mad_his sum(high_signed(x, y, bits), z, k, bits)
#define STEP(op)                                                                                                       \
    static uint64_t op##_step(uint64_t x, uint64_t y, uint64_t z, unsigned *k, unsigned bits) {                        \
        (void)z;                                                                                                       \
        return STEP_##op;                                                                                              \
    }
STEP(add)
STEP(sub)
STEP(mad_lo)
STEP(mad_hi)
STEP(mad_his)

/* First on a, b, c, then on c, b, a; the last carry goes to the top bit. */
#define BOTH(first, k0, second)                                                                                        \
    static uint64_t first##_##second##_32(uint64_t a, uint64_t b, uint64_t c) {                                        \
        unsigned k = k0;                                                                                               \
        a = (uint32_t)a, b = (uint32_t)b, c = (uint32_t)c;                                                             \
        first##_step(a, b, c, &k, 32);                                                                                 \
        uint64_t r = second##_step(c, b, a, &k, 32);                                                                   \
        return r | (uint64_t)k << 63;                                                                                  \
    }                                                                                                                  \
    static uint64_t first##_##second##_64(uint64_t a, uint64_t b, uint64_t c) {                                        \
        unsigned k = k0;                                                                                               \
        first##_step(a, b, c, &k, 64);                                                                                 \
        uint64_t r = second##_step(c, b, a, &k, 64);                                                                   \
        return r ^ (uint64_t)k << 63;                                                                                  \
    }
#define AFTER(first, k0)                                                                                               \
    BOTH(first, k0, add)                                                                                               \
    BOTH(first, k0, sub)                                                                                               \
    BOTH(first, k0, mad_lo)                                                                                            \
    BOTH(first, k0, mad_hi)                                                                                            \
    BOTH(first, k0, mad_his)
AFTER(add, 0)
AFTER(sub, 1)
AFTER(mad_lo, 0)
AFTER(mad_hi, 0)
AFTER(mad_his, 0)

#define TWO(first, f, f3, second, s, s3)                                                                               \
    {#first "_then_" #second "_32",                                                                                    \
     'i',                                                                                                              \
     'R',                                                                                                              \
     f "32 %t, %a, %b" f3("%c") "; " s "32 %d, %c, %b" s3(                                                             \
         "%a") "; addc.u32 %t, 0, 0; shl.b32 %t, %t, 31; mov.b64 %D, {%d, %t};",                                       \
     first##_##second##_32,                                                                                            \
     0,                                                                                                                \
     0},                                                                                                               \
        {#first "_then_" #second "_64",                                                                                \
         'l',                                                                                                          \
         'R',                                                                                                          \
         "{ .reg .b64 k; " f "64 k, %A, %B" f3("%C") "; " s "64 %D, %C, %B" s3(                                        \
             "%A") "; addc.u64 k, 0, 0; shl.b64 k, k, 63; xor.b64 %D, %D, k; }",                                       \
         first##_##second##_64,                                                                                        \
         0,                                                                                                            \
         0},
#define NONE(x)
#define THIRD(x) ", " x
#define CASES(first, f, f3)                                                                                            \
    TWO(first, f, f3, add, "addc.cc.u", NONE)                                                                          \
    TWO(first, f, f3, sub, "subc.cc.u", NONE)                                                                          \
    TWO(first, f, f3, mad_lo, "madc.lo.cc.u", THIRD)                                                                   \
    TWO(first, f, f3, mad_hi, "madc.hi.cc.u", THIRD)                                                                   \
    TWO(first, f, f3, mad_his, "madc.hi.cc.s", THIRD)

const struct op_case carry_cases[] = {
    /* clang-format off */
    CASES(add, "add.cc.u", NONE) CASES(sub, "sub.cc.u", NONE) CASES(mad_lo, "mad.lo.cc.u", THIRD)
    CASES(mad_hi, "mad.hi.cc.u", THIRD) CASES(mad_his, "mad.hi.cc.s", THIRD)
    /* clang-format on */
    {0},
};
