/* Which addresses are living handles, and of what kind: an open-addressed table under one lock. */
#include "driver.h"

#include <stdlib.h>

struct entry {
    const void *object; /* NULL: never used */
    uint32_t kind;      /* 0: was used */
};

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct entry *table;
static size_t capacity, filled, live;

static size_t slot_of(const void *p) {
    return (size_t)((uintptr_t)p * 0x9e3779b97f4a7c15ull >> 24);
}

static void insert(struct entry *t, size_t n, const void *object, uint32_t kind) {
    size_t i = slot_of(object);
    while (t[i & (n - 1)].object)
        i++;
    t[i & (n - 1)] = (struct entry){object, kind};
}

/* Under the lock. */
static bool make_room(void) {
    if (filled * 4 < capacity * 3) return true;
    size_t n = capacity ? (live * 4 > capacity ? capacity * 2 : capacity) : 256;
    struct entry *t = calloc(n, sizeof *t);
    if (!t) return false;
    for (size_t i = 0; i < capacity; i++)
        if (table[i].kind) insert(t, n, table[i].object, table[i].kind);
    free(table);
    table = t;
    capacity = n;
    filled = live;
    return true;
}

/* Under the lock. */
static struct entry *find(const void *object) {
    if (!object || !capacity) return NULL;
    for (size_t i = slot_of(object);; i++) {
        struct entry *e = &table[i & (capacity - 1)];
        if (!e->object) return NULL;
        if (e->object == object && e->kind) return e;
    }
}

bool sd_register(enum sd_kind kind, void *object) {
    pthread_rwlock_wrlock(&lock);
    bool ok = make_room();
    if (ok) {
        insert(table, capacity, object, kind);
        filled++;
        live++;
    }
    pthread_rwlock_unlock(&lock);
    return ok;
}

void sd_unregister(void *object) {
    pthread_rwlock_wrlock(&lock);
    struct entry *e = find(object);
    if (e) {
        e->kind = 0;
        live--;
    }
    pthread_rwlock_unlock(&lock);
}

bool sd_is(enum sd_kind kind, const void *handle) {
    pthread_rwlock_rdlock(&lock);
    const struct entry *e = find(handle);
    bool is = e && e->kind == kind;
    pthread_rwlock_unlock(&lock);
    return is;
}
