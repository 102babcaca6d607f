/* Matrix instructions: kernels made from a line each, and what they must give. */
#ifndef MATRIX_H
#define MATRIX_H

#include "ptx.h"

/* Types by letter: h f16, b bf16, t tf32, f f32, d f64, 8 s8, u u8, 4 s4, v u4, 1 b1, p e4m3, q e5m2, i s32. */
struct matrix_case {
    const char *name, *form; /* the multiplication, with all its words */
    unsigned m, n, k;
    char a, b, c, d;
    unsigned sm;
    const char *layouts; /* wmma: of A, B, C and D, r or c each; NULL for mma */
    const char *more;    /* t: C near the limits, for .satfinite; s: A, B, C in shared memory; x: twice A and D, by
                            arithmetic on the fragments; p: the stride left out */
};

extern const struct matrix_case matrix_cases[];

/* The kernel in `text`, and all else of the case but what to expect. */
struct kernel_case matrix_kernel(const struct matrix_case *c, char *text, size_t size);
/* Turns the words of the input into good elements, and says what must come out. */
void matrix_values(const struct matrix_case *c, uint32_t *out, uint32_t *in);

#endif
