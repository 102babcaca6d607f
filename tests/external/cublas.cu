// cuBLAS: a vector operation of each kind and a product of matrices, against the definition.
#include <cublas_v2.h>

#include <thread>
#include <vector>

#include "check.h"

static float *device(const std::vector<float> &v)
{
    float *p;
    CHECK(cudaMalloc(&p, v.size() * sizeof(float)));
    CHECK(cudaMemcpy(p, v.data(), v.size() * sizeof(float), cudaMemcpyHostToDevice));
    return p;
}

static std::vector<float> host(const float *p, size_t n)
{
    std::vector<float> v(n);
    CHECK(cudaMemcpy(v.data(), p, n * sizeof(float), cudaMemcpyDeviceToHost));
    return v;
}

int main()
{
    const int n = 1001, m = 33, k = 20, cols = 17;
    cublasHandle_t handle;
    CHECK(cublasCreate(&handle));
    std::vector<float> x(n), y(n), want(n);
    double dot = 0;
    for (int i = 0; i < n; i++) {
        x[i] = (float)(i % 7) - 3;
        y[i] = (float)(i % 5) - 2;
        want[i] = 2 * x[i] + y[i];
        dot += (double)x[i] * y[i];
    }
    float *dx = device(x), *dy = device(y), two = 2, one = 1, zero = 0, result = 0;
    CHECK(cublasSdot(handle, n, dx, 1, dy, 1, &result));
    expect(result == (float)dot, "sdot");
    CHECK(cublasSaxpy(handle, n, &two, dx, 1, dy, 1));
    expect(host(dy, n) == want, "saxpy");

    std::vector<float> a(m * k), b(k * cols), c(m * cols), v(m);
    for (size_t i = 0; i < a.size(); i++)
        a[i] = (float)(i * 3 % 11) - 5;
    for (size_t i = 0; i < b.size(); i++)
        b[i] = (float)(i * 5 % 13) - 6;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < cols; j++)
            for (int l = 0; l < k; l++)
                c[i + j * m] += a[i + l * m] * b[l + j * k];
    float *da = device(a), *db = device(b), *dc = device(std::vector<float>(m * cols)), *dv = device(v);
    CHECK(cublasSgemv(handle, CUBLAS_OP_N, m, k, &one, da, m, db, 1, &zero, dv, 1));
    expect(host(dv, m) == std::vector<float>(c.begin(), c.begin() + m), "sgemv");
    CHECK(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, m, cols, k, &one, da, m, db, k, &zero, dc, m));
    expect(host(dc, m * cols) == c, "sgemm");

    // On a thread that has no context yet.
    CHECK(cudaMemset(dc, 0, m * cols * sizeof(float)));
    std::thread([&] {
        CHECK(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, m, cols, k, &one, da, m, db, k, &zero, dc, m));
    }).join();
    expect(host(dc, m * cols) == c, "sgemm of another thread");
    CHECK(cublasDestroy(handle));
    return wrong_results != 0;
}
