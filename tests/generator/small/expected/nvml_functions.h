/* Generated from nvml.spec by remoting/gen/generate.py. */

#ifndef HAWSER_NVML_FUNCTIONS_H
#define HAWSER_NVML_FUNCTIONS_H

#include "nvml_abi.h"

#pragma GCC visibility push(default)
nvmlReturn_t nvmlInit_v2(void);
nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length);
nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci);
nvmlReturn_t nvmlDeviceGetMode(nvmlDevice_t device, nvmlEnableState_t *mode, int *more);
nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory);
nvmlReturn_t nvmlDeviceGetClocks(nvmlDevice_t device, unsigned int *count, unsigned int *clocksMHz);
nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int valuesCount, nvmlFieldValue_t *values);
const char *nvmlErrorString(nvmlReturn_t result);
#pragma GCC visibility pop

#endif
