#include "handshake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "endpoint.h"
#include "environment.h"
#include "log.h"
#include "probe.h"
#include "session.h"

#define GREETED_MS 500
#define RETRY_MS 50
#define CONNECT_MS 3000
#define WELCOME_MS 10000
#define OPENED_MS 60000 /* a real driver's cuInit on a large host takes seconds */

static int send_envelope(struct hawser_lane *lane, const Hawser__ToHost *m) {
    uint8_t buf[1024 + HAWSER_ENVIRONMENT_VALUE];
    size_t size = hawser__to_host__get_packed_size(m);
    if (size > sizeof buf) return HAWSER_LANE_BROKEN;
    hawser__to_host__pack(m, buf);
    struct hawser_frame f = {.data = buf, .size = size};
    return hawser_lane_send(lane, &f, 1);
}

static Hawser__ToGuest *recv_envelope(struct hawser_lane *lane, int timeout_ms) {
    struct hawser_message m;
    if (hawser_lane_recv(lane, &m, timeout_ms) != HAWSER_LANE_OK) return NULL;
    Hawser__ToGuest *g = hawser__to_guest__unpack(NULL, m.frame[0].size, m.frame[0].data);
    hawser_message_clear(&m);
    return g;
}

/* A lane on which a server greets, or to which one listens at least. One that is just starting is waited for. */
static struct hawser_lane *reach_broker(const char *endpoint, unsigned wait_ms, int timeout_ms, char *err,
                                        size_t err_size) {
    const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000};
    uint64_t end = hawser_now_ns() + (uint64_t)wait_ms * 1000000;
    struct hawser_endpoint e;
    if (hawser_endpoint_parse(endpoint, &e, err, err_size) != 0) return NULL;
    for (;;) {
        struct hawser_lane *lane = hawser_lane_connect(endpoint, err, err_size);
        /* ZeroMQ does not tell why nobody answers; a plain connection does. It is tried only then, because a
         * daemon counts it as a guest that speaks nothing. */
        if (!lane || hawser_lane_greeted(lane, GREETED_MS) ||
            hawser_endpoint_reachable(&e, timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS, err, err_size) == 0)
            return lane;
        hawser_lane_close(lane);
        if (hawser_now_ns() >= end) return NULL;
        nanosleep(&pause, NULL);
    }
}

/* The broker's answer with a Welcome in it, or NULL with the reason. */
static Hawser__ToGuest *ask_broker(const char *endpoint, bool probe, unsigned wait_ms, int timeout_ms, char *err,
                                   size_t err_size) {
    struct hawser_lane *lane = reach_broker(endpoint, wait_ms, timeout_ms, err, err_size);
    if (!lane) return NULL;
    Hawser__ToHost m = HAWSER__TO_HOST__INIT;
    Hawser__Hello hello = HAWSER__HELLO__INIT;
    char host[64] = "", program[256] = "";
    gethostname(host, sizeof host - 1);
    snprintf(program, sizeof program, "%s", program_invocation_short_name);
    hello.protocol_major = HAWSER_PROTOCOL_MAJOR;
    hello.protocol_minor = HAWSER_PROTOCOL_MINOR;
    hello.version = HAWSER_VERSION;
    hello.probe = probe;
    hello.pid = (uint32_t)getpid();
    hello.program = program;
    hello.host = host;
    m.hello = &hello;
    Hawser__ToGuest *g = NULL;
    if (send_envelope(lane, &m) == HAWSER_LANE_OK) g = recv_envelope(lane, timeout_ms);
    hawser_lane_close(lane);
    if (g && g->welcome && g->welcome->protocol_major == HAWSER_PROTOCOL_MAJOR) return g;
    if (g && g->refused)
        snprintf(err, err_size, "%s refused: %s", endpoint, g->refused->reason);
    else if (g && g->welcome)
        snprintf(err, err_size, "%s speaks protocol %u (release %s), this is protocol %u (release %s)", endpoint,
                 g->welcome->protocol_major, g->welcome->version, HAWSER_PROTOCOL_MAJOR, HAWSER_VERSION);
    else
        snprintf(err, err_size, "%s: something listens there, but it does not answer as hawserd does", endpoint);
    if (g) hawser__to_guest__free_unpacked(g, NULL);
    return NULL;
}

int hawser_probe(const char *endpoint, unsigned wait_ms, int timeout_ms, bool *software, char *err, size_t err_size) {
    Hawser__ToGuest *g = ask_broker(endpoint, true, wait_ms, timeout_ms, err, err_size);
    if (!g) return -1;
    if (software) *software = g->welcome->software;
    hawser__to_guest__free_unpacked(g, NULL);
    return 0;
}

/* The worker's endpoint as seen from here: for tcp the broker's host with the worker's port. */
static int worker_endpoint(const char *broker, const char *named, char *out, size_t size) {
    if (strncmp(broker, "tcp://", 6) != 0) return snprintf(out, size, "%s", named) < (int)size ? 0 : -1;
    const char *broker_port = strrchr(broker, ':'), *port = strrchr(named, ':');
    if (!broker_port || !port) return -1;
    int n = snprintf(out, size, "%.*s%s", (int)(broker_port - broker), broker, port);
    return n < (int)size ? 0 : -1;
}

struct hawser_lane *hawser_handshake(const char *endpoint, Hawser__Opened **opened, char *err, size_t err_size) {
    Hawser__ToGuest *g = ask_broker(endpoint, false, 0, WELCOME_MS, err, err_size);
    if (!g) return NULL;
    struct hawser_lane *lane = NULL;
    Hawser__ToGuest *answer = NULL;
    char worker[HAWSER_ENDPOINT_MAX];
    if (worker_endpoint(endpoint, g->welcome->endpoint, worker, sizeof worker) != 0) {
        snprintf(err, err_size, "%s named the worker \"%s\"", endpoint, g->welcome->endpoint);
        goto out;
    }
    lane = hawser_lane_connect(worker, err, err_size);
    if (!lane) goto out;
    Hawser__ToHost m = HAWSER__TO_HOST__INIT;
    Hawser__Open open = HAWSER__OPEN__INIT;
    open.protocol_major = HAWSER_PROTOCOL_MAJOR;
    open.protocol_minor = HAWSER_PROTOCOL_MINOR;
    open.token = g->welcome->token;
    char *container = getenv("NVIDIA_VISIBLE_DEVICES");
    if (container && strlen(container) <= HAWSER_ENVIRONMENT_VALUE) open.container_devices = container;
    m.open = &open;
    if (send_envelope(lane, &m) == HAWSER_LANE_OK) answer = recv_envelope(lane, OPENED_MS);
    if (!answer || !answer->opened) {
        snprintf(err, err_size, "%s: the session's worker at %s %s", endpoint, worker,
                 answer && answer->refused ? answer->refused->reason : "does not answer");
        hawser_lane_close(lane);
        lane = NULL;
        goto out;
    }
    *opened = answer->opened;
    answer->opened = NULL; /* now the caller's */
out:
    hawser__to_guest__free_unpacked(g, NULL);
    if (answer) hawser__to_guest__free_unpacked(answer, NULL);
    return lane;
}
