// Blocks, their order, frontiers, liveness and uniformity.
#include "ptx_common.h"

static const char regs[] = ".reg .pred %p<9>; .reg .b32 %r<9>;\n";

static struct sg_function *flow(struct sg_module **module, const char *body) {
    char text[4096];
    snprintf(text, sizeof text, HEADER ".visible .entry k(.param .u32 a)\n{ %s%s }\n", regs, body);
    *module = load_text(text);
    return prepared(*module, "k");
}

static bool in_frontier(const struct sg_block *block, uint32_t x) {
    for (uint32_t i = 0; i < block->nfrontier; i++)
        if (block->frontier[i] == x) return true;
    return false;
}

static uint32_t block_of(const struct sg_function *fn, uint32_t insn) {
    for (uint32_t b = 0; b < fn->nblocks; b++)
        if (insn >= fn->blocks[b].first && insn < fn->blocks[b].first + fn->blocks[b].count) return b;
    cr_assert_fail("instruction %u is in no block", insn);
    return 0;
}

// Runs lanes through random branches, the lowest pending block first, and checks what the analysis
// claims about the rest.
static void check_frontiers_by_walking(const struct sg_function *fn, unsigned seed) {
    enum { LANES = 8 };
    for (int run = 0; run < 300; run++) {
        uint32_t at[LANES] = {0};
        bool alive[LANES];
        memset(alive, 1, sizeof alive);
        for (int step = 0; step < 400; step++) {
            uint32_t lowest = UINT32_MAX;
            for (int l = 0; l < LANES; l++)
                if (alive[l] && at[l] < lowest) lowest = at[l];
            if (lowest == UINT32_MAX) break;
            const struct sg_block *block = &fn->blocks[lowest];
            seed = seed * 1664525u + 1013904223u;
            uint32_t together = seed >> 8;
            bool here[LANES];
            for (int l = 0; l < LANES; l++) {
                here[l] = alive[l] && at[l] == lowest;
                if (alive[l] && !here[l])
                    cr_assert(in_frontier(block, at[l]), "block %u runs while %u is pending", lowest, at[l]);
            }
            const struct sg_insn *last = &fn->insns[block->first + block->count - 1];
            bool leaves = last->op == SG_OP_RET || last->op == SG_OP_EXIT;
            for (int l = 0; l < LANES; l++) {
                if (!here[l]) continue;
                seed = seed * 1664525u + 1013904223u;
                uint32_t choice = block->uniform_branch ? together : seed >> 8;
                if (leaves && (last->guard < 0 || (choice & 1)))
                    alive[l] = false;
                else if (block->nsucc)
                    at[l] = block->succ[choice % block->nsucc];
                else
                    alive[l] = false;
            }
        }
    }
}

#define DIVERGE "mov.u32 %r1, %tid.x; setp.lt.u32 %p1, %r1, 5; setp.lt.u32 %p2, %r1, 9;\n"

Test(ptx_flow, a_uniform_branch_leaves_no_frontier) {
    struct sg_module *module;
    struct sg_function *k = flow(&module, "ld.param.u32 %r1, [a]; setp.lt.u32 %p1, %r1, 5;\n"
                                          "@%p1 bra T; mov.u32 %r2, 1; bra J; T: mov.u32 %r2, 2; J: mov.u32 %r3, %r2;");
    for (uint32_t b = 0; b < k->nblocks; b++)
        cr_expect_eq(k->blocks[b].nfrontier, 0);
    cr_expect(k->blocks[0].uniform_branch);
    cr_expect(k->regs[k->insns[0].dst[0].reg].uniform);
    sg_module_free(module);
}

Test(ptx_flow, a_divergent_branch_rejoins_with_an_empty_frontier) {
    struct sg_module *module;
    struct sg_function *k = flow(&module, DIVERGE "@%p1 bra T; mov.u32 %r2, 1; bra J;\n"
                                                  "T: mov.u32 %r2, 2; J: mov.u32 %r3, %r2; ret;");
    uint32_t otherwise = block_of(k, 4), taken = block_of(k, 6), join = block_of(k, 7);
    cr_expect_eq(k->blocks[join].nfrontier, 0);
    cr_expect_eq(k->blocks[otherwise].nfrontier + k->blocks[taken].nfrontier, 2);
    uint32_t first = otherwise < taken ? otherwise : taken, second = otherwise ^ taken ^ first;
    cr_expect(in_frontier(&k->blocks[first], second));
    cr_expect(in_frontier(&k->blocks[second], join));
    uint32_t in_second = k->blocks[second].first;
    cr_expect(k->insns[in_second].blend, "lanes waiting at the join hold %%r2");
    cr_expect_not(k->regs[k->insns[7].dst[0].reg].uniform);
    check_frontiers_by_walking(k, 1);
    sg_module_free(module);
}

Test(ptx_flow, loops_are_contiguous) {
    struct sg_module *module;
    // The loop's tail stands behind the exit in the text.
    struct sg_function *k = flow(&module, DIVERGE "H: @%p1 bra T; bra X; X: mov.u32 %r3, 1; ret;\n"
                                                  "T: add.u32 %r1, %r1, 1; setp.lt.u32 %p1, %r1, 50; bra H;");
    uint32_t head = block_of(k, 3), tail = block_of(k, 7), exit = block_of(k, 5);
    cr_expect(head < tail && tail < exit, "%u %u %u", head, tail, exit);
    cr_expect(k->blocks[head].loop_head);
    cr_expect_eq(k->blocks[exit].nfrontier, 0);
    check_frontiers_by_walking(k, 2);
    sg_module_free(module);
}

Test(ptx_flow, irreducible_and_nested_graphs_keep_their_frontiers) {
    static const char *const bodies[] = {
        DIVERGE "@%p1 bra B; A: @%p2 bra B; bra E; B: @%p1 bra A; @%p2 bra B; E: mov.u32 %r2, 0; ret;",
        DIVERGE "O: I: @%p1 bra I; @%p2 bra O; @%p1 bra E; M: @%p2 bra O; @%p1 bra M; E: ret;",
        DIVERGE "A: @%p1 bra C; @%p2 exit; B: @%p1 bra D; C: @%p2 bra B; @%p1 ret; D: @%p2 bra A;",
        DIVERGE "t: .branchtargets A, B, C; A: brx.idx %r1, t; B: @%p1 bra C; bra A; C: @%p2 bra B;",
    };
    for (unsigned i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct sg_module *module;
        struct sg_function *k = flow(&module, bodies[i]);
        check_frontiers_by_walking(k, i + 3);
        sg_module_free(module);
    }
}

Test(ptx_flow, liveness_minds_guards) {
    struct sg_module *module;
    struct sg_function *k = flow(&module, DIVERGE "mov.u32 %r2, 1; bra N; N: @%p1 mov.u32 %r2, 2;\n"
                                                  "mov.u32 %r3, 5; mov.u32 %r4, %r2; mov.u32 %r4, %r3;");
    const struct sg_block *block = &k->blocks[block_of(k, 5)];
    int32_t r2 = k->insns[3].dst[0].reg, r3 = k->insns[6].dst[0].reg;
    cr_expect(block->live_in[r2 / 64] >> (r2 % 64) & 1, "the guarded move may keep %%r2");
    cr_expect_not(block->live_in[r3 / 64] >> (r3 % 64) & 1);
    sg_module_free(module);
}

Test(ptx_flow, values_that_leave_a_divergent_loop_are_not_uniform) {
    struct sg_module *module;
    struct sg_function *k = flow(&module, DIVERGE "mov.u32 %r2, 0;\n"
                                                  "H: add.u32 %r2, %r2, 1; setp.lt.u32 %p1, %r2, %r1; @%p1 bra H;\n"
                                                  "mov.u32 %r3, %r2;");
    cr_expect_not(k->regs[k->insns[4].dst[0].reg].uniform);
    cr_expect_not(k->regs[k->insns[7].dst[0].reg].uniform);
    sg_module_free(module);
}

Test(ptx_flow, what_is_told_of_a_threads_own_memory_is_not_uniform) {
    struct sg_module *module;
    struct sg_function *k =
        flow(&module, ".reg .b64 %d<9>; .local .b32 mine;\n"
                      "ld.param.u32 %r1, [a]; cvt.u64.u32 %d1, %r1;\n"
                      "isspacep.local %p1, %d1; isspacep.global %p2, %d1; cvta.local.u64 %d2, mine;\n"
                      "cvta.param.u64 %d3, a; ld.local.u32 %r2, [mine]; ret;");
    const bool uniform[] = {true, true, false, true, false, true, false};
    for (size_t i = 0; i < sizeof uniform; i++)
        cr_expect_eq(k->regs[k->insns[i].dst[0].reg].uniform, uniform[i], "instruction %zu", i);
    sg_module_free(module);
}
