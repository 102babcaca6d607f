/* Generated from nvml.spec by remoting/gen/generate.py. */

#include "nvml_guest.h"

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    struct shim_call c;
    Hawser__NvmlSystemGetDriverVersion m = HAWSER__NVML_SYSTEM_GET_DRIVER_VERSION__INIT;
    Hawser__NvmlSystemGetDriverVersionReply *reply = NULL;
    nvmlReturn_t r = nvml_enter(&c, HAWSER_FN_nvmlSystemGetDriverVersion);
    if (r != NVML_SUCCESS) return r;
    if (!version || (uint64_t)length > HAWSER_MAX_ELEMENTS) return NVML_ERROR_INVALID_ARGUMENT;
    m.length = length;
    r = nvml_call(&c, &m.base, (ProtobufCMessage **)&reply);
    if (r == NVML_SUCCESS) r = (nvmlReturn_t)reply->status;
    if (r == NVML_SUCCESS) {
        if (!shim_take(version, sizeof(char) * (size_t)length, &reply->version)) r = NVML_ERROR_UNKNOWN;
    }
    shim_free_reply(reply);
    return r;
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    struct shim_call c;
    Hawser__NvmlDeviceGetPciInfoV3 m = HAWSER__NVML_DEVICE_GET_PCI_INFO_V3__INIT;
    Hawser__NvmlDeviceGetPciInfoV3Reply *reply = NULL;
    nvmlReturn_t r = nvml_enter(&c, HAWSER_FN_nvmlDeviceGetPciInfo_v3);
    if (r != NVML_SUCCESS) return r;
    if (!pci) return NVML_ERROR_INVALID_ARGUMENT;
    r = nvml_device(device, &m.device);
    if (r != NVML_SUCCESS) return r;
    r = nvml_call(&c, &m.base, (ProtobufCMessage **)&reply);
    if (r == NVML_SUCCESS) r = (nvmlReturn_t)reply->status;
    if (r == NVML_SUCCESS) {
        if (!shim_take(pci, sizeof(nvmlPciInfo_t), &reply->pci)) r = NVML_ERROR_UNKNOWN;
    }
    shim_free_reply(reply);
    return r;
}

nvmlReturn_t nvmlDeviceGetMode(nvmlDevice_t device, nvmlEnableState_t *mode, int *more)
{
    struct shim_call c;
    Hawser__NvmlDeviceGetMode m = HAWSER__NVML_DEVICE_GET_MODE__INIT;
    Hawser__NvmlDeviceGetModeReply *reply = NULL;
    nvmlReturn_t r = nvml_enter(&c, HAWSER_FN_nvmlDeviceGetMode);
    if (r != NVML_SUCCESS) return r;
    if (!mode || !more) return NVML_ERROR_INVALID_ARGUMENT;
    r = nvml_device(device, &m.device);
    if (r != NVML_SUCCESS) return r;
    r = nvml_call(&c, &m.base, (ProtobufCMessage **)&reply);
    if (r == NVML_SUCCESS) r = (nvmlReturn_t)reply->status;
    if (r == NVML_SUCCESS) {
        *mode = (nvmlEnableState_t)reply->mode;
        *more = (int)reply->more;
    }
    shim_free_reply(reply);
    return r;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    struct shim_call c;
    Hawser__NvmlDeviceGetMemoryInfoV2 m = HAWSER__NVML_DEVICE_GET_MEMORY_INFO_V2__INIT;
    Hawser__NvmlDeviceGetMemoryInfoV2Reply *reply = NULL;
    nvmlReturn_t r = nvml_enter(&c, HAWSER_FN_nvmlDeviceGetMemoryInfo_v2);
    if (r != NVML_SUCCESS) return r;
    if (!memory) return NVML_ERROR_INVALID_ARGUMENT;
    r = nvml_device(device, &m.device);
    if (r != NVML_SUCCESS) return r;
    if (!nvml_sized(memory)) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    m.memory = (ProtobufCBinaryData){nvml_sized(memory), (uint8_t *)memory};
    r = nvml_call(&c, &m.base, (ProtobufCMessage **)&reply);
    if (r == NVML_SUCCESS) r = (nvmlReturn_t)reply->status;
    if (r == NVML_SUCCESS) {
        if (!shim_take(memory, nvml_sized(memory), &reply->memory)) r = NVML_ERROR_UNKNOWN;
    }
    shim_free_reply(reply);
    return r;
}

nvmlReturn_t nvmlDeviceGetClocks(nvmlDevice_t device, unsigned int *count, unsigned int *clocksMHz)
{
    struct shim_call c;
    Hawser__NvmlDeviceGetClocks m = HAWSER__NVML_DEVICE_GET_CLOCKS__INIT;
    Hawser__NvmlDeviceGetClocksReply *reply = NULL;
    nvmlReturn_t r = nvml_enter(&c, HAWSER_FN_nvmlDeviceGetClocks);
    if (r != NVML_SUCCESS) return r;
    if (!count || (uint64_t)*count > HAWSER_MAX_ELEMENTS || (*count && !clocksMHz)) return NVML_ERROR_INVALID_ARGUMENT;
    r = nvml_device(device, &m.device);
    if (r != NVML_SUCCESS) return r;
    m.count = *count;
    r = nvml_call(&c, &m.base, (ProtobufCMessage **)&reply);
    if (r == NVML_SUCCESS) r = (nvmlReturn_t)reply->status;
    if (r == NVML_SUCCESS) {
        if (!shim_take(clocksMHz, sizeof(unsigned int) * (size_t)*count, &reply->clocksmhz)) r = NVML_ERROR_UNKNOWN;
    }
    if (r == NVML_SUCCESS || r == NVML_ERROR_INSUFFICIENT_SIZE) *count = (unsigned int)reply->count;
    shim_free_reply(reply);
    return r;
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int valuesCount, nvmlFieldValue_t *values)
{
    struct shim_call c;
    Hawser__NvmlDeviceGetFieldValues m = HAWSER__NVML_DEVICE_GET_FIELD_VALUES__INIT;
    Hawser__NvmlDeviceGetFieldValuesReply *reply = NULL;
    nvmlReturn_t r = nvml_enter(&c, HAWSER_FN_nvmlDeviceGetFieldValues);
    if (r != NVML_SUCCESS) return r;
    if (!values || (uint64_t)valuesCount > HAWSER_MAX_ELEMENTS) return NVML_ERROR_INVALID_ARGUMENT;
    r = nvml_device(device, &m.device);
    if (r != NVML_SUCCESS) return r;
    m.valuescount = valuesCount;
    m.values = (ProtobufCBinaryData){sizeof(nvmlFieldValue_t) * (size_t)valuesCount, (uint8_t *)values};
    r = nvml_call(&c, &m.base, (ProtobufCMessage **)&reply);
    if (r == NVML_SUCCESS) r = (nvmlReturn_t)reply->status;
    if (r == NVML_SUCCESS) {
        if (!shim_take(values, sizeof(nvmlFieldValue_t) * (size_t)valuesCount, &reply->values)) r = NVML_ERROR_UNKNOWN;
    }
    shim_free_reply(reply);
    return r;
}

NVML_LATER(nvmlNotYet)
NVML_REFUSED(nvmlDeviceSetMode)
