// Decoding a function into ops. Internal to interp/.
#ifndef SOFTGPU_EXEC_DECODE_H
#define SOFTGPU_EXEC_DECODE_H

#include "ops.h"

struct constant {
    uint64_t value;
    uint8_t bytes;
    uint32_t slot;
};

struct decoder {
    struct program *program;
    const struct sg_function *fn;
    struct code *code;
    const struct isa_ops *isa;
    struct sg_diag *diag;
    sigjmp_buf fail;
    uint32_t nops, op_capacity;
    struct constant *constants;
    uint32_t nconstants, constant_capacity;
    uint32_t const_used;
    uint64_t *crossing;   // registers that lanes waiting elsewhere may still need
    uint32_t *block_unit; // first unit of each block
    uint32_t *unit_op[2]; // unit -> op index, full and masked
    uint32_t next_unit;
    bool masked; // which variant is being made
    const struct sg_insn *insn;
    uint32_t scratch; // slots in use for the current instruction
};

#define MASKED_ONLY UINT32_MAX // as an op index: the unit is entered in masked code even when all lanes are here

_Noreturn void sg_decode_fail(struct decoder *d, const char *why);
struct op *sg_emit(struct decoder *d, sg_handler fn);
uint32_t sg_constant(struct decoder *d, uint64_t value, unsigned bytes);
uint32_t sg_scratch(struct decoder *d);
// The slot that holds an operand; emits what is needed to get it there.
uint32_t sg_source(struct decoder *d, const struct sg_operand *operand);
// Bytes from one lane's part of it to the next's. Registers may be wider than what is taken of them.
unsigned sg_stride(const struct decoder *d, const struct sg_operand *operand);
uint32_t sg_source_pred(struct decoder *d, const struct sg_operand *operand);
// Where to write an operand; sg_finish blends it into its register if that differs.
uint32_t sg_target(struct decoder *d, const struct sg_operand *operand);
void sg_finish(struct decoder *d, const struct sg_operand *operand, uint32_t slot);
// Where a shared variable lies in the block's shared memory.
uint32_t sg_shared_place(struct decoder *d, const struct sg_symbol *sym);
uint32_t sg_new_list(struct decoder *d, uint32_t n);
void sg_decode_ordinary(struct decoder *d, const struct sg_insn *insn);
void sg_decode_mov(struct decoder *d, const struct sg_insn *insn);

// decode_blocks.c
// Numbers the units and finds the registers that lanes waiting somewhere may need.
void sg_survey(struct decoder *d);
void sg_decode_block(struct decoder *d, uint32_t index);
void sg_begin_unit(struct decoder *d);
void sg_begin_masked_unit(struct decoder *d);
// What lets a .sync operation wait for its members (meeting.c); stands right before its handler. Where all lanes of the
// kernel are here, and for other operations, nothing is needed. slots: of its sources.
void sg_decode_meeting(struct decoder *d, const struct sg_insn *insn, const uint32_t *slots);

// decode_memory.c
struct sg_place {
    enum sg_space space; // SG_GENERIC for all that has host addresses, SG_SHARED, SG_LOCAL, SG_PARAM
    uint32_t slot;       // of the lane addresses: 32-bit offsets for SG_SHARED, else 64-bit
    int64_t imm;
    bool in_frame; // SG_LOCAL: relative to the frame
    bool indexed;  // SG_PARAM: `slot` counts
};
struct sg_place sg_find_place(struct decoder *d, const struct sg_operand *address, enum sg_space space);
struct op *sg_emit_at(struct decoder *d, sg_handler fn, const struct sg_place *p);
void sg_decode_memory(struct decoder *d, const struct sg_insn *insn);
// decode_texture.c
void sg_decode_texture(struct decoder *d, const struct sg_insn *insn);
// decode_async.c
void sg_decode_async(struct decoder *d, const struct sg_insn *insn);
// decode_matrix.c
void sg_decode_matrix(struct decoder *d, const struct sg_insn *insn);
// decode_call.c
void sg_decode_call(struct decoder *d, const struct sg_insn *insn);
// The function that a call names; NULL for one through a pointer.
const struct sg_function *sg_called(const struct sg_insn *insn);

// system.c: handlers for what is neither arithmetic nor memory
bool sg_sreg_has_meaning(enum sg_sreg sreg);
extern const struct op *sg_op_sreg(struct warp *w, const struct op *op);
extern const struct op *sg_op_local_address(struct warp *w, const struct op *op);
extern const struct op *sg_op_shared_address(struct warp *w, const struct op *op);
extern const struct op *sg_op_not_pred(struct warp *w, const struct op *op);
extern const struct op *sg_op_widen(struct warp *w, const struct op *op);
extern const struct op *sg_op_narrow(struct warp *w, const struct op *op);
extern const struct op *sg_op_unpack(struct warp *w, const struct op *op);
extern const struct op *sg_op_pack(struct warp *w, const struct op *op);
sg_handler sg_pick_system(const struct sg_insn *insn);
// video.c
sg_handler sg_pick_video(const struct sg_insn *insn);
void sg_describe_video(struct decoder *d, struct op *op, const struct sg_insn *insn);
// meeting.c: where operands and results of a .sync operation are in a meeting, for imm of its op.
int64_t sg_meeting_places(const struct sg_insn *insn);

#endif
