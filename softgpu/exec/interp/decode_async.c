// Decoding of asynchronous copies and mbarrier.
#include "async.h"
#include "decode.h"

static void add_spot(struct decoder *d, uint32_t list, unsigned which, const struct sg_operand *o,
                     enum sg_space space) {
    struct sg_place p = sg_find_place(d, o, space);
    if ((p.space != SG_SHARED && p.space != SG_GENERIC) || p.imm != (int32_t)p.imm)
        sg_decode_fail(d, "an asynchronous access to this state space");
    struct sg_spot s = {.slot = p.slot, .shared = p.space == SG_SHARED, .offset = (int32_t)p.imm};
    memcpy(d->code->lists[list] + which * SG_SPOT_WORDS, &s, sizeof s);
}

static bool is_predicate(const struct decoder *d, const struct sg_operand *o) {
    return o->kind == SG_OPND_REG && d->fn->regs[o->reg].type == SG_PRED;
}

static void decode_copy(struct decoder *d, const struct sg_insn *insn) {
    unsigned bytes = insn->src[2].kind == SG_OPND_IMM ? (unsigned)insn->src[2].imm : 0;
    if (bytes != 4 && bytes != 8 && bytes != 16) sg_decode_fail(d, "cp.async of this size");
    uint32_t list = sg_new_list(d, 2 * SG_SPOT_WORDS), extra = 0, kind = 0;
    add_spot(d, list, 0, &insn->src[0], SG_SHARED);
    add_spot(d, list, 1, &insn->src[1], SG_GLOBAL);
    for (unsigned i = 3; i < insn->nsrc; i++) {
        kind = is_predicate(d, &insn->src[i]) ? 2 : 1;
        extra = kind == 2 ? sg_source_pred(d, &insn->src[i]) : sg_source(d, &insn->src[i]);
    }
    struct op *op = sg_emit(d, sg_op_copy_async);
    op->list = d->code->lists[list];
    op->d2 = bytes;
    op->b = extra;
    op->c = kind;
}

static void decode_bulk(struct decoder *d, const struct sg_insn *insn) {
    uint32_t list = sg_new_list(d, 3 * SG_SPOT_WORDS);
    add_spot(d, list, 0, &insn->src[0], insn->space);
    add_spot(d, list, 1, &insn->src[1], insn->space2);
    if (insn->mode == SG_CP_BULK_MASKED) {
        uint32_t size = sg_source(d, &insn->src[2]), mask = sg_source(d, &insn->src[3]);
        struct op *op = sg_emit(d, sg_op_copy_masked);
        op->list = d->code->lists[list];
        op->b = size;
        op->a = mask;
        return;
    }
    bool counted = insn->nsrc > 3, ignores = insn->nsrc == 6;
    if (counted) add_spot(d, list, 2, &insn->src[insn->nsrc - 1], SG_SHARED);
    uint32_t size = sg_source(d, &insn->src[2]);
    uint32_t left = ignores ? sg_source(d, &insn->src[3]) : 0, right = ignores ? sg_source(d, &insn->src[4]) : 0;
    struct op *op = sg_emit(d, sg_op_copy_bulk);
    op->list = d->code->lists[list];
    op->b = size;
    op->a = left;
    op->d = right;
    op->c = ignores ? 2 : counted;
}

static void decode_cancel(struct decoder *d, const struct sg_insn *insn) {
    if (insn->mode == SG_CLC_TRY_CANCEL) {
        uint32_t list = sg_new_list(d, 2 * SG_SPOT_WORDS);
        add_spot(d, list, 0, &insn->src[0], insn->space);
        add_spot(d, list, 1, &insn->src[1], insn->space);
        sg_emit(d, sg_op_try_cancel)->list = d->code->lists[list];
        return;
    }
    const struct sg_operand *to = &insn->dst[0];
    if (insn->mode == SG_CLC_IS_CANCELED) {
        sg_emit(d, sg_op_is_canceled)->d = d->code->reg_slot[to->reg];
        return;
    }
    uint32_t list = sg_new_list(d, SG_MAX_VECTOR), n = 0;
    for (unsigned i = 0; i < (to->kind == SG_OPND_VEC ? to->n : 1); i++) {
        const struct sg_operand *o = to->kind == SG_OPND_VEC ? &to->vec[i] : to;
        if (o->kind == SG_OPND_REG) d->code->lists[list][n++] = d->code->reg_slot[o->reg];
    }
    struct op *op = sg_emit(d, sg_op_first_block);
    op->list = d->code->lists[list];
    op->n = n;
}

static struct op *emit_barrier(struct decoder *d, sg_handler fn, const struct sg_insn *insn) {
    uint32_t list = sg_new_list(d, SG_SPOT_WORDS), b = 0;
    add_spot(d, list, 0, &insn->src[0], insn->space);
    if (insn->nsrc > 1) b = sg_source(d, &insn->src[1]);
    struct op *op = sg_emit(d, fn);
    op->list = d->code->lists[list];
    op->b = b;
    op->c = insn->nsrc > 1;
    return op;
}

static void decode_arrive(struct decoder *d, const struct sg_insn *insn) {
    bool wanted = insn->ndst && insn->dst[0].kind == SG_OPND_REG;
    struct op *op = emit_barrier(d, sg_op_mbarrier_arrive, insn);
    op->d2 = wanted;
    op->d = wanted ? d->code->reg_slot[insn->dst[0].reg] : 0;
}

static void decode_wait(struct decoder *d, const struct sg_insn *insn) {
    bool parity = insn->flags & SG_F_PARITY;
    struct op *op = emit_barrier(d, sg_op_mbarrier_wait, insn);
    op->c = parity;
    op->d = d->code->reg_slot[insn->dst[0].reg];
}

static void decode_barrier(struct decoder *d, const struct sg_insn *insn) {
    switch (insn->mode) {
    case SG_MBAR_INIT:
        emit_barrier(d, sg_op_mbarrier_init, insn);
        break;
    case SG_MBAR_INVAL:
        break;
    case SG_MBAR_TEST_WAIT:
    case SG_MBAR_TRY_WAIT:
        decode_wait(d, insn);
        break;
    case SG_MBAR_PENDING_COUNT: {
        uint32_t state = sg_source(d, &insn->src[0]);
        struct op *op = sg_emit(d, sg_op_mbarrier_pending);
        op->a = state;
        op->d = d->code->reg_slot[insn->dst[0].reg];
        break;
    }
    default:
        decode_arrive(d, insn);
    }
}

static void decode_copies(struct decoder *d, const struct sg_insn *insn) {
    switch (insn->mode) {
    case SG_CP_ASYNC:
        decode_copy(d, insn);
        break;
    case SG_CP_BULK:
    case SG_CP_BULK_MASKED:
        decode_bulk(d, insn);
        break;
    case SG_CP_MBARRIER_ARRIVE: // the copies are done; without .noinc the arrival is one more that is expected
        if (insn->flags & SG_F_NOINC) emit_barrier(d, sg_op_mbarrier_arrive, insn);
        break;
    default:
        break; // groups
    }
}

void sg_decode_async(struct decoder *d, const struct sg_insn *insn) {
    switch (insn->op) {
    case SG_OP_MBARRIER:
        decode_barrier(d, insn);
        break;
    case SG_OP_CLUSTERLAUNCHCONTROL:
        decode_cancel(d, insn);
        break;
    default:
        decode_copies(d, insn);
    }
}
