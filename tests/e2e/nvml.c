/*
 * NVML beside CUDA, as a monitoring program uses both:   nvml [fork]
 * One line "ok WHAT" for each part, or "FAIL ...". `fork`: NVML first, then CUDA in a child, as PyTorch does.
 */
#include <cuda.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nvml_api.h"

nvmlReturn_t nvmlDeviceSetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t mode);
nvmlReturn_t nvmlSystemGetHicVersion(unsigned int *count, void *entries);

static int failures;

static void expect_at(int line, unsigned long long got, unsigned long long want, const char *what)
{
    if (got == want) return;
    printf("FAIL line %d: %s is %llu, not %llu\n", line, what, got, want);
    failures++;
}
#define EXPECT(want, got) expect_at(__LINE__, (unsigned long long)(got), (unsigned long long)(want), #got)

static void expect_text_at(int line, const char *got, const char *want)
{
    if (!strcmp(got, want)) return;
    printf("FAIL line %d: \"%s\", not \"%s\"\n", line, got, want);
    failures++;
}
#define EXPECT_TEXT(want, got) expect_text_at(__LINE__, got, want)

static void part(const char *name, void (*run)(void))
{
    int before = failures;
    run();
    if (failures == before) printf("ok %s\n", name);
    fflush(stdout);
}

static nvmlDevice_t first(void)
{
    nvmlDevice_t device = NULL;
    EXPECT(NVML_SUCCESS, nvmlDeviceGetHandleByIndex_v2(0, &device));
    return device;
}

/* ---- */

static void initialization(void)
{
    unsigned n;
    EXPECT(NVML_ERROR_UNINITIALIZED, nvmlDeviceGetCount_v2(&n));
    EXPECT(NVML_ERROR_UNINITIALIZED, nvmlShutdown());
    EXPECT(NVML_SUCCESS, nvmlInit_v2());
    EXPECT(NVML_SUCCESS, nvmlInitWithFlags(0));
    EXPECT(NVML_SUCCESS, nvmlShutdown());
    EXPECT(NVML_SUCCESS, nvmlDeviceGetCount_v2(&n));
    EXPECT(NVML_SUCCESS, nvmlShutdown());
    EXPECT(NVML_ERROR_UNINITIALIZED, nvmlDeviceGetCount_v2(&n));
    EXPECT(NVML_ERROR_UNINITIALIZED, nvmlDeviceSetPersistenceMode(NULL, 1));
    EXPECT(NVML_SUCCESS, nvmlInit_v2());
}

static void versions(void)
{
    int nvml, cuda;
    char text[80];
    EXPECT(NVML_SUCCESS, nvmlSystemGetCudaDriverVersion_v2(&nvml));
    EXPECT(CUDA_SUCCESS, cuDriverGetVersion(&cuda));
    EXPECT(cuda, nvml);
    EXPECT(NVML_SUCCESS, nvmlSystemGetDriverVersion(text, sizeof text));
    EXPECT(1, atoi(text) > 100);
    EXPECT(NVML_ERROR_INSUFFICIENT_SIZE, nvmlSystemGetDriverVersion(text, 3));
    EXPECT(NVML_ERROR_INVALID_ARGUMENT, nvmlSystemGetDriverVersion(NULL, 80));
    EXPECT(NVML_SUCCESS, nvmlSystemGetNVMLVersion(text, sizeof text));
    EXPECT_TEXT("Success", nvmlErrorString(NVML_SUCCESS));
    EXPECT_TEXT("Insufficient Permissions", nvmlErrorString(NVML_ERROR_NO_PERMISSION));
    EXPECT_TEXT("Unknown Error", nvmlErrorString(12345));
}

static void devices(void)
{
    unsigned n;
    int cuda_n;
    EXPECT(CUDA_SUCCESS, cuInit(0));
    EXPECT(NVML_SUCCESS, nvmlDeviceGetCount_v2(&n));
    EXPECT(CUDA_SUCCESS, cuDeviceGetCount(&cuda_n));
    EXPECT(cuda_n, n);
    for (unsigned i = 0; i < n; i++) {
        nvmlDevice_t device, same;
        nvmlPciInfo_t pci;
        nvmlPciInfoExt_t ext = {.version = NVML_VERSION_OF(nvmlPciInfoExt_t, 1)};
        CUdevice by_bus;
        CUuuid uuid;
        char name[96], cuda_name[96], text[96];
        unsigned index;
        int major, minor, value;
        EXPECT(NVML_SUCCESS, nvmlDeviceGetHandleByIndex_v2(i, &device));
        EXPECT(NVML_SUCCESS, nvmlDeviceGetIndex(device, &index));
        EXPECT(i, index);
        EXPECT(NVML_SUCCESS, nvmlDeviceGetName(device, name, sizeof name));
        EXPECT(CUDA_SUCCESS, cuDeviceGetName(cuda_name, sizeof cuda_name, (CUdevice)i));
        EXPECT_TEXT(cuda_name, name);
        EXPECT(NVML_SUCCESS, nvmlDeviceGetUUID(device, text, sizeof text));
        EXPECT(CUDA_SUCCESS, cuDeviceGetUuid(&uuid, (CUdevice)i));
        char first_bytes[16];
        snprintf(first_bytes, sizeof first_bytes, "GPU-%02x%02x", (unsigned char)uuid.bytes[0],
                 (unsigned char)uuid.bytes[1]);
        EXPECT(0, strncmp(text, first_bytes, strlen(first_bytes)));
        EXPECT(40, strlen(text));
        EXPECT(NVML_SUCCESS, nvmlDeviceGetHandleByUUID(text, &same));
        EXPECT(1, device == same);
        EXPECT(NVML_SUCCESS, nvmlDeviceGetPciInfo_v3(device, &pci));
        EXPECT(CUDA_SUCCESS, cuDeviceGetByPCIBusId(&by_bus, pci.busId));
        EXPECT(i, by_bus);
        EXPECT(NVML_SUCCESS, nvmlDeviceGetHandleByPciBusId_v2(pci.busId, &same));
        EXPECT(1, device == same);
        EXPECT(NVML_SUCCESS, nvmlDeviceGetPciInfoExt(device, &ext));
        EXPECT_TEXT(pci.busId, ext.busId);
        EXPECT(NVML_SUCCESS, nvmlDeviceGetCudaComputeCapability(device, &major, &minor));
        EXPECT(CUDA_SUCCESS, cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, (CUdevice)i));
        EXPECT(value, major);
        EXPECT(NVML_ERROR_INSUFFICIENT_SIZE, nvmlDeviceGetName(device, name, 3));
        EXPECT(NVML_ERROR_INSUFFICIENT_SIZE, nvmlDeviceGetUUID(device, name, 40));
    }
}

static void memory_and_processes(void)
{
    const size_t size = 64 << 20;
    nvmlDevice_t device = first();
    nvmlMemory_t before, after;
    nvmlMemory_v2_t v2 = {.version = NVML_VERSION_OF(nvmlMemory_v2_t, 2)};
    nvmlProcessInfo_t info[4];
    unsigned n = 4;
    size_t total;
    CUcontext context;
    CUdeviceptr p;
    EXPECT(NVML_SUCCESS, nvmlDeviceGetComputeRunningProcesses_v3(device, &n, info));
    EXPECT(0, n);
    EXPECT(CUDA_SUCCESS, cuDevicePrimaryCtxRetain(&context, 0));
    EXPECT(CUDA_SUCCESS, cuCtxSetCurrent(context));
    EXPECT(NVML_SUCCESS, nvmlDeviceGetMemoryInfo(device, &before));
    EXPECT(CUDA_SUCCESS, cuMemAlloc(&p, size));
    EXPECT(NVML_SUCCESS, nvmlDeviceGetMemoryInfo(device, &after));
    EXPECT(CUDA_SUCCESS, cuDeviceTotalMem(&total, 0));
    EXPECT(1, after.total >= total); /* a driver keeps some for itself */
    EXPECT(1, after.used >= before.used + size);
    EXPECT(after.total, after.used + after.free);
    EXPECT(NVML_SUCCESS, nvmlDeviceGetMemoryInfo_v2(device, &v2));
    EXPECT(after.total, v2.total);
    n = 0;
    EXPECT(NVML_ERROR_INSUFFICIENT_SIZE, nvmlDeviceGetComputeRunningProcesses_v3(device, &n, NULL));
    EXPECT(1, n);
    n = 4;
    EXPECT(NVML_SUCCESS, nvmlDeviceGetComputeRunningProcesses_v3(device, &n, info));
    EXPECT(1, n);
    EXPECT(getpid(), info[0].pid);
    EXPECT(1, info[0].usedGpuMemory >= size);
    n = 4;
    EXPECT(NVML_SUCCESS, nvmlDeviceGetGraphicsRunningProcesses_v3(device, &n, info));
    EXPECT(0, n);
    EXPECT(CUDA_SUCCESS, cuMemFree(p));
    EXPECT(CUDA_SUCCESS, cuDevicePrimaryCtxRelease(0));
    char name[64];
    EXPECT(NVML_SUCCESS, nvmlSystemGetProcessName((unsigned)getpid(), name, sizeof name));
    EXPECT(1, strstr(name, "nvml") != NULL);
}

/* Figures that a machine may lack: what is told makes sense. */
static void figures(void)
{
    nvmlDevice_t device = first();
    nvmlUtilization_t use = {101, 101};
    unsigned clock = 0, power = 0, celsius = 0;
    unsigned long long energy = 0;
    EXPECT(NVML_SUCCESS, nvmlDeviceGetUtilizationRates(device, &use));
    EXPECT(1, use.gpu <= 100 && use.memory <= 100);
    nvmlReturn_t r = nvmlDeviceGetClockInfo(device, NVML_CLOCK_SM, &clock);
    EXPECT(1, r == NVML_SUCCESS ? clock > 100 && clock < 10000 : r == NVML_ERROR_NOT_SUPPORTED);
    EXPECT(NVML_SUCCESS, nvmlDeviceGetClockInfo(device, NVML_CLOCK_MEM, &clock));
    EXPECT(1, clock > 100 && clock < 20000);
    r = nvmlDeviceGetPowerUsage(device, &power);
    EXPECT(1, r == NVML_SUCCESS ? power > 0 && power < 5000000 : r == NVML_ERROR_NOT_SUPPORTED);
    r = nvmlDeviceGetTotalEnergyConsumption(device, &energy);
    EXPECT(1, r == NVML_SUCCESS ? energy > 0 : r == NVML_ERROR_NOT_SUPPORTED);
    r = nvmlDeviceGetTemperature(device, NVML_TEMPERATURE_GPU, &celsius);
    EXPECT(1, r == NVML_SUCCESS ? celsius < 150 : r == NVML_ERROR_NOT_SUPPORTED);
}

static void between_devices(void)
{
    unsigned n, near = 64;
    nvmlDevice_t all[64], one = first(), two;
    nvmlGpuTopologyLevel_t level;
    nvmlGpuP2PStatus_t status;
    unsigned long cpus[16];
    EXPECT(NVML_SUCCESS, nvmlDeviceGetCount_v2(&n));
    EXPECT(NVML_SUCCESS, nvmlDeviceGetCpuAffinity(one, 16, cpus));
    EXPECT(NVML_SUCCESS, nvmlSystemGetTopologyGpuSet(0, &near, all));
    EXPECT(n, near);
    if (n < 2) return;
    EXPECT(NVML_SUCCESS, nvmlDeviceGetHandleByIndex_v2(1, &two));
    EXPECT(NVML_SUCCESS, nvmlDeviceGetTopologyCommonAncestor(one, two, &level));
    EXPECT(NVML_SUCCESS, nvmlDeviceGetP2PStatus(one, two, 0, &status));
    near = 64;
    EXPECT(NVML_SUCCESS, nvmlDeviceGetTopologyNearestGpus(one, level, &near, all));
    EXPECT(1, near >= 1 && near < n);
    EXPECT(NVML_SUCCESS, nvmlDeviceSetCpuAffinity(one));
    EXPECT(NVML_SUCCESS, nvmlDeviceClearCpuAffinity(one));
}

/* Sets of events are there to be made and watched; no kind of event is. */
static void events(void)
{
    nvmlEventSet_t set;
    nvmlEventData_t data;
    unsigned long long kinds = ~0ull;
    EXPECT(NVML_SUCCESS, nvmlDeviceGetSupportedEventTypes(first(), &kinds));
    EXPECT(0, kinds);
    EXPECT(NVML_SUCCESS, nvmlEventSetCreate(&set));
    EXPECT(NVML_SUCCESS, nvmlDeviceRegisterEvents(first(), kinds, set));
    EXPECT(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceRegisterEvents(first(), 1, set));
    EXPECT(NVML_ERROR_TIMEOUT, nvmlEventSetWait_v2(set, &data, 1));
    EXPECT(NVML_SUCCESS, nvmlEventSetFree(set));
    EXPECT(NVML_ERROR_INVALID_ARGUMENT, nvmlEventSetFree(set));
    EXPECT(NVML_ERROR_INVALID_ARGUMENT, nvmlEventSetWait_v2(set, &data, 0));
    EXPECT(NVML_ERROR_INVALID_ARGUMENT, nvmlEventSetCreate(NULL));
}

static void refusals(void)
{
    nvmlDevice_t device = first(), foreign = (nvmlDevice_t)&failures;
    nvmlMemory_t memory;
    nvmlMemory_v2_t v2 = {.version = 1};
    nvmlFieldValue_t fields[2] = {{.fieldId = 1}, {.fieldId = 99999}};
    unsigned value, count = 0;
    EXPECT(NVML_ERROR_NO_PERMISSION, nvmlDeviceSetPersistenceMode(device, 1));
    EXPECT(NVML_ERROR_NOT_SUPPORTED, nvmlSystemGetHicVersion(&value, NULL));
    EXPECT(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetMemoryInfo(foreign, &memory));
    EXPECT(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetMemoryInfo(NULL, &memory));
    EXPECT(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetMemoryInfo(device, NULL));
    EXPECT(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetHandleByIndex_v2(1000, &device));
    EXPECT(NVML_ERROR_NOT_FOUND, nvmlDeviceGetHandleByUUID("GPU-00000000-0000-0000-0000-000000000000", &device));
    EXPECT(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlDeviceGetMemoryInfo_v2(first(), &v2));
    EXPECT(NVML_SUCCESS, nvmlDeviceGetFieldValues(first(), 2, fields));
    EXPECT(1, fields[1].nvmlReturn != NVML_SUCCESS);
    nvmlReturn_t r = nvmlDeviceGetSupportedMemoryClocks(first(), &count, NULL);
    EXPECT(1, r == NVML_ERROR_NOT_SUPPORTED || r == NVML_ERROR_INSUFFICIENT_SIZE);
}

static void in_a_child(void)
{
    unsigned n;
    EXPECT(NVML_SUCCESS, nvmlInit_v2());
    EXPECT(NVML_SUCCESS, nvmlDeviceGetCount_v2(&n));
    pid_t pid = fork();
    if (pid == 0) {
        CUcontext context;
        CUdeviceptr p;
        nvmlMemory_t memory;
        EXPECT(CUDA_SUCCESS, cuInit(0));
        EXPECT(CUDA_SUCCESS, cuDevicePrimaryCtxRetain(&context, 0));
        EXPECT(CUDA_SUCCESS, cuCtxSetCurrent(context));
        EXPECT(CUDA_SUCCESS, cuMemAlloc(&p, 1 << 20));
        EXPECT(NVML_SUCCESS, nvmlDeviceGetMemoryInfo(first(), &memory));
        EXPECT(1, memory.used >= 1 << 20);
        fflush(stdout);
        _exit(failures != 0);
    }
    int status = -1;
    EXPECT(pid, waitpid(pid, &status, 0));
    EXPECT(0, status);
    nvmlMemory_t memory;
    EXPECT(NVML_SUCCESS, nvmlDeviceGetMemoryInfo(first(), &memory));
    EXPECT(CUDA_SUCCESS, cuInit(0));
    pid = fork();
    if (pid == 0) {
        int count;
        EXPECT(CUDA_ERROR_NOT_INITIALIZED, cuDeviceGetCount(&count)); /* as without hawser: the parent's is lost */
        EXPECT(NVML_SUCCESS, nvmlDeviceGetMemoryInfo(first(), &memory));
        fflush(stdout);
        _exit(failures != 0);
    }
    EXPECT(pid, waitpid(pid, &status, 0));
    EXPECT(0, status);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "fork")) {
        part("CUDA in a child of a process that used NVML", in_a_child);
        return failures != 0;
    }
    part("initialization", initialization);
    part("versions and error strings", versions);
    part("devices", devices);
    part("memory and processes", memory_and_processes);
    part("figures", figures);
    part("between devices", between_devices);
    part("events", events);
    part("refusals", refusals);
    return failures != 0;
}
