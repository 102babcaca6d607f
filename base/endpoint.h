/*
 * Endpoints as users write them: tcp://HOST:PORT and ipc://PATH (zmq's own notation).
 * Pure functions; thread-safe.
 */
#ifndef HAWSER_ENDPOINT_H
#define HAWSER_ENDPOINT_H

#include <stddef.h>

#define HAWSER_ENDPOINT_MAX 256 /* bytes with the NUL */

struct hawser_endpoint {
    enum { HAWSER_TCP, HAWSER_IPC } kind;
    char host[HAWSER_ENDPOINT_MAX]; /* TCP: name or address, IPv6 without brackets, or "*" */
    char port[8];                   /* TCP: number or "*" */
    char path[HAWSER_ENDPOINT_MAX]; /* IPC */
};

/* 0, or -1 with a reason in err (a line without newline that names the endpoint). */
int hawser_endpoint_parse(const char *text, struct hawser_endpoint *out, char *err, size_t err_size);

/* 0 when something accepts connections there within timeout_ms, else -1 with a reason in err. */
int hawser_endpoint_reachable(const struct hawser_endpoint *e, int timeout_ms, char *err, size_t err_size);

#endif
