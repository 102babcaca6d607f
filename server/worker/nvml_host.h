/* NVML on the host: what the generated functions (nvml_host.c of the build folder) are made of. */
#ifndef HAWSER_NVML_HOST_H
#define HAWSER_NVML_HOST_H

#include "nvml_serve.h"
#include "nvml_size.h"
#include "served.h"

/* Loads the host's NVML at the first call and sets c->nvml; false when there is none. */
bool served_nvml(struct served *c);
/* NVML's handle for the guest's device of that number, after served_nvml; CUDA may have another number for it.
 * NVML_ERROR_INVALID_ARGUMENT when there is none. */
nvmlReturn_t served_nvml_device(struct served *c, uint64_t index, nvmlDevice_t *device);

#endif
