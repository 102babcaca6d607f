// From checked IR to ops, once per kernel and function.
//
// Every block is decoded twice: for when all lanes of the frame are in it (nothing is blended), and
// for when others wait elsewhere: then results go to scratch and are blended into those registers
// that a waiting lane may still need.
#include "decode.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void sg_decode_fail(struct decoder *d, const char *why) {
    d->diag->code = SG_UNSUPPORTED_INSTRUCTION;
    d->diag->line = d->insn ? d->insn->line : 0;
    snprintf(d->diag->kernel, sizeof d->diag->kernel, "%.200s", d->fn->name);
    snprintf(d->diag->instruction, sizeof d->diag->instruction, "%s",
             d->insn ? sg_op_name(d->insn->op) : "");
    snprintf(d->diag->message, sizeof d->diag->message, "%s", why);
    siglongjmp(d->fail, 1);
}

static void *grow(struct decoder *d, void *array, uint32_t n, uint32_t *capacity, size_t size) {
    if (n < *capacity) return array;
    *capacity = *capacity ? *capacity * 2 : 64;
    void *bigger = realloc(array, *capacity * size);
    if (!bigger) sg_decode_fail(d, "out of memory");
    return bigger;
}

struct op *sg_emit(struct decoder *d, sg_handler fn) {
    d->code->ops = grow(d, d->code->ops, d->nops, &d->op_capacity, sizeof *d->code->ops);
    struct op *op = &d->code->ops[d->nops++];
    memset(op, 0, sizeof *op);
    op->fn = fn;
    op->insn = d->insn;
    return op;
}

uint32_t sg_constant(struct decoder *d, uint64_t value, unsigned bytes) {
    if (bytes < 8) value &= ((uint64_t)1 << (bytes * 8)) - 1;
    for (uint32_t i = 0; i < d->nconstants; i++)
        if (d->constants[i].value == value && d->constants[i].bytes == bytes)
            return d->constants[i].slot;
    d->constants = grow(d, d->constants, d->nconstants, &d->constant_capacity, sizeof *d->constants);
    struct constant *c = &d->constants[d->nconstants++];
    *c = (struct constant){value, (uint8_t)bytes, d->code->const_start + d->const_used};
    d->const_used += (32 * bytes + 63) & ~63u;
    return c->slot;
}

uint32_t sg_scratch(struct decoder *d) {
    if (d->scratch == SCRATCH_SLOTS) sg_decode_fail(d, "too many operands");
    return d->scratch++ * SCRATCH_BYTES;
}

uint32_t sg_new_list(struct decoder *d, uint32_t n) {
    struct code *code = d->code;
    uint32_t **lists = realloc(code->lists, (code->nlists + 1) * sizeof *lists);
    if (!lists) sg_decode_fail(d, "out of memory");
    code->lists = lists;
    lists[code->nlists] = calloc(n, sizeof **lists);
    if (!lists[code->nlists]) sg_decode_fail(d, "out of memory");
    return code->nlists++;
}

static uint32_t symbol_slot(struct decoder *d, const struct sg_operand *o, unsigned bytes) {
    const struct sg_symbol *sym = o->sym;
    uint32_t offset = 0, slot;
    switch (sym->space) {
    case SG_SHARED:
        if (!sg_shared_offset(d->kernel->fn, sym, &offset)) sg_decode_fail(d, "unplaced shared variable");
        if (!o->generic) return sg_constant(d, offset + (uint64_t)o->off, bytes);
        slot = sg_scratch(d);
        *sg_emit(d, sg_op_shared_address) = (struct op){
            .fn = sg_op_shared_address, .d = slot, .n = bytes, .imm = (int64_t)offset + o->off,
            .insn = d->insn};
        return slot;
    case SG_LOCAL:
    case SG_PARAM: {
        if (sym->entry_param) return sg_constant(d, sym->offset + (uint64_t)o->off, bytes);
        slot = sg_scratch(d);
        struct op *op = sg_emit(d, sg_op_local_address);
        op->d = slot;
        op->n = bytes;
        op->a = o->generic; // the generic address differs from lane to lane
        op->imm = o->off + (int64_t)sym->offset +
                  (sym->space == SG_PARAM ? d->code->param_offset : d->code->local_offset);
        return slot;
    }
    default:
        return sg_constant(d, sym->address + (uint64_t)o->off, bytes);
    }
}

uint32_t sg_source(struct decoder *d, const struct sg_operand *o, unsigned bytes) {
    switch (o->kind) {
    case SG_OPND_REG:
        return d->code->reg_slot[o->reg];
    case SG_OPND_IMM:
        return sg_constant(d, o->imm, bytes);
    case SG_OPND_SYM:
        return symbol_slot(d, o, bytes);
    case SG_OPND_SREG: {
        uint32_t slot = sg_scratch(d);
        struct op *op = sg_emit(d, sg_op_sreg);
        op->d = slot;
        op->n = bytes;
        op->imm = o->sreg;
        return slot;
    }
    default:
        sg_decode_fail(d, "an operand of this kind");
    }
}

uint32_t sg_source_pred(struct decoder *d, const struct sg_operand *o) {
    if (o->kind == SG_OPND_IMM) return sg_constant(d, o->imm ? UINT32_MAX : 0, 4);
    uint32_t slot = sg_source(d, o, 4);
    if (!o->neg) return slot;
    uint32_t inverse = sg_scratch(d);
    struct op *op = sg_emit(d, sg_op_not_pred);
    op->a = slot;
    op->d = inverse;
    return inverse;
}

static bool needs_blend(const struct decoder *d, int32_t reg) {
    if (d->insn->guard >= 0) return true;
    return d->masked && (d->crossing[reg >> 6] >> (reg & 63) & 1);
}

uint32_t sg_target(struct decoder *d, const struct sg_operand *o, unsigned bytes) {
    (void)bytes;
    if (o->kind != SG_OPND_REG || needs_blend(d, o->reg)) return sg_scratch(d);
    return d->code->reg_slot[o->reg];
}

void sg_finish(struct decoder *d, const struct sg_operand *o, uint32_t slot) {
    if (o->kind != SG_OPND_REG || slot == d->code->reg_slot[o->reg]) return;
    const struct sg_reg *reg = &d->fn->regs[o->reg];
    struct op *op = sg_emit(d, reg->type == SG_PRED
                                   ? d->isa->blend_pred
                                   : d->isa->blend[__builtin_ctz(reg->bytes)]);
    op->a = slot;
    op->d = d->code->reg_slot[o->reg];
}

// ---- ordinary instructions ----------------------------------------------------------------------

static bool is_f32(const struct sg_insn *insn) {
    return insn->type == SG_F32;
}

// Bytes of source i.
static unsigned source_bytes(const struct decoder *d, const struct sg_insn *insn, unsigned i) {
    const struct sg_operand *o = &insn->src[i];
    if (o->kind == SG_OPND_REG) return d->fn->regs[o->reg].bytes;
    unsigned bytes = sg_type_bytes(insn->type);
    switch (insn->op) {
    case SG_OP_SETP:
        return bytes;
    case SG_OP_SET:
    case SG_OP_CVT:
    case SG_OP_TESTP:
        return sg_type_bytes(insn->op == SG_OP_TESTP ? insn->type : insn->type2);
    case SG_OP_SLCT:
        return i == 2 ? sg_type_bytes(insn->type2) : bytes;
    case SG_OP_MAD:
        return i == 2 && (insn->flags & SG_F_WIDE) ? 2 * bytes : bytes;
    case SG_OP_SHL:
    case SG_OP_SHR:
        return i == 1 ? 4 : bytes;
    case SG_OP_SHFL:
    case SG_OP_MATCH:
    case SG_OP_SHF:
    case SG_OP_REDUX:
        return i >= 1 ? 4 : bytes;
    case SG_OP_BFE:
    case SG_OP_SZEXT:
        return i >= 1 ? 4 : bytes;
    case SG_OP_BFI:
        return i >= 2 ? 4 : bytes;
    case SG_OP_VADD2 ... SG_OP_VSET:
    case SG_OP_DP4A:
    case SG_OP_DP2A:
    case SG_OP_FNS:
    case SG_OP_BMSK:
    case SG_OP_NANOSLEEP:
    case SG_OP_VOTE:
    case SG_OP_ELECT:
        return 4;
    default:
        return bytes ? bytes : 4;
    }
}

static bool pred_source(const struct sg_insn *insn, unsigned i) {
    const struct sg_operand *o = &insn->src[i];
    switch (insn->op) {
    case SG_OP_SELP:
    case SG_OP_SETP:
    case SG_OP_SET:
        return i == 2;
    case SG_OP_VOTE:
        return i == 0;
    case SG_OP_LOP3:
        return i == 4;
    default:
        return insn->type == SG_PRED && o->kind != SG_OPND_SREG;
    }
}

static sg_handler pick(const struct decoder *d, const struct sg_insn *insn) {
    const struct isa_ops *isa = d->isa;
    const sg_picker pickers[] = {isa->integer, isa->floating, isa->half,   isa->logic,
                                 isa->convert, isa->math,     isa->warp};
    for (size_t i = 0; i < sizeof pickers / sizeof *pickers; i++) {
        sg_handler fn = pickers[i] ? pickers[i](insn, d->fn) : NULL;
        if (fn) return fn;
    }
    sg_handler fn = sg_pick_video(insn);
    return fn ? fn : sg_pick_system(insn);
}

static bool plain_float(enum sg_type type) {
    return type == SG_F32 || type == SG_F64;
}

// The source type of cvt and set decides about flushing their inputs.
static enum sg_type input_type(const struct sg_insn *insn) {
    return insn->op == SG_OP_CVT || insn->op == SG_OP_SET ? insn->type2 : insn->type;
}

static void flush(struct decoder *d, uint32_t from, uint32_t to, enum sg_type type) {
    struct op *op = sg_emit(d, type == SG_F64 ? d->isa->flush64 : d->isa->flush32);
    op->a = from;
    op->d = to;
}

static void after(struct decoder *d, sg_handler fn, uint32_t slot) {
    struct op *op = sg_emit(d, fn);
    op->a = op->d = slot;
}

// What the result goes through when the handler knows nothing of it.
static void post_process(struct decoder *d, const struct sg_insn *insn, uint32_t slot) {
    if (insn->op == SG_OP_SETP || insn->op == SG_OP_CVT) return;
    if ((insn->flags & SG_F_FTZ) && is_f32(insn) && insn->op != SG_OP_SET)
        flush(d, slot, slot, SG_F32);
    if (insn->flags & SG_F_RELU) {
        if (is_f32(insn)) after(d, d->isa->relu32, slot);
        else if (insn->type == SG_F16 || insn->type == SG_F16X2) after(d, d->isa->relu16, slot);
        else if (insn->type == SG_BF16 || insn->type == SG_BF16X2) after(d, d->isa->relub16, slot);
    }
    if (insn->flags & SG_F_SAT) {
        if (is_f32(insn)) after(d, d->isa->sat32, slot);
        else if (insn->type == SG_F64) after(d, d->isa->sat64, slot);
        else if (insn->type == SG_F16 || insn->type == SG_F16X2) after(d, d->isa->sat16, slot);
        else if (insn->type == SG_BF16 || insn->type == SG_BF16X2) after(d, d->isa->satb16, slot);
    }
}

static bool directed(const struct sg_insn *insn) {
    return insn->op != SG_OP_CVT && plain_float(insn->type) && insn->rnd >= SG_RZ &&
           insn->rnd <= SG_RP;
}

static void decode_ordinary(struct decoder *d, const struct sg_insn *insn) {
    sg_handler fn = pick(d, insn);
    if (!fn) sg_decode_fail(d, "the software GPU has no such form of this instruction");
    uint32_t slots[5] = {0};
    if (insn->nsrc > 5) sg_decode_fail(d, "too many operands");
    for (unsigned i = 0; i < insn->nsrc; i++) {
        if (insn->op == SG_OP_LOP3 && i == 3) continue;
        if (insn->src[i].kind == SG_OPND_NONE || insn->src[i].kind == SG_OPND_ADDR) continue;
        bool pred = pred_source(insn, i);
        slots[i] = pred ? sg_source_pred(d, &insn->src[i])
                        : sg_source(d, &insn->src[i], source_bytes(d, insn, i));
        if ((insn->flags & SG_F_FTZ) && !pred && input_type(insn) == SG_F32 && i < 3 &&
            !(insn->op == SG_OP_SLCT && i < 2)) {
            uint32_t flushed = sg_scratch(d);
            flush(d, slots[i], flushed, SG_F32);
            slots[i] = flushed;
        }
    }
    if (directed(insn)) sg_emit(d, d->isa->set_rounding)->n = insn->rnd;
    uint32_t to[2] = {0, 0};
    for (unsigned i = 0; i < insn->ndst && i < 2; i++) to[i] = sg_target(d, &insn->dst[i], 0);
    if (insn->ndst < 2) to[1] = insn->nsrc > 3 ? slots[3] : 0;
    struct op *op = sg_emit(d, fn);
    op->d = to[0];
    op->d2 = to[1];
    op->a = slots[0];
    op->b = slots[1];
    op->c = slots[2];
    if (insn->op == SG_OP_LOP3) {
        op->imm = (int64_t)insn->src[3].imm;
        op->n = slots[4];
    }
    op->unit = insn->ndst; // tells handlers with an optional second destination
    if (directed(insn)) sg_emit(d, d->isa->set_rounding)->n = SG_RN;
    if (insn->ndst) post_process(d, insn, to[0]);
    for (unsigned i = 0; i < insn->ndst && i < 2; i++) sg_finish(d, &insn->dst[i], to[i]);
}

// ---- mov ----------------------------------------------------------------------------------------

static void decode_mov(struct decoder *d, const struct sg_insn *insn) {
    const struct sg_operand *to = &insn->dst[0], *from = &insn->src[0];
    unsigned bytes = sg_type_bytes(insn->type);
    if (to->kind == SG_OPND_VEC) {
        uint32_t src = sg_source(d, from, bytes);
        for (unsigned i = 0; i < to->n; i++) {
            if (to->vec[i].kind == SG_OPND_SINK) continue;
            uint32_t slot = needs_blend(d, to->vec[i].reg) || to->vec[i].reg == from->reg
                                ? (uint32_t)(SCRATCH_SLOTS - 1) * SCRATCH_BYTES
                                : d->code->reg_slot[to->vec[i].reg];
            struct op *op = sg_emit(d, sg_op_unpack);
            op->d = slot;
            op->a = src;
            op->n = bytes / to->n;
            op->imm = i;
            op->c = bytes;
            sg_finish(d, &to->vec[i], slot);
        }
        return;
    }
    if (from->kind == SG_OPND_VEC) {
        uint32_t slot = sg_scratch(d); // a source may be the destination
        for (unsigned i = 0; i < from->n; i++) {
            struct op *op;
            uint32_t src = sg_source(d, &from->vec[i], bytes / from->n);
            op = sg_emit(d, sg_op_pack);
            op->d = slot;
            op->a = src;
            op->n = bytes / from->n;
            op->imm = i;
            op->c = bytes;
        }
        uint32_t target = to->kind == SG_OPND_REG ? d->code->reg_slot[to->reg] : slot;
        if (to->kind == SG_OPND_REG && needs_blend(d, to->reg)) {
            sg_finish(d, to, slot);
        } else {
            struct op *op = sg_emit(d, d->isa->copy[__builtin_ctz(bytes)]);
            op->a = slot;
            op->d = target;
        }
        return;
    }
    if (to->kind == SG_OPND_SINK) return;
    if (insn->type == SG_PRED) {
        struct op *op;
        uint32_t src = sg_source_pred(d, from), slot = sg_target(d, to, 4);
        op = sg_emit(d, sg_op_not_pred);
        op->a = src;
        op->d = slot;
        op->n = 1; // copy
        sg_finish(d, to, slot);
        return;
    }
    uint32_t src = sg_source(d, from, bytes), slot = d->code->reg_slot[to->reg];
    bool blend = needs_blend(d, to->reg);
    struct op *op = sg_emit(d, blend ? d->isa->blend[__builtin_ctz(bytes)]
                                     : d->isa->copy[__builtin_ctz(bytes)]);
    op->a = src;
    op->d = slot;
}

// ---- blocks -------------------------------------------------------------------------------------

static bool is_sync(const struct sg_insn *insn) {
    switch (insn->op) {
    case SG_OP_SHFL:
    case SG_OP_MATCH:
    case SG_OP_REDUX:
    case SG_OP_ELECT:
        return true;
    case SG_OP_VOTE:
        return insn->nsrc > 1;
    case SG_OP_MMA:
    case SG_OP_WMMA:
    case SG_OP_LDMATRIX:
    case SG_OP_STMATRIX:
    case SG_OP_MOVMATRIX:
        return true;
    default:
        return insn->op == SG_OP_BAR && insn->mode == SG_BAR_WARP_SYNC;
    }
}

static bool is_barrier(const struct sg_insn *insn) {
    return (insn->op == SG_OP_BAR || insn->op == SG_OP_BARRIER) &&
           (insn->mode == SG_BAR_SYNC || insn->mode == SG_BAR_RED);
}

static bool is_cluster_barrier(const struct sg_insn *insn) {
    return insn->op == SG_OP_BARRIER &&
           (insn->mode == SG_BAR_CLUSTER_WAIT || insn->mode == SG_BAR_CLUSTER_ARRIVE);
}

static const struct sg_operand *member_mask(const struct sg_insn *insn) {
    switch (insn->op) {
    case SG_OP_SHFL: return insn->nsrc > 3 ? &insn->src[3] : NULL;
    case SG_OP_MATCH:
    case SG_OP_VOTE:
    case SG_OP_REDUX: return insn->nsrc > 1 ? &insn->src[1] : NULL;
    case SG_OP_ELECT:
    case SG_OP_BAR: return insn->nsrc ? &insn->src[0] : NULL;
    default: return NULL; // all
    }
}

static void begin_unit(struct decoder *d) {
    d->unit_op[d->masked][d->next_unit++] = d->nops;
}

static void decode_barrier(struct decoder *d, const struct sg_insn *insn) {
    bool red = insn->mode == SG_BAR_RED, arrive = insn->mode == SG_BAR_ARRIVE;
    unsigned counts = insn->nsrc - (red ? 1 : 0);
    uint32_t id = insn->nsrc > (red ? 1u : 0u) ? sg_source(d, &insn->src[0], 4) : sg_constant(d, 0, 4);
    uint32_t n = counts > 1 ? sg_source(d, &insn->src[1], 4) : 0;
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
    uint32_t id = sg_source(d, &insn->src[0], 4);
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

static void decode_body(struct decoder *d, const struct sg_insn *insn) {
    switch (insn->op) {
    case SG_OP_MOV: decode_mov(d, insn); break;
    case SG_OP_CALL: sg_decode_call(d, insn); break;
    case SG_OP_EXIT: sg_emit(d, sg_op_exit); break;
    case SG_OP_RET: sg_emit(d, sg_op_ret); break;
    case SG_OP_BAR:
    case SG_OP_BARRIER:
        if (insn->mode == SG_BAR_WARP_SYNC) break;
        if (is_cluster_barrier(insn)) {
            bool arrival = insn->mode == SG_BAR_CLUSTER_ARRIVE;
            sg_emit(d, arrival ? sg_op_cluster_arrive : sg_op_cluster_wait)->unit = d->next_unit;
            break;
        }
        decode_barrier(d, insn);
        break;
    default:
        if (!sg_decode_memory(d, insn) && !sg_decode_texture(d, insn) && !sg_decode_matrix(d, insn) &&
            !sg_decode_async(d, insn))
            decode_ordinary(d, insn);
    }
}

static void decode_insn(struct decoder *d, const struct sg_insn *insn) {
    d->insn = insn;
    d->scratch = 0;
    if (is_sync(insn)) {
        uint32_t unit = d->next_unit;
        if (d->masked) {
            begin_unit(d);
            const struct sg_operand *members = member_mask(insn);
            uint32_t slot = members ? sg_source(d, members, 4) : sg_constant(d, UINT32_MAX, 4);
            struct op *op = sg_emit(d, sg_op_converge);
            op->a = slot;
            op->unit = unit;
        } else {
            begin_unit(d);
        }
        d->scratch = 0;
    }
    bool guarded = insn->guard >= 0;
    uint32_t at = guarded ? emit_guard(d, insn) : 0;
    decode_body(d, insn);
    if (guarded) end_guard(d, at);
    else if (insn->op == SG_OP_CALL) sg_emit(d, sg_op_unguard);
    if (is_barrier(insn) || (is_cluster_barrier(insn) && insn->mode == SG_BAR_CLUSTER_WAIT)) {
        begin_unit(d);
        if (insn->mode == SG_BAR_RED) {
            d->scratch = 0;
            if (guarded) at = emit_guard(d, insn);
            decode_bar_result(d, insn);
            if (guarded) end_guard(d, at);
        }
    }
}

static void decode_branch(struct decoder *d, const struct sg_insn *insn, const struct sg_block *b,
                          uint32_t unit) {
    d->insn = insn;
    d->scratch = 0;
    if (insn->op == SG_OP_BRA) {
        bool guarded = insn->guard >= 0 && b->nsucc > 1;
        struct op *op = sg_emit(d, !guarded          ? sg_op_goto
                                   : insn->guard_neg ? sg_op_branch_not
                                                     : sg_op_branch);
        op->unit = d->block_unit[b->succ[0]];
        op->d2 = unit;
        if (!guarded) return;
        op->a = d->code->reg_slot[insn->guard];
        op->n = d->block_unit[b->succ[1]];
        return;
    }
    const struct sg_operand *targets = &insn->src[1];
    uint32_t index = sg_source(d, &insn->src[0], 4);
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

static void decode_block(struct decoder *d, uint32_t index) {
    const struct sg_block *b = &d->fn->blocks[index];
    d->next_unit = d->block_unit[index];
    begin_unit(d);
    bool ended = false;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct sg_insn *insn = &d->fn->insns[b->first + i];
        if (insn->op == SG_OP_BRA || insn->op == SG_OP_BRX) {
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
        for (uint32_t i = 0; i < o->n; i++) add_operand(d, &o->vec[i]);
    else if (o->kind == SG_OPND_REG || o->kind == SG_OPND_ADDR) set_bit(d->crossing, o->reg);
}

static bool waits_for_others(const struct sg_insn *insn) {
    switch (insn->op) {
    case SG_OP_ATOM:
    case SG_OP_CALL:
    case SG_OP_NANOSLEEP:
    case SG_OP_MBARRIER:
    case SG_OP_MEMBAR:
    case SG_OP_FENCE:
        return true;
    case SG_OP_LD:
        return insn->sem != SG_WEAK;
    default:
        return false;
    }
}

// Numbers the units and finds the registers that lanes waiting somewhere may need.
static void survey(struct decoder *d) {
    const struct sg_function *fn = d->fn;
    uint32_t units = 0, words = (fn->nregs + 63) / 64;
    for (uint32_t i = 0; i < fn->nblocks; i++) {
        const struct sg_block *b = &fn->blocks[i];
        d->block_unit[i] = units++;
        uint32_t before = units;
        for (uint32_t k = 0; k < b->count; k++) {
            const struct sg_insn *insn = &fn->insns[b->first + k];
            if (is_sync(insn) || is_barrier(insn) ||
                (is_cluster_barrier(insn) && insn->mode == SG_BAR_CLUSTER_WAIT))
                units++;
            if (waits_for_others(insn)) d->code->may_spin = true;
            if (insn->op == SG_OP_ALLOCA) d->kernel->calls = true; // wants room on the stack
        }
        for (uint32_t k = 0; k < words; k++) d->crossing[k] |= b->live_in[k];
        if (units == before) continue;
        for (uint32_t k = 0; k < b->count; k++) {
            const struct sg_insn *insn = &fn->insns[b->first + k];
            set_bit(d->crossing, insn->guard);
            for (uint32_t o = 0; o < insn->ndst; o++) add_operand(d, &insn->dst[o]);
            for (uint32_t o = 0; o < insn->nsrc; o++) add_operand(d, &insn->src[o]);
        }
    }
    d->code->nunits = units;
}

static void place_registers(struct decoder *d) {
    const struct sg_function *fn = d->fn;
    struct code *code = d->code;
    uint32_t at = SCRATCH_SLOTS * SCRATCH_BYTES;
    for (uint32_t i = 0; i < fn->nregs; i++) {
        if (fn->regs[i].type == SG_PRED) continue;
        code->reg_slot[i] = at;
        at += (32u * fn->regs[i].bytes + 63) & ~63u;
    }
    for (uint32_t i = 0; i < fn->nregs; i++) {
        if (fn->regs[i].type != SG_PRED) continue;
        code->reg_slot[i] = at;
        at += 4;
    }
    code->const_start = (at + 63) & ~63u;
    code->local_offset = 0;
    uint64_t align = fn->frame_align > 16 ? fn->frame_align : 16;
    code->local_align = (uint32_t)(fn->local_align > align ? fn->local_align : align);
    code->param_offset = (uint32_t)((fn->local_bytes + align - 1) & ~(align - 1));
    code->stack_bytes = (uint32_t)((code->param_offset + fn->frame_bytes + 15) & ~(uint64_t)15);
}

static void settle(struct decoder *d) {
    struct code *code = d->code;
    code->const_bytes = d->const_used;
    code->consts = aligned_alloc(64, d->const_used + 64);
    code->units = calloc(code->nunits, sizeof *code->units);
    if (!code->consts || !code->units) sg_decode_fail(d, "out of memory");
    for (uint32_t i = 0; i < d->nconstants; i++) {
        const struct constant *c = &d->constants[i];
        uint8_t *at = code->consts + (c->slot - code->const_start);
        memset(at, 0, 32u * c->bytes);
        SG_LANES(lane) memcpy(at + (unsigned)lane * c->bytes, &c->value, c->bytes < 8 ? c->bytes : 8);
    }
    for (uint32_t u = 0; u < code->nunits; u++) {
        code->units[u].full = &code->ops[d->unit_op[0][u]];
        code->units[u].masked = &code->ops[d->unit_op[1][u]];
    }
    code->pend_offset = (code->const_start + code->const_bytes + 63) & ~63u;
    code->total_bytes = code->pend_offset + ((code->nunits * 4 + 7) & ~7u) +
                        (code->nunits + 63) / 64 * 8 + code->nunits;
}

static bool decode_function(struct sg_kernel *kernel, struct code *code, struct sg_diag *diag) {
    struct decoder d = {.kernel = kernel, .fn = code->fn, .code = code, .diag = diag,
                        .isa = kernel->instance->engine->ops};
    const struct sg_function *fn = code->fn;
    struct decoder *volatile self = &d;
    if (sigsetjmp(d.fail, 0) == 0) {
        d.crossing = calloc((fn->nregs + 63) / 64 + 1, 8);
        d.block_unit = calloc(fn->nblocks + 1, 4);
        code->reg_slot = calloc(fn->nregs + 1, 4);
        if (!d.crossing || !d.block_unit || !code->reg_slot) sg_decode_fail(&d, "out of memory");
        if (fn->nblocks == 0) sg_decode_fail(&d, "a function without a body");
        place_registers(&d);
        survey(&d);
        for (int variant = 0; variant < 2; variant++) {
            d.unit_op[variant] = calloc(code->nunits + 1, 4);
            if (!d.unit_op[variant]) sg_decode_fail(&d, "out of memory");
            d.masked = variant;
            for (uint32_t i = 0; i < fn->nblocks; i++) decode_block(&d, i);
        }
        settle(&d);
    }
    bool ok = diag->code == SG_OK;
    free(self->crossing);
    free(self->block_unit);
    free(self->unit_op[0]);
    free(self->unit_op[1]);
    free(self->constants);
    return ok;
}

static size_t frame_size(const struct code *code) {
    return sizeof(struct frame) + ((code->total_bytes + 63) & ~(size_t)63);
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

// A callee that was entered and not left stands above in the chain: recursion.
static void measure_calls(struct sg_kernel *kernel, struct code *code) {
    code->measured = true;
    for (uint32_t i = 0; i < code->ncalls; i++) {
        struct code *callee = code->calls[i]->callee;
        if (!callee || callee->entered) {
            kernel->open_calls = true;
            continue;
        }
        if (!callee->measured) {
            callee->entered = true;
            measure_calls(kernel, callee);
            callee->entered = false;
        }
        code->below_frames = larger(code->below_frames, frame_size(callee) + callee->below_frames);
        code->below_local = larger(code->below_local, callee->stack_bytes + callee->local_align + callee->below_local);
    }
}

// A call through a pointer may begin any of the chains.
static void measure_kernel(struct sg_kernel *kernel) {
    for (uint32_t i = 0; i < kernel->ncodes; i++) {
        struct code *code = kernel->codes[i];
        code->entered = true;
        if (!code->measured) measure_calls(kernel, code);
        code->entered = false;
        kernel->largest_frame = larger(kernel->largest_frame, frame_size(code));
        size_t frames = frame_size(code) + code->below_frames, local = code->stack_bytes + code->below_local;
        kernel->call_frames = larger(kernel->call_frames, code == kernel->main ? code->below_frames : frames);
        kernel->call_local = larger(kernel->call_local, code == kernel->main ? code->below_local : local);
    }
}

bool sg_decode_kernel(struct sg_kernel *kernel, struct sg_diag *diag) {
    const struct sg_function *fn = kernel->fn;
    kernel->codes = calloc(fn->nclosure + 1, sizeof *kernel->codes);
    if (!kernel->codes) return false;
    for (uint32_t i = 0; i <= fn->nclosure; i++) {
        const struct sg_function *f = i ? fn->closure[i - 1] : fn;
        if (f->nblocks == 0 && i) continue; // one of the device library's built in here
        struct code *code = calloc(1, sizeof *code);
        if (!code) return false;
        code->fn = f;
        code->kernel = kernel;
        kernel->codes[kernel->ncodes++] = code;
    }
    kernel->main = kernel->codes[0];
    kernel->calls = kernel->ncodes > 1;
    for (uint32_t i = 0; i < kernel->ncodes; i++)
        if (!decode_function(kernel, kernel->codes[i], diag)) return false;
    measure_kernel(kernel);
    return true;
}

struct code *sg_find_code(const struct sg_kernel *kernel, uint64_t token) {
    for (uint32_t i = 0; i < kernel->ncodes; i++)
        if (kernel->codes[i]->fn->sym && kernel->codes[i]->fn->sym->address == token)
            return kernel->codes[i];
    return NULL;
}

void sg_code_free(struct code *code) {
    if (!code) return;
    for (uint32_t i = 0; i < code->nlists; i++) free(code->lists[i]);
    for (uint32_t i = 0; i < code->ncalls; i++) {
        free(code->calls[i]->args);
        free(code->calls[i]->results);
        free(code->calls[i]);
    }
    free(code->lists);
    free(code->calls);
    free(code->ops);
    free(code->units);
    free(code->consts);
    free(code->reg_slot);
    free(code);
}
