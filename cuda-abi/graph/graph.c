/* Graphs, nodes and edges: how they are made, copied, walked and freed. All under the lock. */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

const CUgraphEdgeData graph_plain_edge;
static uint64_t last_id, last_mark;

struct graph *graph_of(CUgraph handle) {
    return graph_table_find(GRAPH, handle);
}

struct graph_node *graph_node_of(CUgraphNode handle) {
    return graph_table_find(GRAPH_NODE, handle);
}

struct graph_exec *graph_exec_of(CUgraphExec handle) {
    return graph_table_find(GRAPH_EXEC, handle);
}

struct graph *graph_new(void) {
    struct graph *g = calloc(1, sizeof *g);
    if (g && graph_table_add(GRAPH, g, g)) {
        g->last = &g->first;
        g->id = g->origin = ++last_id;
        return g;
    }
    free(g);
    return NULL;
}

/* ---- edges ---- */

static bool edges_add(struct graph_edges *e, struct graph_node *node, const CUgraphEdgeData *data) {
    if (!hawser_abi_grow((void **)&e->edge, &e->capacity, e->n + 1, sizeof *e->edge)) return false;
    e->edge[e->n++] = (struct graph_edge){node, *data};
    return true;
}

static void edges_remove(struct graph_edges *e, const struct graph_node *node) {
    size_t kept = 0;
    for (size_t i = 0; i < e->n; i++)
        if (e->edge[i].node != node) e->edge[kept++] = e->edge[i];
    e->n = kept;
}

void graph_touch(struct graph *g) {
    for (; g; g = g->owner ? g->owner->graph : NULL)
        g->version++;
}

CUresult graph_connect(struct graph_node *from, struct graph_node *to, const CUgraphEdgeData *data) {
    graph_touch(to->graph);
    for (size_t i = 0; i < to->in.n; i++)
        if (to->in.edge[i].node == from) return CUDA_ERROR_INVALID_VALUE;
    if (!edges_add(&to->in, from, data)) return CUDA_ERROR_OUT_OF_MEMORY;
    if (edges_add(&from->out, to, data)) return CUDA_SUCCESS;
    to->in.n--;
    return CUDA_ERROR_OUT_OF_MEMORY;
}

/* ---- nodes ---- */

static void node_free(struct graph_node *n) {
    graph_params_drop(n);
    graph_table_remove(GRAPH_NODE, n);
    free(n->attributes);
    free(n->in.edge);
    free(n->out.edge);
    graph_bury(n);
}

/* Takes it out of its graph and frees it. */
static void node_destroy(struct graph_node *n) {
    struct graph *g = n->graph;
    graph_touch(g);
    for (size_t i = 0; i < n->in.n; i++)
        edges_remove(&n->in.edge[i].node->out, n);
    for (size_t i = 0; i < n->out.n; i++)
        edges_remove(&n->out.edge[i].node->in, n);
    for (struct graph_node **p = &g->first; *p; p = &(*p)->next)
        if (*p == n) {
            *p = n->next;
            if (g->last == &n->next) g->last = p;
            break;
        }
    g->n--;
    node_free(n);
}

static struct graph_node *node_new(struct graph *g) {
    struct graph_node *n = calloc(1, sizeof *n);
    if (!n || !graph_table_add(GRAPH_NODE, n, n)) {
        free(n);
        return NULL;
    }
    n->graph = g;
    n->id = n->origin = ++last_id;
    *g->last = n;
    g->last = &n->next;
    g->n++;
    graph_touch(g);
    return n;
}

CUresult graph_add(struct graph *g, struct graph_node *const *from, const CUgraphEdgeData *data, size_t n_from,
                   const CUgraphNodeParams *p, struct graph_node **out) {
    struct graph_node *n = node_new(g);
    if (!n) return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult r = graph_params_take(n, p);
    for (size_t i = 0; i < n_from && r == CUDA_SUCCESS; i++)
        r = from[i]->graph == g ? graph_connect(from[i], n, data ? &data[i] : &graph_plain_edge)
                                : CUDA_ERROR_INVALID_VALUE;
    if (r != CUDA_SUCCESS)
        node_destroy(n);
    else
        *out = n;
    return r;
}

void graph_free(struct graph *g) {
    while (g->first) {
        struct graph_node *n = g->first;
        g->first = n->next;
        node_free(n);
    }
    graph_users_drop(g);
    graph_conditionals_free(g);
    graph_whole_drop(g);
    graph_table_remove(GRAPH, g);
    free(g->order);
    graph_bury(g);
}

/* ---- walks ---- */

struct graph **graph_inside(struct graph_node *n, unsigned *count) {
    *count = 0;
    if (n->p.type == CU_GRAPH_NODE_TYPE_CONDITIONAL) {
        *count = n->p.conditional.size;
        return (struct graph **)n->p.conditional.phGraph_out;
    }
    if (n->p.type != CU_GRAPH_NODE_TYPE_GRAPH) return NULL;
    *count = 1;
    return (struct graph **)&n->p.graph.graph;
}

/* A depth-first walk without recursion: nodes are stored when all that they depend on is. */
struct graph_node **graph_sorted(struct graph *g) {
    struct graph_node **out = malloc((g->n + 1) * sizeof *out);
    size_t *waiting = malloc((g->n + 1) * sizeof *waiting), n = 0, i = 0;
    struct graph_node **all = malloc((g->n + 1) * sizeof *all);
    if (!out || !waiting || !all) goto fail;
    for (struct graph_node *x = g->first; x; x = x->next, i++) {
        all[i] = x;
        x->mark = i;
        waiting[i] = x->in.n;
        if (!waiting[i]) out[n++] = x;
    }
    for (size_t done = 0; done < n; done++)
        for (size_t e = 0; e < out[done]->out.n; e++)
            if (--waiting[out[done]->out.edge[e].node->mark] == 0) out[n++] = out[done]->out.edge[e].node;
    if (n != g->n) goto fail;
    free(waiting);
    free(all);
    return out;
fail:
    free(out);
    free(waiting);
    free(all);
    return NULL;
}

bool graph_reaches(struct graph *g, struct graph_node *a, struct graph_node *b) {
    struct graph_node **stack = malloc((g->n + 1) * sizeof *stack);
    size_t n = 0;
    bool found = !stack;
    uint64_t mark = UINT64_MAX - ++last_mark;
    if (stack) stack[n++] = a;
    while (n && !found) {
        struct graph_node *x = stack[--n];
        found = x == b;
        for (size_t i = 0; i < x->out.n; i++)
            if (x->out.edge[i].node->mark != mark) {
                x->out.edge[i].node->mark = mark;
                stack[n++] = x->out.edge[i].node;
            }
    }
    free(stack);
    return found;
}

struct graph_node *graph_clone_of(struct graph *g, uint64_t origin) {
    for (struct graph_node *n = g->first; n; n = n->next) {
        unsigned count;
        struct graph **inside = graph_inside(n, &count);
        if (n->origin == origin) return n;
        for (unsigned i = 0; i < count; i++) {
            struct graph_node *found = graph_clone_of(inside[i], origin);
            if (found) return found;
        }
    }
    return NULL;
}

/* ---- copies ---- */

static CUresult clone_nodes(const struct graph *g, struct graph *copy) {
    struct graph_node **made = malloc((g->n + 1) * sizeof *made);
    CUresult r = made ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    size_t i = 0;
    for (struct graph_node *n = g->first; n && r == CUDA_SUCCESS; n = n->next, i++) {
        n->mark = i;
        r = graph_add(copy, NULL, NULL, 0, &n->p, &made[i]);
        if (r != CUDA_SUCCESS) break;
        made[i]->origin = n->origin;
        made[i]->cooperative = n->cooperative;
        made[i]->disabled = n->disabled;
        if (n->memory) graph_memory_ref(made[i]->memory = n->memory);
        if (!n->n_attributes) continue;
        made[i]->attributes = malloc(n->n_attributes * sizeof *n->attributes);
        if (!made[i]->attributes)
            r = CUDA_ERROR_OUT_OF_MEMORY;
        else
            memcpy(made[i]->attributes, n->attributes, n->n_attributes * sizeof *n->attributes);
        made[i]->n_attributes = made[i]->attributes ? n->n_attributes : 0;
    }
    for (struct graph_node *n = g->first; n && r == CUDA_SUCCESS; n = n->next)
        for (size_t e = 0; e < n->in.n && r == CUDA_SUCCESS; e++)
            r = graph_connect(made[n->in.edge[e].node->mark], made[n->mark], &n->in.edge[e].data);
    free(made);
    return r;
}

CUresult graph_clone(const struct graph *g, struct graph **out) {
    struct graph *copy = graph_new();
    if (!copy) return CUDA_ERROR_OUT_OF_MEMORY;
    copy->origin = g->origin;
    CUresult r = clone_nodes(g, copy);
    if (r == CUDA_SUCCESS && (!graph_users_copy(g, copy) || !graph_conditionals_copy(g, copy)))
        r = CUDA_ERROR_OUT_OF_MEMORY;
    if (r != CUDA_SUCCESS)
        graph_free(copy);
    else
        *out = copy;
    return r;
}

void graph_renew(struct graph *g) {
    for (struct graph_node *n = g->first; n; n = n->next) {
        unsigned count;
        struct graph **inside = graph_inside(n, &count);
        n->origin = n->id;
        for (unsigned i = 0; i < count; i++)
            graph_renew(inside[i]);
    }
}

/* ---- the API ---- */

CUresult cuGraphCreate(CUgraph *phGraph, unsigned int flags) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!phGraph || flags) return CUDA_ERROR_INVALID_VALUE;
    graph_enter();
    *phGraph = (CUgraph)graph_new();
    graph_leave();
    return *phGraph ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* A graph inside a node goes with its node; an executable graph's is not the program's. */
CUresult cuGraphDestroy(CUgraph hGraph) {
    graph_enter();
    struct graph *g = graph_of(hGraph);
    CUresult r = g && !g->owner && !g->executable ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS) {
        if (g->instance) g->instance->source = NULL;
        graph_free(g);
    }
    graph_leave();
    return r;
}

CUresult cuGraphClone(CUgraph *phGraphClone, CUgraph originalGraph) {
    graph_enter();
    struct graph *g = graph_of(originalGraph);
    CUresult r = g && phGraphClone ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    for (struct graph_node *n = r == CUDA_SUCCESS ? g->first : NULL; n; n = n->next)
        if (n->p.type == CU_GRAPH_NODE_TYPE_MEM_ALLOC || n->p.type == CU_GRAPH_NODE_TYPE_MEM_FREE ||
            n->p.type == CU_GRAPH_NODE_TYPE_CONDITIONAL)
            r = CUDA_ERROR_NOT_SUPPORTED; /* CUDA cannot clone these either */
    if (r == CUDA_SUCCESS) r = graph_clone(g, (struct graph **)phGraphClone);
    graph_leave();
    return r;
}

CUresult cuGraphNodeFindInClone(CUgraphNode *phNode, CUgraphNode hOriginalNode, CUgraph hClonedGraph) {
    graph_enter();
    struct graph_node *n = graph_node_of(hOriginalNode), *found = NULL;
    struct graph *g = graph_of(hClonedGraph);
    if (phNode && n && g) found = graph_clone_of(g, n->origin);
    if (found) *phNode = (CUgraphNode)found;
    graph_leave();
    return found ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGraphDestroyNode(CUgraphNode hNode) {
    graph_enter();
    struct graph_node *n = graph_node_of(hNode);
    CUresult r = n && !n->graph->executable ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS && (n->p.type == CU_GRAPH_NODE_TYPE_MEM_ALLOC || n->p.type == CU_GRAPH_NODE_TYPE_MEM_FREE))
        r = CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS) node_destroy(n);
    graph_leave();
    return r;
}

CUresult cuGraphNodeGetType(CUgraphNode hNode, CUgraphNodeType *type) {
    graph_enter();
    struct graph_node *n = graph_node_of(hNode);
    if (n && type) *type = n->p.type;
    graph_leave();
    return n && type ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- lists: with no array the count is asked for; else at most *count are written, the rest of the array is
 * NULL, and *count says how many there were ---- */

struct list {
    size_t n, room;
    CUgraphNode *from, *to;
    CUgraphEdgeData *data;
    bool lossy; /* an edge has data that the caller gave no room for */
};

static void put(struct list *l, const struct graph_node *from, const struct graph_node *to,
                const CUgraphEdgeData *data) {
    if (l->n < l->room) {
        if (l->from) l->from[l->n] = (CUgraphNode)from;
        if (l->to) l->to[l->n] = (CUgraphNode)to;
        if (l->data) l->data[l->n] = *data;
        if (!l->data && memcmp(data, &graph_plain_edge, sizeof *data)) l->lossy = true;
    }
    l->n++;
}

static CUresult finish(struct list *l, size_t *count) {
    for (size_t i = l->n; i < l->room; i++) {
        if (l->from) l->from[i] = NULL;
        if (l->to) l->to[i] = NULL;
    }
    *count = l->room && l->n > l->room ? l->room : l->n;
    return l->lossy ? CUDA_ERROR_LOSSY_QUERY : CUDA_SUCCESS;
}

static CUresult list_nodes(CUgraph hGraph, CUgraphNode *nodes, size_t *count, bool roots) {
    if (!count) return CUDA_ERROR_INVALID_VALUE;
    graph_enter();
    struct graph *g = graph_of(hGraph);
    struct list l = {.room = nodes ? *count : 0, .from = nodes};
    for (struct graph_node *n = g ? g->first : NULL; n; n = n->next)
        if (!roots || n->in.n == 0) put(&l, n, NULL, &graph_plain_edge);
    CUresult r = g ? finish(&l, count) : CUDA_ERROR_INVALID_VALUE;
    graph_leave();
    return r;
}

CUresult cuGraphGetNodes(CUgraph hGraph, CUgraphNode *nodes, size_t *numNodes) {
    return list_nodes(hGraph, nodes, numNodes, false);
}

CUresult cuGraphGetRootNodes(CUgraph hGraph, CUgraphNode *rootNodes, size_t *numRootNodes) {
    return list_nodes(hGraph, rootNodes, numRootNodes, true);
}

CUresult cuGraphGetEdges_v2(CUgraph hGraph, CUgraphNode *from, CUgraphNode *to, CUgraphEdgeData *edgeData,
                            size_t *numEdges) {
    if (!numEdges || !from != !to) return CUDA_ERROR_INVALID_VALUE;
    graph_enter();
    struct graph *g = graph_of(hGraph);
    struct list l = {.room = from ? *numEdges : 0, .from = from, .to = to, .data = edgeData};
    for (struct graph_node *n = g ? g->first : NULL; n; n = n->next)
        for (size_t i = 0; i < n->out.n; i++)
            put(&l, n, n->out.edge[i].node, &n->out.edge[i].data);
    CUresult r = g ? finish(&l, numEdges) : CUDA_ERROR_INVALID_VALUE;
    graph_leave();
    return r;
}

CUresult cuGraphGetEdges(CUgraph hGraph, CUgraphNode *from, CUgraphNode *to, size_t *numEdges) {
    return cuGraphGetEdges_v2(hGraph, from, to, NULL, numEdges);
}

static CUresult list_edges(CUgraphNode hNode, CUgraphNode *nodes, CUgraphEdgeData *data, size_t *count, bool in) {
    if (!count) return CUDA_ERROR_INVALID_VALUE;
    graph_enter();
    struct graph_node *n = graph_node_of(hNode);
    struct list l = {.room = nodes ? *count : 0, .from = nodes, .data = data};
    const struct graph_edges *edges = n ? (in ? &n->in : &n->out) : NULL;
    for (size_t i = 0; edges && i < edges->n; i++)
        put(&l, edges->edge[i].node, NULL, &edges->edge[i].data);
    CUresult r = n ? finish(&l, count) : CUDA_ERROR_INVALID_VALUE;
    graph_leave();
    return r;
}

CUresult cuGraphNodeGetDependencies_v2(CUgraphNode hNode, CUgraphNode *dependencies, CUgraphEdgeData *edgeData,
                                       size_t *numDependencies) {
    return list_edges(hNode, dependencies, edgeData, numDependencies, true);
}

CUresult cuGraphNodeGetDependencies(CUgraphNode hNode, CUgraphNode *dependencies, size_t *numDependencies) {
    return list_edges(hNode, dependencies, NULL, numDependencies, true);
}

CUresult cuGraphNodeGetDependentNodes_v2(CUgraphNode hNode, CUgraphNode *dependentNodes, CUgraphEdgeData *edgeData,
                                         size_t *numDependentNodes) {
    return list_edges(hNode, dependentNodes, edgeData, numDependentNodes, false);
}

CUresult cuGraphNodeGetDependentNodes(CUgraphNode hNode, CUgraphNode *dependentNodes, size_t *numDependentNodes) {
    return list_edges(hNode, dependentNodes, NULL, numDependentNodes, false);
}

/* ---- edges that the program adds and removes ---- */

CUresult cuGraphAddDependencies_v2(CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to,
                                   const CUgraphEdgeData *edgeData, size_t numDependencies) {
    if (numDependencies && (!from || !to)) return CUDA_ERROR_INVALID_VALUE;
    graph_enter();
    struct graph *g = graph_of(hGraph);
    CUresult r = g ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < numDependencies && r == CUDA_SUCCESS; i++) {
        struct graph_node *a = graph_node_of(from[i]), *b = graph_node_of(to[i]);
        if (!a || !b || a == b || a->graph != g || b->graph != g || graph_reaches(g, b, a))
            r = CUDA_ERROR_INVALID_VALUE;
        else
            r = graph_connect(a, b, edgeData ? &edgeData[i] : &graph_plain_edge);
    }
    graph_leave();
    return r;
}

CUresult cuGraphAddDependencies(CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to,
                                size_t numDependencies) {
    return cuGraphAddDependencies_v2(hGraph, from, to, NULL, numDependencies);
}

CUresult cuGraphRemoveDependencies_v2(CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to,
                                      const CUgraphEdgeData *edgeData, size_t numDependencies) {
    if (numDependencies && (!from || !to)) return CUDA_ERROR_INVALID_VALUE;
    graph_enter();
    struct graph *g = graph_of(hGraph);
    CUresult r = g ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < numDependencies && r == CUDA_SUCCESS; i++) {
        struct graph_node *a = graph_node_of(from[i]), *b = graph_node_of(to[i]);
        const CUgraphEdgeData *data = edgeData ? &edgeData[i] : &graph_plain_edge;
        size_t before = b ? b->in.n : 0, e = 0;
        while (b && e < b->in.n && b->in.edge[e].node != a)
            e++;
        if (!a || !b || a->graph != g || e == before || memcmp(&b->in.edge[e].data, data, sizeof *data)) {
            r = CUDA_ERROR_INVALID_VALUE;
            break;
        }
        edges_remove(&b->in, a);
        edges_remove(&a->out, b);
        graph_touch(g);
    }
    graph_leave();
    return r;
}

CUresult cuGraphRemoveDependencies(CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to,
                                   size_t numDependencies) {
    return cuGraphRemoveDependencies_v2(hGraph, from, to, NULL, numDependencies);
}
