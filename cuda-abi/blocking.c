/* CUDA_LAUNCH_BLOCKING: launches that wait for what they have launched, and so return its error themselves. */
#include "abi_internal.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool blocking;

static void look(void)
{
    const char *want = getenv("CUDA_LAUNCH_BLOCKING");
    blocking = want && atoi(want) != 0;
}

CUresult hawser_abi_launched(CUstream stream, CUresult r)
{
    pthread_once(&once, look);
    return r == CUDA_SUCCESS && blocking ? hawser_direct_cuStreamSynchronize(stream) : r;
}
