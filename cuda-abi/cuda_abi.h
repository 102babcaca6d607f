/*
 * cuda-abi: what makes a shared library look like NVIDIA's libcuda.so.1 to closed CUDA programs.
 *
 * Two libraries of hawser have the CUDA driver ABI: the guest's (shim-gpu) and the software GPU
 * (softgpu). Both link this room's objects, which define
 *
 *   cuGetProcAddress, cuGetProcAddress_v2    version-exact lookup over the library's own functions
 *   cuGetExportTable                         the private tables that cudart and its libraries ask for
 *   cuGetErrorName, cuGetErrorString
 *   every *_ptds and *_ptsz function         in terms of the plain one (see hawser_abi_default_stream)
 *   old names such as cuCtxDestroy           as their newest revision, where that takes the same
 *                                            parameters; weak: a strong definition overrides it
 *   graphs and stream capture                see graph/
 *   what looks at calls first                see layers.list: it names the functions that ask it
 *   what comes down to other functions       see composed/
 *   what asks little of the library          see front/
 *   every other name of cuda.h               as a weak function that returns CUDA_ERROR_NOT_SUPPORTED
 *                                            and logs its name once
 *
 * In written sources, of this room and of the libraries, a function's name means the library's own, behind the layers:
 * abi_rename.h, generated, is included before everything. What must be asked as the program asks it is
 * hawser_exported_NAME.
 *
 * Everything here is thread-safe unless it says otherwise.
 */
#ifndef HAWSER_CUDA_ABI_H
#define HAWSER_CUDA_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cuda.h>

/* The CUDA release whose functions this room has in full. cuDriverGetVersion and cuGetProcAddress tell of no newer one:
 * a runtime that believed in one would call its functions. */
#define HAWSER_CUDA_VERSION 13000

/* ---- What the library that links this room provides -------------------------------------- */

/* The handle that cuDevicePrimaryCtxRetain(dev) gives or will give; does not retain it. front/ has it. */
CUresult hawser_abi_primary_context(CUcontext *out, CUdevice dev);

/* One line for the log, printf style, without a newline. Never writes to stdout. */
void hawser_abi_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Whether functions may be called: CUDA_SUCCESS after cuInit, else the error that says why not. */
CUresult hawser_abi_ready(void);

/* Whether the handle of a conditional node's value is the address of its 4 bytes, as it is on the software GPU. */
int hawser_abi_conditionals(void);

/* A node of a graph that another process runs. */
struct hawser_far_node {
    uint64_t index; /* from 0, in the order in which they are told */
    uint64_t body;  /* which body of the conditional nodes told so far it is in, from 1; 0 for none */
    bool change;    /* no new node: another one's new parameters */
    bool disabled, cooperative;
    const CUgraphNodeParams *p;
    const CUlaunchAttribute *attributes;
    unsigned n_attributes;
    const uint64_t *after;       /* the nodes that it depends on, by index */
    const CUgraphEdgeData *data; /* n_after */
    size_t n_after;
};

/* Graphs in another process, by numbers; given by a library whose devices are there. */
struct hawser_far_graphs {
    uint64_t (*create)(void);
    void (*drop)(uint64_t graph);
    /* The handle for a conditional node of a graph and all in it. */
    CUresult (*handle)(uint64_t graph, CUcontext context, unsigned initial, unsigned flags,
                       CUgraphConditionalHandle *out);
    void (*handle_gone)(CUgraphConditionalHandle handle);
    /* Whether it can be run there. */
    bool (*fits)(const CUgraphNodeParams *p);
    /* CUDA_SUCCESS does not say that it could be added: ready does. */
    CUresult (*node)(uint64_t graph, const struct hawser_far_node *n);
    /* All nodes, or changes, have been told. again: the executable form is to be made anew from the same nodes. */
    CUresult (*ready)(uint64_t graph, uint64_t flags, bool again);
    CUresult (*launch)(uint64_t graph, CUstream stream);
};

/* NULL where there is no other process, or it has no graphs. */
const struct hawser_far_graphs *hawser_abi_far_graphs(void);

/* Calls fn(copy of arg) when the stream has come to this place, before it goes on; what fn itself asks of the
 * stream is done there and then. Either in the stream's turn or, by waiting for the stream, at once. */
CUresult hawser_abi_run_in_stream(CUstream stream, CUresult (*fn)(void *arg), const void *arg, size_t size);

/* Begins or ends watching a device: while it is watched, hawser_abi_notify is called for what happens there. */
CUresult hawser_abi_watch(CUdevice device, int on);

/* ---- What this room gives to the library ------------------------------------------------- */

/* The stream that a NULL stream, or a call without a stream, means on the calling thread now:
 * CU_STREAM_PER_THREAD inside a *_ptds or *_ptsz call, else CU_STREAM_LEGACY. */
CUstream hawser_abi_default_stream(void);

/* Around a function of the program's that a stream calls: until it returns, the thread's own calls are refused. */
void hawser_abi_enter_callback(void);
void hawser_abi_leave_callback(void);

/* What a software GPU of this compute capability tells the code at caller, a return address, of it. */
void hawser_abi_capability(const void *caller, int *major, int *minor);

/* To be called when a context is reset or destroyed: runs the destructors that cudart copies
 * registered for it (private table CLS) and forgets their values. */
void hawser_abi_context_gone(CUcontext ctx);

/* Tells the callbacks that the program has registered for the device, on a thread of their own. */
void hawser_abi_notify(CUdevice device, const CUasyncNotificationInfo *info);

/* A line for the error log that programs can read (cuLogs…). */
void hawser_abi_record(int error, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What a kernel says of its clusters: CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_* (zeros for none), CLUSTER_SIZE_MUST_BE_SET,
 * NON_PORTABLE_CLUSTER_SIZE_ALLOWED. */
struct hawser_clusters {
    unsigned required[3];
    bool must_be_set, large;
};
/* Blocks of a cluster: what every device with clusters takes, and what one may take (CUDA C++ Programming Guide). */
enum { HAWSER_PORTABLE_CLUSTER = 8, HAWSER_MAX_CLUSTER = 16 };

/* The cluster that a launch asks for, by its attributes or the kernel's; 1, 1, 1 for none. *fits: whether there can be
 * one. CUDA_ERROR_INVALID_CLUSTER_SIZE where the kernel forbids it or the grid is not made of such. */
CUresult hawser_abi_cluster(const struct hawser_clusters *k, const CUlaunchConfig *l, unsigned cluster[3], bool *fits);

/* Room for one more than there is, the nth element, in an array of *capacity; false when memory is short. */
bool hawser_abi_grow(void **array, size_t *capacity, size_t n, size_t element);

/* Bytes of an array's channel, 0 for formats whose texels have no plain type. */
unsigned hawser_abi_format_bytes(CUarray_format format);

/* A 2D copy as the 3D copy of one slice. */
void hawser_abi_copy_box(const CUDA_MEMCPY2D *p, CUDA_MEMCPY3D *out);

/* CUDA_ERROR_NOT_SUPPORTED, after one log line per function name and process. */
CUresult hawser_abi_not_supported(const char *function);

/* Tells that an image has no code for the device: once for each library of the program's that has such images, and how
 * many they were at its end. `why` is a line without newline. */
void hawser_abi_image_refused(const void *image, const char *why);

/* A module image as programs pass it, without a length. */
enum hawser_image_kind {
    HAWSER_IMAGE_INVALID,
    HAWSER_IMAGE_WRAPPER, /* 24-byte fat binary wrapper; parts are the fat binaries it points to */
    HAWSER_IMAGE_FATBIN,
    HAWSER_IMAGE_ELF,
    HAWSER_IMAGE_PTX, /* NUL-terminated text; the part's size excludes the NUL */
};
#define HAWSER_IMAGE_MAX_PARTS 256
struct hawser_image {
    enum hawser_image_kind kind;
    uint32_t wrapper_version; /* 1 or 2; 0 when kind is not WRAPPER */
    unsigned n_parts;         /* 1 + the pre-link fat binaries of a version 2 wrapper */
    struct {
        const void *data;
        size_t size; /* bytes */
    } part[HAWSER_IMAGE_MAX_PARTS];
};

/* Finds out what `image` is and how long. CUDA_SUCCESS, CUDA_ERROR_INVALID_VALUE for NULL, or
 * CUDA_ERROR_INVALID_IMAGE. Reads no more of the image than its own headers declare. */
CUresult hawser_image_measure(const void *image, struct hawser_image *out);

#endif
