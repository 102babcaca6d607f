/* Host functions and stream callbacks. */
#include "semantics.h"

void look(void *arg) {
    struct note *n = arg;
    n->seen = n->data[N - 1];
    n->times++;
}

void fill_later(void *arg) {
    usleep(20000);
    for (unsigned i = 0; i < N; i++)
        ((unsigned *)arg)[i] = 5;
}

static void told(CUstream s, CUresult status, void *arg) {
    (void)s;
    *(CUresult *)arg = status;
}

void host_functions(void) {
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

/* ---- calls of the driver in callbacks: refused, and none waits ---- */

static struct {
    CUstream stream;
    CUevent event;
    CUdeviceptr memory;
    CUgraphExec graph;
} own;

static CUresult current(void) {
    CUcontext c;
    return cuCtxGetCurrent(&c);
}

static CUresult range(void) {
    CUdeviceptr base;
    size_t size;
    return cuMemGetAddressRange(&base, &size, own.memory);
}

static CUresult allocate(void) {
    CUdeviceptr p;
    return cuMemAlloc(&p, 64);
}

static CUresult give_back(void) {
    return cuMemFree(own.memory);
}

static CUresult give_back_in_stream(void) {
    return cuMemFreeAsync(own.memory, own.stream);
}

static CUresult copy(void) {
    unsigned v = 0;
    return cuMemcpyHtoD(own.memory, &v, sizeof v);
}

static CUresult launch(void) {
    return run_add(own.memory, 1, own.stream);
}

static CUresult launch_graph(void) {
    return cuGraphLaunch(own.graph, own.stream);
}

static CUresult query(void) {
    return cuStreamQuery(own.stream);
}

static CUresult wait_for_the_stream(void) {
    return cuStreamSynchronize(own.stream);
}

static CUresult wait_for_the_event(void) {
    return cuEventSynchronize(own.event);
}

static CUresult wait_for_the_context(void) {
    return cuCtxSynchronize();
}

static CUresult another_callback(void) {
    return cuLaunchHostFunc(own.stream, look, NULL);
}

static CUresult (*const calls[])(void) = {
    current,         range,        allocate, give_back,           give_back_in_stream, copy,
    launch,          launch_graph, query,    wait_for_the_stream, wait_for_the_event,  wait_for_the_context,
    another_callback};
#define CALLS (sizeof calls / sizeof *calls)

/* What they answered, in each of the places from which the program is called. */
struct answers {
    unsigned times;
    CUresult calls[CALLS], version, name, attribute;
};

static void ask(void *arg) {
    struct answers *a = arg;
    int value;
    const char *text;
    for (size_t i = 0; i < CALLS; i++)
        a->calls[i] = calls[i]();
    a->version = cuDriverGetVersion(&value);
    a->name = cuGetErrorName(CUDA_ERROR_NOT_PERMITTED, &text);
    a->attribute = cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, device);
    a->times++;
}

static void ask_in_callback(CUstream s, CUresult status, void *arg) {
    (void)s, (void)status;
    ask(arg);
}

static bool refused(const struct answers *a) {
    for (size_t i = 0; i < CALLS; i++)
        if (a->calls[i] != CUDA_ERROR_NOT_PERMITTED) return false;
    return a->times == 1 && a->version == CUDA_SUCCESS && a->name == CUDA_SUCCESS && a->attribute == CUDA_SUCCESS;
}

void calls_in_callbacks(void) {
    struct answers in_callback = {0}, in_function = {0}, in_node = {0}, in_destructor = {0};
    CUDA_HOST_NODE_PARAMS host = {ask, &in_node};
    CUgraph graph;
    CUgraphNode node;
    CUuserObject object;
    OK(cuStreamCreate(&own.stream, CU_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&own.event, CU_EVENT_DISABLE_TIMING));
    own.memory = zeros();
    OK(cuGraphCreate(&graph, 0));
    OK(cuGraphAddHostNode(&node, graph, NULL, 0, &host));
    OK(cuGraphInstantiate(&own.graph, graph, 0));
    OK(cuStreamAddCallback(own.stream, ask_in_callback, &in_callback, 0));
    OK(cuLaunchHostFunc(own.stream, ask, &in_function));
    OK(cuGraphLaunch(own.graph, own.stream));
    OK(cuEventRecord(own.event, own.stream));
    OK(cuStreamSynchronize(own.stream));
    CHECK(refused(&in_callback));
    CHECK(refused(&in_function));
    CHECK(refused(&in_node));
    OK(cuUserObjectCreate(&object, &in_destructor, ask, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
    OK(cuUserObjectRelease(object, 1));
    if (software()) CHECK(refused(&in_destructor)); /* elsewhere it may run later */
    /* what they asked for has not been done, and afterwards it may be */
    OK(cuStreamQuery(own.stream));
    CHECK(device_is(own.memory, 0));
    OK(cuGraphExecDestroy(own.graph));
    OK(cuGraphDestroy(graph));
    OK(cuMemFree(own.memory));
    OK(cuEventDestroy(own.event));
    OK(cuStreamDestroy(own.stream));
}

static atomic_int begun, let_end;

static void hold(void *arg) {
    (void)arg;
    atomic_store(&begun, 1);
    while (!atomic_load(&let_end))
        usleep(100);
}

/* Only the thread that is in the callback is refused. */
void calls_beside_a_callback(void) {
    CUstream s, other;
    CUdeviceptr x = zeros();
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    OK(cuLaunchHostFunc(s, hold, NULL));
    while (!atomic_load(&begun))
        usleep(100);
    CUresult query = cuStreamQuery(s), launched = run_add(x, 2, other), done = cuStreamSynchronize(other);
    atomic_store(&let_end, 1);
    IS(query, CUDA_ERROR_NOT_READY);
    OK(launched);
    OK(done);
    OK(cuStreamSynchronize(s));
    CHECK(device_is(x, 2));
    OK(cuStreamDestroy(s));
    OK(cuStreamDestroy(other));
    OK(cuMemFree(x));
}
