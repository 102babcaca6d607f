/*
 * The front end: those functions of the driver that do not depend on where the device is, and the checks that belong to
 * them. Both libraries with the CUDA driver ABI, the guest's and the software GPU's, link these objects; what a
 * function needs of its library are the verbs here, which each of them implements. A verb is called with arguments that
 * have been checked only where its comment says so.
 *
 * Everything is thread-safe.
 */
#ifndef HAWSER_FRONT_H
#define HAWSER_FRONT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi_internal.h"

/* ---- Devices (device.c) ---- */

struct hawser_device {
    const char *name; /* lives for ever */
    CUuuid uuid, uuid_v2;
    size_t memory;       /* bytes */
    size_t n_attributes; /* those beyond do not exist */
    bool software;
};

/* Verb: false when there is no such device. */
bool hawser_front_device(CUdevice device, struct hawser_device *out);
/* Verb: where the program's call returns to, as the function sees it, unless something of ours stands between. */
const void *hawser_front_caller(const void *returns_to);

/* Verb: whether there is such a device; there is none before cuInit. */
bool hawser_front_device_ok(CUdevice device);
/* Verb: 0 for an attribute that it does not have. */
int hawser_front_device_attribute(CUdevice device, CUdevice_attribute attribute);

/* ---- Kernels (kernel.c) ---- */

struct hawser_param {
    size_t offset, size;
};

/* What the front end knows of a kernel; a part of the library's own structure, which fills it. */
struct hawser_kernel {
    const char *name;
    unsigned n_params;
    struct hawser_param *params;
    size_t param_bytes;    /* of all, packed */
    unsigned n_attributes; /* that are known */
    int attributes[CU_FUNC_ATTRIBUTE_MAX];
};

/* 0 for one that is not known. */
static inline int hawser_kernel_attribute(const struct hawser_kernel *k, CUfunction_attribute a) {
    return (unsigned)a < k->n_attributes ? k->attributes[a] : 0;
}

/* Verb: the kernel behind a CUfunction or CUkernel, NULL when the handle is none. */
struct hawser_kernel *hawser_front_kernel(const void *handle);
/* Verb: the module or library that a good handle's kernel is of. */
void *hawser_front_kernel_owner(const void *handle, bool *library);

/* ---- Launches (launch.c) ---- */

struct hawser_launch {
    const CUlaunchConfig *config;
    CUfunction function;
    void **params, **extra;
    bool cooperative; /* by the function that was called; attributes may say so too */
};

/* Verb: puts a launch into its stream, after hawser_launch_check. config is not NULL. */
CUresult hawser_front_launch(const struct hawser_launch *l);

/* What CUDA finds at once. cluster: the cluster's blocks. */
CUresult hawser_launch_check(const struct hawser_launch *l, const struct hawser_kernel *k, CUdevice device,
                             unsigned cluster[3]);
/* The part of it that has to do with threads and shared memory. */
CUresult hawser_launch_shape(const CUlaunchConfig *l, const struct hawser_kernel *k, CUdevice device);
/* The launch attributes: those that cannot be done are refused. */
CUresult hawser_launch_attributes(const CUlaunchConfig *l);
bool hawser_launch_cooperative(const struct hawser_launch *l);
/* As hawser_abi_cluster. */
CUresult hawser_launch_cluster(const CUlaunchConfig *l, const struct hawser_kernel *k, unsigned cluster[3], bool *fits);
/* The parameters as one buffer: *room, which has k->param_bytes zeros, filled from the array, or where the program has
 * packed them, *size of them. */
CUresult hawser_launch_params(const struct hawser_launch *l, const struct hawser_kernel *k, void *room,
                              const void **packed, size_t *size);

/* ---- Memory (memory.c) ---- */

enum hawser_memory { HAWSER_ON_DEVICE = 1, HAWSER_PINNED, HAWSER_REGISTERED, HAWSER_MANAGED };

struct hawser_range {
    uintptr_t base;
    size_t size;
    enum hawser_memory kind;
    uintptr_t device; /* what kernels name base by; 0 when they cannot reach it */
    CUcontext context;
    int ordinal; /* the device's; -2 for none */
    unsigned flags;
    uint64_t id; /* CU_POINTER_ATTRIBUTE_BUFFER_ID */
};

/* Verb: the memory that the program has at an address; false when it has none there. */
bool hawser_front_range(uintptr_t address, struct hawser_range *out);
/* Verb: pinned or managed memory in the current context; size is not 0. */
CUresult hawser_front_host_alloc(enum hawser_memory kind, size_t size, unsigned flags, void **out);
/* Verb: makes memory of the program's registered memory. */
CUresult hawser_front_host_register(void *p, size_t size, unsigned flags);
/* Verb: ends pinned or registered memory, as hawser_front_range has found it. */
CUresult hawser_front_host_end(const struct hawser_range *range);
/* Verb: whether kernels reach [address, address + size) under these addresses. */
bool hawser_front_reached(uintptr_t address, size_t size);

/* ---- Arrays (array.c) ---- */

/* Verb: the descriptor of a living array, NULL when the handle is none. */
const CUDA_ARRAY3D_DESCRIPTOR *hawser_front_array(CUarray handle);
/* The descriptor of a level of a mipmapped array. */
CUDA_ARRAY3D_DESCRIPTOR hawser_array_level(CUDA_ARRAY3D_DESCRIPTOR d, unsigned level);

/* ---- Copies and fills (copy.c) ---- */

/* One side of a copy: memory, or a place in an array. */
struct hawser_side {
    CUmemorytype type; /* of unified memory the library finds out where it is */
    union {
        struct {
            uintptr_t address;   /* of the first byte */
            size_t pitch, slice; /* bytes from row to row and from slice to slice */
        };
        struct {
            CUarray array;
            size_t x, y, z; /* in bytes, rows, slices */
        };
    };
};

struct hawser_copy {
    struct hawser_side dst, src;
    size_t width, height, depth; /* bytes, rows, slices; may be 0 */
    bool async;
};

/* Verb: a copy in its place in a stream. Arrays and places in them are good; whether memory is there has not been
 * asked. */
CUresult hawser_front_copy(const struct hawser_copy *c, CUstream stream);
/* The bytes from a memory side's first to its last, where none of the copy's extents is 0. False where that is no piece
 * of memory. */
bool hawser_side_bytes(const struct hawser_side *s, const struct hawser_copy *c, size_t *bytes);
/* What a CUDA_MEMCPY3D describes. */
CUresult hawser_copy_of(const CUDA_MEMCPY3D *p, bool async, struct hawser_copy *out);

struct hawser_fill {
    CUdeviceptr dst;
    size_t pitch, width, height; /* bytes, elements, rows; may be 0 */
    unsigned element, value;     /* element in bytes */
    bool async;
};

/* Verb: a fill in its place in a stream, after hawser_fill_check where there is anything to fill. */
CUresult hawser_front_fill(const struct hawser_fill *f, CUstream stream);
CUresult hawser_fill_check(const struct hawser_fill *f);

/* ---- Contexts (context.c) ---- */

/* What the front end knows of a context; a part of the library's own structure. */
struct hawser_context {
    CUcontext handle;
    CUdevice device;
    unsigned flags;
    bool primary;
    atomic_bool active; /* on the device; the front end's to set */
    uint64_t id;
};

/* Verb: the living context behind a handle, NULL when there is none. Accepts NULL. The memory of one that has gone may
 * still be asked for. */
struct hawser_context *hawser_front_context(CUcontext handle);
/* Verb: a handle and its context, which is not on the device yet; NULL when memory is short. The device is good. */
struct hawser_context *hawser_front_context_new(CUdevice device, unsigned flags, bool primary);
/* Verb: the handle means nothing any more; never for a primary context. */
void hawser_front_context_gone(struct hawser_context *c);
/* Verb: puts it on the device. */
CUresult hawser_front_context_start(struct hawser_context *c);
/* Verb: ends all that is in it, and takes it from the device unless it is only reset. */
CUresult hawser_front_context_end(struct hawser_context *c, bool reset);
/* Verb: waits for all that is in it. */
CUresult hawser_front_context_sync(struct hawser_context *c);
/* Verb: tells the device of its primary context's flags. */
CUresult hawser_front_primary_flags(CUdevice device, unsigned flags);

/* The calling thread's current context, living or not; NULL for none. */
CUcontext hawser_current(void);
/* The same, which must live. */
CUresult hawser_current_context(struct hawser_context **out);

/* ---- Streams (stream.c) ---- */

struct hawser_stream {
    unsigned flags;
    int priority;
    uint64_t id; /* the default streams differ by context, the per-thread one by thread too */
    CUcontext context;
};

/* Verb: the stream that a handle means on this thread. */
CUresult hawser_front_stream(CUstream handle, struct hawser_stream *out);

/* ---- Modules (module.c) ---- */

/* Verb: whether modules are loaded whole, by CUDA_MODULE_LOADING as it was at cuInit, or is before it. */
bool hawser_front_eager(void);

/* ---- Textures (texture.c) ---- */

/* What a texture or surface object was made from. */
struct hawser_texture {
    bool surface, has_view;
    CUDA_RESOURCE_DESC resource;
    CUDA_TEXTURE_DESC texture;
    CUDA_RESOURCE_VIEW_DESC view;
};

/* Verb: makes one in the current context. */
CUresult hawser_front_texture_create(const struct hawser_texture *t, unsigned long long *handle);
/* Verb: CUDA_ERROR_INVALID_VALUE where the handle is none of that kind. */
CUresult hawser_front_texture_destroy(unsigned long long handle, bool surface);
/* Verb: what a handle was made from; false where it is none. */
bool hawser_front_texture(unsigned long long handle, bool surface, struct hawser_texture *out);

#endif
