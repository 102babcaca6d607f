/*
 * Serving graphs that the driver keeps: a guest sends one that it launches again and again, or whose conditional nodes
 * only the driver can run, and from then on a launch is one call. Graphs are entries of the handle table; their nodes
 * are named by the order in which they came. A graph's own fields are used by one call at a time: the guest waits for
 * GraphReady.
 */
#include "served.h"

#include <stdlib.h>
#include <string.h>

#include "protocol.h"

#define MAX_BODIES (1 << 16) /* of one node */

struct node {
    CUgraphNode handle;
    bool inside; /* a body: it goes with the node that it is a body of */
    bool disabled;
};

struct graph {
    CUgraph handle;
    CUgraphExec exec;
    struct node *node;
    size_t n, room;
    CUgraph *body;
    size_t n_bodies;
    CUresult result; /* the first failure that no GraphReady has told yet */
};

/* Guests before HAWSER_MINOR_GRAPH_IDS count graphs by themselves: their numbers are put where no other handle's are.
 */
#define EARLIER_ID(graph) (1ull << 62 | (graph))

static bool driver_has_graphs(const struct cuda_driver *d) {
    return d->cuGraphCreate && d->cuGraphDestroy && d->cuGraphAddNode_v2 && d->cuGraphExecNodeSetParams &&
           d->cuGraphInstantiateWithFlags && d->cuGraphLaunch && d->cuGraphExecDestroy && d->cuGraphDestroyNode &&
           d->cuGraphConditionalHandleCreate && d->cuGraphKernelNodeSetAttribute && d->cuGraphNodeSetEnabled;
}

static uint64_t id_of(const struct served *c, uint64_t graph) {
    return c->session->minor < HAWSER_MINOR_GRAPH_IDS ? EARLIER_ID(graph) : graph;
}

static struct graph *find(struct served *c, uint64_t graph) {
    struct object o;
    return served_object(c, HAWSER_GRAPH, id_of(c, graph), &o) ? o.handle : NULL;
}

static CUresult find_or_make(struct served *c, uint64_t id, struct graph **out) {
    if (!driver_has_graphs(c->driver)) return CUDA_ERROR_NOT_SUPPORTED;
    if ((*out = find(c, id))) return CUDA_SUCCESS;
    struct graph *g = calloc(1, sizeof *g);
    if (!g) return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult r = c->driver->cuGraphCreate(&g->handle, 0);
    if (r != CUDA_SUCCESS) {
        free(g);
        return r;
    }
    r = served_bind(c, HAWSER_GRAPH, id_of(c, id), g);
    if (r == CUDA_SUCCESS)
        *out = g;
    else
        graph_end(c->driver, g);
    return r;
}

CUresult serve_GraphHandle(struct served *c, const struct graph_handle_args *a, Hawser__GraphHandleReply *reply) {
    CUgraphConditionalHandle handle = 0;
    struct graph *g;
    CUresult r = find_or_make(c, a->graph, &g);
    if (r == CUDA_SUCCESS)
        r = c->driver->cuGraphConditionalHandleCreate(&handle, g->handle, a->context, a->initial, a->flags);
    reply->handle = handle;
    return r;
}

/* ---- nodes ---- */

/* What a kernel node's parameters point to. */
struct launch_room {
    size_t size;
    void *extra[5];
};

static CUresult fill_kernel(const struct launch_args *l, CUcontext context, struct launch_room *room,
                            CUDA_KERNEL_NODE_PARAMS_v3 *k) {
    if (!l) return CUDA_ERROR_INVALID_VALUE;
    bool is_kernel = l->function.is_kernel;
    *room = (struct launch_room){l->params.len,
                                 {CU_LAUNCH_PARAM_BUFFER_POINTER, l->params.data, CU_LAUNCH_PARAM_BUFFER_SIZE,
                                  &room->size, CU_LAUNCH_PARAM_END}};
    *k = (CUDA_KERNEL_NODE_PARAMS_v3){.func = is_kernel ? NULL : l->function.handle,
                                      .kern = is_kernel ? l->function.handle : NULL,
                                      .gridDimX = l->grid[0],
                                      .gridDimY = l->grid[1],
                                      .gridDimZ = l->grid[2],
                                      .blockDimX = l->block[0],
                                      .blockDimY = l->block[1],
                                      .blockDimZ = l->block[2],
                                      .sharedMemBytes = l->shared,
                                      .extra = l->params.len ? room->extra : NULL,
                                      .ctx = context};
    return CUDA_SUCCESS;
}

static CUresult fill_copy(const struct copy_array_args *copy, CUcontext context, CUDA_MEMCPY_NODE_PARAMS *p) {
    CUresult r = copy ? served_copy(copy) : CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS) p->copyParams = *copy->copy;
    p->copyCtx = context;
    return r;
}

static CUresult fill(const struct graph_node_args *a, struct launch_room *room, CUgraphNodeParams *p) {
    p->type = (CUgraphNodeType)a->kind;
    switch (p->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
        return fill_kernel(a->launch, a->context, room, &p->kernel);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
        return fill_copy(a->copy, a->context, &p->memcpy);
    case CU_GRAPH_NODE_TYPE_MEMSET:
        if (a->params.len != sizeof p->memset) return CUDA_ERROR_INVALID_VALUE;
        memcpy(&p->memset, a->params.data, sizeof p->memset);
        p->memset.ctx = a->context;
        return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
        if (a->params.len != sizeof p->conditional) return CUDA_ERROR_INVALID_VALUE;
        memcpy(&p->conditional, a->params.data, sizeof p->conditional);
        p->conditional.phGraph_out = NULL;
        p->conditional.ctx = a->context;
        return p->conditional.size <= MAX_BODIES ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_GRAPH_NODE_TYPE_EMPTY:
        return CUDA_SUCCESS;
    default:
        return CUDA_ERROR_NOT_SUPPORTED;
    }
}

static bool make_room(struct graph *g) {
    if (g->n < g->room) return true;
    size_t room = g->room ? g->room * 2 : 16;
    struct node *more = realloc(g->node, room * sizeof *more);
    if (!more) return false;
    g->node = more;
    g->room = room;
    return true;
}

static CUresult keep_bodies(struct graph *g, const CUDA_CONDITIONAL_NODE_PARAMS *p) {
    CUgraph *more = realloc(g->body, (g->n_bodies + p->size) * sizeof *more);
    if (!more) return CUDA_ERROR_OUT_OF_MEMORY;
    g->body = more;
    for (unsigned i = 0; i < p->size; i++)
        more[g->n_bodies++] = p->phGraph_out[i];
    return CUDA_SUCCESS;
}

/* That a kernel may begin before the one before it in a stream has ended is no attribute of a node; in a graph it
 * waits. */
static CUresult set_attributes(struct served *c, CUgraphNode node, const struct launch_args *l) {
    static const CUlaunchAttribute cooperative = {.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE, .value.cooperative = 1};
    CUresult r = CUDA_SUCCESS;
    for (size_t i = 0; i < l->n_attributes + l->cooperative && r == CUDA_SUCCESS; i++) {
        const CUlaunchAttribute *a = i < l->n_attributes ? &l->attributes[i] : &cooperative;
        if (a->id != CU_LAUNCH_ATTRIBUTE_IGNORE && a->id != CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION)
            r = c->driver->cuGraphKernelNodeSetAttribute(node, a->id, &a->value);
    }
    return r;
}

static CUresult add(struct served *c, struct graph *g, const struct graph_node_args *a, CUgraphNodeParams *p) {
    size_t n = a->n_after;
    if (a->index != g->n || a->body > g->n_bodies || (a->edges.len && a->edges.len != n * sizeof(CUgraphEdgeData)))
        return CUDA_ERROR_INVALID_VALUE;
    CUgraphNode *after = served_alloc(c, (n + 1) * sizeof *after), node;
    CUgraphEdgeData *edges = served_alloc(c, (n + 1) * sizeof *edges);
    CUresult r = after && edges && make_room(g) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < n && r == CUDA_SUCCESS; i++) {
        if (a->after[i] >= g->n)
            r = CUDA_ERROR_INVALID_VALUE;
        else
            after[i] = g->node[a->after[i]].handle;
    }
    if (r == CUDA_SUCCESS && a->edges.len) memcpy(edges, a->edges.data, a->edges.len);
    if (r == CUDA_SUCCESS)
        r = c->driver->cuGraphAddNode_v2(&node, a->body ? g->body[a->body - 1] : g->handle, after,
                                         a->edges.len ? edges : NULL, n, p);
    if (r != CUDA_SUCCESS) return r;
    g->node[g->n++] = (struct node){.handle = node, .inside = a->body != 0, .disabled = a->disabled};
    if (p->type == CU_GRAPH_NODE_TYPE_KERNEL) return set_attributes(c, node, a->launch);
    return p->type == CU_GRAPH_NODE_TYPE_CONDITIONAL ? keep_bodies(g, &p->conditional) : CUDA_SUCCESS;
}

static CUresult change(struct served *c, struct graph *g, const struct graph_node_args *a, CUgraphNodeParams *p) {
    if (a->index >= g->n || !g->exec) return CUDA_ERROR_INVALID_VALUE;
    struct node *n = &g->node[a->index];
    CUresult r =
        p->type == CU_GRAPH_NODE_TYPE_EMPTY ? CUDA_SUCCESS : c->driver->cuGraphExecNodeSetParams(g->exec, n->handle, p);
    if (r != CUDA_SUCCESS || n->disabled == a->disabled) return r;
    n->disabled = a->disabled;
    return c->driver->cuGraphNodeSetEnabled(g->exec, n->handle, !a->disabled);
}

/* With what was changed in it alone. */
static CUresult drop_exec(const struct cuda_driver *d, struct graph *g) {
    CUresult r = g->exec ? d->cuGraphExecDestroy(g->exec) : CUDA_SUCCESS;
    g->exec = NULL;
    for (size_t i = 0; i < g->n; i++)
        g->node[i].disabled = false;
    return r;
}

/* The graph itself stays: handles of conditional nodes belong to it. */
static CUresult empty(struct served *c, struct graph *g) {
    CUresult r = drop_exec(c->driver, g);
    for (; g->n; g->n--)
        if (!g->node[g->n - 1].inside && r == CUDA_SUCCESS) r = c->driver->cuGraphDestroyNode(g->node[g->n - 1].handle);
    g->n_bodies = 0;
    g->result = CUDA_SUCCESS;
    return r;
}

CUresult serve_GraphNode(struct served *c, const struct graph_node_args *a, CUresult wrong) {
    CUgraphNodeParams p = {0};
    struct launch_room room;
    struct graph *g;
    CUresult r = find_or_make(c, a->graph, &g);
    if (r != CUDA_SUCCESS) return CUDA_SUCCESS; /* GraphReady finds no graph */
    if (!a->change && a->index == 0 && g->n) r = empty(c, g);
    if (r == CUDA_SUCCESS) r = g->result;
    if (r == CUDA_SUCCESS) r = wrong;
    if (r == CUDA_SUCCESS) r = fill(a, &room, &p);
    if (r == CUDA_SUCCESS) r = (a->change ? change : add)(c, g, a, &p);
    if (g->result == CUDA_SUCCESS) g->result = r;
    return CUDA_SUCCESS;
}

CUresult serve_GraphReady(struct served *c, const struct graph_ready_args *a) {
    struct graph *g = find(c, a->graph);
    if (!g) return CUDA_ERROR_NOT_SUPPORTED;
    CUresult r = g->result;
    g->result = CUDA_SUCCESS;
    if (r == CUDA_SUCCESS && a->again) r = drop_exec(c->driver, g);
    if (r != CUDA_SUCCESS || g->exec) return r;
    r = c->driver->cuGraphInstantiateWithFlags(&g->exec, g->handle, a->flags);
    if (r != CUDA_SUCCESS) g->exec = NULL;
    for (size_t i = 0; i < g->n && r == CUDA_SUCCESS; i++)
        if (g->node[i].disabled) r = c->driver->cuGraphNodeSetEnabled(g->exec, g->node[i].handle, 0);
    if (r != CUDA_SUCCESS && g->exec) { /* half ready is not ready */
        c->driver->cuGraphExecDestroy(g->exec);
        g->exec = NULL;
    }
    return r;
}

CUresult serve_GraphLaunch(struct served *c, const struct graph_launch_args *a) {
    struct graph *g = find(c, a->graph);
    return g && g->exec ? c->driver->cuGraphLaunch(g->exec, a->stream) : CUDA_ERROR_INVALID_HANDLE;
}

/* That its contexts may have gone before is no failure that the program should hear of. */
void graph_end(const struct cuda_driver *d, void *graph) {
    struct graph *g = graph;
    drop_exec(d, g);
    d->cuGraphDestroy(g->handle);
    free(g->node);
    free(g->body);
    free(g);
}

CUresult serve_GraphGone(struct served *c, const struct graph_gone_args *a) {
    struct graph *g = find(c, a->graph);
    if (!g) return CUDA_SUCCESS; /* it could not be made */
    served_unbind(c, id_of(c, a->graph));
    graph_end(c->driver, g);
    return CUDA_SUCCESS;
}
