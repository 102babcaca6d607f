// The table of operations: it does not contradict itself, and the checked IR holds what it says.
#include "ptx_common.h"
#include "table.h"

static struct sg_function *body(struct sg_module **module, const char *text) {
    char all[4096];
    snprintf(all, sizeof all,
             HEADER ".visible .entry k(.param .u64 a)\n{ .reg .pred %%p<9>; .reg .b16 %%h<9>; .reg .b32 %%r<9>; "
                    ".reg .b64 %%d<9>; .reg .f32 %%f<9>; .shared .b8 s[64];\n%s }\n",
             text);
    *module = load_text(all);
    return prepared(*module, "k");
}

Test(ptx_table, every_operation_has_a_family_and_a_name_of_its_own) {
    for (int op = SG_OP_NONE + 1; op < SG_OP_COUNT; op++) {
        cr_assert(*sg_op_name(op), "operation %d has no name", op);
        cr_assert(*sg_family_name(sg_rows[op].family), "%s has no family", sg_op_name(op));
        for (int other = op + 1; other < SG_OP_COUNT; other++)
            cr_assert_str_neq(sg_op_name(op), sg_op_name(other));
    }
}

Test(ptx_table, properties_do_not_contradict_each_other) {
    const uint32_t effects = SG_P_READS | SG_P_WRITES | SG_P_WAITS | SG_P_BARRIER | SG_P_DIVERGES | SG_P_LEAVES |
                             SG_P_COLLECTIVE | SG_P_SYNCHRONIZES;
    for (int op = SG_OP_NONE + 1; op < SG_OP_COUNT; op++) {
        const struct sg_row *row = &sg_rows[op];
        if (row->is & SG_P_PURE) cr_assert_eq(row->is & effects, 0, "%s is pure and does something", row->name);
        if (row->is & SG_P_ENDS_BLOCK) cr_assert(row->is & SG_P_DIVERGES, "%s ends blocks", row->name);
        if (row->varying_in) cr_assert(row->is & SG_P_UNIFORM, "%s varies anyway", row->name);
        cr_assert(!row->members || row->members <= SG_ROW_SOURCES, "%s", row->name);
        cr_assert(!row->parts || row->variant, "%s", row->name);
    }
}

Test(ptx_table, a_mode_is_the_same_whichever_words_lead_to_it) {
    for (size_t i = 0; i < sg_mode_row_count; i++)
        for (size_t k = i + 1; k < sg_mode_row_count; k++) {
            const struct sg_mode_row *x = &sg_mode_rows[i], *y = &sg_mode_rows[k];
            if (x->op != y->op) continue;
            cr_assert(x->from != y->from || strcmp(x->word, y->word), "%s.%s twice", sg_op_name(x->op), x->word);
            if (x->mode != y->mode) continue;
            cr_assert_eq(x->is, y->is, "%s.%s", sg_op_name(x->op), y->word);
            cr_assert_eq(x->members, y->members, "%s.%s", sg_op_name(x->op), y->word);
        }
}

Test(ptx_table, modes_add_their_properties_to_the_operations) {
    struct sg_module *module;
    struct sg_function *k = body(&module, "bar.sync 0; bar.warp.sync -1; bar.arrive 1, 64; cp.async.wait_all;\n"
                                          "cp.async.commit_group; shfl.sync.up.b32 %r1, %r2, 1, 0, -1;\n"
                                          "shfl.up.b32 %r1, %r2, 1, 0; ret;");
    const struct {
        uint32_t is;
        unsigned members;
    } want[] = {{SG_P_BARRIER | SG_P_WAITS, 0},    {SG_P_WAITS, 1},     {SG_P_BARRIER, 0}, {SG_P_WAITS, 0}, {0, 0},
                {SG_P_COLLECTIVE | SG_P_WAITS, 4}, {SG_P_COLLECTIVE, 0}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        cr_expect_eq(k->insns[i].is, want[i].is, "instruction %zu is %x", i, k->insns[i].is);
        cr_expect_eq(k->insns[i].members, want[i].members, "instruction %zu", i);
    }
    cr_expect(k->has_barrier);
    sg_module_free(module);
}

static void check_types(const struct sg_insn *insn, const enum sg_type *want) {
    for (unsigned i = 0; i < insn->ndst; i++)
        cr_expect_eq(insn->dst[i].type, *want++, "%s, destination %u: .%s", sg_op_name(insn->op), i,
                     sg_type_name(insn->dst[i].type));
    for (unsigned i = 0; i < insn->nsrc; i++)
        cr_expect_eq(insn->src[i].type, *want++, "%s, source %u: .%s", sg_op_name(insn->op), i,
                     sg_type_name(insn->src[i].type));
}

Test(ptx_table, each_operand_keeps_the_type_that_it_was_checked_for) {
    struct sg_module *module;
    struct sg_function *k =
        body(&module,
             "mad.wide.s32 %d1, %r1, 7, %d2; setp.lt.f32 %p1|%p2, %f1, 0f00000000; shl.b64 %d1, %d2, 3;\n"
             "cvt.rn.f32.s64 %f1, %d1; slct.f32.s32 %f1, %f2, %f3, %r1; selp.u16 %h1, %h2, 5, %p1;\n"
             "ld.global.v2.s8 {%h1, %h2}, [%d1]; vadd.s32.u32.s32 %r1, %r2.b0, %r3; lop3.b32 %r1, %r2, %r3, %r4, 9;\n"
             "mov.b64 {%r1, %r2}, %d1; mbarrier.try_wait.parity.shared.b64 %p1, [s], 1;\n"
             "mbarrier.test_wait.shared.b64 %p1, [s], %d1; ret;");
    const enum sg_type want[][8] = {
        {SG_S64, SG_S32, SG_S32, SG_S64},
        {SG_PRED, SG_PRED, SG_F32, SG_F32},
        {SG_B64, SG_B64, SG_U32},
        {SG_F32, SG_S64},
        {SG_B32, SG_B32, SG_B32, SG_S32},
        {SG_B16, SG_B16, SG_B16, SG_PRED},
        {SG_S8, SG_NONE},
        {SG_S32, SG_U32, SG_S32},
        {SG_B32, SG_B32, SG_B32, SG_B32, SG_U32},
        {SG_B32, SG_B64},
        {SG_PRED, SG_NONE, SG_U32},
        {SG_PRED, SG_NONE, SG_B64},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        check_types(&k->insns[i], want[i]);
    cr_expect_eq(k->insns[6].dst[0].vec[1].type, SG_S8);
    cr_expect_eq(k->insns[9].dst[0].vec[1].type, SG_B32);
    sg_module_free(module);
}

static void refused(const char *text, const char *why) {
    struct sg_diag diag;
    cr_expect_eq(body_outcome(text, &diag), SG_INVALID_PTX, "%s", text);
    cr_expect(strstr(diag.message, why), "%s: %s", text, diag.message);
}

Test(ptx_table, what_an_operation_needs_is_asked_for) {
    refused(".reg .b32 %r<9>; mul.s32 %r1, %r2, %r3;", ".hi, .lo or .wide is missing");
    refused(".reg .b32 %r<9>; dp2a.u32.u32 %r1, %r2, %r3, %r4;", ".hi or .lo is missing");
    refused(".reg .b32 %r<9>; shf.l.b32 %r1, %r2, %r3, %r4;", ".clamp or .wrap is missing");
    refused(".reg .b64 %d<9>; .reg .b32 %r<9>; atom.global.u32 %r1, [%d1], %r2;", "the operation is missing");
    refused(".reg .pred %p<9>; .reg .b32 %r<9>; setp.u32 %p1, %r1, %r2;", "the comparison is missing");
    refused(".reg .b32 %r<9>; vset2.u32.u32 %r1, %r2, %r3, %r4;", "the comparison is missing");
    refused(".reg .pred %p<9>; .reg .b32 %r<9>; bar.red.u32 %r1, 0, %p1;", "the operation is missing");
    refused(".reg .pred %p<9>; .reg .b32 %r<9>; setp.eq.and.u32 %p1, %r1, %r2;", "goes with .and, .or or .xor");
    refused(".reg .pred %p<9>; .reg .b32 %r<9>; setp.eq.u32 %p1, %r1, %r2, %p2;", "goes with .and, .or or .xor");
    refused(".reg .b32 %r<9>; shfl.sync.up.b32 %r1, %r2, 1, 0;", "a member mask goes with .sync");
    refused(".reg .pred %p<9>; vote.all.pred %p1, %p2, -1;", "a member mask goes with .sync");
    refused(".reg .b32 %r<9>; lop3.b32 %r1, %r2, %r3, %r4, %r5;", "a constant expected");
}

Test(ptx_table, a_branch_wants_a_label_and_an_indexed_one_a_list) {
    refused(".reg .b32 %r<9>; A: brx.idx %r1, A;", "no list of branch targets");
    refused("A: T: .branchtargets A; bra T;", "a list of branch targets, not a label");
}

Test(ptx_table, a_register_is_no_argument_for_an_array) {
    struct sg_module *module = load_text(HEADER ".func f(.param .b8 x[16]) { ret; }\n"
                                                ".visible .entry k() { .reg .b8 %c<2>; call f, (%c1); ret; }\n");
    struct sg_diag diag;
    cr_expect_eq(sg_function_parse(sg_module_entry(module, "k"), &diag), SG_INVALID_PTX);
    cr_expect(strstr(diag.message, "is an array"), "%s", diag.message);
    sg_module_free(module);
}
