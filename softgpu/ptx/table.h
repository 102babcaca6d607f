// What is known of each PTX operation and its modes: ops.def and modes.def as data. Parser, checker, analyses, whoever
// runs kernels and the page docs/coverage-ptx.md read it; nobody states a property a second time, and nothing depends
// on the order of rows.
#ifndef SOFTGPU_PTX_TABLE_H
#define SOFTGPU_PTX_TABLE_H

#include "ir.h"

// Operations that are read, checked and run alike.
enum sg_family {
    SG_FAMILY_NONE,
    SG_FAMILY_ARITHMETIC,
    SG_FAMILY_LOGIC,
    SG_FAMILY_COMPARISON,
    SG_FAMILY_MOVE,
    SG_FAMILY_CONVERSION,
    SG_FAMILY_MATHEMATICS,
    SG_FAMILY_DOT_PRODUCT,
    SG_FAMILY_VIDEO,
    SG_FAMILY_VIDEO_SIMD,
    SG_FAMILY_ADDRESS,
    SG_FAMILY_MEMORY,
    SG_FAMILY_ATOMIC,
    SG_FAMILY_CONTROL,
    SG_FAMILY_BARRIER,
    SG_FAMILY_FENCE,
    SG_FAMILY_WARP,
    SG_FAMILY_STACK,
    SG_FAMILY_ASYNC,
    SG_FAMILY_MATRIX,
    SG_FAMILY_TILE,
    SG_FAMILY_TEXTURE,
    SG_FAMILY_HINT,
    SG_FAMILY_COUNT
};

// What a video instruction computes, whatever parts of registers it takes.
enum sg_variant {
    SG_VARIANT_NONE,
    SG_VIDEO_ADD,
    SG_VIDEO_SUB,
    SG_VIDEO_AVERAGE,
    SG_VIDEO_DISTANCE,
    SG_VIDEO_MIN,
    SG_VIDEO_MAX,
    SG_VIDEO_SET,
    SG_VIDEO_SHL,
    SG_VIDEO_SHR,
    SG_VIDEO_MAD,
};

enum { SG_ROW_TYPES = 4, SG_ROW_DESTINATIONS = 2, SG_ROW_SOURCES = 6 };

struct sg_row {
    const char *name;
    uint8_t family, variant; // enum sg_family, enum sg_variant
    uint8_t parts;
    uint8_t members;
    bool needs_mode;
    uint16_t varying_in; // bit per enum sg_space
    uint32_t is;         // enum sg_property
    uint32_t words;      // as columns.h names them, here and below
    uint32_t flags;      // enum sg_flag
    uint32_t needs, needs_flag, implies;
    uint8_t sem, scope; // enum sg_sem, enum sg_scope
    uint64_t types[SG_ROW_TYPES];
    uint8_t dst[SG_ROW_DESTINATIONS], src[SG_ROW_SOURCES], rest;
};

struct sg_mode_row {
    uint16_t op;
    uint8_t from, mode;
    const char *word;
    uint8_t members;
    uint32_t is, needs;
    uint8_t dst[SG_ROW_DESTINATIONS], src[SG_ROW_SOURCES];
};

// op < SG_OP_COUNT. That of SG_OP_NONE is empty.
extern const struct sg_row sg_rows[];
extern const struct sg_mode_row sg_mode_rows[];
extern const size_t sg_mode_row_count;

static inline enum sg_family sg_family_of(const struct sg_insn *insn) {
    return sg_rows[insn->op].family;
}
const char *sg_family_name(enum sg_family family);
const char *sg_property_name(enum sg_property property); // of one bit

#endif
