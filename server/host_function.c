/*
 * Host functions: the driver calls a trampoline here when a stream has come to one; the guest runs the function, and
 * the trampoline returns, which lets the stream go on, when the guest says that it is done. A trampoline may not use
 * the driver, so a waiter thread sends what the guest must have before.
 */
#include "served.h"

#include <stdlib.h>

#include "log.h"
#include "waiters.h"

struct turn {
    struct turn *next;
    struct worker *worker;
    uint64_t id, number;
    CUresult status;
    bool done;
};

/* Those whose functions the guest is running; numbers are never used again. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static struct turn *turns;
static uint64_t last_number;

static void send_call(void *arg)
{
    struct turn *t = arg;
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    Hawser__HostCall call = HAWSER__HOST_CALL__INIT, *list[] = {&call};
    staging_push_ready(t->worker);
    host_memory_push(t->worker);
    output_flush(t->worker);
    call.id = t->id;
    call.turn = t->number;
    call.status = t->status;
    m.n_host_calls = 1;
    m.host_calls = list;
    worker_send(t->worker, &m, NULL, 0);
}

static void trampoline(void *arg)
{
    struct turn *t = arg;
    pthread_mutex_lock(&lock);
    t->number = ++last_number;
    t->next = turns;
    turns = t;
    pthread_mutex_unlock(&lock);
    waiters_run(send_call, t);
    pthread_mutex_lock(&lock);
    while (!t->done)
        pthread_cond_wait(&change, &lock);
    for (struct turn **p = &turns; *p; p = &(*p)->next)
        if (*p == t) {
            *p = t->next;
            break;
        }
    pthread_mutex_unlock(&lock);
    free(t);
}

static void callback_trampoline(CUstream stream, CUresult status, void *arg)
{
    (void)stream;
    ((struct turn *)arg)->status = status;
    trampoline(arg);
}

CUresult serve_HostFunction(struct served *c, const struct host_function_args *a)
{
    const struct cuda_driver *d = c->driver;
    if (a->callback ? !d->cuStreamAddCallback : !d->cuLaunchHostFunc) return CUDA_ERROR_NOT_SUPPORTED;
    struct turn *t = calloc(1, sizeof *t);
    if (!t) return CUDA_ERROR_OUT_OF_MEMORY;
    t->worker = c->worker;
    t->id = a->id;
    /* From now on "done" must be heard even while a call waits for the stream. */
    worker_receive_apart(c->worker);
    CUresult r = a->callback ? d->cuStreamAddCallback(a->stream, callback_trampoline, t, 0)
                             : d->cuLaunchHostFunc(a->stream, trampoline, t);
    if (r != CUDA_SUCCESS) free(t);
    return r;
}

/* On whichever thread receives. */
CUresult serve_HostDone(struct served *c, const struct host_done_args *a)
{
    (void)c;
    pthread_mutex_lock(&lock);
    for (struct turn *t = turns; t; t = t->next)
        if (t->number == a->turn) t->done = true;
    pthread_cond_broadcast(&change);
    pthread_mutex_unlock(&lock);
    return CUDA_SUCCESS;
}
