/*
 * Kernels: CUfunction and CUkernel are one kind of handle here, as CUDA takes either in launches.
 * Layout and attributes come from the host once and are answered from memory afterwards.
 */
#include "shim.h"

#include <stdlib.h>
#include <string.h>

void shim_kernel_free(struct shim_kernel *k)
{
    if (!k) return;
    free(k->name);
    free(k->param_offset);
    free(k->param_size);
    free(k->attributes);
    free(k);
}

void shim_kernel_update(struct shim_kernel *k, const Hawser__KernelInfo *info)
{
    for (unsigned i = 0; i < k->n_attributes && i < info->n_attributes; i++)
        k->attributes[i] = (int)info->attributes[i];
}

struct shim_kernel *shim_kernel_new(const Hawser__KernelInfo *info)
{
    struct shim_kernel *k = calloc(1, sizeof *k);
    size_t n = info->n_param_offset < info->n_param_size ? info->n_param_offset : info->n_param_size;
    if (!k) return NULL;
    k->name = strdup(info->name);
    k->param_offset = calloc(n + 1, sizeof *k->param_offset);
    k->param_size = calloc(n + 1, sizeof *k->param_size);
    k->attributes = calloc(info->n_attributes + 1, sizeof *k->attributes);
    if (!k->name || !k->param_offset || !k->param_size || !k->attributes) {
        shim_kernel_free(k);
        return NULL;
    }
    k->n_params = (unsigned)n;
    for (size_t i = 0; i < n; i++) {
        k->param_offset[i] = info->param_offset[i];
        k->param_size[i] = info->param_size[i];
        if (k->param_offset[i] + k->param_size[i] > k->param_bytes)
            k->param_bytes = k->param_offset[i] + k->param_size[i];
    }
    k->n_attributes = (unsigned)info->n_attributes;
    shim_kernel_update(k, info);
    return k;
}

int shim_kernel_attribute(const struct shim_kernel *k, CUfunction_attribute a)
{
    return (unsigned)a < k->n_attributes ? k->attributes[a] : 0;
}

/* The object behind a function or kernel handle, after the checks that every query begins with. */
static CUresult kernel_named(const void *handle, const void *out, struct shim_object **o)
{
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *o = shim_object(HAWSER_FUNCTION, handle);
    return *o ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuFuncGetAttribute(int *pi, CUfunction_attribute attrib, CUfunction hfunc)
{
    struct shim_object *o;
    CUresult r = kernel_named(hfunc, pi, &o);
    if (r != CUDA_SUCCESS) return r;
    if ((unsigned)attrib >= CU_FUNC_ATTRIBUTE_MAX) return CUDA_ERROR_INVALID_VALUE;
    *pi = shim_kernel_attribute(o->function.kernel, attrib);
    return CUDA_SUCCESS;
}

CUresult cuKernelGetAttribute(int *pi, CUfunction_attribute attrib, CUkernel kernel, CUdevice dev)
{
    if (!shim_device_ok(dev)) return shim_initialized() ? shim_initialized() : CUDA_ERROR_INVALID_DEVICE;
    return cuFuncGetAttribute(pi, attrib, (CUfunction)kernel);
}

static CUresult set_attribute(const void *handle, CUfunction_attribute attrib, int value, CUdevice dev)
{
    struct shim_call c;
    Hawser__SetAttribute m = HAWSER__SET_ATTRIBUTE__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_SetAttribute, true);
    if (r == CUDA_SUCCESS) r = shim_handle(HAWSER_FUNCTION, handle, &m.function);
    if (r != CUDA_SUCCESS) return r;
    m.attribute = (int64_t)attrib;
    m.value = value;
    m.device = dev;
    Hawser__SetAttributeReply *reply = NULL;
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    struct shim_object *o = shim_object(HAWSER_FUNCTION, handle);
    if (r == CUDA_SUCCESS && reply->kernel && o) shim_kernel_update(o->function.kernel, reply->kernel);
    shim_free_reply(reply);
    return r;
}

CUresult cuFuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value)
{
    struct shim_object *context = shim_current();
    return set_attribute(hfunc, attrib, value, context ? context->ctx.device : 0);
}

CUresult cuKernelSetAttribute(CUfunction_attribute attrib, int val, CUkernel kernel, CUdevice dev)
{
    return set_attribute(kernel, attrib, val, dev);
}

/* Preferences are posted; what is none is found here. */
static CUresult check_cache(CUfunc_cache config)
{
    return (unsigned)config > CU_FUNC_CACHE_PREFER_EQUAL ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

static CUresult check_banks(CUsharedconfig config)
{
    return (unsigned)config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult shim_check_cuCtxSetCacheConfig(CUfunc_cache config)
{
    return check_cache(config);
}

CUresult shim_check_cuCtxSetSharedMemConfig(CUsharedconfig config)
{
    return check_banks(config);
}

CUresult shim_check_cuFuncSetCacheConfig(CUfunction hfunc, CUfunc_cache config)
{
    (void)hfunc;
    return check_cache(config);
}

CUresult shim_check_cuFuncSetSharedMemConfig(CUfunction hfunc, CUsharedconfig config)
{
    (void)hfunc;
    return check_banks(config);
}

CUresult shim_check_cuKernelSetCacheConfig(CUkernel kernel, CUfunc_cache config, CUdevice dev)
{
    (void)kernel;
    return shim_device_ok(dev) ? check_cache(config) : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuFuncGetModule(CUmodule *hmod, CUfunction hfunc)
{
    struct shim_object *o;
    CUresult r = kernel_named(hfunc, hmod, &o);
    if (r != CUDA_SUCCESS) return r;
    if (o->function.owner->kind != HAWSER_MODULE) return CUDA_ERROR_INVALID_HANDLE;
    *hmod = (CUmodule)o->function.owner;
    return CUDA_SUCCESS;
}

CUresult cuKernelGetLibrary(CUlibrary *pLib, CUkernel kernel)
{
    struct shim_object *o;
    CUresult r = kernel_named(kernel, pLib, &o);
    if (r != CUDA_SUCCESS) return r;
    if (o->function.owner->kind != HAWSER_LIBRARY) return CUDA_ERROR_INVALID_HANDLE;
    *pLib = (CUlibrary)o->function.owner;
    return CUDA_SUCCESS;
}

CUresult cuFuncGetName(const char **name, CUfunction hfunc)
{
    struct shim_object *o;
    CUresult r = kernel_named(hfunc, name, &o);
    if (r == CUDA_SUCCESS) *name = o->function.kernel->name;
    return r;
}

CUresult cuKernelGetName(const char **name, CUkernel kernel)
{
    return cuFuncGetName(name, (CUfunction)kernel);
}

CUresult cuFuncGetParamInfo(CUfunction func, size_t paramIndex, size_t *paramOffset, size_t *paramSize)
{
    struct shim_object *o;
    CUresult r = kernel_named(func, paramOffset, &o);
    if (r != CUDA_SUCCESS) return r;
    if (paramIndex >= o->function.kernel->n_params) return CUDA_ERROR_INVALID_VALUE;
    *paramOffset = o->function.kernel->param_offset[paramIndex];
    if (paramSize) *paramSize = o->function.kernel->param_size[paramIndex];
    return CUDA_SUCCESS;
}

CUresult cuKernelGetParamInfo(CUkernel kernel, size_t paramIndex, size_t *paramOffset,
                              size_t *paramSize)
{
    return cuFuncGetParamInfo((CUfunction)kernel, paramIndex, paramOffset, paramSize);
}

/* The host was asked for the function's attributes when the handle was made, so it is loaded there. */
CUresult cuFuncIsLoaded(CUfunctionLoadingState *state, CUfunction function)
{
    struct shim_object *o;
    CUresult r = kernel_named(function, state, &o);
    if (r == CUDA_SUCCESS) *state = CU_FUNCTION_LOADING_STATE_LOADED;
    return r;
}

CUresult cuFuncLoad(CUfunction function)
{
    struct shim_object *o;
    return kernel_named(function, &o, &o);
}
