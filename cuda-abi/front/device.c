/* Questions about devices. */
#include "front.h"

#include <stdio.h>

/* The device, or the error of a query about it. */
static CUresult query(CUdevice dev, const void *out, struct hawser_device *d) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    return hawser_front_device(dev, d) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

/* The same where only attributes are asked for. */
static CUresult check(CUdevice dev, const void *out) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    return hawser_front_device_ok(dev) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

static int value(CUdevice dev, CUdevice_attribute a) {
    return hawser_front_device_attribute(dev, a);
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    CUresult r = check(ordinal, device);
    if (r == CUDA_SUCCESS) *device = ordinal;
    return r;
}

CUresult cuDeviceGetCount(int *count) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!count) return CUDA_ERROR_INVALID_VALUE;
    *count = 0;
    while (hawser_front_device_ok(*count))
        ++*count;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int len, CUdevice dev) {
    struct hawser_device d;
    CUresult r = query(dev, name, &d);
    if (r != CUDA_SUCCESS) return r;
    if (len <= 0) return CUDA_ERROR_INVALID_VALUE;
    snprintf(name, (size_t)len, "%s", d.name);
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice dev) {
    struct hawser_device d;
    CUresult r = query(dev, uuid, &d);
    if (r == CUDA_SUCCESS) *uuid = d.uuid;
    return r;
}

CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev) {
    struct hawser_device d;
    CUresult r = query(dev, uuid, &d);
    if (r == CUDA_SUCCESS) *uuid = d.uuid_v2;
    return r;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev) {
    struct hawser_device d;
    CUresult r = query(dev, bytes, &d);
    if (r == CUDA_SUCCESS) *bytes = d.memory;
    return r;
}

/* The capability that the code at caller is told of, a software GPU's. */
static int capability(CUdevice dev, CUdevice_attribute a, const void *caller) {
    int major = value(dev, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
    int minor = value(dev, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    hawser_abi_capability(hawser_front_caller(caller), &major, &minor);
    return a == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? major : minor;
}

CUresult cuDeviceGetAttribute(int *pi, CUdevice_attribute attrib, CUdevice dev) {
    struct hawser_device d;
    CUresult r = query(dev, pi, &d);
    if (r != CUDA_SUCCESS) return r;
    if (attrib < 1 || (size_t)attrib >= d.n_attributes) return CUDA_ERROR_INVALID_VALUE;
    bool of_capability = attrib == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ||
                         attrib == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR;
    *pi = d.software && of_capability ? capability(dev, attrib, __builtin_return_address(0)) : value(dev, attrib);
    return CUDA_SUCCESS;
}

CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice dev) {
    CUresult r = check(dev, major && minor ? major : NULL);
    if (r != CUDA_SUCCESS) return r;
    *major = value(dev, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
    *minor = value(dev, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetProperties(CUdevprop *prop, CUdevice dev) {
    CUresult r = check(dev, prop);
    if (r != CUDA_SUCCESS) return r;
    *prop = (CUdevprop){
        .maxThreadsPerBlock = value(dev, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK),
        .sharedMemPerBlock = value(dev, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK),
        .totalConstantMemory = value(dev, CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY),
        .SIMDWidth = value(dev, CU_DEVICE_ATTRIBUTE_WARP_SIZE),
        .memPitch = value(dev, CU_DEVICE_ATTRIBUTE_MAX_PITCH),
        .regsPerBlock = value(dev, CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK),
        .clockRate = value(dev, CU_DEVICE_ATTRIBUTE_CLOCK_RATE),
        .textureAlign = value(dev, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT),
    };
    for (int i = 0; i < 3; i++) {
        prop->maxThreadsDim[i] = value(dev, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + i);
        prop->maxGridSize[i] = value(dev, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + i);
    }
    return CUDA_SUCCESS;
}

/* ---- PCI ---- */

struct pci {
    unsigned domain, bus, device;
};

static struct pci pci_of(CUdevice dev) {
    return (struct pci){(unsigned)value(dev, CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID),
                        (unsigned)value(dev, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID),
                        (unsigned)value(dev, CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID)};
}

CUresult cuDeviceGetPCIBusId(char *pciBusId, int len, CUdevice dev) {
    CUresult r = check(dev, pciBusId);
    if (r != CUDA_SUCCESS) return r;
    if (len <= 0) return CUDA_ERROR_INVALID_VALUE;
    struct pci p = pci_of(dev);
    int n = snprintf(pciBusId, (size_t)len, "%04x:%02x:%02x.0", p.domain, p.bus, p.device);
    return n < len ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* [domain]:[bus]:[device].[function], [domain]:[bus]:[device], [bus]:[device].[function] */
CUresult cuDeviceGetByPCIBusId(CUdevice *dev, const char *pciBusId) {
    struct pci asked = {0};
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!dev || !pciBusId) return CUDA_ERROR_INVALID_VALUE;
    if (sscanf(pciBusId, "%x:%x:%x", &asked.domain, &asked.bus, &asked.device) != 3) {
        asked.domain = 0;
        if (sscanf(pciBusId, "%x:%x", &asked.bus, &asked.device) != 2) return CUDA_ERROR_INVALID_VALUE;
    }
    for (CUdevice i = 0; hawser_front_device_ok(i); i++) {
        struct pci p = pci_of(i);
        if (p.domain == asked.domain && p.bus == asked.bus && p.device == asked.device) {
            *dev = i;
            return CUDA_SUCCESS;
        }
    }
    return CUDA_ERROR_INVALID_DEVICE;
}
