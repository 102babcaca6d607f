/* Matrices of 8x8 halves between shared memory and registers: ldmatrix, stmatrix, movmatrix. */
#include "kernel.h"

static uint32_t row_of(uint32_t lane) {
    return lane * 5 % 32;
}

static uint32_t half(const uint32_t *words, uint32_t row, uint32_t col) {
    return words[row * 4 + col / 2] >> col % 2 * 16 & 0xffff;
}

/* Register q of each lane, at out[q * 32]. */
static void loaded(uint32_t *out, const uint32_t *in, unsigned count, bool trans) {
    EACH(32)
    for (unsigned q = 0; q < count; q++) {
        uint32_t row = i / 4, col = i % 4 * 2, v[2];
        for (unsigned h = 0; h < 2; h++)
            v[h] = trans ? half(in, row_of(q * 8 + col + h), row) : half(in, row_of(q * 8 + row), col + h);
        out[q * 32 + i] = v[0] | v[1] << 16;
    }
}
EXPECT(load1)
{ loaded(out, in, 1, false); }
EXPECT(load2)
{ loaded(out, in, 2, false); }
EXPECT(load4)
{ loaded(out, in, 4, false); }
EXPECT(load1_trans)
{ loaded(out, in, 1, true); }
EXPECT(load2_trans)
{ loaded(out, in, 2, true); }
EXPECT(load4_trans)
{ loaded(out, in, 4, true); }

/* Register q of lane i comes from in[q * 32 + i]; out is shared memory, whose other bytes are zero. */
static void stored(uint32_t *out, const uint32_t *in, unsigned count, bool trans) {
    for (unsigned q = 0; q < count; q++)
        for (uint32_t row = 0; row < 8; row++)
            for (uint32_t col = 0; col < 8; col++) {
                uint32_t v = trans ? half(in + q * 32, col, row) : half(in + q * 32, row, col);
                out[row_of(q * 8 + row) * 4 + col / 2] |= v << col % 2 * 16;
            }
}
EXPECT(store1)
{ stored(out, in, 1, false); }
EXPECT(store2_trans)
{ stored(out, in, 2, true); }
EXPECT(store4)
{ stored(out, in, 4, false); }
EXPECT(store4_trans)
{ stored(out, in, 4, true); }
EXPECT(moved)
{
    EACH(32)
    out[i] = half(in, i % 4 * 2, i / 4) | half(in, i % 4 * 2 + 1, i / 4) << 16;
}

#define BUFFER "    .shared .align 16 .b8 buffer[512];\n"
/* %r20: this lane's row, by row_of. */
#define ROWS                                                                                                           \
    "    mul.lo.u32 %r20, %t, 5;\n    and.b32 %r20, %r20, 31;\n    shl.b32 %r20, %r20, 4;\n    mov.u32 %r21, "         \
    "buffer;\n"                                                                                                        \
    "    add.u32 %r20, %r20, %r21;\n    shl.b32 %r22, %t, 2;\n    add.u32 %r21, %r21, %r22;\n"
#define FOUR(op) op(0, 10) op(128, 11) op(256, 12) op(384, 13)
#define IN_TO_SHARED(at, r) "    ld.global.u32 %r" #r ", [%x+" #at "];\n    st.shared.u32 [%r21+" #at "], %r" #r ";\n"
#define ZERO_SHARED(at, r) "    st.shared.u32 [%r21+" #at "], 0;\n"
#define IN_TO_REGISTER(at, r) "    ld.global.u32 %r" #r ", [%x+" #at "];\n"
#define REGISTER_TO_OUT(at, r) "    st.global.u32 [%o+" #at "], %r" #r ";\n"
#define SHARED_TO_OUT(at, r) "    ld.shared.u32 %r" #r ", [%r21+" #at "];\n    st.global.u32 [%o+" #at "], %r" #r ";\n"
#define CLEAR_REGISTERS "    mov.u32 %r10, 0;\n    mov.u32 %r11, 0;\n    mov.u32 %r12, 0;\n    mov.u32 %r13, 0;\n"

#define LOAD(words)                                                                                                    \
    KERNEL(BUFFER ROWS FOUR(IN_TO_SHARED) CLEAR_REGISTERS "    bar.warp.sync -1;\n    " words FOUR(REGISTER_TO_OUT))
#define STORE_TILES(words)                                                                                             \
    KERNEL(BUFFER ROWS FOUR(ZERO_SHARED) FOUR(IN_TO_REGISTER) "    bar.warp.sync -1;\n    " words                      \
                                                              "    bar.warp.sync -1;\n" FOUR(SHARED_TO_OUT))
#define WARP {1, 1, 1}, {32, 1, 1}, 128, 128

const struct kernel_case tile_cases[] = {
    {"ldmatrix_x1", LOAD("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r10}, [%r20];\n"), WARP, load1, 0, 75, 0},
    {"ldmatrix_x2", LOAD("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r10, %r11}, [%r20];\n"), WARP, load2, 0, 75, 0},
    {"ldmatrix_x4", LOAD("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r10, %r11, %r12, %r13}, [%r20];\n"), WARP, load4,
     0, 75, 0},
    {"ldmatrix_x1_trans", LOAD("ldmatrix.sync.aligned.m8n8.x1.trans.shared::cta.b16 {%r10}, [%r20];\n"), WARP,
     load1_trans, 0, 75, 0},
    {"ldmatrix_x2_trans", LOAD("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%r10, %r11}, [%r20];\n"), WARP,
     load2_trans, 0, 75, 0},
    {"ldmatrix_x4_trans_of_generic_addresses",
     LOAD("cvt.u64.u32 %rd5, %r20;\n    cvta.shared.u64 %rd5, %rd5;\n"
          "    ldmatrix.sync.aligned.m8n8.x4.trans.b16 {%r10, %r11, %r12, %r13}, [%rd5];\n"),
     WARP, load4_trans, 0, 75, 0},
    {"stmatrix_x1", STORE_TILES("stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r20], {%r10};\n"), WARP, store1, 0, 90, 0},
    {"stmatrix_x2_trans", STORE_TILES("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%r20], {%r10, %r11};\n"), WARP,
     store2_trans, 0, 90, 0},
    {"stmatrix_x4", STORE_TILES("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%r20], {%r10, %r11, %r12, %r13};\n"), WARP,
     store4, 0, 90, 0},
    {"stmatrix_x4_trans",
     STORE_TILES("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%r20], {%r10, %r11, %r12, %r13};\n"), WARP,
     store4_trans, 0, 90, 0},
    {"movmatrix_transposes",
     KERNEL("    ld.global.u32 %v, [%x];\n    movmatrix.sync.aligned.m8n8.trans.b16 %r1, %v;\n" STORE("%r1")),
     {1, 1, 1},
     {32, 1, 1},
     32,
     32,
     moved,
     0,
     75,
     0},
    {"ldmatrix_of_a_misaligned_row_fails",
     LOAD("add.u32 %r20, %r20, 8;\n    ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r10}, [%r20];\n"), WARP, load1, 0, 75,
     -716},
    {0},
};
