/*
 * Streams are ordered queues, each with a thread of its own that starts with its first task. A task
 * starts when its stream's earlier tasks have ended and when the places in other streams that it must
 * come after have been reached; all ordering rules of CUDA (the legacy default stream, events) come down
 * to such places. One lock per context guards all its queues.
 */
#include "driver.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* A thread's CU_STREAM_PER_THREAD in a context. */
struct sd_thread_stream {
    struct sd_thread_stream *next;
    uint64_t thread; /* a number that no later thread gets */
    struct sd_stream *stream;
};

/* ---- references: under the context's lock ---- */

static void unref(struct sd_stream *s) {
    if (--s->references) return;
    pthread_cond_destroy(&s->work);
    free(s->wait);
    free(s);
}

void sd_stream_ref(struct sd_stream *s) {
    pthread_mutex_lock(&s->context->lock);
    s->references++;
    pthread_mutex_unlock(&s->context->lock);
}

void sd_stream_unref(struct sd_stream *s) {
    struct sd_context *c = s->context;
    pthread_mutex_lock(&c->lock);
    unref(s);
    pthread_mutex_unlock(&c->lock);
}

/* ---- the stream's thread ---- */

/* Under the lock of the task's context. Places in other contexts' streams are read without theirs:
 * "done" only grows, and whoever moves it wakes all contexts' waiters by its own broadcast. */
static bool may_start(const struct sd_task *t) {
    for (unsigned i = 0; i < t->n_after; i++)
        if (__atomic_load_n(&t->after[i].stream->done, __ATOMIC_ACQUIRE) < t->after[i].seq) return false;
    return true;
}

static void *stream_thread(void *arg) {
    struct sd_stream *s = arg;
    struct sd_context *c = s->context;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (!s->head && !s->closing)
            pthread_cond_wait(&s->work, &c->lock);
        if (!s->head) break;
        struct sd_task *t = s->head;
        while (!may_start(t))
            pthread_cond_wait(&c->progress, &c->lock);
        s->head = t->next;
        if (!s->head) s->tail = &s->head;
        bool run = t->always || c->error == CUDA_SUCCESS;
        pthread_mutex_unlock(&c->lock);
        if (run) t->run(t);
        pthread_mutex_lock(&c->lock);
        for (unsigned i = 0; i < t->n_after; i++)
            unref(t->after[i].stream);
        free(t->after);
        __atomic_store_n(&s->done, s->done + 1, __ATOMIC_RELEASE);
        pthread_cond_broadcast(&c->progress);
        pthread_mutex_unlock(&c->lock);
        t->drop(t);
        pthread_mutex_lock(&c->lock);
    }
    unref(s);
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* Under the lock. */
static bool start_thread(struct sd_stream *s) {
    sigset_t all, before;
    if (s->started) return true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    s->started = sg_start_thread(&s->thread, stream_thread, s) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (s->started) {
        pthread_detach(s->thread);
        s->references++;
    }
    return s->started;
}

/* ---- work in a stream's turn ----
 * A task may itself ask its stream for things (graphs with conditional nodes do): they are done there and then,
 * on the stream's thread. */

static __thread struct sd_stream *turn; /* the stream whose turn this thread is in */

struct turn_task {
    struct sd_task task;
    struct sd_stream *stream;
    CUresult (*fn)(void *arg);
    _Alignas(16) char arg[];
};

static void turn_run(struct sd_task *t) {
    struct turn_task *x = (struct turn_task *)t;
    turn = x->stream;
    CUresult r = cuCtxSetCurrent((CUcontext)t->context);
    if (r == CUDA_SUCCESS) r = x->fn(x->arg);
    if (r != CUDA_SUCCESS) sd_context_fail(t->context, r);
    cuCtxSetCurrent(NULL);
    turn = NULL;
}

static void turn_drop(struct sd_task *t) {
    free(t);
}

CUresult hawser_abi_run_in_stream(CUstream stream, CUresult (*fn)(void *arg), const void *arg, size_t size) {
    struct sd_context *c;
    struct sd_stream *s;
    CUresult r = sd_stream_of(stream, &c, &s);
    if (r != CUDA_SUCCESS) return r;
    if (s == turn) return fn((void *)arg);
    struct turn_task *t = calloc(1, sizeof *t + size);
    if (!t) return CUDA_ERROR_OUT_OF_MEMORY;
    t->task.run = turn_run;
    t->task.drop = turn_drop;
    t->task.always = true; /* what fn holds must be given back also in a context that has failed */
    t->stream = s;
    t->fn = fn;
    memcpy(t->arg, arg, size);
    return sd_enqueue(s, &t->task, NULL);
}

int hawser_abi_conditionals(void) {
    return 1;
}

const struct hawser_far_graphs *hawser_abi_far_graphs(void) {
    return NULL;
}

/* ---- enqueueing ---- */

/* In its stream's own turn a task is done at once. Its place is the end of that turn. */
static CUresult run_in_turn(struct sd_stream *s, struct sd_task *t, struct sd_point *at) {
    t->context = s->context;
    CUresult r = t->always ? CUDA_SUCCESS : sd_context_error(s->context);
    if (r == CUDA_SUCCESS) {
        t->run(t);
        r = sd_context_error(s->context);
    }
    t->drop(t);
    if (r == CUDA_SUCCESS && at) {
        sd_stream_ref(s);
        *at = (struct sd_point){s, s->done + 1};
    }
    return r;
}

/* Under the lock. Adds "after p" to a list unless it is reached already. */
static bool add_place(struct sd_point **list, unsigned *n, struct sd_point p) {
    if (__atomic_load_n(&p.stream->done, __ATOMIC_ACQUIRE) >= p.seq) return true;
    struct sd_point *more = realloc(*list, (*n + 1) * sizeof p);
    if (!more) return false;
    *list = more;
    more[(*n)++] = p;
    p.stream->references++;
    return true;
}

/* Under the lock. The legacy stream comes after everything in the context's blocking streams, and they
 * come after it. */
static bool add_legacy_order(struct sd_stream *s, struct sd_task *t) {
    struct sd_context *c = s->context;
    if (s->flags & CU_STREAM_NON_BLOCKING) return true;
    if (!s->legacy)
        return !c->legacy || add_place(&t->after, &t->n_after, (struct sd_point){c->legacy, c->legacy->issued});
    for (struct sd_stream *o = c->streams; o; o = o->next)
        if (o != s && !(o->flags & CU_STREAM_NON_BLOCKING) &&
            !add_place(&t->after, &t->n_after, (struct sd_point){o, o->issued}))
            return false;
    return true;
}

CUresult sd_enqueue(struct sd_stream *s, struct sd_task *t, struct sd_point *at) {
    struct sd_context *c = s->context;
    if (s == turn) return run_in_turn(s, t, at);
    t->context = c;
    t->next = NULL;
    pthread_mutex_lock(&c->lock);
    CUresult r = t->always ? CUDA_SUCCESS : c->error;
    t->after = s->wait;
    t->n_after = s->n_wait;
    s->wait = NULL;
    s->n_wait = 0;
    if (r == CUDA_SUCCESS && (!add_legacy_order(s, t) || !start_thread(s))) r = CUDA_ERROR_OUT_OF_MEMORY;
    if (r == CUDA_SUCCESS) {
        *s->tail = t;
        s->tail = &t->next;
        s->issued++;
        if (at) {
            *at = (struct sd_point){s, s->issued};
            s->references++;
        }
        pthread_cond_signal(&s->work);
    } else {
        for (unsigned i = 0; i < t->n_after; i++)
            unref(t->after[i].stream);
        free(t->after);
    }
    pthread_mutex_unlock(&c->lock);
    if (r != CUDA_SUCCESS) t->drop(t);
    return r;
}

CUresult sd_stream_after(struct sd_stream *s, struct sd_point p) {
    struct sd_context *c = s->context;
    if (s == turn) return sd_wait(p);
    pthread_mutex_lock(&c->lock);
    bool ok = p.stream == s || add_place(&s->wait, &s->n_wait, p);
    pthread_mutex_unlock(&c->lock);
    return ok ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* ---- waiting ---- */

struct sd_point sd_here(struct sd_stream *s) {
    pthread_mutex_lock(&s->context->lock);
    struct sd_point p = {s, s->issued};
    pthread_mutex_unlock(&s->context->lock);
    return p;
}

bool sd_reached(struct sd_point p) {
    return __atomic_load_n(&p.stream->done, __ATOMIC_ACQUIRE) >= p.seq;
}

CUresult sd_wait(struct sd_point p) {
    struct sd_context *c = p.stream->context;
    if (p.stream == turn) return sd_context_error(c);
    pthread_mutex_lock(&c->lock);
    p.stream->references++;
    while (p.stream->done < p.seq)
        pthread_cond_wait(&c->progress, &c->lock);
    unref(p.stream);
    CUresult r = c->error;
    pthread_mutex_unlock(&c->lock);
    return r;
}

CUresult sd_enqueue_and_wait(struct sd_stream *s, struct sd_task *t) {
    struct sd_point at;
    CUresult r = sd_enqueue(s, t, &at);
    if (r != CUDA_SUCCESS) return r;
    r = sd_wait(at);
    sd_stream_unref(s);
    return r;
}

/* Under the lock: everything issued so far in the context. */
static void wait_all_locked(struct sd_context *c) {
    for (bool again = true; again;) {
        again = false;
        for (struct sd_stream *s = c->streams; s && !again; s = s->next)
            if (s->done < s->issued) again = true;
        if (again) pthread_cond_wait(&c->progress, &c->lock);
    }
}

CUresult sd_wait_all(struct sd_context *c) {
    pthread_mutex_lock(&c->lock);
    wait_all_locked(c);
    CUresult r = c->error;
    pthread_mutex_unlock(&c->lock);
    return r;
}

bool sd_idle_for(struct sd_stream *s) {
    struct sd_context *c = s->context;
    if (s == turn) return true;
    pthread_mutex_lock(&c->lock);
    bool idle = s->done == s->issued && !s->n_wait;
    if (!(s->flags & CU_STREAM_NON_BLOCKING))
        for (struct sd_stream *o = c->streams; o && idle; o = o->next)
            if ((s->legacy || o->legacy) && !(o->flags & CU_STREAM_NON_BLOCKING) && o->done < o->issued) idle = false;
    pthread_mutex_unlock(&c->lock);
    return idle;
}

/* ---- making and ending ---- */

struct sd_stream *sd_stream_new(struct sd_context *c, unsigned flags, int priority, bool legacy) {
    static uint64_t last_id; /* under some context's lock: atomic */
    struct sd_stream *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->context = c;
    s->flags = flags;
    s->priority = priority;
    s->legacy = legacy;
    s->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
    s->references = 1;
    s->tail = &s->head;
    pthread_cond_init(&s->work, NULL);
    pthread_mutex_lock(&c->lock);
    s->next = c->streams;
    c->streams = s;
    pthread_mutex_unlock(&c->lock);
    return s;
}

/* Under the lock. What is in the queue is still done; a stream with work stays listed until then. */
static void close_locked(struct sd_stream *s) {
    struct sd_context *c = s->context;
    if (s->closed) return; /* the context's end was faster */
    s->closed = true;
    for (struct sd_stream **p = &c->streams; *p; p = &(*p)->next)
        if (*p == s) {
            *p = s->next;
            break;
        }
    s->closing = true;
    pthread_cond_signal(&s->work);
    unref(s);
}

void sd_stream_close(struct sd_stream *s) {
    struct sd_context *c = s->context;
    pthread_mutex_lock(&c->lock);
    while (s->done < s->issued)
        pthread_cond_wait(&c->progress, &c->lock);
    close_locked(s);
    pthread_mutex_unlock(&c->lock);
}

void sd_streams_end(struct sd_context *c) {
    pthread_mutex_lock(&c->lock);
    wait_all_locked(c);
    while (c->streams) {
        sd_unregister(c->streams);
        close_locked(c->streams);
    }
    c->legacy = NULL;
    while (c->thread_streams) {
        struct sd_thread_stream *t = c->thread_streams;
        c->thread_streams = t->next;
        free(t);
    }
    pthread_mutex_unlock(&c->lock);
}

/* ---- handles ---- */

static uint64_t thread_number(void) {
    static uint64_t last;
    static __thread uint64_t mine;
    if (!mine) mine = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
    return mine;
}

static struct sd_stream *per_thread(struct sd_context *c) {
    uint64_t me = thread_number();
    pthread_mutex_lock(&c->lock);
    struct sd_thread_stream *t = c->thread_streams;
    while (t && t->thread != me)
        t = t->next;
    pthread_mutex_unlock(&c->lock);
    if (t) return t->stream;
    t = calloc(1, sizeof *t);
    if (!t || !(t->stream = sd_stream_new(c, CU_STREAM_DEFAULT, 0, false))) {
        free(t);
        return NULL;
    }
    t->thread = me;
    pthread_mutex_lock(&c->lock);
    t->next = c->thread_streams;
    c->thread_streams = t;
    pthread_mutex_unlock(&c->lock);
    return t->stream;
}

CUresult sd_stream_of(CUstream handle, struct sd_context **context, struct sd_stream **out) {
    CUresult r = sd_current(context);
    if (!handle) handle = hawser_abi_default_stream();
    bool own = handle != CU_STREAM_LEGACY && handle != CU_STREAM_PER_THREAD; /* which knows its context itself */
    if (r == CUDA_ERROR_INVALID_CONTEXT && own && sd_is(SD_STREAM, handle)) {
        *context = ((struct sd_stream *)handle)->context;
        r = CUDA_SUCCESS;
    }
    if (r != CUDA_SUCCESS) return r;
    if (handle == CU_STREAM_LEGACY)
        *out = (*context)->legacy;
    else if (handle == CU_STREAM_PER_THREAD)
        *out = turn ? turn : per_thread(*context);
    else
        *out = sd_is(SD_STREAM, handle) ? (struct sd_stream *)handle : NULL;
    if (!*out) return handle == CU_STREAM_PER_THREAD ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_HANDLE;
    return CUDA_SUCCESS;
}

CUresult cuStreamCreateWithPriority(CUstream *phStream, unsigned int flags, int priority) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!phStream || flags & ~(unsigned)CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
    (void)priority; /* one priority: values outside the range are clamped into it, as CUDA says */
    struct sd_stream *s = sd_stream_new(c, flags, 0, false);
    if (!s) return CUDA_ERROR_OUT_OF_MEMORY;
    if (!sd_register(SD_STREAM, s)) {
        sd_stream_close(s);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *phStream = (CUstream)s;
    return CUDA_SUCCESS;
}

CUresult cuStreamCreate(CUstream *phStream, unsigned int Flags) {
    return cuStreamCreateWithPriority(phStream, Flags, 0);
}

/* The work goes on; resources go when it has ended. */
static void *close_later(void *arg) {
    sd_stream_close(arg);
    sd_stream_unref(arg);
    return NULL;
}

CUresult cuStreamDestroy_v2(CUstream hStream) {
    CUresult r = sd_ready();
    pthread_t t;
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_STREAM, hStream)) return CUDA_ERROR_INVALID_HANDLE;
    struct sd_stream *s = (struct sd_stream *)hStream;
    sd_unregister(s);
    if (sd_reached(sd_here(s))) {
        sd_stream_close(s);
        return CUDA_SUCCESS;
    }
    sd_stream_ref(s); /* the closing thread's */
    if (sg_start_thread(&t, close_later, s) != 0)
        close_later(s);
    else
        pthread_detach(t);
    return CUDA_SUCCESS;
}

CUresult cuStreamQuery(CUstream hStream) {
    struct sd_context *c;
    struct sd_stream *s;
    CUresult r = sd_stream_of(hStream, &c, &s);
    if (r != CUDA_SUCCESS) return r;
    if (!sd_reached(sd_here(s))) return CUDA_ERROR_NOT_READY;
    return sd_context_error(s->context);
}

CUresult cuStreamSynchronize(CUstream hStream) {
    struct sd_context *c;
    struct sd_stream *s;
    CUresult r = sd_stream_of(hStream, &c, &s);
    return r == CUDA_SUCCESS ? sd_synchronized(sd_wait(sd_here(s))) : r;
}

CUresult hawser_front_stream(CUstream handle, struct hawser_stream *out) {
    struct sd_context *c;
    struct sd_stream *s;
    CUresult r = sd_stream_of(handle, &c, &s);
    if (r == CUDA_SUCCESS) *out = (struct hawser_stream){s->flags, s->priority, s->id, (CUcontext)s->context};
    return r;
}
