// The approximate functions. Made in double precision and rounded once, which lies within every
// error bound PTX states, and gives the same on every host.
#include "ops.h"

#include <math.h>

#define MATH(name, expr) UNARY(name, float, float, sg_canon((float)(expr)))
MATH(ex2, exp2((double)x))
MATH(lg2, log2((double)x))
MATH(sin_, sin((double)x))
MATH(cos_, cos((double)x))
MATH(tanh_, tanh((double)x))
MATH(rsqrt_, 1.0 / sqrt((double)x))
UNARY(rsqrt_f64, double, double, 1.0 / sqrt(x))
// rcp.approx.ftz.f64 and rsqrt.approx.ftz.f64 see and give the upper half only: 20 bits of fraction.
#define UPPER(v) sg_f64(sg_u64(v) & 0xffffffff00000000u)
#define NORMAL(v) (sg_u64(v) & (uint64_t)0x7ff << 52 ? (v) : sg_f64(sg_u64(v) & (uint64_t)1 << 63))
UNARY(rcp_f64, double, double, NORMAL(UPPER(1.0 / NORMAL(UPPER(x)))))
UNARY(rsqrt_ftz_f64, double, double, UPPER(1.0 / sqrt(NORMAL(UPPER(x)))))

sg_handler SG_ISA_NAME(sg_pick_math)(const struct sg_insn *insn, const struct sg_function *fn) {
    (void)fn;
    if (insn->type == SG_F64) {
        if (insn->op == SG_OP_RSQRT) return insn->flags & SG_F_FTZ ? rsqrt_ftz_f64 : rsqrt_f64;
        return insn->op == SG_OP_RCP ? rcp_f64 : NULL;
    }
    if (insn->type != SG_F32) return NULL;
    switch (insn->op) {
    case SG_OP_EX2:
        return ex2;
    case SG_OP_LG2:
        return lg2;
    case SG_OP_SIN:
        return sin_;
    case SG_OP_COS:
        return cos_;
    case SG_OP_TANH:
        return tanh_;
    case SG_OP_RSQRT:
        return rsqrt_;
    default:
        return NULL;
    }
}
