/* The link API, done on the host; and the JIT options of links and loads, which hold addresses of this process. */
#include "shim.h"

#include <stdlib.h>
#include <string.h>

#include "cuda_abi.h"

CUresult shim_options_read(unsigned n, CUjit_option *names, void **values, struct shim_options *o) {
    memset(o, 0, sizeof *o);
    if (n > 64 || (n && (!names || !values))) return CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = 0; i < n; i++)
        switch (names[i]) {
        case CU_JIT_INFO_LOG_BUFFER:
            o->info.text = values[i];
            break;
        case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
            o->info.size = (uintptr_t)values[i] & UINT32_MAX;
            o->info.size_out = &values[i];
            break;
        case CU_JIT_ERROR_LOG_BUFFER:
            o->error.text = values[i];
            break;
        case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
            o->error.size = (uintptr_t)values[i] & UINT32_MAX;
            o->error.size_out = &values[i];
            break;
        case CU_JIT_WALL_TIME:
        case CU_JIT_THREADS_PER_BLOCK:
            break; /* in-out: advice to the compiler whose answer is optional */
        case CU_JIT_GLOBAL_SYMBOL_NAMES:
        case CU_JIT_GLOBAL_SYMBOL_ADDRESSES:
        case CU_JIT_GLOBAL_SYMBOL_COUNT:
        case CU_JIT_REFERENCED_KERNEL_NAMES:
        case CU_JIT_REFERENCED_VARIABLE_NAMES:
            return hawser_abi_not_supported("JIT options that hold addresses of this program");
        default:
            o->names[o->n] = (int64_t)names[i];
            o->values[o->n++] = (uintptr_t)values[i];
        }
    return CUDA_SUCCESS;
}

void shim_log_give(struct shim_log *b, ProtobufCBinaryData text) {
    if (!b->text || !b->size) return;
    size_t n = text.len < b->size - 1 ? text.len : b->size - 1;
    if (n) memcpy(b->text, text.data, n);
    b->text[n] = 0;
    if (b->size_out) *b->size_out = (void *)(uintptr_t)(n ? n + 1 : 0);
}
/* ---- links ---- */

struct shim_linker {
    struct shim_options options; /* as at the creation: its log buffers are filled to the end */
    void *image;                 /* what cuLinkComplete gave; lives as long as the link */
};

static struct shim_object *linker_of(CUlinkState state) {
    return shim_object(HAWSER_LINKER, state);
}

CUresult cuLinkCreate_v2(unsigned int numOptions, CUjit_option *options, void **optionValues, CUlinkState *stateOut) {
    struct shim_call c;
    Hawser__LinkCreate m = HAWSER__LINK_CREATE__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_LinkCreate, true);
    if (r != CUDA_SUCCESS) return r;
    if (!stateOut) return CUDA_ERROR_INVALID_VALUE;
    struct shim_linker *l = calloc(1, sizeof *l);
    struct shim_object *o = shim_object_new(HAWSER_LINKER, &c);
    r = l && o ? shim_options_read(numOptions, options, optionValues, &l->options) : CUDA_ERROR_OUT_OF_MEMORY;
    if (r == CUDA_SUCCESS) {
        m.object = o->id;
        m.n_options = m.n_values = l->options.n;
        m.options = l->options.names;
        m.values = l->options.values;
        r = shim_call(&c, &m.base, NULL, 0, NULL);
    }
    if (r != CUDA_SUCCESS) {
        shim_object_gone(o);
        free(l);
        return r;
    }
    o->linker = l;
    *stateOut = (CUlinkState)o;
    return CUDA_SUCCESS;
}

CUresult cuLinkAddData_v2(CUlinkState state, CUjitInputType type, void *data, size_t size, const char *name,
                          unsigned int numOptions, CUjit_option *options, void **optionValues) {
    struct shim_call c;
    struct shim_options extra;
    Hawser__LinkAdd m = HAWSER__LINK_ADD__INIT;
    Hawser__LinkAddReply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_LinkAdd, true);
    if (r != CUDA_SUCCESS) return r;
    struct shim_object *o = linker_of(state);
    if (!o) return CUDA_ERROR_INVALID_HANDLE;
    if (!data || !size) return CUDA_ERROR_INVALID_VALUE;
    struct hawser_frame frames[HAWSER_MAX_FRAMES];
    unsigned n_frames = shim_image_frames(data, size, frames, HAWSER_MAX_FRAMES - 2);
    if (!n_frames) return hawser_abi_not_supported("a link input of this size");
    r = shim_options_read(numOptions, options, optionValues, &extra);
    if (r != CUDA_SUCCESS) return r;
    m.object = o->id;
    m.type = (int64_t)type;
    m.name = (char *)(name ? name : "");
    m.n_options = m.n_values = extra.n;
    m.options = extra.names;
    m.values = extra.values;
    r = shim_call(&c, &m.base, frames, n_frames, (ProtobufCMessage **)&reply);
    if (reply) {
        shim_log_give(&o->linker->options.error, reply->error_log);
        shim_log_give(&o->linker->options.info, reply->info_log);
    }
    shim_free_reply(reply);
    return r;
}

CUresult cuLinkComplete(CUlinkState state, void **cubinOut, size_t *sizeOut) {
    struct shim_call c;
    Hawser__LinkComplete m = HAWSER__LINK_COMPLETE__INIT;
    Hawser__LinkCompleteReply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_LinkComplete, true);
    if (r != CUDA_SUCCESS) return r;
    struct shim_object *o = linker_of(state);
    if (!o) return CUDA_ERROR_INVALID_HANDLE;
    if (!cubinOut) return CUDA_ERROR_INVALID_VALUE;
    m.object = o->id;
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (reply) {
        shim_log_give(&o->linker->options.error, reply->error_log);
        shim_log_give(&o->linker->options.info, reply->info_log);
    }
    if (r == CUDA_SUCCESS) {
        void *image = malloc(reply->image.len + 1);
        if (image) memcpy(image, reply->image.data, reply->image.len);
        free(o->linker->image);
        o->linker->image = image;
        if (!image) r = CUDA_ERROR_OUT_OF_MEMORY;
        *cubinOut = image;
        if (sizeOut) *sizeOut = reply->image.len;
    }
    shim_free_reply(reply);
    return r;
}

CUresult cuLinkDestroy(CUlinkState state) {
    struct shim_call c;
    Hawser__LinkDestroy m = HAWSER__LINK_DESTROY__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_LinkDestroy, true);
    if (r != CUDA_SUCCESS) return r;
    struct shim_object *o = linker_of(state);
    if (!o) return CUDA_ERROR_INVALID_HANDLE;
    m.object = o->id;
    r = shim_post(&c, &m.base, NULL, 0);
    free(o->linker->image);
    free(o->linker);
    shim_object_gone(o);
    return r;
}
