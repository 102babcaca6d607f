/*
 * A small driver-API program for the end-to-end tests: loads libcuda by the name given and does one thing.
 *
 *   cuda-probe LIBRARY vector             launches a kernel and checks its result
 *   cuda-probe LIBRARY load FILE          loads FILE as a module; prints "load RESULT", then the error log
 *   cuda-probe LIBRARY wild               a kernel writes through a wild pointer; prints each result
 *   cuda-probe LIBRARY wild-behind        the same, and what was to come after it in its stream
 *   cuda-probe LIBRARY alloc BYTES        prints "alloc RESULT"
 *   cuda-probe LIBRARY init               prints "init RESULT"
 *   cuda-probe LIBRARY hold               prints "holding", then waits for the end of its input; then calls
 *   cuda-probe LIBRARY fork               what a forked child and an exec'd one see
 *   cuda-probe LIBRARY late               arguments that are wrong at once
 *   cuda-probe LIBRARY blocked            one thread waits for a kernel that another thread must release
 *   cuda-probe LIBRARY abuse              sizes that wrap around, freed memory, a busy stream destroyed
 *   cuda-probe LIBRARY assert             a device assert fails
 *   cuda-probe LIBRARY order              threads take turns on one stream; their order must be kept
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cuda.h>

/* clang-format off */
#define FUNCTIONS(X)                                                                                \
    X(cuInit) X(cuDeviceGet) X(cuDevicePrimaryCtxRetain) X(cuCtxSetCurrent) X(cuMemAlloc_v2)        \
    X(cuMemFree_v2) X(cuMemcpyHtoD_v2) X(cuMemcpyDtoH_v2) X(cuModuleLoadDataEx) X(cuModuleGetFunction)\
    X(cuLaunchKernel) X(cuCtxSynchronize) X(cuMemGetInfo_v2) X(cuStreamCreate)                      \
    X(cuLaunchHostFunc) X(cuMemAllocHost_v2) X(cuDevicePrimaryCtxReset_v2)                          \
    X(cuStreamSynchronize) X(cuMemcpyHtoDAsync_v2) X(cuMemsetD32Async)              \
    X(cuMemsetD2D8_v2) X(cuMemcpy) X(cuMemcpy2D_v2) X(cuFuncSetAttribute) X(cuStreamDestroy_v2)
/* clang-format on */
#define DECLARE(name) static __typeof__(&name) p_##name;
FUNCTIONS(DECLARE)

static const char ptx[] = ".version 7.0\n.target sm_70\n.address_size 64\n"
                          ".visible .entry fill(.param .u64 out, .param .u32 value)\n{\n"
                          "    .reg .b32 %r<4>;\n    .reg .b64 %rd<4>;\n"
                          "    ld.param.u64 %rd1, [out];\n    ld.param.u32 %r1, [value];\n"
                          "    mov.u32 %r2, %tid.x;\n    add.s32 %r3, %r1, %r2;\n"
                          "    mul.wide.u32 %rd2, %r2, 4;\n    add.s64 %rd3, %rd1, %rd2;\n"
                          "    st.global.u32 [%rd3], %r3;\n    ret;\n}\n"
                          /* Waits until *flag is not 0. */
                          ".visible .entry wait(.param .u64 flag)\n{\n"
                          "    .reg .pred %p<2>;\n    .reg .b32 %r<2>;\n    .reg .b64 %rd<2>;\n"
                          "    ld.param.u64 %rd1, [flag];\n"
                          "again:\n    ld.volatile.global.u32 %r1, [%rd1];\n"
                          "    setp.eq.s32 %p1, %r1, 0;\n    @%p1 bra again;\n    ret;\n}\n"
                          /* *x = *x * 3 + add */
                          ".visible .entry step(.param .u64 x, .param .u32 add)\n{\n"
                          "    .reg .b32 %r<4>;\n    .reg .b64 %rd<2>;\n"
                          "    ld.param.u64 %rd1, [x];\n    ld.param.u32 %r1, [add];\n"
                          "    ld.global.u32 %r2, [%rd1];\n    mad.lo.s32 %r3, %r2, 3, %r1;\n"
                          "    st.global.u32 [%rd1], %r3;\n    ret;\n}\n";

static void need(CUresult r, const char *what) {
    if (r == CUDA_SUCCESS) return;
    printf("%s %d\n", what, r);
    exit(1);
}

static void start(void) {
    CUdevice device;
    CUcontext context;
    need(p_cuInit(0), "init");
    need(p_cuDeviceGet(&device, 0), "device");
    need(p_cuDevicePrimaryCtxRetain(&context, device), "context");
    need(p_cuCtxSetCurrent(context), "current");
}

static CUfunction kernel(const char *name) {
    CUmodule module;
    CUfunction f;
    need(p_cuModuleLoadDataEx(&module, ptx, 0, NULL, NULL), "load");
    need(p_cuModuleGetFunction(&f, module, name), "function");
    return f;
}

static CUfunction fill(void) {
    return kernel("fill");
}

static CUresult launch(CUfunction f, CUdeviceptr out, unsigned value, unsigned threads) {
    void *params[] = {&out, &value};
    return p_cuLaunchKernel(f, 1, 1, 1, threads, 1, 1, 0, NULL, params, NULL);
}

static int vector(void) {
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

static int load(const char *path) {
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

static int wild(void) {
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

static void count(void *times) {
    ++*(int *)times;
}

static int wild_behind(void) {
    start();
    CUfunction f = fill();
    CUdeviceptr out;
    void *pinned;
    int times = 0;
    CUresult last;
    need(p_cuMemAlloc_v2(&out, 4096), "alloc");
    need(p_cuMemAllocHost_v2(&pinned, 4096), "pinned");
    printf("launch %d\n", launch(f, 0x123456789000ull, 1, 32));
    last = p_cuLaunchHostFunc(NULL, count, &times); /* the kernel may have failed by now */
    last = p_cuMemcpyHtoDAsync_v2(out, pinned, 4096, NULL);
    last = p_cuCtxSynchronize();
    printf("sync %d\n", last);
    printf("copy %d\n", p_cuMemcpyHtoDAsync_v2(out, pinned, 4096, NULL));
    printf("launch %d\n", launch(f, out, 1, 32));
    printf("called %d\n", times);
    printf("reset %d\n", p_cuDevicePrimaryCtxReset_v2(0));
    return 0;
}

static int late(void) {
    start();
    CUfunction f = fill();
    CUdeviceptr out;
    need(p_cuMemAlloc_v2(&out, 4096), "alloc");
    printf("too many threads %d\n", launch(f, out, 1, 1025));
    printf("no threads %d\n", launch(f, out, 1, 0));
    unsigned value = 1;
    size_t size = 12;
    void *params[] = {&out, &value};
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &out, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END};
    printf("both forms of parameters %d\n", p_cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 0, NULL, params, extra));
    printf("sync %d\n", p_cuCtxSynchronize());
    printf("bad copy %d\n", p_cuMemcpyHtoD_v2(out + 4000, "x", 100));
    printf("double free %d", p_cuMemFree_v2(out));
    printf(" %d\n", p_cuMemFree_v2(out));
    return 0;
}

static int hold(void) {
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

static int forked(char **argv) {
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

/* ---- threads ---- */

static CUcontext shared_context;
static CUdeviceptr shared_memory;
static CUstream shared_stream;
static pthread_barrier_t meet;

static void *release(void *arg) {
    static const unsigned one = 1;
    CUstream other;
    need(p_cuCtxSetCurrent(shared_context), "current");
    need(p_cuStreamCreate(&other, CU_STREAM_NON_BLOCKING), "stream");
    pthread_barrier_wait(&meet); /* the other thread goes to wait now */
    need(p_cuMemcpyHtoDAsync_v2(shared_memory, &one, sizeof one, other), "copy");
    need(p_cuStreamSynchronize(other), "other stream");
    return arg;
}

/* If waiting held up the other thread's calls, the kernel would never end. */
static int blocked(void) {
    pthread_t t;
    start();
    CUfunction f = kernel("wait");
    need(p_cuDevicePrimaryCtxRetain(&shared_context, 0), "context");
    need(p_cuMemAlloc_v2(&shared_memory, 4), "alloc");
    need(p_cuStreamCreate(&shared_stream, CU_STREAM_NON_BLOCKING), "stream");
    need(p_cuMemsetD32Async(shared_memory, 0, 1, shared_stream), "memset");
    need(p_cuStreamSynchronize(shared_stream), "sync"); /* else it could come after the other thread's release */
    void *params[] = {&shared_memory};
    need(p_cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, shared_stream, params, NULL), "launch");
    pthread_barrier_init(&meet, NULL, 2);
    pthread_create(&t, NULL, release, NULL);
    pthread_barrier_wait(&meet);
    need(p_cuStreamSynchronize(shared_stream), "sync");
    pthread_join(t, NULL);
    puts("released");
    return 0;
}

static int abuse(void) {
    CUdeviceptr a, b;
    CUstream stream;
    char host[64] = "";
    start();
    CUfunction f = kernel("step");
    need(p_cuMemAlloc_v2(&a, 1 << 20), "alloc");
    need(p_cuMemAlloc_v2(&b, 4096), "alloc");
    need(p_cuMemFree_v2(b), "free");
    printf("wrapping fill %d\n", p_cuMemsetD2D8_v2(a, (size_t)1 << 63, 1, 64, 3));
    printf("wrapping size %d\n", p_cuMemcpyHtoD_v2(a + 64, host, (size_t)-32));
    CUDA_MEMCPY2D m = {.srcMemoryType = CU_MEMORYTYPE_HOST,
                       .srcHost = host,
                       .srcPitch = 8,
                       .dstMemoryType = CU_MEMORYTYPE_DEVICE,
                       .dstDevice = a,
                       .dstPitch = (size_t)1 << 62,
                       .dstY = 4,
                       .WidthInBytes = 8,
                       .Height = 5};
    printf("wrapping rectangle %d\n", p_cuMemcpy2D_v2(&m));
    printf("freed memory %d\n", p_cuMemcpy((CUdeviceptr)host, b, 64));
    printf("shared memory of 2 GiB %d\n",
           p_cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 0x7fffffff));
    need(p_cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "stream");
    for (unsigned i = 0; i < 300; i++) {
        void *params[] = {&a, &i};
        need(p_cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, stream, params, NULL), "launch");
    }
    printf("busy stream destroyed %d\n", p_cuStreamDestroy_v2(stream));
    printf("used after that %d\n", p_cuStreamSynchronize(stream));
    return 0; /* with the stream's work perhaps still under way */
}

static int failed_assert(void) {
    static const char text[] =
        ".version 7.0\n.target sm_70\n.address_size 64\n"
        ".extern .func __assertfail(.param .b64 a, .param .b64 b, .param .b32 c, .param .b64 d, .param .b64 e);\n"
        ".global .align 1 .b8 what[4] = {49, 60, 48, 0};\n.global .align 1 .b8 file[4] = {107, 46, 99, 0};\n"
        ".global .align 1 .b8 func[2] = {107, 0};\n"
        ".visible .entry k()\n{\n    .reg .b64 %a, %b, %d;\n    .reg .b32 %c;\n"
        "    mov.u64 %a, what;\n    cvta.global.u64 %a, %a;\n    mov.u64 %b, file;\n    cvta.global.u64 %b, %b;\n"
        "    mov.u64 %d, func;\n    cvta.global.u64 %d, %d;\n    {\n    .param .b64 p0; .param .b64 p1; .param .b32 p2;"
        " .param .b64 p3; .param .b64 p4;\n    st.param.b64 [p0], %a;\n    st.param.b64 [p1], %b;\n"
        "    st.param.b32 [p2], 7;\n    st.param.b64 [p3], %d;\n    st.param.b64 [p4], 1;\n"
        "    call.uni __assertfail, (p0, p1, p2, p3, p4);\n    }\n    ret;\n}\n";
    CUmodule module;
    CUfunction f;
    start();
    need(p_cuModuleLoadDataEx(&module, text, 0, NULL, NULL), "load");
    need(p_cuModuleGetFunction(&f, module, "k"), "function");
    need(p_cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL), "launch");
    printf("sync %d\n", p_cuCtxSynchronize());
    return 0;
}

enum { TURNS = 300, PLAYERS = 3 };
static atomic_uint turn;
static CUfunction step_kernel;

static void *player(void *arg) {
    unsigned me = (unsigned)(size_t)arg;
    need(p_cuCtxSetCurrent(shared_context), "current");
    for (unsigned i = me; i < TURNS; i += PLAYERS) {
        while (atomic_load(&turn) != i)
            sched_yield();
        void *params[] = {&shared_memory, &i};
        need(p_cuLaunchKernel(step_kernel, 1, 1, 1, 1, 1, 1, 0, shared_stream, params, NULL), "launch");
        atomic_store(&turn, i + 1);
    }
    return NULL;
}

static int order(void) {
    pthread_t t[PLAYERS];
    unsigned expected = 0, got = 0;
    start();
    step_kernel = kernel("step");
    need(p_cuDevicePrimaryCtxRetain(&shared_context, 0), "context");
    need(p_cuMemAlloc_v2(&shared_memory, 4), "alloc");
    need(p_cuStreamCreate(&shared_stream, CU_STREAM_DEFAULT), "stream");
    need(p_cuMemsetD32Async(shared_memory, 0, 1, shared_stream), "memset");
    for (size_t i = 0; i < PLAYERS; i++)
        pthread_create(&t[i], NULL, player, (void *)i);
    for (size_t i = 0; i < PLAYERS; i++)
        pthread_join(t[i], NULL);
    for (unsigned i = 0; i < TURNS; i++)
        expected = expected * 3 + i;
    need(p_cuMemcpyDtoH_v2(&got, shared_memory, 4), "copy");
    printf("order %s\n", got == expected ? "kept" : "lost");
    return got != expected;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    void *lib = dlopen(argv[1], RTLD_NOW);
    if (!lib) return fprintf(stderr, "%s\n", dlerror()), 3;
#define LOOK_UP(name)                                                                                                  \
    if (!(p_##name = (__typeof__(&name))dlsym(lib, #name))) return fprintf(stderr, "no %s\n", #name), 3;
    FUNCTIONS(LOOK_UP)
    const char *what = argv[2];
    size_t free_bytes = 0, total = 0;
    if (!strcmp(what, "vector")) return vector();
    if (!strcmp(what, "wild")) return wild();
    if (!strcmp(what, "wild-behind")) return wild_behind();
    if (!strcmp(what, "late")) return late();
    if (!strcmp(what, "hold")) return hold();
    if (!strcmp(what, "fork")) return forked(argv);
    if (!strcmp(what, "blocked")) return blocked();
    if (!strcmp(what, "order")) return order();
    if (!strcmp(what, "abuse")) return abuse();
    if (!strcmp(what, "assert")) return failed_assert();
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
