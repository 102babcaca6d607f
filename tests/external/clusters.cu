// Clusters of blocks: shared memory of other blocks, by loads, atomics and barriers, and the cluster's own barrier.
#include <cooperative_groups.h>

#include <numeric>
#include <vector>

#include "check.h"

namespace cg = cooperative_groups;

// Every block of a cluster keeps a part of the bins.
__global__ void histogram(const int *in, int n, int *bins, int bins_per_block)
{
    extern __shared__ int mine[];
    auto cluster = cg::this_cluster();
    for (int i = threadIdx.x; i < bins_per_block; i += blockDim.x) mine[i] = 0;
    cluster.sync();
    for (int i = (int)cg::this_grid().thread_rank(); i < n; i += gridDim.x * blockDim.x) {
        int *part = cluster.map_shared_rank(mine, in[i] / bins_per_block);
        atomicAdd(part + in[i] % bins_per_block, 1);
    }
    cluster.sync();
    int *out = bins + cluster.block_rank() * bins_per_block;
    for (int i = threadIdx.x; i < bins_per_block; i += blockDim.x) atomicAdd(out + i, mine[i]);
}

// Values go round the ring of a cluster's blocks.
__global__ void __cluster_dims__(2, 2, 1) ring(int *out)
{
    __shared__ int box[2];
    auto cluster = cg::this_cluster();
    unsigned n = cluster.num_blocks(), rank = cluster.block_rank();
    if (threadIdx.x == 0) box[0] = (int)(blockIdx.y * gridDim.x + blockIdx.x);
    cluster.sync();
    for (unsigned step = 0; step < n; step++) {
        int *next = cluster.map_shared_rank(box, (rank + 1) % n);
        if (threadIdx.x == 0) next[(step + 1) % 2] = box[step % 2];
        auto token = cluster.barrier_arrive();
        cluster.barrier_wait(std::move(token));
    }
    if (threadIdx.x == 0) {
        int at = (int)(blockIdx.y * gridDim.x + blockIdx.x);
        dim3 index = cluster.block_index(), size = cluster.dim_blocks();
        out[4 * at] = box[n % 2] == at;
        out[4 * at + 1] = (int)rank;
        out[4 * at + 2] = index.x == blockIdx.x % size.x && index.y == blockIdx.y % size.y && size.x == 2 && size.y == 2;
        out[4 * at + 3] = cluster.query_shared_rank(cluster.map_shared_rank(box, 3)) == 3;
    }
}

// Blocks tell the first one through a barrier in its shared memory that their values are there.
__global__ void gathered(int *out)
{
    __shared__ int sum;
    __shared__ unsigned long long all;
    auto cluster = cg::this_cluster();
    unsigned at = (unsigned)__cvta_generic_to_shared(&all), done = 0;
    if (threadIdx.x == 0 && cluster.block_rank() == 0) {
        sum = 0;
        asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" : : "r"(at), "r"(cluster.num_threads()) : "memory");
    }
    cluster.sync();
    atomicAdd(cluster.map_shared_rank(&sum, 0), (int)cg::this_grid().thread_rank());
    asm volatile("{\n .reg .b32 a;\n mapa.shared::cluster.u32 a, %0, 0;\n"
                 " mbarrier.arrive.release.cluster.shared::cluster.b64 _, [a];\n}" : : "r"(at) : "memory");
    while (cluster.block_rank() == 0 && !done)
        asm volatile("{\n .reg .pred p;\n mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], 0;\n"
                     " selp.u32 %0, 1, 0, p;\n}" : "=r"(done) : "r"(at) : "memory");
    if (cluster.block_rank() == 0 && threadIdx.x == 0) out[blockIdx.x / cluster.num_blocks()] = sum;
    cluster.sync();
}

template <typename... Args>
static cudaError_t launch(void (*kernel)(Args...), dim3 grid, dim3 block, size_t shared, dim3 cluster, Args... args)
{
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim = {cluster.x, cluster.y, cluster.z};
    cudaLaunchConfig_t config = {};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = shared;
    config.attrs = &attribute;
    config.numAttrs = 1;
    return cudaLaunchKernelEx(&config, kernel, args...);
}

int main()
{
    int able = 0;
    CHECK(cudaDeviceGetAttribute(&able, cudaDevAttrClusterLaunch, 0));
    expect(able == 1, "the device has clusters");

    const int n = 20000, bins = 256;
    std::vector<int> in(n), want(bins), got(bins);
    for (int i = 0; i < n; i++) want[in[i] = (int)((i * 2654435761u >> 7) % bins)]++;
    int *a, *b;
    CHECK(cudaMalloc(&a, n * sizeof(int)));
    CHECK(cudaMalloc(&b, n * sizeof(int)));
    CHECK(cudaMemcpy(a, in.data(), n * sizeof(int), cudaMemcpyDefault));
    for (unsigned size : {1u, 2u, 4u, 8u}) {
        CHECK(cudaMemset(b, 0, bins * sizeof(int)));
        CHECK(launch(histogram, dim3(16), dim3(128), bins / size * sizeof(int), dim3(size), (const int *)a, n, b,
                     (int)(bins / size)));
        CHECK(cudaMemcpy(got.data(), b, bins * sizeof(int), cudaMemcpyDefault));
        expect(got == want, size == 1 ? "histogram without clusters" : "histogram in clusters");
    }

    std::vector<int> round(4 * 24);
    CHECK(cudaMemset(b, 0, round.size() * sizeof(int)));
    ring<<<dim3(6, 4), 64>>>(b);
    CHECK(cudaMemcpy(round.data(), b, round.size() * sizeof(int), cudaMemcpyDefault));
    bool right = true;
    for (int i = 0; i < 24; i++)
        right = right && round[4 * i] && round[4 * i + 1] == i % 6 % 2 + i / 6 % 2 * 2 && round[4 * i + 2] && round[4 * i + 3];
    expect(right, "a ring of blocks");

    CHECK(cudaMemset(b, 0, 4 * sizeof(int)));
    CHECK(launch(gathered, dim3(12), dim3(32), 0, dim3(3), b));
    std::vector<int> sums(4);
    CHECK(cudaMemcpy(sums.data(), b, 4 * sizeof(int), cudaMemcpyDefault));
    for (int i = 0; i < 4; i++) right = right && sums[i] == 96 * (96 * i) + 95 * 96 / 2;
    expect(right, "a barrier in another block's shared memory");

    expect(launch(histogram, dim3(15), dim3(128), 1024, dim3(4), (const int *)a, n, b, 64) == cudaErrorInvalidClusterSize,
           "the grid must be made of clusters");
    expect(launch(histogram, dim3(16), dim3(128), 1024, dim3(16), (const int *)a, n, b, 16) == cudaErrorInvalidClusterSize,
           "16 blocks are not portable");
    cudaGetLastError();
    CHECK(cudaFuncSetAttribute(histogram, cudaFuncAttributeNonPortableClusterSizeAllowed, 1));
    cudaFuncAttributes about;
    CHECK(cudaFuncGetAttributes(&about, ring));
    expect(about.requiredClusterWidth == 2 && about.requiredClusterHeight == 2 && about.requiredClusterDepth == 1,
           "the kernel's own cluster");
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim = {4, 1, 1};
    cudaLaunchConfig_t config = {};
    config.gridDim = 16;
    config.blockDim = 128;
    config.attrs = &attribute;
    config.numAttrs = 1;
    int active = 0, largest = 0;
    CHECK(cudaOccupancyMaxActiveClusters(&active, histogram, &config));
    CHECK(cudaOccupancyMaxPotentialClusterSize(&largest, gathered, &config));
    expect(active >= 1 && largest >= 8, "occupancy");
    CHECK(cudaFree(a));
    CHECK(cudaFree(b));
    return wrong_results != 0;
}
