// An instruction's dotted words as they are read. Internal to this folder.
#ifndef SOFTGPU_PTX_WORDS_H
#define SOFTGPU_PTX_WORDS_H

#include "columns.h"
#include "parser.h"

struct sg_words {
    const struct sg_row *row;
    struct sg_insn *insn;
    const struct sg_mode_row *mode; // that the last word of a mode led to, or NULL
    unsigned ntypes, nlayouts;
    bool policy; // a cache policy follows the operands
    bool sync;   // .sync is written
};

// False if the instruction has no such word (or has it already).
bool sgp_apply_word(struct sg_words *state, const char *word, uint32_t length);
// The words of some flags, as in ".lo, .hi or .wide" with ", " and " or " between them.
void sgp_name_flags(uint32_t flags, char *text, size_t size, const char *between, const char *last);
// The i-th word of one of the sets of columns.h; NULL behind the last.
const char *sgp_word_of_set(uint32_t set, size_t i);

// check.c: what is written agrees with the table. What is not written gets the value that the table says.
void sgp_check_words(struct sg_parser *p, struct sg_words *state);

enum { SGP_MAX_OPERANDS = 16 };

struct sg_operands {
    struct sg_operand list[SGP_MAX_OPERANDS];
    unsigned n;
    uint32_t pairs; // bit i: operand i stands behind a `|`
};

// Gives each operand its type; the number of destinations.
unsigned sgp_check_operands(struct sg_parser *p, const struct sg_words *state, struct sg_operands *operands);

#endif
