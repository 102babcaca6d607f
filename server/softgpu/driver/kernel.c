/* Kernels, their attributes, launches and occupancy. CUfunction and CUkernel are the same object. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#define MOST_STACK ((size_t)512 << 10) /* local memory that a thread can have; whatever the limit says */

struct sd_kernel *sd_kernel(const void *handle)
{
    return sd_is(SD_KERNEL, handle) ? (struct sd_kernel *)handle : NULL;
}

/* ---- queries ---- */

static CUresult attribute(const struct sd_kernel *k, CUfunction_attribute a, int *value)
{
    const struct sg_kernel_info *i = k->info;
    switch (a) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
        *value = (int)i->max_threads;
        break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
        *value = (int)i->shared_bytes;
        break;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
        *value = (int)i->const_bytes;
        break;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
        *value = (int)i->local_bytes;
        break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
        *value = (int)i->registers;
        break;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION: /* of the virtual architecture; CUB chooses its code by it */
        *value = (int)i->architecture;
        break;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
        *value = (int)sd_capability();
        break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        *value = k->max_dynamic_shared;
        break;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
        *value = k->carveout;
        break;
    case CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET:
        *value = i->function->explicitcluster && !k->cluster[0];
        break;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
        *value = k->cluster[a - CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH];
        break;
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
        *value = k->large_clusters;
        break;
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
        *value = k->policy;
        break;
    default:
        *value = 0;
        return (unsigned)a < CU_FUNC_ATTRIBUTE_MAX ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

static CUresult named(const void *handle, const void *out, struct sd_kernel **k)
{
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *k = sd_kernel(handle);
    return *k ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuFuncGetAttribute(int *pi, CUfunction_attribute attrib, CUfunction hfunc)
{
    struct sd_kernel *k;
    CUresult r = named(hfunc, pi, &k);
    return r == CUDA_SUCCESS ? attribute(k, attrib, pi) : r;
}

CUresult cuKernelGetAttribute(int *pi, CUfunction_attribute attrib, CUkernel kernel, CUdevice dev)
{
    if (sd_ready() == CUDA_SUCCESS && !sd_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    return cuFuncGetAttribute(pi, attrib, (CUfunction)kernel);
}

CUresult cuFuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value)
{
    struct sd_kernel *k;
    CUresult r = named(hfunc, &k, &k);
    if (r != CUDA_SUCCESS) return r;
    switch (attrib) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        if (value < 0 || value > SG_MAX_SHARED_BYTES - (int)k->info->shared_bytes)
            return CUDA_ERROR_INVALID_VALUE;
        k->max_dynamic_shared = value;
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
        if (value < -1 || value > 100) return CUDA_ERROR_INVALID_VALUE;
        k->carveout = value;
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH: /* what the kernel itself says cannot be changed */
        if (k->info->function->reqnctapercluster[0]) return CUDA_ERROR_NOT_PERMITTED;
        if (value < 0) return CUDA_ERROR_INVALID_VALUE;
        k->cluster[attrib - CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH] = value;
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
        k->large_clusters = value != 0;
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
        if ((unsigned)value > CU_CLUSTER_SCHEDULING_POLICY_LOAD_BALANCING) return CUDA_ERROR_INVALID_VALUE;
        k->policy = value;
        return CUDA_SUCCESS;
    default: /* the rest can be asked for only */
        return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult cuKernelSetAttribute(CUfunction_attribute attrib, int val, CUkernel kernel, CUdevice dev)
{
    if (sd_ready() == CUDA_SUCCESS && !sd_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    return cuFuncSetAttribute((CUfunction)kernel, attrib, val);
}

/* A preference, which CUDA lets a device ignore. */
CUresult cuFuncSetCacheConfig(CUfunction hfunc, CUfunc_cache config)
{
    struct sd_kernel *k;
    CUresult r = named(hfunc, &k, &k);
    if (r != CUDA_SUCCESS) return r;
    if ((unsigned)config > CU_FUNC_CACHE_PREFER_EQUAL) return CUDA_ERROR_INVALID_VALUE;
    k->cache = (int)config;
    return CUDA_SUCCESS;
}

CUresult cuKernelSetCacheConfig(CUkernel kernel, CUfunc_cache config, CUdevice dev)
{
    if (sd_ready() == CUDA_SUCCESS && !sd_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    return cuFuncSetCacheConfig((CUfunction)kernel, config);
}

CUresult cuFuncSetSharedMemConfig(CUfunction hfunc, CUsharedconfig config)
{
    struct sd_kernel *k;
    CUresult r = named(hfunc, &k, &k);
    if (r != CUDA_SUCCESS) return r;
    return (unsigned)config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE ? CUDA_ERROR_INVALID_VALUE
                                                                        : CUDA_SUCCESS;
}

CUresult cuFuncGetName(const char **name, CUfunction hfunc)
{
    struct sd_kernel *k;
    CUresult r = named(hfunc, name, &k);
    if (r == CUDA_SUCCESS) *name = k->info->name;
    return r;
}

CUresult cuKernelGetName(const char **name, CUkernel kernel)
{
    return cuFuncGetName(name, (CUfunction)kernel);
}

CUresult cuFuncGetModule(CUmodule *hmod, CUfunction hfunc)
{
    struct sd_kernel *k;
    CUresult r = named(hfunc, hmod, &k);
    if (r == CUDA_SUCCESS) *hmod = (CUmodule)k->module;
    return r;
}

CUresult cuKernelGetLibrary(CUlibrary *pLib, CUkernel kernel)
{
    struct sd_kernel *k;
    CUresult r = named(kernel, pLib, &k);
    if (r != CUDA_SUCCESS) return r;
    if (!k->module->library) return CUDA_ERROR_INVALID_HANDLE;
    *pLib = (CUlibrary)k->module;
    return CUDA_SUCCESS;
}

CUresult cuKernelGetFunction(CUfunction *pFunc, CUkernel kernel)
{
    struct sd_kernel *k;
    CUresult r = named(kernel, pFunc, &k);
    if (r == CUDA_SUCCESS) *pFunc = (CUfunction)k;
    return r;
}

CUresult cuFuncGetParamInfo(CUfunction func, size_t paramIndex, size_t *paramOffset, size_t *paramSize)
{
    struct sd_kernel *k;
    CUresult r = named(func, paramOffset, &k);
    if (r != CUDA_SUCCESS) return r;
    if (paramIndex >= k->info->nparams) return CUDA_ERROR_INVALID_VALUE;
    const struct sg_param *p = &k->info->function->params[paramIndex];
    *paramOffset = p->offset;
    if (paramSize) *paramSize = p->size;
    return CUDA_SUCCESS;
}

CUresult cuKernelGetParamInfo(CUkernel kernel, size_t paramIndex, size_t *paramOffset, size_t *paramSize)
{
    return cuFuncGetParamInfo((CUfunction)kernel, paramIndex, paramOffset, paramSize);
}

/* A kernel is decoded before its handle exists. */
CUresult cuFuncIsLoaded(CUfunctionLoadingState *state, CUfunction function)
{
    struct sd_kernel *k;
    CUresult r = named(function, state, &k);
    if (r == CUDA_SUCCESS) *state = CU_FUNCTION_LOADING_STATE_LOADED;
    return r;
}

CUresult cuFuncLoad(CUfunction function)
{
    struct sd_kernel *k;
    return named(function, &k, &k);
}

/* ---- launches ---- */

struct launch {
    struct sd_task task;
    struct sd_kernel *kernel;
    struct sg_launch_params p;
    unsigned char params[];
};

static CUresult fault_result(enum sg_fault_kind kind)
{
    static const CUresult results[] = {
        [SG_FAULT_NONE] = CUDA_SUCCESS,
        [SG_FAULT_ADDRESS] = CUDA_ERROR_ILLEGAL_ADDRESS,
        [SG_FAULT_MISALIGNED] = CUDA_ERROR_MISALIGNED_ADDRESS,
        [SG_FAULT_TRAP] = CUDA_ERROR_LAUNCH_FAILED,
        [SG_FAULT_INSTRUCTION] = CUDA_ERROR_ILLEGAL_INSTRUCTION,
        [SG_FAULT_PC] = CUDA_ERROR_INVALID_PC,
        [SG_FAULT_SPACE] = CUDA_ERROR_INVALID_ADDRESS_SPACE,
        [SG_FAULT_ASSERT] = CUDA_ERROR_ASSERT,
        [SG_FAULT_STACK] = CUDA_ERROR_LAUNCH_FAILED,
        [SG_FAULT_DEADLOCK] = CUDA_ERROR_LAUNCH_TIMEOUT,
        [SG_FAULT_INVALID_VALUE] = CUDA_ERROR_INVALID_VALUE,
        [SG_FAULT_COOPERATIVE_SIZE] = CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE,
        [SG_FAULT_CLUSTER_SIZE] = CUDA_ERROR_INVALID_CLUSTER_SIZE,
        [SG_FAULT_NO_MEMORY] = CUDA_ERROR_OUT_OF_MEMORY,
    };
    return (unsigned)kind < sizeof results / sizeof *results ? results[kind] : CUDA_ERROR_UNKNOWN;
}

static void launch_run(struct sd_task *t)
{
    struct launch *l = (struct launch *)t;
    struct sg_fault fault = {0};
    enum sg_fault_kind kind = sg_launch(t->context->device->engine, l->kernel->kernel, &l->p, &fault);
    if (kind == SG_FAULT_NONE) return;
    sd_log(SD_ERROR,
           "kernel %s failed: %s at block (%u,%u,%u) thread (%u,%u,%u), address %#llx, PTX line %u%s%s",
           l->kernel->info->name, sg_fault_name(kind), fault.block[0], fault.block[1], fault.block[2],
           fault.thread[0], fault.thread[1], fault.thread[2], (unsigned long long)fault.address, fault.line,
           fault.message[0] ? ": " : "", fault.message);
    sd_context_fail(t->context, fault_result(kind));
}

static void launch_drop(struct sd_task *t)
{
    free(t);
}

/* The parameters into the packed buffer: from the array, or given packed in extra. */
static CUresult take_params(const struct sd_kernel *k, void **params, void **extra, unsigned char *out)
{
    size_t bytes = k->info->param_bytes;
    if (params) {
        for (uint32_t i = 0; i < k->info->nparams; i++) {
            const struct sg_param *p = &k->info->function->params[i];
            if (!params[i]) return CUDA_ERROR_INVALID_VALUE;
            memcpy(out + p->offset, params[i], p->size);
        }
        return CUDA_SUCCESS;
    }
    if (!extra) return k->info->nparams ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
    const size_t *size = NULL;
    const void *buffer = NULL;
    for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
        if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER)
            buffer = extra[1];
        else if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE)
            size = extra[1];
        else
            return CUDA_ERROR_INVALID_VALUE;
    }
    if (!size || *size < bytes || (bytes && !buffer)) return CUDA_ERROR_INVALID_VALUE;
    if (bytes) memcpy(out, buffer, bytes);
    return CUDA_SUCCESS;
}

static CUresult check(const struct sd_device *d, const struct sd_kernel *k, const CUlaunchConfig *l,
                      bool cooperative)
{
    const unsigned grid[3] = {l->gridDimX, l->gridDimY, l->gridDimZ};
    const unsigned block[3] = {l->blockDimX, l->blockDimY, l->blockDimZ};
    for (int i = 0; i < 3; i++) {
        if (!grid[i] || grid[i] > (unsigned)sd_device_attribute(d, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + i) ||
            !block[i] || block[i] > (unsigned)sd_device_attribute(d, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + i))
            return CUDA_ERROR_INVALID_VALUE;
    }
    uint64_t threads = (uint64_t)block[0] * block[1] * block[2];
    if (threads > SG_MAX_BLOCK_THREADS) return CUDA_ERROR_INVALID_VALUE;
    if (threads > k->info->max_threads) return CUDA_ERROR_INVALID_VALUE;
    if (l->sharedMemBytes > (unsigned)k->max_dynamic_shared) return CUDA_ERROR_INVALID_VALUE;
    if (cooperative && (uint64_t)grid[0] * grid[1] * grid[2] > sg_cooperative_limit(d->engine, (uint32_t)threads))
        return CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
    return CUDA_SUCCESS;
}

_Static_assert((int)HAWSER_MAX_CLUSTER == (int)SG_MAX_CLUSTER, "what the engine takes");

static CUresult find_cluster(const struct sd_kernel *k, const CUlaunchConfig *l, uint32_t cluster[3], bool *fits)
{
    struct hawser_clusters c = {.must_be_set = k->info->function->explicitcluster, .large = k->large_clusters};
    for (int i = 0; i < 3; i++)
        c.required[i] = (unsigned)k->cluster[i];
    return hawser_abi_cluster(&c, l, cluster, fits);
}

/* Whether launch or kernel says how large clusters are: %is_explicit_cluster. */
static bool names_cluster(const struct sd_kernel *k, const CUlaunchConfig *l)
{
    bool named = k->cluster[0] != 0;
    for (unsigned i = 0; i < l->numAttrs; i++)
        named |= l->attrs[i].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
    return named;
}

static CUresult launch(const CUlaunchConfig *config, const void *f, void **params, void **extra,
                       bool cooperative)
{
    uint32_t cluster[3];
    bool fits = true;
    struct sd_context *c;
    struct sd_stream *s;
    CUresult r = sd_stream_of(config->hStream, &c, &s);
    if (r != CUDA_SUCCESS) return r;
    if (s->context != c) return CUDA_ERROR_INVALID_HANDLE; /* copies may go there, kernels not */
    struct sd_kernel *k = sd_kernel(f);
    if (!k) return CUDA_ERROR_INVALID_HANDLE;
    if (params && extra) return CUDA_ERROR_INVALID_VALUE;
    r = check(c->device, k, config, cooperative);
    if (r == CUDA_SUCCESS) r = find_cluster(k, config, cluster, &fits);
    if (r == CUDA_SUCCESS && !fits) r = CUDA_ERROR_INVALID_CLUSTER_SIZE;
    if (r != CUDA_SUCCESS) return r;
    struct launch *l = calloc(1, sizeof *l + k->info->param_bytes);
    if (!l) return CUDA_ERROR_OUT_OF_MEMORY;
    l->task.run = launch_run;
    l->task.drop = launch_drop;
    l->kernel = k;
    l->p = (struct sg_launch_params){.grid = {config->gridDimX, config->gridDimY, config->gridDimZ},
                                     .block = {config->blockDimX, config->blockDimY, config->blockDimZ},
                                     .dynamic_shared = config->sharedMemBytes,
                                     .params = l->params,
                                     .param_bytes = k->info->param_bytes,
                                     .cooperative = cooperative,
                                     .stack_bytes = c->limits[CU_LIMIT_STACK_SIZE] < MOST_STACK
                                                        ? c->limits[CU_LIMIT_STACK_SIZE] : MOST_STACK};
    if (names_cluster(k, config)) memcpy(l->p.cluster, cluster, sizeof cluster);
    r = take_params(k, params, extra, l->params);
    if (r != CUDA_SUCCESS) {
        free(l);
        return r;
    }
    return sd_enqueue(s, &l->task, NULL);
}

CUresult cuLaunchKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ,
                        unsigned int blockDimX, unsigned int blockDimY, unsigned int blockDimZ,
                        unsigned int sharedMemBytes, CUstream hStream, void **kernelParams, void **extra)
{
    CUlaunchConfig l = {gridDimX,  gridDimY,       gridDimZ, blockDimX, blockDimY,
                        blockDimZ, sharedMemBytes, hStream,  NULL,      0};
    return launch(&l, f, kernelParams, extra, false);
}

CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY,
                                   unsigned int gridDimZ, unsigned int blockDimX, unsigned int blockDimY,
                                   unsigned int blockDimZ, unsigned int sharedMemBytes, CUstream hStream,
                                   void **kernelParams)
{
    CUlaunchConfig l = {gridDimX,  gridDimY,       gridDimZ, blockDimX, blockDimY,
                        blockDimZ, sharedMemBytes, hStream,  NULL,      0};
    return launch(&l, f, kernelParams, NULL, true);
}

/* Attributes that are hints cost nothing to ignore; those that change meaning are done or refused. */
CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **kernelParams, void **extra)
{
    bool cooperative = false;
    if (!config || (config->numAttrs && !config->attrs)) return CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = 0; i < config->numAttrs; i++) {
        const CUlaunchAttribute *a = &config->attrs[i];
        switch (a->id) {
        case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
            cooperative = a->value.cooperative != 0;
            break;
        case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
        case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
        case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
            return hawser_abi_not_supported("launch attributes that name events or graph nodes");
        default:
            break;
        }
    }
    return launch(config, f, kernelParams, extra, cooperative);
}

/* ---- occupancy: of blocks that take turns on a CPU thread, by the limits that the device reports ---- */

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *numBlocks, CUfunction func, int blockSize,
                                                              size_t dynamicSMemSize, unsigned int flags)
{
    struct sd_context *c;
    struct sd_kernel *k;
    CUresult r = sd_current(&c);
    if (r == CUDA_SUCCESS) r = named(func, numBlocks, &k);
    if (r != CUDA_SUCCESS) return r;
    if (blockSize <= 0 || flags > CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE) return CUDA_ERROR_INVALID_VALUE;
    *numBlocks = 0;
    if (blockSize > (int)k->info->max_threads || dynamicSMemSize > (size_t)k->max_dynamic_shared)
        return CUDA_SUCCESS;
    size_t shared = k->info->shared_bytes + dynamicSMemSize + SG_RESERVED_SHARED_BYTES;
    unsigned by_threads = 2048u / (((unsigned)blockSize + 31) / 32 * 32);
    unsigned by_shared = (unsigned)(SG_MULTIPROCESSOR_SHARED_BYTES / shared);
    /* What a cooperative launch may have resident, spread over the "multiprocessors". */
    unsigned n = sg_cooperative_limit(c->device->engine, (uint32_t)blockSize) / sg_engine_threads(c->device->engine);
    if (n > by_threads) n = by_threads;
    if (n > by_shared) n = by_shared;
    *numBlocks = (int)(n > 32 ? 32 : n);
    return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *numBlocks, CUfunction func, int blockSize,
                                                     size_t dynamicSMemSize)
{
    return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(numBlocks, func, blockSize, dynamicSMemSize, 0);
}

CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t *dynamicSmemSize, CUfunction func, int numBlocks,
                                                 int blockSize)
{
    struct sd_kernel *k;
    CUresult r = named(func, dynamicSmemSize, &k);
    if (r != CUDA_SUCCESS) return r;
    if (numBlocks <= 0 || blockSize <= 0 || blockSize > (int)k->info->max_threads) return CUDA_ERROR_INVALID_VALUE;
    size_t each = SG_MULTIPROCESSOR_SHARED_BYTES / (size_t)numBlocks, taken = SG_RESERVED_SHARED_BYTES + k->info->shared_bytes;
    *dynamicSmemSize = each > taken ? each - taken : 0;
    return CUDA_SUCCESS;
}

/* A cluster takes turns on one CPU thread, like a block: as many as threads, by as many as fit. */
CUresult cuOccupancyMaxActiveClusters(int *numClusters, CUfunction func, const CUlaunchConfig *config)
{
    struct sd_context *c;
    struct sd_kernel *k;
    uint32_t cluster[3];
    bool fits = true;
    int blocks = 0;
    CUresult r = sd_current(&c);
    if (r == CUDA_SUCCESS) r = named(func, numClusters, &k);
    if (r != CUDA_SUCCESS) return r;
    if (!config || (config->numAttrs && !config->attrs)) return CUDA_ERROR_INVALID_VALUE;
    r = check(c->device, k, config, false);
    if (r == CUDA_SUCCESS) r = find_cluster(k, config, cluster, &fits);
    if (r == CUDA_SUCCESS && fits)
        r = cuOccupancyMaxActiveBlocksPerMultiprocessor(
            &blocks, func, (int)(config->blockDimX * config->blockDimY * config->blockDimZ), config->sharedMemBytes);
    if (r != CUDA_SUCCESS) return r;
    int each = blocks ? blocks / (int)(cluster[0] * cluster[1] * cluster[2]) : 0;
    *numClusters = (each > 0 ? each : blocks > 0) * (int)sg_engine_threads(c->device->engine);
    return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialClusterSize(int *clusterSize, CUfunction func, const CUlaunchConfig *config)
{
    struct sd_kernel *k;
    CUresult r = named(func, clusterSize, &k);
    if (r != CUDA_SUCCESS) return r;
    if (!config || (config->numAttrs && !config->attrs)) return CUDA_ERROR_INVALID_VALUE;
    bool fits = config->sharedMemBytes <= (unsigned)k->max_dynamic_shared &&
                (uint64_t)config->blockDimX * config->blockDimY * config->blockDimZ <= k->info->max_threads;
    *clusterSize = !fits ? 0 : k->large_clusters ? HAWSER_MAX_CLUSTER : HAWSER_PORTABLE_CLUSTER;
    return CUDA_SUCCESS;
}
