/* Batches of hints about managed memory, one after the other. */
#include "../abi_internal.h"

CUresult cuMemPrefetchBatchAsync(CUdeviceptr *dptrs, size_t *sizes, size_t count, CUmemLocation *prefetchLocs,
                                 size_t *prefetchLocIdxs, size_t numPrefetchLocs, unsigned long long flags,
                                 CUstream hStream) {
    if (!dptrs || !sizes || !count || !prefetchLocs || !prefetchLocIdxs || !numPrefetchLocs ||
        numPrefetchLocs > count || prefetchLocIdxs[0] || flags)
        return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 1; i < numPrefetchLocs; i++)
        if (prefetchLocIdxs[i] <= prefetchLocIdxs[i - 1] || prefetchLocIdxs[i] >= count)
            return CUDA_ERROR_INVALID_VALUE;
    CUresult r = CUDA_SUCCESS;
    for (size_t i = 0, at = 0; i < count && r == CUDA_SUCCESS; i++) {
        if (at + 1 < numPrefetchLocs && prefetchLocIdxs[at + 1] == i) at++;
        r = hawser_exported_cuMemPrefetchAsync_v2(dptrs[i], sizes[i], prefetchLocs[at], 0, hStream);
    }
    return r;
}

/* What a discarded range holds is undefined, so leaving the bytes alone is one of the allowed outcomes; the range
 * itself must be managed memory. */
CUresult cuMemDiscardBatchAsync(CUdeviceptr *dptrs, size_t *sizes, size_t count, unsigned long long flags,
                                CUstream hStream) {
    unsigned stream_flags;
    CUresult r = cuStreamGetFlags(hStream, &stream_flags);
    if (r != CUDA_SUCCESS) return r;
    if (!dptrs || !sizes || !count || flags) return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < count; i++) {
        unsigned managed = 0;
        CUdeviceptr base;
        size_t size;
        if (!sizes[i] || cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, dptrs[i]) != CUDA_SUCCESS ||
            !managed || cuMemGetAddressRange_v2(&base, &size, dptrs[i]) != CUDA_SUCCESS ||
            sizes[i] > base + size - dptrs[i])
            return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

CUresult cuMemDiscardAndPrefetchBatchAsync(CUdeviceptr *dptrs, size_t *sizes, size_t count, CUmemLocation *prefetchLocs,
                                           size_t *prefetchLocIdxs, size_t numPrefetchLocs, unsigned long long flags,
                                           CUstream hStream) {
    CUresult r = cuMemDiscardBatchAsync(dptrs, sizes, count, flags, hStream);
    return r == CUDA_SUCCESS ? cuMemPrefetchBatchAsync(dptrs, sizes, count, prefetchLocs, prefetchLocIdxs,
                                                       numPrefetchLocs, flags, hStream)
                             : r;
}
