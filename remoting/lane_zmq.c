/*
 * The ZeroMQ lane. A zmq socket belongs to one thread at a time, so a mutex hands it around: senders
 * take it for one message, the receiver for one attempt, and it sleeps outside of it on the socket's
 * descriptor. That descriptor is edge-triggered, and a sender's look at the socket may eat the edge;
 * therefore a sender that sees input waiting wakes the receiver through an eventfd.
 */
#include "lane.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "log.h"
#include "uninterrupted.h"
#include "wire.pb-c.h"

#define PEER_MAX 64
#define TOKEN_MAX 64

struct zmq_lane {
    struct hawser_lane lane;
    void *context;
    void *socket;  /* lock */
    void *monitor; /* receiver only */
    pthread_mutex_t lock;
    int wake;      /* eventfd */
    int socket_fd, monitor_fd;
    bool greeted;  /* receiver only: the ZeroMQ handshake is done */
    bool gone;     /* receiver only: the peer disconnected, or was never there */
    /* Host side: the peer that the lane serves. */
    bool router;
    uint8_t token[TOKEN_MAX];
    size_t token_size;
    uint8_t peer[PEER_MAX]; /* lock; peer_size 0 until the token was shown */
    size_t peer_size;
    int peer_fd;            /* receiver only; the connection that showed the token */
    char file[128];         /* ipc: the socket's file, which libzmq leaves behind */
};

void hawser_frames_free(struct hawser_frame *frames, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (frames[i].free) frames[i].free(frames[i].data, frames[i].hint);
}

void hawser_message_clear(struct hawser_message *m)
{
    hawser_frames_free(m->frame, m->n_frames);
    m->n_frames = 0;
}

static void free_zmq_frame(void *data, void *hint)
{
    (void)data;
    zmq_msg_close(hint);
    free(hint);
}

/* ---- sending ---- */

static int frame_to_msg(struct hawser_frame *f, zmq_msg_t *msg)
{
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

static int send_one(struct zmq_lane *z, struct hawser_frame *f, int flags, bool ok)
{
    zmq_msg_t msg;
    if (!ok) {
        if (f->free) f->free(f->data, f->hint);
        return -1;
    }
    if (frame_to_msg(f, &msg) != 0) return -1;
    if (HAWSER_UNINTERRUPTED(zmq_msg_send(&msg, z->socket, flags | ZMQ_DONTWAIT)) < 0) {
        zmq_msg_close(&msg);
        return -1;
    }
    return 0;
}

static int zmq_lane_send(struct hawser_lane *lane, struct hawser_frame *frames, unsigned n)
{
    struct zmq_lane *z = (struct zmq_lane *)lane;
    pthread_mutex_lock(&z->lock);
    bool ok = true;
    if (z->router)
        ok = z->peer_size &&
             HAWSER_UNINTERRUPTED(zmq_send(z->socket, z->peer, z->peer_size, ZMQ_SNDMORE | ZMQ_DONTWAIT)) >= 0;
    for (unsigned i = 0; i < n; i++)
        if (send_one(z, &frames[i], i + 1 < n ? ZMQ_SNDMORE : 0, ok) != 0) ok = false;
    int events = 0;
    size_t size = sizeof events;
    HAWSER_UNINTERRUPTED(zmq_getsockopt(z->socket, ZMQ_EVENTS, &events, &size));
    pthread_mutex_unlock(&z->lock);
    if (events & ZMQ_POLLIN) eventfd_write(z->wake, 1);
    return ok ? HAWSER_LANE_OK : HAWSER_LANE_CLOSED;
}

/* ---- receiving ---- */

/* One whole message in the lock: OK, TIMEOUT when none waits, BROKEN when it is too long. */
static int take(struct zmq_lane *z, struct hawser_message *out)
{
    int more = 1, status = HAWSER_LANE_OK;
    out->n_frames = 0;
    while (more) {
        zmq_msg_t *msg = malloc(sizeof *msg);
        if (!msg) return HAWSER_LANE_BROKEN;
        zmq_msg_init(msg);
        if (HAWSER_UNINTERRUPTED(zmq_msg_recv(msg, z->socket, ZMQ_DONTWAIT)) < 0) {
            free_zmq_frame(NULL, msg);
            return errno == ETERM ? HAWSER_LANE_CLOSED : HAWSER_LANE_TIMEOUT;
        }
        more = zmq_msg_more(msg);
        if (out->n_frames == HAWSER_MAX_FRAMES) {
            free_zmq_frame(NULL, msg);
            status = HAWSER_LANE_BROKEN;
            continue; /* the rest of the message must leave the socket */
        }
        out->frame[out->n_frames++] = (struct hawser_frame){
            .data = zmq_msg_data(msg), .size = zmq_msg_size(msg), .free = free_zmq_frame, .hint = msg};
    }
    return status;
}

static bool shows_token(struct zmq_lane *z, const struct hawser_frame *f)
{
    Hawser__ToHost *m = hawser__to_host__unpack(NULL, f->size, f->data);
    bool ok = m && m->open && m->open->token.len == z->token_size &&
              !memcmp(m->open->token.data, z->token, z->token_size);
    if (m) hawser__to_host__free_unpacked(m, NULL);
    return ok;
}

/* Host side: strips the peer's identity frame; false when the message is not the session's. */
static bool from_peer(struct zmq_lane *z, struct hawser_message *m)
{
    if (!z->router) return true;
    struct hawser_frame id = m->frame[0];
    bool ok = id.size <= PEER_MAX && m->n_frames >= 2;
    /* Of the last frame: libzmq makes the first one itself and does not always name the connection there. */
    int fd = m->n_frames ? zmq_msg_get(m->frame[m->n_frames - 1].hint, ZMQ_SRCFD) : -1;
    if (ok && z->peer_size == 0 && shows_token(z, &m->frame[1])) {
        memcpy(z->peer, id.data, id.size);
        z->peer_size = id.size;
        z->peer_fd = fd;
    } else {
        ok = ok && id.size == z->peer_size && !memcmp(id.data, z->peer, id.size);
    }
    if (!ok) {
        hawser_log(HAWSER_WARN, "a message without the session's token: connection closed");
        if (fd >= 0 && fd != z->peer_fd) shutdown(fd, SHUT_RDWR);
        return false;
    }
    id.free(id.data, id.hint);
    memmove(&m->frame[0], &m->frame[1], (m->n_frames - 1) * sizeof m->frame[0]);
    m->n_frames--;
    return true;
}

/* Reads the monitor: did the peer go? */
static void look_at_monitor(struct zmq_lane *z)
{
    for (;;) {
        zmq_msg_t msg;
        zmq_msg_init(&msg);
        if (HAWSER_UNINTERRUPTED(zmq_msg_recv(&msg, z->monitor, ZMQ_DONTWAIT)) < 0) {
            zmq_msg_close(&msg);
            return;
        }
        uint16_t event = 0;
        uint32_t value = 0;
        if (zmq_msg_size(&msg) >= 6) {
            memcpy(&event, zmq_msg_data(&msg), sizeof event);
            memcpy(&value, (char *)zmq_msg_data(&msg) + 2, sizeof value);
        }
        bool more = zmq_msg_more(&msg);
        zmq_msg_close(&msg);
        if (more) { /* the second frame: the address */
            zmq_msg_init(&msg);
            HAWSER_UNINTERRUPTED(zmq_msg_recv(&msg, z->monitor, 0));
            zmq_msg_close(&msg);
        }
        if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) z->greeted = true;
        if (event == ZMQ_EVENT_CLOSED && !z->router) z->gone = true;
        /* On the host another peer than the session's may come and go, some with the same descriptor's number
         * before it. */
        bool by_peer = !z->router || (z->peer_size && (int)value == z->peer_fd);
        if (event == ZMQ_EVENT_DISCONNECTED && by_peer) z->gone = true;
        if (event == ZMQ_EVENT_ACCEPTED && by_peer) z->gone = false;
    }
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int zmq_lane_recv(struct hawser_lane *lane, struct hawser_message *out, int timeout_ms)
{
    struct zmq_lane *z = (struct zmq_lane *)lane;
    int64_t end = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
    for (;;) {
        bool was_gone = z->gone;
        pthread_mutex_lock(&z->lock);
        int status = take(z, out);
        bool mine = status == HAWSER_LANE_OK && from_peer(z, out);
        pthread_mutex_unlock(&z->lock);
        if (status == HAWSER_LANE_OK && mine) return HAWSER_LANE_OK;
        if (status != HAWSER_LANE_TIMEOUT) {
            hawser_message_clear(out);
            if (status != HAWSER_LANE_OK) return status;
            continue;
        }
        hawser_message_clear(out);
        /* Only when the socket was empty after the peer had gone has everything been read. */
        if (was_gone) return HAWSER_LANE_CLOSED;
        look_at_monitor(z);
        if (z->gone) continue;
        int64_t left = end == INT64_MAX ? -1 : end - now_ms();
        if (end != INT64_MAX && left <= 0) return HAWSER_LANE_TIMEOUT;
        struct pollfd p[3] = {{.fd = z->socket_fd, .events = POLLIN},
                              {.fd = z->wake, .events = POLLIN},
                              {.fd = z->monitor_fd, .events = POLLIN}};
        poll(p, 3, (int)left);
        eventfd_t drained;
        if (p[1].revents) eventfd_read(z->wake, &drained);
    }
}

static void zmq_lane_close(struct hawser_lane *lane)
{
    struct zmq_lane *z = (struct zmq_lane *)lane;
    if (z->monitor) zmq_close(z->monitor);
    if (z->socket) zmq_close(z->socket);
    if (z->context) zmq_ctx_term(z->context);
    if (*z->file) unlink(z->file);
    if (z->wake >= 0) close(z->wake);
    pthread_mutex_destroy(&z->lock);
    free(z);
}

/* ---- making ---- */

static const struct hawser_lane_ops zmq_lane_ops = {zmq_lane_send, zmq_lane_recv, zmq_lane_close};

static void set_int(void *socket, int option, int value)
{
    zmq_setsockopt(socket, option, &value, sizeof value);
}

/* The kernel, not the application, notices a dead TCP peer: a guest stopped in a debugger lives on. */
static void set_options(void *s)
{
    int64_t max_size = HAWSER_MAX_FRAME_SIZE;
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

static struct zmq_lane *make(int type, char *err, size_t err_size)
{
    struct zmq_lane *z = calloc(1, sizeof *z);
    if (!z) return NULL;
    z->lane.ops = &zmq_lane_ops;
    z->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    z->peer_fd = -1;
    pthread_mutex_init(&z->lock, NULL);
    z->context = zmq_ctx_new();
    z->socket = z->context ? zmq_socket(z->context, type) : NULL;
    if (!z->socket || z->wake < 0) goto fail;
    set_options(z->socket);
    if (zmq_socket_monitor(z->socket, "inproc://monitor",
                           ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED |
                               ZMQ_EVENT_HANDSHAKE_SUCCEEDED) != 0)
        goto fail;
    z->monitor = zmq_socket(z->context, ZMQ_PAIR);
    if (!z->monitor || HAWSER_UNINTERRUPTED(zmq_connect(z->monitor, "inproc://monitor")) != 0) goto fail;
    size_t size = sizeof z->socket_fd;
    zmq_getsockopt(z->socket, ZMQ_FD, &z->socket_fd, &size);
    size = sizeof z->monitor_fd;
    zmq_getsockopt(z->monitor, ZMQ_FD, &z->monitor_fd, &size);
    return z;
fail:
    snprintf(err, err_size, "cannot make a ZeroMQ socket: %s", zmq_strerror(errno));
    zmq_lane_close(&z->lane);
    return NULL;
}

struct hawser_lane *hawser_zmq_connect(const char *endpoint, char *err, size_t err_size)
{
    struct zmq_lane *z = make(ZMQ_DEALER, err, err_size);
    if (!z) return NULL;
    set_int(z->socket, ZMQ_RECONNECT_IVL, -1); /* a session does not survive its connection */
    if (HAWSER_UNINTERRUPTED(zmq_connect(z->socket, endpoint)) != 0) {
        snprintf(err, err_size, "cannot connect to %s: %s", endpoint, zmq_strerror(errno));
        zmq_lane_close(&z->lane);
        return NULL;
    }
    return &z->lane;
}

bool hawser_zmq_greeted(struct hawser_lane *lane, int timeout_ms)
{
    struct zmq_lane *z = (struct zmq_lane *)lane;
    int64_t end = now_ms() + timeout_ms;
    for (look_at_monitor(z); !z->greeted && !z->gone && now_ms() < end; look_at_monitor(z)) {
        struct pollfd p = {.fd = z->monitor_fd, .events = POLLIN};
        poll(&p, 1, (int)(end - now_ms()));
    }
    return z->greeted;
}

/* endpoint, or for tcp://HOST:* each port of the range in turn. */
static int bind_one_of(void *socket, const char *endpoint, unsigned lo, unsigned hi)
{
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

struct hawser_lane *hawser_zmq_serve(const char *endpoint, unsigned ports_lo, unsigned ports_hi,
                                     const uint8_t *token, size_t token_size, char *bound,
                                     size_t bound_size, char *err, size_t err_size)
{
    if (token_size == 0 || token_size > TOKEN_MAX) {
        snprintf(err, err_size, "a token has 1 to %d bytes", TOKEN_MAX);
        return NULL;
    }
    struct zmq_lane *z = make(ZMQ_ROUTER, err, err_size);
    if (!z) return NULL;
    z->router = true;
    memcpy(z->token, token, token_size);
    z->token_size = token_size;
    set_int(z->socket, ZMQ_ROUTER_MANDATORY, 1);
    if (bind_one_of(z->socket, endpoint, ports_lo, ports_hi) != 0 ||
        zmq_getsockopt(z->socket, ZMQ_LAST_ENDPOINT, bound, &bound_size) != 0) {
        snprintf(err, err_size, "cannot listen on %s: %s", endpoint, zmq_strerror(errno));
        zmq_lane_close(&z->lane);
        return NULL;
    }
    if (!strncmp(bound, "ipc://", 6)) snprintf(z->file, sizeof z->file, "%s", bound + 6);
    return &z->lane;
}
