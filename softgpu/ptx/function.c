// Parsing bodies at first use, and what a kernel needs as a whole.
#include "parser.h"

static __attribute__((noinline)) void parse_all(struct sg_parser *p) {
    sgp_parse_body(p);
    p->insn_text = NULL;
    sgp_build_cfg(p);
    sgp_compute_liveness(p);
    sgp_compute_frontiers(p);
}

// The module is locked.
static enum sg_code parse(struct sg_function *fn, struct sg_diag *diag) {
    if (fn->parsed || !fn->body) {
        *diag = fn->body ? fn->body->diag : (struct sg_diag){.code = SG_UNRESOLVED_SYMBOL};
        return diag->code;
    }
    struct sg_arena scratch = {0};
    struct sg_unit *unit = fn->body->unit;
    struct sg_parser p = {
        .lexer = {fn->body->text, unit->text + unit->size, fn->body->line},
        .module = fn->module,
        .arena = &fn->module->priv->arena,
        .scratch = &scratch,
        .unit = unit,
        .fn = fn,
        .diag = &fn->body->diag,
    };
    if (!setjmp(p.fail)) parse_all(&p);
    sgp_arena_free(&scratch);
    fn->parse_code = fn->body->diag.code;
    fn->parsed = true;
    *diag = fn->body->diag;
    return fn->parse_code;
}

enum sg_code sg_function_parse(struct sg_function *fn, struct sg_diag *diag) {
    *diag = (struct sg_diag){0};
    pthread_mutex_lock(&fn->module->lock);
    enum sg_code code = parse(fn, diag);
    pthread_mutex_unlock(&fn->module->lock);
    return code;
}

// ---- kernels --------------------------------------------------------------------------------

struct closure {
    struct sg_function **list; // the kernel first
    uint32_t n, capacity;
    struct sg_map seen;
};

static enum sg_code add(struct sg_function *kernel, struct closure *closure, struct sg_function *fn) {
    struct sg_arena *arena = &kernel->module->priv->arena;
    // Keyed by address: functions of different texts may share a name.
    const char *key = (const char *)&fn->sym->function;
    if (sgp_map_get(&closure->seen, key, sizeof fn)) return SG_OK;
    if (closure->n == closure->capacity) {
        uint32_t grown = closure->capacity ? closure->capacity * 2 : 16;
        struct sg_function **list = sgp_arena_alloc(arena, grown, sizeof *list);
        if (!list) return SG_NO_MEMORY;
        if (closure->n) memcpy(list, closure->list, closure->n * sizeof *list);
        closure->list = list;
        closure->capacity = grown;
    }
    if (sgp_map_put(&closure->seen, arena, key, sizeof fn, fn)) return SG_NO_MEMORY;
    closure->list[closure->n++] = fn;
    return SG_OK;
}

// Everything the kernel may call. An indirect call may reach every function of the module.
// Functions that no text defines are the executor's to provide.
static enum sg_code close_calls(struct sg_function *kernel, struct closure *closure, struct sg_diag *diag) {
    struct sg_module *module = kernel->module;
    enum sg_code code = add(kernel, closure, kernel);
    bool indirect = false;
    for (uint32_t i = 0; i < closure->n && code == SG_OK; i++) {
        struct sg_function *fn = closure->list[i];
        if (fn->body) code = parse(fn, diag);
        for (uint32_t c = 0; c < fn->ncallees && code == SG_OK; c++)
            code = add(kernel, closure, fn->callees[c]);
        if (!fn->has_indirect_call || indirect) continue;
        indirect = true;
        for (uint32_t f = 0; f < module->nfunctions && code == SG_OK; f++)
            if (!module->functions[f]->entry && module->functions[f]->body)
                code = add(kernel, closure, module->functions[f]);
    }
    if (code == SG_NO_MEMORY) diag->code = code;
    return code;
}

struct shared_layout {
    struct sg_function *kernel;
    struct sg_map seen;
    uint32_t capacity;
    uint64_t bytes, dynamic_align;
    enum sg_code code;
};

static void use_shared(struct shared_layout *layout, struct sg_symbol *sym) {
    if (!sym || sym->space != SG_SHARED || layout->code != SG_OK) return;
    struct sg_function *kernel = layout->kernel;
    struct sg_arena *arena = &kernel->module->priv->arena;
    const char *key = (const char *)&sym->definition; // unique to the symbol, and lasting
    if (sgp_map_get(&layout->seen, key, sizeof sym)) return;
    if (kernel->nshared == layout->capacity) {
        uint32_t grown = layout->capacity ? layout->capacity * 2 : 16;
        struct sg_shared_use *uses = sgp_arena_alloc(arena, grown, sizeof *uses);
        if (!uses) {
            layout->code = SG_NO_MEMORY;
            return;
        }
        if (kernel->nshared) memcpy(uses, kernel->shared, kernel->nshared * sizeof *uses);
        kernel->shared = uses;
        layout->capacity = grown;
    }
    if (sgp_map_put(&layout->seen, arena, key, sizeof sym, sym)) layout->code = SG_NO_MEMORY;
    if (sym->dynamic) {
        if (layout->dynamic_align < sym->align) layout->dynamic_align = sym->align;
    } else {
        layout->bytes = (layout->bytes + sym->align - 1) & ~(sym->align - 1);
    }
    kernel->shared[kernel->nshared++] = (struct sg_shared_use){sym, (uint32_t)(sym->dynamic ? 0 : layout->bytes)};
    if (!sym->dynamic) layout->bytes += sym->size;
    if (layout->bytes > UINT32_MAX / 2) layout->code = SG_INVALID_PTX;
}

static enum sg_code lay_out_shared(struct sg_function *kernel, const struct closure *closure, struct sg_diag *diag) {
    struct shared_layout layout = {.kernel = kernel, .dynamic_align = 16};
    kernel->nshared = 0; // a failed attempt may have left some
    for (uint32_t f = 0; f < closure->n; f++) {
        const struct sg_function *fn = closure->list[f];
        for (uint32_t i = 0; i < fn->ninsns; i++) {
            const struct sg_insn *insn = &fn->insns[i];
            for (unsigned s = 0; s < insn->nsrc; s++)
                if (insn->src[s].kind == SG_OPND_ADDR || insn->src[s].kind == SG_OPND_SYM)
                    use_shared(&layout, insn->src[s].sym);
        }
    }
    kernel->shared_bytes = (uint32_t)layout.bytes;
    kernel->dynamic_offset = (uint32_t)((layout.bytes + layout.dynamic_align - 1) & ~(layout.dynamic_align - 1));
    for (uint32_t i = 0; i < kernel->nshared; i++)
        if (kernel->shared[i].sym->dynamic) kernel->shared[i].offset = kernel->dynamic_offset;
    if (layout.code != SG_OK) {
        diag->code = layout.code;
        strcpy(diag->message, "the kernel's shared variables are too large");
    }
    return layout.code;
}

static enum sg_code prepare(struct sg_function *kernel, struct sg_diag *diag) {
    if (kernel->prepared) return SG_OK;
    struct closure closure = {0};
    enum sg_code code = close_calls(kernel, &closure, diag);
    if (code != SG_OK) return code;
    kernel->closure = closure.list + 1;
    kernel->nclosure = closure.n - 1;
    code = lay_out_shared(kernel, &closure, diag);
    if (code != SG_OK) return code;
    kernel->prepared = true;
    return SG_OK;
}

enum sg_code sg_kernel_prepare(struct sg_function *kernel, struct sg_diag *diag) {
    *diag = (struct sg_diag){0};
    pthread_mutex_lock(&kernel->module->lock);
    enum sg_code code = prepare(kernel, diag);
    pthread_mutex_unlock(&kernel->module->lock);
    return code;
}

bool sg_shared_offset(const struct sg_function *kernel, const struct sg_symbol *sym, uint32_t *offset) {
    for (uint32_t i = 0; i < kernel->nshared; i++)
        if (kernel->shared[i].sym == sym->definition) {
            *offset = kernel->shared[i].offset;
            return true;
        }
    return false;
}
