// Calls: frames, arguments and results, and which frame's lanes run next.
//
// Lanes of a warp may part before a call or in it, so that several calls are under way at a time. One frame runs; when
// all its lanes wait, or have had their turn, another goes on. A call's lanes come back to the caller together, unless
// those that have returned are what the others wait for: then they come back before them.
#include "lanes.h"

#include <stdlib.h>
#include <string.h>

// Lanes of one call have so many turns before those of others go on, which may be what they spin for; longer than most
// calls take, since lanes that part there meet again late.
enum { PATIENCE = 64 };

// ---- frames -----------------------------------------------------------------------------------

static size_t frame_bytes(const struct code *code) {
    return sizeof(struct frame) + ((code->total_bytes + 63) & ~(size_t)63);
}

static void set_up(struct frame *f, const struct code *code) {
    f->code = code;
    f->pend = (uint32_t *)(f->regs + code->pend_offset);
    uint32_t words = (code->nunits + 63) / 64;
    f->ready = (uint64_t *)(f->regs + code->pend_offset + ((code->nunits * 4 + 7) & ~7u));
    f->blocked = (uint8_t *)(f->ready + words);
    f->npending = f->nblocked = f->repeats = f->turns = f->last = f->back = 0;
    memset(f->pend, 0, code->total_bytes - code->pend_offset);
}

static void link_frame(struct warp *w, struct frame *f) {
    f->newer = NULL;
    f->older = w->newest;
    if (f->older) f->older->newer = f;
    w->newest = f;
}

static void drop_frame(struct warp *w, struct frame *f) {
    if (f->newer)
        f->newer->older = f->older;
    else
        w->newest = f->older;
    if (f->older) f->older->newer = f->newer;
    if (f->from_heap) free(f);
}

void sg_drop_frames(struct warp *w) {
    while (w->newest)
        drop_frame(w, w->newest);
}

// Behind the newest frame there; from the heap where calls side by side take more than the deepest chain of them.
static struct frame *new_frame(struct warp *w, const struct op *op, const struct code *code) {
    size_t bytes = frame_bytes(code);
    const struct frame *last = w->newest;
    while (last->from_heap)
        last = last->older; // the kernel's own is never from there
    uint8_t *at = (uint8_t *)last + frame_bytes(last->code);
    if (w->f->chain + bytes > w->memory_size) sg_raise(w, op, SG_FAULT_STACK, 0, 0, "calls too deep for the stack");
    struct frame *f = (struct frame *)at;
    bool fits = bytes <= (size_t)(w->memory + w->memory_size - at);
    if (!fits) f = aligned_alloc(64, bytes);
    if (!f) sg_raise(w, op, SG_FAULT_NO_MEMORY, 0, 0, "no memory for a call's registers");
    f->from_heap = !fits;
    f->chain = w->f->chain + bytes;
    set_up(f, code);
    memcpy(f->regs + code->const_start, code->consts, code->const_bytes);
    link_frame(w, f);
    return f;
}

void sg_start_warp(struct warp *w, const struct code *code, bool fresh) {
    struct frame *f = (struct frame *)w->memory;
    w->newest = NULL;
    f->prev = NULL;
    f->site = NULL;
    f->from_heap = false;
    f->chain = frame_bytes(code);
    set_up(f, code);
    link_frame(w, f);
    if (fresh) memcpy(f->regs + code->const_start, code->consts, code->const_bytes);
    f->live = w->initial;
    f->local_base = 0;
    f->local_top = code->stack_bytes;
    w->f = f;
    w->R = f->regs;
    w->mask = w->exec = w->live = w->initial;
    w->carry = 0;
    if (code->program->calls) memset(w->last_error, 0, sizeof w->last_error);
    w->meeting.waiting = 0;
    w->force = false;
    w->cluster_phase = 0;
    w->state = WARP_READY;
    w->pc = code->units[0].full;
}

static void run_frame(struct warp *w, struct frame *f) {
    w->f = f;
    w->R = f->regs;
}

// ---- arguments and results ----------------------------------------------------------------------

// target: who is called, where decoding could not know it.
static void copy_values(const struct argument *list, uint32_t n, struct warp *w, uint32_t mask,
                        const struct frame *from, const struct frame *to, bool results, const struct code *target) {
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
            const uint8_t *src = src_reg ? from->regs + src_slot + i * a->bytes : local + from->local_base + src_at;
            uint8_t *dst = dst_reg ? (uint8_t *)to->regs + dst_slot + i * a->bytes : local + to->local_base + dst_at;
            memmove(dst, src, a->bytes);
        }
    }
}

// The lanes that have returned take their results and wait behind the call.
static void hand_back(struct warp *w, struct frame *f) {
    struct frame *caller = f->prev;
    copy_values(f->site->results, f->site->nresults, w, f->back, f, caller, true, f->site->callee ? NULL : f->code);
    add_pending(caller, f->after, f->back, 0);
    f->back = 0;
}

// ---- who runs next ------------------------------------------------------------------------------

static bool has_ready(const struct frame *f) {
    return f->npending > f->nblocked;
}

// The next of the other frames with something to do, in a circle from the current one on; lanes that wait for the rest
// of their call come back for it if `early`.
static bool switch_frame(struct warp *w, bool early) {
    struct frame *f = w->f;
    do {
        f = f->older ? f->older : w->newest;
        if (early && f->back) {
            hand_back(w, f);
            f = f->prev;
        }
        if (!has_ready(f)) continue;
        run_frame(w, f);
        return true;
    } while (f != w->f);
    return false;
}

static bool at_barrier(const struct warp *w) {
    for (const struct frame *f = w->newest; f; f = f->older)
        for (uint32_t u = 0; f->nblocked && u < f->code->nunits; u++)
            if (f->blocked[u] && f->blocked[u] != PARKED) return true;
    return false;
}

static bool force_parked(struct warp *w) {
    for (struct frame *f = w->newest; f; f = f->older)
        for (uint32_t u = 0; f->nblocked && u < f->code->nunits; u++) {
            if (f->blocked[u] != PARKED) continue;
            add_pending(f, u, 0, 0);
            w->force = true;
            return true;
        }
    return false;
}

bool sg_force(struct warp *w) {
    if (w->state == WARP_DONE) return false;
    uint32_t lane = sg_first_seat(w);
    if (lane < SG_WARP)
        sg_settle_without(w, lane);
    else if (!force_parked(w))
        return false;
    w->state = WARP_READY;
    return true;
}

static int64_t pick_unit(struct frame *f) {
    int64_t unit = -1;
    if (f->turns) {
        f->turns--;
        unit = first_ready(f, f->last + 1 < f->code->nunits ? f->last + 1 : 0);
    }
    return unit < 0 ? first_ready(f, 0) : unit;
}

static const struct op *end_warp(struct warp *w) {
    sg_drop_frames(w);
    w->state = WARP_DONE;
    w->blk->warps_done++;
    return NULL;
}

// All lanes of the current frame have returned or exited.
static void leave_frame(struct warp *w) {
    struct frame *f = w->f;
    if (f->back) hand_back(w, f);
    run_frame(w, f->prev);
    drop_frame(w, f);
}

const struct op *sg_next(struct warp *w) {
    for (;;) {
        struct frame *f = w->f;
        int64_t unit = f->npending ? pick_unit(f) : -1;
        if (unit >= 0) return enter(w, (uint32_t)unit, take_pending(f, (uint32_t)unit));
        if (!w->live) return end_warp(w);
        if (!f->live) {
            leave_frame(w);
        } else if (!switch_frame(w, false) && !switch_frame(w, true)) {
            w->pc = NULL;
            w->waits_for = 0;
            w->state = WARP_WAIT;
            if (at_barrier(w) || !sg_force(w)) return NULL;
        }
    }
}

const struct op *sg_next_turn(struct warp *w) {
    if (w->newest->older && ++w->pauses % PATIENCE == 0) switch_frame(w, true);
    return sg_next(w);
}

// ---- call and return ----------------------------------------------------------------------------

static uint32_t same_target(struct warp *w, const struct op *op, struct code **callee) {
    const struct call_site *site = op->call;
    const uint64_t *target = (const uint64_t *)(w->R + site->target_slot);
    uint32_t same = 0, first = (uint32_t)__builtin_ctz(w->exec);
    *callee = sg_find_code(w->f->code->program, target[first]);
    if (!*callee) sg_raise(w, op, SG_FAULT_PC, first, target[first], "call of what is no function");
    SG_ACTIVE(i, w->exec) if (target[i] == target[first]) same |= 1u << i;
    return same;
}

// unit: behind the call; n: before it, for lanes that call through a pointer and have another target.
const struct op *sg_op_call(struct warp *w, const struct op *op) {
    const struct call_site *site = op->call;
    struct code *code = site->callee;
    struct frame *from = w->f;
    uint32_t lanes = w->exec, others = w->mask & ~w->exec;
    if (!code) lanes = same_target(w, op, &code);
    if (w->exec & ~lanes) add_pending(from, op->n, w->exec & ~lanes, 0);
    if (others) add_pending(from, op->unit, others, 0);
    uint64_t base = (from->local_top + code->local_align - 1) & ~(uint64_t)(code->local_align - 1);
    if (base + code->stack_bytes > w->local_stride)
        sg_raise(w, op, SG_FAULT_STACK, 0, 0, "calls too deep for the stack");
    struct frame *f = new_frame(w, op, code);
    f->prev = from;
    f->site = site;
    f->after = op->unit;
    f->live = lanes;
    f->local_base = base;
    f->local_top = base + code->stack_bytes;
    copy_values(site->args, site->nargs, w, lanes, from, f, false, site->callee ? NULL : code);
    run_frame(w, f);
    w->mask = w->exec = lanes;
    return code->units[0].full;
}

const struct op *sg_op_ret(struct warp *w, const struct op *op) {
    if (!w->f->prev) return sg_op_exit(w, op);
    w->f->live &= ~w->exec;
    w->f->back |= w->exec;
    w->mask = w->exec = w->mask & ~w->exec;
    return w->mask ? op + 1 : sg_next(w);
}
