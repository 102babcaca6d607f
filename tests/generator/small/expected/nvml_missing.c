/* Generated from nvml.spec by remoting/gen/generate.py. */

#include "nvml_room.h"

#define MISSING(name, error) \
    __attribute__((weak, visibility("default"))) nvmlReturn_t name(void); \
    nvmlReturn_t name(void) \
    { \
        nvmlReturn_t r = hawser_nvml_ready(); \
        return r == NVML_SUCCESS ? error : r; \
    }

MISSING(nvmlDeviceGetClocks, NVML_ERROR_NOT_SUPPORTED)
MISSING(nvmlDeviceGetFieldValues, NVML_ERROR_NOT_SUPPORTED)
MISSING(nvmlDeviceGetMemoryInfo_v2, NVML_ERROR_NOT_SUPPORTED)
MISSING(nvmlDeviceGetMode, NVML_ERROR_NOT_SUPPORTED)
MISSING(nvmlDeviceGetPciInfo_v3, NVML_ERROR_NOT_SUPPORTED)
MISSING(nvmlDeviceSetMode, NVML_ERROR_NO_PERMISSION)
MISSING(nvmlInit_v2, NVML_ERROR_NOT_SUPPORTED)
MISSING(nvmlNotYet, NVML_ERROR_NOT_SUPPORTED)
MISSING(nvmlSystemGetDriverVersion, NVML_ERROR_NOT_SUPPORTED)
