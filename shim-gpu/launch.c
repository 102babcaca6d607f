/* Launches: checked and packed by the front end, and posted. */
#include "shim.h"

#include <stdlib.h>
#include <string.h>

#include "cuda_abi.h"

CUresult shim_launch_fill(struct shim_launch *out, const struct hawser_launch *l, CUdevice device) {
    const CUlaunchConfig *config = l->config;
    unsigned cluster[3];
    hawser__launch__init(&out->m);
    out->packed = NULL;
    const struct shim_object *o = shim_object(HAWSER_FUNCTION, l->function);
    if (!o) return CUDA_ERROR_INVALID_HANDLE;
    const struct hawser_kernel *k = &o->function.kernel->facts;
    CUresult r = hawser_launch_check(l, k, device, cluster);
    if (r != CUDA_SUCCESS) return r;
    void *room = out->small;
    const void *packed;
    if (k->param_bytes > SHIM_SMALL_PARAMS && !(room = out->packed = malloc(k->param_bytes)))
        return CUDA_ERROR_OUT_OF_MEMORY;
    memset(room, 0, k->param_bytes);
    r = hawser_launch_params(l, k, room, &packed, &out->m.params.len);
    if (r != CUDA_SUCCESS) return r;
    out->m.params.data = (uint8_t *)packed;
    const uint64_t grid[3] = {config->gridDimX, config->gridDimY, config->gridDimZ};
    const uint64_t block[3] = {config->blockDimX, config->blockDimY, config->blockDimZ};
    memcpy(out->grid, grid, sizeof grid);
    memcpy(out->block, block, sizeof block);
    out->m.function = o->id;
    out->m.n_grid = out->m.n_block = 3;
    out->m.grid = out->grid;
    out->m.block = out->block;
    out->m.shared = config->sharedMemBytes;
    out->m.cooperative = l->cooperative;
    out->m.attributes.data = (uint8_t *)config->attrs;
    out->m.attributes.len = config->numAttrs * sizeof *config->attrs;
    return CUDA_SUCCESS;
}

CUresult hawser_front_launch(const struct hawser_launch *l) {
    struct shim_call c;
    struct shim_launch launch;
    uint64_t stream = 0;
    CUstream handle = l->config->hStream;
    CUresult r = shim_enter_stream(&c, HAWSER_FN_Launch, handle);
    if (r != CUDA_SUCCESS) return r;
    if (!shim_object(HAWSER_FUNCTION, l->function)) return CUDA_ERROR_INVALID_HANDLE;
    r = shim_handle(HAWSER_STREAM, handle, &stream);
    const struct shim_object *s = stream > SHIM_STREAM_PER_THREAD ? shim_object(HAWSER_STREAM, handle) : NULL;
    if (s && !s->stream.green && s->context != c.context) r = CUDA_ERROR_INVALID_HANDLE; /* copies may go there */
    if (r != CUDA_SUCCESS) return r;
    r = shim_launch_fill(&launch, l, c.context->ctx.facts.device);
    launch.m.stream = stream;
    if (r == CUDA_SUCCESS) r = shim_mirror_post(&c);
    if (r == CUDA_SUCCESS) r = shim_post(&c, &launch.m.base, NULL, 0);
    free(launch.packed);
    return r;
}

static CUresult clusters(int *out, CUfunction func, const CUlaunchConfig *config, bool largest) {
    struct shim_call c;
    Hawser__ClusterOccupancy m = HAWSER__CLUSTER_OCCUPANCY__INIT;
    Hawser__ClusterOccupancyReply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_ClusterOccupancy, true);
    if (r == CUDA_SUCCESS) r = shim_handle(HAWSER_FUNCTION, func, &m.function);
    if (r != CUDA_SUCCESS) return r;
    if (!out || !config) return CUDA_ERROR_INVALID_VALUE;
    r = hawser_launch_attributes(config);
    if (r != CUDA_SUCCESS) return r;
    uint64_t grid[3] = {config->gridDimX, config->gridDimY, config->gridDimZ};
    uint64_t block[3] = {config->blockDimX, config->blockDimY, config->blockDimZ};
    m.n_grid = m.n_block = 3;
    m.grid = grid;
    m.block = block;
    m.shared = config->sharedMemBytes;
    m.attributes = (ProtobufCBinaryData){config->numAttrs * sizeof *config->attrs, (uint8_t *)config->attrs};
    m.largest = largest;
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS) *out = (int)reply->count;
    shim_free_reply(reply);
    return r;
}

CUresult cuOccupancyMaxActiveClusters(int *numClusters, CUfunction func, const CUlaunchConfig *config) {
    return clusters(numClusters, func, config, false);
}

CUresult cuOccupancyMaxPotentialClusterSize(int *clusterSize, CUfunction func, const CUlaunchConfig *config) {
    return clusters(clusterSize, func, config, true);
}
