/*
 * Host functions and stream callbacks: kept here, run here, when the host says that their stream has come to them.
 * One thread runs them, in the order in which they come due; it starts with the first.
 */
#include "shim.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cuda_abi.h"

#define CHECK_MS 100 /* after which it is asked whether what is waited for can still come */

struct host_function {
    struct host_function *next;
    uint64_t id, turn;
    bool due;
    CUhostFn fn;
    CUstreamCallback callback;
    CUstream stream;
    struct shim_object *context;
    void *data;
    CUresult status;
};

/* All of the process; lock guards everything. Due ones are in the order in which they came due. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static struct host_function *waiting, *due, **due_end = &due;
static uint64_t next_id = 1;
static bool started, lost;
static unsigned running; /* 1 while a function runs */

static void tell_done(uint64_t turn) {
    struct shim_call c = {.function = HAWSER_FN_HostDone, .who = {.thread = shim_thread_id()}};
    Hawser__HostDone m = HAWSER__HOST_DONE__INIT;
    m.turn = turn;
    c.who.at_once = true;
    shim_mirror_post(&c);
    shim_post(&c, &m.base, NULL, 0);
}

static void *runner(void *unused) {
    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!due)
            pthread_cond_wait(&change, &lock);
        struct host_function *f = due;
        due = f->next;
        if (!due) due_end = &due;
        running = 1;
        pthread_mutex_unlock(&lock);
        hawser_abi_enter_callback();
        if (f->fn)
            f->fn(f->data);
        else
            f->callback(f->stream, f->status, f->data);
        hawser_abi_leave_callback();
        tell_done(f->turn);
        free(f);
        pthread_mutex_lock(&lock);
        running = 0;
        pthread_cond_broadcast(&change);
    }
    return NULL;
}

/* Under the lock. The program's signals are not for this thread. */
static bool start_runner(void) {
    sigset_t all, before;
    pthread_t t;
    if (started) return true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = pthread_create(&t, NULL, runner, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started) pthread_detach(t);
    return started;
}

void shim_host_function_due(uint64_t id, uint64_t turn, CUresult status) {
    pthread_mutex_lock(&lock);
    struct host_function **p = &waiting;
    while (*p && (*p)->id != id)
        p = &(*p)->next;
    struct host_function *f = *p;
    if (f) {
        *p = f->next;
        f->next = NULL;
        f->turn = turn;
        f->status = status;
        *due_end = f;
        due_end = &f->next;
        pthread_cond_broadcast(&change);
    }
    pthread_mutex_unlock(&lock);
}

/* Under the lock; waits for a change, or some time. */
static bool changed_in_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += CHECK_MS * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return pthread_cond_timedwait(&change, &lock, &t) == 0;
}

/* One whose context has failed never comes due, and the program may not have asked yet. */
void shim_host_functions_settle(void) {
    pthread_mutex_lock(&lock);
    while (!lost && (waiting || due || running)) {
        if (changed_in_time() || due || running || !waiting) continue;
        struct shim_object *context = waiting->context;
        pthread_mutex_unlock(&lock);
        shim_context_check(context);
        pthread_mutex_lock(&lock);
    }
    pthread_mutex_unlock(&lock);
}

/* CUDA calls callbacks all the same, with the error, and host functions not. */
void shim_host_functions_failed(const struct shim_object *context) {
    pthread_mutex_lock(&lock);
    for (struct host_function **p = &waiting; *p;) {
        struct host_function *f = *p;
        if (f->context == context && f->fn) {
            *p = f->next;
            free(f);
        } else {
            p = &f->next;
        }
    }
    pthread_cond_broadcast(&change);
    pthread_mutex_unlock(&lock);
}

void shim_host_functions_lost(void) {
    pthread_mutex_lock(&lock);
    lost = true;
    pthread_cond_broadcast(&change);
    pthread_mutex_unlock(&lock);
}

static void forget(uint64_t id) {
    pthread_mutex_lock(&lock);
    for (struct host_function **p = &waiting; *p; p = &(*p)->next)
        if ((*p)->id == id) {
            struct host_function *f = *p;
            *p = f->next;
            free(f);
            break;
        }
    pthread_mutex_unlock(&lock);
}

static CUresult add(CUstream stream, CUhostFn fn, CUstreamCallback callback, void *data) {
    struct shim_call c;
    Hawser__HostFunction m = HAWSER__HOST_FUNCTION__INIT;
    CUresult r = shim_enter_stream(&c, HAWSER_FN_HostFunction, stream);
    if (r == CUDA_SUCCESS) r = shim_handle(HAWSER_STREAM, stream, &m.stream);
    if (r != CUDA_SUCCESS) return r;
    if (!fn && !callback) return CUDA_ERROR_INVALID_VALUE;
    struct host_function *f = calloc(1, sizeof *f);
    if (!f) return CUDA_ERROR_OUT_OF_MEMORY;
    *f = (struct host_function){.fn = fn, .callback = callback, .stream = stream, .context = c.context, .data = data};
    pthread_mutex_lock(&lock);
    bool ok = start_runner();
    m.id = f->id = next_id++;
    m.callback = callback != NULL;
    f->next = waiting;
    waiting = f;
    pthread_mutex_unlock(&lock);
    r = ok ? shim_post(&c, &m.base, NULL, 0) : CUDA_ERROR_OUT_OF_MEMORY;
    if (r != CUDA_SUCCESS) forget(m.id);
    return r;
}

CUresult cuLaunchHostFunc(CUstream hStream, CUhostFn fn, void *userData) {
    return add(hStream, fn, NULL, userData);
}

CUresult cuStreamAddCallback(CUstream hStream, CUstreamCallback callback, void *userData, unsigned int flags) {
    return flags ? CUDA_ERROR_INVALID_VALUE : add(hStream, NULL, callback, userData);
}
