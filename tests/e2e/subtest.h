/*
 * A program of subtests, for C and CUDA C++. Each prints "ok NAME" or "FAIL NAME FILE:LINE: what".
 * Not thread-safe: conditions are checked on the main thread.
 */
#ifndef SUBTEST_H
#define SUBTEST_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct subtest {
    const char *name;
    void (*run)(void);
    bool by_name; /* runs only when it is named: it ends the context, or wants a machine of its own kind */
};

/* Runs all, or the one named by argv[1]; the program's exit status. "--list" prints the names of those that run
 * unnamed. */
int subtests_run(const struct subtest *list, size_t n, int argc, char **argv);
/* What CHECK does when its condition does not hold, and IS when the value is another. The first that fails is told. */
void subtest_failed(const char *file, int line, const char *what);
void subtest_differs(const char *file, int line, const char *what, long long got, long long want);

#ifdef __cplusplus
}
#endif

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            subtest_failed(__FILE__, __LINE__, #condition);                                                            \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)
#define IS(call, value)                                                                                                \
    do {                                                                                                               \
        long long got_ = (long long)(call), want_ = (long long)(value);                                                \
        if (got_ != want_) {                                                                                           \
            subtest_differs(__FILE__, __LINE__, #call, got_, want_);                                                   \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)
/* CUDA_SUCCESS or cudaSuccess */
#define OK(call) IS(call, 0)

#endif
