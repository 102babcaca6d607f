// Which registers are live where, and which definitions need blending.
#include "parser.h"

static void visit_operand(const struct sg_operand *operand, bool addresses_only, sg_visit_reg visit, void *context) {
    if (operand->kind == SG_OPND_ADDR && operand->reg >= 0) visit(context, operand->reg);
    if (addresses_only) return;
    if (operand->kind == SG_OPND_REG) visit(context, operand->reg);
    for (unsigned i = 0; operand->kind == SG_OPND_VEC && i < operand->n; i++)
        if (operand->vec[i].kind == SG_OPND_REG) visit(context, operand->vec[i].reg);
}

void sgp_visit_uses(const struct sg_insn *insn, sg_visit_reg visit, void *context) {
    if (insn->guard >= 0) visit(context, insn->guard);
    for (unsigned i = 0; i < insn->nsrc; i++)
        visit_operand(&insn->src[i], false, visit, context);
    for (unsigned i = 0; i < insn->ndst; i++)
        visit_operand(&insn->dst[i], true, visit, context);
}

void sgp_visit_defs(const struct sg_insn *insn, sg_visit_reg visit, void *context) {
    for (unsigned i = 0; i < insn->ndst; i++)
        if (insn->dst[i].kind != SG_OPND_ADDR) visit_operand(&insn->dst[i], false, visit, context);
}

static void set_bit(void *context, int32_t reg) {
    ((uint64_t *)context)[reg / 64] |= (uint64_t)1 << (reg & 63);
}

static void clear_bit(void *context, int32_t reg) {
    ((uint64_t *)context)[reg / 64] &= ~((uint64_t)1 << (reg & 63));
}

// live = what is live before the block if `live` is live behind it.
static void walk_back(const struct sg_function *fn, const struct sg_block *block, uint64_t *live) {
    for (uint32_t i = block->count; i-- > 0;) {
        const struct sg_insn *insn = &fn->insns[block->first + i];
        // Under a guard the old value may survive.
        if (insn->guard < 0) sgp_visit_defs(insn, clear_bit, live);
        sgp_visit_uses(insn, set_bit, live);
    }
}

void sgp_compute_liveness(struct sg_parser *p) {
    struct sg_function *fn = p->fn;
    size_t words = ((size_t)fn->nregs + 63) / 64;
    if (words * fn->nblocks > ((size_t)1 << 26))
        sgp_fail(p, SG_NO_MEMORY, "the function has too many blocks and registers");
    uint64_t *sets = sgp_alloc(p, 2 * words * fn->nblocks + 1, sizeof *sets);
    uint64_t *live = sgp_scratch(p, words + 1, sizeof *live);
    for (uint32_t b = 0; b < fn->nblocks; b++) {
        fn->blocks[b].live_in = sets + 2 * words * b;
        fn->blocks[b].live_out = sets + 2 * words * b + words;
    }
    // A returning .reg parameter is read by the caller.
    uint64_t *returned = sgp_scratch(p, words + 1, sizeof *returned);
    for (uint32_t i = 0; i < fn->nreturns; i++)
        if (fn->returns[i].reg >= 0) set_bit(returned, fn->returns[i].reg);
    bool *dirty = sgp_scratch(p, fn->nblocks, sizeof *dirty);
    for (uint32_t b = 0; b < fn->nblocks; b++)
        dirty[b] = true;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t b = fn->nblocks; b-- > 0;) {
            struct sg_block *block = &fn->blocks[b];
            bool out_changed = dirty[b];
            dirty[b] = false;
            const struct sg_insn *last = &fn->insns[block->first + block->count - 1];
            for (size_t w = 0; w < words; w++) {
                uint64_t out = last->op == SG_OP_RET ? returned[w] : 0;
                for (uint32_t e = 0; e < block->nsucc; e++)
                    out |= fn->blocks[block->succ[e]].live_in[w];
                out_changed |= out != block->live_out[w];
                block->live_out[w] = out;
            }
            if (!out_changed) continue;
            memcpy(live, block->live_out, words * sizeof *live);
            walk_back(fn, block, live);
            if (memcmp(live, block->live_in, words * sizeof *live)) {
                memcpy(block->live_in, live, words * sizeof *live);
                changed = true;
            }
        }
    }
}
