/* Stream capture. */
#include "semantics.h"

void capture_fork_join(void) {
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

void capture_errors(void) {
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

/* The legacy stream may be asked about, but not used, while a stream that it would wait for is captured. */
void capture_and_the_legacy_stream(void) {
    CUstream s;
    CUgraph graph;
    CUgraphExec exec;
    CUdeviceptr x = zeros();
    CUstreamCaptureStatus status;
    cuuint64_t id;
    OK(cuStreamCreate(&s, CU_STREAM_DEFAULT));
    OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_GLOBAL));
    OK(run_add(x, 3, s));
    IS(cuStreamIsCapturing(CU_STREAM_LEGACY, &status), CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
    IS(cuStreamGetCaptureInfo(CU_STREAM_LEGACY, &status, &id, NULL, NULL, NULL, NULL),
       CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
    OK(cuStreamIsCapturing(s, &status));
    CHECK(status == CU_STREAM_CAPTURE_STATUS_ACTIVE);
    OK(run_add(x, 4, s));
    OK(cuStreamEndCapture(s, &graph));
    OK(cuStreamIsCapturing(CU_STREAM_LEGACY, &status));
    CHECK(status == CU_STREAM_CAPTURE_STATUS_NONE);
    OK(cuGraphInstantiate(&exec, graph, 0));
    OK(cuGraphLaunch(exec, s));
    OK(cuStreamSynchronize(s));
    CHECK(device_is(x, 7));
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(graph));
    OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_GLOBAL));
    IS(run_add(x, 1, CU_STREAM_LEGACY), CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
    IS(cuStreamEndCapture(s, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    OK(cuStreamDestroy(s));
    OK(cuMemFree(x));
}

/* ---- modes: calls that are unsafe beside a capture ---- */

static struct {
    CUstream beside; /* not captured */
    CUevent reached;
    CUdeviceptr memory;
} idle;

static CUresult allocate(void) {
    CUdeviceptr p;
    CUresult r = cuMemAlloc(&p, 64);
    return r == CUDA_SUCCESS ? cuMemFree(p) : r;
}

static CUresult allocate_host(void) {
    void *p;
    CUresult r = cuMemHostAlloc(&p, 64, 0);
    return r == CUDA_SUCCESS ? cuMemFreeHost(p) : r;
}

static CUresult load(void) {
    CUmodule m;
    CUresult r = cuModuleLoadData(&m, ptx);
    return r == CUDA_SUCCESS ? cuModuleUnload(m) : r;
}

static CUresult copy(void) {
    unsigned v = 0;
    return cuMemcpyHtoD(idle.memory, &v, sizeof v);
}

static CUresult query_event(void) {
    return cuEventQuery(idle.reached);
}

static CUresult wait_for_event(void) {
    return cuEventSynchronize(idle.reached);
}

static CUresult query_stream(void) {
    return cuStreamQuery(idle.beside);
}

static CUresult wait_for_stream(void) {
    return cuStreamSynchronize(idle.beside);
}

struct attempt {
    CUresult (*call)(void);
    CUstreamCaptureMode thread_mode;
    CUresult answer;
};

/* On whichever thread; its mode is as before afterwards. */
static void *try(void *arg) {
    struct attempt *a = arg;
    CUstreamCaptureMode mode = a->thread_mode;
    a->answer = cuCtxSetCurrent(context);
    if (a->answer == CUDA_SUCCESS) a->answer = cuThreadExchangeStreamCaptureMode(&mode);
    CUresult r = a->answer == CUDA_SUCCESS ? a->call() : a->answer;
    if (a->answer == CUDA_SUCCESS) a->answer = cuThreadExchangeStreamCaptureMode(&mode);
    if (a->answer == CUDA_SUCCESS) a->answer = mode == a->thread_mode ? r : CUDA_ERROR_UNKNOWN;
    return NULL;
}

/* Whether a call that is unsafe is refused, as cuda.h tells of cuThreadExchangeStreamCaptureMode. */
static bool forbidden(CUstreamCaptureMode capture, CUstreamCaptureMode thread, bool other_thread) {
    if (thread == CU_STREAM_CAPTURE_MODE_RELAXED || capture == CU_STREAM_CAPTURE_MODE_RELAXED) return false;
    if (!other_thread) return true;
    return thread == CU_STREAM_CAPTURE_MODE_GLOBAL && capture == CU_STREAM_CAPTURE_MODE_GLOBAL;
}

static bool mode_holds(CUstream s, struct attempt a, CUstreamCaptureMode capture, bool other_thread) {
    bool wrong = forbidden(capture, a.thread_mode, other_thread);
    pthread_t thread;
    CUgraph graph = NULL;
    if (cuStreamBeginCapture(s, capture) != CUDA_SUCCESS) return false;
    if (!other_thread)
        try(&a);
    else if (pthread_create(&thread, NULL, try, &a) || pthread_join(thread, NULL))
        return false;
    CUresult ended = cuStreamEndCapture(s, &graph);
    if (graph) cuGraphDestroy(graph);
    return a.answer == (wrong ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS) &&
           ended == (wrong ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS);
}

void capture_modes(void) {
    static CUresult (*const calls[])(void) = {allocate,    allocate_host,  load,         copy,
                                              query_event, wait_for_event, query_stream, wait_for_stream};
    CUstream s;
    idle.memory = zeros();
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&idle.beside, CU_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&idle.reached, CU_EVENT_DISABLE_TIMING));
    OK(cuEventRecord(idle.reached, idle.beside));
    OK(cuStreamSynchronize(idle.beside));
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (int capture = 0; capture < 3; capture++)
            for (int thread = 0; thread < 3; thread++) {
                CHECK(mode_holds(s, (struct attempt){.call = calls[i], .thread_mode = thread}, capture, false));
                CHECK(mode_holds(s, (struct attempt){.call = calls[i], .thread_mode = thread}, capture, true));
            }
    OK(cuStreamDestroy(s));
    OK(cuStreamDestroy(idle.beside));
    OK(cuEventDestroy(idle.reached));
    OK(cuMemFree(idle.memory));
}

/* A wait for the context is one for the captured stream: refused in every mode. */
void capture_and_waits_for_its_context(void) {
    CUstream s;
    CUgraph graph;
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    for (int mode = 0; mode < 3; mode++) {
        OK(cuStreamBeginCapture(s, mode));
        IS(cuCtxSynchronize(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
        IS(cuStreamEndCapture(s, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
        OK(cuStreamBeginCapture(s, mode));
        IS(cuCtxSynchronize_v2(NULL), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
        IS(cuStreamEndCapture(s, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
        OK(cuStreamBeginCapture(s, mode));
        IS(cuCtxSynchronize_v2(context), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
        IS(cuStreamEndCapture(s, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    }
    OK(cuStreamDestroy(s));
    OK(cuCtxSynchronize());
    OK(cuCtxSynchronize_v2(context));
}

/* Its blocks are no graph's, and what is refused leaves the capture and the block as they were. */
void capture_with_a_pool_of_host_memory(void) {
    const CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
                                  .location = {CU_MEM_LOCATION_TYPE_HOST, 0}};
    CUmemoryPool pool;
    CUstream s;
    CUgraph graph;
    CUdeviceptr x, y;
    if (!software()) return; /* NVIDIA's can be captured */
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    OK(cuMemPoolCreate(&pool, &props));
    OK(cuMemAllocFromPoolAsync(&x, 64, pool, s));
    OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_RELAXED));
    IS(cuMemAllocFromPoolAsync(&y, 64, pool, s), CUDA_ERROR_NOT_SUPPORTED);
    IS(cuMemFreeAsync(x, s), CUDA_ERROR_NOT_SUPPORTED);
    OK(cuMemFreeAsync(0, s));
    OK(cuStreamEndCapture(s, &graph));
    OK(cuGraphDestroy(graph));
    *(unsigned *)x = 3;
    OK(cuMemFreeAsync(x, s));
    OK(cuStreamDestroy(s));
    OK(cuMemPoolDestroy(pool));
}
