// Loading: the index of each text's functions and variables, and linking texts by name.
#include "parser.h"

#include <stdio.h>
#include <stdlib.h>

// ---- symbols --------------------------------------------------------------------------------

static void list_symbol(struct sg_parser *p, struct sg_symbol *sym) {
    struct sg_module *module = p->module;
    module->symbols =
        sgp_grow(p, module->symbols, module->nsymbols, &module->priv->symbol_capacity, sizeof *module->symbols);
    module->symbols[module->nsymbols++] = sym;
}

static void put(struct sg_parser *p, struct sg_map *map, struct sg_symbol *sym) {
    if (sgp_map_put(map, p->arena, sym->name, strlen(sym->name), sym)) sgp_fail(p, SG_NO_MEMORY, "out of memory");
}

static bool same_shape(const struct sg_symbol *a, const struct sg_symbol *b) {
    if (a->space != b->space) return false;
    return a->space == SG_FUNC || a->size == b->size || a->dynamic || b->dynamic || !a->size || !b->size;
}

// A second declaration of a name in one text: one may define what others only declare.
static void merge(struct sg_parser *p, struct sg_symbol *old, struct sg_symbol *sym) {
    if (!same_shape(old, sym)) sgp_fail(p, SG_INVALID_PTX, "'%s' is declared twice, differently", sym->name);
    if (!old->external && !sym->external && !old->weak && !sym->weak && !old->common)
        sgp_fail(p, SG_INVALID_PTX, "'%s' is defined twice", sym->name);
    if (old->external && !sym->external) {
        uint32_t line = old->line;
        *old = *sym;
        old->definition = old;
        old->line = line;
    }
}

static void add_module_symbol(struct sg_parser *p, struct sg_symbol *sym) {
    if (sym->space == SG_LOCAL || sym->space == SG_PARAM)
        sgp_fail(p, SG_INVALID_PTX, ".local and .param variables belong in functions");
    struct sg_symbol *old = sgp_map_get(&p->unit->names, sym->name, strlen(sym->name));
    if (old) {
        merge(p, old, sym);
        return;
    }
    put(p, &p->unit->names, sym);
    list_symbol(p, sym);
}

// ---- functions ------------------------------------------------------------------------------

static void lay_out_params(struct sg_function *fn) {
    uint64_t offset = 0;
    for (uint32_t i = 0; i < fn->nparams; i++) {
        struct sg_param *param = &fn->params[i];
        if (!param->sym) continue;
        offset = (offset + param->align - 1) & ~(param->align - 1);
        param->offset = param->sym->offset = offset;
        param->sym->entry_param = fn->entry;
        offset += param->size;
    }
    fn->param_bytes = offset;
    if (fn->entry) return;
    fn->frame_align = 16;
    for (uint32_t i = 0; i < fn->nreturns; i++) {
        struct sg_param *param = &fn->returns[i];
        if (!param->sym) continue;
        offset = (offset + param->align - 1) & ~(param->align - 1);
        param->offset = param->sym->offset = offset;
        offset += param->size;
    }
    fn->frame_bytes = offset;
}

static void parse_dimensions(struct sg_parser *p, uint32_t out[3]) {
    for (int i = 0; i < 3; i++)
        out[i] = 1;
    for (int i = 0; i < 3; i++) {
        uint64_t value = sgp_expect_int(p);
        if (value == 0 || value > UINT32_MAX)
            sgp_fail(p, SG_INVALID_PTX, "a dimension of %llu", (unsigned long long)value);
        out[i] = (uint32_t)value;
        if (i == 2 || !sgp_accept(p, ',')) break;
    }
}

static void parse_pragma(struct sg_parser *p) {
    do {
        if (p->tok.kind != SG_TOK_STRING) sgp_fail(p, SG_INVALID_PTX, ".pragma wants a string");
        sgp_advance(p);
    } while (sgp_accept(p, ','));
    sgp_accept(p, ';');
}

// The directives between the parameters and the body, in any order.
static void parse_function_directives(struct sg_parser *p, struct sg_function *fn) {
    while (p->tok.kind == SG_TOK_DOT) {
        struct sg_token word = p->tok;
        sgp_advance(p);
        if (sgp_token_is(&word, ".maxntid"))
            parse_dimensions(p, fn->maxntid);
        else if (sgp_token_is(&word, ".reqntid"))
            parse_dimensions(p, fn->reqntid);
        else if (sgp_token_is(&word, ".reqnctapercluster"))
            parse_dimensions(p, fn->reqnctapercluster);
        else if (sgp_token_is(&word, ".minnctapersm"))
            fn->minnctapersm = (uint32_t)sgp_expect_int(p);
        else if (sgp_token_is(&word, ".maxnreg"))
            fn->maxnreg = (uint32_t)sgp_expect_int(p);
        else if (sgp_token_is(&word, ".maxclusterrank"))
            fn->maxclusterrank = (uint32_t)sgp_expect_int(p);
        else if (sgp_token_is(&word, ".explicitcluster"))
            fn->explicitcluster = true;
        else if (sgp_token_is(&word, ".noreturn"))
            fn->noreturn = true;
        else if (sgp_token_is(&word, ".pragma"))
            parse_pragma(p);
        else if (sgp_token_is(&word, ".maxnctapersm") || sgp_token_is(&word, ".abi_preserve") ||
                 sgp_token_is(&word, ".abi_preserve_control"))
            sgp_expect_int(p);
        else if (!sgp_token_is(&word, ".blocksareclusters"))
            sgp_fail(p, SG_INVALID_PTX, "unknown directive '%.*s'", (int)word.length, word.text);
    }
}

static struct sg_symbol *function_symbol(struct sg_parser *p, const struct sg_token *name, struct sg_linkage linkage) {
    struct sg_symbol *sym = sgp_alloc(p, 1, sizeof *sym);
    sym->name = sgp_copy_name(p, name);
    sym->space = SG_FUNC;
    sym->visible = linkage.visible || linkage.external;
    sym->weak = linkage.weak;
    sym->external = true; // until the body is seen
    sym->align = 1;
    sym->line = name->line;
    sym->definition = sym;
    return sym;
}

// A declaration and the definition of one function share one sg_function, filled by the latter.
static struct sg_function *declare_function(struct sg_parser *p, const struct sg_token *name, struct sg_linkage linkage,
                                            bool has_body) {
    struct sg_symbol *sym = sgp_map_get(&p->unit->names, name->text, name->length);
    if (sym && sym->space != SG_FUNC) sgp_fail(p, SG_INVALID_PTX, "'%s' is both a variable and a function", sym->name);
    if (sym && has_body && sym->function->body)
        sgp_fail(p, SG_INVALID_PTX, "function '%s' is defined twice", sym->name);
    if (sym) {
        sym->visible |= linkage.visible;
        sym->weak |= linkage.weak;
        return sym->function;
    }
    sym = function_symbol(p, name, linkage);
    put(p, &p->unit->names, sym);
    list_symbol(p, sym);
    struct sg_function *fn = sgp_alloc(p, 1, sizeof *fn);
    fn->name = sym->name;
    fn->module = p->module;
    fn->sym = sym;
    sym->function = fn;
    struct sg_module *module = p->module;
    module->functions =
        sgp_grow(p, module->functions, module->nfunctions, &module->priv->function_capacity, sizeof *module->functions);
    module->functions[module->nfunctions++] = fn;
    return fn;
}

static void index_body(struct sg_parser *p, struct sg_function *fn) {
    fn->body = sgp_alloc(p, 1, sizeof *fn->body);
    *fn->body = (struct sg_body){.unit = p->unit, .text = p->lexer.next, .line = p->lexer.line};
    fn->sym->external = false;
    if (!sgp_lex_skip_braces(&p->lexer)) sgp_fail(p, SG_INVALID_PTX, "the body of '%s' never ends", fn->name);
    sgp_advance(p);
}

// At .entry or .func.
static void index_function(struct sg_parser *p, struct sg_linkage linkage) {
    struct sg_function header = {.entry = sgp_at_word(p, ".entry")};
    sgp_advance(p);
    if (sgp_accept_word(p, ".attribute"))
        while (p->tok.kind != SG_TOK_END && !sgp_accept(p, ')'))
            sgp_advance(p);
    if (sgp_accept_word(p, ".noreturn")) header.noreturn = true;
    if (!header.entry && sgp_at(p, '(')) header.returns = sgp_parse_params(p, &header.nreturns);
    struct sg_token name = sgp_expect_name(p);
    if (sgp_at(p, '(')) header.params = sgp_parse_params(p, &header.nparams);
    parse_function_directives(p, &header);
    bool has_body = sgp_at(p, '{');
    struct sg_function *fn = declare_function(p, &name, linkage, has_body);
    if (fn->params || fn->returns || fn->body) {
        if (fn->nparams != header.nparams || fn->nreturns != header.nreturns)
            sgp_fail(p, SG_INVALID_PTX, "function '%s' is declared twice, differently", fn->name);
    }
    if (has_body || !fn->body) {
        header.name = fn->name;
        header.module = fn->module;
        header.sym = fn->sym;
        header.line = name.line;
        header.noreturn |= fn->noreturn;
        *fn = header;
        lay_out_params(fn);
    }
    fn->visible = fn->sym->visible;
    fn->weak = fn->sym->weak;
    if (has_body)
        index_body(p, fn);
    else
        sgp_expect(p, ';');
    fn->external = fn->body == NULL;
}

// .alias a, b: `a` is another name of function b.
static void index_alias(struct sg_parser *p) {
    struct sg_token name = sgp_expect_name(p);
    sgp_expect(p, ',');
    struct sg_token target = sgp_expect_name(p);
    sgp_expect(p, ';');
    struct sg_symbol *alias = sgp_map_get(&p->unit->names, name.text, name.length);
    struct sg_symbol *sym = sgp_map_get(&p->unit->names, target.text, target.length);
    if (!alias || !sym || alias->space != SG_FUNC || sym->space != SG_FUNC || alias == sym)
        sgp_fail(p, SG_INVALID_PTX, "alias of '%.*s' needs two declared functions", (int)target.length, target.text);
    if (alias->function->body) sgp_fail(p, SG_INVALID_PTX, "alias '%s' has a body", alias->name);
    alias->definition = sym;
    alias->external = false;
}

// ---- one text -------------------------------------------------------------------------------

static struct sg_linkage parse_linkage(struct sg_parser *p) {
    struct sg_linkage linkage = {0};
    for (;;) {
        if (sgp_accept_word(p, ".extern"))
            linkage.external = true;
        else if (sgp_accept_word(p, ".visible"))
            linkage.visible = true;
        else if (sgp_accept_word(p, ".weak"))
            linkage.weak = linkage.visible = true;
        else if (sgp_accept_word(p, ".common"))
            linkage.common = linkage.visible = true;
        else
            return linkage;
    }
}

static void skip_section(struct sg_parser *p) {
    while (!sgp_at(p, '{')) {
        if (p->tok.kind == SG_TOK_END) sgp_fail(p, SG_INVALID_PTX, ".section without a body");
        sgp_advance(p);
    }
    if (!sgp_lex_skip_braces(&p->lexer)) sgp_fail(p, SG_INVALID_PTX, ".section never ends");
    sgp_advance(p);
}

// From the token at hand on, drops the rest of its line.
static void skip_line(struct sg_parser *p) {
    p->lexer.next = p->tok.text;
    p->lexer.line = p->tok.line;
    sgp_lex_skip_line(&p->lexer);
    sgp_advance(p);
}

static void parse_version(struct sg_parser *p) {
    // "9.0" lexes as a decimal fraction; its digits are wanted.
    unsigned major = 0, minor = 0;
    char text[16] = {0};
    if (p->tok.length < sizeof text) memcpy(text, p->tok.text, p->tok.length);
    if (sscanf(text, "%u.%u", &major, &minor) != 2 || major == 0 || major > 99 || minor > 9)
        sgp_fail(p, SG_INVALID_PTX, ".version wants a number such as 9.0");
    p->unit->version = major * 10 + minor;
    sgp_advance(p);
}

static void parse_target(struct sg_parser *p) {
    do {
        struct sg_token word = sgp_expect_name(p);
        unsigned number = 0;
        char text[16] = {0};
        if (word.length < sizeof text) memcpy(text, word.text, word.length);
        if (sscanf(text, "sm_%u", &number) == 1 || sscanf(text, "compute_%u", &number) == 1)
            p->unit->target = number;
        else if (sgp_token_is(&word, "debug"))
            p->module->debug = true;
    } while (sgp_accept(p, ','));
}

static void index_statement(struct sg_parser *p) {
    if (sgp_at(p, ';')) {
        sgp_advance(p);
    } else if (sgp_accept_word(p, ".version")) {
        parse_version(p);
    } else if (sgp_accept_word(p, ".target")) {
        parse_target(p);
    } else if (sgp_accept_word(p, ".address_size")) {
        if (sgp_expect_int(p) != 64) sgp_fail(p, SG_INVALID_PTX, "only 64-bit addresses are supported");
    } else if (sgp_at_word(p, ".file") || sgp_at_word(p, ".loc")) {
        skip_line(p);
    } else if (sgp_at_word(p, ".section")) {
        skip_section(p);
    } else if (sgp_accept_word(p, ".pragma")) {
        parse_pragma(p);
    } else if (sgp_accept_word(p, ".alias")) {
        index_alias(p);
    } else if (sgp_at(p, '@')) { // @@DWARF lines of old compilers
        skip_line(p);
    } else {
        struct sg_linkage linkage = parse_linkage(p);
        if (sgp_at_word(p, ".entry") || sgp_at_word(p, ".func"))
            index_function(p, linkage);
        else if (sgp_space_of_word(&p->tok) != SG_GENERIC)
            sgp_parse_variables(p, linkage, add_module_symbol);
        else
            sgp_fail(p, SG_INVALID_PTX, "a directive expected at '%.*s'",
                     (int)(p->tok.length < 60 ? p->tok.length : 60), p->tok.text);
    }
}

// Apart from the setjmp below, so that no local of either can be clobbered.
static __attribute__((noinline)) void index_text(struct sg_parser *p) {
    sgp_advance(p);
    while (p->tok.kind != SG_TOK_END)
        index_statement(p);
    if (p->unit->version == 0) sgp_fail(p, SG_INVALID_PTX, "the text has no .version");
    sgp_resolve_relocs(p);
}

static enum sg_code index_unit(struct sg_module *module, struct sg_unit *unit, struct sg_diag *diag) {
    struct sg_parser p = {
        .lexer = {unit->text, unit->text + unit->size, 1},
        .module = module,
        .arena = &module->priv->arena,
        .unit = unit,
        .diag = diag,
    };
    if (setjmp(p.fail)) return diag->code;
    index_text(&p);
    return SG_OK;
}

// ---- linking --------------------------------------------------------------------------------

// Which of two visible symbols of one name stands for both; NULL if they contradict.
static struct sg_symbol *stronger(struct sg_symbol *a, struct sg_symbol *b) {
    if (a->external) return b->external ? a : b;
    if (b->external || b->weak) return a;
    if (a->weak) return b;
    if (a->common || b->common) return b->common && (!a->common || a->size >= b->size) ? a : b;
    return NULL;
}

static enum sg_code link_units(struct sg_module *module, struct sg_diag *diag) {
    struct sg_module_private *priv = module->priv;
    for (uint32_t i = 0; i < module->nsymbols; i++) {
        struct sg_symbol *sym = module->symbols[i];
        size_t length = strlen(sym->name);
        struct sg_map *map = sym->visible ? &priv->visible : &priv->local;
        struct sg_symbol *old = sgp_map_get(map, sym->name, length), *best = old ? old : sym;
        if (old && sym->visible) {
            best = same_shape(old, sym) ? stronger(old, sym) : NULL;
            if (!best) {
                *diag = (struct sg_diag){.code = SG_INVALID_PTX, .line = sym->line};
                snprintf(diag->message, sizeof diag->message, "'%.200s' is defined differently in two linked texts",
                         sym->name);
                return diag->code;
            }
        }
        if (best != old && sgp_map_put(map, &priv->arena, best->name, length, best)) return diag->code = SG_NO_MEMORY;
    }
    for (uint32_t i = 0; i < module->nsymbols; i++) {
        struct sg_symbol *sym = module->symbols[i];
        if (sym->visible && sym->definition == sym)
            sym->definition = sgp_map_get(&priv->visible, sym->name, strlen(sym->name));
    }
    for (uint32_t i = 0; i < module->nsymbols; i++) { // aliases of what another text defines
        struct sg_symbol *sym = module->symbols[i];
        sym->definition = sym->definition->definition;
    }
    for (uint32_t i = 0; i < module->nsymbols; i++) {
        struct sg_symbol *sym = module->symbols[i];
        for (uint32_t r = 0; r < sym->nrelocs; r++)
            sym->relocs[r].sym = sym->relocs[r].sym->definition;
    }
    return SG_OK;
}

static enum sg_code add_unit(struct sg_module *module, struct sg_text text, struct sg_diag *diag) {
    struct sg_module_private *priv = module->priv;
    struct sg_unit *unit = &priv->units[priv->nunits++];
    unit->size = strnlen(text.bytes, text.size);
    if (unit->size > SG_MAX_TEXT_BYTES) return diag->code = SG_INVALID_IMAGE;
    char *copy = sgp_arena_alloc(&priv->arena, unit->size + 1, 1);
    if (!copy) return diag->code = SG_NO_MEMORY;
    memcpy(copy, text.bytes, unit->size);
    unit->text = copy;
    enum sg_code code = index_unit(module, unit, diag);
    if (unit->version > module->version) module->version = unit->version;
    if (unit->target > module->target) module->target = unit->target;
    return code;
}

// Whether a text names a function of runtime.c.
static bool needs_runtime(const struct sg_module *module) {
    for (uint32_t i = 0; i < module->nsymbols; i++)
        if (module->symbols[i]->external && !strncmp(module->symbols[i]->name, "__cuda_syscall_CGS_", 19)) return true;
    return false;
}

static enum sg_code load(struct sg_module *module, const struct sg_text *texts, size_t n, struct sg_diag *diag) {
    struct sg_module_private *priv = module->priv;
    priv->units = sgp_arena_alloc(&priv->arena, n + 1, sizeof *priv->units);
    if (!priv->units) return diag->code = SG_NO_MEMORY;
    enum sg_code code = SG_OK;
    for (size_t i = 0; i < n && code == SG_OK; i++)
        code = add_unit(module, texts[i], diag);
    if (code == SG_OK && needs_runtime(module))
        code = add_unit(module, (struct sg_text){sgp_runtime, strlen(sgp_runtime)}, diag);
    return code == SG_OK ? link_units(module, diag) : code;
}

struct sg_module *sg_module_load(const struct sg_text *texts, size_t n, struct sg_diag *diag) {
    *diag = (struct sg_diag){0};
    struct sg_module *module = calloc(1, sizeof *module);
    if (module) module->priv = calloc(1, sizeof *module->priv);
    if (!module || !module->priv) {
        free(module);
        diag->code = SG_NO_MEMORY;
        return NULL;
    }
    pthread_mutex_init(&module->lock, NULL);
    if (load(module, texts, n, diag) == SG_OK) return module;
    sg_module_free(module);
    return NULL;
}

void sg_module_free(struct sg_module *module) {
    if (!module) return;
    sgp_arena_free(&module->priv->arena);
    pthread_mutex_destroy(&module->lock);
    free(module->priv);
    free(module);
}

struct sg_symbol *sg_module_symbol(const struct sg_module *module, const char *name) {
    size_t length = strlen(name);
    struct sg_symbol *sym = sgp_map_get(&module->priv->visible, name, length);
    if (!sym) sym = sgp_map_get(&module->priv->local, name, length);
    return sym ? sym->definition : NULL;
}

struct sg_function *sg_module_entry(const struct sg_module *module, const char *name) {
    struct sg_symbol *sym = sg_module_symbol(module, name);
    return sym && sym->space == SG_FUNC && sym->function->entry ? sym->function : NULL;
}
