// Engines: worker threads, launches, ranges of memory.
#include "tier.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRID_WORKSPACE_BYTES 64
#define LAUNCH_HEAP_BYTES ((size_t)16 << 20)

static enum sg_isa choose_isa(void) {
    __builtin_cpu_init();
    const char *limit = getenv("HAWSER_SOFTGPU_ISA"); // for tests: results must not depend on it
    if (limit && !strcmp(limit, "baseline")) return SG_ISA_BASELINE;
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                __builtin_cpu_supports("bmi2");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (avx512 && !(limit && !strcmp(limit, "avx2"))) return SG_ISA_AVX512;
    return avx2 ? SG_ISA_AVX2 : SG_ISA_BASELINE;
}

const char *sg_engine_isa(const struct sg_engine *engine) {
    static const char *const names[] = {
        [SG_ISA_BASELINE] = "baseline", [SG_ISA_AVX2] = "avx2", [SG_ISA_AVX512] = "avx512"};
    return names[engine->isa];
}

unsigned sg_engine_threads(const struct sg_engine *engine) {
    return engine->nworkers;
}

// ---- workers ------------------------------------------------------------------------------------

// Under the lock. A launch leaves the queue when its blocks are given out.
static struct launch *take_launch(struct sg_engine *engine) {
    struct launch **link = &engine->queue;
    while (*link) {
        struct launch *launch = *link;
        if (launch->next >= launch->nblocks || launch->failed) {
            *link = launch->queue_next;
            continue;
        }
        launch->running++;
        // Round robin among launches: this one goes behind the others.
        *link = launch->queue_next;
        launch->queue_next = NULL;
        struct launch **end = &engine->queue;
        while (*end)
            end = &(*end)->queue_next;
        *end = launch;
        return launch;
    }
    return NULL;
}

static void *work(void *arg) {
    struct worker *worker = arg;
    struct sg_engine *engine = worker->engine;
    sg_worker_enter(worker);
    pthread_mutex_lock(&engine->lock);
    while (!engine->stopping) {
        struct launch *launch = take_launch(engine);
        if (!launch) {
            pthread_cond_wait(&engine->work, &engine->lock);
            continue;
        }
        pthread_mutex_unlock(&engine->lock);
        sg_run_blocks(worker, launch);
        pthread_mutex_lock(&engine->lock);
        launch->running--;
        pthread_cond_broadcast(&engine->done);
    }
    pthread_mutex_unlock(&engine->lock);
    sg_worker_leave(worker);
    return NULL;
}

unsigned sg_usable_cores(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > SG_MAX_WORKERS ? SG_MAX_WORKERS : (unsigned)n;
}

int sg_start_thread(pthread_t *thread, void *(*run)(void *), void *arg) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t others, before;
    sigfillset(&others);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&others, faults[i]);
    pthread_sigmask(SIG_SETMASK, &others, &before);
    int status = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

struct sg_engine *sg_engine_create(const struct sg_engine_config *config) {
    struct sg_engine *engine = calloc(1, sizeof *engine);
    if (!engine) return NULL;
    engine->config = *config;
    sg_heap_init(&engine->malloc_heap, config->heap_bytes ? config->heap_bytes : (size_t)8 << 20);
    sg_heap_init(&engine->launch_heap, LAUNCH_HEAP_BYTES);
    engine->isa = choose_isa();
    pthread_mutex_init(&engine->lock, NULL);
    pthread_mutex_init(&engine->print_lock, NULL);
    pthread_mutex_init(&engine->cooperative_lock, NULL);
    pthread_cond_init(&engine->work, NULL);
    pthread_cond_init(&engine->done, NULL);
    sg_textures_init(&engine->textures);
    sg_install_signals();
    unsigned wanted = config->threads ? config->threads : sg_usable_cores();
    if (wanted > SG_MAX_WORKERS) wanted = SG_MAX_WORKERS;
    engine->workers = calloc(wanted, sizeof *engine->workers);
    for (unsigned i = 0; engine->workers && i < wanted; i++) {
        struct worker *worker = &engine->workers[i];
        worker->engine = engine;
        worker->index = i;
        if (sg_start_thread(&worker->thread, work, worker)) break;
        engine->nworkers++;
    }
    if (engine->nworkers) return engine;
    sg_engine_destroy(engine);
    return NULL;
}

void sg_engine_destroy(struct sg_engine *engine) {
    if (!engine) return;
    pthread_mutex_lock(&engine->lock);
    engine->stopping = true;
    pthread_cond_broadcast(&engine->work);
    pthread_mutex_unlock(&engine->lock);
    for (unsigned i = 0; i < engine->nworkers; i++)
        pthread_join(engine->workers[i].thread, NULL);
    sg_heap_destroy(engine, &engine->malloc_heap);
    sg_heap_destroy(engine, &engine->launch_heap);
    sg_textures_destroy(&engine->textures);
    free(engine->workers);
    free(engine->ranges);
    pthread_mutex_destroy(&engine->lock);
    pthread_mutex_destroy(&engine->print_lock);
    pthread_mutex_destroy(&engine->cooperative_lock);
    pthread_cond_destroy(&engine->work);
    pthread_cond_destroy(&engine->done);
    free(engine);
}

// ---- ranges -------------------------------------------------------------------------------------

bool sg_engine_add_range(struct sg_engine *engine, const void *start, size_t bytes) {
    pthread_mutex_lock(&engine->lock);
    struct range *ranges = realloc(engine->ranges, (engine->nranges + 1) * sizeof *ranges);
    if (ranges) {
        engine->ranges = ranges;
        ranges[engine->nranges++] = (struct range){(uintptr_t)start, (uintptr_t)start + bytes};
    }
    pthread_mutex_unlock(&engine->lock);
    return ranges != NULL;
}

bool sg_engine_remove_range(struct sg_engine *engine, const void *start, size_t bytes) {
    bool found = false;
    pthread_mutex_lock(&engine->lock);
    for (uint32_t i = 0; i < engine->nranges && !found; i++) {
        struct range *r = &engine->ranges[i];
        if (r->lo != (uintptr_t)start || r->hi != (uintptr_t)start + bytes) continue;
        *r = engine->ranges[--engine->nranges];
        found = true;
    }
    pthread_mutex_unlock(&engine->lock);
    return found;
}

bool sg_engine_set_heap(struct sg_engine *engine, size_t bytes) {
    return sg_heap_resize(&engine->malloc_heap, bytes);
}

static bool copy_ranges(struct launch *launch) {
    struct sg_engine *engine = launch->engine;
    pthread_mutex_lock(&engine->lock);
    launch->nranges = engine->nranges;
    launch->ranges = malloc((engine->nranges + 1) * sizeof *launch->ranges);
    if (launch->ranges && engine->nranges)
        memcpy(launch->ranges, engine->ranges, engine->nranges * sizeof *launch->ranges);
    pthread_mutex_unlock(&engine->lock);
    return launch->ranges != NULL;
}

// ---- launches -----------------------------------------------------------------------------------

static enum sg_fault_kind refuse(struct sg_fault *fault, enum sg_fault_kind kind, const char *why) {
    fault->kind = kind;
    snprintf(fault->message, sizeof fault->message, "%s", why);
    return kind;
}

static enum sg_fault_kind check(struct launch *launch, struct sg_fault *fault) {
    const struct sg_launch_params *p = &launch->p;
    const struct sg_function *fn = launch->kernel->fn;
    uint64_t threads = 1, blocks = 1;
    for (int i = 0; i < 3; i++) {
        if (!p->grid[i] || !p->block[i]) return refuse(fault, SG_FAULT_INVALID_VALUE, "a dimension is zero");
        if (p->block[i] > SG_MAX_BLOCK_THREADS || p->grid[i] > (i ? 65535u : 2147483647u))
            return refuse(fault, SG_FAULT_INVALID_VALUE, "a dimension is too large");
        if (fn->reqntid[0] && p->block[i] != (fn->reqntid[i] ? fn->reqntid[i] : 1))
            return refuse(fault, SG_FAULT_INVALID_VALUE, "the kernel wants another block size");
        threads *= p->block[i];
        blocks *= p->grid[i];
    }
    if (threads > SG_MAX_BLOCK_THREADS) return refuse(fault, SG_FAULT_INVALID_VALUE, "a block has too many threads");
    if (threads > launch->kernel->info.max_threads)
        return refuse(fault, SG_FAULT_INVALID_VALUE, "the kernel's .maxntid is less than the block");
    uint64_t shared = p->dynamic_shared ? (uint64_t)fn->dynamic_offset + p->dynamic_shared : fn->shared_bytes;
    if (shared > SG_MAX_SHARED_BYTES) return refuse(fault, SG_FAULT_INVALID_VALUE, "too much shared memory");
    if (p->param_bytes < fn->param_bytes)
        return refuse(fault, SG_FAULT_INVALID_VALUE, "the parameter buffer is too short");
    if (p->cooperative && blocks > sg_cooperative_limit(launch->engine, (uint32_t)threads))
        return refuse(fault, SG_FAULT_COOPERATIVE_SIZE, "too many blocks to be resident together");
    launch->cluster = 1;
    for (int i = 0; i < 3; i++) {
        uint32_t wanted = fn->reqnctapercluster[0] && !fn->reqnctapercluster[i] ? 1 : fn->reqnctapercluster[i];
        uint32_t *given = &launch->p.cluster[i];
        launch->explicit_cluster |= wanted || *given;
        if (!*given) *given = wanted ? wanted : 1;
        if ((wanted && *given != wanted) || p->grid[i] % *given || *given > SG_MAX_CLUSTER)
            return refuse(fault, SG_FAULT_CLUSTER_SIZE, "the grid cannot be made of such clusters");
        launch->cluster *= *given;
    }
    if (launch->cluster > SG_MAX_CLUSTER) return refuse(fault, SG_FAULT_CLUSTER_SIZE, "a cluster has too many blocks");
    launch->threads = (uint32_t)threads;
    launch->warps = (uint32_t)(threads + SG_WARP - 1) / SG_WARP;
    launch->shared_bytes = (uint32_t)shared;
    launch->nblocks = blocks;
    return SG_FAULT_NONE;
}

uint32_t sg_cooperative_limit(const struct sg_engine *engine, uint32_t block_threads) {
    uint32_t warps = (block_threads + SG_WARP - 1) / SG_WARP;
    return engine->nworkers * (warps ? 64 / warps : 64);
}

struct temporary {
    struct worker worker;
    struct launch *launch;
};

static void *work_once(void *arg) {
    struct temporary *t = arg;
    sg_worker_enter(&t->worker);
    sg_run_blocks(&t->worker, t->launch);
    sg_worker_leave(&t->worker);
    return NULL;
}

// All blocks are resident, on threads of this launch's own: workers of the pool might be held by
// launches that wait for each other.
static enum sg_fault_kind run_cooperative(struct launch *launch) {
    struct sg_engine *engine = launch->engine;
    struct temporary *team = calloc(engine->nworkers, sizeof *team);
    if (!team) return SG_FAULT_NO_MEMORY;
    pthread_mutex_lock(&engine->cooperative_lock);
    unsigned started = 0;
    for (; started < engine->nworkers; started++) {
        team[started].worker.engine = engine;
        team[started].worker.index = started;
        team[started].launch = launch;
        if (sg_start_thread(&team[started].worker.thread, work_once, &team[started])) break;
    }
    for (unsigned i = 0; i < started; i++)
        pthread_join(team[i].worker.thread, NULL);
    pthread_mutex_unlock(&engine->cooperative_lock);
    bool complete = started == engine->nworkers;
    free(team);
    return complete ? SG_FAULT_NONE : SG_FAULT_NO_MEMORY;
}

static void run_in_pool(struct launch *launch) {
    struct sg_engine *engine = launch->engine;
    pthread_mutex_lock(&engine->lock);
    struct launch **end = &engine->queue;
    while (*end)
        end = &(*end)->queue_next;
    *end = launch;
    if (launch->nblocks == 1)
        pthread_cond_signal(&engine->work);
    else
        pthread_cond_broadcast(&engine->work);
    while (launch->running || (launch->next < launch->nblocks && !launch->failed))
        pthread_cond_wait(&engine->done, &engine->lock);
    for (struct launch **link = &engine->queue; *link; link = &(*link)->queue_next)
        if (*link == launch) {
            *link = launch->queue_next;
            break;
        }
    pthread_mutex_unlock(&engine->lock);
}

enum sg_fault_kind sg_launch(struct sg_engine *engine, struct sg_kernel *kernel, const struct sg_launch_params *params,
                             struct sg_fault *fault) {
    struct sg_fault own;
    struct child *tails = NULL;
    if (!fault) fault = &own;
    sg_run_grid(engine, kernel, params, &tails, fault);
    sg_run_tails(engine, tails, fault);
    return fault->kind;
}

enum sg_fault_kind sg_run_grid(struct sg_engine *engine, struct sg_kernel *kernel,
                               const struct sg_launch_params *params, struct child **tails, struct sg_fault *fault) {
    memset(fault, 0, sizeof *fault);
    struct launch launch = {.engine = engine, .kernel = kernel, .p = *params};
    if (check(&launch, fault) != SG_FAULT_NONE) return fault->kind;
    pthread_mutex_init(&launch.children_lock, NULL);
    launch.grid_id = params->grid_id ? params->grid_id : atomic_fetch_add(&engine->grid_ids, 1) + 1;
    launch.param_bytes = (uint32_t)kernel->fn->param_bytes;
    launch.params = aligned_alloc(64, (launch.param_bytes + 127) & ~(size_t)63);
    bool ready = launch.params && copy_ranges(&launch);
    if (ready && params->cooperative) {
        launch.grid_workspace = engine->config.alloc(engine->config.memory_user, GRID_WORKSPACE_BYTES, 256);
        ready = launch.grid_workspace != NULL;
        if (ready) memset(launch.grid_workspace, 0, GRID_WORKSPACE_BYTES);
    }
    if (!ready) {
        refuse(fault, SG_FAULT_NO_MEMORY, "no memory for the launch");
    } else {
        if (launch.param_bytes) memcpy(launch.params, params->params, launch.param_bytes);
        if (!params->cooperative)
            run_in_pool(&launch);
        else if (run_cooperative(&launch) != SG_FAULT_NONE && !launch.failed)
            refuse(&launch.fault, SG_FAULT_NO_MEMORY, "no threads for a cooperative launch");
        *fault = launch.fault;
    }
    if (launch.grid_workspace) engine->config.release(engine->config.memory_user, launch.grid_workspace);
    free(launch.ranges);
    free(launch.params);
    pthread_mutex_destroy(&launch.children_lock);
    return sg_run_children(&launch, tails, fault);
}

const char *sg_fault_name(enum sg_fault_kind kind) {
    static const char *const names[] = {
        [SG_FAULT_NONE] = "no fault",
        [SG_FAULT_ADDRESS] = "illegal address",
        [SG_FAULT_MISALIGNED] = "misaligned address",
        [SG_FAULT_TRAP] = "trap",
        [SG_FAULT_INSTRUCTION] = "illegal instruction",
        [SG_FAULT_PC] = "invalid program counter",
        [SG_FAULT_SPACE] = "invalid address space",
        [SG_FAULT_ASSERT] = "assertion failed",
        [SG_FAULT_STACK] = "stack exhausted",
        [SG_FAULT_DEADLOCK] = "deadlock at barriers",
        [SG_FAULT_INVALID_VALUE] = "invalid launch value",
        [SG_FAULT_COOPERATIVE_SIZE] = "cooperative launch too large",
        [SG_FAULT_CLUSTER_SIZE] = "invalid cluster size",
        [SG_FAULT_NO_MEMORY] = "out of memory",
    };
    return kind < sizeof names / sizeof *names ? names[kind] : "unknown fault";
}
