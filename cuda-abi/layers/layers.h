/*
 * Layers: what looks at a call before the library's own function, as layers.list says. A question is true when the call
 * has been dealt with and *r is its result. Its prototype is generated from the list.
 *
 * layer_NAME_on, of a layer that sleeps: whether it has anything to look for, in this thread now. While it may have,
 * hawser_layers_wake is in force (abi_internal.h).
 */
#ifndef HAWSER_LAYERS_H
#define HAWSER_LAYERS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "../abi_internal.h"
#include "../graph/capture.h"

#include "abi_layers.h"

static inline bool layer_callback_on(void) {
    return hawser_abi_in_callback();
}

static inline bool layer_unsafe_on(void) {
    return capture_on();
}

bool layer_blocking_on(void);

static inline bool layer_capture_on(void) {
    return capture_on();
}

#endif
