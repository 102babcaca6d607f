/* The block size that fills a device: tried out, from the largest down, with the occupancy that the library tells. */
#include "../abi_internal.h"

CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int *minGridSize, int *blockSize, CUfunction func,
                                                   CUoccupancyB2DSize blockSizeToDynamicSMemSize,
                                                   size_t dynamicSMemSize, int blockSizeLimit, unsigned int flags) {
    CUdevice device;
    int most, multiprocessors, warp, resident, best_size = 0, best_threads = 0, best_blocks = 0;
    if (!minGridSize || !blockSize || blockSizeLimit < 0) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = cuCtxGetDevice(&device);
    if (r == CUDA_SUCCESS) r = cuFuncGetAttribute(&most, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, func);
    if (r == CUDA_SUCCESS) r = cuDeviceGetAttribute(&warp, CU_DEVICE_ATTRIBUTE_WARP_SIZE, device);
    if (r == CUDA_SUCCESS) r = cuDeviceGetAttribute(&multiprocessors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device);
    if (r == CUDA_SUCCESS)
        r = cuDeviceGetAttribute(&resident, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, device);
    if (r != CUDA_SUCCESS) return r;
    if (blockSizeLimit == 0 || blockSizeLimit > most) blockSizeLimit = most;
    for (int size = (blockSizeLimit + warp - 1) / warp * warp; size > 0 && best_threads < resident; size -= warp) {
        int tried = size < blockSizeLimit ? size : blockSizeLimit, blocks;
        size_t shared = blockSizeToDynamicSMemSize ? blockSizeToDynamicSMemSize(tried) : dynamicSMemSize;
        r = cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&blocks, func, tried, shared, flags);
        if (r != CUDA_SUCCESS) return r;
        if (blocks * tried <= best_threads) continue;
        best_threads = blocks * tried;
        best_size = tried;
        best_blocks = blocks;
    }
    *blockSize = best_size;
    *minGridSize = best_blocks * multiprocessors;
    return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialBlockSize(int *minGridSize, int *blockSize, CUfunction func,
                                          CUoccupancyB2DSize blockSizeToDynamicSMemSize, size_t dynamicSMemSize,
                                          int blockSizeLimit) {
    return cuOccupancyMaxPotentialBlockSizeWithFlags(minGridSize, blockSize, func, blockSizeToDynamicSMemSize,
                                                     dynamicSMemSize, blockSizeLimit, CU_OCCUPANCY_DEFAULT);
}
