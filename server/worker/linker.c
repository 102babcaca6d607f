/* The link API: a link's logs live here and go to the guest with each answer. */
#include "state.h"

#include <stdlib.h>
#include <string.h>

#define LOG_BYTES 8192
#define OPTIONS 64

struct link {
    CUlinkState state;
    char error[LOG_BYTES], info[LOG_BYTES];
    CUjit_option names[OPTIONS + 4];
    void *values[OPTIONS + 4];
};

static void add(struct link *l, unsigned *n, CUjit_option name, void *value) {
    l->names[*n] = name;
    l->values[(*n)++] = value;
}

CUresult serve_LinkCreate(struct served *c, const struct link_create_args *a, struct object *object) {
    unsigned n = 0;
    if (!c->driver->cuLinkCreate_v2) return CUDA_ERROR_NOT_SUPPORTED;
    struct link *l = calloc(1, sizeof *l);
    if (!l) return CUDA_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < a->n_options && i < a->n_values && i < OPTIONS; i++)
        add(l, &n, (CUjit_option)a->options[i], (void *)(uintptr_t)a->values[i]);
    add(l, &n, CU_JIT_ERROR_LOG_BUFFER, l->error);
    add(l, &n, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, (void *)(uintptr_t)(LOG_BYTES - 1));
    add(l, &n, CU_JIT_INFO_LOG_BUFFER, l->info);
    add(l, &n, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, (void *)(uintptr_t)(LOG_BYTES - 1));
    CUresult r = c->driver->cuLinkCreate_v2(n, l->names, l->values, &l->state);
    object->handle = l;
    if (r != CUDA_SUCCESS) free(l);
    return r;
}

static ProtobufCBinaryData text(char *log) {
    return (ProtobufCBinaryData){strnlen(log, LOG_BYTES), (uint8_t *)log};
}

CUresult serve_LinkAdd(struct served *c, const struct link_add_args *a, Hawser__LinkAddReply *reply) {
    struct link *l = a->object.handle;
    CUjit_option names[OPTIONS];
    void *values[OPTIONS];
    unsigned n = 0;
    size_t size = 0;
    unsigned frame = 0;
    for (unsigned i = 0; i < c->n_frames; i++)
        size += c->frames[i].size;
    for (; n < a->n_options && n < a->n_values && n < OPTIONS; n++) {
        names[n] = (CUjit_option)a->options[n];
        values[n] = (void *)(uintptr_t)a->values[n];
    }
    char *data;
    CUresult r = served_image(c, &frame, size, &data);
    if (r != CUDA_SUCCESS) return r;
    r = c->driver->cuLinkAddData_v2(l->state, a->type, data, size, *a->name ? a->name : NULL, n, names, values);
    free(data);
    reply->error_log = text(l->error);
    reply->info_log = text(l->info);
    return r;
}

CUresult serve_LinkComplete(struct served *c, const struct link_complete_args *a, Hawser__LinkCompleteReply *reply) {
    struct link *l = a->object.handle;
    void *image = NULL;
    size_t size = 0;
    CUresult r = c->driver->cuLinkComplete(l->state, &image, &size);
    if (r == CUDA_SUCCESS) reply->image = (ProtobufCBinaryData){size, image};
    reply->error_log = text(l->error);
    reply->info_log = text(l->info);
    return r;
}

CUresult link_end(const struct cuda_driver *d, void *link) {
    struct link *l = link;
    CUresult r = d->cuLinkDestroy(l->state);
    free(l);
    return r;
}

CUresult serve_LinkDestroy(struct served *c, const struct link_destroy_args *a) {
    return link_end(c->driver, a->object.handle);
}
