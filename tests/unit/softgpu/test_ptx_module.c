// Loading, symbols, linking and the layout of memory.
#include "ptx_common.h"

Test(ptx_module, index_gives_parameters_and_limits_without_parsing_bodies) {
    struct sg_module *module =
        load_text(HEADER ".visible .entry k(\n .param .u64 .ptr .global .align 16 a,\n .param .align 8 .b8 s[20],\n"
                         " .param .u8 c,\n .param .f64 d)\n.maxntid 128, 2\n.minnctapersm 3\n"
                         "{ this is nonsense; \"}\" }\n");
    struct sg_function *fn = sg_module_entry(module, "k");
    cr_assert_not_null(fn);
    cr_expect_eq(fn->nparams, 4);
    cr_expect(fn->params[0].is_ptr && fn->params[0].ptr_space == SG_GLOBAL);
    cr_expect_eq(fn->params[0].ptr_align, 16);
    cr_expect(fn->params[1].offset == 8 && fn->params[1].size == 20);
    cr_expect_eq(fn->params[2].offset, 28);
    cr_expect_eq(fn->params[3].offset, 32);
    cr_expect_eq(fn->param_bytes, 40);
    cr_expect(fn->maxntid[0] == 128 && fn->maxntid[1] == 2 && fn->maxntid[2] == 1);
    cr_expect_eq(fn->minnctapersm, 3);
    struct sg_diag diag;
    cr_expect_neq(sg_function_parse(fn, &diag), SG_OK);
    cr_expect_eq(sg_function_parse(fn, &diag), fn->parse_code);
    cr_expect_str_eq(diag.kernel, "k");
    sg_module_free(module);
}

Test(ptx_module, initializers_and_relocations) {
    struct sg_module *module = load_text(HEADER ".visible .global .align 4 .u32 x = 7;\n"
                                                ".global .align 1 .b8 str[4] = {104, 105, 0};\n"
                                                ".visible .global .u64 t[] = {generic(str)+1, x, 0};\n"
                                                ".visible .const .f32 m[2][3] = {{0f3F800000, 2.0}, {-1.0}};\n"
                                                ".global .u8 p[2] = {0xff(x), 0xff00(x)};\n"
                                                ".visible .global .align 8 .b8 big[1048576];\n");
    struct sg_symbol *x = sg_module_symbol(module, "x"), *t = sg_module_symbol(module, "t");
    cr_assert(x && t);
    cr_expect(x->size == 4 && x->init_size == 4 && x->init[0] == 7);
    cr_expect_eq(t->size, 24);
    cr_assert_eq(t->nrelocs, 2);
    cr_expect(t->relocs[0].generic && t->relocs[0].addend == 1 && t->relocs[0].bytes == 8);
    cr_expect_str_eq(t->relocs[0].sym->name, "str");
    cr_expect(t->relocs[1].offset == 8 && t->relocs[1].sym == x && !t->relocs[1].generic);
    struct sg_symbol *m = sg_module_symbol(module, "m");
    float values[6] = {0};
    cr_assert(m->size == 24 && m->init_size <= 24);
    memcpy(values, m->init, m->init_size);
    cr_expect(values[0] == 1 && values[1] == 2 && values[2] == 0 && values[3] == -1);
    struct sg_symbol *p = sg_module_symbol(module, "p");
    cr_expect(p->relocs[1].shift == 8 && p->relocs[1].bytes == 1 && p->relocs[1].offset == 1);
    cr_expect(sg_module_symbol(module, "big")->size == 1048576);
    cr_expect_null(sg_module_symbol(module, "big")->init);
    sg_module_free(module);
}

Test(ptx_module, texts_are_linked_by_name) {
    struct sg_text texts[2] = {{.bytes = HEADER ".extern .global .u32 shared_counter;\n"
                                                ".extern .func (.param .b32 r) helper(.param .b32 a);\n"
                                                ".global .u32 own = 1;\n"
                                                ".visible .entry k() { .reg .b32 %r<3>; .reg .b64 %d<2>;\n"
                                                " mov.u64 %d1, shared_counter; ld.global.u32 %r1, [own];\n"
                                                " { .param .b32 p; .param .b32 q; st.param.b32 [p], %r1;\n"
                                                " call.uni (q), helper, (p); ld.param.b32 %r2, [q]; } ret; }\n"},
                               {.bytes = HEADER
                                ".visible .global .u32 shared_counter = 5;\n"
                                ".global .u32 own = 2;\n"
                                ".visible .func (.param .b32 r) helper(.param .b32 a)\n"
                                "{ .reg .b32 %x; .shared .align 8 .b8 s[24];\n"
                                " ld.param.b32 %x, [a]; st.shared.b32 [s], %x; st.param.b32 [r], %x; ret; }\n"}};
    for (int i = 0; i < 2; i++)
        texts[i].size = strlen(texts[i].bytes);
    struct sg_diag diag;
    struct sg_module *module = sg_module_load(texts, 2, &diag);
    cr_assert_not_null(module, "%s", diag.message);
    struct sg_function *k = prepared(module, "k");
    cr_expect_eq(k->insns[0].src[0].sym->init[0], 5);
    cr_expect_eq(k->insns[1].src[0].sym->init[0], 1, "each text sees its own static variable");
    cr_assert_eq(k->ncallees, 1);
    cr_expect_not(k->callees[0]->external);
    cr_expect_eq(k->nclosure, 1);
    cr_expect_eq(k->shared_bytes, 24, "shared memory of functions called counts");
    sg_module_free(module);
}

Test(ptx_module, two_definitions_of_a_name_do_not_link) {
    struct sg_text texts[2] = {{.bytes = HEADER ".visible .global .u32 x = 5;\n"},
                               {.bytes = HEADER ".visible .global .u32 x = 6;\n"}};
    for (int i = 0; i < 2; i++)
        texts[i].size = strlen(texts[i].bytes);
    struct sg_diag diag;
    cr_expect_null(sg_module_load(texts, 2, &diag));
    cr_expect_eq(diag.code, SG_INVALID_PTX);
}

Test(ptx_module, undefined_variables_are_named_at_their_use) {
    struct sg_module *module =
        load_text(HEADER ".extern .global .u32 nowhere;\n"
                         ".visible .entry k() { .reg .b32 %r1; ld.global.u32 %r1, [nowhere]; }\n");
    struct sg_diag diag;
    cr_expect_eq(sg_kernel_prepare(sg_module_entry(module, "k"), &diag), SG_UNRESOLVED_SYMBOL);
    cr_expect_not_null(strstr(diag.message, "nowhere"));
    cr_expect_eq(diag.line, 5);
    sg_module_free(module);
}

Test(ptx_module, shared_memory_is_laid_out_per_kernel) {
    struct sg_module *module =
        load_text(HEADER ".shared .align 4 .b8 a[10];\n.shared .align 16 .b8 b[32];\n"
                         ".extern .shared .align 32 .b8 dyn[];\n"
                         ".visible .entry one() { .reg .b32 %r<4>; mov.u32 %r1, b; ld.shared.u32 %r2, [a];\n"
                         " ld.shared.u32 %r3, [dyn+4]; }\n"
                         ".visible .entry two() { .reg .b32 %r<4>; ld.shared.u32 %r2, [a]; }\n");
    struct sg_function *one = prepared(module, "one"), *two = prepared(module, "two");
    uint32_t a, b, dyn;
    cr_assert(sg_shared_offset(one, sg_module_symbol(module, "a"), &a));
    cr_assert(sg_shared_offset(one, sg_module_symbol(module, "b"), &b));
    cr_assert(sg_shared_offset(one, sg_module_symbol(module, "dyn"), &dyn));
    cr_expect(b == 0 && a == 32);
    cr_expect_eq(one->shared_bytes, 42);
    cr_expect(one->dynamic_offset == 64 && dyn == 64);
    cr_expect_eq(two->shared_bytes, 10);
    cr_expect_not(sg_shared_offset(two, sg_module_symbol(module, "b"), &b));
    sg_module_free(module);
}

Test(ptx_module, newer_versions_and_debug_sections_are_read) {
    struct sg_module *module =
        load_text(".version 99.9\n.target sm_150a, debug\n.address_size 64\n.file 1 \"x{.cu\"\n"
                  ".visible .entry k() { .loc 1 2 3, function_name $L, inlined_at 1 2 3\n ret; }\n"
                  ".section .debug_abbrev\n{\n.b8 1\n.b32 .debug_info\n}\n");
    cr_expect(module->version == 999 && module->target == 150 && module->debug);
    prepared(module, "k");
    sg_module_free(module);
}

Test(ptx_module, malformed_texts_are_refused_with_a_line) {
    static const char *const bad[] = {"",
                                      ".version 9.0\n.address_size 32\n",
                                      HEADER "nonsense",
                                      HEADER ".visible .entry k( {}",
                                      HEADER ".visible .entry k() {",
                                      HEADER ".global .u32 x = {1};;;{",
                                      HEADER ".global .u32 x[2] = {1,2,3};",
                                      HEADER ".global .u32 x[-1];",
                                      HEADER ".global .u64 x = missing;",
                                      HEADER ".global .b8 x[99999999999999];",
                                      HEADER ".global .align 3 .b8 x;",
                                      HEADER ".local .u32 x;",
                                      HEADER ".global .u32 x;\n.global .u64 x;"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct sg_diag diag;
        struct sg_module *module = sg_module_load(&(struct sg_text){bad[i], strlen(bad[i])}, 1, &diag);
        cr_expect_null(module, "%s", bad[i]);
        cr_expect_eq(diag.code, SG_INVALID_PTX, "%s", bad[i]);
        sg_module_free(module);
    }
}
