// printf in a kernel: what each thread prints arrives whole, before the synchronization returns.
#include <cstdio>
#include <cstdlib>

__global__ void hello(int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) printf("thread %d of %d: %s %.3f %5d%% %c %lld\n", i, n, "pi is about", 3.14159265, i * 10, 'a' + i, 1ll << (i + 32));
}

int main()
{
    printf("printf: before\n");
    hello<<<3, 2>>>(5);
    cudaError_t e = cudaDeviceSynchronize();
    printf("printf: after, %s: %s\n", cudaGetErrorString(e), e == cudaSuccess ? "PASS" : "FAIL");
    return e != cudaSuccess;
}
