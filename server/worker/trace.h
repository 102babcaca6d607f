/*
 * When traced calls run, for guests that ask (Call.trace). The device's share of work is measured with events around it
 * in its stream. Thread-safe.
 */
#ifndef HAWSER_SERVER_TRACE_H
#define HAWSER_SERVER_TRACE_H

#include "served.h"

struct traced {
    Hawser__Timing timing; /* trace 0: not traced */
    struct served *call;
    void *stream;
    CUevent before, after;
    struct trace_clock *clock; /* not NULL: the events are there */
};

/* Call's context is current, and it is about to run. */
void trace_start(struct traced *t, struct served *c, const struct hawser_api_function *api,
                 const ProtobufCMessage *args);
/* It has run. */
void trace_end(struct traced *t, CUresult result);
/* Puts what is known into the message; trace_sent frees it after the message has been sent. */
void trace_attach(struct session *session, Hawser__ToGuest *m);
void trace_sent(Hawser__ToGuest *m);

#endif
