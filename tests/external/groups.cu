// Cooperative groups: tiles, reductions, coalesced groups and a barrier over the whole grid.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>

#include <vector>

#include "check.h"

namespace cg = cooperative_groups;

__global__ void tiles(int *sums, int *scans, int *neighbours)
{
    auto tile = cg::tiled_partition<8>(cg::this_thread_block());
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    int sum = cg::reduce(tile, i, cg::plus<int>());
    if (tile.thread_rank() == 0) sums[i / 8] = sum;
    scans[i] = cg::inclusive_scan(tile, i);
    neighbours[i] = tile.shfl_down(i, 1);
}

__global__ void coalesced(int *counts, int *ranks)
{
    int i = threadIdx.x;
    ranks[i] = -1;
    if (i % 3 == 0) {
        auto active = cg::coalesced_threads();
        ranks[i] = (int)active.thread_rank();
        if (active.thread_rank() == 0) counts[i / 32] = (int)active.size();
    }
}

// A tile of two warps meets in the shared memory that is reserved for it; `mine` must not feel it.
__global__ void wide_tiles(int *sums, int *spoilt)
{
    __shared__ cg::block_tile_memory<128> scratch;
    __shared__ int mine[256];
    for (int i = threadIdx.x; i < 256; i += blockDim.x) mine[i] = i + 1;
    __syncthreads();
    auto block = cg::this_thread_block(scratch);
    auto tile = cg::tiled_partition<64>(block);
    int sum = cg::reduce(tile, (int)threadIdx.x, cg::plus<int>());
    tile.sync();
    sums[threadIdx.x] = sum + cg::reduce(tile, 1, cg::plus<int>());
    block.sync();
    for (int i = threadIdx.x; i < 256; i += blockDim.x)
        if (mine[i] != i + 1) atomicAdd(spoilt, 1);
}

// Groups by label: at one instruction each has a member mask of its own.
__global__ void labelled(const int *labels, int *sums)
{
    auto group = cg::labeled_partition(cg::coalesced_threads(), labels[threadIdx.x]);
    sums[threadIdx.x] = cg::reduce(group, (int)threadIdx.x, cg::plus<int>());
}

// Each step adds to every element what its left neighbour held before the step: wrong without the barrier.
__global__ void stepped(int *a, int *b, int steps)
{
    auto grid = cg::this_grid();
    int n = (int)grid.size(), i = (int)grid.thread_rank();
    for (int s = 0; s < steps; s++) {
        b[i] = a[i] + a[(i + n - 1) % n];
        grid.sync();
        int *t = a;
        a = b;
        b = t;
    }
}

static std::vector<int> host(const int *p, int n)
{
    std::vector<int> v(n);
    CHECK(cudaMemcpy(v.data(), p, n * sizeof(int), cudaMemcpyDeviceToHost));
    return v;
}

int main()
{
    const int n = 1024, steps = 6;
    int *a, *b, *c;
    CHECK(cudaMalloc(&a, n * sizeof(int)));
    CHECK(cudaMalloc(&b, n * sizeof(int)));
    CHECK(cudaMalloc(&c, n * sizeof(int)));

    tiles<<<8, 128>>>(a, b, c);
    CHECK(cudaDeviceSynchronize());
    std::vector<int> sums = host(a, n / 8), scans = host(b, n), neighbours = host(c, n);
    bool sums_right = true, scans_right = true, neighbours_right = true;
    for (int i = 0, running = 0; i < n; i++) {
        running = i % 8 ? running + i : i;
        scans_right = scans_right && scans[i] == running;
        neighbours_right = neighbours_right && neighbours[i] == (i % 8 == 7 ? i : i + 1);
        if (i % 8 == 7) sums_right = sums_right && sums[i / 8] == running;
    }
    expect(sums_right, "reduce over tiles of 8");
    expect(scans_right, "inclusive_scan over tiles of 8");
    expect(neighbours_right, "shfl_down in tiles of 8");

    coalesced<<<1, 64>>>(a, b);
    CHECK(cudaDeviceSynchronize());
    std::vector<int> counts = host(a, 2), ranks = host(b, 64);
    bool right = counts[0] == 11 && counts[1] == 11; // multiples of 3 below 32, and from 32 to 63
    for (int i = 0, rank = 0; i < 64; i++) {
        if (i == 32) rank = 0;
        right = right && ranks[i] == (i % 3 == 0 ? rank++ : -1);
    }
    expect(right, "coalesced_threads");

    CHECK(cudaMemset(b, 0, sizeof(int)));
    wide_tiles<<<1, 128>>>(a, b);
    CHECK(cudaDeviceSynchronize());
    std::vector<int> wide = host(a, 128);
    right = host(b, 1)[0] == 0;
    for (int i = 0; i < 128; i++)
        right = right && wide[i] == (i < 64 ? 63 * 32 : 63 * 32 + 64 * 64) + 64;
    expect(right, "tiles of two warps");

    std::vector<int> labels(64);
    for (int i = 0; i < 64; i++)
        labels[i] = i * i % 5;
    CHECK(cudaMemcpy(c, labels.data(), 64 * sizeof(int), cudaMemcpyHostToDevice));
    labelled<<<1, 64>>>(c, a);
    CHECK(cudaDeviceSynchronize());
    std::vector<int> by_label = host(a, 64);
    right = true;
    for (int i = 0; i < 64; i++) {
        int sum = 0;
        for (int k = i / 32 * 32; k < i / 32 * 32 + 32; k++) sum += labels[k] == labels[i] ? k : 0;
        right = right && by_label[i] == sum;
    }
    expect(right, "labeled_partition");

    std::vector<int> x(n), y(n);
    for (int i = 0; i < n; i++)
        x[i] = i * i % 17;
    CHECK(cudaMemcpy(a, x.data(), n * sizeof(int), cudaMemcpyHostToDevice));
    int count = steps;
    void *args[] = {&a, &b, &count};
    CHECK(cudaLaunchCooperativeKernel((void *)stepped, dim3(8), dim3(128), args));
    CHECK(cudaDeviceSynchronize());
    for (int s = 0; s < steps; s++) {
        for (int i = 0; i < n; i++)
            y[i] = x[i] + x[(i + n - 1) % n];
        x = y;
    }
    expect(host(steps % 2 ? b : a, n) == x, "grid.sync");
    return wrong_results != 0;
}
