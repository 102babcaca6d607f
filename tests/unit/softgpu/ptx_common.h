// Loading small texts in tests.
#ifndef TEST_PTX_COMMON_H
#define TEST_PTX_COMMON_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir.h"

#define HEADER ".version 9.0\n.target sm_75\n.address_size 64\n"

static inline struct sg_module *load_text(const char *text) {
    struct sg_diag diag;
    struct sg_module *module = sg_module_load(&(struct sg_text){text, strlen(text)}, 1, &diag);
    cr_assert_not_null(module, "line %u: %s", diag.line, diag.message);
    return module;
}

static inline struct sg_function *prepared(struct sg_module *module, const char *name) {
    struct sg_diag diag;
    struct sg_function *fn = sg_module_entry(module, name);
    cr_assert_not_null(fn, "no entry %s", name);
    cr_assert_eq(sg_kernel_prepare(fn, &diag), SG_OK, "line %u: %s", diag.line, diag.message);
    return fn;
}

// The outcome of loading and parsing one kernel `k` of the given body.
static inline enum sg_code body_outcome(const char *body, struct sg_diag *diag) {
    char text[8192];
    snprintf(text, sizeof text, HEADER ".visible .entry k(.param .u64 a)\n{\n%s\n}\n", body);
    struct sg_module *module = sg_module_load(&(struct sg_text){text, strlen(text)}, 1, diag);
    if (!module) return diag->code;
    enum sg_code code = sg_function_parse(sg_module_entry(module, "k"), diag);
    sg_module_free(module);
    return code;
}

#endif
