/*
 * NVML in the guest. It shares the process's session with CUDA, but not its fate: programs ask NVML first, fork, and
 * use CUDA in the child.
 */
#include "nvml_guest.h"

#include <string.h>

#include "log.h"

static nvmlReturn_t opened(void)
{
    CUresult r = shim_open_apart();
    if (r == SHIM_HOST_GONE) return NVML_ERROR_GPU_IS_LOST;
    return shim_host() ? NVML_SUCCESS : NVML_ERROR_DRIVER_NOT_LOADED; /* a host without a device is a host */
}

nvmlReturn_t nvml_enter(struct shim_call *c, uint32_t function)
{
    nvmlReturn_t r = hawser_nvml_ready();
    if (r == NVML_SUCCESS) r = opened();
    *c = (struct shim_call){.function = function, .who = {.thread = shim_thread_id()}};
    return r;
}

nvmlReturn_t nvml_device(nvmlDevice_t device, uint64_t *id)
{
    unsigned index;
    nvmlReturn_t r = hawser_nvml_index(device, &index);
    if (r == NVML_SUCCESS) *id = index;
    return r;
}

nvmlReturn_t nvml_call(struct shim_call *c, const ProtobufCMessage *m, ProtobufCMessage **reply)
{
    CUresult r = shim_call(c, m, NULL, 0, reply);
    if (r == CUDA_SUCCESS) return NVML_SUCCESS;
    if (r == CUDA_ERROR_NOT_SUPPORTED) return NVML_ERROR_NOT_SUPPORTED;
    return r == SHIM_HOST_GONE ? NVML_ERROR_GPU_IS_LOST : NVML_ERROR_UNKNOWN;
}

nvmlReturn_t nvml_later(const char *name, atomic_bool *said)
{
    nvmlReturn_t r = hawser_nvml_ready();
    if (r != NVML_SUCCESS) return r;
    if (!atomic_exchange(said, true)) hawser_log(HAWSER_INFO, "%s is not supported", name);
    return NVML_ERROR_NOT_SUPPORTED;
}

/* ---- what cuda-abi/nvml asks ---- */

nvmlReturn_t hawser_nvml_open(void)
{
    return opened();
}

unsigned hawser_nvml_count(void)
{
    opened(); /* a forked child has no session yet */
    const Hawser__Opened *host = shim_host();
    size_t n = host ? host->n_devices : 0;
    return n < HAWSER_NVML_MAX_DEVICES ? (unsigned)n : HAWSER_NVML_MAX_DEVICES;
}

void hawser_nvml_facts(unsigned index, struct hawser_nvml_facts *out)
{
    const Hawser__DeviceInfo *d = shim_host()->devices[index];
    memset(out, 0, sizeof *out);
    strncpy(out->name, d->name, sizeof out->name - 1);
    memcpy(out->uuid, d->uuid_v2.data, d->uuid_v2.len < sizeof out->uuid ? d->uuid_v2.len : sizeof out->uuid);
    CUdevice device = (CUdevice)index;
    out->domain = (unsigned)shim_device_attribute(device, CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID);
    out->bus = (unsigned)shim_device_attribute(device, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID);
    out->device = (unsigned)shim_device_attribute(device, CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID);
    out->major = shim_device_attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
    out->minor = shim_device_attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
}

int hawser_nvml_cuda_version(void)
{
    int version = 0;
    cuDriverGetVersion(&version);
    return version;
}

nvmlReturn_t hawser_nvml_process(unsigned index, enum hawser_nvml_processes kind, struct hawser_nvml_process *out)
{
    struct shim_call c;
    Hawser__NvmlProcess m = HAWSER__NVML_PROCESS__INIT;
    Hawser__NvmlProcessReply *reply = NULL;
    nvmlReturn_t r = nvml_enter(&c, HAWSER_FN_NvmlProcess);
    if (r != NVML_SUCCESS) return r;
    m.device = index;
    m.kind = kind;
    r = nvml_call(&c, &m.base, (ProtobufCMessage **)&reply);
    if (r != NVML_SUCCESS) return r;
    r = (nvmlReturn_t)reply->status;
    *out = (struct hawser_nvml_process){reply->running, reply->used, (unsigned)reply->gpu_instance,
                                        (unsigned)reply->compute_instance};
    shim_free_reply(reply);
    return r;
}
