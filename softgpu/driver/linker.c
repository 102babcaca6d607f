/*
 * The link API. PTX needs no linking before it is loaded: what was added is kept, checked, and handed out as one text
 * whose parts module.c loads together.
 */
#include "driver.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct linker {
    char *text; /* SD_LINKED_HEAD, then parts, each begun by SD_LINKED_PART */
    size_t size, capacity;
    unsigned parts;
    char *error, *info;
    size_t error_size, info_size;
    void **error_filled, **info_filled; /* where the sizes used so far are told */
};

static bool append(struct linker *l, const char *text, size_t n) {
    if (l->size + n + 1 > l->capacity) {
        size_t more = (l->size + n + 1) * 2;
        char *p = realloc(l->text, more);
        if (!p) return false;
        l->text = p;
        l->capacity = more;
    }
    memcpy(l->text + l->size, text, n);
    l->size += n;
    l->text[l->size] = 0;
    return true;
}

static void find_logs(struct linker *l, unsigned n, CUjit_option *options, void **values) {
    for (unsigned i = 0; i < n; i++)
        switch (options[i]) {
        case CU_JIT_ERROR_LOG_BUFFER:
            l->error = values[i];
            break;
        case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
            l->error_size = (uintptr_t)values[i] & UINT32_MAX;
            l->error_filled = &values[i];
            break;
        case CU_JIT_INFO_LOG_BUFFER:
            l->info = values[i];
            break;
        case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
            l->info_size = (uintptr_t)values[i] & UINT32_MAX;
            l->info_filled = &values[i];
            break;
        default:
            break;
        }
}

/* What stands before the parts. */
static bool begin(struct linker *l, unsigned n, const CUjit_option *options, void **values) {
    char limit[64];
    bool ok = append(l, SD_LINKED_HEAD, strlen(SD_LINKED_HEAD));
    for (unsigned i = 0; i < n && ok; i++)
        if (options[i] == CU_JIT_MAX_REGISTERS) {
            int length = snprintf(limit, sizeof limit, SD_LINKED_LIMIT "%u\n", (unsigned)(uintptr_t)values[i]);
            ok = append(l, limit, (size_t)length);
        }
    return ok;
}

CUresult cuLinkCreate_v2(unsigned int numOptions, CUjit_option *options, void **optionValues, CUlinkState *stateOut) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!stateOut || (numOptions && (!options || !optionValues))) return CUDA_ERROR_INVALID_VALUE;
    struct linker *l = calloc(1, sizeof *l);
    if (!l || !begin(l, numOptions, options, optionValues) || !sd_register(SD_LINKER, l)) {
        if (l) free(l->text);
        free(l);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    find_logs(l, numOptions, options, optionValues);
    if (l->error && l->error_size) *l->error = 0;
    if (l->info && l->info_size) *l->info = 0;
    if (l->error_filled) *l->error_filled = NULL;
    if (l->info_filled) *l->info_filled = NULL;
    *stateOut = (CUlinkState)l;
    return CUDA_SUCCESS;
}

static CUresult tell(struct linker *l, const struct sg_diag *diag, const char *name, CUresult r) {
    if (l->error && l->error_size)
        snprintf(l->error, l->error_size, "%s%sline %u: %s%s%s", name ? name : "", name ? ": " : "", diag->line,
                 diag->message, diag->instruction[0] ? ": " : "", diag->instruction);
    if (l->error && l->error_size && l->error_filled) *l->error_filled = (void *)(uintptr_t)(strlen(l->error) + 1);
    return r;
}

static CUresult add_text(struct linker *l, const char *text, size_t size, const char *name) {
    struct sg_diag diag = {0};
    size_t n = strnlen(text, size);
    struct sg_text one = {text, n};
    struct sg_module *m = sg_module_load(&one, 1, &diag);
    if (!m) return tell(l, &diag, name, sd_code_result(diag.code));
    sg_module_free(m);
    if (!append(l, SD_LINKED_PART, strlen(SD_LINKED_PART)) || !append(l, text, n)) return CUDA_ERROR_OUT_OF_MEMORY;
    l->parts++;
    return CUDA_SUCCESS;
}

/* The PTX of a fat binary, as a module load would choose it. */
static CUresult add_fatbin(struct linker *l, const void *data, const char *name) {
    struct sg_diag diag = {0};
    struct sg_image image = {0};
    CUresult r = sd_open_image(data, &image, &diag);
    if (r != CUDA_SUCCESS) return tell(l, &diag, name, r);
    for (size_t i = 0; i < image.count && r == CUDA_SUCCESS; i++)
        r = add_text(l, image.texts[i].bytes, image.texts[i].size, name);
    sg_image_close(&image);
    return r;
}

struct found {
    struct linker *linker;
    const char *name;
};

/* A fat binary of a host object. One without PTX is passed over: NVIDIA's libcudadevrt has machine code only, and its
 * functions are the engine's. */
static CUresult add_found(void *arg, const void *fatbin) {
    struct found *f = arg;
    CUresult r = add_fatbin(f->linker, fatbin, f->name);
    return r == CUDA_ERROR_NO_BINARY_FOR_GPU ? CUDA_SUCCESS : r;
}

CUresult cuLinkAddData_v2(CUlinkState state, CUjitInputType type, void *data, size_t size, const char *name,
                          unsigned int numOptions, CUjit_option *options, void **optionValues) {
    struct linker *l = (struct linker *)state;
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_LINKER, l)) return CUDA_ERROR_INVALID_HANDLE;
    unsigned before = l->parts;
    if (!data || !size || (numOptions && (!options || !optionValues))) return CUDA_ERROR_INVALID_VALUE;
    switch (type) {
    case CU_JIT_INPUT_PTX:
        return add_text(l, data, size, name);
    case CU_JIT_INPUT_FATBINARY:
        return add_fatbin(l, data, name);
    case CU_JIT_INPUT_CUBIN:
    case CU_JIT_INPUT_OBJECT:
    case CU_JIT_INPUT_LIBRARY:
        r = sd_host_code(data, size, add_found, &(struct found){l, name});
        if (r == CUDA_SUCCESS && type != CU_JIT_INPUT_LIBRARY && l->parts == before) {
            if (l->error && l->error_size) snprintf(l->error, l->error_size, "%s: no PTX in it", name ? name : "input");
            r = CUDA_ERROR_NO_BINARY_FOR_GPU;
        }
        return r;
    default:
        return (unsigned)type < CU_JIT_NUM_INPUT_TYPES ? hawser_abi_not_supported("linking this kind of input")
                                                       : CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult cuLinkComplete(CUlinkState state, void **cubinOut, size_t *sizeOut) {
    struct linker *l = (struct linker *)state;
    struct sg_diag diag = {0};
    struct sg_image image = {0};
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_LINKER, l)) return CUDA_ERROR_INVALID_HANDLE;
    if (!cubinOut || !l->parts) return CUDA_ERROR_INVALID_VALUE;
    r = sd_open_image(l->text, &image, &diag);
    struct sg_module *m = r == CUDA_SUCCESS ? sg_module_load(image.texts, image.count, &diag) : NULL;
    sg_image_close(&image);
    bool good = m && (l->size > SD_EAGER_TEXT || sd_parse_all(m, &diag) == SG_OK);
    if (m) sg_module_free(m);
    if (!good) return tell(l, &diag, NULL, r != CUDA_SUCCESS ? r : sd_code_result(diag.code));
    *cubinOut = l->text;
    if (sizeOut) *sizeOut = l->size + 1;
    return CUDA_SUCCESS;
}

CUresult cuLinkDestroy(CUlinkState state) {
    struct linker *l = (struct linker *)state;
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_LINKER, l)) return CUDA_ERROR_INVALID_HANDLE;
    sd_unregister(l);
    free(l->text);
    free(l);
    return CUDA_SUCCESS;
}
