/* The names under which nvJitLink is met, and the options with which it is made. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redirect.h"

static char created_with[256];
static int asked; /* for functions of release 12.4 */

static int fake_create(void **handle, uint32_t n, const char **options) {
    created_with[0] = 0;
    for (uint32_t i = 0; i < n; i++) {
        strcat(created_with, options[i]);
        strcat(created_with, " ");
        if (!strncmp(options[i], "-arch=sm_", 9) && atoi(options[i] + 9) > 121) return 16;
    }
    *handle = created_with;
    return 0;
}

static int fake_destroy(void **handle) {
    *handle = NULL;
    return 0;
}

static int fake_other(void) {
    return 6;
}

static void *fake_dlsym(void *handle, const char *name) {
    (void)handle;
    asked += strstr(name, "_12_4") != NULL;
    if (strstr(name, "nvJitLinkCreate")) return (void *)fake_create;
    if (strstr(name, "nvJitLinkDestroy")) return (void *)fake_destroy;
    return (void *)fake_other;
}

int nvJitLinkCreate(void **handle, uint32_t n, const char **options);
int __nvJitLinkCreate_12_4(void **handle, uint32_t n, const char **options);
int nvJitLinkDestroy(void **handle);
int nvJitLinkAddData(void *handle, int type, const void *data, size_t size, const char *name);
int __nvJitLinkAddData_12_4(void *handle, int type, const void *data, size_t size, const char *name);

Test(nvjitlink, architectures_become_ones_that_it_knows_and_lto_gives_ptx) {
    static const struct {
        const char *options[3], *expected;
        uint32_t n;
    } cases[] = {{{"-arch=sm_130"}, "-arch=sm_121 ", 1},
                 {{"-lto", "-arch=sm_130", "-O3"}, "-lto -arch=sm_121 -O3 -ptx ", 3},
                 {{"-arch=compute_90", "-ptx", "-lto"}, "-arch=compute_90 -ptx -lto ", 3}};
    hawser_real_dlsym = fake_dlsym;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *options[3];
        void *h;
        memcpy(options, cases[i].options, sizeof options);
        cr_assert_eq(nvJitLinkCreate(&h, cases[i].n, options), 0);
        cr_expect_str_eq(created_with, cases[i].expected);
        cr_assert_eq(nvJitLinkDestroy(&h), 0);
        cr_expect_null(h);
    }
}

Test(nvjitlink, a_release_s_functions_are_its_own) {
    const char *options[] = {"-arch=sm_90"};
    void *h;
    hawser_real_dlsym = fake_dlsym;
    cr_assert_eq(__nvJitLinkCreate_12_4(&h, 1, options), 0);
    cr_expect_eq(asked, 14); /* of 13 functions: the first also to find where they are */
    cr_assert_eq(nvJitLinkDestroy(&h), 0);
}

Test(nvjitlink, its_names_are_answered_by_dlsym) {
    void *some = &created_with;
    hawser_real_dlsym = fake_dlsym;
    cr_expect_eq(hawser_find_symbol(some, "nvJitLinkCreate"), (void *)nvJitLinkCreate);
    cr_expect_eq(hawser_find_symbol(some, "__nvJitLinkCreate_12_4"), (void *)__nvJitLinkCreate_12_4);
    cr_expect_eq(hawser_find_symbol(some, "__nvJitLinkAddData_13_0"), (void *)nvJitLinkAddData);
    const char *others[] = {"nvJitLinkVersion", "__nvJitLinkCreate_99_0", "__nvJitLinkAddData_99_0", "__nvJitLinkAPI",
                            "nvJitLink",        "nvJitLinkGetLinkedLTOIR"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_expect_null(hawser_find_symbol(some, others[i]), "%s", others[i]);
}
