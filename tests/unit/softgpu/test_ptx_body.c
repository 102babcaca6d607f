// Instructions, operands, scopes and what is refused.
#include "ptx_common.h"

#define REGS                                                                                                           \
    ".reg .pred %p<9>; .reg .b16 %h<9>; .reg .b32 %r<9>; .reg .b64 %d<9>; .reg .f32 %f<9>;"                            \
    ".reg .f64 %fd<9>; .reg .b128 %q<3>; .reg .b8 %c<3>; .shared .align 8 .b8 sh[64];\n"

Test(ptx_body, forms_of_every_kind_parse) {
    static const char *const good[] = {
        "add.s32 %r1, %r2, -5;",
        "add.sat.s32 %r1, %r2, %r3;",
        "add.rn.ftz.f32 %f1, %f2, 0f3F800000;",
        "mul.wide.u32 %d1, %r1, 12;",
        "mad.lo.s64 %d1, %d2, %d3, %d1;",
        "mad.wide.s16 %r1, %h1, %h2, %r2;",
        "cvt.pack.sat.s8.s32.b32 %r1, %r2, %r3, 0;",
        "fma.rn.f16x2 %r1, %r2, %r3, %r4;",
        "fma.rn.relu.bf16 %h1, %h2, %h3, %h4;",
        "div.full.f32 %f1, %f2, %f3;",
        "setp.lt.and.s32 %p1|%p2, %r1, 4, !%p3;",
        "setp.neu.f16x2 %p1|%p2, %r1, %r2;",
        "set.eq.u32.f16x2 %r1, %r2, %r3;",
        "slct.s32.f32 %r1, %r2, %r3, %f1;",
        "selp.f32 %f1, 0f00000000, %f2, %p1;",
        "mov.b64 %d1, {%r1, %r2};",
        "mov.b64 {%r1, _}, %d1;",
        "mov.b32 %r1, {%h1, %h2};",
        "mov.b128 %q1, {%d1, %d2};",
        "mov.u32 %r1, %tid.x;",
        "mov.u64 %d1, %clock64;",
        "mov.u32 %r1, sh+8;",
        "mov.u32 %r1, WARP_SZ;",
        "mov.b32 %r1, 0f3F800000;",
        "mov.u32 %r1, (1 << 4) | 0x3;",
        "mov.u32 %r1, %envreg2;",
        "cvt.rn.f16x2.f32 %r1, %f1, %f2;",
        "cvt.rzi.s64.f32 %d1, %f1;",
        "cvt.u16.u8 %h1, %h2;",
        "cvt.rn.satfinite.e4m3x2.f32 %h1, %f1, %f2;",
        "cvt.rna.tf32.f32 %r1, %f1;",
        "cvt.s8.s32 %r1, %r2;",
        "cvta.to.global.u64 %d1, %d2;",
        "cvta.shared.u64 %d1, sh;",
        "ld.global.nc.v4.f32 {%f1, %f2, %f3, %f4}, [%d1+16];",
        "ld.global.relaxed.gpu.b32 %r1, [%d1];",
        "ld.global.L1::no_allocate.L2::128B.u8 %h1, [%d1+-8];",
        "ld.global.L2::cache_hint.f32 %f1, [%d1], %d2;",
        "ld.param.u64 %d1, [a];",
        "st.shared.v2.b32 [sh+8], {%r1, 5};",
        "st.volatile.global.u8 [%d1], %r1;",
        "ld.v2.u64 {%d1, _}, [%d2].unified;",
        "bar.sync 0;",
        "barrier.sync.aligned %r1, 64;",
        "bar.red.popc.u32 %r1, 0, %p1;",
        "bar.red.and.pred %p1, 0, 64, !%p2;",
        "bar.warp.sync -1;",
        "membar.gl;",
        "fence.acq_rel.sys;",
        "fence.proxy.async;",
        "shfl.sync.down.b32 %r1|%p1, %r2, 1, 31, -1;",
        "vote.sync.ballot.b32 %r1, !%p1, -1;",
        "vote.ballot.sync.b32 %r1, %p1, %r2;",
        "match.all.sync.b64 %r1|%p1, %d1, -1;",
        "atom.global.add.f32 %f1, [%d1], 0f3F800000;",
        "atom.cas.b64 _, [%d1], %d2, %d3;",
        "red.release.gpu.global.add.u64 [%d1], 1;",
        "atom.add.noftz.f16x2 %r1, [%d1], %r2;",
        "atom.shared.cas.b32 %r1, [sh], 0, 1;",
        "redux.sync.add.s32 %r1, %r2, -1;",
        "elect.sync _|%p1, -1;",
        "activemask.b32 %r1;",
        "popc.b64 %r1, %d1;",
        "bfind.shiftamt.s64 %r1, %d1;",
        "bfe.u64 %d1, %d2, 3, 5;",
        "bfi.b32 %r1, %r2, %r3, 8, 8;",
        "prmt.b32 %r1, %r2, %r3, 0x5410;",
        "shf.l.wrap.b32 %r1, %r2, %r3, 4;",
        "lop3.b32 %r1, %r2, %r3, %r4, 0x96;",
        "lop3.or.b32 %r1|%p1, %r2, %r3, %r4, 3, !%p2;",
        "bmsk.clamp.b32 %r1, 2, %r2;",
        "add.cc.u32 %r1, %r2, %r3;",
        "madc.hi.cc.u32 %r1, %r2, %r3, %r4;",
        "dp4a.u32.s32 %r1, %r2, %r3, %r4;",
        "dp2a.lo.s32.s32 %r1, %r2, %r3, %r4;",
        "isspacep.shared %p1, %d1;",
        "prefetch.global.L2 [%d1];",
        "rsqrt.approx.f32.ftz %f1, %f2;",
        "testp.notanumber.f64 %p1, %fd1;",
        "trap;",
        "@!%p1 exit;",
        "alloca.u64 %d1, %d2;",
        "nanosleep.u32 100;",
        "min.xorsign.abs.f32 %f1, %f2, %f3;",
        "cp.async.cg.shared.global.L2::128B [sh], [%d1], 16;",
        "cp.async.wait_group 0;",
        "mbarrier.init.shared.b64 [sh], 1;",
        "mbarrier.try_wait.parity.shared::cta.b64 %p1, [sh], %r1;",
        "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r1,%r2,%r3,%r4}, [sh];",
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, "
        "{%r1,%r2}, {%f1,%f2,%f3,%f4};",
        "and.pred %p1, %p2, %p3;",
        "not.pred %p1, %p2;",
        "mov.pred %p1, 1;",
        "neg.f16 %h1, %h2;",
        "tanh.approx.f32 %f1, %f2;",
        "createpolicy.fractional.L2::evict_last.b64 %d1, 0f3F800000;",
        "griddepcontrol.wait;",
        "shr.s16 %h1, %h2, 3;",
        "ex2.approx.ftz.f16 %h1, %h2;",
        "copysign.f64 %fd1, %fd2, %fd3;",
        "mov.b16 %h1, 0x3C00;",
        "sad.u32 %r1, %r2, %r3, %r4;",
        "tex.1d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [%d1, {%r1}];",
        "tex.1d.v4.u32.f32 {%r1, _, _, _}, [%d1, %f1];",
        "tex.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}|%p1, [%d1, {%f1, %f2}];",
        "tex.level.3d.v4.s32.f32 {%r1, %r2, %r3, %r4}, [%d1, {%f1, %f2, %f3, %f3}], 0f3F800000;",
        "tex.grad.a2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [%d1, {%r1, %f1, %f2, %f2}], {%f1, %f2}, {%f3, %f4};",
        "tex.base.acube.v4.f32.f32 {%f1, %f2, %f3, %f4}, [%d1, {%r1, %f1, %f2, %f3}];",
        "tex.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [%d1, {%f1, %f2}], {1, -1};",
        "tex.2d.v2.f16x2.f32 {%r1, %r2}, [%d1, {%f1, %f2}];",
        "tld4.g.2d.v4.u32.f32 {%r1, %r2, %r3, %r4}, [%d1, {%f1, %f2}];",
        "txq.width.b32 %r1, [%d1];",
        "txq.level.height.b32 %r1, [%d1], 2;",
        "suq.array_size.b32 %r1, [%d1];",
        "suld.b.2d.v2.b16.clamp {%h1, %h2}, [%d1, {%r1, %r2}];",
        "suld.b.a1d.b8.zero {%h1}, [%d1, {%r1, %r2}];",
        "sust.b.3d.cg.b64.trap [%d1, {%r1, %r2, %r3, %r3}], {%d2};",
        "sust.p.1d.v4.b32.zero [%d1, {%r1}], {%r1, %r2, %r3, 0};",
        "sured.b.min.2d.s32.clamp [%d1, {%r1, %r2}], %r3;",
        "sured.p.add.1d.b32.trap [%d1, %r1], 1;",
        "istypep.texref %p1, %d1;"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char body[1024];
        struct sg_diag diag;
        snprintf(body, sizeof body, "%s%s", REGS, good[i]);
        cr_expect_eq(body_outcome(body, &diag), SG_OK, "%s: %s", good[i], diag.message);
    }
}

Test(ptx_body, wrong_operands_are_refused) {
    static const char *const bad[] = {"add.s32 %r1, %r2;",
                                      "add.s32 %r1, %r2, %r3, %r4;",
                                      "add.s32 5, %r2, %r3;",
                                      "add.s32 %r1, %d1, %r3;",
                                      "add.f32 %f1, %f2, 1;",
                                      "add.s32 %r1, %r2, 0f3F800000;",
                                      "add.f32 %fd1, %f1, %f2;",
                                      "add.f64 %fd1, %fd1, %d1x;",
                                      "setp.s32 %p1, %r1, 2;",
                                      "setp.lt.s32 %r1, %r1, 2;",
                                      "mul.s32 %r1, %r2, %r3;",
                                      "mul.wide.u64 %d1, %d1, %d2;",
                                      "mov.u32 %r1, %nosuch;",
                                      "mov.u32 %r1, !%p1;",
                                      "mov.b64 %d1, {%r1, %r2, %r3};",
                                      "mov.b64 %d1, {%h1, %h2};",
                                      "ld.global.v2.f32 %f1, [%d1];",
                                      "ld.global.v2.f32 {%f1, %f2, %f3}, [%d1];",
                                      "ld.global.u64 %r1, [%d1];",
                                      "ld.global.u32 %r1, %d1;",
                                      "ld.global.u32 %r1, [%f1];",
                                      "st.global.u32 [%d1];",
                                      "bra nowhere;",
                                      "bra %r1;",
                                      "shfl.sync.b32 %r1, %r2, 1, 31, -1;",
                                      "shfl.sync.up.b32 %r1, %r2, 1;",
                                      "atom.global.u32 %r1, [%d1], 1;",
                                      "@%r1 bra L; L:",
                                      "selp.b32 %r1, %r2, %r3, %r4;",
                                      "cvt.f32.pred %f1, %p1;",
                                      "call nothing;",
                                      "st.shared.u32 [sh+0x], 1;",
                                      "mov.u32 %r1, 1/0;",
                                      "and.s32 %r1, %r2, %r3;",
                                      "tex.v4.f32.f32 {%f1, %f2, %f3, %f4}, [%d1, {%f1, %f2}];",
                                      "tex.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [%d1, {%f1}];",
                                      "tex.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [%d1, {%r1, %f2}x];",
                                      "tex.2d.v4.f32.f32 {%f1, %f2}, [%d1, {%f1, %f2}];",
                                      "tex.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [%r1, {%f1, %f2}];",
                                      "tex.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [sh, {%f1, %f2}];",
                                      "tex.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [%d1, %d2, {%f1, %f2}];",
                                      "tex.level.1d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [%d1, {%f1}];",
                                      "tld4.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [%d1, {%f1, %f2}];",
                                      "txq.b32 %r1, [%d1];",
                                      "suld.2d.b32.trap {%r1}, [%d1, {%r1, %r2}];",
                                      "sust.b.2d.v2.b32.trap [%d1, {%r1, %r2}], {%r1};",
                                      "sured.b.1d.u32.trap [%d1, {%r1}], %r2;",
                                      "add.u32 %r1, %r2.b0, %r3;",
                                      "add.u32 %r1, -%r2, %r3;",
                                      "vadd.u32.u32.u32 %r1.b0, %r2, %r3;",
                                      "vadd.u32.u32.u32 %r1, %r2, %r3, %r4;",
                                      "vadd.u32.u32.u32 %r1, %r2.b4, %r3;",
                                      "vadd.u32.u32.u32 %r1, %r2.b10, %r3;",
                                      "vadd.u32.u32.u32 %r1, -%r2, %r3;",
                                      "vadd.u16.u32.u32 %r1, %r2, %r3;",
                                      "vadd.u32.u32.u32.and %r1, %r2, %r3, %r4;",
                                      "vadd4.u32.u32.u32.sat.add %r1, %r2, %r3, %r4;",
                                      "vadd4.u32.u32.u32 %r1, %r2.h10, %r3, %r4;",
                                      "vadd2.u32.u32.u32 %r1.h01, %r2, %r3, %r4;",
                                      "vshr.u32.u32.u32 %r1, %r2, %r3;",
                                      "vshr.u32.u32.s32.clamp %r1, %r2, %r3;",
                                      "vset.u32.u32.lo %r1, %r2, %r3;",
                                      "istypep.other %p1, %d1;"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char body[1024];
        struct sg_diag diag;
        snprintf(body, sizeof body, "%s\n\n%s", REGS, bad[i]);
        enum sg_code code = body_outcome(body, &diag);
        cr_expect(code == SG_INVALID_PTX || code == SG_UNSUPPORTED_INSTRUCTION, "%s: %d", bad[i], code);
        cr_expect_eq(diag.line, 9, "%s: line %u: %s", bad[i], diag.line, diag.message);
    }
}

Test(ptx_body, unknown_instructions_are_named_with_line_and_kernel) {
    struct sg_diag diag;
    cr_expect_eq(body_outcome(REGS "\nfrobnicate.sync.u32 %r1, %r2;", &diag), SG_UNSUPPORTED_INSTRUCTION);
    cr_expect_str_eq(diag.kernel, "k");
    cr_expect_eq(diag.line, 8);
    cr_expect_str_eq(diag.instruction, "frobnicate.sync.u32 %r1, %r2;");
    cr_expect_eq(body_outcome(REGS "tcgen05.alloc.b32 %r1;", &diag), SG_UNSUPPORTED_INSTRUCTION);
    cr_expect_eq(body_outcome(REGS "add.frob.u32 %r1, %r1, 1;", &diag), SG_UNSUPPORTED_INSTRUCTION);
}

Test(ptx_body, scopes_hide_registers_and_labels) {
    struct sg_module *module =
        load_text(HEADER ".visible .entry k() { .reg .b32 %r<3>; .reg .pred p;\n"
                         " mov.u32 %r1, 1;\n"
                         " { .reg .b64 %r1; mov.u64 %r1, 2; W: setp.eq.u64 p, %r1, 0; @p bra D; bra W; D: }\n"
                         " { W: @p bra D; bra W; D: }\n"
                         " mov.u32 %r2, %r1; ret; }\n");
    struct sg_function *k = prepared(module, "k");
    cr_expect_neq(k->insns[0].dst[0].reg, k->insns[1].dst[0].reg);
    cr_expect_eq(k->regs[k->insns[1].dst[0].reg].bytes, 8);
    const struct sg_insn *last = &k->insns[k->ninsns - 2];
    cr_expect_eq(last->src[0].reg, k->insns[0].dst[0].reg);
    sg_module_free(module);
}

Test(ptx_body, immediates_take_the_type_of_their_instruction) {
    struct sg_module *module =
        load_text(HEADER ".visible .entry k() { .reg .b32 %r<3>; .reg .b64 %d; .reg .f32 %f; .reg .f64 %g;\n"
                         " mov.s32 %r1, -1; mov.u32 %r1, -1; mov.b64 %d, -1; mov.f32 %f, 0d3FF8000000000000;\n"
                         " mov.f64 %g, 0f3FC00000; mov.b32 %r1, 0f3FC00000; mov.f32 %f, -1.5; }\n");
    struct sg_function *k = prepared(module, "k");
    static const uint64_t wanted[] = {UINT64_MAX,         0xffffffff, UINT64_MAX, 0x3fc00000,
                                      0x3ff8000000000000, 0x3fc00000, 0xbfc00000};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        cr_expect_eq(k->insns[i].src[0].imm, wanted[i], "%zu: %lx", i, k->insns[i].src[0].imm);
    sg_module_free(module);
}

Test(ptx_body, words_may_stand_apart_from_their_mnemonic) {
    struct sg_module *module =
        load_text(HEADER ".visible .entry k() { .reg .b32 %r<3>; add.s32 %r1, %r1, 1; add.s32 .sat %r1, %r1, 1;\n"
                         " add .sat\n.s32 %r1, %r1, 1; add.s32 %r1, %r1, 1; }\n");
    struct sg_function *k = prepared(module, "k");
    cr_expect_eq(k->insns[0].flags, 0);
    cr_expect_eq(k->insns[1].flags, SG_F_SAT);
    cr_expect_eq(k->insns[2].flags, SG_F_SAT);
    cr_expect_eq(k->insns[3].flags, 0);
    sg_module_free(module);
}

Test(ptx_body, calls_direct_indirect_and_through_tables) {
    struct sg_module *module =
        load_text(HEADER ".func (.param .b32 r) f(.param .b32 x) { .reg .b32 %r; ld.param.b32 %r, [x]; "
                         "st.param.b32 [r], %r; ret; }\n"
                         ".extern .func (.param .b32 r) vprintf(.param .b64 a, .param .b64 b);\n"
                         ".visible .entry k() { .reg .b32 %r<3>; .reg .b64 %d<3>; .reg .pred %p;\n"
                         " { .param .b32 p0; .param .b32 q; st.param.b32 [p0], 3; call.uni (q), f, (p0); "
                         "ld.param.b32 %r1, [q]; }\n"
                         " mov.u64 %d1, f;\n"
                         " { .param .b32 p0; .param .b32 q; proto: .callprototype (.param .b32 _) _ (.param "
                         ".b32 _);\n"
                         "   call (q), %d1, (p0), proto; }\n"
                         " ts: .branchtargets A, B; @%p brx.idx %r1, ts; A: mov.u32 %r2, 1; B: ret; }\n");
    struct sg_function *k = prepared(module, "k");
    cr_expect(k->has_indirect_call && k->nclosure == 1);
    cr_expect_eq(k->frame_bytes, 8, "sister scopes share their frame");
    const struct sg_insn *brx = NULL;
    for (uint32_t i = 0; i < k->ninsns; i++)
        if (k->insns[i].op == SG_OP_BRX) brx = &k->insns[i];
    cr_assert_not_null(brx);
    cr_expect(brx->src[1].kind == SG_OPND_VEC && brx->src[1].n == 2);
    cr_expect(brx->src[1].vec[0].block != brx->src[1].vec[1].block);
    sg_module_free(module);
}

Test(ptx_body, register_parameters_are_registers_of_the_function) {
    struct sg_module *module =
        load_text(HEADER ".func (.reg .u32 out) twice(.reg .u32 in) { add.u32 out, in, in; ret; }\n"
                         ".visible .entry k() { .reg .b32 %r<3>; call (%r1), twice, (%r2);\n"
                         " call (_), twice, (7); ret; }\n");
    struct sg_function *k = prepared(module, "k");
    const struct sg_function *twice = k->callees[0];
    cr_expect_eq(k->ncallees, 1);
    cr_expect_eq(twice->insns[0].dst[0].reg, twice->returns[0].reg);
    cr_expect_eq(twice->insns[0].src[0].reg, twice->params[0].reg);
    const struct sg_insn *call = &k->insns[0];
    cr_expect(call->ndst == 1 && call->nsrc == 2 && call->src[0].kind == SG_OPND_SYM);
    cr_expect_eq(call->src[0].sym->function, twice);
    cr_expect(k->insns[1].src[1].kind == SG_OPND_IMM && k->insns[1].src[1].imm == 7);
    struct sg_diag diag;
    cr_expect_eq(body_outcome("call vanished, ();", &diag), SG_INVALID_PTX);
    sg_module_free(module);
}

Test(ptx_body, every_truncation_of_a_body_is_refused_or_parsed) {
    const char *text = HEADER ".visible .entry k(.param .u64 a) { .reg .b32 %r<3>; .reg .pred %p; // c\n"
                              " { L: ld.param.u32 %r1, [a+4]; setp.ne.s32 %p, %r1, 0x10; @!%p bra L; } \"s\" }";
    char *copy = malloc(strlen(text) + 1);
    for (size_t n = 0; n < strlen(text); n++) {
        memcpy(copy, text, n);
        struct sg_diag diag;
        struct sg_module *module = sg_module_load(&(struct sg_text){copy, n}, 1, &diag);
        if (module && module->nfunctions) sg_function_parse(module->functions[0], &diag);
        sg_module_free(module);
    }
    free(copy);
}
