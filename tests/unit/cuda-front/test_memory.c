#include <criterion/criterion.h>

#include "verbs.h"

Test(memory, pointers_are_told_by_what_lies_there) {
    range = (struct hawser_range){.base = 0x1000, .size = 0x100, .kind = HAWSER_PINNED, .device = 0x5000, .ordinal = 3};
    CUdeviceptr at = 0;
    unsigned type = 0;
    int ordinal = 0;
    size_t size = 0;
    cr_expect_eq(cuPointerGetAttribute(&at, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, 0x1010), CUDA_SUCCESS);
    cr_expect_eq(at, 0x5010);
    cr_expect_eq(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, 0x1010), CUDA_SUCCESS);
    cr_expect_eq(type, CU_MEMORYTYPE_HOST);
    cr_expect_eq(cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, 0x1010), CUDA_SUCCESS);
    cr_expect_eq(ordinal, 3);
    cr_expect_eq(cuMemGetAddressRange_v2(&at, &size, 0x10ff), CUDA_SUCCESS);
    cr_expect_eq(at, 0x1000);
    cr_expect_eq(size, 0x100);
    cr_expect_eq(cuMemGetAddressRange_v2(&at, &size, 0x1100), CUDA_ERROR_NOT_FOUND);
    cr_expect_eq(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, 0x1100), CUDA_ERROR_INVALID_VALUE);
}

Test(memory, the_plural_form_answers_for_unknown_pointers) {
    unsigned type = 9;
    int ordinal = 9;
    CUpointer_attribute asked[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL};
    void *answers[] = {&type, &ordinal};
    cr_expect_eq(cuPointerGetAttributes(2, asked, answers, 0x42), CUDA_SUCCESS);
    cr_expect_eq(type, 0);
    cr_expect_eq(ordinal, -2);
}

Test(memory, host_memory_that_kernels_do_not_reach_has_no_device_address) {
    CUdeviceptr at;
    unsigned flags, mapped = 1;
    void *p = (void *)0x2000;
    cr_expect_eq(cuMemHostRegister_v2(p, 64, CU_MEMHOSTREGISTER_PORTABLE), CUDA_SUCCESS);
    cr_expect_eq(cuMemHostGetDevicePointer_v2(&at, p, 0), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuPointerGetAttribute(&mapped, CU_POINTER_ATTRIBUTE_MAPPED, 0x2000), CUDA_SUCCESS);
    cr_expect_eq(mapped, 0);
    cr_expect_eq(cuMemHostGetFlags(&flags, p), CUDA_SUCCESS);
    cr_expect_eq(flags, CU_MEMHOSTREGISTER_PORTABLE);
}

Test(memory, host_memory_is_freed_as_what_it_is_and_where_it_begins) {
    void *p;
    cr_expect_eq(cuMemHostAlloc(&p, 0, 0), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuMemHostAlloc(&p, 64, 8), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuMemHostAlloc(&p, 64, CU_MEMHOSTALLOC_PORTABLE), CUDA_SUCCESS);
    cr_expect_eq(cuMemHostUnregister(p), CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
    cr_expect_eq(cuMemFreeHost((char *)p + 8), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuMemFreeHost(p), CUDA_SUCCESS);
    cr_expect_eq(cuMemFreeHost(p), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuMemHostRegister_v2((void *)0x2000, 64, CU_MEMHOSTREGISTER_IOMEMORY), CUDA_ERROR_NOT_SUPPORTED);
    cr_expect_eq(cuMemHostRegister_v2((void *)0x2000, 64, 0x80), CUDA_ERROR_INVALID_VALUE);
}
