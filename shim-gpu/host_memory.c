/*
 * Host memory that kernels reach: pinned, registered and managed. The worker has memory at the same address, so that
 * pointers mean the same on both sides. Where guest and worker see one /dev/shm it is the same memory (pinned and
 * managed; registered memory was the program's before); else mirror.c keeps two copies alike.
 */
#include "shim.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cuda_abi.h"
#include "share.h"

/* Where programs, their libraries and the host's worker map nothing of their own; see the software GPU's arena. */
#ifdef HAWSER_SANITIZE_THREAD /* has shadows of its own nearly everywhere */
#define ZONE_BEGIN 0x7000000000ull
#define ZONE_END 0x7f00000000ull
#else
#define ZONE_BEGIN 0x300000000000ull
#define ZONE_END 0x3f0000000000ull
#endif
#define TRIES 64

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t whole_pages(size_t size) {
    return (size + page_size() - 1) / page_size() * page_size();
}

/* Maps fd, or fresh memory with -1, at an address that the worker is likely to have free too. */
static void *map_in_zone(size_t size, int fd) {
    static _Atomic(uintptr_t) next = ZONE_BEGIN;
    for (int i = 0; i < TRIES; i++) {
        uintptr_t at = atomic_fetch_add(&next, size + page_size());
        if (at + size > ZONE_END || at + size < at) return NULL;
        void *p = mmap((void *)at, size, PROT_READ | PROT_WRITE,
                       (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | MAP_FIXED_NOREPLACE, fd, 0);
        if (p == (void *)at) return p;
        if (p != MAP_FAILED) munmap(p, size);
    }
    return NULL;
}

/* Asks the worker for memory at the same address. */
static CUresult ask(struct shim_call *c, uintptr_t address, size_t size, const char *name, unsigned flags, bool attach,
                    bool *shared, uintptr_t *device) {
    Hawser__HostMap m = HAWSER__HOST_MAP__INIT;
    Hawser__HostMapReply *reply = NULL;
    m.address = address;
    m.size = size;
    m.name = (char *)name;
    m.flags = flags;
    m.attach = attach;
    c->function = HAWSER_FN_HostMap;
    CUresult r = shim_call(c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS) {
        *shared = reply->shared;
        *device = reply->device;
    }
    shim_free_reply(reply);
    return r;
}

static CUresult unmap(struct shim_call *c, uintptr_t address) {
    Hawser__HostUnmap m = HAWSER__HOST_UNMAP__INIT;
    m.address = address;
    c->function = HAWSER_FN_HostUnmap;
    return shim_call(c, &m.base, NULL, 0, NULL);
}

/* The worker's half, and the mirror if there must be one. On failure nothing is left. */
static CUresult join_worker(struct shim_call *c, struct shim_range *range, const char *name, bool attach) {
    /* A mirror must be there before the worker's first changes come. */
    CUresult r = shim_mirror_add(range->base, range->size);
    if (r != CUDA_SUCCESS) return r;
    r = ask(c, range->base, range->size, name, range->flags & CU_MEMHOSTREGISTER_PORTABLE, attach, &range->shared,
            &range->device);
    if (r != CUDA_SUCCESS || range->shared) shim_mirror_remove(range->base);
    if (r != CUDA_SUCCESS) return r;
    r = shim_range_add(*range);
    if (r != CUDA_SUCCESS) {
        shim_mirror_remove(range->base);
        unmap(c, range->base);
    }
    return r;
}

CUresult hawser_front_host_alloc(enum hawser_memory kind, size_t bytes, unsigned flags, void **out) {
    struct shim_call c;
    char name[HAWSER_SHARE_NAME] = "";
    CUresult r = shim_enter(&c, HAWSER_FN_HostMap, true);
    if (r != CUDA_SUCCESS) return r;
    if (bytes > SIZE_MAX / 2) return CUDA_ERROR_OUT_OF_MEMORY;
    if (kind == HAWSER_MANAGED) flags = CU_MEMHOSTREGISTER_PORTABLE;
    size_t size = whole_pages(bytes);
    int fd = hawser_share_create(size, name);
    void *p = map_in_zone(size, fd);
    if (fd >= 0) close(fd);
    struct shim_range range = {.base = (uintptr_t)p, .size = size, .kind = kind, .flags = flags};
    r = p ? join_worker(&c, &range, name, false) : CUDA_ERROR_OUT_OF_MEMORY;
    if (fd >= 0) hawser_share_unlink(name);
    if (r == CUDA_SUCCESS && range.device != range.base) {
        /* Pointers to it would not mean the same in kernels. */
        shim_range_remove(range.base, kind);
        shim_mirror_remove(range.base);
        unmap(&c, range.base);
        r = CUDA_ERROR_OUT_OF_MEMORY;
    }
    if (r != CUDA_SUCCESS) {
        if (p) munmap(p, size);
        return r;
    }
    *out = p;
    return CUDA_SUCCESS;
}

/* The worker lets go first: it waits for what is under way on the device. */
static CUresult release(struct shim_call *c, uintptr_t base, size_t size, enum hawser_memory kind) {
    shim_transfer_settle((void *)base, size);
    CUresult r = unmap(c, base);
    shim_mirror_remove(base);
    shim_range_remove(base, kind);
    if (kind != HAWSER_REGISTERED) munmap((void *)base, size);
    return r;
}

bool shim_host_shared(void) {
    static _Atomic(int) known; /* 1: no, 2: yes */
    struct shim_call c;
    char name[HAWSER_SHARE_NAME];
    if (atomic_load(&known)) return atomic_load(&known) == 2;
    bool shared = false;
    uintptr_t device;
    int fd = hawser_share_create(page_size(), name);
    void *p = fd >= 0 ? map_in_zone(page_size(), fd) : NULL;
    if (p && shim_enter(&c, HAWSER_FN_HostMap, false) == CUDA_SUCCESS) {
        /* No context: the worker maps it and does no more. */
        if (ask(&c, (uintptr_t)p, page_size(), name, 0, false, &shared, &device) == CUDA_SUCCESS)
            unmap(&c, (uintptr_t)p);
    }
    if (p) munmap(p, page_size());
    if (fd >= 0) {
        close(fd);
        hawser_share_unlink(name);
    }
    atomic_store(&known, shared ? 2 : 1);
    return shared;
}

/* ---- what the front end asks for ---- */

CUresult hawser_front_host_register(void *p, size_t size, unsigned flags) {
    struct shim_call c;
    struct shim_range known;
    struct shim_range range = {.base = (uintptr_t)p, .size = size, .kind = HAWSER_REGISTERED, .flags = flags};
    CUresult r = shim_enter(&c, HAWSER_FN_HostMap, true);
    if (r != CUDA_SUCCESS) return r;
    if (shim_range_find((uintptr_t)p, &known)) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    return join_worker(&c, &range, "", false);
}

CUresult hawser_front_host_end(const struct hawser_range *range) {
    struct shim_call c;
    CUresult r = shim_enter(&c, HAWSER_FN_HostUnmap, false);
    return r == CUDA_SUCCESS ? release(&c, range->base, range->size, range->kind) : r;
}

CUresult shim_free_managed(const struct shim_range *range) {
    struct shim_call c;
    CUresult r = shim_enter(&c, HAWSER_FN_HostUnmap, true);
    return r == CUDA_SUCCESS ? release(&c, range->base, range->size, range->kind) : r;
}

/* ---- managed variables ---- */

/* Variables that the program has asked for; guarded by variables_lock. */
static pthread_mutex_t variables_lock = PTHREAD_MUTEX_INITIALIZER;
static struct variable {
    struct variable *next;
    struct shim_object *owner; /* module or library */
    struct shim_range range;
} * variables;

/* Managed variables live where the driver put them: makes memory of this process of one. */
static CUresult attach(struct shim_call *c, struct shim_range *range) {
    uintptr_t base = range->base / page_size() * page_size();
    size_t pages = whole_pages(range->base + range->size - base);
    void *p =
        mmap((void *)base, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    /* The page may be there already, of another variable on it. */
    if (p != (void *)base && p != MAP_FAILED) munmap(p, pages);
    range->flags = CU_MEMHOSTREGISTER_PORTABLE;
    return join_worker(c, range, "", true);
}

CUresult shim_variable_add(struct shim_object *owner, CUdeviceptr address, size_t size, bool managed) {
    struct shim_call c;
    struct shim_range known;
    CUresult r = shim_enter(&c, HAWSER_FN_HostMap, !managed);
    if (r != CUDA_SUCCESS || shim_range_find(address, &known)) return r;
    struct variable *v = calloc(1, sizeof *v);
    if (!v) return CUDA_ERROR_OUT_OF_MEMORY;
    *v = (struct variable){
        .owner = owner,
        .range = {
            .base = address, .size = size, .device = address, .kind = managed ? HAWSER_MANAGED : HAWSER_ON_DEVICE}};
    r = managed ? attach(&c, &v->range) : shim_range_add(v->range);
    v->range.context = c.context;
    if (r != CUDA_SUCCESS) {
        free(v);
        return r;
    }
    pthread_mutex_lock(&variables_lock);
    v->next = variables;
    variables = v;
    pthread_mutex_unlock(&variables_lock);
    return CUDA_SUCCESS;
}

void shim_variables_gone(struct shim_object *owner, struct shim_object *context) {
    struct shim_call c;
    pthread_mutex_lock(&variables_lock);
    for (struct variable **p = &variables; *p;) {
        struct variable *v = *p;
        if (!(owner && v->owner == owner) && !(context && v->range.context == context)) {
            p = &v->next;
            continue;
        }
        *p = v->next;
        if (v->range.kind == HAWSER_MANAGED) {
            if (shim_enter(&c, HAWSER_FN_HostUnmap, false) == CUDA_SUCCESS) unmap(&c, v->range.base);
            shim_mirror_remove(v->range.base);
            memset((void *)v->range.base, 0, v->range.size); /* the next variable there begins with nothing changed */
        }
        shim_range_remove(v->range.base, v->range.kind);
        free(v);
    }
    pthread_mutex_unlock(&variables_lock);
}
