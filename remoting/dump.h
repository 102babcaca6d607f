/* A call's message as text, for the log. */
#ifndef HAWSER_DUMP_H
#define HAWSER_DUMP_H

#include <stddef.h>

#include "api.h"

/* "Launch(function=function 258, grid=[1 1 1], stream=stream 260, params=16 bytes)": the fields that are not zero, as
 * what the spec says they are. Cut off where out ends; always ended by NUL. Returns out. */
char *hawser_dump(char *out, size_t size, const struct hawser_api_function *f, const ProtobufCMessage *m);

#endif
