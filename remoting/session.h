/*
 * The guest's end of a session: posts, calls and what comes back.
 *
 * All functions are thread-safe except open and close. Posts and calls of all threads travel in the
 * order in which they were made, so what happened before in the guest happens before on the host.
 */
#ifndef HAWSER_SESSION_H
#define HAWSER_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lane.h"
#include "protocol.h"
#include "wire.pb-c.h"

/* Bulk bytes that may be under way where the host tells no credits. */
#define HAWSER_BULK_WINDOW ((uint64_t)256 << 20)

struct hawser_session;

/* What the host sends on its own. Called on the session's reader thread or on that of a caller who waits, never two
 * at a time, and not inside the program's own locks only if those are not held during a post or call. The data is valid
 * during the call only. */
struct hawser_session_events {
    void (*push)(void *user, const Hawser__Push *push, const void *data, size_t size);
    /* fd: 1 or 2, as of a program */
    void (*output)(void *user, int fd, const void *text, size_t size);
    void (*host_call)(void *user, const Hawser__HostCall *call);
    void (*timing)(void *user, const Hawser__Timing *timing);
    void (*notification)(void *user, const Hawser__Notification *notification);
    void (*gone)(void *user); /* once, on the reader thread: no answer will come any more */
    void *user;
};

/* Opens a session with the hawserd at `endpoint`. On success 0, and *opened tells about the host (to
 * be freed with hawser__opened__free_unpacked). Else -1 with one line in err. */
int hawser_session_open(const char *endpoint, const struct hawser_session_events *events, struct hawser_session **out,
                        Hawser__Opened **opened, char *err, size_t err_size);

/* Who calls. */
struct hawser_caller {
    uint32_t thread;  /* small number from 1 */
    uint64_t context; /* 0: none */
    uint64_t trace;   /* 0: not traced */
    bool at_once;     /* what earlier posts wait for on the host: waits for no credit */
};

/* Every function below returns 0, or -1 when the host is gone (or memory is). Frames are taken over
 * in every case; those of a post must have a free function, those of a call may be borrowed. */

/* Sends; may be held back for a moment to travel with others. Waits only while the host's credits (calls and bytes that
 * may be under way, told at the opening) are used up. */
int hawser_session_post(struct hawser_session *s, struct hawser_caller who, uint32_t function,
                        const ProtobufCMessage *args, struct hawser_frame *frames, unsigned n);

/* Sends and waits for the answer. *result is the CUresult; when reply_type is not NULL and the host
 * sent a reply, *reply is that message (free with protobuf_c_message_free_unpacked), else NULL. */
int hawser_session_call(struct hawser_session *s, struct hawser_caller who, uint32_t function,
                        const ProtobufCMessage *args, struct hawser_frame *frames, unsigned n,
                        const ProtobufCMessageDescriptor *reply_type, int32_t *result, ProtobufCMessage **reply);

/* A bulk frame to be filled where the lane need not copy it from; false when memory is short. */
bool hawser_session_reserve(struct hawser_session *s, size_t size, struct hawser_frame *out);

bool hawser_session_is_gone(struct hawser_session *s);

#endif
