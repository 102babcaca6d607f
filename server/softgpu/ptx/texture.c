// Textures and surfaces: tex, tld4, txq, suld, sust, suq. Their operands, "[handle, {coordinates}]", are
// like no others', so they have a parser of their own. Handles come in 64-bit registers.
#include "parser.h"

static const struct {
    const char *word;
    enum { GEOMETRY, LOD, COMPONENT, QUERY, BOUNDS, PLAIN, FORMATTED, VECTOR } what;
    uint8_t value;
} words[] = {
    {"1d", GEOMETRY, SG_GEOM_1D},
    {"2d", GEOMETRY, SG_GEOM_2D},
    {"3d", GEOMETRY, SG_GEOM_3D},
    {"a1d", GEOMETRY, SG_GEOM_A1D},
    {"a2d", GEOMETRY, SG_GEOM_A2D},
    {"cube", GEOMETRY, SG_GEOM_CUBE},
    {"acube", GEOMETRY, SG_GEOM_ACUBE},
    {"base", LOD, SG_LOD_BASE},
    {"level", LOD, SG_LOD_LEVEL},
    {"grad", LOD, SG_LOD_GRAD},
    {"r", COMPONENT, 0},
    {"g", COMPONENT, 1},
    {"b", PLAIN, 2}, // of tld4 the third component, of suld and sust "by bytes"
    {"a", COMPONENT, 3},
    {"p", FORMATTED, 0},
    {"width", QUERY, SG_QUERY_WIDTH},
    {"height", QUERY, SG_QUERY_HEIGHT},
    {"depth", QUERY, SG_QUERY_DEPTH},
    {"channel_data_type", QUERY, SG_QUERY_DATA_TYPE},
    {"channel_order", QUERY, SG_QUERY_ORDER},
    {"array_size", QUERY, SG_QUERY_ARRAY_SIZE},
    {"num_mipmap_levels", QUERY, SG_QUERY_LEVELS},
    {"trap", BOUNDS, SG_BOUNDS_TRAP},
    {"clamp", BOUNDS, SG_BOUNDS_CLAMP},
    {"zero", BOUNDS, SG_BOUNDS_ZERO},
    {"v2", VECTOR, 2},
    {"v4", VECTOR, 4},
};

// Cache operators, which change nothing.
static bool is_hint(const char *word, uint32_t length) {
    static const char *const hints[] = {"ca", "cg", "cs", "cv", "wb", "wt", "unified"};
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (strlen(hints[i]) == length && !memcmp(word, hints[i], length)) return true;
    return false;
}

static bool apply(struct sg_insn *insn, const char *word, uint32_t length) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].word) != length || memcmp(word, words[i].word, length)) continue;
        switch (words[i].what) {
        case GEOMETRY: insn->mode = words[i].value; break;
        case LOD: insn->rnd = words[i].value; break;
        case QUERY:
        case COMPONENT: insn->n = words[i].value; break;
        case BOUNDS: insn->cmp = words[i].value; break;
        case VECTOR: insn->vec = words[i].value; break;
        case PLAIN: if (insn->op == SG_OP_TLD4) insn->n = words[i].value; break;
        case FORMATTED: insn->flags |= SG_F_FORMATTED; break;
        }
        return true;
    }
    return is_hint(word, length);
}

static void parse_words(struct sg_parser *p, struct sg_insn *insn) {
    unsigned types = 0;
    for (; p->tok.kind == SG_TOK_DOT; sgp_advance(p)) {
        const char *word = p->tok.text + 1;
        uint32_t length = p->tok.length - 1;
        enum sg_type type = sgp_type_of_word(word, length);
        if (type != SG_NONE && types < 2)
            *(types++ ? &insn->type2 : &insn->type) = (uint8_t)type;
        else if (!apply(insn, word, length))
            sgp_fail(p, SG_UNSUPPORTED_INSTRUCTION, "no '%.*s' here", (int)(length < 80 ? length : 80), word);
    }
    bool query = insn->op == SG_OP_TXQ || insn->op == SG_OP_SUQ;
    if (!query && insn->mode == SG_GEOM_NONE) sgp_fail(p, SG_INVALID_PTX, "the geometry is missing");
    if (insn->type == SG_NONE) sgp_fail(p, SG_INVALID_PTX, "the type is missing");
    if (insn->vec == 0) insn->vec = 1;
}

struct pieces {
    struct sg_operand list[8];
    unsigned n;
};

static struct sg_operand *next(struct sg_parser *p, struct pieces *all) {
    if (all->n == sizeof all->list / sizeof *all->list) sgp_fail(p, SG_INVALID_PTX, "too many operands");
    return &all->list[all->n++];
}

// [handle] or [handle, coordinates]
static void parse_place(struct sg_parser *p, struct pieces *all, bool coordinates) {
    sgp_expect(p, '[');
    struct sg_operand *handle = next(p, all);
    sgp_parse_operand(p, handle);
    if (handle->kind != SG_OPND_REG || p->fn->regs[handle->reg].bytes != 8)
        sgp_fail(p, SG_UNSUPPORTED_INSTRUCTION, "textures and surfaces are named by 64-bit handles");
    if (coordinates) {
        sgp_expect(p, ',');
        sgp_parse_operand(p, next(p, all));
        if (sgp_at(p, ',')) sgp_fail(p, SG_UNSUPPORTED_INSTRUCTION, "samplers apart from textures");
    }
    sgp_expect(p, ']');
}

void sgp_parse_texture(struct sg_parser *p, struct sg_insn *insn) {
    struct pieces all = {.n = 0};
    bool query = insn->op == SG_OP_TXQ || insn->op == SG_OP_SUQ, store = insn->op == SG_OP_SUST;
    parse_words(p, insn);
    if (!store) {
        sgp_parse_operand(p, next(p, &all));
        if (sgp_at(p, '|')) sgp_fail(p, SG_UNSUPPORTED_INSTRUCTION, "the residency predicate");
        sgp_expect(p, ',');
    }
    parse_place(p, &all, !query);
    while (sgp_accept(p, ','))
        sgp_parse_operand(p, next(p, &all));
    unsigned extra = all.n - (store ? 2 : query ? 2 : 3);
    unsigned wanted = store ? 1 : insn->rnd == SG_LOD_LEVEL ? 1 : insn->rnd == SG_LOD_GRAD ? 2 : 0;
    if (extra != wanted)
        sgp_fail(p, SG_UNSUPPORTED_INSTRUCTION, "offsets and depth comparison are not supported");
    struct sg_operand *list = sgp_alloc(p, all.n, sizeof *list);
    memcpy(list, all.list, all.n * sizeof *list);
    insn->dst = list;
    insn->ndst = store ? 0 : 1;
    insn->src = list + insn->ndst;
    insn->nsrc = (uint16_t)(all.n - insn->ndst);
}
