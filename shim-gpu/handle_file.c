/*
 * Memory and pools as file descriptors. What the program gets is one end of a pair of sockets, with a message that
 * stays unread in it: the ticket that the worker wrote. Whichever guest of the same host looks at it may ask its own
 * worker to fetch the driver's descriptor with it. So it can be handed to other programs in every way in which
 * descriptors are; and when its last copy is closed, the other end, which stays here, tells: then the host may forget
 * the memory.
 */
#include "shim.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICKET_MAX 128

static struct exported {
    struct exported *next;
    int end; /* ours */
    size_t size;
    uint8_t ticket[TICKET_MAX];
} * all; /* under the lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void forget(struct exported *e) {
    struct shim_call c;
    Hawser__HandleForget m = HAWSER__HANDLE_FORGET__INIT;
    m.ticket = (ProtobufCBinaryData){e->size, e->ticket};
    if (shim_enter(&c, HAWSER_FN_HandleForget, false) == CUDA_SUCCESS) shim_post(&c, &m.base, NULL, 0);
    close(e->end);
    free(e);
}

/* Tells the host of the descriptors that nobody has any more. */
static void sweep(void) {
    struct exported *gone = NULL;
    pthread_mutex_lock(&lock);
    for (struct exported **p = &all; *p;) {
        struct exported *e = *p;
        struct pollfd end = {.fd = e->end};
        if (poll(&end, 1, 0) == 1 && end.revents & POLLHUP) {
            *p = e->next;
            e->next = gone;
            gone = e;
        } else {
            p = &e->next;
        }
    }
    pthread_mutex_unlock(&lock);
    while (gone) {
        struct exported *next = gone->next;
        forget(gone);
        gone = next;
    }
}

CUresult shim_check_cuMemCreate(struct shim_object *made, CUmemGenericAllocationHandle *handle, size_t size,
                                const CUmemAllocationProp *prop, unsigned long long flags) {
    (void)made, (void)handle, (void)size, (void)prop, (void)flags;
    sweep();
    return CUDA_SUCCESS;
}

CUresult shim_check_cuMemRelease(CUmemGenericAllocationHandle handle) {
    (void)handle;
    sweep();
    return CUDA_SUCCESS;
}

CUresult shim_check_cuMemGetInfo_v2(size_t *free, size_t *total) {
    (void)free, (void)total;
    sweep();
    return CUDA_SUCCESS;
}

static CUresult give(void *shareableHandle, ProtobufCBinaryData ticket) {
    int pair[2];
    struct exported *e = ticket.len <= TICKET_MAX ? malloc(sizeof *e) : NULL;
    if (!e || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        free(e);
        return CUDA_ERROR_OPERATING_SYSTEM;
    }
    *e = (struct exported){.end = pair[1], .size = ticket.len};
    memcpy(e->ticket, ticket.data, ticket.len);
    if (send(e->end, e->ticket, e->size, MSG_NOSIGNAL) != (ssize_t)e->size || shutdown(pair[0], SHUT_WR) != 0) {
        close(pair[0]);
        forget(e);
        return CUDA_ERROR_OPERATING_SYSTEM;
    }
    pthread_mutex_lock(&lock);
    e->next = all;
    all = e;
    pthread_mutex_unlock(&lock);
    *(int *)shareableHandle = pair[0];
    return CUDA_SUCCESS;
}

static CUresult export(enum hawser_object_kind kind, const void *object, void *shareableHandle,
                       CUmemAllocationHandleType type, unsigned long long flags) {
    struct shim_call c;
    Hawser__HandleExport m = HAWSER__HANDLE_EXPORT__INIT;
    Hawser__HandleExportReply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_HandleExport, false);
    if (r != CUDA_SUCCESS) return r;
    if (!shareableHandle || flags) return CUDA_ERROR_INVALID_VALUE;
    r = shim_handle(kind, object, &m.object);
    if (r != CUDA_SUCCESS) return CUDA_ERROR_INVALID_VALUE;
    if (type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_NOT_SUPPORTED;
    sweep();
    m.pool = kind == HAWSER_POOL;
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS) r = give(shareableHandle, reply->ticket);
    shim_free_reply(reply);
    return r;
}

static CUresult import(enum hawser_object_kind kind, void **object, void *osHandle, CUmemAllocationHandleType type) {
    struct shim_call c;
    Hawser__HandleImport m = HAWSER__HANDLE_IMPORT__INIT;
    uint8_t ticket[TICKET_MAX];
    CUresult r = shim_enter(&c, HAWSER_FN_HandleImport, false);
    if (r != CUDA_SUCCESS) return r;
    if (!object) return CUDA_ERROR_INVALID_VALUE;
    if (type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_NOT_SUPPORTED;
    ssize_t n = recv((int)(intptr_t)osHandle, ticket, sizeof ticket, MSG_PEEK | MSG_DONTWAIT);
    if (n <= 0) return CUDA_ERROR_INVALID_VALUE;
    struct shim_object *made = shim_object_new(kind, &c);
    if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
    m.object = made->id;
    m.pool = kind == HAWSER_POOL;
    m.ticket = (ProtobufCBinaryData){(size_t)n, ticket};
    r = shim_call(&c, &m.base, NULL, 0, NULL);
    if (r == CUDA_SUCCESS)
        *object = made;
    else
        shim_object_gone(made);
    return r;
}

CUresult cuMemExportToShareableHandle(void *shareableHandle, CUmemGenericAllocationHandle handle,
                                      CUmemAllocationHandleType handleType, unsigned long long flags) {
    return export(HAWSER_MEMORY, (const void *)(uintptr_t)handle, shareableHandle, handleType, flags);
}

CUresult cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *handle, void *osHandle,
                                        CUmemAllocationHandleType shHandleType) {
    return import(HAWSER_MEMORY, (void **)handle, osHandle, shHandleType);
}

CUresult cuMemPoolExportToShareableHandle(void *handle_out, CUmemoryPool pool, CUmemAllocationHandleType handleType,
                                          unsigned long long flags) {
    return export(HAWSER_POOL, pool, handle_out, handleType, flags);
}

CUresult cuMemPoolImportFromShareableHandle(CUmemoryPool *pool_out, void *handle, CUmemAllocationHandleType handleType,
                                            unsigned long long flags) {
    return flags ? CUDA_ERROR_INVALID_VALUE : import(HAWSER_POOL, (void **)pool_out, handle, handleType);
}
