/* Launches: the configuration is checked here, the parameters are packed here, the rest is posted. */
#include "shim.h"

#include <stdlib.h>
#include <string.h>

#include "cuda_abi.h"

/* CUDA finds these at once, so they must not come late. */
static CUresult check_shape(const CUlaunchConfig *l, const struct shim_kernel *k, CUdevice device)
{
    const unsigned grid[3] = {l->gridDimX, l->gridDimY, l->gridDimZ};
    const unsigned block[3] = {l->blockDimX, l->blockDimY, l->blockDimZ};
    for (int i = 0; i < 3; i++) {
        unsigned max_grid = (unsigned)shim_device_attribute(device, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + i);
        unsigned max_block = (unsigned)shim_device_attribute(device, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + i);
        if (!grid[i] || !block[i] || grid[i] > max_grid || block[i] > max_block)
            return CUDA_ERROR_INVALID_VALUE;
    }
    uint64_t threads = (uint64_t)block[0] * block[1] * block[2];
    if (threads > (uint64_t)shim_device_attribute(device, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK))
        return CUDA_ERROR_INVALID_VALUE;
    int most = shim_kernel_attribute(k, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
    if (most && threads > (uint64_t)most) {
        /* Its registers set the limit, or __launch_bounds__. */
        uint64_t registers = threads * (unsigned)shim_kernel_attribute(k, CU_FUNC_ATTRIBUTE_NUM_REGS);
        bool room = registers <= (uint64_t)shim_device_attribute(device, CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK);
        return room ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    }
    int shared = shim_kernel_attribute(k, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
    return shared && l->sharedMemBytes > (unsigned)shared ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

/* Attributes are handed on as they are; those that hold handles are not carried yet. */
static CUresult check_attributes(const CUlaunchConfig *l)
{
    if (l->numAttrs && !l->attrs) return CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = 0; i < l->numAttrs; i++)
        switch (l->attrs[i].id) {
        case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
        case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
        case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
            return hawser_abi_not_supported("launch attributes that name events or graph nodes");
        case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
            if (l->attrs[i].value.accessPolicyWindow.num_bytes &&
                !shim_range_reached((uintptr_t)l->attrs[i].value.accessPolicyWindow.base_ptr,
                                    l->attrs[i].value.accessPolicyWindow.num_bytes))
                return CUDA_ERROR_INVALID_VALUE;
            break;
        default:
            break;
        }
    return CUDA_SUCCESS;
}

static CUresult check_cluster(const CUlaunchConfig *l, const struct shim_kernel *k)
{
    bool fits = true;
    unsigned cluster[3];
    struct hawser_clusters c = {
        .must_be_set = shim_kernel_attribute(k, CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET),
        .large = shim_kernel_attribute(k, CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED)};
    for (int i = 0; i < 3; i++)
        c.required[i] = (unsigned)shim_kernel_attribute(k, CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH + i);
    CUresult r = hawser_abi_cluster(&c, l, cluster, &fits);
    return r == CUDA_SUCCESS && !fits ? CUDA_ERROR_INVALID_CLUSTER_SIZE : r;
}

/* The parameters as one buffer: from the array by the kernel's layout, or given packed in extra. */
static CUresult pack_params(const struct shim_kernel *k, void **params, void **extra, uint8_t *small,
                            ProtobufCBinaryData *out)
{
    out->data = small;
    out->len = k->param_bytes;
    if (params) {
        if (out->len > SHIM_SMALL_PARAMS && !(out->data = malloc(out->len))) return CUDA_ERROR_OUT_OF_MEMORY;
        memset(out->data, 0, out->len);
        for (unsigned i = 0; i < k->n_params; i++) {
            if (!params[i]) return CUDA_ERROR_INVALID_VALUE;
            memcpy(out->data + k->param_offset[i], params[i], k->param_size[i]);
        }
        return CUDA_SUCCESS;
    }
    if (!extra) return k->n_params ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
    const size_t *size = NULL;
    void *buffer = NULL;
    for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
        if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER)
            buffer = extra[1];
        else if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE)
            size = extra[1];
        else
            return CUDA_ERROR_INVALID_VALUE;
    }
    if (!size || (*size && !buffer) || *size < k->param_bytes) return CUDA_ERROR_INVALID_VALUE;
    out->data = buffer;
    out->len = *size;
    return CUDA_SUCCESS;
}

CUresult shim_launch_fill(struct shim_launch *out, const CUlaunchConfig *l, CUfunction f, void **params, void **extra,
                          CUdevice device)
{
    hawser__launch__init(&out->m);
    out->m.params.data = out->small;
    out->packed = NULL;
    const struct shim_object *o = shim_object(HAWSER_FUNCTION, f);
    if (!o) return CUDA_ERROR_INVALID_HANDLE;
    if (params && extra) return CUDA_ERROR_INVALID_VALUE;
    const struct shim_kernel *k = o->function.kernel;
    CUresult r = check_shape(l, k, device);
    if (r == CUDA_SUCCESS) r = check_attributes(l);
    if (r == CUDA_SUCCESS) r = check_cluster(l, k);
    if (r == CUDA_SUCCESS) r = pack_params(k, params, extra, out->small, &out->m.params);
    out->packed = params && out->m.params.data != out->small ? out->m.params.data : NULL;
    const uint64_t grid[3] = {l->gridDimX, l->gridDimY, l->gridDimZ};
    const uint64_t block[3] = {l->blockDimX, l->blockDimY, l->blockDimZ};
    memcpy(out->grid, grid, sizeof grid);
    memcpy(out->block, block, sizeof block);
    out->m.function = o->id;
    out->m.n_grid = out->m.n_block = 3;
    out->m.grid = out->grid;
    out->m.block = out->block;
    out->m.shared = l->sharedMemBytes;
    out->m.attributes.data = (uint8_t *)l->attrs;
    out->m.attributes.len = l->numAttrs * sizeof *l->attrs;
    return r;
}

static CUresult launch(const CUlaunchConfig *l, CUfunction f, void **params, void **extra,
                       bool cooperative)
{
    struct shim_call c;
    struct shim_launch launch;
    uint64_t stream = 0;
    CUresult r = shim_enter_stream(&c, HAWSER_FN_Launch, l->hStream);
    if (r != CUDA_SUCCESS) return r;
    if (!shim_object(HAWSER_FUNCTION, f)) return CUDA_ERROR_INVALID_HANDLE;
    r = shim_handle(HAWSER_STREAM, l->hStream, &stream);
    const struct shim_object *s = stream > SHIM_STREAM_PER_THREAD ? shim_object(HAWSER_STREAM, l->hStream) : NULL;
    if (s && !s->stream.green && s->context != c.context) r = CUDA_ERROR_INVALID_HANDLE; /* copies may go there */
    if (r != CUDA_SUCCESS) return r;
    r = shim_launch_fill(&launch, l, f, params, extra, c.context->ctx.device);
    launch.m.stream = stream;
    launch.m.cooperative = cooperative;
    if (r == CUDA_SUCCESS) r = shim_mirror_post(&c);
    if (r == CUDA_SUCCESS) r = shim_post(&c, &launch.m.base, NULL, 0);
    free(launch.packed);
    return r;
}

CUresult cuLaunchKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY,
                        unsigned int gridDimZ, unsigned int blockDimX, unsigned int blockDimY,
                        unsigned int blockDimZ, unsigned int sharedMemBytes, CUstream hStream,
                        void **kernelParams, void **extra)
{
    CUlaunchConfig l = {gridDimX,  gridDimY,       gridDimZ, blockDimX, blockDimY,
                        blockDimZ, sharedMemBytes, hStream,  NULL,      0};
    return launch(&l, f, kernelParams, extra, false);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **kernelParams, void **extra)
{
    if (!config) return CUDA_ERROR_INVALID_VALUE;
    return launch(config, f, kernelParams, extra, false);
}

CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY,
                                   unsigned int gridDimZ, unsigned int blockDimX,
                                   unsigned int blockDimY, unsigned int blockDimZ,
                                   unsigned int sharedMemBytes, CUstream hStream, void **kernelParams)
{
    CUlaunchConfig l = {gridDimX,  gridDimY,       gridDimZ, blockDimX, blockDimY,
                        blockDimZ, sharedMemBytes, hStream,  NULL,      0};
    return launch(&l, f, kernelParams, NULL, true);
}

static CUresult clusters(int *out, CUfunction func, const CUlaunchConfig *config, bool largest)
{
    struct shim_call c;
    Hawser__ClusterOccupancy m = HAWSER__CLUSTER_OCCUPANCY__INIT;
    Hawser__ClusterOccupancyReply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_ClusterOccupancy, true);
    if (r == CUDA_SUCCESS) r = shim_handle(HAWSER_FUNCTION, func, &m.function);
    if (r != CUDA_SUCCESS) return r;
    if (!out || !config) return CUDA_ERROR_INVALID_VALUE;
    r = check_attributes(config);
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

CUresult cuOccupancyMaxActiveClusters(int *numClusters, CUfunction func, const CUlaunchConfig *config)
{
    return clusters(numClusters, func, config, false);
}

CUresult cuOccupancyMaxPotentialClusterSize(int *clusterSize, CUfunction func, const CUlaunchConfig *config)
{
    return clusters(clusterSize, func, config, true);
}
