/* What the programs of this folder share: stop at the first call that fails, and compare numbers. */
#ifndef CHECK_H
#define CHECK_H

#include <cmath>
#include <cstdio>
#include <cstdlib>

#define CHECK(call)                                                                                                    \
    do {                                                                                                               \
        int status_ = (int)(call);                                                                                     \
        if (status_) {                                                                                                 \
            printf("FAIL %s:%d: %s returned %d\n", __FILE__, __LINE__, #call, status_);                                \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static int wrong_results;

/* One line for each thing that was checked; the program's exit status is wrong_results != 0. */
static inline void expect(bool right, const char *what) {
    printf("%s %s\n", right ? "ok" : "FAIL", what);
    wrong_results += !right;
}

static inline bool near(double got, double want, double tolerance) {
    return std::fabs(got - want) <= tolerance;
}

#endif
