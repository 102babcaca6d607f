/*
 * Hints about managed memory. It lies where both sides reach it (or travels by itself), so advice and prefetches move
 * nothing; they are checked, and remembered for those who ask.
 */
#include "../abi_internal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct advice {
    struct advice *next;
    CUdeviceptr base; /* of the allocation: advice is kept for whole allocations */
    bool read_mostly;
    CUmemLocation preferred, last_prefetch;
    unsigned long long accessed_by; /* bit n + 1: device n; bit 0: the host */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct advice *all; /* lock */

/* Under the lock. */
static struct advice *advice_of(CUdeviceptr base) {
    struct advice *a = all;
    while (a && a->base != base)
        a = a->next;
    if (a || !(a = calloc(1, sizeof *a))) return a;
    a->next = all;
    a->base = base;
    all = a;
    return a;
}

/* The managed allocation that holds all of [ptr, ptr + count). */
static CUresult managed_range(CUdeviceptr ptr, size_t count, CUdeviceptr *base) {
    unsigned managed = 0;
    size_t size;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!count || cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, ptr) != CUDA_SUCCESS || !managed ||
        cuMemGetAddressRange_v2(base, &size, ptr) != CUDA_SUCCESS || count > *base + size - ptr)
        return CUDA_ERROR_INVALID_VALUE;
    return CUDA_SUCCESS;
}

static CUresult check_location(const CUmemLocation *l) {
    CUdevice device;
    switch (l->type) {
    case CU_MEM_LOCATION_TYPE_DEVICE:
        return cuDeviceGet(&device, l->id) == CUDA_SUCCESS ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
    case CU_MEM_LOCATION_TYPE_HOST:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
        return CUDA_SUCCESS;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
}

static unsigned long long bit_of(const CUmemLocation *l) {
    return l->type == CU_MEM_LOCATION_TYPE_DEVICE ? 2ull << (l->id & 31) : 1;
}

static void take(struct advice *a, CUmem_advise advice, const CUmemLocation *location) {
    switch (advice) {
    case CU_MEM_ADVISE_SET_READ_MOSTLY:
    case CU_MEM_ADVISE_UNSET_READ_MOSTLY:
        a->read_mostly = advice == CU_MEM_ADVISE_SET_READ_MOSTLY;
        break;
    case CU_MEM_ADVISE_SET_PREFERRED_LOCATION:
        a->preferred = *location;
        break;
    case CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION:
        memset(&a->preferred, 0, sizeof a->preferred);
        break;
    case CU_MEM_ADVISE_SET_ACCESSED_BY:
        a->accessed_by |= bit_of(location);
        break;
    default:
        a->accessed_by &= ~bit_of(location);
        break;
    }
}

CUresult cuMemAdvise_v2(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUmemLocation location) {
    CUdeviceptr base;
    CUresult r = managed_range(devPtr, count, &base);
    if (r != CUDA_SUCCESS) return r;
    if (advice < CU_MEM_ADVISE_SET_READ_MOSTLY || advice > CU_MEM_ADVISE_UNSET_ACCESSED_BY)
        return CUDA_ERROR_INVALID_VALUE;
    bool located = advice == CU_MEM_ADVISE_SET_PREFERRED_LOCATION || advice == CU_MEM_ADVISE_SET_ACCESSED_BY ||
                   advice == CU_MEM_ADVISE_UNSET_ACCESSED_BY;
    if (located) r = check_location(&location);
    if (r != CUDA_SUCCESS) return r;
    pthread_mutex_lock(&lock);
    struct advice *a = advice_of(base);
    if (a) take(a, advice, &location);
    pthread_mutex_unlock(&lock);
    return a ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUmemLocation location_of(CUdevice device) {
    return device == CU_DEVICE_CPU ? (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_HOST}
                                   : (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device};
}

CUresult cuMemAdvise(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUdevice device) {
    return cuMemAdvise_v2(devPtr, count, advice, location_of(device));
}

CUresult cuMemPrefetchAsync_v2(CUdeviceptr devPtr, size_t count, CUmemLocation location, unsigned int flags,
                               CUstream hStream) {
    CUdeviceptr base;
    unsigned stream_flags;
    CUresult r = managed_range(devPtr, count, &base);
    if (r == CUDA_SUCCESS) r = check_location(&location);
    if (r == CUDA_SUCCESS) r = cuStreamGetFlags(hStream, &stream_flags);
    if (r != CUDA_SUCCESS) return r;
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&lock);
    struct advice *a = advice_of(base);
    if (a) a->last_prefetch = location;
    pthread_mutex_unlock(&lock);
    return a ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuMemPrefetchAsync(CUdeviceptr devPtr, size_t count, CUdevice dstDevice, CUstream hStream) {
    return cuMemPrefetchAsync_v2(devPtr, count, location_of(dstDevice), 0, hStream);
}

/* The device number that the older attributes speak of. */
static int device_number(const CUmemLocation *l) {
    return l->type == CU_MEM_LOCATION_TYPE_DEVICE ? l->id
           : l->type == CU_MEM_LOCATION_TYPE_HOST ? CU_DEVICE_CPU
                                                  : CU_DEVICE_INVALID;
}

static CUresult accessed_by(const struct advice *a, int *out, size_t n) {
    size_t used = 0;
    for (int bit = 0; bit < 33 && used < n; bit++)
        if (a->accessed_by >> bit & 1) out[used++] = bit ? bit - 1 : CU_DEVICE_CPU;
    while (used < n)
        out[used++] = CU_DEVICE_INVALID;
    return CUDA_SUCCESS;
}

static CUresult range_attribute(const struct advice *a, void *data, size_t size, CUmem_range_attribute attribute) {
    if (!data || !size || size % 4) return CUDA_ERROR_INVALID_VALUE;
    if (attribute == CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY) return accessed_by(a, data, size / 4);
    if (size != 4) return CUDA_ERROR_INVALID_VALUE;
    int *out = data;
    switch (attribute) {
    case CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY:
        *out = a->read_mostly;
        break;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION:
        *out = device_number(&a->preferred);
        break;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION:
        *out = device_number(&a->last_prefetch);
        break;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE:
        *out = (int)a->preferred.type;
        break;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID:
        *out = a->preferred.id;
        break;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE:
        *out = (int)a->last_prefetch.type;
        break;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID:
        *out = a->last_prefetch.id;
        break;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

CUresult cuMemRangeGetAttributes(void **data, size_t *dataSizes, CUmem_range_attribute *attributes,
                                 size_t numAttributes, CUdeviceptr devPtr, size_t count) {
    CUdeviceptr base;
    if (!data || !dataSizes || !attributes || !numAttributes) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = managed_range(devPtr, count, &base);
    if (r != CUDA_SUCCESS) return r;
    pthread_mutex_lock(&lock);
    struct advice *a = advice_of(base);
    if (!a) r = CUDA_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < numAttributes && r == CUDA_SUCCESS; i++)
        r = range_attribute(a, data[i], dataSizes[i], attributes[i]);
    pthread_mutex_unlock(&lock);
    return r;
}

CUresult cuMemRangeGetAttribute(void *data, size_t dataSize, CUmem_range_attribute attribute, CUdeviceptr devPtr,
                                size_t count) {
    return cuMemRangeGetAttributes(&data, &dataSize, &attribute, 1, devPtr, count);
}

void hawser_abi_managed_freed(CUdeviceptr base) {
    pthread_mutex_lock(&lock);
    for (struct advice **p = &all; *p; p = &(*p)->next)
        if ((*p)->base == base) {
            struct advice *a = *p;
            *p = a->next;
            free(a);
            break;
        }
    pthread_mutex_unlock(&lock);
}

/* Which stream may use the memory while the CPU does: every stream may here. */
CUresult cuStreamAttachMemAsync(CUstream hStream, CUdeviceptr dptr, size_t length, unsigned int flags) {
    CUdeviceptr base;
    size_t size;
    unsigned managed = 0;
    unsigned stream_flags;
    CUresult r = cuStreamGetFlags(hStream, &stream_flags);
    if (r != CUDA_SUCCESS) return r;
    if (cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, dptr) != CUDA_SUCCESS || !managed ||
        cuMemGetAddressRange_v2(&base, &size, dptr) != CUDA_SUCCESS || (length && length > base + size - dptr))
        return CUDA_ERROR_INVALID_VALUE;
    return flags == CU_MEM_ATTACH_GLOBAL || flags == CU_MEM_ATTACH_HOST || flags == CU_MEM_ATTACH_SINGLE
               ? CUDA_SUCCESS
               : CUDA_ERROR_INVALID_VALUE;
}
