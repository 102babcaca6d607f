/* Generated from nvml.spec by remoting/gen/generate.py. */

#include "nvml_host.h"

static CUresult run_nvmlSystemGetDriverVersion(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__NvmlSystemGetDriverVersion *m = (const Hawser__NvmlSystemGetDriverVersion *)msg;
    Hawser__NvmlSystemGetDriverVersionReply reply = HAWSER__NVML_SYSTEM_GET_DRIVER_VERSION_REPLY__INIT;
    char *version = NULL;
    nvmlReturn_t r = served_nvml(c) && c->nvml->nvmlSystemGetDriverVersion ? NVML_SUCCESS : NVML_ERROR_FUNCTION_NOT_FOUND;
    if (r == NVML_SUCCESS && ((uint64_t)m->length > HAWSER_MAX_ELEMENTS)) r = NVML_ERROR_INVALID_ARGUMENT;
    if (r == NVML_SUCCESS && !(version = served_alloc(c, ((size_t)m->length + 1) * sizeof *version))) r = NVML_ERROR_MEMORY;
    if (r == NVML_SUCCESS) {
        r = c->nvml->nvmlSystemGetDriverVersion(version, (unsigned int)m->length);
        reply.version = (ProtobufCBinaryData){sizeof(char) * (size_t)m->length, (uint8_t *)version};
    }
    reply.status = r;
    served_reply(c, &reply.base);
    return CUDA_SUCCESS;
}

static CUresult run_nvmlDeviceGetPciInfo_v3(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__NvmlDeviceGetPciInfoV3 *m = (const Hawser__NvmlDeviceGetPciInfoV3 *)msg;
    Hawser__NvmlDeviceGetPciInfoV3Reply reply = HAWSER__NVML_DEVICE_GET_PCI_INFO_V3_REPLY__INIT;
    nvmlDevice_t device = {0};
    nvmlPciInfo_t pci = {0};
    nvmlReturn_t r = served_nvml(c) && c->nvml->nvmlDeviceGetPciInfo_v3 ? NVML_SUCCESS : NVML_ERROR_FUNCTION_NOT_FOUND;
    if (r == NVML_SUCCESS) r = served_nvml_device(c, m->device, &device);
    if (r == NVML_SUCCESS) {
        r = c->nvml->nvmlDeviceGetPciInfo_v3(device, &pci);
        reply.pci = (ProtobufCBinaryData){sizeof(nvmlPciInfo_t), (uint8_t *)&pci};
    }
    reply.status = r;
    served_reply(c, &reply.base);
    return CUDA_SUCCESS;
}

static CUresult run_nvmlDeviceGetMode(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__NvmlDeviceGetMode *m = (const Hawser__NvmlDeviceGetMode *)msg;
    Hawser__NvmlDeviceGetModeReply reply = HAWSER__NVML_DEVICE_GET_MODE_REPLY__INIT;
    nvmlDevice_t device = {0};
    nvmlEnableState_t mode = {0};
    int more = {0};
    nvmlReturn_t r = served_nvml(c) && c->nvml->nvmlDeviceGetMode ? NVML_SUCCESS : NVML_ERROR_FUNCTION_NOT_FOUND;
    if (r == NVML_SUCCESS) r = served_nvml_device(c, m->device, &device);
    if (r == NVML_SUCCESS) {
        r = c->nvml->nvmlDeviceGetMode(device, &mode, &more);
        reply.mode = mode;
        reply.more = more;
    }
    reply.status = r;
    served_reply(c, &reply.base);
    return CUDA_SUCCESS;
}

static CUresult run_nvmlDeviceGetMemoryInfo_v2(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__NvmlDeviceGetMemoryInfoV2 *m = (const Hawser__NvmlDeviceGetMemoryInfoV2 *)msg;
    Hawser__NvmlDeviceGetMemoryInfoV2Reply reply = HAWSER__NVML_DEVICE_GET_MEMORY_INFO_V2_REPLY__INIT;
    nvmlDevice_t device = {0};
    nvmlReturn_t r = served_nvml(c) && c->nvml->nvmlDeviceGetMemoryInfo_v2 ? NVML_SUCCESS : NVML_ERROR_FUNCTION_NOT_FOUND;
    if (r == NVML_SUCCESS) r = served_nvml_device(c, m->device, &device);
    if (r == NVML_SUCCESS && (m->memory.len < sizeof(unsigned) || nvml_sized(m->memory.data) != m->memory.len)) r = NVML_ERROR_INVALID_ARGUMENT;
    if (r == NVML_SUCCESS) {
        r = c->nvml->nvmlDeviceGetMemoryInfo_v2(device, (void *)m->memory.data);
        reply.memory = m->memory;
    }
    reply.status = r;
    served_reply(c, &reply.base);
    return CUDA_SUCCESS;
}

static CUresult run_nvmlDeviceGetClocks(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__NvmlDeviceGetClocks *m = (const Hawser__NvmlDeviceGetClocks *)msg;
    Hawser__NvmlDeviceGetClocksReply reply = HAWSER__NVML_DEVICE_GET_CLOCKS_REPLY__INIT;
    nvmlDevice_t device = {0};
    unsigned int count = (unsigned int)m->count;
    unsigned int *clocksMHz = NULL;
    nvmlReturn_t r = served_nvml(c) && c->nvml->nvmlDeviceGetClocks ? NVML_SUCCESS : NVML_ERROR_FUNCTION_NOT_FOUND;
    if (r == NVML_SUCCESS) r = served_nvml_device(c, m->device, &device);
    if (r == NVML_SUCCESS && ((uint64_t)m->count > HAWSER_MAX_ELEMENTS)) r = NVML_ERROR_INVALID_ARGUMENT;
    if (r == NVML_SUCCESS && !(clocksMHz = served_alloc(c, ((size_t)m->count + 1) * sizeof *clocksMHz))) r = NVML_ERROR_MEMORY;
    if (r == NVML_SUCCESS) {
        r = c->nvml->nvmlDeviceGetClocks(device, &count, clocksMHz);
        reply.count = count;
        reply.clocksmhz = (ProtobufCBinaryData){sizeof(unsigned int) * (size_t)m->count, (uint8_t *)clocksMHz};
    }
    reply.status = r;
    served_reply(c, &reply.base);
    return CUDA_SUCCESS;
}

static CUresult run_nvmlDeviceGetFieldValues(struct served *c, const ProtobufCMessage *msg)
{
    const Hawser__NvmlDeviceGetFieldValues *m = (const Hawser__NvmlDeviceGetFieldValues *)msg;
    Hawser__NvmlDeviceGetFieldValuesReply reply = HAWSER__NVML_DEVICE_GET_FIELD_VALUES_REPLY__INIT;
    nvmlDevice_t device = {0};
    nvmlReturn_t r = served_nvml(c) && c->nvml->nvmlDeviceGetFieldValues ? NVML_SUCCESS : NVML_ERROR_FUNCTION_NOT_FOUND;
    if (r == NVML_SUCCESS) r = served_nvml_device(c, m->device, &device);
    if (r == NVML_SUCCESS && ((uint64_t)m->valuescount > HAWSER_MAX_ELEMENTS || m->values.len != sizeof(nvmlFieldValue_t) * (size_t)m->valuescount)) r = NVML_ERROR_INVALID_ARGUMENT;
    if (r == NVML_SUCCESS) {
        r = c->nvml->nvmlDeviceGetFieldValues(device, (int)m->valuescount, (void *)m->values.data);
        reply.values = m->values;
    }
    reply.status = r;
    served_reply(c, &reply.base);
    return CUDA_SUCCESS;
}

const serve_function hawser_nvml_serve[HAWSER_NVML_LIMIT - HAWSER_NVML_FIRST] = {
    [2] = run_nvmlSystemGetDriverVersion,
    [4] = run_nvmlDeviceGetPciInfo_v3,
    [5] = run_nvmlDeviceGetMode,
    [6] = run_nvmlDeviceGetMemoryInfo_v2,
    [67] = run_nvmlDeviceGetClocks,
    [113] = run_nvmlDeviceGetFieldValues,
};

const struct hawser_symbol nvml_driver_symbols[] = {
    {"nvmlDeviceGetClocks", offsetof(struct nvml_driver, nvmlDeviceGetClocks)},
    {"nvmlDeviceGetFieldValues", offsetof(struct nvml_driver, nvmlDeviceGetFieldValues)},
    {"nvmlDeviceGetMemoryInfo_v2", offsetof(struct nvml_driver, nvmlDeviceGetMemoryInfo_v2)},
    {"nvmlDeviceGetMode", offsetof(struct nvml_driver, nvmlDeviceGetMode)},
    {"nvmlDeviceGetPciInfo_v3", offsetof(struct nvml_driver, nvmlDeviceGetPciInfo_v3)},
    {"nvmlInit_v2", offsetof(struct nvml_driver, nvmlInit_v2)},
    {"nvmlSystemGetDriverVersion", offsetof(struct nvml_driver, nvmlSystemGetDriverVersion)},
    {NULL, 0}
};
