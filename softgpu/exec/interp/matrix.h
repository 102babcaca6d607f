// Matrices that a warp holds in its registers: mma, wmma, ldmatrix and their relatives.
//
// mma's layouts are PTX's. wmma's are a program's to load, store and work on element by element only, so
// they are chosen here: a matrix lies row by row in its registers, the first with the first row, which in a
// warp's frame is the matrix itself. Where PTX names more registers than that takes (halves), the matrix is
// there several times.
//
// Sums: products are exact and summed in double precision, the third matrix first, and rounded once at the
// end, so that results do not depend on the processor; hardware sums with fewer bits and cuts. f64 rounds
// after each product and sum, in the order of k.
#ifndef SOFTGPU_EXEC_MATRIX_H
#define SOFTGPU_EXEC_MATRIX_H

#include "ops.h"

enum sg_part { SG_PART_A, SG_PART_B, SG_PART_C, SG_PART_D };

struct sg_fragment {
    enum sg_type type;
    unsigned bits; // of an element
    unsigned rows, cols;
    unsigned per; // elements in a lane's part of a register
    unsigned registers;
};

// op->list: fragments, then the slots of their registers. Of multiplications four: D, A, B and C; else one.
enum { SG_FRAGMENT_WORDS = sizeof(struct sg_fragment) / sizeof(uint32_t) };
static inline const struct sg_fragment *sg_fragments(const struct op *op) {
    return op->ptr;
}
static inline const uint32_t *sg_fragment_registers(const struct op *op, unsigned fragments) {
    return op->list + fragments * SG_FRAGMENT_WORDS;
}

// One of the matrices of mma or wmma.
struct sg_fragment sg_fragment_of(const struct sg_insn *insn, enum sg_part part);
// Whether there are multiplications of this shape and these types (for loads and stores: any that has such a
// matrix).
bool sg_shape_exists(const struct sg_insn *insn);
// The matrix that wmma.load and wmma.store move.
enum sg_part sg_moved_part(const struct sg_insn *insn);

enum { SG_MATRIX_ELEMENTS = 16 * 256, SG_MATRIX_OUT = 32 * 32 };

// fragment.c: between memory and fragments. a, imm as for loads; n: 1 for offsets into shared memory; c: whether b
// holds the stride in elements.
const struct op *sg_op_wmma_load(struct warp *w, const struct op *op);
const struct op *sg_op_wmma_store(struct warp *w, const struct op *op);
// The same for c matrices of 8x8 elements of 16 bits, a row's address from each lane. op->list: registers alone.
const struct op *sg_op_ldmatrix(struct warp *w, const struct op *op);
const struct op *sg_op_stmatrix(struct warp *w, const struct op *op);
const struct op *sg_op_movmatrix(struct warp *w, const struct op *op);

#endif
