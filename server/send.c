/* What leaves the worker: packed envelopes with their bulk frames; and replies, with the memory that they point to. */
#include "served.h"

#include <stdlib.h>
#include <unistd.h>

void worker_send(struct worker *w, const Hawser__ToGuest *m, struct hawser_frame *frames, unsigned n)
{
    struct hawser_frame all[1 + HAWSER_MAX_FRAMES];
    size_t size = hawser__to_guest__get_packed_size(m);
    uint8_t *buf = malloc(size ? size : 1);
    if (!buf) _exit(1); /* the session cannot go on without its answer */
    hawser__to_guest__pack(m, buf);
    all[0] = (struct hawser_frame){.data = buf, .size = size};
    for (unsigned i = 0; i < n; i++)
        all[i + 1] = frames[i];
    hawser_lane_send(w->lane, all, n + 1);
    free(buf);
}

struct served_memory {
    struct served_memory *next;
    max_align_t bytes[];
};

void *served_alloc(struct served *c, size_t size)
{
    if (size > SIZE_MAX - sizeof(struct served_memory)) return NULL;
    struct served_memory *m = calloc(1, sizeof *m + size);
    if (!m) return NULL;
    m->next = c->memory;
    c->memory = m;
    return m->bytes;
}

void served_free_all(struct served *c)
{
    while (c->memory) {
        struct served_memory *m = c->memory;
        c->memory = m->next;
        free(m);
    }
}

void served_reply(struct served *c, const ProtobufCMessage *reply)
{
    free(c->out);
    c->out_size = protobuf_c_message_get_packed_size(reply);
    c->out = malloc(c->out_size ? c->out_size : 1);
    if (!c->out) _exit(1);
    protobuf_c_message_pack(reply, c->out);
}
