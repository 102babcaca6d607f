/* What the worker tells the broker of its session, on a thread of its own: counts, when it is asked, and the end. */
#ifndef HAWSER_SERVER_REPORT_H
#define HAWSER_SERVER_REPORT_H

#include "state.h"

/* Tells where the worker listens, and answers from now on. False when a thread or memory is short. */
bool report_begin(struct session *session, int control, const char *endpoint);
/* The guest has gone: the last counts. After this the session is not looked at any more. */
void report_end(struct session *session);

#endif
