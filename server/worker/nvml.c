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
#include "state.h"

struct nvml {
    pthread_mutex_t lock; /* while it is being loaded */
    bool loaded, there;   /* tried; found */
    const char *cuda_path;
    struct nvml_driver driver;
    struct hawser_names names; /* of the guest's devices, in the order of their numbers */
    nvmlDevice_t devices[HAWSER_MAX_DEVICES];
};

static bool begin(struct session *session) {
    session->nvml = calloc(1, sizeof *session->nvml);
    if (session->nvml) pthread_mutex_init(&session->nvml->lock, NULL);
    return session->nvml;
}

static void end(struct session *session) {
    free(session->nvml);
    session->nvml = NULL;
}

const struct session_state nvml_state = {.name = "nvml", .begin = begin, .end = end};

/* libnvidia-ml.so.1 from where libcuda.so.1 comes. */
static void nvml_path(const char *cuda_path, char *out, size_t size) {
    const char *slash = strrchr(cuda_path, '/');
    int folder = slash ? (int)(slash + 1 - cuda_path) : 0;
    snprintf(out, size, "%.*slibnvidia-ml.so.1", folder, cuda_path);
}

/* What is lent, by name; without a list of it, all that there is. */
static void list_lent(const struct session *session, struct hawser_names *out) {
    const struct nvml_driver *d = &session->nvml->driver;
    unsigned count = 0;
    nvmlDevice_t device = NULL;
    out->n = 0;
    if (devices_lent(session, out)) return;
    if (!d->nvmlDeviceGetCount_v2 || d->nvmlDeviceGetCount_v2(&count) != NVML_SUCCESS) return;
    for (unsigned i = 0; i < count && out->n < HAWSER_MAX_DEVICES; i++)
        if (d->nvmlDeviceGetHandleByIndex_v2(i, &device) == NVML_SUCCESS &&
            d->nvmlDeviceGetUUID(device, out->text[out->n], HAWSER_UUID_TEXT) == NVML_SUCCESS)
            out->n++;
}

static void list_devices(const struct session *session) {
    struct nvml *n = session->nvml;
    struct hawser_names all, *names = &n->names;
    bool seen[HAWSER_MAX_DEVICES];
    const char *container = devices_container(session);
    list_lent(session, &all);
    if (!hawser_container_devices(container, &all, seen))
        hawser_log(HAWSER_WARN, "NVIDIA_VISIBLE_DEVICES=%s of the guest names a device that is not among the %u here",
                   container, all.n);
    for (unsigned i = 0; i < all.n; i++) {
        if (!seen[i] || n->driver.nvmlDeviceGetHandleByUUID(all.text[i], &n->devices[names->n]) != NVML_SUCCESS)
            continue;
        memcpy(names->text[names->n++], all.text[i], HAWSER_UUID_TEXT);
    }
}

static void load(const struct session *session) {
    struct nvml *n = session->nvml;
    char path[4096], err[512];
    nvml_path(n->cuda_path, path, sizeof path);
    void *library = library_open(path, "nvmlInit_v2", err, sizeof err);
    if (!library) {
        hawser_log(HAWSER_WARN, "no NVML: %s", err);
        return;
    }
    for (const struct hawser_symbol *s = nvml_driver_symbols; s->name; s++) {
        void *address = dlsym(library, s->name);
        memcpy((char *)&n->driver + s->offset, &address, sizeof address);
    }
    nvmlReturn_t r = n->driver.nvmlInit_v2();
    n->there = r == NVML_SUCCESS && n->driver.nvmlDeviceGetHandleByUUID && n->driver.nvmlDeviceGetHandleByIndex_v2 &&
               n->driver.nvmlDeviceGetUUID;
    if (n->there)
        list_devices(session);
    else
        hawser_log(HAWSER_WARN, "no NVML: nvmlInit_v2 of %s returns %u", path, r);
}

void nvml_from(struct session *session, const char *path) {
    session->nvml->cuda_path = path;
}

bool served_nvml(struct served *c) {
    struct nvml *n = c->session->nvml;
    pthread_mutex_lock(&n->lock);
    if (!n->loaded) load(c->session);
    n->loaded = true;
    bool there = n->there;
    pthread_mutex_unlock(&n->lock);
    c->nvml = &n->driver;
    return there;
}

bool nvml_names(struct served *c, struct hawser_names *out) {
    if (!served_nvml(c)) return false;
    *out = c->session->nvml->names;
    return true;
}

nvmlReturn_t served_nvml_device(struct served *c, uint64_t index, nvmlDevice_t *device) {
    const struct nvml *n = c->session->nvml;
    if (index >= n->names.n) return NVML_ERROR_INVALID_ARGUMENT;
    *device = n->devices[index];
    return NVML_SUCCESS;
}

/* ---- what is told of them at the guest's nvmlInit ---- */

static void bytes_of(const char *text, uint8_t uuid[16]) {
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

static void describe(const struct nvml *n, unsigned i, struct description *d) {
    const struct nvml_driver *driver = &n->driver;
    nvmlDevice_t device = n->devices[i];
    nvmlPciInfo_t pci = {.bus = 0};
    int major = 0, minor = 0;
    if (driver->nvmlDeviceGetName) driver->nvmlDeviceGetName(device, d->name, sizeof d->name);
    if (driver->nvmlDeviceGetPciInfo_v3) driver->nvmlDeviceGetPciInfo_v3(device, &pci);
    if (driver->nvmlDeviceGetCudaComputeCapability) driver->nvmlDeviceGetCudaComputeCapability(device, &major, &minor);
    bytes_of(n->names.text[i], d->uuid);
    hawser__nvml_device__init(&d->told);
    d->told.name = d->name;
    d->told.uuid = (ProtobufCBinaryData){sizeof d->uuid, d->uuid};
    d->told.domain = pci.domain;
    d->told.bus = pci.bus;
    d->told.device = pci.device;
    d->told.major = major;
    d->told.minor = minor;
}

CUresult serve_NvmlDevices(struct served *c, Hawser__NvmlDevicesReply *reply) {
    reply->status = served_nvml(c) ? NVML_SUCCESS : NVML_ERROR_LIBRARY_NOT_FOUND;
    const struct nvml *n = c->session->nvml;
    struct description *all = served_alloc(c, n->names.n * sizeof *all);
    reply->devices = served_alloc(c, n->names.n * sizeof *reply->devices);
    if (n->names.n && (!all || !reply->devices)) return CUDA_ERROR_OUT_OF_MEMORY;
    for (unsigned i = 0; i < n->names.n; i++) {
        describe(n, i, &all[i]);
        reply->devices[reply->n_devices++] = &all[i].told;
    }
    return CUDA_SUCCESS;
}

/* ---- the guest's process is this one ---- */

typedef nvmlReturn_t (*processes)(nvmlDevice_t, unsigned *, nvmlProcessInfo_t *);

static processes processes_of(const struct nvml_driver *driver, uint64_t kind) {
    switch (kind) {
    case HAWSER_NVML_COMPUTE:
        return driver->nvmlDeviceGetComputeRunningProcesses_v3;
    case HAWSER_NVML_GRAPHICS:
        return driver->nvmlDeviceGetGraphicsRunningProcesses_v3;
    case HAWSER_NVML_MPS:
        return driver->nvmlDeviceGetMPSComputeRunningProcesses_v3;
    default:
        return NULL;
    }
}

static nvmlReturn_t own_process(processes list, nvmlDevice_t device, Hawser__NvmlProcessReply *reply) {
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

CUresult serve_NvmlProcess(struct served *c, const struct nvml_process_args *a, Hawser__NvmlProcessReply *reply) {
    nvmlDevice_t device = NULL;
    reply->status = NVML_ERROR_FUNCTION_NOT_FOUND;
    if (served_nvml(c) && processes_of(c->nvml, a->kind)) reply->status = served_nvml_device(c, a->device, &device);
    if (reply->status == NVML_SUCCESS) reply->status = own_process(processes_of(c->nvml, a->kind), device, reply);
    return CUDA_SUCCESS;
}
