/* Streams and events: what is known here about them, and the checks before their posts. */
#include "shim.h"

#include "cuda_abi.h"

#define STREAM_FLAGS ((unsigned)CU_STREAM_NON_BLOCKING)
#define EVENT_FLAGS ((unsigned)(CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS))

CUresult shim_check_cuStreamCreate(struct shim_object *made, CUstream *phStream, unsigned int Flags) {
    (void)phStream;
    if (Flags & ~STREAM_FLAGS) return CUDA_ERROR_INVALID_VALUE;
    made->stream.flags = Flags;
    return CUDA_SUCCESS;
}

CUresult shim_check_cuStreamCreateWithPriority(struct shim_object *made, CUstream *phStream, unsigned int flags,
                                               int priority) {
    made->stream.priority = priority;
    return shim_check_cuStreamCreate(made, phStream, flags);
}

CUresult shim_check_cuStreamWaitEvent(CUstream hStream, CUevent hEvent, unsigned int Flags) {
    (void)hStream, (void)hEvent;
    return Flags & ~(unsigned)CU_EVENT_WAIT_EXTERNAL ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult shim_check_cuEventCreate(struct shim_object *made, CUevent *phEvent, unsigned int Flags) {
    (void)phEvent;
    if (Flags & ~EVENT_FLAGS) return CUDA_ERROR_INVALID_VALUE;
    if (Flags & CU_EVENT_INTERPROCESS && !(Flags & CU_EVENT_DISABLE_TIMING)) return CUDA_ERROR_INVALID_VALUE;
    made->event.flags = Flags;
    return CUDA_SUCCESS;
}

/* A stream as the program names it: *object is NULL for the two default streams. */
static CUresult stream_named(CUstream hStream, struct shim_call *c, struct shim_object **object, uint64_t *id) {
    CUresult r = shim_enter_stream(c, HAWSER_FN_cuStreamQuery, hStream);
    if (r == CUDA_SUCCESS) r = shim_handle(HAWSER_STREAM, hStream, id);
    if (r == CUDA_SUCCESS) *object = shim_object(HAWSER_STREAM, hStream);
    return r;
}

CUresult hawser_front_stream(CUstream handle, struct hawser_stream *out) {
    struct shim_call c;
    struct shim_object *o;
    uint64_t id;
    CUresult r = stream_named(handle, &c, &o, &id);
    if (r != CUDA_SUCCESS) return r;
    uint64_t thread = id == SHIM_STREAM_PER_THREAD ? c.who.thread : 0;
    *out =
        o ? (struct hawser_stream){o->stream.flags, o->stream.priority, o->id, (CUcontext)o->context}
          : (struct hawser_stream){CU_STREAM_DEFAULT, 0, c.who.context << 32 | thread << 8 | id, (CUcontext)c.context};
    return CUDA_SUCCESS;
}

CUresult cuStreamGetGreenCtx(CUstream hStream, CUgreenCtx *phCtx) {
    struct shim_call c;
    struct shim_object *o;
    uint64_t id;
    CUresult r = stream_named(hStream, &c, &o, &id);
    if (r != CUDA_SUCCESS) return r;
    if (!phCtx) return CUDA_ERROR_INVALID_VALUE;
    *phCtx = o ? (CUgreenCtx)o->stream.green : NULL;
    return CUDA_SUCCESS;
}

CUresult cuStreamGetCtx_v2(CUstream hStream, CUcontext *pCtx, CUgreenCtx *pGreenCtx) {
    CUgreenCtx green = NULL;
    CUresult r = cuStreamGetGreenCtx(hStream, &green);
    if (r != CUDA_SUCCESS) return r;
    if (!pCtx) return CUDA_ERROR_INVALID_VALUE;
    if (pGreenCtx) *pGreenCtx = green;
    if (green) {
        *pCtx = NULL;
        return CUDA_SUCCESS;
    }
    return cuStreamGetCtx(hStream, pCtx);
}

void shim_note_cuGreenCtxStreamCreate(struct shim_object *made, CUstream *phStream, CUgreenCtx greenCtx,
                                      unsigned int flags, int priority) {
    (void)phStream;
    made->stream.flags = flags;
    made->stream.priority = priority;
    made->stream.green = (struct shim_object *)greenCtx;
}

/* What the host would find wrong at once. */
CUresult shim_check_cuStreamBatchMemOp_v2(CUstream stream, unsigned int count, CUstreamBatchMemOpParams *ops,
                                          unsigned int flags) {
    (void)stream;
    if (!count || count > 256 || flags) return CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = 0; i < count; i++)
        switch (ops[i].operation) {
        case CU_STREAM_MEM_OP_WAIT_VALUE_32:
        case CU_STREAM_MEM_OP_WRITE_VALUE_32:
            if (ops[i].waitValue.address % 4 || !hawser_front_reached(ops[i].waitValue.address, 4))
                return CUDA_ERROR_INVALID_VALUE;
            break;
        case CU_STREAM_MEM_OP_WAIT_VALUE_64:
        case CU_STREAM_MEM_OP_WRITE_VALUE_64:
            if (ops[i].waitValue.address % 8 || !hawser_front_reached(ops[i].waitValue.address, 8))
                return CUDA_ERROR_INVALID_VALUE;
            break;
        case CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES:
        case CU_STREAM_MEM_OP_BARRIER:
            break;
        default:
            return CUDA_ERROR_INVALID_VALUE;
        }
    return CUDA_SUCCESS;
}
