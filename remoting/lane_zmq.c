/*
 * The ZeroMQ lane, for tcp:// and ipc://. A zmq socket belongs to one thread at a time, so a mutex hands it around:
 * senders take it for one message, the receiver for one attempt, and whoever waits sleeps outside of it on the socket's
 * descriptor. That descriptor is edge-triggered, and a sender's look at the socket may eat the edge; therefore a
 * sender that sees input waiting wakes the receiver through an eventfd.
 */
#include "lane.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "clock.h"
#include "log.h"
#include "uninterrupted.h"

/* Messages of a peer that wait to be read; then the transport holds it back. */
#define RECEIVE_AHEAD 1000

/* What both sides have: a socket and its monitor. */
struct port {
    void *context;
    void *socket;  /* lock */
    void *monitor; /* receiver only */
    pthread_mutex_t lock;
    int wake; /* eventfd */
    int socket_fd, monitor_fd;
};

/* ---- sending ---- */

static int frame_to_msg(struct hawser_frame *f, zmq_msg_t *msg) {
    int rc;
    if (f->free) {
        rc = zmq_msg_init_data(msg, f->data, f->size, f->free, f->hint);
        if (rc != 0) f->free(f->data, f->hint);
    } else {
        rc = zmq_msg_init_size(msg, f->size);
        if (rc == 0 && f->size) memcpy(zmq_msg_data(msg), f->data, f->size);
    }
    return rc;
}

static int send_one(struct port *p, struct hawser_frame *f, int flags, bool ok) {
    zmq_msg_t msg;
    if (!ok) {
        hawser_frames_free(f, 1);
        return -1;
    }
    if (frame_to_msg(f, &msg) != 0) return -1;
    if (HAWSER_UNINTERRUPTED(zmq_msg_send(&msg, p->socket, flags | ZMQ_DONTWAIT)) < 0) {
        zmq_msg_close(&msg);
        return -1;
    }
    return 0;
}

/* to NULL: the socket has one peer. */
static int port_send(struct port *p, const struct hawser_peer *to, struct hawser_frame *frames, unsigned n) {
    pthread_mutex_lock(&p->lock);
    bool ok = !to || HAWSER_UNINTERRUPTED(zmq_send(p->socket, to->id, to->size, ZMQ_SNDMORE | ZMQ_DONTWAIT)) >= 0;
    for (unsigned i = 0; i < n; i++)
        if (send_one(p, &frames[i], i + 1 < n ? ZMQ_SNDMORE : 0, ok) != 0) ok = false;
    int events = 0;
    size_t size = sizeof events;
    HAWSER_UNINTERRUPTED(zmq_getsockopt(p->socket, ZMQ_EVENTS, &events, &size));
    pthread_mutex_unlock(&p->lock);
    if (events & ZMQ_POLLIN) eventfd_write(p->wake, 1);
    return ok ? HAWSER_LANE_OK : HAWSER_LANE_CLOSED;
}

/* ---- receiving ---- */

static void free_zmq_frame(void *data, void *hint) {
    (void)data;
    zmq_msg_close(hint);
    free(hint);
}

/* One part of a message into a frame; errno on -1. */
static int take_part(struct port *p, struct hawser_frame *out, bool *more) {
    zmq_msg_t *msg = malloc(sizeof *msg);
    if (!msg) return -1;
    zmq_msg_init(msg);
    if (HAWSER_UNINTERRUPTED(zmq_msg_recv(msg, p->socket, ZMQ_DONTWAIT)) < 0) {
        int error = errno;
        free_zmq_frame(NULL, msg);
        errno = error;
        return -1;
    }
    *more = zmq_msg_more(msg);
    *out = (struct hawser_frame){zmq_msg_data(msg), zmq_msg_size(msg), free_zmq_frame, msg};
    return 0;
}

/* One whole message, if there is one; BROKEN when it has more frames than `most`, of which those are in `out`. */
static int port_take(struct port *p, struct hawser_message *out, unsigned most) {
    bool more = true;
    int status = HAWSER_LANE_OK;
    *out = (struct hawser_message){0};
    pthread_mutex_lock(&p->lock);
    while (more) {
        struct hawser_frame frame;
        if (take_part(p, &frame, &more) != 0) {
            if (status == HAWSER_LANE_OK) status = errno == EAGAIN ? HAWSER_LANE_TIMEOUT : HAWSER_LANE_CLOSED;
            break;
        }
        if (out->n_frames < most ? hawser_message_add(out, frame) : (hawser_frames_free(&frame, 1), false)) continue;
        status = HAWSER_LANE_BROKEN; /* the rest of the message must leave the socket all the same */
    }
    pthread_mutex_unlock(&p->lock);
    if (status != HAWSER_LANE_OK && status != HAWSER_LANE_BROKEN) hawser_message_clear(out);
    return status;
}

static void port_wait(struct port *p, int timeout_ms) {
    struct pollfd fds[3] = {{.fd = p->socket_fd, .events = POLLIN},
                            {.fd = p->wake, .events = POLLIN},
                            {.fd = p->monitor_fd, .events = POLLIN}};
    eventfd_t drained;
    poll(fds, 3, timeout_ms);
    if (fds[1].revents) eventfd_read(p->wake, &drained);
}

/* The next event of the monitor. */
static bool next_event(struct port *p, uint16_t *event, uint32_t *value) {
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    if (HAWSER_UNINTERRUPTED(zmq_msg_recv(&msg, p->monitor, ZMQ_DONTWAIT)) < 0) {
        zmq_msg_close(&msg);
        return false;
    }
    *event = 0;
    *value = 0;
    if (zmq_msg_size(&msg) >= 6) {
        memcpy(event, zmq_msg_data(&msg), sizeof *event);
        memcpy(value, (char *)zmq_msg_data(&msg) + 2, sizeof *value);
    }
    bool more = zmq_msg_more(&msg);
    zmq_msg_close(&msg);
    if (more) { /* the second frame: the address */
        zmq_msg_init(&msg);
        HAWSER_UNINTERRUPTED(zmq_msg_recv(&msg, p->monitor, 0));
        zmq_msg_close(&msg);
    }
    return true;
}

/* ---- ports ---- */

static void set_int(void *socket, int option, int value) {
    zmq_setsockopt(socket, option, &value, sizeof value);
}

/* The kernel, not the application, notices a dead TCP peer: a guest stopped in a debugger lives on. */
static void set_options(void *s, size_t max_frame_size) {
    int64_t max_size = (int64_t)max_frame_size;
    zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &max_size, sizeof max_size);
    set_int(s, ZMQ_SNDHWM, 0); /* the session bounds what is under way (session.h) */
    set_int(s, ZMQ_RCVHWM, 0);
    set_int(s, ZMQ_LINGER, 1000);
    set_int(s, ZMQ_TCP_KEEPALIVE, 1);
    set_int(s, ZMQ_TCP_KEEPALIVE_IDLE, 10);
    set_int(s, ZMQ_TCP_KEEPALIVE_INTVL, 5);
    set_int(s, ZMQ_TCP_KEEPALIVE_CNT, 3);
    set_int(s, ZMQ_TCP_MAXRT, 20000);
    set_int(s, ZMQ_IPV6, 1);
}

static void port_close(struct port *p) {
    if (p->monitor) zmq_close(p->monitor);
    if (p->socket) zmq_close(p->socket);
    if (p->context) zmq_ctx_term(p->context);
    if (p->wake >= 0) close(p->wake);
    pthread_mutex_destroy(&p->lock);
}

/* 0, or -1 with a reason; to be closed in both cases. */
static int port_open(struct port *p, int type, int events, size_t max_frame_size, char *err, size_t err_size) {
    pthread_mutex_init(&p->lock, NULL);
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->context = zmq_ctx_new();
    p->socket = p->context ? zmq_socket(p->context, type) : NULL;
    if (!p->socket || p->wake < 0) goto fail;
    set_options(p->socket, max_frame_size);
    if (zmq_socket_monitor(p->socket, "inproc://monitor", events) != 0) goto fail;
    p->monitor = zmq_socket(p->context, ZMQ_PAIR);
    if (!p->monitor || HAWSER_UNINTERRUPTED(zmq_connect(p->monitor, "inproc://monitor")) != 0) goto fail;
    size_t size = sizeof p->socket_fd;
    zmq_getsockopt(p->socket, ZMQ_FD, &p->socket_fd, &size);
    size = sizeof p->monitor_fd;
    zmq_getsockopt(p->monitor, ZMQ_FD, &p->monitor_fd, &size);
    return 0;
fail:
    snprintf(err, err_size, "cannot make a ZeroMQ socket: %s", zmq_strerror(errno));
    return -1;
}

/* ---- the guest's side: a DEALER ---- */

struct guest {
    struct hawser_lane lane;
    struct port port;
    bool spoken; /* receiver only: the ZeroMQ handshake is done */
    bool gone;   /* receiver only: the host disconnected, or was never there */
};

static struct guest *guest_of(struct hawser_lane *lane) {
    return (struct guest *)lane;
}

static int guest_send(struct hawser_lane *lane, struct hawser_frame *frames, unsigned n) {
    return port_send(&guest_of(lane)->port, NULL, frames, n);
}

static void guest_events(struct guest *g) {
    uint16_t event;
    uint32_t value;
    while (next_event(&g->port, &event, &value)) {
        if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) g->spoken = true;
        if (event == ZMQ_EVENT_CLOSED || event == ZMQ_EVENT_DISCONNECTED) g->gone = true;
    }
}

static int guest_recv(struct hawser_lane *lane, struct hawser_message *out) {
    struct guest *g = guest_of(lane);
    for (;;) {
        bool was_gone = g->gone;
        int status = port_take(&g->port, out, HAWSER_MAX_FRAMES);
        if (status == HAWSER_LANE_BROKEN) hawser_message_clear(out);
        if (status != HAWSER_LANE_TIMEOUT) return status;
        /* Only when the socket was empty after the host had gone has everything been read. */
        if (was_gone) return HAWSER_LANE_CLOSED;
        guest_events(g);
        if (!g->gone) return HAWSER_LANE_TIMEOUT;
    }
}

static void guest_wait(struct hawser_lane *lane, int timeout_ms) {
    port_wait(&guest_of(lane)->port, timeout_ms);
}

static void guest_wake(struct hawser_lane *lane) {
    eventfd_write(guest_of(lane)->port.wake, 1);
}

static bool guest_greeted(struct hawser_lane *lane, int timeout_ms) {
    struct guest *g = guest_of(lane);
    uint64_t end = hawser_now_ns() + (uint64_t)timeout_ms * 1000000, now;
    for (guest_events(g); !g->spoken && !g->gone && (now = hawser_now_ns()) < end; guest_events(g)) {
        struct pollfd p = {.fd = g->port.monitor_fd, .events = POLLIN};
        poll(&p, 1, (int)((end - now + 999999) / 1000000));
    }
    return g->spoken;
}

static void guest_close(struct hawser_lane *lane) {
    port_close(&guest_of(lane)->port);
    free(lane);
}

static const struct hawser_lane_ops guest_ops = {.send = guest_send,
                                                 .recv = guest_recv,
                                                 .wait = guest_wait,
                                                 .wake = guest_wake,
                                                 .close = guest_close,
                                                 .greeted = guest_greeted};

struct hawser_lane *hawser_zmq_connect(const char *endpoint, char *err, size_t err_size) {
    struct guest *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->lane.ops = &guest_ops;
    int events = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
    if (port_open(&g->port, ZMQ_DEALER, events, HAWSER_MAX_FRAME_SIZE, err, err_size) != 0) goto fail;
    set_int(g->port.socket, ZMQ_RECONNECT_IVL, -1); /* a session does not survive its connection */
    if (HAWSER_UNINTERRUPTED(zmq_connect(g->port.socket, endpoint)) == 0) return &g->lane;
    snprintf(err, err_size, "cannot connect to %s: %s", endpoint, zmq_strerror(errno));
fail:
    guest_close(&g->lane);
    return NULL;
}

/* ---- the host's side: a ROUTER, and the lane to one of its peers ---- */

struct listener {
    struct hawser_listener listener;
    struct hawser_lane lane; /* once it serves one peer */
    struct port port;
    struct hawser_peer served; /* size 0: none yet */
    bool gone;                 /* receiver only: the peer disconnected */
    unsigned max_frames;
    char endpoint[300];          /* as asked for */
    char file[128];              /* ipc: the socket's file, which libzmq leaves behind */
    struct hawser_peer last_cut; /* receiver only */
    uint64_t cut_at;
    uint64_t cut_ns; /* how long the end of a connection that was cut off may take */
};

static struct listener *listener_of(struct hawser_listener *l) {
    return (struct listener *)l;
}

static struct listener *served_by(struct hawser_lane *lane) {
    return (struct listener *)((char *)lane - offsetof(struct listener, lane));
}

static bool same_peer(const struct hawser_peer *a, const struct hawser_peer *b) {
    return a->size == b->size && !memcmp(a->id, b->id, a->size);
}

static void listener_events(struct listener *l) {
    uint16_t event;
    uint32_t value;
    while (next_event(&l->port, &event, &value)) {
        /* Another peer than the one that is served may come and go, some with the same descriptor's number before it.
         */
        bool its = l->served.size && (int)value == l->served.fd;
        if (event == ZMQ_EVENT_DISCONNECTED && its) l->gone = true;
        if (event == ZMQ_EVENT_ACCEPTED && its) l->gone = false;
        if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL || event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)
            hawser_log(hawser_now_ns() - l->cut_at < l->cut_ns ? HAWSER_DEBUG : HAWSER_WARN,
                       "%s: a peer that does not speak ZeroMQ: connection closed", l->endpoint);
    }
}

static int listener_recv(struct hawser_listener *base, struct hawser_peer *from, struct hawser_message *out) {
    struct listener *l = listener_of(base);
    int status = port_take(&l->port, out, l->max_frames + 1);
    if (status == HAWSER_LANE_TIMEOUT) listener_events(l);
    if (status != HAWSER_LANE_OK && status != HAWSER_LANE_BROKEN) return status;
    /* The connection, of the last frame: libzmq makes the first one itself and does not always name it there. */
    struct hawser_frame id = out->frame[0];
    *from = (struct hawser_peer){.size = id.size <= HAWSER_PEER_MAX ? id.size : 0,
                                 .fd = zmq_msg_get(out->frame[out->n_frames - 1].hint, ZMQ_SRCFD)};
    memcpy(from->id, id.data, id.size < HAWSER_PEER_MAX ? id.size : HAWSER_PEER_MAX);
    if (!from->size || out->n_frames < 2) status = HAWSER_LANE_BROKEN;
    hawser_frames_free(&id, 1);
    memmove(&out->frame[0], &out->frame[1], --out->n_frames * sizeof *out->frame);
    if (status == HAWSER_LANE_BROKEN) hawser_message_clear(out);
    return status;
}

static int listener_send(struct hawser_listener *base, const struct hawser_peer *to, struct hawser_frame *frames,
                         unsigned n) {
    return port_send(&listener_of(base)->port, to, frames, n);
}

/* What of the same connection was read already, and the event that its end may cause, say nothing new. */
static bool listener_cut(struct hawser_listener *base, const struct hawser_peer *peer) {
    struct listener *l = listener_of(base);
    if (peer->fd >= 0 && !(l->served.size && peer->fd == l->served.fd)) shutdown(peer->fd, SHUT_RDWR);
    bool anew = peer->fd != l->last_cut.fd || memcmp(peer->id, l->last_cut.id, sizeof peer->id) != 0;
    l->cut_at = hawser_now_ns();
    l->last_cut = *peer;
    return anew;
}

static unsigned listener_fds(struct hawser_listener *base, struct pollfd fds[HAWSER_LISTENER_FDS]) {
    struct listener *l = listener_of(base);
    fds[0] = (struct pollfd){.fd = l->port.socket_fd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = l->port.monitor_fd, .events = POLLIN};
    return 2;
}

static void listener_close(struct hawser_listener *base) {
    struct listener *l = listener_of(base);
    port_close(&l->port);
    if (*l->file) unlink(l->file);
    free(l);
}

static int served_send(struct hawser_lane *lane, struct hawser_frame *frames, unsigned n) {
    struct listener *l = served_by(lane);
    return port_send(&l->port, &l->served, frames, n);
}

static int served_recv(struct hawser_lane *lane, struct hawser_message *out) {
    struct listener *l = served_by(lane);
    for (;;) {
        struct hawser_peer from;
        bool was_gone = l->gone;
        int status = listener_recv(&l->listener, &from, out);
        if (status == HAWSER_LANE_OK || status == HAWSER_LANE_BROKEN) {
            if (same_peer(&from, &l->served)) return status;
            hawser_message_clear(out);
            if (listener_cut(&l->listener, &from))
                hawser_log(HAWSER_WARN, "a message from another than the session's guest: connection closed");
            continue;
        }
        /* Only when the socket was empty after the peer had gone has everything been read. */
        if (status == HAWSER_LANE_TIMEOUT && was_gone) return HAWSER_LANE_CLOSED;
        if (status != HAWSER_LANE_TIMEOUT || !l->gone) return status;
    }
}

static void served_wait(struct hawser_lane *lane, int timeout_ms) {
    port_wait(&served_by(lane)->port, timeout_ms);
}

static void served_wake(struct hawser_lane *lane) {
    eventfd_write(served_by(lane)->port.wake, 1);
}

static void served_close(struct hawser_lane *lane) {
    listener_close(&served_by(lane)->listener);
}

static struct hawser_lane *listener_serve(struct hawser_listener *base, const struct hawser_peer *peer) {
    static const struct hawser_lane_ops ops = {
        .send = served_send, .recv = served_recv, .wait = served_wait, .wake = served_wake, .close = served_close};
    struct listener *l = listener_of(base);
    l->served = *peer;
    l->lane.ops = &ops;
    return &l->lane;
}

static const struct hawser_listener_ops listener_ops = {listener_recv, listener_send,  listener_cut,
                                                        listener_fds,  listener_serve, listener_close};

/* endpoint, or for tcp://HOST:* each port of the range in turn. */
static int bind_one_of(void *socket, const char *endpoint, unsigned lo, unsigned hi) {
    size_t n = strlen(endpoint);
    if (lo == 0 || n < 2 || strcmp(endpoint + n - 2, ":*") != 0) return zmq_bind(socket, endpoint);
    for (unsigned port = lo; port <= hi; port++) {
        char text[300];
        snprintf(text, sizeof text, "%.*s%u", (int)n - 1, endpoint, port);
        if (zmq_bind(socket, text) == 0) return 0;
        if (errno != EADDRINUSE) return -1;
    }
    return -1;
}

struct hawser_listener *hawser_zmq_listen(const char *endpoint, const struct hawser_listen_options *options,
                                          char *bound, size_t bound_size, char *err, size_t err_size) {
    struct listener *l = calloc(1, sizeof *l);
    size_t max_size = options->max_frame_size ? options->max_frame_size : HAWSER_MAX_FRAME_SIZE;
    int events = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
    if (!l) return NULL;
    l->listener.ops = &listener_ops;
    l->max_frames = options->max_frames ? options->max_frames : HAWSER_MAX_FRAMES;
    l->last_cut.fd = -1;
    l->cut_ns = (uint64_t)(options->handshake_ms + 1000) * 1000000;
    snprintf(l->endpoint, sizeof l->endpoint, "%s", endpoint);
    if (port_open(&l->port, ZMQ_ROUTER, events, max_size, err, err_size) != 0) goto fail;
    set_int(l->port.socket, ZMQ_ROUTER_MANDATORY, 1);
    set_int(l->port.socket, ZMQ_RCVHWM, RECEIVE_AHEAD);
    if (options->handshake_ms) set_int(l->port.socket, ZMQ_HANDSHAKE_IVL, options->handshake_ms);
    if (bind_one_of(l->port.socket, endpoint, options->ports_lo, options->ports_hi) != 0 ||
        zmq_getsockopt(l->port.socket, ZMQ_LAST_ENDPOINT, bound, &bound_size) != 0) {
        snprintf(err, err_size, "cannot listen on %s: %s", endpoint, zmq_strerror(errno));
        goto fail;
    }
    if (!strncmp(bound, "ipc://", 6)) snprintf(l->file, sizeof l->file, "%s", bound + 6);
    return &l->listener;
fail:
    listener_close(&l->listener);
    return NULL;
}
