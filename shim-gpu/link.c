/*
 * The guest's link to the host: opened once per process, by cuInit or nvmlInit, and lost for ever when the host goes.
 * A forked child opens one of its own; CUDA answers there only if the parent had not initialized it.
 */
#include "shim.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "cuda_abi.h"
#include "dump.h"
#include "log.h"

/* One link per process. state says which of the others may be read. */
static _Atomic(int) state; /* enum below */
enum { UNOPENED, OPEN, REFUSED, GONE };
static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_bool initialized; /* cuInit has succeeded */
static atomic_bool forked;      /* a parent's cuInit has, so that CUDA is lost here */
static CUresult open_result;
static struct hawser_session *session;
static Hawser__Opened *host;

static void on_push(void *user, const Hawser__Push *push, const void *data, size_t size) {
    (void)user;
    (push->mirror ? shim_mirror_push : shim_transfer_push)(push, data, size);
}

/* What kernels printed, in order with what the program prints itself; and what the driver said of them. */
static void on_output(void *user, int fd, const void *text, size_t size) {
    (void)user;
    if (fd == 1)
        fwrite(text, 1, size, stdout);
    else if (write(STDERR_FILENO, text, size) < 0)
        hawser_log(HAWSER_DEBUG, "%zu bytes for stderr were lost", size);
}

static void on_host_call(void *user, const Hawser__HostCall *call) {
    (void)user;
    shim_host_function_due(call->id, call->turn, (CUresult)call->status);
}

static void on_notification(void *user, const Hawser__Notification *n) {
    (void)user;
    CUasyncNotificationInfo info = {.type = (CUasyncNotificationType)n->type};
    info.info.overBudget.bytesOverBudget = n->bytes_over_budget;
    hawser_abi_notify(n->device, &info);
}

static void on_gone(void *user) {
    (void)user;
    int before = UNOPENED; /* it may go before it is seen as open */
    if (!atomic_compare_exchange_strong(&state, &before, GONE) && before == OPEN)
        atomic_compare_exchange_strong(&state, &before, GONE);
    shim_transfers_lost();
    shim_host_functions_lost();
}

/* The session is the parent's; of its memory nothing is touched here. */
static void in_child(void) {
    static const pthread_once_t never = PTHREAD_ONCE_INIT;
    if (atomic_load(&initialized)) atomic_store(&forked, true);
    if (atomic_load(&state) == REFUSED) return;
    once = never;
    atomic_store(&initialized, false);
    atomic_store(&state, UNOPENED);
    session = NULL;
    host = NULL;
    shim_devices_in_child();
    shim_nvml_in_child();
}

enum { FUNCTIONS = 2000 /* above all numbers: each API has a range of a thousand */ };
static bool is_served[FUNCTIONS]; /* by the host; written at the opening */

static void refuse(void) {
    open_result = CUDA_ERROR_SYSTEM_NOT_READY;
    atomic_store(&state, REFUSED);
}

static void open_link(void) {
    char endpoint[HAWSER_ENDPOINT_MAX], err[512];
    hawser_log_name("hawser guest");
    enum hawser_config told = hawser_config_server(endpoint, err, sizeof err);
    if (told != HAWSER_CONFIG_NAMED) {
        hawser_log(HAWSER_ERROR, "%s",
                   told == HAWSER_CONFIG_WRONG
                       ? err
                       : "no server named: set HAWSER_SERVER, or start the program with 'hawser run'");
        refuse();
        return;
    }
    struct hawser_session_events events = {on_push,         on_output, on_host_call, shim_on_timing,
                                           on_notification, on_gone,   NULL};
    if (hawser_session_open(endpoint, &events, &session, &host, err, sizeof err) != 0) {
        hawser_log(HAWSER_ERROR, "%s", err);
        refuse();
        return;
    }
    for (uint32_t f = 0; f < FUNCTIONS; f++)
        is_served[f] = hawser_protocol_serves(host, f);
    static bool watched;
    open_result = CUDA_SUCCESS;
    int before = UNOPENED;
    atomic_compare_exchange_strong(&state, &before, OPEN);
    if (!watched) pthread_atfork(NULL, NULL, in_child);
    watched = true;
    hawser_log(HAWSER_INFO, "session with %s, host release %s", endpoint, host->version);
}

CUresult shim_open_apart(void) {
    pthread_once(&once, open_link);
    if (atomic_load(&state) == GONE) return SHIM_HOST_GONE;
    return open_result;
}

CUresult shim_open(void) {
    return atomic_load(&forked) ? CUDA_ERROR_NOT_INITIALIZED : shim_open_apart();
}

void shim_init_done(void) {
    atomic_store(&initialized, true);
}

const Hawser__Opened *shim_host(void) {
    return host;
}

CUresult shim_initialized(void) {
    switch (atomic_load_explicit(&state, memory_order_acquire)) {
    case OPEN:
        return atomic_load_explicit(&initialized, memory_order_relaxed) ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
    case GONE:
        return SHIM_HOST_GONE;
    case REFUSED:
        return open_result;
    default:
        return CUDA_ERROR_NOT_INITIALIZED;
    }
}

CUresult shim_enter(struct shim_call *c, uint32_t function, bool need_context) {
    CUresult r = shim_initialized();
    if (r != CUDA_SUCCESS) return r;
    c->function = function;
    c->context = shim_current();
    if (c->context && c->context->kind != HAWSER_CONTEXT) {
        if (need_context) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
        c->context = NULL;
    }
    if (need_context && !c->context) return CUDA_ERROR_INVALID_CONTEXT;
    c->who = (struct hawser_caller){.thread = shim_thread_id()};
    /* A runtime makes its primary context current before it retains it: the host must not be asked to
     * make a context current where none is needed. */
    c->who.context = need_context ? c->context->id : 0;
    return CUDA_SUCCESS;
}

CUresult shim_enter_stream(struct shim_call *c, uint32_t function, CUstream stream) {
    CUresult r = shim_enter(c, function, true);
    if (r == CUDA_ERROR_INVALID_CONTEXT) {
        const struct shim_object *o = shim_object(HAWSER_STREAM, stream);
        if (!o || !o->context || o->context->kind != HAWSER_CONTEXT) return r;
        c->context = o->context;
        c->who = (struct hawser_caller){.thread = shim_thread_id(), .context = o->context->id};
        r = CUDA_SUCCESS;
    }
    if (r == CUDA_SUCCESS) r = (CUresult)atomic_load_explicit(&c->context->ctx.failed, memory_order_relaxed);
    return r == CUDA_SUCCESS ? shim_settle_copy(c, stream) : r;
}

/* After these a context, and on a real GPU its process, can only be ended. */
static bool is_lasting(CUresult r) {
    switch (r) {
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
        return true;
    default:
        return false;
    }
}

void shim_context_check(struct shim_object *context) {
    struct hawser_caller who = {.thread = shim_thread_id(), .context = context->id};
    Hawser__CuMemGetInfoV2 m = HAWSER__CU_MEM_GET_INFO_V2__INIT;
    int32_t result = 0;
    if (hawser_session_call(session, who, HAWSER_FN_cuMemGetInfo_v2, &m.base, NULL, 0, NULL, &result, NULL) != 0)
        return;
    bool failed = is_lasting((CUresult)result);
    if (failed) atomic_store(&context->ctx.failed, result);
    if (failed || result == CUDA_ERROR_INVALID_CONTEXT)
        shim_host_functions_failed(context); /* it may have been ended */
}

static void say(const char *how, const struct shim_call *c, const ProtobufCMessage *m, int result) {
    char text[512];
    if (!hawser_log_enabled(HAWSER_DEBUG)) return;
    hawser_dump(text, sizeof text, hawser_api_function(c->function), m);
    hawser_log(HAWSER_DEBUG, "%s %s -> %d", how, text, result);
}

/* What the host does not serve is answered here; the frames are then given back. */
static bool served(const struct shim_call *c, struct hawser_frame *frames, unsigned n) {
    if (is_served[c->function]) return true;
    hawser_frames_free(frames, n);
    hawser_abi_not_supported(hawser_api_function(c->function)->name);
    return false;
}

bool shim_reserve(size_t size, struct hawser_frame *out) {
    return hawser_session_reserve(session, size, out);
}

CUresult shim_post(struct shim_call *c, const ProtobufCMessage *m, struct hawser_frame *frames, unsigned n) {
    if (!served(c, frames, n)) return CUDA_ERROR_NOT_SUPPORTED;
    shim_trace_start(c);
    int rc = hawser_session_post(session, c->who, c->function, m, frames, n);
    shim_trace_end(c);
    say("post", c, m, rc);
    return rc == 0 ? CUDA_SUCCESS : SHIM_HOST_GONE;
}

CUresult shim_call(struct shim_call *c, const ProtobufCMessage *m, struct hawser_frame *frames, unsigned n,
                   ProtobufCMessage **reply) {
    int32_t result = 0;
    if (!served(c, frames, n)) return CUDA_ERROR_NOT_SUPPORTED;
    shim_trace_start(c);
    int rc = hawser_session_call(session, c->who, c->function, m, frames, n,
                                 reply ? hawser_api_function(c->function)->reply : NULL, &result, reply);
    shim_trace_end(c);
    say("call", c, m, rc == 0 ? result : -1);
    /* The failure may be another context's, whose stream was named. */
    if (rc == 0 && is_lasting((CUresult)result) && c->context && c->context->id == c->who.context &&
        !c->context->ctx.failed)
        shim_context_check(c->context);
    return rc == 0 ? (CUresult)result : SHIM_HOST_GONE;
}

void shim_free_reply(void *reply) {
    if (reply) protobuf_c_message_free_unpacked(reply, NULL);
}

bool shim_take(void *to, size_t size, const ProtobufCBinaryData *from) {
    if (from->len != size) return false;
    if (size) memcpy(to, from->data, size);
    return true;
}

/* ---- what cuda-abi/ asks of its library ---- */

void hawser_abi_log(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    hawser_vlog(HAWSER_WARN, fmt, ap);
    va_end(ap);
}

CUresult hawser_abi_ready(void) {
    return shim_initialized();
}

int hawser_abi_conditionals(void) {
    if (!host) return 0;
    return host->software || (host->n_devices && host->devices[0]->software); /* the latter from earlier hosts */
}

CUresult hawser_abi_watch(CUdevice device, int on) {
    struct shim_call c;
    Hawser__Watch m = HAWSER__WATCH__INIT;
    CUresult r = shim_enter(&c, HAWSER_FN_Watch, false);
    m.device = device;
    m.on = on;
    return r == CUDA_SUCCESS ? shim_call(&c, &m.base, NULL, 0, NULL) : r;
}

CUresult hawser_abi_run_in_stream(CUstream stream, CUresult (*fn)(void *arg), const void *arg, size_t size) {
    (void)size;
    CUresult r = cuStreamSynchronize(stream);
    return r == CUDA_SUCCESS ? fn((void *)arg) : r;
}

/* For the preload object: whether the host's devices are the software GPU's. */
__attribute__((visibility("default"))) int hawser_guest_software(void) {
    return shim_open() == CUDA_SUCCESS && hawser_abi_conditionals();
}
