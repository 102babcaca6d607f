// Function bodies: scopes, declarations, labels; then everything derived from the instructions.
#include "parser.h"

#include <stdio.h>

// ---- scopes and names -----------------------------------------------------------------------

static void push_scope(struct sg_parser *p) {
    if (++p->scopes > SG_MAX_SCOPES) sgp_fail(p, SG_INVALID_PTX, "blocks nested too deep");
    struct sg_names *scope = sgp_alloc(p, 1, sizeof *scope);
    scope->parent = p->scope;
    p->scope = scope;
}

static void pop_scope(struct sg_parser *p) {
    p->scopes--;
    p->scope = p->scope->parent;
}

static struct sg_name *declare(struct sg_parser *p, struct sg_map *map, const char *text, size_t length,
                               enum sg_name_kind kind) {
    if (sgp_map_get(map, text, length)) sgp_fail(p, SG_INVALID_PTX, "'%.*s' is declared twice", (int)length, text);
    struct sg_name *name = sgp_alloc(p, 1, sizeof *name);
    name->kind = kind;
    if (sgp_map_put(map, p->arena, text, length, name)) sgp_fail(p, SG_NO_MEMORY, "out of memory");
    return name;
}

int32_t sgp_new_reg(struct sg_parser *p, enum sg_type type, const char *name, int32_t number) {
    struct sg_function *fn = p->fn;
    if (fn->nregs >= SG_MAX_REGS) sgp_fail(p, SG_INVALID_PTX, "too many registers");
    fn->regs = sgp_grow(p, fn->regs, fn->nregs, &p->reg_capacity, sizeof *fn->regs);
    fn->regs[fn->nregs] =
        (struct sg_reg){.type = type, .bytes = (uint8_t)sg_type_bytes(type), .name = name, .number = number};
    return (int32_t)fn->nregs++;
}

static void add_frame_symbol(struct sg_parser *p, struct sg_symbol *sym) {
    struct sg_function *fn = p->fn;
    bool local = sym->space == SG_LOCAL;
    uint64_t *next = local ? &fn->local_bytes : &p->frame_next;
    uint64_t *align = local ? &fn->local_align : &fn->frame_align;
    *next = (*next + sym->align - 1) & ~(sym->align - 1);
    sym->offset = *next;
    *next += sym->size;
    if (*next > SG_MAX_FRAME_BYTES) sgp_fail(p, SG_INVALID_PTX, "the function's frame is too large");
    if (*align < sym->align) *align = sym->align;
    if (fn->frame_bytes < p->frame_next) fn->frame_bytes = p->frame_next;
}

static void add_function_symbol(struct sg_parser *p, struct sg_symbol *sym) {
    if (sym->init) sgp_fail(p, SG_INVALID_PTX, "'%s': no initializers in functions", sym->name);
    if (sym->space == SG_LOCAL || sym->space == SG_PARAM)
        add_frame_symbol(p, sym);
    else if (sym->space != SG_SHARED)
        sgp_fail(p, SG_UNSUPPORTED_INSTRUCTION, "'%s': only .local, .param and .shared in functions", sym->name);
    declare(p, &p->scope->names, sym->name, strlen(sym->name), SG_NAME_SYM)->sym = sym;
}

static void parse_registers(struct sg_parser *p) {
    sgp_advance(p); // .reg
    if (sgp_at_word(p, ".v2") || sgp_at_word(p, ".v4")) sgp_fail(p, SG_UNSUPPORTED_INSTRUCTION, "vector registers");
    enum sg_type type = sgp_expect_type(p);
    do {
        struct sg_token token = sgp_expect_name(p);
        if (!sgp_accept(p, '<')) {
            struct sg_name *name = declare(p, &p->scope->names, token.text, token.length, SG_NAME_REG);
            name->reg = sgp_new_reg(p, type, sgp_copy_name(p, &token), -1);
            continue;
        }
        uint64_t count = sgp_expect_int(p);
        sgp_expect(p, '>');
        if (count > SG_MAX_REGS) sgp_fail(p, SG_INVALID_PTX, "too many registers");
        struct sg_name *range = declare(p, &p->scope->ranges, token.text, token.length, SG_NAME_RANGE);
        const char *prefix = sgp_copy_name(p, &token);
        range->reg = (int32_t)p->fn->nregs;
        range->count = (uint32_t)count;
        for (uint32_t i = 0; i < count; i++)
            sgp_new_reg(p, type, prefix, (int32_t)i);
    } while (sgp_accept(p, ','));
    sgp_expect(p, ';');
}

// ---- labels ---------------------------------------------------------------------------------

static void parse_target_list(struct sg_parser *p, const struct sg_token *label) {
    struct sg_name *name = declare(p, &p->scope->names, label->text, label->length, SG_NAME_TARGETS);
    struct sg_operand *list = NULL;
    uint32_t capacity = 0, first = p->nfixups;
    do {
        if (name->count == SG_MAX_BRANCH_TARGETS) sgp_fail(p, SG_INVALID_PTX, "too many branch targets");
        list = sgp_grow(p, list, name->count, &capacity, sizeof *list);
        sgp_parse_label_operand(p, &list[name->count++]);
    } while (sgp_accept(p, ','));
    sgp_expect(p, ';');
    for (uint32_t i = 0; i < name->count; i++)
        p->fixups[first + i].operand = &list[i];
    name->targets = list;
}

static void parse_prototype(struct sg_parser *p, const struct sg_token *label) {
    struct sg_proto *proto = sgp_alloc(p, 1, sizeof *proto);
    proto->name = sgp_copy_name(p, label);
    if (sgp_at(p, '(')) proto->returns = sgp_parse_params(p, &proto->nreturns);
    sgp_expect_name(p);
    if (sgp_at(p, '(')) proto->params = sgp_parse_params(p, &proto->nparams);
    while (!sgp_at(p, ';')) { // .noreturn, .abi_preserve n
        if (p->tok.kind != SG_TOK_DOT && p->tok.kind != SG_TOK_INT) break;
        sgp_advance(p);
    }
    sgp_expect(p, ';');
    declare(p, &p->scope->names, label->text, label->length, SG_NAME_PROTO)->proto = proto;
}

// .calltargets: the prototype is that of the first function listed.
static void parse_call_targets(struct sg_parser *p, const struct sg_token *label) {
    struct sg_proto *proto = NULL;
    do {
        struct sg_token token = sgp_expect_name(p);
        struct sg_symbol *sym = sgp_lookup_symbol(p, &token);
        if (!sym || sym->space != SG_FUNC)
            sgp_fail(p, SG_INVALID_PTX, "'%.*s' is no function", (int)token.length, token.text);
        if (proto) continue;
        const struct sg_function *fn = sym->function;
        proto = sgp_alloc(p, 1, sizeof *proto);
        *proto = (struct sg_proto){sym->name, fn->params, fn->returns, fn->nparams, fn->nreturns};
    } while (sgp_accept(p, ','));
    sgp_expect(p, ';');
    declare(p, &p->scope->names, label->text, label->length, SG_NAME_PROTO)->proto = proto;
}

static void parse_label(struct sg_parser *p, const struct sg_token *label) {
    if (sgp_accept_word(p, ".branchtargets"))
        parse_target_list(p, label);
    else if (sgp_accept_word(p, ".callprototype"))
        parse_prototype(p, label);
    else if (sgp_accept_word(p, ".calltargets"))
        parse_call_targets(p, label);
    else
        declare(p, &p->scope->names, label->text, label->length, SG_NAME_LABEL)->insn = p->fn->ninsns;
}

// Gives each label operand the index of the instruction it names; cfg.c makes blocks of them.
static void resolve_labels(struct sg_parser *p) {
    for (uint32_t i = 0; i < p->nfixups; i++) {
        struct sg_fixup *fixup = &p->fixups[i];
        int32_t reg;
        struct sg_name *name = sgp_lookup(fixup->scope, &fixup->name, &reg);
        p->insn_text = NULL;
        p->tok = fixup->name;
        if (!fixup->operand || !name || (name->kind != SG_NAME_LABEL && name->kind != SG_NAME_TARGETS))
            sgp_fail(p, SG_INVALID_PTX, "unknown name '%.*s'", (int)fixup->name.length, fixup->name.text);
        if (fixup->list != (name->kind == SG_NAME_TARGETS))
            sgp_fail(p, SG_INVALID_PTX, "'%.*s' is %s", (int)fixup->name.length, fixup->name.text,
                     fixup->list ? "no list of branch targets" : "a list of branch targets, not a label");
        if (name->kind == SG_NAME_LABEL) {
            fixup->operand->block = name->insn;
        } else {
            fixup->operand->kind = SG_OPND_VEC;
            fixup->operand->n = (uint16_t)name->count;
            fixup->operand->vec = name->targets;
        }
    }
}

// ---- statements -----------------------------------------------------------------------------

static void skip_line(struct sg_parser *p) {
    p->lexer.next = p->tok.text;
    p->lexer.line = p->tok.line;
    sgp_lex_skip_line(&p->lexer);
    sgp_advance(p);
}

static void skip_statement(struct sg_parser *p) {
    while (!sgp_at(p, ';')) {
        if (p->tok.kind == SG_TOK_END) sgp_fail(p, SG_INVALID_PTX, "the text ends in a directive");
        sgp_advance(p);
    }
    sgp_advance(p);
}

static void parse_directive(struct sg_parser *p) {
    if (sgp_at_word(p, ".reg"))
        parse_registers(p);
    else if (sgp_space_of_word(&p->tok) != SG_GENERIC)
        sgp_parse_variables(p, (struct sg_linkage){0}, add_function_symbol);
    else if (sgp_at_word(p, ".extern") || sgp_at_word(p, ".visible") || sgp_at_word(p, ".weak")) {
        struct sg_linkage linkage = {.external = sgp_at_word(p, ".extern")};
        sgp_advance(p);
        sgp_parse_variables(p, linkage, add_function_symbol);
    } else if (sgp_at_word(p, ".loc") || sgp_at_word(p, ".file"))
        skip_line(p);
    else if (sgp_at_word(p, ".pragma"))
        skip_statement(p);
    else
        sgp_fail(p, SG_UNSUPPORTED_INSTRUCTION, "unknown directive '%.*s'", (int)p->tok.length, p->tok.text);
}

static void parse_guarded(struct sg_parser *p) {
    sgp_advance(p); // @
    bool negated = sgp_accept(p, '!');
    struct sg_token token = sgp_expect_name(p);
    int32_t reg;
    sgp_lookup(p->scope, &token, &reg);
    if (reg < 0 || p->fn->regs[reg].type != SG_PRED)
        sgp_fail(p, SG_INVALID_PTX, "'%.*s' is no predicate register", (int)token.length, token.text);
    struct sg_token mnemonic = sgp_expect_name(p);
    sgp_parse_insn(p, &mnemonic, reg, negated);
}

static void parse_statement(struct sg_parser *p) {
    p->insn_text = NULL;
    if (sgp_at(p, ';')) {
        sgp_advance(p);
    } else if (sgp_at(p, '@')) {
        p->insn_text = p->tok.text;
        p->insn_line = p->tok.line;
        struct sg_lexer ahead = p->lexer;
        struct sg_token next = sgp_lex(&ahead);
        if (next.kind == SG_TOK_PUNCT && next.punct == '@')
            skip_line(p); // @@DWARF
        else
            parse_guarded(p);
    } else if (p->tok.kind == SG_TOK_NAME) {
        struct sg_token token = p->tok;
        sgp_advance(p);
        if (sgp_accept(p, ':')) {
            parse_label(p, &token);
        } else {
            p->insn_text = token.text;
            p->insn_line = token.line;
            sgp_parse_insn(p, &token, -1, false);
        }
    } else if (p->tok.kind == SG_TOK_DOT) {
        parse_directive(p);
    } else {
        sgp_fail(p, SG_INVALID_PTX, "a statement expected at '%.*s'", (int)(p->tok.length < 60 ? p->tok.length : 60),
                 p->tok.text);
    }
}

static void declare_formals(struct sg_parser *p, struct sg_param *params, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        struct sg_param *param = &params[i];
        if (param->sym && !strcmp(param->name, "_")) continue;
        if (!param->sym && !strcmp(param->name, "_")) {
            param->reg = sgp_new_reg(p, param->type, param->name, -1);
            continue;
        }
        struct sg_name *name =
            declare(p, &p->scope->names, param->name, strlen(param->name), param->sym ? SG_NAME_SYM : SG_NAME_REG);
        if (param->sym)
            name->sym = param->sym;
        else
            name->reg = param->reg = sgp_new_reg(p, param->type, param->name, -1);
    }
}

void sgp_parse_body(struct sg_parser *p) {
    uint64_t frames[SG_MAX_SCOPES + 1];
    push_scope(p);
    declare_formals(p, p->fn->params, p->fn->nparams);
    declare_formals(p, p->fn->returns, p->fn->nreturns);
    if (p->fn->frame_align == 0) p->fn->frame_align = 16;
    p->frame_next = p->fn->frame_bytes;
    push_scope(p);
    sgp_advance(p);
    for (uint32_t base = p->scopes;;) {
        if (sgp_at(p, '{')) {
            push_scope(p);
            frames[p->scopes] = p->frame_next;
            sgp_advance(p);
        } else if (sgp_at(p, '}')) {
            if (p->scopes == base) break;
            // Variables of sister scopes never live at once, so their frames share bytes.
            p->frame_next = frames[p->scopes];
            pop_scope(p);
            sgp_advance(p);
        } else if (p->tok.kind == SG_TOK_END) {
            sgp_fail(p, SG_INVALID_PTX, "the text ends in a body");
        } else {
            parse_statement(p);
        }
    }
    resolve_labels(p);
}
