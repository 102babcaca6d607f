/*
 * Memory and pools as file descriptors. What the program gets is a sealed file without contents of the memory's: it holds
 * the ticket that the worker wrote, and whichever guest of the same host reads it may ask its own worker to fetch the
 * driver's descriptor with it. So it can be handed to other programs in every way in which descriptors are.
 */
#include "shim.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TICKET_MAX 128

static CUresult give(void *shareableHandle, ProtobufCBinaryData ticket)
{
    int fd = ticket.len <= TICKET_MAX ? memfd_create("hawser-handle", MFD_CLOEXEC | MFD_ALLOW_SEALING) : -1;
    bool ok = fd >= 0 && write(fd, ticket.data, ticket.len) == (ssize_t)ticket.len &&
              fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0;
    if (!ok && fd >= 0) close(fd);
    if (!ok) return CUDA_ERROR_OPERATING_SYSTEM;
    *(int *)shareableHandle = fd;
    return CUDA_SUCCESS;
}

static CUresult export(enum hawser_object_kind kind, const void *object, void *shareableHandle,
                       CUmemAllocationHandleType type, unsigned long long flags)
{
    struct shim_call c;
    Hawser__HandleExport m = HAWSER__HANDLE_EXPORT__INIT;
    Hawser__HandleExportReply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_HandleExport, false);
    if (r != CUDA_SUCCESS) return r;
    if (!shareableHandle || flags) return CUDA_ERROR_INVALID_VALUE;
    r = shim_handle(kind, object, &m.object);
    if (r != CUDA_SUCCESS) return CUDA_ERROR_INVALID_VALUE;
    if (type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_NOT_SUPPORTED;
    m.pool = kind == HAWSER_POOL;
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS) r = give(shareableHandle, reply->ticket);
    shim_free_reply(reply);
    return r;
}

static CUresult import(enum hawser_object_kind kind, void **object, void *osHandle, CUmemAllocationHandleType type)
{
    struct shim_call c;
    Hawser__HandleImport m = HAWSER__HANDLE_IMPORT__INIT;
    uint8_t ticket[TICKET_MAX];
    CUresult r = shim_enter(&c, HAWSER_FN_HandleImport, false);
    if (r != CUDA_SUCCESS) return r;
    if (!object) return CUDA_ERROR_INVALID_VALUE;
    if (type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_NOT_SUPPORTED;
    ssize_t n = pread((int)(intptr_t)osHandle, ticket, sizeof ticket, 0);
    if (n <= 0) return CUDA_ERROR_INVALID_VALUE;
    struct shim_object *made = shim_object_new(kind, &c);
    if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
    m.object = made->id;
    m.pool = kind == HAWSER_POOL;
    m.ticket = (ProtobufCBinaryData){(size_t)n, ticket};
    r = shim_call(&c, &m.base, NULL, 0, NULL);
    if (r == CUDA_SUCCESS) *object = made;
    else shim_object_gone(made);
    return r;
}

CUresult cuMemExportToShareableHandle(void *shareableHandle, CUmemGenericAllocationHandle handle,
                                      CUmemAllocationHandleType handleType, unsigned long long flags)
{
    return export(HAWSER_MEMORY, (const void *)(uintptr_t)handle, shareableHandle, handleType, flags);
}

CUresult cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *handle, void *osHandle,
                                        CUmemAllocationHandleType shHandleType)
{
    return import(HAWSER_MEMORY, (void **)handle, osHandle, shHandleType);
}

CUresult cuMemPoolExportToShareableHandle(void *handle_out, CUmemoryPool pool, CUmemAllocationHandleType handleType,
                                          unsigned long long flags)
{
    return export(HAWSER_POOL, pool, handle_out, handleType, flags);
}

CUresult cuMemPoolImportFromShareableHandle(CUmemoryPool *pool_out, void *handle, CUmemAllocationHandleType handleType,
                                            unsigned long long flags)
{
    return flags ? CUDA_ERROR_INVALID_VALUE : import(HAWSER_POOL, (void **)pool_out, handle, handleType);
}
