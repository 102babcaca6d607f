/* Work in a captured stream: it becomes a node of the stream's graph. */
#include "layers.h"

#include "../graph/graph.h"

/* The whole of an ordinary operation. */
static bool take(CUstream s, const CUgraphNodeParams *p, CUresult *r) {
    graph_enter();
    struct captured_stream *c = capture_find(s);
    bool done = c ? (*r = capture_append(c, p, NULL), true) : capture_implicit(s, r);
    graph_leave();
    return done;
}

static bool take_kernel(const CUlaunchConfig *l, CUfunction f, void **params, void **extra, bool cooperative,
                        CUresult *r) {
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_KERNEL,
                           .kernel = {.func = f,
                                      .gridDimX = l->gridDimX,
                                      .gridDimY = l->gridDimY,
                                      .gridDimZ = l->gridDimZ,
                                      .blockDimX = l->blockDimX,
                                      .blockDimY = l->blockDimY,
                                      .blockDimZ = l->blockDimZ,
                                      .sharedMemBytes = l->sharedMemBytes,
                                      .kernelParams = params,
                                      .extra = extra}};
    struct graph_node *made = NULL;
    graph_enter();
    struct captured_stream *c = capture_find(l->hStream);
    bool done = c ? (*r = capture_append(c, &p, &made), true) : capture_implicit(l->hStream, r);
    if (made) made->cooperative = cooperative;
    for (unsigned i = 0; made && i < l->numAttrs; i++)
        if (l->attrs[i].id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE)
            made->cooperative = l->attrs[i].value.cooperative != 0;
        else if (!graph_attribute_set(made, &l->attrs[i]))
            *r = CUDA_ERROR_OUT_OF_MEMORY;
    graph_leave();
    return done;
}

bool layer_capture_cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **params, void **extra,
                                    CUresult *r) {
    return config && take_kernel(config, f, params, extra, false, r);
}

#define CONFIG                                                                                                         \
    &(CUlaunchConfig) {                                                                                                \
        gx, gy, gz, bx, by, bz, shared, s, NULL, 0                                                                     \
    }

bool layer_capture_cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                                  unsigned bz, unsigned shared, CUstream s, void **params, void **extra, CUresult *r) {
    return take_kernel(CONFIG, f, params, extra, false, r);
}

bool layer_capture_cuLaunchCooperativeKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                                             unsigned by, unsigned bz, unsigned shared, CUstream s, void **params,
                                             CUresult *r) {
    return take_kernel(CONFIG, f, params, NULL, true, r);
}

bool layer_capture_cuLaunchHostFunc(CUstream s, CUhostFn fn, void *userData, CUresult *r) {
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_HOST, .host = {.fn = fn, .userData = userData}};
    return take(s, &p, r);
}

bool layer_capture_cuGraphLaunch(CUgraphExec exec, CUstream s, CUresult *r) {
    graph_enter();
    struct graph_exec *e = graph_exec_of(exec);
    struct captured_stream *c = e ? capture_find(s) : NULL;
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_GRAPH, .graph.graph = e ? (CUgraph)e->graph : NULL};
    struct graph_node *made = NULL;
    bool done = c ? (*r = capture_append(c, &p, &made), true) : e && capture_implicit(s, r);
    if (made) graph_renew((struct graph *)made->p.graph.graph);
    graph_leave();
    return done;
}

/* ---- copies and fills ---- */

static bool take_copy(const CUDA_MEMCPY3D *m, CUstream s, CUresult *r) {
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_MEMCPY, .memcpy.copyParams = *m};
    if (m->WidthInBytes && m->Height && m->Depth) return take(s, &p, r);
    graph_enter();
    bool done = capture_find(s) != NULL; /* nothing to copy: no node */
    if (done) *r = CUDA_SUCCESS;
    graph_leave();
    return done;
}

static bool take_line(CUmemorytype to, CUdeviceptr dst, CUmemorytype from, CUdeviceptr src, size_t size, CUstream s,
                      CUresult *r) {
    CUDA_MEMCPY3D m = {.dstMemoryType = to,
                       .srcMemoryType = from,
                       .dstHost = (void *)dst,
                       .dstDevice = dst,
                       .srcHost = (void *)src,
                       .srcDevice = src,
                       .WidthInBytes = size,
                       .Height = 1,
                       .Depth = 1};
    return take_copy(&m, s, r);
}

bool layer_capture_cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream s, CUresult *r) {
    return take_line(CU_MEMORYTYPE_UNIFIED, dst, CU_MEMORYTYPE_UNIFIED, src, n, s, r);
}

bool layer_capture_cuMemcpyHtoDAsync_v2(CUdeviceptr dst, const void *src, size_t n, CUstream s, CUresult *r) {
    return take_line(CU_MEMORYTYPE_DEVICE, dst, CU_MEMORYTYPE_HOST, (CUdeviceptr)src, n, s, r);
}

bool layer_capture_cuMemcpyDtoHAsync_v2(void *dst, CUdeviceptr src, size_t n, CUstream s, CUresult *r) {
    return take_line(CU_MEMORYTYPE_HOST, (CUdeviceptr)dst, CU_MEMORYTYPE_DEVICE, src, n, s, r);
}

bool layer_capture_cuMemcpyDtoDAsync_v2(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream s, CUresult *r) {
    return take_line(CU_MEMORYTYPE_DEVICE, dst, CU_MEMORYTYPE_DEVICE, src, n, s, r);
}

bool layer_capture_cuMemcpyPeerAsync(CUdeviceptr dst, CUcontext to, CUdeviceptr src, CUcontext from, size_t n,
                                     CUstream s, CUresult *r) {
    (void)to, (void)from;
    return take_line(CU_MEMORYTYPE_DEVICE, dst, CU_MEMORYTYPE_DEVICE, src, n, s, r);
}

bool layer_capture_cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *m, CUstream s, CUresult *r) {
    return m && take_copy(m, s, r);
}

bool layer_capture_cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *m, CUstream s, CUresult *r) {
    if (!m) return false;
    CUDA_MEMCPY3D box;
    hawser_abi_copy_box(m, &box);
    return take_copy(&box, s, r);
}

static bool take_fill(CUdeviceptr dst, size_t pitch, unsigned value, unsigned element, size_t width, size_t height,
                      CUstream s, CUresult *r) {
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_MEMSET,
                           .memset = {dst, pitch, value, element, width, height, NULL}};
    return take(s, &p, r);
}

#define FILL(bits, type)                                                                                               \
    bool layer_capture_cuMemsetD##bits##Async(CUdeviceptr dst, type value, size_t n, CUstream s, CUresult *r) {        \
        return take_fill(dst, 0, value, bits / 8, n, 1, s, r);                                                         \
    }                                                                                                                  \
    bool layer_capture_cuMemsetD2D##bits##Async(CUdeviceptr dst, size_t pitch, type value, size_t width,               \
                                                size_t height, CUstream s, CUresult *r) {                              \
        return take_fill(dst, pitch, value, bits / 8, width, height, s, r);                                            \
    }

FILL(8, unsigned char)
FILL(16, unsigned short)
FILL(32, unsigned int)

/* ---- stream memory operations, semaphores ---- */

bool layer_capture_cuStreamBatchMemOp_v2(CUstream s, unsigned n, CUstreamBatchMemOpParams *ops, unsigned flags,
                                         CUresult *r) {
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP,
                           .memOp = {.count = n, .paramArray = ops, .flags = flags}};
    return take(s, &p, r);
}

#define MEM_OP(name, bits, op, member, field)                                                                          \
    bool layer_capture_##name(CUstream s, CUdeviceptr address, cuuint##bits##_t value, unsigned flags, CUresult *r) {  \
        CUstreamBatchMemOpParams o = {                                                                                 \
            .member = {.operation = op, .address = address, .field = value, .flags = flags}};                          \
        return layer_capture_cuStreamBatchMemOp_v2(s, 1, &o, 0, r);                                                    \
    }

MEM_OP(cuStreamWaitValue32_v2, 32, CU_STREAM_MEM_OP_WAIT_VALUE_32, waitValue, value)
MEM_OP(cuStreamWaitValue64_v2, 64, CU_STREAM_MEM_OP_WAIT_VALUE_64, waitValue, value64)
MEM_OP(cuStreamWriteValue32_v2, 32, CU_STREAM_MEM_OP_WRITE_VALUE_32, writeValue, value)
MEM_OP(cuStreamWriteValue64_v2, 64, CU_STREAM_MEM_OP_WRITE_VALUE_64, writeValue, value64)

bool layer_capture_cuSignalExternalSemaphoresAsync(const CUexternalSemaphore *semaphores,
                                                   const CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS *params, unsigned n,
                                                   CUstream s, CUresult *r) {
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL,
                           .extSemSignal = {(CUexternalSemaphore *)semaphores, params, n}};
    return take(s, &p, r);
}

bool layer_capture_cuWaitExternalSemaphoresAsync(const CUexternalSemaphore *semaphores,
                                                 const CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS *params, unsigned n,
                                                 CUstream s, CUresult *r) {
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT,
                           .extSemWait = {(CUexternalSemaphore *)semaphores, params, n}};
    return take(s, &p, r);
}

/* ---- stream-ordered allocation ---- */

bool layer_capture_cuMemAllocAsync(CUdeviceptr *dptr, size_t size, CUstream s, CUresult *r) {
    CUdevice device = 0;
    graph_enter();
    struct captured_stream *c = capture_find(s);
    bool done = c || capture_implicit(s, r);
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
    c = capture_find(s);
    *r = c ? capture_append(c, &p, &made) : CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (made) {
        made->memory = memory;
        *dptr = memory->address;
    } else {
        graph_memory_unref(memory);
    }
    graph_leave();
    return true;
}

bool layer_capture_cuMemAllocFromPoolAsync(CUdeviceptr *dptr, size_t size, CUmemoryPool pool, CUstream s, CUresult *r) {
    (void)pool;
    return layer_capture_cuMemAllocAsync(dptr, size, s, r);
}

bool layer_capture_cuMemFreeAsync(CUdeviceptr dptr, CUstream s, CUresult *r) {
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_MEM_FREE, .free.dptr = dptr};
    return take(s, &p, r);
}

/* ---- events ---- */

bool layer_capture_cuEventRecordWithFlags(CUevent event, CUstream s, unsigned flags, CUresult *r) {
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_EVENT_RECORD, .eventRecord.event = event};
    graph_enter();
    struct captured_stream *c = capture_find(s);
    bool done = c || capture_implicit(s, r);
    if (c)
        *r = flags & CU_EVENT_RECORD_EXTERNAL ? capture_append(c, &p, NULL) : capture_record(c, event);
    else if (!done)
        capture_forget_event(event); /* it is an ordinary event again */
    graph_leave();
    return done;
}

bool layer_capture_cuEventRecord(CUevent event, CUstream s, CUresult *r) {
    return layer_capture_cuEventRecordWithFlags(event, s, 0, r);
}

bool layer_capture_cuStreamWaitEvent(CUstream s, CUevent event, unsigned flags, CUresult *r) {
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_WAIT_EVENT, .eventWait.event = event};
    graph_enter();
    struct captured_stream *c = capture_find(s);
    bool done = true;
    if (c && flags & CU_EVENT_WAIT_EXTERNAL)
        *r = capture_append(c, &p, NULL);
    else if (capture_has_event(event))
        *r = capture_wait(s, event);
    else if (c) /* the captured work would depend on work outside */
        *r = capture_break(c, CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
    else
        done = capture_implicit(s, r);
    graph_leave();
    return done;
}

bool layer_capture_cuEventDestroy_v2(CUevent event, CUresult *r) {
    (void)r;
    graph_enter();
    capture_forget_event(event);
    graph_leave();
    return false;
}

bool layer_capture_cuStreamDestroy_v2(CUstream s, CUresult *r) {
    (void)r;
    graph_enter();
    capture_stream_gone(s);
    graph_leave();
    return false;
}
