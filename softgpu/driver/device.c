/* The devices that the software GPU reports itself as, and the start of the driver. */
#include "driver.h"

#include <ctype.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Filled once by cuInit; one set per process. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_int started; /* 1: cuInit succeeded; 2: this is a forked child */
static CUresult start_result = CUDA_ERROR_NOT_INITIALIZED;
static struct sd_device devices[SD_MAX_DEVICES];
static atomic_int n_devices;
static bool eager, jit_disabled; /* as the environment had it then */
static unsigned capability = 121;
static size_t default_memory;

/* ---- configuration ---- */

/* "4G", "512M", plain bytes. 0 when it is no size. */
static size_t parse_size(const char *text) {
    char *end;
    double value = strtod(text, &end);
    static const char units[] = "KMGT";
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    if (value <= 0) return 0;
    for (int i = unit ? (int)(unit - units) : -1; i >= 0; i--)
        value *= 1024;
    return value < (double)((size_t)1 << 44) ? (size_t)value : 0;
}

static size_t env_size(const char *name) {
    const char *want = getenv(name);
    size_t size = want ? parse_size(want) : 0;
    if (want && !size) sd_log(SD_WARN, "%s=%s is no size such as 4G: ignored", name, want);
    return size;
}

size_t sd_default_memory(void) {
    if (default_memory) return default_memory;
    size_t size = env_size("HAWSER_SOFTGPU_MEM");
    if (!size) size = (size_t)sysconf(_SC_PHYS_PAGES) / 2 * (size_t)sysconf(_SC_PAGESIZE);
    return default_memory = size & ~(size_t)4095;
}

int sd_env_number(const char *name, int least, int most, int otherwise) {
    const char *want = getenv(name);
    if (!want || !*want) return otherwise;
    char *end;
    long n = strtol(want, &end, 10);
    if (!*end && n >= least && n <= most) return (int)n;
    sd_log(SD_WARN, "%s=%s: expected %d to %d: ignored", name, want, least, most);
    return otherwise;
}

void sd_read_capability(void) {
    const char *want = getenv("HAWSER_SOFTGPU_CC");
    unsigned major, minor;
    if (!want || !*want) return;
    if (sscanf(want, "%u.%u", &major, &minor) == 2 && major >= 5 && major < 100 && minor < 10)
        capability = 10 * major + minor;
    else
        sd_log(SD_WARN, "HAWSER_SOFTGPU_CC=%s: expected a compute capability such as 12.1: ignored", want);
}

CUresult hawser_abi_watch(CUdevice device, int on) {
    devices[device].watched = on; /* the device exists */
    return CUDA_SUCCESS;
}

unsigned sd_capability(void) {
    return capability;
}

/* ---- start ---- */

static void in_child(void) {
    if (started) started = 2;
}

static int engine_attribute(void *device, int attribute) {
    bool known = attribute > 0 && attribute < CU_DEVICE_ATTRIBUTE_MAX;
    return known ? sd_device_attribute(device, (CUdevice_attribute)attribute) : -1;
}

static bool start_device(int ordinal, unsigned place) {
    struct sd_device *d = &devices[ordinal];
    struct sg_engine_config config = {.threads = sd_threads()};
    d->ordinal = ordinal;
    snprintf(d->name, sizeof d->name, SD_DEVICE_NAME, sd_threads());
    d->place = place;
    sd_place_uuid(place, &d->uuid);
    d->memory_bytes = sd_default_memory();
    d->budget = env_size("HAWSER_SOFTGPU_BUDGET");
    if (!d->budget) d->budget = d->memory_bytes;
    sd_arena_bounds(&config.arena_lo, &config.arena_hi);
    config.alloc = sd_engine_alloc;
    config.release = sd_engine_release;
    config.memory_user = d;
    config.attribute = engine_attribute;
    d->engine = sg_engine_create(&config);
    return d->engine != NULL;
}

static bool env_is(const char *name, const char *value) {
    const char *have = getenv(name);
    return have && !strcmp(have, value);
}

/* Which devices there are is looked at here and now, so that a program can say it until it calls cuInit. */
static void start(void) {
    unsigned places[SD_MAX_DEVICES], want = sd_visible_places(places);
    eager = env_is("CUDA_MODULE_LOADING", "EAGER");
    jit_disabled = env_is(getenv("CUDA_DISABLE_PTX_JIT") ? "CUDA_DISABLE_PTX_JIT" : "CUDA_DISABLE_JIT", "1");
    start_result = want ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_NO_DEVICE;
    if (!want) {
        sd_log(SD_INFO, "CUDA_VISIBLE_DEVICES or NVIDIA_VISIBLE_DEVICES leaves no device");
        return;
    }
    if (!sd_arena_init()) {
        sd_log(SD_ERROR, "cannot reserve the device's address range: %s", strerror(errno));
        return;
    }
    for (unsigned i = 0; i < want; i++) {
        if (!start_device((int)i, places[i])) return;
        n_devices++;
    }
    pthread_atfork(NULL, NULL, in_child);
    start_result = CUDA_SUCCESS;
    started = 1;
}

CUresult sd_ready(void) {
    return started == 1 ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

CUresult hawser_abi_ready(void) {
    return sd_ready();
}

struct sd_device *sd_device(CUdevice ordinal) {
    return ordinal >= 0 && ordinal < n_devices ? &devices[ordinal] : NULL;
}

bool hawser_front_device_ok(CUdevice device) {
    return sd_device(device) != NULL;
}

struct sd_device *sd_device_at(unsigned place) {
    for (int i = 0; i < n_devices; i++)
        if (devices[i].place == place) return &devices[i];
    return NULL;
}

bool hawser_front_eager(void) {
    return started ? eager : env_is("CUDA_MODULE_LOADING", "EAGER");
}

bool sd_jit_disabled(void) {
    return jit_disabled;
}

CUresult cuInit(unsigned int Flags) {
    if (Flags) return CUDA_ERROR_INVALID_VALUE;
    if (started == 2) return CUDA_ERROR_NOT_INITIALIZED;
    pthread_once(&once, start);
    return start_result;
}

CUresult cuDriverGetVersion(int *driverVersion) {
    if (!driverVersion) return CUDA_ERROR_INVALID_VALUE;
    *driverVersion = HAWSER_CUDA_VERSION;
    return CUDA_SUCCESS;
}

/* ---- what it reports ---- */

/* Limits follow the executor's; what a CPU has no meaning for is absent and reads 0. */
static const struct {
    CUdevice_attribute attribute;
    int value;
} attributes[] = {
    {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, SG_MAX_BLOCK_THREADS},
    {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X, 1024},
    {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y, 1024},
    {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z, 64},
    {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X, 2147483647},
    {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y, 65535},
    {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z, 65535},
    {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, 48 * 1024},
    {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, SG_MAX_SHARED_BYTES},
    {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, SG_MULTIPROCESSOR_SHARED_BYTES},
    {CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK, SG_RESERVED_SHARED_BYTES},
    {CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY, 65536},
    {CU_DEVICE_ATTRIBUTE_WARP_SIZE, SG_WARP},
    {CU_DEVICE_ATTRIBUTE_MAX_PITCH, 2147483647},
    {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK, 65536},
    {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR, 65536},
    {CU_DEVICE_ATTRIBUTE_CLOCK_RATE, 1000000}, /* kHz: clock64 counts nanoseconds */
    {CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE, SD_MEMORY_KHZ},
    {CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH, 128},
    {CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT, 512},
    {CU_DEVICE_ATTRIBUTE_TEXTURE_PITCH_ALIGNMENT, 32},
    {CU_DEVICE_ATTRIBUTE_SURFACE_ALIGNMENT, 512},
    {CU_DEVICE_ATTRIBUTE_GPU_OVERLAP, 1},
    {CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT, 2},
    {CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS, 1},
    {CU_DEVICE_ATTRIBUTE_INTEGRATED, 0},
    {CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY, 1},
    {CU_DEVICE_ATTRIBUTE_COMPUTE_MODE, CU_COMPUTEMODE_DEFAULT},
    {CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, 1},
    {CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY, 1},
    {CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS, 1},
    {CU_DEVICE_ATTRIBUTE_DIRECT_MANAGED_MEM_ACCESS_FROM_HOST, 1},
    {CU_DEVICE_ATTRIBUTE_HOST_NATIVE_ATOMIC_SUPPORTED, 1},
    {CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED, 1},
    {CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM, 1},
    {CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED, 0},
    {CU_DEVICE_ATTRIBUTE_GLOBAL_L1_CACHE_SUPPORTED, 1},
    {CU_DEVICE_ATTRIBUTE_LOCAL_L1_CACHE_SUPPORTED, 1},
    {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, 2048},
    {CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR, 32},
    {CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 1},
    {CU_DEVICE_ATTRIBUTE_HOST_MEMORY_POOLS_SUPPORTED, 1},
    {CU_DEVICE_ATTRIBUTE_MEMPOOL_SUPPORTED_HANDLE_TYPES, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR},
    {CU_DEVICE_ATTRIBUTE_COMPUTE_PREEMPTION_SUPPORTED, 1},
    {CU_DEVICE_ATTRIBUTE_SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO, 2},
    {CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 1},
    {CU_DEVICE_ATTRIBUTE_CAN_TEX2D_GATHER, 1},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_WIDTH, 131072},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LINEAR_WIDTH, SD_LINEAR_TEXELS},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_MIPMAPPED_WIDTH, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LAYERED_WIDTH, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LAYERED_LAYERS, 2048},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_WIDTH, 131072},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_HEIGHT, 65536},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_WIDTH, 131072},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_HEIGHT, 65000},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_PITCH, 2097120},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_MIPMAPPED_WIDTH, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_MIPMAPPED_HEIGHT, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_GATHER_WIDTH, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_GATHER_HEIGHT, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_WIDTH, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_HEIGHT, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_LAYERS, 2048},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_WIDTH, 16384},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_HEIGHT, 16384},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_DEPTH, 16384},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_WIDTH_ALTERNATE, 8192},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_HEIGHT_ALTERNATE, 8192},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_DEPTH_ALTERNATE, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURECUBEMAP_WIDTH, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURECUBEMAP_LAYERED_WIDTH, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURECUBEMAP_LAYERED_LAYERS, 2046},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE1D_WIDTH, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE1D_LAYERED_WIDTH, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE1D_LAYERED_LAYERS, 2048},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_WIDTH, 131072},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_HEIGHT, 65536},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_LAYERED_WIDTH, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_LAYERED_HEIGHT, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_LAYERED_LAYERS, 2048},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE3D_WIDTH, 16384},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE3D_HEIGHT, 16384},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE3D_DEPTH, 16384},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACECUBEMAP_WIDTH, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACECUBEMAP_LAYERED_WIDTH, 32768},
    {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACECUBEMAP_LAYERED_LAYERS, 2046},
    {CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 1},
    {CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED, 1},
    {CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS, 1},
    {CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_WAIT_VALUE_NOR, 1},
};

int hawser_front_device_attribute(CUdevice device, CUdevice_attribute attribute) {
    const struct sd_device *d = sd_device(device);
    return d ? sd_device_attribute(d, attribute) : 0;
}

int sd_device_attribute(const struct sd_device *d, CUdevice_attribute a) {
    switch (a) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
        return (int)capability / 10;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
        return (int)capability % 10;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
        return (int)sg_engine_threads(d->engine);
    case CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH:
        return capability >= 90;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID:
        return (int)d->place + 1;
    case CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID:
    case CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID:
        return 0;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: {
        long size = sysconf(_SC_LEVEL3_CACHE_SIZE);
        return size > 0 && size < INT32_MAX ? (int)size : 1 << 20;
    }
    default:
        for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
            if (attributes[i].attribute == a) return attributes[i].value;
        return 0;
    }
}

/* The device, or the error of a query about it. */
static CUresult query(CUdevice dev, const void *out, struct sd_device **d) {
    CUresult r = sd_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *d = sd_device(dev);
    return *d ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

bool hawser_front_device(CUdevice device, struct hawser_device *out) {
    const struct sd_device *d = sd_device(device);
    if (!d) return false;
    *out = (struct hawser_device){.name = d->name,
                                  .memory = d->memory_bytes,
                                  .n_attributes = CU_DEVICE_ATTRIBUTE_MAX,
                                  .software = true,
                                  .uuid = d->uuid,
                                  .uuid_v2 = d->uuid};
    return true;
}

const void *hawser_front_caller(const void *returns_to) {
    return returns_to;
}

CUresult cuDeviceCanAccessPeer(int *canAccessPeer, CUdevice dev, CUdevice peerDev) {
    struct sd_device *d;
    CUresult r = query(dev, canAccessPeer, &d);
    if (r != CUDA_SUCCESS) return r;
    if (!sd_device(peerDev)) return CUDA_ERROR_INVALID_DEVICE;
    *canAccessPeer = dev != peerDev; /* one arena serves all devices */
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetP2PAttribute(int *value, CUdevice_P2PAttribute attrib, CUdevice srcDevice, CUdevice dstDevice) {
    struct sd_device *d;
    CUresult r = query(srcDevice, value, &d);
    if (r != CUDA_SUCCESS) return r;
    if (!sd_device(dstDevice) || srcDevice == dstDevice) return CUDA_ERROR_INVALID_DEVICE;
    *value =
        attrib == CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED || attrib == CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetTexture1DLinearMaxWidth(size_t *maxWidthInElements, CUarray_format format, unsigned numChannels,
                                            CUdevice dev) {
    struct sd_device *d;
    enum sg_channel channel;
    bool fraction;
    CUresult r = query(dev, maxWidthInElements, &d);
    if (r == CUDA_SUCCESS) r = sd_format(format, numChannels, &channel, &fraction);
    if (r == CUDA_SUCCESS) *maxWidthInElements = SD_LINEAR_TEXELS;
    return r;
}
