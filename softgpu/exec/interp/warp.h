// What the interpreter runs on: decoded code, warps, blocks. Internal to interp/.
//
// A warp's whole state lies in struct warp and its frames, never on the C stack: a warp that waits
// at a barrier returns to its block's scheduler, which resumes it later at `pc`. So no stack needs
// switching, calls nest as deep as the frame memory lasts, and a fault can leave by longjmp.
//
// Registers are structures of arrays: a register of n bytes is 32 lanes of n bytes at an offset of
// the frame; a predicate is one 32-bit mask. Constants are broadcast into each frame, so that every
// operand is an offset.
#ifndef SOFTGPU_EXEC_WARP_H
#define SOFTGPU_EXEC_WARP_H

#include "engine.h"

#define SG_LANES(i) for (int i = 0; i < SG_WARP; i++)
#define SG_ACTIVE(i, mask) for (uint32_t m_ = (mask), i = 0; m_ && (i = (uint32_t)__builtin_ctz(m_), 1); m_ &= m_ - 1)

struct op;
struct warp;
// Runs one decoded instruction; the next one to run, or NULL when the warp waits or has ended.
typedef const struct op *(*sg_handler)(struct warp *w, const struct op *op);

// What a handler still has to know of the instruction, as the checked IR has it.
struct form {
    uint8_t type, type2; // enum sg_type
    uint8_t mode;        // enum sg_mode
    uint8_t detail;      // by family: enum sg_atom, sg_rnd, sg_boolop, sg_space, sg_scope or sg_geom; see decode.c
    uint32_t flags;      // enum sg_flag
};

struct op {
    sg_handler fn;
    uint32_t d, a, b, c; // byte offsets of operands in the frame
    uint32_t d2, n;      // second destination; a count, width or selector
    int64_t imm;
    union {
        const void *ptr;
        const uint32_t *list; // more operand offsets
        const struct call_site *call;
    };
    struct form form;
    uint32_t unit; // terminators and convergence points: the scheduling unit meant
    uint32_t line; // of the PTX text, for faults
};
_Static_assert(sizeof(struct op) == 64, "an op is a cache line");

// A place where lanes may wait for their turn: the start of a block, or a point inside one where
// lanes come together. Numbered in block order.
struct unit {
    const struct op *full;   // when all lanes of the frame are here: nothing is blended
    const struct op *masked; // otherwise
};

enum { SCRATCH_SLOTS = 5, SCRATCH_BYTES = 512 };

// A function decoded for one kernel (shared offsets depend on the kernel).
struct code {
    const struct sg_function *fn;
    struct program *program;
    struct unit *units;
    uint32_t nunits;
    uint32_t frame_bytes; // registers and constants
    uint32_t const_start, const_bytes;
    uint8_t *consts;                                  // their image
    uint32_t pend_offset;                             // pending masks, then blocked bytes, in the frame
    uint32_t total_bytes;                             // all of it
    uint32_t local_offset, param_offset, stack_bytes; // in the thread's local memory, per frame
    uint32_t local_align;                             // of that part of local memory; at least 16
    uint32_t *reg_slot;
    bool may_spin; // has something that can wait for another thread
    struct op *ops;
    uint32_t **lists;
    uint32_t nlists;
    struct call_site **calls;
    uint32_t ncalls;
    bool measured, entered;
    size_t below_frames, below_local; // what the deepest chain of its calls takes, without recursion
};

struct argument {
    uint32_t bytes;
    uint32_t from_local; // local offset in the caller's frame, if !in_reg
    uint32_t slot;       // register or constant slot
    uint32_t to_local;   // offset in the callee's frame
    uint32_t to_slot;    // callee's register when to_reg
    bool in_reg, to_reg;
};

// What a call instruction needs: arguments in, results out.
struct call_site {
    struct code *callee; // NULL: indirect
    uint32_t target_slot;
    uint32_t nargs, nresults;
    struct argument *args, *results;
};

// One call of a function, or the kernel itself. Lanes that part may be in different calls at a time, so the frames of a
// warp form a tree; each lane is in one branch of it.
struct frame {
    struct frame *prev;          // the caller's
    struct frame *older, *newer; // of the warp's frames, by the time of their making
    const struct code *code;
    const struct call_site *site;
    uint32_t after;          // the caller's unit behind the call
    uint32_t live;           // lanes that have neither returned nor exited
    uint32_t back;           // lanes that have returned and that the caller has not got back yet
    uint32_t npending;       // units with pending lanes
    uint32_t repeats, turns; // see sg_next
    uint32_t nblocked;       // of them, at a barrier or parked at an .aligned operation
    uint32_t last;           // unit dispatched last
    size_t chain;            // bytes of this frame and all its callers'
    bool from_heap;
    uint64_t local_base; // of this frame in each thread's local memory
    uint64_t local_top;
    uint32_t *pend;
    uint64_t *ready;  // bit per unit: pending lanes that can run
    uint8_t *blocked; // per unit: 1 + barrier it waits for, PARKED, or 0
    uint8_t regs[] __attribute__((aligned(64)));
};
enum { PARKED = 0xff };

enum warp_state { WARP_READY, WARP_WAIT, WARP_DONE };

// Where a lane waits for the other members of its .sync operation, whose operands it has left in the meeting.
struct seat {
    struct frame *f;
    const struct op *op; // the operation
    uint32_t unit;       // behind it
    uint32_t members;
};

// The .sync operations of a warp for which lanes wait. Members may be at different instructions of the same kind and in
// different calls: hence operands and results lie here, one column a lane.
struct meeting {
    uint32_t waiting;
    struct seat seats[SG_WARP];
    uint32_t result[SG_WARP], holds;                // value and predicate, until the lane fetches them
    uint8_t rows[832] __attribute__((aligned(64))); // operands: see meeting.c
};

struct warp {
    uint8_t *R;          // registers of the current frame
    uint32_t mask, exec; // active lanes; those whose guard holds too
    uint32_t live;       // lanes that have not exited
    uint32_t carry;      // condition code flag per lane
    uintptr_t lo, hi;    // arena
    uint8_t *shared;
    uint64_t shared_size;
    uint8_t *local;
    uint64_t local_stride; // bytes per lane
    struct frame *f;       // the one that runs
    struct frame *newest;  // of all
    struct block *blk;
    const struct op *pc; // where to resume; NULL: choose a pending unit
    enum warp_state state;
    uint32_t id, initial;
    uint32_t back_edges, pauses;
    bool force;             // the next .aligned operation goes on with the lanes there are
    uint8_t waits_for;      // 1 + barrier at which all of the warp waits
    uint32_t cluster_phase; // at its last arrival at the cluster's barrier
    uint8_t *memory;        // frames
    size_t memory_size;
    uint32_t tid[3][SG_WARP];
    uint32_t last_error[SG_WARP]; // cudaGetLastError in a kernel
    struct meeting meeting;
};

struct barrier {
    uint32_t expected; // 0: all live threads
    uint32_t arrived;
    uint32_t popc, all, any; // bar.red being gathered
    uint32_t result_popc, result_all, result_any;
};

// The blocks of a cluster lie one after the other on one worker. Their shared memory has addresses of its own in the
// shared::cluster window: the rank of the block plus one from bit 24 up, so that offsets below stay the block's own.
enum { RANK_SHIFT = 24, CLUSTER_BARRIER = 16 /* behind those of a block */ };

struct cluster {
    uint32_t live, arrived; // threads
    uint32_t phase;         // of its barrier
};

struct block {
    struct launch *launch;
    struct worker *worker;
    struct block *first;    // of its cluster
    uint32_t rank;          // in it
    struct cluster cluster; // of the first block
    uint32_t ctaid[3];
    uint32_t nwarps, threads_live, warps_done;
    struct warp *warps;
    struct barrier barriers[16];
    uint8_t *shared;
    uint32_t turn; // ops that a warp may run before the others have theirs
    bool shortened;
    bool done;
};

// A kernel decoded: struct sg_kernel's code.
struct program {
    struct sg_kernel *kernel;
    struct code *main;
    struct code **codes; // main first, then the closure
    uint32_t ncodes;
    bool calls;
    bool barriers;
    bool open_calls;                // recursion, or calls through pointers
    size_t call_frames, call_local; // bytes for the deepest chain of calls: per warp, per thread
    size_t largest_frame;
};

// What a worker runs: struct worker's `running`.
struct crew {
    struct block *blocks; // that take turns: 1, or more in cooperative launches and where they wait for each other
    uint32_t nblocks, capacity;
    struct warp *warp;   // running
    bool raised;         // a fault, by this op and lane
    const struct op *op; // may be NULL
    uint32_t lane;
};

// Ends the launch at this lane; does not return.
_Noreturn void sg_raise(struct warp *w, const struct op *op, enum sg_fault_kind kind, uint32_t lane, uint64_t address,
                        const char *message);

// The host address behind a device address that is not simply in the arena: shared and local
// windows, parameters, registered ranges. Raises a fault if there is none, or if misaligned.
void *sg_translate(struct warp *w, const struct op *op, uint32_t lane, uint64_t address, uint64_t bytes,
                   uint64_t align);
// The same for an offset into the block's shared memory, or an address of the cluster's.
void *sg_shared(struct warp *w, const struct op *op, uint32_t lane, uint32_t at, uint64_t bytes, uint64_t align);
// The same without raising: NULL.
void *sg_reach(struct warp *w, uint64_t address, uint64_t bytes);
// The block of the cluster whose shared memory has this host address, or NULL.
struct block *sg_shared_owner(const struct warp *w, uint64_t address);

// frames.c: picks up pending lanes, those of the current frame first.
const struct op *sg_next(struct warp *w);
// The same, another frame's first: called when a warp has had its turn.
const struct op *sg_next_turn(struct warp *w);
const struct op *sg_op_call(struct warp *w, const struct op *op);
const struct op *sg_op_ret(struct warp *w, const struct op *op);
// The warp's first frame, at the start of w->memory; `fresh` writes the constants too.
void sg_start_warp(struct warp *w, const struct code *code, bool fresh);
// Gives up the frames that a fault has left.
void sg_drop_frames(struct warp *w);
// Lets some of the lanes go on that wait for members which cannot come, against PTX's rules. False if there are none.
bool sg_force(struct warp *w);

// meeting.c
const struct op *sg_op_meet(struct warp *w, const struct op *op);
const struct op *sg_op_fetch(struct warp *w, const struct op *op);
const struct op *sg_op_nothing(struct warp *w, const struct op *op);

// control.c
const struct op *sg_op_goto(struct warp *w, const struct op *op);
const struct op *sg_op_branch(struct warp *w, const struct op *op);
const struct op *sg_op_branch_not(struct warp *w, const struct op *op);
const struct op *sg_op_brx(struct warp *w, const struct op *op);
const struct op *sg_op_exit(struct warp *w, const struct op *op);
const struct op *sg_op_guard(struct warp *w, const struct op *op);
const struct op *sg_op_guard_not(struct warp *w, const struct op *op);
const struct op *sg_op_unguard(struct warp *w, const struct op *op);
const struct op *sg_op_bar_sync(struct warp *w, const struct op *op);
const struct op *sg_op_bar_arrive(struct warp *w, const struct op *op);
const struct op *sg_op_bar_result(struct warp *w, const struct op *op);
const struct op *sg_op_cluster_arrive(struct warp *w, const struct op *op);
const struct op *sg_op_cluster_wait(struct warp *w, const struct op *op);
const struct op *sg_op_converge(struct warp *w, const struct op *op);

// calls.c: functions the device library has built in; NULL if none of that name
sg_handler sg_builtin(const char *name);
sg_handler sg_device_runtime(const char *name);
// A call's k-th argument: up to 8 bytes of it, or where it lies (zeros if it has not so many bytes); and its result.
uint64_t sg_argument(struct warp *w, const struct op *op, uint32_t k, uint32_t lane);
const void *sg_argument_bytes(struct warp *w, const struct op *op, uint32_t k, uint32_t lane, size_t bytes);
void sg_give_result(struct warp *w, const struct op *op, uint32_t lane, uint64_t v);

// run.c: the block's warps are at one place, as after a barrier, and go on in short turns.
void sg_shorten_turns(struct block *blk);

// decode_kernel.c
bool sg_decode_kernel(struct sg_kernel *kernel, struct sg_diag *diag);
void sg_discard_program(struct sg_kernel *kernel);
struct code *sg_find_code(const struct program *program, uint64_t token);

#endif
