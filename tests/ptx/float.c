/* f32 and f64 arithmetic. Directed rounding is the host's, in its own rounding modes. */
#include "ptx.h"

#include <fenv.h>
#include <math.h>
#include <string.h>

static float f(uint64_t bits) {
    float v;
    uint32_t low = (uint32_t)bits;
    memcpy(&v, &low, 4);
    return v;
}
static uint64_t fb(float v) {
    uint32_t bits;
    memcpy(&bits, &v, 4);
    return bits;
}
static double d(uint64_t bits) {
    double v;
    memcpy(&v, &bits, 8);
    return v;
}
static uint64_t db(double v) {
    uint64_t bits;
    memcpy(&bits, &v, 8);
    return bits;
}

/* The operation in a rounding mode; volatile keeps it from being computed at compile time or moved. */
#define F32(name, mode, expr)                                                                                          \
    static uint64_t name(uint64_t A, uint64_t B, uint64_t C) {                                                         \
        volatile float a = f(A), b = f(B), c = f(C), r;                                                                \
        (void)a, (void)b, (void)c;                                                                                     \
        fesetround(mode);                                                                                              \
        r = (expr);                                                                                                    \
        fesetround(FE_TONEAREST);                                                                                      \
        return fb(r);                                                                                                  \
    }
#define F64(name, mode, expr)                                                                                          \
    static uint64_t name(uint64_t A, uint64_t B, uint64_t C) {                                                         \
        volatile double a = d(A), b = d(B), c = d(C), r;                                                               \
        (void)a, (void)b, (void)c;                                                                                     \
        fesetround(mode);                                                                                              \
        r = (expr);                                                                                                    \
        fesetround(FE_TONEAREST);                                                                                      \
        return db(r);                                                                                                  \
    }
#define MODES(X, name, expr)                                                                                           \
    X(name##_rn, FE_TONEAREST, expr)                                                                                   \
    X(name##_rz, FE_TOWARDZERO, expr)                                                                                  \
    X(name##_rm, FE_DOWNWARD, expr)                                                                                    \
    X(name##_rp, FE_UPWARD, expr)

MODES(F32, add, a + b)
MODES(F32, mul, a *b)
MODES(F32, div_, a / b)
MODES(F32, fma_, fmaf(a, b, c))
MODES(F32, sqrt_, sqrtf(a))
MODES(F32, rcp, 1 / a)
MODES(F64, dadd, a + b)
MODES(F64, dmul, a *b)
MODES(F64, ddiv, a / b)
MODES(F64, dfma, fma(a, b, c))
MODES(F64, dsqrt, sqrt(a))
F32(sub_rn, FE_TONEAREST, a - b)
F64(drcp_rn, FE_TONEAREST, 1 / a)

/* ---- flushing, saturation, choosing ---- */

static float flush(float v) {
    return fpclassify(v) == FP_SUBNORMAL ? copysignf(0, v) : v;
}
static float saturate(float v) {
    return !(v > 0) ? 0 : v > 1 ? 1 : v;
}
/* The other operand when one is NaN; -0 is below +0. */
static double least(double a, double b) {
    if (isnan(a) || isnan(b)) return isnan(a) ? b : a;
    if (a == b) return signbit(a) ? a : b;
    return a < b ? a : b;
}
static double most(double a, double b) {
    if (isnan(a) || isnan(b)) return isnan(a) ? b : a;
    if (a == b) return signbit(a) ? b : a;
    return a > b ? a : b;
}
F32(add_ftz, FE_TONEAREST, flush(flush(a) + flush(b)))
F32(mul_ftz, FE_TONEAREST, flush(flush(a) * flush(b)))
F32(fma_ftz, FE_TONEAREST, flush(fmaf(flush(a), flush(b), flush(c))))
F32(add_sat, FE_TONEAREST, saturate(a + b))
F32(fma_sat, FE_TONEAREST, saturate(fmaf(a, b, c)))
F32(min_, FE_TONEAREST, (float)least(a, b))
F32(max_, FE_TONEAREST, (float)most(a, b))
F32(max_nan, FE_TONEAREST, isnan(a) || isnan(b) ? NAN : (float)most(a, b))
F64(dmin, FE_TONEAREST, least(a, b))
F64(dmax, FE_TONEAREST, most(a, b))

#define BITS(name, expr)                                                                                               \
    static uint64_t name(uint64_t A, uint64_t B, uint64_t C) {                                                         \
        float a = f(A), b = f(B), c = f(C);                                                                            \
        (void)a, (void)b, (void)c;                                                                                     \
        return expr;                                                                                                   \
    }
BITS(neg, isnan(a) ? fb(NAN) : fb(-a))
BITS(abs_, isnan(a) ? fb(NAN) : fb(fabsf(a)))
BITS(copysign_, (B & 0x7fffffff) | (A & 0x80000000))
BITS(lt, a < b)
BITS(ltu, !(a >= b))
BITS(ne, a != b && !isnan(a) && !isnan(b))
BITS(neu, a != b)
BITS(num, !isnan(a) && !isnan(b))
BITS(nan_, isnan(a) || isnan(b))
BITS(eq_ftz, flush(a) == flush(b))
BITS(set_one, fb(a > b ? 1.0f : 0.0f))
BITS(is_finite, isfinite(a))
BITS(is_infinite, isinf(a) != 0)
BITS(is_normal, isnormal(a) || a == 0)
BITS(is_subnormal, fpclassify(a) == FP_SUBNORMAL)
BITS(is_nan_, isnan(a) != 0)
BITS(selp_f, fb(a < b ? a : c))
static uint64_t dlt(uint64_t A, uint64_t B, uint64_t C) {
    (void)C;
    return d(A) < d(B);
}
static uint64_t dneg(uint64_t A, uint64_t B, uint64_t C) {
    (void)B, (void)C;
    return isnan(d(A)) ? db(NAN) : db(-d(A));
}
static uint64_t dabs_(uint64_t A, uint64_t B, uint64_t C) {
    (void)B, (void)C;
    return isnan(d(A)) ? db(NAN) : db(fabs(d(A)));
}

/* ---- approximations: against the exact function, within what the PTX ISA promises ---- */

/* Into a range in which an absolute bound is promised. */
static float within(float v, float most_) {
    return v > most_ || v < -most_ || isnan(v) ? 0.5f : v;
}
BITS(ex2, fb((float)exp2(within(a, 120))))
BITS(lg2, fb((float)log2(within(fabsf(a), 1e30f) < 1e-30f ? 0.5 : within(fabsf(a), 1e30f))))
BITS(sin_, fb((float)sin(within(a, 3.14f))))
BITS(cos_, fb((float)cos(within(a, 3.14f))))
BITS(tanh_, fb((float)tanh(within(a, 100))))
BITS(rcp_approx, fb(1 / (within(fabsf(a), 1e30f) < 1e-30f ? 0.5f : within(fabsf(a), 1e30f))))
BITS(rsqrt_approx, fb((float)(1 / sqrt(within(fabsf(a), 1e30f) < 1e-30f ? 0.5 : within(fabsf(a), 1e30f)))))
BITS(sqrt_approx, fb((float)sqrt(within(fabsf(a), 1e30f))))
BITS(div_approx, fb(within(a, 1e15f) / (within(fabsf(b), 1e15f) < 1e-15f ? 0.5f : within(fabsf(b), 1e15f))))

/* within(): %fa cut to [-L, L], else 0.5; with ABS the magnitude, and what is tiny becomes 0.5 too. */
#define WITHIN(r, limit)                                                                                               \
    "abs.f32 %ft, " r "; setp.gt.f32 %p, %ft, " limit "; setp.nan.f32 %q, " r ", " r "; or.pred %p, %p, %q;"           \
    " selp.f32 " r ", 0f3F000000, " r ", %p;"
#define SMALL(r, limit) "setp.lt.f32 %p, " r ", " limit "; selp.f32 " r ", 0f3F000000, " r ", %p;"
#define ABS(r) "abs.f32 " r ", " r ";"
#define L120 "0f42F00000"
#define LPI "0f4048F5C3"
#define L100 "0f42C80000"

const struct op_case float_cases[] = {
    {"add_rn_f32", 'f', 'f', "add.rn.f32 %fd, %fa, %fb;", add_rn, 0, 0},
    {"add_rz_f32_rounds_toward_zero", 'f', 'f', "add.rz.f32 %fd, %fa, %fb;", add_rz, 0, 0},
    {"add_rm_f32_rounds_down", 'f', 'f', "add.rm.f32 %fd, %fa, %fb;", add_rm, 0, 0},
    {"add_rp_f32_rounds_up", 'f', 'f', "add.rp.f32 %fd, %fa, %fb;", add_rp, 0, 0},
    {"sub_rn_f32", 'f', 'f', "sub.rn.f32 %fd, %fa, %fb;", sub_rn, 0, 0},
    {"mul_rn_f32", 'f', 'f', "mul.rn.f32 %fd, %fa, %fb;", mul_rn, 0, 0},
    {"mul_rz_f32", 'f', 'f', "mul.rz.f32 %fd, %fa, %fb;", mul_rz, 0, 0},
    {"mul_rm_f32", 'f', 'f', "mul.rm.f32 %fd, %fa, %fb;", mul_rm, 0, 0},
    {"mul_rp_f32", 'f', 'f', "mul.rp.f32 %fd, %fa, %fb;", mul_rp, 0, 0},
    {"div_rn_f32_is_exactly_rounded", 'f', 'f', "div.rn.f32 %fd, %fa, %fb;", div__rn, 0, 0},
    {"div_rz_f32", 'f', 'f', "div.rz.f32 %fd, %fa, %fb;", div__rz, 0, 0},
    {"div_rm_f32", 'f', 'f', "div.rm.f32 %fd, %fa, %fb;", div__rm, 0, 0},
    {"div_rp_f32", 'f', 'f', "div.rp.f32 %fd, %fa, %fb;", div__rp, 0, 0},
    {"fma_rn_f32_rounds_once", 'f', 'f', "fma.rn.f32 %fd, %fa, %fb, %fc;", fma__rn, 0, 0},
    {"fma_rz_f32", 'f', 'f', "fma.rz.f32 %fd, %fa, %fb, %fc;", fma__rz, 0, 0},
    {"fma_rm_f32", 'f', 'f', "fma.rm.f32 %fd, %fa, %fb, %fc;", fma__rm, 0, 0},
    {"fma_rp_f32", 'f', 'f', "fma.rp.f32 %fd, %fa, %fb, %fc;", fma__rp, 0, 0},
    {"sqrt_rn_f32", 'f', 'f', "sqrt.rn.f32 %fd, %fa;", sqrt__rn, 0, 0},
    {"sqrt_rz_f32", 'f', 'f', "sqrt.rz.f32 %fd, %fa;", sqrt__rz, 0, 0},
    {"sqrt_rm_f32", 'f', 'f', "sqrt.rm.f32 %fd, %fa;", sqrt__rm, 0, 0},
    {"sqrt_rp_f32", 'f', 'f', "sqrt.rp.f32 %fd, %fa;", sqrt__rp, 0, 0},
    {"rcp_rn_f32", 'f', 'f', "rcp.rn.f32 %fd, %fa;", rcp_rn, 0, 0},
    {"rcp_rz_f32", 'f', 'f', "rcp.rz.f32 %fd, %fa;", rcp_rz, 0, 0},
    {"rcp_rm_f32", 'f', 'f', "rcp.rm.f32 %fd, %fa;", rcp_rm, 0, 0},
    {"rcp_rp_f32", 'f', 'f', "rcp.rp.f32 %fd, %fa;", rcp_rp, 0, 0},
    {"add_ftz_f32_flushes_both_ways", 'f', 'f', "add.ftz.f32 %fd, %fa, %fb;", add_ftz, 0, 0},
    {"mul_ftz_f32_flushes_both_ways", 'f', 'f', "mul.ftz.f32 %fd, %fa, %fb;", mul_ftz, 0, 0},
    {"fma_ftz_f32_flushes_both_ways", 'f', 'f', "fma.rn.ftz.f32 %fd, %fa, %fb, %fc;", fma_ftz, 0, 0},
    {"add_sat_f32_keeps_to_zero_and_one", 'f', 'f', "add.sat.f32 %fd, %fa, %fb;", add_sat, 0, 0},
    {"fma_sat_f32_makes_nan_zero", 'f', 'f', "fma.rn.sat.f32 %fd, %fa, %fb, %fc;", fma_sat, 0, 0},
    {"min_f32_prefers_numbers", 'f', 'f', "min.f32 %fd, %fa, %fb;", min_, 0, 0},
    {"max_f32_prefers_numbers", 'f', 'f', "max.f32 %fd, %fa, %fb;", max_, 0, 0},
    {"max_NaN_f32_keeps_nan", 'f', 'f', "max.NaN.f32 %fd, %fa, %fb;", max_nan, 0, 80},
    {"neg_f32", 'f', 'f', "neg.f32 %fd, %fa;", neg, 0, 0},
    {"abs_f32", 'f', 'f', "abs.f32 %fd, %fa;", abs_, 0, 0},
    {"copysign_f32_takes_the_first_ones_sign", 'f', 'r', "copysign.f32 %fd, %fa, %fb; mov.b32 %d, %fd;", copysign_, 0,
     0},
    {"setp_lt_f32_is_false_for_nan", 'f', 'p', "setp.lt.f32 %pd, %fa, %fb;", lt, 0, 0},
    {"setp_ltu_f32_is_true_for_nan", 'f', 'p', "setp.ltu.f32 %pd, %fa, %fb;", ltu, 0, 0},
    {"setp_ne_f32_is_false_for_nan", 'f', 'p', "setp.ne.f32 %pd, %fa, %fb;", ne, 0, 0},
    {"setp_neu_f32_is_true_for_nan", 'f', 'p', "setp.neu.f32 %pd, %fa, %fb;", neu, 0, 0},
    {"setp_num_f32", 'f', 'p', "setp.num.f32 %pd, %fa, %fb;", num, 0, 0},
    {"setp_nan_f32", 'f', 'p', "setp.nan.f32 %pd, %fa, %fb;", nan_, 0, 0},
    {"setp_eq_ftz_f32_flushes_first", 'f', 'p', "setp.eq.ftz.f32 %pd, %fa, %fb;", eq_ftz, 0, 0},
    {"set_f32_makes_one_and_zero", 'f', 'f', "set.gt.f32.f32 %fd, %fa, %fb;", set_one, 0, 0},
    {"testp_finite", 'f', 'p', "testp.finite.f32 %pd, %fa;", is_finite, 0, 0},
    {"testp_infinite", 'f', 'p', "testp.infinite.f32 %pd, %fa;", is_infinite, 0, 0},
    {"testp_normal_counts_zero", 'f', 'p', "testp.normal.f32 %pd, %fa;", is_normal, 0, 0},
    {"testp_subnormal", 'f', 'p', "testp.subnormal.f32 %pd, %fa;", is_subnormal, 0, 0},
    {"testp_notanumber", 'f', 'p', "testp.notanumber.f32 %pd, %fa;", is_nan_, 0, 0},
    {"selp_f32", 'f', 'f', "setp.lt.f32 %p, %fa, %fb; selp.f32 %fd, %fa, %fc, %p;", selp_f, 0, 0},
    {"ex2_approx_f32", 'f', 'f', WITHIN("%fa", L120) "ex2.approx.f32 %fd, %fa;", ex2, 3e-7, 0},
    {"lg2_approx_f32", 'f', 'f',
     ABS("%fa") WITHIN("%fa", "0f7149F2CA") SMALL("%fa", "0f0DA24260") "lg2.approx.f32 %fd, %fa;", lg2, 3e-7, 0},
    {"sin_approx_f32", 'f', 'f', WITHIN("%fa", LPI) "sin.approx.f32 %fd, %fa;", sin_, 6e-7, 0},
    {"cos_approx_f32", 'f', 'f', WITHIN("%fa", LPI) "cos.approx.f32 %fd, %fa;", cos_, 6e-7, 0},
    {"tanh_approx_f32", 'f', 'f', WITHIN("%fa", L100) "tanh.approx.f32 %fd, %fa;", tanh_, 5e-4, 75},
    {"rcp_approx_f32", 'f', 'f',
     ABS("%fa") WITHIN("%fa", "0f7149F2CA") SMALL("%fa", "0f0DA24260") "rcp.approx.f32 %fd, %fa;", rcp_approx, 3e-7, 0},
    {"rsqrt_approx_f32", 'f', 'f',
     ABS("%fa") WITHIN("%fa", "0f7149F2CA") SMALL("%fa", "0f0DA24260") "rsqrt.approx.f32 %fd, %fa;", rsqrt_approx, 4e-7,
     0},
    {"sqrt_approx_f32", 'f', 'f', ABS("%fa") WITHIN("%fa", "0f7149F2CA") "sqrt.approx.f32 %fd, %fa;", sqrt_approx, 4e-7,
     0},
    {"div_approx_f32", 'f', 'f',
     WITHIN("%fa", "0f58635FA9") ABS("%fb") WITHIN("%fb", "0f58635FA9")
         SMALL("%fb", "0f26901D7D") "div.approx.f32 %fd, %fa, %fb;",
     div_approx, 4e-7, 0},
    {"div_full_f32", 'f', 'f',
     WITHIN("%fa", "0f58635FA9") ABS("%fb") WITHIN("%fb", "0f58635FA9")
         SMALL("%fb", "0f26901D7D") "div.full.f32 %fd, %fa, %fb;",
     div_approx, 4e-7, 0},
    {0},
};

const struct op_case double_cases[] = {
    {"add_rn_f64", 'd', 'g', "add.rn.f64 %dd, %da, %db;", dadd_rn, 0, 0},
    {"add_rz_f64", 'd', 'g', "add.rz.f64 %dd, %da, %db;", dadd_rz, 0, 0},
    {"add_rm_f64", 'd', 'g', "add.rm.f64 %dd, %da, %db;", dadd_rm, 0, 0},
    {"add_rp_f64", 'd', 'g', "add.rp.f64 %dd, %da, %db;", dadd_rp, 0, 0},
    {"mul_rn_f64", 'd', 'g', "mul.rn.f64 %dd, %da, %db;", dmul_rn, 0, 0},
    {"mul_rz_f64", 'd', 'g', "mul.rz.f64 %dd, %da, %db;", dmul_rz, 0, 0},
    {"mul_rm_f64", 'd', 'g', "mul.rm.f64 %dd, %da, %db;", dmul_rm, 0, 0},
    {"mul_rp_f64", 'd', 'g', "mul.rp.f64 %dd, %da, %db;", dmul_rp, 0, 0},
    {"div_rn_f64", 'd', 'g', "div.rn.f64 %dd, %da, %db;", ddiv_rn, 0, 0},
    {"div_rz_f64", 'd', 'g', "div.rz.f64 %dd, %da, %db;", ddiv_rz, 0, 0},
    {"div_rm_f64", 'd', 'g', "div.rm.f64 %dd, %da, %db;", ddiv_rm, 0, 0},
    {"div_rp_f64", 'd', 'g', "div.rp.f64 %dd, %da, %db;", ddiv_rp, 0, 0},
    {"fma_rn_f64", 'd', 'g', "fma.rn.f64 %dd, %da, %db, %dc;", dfma_rn, 0, 0},
    {"fma_rz_f64", 'd', 'g', "fma.rz.f64 %dd, %da, %db, %dc;", dfma_rz, 0, 0},
    {"fma_rm_f64", 'd', 'g', "fma.rm.f64 %dd, %da, %db, %dc;", dfma_rm, 0, 0},
    {"fma_rp_f64", 'd', 'g', "fma.rp.f64 %dd, %da, %db, %dc;", dfma_rp, 0, 0},
    {"sqrt_rn_f64", 'd', 'g', "sqrt.rn.f64 %dd, %da;", dsqrt_rn, 0, 0},
    {"sqrt_rz_f64", 'd', 'g', "sqrt.rz.f64 %dd, %da;", dsqrt_rz, 0, 0},
    {"sqrt_rm_f64", 'd', 'g', "sqrt.rm.f64 %dd, %da;", dsqrt_rm, 0, 0},
    {"sqrt_rp_f64", 'd', 'g', "sqrt.rp.f64 %dd, %da;", dsqrt_rp, 0, 0},
    {"rcp_rn_f64", 'd', 'g', "rcp.rn.f64 %dd, %da;", drcp_rn, 0, 0},
    {"min_f64_prefers_numbers", 'd', 'g', "min.f64 %dd, %da, %db;", dmin, 0, 0},
    {"max_f64_prefers_numbers", 'd', 'g', "max.f64 %dd, %da, %db;", dmax, 0, 0},
    {"neg_f64", 'd', 'g', "neg.f64 %dd, %da;", dneg, 0, 0},
    {"abs_f64", 'd', 'g', "abs.f64 %dd, %da;", dabs_, 0, 0},
    {"setp_lt_f64", 'd', 'p', "setp.lt.f64 %pd, %da, %db;", dlt, 0, 0},
    {0},
};
