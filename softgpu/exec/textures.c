// An engine's table of textures. Readers take no lock: places never move, and a handle holds a place's
// lifetime number, which changes when its texture goes.
#include "engine.h"

#include <stdlib.h>

struct place {
    _Atomic uint64_t handle; // 0: free
    uint32_t lifetime;
    uint32_t next_free; // index + 1
    struct sg_texture texture;
};

static struct place *place_of(const struct sg_engine *engine, uint64_t handle) {
    uint64_t index = (uint32_t)handle - 1u;
    if (!handle || index >= SG_MAX_TEXTURES) return NULL;
    struct place *chunk = atomic_load_explicit(&engine->textures.chunks[index / TEXTURE_CHUNK], memory_order_acquire);
    struct place *p = chunk ? &chunk[index % TEXTURE_CHUNK] : NULL;
    return p && atomic_load_explicit(&p->handle, memory_order_acquire) == handle ? p : NULL;
}

const struct sg_texture *sg_texture_find(const struct sg_engine *engine, uint64_t handle) {
    struct place *p = place_of(engine, handle);
    return p ? &p->texture : NULL;
}

// Under the lock. The index of a place to use, or -1.
static int64_t take(struct textures *t) {
    uint32_t index = t->free - 1;
    if (t->free) {
        t->free = t->chunks[index / TEXTURE_CHUNK][index % TEXTURE_CHUNK].next_free;
        return index;
    }
    if (t->used == SG_MAX_TEXTURES) return -1;
    index = t->used;
    if (index % TEXTURE_CHUNK == 0) {
        struct place *chunk = calloc(TEXTURE_CHUNK, sizeof *chunk);
        if (!chunk) return -1;
        atomic_store_explicit(&t->chunks[index / TEXTURE_CHUNK], chunk, memory_order_release);
    }
    t->used++;
    return index;
}

uint64_t sg_texture_add(struct sg_engine *engine, const struct sg_texture *texture) {
    struct textures *t = &engine->textures;
    uint64_t handle = 0;
    pthread_mutex_lock(&t->lock);
    int64_t index = take(t);
    if (index >= 0) {
        struct place *p = &t->chunks[index / TEXTURE_CHUNK][index % TEXTURE_CHUNK];
        p->texture = *texture;
        p->lifetime = (p->lifetime + 1) & INT32_MAX;
        handle = (uint64_t)p->lifetime << 32 | (uint64_t)(index + 1);
        atomic_store_explicit(&p->handle, handle, memory_order_release);
    }
    pthread_mutex_unlock(&t->lock);
    return handle;
}

bool sg_texture_set(struct sg_engine *engine, uint64_t handle, const struct sg_texture *texture) {
    pthread_mutex_lock(&engine->textures.lock);
    struct place *p = place_of(engine, handle);
    if (p) p->texture = *texture;
    pthread_mutex_unlock(&engine->textures.lock);
    return p != NULL;
}

bool sg_texture_remove(struct sg_engine *engine, uint64_t handle) {
    struct textures *t = &engine->textures;
    pthread_mutex_lock(&t->lock);
    struct place *p = place_of(engine, handle);
    if (p) {
        atomic_store_explicit(&p->handle, 0, memory_order_release);
        p->next_free = t->free;
        t->free = (uint32_t)handle;
    }
    pthread_mutex_unlock(&t->lock);
    return p != NULL;
}

void sg_textures_init(struct textures *t) {
    pthread_mutex_init(&t->lock, NULL);
}

void sg_textures_destroy(struct textures *t) {
    for (uint32_t i = 0; i < SG_MAX_TEXTURES / TEXTURE_CHUNK; i++)
        free(t->chunks[i]);
    pthread_mutex_destroy(&t->lock);
}
