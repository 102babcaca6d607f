// Rounding to any binary floating format in integer arithmetic: exact in all directions.
#ifndef SOFTGPU_EXEC_ROUND_H
#define SOFTGPU_EXEC_ROUND_H

#include "ops.h"

struct format {
    int bits;      // of the significand, with the leading one
    int emin;      // exponent of the smallest normal number
    int emax;      // of the largest
    bool infinity; // else the largest exponent's codes are numbers but for one NaN (e4m3)
};
static const struct format sg_fmt_f16 = {11, -14, 15, true}, sg_fmt_bf16 = {8, -126, 127, true},
                           sg_fmt_f32 = {24, -126, 127, true}, sg_fmt_f64 = {53, -1022, 1023, true},
                           sg_fmt_tf32 = {11, -126, 127, true}, sg_fmt_e4m3 = {4, -6, 8, false},
                           sg_fmt_e5m2 = {3, -14, 15, true};

static inline uint64_t sg_largest(const struct format *f) {
    uint64_t exponent = (uint64_t)(f->emax - f->emin + 1) << (f->bits - 1);
    uint64_t fraction = ((uint64_t)1 << (f->bits - 1)) - 1;
    return exponent | (f->infinity ? fraction : fraction - 1);
}

// (-1)^negative * mantissa * 2^exponent as the magnitude's bits in the format (no sign bit).
// Overflow goes to infinity or the largest number by direction; `finite` keeps the largest.
static inline uint64_t sg_round(bool negative, uint64_t mantissa, int exponent, const struct format *f, enum sg_rnd rnd,
                                bool finite) {
    if (!mantissa) return 0;
    int lead = 63 - __builtin_clzll(mantissa), scale = exponent + lead;
    int quantum = (scale < f->emin ? f->emin : scale) - (f->bits - 1); // of the last place
    int drop = quantum - exponent;
    uint64_t kept, rest, half;
    if (drop <= 0) {
        kept = drop < -63 ? 0 : mantissa << -drop;
        rest = half = 0;
    } else if (drop > 64) {
        kept = 0;
        rest = 1;
        half = 2;
    } else if (drop == 64) {
        kept = 0;
        rest = mantissa;
        half = (uint64_t)1 << 63;
    } else {
        kept = mantissa >> drop;
        rest = mantissa & (((uint64_t)1 << drop) - 1);
        half = (uint64_t)1 << (drop - 1);
    }
    bool up = false;
    switch (rnd) {
    case SG_RZ:
        break;
    case SG_RM:
        up = negative && rest;
        break;
    case SG_RP:
        up = !negative && rest;
        break;
    case SG_RNA:
        up = rest && rest >= half;
        break;
    default:
        up = rest > half || (rest && rest == half && (kept & 1));
        break;
    }
    kept += up;
    uint64_t one = (uint64_t)1 << (f->bits - 1);
    int64_t biased = kept < one ? 0 : (int64_t)quantum + (f->bits - 1) - f->emin + 1;
    // A carry out of the significand moves into the exponent by itself.
    uint64_t bits = biased ? ((uint64_t)(biased - 1) << (f->bits - 1)) + kept : kept;
    uint64_t most = sg_largest(f);
    if (bits <= most) return bits;
    bool to_largest = finite || rnd == SG_RZ || (rnd == SG_RM && !negative) || (rnd == SG_RP && negative);
    return to_largest ? most : f->infinity ? (uint64_t)(f->emax - f->emin + 2) << (f->bits - 1) : most + 1;
}

// The same for a finite double.
static inline uint64_t sg_round_double(double x, const struct format *f, enum sg_rnd rnd, bool finite) {
    uint64_t u = sg_u64(x), fraction = u & (((uint64_t)1 << 52) - 1);
    int e = (int)(u >> 52 & 0x7ff);
    if (e == 0) return sg_round(u >> 63, fraction, -1074, f, rnd, finite);
    return sg_round(u >> 63, fraction | (uint64_t)1 << 52, e - 1075, f, rnd, finite);
}

#endif
