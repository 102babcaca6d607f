// Constant expressions: C's operators over 64-bit integers, and plain floating literals.
#include "parser.h"

static struct sg_const ternary(struct sg_parser *p);

static struct sg_const integer(int64_t value, bool is_unsigned) {
    return (struct sg_const){SG_TOK_INT, is_unsigned, (uint64_t)value};
}

static void need_int(struct sg_parser *p, struct sg_const value) {
    if (value.kind != SG_TOK_INT) sgp_fail(p, SG_INVALID_PTX, "floating constants have no operators but unary minus");
}

static struct sg_const primary(struct sg_parser *p) {
    struct sg_token tok = p->tok;
    if (tok.kind == SG_TOK_INT || tok.kind == SG_TOK_F32 || tok.kind == SG_TOK_F64) {
        sgp_advance(p);
        return (struct sg_const){tok.kind, tok.is_unsigned, tok.value};
    }
    if (sgp_accept_word(p, "WARP_SZ")) return integer(32, false);
    if (!sgp_accept(p, '(')) {
        if (tok.kind == SG_TOK_END) sgp_fail(p, SG_INVALID_PTX, "the text ends in an expression");
        sgp_fail(p, SG_INVALID_PTX, "a constant expected at '%.*s'", (int)(tok.length < 60 ? tok.length : 60),
                 tok.text);
    }
    if (sgp_at_word(p, ".s64") || sgp_at_word(p, ".u64")) { // a cast
        bool is_unsigned = sgp_at_word(p, ".u64");
        sgp_advance(p);
        sgp_expect(p, ')');
        if (++p->depth > SG_MAX_EXPR_DEPTH) sgp_fail(p, SG_INVALID_PTX, "expression too deep");
        struct sg_const value = primary(p);
        p->depth--;
        need_int(p, value);
        return integer((int64_t)value.value, is_unsigned);
    }
    struct sg_const value = ternary(p);
    sgp_expect(p, ')');
    return value;
}

static struct sg_const unary(struct sg_parser *p) {
    int op = p->tok.kind == SG_TOK_PUNCT ? p->tok.punct : 0;
    if (op != '-' && op != '+' && op != '!' && op != '~') return primary(p);
    sgp_advance(p);
    if (++p->depth > SG_MAX_EXPR_DEPTH) sgp_fail(p, SG_INVALID_PTX, "expression too deep");
    struct sg_const value = unary(p);
    p->depth--;
    if (op == '+') return value;
    if (op == '-' && value.kind == SG_TOK_F32)
        value.value ^= 1u << 31;
    else if (op == '-' && value.kind == SG_TOK_F64)
        value.value ^= (uint64_t)1 << 63;
    else if (need_int(p, value), op == '-')
        value = integer((int64_t)-value.value, false);
    else
        value.value = op == '~' ? ~value.value : !value.value;
    return value;
}

static const struct {
    int punct, precedence;
} binary_ops[] = {{SG_P_OR, 1}, {SG_P_AND, 2}, {'|', 3}, {'^', 4},     {'&', 5},     {SG_P_EQ, 6},
                  {SG_P_NE, 6}, {'<', 7},      {'>', 7}, {SG_P_LE, 7}, {SG_P_GE, 7}, {SG_P_SHL, 8},
                  {'+', 9},     {SG_P_SHR, 8}, {'-', 9}, {'*', 10},    {'/', 10},    {'%', 10}};

static int precedence_of(const struct sg_parser *p) {
    if (p->tok.kind != SG_TOK_PUNCT) return 0;
    for (size_t i = 0; i < sizeof binary_ops / sizeof *binary_ops; i++)
        if (binary_ops[i].punct == p->tok.punct) return binary_ops[i].precedence;
    return 0;
}

static uint64_t divide(struct sg_parser *p, uint64_t a, uint64_t b, bool is_unsigned, bool rest) {
    if (b == 0) sgp_fail(p, SG_INVALID_PTX, "division by zero in a constant expression");
    if (is_unsigned) return rest ? a % b : a / b;
    if (b == UINT64_MAX) return rest ? 0 : -a; // INT64_MIN / -1 would trap
    return (uint64_t)(rest ? (int64_t)a % (int64_t)b : (int64_t)a / (int64_t)b);
}

static struct sg_const apply(struct sg_parser *p, int op, struct sg_const x, struct sg_const y) {
    need_int(p, x);
    need_int(p, y);
    bool u = x.is_unsigned || y.is_unsigned;
    uint64_t a = x.value, b = y.value;
    int order = u ? (a > b) - (a < b) : ((int64_t)a > (int64_t)b) - ((int64_t)a < (int64_t)b);
    switch (op) {
    case SG_P_OR:
        return integer(a || b, false);
    case SG_P_AND:
        return integer(a && b, false);
    case '|':
        return integer((int64_t)(a | b), u);
    case '^':
        return integer((int64_t)(a ^ b), u);
    case '&':
        return integer((int64_t)(a & b), u);
    case SG_P_EQ:
        return integer(a == b, false);
    case SG_P_NE:
        return integer(a != b, false);
    case '<':
        return integer(order < 0, false);
    case '>':
        return integer(order > 0, false);
    case SG_P_LE:
        return integer(order <= 0, false);
    case SG_P_GE:
        return integer(order >= 0, false);
    case SG_P_SHL:
        return integer((int64_t)(b > 63 ? 0 : a << b), x.is_unsigned);
    case SG_P_SHR:
        if (x.is_unsigned) return integer((int64_t)(b > 63 ? 0 : a >> b), true);
        return integer((int64_t)a >> (b > 63 ? 63 : b), false);
    case '+':
        return integer((int64_t)(a + b), u);
    case '-':
        return integer((int64_t)(a - b), u);
    case '*':
        return integer((int64_t)(a * b), u);
    default:
        return integer((int64_t)divide(p, a, b, u, op == '%'), u);
    }
}

static struct sg_const binary(struct sg_parser *p, int minimum) {
    struct sg_const left = unary(p);
    for (int precedence; (precedence = precedence_of(p)) >= minimum && precedence;) {
        int op = p->tok.punct;
        sgp_advance(p);
        left = apply(p, op, left, binary(p, precedence + 1));
    }
    return left;
}

static struct sg_const ternary(struct sg_parser *p) {
    if (++p->depth > SG_MAX_EXPR_DEPTH) sgp_fail(p, SG_INVALID_PTX, "expression too deep");
    struct sg_const value = binary(p, 1);
    if (sgp_accept(p, '?')) {
        need_int(p, value);
        struct sg_const yes = ternary(p);
        sgp_expect(p, ':');
        struct sg_const no = ternary(p);
        value = value.value ? yes : no;
    }
    p->depth--;
    return value;
}

struct sg_const sgp_parse_const(struct sg_parser *p) {
    return ternary(p);
}

int64_t sgp_parse_int_const(struct sg_parser *p) {
    struct sg_const value = ternary(p);
    need_int(p, value);
    return (int64_t)value.value;
}

static uint64_t truncate_bits(uint64_t value, unsigned bytes) {
    return bytes >= 8 ? value : value & (((uint64_t)1 << bytes * 8) - 1);
}

uint64_t sgp_const_bits(struct sg_parser *p, struct sg_const value, enum sg_type type) {
    unsigned bytes = sg_type_bytes(type);
    if (value.kind == SG_TOK_INT) {
        if (type == SG_F32 || type == SG_F64)
            sgp_fail(p, SG_INVALID_PTX, "an integer constant where .%s is wanted", sg_type_name(type));
        if (type == SG_PRED) return value.value != 0;
        uint64_t bits = truncate_bits(value.value, bytes);
        if (sg_type_is_signed(type) && bytes < 8)
            bits = (uint64_t)((int64_t)(bits << (64 - bytes * 8)) >> (64 - bytes * 8));
        return bits;
    }
    if (type == SG_F64 && value.kind == SG_TOK_F32) {
        float f;
        uint32_t bits = (uint32_t)value.value;
        memcpy(&f, &bits, sizeof f);
        double d = f;
        memcpy(&value.value, &d, sizeof d);
        return value.value;
    }
    if (type == SG_F32 && value.kind == SG_TOK_F64) {
        double d;
        memcpy(&d, &value.value, sizeof d);
        float f = (float)d;
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        return bits;
    }
    unsigned written = value.kind == SG_TOK_F32 ? 4 : 8;
    bool bit_type = type == SG_B32 || type == SG_B64; // mov.b32 %r, 0f3F800000 keeps the bits
    if (!bit_type && type != SG_F32 && type != SG_F64)
        sgp_fail(p, SG_INVALID_PTX, "a floating constant where .%s is wanted", sg_type_name(type));
    if (bit_type && bytes != written) return sgp_const_bits(p, value, bytes == 4 ? SG_F32 : SG_F64);
    return value.value;
}
