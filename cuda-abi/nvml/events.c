/*
 * Event sets, and the table of functions that nvidia-smi asks for. A device reports no kinds of events to guests, so a
 * set has nothing to wait for: programs that watch one (nvidia-smi makes one before anything else) time out.
 */
#include "nvml_room.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nvml_functions.h"

struct nvmlEventSet_st {
    struct nvmlEventSet_st *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct nvmlEventSet_st *sets;

/* Where the set is kept, NULL when it is none; under the lock. */
static struct nvmlEventSet_st **find(nvmlEventSet_t set) {
    struct nvmlEventSet_st **at = &sets;
    while (*at && *at != set)
        at = &(*at)->next;
    return *at ? at : NULL;
}

static nvmlReturn_t check(nvmlEventSet_t set) {
    nvmlReturn_t r = hawser_nvml_ready();
    if (r != NVML_SUCCESS) return r;
    pthread_mutex_lock(&lock);
    bool known = set && find(set);
    pthread_mutex_unlock(&lock);
    return known ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set) {
    nvmlReturn_t r = hawser_nvml_ready();
    if (r != NVML_SUCCESS) return r;
    if (!set) return NVML_ERROR_INVALID_ARGUMENT;
    struct nvmlEventSet_st *s = malloc(sizeof *s);
    if (!s) return NVML_ERROR_MEMORY;
    pthread_mutex_lock(&lock);
    s->next = sets;
    sets = s;
    pthread_mutex_unlock(&lock);
    *set = s;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) {
    nvmlReturn_t r = hawser_nvml_ready();
    if (r != NVML_SUCCESS) return r;
    pthread_mutex_lock(&lock);
    struct nvmlEventSet_st **at = set ? find(set) : NULL;
    if (at) *at = set->next;
    pthread_mutex_unlock(&lock);
    if (!at) return NVML_ERROR_INVALID_ARGUMENT;
    free(set);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *eventTypes) {
    unsigned index;
    nvmlReturn_t r = hawser_nvml_index(device, &index);
    if (r != NVML_SUCCESS) return r;
    if (!eventTypes) return NVML_ERROR_INVALID_ARGUMENT;
    *eventTypes = 0;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long eventTypes, nvmlEventSet_t set) {
    unsigned index;
    nvmlReturn_t r = hawser_nvml_index(device, &index);
    if (r == NVML_SUCCESS) r = check(set);
    if (r == NVML_SUCCESS && eventTypes) r = NVML_ERROR_NOT_SUPPORTED;
    return r;
}

nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeoutms) {
    nvmlReturn_t r = check(set);
    if (r != NVML_SUCCESS) return r;
    if (!data) return NVML_ERROR_INVALID_ARGUMENT;
    struct timespec left = {timeoutms / 1000, (long)(timeoutms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0) {
    }
    return NVML_ERROR_TIMEOUT;
}

nvmlReturn_t nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeoutms) {
    return nvmlEventSetWait_v2(set, data, timeoutms);
}

/* docs/private-abi.md */
nvmlReturn_t nvmlInternalGetExportTable(const void **table, const void *id) {
    static const unsigned char smi[16] = {0xc4, 0xfe, 0x3e, 0x6c, 0xc9, 0x8f, 0x6c, 0x4e,
                                          0xa3, 0x27, 0xee, 0x69, 0x6e, 0x12, 0xf7, 0xc4};
    static const size_t empty[1] = {sizeof empty};
    if (!table || !id) return NVML_ERROR_INVALID_ARGUMENT;
    if (memcmp(id, smi, sizeof smi) != 0) return NVML_ERROR_NOT_FOUND;
    *table = empty;
    return NVML_SUCCESS;
}
