/* What programs may ask about a pointer, and host memory that kernels reach. */
#include "front.h"

#include <string.h>

/* ---- pointers ---- */

/* One attribute of a known pointer; data is of the size that the attribute has by definition. */
static CUresult attribute(const struct hawser_range *m, CUpointer_attribute which, CUdeviceptr ptr, void *data) {
    bool on_device = m->kind == HAWSER_ON_DEVICE, managed = m->kind == HAWSER_MANAGED;
    switch (which) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
        *(CUcontext *)data = m->context;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
        *(unsigned *)data = on_device || managed ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
        if (!m->device) return CUDA_ERROR_INVALID_VALUE;
        *(CUdeviceptr *)data = m->device + (ptr - m->base);
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
    case CU_POINTER_ATTRIBUTE_MAPPED:
        *(unsigned *)data = m->device != 0;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
        *(unsigned long long *)data = m->id;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
        *(int *)data = m->ordinal;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
        *(CUdeviceptr *)data = m->base;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
        *(size_t *)data = m->size;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
        *(unsigned long long *)data = 0;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
        *(CUmemoryPool *)data = NULL;
        return CUDA_SUCCESS;
    default:
        return which >= CU_POINTER_ATTRIBUTE_CONTEXT && which <= CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID
                   ? CUDA_ERROR_NOT_SUPPORTED
                   : CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult cuPointerGetAttribute(void *data, CUpointer_attribute which, CUdeviceptr ptr) {
    struct hawser_range m;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    return data && hawser_front_range(ptr, &m) ? attribute(&m, which, ptr, data) : CUDA_ERROR_INVALID_VALUE;
}

/* The bytes of an attribute's value, for the zeros that stand for "no such thing". */
static size_t attribute_size(CUpointer_attribute a) {
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
CUresult cuPointerGetAttributes(unsigned int numAttributes, CUpointer_attribute *attributes, void **data,
                                CUdeviceptr ptr) {
    struct hawser_range m;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!numAttributes || !attributes || !data) return CUDA_ERROR_INVALID_VALUE;
    bool known = hawser_front_range(ptr, &m);
    for (unsigned i = 0; i < numAttributes; i++) {
        if (!data[i]) return CUDA_ERROR_INVALID_VALUE;
        if (known && attribute(&m, attributes[i], ptr, data[i]) == CUDA_SUCCESS) continue;
        memset(data[i], 0, attribute_size(attributes[i]));
        if (attributes[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL) *(int *)data[i] = -2;
    }
    return CUDA_SUCCESS;
}

/* Operations on memory are done when their call returns, or in a stream's order, so there is nothing to switch. */
CUresult cuPointerSetAttribute(const void *value, CUpointer_attribute which, CUdeviceptr ptr) {
    struct hawser_range m;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    return value && which == CU_POINTER_ATTRIBUTE_SYNC_MEMOPS && hawser_front_range(ptr, &m) ? CUDA_SUCCESS
                                                                                             : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr *pbase, size_t *psize, CUdeviceptr dptr) {
    struct hawser_range m;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!hawser_front_range(dptr, &m) || !m.device) return CUDA_ERROR_NOT_FOUND;
    if (pbase) *pbase = m.base;
    if (psize) *psize = m.size;
    return CUDA_SUCCESS;
}

/* ---- host memory ---- */

CUresult cuMemHostAlloc(void **pp, size_t bytesize, unsigned int Flags) {
    unsigned known = CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!pp || !bytesize || Flags & ~known) return CUDA_ERROR_INVALID_VALUE;
    return hawser_front_host_alloc(HAWSER_PINNED, bytesize, Flags, pp);
}

CUresult cuMemAllocHost_v2(void **pp, size_t bytesize) {
    return cuMemHostAlloc(pp, bytesize, 0);
}

CUresult cuMemAllocManaged(CUdeviceptr *dptr, size_t bytesize, unsigned int flags) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!dptr || !bytesize || (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST))
        return CUDA_ERROR_INVALID_VALUE;
    return hawser_front_host_alloc(HAWSER_MANAGED, bytesize, flags, (void **)dptr);
}

CUresult cuMemHostRegister_v2(void *p, size_t bytesize, unsigned int Flags) {
    unsigned known = CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_READ_ONLY;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (Flags & CU_MEMHOSTREGISTER_IOMEMORY) return hawser_abi_not_supported("registering I/O memory");
    if (!p || !bytesize || Flags & ~known || bytesize > UINTPTR_MAX - (uintptr_t)p) return CUDA_ERROR_INVALID_VALUE;
    return hawser_front_host_register(p, bytesize, Flags);
}

/* Whether memory of that kind begins at p. */
static bool begins(void *p, enum hawser_memory kind, struct hawser_range *m) {
    return p && hawser_front_range((uintptr_t)p, m) && m->kind == kind && m->base == (uintptr_t)p;
}

CUresult cuMemFreeHost(void *p) {
    struct hawser_range m;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    return begins(p, HAWSER_PINNED, &m) ? hawser_front_host_end(&m) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemHostUnregister(void *p) {
    struct hawser_range m;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!p) return CUDA_ERROR_INVALID_VALUE;
    return begins(p, HAWSER_REGISTERED, &m) ? hawser_front_host_end(&m) : CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
}

CUresult cuMemHostGetFlags(unsigned int *pFlags, void *p) {
    struct hawser_range m;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!pFlags || !hawser_front_range((uintptr_t)p, &m) || (m.kind != HAWSER_PINNED && m.kind != HAWSER_REGISTERED))
        return CUDA_ERROR_INVALID_VALUE;
    *pFlags = m.flags;
    return CUDA_SUCCESS;
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *pdptr, void *p, unsigned int Flags) {
    struct hawser_range m;
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!pdptr || Flags || !hawser_front_range((uintptr_t)p, &m) || m.kind == HAWSER_ON_DEVICE || !m.device)
        return CUDA_ERROR_INVALID_VALUE;
    *pdptr = m.device + ((uintptr_t)p - m.base);
    return CUDA_SUCCESS;
}
