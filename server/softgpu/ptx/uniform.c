// Which registers hold one value for a whole warp, and which branches go one way.
//
// Optimistic: everything starts uniform and is lowered until nothing changes, together with the
// frontiers. A register stays uniform if every definition of it runs where no lane can be elsewhere
// (empty frontier), under a uniform guard, and computes the same from uniform operands.
#include "parser.h"

static bool varying_sreg(unsigned sreg) {
    return (sreg >= SG_SREG_TID_X && sreg <= SG_SREG_TID_Z) || sreg == SG_SREG_LANEID ||
           (sreg >= SG_SREG_LANEMASK_EQ && sreg <= SG_SREG_LANEMASK_GT);
}

// Instructions whose result may differ by lane though their operands do not.
static bool varying_op(const struct sg_insn *insn) {
    switch (insn->op) {
    case SG_OP_ATOM:
    case SG_OP_SHFL:
    case SG_OP_VOTE:
    case SG_OP_MATCH:
    case SG_OP_ACTIVEMASK:
    case SG_OP_REDUX:
    case SG_OP_ELECT:
    case SG_OP_CALL:
    case SG_OP_ALLOCA:
    case SG_OP_STACKSAVE:
    case SG_OP_ADDC:
    case SG_OP_SUBC:
    case SG_OP_MADC:
    case SG_OP_MBARRIER:
    case SG_OP_LDMATRIX:
    case SG_OP_MOVMATRIX:
    case SG_OP_MMA:
    case SG_OP_WMMA:
    case SG_OP_BAR:
    case SG_OP_BARRIER:
        return true;
    case SG_OP_CVTA:
        return insn->space == SG_LOCAL || insn->space == SG_PARAM;
    case SG_OP_LD:
    case SG_OP_LDU: // each lane has its own frame; a kernel's parameters are common
        // Lanes may be served one after another, and another thread may write in between.
        if (insn->space == SG_LOCAL || insn->sem != SG_WEAK) return true;
        if (insn->src[0].sym && insn->src[0].sym->entry_param) return false;
        return insn->space == SG_PARAM || insn->space == SG_GENERIC;
    default:
        return false;
    }
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
        if (src->kind == SG_OPND_SYM && src->generic && src->sym->space == SG_LOCAL)
            uniform = false;
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
    if (last->op != SG_OP_BRX) return true;
    return last->src[0].kind != SG_OPND_REG || fn->regs[last->src[0].reg].uniform;
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
