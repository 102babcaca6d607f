/* The link API: a link's logs live here and go to the guest with each answer. */
#include "served.h"

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

static void add(struct link *l, unsigned *n, CUjit_option name, void *value)
{
    l->names[*n] = name;
    l->values[(*n)++] = value;
}

CUresult serve_LinkCreate(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__LinkCreate *m = (const Hawser__LinkCreate *)msg;
    unsigned n = 0;
    if (!c->driver->cuLinkCreate_v2) return CUDA_ERROR_NOT_SUPPORTED;
    struct link *l = calloc(1, sizeof *l);
    if (!l) return CUDA_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < m->n_options && i < m->n_values && i < OPTIONS; i++)
        add(l, &n, (CUjit_option)m->options[i], (void *)(uintptr_t)m->values[i]);
    add(l, &n, CU_JIT_ERROR_LOG_BUFFER, l->error);
    add(l, &n, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, (void *)(uintptr_t)(LOG_BYTES - 1));
    add(l, &n, CU_JIT_INFO_LOG_BUFFER, l->info);
    add(l, &n, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, (void *)(uintptr_t)(LOG_BYTES - 1));
    CUresult r = c->driver->cuLinkCreate_v2(n, l->names, l->values, &l->state);
    if (r == CUDA_SUCCESS) r = served_bind(c, HAWSER_LINKER, m->object, l);
    if (r != CUDA_SUCCESS) free(l);
    return r;
}

static ProtobufCBinaryData text(char *log)
{
    return (ProtobufCBinaryData){strnlen(log, LOG_BYTES), (uint8_t *)log};
}

CUresult serve_LinkAdd(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__LinkAdd *m = (const Hawser__LinkAdd *)msg;
    struct link *l;
    CUjit_option names[OPTIONS];
    void *values[OPTIONS];
    unsigned n = 0;
    CUresult r = served_handle(c, HAWSER_LINKER, m->object, (void **)&l);
    if (r != CUDA_SUCCESS) return r;
    size_t size = 0;
    unsigned frame = 0;
    for (unsigned i = 0; i < c->n_frames; i++)
        size += c->frames[i].size;
    for (; n < m->n_options && n < m->n_values && n < OPTIONS; n++) {
        names[n] = (CUjit_option)m->options[n];
        values[n] = (void *)(uintptr_t)m->values[n];
    }
    char *data;
    r = served_image(c, &frame, size, &data);
    if (r != CUDA_SUCCESS) return r;
    r = c->driver->cuLinkAddData_v2(l->state, (CUjitInputType)m->type, data, size, *m->name ? m->name : NULL, n, names,
                                    values);
    free(data);
    Hawser__LinkAddReply reply = HAWSER__LINK_ADD_REPLY__INIT;
    reply.error_log = text(l->error);
    reply.info_log = text(l->info);
    served_reply(c, &reply.base);
    return r;
}

CUresult serve_LinkComplete(struct served *c, const ProtobufCMessage *msg)
{
    struct link *l;
    void *image = NULL;
    size_t size = 0;
    CUresult r = served_handle(c, HAWSER_LINKER, ((const Hawser__LinkComplete *)msg)->object, (void **)&l);
    if (r != CUDA_SUCCESS) return r;
    r = c->driver->cuLinkComplete(l->state, &image, &size);
    Hawser__LinkCompleteReply reply = HAWSER__LINK_COMPLETE_REPLY__INIT;
    if (r == CUDA_SUCCESS) reply.image = (ProtobufCBinaryData){size, image};
    reply.error_log = text(l->error);
    reply.info_log = text(l->info);
    served_reply(c, &reply.base);
    return r;
}

CUresult serve_LinkDestroy(struct served *c, const ProtobufCMessage *msg)
{
    uint64_t id = ((const Hawser__LinkDestroy *)msg)->object;
    struct link *l;
    CUresult r = served_handle(c, HAWSER_LINKER, id, (void **)&l);
    if (r != CUDA_SUCCESS) return r;
    served_unbind(c, id);
    r = c->driver->cuLinkDestroy(l->state);
    free(l);
    return r;
}
