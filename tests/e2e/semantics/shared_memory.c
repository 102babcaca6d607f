/* Virtual memory, and memory and events of other processes. */
#include "semantics.h"

void virtual_memory(void) {
    CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
                                .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}};
    CUmemAccessDesc access = {.location = prop.location, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUmemGenericAllocationHandle a, b, again;
    CUdeviceptr at;
    size_t grain;
    unsigned long long flags;
    int supported;
    OK(cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, device));
    CHECK(supported == 1);
    OK(cuMemGetAllocationGranularity(&grain, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    OK(cuMemAddressReserve(&at, 2 * grain, 0, 0, 0));
    size_t before, left, total;
    OK(cuMemGetInfo(&before, &total));
    OK(cuMemCreate(&a, grain, &prop, 0));
    OK(cuMemGetInfo(&left, &total));
    CHECK(!software() || before - left == grain); /* a real device has other users */
    IS(cuMemCreate(&b, (total / grain + 1) * grain, &prop, 0), CUDA_ERROR_OUT_OF_MEMORY);
    OK(cuMemCreate(&b, grain, &prop, 0));
    OK(cuMemMap(at, grain, 0, a, 0));
    OK(cuMemMap(at + grain, grain, 0, b, 0));
    OK(cuMemSetAccess(at, 2 * grain, &access, 1));
    OK(cuMemGetAccess(&flags, &access.location, at + grain));
    CHECK(flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
    /* across the border of the two */
    CUdeviceptr x = at + grain - N * 2;
    OK(cuMemsetD32(x, 3, N));
    OK(run_add(x, 4, NULL));
    CHECK(device_is(x, 7));
    OK(cuMemRetainAllocationHandle(&again, (void *)at));
    OK(cuMemRelease(again));
    OK(cuMemRelease(a));
    IS(cuMemAddressFree(at, 2 * grain), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemUnmap(at, 2 * grain));
    OK(cuMemAddressFree(at, 2 * grain));
    OK(cuMemRelease(b));
    IS(cuMemRelease(b), CUDA_ERROR_INVALID_VALUE);
    IS(cuMemCreate(&a, grain + 1, &prop, 0), CUDA_ERROR_INVALID_VALUE);
}

/* Maps a piece of physical memory at a new address; 0 when that fails. */
static CUdeviceptr map_whole(CUmemGenericAllocationHandle memory, size_t size) {
    CUdeviceptr at = 0;
    CUmemAccessDesc access = {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device},
                              .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    bool ok = cuMemAddressReserve(&at, size, 0, 0, 0) == CUDA_SUCCESS &&
              cuMemMap(at, size, 0, memory, 0) == CUDA_SUCCESS && cuMemSetAccess(at, size, &access, 1) == CUDA_SUCCESS;
    return ok ? at : 0;
}

static void unmap_whole(CUdeviceptr at, size_t size) {
    OK(cuMemUnmap(at, size));
    OK(cuMemAddressFree(at, size));
}

/* Memory as a descriptor: for this process, and for a child that inherits it. */
void memory_as_a_descriptor(void) {
    CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
                                .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}};
    CUmemGenericAllocationHandle plain, memory, again;
    size_t size;
    int fd = -1, status, other[2], supported;
    OK(cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED, device));
    CHECK(supported);
    OK(cuMemGetAllocationGranularity(&size, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    OK(cuMemCreate(&plain, size, &prop, 0));
    CHECK(cuMemExportToShareableHandle(&fd, plain, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0) != CUDA_SUCCESS);
    OK(cuMemRelease(plain));
    prop.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    OK(cuMemCreate(&memory, size, &prop, 0));
    IS(cuMemExportToShareableHandle(NULL, memory, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0),
       CUDA_ERROR_INVALID_VALUE);
    IS(cuMemExportToShareableHandle(&fd, memory, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 1),
       CUDA_ERROR_INVALID_VALUE);
    OK(cuMemExportToShareableHandle(&fd, memory, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    CUdeviceptr a = map_whole(memory, size);
    OK(cuMemsetD32(a, 50, N));
    OK(cuCtxSynchronize());
    OK(cuMemImportFromShareableHandle(&again, (void *)(intptr_t)fd, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
    CUdeviceptr b = map_whole(again, size);
    CHECK(a != b && device_is(b, 50));
    CHECK(pipe(other) == 0);
    CHECK(cuMemImportFromShareableHandle(&plain, (void *)(intptr_t)other[0],
                                         CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) != CUDA_SUCCESS);
    IS(cuMemImportFromShareableHandle(NULL, (void *)(intptr_t)fd, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR),
       CUDA_ERROR_INVALID_VALUE);
    close(other[0]), close(other[1]);
    pid_t child = fork();
    if (child == 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", fd);
        fcntl(fd, F_SETFD, 0);
        execl("/proc/self/exe", "semantics", "--descriptor", number, NULL);
        _exit(9);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(fd);
    CHECK(device_is(a, 51) && device_is(b, 51));
    unmap_whole(a, size);
    unmap_whole(b, size);
    OK(cuMemRelease(memory));
    OK(cuMemRelease(again));
}

int descriptor_child(int fd) {
    CUmemGenericAllocationHandle memory;
    CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
                                .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}};
    size_t size;
    if (cuMemImportFromShareableHandle(&memory, (void *)(intptr_t)fd, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) != 0)
        return 2;
    if (cuMemGetAllocationGranularity(&size, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM) != CUDA_SUCCESS) return 3;
    CUdeviceptr x = map_whole(memory, size);
    if (!device_is(x, 50) || run_add(x, 1, NULL) != CUDA_SUCCESS || cuCtxSynchronize() != CUDA_SUCCESS) return 4;
    unmap_whole(x, size);
    return cuMemRelease(memory) == CUDA_SUCCESS ? 0 : 5;
}

static void to_text(const void *bytes, size_t size, char *text) {
    for (size_t i = 0; i < size; i++)
        sprintf(text + 2 * i, "%02x", ((const unsigned char *)bytes)[i]);
}

static bool from_text(const char *text, void *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1) return false;
        ((unsigned char *)bytes)[i] = (unsigned char)byte;
    }
    return true;
}

/* The child, an exec'd copy of this program, adds 1 to memory that it opens, when this process's event says so, and
 * records an event of which this process knows. */
void other_processes(void) {
    CUipcMemHandle handle;
    CUipcEventHandle ready_handle, done_handle;
    CUdeviceptr x = zeros();
    CUevent ready, done, wrong;
    CUstream s;
    char text[2 * sizeof handle + 1], ready_text[2 * sizeof ready_handle + 1], done_text[2 * sizeof done_handle + 1];
    int status;
    IS(cuEventCreate(&wrong, CU_EVENT_INTERPROCESS), CUDA_ERROR_INVALID_VALUE);
    OK(cuEventCreate(&wrong, CU_EVENT_DEFAULT));
    CHECK(cuIpcGetEventHandle(&ready_handle, wrong) != CUDA_SUCCESS);
    OK(cuEventDestroy(wrong));
    OK(cuEventCreate(&ready, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING));
    OK(cuEventCreate(&done, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING));
    OK(cuIpcGetEventHandle(&ready_handle, ready));
    OK(cuIpcGetEventHandle(&done_handle, done));
    to_text(&ready_handle, sizeof ready_handle, ready_text);
    to_text(&done_handle, sizeof done_handle, done_text);
    OK(cuEventQuery(ready)); /* not recorded yet */
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    OK(cuMemsetD32(x, 50, N));
    OK(cuCtxSynchronize());
    OK(cuIpcGetMemHandle(&handle, x));
    to_text(&handle, sizeof handle, text);
    CUdeviceptr own;
    CHECK(cuIpcOpenMemHandle(&own, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) != CUDA_SUCCESS);
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "semantics", "--ipc", text, ready_text, done_text, NULL);
        _exit(9);
    }
    OK(cuEventRecord(ready, s));
    OK(cuStreamSynchronize(s));
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    OK(cuEventQuery(done));
    OK(cuEventSynchronize(done));
    OK(cuStreamWaitEvent(s, done, 0));
    OK(cuStreamSynchronize(s));
    CHECK(device_is(x, 51));
    OK(cuMemFree(x));
    OK(cuEventDestroy(ready));
    OK(cuEventDestroy(done));
    OK(cuStreamDestroy(s));
}

int ipc_child(char **texts) {
    CUipcMemHandle handle;
    CUipcEventHandle ready_handle, done_handle;
    CUevent ready, done;
    CUstream s;
    CUdeviceptr x;
    if (!from_text(texts[0], &handle, sizeof handle) || !from_text(texts[1], &ready_handle, sizeof ready_handle) ||
        !from_text(texts[2], &done_handle, sizeof done_handle))
        return 2;
    if (cuIpcOpenMemHandle(&x, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) != CUDA_SUCCESS) return 3;
    if (cuIpcOpenEventHandle(&ready, ready_handle) != CUDA_SUCCESS ||
        cuIpcOpenEventHandle(&done, done_handle) != CUDA_SUCCESS || cuStreamCreate(&s, CU_STREAM_NON_BLOCKING) != 0)
        return 6;
    if (cuStreamWaitEvent(s, ready, 0) != CUDA_SUCCESS || run_add(x, 1, s) != CUDA_SUCCESS ||
        cuEventRecord(done, s) != CUDA_SUCCESS || cuEventSynchronize(done) != CUDA_SUCCESS)
        return 4;
    if (!device_is(x, 51) || cuEventDestroy(ready) != CUDA_SUCCESS || cuEventDestroy(done) != CUDA_SUCCESS) return 7;
    return cuIpcCloseMemHandle(x) == CUDA_SUCCESS ? 0 : 5;
}

/* A pool's memory in a child, which has inherited the pool's descriptor, adds 1 there and gives it back. */
void pools_of_other_processes(void) {
    CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
                            .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}};
    CUmemoryPool plain, pool, imported;
    CUmemPoolPtrExportData data;
    CUdeviceptr x, not_shared, own;
    cuuint64_t used;
    int fd = -1, status, supported;
    char text[2 * sizeof data + 1], number[16];
    OK(cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_MEMPOOL_SUPPORTED_HANDLE_TYPES, device));
    CHECK(supported & CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
    OK(cuMemPoolCreate(&plain, &props));
    CHECK(cuMemPoolExportToShareableHandle(&fd, plain, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0) != CUDA_SUCCESS);
    OK(cuMemAllocFromPoolAsync(&not_shared, N * 4, plain, NULL));
    IS(cuMemPoolExportPointer(&data, not_shared), CUDA_ERROR_INVALID_VALUE);
    props.handleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    OK(cuMemPoolCreate(&pool, &props));
    OK(cuMemPoolExportToShareableHandle(&fd, pool, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    OK(cuMemAllocFromPoolAsync(&x, N * 4, pool, NULL));
    OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
    CHECK(used >= N * 4);
    OK(cuMemsetD32(x, 50, N));
    OK(cuMemPoolExportPointer(&data, x));
    IS(cuMemPoolImportPointer(&own, pool, &data), CUDA_ERROR_INVALID_VALUE); /* not an imported pool */
    OK(cuMemPoolImportFromShareableHandle(&imported, (void *)(intptr_t)fd, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
                                          0));
    IS(cuMemAllocFromPoolAsync(&own, N * 4, imported, NULL), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemPoolDestroy(imported));
    to_text(&data, sizeof data, text);
    snprintf(number, sizeof number, "%d", fd);
    OK(cuCtxSynchronize());
    pid_t child = fork();
    if (child == 0) {
        fcntl(fd, F_SETFD, 0);
        execl("/proc/self/exe", "semantics", "--pool", number, text, NULL);
        _exit(9);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(fd);
    CHECK(device_is(x, 51));
    OK(cuMemFreeAsync(x, NULL));
    OK(cuMemFreeAsync(not_shared, NULL));
    OK(cuCtxSynchronize());
    OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
    CHECK(used == 0);
    OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &used));
    CHECK(used >= N * 4);
    OK(cuMemPoolDestroy(pool));
    OK(cuMemPoolDestroy(plain));
}

int pool_child(int fd, const char *text) {
    CUmemPoolPtrExportData data;
    CUmemoryPool pool;
    CUdeviceptr x;
    if (!from_text(text, &data, sizeof data)) return 2;
    if (cuMemPoolImportFromShareableHandle(&pool, (void *)(intptr_t)fd, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0) !=
        0)
        return 3;
    if (cuMemPoolImportPointer(&x, pool, &data) != CUDA_SUCCESS) return 4;
    if (!device_is(x, 50) || run_add(x, 1, NULL) != CUDA_SUCCESS || cuMemFreeAsync(x, NULL) != CUDA_SUCCESS) return 5;
    return cuCtxSynchronize() == CUDA_SUCCESS && cuMemPoolDestroy(pool) == CUDA_SUCCESS ? 0 : 6;
}

/* Many descriptors, one after the other, of which the process and its host may each have a few hundred open at a time.
 */
void descriptors_that_are_closed(void) {
    CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
                                .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device},
                                .requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR};
    CUmemGenericAllocationHandle memory, again;
    size_t size;
    OK(cuMemGetAllocationGranularity(&size, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    for (int i = 0; i < 1000; i++) {
        int fd = -1, copy;
        OK(cuMemCreate(&memory, size, &prop, 0));
        OK(cuMemExportToShareableHandle(&fd, memory, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
        CHECK((copy = dup(fd)) >= 0 && close(fd) == 0);
        OK(cuMemRelease(memory));
        OK(cuMemImportFromShareableHandle(&again, (void *)(intptr_t)copy, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
        CHECK(close(copy) == 0);
        OK(cuMemRelease(again));
    }
}
