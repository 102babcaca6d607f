/* Events: places in streams, with the time at which they were reached. */
#include "driver.h"

#include <stdlib.h>
#include <time.h>

/* What a record leaves behind; shared by the event and the task that stamps the time. */
struct record {
    int references; /* atomic */
    uint64_t nanoseconds;
};

struct sd_event {
    struct sd_event *next;
    struct sd_context *context;
    unsigned flags;
    struct sd_point point; /* stream NULL: never recorded */
    struct record *record;
    struct sd_shared_event *shared; /* for other processes; the two above are then unused */
};

struct stamp {
    struct sd_task task;
    struct record *record;
};

/* Guards the place and record of every event: several threads may use one event. */
static pthread_mutex_t places = PTHREAD_MUTEX_INITIALIZER;

static void unref_record(struct record *r) {
    if (r && __atomic_sub_fetch(&r->references, 1, __ATOMIC_ACQ_REL) == 0) free(r);
}

static void stamp_run(struct sd_task *t) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    ((struct stamp *)t)->record->nanoseconds = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void stamp_drop(struct sd_task *t) {
    unref_record(((struct stamp *)t)->record);
    free(t);
}

CUresult cuEventCreate(CUevent *phEvent, unsigned int Flags) {
    struct sd_context *c;
    CUresult r = sd_current(&c);
    if (r != CUDA_SUCCESS) return r;
    if (!phEvent || Flags > 7 || (Flags & CU_EVENT_INTERPROCESS && !(Flags & CU_EVENT_DISABLE_TIMING)))
        return CUDA_ERROR_INVALID_VALUE;
    struct sd_shared_event *shared = Flags & CU_EVENT_INTERPROCESS ? sd_shared_event_new() : NULL;
    if (Flags & CU_EVENT_INTERPROCESS && !shared) return CUDA_ERROR_OUT_OF_MEMORY;
    return sd_event_new(c, Flags, shared, phEvent);
}

CUresult sd_event_new(struct sd_context *c, unsigned flags, struct sd_shared_event *shared, CUevent *out) {
    struct sd_event *e = calloc(1, sizeof *e);
    if (!e || !sd_register(SD_EVENT, e)) {
        free(e);
        sd_shared_event_unref(shared);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    e->context = c;
    e->flags = flags;
    e->shared = shared;
    pthread_mutex_lock(&c->lock);
    e->next = c->events;
    c->events = e;
    pthread_mutex_unlock(&c->lock);
    *out = (CUevent)e;
    return CUDA_SUCCESS;
}

struct sd_shared_event *sd_event_shared(CUevent event) {
    return ((struct sd_event *)event)->shared;
}

/* Gives the event another place (stream NULL: none). */
static void set_place(struct sd_event *e, struct sd_point point, struct record *record) {
    pthread_mutex_lock(&places);
    struct sd_point old = e->point;
    struct record *old_record = e->record;
    e->point = point;
    e->record = record;
    pthread_mutex_unlock(&places);
    if (old.stream) sd_stream_unref(old.stream);
    unref_record(old_record);
}

/* The event's place, with a reference to its stream; false when it was never recorded. */
static bool take_place(struct sd_event *e, struct sd_point *p) {
    pthread_mutex_lock(&places);
    *p = e->point;
    if (p->stream) sd_stream_ref(p->stream);
    pthread_mutex_unlock(&places);
    return p->stream != NULL;
}

CUresult cuEventDestroy_v2(CUevent hEvent) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_EVENT, hEvent)) return CUDA_ERROR_INVALID_HANDLE;
    struct sd_event *e = (struct sd_event *)hEvent;
    sd_unregister(e);
    pthread_mutex_lock(&e->context->lock);
    for (struct sd_event **p = &e->context->events; *p; p = &(*p)->next)
        if (*p == e) {
            *p = e->next;
            break;
        }
    pthread_mutex_unlock(&e->context->lock);
    set_place(e, (struct sd_point){0}, NULL);
    sd_shared_event_unref(e->shared);
    free(e);
    return CUDA_SUCCESS;
}

/* Runs before the streams are gone from memory: events hold references to them. */
void sd_events_end(struct sd_context *c) {
    while (c->events)
        cuEventDestroy_v2((CUevent)c->events);
}

CUresult cuEventRecordWithFlags(CUevent hEvent, CUstream hStream, unsigned int flags) {
    struct sd_context *c;
    struct sd_stream *s;
    CUresult r = sd_stream_of(hStream, &c, &s);
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_EVENT, hEvent)) return CUDA_ERROR_INVALID_HANDLE;
    if (flags & ~(unsigned)CU_EVENT_RECORD_EXTERNAL) return CUDA_ERROR_INVALID_VALUE;
    struct sd_event *e = (struct sd_event *)hEvent;
    if (e->context != s->context) return CUDA_ERROR_INVALID_HANDLE;
    if (e->shared) return sd_shared_event_record(e->shared, s);
    struct stamp *t = calloc(1, sizeof *t);
    struct record *record = calloc(1, sizeof *record);
    if (!t || !record) {
        free(t);
        free(record);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    record->references = 2;
    t->record = record;
    t->task.run = stamp_run;
    t->task.drop = stamp_drop;
    struct sd_point at;
    r = sd_enqueue(s, &t->task, &at);
    if (r != CUDA_SUCCESS) {
        unref_record(record);
        return r;
    }
    set_place(e, at, record);
    return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent hEvent, CUstream hStream) {
    return cuEventRecordWithFlags(hEvent, hStream, 0);
}

static CUresult event_of(CUevent hEvent, struct sd_event **e) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!sd_is(SD_EVENT, hEvent)) return CUDA_ERROR_INVALID_HANDLE;
    *e = (struct sd_event *)hEvent;
    return CUDA_SUCCESS;
}

CUresult cuEventQuery(CUevent hEvent) {
    struct sd_event *e;
    CUresult r = event_of(hEvent, &e);
    if (r != CUDA_SUCCESS) return r;
    struct sd_point at;
    bool reached = !e->shared || sd_shared_event_reached(e->shared);
    if (take_place(e, &at)) {
        reached = sd_reached(at);
        sd_stream_unref(at.stream);
    }
    return reached ? sd_context_error(e->context) : CUDA_ERROR_NOT_READY;
}

CUresult cuEventSynchronize(CUevent hEvent) {
    struct sd_event *e;
    CUresult r = event_of(hEvent, &e);
    if (r != CUDA_SUCCESS) return r;
    struct sd_point at;
    if (e->shared) {
        r = sd_shared_event_wait(e->shared);
        return r == CUDA_SUCCESS ? sd_context_error(e->context) : r;
    }
    if (!take_place(e, &at)) return sd_context_error(e->context);
    r = sd_synchronized(sd_wait(at));
    sd_stream_unref(at.stream);
    return r;
}

CUresult cuStreamWaitEvent(CUstream hStream, CUevent hEvent, unsigned int Flags) {
    struct sd_context *c;
    struct sd_stream *s;
    struct sd_event *e;
    CUresult r = sd_stream_of(hStream, &c, &s);
    if (r == CUDA_SUCCESS) r = event_of(hEvent, &e);
    if (r != CUDA_SUCCESS) return r;
    if (Flags & ~(unsigned)CU_EVENT_WAIT_EXTERNAL) return CUDA_ERROR_INVALID_VALUE;
    if (e->shared) return sd_shared_event_before(e->shared, s);
    struct sd_point at;
    if (!take_place(e, &at)) return CUDA_SUCCESS;
    /* Another context's progress wakes no waiter of this one, so that case is waited for here. */
    r = e->context != s->context ? sd_wait(at) : sd_stream_after(s, at);
    sd_stream_unref(at.stream);
    return r;
}

CUresult cuEventElapsedTime_v2(float *pMilliseconds, CUevent hStart, CUevent hEnd) {
    struct sd_event *a, *b;
    CUresult r = event_of(hStart, &a);
    if (r == CUDA_SUCCESS) r = event_of(hEnd, &b);
    if (r != CUDA_SUCCESS) return r;
    if (!pMilliseconds) return CUDA_ERROR_INVALID_VALUE;
    if ((a->flags | b->flags) & CU_EVENT_DISABLE_TIMING) return CUDA_ERROR_INVALID_HANDLE;
    pthread_mutex_lock(&places);
    if (!a->point.stream || !b->point.stream)
        r = CUDA_ERROR_INVALID_HANDLE;
    else if (!sd_reached(a->point) || !sd_reached(b->point))
        r = CUDA_ERROR_NOT_READY;
    else
        *pMilliseconds = (float)((double)(int64_t)(b->record->nanoseconds - a->record->nanoseconds) / 1e6);
    pthread_mutex_unlock(&places);
    return r == CUDA_SUCCESS ? sd_context_error(a->context) : r;
}

/* ---- host functions in a stream ---- */

struct host_call {
    struct sd_task task;
    CUhostFn fn;
    CUstreamCallback callback;
    CUstream stream;
    void *data;
};

static void host_run(struct sd_task *t) {
    struct host_call *h = (struct host_call *)t;
    CUresult status = sd_context_error(t->context);
    hawser_abi_enter_callback();
    if (h->fn)
        h->fn(h->data);
    else
        h->callback(h->stream, status, h->data);
    hawser_abi_leave_callback();
}

static void task_free(struct sd_task *t) {
    free(t);
}

static CUresult host_call(CUstream hStream, CUhostFn fn, CUstreamCallback callback, void *data) {
    struct sd_context *c;
    struct sd_stream *s;
    CUresult r = sd_stream_of(hStream, &c, &s);
    if (r != CUDA_SUCCESS) return r;
    if (!fn && !callback) return CUDA_ERROR_INVALID_VALUE;
    struct host_call *h = calloc(1, sizeof *h);
    if (!h) return CUDA_ERROR_OUT_OF_MEMORY;
    *h = (struct host_call){.task = {.run = host_run, .drop = task_free, .always = callback != NULL},
                            .fn = fn,
                            .callback = callback,
                            .stream = hStream,
                            .data = data};
    return sd_enqueue(s, &h->task, NULL);
}

CUresult cuLaunchHostFunc(CUstream hStream, CUhostFn fn, void *userData) {
    return host_call(hStream, fn, NULL, userData);
}

/* A callback is told of the context's error, so it runs even then. */
CUresult cuStreamAddCallback(CUstream hStream, CUstreamCallback callback, void *userData, unsigned int flags) {
    return flags ? CUDA_ERROR_INVALID_VALUE : host_call(hStream, NULL, callback, userData);
}
