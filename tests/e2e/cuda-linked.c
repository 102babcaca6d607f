/* A program linked with -lcuda: it starts only if something is libcuda.so.1. */
#include <cuda.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    CUdevice device;
    CUcontext context;
    CUdeviceptr p;
    char name[100], back[12] = "";
    if (cuInit(0) || cuDeviceGet(&device, 0) || cuDeviceGetName(name, sizeof name, device) ||
        cuCtxCreate(&context, NULL, 0, device) || cuMemAlloc(&p, 12) || cuMemcpyHtoD(p, "hello hawser", 12) ||
        cuMemcpyDtoH(back, p, 12) || cuMemFree(p) || cuCtxDestroy(context))
        return 1;
    printf("linked: %s: %s\n", memcmp(back, "hello hawser", 12) ? "FAIL" : "PASS", name);
    return 0;
}
