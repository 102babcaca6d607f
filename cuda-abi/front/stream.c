/* Questions about streams. */
#include "front.h"

static CUresult named(CUstream handle, const void *out, struct hawser_stream *s) {
    CUresult r = hawser_front_stream(handle, s);
    return r == CUDA_SUCCESS && !out ? CUDA_ERROR_INVALID_VALUE : r;
}

CUresult cuStreamGetPriority(CUstream hStream, int *priority) {
    struct hawser_stream s;
    CUresult r = named(hStream, priority, &s);
    if (r == CUDA_SUCCESS) *priority = s.priority;
    return r;
}

CUresult cuStreamGetFlags(CUstream hStream, unsigned int *flags) {
    struct hawser_stream s;
    CUresult r = named(hStream, flags, &s);
    if (r == CUDA_SUCCESS) *flags = s.flags;
    return r;
}

CUresult cuStreamGetId(CUstream hStream, unsigned long long *streamId) {
    struct hawser_stream s;
    CUresult r = named(hStream, streamId, &s);
    if (r == CUDA_SUCCESS) *streamId = s.id;
    return r;
}

CUresult cuStreamGetCtx(CUstream hStream, CUcontext *pctx) {
    struct hawser_stream s;
    CUresult r = named(hStream, pctx, &s);
    if (r == CUDA_SUCCESS) *pctx = s.context;
    return r;
}

CUresult cuStreamGetDevice(CUstream hStream, CUdevice *device) {
    struct hawser_stream s;
    CUresult r = named(hStream, device, &s);
    return r == CUDA_SUCCESS ? cuCtxGetDevice_v2(device, s.context) : r;
}
