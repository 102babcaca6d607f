/*
 * Values that people write for a server: on the command lines of hawser run and hawserd. Pure functions; thread-safe.
 */
#ifndef HAWSER_VALUE_H
#define HAWSER_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#define HAWSER_MAX_THREADS 256 /* as many as the software GPU takes (SG_MAX_WORKERS) */

/* Checks the value of --device, --mem or --threads. True, or false with one line in err that names option and value and
 * says what is expected. */
bool hawser_value_check(const char *option, const char *value, char *err, size_t err_size);

/* A whole number from least to most; false when the text is none. */
bool hawser_number(const char *text, long least, long most, long *out);

#endif
