/*
 * Calls from inside stream callbacks, host functions and destructors of user objects: CUDA forbids them, and one that
 * waited would wait for itself.
 */
#include "layers.h"

bool layer_callback_refuses(CUresult *r) {
    *r = CUDA_ERROR_NOT_PERMITTED;
    return true;
}
