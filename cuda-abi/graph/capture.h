/*
 * Stream capture: the streams that are being captured, as the layers and CUDA's own capture functions know them. All
 * under the graph lock, but for capture_on.
 */
#ifndef HAWSER_CAPTURE_H
#define HAWSER_CAPTURE_H

#include <stdbool.h>

#include "graph.h"

struct captured_stream;

/* Whether anything is being captured in this process, or an event still stands for a place in a capture. */
extern int capture_count;
static inline bool capture_on(void) {
    return __builtin_expect(__atomic_load_n(&capture_count, __ATOMIC_RELAXED) != 0, 0);
}

/* The stream, as one that takes part in a capture, or NULL. */
struct captured_stream *capture_find(CUstream s);
/* Adds a node after the stream's last ones. */
CUresult capture_append(struct captured_stream *c, const CUgraphNodeParams *p, struct graph_node **out);
void capture_stream_gone(CUstream s);

/* Whether an event was recorded in a captured stream and stands for that place. */
bool capture_has_event(CUevent event);
CUresult capture_record(struct captured_stream *c, CUevent event);
/* The stream waits for such an event, and so takes part in its capture. */
CUresult capture_wait(CUstream s, CUevent event);
void capture_forget_event(CUevent event);

/* Ends a capture's chances of success; gives r. */
CUresult capture_break(struct captured_stream *c, CUresult r);
/* Each breaks the capture that it is about, and is true with *r set, if there is one: */
/* work in a stream that is not captured, where the legacy stream would have to wait for a captured one, */
bool capture_implicit(CUstream s, CUresult *r);
/* a wait for a whole context, */
bool capture_in_context(CUcontext context, CUresult *r);
/* what the modes of captures and of the thread forbid; context: only in this one, NULL for all. */
bool capture_forbids(CUcontext context, CUresult *r);

#endif
