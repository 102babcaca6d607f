// A histogram: atomics on shared memory, merged by atomics on global memory.
#include <cstdio>
#include <cstdlib>
#include <vector>

#define CHECK(call)                                                                              \
    do {                                                                                         \
        cudaError_t e = (call);                                                                  \
        if (e != cudaSuccess) {                                                                  \
            fprintf(stderr, "histogram: %s: %s\n", #call, cudaGetErrorString(e));                \
            exit(1);                                                                             \
        }                                                                                        \
    } while (0)

const int BINS = 256;

__global__ void histogram(const unsigned char *in, int n, unsigned *out)
{
    __shared__ unsigned bins[BINS];
    for (int i = threadIdx.x; i < BINS; i += blockDim.x)
        bins[i] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        atomicAdd(&bins[in[i]], 1u);
    __syncthreads();
    for (int i = threadIdx.x; i < BINS; i += blockDim.x)
        if (bins[i]) atomicAdd(&out[i], bins[i]);
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 500009;
    std::vector<unsigned char> in(n);
    std::vector<unsigned> expected(BINS), got(BINS);
    unsigned x = 12345;
    for (int i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        in[i] = (x >> 24) & (x >> 16);
        expected[in[i]]++;
    }
    unsigned char *din;
    unsigned *dout;
    CHECK(cudaMalloc(&din, n));
    CHECK(cudaMalloc(&dout, BINS * sizeof(unsigned)));
    CHECK(cudaMemcpy(din, in.data(), n, cudaMemcpyHostToDevice));
    CHECK(cudaMemset(dout, 0, BINS * sizeof(unsigned)));
    histogram<<<11, 100>>>(din, n, dout);
    CHECK(cudaGetLastError());
    CHECK(cudaMemcpy(got.data(), dout, BINS * sizeof(unsigned), cudaMemcpyDeviceToHost));
    int wrong = 0;
    for (int i = 0; i < BINS; i++)
        wrong += got[i] != expected[i];
    printf("histogram: %d bytes into %d bins, %d wrong: %s\n", n, BINS, wrong, wrong ? "FAIL" : "PASS");
    return wrong != 0;
}
