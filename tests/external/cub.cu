// CUB: its device-wide and block-wide primitives against the same from the standard library.
#include <cub/cub.cuh>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "check.h"

template <class T> struct Device {
    T *p = nullptr;
    size_t n;
    explicit Device(size_t count) : n(count) { CHECK(cudaMalloc(&p, n * sizeof(T))); }
    explicit Device(const std::vector<T> &v) : Device(v.size())
    {
        CHECK(cudaMemcpy(p, v.data(), n * sizeof(T), cudaMemcpyHostToDevice));
    }
    ~Device() { cudaFree(p); }
    std::vector<T> host() const
    {
        std::vector<T> v(n);
        CHECK(cudaMemcpy(v.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost));
        return v;
    }
};

// CUB's two steps: how much room a primitive needs, and the work.
template <class F> static void with_room(F f)
{
    size_t bytes = 0;
    CHECK(f(nullptr, bytes));
    Device<char> room(bytes + 1);
    CHECK(f(room.p, bytes));
    CHECK(cudaDeviceSynchronize());
}

__global__ void block_wide(const int *in, int *sums, int *sorted)
{
    using Reduce = cub::BlockReduce<int, 128>;
    using Sort = cub::BlockRadixSort<int, 128, 4>;
    __shared__ union {
        typename Reduce::TempStorage reduce;
        typename Sort::TempStorage sort;
    } room;
    int items[4];
    for (int i = 0; i < 4; i++)
        items[i] = in[blockIdx.x * 512 + threadIdx.x * 4 + i];
    int sum = Reduce(room.reduce).Sum(items);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
    __syncthreads();
    Sort(room.sort).Sort(items);
    for (int i = 0; i < 4; i++)
        sorted[blockIdx.x * 512 + threadIdx.x * 4 + i] = items[i];
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 20011;
    std::mt19937 random(2);
    std::vector<int> keys(n);
    for (int &k : keys)
        k = (int)(random() % 3000) - 1500;
    std::vector<int> places(n), want = keys;
    std::iota(places.begin(), places.end(), 0);
    Device<int> d_keys(keys), d_places(places), out(n), out_places(n), one(1), count(1), lengths(n);

    with_room([&](void *room, size_t &bytes) { return cub::DeviceReduce::Sum(room, bytes, d_keys.p, one.p, n); });
    expect(one.host()[0] == std::accumulate(keys.begin(), keys.end(), 0), "DeviceReduce::Sum");
    with_room([&](void *room, size_t &bytes) { return cub::DeviceReduce::Min(room, bytes, d_keys.p, one.p, n); });
    expect(one.host()[0] == *std::min_element(keys.begin(), keys.end()), "DeviceReduce::Min");

    with_room([&](void *room, size_t &bytes) { return cub::DeviceScan::InclusiveSum(room, bytes, d_keys.p, out.p, n); });
    std::partial_sum(keys.begin(), keys.end(), want.begin());
    expect(out.host() == want, "DeviceScan::InclusiveSum");

    with_room([&](void *room, size_t &bytes) {
        return cub::DeviceRadixSort::SortPairs(room, bytes, d_keys.p, out.p, d_places.p, out_places.p, n);
    });
    std::stable_sort(places.begin(), places.end(), [&](int a, int b) { return keys[a] < keys[b]; });
    expect(out_places.host() == places, "DeviceRadixSort::SortPairs");

    std::vector<int> sorted = out.host(), runs, run_lengths;
    for (int i = 0; i < n; i++) {
        if (i == 0 || sorted[i] != sorted[i - 1]) runs.push_back(sorted[i]), run_lengths.push_back(0);
        run_lengths.back()++;
    }
    Device<int> d_sorted(sorted);
    with_room([&](void *room, size_t &bytes) {
        return cub::DeviceRunLengthEncode::Encode(room, bytes, d_sorted.p, out.p, lengths.p, count.p, n);
    });
    std::vector<int> got = out.host(), got_lengths = lengths.host();
    size_t found = (size_t)count.host()[0];
    expect(found == runs.size() && std::equal(runs.begin(), runs.end(), got.begin()) &&
               std::equal(run_lengths.begin(), run_lengths.end(), got_lengths.begin()), "DeviceRunLengthEncode::Encode");

    std::vector<int> bins(30);
    for (int k : keys)
        bins[(k + 1500) / 100]++;
    Device<int> histogram(30);
    with_room([&](void *room, size_t &bytes) {
        return cub::DeviceHistogram::HistogramEven(room, bytes, d_keys.p, histogram.p, 31, -1500, 1500, n);
    });
    expect(histogram.host() == bins, "DeviceHistogram::HistogramEven");

    int blocks = n / 512;
    Device<int> sums(blocks), parts(blocks * 512);
    block_wide<<<blocks, 128>>>(d_keys.p, sums.p, parts.p);
    CHECK(cudaDeviceSynchronize());
    std::vector<int> want_sums(blocks), want_parts(keys.begin(), keys.begin() + blocks * 512);
    for (int b = 0; b < blocks; b++) {
        auto first = want_parts.begin() + b * 512;
        want_sums[b] = std::accumulate(first, first + 512, 0);
        std::sort(first, first + 512);
    }
    expect(sums.host() == want_sums, "BlockReduce");
    expect(parts.host() == want_parts, "BlockRadixSort");
    return wrong_results != 0;
}
