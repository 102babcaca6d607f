#include "trace.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "state.h"

#define SEND_FROM 256      /* timings that wait: then they travel by themselves */
#define MOST_WAITING 65536 /* the device is far behind: further calls go without its share */

/* A context's events count from one whose time on the host's clock is known. */
struct trace_clock {
    struct trace_clock *next;
    CUcontext context;
    uint64_t context_id; /* the guest's number for it */
    CUevent base;
    uint64_t host; /* ns */
};

/* Timings in the order in which their calls ended. */
struct waiting {
    struct waiting *next;
    struct traced traced;
};

struct timings {
    pthread_mutex_t lock; /* guards all below */
    struct trace_clock *clocks;
    struct waiting *first, **last;
    _Atomic unsigned n_waiting;
};

/* ---- a context's clock ---- */

static bool start_clock(const struct cuda_driver *d, struct trace_clock *clock) {
    CUstream stream = NULL;
    if (d->cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING) != CUDA_SUCCESS) return false;
    bool ok = d->cuEventCreate(&clock->base, CU_EVENT_DEFAULT) == CUDA_SUCCESS &&
              d->cuEventRecord(clock->base, stream) == CUDA_SUCCESS && d->cuStreamSynchronize(stream) == CUDA_SUCCESS;
    clock->host = hawser_now_ns();
    d->cuStreamDestroy_v2(stream);
    return ok;
}

/* Under the lock. Of the current context. */
static struct trace_clock *clock_of(struct timings *all, const struct served *call) {
    const struct cuda_driver *d = call->driver;
    CUcontext context;
    if (d->cuCtxGetCurrent(&context) != CUDA_SUCCESS || !context) return NULL;
    for (struct trace_clock *c = all->clocks; c; c = c->next)
        if (c->context == context) return c;
    struct trace_clock *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->context = context;
    c->context_id = call->context;
    if (!start_clock(d, c)) {
        free(c);
        return NULL;
    }
    c->next = all->clocks;
    return all->clocks = c;
}

/* ---- one call ---- */

/* The stream that orders the call. */
static bool find_stream(struct traced *t, const struct hawser_api_function *api, const ProtobufCMessage *args) {
    const struct hawser_field_role *role = api->roles;
    while (role && role->number && !(role->role & HAWSER_ROLE_ORDERS))
        role++;
    if (!role || !role->number) return false;
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(api->request, role->number);
    uint64_t id;
    memcpy(&id, (const char *)args + f->offset, sizeof id);
    return served_handle(t->call, HAWSER_STREAM, id, &t->stream) == CUDA_SUCCESS;
}

static void forget_events(const struct cuda_driver *d, struct traced *t) {
    if (t->before) d->cuEventDestroy_v2(t->before);
    if (t->after) d->cuEventDestroy_v2(t->after);
    t->before = t->after = NULL;
    t->clock = NULL;
}

static void record_before(struct traced *t) {
    const struct cuda_driver *d = t->call->driver;
    struct timings *all = t->call->session->timings;
    pthread_mutex_lock(&all->lock);
    t->clock = clock_of(all, t->call);
    pthread_mutex_unlock(&all->lock);
    if (!t->clock || d->cuEventCreate(&t->before, CU_EVENT_DEFAULT) != CUDA_SUCCESS ||
        d->cuEventCreate(&t->after, CU_EVENT_DEFAULT) != CUDA_SUCCESS ||
        d->cuEventRecord(t->before, t->stream) != CUDA_SUCCESS)
        forget_events(d, t);
}

void trace_start(struct traced *t, struct served *c, const struct hawser_api_function *api,
                 const ProtobufCMessage *args) {
    if (!t->timing.trace) return;
    t->call = c;
    if (api->flags & HAWSER_API_WORK && c->session->timings->n_waiting < MOST_WAITING && find_stream(t, api, args))
        record_before(t);
    t->timing.started = hawser_now_ns();
}

void trace_end(struct traced *t, CUresult result) {
    if (!t->timing.trace) return;
    const struct cuda_driver *d = t->call->driver;
    t->timing.ended = hawser_now_ns();
    t->timing.result = (int32_t)result;
    if (t->clock && (result != CUDA_SUCCESS || d->cuEventRecord(t->after, t->stream) != CUDA_SUCCESS))
        forget_events(d, t);
    struct waiting *w = malloc(sizeof *w);
    if (!w) return forget_events(d, t);
    struct timings *all = t->call->session->timings;
    pthread_mutex_lock(&all->lock);
    *w = (struct waiting){.traced = *t};
    w->traced.call = NULL;
    *all->last = w;
    all->last = &w->next;
    unsigned n = ++all->n_waiting;
    pthread_mutex_unlock(&all->lock);
    if (n % SEND_FROM) return;
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    trace_attach(t->call->session, &m);
    if (m.n_timings) session_send(t->call->session, &m, NULL, 0);
    trace_sent(&m);
}

/* ---- what has become known ---- */

static uint64_t on_host(const struct cuda_driver *d, const struct trace_clock *clock, CUevent event) {
    float ms = 0;
    if (d->cuEventElapsedTime(&ms, clock->base, event) != CUDA_SUCCESS) return 0;
    return clock->host + (uint64_t)((double)ms * 1e6);
}

/* Whether nothing more has to be waited for. */
static bool known(const struct cuda_driver *d, struct traced *t) {
    if (!t->clock) return true;
    CUresult r = d->cuEventQuery(t->after);
    if (r == CUDA_ERROR_NOT_READY) return false;
    if (r == CUDA_SUCCESS) {
        t->timing.device_start = on_host(d, t->clock, t->before);
        t->timing.device_end = on_host(d, t->clock, t->after);
    }
    forget_events(d, t);
    return true;
}

void trace_attach(struct session *session, Hawser__ToGuest *m) {
    struct timings *all = session->timings;
    struct waiting *found = NULL;
    size_t n = 0;
    if (!all->n_waiting) return;
    pthread_mutex_lock(&all->lock);
    for (struct waiting **p = &all->first; *p;) {
        struct waiting *one = *p;
        if (!known(&session->driver, &one->traced)) {
            p = &one->next;
            continue;
        }
        *p = one->next;
        if (!*p) all->last = p;
        one->next = found;
        found = one;
        n++;
    }
    all->n_waiting -= (unsigned)n;
    pthread_mutex_unlock(&all->lock);
    m->timings = n ? calloc(n, sizeof *m->timings) : NULL;
    while (found) {
        struct waiting *one = found;
        found = one->next;
        Hawser__Timing *t = m->timings ? malloc(sizeof *t) : NULL;
        if (t) {
            *t = one->traced.timing;
            m->timings[m->n_timings++] = t;
        }
        free(one);
    }
}

void trace_sent(Hawser__ToGuest *m) {
    for (size_t i = 0; i < m->n_timings; i++)
        free(m->timings[i]);
    free(m->timings);
}

CUresult serve_TraceFlush(struct served *c) {
    enum { MOST = 64 };
    CUcontext contexts[MOST];
    unsigned n = 0;
    struct timings *all = c->session->timings;
    pthread_mutex_lock(&all->lock);
    for (struct trace_clock *clock = all->clocks; clock && n < MOST; clock = clock->next)
        contexts[n++] = clock->context;
    pthread_mutex_unlock(&all->lock);
    for (unsigned i = 0; i < n; i++)
        if (c->driver->cuCtxSetCurrent(contexts[i]) == CUDA_SUCCESS) c->driver->cuCtxSynchronize();
    return CUDA_SUCCESS;
}

/* ---- of the session ---- */

static bool begin(struct session *session) {
    struct timings *all = session->timings = calloc(1, sizeof *all);
    if (!all) return false;
    pthread_mutex_init(&all->lock, NULL);
    all->last = &all->first;
    return true;
}

static void list(struct session *session, session_visit *visit, void *arg) {
    struct timings *all = session->timings;
    pthread_mutex_lock(&all->lock);
    for (struct trace_clock *c = all->clocks; c; c = c->next)
        visit(&(struct session_item){.what = "clock of traced work", .context = c->context_id, .made_by = ""}, arg);
    for (struct waiting *w = all->first; w; w = w->next)
        visit(&(struct session_item){.what = "timing", .id = w->traced.timing.trace, .made_by = ""}, arg);
    pthread_mutex_unlock(&all->lock);
}

/* Its work is done, and its events go with it. */
static void end_context(struct served *c, const struct object *context) {
    struct timings *all = c->session->timings;
    pthread_mutex_lock(&all->lock);
    for (struct waiting *w = all->first; w; w = w->next)
        if (w->traced.clock && w->traced.clock->context == context->handle) known(c->driver, &w->traced);
    for (struct trace_clock **p = &all->clocks; *p; p = &(*p)->next)
        if ((*p)->context == context->handle) {
            struct trace_clock *gone = *p;
            *p = gone->next;
            c->driver->cuEventDestroy_v2(gone->base);
            free(gone);
            break;
        }
    pthread_mutex_unlock(&all->lock);
}

static void end(struct session *session) {
    struct timings *all = session->timings;
    for (struct waiting *w; (w = all->first);) {
        all->first = w->next;
        free(w);
    }
    free(all);
    session->timings = NULL;
}

const struct session_state trace_state = {"trace", begin, list, end_context, end, NULL};
