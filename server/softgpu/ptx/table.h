// The instruction table: ops.def and modes.def as data.
#ifndef SOFTGPU_PTX_TABLE_H
#define SOFTGPU_PTX_TABLE_H

#include "parser.h"

struct sg_row {
    const char *name, *words;
    uint32_t flags;
    const char *types, *dst, *src;
};

// What is gathered while an instruction's words are read.
struct sg_words {
    const struct sg_row *row;
    struct sg_insn *insn;
    const char *dst, *src; // operand letters, by the mode
    unsigned ntypes, nlayouts;
    bool policy; // a cache policy follows the operands
};

// False if the instruction has no such word (or has it already).
bool sgp_apply_word(struct sg_words *state, const char *word, uint32_t length);

#endif
