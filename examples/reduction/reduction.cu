// A sum: warp shuffles within a warp, shared memory within a block, atomicAdd between blocks.
#include <cstdio>
#include <cstdlib>
#include <vector>

#define CHECK(call)                                                                              \
    do {                                                                                         \
        cudaError_t e = (call);                                                                  \
        if (e != cudaSuccess) {                                                                  \
            fprintf(stderr, "reduction: %s: %s\n", #call, cudaGetErrorString(e));                \
            exit(1);                                                                             \
        }                                                                                        \
    } while (0)

__device__ unsigned long long warp_sum(unsigned long long v)
{
    for (int d = 16; d > 0; d /= 2)
        v += __shfl_down_sync(0xffffffff, v, d);
    return v;
}

__global__ void sum(const unsigned *in, int n, unsigned long long *out)
{
    __shared__ unsigned long long parts[32];
    unsigned long long v = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        v += in[i];
    v = warp_sum(v);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = v;
    __syncthreads();
    if (threadIdx.x < 32) {
        v = warp_sum(threadIdx.x < blockDim.x / 32 ? parts[threadIdx.x] : 0);
        if (threadIdx.x == 0) atomicAdd(out, v);
    }
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 1234567;
    std::vector<unsigned> in(n);
    unsigned long long expected = 0, got = 0;
    for (int i = 0; i < n; i++)
        expected += in[i] = i * 2654435761u >> 8;
    unsigned *din;
    unsigned long long *dout;
    CHECK(cudaMalloc(&din, n * sizeof(unsigned)));
    CHECK(cudaMalloc(&dout, sizeof *dout));
    CHECK(cudaMemcpy(din, in.data(), n * sizeof(unsigned), cudaMemcpyHostToDevice));
    CHECK(cudaMemset(dout, 0, sizeof *dout));
    sum<<<37, 192>>>(din, n, dout);
    CHECK(cudaGetLastError());
    CHECK(cudaMemcpy(&got, dout, sizeof got, cudaMemcpyDeviceToHost));
    printf("reduction: %d elements, sum %llu, expected %llu: %s\n", n, got, expected,
           got == expected ? "PASS" : "FAIL");
    return got != expected;
}
