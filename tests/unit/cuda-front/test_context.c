#include <criterion/criterion.h>
#include <pthread.h>

#include "verbs.h"

Test(context, each_thread_has_a_stack) {
    CUcontext a, b, c = NULL;
    cr_assert_eq(cuCtxCreate_v2(&a, 0, 0), CUDA_SUCCESS);
    cr_assert_eq(cuCtxCreate_v2(&b, CU_CTX_SCHED_YIELD, 0), CUDA_SUCCESS);
    cr_expect(cuCtxGetCurrent(&c) == CUDA_SUCCESS && c == b, "made current");
    for (int i = 0; i < 20; i++)
        cr_expect_eq(cuCtxPushCurrent_v2(a), CUDA_SUCCESS);
    for (int i = 0; i < 20; i++)
        cr_expect(cuCtxPopCurrent_v2(&c) == CUDA_SUCCESS && c == a);
    cr_expect_eq(cuCtxSetCurrent(a), CUDA_SUCCESS);
    cr_expect_eq(cuCtxPopCurrent_v2(&c), CUDA_SUCCESS);
    cr_expect_eq(c, a, "in the place of the one before");
    cr_expect_eq(cuCtxPopCurrent_v2(&c), CUDA_SUCCESS);
    cr_expect_eq(cuCtxPopCurrent_v2(&c), CUDA_ERROR_INVALID_CONTEXT);
    cr_expect(cuCtxGetCurrent(&c) == CUDA_SUCCESS && !c);
    cr_expect_eq(cuCtxSetCurrent((CUcontext)&c), CUDA_ERROR_INVALID_CONTEXT);
}

static void *asks(void *out) {
    CUdevice device;
    *(CUresult *)out = cuCtxGetDevice(&device);
    return NULL;
}

Test(context, threads_do_not_share_what_is_current) {
    CUcontext a;
    pthread_t t;
    CUresult r = CUDA_SUCCESS;
    cr_assert_eq(cuCtxCreate_v2(&a, 0, 0), CUDA_SUCCESS);
    pthread_create(&t, NULL, asks, &r);
    pthread_join(t, NULL);
    cr_expect_eq(r, CUDA_ERROR_INVALID_CONTEXT);
}

Test(context, one_that_was_destroyed_stays_on_the_stack_below) {
    CUcontext a, b, c;
    CUdevice device;
    cr_assert_eq(cuCtxCreate_v2(&a, 0, 0), CUDA_SUCCESS);
    cr_assert_eq(cuCtxCreate_v2(&b, 0, 0), CUDA_SUCCESS);
    cr_expect_eq(cuCtxDestroy_v2(a), CUDA_SUCCESS);
    cr_expect(cuCtxGetCurrent(&c) == CUDA_SUCCESS && c == b);
    cr_expect_eq(cuCtxDestroy_v2(b), CUDA_SUCCESS);
    cr_expect_eq(ended, 2);
    cr_expect_eq(cuCtxGetDevice(&device), CUDA_ERROR_CONTEXT_IS_DESTROYED);
    cr_expect_eq(cuCtxDestroy_v2(a), CUDA_ERROR_INVALID_CONTEXT);
    cr_expect_eq(cuCtxPushCurrent_v2(a), CUDA_ERROR_INVALID_CONTEXT);
}

Test(context, one_that_could_not_be_made_leaves_nothing) {
    CUcontext a;
    start_result = CUDA_ERROR_OUT_OF_MEMORY;
    cr_expect_eq(cuCtxCreate_v2(&a, 0, 0), CUDA_ERROR_OUT_OF_MEMORY);
    cr_expect_null(contexts[0].handle);
    cr_expect_null(hawser_current());
    cr_expect_eq(cuCtxCreate_v2(&a, 0x400, 0), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuCtxCreate_v2(&a, 0, 1), CUDA_ERROR_INVALID_DEVICE);
}

Test(primary, it_is_on_the_device_while_it_is_retained) {
    CUcontext a, b;
    unsigned flags;
    int active;
    CUdevice device;
    cr_assert_eq(hawser_abi_primary_context(&a, 0), CUDA_SUCCESS);
    cr_expect_eq(cuCtxSetCurrent(a), CUDA_SUCCESS, "a runtime does so before it retains it");
    cr_expect_eq(cuCtxGetDevice(&device), CUDA_ERROR_CONTEXT_IS_DESTROYED);
    cr_expect_eq(cuDevicePrimaryCtxRelease_v2(0), CUDA_ERROR_INVALID_CONTEXT);
    cr_expect_eq(cuDevicePrimaryCtxRetain(&b, 0), CUDA_SUCCESS);
    cr_expect_eq(b, a);
    cr_expect_eq(cuDevicePrimaryCtxRetain(&b, 0), CUDA_SUCCESS);
    cr_expect_eq(started, 1);
    cr_expect_eq(cuCtxGetDevice(&device), CUDA_SUCCESS);
    cr_expect_eq(cuCtxDestroy_v2(a), CUDA_ERROR_INVALID_CONTEXT);
    cr_expect_eq(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
    cr_expect(cuDevicePrimaryCtxGetState(0, &flags, &active) == CUDA_SUCCESS && active);
    cr_expect_eq(cuDevicePrimaryCtxReset_v2(0), CUDA_SUCCESS);
    cr_expect(cuDevicePrimaryCtxGetState(0, &flags, &active) == CUDA_SUCCESS && active);
    cr_expect_eq(ended, 0);
    cr_expect_eq(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
    cr_expect_eq(ended, 1);
    cr_expect_eq(resets, 1);
    cr_expect(cuDevicePrimaryCtxGetState(0, &flags, &active) == CUDA_SUCCESS && !active);
}

Test(primary, its_flags_stay_when_it_ends) {
    CUcontext a;
    unsigned flags = 0;
    int active;
    cr_expect_eq(cuDevicePrimaryCtxSetFlags_v2(0, CU_CTX_SCHED_BLOCKING_SYNC), CUDA_SUCCESS);
    cr_expect_eq(cuDevicePrimaryCtxRetain(&a, 0), CUDA_SUCCESS);
    cr_expect_eq(cuCtxSetCurrent(a), CUDA_SUCCESS);
    cr_expect(cuCtxGetFlags(&flags) == CUDA_SUCCESS && flags == CU_CTX_SCHED_BLOCKING_SYNC);
    cr_expect_eq(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
    cr_expect(cuDevicePrimaryCtxGetState(0, &flags, &active) == CUDA_SUCCESS && flags == CU_CTX_SCHED_BLOCKING_SYNC);
    cr_expect_eq(cuDevicePrimaryCtxSetFlags_v2(0, 0x400), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuDevicePrimaryCtxSetFlags_v2(1, 0), CUDA_ERROR_INVALID_DEVICE);
}
