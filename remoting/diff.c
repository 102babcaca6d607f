#include "diff.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 4096u
#define WORD 4u

static bool grow(struct hawser_diff *d, size_t *run_cap, size_t *data_cap, size_t more) {
    if (d->n_runs + 2 > *run_cap) {
        size_t n = *run_cap ? *run_cap * 2 : 64;
        uint64_t *p = realloc(d->runs, n * sizeof *p);
        if (!p) return false;
        d->runs = p;
        *run_cap = n;
    }
    if (d->size + more > *data_cap) {
        size_t n = *data_cap ? *data_cap : BLOCK;
        while (n < d->size + more)
            n *= 2;
        uint8_t *p = realloc(d->data, n);
        if (!p) return false;
        d->data = p;
        *data_cap = n;
    }
    return true;
}

/* The length of the differing words from offset on, within one block. */
static size_t run_at(const uint8_t *memory, const uint8_t *shadow, size_t offset, size_t end) {
    size_t at = offset;
    while (at < end) {
        size_t n = end - at < WORD ? end - at : WORD;
        if (!memcmp(memory + at, shadow + at, n)) break;
        at += n;
    }
    return at - offset;
}

bool hawser_diff_take(const void *memory_, void *shadow_, size_t size, size_t offset, size_t limit,
                      struct hawser_diff *out) {
    const uint8_t *memory = memory_;
    uint8_t *shadow = shadow_;
    size_t run_cap = 0, data_cap = 0;
    *out = (struct hawser_diff){.next = offset};
    while (out->next < size && out->size < limit) {
        size_t end = out->next / BLOCK * BLOCK + BLOCK;
        if (end > size) end = size;
        if (!memcmp(memory + out->next, shadow + out->next, end - out->next)) {
            out->next = end;
            continue;
        }
        for (size_t at = out->next; at < end;) {
            size_t n = run_at(memory, shadow, at, end);
            if (!n) {
                at += WORD;
                continue;
            }
            if (!grow(out, &run_cap, &data_cap, n)) {
                hawser_diff_free(out);
                return false;
            }
            /* Taken once: another thread may be writing. */
            memcpy(out->data + out->size, memory + at, n);
            memcpy(shadow + at, out->data + out->size, n);
            out->runs[out->n_runs++] = at;
            out->runs[out->n_runs++] = n;
            out->size += n;
            at += n;
        }
        out->next = end;
    }
    return true;
}

void hawser_diff_free(struct hawser_diff *d) {
    free(d->runs);
    free(d->data);
    *d = (struct hawser_diff){0};
}

bool hawser_diff_apply(void *memory, void *shadow, size_t size, const uint64_t *runs, size_t n_runs, const void *data,
                       size_t data_size) {
    size_t used = 0;
    if (n_runs % 2) return false;
    for (size_t i = 0; i < n_runs; i += 2)
        if (runs[i] > size || runs[i + 1] > size - runs[i] || runs[i + 1] > data_size - used)
            return false;
        else
            used += runs[i + 1];
    used = 0;
    for (size_t i = 0; i < n_runs; i += 2) {
        memcpy((uint8_t *)memory + runs[i], (const uint8_t *)data + used, runs[i + 1]);
        memcpy((uint8_t *)shadow + runs[i], (const uint8_t *)data + used, runs[i + 1]);
        used += runs[i + 1];
    }
    return true;
}
