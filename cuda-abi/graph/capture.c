/*
 * Stream capture: which streams are being captured, into which graph, and after which nodes the next one comes.
 * Nothing of it reaches the device.
 */
#include "capture.h"

#include <stdlib.h>
#include <string.h>

int capture_count;

/* The nodes that the next one depends on. */
struct places {
    CUgraphNode *node;
    CUgraphEdgeData *data;
    size_t n;
};

struct capture {
    uint64_t id;
    struct graph *graph;
    bool own_graph; /* made for this capture: goes with it when it fails */
    bool broken;
    CUstreamCaptureMode mode;
    const void *thread; /* that began it */
    CUcontext context;
};

/* A stream that takes part in a capture. The default streams are told apart by context and thread. */
struct captured_stream {
    struct captured_stream *next;
    CUstream stream;
    CUcontext context;
    const void *thread; /* of CU_STREAM_PER_THREAD */
    struct capture *capture;
    bool origin;
    struct places at;
};

/* What an event stands for that was recorded in a captured stream. */
struct captured_event {
    struct captured_event *next;
    CUevent event;
    uint64_t capture; /* id; of one that has ended, the event is of no more use */
    struct places at;
};

static struct captured_stream *streams; /* all under the graph lock */
static struct captured_event *events;
static uint64_t last_capture;
static __thread CUstreamCaptureMode thread_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
static __thread char thread_mark; /* its address names the thread */

/* ---- places ---- */

static void places_free(struct places *p) {
    free(p->node);
    free(p->data);
    *p = (struct places){0};
}

static bool places_add(struct places *p, CUgraphNode node, const CUgraphEdgeData *data) {
    for (size_t i = 0; i < p->n; i++)
        if (p->node[i] == node) return true;
    CUgraphNode *nodes = realloc(p->node, (p->n + 1) * sizeof *nodes);
    if (nodes) p->node = nodes;
    CUgraphEdgeData *all = realloc(p->data, (p->n + 1) * sizeof *all);
    if (all) p->data = all;
    if (!nodes || !all) return false;
    nodes[p->n] = node;
    all[p->n++] = data ? *data : graph_plain_edge;
    return true;
}

static bool places_join(struct places *p, const struct places *more) {
    for (size_t i = 0; i < more->n; i++)
        if (!places_add(p, more->node[i], &more->data[i])) return false;
    return true;
}

/* ---- streams ---- */

/* Layers are asked while there is a captured stream, or an event that stands for a place in a capture. */
static void count(int by) {
    __atomic_add_fetch(&capture_count, by, __ATOMIC_RELAXED);
    if (by > 0)
        hawser_layers_wake();
    else
        hawser_layers_rest();
}

static struct captured_stream named(CUstream s) {
    struct captured_stream key = {.stream = s ? s : hawser_abi_default_stream()};
    if (key.stream == CU_STREAM_LEGACY || key.stream == CU_STREAM_PER_THREAD) cuCtxGetCurrent(&key.context);
    if (key.stream == CU_STREAM_PER_THREAD) key.thread = &thread_mark;
    return key;
}

struct captured_stream *capture_find(CUstream s) {
    struct captured_stream key = named(s);
    for (struct captured_stream *c = streams; c; c = c->next)
        if (c->stream == key.stream && c->context == key.context && c->thread == key.thread) return c;
    return NULL;
}

static struct captured_stream *join(CUstream s, struct capture *capture) {
    struct captured_stream *c = malloc(sizeof *c);
    if (!c) return NULL;
    *c = named(s);
    c->capture = capture;
    c->next = streams;
    streams = c;
    count(1);
    return c;
}

static void leave(struct captured_stream *c) {
    for (struct captured_stream **p = &streams; *p; p = &(*p)->next)
        if (*p == c) {
            *p = c->next;
            break;
        }
    places_free(&c->at);
    free(c);
    count(-1);
}

/* ---- what disturbs a capture ---- */

static CUresult breaks(struct capture *c, CUresult r) {
    c->broken = true;
    return r;
}

CUresult capture_break(struct captured_stream *c, CUresult r) {
    return breaks(c->capture, r);
}

/* A capture on a stream that the legacy default stream would have to wait for. */
static struct capture *blocked_by_legacy(void) {
    CUcontext now = NULL;
    cuCtxGetCurrent(&now);
    for (struct captured_stream *c = streams; c; c = c->next) {
        unsigned flags = 0;
        if (c->capture->context == now && cuStreamGetFlags(c->stream, &flags) == CUDA_SUCCESS &&
            !(flags & CU_STREAM_NON_BLOCKING))
            return c->capture;
    }
    return NULL;
}

/* The capture for which a stream that is not captured, the legacy one, would have to wait; NULL for none. */
static struct capture *in_the_way(CUstream s) {
    return (s ? s : hawser_abi_default_stream()) == CU_STREAM_LEGACY ? blocked_by_legacy() : NULL;
}

bool capture_implicit(CUstream s, CUresult *r) {
    struct capture *c = in_the_way(s);
    if (c) *r = breaks(c, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
    return c != NULL;
}

bool capture_in_context(CUcontext context, CUresult *r) {
    struct captured_stream *c = streams;
    while (c && c->capture->context != context)
        c = c->next;
    if (c) *r = capture_break(c, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    return c != NULL;
}

/* Whether the modes of capture and thread forbid the thread what CUDA cannot vouch for. */
static bool forbids(const struct capture *c) {
    if (c->mode == CU_STREAM_CAPTURE_MODE_RELAXED || thread_mode == CU_STREAM_CAPTURE_MODE_RELAXED) return false;
    return c->thread == &thread_mark ||
           (c->mode == CU_STREAM_CAPTURE_MODE_GLOBAL && thread_mode == CU_STREAM_CAPTURE_MODE_GLOBAL);
}

bool capture_forbids(CUcontext context, CUresult *r) {
    struct captured_stream *c = streams;
    while (c && !(forbids(c->capture) && (!context || c->capture->context == context)))
        c = c->next;
    if (c) *r = capture_break(c, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    return c != NULL;
}

/* ---- nodes ---- */

CUresult capture_append(struct captured_stream *c, const CUgraphNodeParams *p, struct graph_node **out) {
    struct graph_node **from = (struct graph_node **)c->at.node, *made;
    if (c->capture->broken) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    CUresult r = graph_add(c->capture->graph, from, c->at.data, c->at.n, p, &made);
    if (r != CUDA_SUCCESS) return capture_break(c, r);
    places_free(&c->at);
    if (!places_add(&c->at, (CUgraphNode)made, NULL)) return capture_break(c, CUDA_ERROR_OUT_OF_MEMORY);
    if (out) *out = made;
    return CUDA_SUCCESS;
}

/* ---- events ---- */

static struct captured_event *event_named(CUevent event) {
    struct captured_event *e = events;
    while (e && e->event != event)
        e = e->next;
    return e;
}

bool capture_has_event(CUevent event) {
    return event_named(event) != NULL;
}

void capture_forget_event(CUevent event) {
    struct captured_event **p = &events, *e;
    while ((e = *p) && e->event != event)
        p = &e->next;
    if (!e) return;
    *p = e->next;
    places_free(&e->at);
    free(e);
    count(-1);
}

CUresult capture_record(struct captured_stream *c, CUevent event) {
    struct captured_event *e = event_named(event);
    if (c->capture->broken) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (!e) {
        e = calloc(1, sizeof *e);
        if (!e) return CUDA_ERROR_OUT_OF_MEMORY;
        e->event = event;
        e->next = events;
        events = e;
        count(1);
    }
    places_free(&e->at);
    e->capture = c->capture->id;
    return places_join(&e->at, &c->at) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* A stream that waits for an event of a capture joins it. */
CUresult capture_wait(CUstream s, CUevent event) {
    struct captured_stream *c = capture_find(s);
    const struct captured_event *e = event_named(event);
    struct captured_stream *other = streams;
    while (other && other->capture->id != e->capture)
        other = other->next;
    if (!other) return CUDA_ERROR_CAPTURED_EVENT; /* that capture has ended */
    if (c && c->capture != other->capture) {
        other->capture->broken = true;
        return breaks(c->capture, CUDA_ERROR_STREAM_CAPTURE_MERGE);
    }
    if (other->capture->broken) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if ((s ? s : hawser_abi_default_stream()) == CU_STREAM_LEGACY)
        return breaks(other->capture, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
    if (!c) c = join(s, other->capture);
    return c && places_join(&c->at, &e->at) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* ---- beginning and ending ---- */

/* Forgets a capture and all streams in it. */
static void end(struct capture *c) {
    for (struct captured_stream *s = streams, *next; s; s = next) {
        next = s->next;
        if (s->capture == c) leave(s);
    }
    free(c);
}

void capture_stream_gone(CUstream s) {
    struct captured_stream *c = capture_find(s);
    if (c && c->origin) {
        if (c->capture->own_graph) graph_free(c->capture->graph);
        end(c->capture);
    } else if (c) {
        c->stream = (CUstream)c; /* what it did must still be joined; a new stream may get its handle */
    }
}

static CUresult begin(CUstream s, struct graph *into, CUstreamCaptureMode mode) {
    struct captured_stream key = named(s);
    unsigned flags;
    if ((unsigned)mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
    if (key.stream == CU_STREAM_LEGACY) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    CUresult r = cuStreamGetFlags(s, &flags);
    if (r != CUDA_SUCCESS) return r;
    if (capture_find(s)) return CUDA_ERROR_ILLEGAL_STATE;
    struct capture *c = calloc(1, sizeof *c);
    struct captured_stream *origin = c ? join(s, c) : NULL;
    if (!origin) {
        free(c);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    origin->origin = true;
    *c = (struct capture){.id = ++last_capture,
                          .graph = into ? into : graph_new(),
                          .own_graph = !into,
                          .mode = mode,
                          .thread = &thread_mark};
    cuStreamGetCtx(s, &c->context);
    if (c->graph) return CUDA_SUCCESS;
    end(c);
    return CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuStreamBeginCapture_v2(CUstream hStream, CUstreamCaptureMode mode) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    graph_enter();
    r = begin(hStream, NULL, mode);
    graph_leave();
    return r;
}

CUresult cuStreamBeginCapture(CUstream hStream) {
    return cuStreamBeginCapture_v2(hStream, CU_STREAM_CAPTURE_MODE_GLOBAL);
}

CUresult cuStreamBeginCaptureToGraph(CUstream hStream, CUgraph hGraph, const CUgraphNode *dependencies,
                                     const CUgraphEdgeData *dependencyData, size_t numDependencies,
                                     CUstreamCaptureMode mode) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (numDependencies && !dependencies) return CUDA_ERROR_INVALID_VALUE;
    graph_enter();
    struct graph *g = graph_of(hGraph);
    if (!g || g->executable) r = CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < numDependencies && r == CUDA_SUCCESS; i++) {
        struct graph_node *n = graph_node_of(dependencies[i]);
        if (!n || n->graph != g) r = CUDA_ERROR_INVALID_VALUE;
    }
    if (r == CUDA_SUCCESS) r = begin(hStream, g, mode);
    struct captured_stream *c = r == CUDA_SUCCESS ? capture_find(hStream) : NULL;
    for (size_t i = 0; c && i < numDependencies; i++)
        if (!places_add(&c->at, dependencies[i], dependencyData ? &dependencyData[i] : NULL))
            r = breaks(c->capture, CUDA_ERROR_OUT_OF_MEMORY);
    graph_leave();
    return r;
}

/* Whether all that other streams did in the capture has been waited for by its first stream. */
static bool joined(const struct captured_stream *origin) {
    struct graph *g = origin->capture->graph;
    for (struct captured_stream *s = streams; s; s = s->next) {
        if (s->capture != origin->capture || s == origin) continue;
        for (size_t i = 0; i < s->at.n; i++) {
            bool reached = false;
            for (size_t j = 0; j < origin->at.n && !reached; j++)
                reached = graph_reaches(g, (struct graph_node *)s->at.node[i], (struct graph_node *)origin->at.node[j]);
            if (!reached) return false;
        }
    }
    return true;
}

CUresult cuStreamEndCapture(CUstream hStream, CUgraph *phGraph) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    unsigned flags;
    r = cuStreamGetFlags(hStream, &flags);
    if (r != CUDA_SUCCESS) return r;
    if (phGraph) *phGraph = NULL; /* without it, what was captured into a new graph is dropped */
    graph_enter();
    struct captured_stream *s = capture_find(hStream);
    struct capture *c = s ? s->capture : NULL;
    if (!s) {
        r = CUDA_ERROR_ILLEGAL_STATE;
    } else if (!s->origin) {
        r = breaks(c, CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
    } else if (c->mode != CU_STREAM_CAPTURE_MODE_RELAXED && c->thread != &thread_mark) {
        r = CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
    } else {
        if (c->broken)
            r = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        else if (!joined(s))
            r = CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
        if (r == CUDA_SUCCESS && phGraph)
            *phGraph = (CUgraph)c->graph;
        else if (c->own_graph)
            graph_free(c->graph);
        end(c);
    }
    graph_leave();
    return r;
}

/* ---- asking ---- */

CUresult cuStreamGetCaptureInfo_v3(CUstream hStream, CUstreamCaptureStatus *captureStatus_out, cuuint64_t *id_out,
                                   CUgraph *graph_out, const CUgraphNode **dependencies_out,
                                   const CUgraphEdgeData **edgeData_out, size_t *numDependencies_out) {
    unsigned flags;
    if (!captureStatus_out) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = cuStreamGetFlags(hStream, &flags);
    if (r != CUDA_SUCCESS) return r;
    graph_enter();
    struct captured_stream *s = capture_on() ? capture_find(hStream) : NULL;
    if (!s && capture_on() && in_the_way(hStream)) { /* a question breaks nothing */
        graph_leave();
        return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    }
    *captureStatus_out = !s                   ? CU_STREAM_CAPTURE_STATUS_NONE
                         : s->capture->broken ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                              : CU_STREAM_CAPTURE_STATUS_ACTIVE;
    if (*captureStatus_out != CU_STREAM_CAPTURE_STATUS_ACTIVE) s = NULL;
    if (id_out) *id_out = s ? s->capture->id : 0;
    if (graph_out) *graph_out = s ? (CUgraph)s->capture->graph : NULL;
    if (dependencies_out) *dependencies_out = s ? s->at.node : NULL;
    if (numDependencies_out) *numDependencies_out = s ? s->at.n : 0;
    if (edgeData_out) *edgeData_out = s ? s->at.data : NULL;
    for (size_t i = 0; s && !edgeData_out && dependencies_out && i < s->at.n; i++)
        if (memcmp(&s->at.data[i], &graph_plain_edge, sizeof graph_plain_edge)) r = CUDA_ERROR_LOSSY_QUERY;
    graph_leave();
    return r;
}

CUresult cuStreamGetCaptureInfo_v2(CUstream hStream, CUstreamCaptureStatus *captureStatus_out, cuuint64_t *id_out,
                                   CUgraph *graph_out, const CUgraphNode **dependencies_out,
                                   size_t *numDependencies_out) {
    return cuStreamGetCaptureInfo_v3(hStream, captureStatus_out, id_out, graph_out, dependencies_out, NULL,
                                     numDependencies_out);
}

CUresult cuStreamGetCaptureInfo(CUstream hStream, CUstreamCaptureStatus *captureStatus_out, cuuint64_t *id_out) {
    return cuStreamGetCaptureInfo_v3(hStream, captureStatus_out, id_out, NULL, NULL, NULL, NULL);
}

CUresult cuStreamIsCapturing(CUstream hStream, CUstreamCaptureStatus *captureStatus) {
    return cuStreamGetCaptureInfo_v3(hStream, captureStatus, NULL, NULL, NULL, NULL, NULL);
}

CUresult cuStreamUpdateCaptureDependencies_v2(CUstream hStream, CUgraphNode *dependencies,
                                              const CUgraphEdgeData *dependencyData, size_t numDependencies,
                                              unsigned int flags) {
    if (flags > CU_STREAM_SET_CAPTURE_DEPENDENCIES || (numDependencies && !dependencies))
        return CUDA_ERROR_INVALID_VALUE;
    CUresult r = CUDA_SUCCESS;
    graph_enter();
    struct captured_stream *s = capture_find(hStream);
    if (!s) r = CUDA_ERROR_ILLEGAL_STATE;
    for (size_t i = 0; i < numDependencies && r == CUDA_SUCCESS; i++) {
        struct graph_node *n = graph_node_of(dependencies[i]);
        if (!n || n->graph != s->capture->graph) r = CUDA_ERROR_INVALID_VALUE;
    }
    if (r == CUDA_SUCCESS && flags == CU_STREAM_SET_CAPTURE_DEPENDENCIES) places_free(&s->at);
    for (size_t i = 0; i < numDependencies && r == CUDA_SUCCESS; i++)
        if (!places_add(&s->at, dependencies[i], dependencyData ? &dependencyData[i] : NULL))
            r = CUDA_ERROR_OUT_OF_MEMORY;
    graph_leave();
    return r;
}

CUresult cuStreamUpdateCaptureDependencies(CUstream hStream, CUgraphNode *dependencies, size_t numDependencies,
                                           unsigned int flags) {
    return cuStreamUpdateCaptureDependencies_v2(hStream, dependencies, NULL, numDependencies, flags);
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!mode || (unsigned)*mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
    CUstreamCaptureMode before = thread_mode;
    thread_mode = *mode;
    *mode = before;
    return CUDA_SUCCESS;
}
