/*
 * A small driver-API program for the end-to-end tests: loads libcuda by the name given and does one thing.
 *
 *   cuda-probe LIBRARY vector             launches a kernel and checks its result
 *   cuda-probe LIBRARY load FILE          loads FILE as a module; prints "load RESULT", then the error log
 *   cuda-probe LIBRARY wild               a kernel writes through a wild pointer; prints each result
 *   cuda-probe LIBRARY alloc BYTES        prints "alloc RESULT"
 *   cuda-probe LIBRARY init               prints "init RESULT"
 *   cuda-probe LIBRARY hold               prints "holding", then waits for the end of its input; then calls
 *   cuda-probe LIBRARY fork               what a forked child and an exec'd one see
 *   cuda-probe LIBRARY late               a bad launch attribute: the error comes at the synchronization
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cuda.h>

#define FUNCTIONS(X)                                                                                \
    X(cuInit) X(cuDeviceGet) X(cuDevicePrimaryCtxRetain) X(cuCtxSetCurrent) X(cuMemAlloc_v2)        \
    X(cuMemFree_v2) X(cuMemcpyHtoD_v2) X(cuMemcpyDtoH_v2) X(cuModuleLoadDataEx) X(cuModuleGetFunction)\
    X(cuLaunchKernel) X(cuCtxSynchronize) X(cuMemGetInfo_v2)
#define DECLARE(name) static __typeof__(&name) p_##name;
FUNCTIONS(DECLARE)

static const char ptx[] =
    ".version 7.0\n.target sm_70\n.address_size 64\n"
    ".visible .entry fill(.param .u64 out, .param .u32 value)\n{\n"
    "    .reg .b32 %r<4>;\n    .reg .b64 %rd<4>;\n"
    "    ld.param.u64 %rd1, [out];\n    ld.param.u32 %r1, [value];\n"
    "    mov.u32 %r2, %tid.x;\n    add.s32 %r3, %r1, %r2;\n"
    "    mul.wide.u32 %rd2, %r2, 4;\n    add.s64 %rd3, %rd1, %rd2;\n"
    "    st.global.u32 [%rd3], %r3;\n    ret;\n}\n";

static void need(CUresult r, const char *what)
{
    if (r == CUDA_SUCCESS) return;
    printf("%s %d\n", what, r);
    exit(1);
}

static void start(void)
{
    CUdevice device;
    CUcontext context;
    need(p_cuInit(0), "init");
    need(p_cuDeviceGet(&device, 0), "device");
    need(p_cuDevicePrimaryCtxRetain(&context, device), "context");
    need(p_cuCtxSetCurrent(context), "current");
}

static CUfunction fill(void)
{
    CUmodule module;
    CUfunction f;
    need(p_cuModuleLoadDataEx(&module, ptx, 0, NULL, NULL), "load");
    need(p_cuModuleGetFunction(&f, module, "fill"), "function");
    return f;
}

static CUresult launch(CUfunction f, CUdeviceptr out, unsigned value, unsigned threads)
{
    void *params[] = {&out, &value};
    return p_cuLaunchKernel(f, 1, 1, 1, threads, 1, 1, 0, NULL, params, NULL);
}

static int vector(void)
{
    unsigned got[37];
    CUdeviceptr out;
    start();
    CUfunction f = fill();
    need(p_cuMemAlloc_v2(&out, sizeof got), "alloc");
    need(launch(f, out, 100, 37), "launch");
    need(p_cuMemcpyDtoH_v2(got, out, sizeof got), "copy");
    for (unsigned i = 0; i < 37; i++)
        if (got[i] != 100 + i) return printf("vector wrong at %u: %u\n", i, got[i]), 1;
    need(p_cuMemFree_v2(out), "free");
    puts("vector ok");
    return 0;
}

static int load(const char *path)
{
    static char image[1 << 20], log[4096];
    CUjit_option names[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    void *values[] = {log, (void *)sizeof log};
    CUmodule module;
    FILE *f = fopen(path, "rb");
    if (!f) return 2;
    image[fread(image, 1, sizeof image - 1, f)] = 0;
    fclose(f);
    start();
    CUresult r = p_cuModuleLoadDataEx(&module, image, 2, names, values);
    printf("load %d\n%s\n", r, log);
    return 0;
}

static int wild(void)
{
    start();
    CUfunction f = fill();
    CUdeviceptr out;
    need(p_cuMemAlloc_v2(&out, 4096), "alloc");
    printf("launch %d\n", launch(f, 0x123456789000ull, 1, 32));
    printf("sync %d\n", p_cuCtxSynchronize());
    printf("again %d\n", p_cuCtxSynchronize());
    printf("alloc %d\n", p_cuMemAlloc_v2(&out, 4096));
    return 0;
}

static int late(void)
{
    start();
    CUfunction f = fill();
    CUdeviceptr out;
    need(p_cuMemAlloc_v2(&out, 4096), "alloc");
    printf("too many threads %d\n", launch(f, out, 1, 1025));
    printf("no threads %d\n", launch(f, out, 1, 0));
    printf("sync %d\n", p_cuCtxSynchronize());
    printf("bad copy %d\n", p_cuMemcpyHtoD_v2(out + 4000, "x", 100));
    printf("double free %d", p_cuMemFree_v2(out));
    printf(" %d\n", p_cuMemFree_v2(out));
    return 0;
}

static int hold(void)
{
    char line[16];
    CUdeviceptr out;
    start();
    need(p_cuMemAlloc_v2(&out, 1 << 20), "alloc");
    puts("holding");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) line[0] = 0;
    printf("sync %d\n", p_cuCtxSynchronize());
    printf("alloc %d\n", p_cuMemAlloc_v2(&out, 4096));
    return 0;
}

static int forked(char **argv)
{
    start();
    fflush(stdout);
    if (fork() == 0) {
        printf("child %d\n", p_cuCtxSynchronize());
        fflush(stdout);
        argv[2] = "vector";
        execv(argv[0], argv);
        _exit(1);
    }
    int status;
    wait(&status);
    printf("parent %d\n", p_cuCtxSynchronize());
    return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    void *lib = dlopen(argv[1], RTLD_NOW);
    if (!lib) return fprintf(stderr, "%s\n", dlerror()), 3;
#define LOOK_UP(name)                                                                               \
    if (!(p_##name = (__typeof__(&name))dlsym(lib, #name))) return fprintf(stderr, "no %s\n", #name), 3;
    FUNCTIONS(LOOK_UP)
    const char *what = argv[2];
    size_t free_bytes = 0, total = 0;
    if (!strcmp(what, "vector")) return vector();
    if (!strcmp(what, "wild")) return wild();
    if (!strcmp(what, "late")) return late();
    if (!strcmp(what, "hold")) return hold();
    if (!strcmp(what, "fork")) return forked(argv);
    if (!strcmp(what, "load") && argc > 3) return load(argv[3]);
    if (!strcmp(what, "init")) return printf("init %d\n", p_cuInit(0)), 0;
    if (!strcmp(what, "alloc") && argc > 3) {
        CUdeviceptr out;
        start();
        printf("alloc %d\n", p_cuMemAlloc_v2(&out, strtoull(argv[3], NULL, 0)));
        need(p_cuMemGetInfo_v2(&free_bytes, &total), "info");
        printf("total %zu\n", total);
        return 0;
    }
    return 2;
}
