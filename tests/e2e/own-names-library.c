/* A library with function pointers of CUDA's names, as many have that open libcuda themselves. */
#include <dlfcn.h>

int (*cuInit)(unsigned), (*cuDeviceGetCount)(int *);

int devices(void) {
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW);
    int n = -2;
    if (!cuda) return n;
    cuInit = (int (*)(unsigned))dlsym(cuda, "cuInit");
    cuDeviceGetCount = (int (*)(int *))dlsym(cuda, "cuDeviceGetCount");
    if (cuInit && cuDeviceGetCount && cuInit(0) == 0) cuDeviceGetCount(&n);
    return n;
}
