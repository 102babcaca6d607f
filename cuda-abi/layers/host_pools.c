/*
 * Pools of host and of managed memory. A device's pools are the library's; the memory of these is this process's own,
 * so they are kept here, for the guest as for the software GPU: blocks that the library allocates at once, given back
 * in the order of a stream, which an event tells of. What is given back is used again or let go when a function of the
 * pool is next called.
 */
#include "layers.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#define GRAIN ((size_t)64 << 10) /* blocks are of so many bytes, or several times that */

struct block {
    struct block *next;
    CUdeviceptr at;
    size_t size, asked;
    CUstream freed_in; /* free blocks */
    CUevent freed;     /* reached when it may be used in other streams; NULL: it may */
};

struct pool {
    struct pool *next;
    CUmemPoolProps props;
    bool standard, destroyed; /* standard: a location's default one */
    int reuse[3];
    cuuint64_t threshold, reserved, most_reserved, used, most_used;
    struct block *lent, *free;
};

/* A location's own choice, where it is not the default. */
struct choice {
    struct choice *next;
    CUmemLocation location;
    CUmemAllocationType type;
    struct pool *pool;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pool *pools;
static struct choice *choices;

static struct pool *find(CUmemoryPool handle) {
    struct pool *p = pools;
    while (p && ((CUmemoryPool)p != handle || p->destroyed))
        p = p->next;
    return p;
}

/* ---- blocks ---- */

static bool is_reached(struct block *b) {
    if (b->freed && cuEventQuery(b->freed) == CUDA_ERROR_NOT_READY) return false;
    if (b->freed) cuEventDestroy_v2(b->freed);
    b->freed = NULL;
    return true;
}

static void let_go(struct pool *p, struct block *b) {
    p->reserved -= b->size;
    if (p->props.allocType == CU_MEM_ALLOCATION_TYPE_MANAGED)
        cuMemFree_v2(b->at);
    else
        cuMemFreeHost((void *)b->at);
    free(b);
}

/* Lets go what no stream may still use, until no more than so many bytes are kept. */
static void trim(struct pool *p, cuuint64_t keep) {
    for (struct block **at = &p->free; *at && p->reserved > keep;) {
        struct block *b = *at;
        if (!is_reached(b)) {
            at = &b->next;
            continue;
        }
        *at = b->next;
        let_go(p, b);
    }
}

/* Whether so many bytes more are within the pool's limit, once what nothing uses has gone. */
static bool has_room(struct pool *p, size_t size) {
    if (!p->props.maxSize) return true;
    if (size > p->props.maxSize) return false;
    trim(p, p->props.maxSize - size);
    return p->reserved <= p->props.maxSize - size;
}

static CUresult fresh_block(struct pool *p, size_t asked, struct block **out) {
    if (asked > SIZE_MAX - GRAIN) return CUDA_ERROR_OUT_OF_MEMORY;
    size_t size = (asked + GRAIN - 1) / GRAIN * GRAIN;
    struct block *b = has_room(p, size) ? calloc(1, sizeof *b) : NULL;
    if (!b) return CUDA_ERROR_OUT_OF_MEMORY;
    b->size = size;
    CUresult r;
    void *host = NULL;
    if (p->props.allocType == CU_MEM_ALLOCATION_TYPE_MANAGED) {
        r = cuMemAllocManaged(&b->at, size, CU_MEM_ATTACH_GLOBAL);
    } else {
        r = cuMemHostAlloc(&host, size, CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP);
        b->at = (CUdeviceptr)host;
    }
    if (r != CUDA_SUCCESS) {
        free(b);
        return r;
    }
    p->reserved += size;
    if (p->reserved > p->most_reserved) p->most_reserved = p->reserved;
    *out = b;
    return CUDA_SUCCESS;
}

/* A destroyed pool ends with its last block, which streams may still use long after the program gave it back. */
static void end_destroyed(void) {
    for (struct pool **at = &pools, *p; (p = *at);) {
        if (p->destroyed) trim(p, 0);
        if (!p->destroyed || p->lent || p->free) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        free(p);
    }
}

/* Nothing here is a graph's. */
static CUresult check_stream(CUstream stream) {
    unsigned flags;
    CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
    CUresult r = cuStreamGetFlags(stream, &flags);
    if (r == CUDA_SUCCESS && layer_capture_on()) r = cuStreamIsCapturing(stream, &status);
    if (r == CUDA_SUCCESS && status != CU_STREAM_CAPTURE_STATUS_NONE)
        return hawser_abi_not_supported("pools of host memory in captured streams");
    return r;
}

bool layer_host_pools_cuMemAllocFromPoolAsync(CUdeviceptr *dptr, size_t size, CUmemoryPool handle, CUstream stream,
                                              CUresult *r) {
    pthread_mutex_lock(&lock);
    struct pool *p = find(handle);
    if (p) *r = dptr && size ? check_stream(stream) : CUDA_ERROR_INVALID_VALUE;
    struct block **at = p ? &p->free : NULL, *b = NULL;
    CUstream meant = stream ? stream : hawser_abi_default_stream();
    while (p && *r == CUDA_SUCCESS && *at) {
        bool fits = (*at)->size >= size && (*at)->size / 2 <= size + GRAIN;
        if (fits && ((*at)->freed_in == meant || is_reached(*at))) break;
        at = &(*at)->next;
    }
    /* The handle may be another stream's by now, or mean another thread's. */
    if (p && *r == CUDA_SUCCESS && *at && (*at)->freed) *r = cuStreamWaitEvent(stream, (*at)->freed, 0);
    if (p && *r == CUDA_SUCCESS && *at) {
        b = *at;
        *at = b->next;
        if (b->freed) cuEventDestroy_v2(b->freed);
        b->freed = NULL;
    } else if (p && *r == CUDA_SUCCESS) {
        *r = fresh_block(p, size, &b);
    }
    if (b) {
        b->asked = size;
        b->next = p->lent;
        p->lent = b;
        p->used += size;
        if (p->used > p->most_used) p->most_used = p->used;
        *dptr = b->at;
    }
    pthread_mutex_unlock(&lock);
    return p != NULL;
}

static struct block **find_block(struct block **list, CUdeviceptr at) {
    while (*list && (*list)->at != at)
        list = &(*list)->next;
    return list;
}

/* in_stream: when the stream has come to it; else at once. */
static bool give_back(CUdeviceptr dptr, CUstream stream, bool in_stream, CUresult *r) {
    struct block **at = NULL, *b;
    bool free_already = false;
    pthread_mutex_lock(&lock);
    struct pool *p = pools;
    for (; p && !free_already; p = p->next) {
        at = find_block(&p->lent, dptr);
        if (*at) break;
        free_already = *find_block(&p->free, dptr) != NULL;
    }
    bool ours = p || free_already;
    if (free_already) {
        *r = CUDA_ERROR_INVALID_VALUE;
    } else if (p) {
        b = *at;
        *r = in_stream ? check_stream(stream) : cuCtxSynchronize();
        if (in_stream && *r == CUDA_SUCCESS) *r = cuEventCreate(&b->freed, CU_EVENT_DISABLE_TIMING);
        if (in_stream && *r == CUDA_SUCCESS) *r = cuEventRecord(b->freed, stream);
        if (*r == CUDA_SUCCESS) {
            *at = b->next;
            b->freed_in = stream ? stream : hawser_abi_default_stream();
            b->next = p->free;
            p->free = b;
            p->used -= b->asked;
            trim(p, p->threshold);
            end_destroyed();
        } else if (b->freed) {
            cuEventDestroy_v2(b->freed);
            b->freed = NULL;
        }
    }
    pthread_mutex_unlock(&lock);
    return ours;
}

bool layer_host_pools_cuMemFreeAsync(CUdeviceptr dptr, CUstream stream, CUresult *r) {
    return give_back(dptr, stream, true, r);
}

bool layer_host_pools_cuMemFree_v2(CUdeviceptr dptr, CUresult *r) {
    return give_back(dptr, NULL, false, r);
}

/* ---- pools ---- */

static bool is_host(const CUmemLocation *l) {
    return l->type == CU_MEM_LOCATION_TYPE_HOST || l->type == CU_MEM_LOCATION_TYPE_HOST_NUMA ||
           l->type == CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT;
}

/* Whether a pool of that place is one of these. */
static bool is_ours(const CUmemLocation *l, CUmemAllocationType type) {
    return type == CU_MEM_ALLOCATION_TYPE_MANAGED || (type == CU_MEM_ALLOCATION_TYPE_PINNED && is_host(l));
}

/* Nothing here places memory on a node of the machine's. */
static CUresult check_place(const CUmemLocation *l) {
    CUdevice device;
    if (l->type == CU_MEM_LOCATION_TYPE_DEVICE)
        return cuDeviceGet(&device, l->id) == CUDA_SUCCESS ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
    if (l->type == CU_MEM_LOCATION_TYPE_HOST || l->type == CU_MEM_LOCATION_TYPE_INVALID) return CUDA_SUCCESS;
    return is_host(l) ? hawser_abi_not_supported("memory pools of a NUMA node") : CUDA_ERROR_INVALID_VALUE;
}

static struct pool *make(const CUmemPoolProps *props) {
    struct pool *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->props = *props;
    for (int i = 0; i < 3; i++)
        p->reuse[i] = 1;
    p->next = pools;
    pools = p;
    return p;
}

bool layer_host_pools_cuMemPoolCreate(CUmemoryPool *pool, const CUmemPoolProps *props, CUresult *r) {
    if (!pool || !props || !is_ours(&props->location, props->allocType)) return false;
    *r = hawser_abi_ready();
    if (*r == CUDA_SUCCESS) *r = check_place(&props->location);
    if (*r == CUDA_SUCCESS && props->handleTypes != CU_MEM_HANDLE_TYPE_NONE)
        *r = hawser_abi_not_supported("pools of host or managed memory that other processes share");
    if (*r != CUDA_SUCCESS) return true;
    pthread_mutex_lock(&lock);
    end_destroyed();
    struct pool *p = make(props);
    pthread_mutex_unlock(&lock);
    *pool = (CUmemoryPool)p;
    if (!p) *r = CUDA_ERROR_OUT_OF_MEMORY;
    return true;
}

bool layer_host_pools_cuMemPoolDestroy(CUmemoryPool pool, CUresult *r) {
    pthread_mutex_lock(&lock);
    struct pool *p = find(pool);
    if (p) {
        *r = p->standard ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
        p->destroyed = !p->standard;
        for (struct choice *c = choices; c && p->destroyed; c = c->next)
            if (c->pool == p) c->pool = NULL;
    }
    bool ours = p != NULL;
    end_destroyed();
    pthread_mutex_unlock(&lock);
    return ours;
}

bool layer_host_pools_cuMemPoolTrimTo(CUmemoryPool pool, size_t keep, CUresult *r) {
    pthread_mutex_lock(&lock);
    end_destroyed();
    struct pool *p = find(pool);
    if (p) trim(p, keep);
    pthread_mutex_unlock(&lock);
    *r = CUDA_SUCCESS;
    return p != NULL;
}

static CUresult attribute(struct pool *p, CUmemPool_attribute a, void *value, bool set) {
    cuuint64_t *sizes[] = {&p->threshold, &p->reserved, &p->most_reserved, &p->used, &p->most_used};
    const cuuint64_t now[] = {0, 0, p->reserved, 0, p->used}; /* a highest figure begins anew from here */
    if (!value || a < CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES || a > CU_MEMPOOL_ATTR_USED_MEM_HIGH)
        return CUDA_ERROR_INVALID_VALUE;
    if (a < CU_MEMPOOL_ATTR_RELEASE_THRESHOLD) {
        int *switches = &p->reuse[a - CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES];
        if (set)
            *switches = *(int *)value != 0;
        else
            *(int *)value = *switches;
        return CUDA_SUCCESS;
    }
    unsigned i = a - CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    if (!set) {
        *(cuuint64_t *)value = *sizes[i];
        return CUDA_SUCCESS;
    }
    if (i == 0)
        p->threshold = *(cuuint64_t *)value;
    else if (i % 2 || *(cuuint64_t *)value)
        return CUDA_ERROR_INVALID_VALUE;
    else
        *sizes[i] = now[i];
    return CUDA_SUCCESS;
}

bool layer_host_pools_cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value, CUresult *r) {
    pthread_mutex_lock(&lock);
    struct pool *p = find(pool);
    if (p) *r = attribute(p, attr, value, true);
    pthread_mutex_unlock(&lock);
    return p != NULL;
}

bool layer_host_pools_cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value, CUresult *r) {
    pthread_mutex_lock(&lock);
    struct pool *p = find(pool);
    if (p) *r = attribute(p, attr, value, false);
    pthread_mutex_unlock(&lock);
    return p != NULL;
}

/* All devices and the program reach these blocks, always. */
bool layer_host_pools_cuMemPoolSetAccess(CUmemoryPool pool, const CUmemAccessDesc *map, size_t count, CUresult *r) {
    pthread_mutex_lock(&lock);
    struct pool *p = find(pool);
    pthread_mutex_unlock(&lock);
    if (!p) return false;
    *r = map && count ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < count && *r == CUDA_SUCCESS; i++) {
        *r = check_place(&map[i].location);
        if (*r == CUDA_SUCCESS && map[i].flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
            *r = hawser_abi_not_supported("taking access to pools of host or managed memory away");
    }
    return true;
}

bool layer_host_pools_cuMemPoolGetAccess(CUmemAccess_flags *flags, CUmemoryPool pool, CUmemLocation *location,
                                         CUresult *r) {
    pthread_mutex_lock(&lock);
    struct pool *p = find(pool);
    pthread_mutex_unlock(&lock);
    if (!p) return false;
    *r = flags && location ? check_place(location) : CUDA_ERROR_INVALID_VALUE;
    if (*r == CUDA_SUCCESS) *flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    return true;
}

/* ---- by location ---- */

static bool same(const CUmemLocation *a, const CUmemLocation *b) {
    return a->type == b->type && (a->type == CU_MEM_LOCATION_TYPE_HOST || a->id == b->id);
}

static struct pool *standard_pool(const CUmemLocation *l, CUmemAllocationType type) {
    for (struct pool *p = pools; p; p = p->next)
        if (p->standard && p->props.allocType == type && same(&p->props.location, l)) return p;
    struct pool *p = make(&(CUmemPoolProps){.allocType = type, .location = *l});
    if (p) p->standard = true;
    return p;
}

static struct choice *choice_for(const CUmemLocation *l, CUmemAllocationType type) {
    struct choice *c = choices;
    while (c && (c->type != type || !same(&c->location, l)))
        c = c->next;
    return c;
}

static bool pool_of(const CUmemLocation *l, CUmemAllocationType type, bool standard, CUmemoryPool *out, CUresult *r) {
    if (!l || !is_ours(l, type)) return false;
    *r = hawser_abi_ready();
    if (*r == CUDA_SUCCESS) *r = check_place(l);
    if (*r != CUDA_SUCCESS) return true;
    pthread_mutex_lock(&lock);
    struct choice *c = standard ? NULL : choice_for(l, type);
    struct pool *p = c && c->pool ? c->pool : standard_pool(l, type);
    pthread_mutex_unlock(&lock);
    if (!p || !out)
        *r = p ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_OUT_OF_MEMORY;
    else
        *out = (CUmemoryPool)p;
    return true;
}

bool layer_host_pools_cuMemGetDefaultMemPool(CUmemoryPool *pool, CUmemLocation *location, CUmemAllocationType type,
                                             CUresult *r) {
    return pool_of(location, type, true, pool, r);
}

bool layer_host_pools_cuMemGetMemPool(CUmemoryPool *pool, CUmemLocation *location, CUmemAllocationType type,
                                      CUresult *r) {
    return pool_of(location, type, false, pool, r);
}

bool layer_host_pools_cuMemSetMemPool(CUmemLocation *l, CUmemAllocationType type, CUmemoryPool pool, CUresult *r) {
    if (!l || !is_ours(l, type)) return false;
    *r = hawser_abi_ready();
    if (*r != CUDA_SUCCESS) return true;
    pthread_mutex_lock(&lock);
    struct pool *p = find(pool);
    struct choice *c = choice_for(l, type);
    *r = p && p->props.allocType == type && same(&p->props.location, l) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    if (*r == CUDA_SUCCESS && !c && (c = calloc(1, sizeof *c))) {
        *c = (struct choice){choices, *l, type, NULL};
        choices = c;
    }
    if (*r == CUDA_SUCCESS && c)
        c->pool = p;
    else if (*r == CUDA_SUCCESS)
        *r = CUDA_ERROR_OUT_OF_MEMORY;
    pthread_mutex_unlock(&lock);
    return true;
}
