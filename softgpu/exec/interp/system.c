// Special registers, addresses of spaces, packing, fences, traps.
#include "decode.h"

#include <sched.h>
#include <time.h>
#include <x86intrin.h>

#define HOST_LANES(i) for (unsigned i = 0; i < SG_WARP; i++)

static uint64_t global_timer(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t uniform_sreg(const struct warp *w, enum sg_sreg sreg) {
    const struct launch *l = w->blk->launch;
    switch (sreg) {
    case SG_SREG_NTID_X:
    case SG_SREG_NTID_Y:
    case SG_SREG_NTID_Z:
        return l->p.block[sreg - SG_SREG_NTID_X];
    case SG_SREG_CTAID_X:
    case SG_SREG_CTAID_Y:
    case SG_SREG_CTAID_Z:
        return w->blk->ctaid[sreg - SG_SREG_CTAID_X];
    case SG_SREG_NCTAID_X:
    case SG_SREG_NCTAID_Y:
    case SG_SREG_NCTAID_Z:
        return l->p.grid[sreg - SG_SREG_NCTAID_X];
    case SG_SREG_CLUSTERID_X:
    case SG_SREG_CLUSTERID_Y:
    case SG_SREG_CLUSTERID_Z:
        return w->blk->ctaid[sreg - SG_SREG_CLUSTERID_X] / l->p.cluster[sreg - SG_SREG_CLUSTERID_X];
    case SG_SREG_NCLUSTERID_X:
    case SG_SREG_NCLUSTERID_Y:
    case SG_SREG_NCLUSTERID_Z:
        return l->p.grid[sreg - SG_SREG_NCLUSTERID_X] / l->p.cluster[sreg - SG_SREG_NCLUSTERID_X];
    case SG_SREG_CLUSTER_CTAID_X:
    case SG_SREG_CLUSTER_CTAID_Y:
    case SG_SREG_CLUSTER_CTAID_Z:
        return w->blk->ctaid[sreg - SG_SREG_CLUSTER_CTAID_X] % l->p.cluster[sreg - SG_SREG_CLUSTER_CTAID_X];
    case SG_SREG_CLUSTER_NCTAID_X:
    case SG_SREG_CLUSTER_NCTAID_Y:
    case SG_SREG_CLUSTER_NCTAID_Z:
        return l->p.cluster[sreg - SG_SREG_CLUSTER_NCTAID_X];
    case SG_SREG_CLUSTER_CTARANK:
        return w->blk->rank;
    case SG_SREG_CLUSTER_NCTARANK:
        return l->cluster;
    case SG_SREG_IS_EXPLICIT_CLUSTER:
        return l->explicit_cluster;
    case SG_SREG_WARPID:
        return w->id;
    case SG_SREG_NWARPID:
        return l->warps;
    case SG_SREG_SMID:
        return w->blk->worker->index;
    case SG_SREG_NSMID:
        return l->engine->nworkers;
    case SG_SREG_GRIDID:
        return l->grid_id;
    case SG_SREG_CLOCK:
    case SG_SREG_CLOCK64:
        return __rdtsc();
    case SG_SREG_CLOCK_HI:
        return __rdtsc() >> 32;
    case SG_SREG_GLOBALTIMER:
    case SG_SREG_GLOBALTIMER_LO:
        return global_timer();
    case SG_SREG_GLOBALTIMER_HI:
        return global_timer() >> 32;
    case SG_SREG_DYNAMIC_SMEM_SIZE:
        return l->p.dynamic_shared;
    case SG_SREG_TOTAL_SMEM_SIZE:
        return l->shared_bytes;
    case SG_SREG_AGGR_SMEM_SIZE:
        return l->shared_bytes + SG_RESERVED_SHARED_BYTES;
    case SG_SREG_RESERVED_SMEM_OFFSET_BEGIN:
    case SG_SREG_RESERVED_SMEM_OFFSET_0:
        return 0;
    case SG_SREG_RESERVED_SMEM_OFFSET_1:
        return SG_RESERVED_SHARED_BYTES / 2;
    case SG_SREG_RESERVED_SMEM_OFFSET_END:
    case SG_SREG_RESERVED_SMEM_OFFSET_CAP:
        return SG_RESERVED_SHARED_BYTES;
    // The grid's workspace, where cooperative groups look for it: upper half first.
    case SG_SREG_ENVREG1:
        return (uintptr_t)l->grid_workspace >> 32;
    case SG_SREG_ENVREG2:
        return (uint32_t)(uintptr_t)l->grid_workspace;
    case SG_SREG_WARPSZ:
        return SG_WARP;
    default:
        return 0; // of the lane, or refused when the kernel was decoded
    }
}

// Performance counters are undefined everywhere; the other environment registers are whatever a driver agreed on with
// the maker of the PTX.
bool sg_sreg_has_meaning(enum sg_sreg sreg) {
    if (sreg >= SG_SREG_ENVREG0 && sreg <= SG_SREG_ENVREG31) return sreg == SG_SREG_ENVREG1 || sreg == SG_SREG_ENVREG2;
    return sreg < SG_SREG_PM0 || sreg > SG_SREG_PM7;
}

static uint64_t lane_sreg(const struct warp *w, enum sg_sreg sreg, unsigned i, uint64_t uniform) {
    uint32_t bit = 1u << i;
    switch (sreg) {
    case SG_SREG_TID_X:
    case SG_SREG_TID_Y:
    case SG_SREG_TID_Z:
        return w->tid[sreg - SG_SREG_TID_X][i];
    case SG_SREG_LANEID:
        return i;
    case SG_SREG_LANEMASK_EQ:
        return bit;
    case SG_SREG_LANEMASK_LE:
        return bit | (bit - 1);
    case SG_SREG_LANEMASK_LT:
        return bit - 1;
    case SG_SREG_LANEMASK_GE:
        return ~(bit - 1);
    case SG_SREG_LANEMASK_GT:
        return ~(bit | (bit - 1));
    default:
        return uniform;
    }
}

const struct op *sg_op_sreg(struct warp *w, const struct op *op) {
    enum sg_sreg sreg = (enum sg_sreg)op->imm;
    uint64_t uniform = uniform_sreg(w, sreg);
    if (op->n == 4) {
        uint32_t *d = VEC(uint32_t, d);
        if (sreg >= SG_SREG_TID_X && sreg <= SG_SREG_TID_Z)
            memcpy(d, w->tid[sreg - SG_SREG_TID_X], sizeof w->tid[0]);
        else
            HOST_LANES(i) d[i] = (uint32_t)lane_sreg(w, sreg, i, uniform);
        return op + 1;
    }
    HOST_LANES(i) {
        uint64_t v = lane_sreg(w, sreg, i, uniform);
        memcpy(w->R + op->d + i * op->n, &v, op->n);
    }
    return op + 1;
}

// ---- addresses ----------------------------------------------------------------------------------

static void put(struct warp *w, const struct op *op, unsigned i, uint64_t v) {
    memcpy(w->R + op->d + i * op->n, &v, op->n);
}

// a: generic.
const struct op *sg_op_local_address(struct warp *w, const struct op *op) {
    HOST_LANES(i) {
        uint64_t at = w->f->local_base + (uint64_t)op->imm;
        if (op->a) at += (uintptr_t)w->local + i * w->local_stride;
        put(w, op, i, at);
    }
    return op + 1;
}

const struct op *sg_op_shared_address(struct warp *w, const struct op *op) {
    HOST_LANES(i) put(w, op, i, (uintptr_t)w->shared + (uint64_t)op->imm);
    return op + 1;
}

static uint64_t window(const struct warp *w, const struct op *op, unsigned i, uint64_t *size) {
    switch (op->form.detail) {
    case SG_SHARED:
    case SG_SHARED_CLUSTER:
        *size = w->shared_size;
        return (uintptr_t)w->shared;
    case SG_LOCAL:
        *size = w->local_stride;
        return (uintptr_t)w->local + i * w->local_stride;
    case SG_PARAM:
        *size = w->blk->launch->param_bytes;
        return (uintptr_t)w->blk->launch->params;
    default:
        *size = UINT64_MAX;
        return 0;
    }
}

// A generic address in the shared memory of a cluster, from one of the shared::cluster window and back.
static uint64_t from_cluster(const struct warp *w, uint64_t at) {
    uint32_t rank = (uint32_t)at >> RANK_SHIFT;
    if (!rank || rank > w->blk->launch->cluster) return (uintptr_t)w->shared + at;
    return (uintptr_t)w->blk->first[rank - 1].shared + (at & ((1u << RANK_SHIFT) - 1));
}

static uint64_t to_cluster(const struct warp *w, uint64_t at) {
    const struct block *owner = sg_shared_owner(w, at);
    if (!owner || owner == w->blk) return at - (uintptr_t)w->shared;
    return (uint64_t)(owner->rank + 1) << RANK_SHIFT | (at - (uintptr_t)owner->shared);
}

HANDLER(cvta) {
    unsigned bytes = sg_type_bytes(op->form.type);
    bool to = op->form.flags & SG_F_TO;
    bool clustered = op->form.detail == SG_SHARED_CLUSTER && w->blk->launch->cluster > 1;
    HOST_LANES(i) {
        uint64_t v = 0, size, base = window(w, op, i, &size);
        memcpy(&v, w->R + op->a + i * bytes, bytes);
        if (clustered)
            v = to ? to_cluster(w, v) : from_cluster(w, v);
        else
            v = to ? v - base : v + base;
        memcpy(w->R + op->d + i * bytes, &v, bytes);
    }
    return op + 1;
}

HANDLER(isspacep) {
    const uint64_t *a = VEC(uint64_t, a);
    uint32_t m = 0;
    HOST_LANES(i) {
        bool inside;
        if (op->form.detail == SG_GLOBAL || op->form.detail == SG_CONST) {
            inside = sg_reach(w, a[i], 1) && !sg_shared_owner(w, a[i]) &&
                     a[i] - (uintptr_t)w->local >= w->local_stride * SG_WARP;
            if (inside && op->form.detail == SG_CONST) {
                inside = false;
                const struct sg_module *module = w->f->code->program->kernel->instance->module;
                for (uint32_t s = 0; s < module->nsymbols && !inside; s++)
                    inside = module->symbols[s]->space == SG_CONST &&
                             a[i] - module->symbols[s]->address < module->symbols[s]->size;
            }
        } else if (op->form.detail == SG_SHARED_CLUSTER) {
            inside = sg_shared_owner(w, a[i]) != NULL;
        } else {
            uint64_t size, base = window(w, op, i, &size);
            inside = a[i] - base < size;
        }
        m |= (uint32_t)inside << i;
    }
    PRED(d) = m;
    return op + 1;
}

// ---- registers ----------------------------------------------------------------------------------

// n: a copy, not an inversion.
const struct op *sg_op_not_pred(struct warp *w, const struct op *op) {
    PRED(d) = op->n ? PRED(a) : ~PRED(a);
    return op + 1;
}

const struct op *sg_op_widen(struct warp *w, const struct op *op) {
    HOST_LANES(i) VEC(uint64_t, d)[i] = VEC(uint32_t, a)[i];
    return op + 1;
}

const struct op *sg_op_narrow(struct warp *w, const struct op *op) {
    HOST_LANES(i) VEC(uint32_t, d)[i] = (uint32_t)VEC(uint64_t, a)[i];
    return op + 1;
}

// Element imm of n bytes, of a register of c bytes.
const struct op *sg_op_unpack(struct warp *w, const struct op *op) {
    const uint8_t *a = w->R + op->a + op->imm * op->n;
    HOST_LANES(i) memcpy(w->R + op->d + i * op->n, a + i * op->c, op->n);
    return op + 1;
}

const struct op *sg_op_pack(struct warp *w, const struct op *op) {
    uint8_t *d = w->R + op->d + op->imm * op->n;
    HOST_LANES(i) memcpy(d + i * op->c, w->R + op->a + i * op->n, op->n);
    return op + 1;
}

// ---- the rest -----------------------------------------------------------------------------------

HANDLER(nothing) {
    (void)w;
    return op + 1;
}

HANDLER(fence) {
    if (op->form.detail != SG_SCOPE_CTA) atomic_thread_fence(memory_order_seq_cst);
    (void)w;
    return op + 1;
}

HANDLER(trap) {
    sg_raise(w, op, SG_FAULT_TRAP, sg_first(w->exec), 0, "trap instruction");
}

// Others get the processor; the lanes of the warp take turns by themselves.
HANDLER(doze) {
    (void)w;
    sched_yield();
    return op + 1;
}

static uint64_t frame_value(const struct op *op, const uint8_t *a, unsigned i, unsigned bytes) {
    uint64_t v = 0;
    memcpy(&v, a + i * bytes, bytes);
    (void)op;
    return v;
}

// The stack grows for all lanes of the frame by the most that one asks for.
HANDLER(alloca_) {
    unsigned bytes = sg_type_bytes(op->form.type);
    uint64_t most = 0, align = op->imm > 16 ? (uint64_t)op->imm : 16;
    SG_ACTIVE(i, w->exec) {
        uint64_t n = frame_value(op, w->R + op->a, i, bytes);
        if (n > most) most = n;
    }
    uint64_t at = (w->f->local_top + align - 1) & ~(align - 1);
    if (at > w->local_stride || most > w->local_stride - at)
        sg_raise(w, op, SG_FAULT_STACK, sg_first(w->exec), 0, "alloca beyond the stack");
    w->f->local_top = at + most;
    HOST_LANES(i) memcpy(w->R + op->d + i * bytes, &at, bytes);
    return op + 1;
}

HANDLER(stacksave) {
    unsigned bytes = sg_type_bytes(op->form.type);
    HOST_LANES(i) memcpy(w->R + op->d + i * bytes, &w->f->local_top, bytes);
    return op + 1;
}

HANDLER(stackrestore) {
    uint64_t v = frame_value(op, w->R + op->a, sg_first(w->exec), sg_type_bytes(op->form.type));
    if (w->exec == w->f->live && v <= w->local_stride) w->f->local_top = v;
    return op + 1;
}

// Addresses without a space are generic ones.
HANDLER(getctarank) {
    unsigned bytes = sg_type_bytes(op->form.type);
    HOST_LANES(i) {
        uint64_t at = 0;
        memcpy(&at, w->R + op->a + i * bytes, bytes);
        if (op->form.detail == SG_SHARED_CLUSTER) at = from_cluster(w, at);
        const struct block *owner = sg_shared_owner(w, at);
        VEC(uint32_t, d)[i] = owner ? owner->rank : 0;
    }
    return op + 1;
}

HANDLER(mapa) {
    unsigned bytes = sg_type_bytes(op->form.type);
    bool generic = op->form.detail != SG_SHARED_CLUSTER;
    HOST_LANES(i) {
        uint64_t at = 0;
        uint32_t rank = VEC(uint32_t, b)[i] % w->blk->launch->cluster;
        memcpy(&at, w->R + op->a + i * bytes, bytes);
        if (!generic) at = from_cluster(w, at);
        const struct block *owner = sg_shared_owner(w, at);
        uint64_t offset = owner ? at - (uintptr_t)owner->shared : 0;
        at = generic ? (uintptr_t)w->blk->first[rank].shared + offset : (uint64_t)(rank + 1) << RANK_SHIFT | offset;
        memcpy(w->R + op->d + i * bytes, &at, bytes);
    }
    return op + 1;
}

HANDLER(policy) {
    memset(w->R + op->d, 0, 8 * SG_WARP);
    return op + 1;
}

sg_handler sg_pick_system(const struct sg_insn *insn) {
    switch (insn->op) {
    case SG_OP_CVTA:
        return cvta;
    case SG_OP_ISSPACEP:
        return isspacep;
    case SG_OP_MEMBAR:
    case SG_OP_FENCE:
        return fence;
    case SG_OP_TRAP:
    case SG_OP_BRKPT:
        return trap;
    case SG_OP_NANOSLEEP:
        return doze;
    case SG_OP_PREFETCH:
    case SG_OP_PREFETCHU:
    case SG_OP_APPLYPRIORITY:
    case SG_OP_DISCARD:
    case SG_OP_GRIDDEPCONTROL:
    case SG_OP_PMEVENT:
    case SG_OP_SETMAXNREG:
        return nothing;
    case SG_OP_CREATEPOLICY:
        return policy;
    case SG_OP_ALLOCA:
        return alloca_;
    case SG_OP_STACKSAVE:
        return stacksave;
    case SG_OP_STACKRESTORE:
        return stackrestore;
    case SG_OP_MAPA:
        return mapa;
    case SG_OP_GETCTARANK:
        return getctarank;
    default:
        return NULL;
    }
}
