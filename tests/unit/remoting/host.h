/*
 * A host that a test plays: it opens a session as hawserd and a worker would, and then says and hears what the test
 * wants. Broker and worker listen where the test says; guests come through the true handshake.
 */
#ifndef HOST_H
#define HOST_H

#include "session.h"

struct host {
    struct hawser_lane *lane;       /* the worker's */
    struct hawser_session *session; /* the guest's */
    Hawser__Opened opened;          /* what the guest is told; the test fills credits in before */
    struct hawser_session_events events;
};

/* The guest has a session over a socketpair; the host's end of it is the test's. */
void host_open(struct host *h);

/* The next message of calls, within some seconds; NULL when the guest is gone or says nothing. The caller's. */
Hawser__ToHost *host_hear(struct host *h);
void host_say(struct host *h, const Hawser__ToGuest *m, struct hawser_frame *frames, unsigned n);
/* An answer whose `out` is a packed Reply that has these bytes as its own. */
void host_answer(struct host *h, uint64_t seq, int32_t result, size_t size);
void host_close(struct host *h);

/* ---- parts, for tests of the opening ---- */

/* Messages of one frame. */
int host_send(struct hawser_listener *l, const struct hawser_peer *to, const Hawser__ToGuest *m);
Hawser__ToHost *host_receive(struct hawser_listener *l, struct hawser_peer *from);
struct hawser_listener *host_listen(const char *endpoint, char *bound, size_t size);

/* The allocation of that many bytes after `others` of the same size fails, once. */
void host_memory_short(size_t size, unsigned others);

#endif
