/* NVML in the guest: what the generated functions (nvml_guest.c of the build folder) are made of. */
#ifndef HAWSER_NVML_GUEST_H
#define HAWSER_NVML_GUEST_H

#include <stdatomic.h>

#include "nvml_api.h"
#include "nvml_room.h"
#include "nvml_size.h"
#include "shim.h"

/* To be called first: checks that NVML is initialized, and that there is a session. */
nvmlReturn_t nvml_enter(struct shim_call *c, uint32_t function);
/* The device's number, which is its name on the wire. */
nvmlReturn_t nvml_device(nvmlDevice_t device, uint64_t *id);
/* On success *reply is the reply, to be freed with shim_free_reply; its status is NVML's own. */
nvmlReturn_t nvml_call(struct shim_call *c, const ProtobufCMessage *m, ProtobufCMessage **reply);

/* Functions that are not carried, and those that change a device of the host. */
nvmlReturn_t nvml_later(const char *name, atomic_bool *said);
#define NVML_LATER(name)                                                                                               \
    __attribute__((visibility("default"))) nvmlReturn_t name(void);                                                    \
    nvmlReturn_t name(void) {                                                                                          \
        static atomic_bool said;                                                                                       \
        return nvml_later(#name, &said);                                                                               \
    }
#define NVML_REFUSED(name)                                                                                             \
    __attribute__((visibility("default"))) nvmlReturn_t name(void);                                                    \
    nvmlReturn_t name(void) {                                                                                          \
        nvmlReturn_t r = hawser_nvml_ready();                                                                          \
        return r == NVML_SUCCESS ? NVML_ERROR_NO_PERMISSION : r;                                                       \
    }

#endif
