/* User objects: reference counts, held by the program and by graphs, with a destructor of the program's. */
#include "graph.h"

#include <limits.h>
#include <stdlib.h>

struct graph_user_object {
    CUhostFn destroy;
    void *ptr;
    unsigned references; /* all; those of the program are not told apart */
    struct graph_user_object *next_dead;
};

static struct graph_user_object *dead; /* under the lock */

void graph_enter(void) {
    pthread_mutex_lock(&graph_lock);
}

void graph_leave(void) {
    struct graph_user_object *list = dead;
    dead = NULL;
    pthread_mutex_unlock(&graph_lock);
    while (list) {
        struct graph_user_object *o = list;
        list = o->next_dead;
        hawser_abi_enter_callback();
        o->destroy(o->ptr);
        hawser_abi_leave_callback();
        free(o);
    }
}

static void drop(struct graph_user_object *o, unsigned count) {
    o->references -= count;
    if (o->references) return;
    graph_table_remove(GRAPH_USER_OBJECT, o);
    o->next_dead = dead;
    dead = o;
}

static bool attach(struct graph *g, struct graph_user_object *o, unsigned count) {
    for (struct graph_user_reference *u = g->users; u; u = u->next)
        if (u->object == o) {
            u->count += count;
            return true;
        }
    struct graph_user_reference *u = malloc(sizeof *u);
    if (!u) return false;
    *u = (struct graph_user_reference){g->users, o, count};
    g->users = u;
    return true;
}

bool graph_users_copy(const struct graph *from, struct graph *to) {
    for (struct graph_user_reference *u = from->users; u; u = u->next) {
        if (!attach(to, u->object, u->count)) return false;
        u->object->references += u->count;
    }
    return true;
}

void graph_users_drop(struct graph *g) {
    while (g->users) {
        struct graph_user_reference *u = g->users;
        g->users = u->next;
        drop(u->object, u->count);
        free(u);
    }
}

CUresult cuUserObjectCreate(CUuserObject *object_out, void *ptr, CUhostFn destroy, unsigned int initialRefcount,
                            unsigned int flags) {
    CUresult r = hawser_abi_ready();
    if (r != CUDA_SUCCESS) return r;
    if (!object_out || !destroy || !initialRefcount || initialRefcount > INT_MAX ||
        flags != CU_USER_OBJECT_NO_DESTRUCTOR_SYNC)
        return CUDA_ERROR_INVALID_VALUE;
    struct graph_user_object *o = calloc(1, sizeof *o);
    if (!o) return CUDA_ERROR_OUT_OF_MEMORY;
    *o = (struct graph_user_object){.destroy = destroy, .ptr = ptr, .references = initialRefcount};
    graph_enter();
    if (!graph_table_add(GRAPH_USER_OBJECT, o, o)) r = CUDA_ERROR_OUT_OF_MEMORY;
    graph_leave();
    if (r != CUDA_SUCCESS)
        free(o);
    else
        *object_out = (CUuserObject)o;
    return r;
}

CUresult cuUserObjectRetain(CUuserObject object, unsigned int count) {
    graph_enter();
    struct graph_user_object *o = graph_table_find(GRAPH_USER_OBJECT, object);
    bool ok = o && count && count <= INT_MAX;
    if (ok) o->references += count;
    graph_leave();
    return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuUserObjectRelease(CUuserObject object, unsigned int count) {
    graph_enter();
    struct graph_user_object *o = graph_table_find(GRAPH_USER_OBJECT, object);
    bool ok = o && count && count <= o->references;
    if (ok) drop(o, count);
    graph_leave();
    return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGraphRetainUserObject(CUgraph graph, CUuserObject object, unsigned int count, unsigned int flags) {
    graph_enter();
    struct graph *g = graph_of(graph);
    struct graph_user_object *o = graph_table_find(GRAPH_USER_OBJECT, object);
    bool move = flags & CU_GRAPH_USER_OBJECT_MOVE;
    CUresult r = g && o && count && count <= INT_MAX && !(flags & ~(unsigned)CU_GRAPH_USER_OBJECT_MOVE) &&
                         (!move || count <= o->references)
                     ? CUDA_SUCCESS
                     : CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS && !attach(g, o, count)) r = CUDA_ERROR_OUT_OF_MEMORY;
    if (r == CUDA_SUCCESS && !move) o->references += count;
    graph_leave();
    return r;
}

CUresult cuGraphReleaseUserObject(CUgraph graph, CUuserObject object, unsigned int count) {
    graph_enter();
    struct graph *g = graph_of(graph);
    struct graph_user_reference **p = g ? &g->users : NULL;
    while (p && *p && (*p)->object != (struct graph_user_object *)object)
        p = &(*p)->next;
    struct graph_user_reference *u = p ? *p : NULL;
    bool ok = u && count && count <= u->count;
    if (ok) {
        u->count -= count;
        drop(u->object, count);
        if (!u->count) {
            *p = u->next;
            free(u);
        }
    }
    graph_leave();
    return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
