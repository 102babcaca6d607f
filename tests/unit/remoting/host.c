#include "host.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lane_pair.h"

#define PATIENCE_MS 20000

/* ---- memory ---- */

void *__real_malloc(size_t size);
static _Atomic(size_t) short_size;
static _Atomic(unsigned) short_after;

/* By the linker's --wrap. */
void *__wrap_malloc(size_t size) {
    if (size && size == short_size && short_after-- == 0) {
        short_size = 0;
        return NULL;
    }
    return __real_malloc(size);
}

void host_memory_short(size_t size, unsigned others) {
    short_after = others;
    short_size = size;
}

/* ---- messages ---- */

static struct hawser_frame pack(const Hawser__ToGuest *m, uint8_t *buf, size_t room) {
    size_t size = hawser__to_guest__get_packed_size(m);
    cr_assert_leq(size, room);
    hawser__to_guest__pack(m, buf);
    return (struct hawser_frame){.data = buf, .size = size};
}

int host_send(struct hawser_listener *l, const struct hawser_peer *to, const Hawser__ToGuest *m) {
    uint8_t buf[4096];
    struct hawser_frame f = pack(m, buf, sizeof buf);
    return l->ops->send(l, to, &f, 1);
}

static Hawser__ToHost *unpack(struct hawser_message *m) {
    Hawser__ToHost *h = hawser__to_host__unpack(NULL, m->frame[0].size, m->frame[0].data);
    hawser_message_clear(m);
    return h;
}

Hawser__ToHost *host_receive(struct hawser_listener *l, struct hawser_peer *from) {
    struct hawser_message m;
    int status;
    while ((status = l->ops->recv(l, from, &m)) == HAWSER_LANE_TIMEOUT) {
        struct pollfd fds[HAWSER_LISTENER_FDS];
        if (poll(fds, l->ops->fds(l, fds), PATIENCE_MS) <= 0) return NULL;
    }
    return status == HAWSER_LANE_OK ? unpack(&m) : NULL;
}

struct hawser_listener *host_listen(const char *endpoint, char *bound, size_t size) {
    char err[200];
    const struct hawser_listen_options options = {0};
    struct hawser_listener *l = hawser_lane_listen(endpoint, &options, bound, size, err, sizeof err);
    cr_assert(l, "%s", err);
    return l;
}

/* ---- opening ---- */

struct opening {
    struct host *host;
    struct hawser_listener *broker, *worker;
};

static void *let_in(void *arg) {
    struct opening *o = arg;
    struct hawser_peer guest;
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    Hawser__Welcome welcome = HAWSER__WELCOME__INIT;
    Hawser__ToHost *hello = host_receive(o->broker, &guest);
    welcome.protocol_major = HAWSER_PROTOCOL_MAJOR;
    welcome.protocol_minor = HAWSER_PROTOCOL_MINOR;
    welcome.version = "test";
    welcome.endpoint = "pair://worker";
    m.welcome = &welcome;
    if (!hello || host_send(o->broker, &guest, &m) != HAWSER_LANE_OK) return NULL;
    hawser__to_host__free_unpacked(hello, NULL);
    Hawser__ToHost *open = host_receive(o->worker, &guest);
    m.welcome = NULL;
    m.opened = &o->host->opened;
    if (!open || host_send(o->worker, &guest, &m) != HAWSER_LANE_OK) return NULL;
    hawser__to_host__free_unpacked(open, NULL);
    o->host->lane = o->worker->ops->serve(o->worker, &guest);
    return NULL;
}

void host_open(struct host *h) {
    char endpoint[64], bound[HAWSER_PEER_MAX + 64], err[300] = "";
    Hawser__Opened *told;
    pthread_t t;
    struct opening o = {.host = h};
    hawser_lane_add_scheme(&lane_pair);
    snprintf(endpoint, sizeof endpoint, "ipc:///tmp/hawser-session-%d", getpid());
    o.broker = host_listen(endpoint, bound, sizeof bound);
    o.worker = host_listen("pair://worker", bound, sizeof bound);
    cr_assert_eq(pthread_create(&t, NULL, let_in, &o), 0);
    int rc = hawser_session_open(endpoint, &h->events, &h->session, &told, err, sizeof err);
    pthread_join(t, NULL);
    cr_assert(rc == 0 && h->lane, "%s", err);
    hawser__opened__free_unpacked(told, NULL);
    o.broker->ops->close(o.broker);
    unlink(endpoint + strlen("ipc://"));
}

/* ---- a session ---- */

Hawser__ToHost *host_hear(struct host *h) {
    struct hawser_message m;
    return hawser_lane_recv(h->lane, &m, PATIENCE_MS) == HAWSER_LANE_OK ? unpack(&m) : NULL;
}

void host_say(struct host *h, const Hawser__ToGuest *m, struct hawser_frame *frames, unsigned n) {
    static uint8_t buf[32 << 10];
    struct hawser_frame all[HAWSER_MAX_FRAMES] = {pack(m, buf, sizeof buf)};
    for (unsigned i = 0; i < n; i++)
        all[1 + i] = frames[i];
    cr_assert_eq(hawser_lane_send(h->lane, all, 1 + n), HAWSER_LANE_OK);
}

void host_answer(struct host *h, uint64_t seq, int32_t result, size_t size) {
    static uint8_t bytes[16 << 10], out[sizeof bytes + 32];
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    Hawser__Reply reply = HAWSER__REPLY__INIT, body = HAWSER__REPLY__INIT, *list[] = {&reply};
    body.seq = seq;
    body.out = (ProtobufCBinaryData){size, bytes};
    cr_assert_leq(size, sizeof bytes);
    reply.seq = seq;
    reply.result = result;
    reply.out = (ProtobufCBinaryData){hawser__reply__pack(&body, out), out};
    m.n_replies = 1;
    m.replies = list;
    host_say(h, &m, NULL, 0);
}

void host_close(struct host *h) {
    hawser_lane_close(h->lane);
    h->lane = NULL;
}
