// Decoding of the instructions on matrices.
#include "decode.h"
#include "matrix.h"

struct registers {
    uint32_t list; // index
    uint32_t n;
};

static void add_registers(struct decoder *d, struct registers *to, const struct sg_operand *o, unsigned want) {
    unsigned n = o->kind == SG_OPND_VEC ? o->n : 1;
    if (n != want) sg_decode_fail(d, "a matrix of this many registers");
    for (unsigned i = 0; i < n; i++) {
        uint32_t slot = sg_source(d, o->kind == SG_OPND_VEC ? &o->vec[i] : o);
        d->code->lists[to->list][to->n++] = slot;
    }
}

static void add_fragment(struct decoder *d, struct registers *to, const struct sg_fragment *f) {
    memcpy(d->code->lists[to->list] + to->n, f, sizeof *f);
    to->n += SG_FRAGMENT_WORDS;
}

static void decode_multiply(struct decoder *d, const struct sg_insn *insn) {
    sg_handler fn = d->isa->matrix(insn, d->fn);
    if (!fn) sg_decode_fail(d, "the software GPU multiplies no matrices of this shape and these types");
    bool row_col = !(insn->flags & SG_F_A_COL) && (insn->flags & SG_F_B_COL);
    if (insn->op == SG_OP_MMA && !row_col) sg_decode_fail(d, "mma of other layouts than .row.col");
    const struct sg_operand *operands[] = {&insn->src[0], &insn->src[1], &insn->src[2], &insn->dst[0]};
    static const enum sg_part order[] = {SG_PART_D, SG_PART_A, SG_PART_B, SG_PART_C};
    struct registers r = {.list = sg_new_list(d, 4 * (SG_FRAGMENT_WORDS + SG_MAX_VECTOR))};
    struct sg_fragment f[4];
    for (unsigned i = 0; i < 4; i++) {
        f[i] = sg_fragment_of(insn, order[i]);
        add_fragment(d, &r, &f[i]);
    }
    for (unsigned i = 0; i < 4; i++)
        add_registers(d, &r, operands[order[i]], f[i].registers);
    sg_emit(d, fn)->list = d->code->lists[r.list];
}

// Shared memory by offset, all else by address.
static struct op *emit_access(struct decoder *d, sg_handler fn, const struct sg_place *p, uint32_t list) {
    if (p->space != SG_SHARED && p->space != SG_GENERIC) sg_decode_fail(d, "a matrix in this state space");
    struct op *op = sg_emit_at(d, fn, p);
    op->n = p->space == SG_SHARED;
    op->list = d->code->lists[list];
    return op;
}

static void decode_move(struct decoder *d, const struct sg_insn *insn) {
    if (!sg_shape_exists(insn)) sg_decode_fail(d, "the software GPU has no matrices of this shape and type");
    bool load = insn->is & SG_P_READS;
    struct sg_fragment f = sg_fragment_of(insn, sg_moved_part(insn));
    struct registers r = {.list = sg_new_list(d, SG_FRAGMENT_WORDS + SG_MAX_VECTOR)};
    add_fragment(d, &r, &f);
    add_registers(d, &r, load ? &insn->dst[0] : &insn->src[1], f.registers);
    unsigned with_stride = load ? 2 : 3;
    bool stride = insn->nsrc == with_stride;
    uint32_t slot = stride ? sg_source(d, &insn->src[with_stride - 1]) : 0;
    struct sg_place p = sg_find_place(d, &insn->src[0], insn->space);
    struct op *op = emit_access(d, load ? sg_op_wmma_load : sg_op_wmma_store, &p, r.list);
    op->b = slot;
    op->c = stride;
}

static void decode_tiles(struct decoder *d, const struct sg_insn *insn) {
    bool load = insn->is & SG_P_READS;
    if (insn->m != 8 || insn->n != 8 || insn->type != SG_B16 || insn->vec > 4)
        sg_decode_fail(d, "the software GPU moves matrices of .m8n8 and .b16 alone");
    struct registers r = {.list = sg_new_list(d, SG_MAX_VECTOR)};
    add_registers(d, &r, load ? &insn->dst[0] : &insn->src[1], insn->vec);
    struct sg_place p = sg_find_place(d, &insn->src[0], insn->space);
    emit_access(d, load ? sg_op_ldmatrix : sg_op_stmatrix, &p, r.list)->c = insn->vec;
}

static void decode_movmatrix(struct decoder *d, const struct sg_insn *insn) {
    if (insn->m != 8 || insn->n != 8 || insn->type != SG_B16 || !(insn->flags & SG_F_TRANS))
        sg_decode_fail(d, "movmatrix of another form than .m8n8.trans.b16");
    struct registers r = {.list = sg_new_list(d, 2)};
    add_registers(d, &r, &insn->dst[0], 1);
    add_registers(d, &r, &insn->src[0], 1);
    sg_emit(d, sg_op_movmatrix)->list = d->code->lists[r.list];
}

void sg_decode_matrix(struct decoder *d, const struct sg_insn *insn) {
    bool accesses = insn->is & (SG_P_READS | SG_P_WRITES), tiles = sg_family_of(insn) == SG_FAMILY_TILE;
    if (tiles)
        (accesses ? decode_tiles : decode_movmatrix)(d, insn);
    else
        (accesses ? decode_move : decode_multiply)(d, insn);
}
