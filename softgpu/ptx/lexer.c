#include "lexer.h"

#include <stdlib.h>
#include <string.h>

enum { C_NAME = 1, C_DIGIT = 2, C_SPACE = 4, C_START = 8, C_HEX = 16 };

static const uint8_t classes[256] = {
    ['a' ... 'f'] = C_NAME | C_START | C_HEX,
    ['A' ... 'F'] = C_NAME | C_START | C_HEX,
    ['g' ... 'z'] = C_NAME | C_START,
    ['G' ... 'Z'] = C_NAME | C_START,
    ['0' ... '9'] = C_NAME | C_DIGIT | C_HEX,
    ['_'] = C_NAME | C_START,
    ['$'] = C_NAME | C_START,
    ['%'] = C_START, // begins a name only if a name character follows
    [' '] = C_SPACE,
    ['\t'] = C_SPACE,
    ['\r'] = C_SPACE,
    ['\n'] = C_SPACE,
    ['\f'] = C_SPACE,
    ['\v'] = C_SPACE,
};

static inline bool has(char c, int class) {
    return classes[(uint8_t)c] & class;
}

static inline char peek(const struct sg_lexer *lexer, size_t ahead) {
    return (size_t)(lexer->end - lexer->next) > ahead ? lexer->next[ahead] : 0;
}

// False if a comment never ends.
static bool skip_blank(struct sg_lexer *lexer) {
    for (;;) {
        char c = peek(lexer, 0);
        if (has(c, C_SPACE)) {
            lexer->line += c == '\n';
            lexer->next++;
        } else if (c == '/' && peek(lexer, 1) == '/') {
            const char *eol = memchr(lexer->next, '\n', (size_t)(lexer->end - lexer->next));
            lexer->next = eol ? eol : lexer->end;
        } else if (c == '/' && peek(lexer, 1) == '*') {
            const char *p = lexer->next + 2;
            while (lexer->end - p >= 2 && (p[0] != '*' || p[1] != '/'))
                lexer->line += *p++ == '\n';
            if (lexer->end - p < 2) return false;
            lexer->next = p + 2;
        } else {
            return true;
        }
    }
}

void sgp_lex_skip_line(struct sg_lexer *lexer) {
    const char *eol = memchr(lexer->next, '\n', (size_t)(lexer->end - lexer->next));
    if (eol) lexer->line++;
    lexer->next = eol ? eol + 1 : lexer->end;
}

bool sgp_lex_skip_braces(struct sg_lexer *lexer) {
    // Only these bytes matter; strings and comments may hold braces that do not count.
    static const uint8_t stops[256] = {[0] = 1, ['{'] = 1, ['}'] = 1, ['"'] = 1, ['/'] = 1, ['\n'] = 1};
    uint32_t depth = 1;
    const char *p = lexer->next, *end = lexer->end;
    while (p < end) {
        if (!stops[(uint8_t)*p]) {
            p++;
            continue;
        }
        lexer->next = p;
        switch (*p) {
        case 0:
            return false;
        case '\n':
            lexer->line++;
            p++;
            break;
        case '{':
            depth++;
            p++;
            break;
        case '}':
            p++;
            if (--depth == 0) {
                lexer->next = p;
                return true;
            }
            break;
        case '/':
            if (!skip_blank(lexer)) return false;
            p = lexer->next == p ? p + 1 : lexer->next;
            break;
        default:
            if (sgp_lex(lexer).kind == SG_TOK_BAD) return false;
            p = lexer->next;
        }
    }
    return false;
}

// A word of hexadecimal digits of exactly the given length, and nothing that would lengthen it.
static bool exact_hex(const char *text, uint32_t length, uint32_t digits, uint64_t *value) {
    if (length != digits) return false;
    *value = 0;
    for (uint32_t i = 0; i < length; i++) {
        char c = text[i];
        if (!has(c, C_HEX)) return false;
        *value = *value << 4 | (uint64_t)(has(c, C_DIGIT) ? c - '0' : (c | 32) - 'a' + 10);
    }
    return true;
}

static bool lex_integer(const char *text, uint32_t length, struct sg_token *token) {
    unsigned base = 10;
    uint32_t i = 0;
    if (length > 1 && text[0] == '0') {
        char c = text[1] | 32;
        base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
        i = base == 8 ? 1 : 2;
    }
    if (length > 1 && text[length - 1] == 'U') {
        token->is_unsigned = true;
        length--;
    }
    if (i >= length && !(base == 8 && length)) return false;
    uint64_t value = 0;
    for (; i < length; i++) {
        char c = text[i];
        if (!has(c, C_HEX)) return false;
        unsigned digit = (unsigned)(has(c, C_DIGIT) ? c - '0' : (c | 32) - 'a' + 10);
        if (digit >= base) return false;
        if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value))
            return false;
    }
    token->kind = SG_TOK_INT;
    token->value = value;
    if (value > INT64_MAX) token->is_unsigned = true;
    return true;
}

static bool lex_decimal(const char *text, uint32_t length, struct sg_token *token) {
    char copy[64], *rest;
    if (length >= sizeof copy) return false;
    memcpy(copy, text, length);
    copy[length] = 0;
    double value = strtod(copy, &rest);
    if (*rest) return false;
    token->kind = SG_TOK_F64;
    memcpy(&token->value, &value, sizeof value);
    return true;
}

static void lex_number(struct sg_lexer *lexer, struct sg_token *token) {
    const char *p = lexer->next, *end = lexer->end;
    while (p < end && has(*p, C_NAME))
        p++;
    char second = p - lexer->next > 1 ? lexer->next[1] | 32 : 0;
    bool prefixed = *lexer->next == '0' && (second == 'f' || second == 'd' || second == 'x');
    bool fraction = false;
    if (!prefixed) {
        if (p + 1 < end && *p == '.' && has(p[1], C_DIGIT)) {
            fraction = true;
            for (p++; p < end && has(*p, C_NAME);)
                p++;
        }
        for (const char *q = lexer->next; q < p; q++)
            fraction |= (*q | 32) == 'e';
        if (fraction && (p[-1] | 32) == 'e' && p < end && (*p == '+' || *p == '-'))
            for (p++; p < end && has(*p, C_DIGIT);)
                p++;
    }
    token->length = (uint32_t)(p - lexer->next);
    lexer->next = p;
    const char *text = token->text;
    bool ok;
    if (prefixed && second == 'f') {
        token->kind = SG_TOK_F32;
        ok = exact_hex(text + 2, token->length - 2, 8, &token->value);
    } else if (prefixed && second == 'd') {
        token->kind = SG_TOK_F64;
        ok = exact_hex(text + 2, token->length - 2, 16, &token->value);
    } else if (fraction) {
        ok = lex_decimal(text, token->length, token);
    } else {
        ok = lex_integer(text, token->length, token);
    }
    if (!ok) token->kind = SG_TOK_BAD;
}

static void lex_string(struct sg_lexer *lexer, struct sg_token *token) {
    const char *p = lexer->next + 1;
    for (; p < lexer->end && *p && *p != '"' && *p != '\n'; p++)
        if (*p == '\\' && p + 1 < lexer->end && p[1] != '\n') p++;
    token->text++;
    token->length = (uint32_t)(p - token->text);
    token->kind = SG_TOK_STRING;
    if (p >= lexer->end || *p != '"') token->kind = SG_TOK_BAD;
    lexer->next = token->kind == SG_TOK_BAD ? p : p + 1;
}

static void lex_punct(struct sg_lexer *lexer, struct sg_token *token) {
    static const struct {
        char text[3];
        int punct;
    } pairs[] = {{"<<", SG_P_SHL}, {">>", SG_P_SHR}, {"<=", SG_P_LE},  {">=", SG_P_GE},
                 {"==", SG_P_EQ},  {"!=", SG_P_NE},  {"&&", SG_P_AND}, {"||", SG_P_OR}};
    token->kind = SG_TOK_PUNCT;
    token->punct = peek(lexer, 0);
    token->length = 1;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (peek(lexer, 0) == pairs[i].text[0] && peek(lexer, 1) == pairs[i].text[1]) {
            token->punct = pairs[i].punct;
            token->length = 2;
        }
    if (!strchr("{}()[]<>,;:=+-*/%!~&|^?@", *lexer->next)) token->kind = SG_TOK_BAD;
    lexer->next += token->length;
}

struct sg_token sgp_lex(struct sg_lexer *lexer) {
    struct sg_token token = {.kind = SG_TOK_BAD};
    bool closed = skip_blank(lexer);
    token.text = lexer->next;
    token.line = lexer->line;
    if (!closed) {
        lexer->next = lexer->end;
        return token;
    }
    char c = peek(lexer, 0), d = peek(lexer, 1);
    const char *p = lexer->next + 1;
    if (c == 0) {
        token.kind = SG_TOK_END;
        lexer->end = lexer->next; // a NUL ends the text
    } else if (has(c, C_START) && (c != '%' || has(d, C_NAME))) {
        while (p < lexer->end && has(*p, C_NAME))
            p++;
        token.kind = SG_TOK_NAME;
        token.length = (uint32_t)(p - token.text);
        lexer->next = p;
    } else if (c == '.' && has(d, C_NAME)) {
        for (;;) {
            while (p < lexer->end && has(*p, C_NAME))
                p++;
            if (lexer->end - p < 3 || p[0] != ':' || p[1] != ':' || !has(p[2], C_NAME)) break;
            p += 2;
        }
        token.kind = SG_TOK_DOT;
        token.length = (uint32_t)(p - token.text);
        lexer->next = p;
    } else if (has(c, C_DIGIT)) {
        lex_number(lexer, &token);
    } else if (c == '"') {
        lex_string(lexer, &token);
    } else {
        lex_punct(lexer, &token);
    }
    return token;
}

bool sgp_token_is(const struct sg_token *token, const char *text) {
    return (token->kind == SG_TOK_NAME || token->kind == SG_TOK_DOT) && strlen(text) == token->length &&
           !memcmp(token->text, text, token->length);
}
