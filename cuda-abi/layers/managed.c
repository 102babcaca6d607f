/* Advice about managed memory goes with the memory; a later allocation may begin at the same address. */
#include "layers.h"

bool layer_managed_freed(CUdeviceptr dptr, CUresult *r) {
    (void)r;
    hawser_abi_managed_freed(dptr);
    return false;
}
