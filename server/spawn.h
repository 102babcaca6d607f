/* Starting a worker process. */
#ifndef HAWSER_SPAWN_H
#define HAWSER_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include "broker.h"

#define SPAWN_TOKEN_SIZE 32

/* Starts a worker that will listen on endpoint. On success 0: *pid is its process, and *control a
 * descriptor (the caller's to close) on which one line with the endpoint in force will come. */
int spawn_worker(const struct broker_settings *s, const char *endpoint, const uint8_t *token, pid_t *pid,
                 int *control);

#endif
