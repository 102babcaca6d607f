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
    snprintf(d->diag->instruction, sizeof d->diag->instruction, "%s", d->insn ? sg_op_name(d->insn->op) : "");
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

static uint8_t detail_of(const struct sg_insn *insn) {
    switch (sg_family_of(insn)) {
    case SG_FAMILY_CONVERSION:
        return insn->rnd;
    case SG_FAMILY_COMPARISON:
        return insn->boolop;
    case SG_FAMILY_ADDRESS:
        return insn->space;
    case SG_FAMILY_FENCE:
        return insn->scope;
    case SG_FAMILY_TEXTURE:
        return insn->geom;
    default:
        return insn->atom;
    }
}

static void describe(struct op *op, const struct sg_insn *insn) {
    op->form = (struct form){insn->type, insn->type2, insn->mode, detail_of(insn), insn->flags};
    op->line = insn->line;
}

struct op *sg_emit(struct decoder *d, sg_handler fn) {
    d->code->ops = grow(d, d->code->ops, d->nops, &d->op_capacity, sizeof *d->code->ops);
    struct op *op = &d->code->ops[d->nops++];
    memset(op, 0, sizeof *op);
    op->fn = fn;
    if (d->insn) describe(op, d->insn);
    return op;
}

uint32_t sg_constant(struct decoder *d, uint64_t value, unsigned bytes) {
    if (bytes < 8) value &= ((uint64_t)1 << (bytes * 8)) - 1;
    for (uint32_t i = 0; i < d->nconstants; i++)
        if (d->constants[i].value == value && d->constants[i].bytes == bytes) return d->constants[i].slot;
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

uint32_t sg_shared_place(struct decoder *d, const struct sg_symbol *sym) {
    uint32_t offset = 0;
    if (!sg_shared_offset(d->program->kernel->fn, sym, &offset)) sg_decode_fail(d, "unplaced shared variable");
    return SG_RESERVED_SHARED_BYTES + offset;
}

static uint32_t symbol_slot(struct decoder *d, const struct sg_operand *o, unsigned bytes) {
    const struct sg_symbol *sym = o->sym;
    uint32_t offset = 0, slot;
    switch (sym->space) {
    case SG_SHARED:
        offset = sg_shared_place(d, sym);
        if (!o->generic) return sg_constant(d, offset + (uint64_t)o->off, bytes);
        slot = sg_scratch(d);
        struct op *shared = sg_emit(d, sg_op_shared_address);
        shared->d = slot;
        shared->n = bytes;
        shared->imm = (int64_t)offset + o->off;
        return slot;
    case SG_LOCAL:
    case SG_PARAM: {
        if (sym->entry_param) return sg_constant(d, sym->offset + (uint64_t)o->off, bytes);
        slot = sg_scratch(d);
        struct op *op = sg_emit(d, sg_op_local_address);
        op->d = slot;
        op->n = bytes;
        op->a = o->generic; // the generic address differs from lane to lane
        op->imm =
            o->off + (int64_t)sym->offset + (sym->space == SG_PARAM ? d->code->param_offset : d->code->local_offset);
        return slot;
    }
    default:
        return sg_constant(d, sym->address + (uint64_t)o->off, bytes);
    }
}

_Noreturn static void refuse_sreg(struct decoder *d, enum sg_sreg sreg) {
    char name[24], why[64];
    sg_sreg_name(sreg, sg_type_bytes(d->insn->type) == 8, name);
    snprintf(why, sizeof why, "the software GPU gives %s no meaning", name);
    sg_decode_fail(d, why);
}

uint32_t sg_source(struct decoder *d, const struct sg_operand *o) {
    unsigned bytes = sg_type_bytes(o->type);
    switch (o->kind) {
    case SG_OPND_REG:
        return d->code->reg_slot[o->reg];
    case SG_OPND_IMM:
        return sg_constant(d, o->imm, bytes);
    case SG_OPND_SYM:
        return symbol_slot(d, o, bytes);
    case SG_OPND_SREG: {
        if (!sg_sreg_has_meaning(o->sreg)) refuse_sreg(d, o->sreg);
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

unsigned sg_stride(const struct decoder *d, const struct sg_operand *o) {
    return o->kind == SG_OPND_REG ? d->fn->regs[o->reg].bytes : sg_type_bytes(o->type);
}

uint32_t sg_source_pred(struct decoder *d, const struct sg_operand *o) {
    if (o->kind == SG_OPND_IMM) return sg_constant(d, o->imm ? UINT32_MAX : 0, 4);
    uint32_t slot = sg_source(d, o);
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

uint32_t sg_target(struct decoder *d, const struct sg_operand *o) {
    if (o->kind != SG_OPND_REG || needs_blend(d, o->reg)) return sg_scratch(d);
    return d->code->reg_slot[o->reg];
}

void sg_finish(struct decoder *d, const struct sg_operand *o, uint32_t slot) {
    if (o->kind != SG_OPND_REG || slot == d->code->reg_slot[o->reg]) return;
    const struct sg_reg *reg = &d->fn->regs[o->reg];
    struct op *op = sg_emit(d, reg->type == SG_PRED ? d->isa->blend_pred : d->isa->blend[__builtin_ctz(reg->bytes)]);
    op->a = slot;
    op->d = d->code->reg_slot[o->reg];
}

// ---- ordinary instructions ----------------------------------------------------------------------

// Arithmetic and its like have a handler by operation and type, in one of several files.
static sg_handler pick_computation(const struct decoder *d, const struct sg_insn *insn) {
    const struct isa_ops *isa = d->isa;
    const sg_picker pickers[] = {isa->integer, isa->floating, isa->half, isa->logic, isa->math};
    for (size_t i = 0; i < sizeof pickers / sizeof *pickers; i++) {
        sg_handler fn = pickers[i](insn, d->fn);
        if (fn) return fn;
    }
    return NULL;
}

static sg_handler pick(const struct decoder *d, const struct sg_insn *insn) {
    switch (sg_family_of(insn)) {
    case SG_FAMILY_ARITHMETIC:
    case SG_FAMILY_LOGIC:
    case SG_FAMILY_COMPARISON:
    case SG_FAMILY_MATHEMATICS:
    case SG_FAMILY_DOT_PRODUCT:
        return pick_computation(d, insn);
    case SG_FAMILY_CONVERSION:
        return d->isa->convert(insn, d->fn);
    case SG_FAMILY_WARP:
        return d->isa->warp(insn, d->fn);
    case SG_FAMILY_VIDEO:
    case SG_FAMILY_VIDEO_SIMD:
        return sg_pick_video(insn);
    default:
        return sg_pick_system(insn);
    }
}

static bool plain_float(enum sg_type type) {
    return type == SG_F32 || type == SG_F64;
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

static bool is_f16(enum sg_type type) {
    return type == SG_F16 || type == SG_F16X2;
}

static bool is_bf16(enum sg_type type) {
    return type == SG_BF16 || type == SG_BF16X2;
}

// What the result goes through when the handler knows nothing of it.
static void post_process(struct decoder *d, const struct sg_insn *insn, uint32_t slot) {
    if (sg_family_of(insn) == SG_FAMILY_CONVERSION) return;
    enum sg_type type = insn->dst[0].type;
    if ((insn->flags & SG_F_FTZ) && type == SG_F32) flush(d, slot, slot, SG_F32);
    if (insn->flags & SG_F_RELU) {
        if (type == SG_F32)
            after(d, d->isa->relu32, slot);
        else if (is_f16(type))
            after(d, d->isa->relu16, slot);
        else if (is_bf16(type))
            after(d, d->isa->relub16, slot);
        else if (type == SG_S32)
            after(d, d->isa->relu_s32, slot);
        else if (type == SG_S16X2)
            after(d, d->isa->relu_s16x2, slot);
    }
    if (insn->flags & SG_F_SAT) {
        if (type == SG_F32)
            after(d, d->isa->sat32, slot);
        else if (type == SG_F64)
            after(d, d->isa->sat64, slot);
        else if (is_f16(type))
            after(d, d->isa->sat16, slot);
        else if (is_bf16(type))
            after(d, d->isa->satb16, slot);
    }
}

// Conversions round by themselves.
static bool directed(const struct sg_insn *insn) {
    return sg_family_of(insn) != SG_FAMILY_CONVERSION && plain_float(insn->type) && insn->rnd >= SG_RZ &&
           insn->rnd <= SG_RP;
}

static uint32_t place_source(struct decoder *d, const struct sg_insn *insn, const struct sg_operand *o) {
    if (o->type == SG_PRED && o->kind != SG_OPND_SREG) return sg_source_pred(d, o);
    uint32_t slot = sg_source(d, o);
    if (!(insn->flags & SG_F_FTZ) || o->type != SG_F32) return slot;
    uint32_t flushed = sg_scratch(d);
    flush(d, slot, flushed, SG_F32);
    return flushed;
}

// What fields beside the operands' mean to the handlers of some families.
static void add_details(struct decoder *d, struct op *op, const struct sg_insn *insn, const uint32_t *slots) {
    switch (sg_family_of(insn)) {
    case SG_FAMILY_LOGIC:
        if (insn->op != SG_OP_LOP3) break;
        op->imm = (int64_t)insn->src[3].imm;
        op->n = slots[4];
        break;
    case SG_FAMILY_COMPARISON:
        op->imm = insn->cmp;
        break;
    case SG_FAMILY_CONVERSION:
        op->d2 = sg_stride(d, &insn->dst[0]);
        op->imm = sg_stride(d, &insn->src[0]);
        break;
    case SG_FAMILY_VIDEO:
    case SG_FAMILY_VIDEO_SIMD:
        sg_describe_video(d, op, insn);
        break;
    case SG_FAMILY_WARP:
        op->imm = sg_meeting_places(insn);
        break;
    case SG_FAMILY_STACK:
        op->imm = insn->nsrc > 1 ? (int64_t)insn->src[1].imm : 0;
        break;
    default:
        break;
    }
}

void sg_decode_ordinary(struct decoder *d, const struct sg_insn *insn) {
    sg_handler fn = pick(d, insn);
    if (!fn) sg_decode_fail(d, "the software GPU has no such form of this instruction");
    uint32_t slots[5] = {0};
    if (insn->nsrc > 5) sg_decode_fail(d, "too many operands");
    for (unsigned i = 0; i < insn->nsrc; i++) {
        if (insn->op == SG_OP_LOP3 && i == 3) continue;
        if (insn->src[i].kind == SG_OPND_ADDR) continue;
        slots[i] = place_source(d, insn, &insn->src[i]);
    }
    if (directed(insn)) sg_emit(d, d->isa->set_rounding)->n = insn->rnd;
    uint32_t to[2] = {0, 0};
    for (unsigned i = 0; i < insn->ndst && i < 2; i++)
        to[i] = sg_target(d, &insn->dst[i]);
    if (insn->ndst < 2) to[1] = insn->nsrc > 3 ? slots[3] : 0;
    sg_decode_meeting(d, insn, slots);
    struct op *op = sg_emit(d, fn);
    op->d = to[0];
    op->d2 = to[1];
    op->a = slots[0];
    op->b = slots[1];
    op->c = slots[2];
    op->n = insn->nsrc;
    add_details(d, op, insn, slots);
    op->unit = insn->ndst; // tells handlers with an optional second destination
    if (directed(insn)) sg_emit(d, d->isa->set_rounding)->n = SG_RN;
    if (insn->ndst) post_process(d, insn, to[0]);
    for (unsigned i = 0; i < insn->ndst && i < 2; i++)
        sg_finish(d, &insn->dst[i], to[i]);
}

// ---- mov ----------------------------------------------------------------------------------------

void sg_decode_mov(struct decoder *d, const struct sg_insn *insn) {
    const struct sg_operand *to = &insn->dst[0], *from = &insn->src[0];
    unsigned bytes = sg_type_bytes(insn->type);
    if (to->kind == SG_OPND_VEC) {
        uint32_t src = sg_source(d, from);
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
            uint32_t src = sg_source(d, &from->vec[i]);
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
        uint32_t src = sg_source_pred(d, from), slot = sg_target(d, to);
        op = sg_emit(d, sg_op_not_pred);
        op->a = src;
        op->d = slot;
        op->n = 1; // copy
        sg_finish(d, to, slot);
        return;
    }
    uint32_t src = sg_source(d, from), slot = d->code->reg_slot[to->reg];
    bool blend = needs_blend(d, to->reg);
    struct op *op = sg_emit(d, blend ? d->isa->blend[__builtin_ctz(bytes)] : d->isa->copy[__builtin_ctz(bytes)]);
    op->a = src;
    op->d = slot;
}
