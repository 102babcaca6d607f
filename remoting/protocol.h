/*
 * What guest and host of different releases may expect of each other. This is the one place where it is written down.
 *
 * The wire only grows: numbers of functions and fields keep their meaning for ever (api/cuda.lock, api/nvml.lock and
 * wire.lock, which the build holds), and each side keeps to what both know.
 *
 *   functions  The host tells at the opening which ones it serves (Opened.functions). The guest answers the others by
 *              itself, with CUDA_ERROR_NOT_SUPPORTED. One that comes to the host all the same is answered so: a call at
 *              once, a post at its context's next synchronizing call.
 *   fields     A field that is absent means zero. A request that has a field which the host does not know, other than
 *              a retired one, is answered as an unknown function is: what it asks for must not be left out silently.
 *              Unknown fields of a reply, and of the envelope (wire.proto), are ignored.
 *   minor      For what neither of these shows: something that one side does only if the other knows it. Each side
 *              sends its own number, and the smaller of the two is in force. Every number is named below.
 *   major      Must be equal on both sides. It changes when a release cannot keep the above.
 */
#ifndef HAWSER_PROTOCOL_H
#define HAWSER_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.pb-c.h"

#define HAWSER_PROTOCOL_MAJOR 1

enum hawser_minor {
    HAWSER_MINOR_FRAMES = 1,     /* images and link inputs of more than one frame */
    HAWSER_MINOR_GRAPHS = 2,     /* graphs on the host */
    HAWSER_MINOR_FUNCTIONS = 3,  /* Opened tells the functions; before, one that was unknown ended the session */
    HAWSER_MINOR_INITIALIZE = 4, /* the driver is initialized by the call of that name; before, at the opening */
    HAWSER_MINOR_CREDITS =
        5, /* the guest keeps to Opened.credit_calls and credit_bytes, and the host holds it to them */
    HAWSER_MINOR_GRAPH_IDS = 6, /* the guest numbers graphs as its other handles; before, by a count of their own */
    HAWSER_PROTOCOL_MINOR = HAWSER_MINOR_GRAPH_IDS, /* this release's */
};

/* The minor number in force, given the other side's. */
uint32_t hawser_minor_in_force(uint32_t other);

/* Numbers that this release serves, as pairs of first and last: how many numbers there are in all, of which at most
 * `room` are written. */
size_t hawser_protocol_functions(uint32_t *pairs, size_t room);
/* Whether a host serves a function, by what it told at the opening. */
bool hawser_protocol_serves(const Hawser__Opened *host, uint32_t function);

#endif
