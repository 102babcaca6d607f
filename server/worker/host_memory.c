/*
 * Memory of the guest that kernels reach: the same memory where the guest's shared file can be opened, else memory at
 * the same address whose changes travel (remoting/diff.h).
 */
#include "state.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "diff.h"
#include "log.h"
#include "share.h"

struct mapping {
    struct mapping *next;
    uint64_t address; /* the guest's */
    size_t size;
    char *memory; /* ours; the same address unless that was taken */
    void *pages;  /* what was mapped here, whole pages; NULL for the driver's own memory */
    size_t page_bytes;
    void *shadow; /* NULL when shared */
    CUcontext context;
    uint64_t context_id;
    bool registered;
};

struct host_memory {
    pthread_mutex_t lock; /* guards the list and the shadows */
    struct mapping *mappings;
};

static void *map(uintptr_t at, size_t size, int fd) {
    int kind = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
    /* Not where NULL points, which root may map. */
    void *p = at ? mmap((void *)at, size, PROT_READ | PROT_WRITE, kind | MAP_FIXED_NOREPLACE, fd, 0) : MAP_FAILED;
    if (at && p == (void *)at) return p;
    if (p != MAP_FAILED) munmap(p, size);
    p = mmap(NULL, size, PROT_READ | PROT_WRITE, kind, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void drop(const struct cuda_driver *d, struct mapping *m) {
    if (m->registered && d->cuCtxSetCurrent(m->context) == CUDA_SUCCESS) d->cuMemHostUnregister(m->memory);
    if (m->pages) munmap(m->pages, m->page_bytes);
    if (m->shadow) munmap(m->shadow, m->size);
    free(m);
}

/* Our memory for it, not yet known to the driver. */
static CUresult make(const struct host_map_args *a, struct mapping *m) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = a->address & ~(page - 1);
    *m = (struct mapping){.address = a->address, .size = a->size, .memory = (char *)(uintptr_t)a->address};
    if (!a->size || a->size > SIZE_MAX / 2 || a->address > UINTPTR_MAX - a->size - page)
        return CUDA_ERROR_INVALID_VALUE;
    bool shared = false;
    if (!a->attach) {
        m->page_bytes = (a->address + a->size - begin + page - 1) & ~(page - 1);
        int fd = *a->name ? hawser_share_open(a->name, m->page_bytes) : -1;
        m->pages = map(begin, m->page_bytes, fd);
        shared = fd >= 0;
        if (fd >= 0) close(fd);
        if (!m->pages) return CUDA_ERROR_OUT_OF_MEMORY;
        m->memory = (char *)m->pages + (a->address - begin);
    }
    if (shared) return CUDA_SUCCESS;
    m->shadow = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m->shadow != MAP_FAILED) return CUDA_SUCCESS;
    m->shadow = NULL;
    return CUDA_ERROR_OUT_OF_MEMORY;
}

/* Managed variables are the driver's, and the guest may only attach what the driver says is one. */
static CUresult check_attach(const struct cuda_driver *d, const struct host_map_args *a) {
    unsigned managed = 0;
    CUdeviceptr base = 0;
    size_t size = 0;
    if (!d->cuPointerGetAttribute || /* which needs no current context, other than cuMemGetAddressRange */
        d->cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, a->address) != CUDA_SUCCESS || !managed ||
        d->cuPointerGetAttribute(&base, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, a->address) != CUDA_SUCCESS ||
        d->cuPointerGetAttribute(&size, CU_POINTER_ATTRIBUTE_RANGE_SIZE, a->address) != CUDA_SUCCESS ||
        a->size > base + size - a->address)
        return CUDA_ERROR_INVALID_VALUE;
    return CUDA_SUCCESS;
}

CUresult serve_HostMap(struct served *c, const struct host_map_args *a, Hawser__HostMapReply *reply) {
    const struct cuda_driver *d = c->driver;
    struct mapping *m = calloc(1, sizeof *m);
    if (!m) return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult r = a->attach ? check_attach(d, a) : CUDA_SUCCESS;
    if (r == CUDA_SUCCESS) r = make(a, m);
    CUdeviceptr device = (CUdeviceptr)(uintptr_t)m->memory;
    if (r == CUDA_SUCCESS && c->context && !a->attach) {
        struct object context;
        r = d->cuMemHostRegister_v2(m->memory, m->size, a->flags | CU_MEMHOSTREGISTER_DEVICEMAP);
        m->registered = r == CUDA_SUCCESS;
        if (served_object(c, HAWSER_CONTEXT, c->context, &context)) m->context = context.handle;
        m->context_id = c->context;
        if (r == CUDA_SUCCESS) r = d->cuMemHostGetDevicePointer_v2(&device, m->memory, 0);
    }
    if (r != CUDA_SUCCESS) {
        drop(d, m);
        return r;
    }
    reply->shared = m->shadow == NULL;
    reply->device = device;
    struct host_memory *h = c->session->host_memory;
    pthread_mutex_lock(&h->lock);
    m->next = h->mappings;
    h->mappings = m;
    pthread_mutex_unlock(&h->lock);
    if (a->attach) host_memory_push(c->session); /* the variable's first value */
    return CUDA_SUCCESS;
}

CUresult serve_HostUnmap(struct served *c, const struct host_unmap_args *a) {
    struct host_memory *h = c->session->host_memory;
    struct mapping *m = NULL;
    pthread_mutex_lock(&h->lock);
    for (struct mapping **p = &h->mappings; *p && !m; p = &(*p)->next)
        if ((*p)->address == a->address) {
            m = *p;
            *p = m->next;
            break;
        }
    pthread_mutex_unlock(&h->lock);
    if (!m) return CUDA_ERROR_INVALID_VALUE;
    drop(c->driver, m);
    return CUDA_SUCCESS;
}

/* A guest should let go of a variable before it unloads its module; one that did not must not cost the worker. */
static bool still_there(const struct cuda_driver *d, const struct mapping *m) {
    unsigned managed = 0;
    return m->pages ||
           (d->cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, m->address) == CUDA_SUCCESS && managed);
}

CUresult serve_HostChanges(struct served *c, const struct host_changes_args *a) {
    CUresult r = CUDA_ERROR_INVALID_VALUE;
    if (c->n_frames != 1) return r;
    struct host_memory *h = c->session->host_memory;
    pthread_mutex_lock(&h->lock);
    for (struct mapping *m = h->mappings; m; m = m->next)
        if (m->address == a->address && m->shadow && still_there(c->driver, m) &&
            hawser_diff_apply(m->memory, m->shadow, m->size, a->runs, a->n_runs, c->frames[0].data, c->frames[0].size))
            r = CUDA_SUCCESS;
    pthread_mutex_unlock(&h->lock);
    return r;
}

static void free_data(void *data, void *hint) {
    (void)hint;
    free(data);
}

void host_memory_push(struct session *session) {
    struct host_memory *h = session->host_memory;
    pthread_mutex_lock(&h->lock);
    for (struct mapping *m = h->mappings; m; m = m->next) {
        if (!still_there(&session->driver, m)) continue;
        struct hawser_diff d = {0};
        for (size_t at = 0; m->shadow && at < m->size; at = d.next) {
            if (!hawser_diff_take(m->memory, m->shadow, m->size, at, HAWSER_BULK_CHUNK, &d)) _exit(1);
            if (d.size) {
                Hawser__ToGuest out = HAWSER__TO_GUEST__INIT;
                Hawser__Push push = HAWSER__PUSH__INIT, *list[] = {&push};
                struct hawser_frame f = {.data = d.data, .size = d.size, .free = free_data};
                push.mirror = m->address;
                push.runs = d.runs;
                push.n_runs = d.n_runs;
                out.n_pushes = 1;
                out.pushes = list;
                d.data = NULL;
                session_send(session, &out, &f, 1);
            }
            hawser_diff_free(&(struct hawser_diff){.runs = d.runs, .data = d.data});
        }
    }
    pthread_mutex_unlock(&h->lock);
}

/* ---- of the session ---- */

static bool begin(struct session *session) {
    struct host_memory *h = session->host_memory = calloc(1, sizeof *h);
    if (h) pthread_mutex_init(&h->lock, NULL);
    return h;
}

static void list(struct session *session, session_visit *visit, void *arg) {
    struct host_memory *h = session->host_memory;
    pthread_mutex_lock(&h->lock);
    for (struct mapping *m = h->mappings; m; m = m->next)
        visit(&(struct session_item){.what = m->shadow ? "mirrored host memory" : "shared host memory",
                                     .context = m->registered ? m->context_id : 0,
                                     .address = m->address,
                                     .size = m->size,
                                     .made_by = "HostMap"},
              arg);
    pthread_mutex_unlock(&h->lock);
}

static void end(struct session *session) {
    struct host_memory *h = session->host_memory;
    for (struct mapping *m; (m = h->mappings);) {
        h->mappings = m->next;
        drop(&session->driver, m);
    }
    free(h);
    session->host_memory = NULL;
}

/* Its memory stays, unknown to the driver, until the guest frees it. */
static void end_context(struct served *c, const struct object *context) {
    struct host_memory *h = c->session->host_memory;
    pthread_mutex_lock(&h->lock);
    for (struct mapping *m = h->mappings; m; m = m->next)
        if (m->registered && m->context == context->handle) {
            c->driver->cuMemHostUnregister(m->memory);
            m->registered = false;
        }
    pthread_mutex_unlock(&h->lock);
}

const struct session_state host_memory_state = {"host memory", begin, list, end_context, end, NULL};
