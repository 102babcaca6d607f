#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "value.h"

static char err[256];

Test(value, what_is_a_value_is_taken) {
    static const char *const right[][2] = {{"--device", "cuda"}, {"--device", "soft"}, {"--device", "auto"},
                                           {"--mem", "64M"},     {"--mem", "1048576"}, {"--mem", "0.25G"},
                                           {"--mem", "64MB"},    {"--mem", "64MiB"},   {"--mem", "65536k"},
                                           {"--threads", "1"},   {"--threads", "256"}};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        cr_expect(hawser_value_check(right[i][0], right[i][1], err, sizeof err), "%s", err);
}

Test(value, what_is_none_is_told_with_its_option) {
    static const char *const bad[][3] = {{"--device", "gpu", "expected cuda"},
                                         {"--device", "", "expected cuda"},
                                         {"--mem", "banana", "expected a size"},
                                         {"--mem", "", "expected a size"},
                                         {"--mem", "x", "expected a size"},
                                         {"--mem", "-4G", "expected a size"},
                                         {"--mem", "4Gx", "expected a size"},
                                         {"--mem", "4 G", "expected a size"},
                                         {"--mem", "0", "expected a size"},
                                         {"--mem", "1000", "at least 1M"},
                                         {"--mem", "nan", "expected a size"},
                                         {"--mem", "1e400", "expected a size"},
                                         {"--mem", "999T", "this machine has"},
                                         {"--threads", "0", "from 1 to 256"},
                                         {"--threads", "-3", "from 1 to 256"},
                                         {"--threads", "257", "from 1 to 256"},
                                         {"--threads", "two", "from 1 to 256"},
                                         {"--threads", "2x", "from 1 to 256"},
                                         {"--threads", " 2", "from 1 to 256"},
                                         {"--threads", "", "from 1 to 256"},
                                         {"--threads", "99999999999999999999", "from 1 to 256"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char begin[64];
        snprintf(begin, sizeof begin, "%s %s: ", bad[i][0], bad[i][1]);
        cr_expect_not(hawser_value_check(bad[i][0], bad[i][1], err, sizeof err), "%s", begin);
        cr_expect_eq(strncmp(err, begin, strlen(begin)), 0, "%s", err);
        cr_expect(strstr(err, bad[i][2]), "%s", err);
    }
}
