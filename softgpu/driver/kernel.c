/* Kernels, their attributes, launches and occupancy. CUfunction and CUkernel are the same object. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#define MOST_STACK ((size_t)512 << 10) /* local memory that a thread can have; whatever the limit says */

struct sd_kernel *sd_kernel(const void *handle) {
    return sd_is(SD_KERNEL, handle) ? (struct sd_kernel *)handle : NULL;
}

struct hawser_kernel *hawser_front_kernel(const void *handle) {
    struct sd_kernel *k = sd_kernel(handle);
    return k ? &k->facts : NULL;
}

void *hawser_front_kernel_owner(const void *handle, bool *library) {
    struct sd_module *m = sd_kernel(handle)->module;
    *library = m->library;
    return m;
}

/* ---- what the front end knows of a kernel ---- */

static void fill_attributes(struct sd_kernel *k, int *out) {
    const struct sg_kernel_info *i = k->info;
    const uint32_t *cluster = i->function->reqnctapercluster;
    int most = 48 * 1024 - (int)i->shared_bytes;
    out[CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK] = (int)i->max_threads;
    out[CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES] = (int)i->shared_bytes;
    out[CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES] = (int)i->const_bytes;
    out[CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES] = (int)i->local_bytes;
    out[CU_FUNC_ATTRIBUTE_NUM_REGS] = (int)i->registers;
    out[CU_FUNC_ATTRIBUTE_PTX_VERSION] = (int)i->architecture; /* the virtual one; CUB chooses its code by it */
    out[CU_FUNC_ATTRIBUTE_BINARY_VERSION] = (int)sd_capability();
    out[CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES] = most > 0 ? most : 0;
    out[CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT] = -1;
    out[CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET] = i->function->explicitcluster && !cluster[0];
    for (int d = 0; cluster[0] && d < 3; d++)
        out[CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH + d] = cluster[d] ? (int)cluster[d] : 1;
}

bool sd_kernel_describe(struct sd_kernel *k) {
    struct hawser_kernel *f = &k->facts;
    f->params = calloc(k->info->nparams + (size_t)1, sizeof *f->params);
    if (!f->params) return false;
    f->name = k->info->name;
    f->n_params = k->info->nparams;
    f->param_bytes = k->info->param_bytes;
    for (unsigned i = 0; i < f->n_params; i++) {
        const struct sg_param *p = &k->info->function->params[i];
        f->params[i] = (struct hawser_param){p->offset, p->size};
    }
    f->n_attributes = CU_FUNC_ATTRIBUTE_MAX;
    fill_attributes(k, f->attributes);
    return true;
}

/* ---- settings ---- */

static CUresult named(const void *handle, const void *out, struct sd_kernel **k) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *k = sd_kernel(handle);
    return *k ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

/* The value that an attribute would take, checked. */
static CUresult check_attribute(const struct sd_kernel *k, CUfunction_attribute a, int value) {
    switch (a) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        return value < 0 || value > SG_MAX_SHARED_BYTES - (int)k->info->shared_bytes ? CUDA_ERROR_INVALID_VALUE
                                                                                     : CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
        return value < -1 || value > 100 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH: /* what the kernel itself says cannot be changed */
        if (k->info->function->reqnctapercluster[0]) return CUDA_ERROR_NOT_PERMITTED;
        return value < 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
        return (unsigned)value > CU_CLUSTER_SCHEDULING_POLICY_LOAD_BALANCING ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
    default: /* the rest can be asked for only */
        return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult cuFuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value) {
    struct sd_kernel *k;
    CUresult r = named(hfunc, &k, &k);
    if (r == CUDA_SUCCESS) r = check_attribute(k, attrib, value);
    if (r != CUDA_SUCCESS) return r;
    int *attributes = k->facts.attributes;
    attributes[attrib] = attrib == CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED ? value != 0 : value;
    attributes[CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET] =
        k->info->function->explicitcluster && !attributes[CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH];
    return CUDA_SUCCESS;
}

CUresult cuKernelSetAttribute(CUfunction_attribute attrib, int val, CUkernel kernel, CUdevice dev) {
    if (sd_ready() == CUDA_SUCCESS && !sd_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    return cuFuncSetAttribute((CUfunction)kernel, attrib, val);
}

/* A preference, which CUDA lets a device ignore. */
CUresult cuFuncSetCacheConfig(CUfunction hfunc, CUfunc_cache config) {
    struct sd_kernel *k;
    CUresult r = named(hfunc, &k, &k);
    if (r != CUDA_SUCCESS) return r;
    return (unsigned)config > CU_FUNC_CACHE_PREFER_EQUAL ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuKernelSetCacheConfig(CUkernel kernel, CUfunc_cache config, CUdevice dev) {
    if (sd_ready() == CUDA_SUCCESS && !sd_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    return cuFuncSetCacheConfig((CUfunction)kernel, config);
}

CUresult cuFuncSetSharedMemConfig(CUfunction hfunc, CUsharedconfig config) {
    struct sd_kernel *k;
    CUresult r = named(hfunc, &k, &k);
    if (r != CUDA_SUCCESS) return r;
    return (unsigned)config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuKernelGetFunction(CUfunction *pFunc, CUkernel kernel) {
    struct sd_kernel *k;
    CUresult r = named(kernel, pFunc, &k);
    if (r == CUDA_SUCCESS) *pFunc = (CUfunction)k;
    return r;
}

/* ---- launches ---- */

struct launch {
    struct sd_task task;
    struct sd_kernel *kernel;
    struct sg_launch_params p;
    unsigned char params[];
};

static CUresult fault_result(enum sg_fault_kind kind) {
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

static void launch_run(struct sd_task *t) {
    struct launch *l = (struct launch *)t;
    struct sg_fault fault = {0};
    enum sg_fault_kind kind = sg_launch(t->context->device->engine, l->kernel->kernel, &l->p, &fault);
    if (kind == SG_FAULT_NONE) return;
    sd_log(SD_ERROR, "kernel %s failed: %s at block (%u,%u,%u) thread (%u,%u,%u), address %#llx, PTX line %u%s%s",
           l->kernel->info->name, sg_fault_name(kind), fault.block[0], fault.block[1], fault.block[2], fault.thread[0],
           fault.thread[1], fault.thread[2], (unsigned long long)fault.address, fault.line,
           fault.message[0] ? ": " : "", fault.message);
    sd_context_fail(t->context, fault_result(kind));
}

static void launch_drop(struct sd_task *t) {
    free(t);
}

_Static_assert((int)HAWSER_MAX_CLUSTER == (int)SG_MAX_CLUSTER, "what the engine takes");

/* Whether launch or kernel says how large clusters are: %is_explicit_cluster. */
static bool names_cluster(const struct sd_kernel *k, const CUlaunchConfig *l) {
    bool named = k->facts.attributes[CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH] != 0;
    for (unsigned i = 0; i < l->numAttrs; i++)
        named |= l->attrs[i].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
    return named;
}

/* All blocks of a cooperative launch are resident. */
static bool resident(const struct sd_context *c, const CUlaunchConfig *l) {
    uint32_t threads = l->blockDimX * l->blockDimY * l->blockDimZ;
    return (uint64_t)l->gridDimX * l->gridDimY * l->gridDimZ <= sg_cooperative_limit(c->device->engine, threads);
}

static struct launch *new_launch(const struct sd_context *c, struct sd_kernel *k, const CUlaunchConfig *config) {
    size_t stack = c->limits[CU_LIMIT_STACK_SIZE];
    struct launch *l = calloc(1, sizeof *l + k->info->param_bytes);
    if (!l) return NULL;
    l->task.run = launch_run;
    l->task.drop = launch_drop;
    l->kernel = k;
    l->p = (struct sg_launch_params){.grid = {config->gridDimX, config->gridDimY, config->gridDimZ},
                                     .block = {config->blockDimX, config->blockDimY, config->blockDimZ},
                                     .dynamic_shared = config->sharedMemBytes,
                                     .params = l->params,
                                     .param_bytes = k->info->param_bytes,
                                     .stack_bytes = stack < MOST_STACK ? stack : MOST_STACK};
    return l;
}

CUresult hawser_front_launch(const struct hawser_launch *given) {
    const CUlaunchConfig *config = given->config;
    uint32_t cluster[3];
    struct sd_context *c;
    struct sd_stream *s;
    const void *packed;
    size_t size;
    CUresult r = sd_stream_of(config->hStream, &c, &s);
    if (r != CUDA_SUCCESS) return r;
    if (s->context != c) return CUDA_ERROR_INVALID_HANDLE; /* copies may go there, kernels not */
    struct sd_kernel *k = sd_kernel(given->function);
    if (!k) return CUDA_ERROR_INVALID_HANDLE;
    r = hawser_launch_check(given, &k->facts, c->device->ordinal, cluster);
    if (r != CUDA_SUCCESS) return r;
    bool cooperative = hawser_launch_cooperative(given);
    if (cooperative && !resident(c, config)) return CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
    struct launch *l = new_launch(c, k, config);
    if (!l) return CUDA_ERROR_OUT_OF_MEMORY;
    l->p.cooperative = cooperative;
    if (names_cluster(k, config)) memcpy(l->p.cluster, cluster, sizeof cluster);
    r = hawser_launch_params(given, &k->facts, l->params, &packed, &size);
    if (r != CUDA_SUCCESS) {
        free(l);
        return r;
    }
    if (packed != l->params && k->info->param_bytes) memcpy(l->params, packed, k->info->param_bytes);
    return sd_enqueue(s, &l->task, NULL);
}

/* ---- occupancy: of blocks that take turns on a CPU thread, by the limits that the device reports ---- */

static int most_dynamic(const struct sd_kernel *k) {
    return k->facts.attributes[CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES];
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *numBlocks, CUfunction func, int blockSize,
                                                              size_t dynamicSMemSize, unsigned int flags) {
    struct sd_context *c;
    struct sd_kernel *k;
    CUresult r = sd_current(&c);
    if (r == CUDA_SUCCESS) r = named(func, numBlocks, &k);
    if (r != CUDA_SUCCESS) return r;
    if (blockSize <= 0 || flags > CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE) return CUDA_ERROR_INVALID_VALUE;
    *numBlocks = 0;
    if (blockSize > (int)k->info->max_threads || dynamicSMemSize > (size_t)most_dynamic(k)) return CUDA_SUCCESS;
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
                                                     size_t dynamicSMemSize) {
    return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(numBlocks, func, blockSize, dynamicSMemSize, 0);
}

CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t *dynamicSmemSize, CUfunction func, int numBlocks,
                                                 int blockSize) {
    struct sd_kernel *k;
    CUresult r = named(func, dynamicSmemSize, &k);
    if (r != CUDA_SUCCESS) return r;
    if (numBlocks <= 0 || blockSize <= 0 || blockSize > (int)k->info->max_threads) return CUDA_ERROR_INVALID_VALUE;
    size_t each = SG_MULTIPROCESSOR_SHARED_BYTES / (size_t)numBlocks,
           taken = SG_RESERVED_SHARED_BYTES + k->info->shared_bytes;
    *dynamicSmemSize = each > taken ? each - taken : 0;
    return CUDA_SUCCESS;
}

/* A cluster takes turns on one CPU thread, like a block: as many as threads, by as many as fit. */
CUresult cuOccupancyMaxActiveClusters(int *numClusters, CUfunction func, const CUlaunchConfig *config) {
    struct sd_context *c;
    struct sd_kernel *k;
    uint32_t cluster[3];
    bool fits = true;
    int blocks = 0;
    CUresult r = sd_current(&c);
    if (r == CUDA_SUCCESS) r = named(func, numClusters, &k);
    if (r != CUDA_SUCCESS) return r;
    if (!config || (config->numAttrs && !config->attrs)) return CUDA_ERROR_INVALID_VALUE;
    r = hawser_launch_shape(config, &k->facts, c->device->ordinal);
    if (r == CUDA_SUCCESS) r = hawser_launch_cluster(config, &k->facts, cluster, &fits);
    if (r == CUDA_SUCCESS && fits)
        r = cuOccupancyMaxActiveBlocksPerMultiprocessor(
            &blocks, func, (int)(config->blockDimX * config->blockDimY * config->blockDimZ), config->sharedMemBytes);
    if (r != CUDA_SUCCESS) return r;
    int each = blocks ? blocks / (int)(cluster[0] * cluster[1] * cluster[2]) : 0;
    *numClusters = (each > 0 ? each : blocks > 0) * (int)sg_engine_threads(c->device->engine);
    return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialClusterSize(int *clusterSize, CUfunction func, const CUlaunchConfig *config) {
    struct sd_kernel *k;
    CUresult r = named(func, clusterSize, &k);
    if (r != CUDA_SUCCESS) return r;
    if (!config || (config->numAttrs && !config->attrs)) return CUDA_ERROR_INVALID_VALUE;
    bool fits = config->sharedMemBytes <= (unsigned)most_dynamic(k) &&
                (uint64_t)config->blockDimX * config->blockDimY * config->blockDimZ <= k->info->max_threads;
    *clusterSize = !fits                                                                      ? 0
                   : k->facts.attributes[CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED] ? HAWSER_MAX_CLUSTER
                                                                                              : HAWSER_PORTABLE_CLUSTER;
    return CUDA_SUCCESS;
}
