// Control flow: which lanes run what next.
//
// Lanes that part at a branch wait as pending lanes of the unit they go to; the lowest-numbered
// unit with pending lanes runs next, so that lanes meet again at the earliest place they can. A
// lane that spins on what another lane of the same warp must do would starve it under that rule;
// after many repeats of a loop with lanes pending elsewhere the units therefore take turns.
#include "lanes.h"

#include <sched.h>
#include <string.h>

enum { REPEATS = 256, YIELD_EVERY = 256, SCHED_EVERY = 4096 };

static const struct op *pause_warp(struct warp *w, uint32_t unit) {
    if (w->back_edges % SCHED_EVERY == 0) sched_yield();
    add_pending(w->f, unit, w->mask, 0);
    w->pc = NULL;
    return NULL;
}

// All active lanes go to `unit`.
static const struct op *go(struct warp *w, const struct op *op, uint32_t unit) {
    struct frame *f = w->f;
    if (unit <= op->d2) {
        if (f->npending && f->code->may_spin && ++f->repeats >= REPEATS) {
            f->repeats = 0;
            f->turns = REPEATS;
        }
        if (++w->back_edges % YIELD_EVERY == 0) {
            if (atomic_load_explicit(&w->blk->launch->failed, memory_order_relaxed))
                sg_raise(w, op, SG_FAULT_NONE, 0, 0, "");
            if (f->code->may_spin) return pause_warp(w, unit);
        }
    }
    if (!f->npending) return enter(w, unit, w->mask);
    add_pending(f, unit, w->mask, 0);
    return sg_next(w);
}

const struct op *sg_op_goto(struct warp *w, const struct op *op) {
    return go(w, op, op->unit);
}

static const struct op *branch(struct warp *w, const struct op *op, uint32_t taken) {
    taken &= w->mask;
    if (taken == w->mask) return go(w, op, op->unit);
    if (taken == 0) return go(w, op, op->n);
    uint32_t all = w->mask;
    add_pending(w->f, op->n, all & ~taken, 0);
    w->mask = taken;
    return go(w, op, op->unit);
}

const struct op *sg_op_branch(struct warp *w, const struct op *op) {
    return branch(w, op, *(uint32_t *)(w->R + op->a));
}

const struct op *sg_op_branch_not(struct warp *w, const struct op *op) {
    return branch(w, op, ~*(uint32_t *)(w->R + op->a));
}

// list[0..n): units of the targets; op->unit: of the fall-through, when the guard fails.
const struct op *sg_op_brx(struct warp *w, const struct op *op) {
    const uint32_t *index = (const uint32_t *)(w->R + op->a);
    uint32_t unit = UINT32_MAX, rest = w->mask & ~w->exec;
    SG_ACTIVE(i, w->exec) {
        if (index[i] >= op->n) sg_raise(w, op, SG_FAULT_PC, i, index[i], "brx.idx index beyond its targets");
        add_pending(w->f, op->list[index[i]], 1u << i, 0);
    }
    if (rest) add_pending(w->f, op->unit, rest, 0);
    unit = (uint32_t)first_ready(w->f, 0);
    w->exec = w->mask = take_pending(w->f, unit);
    return go(w, op, unit);
}

// ---- guards ---------------------------------------------------------------------------------

static const struct op *guard(struct warp *w, const struct op *op, uint32_t holds) {
    w->exec = w->mask & holds;
    return w->exec ? op + 1 : op + op->n; // n: to behind the guarded part, where exec is restored
}

const struct op *sg_op_guard(struct warp *w, const struct op *op) {
    return guard(w, op, *(uint32_t *)(w->R + op->a));
}

const struct op *sg_op_guard_not(struct warp *w, const struct op *op) {
    return guard(w, op, ~*(uint32_t *)(w->R + op->a));
}

const struct op *sg_op_unguard(struct warp *w, const struct op *op) {
    w->exec = w->mask;
    return op + 1;
}

// ---- .aligned operations ----------------------------------------------------------------------

// Stands in masked code before an operation that all lanes execute together: they wait here for each other.
const struct op *sg_op_converge(struct warp *w, const struct op *op) {
    struct frame *f = w->f;
    bool force = w->force;
    w->force = false;
    w->mask = w->exec = w->mask | take_pending(f, op->unit);
    if (w->mask == f->live) return f->code->units[op->unit].full;
    if (force) return op + 1;
    add_pending(f, op->unit, w->mask, PARKED);
    return sg_next(w);
}

// ---- barriers ---------------------------------------------------------------------------------

static void release_warp(struct warp *w, uint8_t tag) {
    if (w->state == WARP_DONE) return;
    if (w->state == WARP_WAIT && w->pc && w->waits_for == tag) w->state = WARP_READY;
    for (struct frame *f = w->newest; f; f = f->older) {
        if (!f->nblocked) continue;
        for (uint32_t u = 0; u < f->code->nunits; u++)
            if (f->blocked[u] == tag) {
                add_pending(f, u, 0, 0);
                if (w->state == WARP_WAIT && !w->pc) w->state = WARP_READY;
            }
    }
}

static bool complete(struct block *blk, uint32_t id) {
    struct barrier *b = &blk->barriers[id];
    if (b->arrived < (b->expected ? b->expected : blk->threads_live) || !b->arrived) return false;
    *b = (struct barrier){.result_popc = b->popc, .result_all = b->all, .result_any = b->any, .all = 1};
    for (uint32_t i = 0; i < blk->nwarps; i++)
        release_warp(&blk->warps[i], (uint8_t)(id + 1));
    sg_shorten_turns(blk);
    return true;
}

// op->a: barrier number, op->b: thread count if (n & 1), op->c: predicate if (n & 2), negated if
// (n & 4). True if that completed the barrier.
static bool arrive(struct warp *w, const struct op *op, uint32_t *id) {
    struct block *blk = w->blk;
    uint32_t first = (uint32_t)__builtin_ctz(w->exec);
    *id = ((const uint32_t *)(w->R + op->a))[first];
    if (*id > 15) sg_raise(w, op, SG_FAULT_INSTRUCTION, first, 0, "barrier number above 15");
    struct barrier *b = &blk->barriers[*id];
    if (op->n & 2) {
        uint32_t p = *(const uint32_t *)(w->R + op->c);
        if (op->n & 4) p = ~p;
        p &= w->exec;
        b->popc += (uint32_t)__builtin_popcount(p);
        b->any |= p != 0;
        b->all &= p == w->exec;
    }
    b->arrived += (uint32_t)__builtin_popcount(w->exec);
    if (op->n & 1) {
        b->expected = ((const uint32_t *)(w->R + op->b))[first];
        // Counts are in whole warps: lanes that do not exist or have gone are counted too.
        if (w->exec == w->live) b->arrived += 32u - (uint32_t)__builtin_popcount(w->exec);
    }
    return complete(blk, *id);
}

// The active lanes wait until a barrier is done. op->unit: the unit right behind it.
static const struct op *wait_at(struct warp *w, const struct op *op, bool done, uint32_t id) {
    struct frame *f = w->f;
    uint32_t waiting = w->exec, others = w->mask & ~w->exec;
    if (done && !others && w->blk->nwarps == 1) return op + 1;
    if (done && !others) { // the others have their turn
        w->pc = op + 1;
        return NULL;
    }
    if (waiting == w->live) {
        w->pc = op + 1;
        w->waits_for = (uint8_t)(id + 1);
        w->state = WARP_WAIT;
        return NULL;
    }
    add_pending(f, op->unit, waiting, done ? 0 : (uint8_t)(id + 1));
    if (others) { // a guarded barrier: the rest goes on
        w->mask = w->exec = others;
        return f->code->units[op->unit].masked;
    }
    return sg_next(w);
}

// op->unit: the unit right behind the barrier.
const struct op *sg_op_bar_sync(struct warp *w, const struct op *op) {
    uint32_t id;
    bool done = arrive(w, op, &id);
    return wait_at(w, op, done, id);
}

const struct op *sg_op_bar_arrive(struct warp *w, const struct op *op) {
    uint32_t id;
    arrive(w, op, &id);
    return op + 1;
}

// ---- the barrier of a cluster: all threads of all its blocks, which are on this worker ----------

static void complete_cluster(struct block *first) {
    struct cluster *c = &first->cluster;
    if (c->arrived < c->live || !c->arrived) return;
    c->arrived = 0;
    c->phase++;
    for (uint32_t i = 0; i < first->launch->cluster; i++) {
        for (uint32_t k = 0; k < first[i].nwarps; k++)
            release_warp(&first[i].warps[k], CLUSTER_BARRIER + 1);
        sg_shorten_turns(&first[i]);
    }
}

const struct op *sg_op_cluster_arrive(struct warp *w, const struct op *op) {
    struct block *first = w->blk->first;
    w->cluster_phase = first->cluster.phase;
    first->cluster.arrived += (uint32_t)__builtin_popcount(w->exec);
    complete_cluster(first);
    return op + 1;
}

// op->unit: the unit right behind it.
const struct op *sg_op_cluster_wait(struct warp *w, const struct op *op) {
    bool done = w->blk->first->cluster.phase != w->cluster_phase;
    return wait_at(w, op, done, CLUSTER_BARRIER);
}

// n: enum sg_atom; d: result.
const struct op *sg_op_bar_result(struct warp *w, const struct op *op) {
    SG_ACTIVE(i, w->exec) {
        uint32_t id = ((const uint32_t *)(w->R + op->a))[i];
        struct barrier *b = &w->blk->barriers[id & 15];
        uint32_t *d = (uint32_t *)(w->R + op->d);
        if (op->n == SG_ATOM_ADD) {
            d[i] = b->result_popc;
        } else {
            bool holds = op->n == SG_ATOM_AND ? b->result_all : b->result_any;
            *d = (*d & ~(1u << i)) | (uint32_t)holds << i;
        }
    }
    return op + 1;
}

// ---- the end of lanes -------------------------------------------------------------------------

const struct op *sg_op_exit(struct warp *w, const struct op *op) {
    uint32_t gone = w->exec;
    w->live &= ~gone;
    for (struct frame *f = w->f; f; f = f->prev)
        f->live &= ~gone;
    w->blk->threads_live -= (uint32_t)__builtin_popcount(gone);
    w->blk->first->cluster.live -= (uint32_t)__builtin_popcount(gone);
    if (w->blk->first->cluster.arrived) complete_cluster(w->blk->first);
    w->mask = w->exec = w->mask & ~gone;
    if (w->meeting.waiting) sg_settle(w);
    for (uint32_t id = 0; id < 16; id++)
        if (w->blk->barriers[id].arrived && !w->blk->barriers[id].expected) complete(w->blk, id);
    return w->mask ? op + 1 : sg_next(w);
}
