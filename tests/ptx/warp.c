/* Operations across the lanes of a warp. */
#include "kernel.h"

EXPECT(shfl_down)
{
    EACH(64)
    out[i] = i % 32 + 3 < 32 ? in[i + 3] : in[i];
}
EXPECT(shfl_up)
{
    EACH(64)
    out[i] = i % 32 >= 5 ? in[i - 5] : in[i];
}
EXPECT(shfl_bfly)
{
    EACH(64)
    out[i] = in[i ^ 9];
}
EXPECT(shfl_idx)
{
    EACH(64)
    out[i] = in[i / 32 * 32 + i * 7 % 32];
}
EXPECT(shfl_segment)
{
    EACH(64)
    out[i] = i % 8 + 2 < 8 ? in[i + 2] : in[i];
}
EXPECT(shfl_inside)
{
    EACH(64)
    out[i] = i % 32 + 3 < 32;
}
EXPECT(ballot)
{
    EACH(64)
    out[i] = 0x24924924 | 0x00000001 | 0x08000000 | 0x01000000;
    EACH(64)
    {
        uint32_t m = 0;
        for (uint32_t l = 0; l < 32; l++)
            if ((i / 32 * 32 + l) % 3 == 0) m |= 1u << l;
        out[i] = m;
    }
}
EXPECT(vote_all)
{
    EACH(64)
    out[i] = i < 32;
}
EXPECT(vote_any)
{
    EACH(64)
    out[i] = i >= 32;
}
EXPECT(match_any)
{
    EACH(32)
    {
        for (uint32_t l = 0; l < 32; l++)
            if (l / 3 % 5 == i / 3 % 5) out[i] |= 1u << l;
    }
}
EXPECT(match_all)
{
    EACH(64)
    out[i] = i < 32 ? 0xffffffff : 0;
}
EXPECT(active)
{
    EACH(32)
    out[i] = i % 4 == 1 ? 0x22222222 : 0xdddddddd;
}
EXPECT(redux_add)
{
    EACH(64)
    for (uint32_t l = 0; l < 32; l++)
        out[i] += in[i / 32 * 32 + l];
}
EXPECT(redux_max)
{
    EACH(64)
    {
        int32_t m = INT32_MIN;
        for (uint32_t l = 0; l < 32; l++)
            m = (int32_t)in[i / 32 * 32 + l] > m ? (int32_t)in[i / 32 * 32 + l] : m;
        out[i] = (uint32_t)m;
    }
}
EXPECT(redux_half_and)
{
    EACH(32)
    {
        out[i] = 0xffffffff;
        for (uint32_t l = i / 16 * 16; l < i / 16 * 16 + 16; l++)
            out[i] &= in[l] | 0xf0;
    }
}
EXPECT(lane_masks)
{
    EACH(32)
    out[i] = (1u << i) + ((1u << i) - 1) * 3;
}
EXPECT(elected)
{
    EACH(64)
    out[i] = 1;
}
EXPECT(reduction)
{
    EACH(64)
    for (uint32_t l = 0; l < 32; l++)
        out[i] += in[i / 32 * 32 + l];
}
EXPECT(diverged_sum)
{
    EACH(32)
    {
        uint32_t s = 0;
        for (uint32_t l = 0; l < 32; l++)
            s += l % 2 ? in[l] * 2 : in[l] + 1;
        out[i] = s;
    }
}

#define LOAD "    ld.global.u32 %v, [%x];\n"
#define TWO {1, 1, 1}, {64, 1, 1}, 64, 64
#define ONE {1, 1, 1}, {32, 1, 1}, 32, 32

EXPECT(sums_of_halves)
{
    EACH(32)
    for (uint32_t k = 0; k < 16; k++)
        out[i] += in[i / 16 * 16 + k];
}

const struct kernel_case warp_cases[] = {
    {"halves_of_a_warp_come_to_a_shuffle_at_different_times",
     KERNEL("    ld.global.u32 %v, [%x];\n    shr.u32 %r1, %t, 4;\n    shl.b32 %r1, %r1, 4;\n    mov.u32 %r2, 0xffff;\n"
            "    shl.b32 %r2, %r2, %r1;\n    rem.u32 %r3, %t, 3;\n    setp.ne.u32 %p1, %r3, 0;\n    setp.lt.or.u32 "
            "%p1, %t, 16, %p1;\n"
            "    @%p1 bra meet;\n    mov.u32 %r5, 0;\n"
            "again:\n    ld.volatile.global.u32 %r6, [%x];\n    add.u32 %r5, %r5, 1;\n    setp.lt.u32 %p2, %r5, "
            "5000;\n    @%p2 bra again;\n"
            "meet:\n"
            "    shfl.sync.bfly.b32 %r4, %v, 8, 31, %r2;\n    add.u32 %v, %v, %r4;\n"
            "    shfl.sync.bfly.b32 %r4, %v, 4, 31, %r2;\n    add.u32 %v, %v, %r4;\n"
            "    shfl.sync.bfly.b32 %r4, %v, 2, 31, %r2;\n    add.u32 %v, %v, %r4;\n"
            "    shfl.sync.bfly.b32 %r4, %v, 1, 31, %r2;\n    add.u32 %v, %v, %r4;\n" STORE("%v")),
     {1, 1, 1},
     {32, 1, 1},
     32,
     32,
     sums_of_halves,
     0,
     0,
     0},
    {"shfl_down_keeps_the_own_value_at_the_end",
     KERNEL(LOAD "    shfl.sync.down.b32 %r1, %v, 3, 31, -1;\n" STORE("%r1")), TWO, shfl_down, 0, 0, 0},
    {"shfl_up_keeps_the_own_value_at_the_start", KERNEL(LOAD "    shfl.sync.up.b32 %r1, %v, 5, 0, -1;\n" STORE("%r1")),
     TWO, shfl_up, 0, 0, 0},
    {"shfl_bfly", KERNEL(LOAD "    shfl.sync.bfly.b32 %r1, %v, 9, 31, -1;\n" STORE("%r1")), TWO, shfl_bfly, 0, 0, 0},
    {"shfl_idx_by_lane",
     KERNEL(LOAD "    mul.lo.u32 %r2, %t, 7;\n    shfl.sync.idx.b32 %r1, %v, %r2, 31, -1;\n" STORE("%r1")), TWO,
     shfl_idx, 0, 0, 0},
    {"shfl_down_in_segments_of_8", KERNEL(LOAD "    shfl.sync.down.b32 %r1, %v, 2, 0x1807, -1;\n" STORE("%r1")), TWO,
     shfl_segment, 0, 0, 0},
    {"shfl_predicate_tells_who_got_a_value",
     KERNEL(LOAD "    shfl.sync.down.b32 %r1|%p1, %v, 3, 31, -1;\n    selp.b32 %r2, 1, 0, %p1;\n" STORE("%r2")), TWO,
     shfl_inside, 0, 0, 0},
    {"shfl_reduction",
     KERNEL(LOAD "    shfl.sync.bfly.b32 %r1, %v, 16, 31, -1;\n    add.u32 %v, %v, %r1;\n"
                 "    shfl.sync.bfly.b32 %r1, %v, 8, 31, -1;\n    add.u32 %v, %v, %r1;\n"
                 "    shfl.sync.bfly.b32 %r1, %v, 4, 31, -1;\n    add.u32 %v, %v, %r1;\n"
                 "    shfl.sync.bfly.b32 %r1, %v, 2, 31, -1;\n    add.u32 %v, %v, %r1;\n"
                 "    shfl.sync.bfly.b32 %r1, %v, 1, 31, -1;\n    add.u32 %v, %v, %r1;\n" STORE("%v")),
     TWO, reduction, 0, 0, 0},
    {"vote_ballot",
     KERNEL(
         "    rem.u32 %r1, %i, 3;\n    setp.eq.u32 %p1, %r1, 0;\n    vote.sync.ballot.b32 %v, %p1, -1;\n" STORE("%v")),
     TWO, ballot, 0, 0, 0},
    {"vote_all",
     KERNEL("    setp.lt.u32 %p1, %i, 40;\n    vote.sync.all.pred %p2, %p1, -1;\n    selp.b32 %v, 1, 0, %p2;\n" STORE(
         "%v")),
     TWO, vote_all, 0, 0, 0},
    {"vote_any",
     KERNEL("    setp.gt.u32 %p1, %i, 62;\n    vote.sync.any.pred %p2, %p1, -1;\n    selp.b32 %v, 1, 0, %p2;\n" STORE(
         "%v")),
     TWO, vote_any, 0, 0, 0},
    {"match_any",
     KERNEL("    div.u32 %r1, %t, 3;\n    rem.u32 %r1, %r1, 5;\n    match.any.sync.b32 %v, %r1, -1;\n" STORE("%v")),
     ONE, match_any, 0, 0, 0},
    {"match_all", KERNEL("    max.u32 %r1, %i, 33;\n    match.all.sync.b32 %v|%p1, %r1, -1;\n" STORE("%v")), TWO,
     match_all, 0, 0, 0},
    {"activemask_is_who_is_here",
     KERNEL("    and.b32 %r1, %t, 3;\n    setp.eq.u32 %p1, %r1, 1;\n    @%p1 bra one;\n    activemask.b32 %v;\n" STORE(
         "%v") "    bra.uni end;\none:\n    activemask.b32 %v;\n" STORE("%v") "end:\n"),
     ONE, active, 0, 0, 0},
    {"redux_add", KERNEL(LOAD "    redux.sync.add.u32 %r1, %v, -1;\n" STORE("%r1")), TWO, redux_add, 0, 80, 0},
    {"redux_max_s32", KERNEL(LOAD "    redux.sync.max.s32 %r1, %v, -1;\n" STORE("%r1")), TWO, redux_max, 0, 80, 0},
    {"redux_and_of_half_a_warp",
     KERNEL(LOAD "    or.b32 %v, %v, 0xf0;\n    setp.lt.u32 %p1, %t, 16;\n    @%p1 bra low;\n"
                 "    redux.sync.and.b32 %r1, %v, 0xffff0000;\n    bra.uni end;\n"
                 "low:\n    redux.sync.and.b32 %r1, %v, 0x0000ffff;\nend:\n" STORE("%r1")),
     ONE, redux_half_and, 0, 80, 0},
    {"lanemask_registers",
     KERNEL("    mov.u32 %r1, %lanemask_eq;\n    mov.u32 %r2, %lanemask_lt;\n    mov.u32 %r3, %lanemask_le;\n    "
            "mov.u32 %r4, %lanemask_gt;\n"
            "    not.b32 %r4, %r4;\n    sub.u32 %r3, %r3, %r1;\n    sub.u32 %r4, %r4, %r1;\n    add.u32 %v, %r1, %r2;\n"
            "    add.u32 %v, %v, %r3;\n    add.u32 %v, %v, %r4;\n" STORE("%v")),
     ONE, lane_masks, 0, 0, 0},
    {"elect_chooses_one",
     KERNEL("    elect.sync %r1|%p1, -1;\n    selp.b32 %r2, 1, 0, %p1;\n    vote.sync.ballot.b32 %r3, %p1, -1;\n    "
            "popc.b32 %v, %r3;\n" STORE("%v")),
     TWO, elected, 0, 90, 0},
    {"a_sync_operation_waits_for_its_members",
     KERNEL(LOAD "    and.b32 %r1, %t, 1;\n    setp.eq.u32 %p1, %r1, 1;\n    @%p1 bra odd;\n    add.u32 %v, %v, 1;\n   "
                 " bra.uni join;\n"
                 "odd:\n    shl.b32 %v, %v, 1;\njoin:\n    redux.sync.add.u32 %r2, %v, -1;\n" STORE("%r2")),
     ONE, diverged_sum, 0, 80, 0},
    {0},
};
