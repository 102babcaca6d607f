/* State spaces, widths, vectors, addressing. */
#include "kernel.h"

#include <string.h>

EXPECT(sign_bytes)
{
    EACH(64)
    out[i] = (uint32_t)(int8_t)in[i];
}
EXPECT(high_half)
{
    EACH(64)
    out[i] = in[i] >> 16;
}
EXPECT(vector2)
{
    EACH(64)
    out[i] = in[i ^ 1];
}
EXPECT(vector4_sum)
{
    EACH(64)
    out[i] = in[i & ~3u] + in[(i & ~3u) + 1] + in[(i & ~3u) + 2] + in[i | 3];
}
EXPECT(reversed_by_block)
{
    EACH(128)
    out[i] = in[i / 64 * 64 + 63 - i % 64];
}
EXPECT(local_square)
{
    EACH(64)
    out[i] = (i % 8) * (i % 8);
}
EXPECT(constants)
{
    static const uint32_t table[8] = {10, 20, 30, 40, 50, 60, 70, 80};
    EACH(64)
    out[i] = table[i % 8];
}
EXPECT(global_init)
{
    EACH(32)
    out[i] = i % 2 ? 0x40490fdb : 7 + i / 2;
}
EXPECT(spaces)
{
    EACH(32)
    out[i] = 0x5; /* shared yes, local no, global yes */
}
EXPECT(zeros)
{
    EACH(64)
    out[i] = 0;
}
EXPECT(same)
{
    EACH(64)
    out[i] = in[i];
}
EXPECT(byte_stores)
{
    EACH(64)
    out[i] = (in[i] & 0xff) * 0x01010101u;
}
EXPECT(swapped_words)
{
    EACH(64)
    out[i] = in[i ^ 1];
}
EXPECT(pointer_table)
{
    EACH(32)
    out[i] = i % 2 ? 222 : 111;
}

EXPECT(nothing)
{ (void)out; /* the launch fails */ }

const struct kernel_case memory_cases[] = {
    {"ld_s8_extends_the_sign",
     KERNEL("    ld.global.s8 %v, [%x];\n" STORE("%v")),
     {2, 1, 1},
     {32, 1, 1},
     64,
     64,
     sign_bytes,
     0,
     0,
     0},
    {"ld_u16_with_an_offset",
     KERNEL("    ld.global.u16 %v, [%x+2];\n" STORE("%v")),
     {1, 1, 1},
     {64, 1, 1},
     64,
     64,
     high_half,
     0,
     0,
     0},
    {"ld_v2_u32",
     KERNEL("    and.b32 %r1, %i, 0xfffffffe;\n    mul.wide.u32 %rd1, %r1, 4;\n    add.s64 %rd1, %X, %rd1;\n"
            "    ld.global.v2.u32 {%r2, %r3}, [%rd1];\n    and.b32 %r4, %i, 1;\n"
            "    setp.eq.u32 %p1, %r4, 1;\n    selp.b32 %v, %r2, %r3, %p1;\n" STORE("%v")),
     {1, 1, 1},
     {64, 1, 1},
     64,
     64,
     vector2,
     0,
     0,
     0},
    {"ld_v4_u32",
     KERNEL("    and.b32 %r1, %i, 0xfffffffc;\n    mul.wide.u32 %rd1, %r1, 4;\n    add.s64 %rd1, %X, %rd1;\n"
            "    ld.global.v4.u32 {%r2, %r3, %r4, %r5}, [%rd1];\n    add.u32 %v, %r2, %r3;\n"
            "    add.u32 %v, %v, %r4;\n    add.u32 %v, %v, %r5;\n" STORE("%v")),
     {1, 1, 1},
     {64, 1, 1},
     64,
     64,
     vector4_sum,
     0,
     0,
     0},
    {"st_v2_u32",
     KERNEL("    and.b32 %r1, %i, 1;\n    setp.eq.u32 %p1, %r1, 1;\n    @%p1 exit;\n"
            "    ld.global.u32 %r2, [%x];\n    ld.global.u32 %r3, [%x+4];\n"
            "    st.global.v2.u32 [%o], {%r3, %r2};\n"),
     {1, 1, 1},
     {64, 1, 1},
     64,
     64,
     swapped_words,
     0,
     0,
     0},
    {"st_u8_writes_one_byte",
     KERNEL("    ld.global.u8 %v, [%x];\n    st.global.u8 [%o], %v;\n    st.global.u8 [%o+1], %v;\n"
            "    st.global.u8 [%o+2], %v;\n    st.global.u8 [%o+3], %v;\n"),
     {1, 1, 1},
     {64, 1, 1},
     64,
     64,
     byte_stores,
     0,
     0,
     0},
    {"shared_memory_is_the_blocks",
     ".shared .align 4 .b8 tile[256];\n" KERNEL(
         "    ld.global.u32 %v, [%x];\n    mov.u32 %r1, tile;\n    shl.b32 %r2, %t, 2;\n    add.u32 %r3, %r1, %r2;\n"
         "    st.shared.u32 [%r3], %v;\n    bar.sync 0;\n    sub.u32 %r3, %r1, %r2;\n    ld.shared.u32 %v, "
         "[%r3+252];\n" STORE("%v")),
     {2, 1, 1},
     {64, 1, 1},
     128,
     128,
     reversed_by_block,
     0,
     0,
     0},
    {"dynamic_shared_memory",
     ".extern .shared .align 16 .b8 room[];\n" KERNEL(
         "    ld.global.u32 %v, [%x];\n    mov.u32 %r1, room;\n    shl.b32 %r2, %t, 2;\n    add.u32 %r3, %r1, %r2;\n"
         "    st.shared.u32 [%r3], %v;\n    bar.sync 0;\n    sub.u32 %r3, %r1, %r2;\n    ld.shared.u32 %v, "
         "[%r3+252];\n" STORE("%v")),
     {2, 1, 1},
     {64, 1, 1},
     128,
     128,
     reversed_by_block,
     256,
     0,
     0},
    {"local_memory_is_the_threads",
     ENTRY "    .local .align 4 .b8 mine[32];\n" INDEX "    mov.u32 %r1, 0;\n"
           "fill:\n    mul.lo.u32 %r2, %r1, %r1;\n    shl.b32 %r3, %r1, 2;\n    mov.u32 %r4, mine;\n    add.u32 %r4, "
           "%r4, %r3;\n"
           "    st.local.u32 [%r4], %r2;\n    add.u32 %r1, %r1, 1;\n    setp.lt.u32 %p1, %r1, 8;\n    @%p1 bra fill;\n"
           "    and.b32 %r5, %i, 7;\n    shl.b32 %r5, %r5, 2;\n    mov.u32 %r4, mine;\n    add.u32 %r4, %r4, %r5;\n"
           "    ld.local.u32 %v, [%r4];\n" STORE("%v") "    ret;\n}\n",
     {1, 1, 1},
     {64, 1, 1},
     64,
     0,
     local_square,
     0,
     0,
     0},
    {"const_memory",
     ".const .align 4 .u32 table[8] = {10, 20, 30, 40, 50, 60, 70, 80};\n" KERNEL(
         "    and.b32 %r1, %i, 7;\n    mul.wide.u32 %rd1, %r1, 4;\n    mov.u64 %rd2, table;\n    add.s64 %rd2, %rd2, "
         "%rd1;\n"
         "    ld.const.u32 %v, [%rd2];\n" STORE("%v")),
     {1, 1, 1},
     {64, 1, 1},
     64,
     0,
     constants,
     0,
     0,
     0},
    {"global_initializers",
     ".global .align 4 .u32 words[16] = {7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22};\n"
     ".global .align 4 .f32 pi = 0f40490FDB;\n" KERNEL(
         "    shr.u32 %r1, %i, 1;\n    mul.wide.u32 %rd1, %r1, 4;\n    mov.u64 %rd2, words;\n    add.s64 %rd2, %rd2, "
         "%rd1;\n"
         "    ld.global.u32 %v, [%rd2];\n    ld.global.u32 %r2, [pi];\n    and.b32 %r3, %i, 1;\n"
         "    setp.eq.u32 %p1, %r3, 1;\n    selp.b32 %v, %r2, %v, %p1;\n" STORE("%v")),
     {1, 1, 1},
     {32, 1, 1},
     32,
     0,
     global_init,
     0,
     0,
     0},
    {"global_initializer_with_addresses",
     ".global .align 4 .u32 one = 111;\n.global .align 4 .u32 two = 222;\n"
     ".global .align 8 .u64 both[2] = {one, two};\n" KERNEL(
         "    and.b32 %r1, %i, 1;\n    mul.wide.u32 %rd1, %r1, 8;\n    mov.u64 %rd2, both;\n    add.s64 %rd2, %rd2, "
         "%rd1;\n"
         "    ld.global.u64 %rd3, [%rd2];\n    ld.global.u32 %v, [%rd3];\n" STORE("%v")),
     {1, 1, 1},
     {32, 1, 1},
     32,
     0,
     pointer_table,
     0,
     0,
     0},
    {"isspacep_tells_the_space_of_a_generic_address",
     ".shared .align 4 .b8 box[4];\n" KERNEL(
         "    mov.u64 %rd1, box;\n    cvta.shared.u64 %rd1, %rd1;\n    isspacep.shared %p1, %rd1;\n    isspacep.local "
         "%p2, %rd1;\n"
         "    cvta.global.u64 %rd2, %O;\n    isspacep.global %p3, %rd2;\n    selp.b32 %v, 1, 0, %p1;\n    selp.b32 "
         "%r1, 2, 0, %p2;\n"
         "    selp.b32 %r2, 4, 0, %p3;\n    or.b32 %v, %v, %r1;\n    or.b32 %v, %v, %r2;\n" STORE("%v")),
     {1, 1, 1},
     {32, 1, 1},
     32,
     0,
     spaces,
     0,
     0,
     0},
    {"generic_access_to_shared_memory",
     ".shared .align 4 .b8 tile[256];\n" KERNEL(
         "    ld.global.u32 %v, [%x];\n    mov.u64 %rd1, tile;\n    cvta.shared.u64 %rd1, %rd1;\n    mul.wide.u32 "
         "%rd2, %t, 4;\n"
         "    add.s64 %rd3, %rd1, %rd2;\n    st.u32 [%rd3], %v;\n    bar.sync 0;\n    sub.s64 %rd3, %rd1, %rd2;\n"
         "    ld.u32 %v, [%rd3+252];\n" STORE("%v")),
     {2, 1, 1},
     {64, 1, 1},
     128,
     128,
     reversed_by_block,
     0,
     0,
     0},
    {"generic_access_to_local_memory",
     ENTRY
     "    .local .align 4 .b8 mine[8];\n" INDEX
     "    mov.u64 %rd1, mine;\n    cvta.local.u64 %rd1, %rd1;\n    ld.global.u32 %v, [%x];\n    st.u32 [%rd1+4], %v;\n"
     "    ld.local.u32 %r1, [mine+4];\n" STORE("%r1") "    ret;\n}\n",
     {1, 1, 1},
     {64, 1, 1},
     64,
     64,
     same,
     0,
     0,
     0},
    {"variables_are_aligned_as_they_ask",
     ".shared .align 1 .b8 first[3];\n.shared .align 1024 .b8 wide[8];\n" ENTRY
     "    .local .align 1 .b8 other[5];\n    .local .align 256 .b8 mine[8];\n" INDEX
     "    mov.u64 %rd1, mine;\n    cvta.local.u64 %rd1, %rd1;\n    and.b64 %rd1, %rd1, 255;\n"
     "    mov.u64 %rd2, wide;\n    cvta.shared.u64 %rd2, %rd2;\n    and.b64 %rd2, %rd2, 1023;\n"
     "    or.b64 %rd1, %rd1, %rd2;\n    cvt.u32.u64 %v, %rd1;\n" STORE("%v") "    ret;\n}\n",
     {2, 1, 1},
     {32, 1, 1},
     64,
     0,
     zeros,
     0,
     0,
     0},
    {"volatile_access",
     KERNEL("    ld.volatile.global.u32 %v, [%x];\n    st.volatile.global.u32 [%o], %v;\n"),
     {1, 1, 1},
     {64, 1, 1},
     64,
     64,
     same,
     0,
     0,
     0},
    {"acquire_and_release",
     KERNEL("    ld.acquire.gpu.global.u32 %v, [%x];\n    st.release.gpu.global.u32 [%o], %v;\n"
            "    fence.sc.gpu;\n    membar.gl;\n"),
     {1, 1, 1},
     {64, 1, 1},
     64,
     64,
     same,
     0,
     0,
     0},
    {"ld_global_nc",
     KERNEL("    ld.global.nc.u32 %v, [%x];\n" STORE("%v")),
     {1, 1, 1},
     {64, 1, 1},
     64,
     64,
     same,
     0,
     0,
     0},
    {"a_wild_address_is_an_illegal_address",
     KERNEL("    mov.u64 %rd1, 0x7654321000;\n    st.global.u32 [%rd1], %i;\n"),
     {1, 1, 1},
     {32, 1, 1},
     1,
     0,
     nothing,
     0,
     0,
     -700},
    {0},
};
