// Kernels launched by kernels: what waits for the end of its parent.
//
// A grid's children run after it has ended, one after the other in the order in which they were launched, each with its
// own children; then the tail launches. CUDA lets nobody wait for a child in the launching grid, so that this order is
// one of those it allows, whatever streams and events the program uses.
#include "engine.h"

#include <stdlib.h>
#include <string.h>

enum { STREAM_TAIL_LAUNCH = 3 }; // cudaStreamTailLaunch

// ---- children -----------------------------------------------------------------------------------

static void free_child(struct sg_engine *engine, struct child *c) {
    sg_heap_give_back(&engine->launch_heap, c->buffer);
    free(c);
}

static struct child *reversed(struct child *list) {
    struct child *out = NULL;
    while (list) {
        struct child *next = list->next;
        list->next = out;
        out = list;
        list = next;
    }
    return out;
}

enum sg_fault_kind sg_run_children(struct launch *l, struct child **tails, struct sg_fault *fault) {
    for (struct child *c = l->offered = reversed(l->offered), *next; c; c = next) { // never launched
        next = c->next;
        free_child(l->engine, c);
    }
    for (struct child *c = reversed(l->children), *next; c; c = next) {
        next = c->next;
        if (fault->kind == SG_FAULT_NONE) sg_launch(l->engine, c->kernel, &c->p, fault);
        free_child(l->engine, c);
    }
    *tails = reversed(l->tails);
    return fault->kind;
}

// A tail launch's own tail launches come before those that are left.
void sg_run_tails(struct sg_engine *engine, struct child *tails, struct sg_fault *fault) {
    while (tails) {
        struct child *c = tails, *more = NULL;
        tails = c->next;
        if (fault->kind == SG_FAULT_NONE) sg_run_grid(engine, c->kernel, &c->p, &more, fault);
        free_child(engine, c);
        struct child **end = &more;
        while (*end)
            end = &(*end)->next;
        *end = tails;
        tails = more;
    }
}

// ---- launching ----------------------------------------------------------------------------------

uint64_t sg_offer_child(struct launch *l, struct child child, uint64_t bytes) {
    struct child *c = malloc(sizeof *c);
    uint64_t buffer = c ? sg_heap_take(l->engine, &l->engine->launch_heap, bytes ? bytes : 1) : 0;
    if (!buffer) {
        free(c);
        return 0;
    }
    *c = child;
    c->buffer = buffer;
    c->p.params = (const void *)buffer;
    c->p.param_bytes = bytes;
    c->p.stack_bytes = l->p.stack_bytes;
    pthread_mutex_lock(&l->children_lock);
    c->next = l->offered;
    l->offered = c;
    pthread_mutex_unlock(&l->children_lock);
    return buffer;
}

static enum sg_device_error configuration_error(const struct child *c) {
    uint64_t threads = (uint64_t)c->p.block[0] * c->p.block[1] * c->p.block[2];
    if (!threads || !c->p.grid[0] || !c->p.grid[1] || !c->p.grid[2] || c->p.grid[0] > 2147483647u ||
        c->p.grid[1] > 65535 || c->p.grid[2] > 65535 || threads > SG_MAX_BLOCK_THREADS)
        return CONFIGURATION;
    return threads > c->kernel->info.max_threads ? INVALID_VALUE : NO_ERROR;
}

enum sg_device_error sg_launch_child(struct launch *l, uint64_t buffer, uint64_t stream, const struct child *given) {
    pthread_mutex_lock(&l->children_lock);
    struct child **p = &l->offered;
    while (*p && (*p)->buffer != buffer)
        p = &(*p)->next;
    struct child *c = *p;
    enum sg_device_error error = c ? NO_ERROR : INVALID_VALUE;
    if (c && given) {
        c->kernel = given->kernel;
        memcpy(c->p.grid, given->p.grid, sizeof c->p.grid);
        memcpy(c->p.block, given->p.block, sizeof c->p.block);
        c->p.dynamic_shared = given->p.dynamic_shared;
    }
    if (c) error = !c->kernel || c->kernel->fn->param_bytes > c->p.param_bytes ? INVALID_VALUE : configuration_error(c);
    if (error == NO_ERROR) {
        struct child **list = stream == STREAM_TAIL_LAUNCH ? &l->tails : &l->children;
        *p = c->next;
        c->next = *list;
        *list = c;
    }
    pthread_mutex_unlock(&l->children_lock);
    return error;
}
