// PTX text to tokens. The text need not be NUL-terminated; a NUL ends it.
#ifndef SOFTGPU_PTX_LEXER_H
#define SOFTGPU_PTX_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sg_token_kind {
    SG_TOK_END,
    SG_TOK_NAME,   // identifier, including %r1 and $L1
    SG_TOK_DOT,    // .word, also .shared::cta; the text includes the dot
    SG_TOK_INT,    // value
    SG_TOK_F32,    // value: the bits, from 0f...
    SG_TOK_F64,    // value: the bits, from 0d... or a decimal fraction
    SG_TOK_STRING, // the text excludes the quotes; escapes are left as they are
    SG_TOK_PUNCT,  // punct: a character, or a SG_P_ value for two of them
    SG_TOK_BAD,    // what is no token: an unknown character, a bad number, an open comment or string
};

enum sg_punct { SG_P_SHL = 256, SG_P_SHR, SG_P_LE, SG_P_GE, SG_P_EQ, SG_P_NE, SG_P_AND, SG_P_OR };

struct sg_token {
    enum sg_token_kind kind;
    int punct;
    bool is_unsigned; // SG_TOK_INT with a U suffix or beyond INT64_MAX
    const char *text;
    uint32_t length;
    uint32_t line;
    uint64_t value;
};

struct sg_lexer {
    const char *next, *end;
    uint32_t line;
};

struct sg_token sgp_lex(struct sg_lexer *lexer);
// Just after a `{`: moves behind the matching `}`. False at the end of the text.
bool sgp_lex_skip_braces(struct sg_lexer *lexer);
// Moves to the start of the next line.
void sgp_lex_skip_line(struct sg_lexer *lexer);

bool sgp_token_is(const struct sg_token *token, const char *text);

#endif
