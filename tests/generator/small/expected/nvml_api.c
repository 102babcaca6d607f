/* Generated from nvml.spec by remoting/gen/generate.py. */

#include "nvml_api.h"

static const struct hawser_api_function functions[HAWSER_NVML_LIMIT - HAWSER_NVML_FIRST] = {
    [2] = {"nvmlSystemGetDriverVersion", HAWSER_API_CALL | HAWSER_API_WAITS, &hawser__nvml_system_get_driver_version__descriptor, &hawser__nvml_system_get_driver_version_reply__descriptor, NULL},
    [4] = {"nvmlDeviceGetPciInfo_v3", HAWSER_API_CALL | HAWSER_API_WAITS, &hawser__nvml_device_get_pci_info_v3__descriptor, &hawser__nvml_device_get_pci_info_v3_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_HANDLE, "device"}, {0}}},
    [5] = {"nvmlDeviceGetMode", HAWSER_API_CALL | HAWSER_API_WAITS, &hawser__nvml_device_get_mode__descriptor, &hawser__nvml_device_get_mode_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_HANDLE, "device"}, {0}}},
    [6] = {"nvmlDeviceGetMemoryInfo_v2", HAWSER_API_CALL | HAWSER_API_WAITS, &hawser__nvml_device_get_memory_info_v2__descriptor, &hawser__nvml_device_get_memory_info_v2_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_HANDLE, "device"}, {0}}},
    [67] = {"nvmlDeviceGetClocks", HAWSER_API_CALL | HAWSER_API_WAITS, &hawser__nvml_device_get_clocks__descriptor, &hawser__nvml_device_get_clocks_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_HANDLE, "device"}, {0}}},
    [113] = {"nvmlDeviceGetFieldValues", HAWSER_API_CALL | HAWSER_API_WAITS, &hawser__nvml_device_get_field_values__descriptor, &hawser__nvml_device_get_field_values_reply__descriptor, (const struct hawser_field_role[]){{1, HAWSER_ROLE_HANDLE, "device"}, {0}}},
};

const struct hawser_api_name hawser_nvml_names[] = {
    {"nvmlDeviceGetClocks", 1},
    {"nvmlDeviceGetFieldValues", 1},
    {"nvmlDeviceGetMemoryInfo_v2", 1},
    {"nvmlDeviceGetMode", 1},
    {"nvmlDeviceGetPciInfo_v3", 1},
    {"nvmlDeviceSetMode", 0},
    {"nvmlInit_v2", 1},
    {"nvmlNotYet", 0},
    {"nvmlSystemGetDriverVersion", 1},
    {NULL, 0}
};

static const struct hawser_retired_field retired[] = {
    {NULL, 0}
};

const struct hawser_api hawser_nvml_api = {
    HAWSER_NVML_FIRST, HAWSER_NVML_LIMIT, functions, retired
};
