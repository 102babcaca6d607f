/* Opening a session: Hello to the broker, Open to the worker that the broker names. */
#ifndef HAWSER_HANDSHAKE_H
#define HAWSER_HANDSHAKE_H

#include "lane.h"
#include "wire.pb-c.h"

/* The lane to the session's worker with *opened filled (hawser__opened__free_unpacked), or NULL with
 * one line in err that names the endpoint. */
struct hawser_lane *hawser_handshake(const char *endpoint, Hawser__Opened **opened, char *err, size_t err_size);

#endif
