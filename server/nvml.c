/*
 * NVML on the host: NVIDIA's library or the software GPU's, beside the CUDA driver that the session uses. The guest
 * sees the devices that the host lends and its NVIDIA_VISIBLE_DEVICES leaves, whether CUDA has been initialized or not.
 */
#include "nvml_host.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "library.h"
#include "log.h"
#include "nvml_room.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *cuda_path;
static struct nvml_driver driver;
static bool there;
static struct hawser_names names; /* of the guest's devices, in the order of their numbers */
static nvmlDevice_t devices[HAWSER_MAX_DEVICES];

/* libnvidia-ml.so.1 from where libcuda.so.1 comes. */
static void nvml_path(char *out, size_t size)
{
    const char *slash = strrchr(cuda_path, '/');
    int folder = slash ? (int)(slash + 1 - cuda_path) : 0;
    snprintf(out, size, "%.*slibnvidia-ml.so.1", folder, cuda_path);
}

/* What is lent, by name; without a list of it, all that there is. */
static void list_lent(struct hawser_names *out)
{
    unsigned count = 0;
    nvmlDevice_t device = NULL;
    out->n = 0;
    if (devices_lent(out)) return;
    if (!driver.nvmlDeviceGetCount_v2 || driver.nvmlDeviceGetCount_v2(&count) != NVML_SUCCESS) return;
    for (unsigned i = 0; i < count && out->n < HAWSER_MAX_DEVICES; i++)
        if (driver.nvmlDeviceGetHandleByIndex_v2(i, &device) == NVML_SUCCESS &&
            driver.nvmlDeviceGetUUID(device, out->text[out->n], HAWSER_UUID_TEXT) == NVML_SUCCESS)
            out->n++;
}

static void list_devices(void)
{
    struct hawser_names all;
    bool seen[HAWSER_MAX_DEVICES];
    list_lent(&all);
    if (!hawser_container_devices(devices_container(), &all, seen))
        hawser_log(HAWSER_WARN, "NVIDIA_VISIBLE_DEVICES=%s of the guest names a device that is not among the %u here",
                   devices_container(), all.n);
    for (unsigned i = 0; i < all.n; i++) {
        if (!seen[i] || driver.nvmlDeviceGetHandleByUUID(all.text[i], &devices[names.n]) != NVML_SUCCESS) continue;
        memcpy(names.text[names.n++], all.text[i], HAWSER_UUID_TEXT);
    }
}

static void load(void)
{
    char path[4096], err[512];
    nvml_path(path, sizeof path);
    void *library = library_open(path, "nvmlInit_v2", err, sizeof err);
    if (!library) {
        hawser_log(HAWSER_WARN, "no NVML: %s", err);
        return;
    }
    for (const struct hawser_symbol *s = nvml_driver_symbols; s->name; s++) {
        void *address = dlsym(library, s->name);
        memcpy((char *)&driver + s->offset, &address, sizeof address);
    }
    nvmlReturn_t r = driver.nvmlInit_v2();
    there = r == NVML_SUCCESS && driver.nvmlDeviceGetHandleByUUID && driver.nvmlDeviceGetHandleByIndex_v2 &&
            driver.nvmlDeviceGetUUID;
    if (there)
        list_devices();
    else
        hawser_log(HAWSER_WARN, "no NVML: nvmlInit_v2 of %s returns %u", path, r);
}

void nvml_from(const char *path)
{
    cuda_path = path;
}

bool served_nvml(struct served *c)
{
    pthread_once(&once, load);
    c->nvml = &driver;
    return there;
}

bool nvml_names(struct served *c, struct hawser_names *out)
{
    if (!served_nvml(c)) return false;
    *out = names;
    return true;
}

nvmlReturn_t served_nvml_device(struct served *c, uint64_t index, nvmlDevice_t *device)
{
    (void)c;
    if (index >= names.n) return NVML_ERROR_INVALID_ARGUMENT;
    *device = devices[index];
    return NVML_SUCCESS;
}

/* ---- what is told of them at the guest's nvmlInit ---- */

static void bytes_of(const char *text, uint8_t uuid[16])
{
    unsigned n = 0;
    for (const char *p = text + 4; n < 16 && sscanf(p, "%2hhx", &uuid[n]) == 1; n++)
        p += p[2] == '-' ? 3 : 2;
}

/* What is told of a device; what NVML does not tell stays empty. */
struct description {
    Hawser__NvmlDevice told;
    char name[96];
    uint8_t uuid[16];
};

static void describe(unsigned i, struct description *d)
{
    nvmlPciInfo_t pci = {.bus = 0};
    int major = 0, minor = 0;
    if (driver.nvmlDeviceGetName) driver.nvmlDeviceGetName(devices[i], d->name, sizeof d->name);
    if (driver.nvmlDeviceGetPciInfo_v3) driver.nvmlDeviceGetPciInfo_v3(devices[i], &pci);
    if (driver.nvmlDeviceGetCudaComputeCapability)
        driver.nvmlDeviceGetCudaComputeCapability(devices[i], &major, &minor);
    bytes_of(names.text[i], d->uuid);
    hawser__nvml_device__init(&d->told);
    d->told.name = d->name;
    d->told.uuid = (ProtobufCBinaryData){sizeof d->uuid, d->uuid};
    d->told.domain = pci.domain;
    d->told.bus = pci.bus;
    d->told.device = pci.device;
    d->told.major = major;
    d->told.minor = minor;
}

CUresult serve_NvmlDevices(struct served *c, Hawser__NvmlDevicesReply *reply)
{
    reply->status = served_nvml(c) ? NVML_SUCCESS : NVML_ERROR_LIBRARY_NOT_FOUND;
    struct description *all = served_alloc(c, names.n * sizeof *all);
    reply->devices = served_alloc(c, names.n * sizeof *reply->devices);
    if (names.n && (!all || !reply->devices)) return CUDA_ERROR_OUT_OF_MEMORY;
    for (unsigned i = 0; i < names.n; i++) {
        describe(i, &all[i]);
        reply->devices[reply->n_devices++] = &all[i].told;
    }
    return CUDA_SUCCESS;
}

/* ---- the guest's process is this one ---- */

typedef nvmlReturn_t (*processes)(nvmlDevice_t, unsigned *, nvmlProcessInfo_t *);

static processes processes_of(uint64_t kind)
{
    switch (kind) {
    case HAWSER_NVML_COMPUTE:
        return driver.nvmlDeviceGetComputeRunningProcesses_v3;
    case HAWSER_NVML_GRAPHICS:
        return driver.nvmlDeviceGetGraphicsRunningProcesses_v3;
    case HAWSER_NVML_MPS:
        return driver.nvmlDeviceGetMPSComputeRunningProcesses_v3;
    default:
        return NULL;
    }
}

static nvmlReturn_t own_process(processes list, nvmlDevice_t device, Hawser__NvmlProcessReply *reply)
{
    unsigned n = 256;
    nvmlProcessInfo_t *infos = NULL;
    nvmlReturn_t r = NVML_ERROR_INSUFFICIENT_SIZE;
    for (int i = 0; i < 4 && r == NVML_ERROR_INSUFFICIENT_SIZE; i++, n *= 4) {
        free(infos);
        infos = calloc(n, sizeof *infos);
        if (!infos) return NVML_ERROR_MEMORY;
        r = list(device, &n, infos);
    }
    for (unsigned i = 0; r == NVML_SUCCESS && i < n; i++) {
        if (infos[i].pid != (unsigned)getpid()) continue;
        reply->running = true;
        reply->used = infos[i].usedGpuMemory;
        reply->gpu_instance = infos[i].gpuInstanceId;
        reply->compute_instance = infos[i].computeInstanceId;
    }
    free(infos);
    return r;
}

CUresult serve_NvmlProcess(struct served *c, const struct nvml_process_args *a, Hawser__NvmlProcessReply *reply)
{
    nvmlDevice_t device = NULL;
    reply->status = NVML_ERROR_FUNCTION_NOT_FOUND;
    if (served_nvml(c) && processes_of(a->kind)) reply->status = served_nvml_device(c, a->device, &device);
    if (reply->status == NVML_SUCCESS) reply->status = own_process(processes_of(a->kind), device, reply);
    return CUDA_SUCCESS;
}
