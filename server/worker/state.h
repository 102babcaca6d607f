/*
 * What a session consists of. Each kind of state says, in one table (state.c), how it begins, what there is of it, and
 * how it ends with a context and with the session. The order of the table is that of ending.
 */
#ifndef HAWSER_STATE_H
#define HAWSER_STATE_H

#include <stdio.h>

#include "served.h"

/* One thing that a session has, for those who list it. Strings live until the visit ends. */
struct session_item {
    const char *what;    /* "stream", "plain memory" */
    uint64_t id;         /* the guest's number, 0 for none */
    uint64_t context;    /* the number of its context, 0 for none */
    uint64_t address;    /* or a handle of the driver's; 0 for none */
    uint64_t size;       /* bytes; 0 for none */
    uint32_t thread;     /* of the guest, which made it; 0 where the call is told whole, or for none */
    const char *made_by; /* what would make it again, or who made it; "" where that is nobody's call */
};

typedef void session_visit(const struct session_item *item, void *arg);

struct session_state {
    const char *name;
    bool (*begin)(struct session *session); /* false when memory or threads are short */
    /* Visits everything; the visitor must not call the session. NULL where nothing is worth a line. */
    void (*list)(struct session *session, session_visit *visit, void *arg);
    /* The context ends, after its work and before itself; it is current. */
    void (*end_context)(struct served *c, const struct object *context);
    /* The session ends, and all its contexts have. */
    void (*end)(struct session *session);
    /* Nothing of it is under way, for which its end would have to wait. NULL where nothing ever is. */
    bool (*idle)(struct session *session);
};

extern const struct session_state trace_state, staging_state, host_memory_state, host_function_state,
    notifications_state, handle_file_state, objects_state, post_errors_state, nvml_state, devices_state;

/* All kinds begin. */
bool session_begin(struct session *session);
/* Everything of the context ends, but not itself. */
void session_end_context(struct served *c, const struct object *context);
/* Everything ends, contexts and what belongs to none of them included. No call is being served. */
void session_end(struct session *session);
/* Whether session_end would not wait for anything: neither for the driver nor for the guest. */
bool session_idle(struct session *session);

void session_list(struct session *session, session_visit *visit, void *arg);
/* One line for each thing, after one that counts them. */
void session_dump(struct session *session, FILE *out);

/* The call that this thread serves, or NULL. */
struct served *session_call(void);
void session_serves(struct served *c);

#endif
