// Decoding of basic blocks: units, guards, barriers and branches.
#include "decode.h"

// Members meet wherever they are.
static bool is_meeting(const struct sg_insn *insn) {
    return insn->members;
}

// All lanes execute it together; a shuffle without .sync is of a time when they did.
static bool is_aligned(const struct sg_insn *insn) {
    return (insn->is & SG_P_COLLECTIVE) && !insn->members;
}

static bool is_barrier(const struct sg_insn *insn) {
    return insn->is & SG_P_BARRIER;
}

static bool is_waiting(const struct sg_insn *insn) {
    return is_barrier(insn) && (insn->is & SG_P_WAITS);
}

// How many units begin in or behind an instruction, beside its block's own.
static uint32_t units_of(const struct sg_insn *insn) {
    if (is_meeting(insn)) return insn->guard >= 0 ? 2 : 1;
    if (insn->op == SG_OP_CALL) return sg_called(insn) ? 1 : 2;
    return is_aligned(insn) || is_waiting(insn);
}

void sg_begin_unit(struct decoder *d) {
    d->unit_op[d->masked][d->next_unit++] = d->nops;
}

// One that lanes always go on with in masked code.
void sg_begin_masked_unit(struct decoder *d) {
    if (d->masked)
        sg_begin_unit(d);
    else
        d->unit_op[0][d->next_unit++] = MASKED_ONLY;
}

void sg_decode_meeting(struct decoder *d, const struct sg_insn *insn, const uint32_t *slots) {
    if (!is_meeting(insn)) return;
    if (!d->masked && d->fn->entry && insn->guard < 0) {
        sg_begin_masked_unit(d);
        return;
    }
    struct op *op = sg_emit(d, sg_op_meet);
    op->a = slots[insn->members - 1];
    op->unit = d->next_unit;
    op->n = insn->guard >= 0 ? d->next_unit + 1 : 0;
    sg_begin_masked_unit(d);
    sg_emit(d, sg_op_fetch);
}

static void decode_warp_sync(struct decoder *d, const struct sg_insn *insn) {
    uint32_t members = sg_source(d, &insn->src[0]);
    sg_decode_meeting(d, insn, &members);
    sg_emit(d, sg_op_nothing)->imm = sg_meeting_places(insn);
}

static void decode_barrier(struct decoder *d, const struct sg_insn *insn) {
    bool red = insn->mode == SG_BAR_RED, arrive = insn->mode == SG_BAR_ARRIVE;
    unsigned counts = insn->nsrc - (red ? 1 : 0);
    uint32_t id = insn->nsrc > (red ? 1u : 0u) ? sg_source(d, &insn->src[0]) : sg_constant(d, 0, 4);
    uint32_t n = counts > 1 ? sg_source(d, &insn->src[1]) : 0;
    const struct sg_operand *p = red ? &insn->src[insn->nsrc - 1] : NULL;
    uint32_t pred = p ? sg_source_pred(d, p) : 0;
    struct op *op = sg_emit(d, arrive ? sg_op_bar_arrive : sg_op_bar_sync);
    op->a = id;
    op->b = n;
    op->c = pred;
    op->n = (counts > 1 ? 1u : 0) | (red ? 2u : 0);
    op->unit = d->next_unit;
}

static void decode_bar_result(struct decoder *d, const struct sg_insn *insn) {
    uint32_t id = sg_source(d, &insn->src[0]);
    struct op *op = sg_emit(d, sg_op_bar_result); // writes active lanes only
    op->a = id;
    op->d = d->code->reg_slot[insn->dst[0].reg];
    op->n = insn->atom;
}

static uint32_t emit_guard(struct decoder *d, const struct sg_insn *insn) {
    struct op *op = sg_emit(d, insn->guard_neg ? sg_op_guard_not : sg_op_guard);
    op->a = d->code->reg_slot[insn->guard];
    return d->nops - 1;
}

static void end_guard(struct decoder *d, uint32_t at) {
    sg_emit(d, sg_op_unguard);
    d->code->ops[at].n = d->nops - 1 - at;
}

static void decode_cluster_barrier(struct decoder *d, const struct sg_insn *insn) {
    sg_emit(d, is_waiting(insn) ? sg_op_cluster_wait : sg_op_cluster_arrive)->unit = d->next_unit;
}

static void decode_control(struct decoder *d, const struct sg_insn *insn) {
    switch (insn->op) {
    case SG_OP_CALL:
        sg_decode_call(d, insn);
        break;
    case SG_OP_EXIT:
        sg_emit(d, sg_op_exit);
        break;
    case SG_OP_RET:
        sg_emit(d, sg_op_ret);
        break;
    default:
        sg_decode_ordinary(d, insn);
    }
}

static void decode_body(struct decoder *d, const struct sg_insn *insn) {
    switch (sg_family_of(insn)) {
    case SG_FAMILY_MOVE:
        sg_decode_mov(d, insn);
        break;
    case SG_FAMILY_CONTROL:
        decode_control(d, insn);
        break;
    case SG_FAMILY_BARRIER:
        if (is_meeting(insn))
            decode_warp_sync(d, insn);
        else if (insn->is & SG_P_OF_CLUSTER)
            decode_cluster_barrier(d, insn);
        else
            decode_barrier(d, insn);
        break;
    case SG_FAMILY_MEMORY:
    case SG_FAMILY_ATOMIC:
        sg_decode_memory(d, insn);
        break;
    case SG_FAMILY_TEXTURE:
        sg_decode_texture(d, insn);
        break;
    case SG_FAMILY_MATRIX:
    case SG_FAMILY_TILE:
        sg_decode_matrix(d, insn);
        break;
    case SG_FAMILY_ASYNC:
        sg_decode_async(d, insn);
        break;
    default:
        sg_decode_ordinary(d, insn);
    }
}

static void decode_insn(struct decoder *d, const struct sg_insn *insn) {
    d->insn = insn;
    d->scratch = 0;
    if (is_aligned(insn)) {
        uint32_t unit = d->next_unit;
        sg_begin_unit(d);
        if (d->masked) sg_emit(d, sg_op_converge)->unit = unit;
    }
    bool guarded = insn->guard >= 0;
    uint32_t at = guarded ? emit_guard(d, insn) : 0;
    decode_body(d, insn);
    if (guarded) end_guard(d, at);
    if (insn->op == SG_OP_CALL || (is_meeting(insn) && guarded)) sg_begin_unit(d);
    if (is_waiting(insn)) {
        sg_begin_unit(d);
        if (insn->mode == SG_BAR_RED) {
            d->scratch = 0;
            if (guarded) at = emit_guard(d, insn);
            decode_bar_result(d, insn);
            if (guarded) end_guard(d, at);
        }
    }
}

static void decode_branch(struct decoder *d, const struct sg_insn *insn, const struct sg_block *b, uint32_t unit) {
    d->insn = insn;
    d->scratch = 0;
    if (insn->op == SG_OP_BRA) {
        bool guarded = insn->guard >= 0 && b->nsucc > 1;
        struct op *op = sg_emit(d, !guarded ? sg_op_goto : insn->guard_neg ? sg_op_branch_not : sg_op_branch);
        op->unit = d->block_unit[b->succ[0]];
        op->d2 = unit;
        if (!guarded) return;
        op->a = d->code->reg_slot[insn->guard];
        op->n = d->block_unit[b->succ[1]];
        return;
    }
    const struct sg_operand *targets = &insn->src[1];
    uint32_t index = sg_source(d, &insn->src[0]);
    uint32_t list = sg_new_list(d, targets->n);
    for (uint32_t i = 0; i < targets->n; i++)
        d->code->lists[list][i] = d->block_unit[targets->vec[i].block];
    uint32_t at = insn->guard >= 0 ? emit_guard(d, insn) : 0;
    struct op *op = sg_emit(d, sg_op_brx);
    op->a = index;
    op->n = targets->n;
    op->d2 = unit;
    op->list = d->code->lists[list];
    if (insn->guard >= 0) {
        op->unit = d->block_unit[b->succ[b->nsucc - 1]];
        end_guard(d, at);
        op = sg_emit(d, sg_op_goto);
        op->unit = d->block_unit[b->succ[b->nsucc - 1]];
        op->d2 = unit;
    }
}

static bool ends_in_targets(const struct sg_insn *insn) {
    return (insn->is & SG_P_ENDS_BLOCK) && !(insn->is & SG_P_LEAVES);
}

void sg_decode_block(struct decoder *d, uint32_t index) {
    const struct sg_block *b = &d->fn->blocks[index];
    d->next_unit = d->block_unit[index];
    sg_begin_unit(d);
    bool ended = false;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct sg_insn *insn = &d->fn->insns[b->first + i];
        if (ends_in_targets(insn)) {
            decode_branch(d, insn, b, d->next_unit - 1);
            ended = true;
        } else {
            decode_insn(d, insn);
        }
    }
    if (ended) return;
    struct op *op;
    if (b->nsucc) {
        op = sg_emit(d, sg_op_goto);
        op->unit = d->block_unit[b->succ[0]];
        op->d2 = d->next_unit - 1;
    } else {
        d->insn = NULL;
        sg_emit(d, sg_op_ret); // falling off the end returns
    }
}

static void set_bit(uint64_t *set, int32_t i) {
    if (i >= 0) set[i >> 6] |= (uint64_t)1 << (i & 63);
}

static void add_operand(struct decoder *d, const struct sg_operand *o) {
    if (o->kind == SG_OPND_VEC)
        for (uint32_t i = 0; i < o->n; i++)
            add_operand(d, &o->vec[i]);
    else if (o->kind == SG_OPND_REG || o->kind == SG_OPND_ADDR)
        set_bit(d->crossing, o->reg);
}

// In a loop, it may be what waits for another thread; so may a load that is ordered with what others do.
static bool may_poll(const struct sg_insn *insn) {
    bool loads = insn->ndst && (insn->is & SG_P_READS);
    return (insn->is & SG_P_SYNCHRONIZES) || (loads && insn->sem != SG_WEAK);
}

// Numbers the units and finds the registers that lanes waiting somewhere may need.
void sg_survey(struct decoder *d) {
    const struct sg_function *fn = d->fn;
    uint32_t units = 0, words = (fn->nregs + 63) / 64;
    for (uint32_t i = 0; i < fn->nblocks; i++) {
        const struct sg_block *b = &fn->blocks[i];
        d->block_unit[i] = units++;
        uint32_t before = units;
        for (uint32_t k = 0; k < b->count; k++) {
            const struct sg_insn *insn = &fn->insns[b->first + k];
            units += units_of(insn);
            if (is_waiting(insn)) d->program->barriers = true;
            if (may_poll(insn)) d->code->may_spin = true;
            if (insn->op == SG_OP_ALLOCA) d->program->calls = true; // wants room on the stack
        }
        for (uint32_t k = 0; k < words; k++)
            d->crossing[k] |= b->live_in[k];
        if (units == before) continue;
        for (uint32_t k = 0; k < b->count; k++) {
            const struct sg_insn *insn = &fn->insns[b->first + k];
            set_bit(d->crossing, insn->guard);
            for (uint32_t o = 0; o < insn->ndst; o++)
                add_operand(d, &insn->dst[o]);
            for (uint32_t o = 0; o < insn->nsrc; o++)
                add_operand(d, &insn->src[o]);
        }
    }
    d->code->nunits = units;
}
