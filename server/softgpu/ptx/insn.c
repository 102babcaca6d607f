// One instruction: mnemonic, words, operands, and their agreement with the table.
#include "table.h"

static const struct sg_row rows[SG_OP_COUNT] = {
#define FTZ SG_F_FTZ
#define SAT SG_F_SAT
#define SATFINITE SG_F_SATFINITE
#define APPROX SG_F_APPROX
#define FULL SG_F_FULL
#define HI SG_F_HI
#define LO SG_F_LO
#define WIDE SG_F_WIDE
#define CC SG_F_CC
#define UNI SG_F_UNI
#define NC SG_F_NC
#define CLAMP SG_F_CLAMP
#define WRAP SG_F_WRAP
#define SHIFTAMT SG_F_SHIFTAMT
#define ALIGNED SG_F_ALIGNED
#define TO SG_F_TO
#define NAN SG_F_NAN
#define XORSIGN_ABS SG_F_XORSIGN_ABS
#define ABS SG_F_ABS
#define RELU SG_F_RELU
#define OOB SG_F_OOB
#define NOFTZ SG_F_NOFTZ
#define TRANS SG_F_TRANS
#define PARITY SG_F_PARITY
#define NOCOMPLETE SG_F_NOCOMPLETE
#define NOINC SG_F_NOINC
#define READ SG_F_READ
#define POPC SG_F_POPC
#define PO SG_F_PO
#define SG_OP(id, name, words, flags, types, dst, src)                                             \
    [SG_OP_##id] = {name, words, flags, types, dst, src},
#include "ops.def"
#undef SG_OP
};

static enum sg_op find_op(const struct sg_token *token) {
    for (int op = SG_OP_NONE + 1; op < SG_OP_COUNT; op++) {
        const char *name = rows[op].name;
        if (name[0] == token->text[0] && strlen(name) == token->length &&
            !memcmp(name, token->text, token->length))
            return op;
    }
    return SG_OP_NONE;
}

// ---- types ----------------------------------------------------------------------------------

static uint64_t bits_of(const enum sg_type *types, size_t n) {
    uint64_t set = 0;
    for (size_t i = 0; i < n; i++)
        set |= (uint64_t)1 << types[i];
    return set;
}

#define SET(...)                                                                                   \
    bits_of((const enum sg_type[]){__VA_ARGS__},                                                   \
            sizeof((enum sg_type[]){__VA_ARGS__}) / sizeof(enum sg_type))

static uint64_t class_set(char letter) {
    switch (letter) {
    case 'i':
        return SET(SG_U16, SG_U32, SG_U64, SG_S16, SG_S32, SG_S64);
    case 'b':
        return SET(SG_B16, SG_B32, SG_B64);
    case 'f':
        return SET(SG_F32, SG_F64);
    case 'h':
        return SET(SG_F16, SG_F16X2, SG_BF16, SG_BF16X2);
    case 'p':
        return SET(SG_PRED);
    case '8':
        return SET(SG_B8, SG_U8, SG_S8);
    case '1':
        return SET(SG_B128);
    case 'x':
        return SET(SG_F32X2);
    case 'y':
        return SET(SG_U16X2, SG_S16X2);
    case 't':
        return SET(SG_TF32);
    case 'n':
        return SET(SG_B1, SG_B4, SG_U4, SG_S4);
    case 'q':
        return SET(SG_E4M3, SG_E5M2, SG_E4M3X2, SG_E5M2X2, SG_E4M3X4, SG_E5M2X4, SG_E2M1X2,
                   SG_E2M3X2, SG_E3M2X2, SG_E2M1X4, SG_E2M3X4, SG_E3M2X4, SG_UE8M0X2);
    default:
        return 0;
    }
}

static void check_types(struct sg_parser *p, const struct sg_words *state) {
    const uint8_t given[] = {state->insn->type, state->insn->type2, state->insn->type3,
                             state->insn->type4};
    const char *c = state->row->types;
    unsigned slot = 0;
    while (*c) {
        bool optional = *c == '?';
        if (optional) c++;
        uint64_t set = 0;
        for (; *c && *c != ' '; c++)
            set |= class_set(*c);
        if (*c == ' ') c++;
        if (slot == state->ntypes) {
            if (!optional) sgp_fail(p, SG_INVALID_PTX, "a type is missing");
            continue;
        }
        if (!(set >> given[slot] & 1))
            sgp_fail(p, SG_UNSUPPORTED_INSTRUCTION, "%s has no type .%s", state->row->name,
                     sg_type_name(given[slot]));
        slot++;
    }
    if (slot < state->ntypes) sgp_fail(p, SG_INVALID_PTX, "too many types");
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
    sgp_fail(p, SG_INVALID_PTX, "register %s%.*d of type .%s where .%s is wanted", r->name,
             r->number < 0 ? 0 : 1, r->number < 0 ? 0 : r->number, sg_type_name(r->type),
             sg_type_name(type));
}

// ---- operands -------------------------------------------------------------------------------

struct match {
    struct sg_parser *p;
    struct sg_insn *insn;
    unsigned position; // of the operand, for messages
    bool is_dst;
};

static _Noreturn void mismatch(struct match *m, const char *wanted) {
    sgp_fail(m->p, SG_INVALID_PTX, "operand %u: %s expected", m->position, wanted);
}

static void check_scalar(struct match *m, struct sg_operand *operand, enum sg_type type,
                         bool wider) {
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
        if (m->is_dst || (m->insn->op != SG_OP_CVT && m->insn->op != SG_OP_MOV))
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

// Only vmad's sources have signs; only its addend has no parts. Two or four parts are named of the sources of
// instructions on as many, and at most so many of a destination; else one.
static void check_video(struct match *m, struct sg_operand *operand) {
    const struct sg_insn *insn = m->insn;
    bool negated = operand->neg, simd = insn->op <= SG_OP_VSET4, four = (insn->op - SG_OP_VADD2) % 2;
    unsigned parts = operand->parts;
    operand->neg = false;
    check_scalar(m, operand, SG_B32, false);
    operand->neg = negated;
    if (negated && (m->is_dst || insn->op != SG_OP_VMAD)) mismatch(m, "a register without sign");
    if (!parts) return;
    bool halves = parts & SG_PARTS_HALVES;
    unsigned count = parts & ~SG_PARTS_HALVES, all = !simd ? 1 : four ? 4 : 2, most = halves ? 2 : 4;
    if (simd ? halves == four : count != 1) mismatch(m, "other parts of a register");
    if (m->is_dst ? insn->op == SG_OP_VMAD || count > all : count != all) mismatch(m, "other parts of a register");
    if (m->position > 3) mismatch(m, "a whole register");
    for (unsigned i = 0; i < count; i++) {
        unsigned which = operand->n >> 4 * i & 15, above = operand->n >> 4 * (i + 1) & 15;
        if (which >= (simd && !m->is_dst ? 2 * most : most)) mismatch(m, "parts that the register has");
        if (m->is_dst && i + 1 < count && which >= above) mismatch(m, "parts in their order");
    }
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
    for (unsigned i = 0; i < count; i++)
        check_scalar(m, &operand->vec[i], type, true);
}

// Fragments: each register of 32 bits, or 64 for f64.
static void check_fragment(struct match *m, struct sg_operand *operand) {
    unsigned n = operand->kind == SG_OPND_VEC ? operand->n : 1;
    struct sg_operand *elements = operand->kind == SG_OPND_VEC ? operand->vec : operand;
    for (unsigned i = 0; i < n; i++) {
        if (elements[i].kind == SG_OPND_IMM && !m->is_dst) {
            sgp_type_constant(m->p, &elements[i], m->insn->type == SG_F64 ? SG_F64 : SG_B32);
            continue;
        }
        if (elements[i].kind != SG_OPND_REG || elements[i].neg) mismatch(m, "registers");
        unsigned bytes = m->p->fn->regs[elements[i].reg].bytes;
        if (bytes != (m->insn->type == SG_F64 ? 8 : 4)) mismatch(m, "registers of the right width");
    }
}

// A texture or surface: a variable of the module, or its 64-bit handle.
static void check_handle(struct match *m, struct sg_operand *operand) {
    if (operand->kind == SG_OPND_SYM && operand->sym->space == SG_TEX && !operand->off) return;
    if (operand->kind != SG_OPND_REG) mismatch(m, "a texture or surface");
    check_scalar(m, operand, SG_B64, false);
}

// A scalar, or the elements of a vector.
static void check_elements(struct match *m, struct sg_operand *operand, enum sg_type type) {
    if (operand->kind != SG_OPND_VEC) {
        check_scalar(m, operand, type, false);
        return;
    }
    for (unsigned i = 0; i < operand->n; i++)
        check_scalar(m, &operand->vec[i], type, false);
}

// As many as the geometry wants; a vector of four stands for three. Layers are unsigned integers.
static void check_coordinates(struct match *m, struct sg_operand *operand) {
    static const uint8_t counts[] = {[SG_GEOM_1D] = 1,  [SG_GEOM_2D] = 2,   [SG_GEOM_3D] = 3,  [SG_GEOM_A1D] = 2,
                                     [SG_GEOM_A2D] = 3, [SG_GEOM_CUBE] = 3, [SG_GEOM_ACUBE] = 4};
    const struct sg_insn *insn = m->insn;
    unsigned want = counts[insn->geom], n = operand->kind == SG_OPND_VEC ? operand->n : 1;
    if (n != want && !(n == 4 && want == 3)) mismatch(m, "coordinates of the geometry");
    bool texture = insn->op == SG_OP_TEX || insn->op == SG_OP_TLD4;
    enum sg_type type = texture ? insn->type2 : SG_B32;
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
    if (operand->kind == SG_OPND_SYM) return;
    check_scalar(m, operand, m->insn->type, false);
}

static void check_cvt_source(struct match *m, struct sg_operand *operand, enum sg_type type) {
    if (operand->kind == SG_OPND_VEC)
        for (unsigned i = 0; i < operand->n; i++)
            check_scalar(m, &operand->vec[i], type, true);
    else
        check_scalar(m, operand, type, true);
}

static void check_untyped(struct match *m, struct sg_operand *operand) {
    if (operand->kind == SG_OPND_IMM)
        sgp_type_constant(m->p, operand, SG_B64);
    else if (operand->kind == SG_OPND_LABEL)
        check_scalar(m, operand, SG_B64, false);
}

static void check_operand(struct match *m, struct sg_operand *operand, char letter) {
    struct sg_insn *insn = m->insn;
    bool wide = insn->flags & SG_F_WIDE;
    switch (letter) {
    case 'T':
        check_scalar(m, operand, insn->type, false);
        break;
    case 'U':
        check_scalar(m, operand, insn->type2, false);
        break;
    case 'W':
        check_scalar(m, operand, wide ? doubled(insn->type) : insn->type, false);
        break;
    case 'R':
        check_scalar(m, operand, insn->type, true);
        break;
    case 'S':
        check_cvt_source(m, operand, insn->type2);
        break;
    case 'v':
        check_vector(m, operand, insn->type);
        break;
    case 'M':
        check_fragment(m, operand);
        break;
    case 'B':
        check_base(m, operand);
        break;
    case 'p':
        check_predicate(m, operand);
        break;
    case 'h':
        check_scalar(m, operand, SG_B16, false);
        break;
    case 'i':
        check_scalar(m, operand, SG_U32, false);
        break;
    case 'I':
        if (operand->kind == SG_OPND_REG && m->p->fn->regs[operand->reg].type == SG_PRED) check_predicate(m, operand);
        else check_scalar(m, operand, SG_U32, false);
        break;
    case 'l':
        check_scalar(m, operand, SG_U64, false);
        break;
    case 'w':
        if (operand->kind == SG_OPND_REG && m->p->fn->regs[operand->reg].bytes == 4)
            check_scalar(m, operand, SG_B32, false);
        else
            check_scalar(m, operand, SG_B64, false);
        break;
    case 'H':
        check_handle(m, operand);
        break;
    case 'C':
        check_coordinates(m, operand);
        break;
    case 'D':
        check_elements(m, operand, insn->type2);
        break;
    case 'O':
        check_elements(m, operand, SG_B32);
        break;
    case 'E':
        check_video(m, operand);
        break;
    case 'A':
        if (operand->kind != SG_OPND_ADDR) mismatch(m, "an address");
        break;
    case 'L':
        if (operand->kind != SG_OPND_LABEL) mismatch(m, "a label");
        break;
    default:
        check_untyped(m, operand);
    }
}

enum { MAX_OPERANDS = 16 };

struct operands {
    struct sg_operand list[MAX_OPERANDS];
    unsigned n;
    uint32_t pairs; // bit i: operand i stands behind a `|`
};

// [texture, coordinates]: two operands of their own.
static void parse_bracketed(struct sg_parser *p, struct operands *operands) {
    unsigned first = operands->n;
    do {
        if (operands->n - first == 2)
            sgp_fail(p, SG_UNSUPPORTED_INSTRUCTION, "a sampler apart from the texture");
        if (operands->n == MAX_OPERANDS) sgp_fail(p, SG_INVALID_PTX, "too many operands");
        sgp_parse_operand(p, &operands->list[operands->n++]);
    } while (sgp_accept(p, ','));
    sgp_expect(p, ']');
}

static void parse_operands(struct sg_parser *p, struct operands *operands, const struct sg_row *row) {
    bool bracketed = strpbrk(row->words, "GQ"), video = strchr(row->src, 'E');
    operands->n = 0;
    operands->pairs = 0;
    while (!sgp_at(p, ';')) {
        if (operands->n == MAX_OPERANDS) sgp_fail(p, SG_INVALID_PTX, "too many operands");
        if (bracketed && sgp_accept(p, '['))
            parse_bracketed(p, operands);
        else
            (video ? sgp_parse_video_operand : sgp_parse_operand)(p, &operands->list[operands->n++]);
        if (sgp_accept(p, '|'))
            operands->pairs |= 1u << operands->n;
        else if (!sgp_accept(p, ','))
            break;
    }
    if (!sgp_at(p, ';')) sgp_expect(p, ';');
}

// How many operands the letters take: at least, at most (MAX_OPERANDS with `*`).
static void count_letters(const char *letters, unsigned *least, unsigned *most) {
    *least = *most = 0;
    for (const char *c = letters; *c; c++) {
        if (*c == '|') continue;
        if (*c == '*') {
            *most = MAX_OPERANDS;
            continue;
        }
        bool optional = c[1] == '?';
        ++*most;
        if (optional)
            c++;
        else
            ++*least;
    }
}

static unsigned match_destinations(struct match *m, struct operands *operands,
                                   const char *letters) {
    unsigned used = 0;
    m->is_dst = true;
    for (const char *c = letters; *c; c++) {
        bool second = *c == '|';
        if (second) c++;
        bool optional = c[1] == '?';
        bool present = used < operands->n && (!second || operands->pairs >> used & 1);
        if (!present && !optional) mismatch(m, "a destination");
        if (present) {
            m->position = used + 1;
            check_operand(m, &operands->list[used++], *c);
        }
        if (optional) c++;
    }
    return used;
}

// Optional operands are taken from the left as far as there are enough.
static void match_sources(struct match *m, struct operands *operands, unsigned first,
                          const char *letters) {
    unsigned least, most, given = operands->n - first;
    count_letters(letters, &least, &most);
    if (given < least || given > most)
        sgp_fail(m->p, SG_INVALID_PTX, "%u source operands where %u%s are wanted", given, least,
                 most > least ? " or more" : "");
    unsigned spare = given - least;
    m->is_dst = false;
    for (const char *c = letters; *c && first < operands->n; c++) {
        if (*c == '*') {
            for (; first < operands->n; first++) {
                m->position = first + 1;
                check_operand(m, &operands->list[first], c > letters ? c[-1] : '*');
            }
            break;
        }
        char letter = *c;
        if (c[1] == '?') {
            c++;
            if (spare == 0) continue;
            spare--;
        }
        m->position = first + 1;
        check_operand(m, &operands->list[first++], letter);
    }
}

// mov: register, constant, special register, address of a symbol, packing and unpacking.
static void match_mov(struct match *m, struct operands *operands) {
    struct sg_parser *p = m->p;
    if (operands->n != 2) sgp_fail(p, SG_INVALID_PTX, "mov has two operands");
    enum sg_type type = m->insn->type;
    for (unsigned i = 0; i < 2; i++) {
        struct sg_operand *operand = &operands->list[i];
        m->is_dst = i == 0;
        m->position = i + 1;
        if (operand->kind == SG_OPND_SYM && i == 1) {
            if (sg_type_bytes(type) < 4) mismatch(m, "a type that holds an address");
        } else if (operand->kind == SG_OPND_VEC) {
            unsigned bytes = 0;
            for (unsigned e = 0; e < operand->n; e++) {
                struct sg_operand *element = &operand->vec[e];
                unsigned share = sg_type_bytes(type) / operand->n;
                enum sg_type part = share == 1   ? SG_B8
                                    : share == 2 ? SG_B16
                                    : share == 4 ? SG_B32
                                                 : SG_B64;
                check_scalar(m, element, part, false);
                bytes += sg_type_bytes(part);
            }
            if (bytes != sg_type_bytes(type)) mismatch(m, "a vector of the type's width");
        } else {
            check_scalar(m, operand, type, false);
        }
    }
}

// ---- the whole ------------------------------------------------------------------------------

static void require(struct sg_parser *p, bool given, const char *what) {
    if (!given) sgp_fail(p, SG_INVALID_PTX, "%s is missing", what);
}

static void check_video_words(struct sg_parser *p, struct sg_words *state) {
    struct sg_insn *insn = state->insn;
    const uint8_t types[] = {insn->type, insn->type2, insn->type3};
    for (unsigned i = 0; i < state->ntypes; i++)
        if (sg_type_bytes(types[i]) != 4) sgp_fail(p, SG_INVALID_PTX, "a type of other than 32 bits");
    bool simd = insn->op <= SG_OP_VSET4;
    if (insn->atom > (simd ? SG_ATOM_ADD : SG_ATOM_MAX)) sgp_fail(p, SG_INVALID_PTX, "not a second operation here");
    if (simd && insn->atom && (insn->flags & SG_F_SAT)) sgp_fail(p, SG_INVALID_PTX, ".sat with .add");
}

static void check_words(struct sg_parser *p, struct sg_words *state) {
    struct sg_insn *insn = state->insn;
    check_types(p, state);
    bool integer = class_set('i') >> insn->type & 1;
    if (insn->op >= SG_OP_VADD2 && insn->op <= SG_OP_VSET) check_video_words(p, state);
    switch (insn->op) {
    case SG_OP_SETP:
    case SG_OP_SET:
        require(p, insn->cmp, "the comparison");
        break;
    case SG_OP_MUL:
    case SG_OP_MAD:
    case SG_OP_MUL24:
    case SG_OP_MAD24:
    case SG_OP_MADC:
        require(p, !integer || (insn->flags & (SG_F_LO | SG_F_HI | SG_F_WIDE)),
                ".lo, .hi or .wide");
        if ((insn->flags & SG_F_WIDE) && doubled(insn->type) == SG_NONE)
            sgp_fail(p, SG_INVALID_PTX, ".wide of this type");
        break;
    case SG_OP_ATOM:
    case SG_OP_RED:
        require(p, insn->atom, "the operation");
        if (insn->sem == SG_WEAK) insn->sem = SG_RELAXED;
        if (insn->scope == SG_SCOPE_NONE) insn->scope = SG_SCOPE_GPU;
        break;
    case SG_OP_REDUX:
        require(p, insn->atom, "the operation");
        break;
    case SG_OP_FENCE:
        if (insn->sem == SG_WEAK) insn->sem = SG_ACQ_REL;
        break;
    case SG_OP_MEMBAR:
        insn->sem = SG_SC;
        break;
    case SG_OP_BAR:
        insn->flags |= SG_F_ALIGNED;
        break;
    case SG_OP_VSHL:
    case SG_OP_VSHR:
        if (insn->type3 != SG_U32) sgp_fail(p, SG_INVALID_PTX, "a distance that is not of type .u32");
        require(p, insn->flags & (SG_F_CLAMP | SG_F_WRAP), ".clamp or .wrap");
        break;
    case SG_OP_SHF:
        require(p, insn->flags & (SG_F_CLAMP | SG_F_WRAP), ".clamp or .wrap");
        break;
    case SG_OP_VSET:
    case SG_OP_VSET2:
    case SG_OP_VSET4:
        require(p, insn->cmp && insn->cmp <= SG_GE, "the comparison");
        break;
    case SG_OP_LOP3:
        if (insn->mode == SG_MODE_NONE) insn->mode = SG_LOP3_PLAIN;
        break;
    case SG_OP_TEX:
    case SG_OP_TLD4:
    case SG_OP_SULD:
    case SG_OP_SUST:
        require(p, insn->geom, "the geometry");
        break;
    case SG_OP_SURED:
        require(p, insn->geom, "the geometry");
        require(p, insn->atom, "the operation");
        break;
    case SG_OP_TXQ:
    case SG_OP_SUQ:
        require(p, insn->query, "the query");
        break;
    }
}

static void store_operands(struct sg_parser *p, struct sg_insn *insn, struct operands *operands,
                           unsigned ndst) {
    struct sg_operand *all = sgp_alloc(p, operands->n ? operands->n : 1, sizeof *all);
    memcpy(all, operands->list, operands->n * sizeof *all);
    for (unsigned i = 0; i < operands->n; i++)
        if (all[i].kind == SG_OPND_LABEL) p->fixups[all[i].block].operand = &all[i];
    insn->dst = all;
    insn->ndst = (uint8_t)ndst;
    insn->src = all + ndst;
    insn->nsrc = (uint16_t)(operands->n - ndst);
}

static void parse_typed(struct sg_parser *p, struct sg_words *state) {
    struct operands operands;
    struct match m = {.p = p, .insn = state->insn};
    parse_operands(p, &operands, state->row);
    if (state->policy) {
        if (operands.n < 2) sgp_fail(p, SG_INVALID_PTX, "the cache policy is missing");
        operands.n--;
    }
    if (state->insn->op == SG_OP_BRX && operands.n == 2 && operands.list[1].kind == SG_OPND_REG)
        sgp_fail(p, SG_INVALID_PTX, "brx.idx wants a list of targets");
    unsigned ndst;
    if (state->insn->op == SG_OP_MOV) {
        match_mov(&m, &operands);
        ndst = 1;
    } else {
        ndst = match_destinations(&m, &operands, state->dst);
        match_sources(&m, &operands, ndst, state->src);
    }
    for (unsigned i = 0; i < operands.n; i++)
        if ((operands.pairs >> i & 1) && i != 1) sgp_fail(p, SG_INVALID_PTX, "'|' between sources");
    if ((operands.pairs & 2) && ndst < 2) sgp_fail(p, SG_INVALID_PTX, "no second destination here");
    // A part of the destination leaves the rest of the third source; a second operation has it as operand.
    if (ndst && state->insn->op >= SG_OP_VADD && state->insn->op <= SG_OP_VSET && state->insn->op != SG_OP_VMAD &&
        (operands.list[0].parts || state->insn->atom) != (operands.n == 4))
        sgp_fail(p, SG_INVALID_PTX, "a third source goes with a second operation or a part of the destination");
    store_operands(p, state->insn, &operands, ndst);
}

static void check_mode(struct sg_parser *p, struct sg_words *state) {
    if (*state->src != '!') return;
    if (state->insn->mode == SG_MODE_NONE)
        sgp_fail(p, SG_INVALID_PTX, "%s wants a mode", state->row->name);
    state->src++;
}

static void parse_words(struct sg_parser *p, const struct sg_token *mnemonic,
                        struct sg_words *state) {
    struct sg_insn *insn = state->insn;
    insn->op = find_op(mnemonic);
    if (insn->op == SG_OP_NONE)
        sgp_fail(p, SG_UNSUPPORTED_INSTRUCTION, "unknown instruction '%.*s'",
                 (int)(mnemonic->length < 80 ? mnemonic->length : 80), mnemonic->text);
    state->row = &rows[insn->op];
    state->dst = state->row->dst;
    state->src = state->row->src;
    for (; p->tok.kind == SG_TOK_DOT; sgp_advance(p))
        if (!sgp_apply_word(state, p->tok.text + 1, p->tok.length - 1))
            sgp_fail(p, SG_UNSUPPORTED_INSTRUCTION, "%s has no '%.*s' here", state->row->name,
                     (int)(p->tok.length < 80 ? p->tok.length : 80), p->tok.text);
    check_mode(p, state);
    if (insn->vec == 0) insn->vec = 1;
    check_words(p, state);
}

// A module uses few of the possible forms, each many times; so the words of each are read once.
// The form is the run of characters that mnemonics and dotted words are made of.
static uint32_t form_length(const struct sg_parser *p, const char *form) {
    const char *c = form;
    while (c < p->lexer.end && ((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') ||
                                (*c >= 'A' && *c <= 'Z') || *c == '_' || *c == '.' || *c == ':'))
        c++;
    return (uint32_t)(c - form);
}

struct form {
    struct sg_words state;
    struct sg_insn insn;
};

static void parse_form(struct sg_parser *p, const struct sg_token *mnemonic,
                       struct sg_words *state) {
    struct sg_map *forms = &p->module->priv->forms;
    uint32_t length = form_length(p, mnemonic->text);
    struct form *known = sgp_map_get(forms, mnemonic->text, length);
    if (known) {
        struct sg_lexer before = p->lexer;
        struct sg_token tok = p->tok;
        p->lexer.next = mnemonic->text + length;
        p->lexer.line = mnemonic->line;
        sgp_advance(p);
        if (p->tok.kind != SG_TOK_DOT) {
            struct sg_insn *insn = state->insn;
            *insn = known->insn;
            *state = known->state;
            state->insn = insn;
            return;
        }
        p->lexer = before; // more words stand apart
        p->tok = tok;
    }
    parse_words(p, mnemonic, state);
    // Not if words stood apart: then the run of characters does not say it all.
    const char *c = mnemonic->text + length;
    while (c < p->lexer.end && (*c == ' ' || *c == '\t'))
        c++;
    if (c != p->tok.text) return;
    struct form *form = sgp_alloc(p, 1, sizeof *form);
    *form = (struct form){*state, *state->insn};
    if (sgp_map_put(forms, p->arena, mnemonic->text, length, form))
        sgp_fail(p, SG_NO_MEMORY, "out of memory");
}

void sgp_parse_insn(struct sg_parser *p, const struct sg_token *mnemonic, int32_t guard,
                    bool guard_neg) {
    struct sg_insn insn = {0};
    struct sg_words state = {.insn = &insn};
    parse_form(p, mnemonic, &state);
    insn.guard = guard;
    insn.guard_neg = guard_neg;
    insn.line = mnemonic->line;
    if (insn.op == SG_OP_CALL)
        sgp_parse_call(p, &insn);
    else
        parse_typed(p, &state);
    sgp_expect(p, ';');
    struct sg_function *fn = p->fn;
    if ((insn.op == SG_OP_BAR || insn.op == SG_OP_BARRIER) && insn.mode != SG_BAR_WARP_SYNC)
        fn->has_barrier = true;
    fn->insns = sgp_grow(p, fn->insns, fn->ninsns, &p->insn_capacity, sizeof *fn->insns);
    fn->insns[fn->ninsns++] = insn;
}
