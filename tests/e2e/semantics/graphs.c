/* Graphs made by hand, their memory, user objects. */
#include "semantics.h"

CUDA_KERNEL_NODE_PARAMS add_params(void **params) {
    return (CUDA_KERNEL_NODE_PARAMS){.func = add,
                                     .gridDimX = (N + 127) / 128,
                                     .gridDimY = 1,
                                     .gridDimZ = 1,
                                     .blockDimX = 128,
                                     .blockDimY = 1,
                                     .blockDimZ = 1,
                                     .kernelParams = params};
}

void graph_of_all_kinds(void) {
    CUgraph graph, child;
    CUgraphNode clear, kernel, inside, inner, copy, host, empty, nodes[8];
    CUgraphExec exec;
    CUdeviceptr x = zeros();
    unsigned v = 2, n = N, out[N];
    struct note note = {.data = out};
    void *params[] = {&x, &v, &n};
    size_t count = 8;
    CUgraphNodeType type;
    OK(cuGraphCreate(&graph, 0));
    OK(cuGraphCreate(&child, 0));
    CUDA_MEMSET_NODE_PARAMS fill = {.dst = x, .value = 10, .elementSize = 4, .width = N, .height = 1};
    OK(cuGraphAddMemsetNode(&clear, graph, NULL, 0, &fill, context));
    CUDA_KERNEL_NODE_PARAMS k = add_params(params);
    OK(cuGraphAddKernelNode(&kernel, graph, &clear, 1, &k));
    v = 3; /* the parameters were taken */
    OK(cuGraphAddKernelNode(&inner, child, NULL, 0, &k));
    OK(cuGraphAddChildGraphNode(&inside, graph, &kernel, 1, child));
    OK(cuGraphDestroy(child)); /* a copy lives on in the node */
    OK(cuGraphAddEmptyNode(&empty, graph, &inside, 1));
    CUDA_MEMCPY3D m = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
                       .srcDevice = x,
                       .dstMemoryType = CU_MEMORYTYPE_HOST,
                       .dstHost = out,
                       .WidthInBytes = sizeof out,
                       .Height = 1,
                       .Depth = 1};
    OK(cuGraphAddMemcpyNode(&copy, graph, &empty, 1, &m, context));
    CUDA_HOST_NODE_PARAMS h = {look, &note};
    OK(cuGraphAddHostNode(&host, graph, &copy, 1, &h));
    IS(cuGraphAddDependencies(graph, &host, &clear, NULL, 1), CUDA_ERROR_INVALID_VALUE); /* a cycle */
    OK(cuGraphNodeGetType(copy, &type));
    CHECK(type == CU_GRAPH_NODE_TYPE_MEMCPY);
    OK(cuGraphGetNodes(graph, nodes, &count));
    CHECK(count == 6 && nodes[0] == clear && nodes[5] == host);
    OK(cuGraphInstantiate(&exec, graph, 0));
    OK(cuGraphLaunch(exec, NULL));
    OK(cuCtxSynchronize());
    CHECK(note.times == 1 && note.seen == 15 && all_are(out, 15));
    /* parameters of the executable graph alone */
    v = 100;
    OK(cuGraphExecKernelNodeSetParams(exec, kernel, &k));
    fill.value = 0;
    OK(cuGraphExecMemsetNodeSetParams(exec, clear, &fill, context));
    OK(cuGraphLaunch(exec, NULL));
    OK(cuCtxSynchronize());
    CHECK(all_are(out, 103));
    OK(cuGraphNodeSetEnabled(exec, kernel, 0));
    OK(cuGraphLaunch(exec, NULL));
    OK(cuCtxSynchronize());
    CHECK(all_are(out, 3) && note.times == 3);
    /* the whole of another graph */
    CUgraph other;
    CUgraphNode found;
    CUgraphExecUpdateResultInfo info;
    OK(cuGraphClone(&other, graph));
    OK(cuGraphNodeFindInClone(&found, kernel, other));
    v = 1000;
    OK(cuGraphKernelNodeSetParams(found, &k));
    OK(cuGraphExecUpdate(exec, other, &info));
    CHECK(info.result == CU_GRAPH_EXEC_UPDATE_SUCCESS);
    OK(cuGraphNodeSetEnabled(exec, found, 1));
    OK(cuGraphLaunch(exec, NULL));
    OK(cuCtxSynchronize());
    CHECK(all_are(out, 1013));
    OK(cuGraphAddEmptyNode(&empty, other, NULL, 0));
    IS(cuGraphExecUpdate(exec, other, &info), CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
    CHECK(info.result == CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
    OK(cuGraphDestroyNode(host));
    IS(cuGraphNodeGetType(host, &type), CUDA_ERROR_INVALID_VALUE);
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(other));
    OK(cuGraphDestroy(graph));
    IS(cuGraphLaunch(exec, NULL), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemFree(x));
}

/* As XLA does: each launch with another child of the same shape, which is gone by then. */
void graph_with_other_children(void) {
    CUgraph graph, child;
    CUgraphNode clear, inside, inner[2];
    CUgraphExec exec;
    CUdeviceptr x = zeros();
    unsigned v = 0, n = N;
    void *params[] = {&x, &v, &n};
    CUDA_KERNEL_NODE_PARAMS k = add_params(params);
    CUDA_MEMSET_NODE_PARAMS fill = {.dst = x, .value = 10, .elementSize = 4, .width = N, .height = 1};
    OK(cuGraphCreate(&graph, 0));
    OK(cuGraphAddMemsetNode(&clear, graph, NULL, 0, &fill, context));
    for (unsigned i = 0; i < 3; i++) {
        OK(cuGraphCreate(&child, 0));
        v = 1 + i;
        OK(cuGraphAddKernelNode(&inner[0], child, NULL, 0, &k));
        v = 100;
        OK(cuGraphAddKernelNode(&inner[1], child, inner, 1, &k));
        if (i) {
            OK(cuGraphExecChildGraphNodeSetParams(exec, inside, child));
        } else {
            OK(cuGraphAddChildGraphNode(&inside, graph, &clear, 1, child));
            OK(cuGraphInstantiate(&exec, graph, 0));
        }
        OK(cuGraphDestroy(child));
        OK(cuGraphLaunch(exec, NULL));
        OK(cuCtxSynchronize());
        CHECK(device_is(x, 111 + i));
    }
    OK(cuGraphCreate(&child, 0));
    OK(cuGraphAddKernelNode(&inner[0], child, NULL, 0, &k));
    IS(cuGraphExecChildGraphNodeSetParams(exec, inside, child), CUDA_ERROR_INVALID_VALUE); /* another shape */
    OK(cuGraphLaunch(exec, NULL));
    OK(cuCtxSynchronize());
    CHECK(device_is(x, 113));
    OK(cuGraphDestroy(child));
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(graph));
    OK(cuMemFree(x));
}

void graph_copies_what_its_host_function_wrote(void) {
    CUgraph graph;
    CUgraphNode host, copy;
    CUgraphExec exec;
    unsigned *memory = calloc(N, 4);
    CUdeviceptr x = zeros();
    OK(cuGraphCreate(&graph, 0));
    CUDA_HOST_NODE_PARAMS h = {fill_later, memory};
    OK(cuGraphAddHostNode(&host, graph, NULL, 0, &h));
    CUDA_MEMCPY3D m = {.srcMemoryType = CU_MEMORYTYPE_HOST,
                       .srcHost = memory,
                       .dstMemoryType = CU_MEMORYTYPE_DEVICE,
                       .dstDevice = x,
                       .WidthInBytes = N * 4,
                       .Height = 1,
                       .Depth = 1};
    OK(cuGraphAddMemcpyNode(&copy, graph, &host, 1, &m, context));
    OK(cuGraphInstantiate(&exec, graph, 0));
    OK(cuGraphLaunch(exec, NULL));
    OK(cuCtxSynchronize());
    CHECK(device_is(x, 5));
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(graph));
    OK(cuMemFree(x));
    free(memory);
}

void graph_memory(void) {
    CUgraph graph;
    CUgraphNode alloc, clear, release;
    CUgraphExec exec;
    cuuint64_t used;
    CUDA_MEM_ALLOC_NODE_PARAMS a = {.poolProps = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
                                                  .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}},
                                    .bytesize = N * 4};
    OK(cuGraphCreate(&graph, 0));
    OK(cuGraphAddMemAllocNode(&alloc, graph, NULL, 0, &a));
    CHECK(a.dptr != 0);
    CUDA_MEMSET_NODE_PARAMS fill = {.dst = a.dptr, .value = 8, .elementSize = 4, .width = N, .height = 1};
    OK(cuGraphAddMemsetNode(&clear, graph, &alloc, 1, &fill, context));
    OK(cuGraphInstantiate(&exec, graph, 0));
    OK(cuGraphLaunch(exec, NULL));
    OK(cuCtxSynchronize());
    CHECK(device_is(a.dptr, 8));
    OK(cuDeviceGetGraphMemAttribute(device, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, &used));
    CHECK(used == N * 4);
    IS(cuGraphLaunch(exec, NULL), CUDA_ERROR_INVALID_VALUE); /* still allocated */
    OK(cuMemFree(a.dptr));
    OK(cuGraphLaunch(exec, NULL));
    OK(cuMemFreeAsync(a.dptr, NULL));
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphAddMemFreeNode(&release, graph, &clear, 1, a.dptr));
    OK(cuGraphInstantiate(&exec, graph, 0));
    OK(cuGraphLaunch(exec, NULL));
    OK(cuGraphLaunch(exec, NULL));
    OK(cuCtxSynchronize());
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(graph));
}

static void destroyed(void *arg) {
    ++*(unsigned *)arg;
}

void user_objects(void) {
    CUuserObject object;
    CUgraph graph, copy;
    unsigned times = 0;
    OK(cuUserObjectCreate(&object, &times, destroyed, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
    IS(cuUserObjectCreate(&object, &times, destroyed, 1, 0), CUDA_ERROR_INVALID_VALUE);
    OK(cuGraphCreate(&graph, 0));
    OK(cuGraphRetainUserObject(graph, object, 1, CU_GRAPH_USER_OBJECT_MOVE));
    OK(cuGraphClone(&copy, graph));
    OK(cuGraphDestroy(graph));
    CHECK(times == 0);
    OK(cuGraphDestroy(copy));
    CHECK(times == 1);
    IS(cuUserObjectRelease(object, 1), CUDA_ERROR_INVALID_VALUE);
}

/* A graph's picture, as text; "" when there is none. The caller's to free. */
static char *picture(CUgraph graph, unsigned flags) {
    char path[] = "/tmp/hawser-dot-XXXXXX", *text = calloc(1, 8192);
    int fd = mkstemp(path);
    if (cuGraphDebugDotPrint(graph, path, flags) == CUDA_SUCCESS && pread(fd, text, 8191, 0) < 0) text[0] = 0;
    close(fd);
    unlink(path);
    return text;
}

void graph_pictures(void) {
    CUgraph graph;
    CUgraphNode first, second;
    CUdeviceptr x = zeros();
    unsigned v = 1, n = N;
    void *params[] = {&x, &v, &n};
    CUDA_KERNEL_NODE_PARAMS p = add_params(params);
    CUDA_MEMSET_NODE_PARAMS fill = {.dst = x, .elementSize = 4, .width = N, .height = 1, .value = 9};
    OK(cuGraphCreate(&graph, 0));
    OK(cuGraphAddMemsetNode(&first, graph, NULL, 0, &fill, context));
    OK(cuGraphAddKernelNode(&second, graph, &first, 1, &p));
    char *plain = picture(graph, 0), *handles = picture(graph, CU_GRAPH_DEBUG_DOT_FLAGS_HANDLES),
         *all = picture(graph, CU_GRAPH_DEBUG_DOT_FLAGS_VERBOSE), handle[32];
    snprintf(handle, sizeof handle, "handle %p", (void *)second);
    bool right = strstr(plain, "digraph") && strstr(plain, "KERNEL\\nadd") && strstr(plain, "MEMSET") &&
                 strstr(plain, "->") && !strstr(plain, "handle") && strstr(handles, handle) &&
                 !strstr(handles, "bytes of parameters") && strstr(all, handle) && strstr(all, "bytes of parameters") &&
                 strstr(all, "elements of 4 bytes");
    free(plain), free(handles), free(all);
    CHECK(right);
    IS(cuGraphDebugDotPrint(graph, NULL, 0), CUDA_ERROR_INVALID_VALUE);
    OK(cuGraphDestroy(graph));
    OK(cuMemFree(x));
}
