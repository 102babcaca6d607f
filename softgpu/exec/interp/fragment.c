// Matrices between memory and registers.
#include "matrix.h"

#include <string.h>

static uint8_t *reach(struct warp *w, const struct op *op, uint32_t lane, int64_t offset, unsigned bytes,
                      unsigned align) {
    w->pc = op;
    if (!(op->n & 1)) {
        uint64_t at = ((const uint64_t *)(w->R + op->a))[lane] + (uint64_t)(op->imm + offset);
        return sg_translate(w, op, lane, at, bytes, align);
    }
    uint32_t at = ((const uint32_t *)(w->R + op->a))[lane] + (uint32_t)(op->imm + offset);
    return sg_shared(w, op, lane, at, bytes, align);
}

static void put_register(struct warp *w, uint32_t slot, const uint8_t *from, unsigned bytes) {
    uint8_t *to = w->R + slot;
    if (w->exec == UINT32_MAX) {
        memcpy(to, from, SG_WARP * bytes);
        return;
    }
    SG_ACTIVE(i, w->exec) memcpy(to + i * bytes, from + i * bytes, bytes);
}

// ---- wmma -------------------------------------------------------------------------------------

// One run of elements apart in `matrix`: every step-th from the first on.
#define STRIDED(T)                                                                                                     \
    static void scatter_##T(void *matrix, size_t first, size_t step, const void *run, unsigned n) {                    \
        T *to = (T *)matrix + first;                                                                                   \
        for (unsigned i = 0; i < n; i++)                                                                               \
            to[i * step] = ((const T *)run)[i];                                                                        \
    }
#define STRIDED_BOTH(T)                                                                                                \
    STRIDED(T)                                                                                                         \
    static void gather_##T(void *run, const void *matrix, size_t first, size_t step, unsigned n) {                     \
        const T *from = (const T *)matrix + first;                                                                     \
        for (unsigned i = 0; i < n; i++)                                                                               \
            ((T *)run)[i] = from[i * step];                                                                            \
    }
STRIDED(uint8_t)
STRIDED_BOTH(uint16_t)
STRIDED_BOTH(uint32_t)
STRIDED_BOTH(uint64_t)

static void scatter_bits(uint8_t *matrix, size_t first, size_t step, const uint8_t *run, unsigned n, unsigned bits) {
    unsigned mask = (1u << bits) - 1;
    for (unsigned i = 0; i < n; i++) {
        size_t at = (first + i * step) * bits;
        unsigned v = run[i * bits / 8] >> (i * bits % 8) & mask;
        matrix[at / 8] = (uint8_t)((matrix[at / 8] & ~(mask << at % 8)) | v << at % 8);
    }
}

static void scatter(uint8_t *matrix, size_t first, size_t step, const uint8_t *run, unsigned n, unsigned bits) {
    switch (bits) {
    case 8:
        scatter_uint8_t(matrix, first, step, run, n);
        break;
    case 16:
        scatter_uint16_t(matrix, first, step, run, n);
        break;
    case 32:
        scatter_uint32_t(matrix, first, step, run, n);
        break;
    case 64:
        scatter_uint64_t(matrix, first, step, run, n);
        break;
    default:
        scatter_bits(matrix, first, step, run, n, bits);
    }
}

// Results have 16 bits at least.
static void gather(uint8_t *run, const uint8_t *matrix, size_t first, size_t step, unsigned n, unsigned bits) {
    if (bits == 16)
        gather_uint16_t(run, matrix, first, step, n);
    else if (bits == 32)
        gather_uint32_t(run, matrix, first, step, n);
    else
        gather_uint64_t(run, matrix, first, step, n);
}

enum { MATRIX_BYTES = 32 * 32 * 4 };

// What memory holds one after the other: rows, or columns.
struct run {
    bool columns;
    unsigned count, length, bytes;
    int64_t pitch; // bytes from one to the next
};

static struct run runs_of(struct warp *w, const struct op *op, const struct sg_fragment *f) {
    struct run r = {.columns = op->form.flags & SG_F_A_COL};
    r.count = r.columns ? f->cols : f->rows;
    r.length = r.columns ? f->rows : f->cols;
    r.bytes = r.length * f->bits / 8;
    uint32_t stride = r.length;
    if (op->c) stride = ((const uint32_t *)(w->R + op->b))[sg_first(w->exec)];
    r.pitch = (int64_t)stride * f->bits / 8;
    return r;
}

const struct op *sg_op_wmma_load(struct warp *w, const struct op *op) {
    struct sg_fragment f = *sg_fragments(op);
    struct run r = runs_of(w, op, &f);
    const uint32_t *registers = sg_fragment_registers(op, 1);
    uint8_t rows[MATRIX_BYTES] __attribute__((aligned(8)));
    unsigned element = f.bits < 8 ? 1 : f.bits / 8;
    for (unsigned i = 0; i < r.count; i++) {
        const uint8_t *from = reach(w, op, sg_first(w->exec), i * r.pitch, r.bytes, element);
        if (!r.columns)
            memcpy(rows + i * r.bytes, from, r.bytes);
        else
            scatter(rows, i, r.count, from, r.length, f.bits);
    }
    unsigned bytes = f.bits == 64 ? 8 : 4, whole = f.rows * f.cols * f.bits / 8;
    for (unsigned k = 0; k < f.registers; k++)
        put_register(w, registers[k], rows + k * SG_WARP * bytes % whole, bytes);
    return op + 1;
}

const struct op *sg_op_wmma_store(struct warp *w, const struct op *op) {
    struct sg_fragment f = *sg_fragments(op);
    struct run r = runs_of(w, op, &f);
    const uint32_t *registers = sg_fragment_registers(op, 1);
    uint8_t rows[MATRIX_BYTES] __attribute__((aligned(8)));
    unsigned bytes = f.bits == 64 ? 8 : 4;
    for (unsigned k = 0; k < f.registers; k++)
        memcpy(rows + k * SG_WARP * bytes, w->R + registers[k], SG_WARP * bytes);
    for (unsigned i = 0; i < r.count; i++) {
        uint8_t *to = reach(w, op, sg_first(w->exec), i * r.pitch, r.bytes, f.bits / 8);
        if (!r.columns)
            memcpy(to, rows + i * r.bytes, r.bytes);
        else
            gather(to, rows, i, r.count, r.length, f.bits);
    }
    return op + 1;
}

// ---- 8x8 matrices of 16 bits --------------------------------------------------------------------

typedef uint16_t tile[8][8]; // as it lies in a register, two elements a lane

static void transpose(tile m) {
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < i; k++) {
            uint16_t v = m[i][k];
            m[i][k] = m[k][i];
            m[k][i] = v;
        }
}

const struct op *sg_op_ldmatrix(struct warp *w, const struct op *op) {
    tile m[4];
    unsigned count = op->c;
    for (unsigned i = 0; i < count * 8; i++)
        memcpy(m[i / 8][i % 8], reach(w, op, i, 0, 16, 16), 16);
    for (unsigned k = 0; k < count; k++) {
        if (op->form.flags & SG_F_TRANS) transpose(m[k]);
        put_register(w, op->list[k], (const uint8_t *)m[k], 4);
    }
    return op + 1;
}

const struct op *sg_op_stmatrix(struct warp *w, const struct op *op) {
    for (unsigned k = 0; k < op->c; k++) {
        tile m;
        memcpy(m, w->R + op->list[k], sizeof m);
        if (op->form.flags & SG_F_TRANS) transpose(m);
        for (unsigned i = 0; i < 8; i++)
            memcpy(reach(w, op, k * 8 + i, 0, 16, 16), m[i], 16);
    }
    return op + 1;
}

const struct op *sg_op_movmatrix(struct warp *w, const struct op *op) {
    tile m;
    memcpy(m, w->R + op->list[1], sizeof m);
    transpose(m);
    put_register(w, op->list[0], (const uint8_t *)m, 4);
    return op + 1;
}
