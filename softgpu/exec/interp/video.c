// The video instructions: on whole registers or parts of them, and on two halves or four bytes at once. They are rare,
// and what each does is read from its description lane by lane.
#include "decode.h"

typedef uint32_t u32;
typedef int64_t s64;

// An operand: a register or some parts of it.
struct part {
    uint8_t bits;   // of a part
    uint8_t named;  // how many; 0: the whole register
    uint16_t which; // four bits each
    bool is_signed, negated;
};

// list of the ops of this file.
struct video {
    uint8_t variant, cmp, second; // enum sg_variant, sg_cmp, sg_atom
    uint8_t parts, shift;
    bool wraps, saturates, plus_one;
    struct part d, a, b, c;
};

static struct part part_of(const struct sg_operand *o) {
    bool halves = o->parts & SG_PARTS_HALVES;
    return (struct part){.bits = !o->parts ? 32
                                 : halves  ? 16
                                           : 8,
                         .named = o->parts & (SG_PARTS_HALVES - 1),
                         .which = o->parts ? o->n : 0,
                         .is_signed = sg_type_is_signed(o->type),
                         .negated = o->neg};
}

void sg_describe_video(struct decoder *d, struct op *op, const struct sg_insn *insn) {
    const struct sg_row *row = &sg_rows[insn->op];
    struct video v = {.variant = row->variant, .cmp = insn->cmp, .second = insn->atom, .parts = row->parts};
    v.shift = insn->mode == SG_VMAD_SHR7 ? 7 : insn->mode == SG_VMAD_SHR15 ? 15 : 0;
    v.wraps = insn->flags & SG_F_WRAP;
    v.saturates = insn->flags & SG_F_SAT;
    v.plus_one = insn->flags & SG_F_PO;
    v.d = part_of(&insn->dst[0]);
    v.a = part_of(&insn->src[0]);
    v.b = part_of(&insn->src[1]);
    if (insn->nsrc > 2) v.c = part_of(&insn->src[2]);
    uint32_t list = sg_new_list(d, (sizeof v + 3) / 4);
    memcpy(d->code->lists[list], &v, sizeof v);
    op->list = d->code->lists[list];
}

static s64 value(u32 v, unsigned bits, unsigned k, bool sgn) {
    u32 f = v >> (bits * k) & (bits == 32 ? UINT32_MAX : (1u << bits) - 1);
    return sgn && f >> (bits - 1) ? (s64)f - ((s64)1 << bits) : (s64)f;
}

static s64 first_of(const struct part *p, u32 v) {
    return value(v, p->bits, p->which & 15, p->is_signed);
}

static s64 clamp(__int128 v, unsigned bits, bool sgn) {
    s64 most = ((s64)1 << (bits - sgn)) - 1, least = sgn ? -most - 1 : 0;
    return v > most ? most : v < least ? least : (s64)v;
}

static bool holds(enum sg_cmp cmp, s64 x, s64 y) {
    switch (cmp) {
    case SG_EQ:
        return x == y;
    case SG_NE:
        return x != y;
    case SG_LT:
        return x < y;
    case SG_LE:
        return x <= y;
    case SG_GT:
        return x > y;
    default:
        return x >= y;
    }
}

static s64 result(const struct video *v, s64 x, s64 y) {
    s64 distance = v->wraps ? y & 31 : y > 32 ? 32 : y;
    switch (v->variant) {
    case SG_VIDEO_ADD:
        return x + y;
    case SG_VIDEO_SUB:
        return x - y;
    case SG_VIDEO_DISTANCE:
        return x > y ? x - y : y - x;
    case SG_VIDEO_MIN:
        return x < y ? x : y;
    case SG_VIDEO_MAX:
        return x > y ? x : y;
    case SG_VIDEO_AVERAGE:
        return (x + y + (x + y >= 0)) >> 1;
    case SG_VIDEO_SHL:
        return (s64)((uint64_t)x << distance);
    case SG_VIDEO_SHR:
        return x >> distance;
    default:
        return holds(v->cmp, x, y);
    }
}

static u32 second_operation(enum sg_atom second, u32 v, u32 c, bool sgn) {
    bool less = sgn ? (int32_t)v < (int32_t)c : v < c;
    switch (second) {
    case SG_ATOM_ADD:
        return v + c;
    case SG_ATOM_MIN:
        return less ? v : c;
    case SG_ATOM_MAX:
        return less ? c : v;
    default:
        return v;
    }
}

HANDLER(scalar) {
    const u32 *a = VEC(u32, a), *b = VEC(u32, b), *c = VEC(u32, c);
    u32 *d = VEC(u32, d);
    const struct video *v = op->ptr;
    const unsigned bits = v->d.bits, at = bits * (v->d.which & 15);
    const u32 mask = (bits == 32 ? UINT32_MAX : (1u << bits) - 1) << at;
    SG_LANES(i) {
        s64 r = result(v, first_of(&v->a, a[i]), first_of(&v->b, b[i]));
        if (v->saturates) r = clamp(r, bits, v->d.is_signed);
        if (v->d.named)
            d[i] = ((u32)r << at & mask) | (c[i] & ~mask);
        else
            d[i] = second_operation(v->second, (u32)r, c[i], v->d.is_signed);
    }
    return op + 1;
}

HANDLER(parts) {
    const u32 *a = VEC(u32, a), *b = VEC(u32, b), *c = VEC(u32, c);
    u32 *d = VEC(u32, d);
    const struct video *v = op->ptr;
    const unsigned n = v->parts, bits = 32 / n;
    const unsigned ones = v->a.named ? v->a.which : 0x3210, twos = v->b.named ? v->b.which : n == 4 ? 0x7654 : 0x32;
    unsigned wanted = v->d.named ? 0 : 15;
    for (unsigned k = 0; k < v->d.named; k++)
        wanted |= 1u << (v->d.which >> 4 * k & 15);
    SG_LANES(i) {
        const u32 both[2] = {a[i], b[i]};
        u32 sum = c[i], merged = c[i];
        for (unsigned k = 0; k < n; k++) {
            unsigned one = ones >> 4 * k & 15, two = twos >> 4 * k & 15;
            if (!(wanted >> k & 1)) continue;
            s64 r = result(v, value(both[one / n], bits, one % n, v->a.is_signed),
                           value(both[two / n], bits, two % n, v->b.is_signed));
            if (v->saturates) r = clamp(r, bits, v->d.is_signed);
            u32 mask = ((1u << bits) - 1) << bits * k;
            sum += (u32)r;
            merged = (merged & ~mask) | ((u32)r << bits * k & mask);
        }
        d[i] = v->second == SG_ATOM_ADD ? sum : merged;
    }
    return op + 1;
}

HANDLER(multiply_add) {
    const u32 *a = VEC(u32, a), *b = VEC(u32, b), *c = VEC(u32, c);
    u32 *d = VEC(u32, d);
    const struct video *v = op->ptr;
    const bool negative = v->a.negated ^ v->b.negated;
    const bool final = v->a.is_signed || v->b.is_signed || negative || v->c.negated;
    SG_LANES(i) {
        __int128 r = (__int128)first_of(&v->a, a[i]) * first_of(&v->b, b[i]);
        s64 addend = value(c[i], 32, 0, final);
        if (negative) r = -r;
        r += v->c.negated ? -addend : addend;
        if (v->plus_one) r++;
        r >>= v->shift;
        d[i] = (u32)(v->saturates ? clamp(r, 32, final) : r);
    }
    return op + 1;
}

sg_handler sg_pick_video(const struct sg_insn *insn) {
    if (sg_family_of(insn) == SG_FAMILY_VIDEO_SIMD) return parts;
    return sg_rows[insn->op].variant == SG_VIDEO_MAD ? multiply_add : scalar;
}
