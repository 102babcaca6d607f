/* Initialization, handles, and what a device is. */
#include "nvml_room.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stddef.h>
#include <string.h>

#include "nvml_functions.h"
#include "visible.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned initialized; /* times */
static char handles[HAWSER_NVML_MAX_DEVICES];

nvmlReturn_t hawser_nvml_ready(void) {
    pthread_mutex_lock(&lock);
    unsigned times = initialized;
    pthread_mutex_unlock(&lock);
    return times ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;
}

nvmlReturn_t nvmlInit_v2(void) {
    nvmlReturn_t r = hawser_nvml_open();
    if (r != NVML_SUCCESS) return r;
    pthread_mutex_lock(&lock);
    initialized++;
    pthread_mutex_unlock(&lock);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlInit(void) {
    return nvmlInit_v2();
}

nvmlReturn_t nvmlInitWithFlags(unsigned int flags) {
    if (flags & ~(unsigned)(NVML_INIT_FLAG_NO_GPUS | NVML_INIT_FLAG_NO_ATTACH)) return NVML_ERROR_INVALID_ARGUMENT;
    return nvmlInit_v2();
}

nvmlReturn_t nvmlShutdown(void) {
    pthread_mutex_lock(&lock);
    nvmlReturn_t r = initialized ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;
    if (initialized) initialized--;
    pthread_mutex_unlock(&lock);
    return r;
}

nvmlReturn_t hawser_nvml_index(nvmlDevice_t device, unsigned *index) {
    uintptr_t at = (uintptr_t)device - (uintptr_t)handles;
    nvmlReturn_t r = hawser_nvml_ready();
    if (r != NVML_SUCCESS) return r;
    if (at >= hawser_nvml_count()) return NVML_ERROR_INVALID_ARGUMENT;
    *index = (unsigned)at;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *deviceCount) {
    nvmlReturn_t r = hawser_nvml_ready();
    if (r != NVML_SUCCESS) return r;
    if (!deviceCount) return NVML_ERROR_INVALID_ARGUMENT;
    *deviceCount = hawser_nvml_count();
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCount(unsigned int *deviceCount) {
    return nvmlDeviceGetCount_v2(deviceCount);
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) {
    nvmlReturn_t r = hawser_nvml_ready();
    if (r != NVML_SUCCESS) return r;
    if (!device || index >= hawser_nvml_count()) return NVML_ERROR_INVALID_ARGUMENT;
    *device = (nvmlDevice_t)&handles[index];
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t *device) {
    return nvmlDeviceGetHandleByIndex_v2(index, device);
}

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index) {
    unsigned found;
    nvmlReturn_t r = hawser_nvml_index(device, &found);
    if (r != NVML_SUCCESS) return r;
    if (!index) return NVML_ERROR_INVALID_ARGUMENT;
    *index = found;
    return NVML_SUCCESS;
}

/* ---- by other names ---- */

static nvmlReturn_t find(bool (*is)(const struct hawser_nvml_facts *f, const void *wanted), const void *wanted,
                         nvmlDevice_t *device) {
    nvmlReturn_t r = hawser_nvml_ready();
    if (r != NVML_SUCCESS) return r;
    if (!wanted || !device) return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned i = 0; i < hawser_nvml_count(); i++) {
        struct hawser_nvml_facts f;
        hawser_nvml_facts(i, &f);
        if (is(&f, wanted)) return nvmlDeviceGetHandleByIndex_v2(i, device);
    }
    return NVML_ERROR_NOT_FOUND;
}

static bool has_uuid_text(const struct hawser_nvml_facts *f, const void *wanted) {
    char text[HAWSER_UUID_TEXT];
    hawser_uuid_text("GPU", f->uuid, text);
    return !strcmp(text, wanted);
}

static bool has_uuid(const struct hawser_nvml_facts *f, const void *wanted) {
    return !memcmp(f->uuid, wanted, sizeof f->uuid);
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device) {
    return find(has_uuid_text, uuid, device);
}

nvmlReturn_t nvmlDeviceGetHandleByUUIDV(const nvmlUUID_t *uuid, nvmlDevice_t *device) {
    if (uuid && uuid->version != NVML_VERSION_OF(nvmlUUID_t, 1u)) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (uuid && uuid->type == NVML_UUID_TYPE_BINARY) return find(has_uuid, uuid->value.bytes, device);
    if (uuid && (uuid->type != NVML_UUID_TYPE_ASCII || !memchr(uuid->value.str, 0, sizeof uuid->value.str)))
        return NVML_ERROR_INVALID_ARGUMENT;
    return find(has_uuid_text, uuid ? uuid->value.str : NULL, device);
}

struct place {
    unsigned domain, bus, device;
};

static bool is_at(const struct hawser_nvml_facts *f, const void *wanted) {
    const struct place *p = wanted;
    return p->domain == f->domain && p->bus == f->bus && p->device == f->device;
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *pciBusId, nvmlDevice_t *device) {
    struct place p = {0};
    int end = 0;
    if (!pciBusId) return find(is_at, NULL, device);
    if (sscanf(pciBusId, "%8x:%2x:%2x%n", &p.domain, &p.bus, &p.device, &end) != 3) {
        p.domain = 0;
        if (sscanf(pciBusId, "%2x:%2x%n", &p.bus, &p.device, &end) != 2) return NVML_ERROR_INVALID_ARGUMENT;
    }
    if (pciBusId[end] && strcmp(pciBusId + end, ".0")) return NVML_ERROR_NOT_FOUND;
    return find(is_at, &p, device);
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId(const char *pciBusId, nvmlDevice_t *device) {
    return nvmlDeviceGetHandleByPciBusId_v2(pciBusId, device);
}

nvmlReturn_t nvmlDeviceGetHandleBySerial(const char *serial, nvmlDevice_t *device) {
    nvmlReturn_t r = hawser_nvml_ready();
    if (r != NVML_SUCCESS) return r;
    if (!serial || !device) return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned i = 0; i < hawser_nvml_count(); i++) {
        char text[64];
        if (nvmlDeviceGetSerial((nvmlDevice_t)&handles[i], text, sizeof text) != NVML_SUCCESS) continue;
        if (!strcmp(text, serial)) return nvmlDeviceGetHandleByIndex_v2(i, device);
    }
    return NVML_ERROR_NOT_FOUND;
}

/* ---- what is known of a device ---- */

static nvmlReturn_t give_text(const char *text, char *out, unsigned length) {
    if (!out) return NVML_ERROR_INVALID_ARGUMENT;
    if (strlen(text) >= length) return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(out, text);
    return NVML_SUCCESS;
}

static nvmlReturn_t facts_of(nvmlDevice_t device, struct hawser_nvml_facts *out) {
    unsigned index;
    nvmlReturn_t r = hawser_nvml_index(device, &index);
    if (r == NVML_SUCCESS) hawser_nvml_facts(index, out);
    return r;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length) {
    struct hawser_nvml_facts f;
    nvmlReturn_t r = facts_of(device, &f);
    return r == NVML_SUCCESS ? give_text(f.name, name, length) : r;
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length) {
    struct hawser_nvml_facts f;
    char text[HAWSER_UUID_TEXT];
    nvmlReturn_t r = facts_of(device, &f);
    if (r != NVML_SUCCESS) return r;
    hawser_uuid_text("GPU", f.uuid, text);
    return give_text(text, uuid, length);
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor) {
    struct hawser_nvml_facts f;
    nvmlReturn_t r = facts_of(device, &f);
    if (r != NVML_SUCCESS) return r;
    if (!major || !minor) return NVML_ERROR_INVALID_ARGUMENT;
    *major = f.major;
    *minor = f.minor;
    return NVML_SUCCESS;
}

void hawser_nvml_bus_ids(nvmlPciInfo_t *pci) {
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.0", pci->domain & 0xffff, pci->bus & 0xff,
             pci->device & 0xff);
    snprintf(pci->busId, sizeof pci->busId, "%08X:%02X:%02X.0", pci->domain, pci->bus & 0xff, pci->device & 0xff);
}

/* Older revisions write less of the structure: the first has no busId, nor what stood in its place, set. */
nvmlReturn_t nvmlDeviceGetPciInfo(nvmlDevice_t device, nvmlPciInfo_t *pci) {
    nvmlPciInfo_t info;
    nvmlReturn_t r = nvmlDeviceGetPciInfo_v3(device, pci ? &info : NULL);
    if (r == NVML_SUCCESS) memcpy(pci, &info, offsetof(nvmlPciInfo_t, pciSubSystemId));
    return r;
}

nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_t *pci) {
    nvmlPciInfo_t info;
    nvmlReturn_t r = nvmlDeviceGetPciInfo_v3(device, pci ? &info : NULL);
    if (r == NVML_SUCCESS) memcpy(pci, &info, offsetof(nvmlPciInfo_t, busId));
    return r;
}
