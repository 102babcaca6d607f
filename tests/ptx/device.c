/* The driver API behind a few functions, found by dlopen as programs do. */
#include "ptx.h"

#include <cuda.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
#define FUNCTIONS(X)                                                                                                \
    X(cuInit) X(cuDeviceGet) X(cuDevicePrimaryCtxRetain) X(cuCtxSetCurrent) X(cuMemAlloc_v2) X(cuMemFree_v2)         \
    X(cuMemcpyHtoD_v2) X(cuMemcpyDtoH_v2) X(cuModuleLoadDataEx) X(cuModuleUnload) X(cuModuleGetFunction)             \
    X(cuLaunchKernel) X(cuCtxSynchronize) X(cuDevicePrimaryCtxReset_v2) X(cuDeviceGetAttribute)
/* clang-format on */
#define DECLARE(name) static __typeof__(&name) p_##name;
FUNCTIONS(DECLARE)

static CUmodule module;
static CUfunction kernel;
static unsigned sm;

bool device_open(void) {
    CUdevice device;
    CUcontext context;
    void *lib = dlopen("libcuda.so.1", RTLD_NOW);
    if (!lib) return printf("%s\n", dlerror()), false;
#define LOOK_UP(name)                                                                                                  \
    if (!(p_##name = (__typeof__(&name))dlsym(lib, #name))) return printf("no %s\n", #name), false;
    FUNCTIONS(LOOK_UP)
    int major = 0, minor = 0, r = p_cuInit(0);
    if (!r) r = p_cuDeviceGet(&device, 0);
    if (!r) r = p_cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device);
    if (!r) r = p_cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
    sm = (unsigned)(10 * major + minor);
    if (!r) r = p_cuDevicePrimaryCtxRetain(&context, device);
    if (!r) r = p_cuCtxSetCurrent(context);
    if (r) printf("no device: error %d\n", r);
    return !r;
}

unsigned device_sm(void) {
    return sm;
}

bool device_load(const char *ptx) {
    static char log[4096];
    CUjit_option names[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    void *values[] = {log, (void *)sizeof log};
    log[0] = 0;
    int r = p_cuModuleLoadDataEx(&module, ptx, 2, names, values);
    if (!r) r = p_cuModuleGetFunction(&kernel, module, "test");
    if (r) printf("load: error %d: %s", r, log);
    return !r;
}

void device_unload(void) {
    p_cuModuleUnload(module);
}

bool device_reset(void) {
    CUcontext context;
    return !p_cuDevicePrimaryCtxReset_v2(0) && !p_cuDevicePrimaryCtxRetain(&context, 0) && !p_cuCtxSetCurrent(context);
}

int device_run(void *out, size_t out_bytes, const void *in, size_t in_bytes, unsigned n, const unsigned grid[3],
               const unsigned block[3], unsigned shared) {
    CUdeviceptr dout = 0, din = 0;
    int r = p_cuMemAlloc_v2(&dout, out_bytes);
    if (!r) r = p_cuMemAlloc_v2(&din, in_bytes ? in_bytes : 4);
    if (!r) r = p_cuMemcpyHtoD_v2(dout, out, out_bytes);
    if (!r && in_bytes) r = p_cuMemcpyHtoD_v2(din, in, in_bytes);
    void *params[] = {&dout, &din, &n};
    if (!r)
        r = p_cuLaunchKernel(kernel, grid[0], grid[1], grid[2], block[0], block[1], block[2], shared, NULL, params,
                             NULL);
    if (!r) r = p_cuCtxSynchronize();
    if (!r) r = p_cuMemcpyDtoH_v2(out, dout, out_bytes);
    if (!r) r = p_cuMemFree_v2(dout);
    if (!r) r = p_cuMemFree_v2(din);
    return r;
}
