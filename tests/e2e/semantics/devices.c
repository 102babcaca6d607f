/* Several devices. */
#include "semantics.h"

/* The kernel of the other device's context; the first one's stays in `add`. */
static CUresult add_there(CUfunction f, CUdeviceptr x, unsigned v, CUstream s) {
    unsigned n = N;
    void *params[] = {&x, &v, &n};
    return cuLaunchKernel(f, (N + 127) / 128, 1, 1, 128, 1, 1, 0, s, params, NULL);
}

void several_devices(void) {
    CUcontext here, there;
    CUmodule other_module;
    CUfunction other_add;
    CUdeviceptr x, y;
    CUstream s0, s1;
    CUevent done;
    unsigned host[N], *pinned, flags;
    int can = 0, ordinal = -1;
    CUdevice second;
    OK(cuCtxGetCurrent(&here));
    OK(cuDeviceGet(&second, 1));
    OK(cuDeviceCanAccessPeer(&can, device, second));
    CHECK(can == 1);
    OK(cuDeviceGetP2PAttribute(&can, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, device, second));
    CHECK(can == 1);
    IS(cuDeviceGetP2PAttribute(&can, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, device, device),
       CUDA_ERROR_INVALID_DEVICE);
    IS(cuDeviceCanAccessPeer(&can, device, 4711), CUDA_ERROR_INVALID_DEVICE);
    x = zeros();
    OK(cuStreamCreate(&s0, CU_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&done, CU_EVENT_DISABLE_TIMING));
    OK(cuMemHostAlloc((void **)&pinned, sizeof host, 0));
    OK(cuDevicePrimaryCtxRetain(&there, second));
    OK(cuCtxSetCurrent(there));
    OK(cuCtxSetFlags(CU_CTX_SCHED_YIELD));
    OK(cuCtxGetFlags(&flags));
    CHECK((flags & CU_CTX_SCHED_MASK) == CU_CTX_SCHED_YIELD);
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
    /* what one captures does not stand in the other's way */
    CUgraph graph;
    OK(cuStreamBeginCapture(s0, CU_STREAM_CAPTURE_MODE_GLOBAL));
    OK(cuStreamSynchronize(s1));
    OK(cuCtxSynchronize());
    OK(cuStreamEndCapture(s0, &graph));
    OK(cuGraphDestroy(graph));
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

/* A stream of one device takes no kernel of the other's, a graph does. */
void graph_of_two_devices(void) {
    CUcontext there;
    CUmodule other_module;
    CUfunction other_add;
    CUdevice second;
    CUgraph graph;
    CUgraphNode node;
    CUgraphExec exec;
    CUstream s;
    CUdeviceptr x = zeros(), y;
    unsigned v = 3, n = N;
    OK(cuDeviceGet(&second, 1));
    OK(cuDevicePrimaryCtxRetain(&there, second));
    OK(cuCtxPushCurrent(there));
    OK(cuModuleLoadData(&other_module, ptx));
    OK(cuModuleGetFunction(&other_add, other_module, "add"));
    y = zeros();
    OK(cuCtxPopCurrent(NULL));
    void *here_params[] = {&x, &v, &n}, *there_params[] = {&y, &v, &n};
    CUDA_KERNEL_NODE_PARAMS k = add_params(here_params);
    k.ctx = context;
    OK(cuGraphCreate(&graph, 0));
    OK(cuGraphAddKernelNode(&node, graph, NULL, 0, &k));
    k = add_params(there_params);
    k.func = other_add;
    k.ctx = there;
    OK(cuGraphAddKernelNode(&node, graph, &node, 1, &k));
    OK(cuGraphInstantiate(&exec, graph, 0));
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    for (int i = 0; i < 3; i++)
        OK(cuGraphLaunch(exec, s));
    OK(cuStreamSynchronize(s));
    CHECK(device_is(x, 9));
    OK(cuCtxPushCurrent(there));
    CHECK(device_is(y, 9));
    OK(cuMemFree(y));
    OK(cuModuleUnload(other_module));
    OK(cuCtxPopCurrent(NULL));
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(graph));
    OK(cuStreamDestroy(s));
    OK(cuDevicePrimaryCtxRelease(second));
    OK(cuMemFree(x));
}
