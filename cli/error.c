#include "hawser.h"

#include <stdarg.h>
#include <stdio.h>

static const char *command = "hawser"; /* set before threads start */

void hawser_error_begin(const char *name) {
    command = name;
}

void hawser_error(const char *fmt, ...) {
    char line[4096 + 512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    fprintf(stderr, "%s: %s\n", command, line);
}
