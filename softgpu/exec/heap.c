// Heaps in device memory: of kernels' malloc, and of the parameters of kernels that kernels launch.
#include "engine.h"

#include <stdlib.h>

// In address order, beside the memory so that kernels cannot damage it.
struct chunk {
    size_t start, bytes;
    bool used;
    struct chunk *next;
};

// Under the lock. False when there is no memory.
static bool begin(struct sg_engine *engine, struct heap *h) {
    if (h->chunks) return true;
    struct chunk *all = calloc(1, sizeof *all);
    if (all) h->memory = engine->config.alloc(engine->config.memory_user, h->bytes, 256);
    if (!all || !h->memory) {
        free(all);
        return false;
    }
    all->bytes = h->bytes;
    h->chunks = all;
    return true;
}

uint64_t sg_heap_take(struct sg_engine *engine, struct heap *h, uint64_t bytes) {
    uint64_t r = 0;
    pthread_mutex_lock(&h->lock);
    bool possible = bytes && bytes <= h->bytes && begin(engine, h);
    bytes = (bytes + 15) & ~(uint64_t)15;
    for (struct chunk *c = possible ? h->chunks : NULL; c; c = c->next) {
        if (c->used || c->bytes < bytes) continue;
        if (c->bytes > bytes) {
            struct chunk *rest = malloc(sizeof *rest);
            if (!rest) break;
            *rest = (struct chunk){c->start + bytes, c->bytes - bytes, false, c->next};
            c->next = rest;
            c->bytes = bytes;
        }
        c->used = true;
        r = (uintptr_t)h->memory + c->start;
        break;
    }
    pthread_mutex_unlock(&h->lock);
    return r;
}

bool sg_heap_give_back(struct heap *h, uint64_t at) {
    bool found = false;
    pthread_mutex_lock(&h->lock);
    struct chunk *before = NULL;
    for (struct chunk *c = h->chunks; c && !found; before = c, c = c->next) {
        if (!c->used || (uintptr_t)h->memory + c->start != at) continue;
        found = true;
        c->used = false;
        struct chunk *next = c->next;
        if (next && !next->used) {
            c->bytes += next->bytes;
            c->next = next->next;
            free(next);
        }
        if (before && !before->used) {
            before->bytes += c->bytes;
            before->next = c->next;
            free(c);
            break;
        }
    }
    pthread_mutex_unlock(&h->lock);
    return found;
}

bool sg_heap_resize(struct heap *h, size_t bytes) {
    pthread_mutex_lock(&h->lock);
    bool unused = !h->chunks;
    if (unused) h->bytes = bytes;
    pthread_mutex_unlock(&h->lock);
    return unused;
}

void sg_heap_init(struct heap *h, size_t bytes) {
    *h = (struct heap){.bytes = bytes};
    pthread_mutex_init(&h->lock, NULL);
}

void sg_heap_destroy(struct sg_engine *engine, struct heap *h) {
    while (h->chunks) {
        struct chunk *next = h->chunks->next;
        free(h->chunks);
        h->chunks = next;
    }
    if (h->memory) engine->config.release(engine->config.memory_user, h->memory);
    pthread_mutex_destroy(&h->lock);
}
