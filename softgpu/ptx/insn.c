// One instruction: mnemonic, words and operands.
#include "words.h"

static enum sg_op find_op(const struct sg_token *token) {
    for (int op = SG_OP_NONE + 1; op < SG_OP_COUNT; op++) {
        const char *name = sg_rows[op].name;
        if (name[0] == token->text[0] && strlen(name) == token->length && !memcmp(name, token->text, token->length))
            return op;
    }
    return SG_OP_NONE;
}

// ---- operands -------------------------------------------------------------------------------

// [texture, coordinates]: two operands of their own.
static void parse_bracketed(struct sg_parser *p, struct sg_operands *operands) {
    unsigned first = operands->n;
    do {
        if (operands->n - first == 2) sgp_fail(p, SG_UNSUPPORTED_INSTRUCTION, "a sampler apart from the texture");
        if (operands->n == SGP_MAX_OPERANDS) sgp_fail(p, SG_INVALID_PTX, "too many operands");
        sgp_parse_operand(p, &operands->list[operands->n++]);
    } while (sgp_accept(p, ','));
    sgp_expect(p, ']');
}

static void parse_operands(struct sg_parser *p, struct sg_operands *operands, const struct sg_row *row) {
    bool bracketed = row->words & (GEOMETRY | QUERY);
    bool video = row->family == SG_FAMILY_VIDEO || row->family == SG_FAMILY_VIDEO_SIMD;
    operands->n = 0;
    operands->pairs = 0;
    while (!sgp_at(p, ';')) {
        if (operands->n == SGP_MAX_OPERANDS) sgp_fail(p, SG_INVALID_PTX, "too many operands");
        if (bracketed && sgp_accept(p, '['))
            parse_bracketed(p, operands);
        else
            (video ? sgp_parse_video_operand : sgp_parse_operand)(p, &operands->list[operands->n++]);
        if (sgp_accept(p, '|'))
            operands->pairs |= 1u << operands->n;
        else if (!sgp_accept(p, ','))
            break;
    }
    if (!sgp_at(p, ';')) sgp_expect(p, ';');
}

static void store_operands(struct sg_parser *p, struct sg_insn *insn, struct sg_operands *operands, unsigned ndst) {
    struct sg_operand *all = sgp_alloc(p, operands->n ? operands->n : 1, sizeof *all);
    memcpy(all, operands->list, operands->n * sizeof *all);
    for (unsigned i = 0; i < operands->n; i++)
        if (all[i].kind == SG_OPND_LABEL) p->fixups[all[i].block].operand = &all[i];
    insn->dst = all;
    insn->ndst = (uint8_t)ndst;
    insn->src = all + ndst;
    insn->nsrc = (uint16_t)(operands->n - ndst);
}

static void parse_typed(struct sg_parser *p, struct sg_words *state) {
    struct sg_operands operands;
    parse_operands(p, &operands, state->row);
    if (state->policy) {
        if (operands.n < 2) sgp_fail(p, SG_INVALID_PTX, "the cache policy is missing");
        operands.n--;
    }
    unsigned ndst = sgp_check_operands(p, state, &operands);
    store_operands(p, state->insn, &operands, ndst);
}

// ---- the whole ------------------------------------------------------------------------------

static void parse_words(struct sg_parser *p, const struct sg_token *mnemonic, struct sg_words *state) {
    struct sg_insn *insn = state->insn;
    insn->op = find_op(mnemonic);
    if (insn->op == SG_OP_NONE)
        sgp_fail(p, SG_UNSUPPORTED_INSTRUCTION, "unknown instruction '%.*s'",
                 (int)(mnemonic->length < 80 ? mnemonic->length : 80), mnemonic->text);
    state->row = &sg_rows[insn->op];
    for (; p->tok.kind == SG_TOK_DOT; sgp_advance(p))
        if (!sgp_apply_word(state, p->tok.text + 1, p->tok.length - 1))
            sgp_fail(p, SG_UNSUPPORTED_INSTRUCTION, "%s has no '%.*s' here", state->row->name,
                     (int)(p->tok.length < 80 ? p->tok.length : 80), p->tok.text);
    if (insn->vec == 0) insn->vec = 1;
    sgp_check_words(p, state);
}

// A module uses few of the possible forms, each many times; so the words of each are read once.
// The form is the run of characters that mnemonics and dotted words are made of.
static uint32_t form_length(const struct sg_parser *p, const char *form) {
    const char *c = form;
    while (c < p->lexer.end && ((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') ||
                                *c == '_' || *c == '.' || *c == ':'))
        c++;
    return (uint32_t)(c - form);
}

struct form {
    struct sg_words state;
    struct sg_insn insn;
};

static void parse_form(struct sg_parser *p, const struct sg_token *mnemonic, struct sg_words *state) {
    struct sg_map *forms = &p->module->priv->forms;
    uint32_t length = form_length(p, mnemonic->text);
    struct form *known = sgp_map_get(forms, mnemonic->text, length);
    if (known) {
        struct sg_lexer before = p->lexer;
        struct sg_token tok = p->tok;
        p->lexer.next = mnemonic->text + length;
        p->lexer.line = mnemonic->line;
        sgp_advance(p);
        if (p->tok.kind != SG_TOK_DOT) {
            struct sg_insn *insn = state->insn;
            *insn = known->insn;
            *state = known->state;
            state->insn = insn;
            return;
        }
        p->lexer = before; // more words stand apart
        p->tok = tok;
    }
    parse_words(p, mnemonic, state);
    // Not if words stood apart: then the run of characters does not say it all.
    const char *c = mnemonic->text + length;
    while (c < p->lexer.end && (*c == ' ' || *c == '\t'))
        c++;
    if (c != p->tok.text) return;
    struct form *form = sgp_alloc(p, 1, sizeof *form);
    *form = (struct form){*state, *state->insn};
    if (sgp_map_put(forms, p->arena, mnemonic->text, length, form)) sgp_fail(p, SG_NO_MEMORY, "out of memory");
}

void sgp_parse_insn(struct sg_parser *p, const struct sg_token *mnemonic, int32_t guard, bool guard_neg) {
    struct sg_insn insn = {0};
    struct sg_words state = {.insn = &insn};
    parse_form(p, mnemonic, &state);
    insn.guard = guard;
    insn.guard_neg = guard_neg;
    insn.line = mnemonic->line;
    if (insn.op == SG_OP_CALL)
        sgp_parse_call(p, &insn);
    else
        parse_typed(p, &state);
    sgp_expect(p, ';');
    struct sg_function *fn = p->fn;
    if (insn.is & SG_P_BARRIER) fn->has_barrier = true;
    fn->insns = sgp_grow(p, fn->insns, fn->ninsns, &p->insn_capacity, sizeof *fn->insns);
    fn->insns[fn->ninsns++] = insn;
}
