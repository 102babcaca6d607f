/*
 * Layers over the driver's table of functions, in a fixed order: what concerns every call of the driver, or every
 * allocation, is written once. A layer replaces entries of the table and calls what was there before; most of it is
 * generated (cuda_layers.c in the build folder, by remoting/gen/layers.py).
 */
#ifndef HAWSER_LAYERS_H
#define HAWSER_LAYERS_H

#include "served.h"

/* Puts the layers on the driver's own functions, once, before the first call. */
void layers_install(struct cuda_driver *d);

/* ---- for the generated layers ---- */

void layer_trace(struct cuda_driver *d);
void layer_account(struct cuda_driver *d);

/* Around a call of the driver; the time in ns. */
uint64_t layer_begins(void);
void layer_ends(const char *name, CUresult result, uint64_t begin);

#endif
