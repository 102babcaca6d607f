// mma and wmma.mma: all matrices as doubles, which hold every element, product and sum of integers exactly.
#include "matrix.h"
#include "round.h"

#include <math.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;

struct matrices {
    double a[SG_MATRIX_ELEMENTS], b[SG_MATRIX_ELEMENTS], sum[SG_MATRIX_OUT];
};

// ---- elements ---------------------------------------------------------------------------------

// A half's bits as a float's are 2^112 times too small. Made of operations that exist for vectors.
static inline float from_half(u32 v) {
    u32 magnitude = (v & 0x7fff) << 13;
    u32 finite = sg_u32(sg_f32(magnitude) * 0x1p112f);
    return sg_f32((v & 0x8000) << 16 | ((v & 0x7c00) == 0x7c00 ? magnitude | 0x7f800000 : finite));
}

// Both formats of 8 bits are halves with fewer bits; e4m3's exponent has another bias, and no infinity.
static inline float from_e5m2(u32 v) {
    return from_half(v << 8);
}
static inline float from_e4m3(u32 v) {
    float f = 256 * from_half((v & 0x80) << 8 | (v & 0x7f) << 7);
    return (v & 0x7f) == 0x7f ? sg_f32(0x7fffffff) : f;
}

#define WIDEN(T, expr)                                                                                                 \
    {                                                                                                                  \
        const T *from = reg;                                                                                           \
        for (unsigned i = 0; i < n; i++) {                                                                             \
            T x = from[i];                                                                                             \
            to[i] = (expr);                                                                                            \
        }                                                                                                              \
        break;                                                                                                         \
    }
#define NIBBLE(i) (bytes[(i) / 2] >> (i) % 2 * 4 & 15)

// n elements as they lie in a register of the warp.
static void widen(double *restrict to, const void *reg, unsigned n, enum sg_type type) {
    const u8 *bytes = reg;
    switch (type) {
    case SG_F64:
        memcpy(to, reg, n * sizeof *to);
        break;
    case SG_F32:
        WIDEN(float, x)
    case SG_TF32:
        WIDEN(u32, sg_f32(x & 0xffffe000))
    case SG_BF16:
        WIDEN(u16, sg_from_bf16(x))
    case SG_F16:
        WIDEN(u16, from_half(x))
    case SG_E4M3:
        WIDEN(u8, from_e4m3(x))
    case SG_E5M2:
        WIDEN(u8, from_e5m2(x))
    case SG_S32:
        WIDEN(int32_t, x)
    case SG_S8:
        WIDEN(int8_t, x)
    case SG_U8:
        WIDEN(u8, x)
    case SG_S4:
        for (unsigned i = 0; i < n; i++)
            to[i] = (int)(NIBBLE(i) ^ 8) - 8;
        break;
    case SG_U4:
        for (unsigned i = 0; i < n; i++)
            to[i] = NIBBLE(i);
        break;
    default:
        for (unsigned i = 0; i < n; i++)
            to[i] = bytes[i / 8] >> i % 8 & 1;
    }
}

static u16 half_of(double v) {
    if (v != v) return 0x7fff;
    u16 sign = signbit(v) ? 0x8000 : 0;
    if (isinf(v)) return sign | 0x7c00;
    return sign | (u16)sg_round_double(v, &sg_fmt_f16, SG_RN, false);
}

static int32_t integer_of(double v, bool clamp) {
    if (!clamp) return (int32_t)(u32)(int64_t)v;
    return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int32_t)v;
}

static void narrow(void *reg, const double *restrict from, unsigned n, enum sg_type type, bool clamp) {
    switch (type) {
    case SG_F64:
        memcpy(reg, from, n * sizeof *from);
        break;
    case SG_F32:
        for (unsigned i = 0; i < n; i++)
            ((float *)reg)[i] = sg_canon((float)from[i]);
        break;
    case SG_F16:
        for (unsigned i = 0; i < n; i++)
            ((u16 *)reg)[i] = half_of(from[i]);
        break;
    default:
        for (unsigned i = 0; i < n; i++)
            ((int32_t *)reg)[i] = integer_of(from[i], clamp);
    }
}

// ---- layouts ----------------------------------------------------------------------------------

// mma's, register by register. Four neighbouring lanes hold a run of a row of A, of a column of B; eight such
// groups hold 8 rows or columns. Of C and D they hold 8 elements of a row, two neighbours a lane.
static void place_a(double *a, const double *from, const struct sg_fragment *f, unsigned reg) {
    unsigned bands = f->rows / 8, run = 4 * f->per;
    double *to = a + reg % bands * 8 * f->cols + reg / bands * run;
    for (unsigned g = 0; g < 8; g++)
        for (unsigned i = 0; i < run; i++)
            to[g * f->cols + i] = from[g * run + i];
}

static void place_b(double *b, const double *from, const struct sg_fragment *f, unsigned reg) {
    unsigned run = 4 * f->per;
    for (unsigned i = 0; i < run; i++)
        for (unsigned g = 0; g < 8; g++)
            b[(reg * run + i) * 8 + g] = from[g * run + i];
}

// A pair is in one register of halves, else in two.
static double *sum_at(double *sum, const struct sg_fragment *f, unsigned reg, unsigned i) {
    unsigned k = f->per == 2 ? reg * 2 + i % 2 : reg, lane = f->per == 2 ? i / 2 : i;
    return sum + (lane / 4 + k / 2 * 8) * 8 + lane % 4 * 2 + k % 2;
}

static bool in_order(const struct op *op) {
    return op->form.mode == SG_WMMA_MMA;
}

static void gather(struct warp *w, const struct op *op, const u32 *list, enum sg_part part, struct sg_fragment f,
                   double *to) {
    unsigned n = SG_WARP * f.per, whole = f.rows * f.cols;
    if (in_order(op)) {
        for (unsigned r = 0; r < f.registers && r * n < whole; r++)
            widen(to + r * n, w->R + list[r], n, f.type);
        return;
    }
    double elements[SG_WARP * 32];
    for (unsigned r = 0; r < f.registers; r++) {
        widen(elements, w->R + list[r], n, f.type);
        if (part == SG_PART_A)
            place_a(to, elements, &f, r);
        else if (part == SG_PART_B)
            place_b(to, elements, &f, r);
        else
            for (unsigned i = 0; i < n; i++)
                *sum_at(to, &f, r, i) = elements[i];
    }
}

static void scatter(struct warp *w, const struct op *op, const u32 *list, double *from) {
    struct sg_fragment f = *sg_fragments(op);
    unsigned n = SG_WARP * f.per, bytes = f.bits == 64 ? 8 : 4;
    bool clamp = op->form.flags & SG_F_SATFINITE, ordered = in_order(op);
    for (unsigned r = 0; r < f.registers; r++) {
        double elements[SG_WARP * 2];
        u8 reg[SG_WARP * 8], *to = w->R + list[r];
        for (unsigned i = 0; i < n && !ordered; i++)
            elements[i] = *sum_at(from, &f, r, i);
        const double *values = ordered ? from + r * n : elements;
        if (w->exec == UINT32_MAX) {
            narrow(to, values, n, f.type, clamp);
            continue;
        }
        narrow(reg, values, n, f.type, clamp);
        SG_ACTIVE(i, w->exec) memcpy(to + i * bytes, reg + i * bytes, bytes);
    }
}

// ---- products ---------------------------------------------------------------------------------

static inline __attribute__((always_inline)) void multiply_rows(struct matrices *x, unsigned m, unsigned n, unsigned k,
                                                                bool fused) {
    for (unsigned i = 0; i < m; i++) {
        double row[32];
        for (unsigned j = 0; j < n; j++)
            row[j] = x->sum[i * n + j];
        for (unsigned p = 0; p < k; p++) {
            double v = x->a[i * k + p];
            const double *b = x->b + p * n;
            for (unsigned j = 0; j < n; j++)
                row[j] = fused ? fma(v, b[j], row[j]) : row[j] + v * b[j];
        }
        for (unsigned j = 0; j < n; j++)
            x->sum[i * n + j] = row[j];
    }
}

static void multiply(struct matrices *x, unsigned m, unsigned n, unsigned k, bool fused) {
    if (fused)
        multiply_rows(x, m, 8, k, true);
    else if (n == 8)
        multiply_rows(x, m, 8, k, false);
    else if (n == 16)
        multiply_rows(x, m, 16, k, false);
    else
        multiply_rows(x, m, 32, k, false);
}

// x xor y = (x - 1/2) (1 - 2 y) + 1/2 for bits.
static void prepare_xor(struct matrices *x, unsigned m, unsigned n, unsigned k) {
    for (unsigned i = 0; i < m * k; i++)
        x->a[i] -= 0.5;
    for (unsigned i = 0; i < k * n; i++)
        x->b[i] = 1 - 2 * x->b[i];
    for (unsigned i = 0; i < m * n; i++)
        x->sum[i] += k * 0.5;
}

HANDLER(multiply_matrices) {
    struct matrices x;
    const struct sg_fragment *f = sg_fragments(op), d = f[0], a = f[1], b = f[2], c = f[3];
    const u32 *to = sg_fragment_registers(op, 4), *from = to + d.registers;
    gather(w, op, from, SG_PART_A, a, x.a);
    gather(w, op, from + a.registers, SG_PART_B, b, x.b);
    gather(w, op, from + a.registers + b.registers, SG_PART_C, c, x.sum);
    if (a.type == SG_B1 && op->form.detail == SG_ATOM_XOR) prepare_xor(&x, d.rows, d.cols, a.cols);
    multiply(&x, d.rows, d.cols, a.cols, a.type == SG_F64);
    scatter(w, op, to, x.sum);
    return op + 1;
}

sg_handler SG_ISA_NAME(sg_pick_matrix)(const struct sg_insn *insn, const struct sg_function *fn) {
    (void)fn;
    return sg_shape_exists(insn) ? multiply_matrices : NULL;
}
