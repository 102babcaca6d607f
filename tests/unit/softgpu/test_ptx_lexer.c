#include <criterion/criterion.h>
#include <string.h>

#include "lexer.h"

static struct sg_token lex_one(const char *text) {
    struct sg_lexer lexer = {text, text + strlen(text), 1};
    return sgp_lex(&lexer);
}

Test(ptx_lexer, integers_of_every_base) {
    static const struct {
        const char *text;
        uint64_t value;
    } cases[] = {{"0", 0},
                 {"42", 42},
                 {"0x1fF", 511},
                 {"0b101", 5},
                 {"017", 15},
                 {"7U", 7},
                 {"0xffffffffffffffffU", UINT64_MAX},
                 {"18446744073709551615", UINT64_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sg_token token = lex_one(cases[i].text);
        cr_expect_eq(token.kind, SG_TOK_INT, "%s", cases[i].text);
        cr_expect_eq(token.value, cases[i].value, "%s", cases[i].text);
    }
}

Test(ptx_lexer, floats_keep_their_bits) {
    struct sg_token f = lex_one("0f3F800000"), d = lex_one("0d3FF0000000000000");
    cr_expect(f.kind == SG_TOK_F32 && f.value == 0x3f800000);
    cr_expect(d.kind == SG_TOK_F64 && d.value == 0x3ff0000000000000);
    struct sg_token decimal = lex_one("1.5e+2");
    double value = 150;
    cr_expect(decimal.kind == SG_TOK_F64 && !memcmp(&decimal.value, &value, 8));
}

Test(ptx_lexer, bad_numbers_and_open_comments_are_no_tokens) {
    static const char *const bad[] = {"0f3F80", "09", "0xg", "99999999999999999999", "12ab", "/* open ", "\"open", "#"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(lex_one(bad[i]).kind, SG_TOK_BAD, "%s", bad[i]);
}

Test(ptx_lexer, words_names_and_lines) {
    const char *text = "// x {\nld.shared::cta.v2\n/* } \n */ %rd1 $L_1 _ << ";
    struct sg_lexer lexer = {text, text + strlen(text), 1};
    struct sg_token token = sgp_lex(&lexer);
    cr_expect(sgp_token_is(&token, "ld") && token.line == 2);
    token = sgp_lex(&lexer);
    cr_expect(sgp_token_is(&token, ".shared::cta"));
    token = sgp_lex(&lexer);
    cr_expect(sgp_token_is(&token, ".v2"));
    token = sgp_lex(&lexer);
    cr_expect(sgp_token_is(&token, "%rd1") && token.line == 4);
    token = sgp_lex(&lexer);
    cr_expect(sgp_token_is(&token, "$L_1"));
    token = sgp_lex(&lexer);
    cr_expect(sgp_token_is(&token, "_"));
    token = sgp_lex(&lexer);
    cr_expect(token.kind == SG_TOK_PUNCT && token.punct == SG_P_SHL);
    cr_expect_eq(sgp_lex(&lexer).kind, SG_TOK_END);
}

Test(ptx_lexer, skipping_a_body_minds_strings_and_comments) {
    const char *text = " { \"}\" } // }\n /* } */ } rest";
    struct sg_lexer lexer = {text, text + strlen(text), 1};
    cr_assert(sgp_lex_skip_braces(&lexer));
    struct sg_token token = sgp_lex(&lexer);
    cr_expect(sgp_token_is(&token, "rest") && token.line == 2);
}
