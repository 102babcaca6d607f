// Writes docs/coverage-ptx.md, from the table of operations alone: to standard output.
#include "words.h"

#include <stdio.h>

// ---- lists ------------------------------------------------------------------------------------

struct list {
    const char *between;
    bool begun;
};

static void item(struct list *list, const char *before, const char *text, const char *after) {
    printf("%s%s%s%s", list->begun ? list->between : "", before, text, after);
    list->begun = true;
}

static void end_cell(void) {
    printf(" | ");
}

// ---- columns ----------------------------------------------------------------------------------

static const struct {
    const char *name;
    uint64_t set;
} classes[] = {
    {"numbers", NUMBERS}, {"in memory", IN_MEMORY}, {"ints", INTS},       {"32-bit ints", INTS32},
    {"u32", UNSIGNED32},  {"bits", BITS},           {"b128", BITS128},    {"bytes", BYTES},
    {"floats", FLOATS},   {"halves", HALVES},       {"f32x2", F32_PAIR},  {"16-bit pairs", INT16_PAIRS},
    {"tf32", TF32},       {"narrow", NARROW},       {"nibbles", NIBBLES}, {"pred", PREDS},
};

static void print_classes(uint64_t set) {
    struct list list = {.between = ", "};
    bool optional = set & NONE;
    set &= ~NONE;
    if (optional) printf("(");
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if ((set & classes[i].set) == classes[i].set) {
            item(&list, "", classes[i].name, "");
            set &= ~classes[i].set;
        }
    if (optional) printf(")");
}

static void print_types(const struct sg_row *row) {
    struct list list = {.between = "; "};
    for (unsigned i = 0; i < SG_ROW_TYPES && row->types[i]; i++) {
        item(&list, "", "", "");
        print_classes(row->types[i]);
    }
    end_cell();
}

static const char *const kinds[] = {
    [TYPE] = "type",
    [TYPE2] = "2nd type",
    [MOVED] = "type",
    [DOUBLED] = "type or twice its width",
    [LOOSE] = "type",
    [LOOSE2] = "2nd type",
    [VECTOR] = "type or vector",
    [PRED] = "predicate",
    [B16] = "b16",
    [U32] = "u32",
    [U64] = "u64",
    [PHASE] = "state or parity",
    [U32_OR_PRED] = "u32 or predicate",
    [CONSTANT] = "constant",
    [VIDEO] = "b32 or parts",
    [BASE] = "type or variable",
    [ADDRESS] = "address",
    [LABEL] = "label",
    [TARGETS] = "labels",
    [FRAGMENT] = "matrix",
    [HANDLE] = "texture or surface",
    [COORDINATES] = "coordinates",
    [ELEMENTS2] = "2nd type or vector",
    [OFFSETS] = "b32 or vector",
    [ANY] = "any",
};

static void print_kinds(struct list *list, const uint8_t *operands, unsigned n) {
    for (unsigned i = 0; i < n && operands[i]; i++) {
        bool optional = operands[i] & MAYBE;
        item(list, optional ? "(" : "", kinds[operands[i] & ~MAYBE], optional ? ")" : "");
    }
}

static void print_operands(const uint8_t *dst, const uint8_t *src, uint8_t rest) {
    struct list to = {.between = " \\| "}, from = {.between = ", "};
    print_kinds(&to, dst, SG_ROW_DESTINATIONS);
    if (to.begun) printf(" ← ");
    print_kinds(&from, src, SG_ROW_SOURCES);
    if (rest) item(&from, "", kinds[rest], ", ...");
    end_cell();
}

static void print_properties(uint32_t is, bool members) {
    struct list list = {.between = ", "};
    for (uint32_t bit = 1; bit <= is; bit <<= 1)
        if (is & bit) item(&list, "", sg_property_name(bit), "");
    if (members) item(&list, "", "waits for its members", "");
    printf(" |\n");
}

static const struct {
    uint32_t set;
    const char *name, *more; // words that are no list
} sets[] = {
    {ROUNDING, "rounding", NULL},     {COMPARED, "comparison", NULL},
    {COMBINED, "combination", NULL},  {SPACE, "space", NULL},
    {TWO_SPACES, "two spaces", NULL}, {SEMANTICS, "semantics", NULL},
    {SCOPE, "scope", NULL},           {OPERATION, "operation", NULL},
    {LENGTH, "length", NULL},         {CACHE, "cache", ".L1:... .L2:..."},
    {SHAPE, "shape", ".m*n*k*"},      {LAYOUT, "layout", ".row .col"},
    {GEOMETRY, "geometry", NULL},     {QUERY, "query", NULL},
    {BOUNDS, "bounds", NULL},         {EMPTY, "sync", NULL},
    {FENCED, "fenced", NULL},
};

static void print_modifiers(const struct sg_row *row) {
    struct list list = {.between = ", "};
    char flags[512];
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (row->words & sets[i].set) item(&list, "", sets[i].name, "");
    sgp_name_flags(row->flags, flags, sizeof flags, " ", " ");
    if (*flags) item(&list, "", flags, "");
    end_cell();
}

// ---- rows -------------------------------------------------------------------------------------

// The words that lead to the mode in `row`, the first ones known.
static void print_path(const struct sg_mode_row *row) {
    for (size_t i = 0; row->from != SG_MODE_NONE && i < sg_mode_row_count; i++) {
        const struct sg_mode_row *before = &sg_mode_rows[i];
        if (before->op != row->op || before->mode != row->from || before->from == before->mode) continue;
        print_path(before);
        break;
    }
    printf(".%s", row->word);
}

static void print_mode(const struct sg_mode_row *mode) {
    const struct sg_row *row = &sg_rows[mode->op];
    bool own = mode->dst[0] || mode->src[0];
    printf("| %s", row->name);
    print_path(mode);
    printf(" | | | ");
    print_operands(own ? mode->dst : row->dst, own ? mode->src : row->src, own ? 0 : row->rest);
    print_properties(row->is | mode->is, mode->members || row->members);
}

static void print_operation(enum sg_op op) {
    const struct sg_row *row = &sg_rows[op];
    printf("| **%s** | ", row->name);
    print_modifiers(row);
    print_types(row);
    if (row->needs_mode) {
        printf("| |\n");
    } else {
        print_operands(row->dst, row->src, row->rest);
        print_properties(row->is, row->members);
    }
    for (size_t i = 0; i < sg_mode_row_count; i++)
        if (sg_mode_rows[i].op == op) print_mode(&sg_mode_rows[i]);
}

// In the order of the alphabet: that of the table means nothing.
static enum sg_op next_of(enum sg_family family, const char *before) {
    enum sg_op next = SG_OP_NONE;
    for (enum sg_op op = SG_OP_NONE + 1; op < SG_OP_COUNT; op++)
        if (sg_rows[op].family == family && strcmp(sg_op_name(op), before) > 0 &&
            (next == SG_OP_NONE || strcmp(sg_op_name(op), sg_op_name(next)) < 0))
            next = op;
    return next;
}

static void print_family(enum sg_family family) {
    printf("\n## %s\n\n| operation | modifiers | types | operands | properties |\n| --- | --- | --- | --- | --- |\n",
           sg_family_name(family));
    for (enum sg_op op = next_of(family, ""); op != SG_OP_NONE; op = next_of(family, sg_op_name(op)))
        print_operation(op);
}

static void print_legend(void) {
    printf("\n| class of types | |\n| --- | --- |\n");
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        struct list list = {.between = " "};
        printf("| %s | ", classes[i].name);
        for (enum sg_type type = SG_PRED; type < SG_TYPE_COUNT; type++)
            if (classes[i].set >> type & 1) item(&list, ".", sg_type_name(type), "");
        printf(" |\n");
    }
    printf("\n| modifiers | |\n| --- | --- |\n");
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        struct list list = {.between = " "};
        printf("| %s | ", sets[i].name);
        for (size_t k = 0; sgp_word_of_set(sets[i].set, k); k++)
            item(&list, ".", sgp_word_of_set(sets[i].set, k), "");
        if (sets[i].more) item(&list, "", sets[i].more, "");
        printf(" |\n");
    }
}

static const char head[] =
    "# The PTX operations that the software GPU knows\n"
    "\n"
    "Generated from [ops.def and modes.def](../softgpu/ptx/ops.def); a test holds it current. %u operations,\n"
    "below each the words that choose among its modes. What stands in parentheses may be left out. A form that is "
    "read\n"
    "here and that nothing can run (rounding of halves in a direction, the narrowest types) fails its kernel's "
    "loading,\n"
    "and the log names instruction and line.\n"
    "\n"
    "Properties: *pure* operations give results that their operands alone decide; *uniform* ones give the same in all\n"
    "lanes where their operands are the same; a *collective* one is executed by the lanes of a warp together; a loop\n"
    "around one that *synchronizes* may be waiting for another thread.\n";

int main(void) {
    unsigned operations = 0;
    for (enum sg_op op = SG_OP_NONE + 1; op < SG_OP_COUNT; op++)
        operations++;
    printf(head, operations);
    print_legend();
    for (enum sg_family family = SG_FAMILY_NONE + 1; family < SG_FAMILY_COUNT; family++)
        print_family(family);
    return 0;
}
