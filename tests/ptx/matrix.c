/*
 * Multiplications of matrices. Elements are such that all sums are exact in the type of the result, so that they do
 * not depend on how it is summed.
 */
#include "matrix.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum part { A, B, C, D };

struct matrix {
    char type;
    unsigned rows, cols, bits, per; /* per: elements of a register */
    unsigned registers, first;      /* first: word of the input or output */
    unsigned stride;                /* wmma: elements from one row or column to the next */
    bool columns;
};

static unsigned bits_of(char type) {
    switch (type) {
    case 'd':
        return 64;
    case 'f':
    case 't':
    case 'i':
        return 32;
    case 'h':
    case 'b':
        return 16;
    case '4':
    case 'v':
        return 4;
    case '1':
        return 1;
    default:
        return 8;
    }
}

static unsigned words_of(const struct matrix_case *c, const struct matrix *x) {
    unsigned elements = c->layouts ? x->stride * (x->columns ? x->cols : x->rows) : x->rows * x->cols;
    return (elements * x->bits / 32 + 7) / 8 * 8;
}

static struct matrix matrix_of(const struct matrix_case *c, enum part part) {
    const char types[] = {c->a, c->b, c->c, c->d};
    struct matrix x = {.type = types[part]};
    x.rows = part == B ? c->k : c->m;
    x.cols = part == A ? c->k : c->n;
    x.bits = bits_of(x.type);
    x.per = x.bits == 64 ? 1 : 32 / x.bits;
    x.registers = x.rows * x.cols / x.per / 32;
    if (c->layouts) {
        if (x.type == 'h' && part < C) x.registers = 8; /* every element in two lanes or more */
        x.columns = c->layouts[part] == 'c';
        x.stride = x.columns ? x.rows : x.cols;
        if (!strchr(c->more, 'p')) x.stride += 128 / x.bits;
    }
    for (enum part before = A; before < part && part != D; before++) {
        struct matrix y = matrix_of(c, before);
        x.first += words_of(c, &y);
    }
    return x;
}

/* ---- elements ---- */

static double small_float(unsigned bits, unsigned mantissa, unsigned exponent) {
    unsigned e = bits >> mantissa & ((1u << exponent) - 1), f = bits & ((1u << mantissa) - 1);
    int bias = (1 << (exponent - 1)) - 1;
    double v = e ? ldexp((1u << mantissa) + f, (int)e - bias - (int)mantissa) : ldexp(f, 1 - bias - (int)mantissa);
    return bits >> (mantissa + exponent) & 1 ? -v : v;
}

static double get(const struct matrix *x, const uint32_t *words, size_t element) {
    if (x->type == 'd') {
        double v;
        memcpy(&v, words + x->first + element * 2, 8);
        return v;
    }
    uint32_t word = words[x->first + element * x->bits / 32];
    uint32_t v = word >> (element * x->bits % 32) & (x->bits == 32 ? ~0u : (1u << x->bits) - 1);
    switch (x->type) {
    case 'f':
    case 't':
        return small_float(v, 23, 8);
    case 'h':
        return small_float(v, 10, 5);
    case 'b':
        return small_float(v, 7, 8);
    case 'p':
        return small_float(v, 3, 4);
    case 'q':
        return small_float(v, 2, 5);
    case '8':
        return (int8_t)v;
    case '4':
        return v & 8 ? (int)v - 16 : (int)v;
    case 'i':
        return (int32_t)v;
    default:
        return v;
    }
}

static void put(const struct matrix *x, uint32_t *words, size_t element, double v, bool clamp) {
    if (x->type == 'd') {
        memcpy(words + element * 2, &v, 8);
    } else if (x->type == 'f') {
        float f = (float)v;
        memcpy(words + element, &f, 4);
    } else if (x->type == 'i') {
        int64_t i = (int64_t)v;
        if (clamp) i = i > INT32_MAX ? INT32_MAX : i < INT32_MIN ? INT32_MIN : i;
        words[element] = (uint32_t)i;
    } else {
        _Float16 h = (_Float16)v;
        memcpy((uint16_t *)words + element, &h, 2);
    }
}

/* ---- where elements are ---- */

/* mma: the element's lane and register by PTX's tables, as its place in the words. */
static size_t fragment_place(const struct matrix *x, enum part part, unsigned row, unsigned col) {
    unsigned lane, reg, at;
    if (part == A) {
        lane = row % 8 * 4 + col / x->per % 4;
        reg = row / 8 + col / (4 * x->per) * (x->rows / 8);
        at = col % x->per;
    } else if (part == B) {
        lane = col * 4 + row / x->per % 4;
        reg = row / (4 * x->per);
        at = row % x->per;
    } else {
        unsigned i = row / 8 * 2 + col % 2;
        lane = row % 8 * 4 + col / 2;
        reg = i / x->per;
        at = i % x->per;
    }
    return ((size_t)reg * 32 + lane) * x->per + at;
}

static size_t place(const struct matrix_case *c, const struct matrix *x, enum part part, unsigned row, unsigned col) {
    if (!c->layouts) return fragment_place(x, part, row, col);
    return x->columns ? (size_t)col * x->stride + row : (size_t)row * x->stride + col;
}

static void expect(uint32_t *out, const uint32_t *in, const struct matrix_case *c) {
    struct matrix a = matrix_of(c, A), b = matrix_of(c, B), s = matrix_of(c, C), d = matrix_of(c, D);
    bool twice = strchr(c->more, 'x');
    for (unsigned i = 0; i < c->m; i++)
        for (unsigned j = 0; j < c->n; j++) {
            double sum = get(&s, in, place(c, &s, C, i, j));
            for (unsigned p = 0; p < c->k; p++) {
                double x = get(&a, in, place(c, &a, A, i, p)), y = get(&b, in, place(c, &b, B, p, j));
                if (twice) x *= 2;
                sum += strstr(c->form, ".xor") ? x != y : x * y;
            }
            put(&d, out, place(c, &d, D, i, j), twice ? 2 * sum : sum, strstr(c->form, ".satfinite"));
        }
}

/* Between 1 and 2, or -2 and -1, with few bits; integers as they are. */
static void tame(const struct matrix_case *c, const struct matrix *x, uint32_t *words, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        uint32_t *w = &words[x->first + i];
        switch (x->type) {
        case 'h':
            *w = (*w & (c->d == 'h' || c->c == 'h' ? 0x83008300 : 0x83e083e0)) | 0x3c003c00;
            break;
        case 'b':
            *w = (*w & 0x807c807c) | 0x3f803f80;
            break;
        case 't':
        case 'f':
            *w = (*w & (c->d == 'h' ? 0x80600000 : 0x807c0000)) | 0x3f800000;
            break;
        case 'd':
            *w = i % 2 ? (*w & 0x800ff000) | 0x3ff00000 : 0;
            break;
        case 'p':
            *w = (*w & 0x83838383) | 0x38383838;
            break;
        case 'q':
            *w = (*w & 0x83838383) | 0x3c3c3c3c;
            break;
        case 'i':
            if (strchr(c->more, 't')) *w = *w & 1 ? 0x80000080 : 0x7fffff80;
        }
    }
}

void matrix_values(const struct matrix_case *c, uint32_t *out, uint32_t *in) {
    for (enum part part = A; part <= C; part++) {
        struct matrix x = matrix_of(c, part);
        tame(c, &x, in, words_of(c, &x));
    }
    expect(out, in, c);
}

/* ---- the kernel ---- */

struct out {
    char *text;
    size_t size, used;
};

static void __attribute__((format(printf, 2, 3))) say(struct out *o, const char *format, ...) {
    va_list args;
    va_start(args, format);
    o->used += (size_t)vsnprintf(o->text + o->used, o->size - o->used, format, args);
    va_end(args);
    if (o->used >= o->size) abort();
}

static const char letters[] = "abcd";

static void say_fragment(struct out *o, const struct matrix *x, enum part part) {
    say(o, "{");
    for (unsigned r = 0; r < x->registers; r++)
        say(o, "%s%%%c%u", r ? ", " : "", letters[part], r);
    say(o, "}");
}

static void say_mma_moves(struct out *o, const struct matrix *x, enum part part) {
    unsigned bytes = x->bits == 64 ? 8 : 4;
    for (unsigned r = 0; r < x->registers; r++) {
        unsigned offset = x->first * 4 + r * 32 * bytes;
        if (part == D)
            say(o, "    st.global.b%u [%%o%u+%u], %%d%u;\n", bytes * 8, bytes, offset, r);
        else
            say(o, "    ld.global.b%u %%%c%u, [%%x%u+%u];\n", bytes * 8, letters[part], r, bytes, offset);
    }
}

static const char *type_name(char type) {
    static const char *const names[128] = {
        ['h'] = "f16", ['b'] = "bf16", ['t'] = "tf32", ['f'] = "f32", ['d'] = "f64", ['8'] = "s8",
        ['u'] = "u8",  ['4'] = "s4",   ['v'] = "u4",   ['1'] = "b1",  ['i'] = "s32"};
    return names[(int)type];
}

static void say_wmma_moves(struct out *o, const struct matrix_case *c, const struct matrix *x, enum part part) {
    bool shared = strchr(c->more, 's') && part != D;
    char stride[32] = "";
    if (!strchr(c->more, 'p')) snprintf(stride, sizeof stride, ", %u", x->stride);
    char head[128], address[64];
    snprintf(head, sizeof head, "wmma.%s.%c.sync.aligned.%s.m%un%uk%u%s.%s", part == D ? "store" : "load",
             letters[part], x->columns ? "col" : "row", c->m, c->n, c->k, shared ? ".shared" : ".global",
             type_name(x->type));
    snprintf(address, sizeof address, "[%s+%u]", part == D ? "%O" : shared ? "buffer" : "%X", x->first * 4);
    say(o, "    %s ", head);
    if (part == D) say(o, "%s, ", address);
    say_fragment(o, x, part);
    if (part != D) say(o, ", %s", address);
    say(o, "%s;\n", stride);
}

static void say_doubled(struct out *o, const struct matrix *x, enum part part) {
    for (unsigned r = 0; r < x->registers; r++)
        say(o, "    add.%s %%%c%u, %%%c%u, %%%c%u;\n", x->type == 'h' ? "f16x2" : type_name(x->type), letters[part], r,
            letters[part], r, letters[part], r);
}

static void say_kernel(struct out *o, const struct matrix_case *c) {
    struct matrix x[] = {matrix_of(c, A), matrix_of(c, B), matrix_of(c, C), matrix_of(c, D)};
    unsigned words = x[C].first + words_of(c, &x[C]);
    say(o, ".visible .entry test(.param .u64 out, .param .u64 in, .param .u32 n)\n{\n");
    say(o, "    .reg .b64 %%O, %%X, %%t8, %%t4, %%o8, %%o4, %%x8, %%x4;\n    .reg .b32 %%t, %%v, %%s;\n    .reg .pred "
           "%%p;\n");
    say(o, "    .shared .align 32 .b8 buffer[%u];\n", words * 4);
    for (enum part part = A; part <= D; part++)
        say(o, "    .reg .%s %%%c<%u>;\n", x[part].bits == 64 ? "f64" : "b32", letters[part], x[part].registers);
    say(o, "    ld.param.u64 %%O, [out];\n    ld.param.u64 %%X, [in];\n    mov.u32 %%t, %%tid.x;\n"
           "    mul.wide.u32 %%t8, %%t, 8;\n    mul.wide.u32 %%t4, %%t, 4;\n    add.s64 %%o8, %%O, %%t8;\n"
           "    add.s64 %%o4, %%O, %%t4;\n    add.s64 %%x8, %%X, %%t8;\n    add.s64 %%x4, %%X, %%t4;\n");
    if (strchr(c->more, 's'))
        say(o,
            "    mov.u32 %%s, buffer;\n    mad.lo.u32 %%s, %%t, 4, %%s;\ncopy:\n    ld.global.u32 %%v, [%%x4];\n"
            "    st.shared.u32 [%%s], %%v;\n    add.s64 %%x4, %%x4, 128;\n    add.u32 %%s, %%s, 128;\n"
            "    add.u32 %%t, %%t, 32;\n    setp.lt.u32 %%p, %%t, %u;\n    @%%p bra copy;\n    bar.warp.sync -1;\n",
            words);
    for (enum part part = A; part <= C; part++)
        if (c->layouts)
            say_wmma_moves(o, c, &x[part], part);
        else
            say_mma_moves(o, &x[part], part);
    if (strchr(c->more, 'x')) say_doubled(o, &x[A], A);
    say(o, "    %s ", c->form);
    for (unsigned i = 0; i < 4; i++) {
        enum part part = (i + 3) % 4;
        say_fragment(o, &x[part], part);
        say(o, "%s", i == 3 ? ";\n" : ", ");
    }
    if (strchr(c->more, 'x')) say_doubled(o, &x[D], D);
    if (c->layouts)
        say_wmma_moves(o, c, &x[D], D);
    else
        say_mma_moves(o, &x[D], D);
    say(o, "    ret;\n}\n");
}

struct kernel_case matrix_kernel(const struct matrix_case *c, char *text, size_t size) {
    struct matrix last = matrix_of(c, C), d = matrix_of(c, D);
    struct out o = {text, size, 0};
    say_kernel(&o, c);
    /* Whole copies of 32 words for the loop into shared memory. */
    unsigned in = (last.first + words_of(c, &last) + 31) / 32 * 32;
    return (struct kernel_case){.name = c->name,
                                .text = text,
                                .grid = {1, 1, 1},
                                .block = {32, 1, 1},
                                .n_out = words_of(c, &d),
                                .n_in = in,
                                .sm = c->sm};
}
