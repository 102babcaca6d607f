/* Which handles live: a chained hash table under the graph lock. */
#include "graph.h"

#include <stdlib.h>

#define BUCKETS 4096u

struct entry {
    struct entry *next;
    enum graph_kind kind;
    const void *key;
    void *value;
};

pthread_mutex_t graph_lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *table[BUCKETS];

static struct entry **bucket(const void *key) {
    return &table[((uintptr_t)key * 0x9e3779b97f4a7c15ull >> 40) % BUCKETS];
}

bool graph_table_add(enum graph_kind kind, const void *key, void *value) {
    struct entry *e = malloc(sizeof *e), **b = bucket(key);
    if (!e) return false;
    *e = (struct entry){*b, kind, key, value};
    *b = e;
    return true;
}

void *graph_table_find(enum graph_kind kind, const void *key) {
    for (struct entry *e = key ? *bucket(key) : NULL; e; e = e->next)
        if (e->key == key && e->kind == kind) return e->value;
    return NULL;
}

void graph_table_remove(enum graph_kind kind, const void *key) {
    for (struct entry **p = bucket(key); *p; p = &(*p)->next)
        if ((*p)->key == key && (*p)->kind == kind) {
            struct entry *e = *p;
            *p = e->next;
            free(e);
            return;
        }
}

/* Freed handles' memory stays a while, so that a stale handle does not soon mean something new. */
#define BURIED 4096u

void graph_bury(void *p) {
    static void *ring[BURIED];
    static unsigned next;
    free(ring[next]);
    ring[next] = p;
    next = (next + 1) % BURIED;
}
