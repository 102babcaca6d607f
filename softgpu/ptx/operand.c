// Names and operands.
#include "parser.h"

#include <stdio.h>

static const struct {
    const char *name;
    enum sg_sreg sreg;
} sregs[] = {
    {"%tid.x", SG_SREG_TID_X},
    {"%tid.y", SG_SREG_TID_Y},
    {"%tid.z", SG_SREG_TID_Z},
    {"%ntid.x", SG_SREG_NTID_X},
    {"%ntid.y", SG_SREG_NTID_Y},
    {"%ntid.z", SG_SREG_NTID_Z},
    {"%ctaid.x", SG_SREG_CTAID_X},
    {"%ctaid.y", SG_SREG_CTAID_Y},
    {"%ctaid.z", SG_SREG_CTAID_Z},
    {"%nctaid.x", SG_SREG_NCTAID_X},
    {"%nctaid.y", SG_SREG_NCTAID_Y},
    {"%nctaid.z", SG_SREG_NCTAID_Z},
    {"%laneid", SG_SREG_LANEID},
    {"%warpid", SG_SREG_WARPID},
    {"%nwarpid", SG_SREG_NWARPID},
    {"%smid", SG_SREG_SMID},
    {"%nsmid", SG_SREG_NSMID},
    {"%gridid", SG_SREG_GRIDID},
    {"%lanemask_eq", SG_SREG_LANEMASK_EQ},
    {"%lanemask_le", SG_SREG_LANEMASK_LE},
    {"%lanemask_lt", SG_SREG_LANEMASK_LT},
    {"%lanemask_ge", SG_SREG_LANEMASK_GE},
    {"%lanemask_gt", SG_SREG_LANEMASK_GT},
    {"%clock", SG_SREG_CLOCK},
    {"%clock_hi", SG_SREG_CLOCK_HI},
    {"%clock64", SG_SREG_CLOCK64},
    {"%globaltimer", SG_SREG_GLOBALTIMER},
    {"%globaltimer_lo", SG_SREG_GLOBALTIMER_LO},
    {"%globaltimer_hi", SG_SREG_GLOBALTIMER_HI},
    {"%dynamic_smem_size", SG_SREG_DYNAMIC_SMEM_SIZE},
    {"%total_smem_size", SG_SREG_TOTAL_SMEM_SIZE},
    {"%aggr_smem_size", SG_SREG_AGGR_SMEM_SIZE},
    {"%reserved_smem_offset_begin", SG_SREG_RESERVED_SMEM_OFFSET_BEGIN},
    {"%reserved_smem_offset_end", SG_SREG_RESERVED_SMEM_OFFSET_END},
    {"%reserved_smem_offset_cap", SG_SREG_RESERVED_SMEM_OFFSET_CAP},
    {"%reserved_smem_offset_0", SG_SREG_RESERVED_SMEM_OFFSET_0},
    {"%reserved_smem_offset_1", SG_SREG_RESERVED_SMEM_OFFSET_1},
    {"%is_explicit_cluster", SG_SREG_IS_EXPLICIT_CLUSTER},
    {"%clusterid.x", SG_SREG_CLUSTERID_X},
    {"%clusterid.y", SG_SREG_CLUSTERID_Y},
    {"%clusterid.z", SG_SREG_CLUSTERID_Z},
    {"%nclusterid.x", SG_SREG_NCLUSTERID_X},
    {"%nclusterid.y", SG_SREG_NCLUSTERID_Y},
    {"%nclusterid.z", SG_SREG_NCLUSTERID_Z},
    {"%cluster_ctaid.x", SG_SREG_CLUSTER_CTAID_X},
    {"%cluster_ctaid.y", SG_SREG_CLUSTER_CTAID_Y},
    {"%cluster_ctaid.z", SG_SREG_CLUSTER_CTAID_Z},
    {"%cluster_nctaid.x", SG_SREG_CLUSTER_NCTAID_X},
    {"%cluster_nctaid.y", SG_SREG_CLUSTER_NCTAID_Y},
    {"%cluster_nctaid.z", SG_SREG_CLUSTER_NCTAID_Z},
    {"%cluster_ctarank", SG_SREG_CLUSTER_CTARANK},
    {"%cluster_nctarank", SG_SREG_CLUSTER_NCTARANK},
};

static enum sg_sreg find_sreg(const char *name) {
    for (size_t i = 0; i < sizeof sregs / sizeof *sregs; i++)
        if (!strcmp(sregs[i].name, name)) return sregs[i].sreg;
    unsigned n;
    int end = 0;
    if (sscanf(name, "%%envreg%u%n", &n, &end) == 1 && !name[end] && n < 32) return SG_SREG_ENVREG0 + n;
    end = 0;
    if (sscanf(name, "%%pm%u%n", &n, &end) == 1 && n < 8 && (!name[end] || !strcmp(name + end, "_64")))
        return SG_SREG_PM0 + n;
    return SG_SREG_NONE;
}

void sg_sreg_name(enum sg_sreg sreg, bool wide, char name[24]) {
    if (sreg >= SG_SREG_PM0 && sreg <= SG_SREG_PM7)
        snprintf(name, 24, "%%pm%d%s", (int)(sreg - SG_SREG_PM0), wide ? "_64" : "");
    else if (sreg >= SG_SREG_ENVREG0 && sreg <= SG_SREG_ENVREG31)
        snprintf(name, 24, "%%envreg%d", (int)(sreg - SG_SREG_ENVREG0));
    else
        for (size_t i = 0; i < sizeof sregs / sizeof *sregs; i++)
            if (sregs[i].sreg == sreg) snprintf(name, 24, "%.23s", sregs[i].name);
}

// `token` has been passed; a component word may follow it.
static enum sg_sreg parse_sreg(struct sg_parser *p, const struct sg_token *token) {
    char name[64];
    if (token->text[0] != '%' || token->length > 40) return SG_SREG_NONE;
    int length = snprintf(name, sizeof name, "%.*s", (int)token->length, token->text);
    bool component = p->tok.kind == SG_TOK_DOT && p->tok.length == 2 && p->tok.text == token->text + token->length;
    if (component) snprintf(name + length, sizeof name - (size_t)length, ".%c", p->tok.text[1]);
    enum sg_sreg sreg = find_sreg(name);
    if (sreg != SG_SREG_NONE && component) sgp_advance(p);
    return sreg;
}

// %r12 is number 12 of a range %r if one was declared that long.
static struct sg_name *lookup_range(struct sg_names *scope, const struct sg_token *name, int32_t *reg) {
    uint32_t length = name->length;
    uint64_t number = 0, unit = 1;
    while (length > 1 && name->text[length - 1] >= '0' && name->text[length - 1] <= '9') {
        if (name->length - length == 9) return NULL;
        number += unit * (uint64_t)(name->text[--length] - '0');
        unit *= 10;
        // Names such as %rd10: every split between prefix and digits may be the declared one.
        if (name->text[length] == '0' && name->length - length > 1) continue;
        struct sg_name *range = sgp_map_get(&scope->ranges, name->text, length);
        if (range && number < range->count) {
            *reg = range->reg + (int32_t)number;
            return range;
        }
    }
    return NULL;
}

struct sg_name *sgp_lookup(struct sg_names *scope, const struct sg_token *name, int32_t *reg) {
    *reg = -1;
    for (; scope; scope = scope->parent) {
        struct sg_name *found = sgp_map_get(&scope->names, name->text, name->length);
        if (found && found->kind == SG_NAME_REG) *reg = found->reg;
        if (!found && scope->ranges.used) found = lookup_range(scope, name, reg);
        if (found) return found;
    }
    return NULL;
}

struct sg_symbol *sgp_lookup_symbol(struct sg_parser *p, const struct sg_token *name) {
    struct sg_symbol *sym = sgp_map_get(&p->unit->names, name->text, name->length);
    return sym ? sym->definition : NULL;
}

static void add_fixup(struct sg_parser *p, struct sg_operand *operand, const struct sg_token *name) {
    p->fixups = sgp_grow(p, p->fixups, p->nfixups, &p->fixup_capacity, sizeof *p->fixups);
    p->fixups[p->nfixups] = (struct sg_fixup){.scope = p->scope, .name = *name};
    operand->kind = SG_OPND_LABEL;
    operand->block = p->nfixups++;
}

void sgp_parse_label_operand(struct sg_parser *p, struct sg_operand *operand) {
    *operand = (struct sg_operand){.reg = -1};
    struct sg_token name = sgp_expect_name(p);
    add_fixup(p, operand, &name);
}

static void use_symbol(struct sg_parser *p, struct sg_operand *operand, struct sg_symbol *sym) {
    if (sym->external && !sym->dynamic && (sym->space == SG_GLOBAL || sym->space == SG_CONST))
        sgp_fail(p, SG_UNRESOLVED_SYMBOL, "no text defines variable '%s'", sym->name);
    operand->sym = sym;
}

static int64_t parse_offset(struct sg_parser *p) {
    if (sgp_at(p, '+'))
        sgp_advance(p);
    else if (!sgp_at(p, '-'))
        return 0;
    return sgp_parse_int_const(p);
}

// A name in an operand. Names not known (yet) are labels; the end of the body tells.
static void parse_name(struct sg_parser *p, struct sg_operand *operand) {
    struct sg_token name = sgp_expect_name(p);
    int32_t reg;
    struct sg_name *found = sgp_lookup(p->scope, &name, &reg);
    struct sg_symbol *sym = NULL;
    if (reg >= 0) {
        operand->kind = SG_OPND_REG;
        operand->reg = reg;
        return;
    }
    if (!found) {
        enum sg_sreg sreg = parse_sreg(p, &name);
        if (sreg != SG_SREG_NONE) {
            operand->kind = SG_OPND_SREG;
            operand->sreg = sreg;
            return;
        }
        sym = sgp_lookup_symbol(p, &name);
    } else if (found->kind == SG_NAME_SYM) {
        sym = found->sym;
    }
    if (!sym) {
        add_fixup(p, operand, &name);
        return;
    }
    operand->kind = SG_OPND_SYM;
    use_symbol(p, operand, sym);
    operand->off = parse_offset(p);
}

static void parse_address(struct sg_parser *p, struct sg_operand *operand) {
    operand->kind = SG_OPND_ADDR;
    if (p->tok.kind == SG_TOK_NAME && !sgp_at_word(p, "WARP_SZ")) {
        struct sg_token name = sgp_expect_name(p);
        int32_t reg;
        struct sg_name *found = sgp_lookup(p->scope, &name, &reg);
        struct sg_symbol *sym = NULL;
        if (found && found->kind == SG_NAME_SYM) sym = found->sym;
        if (!found) sym = sgp_lookup_symbol(p, &name);
        if (reg < 0 && !sym)
            sgp_fail(p, SG_INVALID_PTX, "unknown name '%.*s' in an address", (int)name.length, name.text);
        operand->reg = reg;
        if (sym) use_symbol(p, operand, sym);
        if (reg >= 0) {
            const struct sg_reg *r = &p->fn->regs[reg];
            if ((r->bytes != 4 && r->bytes != 8) || r->type == SG_F32 || r->type == SG_F64)
                sgp_fail(p, SG_INVALID_PTX, "'%.*s' cannot hold an address", (int)name.length, name.text);
        }
        operand->off = parse_offset(p);
    } else {
        operand->off = sgp_parse_int_const(p);
    }
    sgp_expect(p, ']');
    sgp_accept_word(p, ".unified");
}

static void parse_scalar(struct sg_parser *p, struct sg_operand *operand) {
    *operand = (struct sg_operand){.reg = -1};
    if (sgp_at_word(p, "_")) {
        sgp_advance(p);
        operand->kind = SG_OPND_SINK;
    } else if (sgp_at_word(p, "generic")) {
        sgp_advance(p);
        sgp_expect(p, '(');
        parse_name(p, operand);
        if (operand->kind != SG_OPND_SYM) sgp_fail(p, SG_INVALID_PTX, "generic() wants a variable");
        operand->generic = true;
        sgp_expect(p, ')');
        operand->off += parse_offset(p);
    } else if (p->tok.kind == SG_TOK_NAME && !sgp_at_word(p, "WARP_SZ")) {
        parse_name(p, operand);
    } else {
        struct sg_const value = sgp_parse_const(p);
        operand->kind = SG_OPND_IMM;
        operand->n = (uint8_t)value.kind;
        operand->generic = value.is_unsigned;
        operand->imm = value.value;
    }
}

static void parse_vector(struct sg_parser *p, struct sg_operand *operand) {
    struct sg_operand elements[SG_MAX_VECTOR];
    uint8_t n = 0;
    while (!sgp_at(p, '}')) {
        if (n == SG_MAX_VECTOR) sgp_fail(p, SG_INVALID_PTX, "a vector of too many elements");
        parse_scalar(p, &elements[n]);
        uint8_t kind = elements[n++].kind;
        if (kind == SG_OPND_LABEL || kind == SG_OPND_SYM || kind == SG_OPND_SREG)
            sgp_fail(p, SG_INVALID_PTX, "a vector wants registers and constants");
        if (!sgp_accept(p, ',')) break;
    }
    sgp_expect(p, '}');
    if (n == 0) sgp_fail(p, SG_INVALID_PTX, "an empty vector");
    operand->kind = SG_OPND_VEC;
    operand->n = n;
    operand->vec = sgp_alloc(p, n, sizeof *operand->vec);
    memcpy(operand->vec, elements, n * sizeof *operand->vec);
}

void sgp_parse_operand(struct sg_parser *p, struct sg_operand *operand) {
    *operand = (struct sg_operand){.reg = -1};
    if (sgp_accept(p, '[')) {
        parse_address(p, operand);
    } else if (sgp_accept(p, '{')) {
        parse_vector(p, operand);
    } else if (sgp_at(p, '!')) {
        struct sg_lexer ahead = p->lexer;
        bool constant = sgp_lex(&ahead).kind != SG_TOK_NAME;
        if (!constant) sgp_advance(p);
        parse_scalar(p, operand);
        operand->neg = !constant;
        if (!constant && operand->kind != SG_OPND_REG) sgp_fail(p, SG_INVALID_PTX, "'!' wants a predicate register");
    } else {
        parse_scalar(p, operand);
    }
}

// .b3, .h1, .b3210, .h32 behind a register.
static void parse_parts(struct sg_parser *p, struct sg_operand *operand) {
    const char *word = p->tok.text + 1;
    uint32_t length = p->tok.length - 1;
    bool halves = length && *word == 'h';
    if (length < 2 || length > (halves ? 3 : 5) || (!halves && *word != 'b'))
        sgp_fail(p, SG_INVALID_PTX, "no parts of a register");
    for (uint32_t i = 1; i < length; i++) {
        if (word[i] < '0' || word[i] > (halves ? '3' : '7')) sgp_fail(p, SG_INVALID_PTX, "no parts of a register");
        operand->n = (uint16_t)(operand->n << 4 | (word[i] - '0'));
    }
    operand->parts = (uint8_t)((length - 1) | (halves ? SG_PARTS_HALVES : 0));
    sgp_advance(p);
}

void sgp_parse_video_operand(struct sg_parser *p, struct sg_operand *operand) {
    struct sg_lexer ahead = p->lexer;
    bool negated = sgp_at(p, '-') && sgp_lex(&ahead).kind == SG_TOK_NAME;
    if (negated) sgp_advance(p);
    sgp_parse_operand(p, operand);
    operand->neg |= negated;
    if (operand->kind == SG_OPND_REG && p->tok.kind == SG_TOK_DOT) parse_parts(p, operand);
}

void sgp_type_constant(struct sg_parser *p, struct sg_operand *operand, enum sg_type type) {
    struct sg_const value = {operand->n, operand->generic, operand->imm};
    operand->imm = sgp_const_bits(p, value, type);
    operand->n = 0;
    operand->generic = false;
}
