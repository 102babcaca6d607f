/*
 * The compute capability that a software GPU tells of is one that compilers know (Triton, Numba, nvcc). cuBLAS alone is
 * told of one that no release of it knows yet: then, and only then, it takes kernels that it carries as PTX (observed
 * with cuBLAS 12.4, 13.0 and 13.4; with 12.1 most matrix products ask for machine code).
 */
#include "abi_internal.h"

#include <dlfcn.h>
#include <string.h>

#define UNKNOWN_MAJOR 13

void hawser_abi_capability(const void *caller, int *major, int *minor) {
    Dl_info object;
    if (*major < 12 || *major >= UNKNOWN_MAJOR || !dladdr(caller, &object) || !object.dli_fname) return;
    const char *slash = strrchr(object.dli_fname, '/');
    if (strncmp(slash ? slash + 1 : object.dli_fname, "libcublas", 9) != 0) return;
    *major = UNKNOWN_MAJOR;
    *minor = 0;
}
