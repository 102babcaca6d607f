/*
 * NVML of the software GPU: what the machine can tell of the CPU that it is. What this file, cuda-abi/nvml and no
 * other define, nvml_missing.c answers with NVML_ERROR_NOT_SUPPORTED.
 */
#include <cuda.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cpu.h"
#include "figures.h"
#include "nvml_functions.h"
#include "nvml_room.h"

#define ROOT "" /* of /proc and /sys */
#define SAMPLE_MS 100

/* ---- what cuda-abi/nvml asks ---- */

nvmlReturn_t hawser_nvml_open(void) {
    return NVML_SUCCESS;
}

unsigned hawser_nvml_count(void) {
    return hawser_softgpu_count();
}

void hawser_nvml_facts(unsigned index, struct hawser_nvml_facts *out) {
    struct hawser_softgpu_facts f;
    hawser_softgpu_facts(index, &f);
    *out = (struct hawser_nvml_facts){.bus = f.bus, .major = f.major, .minor = f.minor};
    memcpy(out->name, f.name, sizeof out->name);
    memcpy(out->uuid, f.uuid, sizeof out->uuid);
}

int hawser_nvml_cuda_version(void) {
    int version = 0;
    cuDriverGetVersion(&version);
    return version;
}

nvmlReturn_t hawser_nvml_process(unsigned index, enum hawser_nvml_processes kind, struct hawser_nvml_process *out) {
    struct hawser_softgpu_use u;
    hawser_softgpu_use(index, &u);
    *out = (struct hawser_nvml_process){kind == HAWSER_NVML_COMPUTE && (u.active || u.used), u.used, NVML_NO_INSTANCE,
                                        NVML_NO_INSTANCE};
    return NVML_SUCCESS;
}

/* ---- the system ---- */

static nvmlReturn_t give_text(const char *text, char *out, unsigned length) {
    nvmlReturn_t r = hawser_nvml_ready();
    if (r != NVML_SUCCESS) return r;
    if (!out) return NVML_ERROR_INVALID_ARGUMENT;
    return snprintf(out, length, "%s", text) < (int)length ? NVML_SUCCESS : NVML_ERROR_INSUFFICIENT_SIZE;
}

/* The branch of NVIDIA's drivers with the CUDA version that is implemented here: programs compare the number. */
nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length) {
    return give_text("580.00", version, length);
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length) {
    return give_text("13.580.00", version, length);
}

/* ---- what a device is ---- */

/* The value for any device of the software GPU. */
#define CONSTANT(name, type, value)                                                                                    \
    nvmlReturn_t name(nvmlDevice_t device, type *out) {                                                                \
        unsigned index;                                                                                                \
        nvmlReturn_t r = hawser_nvml_index(device, &index);                                                            \
        if (r != NVML_SUCCESS) return r;                                                                               \
        if (!out) return NVML_ERROR_INVALID_ARGUMENT;                                                                  \
        *out = (value);                                                                                                \
        return NVML_SUCCESS;                                                                                           \
    }
CONSTANT(nvmlDeviceGetBrand, nvmlBrandType_t, NVML_BRAND_UNKNOWN)
CONSTANT(nvmlDeviceGetArchitecture, nvmlDeviceArchitecture_t, NVML_DEVICE_ARCH_UNKNOWN)
CONSTANT(nvmlDeviceGetMultiGpuBoard, unsigned, 0)
CONSTANT(nvmlDeviceGetComputeMode, nvmlComputeMode_t, 0)
CONSTANT(nvmlDeviceIsMigDeviceHandle, unsigned, 0)
CONSTANT(nvmlDeviceGetMaxMigDeviceCount, unsigned, 0)

nvmlReturn_t nvmlDeviceGetNumGpuCores(nvmlDevice_t device, unsigned int *numCores) {
    unsigned index;
    struct hawser_softgpu_facts f;
    nvmlReturn_t r = hawser_nvml_index(device, &index);
    if (r != NVML_SUCCESS) return r;
    if (!numCores) return NVML_ERROR_INVALID_ARGUMENT;
    hawser_softgpu_facts(index, &f);
    *numCores = f.threads;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci) {
    unsigned index;
    struct hawser_nvml_facts f;
    nvmlReturn_t r = hawser_nvml_index(device, &index);
    if (r != NVML_SUCCESS) return r;
    if (!pci) return NVML_ERROR_INVALID_ARGUMENT;
    hawser_nvml_facts(index, &f);
    *pci = (nvmlPciInfo_t){.domain = f.domain, .bus = f.bus, .device = f.device};
    hawser_nvml_bus_ids(pci);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPciInfoExt(nvmlDevice_t device, nvmlPciInfoExt_t *pci) {
    nvmlPciInfo_t info;
    nvmlReturn_t r = nvmlDeviceGetPciInfo_v3(device, pci ? &info : NULL);
    if (r != NVML_SUCCESS) return r;
    if (pci->version != NVML_VERSION_OF(nvmlPciInfoExt_t, 1)) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    *pci = (nvmlPciInfoExt_t){.version = pci->version, .domain = info.domain, .bus = info.bus, .device = info.device};
    memcpy(pci->busId, info.busId, sizeof pci->busId);
    return NVML_SUCCESS;
}

/* ---- memory and use ---- */

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory) {
    unsigned index;
    struct hawser_softgpu_facts f;
    struct hawser_softgpu_use u;
    nvmlReturn_t r = hawser_nvml_index(device, &index);
    if (r != NVML_SUCCESS) return r;
    if (!memory) return NVML_ERROR_INVALID_ARGUMENT;
    hawser_softgpu_facts(index, &f);
    hawser_softgpu_use(index, &u);
    *memory = (nvmlMemory_t){.total = f.memory, .free = f.memory - u.used, .used = u.used};
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory) {
    nvmlMemory_t m;
    nvmlReturn_t r = nvmlDeviceGetMemoryInfo(device, memory ? &m : NULL);
    if (r != NVML_SUCCESS) return r;
    if (memory->version != NVML_VERSION_OF(nvmlMemory_v2_t, 2)) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    *memory = (nvmlMemory_v2_t){.version = memory->version, .total = m.total, .free = m.free, .used = m.used};
    return NVML_SUCCESS;
}

/* What is told of a stretch of time: of that since the last question, but never of less than SAMPLE_MS; the
 * first one waits so long. */
struct sample {
    struct timespec when;
    struct cpu_times times;
    unsigned long long millijoules;
    bool has_times, has_energy;
};

struct figures {
    unsigned percent, milliwatts;
    bool has_percent, has_power;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sample last;     /* lock */
static bool sampled;           /* lock */
static struct figures figures; /* lock */

static struct sample take_sample(void) {
    struct sample s;
    clock_gettime(CLOCK_MONOTONIC, &s.when);
    s.has_times = cpu_times(ROOT, &s.times);
    s.has_energy = cpu_energy(ROOT, &s.millijoules);
    return s;
}

static long long milliseconds(struct timespec from, struct timespec to) {
    return (to.tv_sec - from.tv_sec) * 1000LL + (to.tv_nsec - from.tv_nsec) / 1000000;
}

static struct figures look(void) {
    pthread_mutex_lock(&lock);
    if (!sampled) {
        const struct timespec pause = {.tv_nsec = SAMPLE_MS * 1000000L};
        last = take_sample();
        sampled = true;
        nanosleep(&pause, NULL);
    }
    struct sample now = take_sample();
    long long ms = milliseconds(last.when, now.when);
    if (ms >= SAMPLE_MS) {
        figures =
            (struct figures){.has_percent = last.has_times && now.has_times,
                             .has_power = last.has_energy && now.has_energy && now.millijoules >= last.millijoules};
        if (figures.has_percent) figures.percent = cpu_percent(last.times, now.times);
        if (figures.has_power)
            figures.milliwatts = (unsigned)((now.millijoules - last.millijoules) * 1000 / (unsigned long long)ms);
        last = now;
    }
    struct figures f = figures;
    pthread_mutex_unlock(&lock);
    return f;
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization) {
    unsigned index;
    nvmlReturn_t r = hawser_nvml_index(device, &index);
    if (r != NVML_SUCCESS) return r;
    if (!utilization) return NVML_ERROR_INVALID_ARGUMENT;
    struct figures f = look();
    if (!f.has_percent) return NVML_ERROR_NOT_SUPPORTED;
    *utilization = (nvmlUtilization_t){.gpu = f.percent}; /* of memory's time the kernel tells nothing */
    return NVML_SUCCESS;
}

/* ---- heat, power, clocks ---- */

/* Answers with what `read` finds, once the arguments are seen to be right. */
#define FIGURE(out, type, read)                                                                                        \
    {                                                                                                                  \
        unsigned index;                                                                                                \
        type value;                                                                                                    \
        nvmlReturn_t r = hawser_nvml_index(device, &index);                                                            \
        if (r != NVML_SUCCESS) return r;                                                                               \
        if (!(out)) return NVML_ERROR_INVALID_ARGUMENT;                                                                \
        if (!(read)) return NVML_ERROR_NOT_SUPPORTED;                                                                  \
        *(out) = value;                                                                                                \
        return NVML_SUCCESS;                                                                                           \
    }

static nvmlReturn_t temperature(nvmlDevice_t device, int *degrees) FIGURE(degrees, int, cpu_temperature(ROOT, &value))
static nvmlReturn_t clock_now(nvmlDevice_t device, unsigned *mhz) FIGURE(mhz, unsigned, cpu_clock(ROOT, &value))

/* Where the machine does not tell, what CUDA says of the same device: programs reckon with it there too. */
static bool memory_clock(unsigned index, unsigned *mhz) {
    struct hawser_softgpu_facts f;
    if (cpu_memory_clock(ROOT, mhz)) return true;
    hawser_softgpu_facts(index, &f);
    *mhz = f.memory_khz / 1000;
    return true;
}

static nvmlReturn_t clock_of_memory(nvmlDevice_t device, unsigned *mhz)
    FIGURE(mhz, unsigned, memory_clock(index, &value))
static nvmlReturn_t clock_most(nvmlDevice_t device, unsigned *mhz) FIGURE(mhz, unsigned, cpu_max_clock(ROOT, &value))

nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *energy)
    FIGURE(energy, unsigned long long, cpu_energy(ROOT, &value))

static bool power_now(unsigned *milliwatts) {
    struct figures f = look();
    *milliwatts = f.milliwatts;
    return f.has_power;
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *power)
    FIGURE(power, unsigned, power_now(&value))

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensorType, unsigned int *temp) {
    int degrees;
    nvmlReturn_t r = temperature(device, temp ? &degrees : NULL);
    if (r == NVML_SUCCESS && sensorType != NVML_TEMPERATURE_GPU) return NVML_ERROR_INVALID_ARGUMENT;
    if (r == NVML_SUCCESS) *temp = degrees > 0 ? (unsigned)degrees : 0;
    return r;
}

nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_t *t) {
    if (t && t->version != NVML_VERSION_OF(nvmlTemperature_t, 1)) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t r = temperature(device, t ? &t->temperature : NULL);
    return r == NVML_SUCCESS && t->sensorType != NVML_TEMPERATURE_GPU ? NVML_ERROR_INVALID_ARGUMENT : r;
}

/* Those of the cores and the memory; video's has no counterpart. */
static nvmlReturn_t clock_of(nvmlDevice_t device, nvmlClockType_t type, unsigned *clock,
                             nvmlReturn_t (*read)(nvmlDevice_t, unsigned *)) {
    unsigned index;
    nvmlReturn_t r = hawser_nvml_index(device, &index);
    if (r != NVML_SUCCESS) return r;
    if (type > NVML_CLOCK_VIDEO) return NVML_ERROR_INVALID_ARGUMENT;
    if (type == NVML_CLOCK_MEM) return clock_of_memory(device, clock);
    if (type == NVML_CLOCK_VIDEO) return NVML_ERROR_NOT_SUPPORTED;
    return read(device, clock);
}

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock) {
    return clock_of(device, type, clock, clock_now);
}

nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock) {
    return clock_of(device, type, clock, clock_most);
}

nvmlReturn_t nvmlDeviceGetClock(nvmlDevice_t device, nvmlClockType_t clockType, nvmlClockId_t clockId,
                                unsigned int *clockMHz) {
    if (clockId != NVML_CLOCK_ID_CURRENT) return NVML_ERROR_NOT_SUPPORTED;
    return clock_of(device, clockType, clockMHz, clock_now);
}

/* ---- between devices: all are the same CPU ---- */

static nvmlReturn_t both(nvmlDevice_t device1, nvmlDevice_t device2, const void *out) {
    unsigned one, two;
    nvmlReturn_t r = hawser_nvml_index(device1, &one);
    if (r == NVML_SUCCESS) r = hawser_nvml_index(device2, &two);
    return r == NVML_SUCCESS && !out ? NVML_ERROR_INVALID_ARGUMENT : r;
}

nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t device1, nvmlDevice_t device2,
                                                 nvmlGpuTopologyLevel_t *pathInfo) {
    nvmlReturn_t r = both(device1, device2, pathInfo);
    if (r == NVML_SUCCESS) *pathInfo = NVML_TOPOLOGY_INTERNAL;
    return r;
}

nvmlReturn_t nvmlDeviceOnSameBoard(nvmlDevice_t device1, nvmlDevice_t device2, int *onSameBoard) {
    nvmlReturn_t r = both(device1, device2, onSameBoard);
    if (r == NVML_SUCCESS) *onSameBoard = 1;
    return r;
}

nvmlReturn_t nvmlDeviceGetP2PStatus(nvmlDevice_t device1, nvmlDevice_t device2, nvmlGpuP2PCapsIndex_t p2pIndex,
                                    nvmlGpuP2PStatus_t *p2pStatus) {
    nvmlReturn_t r = both(device1, device2, p2pStatus);
    if (r != NVML_SUCCESS) return r;
    if (p2pIndex > NVML_P2P_CAPS_INDEX_PCI) return NVML_ERROR_INVALID_ARGUMENT;
    bool has = device1 != device2 && p2pIndex != NVML_P2P_CAPS_INDEX_NVLINK;
    *p2pStatus = has ? NVML_P2P_STATUS_OK : NVML_P2P_STATUS_NOT_SUPPORTED;
    return NVML_SUCCESS;
}

/* ---- fields: each has an answer of its own, and none is known here ---- */

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int valuesCount, nvmlFieldValue_t *values) {
    unsigned index;
    nvmlReturn_t r = hawser_nvml_index(device, &index);
    if (r != NVML_SUCCESS) return r;
    if (valuesCount < 1 || !values) return NVML_ERROR_INVALID_ARGUMENT;
    for (int i = 0; i < valuesCount; i++)
        values[i].nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
    return NVML_SUCCESS;
}
