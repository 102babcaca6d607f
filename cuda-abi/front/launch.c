/* Launches: what CUDA finds wrong with them at once, and their parameters. */
#include "front.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "visible.h"

/* ---- the shape ---- */

/* What a device can do does not change, and every launch asks for it. */
struct limits {
    atomic_bool known; /* then the rest is read without the lock */
    unsigned grid[3], block[3], threads;
};

static const struct limits *limits_of(CUdevice device) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct limits all[HAWSER_MAX_DEVICES];
    struct limits *m = &all[device];
    if (atomic_load_explicit(&m->known, memory_order_acquire)) return m;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < 3 && !m->known; i++) {
        m->grid[i] = (unsigned)hawser_front_device_attribute(device, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + i);
        m->block[i] = (unsigned)hawser_front_device_attribute(device, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + i);
    }
    if (!m->known)
        m->threads = (unsigned)hawser_front_device_attribute(device, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
    atomic_store_explicit(&m->known, true, memory_order_release);
    pthread_mutex_unlock(&lock);
    return m;
}

CUresult hawser_launch_shape(const CUlaunchConfig *l, const struct hawser_kernel *k, CUdevice device) {
    const struct limits *m = limits_of(device);
    const unsigned grid[3] = {l->gridDimX, l->gridDimY, l->gridDimZ};
    const unsigned block[3] = {l->blockDimX, l->blockDimY, l->blockDimZ};
    for (int i = 0; i < 3; i++)
        if (!grid[i] || !block[i] || grid[i] > m->grid[i] || block[i] > m->block[i]) return CUDA_ERROR_INVALID_VALUE;
    uint64_t threads = (uint64_t)block[0] * block[1] * block[2];
    if (threads > m->threads) return CUDA_ERROR_INVALID_VALUE;
    int most = hawser_kernel_attribute(k, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
    if (most && threads > (uint64_t)most) {
        /* Its registers set the limit, or __launch_bounds__. */
        uint64_t registers = threads * (unsigned)hawser_kernel_attribute(k, CU_FUNC_ATTRIBUTE_NUM_REGS);
        int there = hawser_front_device_attribute(device, CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK);
        return registers <= (uint64_t)there ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    }
    if (k->n_attributes <= CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_SUCCESS;
    int shared = hawser_kernel_attribute(k, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
    return l->sharedMemBytes > (unsigned)shared ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

/* ---- attributes ---- */

/* Hints cost nothing to ignore; what would change the meaning is done or refused. */
CUresult hawser_launch_attributes(const CUlaunchConfig *l) {
    if (l->numAttrs && !l->attrs) return CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = 0; i < l->numAttrs; i++) {
        const CUaccessPolicyWindow *window = &l->attrs[i].value.accessPolicyWindow;
        switch (l->attrs[i].id) {
        case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
        case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
        case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
            return hawser_abi_not_supported("launch attributes that name events or graph nodes");
        case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
            if (window->num_bytes && !hawser_front_reached((uintptr_t)window->base_ptr, window->num_bytes))
                return CUDA_ERROR_INVALID_VALUE;
            break;
        default:
            break;
        }
    }
    return CUDA_SUCCESS;
}

bool hawser_launch_cooperative(const struct hawser_launch *l) {
    bool cooperative = l->cooperative;
    for (unsigned i = 0; i < l->config->numAttrs; i++)
        if (l->config->attrs[i].id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE)
            cooperative = l->config->attrs[i].value.cooperative != 0;
    return cooperative;
}

CUresult hawser_launch_cluster(const CUlaunchConfig *l, const struct hawser_kernel *k, unsigned cluster[3],
                               bool *fits) {
    struct hawser_clusters c = {.must_be_set = hawser_kernel_attribute(k, CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET),
                                .large =
                                    hawser_kernel_attribute(k, CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED)};
    for (int i = 0; i < 3; i++)
        c.required[i] = (unsigned)hawser_kernel_attribute(k, CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH + i);
    *fits = true;
    return hawser_abi_cluster(&c, l, cluster, fits);
}

CUresult hawser_launch_check(const struct hawser_launch *l, const struct hawser_kernel *k, CUdevice device,
                             unsigned cluster[3]) {
    bool fits = true;
    if (l->params && l->extra) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = hawser_launch_shape(l->config, k, device);
    if (r == CUDA_SUCCESS) r = hawser_launch_attributes(l->config);
    if (r == CUDA_SUCCESS) r = hawser_launch_cluster(l->config, k, cluster, &fits);
    return r == CUDA_SUCCESS && !fits ? CUDA_ERROR_INVALID_CLUSTER_SIZE : r;
}

/* ---- parameters ---- */

static CUresult given_packed(void **extra, size_t least, const void **packed, size_t *bytes) {
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
    if (!size || (*size && !buffer) || *size < least) return CUDA_ERROR_INVALID_VALUE;
    *packed = buffer;
    *bytes = *size;
    return CUDA_SUCCESS;
}

CUresult hawser_launch_params(const struct hawser_launch *l, const struct hawser_kernel *k, void *room,
                              const void **packed, size_t *size) {
    *packed = room;
    *size = k->param_bytes;
    if (!l->params && l->extra) return given_packed(l->extra, k->param_bytes, packed, size);
    if (!l->params) return k->n_params ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
    for (unsigned i = 0; i < k->n_params; i++) {
        if (!l->params[i]) return CUDA_ERROR_INVALID_VALUE;
        memcpy((char *)room + k->params[i].offset, l->params[i], k->params[i].size);
    }
    return CUDA_SUCCESS;
}

/* ---- the functions ---- */

CUresult cuLaunchKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ,
                        unsigned int blockDimX, unsigned int blockDimY, unsigned int blockDimZ,
                        unsigned int sharedMemBytes, CUstream hStream, void **kernelParams, void **extra) {
    CUlaunchConfig config = {gridDimX,  gridDimY,       gridDimZ, blockDimX, blockDimY,
                             blockDimZ, sharedMemBytes, hStream,  NULL,      0};
    return hawser_front_launch(&(struct hawser_launch){&config, f, kernelParams, extra, false});
}

CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **kernelParams, void **extra) {
    if (!config) return CUDA_ERROR_INVALID_VALUE;
    return hawser_front_launch(&(struct hawser_launch){config, f, kernelParams, extra, false});
}

CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ,
                                   unsigned int blockDimX, unsigned int blockDimY, unsigned int blockDimZ,
                                   unsigned int sharedMemBytes, CUstream hStream, void **kernelParams) {
    CUlaunchConfig config = {gridDimX,  gridDimY,       gridDimZ, blockDimX, blockDimY,
                             blockDimZ, sharedMemBytes, hStream,  NULL,      0};
    return hawser_front_launch(&(struct hawser_launch){&config, f, kernelParams, NULL, true});
}
