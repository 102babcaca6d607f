// The video instructions: on whole registers or parts of them, and on two halves or four bytes at once. They are rare,
// and what each does is read from the instruction lane by lane.
#include "ops.h"

typedef uint32_t u32;
typedef int64_t s64;

static s64 part(u32 v, unsigned bits, unsigned k, bool sgn) {
    u32 f = v >> (bits * k) & (bits == 32 ? UINT32_MAX : (1u << bits) - 1);
    return sgn && f >> (bits - 1) ? (s64)f - ((s64)1 << bits) : (s64)f;
}

static unsigned bits_of(const struct sg_operand *o) {
    return o->kind != SG_OPND_REG || !o->parts ? 32 : o->parts & SG_PARTS_HALVES ? 16 : 8;
}

static s64 clamp(__int128 v, unsigned bits, bool sgn) {
    s64 most = ((s64)1 << (bits - sgn)) - 1, least = sgn ? -most - 1 : 0;
    return v > most ? most : v < least ? least : (s64)v;
}

static bool holds(const struct sg_insn *insn, s64 x, s64 y) {
    switch (insn->cmp) {
    case SG_EQ: return x == y;
    case SG_NE: return x != y;
    case SG_LT: return x < y;
    case SG_LE: return x <= y;
    case SG_GT: return x > y;
    default: return x >= y;
    }
}

static s64 result(const struct sg_insn *insn, s64 x, s64 y) {
    s64 distance = insn->flags & SG_F_WRAP ? y & 31 : y > 32 ? 32 : y;
    switch (sg_rows[insn->op].variant) {
    case SG_VIDEO_ADD: return x + y;
    case SG_VIDEO_SUB: return x - y;
    case SG_VIDEO_DISTANCE: return x > y ? x - y : y - x;
    case SG_VIDEO_MIN: return x < y ? x : y;
    case SG_VIDEO_MAX: return x > y ? x : y;
    case SG_VIDEO_AVERAGE: return (x + y + (x + y >= 0)) >> 1;
    case SG_VIDEO_SHL: return (s64)((uint64_t)x << distance);
    case SG_VIDEO_SHR: return x >> distance;
    default: return holds(insn, x, y);
    }
}

// Signs of destination and sources.
struct signs {
    bool d, a, b;
};

static struct signs signs_of(const struct sg_insn *insn) {
    return (struct signs){sg_type_is_signed(insn->dst[0].type), sg_type_is_signed(insn->src[0].type),
                          sg_type_is_signed(insn->src[1].type)};
}

static u32 second_operation(const struct sg_insn *insn, u32 v, u32 c, bool sgn) {
    bool less = sgn ? (int32_t)v < (int32_t)c : v < c;
    switch (insn->atom) {
    case SG_ATOM_ADD: return v + c;
    case SG_ATOM_MIN: return less ? v : c;
    case SG_ATOM_MAX: return less ? c : v;
    default: return v;
    }
}

HANDLER(scalar) {
    const u32 *a = VEC(u32, a), *b = VEC(u32, b), *c = VEC(u32, c);
    u32 *d = VEC(u32, d);
    const struct sg_insn *insn = op->insn;
    const struct sg_operand *to = &insn->dst[0], *from = insn->src;
    const struct signs sgn = signs_of(insn);
    const unsigned bits = bits_of(to), at = to->parts ? bits * (to->n & 15) : 0;
    const u32 mask = (bits == 32 ? UINT32_MAX : (1u << bits) - 1) << at;
    SG_LANES(i) {
        s64 v = result(insn, part(a[i], bits_of(&from[0]), from[0].n & 15, sgn.a),
                       part(b[i], bits_of(&from[1]), from[1].n & 15, sgn.b));
        if (insn->flags & SG_F_SAT) v = clamp(v, bits, sgn.d);
        if (to->parts) d[i] = ((u32)v << at & mask) | (c[i] & ~mask);
        else d[i] = second_operation(insn, (u32)v, c[i], sgn.d);
    }
    return op + 1;
}

HANDLER(parts) {
    const u32 *a = VEC(u32, a), *b = VEC(u32, b), *c = VEC(u32, c);
    u32 *d = VEC(u32, d);
    const struct sg_insn *insn = op->insn;
    const struct sg_operand *to = &insn->dst[0], *from = insn->src;
    const struct signs sgn = signs_of(insn);
    const unsigned n = sg_rows[insn->op].parts, bits = 32 / n;
    const unsigned ones = from[0].parts ? from[0].n : 0x3210, twos = from[1].parts ? from[1].n : n == 4 ? 0x7654 : 0x32;
    unsigned wanted = to->parts ? 0 : 15;
    for (unsigned k = 0; k < (to->parts & ~SG_PARTS_HALVES); k++) wanted |= 1u << (to->n >> 4 * k & 15);
    SG_LANES(i) {
        const u32 both[2] = {a[i], b[i]};
        u32 sum = c[i], merged = c[i];
        for (unsigned k = 0; k < n; k++) {
            unsigned one = ones >> 4 * k & 15, two = twos >> 4 * k & 15;
            if (!(wanted >> k & 1)) continue;
            s64 v = result(insn, part(both[one / n], bits, one % n, sgn.a), part(both[two / n], bits, two % n, sgn.b));
            if (insn->flags & SG_F_SAT) v = clamp(v, bits, sgn.d);
            u32 mask = ((1u << bits) - 1) << bits * k;
            sum += (u32)v;
            merged = (merged & ~mask) | ((u32)v << bits * k & mask);
        }
        d[i] = insn->atom == SG_ATOM_ADD ? sum : merged;
    }
    return op + 1;
}

HANDLER(multiply_add) {
    const u32 *a = VEC(u32, a), *b = VEC(u32, b), *c = VEC(u32, c);
    u32 *d = VEC(u32, d);
    const struct sg_insn *insn = op->insn;
    const struct sg_operand *from = insn->src;
    const struct signs sgn = signs_of(insn);
    const bool negative = from[0].neg ^ from[1].neg, final = sgn.a || sgn.b || negative || from[2].neg;
    const unsigned shift = insn->mode == SG_VMAD_SHR7 ? 7 : insn->mode == SG_VMAD_SHR15 ? 15 : 0;
    SG_LANES(i) {
        __int128 v = (__int128)part(a[i], bits_of(&from[0]), from[0].n & 15, sgn.a) *
                     part(b[i], bits_of(&from[1]), from[1].n & 15, sgn.b);
        s64 addend = part(c[i], 32, 0, final);
        if (negative) v = -v;
        v += from[2].neg ? -addend : addend;
        if (insn->flags & SG_F_PO) v++;
        v >>= shift;
        d[i] = (u32)(insn->flags & SG_F_SAT ? clamp(v, 32, final) : v);
    }
    return op + 1;
}

sg_handler sg_pick_video(const struct sg_insn *insn) {
    if (sg_family_of(insn) == SG_FAMILY_VIDEO_SIMD) return parts;
    return sg_rows[insn->op].variant == SG_VIDEO_MAD ? multiply_add : scalar;
}
