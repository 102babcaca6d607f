// Shapes and types of the matrix instructions.
#include "matrix.h"

static const struct {
    uint16_t op;
    uint16_t m, n, k;
    const char *inputs, *sums;
} shapes[] = {
#define SG_SHAPE(op, m, n, k, inputs, sums) {SG_OP_##op, m, n, k, inputs, sums},
#include "matrix.def"
#undef SG_SHAPE
};

static const struct {
    char letter;
    uint8_t bits;
} types[SG_TYPE_COUNT] = {
    [SG_F16] = {'h', 16}, [SG_BF16] = {'b', 16}, [SG_TF32] = {'t', 32}, [SG_F32] = {'f', 32}, [SG_F64] = {'d', 64},
    [SG_S8] = {'8', 8},   [SG_U8] = {'8', 8},    [SG_S4] = {'4', 4},    [SG_U4] = {'4', 4},   [SG_B1] = {'1', 1},
    [SG_S32] = {'i', 32}, [SG_E4M3] = {'q', 8},  [SG_E5M2] = {'q', 8},
};

static bool moves(const struct sg_insn *insn) {
    return insn->op == SG_OP_WMMA && insn->mode != SG_WMMA_MMA;
}

static enum sg_type type_of(const struct sg_insn *insn, enum sg_part part) {
    if (moves(insn)) return insn->type;
    // wmma of halves names D and C alone.
    bool halves = insn->op == SG_OP_WMMA && insn->type3 == SG_NONE;
    switch (part) {
    case SG_PART_A:
        return halves ? SG_F16 : insn->type2;
    case SG_PART_B:
        return halves ? SG_F16 : insn->type3;
    case SG_PART_C:
        return halves ? insn->type2 : insn->type4;
    default:
        return insn->type;
    }
}

static unsigned depth(const struct sg_insn *insn) {
    return insn->k ? insn->k : 256;
}

struct sg_fragment sg_fragment_of(const struct sg_insn *insn, enum sg_part part) {
    struct sg_fragment f = {.type = type_of(insn, part)};
    f.bits = types[f.type].bits;
    f.rows = part == SG_PART_B ? depth(insn) : insn->m;
    f.cols = part == SG_PART_A ? depth(insn) : insn->n;
    f.per = f.bits == 64 ? 1 : f.bits ? 32 / f.bits : 1;
    f.registers = f.rows * f.cols / (SG_WARP * f.per);
    bool input = part == SG_PART_A || part == SG_PART_B;
    if (insn->op == SG_OP_WMMA && input && f.type == SG_F16) f.registers = 8;
    return f;
}

enum sg_part sg_moved_part(const struct sg_insn *insn) {
    switch (insn->mode) {
    case SG_WMMA_LOAD_A:
        return SG_PART_A;
    case SG_WMMA_LOAD_B:
        return SG_PART_B;
    case SG_WMMA_LOAD_C:
        return SG_PART_C;
    default:
        return SG_PART_D;
    }
}

static bool among(const char *letters, enum sg_type type) {
    return types[type].letter && strchr(letters, types[type].letter);
}

static bool types_fit(const struct sg_insn *insn, const char *inputs, const char *sums) {
    if (moves(insn)) {
        bool input = insn->mode == SG_WMMA_LOAD_A || insn->mode == SG_WMMA_LOAD_B;
        return among(input ? inputs : sums, insn->type);
    }
    return among(inputs, type_of(insn, SG_PART_A)) && among(inputs, type_of(insn, SG_PART_B)) &&
           among(sums, type_of(insn, SG_PART_C)) && among(sums, type_of(insn, SG_PART_D));
}

bool sg_shape_exists(const struct sg_insn *insn) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (shapes[i].op == insn->op && shapes[i].m == insn->m && shapes[i].n == insn->n &&
            shapes[i].k == depth(insn) && types_fit(insn, shapes[i].inputs, shapes[i].sums))
            return true;
    return false;
}
