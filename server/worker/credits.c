#include "credits.h"

#include "log.h"
#include "protocol.h"

#define CALLS 8192
#define BYTES ((uint64_t)256 << 20)
/* Calls that are answered need no credit: each thread of the guest has one under way at most. And the message that uses
 * the credit up may exceed it. */
#define SPARE_CALLS (64 << 10)

void credits_grant(Hawser__Opened *opened) {
    opened->credit_calls = CALLS;
    opened->credit_bytes = BYTES;
}

bool credits_come(struct session *session, const Hawser__ToHost *calls, const struct hawser_message *m) {
    struct credits *c = session->credits;
    bool over =
        c->bytes - c->taken_bytes > BYTES + HAWSER_MAX_FRAME_SIZE || c->calls - c->taken_calls > CALLS + SPARE_CALLS;
    c->calls += calls->n_calls;
    for (size_t i = 0; i < calls->n_calls; i++)
        c->bytes += calls->calls[i]->args.len;
    for (unsigned i = 1; i < m->n_frames; i++)
        c->bytes += m->frame[i].size;
    if (over && session->minor >= HAWSER_MINOR_CREDITS) {
        hawser_log(HAWSER_ERROR, "the guest exceeds its credits of %d calls and %llu bytes", CALLS,
                   (unsigned long long)BYTES);
        return false;
    }
    return true;
}

void credits_take(struct session *session, uint64_t args, uint64_t bulk) {
    session->credits->taken_calls++;
    session->credits->taken_bytes += args + bulk;
    session->credits->taken_bulk += bulk;
}

void credits_attach(struct session *session, Hawser__ToGuest *m) {
    struct credits *c = session->credits;
    if (session->minor >= HAWSER_MINOR_CREDITS) {
        m->taken_calls = c->taken_calls;
        m->taken_bytes = c->taken_bytes;
    } else {
        m->consumed = c->taken_bulk;
    }
}

void credits_tell(struct session *session) {
    struct credits *c = session->credits;
    if (c->taken_calls - c->told_calls < CALLS / 4 && c->taken_bytes - c->told_bytes < BYTES / 16) return;
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    credits_attach(session, &m);
    c->told_calls = c->taken_calls;
    c->told_bytes = c->taken_bytes;
    session_send(session, &m, NULL, 0);
}
