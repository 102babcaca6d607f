// The parser's primitives: tokens, memory, failure.
#include "parser.h"

#include <stdarg.h>
#include <stdio.h>

// The instruction at hand up to its semicolon, on one line.
static void copy_instruction(struct sg_parser *p, char out[SG_MAX_DIAG_TEXT]) {
    size_t n = 0;
    const char *end = p->unit ? p->unit->text + p->unit->size : p->lexer.end;
    for (const char *c = p->insn_text; c < end && *c && *c != '\n' && n < SG_MAX_DIAG_TEXT - 1;) {
        out[n++] = *c == '\t' ? ' ' : *c;
        if (*c++ == ';') break;
    }
    out[n] = 0;
}

void sgp_fail(struct sg_parser *p, enum sg_code code, const char *format, ...) {
    struct sg_diag *diag = p->diag;
    memset(diag, 0, sizeof *diag);
    diag->code = code;
    diag->line = p->insn_text ? p->insn_line : p->tok.line;
    if (p->fn) snprintf(diag->kernel, sizeof diag->kernel, "%s", p->fn->name);
    if (p->insn_text) copy_instruction(p, diag->instruction);
    va_list args;
    va_start(args, format);
    vsnprintf(diag->message, sizeof diag->message, format, args);
    va_end(args);
    longjmp(p->fail, 1);
}

void sgp_advance(struct sg_parser *p) {
    p->tok = sgp_lex(&p->lexer);
    if (p->tok.kind == SG_TOK_BAD)
        sgp_fail(p, SG_INVALID_PTX, "cannot read '%.*s'", (int)(p->tok.length < 40 ? p->tok.length : 40), p->tok.text);
}

bool sgp_at(const struct sg_parser *p, int punct) {
    return p->tok.kind == SG_TOK_PUNCT && p->tok.punct == punct;
}

bool sgp_at_word(const struct sg_parser *p, const char *word) {
    return sgp_token_is(&p->tok, word);
}

bool sgp_accept(struct sg_parser *p, int punct) {
    if (!sgp_at(p, punct)) return false;
    sgp_advance(p);
    return true;
}

bool sgp_accept_word(struct sg_parser *p, const char *word) {
    if (!sgp_at_word(p, word)) return false;
    sgp_advance(p);
    return true;
}

static _Noreturn void unexpected(struct sg_parser *p, const char *wanted) {
    if (p->tok.kind == SG_TOK_END) sgp_fail(p, SG_INVALID_PTX, "%s expected at the end of the text", wanted);
    sgp_fail(p, SG_INVALID_PTX, "%s expected at '%.*s'", wanted, (int)(p->tok.length < 60 ? p->tok.length : 60),
             p->tok.text);
}

void sgp_expect(struct sg_parser *p, int punct) {
    char wanted[4] = {'\'', (char)punct, '\'', 0};
    if (!sgp_accept(p, punct)) unexpected(p, wanted);
}

struct sg_token sgp_expect_name(struct sg_parser *p) {
    if (p->tok.kind != SG_TOK_NAME) unexpected(p, "a name");
    struct sg_token token = p->tok;
    sgp_advance(p);
    return token;
}

uint64_t sgp_expect_int(struct sg_parser *p) {
    if (p->tok.kind != SG_TOK_INT) unexpected(p, "an integer");
    uint64_t value = p->tok.value;
    sgp_advance(p);
    return value;
}

void *sgp_alloc(struct sg_parser *p, size_t count, size_t size) {
    void *memory = sgp_arena_alloc(p->arena, count, size);
    if (!memory) sgp_fail(p, SG_NO_MEMORY, "out of memory");
    return memory;
}

void *sgp_scratch(struct sg_parser *p, size_t count, size_t size) {
    void *memory = sgp_arena_alloc(p->scratch, count, size);
    if (!memory) sgp_fail(p, SG_NO_MEMORY, "out of memory");
    return memory;
}

void *sgp_grow(struct sg_parser *p, void *array, uint32_t used, uint32_t *capacity, size_t size) {
    if (used < *capacity) return array;
    if (used > UINT32_MAX / 4) sgp_fail(p, SG_NO_MEMORY, "too many items");
    uint32_t grown = *capacity ? *capacity * 2 : 16;
    void *copy = sgp_alloc(p, grown, size);
    if (used) memcpy(copy, array, used * size);
    *capacity = grown;
    return copy;
}

char *sgp_copy_name(struct sg_parser *p, const struct sg_token *token) {
    char *name = sgp_alloc(p, (size_t)token->length + 1, 1);
    memcpy(name, token->text, token->length);
    return name;
}

enum sg_type sgp_type_of_word(const char *word, size_t length) {
    for (int type = SG_PRED; type < SG_TYPE_COUNT; type++) {
        const char *name = sg_type_name(type);
        if (strlen(name) == length && !memcmp(name, word, length)) return type;
    }
    return SG_NONE;
}

enum sg_type sgp_expect_type(struct sg_parser *p) {
    enum sg_type type = SG_NONE;
    if (p->tok.kind == SG_TOK_DOT) type = sgp_type_of_word(p->tok.text + 1, p->tok.length - 1);
    if (type == SG_NONE) unexpected(p, "a type");
    sgp_advance(p);
    return type;
}
