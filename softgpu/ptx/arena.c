#include "arena.h"

#include <stdlib.h>
#include <string.h>

struct sg_arena_chunk {
    struct sg_arena_chunk *next;
    size_t unused; // keeps the payload aligned to 16
};

enum { CHUNK_BYTES = 64 << 10 };

static char *new_chunk(struct sg_arena *arena, size_t payload) {
    if (payload > SIZE_MAX - sizeof(struct sg_arena_chunk)) return NULL;
    struct sg_arena_chunk *chunk = calloc(1, sizeof *chunk + payload);
    if (!chunk) return NULL;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    return (char *)(chunk + 1);
}

void *sgp_arena_alloc(struct sg_arena *arena, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - 15) return NULL;
    bytes = (bytes + 15) & ~(size_t)15;
    if (bytes == 0) bytes = 16;
    if (bytes > CHUNK_BYTES / 4) return new_chunk(arena, bytes);
    if ((size_t)(arena->end - arena->next) < bytes) {
        char *memory = new_chunk(arena, CHUNK_BYTES);
        if (!memory) return NULL;
        arena->next = memory;
        arena->end = memory + CHUNK_BYTES;
    }
    void *result = arena->next;
    arena->next += bytes;
    return result;
}

void sgp_arena_free(struct sg_arena *arena) {
    while (arena->chunks) {
        struct sg_arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        free(chunk);
    }
    arena->next = arena->end = NULL;
}

struct sg_map_slot {
    const char *key;
    size_t length;
    uint64_t hash;
    void *value;
};

static uint64_t hash_bytes(const char *key, size_t length) {
    uint64_t hash = 0xcbf29ce484222325u; // FNV-1a
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)key[i]) * 0x100000001b3u;
    return hash ^ (hash >> 29);
}

static struct sg_map_slot *find_slot(const struct sg_map *map, const char *key, size_t length, uint64_t hash) {
    uint32_t mask = map->capacity - 1;
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        struct sg_map_slot *slot = &map->slots[i];
        if (!slot->key) return slot;
        if (slot->hash == hash && slot->length == length && !memcmp(slot->key, key, length)) return slot;
    }
}

void *sgp_map_get(const struct sg_map *map, const char *key, size_t length) {
    if (!map->used) return NULL;
    return find_slot(map, key, length, hash_bytes(key, length))->value;
}

int sgp_map_put(struct sg_map *map, struct sg_arena *arena, const char *key, size_t length, void *value) {
    if ((map->used + 1) * 4 > map->capacity * 3) {
        struct sg_map grown = {.capacity = map->capacity ? map->capacity * 2 : 16};
        grown.slots = sgp_arena_alloc(arena, grown.capacity, sizeof *grown.slots);
        if (!grown.slots) return -1;
        for (uint32_t i = 0; i < map->capacity; i++) {
            struct sg_map_slot *old = &map->slots[i];
            if (old->key) *find_slot(&grown, old->key, old->length, old->hash) = *old;
        }
        grown.used = map->used;
        *map = grown;
    }
    uint64_t hash = hash_bytes(key, length);
    struct sg_map_slot *slot = find_slot(map, key, length, hash);
    if (!slot->key) map->used++;
    *slot = (struct sg_map_slot){key, length, hash, value};
    return 0;
}
