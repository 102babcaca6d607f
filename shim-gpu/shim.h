/*
 * The guest's libcuda: what its files share. One file per kind of CUDA object; cuda_guest.c is
 * generated from remoting/api/cuda.spec.
 *
 * A handle that the program sees is the address of a struct shim_object: real, zeroed memory that stays
 * readable for ever, because old runtimes look inside. Each has an id, minted here, which is its name
 * on the wire. Everything is thread-safe.
 */
#ifndef HAWSER_SHIM_H
#define HAWSER_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cuda_api.h"
#include "front.h"
#include "session.h"
#include "visible.h"

/* ---- The session (link.c) ---- */

/* What the host's end looks like when it has gone: documented for operators in the user guide. */
#define SHIM_HOST_GONE CUDA_ERROR_DEVICE_UNAVAILABLE

/* Opens the session once per process. CUDA_ERROR_SYSTEM_NOT_READY when no server can be had. */
CUresult shim_open(void);
/* The same for what is no part of CUDA, and works in a child whose parent has initialized CUDA. */
CUresult shim_open_apart(void);

/* cuInit has succeeded: from now on other functions may be called. */
void shim_init_done(void);

/* What the host told at the opening; NULL before a successful shim_open. Never freed. */
const Hawser__Opened *shim_host(void);

struct shim_object;

/* One call into this library. */
struct shim_call {
    uint32_t function; /* HAWSER_FN_… */
    struct hawser_caller who;
    struct shim_object *context; /* current context, NULL only where none is needed */
};

/* To be called first by every function that uses the session: checks that there is one, that this is
 * not a forked child, and, with need_context, that a living context is current. */
CUresult shim_enter(struct shim_call *c, uint32_t function, bool need_context);
/* The same for a function that works in a stream: where no context is current, that of a stream of the program's own
 * is used. The default streams have none. In a context that is known to have failed nothing is asked of the host. */
CUresult shim_enter_stream(struct shim_call *c, uint32_t function, CUstream stream);

/* The same for functions that are answered here and need cuInit only. */
CUresult shim_initialized(void);

/* A bulk frame to be filled and then posted, or given back with its free function; false when memory is short. */
bool shim_reserve(size_t size, struct hawser_frame *out);
CUresult shim_post(struct shim_call *c, const ProtobufCMessage *m, struct hawser_frame *frames, unsigned n);
/* Waits for the host's result. With reply not NULL and a success, *reply is the reply (never NULL), to
 * be freed with shim_free_reply; with an error it may be NULL. */
CUresult shim_call(struct shim_call *c, const ProtobufCMessage *m, struct hawser_frame *frames, unsigned n,
                   ProtobufCMessage **reply);
void shim_free_reply(void *reply);
/* Copies bytes of a reply, which must be `size`; else false. */
bool shim_take(void *to, size_t size, const ProtobufCBinaryData *from);
/* Asks whether the context has failed or ended; if so, all that waits for something in it is told. */
void shim_context_check(struct shim_object *context);

/* ---- Tracing (trace.c); nothing is done without hawser_guest_trace ---- */

void shim_trace_start(struct shim_call *c);
void shim_trace_end(const struct shim_call *c);
void shim_on_timing(void *user, const Hawser__Timing *timing);

/* ---- Handles (object.c) ---- */

struct shim_kernel;
struct shim_image;

enum { SHIM_MAX_LEVELS = 16 };

struct shim_object {
    uint32_t kind; /* enum hawser_object_kind; 0 when the handle is free */
    uint32_t generation;
    uint64_t id;
    struct shim_object *context; /* in which it was made; NULL for contexts and libraries */
    union {
        struct {
            struct hawser_context facts;
            _Atomic int failed; /* the error, when a kernel has failed so that nothing works there any more */
        } ctx;
        struct {
            unsigned flags;
            int priority;
            struct shim_object *green; /* the part of a device that it belongs to, or NULL */
        } stream;
        struct {
            unsigned flags;
        } event;
        struct {
            struct shim_image *image;
        } module; /* CUmodule and CUlibrary */
        struct {
            struct shim_kernel *kernel;
            struct shim_object *owner; /* module or library */
            struct shim_object *twin;  /* the CUfunction of a CUkernel, once asked for */
        } function;
        struct shim_linker *linker;
        struct {
            CUDA_ARRAY3D_DESCRIPTOR array;               /* also of a mipmapped array's first level */
            struct shim_object *level_of;                /* an array that is a level */
            struct shim_object *levels[SHIM_MAX_LEVELS]; /* of a mipmapped array, once asked for */
        };
    };
};

/* A new handle made in c's context (which may be NULL), or NULL when memory is short. */
struct shim_object *shim_object_new(enum hawser_object_kind kind, const struct shim_call *c);
/* A number for the host that no handle has. */
uint64_t shim_object_number(void);
/* Frees a handle; later uses of it are refused. Accepts NULL. */
void shim_object_gone(void *handle);
/* The object behind a handle of this kind, or NULL. */
struct shim_object *shim_object(enum hawser_object_kind kind, const void *handle);
/* The object with this wire id, or NULL; looks at all. */
struct shim_object *shim_object_named(enum hawser_object_kind kind, uint64_t id);
/* The wire id of a handle, for streams with the default streams mapped to 1 (legacy) and 2 (per
 * thread); else CUDA_ERROR_INVALID_HANDLE or the kind's own error. */
CUresult shim_handle(enum hawser_object_kind kind, const void *handle, uint64_t *id);
/* The same for the stream of a copy or fill, which may be another context's than the current one: the call is made
 * there. */
CUresult shim_copy_stream(struct shim_call *c, CUstream stream, uint64_t *id);
/* The error for a bad handle of a kind. */
CUresult shim_bad_handle(enum hawser_object_kind kind);

enum { SHIM_STREAM_LEGACY = 1, SHIM_STREAM_PER_THREAD = 2 };

/* ---- Contexts (context.c) ---- */

/* The calling thread's current context, NULL for none. */
static inline struct shim_object *shim_current(void) {
    return (struct shim_object *)hawser_current();
}
/* The calling thread's number, from 1. */
uint32_t shim_thread_id(void);

/* ---- Devices (device.c) ---- */

/* A forked child has a session of its own, with devices of its own. */
void shim_devices_in_child(void);
void shim_nvml_in_child(void);

/* ---- Memory that the program knows (range.c) ---- */

struct shim_range {
    uintptr_t base;
    size_t size;
    enum hawser_memory kind;
    bool shared;      /* host memory that the worker has mapped too: nothing need travel */
    uintptr_t device; /* what kernels name base by; 0 when they cannot reach it */
    struct shim_object *context;
    unsigned flags;
    uint64_t id; /* CU_POINTER_ATTRIBUTE_BUFFER_ID */
};

/* base, size, kind, shared, device and flags are the caller's, the rest is filled in. */
CUresult shim_range_add(struct shim_range range);
bool shim_range_find(uintptr_t address, struct shim_range *out);
/* Forgets the range that begins at base; false when there is none of that kind. */
bool shim_range_remove(uintptr_t base, enum hawser_memory kind);
/* Forgets all device ranges of a context. */
void shim_range_context_gone(struct shim_object *context);
/* Whether [address, address + size) lies inside one range of that kind. */
bool shim_range_holds(uintptr_t address, size_t size, enum hawser_memory kind);
/* Whether it is host memory that the worker has mapped too. */
bool shim_range_shared(uintptr_t address);

/* ---- Host memory that kernels reach (host_memory.c, mirror.c) ---- */

/* Whether this process and the worker share memory; asked of the host once. */
bool shim_host_shared(void);
/* Frees managed memory that begins there. */
CUresult shim_free_managed(const struct shim_range *range);
/* Makes a module's variable memory that the program knows; managed ones are memory of this process too. */
CUresult shim_variable_add(struct shim_object *owner, CUdeviceptr address, size_t size, bool managed);
/* Ends that for the variables of a module or library, or of all in a context. */
void shim_variables_gone(struct shim_object *owner, struct shim_object *context);

/* Memory that is not shared is kept twice. Before the host may look at it, what the program has changed is posted;
 * what the host has changed comes as pushes with the answers of synchronizing calls. */
CUresult shim_mirror_add(uintptr_t base, size_t size);
void shim_mirror_remove(uintptr_t base);
CUresult shim_mirror_post(const struct shim_call *c);
void shim_mirror_push(const Hawser__Push *push, const void *data, size_t size);

/* ---- Copies (copy.c, transfer.c) ---- */

/* Bytes that the host will push into the guest's memory: height rows of width bytes. */
struct shim_transfer;
struct shim_transfer *shim_transfer_begin(void *dst, size_t pitch, size_t width, size_t height, bool later,
                                          uint64_t *id);
/* Ends one that is not "later"; the result of its pushes. */
CUresult shim_transfer_end(struct shim_transfer *t);
void shim_transfer_push(const Hawser__Push *push, const void *data, size_t size);
/* A copy that the host can make by itself, as the message for it, all but the stream; it points to *d. Else
 * CUDA_ERROR_NOT_SUPPORTED, as for memory of this process that the host does not share. */
CUresult shim_copy_fill(Hawser__CopyArray *m, CUDA_MEMCPY3D *d, const CUDA_MEMCPY3D *p);
/* Waits for what this thread has copied from pageable memory, if the given stream would not wait itself. Called by
 * shim_enter_stream; c->context is set. */
CUresult shim_settle_copy(const struct shim_call *c, CUstream stream);
/* Waits until no pending transfer touches [address, address + size). */
void shim_transfer_settle(const void *address, size_t size);
/* Wakes all who wait: no push will come any more. */
void shim_transfers_lost(void);

/* ---- Host functions (host_function.c) ---- */

/* The stream on the host has come to one: it is run on a thread of its own. */
void shim_host_function_due(uint64_t id, uint64_t turn, CUresult status);
/* Waits until those given to streams before have run, because they may still write memory whose bytes are
 * about to be taken. */
void shim_host_functions_settle(void);
/* None will come due any more; none of that context. */
void shim_host_functions_lost(void);
void shim_host_functions_failed(const struct shim_object *context);

/* ---- Kernels (kernel.c) ---- */

struct shim_kernel {
    struct shim_kernel *next;
    struct hawser_kernel facts;
    struct shim_object *handle; /* the function or kernel handle, once asked for */
};

/* Stores what the host says of a kernel. NULL when memory is short. */
struct shim_kernel *shim_kernel_new(const Hawser__KernelInfo *info);
void shim_kernel_update(struct shim_kernel *k, const Hawser__KernelInfo *info);
void shim_kernel_free(struct shim_kernel *k);

/* The kernels of a loaded module or library that were asked for or came with the load. */
struct shim_image {
    struct shim_kernel *kernels;
    bool complete;
    char **names; /* of all kernels; NULL until listed */
    unsigned n_names;
};
void shim_image_free(struct shim_image *image);

/* An image or link input as frames, which point into it: how many, 0 for more than there is room for, or more than
 * this host takes. */
unsigned shim_image_frames(const void *data, size_t size, struct hawser_frame *frames, unsigned room);

/* ---- Launches (launch.c) ---- */

enum { SHIM_SMALL_PARAMS = 4096 };
struct shim_launch {
    Hawser__Launch m;
    uint64_t grid[3], block[3];
    uint8_t small[SHIM_SMALL_PARAMS];
    void *packed; /* to be freed, also after an error */
};
/* Checks a launch on that device, and packs its parameters; all but the stream. It points into what it was made of. */
CUresult shim_launch_fill(struct shim_launch *out, const struct hawser_launch *l, CUdevice device);

/* ---- JIT options (linker.c) ---- */

struct shim_log {
    char *text;
    size_t size;
    void **size_out; /* where the filled size is written */
};

/* What of the program's options goes along: plain numbers as they are, log buffers as wishes. */
struct shim_options {
    int64_t names[64];
    uint64_t values[64];
    unsigned n;
    struct shim_log error, info;
};

CUresult shim_options_read(unsigned n, CUjit_option *names, void **values, struct shim_options *o);
void shim_log_give(struct shim_log *b, ProtobufCBinaryData text);

/* ---- Hooks of the generated functions ---- */

#include "cuda_hooks.h"

#endif
