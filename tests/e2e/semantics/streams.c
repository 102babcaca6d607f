/* Operations in streams, pools, composed functions, attributes. */
#include "semantics.h"

#include <unistd.h>

void stream_values(void) {
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

void pools(void) {
    CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
                            .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}};
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
    OK(cuMemFreeAsync(0, NULL));
    OK(cuMemFreeAsync(x, s));
    OK(cuStreamSynchronize(s));
    OK(cuMemPoolDestroy(pool));
    OK(cuDeviceGetMemPool(&now, device));
    CHECK(now == default_pool);
    IS(cuMemPoolDestroy(default_pool), CUDA_ERROR_INVALID_VALUE);
    OK(cuStreamDestroy(s));
}

/* A thread without a current context may wait for another's work, as CatBoost does. */
void events_without_a_context(void) {
    CUcontext mine, none, its;
    CUdevice device;
    CUdeviceptr x, y;
    CUevent e;
    CUstream s, unmade;
    unsigned v = 4, n = N, out[N], flags;
    struct note note = {.data = out};
    void *params[] = {&x, &v, &n};
    OK(cuMemAlloc(&x, N * 4));
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&e, CU_EVENT_DISABLE_TIMING));
    OK(cuMemsetD32Async(x, 9, N, s));
    OK(cuEventRecord(e, s));
    OK(cuCtxPopCurrent(&mine));
    OK(cuCtxGetCurrent(&none));
    CHECK(!none);
    IS(cuStreamCreate(&unmade, 0), CUDA_ERROR_INVALID_CONTEXT);
    OK(cuEventSynchronize(e));
    OK(cuEventQuery(e));
    /* A stream of the program's own knows its context; the default streams have none then. */
    OK(cuStreamGetCtx(s, &its));
    OK(cuStreamGetDevice(s, &device));
    OK(cuStreamGetFlags(s, &flags));
    CHECK(its == mine && flags == CU_STREAM_NON_BLOCKING);
    OK(cuMemAllocAsync(&y, N * 4, s));
    OK(cuMemcpyDtoDAsync(y, x, N * 4, s));
    OK(cuMemsetD32Async(x, 1, N, s));
    OK(cuMemcpyDtoDAsync(x, y, N * 4, s));
    OK(cuMemFreeAsync(y, s));
    OK(cuLaunchKernel(add, (N + 127) / 128, 1, 1, 128, 1, 1, 0, s, params, NULL));
    OK(cuMemcpyDtoHAsync(out, x, sizeof out, s));
    OK(cuLaunchHostFunc(s, look, &note));
    OK(cuEventRecord(e, s));
    OK(cuStreamWaitEvent(s, e, 0));
    OK(cuStreamSynchronize(s));
    OK(cuStreamQuery(s));
    CHECK(all_are(out, 13) && note.times == 1);
    IS(cuStreamGetCtx(NULL, &its), CUDA_ERROR_INVALID_CONTEXT);
    IS(cuStreamSynchronize(CU_STREAM_PER_THREAD), CUDA_ERROR_INVALID_CONTEXT);
    IS(cuMemsetD32Async(x, 1, N, CU_STREAM_LEGACY), CUDA_ERROR_INVALID_CONTEXT);
    OK(cuCtxPushCurrent(mine));
    CHECK(device_is(x, 13));
    OK(cuEventDestroy(e));
    OK(cuStreamDestroy(s));
    OK(cuMemFree(x));
}

/* As cuFFT has it with its tables: what a function has copied is there for streams that do not wait for the default
 * one, also where that one is busy. */
static void CUDA_CB dawdle(void *unused) {
    (void)unused;
    usleep(30000);
}

static void copied_for(unsigned flags, CUdeviceptr x) {
    unsigned in[N], out[N], v = 1, n = N;
    CUstream s;
    void *params[] = {&x, &v, &n};
    OK(cuStreamCreate(&s, flags));
    for (unsigned i = 0; i < 6; i++) {
        for (unsigned k = 0; k < N; k++)
            in[k] = 7 * i;
        if (i % 2) OK(cuLaunchHostFunc(NULL, dawdle, NULL));
        OK(cuMemcpyHtoD(x, in, sizeof in));
        OK(cuLaunchKernel(add, (N + 127) / 128, 1, 1, 128, 1, 1, 0, s, params, NULL));
        OK(cuMemcpyDtoHAsync(out, x, sizeof out, s));
        OK(cuStreamSynchronize(s));
        CHECK(all_are(out, 7 * i + 1));
    }
    OK(cuStreamDestroy(s));
}

/* Also those of another context; and a context that is gone is no cause for another's streams to fail. */
static void copied_for_context(CUdeviceptr x) {
    unsigned in[N], out[N];
    CUcontext here, other;
    CUdeviceptr y;
    for (unsigned k = 0; k < N; k++)
        in[k] = 5;
    OK(cuCtxGetCurrent(&here));
    OK(cuCtxCreate(&other, NULL, 0, device));
    OK(cuMemAlloc(&y, sizeof in));
    OK(cuCtxSetCurrent(here));
    OK(cuLaunchHostFunc(NULL, dawdle, NULL));
    OK(cuMemcpyHtoD(x, in, sizeof in));
    OK(cuCtxSetCurrent(other));
    OK(cuMemcpyDtoH(out, x, sizeof out));
    CHECK(all_are(out, 5));
    OK(cuMemcpyHtoD(y, in, sizeof in));
    OK(cuCtxDestroy(other));
    OK(cuCtxSetCurrent(here));
    OK(cuMemsetD32(x, 6, N));
    OK(cuMemcpyDtoH(out, x, sizeof out));
    CHECK(all_are(out, 6));
}

void copies_are_there_for_other_streams(void) {
    CUdeviceptr x = zeros();
    copied_for(CU_STREAM_NON_BLOCKING, x);
    copied_for(CU_STREAM_DEFAULT, x);
    copied_for_context(x);
    OK(cuMemFree(x));
}

static cuuint64_t reserved(CUmemoryPool pool) {
    cuuint64_t bytes;
    CUresult r = cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &bytes);
    return r == CUDA_SUCCESS ? bytes : UINT64_MAX / 2; /* neither little nor all */
}

/* What is freed stays the pool's: in stream order at once, for the device at the next synchronization. */
void pools_keep_memory(void) {
    CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
                            .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}};
    size_t free_before, free_after, total, size = 64 << 20;
    cuuint64_t keep = 2 * size, used;
    CUmemoryPool pool;
    CUdeviceptr x, y;
    CUstream s, other;
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    OK(cuMemPoolCreate(&pool, &props));
    OK(cuMemGetInfo(&free_before, &total));

    OK(cuMemAllocFromPoolAsync(&x, size, pool, s));
    OK(cuMemsetD32Async(x, 1, N, s));
    OK(cuMemFreeAsync(x, s));
    CHECK(reserved(pool) >= size);
    OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
    CHECK(used == 0);
    IS(cuMemFreeAsync(x, s), CUDA_ERROR_INVALID_VALUE);
    OK(cuStreamSynchronize(s));
    CHECK(reserved(pool) == 0);

    /* One after the other there is room for any number of them. */
    for (int i = 0; i < 12; i++) {
        OK(cuMemAllocFromPoolAsync(&x, total / 5, pool, s));
        OK(cuMemsetD32Async(x, i, N, s));
        OK(cuMemFreeAsync(x, s));
    }
    OK(cuStreamSynchronize(s));

    OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep));
    OK(cuMemAllocFromPoolAsync(&x, size, pool, s));
    OK(cuMemAllocFromPoolAsync(&y, size, pool, s));
    OK(cuMemsetD32Async(y, 5, N, s));
    OK(cuMemFreeAsync(x, s));
    OK(cuCtxSynchronize());
    CHECK(reserved(pool) >= 2 * size);
    OK(cuMemAllocFromPoolAsync(&x, size / 2, pool, other));
    OK(cuMemsetD32Async(x, 6, size / 8, other));
    OK(cuStreamSynchronize(other));
    CHECK(device_is(y, 5) && device_is(x, 6));
    OK(cuMemPoolTrimTo(pool, 0));
    CHECK(reserved(pool) >= size && device_is(y, 5) && device_is(x, 6));
    OK(cuMemFreeAsync(x, s));
    OK(cuStreamSynchronize(s));
    OK(cuMemFree(y));
    OK(cuMemPoolTrimTo(pool, 0));
    CHECK(reserved(pool) == 0);

    OK(cuMemPoolDestroy(pool));
    OK(cuStreamDestroy(s));
    OK(cuStreamDestroy(other));
    OK(cuMemGetInfo(&free_after, &total));
    CHECK(free_after + size > free_before);
}

static size_t no_shared(int size) {
    (void)size;
    return 0;
}

void composed_functions(void) {
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

void attributes_and_states(void) {
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
