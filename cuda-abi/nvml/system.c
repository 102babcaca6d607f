/* The system, topology and processes: the guest's own. */
#include "nvml_room.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "nvml_functions.h"

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *cudaDriverVersion) {
    nvmlReturn_t r = hawser_nvml_ready();
    if (r != NVML_SUCCESS) return r;
    if (!cudaDriverVersion) return NVML_ERROR_INVALID_ARGUMENT;
    *cudaDriverVersion = hawser_nvml_cuda_version();
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *cudaDriverVersion) {
    return nvmlSystemGetCudaDriverVersion_v2(cudaDriverVersion);
}

nvmlReturn_t nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int length) {
    char path[64], text[1024];
    nvmlReturn_t r = hawser_nvml_ready();
    if (r != NVML_SUCCESS) return r;
    if (!name || !length) return NVML_ERROR_INVALID_ARGUMENT;
    snprintf(path, sizeof path, "/proc/%u/cmdline", pid);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) fclose(f);
    if (!n) return NVML_ERROR_NOT_FOUND;
    text[n] = 0;
    snprintf(name, length, "%s", text); /* the first of its strings: the program */
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlUnitGetCount(unsigned int *unitCount) {
    nvmlReturn_t r = hawser_nvml_ready();
    if (r != NVML_SUCCESS) return r;
    if (!unitCount) return NVML_ERROR_INVALID_ARGUMENT;
    *unitCount = 0; /* S-class systems have some; nothing else does */
    return NVML_SUCCESS;
}

/* ---- CPUs: a device that is lent is as far from one as from another ---- */

nvmlReturn_t nvmlDeviceGetCpuAffinity(nvmlDevice_t device, unsigned int cpuSetSize, unsigned long *cpuSet) {
    unsigned index;
    cpu_set_t mine;
    const unsigned bits = 8 * sizeof *cpuSet;
    nvmlReturn_t r = hawser_nvml_index(device, &index);
    if (r != NVML_SUCCESS) return r;
    if (!cpuSet || !cpuSetSize) return NVML_ERROR_INVALID_ARGUMENT;
    if (sched_getaffinity(0, sizeof mine, &mine) != 0) return NVML_ERROR_UNKNOWN;
    memset(cpuSet, 0, cpuSetSize * sizeof *cpuSet);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && cpu / bits < cpuSetSize; cpu++)
        if (CPU_ISSET(cpu, &mine)) cpuSet[cpu / bits] |= 1ul << cpu % bits;
    return NVML_SUCCESS;
}

/* The CPUs near a device are all that the process has, so a thread stays on those that it is on. */
nvmlReturn_t nvmlDeviceSetCpuAffinity(nvmlDevice_t device) {
    unsigned index;
    return hawser_nvml_index(device, &index);
}

nvmlReturn_t nvmlDeviceClearCpuAffinity(nvmlDevice_t device) {
    unsigned index;
    return hawser_nvml_index(device, &index);
}

nvmlReturn_t nvmlDeviceGetCpuAffinityWithinScope(nvmlDevice_t device, unsigned int cpuSetSize, unsigned long *cpuSet,
                                                 nvmlAffinityScope_t scope) {
    if (scope > 1) return NVML_ERROR_INVALID_ARGUMENT;
    return nvmlDeviceGetCpuAffinity(device, cpuSetSize, cpuSet);
}

/* ---- devices near each other ---- */

/* Gives devices; their count alone if the caller has no room. */
static nvmlReturn_t give_devices(const nvmlDevice_t *found, unsigned n, unsigned *count, nvmlDevice_t *out) {
    unsigned room = *count;
    *count = n;
    if (!room) return NVML_SUCCESS;
    if (!out) return NVML_ERROR_INVALID_ARGUMENT;
    memcpy(out, found, (n < room ? n : room) * sizeof *out);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetTopologyGpuSet(unsigned int cpuNumber, unsigned int *count, nvmlDevice_t *deviceArray) {
    nvmlDevice_t all[HAWSER_NVML_MAX_DEVICES];
    nvmlReturn_t r = hawser_nvml_ready();
    if (r != NVML_SUCCESS) return r;
    if (!count || (long)cpuNumber >= sysconf(_SC_NPROCESSORS_CONF)) return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned i = 0; i < hawser_nvml_count(); i++)
        nvmlDeviceGetHandleByIndex_v2(i, &all[i]);
    return give_devices(all, hawser_nvml_count(), count, deviceArray);
}

nvmlReturn_t nvmlDeviceGetTopologyNearestGpus(nvmlDevice_t device, nvmlGpuTopologyLevel_t level, unsigned int *count,
                                              nvmlDevice_t *deviceArray) {
    nvmlDevice_t near[HAWSER_NVML_MAX_DEVICES];
    unsigned index, n = 0;
    nvmlReturn_t r = hawser_nvml_index(device, &index);
    if (r != NVML_SUCCESS) return r;
    if (!count) return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned i = 0; i < hawser_nvml_count(); i++) {
        nvmlDevice_t other;
        nvmlGpuTopologyLevel_t between;
        nvmlDeviceGetHandleByIndex_v2(i, &other);
        if (i == index || nvmlDeviceGetTopologyCommonAncestor(device, other, &between) != NVML_SUCCESS) continue;
        if (between == level) near[n++] = other;
    }
    return give_devices(near, n, count, deviceArray);
}

/* ---- processes: this one. Others have sessions of their own, and their devices are their business ---- */

static nvmlReturn_t processes(nvmlDevice_t device, enum hawser_nvml_processes kind, unsigned *count, bool has_room,
                              struct hawser_nvml_process *out) {
    unsigned index, room;
    nvmlReturn_t r = hawser_nvml_index(device, &index);
    if (r != NVML_SUCCESS) return r;
    if (!count || (*count && !has_room)) return NVML_ERROR_INVALID_ARGUMENT;
    room = *count;
    r = hawser_nvml_process(index, kind, out);
    if (r != NVML_SUCCESS) return r;
    *count = out->running;
    return out->running > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

static void fill_v1(nvmlProcessInfo_v1_t *info, const struct hawser_nvml_process *p) {
    *info = (nvmlProcessInfo_v1_t){(unsigned)getpid(), p->used};
}

static void fill(nvmlProcessInfo_t *info, const struct hawser_nvml_process *p) {
    *info = (nvmlProcessInfo_t){(unsigned)getpid(), p->used, p->gpu_instance, p->compute_instance};
}

#define PROCESSES(name, kind, type, fill)                                                                              \
    nvmlReturn_t name(nvmlDevice_t device, unsigned int *infoCount, type *infos) {                                     \
        struct hawser_nvml_process p = {0};                                                                            \
        nvmlReturn_t r = processes(device, kind, infoCount, infos != NULL, &p);                                        \
        if (r == NVML_SUCCESS && p.running) fill(infos, &p);                                                           \
        return r;                                                                                                      \
    }
PROCESSES(nvmlDeviceGetComputeRunningProcesses, HAWSER_NVML_COMPUTE, nvmlProcessInfo_v1_t, fill_v1)
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v2, HAWSER_NVML_COMPUTE, nvmlProcessInfo_t, fill)
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v3, HAWSER_NVML_COMPUTE, nvmlProcessInfo_t, fill)
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses, HAWSER_NVML_GRAPHICS, nvmlProcessInfo_v1_t, fill_v1)
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v2, HAWSER_NVML_GRAPHICS, nvmlProcessInfo_t, fill)
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3, HAWSER_NVML_GRAPHICS, nvmlProcessInfo_t, fill)
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses, HAWSER_NVML_MPS, nvmlProcessInfo_v1_t, fill_v1)
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v2, HAWSER_NVML_MPS, nvmlProcessInfo_t, fill)
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v3, HAWSER_NVML_MPS, nvmlProcessInfo_t, fill)
