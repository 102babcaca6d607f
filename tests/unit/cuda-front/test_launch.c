#include <criterion/criterion.h>

#include "verbs.h"

static int number = 7;
static void *pointer = &number;
static void *both[] = {&number, &pointer};

static CUresult launch(unsigned grid, unsigned block, unsigned shared) {
    return cuLaunchKernel((CUfunction)&kernel, grid, 1, 1, block, 1, 1, shared, NULL, both, NULL);
}

Test(launch, what_cuda_finds_at_once_does_not_reach_the_library) {
    cr_expect_eq(launch(0, 32, 0), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(launch(65536, 32, 0), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(launch(1, 1025, 0), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(launch(1, 257, 0), CUDA_ERROR_INVALID_VALUE, "more than the kernel's launch bounds");
    cr_expect_eq(launch(1, 256, 1025), CUDA_ERROR_INVALID_VALUE, "more shared memory than it may have");
    cr_expect_eq(launched, 0);
    cr_expect_eq(launch(65535, 256, 1024), CUDA_SUCCESS);
    cr_expect_eq(launched, 1);
}

Test(launch, too_many_registers_are_out_of_resources) {
    kernel.attributes[CU_FUNC_ATTRIBUTE_NUM_REGS] = 128;
    cr_expect_eq(launch(1, 257, 0), CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
    cr_expect_eq(launch(1, 256, 0), CUDA_SUCCESS);
}

Test(launch, a_kernel_without_room_for_dynamic_shared_memory_gets_none) {
    kernel.attributes[CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES] = 0;
    cr_expect_eq(launch(1, 1, 1), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(launch(1, 1, 0), CUDA_SUCCESS);
}

Test(launch, attributes_that_cannot_be_done_are_refused) {
    CUlaunchAttribute a = {.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT};
    CUlaunchConfig config = {1, 1, 1, 1, 1, 1, 0, NULL, &a, 1};
    cr_expect_eq(cuLaunchKernelEx(&config, (CUfunction)&kernel, both, NULL), CUDA_ERROR_NOT_SUPPORTED);
    a = (CUlaunchAttribute){.id = CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW,
                            .value.accessPolicyWindow = {.base_ptr = (void *)0x1ff0, .num_bytes = 32}};
    cr_expect_eq(cuLaunchKernelEx(&config, (CUfunction)&kernel, both, NULL), CUDA_ERROR_INVALID_VALUE);
    a.value.accessPolicyWindow.num_bytes = 16;
    cr_expect_eq(cuLaunchKernelEx(&config, (CUfunction)&kernel, both, NULL), CUDA_SUCCESS);
    a = (CUlaunchAttribute){.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, .value.clusterDim = {2, 1, 1}};
    cr_expect_eq(cuLaunchKernelEx(&config, (CUfunction)&kernel, both, NULL), CUDA_ERROR_INVALID_CLUSTER_SIZE);
    config.attrs = NULL;
    cr_expect_eq(cuLaunchKernelEx(&config, (CUfunction)&kernel, both, NULL), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuLaunchKernelEx(NULL, (CUfunction)&kernel, both, NULL), CUDA_ERROR_INVALID_VALUE);
}

Test(launch, parameters_are_packed_by_the_kernels_layout) {
    cr_expect_eq(launch(1, 1, 0), CUDA_SUCCESS);
    cr_expect_eq(launched_bytes, 16);
    cr_expect_arr_eq(launched_params, &number, sizeof number);
    cr_expect_arr_eq(launched_params + 8, &pointer, sizeof pointer);
}

Test(launch, parameters_may_be_given_packed) {
    unsigned char bytes[24] = {1, 2, 3};
    size_t size = sizeof bytes;
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, bytes, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END};
    CUfunction f = (CUfunction)&kernel;
    cr_expect_eq(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, extra), CUDA_SUCCESS);
    cr_expect_arr_eq(launched_params, bytes, sizeof bytes);
    cr_expect_eq(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, both, extra), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL), CUDA_ERROR_INVALID_VALUE);
    size = 15;
    cr_expect_eq(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, extra), CUDA_ERROR_INVALID_VALUE, "too few");
}

Test(kernel, param_info_ends_after_the_last_parameter) {
    size_t offset, size;
    cr_expect_eq(cuFuncGetParamInfo((CUfunction)&kernel, 1, &offset, &size), CUDA_SUCCESS);
    cr_expect_eq(offset, 8);
    cr_expect_eq(size, 8);
    cr_expect_eq(cuFuncGetParamInfo((CUfunction)&kernel, 2, &offset, &size), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuFuncGetParamInfo((CUfunction)&size, 0, &offset, &size), CUDA_ERROR_INVALID_HANDLE);
}

Test(kernel, what_is_not_known_of_it_is_zero) {
    int value = -1;
    kernel.n_attributes = 1;
    cr_expect_eq(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, (CUfunction)&kernel), CUDA_SUCCESS);
    cr_expect_eq(value, 0);
    cr_expect_eq(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX, (CUfunction)&kernel), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuKernelGetAttribute(&value, 0, (CUkernel)&kernel, 1), CUDA_ERROR_INVALID_DEVICE);
}
