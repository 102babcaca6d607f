#include "subtest.h"

#include <stdio.h>
#include <string.h>

static const char *failed, *failed_file;
static int failed_line;

void subtest_failed(const char *file, int line, const char *what)
{
    const char *slash = strrchr(file, '/');
    failed = what;
    failed_file = slash ? slash + 1 : file;
    failed_line = line;
}

int subtests_run(const struct subtest *list, size_t n, int argc, char **argv)
{
    int bad = 0, ran = 0;
    for (size_t i = 0; i < n; i++) {
        if (argc > 1 ? strcmp(argv[1], list[i].name) != 0 : list[i].by_name) continue;
        failed = NULL;
        list[i].run();
        ran++;
        if (failed)
            printf("FAIL %s %s:%d: %s\n", list[i].name, failed_file, failed_line, failed);
        else
            printf("ok %s\n", list[i].name);
        bad += failed != NULL;
    }
    return bad || !ran;
}
