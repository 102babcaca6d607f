// Decoding of calls: where each argument and result lies on both sides.
#include "decode.h"

#include <stdlib.h>

static struct code *find_callee(struct decoder *d, const struct sg_function *fn) {
    for (uint32_t i = 0; i < d->program->ncodes; i++)
        if (d->program->codes[i]->fn == fn) return d->program->codes[i];
    return NULL;
}

static struct call_site *new_site(struct decoder *d, uint32_t nargs, uint32_t nresults) {
    struct code *code = d->code;
    struct call_site **calls = realloc(code->calls, (code->ncalls + 1) * sizeof *calls);
    if (!calls) sg_decode_fail(d, "out of memory");
    code->calls = calls;
    struct call_site *site = calloc(1, sizeof *site);
    if (!site) sg_decode_fail(d, "out of memory");
    calls[code->ncalls++] = site;
    site->args = calloc(nargs + 1, sizeof *site->args);
    site->results = calloc(nresults + 1, sizeof *site->results);
    if (!site->args || !site->results) sg_decode_fail(d, "out of memory");
    return site;
}

// The callee's frame has not been decoded yet, perhaps: places follow from the function alone.
static uint32_t param_base(const struct sg_function *fn) {
    uint64_t align = fn->frame_align > 16 ? fn->frame_align : 16;
    return (uint32_t)((fn->local_bytes + align - 1) & ~(align - 1));
}

static void fill(struct decoder *d, struct argument *a, const struct sg_operand *o, const struct sg_param *formal,
                 const struct sg_function *callee) {
    a->bytes = (uint32_t)formal->size;
    if (o->kind == SG_OPND_SYM) {
        a->from_local = d->code->param_offset + (uint32_t)(o->sym->offset + (uint64_t)o->off);
        if (!a->bytes) a->bytes = (uint32_t)o->sym->size;
    } else if (o->kind != SG_OPND_SINK) {
        if (!a->bytes) a->bytes = sg_type_bytes(formal->type);
        a->in_reg = true;
        a->slot = sg_source(d, o);
    } else {
        a->bytes = 0;
    }
    if (!callee) {
        a->to_local = (uint32_t)formal->offset;
        return;
    }
    if (formal->sym) {
        a->to_local = param_base(callee) + (uint32_t)formal->sym->offset;
        return;
    }
    a->to_reg = true;
    a->to_slot = SCRATCH_SLOTS * SCRATCH_BYTES;
    for (int32_t r = 0; r < formal->reg; r++) // as place_registers lays them out
        if (callee->regs[r].type != SG_PRED) a->to_slot += (32u * callee->regs[r].bytes + 63) & ~63u;
}

const struct sg_function *sg_called(const struct sg_insn *insn) {
    const struct sg_operand *target = &insn->src[0];
    return target->kind == SG_OPND_SYM ? target->sym->function : NULL;
}

void sg_decode_call(struct decoder *d, const struct sg_insn *insn) {
    const struct sg_function *callee = sg_called(insn);
    uint32_t before = d->next_unit;
    if (!callee) sg_begin_masked_unit(d);
    uint32_t nargs = insn->nsrc - 1u, nresults = insn->ndst;
    struct call_site *site = new_site(d, nargs, nresults);
    const struct sg_param *params = callee ? callee->params : insn->proto->params;
    const struct sg_param *returns = callee ? callee->returns : insn->proto->returns;
    struct code *code = callee ? find_callee(d, callee) : NULL;
    sg_handler builtin = callee && !code ? sg_builtin(callee->name) : NULL;
    if (callee && !code && !builtin) sg_decode_fail(d, "no text defines the function called");
    const struct sg_function *layout = code ? callee : NULL;
    for (uint32_t i = 0; i < nargs; i++)
        fill(d, &site->args[i], &insn->src[i + 1], &params[i], layout);
    for (uint32_t i = 0; i < nresults; i++)
        fill(d, &site->results[i], &insn->dst[i], &returns[i], layout);
    site->nargs = nargs;
    site->nresults = nresults;
    site->callee = code;
    if (!callee) site->target_slot = sg_source(d, &insn->src[0]);
    struct op *op = sg_emit(d, builtin ? builtin : sg_op_call);
    op->call = site;
    op->n = before;
    op->unit = d->next_unit;
}
