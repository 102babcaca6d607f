/* A driver with one device and a few functions; each test runs in a process of its own. */
#include "driver.h"
#include <string.h>

unsigned logged;
CUcontext current;
CUstream seen_stream, seen_default_stream;
static int primary;

void hawser_abi_log(const char *fmt, ...) {
    (void)fmt;
    logged++;
}

CUresult hawser_abi_primary_context(CUcontext *out, CUdevice dev) {
    *out = (CUcontext)&primary;
    return dev ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
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

CUresult cuDriverGetVersion(int *version) {
    *version = 13000;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *count) {
    *count = 1;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice dev) {
    (void)dev;
    for (int i = 0; i < 16; i++)
        uuid->bytes[i] = (char)i;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice dev) {
    (void)dev;
    *value = attribute == CU_DEVICE_ATTRIBUTE_PCI_BUS_ID;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext *ctx) {
    *ctx = current;
    return CUDA_SUCCESS;
}

CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t size) {
    (void)dst, (void)src, (void)size;
    seen_default_stream = hawser_abi_default_stream();
    return CUDA_SUCCESS;
}

CUresult cuMemsetD8Async(CUdeviceptr dst, unsigned char value, size_t n, CUstream stream) {
    (void)dst, (void)value, (void)n;
    seen_stream = stream;
    return CUDA_SUCCESS;
}
