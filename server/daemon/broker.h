/*
 * The broker: greets guests, starts one worker process for each, tells the guest where it listens, and
 * buries it afterwards. Meanwhile it hears of the session on the control channel (control.proto); SIGUSR1 makes it ask
 * all of them for their counts. It is not in the path of any call. One thread; not thread-safe.
 */
#ifndef HAWSER_BROKER_H
#define HAWSER_BROKER_H

#include <stdbool.h>

#define BROKER_MAX_LISTEN 16

struct broker_settings {
    const char *listen[BROKER_MAX_LISTEN];
    unsigned n_listen;
    const char *worker;  /* path of hawser-worker */
    const char *library; /* driver library for the workers */
    bool software;       /* which is the software GPU */
    unsigned ports_lo, ports_hi;
    int ready_fd;    /* gets "ready ENDPOINT" once all endpoints are bound; -1 for none */
    int lifetime_fd; /* the broker ends when its other end is closed; -1 for none */
};

/* Serves until SIGTERM, SIGINT or the end of lifetime_fd. Exit status for the process. */
int broker_run(const struct broker_settings *s);

#endif
