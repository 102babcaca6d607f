// The functions a kernel may call without a definition: vprintf, malloc, free, __assertfail,
// cudaGraphSetConditional; those of dynamic.c besides.
#include "ops.h"

#include <stdio.h>
#include <stdlib.h>

// ---- arguments ----------------------------------------------------------------------------------

static uint8_t *argument_place(struct warp *w, const struct argument *a, uint32_t lane) {
    if (a->in_reg) return w->R + a->slot + lane * a->bytes;
    return w->local + lane * w->local_stride + w->f->local_base + a->from_local;
}

uint64_t sg_argument(struct warp *w, const struct op *op, uint32_t k, uint32_t lane) {
    uint64_t v = 0;
    if (k >= op->call->nargs) return 0;
    const struct argument *a = &op->call->args[k];
    memcpy(&v, argument_place(w, a, lane), a->bytes < 8 ? a->bytes : 8);
    return v;
}

const void *sg_argument_bytes(struct warp *w, const struct op *op, uint32_t k, uint32_t lane, size_t bytes) {
    static const uint8_t none[16];
    if (k >= op->call->nargs || op->call->args[k].bytes < bytes) return none;
    return argument_place(w, &op->call->args[k], lane);
}

void sg_give_result(struct warp *w, const struct op *op, uint32_t lane, uint64_t v) {
    if (!op->call->nresults || !op->call->results[0].bytes) return;
    const struct argument *a = &op->call->results[0];
    memcpy(argument_place(w, a, lane), &v, a->bytes < 8 ? a->bytes : 8);
}

// A string in device memory, cut to `size` - 1 characters.
static void read_string(struct warp *w, const struct op *op, uint32_t lane, uint64_t at, char *to, size_t size) {
    size_t n = 0;
    w->pc = op;
    while (n + 1 < size) {
        const char *p = sg_translate(w, op, lane, at + n, 1, 1);
        if (!*p) break;
        to[n++] = *p;
    }
    to[n] = 0;
}

// ---- printf -------------------------------------------------------------------------------------

struct output {
    char text[4096];
    size_t used;
};

static void append(struct output *out, const char *spec, int n) {
    (void)spec;
    if (n > 0) out->used += (size_t)n;
    if (out->used > sizeof out->text - 1) out->used = sizeof out->text - 1;
}

struct cursor {
    struct warp *w;
    const struct op *op;
    uint32_t lane;
    uint64_t at;
};

static uint64_t next_value(struct cursor *c, unsigned bytes) {
    uint64_t v = 0;
    c->at = (c->at + bytes - 1) & ~(uint64_t)(bytes - 1);
    memcpy(&v, sg_translate(c->w, c->op, c->lane, c->at, bytes, 1), bytes);
    c->at += bytes;
    return v;
}

// One conversion, from `f` at '%'; returns behind it. Only known characters reach the host's printf.
static const char *one(struct output *out, const char *f, struct cursor *c) {
    char spec[32] = "%", *s = spec + 1;
    const char *start = f++;
    int longs = 0;
    char *room = out->text + out->used;
    size_t left = sizeof out->text - out->used;
    while (*f && strchr("-+ #0", *f) && s < spec + 8)
        *s++ = *f++;
    for (int part = 0; part < 2; part++) {
        if (part && *f != '.') break;
        if (part) *s++ = *f++;
        if (*f == '*') {
            int n = (int)next_value(c, 4);
            s += snprintf(s, 8, "%d", n > 9999 ? 9999 : n < -9999 ? -9999 : n);
            f++;
        }
        for (int k = 0; *f >= '0' && *f <= '9'; f++)
            if (k++ < 4) *s++ = *f;
    }
    for (; *f && strchr("hlLqjzt", *f); f++) {
        if (*f == 'h')
            longs--;
        else
            longs += *f == 'l' ? 1 : 2;
    }
    char conversion = *f;
    if (conversion) f++;
    if (conversion && strchr("diouxXc", conversion)) {
        uint64_t v = next_value(c, longs > 0 ? 8 : 4);
        if (longs > 0)
            *s++ = 'l', *s++ = 'l';
        else
            for (int k = longs; k < 0 && k > -3; k++)
                *s++ = 'h';
        *s++ = conversion;
        *s = 0;
        append(out, spec,
               longs > 0 ? snprintf(room, left, spec, (unsigned long long)v) : snprintf(room, left, spec, (unsigned)v));
    } else if (conversion && strchr("eEfFgGaA", conversion)) {
        uint64_t v = next_value(c, 8);
        *s++ = conversion;
        *s = 0;
        append(out, spec, snprintf(room, left, spec, sg_f64(v)));
    } else if (conversion == 'p') {
        *s++ = 'p';
        *s = 0;
        append(out, spec, snprintf(room, left, spec, (void *)next_value(c, 8)));
    } else if (conversion == 's') {
        char text[1024];
        uint64_t at = next_value(c, 8);
        if (at)
            read_string(c->w, c->op, c->lane, at, text, sizeof text);
        else
            strcpy(text, "(null)");
        *s++ = 's';
        *s = 0;
        append(out, spec, snprintf(room, left, spec, text));
    } else if (conversion == '%') {
        append(out, spec, snprintf(room, left, "%%"));
    } else {
        append(out, spec, snprintf(room, left, "%.*s", (int)(f - start), start));
    }
    return f;
}

static void print(struct sg_engine *engine, const char *text, size_t n) {
    pthread_mutex_lock(&engine->print_lock);
    if (engine->config.print)
        engine->config.print(engine->config.print_user, text, n);
    else
        fwrite(text, 1, n, stdout);
    pthread_mutex_unlock(&engine->print_lock);
}

HANDLER(vprintf_) {
    SG_ACTIVE(i, w->exec) {
        char format[2048];
        struct output out = {.used = 0};
        struct cursor c = {w, op, i, sg_argument(w, op, 1, i)};
        int conversions = 0;
        read_string(w, op, i, sg_argument(w, op, 0, i), format, sizeof format);
        for (const char *f = format; *f && out.used < sizeof out.text - 1;) {
            if (*f == '%') {
                if (f[1] != '%') conversions++;
                f = one(&out, f, &c);
            } else {
                out.text[out.used++] = *f++;
            }
        }
        print(w->blk->launch->engine, out.text, out.used);
        sg_give_result(w, op, i, (uint64_t)conversions);
    }
    return op + 1;
}

HANDLER(assertfail) {
    uint32_t i = sg_first(w->exec);
    char message[256], file[256], function[256];
    read_string(w, op, i, sg_argument(w, op, 0, i), message, sizeof message);
    read_string(w, op, i, sg_argument(w, op, 1, i), file, sizeof file);
    read_string(w, op, i, sg_argument(w, op, 3, i), function, sizeof function);
    const uint32_t *b = w->blk->ctaid;
    fprintf(stderr, "%s:%d: %s: block: [%u,%u,%u], thread: [%u,%u,%u] Assertion `%s` failed.\n", file,
            (int)sg_argument(w, op, 2, i), function, b[0], b[1], b[2], w->tid[0][i], w->tid[1][i], w->tid[2][i],
            message);
    sg_raise(w, op, SG_FAULT_ASSERT, i, 0, message);
}

// ---- malloc -------------------------------------------------------------------------------------

HANDLER(malloc_) {
    struct sg_engine *engine = w->blk->launch->engine;
    SG_ACTIVE(i, w->exec)
    sg_give_result(w, op, i, sg_heap_take(engine, &engine->malloc_heap, sg_argument(w, op, 0, i)));
    return op + 1;
}

HANDLER(free_) {
    SG_ACTIVE(i, w->exec) {
        uint64_t at = sg_argument(w, op, 0, i);
        if (at && !sg_heap_give_back(&w->blk->launch->engine->malloc_heap, at))
            sg_raise(w, op, SG_FAULT_ADDRESS, i, at, "free of what malloc did not give");
    }
    return op + 1;
}

// The handle of a graph's conditional value is the value's address (cuda-abi/graph/conditional.c).
HANDLER(set_conditional) {
    SG_ACTIVE(i, w->exec) {
        uint64_t at = sg_argument(w, op, 0, i);
        uint32_t value = (uint32_t)sg_argument(w, op, 1, i);
        w->pc = op;
        __atomic_store_n((uint32_t *)sg_translate(w, op, i, at, sizeof value, sizeof value), value, __ATOMIC_RELAXED);
    }
    return op + 1;
}

sg_handler sg_builtin(const char *name) {
    static const struct {
        const char *name;
        sg_handler fn;
    } table[] = {{"vprintf", vprintf_},
                 {"malloc", malloc_},
                 {"free", free_},
                 {"__assertfail", assertfail},
                 {"cudaGraphSetConditional", set_conditional}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].name, name)) return table[i].fn;
    return sg_device_runtime(name);
}
