// .sync operations whose members are not all at the same instruction.
//
// PTX: a lane waits until all members of its mask that have not exited execute an operation of the same kind, with the
// same qualifiers and the same mask; at which instruction does not matter, nor in which call of which function. Lanes
// that come before the others leave their operands and give up their turn. The last one runs the operation for all,
// on operands gathered in rows as of a frame, and each lane fetches its result when its turn comes.
//
// In masked code, and wherever a function may be called by a part of a warp, decoding puts two ops before the handler:
//     meet     all members are here: on to the handler. Otherwise the lanes leave their operands
//     fetch    start of the unit in which such lanes go on: takes their results, on behind the handler
//     handler
#include "decode.h"
#include "lanes.h"

// Offsets in a meeting's rows. Groups of several kinds may wait at a time, so that a kind of operand has one place.
enum {
    ROW_A = 0,
    ROW_B = 128,
    ROW_C = 256,
    ROW_D = 384,    // 32 bits a lane: sources and result
    ROW_WIDE = 512, // 64 bits a lane, in place of A
    PRED_IN = 768,
    PRED_OUT = 772,    // a bit a lane
    SECOND_RESULT = 2, // of struct op's unit, for handlers with two
};

const struct op *sg_op_nothing(struct warp *w, const struct op *op) {
    (void)w;
    return op + 1;
}

// imm of the handler's op: what is not a register of 32 bits.
enum { A_IS_PREDICATE = 1, A_IS_WIDE = 2, RESULT_IS_PREDICATE = 4, NO_RESULT = 8 };

int64_t sg_meeting_places(const struct sg_insn *insn) {
    int64_t places = insn->ndst ? 0 : NO_RESULT;
    if (insn->ndst && insn->dst[0].type == SG_PRED) places |= RESULT_IS_PREDICATE;
    if (insn->nsrc && insn->src[0].type == SG_PRED) places |= A_IS_PREDICATE;
    if (insn->nsrc && sg_type_bytes(insn->src[0].type) == 8) places |= A_IS_WIDE;
    return places;
}

static bool same_kind(const struct op *x, const struct op *y) {
    return x->fn == y->fn && !memcmp(&x->form, &y->form, sizeof x->form);
}

// Lanes that wait at the same operation as this one.
static uint32_t company(const struct meeting *m, uint32_t lane) {
    uint32_t together = 0;
    SG_ACTIVE(i, m->waiting) {
        bool same = m->seats[i].members == m->seats[lane].members &&
                    (m->seats[i].op == m->seats[lane].op || same_kind(m->seats[i].op, m->seats[lane].op));
        together |= (uint32_t)same << i;
    }
    return together;
}

static uint32_t first_operand(const struct op *handler) {
    return handler->imm & A_IS_PREDICATE ? PRED_IN : handler->imm & A_IS_WIDE ? ROW_WIDE : ROW_A;
}

// Runs the operation for the lanes of `group`, from and to the meeting's rows.
static void run_for(struct warp *w, uint32_t group, uint32_t lane) {
    struct meeting *m = &w->meeting;
    struct op op = *m->seats[lane].op;
    op.a = first_operand(&op);
    op.b = ROW_B;
    op.c = ROW_C;
    op.d = op.imm & RESULT_IS_PREDICATE ? PRED_OUT : ROW_D;
    op.d2 = PRED_OUT;
    op.unit = SECOND_RESULT;
    uint8_t *registers = w->R;
    uint32_t mask = w->mask, exec = w->exec;
    w->R = m->rows;
    w->mask = w->exec = group;
    op.fn(w, &op);
    w->R = registers;
    w->mask = mask;
    w->exec = exec;
    SG_ACTIVE(i, group) memcpy(&m->result[i], m->rows + ROW_D + 4 * i, 4);
    uint32_t holds;
    memcpy(&holds, m->rows + PRED_OUT, 4);
    m->holds = (m->holds & ~group) | (holds & group);
}

static void release(struct warp *w, uint32_t group) {
    struct meeting *m = &w->meeting;
    run_for(w, group, (uint32_t)__builtin_ctz(group));
    m->waiting &= ~group;
    SG_ACTIVE(i, group) add_pending(m->seats[i].f, m->seats[i].unit, 1u << i, 0);
}

void sg_settle(struct warp *w) {
    struct meeting *m = &w->meeting;
    for (uint32_t rest = m->waiting; rest;) {
        uint32_t lane = (uint32_t)__builtin_ctz(rest), together = company(m, lane);
        if (!(m->seats[lane].members & w->live & ~together)) release(w, together);
        rest &= ~together;
    }
}

uint32_t sg_first_seat(const struct warp *w) {
    const struct meeting *m = &w->meeting;
    uint32_t first = SG_WARP;
    SG_ACTIVE(i, m->waiting) if (first == SG_WARP || m->seats[i].unit < m->seats[first].unit) first = i;
    return first;
}

void sg_settle_without(struct warp *w, uint32_t lane) {
    release(w, company(&w->meeting, lane));
}

static void leave_operands(struct warp *w, const struct op *op) {
    struct meeting *m = &w->meeting;
    uint32_t row = first_operand(op), bytes = row == ROW_WIDE ? 8 : 4;
    if (row == PRED_IN) {
        uint32_t *p = (uint32_t *)(m->rows + PRED_IN);
        *p = (*p & ~w->exec) | (PRED(a) & w->exec);
    }
    SG_ACTIVE(i, w->exec) {
        if (row != PRED_IN) memcpy(m->rows + row + bytes * i, w->R + op->a + bytes * i, bytes);
        memcpy(m->rows + ROW_B + 4 * i, w->R + op->b + 4 * i, 4);
        memcpy(m->rows + ROW_C + 4 * i, w->R + op->c + 4 * i, 4);
    }
}

// a: the member masks; unit: fetch's; n: the unit for lanes whose guard does not hold.
const struct op *sg_op_meet(struct warp *w, const struct op *op) {
    struct meeting *m = &w->meeting;
    const uint32_t *members = VEC(uint32_t, a);
    uint32_t named = 0, others = w->mask & ~w->exec;
    SG_ACTIVE(i, w->exec) named |= members[i];
    if (!(named & w->live & ~w->exec)) return op + 2;
    leave_operands(w, op + 2);
    SG_ACTIVE(i, w->exec) m->seats[i] = (struct seat){w->f, op + 2, op->unit, members[i]};
    m->waiting |= w->exec;
    if (others) add_pending(w->f, op->n, others, 0);
    sg_settle(w);
    return sg_next(w);
}

const struct op *sg_op_fetch(struct warp *w, const struct op *op) {
    const struct meeting *m = &w->meeting;
    const struct op *handler = op + 1;
    uint32_t pred = UINT32_MAX;
    if (handler->imm & RESULT_IS_PREDICATE)
        pred = handler->d;
    else if (handler->unit >= SECOND_RESULT)
        pred = handler->d2;
    if (pred != UINT32_MAX) {
        uint32_t *p = (uint32_t *)(w->R + pred);
        *p = (*p & ~w->exec) | (m->holds & w->exec);
    }
    if (!(handler->imm & (RESULT_IS_PREDICATE | NO_RESULT)))
        SG_ACTIVE(i, w->exec)((uint32_t *)(w->R + handler->d))[i] = m->result[i];
    return op + 2;
}
