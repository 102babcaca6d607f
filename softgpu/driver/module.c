/* Modules and libraries: an image's PTX, linked and placed in device memory. */
#include "driver.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CUresult sd_code_result(enum sg_code code) {
    switch (code) {
    case SG_OK:
        return CUDA_SUCCESS;
    case SG_UNSUPPORTED_PTX_VERSION:
    case SG_UNSUPPORTED_INSTRUCTION:
        return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
    case SG_INVALID_IMAGE:
        return CUDA_ERROR_INVALID_IMAGE;
    case SG_NO_BINARY_FOR_GPU:
        return CUDA_ERROR_NO_BINARY_FOR_GPU;
    case SG_NO_MEMORY:
        return CUDA_ERROR_OUT_OF_MEMORY;
    case SG_INVALID_PTX:
    case SG_UNRESOLVED_SYMBOL:
        return CUDA_ERROR_INVALID_PTX;
    }
    return CUDA_ERROR_UNKNOWN;
}

/* One line of what went wrong, for the log and for the program's log buffer. */
static void describe(const struct sg_diag *d, char *out, size_t size) {
    int n = 0;
    if (d->line) n = snprintf(out, size, "line %u: ", d->line);
    if (d->kernel[0] && (size_t)n < size) n += snprintf(out + n, size - (size_t)n, "in %s: ", d->kernel);
    if ((size_t)n < size) n += snprintf(out + n, size - (size_t)n, "%s", d->message);
    if (d->instruction[0] && (size_t)n < size) snprintf(out + n, size - (size_t)n, ": %s", d->instruction);
}

/* image: NULL when it has been loaded. A caller that takes the log tells itself of images without PTX: it knows whose
 * they are, and how often it has told. */
static CUresult failed(const struct sg_diag *d, const void *image, char *log, size_t log_size) {
    char text[1024];
    describe(d, text, sizeof text);
    if (!image || d->code != SG_NO_BINARY_FOR_GPU)
        sd_log(SD_ERROR, "PTX cannot be loaded: %s", text);
    else if (!log || !log_size)
        hawser_abi_image_refused(image, text);
    if (log && log_size) snprintf(log, log_size, "%s", text);
    return sd_code_result(d->code);
}

/* ---- loading ---- */

static void free_module(struct sd_module *m) {
    sd_texrefs_end(m);
    while (m->kernels) {
        struct sd_kernel *k = m->kernels;
        m->kernels = k->next;
        sd_unregister(k);
        free(k->facts.params);
        free(k);
    }
    if (m->instance) sg_instance_destroy(m->instance);
    if (m->ir) sg_module_free(m->ir);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

enum sg_code sd_parse_all(struct sg_module *ir, struct sg_diag *diag) {
    for (uint32_t i = 0; i < ir->nfunctions; i++) {
        struct sg_function *f = ir->functions[i];
        if (!f->entry) continue;
        enum sg_code code = sg_kernel_prepare(f, diag);
        if (code != SG_OK) return code;
    }
    return SG_OK;
}

static size_t text_bytes(const struct sg_image *image) {
    size_t n = 0;
    for (size_t i = 0; i < image->count; i++)
        n += image->texts[i].size;
    return n;
}

/* A text that the linker put together, as its parts. */
static CUresult open_linked(const char *text, struct sg_image *image, struct sg_diag *diag) {
    struct sg_text texts[HAWSER_IMAGE_MAX_PARTS];
    unsigned n = 0;
    const char *limit = text + strlen(SD_LINKED_HEAD);
    uint32_t maxnreg = 0;
    if (!strncmp(limit, SD_LINKED_LIMIT, strlen(SD_LINKED_LIMIT)))
        maxnreg = (uint32_t)strtoul(limit + strlen(SD_LINKED_LIMIT), NULL, 10);
    for (const char *at = strstr(text, SD_LINKED_PART); at && n < HAWSER_IMAGE_MAX_PARTS;) {
        at += strlen(SD_LINKED_PART);
        const char *end = strstr(at, SD_LINKED_PART);
        texts[n++] = (struct sg_text){at, end ? (size_t)(end - at) : strlen(at)};
        at = end;
    }
    enum sg_code code = sg_image_open(texts, n, sd_capability(), image, diag);
    image->maxnreg = maxnreg;
    return sd_code_result(code);
}

/* Whose PTX is missing: as the machine code beside it tells. */
static void name_kernels(const struct hawser_image *parts, struct sg_diag *diag) {
    struct sg_registers names = {0};
    char why[sizeof diag->message];
    for (unsigned i = 0; i < parts->n_parts; i++) {
        struct sg_text part = {parts->part[i].data, parts->part[i].size};
        if (parts->kind == HAWSER_IMAGE_ELF)
            sg_registers_add(&names, part.bytes, part.size);
        else if (parts->kind != HAWSER_IMAGE_PTX)
            sg_fatbin_registers(&part, UINT_MAX, &names);
    }
    snprintf(why, sizeof why, "%s", diag->message);
    if (names.n > 1)
        snprintf(diag->message, sizeof diag->message, "no PTX for kernel %.120s and %zu more: %.80s",
                 names.function[0].name, names.n - 1, why);
    else
        snprintf(diag->message, sizeof diag->message, "no PTX for %s%.120s: %.80s", names.n ? "kernel " : "its kernels",
                 names.n ? names.function[0].name : "", why);
    sg_registers_free(&names);
}

CUresult sd_open_image(const void *code, struct sg_image *image, struct sg_diag *diag) {
    struct hawser_image *parts = malloc(sizeof *parts);
    if (!parts) return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult r = hawser_image_measure(code, parts);
    if (r != CUDA_SUCCESS) snprintf(diag->message, sizeof diag->message, "not a module image");
    diag->code = SG_INVALID_IMAGE;
    if (r == CUDA_SUCCESS && parts->kind == HAWSER_IMAGE_ELF) {
        diag->code = SG_NO_BINARY_FOR_GPU;
        snprintf(diag->message, sizeof diag->message, "it holds machine code only");
        r = CUDA_ERROR_NO_BINARY_FOR_GPU;
    }
    if (r == CUDA_SUCCESS && parts->kind == HAWSER_IMAGE_PTX &&
        !strncmp(code, SD_LINKED_HEAD, strlen(SD_LINKED_HEAD))) {
        r = open_linked(code, image, diag);
    } else if (r == CUDA_SUCCESS) {
        struct sg_text texts[HAWSER_IMAGE_MAX_PARTS];
        /* The first part of a linked (rdc) image is machine code only; the PTX is in the others. */
        unsigned first = parts->n_parts > 1 ? 1 : 0, n = 0;
        for (unsigned i = first; i < parts->n_parts; i++)
            texts[n++] = (struct sg_text){parts->part[i].data, parts->part[i].size};
        r = sd_code_result(sg_image_open(texts, n, sd_capability(), image, diag));
        if (r == CUDA_SUCCESS && parts->kind != HAWSER_IMAGE_PTX)
            sg_fatbin_registers(&(struct sg_text){parts->part[0].data, parts->part[0].size}, sd_capability(),
                                &image->registers);
    }
    if (r == CUDA_ERROR_NO_BINARY_FOR_GPU) name_kernels(parts, diag);
    free(parts);
    if (r != CUDA_SUCCESS || !sd_jit_disabled()) return r;
    sg_image_close(image);
    snprintf(diag->message, sizeof diag->message, "the environment forbids to compile PTX (CUDA_DISABLE_PTX_JIT)");
    return CUDA_ERROR_JIT_COMPILATION_DISABLED;
}

static CUresult make_kernel(struct sd_module *m, const char *name, struct sd_kernel **out);

/* Every kernel now, and not when it is first asked for. */
static CUresult make_all(struct sd_module *m) {
    struct sd_kernel *k;
    CUresult r = CUDA_SUCCESS;
    for (uint32_t i = 0; i < m->ir->nfunctions && r == CUDA_SUCCESS; i++)
        if (m->ir->functions[i]->entry && !m->ir->functions[i]->external)
            r = make_kernel(m, m->ir->functions[i]->name, &k);
    return r;
}

static CUresult load(struct sd_device *d, const void *code, bool library, uint32_t maxnreg, char *log, size_t log_size,
                     struct sd_module **out) {
    struct sg_diag diag = {0};
    struct sg_image image = {0};
    if (!code) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = sd_open_image(code, &image, &diag);
    if (r != CUDA_SUCCESS) {
        failed(&diag, code, log, log_size);
        return r;
    }
    struct sd_module *m = calloc(1, sizeof *m);
    if (!m) {
        sg_image_close(&image);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    pthread_mutex_init(&m->lock, NULL);
    m->device = d;
    m->library = library;
    bool eager = !library && text_bytes(&image) <= SD_EAGER_TEXT;
    m->ir = sg_module_load(image.texts, image.count, &diag);
    if (m->ir) {
        sg_registers_tell(&image.registers, m->ir);
        m->ir->maxnreg = maxnreg ? maxnreg : image.maxnreg;
    }
    sg_image_close(&image);
    if (!m->ir || (eager && sd_parse_all(m->ir, &diag) != SG_OK) ||
        !(m->instance = sg_instance_create(d->engine, m->ir, &diag))) {
        r = failed(&diag, NULL, log, log_size);
        free_module(m);
        return r;
    }
    if (hawser_front_eager() && (r = make_all(m)) != CUDA_SUCCESS) {
        free_module(m);
        return r;
    }
    *out = m;
    return CUDA_SUCCESS;
}

/* Where a log buffer option points. */
static void find_log(unsigned n, CUjit_option *options, void **values, char **log, size_t *size) {
    *log = NULL;
    *size = 0;
    for (unsigned i = 0; i < n; i++) {
        if (options[i] == CU_JIT_ERROR_LOG_BUFFER) *log = values[i];
        if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) *size = (uintptr_t)values[i] & UINT32_MAX;
    }
    if (*log && *size) **log = 0;
}

static uint32_t register_limit(unsigned n, const CUjit_option *options, void **values) {
    for (unsigned i = 0; i < n; i++)
        if (options[i] == CU_JIT_MAX_REGISTERS) return (uint32_t)(uintptr_t)values[i];
    return 0;
}

/* The filled size goes back where the buffer's size stood. */
static void tell_log_size(unsigned n, CUjit_option *options, void **values, const char *log) {
    for (unsigned i = 0; i < n && log; i++)
        if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)
            values[i] = (void *)(uintptr_t)(*log ? strlen(log) + 1 : 0);
}

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned int numOptions, CUjit_option *options,
                            void **optionValues) {
    struct sd_context *c;
    struct sd_module *m;
    char *log;
    size_t size;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!module || (numOptions && (!options || !optionValues))) return CUDA_ERROR_INVALID_VALUE;
    find_log(numOptions, options, optionValues, &log, &size);
    r = load(c->device, image, false, register_limit(numOptions, options, optionValues), log, size, &m);
    tell_log_size(numOptions, options, optionValues, size ? log : NULL);
    if (r != CUDA_SUCCESS) return r;
    m->context = c;
    if (!sd_register(SD_MODULE, m)) {
        free_module(m);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    pthread_mutex_lock(&c->lock);
    m->next = c->modules;
    c->modules = m;
    pthread_mutex_unlock(&c->lock);
    *module = (CUmodule)m;
    return CUDA_SUCCESS;
}

/* Libraries belong to the process; this device's memory holds their variables. */
CUresult cuLibraryLoadData(CUlibrary *library, const void *code, CUjit_option *jitOptions, void **jitOptionsValues,
                           unsigned int numJitOptions, CUlibraryOption *libraryOptions, void **libraryOptionValues,
                           unsigned int numLibraryOptions) {
    struct sd_context *c;
    struct sd_module *m;
    char *log;
    size_t size;
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    /* Of their values none matters: images are always copied. */
    if (numLibraryOptions && (!libraryOptions || !libraryOptionValues)) return CUDA_ERROR_INVALID_VALUE;
    if (!library || (numJitOptions && (!jitOptions || !jitOptionsValues))) return CUDA_ERROR_INVALID_VALUE;
    find_log(numJitOptions, jitOptions, jitOptionsValues, &log, &size);
    struct sd_device *d = sd_current_any(&c) == CUDA_SUCCESS ? c->device : sd_device(0);
    r = load(d, code, true, register_limit(numJitOptions, jitOptions, jitOptionsValues), log, size, &m);
    tell_log_size(numJitOptions, jitOptions, jitOptionsValues, size ? log : NULL);
    if (r != CUDA_SUCCESS) return r;
    if (!sd_register(SD_LIBRARY, m)) {
        free_module(m);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *library = (CUlibrary)m;
    return CUDA_SUCCESS;
}

/* ---- ending ---- */

void sd_modules_end(struct sd_context *c) {
    while (c->modules) {
        struct sd_module *m = c->modules;
        c->modules = m->next;
        sd_unregister(m);
        free_module(m);
    }
}

CUresult cuModuleUnload(CUmodule hmod) {
    CUresult r = sd_ready();
    struct sd_module *m = (struct sd_module *)hmod;
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_MODULE, m)) return CUDA_ERROR_INVALID_HANDLE;
    sd_wait_all(m->context);
    sd_unregister(m);
    pthread_mutex_lock(&m->context->lock);
    for (struct sd_module **p = &m->context->modules; *p; p = &(*p)->next)
        if (*p == m) {
            *p = m->next;
            break;
        }
    pthread_mutex_unlock(&m->context->lock);
    free_module(m);
    return CUDA_SUCCESS;
}

CUresult cuLibraryUnload(CUlibrary library) {
    CUresult r = sd_ready();
    struct sd_context *c, *primary;
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_LIBRARY, library)) return CUDA_ERROR_INVALID_HANDLE;
    /* Kernels of it may be under way where they are usually started: here, or in the primary context. */
    if (sd_current_any(&c) == CUDA_SUCCESS) sd_wait_all(c);
    primary = ((struct sd_module *)library)->device->primary;
    if (primary && primary->facts.active) sd_wait_all(primary);
    sd_unregister(library);
    free_module((struct sd_module *)library);
    return CUDA_SUCCESS;
}

/* ---- looking things up ---- */

/* A module or library handle; a library's module is the library itself. */
CUresult sd_module_of(const void *handle, struct sd_module **m) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_MODULE, handle) && !sd_is(SD_LIBRARY, handle)) return CUDA_ERROR_INVALID_HANDLE;
    *m = (struct sd_module *)handle;
    return CUDA_SUCCESS;
}

/* Under the module's lock. */
static CUresult make_kernel(struct sd_module *m, const char *name, struct sd_kernel **out) {
    struct sg_diag diag = {0};
    if (!sg_module_entry(m->ir, name)) return CUDA_ERROR_NOT_FOUND;
    struct sg_kernel *kernel = sg_instance_kernel(m->instance, name, &diag);
    if (!kernel) return failed(&diag, NULL, NULL, 0);
    struct sd_kernel *k = calloc(1, sizeof *k);
    if (!k) return CUDA_ERROR_OUT_OF_MEMORY;
    k->module = m;
    k->kernel = kernel;
    k->info = sg_kernel_info(kernel);
    if (!sd_kernel_describe(k) || !sd_register(SD_KERNEL, k)) {
        free(k->facts.params);
        free(k);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    k->next = m->kernels;
    m->kernels = k;
    *out = k;
    return CUDA_SUCCESS;
}

static CUresult get_kernel(const void *handle, const char *name, struct sd_kernel **out) {
    struct sd_module *m;
    CUresult r = sd_module_of(handle, &m);
    if (r != CUDA_SUCCESS) return r;
    if (!name || !out) return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&m->lock);
    struct sd_kernel *k = m->kernels;
    while (k && strcmp(k->info->name, name) != 0)
        k = k->next;
    r = k ? CUDA_SUCCESS : make_kernel(m, name, &k);
    pthread_mutex_unlock(&m->lock);
    if (r == CUDA_SUCCESS) *out = k;
    return r;
}

CUresult cuModuleGetFunction(CUfunction *hfunc, CUmodule hmod, const char *name) {
    return get_kernel(hmod, name, (struct sd_kernel **)hfunc);
}

CUresult cuLibraryGetKernel(CUkernel *pKernel, CUlibrary library, const char *name) {
    return get_kernel(library, name, (struct sd_kernel **)pKernel);
}

CUresult cuLibraryGetModule(CUmodule *pMod, CUlibrary library) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!pMod) return CUDA_ERROR_INVALID_VALUE;
    if (!sd_is(SD_LIBRARY, library)) return CUDA_ERROR_INVALID_HANDLE;
    *pMod = (CUmodule)library;
    return CUDA_SUCCESS;
}

static CUresult count(const void *handle, unsigned *n) {
    struct sd_module *m;
    CUresult r = sd_module_of(handle, &m);
    if (r != CUDA_SUCCESS) return r;
    if (!n) return CUDA_ERROR_INVALID_VALUE;
    *n = 0;
    for (uint32_t i = 0; i < m->ir->nfunctions; i++)
        *n += m->ir->functions[i]->entry && !m->ir->functions[i]->external;
    return CUDA_SUCCESS;
}

static CUresult enumerate(const void *handle, struct sd_kernel **out, unsigned n) {
    struct sd_module *m;
    CUresult r = sd_module_of(handle, &m);
    if (r != CUDA_SUCCESS) return r;
    if (!out || !n) return CUDA_ERROR_INVALID_VALUE;
    unsigned at = 0;
    for (uint32_t i = 0; i < m->ir->nfunctions && at < n && r == CUDA_SUCCESS; i++)
        if (m->ir->functions[i]->entry && !m->ir->functions[i]->external)
            r = get_kernel(handle, m->ir->functions[i]->name, &out[at++]);
    while (at < n)
        out[at++] = NULL;
    return r;
}

CUresult cuModuleGetFunctionCount(unsigned int *n, CUmodule mod) {
    return count(mod, n);
}

CUresult cuLibraryGetKernelCount(unsigned int *n, CUlibrary lib) {
    return count(lib, n);
}

CUresult cuModuleEnumerateFunctions(CUfunction *functions, unsigned int numFunctions, CUmodule mod) {
    return enumerate(mod, (struct sd_kernel **)functions, numFunctions);
}

CUresult cuLibraryEnumerateKernels(CUkernel *kernels, unsigned int numKernels, CUlibrary lib) {
    return enumerate(lib, (struct sd_kernel **)kernels, numKernels);
}

static CUresult get_global(const void *handle, const char *name, bool must_be_managed, CUdeviceptr *dptr,
                           size_t *bytes) {
    struct sd_module *m;
    void *address;
    size_t size;
    bool managed;
    CUresult r = sd_module_of(handle, &m);
    if (r != CUDA_SUCCESS) return r;
    if (!name || (!dptr && !bytes)) return CUDA_ERROR_INVALID_VALUE;
    if (!sg_instance_global(m->instance, name, &address, &size, &managed) || (must_be_managed && !managed))
        return CUDA_ERROR_NOT_FOUND;
    if (managed && !sd_note_managed((uintptr_t)address, size)) return CUDA_ERROR_OUT_OF_MEMORY;
    if (dptr) *dptr = (CUdeviceptr)address;
    if (bytes) *bytes = size;
    return CUDA_SUCCESS;
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr *dptr, size_t *bytes, CUmodule hmod, const char *name) {
    return get_global(hmod, name, false, dptr, bytes);
}

CUresult cuLibraryGetGlobal(CUdeviceptr *dptr, size_t *bytes, CUlibrary library, const char *name) {
    return get_global(library, name, false, dptr, bytes);
}

CUresult cuLibraryGetManaged(CUdeviceptr *dptr, size_t *bytes, CUlibrary library, const char *name) {
    return get_global(library, name, true, dptr, bytes);
}
