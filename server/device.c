/*
 * Devices: which of them the guest sees, and what it is told of them.
 *
 * The driver itself renumbers: before it is initialized, for this guest alone, CUDA_VISIBLE_DEVICES is set for it. So
 * ordinals mean the same at both ends. The guest's variable chooses among what its NVIDIA_VISIBLE_DEVICES leaves of
 * what the host lends, which is what hawserd's own CUDA_VISIBLE_DEVICES named: a guest can only lower.
 */
#include "served.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "environment.h"
#include "log.h"

static struct hawser_names lent; /* by hawserd's CUDA_VISIBLE_DEVICES, which it made a list of whole names */
static bool limited;             /* there is such a list */
static char *container;          /* the guest's NVIDIA_VISIBLE_DEVICES, when it hides anything; else NULL */

void devices_lend(void)
{
    const char *list = getenv("CUDA_VISIBLE_DEVICES");
    limited = list != NULL;
    while (list && (!strncmp(list, "GPU-", 4) || !strncmp(list, "MIG-", 4)) && lent.n < HAWSER_MAX_DEVICES) {
        size_t size = strcspn(list, ",");
        snprintf(lent.text[lent.n++], HAWSER_UUID_TEXT, "%.*s", (int)size, list);
        list += size + (list[size] != 0);
    }
}

bool devices_lent(struct hawser_names *out)
{
    if (limited) *out = lent;
    return limited;
}

void devices_contain(const char *list)
{
    if (hawser_container_hides(list)) container = strdup(list);
}

const char *devices_container(void)
{
    return container;
}

/* ---- before the driver is initialized ---- */

static void see(const struct hawser_names *among, const char *list)
{
    char text[HAWSER_MAX_DEVICES * HAWSER_UUID_TEXT + 1] = "-1";
    unsigned chosen[HAWSER_MAX_DEVICES], n = hawser_visible_devices(list, among, chosen), size = 0;
    for (unsigned i = 0; i < n; i++)
        size += (unsigned)snprintf(text + size, sizeof text - size, "%s%s", i ? "," : "", among->text[chosen[i]]);
    setenv("CUDA_VISIBLE_DEVICES", text, 1);
}

/* With nothing hidden before it, the guest's list is the driver's own matter, to the letter. */
static void choose(struct served *c, const char *list)
{
    struct hawser_names among = lent;
    if (container && !nvml_names(c, &among)) {
        hawser_log(HAWSER_WARN, "without NVML here, NVIDIA_VISIBLE_DEVICES=%s leaves the guest no device", container);
        among.n = 0;
    }
    if (container || limited)
        see(&among, list);
    else if (list)
        setenv("CUDA_VISIBLE_DEVICES", list, 1);
}

static void take_variables(struct served *c, const struct initialize_args *a)
{
    const char *list = NULL;
    for (size_t i = 0; i < a->n_variables; i++) {
        char name[80];
        const char *value;
        if (!hawser_environment_split(a->variables[i], name, sizeof name, &value)) continue;
        if (!strcmp(name, "CUDA_VISIBLE_DEVICES"))
            list = value;
        else
            setenv(name, value, 1);
    }
    choose(c, list);
}

/* ---- what is told ---- */

static void describe(struct served *c, CUdevice dev, Hawser__DeviceInfo *out)
{
    const struct cuda_driver *d = c->driver;
    char *name = calloc(1, 256);
    uint8_t *uuid = calloc(2, 16);
    int32_t *attributes = calloc(CU_DEVICE_ATTRIBUTE_MAX, sizeof *attributes);
    if (!name || !uuid || !attributes) _exit(1);
    size_t total = 0;
    hawser__device_info__init(out);
    d->cuDeviceGetName(name, 256, dev);
    d->cuDeviceGetUuid((CUuuid *)uuid, dev);
    if (!d->cuDeviceGetUuid_v2 || d->cuDeviceGetUuid_v2((CUuuid *)(uuid + 16), dev) != CUDA_SUCCESS)
        memcpy(uuid + 16, uuid, 16);
    d->cuDeviceTotalMem_v2(&total, dev);
    for (int a = 1; a < CU_DEVICE_ATTRIBUTE_MAX; a++) {
        int value = 0;
        if (d->cuDeviceGetAttribute(&value, (CUdevice_attribute)a, dev) == CUDA_SUCCESS)
            attributes[a] = value;
    }
    out->name = name;
    out->uuid = (ProtobufCBinaryData){16, uuid};
    out->uuid_v2 = (ProtobufCBinaryData){16, uuid + 16};
    out->total_mem = total;
    out->software = c->worker->software;
    out->attributes = attributes;
    out->n_attributes = CU_DEVICE_ATTRIBUTE_MAX;
}

/* Once per session: what is allocated lives as long as the process. */
static CUresult initialize(struct served *c, Hawser__DeviceInfo **out, int *count)
{
    CUresult r = c->driver->cuInit(0);
    *count = 0;
    if (r == CUDA_SUCCESS) r = c->driver->cuDeviceGetCount(count);
    if (r == CUDA_SUCCESS && !*count) r = CUDA_ERROR_NO_DEVICE;
    if (r != CUDA_SUCCESS) return r;
    if (!(*out = calloc((size_t)*count, sizeof **out))) return CUDA_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < *count; i++)
        describe(c, i, &(*out)[i]);
    return CUDA_SUCCESS;
}

CUresult serve_Initialize(struct served *c, const struct initialize_args *a, Hawser__InitializeReply *reply)
{
    static bool done; /* dispatcher only */
    static CUresult result;
    static Hawser__DeviceInfo *devices;
    static int count;
    if (!done) {
        done = true;
        take_variables(c, a);
        result = initialize(c, &devices, &count);
    }
    if (result != CUDA_SUCCESS) return result;
    reply->devices = served_alloc(c, (size_t)count * sizeof *reply->devices);
    if (!reply->devices) return CUDA_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < count; i++, reply->n_devices++) {
        size_t size = hawser__device_info__get_packed_size(&devices[i]);
        reply->devices[i] = (ProtobufCBinaryData){size, served_alloc(c, size)};
        if (!reply->devices[i].data) return CUDA_ERROR_OUT_OF_MEMORY;
        hawser__device_info__pack(&devices[i], reply->devices[i].data);
    }
    return CUDA_SUCCESS;
}

void devices_open(struct served *c, Hawser__Opened *opened)
{
    Hawser__DeviceInfo *devices;
    int count;
    choose(c, NULL);
    opened->init_result = (int32_t)initialize(c, &devices, &count);
    opened->devices = count ? calloc((size_t)count, sizeof *opened->devices) : NULL;
    for (int i = 0; i < count && opened->devices; i++)
        opened->devices[opened->n_devices++] = &devices[i];
}
