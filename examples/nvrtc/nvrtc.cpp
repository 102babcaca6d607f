// A kernel compiled at run time (NVRTC) to PTX and run through the driver API.
#include <cuda.h>
#include <nvrtc.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

static void check(CUresult r, const char *what)
{
    if (r == CUDA_SUCCESS) return;
    const char *text = NULL;
    cuGetErrorString(r, &text);
    fprintf(stderr, "nvrtc: %s: %s\n", what, text ? text : "unknown error");
    exit(1);
}
#define CU(call) check(call, #call)

static const char *const source = R"(
extern "C" __global__ void scale(float *x, float a, float b, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] = fmaf(a, x[i], b);
}
)";

// PTX for the device, or for the newest architecture that NVRTC knows if the device is newer.
static std::string compile(int capability)
{
    int n = 0;
    nvrtcGetNumSupportedArchs(&n);
    std::vector<int> archs(n);
    nvrtcGetSupportedArchs(archs.data());
    int arch = archs.front();
    for (int a : archs)
        if (a <= capability && a > arch) arch = a;
    std::string option = "--gpu-architecture=compute_" + std::to_string(arch);
    const char *options[] = {option.c_str()};
    nvrtcProgram program;
    nvrtcCreateProgram(&program, source, "scale.cu", 0, NULL, NULL);
    nvrtcResult r = nvrtcCompileProgram(program, 1, options);
    if (r != NVRTC_SUCCESS) {
        size_t size = 0;
        nvrtcGetProgramLogSize(program, &size);
        std::string log(size, 0);
        nvrtcGetProgramLog(program, &log[0]);
        fprintf(stderr, "nvrtc: %s\n%s\n", nvrtcGetErrorString(r), log.c_str());
        exit(1);
    }
    size_t size;
    nvrtcGetPTXSize(program, &size);
    std::string ptx(size, 0);
    nvrtcGetPTX(program, &ptx[0]);
    nvrtcDestroyProgram(&program);
    return ptx;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 10007, major, minor;
    CUdevice device;
    CUcontext context;
    CUmodule module;
    CUfunction scale;
    CUdeviceptr x;
    CU(cuInit(0));
    CU(cuDeviceGet(&device, 0));
    CU(cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device));
    CU(cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device));
    CU(cuDevicePrimaryCtxRetain(&context, device));
    CU(cuCtxSetCurrent(context));
    CU(cuModuleLoadData(&module, compile(10 * major + minor).c_str()));
    CU(cuModuleGetFunction(&scale, module, "scale"));
    std::vector<float> v(n);
    for (int i = 0; i < n; i++)
        v[i] = (float)i;
    CU(cuMemAlloc(&x, n * sizeof(float)));
    CU(cuMemcpyHtoD(x, v.data(), n * sizeof(float)));
    float a = 3, b = -1;
    void *params[] = {&x, &a, &b, &n};
    CU(cuLaunchKernel(scale, (n + 127) / 128, 1, 1, 128, 1, 1, 0, NULL, params, NULL));
    CU(cuMemcpyDtoH(v.data(), x, n * sizeof(float)));
    int wrong = 0;
    for (int i = 0; i < n; i++)
        wrong += v[i] != 3.0f * i - 1;
    CU(cuMemFree(x));
    CU(cuModuleUnload(module));
    CU(cuDevicePrimaryCtxRelease(device));
    printf("nvrtc: %d elements, %d wrong: %s\n", n, wrong, wrong ? "FAIL" : "PASS");
    return wrong != 0;
}
