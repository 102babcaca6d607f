/*
 * The ledger of a session's device memory: what there is, how much, in which context, and who made it. It is kept by
 * the layer "account" of the driver's table (layers.h), so nothing that the driver hands out can be missing.
 * Thread-safe.
 */
#ifndef HAWSER_LEDGER_H
#define HAWSER_LEDGER_H

#include "state.h"

enum ledger_kind {
    LEDGER_PLAIN,    /* cuMemAlloc and its like */
    LEDGER_POOLED,   /* from a memory pool, in the order of a stream */
    LEDGER_PHYSICAL, /* cuMemCreate; named by its handle */
    LEDGER_ARRAY,    /* arrays and mipmapped arrays; named by the handle */
    LEDGER_IMAGE,    /* of a module or library; named by the handle, the bytes are those of the image as it came */
    /* What follows takes nothing by itself. */
    LEDGER_RESERVED, /* addresses */
    LEDGER_MAPPED,   /* physical memory, at its address */
    LEDGER_GLOBAL,   /* a variable of an image, once the guest has asked for it */
    LEDGER_IPC,      /* another process's, opened here */
    LEDGER_IMPORTED, /* the same, by a handle or from an imported pool */
    LEDGER_KINDS
};

struct ledger_entry;

extern const struct session_state ledger_state;

/* Bytes that the session takes now, and the most that it ever took. */
uint64_t ledger_in_use(struct session *session);
uint64_t ledger_peak(struct session *session);

/* ---- for the layer "account"; all concern the call that this thread serves, and nothing where it serves none ---- */

/* key: the address, or the driver's handle. */
void ledger_add(enum ledger_kind kind, uint64_t key, uint64_t size);
/* The same for what no context takes along. */
void ledger_add_lasting(enum ledger_kind kind, uint64_t key, uint64_t size);
/* A part of the image that owner stands for. */
void ledger_add_part(enum ledger_kind kind, uint64_t key, uint64_t size, uint64_t owner);

/* What is about to be given back leaves the ledger first, because the driver may hand the same address out again before
 * its function has returned; NULL when nothing is known of it. Then, whether it was given back: it is forgotten or
 * stands there again. */
struct ledger_entry *ledger_take(uint64_t key);
void ledger_settle(struct ledger_entry *e, bool gone);

/* Physical memory of that handle is mapped; all that is mapped in a range is so no more. Memory whose handle has been
 * released counts until then. */
void ledger_map(uint64_t address, uint64_t size, uint64_t handle);
void ledger_unmap(uint64_t address, uint64_t size);
/* A further handle for the memory that is mapped at the address. */
void ledger_retain(uint64_t address, uint64_t handle);

#endif
