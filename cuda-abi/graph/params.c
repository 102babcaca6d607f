/*
 * The parameters of nodes. All kinds are kept as one CUgraphNodeParams whose pointers lead to memory of the
 * node's own, so that adding, setting and getting are the same for each.
 */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

/* ---- copies of what parameters point to ---- */

static void *copy_of(const void *p, size_t size) {
    void *copy = malloc(size ? size : 1);
    if (copy && size) memcpy(copy, p, size);
    return copy;
}

#define MAX_PARAMS 4096

/* One block: the pointers, then the values where the kernel's layout has them, so that the block's second half
 * is also the packed form. */
static CUresult pack_kernel(struct graph_node *n, const CUDA_KERNEL_NODE_PARAMS_v3 *k, CUfunction f) {
    size_t offset, size, count = 0, bytes = 0;
    while (count < MAX_PARAMS && cuFuncGetParamInfo(f, count, &offset, &size) == CUDA_SUCCESS) {
        if (offset + size > bytes) bytes = offset + size;
        count++;
    }
    const void *packed = NULL;
    size_t packed_size = 0;
    for (void **e = k->extra; e && *e != CU_LAUNCH_PARAM_END; e += 2)
        if (*e == CU_LAUNCH_PARAM_BUFFER_POINTER)
            packed = e[1];
        else if (*e == CU_LAUNCH_PARAM_BUFFER_SIZE)
            packed_size = *(const size_t *)e[1];
        else
            return CUDA_ERROR_INVALID_VALUE;
    if (count && !k->kernelParams && (!packed || packed_size < bytes)) return CUDA_ERROR_INVALID_VALUE;
    void **block = calloc(1, (count + 1) * sizeof *block + bytes + 16);
    if (!block) return CUDA_ERROR_OUT_OF_MEMORY;
    char *values = (char *)(block + count + 1);
    for (size_t i = 0; i < count; i++) {
        cuFuncGetParamInfo(f, i, &offset, &size);
        const void *from = k->kernelParams ? k->kernelParams[i] : (const char *)packed + offset;
        if (!from) {
            free(block);
            return CUDA_ERROR_INVALID_VALUE;
        }
        block[i] = memcpy(values + offset, from, size);
    }
    n->p.kernel.kernelParams = block;
    n->p.kernel.extra = NULL;
    n->param_bytes = bytes;
    return CUDA_SUCCESS;
}

static CUresult take_kernel(struct graph_node *n, const CUDA_KERNEL_NODE_PARAMS_v3 *k) {
    int value;
    CUfunction f = k->func ? k->func : (CUfunction)k->kern;
    n->p.kernel.kernelParams = NULL; /* not the node's yet */
    if (!f || (k->kernelParams && k->extra)) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, f);
    if (r != CUDA_SUCCESS) return r == CUDA_ERROR_INVALID_HANDLE ? CUDA_ERROR_INVALID_VALUE : r;
    uint64_t threads = (uint64_t)k->blockDimX * k->blockDimY * k->blockDimZ;
    if (!k->gridDimX || !k->gridDimY || !k->gridDimZ || !threads || threads > 1024 ||
        (value && threads > (uint64_t)value))
        return CUDA_ERROR_INVALID_VALUE;
    r = pack_kernel(n, k, f);
    if (r == CUDA_SUCCESS && !n->p.kernel.ctx) cuCtxGetCurrent(&n->p.kernel.ctx);
    return r;
}

static CUresult take_memset(const CUDA_MEMSET_NODE_PARAMS_v2 *m) {
    bool ok = m->dst && m->width && m->height && (m->elementSize == 1 || m->elementSize == 2 || m->elementSize == 4) &&
              m->dst % m->elementSize == 0 && (m->height == 1 || m->pitch >= m->width * m->elementSize);
    return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static bool copy_type_ok(CUmemorytype t) {
    return t >= CU_MEMORYTYPE_HOST && t <= CU_MEMORYTYPE_UNIFIED;
}

static CUresult take_memcpy(const CUDA_MEMCPY3D *m) {
    bool ok = copy_type_ok(m->srcMemoryType) && copy_type_ok(m->dstMemoryType) && m->WidthInBytes && m->Height &&
              m->Depth && (m->srcMemoryType != CU_MEMORYTYPE_HOST || m->srcHost) &&
              (m->dstMemoryType != CU_MEMORYTYPE_HOST || m->dstHost);
    return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* The bodies are new and empty unless p is another node's, whose bodies are copied. */
static CUresult take_conditional(struct graph_node *n, const CUDA_CONDITIONAL_NODE_PARAMS *c) {
    n->p.conditional.phGraph_out = NULL;
    bool ok = c->type == CU_GRAPH_COND_TYPE_IF      ? c->size == 1 || c->size == 2
              : c->type == CU_GRAPH_COND_TYPE_WHILE ? c->size == 1
                                                    : c->type == CU_GRAPH_COND_TYPE_SWITCH && c->size;
    if (!ok) return CUDA_ERROR_INVALID_VALUE;
    struct graph **bodies = calloc(c->size, sizeof *bodies);
    if (!bodies) return CUDA_ERROR_OUT_OF_MEMORY;
    n->p.conditional.phGraph_out = (CUgraph *)bodies;
    for (unsigned i = 0; i < c->size; i++) {
        CUresult r = CUDA_SUCCESS;
        if (c->phGraph_out)
            r = graph_clone((struct graph *)c->phGraph_out[i], &bodies[i]);
        else
            bodies[i] = graph_new();
        if (!bodies[i]) return r != CUDA_SUCCESS ? r : CUDA_ERROR_OUT_OF_MEMORY;
        bodies[i]->owner = n;
    }
    return CUDA_SUCCESS;
}

static CUresult take_child(struct graph_node *n, const CUDA_CHILD_GRAPH_NODE_PARAMS *c) {
    struct graph *child = graph_of(c->graph);
    n->p.graph.graph = NULL;
    if (!child) return CUDA_ERROR_INVALID_VALUE;
    for (struct graph *g = n->graph; g; g = g->owner ? g->owner->graph : NULL)
        if (g == child) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = CUDA_SUCCESS;
    if (c->ownership == CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE) {
        if (child->owner) return CUDA_ERROR_INVALID_VALUE;
        n->p.graph.graph = c->graph;
    } else {
        r = graph_clone(child, (struct graph **)&n->p.graph.graph);
    }
    if (r == CUDA_SUCCESS) ((struct graph *)n->p.graph.graph)->owner = n;
    /* Later copies of this node copy the graph. */
    n->p.graph.ownership = CU_GRAPH_CHILD_GRAPH_OWNERSHIP_CLONE;
    return r;
}

#define TAKE_ARRAY(field, count)                                                                                       \
    do {                                                                                                               \
        n->p.field = copy_of(p->field, (count) * sizeof *p->field);                                                    \
        if (!n->p.field) return CUDA_ERROR_OUT_OF_MEMORY;                                                              \
    } while (0)

static CUresult take_semaphores(struct graph_node *n, const CUgraphNodeParams *p) {
    unsigned count = p->extSemSignal.numExtSems;
    n->p.extSemSignal.extSemArray = NULL;
    n->p.extSemSignal.paramsArray = NULL;
    if (!count || !p->extSemSignal.extSemArray || !p->extSemSignal.paramsArray) return CUDA_ERROR_INVALID_VALUE;
    TAKE_ARRAY(extSemSignal.extSemArray, count);
    if (p->type == CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL)
        TAKE_ARRAY(extSemSignal.paramsArray, count);
    else
        TAKE_ARRAY(extSemWait.paramsArray, count);
    return CUDA_SUCCESS;
}

CUresult graph_params_take(struct graph_node *n, const CUgraphNodeParams *p) {
    n->p = *p;
    switch (p->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
        return take_kernel(n, &p->kernel);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
        return take_memcpy(&p->memcpy.copyParams);
    case CU_GRAPH_NODE_TYPE_MEMSET:
        return take_memset(&p->memset);
    case CU_GRAPH_NODE_TYPE_HOST:
        return p->host.fn ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_GRAPH_NODE_TYPE_GRAPH:
        return take_child(n, &p->graph);
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
        return p->eventRecord.event ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL:
    case CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT:
        return take_semaphores(n, p);
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
        n->p.alloc.accessDescs = NULL;
        if (p->alloc.accessDescCount) TAKE_ARRAY(alloc.accessDescs, p->alloc.accessDescCount);
        return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
        n->p.memOp.paramArray = NULL;
        if (!p->memOp.count || p->memOp.count > 256 || !p->memOp.paramArray) return CUDA_ERROR_INVALID_VALUE;
        TAKE_ARRAY(memOp.paramArray, p->memOp.count);
        return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
        return take_conditional(n, &p->conditional);
    case CU_GRAPH_NODE_TYPE_EMPTY:
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
        return CUDA_SUCCESS;
    default:
        n->p.type = CU_GRAPH_NODE_TYPE_EMPTY; /* nothing to drop */
        return CUDA_ERROR_INVALID_VALUE;
    }
}

void graph_params_drop(struct graph_node *n) {
    unsigned count;
    struct graph **inside = graph_inside(n, &count);
    for (unsigned i = 0; inside && i < count; i++)
        if (inside[i]) graph_free(inside[i]);
    switch (n->p.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
        free(n->p.kernel.kernelParams);
        break;
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
        free(n->p.conditional.phGraph_out);
        break;
    case CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL:
    case CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT:
        free(n->p.extSemSignal.extSemArray);
        free((void *)n->p.extSemSignal.paramsArray);
        break;
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
        free((void *)n->p.alloc.accessDescs);
        if (n->memory) graph_memory_unref(n->memory);
        break;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
        free(n->p.memOp.paramArray);
        break;
    default:
        break;
    }
}
