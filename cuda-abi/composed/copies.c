/* Copies that come down to others: of arrays by byte offsets, between devices, and in batches. */
#include "../abi_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- CUDA arrays, addressed by a byte offset into their first row on ---- */

/* A piece of a copy that stays within one row of each array. The row's bytes of an array that is none: 0. */
static CUresult row_bytes(CUarray a, size_t *bytes) {
    CUDA_ARRAY3D_DESCRIPTOR d;
    CUresult r = cuArray3DGetDescriptor_v2(&d, a);
    if (r != CUDA_SUCCESS) return r;
    *bytes = d.Width * d.NumChannels * hawser_abi_format_bytes(d.Format);
    return *bytes ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
}

struct end {
    CUmemorytype type;
    CUarray array;
    size_t offset, row; /* row: bytes in a row of the array */
    CUdeviceptr device;
    void *host;
};

static CUresult array_end(CUarray a, size_t offset, struct end *e) {
    *e = (struct end){.type = CU_MEMORYTYPE_ARRAY, .array = a, .offset = offset};
    return row_bytes(a, &e->row);
}

static size_t in_row(const struct end *e) {
    return e->array ? e->row - e->offset % e->row : SIZE_MAX;
}

static CUresult copy(struct end dst, struct end src, size_t bytes, CUstream stream, int async) {
    CUresult r = CUDA_SUCCESS;
    while (bytes && r == CUDA_SUCCESS) {
        size_t n = bytes;
        if (in_row(&dst) < n) n = in_row(&dst);
        if (in_row(&src) < n) n = in_row(&src);
        CUDA_MEMCPY2D m = {.srcMemoryType = src.type,
                           .srcArray = src.array,
                           .dstMemoryType = dst.type,
                           .dstArray = dst.array,
                           .WidthInBytes = n,
                           .Height = 1};
        if (src.array) {
            m.srcXInBytes = src.offset % src.row;
            m.srcY = src.offset / src.row;
        } else {
            m.srcHost = src.host ? (char *)src.host + src.offset : NULL;
            m.srcDevice = src.device + src.offset;
        }
        if (dst.array) {
            m.dstXInBytes = dst.offset % dst.row;
            m.dstY = dst.offset / dst.row;
        } else {
            m.dstHost = dst.host ? (char *)dst.host + dst.offset : NULL;
            m.dstDevice = dst.device + dst.offset;
        }
        r = async ? hawser_exported_cuMemcpy2DAsync_v2(&m, stream) : hawser_exported_cuMemcpy2D_v2(&m);
        dst.offset += n;
        src.offset += n;
        bytes -= n;
    }
    return r;
}

CUresult cuMemcpyAtoA_v2(CUarray dstArray, size_t dstOffset, CUarray srcArray, size_t srcOffset, size_t ByteCount) {
    struct end dst, src;
    CUresult r = array_end(dstArray, dstOffset, &dst);
    if (r == CUDA_SUCCESS) r = array_end(srcArray, srcOffset, &src);
    return r == CUDA_SUCCESS ? copy(dst, src, ByteCount, NULL, 0) : r;
}

/* One array, and memory at the other end. */
static CUresult with_array(CUarray array, size_t offset, struct end other, int to_array, size_t bytes, CUstream stream,
                           int async) {
    struct end e;
    CUresult r = array_end(array, offset, &e);
    if (r != CUDA_SUCCESS) return r;
    return to_array ? copy(e, other, bytes, stream, async) : copy(other, e, bytes, stream, async);
}

static struct end host(const void *p) {
    return (struct end){.type = CU_MEMORYTYPE_HOST, .host = (void *)p};
}

static struct end device(CUdeviceptr p) {
    return (struct end){.type = CU_MEMORYTYPE_DEVICE, .device = p};
}

CUresult cuMemcpyAtoD_v2(CUdeviceptr dstDevice, CUarray srcArray, size_t srcOffset, size_t ByteCount) {
    return with_array(srcArray, srcOffset, device(dstDevice), 0, ByteCount, NULL, 0);
}

CUresult cuMemcpyDtoA_v2(CUarray dstArray, size_t dstOffset, CUdeviceptr srcDevice, size_t ByteCount) {
    return with_array(dstArray, dstOffset, device(srcDevice), 1, ByteCount, NULL, 0);
}

CUresult cuMemcpyAtoH_v2(void *dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount) {
    return with_array(srcArray, srcOffset, host(dstHost), 0, ByteCount, NULL, 0);
}

CUresult cuMemcpyHtoA_v2(CUarray dstArray, size_t dstOffset, const void *srcHost, size_t ByteCount) {
    return with_array(dstArray, dstOffset, host(srcHost), 1, ByteCount, NULL, 0);
}

CUresult cuMemcpyAtoHAsync_v2(void *dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount, CUstream hStream) {
    return with_array(srcArray, srcOffset, host(dstHost), 0, ByteCount, hStream, 1);
}

CUresult cuMemcpyHtoAAsync_v2(CUarray dstArray, size_t dstOffset, const void *srcHost, size_t ByteCount,
                              CUstream hStream) {
    return with_array(dstArray, dstOffset, host(srcHost), 1, ByteCount, hStream, 1);
}

/* ---- between devices: addresses are unified, so the contexts only need to be good ---- */

static CUresult peer_box(const CUDA_MEMCPY3D_PEER *p, CUDA_MEMCPY3D *out) {
    unsigned version;
    if (!p) return CUDA_ERROR_INVALID_VALUE;
    if ((p->srcContext && cuCtxGetApiVersion(p->srcContext, &version) != CUDA_SUCCESS) ||
        (p->dstContext && cuCtxGetApiVersion(p->dstContext, &version) != CUDA_SUCCESS))
        return CUDA_ERROR_INVALID_CONTEXT;
    *out = (CUDA_MEMCPY3D){.srcXInBytes = p->srcXInBytes,
                           .srcY = p->srcY,
                           .srcZ = p->srcZ,
                           .srcLOD = p->srcLOD,
                           .srcMemoryType = p->srcMemoryType,
                           .srcHost = p->srcHost,
                           .srcDevice = p->srcDevice,
                           .srcArray = p->srcArray,
                           .srcPitch = p->srcPitch,
                           .srcHeight = p->srcHeight,
                           .dstXInBytes = p->dstXInBytes,
                           .dstY = p->dstY,
                           .dstZ = p->dstZ,
                           .dstLOD = p->dstLOD,
                           .dstMemoryType = p->dstMemoryType,
                           .dstHost = p->dstHost,
                           .dstDevice = p->dstDevice,
                           .dstArray = p->dstArray,
                           .dstPitch = p->dstPitch,
                           .dstHeight = p->dstHeight,
                           .WidthInBytes = p->WidthInBytes,
                           .Height = p->Height,
                           .Depth = p->Depth};
    return CUDA_SUCCESS;
}

CUresult cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER *pCopy) {
    CUDA_MEMCPY3D box;
    CUresult r = peer_box(pCopy, &box);
    return r == CUDA_SUCCESS ? hawser_exported_cuMemcpy3D_v2(&box) : r;
}

CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER *pCopy, CUstream hStream) {
    CUDA_MEMCPY3D box;
    CUresult r = peer_box(pCopy, &box);
    return r == CUDA_SUCCESS ? hawser_exported_cuMemcpy3DAsync_v2(&box, hStream) : r;
}

/* ---- batches: CUDA promises no order within one, so one after the other is right ---- */

/* Batches name a stream; the legacy default stream may not be meant by NULL. */
static CUresult check_stream(CUstream s) {
    unsigned flags;
    if (!s || s == CU_STREAM_LEGACY) return CUDA_ERROR_INVALID_VALUE;
    return cuStreamGetFlags(s, &flags);
}

static int order_ok(CUmemcpySrcAccessOrder order) {
    return order >= CU_MEMCPY_SRC_ACCESS_ORDER_STREAM && order <= CU_MEMCPY_SRC_ACCESS_ORDER_ANY;
}

CUresult cuMemcpyBatchAsync_v2(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
                               CUmemcpyAttributes *attrs, size_t *attrsIdxs, size_t numAttrs, CUstream hStream) {
    CUresult r = check_stream(hStream);
    if (r != CUDA_SUCCESS) return r;
    if (!dsts || !srcs || !sizes || !count || !attrs || !attrsIdxs || !numAttrs || numAttrs > count || attrsIdxs[0])
        return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < numAttrs; i++)
        if (!order_ok(attrs[i].srcAccessOrder) || (i && attrsIdxs[i] <= attrsIdxs[i - 1]) || attrsIdxs[i] >= count)
            return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < count; i++)
        if (!dsts[i] || !srcs[i] || !sizes[i]) return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < count && r == CUDA_SUCCESS; i++)
        r = hawser_exported_cuMemcpyAsync(dsts[i], srcs[i], sizes[i], hStream);
    return r;
}

CUresult cuMemcpyBatchAsync(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
                            CUmemcpyAttributes *attrs, size_t *attrsIdxs, size_t numAttrs, size_t *failIdx,
                            CUstream hStream) {
    if (failIdx) *failIdx = SIZE_MAX;
    return cuMemcpyBatchAsync_v2(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, hStream);
}

/* The bytes of an element: an array's, or 1 where both ends are memory. */
static CUresult element_bytes(const CUDA_MEMCPY3D_BATCH_OP *op, size_t *bytes) {
    const CUmemcpy3DOperand *o = op->src.type == CU_MEMCPY_OPERAND_TYPE_ARRAY ? &op->src : &op->dst;
    CUDA_ARRAY3D_DESCRIPTOR d;
    *bytes = 1;
    if (o->type != CU_MEMCPY_OPERAND_TYPE_ARRAY) return CUDA_SUCCESS;
    CUresult r = row_bytes(o->op.array.array, bytes);
    if (r == CUDA_SUCCESS) r = cuArray3DGetDescriptor_v2(&d, o->op.array.array);
    if (r == CUDA_SUCCESS) *bytes /= d.Width;
    return r;
}

static CUresult copy_operation(const CUDA_MEMCPY3D_BATCH_OP *op, CUstream stream) {
    size_t size;
    CUresult r = element_bytes(op, &size);
    if (r != CUDA_SUCCESS) return r;
    CUDA_MEMCPY3D m = {.WidthInBytes = op->extent.width * size, .Height = op->extent.height, .Depth = op->extent.depth};
    if (op->src.type == CU_MEMCPY_OPERAND_TYPE_ARRAY) {
        m.srcMemoryType = CU_MEMORYTYPE_ARRAY;
        m.srcArray = op->src.op.array.array;
        m.srcXInBytes = op->src.op.array.offset.x * size;
        m.srcY = op->src.op.array.offset.y;
        m.srcZ = op->src.op.array.offset.z;
    } else {
        m.srcMemoryType = CU_MEMORYTYPE_UNIFIED;
        m.srcDevice = op->src.op.ptr.ptr;
        m.srcPitch = op->src.op.ptr.rowLength * size;
        m.srcHeight = op->src.op.ptr.layerHeight;
    }
    if (op->dst.type == CU_MEMCPY_OPERAND_TYPE_ARRAY) {
        m.dstMemoryType = CU_MEMORYTYPE_ARRAY;
        m.dstArray = op->dst.op.array.array;
        m.dstXInBytes = op->dst.op.array.offset.x * size;
        m.dstY = op->dst.op.array.offset.y;
        m.dstZ = op->dst.op.array.offset.z;
    } else {
        m.dstMemoryType = CU_MEMORYTYPE_UNIFIED;
        m.dstDevice = op->dst.op.ptr.ptr;
        m.dstPitch = op->dst.op.ptr.rowLength * size;
        m.dstHeight = op->dst.op.ptr.layerHeight;
    }
    return hawser_exported_cuMemcpy3DAsync_v2(&m, stream);
}

CUresult cuMemcpy3DBatchAsync_v2(size_t numOps, CUDA_MEMCPY3D_BATCH_OP *opList, unsigned long long flags,
                                 CUstream hStream) {
    CUresult r = check_stream(hStream);
    if (r != CUDA_SUCCESS) return r;
    if (!numOps || !opList || flags) return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < numOps; i++) {
        const CUDA_MEMCPY3D_BATCH_OP *op = &opList[i];
        if (!order_ok(op->srcAccessOrder) || !op->extent.width || !op->extent.height || !op->extent.depth ||
            op->src.type < CU_MEMCPY_OPERAND_TYPE_POINTER || op->src.type > CU_MEMCPY_OPERAND_TYPE_ARRAY ||
            op->dst.type < CU_MEMCPY_OPERAND_TYPE_POINTER || op->dst.type > CU_MEMCPY_OPERAND_TYPE_ARRAY)
            return CUDA_ERROR_INVALID_VALUE;
    }
    for (size_t i = 0; i < numOps && r == CUDA_SUCCESS; i++)
        r = copy_operation(&opList[i], hStream);
    return r;
}

CUresult cuMemcpy3DBatchAsync(size_t numOps, CUDA_MEMCPY3D_BATCH_OP *opList, size_t *failIdx, unsigned long long flags,
                              CUstream hStream) {
    if (failIdx) *failIdx = SIZE_MAX;
    return cuMemcpy3DBatchAsync_v2(numOps, opList, flags, hStream);
}
