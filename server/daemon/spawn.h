/* Starting a worker process. */
#ifndef HAWSER_SPAWN_H
#define HAWSER_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include "broker.h"

/* Starts a worker that will listen on endpoint, and tells it the token. On success 0: *pid is its process, and *control
 * the broker's end of its control channel (control.h), the caller's to close. */
int spawn_worker(const struct broker_settings *s, const char *endpoint, const uint8_t *token, pid_t *pid, int *control);

#endif
