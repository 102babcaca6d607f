// The table of operations as data.
#include "columns.h"

const struct sg_row sg_rows[SG_OP_COUNT] = {
#define SG_OP(id, mnemonic, kin, ...) [SG_OP_##id] = {.name = mnemonic, .family = SG_FAMILY_##kin, __VA_ARGS__},
#include SG_OPS_DEF
#undef SG_OP
};

const struct sg_mode_row sg_mode_rows[] = {
#define SG_WORD(id, before, text, after, ...)                                                                          \
    {.op = SG_OP_##id, .from = SG_##before, .word = text, .mode = SG_##after, __VA_ARGS__},
#include "modes.def"
#undef SG_WORD
};
const size_t sg_mode_row_count = sizeof sg_mode_rows / sizeof *sg_mode_rows;

const char *sg_op_name(enum sg_op op) {
    return (unsigned)op < SG_OP_COUNT && sg_rows[op].name ? sg_rows[op].name : "";
}

const char *sg_family_name(enum sg_family family) {
    static const char *const names[SG_FAMILY_COUNT] = {
        [SG_FAMILY_ARITHMETIC] = "arithmetic",
        [SG_FAMILY_LOGIC] = "logic",
        [SG_FAMILY_COMPARISON] = "comparison and selection",
        [SG_FAMILY_MOVE] = "moves",
        [SG_FAMILY_CONVERSION] = "conversion",
        [SG_FAMILY_MATHEMATICS] = "mathematics",
        [SG_FAMILY_DOT_PRODUCT] = "dot products",
        [SG_FAMILY_VIDEO] = "video, scalar",
        [SG_FAMILY_VIDEO_SIMD] = "video, of two or four parts",
        [SG_FAMILY_ADDRESS] = "addresses",
        [SG_FAMILY_MEMORY] = "memory",
        [SG_FAMILY_ATOMIC] = "atomic operations",
        [SG_FAMILY_CONTROL] = "control flow",
        [SG_FAMILY_BARRIER] = "barriers",
        [SG_FAMILY_FENCE] = "fences",
        [SG_FAMILY_WARP] = "within a warp",
        [SG_FAMILY_STACK] = "stack",
        [SG_FAMILY_ASYNC] = "asynchronous copies and mbarrier",
        [SG_FAMILY_MATRIX] = "matrix multiplication",
        [SG_FAMILY_TILE] = "matrix tiles",
        [SG_FAMILY_TEXTURE] = "textures and surfaces",
        [SG_FAMILY_HINT] = "hints and waiting",
    };
    return (unsigned)family < SG_FAMILY_COUNT && names[family] ? names[family] : "";
}

const char *sg_property_name(enum sg_property property) {
    switch (property) {
    case SG_P_PURE:
        return "pure";
    case SG_P_UNIFORM:
        return "uniform";
    case SG_P_READS:
        return "reads";
    case SG_P_WRITES:
        return "writes";
    case SG_P_WAITS:
        return "may wait";
    case SG_P_BARRIER:
        return "barrier";
    case SG_P_OF_CLUSTER:
        return "of the cluster";
    case SG_P_DIVERGES:
        return "may diverge";
    case SG_P_ENDS_BLOCK:
        return "ends its block";
    case SG_P_LEAVES:
        return "may leave";
    case SG_P_COLLECTIVE:
        return "collective";
    case SG_P_SYNCHRONIZES:
        return "synchronizes";
    }
    return "";
}
