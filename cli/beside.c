#include "hawser.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

char *hawser_beside(const char *name, char *out) {
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) return NULL;
    self[n] = 0;
    n = snprintf(out, PATH_MAX, "%s/%s", dirname(self), name);
    return n < PATH_MAX ? out : NULL;
}
