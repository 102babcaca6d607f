/* What of the guest's environment is the driver's, and so goes along to the host when CUDA is initialized. */
#ifndef HAWSER_ENVIRONMENT_H
#define HAWSER_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#define HAWSER_ENVIRONMENT_VALUE 4096 /* bytes of a value; longer ones stay behind */

/* Names; ends with NULL. A host takes no others: what names files, or would slow down other guests, is its own. */
extern const char *const hawser_environment[];

/* Whether a text is NAME=VALUE of one of them; its value, and its name with a NUL behind it. */
bool hawser_environment_split(const char *text, char *name, size_t size, const char **value);

#endif
