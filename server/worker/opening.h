/* The guest's way in: who shows the session's token first is its guest. */
#ifndef HAWSER_OPENING_H
#define HAWSER_OPENING_H

#include "lane.h"
#include "wire.pb-c.h"

/* Waits for an Open with the token; whoever sends anything else is cut off. The lane to that peer, with its Open (to be
 * freed with hawser__to_host__free_unpacked), or NULL when none came in time. */
struct hawser_lane *opening_wait(struct hawser_listener *listener, const uint8_t *token, size_t size, int timeout_ms,
                                 Hawser__ToHost **first);

#endif
