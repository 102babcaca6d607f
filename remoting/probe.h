/* Is a hawserd of a compatible version at an endpoint? */
#ifndef HAWSER_PROBE_H
#define HAWSER_PROBE_H

#include <stdbool.h>
#include <stddef.h>

/* 0 when one answered, and in *software (may be NULL) whether it lends the software GPU; else -1 with one line in err
 * that names the endpoint. It has wait_ms to begin to listen, and timeout_ms to answer. */
int hawser_probe(const char *endpoint, unsigned wait_ms, int timeout_ms, bool *software, char *err, size_t err_size);

#endif
