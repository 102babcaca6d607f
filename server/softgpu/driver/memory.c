/*
 * Memory. One address range, reserved at start and far from where programs map theirs, holds all device,
 * pinned and managed memory: kernels are confined to it, and a page of it is accessible only while it
 * belongs to an allocation. Allocations are whole pages, so that a pointer that runs wild faults soon.
 */
#include "driver.h"
#include "figures.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARENA_BASE 0x200000000000ull
#define PAGE ((size_t)4096)
#define HUGE ((size_t)2 << 20)
#define HOST_BYTES ((size_t)64 << 30) /* address space for pinned memory, beside the devices' */

struct extent {
    uintptr_t base;
    size_t size;
};

/* All under lock; both arrays sorted by address. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static uintptr_t arena_lo, arena_hi;
static struct extent *holes;
static size_t n_holes, cap_holes;
static struct sd_allocation *allocations;
static size_t n_allocations, cap_allocations;
static struct extent *managed_variables;
static size_t n_managed, cap_managed;
static size_t used[SD_MAX_DEVICES];
static uint64_t next_id = 1;

static bool grow(void **array, size_t *cap, size_t need, size_t element)
{
    if (need <= *cap) return true;
    size_t n = *cap ? *cap * 2 : 64;
    void *p = realloc(*array, n * element);
    if (!p) return false;
    *array = p;
    *cap = n;
    return true;
}

bool sd_arena_init(void)
{
    size_t size = sd_default_memory() * SD_MAX_DEVICES + HOST_BYTES;
    size = (size + HUGE - 1) / HUGE * HUGE;
    /* Another software GPU in this process may have the first choice already. */
    for (uintptr_t at = ARENA_BASE; at < ARENA_BASE * 2; at += (uintptr_t)1 << 42) {
        void *p = mmap((void *)at, size, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (p != (void *)at) {
            if (p != MAP_FAILED) munmap(p, size);
            continue;
        }
        arena_lo = at;
        arena_hi = at + size;
        if (!grow((void **)&holes, &cap_holes, 1, sizeof *holes)) return false;
        holes[n_holes++] = (struct extent){at, size};
        return true;
    }
    return false;
}

void sd_arena_bounds(uintptr_t *lo, uintptr_t *hi)
{
    *lo = arena_lo;
    *hi = arena_hi;
}

/* ---- holes, under the lock ---- */

static uintptr_t take_hole(size_t size, size_t align)
{
    if (!grow((void **)&holes, &cap_holes, n_holes + 1, sizeof *holes)) return 0;
    for (size_t i = 0; i < n_holes; i++) {
        uintptr_t at = (holes[i].base + align - 1) / align * align;
        size_t before = at - holes[i].base;
        if (holes[i].size < before || holes[i].size - before < size) continue;
        size_t after = holes[i].size - before - size;
        if (before && after) {
            memmove(&holes[i + 1], &holes[i], (n_holes - i) * sizeof *holes);
            n_holes++;
            holes[i].size = before;
            holes[i + 1] = (struct extent){at + size, after};
        } else if (before) {
            holes[i].size = before;
        } else if (after) {
            holes[i] = (struct extent){at + size, after};
        } else {
            memmove(&holes[i], &holes[i + 1], (n_holes - i - 1) * sizeof *holes);
            n_holes--;
        }
        return at;
    }
    return 0;
}

static void give_hole(uintptr_t base, size_t size)
{
    size_t i = 0;
    while (i < n_holes && holes[i].base < base)
        i++;
    bool joins_before = i > 0 && holes[i - 1].base + holes[i - 1].size == base;
    bool joins_after = i < n_holes && base + size == holes[i].base;
    if (joins_before && joins_after) {
        holes[i - 1].size += size + holes[i].size;
        memmove(&holes[i], &holes[i + 1], (n_holes - i - 1) * sizeof *holes);
        n_holes--;
    } else if (joins_before) {
        holes[i - 1].size += size;
    } else if (joins_after) {
        holes[i].base = base;
        holes[i].size += size;
    } else if (grow((void **)&holes, &cap_holes, n_holes + 1, sizeof *holes)) {
        memmove(&holes[i + 1], &holes[i], (n_holes - i) * sizeof *holes);
        n_holes++;
        holes[i] = (struct extent){base, size};
    } /* else the addresses are lost, which only costs address space */
}

/* ---- allocations, under the lock ---- */

/* Index of the first allocation that begins beyond the address. */
static size_t upper(uintptr_t address)
{
    size_t lo = 0, hi = n_allocations;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (allocations[mid].base <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool add(struct sd_allocation a)
{
    if (!grow((void **)&allocations, &cap_allocations, n_allocations + 1, sizeof *allocations)) return false;
    size_t i = upper(a.base);
    memmove(&allocations[i + 1], &allocations[i], (n_allocations - i) * sizeof *allocations);
    n_allocations++;
    a.id = next_id++;
    allocations[i] = a;
    return true;
}

static bool counts(enum sd_memory_kind kind)
{
    return kind == SD_ON_DEVICE || kind == SD_MANAGED;
}

/* Every allocation that leaves the process above its budget is told. */
static void tell_budget(const struct sd_device *d, size_t now)
{
    CUasyncNotificationInfo info = {.type = CU_ASYNC_NOTIFICATION_TYPE_OVER_BUDGET};
    if (!d->watched || now <= d->budget) return;
    info.info.overBudget.bytesOverBudget = now - d->budget;
    hawser_abi_notify(d->ordinal, &info);
}

static CUresult alloc_on(struct sd_device *d, struct sd_context *c, size_t size,
                         enum sd_memory_kind kind, unsigned flags, bool hidden, void **out)
{
    CUresult r = CUDA_ERROR_OUT_OF_MEMORY;
    if (size == 0) return CUDA_ERROR_INVALID_VALUE;
    if (size > d->memory_bytes && counts(kind)) return r;
    if (size > HOST_BYTES && !counts(kind)) return r;
    size_t reserved = (size + PAGE - 1) / PAGE * PAGE, align = reserved >= HUGE ? HUGE : PAGE;
    pthread_rwlock_wrlock(&lock);
    if (counts(kind) && reserved > d->memory_bytes - used[d->ordinal]) goto out;
    uintptr_t at = take_hole(reserved, align);
    if (!at) goto out;
    struct sd_allocation a = {.base = at, .size = size, .reserved = reserved, .kind = kind, .flags = flags,
                              .device = d, .context = c, .hidden = hidden};
    if (mprotect((void *)at, reserved, PROT_READ | PROT_WRITE) != 0 || !add(a)) {
        mprotect((void *)at, reserved, PROT_NONE);
        give_hole(at, reserved);
        goto out;
    }
    if (reserved >= HUGE) madvise((void *)at, reserved, MADV_HUGEPAGE);
    if (counts(kind)) used[d->ordinal] += reserved;
    *out = (void *)at;
    r = CUDA_SUCCESS;
out:
    size_t now = used[d->ordinal];
    pthread_rwlock_unlock(&lock);
    if (r == CUDA_SUCCESS && counts(kind)) tell_budget(d, now);
    return r;
}

CUresult sd_alloc(struct sd_context *c, size_t size, enum sd_memory_kind kind, unsigned flags,
                  bool hidden, void **out)
{
    return alloc_on(c->device, c, size, kind, flags, hidden, out);
}

/* Pages are aligned enough for whatever the engine asks. It frees these itself. */
void *sd_engine_alloc(void *user, size_t bytes, size_t align)
{
    void *p = NULL;
    (void)align;
    return alloc_on(user, NULL, bytes, SD_ON_DEVICE, 0, true, &p) == CUDA_SUCCESS ? p : NULL;
}

void sd_engine_release(void *user, void *memory)
{
    (void)user;
    sd_free(memory, SD_ON_DEVICE, true);
}

bool sd_note_managed(uintptr_t address, size_t size)
{
    pthread_rwlock_wrlock(&lock);
    size_t i = 0;
    while (i < n_managed && managed_variables[i].base != address)
        i++;
    bool ok = i < n_managed || grow((void **)&managed_variables, &cap_managed, n_managed + 1, sizeof(struct extent));
    if (ok && i == n_managed) managed_variables[n_managed++] = (struct extent){address, size};
    pthread_rwlock_unlock(&lock);
    return ok;
}

/* Under the lock. */
static void release(size_t i)
{
    struct sd_allocation a = allocations[i];
    for (size_t v = n_managed; v-- > 0;)
        if (managed_variables[v].base - a.base < a.size) managed_variables[v] = managed_variables[--n_managed];
    memmove(&allocations[i], &allocations[i + 1], (n_allocations - i - 1) * sizeof a);
    n_allocations--;
    if (!a.reserved) return;
    if (a.in_use) sd_pool_unused(a.pool, &a);
    if (a.pool) sd_pool_released(a.pool, &a);
    if (a.file) close(a.file - 1);
    /* A fresh mapping gives the pages back at once and makes them inaccessible. */
    mmap((void *)a.base, a.reserved, PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    give_hole(a.base, a.reserved);
    if (counts(a.kind)) used[a.device->ordinal] -= a.reserved;
}

CUresult sd_free(void *p, enum sd_memory_kind kind, bool hidden)
{
    pthread_rwlock_wrlock(&lock);
    size_t i = upper((uintptr_t)p);
    struct sd_allocation *a = i ? &allocations[i - 1] : NULL;
    bool ok = a && a->base == (uintptr_t)p && a->kind == kind && a->hidden == hidden;
    if (ok) release(i - 1);
    pthread_rwlock_unlock(&lock);
    return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* Registered memory is every device's, as all host memory is where addresses are unified. */
static void forget_registered(const void *p, size_t size)
{
    struct sd_device *d;
    for (CUdevice i = 0; (d = sd_device(i)); i++)
        sg_engine_remove_range(d->engine, p, size);
}

static bool know_registered(const void *p, size_t size)
{
    struct sd_device *d;
    for (CUdevice i = 0; (d = sd_device(i)); i++)
        if (!sg_engine_add_range(d->engine, p, size)) {
            forget_registered(p, size);
            return false;
        }
    return true;
}

void sd_free_all(struct sd_context *c)
{
    pthread_rwlock_wrlock(&lock);
    for (size_t i = n_allocations; i-- > 0;)
        if (allocations[i].context == c && !allocations[i].mapped) {
            if (allocations[i].kind == SD_REGISTERED)
                forget_registered((void *)allocations[i].base, allocations[i].size);
            release(i);
        }
    pthread_rwlock_unlock(&lock);
}

bool sd_find(uintptr_t address, struct sd_allocation *out)
{
    pthread_rwlock_rdlock(&lock);
    size_t i = upper(address);
    bool found = i > 0 && address - allocations[i - 1].base < allocations[i - 1].size;
    if (found) *out = allocations[i - 1];
    for (size_t v = 0; found && out->hidden && v < n_managed; v++)
        if (address - managed_variables[v].base < managed_variables[v].size) {
            out->base = managed_variables[v].base;
            out->size = managed_variables[v].size;
            out->kind = SD_MANAGED;
        }
    pthread_rwlock_unlock(&lock);
    return found;
}

/* Mappings that touch each other (virtual memory management) count as one. */
bool sd_reachable(uintptr_t address, size_t size)
{
    struct sd_allocation a;
    while (sd_find(address, &a)) {
        size_t here = a.base + a.size - address;
        if (size <= here) return true;
        if (!a.mapped) return false;
        address += here;
        size -= here;
    }
    return false;
}

uintptr_t sd_take_addresses(size_t size, size_t align)
{
    pthread_rwlock_wrlock(&lock);
    uintptr_t at = take_hole(size, align);
    pthread_rwlock_unlock(&lock);
    return at;
}

static void close_pages(uintptr_t base, size_t size)
{
    mmap((void *)base, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

void sd_give_addresses(uintptr_t base, size_t size)
{
    pthread_rwlock_wrlock(&lock);
    close_pages(base, size);
    give_hole(base, size);
    pthread_rwlock_unlock(&lock);
}

CUresult sd_add_mapping(struct sd_allocation a)
{
    a.mapped = true;
    pthread_rwlock_wrlock(&lock);
    bool ok = add(a);
    pthread_rwlock_unlock(&lock);
    return ok ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

bool sd_remove_mapping(uintptr_t base)
{
    pthread_rwlock_wrlock(&lock);
    size_t i = upper(base);
    bool ok = i && allocations[i - 1].base == base && allocations[i - 1].mapped;
    if (ok) {
        close_pages(base, allocations[i - 1].size);
        memmove(&allocations[i - 1], &allocations[i], (n_allocations - i) * sizeof *allocations);
        n_allocations--;
    }
    pthread_rwlock_unlock(&lock);
    return ok;
}

CUresult sd_move_to_file(uintptr_t base, int fd)
{
    CUresult r = CUDA_ERROR_INVALID_VALUE;
    pthread_rwlock_wrlock(&lock);
    size_t i = upper(base), done = 0;
    struct sd_allocation *a = i ? &allocations[i - 1] : NULL;
    if (a && a->base == base && a->reserved && !a->mapped) {
        r = ftruncate(fd, (off_t)a->reserved) == 0 ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
        while (r == CUDA_SUCCESS && done < a->reserved) {
            ssize_t n = pwrite(fd, (char *)base + done, a->reserved - done, (off_t)done);
            if (n <= 0) r = CUDA_ERROR_OUT_OF_MEMORY;
            else done += (size_t)n;
        }
        if (r == CUDA_SUCCESS && mmap((void *)base, a->reserved, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                                      0) == MAP_FAILED)
            r = CUDA_ERROR_OUT_OF_MEMORY;
        if (r == CUDA_SUCCESS) a->file = fd + 1;
    }
    pthread_rwlock_unlock(&lock);
    return r;
}

void sd_from_pool(void *p, struct sd_pool *pool)
{
    pthread_rwlock_wrlock(&lock);
    struct sd_allocation *a = &allocations[upper((uintptr_t)p) - 1];
    a->pool = pool;
    a->in_use = true;
    sd_pool_took(pool, a);
    pthread_rwlock_unlock(&lock);
}

void sd_pool_gives_up(uintptr_t base)
{
    pthread_rwlock_wrlock(&lock);
    size_t i = upper(base);
    struct sd_allocation *a = i ? &allocations[i - 1] : NULL;
    if (a && a->base == base && a->in_use) sd_pool_unused(a->pool, a);
    if (a) a->in_use = false;
    pthread_rwlock_unlock(&lock);
}

CUresult sd_take_bytes(struct sd_device *d, size_t size)
{
    pthread_rwlock_wrlock(&lock);
    bool ok = size <= d->memory_bytes - used[d->ordinal];
    size_t now = used[d->ordinal] += ok ? size : 0;
    pthread_rwlock_unlock(&lock);
    if (ok) tell_budget(d, now);
    return ok ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

void sd_give_bytes(struct sd_device *d, size_t size)
{
    pthread_rwlock_wrlock(&lock);
    used[d->ordinal] -= size;
    pthread_rwlock_unlock(&lock);
}

size_t sd_used(const struct sd_device *d)
{
    pthread_rwlock_rdlock(&lock);
    size_t n = used[d->ordinal];
    pthread_rwlock_unlock(&lock);
    return n;
}

size_t hawser_softgpu_used(CUdevice device)
{
    const struct sd_device *d = sd_device(device);
    return d ? sd_used(d) : 0;
}

/* ---- the API: device memory ---- */

CUresult cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    return dptr ? sd_alloc(c, bytesize, SD_ON_DEVICE, 0, false, (void **)dptr) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemAllocPitch_v2(CUdeviceptr *dptr, size_t *pPitch, size_t WidthInBytes, size_t Height,
                            unsigned int ElementSizeBytes)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    size_t pitch, size;
    if (!dptr || !pPitch || !WidthInBytes || !Height ||
        (ElementSizeBytes != 4 && ElementSizeBytes != 8 && ElementSizeBytes != 16))
        return CUDA_ERROR_INVALID_VALUE;
    if (__builtin_add_overflow(WidthInBytes, 511, &pitch)) return CUDA_ERROR_INVALID_VALUE;
    pitch &= ~(size_t)511;
    if (__builtin_mul_overflow(pitch, Height, &size)) return CUDA_ERROR_OUT_OF_MEMORY;
    r = sd_alloc(c, size, SD_ON_DEVICE, 0, false, (void **)dptr);
    if (r == CUDA_SUCCESS) *pPitch = pitch;
    return r;
}

CUresult cuMemAllocManaged(CUdeviceptr *dptr, size_t bytesize, unsigned int flags)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!dptr || (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST))
        return CUDA_ERROR_INVALID_VALUE;
    return sd_alloc(c, bytesize, SD_MANAGED, flags, false, (void **)dptr);
}

CUresult cuMemFree_v2(CUdeviceptr dptr)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS || !dptr) return r;
    struct sd_allocation a;
    if (!sd_find(dptr, &a) || a.base != dptr || a.hidden || (a.mapped && !a.pool) || !counts(a.kind))
        return CUDA_ERROR_INVALID_VALUE;
    r = sd_wait_all(a.context); /* work under way may use it */
    if (r != CUDA_SUCCESS || sd_free_imported(dptr)) return r;
    return sd_free((void *)dptr, a.kind, false);
}

CUresult cuMemGetInfo_v2(size_t *free, size_t *total)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!free || !total) return CUDA_ERROR_INVALID_VALUE;
    *total = c->device->memory_bytes;
    *free = *total - sd_used(c->device);
    return CUDA_SUCCESS;
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr *pbase, size_t *psize, CUdeviceptr dptr)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    struct sd_allocation a;
    if (r != CUDA_SUCCESS) return r;
    if (!sd_find(dptr, &a)) return CUDA_ERROR_NOT_FOUND;
    if (pbase) *pbase = a.base;
    if (psize) *psize = a.size;
    return CUDA_SUCCESS;
}

/* ---- the API: host memory ---- */

CUresult cuMemHostAlloc(void **pp, size_t bytesize, unsigned int Flags)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!pp || Flags > 7) return CUDA_ERROR_INVALID_VALUE;
    return sd_alloc(c, bytesize, SD_PINNED, Flags, false, pp);
}

CUresult cuMemAllocHost_v2(void **pp, size_t bytesize)
{
    return cuMemHostAlloc(pp, bytesize, 0);
}

CUresult cuMemFreeHost(void *p)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    struct sd_allocation a;
    if (r != CUDA_SUCCESS) return r;
    if (!p || !sd_find((uintptr_t)p, &a) || a.kind != SD_PINNED) return CUDA_ERROR_INVALID_VALUE;
    r = sd_wait_all(a.context);
    return r == CUDA_SUCCESS ? sd_free(p, SD_PINNED, false) : r;
}

CUresult cuMemHostRegister_v2(void *p, size_t bytesize, unsigned int Flags)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    struct sd_allocation a;
    if (r != CUDA_SUCCESS) return r;
    if (!p || !bytesize || Flags & CU_MEMHOSTREGISTER_IOMEMORY || bytesize > UINTPTR_MAX - (uintptr_t)p)
        return CUDA_ERROR_INVALID_VALUE;
    a = (struct sd_allocation){.base = (uintptr_t)p, .size = bytesize, .kind = SD_REGISTERED,
                               .flags = Flags, .device = c->device, .context = c};
    pthread_rwlock_wrlock(&lock);
    size_t i = upper(a.base);
    bool overlaps = (i > 0 && allocations[i - 1].base + allocations[i - 1].size > a.base) ||
                    (i < n_allocations && a.base + a.size > allocations[i].base);
    bool ok = !overlaps && add(a);
    pthread_rwlock_unlock(&lock);
    if (overlaps) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    if (ok && know_registered(p, bytesize)) return CUDA_SUCCESS;
    if (ok) sd_free(p, SD_REGISTERED, false);
    return CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuMemHostUnregister(void *p)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    struct sd_allocation a;
    if (r != CUDA_SUCCESS) return r;
    if (!p) return CUDA_ERROR_INVALID_VALUE;
    if (!sd_find((uintptr_t)p, &a) || a.kind != SD_REGISTERED || a.base != (uintptr_t)p)
        return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    r = sd_wait_all(a.context);
    if (r != CUDA_SUCCESS) return r;
    forget_registered(p, a.size);
    return sd_free(p, SD_REGISTERED, false);
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *pdptr, void *p, unsigned int Flags)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    struct sd_allocation a;
    if (r != CUDA_SUCCESS) return r;
    if (!pdptr || Flags || !sd_find((uintptr_t)p, &a) || a.kind == SD_ON_DEVICE)
        return CUDA_ERROR_INVALID_VALUE;
    *pdptr = (CUdeviceptr)p;
    return CUDA_SUCCESS;
}

CUresult cuMemHostGetFlags(unsigned int *pFlags, void *p)
{
    struct sd_context *c;
    CUresult r = sd_current(&c);
    struct sd_allocation a;
    if (r != CUDA_SUCCESS) return r;
    if (!pFlags || !sd_find((uintptr_t)p, &a) || (a.kind != SD_PINNED && a.kind != SD_REGISTERED))
        return CUDA_ERROR_INVALID_VALUE;
    *pFlags = a.flags;
    return CUDA_SUCCESS;
}
