#include "ledger.h"

#include <stdlib.h>

#include "log.h"

static const char *const names[LEDGER_KINDS] = {
    [LEDGER_PLAIN] = "plain memory",
    [LEDGER_POOLED] = "pooled memory",
    [LEDGER_PHYSICAL] = "physical memory",
    [LEDGER_ARRAY] = "array's memory",
    [LEDGER_IMAGE] = "image",
    [LEDGER_RESERVED] = "reserved addresses",
    [LEDGER_MAPPED] = "mapped memory",
    [LEDGER_GLOBAL] = "global variable",
    [LEDGER_IPC] = "opened memory",
    [LEDGER_IMPORTED] = "imported memory",
};

struct ledger_entry {
    struct ledger_entry *next; /* in its bucket */
    enum ledger_kind kind;
    uint64_t key; /* address or handle; 0 once the handle is released and only mappings are left */
    uint64_t size;
    uint64_t context;        /* that takes it along; 0 for none */
    uint64_t owner;          /* of a part: the image's key */
    uint32_t thread;         /* of the guest, and */
    const char *function;    /* what it called */
    unsigned handles;        /* as often as it has been handed out: more than 1 only of physical memory */
    unsigned mappings;       /* of physical memory */
    struct ledger_entry *of; /* of mapped memory: the physical */
};

/* Mappings, and parts of images, may lie where something else does: they have a table of their own. */
enum { THINGS, PARTS, TABLES };

struct table {
    struct ledger_entry **bucket;
    size_t buckets, n; /* buckets: a power of two */
};

struct ledger {
    pthread_mutex_t lock; /* guards all below */
    struct table table[TABLES];
    uint64_t in_use, peak;
};

/* ---- tables; all under the lock ---- */

static struct table *table_of(struct ledger *l, enum ledger_kind kind) {
    return &l->table[kind == LEDGER_MAPPED || kind == LEDGER_GLOBAL ? PARTS : THINGS];
}

static struct ledger_entry **place(struct table *t, uint64_t key) {
    return &t->bucket[(key * 0x9e3779b97f4a7c15ull >> 32) & (t->buckets - 1)];
}

static void push(struct table *t, struct ledger_entry *e) {
    struct ledger_entry **p = place(t, e->key);
    e->next = *p;
    *p = e;
}

static void grow(struct table *t) {
    struct table more = {calloc(t->buckets * 2, sizeof *more.bucket), t->buckets * 2, t->n};
    if (!more.bucket) return; /* slower, still right */
    for (size_t i = 0; i < t->buckets; i++)
        for (struct ledger_entry *e; (e = t->bucket[i]);) {
            t->bucket[i] = e->next;
            push(&more, e);
        }
    free(t->bucket);
    *t = more;
}

static void link_in(struct ledger *l, struct ledger_entry *e) {
    struct table *t = table_of(l, e->kind);
    if (t->n++ >= t->buckets) grow(t);
    push(t, e);
}

static void take_out(struct ledger *l, struct ledger_entry *e) {
    struct table *t = table_of(l, e->kind);
    struct ledger_entry **p = place(t, e->key);
    while (*p != e)
        p = &(*p)->next;
    *p = e->next;
    t->n--;
}

static struct ledger_entry *find(struct table *t, uint64_t key) {
    struct ledger_entry *e = *place(t, key);
    while (e && e->key != key)
        e = e->next;
    return e;
}

/* The visitor may free the entry. */
static void for_each(struct table *t, void (*visit)(struct ledger_entry *e, void *arg), void *arg) {
    for (size_t i = 0; i < t->buckets; i++)
        for (struct ledger_entry *e = t->bucket[i], *next; e; e = next) {
            next = e->next;
            visit(e, arg);
        }
}

static bool takes_memory(enum ledger_kind kind) {
    return kind < LEDGER_RESERVED;
}

static void enter(struct ledger *l, struct ledger_entry *e) {
    if (takes_memory(e->kind)) l->in_use += e->size;
    if (l->in_use > l->peak) l->peak = l->in_use;
    link_in(l, e);
}

/* It is in no table any more. */
static void forget(struct ledger *l, struct ledger_entry *e) {
    if (takes_memory(e->kind)) l->in_use -= e->size;
    free(e);
}

/* ---- what comes ---- */

static struct ledger_entry *new_entry(struct served *c, enum ledger_kind kind, uint64_t key, uint64_t size) {
    struct ledger_entry *e = malloc(sizeof *e);
    if (!e) { /* with a wrong account the session cannot go on */
        hawser_log(HAWSER_ERROR, "no memory for the ledger of device memory: the session ends");
        abort();
    }
    *e = (struct ledger_entry){.kind = kind,
                               .key = key,
                               .size = size,
                               .thread = c->thread,
                               .function = c->api ? c->api->name : "",
                               .handles = 1};
    return e;
}

static void add(enum ledger_kind kind, uint64_t key, uint64_t size, bool lasting, uint64_t owner) {
    struct served *c = session_call();
    if (!c) return;
    struct ledger *l = c->session->ledger;
    struct ledger_entry *e = new_entry(c, kind, key, size);
    e->context = lasting ? 0 : c->context;
    e->owner = owner;
    pthread_mutex_lock(&l->lock);
    enter(l, e);
    pthread_mutex_unlock(&l->lock);
}

void ledger_add(enum ledger_kind kind, uint64_t key, uint64_t size) {
    add(kind, key, size, kind == LEDGER_PHYSICAL || kind == LEDGER_RESERVED, 0);
}

void ledger_add_lasting(enum ledger_kind kind, uint64_t key, uint64_t size) {
    add(kind, key, size, true, 0);
}

void ledger_add_part(enum ledger_kind kind, uint64_t key, uint64_t size, uint64_t owner) {
    struct served *c = session_call();
    if (!c) return;
    struct ledger *l = c->session->ledger;
    pthread_mutex_lock(&l->lock);
    bool there = find(&l->table[PARTS], key); /* asked for before */
    pthread_mutex_unlock(&l->lock);
    if (!there) add(kind, key, size, false, owner);
}

/* ---- what goes ---- */

/* What visitors of a table need: the entries of one context or image, or of a range of addresses. */
struct sought {
    struct ledger *ledger;
    uint64_t key, size;
    struct ledger_entry *found;
};

static void forget_part(struct ledger_entry *e, void *arg) {
    const struct sought *s = arg;
    if (e->kind != LEDGER_GLOBAL || e->owner != s->key) return;
    take_out(s->ledger, e);
    forget(s->ledger, e);
}

struct ledger_entry *ledger_take(uint64_t key) {
    struct served *c = session_call();
    if (!c || !key) return NULL;
    struct ledger *l = c->session->ledger;
    pthread_mutex_lock(&l->lock);
    struct ledger_entry *e = find(&l->table[THINGS], key);
    if (e) {
        take_out(l, e);
        e->handles--;
    }
    pthread_mutex_unlock(&l->lock);
    return e;
}

void ledger_settle(struct ledger_entry *e, bool gone) {
    struct served *c = session_call();
    if (!c || !e) return;
    struct ledger *l = c->session->ledger;
    pthread_mutex_lock(&l->lock);
    if (!gone) e->handles++;
    if (!e->handles && e->kind == LEDGER_IMAGE)
        for_each(&l->table[PARTS], forget_part, &(struct sought){.ledger = l, .key = e->key});
    if (!e->handles && e->mappings) e->key = 0;
    if (e->handles || e->mappings)
        link_in(l, e);
    else
        forget(l, e);
    pthread_mutex_unlock(&l->lock);
}

/* ---- physical memory and its mappings ---- */

void ledger_map(uint64_t address, uint64_t size, uint64_t handle) {
    struct served *c = session_call();
    if (!c) return;
    struct ledger *l = c->session->ledger;
    struct ledger_entry *e = new_entry(c, LEDGER_MAPPED, address, size);
    pthread_mutex_lock(&l->lock);
    e->of = find(&l->table[THINGS], handle);
    if (e->of) e->of->mappings++;
    enter(l, e);
    pthread_mutex_unlock(&l->lock);
}

static void unmap(struct ledger_entry *e, void *arg) {
    const struct sought *s = arg;
    struct ledger_entry *of = e->of;
    if (e->kind != LEDGER_MAPPED || e->key - s->key >= s->size) return;
    take_out(s->ledger, e);
    forget(s->ledger, e);
    if (!of || --of->mappings || of->key) return;
    take_out(s->ledger, of);
    forget(s->ledger, of);
}

void ledger_unmap(uint64_t address, uint64_t size) {
    struct served *c = session_call();
    if (!c) return;
    struct ledger *l = c->session->ledger;
    pthread_mutex_lock(&l->lock);
    for_each(&l->table[PARTS], unmap, &(struct sought){.ledger = l, .key = address, .size = size});
    pthread_mutex_unlock(&l->lock);
}

static void look_for_mapping(struct ledger_entry *e, void *arg) {
    struct sought *s = arg;
    if (e->kind == LEDGER_MAPPED && s->key - e->key < e->size) s->found = e->of;
}

void ledger_retain(uint64_t address, uint64_t handle) {
    struct served *c = session_call();
    struct sought s = {.key = address};
    if (!c) return;
    struct ledger *l = c->session->ledger;
    pthread_mutex_lock(&l->lock);
    for_each(&l->table[PARTS], look_for_mapping, &s);
    struct ledger_entry *e = s.found;
    if (e && !e->key) { /* it had no handle any more */
        take_out(l, e);
        e->key = handle;
        e->handles = 1;
        link_in(l, e);
    } else if (e && e->key == handle) {
        e->handles++;
    }
    bool known = e && e->key == handle;
    pthread_mutex_unlock(&l->lock);
    /* A driver that gives the same memory a second handle: its bytes are counted by the first. */
    if (!known) ledger_add_lasting(LEDGER_IMPORTED, handle, 0);
}

/* ---- of the session ---- */

static bool begin(struct session *session) {
    struct ledger *l = session->ledger = calloc(1, sizeof *l);
    if (!l) return false;
    pthread_mutex_init(&l->lock, NULL);
    for (int i = 0; i < TABLES; i++) {
        l->table[i].buckets = 256;
        if (!(l->table[i].bucket = calloc(256, sizeof *l->table[i].bucket))) return false;
    }
    return true;
}

struct visitor {
    session_visit *visit;
    void *arg;
};

static void tell(struct ledger_entry *e, void *arg) {
    const struct visitor *v = arg;
    v->visit(&(struct session_item){.what = names[e->kind],
                                    .context = e->context,
                                    .address = e->key,
                                    .size = e->size,
                                    .made_by = e->function,
                                    .thread = e->thread},
             v->arg);
}

static void list(struct session *session, session_visit *visit, void *arg) {
    struct ledger *l = session->ledger;
    pthread_mutex_lock(&l->lock);
    for (int i = 0; i < TABLES; i++)
        for_each(&l->table[i], tell, &(struct visitor){visit, arg});
    pthread_mutex_unlock(&l->lock);
}

static uint64_t number(struct ledger *l, const uint64_t *of) {
    pthread_mutex_lock(&l->lock);
    uint64_t value = *of;
    pthread_mutex_unlock(&l->lock);
    return value;
}

uint64_t ledger_in_use(struct session *session) {
    return number(session->ledger, &session->ledger->in_use);
}

uint64_t ledger_peak(struct session *session) {
    return number(session->ledger, &session->ledger->peak);
}

static void forget_in_context(struct ledger_entry *e, void *arg) {
    const struct sought *s = arg;
    if (e->context != s->key) return;
    take_out(s->ledger, e);
    forget(s->ledger, e);
}

/* The driver frees it with the context. */
static void end_context(struct served *c, const struct object *context) {
    struct ledger *l = c->session->ledger;
    pthread_mutex_lock(&l->lock);
    for (int i = 0; i < TABLES; i++)
        for_each(&l->table[i], forget_in_context, &(struct sought){.ledger = l, .key = context->id});
    pthread_mutex_unlock(&l->lock);
}

static void give_back(struct ledger_entry *e, void *arg) {
    const struct cuda_driver *d = arg;
    if (e->kind == LEDGER_MAPPED) d->cuMemUnmap((CUdeviceptr)e->key, e->size);
    if (e->kind == LEDGER_RESERVED) d->cuMemAddressFree((CUdeviceptr)e->key, e->size);
}

static void drop(struct ledger_entry *e, void *arg) {
    (void)arg;
    free(e);
}

/* Addresses, and what is mapped there, belong to no context; handles have been released by now. */
static void end(struct session *session) {
    struct ledger *l = session->ledger;
    for_each(&l->table[PARTS], give_back, &session->driver);
    for_each(&l->table[THINGS], give_back, &session->driver);
    for (int i = 0; i < TABLES; i++) {
        for_each(&l->table[i], drop, NULL);
        free(l->table[i].bucket);
    }
    free(l);
    session->ledger = NULL;
}

const struct session_state ledger_state = {"ledger", begin, list, end_context, end, NULL};
