/* What the sources under test call elsewhere. */
#include "shim.h"

#include "cuda_abi.h"

CUstream hawser_abi_default_stream(void) {
    return CU_STREAM_LEGACY;
}

CUcontext hawser_current(void) {
    return NULL;
}

CUresult shim_initialized(void) {
    return CUDA_SUCCESS;
}

bool hawser_front_device_ok(CUdevice device) {
    return device == 0;
}

CUresult shim_enter(struct shim_call *c, uint32_t function, bool need_context) {
    (void)c, (void)function, (void)need_context;
    return CUDA_ERROR_INVALID_CONTEXT;
}

CUresult shim_call(struct shim_call *c, const ProtobufCMessage *m, struct hawser_frame *frames, unsigned n,
                   ProtobufCMessage **reply) {
    (void)c, (void)m, (void)frames, (void)n, (void)reply;
    return CUDA_ERROR_UNKNOWN;
}

void shim_free_reply(void *reply) {
    (void)reply;
}
