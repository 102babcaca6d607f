/*
 * Two threads serve a session: the reader takes in what the host sends, the flusher sends a batch of
 * posts soon after the first of them, so that a burst shares one message and a lone launch does not
 * wait for the next call. A call sends the batch itself.
 */
#include "session.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "handshake.h"
#include "log.h"

#define BATCH_BYTES ((size_t)64 << 10)
#define BATCH_FRAMES 64

struct waiter {
    struct waiter *next;
    uint64_t seq;
    pthread_cond_t done;
    bool answered;
    int32_t result;
    uint8_t *out; /* malloc'ed copy of Reply.out */
    size_t out_size;
};

struct hawser_session {
    struct hawser_lane *lane;
    struct hawser_session_events events;
    pthread_mutex_t lock;        /* guards all below */
    pthread_cond_t work;         /* for the flusher */
    pthread_cond_t room;         /* for posts that wait for the bulk window */
    bool gone;
    uint64_t next_seq;
    struct waiter *waiters;
    uint8_t *batch;              /* packed ToHost.calls entries */
    size_t batch_size, batch_cap;
    struct hawser_frame frames[HAWSER_MAX_FRAMES];
    unsigned n_frames;           /* frames[0] is kept free for the envelope */
    uint64_t bulk_posted, bulk_consumed;
};

/* ---- batches ---- */

/* Under the lock. Sends what has been gathered. */
static void flush(struct hawser_session *s)
{
    if (s->batch_size == 0) return;
    s->frames[0] = (struct hawser_frame){.data = s->batch, .size = s->batch_size};
    if (hawser_lane_send(s->lane, s->frames, s->n_frames) != HAWSER_LANE_OK)
        hawser_log(HAWSER_DEBUG, "a batch could not be sent");
    s->batch_size = 0;
    s->n_frames = 1;
}

static size_t put_varint(uint8_t *p, uint64_t v)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        p[n++] = (uint8_t)(v | 0x80);
    p[n++] = (uint8_t)v;
    return n;
}

static bool reserve(struct hawser_session *s, size_t more)
{
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
static bool append(struct hawser_session *s, const Hawser__Call *head, const ProtobufCMessage *args,
                   struct hawser_frame *frames, unsigned n)
{
    enum { CALLS_TAG = 3 << 3 | 2, ARGS_TAG = 5 << 3 | 2 };
    size_t head_size = hawser__call__get_packed_size(head);
    size_t args_size = protobuf_c_message_get_packed_size(args);
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

/* Under the lock: the common half of post and call. */
static int enqueue(struct hawser_session *s, struct hawser_caller who, uint32_t function,
                   uint64_t seq, const ProtobufCMessage *args, struct hawser_frame *frames,
                   unsigned n)
{
    Hawser__Call head = HAWSER__CALL__INIT;
    head.function = function;
    head.thread = who.thread;
    head.context = who.context;
    head.trace = who.trace;
    head.seq = seq;
    head.frames = n;
    uint64_t bulk = 0;
    for (unsigned i = 0; i < n; i++)
        bulk += frames[i].size;
    while (!s->gone && bulk && s->bulk_posted - s->bulk_consumed > HAWSER_BULK_WINDOW) {
        flush(s);
        pthread_cond_wait(&s->room, &s->lock);
    }
    if (!s->gone && s->n_frames + n > BATCH_FRAMES) flush(s);
    if (s->gone || !append(s, &head, args, frames, n)) {
        hawser_frames_free(frames, n);
        return -1;
    }
    s->bulk_posted += bulk;
    return 0;
}

int hawser_session_post(struct hawser_session *s, struct hawser_caller who, uint32_t function,
                        const ProtobufCMessage *args, struct hawser_frame *frames, unsigned n)
{
    pthread_mutex_lock(&s->lock);
    bool first = s->batch_size == 0;
    int rc = enqueue(s, who, function, 0, args, frames, n);
    if (rc == 0) {
        if (s->batch_size >= BATCH_BYTES || n)
            flush(s);
        else if (first)
            pthread_cond_signal(&s->work);
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

int hawser_session_call(struct hawser_session *s, struct hawser_caller who, uint32_t function,
                        const ProtobufCMessage *args, struct hawser_frame *frames, unsigned n,
                        const ProtobufCMessageDescriptor *reply_type, int32_t *result,
                        ProtobufCMessage **reply)
{
    struct waiter w = {.done = PTHREAD_COND_INITIALIZER};
    if (reply) *reply = NULL;
    pthread_mutex_lock(&s->lock);
    w.seq = s->next_seq++;
    int rc = enqueue(s, who, function, w.seq, args, frames, n);
    if (rc == 0) {
        w.next = s->waiters;
        s->waiters = &w;
        flush(s);
        while (!w.answered && !s->gone)
            pthread_cond_wait(&w.done, &s->lock);
        for (struct waiter **p = &s->waiters; *p; p = &(*p)->next)
            if (*p == &w) {
                *p = w.next;
                break;
            }
        rc = w.answered ? 0 : -1;
    }
    pthread_mutex_unlock(&s->lock);
    pthread_cond_destroy(&w.done);
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

bool hawser_session_is_gone(struct hawser_session *s)
{
    pthread_mutex_lock(&s->lock);
    bool gone = s->gone;
    pthread_mutex_unlock(&s->lock);
    return gone;
}

/* ---- the two threads ---- */

static void *flusher(void *arg)
{
    struct hawser_session *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->gone) {
        while (!s->gone && s->batch_size == 0)
            pthread_cond_wait(&s->work, &s->lock);
        flush(s);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void answer(struct hawser_session *s, const Hawser__Reply *r)
{
    pthread_mutex_lock(&s->lock);
    for (struct waiter *w = s->waiters; w; w = w->next) {
        if (w->seq != r->seq || w->answered) continue;
        w->result = r->result;
        w->out = malloc(r->out.len ? r->out.len : 1);
        if (w->out) {
            if (r->out.len) memcpy(w->out, r->out.data, r->out.len);
            w->out_size = r->out.len;
            w->answered = true;
        }
        pthread_cond_signal(&w->done);
        break;
    }
    pthread_mutex_unlock(&s->lock);
}

/* False when the message makes no sense. */
static bool take_in(struct hawser_session *s, const struct hawser_message *m)
{
    Hawser__ToGuest *g = hawser__to_guest__unpack(NULL, m->frame[0].size, m->frame[0].data);
    if (!g) return false;
    bool ok = g->n_pushes == m->n_frames - 1;
    for (size_t i = 0; ok && i < g->n_timings; i++)
        s->events.timing(s->events.user, g->timings[i]);
    for (size_t i = 0; ok && i < g->n_pushes; i++)
        s->events.push(s->events.user, g->pushes[i], m->frame[i + 1].data, m->frame[i + 1].size);
    if (ok && g->output.len) s->events.output(s->events.user, 1, g->output.data, g->output.len);
    if (ok && g->errors.len) s->events.output(s->events.user, 2, g->errors.data, g->errors.len);
    if (ok && g->consumed) {
        pthread_mutex_lock(&s->lock);
        s->bulk_consumed = g->consumed;
        pthread_cond_broadcast(&s->room);
        pthread_mutex_unlock(&s->lock);
    }
    for (size_t i = 0; ok && i < g->n_host_calls; i++)
        s->events.host_call(s->events.user, g->host_calls[i]);
    for (size_t i = 0; ok && i < g->n_notifications; i++)
        s->events.notification(s->events.user, g->notifications[i]);
    for (size_t i = 0; ok && i < g->n_replies; i++)
        answer(s, g->replies[i]);
    hawser__to_guest__free_unpacked(g, NULL);
    return ok;
}

static void *reader(void *arg)
{
    struct hawser_session *s = arg;
    struct hawser_message m;
    int status;
    while ((status = hawser_lane_recv(s->lane, &m, -1)) == HAWSER_LANE_OK) {
        bool ok = take_in(s, &m);
        hawser_message_clear(&m);
        if (!ok) {
            status = HAWSER_LANE_BROKEN;
            break;
        }
    }
    hawser_log(HAWSER_ERROR, status == HAWSER_LANE_BROKEN ? "the host sent a broken message"
                                                           : "the host closed the session");
    pthread_mutex_lock(&s->lock);
    s->gone = true;
    for (struct waiter *w = s->waiters; w; w = w->next)
        pthread_cond_signal(&w->done);
    pthread_cond_broadcast(&s->room);
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    if (s->events.gone) s->events.gone(s->events.user);
    return NULL;
}

/* The program's signals are not for these threads. */
static int start_threads(struct hawser_session *s)
{
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

int hawser_session_open(const char *endpoint, const struct hawser_session_events *events,
                        struct hawser_session **out, Hawser__Opened **opened, char *err,
                        size_t err_size)
{
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
    pthread_cond_init(&s->room, NULL);
    s->lane = hawser_handshake(endpoint, opened, err, err_size);
    if (!s->lane) {
        free(s);
        return -1;
    }
    if (start_threads(s) != 0) {
        /* A reader may run already and use s: it stays until the process ends. */
        snprintf(err, err_size, "cannot start the session's threads");
        hawser__opened__free_unpacked(*opened, NULL);
        return -1;
    }
    *out = s;
    return 0;
}
