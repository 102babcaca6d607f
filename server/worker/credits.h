/*
 * Credits: how many calls of the guest, and bytes of them, may be under way. The guest is told at the opening, and what
 * has been served since with replies and in between. A guest that keeps to them waits, as CUDA does when its queue is
 * full; one that does not loses its session.
 */
#ifndef HAWSER_CREDITS_H
#define HAWSER_CREDITS_H

#include "served.h"

struct credits {
    uint64_t calls, bytes; /* that have come; the receiver's */
    _Atomic(uint64_t) taken_calls, taken_bytes;
    _Atomic(uint64_t) taken_bulk;    /* of bulk frames alone, for guests without credits */
    uint64_t told_calls, told_bytes; /* the dispatcher's */
};

/* What the guest is told at the opening. */
void credits_grant(Hawser__Opened *opened);
/* A message has come. False when the guest has exceeded its credits by more than order can explain. */
bool credits_come(struct session *session, const Hawser__ToHost *calls, const struct hawser_message *m);
/* A call has been served. */
void credits_take(struct session *session, uint64_t args, uint64_t bulk);
/* With a reply, the state of things; by itself, when enough has been taken since. */
void credits_attach(struct session *session, Hawser__ToGuest *m);
void credits_tell(struct session *session);

#endif
