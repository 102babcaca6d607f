// Operations across the lanes of a warp.
#include "ops.h"

typedef uint32_t u32;

HANDLER(shfl) {
    const u32 *a = VEC(u32, a), *b = VEC(u32, b), *c = VEC(u32, c);
    u32 r[SG_WARP], p = 0;
    enum sg_mode mode = op->insn->mode;
    for (int i = 0; i < SG_WARP; i++) {
        int n = (int)(b[i] & 31), clamp = (int)(c[i] & 31), seg = (int)(c[i] >> 8 & 31);
        int most = (i & seg) | (clamp & ~seg), least = i & seg, j;
        bool inside;
        switch (mode) {
        case SG_SHFL_UP: j = i - n; inside = j >= most; break;
        case SG_SHFL_DOWN: j = i + n; inside = j <= most; break;
        case SG_SHFL_BFLY: j = i ^ n; inside = j <= most; break;
        default: j = least | (n & ~seg); inside = j <= most;
        }
        if (!inside) j = i;
        r[i] = a[j & 31];
        p |= (u32)inside << i;
    }
    memcpy(VEC(u32, d), r, sizeof r);
    if (op->unit > 1) PRED(d2) = p;
    return op + 1;
}

static bool voted(enum sg_mode mode, u32 p, u32 active) {
    switch (mode) {
    case SG_VOTE_ALL: return p == active;
    case SG_VOTE_ANY: return p != 0;
    default: return p == active || p == 0;
    }
}

// Masks that differ are against the rules; hardware answers each lane by its own all the same.
static const struct op *vote_apart(struct warp *w, const struct op *op, const u32 *masks) {
    u32 p = PRED(a) & w->exec, r = 0;
    SG_ACTIVE(i, w->exec) {
        if (op->insn->mode == SG_VOTE_BALLOT) VEC(u32, d)[i] = p & masks[i];
        else r |= (u32)voted(op->insn->mode, p & masks[i], w->exec & masks[i]) << i;
    }
    if (op->insn->mode != SG_VOTE_BALLOT) PRED(d) = (PRED(d) & ~w->exec) | r;
    return op + 1;
}

// Lanes that take part: those of the member mask that are here.
HANDLER(vote) {
    const u32 *masks = op->insn->nsrc > 1 ? VEC(u32, b) : NULL;
    u32 members = masks ? masks[sg_first(w->exec)] : UINT32_MAX, other = 0;
    SG_LANES(i) if (masks && w->exec >> i & 1) other |= masks[i] ^ members;
    if (other) return vote_apart(w, op, masks);
    u32 active = w->exec & members, p = PRED(a) & active;
    if (op->insn->mode == SG_VOTE_BALLOT)
        SG_LANES(i) VEC(u32, d)[i] = p;
    else
        PRED(d) = voted(op->insn->mode, p, active) ? UINT32_MAX : 0;
    return op + 1;
}

static uint64_t value(const uint8_t *a, u32 i, unsigned bytes) {
    uint64_t v = 0;
    memcpy(&v, a + i * bytes, bytes);
    return v;
}

HANDLER(match) {
    unsigned bytes = sg_type_bytes(op->insn->type);
    const uint8_t *a = w->R + op->a;
    u32 active = w->exec & VEC(u32, b)[sg_first(w->exec)], r[SG_WARP] = {0};
    bool all = true;
    SG_ACTIVE(i, active) {
        u32 same = 0;
        for (u32 k = 0; k < SG_WARP; k++)
            if (active >> k & 1 && value(a, k, bytes) == value(a, i, bytes)) same |= 1u << k;
        r[i] = same;
        all &= same == active;
    }
    if (op->insn->mode == SG_MATCH_ALL) {
        SG_LANES(i) r[i] = all ? active : 0;
        if (op->unit > 1) PRED(d2) = all ? UINT32_MAX : 0;
    }
    memcpy(VEC(u32, d), r, sizeof r);
    return op + 1;
}

static u32 reduce_float(const struct op *op, u32 x, u32 y) {
    if (op->insn->flags & SG_F_ABS) x &= 0x7fffffff, y &= 0x7fffffff;
    float f = sg_f32(x), g = sg_f32(y);
    if (f != f || g != g) {
        if (op->insn->flags & SG_F_NAN) return 0x7fffffff;
        return f != f ? g != g ? 0x7fffffff : y : x;
    }
    bool min = op->insn->atom == SG_ATOM_MIN;
    if (f == g) return min ? x | y : x & y;
    return (f < g) == min ? x : y;
}

HANDLER(redux) {
    const u32 *a = VEC(u32, a);
    u32 active = w->exec & VEC(u32, b)[sg_first(w->exec)], r = 0;
    bool first = true, sgn = sg_type_is_signed(op->insn->type);
    SG_ACTIVE(i, active) {
        u32 x = a[i];
        if (op->insn->type == SG_F32) {
            r = first ? reduce_float(op, x, x) : reduce_float(op, r, x);
            first = false;
            continue;
        }
        bool less = sgn ? (int32_t)x < (int32_t)r : x < r;
        switch (op->insn->atom) {
        case SG_ATOM_ADD: r += x; break;
        case SG_ATOM_MIN: r = first || less ? x : r; break;
        case SG_ATOM_MAX: r = first || !less ? x : r; break;
        case SG_ATOM_AND: r = first ? x : r & x; break;
        case SG_ATOM_OR: r |= x; break;
        default: r ^= x; break;
        }
        first = false;
    }
    SG_LANES(i) VEC(u32, d)[i] = r;
    return op + 1;
}

HANDLER(elect) {
    u32 active = w->exec & VEC(u32, a)[sg_first(w->exec)], leader = sg_first(active);
    SG_LANES(i) VEC(u32, d)[i] = leader;
    if (op->unit > 1) PRED(d2) = active ? 1u << leader : 0;
    return op + 1;
}

sg_handler SG_ISA_NAME(sg_pick_warp)(const struct sg_insn *insn, const struct sg_function *fn) {
    (void)fn;
    switch (insn->op) {
    case SG_OP_SHFL: return shfl;
    case SG_OP_VOTE: return vote;
    case SG_OP_MATCH: return match;
    case SG_OP_REDUX: return redux;
    case SG_OP_ELECT: return elect;
    default: return NULL;
    }
}
