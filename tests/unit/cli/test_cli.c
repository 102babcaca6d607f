#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hawser.h"

Test(beside, is_relative_to_this_program)
{
    char path[PATH_MAX], self[PATH_MAX] = "";
    cr_assert(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    cr_assert(hawser_beside("file", path));
    *strrchr(self, '/') = 0;
    cr_expect_eq(strncmp(path, self, strlen(self)), 0);
    cr_expect_str_eq(path + strlen(self), "/file");
}

/* No hawserd lies beside this test: the start fails, says so, and leaves no folder behind. */
Test(private_server, a_start_that_fails_is_told)
{
    struct private_options o = {0};
    struct private_server s;
    char folder[] = "/tmp/hawser-cli-XXXXXX";
    cr_assert(mkdtemp(folder));
    setenv("XDG_RUNTIME_DIR", folder, 1);
    cr_redirect_stderr();
    cr_expect_neq(private_start(&o, &s), 0);
    cr_expect_eq(rmdir(folder), 0, "something was left in it");
}
