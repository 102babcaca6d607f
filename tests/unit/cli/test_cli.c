#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hawser.h"

Test(beside, is_relative_to_this_program) {
    char path[PATH_MAX], self[PATH_MAX] = "";
    cr_assert(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    cr_assert(hawser_beside("file", path));
    *strrchr(self, '/') = 0;
    cr_expect_eq(strncmp(path, self, strlen(self)), 0);
    cr_expect_str_eq(path + strlen(self), "/file");
}

/* No hawserd lies beside this test: the start fails, says so, and leaves no folder behind. */
Test(private_server, a_start_that_fails_is_told) {
    struct private_options o = {0};
    struct private_server s;
    char folder[] = "/tmp/hawser-cli-XXXXXX";
    cr_assert(mkdtemp(folder));
    setenv("XDG_RUNTIME_DIR", folder, 1);
    cr_redirect_stderr();
    cr_expect_neq(private_start(&o, &s), 0);
    cr_expect_eq(rmdir(folder), 0, "something was left in it");
}

Test(private_server, lies_in_the_first_folder_that_will_do) {
    char folder[] = "/tmp/hawser-cli-XXXXXX", too_long[200] = "/tmp";
    cr_assert(mkdtemp(folder));
    while (strlen(too_long) < 120)
        strcat(too_long, "/.");
    setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
    setenv("TMPDIR", folder, 1);
    cr_expect_str_eq(private_base(), folder);
    setenv("XDG_RUNTIME_DIR", too_long, 1);
    cr_expect_str_eq(private_base(), folder);
    setenv("XDG_RUNTIME_DIR", "/var/tmp", 1);
    cr_expect_str_eq(private_base(), "/var/tmp");
    unsetenv("XDG_RUNTIME_DIR");
    setenv("TMPDIR", ".", 1);
    cr_expect_str_eq(private_base(), "/tmp");
    rmdir(folder);
}

Test(preloadable, a_path_without_separators_is_itself) {
    char out[PATH_MAX];
    cr_assert_eq(hawser_preloadable("/opt/hawser/lib/x.so", out), 0);
    cr_expect_str_eq(out, "/opt/hawser/lib/x.so");
}

Test(preloadable, another_is_reached_by_a_link_of_ones_own) {
    static const char *const paths[] = {"/tmp/a b/x.so", "/tmp/a:b/x.so", "/tmp/a;b/x.so"};
    char base[] = "/tmp/hawser-cli-XXXXXX", own[64], out[PATH_MAX], again[PATH_MAX], target[PATH_MAX];
    cr_assert(mkdtemp(base));
    setenv("XDG_RUNTIME_DIR", base, 1);
    snprintf(own, sizeof own, "%s/hawser-%u", base, (unsigned)geteuid());
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(hawser_preloadable(paths[i], out), 0);
        cr_assert_eq(hawser_preloadable(paths[i], again), 0);
        cr_expect_str_eq(out, again);
        cr_expect(!strncmp(out, own, strlen(own)) && !strpbrk(out, " :;"), "%s", out);
        char *name = strrchr(out, '/');
        cr_expect_str_eq(name, "/x.so");
        *name = 0;
        ssize_t n = readlink(out, target, sizeof target);
        cr_expect(n == 8 && !strncmp(target, paths[i], 8), "%s", out);
        unlink(out);
    }
    /* In a folder that others can write to, a link may be theirs. */
    chmod(own, 0777);
    cr_redirect_stderr();
    cr_expect_eq(hawser_preloadable(paths[0], out), -1);
    rmdir(own);
    rmdir(base);
}
