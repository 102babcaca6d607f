/* Device and host allocations, and what the program may ask about a pointer. */
#include "shim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cuda_abi.h"

/* ---- device memory: hooks of the generated functions ---- */

static void remember(CUdeviceptr *dptr, size_t size)
{
    if (shim_range_add((struct shim_range){.base = *dptr, .size = size, .kind = SHIM_DEVICE, .device = *dptr}) !=
        CUDA_SUCCESS) {
        hawser_abi_log("device memory at %#llx overlaps memory of this program; copies to it will be refused",
                       *dptr);
    }
}

void shim_note_cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)
{
    remember(dptr, bytesize);
}

void shim_note_cuMemAllocPitch_v2(CUdeviceptr *dptr, size_t *pPitch, size_t width, size_t height,
                                  unsigned int element)
{
    (void)width, (void)element;
    remember(dptr, *pPitch * height);
}

void shim_note_cuMemAllocAsync(CUdeviceptr *dptr, size_t bytesize, CUstream stream)
{
    (void)stream;
    remember(dptr, bytesize);
}

void shim_note_cuMemAllocFromPoolAsync(CUdeviceptr *dptr, size_t bytesize, CUmemoryPool pool,
                                       CUstream stream)
{
    (void)pool, (void)stream;
    remember(dptr, bytesize);
}

/* A reservation counts as one allocation from the start; what is not mapped faults when it is used. */
void shim_note_cuMemAddressReserve(CUdeviceptr *ptr, size_t size, size_t alignment, CUdeviceptr addr,
                                   unsigned long long flags)
{
    (void)alignment, (void)addr, (void)flags;
    remember(ptr, size);
}

void shim_note_cuMemAddressFree(CUdeviceptr ptr, size_t size)
{
    (void)size;
    shim_range_remove(ptr, SHIM_DEVICE);
}

/* The handle does not tell how long the other's allocation is; the host does. */
void shim_note_cuIpcOpenMemHandle_v2(CUdeviceptr *pdptr, CUipcMemHandle handle, unsigned int flags)
{
    struct shim_call c;
    Hawser__AddressRange m = HAWSER__ADDRESS_RANGE__INIT;
    Hawser__AddressRangeReply *reply = NULL;
    (void)handle, (void)flags;
    m.address = *pdptr;
    if (shim_enter(&c, HAWSER_FN_AddressRange, true) == CUDA_SUCCESS &&
        shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply) == CUDA_SUCCESS)
        shim_range_add((struct shim_range){.base = reply->start, .size = reply->size, .kind = SHIM_DEVICE,
                                           .device = reply->start});
    shim_free_reply(reply);
}

void shim_note_cuMemPoolImportPointer(CUdeviceptr *ptr_out, CUmemoryPool pool, CUmemPoolPtrExportData *shareData)
{
    (void)pool, (void)shareData;
    shim_note_cuIpcOpenMemHandle_v2(ptr_out, (CUipcMemHandle){{0}}, 0);
}

void shim_note_cuIpcCloseMemHandle(CUdeviceptr dptr)
{
    shim_range_remove(dptr, SHIM_DEVICE);
}

/* Memory operations are synchronous with the host in every case here, so there is nothing to switch. */
CUresult cuPointerSetAttribute(const void *value, CUpointer_attribute attribute, CUdeviceptr ptr)
{
    struct shim_range range;
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    return value && attribute == CU_POINTER_ATTRIBUTE_SYNC_MEMOPS && shim_range_find(ptr, &range)
               ? CUDA_SUCCESS
               : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemFree_v2(CUdeviceptr dptr)
{
    struct shim_call c;
    struct shim_range range;
    Hawser__MemFree m = HAWSER__MEM_FREE__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_MemFree, true);
    if (r != CUDA_SUCCESS || !dptr) return r;
    if (!shim_range_find(dptr, &range) || range.base != dptr) return CUDA_ERROR_INVALID_VALUE;
    if (range.kind == SHIM_MANAGED) return shim_free_managed(&range);
    if (range.kind != SHIM_DEVICE) return CUDA_ERROR_INVALID_VALUE;
    /* Forgotten first: once the host has freed it, the address may be another thread's. */
    if (!shim_range_remove(dptr, SHIM_DEVICE)) return CUDA_ERROR_INVALID_VALUE;
    m.address = dptr;
    r = shim_call(&c, &m.base, NULL, 0, NULL);
    if (r != CUDA_SUCCESS) shim_range_add(range);
    return r;
}

/* Posted: from here on the program may not use the address. */
CUresult shim_check_cuMemFreeAsync(CUdeviceptr dptr, CUstream stream)
{
    (void)stream;
    return shim_range_remove(dptr, SHIM_DEVICE) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- questions about pointers ---- */

CUresult cuMemGetAddressRange_v2(CUdeviceptr *pbase, size_t *psize, CUdeviceptr dptr)
{
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    struct shim_range range;
    if (!shim_range_find(dptr, &range) || !range.device) return CUDA_ERROR_NOT_FOUND;
    if (pbase) *pbase = range.base;
    if (psize) *psize = range.size;
    return CUDA_SUCCESS;
}

/* One attribute of a known pointer; data is of the size that the attribute has by definition. */
static CUresult pointer_attribute(const struct shim_range *r, CUpointer_attribute a, CUdeviceptr ptr,
                                  void *data)
{
    bool on_device = r->kind == SHIM_DEVICE, managed = r->kind == SHIM_MANAGED;
    switch (a) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
        *(CUcontext *)data = (CUcontext)r->context;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
        *(unsigned *)data = on_device || managed ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
        if (!r->device) return CUDA_ERROR_INVALID_VALUE;
        *(CUdeviceptr *)data = r->device + (ptr - r->base);
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
        if (on_device) return CUDA_ERROR_INVALID_VALUE;
        *(void **)data = (void *)ptr;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
        *(unsigned *)data = managed;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
        *(unsigned *)data = 0;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
        *(unsigned long long *)data = r->id;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
        *(int *)data = r->context ? r->context->ctx.device : -2;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
        *(CUdeviceptr *)data = r->base;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
        *(size_t *)data = r->size;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MAPPED:
        *(unsigned *)data = r->device != 0;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
        *(unsigned long long *)data = 0;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
        *(CUmemoryPool *)data = NULL;
        return CUDA_SUCCESS;
    default:
        return a >= CU_POINTER_ATTRIBUTE_CONTEXT && a <= CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID
                   ? CUDA_ERROR_NOT_SUPPORTED
                   : CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr ptr)
{
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    struct shim_range range;
    if (!data || !shim_range_find(ptr, &range)) return CUDA_ERROR_INVALID_VALUE;
    return pointer_attribute(&range, attribute, ptr, data);
}

/* The bytes of an attribute's value, for the zeros that stand for "no such thing". */
static size_t attribute_size(CUpointer_attribute a)
{
    switch (a) {
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS: /* booleans are ints: cudart reads four bytes */
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
    case CU_POINTER_ATTRIBUTE_MAPPED:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
        return 4;
    default:
        return 8;
    }
}

/* Unlike the singular form this succeeds for unknown pointers too, with zeros and ordinal -2. */
CUresult cuPointerGetAttributes(unsigned int numAttributes, CUpointer_attribute *attributes,
                                void **data, CUdeviceptr ptr)
{
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    if (!numAttributes || !attributes || !data) return CUDA_ERROR_INVALID_VALUE;
    struct shim_range range;
    bool known = shim_range_find(ptr, &range);
    for (unsigned i = 0; i < numAttributes; i++) {
        if (!data[i]) return CUDA_ERROR_INVALID_VALUE;
        if (known && pointer_attribute(&range, attributes[i], ptr, data[i]) == CUDA_SUCCESS) continue;
        memset(data[i], 0, attribute_size(attributes[i]));
        if (attributes[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL) *(int *)data[i] = -2;
    }
    return CUDA_SUCCESS;
}
