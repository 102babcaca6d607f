// The dotted words behind a mnemonic.
#include "table.h"

#define FIELD(name) offsetof(struct sg_insn, name)
enum { DROPPED = 0xffff };

static const struct {
    char letter;
    const char *word;
    uint16_t field;
    uint8_t value;
} words[] = {
    {'r', "rn", FIELD(rnd), SG_RN},
    {'r', "rz", FIELD(rnd), SG_RZ},
    {'r', "rm", FIELD(rnd), SG_RM},
    {'r', "rp", FIELD(rnd), SG_RP},
    {'r', "rni", FIELD(rnd), SG_RNI},
    {'r', "rzi", FIELD(rnd), SG_RZI},
    {'r', "rmi", FIELD(rnd), SG_RMI},
    {'r', "rpi", FIELD(rnd), SG_RPI},
    {'r', "rna", FIELD(rnd), SG_RNA},
    {'r', "rs", FIELD(rnd), SG_RS},
    {'c', "eq", FIELD(cmp), SG_EQ},
    {'c', "ne", FIELD(cmp), SG_NE},
    {'c', "lt", FIELD(cmp), SG_LT},
    {'c', "le", FIELD(cmp), SG_LE},
    {'c', "gt", FIELD(cmp), SG_GT},
    {'c', "ge", FIELD(cmp), SG_GE},
    {'c', "lo", FIELD(cmp), SG_LO},
    {'c', "ls", FIELD(cmp), SG_LS},
    {'c', "hi", FIELD(cmp), SG_HI},
    {'c', "hs", FIELD(cmp), SG_HS},
    {'c', "equ", FIELD(cmp), SG_EQU},
    {'c', "neu", FIELD(cmp), SG_NEU},
    {'c', "ltu", FIELD(cmp), SG_LTU},
    {'c', "leu", FIELD(cmp), SG_LEU},
    {'c', "gtu", FIELD(cmp), SG_GTU},
    {'c', "geu", FIELD(cmp), SG_GEU},
    {'c', "num", FIELD(cmp), SG_NUM},
    {'c', "nan", FIELD(cmp), SG_NAN},
    {'o', "and", FIELD(boolop), SG_BOOL_AND},
    {'o', "or", FIELD(boolop), SG_BOOL_OR},
    {'o', "xor", FIELD(boolop), SG_BOOL_XOR},
    {'s', "global", FIELD(space), SG_GLOBAL},
    {'s', "shared", FIELD(space), SG_SHARED},
    {'s', "shared::cta", FIELD(space), SG_SHARED},
    {'s', "shared::cluster", FIELD(space), SG_SHARED_CLUSTER},
    {'s', "local", FIELD(space), SG_LOCAL},
    {'s', "const", FIELD(space), SG_CONST},
    {'s', "param", FIELD(space), SG_PARAM},
    {'s', "param::entry", FIELD(space), SG_PARAM},
    {'s', "param::func", FIELD(space), SG_PARAM},
    {'m', "weak", FIELD(sem), SG_WEAK},
    {'m', "relaxed", FIELD(sem), SG_RELAXED},
    {'m', "acquire", FIELD(sem), SG_ACQUIRE},
    {'m', "release", FIELD(sem), SG_RELEASE},
    {'m', "acq_rel", FIELD(sem), SG_ACQ_REL},
    {'m', "sc", FIELD(sem), SG_SC},
    {'m', "volatile", FIELD(sem), SG_VOLATILE},
    {'m', "mmio", FIELD(sem), SG_MMIO},
    {'S', "cta", FIELD(scope), SG_SCOPE_CTA},
    {'S', "cluster", FIELD(scope), SG_SCOPE_CLUSTER},
    {'S', "gpu", FIELD(scope), SG_SCOPE_GPU},
    {'S', "gl", FIELD(scope), SG_SCOPE_GPU},
    {'S', "sys", FIELD(scope), SG_SCOPE_SYS},
    {'a', "add", FIELD(atom), SG_ATOM_ADD},
    {'a', "popc", FIELD(atom), SG_ATOM_ADD},
    {'a', "min", FIELD(atom), SG_ATOM_MIN},
    {'a', "max", FIELD(atom), SG_ATOM_MAX},
    {'a', "and", FIELD(atom), SG_ATOM_AND},
    {'a', "or", FIELD(atom), SG_ATOM_OR},
    {'a', "xor", FIELD(atom), SG_ATOM_XOR},
    {'a', "exch", FIELD(atom), SG_ATOM_EXCH},
    {'a', "cas", FIELD(atom), SG_ATOM_CAS},
    {'a', "inc", FIELD(atom), SG_ATOM_INC},
    {'a', "dec", FIELD(atom), SG_ATOM_DEC},
    {'v', "v2", FIELD(vec), 2},
    {'v', "v4", FIELD(vec), 4},
    {'v', "v8", FIELD(vec), 8},
    {'v', "x1", FIELD(vec), 1},
    {'v', "x2", FIELD(vec), 2},
    {'v', "x4", FIELD(vec), 4},
    {'h', "ca", DROPPED, 0},
    {'h', "cg", DROPPED, 0},
    {'h', "cs", DROPPED, 0},
    {'h', "lu", DROPPED, 0},
    {'h', "cv", DROPPED, 0},
    {'h', "wb", DROPPED, 0},
    {'h', "wt", DROPPED, 0},
    {'h', "range", DROPPED, 0},
    {'h', "fractional", DROPPED, 0},
    {'y', "sync", DROPPED, 0},
    {'y', "idx", DROPPED, 0},
    {'y', "mask", DROPPED, 0},
    {'y', "inc", DROPPED, 0},
    {'y', "dec", DROPPED, 0},
    {'y', "cvt", DROPPED, 0},
    {'y', "L2", DROPPED, 0},
    {'G', "1d", FIELD(geom), SG_GEOM_1D},
    {'G', "2d", FIELD(geom), SG_GEOM_2D},
    {'G', "3d", FIELD(geom), SG_GEOM_3D},
    {'G', "a1d", FIELD(geom), SG_GEOM_A1D},
    {'G', "a2d", FIELD(geom), SG_GEOM_A2D},
    {'G', "cube", FIELD(geom), SG_GEOM_CUBE},
    {'G', "acube", FIELD(geom), SG_GEOM_ACUBE},
    {'Z', "trap", FIELD(bounds), SG_BOUNDS_TRAP},
    {'Z', "clamp", FIELD(bounds), SG_BOUNDS_CLAMP},
    {'Z', "zero", FIELD(bounds), SG_BOUNDS_ZERO},
    {'Q', "width", FIELD(query), SG_QUERY_WIDTH},
    {'Q', "height", FIELD(query), SG_QUERY_HEIGHT},
    {'Q', "depth", FIELD(query), SG_QUERY_DEPTH},
    {'Q', "channel_data_type", FIELD(query), SG_QUERY_CHANNEL_DATA_TYPE},
    {'Q', "channel_order", FIELD(query), SG_QUERY_CHANNEL_ORDER},
    {'Q', "normalized_coords", FIELD(query), SG_QUERY_NORMALIZED_COORDS},
    {'Q', "array_size", FIELD(query), SG_QUERY_ARRAY_SIZE},
    {'Q', "num_mipmap_levels", FIELD(query), SG_QUERY_NUM_MIPMAP_LEVELS},
    {'Q', "num_samples", FIELD(query), SG_QUERY_NUM_SAMPLES},
    {'Q', "memory_layout", FIELD(query), SG_QUERY_MEMORY_LAYOUT},
    {'Q', "force_unnormalized_coords", FIELD(query), SG_QUERY_FORCE_UNNORMALIZED_COORDS},
    {'Q', "filter_mode", FIELD(query), SG_QUERY_FILTER_MODE},
    {'Q', "addr_mode_0", FIELD(query), SG_QUERY_ADDR_MODE_0},
    {'Q', "addr_mode_1", FIELD(query), SG_QUERY_ADDR_MODE_1},
    {'Q', "addr_mode_2", FIELD(query), SG_QUERY_ADDR_MODE_2},
    {'f', "proxy", DROPPED, 0},
    {'f', "alias", DROPPED, 0},
    {'f', "async", DROPPED, 0},
    {'f', "async::generic", DROPPED, 0},
    {'f', "async.global", DROPPED, 0},
    {'f', "tensormap::generic", DROPPED, 0},
    {'f', "mbarrier_init", DROPPED, 0},
    {'f', "sync_restrict::shared::cta", DROPPED, 0},
    {'f', "sync_restrict::shared::cluster", DROPPED, 0},
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

static const struct {
    uint16_t op;
    uint8_t from, mode;
    const char *word, *dst, *src;
} modes[] = {
#define SG_WORD(op, from, word, mode, dst, src) {SG_OP_##op, SG_##from, SG_##mode, word, dst, src},
#include "modes.def"
#undef SG_WORD
};

static bool same(const char *word, uint32_t length, const char *name) {
    return strlen(name) == length && !memcmp(word, name, length);
}

static bool apply_mode(struct sg_words *state, const char *word, uint32_t length) {
    struct sg_insn *insn = state->insn;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (modes[i].op == insn->op && modes[i].from == insn->mode &&
            same(word, length, modes[i].word)) {
            insn->mode = modes[i].mode;
            if (modes[i].src) state->dst = modes[i].dst, state->src = modes[i].src;
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
    uint8_t *slots[] = {&state->insn->type, &state->insn->type2, &state->insn->type3,
                        &state->insn->type4};
    *slots[state->ntypes++] = (uint8_t)type;
    return true;
}

static bool apply_word(struct sg_words *state, const char *word, uint32_t length) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!strchr(state->row->words, words[i].letter) || !same(word, length, words[i].word))
            continue;
        if (words[i].field == DROPPED) return true;
        uint8_t *field = (uint8_t *)state->insn + words[i].field;
        // cp.async names two spaces, destination first; nothing else may say a thing twice.
        bool again = *field != 0 && words[i].field != FIELD(sem);
        if (again && !(words[i].letter == 's' && state->insn->op == SG_OP_CP_ASYNC)) return false;
        if (!again) *field = words[i].value;
        else if (words[i].letter == 's') state->insn->space2 = words[i].value;
        return true;
    }
    return false;
}

static bool apply_shape(struct sg_words *state, const char *word, uint32_t length) {
    if (!strchr(state->row->words, 'g') || word[0] != 'm') return false;
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
    if (!strchr(state->row->words, 'l') || (!col && !same(word, length, "row"))) return false;
    if (state->nlayouts == 2) return false;
    if (col) state->insn->flags |= state->nlayouts ? SG_F_B_COL : SG_F_A_COL;
    state->nlayouts++;
    return true;
}

static bool apply_hint(struct sg_words *state, const char *word, uint32_t length) {
    if (!strchr(state->row->words, 'h') || length < 2) return false;
    if (word[0] != 'L' || (word[1] != '1' && word[1] != '2')) return false;
    if (length > 2 && word[2] != ':') return false;
    if (same(word, length, "L2::cache_hint")) state->policy = true;
    return true;
}

bool sgp_apply_word(struct sg_words *state, const char *word, uint32_t length) {
    return apply_mode(state, word, length) || apply_flag(state, word, length) ||
           apply_type(state, word, length) || apply_word(state, word, length) ||
           apply_shape(state, word, length) || apply_layout(state, word, length) ||
           apply_hint(state, word, length);
}
