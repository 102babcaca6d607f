/*
 * Stream capture: which streams are being captured, into which graph, and after which nodes the next one comes.
 * Nothing of it reaches the device.
 */
#include "capture.h"

#include <stdlib.h>
#include <string.h>

#include "../composed/host_pools.h"
#include "graph.h"

int hawser_capture_count;

/* The nodes that the next one depends on. */
struct places {
    CUgraphNode *node;
    CUgraphEdgeData *data;
    size_t n;
};

struct capture {
    uint64_t id;
    struct graph *graph;
    bool own_graph;          /* made for this capture: goes with it when it fails */
    bool broken;
    CUstreamCaptureMode mode;
    const void *thread;      /* that began it */
    CUcontext context;
};

/* A stream that takes part in a capture. The default streams are told apart by context and thread. */
struct captured_stream {
    struct captured_stream *next;
    CUstream stream;
    CUcontext context;
    const void *thread;      /* of CU_STREAM_PER_THREAD */
    struct capture *capture;
    bool origin;
    struct places at;
};

/* What an event stands for that was recorded in a captured stream. */
struct captured_event {
    struct captured_event *next;
    CUevent event;
    uint64_t capture;        /* id; of one that has ended, the event is of no more use */
    struct places at;
};

static struct captured_stream *streams; /* all under the graph lock */
static struct captured_event *events;
static uint64_t last_capture;
static __thread CUstreamCaptureMode thread_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
static __thread char thread_mark; /* its address names the thread */

/* ---- places ---- */

static void places_free(struct places *p)
{
    free(p->node);
    free(p->data);
    *p = (struct places){0};
}

static bool places_add(struct places *p, CUgraphNode node, const CUgraphEdgeData *data)
{
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

static bool places_join(struct places *p, const struct places *more)
{
    for (size_t i = 0; i < more->n; i++)
        if (!places_add(p, more->node[i], &more->data[i])) return false;
    return true;
}

/* ---- streams ---- */

static struct captured_stream named(CUstream s)
{
    struct captured_stream key = {.stream = s ? s : hawser_abi_default_stream()};
    if (key.stream == CU_STREAM_LEGACY || key.stream == CU_STREAM_PER_THREAD) cuCtxGetCurrent(&key.context);
    if (key.stream == CU_STREAM_PER_THREAD) key.thread = &thread_mark;
    return key;
}

static struct captured_stream *captured(CUstream s)
{
    struct captured_stream key = named(s);
    for (struct captured_stream *c = streams; c; c = c->next)
        if (c->stream == key.stream && c->context == key.context && c->thread == key.thread) return c;
    return NULL;
}

static struct captured_stream *join(CUstream s, struct capture *capture)
{
    struct captured_stream *c = malloc(sizeof *c);
    if (!c) return NULL;
    *c = named(s);
    c->capture = capture;
    c->next = streams;
    streams = c;
    __atomic_add_fetch(&hawser_capture_count, 1, __ATOMIC_RELAXED);
    return c;
}

static void leave(struct captured_stream *c)
{
    for (struct captured_stream **p = &streams; *p; p = &(*p)->next)
        if (*p == c) {
            *p = c->next;
            break;
        }
    places_free(&c->at);
    free(c);
    __atomic_sub_fetch(&hawser_capture_count, 1, __ATOMIC_RELAXED);
}

/* ---- what disturbs a capture ---- */

static CUresult breaks(struct capture *c, CUresult r)
{
    c->broken = true;
    return r;
}

/* A capture on a stream that the legacy default stream would have to wait for. */
static struct capture *blocked_by_legacy(void)
{
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
static struct capture *in_the_way(CUstream s)
{
    return (s ? s : hawser_abi_default_stream()) == CU_STREAM_LEGACY ? blocked_by_legacy() : NULL;
}

/* Work there is refused. */
static bool outside(CUstream s, CUresult *r)
{
    struct capture *c = in_the_way(s);
    if (c) *r = breaks(c, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
    return c != NULL;
}

bool hawser_capture_waits(CUstream stream, CUresult *r)
{
    graph_enter();
    struct captured_stream *c = captured(stream);
    bool done = c ? (*r = breaks(c->capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED), true) : outside(stream, r);
    graph_leave();
    return done;
}

bool hawser_capture_refused(CUstream stream, CUresult *r)
{
    return hawser_capture_waits(stream, r);
}

bool hawser_capture_implicit(CUresult *r)
{
    return hawser_capture_waits(NULL, r);
}

bool hawser_capture_context(CUresult *r)
{
    CUcontext now = NULL;
    graph_enter();
    cuCtxGetCurrent(&now);
    struct captured_stream *c = streams;
    while (c && c->capture->context != now)
        c = c->next;
    if (c) *r = breaks(c->capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    graph_leave();
    return c != NULL;
}

/* Calls that CUDA cannot vouch for while a capture is under way: refused by the modes of captures and thread. */
bool hawser_capture_unsafe(CUresult *r)
{
    graph_enter();
    struct captured_stream *c = thread_mode == CU_STREAM_CAPTURE_MODE_RELAXED ? NULL : streams;
    for (; c; c = c->next) {
        bool mine = c->capture->thread == &thread_mark;
        if (c->capture->mode == CU_STREAM_CAPTURE_MODE_RELAXED) continue;
        if (mine || (c->capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL &&
                     thread_mode == CU_STREAM_CAPTURE_MODE_GLOBAL))
            break;
    }
    if (c) *r = breaks(c->capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    graph_leave();
    return c != NULL;
}

/* ---- nodes ---- */

/* Under the lock. Appends a node to a captured stream. */
static CUresult append(struct captured_stream *c, const CUgraphNodeParams *p, struct graph_node **out)
{
    struct graph_node **from = (struct graph_node **)c->at.node, *made;
    if (c->capture->broken) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    CUresult r = graph_add(c->capture->graph, from, c->at.data, c->at.n, p, &made);
    if (r != CUDA_SUCCESS) return breaks(c->capture, r);
    places_free(&c->at);
    if (!places_add(&c->at, (CUgraphNode)made, NULL)) return breaks(c->capture, CUDA_ERROR_OUT_OF_MEMORY);
    if (out) *out = made;
    return CUDA_SUCCESS;
}

/* The whole of an ordinary operation. */
static bool take(CUstream s, const CUgraphNodeParams *p, CUresult *r)
{
    graph_enter();
    struct captured_stream *c = captured(s);
    bool done = c ? (*r = append(c, p, NULL), true) : outside(s, r);
    graph_leave();
    return done;
}

bool graph_capture_launch(CUstream stream, struct graph *g, CUresult *r)
{
    struct captured_stream *c = hawser_capture_on() ? captured(stream) : NULL;
    if (!c) return hawser_capture_on() && outside(stream, r);
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_GRAPH, .graph.graph = (CUgraph)g};
    struct graph_node *made = NULL;
    *r = append(c, &p, &made);
    if (made) graph_renew((struct graph *)made->p.graph.graph);
    return true;
}

static bool take_kernel(const CUlaunchConfig *l, CUfunction f, void **params, void **extra, bool cooperative,
                        CUresult *r)
{
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_KERNEL,
                           .kernel = {.func = f, .gridDimX = l->gridDimX, .gridDimY = l->gridDimY,
                                      .gridDimZ = l->gridDimZ, .blockDimX = l->blockDimX,
                                      .blockDimY = l->blockDimY, .blockDimZ = l->blockDimZ,
                                      .sharedMemBytes = l->sharedMemBytes, .kernelParams = params, .extra = extra}};
    struct graph_node *made = NULL;
    graph_enter();
    struct captured_stream *c = captured(l->hStream);
    bool done = c ? (*r = append(c, &p, &made), true) : outside(l->hStream, r);
    if (made) made->cooperative = cooperative;
    for (unsigned i = 0; made && i < l->numAttrs; i++)
        if (l->attrs[i].id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE)
            made->cooperative = l->attrs[i].value.cooperative != 0;
        else if (!graph_attribute_set(made, &l->attrs[i]))
            *r = CUDA_ERROR_OUT_OF_MEMORY;
    graph_leave();
    return done;
}

bool hawser_capture_cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **params, void **extra,
                                     CUresult *r)
{
    return config && take_kernel(config, f, params, extra, false, r);
}

#define CONFIG                                                                                                 \
    &(CUlaunchConfig)                                                                                          \
    {                                                                                                          \
        gx, gy, gz, bx, by, bz, shared, s, NULL, 0                                                             \
    }

bool hawser_capture_cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                                   unsigned bz, unsigned shared, CUstream s, void **params, void **extra, CUresult *r)
{
    return take_kernel(CONFIG, f, params, extra, false, r);
}

bool hawser_capture_cuLaunchCooperativeKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                                              unsigned by, unsigned bz, unsigned shared, CUstream s, void **params,
                                              CUresult *r)
{
    return take_kernel(CONFIG, f, params, NULL, true, r);
}

bool hawser_capture_cuLaunchHostFunc(CUstream s, CUhostFn fn, void *userData, CUresult *r)
{
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_HOST, .host = {.fn = fn, .userData = userData}};
    return take(s, &p, r);
}

/* ---- copies and fills ---- */

static bool take_copy(const CUDA_MEMCPY3D *m, CUstream s, CUresult *r)
{
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_MEMCPY, .memcpy.copyParams = *m};
    if (m->WidthInBytes && m->Height && m->Depth) return take(s, &p, r);
    graph_enter();
    bool done = captured(s) != NULL; /* nothing to copy: no node */
    if (done) *r = CUDA_SUCCESS;
    graph_leave();
    return done;
}

static bool take_line(CUmemorytype to, CUdeviceptr dst, CUmemorytype from, CUdeviceptr src, size_t size, CUstream s,
                      CUresult *r)
{
    CUDA_MEMCPY3D m = {.dstMemoryType = to, .srcMemoryType = from, .dstHost = (void *)dst, .dstDevice = dst,
                       .srcHost = (void *)src, .srcDevice = src, .WidthInBytes = size, .Height = 1, .Depth = 1};
    return take_copy(&m, s, r);
}

bool hawser_capture_cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream s, CUresult *r)
{
    return take_line(CU_MEMORYTYPE_UNIFIED, dst, CU_MEMORYTYPE_UNIFIED, src, n, s, r);
}

bool hawser_capture_cuMemcpyHtoDAsync_v2(CUdeviceptr dst, const void *src, size_t n, CUstream s, CUresult *r)
{
    return take_line(CU_MEMORYTYPE_DEVICE, dst, CU_MEMORYTYPE_HOST, (CUdeviceptr)src, n, s, r);
}

bool hawser_capture_cuMemcpyDtoHAsync_v2(void *dst, CUdeviceptr src, size_t n, CUstream s, CUresult *r)
{
    return take_line(CU_MEMORYTYPE_HOST, (CUdeviceptr)dst, CU_MEMORYTYPE_DEVICE, src, n, s, r);
}

bool hawser_capture_cuMemcpyDtoDAsync_v2(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream s, CUresult *r)
{
    return take_line(CU_MEMORYTYPE_DEVICE, dst, CU_MEMORYTYPE_DEVICE, src, n, s, r);
}

bool hawser_capture_cuMemcpyPeerAsync(CUdeviceptr dst, CUcontext to, CUdeviceptr src, CUcontext from, size_t n,
                                      CUstream s, CUresult *r)
{
    (void)to, (void)from;
    return take_line(CU_MEMORYTYPE_DEVICE, dst, CU_MEMORYTYPE_DEVICE, src, n, s, r);
}

bool hawser_capture_cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *m, CUstream s, CUresult *r)
{
    return m && take_copy(m, s, r);
}

bool hawser_capture_cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *m, CUstream s, CUresult *r)
{
    if (!m) return false;
    CUDA_MEMCPY3D box;
    hawser_abi_copy_box(m, &box);
    return take_copy(&box, s, r);
}

static bool take_fill(CUdeviceptr dst, size_t pitch, unsigned value, unsigned element, size_t width, size_t height,
                      CUstream s, CUresult *r)
{
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_MEMSET,
                           .memset = {dst, pitch, value, element, width, height, NULL}};
    return take(s, &p, r);
}

#define FILL(bits, type)                                                                                       \
    bool hawser_capture_cuMemsetD##bits##Async(CUdeviceptr dst, type value, size_t n, CUstream s, CUresult *r) \
    {                                                                                                          \
        return take_fill(dst, 0, value, bits / 8, n, 1, s, r);                                                 \
    }                                                                                                          \
    bool hawser_capture_cuMemsetD2D##bits##Async(CUdeviceptr dst, size_t pitch, type value, size_t width,      \
                                                 size_t height, CUstream s, CUresult *r)                       \
    {                                                                                                          \
        return take_fill(dst, pitch, value, bits / 8, width, height, s, r);                                    \
    }

FILL(8, unsigned char)
FILL(16, unsigned short)
FILL(32, unsigned int)

/* ---- stream memory operations, semaphores ---- */

bool hawser_capture_cuStreamBatchMemOp_v2(CUstream s, unsigned n, CUstreamBatchMemOpParams *ops, unsigned flags,
                                          CUresult *r)
{
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP,
                           .memOp = {.count = n, .paramArray = ops, .flags = flags}};
    return take(s, &p, r);
}

#define MEM_OP(name, bits, op, member, field)                                                                  \
    bool hawser_capture_##name(CUstream s, CUdeviceptr address, cuuint##bits##_t value, unsigned flags, CUresult *r) \
    {                                                                                                          \
        CUstreamBatchMemOpParams o = {.member = {.operation = op, .address = address, .field = value,          \
                                                 .flags = flags}};                                             \
        return hawser_capture_cuStreamBatchMemOp_v2(s, 1, &o, 0, r);                                           \
    }

MEM_OP(cuStreamWaitValue32_v2, 32, CU_STREAM_MEM_OP_WAIT_VALUE_32, waitValue, value)
MEM_OP(cuStreamWaitValue64_v2, 64, CU_STREAM_MEM_OP_WAIT_VALUE_64, waitValue, value64)
MEM_OP(cuStreamWriteValue32_v2, 32, CU_STREAM_MEM_OP_WRITE_VALUE_32, writeValue, value)
MEM_OP(cuStreamWriteValue64_v2, 64, CU_STREAM_MEM_OP_WRITE_VALUE_64, writeValue, value64)

bool hawser_capture_cuSignalExternalSemaphoresAsync(const CUexternalSemaphore *semaphores,
                                                    const CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS *params, unsigned n,
                                                    CUstream s, CUresult *r)
{
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL,
                           .extSemSignal = {(CUexternalSemaphore *)semaphores, params, n}};
    return take(s, &p, r);
}

bool hawser_capture_cuWaitExternalSemaphoresAsync(const CUexternalSemaphore *semaphores,
                                                  const CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS *params, unsigned n,
                                                  CUstream s, CUresult *r)
{
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT,
                           .extSemWait = {(CUexternalSemaphore *)semaphores, params, n}};
    return take(s, &p, r);
}

/* ---- stream-ordered allocation ---- */

bool hawser_capture_cuMemAllocAsync(CUdeviceptr *dptr, size_t size, CUstream s, CUresult *r)
{
    CUdevice device = 0;
    graph_enter();
    struct captured_stream *c = captured(s);
    bool done = c || outside(s, r);
    graph_leave();
    if (!c) return done;
    cuCtxGetDevice(&device);
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_MEM_ALLOC,
                           .alloc = {.poolProps = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
                                                   .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}},
                                     .bytesize = size}};
    struct graph_memory *memory = NULL;
    struct graph_node *made = NULL;
    *r = dptr ? graph_memory_new(&p, &memory) : CUDA_ERROR_INVALID_VALUE;
    if (*r != CUDA_SUCCESS) return true;
    graph_enter();
    c = captured(s);
    *r = c ? append(c, &p, &made) : CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (made) {
        made->memory = memory;
        *dptr = memory->address;
    } else {
        graph_memory_unref(memory);
    }
    graph_leave();
    return true;
}

bool hawser_capture_cuMemAllocFromPoolAsync(CUdeviceptr *dptr, size_t size, CUmemoryPool pool, CUstream s,
                                            CUresult *r)
{
    return hawser_host_pool_allocate(dptr, size, pool, s, r) ||
           (hawser_capture_on() && hawser_capture_cuMemAllocAsync(dptr, size, s, r));
}

bool hawser_capture_cuMemFreeAsync(CUdeviceptr dptr, CUstream s, CUresult *r)
{
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_MEM_FREE, .free.dptr = dptr};
    unsigned flags;
    if (!dptr) { /* nothing, as for cuMemFree: cuSPARSE counts on it */
        *r = cuStreamGetFlags(s, &flags);
        return true;
    }
    if (hawser_capture_on() && take(s, &p, r)) return true;
    return hawser_host_pool_free(dptr, s, true, r) || hawser_graph_memory_freed(dptr, r);
}

bool hawser_capture_cuMemFree_v2(CUdeviceptr dptr, CUresult *r)
{
    hawser_abi_managed_freed(dptr);
    return (hawser_capture_on() && hawser_capture_unsafe(r)) || hawser_host_pool_free(dptr, NULL, false, r) ||
           hawser_graph_memory_freed(dptr, r);
}

/* ---- events ---- */

static struct captured_event *event_named(CUevent event)
{
    struct captured_event *e = events;
    while (e && e->event != event)
        e = e->next;
    return e;
}

static void forget_event(struct captured_event *e)
{
    for (struct captured_event **p = &events; *p; p = &(*p)->next)
        if (*p == e) {
            *p = e->next;
            break;
        }
    places_free(&e->at);
    free(e);
    __atomic_sub_fetch(&hawser_capture_count, 1, __ATOMIC_RELAXED);
}

static CUresult record(struct captured_stream *c, CUevent event)
{
    struct captured_event *e = event_named(event);
    if (c->capture->broken) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (!e) {
        e = calloc(1, sizeof *e);
        if (!e) return CUDA_ERROR_OUT_OF_MEMORY;
        e->event = event;
        e->next = events;
        events = e;
        __atomic_add_fetch(&hawser_capture_count, 1, __ATOMIC_RELAXED);
    }
    places_free(&e->at);
    e->capture = c->capture->id;
    return places_join(&e->at, &c->at) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

bool hawser_capture_cuEventRecordWithFlags(CUevent event, CUstream s, unsigned flags, CUresult *r)
{
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_EVENT_RECORD, .eventRecord.event = event};
    graph_enter();
    struct captured_stream *c = captured(s);
    struct captured_event *e = event_named(event);
    bool done = c || outside(s, r);
    if (c)
        *r = flags & CU_EVENT_RECORD_EXTERNAL ? append(c, &p, NULL) : record(c, event);
    else if (!done && e)
        forget_event(e); /* it is an ordinary event again */
    graph_leave();
    return done;
}

bool hawser_capture_cuEventRecord(CUevent event, CUstream s, CUresult *r)
{
    return hawser_capture_cuEventRecordWithFlags(event, s, 0, r);
}

/* A stream that waits for an event of a capture joins it. */
static CUresult wait_captured(struct captured_stream *c, CUstream s, const struct captured_event *e)
{
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

bool hawser_capture_cuStreamWaitEvent(CUstream s, CUevent event, unsigned flags, CUresult *r)
{
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_WAIT_EVENT, .eventWait.event = event};
    graph_enter();
    struct captured_stream *c = captured(s);
    struct captured_event *e = event_named(event);
    bool done = true;
    if (c && flags & CU_EVENT_WAIT_EXTERNAL)
        *r = append(c, &p, NULL);
    else if (e)
        *r = wait_captured(c, s, e);
    else if (c) /* the captured work would depend on work outside */
        *r = breaks(c->capture, CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
    else
        done = outside(s, r);
    graph_leave();
    return done;
}

bool hawser_capture_event(CUevent event, CUresult *r)
{
    graph_enter();
    bool done = event_named(event) != NULL;
    if (done) *r = CUDA_ERROR_CAPTURED_EVENT;
    graph_leave();
    return done;
}

bool hawser_capture_cuEventDestroy_v2(CUevent event, CUresult *r)
{
    (void)r;
    graph_enter();
    struct captured_event *e = event_named(event);
    if (e) forget_event(e);
    graph_leave();
    return false;
}

/* ---- beginning and ending ---- */

/* Forgets a capture and all streams in it. */
static void end(struct capture *c)
{
    for (struct captured_stream *s = streams, *next; s; s = next) {
        next = s->next;
        if (s->capture == c) leave(s);
    }
    free(c);
}

bool hawser_capture_cuStreamDestroy_v2(CUstream s, CUresult *r)
{
    (void)r;
    graph_enter();
    struct captured_stream *c = captured(s);
    if (c && c->origin) {
        if (c->capture->own_graph) graph_free(c->capture->graph);
        end(c->capture);
    } else if (c) {
        c->stream = (CUstream)c; /* what it did must still be joined; a new stream may get its handle */
    }
    graph_leave();
    return false;
}

static CUresult begin(CUstream s, struct graph *into, CUstreamCaptureMode mode)
{
    struct captured_stream key = named(s);
    unsigned flags;
    if ((unsigned)mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
    if (key.stream == CU_STREAM_LEGACY) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    CUresult r = cuStreamGetFlags(s, &flags);
    if (r != CUDA_SUCCESS) return r;
    if (captured(s)) return CUDA_ERROR_ILLEGAL_STATE;
    struct capture *c = calloc(1, sizeof *c);
    struct captured_stream *origin = c ? join(s, c) : NULL;
    if (!origin) {
        free(c);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    origin->origin = true;
    *c = (struct capture){.id = ++last_capture, .graph = into ? into : graph_new(), .own_graph = !into, .mode = mode,
                          .thread = &thread_mark};
    cuStreamGetCtx(s, &c->context);
    if (c->graph) return CUDA_SUCCESS;
    end(c);
    return CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuStreamBeginCapture_v2(CUstream hStream, CUstreamCaptureMode mode)
{
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    graph_enter();
    r = begin(hStream, NULL, mode);
    graph_leave();
    return r;
}

CUresult cuStreamBeginCapture(CUstream hStream)
{
    return cuStreamBeginCapture_v2(hStream, CU_STREAM_CAPTURE_MODE_GLOBAL);
}

CUresult cuStreamBeginCaptureToGraph(CUstream hStream, CUgraph hGraph, const CUgraphNode *dependencies,
                                     const CUgraphEdgeData *dependencyData, size_t numDependencies,
                                     CUstreamCaptureMode mode)
{
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
    struct captured_stream *c = r == CUDA_SUCCESS ? captured(hStream) : NULL;
    for (size_t i = 0; c && i < numDependencies; i++)
        if (!places_add(&c->at, dependencies[i], dependencyData ? &dependencyData[i] : NULL))
            r = breaks(c->capture, CUDA_ERROR_OUT_OF_MEMORY);
    graph_leave();
    return r;
}

/* Whether all that other streams did in the capture has been waited for by its first stream. */
static bool joined(const struct captured_stream *origin)
{
    struct graph *g = origin->capture->graph;
    for (struct captured_stream *s = streams; s; s = s->next) {
        if (s->capture != origin->capture || s == origin) continue;
        for (size_t i = 0; i < s->at.n; i++) {
            bool reached = false;
            for (size_t j = 0; j < origin->at.n && !reached; j++)
                reached = graph_reaches(g, (struct graph_node *)s->at.node[i],
                                        (struct graph_node *)origin->at.node[j]);
            if (!reached) return false;
        }
    }
    return true;
}

CUresult cuStreamEndCapture(CUstream hStream, CUgraph *phGraph)
{
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    unsigned flags;
    r = cuStreamGetFlags(hStream, &flags);
    if (r != CUDA_SUCCESS) return r;
    if (phGraph) *phGraph = NULL; /* without it, what was captured into a new graph is dropped */
    graph_enter();
    struct captured_stream *s = captured(hStream);
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
                                   const CUgraphEdgeData **edgeData_out, size_t *numDependencies_out)
{
    unsigned flags;
    if (!captureStatus_out) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = cuStreamGetFlags(hStream, &flags);
    if (r != CUDA_SUCCESS) return r;
    graph_enter();
    struct captured_stream *s = hawser_capture_on() ? captured(hStream) : NULL;
    if (!s && hawser_capture_on() && in_the_way(hStream)) { /* a question breaks nothing */
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
                                   size_t *numDependencies_out)
{
    return cuStreamGetCaptureInfo_v3(hStream, captureStatus_out, id_out, graph_out, dependencies_out, NULL,
                                     numDependencies_out);
}

CUresult cuStreamGetCaptureInfo(CUstream hStream, CUstreamCaptureStatus *captureStatus_out, cuuint64_t *id_out)
{
    return cuStreamGetCaptureInfo_v3(hStream, captureStatus_out, id_out, NULL, NULL, NULL, NULL);
}

CUresult cuStreamIsCapturing(CUstream hStream, CUstreamCaptureStatus *captureStatus)
{
    return cuStreamGetCaptureInfo_v3(hStream, captureStatus, NULL, NULL, NULL, NULL, NULL);
}

CUresult cuStreamUpdateCaptureDependencies_v2(CUstream hStream, CUgraphNode *dependencies,
                                              const CUgraphEdgeData *dependencyData, size_t numDependencies,
                                              unsigned int flags)
{
    if (flags > CU_STREAM_SET_CAPTURE_DEPENDENCIES || (numDependencies && !dependencies))
        return CUDA_ERROR_INVALID_VALUE;
    CUresult r = CUDA_SUCCESS;
    graph_enter();
    struct captured_stream *s = captured(hStream);
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
                                           unsigned int flags)
{
    return cuStreamUpdateCaptureDependencies_v2(hStream, dependencies, NULL, numDependencies, flags);
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode)
{
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!mode || (unsigned)*mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
    CUstreamCaptureMode before = thread_mode;
    thread_mode = *mode;
    *mode = before;
    return CUDA_SUCCESS;
}
