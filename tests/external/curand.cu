// cuRAND's host interface: numbers of the right moments, the same for the same seed, others for another seed.
#include <curand.h>

#include <vector>

#include "check.h"

static const int n = 20000;

static std::vector<float> numbers(curandRngType_t type, unsigned long long seed, bool normal)
{
    float *d;
    std::vector<float> v(n);
    curandGenerator_t generator;
    CHECK(cudaMalloc(&d, n * sizeof(float)));
    CHECK(cudaMemset(d, 0xff, n * sizeof(float)));
    CHECK(curandCreateGenerator(&generator, type));
    CHECK(curandSetPseudoRandomGeneratorSeed(generator, seed));
    CHECK(normal ? curandGenerateNormal(generator, d, n, 3, 2) : curandGenerateUniform(generator, d, n));
    CHECK(cudaMemcpy(v.data(), d, n * sizeof(float), cudaMemcpyDeviceToHost));
    CHECK(curandDestroyGenerator(generator));
    CHECK(cudaFree(d));
    return v;
}

static void moments(const std::vector<float> &v, double *mean, double *variance)
{
    double sum = 0, squares = 0;
    for (float x : v)
        sum += x;
    *mean = sum / v.size();
    for (float x : v)
        squares += (x - *mean) * (x - *mean);
    *variance = squares / v.size();
}

int main()
{
    static const struct {
        const char *name;
        curandRngType_t type;
    } generators[] = {{"XORWOW", CURAND_RNG_PSEUDO_XORWOW},
                      {"MRG32K3A", CURAND_RNG_PSEUDO_MRG32K3A},
                      {"Philox", CURAND_RNG_PSEUDO_PHILOX4_32_10}};
    for (const auto &g : generators) {
        char what[80];
        double mean, variance;
        std::vector<float> v = numbers(g.type, 42, false);
        bool inside = true;
        for (float x : v)
            inside = inside && x > 0 && x <= 1;
        moments(v, &mean, &variance);
        snprintf(what, sizeof what, "%s uniform", g.name);
        expect(inside && near(mean, 0.5, 0.01) && near(variance, 1.0 / 12, 0.005), what);
        snprintf(what, sizeof what, "%s repeats with its seed only", g.name);
        expect(numbers(g.type, 42, false) == v && numbers(g.type, 43, false) != v, what);
        moments(numbers(g.type, 42, true), &mean, &variance);
        snprintf(what, sizeof what, "%s normal", g.name);
        expect(near(mean, 3, 0.08) && near(variance, 4, 0.2), what);
    }
    return wrong_results != 0;
}
