/* Devices: all but their parts is answered from what the host told when CUDA was initialized. */
#include "shim.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "environment.h"
#include "log.h"

/* Those that the program sees, under its numbers. Filled once, by the cuInit that asks. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool asked;           /* lock */
static CUresult init_result; /* lock */
static Hawser__DeviceInfo *infos[HAWSER_MAX_DEVICES];
static _Atomic(int) n_infos;
static bool eager; /* lock; CUDA_MODULE_LOADING then */

static const Hawser__DeviceInfo *device_info(CUdevice device) {
    return device >= 0 && device < atomic_load_explicit(&n_infos, memory_order_acquire) ? infos[device] : NULL;
}

/* Capabilities of the device that this guest cannot hand on: what rests on memory that guest and
 * device share, and what is not forwarded yet. Programs must not be told of them. */
static const struct {
    CUdevice_attribute attribute;
    int value;
} overrides[] = {
    {CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS, 0},
    {CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES, 0},
    {CU_DEVICE_ATTRIBUTE_DIRECT_MANAGED_MEM_ACCESS_FROM_HOST, 0},
    {CU_DEVICE_ATTRIBUTE_HOST_NATIVE_ATOMIC_SUPPORTED, 0},
    {CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED, 1},
    {CU_DEVICE_ATTRIBUTE_HOST_MEMORY_POOLS_SUPPORTED, 1}, /* they are the guest's own */
    {CU_DEVICE_ATTRIBUTE_HOST_NUMA_MEMORY_POOLS_SUPPORTED, 0},
    {CU_DEVICE_ATTRIBUTE_READ_ONLY_HOST_REGISTER_SUPPORTED, 0},
    {CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_FABRIC_SUPPORTED, 0},
    {CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_SUPPORTED, 0},
    {CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED, 0},
    {CU_DEVICE_ATTRIBUTE_COOPERATIVE_MULTI_DEVICE_LAUNCH, 0},
    {CU_DEVICE_ATTRIBUTE_TIMELINE_SEMAPHORE_INTEROP_SUPPORTED, 0},
};

bool hawser_front_device_ok(CUdevice device) {
    return device_info(device) != NULL;
}

int hawser_front_device_attribute(CUdevice device, CUdevice_attribute attribute) {
    const Hawser__DeviceInfo *d = device_info(device);
    int hosts = d && (size_t)attribute < d->n_attributes ? d->attributes[attribute] : 0;
    if (attribute == CU_DEVICE_ATTRIBUTE_MEMPOOL_SUPPORTED_HANDLE_TYPES)
        return hosts & CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    if (attribute == CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS && !shim_host_shared()) return 0;
    for (size_t i = 0; i < sizeof overrides / sizeof *overrides; i++)
        if (overrides[i].attribute == attribute) return overrides[i].value;
    return hosts;
}

/* ---- cuInit ---- */

void shim_devices_in_child(void) {
    static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
    lock = unlocked;
    asked = false;
    atomic_store(&n_infos, 0);
}

/* The variables as they are now: until here the program may have set them itself. */
static void add_variables(Hawser__Initialize *m, char **list) {
    m->variables = list;
    for (const char *const *name = hawser_environment; *name; name++) {
        const char *value = getenv(*name);
        if (value && asprintf(&list[m->n_variables], "%s=%s", *name, value) >= 0) m->n_variables++;
    }
}

static void take_infos(const Hawser__InitializeReply *reply) {
    int n = 0;
    for (size_t i = 0; i < reply->n_devices && n < HAWSER_MAX_DEVICES; i++) {
        infos[n] = hawser__device_info__unpack(NULL, reply->devices[i].len, reply->devices[i].data);
        if (!infos[n++]) return;
    }
    atomic_store_explicit(&n_infos, n, memory_order_release);
}

/* Hosts that initialized their driver at the opening told of the devices then; they know no list of visible ones. */
static CUresult take_opened(const Hawser__Opened *host) {
    const char *list = getenv("CUDA_VISIBLE_DEVICES");
    int n = 0;
    if (list)
        hawser_log(HAWSER_WARN, "CUDA_VISIBLE_DEVICES=%s is not known to the host's release %s", list, host->version);
    for (; n < (int)host->n_devices && n < HAWSER_MAX_DEVICES; n++)
        infos[n] = host->devices[n];
    atomic_store_explicit(&n_infos, n, memory_order_release);
    return host->init_result ? (CUresult)host->init_result : n ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

/* Why there is none, which CUDA does not tell. Programs that want none say so by these values. */
static void explain(void) {
    const char *cuda = getenv("CUDA_VISIBLE_DEVICES"), *container = getenv("NVIDIA_VISIBLE_DEVICES");
    bool meant = (cuda && (!*cuda || *cuda == '-')) || (container && !strcmp(container, "none"));
    if (cuda || container)
        hawser_log(meant ? HAWSER_INFO : HAWSER_WARN,
                   "CUDA_VISIBLE_DEVICES=%s, NVIDIA_VISIBLE_DEVICES=%s: no device is left", cuda ? cuda : "(not set)",
                   container ? container : "(not set)");
}

/* Under the lock. */
static CUresult ask_host(void) {
    struct shim_call c = {.function = HAWSER_FN_Initialize, .who = {.thread = shim_thread_id()}};
    char *list[64] = {NULL};
    Hawser__Initialize m = HAWSER__INITIALIZE__INIT;
    Hawser__InitializeReply *reply = NULL;
    const char *loading = getenv("CUDA_MODULE_LOADING");
    eager = loading && !strcmp(loading, "EAGER");
    if (!hawser_protocol_serves(shim_host(), HAWSER_FN_Initialize)) return take_opened(shim_host());
    add_variables(&m, list);
    CUresult r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    for (size_t i = 0; i < m.n_variables; i++)
        free(list[i]);
    if (r == CUDA_SUCCESS) take_infos(reply);
    if (r == CUDA_SUCCESS && !device_info(0)) r = CUDA_ERROR_OUT_OF_MEMORY;
    if (r == CUDA_ERROR_NO_DEVICE) explain();
    shim_free_reply(reply);
    return r;
}

CUresult cuInit(unsigned int Flags) {
    if (Flags) return CUDA_ERROR_INVALID_VALUE;
    CUresult r = shim_open();
    if (r != CUDA_SUCCESS) return r;
    pthread_mutex_lock(&lock);
    if (!asked) init_result = ask_host();
    asked = true;
    r = init_result;
    pthread_mutex_unlock(&lock);
    if (r == CUDA_SUCCESS) shim_init_done();
    return r;
}

bool hawser_front_eager(void) {
    pthread_mutex_lock(&lock);
    const char *loading = asked ? NULL : getenv("CUDA_MODULE_LOADING");
    bool is = asked ? eager : loading && !strcmp(loading, "EAGER");
    pthread_mutex_unlock(&lock);
    return is;
}

/* Asked before cuInit. Without a server the version is that of the API this library was made for, so
 * that a runtime goes on to cuInit and reports its error rather than "insufficient driver". */
CUresult cuDriverGetVersion(int *driverVersion) {
    if (!driverVersion) return CUDA_ERROR_INVALID_VALUE;
    bool told = shim_open() == CUDA_SUCCESS && shim_host()->driver_version < HAWSER_CUDA_VERSION;
    *driverVersion = told ? shim_host()->driver_version : HAWSER_CUDA_VERSION;
    return CUDA_SUCCESS;
}

static void copy_uuid(CUuuid *out, ProtobufCBinaryData from) {
    memset(out, 0, sizeof *out);
    memcpy(out, from.data, from.len < sizeof *out ? from.len : sizeof *out);
}

bool hawser_front_device(CUdevice device, struct hawser_device *out) {
    const Hawser__DeviceInfo *d = device_info(device);
    if (!d) return false;
    *out = (struct hawser_device){
        .name = d->name, .memory = d->total_mem, .n_attributes = d->n_attributes, .software = d->software};
    copy_uuid(&out->uuid, d->uuid);
    copy_uuid(&out->uuid_v2, d->uuid_v2);
    return true;
}

/* ---- parts of a device, tensor maps: the driver's own matter ---- */

CUresult cuDevSmResourceSplitByCount(CUdevResource *result, unsigned int *nbGroups, const CUdevResource *input,
                                     CUdevResource *remaining, unsigned int useFlags, unsigned int minCount) {
    struct shim_call c;
    Hawser__SplitResource m = HAWSER__SPLIT_RESOURCE__INIT;
    Hawser__SplitResourceReply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_SplitResource, false);
    if (r != CUDA_SUCCESS) return r;
    if (!nbGroups || !input || (result && !*nbGroups)) return CUDA_ERROR_INVALID_VALUE;
    m.input = (ProtobufCBinaryData){sizeof *input, (uint8_t *)input};
    m.groups = result ? *nbGroups : 0;
    m.results = result != NULL;
    m.remaining = remaining != NULL;
    m.flags = useFlags;
    m.least = minCount;
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS) {
        if (result && reply->results.len <= *nbGroups * sizeof *result)
            memcpy(result, reply->results.data, reply->results.len);
        if (remaining && reply->remaining.len == sizeof *remaining)
            memcpy(remaining, reply->remaining.data, sizeof *remaining);
        *nbGroups = (unsigned)reply->groups;
    }
    shim_free_reply(reply);
    return r;
}

CUresult cuTensorMapReplaceAddress(CUtensorMap *tensorMap, void *globalAddress) {
    struct shim_call c;
    Hawser__TensorMapReplace m = HAWSER__TENSOR_MAP_REPLACE__INIT;
    Hawser__TensorMapReplaceReply *reply = NULL;
    CUresult r = shim_enter(&c, HAWSER_FN_TensorMapReplace, false);
    if (r != CUDA_SUCCESS) return r;
    if (!tensorMap || !globalAddress) return CUDA_ERROR_INVALID_VALUE;
    m.map = (ProtobufCBinaryData){sizeof *tensorMap, (uint8_t *)tensorMap};
    m.address = (uintptr_t)globalAddress;
    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);
    if (r == CUDA_SUCCESS && reply->map.len == sizeof *tensorMap) memcpy(tensorMap, reply->map.data, sizeof *tensorMap);
    shim_free_reply(reply);
    return r;
}
