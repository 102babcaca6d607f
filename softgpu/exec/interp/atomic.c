// atom and red. Global and generic memory by the processor's own atomic operations (a loop of
// compare-and-swap for what it lacks); shared memory plainly, since a cluster of blocks lives on one thread.
#include "round.h"

typedef unsigned __int128 u128;

static float add32(float x, float y) {
    return sg_canon(x + y);
}

static uint32_t flush32(uint32_t x) {
    return x & 0x7f800000 ? x : x & 0x80000000u;
}

static uint64_t extreme(uint64_t x, uint64_t y, unsigned bytes, bool sgn, bool min) {
    unsigned shift = 64 - bytes * 8;
    bool less = sgn ? (int64_t)(x << shift) < (int64_t)(y << shift) : x < y;
    return less == min ? x : y;
}

static uint16_t half_op(uint16_t x, uint16_t y, bool b, enum sg_atom atom) {
    float f = b ? sg_from_bf16(x) : sg_from_f16(x), g = b ? sg_from_bf16(y) : sg_from_f16(y), r = f + g;
    if (atom == SG_ATOM_MIN || atom == SG_ATOM_MAX) {
        if (f != f) return y;
        if (g != g) return x;
        return (f < g) == (atom == SG_ATOM_MIN) ? x : y;
    }
    return b ? sg_to_bf16(r) : sg_to_f16(r);
}

// What the memory holds after the operation on `old` with operand `b` (and `c` for cas).
static u128 result(const struct form *form, u128 old, u128 b, u128 c) {
    enum sg_type t = form->type;
    uint64_t x = (uint64_t)old, y = (uint64_t)b;
    switch (form->detail) {
    case SG_ATOM_EXCH:
        return b;
    case SG_ATOM_CAS:
        return old == b ? c : old;
    case SG_ATOM_AND:
        return x & y;
    case SG_ATOM_OR:
        return x | y;
    case SG_ATOM_XOR:
        return x ^ y;
    case SG_ATOM_INC:
        return x >= y ? 0 : x + 1;
    case SG_ATOM_DEC:
        return x == 0 || x > y ? y : x - 1;
    default:
        break;
    }
    switch (t) {
    case SG_F32: {
        float f = sg_f32((uint32_t)x), g = sg_f32((uint32_t)y);
        if (form->detail == SG_ATOM_ADD) {
            if (!(form->flags & SG_F_FTZ)) return sg_u32(add32(f, g));
            return flush32(sg_u32(add32(sg_f32(flush32((uint32_t)x)), sg_f32(flush32((uint32_t)y)))));
        }
        return f != f ? y : g != g ? x : (f < g) == (form->detail == SG_ATOM_MIN) ? x : y;
    }
    case SG_F64: {
        double f = sg_f64(x), g = sg_f64(y);
        if (form->detail == SG_ATOM_ADD) return sg_u64(f + g);
        return f != f ? y : g != g ? x : (f < g) == (form->detail == SG_ATOM_MIN) ? x : y;
    }
    case SG_F16:
    case SG_BF16:
        return half_op((uint16_t)x, (uint16_t)y, t == SG_BF16, form->detail);
    case SG_F16X2:
    case SG_BF16X2:
        return half_op((uint16_t)x, (uint16_t)y, t == SG_BF16X2, form->detail) |
               (uint32_t)half_op((uint16_t)(x >> 16), (uint16_t)(y >> 16), t == SG_BF16X2, form->detail) << 16;
    default:
        break;
    }
    if (form->detail == SG_ATOM_ADD) return x + y;
    return extreme(x, y, sg_type_bytes(t), sg_type_is_signed(t), form->detail == SG_ATOM_MIN);
}

static uint8_t *target(struct warp *w, const struct op *op, uint32_t i, unsigned bytes, bool *mine) {
    if (op->n) {
        uint32_t at = ((const uint32_t *)(w->R + op->a))[i] + (uint32_t)op->imm;
        *mine = true; // or of a block on the same thread
        return sg_shared(w, op, i, at, bytes, bytes);
    }
    uint64_t at = ((const uint64_t *)(w->R + op->a))[i] + (uint64_t)op->imm;
    uint8_t *p = sg_translate(w, op, i, at, bytes, bytes);
    *mine = at - (uintptr_t)w->shared < w->shared_size;
    return p;
}

#define LOOP(T)                                                                                                        \
    static u128 atomic_##T(T *p, const struct form *form, u128 b, u128 c) {                                            \
        T old = __atomic_load_n(p, __ATOMIC_RELAXED), new;                                                             \
        do                                                                                                             \
            new = (T)result(form, old, b, c);                                                                          \
        while (!__atomic_compare_exchange_n(p, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));                 \
        return old;                                                                                                    \
    }
LOOP(uint16_t)
LOOP(uint32_t)
LOOP(uint64_t)

__attribute__((target("cx16"))) static u128 atomic_u128(u128 *p, const struct form *form, u128 b, u128 c) {
    u128 old = *p, seen;
    for (;;) {
        u128 new = result(form, old, b, c);
        seen = __sync_val_compare_and_swap(p, old, new);
        if (seen == old) return old;
        old = seen;
    }
}

HANDLER(atomic) {
    const struct form *form = &op->form;
    unsigned bytes = sg_type_bytes(form->type);
    w->pc = op;
    SG_ACTIVE(i, w->exec) {
        bool mine;
        uint8_t *p = target(w, op, i, bytes, &mine);
        u128 b = 0, c = 0, old = 0;
        memcpy(&b, w->R + op->b + i * bytes, bytes);
        if (form->detail == SG_ATOM_CAS) memcpy(&c, w->R + op->c + i * bytes, bytes);
        if (mine) {
            memcpy(&old, p, bytes);
            u128 new = result(form, old, b, c);
            memcpy(p, &new, bytes);
        } else if (bytes == 4) {
            if (form->detail == SG_ATOM_ADD && !sg_type_is_float(form->type))
                old = __atomic_fetch_add((uint32_t *)p, (uint32_t)b, __ATOMIC_SEQ_CST);
            else
                old = atomic_uint32_t((uint32_t *)p, form, b, c);
        } else if (bytes == 8) {
            old = atomic_uint64_t((uint64_t *)p, form, b, c);
        } else if (bytes == 2) {
            old = atomic_uint16_t((uint16_t *)p, form, b, c);
        } else {
            old = atomic_u128((u128 *)p, form, b, c);
        }
        if (op->d2) memcpy(w->R + op->d + i * bytes, &old, bytes);
    }
    return op + 1;
}

sg_handler sg_pick_atomic(const struct sg_insn *insn, const struct sg_function *fn) {
    (void)fn;
    unsigned bytes = sg_type_bytes(insn->type);
    return bytes >= 2 && bytes <= 16 ? atomic : NULL;
}
