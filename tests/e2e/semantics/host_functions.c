/* Host functions and stream callbacks. */
#include "semantics.h"

void look(void *arg)
{
    struct note *n = arg;
    n->seen = n->data[N - 1];
    n->times++;
}

void fill_later(void *arg)
{
    usleep(20000);
    for (unsigned i = 0; i < N; i++)
        ((unsigned *)arg)[i] = 5;
}

static void told(CUstream s, CUresult status, void *arg)
{
    (void)s;
    *(CUresult *)arg = status;
}

void host_functions(void)
{
    CUstream s;
    unsigned *pinned;
    CUdeviceptr x = zeros();
    CUresult status = CUDA_ERROR_UNKNOWN;
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    OK(cuMemHostAlloc((void **)&pinned, N * 4, 0));
    memset(pinned, 0, N * 4);
    struct note note = {.data = pinned};
    OK(run_add(x, 3, s));
    OK(cuMemcpyDtoHAsync(pinned, x, N * 4, s));
    OK(cuLaunchHostFunc(s, look, &note));
    OK(cuLaunchHostFunc(s, fill_later, pinned)); /* the copy after it must take what it writes */
    OK(cuMemcpyHtoDAsync(x, pinned, N * 4, s));
    OK(run_add(x, 1, s));
    OK(cuStreamAddCallback(s, told, &status, 0));
    OK(cuStreamSynchronize(s));
    CHECK(note.times == 1 && note.seen == 3);
    CHECK(status == CUDA_SUCCESS);
    CHECK(device_is(x, 6));
    IS(cuLaunchHostFunc(s, NULL, NULL), CUDA_ERROR_INVALID_VALUE);
    IS(cuStreamAddCallback(s, told, &status, 1), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemFreeHost(pinned));
    OK(cuMemFree(x));
    OK(cuStreamDestroy(s));
}
