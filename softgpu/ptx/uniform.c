// Which registers hold one value for a whole warp, and which branches go one way.
//
// Optimistic: everything starts uniform and is lowered until nothing changes, together with the
// frontiers. A register stays uniform if every definition of it runs where no lane can be elsewhere
// (empty frontier), under a uniform guard, and computes the same from uniform operands.
#include "parser.h"
#include "table.h"

static bool varying_sreg(unsigned sreg) {
    return (sreg >= SG_SREG_TID_X && sreg <= SG_SREG_TID_Z) || sreg == SG_SREG_LANEID ||
           (sreg >= SG_SREG_LANEMASK_EQ && sreg <= SG_SREG_LANEMASK_GT);
}

// The result may differ by lane though the operands do not.
static bool varying_op(const struct sg_insn *insn) {
    if (!(insn->is & SG_P_UNIFORM)) return true;
    uint16_t varying_in = sg_rows[insn->op].varying_in;
    if (!varying_in) return false;
    // Lanes may be served one after another, and another thread may write in between.
    if (insn->sem != SG_WEAK) return true;
    // Each lane has its own frame; a kernel's parameters are common.
    if (insn->src[0].sym && insn->src[0].sym->entry_param) return false;
    return varying_in >> insn->space & 1;
}

static void check_uniform(void *context, int32_t reg) {
    void **args = context;
    const struct sg_function *fn = args[0];
    if (!fn->regs[reg].uniform) *(bool *)args[1] = false;
}

static bool uniform_result(const struct sg_function *fn, const struct sg_insn *insn) {
    if (varying_op(insn)) return false;
    bool uniform = true;
    sgp_visit_uses(insn, check_uniform, (void *[]){(void *)fn, &uniform});
    for (unsigned i = 0; i < insn->nsrc; i++) {
        const struct sg_operand *src = &insn->src[i];
        if (src->kind == SG_OPND_SREG && varying_sreg(src->sreg)) uniform = false;
        if (src->kind == SG_OPND_SYM && src->generic && src->sym->space == SG_LOCAL) uniform = false;
    }
    return uniform;
}

static void lower(void *context, int32_t reg) {
    void **args = context;
    struct sg_function *fn = args[0];
    if (!fn->regs[reg].uniform) return;
    fn->regs[reg].uniform = false;
    *(bool *)args[1] = true;
}

static bool uniform_branch(const struct sg_function *fn, const struct sg_insn *last) {
    if (last->flags & SG_F_UNI) return true;
    if (last->guard >= 0 && !fn->regs[last->guard].uniform) return false;
    if (!(last->is & SG_P_ENDS_BLOCK)) return true;
    return !last->nsrc || last->src[0].kind != SG_OPND_REG || fn->regs[last->src[0].reg].uniform;
}

bool sgp_lower_uniformity(struct sg_function *fn) {
    bool any = false;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t b = 0; b < fn->nblocks; b++) {
            const struct sg_block *block = &fn->blocks[b];
            for (uint32_t i = 0; i < block->count; i++) {
                const struct sg_insn *insn = &fn->insns[block->first + i];
                if (insn->ndst == 0) continue;
                if (block->nfrontier || !uniform_result(fn, insn))
                    sgp_visit_defs(insn, lower, (void *[]){fn, &changed});
            }
        }
        any |= changed;
    }
    for (uint32_t b = 0; b < fn->nblocks; b++) {
        struct sg_block *block = &fn->blocks[b];
        bool uniform = uniform_branch(fn, &fn->insns[block->first + block->count - 1]);
        any |= uniform != block->uniform_branch;
        block->uniform_branch = uniform;
    }
    return any;
}
