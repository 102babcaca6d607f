// Blocks on a worker: setting them up, letting their warps take turns, faults.
#include "tier.h"
#include "warp.h"

#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

enum {
    // For recursion and calls through pointers, at least; mostly address space.
    CALL_STACK_BYTES = 4 << 20,  // frames of called functions, per warp
    CALL_LOCAL_BYTES = 32 << 10, // local memory of called functions, per thread
    LEAST_FRAME = 64,            // bytes of a GPU's stack that one call takes
};

// ---- faults -----------------------------------------------------------------------------------

_Noreturn void sg_raise(struct warp *w, const struct op *op, enum sg_fault_kind kind, uint32_t lane, uint64_t address,
                        const char *message) {
    struct worker *worker = w->blk->worker;
    struct crew *crew = worker->running;
    crew->warp = w;
    crew->op = op;
    crew->lane = lane;
    crew->raised = true;
    sg_worker_fault(worker, kind, address, message);
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

void *sg_translate(struct warp *w, const struct op *op, uint32_t lane, uint64_t address, uint64_t bytes,
                   uint64_t align) {
    void *p = sg_reach(w, address, bytes);
    if (!p) sg_raise(w, op, SG_FAULT_ADDRESS, lane, address, "address outside the kernel's memory");
    if (address & (align - 1)) sg_raise(w, op, SG_FAULT_MISALIGNED, lane, address, "misaligned address");
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
    const struct program *program = launch->kernel->code;
    struct layout l = {0};
    size_t unit = 16; // the strictest variable in any thread's local memory
    for (uint32_t i = 0; i < program->ncodes; i++)
        if (program->codes[i]->local_align > unit) unit = program->codes[i]->local_align;
    size_t line = unit > 64 ? unit : 64;
    l.frames = round_up(sizeof(struct frame) + program->main->total_bytes, line);
    l.local_stride = program->main->stack_bytes;
    if (program->calls) {
        size_t stack = launch->p.stack_bytes, frames = stack / LEAST_FRAME * program->largest_frame;
        if (frames < CALL_STACK_BYTES) frames = CALL_STACK_BYTES;
        if (stack < CALL_LOCAL_BYTES) stack = CALL_LOCAL_BYTES;
        l.frames += round_up(program->call_frames + (program->open_calls ? frames : 0), line);
        l.local_stride += program->call_local + (program->open_calls ? stack : 0);
    }
    l.local_stride = round_up(l.local_stride, unit);
    l.local = round_up(l.local_stride * SG_WARP, line);
    // Lines apart, so that equal registers of neighbouring warps fall into other cache sets.
    l.warp = l.frames + l.local + round_up(192, line);
    l.heads = round_up(sizeof(struct warp) * launch->warps, line);
    l.warps = round_up(l.heads + l.warp * launch->warps, SHARED_ALIGN) - l.heads;
    l.shared = round_up(SG_RESERVED_SHARED_BYTES + launch->shared_bytes + SHARED_UNIT,
                        SHARED_ALIGN > line ? SHARED_ALIGN : line);
    l.block = round_up(l.heads + l.warps + l.shared, line);
    return l;
}

static void place_block(struct block *blk, struct worker *worker, struct launch *launch, const struct layout *l,
                        uint8_t *memory) {
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
    const struct program *program = blk->launch->kernel->code;
    blk->turn = blk->nwarps > 1 && program->barriers ? FIRST_TURN : UINT32_MAX;
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
    for (int i = 0; i < 16; i++)
        blk->barriers[i] = (struct barrier){.all = 1};
    const struct program *program = launch->kernel->code;
    for (uint32_t i = 0; i < blk->nwarps; i++)
        sg_start_warp(&blk->warps[i], program->main, fresh);
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
    for (uint32_t left = w->blk->turn; op && (left-- || !rounds_to_nearest());)
        op = op->fn(w, op);
    if (op) w->pc = op;
}

// One turn for every ready warp. False if none was ready.
static bool turn(struct crew *crew, struct block *blk) {
    bool ran = false;
    for (uint32_t i = 0; i < blk->nwarps; i++) {
        struct warp *w = &blk->warps[i];
        if (w->state != WARP_READY) continue;
        ran = true;
        crew->warp = w;
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
    struct crew *crew = worker->running;
    uint32_t slot = 0, n = launch->cluster;
    while (slot < crew->nblocks && !all_done(&crew->blocks[slot]))
        slot += n;
    if (slot == crew->capacity || launch->failed) return false;
    uint64_t index = atomic_fetch_add(&launch->next, n);
    if (index >= launch->nblocks) return false;
    for (; crew->nblocks < slot + n; crew->nblocks++)
        place_block(&crew->blocks[crew->nblocks], worker, launch, l, worker->memory + crew->nblocks * l->block);
    start_cluster(&crew->blocks[slot], index, true);
    return true;
}

// The blocks wait, it seems, for what later blocks do, which hardware would have started too: after so many rounds in
// which no block has ended, others join.
enum { PATIENCE = 100 };

static void run_resident(struct worker *worker, struct launch *launch, const struct layout *l, uint32_t n) {
    struct crew *crew = worker->running;
    unsigned rounds = 0;
    for (uint32_t left = n; left;) {
        bool any = false; // blocks of a cluster wait for each other; others alone
        for (uint32_t i = 0; i < crew->nblocks; i++) {
            struct block *blk = &crew->blocks[i];
            if (blk->done) continue;
            bool ran = turn(crew, blk);
            any |= ran;
            if (blk->warps_done == blk->nwarps) {
                blk->done = any = true;
                left--;
                rounds = 0;
            } else if (!ran && launch->cluster == 1) {
                any = force_one(blk);
                if (any) continue;
                sg_raise(&blk->warps[0], NULL, SG_FAULT_DEADLOCK, 0, 0, "all threads of a block wait at barriers");
            }
        }
        for (uint32_t i = 0; !any && i < crew->nblocks; i++)
            any = force_one(&crew->blocks[i]);
        if (!any)
            sg_raise(&crew->blocks[0].warps[0], NULL, SG_FAULT_DEADLOCK, 0, 0,
                     "all threads of clusters wait at barriers");
        if (++rounds < PATIENCE) continue;
        rounds = 0;
        if (join(worker, launch, l)) left += launch->cluster;
    }
}

static bool may_spin(const struct program *program) {
    for (uint32_t i = 0; i < program->ncodes; i++)
        if (program->codes[i]->may_spin) return true;
    return false;
}

// How many blocks take turns on a worker from the start, and at most.
static uint32_t blocks_at_once(const struct worker *worker, const struct launch *launch, uint32_t *capacity) {
    unsigned team = worker->engine->nworkers;
    uint64_t clusters = launch->nblocks / launch->cluster, share = (clusters + team - 1) / team;
    uint64_t most = sg_cooperative_limit(worker->engine, launch->threads) / team / launch->cluster;
    if (!launch->p.cooperative) {
        if (most > 32) most = 32;
        if (most > clusters) most = clusters;
        if (most < 1 || !may_spin(launch->kernel->code)) most = 1;
        share = 1;
    } else {
        most = share;
    }
    *capacity = (uint32_t)most * launch->cluster;
    return (uint32_t)share * launch->cluster;
}

static void run(struct worker *worker) {
    struct launch *launch = worker->launch;
    struct layout l = plan(launch);
    struct crew *crew = worker->running = calloc(1, sizeof *crew);
    uint32_t resident = crew ? blocks_at_once(worker, launch, &crew->capacity) : 0;
    if (crew) crew->blocks = calloc(crew->capacity, sizeof *crew->blocks);
    if (!crew || !crew->blocks || !sg_worker_reserve(worker, l.block * crew->capacity))
        sg_worker_fault(worker, SG_FAULT_NO_MEMORY, 0, "no memory for registers");
    for (uint32_t i = 0; i < resident; i++)
        place_block(&crew->blocks[i], worker, launch, &l, worker->memory + i * l.block);
    bool fresh = true;
    for (;;) {
        uint32_t n = 0;
        for (; n < resident && !launch->failed; n += launch->cluster) {
            uint64_t index = atomic_fetch_add(&launch->next, launch->cluster);
            if (index >= launch->nblocks) break;
            start_cluster(&crew->blocks[n], index, fresh);
        }
        if (n == 0) break;
        crew->nblocks = n;
        worker->in_kernel = true;
        run_resident(worker, launch, &l, n);
        worker->in_kernel = false;
        if (n == resident) fresh = false;
    }
}

static void locate(const struct worker *worker, struct sg_fault *fault) {
    const struct crew *crew = worker->running;
    const struct warp *w = crew ? crew->warp : NULL;
    if (!w) return;
    const struct op *op = crew->raised ? crew->op : w->pc;
    fault->line = op ? op->line : 0;
    memcpy(fault->block, w->blk->ctaid, sizeof fault->block);
    for (int k = 0; k < 3; k++)
        fault->thread[k] = w->tid[k][crew->lane];
}

static void finish(struct worker *worker) {
    struct crew *crew = worker->running;
    if (!crew) return;
    for (uint32_t i = 0; i < crew->nblocks; i++)
        for (uint32_t k = 0; k < crew->blocks[i].nwarps; k++)
            sg_drop_frames(&crew->blocks[i].warps[k]);
    free(crew->blocks);
    free(crew);
}

const struct sg_tier sg_interpreter = {
    .name = "interpreter",
    .prepare = sg_decode_kernel,
    .discard = sg_discard_program,
    .run = run,
    .locate = locate,
    .finish = finish,
};
