/* Streams: attributes, and operations on values in memory that take their turn. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_NS 20000

/* All of these are hints on a CPU; they are kept for those who ask. */
static bool settable(CUstreamAttrID attr) {
    return attr == CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW || attr == CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY ||
           attr == CU_LAUNCH_ATTRIBUTE_PRIORITY || attr == CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN ||
           attr == CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP;
}

static CUresult attribute(CUstream hStream, CUstreamAttrID attr, const void *value, struct sd_stream **s) {
    struct sd_context *c;
    CUresult r = sd_stream_of(hStream, &c, s);
    if (r != CUDA_SUCCESS) return r;
    return value && settable(attr) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuStreamSetAttribute(CUstream hStream, CUstreamAttrID attr, const CUstreamAttrValue *param) {
    struct sd_stream *s;
    CUresult r = attribute(hStream, attr, param, &s);
    if (r == CUDA_SUCCESS) s->attributes[attr] = *param;
    return r;
}

CUresult cuStreamGetAttribute(CUstream hStream, CUstreamAttrID attr, CUstreamAttrValue *value) {
    struct sd_stream *s;
    CUresult r = attribute(hStream, attr, value, &s);
    if (r == CUDA_SUCCESS) *value = s->attributes[attr];
    return r;
}

CUresult cuStreamCopyAttributes(CUstream dstStream, CUstream srcStream) {
    struct sd_context *c;
    struct sd_stream *to, *from;
    CUresult r = sd_stream_of(dstStream, &c, &to);
    if (r == CUDA_SUCCESS) r = sd_stream_of(srcStream, &c, &from);
    if (r == CUDA_SUCCESS) memmove(to->attributes, from->attributes, sizeof to->attributes);
    return r;
}

/* ---- values ---- */

struct mem_ops {
    struct sd_task task;
    unsigned count;
    CUstreamBatchMemOpParams op[];
};

static bool holds(const CUstreamBatchMemOpParams *o) {
    bool wide = o->operation == CU_STREAM_MEM_OP_WAIT_VALUE_64;
    uint64_t now = wide ? __atomic_load_n((uint64_t *)o->waitValue.address, __ATOMIC_ACQUIRE)
                        : __atomic_load_n((uint32_t *)o->waitValue.address, __ATOMIC_ACQUIRE);
    uint64_t want = wide ? o->waitValue.value64 : o->waitValue.value;
    switch (o->waitValue.flags & 7) {
    case CU_STREAM_WAIT_VALUE_GEQ:
        return wide ? (int64_t)(now - want) >= 0 : (int32_t)((uint32_t)now - (uint32_t)want) >= 0;
    case CU_STREAM_WAIT_VALUE_EQ:
        return now == want;
    case CU_STREAM_WAIT_VALUE_AND:
        return (now & want) != 0;
    default:
        return (wide ? ~(now | want) : (uint32_t) ~(now | want)) != 0;
    }
}

static void run_ops(struct sd_task *t) {
    struct mem_ops *m = (struct mem_ops *)t;
    for (unsigned i = 0; i < m->count; i++) {
        const CUstreamBatchMemOpParams *o = &m->op[i];
        switch (o->operation) {
        case CU_STREAM_MEM_OP_WRITE_VALUE_32:
            __atomic_store_n((uint32_t *)o->writeValue.address, o->writeValue.value, __ATOMIC_RELEASE);
            break;
        case CU_STREAM_MEM_OP_WRITE_VALUE_64:
            __atomic_store_n((uint64_t *)o->writeValue.address, o->writeValue.value64, __ATOMIC_RELEASE);
            break;
        case CU_STREAM_MEM_OP_WAIT_VALUE_32:
        case CU_STREAM_MEM_OP_WAIT_VALUE_64:
            while (!holds(o) && sd_context_error(t->context) == CUDA_SUCCESS)
                nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
            break;
        default: /* flushes and barriers: memory is coherent */
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
            break;
        }
    }
}

static void drop_ops(struct sd_task *t) {
    free(t);
}

static CUresult check_op(const CUstreamBatchMemOpParams *o) {
    size_t size = 4;
    unsigned most = CU_STREAM_WAIT_VALUE_NOR | CU_STREAM_WAIT_VALUE_FLUSH;
    switch (o->operation) {
    case CU_STREAM_MEM_OP_WAIT_VALUE_64:
        size = 8; /* fall through */
    case CU_STREAM_MEM_OP_WAIT_VALUE_32:
        if (o->waitValue.flags & ~most) return CUDA_ERROR_INVALID_VALUE;
        break;
    case CU_STREAM_MEM_OP_WRITE_VALUE_64:
        size = 8; /* fall through */
    case CU_STREAM_MEM_OP_WRITE_VALUE_32:
        if (o->writeValue.flags & ~(unsigned)CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER) return CUDA_ERROR_INVALID_VALUE;
        break;
    case CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES:
    case CU_STREAM_MEM_OP_BARRIER:
        return CUDA_SUCCESS;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
    return o->waitValue.address % size == 0 && hawser_front_reached(o->waitValue.address, size)
               ? CUDA_SUCCESS
               : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuStreamBatchMemOp_v2(CUstream stream, unsigned int count, CUstreamBatchMemOpParams *paramArray,
                               unsigned int flags) {
    struct sd_context *c;
    struct sd_stream *s;
    CUresult r = sd_stream_of(stream, &c, &s);
    if (r != CUDA_SUCCESS) return r;
    if (!count || count > 256 || !paramArray || flags) return CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = 0; i < count && r == CUDA_SUCCESS; i++)
        r = check_op(&paramArray[i]);
    if (r != CUDA_SUCCESS) return r;
    struct mem_ops *m = calloc(1, sizeof *m + count * sizeof *paramArray);
    if (!m) return CUDA_ERROR_OUT_OF_MEMORY;
    m->task.run = run_ops;
    m->task.drop = drop_ops;
    m->count = count;
    memcpy(m->op, paramArray, count * sizeof *paramArray);
    return sd_enqueue(s, &m->task, NULL);
}
