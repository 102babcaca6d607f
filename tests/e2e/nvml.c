/*
 * NVML beside CUDA, as a monitoring program uses both. Subtests, see subtest.h.
 *
 *   nvml          runs all but those that want a process or a machine of their own
 *   nvml NAME     runs one
 */
#include <cuda.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nvml_functions.h"
#include "subtest.h"

nvmlReturn_t nvmlDeviceSetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t mode);
nvmlReturn_t nvmlSystemGetHicVersion(unsigned int *count, void *entries);

/* NULL, which no function takes, when there is none. */
static nvmlDevice_t first(void) {
    nvmlDevice_t device;
    return nvmlDeviceGetHandleByIndex_v2(0, &device) == NVML_SUCCESS ? device : NULL;
}

static void initialization(void) {
    unsigned n;
    IS(nvmlDeviceGetCount_v2(&n), NVML_ERROR_UNINITIALIZED);
    IS(nvmlShutdown(), NVML_ERROR_UNINITIALIZED);
    OK(nvmlInit_v2());
    OK(nvmlInitWithFlags(0));
    OK(nvmlShutdown());
    OK(nvmlDeviceGetCount_v2(&n));
    OK(nvmlShutdown());
    IS(nvmlDeviceGetCount_v2(&n), NVML_ERROR_UNINITIALIZED);
    IS(nvmlDeviceSetPersistenceMode(NULL, 1), NVML_ERROR_UNINITIALIZED);
    OK(nvmlInit_v2());
}

static void versions(void) {
    int nvml, cuda;
    char text[80] = "";
    OK(nvmlSystemGetCudaDriverVersion_v2(&nvml));
    OK(cuDriverGetVersion(&cuda));
    IS(nvml, cuda);
    OK(nvmlSystemGetDriverVersion(text, sizeof text));
    CHECK(atoi(text) > 100);
    IS(nvmlSystemGetDriverVersion(text, 3), NVML_ERROR_INSUFFICIENT_SIZE);
    IS(nvmlSystemGetDriverVersion(NULL, 80), NVML_ERROR_INVALID_ARGUMENT);
    OK(nvmlSystemGetNVMLVersion(text, sizeof text));
    CHECK(!strcmp(nvmlErrorString(NVML_SUCCESS), "Success"));
    CHECK(!strcmp(nvmlErrorString(NVML_ERROR_NO_PERMISSION), "Insufficient Permissions"));
    CHECK(!strcmp(nvmlErrorString(12345), "Unknown Error"));
}

/* The same device by CUDA's number, by its UUID and by its place on the bus. */
static void device_of_two_names(unsigned i) {
    nvmlDevice_t device, same;
    nvmlPciInfo_t pci;
    nvmlPciInfoExt_t ext = {.version = NVML_VERSION_OF(nvmlPciInfoExt_t, 1)};
    CUdevice by_bus;
    CUuuid uuid;
    char name[96] = "", cuda_name[96] = "", text[96] = "", first_bytes[16];
    unsigned index;
    int major, minor, value;
    OK(nvmlDeviceGetHandleByIndex_v2(i, &device));
    OK(nvmlDeviceGetIndex(device, &index));
    IS(index, i);
    OK(nvmlDeviceGetName(device, name, sizeof name));
    OK(cuDeviceGetName(cuda_name, sizeof cuda_name, (CUdevice)i));
    CHECK(!strcmp(name, cuda_name));
    OK(nvmlDeviceGetUUID(device, text, sizeof text));
    OK(cuDeviceGetUuid(&uuid, (CUdevice)i));
    snprintf(first_bytes, sizeof first_bytes, "GPU-%02x%02x", (unsigned char)uuid.bytes[0],
             (unsigned char)uuid.bytes[1]);
    CHECK(!strncmp(text, first_bytes, strlen(first_bytes)));
    IS(strlen(text), 40);
    OK(nvmlDeviceGetHandleByUUID(text, &same));
    CHECK(device == same);
    OK(nvmlDeviceGetPciInfo_v3(device, &pci));
    OK(cuDeviceGetByPCIBusId(&by_bus, pci.busId));
    IS(by_bus, i);
    OK(nvmlDeviceGetHandleByPciBusId_v2(pci.busId, &same));
    CHECK(device == same);
    OK(nvmlDeviceGetPciInfoExt(device, &ext));
    CHECK(!strcmp(ext.busId, pci.busId));
    OK(nvmlDeviceGetCudaComputeCapability(device, &major, &minor));
    OK(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, (CUdevice)i));
    IS(major, value);
    IS(nvmlDeviceGetName(device, name, 3), NVML_ERROR_INSUFFICIENT_SIZE);
    IS(nvmlDeviceGetUUID(device, name, 40), NVML_ERROR_INSUFFICIENT_SIZE);
}

static void devices(void) {
    unsigned n;
    int cuda_n;
    OK(cuInit(0));
    OK(nvmlDeviceGetCount_v2(&n));
    OK(cuDeviceGetCount(&cuda_n));
    IS(n, cuda_n);
    for (unsigned i = 0; i < n; i++)
        device_of_two_names(i);
}

static void memory_and_processes(void) {
    const size_t size = 64 << 20;
    nvmlDevice_t device = first();
    nvmlMemory_t before, after;
    nvmlMemory_v2_t v2 = {.version = NVML_VERSION_OF(nvmlMemory_v2_t, 2)};
    nvmlProcessInfo_t info[4];
    unsigned n = 4;
    size_t total;
    CUcontext context;
    CUdeviceptr p;
    OK(nvmlDeviceGetComputeRunningProcesses_v3(device, &n, info));
    IS(n, 0);
    OK(cuDevicePrimaryCtxRetain(&context, 0));
    OK(cuCtxSetCurrent(context));
    OK(nvmlDeviceGetMemoryInfo(device, &before));
    OK(cuMemAlloc(&p, size));
    OK(nvmlDeviceGetMemoryInfo(device, &after));
    OK(cuDeviceTotalMem(&total, 0));
    CHECK(after.total >= total); /* a driver keeps some for itself */
    CHECK(after.used >= before.used + size);
    IS(after.used + after.free, after.total);
    OK(nvmlDeviceGetMemoryInfo_v2(device, &v2));
    IS(v2.total, after.total);
    n = 0;
    IS(nvmlDeviceGetComputeRunningProcesses_v3(device, &n, NULL), NVML_ERROR_INSUFFICIENT_SIZE);
    IS(n, 1);
    n = 4;
    OK(nvmlDeviceGetComputeRunningProcesses_v3(device, &n, info));
    IS(n, 1);
    IS(info[0].pid, getpid());
    CHECK(info[0].usedGpuMemory >= size);
    n = 4;
    OK(nvmlDeviceGetGraphicsRunningProcesses_v3(device, &n, info));
    IS(n, 0);
    OK(cuMemFree(p));
    OK(cuDevicePrimaryCtxRelease(0));
    char name[64] = "";
    OK(nvmlSystemGetProcessName((unsigned)getpid(), name, sizeof name));
    CHECK(strstr(name, "nvml") != NULL);
}

/* Figures that a machine may lack: what is told makes sense. */
static void figures(void) {
    nvmlDevice_t device = first();
    nvmlUtilization_t use = {101, 101};
    unsigned clock = 0, power = 0, celsius = 0;
    unsigned long long energy = 0;
    OK(nvmlDeviceGetUtilizationRates(device, &use));
    CHECK(use.gpu <= 100 && use.memory <= 100);
    nvmlReturn_t r = nvmlDeviceGetClockInfo(device, NVML_CLOCK_SM, &clock);
    CHECK(r == NVML_SUCCESS ? clock > 100 && clock < 10000 : r == NVML_ERROR_NOT_SUPPORTED);
    OK(nvmlDeviceGetClockInfo(device, NVML_CLOCK_MEM, &clock));
    CHECK(clock > 100 && clock < 20000);
    r = nvmlDeviceGetPowerUsage(device, &power);
    CHECK(r == NVML_SUCCESS ? power > 0 && power < 5000000 : r == NVML_ERROR_NOT_SUPPORTED);
    r = nvmlDeviceGetTotalEnergyConsumption(device, &energy);
    CHECK(r == NVML_SUCCESS ? energy > 0 : r == NVML_ERROR_NOT_SUPPORTED);
    r = nvmlDeviceGetTemperature(device, NVML_TEMPERATURE_GPU, &celsius);
    CHECK(r == NVML_SUCCESS ? celsius < 150 : r == NVML_ERROR_NOT_SUPPORTED);
}

static void between_devices(void) {
    unsigned n, near = 64;
    nvmlDevice_t all[64], one = first(), two;
    nvmlGpuTopologyLevel_t level;
    nvmlGpuP2PStatus_t status;
    unsigned long cpus[16];
    OK(nvmlDeviceGetCount_v2(&n));
    OK(nvmlDeviceGetCpuAffinity(one, 16, cpus));
    OK(nvmlSystemGetTopologyGpuSet(0, &near, all));
    IS(near, n);
    if (n < 2) return;
    OK(nvmlDeviceGetHandleByIndex_v2(1, &two));
    OK(nvmlDeviceGetTopologyCommonAncestor(one, two, &level));
    OK(nvmlDeviceGetP2PStatus(one, two, 0, &status));
    near = 64;
    OK(nvmlDeviceGetTopologyNearestGpus(one, level, &near, all));
    CHECK(near >= 1 && near < n);
    OK(nvmlDeviceSetCpuAffinity(one));
    OK(nvmlDeviceClearCpuAffinity(one));
}

/* Sets of events are there to be made and watched; no kind of event is. */
static void events(void) {
    nvmlEventSet_t set;
    nvmlEventData_t data;
    unsigned long long kinds = ~0ull;
    OK(nvmlDeviceGetSupportedEventTypes(first(), &kinds));
    IS(kinds, 0);
    OK(nvmlEventSetCreate(&set));
    OK(nvmlDeviceRegisterEvents(first(), kinds, set));
    IS(nvmlDeviceRegisterEvents(first(), 1, set), NVML_ERROR_NOT_SUPPORTED);
    IS(nvmlEventSetWait_v2(set, &data, 1), NVML_ERROR_TIMEOUT);
    OK(nvmlEventSetFree(set));
    IS(nvmlEventSetFree(set), NVML_ERROR_INVALID_ARGUMENT);
    IS(nvmlEventSetWait_v2(set, &data, 0), NVML_ERROR_INVALID_ARGUMENT);
    IS(nvmlEventSetCreate(NULL), NVML_ERROR_INVALID_ARGUMENT);
}

static void refusals(void) {
    nvmlDevice_t device = first(), foreign = (nvmlDevice_t)&device;
    nvmlMemory_t memory;
    nvmlMemory_v2_t v2 = {.version = 1};
    nvmlFieldValue_t fields[2] = {{.fieldId = 1}, {.fieldId = 99999}};
    unsigned value, count = 0;
    IS(nvmlDeviceSetPersistenceMode(device, 1), NVML_ERROR_NO_PERMISSION);
    IS(nvmlSystemGetHicVersion(&value, NULL), NVML_ERROR_NOT_SUPPORTED);
    IS(nvmlDeviceGetMemoryInfo(foreign, &memory), NVML_ERROR_INVALID_ARGUMENT);
    IS(nvmlDeviceGetMemoryInfo(NULL, &memory), NVML_ERROR_INVALID_ARGUMENT);
    IS(nvmlDeviceGetMemoryInfo(device, NULL), NVML_ERROR_INVALID_ARGUMENT);
    IS(nvmlDeviceGetHandleByIndex_v2(1000, &device), NVML_ERROR_INVALID_ARGUMENT);
    IS(nvmlDeviceGetHandleByUUID("GPU-00000000-0000-0000-0000-000000000000", &device), NVML_ERROR_NOT_FOUND);
    IS(nvmlDeviceGetMemoryInfo_v2(first(), &v2), NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    OK(nvmlDeviceGetFieldValues(first(), 2, fields));
    CHECK(fields[1].nvmlReturn != NVML_SUCCESS);
    nvmlReturn_t r = nvmlDeviceGetSupportedMemoryClocks(first(), &count, NULL);
    CHECK(r == NVML_ERROR_NOT_SUPPORTED || r == NVML_ERROR_INSUFFICIENT_SIZE);
}

/* Each says which step failed, 0 if none. */
static int cuda_in_a_child(void) {
    CUcontext context;
    CUdeviceptr p;
    nvmlMemory_t memory;
    if (cuInit(0) != CUDA_SUCCESS) return 1;
    if (cuDevicePrimaryCtxRetain(&context, 0) != CUDA_SUCCESS || cuCtxSetCurrent(context) != CUDA_SUCCESS) return 2;
    if (cuMemAlloc(&p, 1 << 20) != CUDA_SUCCESS) return 3;
    if (nvmlDeviceGetMemoryInfo(first(), &memory) != NVML_SUCCESS) return 4;
    return memory.used >= 1 << 20 ? 0 : 5;
}

static int nvml_in_a_child_of_cuda(void) {
    int count;
    nvmlMemory_t memory;
    if (cuDeviceGetCount(&count) != CUDA_ERROR_NOT_INITIALIZED) return 1; /* as without hawser: the parent's is lost */
    return nvmlDeviceGetMemoryInfo(first(), &memory) == NVML_SUCCESS ? 0 : 2;
}

/* The exit status of a child that does this; -1 when it ended otherwise. */
static int child(int (*run)(void)) {
    int status;
    pid_t pid = fork();
    if (pid == 0) _exit(run());
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* NVML first, then CUDA in a child, as PyTorch does. */
static void children(void) {
    unsigned n;
    nvmlMemory_t memory;
    OK(nvmlInit_v2());
    OK(nvmlDeviceGetCount_v2(&n));
    IS(child(cuda_in_a_child), 0);
    OK(nvmlDeviceGetMemoryInfo(first(), &memory));
    OK(cuInit(0));
    IS(child(nvml_in_a_child_of_cuda), 0);
}

static void no_server(void) {
    unsigned n;
    IS(nvmlInit_v2(), NVML_ERROR_DRIVER_NOT_LOADED);
    IS(nvmlDeviceGetCount_v2(&n), NVML_ERROR_UNINITIALIZED);
    IS(nvmlShutdown(), NVML_ERROR_UNINITIALIZED);
    IS(cuInit(0), CUDA_ERROR_SYSTEM_NOT_READY);
}

int main(int argc, char **argv) {
    static const struct subtest tests[] = {{"initialization", initialization, false},
                                           {"versions and error strings", versions, false},
                                           {"devices", devices, false},
                                           {"memory and processes", memory_and_processes, false},
                                           {"figures", figures, false},
                                           {"between devices", between_devices, false},
                                           {"events", events, false},
                                           {"refusals", refusals, false},
                                           {"CUDA in a child", children, true},
                                           {"no server", no_server, true}};
    return subtests_run(tests, sizeof tests / sizeof *tests, argc, argv);
}
