/* cuGetProcAddress, error names, the default stream. */
#include "driver.h"
#include <criterion/criterion.h>

/* Stated here by hand; nothing of it comes from the generator. */
#define ROW(name, version, flags, symbol)                                                                              \
    { name, version, flags, (void *)symbol }
static const struct {
    const char *name;
    int version;
    cuuint64_t flags;
    void *symbol;
} facts[] = {
    ROW("cuInit", 2000, 0, cuInit),
    ROW("cuGetProcAddress", 11030, 0, cuGetProcAddress),
    ROW("cuGetProcAddress", 12000, 0, cuGetProcAddress_v2),
    ROW("cuDeviceTotalMem", 3020, 0, cuDeviceTotalMem_v2),
    ROW("cuDeviceGetUuid", 9020, 0, cuDeviceGetUuid),
    ROW("cuDeviceGetUuid", 11040, 0, cuDeviceGetUuid_v2),
    ROW("cuDevicePrimaryCtxRelease", 7000, 0, cuDevicePrimaryCtxRelease),
    ROW("cuDevicePrimaryCtxRelease", 11000, 0, cuDevicePrimaryCtxRelease_v2),
    ROW("cuDevicePrimaryCtxReset", 7000, 0, cuDevicePrimaryCtxReset),
    ROW("cuDevicePrimaryCtxSetFlags", 11000, 0, cuDevicePrimaryCtxSetFlags_v2),
    ROW("cuCtxCreate", 2000, 0, cuCtxCreate),
    ROW("cuCtxCreate", 3020, 0, cuCtxCreate_v2),
    ROW("cuCtxCreate", 11040, 0, cuCtxCreate_v3),
    ROW("cuCtxCreate", 12050, 0, cuCtxCreate_v4),
    ROW("cuCtxCreate", 14000, 0, cuCtxCreate_v4),
    ROW("cuCtxGetDevice", 2000, 0, cuCtxGetDevice),
    ROW("cuCtxGetDevice", 12090, 0, cuCtxGetDevice),
    ROW("cuCtxGetDevice", 13000, 0, cuCtxGetDevice_v2),
    ROW("cuCtxSynchronize", 2000, 0, cuCtxSynchronize),
    ROW("cuCtxSynchronize", 13000, 0, cuCtxSynchronize_v2),
    ROW("cuCtxPopCurrent", 4000, 0, cuCtxPopCurrent_v2),
    ROW("cuCtxPushCurrent", 4000, 0, cuCtxPushCurrent_v2),
    ROW("cuEventElapsedTime", 2000, 0, cuEventElapsedTime),
    ROW("cuEventElapsedTime", 12080, 0, cuEventElapsedTime_v2),
    ROW("cuMemcpyHtoD", 2000, 0, cuMemcpyHtoD),
    ROW("cuMemcpyHtoD", 3020, 0, cuMemcpyHtoD_v2),
    ROW("cuMemcpyHtoD", 7000, 0, cuMemcpyHtoD_v2),
    ROW("cuMemcpyHtoD", 7000, 2, cuMemcpyHtoD_v2_ptds),
    ROW("cuMemcpyHtoD", 3020, 2, cuMemcpyHtoD_v2),
    ROW("cuMemcpyHtoDAsync", 7000, 2, cuMemcpyHtoDAsync_v2_ptsz),
    ROW("cuMemAlloc", 3020, 2, cuMemAlloc_v2),
    ROW("cuLaunchKernelEx", 11060, 1, cuLaunchKernelEx),
    ROW("cuLaunchKernelEx", 11060, 2, cuLaunchKernelEx_ptsz),
    ROW("cuGraphInstantiate", 10000, 0, cuGraphInstantiate),
    ROW("cuGraphInstantiate", 11000, 0, cuGraphInstantiate_v2),
    ROW("cuGraphInstantiate", 12000, 0, cuGraphInstantiateWithFlags),
};

Test(lookup, a_version_selects_the_revision_of_that_version) {
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        void *found = NULL;
        CUdriverProcAddressQueryResult status = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
        CUresult r = cuGetProcAddress_v2(facts[i].name, &found, facts[i].version, facts[i].flags, &status);
        cr_expect(r == CUDA_SUCCESS && status == CU_GET_PROC_ADDRESS_SUCCESS && found == facts[i].symbol,
                  "%s at %d, flags %d", facts[i].name, facts[i].version, (int)facts[i].flags);
    }
}

/* What NVIDIA's library of release 535 answers, which can be asked where there is no GPU. */
static const struct {
    const char *name;
    int version;
    CUdriverProcAddressQueryResult status;
} told[] = {{"cuFuncSetAttribute", 2000, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT},
            {"cuFuncSetAttribute", 9000, CU_GET_PROC_ADDRESS_SUCCESS},
            {"cuLaunchKernel", 2000, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT},
            {"cuLibraryGetKernel", 11000, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT},
            {"cuInit", 1000, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT},
            {"cuNoSuchFunction", 12000, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND},
            {"", 12000, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND}};

Test(lookup, the_second_revision_succeeds_and_tells_by_status_and_null) {
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        void *found = &found;
        CUdriverProcAddressQueryResult status = (CUdriverProcAddressQueryResult)9;
        cr_expect(cuGetProcAddress_v2(told[i].name, &found, told[i].version, 0, &status) == CUDA_SUCCESS, "%s",
                  told[i].name);
        cr_expect(status == told[i].status && !found == (status != CU_GET_PROC_ADDRESS_SUCCESS), "%s", told[i].name);
        found = &found;
        cr_expect(cuGetProcAddress_v2(told[i].name, &found, told[i].version, 0, NULL) == CUDA_SUCCESS);
        cr_expect(!found == (told[i].status != CU_GET_PROC_ADDRESS_SUCCESS), "%s", told[i].name);
    }
}

Test(lookup, the_first_revision_fails_and_leaves_the_pointer_alone) {
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        bool there = told[i].status == CU_GET_PROC_ADDRESS_SUCCESS;
        void *found = &found;
        CUresult r = cuGetProcAddress(told[i].name, &found, told[i].version, 0);
        cr_expect(r == (there ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND), "%s", told[i].name);
        cr_expect((found == &found) == !there, "%s", told[i].name);
    }
}

Test(errors, names_and_strings_are_given_for_known_codes_only) {
    const char *s = NULL;
    cr_assert(cuGetErrorName(CUDA_ERROR_OUT_OF_MEMORY, &s) == CUDA_SUCCESS);
    cr_expect_str_eq(s, "CUDA_ERROR_OUT_OF_MEMORY");
    cr_assert(cuGetErrorString(CUDA_ERROR_OUT_OF_MEMORY, &s) == CUDA_SUCCESS);
    cr_expect_str_eq(s, "out of memory");
    cr_expect(cuGetErrorString((CUresult)12345, &s) == CUDA_ERROR_INVALID_VALUE && !s);
    cr_expect(cuGetErrorName(CUDA_SUCCESS, NULL) == CUDA_ERROR_INVALID_VALUE);
}

Test(variants, a_null_stream_becomes_the_threads_own) {
    cuMemsetD8Async_ptsz(0, 0, 0, NULL);
    cr_expect(seen_stream == CU_STREAM_PER_THREAD);
    cuMemsetD8Async_ptsz(0, 0, 0, CU_STREAM_LEGACY);
    cr_expect(seen_stream == CU_STREAM_LEGACY);
}

Test(variants, a_call_without_a_stream_has_the_threads_own_while_it_lasts) {
    cuMemcpy_ptds(0, 0, 0);
    cr_expect(seen_default_stream == CU_STREAM_PER_THREAD);
    cuMemcpy(0, 0, 0);
    cr_expect(seen_default_stream == CU_STREAM_LEGACY);
}

Test(stubs, what_nobody_defines_is_not_supported_and_logged_once) {
    cr_expect(cuCtxResetPersistingL2Cache() == CUDA_ERROR_NOT_SUPPORTED);
    cr_expect(cuCtxResetPersistingL2Cache() == CUDA_ERROR_NOT_SUPPORTED);
    cr_expect(logged == 1);
}
