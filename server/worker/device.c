/*
 * Devices: which of them the guest sees, and what it is told of them.
 *
 * The driver itself renumbers: before it is initialized, for this guest alone, CUDA_VISIBLE_DEVICES is set for it. So
 * ordinals mean the same at both ends. The guest's variable chooses among what its NVIDIA_VISIBLE_DEVICES leaves of
 * what the host lends, which is what hawserd's own CUDA_VISIBLE_DEVICES named: a guest can only lower.
 */
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "environment.h"
#include "log.h"

struct devices {
    struct hawser_names lent; /* by hawserd's CUDA_VISIBLE_DEVICES, which it made a list of whole names */
    bool limited;             /* there is such a list */
    char *container;          /* the guest's NVIDIA_VISIBLE_DEVICES, when it hides anything; else NULL */
    bool initialized; /* the driver, with this result; then what is told of its devices. The dispatcher's alone */
    CUresult result;
    Hawser__DeviceInfo *told;
    int count;
};

static bool begin(struct session *session) {
    struct devices *d = session->devices = calloc(1, sizeof *d);
    const char *list = getenv("CUDA_VISIBLE_DEVICES");
    if (!d) return false;
    d->limited = list != NULL;
    while (list && (!strncmp(list, "GPU-", 4) || !strncmp(list, "MIG-", 4)) && d->lent.n < HAWSER_MAX_DEVICES) {
        size_t size = strcspn(list, ",");
        snprintf(d->lent.text[d->lent.n++], HAWSER_UUID_TEXT, "%.*s", (int)size, list);
        list += size + (list[size] != 0);
    }
    return true;
}

static void end(struct session *session) {
    struct devices *d = session->devices;
    for (int i = 0; i < d->count; i++) {
        free(d->told[i].name);
        free(d->told[i].uuid.data);
        free(d->told[i].attributes);
    }
    free(d->told);
    free(d->container);
    free(d);
    session->devices = NULL;
}

const struct session_state devices_state = {.name = "devices", .begin = begin, .end = end};

bool devices_lent(const struct session *session, struct hawser_names *out) {
    if (session->devices->limited) *out = session->devices->lent;
    return session->devices->limited;
}

void devices_contain(struct session *session, const char *list) {
    if (hawser_container_hides(list)) session->devices->container = strdup(list);
}

const char *devices_container(const struct session *session) {
    return session->devices->container;
}

/* ---- before the driver is initialized ---- */

static void see(const struct hawser_names *among, const char *list) {
    char text[HAWSER_MAX_DEVICES * HAWSER_UUID_TEXT + 1] = "-1";
    unsigned chosen[HAWSER_MAX_DEVICES], n = hawser_visible_devices(list, among, chosen), size = 0;
    for (unsigned i = 0; i < n; i++)
        size += (unsigned)snprintf(text + size, sizeof text - size, "%s%s", i ? "," : "", among->text[chosen[i]]);
    setenv("CUDA_VISIBLE_DEVICES", text, 1);
}

/* With nothing hidden before it, the guest's list is the driver's own matter, to the letter. */
static void choose(struct served *c, const char *list) {
    const struct devices *d = c->session->devices;
    const char *container = d->container;
    struct hawser_names among = d->lent;
    if (container && !nvml_names(c, &among)) {
        hawser_log(HAWSER_WARN, "without NVML here, NVIDIA_VISIBLE_DEVICES=%s leaves the guest no device", container);
        among.n = 0;
    }
    if (container || d->limited)
        see(&among, list);
    else if (list)
        setenv("CUDA_VISIBLE_DEVICES", list, 1);
}

static void take_variables(struct served *c, const struct initialize_args *a) {
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

static void describe(struct served *c, CUdevice dev, Hawser__DeviceInfo *out) {
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
        if (d->cuDeviceGetAttribute(&value, (CUdevice_attribute)a, dev) == CUDA_SUCCESS) attributes[a] = value;
    }
    out->name = name;
    out->uuid = (ProtobufCBinaryData){16, uuid};
    out->uuid_v2 = (ProtobufCBinaryData){16, uuid + 16};
    out->total_mem = total;
    out->software = c->session->software;
    out->attributes = attributes;
    out->n_attributes = CU_DEVICE_ATTRIBUTE_MAX;
}

/* Once per session. */
static CUresult initialize(struct served *c, struct devices *d) {
    int count = 0;
    CUresult r = c->driver->cuInit(0);
    if (r == CUDA_SUCCESS) r = c->driver->cuDeviceGetCount(&count);
    if (r == CUDA_SUCCESS && !count) r = CUDA_ERROR_NO_DEVICE;
    if (r != CUDA_SUCCESS) return r;
    if (!(d->told = calloc((size_t)count, sizeof *d->told))) return CUDA_ERROR_OUT_OF_MEMORY;
    for (; d->count < count; d->count++)
        describe(c, d->count, &d->told[d->count]);
    return CUDA_SUCCESS;
}

CUresult serve_Initialize(struct served *c, const struct initialize_args *a, Hawser__InitializeReply *reply) {
    struct devices *d = c->session->devices;
    if (!d->initialized) {
        d->initialized = true;
        take_variables(c, a);
        d->result = initialize(c, d);
    }
    if (d->result != CUDA_SUCCESS) return d->result;
    reply->devices = served_alloc(c, (size_t)d->count * sizeof *reply->devices);
    if (!reply->devices) return CUDA_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < d->count; i++, reply->n_devices++) {
        size_t size = hawser__device_info__get_packed_size(&d->told[i]);
        reply->devices[i] = (ProtobufCBinaryData){size, served_alloc(c, size)};
        if (!reply->devices[i].data) return CUDA_ERROR_OUT_OF_MEMORY;
        hawser__device_info__pack(&d->told[i], reply->devices[i].data);
    }
    return CUDA_SUCCESS;
}

void devices_open(struct served *c, Hawser__Opened *opened) {
    struct devices *d = c->session->devices;
    choose(c, NULL);
    opened->init_result = (int32_t)initialize(c, d);
    opened->devices = served_alloc(c, (size_t)d->count * sizeof *opened->devices);
    for (int i = 0; i < d->count && opened->devices; i++)
        opened->devices[opened->n_devices++] = &d->told[i];
}
