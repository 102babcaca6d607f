/* flood N: loads a kernel, says "ready", and once a line has come launches it N times, whoever takes them. How many
 * launches have been accepted stands in the file that $FLOOD_COUNT names, as a 64-bit number. */
#include <cuda.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const char ptx[] = ".version 7.0\n.target sm_70\n.address_size 64\n"
                          ".visible .entry nothing(.param .u64 a)\n{\n    ret;\n}\n";

static void need(CUresult r, const char *what) {
    if (r == CUDA_SUCCESS) return;
    printf("%s: %d\n", what, r);
    exit(1);
}

int main(int argc, char **argv) {
    long n = argc > 1 ? atol(argv[1]) : 0;
    int fd = open(getenv("FLOOD_COUNT"), O_RDWR);
    volatile long *count = fd >= 0 ? mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    CUdevice device;
    CUcontext context;
    CUmodule module;
    CUfunction kernel;
    CUdeviceptr a = 0;
    void *params[] = {&a};
    if (count == MAP_FAILED) return 1;
    need(cuInit(0), "cuInit");
    need(cuDeviceGet(&device, 0), "cuDeviceGet");
    need(cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
    need(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    need(cuModuleLoadData(&module, ptx), "cuModuleLoadData");
    need(cuModuleGetFunction(&kernel, module, "nothing"), "cuModuleGetFunction");
    need(cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL), "cuLaunchKernel");
    need(cuCtxSynchronize(), "cuCtxSynchronize");
    puts("ready");
    fflush(stdout);
    getchar();
    for (; *count < n; ++*count)
        need(cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL), "cuLaunchKernel");
    need(cuStreamSynchronize(NULL), "cuStreamSynchronize");
    puts("done");
    return 0;
}
