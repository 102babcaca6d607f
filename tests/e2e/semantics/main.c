#include "semantics.h"

CUcontext context;
CUdevice device;
CUmodule module;
CUfunction add;

const char ptx[] =
    ".version 8.0\n.target sm_70\n.address_size 64\n"
    ".visible .global .attribute(.managed) .align 4 .u32 managed_value = 7;\n"
    ".visible .global .align 4 .u32 plain_value = 9;\n"
    /* x[i] += v for i < n */
    ".visible .entry add(.param .u64 x, .param .u32 v, .param .u32 n)\n{\n"
    "    .reg .pred %p;\n    .reg .b32 %r<9>;\n    .reg .b64 %rd<4>;\n"
    "    ld.param.u64 %rd1, [x];\n    ld.param.u32 %r1, [v];\n    ld.param.u32 %r2, [n];\n"
    "    mov.u32 %r3, %tid.x;\n    mov.u32 %r4, %ctaid.x;\n    mov.u32 %r5, %ntid.x;\n"
    "    mad.lo.s32 %r6, %r4, %r5, %r3;\n    setp.ge.u32 %p, %r6, %r2;\n    @%p ret;\n"
    "    mul.wide.u32 %rd2, %r6, 4;\n    add.s64 %rd3, %rd1, %rd2;\n"
    "    ld.global.u32 %r7, [%rd3];\n    add.s32 %r8, %r7, %r1;\n    st.global.u32 [%rd3], %r8;\n    ret;\n}\n"
    ".visible .entry bump(.param .u32 by)\n{\n"
    "    .reg .b32 %r<4>;\n    ld.param.u32 %r1, [by];\n    ld.global.u32 %r2, [managed_value];\n"
    "    add.s32 %r3, %r1, %r2;\n    st.global.u32 [managed_value], %r3;\n    ret;\n}\n";

CUresult run_add(CUdeviceptr x, unsigned v, CUstream s) {
    unsigned n = N;
    void *params[] = {&x, &v, &n};
    return cuLaunchKernel(add, (N + 127) / 128, 1, 1, 128, 1, 1, 0, s, params, NULL);
}

bool all_are(const unsigned *x, unsigned v) {
    for (unsigned i = 0; i < N; i++)
        if (x[i] != v) return false;
    return true;
}

bool device_is(CUdeviceptr x, unsigned v) {
    unsigned host[N];
    return cuMemcpyDtoH(host, x, sizeof host) == CUDA_SUCCESS && all_are(host, v);
}

/* A fill of device memory is under way when it returns, and streams that do not wait for the default one would overtake
 * it. */
CUdeviceptr zeros(void) {
    CUdeviceptr x = 0;
    if (cuMemAlloc(&x, N * 4) != CUDA_SUCCESS || cuMemsetD32(x, 0, N) != CUDA_SUCCESS) return 0;
    return cuCtxSynchronize() == CUDA_SUCCESS ? x : 0;
}

bool software(void) {
    char name[64] = "";
    return cuDeviceGetName(name, sizeof name, device) == CUDA_SUCCESS && !strncmp(name, "hawser", 6);
}

static bool start(void) {
    if (cuInit(0) || cuDeviceGet(&device, 0) || cuDevicePrimaryCtxRetain(&context, device) ||
        cuCtxSetCurrent(context) || cuModuleLoadData(&module, ptx) || cuModuleGetFunction(&add, module, "add")) {
        printf("cannot start\n");
        return false;
    }
    return true;
}

int main(int argc, char **argv) {
#define ROW(name, function, by_name) {name, function, by_name},
    static const struct subtest tests[] = {SUBTESTS(ROW)};
    if (!start()) return 1;
    if (argc == 3 && !strcmp(argv[1], "--descriptor")) return descriptor_child(atoi(argv[2]));
    if (argc == 5 && !strcmp(argv[1], "--ipc")) return ipc_child(argv + 2);
    if (argc == 4 && !strcmp(argv[1], "--pool")) return pool_child(atoi(argv[2]), argv[3]);
    return subtests_run(tests, sizeof tests / sizeof *tests, argc, argv);
}
