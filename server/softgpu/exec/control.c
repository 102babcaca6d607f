// Control flow: which lanes run what next.
//
// Lanes that part at a branch wait as pending lanes of the unit they go to; the lowest-numbered
// unit with pending lanes runs next, so that lanes meet again at the earliest place they can. A
// lane that spins on what another lane of the same warp must do would starve it under that rule;
// after many repeats of a loop with lanes pending elsewhere the units therefore take turns.
#include "warp.h"

#include <sched.h>
#include <string.h>

enum { REPEATS = 256, YIELD_EVERY = 256, SCHED_EVERY = 4096 };

static void add_pending(struct frame *f, uint32_t unit, uint32_t mask, uint8_t blocked) {
    if (!f->pend[unit]) f->npending++;
    else if (f->blocked[unit]) f->nblocked--;
    f->pend[unit] |= mask;
    f->blocked[unit] = blocked;
    uint64_t bit = (uint64_t)1 << (unit & 63);
    if (blocked) {
        f->nblocked++;
        f->ready[unit >> 6] &= ~bit;
    } else {
        f->ready[unit >> 6] |= bit;
    }
}

static uint32_t take_pending(struct frame *f, uint32_t unit) {
    uint32_t mask = f->pend[unit];
    if (!mask) return 0;
    f->npending--;
    if (f->blocked[unit]) f->nblocked--;
    f->blocked[unit] = 0;
    f->pend[unit] = 0;
    f->ready[unit >> 6] &= ~((uint64_t)1 << (unit & 63));
    return mask;
}

static const struct op *enter(struct warp *w, uint32_t unit, uint32_t mask) {
    struct frame *f = w->f;
    w->mask = w->exec = mask;
    f->last = unit;
    return mask == f->live ? f->code->units[unit].full : f->code->units[unit].masked;
}

static int64_t first_ready(const struct frame *f, uint32_t from) {
    uint32_t words = (f->code->nunits + 63) / 64;
    for (uint32_t i = from >> 6; i < words; i++) {
        uint64_t bits = f->ready[i];
        if (i == from >> 6) bits &= ~(uint64_t)0 << (from & 63);
        if (bits) return (int64_t)i * 64 + __builtin_ctzll(bits);
    }
    return -1;
}

// target: who is called, where decoding could not know it.
static void copy_values(const struct argument *list, uint32_t n, struct warp *w, uint32_t mask,
                        const struct frame *from, const struct frame *to, bool results,
                        const struct code *target) {
    for (uint32_t k = 0; k < n; k++) {
        const struct argument *a = &list[k];
        uint32_t to_local = a->to_local;
        if (target) {
            const struct sg_function *fn = target->fn;
            if (k >= (results ? fn->nreturns : fn->nparams)) return;
            const struct sg_param *formal = results ? &fn->returns[k] : &fn->params[k];
            if (!formal->sym || formal->size < a->bytes) return;
            to_local = target->param_offset + (uint32_t)formal->sym->offset;
        }
        SG_ACTIVE(i, mask) {
            uint8_t *local = w->local + i * w->local_stride;
            // Results travel the other way: the callee's side is the source.
            bool src_reg = results ? a->to_reg : a->in_reg, dst_reg = results ? a->in_reg : a->to_reg;
            uint32_t src_slot = results ? a->to_slot : a->slot, dst_slot = results ? a->slot : a->to_slot;
            uint32_t src_at = results ? to_local : a->from_local;
            uint32_t dst_at = results ? a->from_local : to_local;
            const uint8_t *src = src_reg ? from->regs + src_slot + i * a->bytes
                                         : local + from->local_base + src_at;
            uint8_t *dst = dst_reg ? (uint8_t *)to->regs + dst_slot + i * a->bytes
                                   : local + to->local_base + dst_at;
            memmove(dst, src, a->bytes);
        }
    }
}

// All lanes of the frame have returned or exited.
static const struct op *leave_frame(struct warp *w) {
    struct frame *f = w->f, *back = f->prev;
    if (!back) {
        w->state = WARP_DONE;
        w->blk->warps_done++;
        return NULL;
    }
    copy_values(f->site->results, f->site->nresults, w, f->ret_exec & w->live, f, back, true,
                f->site->callee ? NULL : f->code);
    w->f = back;
    w->R = back->regs;
    w->mask = f->ret_mask & w->live;
    w->exec = f->ret_exec & w->live;
    back->todo &= w->live;
    if (w->mask == 0) return sg_next(w);
    // An indirect call goes on with the lanes that have other targets.
    if (back->todo) return f->ret - 1;
    return f->ret;
}

static uint32_t any_parked(const struct frame *f) {
    for (uint32_t u = 0; u < f->code->nunits; u++)
        if (f->blocked[u] == PARKED) return u;
    return UINT32_MAX;
}

const struct op *sg_next(struct warp *w) {
    struct frame *f = w->f;
    if (!f->npending) return leave_frame(w);
    int64_t unit = -1;
    if (f->turns) {
        f->turns--;
        unit = first_ready(f, f->last + 1 < f->code->nunits ? f->last + 1 : 0);
    }
    if (unit < 0) unit = first_ready(f, 0);
    if (unit < 0) {
        uint32_t parked = any_parked(f);
        if (parked == UINT32_MAX) { // all at barriers
            w->pc = NULL;
            w->waits_for = 0;
            w->state = WARP_WAIT;
            return NULL;
        }
        w->force = true;
        unit = parked;
    }
    return enter(w, (uint32_t)unit, take_pending(f, (uint32_t)unit));
}

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
        if (index[i] >= op->n)
            sg_raise(w, op, SG_FAULT_PC, i, index[i], "brx.idx index beyond its targets");
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

// ---- .sync operations -------------------------------------------------------------------------

// Stands before a .sync operation in masked code; op->a holds the member masks, which may differ: the lanes whose
// members are all here go on, the others wait for theirs.
const struct op *sg_op_converge(struct warp *w, const struct op *op) {
    struct frame *f = w->f;
    bool force = w->force;
    w->force = false;
    uint32_t mask = w->mask | take_pending(f, op->unit), ready = 0;
    const uint32_t *members = (const uint32_t *)(w->R + op->a);
    w->mask = w->exec = mask;
    if (mask == f->live) return f->code->units[op->unit].full;
    SG_ACTIVE(i, mask) ready |= (uint32_t)!(members[i] & f->live & ~mask) << i;
    if (ready == mask || (force && !ready) || (!ready && !f->npending)) return op + 1;
    add_pending(f, op->unit, mask & ~ready, PARKED);
    if (!ready) return sg_next(w);
    w->mask = w->exec = ready;
    return op + 1;
}

// ---- barriers ---------------------------------------------------------------------------------

static void release_warp(struct warp *w, uint8_t tag) {
    if (w->state == WARP_DONE) return;
    if (w->state == WARP_WAIT && w->pc && w->waits_for == tag) w->state = WARP_READY;
    for (struct frame *f = w->f; f; f = f->prev) {
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
    *b = (struct barrier){.result_popc = b->popc, .result_all = b->all, .result_any = b->any,
                          .all = 1};
    for (uint32_t i = 0; i < blk->nwarps; i++) release_warp(&blk->warps[i], (uint8_t)(id + 1));
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
        if (w->exec == w->f->live) b->arrived += 32u - (uint32_t)__builtin_popcount(w->exec);
    }
    return complete(blk, *id);
}

// The active lanes wait until a barrier is done. op->unit: the unit right behind it.
static const struct op *wait_at(struct warp *w, const struct op *op, bool done, uint32_t id) {
    struct frame *f = w->f;
    uint32_t waiting = w->exec, others = w->mask & ~w->exec;
    if (done && !others) return op + 1;
    if (waiting == f->live) {
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
    for (uint32_t i = 0; i < first->launch->cluster; i++)
        for (uint32_t k = 0; k < first[i].nwarps; k++) release_warp(&first[i].warps[k], CLUSTER_BARRIER + 1);
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
    for (struct frame *f = w->f; f; f = f->prev) f->live &= ~gone;
    w->blk->threads_live -= (uint32_t)__builtin_popcount(gone);
    w->blk->first->cluster.live -= (uint32_t)__builtin_popcount(gone);
    if (w->blk->first->cluster.arrived) complete_cluster(w->blk->first);
    w->mask = w->exec = w->mask & ~gone;
    for (uint32_t id = 0; id < 16; id++)
        if (w->blk->barriers[id].arrived && !w->blk->barriers[id].expected) complete(w->blk, id);
    return w->mask ? op + 1 : sg_next(w);
}

const struct op *sg_op_ret(struct warp *w, const struct op *op) {
    if (!w->f->prev) return sg_op_exit(w, op);
    w->f->live &= ~w->exec;
    w->mask = w->exec = w->mask & ~w->exec;
    return w->mask ? op + 1 : sg_next(w);
}

// ---- frames -----------------------------------------------------------------------------------

static void set_up(struct frame *f, const struct code *code) {
    f->code = code;
    f->pend = (uint32_t *)(f->regs + code->pend_offset);
    uint32_t words = (code->nunits + 63) / 64;
    f->ready = (uint64_t *)(f->regs + code->pend_offset + ((code->nunits * 4 + 7) & ~7u));
    f->blocked = (uint8_t *)(f->ready + words);
    f->npending = f->nblocked = f->repeats = f->turns = f->last = f->todo = 0;
    memset(f->pend, 0, code->total_bytes - code->pend_offset);
}

void sg_start_warp(struct warp *w, const struct code *code, bool fresh) {
    struct frame *f = (struct frame *)w->memory;
    f->prev = NULL;
    f->ret = NULL;
    f->site = NULL;
    set_up(f, code);
    if (fresh) memcpy(f->regs + code->const_start, code->consts, code->const_bytes);
    f->live = w->initial;
    f->local_base = 0;
    f->local_top = code->stack_bytes;
    w->f = f;
    w->R = f->regs;
    w->mask = w->exec = w->live = w->initial;
    w->carry = 0;
    if (code->kernel->calls) memset(w->last_error, 0, sizeof w->last_error);
    w->force = false;
    w->cluster_phase = 0;
    w->state = WARP_READY;
    w->pc = code->units[0].full;
}

static uint32_t same_target(struct warp *w, const struct op *op, struct code **callee) {
    const struct call_site *site = op->call;
    const uint64_t *target = (const uint64_t *)(w->R + site->target_slot);
    uint32_t todo = w->f->todo ? w->f->todo : w->exec, same = 0;
    uint32_t first = (uint32_t)__builtin_ctz(todo);
    *callee = sg_find_code(w->f->code->kernel, target[first]);
    if (!*callee)
        sg_raise(w, op, SG_FAULT_PC, first, target[first], "call of what is no function");
    SG_ACTIVE(i, todo) if (target[i] == target[first]) same |= 1u << i;
    w->f->todo = todo & ~same;
    return same;
}

const struct op *sg_op_call(struct warp *w, const struct op *op) {
    const struct call_site *site = op->call;
    struct code *code = site->callee;
    struct frame *from = w->f;
    uint32_t lanes = w->exec;
    if (!code) lanes = same_target(w, op, &code);
    struct frame *f = (struct frame *)((uint8_t *)from->regs + ((from->code->total_bytes + 63) & ~63u));
    uint64_t base = (from->local_top + code->local_align - 1) & ~(uint64_t)(code->local_align - 1);
    if ((uint8_t *)f + sizeof *f + code->total_bytes > w->memory + w->memory_size ||
        base + code->stack_bytes > w->local_stride)
        sg_raise(w, op, SG_FAULT_STACK, 0, 0, "calls too deep for the stack");
    f->prev = from;
    f->ret = op + 1;
    f->site = site;
    f->ret_mask = w->mask;
    f->ret_exec = w->exec;
    set_up(f, code);
    memcpy(f->regs + code->const_start, code->consts, code->const_bytes);
    f->live = lanes;
    if (!site->callee) f->ret_exec = lanes;
    f->local_base = base;
    f->local_top = base + code->stack_bytes;
    copy_values(site->args, site->nargs, w, lanes, from, f, false,
                site->callee ? NULL : code);
    w->f = f;
    w->R = f->regs;
    w->mask = w->exec = lanes;
    return code->units[0].full;
}
