/*
 * The worker's side of calls: what the files that serve them share. One worker process serves one
 * guest process; cuda_host.c (generated from remoting/api/cuda.spec) and the written serve_ functions
 * turn each message into calls of the driver behind struct cuda_driver.
 *
 * Threads: the dispatcher runs calls in the order in which the guest made them; those marked "waits"
 * run on waiter threads, so that one guest thread's wait holds up no other. Everything below is safe to
 * use from all of them.
 */
#ifndef HAWSER_SERVED_H
#define HAWSER_SERVED_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control.h"
#include "cuda_api.h"
#include "lane.h"
#include "visible.h"
#include "wire.pb-c.h"

struct credits;
struct copy_array_args;
struct objects;
struct object;
struct post_errors;
struct ledger;
struct staging;
struct host_memory;
struct host_functions;
struct notifications;
struct timings;
struct exports;
struct report;
struct devices;
struct nvml;
struct output;
struct recipe;

enum { SESSION_TOKEN = CONTROL_TOKEN };

/* All that a guest has here. What the file of a pointer alone knows is behind it. */
struct session {
    struct hawser_listener *listener; /* until the guest has come */
    uint8_t token[SESSION_TOKEN];     /* that it must show */
    struct hawser_lane *lane;         /* from then on */
    struct cuda_driver driver;        /* with its layers (layers.h) */
    bool software;                    /* the driver is the software GPU, as hawserd says */
    uint32_t minor;                   /* of the protocol, in force in this session */
    _Atomic(uint64_t) calls;          /* served so far */
    _Atomic(unsigned) serving;        /* calls that are being served */
    /* Of the connection, which ends before the rest. */
    struct credits *credits;
    struct inbox *inbox;   /* NULL while the dispatcher receives itself */
    struct output *output; /* NULL while none is captured */
    struct report *report; /* to the broker */
    /* Of the guest: the rows of state.c. */
    struct devices *devices;
    struct nvml *nvml;
    struct objects *objects;
    struct post_errors *post_errors;
    struct ledger *ledger;
    struct staging *staging;
    struct host_memory *host_memory;
    struct host_functions *host_functions;
    struct notifications *notifications;
    struct timings *timings;
    struct exports *exports;
};

/* From now on messages are received by a thread of their own, so that HostDone is heard even while a call waits. */
void session_receive_apart(struct session *session);

/* One call being served. */
struct served {
    struct session *session;
    const struct cuda_driver *driver;
    const struct nvml_driver *nvml;        /* once served_nvml has been asked */
    const struct hawser_api_function *api; /* what is called, with its message; NULL for what the session does itself */
    const ProtobufCMessage *args;
    uint32_t thread;
    uint64_t context;            /* wire id, 0 for none */
    bool unknown;                /* a handle of it was looked up and not found */
    struct hawser_frame *frames; /* bulk that came with the call; freed after it */
    unsigned n_frames;
    uint8_t *out; /* packed reply, malloc'ed */
    size_t out_size;
    struct served_memory *memory; /* freed after it */
};

typedef CUresult (*serve_function)(struct served *c, const ProtobufCMessage *msg);
extern const serve_function hawser_cuda_serve[], hawser_nvml_serve[]; /* by number, from the API's first */

/* Zeroed memory until the call has been answered; NULL when there is none. */
void *served_alloc(struct served *c, size_t size);
void served_free_all(struct served *c);
/* The call's reply message; packed at once. */
void served_reply(struct served *c, const ProtobufCMessage *reply);
/* The bytes of the next bulk frames, from *frame on, that make up size bytes: as the driver wants images, aligned and
 * with a NUL behind; to be freed. CUDA_ERROR_INVALID_VALUE when the frames have other sizes. */
CUresult served_image(const struct served *c, unsigned *frame, size_t size, char **out);

/* ---- objects.c: what the guest's ids mean ---- */

struct object {
    uint64_t id;
    uint32_t kind;    /* enum hawser_object_kind */
    bool is_kernel;   /* HAWSER_FUNCTION that is a CUkernel */
    bool is_primary;  /* HAWSER_CONTEXT that is a device's primary one */
    uint32_t thread;  /* per-thread default stream: whose */
    uint64_t context; /* id of the context that it ends with; 0 for none */
    void *handle;
    struct recipe *recipe; /* what made it; the table's own */
};

/* The driver's handle for an id. For streams also the default ones, the per-thread one made on
 * demand. CUDA_ERROR_INVALID_HANDLE (INVALID_CONTEXT for contexts) when there is none. */
CUresult served_handle(struct served *c, enum hawser_object_kind kind, uint64_t id, void **handle);
/* Looks an object up whole; false when there is none of that kind. */
bool served_object(struct served *c, enum hawser_object_kind kind, uint64_t id, struct object *out);
/* The same for one of several kinds, given as 1u << kind; CUDA_ERROR_INVALID_HANDLE when there is none. */
CUresult served_entry(struct served *c, unsigned kinds, uint64_t id, struct object *out);
/* The id of the driver's handle, or 0; looks at all. */
uint64_t served_id(struct served *c, enum hawser_object_kind kind, const void *handle);
/* A copy of all entries of a kind, to be freed; *n says how many. NULL when memory is short or there are none. */
struct object *objects_of_kind(struct session *session, enum hawser_object_kind kind, size_t *n);
/* Gives an id its meaning, and remembers the call that made it. CUDA_ERROR_INVALID_VALUE when the id is taken. */
CUresult served_bind(struct served *c, enum hawser_object_kind kind, uint64_t id, void *handle);
/* The same with id, kind, handle and is_kernel of the entry. */
CUresult served_bind_entry(struct served *c, struct object *entry);
void served_unbind(struct served *c, uint64_t id);
/* Ends the per-thread default streams of a guest thread. */
void served_thread_gone(struct served *c, uint32_t thread);

/* ---- post_errors.c: errors of posts wait for the next call that reports them: in their context, or, of a post that
 * has none, for the next one of its thread ---- */

void served_post_failed(struct served *c, CUresult error);
CUresult served_take_post_error(struct served *c);
/* A guest thread has ended. */
void post_errors_thread_gone(struct session *session, uint32_t thread);

/* ---- copy.c: bulk data between the lane and the device ---- */

/* Sends what finished of the copies that the guest does not wait for. */
void staging_push_ready(struct session *session);

/* ---- host_memory.c: memory of the guest that kernels reach ---- */

/* Sends what the device has changed in memory that is not shared with the guest. */
void host_memory_push(struct session *session);

/* ---- texture.c ---- */

/* Puts the driver's arrays into the copy of a message. */
CUresult served_copy(const struct copy_array_args *a);

/* ---- graph.c, linker.c: handles that are structures of ours ---- */

/* Ends the driver's part, as far as it is still there, and frees ours. */
void graph_end(const struct cuda_driver *d, void *graph);
CUresult link_end(const struct cuda_driver *d, void *link);

/* ---- context.c ---- */

/* Ends a context with all that is in it; reset: a primary one, which the guest keeps. */
CUresult context_end(struct served *c, const struct object *context, CUdevice device, bool reset);

/* ---- output.c: what kernels print ---- */

/* Makes the process's stdout and stderr pipes whose bytes go to the guest; the log keeps the old stderr. 0 or
 * -1. */
int output_capture(struct session *session);
/* From now on they are read; there must be a guest to send them to. */
void output_forward(struct session *session);
/* Everything printed so far is on the lane when this returns. */
void output_flush(struct session *session);

/* ---- send.c ---- */

/* Packs and sends; frames are taken over. */
void session_send(struct session *session, const Hawser__ToGuest *m, struct hawser_frame *frames, unsigned n);

/* ---- driver.c ---- */

/* Loads the library at path and fills the table. 0, or -1 with a reason in err. */
int driver_load(const char *path, struct cuda_driver *out, char *err, size_t err_size);

/* ---- device.c: which devices the guest sees ---- */

/* The host's devices that hawserd lends, as a list; false when they are not limited. */
bool devices_lent(const struct session *session, struct hawser_names *out);
/* The guest's NVIDIA_VISIBLE_DEVICES, once it is known; NULL when it hides nothing. */
void devices_contain(struct session *session, const char *list);
const char *devices_container(const struct session *session);
/* For guests that do not know the call Initialize: initializes the driver and tells of its devices. */
void devices_open(struct served *c, Hawser__Opened *opened);

/* ---- nvml.c ---- */

/* NVML, if the guest asks for it, comes from where this CUDA driver library does. path is kept. */
void nvml_from(struct session *session, const char *path);
/* The guest's devices as NVML numbers them; false when there is no NVML here. */
bool nvml_names(struct served *c, struct hawser_names *out);

/* ---- What is written by hand for the messages of cuda.spec ---- */

#include "cuda_serve.h"

#endif
