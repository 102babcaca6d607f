#include "trace.h"

#include <stdatomic.h>

#include "clock.h"
#include "shim.h"

static void (*_Atomic handler)(const struct hawser_guest_timing *t);
static __thread struct hawser_guest_calls calls;
static __thread uint64_t started;

void hawser_guest_trace(void (*timing)(const struct hawser_guest_timing *t)) {
    atomic_store(&handler, timing);
}

struct hawser_guest_calls *hawser_guest_trace_calls(void) {
    return &calls;
}

const void *hawser_front_caller(const void *returns_to) {
    return calls.id ? calls.caller : returns_to;
}

void shim_trace_start(struct shim_call *c) {
    c->who.trace = calls.id;
    if (!calls.id) return;
    started = hawser_now_ns();
    if (!calls.sent) calls.sent = started;
}

void shim_trace_end(const struct shim_call *c) {
    if (!c->who.trace) return;
    uint64_t ended = hawser_now_ns();
    if (hawser_api_function(c->function)->flags & HAWSER_API_POST) {
        calls.posts++;
        return;
    }
    calls.calls++;
    calls.answered = ended;
    calls.waited += ended - started;
}

void shim_on_timing(void *user, const Hawser__Timing *t) {
    (void)user;
    void (*call)(const struct hawser_guest_timing *) = atomic_load(&handler);
    const struct hawser_api_function *f = hawser_api_function(t->function);
    int post = f && f->flags & HAWSER_API_POST;
    struct hawser_guest_timing out = {t->trace, f ? f->name : "?", post,          t->received, t->started,
                                      t->ended, t->device_start,   t->device_end, t->result};
    if (call) call(&out);
}

void hawser_guest_trace_flush(void) {
    struct shim_call c;
    Hawser__TraceFlush m = HAWSER__TRACE_FLUSH__INIT;
    calls.id = 0;
    if (shim_enter(&c, HAWSER_FN_TraceFlush, false) == CUDA_SUCCESS) shim_call(&c, &m.base, NULL, 0, NULL);
}
