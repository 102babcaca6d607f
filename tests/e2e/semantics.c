/*
 * CUDA's semantics beyond launches and copies, one function each: host functions, capture, graphs, host memory that
 * kernels reach, virtual memory, memory of other processes, links, textures, operations in streams, old and composed
 * functions.
 *
 *   semantics            runs all; prints "ok NAME" or "FAIL NAME line N: what"; exit status 1 if any failed
 *   semantics NAME       runs one
 *
 * Built twice, the second time with the per-thread default stream. Every expected value is computed here.
 */
#include <cuda.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N 1000u

static const char *failed;
static int failed_line;
static CUcontext context;
static CUdevice device;
static CUmodule module;
static CUfunction add;

#define CHECK(condition)                                                                                       \
    do {                                                                                                       \
        if (!(condition)) {                                                                                    \
            failed = #condition;                                                                               \
            failed_line = __LINE__;                                                                            \
            return;                                                                                            \
        }                                                                                                      \
    } while (0)
#define OK(call) CHECK((call) == CUDA_SUCCESS)
#define IS(call, error) CHECK((call) == (error))

static const char ptx[] =
    ".version 8.0\n.target sm_70\n.address_size 64\n"
    ".visible .global .attribute(.managed) .align 4 .u32 managed_value = 7;\n"
    ".visible .global .align 4 .u32 plain_value = 9;\n"
    /* x[i] += v for i < n */
    ".visible .entry add(.param .u64 x, .param .u32 v, .param .u32 n)\n{\n"
    "    .reg .pred %p;\n    .reg .b32 %r<9>;\n    .reg .b64 %rd<4>;\n"
    "    ld.param.u64 %rd1, [x];\n    ld.param.u32 %r1, [v];\n    ld.param.u32 %r2, [n];\n"
    "    mov.u32 %r3, %tid.x;\n    mov.u32 %r4, %ctaid.x;\n    mov.u32 %r5, %ntid.x;\n"
    "    mad.lo.s32 %r6, %r4, %r5, %r3;\n    setp.ge.u32 %p, %r6, %r2;\n    @%p ret;\n"
    "    mul.wide.u32 %rd2, %r6, 4;\n    add.s64 %rd3, %rd1, %rd2;\n"
    "    ld.global.u32 %r7, [%rd3];\n    add.s32 %r8, %r7, %r1;\n    st.global.u32 [%rd3], %r8;\n    ret;\n}\n"
    ".visible .entry bump(.param .u32 by)\n{\n"
    "    .reg .b32 %r<4>;\n    ld.param.u32 %r1, [by];\n    ld.global.u32 %r2, [managed_value];\n"
    "    add.s32 %r3, %r1, %r2;\n    st.global.u32 [managed_value], %r3;\n    ret;\n}\n";

static CUresult run_add(CUdeviceptr x, unsigned v, CUstream s)
{
    unsigned n = N;
    void *params[] = {&x, &v, &n};
    return cuLaunchKernel(add, (N + 127) / 128, 1, 1, 128, 1, 1, 0, s, params, NULL);
}

static bool all_are(const unsigned *x, unsigned v)
{
    for (unsigned i = 0; i < N; i++)
        if (x[i] != v) return false;
    return true;
}

/* What device memory holds. */
static bool device_is(CUdeviceptr x, unsigned v)
{
    unsigned host[N];
    return cuMemcpyDtoH(host, x, sizeof host) == CUDA_SUCCESS && all_are(host, v);
}

/* A fill of device memory is under way when it returns, and streams that do not wait for the default one would overtake
 * it. */
static CUdeviceptr zeros(void)
{
    CUdeviceptr x = 0;
    if (cuMemAlloc(&x, N * 4) != CUDA_SUCCESS || cuMemsetD32(x, 0, N) != CUDA_SUCCESS) return 0;
    return cuCtxSynchronize() == CUDA_SUCCESS ? x : 0;
}

/* ---- host functions ---- */

struct note {
    unsigned *data;
    unsigned seen, times;
};

static void look(void *arg)
{
    struct note *n = arg;
    n->seen = n->data[N - 1];
    n->times++;
}

static void fill_later(void *arg)
{
    usleep(20000);
    for (unsigned i = 0; i < N; i++)
        ((unsigned *)arg)[i] = 5;
}

static void told(CUstream s, CUresult status, void *arg)
{
    (void)s;
    *(CUresult *)arg = status;
}

static void host_functions(void)
{
    CUstream s;
    unsigned *pinned;
    CUdeviceptr x = zeros();
    CUresult status = CUDA_ERROR_UNKNOWN;
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    OK(cuMemHostAlloc((void **)&pinned, N * 4, 0));
    memset(pinned, 0, N * 4);
    struct note note = {.data = pinned};
    OK(run_add(x, 3, s));
    OK(cuMemcpyDtoHAsync(pinned, x, N * 4, s));
    OK(cuLaunchHostFunc(s, look, &note));
    OK(cuLaunchHostFunc(s, fill_later, pinned)); /* the copy after it must take what it writes */
    OK(cuMemcpyHtoDAsync(x, pinned, N * 4, s));
    OK(run_add(x, 1, s));
    OK(cuStreamAddCallback(s, told, &status, 0));
    OK(cuStreamSynchronize(s));
    CHECK(note.times == 1 && note.seen == 3);
    CHECK(status == CUDA_SUCCESS);
    CHECK(device_is(x, 6));
    IS(cuLaunchHostFunc(s, NULL, NULL), CUDA_ERROR_INVALID_VALUE);
    IS(cuStreamAddCallback(s, told, &status, 1), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemFreeHost(pinned));
    OK(cuMemFree(x));
    OK(cuStreamDestroy(s));
}

/* ---- capture ---- */

static void capture_fork_join(void)
{
    CUstream a, b;
    CUevent fork, join;
    CUgraph graph;
    CUgraphExec exec;
    CUstreamCaptureStatus status;
    CUdeviceptr x = zeros(), y = zeros();
    size_t nodes = 0, roots = 0, edges = 0;
    OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&fork, CU_EVENT_DISABLE_TIMING));
    OK(cuEventCreate(&join, CU_EVENT_DISABLE_TIMING));
    OK(cuStreamBeginCapture(a, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    OK(cuStreamIsCapturing(a, &status));
    CHECK(status == CU_STREAM_CAPTURE_STATUS_ACTIVE);
    OK(run_add(x, 1, a));
    OK(cuEventRecord(fork, a));
    OK(cuStreamWaitEvent(b, fork, 0));
    OK(cuMemsetD32Async(y, 4, N, b));
    OK(run_add(y, 2, b));
    IS(cuEventQuery(fork), CUDA_ERROR_CAPTURED_EVENT);
    OK(cuEventRecord(join, b));
    OK(cuStreamWaitEvent(a, join, 0));
    OK(cuMemcpyDtoDAsync(x, y, N * 4, a));
    OK(cuStreamEndCapture(a, &graph));
    OK(cuStreamIsCapturing(b, &status));
    CHECK(status == CU_STREAM_CAPTURE_STATUS_NONE);
    CHECK(device_is(x, 0)); /* nothing has run */
    OK(cuGraphGetNodes(graph, NULL, &nodes));
    OK(cuGraphGetRootNodes(graph, NULL, &roots));
    OK(cuGraphGetEdges(graph, NULL, NULL, NULL, &edges));
    CHECK(nodes == 4 && roots == 1 && edges == 4);
    OK(cuGraphInstantiate(&exec, graph, 0));
    for (int i = 0; i < 3; i++)
        OK(cuGraphLaunch(exec, a));
    OK(cuStreamSynchronize(a));
    CHECK(device_is(x, 6) && device_is(y, 6));
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(graph));
    OK(cuEventDestroy(fork));
    OK(cuEventDestroy(join));
    OK(cuStreamDestroy(a));
    OK(cuStreamDestroy(b));
    OK(cuMemFree(x));
    OK(cuMemFree(y));
}

static void capture_errors(void)
{
    CUstream s, t;
    CUevent e;
    CUgraph graph = NULL;
    CUdeviceptr x = zeros();
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&t, CU_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&e, 0));
    IS(cuStreamBeginCapture(CU_STREAM_LEGACY, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    IS(cuStreamEndCapture(s, &graph), CUDA_ERROR_ILLEGAL_STATE);
    /* waiting for a stream that is captured breaks the capture */
    OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_GLOBAL));
    IS(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_ERROR_ILLEGAL_STATE);
    IS(cuStreamSynchronize(s), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    IS(run_add(x, 1, s), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    IS(cuStreamEndCapture(s, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    CHECK(graph == NULL);
    /* what another stream did must be waited for */
    OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_RELAXED));
    OK(cuEventRecord(e, s));
    OK(cuStreamWaitEvent(t, e, 0));
    OK(run_add(x, 1, t));
    IS(cuStreamEndCapture(t, &graph), CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
    IS(cuStreamEndCapture(s, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_RELAXED));
    OK(cuEventRecord(e, s));
    OK(cuStreamWaitEvent(t, e, 0));
    OK(run_add(x, 1, t));
    IS(cuStreamEndCapture(s, &graph), CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
    /* allocation is unsafe in the strict modes, allowed in the relaxed one */
    CUdeviceptr y;
    OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    OK(cuThreadExchangeStreamCaptureMode(&mode));
    OK(cuMemAlloc(&y, 64));
    OK(cuThreadExchangeStreamCaptureMode(&mode));
    IS(cuMemAlloc(&y, 64), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    IS(cuStreamEndCapture(s, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    /* the next operations are ordinary ones again */
    OK(run_add(x, 1, s));
    OK(cuStreamSynchronize(s));
    CHECK(device_is(x, 1));
    OK(cuEventDestroy(e));
    OK(cuStreamDestroy(s));
    OK(cuStreamDestroy(t));
    OK(cuMemFree(x));
}

/* ---- graphs made by hand ---- */

static CUDA_KERNEL_NODE_PARAMS add_params(void **params)
{
    return (CUDA_KERNEL_NODE_PARAMS){.func = add, .gridDimX = (N + 127) / 128, .gridDimY = 1, .gridDimZ = 1,
                                     .blockDimX = 128, .blockDimY = 1, .blockDimZ = 1, .kernelParams = params};
}

static void graph_of_all_kinds(void)
{
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
    CUDA_MEMCPY3D m = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = x, .dstMemoryType = CU_MEMORYTYPE_HOST,
                       .dstHost = out, .WidthInBytes = sizeof out, .Height = 1, .Depth = 1};
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

static void graph_copies_what_its_host_function_wrote(void)
{
    CUgraph graph;
    CUgraphNode host, copy;
    CUgraphExec exec;
    unsigned *memory = calloc(N, 4);
    CUdeviceptr x = zeros();
    OK(cuGraphCreate(&graph, 0));
    CUDA_HOST_NODE_PARAMS h = {fill_later, memory};
    OK(cuGraphAddHostNode(&host, graph, NULL, 0, &h));
    CUDA_MEMCPY3D m = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = memory, .dstMemoryType = CU_MEMORYTYPE_DEVICE,
                       .dstDevice = x, .WidthInBytes = N * 4, .Height = 1, .Depth = 1};
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

static void graph_memory(void)
{
    CUgraph graph;
    CUgraphNode alloc, clear, release;
    CUgraphExec exec;
    cuuint64_t used;
    CUDA_MEM_ALLOC_NODE_PARAMS a = {.poolProps = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
                                                  .location = {CU_MEM_LOCATION_TYPE_DEVICE, device}},
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

/* How kernels set a condition is the business of CUDA's device runtime, which a real GPU would want linked in. */
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

static bool software(void)
{
    char name[64] = "";
    return cuDeviceGetName(name, sizeof name, device) == CUDA_SUCCESS && !strncmp(name, "hawser", 6);
}

static void graph_conditions(void)
{
    CUmodule conditions;
    CUfunction count_down;
    if (!software()) return;
    OK(cuModuleLoadData(&conditions, condition_ptx));
    OK(cuModuleGetFunction(&count_down, conditions, "count_down"));
    CUgraph graph;
    CUgraphNode loop, body;
    CUgraphExec exec;
    CUgraphConditionalHandle handle;
    CUdeviceptr x = zeros(), counter;
    unsigned v = 7, n = N;
    OK(cuMemAlloc(&counter, 4));
    OK(cuMemsetD32(counter, 5, 1));
    OK(cuGraphCreate(&graph, 0));
    OK(cuGraphConditionalHandleCreate(&handle, graph, context, 1, CU_GRAPH_COND_ASSIGN_DEFAULT));
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_CONDITIONAL,
                           .conditional = {.handle = handle, .type = CU_GRAPH_COND_TYPE_WHILE, .size = 1,
                                           .ctx = context}};
    OK(cuGraphAddNode(&loop, graph, NULL, NULL, 0, &p));
    CUgraph inside = p.conditional.phGraph_out[0];
    void *params[] = {&x, &v, &n}, *decide[] = {&handle, &counter};
    CUDA_KERNEL_NODE_PARAMS k = add_params(params);
    OK(cuGraphAddKernelNode(&body, inside, NULL, 0, &k));
    CUDA_KERNEL_NODE_PARAMS d = {.func = count_down, .gridDimX = 1, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 1,
                                 .blockDimY = 1, .blockDimZ = 1, .kernelParams = decide};
    OK(cuGraphAddKernelNode(&body, inside, &body, 1, &d));
    OK(cuGraphInstantiate(&exec, graph, 0));
    OK(cuGraphLaunch(exec, NULL));
    OK(cuCtxSynchronize());
    CHECK(device_is(x, 35));
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(graph));
    OK(cuMemFree(x));
    OK(cuMemFree(counter));
}

static void destroyed(void *arg)
{
    ++*(unsigned *)arg;
}

static void user_objects(void)
{
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

/* ---- host memory that kernels reach ---- */

static void managed_memory(void)
{
    CUdeviceptr x;
    unsigned char managed = 0;
    int last = 0;
    OK(cuMemAllocManaged(&x, N * 4, CU_MEM_ATTACH_GLOBAL));
    unsigned *host = (unsigned *)x;
    for (unsigned i = 0; i < N; i++)
        host[i] = 1;
    OK(run_add(x, 1, NULL));
    OK(cuCtxSynchronize());
    CHECK(all_are(host, 2));
    host[0] = 40;
    OK(run_add(x, 2, NULL));
    OK(cuCtxSynchronize());
    CHECK(host[0] == 42 && host[N - 1] == 4);
    OK(cuMemsetD32(x, 6, N));
    CHECK(all_are(host, 6));
    unsigned other[N];
    for (unsigned i = 0; i < N; i++)
        other[i] = 11;
    OK(cuMemcpyHtoD(x, other, sizeof other));
    CHECK(all_are(host, 11));
    OK(cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, x));
    CHECK(managed == 1);
    CUmemLocation here = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device};
    OK(cuMemAdvise(x, N * 4, CU_MEM_ADVISE_SET_READ_MOSTLY, here));
    OK(cuMemPrefetchAsync(x, N * 4, here, 0, NULL));
    OK(cuMemRangeGetAttribute(&last, 4, CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION, x, N * 4));
    CHECK(last == device);
    OK(cuStreamAttachMemAsync(NULL, x, 0, CU_MEM_ATTACH_GLOBAL));
    OK(cuMemFree(x));
    IS(cuMemPrefetchAsync(x, N * 4, here, 0, NULL), CUDA_ERROR_INVALID_VALUE);
}

static void mapped_memory(void)
{
    unsigned *pinned;
    CUdeviceptr x;
    unsigned flags;
    OK(cuMemHostAlloc((void **)&pinned, N * 4, CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_PORTABLE));
    for (unsigned i = 0; i < N; i++)
        pinned[i] = 20;
    OK(cuMemHostGetDevicePointer(&x, pinned, 0));
    OK(run_add(x, 1, NULL));
    OK(run_add(x, 1, NULL));
    OK(cuCtxSynchronize());
    CHECK(all_are(pinned, 22));
    OK(cuMemHostGetFlags(&flags, pinned));
    CHECK(flags == (CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_PORTABLE));
    CUdeviceptr y = zeros();
    OK(cuMemcpyHtoD(y, pinned, N * 4));
    pinned[0] = 0; /* the bytes were taken */
    CHECK(device_is(y, 22));
    OK(cuMemcpyDtoH(pinned, y, N * 4));
    CHECK(pinned[0] == 22);
    OK(cuMemFreeHost(pinned));
    IS(cuMemFreeHost(pinned), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemFree(y));
}

static void registered_memory(void)
{
    unsigned *memory = malloc((N + 8) * 4) , *part = memory + 3; /* not at the begin of a page */
    CUdeviceptr x;
    for (unsigned i = 0; i < N; i++)
        part[i] = 30;
    OK(cuMemHostRegister(part, N * 4, CU_MEMHOSTREGISTER_DEVICEMAP));
    IS(cuMemHostRegister(part, N * 4, 0), CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
    OK(cuMemHostGetDevicePointer(&x, part, 0));
    OK(run_add(x, 5, NULL));
    OK(cuCtxSynchronize());
    CHECK(all_are(part, 35));
    part[7] = 1;
    OK(run_add(x, 1, NULL));
    OK(cuStreamSynchronize(NULL));
    CHECK(part[7] == 2 && part[8] == 36);
    OK(cuMemHostUnregister(part));
    IS(cuMemHostUnregister(part), CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
    free(memory);
}

static void managed_variables(void)
{
    CUdeviceptr x, plain;
    size_t size;
    CUfunction bump;
    unsigned by = 5;
    void *params[] = {&by};
    CUlibrary library;
    OK(cuModuleGetFunction(&bump, module, "bump"));
    OK(cuModuleGetGlobal(&x, &size, module, "managed_value"));
    CHECK(size == 4);
    volatile unsigned *value = (volatile unsigned *)x;
    CHECK(*value == 7);
    *value = 10;
    OK(cuLaunchKernel(bump, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
    OK(cuCtxSynchronize());
    CHECK(*value == 15);
    *value = 7;
    OK(cuLibraryLoadData(&library, ptx, NULL, NULL, 0, NULL, NULL, 0));
    OK(cuLibraryGetManaged(&x, &size, library, "managed_value"));
    CHECK(*(volatile unsigned *)x == 7 && size == 4);
    IS(cuLibraryGetManaged(&x, &size, library, "plain_value"), CUDA_ERROR_NOT_FOUND);
    OK(cuLibraryGetGlobal(&plain, &size, library, "plain_value"));
    OK(cuLibraryUnload(library));
}

/* ---- virtual memory, other processes ---- */

static void virtual_memory(void)
{
    CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
                                .location = {CU_MEM_LOCATION_TYPE_DEVICE, device}};
    CUmemAccessDesc access = {.location = prop.location, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUmemGenericAllocationHandle a, b, again;
    CUdeviceptr at;
    size_t grain;
    unsigned long long flags;
    int supported;
    OK(cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, device));
    CHECK(supported == 1);
    OK(cuMemGetAllocationGranularity(&grain, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    OK(cuMemAddressReserve(&at, 2 * grain, 0, 0, 0));
    OK(cuMemCreate(&a, grain, &prop, 0));
    OK(cuMemCreate(&b, grain, &prop, 0));
    OK(cuMemMap(at, grain, 0, a, 0));
    OK(cuMemMap(at + grain, grain, 0, b, 0));
    OK(cuMemSetAccess(at, 2 * grain, &access, 1));
    OK(cuMemGetAccess(&flags, &access.location, at + grain));
    CHECK(flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
    /* across the border of the two */
    CUdeviceptr x = at + grain - N * 2;
    OK(cuMemsetD32(x, 3, N));
    OK(run_add(x, 4, NULL));
    CHECK(device_is(x, 7));
    OK(cuMemRetainAllocationHandle(&again, (void *)at));
    OK(cuMemRelease(again));
    OK(cuMemRelease(a));
    IS(cuMemAddressFree(at, 2 * grain), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemUnmap(at, 2 * grain));
    OK(cuMemAddressFree(at, 2 * grain));
    OK(cuMemRelease(b));
    IS(cuMemRelease(b), CUDA_ERROR_INVALID_VALUE);
    IS(cuMemCreate(&a, grain + 1, &prop, 0), CUDA_ERROR_INVALID_VALUE);
}

/* Maps a piece of physical memory at a new address; 0 when that fails. */
static CUdeviceptr map_whole(CUmemGenericAllocationHandle memory, size_t size)
{
    CUdeviceptr at = 0;
    CUmemAccessDesc access = {.location = {CU_MEM_LOCATION_TYPE_DEVICE, device},
                              .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    bool ok = cuMemAddressReserve(&at, size, 0, 0, 0) == CUDA_SUCCESS && cuMemMap(at, size, 0, memory, 0) == CUDA_SUCCESS &&
              cuMemSetAccess(at, size, &access, 1) == CUDA_SUCCESS;
    return ok ? at : 0;
}

static void unmap_whole(CUdeviceptr at, size_t size)
{
    OK(cuMemUnmap(at, size));
    OK(cuMemAddressFree(at, size));
}

/* Memory as a descriptor: for this process, and for a child that inherits it. */
static void memory_as_a_descriptor(void)
{
    CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {CU_MEM_LOCATION_TYPE_DEVICE, device}};
    CUmemGenericAllocationHandle plain, memory, again;
    size_t size;
    int fd = -1, status, other[2], supported;
    OK(cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED, device));
    CHECK(supported);
    OK(cuMemGetAllocationGranularity(&size, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    OK(cuMemCreate(&plain, size, &prop, 0));
    CHECK(cuMemExportToShareableHandle(&fd, plain, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0) != CUDA_SUCCESS);
    OK(cuMemRelease(plain));
    prop.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    OK(cuMemCreate(&memory, size, &prop, 0));
    IS(cuMemExportToShareableHandle(NULL, memory, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0), CUDA_ERROR_INVALID_VALUE);
    IS(cuMemExportToShareableHandle(&fd, memory, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 1), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemExportToShareableHandle(&fd, memory, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    CUdeviceptr a = map_whole(memory, size);
    OK(cuMemsetD32(a, 50, N));
    OK(cuCtxSynchronize());
    OK(cuMemImportFromShareableHandle(&again, (void *)(intptr_t)fd, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
    CUdeviceptr b = map_whole(again, size);
    CHECK(a != b && device_is(b, 50));
    CHECK(pipe(other) == 0);
    CHECK(cuMemImportFromShareableHandle(&plain, (void *)(intptr_t)other[0], CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) !=
          CUDA_SUCCESS);
    IS(cuMemImportFromShareableHandle(NULL, (void *)(intptr_t)fd, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR),
       CUDA_ERROR_INVALID_VALUE);
    close(other[0]), close(other[1]);
    pid_t child = fork();
    if (child == 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", fd);
        fcntl(fd, F_SETFD, 0);
        execl("/proc/self/exe", "semantics", "--descriptor", number, NULL);
        _exit(9);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(fd);
    CHECK(device_is(a, 51) && device_is(b, 51));
    unmap_whole(a, size);
    unmap_whole(b, size);
    OK(cuMemRelease(memory));
    OK(cuMemRelease(again));
}

static int descriptor_child(int fd)
{
    CUmemGenericAllocationHandle memory;
    CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {CU_MEM_LOCATION_TYPE_DEVICE, device}};
    size_t size;
    if (cuMemImportFromShareableHandle(&memory, (void *)(intptr_t)fd, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) != 0)
        return 2;
    if (cuMemGetAllocationGranularity(&size, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM) != CUDA_SUCCESS) return 3;
    CUdeviceptr x = map_whole(memory, size);
    if (!device_is(x, 50) || run_add(x, 1, NULL) != CUDA_SUCCESS || cuCtxSynchronize() != CUDA_SUCCESS) return 4;
    unmap_whole(x, size);
    return cuMemRelease(memory) == CUDA_SUCCESS ? 0 : 5;
}

static void to_text(const void *bytes, size_t size, char *text)
{
    for (size_t i = 0; i < size; i++)
        sprintf(text + 2 * i, "%02x", ((const unsigned char *)bytes)[i]);
}

static bool from_text(const char *text, void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1) return false;
        ((unsigned char *)bytes)[i] = (unsigned char)byte;
    }
    return true;
}

/* The child, an exec'd copy of this program, adds 1 to memory that it opens, when this process's event says so, and
 * records an event of which this process knows. */
static void other_processes(void)
{
    CUipcMemHandle handle;
    CUipcEventHandle ready_handle, done_handle;
    CUdeviceptr x = zeros();
    CUevent ready, done, wrong;
    CUstream s;
    char text[2 * sizeof handle + 1], ready_text[2 * sizeof ready_handle + 1], done_text[2 * sizeof done_handle + 1];
    int status;
    IS(cuEventCreate(&wrong, CU_EVENT_INTERPROCESS), CUDA_ERROR_INVALID_VALUE);
    OK(cuEventCreate(&wrong, CU_EVENT_DEFAULT));
    CHECK(cuIpcGetEventHandle(&ready_handle, wrong) != CUDA_SUCCESS);
    OK(cuEventDestroy(wrong));
    OK(cuEventCreate(&ready, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING));
    OK(cuEventCreate(&done, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING));
    OK(cuIpcGetEventHandle(&ready_handle, ready));
    OK(cuIpcGetEventHandle(&done_handle, done));
    to_text(&ready_handle, sizeof ready_handle, ready_text);
    to_text(&done_handle, sizeof done_handle, done_text);
    OK(cuEventQuery(ready)); /* not recorded yet */
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    OK(cuMemsetD32(x, 50, N));
    OK(cuCtxSynchronize());
    OK(cuIpcGetMemHandle(&handle, x));
    to_text(&handle, sizeof handle, text);
    CUdeviceptr own;
    CHECK(cuIpcOpenMemHandle(&own, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) != CUDA_SUCCESS);
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "semantics", "--ipc", text, ready_text, done_text, NULL);
        _exit(9);
    }
    OK(cuEventRecord(ready, s));
    OK(cuStreamSynchronize(s));
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    OK(cuEventQuery(done));
    OK(cuEventSynchronize(done));
    OK(cuStreamWaitEvent(s, done, 0));
    OK(cuStreamSynchronize(s));
    CHECK(device_is(x, 51));
    OK(cuMemFree(x));
    OK(cuEventDestroy(ready));
    OK(cuEventDestroy(done));
    OK(cuStreamDestroy(s));
}

static int ipc_child(char **texts)
{
    CUipcMemHandle handle;
    CUipcEventHandle ready_handle, done_handle;
    CUevent ready, done;
    CUstream s;
    CUdeviceptr x;
    if (!from_text(texts[0], &handle, sizeof handle) || !from_text(texts[1], &ready_handle, sizeof ready_handle) ||
        !from_text(texts[2], &done_handle, sizeof done_handle))
        return 2;
    if (cuIpcOpenMemHandle(&x, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) != CUDA_SUCCESS) return 3;
    if (cuIpcOpenEventHandle(&ready, ready_handle) != CUDA_SUCCESS ||
        cuIpcOpenEventHandle(&done, done_handle) != CUDA_SUCCESS || cuStreamCreate(&s, CU_STREAM_NON_BLOCKING) != 0)
        return 6;
    if (cuStreamWaitEvent(s, ready, 0) != CUDA_SUCCESS || run_add(x, 1, s) != CUDA_SUCCESS ||
        cuEventRecord(done, s) != CUDA_SUCCESS || cuEventSynchronize(done) != CUDA_SUCCESS)
        return 4;
    if (!device_is(x, 51) || cuEventDestroy(ready) != CUDA_SUCCESS || cuEventDestroy(done) != CUDA_SUCCESS) return 7;
    return cuIpcCloseMemHandle(x) == CUDA_SUCCESS ? 0 : 5;
}

/* ---- several devices ---- */

/* The kernel of the other device's context; the first one's stays in `add`. */
static CUresult add_there(CUfunction f, CUdeviceptr x, unsigned v, CUstream s)
{
    unsigned n = N;
    void *params[] = {&x, &v, &n};
    return cuLaunchKernel(f, (N + 127) / 128, 1, 1, 128, 1, 1, 0, s, params, NULL);
}

static void several_devices(void)
{
    CUcontext here, there;
    CUmodule other_module;
    CUfunction other_add;
    CUdeviceptr x, y;
    CUstream s0, s1;
    CUevent done;
    unsigned host[N], *pinned;
    int can = 0, ordinal = -1;
    CUdevice second;
    OK(cuCtxGetCurrent(&here));
    OK(cuDeviceGet(&second, 1));
    OK(cuDeviceCanAccessPeer(&can, device, second));
    CHECK(can == 1);
    OK(cuDeviceGetP2PAttribute(&can, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, device, second));
    CHECK(can == 1);
    IS(cuDeviceGetP2PAttribute(&can, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, device, device), CUDA_ERROR_INVALID_DEVICE);
    IS(cuDeviceCanAccessPeer(&can, device, 4711), CUDA_ERROR_INVALID_DEVICE);
    x = zeros();
    OK(cuStreamCreate(&s0, CU_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&done, CU_EVENT_DISABLE_TIMING));
    OK(cuMemHostAlloc((void **)&pinned, sizeof host, 0));
    OK(cuDevicePrimaryCtxRetain(&there, second));
    OK(cuCtxSetCurrent(there));
    OK(cuModuleLoadData(&other_module, ptx));
    OK(cuModuleGetFunction(&other_add, other_module, "add"));
    OK(cuStreamCreate(&s1, CU_STREAM_NON_BLOCKING));
    y = zeros();
    OK(cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, y));
    CHECK(ordinal == second);
    /* a copy from one to the other */
    OK(cuCtxSetCurrent(here));
    OK(run_add(x, 5, NULL));
    OK(cuCtxSynchronize());
    OK(cuMemcpyPeer(y, there, x, here, N * 4));
    OK(cuMemcpyDtoH(host, y, sizeof host));
    CHECK(all_are(host, 5));
    /* copies and fills may go into the other's stream, kernels not */
    for (unsigned i = 0; i < N; i++)
        host[i] = 30;
    OK(cuMemcpyHtoDAsync(y, host, sizeof host, s1));
    OK(cuMemcpyDtoHAsync(pinned, y, sizeof host, s1));
    OK(cuStreamSynchronize(s1));
    CHECK(all_are(pinned, 30));
    OK(cuMemsetD32Async(y, 31, N, s1));
    OK(cuStreamSynchronize(s1));
    CHECK(device_is(y, 31));
    IS(run_add(x, 1, s1), CUDA_ERROR_INVALID_HANDLE);
    /* a stream of one waits for an event of the other, whose kernel reaches over */
    OK(cuMemsetD32Async(x, 40, N, s0));
    OK(cuEventRecord(done, s0));
    OK(cuCtxSetCurrent(there));
    OK(cuCtxEnablePeerAccess(here, 0));
    IS(cuCtxEnablePeerAccess(here, 0), CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
    OK(cuStreamWaitEvent(s1, done, 0));
    OK(add_there(other_add, x, 2, s1));
    OK(cuStreamSynchronize(s1));
    OK(cuMemcpyDtoH(host, x, sizeof host));
    CHECK(all_are(host, 42));
    OK(cuCtxDisablePeerAccess(here));
    IS(cuCtxDisablePeerAccess(here), CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
    /* pinned memory is both devices' */
    OK(add_there(other_add, (CUdeviceptr)pinned, 3, s1));
    OK(cuStreamSynchronize(s1));
    CHECK(all_are(pinned, 33));
    OK(cuModuleUnload(other_module));
    OK(cuStreamDestroy(s1));
    OK(cuMemFree(y));
    OK(cuCtxSetCurrent(here));
    OK(run_add((CUdeviceptr)pinned, 4, s0));
    OK(cuStreamSynchronize(s0));
    CHECK(all_are(pinned, 37));
    OK(cuDevicePrimaryCtxRelease(second));
    OK(cuMemFreeHost(pinned));
    OK(cuEventDestroy(done));
    OK(cuStreamDestroy(s0));
    OK(cuMemFree(x));
}

/* ---- links ---- */

static void links(void)
{
    static char one[] = ".version 7.0\n.target sm_70\n.address_size 64\n"
                        ".visible .func (.param .b32 r) twice(.param .b32 x)\n{\n    .reg .b32 %r<3>;\n"
                        "    ld.param.b32 %r1, [x];\n    add.s32 %r2, %r1, %r1;\n    st.param.b32 [r], %r2;\n    ret;\n}\n";
    static char two[] = ".version 7.0\n.target sm_70\n.address_size 64\n"
                        ".extern .func (.param .b32 r) twice(.param .b32 x);\n"
                        ".visible .entry go(.param .u64 p)\n{\n    .reg .b32 %r<3>;\n    .reg .b64 %rd<2>;\n"
                        "    ld.param.u64 %rd1, [p];\n    ld.global.u32 %r1, [%rd1];\n"
                        "    { .param .b32 a; st.param.b32 [a], %r1; .param .b32 b;\n"
                        "    call.uni (b), twice, (a); ld.param.b32 %r2, [b]; }\n"
                        "    st.global.u32 [%rd1], %r2;\n    ret;\n}\n";
    static char bad[] = ".version 7.0\n.target sm_70\n.address_size 64\nnonsense\n";
    char log[512] = "";
    CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    void *values[] = {log, (void *)(uintptr_t)sizeof log}, *image;
    CUlinkState state;
    CUmodule linked;
    CUfunction go;
    CUdeviceptr x = zeros();
    size_t size;
    unsigned result;
    void *params[] = {&x};
    OK(cuLinkCreate(2, options, values, &state));
    OK(cuLinkAddData(state, CU_JIT_INPUT_PTX, one, sizeof one, "one", 0, NULL, NULL));
    OK(cuLinkAddData(state, CU_JIT_INPUT_PTX, two, sizeof two, "two", 0, NULL, NULL));
    OK(cuLinkComplete(state, &image, &size));
    CHECK(image && size);
    OK(cuModuleLoadData(&linked, image));
    OK(cuLinkDestroy(state));
    IS(cuLinkDestroy(state), CUDA_ERROR_INVALID_HANDLE);
    OK(cuModuleGetFunction(&go, linked, "go"));
    OK(cuMemsetD32(x, 21, 1));
    OK(cuLaunchKernel(go, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
    OK(cuMemcpyDtoH(&result, x, 4));
    CHECK(result == 42);
    OK(cuModuleUnload(linked));
    CHECK(values[1] == NULL); /* nothing was logged */
    values[1] = (void *)(uintptr_t)sizeof log;
    OK(cuLinkCreate(2, options, values, &state));
    IS(cuLinkAddData(state, CU_JIT_INPUT_PTX, bad, sizeof bad, "bad", 0, NULL, NULL), CUDA_ERROR_INVALID_PTX);
    CHECK(strstr(log, "4")); /* the line */
    CHECK((uintptr_t)values[1] == strlen(log) + 1);
    OK(cuLinkDestroy(state));
    OK(cuMemFree(x));
}

/* ---- operations in streams, pools, what is composed ---- */

static void stream_values(void)
{
    CUstream a, b;
    CUdeviceptr flag = zeros(), x = zeros();
    OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
    OK(cuStreamWaitValue32(a, flag, 2, CU_STREAM_WAIT_VALUE_GEQ));
    OK(run_add(x, 1, a));
    IS(cuStreamQuery(a), CUDA_ERROR_NOT_READY);
    OK(cuStreamWriteValue32(b, flag, 3, 0));
    OK(cuStreamSynchronize(a));
    CHECK(device_is(x, 1));
    IS(cuStreamWaitValue32(a, flag + 2, 0, 0), CUDA_ERROR_INVALID_VALUE);
    OK(cuStreamDestroy(a));
    OK(cuStreamDestroy(b));
    OK(cuMemFree(flag));
    OK(cuMemFree(x));
}

static void pools(void)
{
    CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
                            .location = {CU_MEM_LOCATION_TYPE_DEVICE, device}};
    CUmemoryPool pool, default_pool, now;
    CUmemAccess_flags flags;
    CUdeviceptr x;
    CUstream s;
    OK(cuStreamCreate(&s, 0));
    OK(cuMemPoolCreate(&pool, &props));
    OK(cuDeviceGetDefaultMemPool(&default_pool, device));
    OK(cuDeviceSetMemPool(device, pool));
    OK(cuDeviceGetMemPool(&now, device));
    CHECK(now == pool && pool != default_pool);
    OK(cuMemPoolGetAccess(&flags, pool, &props.location));
    CHECK(flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
    OK(cuMemAllocFromPoolAsync(&x, N * 4, pool, s));
    OK(cuMemsetD32Async(x, 4, N, s));
    OK(cuStreamSynchronize(s));
    CHECK(device_is(x, 4));
    OK(cuMemFreeAsync(x, s));
    OK(cuStreamSynchronize(s));
    OK(cuMemPoolDestroy(pool));
    OK(cuDeviceGetMemPool(&now, device));
    CHECK(now == default_pool);
    IS(cuMemPoolDestroy(default_pool), CUDA_ERROR_INVALID_VALUE);
    OK(cuStreamDestroy(s));
}

static size_t no_shared(int size)
{
    (void)size;
    return 0;
}

static void composed_functions(void)
{
    CUstream s;
    CUdeviceptr x = zeros(), y = zeros();
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    /* batches */
    CUdeviceptr dst[] = {y, y + 4}, src[] = {x, x + 4};
    size_t sizes[] = {4, 4}, index = 0;
    CUmemcpyAttributes attributes = {.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM};
    OK(cuMemsetD32(x, 17, N));
    OK(cuCtxSynchronize()); /* the stream does not wait for the default one, nor memset for the device */
    OK(cuMemcpyBatchAsync(dst, src, sizes, 2, &attributes, &index, 1, s));
    OK(cuStreamSynchronize(s));
    unsigned two[3];
    OK(cuMemcpyDtoH(two, y, 12));
    CHECK(two[0] == 17 && two[1] == 17 && two[2] == 0);
    IS(cuMemcpyBatchAsync(dst, src, sizes, 2, &attributes, &index, 1, CU_STREAM_LEGACY), CUDA_ERROR_INVALID_VALUE);
    /* launches of old */
    unsigned v = 3, n = N;
    OK(cuFuncSetBlockShape(add, 128, 1, 1));
    OK(cuParamSetv(add, 0, &x, 8));
    OK(cuParamSeti(add, 8, v));
    OK(cuParamSeti(add, 12, n));
    OK(cuParamSetSize(add, 16));
    OK(cuLaunchGrid(add, (N + 127) / 128, 1));
    OK(cuCtxSynchronize());
    CHECK(device_is(x, 20));
    /* occupancy */
    int grid, block, active;
    OK(cuOccupancyMaxPotentialBlockSize(&grid, &block, add, no_shared, 0, 0));
    CHECK(block >= 32 && block <= 1024 && grid > 0);
    OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&active, add, block, 0));
    CHECK(active > 0);
    OK(cuStreamDestroy(s));
    OK(cuMemFree(x));
    OK(cuMemFree(y));
}

static void attributes_and_states(void)
{
    CUstream a, b;
    CUstreamAttrValue value = {.syncPolicy = CU_SYNC_POLICY_YIELD}, got;
    CUprocessState state;
    CUlogIterator from;
    char text[1024];
    size_t size = sizeof text;
    OK(cuStreamCreate(&a, 0));
    OK(cuStreamCreate(&b, 0));
    OK(cuStreamSetAttribute(a, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY, &value));
    OK(cuStreamCopyAttributes(b, a));
    OK(cuStreamGetAttribute(b, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY, &got));
    CHECK(got.syncPolicy == CU_SYNC_POLICY_YIELD);
    OK(cuCheckpointProcessGetState(getpid(), &state));
    CHECK(state == CU_PROCESS_STATE_RUNNING);
    IS(cuCheckpointProcessGetState(getpid() + 1, &state), CUDA_ERROR_INVALID_VALUE);
    IS(cuCheckpointProcessLock(getpid(), NULL), CUDA_ERROR_NOT_SUPPORTED);
    OK(cuLogsCurrent(&from, 0));
    OK(cuLogsDumpToMemory(NULL, text, &size, 0));
    CHECK(strstr(text, "cuCheckpointProcessLock"));
    OK(cuStreamDestroy(a));
    OK(cuStreamDestroy(b));
    CUcontext again;
    OK(cuCtxAttach(&again, 0));
    CHECK(again == context);
    OK(cuCtxDetach(again));
}

/* ---- arrays, textures, surfaces ---- */

static const char texture_ptx[] =
    ".version 7.0\n.target sm_70\n.address_size 64\n"
    /* out[i] = texture at (xy[2 i], xy[2 i + 1]) */
    ".visible .entry sample(.param .u64 t, .param .u64 xy, .param .u64 out)\n{\n"
    "    .reg .f32 %f<7>;\n    .reg .b32 %r<2>;\n    .reg .b64 %rd<8>;\n"
    "    ld.param.u64 %rd1, [t];\n    ld.param.u64 %rd2, [xy];\n    ld.param.u64 %rd3, [out];\n"
    "    mov.u32 %r1, %tid.x;\n    mul.wide.u32 %rd4, %r1, 8;\n    add.s64 %rd5, %rd2, %rd4;\n"
    "    ld.global.v2.f32 {%f1, %f2}, [%rd5];\n"
    "    tex.2d.v4.f32.f32 {%f3, %f4, %f5, %f6}, [%rd1, {%f1, %f2}];\n"
    "    mul.wide.u32 %rd6, %r1, 4;\n    add.s64 %rd7, %rd3, %rd6;\n    st.global.f32 [%rd7], %f3;\n    ret;\n}\n"
    /* out[i] = texel i of linear memory, as an integer */
    ".visible .entry fetch(.param .u64 t, .param .u64 out)\n{\n"
    "    .reg .b32 %r<6>;\n    .reg .b64 %rd<5>;\n"
    "    ld.param.u64 %rd1, [t];\n    ld.param.u64 %rd2, [out];\n    mov.u32 %r1, %tid.x;\n"
    "    tex.1d.v4.u32.s32 {%r2, %r3, %r4, %r5}, [%rd1, {%r1}];\n"
    "    mul.wide.u32 %rd3, %r1, 4;\n    add.s64 %rd4, %rd2, %rd3;\n    st.global.u32 [%rd4], %r2;\n    ret;\n}\n"
    /* surface(x, y) = 100 y + x; then x += what stands left of it, nothing outside */
    ".visible .entry draw(.param .u64 s)\n{\n"
    "    .reg .b32 %r<8>;\n    .reg .b64 %rd<2>;\n"
    "    ld.param.u64 %rd1, [s];\n    mov.u32 %r1, %tid.x;\n    mov.u32 %r2, %tid.y;\n"
    "    mad.lo.u32 %r3, %r2, 100, %r1;\n    shl.b32 %r4, %r1, 2;\n"
    "    sust.b.2d.b32.trap [%rd1, {%r4, %r2}], {%r3};\n    bar.sync 0;\n"
    "    add.s32 %r5, %r4, -4;\n    suld.b.2d.b32.zero {%r6}, [%rd1, {%r5, %r2}];\n    bar.sync 0;\n"
    "    add.s32 %r7, %r3, %r6;\n    sust.b.2d.b32.trap [%rd1, {%r4, %r2}], {%r7};\n    ret;\n}\n";

static CUmodule texture_module(void)
{
    static CUmodule loaded;
    if (!loaded && cuModuleLoadData(&loaded, texture_ptx) != CUDA_SUCCESS) loaded = NULL;
    return loaded;
}

static bool near(float a, float b)
{
    return a - b < 1e-5f && b - a < 1e-5f;
}

/* A texture of 4 x 2 floats, value 10 y + x, sampled at some points. */
static bool sampled(CUarray array, const CUDA_TEXTURE_DESC *how, const float (*xy)[2], const float *expected, unsigned n)
{
    CUDA_RESOURCE_DESC from = {.resType = CU_RESOURCE_TYPE_ARRAY, .res.array.hArray = array};
    CUtexObject texture;
    CUfunction f;
    CUdeviceptr points, out;
    float got[16];
    if (cuTexObjectCreate(&texture, &from, how, NULL) || cuModuleGetFunction(&f, texture_module(), "sample") ||
        cuMemAlloc(&points, n * 8) || cuMemAlloc(&out, n * 4) || cuMemcpyHtoD(points, xy, n * 8))
        return false;
    void *params[] = {&texture, &points, &out};
    if (cuLaunchKernel(f, 1, 1, 1, n, 1, 1, 0, NULL, params, NULL) || cuMemcpyDtoH(got, out, n * 4) ||
        cuTexObjectDestroy(texture) || cuMemFree(points) || cuMemFree(out))
        return false;
    for (unsigned i = 0; i < n; i++)
        if (!near(got[i], expected[i])) {
            printf("point %u (%g, %g): %g, not %g\n", i, xy[i][0], xy[i][1], got[i], expected[i]);
            return false;
        }
    return true;
}

static void textures(void)
{
    CUDA_ARRAY3D_DESCRIPTOR d = {.Width = 4, .Height = 2, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1}, told;
    CUarray array;
    float texels[2][4], back[2][4] = {{0}};
    CHECK(texture_module());
    for (int y = 0; y < 2; y++)
        for (int x = 0; x < 4; x++)
            texels[y][x] = (float)(10 * y + x);
    OK(cuArray3DCreate(&array, &d));
    OK(cuArray3DGetDescriptor(&told, array));
    CHECK(!memcmp(&told, &d, sizeof d));
    CUDA_MEMCPY2D in = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = texels, .srcPitch = 16,
                        .dstMemoryType = CU_MEMORYTYPE_ARRAY, .dstArray = array, .WidthInBytes = 16, .Height = 2};
    OK(cuMemcpy2D(&in));
    CUDA_MEMCPY2D out = {.srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcArray = array, .srcXInBytes = 4, .srcY = 1,
                         .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = back, .dstPitch = 16, .WidthInBytes = 8,
                         .Height = 1};
    OK(cuMemcpy2D(&out));
    CHECK(back[0][0] == 11 && back[0][1] == 12);
    out.WidthInBytes = 16; /* beyond the row */
    IS(cuMemcpy2D(&out), CUDA_ERROR_INVALID_VALUE);
    /* nearest texels, clamped at the edges */
    CUDA_TEXTURE_DESC how = {.addressMode = {CU_TR_ADDRESS_MODE_CLAMP, CU_TR_ADDRESS_MODE_CLAMP}};
    static const float points[][2] = {{0.5f, 0.5f}, {3.9f, 1.2f}, {-5, 9}, {2.0f, 0.99f}};
    static const float nearest[] = {0, 13, 10, 2};
    CHECK(sampled(array, &how, points, nearest, 4));
    /* linear filtering: the middle between texels is their mean */
    how.filterMode = CU_TR_FILTER_MODE_LINEAR;
    static const float between[][2] = {{1, 0.5f}, {1.5f, 1}, {2, 1}, {0.75f, 0.5f}};
    static const float mean[] = {0.5f, 6, 6.5f, 0.25f};
    CHECK(sampled(array, &how, between, mean, 4));
    /* normalized coordinates, wrapped and mirrored */
    how.filterMode = CU_TR_FILTER_MODE_POINT;
    how.flags = CU_TRSF_NORMALIZED_COORDINATES;
    how.addressMode[0] = CU_TR_ADDRESS_MODE_WRAP;
    how.addressMode[1] = CU_TR_ADDRESS_MODE_MIRROR;
    static const float far[][2] = {{1.125f, 0.25f}, {-0.125f, 1.25f}, {0.125f, -0.25f}, {2.625f, 1.9f}};
    static const float wrapped[] = {0, 13, 0, 2};
    CHECK(sampled(array, &how, far, wrapped, 4));
    /* the border's colour */
    how.addressMode[0] = how.addressMode[1] = CU_TR_ADDRESS_MODE_BORDER;
    how.borderColor[0] = 77;
    static const float outside[][2] = {{1.1f, 0.5f}, {0.4f, 0.4f}};
    static const float coloured[] = {77, 1};
    CHECK(sampled(array, &how, outside, coloured, 2));
    how.addressMode[0] = 9;
    CUtexObject bad;
    CUDA_RESOURCE_DESC from = {.resType = CU_RESOURCE_TYPE_ARRAY, .res.array.hArray = array};
    IS(cuTexObjectCreate(&bad, &from, &how, NULL), CUDA_ERROR_INVALID_VALUE);
    IS(cuTexObjectDestroy(12345), CUDA_ERROR_INVALID_VALUE);
    OK(cuArrayDestroy(array));
    IS(cuArrayDestroy(array), CUDA_ERROR_INVALID_HANDLE);
    d.NumChannels = 3;
    IS(cuArray3DCreate(&array, &d), CUDA_ERROR_INVALID_VALUE);
}

static void texture_of_memory(void)
{
    CUdeviceptr x, y;
    CUtexObject texture;
    CUfunction f;
    unsigned char bytes[32];
    unsigned got[32];
    CUDA_TEXTURE_DESC how = {.flags = CU_TRSF_READ_AS_INTEGER};
    CHECK(texture_module());
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (unsigned char)(200 + i);
    OK(cuMemAlloc(&x, 32));
    OK(cuMemAlloc(&y, sizeof got));
    OK(cuMemcpyHtoD(x, bytes, 32));
    CUDA_RESOURCE_DESC from = {.resType = CU_RESOURCE_TYPE_LINEAR,
                               .res.linear = {x, CU_AD_FORMAT_UNSIGNED_INT8, 1, 30}};
    OK(cuTexObjectCreate(&texture, &from, &how, NULL));
    OK(cuModuleGetFunction(&f, texture_module(), "fetch"));
    void *params[] = {&texture, &y};
    OK(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 0, NULL, params, NULL));
    OK(cuMemcpyDtoH(got, y, sizeof got));
    for (unsigned i = 0; i < 32; i++)
        CHECK(got[i] == (i < 30 ? 200 + i : 0)); /* outside there is nothing */
    OK(cuTexObjectDestroy(texture));
    from.res.linear.sizeInBytes = 1 << 30;
    IS(cuTexObjectCreate(&texture, &from, &how, NULL), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemFree(x));
    OK(cuMemFree(y));
}

static void surfaces(void)
{
    CUDA_ARRAY3D_DESCRIPTOR d = {.Width = 8, .Height = 4, .Format = CU_AD_FORMAT_UNSIGNED_INT32, .NumChannels = 1,
                                 .Flags = CUDA_ARRAY3D_SURFACE_LDST};
    CUarray array, plain;
    CUsurfObject surface;
    CUfunction f;
    unsigned got[4][8];
    CHECK(texture_module());
    OK(cuArray3DCreate(&array, &d));
    CUDA_RESOURCE_DESC of = {.resType = CU_RESOURCE_TYPE_ARRAY, .res.array.hArray = array};
    OK(cuSurfObjectCreate(&surface, &of));
    OK(cuModuleGetFunction(&f, texture_module(), "draw"));
    void *params[] = {&surface};
    OK(cuLaunchKernel(f, 1, 1, 1, 8, 4, 1, 0, NULL, params, NULL));
    OK(cuCtxSynchronize());
    OK(cuMemcpyAtoH(got, array, 0, sizeof got));
    for (unsigned y = 0; y < 4; y++)
        for (unsigned x = 0; x < 8; x++)
            CHECK(got[y][x] == 100 * y + x + (x ? 100 * y + x - 1 : 0));
    OK(cuSurfObjectDestroy(surface));
    d.Flags = 0;
    OK(cuArray3DCreate(&plain, &d));
    of.res.array.hArray = plain;
    IS(cuSurfObjectCreate(&surface, &of), CUDA_ERROR_INVALID_VALUE);
    OK(cuArrayDestroy(plain));
    OK(cuArrayDestroy(array));
}

/* ---- all ---- */

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"host functions", host_functions},
    {"capture: fork and join", capture_fork_join},
    {"capture: errors", capture_errors},
    {"graph of all kinds", graph_of_all_kinds},
    {"graph copies what its host function wrote", graph_copies_what_its_host_function_wrote},
    {"graph memory", graph_memory},
    {"graph conditions", graph_conditions},
    {"user objects", user_objects},
    {"managed memory", managed_memory},
    {"mapped memory", mapped_memory},
    {"registered memory", registered_memory},
    {"managed variables", managed_variables},
    {"virtual memory", virtual_memory},
    {"memory as a descriptor", memory_as_a_descriptor},
    {"several devices", several_devices}, /* where there are */
    {"other processes", other_processes},
    {"links", links},
    {"textures", textures},
    {"texture of memory", texture_of_memory},
    {"surfaces", surfaces},
    {"stream values", stream_values},
    {"pools", pools},
    {"composed functions", composed_functions},
    {"attributes and states", attributes_and_states},
};

static bool start(void)
{
    if (cuInit(0) || cuDeviceGet(&device, 0) || cuDevicePrimaryCtxRetain(&context, device) ||
        cuCtxSetCurrent(context) || cuModuleLoadData(&module, ptx) || cuModuleGetFunction(&add, module, "add")) {
        printf("cannot start\n");
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    int bad = 0, ran = 0;
    if (!start()) return 1;
    if (argc == 3 && !strcmp(argv[1], "--descriptor")) return descriptor_child(atoi(argv[2]));
    if (argc == 5 && !strcmp(argv[1], "--ipc")) return ipc_child(argv + 2);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        int n = 0;
        if (argc > 1 && strcmp(argv[1], tests[i].name)) continue;
        if (tests[i].run == several_devices && (cuDeviceGetCount(&n) != CUDA_SUCCESS || n < 2)) continue;
        failed = NULL;
        tests[i].run();
        ran++;
        if (!failed) {
            printf("ok %s\n", tests[i].name);
            continue;
        }
        printf("FAIL %s line %d: %s\n", tests[i].name, failed_line, failed);
        bad++;
    }
    return bad || !ran;
}
