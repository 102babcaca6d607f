// Variables, their initializers, and parameter lists.
#include "parser.h"

static const struct {
    const char *word;
    enum sg_space space;
} spaces[] = {{".global", SG_GLOBAL}, {".shared", SG_SHARED}, {".const", SG_CONST},
              {".local", SG_LOCAL},   {".param", SG_PARAM},   {".tex", SG_TEX}};

enum sg_space sgp_space_of_word(const struct sg_token *token) {
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
        if (sgp_token_is(token, spaces[i].word)) return spaces[i].space;
    return SG_GENERIC;
}

static uint64_t parse_alignment(struct sg_parser *p) {
    uint64_t align = sgp_expect_int(p);
    if (align == 0 || (align & (align - 1)) || align > 4096)
        sgp_fail(p, SG_INVALID_PTX, "alignment %llu is no power of two up to 4096", (unsigned long long)align);
    return align;
}

// What stands between the space and the name.
struct head {
    enum sg_type type;
    uint64_t align;
    uint8_t vec;
    bool managed, opaque, is_ptr;
    uint8_t ptr_space;
    uint32_t ptr_align;
};

static void parse_attribute(struct sg_parser *p, struct head *head) {
    sgp_expect(p, '(');
    while (!sgp_at(p, ')')) {
        if (p->tok.kind == SG_TOK_END) sgp_fail(p, SG_INVALID_PTX, "the text ends in .attribute");
        if (sgp_at_word(p, ".managed")) head->managed = true;
        if (sgp_at(p, '(')) { // .unified(a, b)
            while (!sgp_at(p, ')') && p->tok.kind != SG_TOK_END)
                sgp_advance(p);
        }
        sgp_advance(p);
    }
    sgp_advance(p);
}

static void parse_ptr(struct sg_parser *p, struct head *head) {
    head->is_ptr = true;
    enum sg_space space = sgp_space_of_word(&p->tok);
    if (p->tok.kind == SG_TOK_DOT && space != SG_GENERIC) {
        head->ptr_space = space;
        sgp_advance(p);
    }
    if (sgp_accept_word(p, ".align")) head->ptr_align = (uint32_t)parse_alignment(p);
}

static struct head parse_head(struct sg_parser *p) {
    struct head head = {.vec = 1};
    for (;;) {
        if (sgp_accept_word(p, ".align")) {
            head.align = parse_alignment(p);
        } else if (sgp_accept_word(p, ".attribute")) {
            parse_attribute(p, &head);
        } else if (sgp_accept_word(p, ".ptr")) {
            parse_ptr(p, &head);
        } else if (sgp_accept_word(p, ".v2")) {
            head.vec = 2;
        } else if (sgp_accept_word(p, ".v4")) {
            head.vec = 4;
        } else if (sgp_accept_word(p, ".texref") || sgp_accept_word(p, ".samplerref") ||
                   sgp_accept_word(p, ".surfref")) {
            head.type = SG_U64;
            head.opaque = true;
        } else if (p->tok.kind == SG_TOK_DOT && head.type == SG_NONE) {
            head.type = sgp_expect_type(p);
        } else if (p->tok.kind == SG_TOK_DOT) {
            sgp_fail(p, SG_INVALID_PTX, "'%.*s' does not belong in a declaration", (int)p->tok.length, p->tok.text);
        } else {
            break;
        }
    }
    if (head.type == SG_NONE) sgp_fail(p, SG_INVALID_PTX, "a type expected in a declaration");
    uint64_t natural = (uint64_t)sg_type_bytes(head.type) * head.vec;
    if (head.align < natural) head.align = head.align ? head.align : natural;
    return head;
}

// ---- initializers ---------------------------------------------------------------------------

struct init {
    struct sg_symbol *sym;
    uint8_t *bytes;
    uint64_t capacity, end; // end: behind the last byte set
    unsigned element;
    uint32_t nrelocs, reloc_capacity;
    struct sg_reloc *relocs;
};

static void reserve(struct sg_parser *p, struct init *init, uint64_t size) {
    if (size <= init->capacity) return;
    uint64_t grown = init->capacity ? init->capacity : 64;
    while (grown < size)
        grown *= 2;
    if (grown > SG_MAX_TEXT_BYTES) sgp_fail(p, SG_INVALID_PTX, "initializer too large");
    uint8_t *bytes = sgp_alloc(p, grown, 1);
    if (init->end) memcpy(bytes, init->bytes, init->end);
    init->bytes = bytes;
    init->capacity = grown;
}

static void add_reloc(struct sg_parser *p, struct init *init, uint64_t offset, bool generic, uint64_t mask) {
    struct sg_token name = sgp_expect_name(p);
    int64_t addend = 0;
    if (generic) sgp_expect(p, ')');
    if (sgp_at(p, '+') || sgp_at(p, '-')) addend = sgp_parse_int_const(p);
    init->relocs = sgp_grow(p, init->relocs, init->nrelocs, &init->reloc_capacity, sizeof *init->relocs);
    init->relocs[init->nrelocs++] = (struct sg_reloc){
        .offset = offset,
        .addend = addend,
        .bytes = (uint8_t)init->element,
        .shift = mask ? (uint8_t)__builtin_ctzll(mask) : 0,
        .generic = generic,
    };
    // Resolved when the whole text is known; until then `sym` carries the name's place in the list.
    p->pending = sgp_grow(p, p->pending, p->npending, &p->pending_capacity, sizeof *p->pending);
    p->pending[p->npending].name = name;
    p->pending[p->npending++].reloc = NULL;
}

// One scalar: a constant, sym, sym+n, generic(sym)+n, or mask(sym) with an integer mask.
static void parse_scalar(struct sg_parser *p, struct init *init, uint64_t offset) {
    reserve(p, init, offset + init->element);
    if (p->tok.kind == SG_TOK_NAME && !sgp_at_word(p, "WARP_SZ")) {
        bool generic = sgp_at_word(p, "generic");
        if (generic) {
            sgp_advance(p);
            sgp_expect(p, '(');
        }
        add_reloc(p, init, offset, generic, 0);
    } else {
        struct sg_const value = sgp_parse_const(p);
        if (value.kind == SG_TOK_INT && value.value && sgp_accept(p, '(')) {
            bool generic = sgp_accept_word(p, "generic");
            if (generic) sgp_expect(p, '(');
            add_reloc(p, init, offset, generic, value.value);
            sgp_expect(p, ')');
        } else {
            enum sg_type type = init->sym->type;
            uint64_t bits = sgp_const_bits(p, value, type);
            memcpy(init->bytes + offset, &bits, init->element > 8 ? 8 : init->element);
        }
    }
    if (init->end < offset + init->element) init->end = offset + init->element;
}

// Elements at one nesting level; `extents[0]` is this level's, 0 for an unsized first dimension.
static uint64_t parse_level(struct sg_parser *p, struct init *init, uint64_t offset, const uint64_t *strides,
                            const uint64_t *extents, unsigned levels) {
    if (p->depth + 1 > SG_MAX_INIT_DEPTH) sgp_fail(p, SG_INVALID_PTX, "initializer too deep");
    p->depth++;
    uint64_t count = 0;
    sgp_expect(p, '{');
    while (!sgp_at(p, '}')) {
        if (levels == 0) sgp_fail(p, SG_INVALID_PTX, "initializer braces deeper than the array");
        if (sgp_at(p, '{')) {
            // Braces name the sub-array; scalars before them fill in order.
            parse_level(p, init, offset + count * strides[0], strides + 1, extents + 1, levels - 1);
            count++;
        } else {
            // A flat list may run over all inner dimensions.
            uint64_t flat = count * (strides[0] / init->element), limit = extents[0];
            uint64_t per = strides[0] / init->element;
            uint64_t first = flat;
            do {
                if (limit && flat >= limit * per) sgp_fail(p, SG_INVALID_PTX, "more initializers than elements");
                parse_scalar(p, init, offset + flat * init->element);
                flat++;
            } while (per > 1 && flat % per && sgp_at(p, ',') && (sgp_advance(p), !sgp_at(p, '{')));
            count += (flat - first + per - 1) / per;
        }
        if (extents[0] && count > extents[0]) sgp_fail(p, SG_INVALID_PTX, "more initializers than elements");
        if (!sgp_accept(p, ',')) break;
    }
    sgp_expect(p, '}');
    p->depth--;
    return count;
}

static void finish_relocs(struct sg_parser *p, struct init *init) {
    for (uint32_t i = 0; i < init->nrelocs; i++)
        p->pending[p->npending - init->nrelocs + i].reloc = &init->relocs[i];
    init->sym->relocs = init->relocs;
    init->sym->nrelocs = init->nrelocs;
}

void sgp_resolve_relocs(struct sg_parser *p) {
    for (uint32_t i = 0; i < p->npending; i++) {
        struct sg_token *name = &p->pending[i].name;
        p->tok = *name;
        struct sg_symbol *sym = sgp_map_get(&p->unit->names, name->text, name->length);
        if (!sym) sgp_fail(p, SG_INVALID_PTX, "unknown name '%.*s' in an initializer", (int)name->length, name->text);
        p->pending[i].reloc->sym = sym;
    }
    p->npending = 0;
}

// ---- variables ------------------------------------------------------------------------------

struct dims {
    uint64_t extent[SG_MAX_INIT_DEPTH], stride[SG_MAX_INIT_DEPTH + 1];
    unsigned count;
    bool unsized; // the first extent is [] or [0]
};

static void parse_dims(struct sg_parser *p, struct dims *dims, const struct head *head) {
    while (sgp_accept(p, '[')) {
        if (dims->count == SG_MAX_INIT_DEPTH - 2) sgp_fail(p, SG_INVALID_PTX, "too many dimensions");
        int64_t extent = sgp_at(p, ']') ? 0 : sgp_parse_int_const(p);
        if (extent < 0) sgp_fail(p, SG_INVALID_PTX, "an array of negative extent");
        if (extent == 0 && dims->count) sgp_fail(p, SG_INVALID_PTX, "an inner dimension without extent");
        if (extent == 0) dims->unsized = true;
        dims->extent[dims->count++] = (uint64_t)extent;
        sgp_expect(p, ']');
    }
    if (head->vec > 1) dims->extent[dims->count++] = head->vec;
    dims->stride[dims->count] = sg_type_bytes(head->type);
    for (unsigned i = dims->count; i-- > 0;) {
        uint64_t extent = dims->extent[i] ? dims->extent[i] : 1;
        if (__builtin_mul_overflow(dims->stride[i + 1], extent, &dims->stride[i]) ||
            dims->stride[i] > SG_MAX_SYMBOL_BYTES)
            sgp_fail(p, SG_INVALID_PTX, "variable too large");
    }
}

static void parse_initializer(struct sg_parser *p, struct sg_symbol *sym, const struct dims *dims) {
    struct init init = {.sym = sym, .element = sg_type_bytes(sym->type)};
    uint64_t count = 0;
    if (dims->count)
        count = parse_level(p, &init, 0, dims->stride + 1, dims->extent, dims->count);
    else
        parse_scalar(p, &init, 0);
    if (dims->unsized) sym->size = count * dims->stride[1];
    if (sym->size > SG_MAX_SYMBOL_BYTES) sgp_fail(p, SG_INVALID_PTX, "variable too large");
    if (init.end > sym->size) sgp_fail(p, SG_INVALID_PTX, "more initializers than elements");
    sym->init = init.bytes;
    sym->init_size = init.end;
    finish_relocs(p, &init);
}

static struct sg_symbol *new_symbol(struct sg_parser *p, enum sg_space space, const struct head *head,
                                    const struct sg_token *name) {
    struct sg_symbol *sym = sgp_alloc(p, 1, sizeof *sym);
    sym->name = sgp_copy_name(p, name);
    sym->line = name->line;
    sym->space = head->opaque ? SG_TEX : space;
    sym->type = head->type;
    sym->vec = head->vec;
    sym->align = head->align;
    sym->managed = head->managed;
    sym->definition = sym;
    sym->function_scope = p->fn != NULL;
    return sym;
}

void sgp_parse_variables(struct sg_parser *p, struct sg_linkage linkage, sg_add_symbol add) {
    enum sg_space space = sgp_space_of_word(&p->tok);
    if (space == SG_GENERIC) sgp_fail(p, SG_INVALID_PTX, "a state space expected");
    sgp_advance(p);
    struct head head = parse_head(p);
    do {
        struct sg_token name = sgp_expect_name(p);
        uint64_t repeat = 0;
        bool repeated = sgp_accept(p, '<');
        if (repeated) {
            repeat = sgp_expect_int(p);
            sgp_expect(p, '>');
            if (repeat > SG_MAX_PARAMS) sgp_fail(p, SG_INVALID_PTX, "too many variables at once");
        }
        struct dims dims = {0};
        parse_dims(p, &dims, &head);
        for (uint64_t i = 0; i < (repeated ? repeat : 1); i++) {
            struct sg_symbol *sym = new_symbol(p, space, &head, &name);
            if (repeated) {
                char *numbered = sgp_alloc(p, (size_t)name.length + 8, 1);
                memcpy(numbered, name.text, name.length);
                unsigned at = name.length, digits = 1;
                for (uint64_t v = i; v > 9; v /= 10)
                    digits++;
                for (uint64_t v = i, d = digits; d-- > 0; v /= 10)
                    numbered[at + d] = (char)('0' + v % 10);
                sym->name = numbered;
            }
            sym->size = dims.unsized ? 0 : dims.stride[0];
            sym->external = linkage.external;
            sym->visible = linkage.visible || linkage.external;
            sym->weak = linkage.weak;
            sym->common = linkage.common;
            sym->dynamic = space == SG_SHARED && dims.unsized;
            if (!repeated && sgp_accept(p, '=')) parse_initializer(p, sym, &dims);
            add(p, sym);
        }
    } while (sgp_accept(p, ','));
    sgp_expect(p, ';');
}

// ---- parameters -----------------------------------------------------------------------------

static void parse_reg_param(struct sg_parser *p, struct sg_param *param) {
    struct head head = parse_head(p);
    param->name = "_";
    param->reg = -1;
    param->type = head.type;
    param->size = param->align = sg_type_bytes(head.type);
    if (p->tok.kind == SG_TOK_NAME) {
        struct sg_token name = sgp_expect_name(p);
        param->name = sgp_copy_name(p, &name);
    }
}

static void parse_param_variable(struct sg_parser *p, struct sg_param *param) {
    struct head head = parse_head(p);
    struct sg_token name = sgp_expect_name(p);
    struct dims dims = {0};
    parse_dims(p, &dims, &head);
    struct sg_symbol *sym = new_symbol(p, SG_PARAM, &head, &name);
    sym->space = SG_PARAM; // an opaque parameter is its 64-bit handle
    sym->function_scope = true;
    sym->size = dims.unsized ? 0 : dims.stride[0];
    *param = (struct sg_param){
        .name = sym->name,
        .sym = sym,
        .reg = -1,
        .type = head.type,
        .is_ptr = head.is_ptr,
        .ptr_space = head.ptr_space,
        .ptr_align = head.ptr_align,
        .size = sym->size,
        .align = sym->align,
    };
}

struct sg_param *sgp_parse_params(struct sg_parser *p, uint32_t *count) {
    struct sg_param *params = NULL;
    uint32_t capacity = 0;
    *count = 0;
    sgp_expect(p, '(');
    while (!sgp_at(p, ')')) {
        if (*count == SG_MAX_PARAMS) sgp_fail(p, SG_INVALID_PTX, "too many parameters");
        params = sgp_grow(p, params, *count, &capacity, sizeof *params);
        struct sg_param *param = &params[(*count)++];
        if (sgp_accept_word(p, ".reg")) {
            parse_reg_param(p, param);
        } else if (sgp_accept_word(p, ".param")) {
            parse_param_variable(p, param);
        } else {
            sgp_fail(p, SG_INVALID_PTX, ".param or .reg expected at '%.*s'",
                     (int)(p->tok.length < 60 ? p->tok.length : 60), p->tok.text);
        }
        if (!sgp_accept(p, ',')) break;
    }
    sgp_expect(p, ')');
    return params;
}
