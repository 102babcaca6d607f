/*
 * Values that decide conditional nodes. On the software GPU a value is 4 bytes of device memory, and its handle is
 * their address: what cudaGraphSetConditional comes to in a kernel there. NVIDIA's driver has its own. The process that
 * has the devices makes them where there is one.
 */
#include "graph.h"

#include <stdlib.h>

bool graph_has_conditional(const struct graph *g, CUgraphConditionalHandle handle) {
    for (; g; g = g->owner ? g->owner->graph : NULL)
        for (struct graph_conditional *c = g->conditionals; c; c = c->next)
            if (c->value->address == handle) return true;
    return false;
}

static bool attach(struct graph *g, struct graph_value *v) {
    struct graph_conditional *c = malloc(sizeof *c);
    if (!c) return false;
    *c = (struct graph_conditional){g->conditionals, v};
    g->conditionals = c;
    v->references++;
    return true;
}

bool graph_conditionals_copy(const struct graph *from, struct graph *to) {
    for (struct graph_conditional *c = from->conditionals; c; c = c->next)
        if (!attach(to, c->value)) return false;
    return true;
}

static void value_free(struct graph_value *v) {
    if (v->address && v->far)
        hawser_abi_far_graphs()->handle_gone(v->address);
    else if (v->address)
        cuMemFree_v2(v->address);
    free(v);
}

void graph_conditionals_free(struct graph *g) {
    while (g->conditionals) {
        struct graph_conditional *c = g->conditionals;
        g->conditionals = c->next;
        if (--c->value->references == 0) value_free(c->value);
        free(c);
    }
}

CUresult graph_conditionals_assign(const struct graph *g, CUstream stream) {
    CUresult r = CUDA_SUCCESS;
    for (struct graph_conditional *c = g->conditionals; c && r == CUDA_SUCCESS; c = c->next)
        if (c->value->assign) r = cuMemsetD32Async(c->value->address, c->value->initial, 1, stream);
    return r;
}

static CUresult make_far(CUgraph hGraph, CUcontext context, unsigned flags, struct graph_value *v) {
    uint64_t id;
    graph_enter();
    struct graph *g = graph_of(hGraph);
    CUresult r = g && !g->executable ? graph_whole_of(g, &id) : CUDA_ERROR_INVALID_VALUE;
    graph_leave();
    CUgraphConditionalHandle handle = 0;
    v->far = true;
    if (!context && r == CUDA_SUCCESS) r = cuCtxGetCurrent(&context);
    if (r == CUDA_SUCCESS) r = hawser_abi_far_graphs()->handle(id, context, v->initial, flags, &handle);
    v->address = handle;
    return r;
}

static CUresult make_here(struct graph_value *v) {
    CUresult r = cuMemAlloc_v2(&v->address, sizeof(unsigned));
    return r == CUDA_SUCCESS ? cuMemsetD32_v2(v->address, 0, 1) : r;
}

CUresult cuGraphConditionalHandleCreate(CUgraphConditionalHandle *pHandle_out, CUgraph hGraph, CUcontext ctx,
                                        unsigned int defaultLaunchValue, unsigned int flags) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!pHandle_out || flags & ~(unsigned)CU_GRAPH_COND_ASSIGN_DEFAULT) return CUDA_ERROR_INVALID_VALUE;
    if (!hawser_abi_far_graphs() && !hawser_abi_conditionals())
        return hawser_abi_not_supported("conditional nodes on this device");
    struct graph_value *v = calloc(1, sizeof *v);
    if (!v) return CUDA_ERROR_OUT_OF_MEMORY;
    v->initial = defaultLaunchValue;
    v->assign = flags & CU_GRAPH_COND_ASSIGN_DEFAULT;
    r = hawser_abi_far_graphs() ? make_far(hGraph, ctx, flags, v) : make_here(v);
    graph_enter();
    struct graph *g = graph_of(hGraph);
    if (r == CUDA_SUCCESS && (!g || g->executable || !attach(g, v))) r = CUDA_ERROR_INVALID_VALUE;
    graph_leave();
    if (r == CUDA_SUCCESS)
        *pHandle_out = v->address;
    else
        value_free(v);
    return r;
}
