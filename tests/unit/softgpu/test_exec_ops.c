// Instruction forms against values computed here, in C, by other means where there are any.
#include "exec_rig.h"

#include <fenv.h>
#include <math.h>

#define N 256
// Runs one instruction on N lanes: %a %b %c in, %d out, all 64 bits wide in memory.
static void apply(const char *insn, const char *type, const uint64_t *a, const uint64_t *b, const uint64_t *c,
                  uint64_t *d) {
    char ptx[4096];
    struct rig rig;
    bool wide = type[1] == '6' || !strcmp(type, ".b64") || !strcmp(type, ".f64");
    wide = wide && strcmp(type, ".b16");
    const char *cut = !strcmp(type, ".b16") ? "cvt.u16.u64 %%a, %%x; " : "";
    (void)cut;
    const char *in = wide                    ? "mov.b64 %a, %x; mov.b64 %b, %y; mov.b64 %c, %z;\n"
                     : !strcmp(type, ".b16") ? "cvt.u16.u64 %a, %x; cvt.u16.u64 %b, %y; cvt.u16.u64 %c, %z;\n"
                                             : "cvt.u32.u64 %a, %x; cvt.u32.u64 %b, %y; cvt.u32.u64 %c, %z;\n";
    const char *out = wide                    ? "mov.b64 %x, %d;\n"
                      : !strcmp(type, ".b16") ? "cvt.u64.u16 %x, %d;\n"
                                              : "cvt.u64.u32 %x, %d;\n";
    snprintf(ptx, sizeof ptx,
             RIG_HEAD ".visible .entry k(.param .u64 p)\n{\n.reg %s %%a, %%b, %%c, %%d, %%e; .reg .b32 %%i, %%j; .reg "
                      ".pred %%p, %%q;\n"
                      ".reg .b64 %%x, %%y, %%z, %%m, %%o, %%w; .reg .b16 %%h, %%g; .reg .b32 %%t, %%u; .reg .f32 %%f; "
                      ".reg .f64 %%v;\n"
                      "ld.param.u64 %%m, [p]; mov.u32 %%i, %%ctaid.x; mov.u32 %%j, %%tid.x; mad.lo.u32 %%i, %%i, 64, "
                      "%%j; mul.wide.u32 %%o, %%i, 8;\n"
                      "add.u64 %%m, %%m, %%o; ld.global.u64 %%x, [%%m]; ld.global.u64 %%y, [%%m+2048]; ld.global.u64 "
                      "%%z, [%%m+4096];\n%s%s\n%sst.global.u64 [%%m+6144], %%x; ret;\n}\n",
             type, in, insn, out);
    rig_open(&rig, ptx, 1);
    uint64_t *memory = rig_alloc(&rig, 8 * N * 4, 256);
    memcpy(memory, a, 8 * N), memcpy(memory + N, b, 8 * N), memcpy(memory + 2 * N, c, 8 * N);
    struct sg_fault fault;
    cr_assert_eq(rig_launch(&rig, "k", N / 64, 64, &memory, 8, &fault), SG_FAULT_NONE, "%s", fault.message);
    memcpy(d, memory + 3 * N, 8 * N);
    rig_close(&rig);
}

static uint64_t a[N], b[N], c[N], d[N];

static const uint32_t edges[] = {0,          1,          2,          31,         32,         33,  0x7fffffff,
                                 0x80000000, 0xffffffff, 0x80000001, 0x00ff00ff, 0xdeadbeef, 255, 24};
static const uint32_t float_edges[] = {0,          0x80000000, 1,          0x80000001, 0x007fffff,
                                       0x00800000, 0x3f800000, 0xbf800000, 0x3f800001, 0x7f7fffff,
                                       0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x4b000001,
                                       0x33800000, 0x40490fdb, 0x3eaaaaab, 0x00ffffff, 0x80ffffff};

static void fill(bool floats) {
    uint64_t seed = 88172645463325252u;
    const uint32_t *list = floats ? float_edges : edges;
    unsigned n = floats ? sizeof float_edges / 4 : sizeof edges / 4;
    for (unsigned i = 0; i < N; i++) {
        uint64_t r[3];
        for (int k = 0; k < 3; k++)
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17, r[k] = seed;
        a[i] = i & 1 ? (uint32_t)r[0] : list[r[0] % n], b[i] = i & 2 ? (uint32_t)r[1] : list[r[1] % n],
        c[i] = i & 4 ? (uint32_t)r[2] : list[r[2] % n];
    }
}

static float f(uint64_t u) {
    float r;
    uint32_t v = (uint32_t)u;
    memcpy(&r, &v, 4);
    return r;
}
static uint32_t u(float x) {
    uint32_t r;
    memcpy(&r, &x, 4);
    return x != x ? 0x7fffffff : r;
}

#define CHECK32(insn, expr)                                                                                            \
    do {                                                                                                               \
        apply(insn, ".b32", a, b, c, d);                                                                               \
        for (unsigned i = 0; i < N; i++) {                                                                             \
            uint32_t x = (uint32_t)a[i], y = (uint32_t)b[i], z = (uint32_t)c[i];                                       \
            (void)x, (void)y, (void)z;                                                                                 \
            uint32_t want = (uint32_t)(expr);                                                                          \
            cr_assert_eq((uint32_t)d[i], want, "%s: %08x %08x %08x gives %08x, not %08x", insn, x, y, z,               \
                         (uint32_t)d[i], want);                                                                        \
        }                                                                                                              \
    } while (0)

Test(exec_ops, integers_wrap_divide_and_shift_as_ptx_says) {
    fill(false);
    CHECK32("add.u32 %d, %a, %b;", x + y);
    CHECK32("sub.s32 %d, %a, %b;", x - y);
    CHECK32("mul.hi.s32 %d, %a, %b;", ((int64_t)(int32_t)x * (int32_t)y) >> 32);
    CHECK32("mul.hi.u32 %d, %a, %b;", ((uint64_t)x * y) >> 32);
    CHECK32("mad.lo.s32 %d, %a, %b, %c;", x * y + z);
    CHECK32("div.u32 %d, %a, %b;", y ? x / y : ~0u);
    CHECK32("rem.u32 %d, %a, %b;", y ? x % y : x);
    CHECK32("div.s32 %d, %a, %b;", !y ? ~0u : y == ~0u ? 0 - x : (uint32_t)((int32_t)x / (int32_t)y));
    CHECK32("rem.s32 %d, %a, %b;", !y ? x : y == ~0u ? 0 : (uint32_t)((int32_t)x % (int32_t)y));
    CHECK32("shl.b32 %d, %a, %b;", y > 31 ? 0 : x << y);
    CHECK32("shr.u32 %d, %a, %b;", y > 31 ? 0 : x >> y);
    CHECK32("shr.s32 %d, %a, %b;", (int32_t)x >> (y > 31 ? 31 : y));
    CHECK32("min.s32 %d, %a, %b;", (int32_t)x < (int32_t)y ? x : y);
    CHECK32("add.sat.s32 %d, %a, %b;", ((int64_t)(int32_t)x + (int32_t)y) > INT32_MAX ? INT32_MAX
                                       : ((int64_t)(int32_t)x + (int32_t)y) < INT32_MIN
                                           ? INT32_MIN
                                           : ((int64_t)(int32_t)x + (int32_t)y));
    CHECK32("mul24.lo.u32 %d, %a, %b;", (x & 0xffffff) * (uint64_t)(y & 0xffffff));
    CHECK32("sad.u32 %d, %a, %b, %c;", z + (x > y ? x - y : y - x));
    CHECK32("popc.b32 %d, %a;", __builtin_popcount(x));
    CHECK32("clz.b32 %d, %a;", x ? __builtin_clz(x) : 32);
    CHECK32("bfind.u32 %d, %a;", x ? 31 - __builtin_clz(x) : -1);
    CHECK32("lop3.b32 %d, %a, %b, %c, 0x96;", x ^ y ^ z);
    CHECK32("lop3.b32 %d, %a, %b, %c, 0xe8;", (x & y) | (x & z) | (y & z));
    CHECK32("shf.l.wrap.b32 %d, %a, %b, %c;", (z & 31) ? y << (z & 31) | x >> (32 - (z & 31)) : y);
    CHECK32("shf.r.clamp.b32 %d, %a, %b, %c;", z >= 32 ? y : z ? x >> z | y << (32 - z) : x);
    CHECK32("bfe.u32 %d, %a, 7, 9;", x >> 7 & 511);
    CHECK32("bfe.s32 %d, %a, 28, 9;", (int32_t)x >> 28);
    CHECK32("bfi.b32 %d, %a, %b, 5, 6;", (y & ~(63u << 5)) | (x & 63) << 5);
    CHECK32("prmt.b32 %d, %a, %b, 0x7531;", (x >> 8 & 255) | (x >> 24) << 8 | (y >> 8 & 255) << 16 | (y >> 24) << 24);
    CHECK32("setp.lt.s32 %p, %a, %b; selp.b32 %d, %a, %b, %p;", (int32_t)x < (int32_t)y ? x : y);
    CHECK32("setp.hi.u32 %p|%q, %a, %b; selp.b32 %d, 1, 0, %q;", x <= y);
    CHECK32("set.ge.u32.s32 %d, %a, %b;", (int32_t)x >= (int32_t)y ? ~0u : 0);
    CHECK32("dp4a.u32.u32 %d, %a, %b, %c;", z + (x & 255) * (y & 255) + (x >> 8 & 255) * (y >> 8 & 255) +
                                                (x >> 16 & 255) * (y >> 16 & 255) + (x >> 24) * (y >> 24));
    CHECK32("cvt.s8.s32 %d, %a;", (int8_t)x);
    CHECK32("cvt.sat.u8.s32 %d, %a;", (int32_t)x < 0 ? 0 : (int32_t)x > 255 ? 255 : x);
}

static uint32_t halves_of(uint32_t x, uint32_t y, bool most) {
    uint32_t r = 0;
    for (int k = 0; k < 32; k += 16) {
        int16_t p = (int16_t)(x >> k), q = (int16_t)(y >> k), v = (p < q) == most ? q : p;
        r |= (uint32_t)(uint16_t)(v > 0 ? v : 0) << k;
    }
    return r;
}

Test(exec_ops, relu_makes_no_negative_integers) {
    fill(false);
    CHECK32("max.relu.s32 %d, %a, %b;", (int32_t)x > (int32_t)y ? ((int32_t)x > 0 ? x : 0) : (int32_t)y > 0 ? y : 0);
    CHECK32("min.s32.relu %d, %a, %b;", (int32_t)x < (int32_t)y ? ((int32_t)x > 0 ? x : 0) : (int32_t)y > 0 ? y : 0);
    CHECK32("max.s16x2.relu %d, %a, %b;", halves_of(x, y, true));
    CHECK32("min.relu.s16x2 %d, %a, %b;", halves_of(x, y, false));
}

static int64_t limit(int64_t v, int64_t least, int64_t most) {
    return v < least ? least : v > most ? most : v;
}

Test(exec_ops, video_instructions_take_parts_saturate_and_merge) {
    fill(false);
    CHECK32("vadd.u32.u32.u32 %d, %a, %b;", x + y);
    CHECK32("vadd.s32.s32.u32.sat %d, %a, %b;", limit((int64_t)(int32_t)x + y, INT32_MIN, INT32_MAX));
    CHECK32("vadd.s32.u32.s32.sat %d, %a.b0, %b.h0;", (int32_t)(x & 255) + (int16_t)y);
    CHECK32("vsub.s32.s32.u32 %d, %a.h1, %b.b3;", (int16_t)(x >> 16) - (int32_t)(y >> 24));
    CHECK32("vsub.u32.u32.u32.sat %d, %a, %b;", x > y ? x - y : 0);
    CHECK32("vabsdiff.s32.s32.s32.sat %d.h0, %a.b0, %b.b2, %c;", (z & 0xffff0000) | abs((int8_t)x - (int8_t)(y >> 16)));
    CHECK32("vabsdiff.u32.s32.s32 %d, %a, %b;", llabs((int64_t)(int32_t)x - (int32_t)y));
    CHECK32("vmin.s32.s32.s32.sat.add %d, %a, %b, %c;", ((int32_t)x < (int32_t)y ? x : y) + z);
    CHECK32("vmax.u32.u32.u32.min %d, %a, %b, %c;", (x > y ? x : y) < z ? (x > y ? x : y) : z);
    CHECK32("vmin.s32.u32.u32.max %d, %a, 7, %c;", (int32_t)(x < 7 ? x : 7) > (int32_t)z ? (x < 7 ? x : 7) : z);
    CHECK32("vadd.u32.u32.s32.sat %d.b1, %a.b3, %b.b0, %c;",
            (z & ~0xff00u) | (uint32_t)limit((int32_t)(x >> 24) + (int8_t)y, 0, 255) << 8);
    CHECK32("vadd.u32.u32.u32 %d.h1, %a, %b, %c;", (z & 0xffff) | (x + y) << 16);
    CHECK32("vshr.u32.u32.u32.clamp.add %d, %a, %b, %c;", (y > 31 ? 0 : x >> y) + z);
    CHECK32("vshr.s32.s32.u32.wrap %d, %a.h1, %b;", (int16_t)(x >> 16) >> (y & 31));
    CHECK32("vshr.s32.s32.u32.clamp %d, %a, %b.b0;", (int32_t)x >> ((y & 255) > 31 ? 31 : y & 255));
    CHECK32("vshl.u32.u32.u32.clamp %d, %a, %b;", y > 31 ? 0 : x << y);
    CHECK32("vshl.u32.u32.u32.wrap.sat %d, %a.h0, %b;", limit((int64_t)(x & 0xffff) << (y & 31), 0, UINT32_MAX));
    CHECK32("vmad.s32.s32.s32.sat %d, %a, %b.h0, %c;",
            limit((int64_t)(int32_t)x * (int16_t)y + (int32_t)z, INT32_MIN, INT32_MAX));
    CHECK32("vmad.u32.u32.u32.shr15 %d, %a.h0, %b.h0, %c;", ((uint64_t)(x & 0xffff) * (y & 0xffff) + z) >> 15);
    CHECK32("vmad.u32.u32.u32.po.shr7 %d, %a.b0, %b.b1, %c;", ((uint64_t)(x & 255) * (y >> 8 & 255) + z + 1) >> 7);
    CHECK32("vmad.s32.u32.u32 %d, -%a.b0, %b.b0, %c;", z - (x & 255) * (y & 255));
    CHECK32("vmad.s32.u32.u32 %d, %a.b0, %b.b0, -%c;", (x & 255) * (y & 255) - z);
    CHECK32("vset.u32.s32.lt %d, %a, %b;", (int64_t)x < (int32_t)y);
    CHECK32("vset.s32.s32.ge.add %d, %a.b0, %b.b0, %c;", ((int8_t)x >= (int8_t)y) + z);
    CHECK32("vset.u32.u32.ne %d.b3, %a, %b, %c;", (z & 0xffffff) | (uint32_t)(x != y) << 24);
}

static uint32_t by_bytes(uint32_t x, uint32_t y, int (*fn)(int, int), bool sgn) {
    uint32_t r = 0;
    for (int k = 0; k < 32; k += 8)
        r |= (uint32_t)(uint8_t)(sgn ? fn((int8_t)(x >> k), (int8_t)(y >> k)) : fn(x >> k & 255, y >> k & 255)) << k;
    return r;
}
static uint32_t bytes_of(uint32_t v) {
    return (v >> 24) + (v >> 16 & 255) + (v >> 8 & 255) + (v & 255);
}
static int average(int x, int y) {
    return x + y >= 0 ? (x + y + 1) / 2 : -((1 - x - y) / 2);
}
static int sum_to_127(int x, int y) {
    return (int)limit(x + y, -128, 127);
}
static int is_more(int x, int y) {
    return x > y;
}
static int away(int x, int y) {
    return abs(x - y);
}

Test(exec_ops, video_instructions_of_bytes_and_halves) {
    fill(false);
    CHECK32("vavrg4.s32.s32.s32 %d, %a, %b, %c;", by_bytes(x, y, average, true));
    CHECK32("vavrg4.u32.u32.u32 %d, %a, %b, %c;", by_bytes(x, y, average, false));
    CHECK32("vadd4.s32.s32.s32.sat %d, %a, %b, %c;", by_bytes(x, y, sum_to_127, true));
    CHECK32("vset4.s32.s32.gt %d, %a, %b, %c;", by_bytes(x, y, is_more, true));
    CHECK32("vset4.u32.u32.gt.add %d, %a, %b, %c;", z + __builtin_popcount(by_bytes(x, y, is_more, false)));
    CHECK32("vabsdiff4.u32.u32.u32.add %d, %a, %b, %c;", z + bytes_of(by_bytes(x, y, away, false)));
    CHECK32("vadd4.u32.u32.u32 %d.b20, %a.b0123, %b.b4444, %c;",
            (z & 0xff00ff00) | ((x >> 24) + y) % 256 | ((x >> 8) + y) % 256 << 16);
    CHECK32("vadd2.u32.u32.u32 %d, %a.h10, %b.h32, %c;", ((x + y) & 0xffff) | ((x >> 16) + (y >> 16)) << 16);
    CHECK32("vsub2.s32.s32.s32.add %d, %a.h23, %b.h01, %c;",
            z + (int16_t)(y >> 16) - (int16_t)(x >> 16) + (int16_t)y - (int16_t)x);
    CHECK32("vmax2.s32.s32.s32 %d.h1, %a, %b, %c;",
            (z & 0xffff) | (uint32_t)((int16_t)(x >> 16) > (int16_t)(y >> 16) ? x >> 16 : y >> 16) << 16);
}

Test(exec_ops, carries_chain_over_lanes) {
    fill(false);
    apply("add.cc.u32 %e, %a, %b; addc.u32 %d, %a, %c;", ".b32", a, b, c, d);
    for (unsigned i = 0; i < N; i++)
        cr_assert_eq((uint32_t)d[i], (uint32_t)(a[i] + c[i] + ((a[i] + b[i]) >> 32)));
    apply("sub.cc.u32 %e, %a, %b; subc.u32 %d, %a, %c;", ".b32", a, b, c, d);
    for (unsigned i = 0; i < N; i++)
        cr_assert_eq((uint32_t)d[i], (uint32_t)(a[i] - c[i] - (a[i] < b[i])));
}

static float rounded(float (*fn)(float, float), float x, float y, int mode) {
    fesetround(mode);
    volatile float vx = x, vy = y, r = fn(vx, vy);
    fesetround(FE_TONEAREST);
    return r;
}
__attribute__((noinline)) static float plus(float x, float y) {
    return x + y;
}
__attribute__((noinline)) static float times(float x, float y) {
    return x * y;
}
__attribute__((noinline)) static float over(float x, float y) {
    return x / y;
}

// The bits of single precision as integers in the same order, -0 before +0.
static int32_t order(uint32_t v) {
    return v >> 31 ? -(int32_t)(v & 0x7fffffff) - 1 : (int32_t)v;
}

static uint32_t extreme3(uint32_t x, uint32_t y, uint32_t z, bool greatest, bool keeps_nan, bool magnitudes) {
    uint32_t all[] = {x, y, z}, best = 0x7fffffff;
    for (int i = 0; i < 3; i++) {
        uint32_t v = magnitudes ? all[i] & 0x7fffffff : all[i];
        bool nan = f(v) != f(v);
        if (nan && keeps_nan) return 0x7fffffff;
        if (!nan && (best == 0x7fffffff || (greatest ? order(v) > order(best) : order(v) < order(best)))) best = v;
    }
    return best;
}

Test(exec_ops, values_that_are_chosen_from_stay_as_they_are_under_ftz) {
    fill(true);
    CHECK32("slct.ftz.f32.f32 %d, %a, %b, %c;", f(z) >= 0 || (z << 1) < 0x1000000 ? x : y);
    CHECK32("slct.ftz.b32.f32 %d, %a, %b, %c;", f(z) >= 0 || (z << 1) < 0x1000000 ? x : y);
}

Test(exec_ops, single_precision_rounds_in_every_direction) {
    fill(true);
    CHECK32("add.f32 %d, %a, %b;", u(f(x) + f(y)));
    CHECK32("mul.rz.f32 %d, %a, %b;", u(rounded(times, f(x), f(y), FE_TOWARDZERO)));
    CHECK32("add.rm.f32 %d, %a, %b;", u(rounded(plus, f(x), f(y), FE_DOWNWARD)));
    CHECK32("add.rp.f32 %d, %a, %b;", u(rounded(plus, f(x), f(y), FE_UPWARD)));
    CHECK32("div.rn.f32 %d, %a, %b;", u(f(x) / f(y)));
    CHECK32("div.rm.f32 %d, %a, %b;", u(rounded(over, f(x), f(y), FE_DOWNWARD)));
    CHECK32("fma.rn.f32 %d, %a, %b, %c;", u(fmaf(f(x), f(y), f(z))));
    CHECK32("sqrt.rn.f32 %d, %a;", u(sqrtf(f(x))));
    CHECK32("min.f32 %d, %a, %b;", f(x) != f(x)   ? u(f(y))
                                   : f(y) != f(y) ? x
                                   : f(x) == f(y) ? x | y
                                   : f(x) < f(y)  ? x
                                                  : y);
    CHECK32("max.NaN.f32 %d, %a, %b;", f(x) != f(x) || f(y) != f(y) ? 0x7fffffff
                                       : f(x) == f(y)               ? x & y
                                       : f(x) > f(y)                ? x
                                                                    : y);
    CHECK32("min.NaN.f32 %d, %a, %b, %c;", extreme3(x, y, z, false, true, false));
    CHECK32("max.f32 %d, %a, %b, %c;", extreme3(x, y, z, true, false, false));
    CHECK32("max.NaN.abs.f32 %d, %a, %b, %c;", extreme3(x, y, z, true, true, true));
    CHECK32("min.abs.f32 %d, %a, %b, %c;", extreme3(x, y, z, false, false, true));
    CHECK32("max.NaN.xorsign.abs.f32 %d, %a, %b;",
            f(x) != f(x) || f(y) != f(y) ? 0x7fffffff : ((x ^ y) & 0x80000000u) | u(fmaxf(fabsf(f(x)), fabsf(f(y)))));
    CHECK32("add.ftz.f32 %d, %a, 0f00000000;", f(x) != f(x) ? 0x7fffffff : !(x & 0x7f800000) ? 0 : x);
    CHECK32("add.sat.f32 %d, %a, 0f00000000;", !(f(x) > 0) ? 0 : f(x) > 1 ? 0x3f800000 : x);
    CHECK32("cvt.rzi.s32.f32 %d, %a;", f(x) != f(x)           ? 0
                                       : f(x) >= 2147483648.f ? INT32_MAX
                                       : f(x) < -2147483648.f ? INT32_MIN
                                                              : (int32_t)f(x));
    CHECK32("cvt.rni.s32.f32 %d, %a;", f(x) != f(x)           ? 0
                                       : f(x) >= 2147483648.f ? INT32_MAX
                                       : f(x) < -2147483648.f ? INT32_MIN
                                                              : (int32_t)lrintf(f(x)));
    CHECK32("cvt.rmi.f32.f32 %d, %a;", u(floorf(f(x))));
    CHECK32("setp.ltu.f32 %p, %a, %b; selp.b32 %d, 1, 0, %p;", !(f(x) >= f(y)));
    CHECK32("setp.ne.f32 %p, %a, %b; selp.b32 %d, 1, 0, %p;", f(x) < f(y) || f(x) > f(y));
    CHECK32("cvt.f64.f32 %v, %a; cvt.rn.f32.f64 %d, %v;", u(f(x)));
    CHECK32("cvt.rn.f16.f32 %h, %a; cvt.f32.f16 %d, %h;", u((float)(_Float16)f(x)));
    fill(false);
    CHECK32("cvt.rn.f32.u32 %d, %a;", u((float)x));
    CHECK32("cvt.rn.f32.s32 %d, %a;", u((float)(int32_t)x));
}
