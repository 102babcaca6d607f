/*
 * The software GPU's driver: CUDA's driver ABI over the executor (../exec). What its files share; one
 * file per kind of object.
 *
 * A handle is the address of its object; registry.c knows all that live, so that a freed, foreign or
 * wrong-kind handle is refused and never followed. Everything is thread-safe.
 */
#ifndef SOFTGPU_DRIVER_H
#define SOFTGPU_DRIVER_H

#ifndef __CUDA_API_VERSION_INTERNAL
#define __CUDA_API_VERSION_INTERNAL /* cuMemAlloc and cuMemAlloc_v2 are two names here */
#endif
#pragma GCC visibility push(default)
#include <cuda.h>
#include <cudaProfiler.h>
#pragma GCC visibility pop

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "cuda_abi.h"
#include "exec.h"
#include "extents.h"
#include "fatbin.h"
#include "front.h"
#include "texture.h"

#define SD_MAX_DEVICES 16
#define SD_MEMORY_KHZ 1000000
#define SD_LINEAR_TEXELS (1 << 28) /* of a texture of linear memory */

/* ---- log.c ---- */

enum sd_log_level { SD_ERROR = 1, SD_WARN, SD_INFO, SD_DEBUG };
/* One line to stderr when HAWSER_LOG asks for the level (warn when unset). */
void sd_log(enum sd_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- registry.c ---- */

enum sd_kind {
    SD_CONTEXT = 1,
    SD_STREAM,
    SD_EVENT,
    SD_MODULE,
    SD_LIBRARY,
    SD_KERNEL,
    SD_POOL,
    SD_PHYSICAL,
    SD_LINKER,
    SD_ARRAY,
    SD_MIPMAP,
    SD_TEXREF,
    SD_SURFREF
};

bool sd_register(enum sd_kind kind, void *object);
void sd_unregister(void *object);
/* Whether handle is a living object of that kind. */
bool sd_is(enum sd_kind kind, const void *handle);

/* ---- device.c ---- */

struct sd_shared_event;

struct sd_device {
    int ordinal; /* CUDA's number */
    char name[64];
    CUuuid uuid;
    unsigned place; /* the machine's, which other processes call it too */
    size_t memory_bytes;
    size_t budget;         /* of the process; memory_bytes if it has none of its own */
    _Atomic(bool) watched; /* notifications are wanted */
    struct sg_engine *engine;
    struct sd_context *primary;
    struct sd_pool *pool;
};

/* CUDA_ERROR_NOT_INITIALIZED before cuInit and in a forked child, else success. */
CUresult sd_ready(void);
/* NULL when there is no such device. */
struct sd_device *sd_device(CUdevice ordinal);
struct sd_device *sd_device_at(unsigned place);
int sd_device_attribute(const struct sd_device *d, CUdevice_attribute a);
/* 10 * major + minor */
unsigned sd_capability(void);
size_t sd_default_memory(void);
/* CUDA_DISABLE_PTX_JIT, as it was at cuInit. */
bool sd_jit_disabled(void);
/* Of HAWSER_SOFTGPU_*: a number from least to most, and the compute capability. */
int sd_env_number(const char *name, int least, int most, int otherwise);
void sd_read_capability(void);

/* ---- place.c ---- */

#define SD_DEVICE_NAME "hawser software GPU (%u CPU threads)"

/* CPU threads of each device. */
unsigned sd_threads(void);
/* The devices that CUDA_VISIBLE_DEVICES lets see now, in its order; returns how many. */
unsigned sd_visible_places(unsigned out[SD_MAX_DEVICES]);
void sd_place_uuid(unsigned place, CUuuid *out);

/* ---- memory.c ---- */

struct sd_stream;

struct sd_allocation {
    uintptr_t base;
    size_t size;     /* as asked for */
    size_t reserved; /* bytes of the arena, whole pages; 0 for registered memory */
    enum hawser_memory kind;
    unsigned flags;
    uint64_t id;
    struct sd_device *device;
    struct sd_context *context; /* NULL for hidden ones */
    bool mapped;                /* by virtual memory management or from another process: cuMemFree is not for it */
    int file;                   /* 1 + descriptor of the file whose pages it has become, 0 for none */
    bool hidden;                /* the engine's (module variables, heap): not the program's to free */
    struct sd_pool *pool;       /* that it came from, or by which it was imported; NULL else */
    bool in_use;                /* from a pool, and the program has not called for it to be freed */
    uint64_t freed_by;          /* id of the stream that is to free it; 0: none */
};

/* Memory for stream-ordered allocation. What is freed stays the pool's until a synchronization finds it to have more
 * than its threshold. Pools are never freed: another thread may have just found one. */
struct sd_pool {
    struct sd_device *device;
    struct sd_pool *next;
    int reuse[4]; /* by CUmemPool_attribute: as set; what a stream has freed, any may have */
    CUmemAccess_flags access[SD_MAX_DEVICES];
    bool shareable, imported;
    _Atomic uint64_t threshold; /* bytes */
    /* memory.c's, changed under its lock. bytes: what the program has, in units of 512 as CUDA counts it; pages of
     * these and kept; the most of each since it was reset */
    _Atomic size_t used, reserved, most_used, most_reserved;
    struct sd_extents kept;
    bool keeps;
};

/* Reserves the address range that all devices' memory comes from. */
bool sd_arena_init(void);
void sd_arena_bounds(uintptr_t *lo, uintptr_t *hi);
CUresult sd_alloc(struct sd_context *c, size_t size, enum hawser_memory kind, unsigned flags, bool hidden, void **out);
/* Frees the allocation that begins at p, if it is of that kind. */
CUresult sd_free(void *p, enum hawser_memory kind, bool hidden);
bool sd_find(uintptr_t address, struct sd_allocation *out);
void sd_free_all(struct sd_context *c);
size_t sd_used(const struct sd_device *d);
/* Device memory that is not in the arena counts too; CUDA_ERROR_OUT_OF_MEMORY when there is not so much left. */
CUresult sd_take_bytes(struct sd_device *d, size_t size);
void sd_give_bytes(struct sd_device *d, size_t size);
/* A module's variable in hidden memory that the program may use as managed memory; false when memory is short. */
bool sd_note_managed(uintptr_t address, size_t size);
/* Addresses of the arena without memory, whole blocks of 2 MiB at least so aligned, and back; 0 when there are none. */
uintptr_t sd_take_addresses(size_t size, size_t align);
void sd_give_addresses(uintptr_t base, size_t size);
/* Makes memory that was mapped into the arena an allocation, and undoes it (the pages are closed). */
CUresult sd_add_mapping(struct sd_allocation a);
bool sd_remove_mapping(uintptr_t base);
/* Gives the allocation that begins at base the pages of a file, with the bytes it has; the descriptor is taken
 * over on success. Nothing may use the memory meanwhile. */
CUresult sd_move_to_file(uintptr_t base, int fd);
/* Stream-ordered: memory for what the stream comes to from now on. */
CUresult sd_alloc_in_order(struct sd_stream *s, struct sd_pool *p, size_t size, void **out);
/* Memory that a stream will free, and has come to free unless it is in use again; the id between them is 0 if base
 * begins nothing that may be freed. */
uint64_t sd_free_in_order(uintptr_t base, const struct sd_stream *s);
void sd_freed_in_order(uintptr_t base, uint64_t id);
/* A removed pool keeps nothing; what is in use of it stays until it is freed. */
void sd_add_pool(struct sd_pool *p);
void sd_remove_pool(struct sd_pool *p);
/* Gives what the pool keeps back to the device until it has no more than so many bytes. */
void sd_shrink_pool(struct sd_pool *p, uint64_t bytes);
/* After each synchronization, whose result it returns: pools give back what is above their thresholds. */
CUresult sd_synchronized(CUresult r);
/* The engine's own allocations (module variables, device heap); user is the struct sd_device. */
void *sd_engine_alloc(void *user, size_t bytes, size_t align);
void sd_engine_release(void *user, void *memory);

/* ---- host_code.c ---- */

/* Calls found for each fat binary in a host object, or in those of a library, until it fails; fatbin is valid during
 * the call. CUDA_ERROR_INVALID_IMAGE for bytes that contradict themselves. */
CUresult sd_host_code(const void *data, size_t size, CUresult (*found)(void *arg, const void *fatbin), void *arg);

/* ---- pool.c ---- */

/* A pool that stands for another process's. */
CUresult sd_pool_imported(struct sd_device *d, CUmemoryPool *out);

/* ---- ipc.c ---- */

/* Ends the mapping of a pool's memory of another process that begins at base; false when there is none. */
bool sd_free_imported(uintptr_t base);

/* ---- stream.c: ordered queues ---- */

struct sd_stream;

/* A place in a stream: everything up to task number seq. */
struct sd_point {
    struct sd_stream *stream;
    uint64_t seq;
};

struct sd_task {
    struct sd_task *next;
    void (*run)(struct sd_task *t);  /* on the stream's thread, outside all locks */
    void (*drop)(struct sd_task *t); /* frees it, run or not */
    struct sd_context *context;
    bool always;            /* runs even after the context has failed */
    struct sd_point *after; /* places in other streams that must be reached first */
    unsigned n_after;
};

struct sd_stream {
    struct sd_context *context;
    struct sd_stream *next;
    unsigned flags;
    int priority;
    uint64_t id;
    CUstreamAttrValue attributes[CU_LAUNCH_ATTRIBUTE_MAX]; /* as set; hints, all of them */
    bool legacy, started, closing, closed;
    unsigned references; /* handle, thread, events and tasks that name it */
    pthread_t thread;
    pthread_cond_t work;
    struct sd_task *head, **tail;
    uint64_t issued, done; /* task numbers */
    struct sd_point *wait; /* cuStreamWaitEvent: before the next task */
    unsigned n_wait;
};

/* The stream that a handle means on this thread, with a living current context. */
CUresult sd_stream_of(CUstream handle, struct sd_context **context, struct sd_stream **out);
/* Appends a task (taken over in every case). *at, unless at is NULL, is its place, with a reference to the
 * stream that is the caller's to give back. */
CUresult sd_enqueue(struct sd_stream *s, struct sd_task *t, struct sd_point *at);
/* Waits until a place is reached; the context's error. */
CUresult sd_wait(struct sd_point p);
/* Appends a task and waits for it. */
CUresult sd_enqueue_and_wait(struct sd_stream *s, struct sd_task *t);
CUresult sd_wait_all(struct sd_context *c);
bool sd_reached(struct sd_point p);
struct sd_point sd_here(struct sd_stream *s);
void sd_stream_ref(struct sd_stream *s);
void sd_stream_unref(struct sd_stream *s);
/* Makes the next task of s wait for p. */
CUresult sd_stream_after(struct sd_stream *s, struct sd_point p);
struct sd_stream *sd_stream_new(struct sd_context *c, unsigned flags, int priority, bool legacy);
void sd_stream_close(struct sd_stream *s);
/* Ends all streams of a context; their tasks are finished first. */
void sd_streams_end(struct sd_context *c);
/* Whether nothing at all is under way that a task on s would have to wait for. */
bool sd_idle_for(struct sd_stream *s);

/* ---- context.c ---- */

struct sd_context {
    struct sd_device *device;
    struct hawser_context facts;
    size_t limits[16];
    CUfunc_cache cache;
    CUsharedconfig shared_config;
    pthread_mutex_t lock;    /* guards the streams and their queues */
    pthread_cond_t progress; /* some task has ended */
    struct sd_stream *streams, *legacy;
    struct sd_thread_stream *thread_streams;
    CUresult error; /* sticky; under lock */
    struct sd_module *modules;
    struct sd_event *events;
    struct sd_array *arrays;
    struct sd_mipmap *mipmaps;
    struct sd_texture *textures; /* objects, of textures and surfaces */
    uint32_t peers;              /* devices whose memory access was enabled to, a bit each */
};

/* The calling thread's current context, which must live. With error, its sticky error is returned. */
CUresult sd_current(struct sd_context **out);
/* The same without regard to a sticky error. */
CUresult sd_current_any(struct sd_context **out);
void sd_context_fail(struct sd_context *c, CUresult error);
CUresult sd_context_error(struct sd_context *c);

/* ---- module.c ---- */

struct sd_module {
    struct sd_module *next;
    struct sd_context *context; /* where its variables live; NULL for a library not yet used */
    struct sd_device *device;
    struct sg_module *ir;
    struct sg_instance *instance;
    pthread_mutex_t lock;
    struct sd_kernel *kernels;
    struct sd_texref *texrefs; /* of the calling program's asking */
    bool library;
};

struct sd_kernel {
    struct sd_kernel *next;
    struct sd_module *module;
    struct sg_kernel *kernel;
    const struct sg_kernel_info *info;
    struct hawser_kernel facts; /* the attributes as set */
};

void sd_modules_end(struct sd_context *c);
/* The kernel behind a CUfunction or CUkernel; NULL for a bad handle. */
struct sd_kernel *sd_kernel(const void *handle);
/* Fills what the front end knows of a kernel from info; false when memory is short. */
bool sd_kernel_describe(struct sd_kernel *k);
CUresult sd_code_result(enum sg_code code);
/* The texts to load of whatever programs pass as an image; to be closed with sg_image_close. */
CUresult sd_open_image(const void *code, struct sg_image *image, struct sg_diag *diag);
/* Parses the bodies of all kernels, so that an instruction that is missing fails the load, as it does with CUDA. */
enum sg_code sd_parse_all(struct sg_module *ir, struct sg_diag *diag);
#define SD_EAGER_TEXT ((size_t)1 << 20) /* bytes: explicitly loaded PTX up to here is parsed whole */
/* What linked texts begin with, and each of their parts (linker.c): comments in PTX. */
#define SD_LINKED_HEAD "//hawser-linked\n"
#define SD_LINKED_LIMIT "//hawser-registers " /* a number, where CU_JIT_MAX_REGISTERS was asked for */
#define SD_LINKED_PART "\n//hawser-linked-part\n"

/* A living module or library by its handle. */
CUresult sd_module_of(const void *handle, struct sd_module **m);

/* ---- event.c ---- */

void sd_events_end(struct sd_context *c);
/* shared, NULL for an event of this process alone, is taken over in every case. */
CUresult sd_event_new(struct sd_context *c, unsigned flags, struct sd_shared_event *shared, CUevent *out);
struct sd_shared_event *sd_event_shared(CUevent event);

/* ---- shared_event.c: the part of an event that other processes see ---- */

/* Names of the files behind IPC handles. */
#define SD_IPC_MEMORY "hawser-ipc"
#define SD_IPC_EVENT "hawser-ipc-event"
#define SD_IPC_POOL "hawser-ipc-pool"

struct sd_shared_event *sd_shared_event_new(void);
/* Of another process; takes the descriptor over. */
struct sd_shared_event *sd_shared_event_open(int fd);
int sd_shared_event_fd(const struct sd_shared_event *e);
void sd_shared_event_unref(struct sd_shared_event *e);
bool sd_shared_event_reached(struct sd_shared_event *e);
/* Waits for the last record; CUDA_ERROR_UNKNOWN when the process that made it has gone. */
CUresult sd_shared_event_wait(struct sd_shared_event *e);
CUresult sd_shared_event_record(struct sd_shared_event *e, struct sd_stream *s);
/* The stream waits for the last record. */
CUresult sd_shared_event_before(struct sd_shared_event *e, struct sd_stream *s);

/* ---- array.c ---- */

struct sd_array {
    struct sd_array *next;
    struct sd_context *context;
    struct sd_mipmap *mipmap; /* whose level it is; NULL for one of its own */
    CUDA_ARRAY3D_DESCRIPTOR desc;
    unsigned element; /* bytes of a texel */
    struct sg_level level;
};

struct sd_mipmap {
    struct sd_mipmap *next;
    struct sd_context *context;
    unsigned n_levels;
    struct sd_array levels[SG_MAX_LEVELS];
};

/* What a format means: the channel's type, and whether its integers are always read as fractions.
 * CUDA_ERROR_INVALID_VALUE when it is none or the number of channels does not go with it. */
CUresult sd_format(CUarray_format format, unsigned channels, enum sg_channel *channel, bool *fraction);
/* NULL when the handle is none. */
struct sd_array *sd_array(CUarray handle);
struct sd_mipmap *sd_mipmap(CUmipmappedArray handle);
void sd_arrays_end(struct sd_context *c);

/* ---- texture.c ---- */

/* The texture that the descriptors describe; desc NULL: the surface. */
CUresult sd_describe(struct sd_context *c, const CUDA_RESOURCE_DESC *resource, const CUDA_TEXTURE_DESC *desc,
                     const CUDA_RESOURCE_VIEW_DESC *view, struct sg_texture *out);
void sd_textures_end(struct sd_context *c);

/* ---- texref.c ---- */

void sd_texrefs_end(struct sd_module *m);

#endif
