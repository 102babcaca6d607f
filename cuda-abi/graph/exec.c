/*
 * Executable graphs: a copy of the graph, and the order in which a stream is asked for its nodes. One stream
 * keeps every edge; what CUDA might have run side by side runs one after the other.
 */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

/* ---- asking the library ---- */

static CUresult run_kernel(const struct graph_node *n, CUstream stream) {
    const CUDA_KERNEL_NODE_PARAMS_v3 *k = &n->p.kernel;
    CUfunction f = k->func ? k->func : (CUfunction)k->kern;
    if (n->cooperative)
        return cuLaunchCooperativeKernel(f, k->gridDimX, k->gridDimY, k->gridDimZ, k->blockDimX, k->blockDimY,
                                         k->blockDimZ, k->sharedMemBytes, stream, k->kernelParams);
    CUlaunchConfig c = {k->gridDimX,  k->gridDimY,       k->gridDimZ, k->blockDimX,  k->blockDimY,
                        k->blockDimZ, k->sharedMemBytes, stream,      n->attributes, n->n_attributes};
    return cuLaunchKernelEx(&c, f, k->kernelParams, NULL);
}

static CUresult run_memset(const CUDA_MEMSET_NODE_PARAMS_v2 *m, CUstream stream) {
    size_t pitch = m->height > 1 ? m->pitch : m->width * m->elementSize;
    switch (m->elementSize) {
    case 1:
        return cuMemsetD2D8Async(m->dst, pitch, (unsigned char)m->value, m->width, m->height, stream);
    case 2:
        return cuMemsetD2D16Async(m->dst, pitch, (unsigned short)m->value, m->width, m->height, stream);
    default:
        return cuMemsetD2D32Async(m->dst, pitch, m->value, m->width, m->height, stream);
    }
}

/* A copy from the program's memory takes its bytes when it is asked for, so what the graph itself writes there
 * before must have been done by then. */
static CUresult run_memcpy(const CUDA_MEMCPY3D *m, CUstream stream, bool *host_written) {
    bool from_host = m->srcMemoryType == CU_MEMORYTYPE_HOST || m->srcMemoryType == CU_MEMORYTYPE_UNIFIED;
    if (from_host && *host_written) {
        CUresult r = cuStreamSynchronize(stream);
        if (r != CUDA_SUCCESS) return r;
        *host_written = false;
    }
    if (m->dstMemoryType == CU_MEMORYTYPE_HOST || m->dstMemoryType == CU_MEMORYTYPE_UNIFIED) *host_written = true;
    return cuMemcpy3DAsync_v2(m, stream);
}

static CUresult run_conditional(const struct graph_node *n, CUstream stream);

static CUresult run_node(const struct graph_node *n, CUstream stream, bool *host_written) {
    switch (n->p.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
        return run_kernel(n, stream);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
        return run_memcpy(&n->p.memcpy.copyParams, stream, host_written);
    case CU_GRAPH_NODE_TYPE_MEMSET:
        return run_memset(&n->p.memset, stream);
    case CU_GRAPH_NODE_TYPE_HOST:
        *host_written = true;
        return cuLaunchHostFunc(stream, n->p.host.fn, n->p.host.userData);
    case CU_GRAPH_NODE_TYPE_GRAPH:
        return graph_replay((struct graph *)n->p.graph.graph, stream, host_written);
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
        return cuStreamWaitEvent(stream, n->p.eventWait.event, 0);
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
        return cuEventRecord(n->p.eventRecord.event, stream);
    case CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL:
        return cuSignalExternalSemaphoresAsync(n->p.extSemSignal.extSemArray, n->p.extSemSignal.paramsArray,
                                               n->p.extSemSignal.numExtSems, stream);
    case CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT:
        return cuWaitExternalSemaphoresAsync(n->p.extSemWait.extSemArray, n->p.extSemWait.paramsArray,
                                             n->p.extSemWait.numExtSems, stream);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
        return cuStreamBatchMemOp_v2(stream, n->p.memOp.count, n->p.memOp.paramArray, n->p.memOp.flags);
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
        return run_conditional(n, stream);
    default: /* empty; allocations and frees are marks, set before */
        return CUDA_SUCCESS;
    }
}

/* The graph is not the program's to change while this runs, so the lock need not be held. */
CUresult graph_replay(struct graph *g, CUstream stream, bool *host_written) {
    CUresult r = CUDA_SUCCESS;
    for (size_t i = 0; i < g->n && r == CUDA_SUCCESS; i++)
        if (!g->order[i]->disabled) r = run_node(g->order[i], stream, host_written);
    return r;
}

/* ---- conditional nodes: the value is read when the stream has come to it ---- */

struct decision {
    const struct graph_node *node;
    CUstream stream;
};

static CUresult run_body(const struct graph_node *n, unsigned i, CUstream stream) {
    bool host_written = false;
    return i < n->p.conditional.size
               ? graph_replay((struct graph *)n->p.conditional.phGraph_out[i], stream, &host_written)
               : CUDA_SUCCESS;
}

static CUresult decide(void *arg) {
    const struct decision *d = arg;
    const struct graph_node *n = d->node;
    for (;;) {
        unsigned value;
        CUresult r = cuMemcpyDtoHAsync_v2(&value, n->p.conditional.handle, sizeof value, d->stream);
        if (r != CUDA_SUCCESS) return r;
        switch (n->p.conditional.type) {
        case CU_GRAPH_COND_TYPE_IF:
            return run_body(n, value ? 0 : 1, d->stream);
        case CU_GRAPH_COND_TYPE_SWITCH:
            return run_body(n, value, d->stream);
        default:
            if (!value) return CUDA_SUCCESS;
            r = run_body(n, 0, d->stream);
            if (r != CUDA_SUCCESS) return r;
        }
    }
}

static CUresult run_conditional(const struct graph_node *n, CUstream stream) {
    struct decision d = {n, stream};
    return hawser_abi_run_in_stream(stream, decide, &d, sizeof d);
}

/* ---- making ---- */

/* Under the lock. Orders a graph and all inside it. */
static bool order_graph(struct graph *g) {
    free(g->order);
    g->order = graph_sorted(g);
    g->executable = true;
    for (struct graph_node *n = g->first; n && g->order; n = n->next) {
        unsigned count;
        struct graph **inside = graph_inside(n, &count);
        for (unsigned i = 0; i < count; i++)
            if (!order_graph(inside[i])) return false;
    }
    return g->order != NULL;
}

static bool single(const struct graph *g) {
    for (struct graph_node *n = g->first; n; n = n->next)
        if (n->p.type == CU_GRAPH_NODE_TYPE_MEM_ALLOC || n->p.type == CU_GRAPH_NODE_TYPE_MEM_FREE ||
            n->p.type == CU_GRAPH_NODE_TYPE_CONDITIONAL)
            return true;
    return false;
}

static bool has_bodies(struct graph *g) {
    for (struct graph_node *n = g->first; n; n = n->next)
        if (n->p.type == CU_GRAPH_NODE_TYPE_CONDITIONAL ||
            (n->p.type == CU_GRAPH_NODE_TYPE_GRAPH && has_bodies((struct graph *)n->p.graph.graph)))
            return true;
    return false;
}

/* Whether a stream could do the same: the nodes follow one another, and name no other context than *one, the first that
 * any names. A stream takes kernels of its own context only, and kernels of branches may wait for each other. */
static bool fits_a_stream(struct graph *g, CUcontext *one) {
    unsigned roots = 0;
    for (struct graph_node *n = g->first; n; n = n->next) {
        unsigned count;
        struct graph **inside = graph_inside(n, &count);
        if (!n->in.n) roots++;
        if (roots > 1 || n->in.n > 1 || n->out.n > 1) return false;
        CUcontext c = n->p.type == CU_GRAPH_NODE_TYPE_KERNEL   ? n->p.kernel.ctx
                      : n->p.type == CU_GRAPH_NODE_TYPE_MEMCPY ? n->p.memcpy.copyCtx
                      : n->p.type == CU_GRAPH_NODE_TYPE_MEMSET ? n->p.memset.ctx
                                                               : NULL;
        if (c && *one && c != *one) return false;
        if (c) *one = c;
        for (unsigned i = 0; i < count; i++)
            if (!fits_a_stream(inside[i], one)) return false;
    }
    return true;
}

static void exec_unref(struct graph_exec *e) {
    if (--e->references) return;
    graph_free(e->graph);
    graph_bury(e);
}

static CUresult release(void *arg) {
    graph_enter();
    exec_unref(*(struct graph_exec **)arg);
    graph_leave();
    return CUDA_SUCCESS;
}

static CUresult instantiate(CUgraphExec *out, CUgraph hGraph, unsigned long long flags) {
    const unsigned long long known = CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH |
                                     CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD | CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH |
                                     CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!out || flags & ~known) return CUDA_ERROR_INVALID_VALUE;
    if (flags & CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH)
        return hawser_abi_not_supported("graphs that are launched by the device");
    struct graph_exec *e = calloc(1, sizeof *e);
    if (!e) return CUDA_ERROR_OUT_OF_MEMORY;
    graph_enter();
    struct graph *g = graph_of(hGraph);
    if (!g || g->executable)
        r = CUDA_ERROR_INVALID_VALUE;
    else if (single(g) && g->instance)
        r = CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS) r = graph_clone(g, &e->graph);
    if (r == CUDA_SUCCESS && (!order_graph(e->graph) || !graph_table_add(GRAPH_EXEC, e, e))) {
        graph_free(e->graph);
        r = CUDA_ERROR_INVALID_VALUE;
    }
    if (r == CUDA_SUCCESS) {
        e->flags = flags & ~(unsigned long long)CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD;
        CUcontext one = NULL;
        e->references = 1;
        e->patience = fits_a_stream(g, &one);
        e->bodies = has_bodies(g);
        e->version = g->version;
        if (e->bodies) graph_whole_share(g, e->graph);
        if (single(g)) {
            e->source = g;
            g->instance = e;
        }
    } else {
        free(e);
    }
    graph_leave();
    if (r != CUDA_SUCCESS) return r;
    r = graph_whole_made(e);
    if (r == CUDA_SUCCESS)
        *out = (CUgraphExec)e;
    else
        cuGraphExecDestroy((CUgraphExec)e);
    return r;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *phGraphExec, CUgraph hGraph, unsigned long long flags) {
    return instantiate(phGraphExec, hGraph, flags);
}

CUresult cuGraphInstantiate_v2(CUgraphExec *phGraphExec, CUgraph hGraph, CUgraphNode *phErrorNode, char *logBuffer,
                               size_t bufferSize) {
    if (phErrorNode) *phErrorNode = NULL;
    if (logBuffer && bufferSize) *logBuffer = 0;
    return instantiate(phGraphExec, hGraph, 0);
}

CUresult cuGraphInstantiateWithParams(CUgraphExec *phGraphExec, CUgraph hGraph,
                                      CUDA_GRAPH_INSTANTIATE_PARAMS *instantiateParams) {
    if (!instantiateParams) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = instantiate(phGraphExec, hGraph, instantiateParams->flags);
    instantiateParams->hErrNode_out = NULL;
    instantiateParams->result_out = r == CUDA_SUCCESS ? CUDA_GRAPH_INSTANTIATE_SUCCESS : CUDA_GRAPH_INSTANTIATE_ERROR;
    return r;
}

CUresult cuGraphExecGetFlags(CUgraphExec hGraphExec, cuuint64_t *flags) {
    graph_enter();
    struct graph_exec *e = graph_exec_of(hGraphExec);
    if (e && flags) *flags = e->flags;
    graph_leave();
    return e && flags ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGraphExecDestroy(CUgraphExec hGraphExec) {
    graph_enter();
    struct graph_exec *e = graph_exec_of(hGraphExec);
    if (e) {
        graph_table_remove(GRAPH_EXEC, e);
        if (e->source) e->source->instance = NULL;
        exec_unref(e);
    }
    graph_leave();
    return e ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- launching ---- */

/* Under the lock. Allocations are refused while the last launch's are not freed, unless they free themselves;
 * then what this launch allocates and frees is marked. */
static CUresult mark_memory(const struct graph_exec *e) {
    const struct graph *g = e->graph;
    for (size_t i = 0; i < g->n; i++) {
        struct graph_memory *m = g->order[i]->memory;
        if (!m || !m->live) continue;
        if (!(e->flags & CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH)) return CUDA_ERROR_INVALID_VALUE;
        graph_memory_set_live(m, false);
    }
    for (size_t i = 0; i < g->n; i++) {
        struct graph_node *n = g->order[i];
        if (n->memory) graph_memory_set_live(n->memory, true);
        struct graph_memory *freed = n->p.type == CU_GRAPH_NODE_TYPE_MEM_FREE ? graph_memory_at(n->p.free.dptr) : NULL;
        if (freed) graph_memory_set_live(freed, false);
    }
    return CUDA_SUCCESS;
}

static CUresult launch_nodes(const struct graph_exec *e, CUstream stream) {
    bool host_written = false;
    CUresult r = graph_conditionals_assign(e->graph, stream);
    return r == CUDA_SUCCESS ? graph_replay(e->graph, stream, &host_written) : r;
}

CUresult cuGraphLaunch(CUgraphExec hGraph, CUstream hStream) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    graph_enter();
    struct graph_exec *e = graph_exec_of(hGraph);
    r = e ? mark_memory(e) : CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS) e->references++;
    graph_leave();
    if (r != CUDA_SUCCESS) return r;
    unsigned flags;
    bool whole = false;
    r = cuStreamGetFlags(hStream, &flags); /* an empty graph's stream must be good too */
    if (r == CUDA_SUCCESS) r = graph_whole_due(e, &whole);
    if (r == CUDA_SUCCESS) r = whole ? graph_whole_launch(e, hStream) : launch_nodes(e, hStream);
    /* Conditional nodes are still to be decided; their graph must stay until then. */
    if (whole || !e->graph->conditionals || hawser_abi_run_in_stream(hStream, release, &e, sizeof e) != CUDA_SUCCESS)
        release(&e);
    return r;
}

/* Nothing is kept on the device between launches. */
CUresult cuGraphUpload(CUgraphExec hGraph, CUstream hStream) {
    unsigned flags;
    graph_enter();
    bool known = graph_exec_of(hGraph) != NULL;
    graph_leave();
    return known ? cuStreamGetFlags(hStream, &flags) : CUDA_ERROR_INVALID_VALUE;
}

/* ---- enabling nodes ---- */

static CUresult enabled(CUgraphExec hGraphExec, CUgraphNode hNode, unsigned *get, const unsigned *set) {
    graph_enter();
    struct graph_exec *e = graph_exec_of(hGraphExec);
    struct graph_node *n = graph_node_of(hNode);
    n = e && n ? graph_clone_of(e->graph, n->origin) : NULL;
    bool ok = n && (n->p.type == CU_GRAPH_NODE_TYPE_KERNEL || n->p.type == CU_GRAPH_NODE_TYPE_MEMSET ||
                    n->p.type == CU_GRAPH_NODE_TYPE_MEMCPY);
    if (ok && set && n->disabled == (*set != 0)) {
        n->disabled = !*set;
        n->changed = e->changed = true;
    }
    if (ok && get) *get = !n->disabled;
    graph_leave();
    return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGraphNodeSetEnabled(CUgraphExec hGraphExec, CUgraphNode hNode, unsigned int isEnabled) {
    return enabled(hGraphExec, hNode, NULL, &isEnabled);
}

CUresult cuGraphNodeGetEnabled(CUgraphExec hGraphExec, CUgraphNode hNode, unsigned int *isEnabled) {
    return isEnabled ? enabled(hGraphExec, hNode, isEnabled, NULL) : CUDA_ERROR_INVALID_VALUE;
}

/* ---- updating: the two graphs' nodes are paired in the order in which they were made ---- */

static bool same_edges(const struct graph_node *a, const struct graph_node *b, CUgraphExecUpdateResultInfo *info) {
    if (a->in.n == b->in.n) {
        size_t i = 0;
        while (i < a->in.n && a->in.edge[i].node->mark == b->in.edge[i].node->mark)
            i++;
        if (i == a->in.n) return true;
    }
    info->result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    info->errorNode = (CUgraphNode)b;
    info->errorFromNode = b->in.n ? (CUgraphNode)b->in.edge[b->in.n - 1].node : NULL;
    return false;
}

/* Finds what forbids the update, before anything is changed. */
static bool comparable(struct graph *old, struct graph *new, CUgraphExecUpdateResultInfo *info) {
    if (old->n != new->n) {
        info->result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
        return false;
    }
    uint64_t i = 0;
    for (struct graph_node *a = old->first, *b = new->first; a; a = a->next, b = b->next)
        a->mark = b->mark = i++;
    for (struct graph_node *a = old->first, *b = new->first; a; a = a->next, b = b->next) {
        if (!same_edges(a, b, info)) return false;
        info->errorNode = (CUgraphNode)b;
        if (a->p.type != b->p.type) {
            info->result = CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
            return false;
        }
        const CUDA_MEMCPY3D *c = &a->p.memcpy.copyParams, *d = &b->p.memcpy.copyParams;
        if (a->p.type == CU_GRAPH_NODE_TYPE_MEMCPY &&
            (c->srcMemoryType != d->srcMemoryType || c->dstMemoryType != d->dstMemoryType)) {
            info->result = CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
            return false;
        }
        unsigned count, other;
        struct graph **inside = graph_inside(a, &count), **fresh = graph_inside(b, &other);
        if (count != other) {
            info->result = CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
            return false;
        }
        for (unsigned j = 0; j < count; j++)
            if (!comparable(inside[j], fresh[j], info)) return false;
        info->errorNode = NULL;
    }
    return true;
}

static CUresult take_over(struct graph *old, struct graph *new) {
    CUresult r = CUDA_SUCCESS;
    for (struct graph_node *a = old->first, *b = new->first; a &&r == CUDA_SUCCESS; a = a->next, b = b->next) {
        unsigned count, other;
        struct graph **inside = graph_inside(a, &count), **fresh = graph_inside(b, &other);
        for (unsigned j = 0; j < count && r == CUDA_SUCCESS; j++)
            r = take_over(inside[j], fresh[j]);
        if (!count && a->p.type != CU_GRAPH_NODE_TYPE_MEM_ALLOC && a->p.type != CU_GRAPH_NODE_TYPE_MEM_FREE)
            r = graph_node_set(a, &b->p, true);
        if (a->cooperative != b->cooperative || a->n_attributes != b->n_attributes ||
            (a->n_attributes && memcmp(a->attributes, b->attributes, a->n_attributes * sizeof *a->attributes)))
            a->reattributed = true;
        a->cooperative = b->cooperative;
        for (unsigned i = 0; i < b->n_attributes && r == CUDA_SUCCESS; i++)
            if (!graph_attribute_set(a, &b->attributes[i])) r = CUDA_ERROR_OUT_OF_MEMORY;
        a->origin = b->origin;
    }
    return r;
}

CUresult graph_update(struct graph *old, struct graph *new, CUgraphExecUpdateResultInfo *info) {
    return comparable(old, new, info) ? take_over(old, new) : CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
}

CUresult cuGraphExecUpdate_v2(CUgraphExec hGraphExec, CUgraph hGraph, CUgraphExecUpdateResultInfo *resultInfo) {
    if (!resultInfo) return CUDA_ERROR_INVALID_VALUE;
    *resultInfo = (CUgraphExecUpdateResultInfo){.result = CU_GRAPH_EXEC_UPDATE_ERROR};
    graph_enter();
    struct graph_exec *e = graph_exec_of(hGraphExec);
    struct graph *g = graph_of(hGraph);
    CUresult r = e && g ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    if (e && g) e->changed = true;
    if (r == CUDA_SUCCESS) r = graph_update(e->graph, g, resultInfo);
    if (r == CUDA_SUCCESS) resultInfo->result = CU_GRAPH_EXEC_UPDATE_SUCCESS;
    graph_leave();
    return r;
}

CUresult cuGraphExecUpdate(CUgraphExec hGraphExec, CUgraph hGraph, CUgraphNode *hErrorNode_out,
                           CUgraphExecUpdateResult *updateResult_out) {
    CUgraphExecUpdateResultInfo info;
    CUresult r = cuGraphExecUpdate_v2(hGraphExec, hGraph, &info);
    if (!updateResult_out) return CUDA_ERROR_INVALID_VALUE;
    if (hErrorNode_out) *hErrorNode_out = info.errorNode;
    *updateResult_out = info.result;
    return r;
}
