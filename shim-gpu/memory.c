/* Device memory. */
#include "shim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cuda_abi.h"

/* ---- device memory: hooks of the generated functions ---- */

static void remember(CUdeviceptr *dptr, size_t size) {
    if (shim_range_add((struct shim_range){.base = *dptr, .size = size, .kind = HAWSER_ON_DEVICE, .device = *dptr}) !=
        CUDA_SUCCESS) {
        hawser_abi_log("device memory at %#llx overlaps memory of this program; copies to it will be refused", *dptr);
    }
}

void shim_note_cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize) {
    remember(dptr, bytesize);
}

void shim_note_cuMemAllocPitch_v2(CUdeviceptr *dptr, size_t *pPitch, size_t width, size_t height,
                                  unsigned int element) {
    (void)width, (void)element;
    remember(dptr, *pPitch * height);
}

void shim_note_cuMemAllocAsync(CUdeviceptr *dptr, size_t bytesize, CUstream stream) {
    (void)stream;
    remember(dptr, bytesize);
}

void shim_note_cuMemAllocFromPoolAsync(CUdeviceptr *dptr, size_t bytesize, CUmemoryPool pool, CUstream stream) {
    (void)pool, (void)stream;
    remember(dptr, bytesize);
}

/* A reservation counts as one allocation from the start; what is not mapped faults when it is used. */
void shim_note_cuMemAddressReserve(CUdeviceptr *ptr, size_t size, size_t alignment, CUdeviceptr addr,
                                   unsigned long long flags) {
    (void)alignment, (void)addr, (void)flags;
    remember(ptr, size);
}

void shim_note_cuMemAddressFree(CUdeviceptr ptr, size_t size) {
    (void)size;
    shim_range_remove(ptr, HAWSER_ON_DEVICE);
}

/* The handle does not tell how long the other's allocation is; the host does. */
void shim_note_cuIpcOpenMemHandle_v2(CUdeviceptr *pdptr, CUipcMemHandle handle, unsigned int flags) {
    struct shim_call c;
    Hawser__AddressRange m = HAWSER__ADDRESS_RANGE__INIT;
    Hawser__AddressRangeReply *reply = NULL;
    (void)handle, (void)flags;
    m.address = *pdptr;
    if (shim_enter(&c, HAWSER_FN_AddressRange, true) == CUDA_SUCCESS &&
        shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply) == CUDA_SUCCESS)
        shim_range_add((struct shim_range){
            .base = reply->start, .size = reply->size, .kind = HAWSER_ON_DEVICE, .device = reply->start});
    shim_free_reply(reply);
}

void shim_note_cuMemPoolImportPointer(CUdeviceptr *ptr_out, CUmemoryPool pool, CUmemPoolPtrExportData *shareData) {
    (void)pool, (void)shareData;
    shim_note_cuIpcOpenMemHandle_v2(ptr_out, (CUipcMemHandle){{0}}, 0);
}

void shim_note_cuIpcCloseMemHandle(CUdeviceptr dptr) {
    shim_range_remove(dptr, HAWSER_ON_DEVICE);
}

CUresult cuMemFree_v2(CUdeviceptr dptr) {
    struct shim_call c;
    struct shim_range range;
    Hawser__MemFree m = HAWSER__MEM_FREE__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_MemFree, true);
    if (r != CUDA_SUCCESS || !dptr) return r;
    if (!shim_range_find(dptr, &range) || range.base != dptr) return CUDA_ERROR_INVALID_VALUE;
    if (range.kind == HAWSER_MANAGED) return shim_free_managed(&range);
    if (range.kind != HAWSER_ON_DEVICE) return CUDA_ERROR_INVALID_VALUE;
    /* Forgotten first: once the host has freed it, the address may be another thread's. */
    if (!shim_range_remove(dptr, HAWSER_ON_DEVICE)) return CUDA_ERROR_INVALID_VALUE;
    m.address = dptr;
    r = shim_call(&c, &m.base, NULL, 0, NULL);
    if (r != CUDA_SUCCESS) shim_range_add(range);
    return r;
}

/* Posted: from here on the program may not use the address. */
CUresult shim_check_cuMemFreeAsync(CUdeviceptr dptr, CUstream stream) {
    (void)stream;
    return shim_range_remove(dptr, HAWSER_ON_DEVICE) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
