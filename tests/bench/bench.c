/*
 * What calls cost: a driver-API program that times a few of them. Run it natively (LD_LIBRARY_PATH at a
 * driver) and through hawser; tests/bench/run does both and prints the ratios.
 *
 * Prints "NAME VALUE UNIT" lines; times are medians in microseconds of one call, rates in GB/s (1e9).
 */
#include <cuda.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* clang-format off */
#define FUNCTIONS(X)                                                                                \
    X(cuInit) X(cuDeviceGet) X(cuDevicePrimaryCtxRetain) X(cuCtxSetCurrent) X(cuMemAlloc_v2)        \
    X(cuMemcpyHtoD_v2) X(cuMemcpyDtoH_v2) X(cuModuleLoadDataEx) X(cuModuleGetFunction)              \
    X(cuLaunchKernel) X(cuCtxSynchronize) X(cuMemGetInfo_v2) X(cuDeviceGetAttribute)                \
    X(cuGraphCreate) X(cuGraphAddKernelNode_v2) X(cuGraphInstantiateWithFlags) X(cuGraphLaunch)
/* clang-format on */
#define DECLARE(name) static __typeof__(&name) p_##name;
FUNCTIONS(DECLARE)

static const char ptx[] = ".version 7.0\n.target sm_70\n.address_size 64\n"
                          ".visible .entry empty(.param .u64 a, .param .u32 b)\n{\n    ret;\n}\n";

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void need(CUresult r, const char *what) {
    if (r == CUDA_SUCCESS) return;
    fprintf(stderr, "bench: %s: error %d\n", what, r);
    exit(1);
}

static CUfunction empty;
static CUdeviceptr small, large;
static char word[4];
static char *bulk;
static CUgraphExec graph;
#define BULK ((size_t)64 << 20)
#define GRAPH_NODES 100

static void launch(void) {
    unsigned b = 1;
    void *params[] = {&small, &b};
    need(p_cuLaunchKernel(empty, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL), "launch");
}

static void synchronize(void) {
    need(p_cuCtxSynchronize(), "synchronize");
}

static void launch_and_synchronize(void) {
    launch();
    synchronize();
}

static void launch_graph(void) {
    need(p_cuGraphLaunch(graph, NULL), "graph");
}

static void launch_graph_and_synchronize(void) {
    launch_graph();
    synchronize();
}

/* Kernels one after another. */
static void make_graph(void) {
    unsigned b = 1;
    void *params[] = {&small, &b};
    CUgraph g;
    CUgraphNode node;
    CUDA_KERNEL_NODE_PARAMS_v2 k = {.func = empty,
                                    .gridDimX = 1,
                                    .gridDimY = 1,
                                    .gridDimZ = 1,
                                    .blockDimX = 1,
                                    .blockDimY = 1,
                                    .blockDimZ = 1,
                                    .kernelParams = params};
    need(p_cuGraphCreate(&g, 0), "graph");
    for (int i = 0; i < GRAPH_NODES; i++)
        need(p_cuGraphAddKernelNode_v2(&node, g, &node, i > 0, &k), "node");
    need(p_cuGraphInstantiateWithFlags(&graph, g, 0), "graph");
}

static void memory_info(void) {
    size_t a, b;
    need(p_cuMemGetInfo_v2(&a, &b), "info");
}

static void attribute(void) {
    int v;
    need(p_cuDeviceGetAttribute(&v, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0), "attribute");
}

static void word_to_device(void) {
    need(p_cuMemcpyHtoD_v2(small, word, 4), "copy");
}

static void word_from_device(void) {
    need(p_cuMemcpyDtoH_v2(word, small, 4), "copy");
}

static void bulk_to_device(void) {
    need(p_cuMemcpyHtoD_v2(large, bulk, BULK), "copy");
    synchronize();
}

static void bulk_from_device(void) {
    need(p_cuMemcpyDtoH_v2(bulk, large, BULK), "copy");
}

/* The median time of one call, in microseconds. */
static double median(void (*call)(void), unsigned n) {
    double *t = malloc(n * sizeof *t);
    for (unsigned i = 0; i < n; i++) {
        double begin = now();
        call();
        t[i] = now() - begin;
    }
    qsort(t, n, sizeof *t, by_value);
    double m = t[n / 2];
    free(t);
    return m;
}

int main(void) {
    CUdevice device;
    CUcontext context;
    CUmodule module;
    double begin = now();
    void *lib = dlopen("libcuda.so.1", RTLD_NOW);
    if (!lib) return fprintf(stderr, "%s\n", dlerror()), 1;
#define LOOK_UP(name) p_##name = (__typeof__(&name))dlsym(lib, #name);
    FUNCTIONS(LOOK_UP)
    need(p_cuInit(0), "init");
    need(p_cuDeviceGet(&device, 0), "device");
    need(p_cuDevicePrimaryCtxRetain(&context, device), "context");
    need(p_cuCtxSetCurrent(context), "current");
    need(p_cuMemAlloc_v2(&small, 4096), "alloc");
    printf("start-up to first allocation %.0f us\n", now() - begin);
    need(p_cuModuleLoadDataEx(&module, ptx, 0, NULL, NULL), "load");
    need(p_cuModuleGetFunction(&empty, module, "empty"), "function");
    need(p_cuMemAlloc_v2(&large, BULK), "alloc");
    bulk = malloc(BULK);
    memset(bulk, 1, BULK);
    launch_and_synchronize();
    make_graph();
    launch_graph_and_synchronize();
    launch_graph_and_synchronize();
    bulk_to_device();
    const struct {
        const char *name;
        void (*call)(void);
        unsigned n;
    } calls[] = {{"device attribute", attribute, 5000},
                 {"memory info (a round trip)", memory_info, 2000},
                 {"synchronize, nothing under way", synchronize, 2000},
                 {"launch (posted)", launch, 2000},
                 {"launch and synchronize", launch_and_synchronize, 1000},
                 {"launch a graph of 100 kernels (posted)", launch_graph, 200},
                 {"launch such a graph and synchronize", launch_graph_and_synchronize, 200},
                 {"copy 4 bytes to the device", word_to_device, 2000},
                 {"copy 4 bytes from the device", word_from_device, 2000}};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        printf("%s %.2f us\n", calls[i].name, median(calls[i].call, calls[i].n));
        synchronize();
    }
    printf("copy 64 MiB to the device %.2f GB/s\n", (double)BULK / median(bulk_to_device, 9) / 1e3);
    printf("copy 64 MiB from the device %.2f GB/s\n", (double)BULK / median(bulk_from_device, 9) / 1e3);
    return 0;
}
