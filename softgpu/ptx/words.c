// The dotted words behind a mnemonic.
#include "words.h"

#include <stdio.h>

#define FIELD(name) offsetof(struct sg_insn, name)
enum { DROPPED = 0xffff };

static const struct {
    uint32_t set;
    const char *word;
    uint16_t field;
    uint8_t value;
} words[] = {
    {ROUNDING, "rn", FIELD(rnd), SG_RN},
    {ROUNDING, "rz", FIELD(rnd), SG_RZ},
    {ROUNDING, "rm", FIELD(rnd), SG_RM},
    {ROUNDING, "rp", FIELD(rnd), SG_RP},
    {ROUNDING, "rni", FIELD(rnd), SG_RNI},
    {ROUNDING, "rzi", FIELD(rnd), SG_RZI},
    {ROUNDING, "rmi", FIELD(rnd), SG_RMI},
    {ROUNDING, "rpi", FIELD(rnd), SG_RPI},
    {ROUNDING, "rna", FIELD(rnd), SG_RNA},
    {ROUNDING, "rs", FIELD(rnd), SG_RS},
    {COMPARED, "eq", FIELD(cmp), SG_EQ},
    {COMPARED, "ne", FIELD(cmp), SG_NE},
    {COMPARED, "lt", FIELD(cmp), SG_LT},
    {COMPARED, "le", FIELD(cmp), SG_LE},
    {COMPARED, "gt", FIELD(cmp), SG_GT},
    {COMPARED, "ge", FIELD(cmp), SG_GE},
    {COMPARED, "lo", FIELD(cmp), SG_LO},
    {COMPARED, "ls", FIELD(cmp), SG_LS},
    {COMPARED, "hi", FIELD(cmp), SG_HI},
    {COMPARED, "hs", FIELD(cmp), SG_HS},
    {COMPARED, "equ", FIELD(cmp), SG_EQU},
    {COMPARED, "neu", FIELD(cmp), SG_NEU},
    {COMPARED, "ltu", FIELD(cmp), SG_LTU},
    {COMPARED, "leu", FIELD(cmp), SG_LEU},
    {COMPARED, "gtu", FIELD(cmp), SG_GTU},
    {COMPARED, "geu", FIELD(cmp), SG_GEU},
    {COMPARED, "num", FIELD(cmp), SG_NUM},
    {COMPARED, "nan", FIELD(cmp), SG_NAN},
    {COMBINED, "and", FIELD(boolop), SG_BOOL_AND},
    {COMBINED, "or", FIELD(boolop), SG_BOOL_OR},
    {COMBINED, "xor", FIELD(boolop), SG_BOOL_XOR},
    {SPACE | TWO_SPACES, "global", FIELD(space), SG_GLOBAL},
    {SPACE | TWO_SPACES, "shared", FIELD(space), SG_SHARED},
    {SPACE | TWO_SPACES, "shared::cta", FIELD(space), SG_SHARED},
    {SPACE | TWO_SPACES, "shared::cluster", FIELD(space), SG_SHARED_CLUSTER},
    {SPACE | TWO_SPACES, "local", FIELD(space), SG_LOCAL},
    {SPACE | TWO_SPACES, "const", FIELD(space), SG_CONST},
    {SPACE | TWO_SPACES, "param", FIELD(space), SG_PARAM},
    {SPACE | TWO_SPACES, "param::entry", FIELD(space), SG_PARAM},
    {SPACE | TWO_SPACES, "param::func", FIELD(space), SG_PARAM},
    {SEMANTICS, "weak", FIELD(sem), SG_WEAK},
    {SEMANTICS, "relaxed", FIELD(sem), SG_RELAXED},
    {SEMANTICS, "acquire", FIELD(sem), SG_ACQUIRE},
    {SEMANTICS, "release", FIELD(sem), SG_RELEASE},
    {SEMANTICS, "acq_rel", FIELD(sem), SG_ACQ_REL},
    {SEMANTICS, "sc", FIELD(sem), SG_SC},
    {SEMANTICS, "volatile", FIELD(sem), SG_VOLATILE},
    {SEMANTICS, "mmio", FIELD(sem), SG_MMIO},
    {SCOPE, "cta", FIELD(scope), SG_SCOPE_CTA},
    {SCOPE, "cluster", FIELD(scope), SG_SCOPE_CLUSTER},
    {SCOPE, "gpu", FIELD(scope), SG_SCOPE_GPU},
    {SCOPE, "gl", FIELD(scope), SG_SCOPE_GPU},
    {SCOPE, "sys", FIELD(scope), SG_SCOPE_SYS},
    {OPERATION, "add", FIELD(atom), SG_ATOM_ADD},
    {OPERATION, "popc", FIELD(atom), SG_ATOM_ADD},
    {OPERATION, "min", FIELD(atom), SG_ATOM_MIN},
    {OPERATION, "max", FIELD(atom), SG_ATOM_MAX},
    {OPERATION, "and", FIELD(atom), SG_ATOM_AND},
    {OPERATION, "or", FIELD(atom), SG_ATOM_OR},
    {OPERATION, "xor", FIELD(atom), SG_ATOM_XOR},
    {OPERATION, "exch", FIELD(atom), SG_ATOM_EXCH},
    {OPERATION, "cas", FIELD(atom), SG_ATOM_CAS},
    {OPERATION, "inc", FIELD(atom), SG_ATOM_INC},
    {OPERATION, "dec", FIELD(atom), SG_ATOM_DEC},
    {LENGTH, "v2", FIELD(vec), 2},
    {LENGTH, "v4", FIELD(vec), 4},
    {LENGTH, "v8", FIELD(vec), 8},
    {LENGTH, "x1", FIELD(vec), 1},
    {LENGTH, "x2", FIELD(vec), 2},
    {LENGTH, "x4", FIELD(vec), 4},
    {CACHE, "ca", DROPPED, 0},
    {CACHE, "cg", DROPPED, 0},
    {CACHE, "cs", DROPPED, 0},
    {CACHE, "lu", DROPPED, 0},
    {CACHE, "cv", DROPPED, 0},
    {CACHE, "wb", DROPPED, 0},
    {CACHE, "wt", DROPPED, 0},
    {CACHE, "range", DROPPED, 0},
    {CACHE, "fractional", DROPPED, 0},
    {EMPTY, "sync", DROPPED, 0},
    {EMPTY, "idx", DROPPED, 0},
    {EMPTY, "mask", DROPPED, 0},
    {EMPTY, "inc", DROPPED, 0},
    {EMPTY, "dec", DROPPED, 0},
    {EMPTY, "cvt", DROPPED, 0},
    {EMPTY, "L2", DROPPED, 0},
    {GEOMETRY, "1d", FIELD(geom), SG_GEOM_1D},
    {GEOMETRY, "2d", FIELD(geom), SG_GEOM_2D},
    {GEOMETRY, "3d", FIELD(geom), SG_GEOM_3D},
    {GEOMETRY, "a1d", FIELD(geom), SG_GEOM_A1D},
    {GEOMETRY, "a2d", FIELD(geom), SG_GEOM_A2D},
    {GEOMETRY, "cube", FIELD(geom), SG_GEOM_CUBE},
    {GEOMETRY, "acube", FIELD(geom), SG_GEOM_ACUBE},
    {BOUNDS, "trap", FIELD(bounds), SG_BOUNDS_TRAP},
    {BOUNDS, "clamp", FIELD(bounds), SG_BOUNDS_CLAMP},
    {BOUNDS, "zero", FIELD(bounds), SG_BOUNDS_ZERO},
    {QUERY, "width", FIELD(query), SG_QUERY_WIDTH},
    {QUERY, "height", FIELD(query), SG_QUERY_HEIGHT},
    {QUERY, "depth", FIELD(query), SG_QUERY_DEPTH},
    {QUERY, "channel_data_type", FIELD(query), SG_QUERY_CHANNEL_DATA_TYPE},
    {QUERY, "channel_order", FIELD(query), SG_QUERY_CHANNEL_ORDER},
    {QUERY, "normalized_coords", FIELD(query), SG_QUERY_NORMALIZED_COORDS},
    {QUERY, "array_size", FIELD(query), SG_QUERY_ARRAY_SIZE},
    {QUERY, "num_mipmap_levels", FIELD(query), SG_QUERY_NUM_MIPMAP_LEVELS},
    {QUERY, "num_samples", FIELD(query), SG_QUERY_NUM_SAMPLES},
    {QUERY, "memory_layout", FIELD(query), SG_QUERY_MEMORY_LAYOUT},
    {QUERY, "force_unnormalized_coords", FIELD(query), SG_QUERY_FORCE_UNNORMALIZED_COORDS},
    {QUERY, "filter_mode", FIELD(query), SG_QUERY_FILTER_MODE},
    {QUERY, "addr_mode_0", FIELD(query), SG_QUERY_ADDR_MODE_0},
    {QUERY, "addr_mode_1", FIELD(query), SG_QUERY_ADDR_MODE_1},
    {QUERY, "addr_mode_2", FIELD(query), SG_QUERY_ADDR_MODE_2},
    {FENCED, "proxy", DROPPED, 0},
    {FENCED, "alias", DROPPED, 0},
    {FENCED, "async", DROPPED, 0},
    {FENCED, "async::generic", DROPPED, 0},
    {FENCED, "async.global", DROPPED, 0},
    {FENCED, "tensormap::generic", DROPPED, 0},
    {FENCED, "mbarrier_init", DROPPED, 0},
    {FENCED, "sync_restrict::shared::cta", DROPPED, 0},
    {FENCED, "sync_restrict::shared::cluster", DROPPED, 0},
};

static const struct {
    const char *word;
    uint32_t flag;
} flags[] = {
    {"ftz", SG_F_FTZ},
    {"sat", SG_F_SAT},
    {"satfinite", SG_F_SATFINITE},
    {"approx", SG_F_APPROX},
    {"full", SG_F_FULL},
    {"hi", SG_F_HI},
    {"lo", SG_F_LO},
    {"wide", SG_F_WIDE},
    {"cc", SG_F_CC},
    {"uni", SG_F_UNI},
    {"nc", SG_F_NC},
    {"clamp", SG_F_CLAMP},
    {"wrap", SG_F_WRAP},
    {"shiftamt", SG_F_SHIFTAMT},
    {"aligned", SG_F_ALIGNED},
    {"to", SG_F_TO},
    {"NaN", SG_F_NAN},
    {"xorsign", SG_F_XORSIGN_ABS},
    {"abs", SG_F_ABS},
    {"relu", SG_F_RELU},
    {"oob", SG_F_OOB},
    {"noftz", SG_F_NOFTZ},
    {"trans", SG_F_TRANS},
    {"parity", SG_F_PARITY},
    {"noComplete", SG_F_NOCOMPLETE},
    {"noinc", SG_F_NOINC},
    {"read", SG_F_READ},
    {"popc", SG_F_POPC},
    {"po", SG_F_PO},
};

static bool same(const char *word, uint32_t length, const char *name) {
    return strlen(name) == length && !memcmp(word, name, length);
}

static bool apply_mode(struct sg_words *state, const char *word, uint32_t length) {
    struct sg_insn *insn = state->insn;
    for (size_t i = 0; i < sg_mode_row_count; i++) {
        const struct sg_mode_row *row = &sg_mode_rows[i];
        if (row->op != insn->op || row->from != insn->mode || !same(word, length, row->word)) continue;
        insn->mode = row->mode;
        state->mode = row;
        return true;
    }
    return false;
}

static bool apply_flag(struct sg_words *state, const char *word, uint32_t length) {
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if ((flags[i].flag & state->row->flags) && same(word, length, flags[i].word)) {
            state->insn->flags |= flags[i].flag;
            return true;
        }
    return false;
}

static bool apply_type(struct sg_words *state, const char *word, uint32_t length) {
    enum sg_type type = sgp_type_of_word(word, length);
    if (type == SG_NONE || state->ntypes == 4) return false;
    uint8_t *slots[] = {&state->insn->type, &state->insn->type2, &state->insn->type3, &state->insn->type4};
    *slots[state->ntypes++] = (uint8_t)type;
    return true;
}

static bool apply_word(struct sg_words *state, const char *word, uint32_t length) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        uint32_t set = state->row->words & words[i].set;
        if (!set || !same(word, length, words[i].word)) continue;
        if (words[i].field == DROPPED) {
            state->sync |= same(word, length, "sync");
            return true;
        }
        uint8_t *field = (uint8_t *)state->insn + words[i].field;
        // Nothing may be said twice, but for the semantics, and for the space of who has two.
        if (*field == 0 || set == SEMANTICS)
            *field = words[i].value;
        else if (set == TWO_SPACES)
            state->insn->space2 = words[i].value;
        else
            return false;
        return true;
    }
    return false;
}

static bool apply_shape(struct sg_words *state, const char *word, uint32_t length) {
    if (!(state->row->words & SHAPE) || word[0] != 'm') return false;
    uint8_t *fields[] = {&state->insn->m, &state->insn->n, &state->insn->k};
    static const char names[] = "mnk";
    uint32_t i = 0;
    for (int f = 0; f < 3 && i < length; f++) {
        unsigned value = 0;
        if (word[i++] != names[f] || i == length) return false;
        for (; i < length && word[i] >= '0' && word[i] <= '9' && value < 1000; i++)
            value = value * 10 + (unsigned)(word[i] - '0');
        *fields[f] = (uint8_t)value;
    }
    return i == length;
}

static bool apply_layout(struct sg_words *state, const char *word, uint32_t length) {
    bool col = same(word, length, "col");
    if (!(state->row->words & LAYOUT) || (!col && !same(word, length, "row"))) return false;
    if (state->nlayouts == 2) return false;
    if (col) state->insn->flags |= state->nlayouts ? SG_F_B_COL : SG_F_A_COL;
    state->nlayouts++;
    return true;
}

static bool apply_hint(struct sg_words *state, const char *word, uint32_t length) {
    if (!(state->row->words & CACHE) || length < 2) return false;
    if (word[0] != 'L' || (word[1] != '1' && word[1] != '2')) return false;
    if (length > 2 && word[2] != ':') return false;
    if (same(word, length, "L2::cache_hint")) state->policy = true;
    return true;
}

bool sgp_apply_word(struct sg_words *state, const char *word, uint32_t length) {
    return apply_mode(state, word, length) || apply_flag(state, word, length) || apply_type(state, word, length) ||
           apply_word(state, word, length) || apply_shape(state, word, length) || apply_layout(state, word, length) ||
           apply_hint(state, word, length);
}

void sgp_name_flags(uint32_t wanted, char *text, size_t size, const char *between, const char *last) {
    size_t used = 0;
    *text = 0;
    for (size_t i = 0; i < sizeof flags / sizeof *flags && used < size; i++) {
        if (!(flags[i].flag & wanted)) continue;
        wanted &= ~flags[i].flag;
        const char *before = !used ? "" : wanted ? between : last;
        used += (size_t)snprintf(text + used, size - used, "%s.%s", before, flags[i].word);
    }
}

const char *sgp_word_of_set(uint32_t set, size_t i) {
    for (size_t k = 0; k < sizeof words / sizeof *words; k++)
        if ((words[k].set & set) && i-- == 0) return words[k].word;
    return NULL;
}
