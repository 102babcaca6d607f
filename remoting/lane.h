/*
 * A lane: one way for messages to travel between a guest and a host process. A message is a frame
 * with a packed envelope (wire.proto) and the bulk frames that it announces.
 *
 * send is thread-safe. recv is for one thread at a time. close may only be called when neither runs.
 */
#ifndef HAWSER_LANE_H
#define HAWSER_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits that both ends keep; what exceeds them ends the connection. */
#define HAWSER_MAX_FRAMES 130                 /* envelope and bulk frames of one message */
#define HAWSER_MAX_FRAME_SIZE (64u << 20)     /* bytes */
#define HAWSER_BULK_CHUNK ((size_t)4 << 20)   /* bytes; larger copies travel in chunks */

/* Bytes with the way to give them back. free == NULL: borrowed, send copies them. */
struct hawser_frame {
    void *data;
    size_t size;
    void (*free)(void *data, void *hint);
    void *hint;
};

struct hawser_message {
    unsigned n_frames;
    struct hawser_frame frame[HAWSER_MAX_FRAMES];
};

/* Gives back every frame that has a free function. */
void hawser_frames_free(struct hawser_frame *frames, unsigned n);
void hawser_message_clear(struct hawser_message *m);

enum hawser_lane_status {
    HAWSER_LANE_OK = 0,
    HAWSER_LANE_TIMEOUT = 1,
    HAWSER_LANE_CLOSED = -1, /* the other side is gone; nothing more will arrive */
    HAWSER_LANE_BROKEN = -2, /* the other side sent what is no message */
};

struct hawser_lane;
struct hawser_lane_ops {
    /* Takes over the frames in every case. Never blocks on the other side. */
    int (*send)(struct hawser_lane *, struct hawser_frame *frames, unsigned n);
    /* timeout_ms < 0: without end. On OK the caller owns the message. */
    int (*recv)(struct hawser_lane *, struct hawser_message *out, int timeout_ms);
    void (*close)(struct hawser_lane *);
};
struct hawser_lane {
    const struct hawser_lane_ops *ops;
};

static inline int hawser_lane_send(struct hawser_lane *l, struct hawser_frame *f, unsigned n)
{
    return l->ops->send(l, f, n);
}
static inline int hawser_lane_recv(struct hawser_lane *l, struct hawser_message *m, int timeout_ms)
{
    return l->ops->recv(l, m, timeout_ms);
}
static inline void hawser_lane_close(struct hawser_lane *l)
{
    if (l) l->ops->close(l);
}

/* ---- The ZeroMQ lane (lane_zmq.c) -------------------------------------------------------- */

/* Guest side: a DEALER connected to endpoint. NULL with a reason in err. */
struct hawser_lane *hawser_zmq_connect(const char *endpoint, char *err, size_t err_size);
/* Waits for the other side's ZeroMQ handshake; false when there was none in that time. A receiver's
 * function, as recv. */
bool hawser_zmq_greeted(struct hawser_lane *lane, int timeout_ms);

/* Host side: a ROUTER for one peer, bound to endpoint (tcp://HOST:* picks a port; the endpoint in
 * force is written to bound). The first peer that shows `token` in an Open message is the session's;
 * others are disconnected. ports_lo..ports_hi (0, 0: any) limits the choice for a port '*'. */
struct hawser_lane *hawser_zmq_serve(const char *endpoint, unsigned ports_lo, unsigned ports_hi,
                                     const uint8_t *token, size_t token_size, char *bound,
                                     size_t bound_size, char *err, size_t err_size);

#endif
