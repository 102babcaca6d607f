// cuSPARSE: a sparse matrix times a vector and times a dense matrix.
#include <cusparse.h>

#include <vector>

#include "check.h"

template <class T> static T *device(const std::vector<T> &v)
{
    T *p;
    CHECK(cudaMalloc(&p, v.size() * sizeof(T)));
    CHECK(cudaMemcpy(p, v.data(), v.size() * sizeof(T), cudaMemcpyHostToDevice));
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
    const int rows = 300, cols = 257, wide = 5;
    std::vector<int> offsets{0}, columns;
    std::vector<float> values, x(cols), y(rows), b(cols * wide), c(rows * wide);
    for (int j = 0; j < cols; j++)
        x[j] = (float)(j % 9) - 4;
    for (size_t i = 0; i < b.size(); i++)
        b[i] = (float)(i % 7) - 3;
    for (int i = 0; i < rows; i++) {
        for (int j = i % 13; j < cols; j += 11 + i % 3) {
            columns.push_back(j);
            values.push_back((float)((i + j) % 5) - 2);
            y[i] += values.back() * x[j];
            for (int k = 0; k < wide; k++)
                c[i + k * rows] += values.back() * b[j + k * cols];
        }
        offsets.push_back((int)columns.size());
    }
    float one = 1, zero = 0, *dy = device(std::vector<float>(rows, -1)), *dc = device(std::vector<float>(rows * wide, -1));
    cusparseHandle_t handle;
    cusparseSpMatDescr_t a;
    cusparseDnVecDescr_t vx, vy;
    cusparseDnMatDescr_t mb, mc;
    size_t room;
    void *work;
    CHECK(cusparseCreate(&handle));
    CHECK(cusparseCreateCsr(&a, rows, cols, (int64_t)values.size(), device(offsets), device(columns), device(values),
                            CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I, CUSPARSE_INDEX_BASE_ZERO, CUDA_R_32F));
    CHECK(cusparseCreateDnVec(&vx, cols, device(x), CUDA_R_32F));
    CHECK(cusparseCreateDnVec(&vy, rows, dy, CUDA_R_32F));
    CHECK(cusparseSpMV_bufferSize(handle, CUSPARSE_OPERATION_NON_TRANSPOSE, &one, a, vx, &zero, vy, CUDA_R_32F,
                                  CUSPARSE_SPMV_ALG_DEFAULT, &room));
    CHECK(cudaMalloc(&work, room + 1));
    CHECK(cusparseSpMV(handle, CUSPARSE_OPERATION_NON_TRANSPOSE, &one, a, vx, &zero, vy, CUDA_R_32F,
                       CUSPARSE_SPMV_ALG_DEFAULT, work));
    expect(host(dy, rows) == y, "SpMV");

    CHECK(cusparseCreateDnMat(&mb, cols, wide, cols, device(b), CUDA_R_32F, CUSPARSE_ORDER_COL));
    CHECK(cusparseCreateDnMat(&mc, rows, wide, rows, dc, CUDA_R_32F, CUSPARSE_ORDER_COL));
    CHECK(cusparseSpMM_bufferSize(handle, CUSPARSE_OPERATION_NON_TRANSPOSE, CUSPARSE_OPERATION_NON_TRANSPOSE, &one, a,
                                  mb, &zero, mc, CUDA_R_32F, CUSPARSE_SPMM_ALG_DEFAULT, &room));
    CHECK(cudaMalloc(&work, room + 1));
    CHECK(cusparseSpMM(handle, CUSPARSE_OPERATION_NON_TRANSPOSE, CUSPARSE_OPERATION_NON_TRANSPOSE, &one, a, mb, &zero,
                       mc, CUDA_R_32F, CUSPARSE_SPMM_ALG_DEFAULT, work));
    expect(host(dc, rows * wide) == c, "SpMM");
    CHECK(cusparseDestroy(handle));
    return wrong_results != 0;
}
