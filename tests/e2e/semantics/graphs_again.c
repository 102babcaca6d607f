/* Graphs that are launched again and again, changed in between, and conditional nodes: what a driver keeps. */
#include "semantics.h"

/* The graph adds v to x by as many kernels as it has, after clearing it, and copies x to pinned memory. */
struct again {
    CUgraph graph;
    CUgraphExec exec;
    CUgraphNode clear, first, inside;
    CUdeviceptr x, kept;
    unsigned v, n, *pinned;
    void *params[3];
};

static CUresult three_launches(const struct again *a) {
    CUresult r = CUDA_SUCCESS;
    for (int i = 0; i < 3 && r == CUDA_SUCCESS; i++)
        r = cuGraphLaunch(a->exec, NULL);
    return r ? r : cuCtxSynchronize();
}

/* cleared, then one kernel, then a child graph with two branches of a kernel each, on other halves, then the copy;
 * beside it a kernel that counts launches in kept. */
static CUresult make_again(struct again *a) {
    static unsigned one = 1, single = 1, half = N / 2;
    static CUdeviceptr upper;
    CUgraph child;
    CUgraphNode branch[2], node, alloc, release;
    CUDA_MEMSET_NODE_PARAMS fill = {.dst = a->x, .value = 0, .elementSize = 4, .width = N, .height = 1};
    CUDA_KERNEL_NODE_PARAMS k = add_params(a->params), count = k, lower_half = k, upper_half = k;
    void *counting[] = {&a->kept, &one, &single}, *below[] = {&a->x, &a->v, &half}, *above[] = {&upper, &a->v, &half};
    CUDA_MEM_ALLOC_NODE_PARAMS m = {
        .poolProps = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {CU_MEM_LOCATION_TYPE_DEVICE, device}},
        .bytesize = 4096};
    CUDA_MEMCPY3D c = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
                       .srcDevice = a->x,
                       .dstMemoryType = CU_MEMORYTYPE_HOST,
                       .dstHost = a->pinned,
                       .WidthInBytes = N * 4,
                       .Height = 1,
                       .Depth = 1};
    upper = a->x + N / 2 * 4;
    count.kernelParams = counting;
    lower_half.kernelParams = below;
    upper_half.kernelParams = above;
    CUresult r = cuGraphCreate(&a->graph, 0);
    if (!r) r = cuGraphCreate(&child, 0);
    if (!r) r = cuGraphAddMemsetNode(&a->clear, a->graph, NULL, 0, &fill, context);
    if (!r) r = cuGraphAddKernelNode(&node, a->graph, NULL, 0, &count);
    if (!r) r = cuGraphAddKernelNode(&a->first, a->graph, &a->clear, 1, &k);
    if (!r) r = cuGraphAddKernelNode(&branch[0], child, NULL, 0, &lower_half);
    if (!r) r = cuGraphAddKernelNode(&branch[1], child, NULL, 0, &upper_half);
    if (!r) r = cuGraphAddChildGraphNode(&a->inside, a->graph, &a->first, 1, child);
    if (!r) r = cuGraphDestroy(child);
    if (!r) r = cuGraphAddMemAllocNode(&alloc, a->graph, &a->inside, 1, &m);
    fill.dst = m.dptr;
    fill.width = 1024;
    if (!r) r = cuGraphAddMemsetNode(&node, a->graph, &alloc, 1, &fill, context);
    if (!r) r = cuGraphAddMemFreeNode(&release, a->graph, &node, 1, m.dptr);
    if (!r) r = cuGraphAddMemcpyNode(&node, a->graph, &a->inside, 1, &c, context);
    return r ? r : cuGraphInstantiate(&a->exec, a->graph, 0);
}

void graph_launched_again(void) {
    struct again a = {.x = zeros(), .kept = zeros(), .v = 2, .n = N};
    a.params[0] = &a.x;
    a.params[1] = &a.v;
    a.params[2] = &a.n;
    OK(cuMemAllocHost((void **)&a.pinned, N * 4));
    OK(make_again(&a));
    OK(three_launches(&a));
    CHECK(all_are(a.pinned, 4));
    /* changed, and each change seen by the next launch already */
    CUDA_KERNEL_NODE_PARAMS k = add_params(a.params);
    a.v = 100;
    OK(cuGraphExecKernelNodeSetParams(a.exec, a.first, &k));
    OK(cuGraphLaunch(a.exec, NULL));
    OK(cuCtxSynchronize());
    CHECK(all_are(a.pinned, 102));
    OK(three_launches(&a));
    CHECK(all_are(a.pinned, 102));
    CUDA_MEMSET_NODE_PARAMS fill = {.dst = a.x, .value = 7, .elementSize = 4, .width = N, .height = 1};
    OK(cuGraphExecMemsetNodeSetParams(a.exec, a.clear, &fill, context));
    OK(three_launches(&a));
    CHECK(all_are(a.pinned, 109));
    OK(cuGraphNodeSetEnabled(a.exec, a.first, 0));
    OK(three_launches(&a));
    CHECK(all_are(a.pinned, 9));
    OK(three_launches(&a));
    OK(cuGraphNodeSetEnabled(a.exec, a.first, 1));
    OK(three_launches(&a));
    CHECK(all_are(a.pinned, 109));
    /* in other streams, of which each launch waits for the one before */
    CUstream s;
    CUevent e;
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&e, CU_EVENT_DISABLE_TIMING));
    OK(cuGraphLaunch(a.exec, s));
    OK(cuEventRecord(e, s));
    OK(cuStreamWaitEvent(NULL, e, 0));
    OK(cuGraphLaunch(a.exec, NULL));
    OK(cuCtxSynchronize());
    OK(cuGraphExecDestroy(a.exec));
    OK(cuGraphDestroy(a.graph));
    unsigned launches;
    OK(cuMemcpyDtoH(&launches, a.kept, 4));
    CHECK(launches == 21);
    OK(cuEventDestroy(e));
    OK(cuStreamDestroy(s));
    OK(cuMemFreeHost(a.pinned));
    OK(cuMemFree(a.x));
    OK(cuMemFree(a.kept));
}

/* A fill and a kernel after it: what a stream could do as well. Each change is seen by the next launch, and those
 * after. */
void graph_in_a_row(void) {
    CUgraph graph;
    CUgraphNode clear, node;
    CUgraphExec exec;
    CUdeviceptr x = zeros();
    unsigned v = 1, n = N;
    void *params[] = {&x, &v, &n};
    CUDA_MEMSET_NODE_PARAMS fill = {.dst = x, .value = 0, .elementSize = 4, .width = N, .height = 1};
    CUDA_KERNEL_NODE_PARAMS k = add_params(params);
    OK(cuGraphCreate(&graph, 0));
    OK(cuGraphAddMemsetNode(&clear, graph, NULL, 0, &fill, context));
    OK(cuGraphAddKernelNode(&node, graph, &clear, 1, &k));
    OK(cuGraphInstantiate(&exec, graph, 0));
    for (; v <= 3; v++) {
        OK(cuGraphExecKernelNodeSetParams(exec, node, &k));
        for (int i = 0; i < 6; i++) {
            OK(cuGraphLaunch(exec, NULL));
            CHECK(device_is(x, v));
        }
    }
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(graph));
    OK(cuMemFree(x));
}

/* NVIDIA's driver has cudaGraphSetConditional itself. */
static const char condition_ptx[] =
    ".version 8.0\n.target sm_70\n.address_size 64\n"
    ".extern .func cudaGraphSetConditional(.param .b64 handle, .param .b32 value);\n"
    /* *counter -= 1; the condition becomes the counter */
    ".visible .entry count_down(.param .u64 handle, .param .u64 counter)\n{\n"
    "    .reg .b32 %r<3>;\n    .reg .b64 %rd<3>;\n"
    "    ld.param.u64 %rd1, [handle];\n    ld.param.u64 %rd2, [counter];\n"
    "    ld.global.u32 %r1, [%rd2];\n    add.s32 %r2, %r1, -1;\n    st.global.u32 [%rd2], %r2;\n"
    "    { .param .b64 p0; st.param.b64 [p0], %rd1; .param .b32 p1; st.param.b32 [p1], %r2;\n"
    "    call.uni cudaGraphSetConditional, (p0, p1); }\n    ret;\n}\n";

static CUmodule conditions;
static CUfunction count_down;
static CUdeviceptr counter;

static void begin_conditions(CUgraph *graph) {
    OK(cuModuleLoadData(&conditions, condition_ptx));
    OK(cuModuleGetFunction(&count_down, conditions, "count_down"));
    OK(cuMemAlloc(&counter, 4));
    OK(cuGraphCreate(graph, 0));
}

static void end_conditions(CUgraph graph, CUgraphExec exec, CUdeviceptr x) {
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(graph));
    OK(cuModuleUnload(conditions));
    OK(cuMemFree(x));
    OK(cuMemFree(counter));
}

/* A node whose bodies are graphs of the program's to fill. */
static CUresult add_condition(CUgraph graph, CUgraphConditionalHandle handle, CUgraphConditionalNodeType type,
                              unsigned size, const CUgraphNode *after, CUgraphNode *node, CUgraph *bodies) {
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_CONDITIONAL,
                           .conditional = {.handle = handle, .type = type, .size = size, .ctx = context}};
    CUresult r = cuGraphAddNode(node, graph, after, NULL, after != NULL, &p);
    for (unsigned i = 0; i < size && !r; i++)
        bodies[i] = p.conditional.phGraph_out[i];
    return r;
}

static CUresult add_count_down(CUgraph graph, CUgraphConditionalHandle handle, CUdeviceptr counts,
                               const CUgraphNode *after, CUgraphNode *node) {
    void *params[] = {&handle, &counts};
    CUDA_KERNEL_NODE_PARAMS d = {.func = count_down,
                                 .gridDimX = 1,
                                 .gridDimY = 1,
                                 .gridDimZ = 1,
                                 .blockDimX = 1,
                                 .blockDimY = 1,
                                 .blockDimZ = 1,
                                 .kernelParams = params};
    return cuGraphAddKernelNode(node, graph, after, after != NULL, &d);
}

static CUresult launch_with(CUgraphExec exec, CUdeviceptr x, unsigned count) {
    CUresult r = cuMemsetD32(x, 0, N);
    if (!r) r = cuMemsetD32(counter, count, 1);
    if (!r) r = cuGraphLaunch(exec, NULL);
    return r ? r : cuCtxSynchronize();
}

void graph_conditions(void) {
    int version;
    OK(cuDriverGetVersion(&version));
    if (version < 12040) return;
    CUgraph graph, body;
    CUgraphNode loop, adding, node;
    CUgraphExec exec;
    CUgraphConditionalHandle handle;
    CUdeviceptr x = zeros();
    unsigned v = 7, n = N;
    void *params[] = {&x, &v, &n};
    CUDA_KERNEL_NODE_PARAMS k = add_params(params);
    begin_conditions(&graph);
    OK(cuGraphConditionalHandleCreate(&handle, graph, context, 1, CU_GRAPH_COND_ASSIGN_DEFAULT));
    OK(add_condition(graph, handle, CU_GRAPH_COND_TYPE_WHILE, 1, NULL, &loop, &body));
    OK(cuGraphAddKernelNode(&adding, body, NULL, 0, &k));
    OK(add_count_down(body, handle, counter, &adding, &node));
    OK(cuGraphInstantiate(&exec, graph, 0));
    OK(launch_with(exec, x, 5));
    CHECK(device_is(x, 35));
    v = 9; /* in the body, of the executable graph */
    OK(cuGraphExecKernelNodeSetParams(exec, adding, &k));
    OK(launch_with(exec, x, 3));
    CHECK(device_is(x, 27));
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphInstantiate(&exec, graph, 0)); /* again, as it was made */
    OK(launch_with(exec, x, 2));
    CHECK(device_is(x, 14));
    end_conditions(graph, exec, x);
}

/* The counter less one says which body: none but bodies 0 and 2 do anything, and body 2 has an IF with an ELSE inside,
 * with a counter of its own. */
void graph_conditions_inside_others(void) {
    int version;
    OK(cuDriverGetVersion(&version));
    if (version < 12080) return; /* no ELSE, no SWITCH */
    CUgraph graph, body[4], inner[2];
    CUgraphNode node, choice;
    CUgraphExec exec;
    CUgraphConditionalHandle which, whether;
    CUdeviceptr x = zeros(), second;
    unsigned v = 1, n = N;
    void *params[] = {&x, &v, &n};
    CUDA_KERNEL_NODE_PARAMS k = add_params(params);
    OK(cuMemAlloc(&second, 4));
    begin_conditions(&graph);
    OK(cuGraphConditionalHandleCreate(&which, graph, context, 0, 0));
    OK(cuGraphConditionalHandleCreate(&whether, graph, context, 0, 0));
    OK(add_count_down(graph, which, counter, NULL, &node));
    OK(add_condition(graph, which, CU_GRAPH_COND_TYPE_SWITCH, 4, &node, &choice, body));
    OK(cuGraphAddKernelNode(&node, body[0], NULL, 0, &k));
    OK(add_count_down(body[2], whether, second, NULL, &node));
    OK(add_condition(body[2], whether, CU_GRAPH_COND_TYPE_IF, 2, &node, &choice, inner));
    v = 10;
    OK(cuGraphAddKernelNode(&node, inner[0], NULL, 0, &k));
    v = 100;
    OK(cuGraphAddKernelNode(&node, inner[1], NULL, 0, &k));
    OK(cuGraphInstantiate(&exec, graph, 0));
    static const struct {
        unsigned counter, second, expected;
    } cases[] = {{1, 1, 1}, {2, 1, 0}, {3, 2, 10}, {3, 1, 100}, {4, 2, 0}, {5, 2, 0}, {9, 2, 0}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        OK(cuMemsetD32(second, cases[i].second, 1));
        OK(launch_with(exec, x, cases[i].counter));
        CHECK(device_is(x, cases[i].expected));
    }
    end_conditions(graph, exec, x);
    OK(cuMemFree(second));
}

/* Conditional nodes beside what only the program's process can run: not on a real GPU that is elsewhere. */
static void count_call(void *times) {
    ++*(unsigned *)times;
}

void graph_conditions_and_host_functions(void) {
    if (!software()) return;
    CUgraph graph, body;
    CUgraphNode host, choice, node;
    CUgraphExec exec;
    CUgraphConditionalHandle handle;
    CUdeviceptr x = zeros();
    unsigned v = 4, n = N, times = 0;
    void *params[] = {&x, &v, &n};
    CUDA_KERNEL_NODE_PARAMS k = add_params(params);
    CUDA_HOST_NODE_PARAMS h = {count_call, &times};
    begin_conditions(&graph);
    OK(cuGraphConditionalHandleCreate(&handle, graph, context, 0, CU_GRAPH_COND_ASSIGN_DEFAULT));
    OK(cuGraphAddHostNode(&host, graph, NULL, 0, &h));
    OK(add_count_down(graph, handle, counter, &host, &node));
    OK(add_condition(graph, handle, CU_GRAPH_COND_TYPE_IF, 1, &node, &choice, &body));
    OK(cuGraphAddKernelNode(&node, body, NULL, 0, &k));
    OK(cuGraphInstantiate(&exec, graph, 0));
    OK(launch_with(exec, x, 1));
    CHECK(device_is(x, 0));
    OK(launch_with(exec, x, 2));
    CHECK(device_is(x, 4) && times == 2);
    end_conditions(graph, exec, x);
}
