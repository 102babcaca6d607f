// cuSOLVER: a linear system by LU, a least-squares factorization and eigenvalues, each checked by what it must satisfy.
#include <cusolverDn.h>

#include <vector>

#include "check.h"

using Matrix = std::vector<double>; // column after column

static double *device(const Matrix &v)
{
    double *p;
    CHECK(cudaMalloc(&p, v.size() * sizeof(double)));
    CHECK(cudaMemcpy(p, v.data(), v.size() * sizeof(double), cudaMemcpyHostToDevice));
    return p;
}

static Matrix host(const double *p, size_t n)
{
    Matrix v(n);
    CHECK(cudaMemcpy(v.data(), p, n * sizeof(double), cudaMemcpyDeviceToHost));
    return v;
}

// Whether the algorithm said that all went well; every routine writes it to the device.
static bool succeeded(const int *info)
{
    int value = -1;
    CHECK(cudaMemcpy(&value, info, sizeof value, cudaMemcpyDeviceToHost));
    return value == 0;
}

static void lu(cusolverDnHandle_t handle, int *info)
{
    const int n = 25;
    Matrix a(n * n), x(n), b(n);
    for (int i = 0; i < n * n; i++)
        a[i] = (i * 7 % 23) - 11 + (i % (n + 1) ? 0 : 40);
    for (int i = 0; i < n; i++)
        x[i] = i % 9 - 4;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            b[i] += a[i + j * n] * x[j];
    double *da = device(a), *db = device(b), *work;
    int room, *pivots;
    CHECK(cusolverDnDgetrf_bufferSize(handle, n, n, da, n, &room));
    CHECK(cudaMalloc(&work, room * sizeof(double)));
    CHECK(cudaMalloc(&pivots, n * sizeof(int)));
    CHECK(cusolverDnDgetrf(handle, n, n, da, n, work, pivots, info));
    bool right = succeeded(info);
    CHECK(cusolverDnDgetrs(handle, CUBLAS_OP_N, n, 1, da, n, pivots, db, n, info));
    Matrix got = host(db, n);
    for (int i = 0; i < n; i++)
        right = right && near(got[i], x[i], 1e-9);
    expect(right, "getrf and getrs solve a system");
}

static void cholesky(cusolverDnHandle_t handle, int *info)
{
    const int n = 20;
    Matrix a(n * n);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            a[i + j * n] = i == j ? n : 1.0 / (1 + i + j);
    double *da = device(a), *work;
    int room;
    CHECK(cusolverDnDpotrf_bufferSize(handle, CUBLAS_FILL_MODE_LOWER, n, da, n, &room));
    CHECK(cudaMalloc(&work, room * sizeof(double)));
    CHECK(cusolverDnDpotrf(handle, CUBLAS_FILL_MODE_LOWER, n, da, n, work, room, info));
    bool right = succeeded(info);
    Matrix l = host(da, n * n);
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++) {
            double sum = 0;
            for (int k = 0; k <= j; k++)
                sum += l[i + k * n] * l[j + k * n];
            right = right && near(sum, a[i + j * n], 1e-10);
        }
    expect(right, "potrf: the factor times its transpose is the matrix");
}

static void eigenvalues(cusolverDnHandle_t handle, int *info)
{
    const int n = 12; // 2 on the diagonal and -1 beside it: the eigenvalues are known
    Matrix a(n * n);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            a[i + j * n] = i == j ? 2 : i - j == 1 || j - i == 1 ? -1 : 0;
    double *da = device(a), *dw = device(Matrix(n)), *work;
    int room;
    CHECK(cusolverDnDsyevd_bufferSize(handle, CUSOLVER_EIG_MODE_NOVECTOR, CUBLAS_FILL_MODE_LOWER, n, da, n, dw, &room));
    CHECK(cudaMalloc(&work, room * sizeof(double)));
    CHECK(cusolverDnDsyevd(handle, CUSOLVER_EIG_MODE_NOVECTOR, CUBLAS_FILL_MODE_LOWER, n, da, n, dw, work, room, info));
    bool right = succeeded(info);
    Matrix w = host(dw, n);
    for (int i = 0; i < n; i++)
        right = right && near(w[i], 2 - 2 * std::cos(M_PI * (i + 1) / (n + 1)), 1e-10);
    expect(right, "syevd finds the known eigenvalues");
}

int main()
{
    cusolverDnHandle_t handle;
    int *info;
    CHECK(cusolverDnCreate(&handle));
    CHECK(cudaMalloc(&info, sizeof *info));
    lu(handle, info);
    cholesky(handle, info);
    eigenvalues(handle, info);
    CHECK(cusolverDnDestroy(handle));
    return wrong_results != 0;
}
