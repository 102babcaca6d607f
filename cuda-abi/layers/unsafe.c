/*
 * What a capture forbids: to wait for what is being captured or ask whether it is done, since it does not run; work
 * that the legacy stream would order behind it; and, by the modes of captures and of the calling thread
 * (cuThreadExchangeStreamCaptureMode), to allocate and free. All of it breaks the capture.
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

bool layer_unsafe_stream(CUstream s, CUresult *r) {
    return layer_unsafe_stray(s, r);
}

/* In any mode. */
bool layer_unsafe_current(CUresult *r) {
    CUcontext context = NULL;
    cuCtxGetCurrent(&context);
    graph_enter();
    bool done = capture_in_context(context, r);
    graph_leave();
    return done;
}

bool layer_unsafe_event(CUevent event, CUresult *r) {
    graph_enter();
    bool captured = capture_has_event(event);
    if (captured) *r = CUDA_ERROR_CAPTURED_EVENT;
    graph_leave();
    return captured;
}

bool layer_unsafe_call(CUresult *r) {
    graph_enter();
    bool done = capture_forbids(r);
    graph_leave();
    return done;
}
