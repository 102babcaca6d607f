/*
 * Graphs that the host's driver runs whole: cuda-abi/graph/whole.c says when and which nodes; here they become
 * messages.
 */
#include "shim.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_abi.h"

/* Earlier hosts keep graphs apart, and their numbers begin with 1. */
static uint64_t create(void) {
    static atomic_uint_least64_t last;
    return shim_host()->protocol_minor >= HAWSER_MINOR_GRAPH_IDS ? shim_object_number() : ++last;
}

/* In the current context where there is one, as the program's own call is. */
static CUresult enter(struct shim_call *c, uint32_t function) {
    return shim_enter(c, function, shim_current() != NULL);
}

static void drop(uint64_t graph) {
    struct shim_call c;
    Hawser__GraphGone m = HAWSER__GRAPH_GONE__INIT;
    m.graph = graph;
    if (shim_enter(&c, HAWSER_FN_GraphGone, false) == CUDA_SUCCESS) shim_post(&c, &m.base, NULL, 0);
}

/* The wire id of a context that a node names, or of the current one where it names none. */
static CUresult context_id(CUcontext context, uint64_t *id) {
    if (!context) context = (CUcontext)shim_current();
    *id = 0;
    return context ? shim_handle(HAWSER_CONTEXT, context, id) : CUDA_SUCCESS;
}

static CUresult handle(uint64_t graph, CUcontext context, unsigned initial, unsigned flags,
                       CUgraphConditionalHandle *out) {
    struct shim_call c;
    Hawser__GraphHandle m = HAWSER__GRAPH_HANDLE__INIT;
    Hawser__GraphHandleReply *reply = NULL;
    CUresult r = enter(&c, HAWSER_FN_GraphHandle);
    if (r == CUDA_SUCCESS) r = context_id(context, &m.context);
    if (r != CUDA_SUCCESS) return r;
    m.graph = graph;
    m.initial = initial;
    m.flags = flags;
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS) *out = reply->handle;
    shim_free_reply(reply);
    /* A graph that is not run whole reads and fills it. */
    if (r == CUDA_SUCCESS && hawser_abi_conditionals())
        r = shim_range_add(
            (struct shim_range){.base = *out, .size = sizeof(unsigned), .kind = HAWSER_ON_DEVICE, .device = *out});
    return r;
}

static void handle_gone(CUgraphConditionalHandle handle) {
    if (hawser_abi_conditionals()) shim_range_remove(handle, HAWSER_ON_DEVICE);
}

/* ---- nodes ---- */

static bool fill_fits(const CUDA_MEMSET_NODE_PARAMS_v2 *p) {
    struct hawser_fill f = {p->dst, p->height > 1 ? p->pitch : 0, p->width, p->height, p->elementSize, p->value, true};
    return p->width && p->height && hawser_fill_check(&f) == CUDA_SUCCESS;
}

static bool fits(const CUgraphNodeParams *p) {
    Hawser__CopyArray copy;
    CUDA_MEMCPY3D d;
    switch (p->type) {
    case CU_GRAPH_NODE_TYPE_MEMCPY:
        return shim_copy_fill(&copy, &d, &p->memcpy.copyParams) == CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_MEMSET:
        return fill_fits(&p->memset);
    case CU_GRAPH_NODE_TYPE_KERNEL:
    case CU_GRAPH_NODE_TYPE_EMPTY:
    case CU_GRAPH_NODE_TYPE_GRAPH:
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
        return true;
    default:
        return false;
    }
}

static CUresult fill_kernel(struct shim_launch *l, const struct hawser_far_node *n) {
    const CUDA_KERNEL_NODE_PARAMS_v3 *k = &n->p->kernel;
    struct shim_object *context = k->ctx ? shim_object(HAWSER_CONTEXT, k->ctx) : shim_current();
    if (!context) return CUDA_ERROR_INVALID_CONTEXT;
    CUlaunchConfig config = {k->gridDimX,       k->gridDimY,  k->gridDimZ,
                             k->blockDimX,      k->blockDimY, k->blockDimZ,
                             k->sharedMemBytes, NULL,         (CUlaunchAttribute *)n->attributes,
                             n->n_attributes};
    CUfunction f = k->func ? k->func : (CUfunction)k->kern;
    struct hawser_launch launch = {&config, f, k->kernelParams, k->extra, n->cooperative};
    return shim_launch_fill(l, &launch, context->ctx.facts.device);
}

static CUresult node(uint64_t graph, const struct hawser_far_node *n) {
    struct shim_call c;
    struct shim_launch launch;
    Hawser__CopyArray copy;
    Hawser__GraphNode m = HAWSER__GRAPH_NODE__INIT;
    CUDA_MEMCPY3D box;
    CUDA_MEMSET_NODE_PARAMS_v2 fill;
    CUDA_CONDITIONAL_NODE_PARAMS conditional;
    CUcontext context = NULL;
    CUresult r = enter(&c, HAWSER_FN_GraphNode);
    if (r != CUDA_SUCCESS) return r;
    launch.packed = NULL;
    m.kind = n->p->type;
    switch (n->p->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
        r = fill_kernel(&launch, n);
        m.launch = &launch.m;
        context = n->p->kernel.ctx;
        break;
    case CU_GRAPH_NODE_TYPE_MEMCPY:
        r = shim_copy_fill(&copy, &box, &n->p->memcpy.copyParams);
        m.copy = &copy;
        context = n->p->memcpy.copyCtx;
        break;
    case CU_GRAPH_NODE_TYPE_MEMSET:
        fill = n->p->memset;
        context = fill.ctx;
        fill.ctx = NULL;
        m.params = (ProtobufCBinaryData){sizeof fill, (uint8_t *)&fill};
        break;
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
        conditional = n->p->conditional;
        context = conditional.ctx;
        conditional.ctx = NULL;
        conditional.phGraph_out = NULL;
        m.params = (ProtobufCBinaryData){sizeof conditional, (uint8_t *)&conditional};
        break;
    default:
        m.kind = CU_GRAPH_NODE_TYPE_EMPTY;
    }
    if (r == CUDA_SUCCESS) r = context_id(context, &m.context);
    m.graph = graph;
    m.index = n->index;
    m.change = n->change;
    m.body = n->body;
    m.n_after = n->n_after;
    m.after = (uint64_t *)n->after;
    if (n->data) m.edges = (ProtobufCBinaryData){n->n_after * sizeof *n->data, (uint8_t *)n->data};
    m.disabled = n->disabled;
    if (r == CUDA_SUCCESS) r = shim_post(&c, &m.base, NULL, 0);
    free(launch.packed);
    return r;
}

static CUresult ready(uint64_t graph, uint64_t flags, bool again) {
    struct shim_call c;
    Hawser__GraphReady m = HAWSER__GRAPH_READY__INIT;
    CUresult r = enter(&c, HAWSER_FN_GraphReady);
    m.graph = graph;
    m.flags = flags;
    m.again = again;
    return r == CUDA_SUCCESS ? shim_call(&c, &m.base, NULL, 0, NULL) : r;
}

static CUresult launch(uint64_t graph, CUstream stream) {
    struct shim_call c;
    Hawser__GraphLaunch m = HAWSER__GRAPH_LAUNCH__INIT;
    CUresult r = shim_enter_stream(&c, HAWSER_FN_GraphLaunch, stream);
    if (r == CUDA_SUCCESS) r = shim_copy_stream(&c, stream, &m.stream);
    m.graph = graph;
    if (r == CUDA_SUCCESS) r = shim_mirror_post(&c);
    return r == CUDA_SUCCESS ? shim_post(&c, &m.base, NULL, 0) : r;
}

const struct hawser_far_graphs *hawser_abi_far_graphs(void) {
    static const struct hawser_far_graphs far = {create, drop, handle, handle_gone, fits, node, ready, launch};
    const Hawser__Opened *host = shim_host();
    return host && host->protocol_minor >= HAWSER_MINOR_GRAPHS ? &far : NULL;
}
