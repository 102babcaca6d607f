/* Atomic operations: many threads on few words, in global and in shared memory. */
#include "kernel.h"

#include <string.h>

enum { THREADS = 250 }; /* 2 blocks of 125 */

EXPECT(sum)
{
    EACH(THREADS)
    out[0] += in[i];
}
EXPECT(least_u)
{
    out[0] = 0;
    EACH(THREADS)
    out[0] = ~in[i] > out[0] ? ~in[i] : out[0];
    /* out starts at 0, so the maximum of the complements */
}
EXPECT(most_s)
{
    int32_t m = 0;
    EACH(THREADS)
    m = (int32_t)in[i] > m ? (int32_t)in[i] : m;
    out[0] = (uint32_t)m;
}
EXPECT(least_s)
{
    int32_t m = 0;
    EACH(THREADS)
    m = (int32_t)in[i] < m ? (int32_t)in[i] : m;
    out[0] = (uint32_t)m;
}
EXPECT(all_or)
{
    EACH(THREADS)
    out[0] |= in[i] & 0x11111111u << (i & 3);
}
EXPECT(all_xor)
{
    EACH(THREADS)
    out[0] ^= in[i];
}
EXPECT(wrapped_inc)
{ out[0] = THREADS % 8; }
EXPECT(wrapped_dec)
{ out[0] = (6 * 100 - THREADS % 6) % 6; }
EXPECT(sum_by_cas)
{
    EACH(THREADS)
    out[0] += in[i];
}
EXPECT(sum64)
{
    uint64_t s = 0;
    EACH(THREADS)
    s += (uint64_t)in[i] << 16;
    memcpy(out, &s, 8);
}
EXPECT(count_f32)
{

    float v = THREADS;
    memcpy(out, &v, 4);
}
EXPECT(count_f64)
{

    double v = THREADS * 0.5;
    memcpy(out, &v, 8);
}
EXPECT(tickets)
{

    /* Every ticket is handed out once: the sum of the old values is that of 0 .. THREADS-1. */
    out[0] = THREADS;
    out[1] = THREADS * (THREADS - 1) / 2;
}
EXPECT(exchange_chain)
{

    /* What was put in comes out or stays: nothing is lost. */
    for (uint32_t i = 1; i <= THREADS; i++)
        out[1] += i;
}
EXPECT(shared_sums)
{
    EACH(THREADS)
    out[i / 125] += in[i];
}
EXPECT(shared_most)
{
    EACH(THREADS)
    out[i / 125] = in[i] > out[i / 125] ? in[i] : out[i / 125];
}
EXPECT(half_pair)
{ out[0] = 0x57d057d0; /* 125.0 and 125.0 in f16 */ }

#define ONE(body) KERNEL("    ld.global.u32 %v, [%x];\n" body)
#define SHARED(body)                                                                                                   \
    ".shared .align 4 .u32 word;\n" ENTRY INDEX                                                                        \
    "    ld.global.u32 %v, [%x];\n    setp.ne.u32 %p1, %t, 0;\n    @%p1 bra go;\n    st.shared.u32 [word], 0;\n"       \
    "go:\n    bar.sync 0;\n" body                                                                                      \
    "    bar.sync 0;\n    @%p1 bra end;\n    ld.shared.u32 %r1, [word];\n    mul.wide.u32 %rd1, %b, 4;\n"              \
    "    add.s64 %rd1, %O, %rd1;\n    st.global.u32 [%rd1], %r1;\nend:\n    ret;\n}\n"
#define GRID                                                                                                           \
    {2, 1, 1}, {                                                                                                       \
        125, 1, 1                                                                                                      \
    }

const struct kernel_case atomic_cases[] = {
    {"red_add_u32", ONE("    red.global.add.u32 [%O], %v;\n"), GRID, 1, THREADS, sum, 0, 0, 0},
    {"red_max_u32", ONE("    not.b32 %v, %v;\n    red.global.max.u32 [%O], %v;\n"), GRID, 1, THREADS, least_u, 0, 0, 0},
    {"red_max_s32", ONE("    red.global.max.s32 [%O], %v;\n"), GRID, 1, THREADS, most_s, 0, 0, 0},
    {"red_min_s32", ONE("    red.global.min.s32 [%O], %v;\n"), GRID, 1, THREADS, least_s, 0, 0, 0},
    {"red_or_b32",
     ONE("    and.b32 %r1, %i, 3;\n    mov.u32 %r2, 0x11111111;\n    shl.b32 %r2, %r2, %r1;\n    and.b32 %v, %v, %r2;\n"
         "    red.global.or.b32 [%O], %v;\n"),
     GRID, 1, THREADS, all_or, 0, 0, 0},
    {"red_xor_b32", ONE("    red.global.xor.b32 [%O], %v;\n"), GRID, 1, THREADS, all_xor, 0, 0, 0},
    {"atom_inc_wraps_beyond_the_bound", ONE("    atom.global.inc.u32 %r1, [%O], 7;\n"), GRID, 1, THREADS, wrapped_inc,
     0, 0, 0},
    {"atom_dec_wraps_below_zero", ONE("    atom.global.dec.u32 %r1, [%O], 5;\n"), GRID, 1, THREADS, wrapped_dec, 0, 0,
     0},
    {"atom_cas_loop_loses_nothing",
     ONE("    ld.global.u32 %r1, [%O];\nagain:\n    add.u32 %r2, %r1, %v;\n    atom.global.cas.b32 %r3, [%O], %r1, "
         "%r2;\n"
         "    setp.ne.u32 %p1, %r3, %r1;\n    mov.u32 %r1, %r3;\n    @%p1 bra again;\n"),
     GRID, 1, THREADS, sum_by_cas, 0, 0, 0},
    {"atom_add_u64",
     ONE("    cvt.u64.u32 %rd1, %v;\n    shl.b64 %rd1, %rd1, 16;\n    atom.global.add.u64 %rd2, [%O], %rd1;\n"), GRID,
     2, THREADS, sum64, 0, 0, 0},
    {"red_add_f32", ONE("    mov.f32 %f1, 0f3F800000;\n    red.global.add.f32 [%O], %f1;\n"), GRID, 1, THREADS,
     count_f32, 0, 0, 0},
    {"red_add_f64", ONE("    mov.f64 %fd1, 0d3FE0000000000000;\n    red.global.add.f64 [%O], %fd1;\n"), GRID, 2,
     THREADS, count_f64, 0, 0, 0},
    {"red_add_f16x2",
     ONE("    and.b32 %r1, %i, 1;\n    setp.eq.u32 %p1, %r1, 1;\n    mov.b32 %r2, 0x3c003c00;\n"
         "    @%p1 red.global.add.noftz.f16x2 [%O], %r2;\n"),
     GRID, 1, THREADS, half_pair, 0, 0, 0},
    {"atom_add_gives_each_old_value_once",
     ONE("    atom.global.add.u32 %r1, [%O], 1;\n    red.global.add.u32 [%O+4], %r1;\n"), GRID, 2, THREADS, tickets, 0,
     0, 0},
    {"atom_exch_loses_nothing",
     ONE("    add.u32 %r1, %i, 1;\n    atom.global.exch.b32 %r2, [%O], %r1;\n    red.global.add.u32 [%O+4], %r2;\n"
         "    add.u64 %rd1, %O, 8;\n    atom.global.add.u32 %r3, [%rd1], 1;\n    setp.ne.u32 %p1, %r3, 249;\n    @%p1 "
         "exit;\n"
         "    atom.global.exch.b32 %r4, [%O], 0;\n    red.global.add.u32 [%O+4], %r4;\n    st.global.u32 [%rd1], 0;\n"),
     GRID, 3, THREADS, exchange_chain, 0, 0, 0},
    {"atom_shared_add_u32", SHARED("    atom.shared.add.u32 %r2, [word], %v;\n"), GRID, 2, THREADS, shared_sums, 0, 0,
     0},
    {"red_shared_max_u32", SHARED("    red.shared.max.u32 [word], %v;\n"), GRID, 2, THREADS, shared_most, 0, 0, 0},
    {"atom_shared_cas_loop",
     SHARED("    ld.shared.u32 %r2, [word];\nagain:\n    add.u32 %r3, %r2, %v;\n    atom.shared.cas.b32 %r4, [word], "
            "%r2, %r3;\n"
            "    setp.ne.u32 %p2, %r4, %r2;\n    mov.u32 %r2, %r4;\n    @%p2 bra again;\n"),
     GRID, 2, THREADS, shared_sums, 0, 0, 0},
    {0},
};
