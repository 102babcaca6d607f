/*
 * Launches as they were before cuLaunchKernel: block shape, shared memory and parameters are set on the function one
 * by one. Kept beside the function here; not thread-safe for one function, as CUDA has it.
 */
#include "../abi_internal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PARAMS_MAX 32764

struct pending {
    struct pending *next;
    CUfunction function;
    unsigned block[3], shared;
    size_t size; /* of the parameters in use */
    unsigned char params[PARAMS_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pending *all; /* lock */

/* The settings of a living function; NULL with *r set when there are none. */
static struct pending *pending_of(CUfunction f, CUresult *r) {
    int value;
    *r = cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, f);
    if (*r != CUDA_SUCCESS) return NULL;
    pthread_mutex_lock(&lock);
    struct pending *p = all;
    while (p && p->function != f)
        p = p->next;
    if (!p && (p = calloc(1, sizeof *p))) {
        p->function = f;
        p->block[0] = p->block[1] = p->block[2] = 1;
        p->next = all;
        all = p;
    }
    pthread_mutex_unlock(&lock);
    if (!p) *r = CUDA_ERROR_OUT_OF_MEMORY;
    return p;
}

CUresult cuFuncSetBlockShape(CUfunction hfunc, int x, int y, int z) {
    CUresult r;
    struct pending *p = pending_of(hfunc, &r);
    if (!p) return r;
    if (x <= 0 || y <= 0 || z <= 0) return CUDA_ERROR_INVALID_VALUE;
    p->block[0] = (unsigned)x;
    p->block[1] = (unsigned)y;
    p->block[2] = (unsigned)z;
    return CUDA_SUCCESS;
}

CUresult cuFuncSetSharedSize(CUfunction hfunc, unsigned int bytes) {
    CUresult r;
    struct pending *p = pending_of(hfunc, &r);
    if (p) p->shared = bytes;
    return r;
}

CUresult cuParamSetSize(CUfunction hfunc, unsigned int numbytes) {
    CUresult r;
    struct pending *p = pending_of(hfunc, &r);
    if (!p) return r;
    if (numbytes > PARAMS_MAX) return CUDA_ERROR_INVALID_VALUE;
    p->size = numbytes;
    return CUDA_SUCCESS;
}

CUresult cuParamSetv(CUfunction hfunc, int offset, void *ptr, unsigned int numbytes) {
    CUresult r;
    struct pending *p = pending_of(hfunc, &r);
    if (!p) return r;
    if (!ptr || offset < 0 || offset > PARAMS_MAX || numbytes > PARAMS_MAX - (unsigned)offset)
        return CUDA_ERROR_INVALID_VALUE;
    memcpy(p->params + offset, ptr, numbytes);
    return CUDA_SUCCESS;
}

CUresult cuParamSeti(CUfunction hfunc, int offset, unsigned int value) {
    return cuParamSetv(hfunc, offset, &value, sizeof value);
}

CUresult cuParamSetf(CUfunction hfunc, int offset, float value) {
    return cuParamSetv(hfunc, offset, &value, sizeof value);
}

CUresult cuLaunchGridAsync(CUfunction f, int grid_width, int grid_height, CUstream hStream) {
    CUresult r;
    struct pending *p = pending_of(f, &r);
    if (!p) return r;
    if (grid_width <= 0 || grid_height <= 0) return CUDA_ERROR_INVALID_VALUE;
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, p->params, CU_LAUNCH_PARAM_BUFFER_SIZE, &p->size,
                     CU_LAUNCH_PARAM_END};
    return hawser_exported_cuLaunchKernel(f, (unsigned)grid_width, (unsigned)grid_height, 1, p->block[0], p->block[1],
                                          p->block[2], p->shared, hStream, NULL, p->size ? extra : NULL);
}

CUresult cuLaunchGrid(CUfunction f, int grid_width, int grid_height) {
    return cuLaunchGridAsync(f, grid_width, grid_height, NULL);
}

CUresult cuLaunch(CUfunction f) {
    return cuLaunchGrid(f, 1, 1);
}

/* ---- usage counts of contexts, from the same time ---- */

static struct attachment {
    struct attachment *next;
    CUcontext context;
    unsigned count;
} * attachments; /* lock */

/* Under the lock. Counts one attachment more or less; false when there was none, or memory is short. */
static bool count_attachment(CUcontext ctx, bool more) {
    struct attachment *a = attachments;
    while (a && a->context != ctx)
        a = a->next;
    if (!more) return a && a->count && a->count--;
    if (!a && (a = calloc(1, sizeof *a))) {
        a->context = ctx;
        a->next = attachments;
        attachments = a;
    }
    return a && ++a->count;
}

CUresult cuCtxAttach(CUcontext *pctx, unsigned int flags) {
    CUcontext now = NULL;
    if (!pctx || flags) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = cuCtxGetCurrent(&now);
    if (r != CUDA_SUCCESS) return r;
    if (!now) return CUDA_ERROR_INVALID_CONTEXT;
    *pctx = now;
    pthread_mutex_lock(&lock);
    r = count_attachment(now, true) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    pthread_mutex_unlock(&lock);
    return r;
}

/* The last detachment, or one without an attachment, destroys. */
CUresult cuCtxDetach(CUcontext ctx) {
    unsigned version;
    CUresult r = cuCtxGetApiVersion(ctx, &version);
    if (r != CUDA_SUCCESS) return r;
    pthread_mutex_lock(&lock);
    bool counted = count_attachment(ctx, false);
    pthread_mutex_unlock(&lock);
    return counted ? CUDA_SUCCESS : cuCtxDestroy_v2(ctx);
}
