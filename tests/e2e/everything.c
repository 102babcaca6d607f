/* Makes one of everything that a session can have, and says "made"; after a line from stdin ends its context and says
 * "ended"; after another one ends. Between, a test looks at what the host has. */
#include <cuda.h>
#include <stdio.h>
#include <stdlib.h>

static const char ptx[] = ".version 7.0\n.target sm_70\n.address_size 64\n.global .align 4 .b8 table[4096];\n"
                          ".visible .entry nothing(.param .u64 a)\n{\n    ret;\n}\n";

static void need(CUresult r, const char *what, int line) {
    if (r == CUDA_SUCCESS) return;
    printf("line %d: %s: %d\n", line, what, r);
    exit(1);
}
#define OK(call) need(call, #call, __LINE__)

static void say(const char *what) {
    puts(what);
    fflush(stdout);
    getchar();
}

static void memory(CUdevice device) {
    CUdeviceptr p;
    CUmemoryPool pool;
    size_t pitch;
    void *host;
    CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
                            .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}};
    OK(cuMemAlloc(&p, 1000));
    OK(cuMemAllocPitch(&p, &pitch, 100, 10, 4));
    OK(cuMemPoolCreate(&pool, &props));
    OK(cuMemAllocAsync(&p, 2000, NULL));
    OK(cuMemAllocFromPoolAsync(&p, 3000, pool, NULL));
    OK(cuMemAllocHost(&host, 4096));
    OK(cuMemAllocManaged(&p, 4096, CU_MEM_ATTACH_GLOBAL));
    OK(cuMemAlloc(&p, 12345)); /* given back at once: it must not be seen */
    OK(cuMemFree(p));
}

/* Mapped twice, and its handle released: the memory stays until the mappings go. */
static void virtual_memory(CUdevice device) {
    CUmemGenericAllocationHandle handle;
    CUdeviceptr p;
    size_t size;
    CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
                                .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}};
    OK(cuMemGetAllocationGranularity(&size, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    OK(cuMemAddressReserve(&p, 2 * size, 0, 0, 0));
    OK(cuMemCreate(&handle, size, &prop, 0));
    OK(cuMemMap(p, size, 0, handle, 0));
    OK(cuMemMap(p + size, size, 0, handle, 0));
    OK(cuMemRelease(handle));
    OK(cuMemUnmap(p, size));
}

static CUarray arrays(void) {
    CUarray array, level;
    CUmipmappedArray mipmap;
    CUtexObject texture;
    CUDA_ARRAY_DESCRIPTOR flat = {.Width = 32, .Height = 16, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 2};
    CUDA_ARRAY3D_DESCRIPTOR deep = {.Width = 8, .Height = 8, .Format = CU_AD_FORMAT_UNSIGNED_INT8, .NumChannels = 1};
    OK(cuArrayCreate(&array, &flat));
    OK(cuMipmappedArrayCreate(&mipmap, &deep, 2));
    OK(cuMipmappedArrayGetLevel(&level, mipmap, 1));
    CUDA_RESOURCE_DESC resource = {.resType = CU_RESOURCE_TYPE_ARRAY, .res.array.hArray = array};
    CUDA_TEXTURE_DESC how = {.filterMode = CU_TR_FILTER_MODE_POINT};
    OK(cuTexObjectCreate(&texture, &resource, &how, NULL));
    return array;
}

static void code(void) {
    CUmodule module;
    CUlibrary library;
    CUfunction function;
    CUdeviceptr table;
    CUlinkState link;
    size_t size;
    OK(cuModuleLoadData(&module, ptx));
    OK(cuModuleGetFunction(&function, module, "nothing"));
    OK(cuModuleGetGlobal(&table, &size, module, "table"));
    OK(cuLibraryLoadData(&library, ptx, NULL, NULL, 0, NULL, NULL, 0));
    OK(cuLinkCreate(0, NULL, NULL, &link));
}

static void graph(CUstream stream) {
    CUgraph graph;
    CUgraphExec exec;
    CUgraphNode node;
    CUcontext context;
    CUdeviceptr p;
    OK(cuCtxGetCurrent(&context));
    OK(cuMemAlloc(&p, 64));
    CUDA_MEMSET_NODE_PARAMS fill = {.dst = p, .elementSize = 1, .width = 64, .height = 1};
    OK(cuGraphCreate(&graph, 0));
    OK(cuGraphAddMemsetNode(&node, graph, NULL, 0, &fill, context));
    OK(cuGraphInstantiate(&exec, graph, 0));
    for (int i = 0; i < 3; i++) /* from the second time on the host has it whole */
        OK(cuGraphLaunch(exec, stream));
}

int main(void) {
    CUdevice device;
    CUcontext context, other;
    CUstream stream;
    CUevent event;
    OK(cuInit(0));
    OK(cuDeviceGet(&device, 0));
    OK(cuDevicePrimaryCtxRetain(&other, device));
    OK(cuCtxCreate(&context, NULL, 0, device));
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&event, CU_EVENT_DEFAULT));
    OK(cuEventRecord(event, CU_STREAM_PER_THREAD));
    memory(device);
    virtual_memory(device);
    arrays();
    code();
    graph(stream);
    OK(cuCtxSynchronize());
    say("made");
    OK(cuCtxDestroy(context));
    /* What ends nothing any more fails at once or not at all, never later. */
    cuEventDestroy(event);
    cuStreamDestroy(stream);
    OK(cuCtxSetCurrent(other));
    OK(cuCtxSynchronize());
    say("ended");
    return 0;
}
