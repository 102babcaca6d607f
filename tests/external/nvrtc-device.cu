// NVRTC as most programs use it: machine code for exactly the device's architecture, loaded with the driver API.
#include <cuda.h>
#include <cuda_runtime.h>
#include <nvrtc.h>

#include <string>
#include <vector>

#include "check.h"

static const char *const source = R"(
template <class T> __global__ void axpy(T *y, const T *x, T a, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] += a * x[i];
}
__constant__ int offset = 5;
extern "C" __global__ void add_offset(int *out) { out[threadIdx.x] = (int)threadIdx.x + offset; }
)";

int main()
{
    const int n = 1000;
    cudaDeviceProp device;
    CHECK(cudaGetDeviceProperties(&device, 0));
    CHECK(cudaFree(NULL)); // makes the runtime's context current
    std::string architecture = "--gpu-architecture=sm_" + std::to_string(device.major) + std::to_string(device.minor);
    const char *options[] = {architecture.c_str(), "--std=c++17"}, *lowered;
    nvrtcProgram program;
    CHECK(nvrtcCreateProgram(&program, source, "axpy.cu", 0, NULL, NULL));
    CHECK(nvrtcAddNameExpression(program, "axpy<double>"));
    CHECK(nvrtcCompileProgram(program, 2, options));
    size_t size;
    CHECK(nvrtcGetCUBINSize(program, &size));
    std::vector<char> image(size);
    CHECK(nvrtcGetCUBIN(program, image.data()));
    CHECK(nvrtcGetLoweredName(program, "axpy<double>", &lowered));

    CUmodule module;
    CUfunction axpy, add_offset;
    CHECK(cuModuleLoadData(&module, image.data()));
    CHECK(cuModuleGetFunction(&axpy, module, lowered));
    CHECK(cuModuleGetFunction(&add_offset, module, "add_offset"));
    CHECK(nvrtcDestroyProgram(&program));

    std::vector<double> x(n), y(n);
    for (int i = 0; i < n; i++)
        x[i] = i * 0.5, y[i] = 1000 - i;
    double *dx, *dy, a = 4;
    int *dout, count = n, out[32];
    CHECK(cudaMalloc(&dx, n * sizeof(double)));
    CHECK(cudaMalloc(&dy, n * sizeof(double)));
    CHECK(cudaMalloc(&dout, sizeof out));
    CHECK(cudaMemcpy(dx, x.data(), n * sizeof(double), cudaMemcpyHostToDevice));
    CHECK(cudaMemcpy(dy, y.data(), n * sizeof(double), cudaMemcpyHostToDevice));
    void *axpy_args[] = {&dy, &dx, &a, &count}, *offset_args[] = {&dout};
    CHECK(cuLaunchKernel(axpy, (n + 127) / 128, 1, 1, 128, 1, 1, 0, NULL, axpy_args, NULL));
    CHECK(cuLaunchKernel(add_offset, 1, 1, 1, 32, 1, 1, 0, NULL, offset_args, NULL));
    CHECK(cudaMemcpy(y.data(), dy, n * sizeof(double), cudaMemcpyDeviceToHost));
    CHECK(cudaMemcpy(out, dout, sizeof out, cudaMemcpyDeviceToHost));
    bool right = true;
    for (int i = 0; i < n; i++)
        right = right && y[i] == 1000 + i;
    expect(right, "a template compiled for the device");
    right = true;
    for (int i = 0; i < 32; i++)
        right = right && out[i] == i + 5;
    expect(right, "a constant of the compiled module");
    return wrong_results != 0;
}
