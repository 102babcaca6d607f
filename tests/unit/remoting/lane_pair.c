#include "lane_pair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PACKET = 64 << 10 };

struct pair {
    struct hawser_lane lane;
    struct hawser_listener listener; /* the host's end is its own listener */
    int fd, wake;
    unsigned max_frames;
};

static int waiting = -1; /* the guest's end until it connects; tests are of one thread there */

_Atomic(bool) lane_pair_full;
_Atomic(unsigned) lane_pair_refused;

static void free_bytes(void *data, void *hint) {
    (void)hint;
    free(data);
}

/* The number of frames, the size of each, and the bytes. */
static int pair_send(struct hawser_lane *lane, struct hawser_frame *frames, unsigned n) {
    struct pair *p = (struct pair *)lane;
    uint32_t sizes[1 + 2 * HAWSER_MAX_FRAMES] = {n};
    uint8_t packet[PACKET];
    size_t at = (1 + n) * sizeof *sizes;
    if (lane_pair_full) {
        lane_pair_refused++;
        return HAWSER_LANE_FULL;
    }
    bool fits = n <= 2 * HAWSER_MAX_FRAMES;
    for (unsigned i = 0; fits && i < n; i++) {
        sizes[1 + i] = (uint32_t)frames[i].size;
        fits = at + frames[i].size <= sizeof packet;
        if (fits) memcpy(packet + at, frames[i].data, frames[i].size);
        at += frames[i].size;
    }
    if (fits) memcpy(packet, sizes, (1 + n) * sizeof *sizes);
    ssize_t sent = fits ? send(p->fd, packet, at, MSG_DONTWAIT | MSG_NOSIGNAL) : -1;
    if (fits && sent < 0 && (errno == EAGAIN || errno == ENOBUFS)) return HAWSER_LANE_FULL;
    hawser_frames_free(frames, n);
    return sent < 0 ? HAWSER_LANE_CLOSED : HAWSER_LANE_OK;
}

static int unpack(const uint8_t *packet, size_t size, unsigned most, struct hawser_message *out) {
    uint32_t n, each;
    if (size < sizeof n) return HAWSER_LANE_BROKEN;
    memcpy(&n, packet, sizeof n);
    size_t at = (1 + (size_t)n) * sizeof n;
    if (n == 0 || n > most || at > size) return HAWSER_LANE_BROKEN;
    for (uint32_t i = 0; i < n; i++, at += each) {
        memcpy(&each, packet + (1 + i) * sizeof each, sizeof each);
        uint8_t *data = each <= size - at ? malloc(each + 1) : NULL;
        if (!data) return HAWSER_LANE_BROKEN;
        memcpy(data, packet + at, each);
        if (!hawser_message_add(out, (struct hawser_frame){data, each, free_bytes, NULL})) return HAWSER_LANE_BROKEN;
    }
    return HAWSER_LANE_OK;
}

static int pair_recv(struct hawser_lane *lane, struct hawser_message *out) {
    struct pair *p = (struct pair *)lane;
    uint8_t packet[PACKET];
    ssize_t n = recv(p->fd, packet, sizeof packet, MSG_DONTWAIT);
    *out = (struct hawser_message){0};
    if (n < 0) return errno == EAGAIN || errno == EINTR ? HAWSER_LANE_TIMEOUT : HAWSER_LANE_CLOSED;
    if (n == 0) return HAWSER_LANE_CLOSED;
    int status = unpack(packet, (size_t)n, p->max_frames, out);
    if (status != HAWSER_LANE_OK) hawser_message_clear(out);
    return status;
}

static void pair_wait(struct hawser_lane *lane, int timeout_ms) {
    struct pair *p = (struct pair *)lane;
    struct pollfd fds[2] = {{.fd = p->fd, .events = POLLIN}, {.fd = p->wake, .events = POLLIN}};
    eventfd_t drained;
    poll(fds, 2, timeout_ms);
    if (fds[1].revents) eventfd_read(p->wake, &drained);
}

static void pair_wake(struct hawser_lane *lane) {
    eventfd_write(((struct pair *)lane)->wake, 1);
}

static void pair_close(struct hawser_lane *lane) {
    struct pair *p = (struct pair *)lane;
    close(p->fd);
    close(p->wake);
    free(p);
}

static const struct hawser_lane_ops ops = {
    .send = pair_send, .recv = pair_recv, .wait = pair_wait, .wake = pair_wake, .close = pair_close};

/* ---- the host's end ---- */

static struct hawser_lane *lane_of(struct hawser_listener *l) {
    return &((struct pair *)((char *)l - offsetof(struct pair, listener)))->lane;
}

static int listener_recv(struct hawser_listener *l, struct hawser_peer *from, struct hawser_message *out) {
    *from = (struct hawser_peer){.id = "p", .size = 1, .fd = -1};
    return pair_recv(lane_of(l), out);
}

static int listener_send(struct hawser_listener *l, const struct hawser_peer *to, struct hawser_frame *frames,
                         unsigned n) {
    (void)to;
    return pair_send(lane_of(l), frames, n);
}

static bool listener_cut(struct hawser_listener *l, const struct hawser_peer *peer) {
    (void)peer;
    return shutdown(((struct pair *)lane_of(l))->fd, SHUT_RDWR) == 0;
}

static unsigned listener_fds(struct hawser_listener *l, struct pollfd fds[HAWSER_LISTENER_FDS]) {
    fds[0] = (struct pollfd){.fd = ((struct pair *)lane_of(l))->fd, .events = POLLIN};
    return 1;
}

static struct hawser_lane *listener_serve(struct hawser_listener *l, const struct hawser_peer *peer) {
    (void)peer;
    return lane_of(l);
}

static void listener_close(struct hawser_listener *l) {
    pair_close(lane_of(l));
}

static const struct hawser_listener_ops listener_ops = {listener_recv, listener_send,  listener_cut,
                                                        listener_fds,  listener_serve, listener_close};

static struct pair *make(int fd) {
    struct pair *p = calloc(1, sizeof *p);
    *p = (struct pair){.lane = {&ops}, .listener = {&listener_ops}, .fd = fd, .max_frames = HAWSER_MAX_FRAMES};
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return p;
}

static struct hawser_listener *pair_listen(const char *endpoint, const struct hawser_listen_options *options,
                                           char *bound, size_t bound_size, char *err, size_t err_size) {
    int fds[2];
    if (waiting >= 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
        snprintf(err, err_size, "%s is listened to", endpoint);
        return NULL;
    }
    snprintf(bound, bound_size, "%s", endpoint);
    waiting = fds[1];
    struct pair *p = make(fds[0]);
    if (options->max_frames) p->max_frames = options->max_frames;
    return &p->listener;
}

static struct hawser_lane *pair_connect(const char *endpoint, char *err, size_t err_size) {
    if (waiting < 0) {
        snprintf(err, err_size, "nobody listens to %s", endpoint);
        return NULL;
    }
    struct pair *p = make(waiting);
    waiting = -1;
    return &p->lane;
}

const struct hawser_lane_scheme lane_pair = {"pair://", pair_connect, pair_listen};
