#include "async.h"

// ---- where ------------------------------------------------------------------------------------

// `skip` bytes behind the place, which itself need not be there.
static void *spot_behind(struct warp *w, const struct op *op, unsigned which, uint32_t lane, uint32_t skip,
                         uint64_t bytes, unsigned align) {
    struct sg_spot s;
    memcpy(&s, op->list + which * SG_SPOT_WORDS, sizeof s);
    s.offset += (int32_t)skip;
    w->pc = op;
    if (s.shared)
        return sg_shared(w, op, lane, ((const uint32_t *)(w->R + s.slot))[lane] + (uint32_t)s.offset, bytes, align);
    return sg_translate(w, op, lane, ((const uint64_t *)(w->R + s.slot))[lane] + (uint64_t)(int64_t)s.offset, bytes,
                        align);
}

static void *spot(struct warp *w, const struct op *op, unsigned which, uint32_t lane, uint64_t bytes, unsigned align) {
    return spot_behind(w, op, which, lane, 0, bytes, align);
}

// ---- barriers ---------------------------------------------------------------------------------

// From the low bit: the phase's parity; arrivals of each phase; those still missing in this one; bytes still missing.
struct mbarrier {
    uint32_t parity, expected, pending;
    int32_t bytes;
};

enum { COUNT_BITS = 20, COUNT_MAX = (1 << COUNT_BITS) - 1, BYTES_BITS = 21 };

static uint64_t pack(struct mbarrier b) {
    return b.parity | (uint64_t)b.expected << 1 | (uint64_t)b.pending << (1 + COUNT_BITS) |
           ((uint64_t)b.bytes & ((1u << BYTES_BITS) - 1)) << (1 + 2 * COUNT_BITS);
}

static struct mbarrier unpack(uint64_t v) {
    int32_t bytes = (int32_t)(v >> (1 + 2 * COUNT_BITS) << (32 - BYTES_BITS));
    return (struct mbarrier){.parity = v & 1,
                             .expected = v >> 1 & COUNT_MAX,
                             .pending = v >> (1 + COUNT_BITS) & COUNT_MAX,
                             .bytes = bytes >> (32 - BYTES_BITS)};
}

// A phase ends when nothing is missing.
static uint64_t advance(struct mbarrier b) {
    if (b.pending == 0 && b.bytes == 0) {
        b.parity ^= 1;
        b.pending = b.expected;
    }
    return pack(b);
}

static uint64_t *barrier_at(struct warp *w, const struct op *op, unsigned which, uint32_t lane) {
    return spot(w, op, which, lane, sizeof(uint64_t), sizeof(uint64_t));
}

static uint32_t count_of(struct warp *w, const struct op *op, uint32_t lane) {
    return op->c ? SLOT(uint32_t, b)[lane] : 1;
}

const struct op *sg_op_mbarrier_init(struct warp *w, const struct op *op) {
    SG_ACTIVE(i, w->exec) {
        uint64_t *at = barrier_at(w, op, 0, i);
        uint32_t n = count_of(w, op, i);
        if (n < 1 || n > COUNT_MAX) sg_raise(w, op, SG_FAULT_TRAP, i, n, "mbarrier.init with this count");
        *at = pack((struct mbarrier){.expected = n, .pending = n});
    }
    return op + 1;
}

static void arrive(struct warp *w, const struct op *op, uint32_t lane, struct mbarrier *b, uint32_t n, bool drop) {
    if (n > b->pending) sg_raise(w, op, SG_FAULT_TRAP, lane, n, "more arrivals at an mbarrier than it expects");
    b->pending -= n;
    if (drop) b->expected -= n;
}

const struct op *sg_op_mbarrier_arrive(struct warp *w, const struct op *op) {
    unsigned mode = op->form.mode;
    SG_ACTIVE(i, w->exec) {
        uint64_t *at = barrier_at(w, op, 0, i), before = *at;
        struct mbarrier b = unpack(before);
        uint32_t n = count_of(w, op, i);
        if (mode == SG_MBAR_EXPECT_TX || mode == SG_MBAR_ARRIVE_EXPECT_TX) b.bytes += (int32_t)n;
        if (mode == SG_MBAR_COMPLETE_TX) b.bytes -= (int32_t)n;
        if (mode == SG_MBAR_ARRIVE_EXPECT_TX) arrive(w, op, i, &b, 1, false);
        if (mode == SG_MBAR_ARRIVE || mode == SG_MBAR_ARRIVE_DROP || mode == SG_CP_MBARRIER_ARRIVE)
            arrive(w, op, i, &b, n, mode == SG_MBAR_ARRIVE_DROP);
        *at = mode == SG_MBAR_EXPECT_TX ? pack(b) : advance(b);
        if (op->d2) SLOT(uint64_t, d)[i] = before;
    }
    return op + 1;
}

const struct op *sg_op_mbarrier_wait(struct warp *w, const struct op *op) {
    uint32_t ended = 0;
    SG_ACTIVE(i, w->exec) {
        uint32_t now = unpack(*barrier_at(w, op, 0, i)).parity;
        uint32_t then = op->c ? SLOT(uint32_t, b)[i] & 1 : unpack(SLOT(uint64_t, b)[i]).parity;
        ended |= (uint32_t)(now != then) << i;
    }
    PRED(d) = (PRED(d) & ~w->exec) | ended;
    return op + 1;
}

const struct op *sg_op_mbarrier_pending(struct warp *w, const struct op *op) {
    SG_ACTIVE(i, w->exec) SLOT(uint32_t, d)[i] = unpack(SLOT(uint64_t, a)[i]).pending;
    return op + 1;
}

// ---- copies -----------------------------------------------------------------------------------

const struct op *sg_op_copy_async(struct warp *w, const struct op *op) {
    unsigned bytes = op->d2;
    SG_ACTIVE(i, w->exec) {
        uint32_t n = bytes;
        if (op->c == 1) n = SLOT(uint32_t, b)[i];
        if (op->c == 2 && PRED(b) >> i & 1) n = 0;
        if (n > bytes) n = bytes;
        uint8_t *to = spot(w, op, 0, i, bytes, bytes);
        if (n) memcpy(to, spot(w, op, 1, i, n, bytes), n);
        memset(to + n, 0, bytes - n);
    }
    return op + 1;
}

static void count_bytes(struct warp *w, const struct op *op, unsigned which, uint32_t lane, uint32_t n) {
    uint64_t *at = barrier_at(w, op, which, lane);
    struct mbarrier b = unpack(*at);
    b.bytes -= (int32_t)n;
    *at = advance(b);
}

const struct op *sg_op_copy_bulk(struct warp *w, const struct op *op) {
    SG_ACTIVE(i, w->exec) {
        uint32_t n = SLOT(uint32_t, b)[i], left = 0, right = 0;
        if (n % 16) sg_raise(w, op, SG_FAULT_MISALIGNED, i, n, "a bulk copy of a size that is no multiple of 16");
        if (op->c == 2) left = SLOT(uint32_t, a)[i], right = SLOT(uint32_t, d)[i];
        if (left > 15 || right > 15)
            sg_raise(w, op, SG_FAULT_TRAP, i, n, "a bulk copy that ignores more than 15 bytes");
        if (n > left + right) {
            uint8_t *to = spot(w, op, 0, i, n, 16);
            memmove(to + left, spot_behind(w, op, 1, i, left, n - left - right, left ? 1 : 16), n - left - right);
        }
        if (op->c) count_bytes(w, op, 2, i, n);
    }
    return op + 1;
}

const struct op *sg_op_copy_masked(struct warp *w, const struct op *op) {
    SG_ACTIVE(i, w->exec) {
        uint32_t n = SLOT(uint32_t, b)[i], mask = SLOT(uint16_t, a)[i];
        if (n % 16) sg_raise(w, op, SG_FAULT_MISALIGNED, i, n, "a bulk copy of a size that is no multiple of 16");
        for (uint32_t at = 0; at < n; at += 16) {
            const uint8_t *from = spot_behind(w, op, 1, i, at, 16, 16);
            uint8_t *to = spot_behind(w, op, 0, i, at, 16, 16);
            for (unsigned k = 0; k < 16; k++)
                if (mask >> k & 1) to[k] = from[k];
        }
    }
    return op + 1;
}

// ---- clusterlaunchcontrol ---------------------------------------------------------------------

enum { ANSWER_BYTES = 16 };

const struct op *sg_op_try_cancel(struct warp *w, const struct op *op) {
    SG_ACTIVE(i, w->exec) {
        memset(spot(w, op, 0, i, ANSWER_BYTES, 16), 0, ANSWER_BYTES);
        count_bytes(w, op, 1, i, ANSWER_BYTES);
    }
    return op + 1;
}

const struct op *sg_op_is_canceled(struct warp *w, const struct op *op) {
    PRED(d) &= ~w->exec;
    return op + 1;
}

const struct op *sg_op_first_block(struct warp *w, const struct op *op) {
    for (uint32_t k = 0; k < op->n; k++)
        SG_ACTIVE(i, w->exec)((uint32_t *)(w->R + op->list[k]))[i] = 0;
    return op + 1;
}
