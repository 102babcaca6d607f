// cuFFT: a transform against the definition, and back again.
#include <cufft.h>

#include <complex>
#include <vector>

#include "check.h"

static void there_and_back(int n)
{
    std::vector<std::complex<float>> x(n), got(n);
    for (int i = 0; i < n; i++)
        x[i] = {(float)(i * 7 % 11) - 5, (float)(i * 5 % 13) - 6};
    cufftComplex *d;
    cufftHandle plan;
    char what[80];
    CHECK(cudaMalloc(&d, n * sizeof *d));
    CHECK(cudaMemcpy(d, x.data(), n * sizeof *d, cudaMemcpyHostToDevice));
    CHECK(cufftPlan1d(&plan, n, CUFFT_C2C, 1));
    CHECK(cufftExecC2C(plan, d, d, CUFFT_FORWARD));
    CHECK(cudaMemcpy(got.data(), d, n * sizeof *d, cudaMemcpyDeviceToHost));
    double worst = 0;
    for (int k = 0; k < n; k++) {
        std::complex<double> sum = 0;
        for (int i = 0; i < n; i++)
            sum += std::complex<double>(x[i]) * std::polar(1.0, -2 * M_PI * ((long long)i * k % n) / n);
        worst = std::fmax(worst, std::abs(sum - std::complex<double>(got[k])));
    }
    snprintf(what, sizeof what, "forward, %d points", n);
    expect(worst < 1e-3 * n, what);
    CHECK(cufftExecC2C(plan, d, d, CUFFT_INVERSE));
    CHECK(cudaMemcpy(got.data(), d, n * sizeof *d, cudaMemcpyDeviceToHost));
    worst = 0;
    for (int i = 0; i < n; i++)
        worst = std::fmax(worst, std::abs(std::complex<double>(got[i]) / (double)n - std::complex<double>(x[i])));
    snprintf(what, sizeof what, "and back, %d points", n);
    expect(worst < 1e-4, what);
    CHECK(cufftDestroy(plan));
    CHECK(cudaFree(d));
}

int main()
{
    there_and_back(256);
    there_and_back(1000);
    there_and_back(509);
    return wrong_results != 0;
}
