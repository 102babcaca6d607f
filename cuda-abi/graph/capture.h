/*
 * Stream capture: what the generated functions of capture.list ask. Each question is true when the call has
 * been dealt with and *r is its result.
 */
#ifndef HAWSER_CAPTURE_H
#define HAWSER_CAPTURE_H

#include <stdbool.h>

#include "../abi_internal.h"

/* Whether anything is being captured in this process, or an event still stands for a place in a capture. */
extern int hawser_capture_count;
static inline bool hawser_capture_on(void)
{
    return __builtin_expect(__atomic_load_n(&hawser_capture_count, __ATOMIC_RELAXED) != 0, 0);
}

bool hawser_capture_implicit(CUresult *r);
bool hawser_capture_unsafe(CUresult *r);
bool hawser_capture_waits(CUstream stream, CUresult *r);
bool hawser_capture_context(CUresult *r);
bool hawser_capture_event(CUevent event, CUresult *r);
bool hawser_capture_refused(CUstream stream, CUresult *r);

#endif
