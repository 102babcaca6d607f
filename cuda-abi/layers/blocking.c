/* CUDA_LAUNCH_BLOCKING: launches that wait for what they have launched, and so return its error themselves. */
#include "layers.h"

#include <pthread.h>
#include <stdlib.h>

static atomic_bool blocking;

bool layer_blocking_on(void) {
    return atomic_load_explicit(&blocking, memory_order_relaxed);
}

static void look(void) {
    const char *want = getenv("CUDA_LAUNCH_BLOCKING");
    if (!want || !atoi(want)) return;
    atomic_store(&blocking, true);
    hawser_layers_wake();
}

bool layer_environment_start(CUresult *r) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)r;
    pthread_once(&once, look);
    return false;
}

/* The layers before this one have let the launch pass, so its stream is not being captured. */
static bool launched(CUstream stream, CUresult *r) {
    if (*r == CUDA_SUCCESS) *r = cuStreamSynchronize(stream);
    return true;
}

bool layer_blocking_cuLaunchKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx,
                                   unsigned int by, unsigned int bz, unsigned int shared, CUstream stream,
                                   void **params, void **extra, CUresult *r) {
    *r = cuLaunchKernel(f, gx, gy, gz, bx, by, bz, shared, stream, params, extra);
    return launched(stream, r);
}

bool layer_blocking_cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **params, void **extra,
                                     CUresult *r) {
    *r = cuLaunchKernelEx(config, f, params, extra);
    return launched(config ? config->hStream : NULL, r);
}

bool layer_blocking_cuLaunchCooperativeKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
                                              unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
                                              CUstream stream, void **params, CUresult *r) {
    *r = cuLaunchCooperativeKernel(f, gx, gy, gz, bx, by, bz, shared, stream, params);
    return launched(stream, r);
}

bool layer_blocking_cuGraphLaunch(CUgraphExec graph, CUstream stream, CUresult *r) {
    *r = cuGraphLaunch(graph, stream);
    return launched(stream, r);
}
