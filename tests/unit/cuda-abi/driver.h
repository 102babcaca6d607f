/* What the tests can see and set of the small driver that stands behind the room. */
#ifndef TEST_CUDA_ABI_DRIVER_H
#define TEST_CUDA_ABI_DRIVER_H

#include "abi_internal.h"

extern unsigned logged;              /* lines that went to hawser_abi_log */
extern CUcontext current;            /* what cuCtxGetCurrent says */
extern CUstream seen_stream;         /* the stream that the last cuMemsetD8Async was given */
extern CUstream seen_default_stream; /* hawser_abi_default_stream() inside the last cuMemcpy */

#endif
