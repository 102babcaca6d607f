#include "verbs.h"

#include <string.h>

static struct hawser_param params[] = {{0, 4}, {8, 8}};
struct hawser_kernel kernel = {.name = "k",
                               .n_params = 2,
                               .params = params,
                               .param_bytes = 16,
                               .n_attributes = CU_FUNC_ATTRIBUTE_MAX,
                               .attributes = {[CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK] = 256,
                                              [CU_FUNC_ATTRIBUTE_NUM_REGS] = 32,
                                              [CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES] = 1024}};
unsigned launched;
unsigned char launched_params[64];
size_t launched_bytes;
struct hawser_range range;
struct hawser_copy copied;
static struct hawser_texture texture;
struct hawser_context contexts[CONTEXTS];
unsigned started, ended, resets;
CUresult start_result;
CUDA_ARRAY3D_DESCRIPTOR array = {8, 4, 0, CU_AD_FORMAT_FLOAT, 2, 0};

void hawser_abi_log(const char *fmt, ...) {
    (void)fmt;
}

CUresult hawser_abi_ready(void) {
    return CUDA_SUCCESS;
}

int hawser_abi_conditionals(void) {
    return 0;
}

const struct hawser_far_graphs *hawser_abi_far_graphs(void) {
    return NULL;
}

CUresult hawser_abi_watch(CUdevice device, int on) {
    (void)device, (void)on;
    return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult hawser_abi_run_in_stream(CUstream stream, CUresult (*fn)(void *), const void *arg, size_t size) {
    (void)stream, (void)size;
    return fn((void *)arg);
}

bool hawser_front_device(CUdevice device, struct hawser_device *out) {
    *out = (struct hawser_device){.name = "a device", .memory = 4096, .n_attributes = CU_DEVICE_ATTRIBUTE_MAX};
    return hawser_front_device_ok(device);
}

const void *hawser_front_caller(const void *returns_to) {
    return returns_to;
}

bool hawser_front_device_ok(CUdevice device) {
    return device == 0;
}

int hawser_front_device_attribute(CUdevice device, CUdevice_attribute attribute) {
    (void)device;
    switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y:
        return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z:
        return 64;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
        return 16384;
    case CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID:
        return 2;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID:
        return 0x3a;
    case CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID:
        return 1;
    default:
        return 65535;
    }
}

struct hawser_kernel *hawser_front_kernel(const void *handle) {
    return handle == &kernel ? &kernel : NULL;
}

void *hawser_front_kernel_owner(const void *handle, bool *library) {
    *library = true;
    return (void *)handle;
}

bool hawser_front_reached(uintptr_t address, size_t size) {
    return address >= 0x1000 && address + size <= 0x2000;
}

CUresult hawser_front_launch(const struct hawser_launch *l) {
    unsigned cluster[3];
    const void *packed;
    memset(launched_params, 0, sizeof launched_params);
    CUresult r = hawser_launch_check(l, &kernel, 0, cluster);
    if (r == CUDA_SUCCESS) r = hawser_launch_params(l, &kernel, launched_params, &packed, &launched_bytes);
    if (r == CUDA_SUCCESS && packed != launched_params) memcpy(launched_params, packed, launched_bytes);
    launched += r == CUDA_SUCCESS;
    return r;
}

bool hawser_front_range(uintptr_t address, struct hawser_range *out) {
    if (address < range.base || address >= range.base + range.size) return false;
    *out = range;
    return true;
}

CUresult hawser_front_host_alloc(enum hawser_memory kind, size_t size, unsigned flags, void **out) {
    range = (struct hawser_range){.base = 0x1000, .size = size, .kind = kind, .flags = flags, .device = 0x1000};
    *out = (void *)range.base;
    return CUDA_SUCCESS;
}

CUresult hawser_front_host_register(void *p, size_t size, unsigned flags) {
    range = (struct hawser_range){.base = (uintptr_t)p, .size = size, .kind = HAWSER_REGISTERED, .flags = flags};
    return CUDA_SUCCESS;
}

CUresult hawser_front_host_end(const struct hawser_range *gone) {
    (void)gone;
    range.size = 0;
    return CUDA_SUCCESS;
}

const CUDA_ARRAY3D_DESCRIPTOR *hawser_front_array(CUarray handle) {
    return (void *)handle == &array ? &array : NULL;
}

struct hawser_context *hawser_front_context(CUcontext handle) {
    for (unsigned i = 0; i < CONTEXTS; i++)
        if (handle == (CUcontext)&contexts[i] && contexts[i].handle) return &contexts[i];
    return NULL;
}

struct hawser_context *hawser_front_context_new(CUdevice device, unsigned flags, bool primary) {
    struct hawser_context *c = contexts;
    while (c->handle)
        c++;
    *c = (struct hawser_context){.handle = (CUcontext)c, .device = device, .flags = flags, .primary = primary};
    return c;
}

void hawser_front_context_gone(struct hawser_context *c) {
    c->handle = NULL;
}

CUresult hawser_front_context_start(struct hawser_context *c) {
    (void)c;
    started++;
    return start_result;
}

CUresult hawser_front_context_end(struct hawser_context *c, bool reset) {
    (void)c;
    *(reset ? &resets : &ended) += 1;
    return CUDA_SUCCESS;
}

CUresult hawser_front_context_sync(struct hawser_context *c) {
    (void)c;
    return CUDA_SUCCESS;
}

CUresult hawser_front_primary_flags(CUdevice device, unsigned flags) {
    (void)device, (void)flags;
    return CUDA_SUCCESS;
}

CUresult hawser_front_copy(const struct hawser_copy *c, CUstream stream) {
    (void)stream;
    copied = *c;
    return CUDA_SUCCESS;
}

CUresult hawser_front_fill(const struct hawser_fill *f, CUstream stream) {
    (void)stream;
    return f->width && f->height ? hawser_fill_check(f) : CUDA_SUCCESS;
}

CUresult hawser_front_stream(CUstream handle, struct hawser_stream *out) {
    *out =
        (struct hawser_stream){.flags = CU_STREAM_NON_BLOCKING, .priority = -1, .id = 42, .context = hawser_current()};
    return handle ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

bool hawser_front_eager(void) {
    return false;
}

CUresult hawser_front_texture_create(const struct hawser_texture *t, unsigned long long *handle) {
    texture = *t;
    *handle = 7;
    return CUDA_SUCCESS;
}

CUresult hawser_front_texture_destroy(unsigned long long handle, bool surface) {
    return handle == 7 && surface == texture.surface ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

bool hawser_front_texture(unsigned long long handle, bool surface, struct hawser_texture *out) {
    *out = texture;
    return handle == 7 && surface == texture.surface;
}
