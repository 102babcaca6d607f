/*
 * The worker's incoming messages. The dispatcher receives them itself, which is the fastest way, until host
 * functions come into play; from then on a thread receives and the dispatcher takes from a queue.
 */
#ifndef HAWSER_INBOX_H
#define HAWSER_INBOX_H

#include "served.h"

struct inbox_message {
    Hawser__ToHost *calls;
    struct hawser_message frames; /* [0] is the envelope */
};

/* The next message, to be freed by the caller; a lane status. For the dispatcher. */
int inbox_next(struct session *session, struct inbox_message *out);

/* Receives one message and does what must not wait in it (worker.c). */
int session_receive(struct session *session, struct inbox_message *out);

#endif
