/* Asynchronous notifications. The run sets the device's budget to half of its memory or less (HAWSER_SOFTGPU_BUDGET).
 */
#include "semantics.h"

#include <time.h>

struct heard {
    CUasyncCallbackHandle handle;
    _Atomic unsigned long long over;
    _Atomic unsigned times;
    _Atomic CUresult within; /* what registering in a callback answers */
};

static void hear(CUasyncNotificationInfo *info, void *data, CUasyncCallbackHandle handle) {
    struct heard *h = data;
    CUasyncCallbackHandle another;
    h->handle = handle;
    h->within = cuDeviceRegisterAsyncNotification(device, hear, h, &another);
    if (info->type == CU_ASYNC_NOTIFICATION_TYPE_OVER_BUDGET) h->over = info->info.overBudget.bytesOverBudget;
    h->times++;
}

/* Whether it is told so often within ten seconds. */
static bool comes(const struct heard *h, unsigned times) {
    for (int i = 0; i < 10000 && h->times < times; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return h->times == times;
}

void notifications(void) {
    struct heard first = {0}, second = {0};
    CUasyncCallbackHandle a, b, none;
    CUdeviceptr within, over, more;
    size_t free_bytes, total;
    int n;
    IS(cuDeviceRegisterAsyncNotification(device, NULL, NULL, &a), CUDA_ERROR_INVALID_VALUE);
    IS(cuDeviceRegisterAsyncNotification(device, hear, NULL, NULL), CUDA_ERROR_INVALID_VALUE);
    OK(cuDeviceGetCount(&n));
    IS(cuDeviceRegisterAsyncNotification(n, hear, NULL, &none), CUDA_ERROR_INVALID_DEVICE);
    OK(cuDeviceRegisterAsyncNotification(device, hear, &first, &a));
    OK(cuDeviceRegisterAsyncNotification(device, hear, &second, &b));
    OK(cuMemGetInfo(&free_bytes, &total));
    OK(cuMemAlloc(&within, 1 << 20));
    OK(cuMemAlloc(&over, total / 2));
    CHECK(comes(&first, 1) && comes(&second, 1));
    CHECK(first.handle == a && second.handle == b && first.over && first.over < total);
    CHECK(first.within == CUDA_ERROR_NOT_PERMITTED);
    unsigned long long before = first.over;
    OK(cuDeviceUnregisterAsyncNotification(device, b));
    IS(cuDeviceUnregisterAsyncNotification(device, b), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemAlloc(&more, 3 << 20));
    CHECK(comes(&first, 2) && first.over == before + (3 << 20) && second.times == 1);
    OK(cuDeviceUnregisterAsyncNotification(device, a));
    OK(cuMemFree(more));
    OK(cuMemAlloc(&more, 3 << 20));
    OK(cuCtxSynchronize());
    CHECK(first.times == 2);
    OK(cuMemFree(more));
    OK(cuMemFree(over));
    OK(cuMemFree(within));
}
