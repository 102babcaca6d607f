/* What the whole-kernel cases share. */
#ifndef KERNEL_H
#define KERNEL_H

#include "ptx.h"

/* Declares registers, loads the parameters and the global index: %o, %x the addresses of this thread's word in out
 * and in (32 bits each), %O and %X the arrays, %i the index, %n the count, %t the thread in its block. */
#define REGS                                                                                                           \
    "    .reg .b32 %r<40>, %i, %n, %t, %b, %v;\n    .reg .b64 %rd<20>, %o, %x, %O, %X;\n    .reg .f32 %f<10>;\n"       \
    "    .reg .f64 %fd<10>;\n    .reg .b16 %h<10>;\n    .reg .pred %p<10>;\n"
#define INDEX                                                                                                          \
    "    ld.param.u64 %O, [out];\n    ld.param.u64 %X, [in];\n    ld.param.u32 %n, [n];\n"                             \
    "    mov.u32 %t, %tid.x;\n    mov.u32 %b, %ctaid.x;\n    mov.u32 %r0, %ntid.x;\n    mad.lo.s32 %i, %b, %r0, %t;\n" \
    "    mul.wide.u32 %rd0, %i, 4;\n    add.s64 %o, %O, %rd0;\n    add.s64 %x, %X, %rd0;\n"
#define ENTRY ".visible .entry test(.param .u64 out, .param .u64 in, .param .u32 n)\n{\n" REGS
#define KERNEL(body) ENTRY INDEX body "\n    ret;\n}\n"
#define STORE(reg) "    st.global.u32 [%o], " reg ";\n"

#define EXPECT(name) static void name(uint32_t *out, const uint32_t *in __attribute__((unused)))
#define EACH(n) for (uint32_t i = 0; i < (n); i++)

#endif
