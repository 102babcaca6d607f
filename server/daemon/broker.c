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
#include <unistd.h>

#include "control.h"
#include "endpoint.h"
#include "lane.h"
#include "log.h"
#include "protocol.h"
#include "spawn.h"
#include "wire.pb-c.h"

#define MAX_HELLO (64 << 10) /* bytes; more is no greeting */
#define MOST_AT_ONCE 16      /* messages of one worker */
#define HANDSHAKE_MS 3000    /* who has not greeted by then is cut off */

/* A worker, from its start until it has been waited for. */
struct worker_entry {
    struct worker_entry *next;
    pid_t pid;
    int control;           /* -1 once the session has ended */
    unsigned long session; /* its number, for people */
    bool ready;            /* the guest has been told where it listens, or that it does not */
    unsigned listener;     /* by which the guest came */
    struct hawser_peer guest;
    uint8_t token[CONTROL_TOKEN];
    char endpoint[HAWSER_ENDPOINT_MAX];
};

struct broker {
    const struct broker_settings *settings;
    struct hawser_listener *listener[BROKER_MAX_LISTEN];
    struct worker_entry *workers;
    unsigned long started; /* sessions so far */
    int signals;
};

/* ---- answers ---- */

static void answer(struct broker *b, unsigned listener, const struct hawser_peer *to, const Hawser__ToGuest *m) {
    uint8_t buf[4096];
    size_t n = hawser__to_guest__get_packed_size(m);
    if (n > sizeof buf) return;
    hawser__to_guest__pack(m, buf);
    struct hawser_frame f = {.data = buf, .size = n};
    b->listener[listener]->ops->send(b->listener[listener], to, &f, 1);
}

static void refuse(struct broker *b, unsigned listener, const struct hawser_peer *to, const char *reason) {
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    Hawser__Refused refused = HAWSER__REFUSED__INIT;
    refused.reason = (char *)reason;
    m.refused = &refused;
    hawser_log(HAWSER_WARN, "guest refused: %s", reason);
    answer(b, listener, to, &m);
}

/* entry NULL: the answer to a probe. */
static void welcome(struct broker *b, unsigned listener, const struct hawser_peer *to, struct worker_entry *entry) {
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
    answer(b, listener, to, &m);
}

/* ---- workers ---- */

/* The worker's own endpoint: beside the broker's socket file, or another port of the same host. */
static void worker_endpoint(struct broker *b, unsigned listener, char *out, size_t size) {
    const char *e = b->settings->listen[listener];
    const char *colon = strrchr(e, ':');
    if (!strncmp(e, "tcp://", 6))
        snprintf(out, size, "%.*s:*", (int)(colon - e), e);
    else
        snprintf(out, size, "%s.%lu", e, b->started);
}

static void start_worker(struct broker *b, unsigned listener, const struct hawser_peer *from,
                         const Hawser__Hello *hello) {
    char endpoint[HAWSER_ENDPOINT_MAX + 24];
    struct worker_entry *w = calloc(1, sizeof *w);
    if (!w) return refuse(b, listener, from, "the host is out of memory");
    b->started++;
    worker_endpoint(b, listener, endpoint, sizeof endpoint);
    if (getrandom(w->token, sizeof w->token, 0) != sizeof w->token ||
        spawn_worker(b->settings, endpoint, w->token, &w->pid, &w->control) != 0) {
        free(w);
        return refuse(b, listener, from, "the host cannot start a worker process");
    }
    w->session = b->started;
    w->listener = listener;
    w->guest = *from;
    w->next = b->workers;
    b->workers = w;
    hawser_log(HAWSER_INFO, "session %lu: %s (process %u on %s, protocol %u.%u), worker process %d", b->started,
               hello->program, hello->pid, hello->host, hello->protocol_major, hello->protocol_minor, (int)w->pid);
}

static void tell_counts(const struct worker_entry *w, const Control__Counts *c, bool ended) {
    hawser_log(HAWSER_INFO, "session %lu%s: %llu calls served, %llu things, %llu bytes of device memory, %llu at most",
               w->session, ended ? " ended" : "", (unsigned long long)c->calls, (unsigned long long)c->things,
               (unsigned long long)c->memory, (unsigned long long)c->memory_peak);
}

/* A message of the worker's, which may be anything if its guest has taken it over. */
static void hear_message(struct broker *b, struct worker_entry *w, const Control__ToBroker *m) {
    if (m->ready && !w->ready) {
        w->ready = true;
        snprintf(w->endpoint, sizeof w->endpoint, "%s", m->ready->endpoint);
        welcome(b, w->listener, &w->guest, w);
    }
    if (m->counts) tell_counts(w, m->counts, false);
    if (m->ended) tell_counts(w, m->ended, true);
}

static void end_channel(struct broker *b, struct worker_entry *w) {
    if (!w->ready) refuse(b, w->listener, &w->guest, "its worker process could not start; the host's log says why");
    hawser_log(HAWSER_DEBUG, "session %lu has no worker any more", w->session);
    close(w->control);
    w->control = -1;
}

/* What the worker has said; one that never stops holds up no other. The end of the channel is that of its session. */
static void hear_worker(struct broker *b, struct worker_entry *w) {
    for (int i = 0; i < MOST_AT_ONCE; i++) {
        ProtobufCMessage *m = control_receive(w->control, &control__to_broker__descriptor, false);
        if (!m && errno == EAGAIN) return;
        if (!m) return end_channel(b, w);
        hear_message(b, w, (Control__ToBroker *)m);
        protobuf_c_message_free_unpacked(m, NULL);
    }
}

/* The sessions' counts come into the log; with HAWSER_LOG=debug also what they have. */
static void ask_workers(struct broker *b) {
    Control__ToWorker m = CONTROL__TO_WORKER__INIT;
    Control__Report report = CONTROL__REPORT__INIT;
    m.report = &report;
    for (struct worker_entry *w = b->workers; w; w = w->next)
        if (w->control >= 0) control_send(w->control, &m.base);
}

static void bury(struct broker *b, pid_t pid, int status) {
    for (struct worker_entry **p = &b->workers, *w; (w = *p); p = &w->next) {
        if (w->pid != pid) continue;
        *p = w->next;
        if (w->control >= 0) hear_worker(b, w);
        if (w->control >= 0) end_channel(b, w); /* something that it started has the other end */
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

static void cut_off(struct broker *b, unsigned listener, const struct hawser_peer *peer) {
    if (b->listener[listener]->ops->cut(b->listener[listener], peer))
        hawser_log(HAWSER_WARN, "a message that is no greeting: connection closed");
}

static void greet(struct broker *b, unsigned listener, const struct hawser_peer *from,
                  const struct hawser_message *message) {
    Hawser__ToHost *m = hawser__to_host__unpack(NULL, message->frame[0].size, message->frame[0].data);
    if (!m || !m->hello) {
        cut_off(b, listener, from);
    } else if (m->hello->protocol_major != HAWSER_PROTOCOL_MAJOR) {
        char reason[160];
        snprintf(reason, sizeof reason, "this host speaks protocol %d (release %s), the guest %u (release %.32s)",
                 HAWSER_PROTOCOL_MAJOR, HAWSER_VERSION, m->hello->protocol_major, m->hello->version);
        refuse(b, listener, from, reason);
    } else if (m->hello->probe) {
        welcome(b, listener, from, NULL);
    } else {
        start_worker(b, listener, from, m->hello);
    }
    if (m) hawser__to_host__free_unpacked(m, NULL);
}

/* All that guests have sent; a listener is polled only when it says that there is nothing more. */
static void hear_guests(struct broker *b, unsigned listener) {
    struct hawser_peer from;
    struct hawser_message m;
    int status;
    while ((status = b->listener[listener]->ops->recv(b->listener[listener], &from, &m)) == HAWSER_LANE_OK ||
           status == HAWSER_LANE_BROKEN) {
        if (status == HAWSER_LANE_OK)
            greet(b, listener, &from, &m);
        else
            cut_off(b, listener, &from);
        hawser_message_clear(&m);
    }
}

/* ---- the loop ---- */

static int open_listener(struct broker *b, unsigned i) {
    static const struct hawser_listen_options options = {
        .max_frames = 1, .max_frame_size = MAX_HELLO, .handshake_ms = HANDSHAKE_MS};
    const char *endpoint = b->settings->listen[i];
    char err[512], bound[HAWSER_ENDPOINT_MAX];
    struct hawser_endpoint e;
    if (hawser_endpoint_parse(endpoint, &e, err, sizeof err) != 0) {
        hawser_log(HAWSER_ERROR, "%s", err);
        return -1;
    }
    /* A socket file that a killed daemon left behind goes; a living daemon's does not. */
    if (e.kind == HAWSER_IPC && hawser_endpoint_reachable(&e, 200, err, sizeof err) == 0) {
        hawser_log(HAWSER_ERROR, "%s: another server listens there", endpoint);
        return -1;
    }
    b->listener[i] = hawser_lane_listen(endpoint, &options, bound, sizeof bound, err, sizeof err);
    if (!b->listener[i]) hawser_log(HAWSER_ERROR, "%s", err);
    return b->listener[i] ? 0 : -1;
}

/* False when the broker has been told to end. */
static bool hear_signals(struct broker *b) {
    struct signalfd_siginfo info;
    bool go_on = true;
    while (read(b->signals, &info, sizeof info) == sizeof info)
        if (info.ssi_signo == SIGUSR1)
            ask_workers(b);
        else if (info.ssi_signo != SIGCHLD)
            go_on = false;
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        bury(b, pid, status);
    return go_on;
}

/* What the broker waits for: listeners, signals, workers, the end of its lifetime. */
struct watched {
    struct pollfd *fds;
    unsigned n, signals, workers, lifetime;
};

static bool watch(struct broker *b, struct watched *w) {
    const struct broker_settings *s = b->settings;
    unsigned n_workers = 0;
    for (struct worker_entry *e = b->workers; e; e = e->next)
        n_workers += e->control >= 0;
    *w = (struct watched){.fds = calloc(HAWSER_LISTENER_FDS * s->n_listen + n_workers + 2, sizeof *w->fds)};
    if (!w->fds) return false;
    for (unsigned i = 0; i < s->n_listen; i++)
        w->n += b->listener[i]->ops->fds(b->listener[i], &w->fds[w->n]);
    w->signals = w->n++;
    w->fds[w->signals] = (struct pollfd){.fd = b->signals, .events = POLLIN};
    w->lifetime = w->n++;
    w->fds[w->lifetime] = (struct pollfd){.fd = s->lifetime_fd, .events = POLLIN}; /* negative: not watched */
    w->workers = w->n;
    for (struct worker_entry *e = b->workers; e; e = e->next)
        if (e->control >= 0) w->fds[w->n++] = (struct pollfd){.fd = e->control, .events = POLLIN};
    return true;
}

/* False when the broker has been told to end. */
static bool step(struct broker *b) {
    struct watched w;
    bool go_on = true;
    for (unsigned i = 0; i < b->settings->n_listen; i++)
        hear_guests(b, i);
    if (!watch(b, &w)) return true;
    if (poll(w.fds, w.n, -1) > 0) {
        unsigned at = w.workers;
        for (struct worker_entry *e = b->workers; e; e = e->next)
            if (e->control >= 0 && w.fds[at++].revents) hear_worker(b, e);
        /* Signals last: burying frees entries. */
        if (w.fds[w.signals].revents) go_on = hear_signals(b);
        if (w.fds[w.lifetime].revents) go_on = false;
    }
    free(w.fds);
    return go_on;
}

static void end_all(struct broker *b) {
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
    for (unsigned i = 0; i < b->settings->n_listen; i++)
        if (b->listener[i]) b->listener[i]->ops->close(b->listener[i]);
}

int broker_run(const struct broker_settings *s) {
    struct broker b = {.settings = s};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    b.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    int status = b.signals >= 0 ? 0 : 1;
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
