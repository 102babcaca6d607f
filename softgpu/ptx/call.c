// Calls, direct and indirect.
#include "parser.h"

static struct sg_operand *parse_list(struct sg_parser *p, uint16_t *count) {
    struct sg_operand *list = NULL;
    uint32_t capacity = 0, n = 0;
    sgp_expect(p, '(');
    while (!sgp_at(p, ')')) {
        if (n == SG_MAX_PARAMS) sgp_fail(p, SG_INVALID_PTX, "too many arguments");
        list = sgp_grow(p, list, n, &capacity, sizeof *list);
        sgp_parse_operand(p, &list[n]);
        uint8_t kind = list[n++].kind;
        if (kind == SG_OPND_LABEL || kind == SG_OPND_ADDR || kind == SG_OPND_VEC)
            sgp_fail(p, SG_INVALID_PTX, "argument %u is no variable, register or constant", n);
        if (!sgp_accept(p, ',')) break;
    }
    sgp_expect(p, ')');
    *count = (uint16_t)n;
    return list;
}

static void check_argument(struct sg_parser *p, struct sg_operand *argument, const struct sg_param *formal,
                           bool is_return) {
    argument->type = formal->type;
    bool value = argument->kind == SG_OPND_REG || argument->kind == SG_OPND_IMM;
    if (value && formal->size && formal->size != sg_type_bytes(formal->type))
        sgp_fail(p, SG_INVALID_PTX, "a register or constant where '%s' is an array", formal->name);
    switch (argument->kind) {
    case SG_OPND_REG:
        sgp_check_reg(p, argument->reg, formal->type, false);
        break;
    case SG_OPND_IMM:
        if (is_return) sgp_fail(p, SG_INVALID_PTX, "a constant cannot receive a result");
        sgp_type_constant(p, argument, formal->type);
        break;
    case SG_OPND_SYM:
        if (argument->sym->space != SG_PARAM)
            sgp_fail(p, SG_INVALID_PTX, "argument '%s' is not in .param space", argument->sym->name);
        // A formal array without extent takes any size.
        if (formal->sym && formal->size && argument->sym->size < formal->size)
            sgp_fail(p, SG_INVALID_PTX, "argument '%s' is smaller than parameter '%s'", argument->sym->name,
                     formal->name);
        break;
    case SG_OPND_SINK:
        break;
    default:
        sgp_fail(p, SG_INVALID_PTX, "a special register cannot be passed");
    }
}

static void check_arguments(struct sg_parser *p, struct sg_operand *arguments, uint32_t n,
                            const struct sg_param *formals, uint32_t nformals, bool is_return) {
    if (n != nformals)
        sgp_fail(p, SG_INVALID_PTX, "%u %s given where %u are declared", n, is_return ? "results" : "arguments",
                 nformals);
    for (uint32_t i = 0; i < n; i++)
        check_argument(p, &arguments[i], &formals[i], is_return);
}

static void add_callee(struct sg_parser *p, struct sg_function *callee) {
    struct sg_function *fn = p->fn;
    for (uint32_t i = 0; i < fn->ncallees; i++)
        if (fn->callees[i] == callee) return;
    fn->callees = sgp_grow(p, fn->callees, fn->ncallees, &p->callee_capacity, sizeof *fn->callees);
    fn->callees[fn->ncallees++] = callee;
}

// The name behind the arguments of an indirect call: a prototype or a list of targets. Targets have
// the signature of their first.
static struct sg_proto *parse_prototype(struct sg_parser *p) {
    struct sg_token name = sgp_expect_name(p);
    int32_t reg;
    struct sg_name *found = sgp_lookup(p->scope, &name, &reg);
    if (!found || found->kind != SG_NAME_PROTO)
        sgp_fail(p, SG_INVALID_PTX, "'%.*s' is no call prototype", (int)name.length, name.text);
    return found->proto;
}

void sgp_parse_call(struct sg_parser *p, struct sg_insn *insn) {
    uint16_t nresults = 0, narguments = 0;
    struct sg_operand *results = NULL, *arguments = NULL, target;
    if (sgp_at(p, '(')) {
        results = parse_list(p, &nresults);
        sgp_expect(p, ',');
    }
    if (nresults > UINT8_MAX) sgp_fail(p, SG_INVALID_PTX, "too many results");
    sgp_parse_operand(p, &target);
    if (sgp_accept(p, ',')) {
        if (sgp_at(p, '('))
            arguments = parse_list(p, &narguments);
        else
            insn->proto = parse_prototype(p);
        if (sgp_accept(p, ',')) insn->proto = parse_prototype(p);
    }
    if (target.kind == SG_OPND_SYM && target.sym->space == SG_FUNC) {
        struct sg_function *callee = target.sym->function;
        check_arguments(p, results, nresults, callee->returns, callee->nreturns, true);
        check_arguments(p, arguments, narguments, callee->params, callee->nparams, false);
        add_callee(p, callee);
        insn->proto = NULL;
    } else if (target.kind == SG_OPND_REG) {
        if (!insn->proto) sgp_fail(p, SG_INVALID_PTX, "an indirect call wants a prototype");
        sgp_check_reg(p, target.reg, SG_B64, false);
        target.type = SG_B64;
        check_arguments(p, results, nresults, insn->proto->returns, insn->proto->nreturns, true);
        check_arguments(p, arguments, narguments, insn->proto->params, insn->proto->nparams, false);
        p->fn->has_indirect_call = true;
    } else {
        sgp_fail(p, SG_INVALID_PTX, "call wants a function's name or a register");
    }
    insn->dst = results;
    insn->ndst = (uint8_t)nresults;
    insn->nsrc = (uint16_t)(narguments + 1);
    insn->src = sgp_alloc(p, insn->nsrc, sizeof *insn->src);
    insn->src[0] = target;
    if (narguments) memcpy(insn->src + 1, arguments, narguments * sizeof *arguments);
}
