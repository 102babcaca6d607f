/* Modules and libraries: images go to the host whole; kernels and globals are looked up there once. */
#include "shim.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_abi.h"

#define ERROR_LOG_BYTES 1024 /* of what is asked for where the program does not */

/* Guards every image's lists. One lock for all: look-ups happen once a kernel, not once a launch. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void shim_image_free(struct shim_image *image) {
    if (!image) return;
    for (struct shim_kernel *k = image->kernels, *next; k; k = next) {
        next = k->next;
        if (k->handle) {
            shim_object_gone(k->handle->function.twin);
            shim_object_gone(k->handle);
        }
        shim_kernel_free(k);
    }
    for (unsigned i = 0; i < image->n_names; i++)
        free(image->names[i]);
    free(image->names);
    free(image);
}

/* ---- loading ---- */

static struct shim_image *image_of(const Hawser__LoadReply *reply) {
    struct shim_image *image = calloc(1, sizeof *image);
    if (!image) return NULL;
    image->complete = reply->complete;
    for (size_t i = 0; i < reply->n_kernels; i++) {
        struct shim_kernel *k = shim_kernel_new(reply->kernels[i]);
        if (!k) continue;
        k->next = image->kernels;
        image->kernels = k;
    }
    return image;
}

unsigned shim_image_frames(const void *data, size_t size, struct hawser_frame *frames, unsigned room) {
    unsigned n = 0;
    bool many = shim_host()->protocol_minor >= HAWSER_MINOR_FRAMES;
    for (size_t at = 0; at < size; at += HAWSER_MAX_FRAME_SIZE) {
        size_t rest = size - at;
        if (n == room || (rest > HAWSER_MAX_FRAME_SIZE && !many)) return 0;
        frames[n++] = (struct hawser_frame){.data = (char *)data + at,
                                            .size = rest < HAWSER_MAX_FRAME_SIZE ? rest : HAWSER_MAX_FRAME_SIZE};
    }
    return n;
}

/* NVIDIA's driver gives no reason. */
static void tell_refused(const void *code, const Hawser__LoadReply *reply) {
    char why[ERROR_LOG_BYTES] = "it holds no code for this device";
    size_t n = reply ? reply->error_log.len : 0;
    if (n) snprintf(why, sizeof why, "%.*s", (int)n, (const char *)reply->error_log.data);
    why[strcspn(why, "\n")] = 0;
    hawser_abi_image_refused(code, why);
}

static CUresult load(enum hawser_object_kind kind, const void *code, struct shim_options *o, void **out) {
    struct shim_call c;
    CUresult r = shim_enter(&c, HAWSER_FN_Load, kind == HAWSER_MODULE);
    if (r != CUDA_SUCCESS) return r;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    struct hawser_image *image = malloc(sizeof *image);
    if (!image) return CUDA_ERROR_OUT_OF_MEMORY;
    struct shim_object *made = NULL;
    Hawser__LoadReply *reply = NULL;
    struct hawser_frame frames[HAWSER_MAX_FRAMES];
    uint64_t sizes[HAWSER_IMAGE_MAX_PARTS];
    unsigned n_frames = 0;
    r = hawser_image_measure(code, image);
    if (r != CUDA_SUCCESS) goto out;
    for (unsigned i = 0; i < image->n_parts; i++) {
        unsigned n = shim_image_frames(image->part[i].data, image->part[i].size, frames + n_frames,
                                       HAWSER_MAX_FRAMES - 2 - n_frames);
        if (!n) {
            r = hawser_abi_not_supported("an image of so many parts, or so large ones");
            goto out;
        }
        sizes[i] = image->part[i].size;
        n_frames += n;
    }
    made = shim_object_new(kind, kind == HAWSER_MODULE ? &c : NULL);
    if (!made) {
        r = CUDA_ERROR_OUT_OF_MEMORY;
        goto out;
    }
    Hawser__Load m = HAWSER__LOAD__INIT;
    m.object = made->id;
    m.library = kind == HAWSER_LIBRARY;
    m.kind = image->kind;
    m.wrapper_version = image->wrapper_version;
    m.n_options = m.n_values = o->n;
    m.options = o->names;
    m.values = o->values;
    m.error_log = o->error.text ? o->error.size : ERROR_LOG_BYTES;
    m.info_log = o->info.text ? o->info.size : 0;
    m.n_sizes = n_frames > image->n_parts ? image->n_parts : 0;
    m.sizes = sizes;
    r = shim_call(&c, &m.base, frames, n_frames, (ProtobufCMessage **)&reply);
    if (reply) {
        shim_log_give(&o->error, reply->error_log);
        shim_log_give(&o->info, reply->info_log);
    }
    if (r == CUDA_ERROR_NO_BINARY_FOR_GPU) tell_refused(code, reply);
    if (r == CUDA_SUCCESS && !(made->module.image = image_of(reply))) r = CUDA_ERROR_OUT_OF_MEMORY;
out:
    if (r == CUDA_SUCCESS)
        *out = made;
    else
        shim_object_gone(made);
    shim_free_reply(reply);
    free(image);
    return r;
}

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned int numOptions, CUjit_option *options,
                            void **optionValues) {
    struct shim_options o;
    CUresult r = shim_options_read(numOptions, options, optionValues, &o);
    return r == CUDA_SUCCESS ? load(HAWSER_MODULE, image, &o, (void **)module) : r;
}

CUresult cuLibraryLoadData(CUlibrary *library, const void *code, CUjit_option *jitOptions, void **jitOptionsValues,
                           unsigned int numJitOptions, CUlibraryOption *libraryOptions, void **libraryOptionValues,
                           unsigned int numLibraryOptions) {
    struct shim_options o;
    if (numLibraryOptions && (!libraryOptions || !libraryOptionValues)) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = shim_options_read(numJitOptions, jitOptions, jitOptionsValues, &o);
    return r == CUDA_SUCCESS ? load(HAWSER_LIBRARY, code, &o, (void **)library) : r;
}

static CUresult unload(enum hawser_object_kind kind, const void *handle) {
    struct shim_object *o = shim_object(kind, handle);
    if (!o) return CUDA_ERROR_INVALID_HANDLE;
    pthread_mutex_lock(&lock);
    struct shim_image *image = o->module.image;
    o->module.image = NULL;
    pthread_mutex_unlock(&lock);
    shim_image_free(image);
    shim_variables_gone(o, NULL);
    return CUDA_SUCCESS;
}

CUresult shim_check_cuModuleUnload(CUmodule hmod) {
    return unload(HAWSER_MODULE, hmod);
}

CUresult shim_check_cuLibraryUnload(CUlibrary library) {
    return unload(HAWSER_LIBRARY, library);
}

/* A unified function has an address in the program itself, which no host can know. */
CUresult cuLibraryGetUnifiedFunction(void **fptr, CUlibrary library, const char *symbol) {
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    if (!shim_object(HAWSER_LIBRARY, library)) return CUDA_ERROR_INVALID_HANDLE;
    return fptr && symbol ? CUDA_ERROR_NOT_FOUND : CUDA_ERROR_INVALID_VALUE;
}

/* ---- kernels ---- */

/* Under the lock. */
static struct shim_kernel *known(const struct shim_image *image, const char *name) {
    struct shim_kernel *k = image->kernels;
    while (k && strcmp(k->facts.name, name) != 0)
        k = k->next;
    return k;
}

static struct shim_object *new_function(struct shim_call *c, struct shim_object *owner) {
    struct shim_object *o = shim_object_new(HAWSER_FUNCTION, c);
    if (o) o->function.owner = owner;
    return o;
}

/* Under the lock. A kernel that the host has not told about yet. */
static CUresult ask_for(struct shim_call *c, struct shim_object *owner, const char *name, struct shim_kernel **out) {
    struct shim_object *o = new_function(c, owner);
    if (!o) return CUDA_ERROR_OUT_OF_MEMORY;
    Hawser__GetKernel m = HAWSER__GET_KERNEL__INIT;
    m.owner = owner->id;
    m.object = o->id;
    m.name = (char *)name;
    Hawser__GetKernelReply *reply = NULL;
    c->function = HAWSER_FN_GetKernel;
    CUresult r = shim_call(c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    struct shim_kernel *k = NULL;
    if (r == CUDA_SUCCESS && (!reply->kernel || !(k = shim_kernel_new(reply->kernel)))) r = CUDA_ERROR_OUT_OF_MEMORY;
    shim_free_reply(reply);
    if (r != CUDA_SUCCESS) {
        shim_object_gone(o);
        return r;
    }
    o->function.kernel = k;
    k->handle = o;
    k->next = owner->module.image->kernels;
    owner->module.image->kernels = k;
    *out = k;
    return CUDA_SUCCESS;
}

/* Under the lock. Gives a kernel that came with the load its handle: no answer is needed. */
static CUresult bind(struct shim_call *c, struct shim_object *owner, struct shim_kernel *k) {
    struct shim_object *o = new_function(c, owner);
    if (!o) return CUDA_ERROR_OUT_OF_MEMORY;
    Hawser__BindKernel m = HAWSER__BIND_KERNEL__INIT;
    m.owner = owner->id;
    m.object = o->id;
    m.name = (char *)k->facts.name;
    c->function = HAWSER_FN_BindKernel;
    o->function.kernel = k;
    k->handle = o;
    return shim_post(c, &m.base, NULL, 0);
}

static CUresult get_kernel(enum hawser_object_kind kind, const void *handle, const char *name, void **out) {
    struct shim_call c;
    CUresult r = shim_enter(&c, HAWSER_FN_GetKernel, kind == HAWSER_MODULE);
    if (r != CUDA_SUCCESS) return r;
    if (!out || !name) return CUDA_ERROR_INVALID_VALUE;
    struct shim_object *owner = shim_object(kind, handle);
    if (!owner) return CUDA_ERROR_INVALID_HANDLE;
    pthread_mutex_lock(&lock);
    struct shim_kernel *k = NULL;
    if (!owner->module.image)
        r = CUDA_ERROR_INVALID_HANDLE;
    else if ((k = known(owner->module.image, name)))
        r = k->handle ? CUDA_SUCCESS : bind(&c, owner, k);
    else
        r = owner->module.image->complete ? CUDA_ERROR_NOT_FOUND : ask_for(&c, owner, name, &k);
    if (r == CUDA_SUCCESS) *out = k->handle;
    pthread_mutex_unlock(&lock);
    return r;
}

CUresult cuModuleGetFunction(CUfunction *hfunc, CUmodule hmod, const char *name) {
    return get_kernel(HAWSER_MODULE, hmod, name, (void **)hfunc);
}

CUresult cuLibraryGetKernel(CUkernel *pKernel, CUlibrary library, const char *name) {
    return get_kernel(HAWSER_LIBRARY, library, name, (void **)pKernel);
}

/* The CUfunction of a CUkernel: a handle of its own, in the current context, with the same layout. */
CUresult cuKernelGetFunction(CUfunction *pFunc, CUkernel kernel) {
    struct shim_call c;
    CUresult r = shim_enter(&c, HAWSER_FN_GetFunction, true);
    if (r != CUDA_SUCCESS) return r;
    if (!pFunc) return CUDA_ERROR_INVALID_VALUE;
    struct shim_object *o = shim_object(HAWSER_FUNCTION, kernel);
    if (!o) return CUDA_ERROR_INVALID_HANDLE;
    pthread_mutex_lock(&lock);
    struct shim_object *twin = o->function.twin;
    if (!twin) {
        twin = new_function(&c, o->function.owner);
        Hawser__GetFunction m = HAWSER__GET_FUNCTION__INIT;
        m.kernel = o->id;
        m.object = twin ? twin->id : 0;
        r = twin ? shim_call(&c, &m.base, NULL, 0, NULL) : CUDA_ERROR_OUT_OF_MEMORY;
        if (r == CUDA_SUCCESS) {
            twin->function.kernel = o->function.kernel;
            o->function.twin = twin;
        } else {
            shim_object_gone(twin);
        }
    }
    pthread_mutex_unlock(&lock);
    if (r == CUDA_SUCCESS) *pFunc = (CUfunction)twin;
    return r;
}

/* Fills the image's list of names, once. */
static CUresult list_names(struct shim_call *c, struct shim_object *owner) {
    Hawser__ListKernels m = HAWSER__LIST_KERNELS__INIT;
    m.owner = owner->id;
    Hawser__ListKernelsReply *reply = NULL;
    CUresult r = shim_call(c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS) {
        pthread_mutex_lock(&lock);
        struct shim_image *image = owner->module.image;
        if (image && !image->names && (image->names = calloc(reply->n_names + 1, sizeof(char *))))
            for (size_t i = 0; i < reply->n_names; i++)
                image->names[image->n_names++] = strdup(reply->names[i]);
        pthread_mutex_unlock(&lock);
    }
    shim_free_reply(reply);
    return r;
}

static CUresult listed(enum hawser_object_kind kind, const void *handle, struct shim_image **image) {
    struct shim_call c;
    CUresult r = shim_enter(&c, HAWSER_FN_ListKernels, kind == HAWSER_MODULE);
    if (r != CUDA_SUCCESS) return r;
    struct shim_object *o = shim_object(kind, handle);
    if (!o || !o->module.image) return CUDA_ERROR_INVALID_HANDLE;
    if (!o->module.image->names) r = list_names(&c, o);
    *image = o->module.image;
    return r;
}

static CUresult count(enum hawser_object_kind kind, const void *handle, unsigned *out) {
    struct shim_image *image;
    CUresult r = listed(kind, handle, &image);
    if (r != CUDA_SUCCESS) return r;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *out = image->n_names;
    return CUDA_SUCCESS;
}

static CUresult enumerate(enum hawser_object_kind kind, const void *handle, void **out, unsigned n) {
    struct shim_image *image;
    CUresult r = listed(kind, handle, &image);
    if (r != CUDA_SUCCESS) return r;
    if (!out || !n) return CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = 0; i < n && r == CUDA_SUCCESS; i++) {
        out[i] = NULL;
        if (i < image->n_names) r = get_kernel(kind, handle, image->names[i], &out[i]);
    }
    return r;
}

CUresult cuModuleGetFunctionCount(unsigned int *n, CUmodule mod) {
    return count(HAWSER_MODULE, mod, n);
}

CUresult cuLibraryGetKernelCount(unsigned int *n, CUlibrary lib) {
    return count(HAWSER_LIBRARY, lib, n);
}

CUresult cuModuleEnumerateFunctions(CUfunction *functions, unsigned int numFunctions, CUmodule mod) {
    return enumerate(HAWSER_MODULE, mod, (void **)functions, numFunctions);
}

CUresult cuLibraryEnumerateKernels(CUkernel *kernels, unsigned int numKernels, CUlibrary lib) {
    return enumerate(HAWSER_LIBRARY, lib, (void **)kernels, numKernels);
}

/* ---- globals and the module of a library ---- */

static CUresult get_global(enum hawser_object_kind kind, const void *handle, const char *name, bool managed,
                           CUdeviceptr *dptr, size_t *bytes) {
    struct shim_call c;
    Hawser__GetGlobal m = HAWSER__GET_GLOBAL__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_GetGlobal, !managed);
    if (r == CUDA_SUCCESS) r = shim_handle(kind, handle, &m.owner);
    if (r != CUDA_SUCCESS) return r;
    if (!name || (!dptr && !bytes)) return CUDA_ERROR_INVALID_VALUE;
    m.name = (char *)name;
    m.only_managed = managed;
    Hawser__GetGlobalReply *reply = NULL;
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS) {
        r = managed && !reply->managed
                ? CUDA_ERROR_NOT_FOUND
                : shim_variable_add(shim_object(kind, handle), reply->address, reply->size, reply->managed);
    }
    if (r == CUDA_SUCCESS) {
        if (dptr) *dptr = reply->address;
        if (bytes) *bytes = reply->size;
    }
    shim_free_reply(reply);
    return r;
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr *dptr, size_t *bytes, CUmodule hmod, const char *name) {
    return get_global(HAWSER_MODULE, hmod, name, false, dptr, bytes);
}

CUresult cuLibraryGetGlobal(CUdeviceptr *dptr, size_t *bytes, CUlibrary library, const char *name) {
    return get_global(HAWSER_LIBRARY, library, name, false, dptr, bytes);
}

CUresult cuLibraryGetManaged(CUdeviceptr *dptr, size_t *bytes, CUlibrary library, const char *name) {
    return get_global(HAWSER_LIBRARY, library, name, true, dptr, bytes);
}

CUresult cuLibraryGetModule(CUmodule *pMod, CUlibrary library) {
    struct shim_call c;
    Hawser__GetModule m = HAWSER__GET_MODULE__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_GetModule, true);
    if (r == CUDA_SUCCESS) r = shim_handle(HAWSER_LIBRARY, library, &m.library);
    if (r != CUDA_SUCCESS) return r;
    if (!pMod) return CUDA_ERROR_INVALID_VALUE;
    struct shim_object *o = shim_object_new(HAWSER_MODULE, &c);
    if (!o) return CUDA_ERROR_OUT_OF_MEMORY;
    o->module.image = calloc(1, sizeof *o->module.image);
    m.object = o->id;
    r = o->module.image ? shim_call(&c, &m.base, NULL, 0, NULL) : CUDA_ERROR_OUT_OF_MEMORY;
    if (r == CUDA_SUCCESS) {
        *pMod = (CUmodule)o;
    } else {
        free(o->module.image);
        shim_object_gone(o);
    }
    return r;
}
