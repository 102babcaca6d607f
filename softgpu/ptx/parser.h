// What the files of the parser share. Internal to this folder: functions that no other folder may
// call are named sgp_, wherever they stand.
//
// Parsing is recursive descent over one token of look-ahead. All memory comes from the module's
// arena, so the first error may leave by longjmp (sgp_fail) without cleaning up.
#ifndef SOFTGPU_PTX_PARSER_H
#define SOFTGPU_PTX_PARSER_H

#include <setjmp.h>
#include <string.h>

#include "arena.h"
#include "ir.h"
#include "lexer.h"

// One PTX text of a module. Names that are not visible belong to their text alone.
struct sg_unit {
    const char *text;
    size_t size;
    uint32_t version, target;
    struct sg_map names; // struct sg_symbol
};

struct sg_body {
    struct sg_unit *unit;
    const char *text; // just behind the opening brace
    uint32_t line;
    struct sg_diag diag; // of the failed parse
};

struct sg_module_private {
    struct sg_arena arena;
    struct sg_unit *units;
    size_t nunits;
    struct sg_map visible; // linkage by name across texts
    struct sg_map local;   // the first symbol of a name that is visible in its text only
    struct sg_map forms;   // insn.c: instructions' words already read
    uint32_t symbol_capacity, function_capacity;
};

enum sg_name_kind {
    SG_NAME_REG,     // reg
    SG_NAME_RANGE,   // reg .. reg + count: %r<10>
    SG_NAME_SYM,     // sym
    SG_NAME_LABEL,   // insn: index of the instruction it stands before
    SG_NAME_TARGETS, // targets, count: .branchtargets
    SG_NAME_PROTO,   // proto: .callprototype; or NULL for .calltargets
};

struct sg_name {
    enum sg_name_kind kind;
    int32_t reg;
    uint32_t insn, count;
    union {
        struct sg_symbol *sym;
        struct sg_operand *targets;
        struct sg_proto *proto;
    };
};

struct sg_names {
    struct sg_names *parent;
    struct sg_map names, ranges; // struct sg_name; ranges by prefix
};

// A label named before it may be known.
struct sg_fixup {
    struct sg_operand *operand;
    bool list; // a list of branch targets is wanted
    struct sg_names *scope;
    struct sg_token name;
};

struct sg_pending_reloc {
    struct sg_reloc *reloc;
    struct sg_token name;
};

struct sg_parser {
    struct sg_lexer lexer;
    struct sg_token tok;
    struct sg_module *module;
    struct sg_arena *arena;   // the module's
    struct sg_arena *scratch; // until the end of this parse
    struct sg_unit *unit;
    struct sg_function *fn; // being parsed, NULL at module scope
    struct sg_names *scope;
    const char *insn_text;
    uint32_t insn_line;
    uint32_t depth, scopes;
    uint64_t frame_next; // next free byte of the .param frame
    uint32_t callee_capacity;
    uint32_t insn_capacity, reg_capacity, nfixups, fixup_capacity;
    struct sg_fixup *fixups;
    uint32_t npending, pending_capacity;
    struct sg_pending_reloc *pending;
    struct sg_diag *diag;
    jmp_buf fail;
};

// A constant: an integer, or a float's bits in the width it was written in.
struct sg_const {
    enum sg_token_kind kind; // SG_TOK_INT, SG_TOK_F32, SG_TOK_F64
    bool is_unsigned;
    uint64_t value;
};

// parser.c
_Noreturn void sgp_fail(struct sg_parser *p, enum sg_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void sgp_advance(struct sg_parser *p);
bool sgp_at(const struct sg_parser *p, int punct);
bool sgp_at_word(const struct sg_parser *p, const char *word);
bool sgp_accept(struct sg_parser *p, int punct);
bool sgp_accept_word(struct sg_parser *p, const char *word);
void sgp_expect(struct sg_parser *p, int punct);
struct sg_token sgp_expect_name(struct sg_parser *p);
uint64_t sgp_expect_int(struct sg_parser *p);
void *sgp_alloc(struct sg_parser *p, size_t count, size_t size);
// Grows `array` so that index `used` exists.
void *sgp_grow(struct sg_parser *p, void *array, uint32_t used, uint32_t *capacity, size_t size);
char *sgp_copy_name(struct sg_parser *p, const struct sg_token *token);
enum sg_type sgp_type_of_word(const char *word, size_t length); // without the dot
enum sg_type sgp_expect_type(struct sg_parser *p);

// expr.c
struct sg_const sgp_parse_const(struct sg_parser *p);
int64_t sgp_parse_int_const(struct sg_parser *p);
// Bits of the constant as a value of the type; fails where PTX has no such conversion.
uint64_t sgp_const_bits(struct sg_parser *p, struct sg_const value, enum sg_type type);

// decl.c
enum sg_space sgp_space_of_word(const struct sg_token *token); // SG_GENERIC if it is none
// At the space word of a variable declaration; `add` receives each variable.
typedef void (*sg_add_symbol)(struct sg_parser *p, struct sg_symbol *sym);
struct sg_linkage {
    bool external, visible, weak, common;
};
void sgp_parse_variables(struct sg_parser *p, struct sg_linkage linkage, sg_add_symbol add);
// At `(`. Registers are declared in p->fn if `define`, else only described.
struct sg_param *sgp_parse_params(struct sg_parser *p, uint32_t *count);
void sgp_resolve_relocs(struct sg_parser *p);

// body.c: p->tok is just behind the opening brace.
void sgp_parse_body(struct sg_parser *p);
int32_t sgp_new_reg(struct sg_parser *p, enum sg_type type, const char *name, int32_t number);

// operand.c
// The innermost declaration of a name; `reg` gets the register's index if it is one.
struct sg_name *sgp_lookup(struct sg_names *scope, const struct sg_token *name, int32_t *reg);
struct sg_symbol *sgp_lookup_symbol(struct sg_parser *p, const struct sg_token *name);
// Reads one operand. A constant stays untyped until sg_type_constant: `n` holds its token kind,
// `generic` its signedness. A label's operand holds in `block` the index of its fix-up, whose
// `operand` must be set to where the operand comes to rest.
void sgp_parse_operand(struct sg_parser *p, struct sg_operand *operand);
// Of a video instruction: a register's parts may be named, and its negative.
void sgp_parse_video_operand(struct sg_parser *p, struct sg_operand *operand);
void sgp_type_constant(struct sg_parser *p, struct sg_operand *operand, enum sg_type type);
void sgp_parse_label_operand(struct sg_parser *p, struct sg_operand *operand);

// call.c: behind the modifiers of a call.
void sgp_parse_call(struct sg_parser *p, struct sg_insn *insn);

// insn.c
// Behind the mnemonic. Appends one instruction to p->fn.
void sgp_parse_insn(struct sg_parser *p, const struct sg_token *mnemonic, int32_t guard, bool guard_neg);
// The register fits an instruction of the type; `wider` registers are allowed for ld, st, cvt.
void sgp_check_reg(struct sg_parser *p, int32_t reg, enum sg_type type, bool wider);

// Derived from the instructions, in this order. Temporary memory is p->scratch.
void sgp_build_cfg(struct sg_parser *p);
void sgp_compute_liveness(struct sg_parser *p);
void sgp_compute_frontiers(struct sg_parser *p);
void *sgp_scratch(struct sg_parser *p, size_t count, size_t size);

// liveness.c: calls `visit` for each register an instruction reads, or writes.
typedef void (*sg_visit_reg)(void *context, int32_t reg);
void sgp_visit_uses(const struct sg_insn *insn, sg_visit_reg visit, void *context);
void sgp_visit_defs(const struct sg_insn *insn, sg_visit_reg visit, void *context);

// uniform.c: lowers what is no longer certain to be uniform, given the frontiers so far. True if
// anything changed.
bool sgp_lower_uniformity(struct sg_function *fn);

// Functions that texts may call without defining them, as PTX (runtime.c).
extern const char sgp_runtime[];

#endif
