/*
 * Graphs and stream capture, for both libraries that have the CUDA driver ABI. A graph is kept here, whole;
 * the library is only asked, by its ordinary stream functions, to do what a node says.
 *
 * Handles are addresses of the structs below. One table knows those that live, so that a freed or foreign
 * handle is refused and never followed. One lock guards everything in this folder; it is not held while
 * anything is asked of the library that may wait, nor while the program is called.
 */
#ifndef HAWSER_GRAPH_H
#define HAWSER_GRAPH_H

#include <pthread.h>
#include <stdbool.h>

#include "../abi_internal.h"

extern pthread_mutex_t graph_lock;

/* ---- which handles live (table.c); under the lock ---- */

enum graph_kind { GRAPH = 1, GRAPH_NODE, GRAPH_EXEC, GRAPH_USER_OBJECT, GRAPH_CAPTURED_EVENT };

bool graph_table_add(enum graph_kind kind, const void *key, void *value);
/* The value under a key, NULL when there is none of that kind. */
void *graph_table_find(enum graph_kind kind, const void *key);
void graph_table_remove(enum graph_kind kind, const void *key);
/* Frees a handle's memory, later. */
void graph_bury(void *p);

/* ---- nodes ---- */

struct graph_node;

struct graph_edge {
    struct graph_node *node; /* at the other end */
    CUgraphEdgeData data;
};

struct graph_edges {
    struct graph_edge *edge;
    size_t n, capacity;
};

struct graph_node {
    struct graph *graph;
    struct graph_node *next; /* in the order in which they were made */
    uint64_t id, origin;     /* origin: the id of the node that this is a clone of, or of the first in a
                                chain of clones */
    struct graph_edges in, out;
    CUgraphNodeParams p;           /* all that it points to is the node's own */
    CUlaunchAttribute *attributes; /* kernel nodes */
    unsigned n_attributes;
    bool disabled; /* in an executable graph */
    bool cooperative;
    size_t param_bytes;          /* kernel nodes: of the packed parameters */
    uint64_t mark;               /* used by walks */
    uint64_t far;                /* in an executable graph that is run whole: its number there, the last of a child
                                    graph's */
    bool changed;                /* in an executable graph, since it was told there */
    bool reattributed;           /* and what no executable graph of the driver's can take */
    struct graph_memory *memory; /* allocation nodes */
};

struct graph_user_reference {
    struct graph_user_reference *next;
    struct graph_user_object *object;
    unsigned count;
};

struct graph {
    struct graph_node *first, **last;
    size_t n;
    uint64_t id, origin;
    struct graph_node *owner; /* the node that this is the child or body of */
    struct graph_user_reference *users;
    struct graph_conditional *conditionals;
    bool executable;             /* (in) an executable graph's copy: not the program's to name */
    struct graph_node **order;   /* executable: all nodes, each after those it depends on */
    struct graph_exec *instance; /* of a graph that may have only one */
    struct graph_whole *whole;   /* what it is to the process that has the devices, or NULL */
    uint64_t version;            /* another one after each change, also of a graph inside */
};

struct graph_exec {
    struct graph *graph; /* a copy */
    uint64_t flags;
    unsigned references;  /* handle and launches under way */
    struct graph *source; /* set while the source must not be instantiated again */
    bool bodies;          /* it has conditional nodes */
    uint64_t version;     /* its source's, as it was copied */
    bool whole, changed;  /* it is run whole; not as it was told (whole.c) */
    unsigned launches;    /* since it was made or changed */
    unsigned patience;    /* how many launches it is not told for */
};

/* A value that kernels set and conditional nodes read. */
struct graph_value {
    CUdeviceptr address; /* of 4 bytes; the handle that kernels get */
    unsigned initial;
    bool assign;         /* set to initial at every launch */
    bool far;            /* the handle is another process's */
    unsigned references; /* graphs */
};

struct graph_conditional {
    struct graph_conditional *next;
    struct graph_value *value;
};

/* Checks and copies parameters, with everything they point to. After an error graph_params_drop is due too. */
CUresult graph_params_take(struct graph_node *n, const CUgraphNodeParams *p);
void graph_params_drop(struct graph_node *n);

/* Under the lock. The living graph or node behind a handle, or NULL. */
struct graph *graph_of(CUgraph handle);
struct graph_node *graph_node_of(CUgraphNode handle);
struct graph_exec *graph_exec_of(CUgraphExec handle);

struct graph *graph_new(void);
void graph_free(struct graph *g);
CUresult graph_add(struct graph *g, struct graph_node *const *from, const CUgraphEdgeData *data, size_t n_from,
                   const CUgraphNodeParams *p, struct graph_node **out);
CUresult graph_connect(struct graph_node *from, struct graph_node *to, const CUgraphEdgeData *data);
CUresult graph_clone(const struct graph *g, struct graph **out);
/* Makes a copy's nodes nodes of their own right, no clones. */
void graph_renew(struct graph *g);
/* The node in g, or in the graphs inside it, that is a clone of the one with that origin. */
struct graph_node *graph_clone_of(struct graph *g, uint64_t origin);
/* Changes a node's parameters; exec: of an executable graph, where less may change. */
CUresult graph_node_set(struct graph_node *n, const CUgraphNodeParams *p, bool exec);
bool graph_attribute_set(struct graph_node *n, const CUlaunchAttribute *a);
void graph_touch(struct graph *g);
/* All nodes, each after those it depends on; to be freed. NULL when memory is short or there is a cycle. */
struct graph_node **graph_sorted(struct graph *g);
/* Whether b can be reached from a. */
bool graph_reaches(struct graph *g, struct graph_node *a, struct graph_node *b);
/* The bodies of a conditional node, the graph of a child node. */
struct graph **graph_inside(struct graph_node *n, unsigned *count);

extern const CUgraphEdgeData graph_plain_edge;

/* ---- memory of allocation nodes (memory.c) ---- */

struct graph_memory {
    CUdeviceptr address;
    size_t size;
    CUdevice device;
    unsigned references; /* nodes that name it */
    bool live;           /* allocated by a launch and not freed yet */
};

CUresult graph_memory_new(CUgraphNodeParams *p, struct graph_memory **out);
void graph_memory_ref(struct graph_memory *m);
void graph_memory_unref(struct graph_memory *m);
/* The memory of some graph that begins there, or NULL. */
struct graph_memory *graph_memory_at(CUdeviceptr address);
/* Whether the program frees memory of a graph there; *r is the result then. */
bool graph_memory_freed(CUdeviceptr address, CUresult *r);
void graph_memory_set_live(struct graph_memory *m, bool live);

/* ---- user objects (user_object.c) ---- */

/* Under the lock; what is to be destroyed is put on a list that graph_unlock runs. */
bool graph_users_copy(const struct graph *from, struct graph *to);
void graph_users_drop(struct graph *g);

void graph_enter(void);
/* Leaves the lock and then calls the destructors of user objects that have lost their last reference. */
void graph_leave(void);

/* ---- conditional nodes (conditional.c) ---- */

bool graph_has_conditional(const struct graph *g, CUgraphConditionalHandle handle);
bool graph_conditionals_copy(const struct graph *from, struct graph *to);
void graph_conditionals_free(struct graph *g);
/* Gives the values of a graph that is launched their initial values. */
CUresult graph_conditionals_assign(const struct graph *g, CUstream stream);

/* ---- running whole (whole.c): without the lock where it does not say otherwise ---- */

/* Under the lock. What the graph that g is in is to the process that has the devices; its number in *id. */
CUresult graph_whole_of(struct graph *g, uint64_t *id);
/* Under the lock. to is from's copy in an executable graph. */
void graph_whole_share(const struct graph *from, struct graph *to);
void graph_whole_drop(struct graph *g);
/* An executable graph has been made. */
CUresult graph_whole_made(struct graph_exec *e);
/* It is launched: *whole says how. */
CUresult graph_whole_due(struct graph_exec *e, bool *whole);
CUresult graph_whole_launch(const struct graph_exec *e, CUstream stream);

/* ---- launching (exec.c) ---- */

/* Asks the library for what an executable graph's nodes say, on one stream. *host_written: whether memory of
 * the program may have been asked to be written there since the stream was last waited for. */
CUresult graph_replay(struct graph *g, CUstream stream, bool *host_written);
/* Under the lock. Gives an executable graph, or one inside it, the parameters of another of the same shape; what
 * forbids that is told in *info, and then nothing has changed. */
CUresult graph_update(struct graph *old, struct graph *new, CUgraphExecUpdateResultInfo *info);

#endif
