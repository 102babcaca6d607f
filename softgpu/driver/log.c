#include "driver.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void vlog(enum sd_log_level level, const char *fmt, va_list ap) {
    static const char *const names[] = {"off", "error", "warn", "info", "debug"};
    static atomic_int limit = -1; /* read once; process-wide as the environment is */
    int l = limit;
    if (l < 0) {
        const char *want = getenv("HAWSER_LOG");
        l = SD_WARN;
        for (int i = 0; want && i <= SD_DEBUG; i++)
            if (!strcmp(want, names[i])) l = i;
        limit = l;
    }
    if ((int)level > l) return;
    char line[2048];
    int n = snprintf(line, sizeof line, "hawser software GPU[%d] %s: ", (int)getpid(), names[level]);
    int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
    if (m < 0) return;
    size_t size = strnlen(line, sizeof line - 2);
    line[size++] = '\n';
    if (write(STDERR_FILENO, line, size) < 0) return; /* nowhere left to say it */
}

void sd_log(enum sd_log_level level, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vlog(level, fmt, ap);
    va_end(ap);
}

void hawser_abi_log(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vlog(SD_WARN, fmt, ap);
    va_end(ap);
}
