#include "broker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "endpoint.h"
#include "log.h"
#include "protocol.h"
#include "spawn.h"
#include "wire.pb-c.h"

#define MAX_HELLO (64 << 10) /* bytes; more is no greeting */
#define MAX_IDENTITY 64
#define HANDSHAKE_MS 3000 /* who has not greeted by then is cut off */
#define CUT_MS (HANDSHAKE_MS + 1000) /* how long the end of a connection that was cut off may take */

/* A worker, from its start until it has been waited for. */
struct worker_entry {
    struct worker_entry *next;
    pid_t pid;
    int control;                   /* -1 once the guest has been told */
    unsigned listener;             /* by which the guest came */
    uint8_t identity[MAX_IDENTITY];
    size_t identity_size;
    uint8_t token[SPAWN_TOKEN_SIZE];
    char endpoint[HAWSER_ENDPOINT_MAX];
    size_t endpoint_size;
};

struct broker {
    const struct broker_settings *settings;
    void *context;
    void *socket[BROKER_MAX_LISTEN], *monitor[BROKER_MAX_LISTEN];
    unsigned n_bound; /* listeners that got their endpoint */
    struct worker_entry *workers;
    unsigned long started; /* sessions so far */
    int signals;
    uint8_t cut[256]; /* the connection last cut off, and when */
    size_t cut_size;
    int64_t cut_at;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- answers ---- */

static void answer(struct broker *b, unsigned listener, const uint8_t *identity, size_t size,
                   const Hawser__ToGuest *m)
{
    uint8_t buf[4096];
    size_t n = hawser__to_guest__get_packed_size(m);
    if (n > sizeof buf) return;
    hawser__to_guest__pack(m, buf);
    if (zmq_send(b->socket[listener], identity, size, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        zmq_send(b->socket[listener], buf, n, ZMQ_DONTWAIT);
}

static void refuse(struct broker *b, unsigned listener, const uint8_t *identity, size_t size,
                   const char *reason)
{
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    Hawser__Refused refused = HAWSER__REFUSED__INIT;
    refused.reason = (char *)reason;
    m.refused = &refused;
    hawser_log(HAWSER_WARN, "guest refused: %s", reason);
    answer(b, listener, identity, size, &m);
}

/* entry NULL: the answer to a probe. */
static void welcome(struct broker *b, unsigned listener, const uint8_t *identity, size_t size,
                    struct worker_entry *entry)
{
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    Hawser__Welcome w = HAWSER__WELCOME__INIT;
    w.protocol_major = HAWSER_PROTOCOL_MAJOR;
    w.protocol_minor = HAWSER_PROTOCOL_MINOR;
    w.version = HAWSER_VERSION;
    w.software = b->settings->software;
    if (entry) {
        w.endpoint = entry->endpoint;
        w.token = (ProtobufCBinaryData){sizeof entry->token, entry->token};
    }
    m.welcome = &w;
    answer(b, listener, identity, size, &m);
}

/* ---- workers ---- */

/* The worker's own endpoint: beside the broker's socket file, or another port of the same host. */
static void worker_endpoint(struct broker *b, unsigned listener, char *out, size_t size)
{
    const char *e = b->settings->listen[listener];
    const char *colon = strrchr(e, ':');
    if (!strncmp(e, "tcp://", 6))
        snprintf(out, size, "%.*s:*", (int)(colon - e), e);
    else
        snprintf(out, size, "%s.%lu", e, b->started);
}

static void start_worker(struct broker *b, unsigned listener, const uint8_t *identity, size_t size,
                         const Hawser__Hello *hello)
{
    char endpoint[HAWSER_ENDPOINT_MAX + 24];
    struct worker_entry *w = calloc(1, sizeof *w);
    if (!w) return refuse(b, listener, identity, size, "the host is out of memory");
    b->started++;
    worker_endpoint(b, listener, endpoint, sizeof endpoint);
    if (getrandom(w->token, sizeof w->token, 0) != sizeof w->token ||
        spawn_worker(b->settings, endpoint, w->token, &w->pid, &w->control) != 0) {
        free(w);
        return refuse(b, listener, identity, size, "the host cannot start a worker process");
    }
    w->listener = listener;
    memcpy(w->identity, identity, size);
    w->identity_size = size;
    w->next = b->workers;
    b->workers = w;
    hawser_log(HAWSER_INFO, "session %lu: %s (process %u on %s, protocol %u.%u), worker process %d", b->started,
               hello->program, hello->pid, hello->host, hello->protocol_major, hello->protocol_minor, (int)w->pid);
}

/* Bytes of the worker's endpoint line, or its end before that. */
static void hear_worker(struct broker *b, struct worker_entry *w)
{
    ssize_t n = read(w->control, w->endpoint + w->endpoint_size,
                     sizeof w->endpoint - 1 - w->endpoint_size);
    if (n > 0) {
        w->endpoint_size += (size_t)n;
        char *end = memchr(w->endpoint, '\n', w->endpoint_size);
        if (!end) return;
        *end = 0;
        welcome(b, w->listener, w->identity, w->identity_size, w);
    } else {
        refuse(b, w->listener, w->identity, w->identity_size,
               "its worker process could not start; the host's log says why");
    }
    close(w->control);
    w->control = -1;
}

static void bury(struct broker *b, pid_t pid, int status)
{
    for (struct worker_entry **p = &b->workers, *w; (w = *p); p = &w->next) {
        if (w->pid != pid) continue;
        *p = w->next;
        if (w->control >= 0) hear_worker(b, w); /* answers the guest that waits for it */
        if (!strncmp(w->endpoint, "ipc://", 6)) unlink(w->endpoint + 6);
        if (WIFSIGNALED(status))
            hawser_log(HAWSER_WARN, "worker process %d was ended by signal %d", (int)pid, WTERMSIG(status));
        else
            hawser_log(HAWSER_INFO, "worker process %d ended", (int)pid);
        free(w);
        return;
    }
}

/* ---- greetings ---- */

/* Guests that send what is no greeting are cut off, with one log line: what of the same connection was
 * read already, and the event that its end may cause, say nothing new. */
static void cut_off(struct broker *b, zmq_msg_t *identity, zmq_msg_t *from)
{
    int fd = zmq_msg_get(from, ZMQ_SRCFD);
    size_t size = zmq_msg_size(identity);
    if (fd >= 0) shutdown(fd, SHUT_RDWR);
    b->cut_at = now_ms();
    if (size == b->cut_size && !memcmp(zmq_msg_data(identity), b->cut, size)) return;
    b->cut_size = size <= sizeof b->cut ? size : 0;
    memcpy(b->cut, zmq_msg_data(identity), b->cut_size);
    hawser_log(HAWSER_WARN, "a message that is no greeting: connection closed");
}

static void greet(struct broker *b, unsigned listener, zmq_msg_t *identity, zmq_msg_t *body)
{
    Hawser__ToHost *m = hawser__to_host__unpack(NULL, zmq_msg_size(body), zmq_msg_data(body));
    const uint8_t *id = zmq_msg_data(identity);
    size_t size = zmq_msg_size(identity);
    if (!m || !m->hello || size > MAX_IDENTITY) {
        cut_off(b, identity, body);
    } else if (m->hello->protocol_major != HAWSER_PROTOCOL_MAJOR) {
        char reason[160];
        snprintf(reason, sizeof reason, "this host speaks protocol %d (release %s), the guest %u (release %.32s)",
                 HAWSER_PROTOCOL_MAJOR, HAWSER_VERSION, m->hello->protocol_major, m->hello->version);
        refuse(b, listener, id, size, reason);
    } else if (m->hello->probe) {
        welcome(b, listener, id, size, NULL);
    } else {
        start_worker(b, listener, id, size, m->hello);
    }
    if (m) hawser__to_host__free_unpacked(m, NULL);
}

/* One message from a listener; false when none waits. */
static bool hear_guest(struct broker *b, unsigned listener)
{
    zmq_msg_t parts[2], part;
    unsigned n = 0;
    bool more = true;
    zmq_msg_init(&parts[0]);
    zmq_msg_init(&parts[1]);
    while (more) {
        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, b->socket[listener], ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&part);
            break;
        }
        more = zmq_msg_more(&part);
        if (n < 2) zmq_msg_move(&parts[n], &part);
        zmq_msg_close(&part);
        n++;
    }
    if (n == 2)
        greet(b, listener, &parts[0], &parts[1]);
    else if (n > 0)
        cut_off(b, &parts[0], &parts[n > 1]);
    zmq_msg_close(&parts[0]);
    zmq_msg_close(&parts[1]);
    return n > 0;
}

/* The monitor tells of peers that do not even speak ZeroMQ. */
static void hear_monitor(struct broker *b, unsigned listener)
{
    zmq_msg_t event, address;
    zmq_msg_init(&event);
    zmq_msg_init(&address);
    while (zmq_msg_recv(&event, b->monitor[listener], ZMQ_DONTWAIT) >= 0) {
        if (zmq_msg_more(&event)) zmq_msg_recv(&address, b->monitor[listener], 0);
        hawser_log(now_ms() - b->cut_at < CUT_MS ? HAWSER_DEBUG : HAWSER_WARN,
                   "%s: a peer that does not speak ZeroMQ: connection closed",
                   b->settings->listen[listener]);
    }
    zmq_msg_close(&event);
    zmq_msg_close(&address);
}

/* ---- the loop ---- */

static int open_listener(struct broker *b, unsigned i)
{
    const char *endpoint = b->settings->listen[i];
    char name[32], err[256];
    struct hawser_endpoint e;
    int64_t max_size = MAX_HELLO;
    int one = 1, zero = 0, handshake_ms = HANDSHAKE_MS;
    if (hawser_endpoint_parse(endpoint, &e, err, sizeof err) != 0) {
        hawser_log(HAWSER_ERROR, "%s", err);
        return -1;
    }
    /* A socket file that a killed daemon left behind goes; a living daemon's does not. */
    if (e.kind == HAWSER_IPC && hawser_endpoint_reachable(&e, 200, err, sizeof err) == 0) {
        hawser_log(HAWSER_ERROR, "%s: another server listens there", endpoint);
        return -1;
    }
    b->socket[i] = zmq_socket(b->context, ZMQ_ROUTER);
    b->monitor[i] = zmq_socket(b->context, ZMQ_PAIR);
    if (!b->socket[i] || !b->monitor[i]) return -1;
    zmq_setsockopt(b->socket[i], ZMQ_MAXMSGSIZE, &max_size, sizeof max_size);
    zmq_setsockopt(b->socket[i], ZMQ_ROUTER_MANDATORY, &one, sizeof one);
    zmq_setsockopt(b->socket[i], ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(b->socket[i], ZMQ_HANDSHAKE_IVL, &handshake_ms, sizeof handshake_ms);
    zmq_setsockopt(b->socket[i], ZMQ_IPV6, &one, sizeof one);
    snprintf(name, sizeof name, "inproc://monitor-%u", i);
    zmq_socket_monitor(b->socket[i], name,
                       ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
    zmq_connect(b->monitor[i], name);
    if (zmq_bind(b->socket[i], endpoint) != 0) {
        hawser_log(HAWSER_ERROR, "cannot listen on %s: %s", endpoint, zmq_strerror(errno));
        return -1;
    }
    b->n_bound++;
    return 0;
}

/* False when the broker has been told to end. */
static bool hear_signals(struct broker *b)
{
    struct signalfd_siginfo info;
    bool go_on = true;
    while (read(b->signals, &info, sizeof info) == sizeof info)
        if (info.ssi_signo != SIGCHLD) go_on = false;
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        bury(b, pid, status);
    return go_on;
}

static bool step(struct broker *b)
{
    const struct broker_settings *s = b->settings;
    unsigned n_workers = 0, n = 0;
    for (struct worker_entry *w = b->workers; w; w = w->next)
        n_workers += w->control >= 0;
    zmq_pollitem_t *items = calloc(2 * s->n_listen + 2 + n_workers, sizeof *items);
    struct worker_entry **waiting = calloc(n_workers + 1, sizeof *waiting);
    if (!items || !waiting) {
        free(items);
        free(waiting);
        return true;
    }
    for (unsigned i = 0; i < s->n_listen; i++) {
        items[n++] = (zmq_pollitem_t){.socket = b->socket[i], .events = ZMQ_POLLIN};
        items[n++] = (zmq_pollitem_t){.socket = b->monitor[i], .events = ZMQ_POLLIN};
    }
    items[n++] = (zmq_pollitem_t){.fd = b->signals, .events = ZMQ_POLLIN};
    unsigned first_worker = n;
    for (struct worker_entry *w = b->workers; w; w = w->next)
        if (w->control >= 0) {
            waiting[n - first_worker] = w;
            items[n++] = (zmq_pollitem_t){.fd = w->control, .events = ZMQ_POLLIN};
        }
    if (s->lifetime_fd >= 0) items[n++] = (zmq_pollitem_t){.fd = s->lifetime_fd, .events = ZMQ_POLLIN};
    bool go_on = true;
    if (zmq_poll(items, (int)n, -1) > 0) {
        for (unsigned i = 0; i < s->n_listen; i++) {
            if (items[2 * i].revents)
                while (hear_guest(b, i))
                    ;
            if (items[2 * i + 1].revents) hear_monitor(b, i);
        }
        for (unsigned i = 0; i < n_workers; i++)
            if (items[first_worker + i].revents) hear_worker(b, waiting[i]);
        /* Signals last: burying frees entries that "waiting" names. */
        if (items[first_worker - 1].revents) go_on = hear_signals(b);
        if (s->lifetime_fd >= 0 && items[n - 1].revents) go_on = false;
    }
    free(items);
    free(waiting);
    return go_on;
}

static void end_all(struct broker *b)
{
    for (struct worker_entry *w = b->workers; w; w = w->next)
        kill(w->pid, SIGKILL);
    while (b->workers) {
        int status;
        pid_t pid = waitpid(-1, &status, 0);
        if (pid < 0 && errno != EINTR) break;
        if (pid > 0) {
            hawser_log(HAWSER_DEBUG, "worker process %d ended with the daemon", (int)pid);
            for (struct worker_entry **p = &b->workers, *w; (w = *p); p = &w->next)
                if (w->pid == pid) {
                    *p = w->next;
                    if (!strncmp(w->endpoint, "ipc://", 6)) unlink(w->endpoint + 6);
                    free(w);
                    break;
                }
        }
    }
    for (unsigned i = 0; i < b->settings->n_listen; i++) {
        if (b->monitor[i]) zmq_close(b->monitor[i]);
        if (b->socket[i]) zmq_close(b->socket[i]);
    }
    zmq_ctx_term(b->context);
    /* libzmq leaves the files of its ipc sockets behind. */
    for (unsigned i = 0; i < b->n_bound; i++)
        if (!strncmp(b->settings->listen[i], "ipc://", 6)) unlink(b->settings->listen[i] + 6);
}

int broker_run(const struct broker_settings *s)
{
    struct broker b = {.settings = s, .cut_at = INT64_MIN / 2};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    b.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    b.context = zmq_ctx_new();
    int status = b.context && b.signals >= 0 ? 0 : 1;
    for (unsigned i = 0; i < s->n_listen && status == 0; i++)
        if (open_listener(&b, i) != 0) status = 1;
    if (status == 0) {
        for (unsigned i = 0; i < s->n_listen; i++)
            hawser_log(HAWSER_INFO, "listening on %s", s->listen[i]);
        if (s->ready_fd >= 0) dprintf(s->ready_fd, "ready %s\n", s->listen[0]);
    }
    if (s->ready_fd >= 0) close(s->ready_fd);
    while (status == 0 && step(&b))
        ;
    end_all(&b);
    return status;
}
