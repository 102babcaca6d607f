/*
 * Memory of allocation nodes. Its address must be known when the node is made and must stay, so it is taken
 * then and given back when the last graph that names it is gone. Whether it is allocated, in CUDA's sense, is
 * a mark that launches and frees set and clear.
 */
#include "graph.h"

#include <stdlib.h>

#define DEVICES 64

static struct usage { cuuint64_t used, used_high, reserved, reserved_high; } usage[DEVICES]; /* under the lock */

static struct graph_memory *all[1 << 12]; /* by address, under the lock: open addressing */

static unsigned slot_of(CUdeviceptr address) {
    return (unsigned)((address >> 8) * 2654435761u >> 16) % (unsigned)(sizeof all / sizeof *all);
}

struct graph_memory *graph_memory_at(CUdeviceptr address) {
    for (unsigned i = 0, s = slot_of(address); i < sizeof all / sizeof *all; i++, s = (s + 1) % (1 << 12))
        if (all[s] && all[s]->address == address) return all[s];
    return NULL;
}

static void count(cuuint64_t *now, cuuint64_t *high, size_t size, bool more) {
    *now = more ? *now + size : *now - size;
    if (*now > *high) *high = *now;
}

void graph_memory_set_live(struct graph_memory *m, bool live) {
    if (m->live == live) return;
    m->live = live;
    struct usage *u = &usage[(unsigned)m->device % DEVICES];
    count(&u->used, &u->used_high, m->size, live);
}

/* Not under the lock: it asks the library for memory. */
CUresult graph_memory_new(CUgraphNodeParams *p, struct graph_memory **out) {
    const CUDA_MEM_ALLOC_NODE_PARAMS_v2 *a = &p->alloc;
    if (!a->bytesize || a->poolProps.allocType != CU_MEM_ALLOCATION_TYPE_PINNED ||
        a->poolProps.location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
        a->poolProps.handleTypes != CU_MEM_HANDLE_TYPE_NONE || (a->accessDescCount && !a->accessDescs))
        return CUDA_ERROR_INVALID_VALUE;
    struct graph_memory *m = calloc(1, sizeof *m);
    if (!m) return CUDA_ERROR_OUT_OF_MEMORY;
    *m = (struct graph_memory){.size = a->bytesize, .device = a->poolProps.location.id, .references = 1};
    CUresult r = cuMemAlloc_v2(&m->address, m->size);
    if (r != CUDA_SUCCESS) {
        free(m);
        return r;
    }
    graph_enter();
    unsigned s = slot_of(m->address), tries = 0;
    while (all[s] && tries++ < sizeof all / sizeof *all)
        s = (s + 1) % (1 << 12);
    bool room = !all[s];
    if (room) {
        all[s] = m;
        struct usage *u = &usage[(unsigned)m->device % DEVICES];
        count(&u->reserved, &u->reserved_high, m->size, true);
    }
    graph_leave();
    if (!room) {
        cuMemFree_v2(m->address);
        free(m);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    p->alloc.dptr = m->address;
    *out = m;
    return CUDA_SUCCESS;
}

void graph_memory_ref(struct graph_memory *m) {
    m->references++;
}

/* Memory that a launch has left allocated belongs to the program until it is freed. */
void graph_memory_unref(struct graph_memory *m) {
    if (--m->references || m->live) return;
    for (unsigned s = 0; s < sizeof all / sizeof *all; s++)
        if (all[s] == m) all[s] = NULL;
    struct usage *u = &usage[(unsigned)m->device % DEVICES];
    count(&u->reserved, &u->reserved_high, m->size, false);
    cuMemFree_v2(m->address);
    free(m);
}

bool graph_memory_freed(CUdeviceptr address, CUresult *r) {
    graph_enter();
    struct graph_memory *m = graph_memory_at(address);
    if (m) {
        *r = m->live ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
        graph_memory_set_live(m, false);
        if (m->references == 0) {
            m->references = 1;
            graph_memory_unref(m);
        }
    }
    graph_leave();
    return m != NULL;
}

CUresult cuDeviceGetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attr, void *value) {
    CUdevice checked;
    CUresult r = cuDeviceGet(&checked, device);
    if (r != CUDA_SUCCESS) return r;
    if (!value) return CUDA_ERROR_INVALID_VALUE;
    graph_enter();
    const struct usage *u = &usage[(unsigned)device % DEVICES];
    const cuuint64_t values[] = {u->used, u->used_high, u->reserved, u->reserved_high};
    if ((unsigned)attr < 4)
        *(cuuint64_t *)value = values[attr];
    else
        r = CUDA_ERROR_INVALID_VALUE;
    graph_leave();
    return r;
}

/* Only the high watermarks can be set, and only to what is in use now. */
CUresult cuDeviceSetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attr, void *value) {
    CUdevice checked;
    CUresult r = cuDeviceGet(&checked, device);
    if (r != CUDA_SUCCESS) return r;
    if (!value || *(cuuint64_t *)value != 0) return CUDA_ERROR_INVALID_VALUE;
    graph_enter();
    struct usage *u = &usage[(unsigned)device % DEVICES];
    if (attr == CU_GRAPH_MEM_ATTR_USED_MEM_HIGH)
        u->used_high = u->used;
    else if (attr == CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH)
        u->reserved_high = u->reserved;
    else
        r = CUDA_ERROR_INVALID_VALUE;
    graph_leave();
    return r;
}

/* Memory that no graph names is given back at once, so nothing is left to trim. */
CUresult cuDeviceGraphMemTrim(CUdevice device) {
    CUdevice checked;
    return cuDeviceGet(&checked, device);
}
