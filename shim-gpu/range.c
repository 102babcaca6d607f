/*
 * The memory that the program knows: device allocations, pinned and registered host memory, in one
 * array sorted by address. A guest's addresses and the host's device addresses must not overlap for
 * this to decide what a pointer means; the software GPU's lie in a range of their own, and a range that
 * would overlap another is refused.
 */
#include "shim.h"

#include <pthread.h>
#include <string.h>

/* One table per process; lock guards it. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct shim_range *ranges;
static size_t n_ranges, capacity;
static uint64_t next_id = 1;

/* Index of the first range that begins beyond the address. */
static size_t upper(uintptr_t address) {
    size_t lo = 0, hi = n_ranges;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (ranges[mid].base <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

CUresult shim_range_add(struct shim_range range) {
    CUresult r = CUDA_SUCCESS;
    pthread_rwlock_wrlock(&lock);
    size_t i = upper(range.base);
    if ((i > 0 && ranges[i - 1].base + ranges[i - 1].size > range.base) ||
        (i < n_ranges && range.base + range.size > ranges[i].base)) {
        r = range.kind == HAWSER_ON_DEVICE ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
        goto out;
    }
    if (!hawser_abi_grow((void **)&ranges, &capacity, n_ranges + 1, sizeof *ranges)) {
        r = CUDA_ERROR_OUT_OF_MEMORY;
        goto out;
    }
    memmove(&ranges[i + 1], &ranges[i], (n_ranges - i) * sizeof *ranges);
    n_ranges++;
    range.context = shim_current();
    range.id = next_id++;
    ranges[i] = range;
out:
    pthread_rwlock_unlock(&lock);
    return r;
}

bool shim_range_find(uintptr_t address, struct shim_range *out) {
    pthread_rwlock_rdlock(&lock);
    size_t i = upper(address);
    bool found = i > 0 && address - ranges[i - 1].base < ranges[i - 1].size;
    if (found) *out = ranges[i - 1];
    pthread_rwlock_unlock(&lock);
    return found;
}

bool hawser_front_range(uintptr_t address, struct hawser_range *out) {
    struct shim_range r;
    if (!shim_range_find(address, &r)) return false;
    *out = (struct hawser_range){.base = r.base,
                                 .size = r.size,
                                 .kind = r.kind,
                                 .device = r.device,
                                 .flags = r.flags,
                                 .context = (CUcontext)r.context,
                                 .ordinal = r.context ? r.context->ctx.facts.device : -2,
                                 .id = r.id};
    return true;
}

bool shim_range_remove(uintptr_t base, enum hawser_memory kind) {
    pthread_rwlock_wrlock(&lock);
    size_t i = upper(base);
    bool found = i > 0 && ranges[i - 1].base == base && ranges[i - 1].kind == kind;
    if (found) {
        memmove(&ranges[i - 1], &ranges[i], (n_ranges - i) * sizeof *ranges);
        n_ranges--;
    }
    pthread_rwlock_unlock(&lock);
    return found;
}

void shim_range_context_gone(struct shim_object *context) {
    pthread_rwlock_wrlock(&lock);
    size_t kept = 0;
    for (size_t i = 0; i < n_ranges; i++)
        if (ranges[i].kind != HAWSER_ON_DEVICE || ranges[i].context != context) ranges[kept++] = ranges[i];
    n_ranges = kept;
    pthread_rwlock_unlock(&lock);
}

bool shim_range_holds(uintptr_t address, size_t size, enum hawser_memory kind) {
    struct shim_range r;
    return shim_range_find(address, &r) && r.kind == kind && size <= r.base + r.size - address;
}

bool hawser_front_reached(uintptr_t address, size_t size) {
    struct shim_range r;
    return shim_range_find(address, &r) && r.device == r.base && size <= r.base + r.size - address;
}

bool shim_range_shared(uintptr_t address) {
    struct shim_range r;
    return shim_range_find(address, &r) && r.shared;
}
