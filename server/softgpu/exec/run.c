// Blocks on a worker: setting them up, letting their warps take turns, faults.
#include "warp.h"

#include <immintrin.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    // For recursion and calls through pointers, at least; mostly address space.
    CALL_STACK_BYTES = 4 << 20,  // frames of called functions, per warp
    CALL_LOCAL_BYTES = 32 << 10, // local memory of called functions, per thread
    LEAST_FRAME = 64,            // bytes of a GPU's stack that one call takes
    SIGNAL_STACK_BYTES = 64 << 10,
};

// The worker of this thread while it runs kernels. Read by the signal handler, so it must not need
// lazy allocation.
static __thread struct worker *current __attribute__((tls_model("initial-exec")));

// ---- faults -----------------------------------------------------------------------------------

static struct sigaction previous_segv, previous_bus;

static bool guest_address(const struct worker *worker, uintptr_t address) {
    const struct sg_engine_config *config = &worker->engine->config;
    if (address >= config->arena_lo && address < config->arena_hi) return true;
    const struct launch *launch = worker->launch;
    for (uint32_t i = 0; launch && i < launch->nranges; i++)
        if (address >= launch->ranges[i].lo && address < launch->ranges[i].hi) return true;
    return false;
}

static void on_signal(int number, siginfo_t *info, void *context) {
    struct worker *worker = current;
    if (worker && worker->in_kernel && guest_address(worker, (uintptr_t)info->si_addr)) {
        worker->fault = SG_FAULT_ADDRESS;
        worker->fault_address = (uintptr_t)info->si_addr;
        worker->fault_lane = 0;
        worker->op = worker->warp ? worker->warp->pc : NULL;
        snprintf(worker->fault_message, sizeof worker->fault_message, "no memory at that address");
        siglongjmp(worker->jump, 1);
    }
    struct sigaction *previous = number == SIGBUS ? &previous_bus : &previous_segv;
    if (previous->sa_flags & SA_SIGINFO) {
        previous->sa_sigaction(number, info, context);
    } else if (previous->sa_handler == SIG_DFL || previous->sa_handler == SIG_IGN) {
        sigaction(number, previous, NULL); // the instruction faults again, with the default action
    } else {
        previous->sa_handler(number);
    }
}

void sg_install_signals(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    extern void sg_install_once(void);
    pthread_once(&once, sg_install_once);
}

void sg_install_once(void) {
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &previous_segv);
    sigaction(SIGBUS, &action, &previous_bus);
}

void sg_worker_enter(struct worker *worker) {
    worker->signal_stack = malloc(SIGNAL_STACK_BYTES);
    stack_t stack = {.ss_sp = worker->signal_stack, .ss_size = SIGNAL_STACK_BYTES};
    if (worker->signal_stack) sigaltstack(&stack, NULL);
    current = worker;
}

void sg_worker_leave(struct worker *worker) {
    stack_t stack = {.ss_flags = SS_DISABLE};
    sigaltstack(&stack, NULL);
    free(worker->signal_stack);
    current = NULL;
    if (worker->memory) munmap(worker->memory, worker->memory_size);
    worker->memory = NULL;
    worker->memory_size = 0;
}

_Noreturn void sg_raise(struct warp *w, const struct op *op, enum sg_fault_kind kind, uint32_t lane,
                        uint64_t address, const char *message) {
    struct worker *worker = w->blk->worker;
    worker->fault = kind;
    worker->fault_address = address;
    worker->fault_lane = lane;
    worker->op = op;
    worker->warp = w;
    snprintf(worker->fault_message, sizeof worker->fault_message, "%s", message);
    siglongjmp(worker->jump, 1);
}

// ---- addresses --------------------------------------------------------------------------------

struct block *sg_shared_owner(const struct warp *w, uint64_t address) {
    struct block *first = w->blk->first;
    for (uint32_t i = 0; i < w->blk->launch->cluster; i++)
        if (address - (uintptr_t)first[i].shared < w->shared_size) return &first[i];
    return NULL;
}

void *sg_reach(struct warp *w, uint64_t address, uint64_t bytes) {
    if (address >= w->lo && address < w->hi && bytes <= w->hi - address) return (void *)address;
    uint64_t at = address - (uintptr_t)w->shared;
    if (at < w->shared_size && bytes <= w->shared_size - at) return (void *)address;
    at = address - (uintptr_t)w->local;
    uint64_t local = w->local_stride * SG_WARP;
    if (at < local && bytes <= local - at) return (void *)address;
    const struct launch *launch = w->blk->launch;
    const struct block *owner = launch->cluster > 1 ? sg_shared_owner(w, address) : NULL;
    if (owner && bytes <= (uintptr_t)owner->shared + w->shared_size - address) return (void *)address;
    at = address - (uintptr_t)launch->params;
    if (at < launch->param_bytes && bytes <= launch->param_bytes - at) return (void *)address;
    for (uint32_t i = 0; i < launch->nranges; i++) {
        const struct range *r = &launch->ranges[i];
        if (address >= r->lo && address < r->hi && bytes <= r->hi - address) return (void *)address;
    }
    return NULL;
}

void *sg_translate(struct warp *w, const struct op *op, uint32_t lane, uint64_t address,
                   uint64_t bytes, uint64_t align) {
    void *p = sg_reach(w, address, bytes);
    if (!p) sg_raise(w, op, SG_FAULT_ADDRESS, lane, address, "address outside the kernel's memory");
    if (address & (align - 1))
        sg_raise(w, op, SG_FAULT_MISALIGNED, lane, address, "misaligned address");
    return p;
}

void *sg_shared(struct warp *w, const struct op *op, uint32_t lane, uint32_t at, uint64_t bytes, uint64_t align) {
    uint32_t rank = at >> RANK_SHIFT, offset = at;
    uint8_t *shared = w->shared;
    if (rank && rank <= w->blk->launch->cluster) {
        shared = w->blk->first[rank - 1].shared;
        offset &= (1u << RANK_SHIFT) - 1;
    }
    if (offset + bytes > w->shared_size)
        sg_raise(w, op, SG_FAULT_ADDRESS, lane, at, "address outside the block's shared memory");
    if (offset & (align - 1)) sg_raise(w, op, SG_FAULT_MISALIGNED, lane, at, "misaligned address in shared memory");
    return shared + offset;
}

// ---- layout of a worker's memory ----------------------------------------------------------------

enum {
    SHARED_ALIGN = 1024, // bytes; the strictest that hardware asks for
    SHARED_UNIT = 128,   // in which hardware gives it out: compilers read behind an array's end where that is harmless
};

struct layout {
    size_t heads, frames, local, warp, warps, shared, block;
    uint64_t local_stride;
};

static size_t round_up(size_t n, size_t unit) {
    return (n + unit - 1) / unit * unit;
}

static struct layout plan(const struct launch *launch) {
    const struct sg_kernel *kernel = launch->kernel;
    struct layout l = {0};
    size_t unit = 16; // the strictest variable in any thread's local memory
    for (uint32_t i = 0; i < kernel->ncodes; i++)
        if (kernel->codes[i]->local_align > unit) unit = kernel->codes[i]->local_align;
    size_t line = unit > 64 ? unit : 64;
    l.frames = round_up(sizeof(struct frame) + kernel->main->total_bytes, line);
    l.local_stride = kernel->main->stack_bytes;
    if (kernel->calls) {
        size_t stack = launch->p.stack_bytes, frames = stack / LEAST_FRAME * kernel->largest_frame;
        if (frames < CALL_STACK_BYTES) frames = CALL_STACK_BYTES;
        if (stack < CALL_LOCAL_BYTES) stack = CALL_LOCAL_BYTES;
        l.frames += round_up(kernel->call_frames + (kernel->open_calls ? frames : 0), line);
        l.local_stride += kernel->call_local + (kernel->open_calls ? stack : 0);
    }
    l.local_stride = round_up(l.local_stride, unit);
    l.local = round_up(l.local_stride * SG_WARP, line);
    // Lines apart, so that equal registers of neighbouring warps fall into other cache sets.
    l.warp = l.frames + l.local + round_up(192, line);
    l.heads = round_up(sizeof(struct warp) * launch->warps, line);
    l.warps = round_up(l.heads + l.warp * launch->warps, SHARED_ALIGN) - l.heads;
    l.shared = round_up(SG_RESERVED_SHARED_BYTES + launch->shared_bytes + SHARED_UNIT, SHARED_ALIGN > line ? SHARED_ALIGN : line);
    l.block = round_up(l.heads + l.warps + l.shared, line);
    return l;
}

static bool reserve(struct worker *worker, size_t bytes) {
    if (bytes <= worker->memory_size) return true;
    if (worker->memory) munmap(worker->memory, worker->memory_size);
    worker->memory_size = 0;
    bytes = round_up(bytes, (size_t)1 << 21);
    worker->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (worker->memory == MAP_FAILED) {
        worker->memory = NULL;
        return false;
    }
    worker->memory_size = bytes;
    return true;
}

static void place_block(struct block *blk, struct worker *worker, struct launch *launch,
                        const struct layout *l, uint8_t *memory) {
    memset(blk, 0, sizeof *blk);
    blk->launch = launch;
    blk->worker = worker;
    blk->nwarps = launch->warps;
    blk->warps = (struct warp *)memory;
    memory += l->heads;
    blk->shared = memory + l->warps;
    const uint32_t *dim = launch->p.block;
    for (uint32_t i = 0; i < launch->warps; i++) {
        struct warp *w = &blk->warps[i];
        memset(w, 0, sizeof *w);
        w->blk = blk;
        w->id = i;
        w->memory = memory + i * l->warp;
        w->memory_size = l->frames;
        w->local = w->memory + l->frames;
        w->local_stride = l->local_stride;
        w->shared = blk->shared;
        w->shared_size = round_up(SG_RESERVED_SHARED_BYTES + launch->shared_bytes, SHARED_UNIT);
        w->lo = launch->engine->config.arena_lo;
        w->hi = launch->engine->config.arena_hi;
        uint32_t rest = launch->threads - i * SG_WARP;
        w->initial = rest >= SG_WARP ? UINT32_MAX : (1u << rest) - 1;
        SG_LANES(k) {
            uint32_t t = i * SG_WARP + (uint32_t)k;
            w->tid[0][k] = t % dim[0];
            w->tid[1][k] = t / dim[0] % dim[1];
            w->tid[2][k] = t / dim[0] / dim[1] % dim[2];
        }
    }
}

// ---- turns --------------------------------------------------------------------------------------

// Between barriers the warps of a block take turns that are short at first and then longer and longer. On a GPU warps
// go on side by side, so that what all of them read behind a barrier has been read long before one of them overwrites
// it; programs have come to rely on that.
enum { FIRST_TURN = 8, LONGEST_TURN = 1 << 20 };

void sg_shorten_turns(struct block *blk) {
    if (blk->turn == UINT32_MAX) return;
    blk->turn = FIRST_TURN;
    blk->shortened = true;
}

static void start_turns(struct block *blk) {
    blk->turn = blk->nwarps > 1 && blk->launch->kernel->barriers ? FIRST_TURN : UINT32_MAX;
    blk->shortened = false;
}

static void lengthen_turns(struct block *blk) {
    if (!blk->shortened && blk->turn < LONGEST_TURN) blk->turn *= 2;
    blk->shortened = false;
}

// ---- starting -----------------------------------------------------------------------------------

static void start_block(struct block *blk, bool fresh) {
    const struct launch *launch = blk->launch;
    blk->threads_live = launch->threads;
    blk->warps_done = 0;
    blk->done = false;
    start_turns(blk);
    for (int i = 0; i < 16; i++) blk->barriers[i] = (struct barrier){.all = 1};
    for (uint32_t i = 0; i < blk->nwarps; i++)
        sg_start_warp(&blk->warps[i], launch->kernel->main, fresh);
}

// A cluster, which is mostly one block. index: of the first block, if all were counted cluster by cluster.
static void start_cluster(struct block *first, uint64_t index, bool fresh) {
    const struct launch *launch = first->launch;
    const uint32_t *size = launch->p.cluster;
    uint64_t rest = index / launch->cluster;
    uint32_t at[3];
    for (int i = 0; i < 3; i++) {
        at[i] = (uint32_t)(rest % (launch->p.grid[i] / size[i])) * size[i];
        rest /= launch->p.grid[i] / size[i];
    }
    first->cluster = (struct cluster){.live = launch->threads * launch->cluster, .phase = 1};
    for (uint32_t rank = 0; rank < launch->cluster; rank++) {
        struct block *blk = &first[rank];
        blk->first = first;
        blk->rank = rank;
        blk->ctaid[0] = at[0] + rank % size[0];
        blk->ctaid[1] = at[1] + rank / size[0] % size[1];
        blk->ctaid[2] = at[2] + rank / size[0] / size[1];
        start_block(blk, fresh);
    }
}

// ---- running ------------------------------------------------------------------------------------

static bool rounds_to_nearest(void) {
    return (_mm_getcsr() & _MM_ROUND_MASK) == _MM_ROUND_NEAREST;
}

static void run_warp(struct warp *w) {
    const struct op *op = w->pc ? w->pc : sg_next_turn(w);
    for (uint32_t left = w->blk->turn; op && (left-- || !rounds_to_nearest());) op = op->fn(w, op);
    if (op) w->pc = op;
}

// One turn for every ready warp. False if none was ready.
static bool turn(struct worker *worker, struct block *blk) {
    bool ran = false;
    for (uint32_t i = 0; i < blk->nwarps; i++) {
        struct warp *w = &blk->warps[i];
        if (w->state != WARP_READY) continue;
        ran = true;
        worker->warp = w;
        run_warp(w);
    }
    lengthen_turns(blk);
    return ran;
}

// No warp can go on by the rules.
static bool force_one(struct block *blk) {
    for (uint32_t i = 0; i < blk->nwarps; i++)
        if (sg_force(&blk->warps[i])) return true;
    return false;
}

static bool all_done(const struct block *first) {
    for (uint32_t i = 0; i < first->launch->cluster; i++)
        if (!first[i].done) return false;
    return true;
}

// One more cluster among those that take turns, where there is room. False if there is none, or no block left.
static bool join(struct worker *worker, struct launch *launch, const struct layout *l) {
    uint32_t slot = 0, n = launch->cluster;
    while (slot < worker->nblocks && !all_done(&worker->blocks[slot])) slot += n;
    if (slot == worker->capacity || launch->failed) return false;
    uint64_t index = atomic_fetch_add(&launch->next, n);
    if (index >= launch->nblocks) return false;
    for (; worker->nblocks < slot + n; worker->nblocks++)
        place_block(&worker->blocks[worker->nblocks], worker, launch, l, worker->memory + worker->nblocks * l->block);
    start_cluster(&worker->blocks[slot], index, true);
    return true;
}

// The blocks wait, it seems, for what later blocks do, which hardware would have started too: after so many rounds in
// which no block has ended, others join.
enum { PATIENCE = 100 };

static void run_resident(struct worker *worker, struct launch *launch, const struct layout *l, uint32_t n) {
    unsigned rounds = 0;
    for (uint32_t left = n; left;) {
        bool any = false; // blocks of a cluster wait for each other; others alone
        for (uint32_t i = 0; i < worker->nblocks; i++) {
            struct block *blk = &worker->blocks[i];
            if (blk->done) continue;
            bool ran = turn(worker, blk);
            any |= ran;
            if (blk->warps_done == blk->nwarps) {
                blk->done = any = true;
                left--;
                rounds = 0;
            } else if (!ran && launch->cluster == 1) {
                any = force_one(blk);
                if (any) continue;
                sg_raise(&blk->warps[0], NULL, SG_FAULT_DEADLOCK, 0, 0,
                         "all threads of a block wait at barriers");
            }
        }
        for (uint32_t i = 0; !any && i < worker->nblocks; i++) any = force_one(&worker->blocks[i]);
        if (!any)
            sg_raise(&worker->blocks[0].warps[0], NULL, SG_FAULT_DEADLOCK, 0, 0, "all threads of clusters wait at barriers");
        if (++rounds < PATIENCE) continue;
        rounds = 0;
        if (join(worker, launch, l)) left += launch->cluster;
    }
}

static void record_fault(struct worker *worker, struct launch *launch) {
    if (worker->fault == SG_FAULT_NONE) return; // stopped because another worker found one
    pthread_mutex_lock(&launch->engine->lock);
    if (!launch->failed) {
        const struct warp *w = worker->warp;
        struct sg_fault *f = &launch->fault;
        f->kind = worker->fault;
        f->address = worker->fault_address;
        f->line = worker->op ? worker->op->line : 0;
        snprintf(f->message, sizeof f->message, "%s", worker->fault_message);
        if (w) {
            memcpy(f->block, w->blk->ctaid, sizeof f->block);
            for (int k = 0; k < 3; k++) f->thread[k] = w->tid[k][worker->fault_lane];
        }
        launch->failed = 1;
    }
    pthread_mutex_unlock(&launch->engine->lock);
}

static bool may_spin(const struct sg_kernel *kernel) {
    for (uint32_t i = 0; i < kernel->ncodes; i++)
        if (kernel->codes[i]->may_spin) return true;
    return false;
}

// How many blocks take turns on a worker from the start, and at most.
static uint32_t blocks_at_once(struct worker *worker, const struct launch *launch) {
    unsigned team = worker->engine->nworkers;
    uint64_t clusters = launch->nblocks / launch->cluster, share = (clusters + team - 1) / team;
    uint64_t most = sg_cooperative_limit(worker->engine, launch->threads) / team / launch->cluster;
    if (!launch->p.cooperative) {
        if (most > 32) most = 32;
        if (most > clusters) most = clusters;
        if (most < 1 || !may_spin(launch->kernel)) most = 1;
        share = 1;
    } else {
        most = share;
    }
    worker->capacity = (uint32_t)most * launch->cluster;
    return (uint32_t)share * launch->cluster;
}

// Left by a jump when a kernel faults.
static void run_all(struct worker *worker, struct launch *launch) {
    struct layout l = plan(launch);
    uint32_t resident = blocks_at_once(worker, launch);
    worker->blocks = calloc(worker->capacity, sizeof *worker->blocks);
    if (!worker->blocks || !reserve(worker, l.block * worker->capacity)) {
        worker->fault = SG_FAULT_NO_MEMORY;
        snprintf(worker->fault_message, sizeof worker->fault_message, "no memory for registers");
        siglongjmp(worker->jump, 1);
    }
    for (uint32_t i = 0; i < resident; i++)
        place_block(&worker->blocks[i], worker, launch, &l, worker->memory + i * l.block);
    bool fresh = true;
    for (;;) {
        uint32_t n = 0;
        for (; n < resident && !launch->failed; n += launch->cluster) {
            uint64_t index = atomic_fetch_add(&launch->next, launch->cluster);
            if (index >= launch->nblocks) break;
            start_cluster(&worker->blocks[n], index, fresh);
        }
        if (n == 0) break;
        worker->nblocks = n;
        worker->in_kernel = true;
        run_resident(worker, launch, &l, n);
        worker->in_kernel = false;
        if (n == resident) fresh = false;
    }
}

void sg_run_blocks(struct worker *worker, struct launch *launch) {
    worker->launch = launch;
    worker->warp = NULL;
    worker->op = NULL;
    worker->blocks = NULL;
    worker->nblocks = 0;
    uint32_t control = _mm_getcsr(); // a fault may come between a change of rounding and its end
    if (sigsetjmp(worker->jump, 0) == 0) {
        run_all(worker, launch);
    } else {
        worker->in_kernel = false;
        record_fault(worker, launch);
    }
    _mm_setcsr(control);
    for (uint32_t i = 0; i < worker->nblocks; i++)
        for (uint32_t k = 0; k < worker->blocks[i].nwarps; k++) sg_drop_frames(&worker->blocks[i].warps[k]);
    free(worker->blocks);
    worker->blocks = NULL;
    worker->launch = NULL;
}
