// Decoding of what touches memory: ld, st, atom, red and their relatives.
#include "decode.h"

// As in ops_memory.c, one table per instruction set.
struct memory_ops {
    sg_handler ld[6], st[6], ld_shared[6], st_shared[6], ld_local[6], st_local[6];
    sg_handler ld_params, ld_param4, ld_param8, spread, gather;
};
extern const struct memory_ops sg_memory_ops_baseline, sg_memory_ops_avx2, sg_memory_ops_avx512;

static const struct memory_ops *table(const struct decoder *d) {
    if (d->isa == &sg_ops_table_avx512) return &sg_memory_ops_avx512;
    return d->isa == &sg_ops_table_avx2 ? &sg_memory_ops_avx2 : &sg_memory_ops_baseline;
}

static uint32_t fit(struct decoder *d, uint32_t slot, unsigned have, unsigned want) {
    if (have == want) return slot;
    uint32_t to = sg_scratch(d);
    struct op *op = sg_emit(d, have < want ? sg_op_widen : sg_op_narrow);
    op->a = slot;
    op->d = to;
    return to;
}

struct sg_place sg_find_place(struct decoder *d, const struct sg_operand *o, enum sg_space space) {
    struct sg_place p = {.space = SG_GENERIC, .imm = o->off};
    const struct sg_symbol *sym = o->sym;
    if (space == SG_SHARED_CLUSTER) space = SG_SHARED;
    if (space == SG_GENERIC && sym && sym->space != SG_FUNC) space = sym->space;
    if (space == SG_SHARED) p.space = SG_SHARED;
    if (space == SG_LOCAL) p.space = SG_LOCAL;
    if (space == SG_PARAM) p.space = sym ? sym->entry_param ? SG_PARAM : SG_LOCAL : d->fn->entry ? SG_PARAM : SG_LOCAL;
    if (sym) switch (sym->space) {
        case SG_SHARED:
            p.imm += sg_shared_place(d, sym);
            break;
        case SG_LOCAL:
            p.imm += (int64_t)sym->offset + d->code->local_offset;
            p.in_frame = true;
            break;
        case SG_PARAM:
            p.imm += (int64_t)sym->offset;
            if (sym->entry_param) break;
            p.imm += d->code->param_offset;
            p.in_frame = true;
            break;
        default:
            p.imm += (int64_t)sym->address;
        }
    unsigned want = p.space == SG_SHARED ? 4 : 8;
    if (o->reg >= 0)
        p.slot = fit(d, d->code->reg_slot[o->reg], d->fn->regs[o->reg].bytes, want);
    else
        p.slot = sg_constant(d, 0, want);
    p.indexed = o->reg >= 0;
    return p;
}

static unsigned log2_of(struct decoder *d, unsigned bytes) {
    if (bytes > 32 || (bytes & (bytes - 1)) || !bytes) sg_decode_fail(d, "an access of this size");
    return (unsigned)__builtin_ctz(bytes);
}

struct op *sg_emit_at(struct decoder *d, sg_handler fn, const struct sg_place *p) {
    struct op *op = sg_emit(d, fn);
    op->a = p->slot;
    op->imm = p->imm;
    op->n = p->in_frame;
    return op;
}

static void emit_load(struct decoder *d, const struct sg_place *p, unsigned bytes, uint32_t to) {
    const struct memory_ops *t = table(d);
    unsigned log = log2_of(d, bytes);
    if (p->space != SG_PARAM) {
        const sg_handler *row = p->space == SG_SHARED ? t->ld_shared : p->space == SG_LOCAL ? t->ld_local : t->ld;
        sg_emit_at(d, row[log], p)->d = to;
        return;
    }
    bool inside = p->imm >= 0 && (uint64_t)p->imm + bytes <= d->fn->param_bytes;
    if (!p->indexed && !inside) sg_decode_fail(d, "a load outside the parameters");
    bool simple = !p->indexed && (bytes == 4 || bytes == 8);
    struct op *op = sg_emit_at(d, simple ? bytes == 4 ? t->ld_param4 : t->ld_param8 : t->ld_params, p);
    op->d = to;
    op->d2 = bytes;
    op->n = p->indexed;
}

static const struct sg_operand *element(const struct sg_operand *o, unsigned i) {
    return o->kind == SG_OPND_VEC ? &o->vec[i] : o;
}

static void decode_load(struct decoder *d, const struct sg_insn *insn) {
    struct sg_place p = sg_find_place(d, &insn->src[0], insn->space);
    unsigned bytes = sg_type_bytes(insn->type), count = insn->vec ? insn->vec : 1;
    const struct sg_operand *to = &insn->dst[0];
    if (count == 1 && to->kind == SG_OPND_REG && d->fn->regs[to->reg].bytes == bytes) {
        emit_load(d, &p, bytes, d->code->reg_slot[to->reg]);
        return;
    }
    // 32 bytes a lane need two scratch slots, which lie side by side.
    uint32_t buffer = sg_scratch(d);
    if (bytes * count > 16) sg_scratch(d);
    emit_load(d, &p, bytes * count, buffer);
    for (unsigned i = 0; i < count; i++) {
        const struct sg_operand *e = element(to, i);
        if (e->kind != SG_OPND_REG) continue;
        struct op *op = sg_emit(d, table(d)->spread);
        op->a = buffer;
        op->imm = (int64_t)i * bytes;
        op->n = bytes * count;
        op->d = d->code->reg_slot[e->reg];
        op->c = d->fn->regs[e->reg].bytes;
        op->d2 = bytes | (sg_type_is_signed(insn->type) ? 0x80u : 0);
    }
}

// The value of st or red as lane-major bytes.
static uint32_t gather_value(struct decoder *d, const struct sg_insn *insn, const struct sg_operand *from,
                             unsigned bytes, unsigned count) {
    if (count == 1) {
        const struct sg_operand *e = element(from, 0);
        if (e->kind != SG_OPND_REG) return sg_source(d, e);
        if (d->fn->regs[e->reg].bytes == bytes) return d->code->reg_slot[e->reg];
    }
    (void)insn;
    uint32_t buffer = sg_scratch(d);
    if (bytes * count > 16) sg_scratch(d);
    for (unsigned i = 0; i < count; i++) {
        const struct sg_operand *e = element(from, i);
        uint32_t slot = sg_source(d, e);
        struct op *op = sg_emit(d, table(d)->gather);
        op->b = slot;
        op->d = buffer;
        op->imm = (int64_t)i * bytes;
        op->n = bytes * count;
        op->c = e->kind == SG_OPND_REG ? d->fn->regs[e->reg].bytes : bytes;
        op->d2 = bytes;
    }
    return buffer;
}

static void decode_store(struct decoder *d, const struct sg_insn *insn) {
    struct sg_place p = sg_find_place(d, &insn->src[0], insn->space);
    unsigned bytes = sg_type_bytes(insn->type), count = insn->vec ? insn->vec : 1;
    const struct memory_ops *t = table(d);
    if (p.space == SG_PARAM) sg_decode_fail(d, "a store to the kernel's parameters");
    uint32_t value = gather_value(d, insn, &insn->src[1], bytes, count);
    const sg_handler *row = p.space == SG_SHARED ? t->st_shared : p.space == SG_LOCAL ? t->st_local : t->st;
    sg_emit_at(d, row[log2_of(d, bytes * count)], &p)->b = value;
}

// atom d, [a], b, c. All spaces become host addresses, which the handlers reach for.
static void decode_atomic(struct decoder *d, const struct sg_insn *insn) {
    struct sg_place p = sg_find_place(d, &insn->src[0], insn->space);
    unsigned bytes = sg_type_bytes(insn->type), count = insn->vec ? insn->vec : 1;
    sg_handler fn = d->isa->atomic(insn, d->fn);
    if (!fn || p.space == SG_LOCAL || p.space == SG_PARAM)
        sg_decode_fail(d, "the software GPU has no such atomic operation");
    bool wanted = insn->ndst && insn->dst[0].kind != SG_OPND_SINK;
    // PTX: on global memory sums flush subnormals, in and out; on shared they do not.
    bool flushes = insn->space != SG_SHARED && insn->space != SG_SHARED_CLUSTER;
    for (unsigned i = 0; i < count; i++) {
        const struct sg_operand *b = element(&insn->src[1], i);
        uint32_t value = sg_source(d, b);
        uint32_t third = insn->nsrc > 2 ? sg_source(d, &insn->src[2]) : 0;
        const struct sg_operand *to = wanted ? element(&insn->dst[0], i) : NULL;
        bool used = to && to->kind == SG_OPND_REG;
        struct op *op = sg_emit_at(d, fn, &p);
        op->imm += (int64_t)i * bytes;
        op->b = value;
        op->c = third;
        op->n = p.space == SG_SHARED;
        op->form.flags = flushes ? SG_F_FTZ : 0;
        op->d2 = used;
        op->d = used ? d->code->reg_slot[to->reg] : 0;
    }
}

void sg_decode_memory(struct decoder *d, const struct sg_insn *insn) {
    if (sg_family_of(insn) == SG_FAMILY_ATOMIC)
        decode_atomic(d, insn);
    else if (insn->is & SG_P_WRITES)
        decode_store(d, insn);
    else
        decode_load(d, insn);
}
