/*
 * Which devices the environment lets a process see. The libraries that have devices of their own ask here, and the
 * host's worker, whose guests' variables choose among what it lends. All functions are pure.
 */
#ifndef HAWSER_VISIBLE_H
#define HAWSER_VISIBLE_H

#include <stdbool.h>
#include <stdio.h>

#define HAWSER_UUID_TEXT 41
#define HAWSER_MAX_DEVICES 64

/* A device's name as nvidia-smi -L gives it; kind is GPU or MIG, uuid its 16 bytes. */
static inline void hawser_uuid_text(const char *kind, const void *uuid, char out[HAWSER_UUID_TEXT]) {
    const unsigned char *u = uuid;
    snprintf(out, HAWSER_UUID_TEXT, "%.3s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", kind,
             u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

/* Devices by their names, in the order of their numbers. */
struct hawser_names {
    unsigned n;
    char text[HAWSER_MAX_DEVICES][HAWSER_UUID_TEXT];
};

/* CUDA_VISIBLE_DEVICES: the numbers of the devices that are seen, in their new order; all for a NULL list. The first
 * entry that names none ends the list, and a device named twice leaves nothing. */
unsigned hawser_visible_devices(const char *list, const struct hawser_names *all, unsigned out[HAWSER_MAX_DEVICES]);

/* NVIDIA_VISIBLE_DEVICES, the container toolkit's: whether it hides anything. Not set, empty, "all" and "void", by
 * which the toolkit keeps out of the matter, do not. */
bool hawser_container_hides(const char *list);
/* For each device whether it is there. False when an entry names none. */
bool hawser_container_devices(const char *list, const struct hawser_names *all, bool out[HAWSER_MAX_DEVICES]);

#endif
