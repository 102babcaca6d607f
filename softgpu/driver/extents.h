/*
 * Address ranges in order: what is not taken of the arena, what a memory pool keeps. Not thread-safe.
 */
#ifndef SD_EXTENTS_H
#define SD_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sd_extent {
    uintptr_t base;
    size_t size; /* bytes */
};

struct sd_extents { /* all 0: none */
    struct sd_extent *at;
    size_t n, capacity;
};

/* size bytes at a multiple of align from the first range that has them; 0 when none has, or memory is short. */
uintptr_t sd_extents_take(struct sd_extents *x, size_t size, size_t align);
/* Adds a range, which touches none of them or joins its neighbours; false when memory is short. */
bool sd_extents_give(struct sd_extents *x, uintptr_t base, size_t size);

#endif
