#include "subtest.h"

#include <stdio.h>
#include <string.h>

static char failed[512]; /* where and what, of the subtest that runs; "" while nothing has */

static const char *name_of(const char *file) {
    const char *slash = strrchr(file, '/');
    return slash ? slash + 1 : file;
}

void subtest_failed(const char *file, int line, const char *what) {
    if (!*failed) snprintf(failed, sizeof failed, "%s:%d: %s", name_of(file), line, what);
}

void subtest_differs(const char *file, int line, const char *what, long long got, long long want) {
    if (!*failed)
        snprintf(failed, sizeof failed, "%s:%d: %.300s is %lld, not %lld", name_of(file), line, what, got, want);
}

static int print_names(const struct subtest *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!list[i].by_name) puts(list[i].name);
    return 0;
}

int subtests_run(const struct subtest *list, size_t n, int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--list")) return print_names(list, n);
    int bad = 0, ran = 0;
    for (size_t i = 0; i < n; i++) {
        if (argc > 1 ? strcmp(argv[1], list[i].name) != 0 : list[i].by_name) continue;
        *failed = 0;
        list[i].run();
        ran++;
        if (*failed)
            printf("FAIL %s %s\n", list[i].name, failed);
        else
            printf("ok %s\n", list[i].name);
        fflush(stdout);
        bad += *failed != 0;
    }
    return bad || !ran;
}
