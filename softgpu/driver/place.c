/* The devices of this machine, before CUDA_VISIBLE_DEVICES chooses among them: what NVML shows. */
#include "driver.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "visible.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned places[SD_MAX_DEVICES]; /* numbers of those that are there */
static unsigned n_places, threads;

/* Stable for a machine and a number: a hash of the machine's id. The first bytes differ, so that a short beginning
 * tells the devices of a machine apart. */
static void uuid_of(unsigned place, unsigned char out[16]) {
    char id[64] = "hawser";
    FILE *f = fopen("/etc/machine-id", "re");
    if (f) {
        if (!fgets(id, sizeof id, f)) strcpy(id, "hawser");
        fclose(f);
    }
    uint64_t h[2] = {0xcbf29ce484222325ull + place, 0x84222325cbf29ce4ull + place};
    for (const char *p = id; *p; p++)
        for (int i = 0; i < 2; i++)
            h[i] = (h[i] ^ (unsigned char)*p) * 0x100000001b3ull;
    memcpy(out, h, sizeof h);
}

static void name_all(const unsigned *which, unsigned n, struct hawser_names *out) {
    unsigned char uuid[16];
    out->n = n;
    for (unsigned i = 0; i < n; i++) {
        uuid_of(which ? which[i] : i, uuid);
        hawser_uuid_text("GPU", uuid, out->text[i]);
    }
}

static void look(void) {
    struct hawser_names all;
    bool there[HAWSER_MAX_DEVICES];
    const char *list = getenv("NVIDIA_VISIBLE_DEVICES");
    sd_read_capability();
    threads = (unsigned)sd_env_number("HAWSER_SOFTGPU_THREADS", 1, SG_MAX_WORKERS, 0);
    if (!threads) threads = sg_usable_cores();
    name_all(NULL, (unsigned)sd_env_number("HAWSER_SOFTGPU_DEVICES", 1, SD_MAX_DEVICES, 1), &all);
    if (!hawser_container_devices(list, &all, there))
        sd_log(SD_WARN, "NVIDIA_VISIBLE_DEVICES=%s names a device that is not among the %u here", list, all.n);
    for (unsigned i = 0; i < all.n; i++)
        if (there[i]) places[n_places++] = i;
}

unsigned sd_threads(void) {
    pthread_once(&once, look);
    return threads;
}

unsigned sd_visible_places(unsigned out[SD_MAX_DEVICES]) {
    struct hawser_names names;
    unsigned chosen[HAWSER_MAX_DEVICES];
    pthread_once(&once, look);
    name_all(places, n_places, &names);
    unsigned n = hawser_visible_devices(getenv("CUDA_VISIBLE_DEVICES"), &names, chosen);
    for (unsigned i = 0; i < n; i++)
        out[i] = places[chosen[i]];
    return n;
}

/* ---- for NVML ---- */

unsigned hawser_softgpu_count(void) {
    pthread_once(&once, look);
    return n_places;
}

void hawser_softgpu_facts(unsigned index, struct hawser_softgpu_facts *out) {
    unsigned place = places[index];
    *out = (struct hawser_softgpu_facts){.bus = place + 1,
                                         .major = (int)sd_capability() / 10,
                                         .minor = (int)sd_capability() % 10,
                                         .threads = threads,
                                         .memory = sd_default_memory(),
                                         .memory_khz = SD_MEMORY_KHZ};
    snprintf(out->name, sizeof out->name, SD_DEVICE_NAME, threads);
    uuid_of(place, out->uuid);
}

void hawser_softgpu_use(unsigned index, struct hawser_softgpu_use *out) {
    const struct sd_device *d = sd_device_at(places[index]);
    unsigned flags;
    int active = 0;
    *out = (struct hawser_softgpu_use){0};
    if (!d) return; /* CUDA has not been initialized, or does not see it */
    cuDevicePrimaryCtxGetState(d->ordinal, &flags, &active);
    out->used = sd_used(d);
    out->active = active;
}

void sd_place_uuid(unsigned place, CUuuid *out) {
    uuid_of(place, (unsigned char *)out->bytes);
}
