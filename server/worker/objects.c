/* The guest's ids and the driver's handles: one hash table. */
#include "state.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "recipe.h"

#define MAX_OBJECTS (16u << 20) /* a guest that makes more is refused */
#define STREAM_LEGACY 1
#define STREAM_PER_THREAD 2

/* Ids that the guest cannot mint: the per-thread default stream of a thread in a context. */
#define PER_THREAD_ID(context, thread) (1ull << 63 | (context) << 24 | ((thread)&0xffffff))

struct slot {
    struct object object; /* id 0: free */
    bool used;            /* was taken at some time: probing goes on past it */
};

struct objects {
    pthread_mutex_t lock;
    struct slot *slots; /* open addressing; capacity is a power of two */
    size_t capacity, filled, live;
};

static bool begin(struct session *session) {
    struct objects *t = session->objects = calloc(1, sizeof *t);
    if (!t || sodium_init() < 0) return false; /* it finds out what the CPU can do for the hashes of recipes */
    pthread_mutex_init(&t->lock, NULL);
    t->capacity = 1024;
    t->slots = calloc(t->capacity, sizeof *t->slots);
    return t->slots;
}

static size_t hash(uint64_t id) {
    return (size_t)(id * 0x9e3779b97f4a7c15ull >> 20);
}

static struct slot *find(struct objects *t, uint64_t id) {
    for (size_t i = hash(id);; i++) {
        struct slot *s = &t->slots[i & (t->capacity - 1)];
        if (!s->used) return NULL;
        if (s->object.id == id) return s;
    }
}

static void insert(struct slot *slots, size_t capacity, const struct object *o) {
    size_t i = hash(o->id);
    while (slots[i & (capacity - 1)].used)
        i++;
    slots[i & (capacity - 1)] = (struct slot){.object = *o, .used = true};
}

/* Under the lock. Room for one more; old tombstones go. */
static bool make_room(struct objects *t) {
    if (t->filled * 4 < t->capacity * 3) return true;
    if (t->live >= MAX_OBJECTS) return false;
    size_t capacity = t->live * 4 > t->capacity ? t->capacity * 2 : t->capacity;
    struct slot *slots = calloc(capacity, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < t->capacity; i++)
        if (t->slots[i].object.id) insert(slots, capacity, &t->slots[i].object);
    free(t->slots);
    t->slots = slots;
    t->capacity = capacity;
    t->filled = t->live;
    return true;
}

/* Whatever context is current where one of these is made does not take it along. */
static bool outlives_contexts(uint32_t kind) {
    return kind == HAWSER_CONTEXT || kind == HAWSER_GRAPH || kind == HAWSER_LIBRARY;
}

static CUresult bind(struct served *c, struct object *o) {
    struct objects *t = c->session->objects;
    CUresult r = CUDA_SUCCESS;
    o->context = outlives_contexts(o->kind) ? 0 : c->context;
    o->recipe = recipe_of(c);
    pthread_mutex_lock(&t->lock);
    if (!o->id || find(t, o->id)) {
        r = CUDA_ERROR_INVALID_VALUE;
    } else if (!make_room(t)) {
        r = CUDA_ERROR_OUT_OF_MEMORY;
    } else {
        insert(t->slots, t->capacity, o);
        t->filled++;
        t->live++;
    }
    pthread_mutex_unlock(&t->lock);
    if (r != CUDA_SUCCESS) free(o->recipe);
    return r;
}

CUresult served_bind(struct served *c, enum hawser_object_kind kind, uint64_t id, void *handle) {
    struct object o = {.id = id, .kind = kind, .handle = handle};
    return bind(c, &o);
}

CUresult served_bind_entry(struct served *c, struct object *entry) {
    return bind(c, entry);
}

/* Under the lock. */
static void release(struct objects *t, struct slot *s) {
    free(s->object.recipe);
    s->object.recipe = NULL;
    s->object.id = 0;
    t->live--;
}

void served_unbind(struct served *c, uint64_t id) {
    struct objects *t = c->session->objects;
    pthread_mutex_lock(&t->lock);
    struct slot *s = id ? find(t, id) : NULL;
    if (s) release(t, s);
    pthread_mutex_unlock(&t->lock);
}

CUresult served_entry(struct served *c, unsigned kinds, uint64_t id, struct object *out) {
    _Static_assert(HAWSER_OBJECT_KINDS <= 32, "kinds have a bit each");
    struct objects *t = c->session->objects;
    pthread_mutex_lock(&t->lock);
    struct slot *s = id ? find(t, id) : NULL;
    bool ok = s && kinds >> s->object.kind & 1;
    if (ok) *out = s->object;
    pthread_mutex_unlock(&t->lock);
    c->unknown |= !ok;
    return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

bool served_object(struct served *c, enum hawser_object_kind kind, uint64_t id, struct object *out) {
    return served_entry(c, 1u << kind, id, out) == CUDA_SUCCESS;
}

uint64_t served_id(struct served *c, enum hawser_object_kind kind, const void *handle) {
    struct objects *t = c->session->objects;
    uint64_t id = 0;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->capacity && !id; i++)
        if (t->slots[i].object.kind == kind && t->slots[i].object.handle == handle) id = t->slots[i].object.id;
    pthread_mutex_unlock(&t->lock);
    return id;
}

/* The stream that stands for a guest thread's CU_STREAM_PER_THREAD: one worker thread runs the calls
 * of many guest threads, so the driver's own per-thread stream would be the wrong one. */
static CUresult per_thread_stream(struct served *c, void **handle) {
    struct object o;
    uint64_t id = PER_THREAD_ID(c->context, c->thread);
    if (!served_object(c, HAWSER_STREAM, id, &o)) {
        o = (struct object){.id = id, .kind = HAWSER_STREAM, .thread = c->thread};
        CUresult r = c->driver->cuStreamCreate((CUstream *)&o.handle, CU_STREAM_DEFAULT);
        if (r == CUDA_SUCCESS) r = bind(c, &o);
        if (r != CUDA_SUCCESS) return r;
    }
    *handle = o.handle;
    return CUDA_SUCCESS;
}

CUresult served_handle(struct served *c, enum hawser_object_kind kind, uint64_t id, void **handle) {
    struct object o;
    if (kind == HAWSER_STREAM && id == STREAM_LEGACY) {
        *handle = CU_STREAM_LEGACY;
        return CUDA_SUCCESS;
    }
    if (kind == HAWSER_STREAM && id == STREAM_PER_THREAD) return per_thread_stream(c, handle);
    if (!served_object(c, kind, id, &o))
        return kind == HAWSER_CONTEXT ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_INVALID_HANDLE;
    *handle = o.handle;
    return CUDA_SUCCESS;
}

void served_thread_gone(struct served *c, uint32_t thread) {
    struct objects *t = c->session->objects;
    for (;;) {
        CUstream stream = NULL;
        pthread_mutex_lock(&t->lock);
        for (size_t i = 0; i < t->capacity && !stream; i++) {
            struct object *o = &t->slots[i].object;
            if (!o->id || o->thread != thread || o->kind != HAWSER_STREAM || !(o->id >> 63)) continue;
            stream = o->handle;
            release(t, &t->slots[i]);
        }
        pthread_mutex_unlock(&t->lock);
        if (!stream) return;
        c->driver->cuStreamDestroy_v2(stream);
    }
}

struct object *objects_of_kind(struct session *session, enum hawser_object_kind kind, size_t *n) {
    struct objects *t = session->objects;
    *n = 0;
    pthread_mutex_lock(&t->lock);
    struct object *out = malloc((t->live + 1) * sizeof *out);
    for (size_t i = 0; i < t->capacity && out; i++)
        if (t->slots[i].object.id && t->slots[i].object.kind == kind) out[(*n)++] = t->slots[i].object;
    pthread_mutex_unlock(&t->lock);
    return out;
}

/* ---- of the session ---- */

static void list(struct session *session, session_visit *visit, void *arg) {
    struct objects *t = session->objects;
    char text[512];
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->capacity; i++) {
        const struct object *o = &t->slots[i].object;
        if (!o->id) continue;
        visit(&(struct session_item){.what = hawser_object_kinds[o->kind],
                                     .id = o->id,
                                     .context = o->context,
                                     .address = (uint64_t)(uintptr_t)o->handle,
                                     .made_by = recipe_text(o->recipe, text, sizeof text)},
              arg);
    }
    pthread_mutex_unlock(&t->lock);
}

/* The driver's own goes with the context; a link is ours besides. */
static void end_context(struct served *c, const struct object *context) {
    struct objects *t = c->session->objects;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->capacity; i++) {
        struct object *o = &t->slots[i].object;
        if (!o->id || o->context != context->id) continue;
        if (o->kind == HAWSER_LINKER) link_end(c->driver, o->handle);
        release(t, &t->slots[i]);
    }
    pthread_mutex_unlock(&t->lock);
}

/* What no context has taken along. */
static void end_object(const struct cuda_driver *d, const struct object *o) {
    switch (o->kind) {
    case HAWSER_LIBRARY:
        d->cuLibraryUnload(o->handle);
        break;
    case HAWSER_MEMORY:
        d->cuMemRelease((CUmemGenericAllocationHandle)(uintptr_t)o->handle);
        break;
    case HAWSER_POOL: /* the driver keeps its default ones */
        d->cuMemPoolDestroy(o->handle);
        break;
    case HAWSER_GREEN:
        d->cuGreenCtxDestroy(o->handle);
        break;
    case HAWSER_GRAPH:
        graph_end(d, o->handle);
        break;
    case HAWSER_LINKER:
        link_end(d, o->handle);
        break;
    default: /* nothing of its own */
        break;
    }
}

static void end(struct session *session) {
    struct objects *t = session->objects;
    for (size_t i = 0; i < t->capacity; i++)
        if (t->slots[i].object.id) {
            end_object(&session->driver, &t->slots[i].object);
            release(t, &t->slots[i]);
        }
    free(t->slots);
    free(t);
    session->objects = NULL;
}

const struct session_state objects_state = {"objects", begin, list, end_context, end, NULL};
