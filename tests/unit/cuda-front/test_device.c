#include <criterion/criterion.h>
#include <string.h>

#include "verbs.h"

Test(device, it_is_found_by_each_form_of_its_place) {
    char id[16] = "";
    CUdevice d = -1;
    cr_assert_eq(cuDeviceGetPCIBusId(id, sizeof id, 0), CUDA_SUCCESS);
    cr_expect_str_eq(id, "0002:3a:01.0");
    cr_expect(cuDeviceGetByPCIBusId(&d, id) == CUDA_SUCCESS && d == 0);
    cr_expect_eq(cuDeviceGetByPCIBusId(&d, "2:3a:1"), CUDA_SUCCESS);
    cr_expect_eq(cuDeviceGetByPCIBusId(&d, "3a:01.0"), CUDA_ERROR_INVALID_DEVICE, "in domain 0");
    cr_expect_eq(cuDeviceGetByPCIBusId(&d, "3a"), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuDeviceGetPCIBusId(id, 12, 0), CUDA_ERROR_INVALID_VALUE, "no room");
}

Test(device, what_is_asked_of_it_is_bounded) {
    char name[4];
    int n, value;
    CUdevice d;
    cr_expect(cuDeviceGetCount(&n) == CUDA_SUCCESS && n == 1);
    cr_expect_eq(cuDeviceGet(&d, 1), CUDA_ERROR_INVALID_DEVICE);
    cr_expect_eq(cuDeviceGetName(name, sizeof name, 0), CUDA_SUCCESS);
    cr_expect_str_eq(name, "a d");
    cr_expect_eq(cuDeviceGetName(name, 0, 0), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuDeviceGetAttribute(&value, 0, 0), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_MAX, 0), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z, 0), CUDA_SUCCESS);
    cr_expect_eq(value, 64);
}
