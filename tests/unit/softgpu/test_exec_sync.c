// Synchronization beyond the plain barrier, indirect calls, cooperative grids.
#include "exec_rig.h"

#define REGS ".reg .pred %p<9>; .reg .b32 %r<40>; .reg .b64 %rd<20>;\n"
#define BEGIN                                                                                                          \
    ".visible .entry k(.param .u64 out)\n{\n" REGS                                                                     \
    "ld.param.u64 %rd1, [out]; mov.u32 %r2, %tid.x; mov.u32 %r3, %ctaid.x; mov.u32 %r4, %ntid.x;\n"                    \
    "mad.lo.s32 %r1, %r3, %r4, %r2; mul.wide.u32 %rd2, %r1, 4; add.s64 %rd3, %rd1, %rd2;\n"

static uint32_t *run(struct rig *rig, const char *ptx, unsigned blocks, unsigned threads, bool cooperative) {
    rig_open(rig, ptx, 2);
    uint32_t *out = rig_alloc(rig, 4 * (blocks * threads + 64), 256);
    struct sg_diag diag = {0};
    struct sg_kernel *kernel = sg_instance_kernel(rig->instance, "k", &diag);
    cr_assert(kernel, "%s line %u", diag.message, diag.line);
    struct sg_launch_params p = {
        .grid = {blocks, 1, 1}, .block = {threads, 1, 1}, .params = &out, .param_bytes = 8, .cooperative = cooperative};
    struct sg_fault fault;
    enum sg_fault_kind kind = sg_launch(rig->engine, kernel, &p, &fault);
    cr_assert_eq(kind, SG_FAULT_NONE, "%s: %s line %u", sg_fault_name(kind), fault.message, fault.line);
    return out;
}

Test(exec_sync, barrier_reduction_counts_predicates) {
    struct rig rig;
    uint32_t *out =
        run(&rig,
            RIG_HEAD BEGIN "setp.lt.u32 %p1, %r2, 37; bar.red.popc.u32 %r5, 0, %p1; setp.lt.u32 %p2, %r2, 999;\n"
                           "bar.red.and.pred %p3, 0, %p2; selp.u32 %r6, 1000, 0, %p3; add.u32 %r5, %r5, %r6; "
                           "st.global.u32 [%rd3], %r5; ret;\n}\n",
            2, 100, false);
    for (unsigned i = 0; i < 200; i++)
        cr_assert_eq(out[i], 1037, "%u", out[i]);
    rig_close(&rig);
}

Test(exec_sync, threads_that_left_do_not_hold_up_a_barrier) {
    struct rig rig;
    uint32_t *out =
        run(&rig,
            RIG_HEAD BEGIN
            ".shared .b32 s; setp.ge.u32 %p1, %r2, 40; @%p1 exit; setp.eq.u32 %p2, %r2, 0; @%p2 st.shared.u32 [s], 7;\n"
            "bar.sync 0; ld.shared.u32 %r5, [s]; st.global.u32 [%rd3], %r5; ret;\n}\n",
            1, 128, false);
    for (unsigned i = 0; i < 128; i++)
        cr_assert_eq(out[i], i < 40 ? 7 : 0);
    rig_close(&rig);
}

Test(exec_sync, named_barrier_joins_producer_and_consumer_warps) {
    struct rig rig;
    uint32_t *out =
        run(&rig,
            RIG_HEAD BEGIN
            ".shared .b32 s[32]; mov.u32 %r9, s; and.b32 %r5, %r2, 31; shl.b32 %r6, %r5, 2; add.u32 %r6, %r6, %r9;\n"
            "setp.lt.u32 %p1, %r2, 32; @%p1 bra C; add.u32 %r7, %r5, 5; st.shared.u32 [%r6], %r7; bar.arrive 3, 64; "
            "bra E;\n"
            "C: bar.sync 3, 64; ld.shared.u32 %r8, [%r6]; st.global.u32 [%rd3], %r8; E: ret;\n}\n",
            1, 64, false);
    for (unsigned i = 0; i < 32; i++)
        cr_assert_eq(out[i], i + 5);
    rig_close(&rig);
}

Test(exec_sync, indirect_calls_reach_each_lanes_target) {
    struct rig rig;
    uint32_t *out = run(&rig,
                        RIG_HEAD ".func (.param .b32 r) f(.param .b32 n)\n{\n.reg .b32 %r<3>; ld.param.u32 %r1, [n]; "
                                 "add.u32 %r1, %r1, 1; st.param.b32 [r], %r1; ret;\n}\n"
                                 ".func (.param .b32 r) g(.param .b32 n)\n{\n.reg .b32 %r<3>; ld.param.u32 %r1, [n]; "
                                 "mul.lo.u32 %r1, %r1, 10; st.param.b32 [r], %r1; ret;\n}\n" BEGIN
                                 "mov.u64 %rd4, f; mov.u64 %rd5, g; and.b32 %r5, %r2, 1; setp.eq.u32 %p1, %r5, 0; "
                                 "selp.b64 %rd6, %rd4, %rd5, %p1;\n"
                                 "{ .param .b32 a; .param .b32 b; st.param.b32 [a], %r2; P: .callprototype (.param "
                                 ".b32 _) _ (.param .b32 _); call (b), %rd6, (a), P; ld.param.b32 %r7, [b]; }\n"
                                 "st.global.u32 [%rd3], %r7; ret;\n}\n",
                        1, 33, false);
    for (unsigned i = 0; i < 33; i++)
        cr_assert_eq(out[i], i & 1 ? i * 10 : i + 1, "%u: %u", i, out[i]);
    rig_close(&rig);
}

Test(exec_sync, cooperative_blocks_wait_for_each_other) {
    struct rig rig;
    uint32_t *out = run(&rig,
                        ".version 8.0\n.target sm_80\n.address_size 64\n.global .u32 n;\n" BEGIN
                        "mov.u64 %rd5, n; bar.sync 0; setp.ne.u32 %p1, %r2, 0; @%p1 bra W; "
                        "atom.add.release.gpu.global.u32 %r5, [%rd5], 1;\n"
                        "L: ld.acquire.gpu.global.u32 %r6, [%rd5]; setp.lt.u32 %p2, %r6, 12; @%p2 bra L;\n"
                        "W: bar.sync 0; ld.volatile.global.u32 %r7, [%rd5]; st.global.u32 [%rd3], %r7; ret;\n}\n",
                        12, 64, true);
    for (unsigned i = 0; i < 12 * 64; i++)
        cr_assert_eq(out[i], 12);
    rig_close(&rig);
}

Test(exec_sync, async_copy_lands_before_its_wait) {
    struct rig rig;
    uint32_t *out = run(&rig,
                        RIG_HEAD BEGIN ".shared .align 16 .b8 s[512]; st.global.u32 [%rd3], %r2; mov.u32 %r9, s; "
                                       "shl.b32 %r5, %r2, 2; add.u32 %r6, %r9, %r5;\n"
                                       "cp.async.ca.shared.global [%r6], [%rd3], 4; cp.async.commit_group; "
                                       "cp.async.wait_group 0; ld.shared.u32 %r7, [%r6]; add.u32 %r7, %r7, 1;\n"
                                       "st.global.u32 [%rd3], %r7; ret;\n}\n",
                        1, 50, false);
    for (unsigned i = 0; i < 50; i++)
        cr_assert_eq(out[i], i + 1);
    rig_close(&rig);
}

// Against PTX's rules: hardware would go on when the others have exited or wait elsewhere.
Test(exec_sync, members_that_never_come_do_not_stop_the_block) {
    struct rig rig;
    uint32_t *out =
        run(&rig,
            RIG_HEAD BEGIN
            "mov.u32 %r5, %r2; setp.ge.u32 %p1, %r2, 16; @%p1 bra M; shfl.sync.bfly.b32 %r5, %r5, 1, 31, -1;\n"
            "M: bar.sync 0; st.global.u32 [%rd3], %r5; ret;\n}\n",
            1, 96, false);
    for (unsigned i = 0; i < 96; i++)
        cr_assert_eq(out[i], i < 16 ? i ^ 1 : i, "%u: %u", i, out[i]);
    rig_close(&rig);
}

Test(exec_sync, calls_side_by_side_take_registers_from_the_heap_and_give_them_back) {
    struct rig rig;
    // Each lane makes the call in a turn of its own and waits in it for the others, at its own depth.
    uint32_t *out = run(
        &rig,
        RIG_HEAD ".func (.param .b32 r) f(.param .b32 x)\n{\n.reg .b32 %a<40>; .reg .pred %p;\nld.param.b32 %a0, [x];\n"
                 "redux.sync.add.u32 %a1, %a0, -1; st.param.b32 [r], %a1; ret;\n}\n" BEGIN
                 "mov.u32 %r5, 0;\nL: setp.ne.u32 %p1, %r5, %r2; @%p1 bra N;\n"
                 "{ .param .b32 p; .param .b32 q; st.param.b32 [p], %r2; call (q), f, (p); ld.param.b32 %r6, [q]; }\n"
                 "N: add.u32 %r5, %r5, 1; setp.lt.u32 %p2, %r5, 32; @%p2 bra L; st.global.u32 [%rd3], %r6; ret;\n}\n",
        3, 32, false);
    for (unsigned i = 0; i < 96; i++)
        cr_assert_eq(out[i], 31 * 16, "%u: %u", i, out[i]);
    rig_close(&rig);
}

Test(exec_sync, special_registers_without_a_meaning_fail_their_kernel_by_name) {
    static const char *const names[] = {"%pm0", "%pm3_64", "%envreg0", "%envreg7"};
    for (unsigned k = 0; k < 4; k++) {
        struct rig rig;
        char text[1024];
        snprintf(text, sizeof text,
                 RIG_HEAD ".visible .entry k()\n{\n.reg .b%d %%v;\nmov.u%d %%v, %s;\nret;\n}\n"
                          ".visible .entry other()\n{\nret;\n}\n",
                 k == 1 ? 64 : 32, k == 1 ? 64 : 32, names[k]);
        rig_open(&rig, text, 1);
        struct sg_diag diag = {0};
        cr_assert(!sg_instance_kernel(rig.instance, "k", &diag));
        cr_assert(strstr(diag.message, names[k]), "%s", diag.message);
        cr_assert(sg_instance_kernel(rig.instance, "other", &diag));
        rig_close(&rig);
    }
}
