/* The linker. */
#include "semantics.h"

void links(void) {
    static char one[] =
        ".version 7.0\n.target sm_70\n.address_size 64\n"
        ".visible .func (.param .b32 r) twice(.param .b32 x)\n{\n    .reg .b32 %r<3>;\n"
        "    ld.param.b32 %r1, [x];\n    add.s32 %r2, %r1, %r1;\n    st.param.b32 [r], %r2;\n    ret;\n}\n";
    static char two[] = ".version 7.0\n.target sm_70\n.address_size 64\n"
                        ".extern .func (.param .b32 r) twice(.param .b32 x);\n"
                        ".visible .entry go(.param .u64 p)\n{\n    .reg .b32 %r<3>;\n    .reg .b64 %rd<2>;\n"
                        "    ld.param.u64 %rd1, [p];\n    ld.global.u32 %r1, [%rd1];\n"
                        "    { .param .b32 a; st.param.b32 [a], %r1; .param .b32 b;\n"
                        "    call.uni (b), twice, (a); ld.param.b32 %r2, [b]; }\n"
                        "    st.global.u32 [%rd1], %r2;\n    ret;\n}\n";
    static char bad[] = ".version 7.0\n.target sm_70\n.address_size 64\nnonsense\n";
    char log[512] = "";
    CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    void *values[] = {log, (void *)(uintptr_t)sizeof log}, *image;
    CUlinkState state;
    CUmodule linked;
    CUfunction go;
    CUdeviceptr x = zeros();
    size_t size;
    unsigned result;
    void *params[] = {&x};
    OK(cuLinkCreate(2, options, values, &state));
    OK(cuLinkAddData(state, CU_JIT_INPUT_PTX, one, sizeof one, "one", 0, NULL, NULL));
    OK(cuLinkAddData(state, CU_JIT_INPUT_PTX, two, sizeof two, "two", 0, NULL, NULL));
    OK(cuLinkComplete(state, &image, &size));
    CHECK(image && size);
    OK(cuModuleLoadData(&linked, image));
    OK(cuLinkDestroy(state));
    IS(cuLinkDestroy(state), CUDA_ERROR_INVALID_HANDLE);
    OK(cuModuleGetFunction(&go, linked, "go"));
    OK(cuMemsetD32(x, 21, 1));
    OK(cuLaunchKernel(go, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
    OK(cuMemcpyDtoH(&result, x, 4));
    CHECK(result == 42);
    OK(cuModuleUnload(linked));
    /* a limit of registers, kept by what is linked and by what is loaded at once */
    CUjit_option limit = CU_JIT_MAX_REGISTERS;
    void *most = (void *)(uintptr_t)16;
    int registers;
    OK(cuLinkCreate(1, &limit, &most, &state));
    OK(cuLinkAddData(state, CU_JIT_INPUT_PTX, one, sizeof one, "one", 0, NULL, NULL));
    OK(cuLinkAddData(state, CU_JIT_INPUT_PTX, two, sizeof two, "two", 0, NULL, NULL));
    OK(cuLinkComplete(state, &image, &size));
    OK(cuModuleLoadData(&linked, image));
    OK(cuLinkDestroy(state));
    OK(cuModuleGetFunction(&go, linked, "go"));
    OK(cuFuncGetAttribute(&registers, CU_FUNC_ATTRIBUTE_NUM_REGS, go));
    CHECK(registers > 0 && registers <= 16);
    OK(cuModuleUnload(linked));
    OK(cuModuleLoadDataEx(&linked, ptx, 1, &limit, &most));
    OK(cuModuleGetFunction(&go, linked, "add"));
    OK(cuFuncGetAttribute(&registers, CU_FUNC_ATTRIBUTE_NUM_REGS, go));
    CHECK(registers > 0 && registers <= 16);
    OK(cuModuleUnload(linked));
    CHECK(values[1] == NULL); /* nothing was logged */
    values[1] = (void *)(uintptr_t)sizeof log;
    OK(cuLinkCreate(2, options, values, &state));
    IS(cuLinkAddData(state, CU_JIT_INPUT_PTX, bad, sizeof bad, "bad", 0, NULL, NULL), CUDA_ERROR_INVALID_PTX);
    CHECK(strstr(log, "4")); /* the line */
    CHECK((uintptr_t)values[1] == strlen(log) + 1);
    OK(cuLinkDestroy(state));
    OK(cuMemFree(x));
}
