// Decoding of texture and surface instructions: where their operands are, in one list.
#include "decode.h"
#include "textures.h"

static const struct sg_operand *element(const struct sg_operand *o, unsigned i) {
    if (o->kind != SG_OPND_VEC) return i ? NULL : o;
    return i < o->n ? &o->vec[i] : NULL;
}

static void place_sources(struct decoder *d, const struct sg_operand *o, uint32_t *slots, unsigned most) {
    for (unsigned i = 0; i < most && element(o, i); i++)
        slots[i] = sg_source(d, element(o, i));
}

// Also the values of sust and sured, which take the results' places.
static void place_results(struct decoder *d, const struct sg_operand *o, uint32_t *list) {
    for (unsigned i = 0; i < 4 && element(o, i); i++) {
        const struct sg_operand *e = element(o, i);
        if (e->kind != SG_OPND_REG) continue;
        list[AT_DST + i] = d->code->reg_slot[e->reg];
        list[AT_DST_BYTES + i] = d->fn->regs[e->reg].bytes;
    }
}

static void place_values(struct decoder *d, const struct sg_operand *o, uint32_t *list) {
    place_sources(d, o, list + AT_DST, 4);
    for (unsigned i = 0; i < 4 && element(o, i); i++)
        list[AT_DST_BYTES + i] = sg_stride(d, element(o, i));
}

static sg_handler pick(struct decoder *d, const struct sg_insn *insn) {
    switch (insn->op) {
    case SG_OP_TEX:
        return sg_op_tex;
    case SG_OP_TLD4:
        return sg_op_tld4;
    case SG_OP_TXQ:
    case SG_OP_SUQ:
        return sg_op_txq;
    case SG_OP_ISTYPEP:
        return sg_op_istypep;
    case SG_OP_SULD:
        return sg_op_suld;
    case SG_OP_SUST:
        return sg_op_sust;
    case SG_OP_SURED:
        return sg_op_sured;
    default:
        sg_decode_fail(d, "the software GPU has no such texture instruction");
    }
}

static bool known_type(const struct sg_insn *insn) {
    switch (insn->op) {
    case SG_OP_TEX:
        return insn->vec == (insn->type == SG_F16X2 ? 2 : 4) && (insn->type2 == SG_S32 || insn->type2 == SG_F32) &&
               (insn->type == SG_U32 || insn->type == SG_S32 || insn->type == SG_F32 || insn->type == SG_F16 ||
                insn->type == SG_F16X2);
    case SG_OP_TLD4:
        return insn->vec == 4 && insn->type2 == SG_F32 && insn->geom != SG_GEOM_1D && insn->geom != SG_GEOM_3D &&
               insn->geom != SG_GEOM_A1D && (insn->type == SG_U32 || insn->type == SG_S32 || insn->type == SG_F32);
    case SG_OP_SURED: {
        unsigned bytes = sg_type_bytes(insn->type);
        return (bytes == 4 || bytes == 8) && insn->atom <= SG_ATOM_OR && insn->geom <= SG_GEOM_A2D;
    }
    case SG_OP_SULD:
        return insn->geom <= SG_GEOM_A2D && insn->vec <= 4;
    case SG_OP_SUST:
        return insn->geom <= SG_GEOM_A2D && insn->vec <= 4 && (insn->mode != SG_SURF_P || insn->type == SG_B32);
    default:
        return true;
    }
}

// What op->n says.
static uint32_t extra_of(const struct sg_insn *insn) {
    static const uint8_t components[] = {[SG_TLD4_R] = 0, [SG_TLD4_G] = 1, [SG_TLD4_B] = 2, [SG_TLD4_A] = 3};
    switch (insn->op) {
    case SG_OP_TLD4:
        return components[insn->mode];
    case SG_OP_TXQ:
        return SG_TEXTURE;
    case SG_OP_SUQ:
        return SG_SURFACE;
    case SG_OP_ISTYPEP:
        return insn->mode == SG_IS_SURFREF ? SG_SURFACE : SG_TEXTURE; // a texture is its own sampler
    case SG_OP_SURED:
        return insn->atom;
    default:
        return insn->vec;
    }
}

void sg_decode_texture(struct decoder *d, const struct sg_insn *insn) {
    sg_handler fn = pick(d, insn);
    if (!known_type(insn)) sg_decode_fail(d, "the software GPU has no such form of this instruction");
    uint32_t index = sg_new_list(d, AT_COUNT), *list = d->code->lists[index];
    for (unsigned i = 0; i < AT_COUNT; i++)
        list[i] = NO_SLOT;
    uint32_t handle = sg_source(d, &insn->src[0]);
    if (insn->ndst) place_results(d, &insn->dst[0], list);
    if (insn->ndst > 1 && insn->dst[1].kind == SG_OPND_REG) list[AT_PRED] = d->code->reg_slot[insn->dst[1].reg];
    if (insn->nsrc > 1) place_sources(d, &insn->src[1], list + AT_COORDS, 4);
    unsigned next = 2;
    switch (insn->op) {
    case SG_OP_TEX:
        if (insn->mode == SG_TEX_LEVEL) place_sources(d, &insn->src[next++], list + AT_LOD, 1);
        if (insn->mode == SG_TEX_GRAD) {
            place_sources(d, &insn->src[next++], list + AT_LOD, 3);
            place_sources(d, &insn->src[next++], list + AT_LOD + 3, 3);
        }
        // Fall through.
    case SG_OP_TLD4:
        if (insn->nsrc > next) place_sources(d, &insn->src[next], list + AT_OFFSETS, 3);
        break;
    case SG_OP_SUST:
    case SG_OP_SURED:
        place_values(d, &insn->src[2], list);
        break;
    case SG_OP_TXQ:
        if (insn->nsrc > 1) list[AT_LOD] = list[AT_COORDS];
        break;
    default:
        break;
    }
    struct op *op = sg_emit(d, fn);
    op->a = handle;
    op->list = list;
    op->n = extra_of(insn);
    op->d2 = insn->query ? insn->query : insn->bounds;
}
