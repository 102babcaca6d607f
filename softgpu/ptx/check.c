// Agreement of an instruction with the table of operations.
#include "words.h"

// ---- words ----------------------------------------------------------------------------------

static bool is_integer(enum sg_type type) {
    return INTS >> type & 1;
}

static void check_types(struct sg_parser *p, const struct sg_words *state) {
    const uint8_t given[SG_ROW_TYPES] = {state->insn->type, state->insn->type2, state->insn->type3, state->insn->type4};
    const uint64_t *classes = state->row->types;
    unsigned known = 0;
    for (; known < SG_ROW_TYPES && classes[known]; known++) {
        if (known >= state->ntypes) {
            if (!(classes[known] & NONE)) sgp_fail(p, SG_INVALID_PTX, "a type is missing");
        } else if (!(classes[known] >> given[known] & 1)) {
            sgp_fail(p, SG_UNSUPPORTED_INSTRUCTION, "%s has no type .%s", state->row->name, sg_type_name(given[known]));
        }
    }
    if (known < state->ntypes) sgp_fail(p, SG_INVALID_PTX, "too many types");
}

static enum sg_type doubled(enum sg_type type) {
    switch (type) {
    case SG_U16:
        return SG_U32;
    case SG_U32:
        return SG_U64;
    case SG_S16:
        return SG_S32;
    case SG_S32:
        return SG_S64;
    default:
        return SG_NONE;
    }
}

static void require(struct sg_parser *p, bool given, const char *what) {
    if (!given) sgp_fail(p, SG_INVALID_PTX, "%s is missing", what);
}

static void check_needs(struct sg_parser *p, const struct sg_words *state) {
    const struct sg_row *row = state->row;
    const struct sg_insn *insn = state->insn;
    uint32_t needs = row->needs | (state->mode ? state->mode->needs : 0);
    require(p, insn->cmp || !(needs & COMPARED), "the comparison");
    require(p, insn->atom || !(needs & OPERATION), "the operation");
    require(p, insn->geom || !(needs & GEOMETRY), "the geometry");
    require(p, insn->query || !(needs & QUERY), "the query");
    bool free = !row->needs_flag || (insn->type && !is_integer(insn->type) && !(BITS >> insn->type & 1));
    if (free || (insn->flags & row->needs_flag)) return;
    char names[64];
    sgp_name_flags(row->needs_flag, names, sizeof names, ", ", " or ");
    require(p, false, names);
}

// Sums of parts wrap; the other second operations are those of single results.
static void check_video_words(struct sg_parser *p, const struct sg_words *state) {
    const struct sg_insn *insn = state->insn;
    bool parts = state->row->parts, extreme = insn->atom == SG_ATOM_MIN || insn->atom == SG_ATOM_MAX;
    if (insn->atom && insn->atom != SG_ATOM_ADD && (parts || !extreme))
        sgp_fail(p, SG_INVALID_PTX, "not a second operation here");
    if (parts && insn->atom && (insn->flags & SG_F_SAT)) sgp_fail(p, SG_INVALID_PTX, ".sat with .add");
    if (insn->cmp > SG_GE) sgp_fail(p, SG_INVALID_PTX, "not a comparison here");
}

static bool is_video(const struct sg_row *row) {
    return row->family == SG_FAMILY_VIDEO || row->family == SG_FAMILY_VIDEO_SIMD;
}

void sgp_check_words(struct sg_parser *p, struct sg_words *state) {
    const struct sg_row *row = state->row;
    struct sg_insn *insn = state->insn;
    if (row->needs_mode && !state->mode) sgp_fail(p, SG_INVALID_PTX, "%s wants a mode", row->name);
    check_types(p, state);
    check_needs(p, state);
    if ((insn->flags & SG_F_WIDE) && doubled(insn->type) == SG_NONE) sgp_fail(p, SG_INVALID_PTX, ".wide of this type");
    if (is_video(row)) check_video_words(p, state);
    if (insn->sem == SG_WEAK) insn->sem = row->sem;
    if (insn->scope == SG_SCOPE_NONE) insn->scope = row->scope;
    insn->flags |= row->implies;
    insn->is = (uint16_t)(row->is | (state->mode ? state->mode->is : 0));
}

// ---- registers and constants ----------------------------------------------------------------

static bool is_plain_float(enum sg_type type) {
    return type == SG_F32 || type == SG_F64;
}

static bool is_bits(enum sg_type type) {
    return (type >= SG_B8 && type <= SG_B128) || type == SG_PRED;
}

void sgp_check_reg(struct sg_parser *p, int32_t reg, enum sg_type type, bool wider) {
    const struct sg_reg *r = &p->fn->regs[reg];
    unsigned bytes = sg_type_bytes(type);
    bool fits = wider ? r->bytes >= bytes : r->bytes == bytes;
    if ((r->type == SG_PRED) != (type == SG_PRED)) fits = false;
    // Untyped registers hold anything of their size; half types live in 16- and 32-bit ones.
    if (is_plain_float(type) && !is_bits(r->type) && r->type != type) fits = false;
    if (is_plain_float(r->type) && !is_bits(type) && r->type != type) fits = false;
    if (fits) return;
    sgp_fail(p, SG_INVALID_PTX, "register %s%.*d of type .%s where .%s is wanted", r->name, r->number < 0 ? 0 : 1,
             r->number < 0 ? 0 : r->number, sg_type_name(r->type), sg_type_name(type));
}

// ---- operands -------------------------------------------------------------------------------

struct match {
    struct sg_parser *p;
    const struct sg_row *row;
    struct sg_insn *insn;
    unsigned position; // of the operand, for messages
    bool is_dst;
};

static _Noreturn void mismatch(struct match *m, const char *wanted) {
    sgp_fail(m->p, SG_INVALID_PTX, "operand %u: %s expected", m->position, wanted);
}

static void check_scalar(struct match *m, struct sg_operand *operand, enum sg_type type, bool wider) {
    operand->type = (uint8_t)type;
    switch (operand->kind) {
    case SG_OPND_REG:
        if (operand->neg) mismatch(m, "a register that is not negated");
        sgp_check_reg(m->p, operand->reg, type, wider);
        break;
    case SG_OPND_IMM:
        if (m->is_dst) mismatch(m, "a register");
        sgp_type_constant(m->p, operand, type);
        break;
    case SG_OPND_SINK:
        if (!m->is_dst) mismatch(m, "a value");
        break;
    case SG_OPND_SREG:
        if (m->is_dst || (m->row->family != SG_FAMILY_CONVERSION && m->row->family != SG_FAMILY_MOVE))
            mismatch(m, "a register or constant");
        break;
    case SG_OPND_LABEL: {
        const struct sg_token *name = &m->p->fixups[operand->block].name;
        sgp_fail(m->p, SG_INVALID_PTX, "unknown name '%.*s'", (int)name->length, name->text);
    }
    default:
        mismatch(m, "a register or constant");
    }
}

static void check_predicate(struct match *m, struct sg_operand *operand) {
    bool negated = operand->neg;
    operand->neg = false;
    check_scalar(m, operand, SG_PRED, false);
    operand->neg = negated;
    if (negated && m->is_dst) mismatch(m, "a register that is not negated");
}

// Bits that are only passed on, whatever their type.
static void check_moved(struct match *m, struct sg_operand *operand, enum sg_type type) {
    check_scalar(m, operand, type, false);
    switch (sg_type_bytes(type)) {
    case 2:
        operand->type = SG_B16;
        break;
    case 4:
        operand->type = SG_B32;
        break;
    case 8:
        operand->type = SG_B64;
        break;
    case 16:
        operand->type = SG_B128;
        break;
    }
}

// Of three types the first is the destination's and the third source's; of two, those of the sources.
static enum sg_type video_type(const struct match *m) {
    const struct sg_insn *insn = m->insn;
    const uint8_t types[] = {insn->type, insn->type2, insn->type3};
    bool three = m->row->types[2];
    if (m->is_dst || m->position > 3) return three ? insn->type : SG_U32;
    return types[m->position - (three ? 1 : 2)];
}

// Two or four parts are named of the sources of instructions on as many, and at most so many of a destination; else
// one.
static void check_parts(struct match *m, const struct sg_operand *operand) {
    unsigned named = operand->parts, simd = m->row->parts, all = simd ? simd : 1;
    bool halves = named & SG_PARTS_HALVES, multiplied = m->row->variant == SG_VIDEO_MAD;
    unsigned count = named & ~SG_PARTS_HALVES, most = halves ? 2 : 4;
    if (simd ? halves != (simd == 2) : count != 1) mismatch(m, "other parts of a register");
    if (m->is_dst ? multiplied || count > all : count != all) mismatch(m, "other parts of a register");
    if (m->position > 3) mismatch(m, "a whole register");
    for (unsigned i = 0; i < count; i++) {
        unsigned which = operand->n >> 4 * i & 15, above = operand->n >> 4 * (i + 1) & 15;
        if (which >= (simd && !m->is_dst ? 2 * most : most)) mismatch(m, "parts that the register has");
        if (m->is_dst && i + 1 < count && which >= above) mismatch(m, "parts in their order");
    }
}

// Only vmad's sources have signs; only its addend has no parts.
static void check_video(struct match *m, struct sg_operand *operand) {
    bool negated = operand->neg;
    operand->neg = false;
    check_scalar(m, operand, SG_B32, false);
    operand->neg = negated;
    operand->type = (uint8_t)video_type(m);
    if (negated && (m->is_dst || m->row->variant != SG_VIDEO_MAD)) mismatch(m, "a register without sign");
    if (operand->parts) check_parts(m, operand);
}

static void check_vector(struct match *m, struct sg_operand *operand, enum sg_type type) {
    unsigned count = m->insn->vec ? m->insn->vec : 1;
    if (operand->kind != SG_OPND_VEC) {
        // A vector access of one register of the whole width does not exist.
        if (count > 1) mismatch(m, "a vector");
        check_scalar(m, operand, type, true);
        return;
    }
    if (operand->n != count) mismatch(m, "a vector of the instruction's length");
    operand->type = (uint8_t)type;
    for (unsigned i = 0; i < count; i++)
        check_scalar(m, &operand->vec[i], type, true);
}

// Fragments: each register of 32 bits, or 64 for f64.
static void check_fragment(struct match *m, struct sg_operand *operand) {
    enum sg_type type = m->insn->type == SG_F64 ? SG_F64 : SG_B32;
    unsigned n = operand->kind == SG_OPND_VEC ? operand->n : 1;
    struct sg_operand *elements = operand->kind == SG_OPND_VEC ? operand->vec : operand;
    operand->type = (uint8_t)type;
    for (unsigned i = 0; i < n; i++) {
        elements[i].type = (uint8_t)type;
        if (elements[i].kind == SG_OPND_IMM && !m->is_dst) {
            sgp_type_constant(m->p, &elements[i], type);
            continue;
        }
        if (elements[i].kind != SG_OPND_REG || elements[i].neg) mismatch(m, "registers");
        if (m->p->fn->regs[elements[i].reg].bytes != sg_type_bytes(type)) mismatch(m, "registers of the right width");
    }
}

// A texture or surface: a variable of the module, or its 64-bit handle.
static void check_handle(struct match *m, struct sg_operand *operand) {
    operand->type = SG_B64;
    if (operand->kind == SG_OPND_SYM && operand->sym->space == SG_TEX && !operand->off) return;
    if (operand->kind != SG_OPND_REG) mismatch(m, "a texture or surface");
    check_scalar(m, operand, SG_B64, false);
}

// A scalar, or the elements of a vector.
static void check_elements(struct match *m, struct sg_operand *operand, enum sg_type type, bool wider) {
    operand->type = (uint8_t)type;
    if (operand->kind != SG_OPND_VEC) {
        check_scalar(m, operand, type, wider);
        return;
    }
    for (unsigned i = 0; i < operand->n; i++)
        check_scalar(m, &operand->vec[i], type, wider);
}

// As many as the geometry wants; a vector of four stands for three. Layers are unsigned integers.
static void check_coordinates(struct match *m, struct sg_operand *operand) {
    static const uint8_t counts[] = {[SG_GEOM_1D] = 1,  [SG_GEOM_2D] = 2,   [SG_GEOM_3D] = 3,   [SG_GEOM_A1D] = 2,
                                     [SG_GEOM_A2D] = 3, [SG_GEOM_CUBE] = 3, [SG_GEOM_ACUBE] = 4};
    const struct sg_insn *insn = m->insn;
    unsigned want = counts[insn->geom], n = operand->kind == SG_OPND_VEC ? operand->n : 1;
    if (n != want && !(n == 4 && want == 3)) mismatch(m, "coordinates of the geometry");
    enum sg_type type = m->row->types[1] ? insn->type2 : SG_B32;
    operand->type = (uint8_t)type;
    if (operand->kind != SG_OPND_VEC) {
        check_scalar(m, operand, type, false);
        return;
    }
    bool layered = insn->geom == SG_GEOM_A1D || insn->geom == SG_GEOM_A2D || insn->geom == SG_GEOM_ACUBE;
    for (unsigned i = 0; i < want; i++)
        check_scalar(m, &operand->vec[i], layered && i == 0 ? SG_B32 : type, false);
    operand->n = (uint16_t)want;
}

static void check_base(struct match *m, struct sg_operand *operand) {
    operand->type = m->insn->type;
    if (operand->kind != SG_OPND_SYM) check_scalar(m, operand, m->insn->type, false);
}

static void check_untyped(struct match *m, struct sg_operand *operand) {
    if (operand->kind == SG_OPND_REG)
        operand->type = m->p->fn->regs[operand->reg].type;
    else if (operand->kind == SG_OPND_IMM || operand->kind == SG_OPND_LABEL)
        check_scalar(m, operand, SG_B64, false);
}

static bool is_predicate(const struct match *m, const struct sg_operand *operand) {
    return operand->kind == SG_OPND_REG && m->p->fn->regs[operand->reg].type == SG_PRED;
}

// False for those that are not simply a scalar of some type.
static bool is_scalar(const struct match *m, const struct sg_operand *operand, unsigned kind, enum sg_type *type) {
    const struct sg_insn *insn = m->insn;
    switch (kind) {
    case TYPE:
    case LOOSE:
        *type = insn->type;
        return true;
    case TYPE2:
        *type = insn->type2;
        return true;
    case DOUBLED:
        *type = insn->flags & SG_F_WIDE ? doubled(insn->type) : insn->type;
        return true;
    case B16:
        *type = SG_B16;
        return true;
    case CONSTANT:
    case U32:
        *type = SG_U32;
        return true;
    case U64:
        *type = SG_U64;
        return true;
    case PHASE:
        *type = insn->flags & SG_F_PARITY ? SG_U32 : SG_B64;
        return true;
    case U32_OR_PRED:
        *type = SG_U32;
        return !is_predicate(m, operand);
    default:
        return false;
    }
}

static void check_label(struct match *m, struct sg_operand *operand, bool list) {
    if (operand->kind != SG_OPND_LABEL) mismatch(m, list ? "a list of branch targets" : "a label");
    m->p->fixups[operand->block].list = list;
}

static void check_operand(struct match *m, struct sg_operand *operand, unsigned kind) {
    const struct sg_insn *insn = m->insn;
    enum sg_type type;
    kind &= ~(unsigned)MAYBE;
    if (kind == CONSTANT && operand->kind != SG_OPND_IMM) mismatch(m, "a constant");
    if (is_scalar(m, operand, kind, &type)) {
        check_scalar(m, operand, type, kind == LOOSE);
        return;
    }
    switch (kind) {
    case MOVED:
        check_moved(m, operand, insn->type);
        break;
    case LOOSE2:
        check_elements(m, operand, insn->type2, true);
        break;
    case VECTOR:
        check_vector(m, operand, insn->type);
        break;
    case U32_OR_PRED:
    case PRED:
        check_predicate(m, operand);
        break;
    case VIDEO:
        check_video(m, operand);
        break;
    case BASE:
        check_base(m, operand);
        break;
    case ADDRESS:
        if (operand->kind != SG_OPND_ADDR) mismatch(m, "an address");
        break;
    case LABEL:
        check_label(m, operand, false);
        break;
    case TARGETS:
        check_label(m, operand, true);
        break;
    case FRAGMENT:
        check_fragment(m, operand);
        break;
    case HANDLE:
        check_handle(m, operand);
        break;
    case COORDINATES:
        check_coordinates(m, operand);
        break;
    case ELEMENTS2:
        check_elements(m, operand, insn->type2, false);
        break;
    case OFFSETS:
        check_elements(m, operand, SG_B32, false);
        break;
    default:
        check_untyped(m, operand);
    }
}

// ---- all operands ---------------------------------------------------------------------------

static unsigned match_destinations(struct match *m, struct sg_operands *operands, const uint8_t *kinds) {
    unsigned used = 0;
    m->is_dst = true;
    for (unsigned i = 0; i < SG_ROW_DESTINATIONS && kinds[i]; i++) {
        bool present = used < operands->n && (i == 0 || operands->pairs >> used & 1);
        if (!present && !(kinds[i] & MAYBE)) mismatch(m, "a destination");
        if (!present) continue;
        m->position = used + 1;
        check_operand(m, &operands->list[used++], kinds[i]);
    }
    return used;
}

static void count_sources(struct match *m, const uint8_t *kinds, unsigned given, unsigned *least) {
    unsigned most = *least = 0;
    for (unsigned i = 0; i < SG_ROW_SOURCES && kinds[i]; i++) {
        most++;
        *least += !(kinds[i] & MAYBE);
    }
    if (m->row->rest && kinds == m->row->src) most = SGP_MAX_OPERANDS;
    if (given < *least || given > most)
        sgp_fail(m->p, SG_INVALID_PTX, "%u source operands where %u%s are wanted", given, *least,
                 most > *least ? " or more" : "");
}

// Optional operands are taken from the left as far as there are enough.
static void match_sources(struct match *m, struct sg_operands *operands, unsigned first, const uint8_t *kinds) {
    unsigned least;
    count_sources(m, kinds, operands->n - first, &least);
    unsigned spare = operands->n - first - least, i = 0;
    m->is_dst = false;
    while (first < operands->n) {
        unsigned kind = i < SG_ROW_SOURCES && kinds[i] ? kinds[i++] : m->row->rest;
        if ((kind & MAYBE) && spare == 0) continue;
        if (kind & MAYBE) spare--;
        m->position = first + 1;
        check_operand(m, &operands->list[first++], kind);
    }
}

// mov: register, constant, special register, address of a symbol, packing and unpacking.
static void check_move(struct match *m, struct sg_operand *operand) {
    enum sg_type type = m->insn->type;
    if (operand->kind == SG_OPND_SYM && !m->is_dst) {
        if (sg_type_bytes(type) < 4) mismatch(m, "a type that holds an address");
        operand->type = (uint8_t)type;
        return;
    }
    if (operand->kind != SG_OPND_VEC) {
        check_moved(m, operand, type);
        return;
    }
    unsigned share = sg_type_bytes(type) / operand->n;
    enum sg_type part = share == 1 ? SG_B8 : share == 2 ? SG_B16 : share == 4 ? SG_B32 : SG_B64;
    check_elements(m, operand, part, false);
    if (sg_type_bytes(part) * operand->n != sg_type_bytes(type)) mismatch(m, "a vector of the type's width");
}

static unsigned match_move(struct match *m, struct sg_operands *operands) {
    if (operands->n != 2) sgp_fail(m->p, SG_INVALID_PTX, "mov has two operands");
    for (unsigned i = 0; i < 2; i++) {
        m->is_dst = i == 0;
        m->position = i + 1;
        check_move(m, &operands->list[i]);
    }
    return 1;
}

static void check_pairs(struct sg_parser *p, const struct sg_operands *operands, unsigned ndst) {
    for (unsigned i = 0; i < operands->n; i++)
        if ((operands->pairs >> i & 1) && i != 1) sgp_fail(p, SG_INVALID_PTX, "'|' between sources");
    if ((operands->pairs & 2) && ndst < 2) sgp_fail(p, SG_INVALID_PTX, "no second destination here");
}

// The optional third source goes with a word: a predicate with .and, .or or .xor; of the video instructions, with a
// second operation, or with a part of the destination, of which it gives the rest.
static void check_third(struct sg_parser *p, const struct sg_words *state, const struct sg_operands *operands,
                        unsigned ndst) {
    const struct sg_row *row = state->row;
    const struct sg_insn *insn = state->insn;
    bool third = operands->n - ndst == 3, video = row->family == SG_FAMILY_VIDEO && row->variant != SG_VIDEO_MAD;
    if ((row->words & COMBINED) && third != (insn->boolop != SG_BOOL_NONE))
        sgp_fail(p, SG_INVALID_PTX, "a predicate to combine with goes with .and, .or or .xor");
    if (video && third != (operands->list[0].parts || insn->atom))
        sgp_fail(p, SG_INVALID_PTX, "a third source goes with a second operation or a part of the destination");
}

static void note_members(struct sg_parser *p, const struct sg_words *state, unsigned nsrc) {
    struct sg_insn *insn = state->insn;
    unsigned members = state->mode && state->mode->members ? state->mode->members : state->row->members;
    if (!members) return;
    bool given = nsrc >= members;
    if ((state->row->src[members - 1] & MAYBE) && given != state->sync)
        sgp_fail(p, SG_INVALID_PTX, "a member mask goes with .sync");
    if (!given) return;
    insn->members = (uint8_t)members;
    insn->is |= SG_P_WAITS;
}

unsigned sgp_check_operands(struct sg_parser *p, const struct sg_words *state, struct sg_operands *operands) {
    const struct sg_row *row = state->row;
    struct sg_insn *insn = state->insn;
    struct match m = {.p = p, .row = row, .insn = insn};
    bool own = state->mode && (state->mode->dst[0] || state->mode->src[0]);
    unsigned ndst;
    if (row->family == SG_FAMILY_MOVE) {
        ndst = match_move(&m, operands);
    } else {
        ndst = match_destinations(&m, operands, own ? state->mode->dst : row->dst);
        match_sources(&m, operands, ndst, own ? state->mode->src : row->src);
    }
    check_pairs(p, operands, ndst);
    check_third(p, state, operands, ndst);
    note_members(p, state, operands->n - ndst);
    return ndst;
}
