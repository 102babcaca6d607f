/* The null address may be freed, as by cuMemFree: cuSPARSE counts on it. */
#include "layers.h"

bool layer_null_cuMemFreeAsync(CUdeviceptr dptr, CUstream hStream, CUresult *r) {
    unsigned flags;
    if (!dptr) *r = cuStreamGetFlags(hStream, &flags);
    return !dptr;
}
