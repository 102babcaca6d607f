/*
 * Host functions: the driver calls a trampoline here when a stream has come to one; the guest runs the function, and
 * the trampoline returns, which lets the stream go on, when the guest says that it is done. A trampoline may not use
 * the driver, so a waiter thread sends what the guest must have before.
 */
#include "state.h"

#include <stdlib.h>

#include "log.h"
#include "waiters.h"

struct turn {
    struct turn *next;
    struct session *session;
    uint64_t id, number;
    CUresult status;
    bool done;
};

/* Those whose functions the guest is running; numbers are never used again. */
struct host_functions {
    pthread_mutex_t lock; /* guards all below, and what the turns say */
    pthread_cond_t change;
    struct turn *turns;
    uint64_t last_number;
};

static void send_call(void *arg) {
    struct turn *t = arg;
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    Hawser__HostCall call = HAWSER__HOST_CALL__INIT, *list[] = {&call};
    staging_push_ready(t->session);
    host_memory_push(t->session);
    output_flush(t->session);
    call.id = t->id;
    call.turn = t->number;
    call.status = t->status;
    m.n_host_calls = 1;
    m.host_calls = list;
    session_send(t->session, &m, NULL, 0);
}

static void trampoline(void *arg) {
    struct turn *t = arg;
    struct host_functions *all = t->session->host_functions;
    pthread_mutex_lock(&all->lock);
    t->number = ++all->last_number;
    t->next = all->turns;
    all->turns = t;
    pthread_mutex_unlock(&all->lock);
    waiters_run(send_call, t);
    pthread_mutex_lock(&all->lock);
    while (!t->done)
        pthread_cond_wait(&all->change, &all->lock);
    for (struct turn **p = &all->turns; *p; p = &(*p)->next)
        if (*p == t) {
            *p = t->next;
            break;
        }
    pthread_mutex_unlock(&all->lock);
    free(t);
}

static void callback_trampoline(CUstream stream, CUresult status, void *arg) {
    (void)stream;
    ((struct turn *)arg)->status = status;
    trampoline(arg);
}

CUresult serve_HostFunction(struct served *c, const struct host_function_args *a) {
    const struct cuda_driver *d = c->driver;
    if (a->callback ? !d->cuStreamAddCallback : !d->cuLaunchHostFunc) return CUDA_ERROR_NOT_SUPPORTED;
    struct turn *t = calloc(1, sizeof *t);
    if (!t) return CUDA_ERROR_OUT_OF_MEMORY;
    t->session = c->session;
    t->id = a->id;
    /* From now on "done" must be heard even while a call waits for the stream. */
    session_receive_apart(c->session);
    CUresult r = a->callback ? d->cuStreamAddCallback(a->stream, callback_trampoline, t, 0)
                             : d->cuLaunchHostFunc(a->stream, trampoline, t);
    if (r != CUDA_SUCCESS) free(t);
    return r;
}

/* On whichever thread receives. */
CUresult serve_HostDone(struct served *c, const struct host_done_args *a) {
    struct host_functions *all = c->session->host_functions;
    pthread_mutex_lock(&all->lock);
    for (struct turn *t = all->turns; t; t = t->next)
        if (t->number == a->turn) t->done = true;
    pthread_cond_broadcast(&all->change);
    pthread_mutex_unlock(&all->lock);
    return CUDA_SUCCESS;
}

/* ---- of the session ---- */

static bool begin(struct session *session) {
    struct host_functions *all = session->host_functions = calloc(1, sizeof *all);
    if (!all) return false;
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->change, NULL);
    return true;
}

static void list(struct session *session, session_visit *visit, void *arg) {
    struct host_functions *all = session->host_functions;
    pthread_mutex_lock(&all->lock);
    for (struct turn *t = all->turns; t; t = t->next)
        visit(&(struct session_item){.what = "host function's turn", .id = t->id, .made_by = "HostFunction"}, arg);
    pthread_mutex_unlock(&all->lock);
}

/* No stream is at one when the session ends in order. */
static void end(struct session *session) {
    free(session->host_functions);
    session->host_functions = NULL;
}

static bool idle(struct session *session) {
    struct host_functions *all = session->host_functions;
    pthread_mutex_lock(&all->lock);
    bool idle = !all->turns;
    pthread_mutex_unlock(&all->lock);
    return idle;
}

const struct session_state host_function_state = {"host functions", begin, list, NULL, end, idle};
