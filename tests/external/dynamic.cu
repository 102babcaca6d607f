// Dynamic parallelism: kernels that launch kernels, and cooperative groups through NVIDIA's device runtime.
#include <vector>

#include "check.h"

__global__ void step(int *x, int factor, int addend)
{
    *x = *x * factor + addend;
}

// In one stream grids run in the order in which they were launched.
__global__ void in_order(int *x)
{
    for (int i = 1; i < 6; i++)
        step<<<1, 1>>>(x, 3, i);
}

struct Place {
    int *out;
    double unused;
    int depth, at;
};

// A tree of grids: each counts itself at its place and launches two more.
__global__ void tree(Place p)
{
    p.out[p.at]++;
    if (p.depth == 0) return;
    for (int side = 0; side < 2; side++)
        tree<<<1, 1>>>(Place{p.out, p.unused, p.depth - 1, 2 * p.at + side});
}

__global__ void fill(int *x, int n, int v)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n) x[i] = v;
}

__global__ void sum(const int *x, int n, int *out)
{
    *out = 0;
    for (int i = 0; i < n; i++)
        *out += x[i];
}

// The tail launch comes after all other children, and after its own launcher.
__global__ void tail(int *x, int n, int *out)
{
    sum<<<1, 1, 0, cudaStreamTailLaunch>>>(x, n, out);
    fill<<<(n + 63) / 64, 64, 0, cudaStreamFireAndForget>>>(x, n / 2, 2);
    fill<<<(n + 63) / 64, 64>>>(x + n / 2, n - n / 2, 5);
}

// A chain of tail launches, as device-side schedulers use them.
__global__ void chain(int *count, int left)
{
    ++*count;
    if (left) chain<<<1, 1, 0, cudaStreamTailLaunch>>>(count, left - 1);
}

__global__ void streams(int *x, int *told)
{
    cudaStream_t a, b;
    cudaEvent_t e;
    told[0] = cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking);
    told[1] = cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking);
    told[2] = cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
    step<<<1, 1, 0, a>>>(x, 1, 4);
    told[3] = cudaEventRecord(e, a);
    told[4] = cudaStreamWaitEvent(b, e, 0);
    step<<<1, 1, 0, b>>>(x, 10, 0);
    told[5] = cudaEventDestroy(e);
    told[6] = cudaStreamDestroy(a);
    told[7] = cudaStreamDestroy(b);
}

__global__ void errors(int *x, int *told)
{
    step<<<1, 2000>>>(x, 1, 1);
    told[0] = cudaGetLastError();
    told[1] = cudaGetLastError();
    step<<<0, 1>>>(x, 1, 1);
    told[2] = cudaPeekAtLastError();
    told[3] = cudaGetLastError();
    told[4] = cudaDeviceGetAttribute(&told[5], cudaDevAttrWarpSize, 0);
}

// The fill is with 0: libcudadevrt of CUDA 13.0 does not look at the value.
__global__ void copies(const int *from, int *to, int n)
{
    cudaMemsetAsync(to, 0, 2 * n * sizeof(int), 0);
    cudaMemcpyAsync(to, from, n * sizeof(int), cudaMemcpyDeviceToDevice, 0);
}

// What cooperative_groups.h calls where it is not inlined. Each block reads what the next one wrote before the barrier.
__global__ void whole_grid(int *x, int *out, unsigned *size)
{
    unsigned long long grid = cudaCGGetIntrinsicHandle(cudaCGScopeGrid);
    unsigned rank, ignored;
    cudaCGGetRank(&rank, &ignored, grid);
    cudaCGGetSize(size, &ignored, grid);
    x[rank] = (int)rank;
    cudaCGSynchronize(grid, 0);
    out[rank] = x[(rank + blockDim.x) % *size];
}

__global__ void broken(int *nowhere)
{
    step<<<1, 1>>>(nowhere, 1, 1);
}

static std::vector<int> host(const int *p, int n)
{
    std::vector<int> v(n);
    CHECK(cudaMemcpy(v.data(), p, n * sizeof(int), cudaMemcpyDeviceToHost));
    return v;
}

int main()
{
    const int n = 1000;
    int *x, *out;
    unsigned *size;
    CHECK(cudaMalloc(&x, 4096 * sizeof(int)));
    CHECK(cudaMalloc(&out, 4096 * sizeof(int)));
    CHECK(cudaMalloc(&size, sizeof *size));
    CHECK(cudaMemset(x, 0, 4096 * sizeof(int)));

    in_order<<<1, 1>>>(x);
    int want = 0;
    for (int i = 1; i < 6; i++)
        want = want * 3 + i;
    expect(host(x, 1)[0] == want, "children in order");

    const int depth = 9;
    CHECK(cudaMemset(out, 0, 4096 * sizeof(int)));
    tree<<<1, 1>>>(Place{out, 0.5, depth, 1});
    std::vector<int> grids = host(out, 2 << depth);
    bool right = grids[0] == 0;
    for (int at = 1; at < 2 << depth; at++)
        right = right && grids[at] == 1;
    expect(right, "a tree of grids");

    tail<<<1, 1>>>(x, n, out);
    expect(host(out, 1)[0] == n / 2 * 2 + (n - n / 2) * 5, "tail launch");
    CHECK(cudaMemset(out, 0, sizeof(int)));
    chain<<<1, 1>>>(out, 5000);
    expect(host(out, 1)[0] == 5001, "a chain of tail launches");

    CHECK(cudaMemset(x, 0, sizeof(int)));
    streams<<<1, 1>>>(x, out);
    std::vector<int> told = host(out, 8);
    bool succeeded = true;
    for (int t : told)
        succeeded = succeeded && t == cudaSuccess;
    expect(succeeded && host(x, 1)[0] == 40, "streams and events");

    errors<<<1, 1>>>(x, out);
    told = host(out, 6);
    expect(told[0] == cudaErrorInvalidConfiguration && told[1] == cudaSuccess && told[2] == told[0] && told[3] == told[0] &&
               told[4] == cudaSuccess && told[5] == 32,
           "errors and attributes");

    fill<<<16, 64>>>(x, n, 7);
    CHECK(cudaMemset(out, 0xff, 2 * n * sizeof(int)));
    copies<<<1, 1>>>(x, out, n);
    told = host(out, 2 * n);
    right = true;
    for (int i = 0; i < 2 * n; i++)
        right = right && told[i] == (i < n ? 7 : 0);
    expect(right, "copies and fills");

    void *arguments[] = {&x, &out, &size};
    CHECK(cudaLaunchCooperativeKernel(whole_grid, dim3(3, 1), dim3(40, 2), arguments, 0, nullptr));
    told = host(out, 240);
    right = host((int *)size, 1)[0] == 240;
    for (int i = 0; i < 240; i++)
        right = right && told[i] == (i + 40) % 240;
    expect(right, "a barrier of the device runtime");

    CHECK(cudaDeviceSynchronize());
    broken<<<1, 1>>>((int *)16);
    expect(cudaDeviceSynchronize() == cudaErrorIllegalAddress, "a child's fault is the launch's");
    return wrong_results != 0;
}
