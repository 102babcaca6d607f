/* Pools of host and of managed memory, and allocations from them in the order of streams. */
#include "semantics.h"

static CUresult make_pool(CUmemoryPool *pool, CUmemAllocationType type, CUmemLocation at, size_t most) {
    CUmemPoolProps props = {.allocType = type, .location = at, .maxSize = most};
    return cuMemPoolCreate(pool, &props);
}

static cuuint64_t figure(CUmemoryPool pool, CUmemPool_attribute a) {
    cuuint64_t v = UINT64_MAX;
    return cuMemPoolGetAttribute(pool, a, &v) == CUDA_SUCCESS ? v : UINT64_MAX;
}

/* A kernel and the program use the same bytes; freed, they are used again in the same stream. */
static void lend_and_take_back(CUmemoryPool pool) {
    CUstream s;
    CUdeviceptr x, y;
    OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    OK(cuMemAllocFromPoolAsync(&x, N * 4, pool, s));
    CHECK(figure(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT) >= N * 4);
    unsigned *seen = (unsigned *)x;
    for (unsigned i = 0; i < N; i++)
        seen[i] = 1;
    OK(run_add(x, 4, s));
    OK(cuStreamSynchronize(s));
    CHECK(all_are(seen, 5));
    OK(cuMemFreeAsync(x, s));
    CHECK(figure(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT) == 0);
    cuuint64_t keep = UINT64_MAX;
    OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep));
    OK(cuMemAllocFromPoolAsync(&x, N * 4, pool, s));
    OK(cuMemFreeAsync(x, s));
    OK(cuMemAllocFromPoolAsync(&y, N * 4, pool, s));
    CHECK(y == x);
    OK(cuMemFree(y));
    IS(cuMemFree(y), CUDA_ERROR_INVALID_VALUE);
    OK(cuStreamSynchronize(s));
    CHECK(figure(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT) >= N * 4);
    OK(cuMemPoolTrimTo(pool, 0));
    CHECK(figure(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT) == 0);
    CHECK(figure(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH) >= N * 4);
    OK(cuStreamDestroy(s));
}

/* Into what pieces a pool's limit goes is each driver's own: here, what is kept makes room for what is asked. */
static void fill_to_the_limit(CUmemoryPool pool, size_t most) {
    CUdeviceptr x;
    cuuint64_t keep = UINT64_MAX;
    OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep));
    OK(cuMemAllocFromPoolAsync(&x, most / 2, pool, NULL));
    IS(cuMemAllocFromPoolAsync(&x, most, pool, NULL), CUDA_ERROR_OUT_OF_MEMORY);
    OK(cuMemFree(x));
    CHECK(figure(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT) == most / 2);
    OK(cuMemAllocFromPoolAsync(&x, most, pool, NULL));
    OK(cuMemFree(x));
}

void host_pools(void) {
    const CUmemLocation host = {CU_MEM_LOCATION_TYPE_HOST, 0}, here = {CU_MEM_LOCATION_TYPE_DEVICE, device};
    CUmemoryPool pool, other;
    CUdeviceptr x;
    int supported = 0;
    OK(cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_HOST_MEMORY_POOLS_SUPPORTED, device));
    if (!supported) return; /* not every GPU has them */
    OK(make_pool(&pool, CU_MEM_ALLOCATION_TYPE_PINNED, host, 0));
    CUmemAccessDesc access = {here, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUmemAccess_flags flags = 0;
    OK(cuMemPoolSetAccess(pool, &access, 1));
    OK(cuMemPoolGetAccess(&flags, pool, (CUmemLocation *)&here));
    CHECK(flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
    lend_and_take_back(pool);
    IS(cuMemAllocFromPoolAsync(&x, SIZE_MAX - 1, pool, NULL), CUDA_ERROR_OUT_OF_MEMORY);
    /* what is still lent outlives its pool */
    OK(cuMemAllocFromPoolAsync(&x, 100, pool, NULL));
    OK(cuMemPoolDestroy(pool));
    IS(cuMemAllocFromPoolAsync(&x, 100, pool, NULL), software() ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE);
    *(unsigned *)x = 3;
    OK(cuMemFreeAsync(x, NULL));
    OK(cuCtxSynchronize());
    /* a location's own pool, and another in its place */
    OK(cuMemGetDefaultMemPool(&pool, (CUmemLocation *)&host, CU_MEM_ALLOCATION_TYPE_PINNED));
    OK(cuMemGetMemPool(&other, (CUmemLocation *)&host, CU_MEM_ALLOCATION_TYPE_PINNED));
    CHECK(pool && other == pool);
    IS(cuMemPoolDestroy(pool), CUDA_ERROR_INVALID_VALUE);
    OK(make_pool(&other, CU_MEM_ALLOCATION_TYPE_PINNED, host, 0));
    OK(cuMemSetMemPool((CUmemLocation *)&host, CU_MEM_ALLOCATION_TYPE_PINNED, other));
    OK(cuMemGetMemPool(&pool, (CUmemLocation *)&host, CU_MEM_ALLOCATION_TYPE_PINNED));
    CHECK(pool == other);
    OK(cuMemPoolDestroy(other));
    OK(make_pool(&pool, CU_MEM_ALLOCATION_TYPE_PINNED, host, 1 << 20));
    IS(cuMemAllocFromPoolAsync(&x, 2 << 20, pool, NULL), CUDA_ERROR_OUT_OF_MEMORY);
    if (software()) fill_to_the_limit(pool, 1 << 20);
    OK(cuMemPoolDestroy(pool));
    OK(make_pool(&pool, CU_MEM_ALLOCATION_TYPE_MANAGED, here, 0));
    lend_and_take_back(pool);
    OK(cuMemPoolDestroy(pool));
}
