/* Generated from nvml.spec by remoting/gen/generate.py. */

#ifndef HAWSER_NVML_API_H
#define HAWSER_NVML_API_H

#include <stddef.h>

#include "nvml_abi.h"
#include "api.h"
#include "nvml.pb-c.h"

enum {
    HAWSER_NVML_FIRST = 1000,
    HAWSER_FN_nvmlSystemGetDriverVersion = HAWSER_NVML_FIRST + 2,
    HAWSER_FN_nvmlDeviceGetPciInfo_v3 = HAWSER_NVML_FIRST + 4,
    HAWSER_FN_nvmlDeviceGetMode = HAWSER_NVML_FIRST + 5,
    HAWSER_FN_nvmlDeviceGetMemoryInfo_v2 = HAWSER_NVML_FIRST + 6,
    HAWSER_FN_nvmlDeviceGetClocks = HAWSER_NVML_FIRST + 67,
    HAWSER_FN_nvmlDeviceGetFieldValues = HAWSER_NVML_FIRST + 113,
    HAWSER_NVML_LIMIT = HAWSER_NVML_FIRST + 114
};

extern const struct hawser_api hawser_nvml_api;
extern const struct hawser_api_name hawser_nvml_names[];

#include "nvml_functions.h"

/* The functions of the host's library; NULL where it has none. */
struct nvml_driver {
    nvmlReturn_t (*nvmlDeviceGetClocks)(nvmlDevice_t device, unsigned int *count, unsigned int *clocksMHz);
    nvmlReturn_t (*nvmlDeviceGetFieldValues)(nvmlDevice_t device, int valuesCount, nvmlFieldValue_t *values);
    nvmlReturn_t (*nvmlDeviceGetMemoryInfo_v2)(nvmlDevice_t device, nvmlMemory_v2_t *memory);
    nvmlReturn_t (*nvmlDeviceGetMode)(nvmlDevice_t device, nvmlEnableState_t *mode, int *more);
    nvmlReturn_t (*nvmlDeviceGetPciInfo_v3)(nvmlDevice_t device, nvmlPciInfo_t *pci);
    nvmlReturn_t (*nvmlInit_v2)(void);
    nvmlReturn_t (*nvmlSystemGetDriverVersion)(char *version, unsigned int length);
};
extern const struct hawser_symbol nvml_driver_symbols[];

#endif
