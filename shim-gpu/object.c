/*
 * Handles live in one reserved region, so that whether a pointer is a handle is told by arithmetic,
 * without a look-up and without touching memory that is not ours. Freed handles wait in a queue before
 * they are used again: a stale handle is then refused instead of meaning something new.
 */
#include "shim.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "cuda_abi.h"

#define SLOT_SIZE 256u
#define SLOTS (1u << 20)
#define FIRST_ID 0x100 /* below: reserved stream numbers */
#define QUARANTINE 1024

_Static_assert(sizeof(struct shim_object) <= SLOT_SIZE, "a handle must fit its slot");

/* One table per process; guarded by lock, except reads of kind and id, which a racing free makes the
 * program's own error. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(char *) region;
static unsigned used;         /* slots handed out at least once */
static uint32_t queue[SLOTS]; /* freed slots, oldest first */
static unsigned queue_head, queue_size;
static uint64_t next_id = FIRST_ID;

static struct shim_object *slot(unsigned i) {
    return (struct shim_object *)(atomic_load_explicit(&region, memory_order_acquire) + (size_t)i * SLOT_SIZE);
}

static bool reserve_region(void) {
    if (atomic_load(&region)) return true;
    void *p = mmap(NULL, (size_t)SLOTS * SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED) return false;
    atomic_store_explicit(&region, p, memory_order_release);
    return true;
}

struct shim_object *shim_object_new(enum hawser_object_kind kind, const struct shim_call *c) {
    struct shim_object *o = NULL;
    pthread_mutex_lock(&lock);
    if (!reserve_region()) goto out;
    if (queue_size > QUARANTINE || (used == SLOTS && queue_size > 0)) {
        o = slot(queue[queue_head]);
        queue_head = (queue_head + 1) % SLOTS;
        queue_size--;
    } else if (used < SLOTS) {
        o = slot(used++);
    } else {
        goto out;
    }
    uint32_t generation = o->generation + 1;
    memset(o, 0, sizeof *o);
    o->generation = generation;
    o->id = next_id++;
    o->context = c ? c->context : NULL;
    o->kind = kind;
out:
    pthread_mutex_unlock(&lock);
    return o;
}

uint64_t shim_object_number(void) {
    pthread_mutex_lock(&lock);
    uint64_t number = next_id++;
    pthread_mutex_unlock(&lock);
    return number;
}

static struct shim_object *any_object(const void *handle) {
    const char *base = atomic_load_explicit(&region, memory_order_acquire), *p = handle;
    if (!base || p < base || p >= base + (size_t)SLOTS * SLOT_SIZE) return NULL;
    if ((size_t)(p - base) % SLOT_SIZE != 0) return NULL;
    struct shim_object *o = (struct shim_object *)handle;
    return o->kind != HAWSER_NO_OBJECT ? o : NULL;
}

struct shim_object *shim_object(enum hawser_object_kind kind, const void *handle) {
    struct shim_object *o = any_object(handle);
    return o && o->kind == kind ? o : NULL;
}

void shim_object_gone(void *handle) {
    struct shim_object *o = any_object(handle);
    if (!o) return;
    pthread_mutex_lock(&lock);
    o->kind = HAWSER_NO_OBJECT;
    unsigned i = (unsigned)(((char *)o - atomic_load(&region)) / SLOT_SIZE);
    queue[(queue_head + queue_size++) % SLOTS] = i;
    pthread_mutex_unlock(&lock);
}

struct shim_object *shim_object_named(enum hawser_object_kind kind, uint64_t id) {
    struct shim_object *found = NULL;
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < used && !found; i++)
        if (slot(i)->kind == kind && slot(i)->id == id) found = slot(i);
    pthread_mutex_unlock(&lock);
    return found;
}

CUresult shim_bad_handle(enum hawser_object_kind kind) {
    switch (kind) {
    case HAWSER_CONTEXT:
        return CUDA_ERROR_INVALID_CONTEXT;
    case HAWSER_MEMORY:
    case HAWSER_POOL:
        return CUDA_ERROR_INVALID_VALUE;
    default:
        return CUDA_ERROR_INVALID_HANDLE;
    }
}

CUresult shim_handle(enum hawser_object_kind kind, const void *handle, uint64_t *id) {
    if (kind == HAWSER_STREAM) {
        CUstream s = handle ? (CUstream)handle : hawser_abi_default_stream();
        if (s == CU_STREAM_LEGACY || s == CU_STREAM_PER_THREAD) {
            *id = s == CU_STREAM_LEGACY ? SHIM_STREAM_LEGACY : SHIM_STREAM_PER_THREAD;
            return CUDA_SUCCESS;
        }
        handle = s;
    }
    struct shim_object *o = shim_object(kind, handle);
    if (!o) return shim_bad_handle(kind);
    *id = o->id;
    return CUDA_SUCCESS;
}

CUresult shim_copy_stream(struct shim_call *c, CUstream stream, uint64_t *id) {
    CUresult r = shim_handle(HAWSER_STREAM, stream, id);
    struct shim_object *o =
        r == CUDA_SUCCESS && *id > SHIM_STREAM_PER_THREAD ? shim_object(HAWSER_STREAM, stream) : NULL;
    if (o && o->context && o->context->kind == HAWSER_CONTEXT) c->who.context = o->context->id;
    return r;
}
