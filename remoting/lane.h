/*
 * A lane: one way for messages to travel between a guest and a host process. A message is a frame
 * with a packed envelope (wire.proto) and the bulk frames that it announces.
 *
 * A lane knows nothing of sessions: who may open one, by which token, and how much may be under way
 * (credits) is decided above it. Each kind of lane is a table of functions, found by the scheme of the
 * endpoint; tests/unit/remoting/test_lane.c holds all kinds to what is said here.
 *
 * send, wait and wake are thread-safe. recv is for one thread at a time. close may only be called when
 * none of them runs.
 */
#ifndef HAWSER_LANE_H
#define HAWSER_LANE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits that both ends keep; what exceeds them ends the connection. */
#define HAWSER_MAX_FRAMES 130               /* envelope and bulk frames of one message */
#define HAWSER_MAX_FRAME_SIZE (64u << 20)   /* bytes */
#define HAWSER_BULK_CHUNK ((size_t)4 << 20) /* bytes; larger copies travel in chunks */

/* Bytes with the way to give them back. free == NULL: borrowed, send copies them. */
struct hawser_frame {
    void *data;
    size_t size;
    void (*free)(void *data, void *hint);
    void *hint;
};

/* Gives back every frame that has a free function. */
void hawser_frames_free(struct hawser_frame *frames, unsigned n);

struct hawser_message {
    unsigned n_frames;
    struct hawser_frame *frame; /* malloc'ed */
};

/* Gives back the frames and their array. */
void hawser_message_clear(struct hawser_message *m);
/* One more frame, taken over in every case; false when memory is short. */
bool hawser_message_add(struct hawser_message *m, struct hawser_frame frame);

enum hawser_lane_status {
    HAWSER_LANE_OK = 0,
    HAWSER_LANE_TIMEOUT = 1, /* recv: nothing has come */
    HAWSER_LANE_FULL = 2,    /* send: no room now; nothing was taken */
    HAWSER_LANE_CLOSED = -1, /* the other side is gone; nothing more will arrive */
    HAWSER_LANE_BROKEN = -2, /* the other side sent what is no message */
};

struct hawser_lane;
struct hawser_lane_ops {
    /* Never blocks on the other side. Takes over the frames, also on CLOSED; not on FULL. */
    int (*send)(struct hawser_lane *, struct hawser_frame *frames, unsigned n);
    /* One message that has come, the caller's on OK. Never blocks. */
    int (*recv)(struct hawser_lane *, struct hawser_message *out);
    /* Until recv may find something, wake is called, or so much time has passed (< 0: without end). */
    void (*wait)(struct hawser_lane *, int timeout_ms);
    void (*wake)(struct hawser_lane *);
    void (*close)(struct hawser_lane *);
    /* Room for a bulk frame where send need not copy it from; false when there is none. NULL: malloc'ed memory. */
    bool (*reserve)(struct hawser_lane *, size_t size, struct hawser_frame *out);
    /* Whether somebody who speaks as this lane does has answered in that time. NULL: connecting tells. A receiver's
     * function, as recv. */
    bool (*greeted)(struct hawser_lane *, int timeout_ms);
};
struct hawser_lane {
    const struct hawser_lane_ops *ops;
};

static inline int hawser_lane_send(struct hawser_lane *l, struct hawser_frame *f, unsigned n) {
    return l->ops->send(l, f, n);
}
/* Waits for a message; timeout_ms < 0: without end. TIMEOUT also when the lane was woken. */
int hawser_lane_recv(struct hawser_lane *l, struct hawser_message *out, int timeout_ms);
static inline void hawser_lane_wake(struct hawser_lane *l) {
    l->ops->wake(l);
}
bool hawser_lane_greeted(struct hawser_lane *l, int timeout_ms);
/* A frame of that size to be filled. It is committed by sending it, and given up by its free function. */
bool hawser_lane_reserve(struct hawser_lane *l, size_t size, struct hawser_frame *out);
void hawser_lane_close(struct hawser_lane *l);

/* ---- the host's side: listeners ---- */

/* Who sent a message. Valid while the listener is open. */
#define HAWSER_PEER_MAX 64
struct hawser_peer {
    uint8_t id[HAWSER_PEER_MAX];
    size_t size;
    int fd; /* of its connection; -1: unknown */
};

struct hawser_listen_options {
    unsigned ports_lo, ports_hi; /* for a port '*'; 0, 0: any */
    unsigned max_frames;         /* of a message; 0: HAWSER_MAX_FRAMES */
    size_t max_frame_size;       /* 0: HAWSER_MAX_FRAME_SIZE */
    int handshake_ms;            /* who does not speak as this lane does by then is cut off; 0: the lane's choice */
};

enum { HAWSER_LISTENER_FDS = 3 };

struct hawser_listener;
struct hawser_listener_ops {
    /* As of a lane; `from` is filled on OK and on BROKEN. Peers that do not speak as this lane does are cut off
     * and logged. */
    int (*recv)(struct hawser_listener *, struct hawser_peer *from, struct hawser_message *out);
    int (*send)(struct hawser_listener *, const struct hawser_peer *to, struct hawser_frame *frames, unsigned n);
    /* Ends a peer's connection. False when that was so already. */
    bool (*cut)(struct hawser_listener *, const struct hawser_peer *);
    /* What poll is to watch, after recv has said TIMEOUT; how many of them. */
    unsigned (*fds)(struct hawser_listener *, struct pollfd fds[HAWSER_LISTENER_FDS]);
    /* The lane to one peer, which owns the listener from then on. Others that still come are cut off. */
    struct hawser_lane *(*serve)(struct hawser_listener *, const struct hawser_peer *);
    void (*close)(struct hawser_listener *);
};
struct hawser_listener {
    const struct hawser_listener_ops *ops;
};

/* ---- making them, by the endpoint's scheme ---- */

/* The guest's side. NULL with a reason in err. */
struct hawser_lane *hawser_lane_connect(const char *endpoint, char *err, size_t err_size);
/* The host's side; the endpoint in force, with the port that was chosen, is written to bound. */
struct hawser_listener *hawser_lane_listen(const char *endpoint, const struct hawser_listen_options *options,
                                           char *bound, size_t bound_size, char *err, size_t err_size);

/* One kind of lane. */
struct hawser_lane_scheme {
    const char *prefix; /* "tcp://" */
    struct hawser_lane *(*connect)(const char *endpoint, char *err, size_t err_size);
    struct hawser_listener *(*listen)(const char *endpoint, const struct hawser_listen_options *options, char *bound,
                                      size_t bound_size, char *err, size_t err_size);
};
/* Another kind than those of lane.c. `scheme` is kept. For tests; not thread-safe. */
void hawser_lane_add_scheme(const struct hawser_lane_scheme *scheme);

/* lane_zmq.c */
struct hawser_lane *hawser_zmq_connect(const char *endpoint, char *err, size_t err_size);
struct hawser_listener *hawser_zmq_listen(const char *endpoint, const struct hawser_listen_options *options,
                                          char *bound, size_t bound_size, char *err, size_t err_size);

#endif
