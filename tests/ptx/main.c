/*
 * ptx-tests [--list | --dump FOLDER | NAME]: runs all cases or one. One line each, "ok NAME", "FAIL NAME why", or "skip
 * NAME why" of those for newer devices; exit status 1 if one failed. --dump writes each kernel's PTX to
 * FOLDER/NAME.ptx, for ptxas.
 */
#include "matrix.h"
#include "ptx.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *dump_folder, *only;
static int failed;

static void dump(const char *name, const char *ptx) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s.ptx", dump_folder, name);
    FILE *f = fopen(path, "w");
    if (!f) exit(2);
    fputs(ptx, f);
    fclose(f);
}

static void header(char *out, size_t size, unsigned sm) {
    snprintf(out, size, ".version %s\n.target sm_%u\n.address_size 64\n",
             sm >= 120  ? "9.2"
             : sm >= 90 ? "8.7"
                        : "7.8",
             sm ? sm : 70);
}

static bool too_new(const char *name, unsigned sm) {
    if (sm > device_sm()) printf("skip %s it is for sm_%u\n", name, sm);
    return sm > device_sm();
}

/* ---- operations ---- */

static const uint64_t int_values[] = {0,          1,          2,          3,          7,          31,
                                      0x7f,       0xff,       0x7fff,     0xffff,     0x12345678, 0x7fffffff,
                                      0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 0xdeadbeef};
static const uint64_t long_values[] = {0,
                                       1,
                                       2,
                                       5,
                                       63,
                                       0xffffffff,
                                       0x100000000,
                                       0x7fffffffffffffff,
                                       0x8000000000000000,
                                       0x8000000000000001,
                                       0xfffffffffffffffe,
                                       0xffffffffffffffff,
                                       0x123456789abcdef0};
static const uint64_t shift_values[] = {0, 1, 4, 5, 16, 31, 32, 33, 63, 64, 255, 0xffffffff};
static const uint64_t float_values[] = {
    0x00000000, 0x80000000, 0x3f800000, 0xbf800000, 0x40490fdb, 0x3eaaaaab, 0x7f7fffff, 0xff7fffff, 0x00800000,
    0x80800000, 0x00000001, 0x807fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x4b000001, 0x3f7fffff, 0xc2c80000,
    0x4f000000, 0xcf000000, 0x5f000000, 0x3f000000, 0x3fc00000, 0x40200000, 0xbf000000, 0x42fe0000};
static const uint64_t double_values[] = {0x0000000000000000, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000,
                                         0x400921fb54442d18, 0x3fd5555555555555, 0x7fefffffffffffff, 0xffefffffffffffff,
                                         0x0010000000000000, 0x0000000000000001, 0x800fffffffffffff, 0x7ff0000000000000,
                                         0xfff0000000000000, 0x7ff8000000000000, 0x4330000000000001, 0x41dfffffffc00000,
                                         0x43e0000000000000, 0xc3e0000000000000, 0x3fe0000000000000, 0x3ff8000000000000,
                                         0x36a0000000000000};
static const uint64_t half_values[] = {0x0000, 0x8000, 0x3c00, 0xbc00, 0x4248, 0x3555, 0x7bff, 0xfbff, 0x0400,
                                       0x0001, 0x83ff, 0x7c00, 0xfc00, 0x7e00, 0x6400, 0x3bff, 0x3800, 0x4500};
static const uint64_t bf16_values[] = {0x0000, 0x8000, 0x3f80, 0xbf80, 0x4049, 0x3eab, 0x7f7f, 0xff7f,
                                       0x0080, 0x0001, 0x7f80, 0xff80, 0x7fc0, 0x4b00, 0x3f7f, 0x3f00};

struct values {
    char kind;
    const uint64_t *list;
    unsigned n;
};
#define VALUES(kind, list)                                                                                             \
    { kind, list, sizeof list / sizeof *list }
static const struct values all_values[] = {
    VALUES('i', int_values),    VALUES('l', long_values), VALUES('s', shift_values), VALUES('f', float_values),
    VALUES('d', double_values), VALUES('h', half_values), VALUES('b', bf16_values)};

static const struct values *values_of(char kind) {
    for (size_t i = 0; i < sizeof all_values / sizeof *all_values; i++)
        if (all_values[i].kind == kind) return &all_values[i];
    abort();
}

static void op_text(const struct op_case *c, char *out, size_t size) {
    char head[128];
    header(head, sizeof head, c->sm);
    const char *result = strchr("rRfghp", c->out);
    static const char *const store[] = {"cvt.u64.u32 %D, %d;",
                                        "",
                                        "mov.b32 %d, %fd; cvt.u64.u32 %D, %d;",
                                        "mov.b64 %D, %dd;",
                                        "cvt.u64.u16 %D, %hd;",
                                        "selp.b32 %d, 1, 0, %pd; cvt.u64.u32 %D, %d;"};
    snprintf(out, size,
             "%s.visible .entry test(.param .u64 out, .param .u64 in, .param .u32 n)\n{\n"
             "    .reg .b32 %%i, %%n, %%a, %%b, %%c, %%d, %%t, %%u;\n    .reg .b64 %%A, %%B, %%C, %%D, %%T, %%x, %%o;\n"
             "    .reg .f32 %%fa, %%fb, %%fc, %%fd, %%ft;\n    .reg .f64 %%da, %%db, %%dc, %%dd;\n"
             "    .reg .b16 %%ha, %%hb, %%hc, %%hd, %%ht;\n    .reg .pred %%pd, %%p, %%q, %%out;\n"
             "    ld.param.u64 %%o, [out];\n    ld.param.u64 %%x, [in];\n    ld.param.u32 %%n, [n];\n"
             "    mov.u32 %%i, %%ctaid.x;\n    mov.u32 %%t, %%ntid.x;\n    mov.u32 %%u, %%tid.x;\n"
             "    mad.lo.s32 %%i, %%i, %%t, %%u;\n    setp.ge.u32 %%out, %%i, %%n;\n    @%%out exit;\n"
             "    mul.wide.u32 %%T, %%i, 24;\n    add.s64 %%x, %%x, %%T;\n"
             "    mul.wide.u32 %%T, %%i, 8;\n    add.s64 %%o, %%o, %%T;\n"
             "    ld.global.u64 %%A, [%%x];\n    ld.global.u64 %%B, [%%x+8];\n    ld.global.u64 %%C, [%%x+16];\n"
             "    cvt.u32.u64 %%a, %%A;\n    cvt.u32.u64 %%b, %%B;\n    cvt.u32.u64 %%c, %%C;\n"
             "    mov.b32 %%fa, %%a;\n    mov.b32 %%fb, %%b;\n    mov.b32 %%fc, %%c;\n"
             "    mov.b64 %%da, %%A;\n    mov.b64 %%db, %%B;\n    mov.b64 %%dc, %%C;\n"
             "    cvt.u16.u64 %%ha, %%A;\n    cvt.u16.u64 %%hb, %%B;\n    cvt.u16.u64 %%hc, %%C;\n"
             "    %s\n    %s\n    st.global.u64 [%%o], %%D;\n    ret;\n}\n",
             head, c->body, store[result - "rRfghp"]);
}

static double as_number(char out, uint64_t bits) {
    float f;
    double d;
    uint32_t low = (uint32_t)bits;
    memcpy(&f, &low, 4);
    memcpy(&d, &bits, 8);
    return out == 'f' ? f : d;
}

static bool is_nan(char out, char in, uint64_t bits) {
    if (out == 'f' || out == 'g') return isnan(as_number(out, bits));
    if (out == 'h' && in == 'b') return (bits & 0x7fff) > 0x7f80;
    return out == 'h' && (in == 'h' || in == 'f') && (bits & 0x7fff) > 0x7c00;
}

static bool agree(const struct op_case *c, uint64_t want, uint64_t got) {
    if (want == got) return true;
    if (is_nan(c->out, c->in, want)) return is_nan(c->out, c->in, got);
    if (c->tolerance == 0) return false;
    double w = as_number(c->out, want), g = as_number(c->out, got);
    if (isinf(w) || isinf(g)) return w == g;
    return fabs(w - g) <= c->tolerance * fmax(1, fabs(w));
}

static void run_op(const struct op_case *c) {
    static char text[8192];
    op_text(c, text, sizeof text);
    if (dump_folder) {
        dump(c->name, text);
        return;
    }
    if (too_new(c->name, c->sm)) return;
    const struct values *va = values_of(c->in == 's' ? 'i' : c->in), *vb = values_of(c->in);
    unsigned n = va->n * vb->n;
    uint64_t(*in)[3] = calloc(n, sizeof *in), *out = calloc(n, sizeof *out);
    for (unsigned i = 0; i < n; i++) {
        in[i][0] = va->list[i / vb->n];
        in[i][1] = vb->list[i % vb->n];
        in[i][2] = va->list[(i * 7 + i / vb->n) % va->n];
    }
    const unsigned grid[3] = {(n + 95) / 96, 1, 1}, block[3] = {96, 1, 1};
    int r = device_load(text) ? device_run(out, n * 8, in, n * 24, n, grid, block, 0) : -1;
    unsigned wrong = 0, first = 0;
    for (unsigned i = 0; i < n && r == 0; i++)
        if (!agree(c, c->expect(in[i][0], in[i][1], in[i][2]), out[i]) && wrong++ == 0) first = i;
    if (r == 0 && !wrong) {
        printf("ok %s\n", c->name);
    } else {
        failed = 1;
        if (r > 0) printf("error %d ", r);
        printf("\nFAIL %s", c->name);
        if (wrong)
            printf(" %u of %u wrong; a=%#llx b=%#llx c=%#llx: expected %#llx, got %#llx", wrong, n,
                   (unsigned long long)in[first][0], (unsigned long long)in[first][1], (unsigned long long)in[first][2],
                   (unsigned long long)c->expect(in[first][0], in[first][1], in[first][2]),
                   (unsigned long long)out[first]);
        printf("\n");
    }
    if (r == 0) device_unload();
    if (r > 0 && !device_reset()) exit(1);
    free(in);
    free(out);
}

/* ---- kernels ---- */

/* matrix: what c was made from, NULL if it was written. */
static void run_kernel(const struct kernel_case *c, const struct matrix_case *matrix) {
    static char text[16384];
    header(text, sizeof text, c->sm);
    strncat(text, c->text, sizeof text - strlen(text) - 1);
    if (dump_folder) {
        dump(c->name, text);
        return;
    }
    if (too_new(c->name, c->sm)) return;
    uint32_t *in = calloc(c->n_in + 1, 4), *out = calloc(c->n_out, 4), *want = calloc(c->n_out, 4);
    for (unsigned i = 0; i < c->n_in; i++)
        in[i] = i * 2654435761u ^ i << 7;
    if (matrix)
        matrix_values(matrix, want, in);
    else
        c->expect(want, in);
    int r =
        device_load(text) ? device_run(out, c->n_out * 4, in, c->n_in * 4, c->n_out, c->grid, c->block, c->shared) : -1;
    unsigned wrong = 0, first = 0;
    for (unsigned i = 0; i < c->n_out && r == 0 && c->result == 0; i++)
        if (out[i] != want[i] && wrong++ == 0) first = i;
    if (r == -c->result && !wrong) {
        printf("ok %s\n", c->name);
    } else {
        failed = 1;
        printf("\nFAIL %s", c->name);
        if (r != -c->result) printf(" error %d, expected %d", r, -c->result);
        if (wrong)
            printf(" %u of %u wrong; word %u: expected %#x, got %#x", wrong, c->n_out, first, want[first], out[first]);
        printf("\n");
    }
    if (r > 0) {
        if (!device_reset()) exit(1);
    } else if (r == 0) {
        device_unload();
    }
    free(in);
    free(out);
    free(want);
}

static void run_matrix(const struct matrix_case *c) {
    static char text[12288];
    struct kernel_case kernel = matrix_kernel(c, text, sizeof text);
    run_kernel(&kernel, c);
}

/* ---- all ---- */

static const struct op_case *const op_tables[] = {int_cases,  bit_cases,     float_cases, double_cases,
                                                  half_cases, convert_cases, carry_cases};
static const struct kernel_case *const kernel_tables[] = {memory_cases, atomic_cases, warp_cases,   control_cases,
                                                          tile_cases,   async_cases,  meeting_cases};

static bool wanted(const char *name, bool list) {
    if (list) puts(name);
    return !list && (!only || !strcmp(only, name));
}

int main(int argc, char **argv) {
    bool list = argc > 1 && !strcmp(argv[1], "--list");
    if (argc > 2 && !strcmp(argv[1], "--dump"))
        dump_folder = argv[2];
    else if (argc > 1 && !list)
        only = argv[1];
    if (!list && !dump_folder && !device_open()) return 1;
    for (size_t t = 0; t < sizeof op_tables / sizeof *op_tables; t++)
        for (const struct op_case *c = op_tables[t]; c->name; c++)
            if (wanted(c->name, list)) run_op(c);
    for (size_t t = 0; t < sizeof kernel_tables / sizeof *kernel_tables; t++)
        for (const struct kernel_case *c = kernel_tables[t]; c->name; c++)
            if (wanted(c->name, list)) run_kernel(c, NULL);
    for (const struct matrix_case *c = matrix_cases; c->name; c++)
        if (wanted(c->name, list)) run_matrix(c);
    return failed;
}
