/*
 * Kernels: CUfunction and CUkernel are one kind of handle here, as CUDA takes either in launches.
 * Layout and attributes come from the host once; the front end answers from them afterwards.
 */
#include "shim.h"

#include <stdlib.h>
#include <string.h>

void shim_kernel_free(struct shim_kernel *k) {
    if (!k) return;
    free((char *)k->facts.name);
    free(k->facts.params);
    free(k);
}

void shim_kernel_update(struct shim_kernel *k, const Hawser__KernelInfo *info) {
    for (unsigned i = 0; i < k->facts.n_attributes && i < info->n_attributes; i++)
        k->facts.attributes[i] = (int)info->attributes[i];
}

struct shim_kernel *shim_kernel_new(const Hawser__KernelInfo *info) {
    struct shim_kernel *k = calloc(1, sizeof *k);
    size_t n = info->n_param_offset < info->n_param_size ? info->n_param_offset : info->n_param_size;
    if (!k) return NULL;
    struct hawser_kernel *f = &k->facts;
    f->name = strdup(info->name);
    f->params = calloc(n + 1, sizeof *f->params);
    if (!f->name || !f->params) {
        shim_kernel_free(k);
        return NULL;
    }
    f->n_params = (unsigned)n;
    for (size_t i = 0; i < n; i++) {
        f->params[i] = (struct hawser_param){info->param_offset[i], info->param_size[i]};
        size_t end = f->params[i].offset + f->params[i].size;
        if (end > f->param_bytes) f->param_bytes = end;
    }
    f->n_attributes = info->n_attributes < CU_FUNC_ATTRIBUTE_MAX ? (unsigned)info->n_attributes : CU_FUNC_ATTRIBUTE_MAX;
    shim_kernel_update(k, info);
    return k;
}

struct hawser_kernel *hawser_front_kernel(const void *handle) {
    struct shim_object *o = shim_object(HAWSER_FUNCTION, handle);
    return o ? &o->function.kernel->facts : NULL;
}

void *hawser_front_kernel_owner(const void *handle, bool *library) {
    struct shim_object *owner = shim_object(HAWSER_FUNCTION, handle)->function.owner;
    *library = owner->kind == HAWSER_LIBRARY;
    return owner;
}

static CUresult set_attribute(const void *handle, CUfunction_attribute attrib, int value, CUdevice dev) {
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

CUresult cuFuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value) {
    struct shim_object *context = shim_current();
    return set_attribute(hfunc, attrib, value, context ? context->ctx.facts.device : 0);
}

CUresult cuKernelSetAttribute(CUfunction_attribute attrib, int val, CUkernel kernel, CUdevice dev) {
    return set_attribute(kernel, attrib, val, dev);
}

/* Preferences are posted; what is none is found here. */
static CUresult check_cache(CUfunc_cache config) {
    return (unsigned)config > CU_FUNC_CACHE_PREFER_EQUAL ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

static CUresult check_banks(CUsharedconfig config) {
    return (unsigned)config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult shim_check_cuCtxSetCacheConfig(CUfunc_cache config) {
    return check_cache(config);
}

CUresult shim_check_cuCtxSetSharedMemConfig(CUsharedconfig config) {
    return check_banks(config);
}

CUresult shim_check_cuFuncSetCacheConfig(CUfunction hfunc, CUfunc_cache config) {
    (void)hfunc;
    return check_cache(config);
}

CUresult shim_check_cuFuncSetSharedMemConfig(CUfunction hfunc, CUsharedconfig config) {
    (void)hfunc;
    return check_banks(config);
}

CUresult shim_check_cuKernelSetCacheConfig(CUkernel kernel, CUfunc_cache config, CUdevice dev) {
    (void)kernel;
    return hawser_front_device_ok(dev) ? check_cache(config) : CUDA_ERROR_INVALID_DEVICE;
}
