/* cuGraphDebugDotPrint: a graph in Graphviz's language. */
#include "graph.h"

#include <stdio.h>

static const char *const kinds[] = {
    [CU_GRAPH_NODE_TYPE_KERNEL] = "KERNEL",
    [CU_GRAPH_NODE_TYPE_MEMCPY] = "MEMCPY",
    [CU_GRAPH_NODE_TYPE_MEMSET] = "MEMSET",
    [CU_GRAPH_NODE_TYPE_HOST] = "HOST",
    [CU_GRAPH_NODE_TYPE_GRAPH] = "GRAPH",
    [CU_GRAPH_NODE_TYPE_EMPTY] = "EMPTY",
    [CU_GRAPH_NODE_TYPE_WAIT_EVENT] = "EVENT_WAIT",
    [CU_GRAPH_NODE_TYPE_EVENT_RECORD] = "EVENT_RECORD",
    [CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL] = "EXT_SEMAS_SIGNAL",
    [CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT] = "EXT_SEMAS_WAIT",
    [CU_GRAPH_NODE_TYPE_MEM_ALLOC] = "MEM_ALLOC",
    [CU_GRAPH_NODE_TYPE_MEM_FREE] = "MEM_FREE",
    [CU_GRAPH_NODE_TYPE_BATCH_MEM_OP] = "BATCH_MEM_OP",
    [CU_GRAPH_NODE_TYPE_CONDITIONAL] = "CONDITIONAL",
};

static bool wanted(unsigned flags, unsigned flag) {
    return flags & (flag | CU_GRAPH_DEBUG_DOT_FLAGS_VERBOSE);
}

static void print_copy(FILE *f, const CUDA_MEMCPY3D *m) {
    fprintf(f, "\\nfrom memory type %d %p 0x%llx array %p\\nto memory type %d %p 0x%llx array %p", m->srcMemoryType,
            m->srcHost, m->srcDevice, (void *)m->srcArray, m->dstMemoryType, m->dstHost, m->dstDevice,
            (void *)m->dstArray);
}

/* What the flags ask for besides. */
static void print_params(FILE *f, const struct graph_node *n, unsigned flags) {
    const CUgraphNodeParams *p = &n->p;
    CUgraphNodeType t = p->type;
    if (t == CU_GRAPH_NODE_TYPE_KERNEL && wanted(flags, CU_GRAPH_DEBUG_DOT_FLAGS_KERNEL_NODE_PARAMS))
        fprintf(f, "\\n%zu bytes of parameters, context %p", n->param_bytes, (void *)p->kernel.ctx);
    if (t == CU_GRAPH_NODE_TYPE_KERNEL && wanted(flags, CU_GRAPH_DEBUG_DOT_FLAGS_KERNEL_NODE_ATTRIBUTES))
        fprintf(f, "\\n%u attributes", n->n_attributes);
    if (t == CU_GRAPH_NODE_TYPE_KERNEL && wanted(flags, CU_GRAPH_DEBUG_DOT_FLAGS_HANDLES))
        fprintf(f, "\\nfunction %p", p->kernel.func ? (void *)p->kernel.func : (void *)p->kernel.kern);
    if (t == CU_GRAPH_NODE_TYPE_MEMCPY && wanted(flags, CU_GRAPH_DEBUG_DOT_FLAGS_MEMCPY_NODE_PARAMS))
        print_copy(f, &p->memcpy.copyParams);
    if (t == CU_GRAPH_NODE_TYPE_MEMSET && wanted(flags, CU_GRAPH_DEBUG_DOT_FLAGS_MEMSET_NODE_PARAMS))
        fprintf(f, "\\nelements of %u bytes, pitch %zu", p->memset.elementSize, p->memset.pitch);
    if (t == CU_GRAPH_NODE_TYPE_HOST && wanted(flags, CU_GRAPH_DEBUG_DOT_FLAGS_HOST_NODE_PARAMS))
        fprintf(f, "\\nfunction %p, data %p", (void *)(uintptr_t)p->host.fn, p->host.userData);
    if (t == CU_GRAPH_NODE_TYPE_WAIT_EVENT && wanted(flags, CU_GRAPH_DEBUG_DOT_FLAGS_EVENT_NODE_PARAMS))
        fprintf(f, "\\nevent %p", (void *)p->eventWait.event);
    if (t == CU_GRAPH_NODE_TYPE_EVENT_RECORD && wanted(flags, CU_GRAPH_DEBUG_DOT_FLAGS_EVENT_NODE_PARAMS))
        fprintf(f, "\\nevent %p", (void *)p->eventRecord.event);
    if (t == CU_GRAPH_NODE_TYPE_MEM_ALLOC && wanted(flags, CU_GRAPH_DEBUG_DOT_FLAGS_MEM_ALLOC_NODE_PARAMS))
        fprintf(f, "\\n%zu bytes at 0x%llx", p->alloc.bytesize, p->alloc.dptr);
    if (t == CU_GRAPH_NODE_TYPE_MEM_FREE && wanted(flags, CU_GRAPH_DEBUG_DOT_FLAGS_MEM_FREE_NODE_PARAMS))
        fprintf(f, "\\n0x%llx", p->free.dptr);
    if (t == CU_GRAPH_NODE_TYPE_BATCH_MEM_OP && wanted(flags, CU_GRAPH_DEBUG_DOT_FLAGS_BATCH_MEM_OP_NODE_PARAMS))
        fprintf(f, "\\n%u operations", p->memOp.count);
    if (t == CU_GRAPH_NODE_TYPE_CONDITIONAL && wanted(flags, CU_GRAPH_DEBUG_DOT_FLAGS_CONDITIONAL_NODE_PARAMS))
        fprintf(f, "\\ntype %d, %u graphs", p->conditional.type, p->conditional.size);
    if (wanted(flags, CU_GRAPH_DEBUG_DOT_FLAGS_HANDLES)) fprintf(f, "\\nhandle %p", (const void *)n);
}

static void print_node(FILE *f, const struct graph_node *n, unsigned flags) {
    fprintf(f, "    node_%llu [label=\"%llu\\n%s", (unsigned long long)n->id, (unsigned long long)n->id,
            kinds[n->p.type]);
    if (n->p.type == CU_GRAPH_NODE_TYPE_KERNEL) {
        const CUDA_KERNEL_NODE_PARAMS_v3 *k = &n->p.kernel;
        const char *name = NULL;
        cuFuncGetName(&name, k->func ? k->func : (CUfunction)k->kern);
        fprintf(f, "\\n%s\\n<<<(%u,%u,%u),(%u,%u,%u),%u>>>", name ? name : "?", k->gridDimX, k->gridDimY, k->gridDimZ,
                k->blockDimX, k->blockDimY, k->blockDimZ, k->sharedMemBytes);
    } else if (n->p.type == CU_GRAPH_NODE_TYPE_MEMSET) {
        fprintf(f, "\\n0x%llx %zux%zu = %u", (unsigned long long)n->p.memset.dst, n->p.memset.width, n->p.memset.height,
                n->p.memset.value);
    } else if (n->p.type == CU_GRAPH_NODE_TYPE_MEMCPY) {
        const CUDA_MEMCPY3D *m = &n->p.memcpy.copyParams;
        fprintf(f, "\\n%zux%zux%zu", m->WidthInBytes, m->Height, m->Depth);
    }
    print_params(f, n, flags);
    fprintf(f, "\"];\n");
}

static void print_graph(FILE *f, struct graph *g, unsigned flags) {
    fprintf(f, "  subgraph cluster_%llu {\n    label=\"graph_%llu\";\n", (unsigned long long)g->id,
            (unsigned long long)g->id);
    for (struct graph_node *n = g->first; n; n = n->next)
        print_node(f, n, flags);
    for (struct graph_node *n = g->first; n; n = n->next)
        for (size_t i = 0; i < n->out.n; i++) {
            fprintf(f, "    node_%llu -> node_%llu", (unsigned long long)n->id,
                    (unsigned long long)n->out.edge[i].node->id);
            if (wanted(flags, CU_GRAPH_DEBUG_DOT_FLAGS_EXTRA_TOPO_INFO)) fprintf(f, " [label=\"%zu\"]", i);
            fprintf(f, ";\n");
        }
    fprintf(f, "  }\n");
    for (struct graph_node *n = g->first; n; n = n->next) {
        unsigned count;
        struct graph **inside = graph_inside(n, &count);
        for (unsigned i = 0; i < count; i++)
            print_graph(f, inside[i], flags);
    }
}

CUresult cuGraphDebugDotPrint(CUgraph hGraph, const char *path, unsigned int flags) {
    graph_enter();
    struct graph *g = path ? graph_of(hGraph) : NULL;
    FILE *f = g ? fopen(path, "we") : NULL;
    CUresult r = !g ? CUDA_ERROR_INVALID_VALUE : f ? CUDA_SUCCESS : CUDA_ERROR_OPERATING_SYSTEM;
    if (f) {
        fprintf(f, "digraph dot {\n");
        print_graph(f, g, flags);
        fprintf(f, "}\n");
        if (fclose(f) != 0) r = CUDA_ERROR_OPERATING_SYSTEM;
    }
    graph_leave();
    return r;
}
