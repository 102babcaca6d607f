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

/* ---- what the guest needs to know of a kernel ---- */

struct kernel_info {
    Hawser__KernelInfo message;
    uint64_t offsets[MAX_PARAMS], sizes[MAX_PARAMS];
    int64_t attributes[ATTRIBUTES];
};

static CUresult param_info(const struct cuda_driver *d, void *handle, bool is_kernel, size_t i,
                           size_t *offset, size_t *size)
{
    return is_kernel ? d->cuKernelGetParamInfo((CUkernel)handle, i, offset, size)
                     : d->cuFuncGetParamInfo((CUfunction)handle, i, offset, size);
}

static CUresult describe(struct served *c, void *handle, bool is_kernel, const char *name,
                         struct kernel_info *info)
{
    const struct cuda_driver *d = c->driver;
    CUdevice device = 0;
    if (c->context && d->cuCtxGetDevice(&device) != CUDA_SUCCESS) device = 0;
    hawser__kernel_info__init(&info->message);
    info->message.name = (char *)name;
    for (int a = 0; a < ATTRIBUTES; a++) {
        int value = 0;
        CUresult r = is_kernel
                         ? d->cuKernelGetAttribute(&value, (CUfunction_attribute)a, (CUkernel)handle, device)
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

CUresult served_image(const struct served *c, unsigned *frame, size_t size, char **out)
{
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

static CUresult rebuild(struct served *c, const Hawser__Load *m, struct image *image, void **out)
{
    unsigned frame = 0;
    memset(image, 0, sizeof *image);
    while (frame < c->n_frames && image->n_parts < HAWSER_MAX_FRAMES) {
        if (m->n_sizes && image->n_parts == m->n_sizes) return CUDA_ERROR_INVALID_VALUE;
        size_t size = m->n_sizes ? m->sizes[image->n_parts] : c->frames[frame].size;
        char *copy;
        CUresult r = served_image(c, &frame, size, &copy);
        if (r != CUDA_SUCCESS) return r;
        image->parts[image->n_parts++] = copy;
    }
    if (!image->n_parts || (m->n_sizes && image->n_parts != m->n_sizes)) return CUDA_ERROR_INVALID_VALUE;
    *out = image->parts[0];
    if (m->kind == HAWSER_IMAGE_WRAPPER) {
        image->wrapper.magic = 0x466243b1;
        image->wrapper.version = (uint32_t)m->wrapper_version;
        image->wrapper.data = image->parts[0];
        image->wrapper.more = image->n_parts > 1 ? &image->parts[1] : NULL; /* ends with NULL */
        *out = &image->wrapper;
    }
    return CUDA_SUCCESS;
}

static void free_image(struct image *image)
{
    for (unsigned i = 0; i < image->n_parts; i++)
        free(image->parts[i]);
}

struct jit {
    CUjit_option names[72];
    void *values[72];
    unsigned n;
    char error[LOG_BYTES], info[LOG_BYTES];
};

static void add_option(struct jit *j, CUjit_option name, void *value)
{
    j->names[j->n] = name;
    j->values[j->n++] = value;
}

static void fill_options(const Hawser__Load *m, struct jit *j)
{
    memset(j, 0, sizeof *j);
    for (size_t i = 0; i < m->n_options && i < m->n_values && i < 64; i++)
        add_option(j, (CUjit_option)m->options[i], (void *)(uintptr_t)m->values[i]);
    add_option(j, CU_JIT_ERROR_LOG_BUFFER, j->error);
    add_option(j, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, (void *)(uintptr_t)(LOG_BYTES - 1));
    if (m->info_log) {
        add_option(j, CU_JIT_INFO_LOG_BUFFER, j->info);
        add_option(j, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, (void *)(uintptr_t)(LOG_BYTES - 1));
    }
}

/* All kernels of a small image, with their layouts: saves a round trip per kernel. A kernel that cannot
 * be described makes the list incomplete, and its error comes when it is asked for. */
static void prefetch(struct served *c, void *handle, bool library, Hawser__LoadReply *reply)
{
    const struct cuda_driver *d = c->driver;
    unsigned count = 0;
    void *handles[PREFETCH_KERNELS];
    if (library ? !d->cuLibraryGetKernelCount : !d->cuModuleGetFunctionCount) return;
    CUresult r = library ? d->cuLibraryGetKernelCount(&count, handle)
                         : d->cuModuleGetFunctionCount(&count, handle);
    if (r != CUDA_SUCCESS || count > PREFETCH_KERNELS) return;
    r = library ? d->cuLibraryEnumerateKernels((CUkernel *)handles, count, handle)
                : d->cuModuleEnumerateFunctions((CUfunction *)handles, count, handle);
    if (count == 0) r = CUDA_SUCCESS;
    if (r != CUDA_SUCCESS) return;
    reply->complete = true;
    reply->kernels = calloc(count + 1, sizeof *reply->kernels);
    for (unsigned i = 0; i < count && reply->kernels; i++) {
        const char *name;
        struct kernel_info *info = malloc(sizeof *info);
        r = library ? d->cuKernelGetName(&name, handles[i]) : d->cuFuncGetName(&name, handles[i]);
        if (info && r == CUDA_SUCCESS && describe(c, handles[i], library, name, info) == CUDA_SUCCESS) {
            reply->kernels[reply->n_kernels++] = &info->message;
        } else {
            free(info);
            reply->complete = false;
        }
    }
}

CUresult serve_Load(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__Load *m = (const Hawser__Load *)msg;
    const struct cuda_driver *d = c->driver;
    struct image image;
    struct jit *jit = malloc(sizeof *jit);
    void *code, *handle = NULL;
    Hawser__LoadReply reply = HAWSER__LOAD_REPLY__INIT;
    if (!jit) return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult r = rebuild(c, m, &image, &code);
    if (r != CUDA_SUCCESS) goto out;
    fill_options(m, jit);
    if (m->library)
        r = d->cuLibraryLoadData((CUlibrary *)&handle, code, jit->names, jit->values, jit->n, NULL, NULL, 0);
    else
        r = d->cuModuleLoadDataEx((CUmodule *)&handle, code, jit->n, jit->names, jit->values);
    if (r == CUDA_SUCCESS)
        r = served_bind(c, m->library ? HAWSER_LIBRARY : HAWSER_MODULE, m->object, handle);
    else
        /* of images without code for the device there may be thousands: the guest tells */
        hawser_log(r == CUDA_ERROR_NO_BINARY_FOR_GPU ? HAWSER_INFO : HAWSER_WARN,
                   "a module could not be loaded (error %d)%s%s", r, *jit->error ? ": " : "", jit->error);
    if (r == CUDA_SUCCESS) prefetch(c, handle, m->library, &reply);
    reply.error_log.data = (uint8_t *)jit->error;
    reply.error_log.len = m->error_log ? strnlen(jit->error, m->error_log) : 0;
    reply.info_log.data = (uint8_t *)jit->info;
    reply.info_log.len = m->info_log ? strnlen(jit->info, m->info_log) : 0;
    served_reply(c, &reply.base);
out:
    for (size_t i = 0; i < reply.n_kernels; i++)
        free(reply.kernels[i]); /* the message is the first member of its kernel_info */
    free(reply.kernels);
    free_image(&image);
    free(jit);
    return r;
}

/* ---- look-ups ---- */

/* A kernel of a module or library by name. */
static CUresult find_kernel(struct served *c, uint64_t owner, const char *name, void **handle,
                            bool *is_kernel)
{
    struct object o;
    *is_kernel = served_object(c, HAWSER_LIBRARY, owner, &o);
    if (*is_kernel) return c->driver->cuLibraryGetKernel((CUkernel *)handle, o.handle, name);
    if (!served_object(c, HAWSER_MODULE, owner, &o)) return CUDA_ERROR_INVALID_HANDLE;
    return c->driver->cuModuleGetFunction((CUfunction *)handle, o.handle, name);
}

CUresult serve_GetKernel(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__GetKernel *m = (const Hawser__GetKernel *)msg;
    void *handle;
    bool is_kernel;
    CUresult r = find_kernel(c, m->owner, m->name, &handle, &is_kernel);
    if (r != CUDA_SUCCESS) return r;
    struct kernel_info *info = malloc(sizeof *info);
    if (!info) return CUDA_ERROR_OUT_OF_MEMORY;
    r = describe(c, handle, is_kernel, m->name, info);
    if (r == CUDA_SUCCESS) r = served_bind_kernel(c, m->object, handle, is_kernel);
    if (r == CUDA_SUCCESS) {
        Hawser__GetKernelReply reply = HAWSER__GET_KERNEL_REPLY__INIT;
        reply.kernel = &info->message;
        served_reply(c, &reply.base);
    }
    free(info);
    return r;
}

CUresult serve_BindKernel(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__BindKernel *m = (const Hawser__BindKernel *)msg;
    void *handle;
    bool is_kernel;
    CUresult r = find_kernel(c, m->owner, m->name, &handle, &is_kernel);
    return r == CUDA_SUCCESS ? served_bind_kernel(c, m->object, handle, is_kernel) : r;
}

CUresult serve_GetFunction(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__GetFunction *m = (const Hawser__GetFunction *)msg;
    struct object o;
    CUfunction f;
    if (!served_object(c, HAWSER_FUNCTION, m->kernel, &o)) return CUDA_ERROR_INVALID_HANDLE;
    CUresult r = o.is_kernel ? c->driver->cuKernelGetFunction(&f, o.handle) : CUDA_SUCCESS;
    if (!o.is_kernel) f = o.handle;
    return r == CUDA_SUCCESS ? served_bind_kernel(c, m->object, f, false) : r;
}

/* A library's managed variables are asked for by another function. */
static CUresult library_global(const struct cuda_driver *d, CUdeviceptr *address, size_t *size, CUlibrary library,
                               const char *name)
{
    CUresult r = d->cuLibraryGetGlobal(address, size, library, name);
    if (r == CUDA_ERROR_NOT_FOUND && d->cuLibraryGetManaged)
        r = d->cuLibraryGetManaged(address, size, library, name);
    return r;
}

CUresult serve_GetGlobal(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__GetGlobal *m = (const Hawser__GetGlobal *)msg;
    struct object o;
    CUdeviceptr address = 0;
    size_t size = 0;
    CUresult r;
    if (m->only_managed && !c->driver->cuLibraryGetManaged)
        r = CUDA_ERROR_NOT_FOUND;
    else if (m->only_managed)
        r = served_object(c, HAWSER_LIBRARY, m->owner, &o)
                ? c->driver->cuLibraryGetManaged(&address, &size, o.handle, m->name) : CUDA_ERROR_INVALID_HANDLE;
    else if (served_object(c, HAWSER_LIBRARY, m->owner, &o))
        r = library_global(c->driver, &address, &size, o.handle, m->name);
    else if (served_object(c, HAWSER_MODULE, m->owner, &o))
        r = c->driver->cuModuleGetGlobal_v2(&address, &size, o.handle, m->name);
    else
        r = CUDA_ERROR_INVALID_HANDLE;
    if (r != CUDA_SUCCESS) return r;
    Hawser__GetGlobalReply reply = HAWSER__GET_GLOBAL_REPLY__INIT;
    reply.address = address;
    reply.size = size;
    reply.managed = m->only_managed;
    unsigned managed = 0;
    if (!reply.managed && c->driver->cuPointerGetAttribute &&
        c->driver->cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, address) == CUDA_SUCCESS)
        reply.managed = managed & 0xff;
    served_reply(c, &reply.base);
    return CUDA_SUCCESS;
}

CUresult serve_GetModule(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__GetModule *m = (const Hawser__GetModule *)msg;
    CUlibrary library;
    CUmodule module;
    CUresult r = served_handle(c, HAWSER_LIBRARY, m->library, (void **)&library);
    if (r == CUDA_SUCCESS) r = c->driver->cuLibraryGetModule(&module, library);
    return r == CUDA_SUCCESS ? served_bind(c, HAWSER_MODULE, m->object, module) : r;
}

CUresult serve_ListKernels(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__ListKernels *m = (const Hawser__ListKernels *)msg;
    const struct cuda_driver *d = c->driver;
    struct object o;
    unsigned n = 0;
    bool library = served_object(c, HAWSER_LIBRARY, m->owner, &o);
    if (!library && !served_object(c, HAWSER_MODULE, m->owner, &o)) return CUDA_ERROR_INVALID_HANDLE;
    if (library ? !d->cuLibraryGetKernelCount : !d->cuModuleGetFunctionCount)
        return CUDA_ERROR_NOT_SUPPORTED;
    CUresult r = library ? d->cuLibraryGetKernelCount(&n, o.handle)
                         : d->cuModuleGetFunctionCount(&n, o.handle);
    if (r != CUDA_SUCCESS) return r;
    void **handles = calloc(n + 1, sizeof *handles);
    char **names = calloc(n + 1, sizeof *names);
    if (!handles || !names) r = CUDA_ERROR_OUT_OF_MEMORY;
    if (r == CUDA_SUCCESS && n)
        r = library ? d->cuLibraryEnumerateKernels((CUkernel *)handles, n, o.handle)
                    : d->cuModuleEnumerateFunctions((CUfunction *)handles, n, o.handle);
    for (unsigned i = 0; i < n && r == CUDA_SUCCESS; i++)
        r = library ? d->cuKernelGetName((const char **)&names[i], handles[i])
                    : d->cuFuncGetName((const char **)&names[i], handles[i]);
    if (r == CUDA_SUCCESS) {
        Hawser__ListKernelsReply reply = HAWSER__LIST_KERNELS_REPLY__INIT;
        reply.n_names = n;
        reply.names = names;
        served_reply(c, &reply.base);
    }
    free(handles);
    free(names);
    return r;
}

CUresult serve_SetAttribute(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__SetAttribute *m = (const Hawser__SetAttribute *)msg;
    const struct cuda_driver *d = c->driver;
    struct object o;
    if (!served_object(c, HAWSER_FUNCTION, m->function, &o)) return CUDA_ERROR_INVALID_HANDLE;
    CUfunction_attribute a = (CUfunction_attribute)m->attribute;
    CUresult r = o.is_kernel
                     ? d->cuKernelSetAttribute(a, (int)m->value, o.handle, (CUdevice)m->device)
                     : d->cuFuncSetAttribute(o.handle, a, (int)m->value);
    struct kernel_info *info = r == CUDA_SUCCESS ? malloc(sizeof *info) : NULL;
    if (info && describe(c, o.handle, o.is_kernel, "", info) == CUDA_SUCCESS) {
        Hawser__SetAttributeReply reply = HAWSER__SET_ATTRIBUTE_REPLY__INIT;
        reply.kernel = &info->message;
        served_reply(c, &reply.base);
    }
    free(info);
    return r;
}

/* ---- launches ---- */

CUresult serve_Launch(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__Launch *m = (const Hawser__Launch *)msg;
    void *f;
    CUstream stream;
    CUresult r = served_handle(c, HAWSER_FUNCTION, m->function, &f);
    if (r == CUDA_SUCCESS) r = served_handle(c, HAWSER_STREAM, m->stream, (void **)&stream);
    if (r != CUDA_SUCCESS) return r;
    size_t n_attributes = m->attributes.len / sizeof(CUlaunchAttribute);
    if (m->n_grid != 3 || m->n_block != 3 || n_attributes > 64) return CUDA_ERROR_INVALID_VALUE;
    size_t size = m->params.len;
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, m->params.data, CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
                     CU_LAUNCH_PARAM_END};
    if (!n_attributes && !m->cooperative)
        return c->driver->cuLaunchKernel(f, (unsigned)m->grid[0], (unsigned)m->grid[1],
                                         (unsigned)m->grid[2], (unsigned)m->block[0],
                                         (unsigned)m->block[1], (unsigned)m->block[2],
                                         (unsigned)m->shared, stream, NULL, size ? extra : NULL);
    if (!c->driver->cuLaunchKernelEx) return CUDA_ERROR_NOT_SUPPORTED;
    CUlaunchAttribute attributes[65];
    if (n_attributes) memcpy(attributes, m->attributes.data, n_attributes * sizeof *attributes);
    if (m->cooperative)
        attributes[n_attributes++] = (CUlaunchAttribute){.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE,
                                                         .value.cooperative = 1};
    CUlaunchConfig config = {(unsigned)m->grid[0],  (unsigned)m->grid[1],  (unsigned)m->grid[2],
                             (unsigned)m->block[0], (unsigned)m->block[1], (unsigned)m->block[2],
                             (unsigned)m->shared,   stream,                attributes,
                             (unsigned)n_attributes};
    return c->driver->cuLaunchKernelEx(&config, f, NULL, size ? extra : NULL);
}

CUresult serve_ClusterOccupancy(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__ClusterOccupancy *m = (const Hawser__ClusterOccupancy *)msg;
    void *f;
    int count = 0;
    CUlaunchAttribute attributes[64];
    CUresult r = served_handle(c, HAWSER_FUNCTION, m->function, &f);
    size_t n = m->attributes.len / sizeof *attributes;
    if (r != CUDA_SUCCESS) return r;
    if (m->n_grid != 3 || m->n_block != 3 || n > 64) return CUDA_ERROR_INVALID_VALUE;
    if (!c->driver->cuOccupancyMaxActiveClusters || !c->driver->cuOccupancyMaxPotentialClusterSize)
        return CUDA_ERROR_NOT_SUPPORTED;
    if (n) memcpy(attributes, m->attributes.data, n * sizeof *attributes);
    CUlaunchConfig config = {(unsigned)m->grid[0],  (unsigned)m->grid[1],  (unsigned)m->grid[2],
                             (unsigned)m->block[0], (unsigned)m->block[1], (unsigned)m->block[2],
                             (unsigned)m->shared,   NULL,                  attributes,
                             (unsigned)n};
    r = m->largest ? c->driver->cuOccupancyMaxPotentialClusterSize(&count, f, &config)
                   : c->driver->cuOccupancyMaxActiveClusters(&count, f, &config);
    if (r != CUDA_SUCCESS) return r;
    Hawser__ClusterOccupancyReply reply = HAWSER__CLUSTER_OCCUPANCY_REPLY__INIT;
    reply.count = count;
    served_reply(c, &reply.base);
    return CUDA_SUCCESS;
}
