/* Host memory that kernels reach: managed, mapped, registered. */
#include "semantics.h"

void managed_memory(void) {
    CUdeviceptr x;
    unsigned managed;
    int last = 0;
    OK(cuMemAllocManaged(&x, N * 4, CU_MEM_ATTACH_GLOBAL));
    unsigned *host = (unsigned *)x;
    for (unsigned i = 0; i < N; i++)
        host[i] = 1;
    OK(run_add(x, 1, NULL));
    OK(cuCtxSynchronize());
    CHECK(all_are(host, 2));
    host[0] = 40;
    OK(run_add(x, 2, NULL));
    OK(cuCtxSynchronize());
    CHECK(host[0] == 42 && host[N - 1] == 4);
    OK(cuMemsetD32(x, 6, N));
    CHECK(all_are(host, 6));
    unsigned other[N];
    for (unsigned i = 0; i < N; i++)
        other[i] = 11;
    OK(cuMemcpyHtoD(x, other, sizeof other));
    CHECK(all_are(host, 11));
    CUdeviceptr plain = zeros();
    CUpointer_attribute asked[] = {CU_POINTER_ATTRIBUTE_IS_MANAGED, CU_POINTER_ATTRIBUTE_MAPPED};
    unsigned mapped;
    void *answers[] = {&managed, &mapped};
    memset(&managed, 0xa5, sizeof managed); /* the runtime asks into memory that it has not cleared */
    OK(cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, x));
    CHECK(managed == 1);
    memset(&managed, 0xa5, sizeof managed);
    memset(&mapped, 0xa5, sizeof mapped);
    OK(cuPointerGetAttributes(2, asked, answers, plain));
    CHECK(managed == 0 && mapped == 1);
    OK(cuMemFree(plain));
    CUmemLocation here = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device};
    OK(cuMemAdvise(x, N * 4, CU_MEM_ADVISE_SET_READ_MOSTLY, here));
    OK(cuMemPrefetchAsync(x, N * 4, here, 0, NULL));
    OK(cuMemRangeGetAttribute(&last, 4, CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION, x, N * 4));
    CHECK(last == device);
    OK(cuStreamAttachMemAsync(NULL, x, 0, CU_MEM_ATTACH_GLOBAL));
    OK(cuMemFree(x));
    IS(cuMemPrefetchAsync(x, N * 4, here, 0, NULL), CUDA_ERROR_INVALID_VALUE);
}

void mapped_memory(void) {
    unsigned *pinned;
    CUdeviceptr x;
    unsigned flags;
    OK(cuMemHostAlloc((void **)&pinned, N * 4, CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_PORTABLE));
    for (unsigned i = 0; i < N; i++)
        pinned[i] = 20;
    OK(cuMemHostGetDevicePointer(&x, pinned, 0));
    OK(run_add(x, 1, NULL));
    OK(run_add(x, 1, NULL));
    OK(cuCtxSynchronize());
    CHECK(all_are(pinned, 22));
    OK(cuMemHostGetFlags(&flags, pinned));
    CHECK(flags == (CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_PORTABLE));
    CUdeviceptr y = zeros();
    OK(cuMemcpyHtoD(y, pinned, N * 4));
    pinned[0] = 0; /* the bytes were taken */
    CHECK(device_is(y, 22));
    OK(cuMemcpyDtoH(pinned, y, N * 4));
    CHECK(pinned[0] == 22);
    OK(cuMemFreeHost(pinned));
    IS(cuMemFreeHost(pinned), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemFree(y));
}

void registered_memory(void) {
    unsigned *memory = malloc((N + 8) * 4), *part = memory + 3; /* not at the begin of a page */
    CUdeviceptr x;
    for (unsigned i = 0; i < N; i++)
        part[i] = 30;
    OK(cuMemHostRegister(part, N * 4, CU_MEMHOSTREGISTER_DEVICEMAP));
    IS(cuMemHostRegister(part, N * 4, 0), CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
    OK(cuMemHostGetDevicePointer(&x, part, 0));
    OK(run_add(x, 5, NULL));
    OK(cuCtxSynchronize());
    CHECK(all_are(part, 35));
    part[7] = 1;
    OK(run_add(x, 1, NULL));
    OK(cuStreamSynchronize(NULL));
    CHECK(part[7] == 2 && part[8] == 36);
    OK(cuMemHostUnregister(part));
    IS(cuMemHostUnregister(part), CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
    free(memory);
}

/* A GPU's pages are of 2 MiB: what reads somewhat beyond an array's end gets away with it. */
void beyond_the_end(void) {
    const size_t page = 2 << 20;
    CUdeviceptr x;
    OK(cuMemAlloc(&x, page + 4096));
    OK(cuMemsetD32(x + page, 3, 1024));
    OK(run_add(x + page + 4096, 0, NULL));
    OK(cuCtxSynchronize());
    CHECK(device_is(x + page, 3));
    OK(cuMemFree(x));
}

void managed_variables(void) {
    CUdeviceptr x, plain;
    size_t size;
    CUfunction bump;
    unsigned by = 5;
    void *params[] = {&by};
    CUlibrary library;
    OK(cuModuleGetFunction(&bump, module, "bump"));
    OK(cuModuleGetGlobal(&x, &size, module, "managed_value"));
    CHECK(size == 4);
    volatile unsigned *value = (volatile unsigned *)x;
    CHECK(*value == 7);
    *value = 10;
    OK(cuLaunchKernel(bump, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
    OK(cuCtxSynchronize());
    CHECK(*value == 15);
    *value = 7;
    OK(cuLibraryLoadData(&library, ptx, NULL, NULL, 0, NULL, NULL, 0));
    OK(cuLibraryGetManaged(&x, &size, library, "managed_value"));
    CHECK(*(volatile unsigned *)x == 7 && size == 4);
    OK(cuLibraryUnload(library));

    /* The runtime asks before there is a context, when a program first names its variable. */
    CUkernel kernel;
    CUcontext mine;
    OK(cuLibraryLoadData(&library, ptx, NULL, NULL, 0, NULL, NULL, 0));
    OK(cuCtxPopCurrent(&mine));
    OK(cuLibraryGetManaged(&x, &size, library, "managed_value"));
    value = (volatile unsigned *)x;
    CHECK(*value == 7);
    *value = 20;
    OK(cuCtxPushCurrent(mine));
    OK(cuLibraryGetKernel(&kernel, library, "bump"));
    OK(cuLaunchKernel((CUfunction)kernel, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
    OK(cuCtxSynchronize());
    CHECK(*value == 25);
    IS(cuLibraryGetManaged(&x, &size, library, "plain_value"), CUDA_ERROR_NOT_FOUND);
    OK(cuLibraryGetGlobal(&plain, &size, library, "plain_value"));
    OK(cuLibraryUnload(library));
}
