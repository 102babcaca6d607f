/* Which variables of a guest a host takes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "environment.h"

static bool taken(const char *text, const char *name, const char *value) {
    char found[80] = "";
    const char *what = "";
    return hawser_environment_split(text, found, sizeof found, &what) && !strcmp(found, name) && !strcmp(what, value);
}

Test(environment, variables_of_the_driver_go_along) {
    for (const char *const *name = hawser_environment; *name; name++) {
        char text[128];
        snprintf(text, sizeof text, "%s=1,=2", *name);
        cr_expect(taken(text, *name, "1,=2"), "%s", text);
    }
    cr_expect(taken("CUDA_VISIBLE_DEVICES=", "CUDA_VISIBLE_DEVICES", ""));
}

Test(environment, what_names_files_or_is_no_variable_of_the_driver_stays) {
    static const char *const others[] = {"LD_PRELOAD=/tmp/x.so",
                                         "HAWSER_SOFTGPU_MEM=1T",
                                         "CUDA_CACHE_PATH=/etc",
                                         "CUDA_LOG_FILE=/etc/x",
                                         "CUDA_VISIBLE_DEVICES",
                                         "CUDA_VISIBLE_DEVICE=0",
                                         "CUDA_VISIBLE_DEVICESX=",
                                         "=0",
                                         ""};
    char name[80];
    const char *value;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_expect(!hawser_environment_split(others[i], name, sizeof name, &value), "%s", others[i]);
}

Test(environment, a_value_beyond_all_reason_stays) {
    char text[HAWSER_ENVIRONMENT_VALUE + 64] = "CUDA_DEVICE_ORDER=", name[80];
    const char *value;
    memset(text + strlen(text), 'x', HAWSER_ENVIRONMENT_VALUE);
    cr_expect(hawser_environment_split(text, name, sizeof name, &value));
    strcat(text, "x");
    cr_expect(!hawser_environment_split(text, name, sizeof name, &value));
}
