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
        extra = kind == 2 ? sg_source_pred(d, &insn->src[i]) : sg_source(d, &insn->src[i], 4);
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
    bool counted = insn->nsrc > 3;
    if (counted) add_spot(d, list, 2, &insn->src[3], SG_SHARED);
    uint32_t size = sg_source(d, &insn->src[2], 4);
    struct op *op = sg_emit(d, sg_op_copy_bulk);
    op->list = d->code->lists[list];
    op->b = size;
    op->c = counted;
}

static struct op *emit_barrier(struct decoder *d, sg_handler fn, const struct sg_insn *insn, unsigned bytes) {
    uint32_t list = sg_new_list(d, SG_SPOT_WORDS), b = 0;
    add_spot(d, list, 0, &insn->src[0], insn->space);
    if (insn->nsrc > 1) b = sg_source(d, &insn->src[1], bytes);
    struct op *op = sg_emit(d, fn);
    op->list = d->code->lists[list];
    op->b = b;
    op->c = insn->nsrc > 1;
    return op;
}

static void decode_arrive(struct decoder *d, const struct sg_insn *insn) {
    bool wanted = insn->ndst && insn->dst[0].kind == SG_OPND_REG;
    struct op *op = emit_barrier(d, sg_op_mbarrier_arrive, insn, 4);
    op->d2 = wanted;
    op->d = wanted ? d->code->reg_slot[insn->dst[0].reg] : 0;
}

static void decode_wait(struct decoder *d, const struct sg_insn *insn) {
    bool parity = insn->flags & SG_F_PARITY;
    struct op *op = emit_barrier(d, sg_op_mbarrier_wait, insn, parity ? 4 : 8);
    op->c = parity;
    op->d = d->code->reg_slot[insn->dst[0].reg];
}

static void decode_barrier(struct decoder *d, const struct sg_insn *insn) {
    switch (insn->mode) {
    case SG_MBAR_INIT: emit_barrier(d, sg_op_mbarrier_init, insn, 4); break;
    case SG_MBAR_INVAL: break;
    case SG_MBAR_TEST_WAIT:
    case SG_MBAR_TRY_WAIT: decode_wait(d, insn); break;
    case SG_MBAR_PENDING_COUNT: {
        uint32_t state = sg_source(d, &insn->src[0], 8);
        struct op *op = sg_emit(d, sg_op_mbarrier_pending);
        op->a = state;
        op->d = d->code->reg_slot[insn->dst[0].reg];
        break;
    }
    default: decode_arrive(d, insn);
    }
}

bool sg_decode_async(struct decoder *d, const struct sg_insn *insn) {
    if (insn->op == SG_OP_MBARRIER) {
        decode_barrier(d, insn);
        return true;
    }
    if (insn->op != SG_OP_CP_ASYNC) return false;
    switch (insn->mode) {
    case SG_CP_ASYNC: decode_copy(d, insn); break;
    case SG_CP_BULK: decode_bulk(d, insn); break;
    case SG_CP_MBARRIER_ARRIVE: // the copies are done; without .noinc the arrival is one more that is expected
        if (insn->flags & SG_F_NOINC) emit_barrier(d, sg_op_mbarrier_arrive, insn, 4);
        break;
    default: break; // groups
    }
    return true;
}
