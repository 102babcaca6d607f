/* Control flow, guards, calls, barriers, special registers. */
#include "kernel.h"

EXPECT(guarded)
{
    EACH(64)
    out[i] = i % 2 ? in[i] + 5 : in[i];
}
EXPECT(guarded_load)
{
    EACH(64)
    out[i] = i % 3 == 0 ? in[i] : 77;
}
EXPECT(guarded_store)
{
    EACH(64)
    out[i] = i % 3 == 0 ? in[i] : 0;
}
EXPECT(guarded_cvt)
{
    EACH(64)
    out[i] = i % 2 ? in[i] & 0xff : in[i];
}
EXPECT(branches)
{
    EACH(64)
    out[i] = i % 4 == 0 ? 1 : i % 4 == 1 ? 20 : i % 4 == 2 ? 300 : 4000;
}
EXPECT(nested)
{
    EACH(64)
    {
        uint32_t v = 0;
        for (uint32_t a = 0; a <= i % 5; a++)
            for (uint32_t b = 0; b < i % 7; b++)
                v += a * 10 + b;
        out[i] = v;
    }
}
EXPECT(collatz)
{
    EACH(100)
    {
        uint32_t x = i + 1, n = 0;
        for (; x > 1; n++)
            x = x % 2 ? 3 * x + 1 : x / 2;
        out[i] = n;
    }
}
EXPECT(break_continue)
{
    EACH(64)
    {
        uint32_t v = 0;
        for (uint32_t k = 0; k < 40; k++) {
            if (k % 3 == i % 3) continue;
            if (k > i) break;
            v += k;
        }
        out[i] = v;
    }
}
EXPECT(early_exit)
{
    EACH(96)
    out[i] = i % 2 ? in[i] : 0;
}
EXPECT(lock_count)
{
    out[0] = 0;
    out[1] = 192;
}
EXPECT(chained_back)
{
    EACH(12)
    out[i] = 12 - i;
}

EXPECT(chained)
{
    EACH(40)
    out[i] = i * (i + 1) / 2;
}
EXPECT(calls)
{
    EACH(64)
    out[i] = in[i] * 3 + 1;
}
EXPECT(factorial)
{
    EACH(32)
    {
        out[i] = 1;
        for (uint32_t k = 2; k <= i % 10; k++)
            out[i] *= k;
    }
}
EXPECT(indirect)
{
    EACH(64)
    out[i] = i % 2 ? in[i] + 1000 : in[i] * 7;
}
EXPECT(switched)
{
    static const uint32_t v[4] = {11, 22, 33, 44};
    EACH(64)
    out[i] = v[i % 4];
}
EXPECT(barrier_sum)
{
    EACH(2)
    for (uint32_t t = 0; t < 200; t++)
        out[i] += in[i * 200 + t];
}
EXPECT(named)
{
    EACH(64)
    out[i] = i < 32 ? 0 : 100 + i - 32;
}
EXPECT(red_popc)
{
    EACH(100)
    out[i] = 34; /* multiples of 3 below 100 */
}
EXPECT(red_and_or)
{
    EACH(100)
    out[i] = 2; /* not all, but some */
}
EXPECT(exited_leave)
{
    EACH(96)
    out[i] = i < 40 ? 0 : 40 + 41;
}
EXPECT(indices)
{
    for (uint32_t b = 0; b < 12; b++)
        for (uint32_t t = 0; t < 30; t++) {
            uint32_t tx = t % 5, ty = t / 5 % 3, tz = t / 15, bx = b % 3, by = b / 3 % 2, bz = b / 6;
            out[b * 30 + t] = tx | ty << 4 | tz << 8 | bx << 12 | by << 16 | bz << 20;
        }
}
EXPECT(dimensions)
{
    EACH(70)
    out[i] = 35 * 1000 + 2;
}
EXPECT(warp_numbers)
{
    EACH(70)
    out[i] = i % 70 / 32 * 100 + i % 32;
}
EXPECT(clock_grows)
{
    EACH(32)
    out[i] = 1;
}
EXPECT(shared_size)
{
    EACH(32)
    out[i] = 512;
}
EXPECT(nothing)
{ (void)out; }
EXPECT(fallthrough)
{
    EACH(64)
    out[i] = i % 4 * 10 + (i % 4 < 2 ? 5 : 0);
}

EXPECT(side_by_side)
{
    EACH(128)
    out[i] = 1 + 2 + 3 + 4;
}
EXPECT(reserved_shared)
{
    EACH(64)
    out[i] = (63 - i) + 1000 * (i ^ 1) + 1;
}

#define LOAD "    ld.global.u32 %v, [%x];\n"
#define ODD "    and.b32 %r1, %i, 1;\n    setp.eq.u32 %p1, %r1, 1;\n"
#define MOD3 "    rem.u32 %r1, %i, 3;\n    setp.eq.u32 %p1, %r1, 0;\n"
#define N64 {1, 1, 1}, {64, 1, 1}, 64, 64

const struct kernel_case control_cases[] = {
    {"guard_on_an_addition", KERNEL(LOAD ODD "    @%p1 add.u32 %v, %v, 5;\n" STORE("%v")), N64, guarded, 0, 0, 0},
    {"guard_on_a_load", KERNEL("    mov.u32 %v, 77;\n" MOD3 "    @%p1 ld.global.u32 %v, [%x];\n" STORE("%v")), N64,
     guarded_load, 0, 0, 0},
    {"guard_on_a_store", KERNEL(LOAD MOD3 "    @%p1 st.global.u32 [%o], %v;\n"), N64, guarded_store, 0, 0, 0},
    {"negated_guard_on_a_conversion",
     KERNEL(LOAD "    and.b32 %r1, %i, 1;\n    setp.eq.u32 %p1, %r1, 0;\n    @!%p1 cvt.u32.u8 %v, %v;\n" STORE("%v")),
     N64, guarded_cvt, 0, 0, 0},
    {"nested_branches",
     KERNEL("    and.b32 %r1, %i, 3;\n    setp.lt.u32 %p1, %r1, 2;\n    @%p1 bra low;\n    setp.eq.u32 %p2, %r1, 2;\n  "
            "  @%p2 bra two;\n"
            "    mov.u32 %v, 4000;\n    bra.uni end;\ntwo:\n    mov.u32 %v, 300;\n    bra.uni end;\n"
            "low:\n    setp.eq.u32 %p2, %r1, 0;\n    @%p2 bra zero;\n    mov.u32 %v, 20;\n    bra.uni end;\n"
            "zero:\n    mov.u32 %v, 1;\nend:\n" STORE("%v")),
     N64, branches, 0, 0, 0},
    {"branch_into_the_next_case",
     KERNEL("    and.b32 %r1, %i, 3;\n    mul.lo.u32 %v, %r1, 10;\n    setp.gt.u32 %p1, %r1, 1;\n    @%p1 bra end;\n"
            "    setp.eq.u32 %p2, %r1, 1;\n    @%p2 bra both;\n    mov.u32 %r2, 0;\nboth:\n    add.u32 %v, %v, "
            "5;\nend:\n" STORE("%v")),
     N64, fallthrough, 0, 0, 0},
    {"nested_loops_of_unequal_length",
     KERNEL("    rem.u32 %r1, %i, 5;\n    rem.u32 %r2, %i, 7;\n    mov.u32 %v, 0;\n    mov.u32 %r3, 0;\n"
            "outer:\n    mov.u32 %r4, 0;\n    setp.eq.u32 %p1, %r2, 0;\n    @%p1 bra next;\n"
            "inner:\n    mad.lo.u32 %r5, %r3, 10, %r4;\n    add.u32 %v, %v, %r5;\n    add.u32 %r4, %r4, 1;\n"
            "    setp.lt.u32 %p1, %r4, %r2;\n    @%p1 bra inner;\n"
            "next:\n    add.u32 %r3, %r3, 1;\n    setp.le.u32 %p1, %r3, %r1;\n    @%p1 bra outer;\n" STORE("%v")),
     N64, nested, 0, 0, 0},
    {"loops_that_end_lane_by_lane",
     KERNEL("    add.u32 %r1, %i, 1;\n    mov.u32 %v, 0;\nagain:\n    setp.le.u32 %p1, %r1, 1;\n    @%p1 bra done;\n   "
            " add.u32 %v, %v, 1;\n"
            "    and.b32 %r2, %r1, 1;\n    setp.eq.u32 %p2, %r2, 1;\n    @%p2 bra odd;\n    shr.u32 %r1, %r1, 1;\n    "
            "bra.uni again;\n"
            "odd:\n    mad.lo.u32 %r1, %r1, 3, 1;\n    bra.uni again;\ndone:\n" STORE("%v")),
     {2, 1, 1},
     {50, 1, 1},
     100,
     0,
     collatz,
     0,
     0,
     0},
    {"loops_with_break_and_continue",
     KERNEL("    rem.u32 %r1, %i, 3;\n    mov.u32 %v, 0;\n    mov.u32 %r2, 0;\nagain:\n    rem.u32 %r3, %r2, 3;\n    "
            "setp.eq.u32 %p1, %r3, %r1;\n"
            "    @%p1 bra next;\n    setp.gt.u32 %p1, %r2, %i;\n    @%p1 bra done;\n    add.u32 %v, %v, %r2;\n"
            "next:\n    add.u32 %r2, %r2, 1;\n    setp.lt.u32 %p1, %r2, 40;\n    @%p1 bra again;\ndone:\n" STORE("%v")),
     N64, break_continue, 0, 0, 0},
    {"lanes_may_exit_early",
     KERNEL("    and.b32 %r1, %i, 1;\n    setp.eq.u32 %p1, %r1, 0;\n    @%p1 exit;\n" LOAD STORE("%v")),
     {1, 1, 1},
     {96, 1, 1},
     96,
     96,
     early_exit,
     0,
     0,
     0},
    {"a_spin_lock_inside_a_warp_makes_progress",
     KERNEL("again:\n    atom.global.cas.b32 %r1, [%O], 0, 1;\n    setp.ne.u32 %p1, %r1, 0;\n    @%p1 bra again;\n"
            "    ld.volatile.global.u32 %r2, [%O+4];\n    add.u32 %r2, %r2, 1;\n    st.volatile.global.u32 [%O+4], "
            "%r2;\n    membar.gl;\n"
            "    atom.global.exch.b32 %r3, [%O], 0;\n"),
     {2, 1, 1},
     {96, 1, 1},
     2,
     0,
     lock_count,
     0,
     0,
     0},
    {"blocks_may_wait_for_earlier_blocks",
     KERNEL("    setp.eq.u32 %p1, %b, 0;\n    mov.u32 %v, 0;\n    @%p1 bra mine;\nwait:\n    ld.acquire.gpu.global.u32 "
            "%v, [%o+-4];\n"
            "    setp.eq.u32 %p2, %v, 0;\n    setp.ne.and.u32 %p3, %b, 1, %p2;\n    @%p3 bra wait;\nmine:\n    add.u32 "
            "%v, %v, %b;\n"
            "    st.release.gpu.global.u32 [%o], %v;\n"),
     {40, 1, 1},
     {1, 1, 1},
     40,
     0,
     chained,
     0,
     0,
     0},
    {"resident_blocks_may_wait_for_later_blocks",
     KERNEL("    setp.eq.u32 %p1, %b, 11;\n    mov.u32 %v, 0;\n    @%p1 bra mine;\nwait:\n    "
            "ld.acquire.gpu.global.u32 %v, [%o+4];\n"
            "    setp.eq.u32 %p2, %v, 0;\n    @%p2 bra wait;\nmine:\n    add.u32 %v, %v, 1;\n    "
            "st.release.gpu.global.u32 [%o], %v;\n"),
     {12, 1, 1},
     {1, 1, 1},
     12,
     0,
     chained_back,
     0,
     0,
     0},
    {"a_call_returns_a_value",
     ".func (.param .b32 result) triple(.param .b32 x)\n{\n    .reg .b32 %a;\n    ld.param.b32 %a, [x];\n    "
     "mad.lo.s32 %a, %a, 3, 1;\n"
     "    st.param.b32 [result], %a;\n    ret;\n}\n" KERNEL(
         LOAD
         "    {\n    .param .b32 p;\n    .param .b32 q;\n    st.param.b32 [p], %v;\n    call.uni (q), triple, (p);\n"
         "    ld.param.b32 %v, [q];\n    }\n" STORE("%v")),
     N64, calls, 0, 0, 0},
    {"recursion",
     ".func (.param .b32 result) fact(.param .b32 x)\n{\n    .reg .b32 %a, %b;\n    .reg .pred %p;\n    ld.param.b32 "
     "%a, [x];\n"
     "    setp.gt.u32 %p, %a, 1;\n    @%p bra deeper;\n    st.param.b32 [result], 1;\n    ret;\ndeeper:\n    sub.u32 "
     "%b, %a, 1;\n"
     "    {\n    .param .b32 p;\n    .param .b32 q;\n    st.param.b32 [p], %b;\n    call (q), fact, (p);\n    "
     "ld.param.b32 %b, [q];\n    }\n"
     "    mul.lo.u32 %a, %a, %b;\n    st.param.b32 [result], %a;\n    ret;\n}\n" KERNEL(
         "    rem.u32 %v, %i, 10;\n    {\n    .param .b32 p;\n    .param .b32 q;\n    st.param.b32 [p], %v;\n    call "
         "(q), fact, (p);\n"
         "    ld.param.b32 %v, [q];\n    }\n" STORE("%v")),
     {1, 1, 1},
     {32, 1, 1},
     32,
     0,
     factorial,
     0,
     0,
     0},
    {"an_indirect_call_goes_where_each_lane_says",
     ".func (.param .b32 r) f(.param .b32 x)\n{\n    .reg .b32 %a;\n    ld.param.b32 %a, [x];\n    mul.lo.u32 %a, %a, "
     "7;\n    st.param.b32 [r], %a;\n    ret;\n}\n"
     ".func (.param .b32 r) g(.param .b32 x)\n{\n    .reg .b32 %a;\n    ld.param.b32 %a, [x];\n    add.u32 %a, %a, "
     "1000;\n    st.param.b32 [r], %a;\n    ret;\n}\n" KERNEL(
         LOAD ODD "    mov.u64 %rd1, f;\n    mov.u64 %rd2, g;\n    selp.b64 %rd3, %rd2, %rd1, %p1;\n    {\n    .param "
                  ".b32 p;\n    .param .b32 q;\n"
                  "    st.param.b32 [p], %v;\n    proto: .callprototype (.param .b32 _) _ (.param .b32 _);\n    call "
                  "(q), %rd3, (p), proto;\n"
                  "    ld.param.b32 %v, [q];\n    }\n" STORE("%v")),
     N64, indirect, 0, 0, 0},
    {"brx_idx_jumps_by_a_table",
     KERNEL("    and.b32 %r1, %i, 3;\n    targets: .branchtargets L0, L1, L2, L3;\n    brx.idx %r1, targets;\nL0:\n    "
            "mov.u32 %v, 11;\n    bra.uni end;\n"
            "L1:\n    mov.u32 %v, 22;\n    bra.uni end;\nL2:\n    mov.u32 %v, 33;\n    bra.uni end;\nL3:\n    mov.u32 "
            "%v, 44;\nend:\n" STORE("%v")),
     N64, switched, 0, 0, 0},
    {"barrier_between_warps_of_a_block",
     ".shared .align 4 .b8 all[800];\n" KERNEL(
         LOAD "    mov.u32 %r1, all;\n    shl.b32 %r2, %t, 2;\n    add.u32 %r2, %r2, %r1;\n    st.shared.u32 [%r2], "
              "%v;\n    bar.sync 0;\n"
              "    setp.ne.u32 %p1, %t, 131;\n    @%p1 exit;\n    mov.u32 %v, 0;\n    mov.u32 %r3, 0;\nagain:\n    "
              "ld.shared.u32 %r4, [%r1];\n"
              "    add.u32 %v, %v, %r4;\n    add.u32 %r1, %r1, 4;\n    add.u32 %r3, %r3, 1;\n    setp.lt.u32 %p2, %r3, "
              "200;\n    @%p2 bra again;\n"
              "    mul.wide.u32 %rd1, %b, 4;\n    add.s64 %rd1, %O, %rd1;\n    st.global.u32 [%rd1], %v;\n"),
     {2, 1, 1},
     {200, 1, 1},
     2,
     400,
     barrier_sum,
     0,
     0,
     0},
    {"bar_arrive_does_not_wait",
     ".shared .align 4 .b8 box[128];\n" KERNEL(
         "    mov.u32 %r1, box;\n    and.b32 %r2, %t, 31;\n    shl.b32 %r3, %r2, 2;\n    add.u32 %r1, %r1, %r3;\n    "
         "setp.ge.u32 %p1, %t, 32;\n"
         "    @%p1 bra take;\n    add.u32 %r4, %r2, 100;\n    st.shared.u32 [%r1], %r4;\n    bar.arrive 3, 64;\n    "
         "mov.u32 %v, 0;\n    bra.uni end;\n"
         "take:\n    bar.sync 3, 64;\n    ld.shared.u32 %v, [%r1];\nend:\n" STORE("%v")),
     {1, 1, 1},
     {64, 1, 1},
     64,
     0,
     named,
     0,
     0,
     0},
    {"bar_red_popc_counts_the_block",
     KERNEL(MOD3 "    bar.red.popc.u32 %v, 0, %p1;\n" STORE("%v")),
     {1, 1, 1},
     {100, 1, 1},
     100,
     0,
     red_popc,
     0,
     0,
     0},
    {"bar_red_and_or",
     KERNEL(MOD3 "    bar.red.and.pred %p2, 0, %p1;\n    bar.red.or.pred %p3, 0, %p1;\n    selp.b32 %v, 1, 0, %p2;\n   "
                 " selp.b32 %r2, 2, 0, %p3;\n"
                 "    or.b32 %v, %v, %r2;\n" STORE("%v")),
     {1, 1, 1},
     {100, 1, 1},
     100,
     0,
     red_and_or,
     0,
     0,
     0},
    {"a_barrier_does_not_wait_for_warps_that_exited",
     ".shared .align 4 .b8 box[8];\n" KERNEL(
         "    setp.lt.u32 %p1, %t, 40;\n    @%p1 exit;\n    setp.gt.u32 %p2, %t, 41;\n    @%p2 bra meet;\n    sub.u32 "
         "%r1, %t, 40;\n"
         "    shl.b32 %r1, %r1, 2;\n    mov.u32 %r2, box;\n    add.u32 %r2, %r2, %r1;\n    st.shared.u32 [%r2], "
         "%t;\nmeet:\n    bar.sync 0;\n"
         "    ld.shared.u32 %r3, [box];\n    ld.shared.u32 %r4, [box+4];\n    add.u32 %v, %r3, %r4;\n" STORE("%v")),
     {1, 1, 1},
     {96, 1, 1},
     96,
     0,
     exited_leave,
     0,
     0,
     0},
    {"indices_in_three_dimensions",
     ENTRY "    ld.param.u64 %O, [out];\n    mov.u32 %r1, %tid.x;\n    mov.u32 %r2, %tid.y;\n    mov.u32 %r3, "
           "%tid.z;\n    mov.u32 %r4, %ctaid.x;\n"
           "    mov.u32 %r5, %ctaid.y;\n    mov.u32 %r6, %ctaid.z;\n    mad.lo.u32 %r7, %r3, 3, %r2;\n    mad.lo.u32 "
           "%r7, %r7, 5, %r1;\n"
           "    mad.lo.u32 %r8, %r6, 2, %r5;\n    mad.lo.u32 %r8, %r8, 3, %r4;\n    mad.lo.u32 %r7, %r8, 30, %r7;\n    "
           "mul.wide.u32 %rd1, %r7, 4;\n"
           "    add.s64 %o, %O, %rd1;\n    shl.b32 %r2, %r2, 4;\n    shl.b32 %r3, %r3, 8;\n    shl.b32 %r4, %r4, 12;\n "
           "   shl.b32 %r5, %r5, 16;\n"
           "    shl.b32 %r6, %r6, 20;\n    or.b32 %v, %r1, %r2;\n    or.b32 %v, %v, %r3;\n    or.b32 %v, %v, %r4;\n    "
           "or.b32 %v, %v, %r5;\n"
           "    or.b32 %v, %v, %r6;\n" STORE("%v") "    ret;\n}\n",
     {3, 2, 2},
     {5, 3, 2},
     360,
     0,
     indices,
     0,
     0,
     0},
    {"dimension_registers",
     KERNEL("    mov.u32 %r1, %ntid.x;\n    mov.u32 %r2, %nctaid.x;\n    mad.lo.u32 %v, %r1, 1000, %r2;\n" STORE("%v")),
     {2, 1, 1},
     {35, 1, 1},
     70,
     0,
     dimensions,
     0,
     0,
     0},
    {"laneid_and_warp_of_an_odd_block",
     KERNEL("    mov.u32 %r1, %laneid;\n    shr.u32 %r2, %t, 5;\n    mad.lo.u32 %v, %r2, 100, %r1;\n" STORE("%v")),
     {1, 1, 1},
     {70, 1, 1},
     70,
     0,
     warp_numbers,
     0,
     0,
     0},
    {"clock64_grows",
     KERNEL("    mov.u64 %rd1, %clock64;\n    membar.cta;\n    mov.u64 %rd2, %clock64;\n    setp.ge.u64 %p1, %rd2, "
            "%rd1;\n    selp.b32 %v, 1, 0, %p1;\n" STORE("%v")),
     {1, 1, 1},
     {32, 1, 1},
     32,
     0,
     clock_grows,
     0,
     0,
     0},
    {"dynamic_smem_size_register",
     KERNEL("    mov.u32 %v, %dynamic_smem_size;\n" STORE("%v")),
     {1, 1, 1},
     {32, 1, 1},
     32,
     0,
     shared_size,
     512,
     0,
     0},
    {"the_reserved_shared_memory_is_not_the_programs", /* all of it is the program's size more, and has room for 288
                                                          bytes at 1 */
     ".shared .align 4 .b8 mine[256];\n" KERNEL(
         "    mov.u32 %r1, mine;\n    shl.b32 %r2, %t, 2;\n    add.u32 %r3, %r1, %r2;\n    st.shared.u32 [%r3], %t;\n"
         "    mov.u32 %r4, %reserved_smem_offset_1;\n    add.u32 %r5, %r4, %r2;\n    st.shared.u32 [%r5], %t;\n    "
         "bar.sync 0;\n"
         "    sub.u32 %r6, 252, %r2;\n    add.u32 %r7, %r1, %r6;\n    ld.shared.u32 %r8, [%r7];\n    xor.b32 %r6, %r2, "
         "4;\n"
         "    add.u32 %r7, %r4, %r6;\n    ld.shared.u32 %r9, [%r7];\n    mad.lo.u32 %v, %r9, 1000, %r8;\n"
         "    mov.u32 %r10, %reserved_smem_offset_begin;\n    mov.u32 %r11, %reserved_smem_offset_end;\n    add.u32 "
         "%r12, %r4, 288;\n"
         "    mov.u32 %r13, %aggr_smem_size;\n    mov.u32 %r14, %total_smem_size;\n    sub.u32 %r13, %r13, %r14;\n    "
         "sub.u32 %r14, %r11, %r10;\n"
         "    setp.le.u32 %p1, %r10, %r4;\n    setp.le.and.u32 %p1, %r12, %r11, %p1;\n    setp.eq.and.u32 %p1, %r13, "
         "%r14, %p1;\n"
         "    selp.b32 %r15, 1, 0, %p1;\n    add.u32 %v, %v, %r15;\n" STORE("%v")),
     {1, 1, 1},
     {64, 1, 1},
     64,
     0,
     reserved_shared,
     0,
     80,
     0},
    {"warps_go_on_side_by_side_behind_a_barrier", /* a race that no GPU shows: all have read long before the first
                                                     writes again */
     ".shared .align 4 .b32 box;\n" KERNEL(
         "    mov.u32 %v, 0;\n    mov.u32 %r2, 1;\nagain:\n    mov.u32 %r3, %r2;\n"
         "    shfl.sync.bfly.b32 %r4, %r3, 1, 31, -1;\n    max.u32 %r3, %r3, %r4;\n    shfl.sync.bfly.b32 %r4, %r3, 2, "
         "31, -1;\n"
         "    max.u32 %r3, %r3, %r4;\n    shfl.sync.bfly.b32 %r4, %r3, 4, 31, -1;\n    max.u32 %r3, %r3, %r4;\n"
         "    shfl.sync.bfly.b32 %r4, %r3, 8, 31, -1;\n    max.u32 %r3, %r3, %r4;\n    setp.eq.u32 %p1, %t, 0;\n"
         "    @%p1 st.shared.u32 [box], %r3;\n    bar.sync 0;\n    ld.shared.u32 %r5, [box];\n    add.u32 %v, %v, "
         "%r5;\n"
         "    add.u32 %r2, %r2, 1;\n    setp.le.u32 %p2, %r2, 4;\n    @%p2 bra again;\n" STORE("%v")),
     {1, 1, 1},
     {128, 1, 1},
     128,
     0,
     side_by_side,
     0,
     0,
     0},
    {"trap_fails_the_launch",
     KERNEL("    setp.eq.u32 %p1, %t, 3;\n    @%p1 trap;\n"),
     {1, 1, 1},
     {32, 1, 1},
     1,
     0,
     nothing,
     0,
     0,
     -719},
    {0},
};
