// Linking at run time: nvJitLink with LTO-IR and with PTX, and the driver's linker with an object and a library that
// nvcc and ar have made of part.cu; all for the exact architecture of the device.
#include <cuda.h>
#include <nvJitLink.h>
#include <nvrtc.h>

#include <string>
#include <vector>

#include "check.h"

static const char main_source[] = "extern __device__ int part(int x);\n"
                                  "extern \"C\" __global__ void go(int *x) { *x = part(*x) + 1; }\n";
static const char part_source[] = "__device__ int part(int x) { return 10 * x; }\n";
static int arch;

static std::string compile(const char *source, bool lto)
{
    nvrtcProgram p;
    size_t size;
    std::string a = "-arch=sm_" + std::to_string(arch);
    const char *options[] = {a.c_str(), "-rdc=true", "-dlto"};
    CHECK(nvrtcCreateProgram(&p, source, "source.cu", 0, nullptr, nullptr));
    CHECK(nvrtcCompileProgram(p, lto ? 3 : 2, options));
    CHECK(lto ? nvrtcGetLTOIRSize(p, &size) : nvrtcGetPTXSize(p, &size));
    std::string code(size, 0);
    CHECK(lto ? nvrtcGetLTOIR(p, &code[0]) : nvrtcGetPTX(p, &code[0]));
    CHECK(nvrtcDestroyProgram(&p));
    return code;
}

static std::vector<char> linked(bool lto)
{
    nvJitLinkHandle h;
    size_t size;
    std::string a = "-arch=sm_" + std::to_string(arch);
    const char *options[] = {a.c_str(), "-lto"};
    nvJitLinkInputType type = lto ? NVJITLINK_INPUT_LTOIR : NVJITLINK_INPUT_PTX;
    CHECK(nvJitLinkCreate(&h, lto ? 2 : 1, options));
    for (const char *source : {main_source, part_source}) {
        std::string code = compile(source, lto);
        CHECK(nvJitLinkAddData(h, type, code.data(), code.size(), "source"));
    }
    CHECK(nvJitLinkComplete(h));
    CHECK(nvJitLinkGetLinkedCubinSize(h, &size));
    std::vector<char> image(size);
    CHECK(nvJitLinkGetLinkedCubin(h, image.data()));
    CHECK(nvJitLinkDestroy(&h));
    return image;
}

// 10 * 7 + 1
static bool works(const void *image)
{
    CUmodule module;
    CUfunction go;
    CUdeviceptr x;
    int v = 7;
    CHECK(cuModuleLoadData(&module, image));
    CHECK(cuModuleGetFunction(&go, module, "go"));
    CHECK(cuMemAlloc(&x, sizeof v));
    CHECK(cuMemcpyHtoD(x, &v, sizeof v));
    void *arguments[] = {&x};
    CHECK(cuLaunchKernel(go, 1, 1, 1, 1, 1, 1, 0, nullptr, arguments, nullptr));
    CHECK(cuMemcpyDtoH(&v, x, sizeof v));
    CHECK(cuMemFree(x));
    CHECK(cuModuleUnload(module));
    return v == 71;
}

static void driver_links(CUjitInputType type, const std::string &file, const char *what)
{
    CUlinkState state;
    void *image;
    size_t size;
    std::string ptx = compile(main_source, false);
    CHECK(cuLinkCreate(0, nullptr, nullptr, &state));
    CHECK(cuLinkAddData(state, CU_JIT_INPUT_PTX, &ptx[0], ptx.size(), "main", 0, nullptr, nullptr));
    CHECK(cuLinkAddFile(state, type, file.c_str(), 0, nullptr, nullptr));
    CHECK(cuLinkComplete(state, &image, &size));
    expect(works(image), what);
    CHECK(cuLinkDestroy(state));
}

static void refusals()
{
    nvJitLinkHandle h;
    size_t size = 0;
    std::string a = "-arch=sm_" + std::to_string(arch);
    const char *good[] = {a.c_str()}, *bad[] = {a.c_str(), "-nonsense"};
    expect(nvJitLinkCreate(&h, 2, bad) != NVJITLINK_SUCCESS, "an unknown option");
    CHECK(nvJitLinkCreate(&h, 1, good));
    static const char broken[] = ".version 8.0\n.target sm_75\n.address_size 64\n.visible .entry go() { nonsense; }\n";
    bool failed = nvJitLinkAddData(h, NVJITLINK_INPUT_PTX, broken, sizeof broken, "broken") != NVJITLINK_SUCCESS;
    failed = nvJitLinkComplete(h) != NVJITLINK_SUCCESS || failed;
    CHECK(nvJitLinkGetErrorLogSize(h, &size));
    std::string log(size + 1, 0);
    CHECK(nvJitLinkGetErrorLog(h, &log[0]));
    expect(failed && log[0], "broken PTX, told in the log");
    CHECK(nvJitLinkDestroy(&h));
    expect(!h && nvJitLinkComplete(h) != NVJITLINK_SUCCESS, "a destroyed handle");
}

int main(int argc, char **argv)
{
    CUdevice device;
    CUcontext context;
    int major, minor;
    std::string folder = argv[0];
    folder.erase(folder.rfind('/') + 1);
    (void)argc;
    CHECK(cuInit(0));
    CHECK(cuDeviceGet(&device, 0));
    CHECK(cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device));
    CHECK(cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device));
    arch = 10 * major + minor;
    std::vector<char> lto = linked(true), ptx = linked(false); // neither wants a context
    CHECK(cuDevicePrimaryCtxRetain(&context, device));
    CHECK(cuCtxSetCurrent(context));
    expect(works(lto.data()), "LTO-IR");
    expect(works(ptx.data()), "PTX");
    driver_links(CU_JIT_INPUT_OBJECT, folder + "part.o", "an object");
    driver_links(CU_JIT_INPUT_LIBRARY, folder + "libpart.a", "a library");
    refusals();
    return wrong_results != 0;
}
