#include "extents.h"

#include <string.h>

#include "cuda_abi.h"

static bool insert(struct sd_extents *x, size_t i, struct sd_extent e) {
    if (!hawser_abi_grow((void **)&x->at, &x->capacity, x->n + 1, sizeof e)) return false;
    memmove(&x->at[i + 1], &x->at[i], (x->n++ - i) * sizeof e);
    x->at[i] = e;
    return true;
}

static void erase(struct sd_extents *x, size_t i) {
    memmove(&x->at[i], &x->at[i + 1], (--x->n - i) * sizeof *x->at);
}

uintptr_t sd_extents_take(struct sd_extents *x, size_t size, size_t align) {
    for (size_t i = 0; i < x->n; i++) {
        struct sd_extent *e = &x->at[i];
        uintptr_t at = (e->base + align - 1) / align * align;
        size_t before = at - e->base;
        if (e->size < before || e->size - before < size) continue;
        size_t after = e->size - before - size;
        if (before && after) {
            if (!insert(x, i + 1, (struct sd_extent){at + size, after})) return 0;
            x->at[i].size = before;
        } else if (before) {
            e->size = before;
        } else if (after) {
            *e = (struct sd_extent){at + size, after};
        } else {
            erase(x, i);
        }
        return at;
    }
    return 0;
}

bool sd_extents_give(struct sd_extents *x, uintptr_t base, size_t size) {
    size_t i = 0;
    while (i < x->n && x->at[i].base < base)
        i++;
    bool joins_before = i > 0 && x->at[i - 1].base + x->at[i - 1].size == base;
    bool joins_after = i < x->n && base + size == x->at[i].base;
    if (joins_before && joins_after) {
        x->at[i - 1].size += size + x->at[i].size;
        erase(x, i);
    } else if (joins_before) {
        x->at[i - 1].size += size;
    } else if (joins_after) {
        x->at[i].base = base;
        x->at[i].size += size;
    } else {
        return insert(x, i, (struct sd_extent){base, size});
    }
    return true;
}
