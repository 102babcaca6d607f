/* Asynchronous copies, and barriers that count arrivals and bytes. */
#include "kernel.h"

EXPECT(cut)
{
    EACH(32)
    for (unsigned k = 0; k < 4; k++)
        out[i * 4 + k] = k < i % 5 ? in[i * 4 + k] : 0;
}
EXPECT(every_other)
{
    EACH(128)
    out[i] = i / 4 % 2 ? 0 : in[i];
}
EXPECT(next_thread)
{
    EACH(96)
    out[i] = in[(i + 1) % 96];
}
EXPECT(reversed)
{
    EACH(64)
    out[i] = in[63 - i];
}
EXPECT(same)
{
    EACH(64)
    out[i] = in[i];
}
/* The copy's first 4 and last 8 bytes are what was there before. */
EXPECT(all_but_the_ends)
{
    EACH(64)
    out[i] = i == 0 || i >= 62 ? 7 : in[i];
}
/* Words 1 and 3 of every four. */
EXPECT(odd_words)
{
    EACH(64)
    out[i] = i % 2 ? in[i] : 0;
}
EXPECT(not_canceled)
{
    EACH(32)
    out[i] = 5;
}
EXPECT(rounds)
{
    uint32_t a[64], b[64];
    EACH(64)
    a[i] = in[i];
    for (unsigned r = 0; r < 5; r++) {
        EACH(64)
        b[i] = a[i] + a[(i + 63) % 64];
        EACH(64)
        a[i] = b[i];
    }
    EACH(64)
    out[i] = a[i];
}
EXPECT(pending)
{
    out[0] = 5; /* of the first arrival's state */
    out[1] = 4;
    out[2] = 1; /* the phase has ended after 5 */
    out[3] = 3; /* the next one expects 4, one of which came before this state */
}
EXPECT(nothing)
{ (void)out; /* the launch fails */ }

#define SHARED(bytes) "    .shared .align 128 .b8 s[" #bytes "];\n    .shared .align 8 .b64 bar, bar2;\n"
#define OWN_SPOT "    mov.u32 %r1, s;\n    shl.b32 %r2, %t, 2;\n    add.u32 %r1, %r1, %r2;\n"
#define INIT(count)                                                                                                    \
    "    setp.eq.u32 %p1, %t, 0;\n    @%p1 mbarrier.init.shared.b64 [bar], " count ";\n    bar.sync 0;\n"
#define WAIT(label, test) label ":\n    " test ";\n    @!%p2 bra " label ";\n"
#define COPY16(more)                                                                                                   \
    "    mov.u32 %r1, s;\n    shl.b32 %r2, %t, 4;\n    add.u32 %r1, %r1, %r2;\n    mul.wide.u32 %rd1, %t, 16;\n"       \
    "    add.s64 %rd2, %X, %rd1;\n    add.s64 %rd3, %O, %rd1;\n" more                                                  \
    "    cp.async.commit_group;\n    cp.async.wait_all;\n"                                                             \
    "    ld.shared.v4.u32 {%r3, %r4, %r5, %r6}, [%r1];\n    st.global.v4.u32 [%rd3], {%r3, %r4, %r5, %r6};\n"

const struct kernel_case async_cases[] = {
    {"cp_async_reads_less_and_fills_with_zeros",
     KERNEL(SHARED(512) COPY16("    rem.u32 %r7, %t, 5;\n    shl.b32 %r7, %r7, 2;\n"
                               "    cp.async.cg.shared.global [%r1], [%rd2], 16, %r7;\n")),
     {1, 1, 1},
     {32, 1, 1},
     128,
     128,
     cut,
     0,
     80,
     0},
    {"cp_async_ignores_its_source",
     KERNEL(SHARED(512) COPY16("    and.b32 %r7, %t, 1;\n    setp.eq.u32 %p1, %r7, 1;\n"
                               "    selp.b64 %rd2, 16, %rd2, %p1;\n" /* an address that is none */
                               "    cp.async.ca.shared.global [%r1], [%rd2], 16, %p1;\n")),
     {1, 1, 1},
     {32, 1, 1},
     128,
     128,
     every_other,
     0,
     80,
     0},
    {"mbarrier_of_three_warps",
     KERNEL(SHARED(512) OWN_SPOT INIT(
         "96") "    ld.global.u32 %r3, [%x];\n    st.shared.u32 [%r1], %r3;\n"
               "    mbarrier.arrive.shared.b64 %rd1, [bar];\n" WAIT(
                   "W", "mbarrier.test_wait.shared.b64 %p2, [bar], %rd1") "    add.u32 %r4, %t, 1;\n    rem.u32 %r4, "
                                                                          "%r4, 96;\n    shl.b32 %r4, %r4, 2;\n    "
                                                                          "mov.u32 %r5, s;\n"
                                                                          "    add.u32 %r4, %r4, %r5;\n    "
                                                                          "ld.shared.u32 %v, [%r4];\n" STORE("%v")),
     {1, 1, 1},
     {96, 1, 1},
     96,
     96,
     next_thread,
     0,
     80,
     0},
    {"mbarrier_phases_by_parity",
     KERNEL(SHARED(512) OWN_SPOT INIT(
         "64") "    ld.global.u32 %v, [%x];\n    st.shared.u32 [%r1], %v;\n    bar.sync 0;\n"
               "    add.u32 %r3, %t, 63;\n    and.b32 %r3, %r3, 63;\n    shl.b32 %r3, %r3, 2;\n    mov.u32 %r4, "
               "s;\n"
               "    add.u32 %r3, %r3, %r4;\n    mov.u32 %r5, 0;\n    mov.u32 %r8, 0;\n"
               "R:\n    ld.shared.u32 %r6, [%r3];\n    add.u32 %v, %v, %r6;\n"
               "    mbarrier.arrive.shared.b64 _, [bar];\n" WAIT(
                   "W", "mbarrier.try_wait.parity.shared.b64 %p2, [bar], "
                        "%r8") "    st.shared.u32 [%r1], %v;\n    xor.b32 "
                               "%r8, %r8, 1;\n    "
                               "mbarrier.arrive.shared.b64 _, "
                               "[bar];\n" WAIT("V", "mbarrier.try_wait.parity."
                                                    "shared.b64 %p2, [bar], "
                                                    "%r8") "    xor.b32 %r8, "
                                                           "%r8, 1;\n    "
                                                           "add.u32 %r5, %r5, "
                                                           "1;\n    "
                                                           "setp.lt.u32 %p3, "
                                                           "%r5, 5;\n    @%p3 "
                                                           "bra R;\n" STORE("%"
                                                                            "v")),
     {1, 1, 1},
     {64, 1, 1},
     64,
     64,
     rounds,
     0,
     90,
     0},
    {"mbarrier_counts_and_drops",
     KERNEL(
         SHARED(16) "    mbarrier.init.shared.b64 [bar], 5;\n    mbarrier.arrive.shared.b64 %rd1, [bar];\n"
                    "    mbarrier.arrive_drop.shared.b64 %rd2, [bar];\n    mbarrier.arrive.noComplete.shared.b64 %rd3, "
                    "[bar], 2;\n"
                    "    mbarrier.arrive.shared.b64 %rd4, [bar];\n    mbarrier.test_wait.shared.b64 %p1, [bar], %rd1;\n"
                    "    mbarrier.arrive.shared.b64 %rd5, [bar];\n    mbarrier.arrive.shared.b64 %rd6, [bar];\n"
                    "    mbarrier.pending_count.b64 %r1, %rd1;\n    mbarrier.pending_count.b64 %r2, %rd2;\n"
                    "    selp.u32 %r3, 1, 0, %p1;\n    mbarrier.pending_count.b64 %r4, %rd6;\n"
                    "    st.global.v4.u32 [%O], {%r1, %r2, %r3, %r4};\n    mbarrier.inval.shared.b64 [bar];\n"),
     {1, 1, 1},
     {1, 1, 1},
     4,
     0,
     pending,
     0,
     80,
     0},
    {"cp_async_arrives_at_an_mbarrier",
     KERNEL(SHARED(512) OWN_SPOT INIT(
         "64") "    cp.async.ca.shared.global [%r1], [%x], 4;\n"
               "    cp.async.mbarrier.arrive.noinc.shared.b64 [bar];\n" WAIT(
                   "W",
                   "mbarrier.test_wait.parity.shared.b64 %p2, [bar], 0") "    mov.u32 %r3, s;\n    sub.u32 %r4, 63, "
                                                                         "%t;\n    shl.b32 %r4, %r4, 2;\n    add.u32 "
                                                                         "%r4, %r4, %r3;\n"
                                                                         "    ld.shared.u32 %v, [%r4];\n" STORE("%v")),
     {1, 1, 1},
     {64, 1, 1},
     64,
     64,
     reversed,
     0,
     90,
     0},
    {"bulk_copy_in_counts_its_bytes",
     KERNEL(SHARED(512) OWN_SPOT INIT(
         "1") "    @%p1 fence.proxy.async;\n"
              "    @%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [bar], 256;\n"
              "    @%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [s], [%X], 128, [bar];\n"
              "    add.s64 %rd1, %X, 128;\n    mov.u32 %r3, 128;\n"
              "    @%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [s+128], [%rd1], %r3, "
              "[bar];\n" WAIT(
                  "W", "mbarrier.try_wait.parity.shared::cta.b64 %p2, [bar], 0") "    mov.u32 %r3, s;\n    sub.u32 "
                                                                                 "%r4, 63, %t;\n    shl.b32 %r4, %r4, "
                                                                                 "2;\n    add.u32 %r4, %r4, %r3;\n"
                                                                                 "    ld.shared.u32 %v, [%r4];\n" STORE(
                                                                                     "%v")),
     {1, 1, 1},
     {64, 1, 1},
     64,
     64,
     reversed,
     0,
     90,
     0},
    {"bulk_copy_out",
     KERNEL(SHARED(512) OWN_SPOT "    ld.global.u32 %r3, [%x];\n    st.shared.u32 [%r1], %r3;\n"
                                 "    fence.proxy.async.shared::cta;\n    bar.sync 0;\n    setp.eq.u32 %p1, %t, 0;\n"
                                 "    @%p1 cp.async.bulk.global.shared::cta.bulk_group [%O], [s], 256;\n"
                                 "    @%p1 cp.async.bulk.commit_group;\n    @%p1 cp.async.bulk.wait_group.read 0;\n"
                                 "    @%p1 cp.async.bulk.wait_group 0;\n"),
     {1, 1, 1},
     {64, 1, 1},
     64,
     64,
     same,
     0,
     90,
     0},
    {"bulk_copy_that_ignores_its_ends",
     KERNEL(SHARED(512) OWN_SPOT INIT(
         "1") "    st.shared.u32 [%r1], 7;\n    bar.sync 0;\n    mov.u32 %r3, 4;\n"
              "    @%p1 fence.proxy.async;\n    @%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [bar], 256;\n"
              "    @%p1 cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes.ignore_oob [s], [%X], 256, %r3, "
              "8, [bar];\n" WAIT("W", "mbarrier.try_wait.parity.shared::cta.b64 %p2, [bar], 0") "    ld.shared.u32 %v, "
                                                                                                "[%r1];\n" STORE("%v")),
     {1, 1, 1},
     {64, 1, 1},
     64,
     64,
     all_but_the_ends,
     0,
     120,
     0},
    {"bulk_copy_of_some_bytes_of_each_16",
     KERNEL(SHARED(512) OWN_SPOT "    .reg .b16 %mask;\n    ld.global.u32 %r3, [%x];\n    st.shared.u32 [%r1], %r3;\n"
                                 "    fence.proxy.async.shared::cta;\n    bar.sync 0;\n    setp.eq.u32 %p1, %t, 0;\n   "
                                 " mov.b16 %mask, 0xf0f0;\n"
                                 "    @%p1 cp.async.bulk.global.shared::cta.bulk_group.cp_mask [%O], [s], 256, %mask;\n"
                                 "    @%p1 cp.async.bulk.commit_group;\n    @%p1 cp.async.bulk.wait_group 0;\n"),
     {1, 1, 1},
     {64, 1, 1},
     64,
     64,
     odd_words,
     0,
     100,
     0},
    {"no_other_block_is_canceled",
     KERNEL(SHARED(512) OWN_SPOT INIT(
         "1") "    .reg .b128 %answer;\n    .reg .b64 %low, %high;\n"
              "    st.shared.u32 [%r1], -1;\n    bar.sync 0;\n    @%p1 fence.proxy.async;\n"
              "    @%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [bar], 16;\n"
              "    @%p1 clusterlaunchcontrol.try_cancel.async.shared::cta.mbarrier::complete_tx::bytes.b128 [s], "
              "[bar];\n" WAIT(
                  "W",
                  "mbarrier.try_wait.parity.shared::cta.b64 %p2, [bar], 0") "    ld.shared.v2.b64 {%low, %high}, "
                                                                            "[s];\n    mov.b128 %answer, {%low, "
                                                                            "%high};\n"
                                                                            "    "
                                                                            "clusterlaunchcontrol.query_cancel.is_"
                                                                            "canceled.pred.b128 %p2, %answer;\n"
                                                                            "    "
                                                                            "clusterlaunchcontrol.query_cancel.get_"
                                                                            "first_ctaid.v4.b32.b128 {%r3, %r4, %r5, "
                                                                            "_}, %answer;\n"
                                                                            "    "
                                                                            "clusterlaunchcontrol.query_cancel.get_"
                                                                            "first_ctaid::x.b32.b128 %r6, %answer;\n"
                                                                            "    selp.u32 %v, 1, 5, %p2;\n" STORE(
                                                                                "%v")),
     {1, 1, 1},
     {32, 1, 1},
     32,
     0,
     not_canceled,
     0,
     100,
     0},
    {"bulk_copy_from_nowhere_is_an_error",
     KERNEL(SHARED(512) INIT(
         "1") "    mov.u64 %rd1, 64;\n"
              "    @%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [s], [%rd1], 128, [bar];\n"
              "    @%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [bar], 128;\n" WAIT(
                  "W", "mbarrier.try_wait.parity.shared::cta.b64 %p2, [bar], 0")),
     {1, 1, 1},
     {32, 1, 1},
     1,
     0,
     nothing,
     0,
     90,
     -700},
    {0},
};
