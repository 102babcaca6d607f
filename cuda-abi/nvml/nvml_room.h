/*
 * NVML for both libraries that have it, the guest's and the software GPU's: what can be answered from what is known of
 * the devices anyhow. A handle is an address in a table of this room; nothing is ever read through one.
 *
 * All functions are thread-safe.
 */
#ifndef HAWSER_NVML_ROOM_H
#define HAWSER_NVML_ROOM_H

#include <stdbool.h>

#include "nvml_abi.h"

#define HAWSER_NVML_MAX_DEVICES 64

/* UNINITIALIZED outside nvmlInit and nvmlShutdown. */
nvmlReturn_t hawser_nvml_ready(void);
/* The number of a handle's device; INVALID_ARGUMENT when it is none. */
nvmlReturn_t hawser_nvml_index(nvmlDevice_t device, unsigned *index);
/* Fills the parts of a nvmlPciInfo_t that a place on the bus gives. */
void hawser_nvml_bus_ids(nvmlPciInfo_t *pci);

/* ---- What the library that links the room must have ---- */

struct hawser_nvml_facts {
    char name[96];
    unsigned char uuid[16];
    unsigned domain, bus, device;
    int major, minor; /* compute capability */
};

enum hawser_nvml_processes { HAWSER_NVML_COMPUTE, HAWSER_NVML_GRAPHICS, HAWSER_NVML_MPS };

struct hawser_nvml_process {
    bool running;
    unsigned long long used; /* bytes, or NVML_VALUE_NOT_AVAILABLE */
    unsigned gpu_instance, compute_instance;
};

/* Called by the first nvmlInit; success makes the others answer. */
nvmlReturn_t hawser_nvml_open(void);
unsigned hawser_nvml_count(void);
void hawser_nvml_facts(unsigned index, struct hawser_nvml_facts *out);
int hawser_nvml_cuda_version(void);
/* Whether this very process uses the device in that way. */
nvmlReturn_t hawser_nvml_process(unsigned index, enum hawser_nvml_processes kind, struct hawser_nvml_process *out);

#endif
