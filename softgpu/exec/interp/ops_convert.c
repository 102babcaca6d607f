// cvt: frequent forms as vector loops, all others by way of exact integer rounding.
#include "round.h"

#include <math.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

UNARY(u64_u32, u64, u32, x)
UNARY(s64_s32, s64, s32, x)
UNARY(u32_u64, u32, u64, x)
UNARY(u32_u16, u32, u16, x)
UNARY(s32_s16, s32, s16, x)
UNARY(u16_u32, u16, u32, x)
UNARY(u64_u16, u64, u16, x)
UNARY(u16_u64, u16, u64, x)
UNARY(same32, u32, u32, x)
UNARY(s64_s16, s64, s16, x)
UNARY(f32_s32, float, s32, x)
UNARY(f64_s32, double, s32, x)
UNARY(f64_u32, double, u32, x)
UNARY(f32_u32, float, u32, (float)(double)x)
UNARY(f64_f32, double, float, x)
UNARY(f32_f64, float, double, sg_canon((float)x))
UNARY(f32_f16, float, u16, sg_canon(sg_from_f16(x)))
UNARY(f16_f32, u16, float, sg_to_f16(x))
UNARY(f32_bf16, float, u16, sg_canon(sg_from_bf16(x)))
UNARY(bf16_f32, u16, float, sg_to_bf16(x))
static inline s32 to_s32(float x) {
    if (x != x) return 0;
    if (x >= 2147483648.0f) return INT32_MAX;
    return x < -2147483648.0f ? INT32_MIN : (s32)x;
}
UNARY(rzi_s32_f32, s32, float, to_s32(x))

static const struct format *format_of(enum sg_type t) {
    switch (t) {
    case SG_F16:
    case SG_F16X2:
        return &sg_fmt_f16;
    case SG_BF16:
    case SG_BF16X2:
        return &sg_fmt_bf16;
    case SG_F64:
        return &sg_fmt_f64;
    case SG_TF32:
        return &sg_fmt_tf32;
    case SG_E4M3:
    case SG_E4M3X2:
        return &sg_fmt_e4m3;
    case SG_E5M2:
    case SG_E5M2X2:
        return &sg_fmt_e5m2;
    case SG_F32:
        return &sg_fmt_f32;
    default:
        return NULL;
    }
}

// A number of the format as a double, exactly.
static double read_float(u64 bits, const struct format *f, unsigned width) {
    bool negative = bits >> (width - 1) & 1;
    int fraction_bits = f->bits - 1;
    u64 fraction = bits & (((u64)1 << fraction_bits) - 1);
    u64 exponent = (bits & ~((u64)1 << (width - 1))) >> fraction_bits, top = (u64)(f->emax - f->emin + 2);
    double r;
    if (f->infinity && exponent == top)
        r = fraction ? NAN : INFINITY;
    else if (!f->infinity && exponent == top - 1 && fraction == ((u64)1 << fraction_bits) - 1)
        r = NAN;
    else if (exponent == 0)
        r = ldexp((double)fraction, f->emin - fraction_bits);
    else
        r = ldexp((double)(fraction | (u64)1 << fraction_bits), (int)exponent - 1 + f->emin - fraction_bits);
    return negative ? -r : r;
}

static double to_integral(double x, enum sg_rnd rnd) {
    switch (rnd) {
    case SG_RNI:
        return nearbyint(x);
    case SG_RMI:
    case SG_RM:
        return floor(x);
    case SG_RPI:
    case SG_RP:
        return ceil(x);
    default:
        return trunc(x);
    }
}

static u64 clamp_integer(double x, enum sg_type from, enum sg_type to) {
    unsigned bits = sg_type_bytes(to) * 8;
    if (x != x) return from == SG_F64 || bits == 64 ? (u64)1 << (bits - 1) : 0;
    if (sg_type_is_signed(to)) {
        double limit = ldexp(1, (int)bits - 1);
        if (x >= limit) return ((u64)1 << (bits - 1)) - 1;
        if (x < -limit) return (u64)0 - ((u64)1 << (bits - 1));
        return (u64)(s64)x;
    }
    if (x >= ldexp(1, (int)bits)) return bits == 64 ? ~(u64)0 : ((u64)1 << bits) - 1;
    return x <= 0 ? 0 : (u64)x;
}

static u64 write_float(double x, enum sg_type to, const struct form *form) {
    const struct format *f = format_of(to);
    unsigned width = to == SG_TF32                            ? 32
                     : to == SG_F64                           ? 64
                     : to == SG_F32                           ? 32
                     : f == &sg_fmt_e4m3 || f == &sg_fmt_e5m2 ? 8
                                                              : 16;
    bool negative = signbit(x);
    if ((form->flags & SG_F_RELU) && x == x && negative) x = 0, negative = false;
    if ((form->flags & SG_F_SAT)) {
        x = x > 0 ? x < 1 ? x : 1 : 0;
        negative = false;
    }
    if (x != x) {
        if (to == SG_F64) return sg_u64(x);
        return width == 8 ? 0x7f : to == SG_F32 || to == SG_TF32 ? 0x7fffffff : 0x7fff;
    }
    enum sg_rnd rnd = form->detail >= SG_RNI && form->detail <= SG_RPI ? SG_RN : form->detail;
    bool finite = form->flags & SG_F_SATFINITE;
    u64 magnitude;
    if (to == SG_F64) return sg_u64(x);
    if (isinf(x))
        magnitude = finite || !f->infinity ? sg_largest(f) + !finite : sg_largest(f) + 1;
    else
        magnitude = sg_round_double(x, f, rnd, finite);
    if (to == SG_TF32) magnitude <<= 13; // the upper bits of a single
    if (to == SG_F32 && (form->flags & SG_F_FTZ) && magnitude < 0x800000) magnitude = 0;
    return magnitude | (u64)negative << (width - 1);
}

static enum sg_type scalar_of(enum sg_type t) {
    switch (t) {
    case SG_F16X2:
        return SG_F16;
    case SG_BF16X2:
        return SG_BF16;
    case SG_E4M3X2:
        return SG_E4M3;
    case SG_E5M2X2:
        return SG_E5M2;
    default:
        return t;
    }
}

static u64 from_integer(u64 x, bool sgn, enum sg_type to, const struct form *form) {
    bool negative = sgn && (s64)x < 0;
    u64 magnitude = negative ? 0 - x : x;
    const struct format *f = format_of(to);
    if (form->flags & SG_F_SAT) magnitude = negative ? 0 : magnitude > 1 ? 1 : magnitude;
    u64 r = sg_round(negative, magnitude, 0, f, form->detail, form->flags & SG_F_SATFINITE);
    unsigned width = sg_type_bytes(to) * 8;
    return r | (u64)(negative && !(form->flags & SG_F_SAT)) << (width - 1);
}

static u64 saturate(u64 x, enum sg_type from, enum sg_type to) {
    unsigned bits = sg_type_bytes(to) * 8;
    bool below = sg_type_is_signed(from) && (s64)x < 0;
    u64 most = sg_type_is_signed(to) ? ((u64)1 << (bits - 1)) - 1 : bits == 64 ? ~(u64)0 : ((u64)1 << bits) - 1;
    if (!below) return x > most ? most : x;
    if (!sg_type_is_signed(to)) return 0;
    s64 least = -(s64)most - 1;
    return (s64)x < least ? (u64)least : x;
}

static u64 load(const u8 *p, unsigned bytes, bool sgn) {
    u64 v = 0;
    memcpy(&v, p, bytes);
    unsigned shift = 64 - 8 * bytes;
    return sgn ? (u64)((s64)(v << shift) >> shift) : v;
}

static u64 convert(u64 x, enum sg_type from, enum sg_type to, const struct form *form) {
    const struct format *in = format_of(from), *out = format_of(to);
    if (!in && !out) return form->flags & SG_F_SAT ? saturate(x, from, to) : x;
    if (!in) return from_integer(x, sg_type_is_signed(from), to, form);
    double v = from == SG_F64   ? sg_f64(x)
               : from == SG_F32 ? sg_f32((u32)x)
                                : read_float(x, in, sg_type_bytes(from) * 8);
    if (!out) return clamp_integer(to_integral(v, form->detail), from, to);
    if (form->detail >= SG_RNI && form->detail <= SG_RPI && v == v && !isinf(v))
        v = copysign(to_integral(v, form->detail), v);
    return write_float(v, to, form);
}

// d2, imm: bytes from one lane's part to the next's, of the result and of the sources.
HANDLER(any) {
    const struct form *form = &op->form;
    enum sg_type from = scalar_of(form->type2), to = scalar_of(form->type);
    unsigned in = sg_type_bytes(from), out = sg_type_bytes(to), sd = op->d2, sa = (unsigned)op->imm;
    bool packed_out = to != form->type, packed_in = from != form->type2, sgn = sg_type_is_signed(to);
    SG_LANES(i) {
        const u8 *a = w->R + op->a + (unsigned)i * sa, *b = w->R + op->b + (unsigned)i * sa;
        u64 r;
        if (!packed_out) {
            r = convert(load(a, in, sg_type_is_signed(from)), from, to, form);
            if (!format_of(to)) {
                unsigned shift = 64 - out * 8;
                r = sgn ? (u64)((s64)(r << shift) >> shift) : r << shift >> shift;
            }
        } else if (packed_in) { // both halves of one source
            r = convert(load(a, in, false), from, to, form) | convert(load(a + in, in, false), from, to, form)
                                                                  << (out * 8);
        } else { // the first source becomes the upper half
            r = convert(load(b, in, false), from, to, form) | convert(load(a, in, false), from, to, form) << (out * 8);
        }
        memcpy(w->R + op->d + (unsigned)i * sd, &r, sd);
    }
    return op + 1;
}

static unsigned packed_bits(enum sg_type t) {
    return t == SG_S4 || t == SG_U4 ? 4 : sg_type_bytes(t) * 8;
}

// Two saturated integers, the second the lower; of less than 16 bits, with as much of the third above them.
HANDLER(pack) {
    unsigned bits = packed_bits(op->form.type);
    bool sgn = sg_type_is_signed(op->form.type);
    s64 least = sgn ? -(1 << (bits - 1)) : 0, most = (1 << (sgn ? bits - 1 : bits)) - 1;
    const int32_t *a = VEC(int32_t, a), *b = VEC(int32_t, b);
    const u32 *above = op->n > 2 ? VEC(u32, c) : NULL;
    u32 *d = VEC(u32, d), mask = (u32)(((u64)1 << bits) - 1);
    SG_LANES(i) {
        s64 x = a[i] < least ? least : a[i] > most ? most : a[i], y = b[i] < least ? least : b[i] > most ? most : b[i];
        d[i] = (above ? above[i] << 2 * bits : 0) | ((u32)x & mask) << bits | ((u32)y & mask);
    }
    return op + 1;
}

static const struct {
    u8 to, from, rnd, sd, sa; // types, direction, register bytes
    sg_handler fn;
} fast[] = {
    {SG_U64, SG_U32, 0, 8, 4, u64_u32},          {SG_S64, SG_U32, 0, 8, 4, u64_u32},
    {SG_S64, SG_S32, 0, 8, 4, s64_s32},          {SG_U64, SG_S32, 0, 8, 4, s64_s32},
    {SG_U32, SG_U64, 0, 4, 8, u32_u64},          {SG_S32, SG_S64, 0, 4, 8, u32_u64},
    {SG_U32, SG_S64, 0, 4, 8, u32_u64},          {SG_S32, SG_U64, 0, 4, 8, u32_u64},
    {SG_U32, SG_U16, 0, 4, 2, u32_u16},          {SG_S32, SG_U16, 0, 4, 2, u32_u16},
    {SG_S32, SG_S16, 0, 4, 2, s32_s16},          {SG_U16, SG_U32, 0, 2, 4, u16_u32},
    {SG_S16, SG_S32, 0, 2, 4, u16_u32},          {SG_U64, SG_U16, 0, 8, 2, u64_u16},
    {SG_U16, SG_U64, 0, 2, 8, u16_u64},          {SG_S64, SG_S16, 0, 8, 2, s64_s16},
    {SG_U32, SG_S32, 0, 4, 4, same32},           {SG_S32, SG_U32, 0, 4, 4, same32},
    {SG_F32, SG_S32, SG_RN, 4, 4, f32_s32},      {SG_F32, SG_U32, SG_RN, 4, 4, f32_u32},
    {SG_F64, SG_S32, SG_RN, 8, 4, f64_s32},      {SG_F64, SG_U32, SG_RN, 8, 4, f64_u32},
    {SG_F64, SG_S32, 0, 8, 4, f64_s32},          {SG_F64, SG_U32, 0, 8, 4, f64_u32},
    {SG_F64, SG_F32, 0, 8, 4, f64_f32},          {SG_F32, SG_F64, SG_RN, 4, 8, f32_f64},
    {SG_F32, SG_F16, 0, 4, 2, f32_f16},          {SG_F16, SG_F32, SG_RN, 2, 4, f16_f32},
    {SG_F32, SG_BF16, 0, 4, 2, f32_bf16},        {SG_BF16, SG_F32, SG_RN, 2, 4, bf16_f32},
    {SG_S32, SG_F32, SG_RZI, 4, 4, rzi_s32_f32},
};

static bool known(enum sg_type t) {
    return (t >= SG_U8 && t <= SG_S64) || format_of(t);
}

sg_handler SG_ISA_NAME(sg_pick_convert)(const struct sg_insn *insn, const struct sg_function *fn) {
    if (insn->op != SG_OP_CVT) return NULL;
    if (insn->mode == SG_CVT_PACK) {
        unsigned bits = packed_bits(insn->type);
        return insn->type2 == SG_S32 && bits <= 16 && insn->nsrc == (bits == 16 ? 2 : 3) ? pack : NULL;
    }
    const struct sg_operand *d = &insn->dst[0], *a = &insn->src[0];
    unsigned sd = d->kind == SG_OPND_REG ? fn->regs[d->reg].bytes : 0;
    unsigned sa = a->kind == SG_OPND_REG ? fn->regs[a->reg].bytes : sg_type_bytes(insn->type2);
    // Inputs have been flushed already where .ftz asks for it; results that could need it are not fast.
    bool plain = !(insn->flags & ~(uint32_t)SG_F_FTZ) && !((insn->flags & SG_F_FTZ) && insn->type == SG_F32);
    for (size_t i = 0; plain && i < sizeof fast / sizeof *fast; i++)
        if (fast[i].to == insn->type && fast[i].from == insn->type2 && fast[i].rnd == insn->rnd && fast[i].sd == sd &&
            fast[i].sa == sa)
            return fast[i].fn;
    if (insn->rnd == SG_RS || !known(insn->type) || !known(insn->type2) || insn->nsrc > 2) return NULL;
    return any;
}
