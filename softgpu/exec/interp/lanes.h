// The lanes of a frame that wait for their turn. Internal to control.c, frames.c and meeting.c.
#ifndef SOFTGPU_EXEC_LANES_H
#define SOFTGPU_EXEC_LANES_H

#include "warp.h"

static inline void add_pending(struct frame *f, uint32_t unit, uint32_t mask, uint8_t blocked) {
    if (!f->pend[unit])
        f->npending++;
    else if (f->blocked[unit])
        f->nblocked--;
    f->pend[unit] |= mask;
    f->blocked[unit] = blocked;
    uint64_t bit = (uint64_t)1 << (unit & 63);
    if (blocked) {
        f->nblocked++;
        f->ready[unit >> 6] &= ~bit;
    } else {
        f->ready[unit >> 6] |= bit;
    }
}

static inline uint32_t take_pending(struct frame *f, uint32_t unit) {
    uint32_t mask = f->pend[unit];
    if (!mask) return 0;
    f->npending--;
    if (f->blocked[unit]) f->nblocked--;
    f->blocked[unit] = 0;
    f->pend[unit] = 0;
    f->ready[unit >> 6] &= ~((uint64_t)1 << (unit & 63));
    return mask;
}

// The current frame goes on in `unit`.
static inline const struct op *enter(struct warp *w, uint32_t unit, uint32_t mask) {
    struct frame *f = w->f;
    w->mask = w->exec = mask;
    f->last = unit;
    return mask == f->live ? f->code->units[unit].full : f->code->units[unit].masked;
}

static inline int64_t first_ready(const struct frame *f, uint32_t from) {
    uint32_t words = (f->code->nunits + 63) / 64;
    for (uint32_t i = from >> 6; i < words; i++) {
        uint64_t bits = f->ready[i];
        if (i == from >> 6) bits &= ~(uint64_t)0 << (from & 63);
        if (bits) return (int64_t)i * 64 + __builtin_ctzll(bits);
    }
    return -1;
}

// meeting.c: lets those go on whose members are all there, after lanes have come or exited.
void sg_settle(struct warp *w);
// The waiting lane that should go on first if none can by the rules; SG_WARP if none waits.
uint32_t sg_first_seat(const struct warp *w);
// It goes on with the members that are there.
void sg_settle_without(struct warp *w, uint32_t lane);

#endif
