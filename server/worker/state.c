#include "state.h"

#include <inttypes.h>
#include <stdlib.h>

#include "ledger.h"

/* In the order of ending: what uses something ends before it. They begin the other way round. */
static const struct session_state *const states[] = {
    &trace_state,   &staging_state, &host_memory_state, &host_function_state, &notifications_state, &handle_file_state,
    &objects_state, &ledger_state,  &post_errors_state, &nvml_state,          &devices_state,
};

#define STATES (sizeof states / sizeof *states)

static _Thread_local struct served *serving; /* each thread serves one call at a time */

struct served *session_call(void) {
    return serving;
}

void session_serves(struct served *c) {
    serving = c;
}

bool session_begin(struct session *session) {
    for (size_t i = STATES; i-- > 0;)
        if (!states[i]->begin(session)) return false;
    return true;
}

void session_end_context(struct served *c, const struct object *context) {
    for (size_t i = 0; i < STATES; i++)
        if (states[i]->end_context) states[i]->end_context(c, context);
}

/* ---- the session's end ---- */

static bool all_done(struct session *session, enum hawser_object_kind kind) {
    const struct cuda_driver *d = &session->driver;
    size_t n;
    struct object *all = objects_of_kind(session, kind, &n);
    bool done = all != NULL;
    for (size_t i = 0; i < n && done; i++) {
        if (kind == HAWSER_CONTEXT && d->cuCtxSetCurrent(all[i].handle) != CUDA_SUCCESS) continue;
        CUstream stream = kind == HAWSER_CONTEXT ? CU_STREAM_LEGACY : all[i].handle;
        done = d->cuStreamQuery(stream) != CUDA_ERROR_NOT_READY;
    }
    free(all);
    return done;
}

bool session_idle(struct session *session) {
    for (size_t i = 0; i < STATES; i++)
        if (states[i]->idle && !states[i]->idle(session)) return false;
    return !session->serving && all_done(session, HAWSER_CONTEXT) && all_done(session, HAWSER_STREAM);
}

static void end_contexts(struct session *session) {
    size_t n;
    struct object *all = objects_of_kind(session, HAWSER_CONTEXT, &n);
    for (size_t i = 0; i < n; i++) {
        struct served c = {.session = session, .driver = &session->driver, .context = all[i].id};
        CUdevice device = 0;
        if (c.driver->cuCtxSetCurrent(all[i].handle) == CUDA_SUCCESS) c.driver->cuCtxGetDevice(&device);
        context_end(&c, &all[i], device, false);
    }
    free(all);
}

void session_end(struct session *session) {
    end_contexts(session);
    for (size_t i = 0; i < STATES; i++)
        if (states[i]->end) states[i]->end(session);
}

/* ---- what there is ---- */

void session_list(struct session *session, session_visit *visit, void *arg) {
    for (size_t i = 0; i < STATES; i++)
        if (states[i]->list) states[i]->list(session, visit, arg);
}

static void count(const struct session_item *item, void *arg) {
    (void)item;
    ++*(size_t *)arg;
}

static void write_line(const struct session_item *item, void *arg) {
    FILE *out = arg;
    fprintf(out, "  %s", item->what);
    if (item->id) fprintf(out, " %" PRIu64, item->id);
    if (item->address) fprintf(out, " at 0x%" PRIx64, item->address);
    if (item->size) fprintf(out, ", %" PRIu64 " bytes", item->size);
    if (item->context) fprintf(out, ", context %" PRIu64, item->context);
    if (*item->made_by) fprintf(out, ", by %s", item->made_by);
    if (item->thread) fprintf(out, " of thread %u", item->thread);
    fputc('\n', out);
}

void session_dump(struct session *session, FILE *out) {
    size_t n = 0;
    session_list(session, count, &n);
    fprintf(out, "%zu things, %" PRIu64 " bytes of device memory\n", n, ledger_in_use(session));
    session_list(session, write_line, out);
}
