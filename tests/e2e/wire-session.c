/*
 * The session that tests/wire/ has recorded with an earlier release, to be played to this one: a little of most of what
 * travels, on one thread, and the same on each run. What it does is never changed, because the recordings hold it; a
 * recording that shall hold more gets a name of its own here.
 *
 *   wire-session NAME      prints "wire session NAME ok", or which step failed with what
 */
#include <cuda.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 48u

static const char ptx[] =
    ".version 7.0\n.target sm_70\n.address_size 64\n"
    ".visible .global .align 4 .u32 bias;\n"
    /* x[i] += y[i] + bias */
    ".visible .entry add(.param .u64 x, .param .u64 y)\n{\n"
    "    .reg .b32 %r<6>;\n    .reg .b64 %rd<6>;\n"
    "    ld.param.u64 %rd1, [x];\n    ld.param.u64 %rd2, [y];\n"
    "    mov.u32 %r1, %tid.x;\n    mul.wide.u32 %rd3, %r1, 4;\n"
    "    add.s64 %rd1, %rd1, %rd3;\n    add.s64 %rd2, %rd2, %rd3;\n"
    "    ld.global.u32 %r2, [%rd1];\n    ld.global.u32 %r3, [%rd2];\n    ld.global.u32 %r4, [bias];\n"
    "    add.s32 %r2, %r2, %r3;\n    add.s32 %r2, %r2, %r4;\n    st.global.u32 [%rd1], %r2;\n    ret;\n}\n"
    /* out[i] = the texture's value there */
    ".visible .entry look(.param .u64 texture, .param .u64 out)\n{\n"
    "    .reg .f32 %f<5>;\n    .reg .b32 %r<3>;\n    .reg .b64 %rd<4>;\n"
    "    ld.param.u64 %rd1, [texture];\n    ld.param.u64 %rd2, [out];\n"
    "    mov.u32 %r1, %tid.x;\n    cvt.rn.f32.u32 %f1, %r1;\n    add.f32 %f1, %f1, 0f3F000000;\n"
    "    tex.1d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [%rd1, {%f1}];\n"
    "    mul.wide.u32 %rd3, %r1, 4;\n    add.s64 %rd2, %rd2, %rd3;\n    st.global.f32 [%rd2], %f1;\n    ret;\n}\n";

#define NEED(call)                                                                                                     \
    do {                                                                                                               \
        CUresult need = (call);                                                                                        \
        if (need != CUDA_SUCCESS) failed(__LINE__, #call, (int)need);                                                  \
    } while (0)
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) failed(__LINE__, #condition, -1);                                                            \
    } while (0)

static void failed(int line, const char *what, int result) {
    printf("line %d: %s: %d\n", line, what, result);
    exit(1);
}

static CUfunction kernel(CUmodule module, const char *name) {
    CUfunction f;
    NEED(cuModuleGetFunction(&f, module, name));
    return f;
}

static void launch(CUfunction f, CUdeviceptr a, CUdeviceptr b, unsigned threads, CUstream s) {
    void *params[] = {&a, &b};
    NEED(cuLaunchKernel(f, 1, 1, 1, threads, 1, 1, 0, s, params, NULL));
}

static void expect_sum(CUdeviceptr x, unsigned base, unsigned step) {
    unsigned got[N];
    NEED(cuMemcpyDtoH(got, x, sizeof got));
    for (unsigned i = 0; i < N; i++)
        EXPECT(got[i] == base + step * i);
}

/* ---- 1.2 ---- */

static void vectors(CUfunction add, CUdeviceptr x, CUdeviceptr y, CUstream s) {
    unsigned a[N], b[N];
    CUevent before, after;
    float ms;
    for (unsigned i = 0; i < N; i++) {
        a[i] = 1000 + i;
        b[i] = 2 * i;
    }
    NEED(cuEventCreate(&before, 0));
    NEED(cuEventCreate(&after, 0));
    NEED(cuMemcpyHtoD(x, a, sizeof a));
    NEED(cuMemcpyHtoDAsync(y, b, sizeof b, s));
    NEED(cuEventRecord(before, s));
    launch(add, x, y, N, s);
    NEED(cuEventRecord(after, s));
    NEED(cuStreamWaitEvent(s, after, 0));
    NEED(cuStreamSynchronize(s));
    NEED(cuStreamQuery(s));
    NEED(cuEventQuery(after));
    NEED(cuEventElapsedTime(&ms, before, after));
    expect_sum(x, 1005, 3);
    NEED(cuEventDestroy(before));
    NEED(cuEventDestroy(after));
}

static void fills_and_copies(CUdeviceptr x, CUdeviceptr y) {
    unsigned char got[6 * 8];
    CUDA_MEMCPY2D box = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
                         .srcDevice = x,
                         .srcPitch = 16,
                         .dstMemoryType = CU_MEMORYTYPE_HOST,
                         .dstHost = got,
                         .dstPitch = 8,
                         .WidthInBytes = 8,
                         .Height = 6};
    NEED(cuMemsetD8(x, 7, N * 4));
    NEED(cuMemsetD2D16(x, 16, 0x0909, 2, 6));
    NEED(cuMemcpy2D(&box));
    for (unsigned i = 0; i < sizeof got; i++)
        EXPECT(got[i] == (i % 8 < 4 ? 9 : 7));
    NEED(cuMemcpyDtoD(y, x, N * 4));
    NEED(cuMemsetD32(x, 5, N));
    expect_sum(x, 5, 0);
}

static void CUDA_CB told(void *times) {
    ++*(unsigned *)times;
}

static void host_memory(CUfunction add, CUdeviceptr x, CUstream s) {
    unsigned *pinned, times = 0;
    CUdeviceptr device;
    NEED(cuMemHostAlloc((void **)&pinned, N * 4, CU_MEMHOSTALLOC_DEVICEMAP));
    NEED(cuMemHostGetDevicePointer(&device, pinned, 0));
    for (unsigned i = 0; i < N; i++)
        pinned[i] = i;
    NEED(cuMemsetD32Async(x, 10, N, s));
    launch(add, x, device, N, s); /* x = 10 + i + 5 */
    launch(add, device, x, N, s); /* pinned = 2 i + 20 */
    NEED(cuLaunchHostFunc(s, told, &times));
    NEED(cuStreamSynchronize(s));
    for (unsigned i = 0; i < N; i++)
        EXPECT(pinned[i] == 2 * i + 20);
    EXPECT(times == 1);
    NEED(cuMemcpyDtoHAsync(pinned, x, N * 4, s));
    NEED(cuStreamSynchronize(s));
    EXPECT(pinned[3] == 18);
    NEED(cuMemFreeHost(pinned));
}

static void pools(CUfunction add, CUdevice device, CUdeviceptr x, CUstream s) {
    CUmemoryPool pool;
    CUdeviceptr y;
    cuuint64_t keep = 1 << 20, told_keep = 0;
    NEED(cuDeviceGetDefaultMemPool(&pool, device));
    NEED(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep));
    NEED(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &told_keep));
    EXPECT(told_keep == keep);
    NEED(cuMemAllocAsync(&y, N * 4, s));
    NEED(cuMemsetD32Async(y, 1, N, s));
    NEED(cuMemsetD32Async(x, 1, N, s));
    launch(add, x, y, N, s);
    NEED(cuMemFreeAsync(y, s));
    NEED(cuStreamSynchronize(s));
    expect_sum(x, 7, 0);
}

static void graphs(CUfunction add, CUdeviceptr x, CUdeviceptr y, CUstream s) {
    CUgraph graph;
    CUgraphExec exec;
    NEED(cuMemsetD32(x, 0, N));
    NEED(cuMemsetD32(y, 1, N));
    NEED(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    launch(add, x, y, N, s);
    NEED(cuMemcpyDtoDAsync(y, x, N * 4, s));
    NEED(cuMemsetD32Async(x, 3, N, s));
    launch(add, x, y, N, s);
    NEED(cuStreamEndCapture(s, &graph));
    NEED(cuGraphInstantiate(&exec, graph, 0));
    for (int i = 0; i < 3; i++)
        NEED(cuGraphLaunch(exec, s));
    NEED(cuStreamSynchronize(s));
    /* x, y: 0, 1; 14, 6; 33, 25; 71, 63 */
    expect_sum(x, 71, 0);
    NEED(cuGraphExecDestroy(exec));
    NEED(cuGraphDestroy(graph));
}

static void textures(CUfunction look, CUdeviceptr x) {
    float texels[16], got[16];
    CUarray array;
    CUtexObject texture;
    CUDA_ARRAY_DESCRIPTOR shape = {.Width = 16, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1};
    CUDA_TEXTURE_DESC how = {.addressMode = {CU_TR_ADDRESS_MODE_CLAMP}, .filterMode = CU_TR_FILTER_MODE_POINT};
    for (int i = 0; i < 16; i++)
        texels[i] = 0.5f * (float)i;
    NEED(cuArrayCreate(&array, &shape));
    NEED(cuMemcpyHtoA(array, 0, texels, sizeof texels));
    CUDA_RESOURCE_DESC what = {.resType = CU_RESOURCE_TYPE_ARRAY, .res.array.hArray = array};
    NEED(cuTexObjectCreate(&texture, &what, &how, NULL));
    launch(look, texture, x, 16, NULL);
    NEED(cuMemcpyDtoH(got, x, sizeof got));
    EXPECT(!memcmp(got, texels, sizeof got));
    NEED(cuTexObjectDestroy(texture));
    NEED(cuArrayDestroy(array));
}

static void bus(void) {
    void *nvml = dlopen("libnvidia-ml.so.1", RTLD_NOW), *device = NULL;
    EXPECT(nvml);
    int (*init)(void) = (int (*)(void))dlsym(nvml, "nvmlInit_v2");
    int (*get)(unsigned, void **) = (int (*)(unsigned, void **))dlsym(nvml, "nvmlDeviceGetHandleByIndex_v2");
    int (*generation)(void *, unsigned *) =
        (int (*)(void *, unsigned *))dlsym(nvml, "nvmlDeviceGetMaxPcieLinkGeneration");
    int (*memory)(void *, void *) = (int (*)(void *, void *))dlsym(nvml, "nvmlDeviceGetMemoryInfo");
    unsigned value = 0;
    unsigned long long total[3] = {0};
    EXPECT(init && get && generation && memory);
    EXPECT(init() == 0 && get(0, &device) == 0);
    int r = generation(device, &value);
    EXPECT(r == 0 || r == 3); /* NVML_ERROR_NOT_SUPPORTED, as the software GPU says */
    EXPECT(memory(device, total) == 0 && total[0] > 0);
}

static void session_1_2(void) {
    CUdevice device;
    CUcontext context;
    CUmodule module;
    CUstream s;
    CUdeviceptr x, y, bias;
    size_t size;
    unsigned five = 5;
    int blocks = 0;
    NEED(cuInit(0));
    NEED(cuDeviceGet(&device, 0));
    NEED(cuDevicePrimaryCtxRetain(&context, device));
    NEED(cuCtxSetCurrent(context));
    NEED(cuModuleLoadData(&module, ptx));
    CUfunction add = kernel(module, "add"), look = kernel(module, "look");
    NEED(cuModuleGetGlobal(&bias, &size, module, "bias"));
    EXPECT(size == 4);
    NEED(cuFuncSetAttribute(add, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 50));
    NEED(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, add, 64, 0));
    EXPECT(blocks > 0);
    NEED(cuMemcpyHtoD(bias, &five, 4));
    NEED(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    NEED(cuMemAlloc(&x, N * 4));
    NEED(cuMemAlloc(&y, N * 4));
    vectors(add, x, y, s);
    fills_and_copies(x, y);
    host_memory(add, x, s);
    pools(add, device, x, s);
    graphs(add, x, y, s);
    textures(look, x);
    bus();
    EXPECT(cuModuleGetFunction(&look, module, "none") == CUDA_ERROR_NOT_FOUND);
    NEED(cuCtxSynchronize());
    NEED(cuMemFree(y));
    NEED(cuMemFree(x));
    NEED(cuStreamDestroy(s));
    NEED(cuModuleUnload(module));
    NEED(cuDevicePrimaryCtxRelease(device));
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    /* 1.6: the same steps; graphs have their numbers from the count of all handles. */
    if (strcmp(name, "1.2") != 0 && strcmp(name, "1.6") != 0) {
        fprintf(stderr, "wire-session: no session \"%s\"\n", name);
        return 2;
    }
    session_1_2();
    printf("wire session %s ok\n", name);
    return 0;
}
