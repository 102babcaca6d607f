// A worker's thread: its memory, and the faults of kernels.
#include "tier.h"

#include <immintrin.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { SIGNAL_STACK_BYTES = 64 << 10, HUGE_PAGE = 2 << 20 };

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

_Noreturn void sg_worker_fault(struct worker *worker, enum sg_fault_kind kind, uint64_t address, const char *message) {
    worker->fault = kind;
    worker->fault_address = address;
    snprintf(worker->fault_message, sizeof worker->fault_message, "%s", message);
    siglongjmp(worker->jump, 1);
}

static void on_signal(int number, siginfo_t *info, void *context) {
    struct worker *worker = current;
    if (worker && worker->in_kernel && guest_address(worker, (uintptr_t)info->si_addr)) {
        sg_worker_fault(worker, SG_FAULT_ADDRESS, (uintptr_t)info->si_addr, "no memory at that address");
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
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
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

// ---- memory -----------------------------------------------------------------------------------

bool sg_worker_reserve(struct worker *worker, size_t bytes) {
    if (bytes <= worker->memory_size) return true;
    if (worker->memory) munmap(worker->memory, worker->memory_size);
    worker->memory_size = 0;
    bytes = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    worker->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (worker->memory == MAP_FAILED) {
        worker->memory = NULL;
        return false;
    }
    worker->memory_size = bytes;
    return true;
}

// ---- running ----------------------------------------------------------------------------------

static void record_fault(struct worker *worker, struct launch *launch) {
    if (worker->fault == SG_FAULT_NONE) return; // stopped because another worker found one
    pthread_mutex_lock(&launch->engine->lock);
    if (!launch->failed) {
        struct sg_fault *f = &launch->fault;
        f->kind = worker->fault;
        f->address = worker->fault_address;
        snprintf(f->message, sizeof f->message, "%s", worker->fault_message);
        launch->kernel->tier->locate(worker, f);
        launch->failed = 1;
    }
    pthread_mutex_unlock(&launch->engine->lock);
}

void sg_run_blocks(struct worker *worker, struct launch *launch) {
    const struct sg_tier *tier = launch->kernel->tier;
    worker->launch = launch;
    worker->running = NULL;
    uint32_t control = _mm_getcsr(); // a fault may come between a change of rounding and its end
    if (sigsetjmp(worker->jump, 0) == 0)
        tier->run(worker);
    else
        record_fault(worker, launch);
    worker->in_kernel = false;
    _mm_setcsr(control);
    tier->finish(worker);
    worker->running = NULL;
    worker->launch = NULL;
}
