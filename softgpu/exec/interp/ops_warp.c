// Operations across the lanes of a warp.
#include "ops.h"

typedef uint32_t u32;

HANDLER(shfl) {
    const u32 *a = VEC(u32, a), *b = VEC(u32, b), *c = VEC(u32, c);
    u32 r[SG_WARP], p = 0;
    enum sg_mode mode = op->form.mode;
    for (int i = 0; i < SG_WARP; i++) {
        int n = (int)(b[i] & 31), clamp = (int)(c[i] & 31), seg = (int)(c[i] >> 8 & 31);
        int most = (i & seg) | (clamp & ~seg), least = i & seg, j;
        bool inside;
        switch (mode) {
        case SG_SHFL_UP:
            j = i - n;
            inside = j >= most;
            break;
        case SG_SHFL_DOWN:
            j = i + n;
            inside = j <= most;
            break;
        case SG_SHFL_BFLY:
            j = i ^ n;
            inside = j <= most;
            break;
        default:
            j = least | (n & ~seg);
            inside = j <= most;
        }
        if (!inside) j = i;
        r[i] = w->exec >> (j & 31) & 1 ? a[j & 31] : 0; // lanes that are not there contribute nothing
        p |= (u32)inside << i;
    }
    memcpy(VEC(u32, d), r, sizeof r);
    if (op->unit > 1) PRED(d2) = p;
    return op + 1;
}

static bool voted(enum sg_mode mode, u32 p, u32 active) {
    switch (mode) {
    case SG_VOTE_ALL:
        return p == active;
    case SG_VOTE_ANY:
        return p != 0;
    default:
        return p == active || p == 0;
    }
}

// Masks that differ are against the rules; hardware answers each lane by its own all the same.
static const struct op *vote_apart(struct warp *w, const struct op *op, const u32 *masks) {
    u32 p = PRED(a) & w->exec, r = 0;
    SG_ACTIVE(i, w->exec) {
        if (op->form.mode == SG_VOTE_BALLOT)
            VEC(u32, d)[i] = p & masks[i];
        else
            r |= (u32)voted(op->form.mode, p & masks[i], w->exec & masks[i]) << i;
    }
    if (op->form.mode != SG_VOTE_BALLOT) PRED(d) = (PRED(d) & ~w->exec) | r;
    return op + 1;
}

// Lanes that take part: those of the member mask that are here.
HANDLER(vote) {
    const u32 *masks = op->n > 1 ? VEC(u32, b) : NULL;
    u32 members = masks ? masks[sg_first(w->exec)] : UINT32_MAX, other = 0;
    SG_LANES(i) if (masks && w->exec >> i & 1) other |= masks[i] ^ members;
    if (other) return vote_apart(w, op, masks);
    u32 active = w->exec & members, p = PRED(a) & active;
    if (op->form.mode == SG_VOTE_BALLOT)
        SG_LANES(i) VEC(u32, d)[i] = p;
    else
        PRED(d) = voted(op->form.mode, p, active) ? UINT32_MAX : 0;
    return op + 1;
}

static uint64_t value(const uint8_t *a, u32 i, unsigned bytes) {
    uint64_t v = 0;
    memcpy(&v, a + i * bytes, bytes);
    return v;
}

// Lanes of one instruction may form several groups, each with a member mask of its own: the lanes of `rest` that have
// the first one's mask and are its members.
static u32 next_group(const u32 *masks, u32 rest) {
    u32 members = masks[sg_first(rest)], group = 0;
    SG_LANES(i) group |= (u32)(masks[i] == members) << i;
    group &= rest;
    return group & members ? group & members : 1u << sg_first(rest);
}

// Lanes with lane i's value.
static u32 equals(const uint8_t *a, u32 i, unsigned bytes) {
    u32 same = 0;
    uint64_t v = value(a, i, bytes);
    if (bytes == 4)
        SG_LANES(k) same |= (u32)(((const u32 *)a)[k] == (u32)v) << k;
    else
        SG_LANES(k) same |= (u32)(value(a, (u32)k, bytes) == v) << k;
    return same;
}

HANDLER(match) {
    unsigned bytes = sg_type_bytes(op->form.type);
    const uint8_t *a = w->R + op->a;
    const u32 *masks = VEC(u32, b);
    u32 r[SG_WARP] = {0}, p = 0, group;
    for (u32 rest = w->exec; rest; rest &= ~group) {
        group = next_group(masks, rest);
        for (u32 other = group, same; other; other &= ~same) {
            same = group & equals(a, sg_first(other), bytes);
            SG_ACTIVE(i, same) r[i] = same;
            if (same == group) p |= group;
        }
    }
    if (op->form.mode == SG_MATCH_ALL) {
        SG_LANES(i) r[i] &= p >> i & 1 ? UINT32_MAX : 0;
        if (op->unit > 1) PRED(d2) = p;
    }
    memcpy(VEC(u32, d), r, sizeof r);
    return op + 1;
}

static u32 reduce_float(const struct op *op, u32 x, u32 y) {
    if (op->form.flags & SG_F_ABS) x &= 0x7fffffff, y &= 0x7fffffff;
    float f = sg_f32(x), g = sg_f32(y);
    if (f != f || g != g) {
        if (op->form.flags & SG_F_NAN) return 0x7fffffff;
        return f != f ? g != g ? 0x7fffffff : y : x;
    }
    bool min = op->form.detail == SG_ATOM_MIN;
    if (f == g) return min ? x | y : x & y;
    return (f < g) == min ? x : y;
}

static u32 reduce(const struct op *op, u32 x, u32 y) {
    if (op->form.type == SG_F32) return reduce_float(op, x, y);
    bool less = sg_type_is_signed(op->form.type) ? (int32_t)x < (int32_t)y : x < y;
    switch (op->form.detail) {
    case SG_ATOM_ADD:
        return x + y;
    case SG_ATOM_MIN:
        return less ? x : y;
    case SG_ATOM_MAX:
        return less ? y : x;
    case SG_ATOM_AND:
        return x & y;
    case SG_ATOM_OR:
        return x | y;
    default:
        return x ^ y;
    }
}

HANDLER(redux) {
    const u32 *a = VEC(u32, a), *masks = VEC(u32, b);
    u32 d[SG_WARP] = {0}, group;
    for (u32 rest = w->exec; rest; rest &= ~group) {
        group = next_group(masks, rest);
        u32 first = sg_first(group), r = a[first];
        if (op->form.type == SG_F32) r = reduce_float(op, r, r); // of one lane alone too
        SG_ACTIVE(i, group & (group - 1)) r = reduce(op, r, a[i]);
        SG_ACTIVE(i, group) d[i] = r;
    }
    memcpy(VEC(u32, d), d, sizeof d);
    return op + 1;
}

HANDLER(elect) {
    const u32 *masks = VEC(u32, a);
    u32 d[SG_WARP] = {0}, leaders = 0, group;
    for (u32 rest = w->exec; rest; rest &= ~group) {
        group = next_group(masks, rest);
        SG_ACTIVE(i, group) d[i] = sg_first(group);
        leaders |= group & -group;
    }
    memcpy(VEC(u32, d), d, sizeof d);
    if (op->unit > 1) PRED(d2) = leaders;
    return op + 1;
}

HANDLER(activemask) {
    SG_LANES(i) VEC(u32, d)[i] = w->exec;
    return op + 1;
}

sg_handler SG_ISA_NAME(sg_pick_warp)(const struct sg_insn *insn, const struct sg_function *fn) {
    (void)fn;
    switch (insn->op) {
    case SG_OP_SHFL:
        return shfl;
    case SG_OP_VOTE:
        return vote;
    case SG_OP_MATCH:
        return match;
    case SG_OP_REDUX:
        return redux;
    case SG_OP_ELECT:
        return elect;
    case SG_OP_ACTIVEMASK:
        return activemask;
    default:
        return NULL;
    }
}
