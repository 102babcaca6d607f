/* Errors of posts that nobody has been told yet: one for each context, and for each thread that had none. */
#include "state.h"

#include <stdlib.h>

struct post_error {
    struct post_error *next;
    uint64_t context; /* 0: of a post of this thread that had no context, or one that is gone */
    uint32_t thread;
    CUresult error;
};

struct post_errors {
    pthread_mutex_t lock; /* guards the list */
    struct post_error *first;
};

static bool begin(struct session *session) {
    struct post_errors *all = session->post_errors = calloc(1, sizeof *all);
    if (all) pthread_mutex_init(&all->lock, NULL);
    return all;
}

/* Under the lock. The place of the entry of a context, or of a thread where context is 0. */
static struct post_error **place(struct post_errors *all, uint64_t context, uint32_t thread) {
    struct post_error **p = &all->first;
    while (*p && ((*p)->context != context || (!context && (*p)->thread != thread)))
        p = &(*p)->next;
    return p;
}

/* Under the lock. Takes the entry out; CUDA_SUCCESS when there is none. */
static CUresult take(struct post_error **p) {
    struct post_error *e = *p;
    if (!e) return CUDA_SUCCESS;
    CUresult error = e->error;
    *p = e->next;
    free(e);
    return error;
}

void served_post_failed(struct served *c, CUresult error) {
    struct post_errors *all = c->session->post_errors;
    struct object o;
    uint64_t context = served_object(c, HAWSER_CONTEXT, c->context, &o) ? c->context : 0;
    pthread_mutex_lock(&all->lock);
    struct post_error **p = place(all, context, c->thread);
    if (!*p && (*p = malloc(sizeof **p)))
        **p = (struct post_error){.context = context, .thread = c->thread, .error = error};
    pthread_mutex_unlock(&all->lock);
}

CUresult served_take_post_error(struct served *c) {
    struct post_errors *all = c->session->post_errors;
    CUresult error = CUDA_SUCCESS;
    pthread_mutex_lock(&all->lock);
    if (all->first && c->context) error = take(place(all, c->context, 0));
    if (all->first && error == CUDA_SUCCESS) error = take(place(all, 0, c->thread));
    pthread_mutex_unlock(&all->lock);
    return error;
}

void post_errors_thread_gone(struct session *session, uint32_t thread) {
    struct post_errors *all = session->post_errors;
    pthread_mutex_lock(&all->lock);
    take(place(all, 0, thread));
    pthread_mutex_unlock(&all->lock);
}

/* ---- of the session ---- */

static void list(struct session *session, session_visit *visit, void *arg) {
    struct post_errors *all = session->post_errors;
    pthread_mutex_lock(&all->lock);
    for (struct post_error *e = all->first; e; e = e->next)
        visit(&(struct session_item){.what = "error of a post", .id = e->error, .context = e->context, .made_by = ""},
              arg);
    pthread_mutex_unlock(&all->lock);
}

static void end_context(struct served *c, const struct object *context) {
    struct post_errors *all = c->session->post_errors;
    pthread_mutex_lock(&all->lock);
    take(place(all, context->id, 0));
    pthread_mutex_unlock(&all->lock);
}

static void end(struct session *session) {
    while (session->post_errors->first)
        take(&session->post_errors->first);
    free(session->post_errors);
    session->post_errors = NULL;
}

const struct session_state post_errors_state = {"post errors", begin, list, end_context, end, NULL};
