/* The monotonic clock. */
#ifndef HAWSER_CLOCK_H
#define HAWSER_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds since an arbitrary time, the same for all processes of a machine. */
static inline uint64_t hawser_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
