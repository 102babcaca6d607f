/* Host memory that exists twice, here and on the host, and is kept alike by sending changes (remoting/diff.h). */
#include "shim.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "diff.h"

struct mirror {
    struct mirror *next;
    uintptr_t base;
    size_t size;
    void *shadow;
};

/* Changes go out in the order in which they were found: posting is held from finding some until they are posted, which
 * may wait for credits. lock guards the list and all shadows, never while something is posted: the thread that waits
 * may have to take in what the host changed. Where both are held, posting was taken first. */
static pthread_mutex_t posting = PTHREAD_MUTEX_INITIALIZER, lock = PTHREAD_MUTEX_INITIALIZER;
static struct mirror *mirrors;
static atomic_uint count;

CUresult shim_mirror_add(uintptr_t base, size_t size) {
    struct mirror *m = calloc(1, sizeof *m);
    if (!m) return CUDA_ERROR_OUT_OF_MEMORY;
    *m = (struct mirror){.base = base, .size = size};
    m->shadow = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m->shadow == MAP_FAILED) {
        free(m);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    pthread_mutex_lock(&lock);
    m->next = mirrors;
    mirrors = m;
    atomic_fetch_add(&count, 1);
    pthread_mutex_unlock(&lock);
    return CUDA_SUCCESS;
}

void shim_mirror_remove(uintptr_t base) {
    pthread_mutex_lock(&posting);
    pthread_mutex_lock(&lock);
    for (struct mirror **p = &mirrors; *p; p = &(*p)->next)
        if ((*p)->base == base) {
            struct mirror *m = *p;
            *p = m->next;
            munmap(m->shadow, m->size);
            free(m);
            atomic_fetch_sub(&count, 1);
            break;
        }
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&posting);
}

static void free_data(void *data, void *hint) {
    (void)hint;
    free(data);
}

static CUresult post_changes(struct shim_call *c, struct mirror *m) {
    CUresult r = CUDA_SUCCESS;
    for (size_t at = 0; at < m->size && r == CUDA_SUCCESS;) {
        struct hawser_diff d;
        pthread_mutex_lock(&lock);
        bool taken = hawser_diff_take((void *)m->base, m->shadow, m->size, at, HAWSER_BULK_CHUNK, &d);
        pthread_mutex_unlock(&lock);
        if (!taken) return CUDA_ERROR_OUT_OF_MEMORY;
        at = d.next;
        if (d.size) {
            Hawser__HostChanges changes = HAWSER__HOST_CHANGES__INIT;
            changes.address = m->base;
            changes.n_runs = d.n_runs;
            changes.runs = d.runs;
            struct hawser_frame f = {.data = d.data, .size = d.size, .free = free_data};
            d.data = NULL; /* the frame's now */
            r = shim_post(c, &changes.base, &f, 1);
        }
        hawser_diff_free(&d);
    }
    return r;
}

CUresult shim_mirror_post(const struct shim_call *caller) {
    CUresult r = CUDA_SUCCESS;
    if (!atomic_load_explicit(&count, memory_order_relaxed)) return r;
    struct shim_call c = *caller;
    c.function = HAWSER_FN_HostChanges;
    pthread_mutex_lock(&posting);
    pthread_mutex_lock(&lock);
    struct mirror *first = mirrors; /* others may be added before it */
    pthread_mutex_unlock(&lock);
    for (struct mirror *m = first; m && r == CUDA_SUCCESS; m = m->next)
        r = post_changes(&c, m);
    pthread_mutex_unlock(&posting);
    return r;
}

void shim_mirror_push(const Hawser__Push *push, const void *data, size_t size) {
    pthread_mutex_lock(&lock);
    for (struct mirror *m = mirrors; m; m = m->next)
        if (m->base == push->mirror)
            hawser_diff_apply((void *)m->base, m->shadow, m->size, push->runs, push->n_runs, data, size);
    pthread_mutex_unlock(&lock);
}
