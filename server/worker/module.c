/* Serving modules, libraries, kernels and launches. */
#include "served.h"

#include <stdlib.h>
#include <string.h>

#include "cuda_abi.h"
#include "log.h"

#define PREFETCH_KERNELS 64 /* a load's reply tells of the kernels of images that have no more */
#define LOG_BYTES 8192
#define ATTRIBUTES CU_FUNC_ATTRIBUTE_MAX
#define MAX_PARAMS 1024
#define MAX_ATTRIBUTES 64 /* of a launch; cuda.spec */

/* ---- what the guest needs to know of a kernel ---- */

struct kernel_info {
    Hawser__KernelInfo message;
    uint64_t offsets[MAX_PARAMS], sizes[MAX_PARAMS];
    int64_t attributes[ATTRIBUTES];
};

static CUresult param_info(const struct cuda_driver *d, void *handle, bool is_kernel, size_t i, size_t *offset,
                           size_t *size) {
    return is_kernel ? d->cuKernelGetParamInfo((CUkernel)handle, i, offset, size)
                     : d->cuFuncGetParamInfo((CUfunction)handle, i, offset, size);
}

static CUresult describe(struct served *c, void *handle, bool is_kernel, const char *name, struct kernel_info *info) {
    const struct cuda_driver *d = c->driver;
    CUdevice device = 0;
    if (c->context && d->cuCtxGetDevice(&device) != CUDA_SUCCESS) device = 0;
    hawser__kernel_info__init(&info->message);
    info->message.name = (char *)name;
    for (int a = 0; a < ATTRIBUTES; a++) {
        int value = 0;
        CUresult r = is_kernel ? d->cuKernelGetAttribute(&value, (CUfunction_attribute)a, (CUkernel)handle, device)
                               : d->cuFuncGetAttribute(&value, (CUfunction_attribute)a, (CUfunction)handle);
        if (r != CUDA_SUCCESS && a == 0) return r; /* the kernel cannot be loaded */
        info->attributes[a] = r == CUDA_SUCCESS ? value : 0;
    }
    if (!(is_kernel ? (void *)d->cuKernelGetParamInfo : (void *)d->cuFuncGetParamInfo)) {
        hawser_log(HAWSER_ERROR, "the driver cannot tell kernel parameter layouts: CUDA 12.4 or newer is needed");
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    size_t n = 0, offset, size;
    while (n < MAX_PARAMS && param_info(d, handle, is_kernel, n, &offset, &size) == CUDA_SUCCESS) {
        info->offsets[n] = offset;
        info->sizes[n++] = size;
    }
    info->message.n_param_offset = info->message.n_param_size = n;
    info->message.param_offset = info->offsets;
    info->message.param_size = info->sizes;
    info->message.n_attributes = ATTRIBUTES;
    info->message.attributes = info->attributes;
    return CUDA_SUCCESS;
}

/* ---- loading ---- */

/* The image's bytes as the driver wants them: aligned, text ended by NUL, wrappers rebuilt. */
struct image {
    struct {
        uint32_t magic, version;
        void *data, *more;
    } wrapper;
    void *parts[HAWSER_MAX_FRAMES + 1];
    unsigned n_parts;
};

CUresult served_image(const struct served *c, unsigned *frame, size_t size, char **out) {
    size_t there = 0, at = 0;
    for (unsigned i = *frame; i < c->n_frames && there < size; i++)
        there += c->frames[i].size;
    if (there != size || !size) return CUDA_ERROR_INVALID_VALUE;
    char *copy = aligned_alloc(64, (size + 64) / 64 * 64);
    if (!copy) return CUDA_ERROR_OUT_OF_MEMORY;
    for (; at < size; at += c->frames[(*frame)++].size)
        memcpy(copy + at, c->frames[*frame].data, c->frames[*frame].size);
    memset(copy + size, 0, (size + 64) / 64 * 64 - size);
    *out = copy;
    return CUDA_SUCCESS;
}

static CUresult rebuild(struct served *c, const struct load_args *a, struct image *image, void **out) {
    unsigned frame = 0;
    memset(image, 0, sizeof *image);
    while (frame < c->n_frames && image->n_parts < HAWSER_MAX_FRAMES) {
        if (a->n_sizes && image->n_parts == a->n_sizes) return CUDA_ERROR_INVALID_VALUE;
        size_t size = a->n_sizes ? a->sizes[image->n_parts] : c->frames[frame].size;
        char *copy;
        CUresult r = served_image(c, &frame, size, &copy);
        if (r != CUDA_SUCCESS) return r;
        image->parts[image->n_parts++] = copy;
    }
    if (!image->n_parts || (a->n_sizes && image->n_parts != a->n_sizes)) return CUDA_ERROR_INVALID_VALUE;
    *out = image->parts[0];
    if (a->kind == HAWSER_IMAGE_WRAPPER) {
        image->wrapper.magic = 0x466243b1;
        image->wrapper.version = (uint32_t)a->wrapper_version;
        image->wrapper.data = image->parts[0];
        image->wrapper.more = image->n_parts > 1 ? &image->parts[1] : NULL; /* ends with NULL */
        *out = &image->wrapper;
    }
    return CUDA_SUCCESS;
}

static void free_image(struct image *image) {
    for (unsigned i = 0; i < image->n_parts; i++)
        free(image->parts[i]);
}

struct jit {
    CUjit_option names[72];
    void *values[72];
    unsigned n;
    char error[LOG_BYTES], info[LOG_BYTES];
};

static void add_option(struct jit *j, CUjit_option name, void *value) {
    j->names[j->n] = name;
    j->values[j->n++] = value;
}

static void fill_options(const struct load_args *a, struct jit *j) {
    memset(j, 0, sizeof *j);
    for (size_t i = 0; i < a->n_options && i < a->n_values && i < 64; i++)
        add_option(j, (CUjit_option)a->options[i], (void *)(uintptr_t)a->values[i]);
    add_option(j, CU_JIT_ERROR_LOG_BUFFER, j->error);
    add_option(j, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, (void *)(uintptr_t)(LOG_BYTES - 1));
    if (a->info_log) {
        add_option(j, CU_JIT_INFO_LOG_BUFFER, j->info);
        add_option(j, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, (void *)(uintptr_t)(LOG_BYTES - 1));
    }
}

/* All kernels of a small image, with their layouts: saves a round trip per kernel. A kernel that cannot
 * be described makes the list incomplete, and its error comes when it is asked for. */
static void prefetch(struct served *c, void *handle, bool library, Hawser__LoadReply *reply) {
    const struct cuda_driver *d = c->driver;
    unsigned count = 0;
    void *handles[PREFETCH_KERNELS];
    if (library ? !d->cuLibraryGetKernelCount : !d->cuModuleGetFunctionCount) return;
    CUresult r = library ? d->cuLibraryGetKernelCount(&count, handle) : d->cuModuleGetFunctionCount(&count, handle);
    if (r != CUDA_SUCCESS || count > PREFETCH_KERNELS) return;
    r = library ? d->cuLibraryEnumerateKernels((CUkernel *)handles, count, handle)
                : d->cuModuleEnumerateFunctions((CUfunction *)handles, count, handle);
    if (count == 0) r = CUDA_SUCCESS;
    if (r != CUDA_SUCCESS) return;
    reply->kernels = served_alloc(c, (count + 1) * sizeof *reply->kernels);
    reply->complete = reply->kernels != NULL;
    for (unsigned i = 0; i < count && reply->kernels; i++) {
        const char *name;
        struct kernel_info *info = served_alloc(c, sizeof *info);
        r = library ? d->cuKernelGetName(&name, handles[i]) : d->cuFuncGetName(&name, handles[i]);
        if (info && r == CUDA_SUCCESS && describe(c, handles[i], library, name, info) == CUDA_SUCCESS)
            reply->kernels[reply->n_kernels++] = &info->message;
        else
            reply->complete = false;
    }
}

CUresult serve_Load(struct served *c, const struct load_args *a, struct object *object, Hawser__LoadReply *reply) {
    const struct cuda_driver *d = c->driver;
    struct image image;
    struct jit *jit = served_alloc(c, sizeof *jit);
    void *code;
    if (!jit) return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult r = rebuild(c, a, &image, &code);
    if (r != CUDA_SUCCESS) goto out;
    fill_options(a, jit);
    object->kind = a->library ? HAWSER_LIBRARY : HAWSER_MODULE;
    if (a->library)
        r = d->cuLibraryLoadData((CUlibrary *)&object->handle, code, jit->names, jit->values, jit->n, NULL, NULL, 0);
    else
        r = d->cuModuleLoadDataEx((CUmodule *)&object->handle, code, jit->n, jit->names, jit->values);
    if (r == CUDA_SUCCESS)
        prefetch(c, object->handle, a->library, reply);
    else
        /* of images without code for the device there may be thousands: the guest tells */
        hawser_log(r == CUDA_ERROR_NO_BINARY_FOR_GPU ? HAWSER_INFO : HAWSER_WARN,
                   "a module could not be loaded (error %d)%s%s", r, *jit->error ? ": " : "", jit->error);
    reply->error_log.data = (uint8_t *)jit->error;
    reply->error_log.len = a->error_log ? strnlen(jit->error, a->error_log) : 0;
    reply->info_log.data = (uint8_t *)jit->info;
    reply->info_log.len = a->info_log ? strnlen(jit->info, a->info_log) : 0;
out:
    free_image(&image);
    return r;
}

/* ---- look-ups ---- */

/* A kernel of a module or library by name. */
static CUresult find_kernel(struct served *c, const struct object *owner, const char *name, struct object *out) {
    out->is_kernel = owner->kind == HAWSER_LIBRARY;
    return out->is_kernel ? c->driver->cuLibraryGetKernel((CUkernel *)&out->handle, owner->handle, name)
                          : c->driver->cuModuleGetFunction((CUfunction *)&out->handle, owner->handle, name);
}

/* What the guest needs to know of a kernel, as part of a reply. */
static CUresult tell(struct served *c, const struct object *kernel, const char *name, Hawser__KernelInfo **out) {
    struct kernel_info *info = served_alloc(c, sizeof *info);
    if (!info) return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult r = describe(c, kernel->handle, kernel->is_kernel, name, info);
    if (r == CUDA_SUCCESS) *out = &info->message;
    return r;
}

CUresult serve_GetKernel(struct served *c, const struct get_kernel_args *a, struct object *object,
                         Hawser__GetKernelReply *reply) {
    CUresult r = find_kernel(c, &a->owner, a->name, object);
    return r == CUDA_SUCCESS ? tell(c, object, a->name, &reply->kernel) : r;
}

CUresult serve_BindKernel(struct served *c, const struct bind_kernel_args *a, struct object *object) {
    return find_kernel(c, &a->owner, a->name, object);
}

CUresult serve_GetFunction(struct served *c, const struct get_function_args *a, struct object *object) {
    if (a->kernel.is_kernel) return c->driver->cuKernelGetFunction((CUfunction *)&object->handle, a->kernel.handle);
    object->handle = a->kernel.handle;
    return CUDA_SUCCESS;
}

/* A library's managed variables are asked for by another function. */
static CUresult library_global(const struct cuda_driver *d, CUdeviceptr *address, size_t *size, CUlibrary library,
                               const char *name) {
    CUresult r = d->cuLibraryGetGlobal(address, size, library, name);
    if (r == CUDA_ERROR_NOT_FOUND && d->cuLibraryGetManaged) r = d->cuLibraryGetManaged(address, size, library, name);
    return r;
}

static CUresult find_global(const struct cuda_driver *d, const struct get_global_args *a, CUdeviceptr *address,
                            size_t *size) {
    void *owner = a->owner.handle;
    if (a->owner.kind == HAWSER_MODULE)
        return a->only_managed ? CUDA_ERROR_INVALID_HANDLE : d->cuModuleGetGlobal_v2(address, size, owner, a->name);
    if (!a->only_managed) return library_global(d, address, size, owner, a->name);
    return d->cuLibraryGetManaged ? d->cuLibraryGetManaged(address, size, owner, a->name) : CUDA_ERROR_NOT_FOUND;
}

CUresult serve_GetGlobal(struct served *c, const struct get_global_args *a, Hawser__GetGlobalReply *reply) {
    CUdeviceptr address = 0;
    size_t size = 0;
    unsigned managed = 0;
    CUresult r = find_global(c->driver, a, &address, &size);
    if (r != CUDA_SUCCESS) return r;
    reply->address = address;
    reply->size = size;
    reply->managed = a->only_managed;
    if (!reply->managed && c->driver->cuPointerGetAttribute &&
        c->driver->cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, address) == CUDA_SUCCESS)
        reply->managed = managed & 0xff;
    return CUDA_SUCCESS;
}

CUresult serve_GetModule(struct served *c, const struct get_module_args *a, CUmodule *object) {
    return c->driver->cuLibraryGetModule(object, a->library);
}

CUresult serve_ListKernels(struct served *c, const struct list_kernels_args *a, Hawser__ListKernelsReply *reply) {
    const struct cuda_driver *d = c->driver;
    void *owner = a->owner.handle;
    unsigned n = 0;
    bool library = a->owner.kind == HAWSER_LIBRARY;
    if (library ? !d->cuLibraryGetKernelCount : !d->cuModuleGetFunctionCount) return CUDA_ERROR_NOT_SUPPORTED;
    CUresult r = library ? d->cuLibraryGetKernelCount(&n, owner) : d->cuModuleGetFunctionCount(&n, owner);
    if (r != CUDA_SUCCESS) return r;
    void **handles = served_alloc(c, (n + (size_t)1) * sizeof *handles);
    char **names = served_alloc(c, (n + (size_t)1) * sizeof *names);
    if (!handles || !names) r = CUDA_ERROR_OUT_OF_MEMORY;
    if (r == CUDA_SUCCESS && n)
        r = library ? d->cuLibraryEnumerateKernels((CUkernel *)handles, n, owner)
                    : d->cuModuleEnumerateFunctions((CUfunction *)handles, n, owner);
    for (unsigned i = 0; i < n && r == CUDA_SUCCESS; i++)
        r = library ? d->cuKernelGetName((const char **)&names[i], handles[i])
                    : d->cuFuncGetName((const char **)&names[i], handles[i]);
    if (r != CUDA_SUCCESS) return r;
    reply->n_names = n;
    reply->names = names;
    return CUDA_SUCCESS;
}

CUresult serve_SetAttribute(struct served *c, const struct set_attribute_args *a, Hawser__SetAttributeReply *reply) {
    const struct cuda_driver *d = c->driver;
    void *function = a->function.handle;
    CUresult r = a->function.is_kernel ? d->cuKernelSetAttribute(a->attribute, a->value, function, a->device)
                                       : d->cuFuncSetAttribute(function, a->attribute, a->value);
    if (r == CUDA_SUCCESS) tell(c, &a->function, "", &reply->kernel); /* it may keep what it knew */
    return r;
}

/* ---- launches ---- */

CUresult serve_Launch(struct served *c, const struct launch_args *a) {
    size_t size = a->params.len;
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, a->params.data, CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
                     CU_LAUNCH_PARAM_END};
    const unsigned *g = a->grid, *b = a->block;
    CUfunction f = a->function.handle;
    if (!a->n_attributes && !a->cooperative)
        return c->driver->cuLaunchKernel(f, g[0], g[1], g[2], b[0], b[1], b[2], a->shared, a->stream, NULL,
                                         size ? extra : NULL);
    if (!c->driver->cuLaunchKernelEx) return CUDA_ERROR_NOT_SUPPORTED;
    CUlaunchAttribute attributes[MAX_ATTRIBUTES + 1];
    size_t n = a->n_attributes;
    if (n) memcpy(attributes, a->attributes, n * sizeof *attributes);
    if (a->cooperative)
        attributes[n++] = (CUlaunchAttribute){.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE, .value.cooperative = 1};
    CUlaunchConfig config = {g[0], g[1], g[2], b[0], b[1], b[2], a->shared, a->stream, attributes, (unsigned)n};
    return c->driver->cuLaunchKernelEx(&config, f, NULL, size ? extra : NULL);
}

CUresult serve_ClusterOccupancy(struct served *c, const struct cluster_occupancy_args *a,
                                Hawser__ClusterOccupancyReply *reply) {
    const struct cuda_driver *d = c->driver;
    const unsigned *g = a->grid, *b = a->block;
    CUfunction f = a->function.handle;
    int count = 0;
    if (!d->cuOccupancyMaxActiveClusters || !d->cuOccupancyMaxPotentialClusterSize) return CUDA_ERROR_NOT_SUPPORTED;
    CUlaunchConfig config = {g[0], g[1],      g[2], b[0],          b[1],
                             b[2], a->shared, NULL, a->attributes, (unsigned)a->n_attributes};
    CUresult r = a->largest ? d->cuOccupancyMaxPotentialClusterSize(&count, f, &config)
                            : d->cuOccupancyMaxActiveClusters(&count, f, &config);
    reply->count = count;
    return r;
}
