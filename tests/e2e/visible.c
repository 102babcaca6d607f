/*
 * What a process sees of several devices, and what other variables of CUDA's do:   visible WHAT [VALUE]
 * Every part prints what it found; test_visible.py knows what is right.
 */
#include <cuda.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nvml_functions.h"

static unsigned bus_of(CUdevice device) {
    int bus = -1;
    cuDeviceGetAttribute(&bus, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, device);
    return (unsigned)bus;
}

/* "cuda RESULT BUS UUID ..." */
static int list_cuda(void) {
    CUresult r = cuInit(0);
    int n = 0;
    if (r == CUDA_SUCCESS) cuDeviceGetCount(&n);
    printf("cuda %d", r);
    for (int i = 0; i < n; i++) {
        CUuuid uuid;
        cuDeviceGetUuid(&uuid, i);
        printf(" %u GPU-", bus_of(i));
        for (int k = 0; k < 16; k++)
            printf("%s%02x", k == 4 || k == 6 || k == 8 || k == 10 ? "-" : "", (unsigned char)uuid.bytes[k]);
    }
    puts("");
    return 0;
}

static int list_nvml(void) {
    unsigned n = 0;
    nvmlReturn_t r = nvmlInit_v2();
    nvmlDeviceGetCount_v2(&n);
    printf("nvml %u", r);
    for (unsigned i = 0; i < n; i++) {
        nvmlDevice_t device;
        nvmlPciInfo_t pci;
        char uuid[96];
        nvmlDeviceGetHandleByIndex_v2(i, &device);
        nvmlDeviceGetPciInfo_v3(device, &pci);
        nvmlDeviceGetUUID(device, uuid, sizeof uuid);
        printf(" %u %s", pci.bus, uuid);
    }
    puts("");
    return 0;
}

static int list(const char *value) {
    (void)value;
    return list_cuda() || list_nvml();
}

/* As frameworks do: NVML first, then the variable, then CUDA. A second thought comes too late. */
static int late(const char *value) {
    list_nvml();
    setenv("CUDA_VISIBLE_DEVICES", value, 1);
    list_cuda();
    setenv("CUDA_VISIBLE_DEVICES", "", 1);
    return list_cuda();
}

static int by_bus(const char *value) {
    CUdevice device = -1;
    cuInit(0);
    CUresult r = cuDeviceGetByPCIBusId(&device, value);
    printf("%d %d\n", r, device);
    return 0;
}

/* Memory of each device that is seen, by every way in which CUDA says whose it is, and where NVML finds it. */
static int use(const char *value) {
    const size_t size = 32 << 20;
    int n = 0;
    (void)value;
    if (nvmlInit_v2() != NVML_SUCCESS || cuInit(0) != CUDA_SUCCESS || cuDeviceGetCount(&n) != CUDA_SUCCESS) return 1;
    for (int i = 0; i < n; i++) {
        char bus[32];
        CUcontext context;
        CUdeviceptr p, q;
        CUdevice device = -1;
        CUmemoryPool pool;
        CUmemLocation at = {CU_MEM_LOCATION_TYPE_DEVICE, i};
        CUmemAccess_flags flags = 0;
        nvmlDevice_t handle;
        nvmlMemory_t before, after;
        int ordinal = -1, by_pool = -1;
        if (cuDeviceGetPCIBusId(bus, sizeof bus, i) || nvmlDeviceGetHandleByPciBusId_v2(bus, &handle)) return 1;
        if (cuDevicePrimaryCtxRetain(&context, i) || cuCtxSetCurrent(context)) return 1;
        nvmlDeviceGetMemoryInfo(handle, &before);
        if (cuMemAlloc(&p, size) || cuDeviceGetDefaultMemPool(&pool, i)) return 1;
        nvmlDeviceGetMemoryInfo(handle, &after);
        if (cuMemAllocFromPoolAsync(&q, 4096, pool, 0) || cuStreamSynchronize(0)) return 1;
        cuCtxGetDevice(&device);
        cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, p);
        cuPointerGetAttribute(&by_pool, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, q);
        cuMemPoolGetAccess(&flags, pool, &at);
        printf("%d: context %d, pointers %d %d, access %d, bus %s, %d MiB\n", i, device, ordinal, by_pool, flags, bus,
               (int)((after.used - before.used) >> 20));
    }
    return 0;
}

/* ---- other variables ---- */

static const char writes_nowhere[] = ".version 6.0\n.target sm_50\n.address_size 64\n"
                                     ".visible .entry wild()\n{\n.reg .u64 %a; .reg .u32 %v;\n"
                                     "mov.u64 %a, 64; mov.u32 %v, 1; st.global.u32 [%a], %v; ret;\n}\n"
                                     ".visible .entry tame()\n{\nret;\n}\n";
/* The second kernel uses a register that it does not declare. */
static const char half_broken[] = ".version 6.0\n.target sm_50\n.address_size 64\n"
                                  ".visible .entry good()\n{\nret;\n}\n"
                                  ".visible .entry broken()\n{\nmov.u32 %undeclared, 1;\nret;\n}\n";

static int start(void) {
    CUcontext context;
    return cuInit(0) || cuDevicePrimaryCtxRetain(&context, 0) || cuCtxSetCurrent(context);
}

static int launch(const char *value) {
    CUmodule module;
    CUfunction wild, tame;
    CUlaunchConfig config = {1, 1, 1, 1, 1, 1, 0, NULL, NULL, 0};
    if (start() || cuModuleLoadData(&module, writes_nowhere) || cuModuleGetFunction(&wild, module, "wild") ||
        cuModuleGetFunction(&tame, module, "tame"))
        return 1;
    CUresult good = cuLaunchKernel(tame, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL), bad;
    if (!strcmp(value, "plain")) {
        bad = cuLaunchKernel(wild, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL);
    } else if (!strcmp(value, "ex")) {
        bad = cuLaunchKernelEx(&config, wild, NULL, NULL);
    } else if (!strcmp(value, "cooperative")) {
        bad = cuLaunchCooperativeKernel(wild, 1, 1, 1, 1, 1, 1, 0, NULL, NULL);
    } else {
        CUstream stream;
        CUgraph graph;
        CUgraphExec exec;
        if (cuStreamCreate(&stream, 0) || cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL) ||
            cuLaunchKernel(wild, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL) || cuStreamEndCapture(stream, &graph) ||
            cuGraphInstantiate(&exec, graph, 0))
            return 1;
        bad = cuGraphLaunch(exec, stream);
    }
    printf("%d %d %d\n", good, bad, cuCtxSynchronize());
    return 0;
}

static int loading(const char *value) {
    CUmoduleLoadingMode mode = 0;
    CUlibrary library;
    CUresult r = start();
    (void)value;
    if (r) return 1;
    cuModuleGetLoadingMode(&mode);
    printf("%s %d\n", mode == CU_MODULE_EAGER_LOADING ? "eager" : "lazy",
           cuLibraryLoadData(&library, half_broken, NULL, NULL, 0, NULL, NULL, 0));
    return 0;
}

static int compiling(const char *value) {
    CUmodule module;
    CUlinkState link;
    void *cubin;
    size_t size;
    (void)value;
    if (start()) return 1;
    printf("%d", cuModuleLoadData(&module, writes_nowhere));
    if (cuLinkCreate(0, NULL, NULL, &link)) return 1;
    CUresult r =
        cuLinkAddData(link, CU_JIT_INPUT_PTX, (void *)writes_nowhere, sizeof writes_nowhere, "text", 0, NULL, NULL);
    printf(" %d\n", r ? r : cuLinkComplete(link, &cubin, &size));
    return 0;
}

static int refused(const char *value) {
    char luid[8];
    unsigned mask;
    (void)value;
    cuInit(0);
    return cuDeviceGetLuid(luid, &mask, 0) != CUDA_ERROR_NOT_SUPPORTED;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(const char *value);
    } parts[] = {{"list", list},     {"late", late},       {"bus", by_bus},          {"use", use},
                 {"launch", launch}, {"loading", loading}, {"compiling", compiling}, {"refused", refused}};
    for (size_t i = 0; argc > 1 && i < sizeof parts / sizeof *parts; i++)
        if (!strcmp(argv[1], parts[i].name)) return parts[i].run(argc > 2 ? argv[2] : "");
    return 2;
}
