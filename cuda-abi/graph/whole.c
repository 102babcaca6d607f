/*
 * Executable graphs that are run whole by the process that has the devices, where hawser_abi_far_graphs says that there
 * is one. A graph whose nodes a stream could do as well is told there when it is launched the second time since it was
 * made or changed, so that what is launched once costs nothing more, and later each time that this has been in vain;
 * one with branches or several contexts at its first launch; one with conditional nodes when it is made, because only a
 * graph of the driver's own has them, and its changes are told too. What does not fit (nodes of this process: host
 * functions, its pageable memory, events) is launched node by node, branch after branch.
 *
 * Child graphs are told as their nodes, between two empty ones.
 */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

#define MOST_PATIENCE 64

struct graph_whole {
    uint64_t id;
    unsigned references; /* graphs */
    bool told;
    uint64_t version; /* of the graph that was told */
};

/* ---- the far graph of a graph ---- */

static struct graph_whole *whole_new(const struct hawser_far_graphs *far) {
    struct graph_whole *w = malloc(sizeof *w);
    if (w) *w = (struct graph_whole){.id = far->create(), .references = 1};
    return w;
}

void graph_whole_share(const struct graph *from, struct graph *to) {
    to->whole = from->whole;
    if (to->whole) to->whole->references++;
}

void graph_whole_drop(struct graph *g) {
    struct graph_whole *w = g->whole;
    g->whole = NULL;
    if (!w || --w->references) return;
    hawser_abi_far_graphs()->drop(w->id);
    free(w);
}

CUresult graph_whole_of(struct graph *g, uint64_t *id) {
    while (g->owner)
        g = g->owner->graph;
    if (!g->whole && !(g->whole = whole_new(hawser_abi_far_graphs()))) return CUDA_ERROR_OUT_OF_MEMORY;
    *id = g->whole->id;
    return CUDA_SUCCESS;
}

/* ---- telling ---- */

struct telling {
    const struct hawser_far_graphs *far;
    uint64_t graph, nodes, bodies; /* told so far */
    bool change;                   /* only what has changed */
    uint64_t *after;               /* room for the dependencies of one node */
    CUgraphEdgeData *data;
    size_t room;
};

static bool fits(const struct hawser_far_graphs *far, struct graph *g) {
    for (struct graph_node *n = g->first; n; n = n->next) {
        unsigned count;
        struct graph **inside = graph_inside(n, &count);
        if (!far->fits(&n->p)) return false;
        for (unsigned i = 0; i < count; i++)
            if (!fits(far, inside[i])) return false;
    }
    return true;
}

static bool make_room(struct telling *t, size_t n) {
    if (n <= t->room) return true;
    free(t->after);
    free(t->data);
    t->room = n;
    t->after = malloc(n * sizeof *t->after);
    t->data = malloc(n * sizeof *t->data);
    return t->after && t->data;
}

/* The node's parameters, or an empty node for p NULL, after the first n that t->after names. */
static CUresult tell_node(struct telling *t, const struct graph_node *of, const CUgraphNodeParams *p, uint64_t body,
                          size_t n, bool plain) {
    static const CUgraphNodeParams empty = {.type = CU_GRAPH_NODE_TYPE_EMPTY};
    struct hawser_far_node far = {.index = t->nodes++,
                                  .body = body,
                                  .change = t->change,
                                  .p = p ? p : &empty,
                                  .after = t->after,
                                  .data = plain ? NULL : t->data,
                                  .n_after = n};
    if (p) {
        far.disabled = of->disabled;
        far.cooperative = of->cooperative;
        far.attributes = of->attributes;
        far.n_attributes = of->n_attributes;
    }
    if (t->change && p && of->reattributed) return CUDA_ERROR_NOT_SUPPORTED;
    return !t->change || (p && of->changed) ? t->far->node(t->graph, &far) : CUDA_SUCCESS;
}

/* t->after and t->data of a node: those that it depends on, or else the entry of the child graph that it is in. */
static CUresult find_after(struct telling *t, const struct graph_node *n, const uint64_t *entry, size_t *count,
                           bool *plain) {
    if (!make_room(t, n->in.n + 1)) return CUDA_ERROR_OUT_OF_MEMORY;
    *plain = true;
    *count = n->in.n;
    for (size_t i = 0; i < n->in.n; i++) {
        t->after[i] = n->in.edge[i].node->far;
        t->data[i] = n->in.edge[i].data;
        if (memcmp(&t->data[i], &graph_plain_edge, sizeof *t->data)) *plain = false;
    }
    if (!n->in.n && entry) t->after[(*count)++] = *entry;
    return CUDA_SUCCESS;
}

static CUresult tell_graph(struct telling *t, struct graph *g, uint64_t body, const uint64_t *entry);

/* Between an empty node that all of it depends on and one that depends on all. */
static CUresult tell_child(struct telling *t, struct graph_node *n, uint64_t body, size_t after, bool plain) {
    struct graph *child = (struct graph *)n->p.graph.graph;
    uint64_t entry = t->nodes;
    CUresult r = tell_node(t, n, NULL, body, after, plain);
    if (r == CUDA_SUCCESS) r = tell_graph(t, child, body, &entry);
    if (r == CUDA_SUCCESS && !make_room(t, child->n + 1)) r = CUDA_ERROR_OUT_OF_MEMORY;
    if (r != CUDA_SUCCESS) return r;
    after = 0;
    t->after[after++] = entry;
    for (const struct graph_node *last = child->first; last; last = last->next)
        if (!last->out.n) t->after[after++] = last->far;
    n->far = t->nodes;
    return tell_node(t, n, NULL, body, after, true);
}

static CUresult tell_graph(struct telling *t, struct graph *g, uint64_t body, const uint64_t *entry) {
    CUresult r = CUDA_SUCCESS;
    for (size_t i = 0; i < g->n && r == CUDA_SUCCESS; i++) {
        struct graph_node *n = g->order[i];
        size_t after;
        bool plain;
        r = find_after(t, n, entry, &after, &plain);
        if (r != CUDA_SUCCESS) return r;
        if (n->p.type == CU_GRAPH_NODE_TYPE_GRAPH) {
            r = tell_child(t, n, body, after, plain);
            continue;
        }
        n->far = t->nodes;
        r = tell_node(t, n, &n->p, body, after, plain);
        if (n->p.type != CU_GRAPH_NODE_TYPE_CONDITIONAL) continue;
        uint64_t first = t->bodies + 1;
        t->bodies += n->p.conditional.size;
        for (unsigned j = 0; j < n->p.conditional.size && r == CUDA_SUCCESS; j++)
            r = tell_graph(t, (struct graph *)n->p.conditional.phGraph_out[j], first + j, NULL);
    }
    return r;
}

static void all_told(struct graph *g) {
    for (struct graph_node *n = g->first; n; n = n->next) {
        unsigned count;
        struct graph **inside = graph_inside(n, &count);
        n->changed = n->reattributed = false;
        for (unsigned i = 0; i < count; i++)
            all_told(inside[i]);
    }
}

static CUresult tell(const struct hawser_far_graphs *far, struct graph_exec *e, bool change) {
    struct graph_whole *w = e->graph->whole;
    struct telling t = {.far = far, .graph = w->id, .change = change};
    /* A graph made executable once more, after its first executable form has gone, is there already. */
    bool again = !change && w->told && w->version == e->version;
    CUresult r = again ? CUDA_SUCCESS : tell_graph(&t, e->graph, 0, NULL);
    free(t.after);
    free(t.data);
    /* Also after an error, so that what the far side has noted is forgotten there. */
    CUresult ready = far->ready(w->id, e->flags, again);
    all_told(e->graph);
    if (r == CUDA_SUCCESS) r = ready;
    if (!change) w->told = r == CUDA_SUCCESS;
    w->version = e->version;
    return r;
}

/* ---- when ---- */

CUresult graph_whole_made(struct graph_exec *e) {
    const struct hawser_far_graphs *far = hawser_abi_far_graphs();
    if (!far || !e->bodies) return CUDA_SUCCESS;
    CUresult r = CUDA_ERROR_NOT_SUPPORTED;
    if (e->graph->whole && fits(far, e->graph)) r = tell(far, e, false);
    e->whole = r == CUDA_SUCCESS;
    if (e->whole || (r == CUDA_ERROR_NOT_SUPPORTED && hawser_abi_conditionals())) return CUDA_SUCCESS;
    return r == CUDA_ERROR_NOT_SUPPORTED
               ? hawser_abi_not_supported("graphs with conditional nodes and nodes of this process")
               : r;
}

/* Of a graph with conditional nodes, which may stay as it is there only if its changes can be told one by one. */
static CUresult tell_changes(const struct hawser_far_graphs *far, struct graph_exec *e) {
    CUresult r = fits(far, e->graph) ? tell(far, e, true) : CUDA_ERROR_NOT_SUPPORTED;
    if (r == CUDA_SUCCESS) {
        e->changed = false;
    } else if (hawser_abi_conditionals()) {
        e->whole = false;
        r = CUDA_SUCCESS;
    }
    return r;
}

static void tell_if_due(const struct hawser_far_graphs *far, struct graph_exec *e) {
    if (e->changed) {
        graph_whole_drop(e->graph);
        if (e->whole && e->patience < MOST_PATIENCE) e->patience *= 2;
        e->whole = e->changed = false;
        e->launches = 0;
    }
    if (e->launches > e->patience || ++e->launches <= e->patience) return;
    if (!fits(far, e->graph) || !(e->graph->whole = whole_new(far))) return;
    e->whole = tell(far, e, false) == CUDA_SUCCESS;
    if (!e->whole) graph_whole_drop(e->graph);
}

CUresult graph_whole_due(struct graph_exec *e, bool *whole) {
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    const struct hawser_far_graphs *far = hawser_abi_far_graphs();
    CUresult r = CUDA_SUCCESS;
    *whole = false;
    if (!far) return r;
    pthread_mutex_lock(&one_at_a_time);
    if (!e->bodies)
        tell_if_due(far, e);
    else if (e->whole && e->changed)
        r = tell_changes(far, e);
    *whole = e->whole;
    pthread_mutex_unlock(&one_at_a_time);
    return r;
}

CUresult graph_whole_launch(const struct graph_exec *e, CUstream stream) {
    return hawser_abi_far_graphs()->launch(e->graph->whole->id, stream);
}
