/*
 * Adding nodes, reading and changing their parameters: the functions of each kind in terms of the general ones,
 * which take CUgraphNodeParams.
 */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

/* ---- adding ---- */

/* Memory for an allocation node is found before the node, so that its address is known. */
static CUresult add_locked(struct graph *g, const CUgraphNode *dependencies, const CUgraphEdgeData *data, size_t n,
                           CUgraphNodeParams *p, struct graph_memory *memory, struct graph_node **out) {
    struct graph_node **from = calloc(n + 1, sizeof *from);
    CUresult r = from ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < n && r == CUDA_SUCCESS; i++) {
        from[i] = graph_node_of(dependencies[i]);
        if (!from[i] || from[i]->graph != g) r = CUDA_ERROR_INVALID_VALUE;
        for (size_t j = 0; j < i && r == CUDA_SUCCESS; j++)
            if (from[j] == from[i]) r = CUDA_ERROR_INVALID_VALUE;
    }
    if (r == CUDA_SUCCESS && p->type == CU_GRAPH_NODE_TYPE_CONDITIONAL &&
        !graph_has_conditional(g, p->conditional.handle))
        r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS && p->type == CU_GRAPH_NODE_TYPE_MEM_FREE && !graph_memory_at(p->free.dptr))
        r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS) r = graph_add(g, from, data, n, p, out);
    if (r == CUDA_SUCCESS) (*out)->memory = memory;
    if (r == CUDA_SUCCESS && p->type == CU_GRAPH_NODE_TYPE_GRAPH) graph_renew((struct graph *)(*out)->p.graph.graph);
    free(from);
    return r;
}

static CUresult add(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,
                    const CUgraphEdgeData *data, size_t n, CUgraphNodeParams *p) {
    struct graph_memory *memory = NULL;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!phGraphNode || !hGraph || (n && !dependencies)) return CUDA_ERROR_INVALID_VALUE;
    if (p->type == CU_GRAPH_NODE_TYPE_CONDITIONAL) p->conditional.phGraph_out = NULL;
    if (p->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC) r = graph_memory_new(p, &memory);
    if (r != CUDA_SUCCESS) return r;
    struct graph_node *made = NULL;
    graph_enter();
    struct graph *g = graph_of(hGraph);
    r = g && !g->executable ? add_locked(g, dependencies, data, n, p, memory, &made) : CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS) {
        *phGraphNode = (CUgraphNode)made;
        if (p->type == CU_GRAPH_NODE_TYPE_CONDITIONAL) p->conditional.phGraph_out = made->p.conditional.phGraph_out;
    } else if (memory) {
        graph_memory_unref(memory);
    }
    graph_leave();
    return r;
}

CUresult cuGraphAddNode_v2(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,
                           const CUgraphEdgeData *dependencyData, size_t numDependencies,
                           CUgraphNodeParams *nodeParams) {
    if (!nodeParams) return CUDA_ERROR_INVALID_VALUE;
    return add(phGraphNode, hGraph, dependencies, dependencyData, numDependencies, nodeParams);
}

CUresult cuGraphAddNode(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,
                        size_t numDependencies, CUgraphNodeParams *nodeParams) {
    return cuGraphAddNode_v2(phGraphNode, hGraph, dependencies, NULL, numDependencies, nodeParams);
}

/* ---- getting ---- */

/* The parameters of a node of that kind; what they point to stays the node's. */
static CUresult get(CUgraphNode hNode, CUgraphNodeType type, const void *out, CUgraphNodeParams *p) {
    graph_enter();
    struct graph_node *n = out ? graph_node_of(hNode) : NULL;
    CUresult r = n && n->p.type == type ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS) *p = n->p;
    graph_leave();
    return r;
}

/* ---- setting: of a node of a graph (exec NULL) or of its copy in an executable graph ---- */

/* What may not change with a node's parameters. */
static CUresult may_set(const struct graph_node *n, const CUgraphNodeParams *p, bool exec) {
    if (n->p.type != p->type) return CUDA_ERROR_INVALID_VALUE;
    switch (p->type) {
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
        return CUDA_ERROR_NOT_SUPPORTED;
    case CU_GRAPH_NODE_TYPE_GRAPH:
        return CUDA_ERROR_INVALID_VALUE;
    case CU_GRAPH_NODE_TYPE_MEMCPY:
        /* One-dimensional copies may become others of the kind; the sides' kinds of memory stay. */
        return exec && (n->p.memcpy.copyParams.srcMemoryType != p->memcpy.copyParams.srcMemoryType ||
                        n->p.memcpy.copyParams.dstMemoryType != p->memcpy.copyParams.dstMemoryType)
                   ? CUDA_ERROR_INVALID_VALUE
                   : CUDA_SUCCESS;
    default:
        return CUDA_SUCCESS;
    }
}

/* The graph inside an executable child node keeps its shape. */
static CUresult set_child(struct graph_node *n, const CUDA_CHILD_GRAPH_NODE_PARAMS *c) {
    CUgraphExecUpdateResultInfo info;
    struct graph *child = graph_of(c->graph);
    bool ok = child && graph_update((struct graph *)n->p.graph.graph, child, &info) == CUDA_SUCCESS;
    return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult graph_node_set(struct graph_node *n, const CUgraphNodeParams *p, bool exec) {
    if (exec && n->p.type == CU_GRAPH_NODE_TYPE_GRAPH && p->type == n->p.type) return set_child(n, &p->graph);
    struct graph_node fresh = {.graph = n->graph}, old = *n;
    CUresult r = may_set(n, p, exec);
    if (r == CUDA_SUCCESS) r = graph_params_take(&fresh, p);
    if (r != CUDA_SUCCESS) {
        if (fresh.p.type == p->type) graph_params_drop(&fresh);
        return r;
    }
    n->p = fresh.p;
    n->param_bytes = fresh.param_bytes;
    n->changed = true;
    graph_touch(n->graph);
    graph_params_drop(&old);
    return CUDA_SUCCESS;
}

static CUresult set(CUgraphExec hExec, bool exec, CUgraphNode hNode, CUgraphNodeType type, const CUgraphNodeParams *p) {
    graph_enter();
    struct graph_node *n = graph_node_of(hNode);
    struct graph_exec *e = exec ? graph_exec_of(hExec) : NULL;
    if (n && exec) n = e ? graph_clone_of(e->graph, n->origin) : NULL;
    CUresult r = n && n->p.type == type && (exec || !n->graph->executable) ? graph_node_set(n, p, exec)
                                                                           : CUDA_ERROR_INVALID_VALUE;
    if (e) e->changed = true;
    graph_leave();
    return r;
}

CUresult cuGraphNodeSetParams(CUgraphNode hNode, CUgraphNodeParams *nodeParams) {
    return nodeParams ? set(NULL, false, hNode, nodeParams->type, nodeParams) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGraphExecNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode, CUgraphNodeParams *nodeParams) {
    return nodeParams ? set(hGraphExec, true, hNode, nodeParams->type, nodeParams) : CUDA_ERROR_INVALID_VALUE;
}

/* ---- the kinds ----
 * For each: fill_KIND makes CUgraphNodeParams of its own parameters, read_KIND the reverse. */

static void fill_kernel(CUgraphNodeParams *p, const CUDA_KERNEL_NODE_PARAMS_v2 *k) {
    memcpy(&p->kernel, k, sizeof *k);
}

static void read_kernel(const CUgraphNodeParams *p, CUDA_KERNEL_NODE_PARAMS_v2 *k) {
    memcpy(k, &p->kernel, sizeof *k);
}

/* The first revision ends before the two last members. */
static void fill_old_kernel(CUgraphNodeParams *p, const CUDA_KERNEL_NODE_PARAMS_v1 *k) {
    memcpy(&p->kernel, k, sizeof *k);
}

static void read_old_kernel(const CUgraphNodeParams *p, CUDA_KERNEL_NODE_PARAMS_v1 *k) {
    memcpy(k, &p->kernel, sizeof *k);
    if (!k->func) k->func = (CUfunction)p->kernel.kern;
}

static void fill_host(CUgraphNodeParams *p, const CUDA_HOST_NODE_PARAMS *h) {
    p->host.fn = h->fn;
    p->host.userData = h->userData;
}

static void read_host(const CUgraphNodeParams *p, CUDA_HOST_NODE_PARAMS *h) {
    *h = (CUDA_HOST_NODE_PARAMS){p->host.fn, p->host.userData};
}

static void fill_signal(CUgraphNodeParams *p, const CUDA_EXT_SEM_SIGNAL_NODE_PARAMS *s) {
    memcpy(&p->extSemSignal, s, sizeof *s);
}

static void read_signal(const CUgraphNodeParams *p, CUDA_EXT_SEM_SIGNAL_NODE_PARAMS *s) {
    memcpy(s, &p->extSemSignal, sizeof *s);
}

static void fill_wait(CUgraphNodeParams *p, const CUDA_EXT_SEM_WAIT_NODE_PARAMS *s) {
    memcpy(&p->extSemWait, s, sizeof *s);
}

static void read_wait(const CUgraphNodeParams *p, CUDA_EXT_SEM_WAIT_NODE_PARAMS *s) {
    memcpy(s, &p->extSemWait, sizeof *s);
}

static void fill_batch(CUgraphNodeParams *p, const CUDA_BATCH_MEM_OP_NODE_PARAMS *b) {
    memcpy(&p->memOp, b, sizeof *b);
}

static void read_batch(const CUgraphNodeParams *p, CUDA_BATCH_MEM_OP_NODE_PARAMS *b) {
    memcpy(b, &p->memOp, sizeof *b);
}

/* NAME: as in cuGraphAddNAMENode and cuGraphNAMENodeGetParams; v: their revision. */
#define KIND(NAME, v, TYPE, params, KIND_TYPE)                                                                         \
    CUresult cuGraphAdd##NAME##Node##v(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,      \
                                       size_t numDependencies, const params *nodeParams) {                             \
        CUgraphNodeParams p = {.type = KIND_TYPE};                                                                     \
        if (!nodeParams) return CUDA_ERROR_INVALID_VALUE;                                                              \
        fill_##TYPE(&p, nodeParams);                                                                                   \
        return add(phGraphNode, hGraph, dependencies, NULL, numDependencies, &p);                                      \
    }                                                                                                                  \
    CUresult cuGraph##NAME##NodeGetParams##v(CUgraphNode hNode, params *nodeParams) {                                  \
        CUgraphNodeParams p;                                                                                           \
        CUresult r = get(hNode, KIND_TYPE, nodeParams, &p);                                                            \
        if (r == CUDA_SUCCESS) read_##TYPE(&p, nodeParams);                                                            \
        return r;                                                                                                      \
    }                                                                                                                  \
    CUresult cuGraph##NAME##NodeSetParams##v(CUgraphNode hNode, const params *nodeParams) {                            \
        CUgraphNodeParams p = {.type = KIND_TYPE};                                                                     \
        if (!nodeParams) return CUDA_ERROR_INVALID_VALUE;                                                              \
        fill_##TYPE(&p, nodeParams);                                                                                   \
        return set(NULL, false, hNode, KIND_TYPE, &p);                                                                 \
    }                                                                                                                  \
    CUresult cuGraphExec##NAME##NodeSetParams##v(CUgraphExec hGraphExec, CUgraphNode hNode,                            \
                                                 const params *nodeParams) {                                           \
        CUgraphNodeParams p = {.type = KIND_TYPE};                                                                     \
        if (!nodeParams) return CUDA_ERROR_INVALID_VALUE;                                                              \
        fill_##TYPE(&p, nodeParams);                                                                                   \
        return set(hGraphExec, true, hNode, KIND_TYPE, &p);                                                            \
    }

KIND(Kernel, _v2, kernel, CUDA_KERNEL_NODE_PARAMS_v2, CU_GRAPH_NODE_TYPE_KERNEL)
KIND(Kernel, , old_kernel, CUDA_KERNEL_NODE_PARAMS_v1, CU_GRAPH_NODE_TYPE_KERNEL)
KIND(Host, , host, CUDA_HOST_NODE_PARAMS, CU_GRAPH_NODE_TYPE_HOST)
KIND(ExternalSemaphoresSignal, , signal, CUDA_EXT_SEM_SIGNAL_NODE_PARAMS, CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL)
KIND(ExternalSemaphoresWait, , wait, CUDA_EXT_SEM_WAIT_NODE_PARAMS, CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT)
KIND(BatchMemOp, , batch, CUDA_BATCH_MEM_OP_NODE_PARAMS, CU_GRAPH_NODE_TYPE_BATCH_MEM_OP)

/* Copies and fills name their context beside the parameters. */

static CUgraphNodeParams copy_params(const CUDA_MEMCPY3D *copy, CUcontext ctx) {
    return (CUgraphNodeParams){.type = CU_GRAPH_NODE_TYPE_MEMCPY, .memcpy = {.copyCtx = ctx, .copyParams = *copy}};
}

CUresult cuGraphAddMemcpyNode(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,
                              size_t numDependencies, const CUDA_MEMCPY3D *copyParams, CUcontext ctx) {
    if (!copyParams) return CUDA_ERROR_INVALID_VALUE;
    CUgraphNodeParams p = copy_params(copyParams, ctx);
    return add(phGraphNode, hGraph, dependencies, NULL, numDependencies, &p);
}

CUresult cuGraphMemcpyNodeGetParams(CUgraphNode hNode, CUDA_MEMCPY3D *nodeParams) {
    CUgraphNodeParams p;
    CUresult r = get(hNode, CU_GRAPH_NODE_TYPE_MEMCPY, nodeParams, &p);
    if (r == CUDA_SUCCESS) *nodeParams = p.memcpy.copyParams;
    return r;
}

CUresult cuGraphMemcpyNodeSetParams(CUgraphNode hNode, const CUDA_MEMCPY3D *nodeParams) {
    CUgraphNodeParams p;
    CUresult r = get(hNode, CU_GRAPH_NODE_TYPE_MEMCPY, nodeParams, &p);
    if (r != CUDA_SUCCESS) return r;
    p.memcpy.copyParams = *nodeParams;
    return set(NULL, false, hNode, p.type, &p);
}

CUresult cuGraphExecMemcpyNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode, const CUDA_MEMCPY3D *copyParams,
                                        CUcontext ctx) {
    if (!copyParams) return CUDA_ERROR_INVALID_VALUE;
    CUgraphNodeParams p = copy_params(copyParams, ctx);
    return set(hGraphExec, true, hNode, p.type, &p);
}

static CUgraphNodeParams fill_params(const CUDA_MEMSET_NODE_PARAMS *m, CUcontext ctx) {
    return (CUgraphNodeParams){.type = CU_GRAPH_NODE_TYPE_MEMSET,
                               .memset = {m->dst, m->pitch, m->value, m->elementSize, m->width, m->height, ctx}};
}

CUresult cuGraphAddMemsetNode(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,
                              size_t numDependencies, const CUDA_MEMSET_NODE_PARAMS *memsetParams, CUcontext ctx) {
    if (!memsetParams) return CUDA_ERROR_INVALID_VALUE;
    CUgraphNodeParams p = fill_params(memsetParams, ctx);
    return add(phGraphNode, hGraph, dependencies, NULL, numDependencies, &p);
}

CUresult cuGraphMemsetNodeGetParams(CUgraphNode hNode, CUDA_MEMSET_NODE_PARAMS *nodeParams) {
    CUgraphNodeParams p;
    CUresult r = get(hNode, CU_GRAPH_NODE_TYPE_MEMSET, nodeParams, &p);
    if (r == CUDA_SUCCESS) memcpy(nodeParams, &p.memset, sizeof *nodeParams);
    return r;
}

CUresult cuGraphMemsetNodeSetParams(CUgraphNode hNode, const CUDA_MEMSET_NODE_PARAMS *nodeParams) {
    CUgraphNodeParams p;
    CUresult r = get(hNode, CU_GRAPH_NODE_TYPE_MEMSET, nodeParams, &p);
    if (r != CUDA_SUCCESS) return r;
    p = fill_params(nodeParams, p.memset.ctx);
    return set(NULL, false, hNode, p.type, &p);
}

CUresult cuGraphExecMemsetNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
                                        const CUDA_MEMSET_NODE_PARAMS *memsetParams, CUcontext ctx) {
    if (!memsetParams) return CUDA_ERROR_INVALID_VALUE;
    CUgraphNodeParams p = fill_params(memsetParams, ctx);
    return set(hGraphExec, true, hNode, p.type, &p);
}

/* ---- child graphs ---- */

CUresult cuGraphAddChildGraphNode(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,
                                  size_t numDependencies, CUgraph childGraph) {
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_GRAPH, .graph.graph = childGraph};
    return add(phGraphNode, hGraph, dependencies, NULL, numDependencies, &p);
}

CUresult cuGraphChildGraphNodeGetGraph(CUgraphNode hNode, CUgraph *phGraph) {
    CUgraphNodeParams p;
    CUresult r = get(hNode, CU_GRAPH_NODE_TYPE_GRAPH, phGraph, &p);
    if (r == CUDA_SUCCESS) *phGraph = p.graph.graph;
    return r;
}

CUresult cuGraphExecChildGraphNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode, CUgraph childGraph) {
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_GRAPH, .graph.graph = childGraph};
    return set(hGraphExec, true, hNode, p.type, &p);
}

/* ---- nodes with one value ---- */

CUresult cuGraphAddEmptyNode(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,
                             size_t numDependencies) {
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_EMPTY};
    return add(phGraphNode, hGraph, dependencies, NULL, numDependencies, &p);
}

#define EVENT_KIND(NAME, KIND_TYPE)                                                                                    \
    CUresult cuGraphAdd##NAME##Node(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,         \
                                    size_t numDependencies, CUevent event) {                                           \
        CUgraphNodeParams p = {.type = KIND_TYPE, .eventRecord.event = event};                                         \
        return add(phGraphNode, hGraph, dependencies, NULL, numDependencies, &p);                                      \
    }                                                                                                                  \
    CUresult cuGraph##NAME##NodeGetEvent(CUgraphNode hNode, CUevent *event_out) {                                      \
        CUgraphNodeParams p;                                                                                           \
        CUresult r = get(hNode, KIND_TYPE, event_out, &p);                                                             \
        if (r == CUDA_SUCCESS) *event_out = p.eventRecord.event;                                                       \
        return r;                                                                                                      \
    }                                                                                                                  \
    CUresult cuGraph##NAME##NodeSetEvent(CUgraphNode hNode, CUevent event) {                                           \
        CUgraphNodeParams p = {.type = KIND_TYPE, .eventRecord.event = event};                                         \
        return set(NULL, false, hNode, KIND_TYPE, &p);                                                                 \
    }                                                                                                                  \
    CUresult cuGraphExec##NAME##NodeSetEvent(CUgraphExec hGraphExec, CUgraphNode hNode, CUevent event) {               \
        CUgraphNodeParams p = {.type = KIND_TYPE, .eventRecord.event = event};                                         \
        return set(hGraphExec, true, hNode, KIND_TYPE, &p);                                                            \
    }

EVENT_KIND(EventRecord, CU_GRAPH_NODE_TYPE_EVENT_RECORD)
EVENT_KIND(EventWait, CU_GRAPH_NODE_TYPE_WAIT_EVENT)

CUresult cuGraphAddMemAllocNode(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,
                                size_t numDependencies, CUDA_MEM_ALLOC_NODE_PARAMS *nodeParams) {
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_MEM_ALLOC};
    if (!nodeParams) return CUDA_ERROR_INVALID_VALUE;
    memcpy(&p.alloc, nodeParams, sizeof *nodeParams);
    CUresult r = add(phGraphNode, hGraph, dependencies, NULL, numDependencies, &p);
    if (r == CUDA_SUCCESS) nodeParams->dptr = p.alloc.dptr;
    return r;
}

CUresult cuGraphMemAllocNodeGetParams(CUgraphNode hNode, CUDA_MEM_ALLOC_NODE_PARAMS *params_out) {
    CUgraphNodeParams p;
    CUresult r = get(hNode, CU_GRAPH_NODE_TYPE_MEM_ALLOC, params_out, &p);
    if (r == CUDA_SUCCESS) memcpy(params_out, &p.alloc, sizeof *params_out);
    return r;
}

CUresult cuGraphAddMemFreeNode(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,
                               size_t numDependencies, CUdeviceptr dptr) {
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_MEM_FREE, .free.dptr = dptr};
    return add(phGraphNode, hGraph, dependencies, NULL, numDependencies, &p);
}

CUresult cuGraphMemFreeNodeGetParams(CUgraphNode hNode, CUdeviceptr *dptr_out) {
    CUgraphNodeParams p;
    CUresult r = get(hNode, CU_GRAPH_NODE_TYPE_MEM_FREE, dptr_out, &p);
    if (r == CUDA_SUCCESS) *dptr_out = p.free.dptr;
    return r;
}

/* ---- attributes of kernel nodes ---- */

static struct graph_node *kernel_node(CUgraphNode hNode) {
    struct graph_node *n = graph_node_of(hNode);
    return n && n->p.type == CU_GRAPH_NODE_TYPE_KERNEL ? n : NULL;
}

bool graph_attribute_set(struct graph_node *n, const CUlaunchAttribute *a) {
    graph_touch(n->graph);
    for (unsigned i = 0; i < n->n_attributes; i++)
        if (n->attributes[i].id == a->id) {
            n->attributes[i] = *a;
            return true;
        }
    CUlaunchAttribute *more = realloc(n->attributes, (n->n_attributes + 1) * sizeof *more);
    if (!more) return false;
    n->attributes = more;
    more[n->n_attributes++] = *a;
    return true;
}

CUresult cuGraphKernelNodeSetAttribute(CUgraphNode hNode, CUkernelNodeAttrID attr, const CUkernelNodeAttrValue *value) {
    if (!value || attr <= CU_LAUNCH_ATTRIBUTE_IGNORE || attr >= CU_LAUNCH_ATTRIBUTE_MAX)
        return CUDA_ERROR_INVALID_VALUE;
    CUlaunchAttribute a = {.id = attr, .value = *value};
    graph_enter();
    struct graph_node *n = kernel_node(hNode);
    CUresult r = n ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    if (n && attr == CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE)
        r = hawser_abi_not_supported("kernel nodes that the device updates");
    if (r == CUDA_SUCCESS && !graph_attribute_set(n, &a)) r = CUDA_ERROR_OUT_OF_MEMORY;
    graph_leave();
    return r;
}

CUresult cuGraphKernelNodeGetAttribute(CUgraphNode hNode, CUkernelNodeAttrID attr, CUkernelNodeAttrValue *value_out) {
    if (!value_out || attr <= CU_LAUNCH_ATTRIBUTE_IGNORE || attr >= CU_LAUNCH_ATTRIBUTE_MAX)
        return CUDA_ERROR_INVALID_VALUE;
    graph_enter();
    struct graph_node *n = kernel_node(hNode);
    if (n) {
        memset(value_out, 0, sizeof *value_out);
        if (attr == CU_LAUNCH_ATTRIBUTE_COOPERATIVE) value_out->cooperative = n->cooperative;
        for (unsigned i = 0; i < n->n_attributes; i++)
            if (n->attributes[i].id == attr) *value_out = n->attributes[i].value;
    }
    graph_leave();
    return n ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGraphKernelNodeCopyAttributes(CUgraphNode dst, CUgraphNode src) {
    graph_enter();
    struct graph_node *to = kernel_node(dst), *from = kernel_node(src);
    CUresult r = to && from ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = 0; r == CUDA_SUCCESS && i < from->n_attributes; i++)
        if (!graph_attribute_set(to, &from->attributes[i])) r = CUDA_ERROR_OUT_OF_MEMORY;
    if (r == CUDA_SUCCESS) to->cooperative = from->cooperative;
    if (r == CUDA_SUCCESS) graph_touch(to->graph);
    graph_leave();
    return r;
}
