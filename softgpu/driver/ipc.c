/*
 * Memory and events for other processes: an allocation becomes the pages of a file without a name; its handle says
 * which process has it open under which number, and the other opens it from /proc. Both must be of one user on one
 * machine.
 */
#include "driver.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x69706377736168ull
#define EVENT_MAGIC 0x65706377736168ull

/* Of memory and of events. */
struct handle {
    uint64_t magic, size;
    int32_t pid, fd;
};
_Static_assert(sizeof(struct handle) <= CU_IPC_HANDLE_SIZE, "the handle has 64 bytes");

/* The file of a handle, if it is one that we have made under that name: what else the process has open is not for
 * those who can write a number into a handle. -1 else. */
static int open_file(const struct handle *h, const char *name) {
    char path[64], is[128], wanted[128];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", h->pid, h->fd);
    snprintf(wanted, sizeof wanted, "/memfd:%s (deleted)", name);
    ssize_t n = readlink(path, is, sizeof is - 1);
    if (n < 0) return -1;
    is[n] = 0;
    int fd = strcmp(is, wanted) ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) != 0 || (uint64_t)st.st_size < h->size)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* ---- memory ---- */

/* Makes the allocation's pages those of a file and fills the handle's 64 bytes. */
static CUresult give_memory(struct sd_allocation a, void *handle) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    CUresult r = CUDA_SUCCESS;
    pthread_mutex_lock(&lock);
    sd_find(a.base, &a); /* another thread may have done it meanwhile */
    if (!a.file) {
        r = sd_wait_all(a.context);
        int fd = r == CUDA_SUCCESS ? memfd_create(SD_IPC_MEMORY, MFD_CLOEXEC) : -1;
        if (fd < 0 && r == CUDA_SUCCESS) r = CUDA_ERROR_OUT_OF_MEMORY;
        if (r == CUDA_SUCCESS) r = sd_move_to_file(a.base, fd);
        if (r != CUDA_SUCCESS && fd >= 0) close(fd);
        a.file = fd + 1;
    }
    pthread_mutex_unlock(&lock);
    if (r != CUDA_SUCCESS) return r;
    struct handle h = {MAGIC, a.reserved, (int32_t)getpid(), a.file - 1};
    memset(handle, 0, CU_IPC_HANDLE_SIZE);
    memcpy(handle, &h, sizeof h);
    return CUDA_SUCCESS;
}

CUresult cuIpcGetMemHandle(CUipcMemHandle *pHandle, CUdeviceptr dptr) {
    struct sd_context *c;
    struct sd_allocation a;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!pHandle || !sd_find(dptr, &a) || a.hidden || a.mapped || a.kind != HAWSER_ON_DEVICE || a.pool)
        return CUDA_ERROR_INVALID_VALUE;
    return give_memory(a, pHandle);
}

static CUresult open_memory(struct sd_context *c, const void *handle, struct sd_pool *pool, CUdeviceptr *out) {
    struct handle h;
    CUresult r;
    memcpy(&h, handle, sizeof h);
    if (h.magic != MAGIC) return CUDA_ERROR_INVALID_VALUE;
    if (h.pid == (int32_t)getpid() && !pool) return CUDA_ERROR_INVALID_CONTEXT; /* CUDA opens only other processes' */
    int fd = open_file(&h, SD_IPC_MEMORY);
    if (fd < 0) return CUDA_ERROR_MAP_FAILED;
    uintptr_t at = sd_take_addresses(h.size, 1);
    r = at ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    if (at && mmap((void *)at, h.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
        r = CUDA_ERROR_MAP_FAILED;
    close(fd);
    if (r == CUDA_SUCCESS)
        r = sd_add_mapping((struct sd_allocation){
            .base = at, .size = h.size, .kind = HAWSER_ON_DEVICE, .device = c->device, .context = c, .pool = pool});
    if (r != CUDA_SUCCESS && at) sd_give_addresses(at, h.size);
    if (r == CUDA_SUCCESS) *out = at;
    return r;
}

CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *pdptr, CUipcMemHandle handle, unsigned int Flags) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!pdptr || Flags & ~(unsigned)CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) return CUDA_ERROR_INVALID_VALUE;
    return open_memory(c, &handle, NULL, pdptr);
}

static void close_memory(struct sd_allocation a) {
    sd_remove_mapping(a.base);
    sd_give_addresses(a.base, a.size);
}

CUresult cuIpcCloseMemHandle(CUdeviceptr dptr) {
    struct sd_context *c;
    struct sd_allocation a;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!sd_find(dptr, &a) || a.base != dptr || !a.mapped || a.pool) return CUDA_ERROR_INVALID_VALUE;
    r = sd_wait_all(c);
    if (r == CUDA_SUCCESS) close_memory(a);
    return r;
}

/* ---- pools: a descriptor of a pool says only that there is one; its allocations travel one by one ---- */

_Static_assert(sizeof(CUmemPoolPtrExportData) == CU_IPC_HANDLE_SIZE, "both hold a struct handle");

CUresult cuMemPoolExportToShareableHandle(void *handle_out, CUmemoryPool pool, CUmemAllocationHandleType handleType,
                                          unsigned long long flags) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!handle_out || flags || !sd_is(SD_POOL, pool) || !((struct sd_pool *)pool)->shareable ||
        handleType != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)
        return CUDA_ERROR_INVALID_VALUE;
    unsigned place = ((struct sd_pool *)pool)->device->place;
    int fd = memfd_create(SD_IPC_POOL, MFD_CLOEXEC);
    if (fd < 0 || write(fd, &place, sizeof place) != sizeof place) {
        if (fd >= 0) close(fd);
        return CUDA_ERROR_OPERATING_SYSTEM;
    }
    *(int *)handle_out = fd;
    return CUDA_SUCCESS;
}

CUresult cuMemPoolImportFromShareableHandle(CUmemoryPool *pool_out, void *handle, CUmemAllocationHandleType handleType,
                                            unsigned long long flags) {
    unsigned place;
    int fd = (int)(intptr_t)handle;
    char path[64], is[128];
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!pool_out || flags || handleType != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_INVALID_VALUE;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, is, sizeof is - 1);
    is[n > 0 ? n : 0] = 0;
    if (strcmp(is, "/memfd:" SD_IPC_POOL " (deleted)") || pread(fd, &place, sizeof place, 0) != sizeof place)
        return CUDA_ERROR_INVALID_VALUE;
    return sd_pool_imported(sd_device_at(place), pool_out);
}

CUresult cuMemPoolExportPointer(CUmemPoolPtrExportData *shareData_out, CUdeviceptr ptr) {
    struct sd_allocation a;
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!shareData_out || !sd_find(ptr, &a) || a.base != ptr || a.mapped || !a.pool || !a.pool->shareable)
        return CUDA_ERROR_INVALID_VALUE;
    return give_memory(a, shareData_out);
}

CUresult cuMemPoolImportPointer(CUdeviceptr *ptr_out, CUmemoryPool pool, CUmemPoolPtrExportData *shareData) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!ptr_out || !shareData || !sd_is(SD_POOL, pool) || !((struct sd_pool *)pool)->imported)
        return CUDA_ERROR_INVALID_VALUE;
    return open_memory(c, shareData, (struct sd_pool *)pool, ptr_out);
}

bool sd_free_imported(uintptr_t base) {
    struct sd_allocation a;
    if (!sd_find(base, &a) || a.base != base || !a.mapped || !a.pool) return false;
    close_memory(a);
    return true;
}

/* ---- events ---- */

CUresult cuIpcGetEventHandle(CUipcEventHandle *pHandle, CUevent event) {
    struct sd_shared_event *shared;
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_EVENT, event)) return CUDA_ERROR_INVALID_HANDLE;
    shared = sd_event_shared(event);
    if (!pHandle || !shared) return CUDA_ERROR_INVALID_VALUE;
    struct handle h = {EVENT_MAGIC, 0, (int32_t)getpid(), sd_shared_event_fd(shared)};
    memset(pHandle, 0, sizeof *pHandle);
    memcpy(pHandle, &h, sizeof h);
    return CUDA_SUCCESS;
}

CUresult cuIpcOpenEventHandle(CUevent *phEvent, CUipcEventHandle handle) {
    struct sd_context *c;
    struct handle h;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    memcpy(&h, &handle, sizeof h);
    if (!phEvent || h.magic != EVENT_MAGIC) return CUDA_ERROR_INVALID_VALUE;
    if (h.pid == (int32_t)getpid()) return CUDA_ERROR_INVALID_CONTEXT;
    int fd = open_file(&h, SD_IPC_EVENT);
    if (fd < 0) return CUDA_ERROR_INVALID_HANDLE;
    struct sd_shared_event *shared = sd_shared_event_open(fd);
    return shared ? sd_event_new(c, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING, shared, phEvent)
                  : CUDA_ERROR_OUT_OF_MEMORY;
}
