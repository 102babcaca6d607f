#include "opening.h"

#include "clock.h"
#include "log.h"

/* In the same time whatever the token is. */
static bool same_token(const ProtobufCBinaryData *shown, const uint8_t *token, size_t size) {
    uint8_t differs = 0;
    if (shown->len != size) return false;
    for (size_t i = 0; i < size; i++)
        differs |= shown->data[i] ^ token[i];
    return !differs;
}

/* The message, if it is an Open with the token. */
static Hawser__ToHost *read_open(const struct hawser_message *m, const uint8_t *token, size_t size) {
    Hawser__ToHost *h = hawser__to_host__unpack(NULL, m->frame[0].size, m->frame[0].data);
    if (h && h->open && same_token(&h->open->token, token, size)) return h;
    if (h) hawser__to_host__free_unpacked(h, NULL);
    return NULL;
}

struct hawser_lane *opening_wait(struct hawser_listener *listener, const uint8_t *token, size_t size, int timeout_ms,
                                 Hawser__ToHost **first) {
    uint64_t end = hawser_now_ns() + (uint64_t)timeout_ms * 1000000, now;
    struct hawser_peer from;
    struct hawser_message m;
    int status;
    while ((now = hawser_now_ns()) < end) {
        while ((status = listener->ops->recv(listener, &from, &m)) == HAWSER_LANE_OK || status == HAWSER_LANE_BROKEN) {
            *first = status == HAWSER_LANE_OK ? read_open(&m, token, size) : NULL;
            hawser_message_clear(&m);
            if (*first) return listener->ops->serve(listener, &from);
            if (listener->ops->cut(listener, &from))
                hawser_log(HAWSER_WARN, "a message without the session's token: connection closed");
        }
        if (status != HAWSER_LANE_TIMEOUT) return NULL;
        struct pollfd fds[HAWSER_LISTENER_FDS];
        poll(fds, listener->ops->fds(listener, fds), (int)((end - now + 999999) / 1000000));
    }
    return NULL;
}
