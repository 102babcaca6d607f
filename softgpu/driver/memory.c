/*
 * Memory. One address range, reserved at start and far from where programs map theirs, holds all device,
 * pinned and managed memory: kernels are confined to it. Allocations are whole pages. As on a GPU, whose pages are of
 * 2 MiB, such a block of it is accessible while any of it belongs to an allocation: programs that read somewhat beyond
 * the end of their arrays run, and a pointer that runs wild faults.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef HAWSER_SANITIZE_THREAD /* has shadows of its own nearly everywhere */
#define ARENA_BASE 0x1000000000ull
#else
#define ARENA_BASE 0x200000000000ull
#endif
#define PAGE ((size_t)4096)
#define HUGE ((size_t)2 << 20)
#define GROWTH ((size_t)32 << 20)     /* by which a pool grows at least, as those of NVIDIA's driver do */
#define HOST_BYTES ((size_t)64 << 30) /* address space for pinned memory, beside the devices' */

/* All under lock; both arrays sorted by address. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static uintptr_t arena_lo, arena_hi;
static struct sd_extents holes;
static struct sd_allocation *allocations;
static size_t n_allocations, cap_allocations;
static struct sd_extent *managed_variables;
static size_t n_managed, cap_managed;
static size_t used[SD_MAX_DEVICES];
static uint32_t *tenants; /* by block of HUGE bytes: allocations that have a part of it */
static uint64_t next_id = 1;
static struct sd_pool *pools;

bool sd_arena_init(void) {
    size_t size = sd_default_memory() * SD_MAX_DEVICES + HOST_BYTES;
    size = (size + HUGE - 1) / HUGE * HUGE;
    /* Another software GPU in this process may have the first choice already. */
    for (uintptr_t at = ARENA_BASE; at < ARENA_BASE * 2; at += (uintptr_t)1 << 42) {
        void *p =
            mmap((void *)at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (p != (void *)at) {
            if (p != MAP_FAILED) munmap(p, size);
            continue;
        }
        arena_lo = at;
        arena_hi = at + size;
        tenants = calloc(size / HUGE, sizeof *tenants);
        if (!tenants) return false;
        return sd_extents_give(&holes, at, size);
    }
    return false;
}

void sd_arena_bounds(uintptr_t *lo, uintptr_t *hi) {
    *lo = arena_lo;
    *hi = arena_hi;
}

/* ---- allocations, under the lock ---- */

/* Index of the first allocation that begins beyond the address. */
static size_t upper(uintptr_t address) {
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

static bool add(struct sd_allocation a) {
    if (!hawser_abi_grow((void **)&allocations, &cap_allocations, n_allocations + 1, sizeof *allocations)) return false;
    size_t i = upper(a.base);
    memmove(&allocations[i + 1], &allocations[i], (n_allocations - i) * sizeof *allocations);
    n_allocations++;
    a.id = next_id++;
    allocations[i] = a;
    return true;
}

static bool counts(enum hawser_memory kind) {
    return kind == HAWSER_ON_DEVICE || kind == HAWSER_MANAGED;
}

/* Every allocation that leaves the process above its budget is told. */
static void tell_budget(const struct sd_device *d, size_t now) {
    CUasyncNotificationInfo info = {.type = CU_ASYNC_NOTIFICATION_TYPE_OVER_BUDGET};
    if (!d->watched || now <= d->budget) return;
    info.info.overBudget.bytesOverBudget = now - d->budget;
    hawser_abi_notify(d->ordinal, &info);
}

/* ---- what pools keep, under the lock ---- */

static size_t counted(const struct sd_allocation *a) {
    return (a->size + 511) & ~(size_t)511;
}

static void use_of_pool(struct sd_allocation *a, struct sd_pool *p) {
    a->pool = p;
    a->in_use = true;
    p->used += counted(a);
    if (p->used > p->most_used) p->most_used = p->used;
    if (p->reserved > p->most_reserved) p->most_reserved = p->reserved;
}

static void end_use_of_pool(struct sd_allocation *a) {
    if (a->in_use) a->pool->used -= counted(a);
    a->in_use = false;
}

/* A fresh mapping gives the pages back at once and makes them inaccessible. */
static void close_pages(uintptr_t base, size_t size) {
    mmap((void *)base, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

/* The blocks of which a range has only a part, at most two: no others can have neighbours. */
static unsigned shared_blocks(uintptr_t base, size_t size, size_t block[2]) {
    unsigned n = 0;
    size_t first = (base - arena_lo) / HUGE, last = (base + size - 1 - arena_lo) / HUGE;
    if ((base - arena_lo) % HUGE || (first == last && size < HUGE)) block[n++] = first;
    if (last != first && (base + size - arena_lo) % HUGE) block[n++] = last;
    return n;
}

static bool open_pages(uintptr_t base, size_t size) {
    size_t block[2];
    bool ok = mprotect((void *)base, size, PROT_READ | PROT_WRITE) == 0;
    for (unsigned n = shared_blocks(base, size, block); n-- > 0;)
        if (!tenants[block[n]]++ && ok)
            ok = mprotect((void *)(arena_lo + block[n] * HUGE), HUGE, PROT_READ | PROT_WRITE) == 0;
    return ok;
}

/* The range is no allocation's any more; what it has in blocks of others stays open. */
static void leave_pages(uintptr_t base, size_t size) {
    size_t block[2];
    mprotect((void *)base, size, PROT_NONE);
    for (unsigned n = shared_blocks(base, size, block); n-- > 0;)
        mprotect((void *)(arena_lo + block[n] * HUGE), HUGE, --tenants[block[n]] ? PROT_READ | PROT_WRITE : PROT_NONE);
}

static void give_to_device(struct sd_device *d, uintptr_t base, size_t size, bool of_device) {
    size_t block[2];
    close_pages(base, size);
    for (unsigned n = shared_blocks(base, size, block); n-- > 0;)
        if (tenants[block[n]]) mprotect((void *)(arena_lo + block[n] * HUGE), HUGE, PROT_READ | PROT_WRITE);
    sd_extents_give(&holes, base, size); /* else the addresses are lost, which only costs address space */
    if (of_device) used[d->ordinal] -= size;
}

static void give_back(const struct sd_allocation *a) {
    struct sd_pool *p = a->pool;
    leave_pages(a->base, a->reserved);
    if (p && p->keeps && !a->file && sd_extents_give(&p->kept, a->base, a->reserved)) return;
    if (p) p->reserved -= a->reserved;
    give_to_device(a->device, a->base, a->reserved, counts(a->kind));
}

/* Gives kept memory back until the pool has no more than so many bytes, in use or not. */
static void shrink(struct sd_pool *p, uint64_t bytes) {
    while (p->kept.n && p->reserved > bytes) {
        struct sd_extent *last = &p->kept.at[p->kept.n - 1];
        size_t excess = (p->reserved - bytes + PAGE - 1) / PAGE * PAGE;
        if (excess > last->size) excess = last->size;
        last->size -= excess;
        p->reserved -= excess;
        give_to_device(p->device, last->base + last->size, excess, true);
        if (!last->size) p->kept.n--;
    }
}

static bool room_for(const struct sd_device *d, size_t size) {
    return size <= d->memory_bytes - used[d->ordinal];
}

/* Pages that nothing else has, of the device's holes, or of what the pool keeps, which grows as needed. */
static uintptr_t take_pages(struct sd_device *d, struct sd_pool *pool, size_t size, bool of_device) {
    size_t align = size >= HUGE ? HUGE : PAGE, more = size < GROWTH ? GROWTH : (size + HUGE - 1) / HUGE * HUGE;
    uintptr_t at = pool ? sd_extents_take(&pool->kept, size, align) : 0;
    if (at) return at;
    if (!pool || !room_for(d, more)) more = size;
    if (of_device && !room_for(d, more)) return 0;
    at = sd_extents_take(&holes, more, pool ? HUGE : align);
    if (at && of_device) used[d->ordinal] += more;
    if (!at || !pool) return at;
    pool->reserved += more;
    if (sd_extents_give(&pool->kept, at, more)) return sd_extents_take(&pool->kept, size, align);
    pool->reserved -= more;
    give_to_device(d, at, more, true);
    return 0;
}

/* Memory that the same stream frees before it comes to what is asked for now; not much larger. */
static struct sd_allocation *freed_before(const struct sd_pool *p, const struct sd_stream *s, size_t size) {
    struct sd_allocation *best = NULL;
    for (size_t i = 0; i < n_allocations; i++) {
        struct sd_allocation *a = &allocations[i];
        if (a->freed_by == s->id && a->pool == p && a->reserved >= size && a->reserved / 2 <= size &&
            (!best || a->reserved < best->reserved))
            best = a;
    }
    return best;
}

/* ---- to take and to give ---- */

static CUresult alloc_on(struct sd_device *d, struct sd_context *c, struct sd_pool *pool, size_t size,
                         enum hawser_memory kind, unsigned flags, bool hidden, void **out) {
    CUresult r = CUDA_ERROR_OUT_OF_MEMORY;
    if (size == 0) return CUDA_ERROR_INVALID_VALUE;
    if (size > d->memory_bytes && counts(kind)) return r;
    if (size > HOST_BYTES && !counts(kind)) return r;
    size_t reserved = (size + PAGE - 1) / PAGE * PAGE;
    pthread_rwlock_wrlock(&lock);
    uintptr_t at = take_pages(d, pool, reserved, counts(kind));
    if (!at) goto out;
    struct sd_allocation a = {.base = at,
                              .size = size,
                              .reserved = reserved,
                              .kind = kind,
                              .flags = flags,
                              .device = d,
                              .context = c,
                              .hidden = hidden};
    if (pool) use_of_pool(&a, pool);
    if (!open_pages(at, reserved) || !add(a)) {
        if (pool) end_use_of_pool(&a);
        give_back(&a);
        goto out;
    }
    if (reserved >= HUGE) madvise((void *)at, reserved, MADV_HUGEPAGE);
    *out = (void *)at;
    r = CUDA_SUCCESS;
out:
    size_t now = used[d->ordinal];
    pthread_rwlock_unlock(&lock);
    if (r == CUDA_SUCCESS && counts(kind)) tell_budget(d, now);
    return r;
}

CUresult sd_alloc(struct sd_context *c, size_t size, enum hawser_memory kind, unsigned flags, bool hidden, void **out) {
    return alloc_on(c->device, c, NULL, size, kind, flags, hidden, out);
}

/* Pages are aligned enough for whatever the engine asks. It frees these itself. */
void *sd_engine_alloc(void *user, size_t bytes, size_t align) {
    void *p = NULL;
    (void)align;
    return alloc_on(user, NULL, NULL, bytes, HAWSER_ON_DEVICE, 0, true, &p) == CUDA_SUCCESS ? p : NULL;
}

void sd_engine_release(void *user, void *memory) {
    (void)user;
    sd_free(memory, HAWSER_ON_DEVICE, true);
}

bool sd_note_managed(uintptr_t address, size_t size) {
    pthread_rwlock_wrlock(&lock);
    size_t i = 0;
    while (i < n_managed && managed_variables[i].base != address)
        i++;
    bool ok = i < n_managed ||
              hawser_abi_grow((void **)&managed_variables, &cap_managed, n_managed + 1, sizeof(struct sd_extent));
    if (ok && i == n_managed) managed_variables[n_managed++] = (struct sd_extent){address, size};
    pthread_rwlock_unlock(&lock);
    return ok;
}

/* Under the lock. */
static void release(size_t i) {
    struct sd_allocation a = allocations[i];
    for (size_t v = n_managed; v-- > 0;)
        if (managed_variables[v].base - a.base < a.size) managed_variables[v] = managed_variables[--n_managed];
    memmove(&allocations[i], &allocations[i + 1], (n_allocations - i - 1) * sizeof a);
    n_allocations--;
    if (!a.reserved) return;
    end_use_of_pool(&a);
    if (a.file) close(a.file - 1);
    give_back(&a);
}

CUresult sd_free(void *p, enum hawser_memory kind, bool hidden) {
    pthread_rwlock_wrlock(&lock);
    size_t i = upper((uintptr_t)p);
    struct sd_allocation *a = i ? &allocations[i - 1] : NULL;
    bool ok = a && a->base == (uintptr_t)p && a->kind == kind && a->hidden == hidden;
    if (ok) release(i - 1);
    pthread_rwlock_unlock(&lock);
    return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* Registered memory is every device's, as all host memory is where addresses are unified. */
static void forget_registered(const void *p, size_t size) {
    struct sd_device *d;
    for (CUdevice i = 0; (d = sd_device(i)); i++)
        sg_engine_remove_range(d->engine, p, size);
}

static bool know_registered(const void *p, size_t size) {
    struct sd_device *d;
    for (CUdevice i = 0; (d = sd_device(i)); i++)
        if (!sg_engine_add_range(d->engine, p, size)) {
            forget_registered(p, size);
            return false;
        }
    return true;
}

void sd_free_all(struct sd_context *c) {
    pthread_rwlock_wrlock(&lock);
    for (size_t i = n_allocations; i-- > 0;)
        if (allocations[i].context == c && !allocations[i].mapped) {
            if (allocations[i].kind == HAWSER_REGISTERED)
                forget_registered((void *)allocations[i].base, allocations[i].size);
            release(i);
        }
    pthread_rwlock_unlock(&lock);
}

bool sd_find(uintptr_t address, struct sd_allocation *out) {
    pthread_rwlock_rdlock(&lock);
    size_t i = upper(address);
    bool found = i > 0 && address - allocations[i - 1].base < allocations[i - 1].size;
    if (found) *out = allocations[i - 1];
    for (size_t v = 0; found && out->hidden && v < n_managed; v++)
        if (address - managed_variables[v].base < managed_variables[v].size) {
            out->base = managed_variables[v].base;
            out->size = managed_variables[v].size;
            out->kind = HAWSER_MANAGED;
        }
    pthread_rwlock_unlock(&lock);
    return found;
}

/* Mappings that touch each other (virtual memory management) count as one. */
bool hawser_front_reached(uintptr_t address, size_t size) {
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

static size_t whole_blocks(size_t size) {
    return (size + HUGE - 1) / HUGE * HUGE;
}

uintptr_t sd_take_addresses(size_t size, size_t align) {
    pthread_rwlock_wrlock(&lock);
    uintptr_t at = sd_extents_take(&holes, whole_blocks(size), align > HUGE ? align : HUGE);
    pthread_rwlock_unlock(&lock);
    return at;
}

void sd_give_addresses(uintptr_t base, size_t size) {
    pthread_rwlock_wrlock(&lock);
    close_pages(base, whole_blocks(size));
    sd_extents_give(&holes, base, whole_blocks(size));
    pthread_rwlock_unlock(&lock);
}

CUresult sd_add_mapping(struct sd_allocation a) {
    a.mapped = true;
    pthread_rwlock_wrlock(&lock);
    bool ok = add(a);
    pthread_rwlock_unlock(&lock);
    return ok ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

bool sd_remove_mapping(uintptr_t base) {
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

CUresult sd_move_to_file(uintptr_t base, int fd) {
    CUresult r = CUDA_ERROR_INVALID_VALUE;
    pthread_rwlock_wrlock(&lock);
    size_t i = upper(base), done = 0;
    struct sd_allocation *a = i ? &allocations[i - 1] : NULL;
    if (a && a->base == base && a->reserved && !a->mapped) {
        r = ftruncate(fd, (off_t)a->reserved) == 0 ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
        while (r == CUDA_SUCCESS && done < a->reserved) {
            ssize_t n = pwrite(fd, (char *)base + done, a->reserved - done, (off_t)done);
            if (n <= 0)
                r = CUDA_ERROR_OUT_OF_MEMORY;
            else
                done += (size_t)n;
        }
        if (r == CUDA_SUCCESS &&
            mmap((void *)base, a->reserved, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
            r = CUDA_ERROR_OUT_OF_MEMORY;
        if (r == CUDA_SUCCESS) a->file = fd + 1;
    }
    pthread_rwlock_unlock(&lock);
    return r;
}

/* ---- stream-ordered allocation ---- */

CUresult sd_alloc_in_order(struct sd_stream *s, struct sd_pool *p, size_t size, void **out) {
    pthread_rwlock_wrlock(&lock);
    struct sd_allocation *a = size ? freed_before(p, s, size) : NULL;
    if (a) {
        a->id = next_id++;
        a->size = size;
        a->freed_by = 0;
        use_of_pool(a, p);
        *out = (void *)a->base;
    }
    pthread_rwlock_unlock(&lock);
    return a ? CUDA_SUCCESS : alloc_on(p->device, s->context, p, size, HAWSER_ON_DEVICE, 0, false, out);
}

uint64_t sd_free_in_order(uintptr_t base, const struct sd_stream *s) {
    pthread_rwlock_wrlock(&lock);
    size_t i = upper(base);
    struct sd_allocation *a = i ? &allocations[i - 1] : NULL;
    bool ok =
        a && a->base == base && a->kind == HAWSER_ON_DEVICE && !a->hidden && !a->freed_by && (a->pool || !a->mapped);
    if (ok) {
        end_use_of_pool(a);
        a->freed_by = s->id;
    }
    uint64_t id = ok ? a->id : 0;
    pthread_rwlock_unlock(&lock);
    return id;
}

void sd_freed_in_order(uintptr_t base, uint64_t id) {
    pthread_rwlock_wrlock(&lock);
    size_t i = upper(base);
    if (i && allocations[i - 1].id == id) release(i - 1);
    pthread_rwlock_unlock(&lock);
}

void sd_add_pool(struct sd_pool *p) {
    pthread_rwlock_wrlock(&lock);
    p->keeps = true;
    p->next = pools;
    pools = p;
    pthread_rwlock_unlock(&lock);
}

void sd_remove_pool(struct sd_pool *p) {
    pthread_rwlock_wrlock(&lock);
    struct sd_pool **at = &pools;
    while (*at && *at != p)
        at = &(*at)->next;
    if (*at) *at = p->next;
    p->keeps = false;
    shrink(p, 0);
    pthread_rwlock_unlock(&lock);
}

void sd_shrink_pool(struct sd_pool *p, uint64_t bytes) {
    pthread_rwlock_wrlock(&lock);
    shrink(p, bytes);
    pthread_rwlock_unlock(&lock);
}

static bool keeps_too_much(const struct sd_pool *p) {
    return p->kept.n && p->reserved > p->threshold;
}

CUresult sd_synchronized(CUresult r) {
    bool any = false;
    pthread_rwlock_rdlock(&lock);
    for (struct sd_pool *p = pools; p && !any; p = p->next)
        any = keeps_too_much(p);
    pthread_rwlock_unlock(&lock);
    if (!any) return r;
    pthread_rwlock_wrlock(&lock);
    for (struct sd_pool *p = pools; p; p = p->next)
        shrink(p, p->threshold);
    pthread_rwlock_unlock(&lock);
    return r;
}

CUresult sd_take_bytes(struct sd_device *d, size_t size) {
    pthread_rwlock_wrlock(&lock);
    bool ok = size <= d->memory_bytes - used[d->ordinal];
    size_t now = used[d->ordinal] += ok ? size : 0;
    pthread_rwlock_unlock(&lock);
    if (ok) tell_budget(d, now);
    return ok ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

void sd_give_bytes(struct sd_device *d, size_t size) {
    pthread_rwlock_wrlock(&lock);
    used[d->ordinal] -= size;
    pthread_rwlock_unlock(&lock);
}

size_t sd_used(const struct sd_device *d) {
    pthread_rwlock_rdlock(&lock);
    size_t n = used[d->ordinal];
    pthread_rwlock_unlock(&lock);
    return n;
}

/* ---- the API: device memory ---- */

CUresult cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    return dptr ? sd_alloc(c, bytesize, HAWSER_ON_DEVICE, 0, false, (void **)dptr) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemAllocPitch_v2(CUdeviceptr *dptr, size_t *pPitch, size_t WidthInBytes, size_t Height,
                            unsigned int ElementSizeBytes) {
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
    r = sd_alloc(c, size, HAWSER_ON_DEVICE, 0, false, (void **)dptr);
    if (r == CUDA_SUCCESS) *pPitch = pitch;
    return r;
}

CUresult cuMemFree_v2(CUdeviceptr dptr) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS || !dptr) return r;
    struct sd_allocation a;
    if (!sd_find(dptr, &a) || a.base != dptr || a.hidden || a.freed_by || (a.mapped && !a.pool) || !counts(a.kind))
        return CUDA_ERROR_INVALID_VALUE;
    r = sd_wait_all(a.context); /* work under way may use it */
    if (r != CUDA_SUCCESS || sd_free_imported(dptr)) return r;
    return sd_free((void *)dptr, a.kind, false);
}

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!free || !total) return CUDA_ERROR_INVALID_VALUE;
    *total = c->device->memory_bytes;
    *free = *total - sd_used(c->device);
    return CUDA_SUCCESS;
}

/* ---- what the front end asks for ---- */

bool hawser_front_range(uintptr_t address, struct hawser_range *out) {
    struct sd_allocation a;
    if (!sd_find(address, &a)) return false;
    *out = (struct hawser_range){.base = a.base,
                                 .size = a.size,
                                 .kind = a.kind,
                                 .device = a.base,
                                 .flags = a.flags,
                                 .context = (CUcontext)a.context,
                                 .ordinal = a.device ? a.device->ordinal : -2,
                                 .id = a.id};
    return true;
}

CUresult hawser_front_host_alloc(enum hawser_memory kind, size_t size, unsigned flags, void **out) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    return r == CUDA_SUCCESS ? sd_alloc(c, size, kind, flags, false, out) : r;
}

CUresult hawser_front_host_register(void *p, size_t size, unsigned flags) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    struct sd_allocation a = {.base = (uintptr_t)p,
                              .size = size,
                              .kind = HAWSER_REGISTERED,
                              .flags = flags,
                              .device = c->device,
                              .context = c};
    pthread_rwlock_wrlock(&lock);
    size_t i = upper(a.base);
    bool overlaps = (i > 0 && allocations[i - 1].base + allocations[i - 1].size > a.base) ||
                    (i < n_allocations && a.base + a.size > allocations[i].base);
    bool ok = !overlaps && add(a);
    pthread_rwlock_unlock(&lock);
    if (overlaps) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    if (ok && know_registered(p, size)) return CUDA_SUCCESS;
    if (ok) sd_free(p, HAWSER_REGISTERED, false);
    return CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult hawser_front_host_end(const struct hawser_range *range) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r == CUDA_SUCCESS) r = sd_wait_all((struct sd_context *)range->context);
    if (r != CUDA_SUCCESS) return r;
    if (range->kind == HAWSER_REGISTERED) forget_registered((void *)range->base, range->size);
    return sd_free((void *)range->base, range->kind, false);
}
