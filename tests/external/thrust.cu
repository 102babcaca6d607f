// Thrust: what it computes on the device against the same from the standard library.
#include <thrust/copy.h>
#include <thrust/count.h>
#include <thrust/device_vector.h>
#include <thrust/host_vector.h>
#include <thrust/inner_product.h>
#include <thrust/reduce.h>
#include <thrust/scan.h>
#include <thrust/sequence.h>
#include <thrust/sort.h>
#include <thrust/transform.h>
#include <thrust/unique.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "check.h"

struct odd {
    __host__ __device__ bool operator()(int x) const { return x & 1; }
};

struct affine {
    float a, b;
    __host__ __device__ float operator()(float x) const { return a * x + b; }
};

template <class T> static std::vector<T> host(const thrust::device_vector<T> &v)
{
    std::vector<T> out(v.size());
    thrust::copy(v.begin(), v.end(), out.begin());
    return out;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 20011;
    std::mt19937 random(1);
    std::vector<int> numbers(n);
    for (int &x : numbers)
        x = (int)(random() % 5000) - 2500;
    const thrust::device_vector<int> given(numbers.begin(), numbers.end());

    thrust::device_vector<int> v = given;
    std::vector<int> want = numbers;
    thrust::sort(v.begin(), v.end());
    std::sort(want.begin(), want.end());
    expect(host(v) == want, "sort");

    v.erase(thrust::unique(v.begin(), v.end()), v.end());
    want.erase(std::unique(want.begin(), want.end()), want.end());
    expect(host(v) == want, "unique");

    v = given;
    want = numbers;
    thrust::device_vector<int> at(n);
    std::vector<int> want_at(n);
    thrust::sequence(at.begin(), at.end());
    std::iota(want_at.begin(), want_at.end(), 0);
    thrust::stable_sort_by_key(v.begin(), v.end(), at.begin(), thrust::greater<int>());
    std::stable_sort(want_at.begin(), want_at.end(), [&](int a, int b) { return numbers[a] > numbers[b]; });
    expect(host(at) == want_at, "stable_sort_by_key");

    expect(thrust::reduce(given.begin(), given.end()) == std::accumulate(numbers.begin(), numbers.end(), 0), "reduce");
    expect(thrust::reduce(given.begin(), given.end(), -9999, thrust::maximum<int>()) ==
               *std::max_element(numbers.begin(), numbers.end()), "reduce to the maximum");
    expect(thrust::count_if(given.begin(), given.end(), odd()) == std::count_if(numbers.begin(), numbers.end(), odd()),
           "count_if");
    expect(thrust::inner_product(given.begin(), given.end(), given.begin(), 0LL) ==
               std::inner_product(numbers.begin(), numbers.end(), numbers.begin(), 0LL), "inner_product");

    v.resize(n);
    want.resize(n);
    thrust::inclusive_scan(given.begin(), given.end(), v.begin());
    std::partial_sum(numbers.begin(), numbers.end(), want.begin());
    expect(host(v) == want, "inclusive_scan");
    thrust::exclusive_scan(given.begin(), given.end(), v.begin(), 7);
    std::exclusive_scan(numbers.begin(), numbers.end(), want.begin(), 7);
    expect(host(v) == want, "exclusive_scan");

    v.erase(thrust::copy_if(given.begin(), given.end(), v.begin(), odd()), v.end());
    want.erase(std::copy_if(numbers.begin(), numbers.end(), want.begin(), odd()), want.end());
    expect(host(v) == want, "copy_if");

    thrust::device_vector<float> x(n);
    thrust::sequence(x.begin(), x.end(), 0.5f);
    thrust::transform(x.begin(), x.end(), x.begin(), affine{2, -1});
    std::vector<float> got = host(x);
    bool right = true;
    for (int i = 0; i < n; i++)
        right = right && got[i] == 2.0f * i;
    expect(right, "transform");
    return wrong_results != 0;
}
