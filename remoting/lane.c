/* What all lanes have in common: messages, and finding a lane's kind by the scheme of its endpoint. */
#include "lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* ---- messages ---- */

void hawser_frames_free(struct hawser_frame *frames, unsigned n) {
    for (unsigned i = 0; i < n; i++)
        if (frames[i].free) frames[i].free(frames[i].data, frames[i].hint);
}

void hawser_message_clear(struct hawser_message *m) {
    hawser_frames_free(m->frame, m->n_frames);
    free(m->frame);
    *m = (struct hawser_message){0};
}

bool hawser_message_add(struct hawser_message *m, struct hawser_frame frame) {
    bool grow = (m->n_frames & (m->n_frames - 1)) == 0; /* at 0 and at powers of two */
    struct hawser_frame *bigger =
        grow ? realloc(m->frame, (m->n_frames ? 2 * m->n_frames : 1) * sizeof frame) : m->frame;
    if (!bigger) {
        hawser_frames_free(&frame, 1);
        return false;
    }
    m->frame = bigger;
    m->frame[m->n_frames++] = frame;
    return true;
}

/* ---- lanes ---- */

int hawser_lane_recv(struct hawser_lane *l, struct hawser_message *out, int timeout_ms) {
    uint64_t end = hawser_now_ns() + (uint64_t)timeout_ms * 1000000;
    int status = l->ops->recv(l, out);
    if (status != HAWSER_LANE_TIMEOUT || timeout_ms == 0) return status;
    /* An end of waiting need not mean that a message has come, nor that time is up. */
    for (;;) {
        uint64_t now = hawser_now_ns();
        if (timeout_ms > 0 && now >= end) return HAWSER_LANE_TIMEOUT;
        l->ops->wait(l, timeout_ms < 0 ? -1 : (int)((end - now + 999999) / 1000000));
        status = l->ops->recv(l, out);
        if (status != HAWSER_LANE_TIMEOUT || timeout_ms < 0) return status;
    }
}

bool hawser_lane_greeted(struct hawser_lane *l, int timeout_ms) {
    return !l->ops->greeted || l->ops->greeted(l, timeout_ms);
}

static void free_bytes(void *data, void *hint) {
    (void)hint;
    free(data);
}

bool hawser_lane_reserve(struct hawser_lane *l, size_t size, struct hawser_frame *out) {
    if (l->ops->reserve) return l->ops->reserve(l, size, out);
    *out = (struct hawser_frame){.data = malloc(size ? size : 1), .size = size, .free = free_bytes};
    return out->data != NULL;
}

void hawser_lane_close(struct hawser_lane *l) {
    if (l) l->ops->close(l);
}

/* ---- schemes ---- */

static const struct hawser_lane_scheme schemes[] = {
    {"tcp://", hawser_zmq_connect, hawser_zmq_listen},
    {"ipc://", hawser_zmq_connect, hawser_zmq_listen},
};
static const struct hawser_lane_scheme *added;

void hawser_lane_add_scheme(const struct hawser_lane_scheme *scheme) {
    added = scheme;
}

static bool is_of(const struct hawser_lane_scheme *scheme, const char *endpoint) {
    return !strncmp(endpoint, scheme->prefix, strlen(scheme->prefix));
}

static const struct hawser_lane_scheme *find(const char *endpoint, char *err, size_t err_size) {
    if (added && is_of(added, endpoint)) return added;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (is_of(&schemes[i], endpoint)) return &schemes[i];
    snprintf(err, err_size, "no lane goes to %s", endpoint);
    return NULL;
}

struct hawser_lane *hawser_lane_connect(const char *endpoint, char *err, size_t err_size) {
    const struct hawser_lane_scheme *scheme = find(endpoint, err, err_size);
    return scheme ? scheme->connect(endpoint, err, err_size) : NULL;
}

struct hawser_listener *hawser_lane_listen(const char *endpoint, const struct hawser_listen_options *options,
                                           char *bound, size_t bound_size, char *err, size_t err_size) {
    const struct hawser_lane_scheme *scheme = find(endpoint, err, err_size);
    return scheme ? scheme->listen(endpoint, options, bound, bound_size, err, err_size) : NULL;
}
