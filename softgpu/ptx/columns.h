// The names that ops.def and modes.def are written in. Internal to the files that read them.
#ifndef SOFTGPU_PTX_COLUMNS_H
#define SOFTGPU_PTX_COLUMNS_H

#include "table.h"

// .words: sets of dotted words.
enum {
    ROUNDING = 1 << 0,
    COMPARED = 1 << 1,
    COMBINED = 1 << 2, // with a predicate: and, or, xor
    SPACE = 1 << 3,
    SEMANTICS = 1 << 4, // of memory accesses
    SCOPE = 1 << 5,
    OPERATION = 1 << 6, // that an access or a reduction makes: add, min, ...
    LENGTH = 1 << 7,    // of a vector
    CACHE = 1 << 8,     // hints, dropped
    SHAPE = 1 << 9,     // of matrices
    LAYOUT = 1 << 10,
    GEOMETRY = 1 << 11, // of textures
    QUERY = 1 << 12,
    BOUNDS = 1 << 13,     // what is done outside of a surface
    EMPTY = 1 << 14,      // .sync and others without meaning here
    FENCED = 1 << 15,     // what a fence is for, dropped
    TWO_SPACES = 1 << 16, // the destination's and the source's
};

// .types: classes of types.
#define BIT(type) ((uint64_t)1 << SG_##type)
#define NONE BIT(NONE)
#define PREDS BIT(PRED)
#define INTS (BIT(U16) | BIT(U32) | BIT(U64) | BIT(S16) | BIT(S32) | BIT(S64))
#define UNSIGNED32 BIT(U32)
#define INTS32 (BIT(U32) | BIT(S32))
#define BITS (BIT(B16) | BIT(B32) | BIT(B64))
#define BITS128 BIT(B128)
#define BYTES (BIT(B8) | BIT(U8) | BIT(S8))
#define FLOATS (BIT(F32) | BIT(F64))
#define HALVES (BIT(F16) | BIT(F16X2) | BIT(BF16) | BIT(BF16X2))
#define F32_PAIR BIT(F32X2)
#define INT16_PAIRS (BIT(U16X2) | BIT(S16X2))
#define TF32 BIT(TF32)
#define NIBBLES (BIT(B1) | BIT(B4) | BIT(U4) | BIT(S4))
#define NARROW                                                                                                         \
    (BIT(E4M3) | BIT(E5M2) | BIT(E4M3X2) | BIT(E5M2X2) | BIT(E4M3X4) | BIT(E5M2X4) | BIT(E2M1X2) | BIT(E2M3X2) |       \
     BIT(E3M2X2) | BIT(E2M1X4) | BIT(E2M3X4) | BIT(E3M2X4) | BIT(UE8M0X2))
#define NUMBERS (BYTES | INTS | FLOATS | HALVES | NARROW | TF32)
#define IN_MEMORY (BITS | BYTES | INTS | FLOATS | BITS128 | HALVES)
#define OF_MATRICES (NUMBERS | NIBBLES)

// .dst, .src, .rest: what an operand must be. All but those named otherwise are registers, or constants as sources.
enum {
    TYPE = 1, // of the first type
    TYPE2,    // of the second
    MOVED,    // of the first type, as bits that are passed on
    DOUBLED,  // of the first type, of twice its width under .wide
    LOOSE,    // of the first type, registers may be wider
    LOOSE2,   // of the second type, registers may be wider; or a vector of such
    VECTOR,   // as many as the instruction's vector has, of the first type, registers may be wider
    PRED,     // a predicate
    B16,
    U32,
    U64,
    PHASE, // of an mbarrier: its parity of 32 bits with .parity, else a state of 64
    U32_OR_PRED,
    CONSTANT, // of 32 bits, and no register
    VIDEO,    // of 32 bits or parts of it
    BASE,     // of the first type, or a variable's address
    ADDRESS,  // in brackets
    LABEL,
    TARGETS,     // a list of labels, by its name
    FRAGMENT,    // one or more registers of 32 bits, or of 64 for f64
    HANDLE,      // a texture or surface
    COORDINATES, // of the geometry
    ELEMENTS2,   // of the second type, one or a vector
    OFFSETS,     // of 32 bits, one or a vector
    ANY,
    MAYBE = 0x80,
};
#define OPTIONAL(kind) ((kind) | MAYBE)

// .is, .flags and .varying_in
enum {
#define NAMED(name) name = SG_P_##name
    NAMED(PURE),
    NAMED(UNIFORM),
    NAMED(READS),
    NAMED(WRITES),
    NAMED(WAITS),
    NAMED(BARRIER),
    NAMED(OF_CLUSTER),
    NAMED(DIVERGES),
    NAMED(ENDS_BLOCK),
    NAMED(LEAVES),
    NAMED(COLLECTIVE),
    NAMED(SYNCHRONIZES),
#undef NAMED
#define NAMED(name) name = SG_F_##name
    NAMED(FTZ),
    NAMED(SAT),
    NAMED(SATFINITE),
    NAMED(APPROX),
    NAMED(FULL),
    NAMED(HI),
    NAMED(LO),
    NAMED(WIDE),
    NAMED(CC),
    NAMED(UNI),
    NAMED(NC),
    NAMED(CLAMP),
    NAMED(WRAP),
    NAMED(SHIFTAMT),
    NAMED(ALIGNED),
    NAMED(TO),
    NAMED(NAN),
    NAMED(XORSIGN_ABS),
    NAMED(ABS),
    NAMED(RELU),
    NAMED(OOB),
    NAMED(NOFTZ),
    NAMED(TRANS),
    NAMED(PARITY),
    NAMED(NOCOMPLETE),
    NAMED(NOINC),
    NAMED(READ),
    NAMED(POPC),
    NAMED(PO),
#undef NAMED
    GENERIC_SPACE = 1 << SG_GENERIC,
    LOCAL_SPACE = 1 << SG_LOCAL,
    PARAM_SPACE = 1 << SG_PARAM,
};

#endif
