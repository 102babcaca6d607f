/* .sync operations whose members come from different instructions, calls and times; groups with masks of their own. */
#include "kernel.h"

#define LOAD "    ld.global.u32 %v, [%x];\n"
#define ONE {1, 1, 1}, {32, 1, 1}, 32, 32
#define ODD "    and.b32 %r1, %t, 1;\n    setp.eq.u32 %p1, %r1, 1;\n"
#define UPPER "    setp.ge.u32 %p1, %t, 16;\n"

/* Functions of one word and one result. */
#define FUNCTION(name, body)                                                                                           \
    ".func (.param .b32 r) " name "(.param .b32 x)\n{\n    .reg .b32 %a, %c;\n    .reg .pred %p, %q;\n"                \
    "    ld.param.b32 %a, [x];\n" body "    st.param.b32 [r], %a;\n    ret;\n}\n"
#define CALL(name, argument, result)                                                                                   \
    "    {\n    .param .b32 p;\n    .param .b32 q;\n    st.param.b32 [p], " argument ";\n    call (q), " name          \
    ", (p);\n"                                                                                                         \
    "    ld.param.b32 " result ", [q];\n    }\n"
#define SWAP(to, from) "    shfl.sync.bfly.b32 " to ", " from ", 1, 31, -1;\n"
#define SWAPPING FUNCTION("swap", SWAP("%a", "%a") "    add.u32 %a, %a, 1000;\n")

EXPECT(swapped_apart)
{
    EACH(32)
    out[i] = in[i ^ 1] + (i % 2 ? 2000 : 1000);
}
EXPECT(swapped)
{
    EACH(32)
    out[i] = in[i ^ 1];
}
EXPECT(ballot_apart)
{
    EACH(32)
    out[i] = 0x1fe ^ (i < 7 ? 1 : 2);
}
EXPECT(any_apart)
{
    EACH(32)
    out[i] = i % 2 ? 11 : 21;
}
EXPECT(sum_apart)
{
    EACH(32)
    {
        for (uint32_t l = 0; l < 32; l++)
            out[i] += in[l];
        out[i] += i % 2 ? 5 : 6;
    }
}
EXPECT(match_apart)
{
    EACH(32)
    for (uint32_t l = 0; l < 32; l++)
        out[i] |= (uint32_t)(l / 3 % 4 == i / 3 % 4) << l;
}
EXPECT(elect_apart)
{
    EACH(32)
    out[i] = (i % 2 ? 100 : 200) + (i == 0);
}
EXPECT(told)
{
    EACH(32)
    out[i] = i ? in[0] : 1;
}
EXPECT(loop_sums)
{
    EACH(32)
    for (uint32_t l = 0; l < 32; l++)
        out[i] += in[l];
}
EXPECT(swapped_in_function)
{
    EACH(32)
    out[i] = in[i ^ 1] + (i % 2 ? 1000 : 1);
}
EXPECT(swapped_in_two_calls)
{
    EACH(32)
    out[i] = (i % 2 ? in[i ^ 1] + 1 : in[i ^ 1]) + (i % 2 ? 1000 : 1007);
}
EXPECT(swapped_after_return)
{
    EACH(32)
    out[i] = in[i ^ 1] + (i ? 0 : 1000);
}
EXPECT(swapped_through_pointers)
{
    EACH(32)
    out[i] = i % 3 == 0 ? in[i ^ 1] + 1000 : in[i ^ 1] * 3;
}
EXPECT(swapped_in_recursion)
{
    EACH(32)
    out[i] = (i ^ 1) * 100 + i % 5;
}
EXPECT(rest_sums)
{
    EACH(20)
    for (uint32_t l = 0; l < 20; l++)
        out[i] += in[l];
}
EXPECT(guarded_swap)
{
    EACH(32)
    out[i] = i % 2 ? in[i ^ 2] : in[i];
}
EXPECT(own_masks)
{
    EACH(32)
    {
        uint32_t base = i / 16 * 16, max = 0, match = 0;
        for (uint32_t l = base; l < base + 16; l++) {
            max = in[l] > max ? in[l] : max;
            if (l % 4 == i % 4) match |= 1u << l;
        }
        out[i] = max;
        out[32 + i] = match;
        out[64 + i] = 0xffffu << base;
        out[96 + i] = base;
        out[128 + i] = i == base;
    }
}
EXPECT(labelled)
{
    EACH(32)
    for (uint32_t l = 0; l < 32; l++)
        if (in[l] % 5 == in[i] % 5) out[i] += in[l];
}
EXPECT(nothing_from_missing)
{
    EACH(20)
    out[i] = i + 8 < 20 ? in[i + 8] : 0;
}
EXPECT(nothing_from_exited)
{
    EACH(24)
    out[i] = i + 8 < 24 ? in[i + 8] : 0;
}
EXPECT(spun)
{
    EACH(32)
    out[i] = i % 2 ? 7 : 1;
}
EXPECT(two_masks)
{
    EACH(32)
    {
        uint32_t own = i < 16 ? in[i] + in[i ^ 8] : in[i], k = i ^ 16;
        out[i] = own + (k < 16 ? in[k] + in[k ^ 8] : in[k]);
    }
}
EXPECT(barriers_apart)
{
    EACH(64)
    out[i] = in[63 - i];
}

const struct kernel_case meeting_cases[] = {
    {"a_shuffle_on_both_sides_of_a_branch",
     KERNEL(LOAD ODD "    @%p1 bra odd;\n" SWAP("%v", "%v") "    add.u32 %v, %v, 1000;\n    bra.uni end;\nodd:\n" SWAP(
         "%v", "%v") "    add.u32 %v, %v, 2000;\nend:\n" STORE("%v")),
     ONE, swapped_apart, 0, 0, 0},
    {"a_ballot_on_both_sides_of_a_branch",
     KERNEL("    setp.lt.u32 %p1, %t, 7;\n    setp.lt.u32 %p2, %t, 9;\n    setp.gt.u32 %p3, %t, 0;\n    @%p1 bra low;\n"
            "    vote.sync.ballot.b32 %v, %p2, -1;\n    xor.b32 %v, %v, 2;\n    bra.uni end;\n"
            "low:\n    vote.sync.ballot.b32 %v, %p3, -1;\n    xor.b32 %v, %v, 1;\nend:\n" STORE("%v")),
     ONE, ballot_apart, 0, 0, 0},
    {"vote_any_and_all_on_both_sides_of_a_branch",
     KERNEL(ODD "    setp.eq.u32 %p2, %t, 4;\n    setp.ne.u32 %p3, %t, 5;\n    @%p1 bra odd;\n    vote.sync.any.pred "
                "%p4, %p2, -1;\n"
                "    vote.sync.all.pred %p5, %p3, -1;\n    selp.b32 %v, 20, 0, %p4;\n    bra.uni end;\n"
                "odd:\n    vote.sync.any.pred %p4, %p2, -1;\n    vote.sync.all.pred %p5, %p3, -1;\n    selp.b32 %v, "
                "10, 0, %p4;\n"
                "end:\n    selp.b32 %r2, 0, 1, %p5;\n    add.u32 %v, %v, %r2;\n" STORE("%v")),
     ONE, any_apart, 0, 0, 0},
    {"a_reduction_on_both_sides_of_a_branch",
     KERNEL(LOAD ODD "    @%p1 bra odd;\n    redux.sync.add.u32 %v, %v, -1;\n    add.u32 %v, %v, 6;\n    bra.uni end;\n"
                     "odd:\n    redux.sync.add.u32 %v, %v, -1;\n    add.u32 %v, %v, 5;\nend:\n" STORE("%v")),
     ONE, sum_apart, 0, 80, 0},
    {"a_match_of_64_bits_on_both_sides_of_a_branch",
     KERNEL("    div.u32 %r2, %t, 3;\n    and.b32 %r2, %r2, 3;\n    cvt.u64.u32 %rd1, %r2;\n    shl.b64 %rd1, %rd1, "
            "32;\n" ODD "    @%p1 bra odd;\n    match.any.sync.b64 %v, %rd1, -1;\n    bra.uni end;\nodd:\n    "
            "match.any.sync.b64 %v, %rd1, -1;\nend:\n" STORE("%v")),
     ONE, match_apart, 0, 0, 0},
    {"elect_on_both_sides_of_a_branch",
     KERNEL(ODD "    @%p1 bra odd;\n    elect.sync %r2|%p2, -1;\n    mov.u32 %v, 200;\n    bra.uni end;\n"
                "odd:\n    elect.sync %r2|%p2, -1;\n    mov.u32 %v, 100;\nend:\n    selp.b32 %r3, 1, 0, %p2;\n    "
                "add.u32 %v, %v, %r3;\n" STORE("%v")),
     ONE, elect_apart, 0, 90, 0},
    {"bar_warp_sync_on_both_sides_of_a_branch",
     ".shared .align 4 .b32 box;\n" KERNEL(
         LOAD "    setp.eq.u32 %p1, %t, 0;\n    @!%p1 bra others;\n    st.shared.u32 [box], %v;\n    bar.warp.sync "
              "-1;\n    mov.u32 %v, 1;\n"
              "    bra.uni end;\nothers:\n    bar.warp.sync -1;\n    ld.shared.u32 %v, [box];\nend:\n" STORE("%v")),
     ONE, told, 0, 0, 0},
    {"a_lane_in_a_loop_of_its_own_around_the_same_shuffle",
     KERNEL(LOAD
            "    setp.eq.u32 %p1, %t, 0;\n    mov.u32 %r2, 16;\n    @%p1 bra first;\n"
            "rest:\n    shfl.sync.bfly.b32 %r3, %v, %r2, 31, -1;\n    add.u32 %v, %v, %r3;\n    shr.u32 %r2, %r2, 1;\n"
            "    setp.ne.u32 %p2, %r2, 0;\n    @%p2 bra rest;\n    bra.uni end;\n"
            "first:\n    shfl.sync.bfly.b32 %r3, %v, %r2, 31, -1;\n    add.u32 %v, %v, %r3;\n    shr.u32 %r2, %r2, 1;\n"
            "    setp.ne.u32 %p2, %r2, 0;\n    @%p2 bra first;\nend:\n" STORE("%v")),
     ONE, loop_sums, 0, 0, 0},
    {"a_shuffle_in_a_function_and_outside",
     SWAPPING KERNEL(LOAD ODD "    @%p1 bra odd;\n" SWAP(
         "%v", "%v") "    add.u32 %v, %v, 1;\n    bra.uni end;\nodd:\n" CALL("swap", "%v", "%v") "end:\n" STORE("%v")),
     ONE, swapped_in_function, 0, 0, 0},
    {"a_shuffle_in_two_calls_of_one_function",
     SWAPPING KERNEL(LOAD ODD "    @%p1 bra odd;\n    add.u32 %v, %v, 1;\n" CALL(
         "swap", "%v", "%v") "    add.u32 %v, %v, 7;\n    bra.uni end;\nodd:\n" CALL("swap", "%v",
                                                                                     "%v") "end:\n" STORE("%v")),
     ONE, swapped_in_two_calls, 0, 0, 0},
    {"lanes_that_have_returned_meet_one_that_has_not",
     FUNCTION("late", "    mov.u32 %c, %laneid;\n    setp.ne.u32 %p, %c, 0;\n    @%p bra out;\n" SWAP(
                          "%a", "%a") "    add.u32 %a, %a, 1000;\nout:\n")
         KERNEL(LOAD CALL("late", "%v", "%v") "    setp.eq.u32 %p1, %t, 0;\n    @%p1 bra end;\n" SWAP(
             "%v", "%v") "end:\n" STORE("%v")),
     ONE, swapped_after_return, 0, 0, 0},
    {"a_shuffle_in_functions_called_through_pointers",
     SWAPPING FUNCTION("triple", SWAP("%a", "%a") "    mul.lo.u32 %a, %a, 3;\n") KERNEL(
         LOAD
         "    rem.u32 %r2, %t, 3;\n    setp.eq.u32 %p1, %r2, 0;\n    mov.u64 %rd1, swap;\n    mov.u64 %rd2, triple;\n"
         "    selp.b64 %rd3, %rd1, %rd2, %p1;\n    {\n    .param .b32 p;\n    .param .b32 q;\n    st.param.b32 [p], "
         "%v;\n"
         "    proto: .callprototype (.param .b32 _) _ (.param .b32 _);\n    call (q), %rd3, (p), proto;\n    "
         "ld.param.b32 %v, [q];\n    }\n" STORE("%v")),
     ONE, swapped_through_pointers, 0, 0, 0},
    {"a_shuffle_at_unequal_depths_of_recursion",
     ".func (.param .b32 r) deep(.param .b32 x)\n{\n    .reg .b32 %a, %c;\n    .reg .pred %p;\n    ld.param.b32 %a, "
     "[x];\n    setp.eq.u32 %p, %a, 0;\n"
     "    @%p bra bottom;\n    sub.u32 %c, %a, 1;\n" CALL(
         "deep", "%c",
         "%c") "    add.u32 %a, %c, 1;\n    bra.uni end;\n"
               "bottom:\n    mov.u32 %c, %laneid;\n    mul.lo.u32 %c, %c, 100;\n" SWAP(
                   "%a", "%c") "end:\n    st.param.b32 [r], %a;\n    ret;\n}\n" KERNEL("    rem.u32 %r2, %t, "
                                                                                       "5;\n" CALL("deep", "%r2", "%v")
                                                                                           STORE("%v")),
     ONE, swapped_in_recursion, 0, 0, 0},
    {"members_that_exit_are_not_waited_for",
     KERNEL(LOAD "    setp.lt.u32 %p1, %t, 20;\n    mov.u32 %r3, 0;\n    @%p1 bra stay;\n"
                 "spin:\n    ld.volatile.global.u32 %r4, [%x];\n    add.u32 %r3, %r3, 1;\n    setp.lt.u32 %p2, %r3, "
                 "2000;\n    @%p2 bra spin;\n    exit;\n"
                 "stay:\n    redux.sync.add.u32 %v, %v, -1;\n" STORE("%v")),
     {1, 1, 1},
     {32, 1, 1},
     20,
     32,
     rest_sums,
     0,
     80,
     0},
    {"a_guarded_shuffle_waits_for_its_members_only",
     KERNEL(LOAD ODD "    mov.u32 %r2, %v;\n    @%p1 shfl.sync.bfly.b32 %r2, %v, 2, 31, 0xaaaaaaaa;\n" STORE("%r2")),
     ONE, guarded_swap, 0, 0, 0},
    {"a_guarded_shuffle_meets_another_instruction",
     KERNEL(LOAD "    setp.lt.u32 %p2, %t, 2;\n    mov.u32 %r2, %v;\n    @%p2 bra low;\n" ODD
                 "    @%p1 shfl.sync.bfly.b32 %r2, %v, 2, 31, 0xaaaaaaaa;\n    bra.uni end;\n"
                 "low:\n" ODD "    @%p1 shfl.sync.bfly.b32 %r2, %v, 2, 31, 0xaaaaaaaa;\nend:\n" STORE("%r2")),
     ONE, guarded_swap, 0, 0, 0},
    {"a_shuffle_under_opposite_guards",
     KERNEL(LOAD ODD
            "    @%p1 shfl.sync.bfly.b32 %r2, %v, 1, 31, -1;\n    @!%p1 shfl.sync.bfly.b32 %r2, %v, 1, 31, -1;\n" STORE(
                "%r2")),
     ONE, swapped, 0, 0, 0},
    {"halves_of_a_warp_with_masks_of_their_own",
     KERNEL(LOAD UPPER
            "    selp.b32 %r2, 0xffff0000, 0xffff, %p1;\n    redux.sync.max.u32 %r3, %v, %r2;\n    st.global.u32 [%o], "
            "%r3;\n"
            "    and.b32 %r4, %t, 3;\n    match.any.sync.b32 %r3, %r4, %r2;\n    st.global.u32 [%o+128], %r3;\n"
            "    shr.u32 %r4, %t, 4;\n    match.all.sync.b32 %r3, %r4, %r2;\n    st.global.u32 [%o+256], %r3;\n"
            "    elect.sync %r3|%p2, %r2;\n    st.global.u32 [%o+384], %r3;\n    selp.b32 %r3, 1, 0, %p2;\n    "
            "st.global.u32 [%o+512], %r3;\n"),
     {1, 1, 1},
     {32, 1, 1},
     160,
     32,
     own_masks,
     0,
     90,
     0},
    {"a_reduction_by_labels",
     KERNEL(
         LOAD
         "    rem.u32 %r2, %v, 5;\n    match.any.sync.b32 %r3, %r2, -1;\n    redux.sync.add.u32 %v, %v, %r3;\n" STORE(
             "%v")),
     ONE, labelled, 0, 80, 0},
    {"a_lane_that_the_block_does_not_have_contributes_nothing",
     KERNEL(LOAD "    shfl.sync.down.b32 %r1, %v, 8, 31, -1;\n" STORE("%r1")),
     {1, 1, 1},
     {20, 1, 1},
     20,
     20,
     nothing_from_missing,
     0,
     0,
     0},
    {"a_lane_that_has_exited_contributes_nothing",
     KERNEL(LOAD
            "    setp.ge.u32 %p1, %t, 24;\n    @%p1 exit;\n    shfl.sync.down.b32 %r1, %v, 8, 31, -1;\n" STORE("%r1")),
     {1, 1, 1},
     {32, 1, 1},
     24,
     32,
     nothing_from_exited,
     0,
     0,
     0},
    {"a_function_may_spin_for_lanes_that_did_not_call_it",
     ".global .align 4 .u32 flag;\n" FUNCTION("wait", "again:\n    ld.volatile.global.u32 %c, [flag];\n    setp.eq.u32 "
                                                      "%p, %c, 0;\n    @%p bra again;\n    mov.u32 %a, %c;\n")
         KERNEL("    st.global.u32 [flag], 0;\n    bar.warp.sync -1;\n" ODD
                "    mov.u32 %v, 1;\n    @!%p1 bra even;\n" CALL(
                    "wait", "%v",
                    "%v") "    bra.uni end;\neven:\n    st.volatile.global.u32 [flag], 7;\nend:\n" STORE("%v")),
     ONE, spun, 0, 0, 0},
    {"a_function_may_spin_for_lanes_that_have_returned",
     ".global .align 4 .u32 flag;\n" FUNCTION("wait", "    setp.eq.u32 %p, %a, 0;\n    @%p bra out;\nagain:\n    "
                                                      "ld.volatile.global.u32 %a, [flag];\n    setp.eq.u32 %p, %a, 0;\n"
                                                      "    @%p bra again;\nout:\n")
         KERNEL("    st.global.u32 [flag], 0;\n    bar.warp.sync -1;\n" ODD CALL(
             "wait", "%r1", "%v") "    setp.ne.u32 %p2, %v, 0;\n    @%p2 bra end;\n"
                                  "    st.volatile.global.u32 [flag], 7;\n    mov.u32 %v, 1;\nend:\n" STORE("%v")),
     ONE, spun, 0, 0, 0},
    {"operations_with_another_mask_are_others",
     KERNEL(LOAD UPPER "    mov.u32 %r2, %v;\n    @%p1 bra all;\n    shfl.sync.bfly.b32 %r3, %v, 8, 31, 0xffff;\n    "
                       "add.u32 %r2, %r2, %r3;\n"
                       "all:\n    shfl.sync.bfly.b32 %r3, %r2, 16, 31, -1;\n    add.u32 %r2, %r2, %r3;\n" STORE("%r2")),
     ONE, two_masks, 0, 0, 0},
    {"a_barrier_in_a_function_and_outside",
     ".shared .align 4 .b8 box[256];\n" FUNCTION("wait", "    bar.sync 0;\n    ld.shared.u32 %a, [%a];\n")
         KERNEL(LOAD "    mov.u32 %r2, box;\n    shl.b32 %r3, %t, 2;\n    add.u32 %r4, %r2, %r3;\n    st.shared.u32 "
                     "[%r4], %v;\n    add.u32 %r5, %r2, 252;\n"
                     "    sub.u32 %r5, %r5, %r3;\n" ODD
                     "    @%p1 bra odd;\n    bar.sync 0;\n    ld.shared.u32 %v, [%r5];\n    bra.uni end;\nodd:\n" CALL(
                         "wait", "%r5", "%v") "end:\n" STORE("%v")),
     {1, 1, 1},
     {64, 1, 1},
     64,
     64,
     barriers_apart,
     0,
     0,
     0},
    {0},
};
