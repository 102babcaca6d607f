/*
 * Two threads serve a session. The flusher sends a batch of posts soon after the first of them, so that a burst shares
 * one message and a lone launch does not wait for the next call; a call sends the batch itself. The reader takes in
 * what the host sends while no caller does: a thread that waits for its answer receives for itself, and handles on the
 * way what is for others.
 */
#include "session.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "handshake.h"
#include "log.h"

#define BATCH_BYTES ((size_t)64 << 10)
#define BATCH_FRAMES 64
/* So long after a call the reader leaves the lane to callers, who then receive for themselves without being woken by
 * it. */
#define READER_REST_NS 1000000

/* A thread that waits: for the answer to its call, or (seq 0) for credits. */
struct waiter {
    struct waiter *next;
    uint64_t seq;
    pthread_cond_t wake;
    bool done;
    bool lost; /* the answer came, but there was no memory for it */
    int32_t result;
    uint8_t *out; /* malloc'ed copy of Reply.out */
    size_t out_size;
};

struct credit {
    uint64_t granted; /* may be under way; UINT64_MAX: no bound */
    uint64_t sent, taken;
};

struct hawser_session {
    struct hawser_lane *lane;
    struct hawser_session_events events;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work;  /* for the flusher */
    pthread_cond_t rest;  /* for the reader */
    bool gone;
    uint64_t next_seq;
    struct waiter *waiters;
    uint8_t *batch; /* packed ToHost.calls entries */
    size_t batch_size, batch_cap;
    bool flusher_rests; /* until it is told of a batch */
    struct hawser_frame frames[HAWSER_MAX_FRAMES];
    unsigned n_frames; /* frames[0] is kept free for the envelope */
    struct credit calls, bytes;
    bool bulk_only;        /* bytes are of bulk frames alone: so earlier hosts count */
    bool receiving;        /* a thread has the lane's receiving end */
    bool reader_receives;  /* it is the reader */
    bool reader_rests;     /* until it is told, not only for a while */
    uint64_t last_call_ns; /* when a caller gave the receiving end back */
};

/* ---- batches ---- */

/* Under the lock. Sends what has been gathered. */
static void flush(struct hawser_session *s) {
    if (s->batch_size == 0) return;
    s->frames[0] = (struct hawser_frame){.data = s->batch, .size = s->batch_size};
    int status = hawser_lane_send(s->lane, s->frames, s->n_frames);
    if (status == HAWSER_LANE_FULL) return; /* what has been gathered goes with the next; credits bound it */
    if (status != HAWSER_LANE_OK) hawser_log(HAWSER_DEBUG, "a batch could not be sent");
    s->batch_size = 0;
    s->n_frames = 1;
}

/* Under the lock. What has been gathered goes without anything more being done for it. */
static void leave_to_flusher(struct hawser_session *s) {
    if (s->batch_size == 0 || !s->flusher_rests) return;
    s->flusher_rests = false;
    pthread_cond_signal(&s->work);
}

static size_t put_varint(uint8_t *p, uint64_t v) {
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        p[n++] = (uint8_t)(v | 0x80);
    p[n++] = (uint8_t)v;
    return n;
}

static bool reserve(struct hawser_session *s, size_t more) {
    if (s->batch_size + more <= s->batch_cap) return true;
    size_t cap = s->batch_cap ? s->batch_cap : BATCH_BYTES;
    while (cap < s->batch_size + more)
        cap *= 2;
    uint8_t *p = realloc(s->batch, cap);
    if (!p) return false;
    s->batch = p;
    s->batch_cap = cap;
    return true;
}

/* Under the lock. Appends one call: a field of ToHost is its tag, its length and its bytes, so entries
 * can be packed one by one. The args are packed behind a Call without args, as that field's bytes. */
static bool append(struct hawser_session *s, const Hawser__Call *head, const ProtobufCMessage *args, size_t args_size,
                   struct hawser_frame *frames, unsigned n) {
    enum { CALLS_TAG = 3 << 3 | 2, ARGS_TAG = 5 << 3 | 2 };
    size_t head_size = hawser__call__get_packed_size(head);
    uint8_t len[12];
    size_t len_size = put_varint(len, args_size);
    if (!reserve(s, 32 + head_size + args_size)) return false;
    uint8_t *p = s->batch + s->batch_size;
    *p++ = CALLS_TAG;
    p += put_varint(p, head_size + 1 + len_size + args_size);
    p += hawser__call__pack(head, p);
    *p++ = ARGS_TAG;
    memcpy(p, len, len_size);
    p += len_size;
    p += protobuf_c_message_pack(args, p);
    s->batch_size = (size_t)(p - s->batch);
    for (unsigned i = 0; i < n; i++)
        s->frames[s->n_frames++] = frames[i];
    return true;
}

/* ---- receiving ---- */

static bool take_in(struct hawser_session *s, const struct hawser_message *m);

/* Under the lock: no answer will come any more. */
static void end(struct hawser_session *s, int status) {
    hawser_log(HAWSER_ERROR,
               status == HAWSER_LANE_BROKEN ? "the host sent a broken message" : "the host closed the session");
    s->gone = true;
    for (struct waiter *w = s->waiters; w; w = w->next)
        pthread_cond_signal(&w->wake);
    pthread_cond_signal(&s->rest); /* the reader tells the program's side */
    pthread_cond_signal(&s->work);
}

/* Under the lock, which is given up meanwhile: takes in one message, if one comes before the lane is woken. Only one
 * thread does so at a time, so that messages are handled in their order. */
static void receive(struct hawser_session *s) {
    struct hawser_message m;
    s->receiving = true;
    pthread_mutex_unlock(&s->lock);
    int status = hawser_lane_recv(s->lane, &m, -1);
    if (status == HAWSER_LANE_OK) {
        if (!take_in(s, &m)) status = HAWSER_LANE_BROKEN;
        hawser_message_clear(&m);
    }
    pthread_mutex_lock(&s->lock);
    s->receiving = false;
    if (status < 0 && !s->gone) end(s, status);
}

/* Under the lock: a waiter without its answer, or NULL. */
static struct waiter *next_waiter(struct hawser_session *s) {
    struct waiter *w = s->waiters;
    while (w && w->done)
        w = w->next;
    return w;
}

/* Under the lock: the receiving end goes to somebody who waits, else to the reader. */
static void hand_on(struct hawser_session *s) {
    struct waiter *next = next_waiter(s);
    if (s->receiving) return;
    if (next) {
        pthread_cond_signal(&next->wake);
        return;
    }
    s->last_call_ns = hawser_now_ns();
    if (s->reader_rests) pthread_cond_signal(&s->rest);
}

/* Under the lock: until w is done or the host is gone. Who waits receives for itself, unless another thread does
 * already. Cancelling a thread must not take the receiving end with it. */
static void wait_for(struct hawser_session *s, struct waiter *w) {
    int before;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    w->next = s->waiters;
    s->waiters = w;
    while (!w->done && !s->gone) {
        if (!s->receiving) {
            receive(s);
            continue;
        }
        if (s->reader_receives) hawser_lane_wake(s->lane); /* it makes room */
        pthread_cond_wait(&w->wake, &s->lock);
    }
    struct waiter **p = &s->waiters;
    while (*p != w)
        p = &(*p)->next;
    *p = w->next;
    hand_on(s);
    pthread_setcancelstate(before, NULL);
}

/* ---- posts and calls ---- */

/* How much is under way may exceed the credit by the one message that used it up. */
static bool used_up(const struct credit *c) {
    return c->sent - c->taken >= c->granted;
}

/* Under the lock: until the host's credits allow it, as a program waits whose driver's queue is full. */
static void wait_for_credit(struct hawser_session *s, bool post, bool bulk) {
    while (!s->gone && ((post && used_up(&s->calls)) || ((post || bulk) && used_up(&s->bytes)))) {
        struct waiter w = {.wake = PTHREAD_COND_INITIALIZER};
        flush(s);
        wait_for(s, &w);
        pthread_cond_destroy(&w.wake);
    }
}

/* Under the lock: the lane had no room; credits, which lie below what it holds, make that rare. */
static void pause_briefly(struct hawser_session *s) {
    const struct timespec pause = {.tv_nsec = 500000};
    pthread_mutex_unlock(&s->lock);
    nanosleep(&pause, NULL);
    pthread_mutex_lock(&s->lock);
}

/* Under the lock: for so many frames in the batch. */
static void wait_for_frames(struct hawser_session *s, unsigned n) {
    while (!s->gone && s->n_frames + n > BATCH_FRAMES && s->batch_size) {
        flush(s);
        if (s->batch_size) pause_briefly(s);
    }
}

/* Under the lock: the common half of post and call. A call waits for no credit but for its bulk: its thread makes no
 * other before it is answered. */
static int enqueue(struct hawser_session *s, struct hawser_caller who, uint32_t function, uint64_t seq,
                   const ProtobufCMessage *args, struct hawser_frame *frames, unsigned n) {
    Hawser__Call head = HAWSER__CALL__INIT;
    head.function = function;
    head.thread = who.thread;
    head.context = who.context;
    head.trace = who.trace;
    head.seq = seq;
    head.frames = n;
    uint64_t bulk = 0;
    size_t size = protobuf_c_message_get_packed_size(args);
    for (unsigned i = 0; i < n; i++)
        bulk += frames[i].size;
    if (!who.at_once) wait_for_credit(s, seq == 0, bulk != 0);
    wait_for_frames(s, n);
    if (s->gone || !append(s, &head, args, size, frames, n)) {
        hawser_frames_free(frames, n);
        return -1;
    }
    s->calls.sent++;
    s->bytes.sent += s->bulk_only ? bulk : bulk + size;
    return 0;
}

int hawser_session_post(struct hawser_session *s, struct hawser_caller who, uint32_t function,
                        const ProtobufCMessage *args, struct hawser_frame *frames, unsigned n) {
    pthread_mutex_lock(&s->lock);
    int rc = enqueue(s, who, function, 0, args, frames, n);
    if (rc == 0) {
        if (s->batch_size >= BATCH_BYTES || n) flush(s);
        leave_to_flusher(s);
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

int hawser_session_call(struct hawser_session *s, struct hawser_caller who, uint32_t function,
                        const ProtobufCMessage *args, struct hawser_frame *frames, unsigned n,
                        const ProtobufCMessageDescriptor *reply_type, int32_t *result, ProtobufCMessage **reply) {
    struct waiter w = {.wake = PTHREAD_COND_INITIALIZER};
    if (reply) *reply = NULL;
    pthread_mutex_lock(&s->lock);
    w.seq = s->next_seq++;
    int rc = enqueue(s, who, function, w.seq, args, frames, n);
    if (rc == 0) {
        flush(s);
        leave_to_flusher(s); /* where there was no room */
        wait_for(s, &w);
        rc = w.done && !w.lost ? 0 : -1;
    }
    pthread_mutex_unlock(&s->lock);
    pthread_cond_destroy(&w.wake);
    if (rc == 0) {
        *result = w.result;
        if (reply && reply_type && (w.out_size || w.result == 0)) {
            *reply = protobuf_c_message_unpack(reply_type, NULL, w.out_size, w.out);
            if (!*reply) rc = -1;
        }
    }
    free(w.out);
    return rc;
}

bool hawser_session_reserve(struct hawser_session *s, size_t size, struct hawser_frame *out) {
    return hawser_lane_reserve(s->lane, size, out);
}

bool hawser_session_is_gone(struct hawser_session *s) {
    pthread_mutex_lock(&s->lock);
    bool gone = s->gone;
    pthread_mutex_unlock(&s->lock);
    return gone;
}

/* ---- the two threads ---- */

static void *flusher(void *arg) {
    struct hawser_session *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->gone) {
        while (!s->gone && s->batch_size == 0) {
            s->flusher_rests = true;
            pthread_cond_wait(&s->work, &s->lock);
        }
        s->flusher_rests = false;
        flush(s);
        if (s->batch_size && !s->gone) pause_briefly(s);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void answer(struct hawser_session *s, const Hawser__Reply *r) {
    pthread_mutex_lock(&s->lock);
    for (struct waiter *w = s->waiters; w; w = w->next) {
        if (w->seq != r->seq || w->done) continue;
        w->result = r->result;
        w->out = malloc(r->out.len ? r->out.len : 1);
        w->lost = !w->out;
        if (w->out && r->out.len) memcpy(w->out, r->out.data, r->out.len);
        w->out_size = w->out ? r->out.len : 0;
        w->done = true;
        pthread_cond_signal(&w->wake);
        break;
    }
    pthread_mutex_unlock(&s->lock);
}

/* What the host has taken so far, of all that this session has sent. */
static void credit(struct hawser_session *s, const Hawser__ToGuest *g) {
    uint64_t bytes = s->bulk_only ? g->consumed : g->taken_bytes;
    pthread_mutex_lock(&s->lock);
    if (g->taken_calls > s->calls.taken) s->calls.taken = g->taken_calls;
    if (bytes > s->bytes.taken) s->bytes.taken = bytes;
    for (struct waiter *w = s->waiters; w; w = w->next) {
        if (w->seq) continue;
        w->done = true;
        pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&s->lock);
}

/* False when the message makes no sense. */
static bool take_in(struct hawser_session *s, const struct hawser_message *m) {
    Hawser__ToGuest *g = hawser__to_guest__unpack(NULL, m->frame[0].size, m->frame[0].data);
    if (!g) return false;
    bool ok = g->n_pushes == m->n_frames - 1;
    for (size_t i = 0; ok && i < g->n_timings; i++)
        s->events.timing(s->events.user, g->timings[i]);
    for (size_t i = 0; ok && i < g->n_pushes; i++)
        s->events.push(s->events.user, g->pushes[i], m->frame[i + 1].data, m->frame[i + 1].size);
    if (ok && g->output.len) s->events.output(s->events.user, 1, g->output.data, g->output.len);
    if (ok && g->errors.len) s->events.output(s->events.user, 2, g->errors.data, g->errors.len);
    if (ok && (g->consumed || g->taken_calls)) credit(s, g);
    for (size_t i = 0; ok && i < g->n_host_calls; i++)
        s->events.host_call(s->events.user, g->host_calls[i]);
    for (size_t i = 0; ok && i < g->n_notifications; i++)
        s->events.notification(s->events.user, g->notifications[i]);
    for (size_t i = 0; ok && i < g->n_replies; i++)
        answer(s, g->replies[i]);
    hawser__to_guest__free_unpacked(g, NULL);
    return ok;
}

/* Under the lock: callers have the receiving end, or may want it again soon. */
static void rest(struct hawser_session *s) {
    uint64_t until = s->last_call_ns + READER_REST_NS;
    struct timespec t = {.tv_sec = (time_t)(until / 1000000000), .tv_nsec = (long)(until % 1000000000)};
    s->reader_rests = s->receiving || next_waiter(s);
    if (s->reader_rests)
        pthread_cond_wait(&s->rest, &s->lock);
    else
        pthread_cond_timedwait(&s->rest, &s->lock, &t);
    s->reader_rests = false;
}

static void *reader(void *arg) {
    struct hawser_session *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->gone) {
        if (s->receiving || next_waiter(s) || hawser_now_ns() < s->last_call_ns + READER_REST_NS) {
            rest(s);
            continue;
        }
        s->reader_receives = true;
        receive(s);
        s->reader_receives = false;
        struct waiter *next = next_waiter(s);
        if (next) pthread_cond_signal(&next->wake);
    }
    pthread_mutex_unlock(&s->lock);
    if (s->events.gone) s->events.gone(s->events.user);
    return NULL;
}

/* The program's signals are not for these threads. */
static int start_threads(struct hawser_session *s) {
    sigset_t all, before;
    pthread_t t;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&t, NULL, reader, s);
    if (rc == 0) {
        pthread_detach(t);
        rc = pthread_create(&t, NULL, flusher, s);
        if (rc == 0) pthread_detach(t);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static void take_credits(struct hawser_session *s, const Hawser__Opened *host) {
    s->bulk_only = host->credit_calls == 0;
    s->calls.granted = s->bulk_only ? UINT64_MAX : host->credit_calls;
    s->bytes.granted = s->bulk_only ? HAWSER_BULK_WINDOW : host->credit_bytes;
}

int hawser_session_open(const char *endpoint, const struct hawser_session_events *events, struct hawser_session **out,
                        Hawser__Opened **opened, char *err, size_t err_size) {
    struct hawser_session *s = calloc(1, sizeof *s);
    if (!s) {
        snprintf(err, err_size, "out of memory");
        return -1;
    }
    s->events = *events;
    s->next_seq = 1;
    s->n_frames = 1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->rest, &monotonic);
    s->lane = hawser_handshake(endpoint, opened, err, err_size);
    if (!s->lane) {
        free(s);
        return -1;
    }
    take_credits(s, *opened);
    if (start_threads(s) != 0) {
        /* A reader may run already and use s: it stays until the process ends. */
        snprintf(err, err_size, "cannot start the session's threads");
        hawser__opened__free_unpacked(*opened, NULL);
        return -1;
    }
    *out = s;
    return 0;
}
