/* Replies, with the memory that they point to. */
#include "served.h"

#include <stdlib.h>
#include <unistd.h>

struct served_memory {
    struct served_memory *next;
    max_align_t bytes[];
};

void *served_alloc(struct served *c, size_t size) {
    if (size > SIZE_MAX - sizeof(struct served_memory)) return NULL;
    struct served_memory *m = calloc(1, sizeof *m + size);
    if (!m) return NULL;
    m->next = c->memory;
    c->memory = m;
    return m->bytes;
}

void served_free_all(struct served *c) {
    while (c->memory) {
        struct served_memory *m = c->memory;
        c->memory = m->next;
        free(m);
    }
}

void served_reply(struct served *c, const ProtobufCMessage *reply) {
    free(c->out);
    c->out_size = protobuf_c_message_get_packed_size(reply);
    c->out = malloc(c->out_size ? c->out_size : 1);
    if (!c->out) _exit(1);
    protobuf_c_message_pack(reply, c->out);
}
