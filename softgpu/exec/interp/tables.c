// One table per instruction set. Built before main from code of the baseline, since a constructor
// compiled for another instruction set might not run here.
#include "ops.h"

#define TABLE(isa)                                                                                                     \
    extern const sg_handler sg_blends_##isa[6], sg_copies_##isa[5], sg_posts_##isa[6], sg_half_posts_##isa[4],         \
        sg_integer_posts_##isa[2];                                                                                     \
    struct isa_ops sg_ops_table_##isa;                                                                                 \
    static void fill_##isa(void) {                                                                                     \
        struct isa_ops *t = &sg_ops_table_##isa;                                                                       \
        const sg_handler *posts = sg_posts_##isa, *half = sg_half_posts_##isa;                                         \
        *t = (struct isa_ops){.name = #isa,                                                                            \
                              .integer = sg_pick_integer_##isa,                                                        \
                              .floating = sg_pick_floating_##isa,                                                      \
                              .half = sg_pick_half_##isa,                                                              \
                              .logic = sg_pick_logic_##isa,                                                            \
                              .convert = sg_pick_convert_##isa,                                                        \
                              .math = sg_pick_math_##isa,                                                              \
                              .warp = sg_pick_warp_##isa,                                                              \
                              .matrix = sg_pick_matrix_##isa,                                                          \
                              .atomic = sg_pick_atomic,                                                                \
                              .blend_pred = sg_blends_##isa[5],                                                        \
                              .flush32 = posts[0],                                                                     \
                              .flush64 = posts[1],                                                                     \
                              .sat32 = posts[2],                                                                       \
                              .sat64 = posts[3],                                                                       \
                              .relu32 = posts[4],                                                                      \
                              .set_rounding = posts[5],                                                                \
                              .sat16 = half[0],                                                                        \
                              .satb16 = half[1],                                                                       \
                              .relu16 = half[2],                                                                       \
                              .relub16 = half[3],                                                                      \
                              .relu_s32 = sg_integer_posts_##isa[0],                                                   \
                              .relu_s16x2 = sg_integer_posts_##isa[1]};                                                \
        for (int i = 0; i < 5; i++) {                                                                                  \
            t->blend[i] = sg_blends_##isa[i];                                                                          \
            t->copy[i] = sg_copies_##isa[i];                                                                           \
        }                                                                                                              \
    }
TABLE(baseline)
TABLE(avx2)
TABLE(avx512)

__attribute__((constructor)) static void fill_tables(void) {
    fill_baseline();
    fill_avx2();
    fill_avx512();
}

const struct isa_ops *sg_ops_table(enum sg_isa isa) {
    switch (isa) {
    case SG_ISA_AVX512:
        return &sg_ops_table_avx512;
    case SG_ISA_AVX2:
        return &sg_ops_table_avx2;
    default:
        return &sg_ops_table_baseline;
    }
}
