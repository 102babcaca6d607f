/*
 * What a capture forbids: to wait for what is being captured or ask whether it is done, since it does not run; work
 * that the legacy stream would order behind it; and, by the modes of captures and of the calling thread
 * (cuThreadExchangeStreamCaptureMode), calls that CUDA cannot vouch for beside it. All of it breaks the capture.
 */
#include "layers.h"

/* Under the lock. Work in a stream that cannot be captured. */
static bool strays(CUstream s, CUresult *r) {
    struct captured_stream *c = capture_find(s);
    if (!c) return capture_implicit(s, r);
    *r = capture_break(c, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    return true;
}

bool layer_unsafe_stray(CUstream s, CUresult *r) {
    graph_enter();
    bool done = strays(s, r);
    graph_leave();
    return done;
}

bool layer_unsafe_legacy(CUresult *r) {
    return layer_unsafe_stray(NULL, r);
}

/* Waiting for another stream is unsafe in its own context only: what another device does stands in no capture's way. */
bool layer_unsafe_stream(CUstream s, CUresult *r) {
    CUcontext context = NULL;
    bool good = cuStreamGetCtx(s, &context) == CUDA_SUCCESS;
    graph_enter();
    bool done = strays(s, r) || (good && capture_forbids(context, r));
    graph_leave();
    return done;
}

bool layer_unsafe_copy(CUresult *r) {
    return layer_unsafe_stream(NULL, r);
}

/* In any mode. */
bool layer_unsafe_context(CUcontext context, CUresult *r) {
    if (!context) cuCtxGetCurrent(&context);
    graph_enter();
    bool done = capture_in_context(context, r);
    graph_leave();
    return done;
}

bool layer_unsafe_current(CUresult *r) {
    return layer_unsafe_context(NULL, r);
}

bool layer_unsafe_event(CUevent event, CUresult *r) {
    graph_enter();
    bool captured = capture_has_event(event);
    if (captured) *r = CUDA_ERROR_CAPTURED_EVENT;
    bool done = captured || capture_forbids(NULL, r);
    graph_leave();
    return done;
}

bool layer_unsafe_call(CUresult *r) {
    graph_enter();
    bool done = capture_forbids(NULL, r);
    graph_leave();
    return done;
}
