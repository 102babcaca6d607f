/* Pools by location: a device's are those that the device's own functions name. Others are answered by a layer
 * (layers/host_pools.c). */
#include "../abi_internal.h"

static CUresult device_of(const CUmemLocation *location, CUmemAllocationType type, CUdevice *device) {
    if (!location || type < CU_MEM_ALLOCATION_TYPE_PINNED || type > CU_MEM_ALLOCATION_TYPE_MANAGED ||
        location->type != CU_MEM_LOCATION_TYPE_DEVICE)
        return CUDA_ERROR_INVALID_VALUE;
    return cuDeviceGet(device, location->id) == CUDA_SUCCESS ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuMemGetDefaultMemPool(CUmemoryPool *pool_out, CUmemLocation *location, CUmemAllocationType type) {
    CUdevice device;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    r = device_of(location, type, &device);
    return r == CUDA_SUCCESS ? cuDeviceGetDefaultMemPool(pool_out, device) : r;
}

CUresult cuMemGetMemPool(CUmemoryPool *pool, CUmemLocation *location, CUmemAllocationType type) {
    CUdevice device;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    r = device_of(location, type, &device);
    return r == CUDA_SUCCESS ? cuDeviceGetMemPool(pool, device) : r;
}

CUresult cuMemSetMemPool(CUmemLocation *location, CUmemAllocationType type, CUmemoryPool pool) {
    CUdevice device;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    r = device_of(location, type, &device);
    return r == CUDA_SUCCESS ? cuDeviceSetMemPool(device, pool) : r;
}
