/* What is true of the calling thread: which stream is its default one, and whether it is in a callback. */
#include "abi_internal.h"

/* initial-exec: reading them never allocates, whatever thread or signal handler it is in. */
static __thread CUstream default_stream __attribute__((tls_model("initial-exec")));
static __thread unsigned callbacks __attribute__((tls_model("initial-exec")));

CUstream hawser_abi_default_stream(void) {
    return default_stream ? default_stream : CU_STREAM_LEGACY;
}

CUstream hawser_abi_enter_per_thread(void) {
    CUstream before = default_stream;
    default_stream = CU_STREAM_PER_THREAD;
    return before;
}

void hawser_abi_leave_per_thread(CUstream before) {
    default_stream = before;
}

void hawser_abi_enter_callback(void) {
    callbacks++;
    hawser_layers_wake();
}

void hawser_abi_leave_callback(void) {
    callbacks--;
    hawser_layers_rest();
}

bool hawser_abi_in_callback(void) {
    return callbacks != 0;
}
