// What the texture files of interp/ share.
#ifndef SOFTGPU_EXEC_TEXTURES_H
#define SOFTGPU_EXEC_TEXTURES_H

#include "ops.h"

// The texture or surface whose handle a lane holds in op->a. Raises a fault when it is none.
const struct sg_texture *sg_texture_of(struct warp *w, const struct op *op, uint32_t lane, enum sg_texture_kind kind);
// Memory of a texel, which must be the kernel's to touch: raises a fault if not.
void *sg_texel(struct warp *w, const struct op *op, uint32_t lane, uint64_t address, unsigned bytes);

// Where op->list says an instruction's operands are: slots, or NO_SLOT.
enum {
    AT_DST,           // 4 registers
    AT_DST_BYTES = 4, // their widths
    AT_PRED = 8,
    AT_COORDS,       // 4, layer first
    AT_LOD = 13,     // level, or 2 gradients of 3
    AT_OFFSETS = 19, // 3
    AT_COUNT = 22,
};
#define NO_SLOT UINT32_MAX

// texture.c, surface.c
const struct op *sg_op_tex(struct warp *w, const struct op *op);
const struct op *sg_op_tld4(struct warp *w, const struct op *op);
const struct op *sg_op_txq(struct warp *w, const struct op *op);
const struct op *sg_op_istypep(struct warp *w, const struct op *op);
const struct op *sg_op_suld(struct warp *w, const struct op *op);
const struct op *sg_op_sust(struct warp *w, const struct op *op);
const struct op *sg_op_sured(struct warp *w, const struct op *op);

#endif
