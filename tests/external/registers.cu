// What the machine code beside the PTX tells of kernels: "NAME REGISTERS THREADS" a line, the registers of a thread and
// the threads of a block that leave room for them; and a launch of more.
#include <cstdio>
#include <cuda_runtime.h>

extern "C" __global__ void few(float *x)
{
    x[threadIdx.x] += 1;
}

extern "C" __global__ void many(const float *x, float *y)
{
    float a[64], sum = 0;
    for (int i = 0; i < 64; i++)
        a[i] = x[i * blockDim.x + threadIdx.x];
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 64; i++)
            a[i] = a[i] * a[(i + 7) & 63] + a[(i * 5 + 3) & 63];
    for (int i = 0; i < 64; i++)
        sum += a[i];
    y[threadIdx.x] = sum;
}

int main()
{
    const void *kernels[] = {(const void *)few, (const void *)many};
    const char *names[] = {"few", "many"};
    int most = 0;
    for (int i = 0; i < 2; i++) {
        cudaFuncAttributes a;
        if (cudaFuncGetAttributes(&a, kernels[i]) != cudaSuccess) return 1;
        printf("%s %d %d\n", names[i], a.numRegs, a.maxThreadsPerBlock);
        most = a.maxThreadsPerBlock;
    }
    float *x, *y;
    if (cudaMalloc(&x, 64 * 1024 * 4) != cudaSuccess || cudaMalloc(&y, 1024 * 4) != cudaSuccess) return 1;
    many<<<1, most>>>(x, y);
    if (cudaDeviceSynchronize() != cudaSuccess) return 1;
    many<<<1, most + 32>>>(x, y);
    return cudaGetLastError() == cudaErrorLaunchOutOfResources ? 0 : 1;
}
