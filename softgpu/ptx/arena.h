// Memory that lives as long as its module, and a string-keyed map in it. Not thread-safe: the
// module's lock covers both.
#ifndef SOFTGPU_PTX_ARENA_H
#define SOFTGPU_PTX_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct sg_arena_chunk;
struct sg_arena {
    struct sg_arena_chunk *chunks;
    char *next, *end;
};

// Zeroed and aligned to 16, NULL if there is no memory. `count * size` is checked.
void *sgp_arena_alloc(struct sg_arena *arena, size_t count, size_t size);
void sgp_arena_free(struct sg_arena *arena);

struct sg_map_slot;
struct sg_map {
    struct sg_map_slot *slots;
    uint32_t capacity, used; // capacity a power of two, or 0
};

// The value stored under key[0..length), or NULL.
void *sgp_map_get(const struct sg_map *map, const char *key, size_t length);
// Stores or replaces. The key's bytes must outlive the map. -1 if there is no memory.
int sgp_map_put(struct sg_map *map, struct sg_arena *arena, const char *key, size_t length, void *value);

#endif
