/*
 * NVML in the guest. It shares the process's session with CUDA, but not its fate: programs ask NVML first, fork, and
 * use CUDA in the child.
 */
#include "nvml_guest.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(Hawser__NvmlDevicesReply *) told; /* by the session that there is now; never freed */

static nvmlReturn_t opened(void) {
    CUresult r = shim_open_apart();
    if (r == SHIM_HOST_GONE) return NVML_ERROR_GPU_IS_LOST;
    return shim_host() ? NVML_SUCCESS : NVML_ERROR_DRIVER_NOT_LOADED; /* a host without a device is a host */
}

nvmlReturn_t nvml_enter(struct shim_call *c, uint32_t function) {
    nvmlReturn_t r = hawser_nvml_ready();
    if (r == NVML_SUCCESS) r = opened();
    *c = (struct shim_call){.function = function, .who = {.thread = shim_thread_id()}};
    return r;
}

nvmlReturn_t nvml_device(nvmlDevice_t device, uint64_t *id) {
    unsigned index;
    nvmlReturn_t r = hawser_nvml_index(device, &index);
    if (r == NVML_SUCCESS) *id = index;
    return r;
}

nvmlReturn_t nvml_call(struct shim_call *c, const ProtobufCMessage *m, ProtobufCMessage **reply) {
    CUresult r = shim_call(c, m, NULL, 0, reply);
    if (r == CUDA_SUCCESS) return NVML_SUCCESS;
    if (r == CUDA_ERROR_NOT_SUPPORTED) return NVML_ERROR_NOT_SUPPORTED;
    return r == SHIM_HOST_GONE ? NVML_ERROR_GPU_IS_LOST : NVML_ERROR_UNKNOWN;
}

nvmlReturn_t nvml_later(const char *name, atomic_bool *said) {
    nvmlReturn_t r = hawser_nvml_ready();
    if (r != NVML_SUCCESS) return r;
    if (!atomic_exchange(said, true)) hawser_log(HAWSER_INFO, "%s is not supported", name);
    return NVML_ERROR_NOT_SUPPORTED;
}

/* ---- the devices: the host's, whichever of them CUDA sees ---- */

void shim_nvml_in_child(void) {
    static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
    lock = unlocked;
    atomic_store(&told, NULL);
}

static uint32_t attribute(const Hawser__DeviceInfo *d, CUdevice_attribute a) {
    return (size_t)a < d->n_attributes ? (uint32_t)d->attributes[a] : 0;
}

/* Hosts that do not serve NvmlDevices have told of the same devices at the opening. */
static Hawser__NvmlDevicesReply *from_opening(const Hawser__Opened *host) {
    Hawser__NvmlDevicesReply *reply = calloc(1, sizeof *reply);
    Hawser__NvmlDevice *all = calloc(host->n_devices + 1, sizeof *all);
    if (reply) hawser__nvml_devices_reply__init(reply);
    if (reply) reply->devices = calloc(host->n_devices + 1, sizeof *reply->devices);
    if (!reply || !all || !reply->devices) return NULL; /* of some bytes, once */
    for (size_t i = 0; i < host->n_devices; i++) {
        const Hawser__DeviceInfo *from = host->devices[i];
        Hawser__NvmlDevice *d = reply->devices[reply->n_devices++] = &all[i];
        hawser__nvml_device__init(d);
        d->name = from->name;
        d->uuid = from->uuid_v2;
        d->domain = attribute(from, CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID);
        d->bus = attribute(from, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID);
        d->device = attribute(from, CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID);
        d->major = (int32_t)attribute(from, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
        d->minor = (int32_t)attribute(from, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    }
    return reply;
}

/* Under the lock. */
static nvmlReturn_t ask_host(void) {
    if (!hawser_protocol_serves(shim_host(), HAWSER_FN_NvmlDevices)) {
        atomic_store(&told, from_opening(shim_host()));
        return atomic_load(&told) ? NVML_SUCCESS : NVML_ERROR_MEMORY;
    }
    struct shim_call c = {.function = HAWSER_FN_NvmlDevices, .who = {.thread = shim_thread_id()}};
    Hawser__NvmlDevices m = HAWSER__NVML_DEVICES__INIT;
    Hawser__NvmlDevicesReply *reply = NULL;
    nvmlReturn_t r = nvml_call(&c, &m.base, (ProtobufCMessage **)&reply);
    if (r == NVML_SUCCESS) r = (nvmlReturn_t)reply->status;
    if (r == NVML_SUCCESS)
        atomic_store(&told, reply);
    else
        shim_free_reply(reply);
    return r;
}

/* A forked child has no session yet, and asks anew. */
static nvmlReturn_t know_devices(void) {
    if (atomic_load(&told)) return NVML_SUCCESS;
    nvmlReturn_t r = opened();
    if (r != NVML_SUCCESS) return r;
    pthread_mutex_lock(&lock);
    if (!atomic_load(&told)) r = ask_host();
    pthread_mutex_unlock(&lock);
    return r;
}

/* For the preload object: how many devices the host lends. Where it has no NVML, only CUDA knows. */
__attribute__((visibility("default"))) int hawser_guest_devices(void) {
    int n = 0;
    if (know_devices() == NVML_SUCCESS) return (int)atomic_load(&told)->n_devices;
    return cuInit(0) == CUDA_SUCCESS && cuDeviceGetCount(&n) == CUDA_SUCCESS ? n : 0;
}

/* ---- what cuda-abi/nvml asks ---- */

nvmlReturn_t hawser_nvml_open(void) {
    return know_devices();
}

unsigned hawser_nvml_count(void) {
    size_t n = know_devices() == NVML_SUCCESS ? atomic_load(&told)->n_devices : 0;
    return n < HAWSER_NVML_MAX_DEVICES ? (unsigned)n : HAWSER_NVML_MAX_DEVICES;
}

void hawser_nvml_facts(unsigned index, struct hawser_nvml_facts *out) {
    const Hawser__NvmlDevice *d = atomic_load(&told)->devices[index];
    memset(out, 0, sizeof *out);
    strncpy(out->name, d->name, sizeof out->name - 1);
    memcpy(out->uuid, d->uuid.data, d->uuid.len < sizeof out->uuid ? d->uuid.len : sizeof out->uuid);
    out->domain = (unsigned)d->domain;
    out->bus = (unsigned)d->bus;
    out->device = (unsigned)d->device;
    out->major = (int)d->major;
    out->minor = (int)d->minor;
}

int hawser_nvml_cuda_version(void) {
    int version = 0;
    cuDriverGetVersion(&version);
    return version;
}

nvmlReturn_t hawser_nvml_process(unsigned index, enum hawser_nvml_processes kind, struct hawser_nvml_process *out) {
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
