// Asynchronous copies and the barriers in shared memory that tell of them.
//
// A copy is made at once, by the instruction that starts it: what it promises to be done later is done then, so that
// groups are complete when they are committed. A barrier object is one word of the layout below; PTX leaves it open.
#ifndef SOFTGPU_EXEC_ASYNC_H
#define SOFTGPU_EXEC_ASYNC_H

#include "ops.h"

// Where an operand of an instruction with several addresses points; part of op->list.
struct sg_spot {
    uint32_t slot;   // of the lane addresses
    uint32_t shared; // 1: 32-bit offsets into the block's shared memory; 0: 64-bit addresses
    int32_t offset;
};

enum { SG_SPOT_WORDS = sizeof(struct sg_spot) / sizeof(uint32_t) };

// cp.async with a source that may be shorter. list: two spots, to and from; d2: bytes; c: 1 if b holds the bytes to
// read, 2 if b is a predicate to read nothing. What is not read is filled with zeros.
const struct op *sg_op_copy_async(struct warp *w, const struct op *op);
// cp.async.bulk. list: to, from, and with c the barrier that counts the bytes; b: the number of bytes. With c 2, a and
// d tell how many of them at the begin and the end need not be there, and are not looked at.
const struct op *sg_op_copy_bulk(struct warp *w, const struct op *op);
// The same of some bytes of every 16: those whose bits are in a.
const struct op *sg_op_copy_masked(struct warp *w, const struct op *op);

// mbarrier. list: one spot; b: the count, else 1 is meant if c is 0; d: the state before, if d2.
const struct op *sg_op_mbarrier_init(struct warp *w, const struct op *op);
const struct op *sg_op_mbarrier_arrive(struct warp *w, const struct op *op); // also of bytes, also to drop
// b: a state (64 bits), or with c the parity of a phase; d: the predicate "it has ended".
const struct op *sg_op_mbarrier_wait(struct warp *w, const struct op *op);
// d: arrivals missing in the state a.
const struct op *sg_op_mbarrier_pending(struct warp *w, const struct op *op);

// clusterlaunchcontrol. A block that has not begun yet may be cancelled, so that the one that asks does its work; here
// none ever is, which any program must reckon with. list: where the answer goes, and the barrier that counts its bytes.
const struct op *sg_op_try_cancel(struct warp *w, const struct op *op);
// What the answer says: no. d: a predicate.
const struct op *sg_op_is_canceled(struct warp *w, const struct op *op);
// Of which block; undefined after a no. list: n registers.
const struct op *sg_op_first_block(struct warp *w, const struct op *op);

#endif
