// How an engine has kernels run. A tier prepares them and runs their blocks on a worker. The interpreter (interp/)
// takes every kernel; a compiler has its place beside it (jit/), for those that it can take, from the same checked IR.
//
// Whatever the tier: blocks are given out in increasing order by launch->next, a cluster at a time, and one worker runs
// a cluster to its end. Device addresses are host addresses; kernels may touch the engine's arena, launch->ranges and
// launch->params, and what the tier keeps for a block. Faults leave by sg_worker_fault or, while in_kernel is set, by a
// signal at an address of the arena or the ranges.
#ifndef SOFTGPU_EXEC_TIER_H
#define SOFTGPU_EXEC_TIER_H

#include "engine.h"

struct sg_tier {
    const char *name;
    // Makes kernel->code of a kernel that sg_kernel_prepare has parsed. False with *diag filled.
    bool (*prepare)(struct sg_kernel *kernel, struct sg_diag *diag);
    // Frees it, complete or not.
    void (*discard)(struct sg_kernel *kernel);
    // Takes blocks of worker->launch until none is left or it has failed. May be left by a jump.
    void (*run)(struct worker *worker);
    // Behind such a jump: which line, block and thread it was, for *fault.
    void (*locate)(const struct worker *worker, struct sg_fault *fault);
    // After run, in any case: frees what worker->running is.
    void (*finish)(struct worker *worker);
};

extern const struct sg_tier sg_interpreter;

#endif
