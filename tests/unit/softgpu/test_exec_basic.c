// Whole kernels: memory, divergence, barriers, warp operations, calls, faults.
#include "exec_rig.h"

#define ENTRY(params) RIG_HEAD ".visible .entry k(" params ")\n{\n"
#define REGS                                                                                                           \
    ".reg .pred %p<9>; .reg .b16 %h<9>; .reg .b32 %r<40>; .reg .f32 %f<20>; .reg .b64 %rd<20>; .reg .f64 %d<9>;\n"
// %rd1 = out + 4 * global thread, %r1 = that thread, %r2 = thread in the block
#define OUT1                                                                                                           \
    ENTRY(".param .u64 out")                                                                                           \
    REGS "ld.param.u64 %rd1, [out]; mov.u32 %r2, %tid.x; mov.u32 %r3, %ctaid.x; mov.u32 %r4, %ntid.x;\n"               \
         "mad.lo.s32 %r1, %r3, %r4, %r2; mul.wide.u32 %rd2, %r1, 4; add.s64 %rd3, %rd1, %rd2;\n"

static uint32_t *run(struct rig *rig, const char *ptx, unsigned blocks, unsigned threads) {
    rig_open(rig, ptx, 2);
    uint32_t *out = rig_alloc(rig, 4 * (blocks * threads + 64), 256);
    struct sg_fault fault;
    enum sg_fault_kind kind = rig_launch(rig, "k", blocks, threads, &out, 8, &fault);
    cr_assert_eq(kind, SG_FAULT_NONE, "%s: %s line %u", sg_fault_name(kind), fault.message, fault.line);
    return out;
}

Test(exec, vector_add_of_odd_size_is_right) {
    struct rig rig;
    rig_open(
        &rig,
        ENTRY(".param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n") REGS
        "ld.param.u64 %rd1, [a]; ld.param.u64 %rd2, [b]; ld.param.u64 %rd3, [c]; ld.param.u32 %r9, [n];\n"
        "mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x; mov.u32 %r3, %tid.x; mad.lo.s32 %r4, %r1, %r2, %r3;\n"
        "setp.ge.s32 %p1, %r4, %r9; @%p1 bra DONE;\n"
        "mul.wide.s32 %rd4, %r4, 4; add.s64 %rd5, %rd1, %rd4; add.s64 %rd6, %rd2, %rd4; add.s64 %rd7, %rd3, %rd4;\n"
        "ld.global.f32 %f1, [%rd5]; ld.global.f32 %f2, [%rd6]; add.f32 %f3, %f1, %f2; st.global.f32 [%rd7], %f3;\n"
        "DONE: ret;\n}\n",
        2);
    enum { N = 1003 };
    struct {
        float *a, *b, *c;
        uint32_t n;
    } p = {.n = N};
    p.a = rig_alloc(&rig, 4 * N, 256), p.b = rig_alloc(&rig, 4 * N, 256), p.c = rig_alloc(&rig, 4 * N + 8, 256);
    for (int i = 0; i < N; i++)
        p.a[i] = (float)i, p.b[i] = 0.5f * (float)i;
    p.c[N] = -1;
    cr_assert_eq(rig_launch(&rig, "k", 8, 128, &p, sizeof p, NULL), SG_FAULT_NONE);
    for (int i = 0; i < N; i++)
        cr_assert_eq(p.c[i], p.a[i] + p.b[i]);
    cr_assert_eq(p.c[N], -1);
    rig_close(&rig);
}

Test(exec, divergent_loop_counts_per_lane) {
    struct rig rig;
    uint32_t *out =
        run(&rig,
            OUT1 "and.b32 %r5, %r1, 7; mov.u32 %r6, 0;\n"
                 "L: setp.eq.u32 %p1, %r5, 0; @%p1 bra E; add.u32 %r6, %r6, %r5; sub.u32 %r5, %r5, 1; bra L;\n"
                 "E: st.global.u32 [%rd3], %r6; ret;\n}\n",
            3, 50);
    for (unsigned i = 0; i < 150; i++)
        cr_assert_eq(out[i], (i & 7) * ((i & 7) + 1) / 2);
    rig_close(&rig);
}

Test(exec, guarded_arithmetic_keeps_other_lanes) {
    struct rig rig;
    uint32_t *out =
        run(&rig,
            OUT1 "mov.u32 %r5, 100; and.b32 %r6, %r1, 1; setp.eq.u32 %p1, %r6, 1;\n"
                 "@%p1 add.u32 %r5, %r5, %r1; @!%p1 mul.lo.u32 %r5, %r5, 2; st.global.u32 [%rd3], %r5; ret;\n}\n",
            1, 40);
    for (unsigned i = 0; i < 40; i++)
        cr_assert_eq(out[i], i & 1 ? 100 + i : 200);
    rig_close(&rig);
}

Test(exec, shared_memory_and_barriers_reverse_a_block) {
    struct rig rig;
    uint32_t *out = run(
        &rig,
        OUT1 ".shared .align 4 .b8 buf[4096]; mov.u32 %r5, buf; shl.b32 %r6, %r2, 2; add.u32 %r7, %r5, %r6;\n"
             "st.shared.u32 [%r7], %r1; bar.sync 0; sub.u32 %r8, %r4, 1; sub.u32 %r8, %r8, %r2; shl.b32 %r8, %r8, 2;\n"
             "add.u32 %r8, %r5, %r8; ld.shared.u32 %r9, [%r8]; st.global.u32 [%rd3], %r9; ret;\n}\n",
        5, 237);
    for (unsigned b = 0; b < 5; b++)
        for (unsigned i = 0; i < 237; i++)
            cr_assert_eq(out[b * 237 + i], b * 237 + 236 - i);
    rig_close(&rig);
}

Test(exec, shuffle_reduction_sums_a_warp) {
    struct rig rig;
    uint32_t *out =
        run(&rig,
            OUT1 "mov.u32 %r5, %r1;\n"
                 "shfl.sync.bfly.b32 %r6, %r5, 16, 31, -1; add.u32 %r5, %r5, %r6; shfl.sync.bfly.b32 %r6, %r5, 8, 31, "
                 "-1; add.u32 %r5, %r5, %r6;\n"
                 "shfl.sync.bfly.b32 %r6, %r5, 4, 31, -1; add.u32 %r5, %r5, %r6; shfl.sync.bfly.b32 %r6, %r5, 2, 31, "
                 "-1; add.u32 %r5, %r5, %r6;\n"
                 "shfl.sync.bfly.b32 %r6, %r5, 1, 31, -1; add.u32 %r5, %r5, %r6; st.global.u32 [%rd3], %r5; ret;\n}\n",
            1, 64);
    for (unsigned i = 0; i < 64; i++)
        cr_assert_eq(out[i], i < 32 ? 496 : 496 + 32 * 32);
    rig_close(&rig);
}

Test(exec, ballot_after_divergence_sees_the_whole_warp) {
    struct rig rig;
    uint32_t *out =
        run(&rig,
            OUT1 "mov.u32 %r5, 0; setp.lt.u32 %p1, %r2, 9; @%p1 bra A; mov.u32 %r5, 1; A: setp.eq.u32 %p2, %r5, 1;\n"
                 "vote.sync.ballot.b32 %r6, %p2, -1; st.global.u32 [%rd3], %r6; ret;\n}\n",
            1, 32);
    for (unsigned i = 0; i < 32; i++)
        cr_assert_eq(out[i], 0xfffffe00u);
    rig_close(&rig);
}

Test(exec, lock_inside_a_warp_makes_progress) {
    struct rig rig;
    uint32_t *out = run(&rig,
                        ".version 8.0\n.target sm_80\n.address_size 64\n.global .u32 lock;\n.global .u32 count;\n"
                        ".visible .entry k(.param .u64 out)\n{\n" REGS
                        "mov.u64 %rd1, lock; mov.u64 %rd2, count; ld.param.u64 %rd4, [out];\n"
                        "T: atom.global.cas.b32 %r1, [%rd1], 0, 1; setp.ne.u32 %p1, %r1, 0; @%p1 bra T;\n"
                        "ld.volatile.global.u32 %r2, [%rd2]; add.u32 %r2, %r2, 1; st.volatile.global.u32 [%rd2], %r2;\n"
                        "membar.gl; atom.global.exch.b32 %r3, [%rd1], 0; st.global.u32 [%rd4], %r2; ret;\n}\n",
                        4, 64);
    (void)out;
    void *count;
    cr_assert(sg_instance_global(rig.instance, "count", &count, NULL, NULL));
    cr_assert_eq(*(uint32_t *)count, 256);
    rig_close(&rig);
}

Test(exec, recursive_call_computes_fibonacci) {
    struct rig rig;
    uint32_t *out =
        run(&rig,
            RIG_HEAD
            ".func (.param .b32 r) fib(.param .b32 n)\n{\n.reg .pred %p<2>; .reg .b32 %r<9>;\n"
            "ld.param.u32 %r1, [n]; mov.u32 %r5, %r1; setp.lt.u32 %p1, %r1, 2; @%p1 bra E; sub.u32 %r2, %r1, 1; "
            "sub.u32 %r3, %r1, 2;\n"
            "{ .param .b32 a; .param .b32 b; st.param.b32 [a], %r2; call.uni (b), fib, (a); ld.param.b32 %r4, [b]; }\n"
            "{ .param .b32 a; .param .b32 b; st.param.b32 [a], %r3; call.uni (b), fib, (a); ld.param.b32 %r5, [b]; }\n"
            "add.u32 %r5, %r5, %r4; E: st.param.b32 [r], %r5; ret;\n}\n"
            ".visible .entry k(.param .u64 out)\n{\n" REGS
            "ld.param.u64 %rd1, [out]; mov.u32 %r1, %tid.x; mul.wide.u32 %rd2, %r1, 4; add.s64 %rd3, %rd1, %rd2;\n"
            "and.b32 %r2, %r1, 15;{ .param .b32 a; .param .b32 b; st.param.b32 [a], %r2; call.uni (b), fib, (a); "
            "ld.param.b32 %r3, [b]; }\n"
            "st.global.u32 [%rd3], %r3; ret;\n}\n",
            1, 40);
    uint32_t fib[16] = {0, 1};
    for (int i = 2; i < 16; i++)
        fib[i] = fib[i - 1] + fib[i - 2];
    for (unsigned i = 0; i < 40; i++)
        cr_assert_eq(out[i], fib[i & 15], "lane %u: %u", i, out[i]);
    rig_close(&rig);
}

// A chain of calls that recursion is no part of has the room it needs, however large the frames.
Test(exec, wide_functions_call_each_other) {
    enum { WIDE = 9000, DEEP = 4 };
    static char ptx[4 << 20];
    struct rig rig;
    size_t n = (size_t)sprintf(ptx, "%s", RIG_HEAD);
    for (int f = DEEP; f > 0; f--) {
        n += (size_t)sprintf(
            ptx + n,
            ".func (.param .b32 r) f%d(.param .b32 n)\n{\n.reg .b64 %%x<%d>; .reg .b32 %%r<4>; .local .b8 room[9000];\n"
            "ld.param.u32 %%r1, [n]; st.local.u32 [room+8996], %%r1; cvt.u64.u32 %%x0, %%r1;\n",
            f, WIDE);
        for (int i = 1; i < WIDE; i++)
            n += (size_t)sprintf(ptx + n, "add.u64 %%x%d, %%x%d, %d;\n", i, i - 1, i & 1);
        n += (size_t)sprintf(ptx + n, "cvt.u32.u64 %%r2, %%x%d;\n", WIDE - 1);
        if (f < DEEP)
            n += (size_t)sprintf(ptx + n,
                                 "{ .param .b32 a; .param .b32 b; st.param.b32 [a], %%r2; call.uni (b), f%d, (a); "
                                 "ld.param.b32 %%r2, [b]; }\n",
                                 f + 1);
        n += (size_t)sprintf(
            ptx + n, "ld.local.u32 %%r3, [room+8996]; sub.u32 %%r2, %%r2, %%r3; st.param.b32 [r], %%r2; ret;\n}\n");
    }
    sprintf(ptx + n,
            ".visible .entry k(.param .u64 out)\n{\n%sld.param.u64 %%rd1, [out]; mov.u32 %%r1, %%tid.x; mul.wide.u32 "
            "%%rd2, %%r1, 4; add.s64 %%rd3, %%rd1, %%rd2;\n"
            "{ .param .b32 a; .param .b32 b; st.param.b32 [a], %%r1; call.uni (b), f1, (a); ld.param.b32 %%r3, [b]; }\n"
            "st.global.u32 [%%rd3], %%r3; ret;\n}\n",
            REGS);
    uint32_t *out = run(&rig, ptx, 1, 64);
    // Each adds half of WIDE and takes away what it was given, which from the second on is the sum so far.
    for (unsigned i = 0; i < 64; i++) {
        uint32_t given[DEEP], x = i;
        for (int f = 0; f < DEEP; f++)
            given[f] = x, x += WIDE / 2;
        for (int f = DEEP - 1; f >= 0; f--)
            x -= given[f];
        cr_assert_eq(out[i], x, "lane %u: %u, not %u", i, out[i], x);
    }
    rig_close(&rig);
}

Test(exec, the_stack_may_be_made_larger_for_recursion) {
    struct rig rig;
    rig_open(
        &rig,
        RIG_HEAD
        ".func (.param .b32 r) down(.param .b32 n)\n{\n.reg .pred %p<2>; .reg .b32 %r<9>; .local .b8 room[96];\n"
        "ld.param.u32 %r1, [n]; mov.u32 %r5, 0; setp.eq.u32 %p1, %r1, 0; @%p1 bra E; st.local.u32 [room], %r1; sub.u32 "
        "%r2, %r1, 1;\n"
        "{ .param .b32 a; .param .b32 b; st.param.b32 [a], %r2; call.uni (b), down, (a); ld.param.b32 %r5, [b]; }\n"
        "ld.local.u32 %r3, [room]; add.u32 %r5, %r5, %r3; E: st.param.b32 [r], %r5; ret;\n}\n"
        ".visible .entry k(.param .u64 out)\n{\n" REGS "ld.param.u64 %rd1, [out]; mov.u32 %r2, 5000;\n"
        "{ .param .b32 a; .param .b32 b; st.param.b32 [a], %r2; call.uni (b), down, (a); ld.param.b32 %r3, [b]; }\n"
        "st.global.u32 [%rd1], %r3; ret;\n}\n",
        1);
    uint32_t *out = rig_alloc(&rig, 4, 256);
    struct sg_diag diag;
    struct sg_kernel *kernel = sg_instance_kernel(rig.instance, "k", &diag);
    struct sg_launch_params p = {
        .grid = {1, 1, 1}, .block = {32, 1, 1}, .params = &out, .param_bytes = 8, .stack_bytes = 1024};
    struct sg_fault fault;
    cr_assert_eq(sg_launch(rig.engine, kernel, &p, &fault), SG_FAULT_STACK);
    p.stack_bytes = 1 << 20;
    cr_assert_eq(sg_launch(rig.engine, kernel, &p, &fault), SG_FAULT_NONE, "%s", fault.message);
    cr_assert_eq(*out, 5000 * 5001 / 2);
    rig_close(&rig);
}

Test(exec, printf_formats_its_arguments) {
    struct rig rig;
    rig_open(
        &rig,
        RIG_HEAD
        ".extern .func (.param .b32 r) vprintf(.param .b64 f, .param .b64 a);\n"
        ".global .align 1 .b8 fmt[16] = {120, 61, 37, 100, 32, 37, 46, 50, 102, 10, 0};\n.visible .entry k()\n{\n"
        ".local .align 8 .b8 buf[16]; " REGS
        "mov.u64 %rd1, buf; cvta.local.u64 %rd2, %rd1; mov.u32 %r1, -7; st.local.u32 [buf], %r1;\n"
        "mov.f64 %d1, 0d4004000000000000; st.local.f64 [buf+8], %d1; mov.u64 %rd3, fmt; cvta.global.u64 %rd4, %rd3;\n"
        "{ .param .b64 a; .param .b64 b; .param .b32 c; st.param.b64 [a], %rd4; st.param.b64 [b], %rd2; call.uni (c), "
        "vprintf, (a, b); }\n ret;\n}\n",
        1);
    cr_assert_eq(rig_launch(&rig, "k", 1, 2, NULL, 0, NULL), SG_FAULT_NONE);
    cr_assert_str_eq(rig.printed, "x=-7 2.50\nx=-7 2.50\n");
    rig_close(&rig);
}

Test(exec, wild_and_misaligned_addresses_and_traps_fault) {
    struct rig rig;
    rig_open(&rig,
             ENTRY(".param .u64 a") REGS
             "ld.param.u64 %rd1, [a]; setp.eq.u64 %p1, %rd1, 0; @%p1 trap; st.global.u32 [%rd1], 1; ret;\n}\n",
             1);
    uint64_t a = 0;
    struct sg_fault fault;
    cr_assert_eq(rig_launch(&rig, "k", 1, 32, &a, 8, &fault), SG_FAULT_TRAP);
    int mine = 5;
    a = (uintptr_t)&mine & ~(uintptr_t)3;
    cr_assert_eq(rig_launch(&rig, "k", 1, 32, &a, 8, &fault), SG_FAULT_ADDRESS);
    cr_assert_eq(fault.address, a);
    cr_assert_eq(mine, 5);
    a = (uintptr_t)rig.arena + 2;
    cr_assert_eq(rig_launch(&rig, "k", 1, 32, &a, 8, &fault), SG_FAULT_MISALIGNED);
    mprotect(rig.arena + (1 << 20), 1 << 20, PROT_NONE);
    a = (uintptr_t)rig.arena + (1 << 20) + 64;
    cr_assert_eq(rig_launch(&rig, "k", 1, 32, &a, 8, &fault), SG_FAULT_ADDRESS);
    cr_assert_eq(fault.address, a);
    a = (uintptr_t)rig.arena + 64;
    cr_assert_eq(rig_launch(&rig, "k", 1, 32, &a, 8, &fault), SG_FAULT_NONE);
    rig_close(&rig);
}
