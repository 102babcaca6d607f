/*
 * What the guest library tells libhawser-trace.so of the calls that it sends to the host.
 *
 * Times are nanoseconds of this machine's monotonic clock, or of the host's where said. Thread-safe.
 */
#ifndef HAWSER_GUEST_TRACE_H
#define HAWSER_GUEST_TRACE_H

#include <stdint.h>

/* What the calling thread has sent for one call of the program. */
struct hawser_guest_calls {
    uint64_t id;        /* set by the tracer, 0 outside of a traced call */
    const void *caller; /* set by the tracer: where the call returns to in the program */
    unsigned posts, calls;
    uint64_t sent, answered; /* the first message's leaving, the last answer's coming */
    uint64_t waited;         /* sum of the waits for answers */
};

/* When a call ran on the host. */
struct hawser_guest_timing {
    uint64_t id;
    const char *function;              /* of the wire; static */
    int post;                          /* nobody waited for it */
    uint64_t received, started, ended; /* host's clock */
    uint64_t device_start, device_end; /* host's clock; 0 for no work on the device */
    int result;
};

#pragma GCC visibility push(default)

/* Switches tracing on; timing is called on a thread of the library's. */
void hawser_guest_trace(void (*timing)(const struct hawser_guest_timing *t));
/* The calling thread's. */
struct hawser_guest_calls *hawser_guest_trace_calls(void);
/* Returns when all timings of calls made before have been handed over, or the host has gone. */
void hawser_guest_trace_flush(void);

#pragma GCC visibility pop

#endif
