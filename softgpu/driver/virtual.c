/* Virtual memory management: physical memory is a file without a name, which can be mapped anywhere and handed on. */
#include "driver.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define GRANULARITY ((size_t)2 << 20)

struct physical {
    CUmemAllocationProp prop;
    struct sd_device *counted; /* whose memory it is; NULL for the host's and for another process's */
    size_t size;
    int fd;
    unsigned references; /* handles and mappings */
};

struct reservation {
    struct reservation *next;
    uintptr_t base;
    size_t size;
};

struct placed {
    struct placed *next;
    uintptr_t base;
    size_t size;
    struct physical *memory;
    CUmemAccess_flags access;
};

/* lock guards all lists and counts. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reservation *reservations;
static struct placed *mappings;

static bool aligned(size_t n) {
    return n && n % GRANULARITY == 0;
}

static CUresult check_prop(const CUmemAllocationProp *p) {
    if (!p || p->type != CU_MEM_ALLOCATION_TYPE_PINNED) return CUDA_ERROR_INVALID_VALUE;
    if (p->location.type == CU_MEM_LOCATION_TYPE_DEVICE)
        return sd_device(p->location.id) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
    return p->location.type == CU_MEM_LOCATION_TYPE_HOST || p->location.type == CU_MEM_LOCATION_TYPE_HOST_NUMA
               ? CUDA_SUCCESS
               : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemGetAllocationGranularity(size_t *granularity, const CUmemAllocationProp *prop,
                                       CUmemAllocationGranularity_flags option) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!granularity || (unsigned)option > CU_MEM_ALLOC_GRANULARITY_RECOMMENDED) return CUDA_ERROR_INVALID_VALUE;
    r = check_prop(prop);
    if (r == CUDA_SUCCESS) *granularity = GRANULARITY;
    return r;
}

/* ---- addresses ---- */

CUresult cuMemAddressReserve(CUdeviceptr *ptr, size_t size, size_t alignment, CUdeviceptr addr,
                             unsigned long long flags) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    (void)addr; /* a wish */
    if (!ptr || !aligned(size) || flags || (alignment & (alignment - 1))) return CUDA_ERROR_INVALID_VALUE;
    struct reservation *v = calloc(1, sizeof *v);
    if (!v) return CUDA_ERROR_OUT_OF_MEMORY;
    v->size = size;
    v->base = sd_take_addresses(size, alignment);
    if (!v->base) {
        free(v);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    pthread_mutex_lock(&lock);
    v->next = reservations;
    reservations = v;
    pthread_mutex_unlock(&lock);
    *ptr = v->base;
    return CUDA_SUCCESS;
}

/* Under the lock. Whether a mapping lies in the range. */
static bool occupied(uintptr_t base, size_t size) {
    for (struct placed *m = mappings; m; m = m->next)
        if (m->base < base + size && base < m->base + m->size) return true;
    return false;
}

CUresult cuMemAddressFree(CUdeviceptr ptr, size_t size) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    r = CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&lock);
    for (struct reservation **p = &reservations; *p; p = &(*p)->next)
        if ((*p)->base == ptr && (*p)->size == size && !occupied(ptr, size)) {
            struct reservation *v = *p;
            *p = v->next;
            sd_give_addresses(v->base, v->size);
            free(v);
            r = CUDA_SUCCESS;
            break;
        }
    pthread_mutex_unlock(&lock);
    return r;
}

/* ---- memory ---- */

static void discard(struct physical *m) {
    if (m->fd >= 0) close(m->fd);
    if (m->counted) sd_give_bytes(m->counted, m->size);
    free(m);
}

CUresult cuMemCreate(CUmemGenericAllocationHandle *handle, size_t size, const CUmemAllocationProp *prop,
                     unsigned long long flags) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!handle || !aligned(size) || flags) return CUDA_ERROR_INVALID_VALUE;
    r = check_prop(prop);
    if (r != CUDA_SUCCESS) return r;
    struct physical *m = calloc(1, sizeof *m);
    if (!m) return CUDA_ERROR_OUT_OF_MEMORY;
    *m = (struct physical){.prop = *prop, .size = size, .references = 1};
    if (prop->location.type == CU_MEM_LOCATION_TYPE_DEVICE) m->counted = sd_device(prop->location.id);
    if (m->counted && sd_take_bytes(m->counted, size) != CUDA_SUCCESS) {
        free(m);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    m->fd = memfd_create("hawser-memory", MFD_CLOEXEC);
    if (m->fd < 0 || ftruncate(m->fd, (off_t)size) != 0 || !sd_register(SD_PHYSICAL, m)) {
        discard(m);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *handle = (CUmemGenericAllocationHandle)(uintptr_t)m;
    return CUDA_SUCCESS;
}

static struct physical *physical(CUmemGenericAllocationHandle handle) {
    struct physical *m = (struct physical *)(uintptr_t)handle;
    return sd_is(SD_PHYSICAL, m) ? m : NULL;
}

/* Under the lock. */
static void unref(struct physical *m) {
    if (--m->references) return;
    sd_unregister(m);
    discard(m);
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    pthread_mutex_lock(&lock);
    struct physical *m = physical(handle);
    if (m) unref(m);
    pthread_mutex_unlock(&lock);
    return m ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp *prop, CUmemGenericAllocationHandle handle) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    struct physical *m = prop ? physical(handle) : NULL;
    if (m) *prop = m->prop;
    return m ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* Under the lock. */
static struct placed *mapping_at(uintptr_t address) {
    struct placed *m = mappings;
    while (m && address - m->base >= m->size)
        m = m->next;
    return m;
}

CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *handle, void *addr) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    pthread_mutex_lock(&lock);
    struct placed *m = handle ? mapping_at((uintptr_t)addr) : NULL;
    if (m) {
        m->memory->references++;
        *handle = (CUmemGenericAllocationHandle)(uintptr_t)m->memory;
    }
    pthread_mutex_unlock(&lock);
    return m ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- memory at addresses ---- */

static CUresult place(struct physical *p, uintptr_t at, size_t size, size_t offset) {
    bool reserved = false;
    for (struct reservation *v = reservations; v; v = v->next)
        reserved |= at >= v->base && at + size <= v->base + v->size;
    if (!reserved || occupied(at, size) || offset > p->size || size > p->size - offset) return CUDA_ERROR_INVALID_VALUE;
    struct placed *m = calloc(1, sizeof *m);
    if (!m) return CUDA_ERROR_OUT_OF_MEMORY;
    *m = (struct placed){mappings, at, size, p, CU_MEM_ACCESS_FLAGS_PROT_NONE};
    if (mmap((void *)at, size, PROT_NONE, MAP_SHARED | MAP_FIXED, p->fd, (off_t)offset) == MAP_FAILED) {
        free(m);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    mappings = m;
    p->references++;
    struct sd_device *d = sd_device(p->prop.location.type == CU_MEM_LOCATION_TYPE_DEVICE ? p->prop.location.id : 0);
    return sd_add_mapping(
        (struct sd_allocation){.base = at, .size = size, .kind = HAWSER_ON_DEVICE, .device = d, .context = d->primary});
}

CUresult cuMemMap(CUdeviceptr ptr, size_t size, size_t offset, CUmemGenericAllocationHandle handle,
                  unsigned long long flags) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!aligned(size) || ptr % GRANULARITY || offset || flags) return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&lock);
    struct physical *p = physical(handle);
    r = p ? place(p, ptr, size, offset) : CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_unlock(&lock);
    return r;
}

CUresult cuMemUnmap(CUdeviceptr ptr, size_t size) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    for (int i = 0; i < SD_MAX_DEVICES && sd_device(i); i++)
        if (sd_device(i)->primary && sd_device(i)->primary->facts.active) sd_wait_all(sd_device(i)->primary);
    size_t found = 0;
    pthread_mutex_lock(&lock);
    for (struct placed *m = mappings; m; m = m->next) /* whole mappings only */
        if (m->base >= ptr && m->base + m->size <= ptr + size) found += m->size;
    if (!size || found != size) r = CUDA_ERROR_INVALID_VALUE;
    for (struct placed **p = &mappings; *p && r == CUDA_SUCCESS;) {
        struct placed *m = *p;
        if (m->base < ptr || m->base + m->size > ptr + size) {
            p = &m->next;
            continue;
        }
        *p = m->next;
        sd_remove_mapping(m->base);
        unref(m->memory);
        free(m);
    }
    pthread_mutex_unlock(&lock);
    return r;
}

CUresult cuMemSetAccess(CUdeviceptr ptr, size_t size, const CUmemAccessDesc *desc, size_t count) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!desc || !count || !size) return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < count; i++) {
        bool device = desc[i].location.type == CU_MEM_LOCATION_TYPE_DEVICE;
        if (device && !sd_device(desc[i].location.id)) return CUDA_ERROR_INVALID_DEVICE;
        if ((!device && desc[i].location.type != CU_MEM_LOCATION_TYPE_HOST &&
             desc[i].location.type != CU_MEM_LOCATION_TYPE_HOST_NUMA) ||
            (desc[i].flags != CU_MEM_ACCESS_FLAGS_PROT_NONE && desc[i].flags != CU_MEM_ACCESS_FLAGS_PROT_READ &&
             desc[i].flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE))
            return CUDA_ERROR_INVALID_VALUE;
    }
    CUmemAccess_flags flags = desc[count - 1].flags;
    int protection = flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE ? PROT_READ | PROT_WRITE
                     : flags == CU_MEM_ACCESS_FLAGS_PROT_READ    ? PROT_READ
                                                                 : PROT_NONE;
    size_t found = 0;
    pthread_mutex_lock(&lock);
    for (struct placed *m = mappings; m; m = m->next)
        if (m->base >= ptr && m->base + m->size <= ptr + size) found += m->size;
    if (found != size) r = CUDA_ERROR_INVALID_VALUE;
    for (struct placed *m = mappings; m && r == CUDA_SUCCESS; m = m->next)
        if (m->base >= ptr && m->base + m->size <= ptr + size) {
            m->access = flags;
            if (mprotect((void *)m->base, m->size, protection) != 0) r = CUDA_ERROR_OUT_OF_MEMORY;
        }
    pthread_mutex_unlock(&lock);
    return r;
}

CUresult cuMemGetAccess(unsigned long long *flags, const CUmemLocation *location, CUdeviceptr ptr) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!flags || !location) return CUDA_ERROR_INVALID_VALUE;
    if (location->type == CU_MEM_LOCATION_TYPE_DEVICE && !sd_device(location->id)) return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&lock);
    struct placed *m = mapping_at(ptr);
    if (m) *flags = m->access;
    pthread_mutex_unlock(&lock);
    return m ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- to other processes: the file's descriptor ---- */

CUresult cuMemExportToShareableHandle(void *shareableHandle, CUmemGenericAllocationHandle handle,
                                      CUmemAllocationHandleType handleType, unsigned long long flags) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!shareableHandle || flags) return CUDA_ERROR_INVALID_VALUE;
    struct physical *m = physical(handle);
    if (!m || handleType != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ||
        !(m->prop.requestedHandleTypes & CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR))
        return CUDA_ERROR_INVALID_VALUE;
    int fd = dup(m->fd);
    if (fd < 0) return CUDA_ERROR_OPERATING_SYSTEM;
    *(int *)shareableHandle = fd;
    return CUDA_SUCCESS;
}

CUresult cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *handle, void *osHandle,
                                        CUmemAllocationHandleType shHandleType) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    off_t size;
    int fd = (int)(intptr_t)osHandle;
    if (!handle || shHandleType != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR || (size = lseek(fd, 0, SEEK_END)) <= 0)
        return CUDA_ERROR_INVALID_VALUE;
    struct physical *m = calloc(1, sizeof *m);
    if (!m) return CUDA_ERROR_OUT_OF_MEMORY;
    *m = (struct physical){.prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
                                    .requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
                                    .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}},
                           .size = (size_t)size,
                           .fd = dup(fd),
                           .references = 1};
    if (m->fd < 0 || !sd_register(SD_PHYSICAL, m)) {
        discard(m);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *handle = (CUmemGenericAllocationHandle)(uintptr_t)m;
    return CUDA_SUCCESS;
}
