/* Is a hawserd of a compatible version at an endpoint? */
#ifndef HAWSER_PROBE_H
#define HAWSER_PROBE_H

#include <stdbool.h>
#include <stddef.h>

/* 0 when one answered within timeout_ms, and in *software (may be NULL) whether it lends the software GPU; else -1
 * with one line in err that names the endpoint. */
int hawser_probe(const char *endpoint, int timeout_ms, bool *software, char *err, size_t err_size);

#endif
