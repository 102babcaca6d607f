/*
 * NVML on the host: NVIDIA's library or the software GPU's, beside the CUDA driver that the session uses. The guest
 * sees the devices that it has, under the numbers that CUDA gives them here.
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

/* libnvidia-ml.so.1 from where libcuda.so.1 comes. */
static void nvml_path(char *out, size_t size)
{
    const char *slash = strrchr(cuda_path, '/');
    int folder = slash ? (int)(slash + 1 - cuda_path) : 0;
    snprintf(out, size, "%.*slibnvidia-ml.so.1", folder, cuda_path);
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
    there = r == NVML_SUCCESS && driver.nvmlDeviceGetHandleByUUID;
    if (!there) hawser_log(HAWSER_WARN, "no NVML: nvmlInit_v2 of %s returns %u", path, r);
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

nvmlReturn_t served_nvml_device(struct served *c, uint64_t index, nvmlDevice_t *device)
{
    static const char *const kinds[] = {"GPU", "MIG"};
    int count = 0;
    CUuuid uuid;
    char text[64];
    if (c->driver->cuDeviceGetCount(&count) != CUDA_SUCCESS || index >= (uint64_t)count) return NVML_ERROR_INVALID_ARGUMENT;
    if (!c->driver->cuDeviceGetUuid_v2 || c->driver->cuDeviceGetUuid_v2(&uuid, (CUdevice)index) != CUDA_SUCCESS)
        return NVML_ERROR_INVALID_ARGUMENT;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        int n = snprintf(text, sizeof text, "%s-", kinds[k]);
        for (size_t i = 0; i < sizeof uuid.bytes; i++) {
            bool dash = i == 4 || i == 6 || i == 8 || i == 10;
            n += snprintf(text + n, sizeof text - (size_t)n, "%s%02x", dash ? "-" : "", (unsigned char)uuid.bytes[i]);
        }
        if (driver.nvmlDeviceGetHandleByUUID(text, device) == NVML_SUCCESS) return NVML_SUCCESS;
    }
    return NVML_ERROR_INVALID_ARGUMENT;
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
    nvmlDevice_t device;
    reply->status = NVML_ERROR_FUNCTION_NOT_FOUND;
    if (served_nvml(c) && processes_of(a->kind)) reply->status = served_nvml_device(c, a->device, &device);
    if (reply->status == NVML_SUCCESS) reply->status = own_process(processes_of(a->kind), device, reply);
    return CUDA_SUCCESS;
}
