/* Questions about kernels, which are answered from what the library has filled in when it made the handle. */
#include "front.h"

/* The kernel behind a function or kernel handle, after the checks that every query begins with. */
static CUresult named(const void *handle, const void *out, struct hawser_kernel **k) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *k = hawser_front_kernel(handle);
    return *k ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuFuncGetAttribute(int *pi, CUfunction_attribute attrib, CUfunction hfunc) {
    struct hawser_kernel *k;
    CUresult r = named(hfunc, pi, &k);
    if (r != CUDA_SUCCESS) return r;
    if ((unsigned)attrib >= CU_FUNC_ATTRIBUTE_MAX) return CUDA_ERROR_INVALID_VALUE;
    *pi = hawser_kernel_attribute(k, attrib);
    return CUDA_SUCCESS;
}

CUresult cuKernelGetAttribute(int *pi, CUfunction_attribute attrib, CUkernel kernel, CUdevice dev) {
    if (hawser_abi_ready() == CUDA_SUCCESS && !hawser_front_device_ok(dev)) return CUDA_ERROR_INVALID_DEVICE;
    return cuFuncGetAttribute(pi, attrib, (CUfunction)kernel);
}

CUresult cuFuncGetName(const char **name, CUfunction hfunc) {
    struct hawser_kernel *k;
    CUresult r = named(hfunc, name, &k);
    if (r == CUDA_SUCCESS) *name = k->name;
    return r;
}

CUresult cuKernelGetName(const char **name, CUkernel kernel) {
    return cuFuncGetName(name, (CUfunction)kernel);
}

/* A library's function is in the module that the library has in the current context. */
CUresult cuFuncGetModule(CUmodule *hmod, CUfunction hfunc) {
    struct hawser_kernel *k;
    bool library;
    CUresult r = named(hfunc, hmod, &k);
    if (r != CUDA_SUCCESS) return r;
    void *owner = hawser_front_kernel_owner(hfunc, &library);
    if (library) return cuLibraryGetModule(hmod, owner);
    *hmod = owner;
    return CUDA_SUCCESS;
}

CUresult cuKernelGetLibrary(CUlibrary *pLib, CUkernel kernel) {
    struct hawser_kernel *k;
    bool library;
    CUresult r = named(kernel, pLib, &k);
    if (r != CUDA_SUCCESS) return r;
    void *owner = hawser_front_kernel_owner(kernel, &library);
    if (!library) return CUDA_ERROR_INVALID_HANDLE;
    *pLib = owner;
    return CUDA_SUCCESS;
}

CUresult cuFuncGetParamInfo(CUfunction func, size_t paramIndex, size_t *paramOffset, size_t *paramSize) {
    struct hawser_kernel *k;
    CUresult r = named(func, paramOffset, &k);
    if (r != CUDA_SUCCESS) return r;
    if (paramIndex >= k->n_params) return CUDA_ERROR_INVALID_VALUE;
    *paramOffset = k->params[paramIndex].offset;
    if (paramSize) *paramSize = k->params[paramIndex].size;
    return CUDA_SUCCESS;
}

CUresult cuKernelGetParamInfo(CUkernel kernel, size_t paramIndex, size_t *paramOffset, size_t *paramSize) {
    return cuFuncGetParamInfo((CUfunction)kernel, paramIndex, paramOffset, paramSize);
}

/* A kernel is loaded before its handle exists: the software GPU has decoded it, and the guest's host was asked for its
 * attributes. */
CUresult cuFuncIsLoaded(CUfunctionLoadingState *state, CUfunction function) {
    struct hawser_kernel *k;
    CUresult r = named(function, state, &k);
    if (r == CUDA_SUCCESS) *state = CU_FUNCTION_LOADING_STATE_LOADED;
    return r;
}

CUresult cuFuncLoad(CUfunction function) {
    struct hawser_kernel *k;
    return named(function, &k, &k);
}
