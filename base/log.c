#include "log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *log_name = "hawser";
static int log_fd = STDERR_FILENO; /* set before threads start */
static const char *const level_names[] = {"off", "error", "warn", "info", "debug"};

/* Read once; process-wide because the environment variable is. -1: not read yet. */
static atomic_int threshold = -1;

void hawser_log_name(const char *name) {
    log_name = name;
}

void hawser_log_to(int fd) {
    log_fd = fd;
}

int hawser_log_fd(void) {
    return log_fd;
}

int hawser_log_enabled(enum hawser_log_level level) {
    int limit = atomic_load_explicit(&threshold, memory_order_relaxed);
    if (limit < 0) {
        const char *want = getenv("HAWSER_LOG");
        limit = HAWSER_WARN;
        for (int i = 0; want && i <= HAWSER_DEBUG; i++)
            if (!strcmp(want, level_names[i])) limit = i;
        atomic_store_explicit(&threshold, limit, memory_order_relaxed);
    }
    return (int)level <= limit;
}

void hawser_vlog(enum hawser_log_level level, const char *fmt, va_list ap) {
    if (!hawser_log_enabled(level)) return;
    char line[2048];
    int n = snprintf(line, sizeof line, "%s[%d] %s: ", log_name, (int)getpid(), level_names[level]);
    int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
    if (m < 0) return;
    size_t size = (size_t)n + (size_t)m;
    if (size > sizeof line - 2) size = sizeof line - 2;
    line[size++] = '\n';
    if (write(log_fd, line, size) < 0) return; /* nowhere left to say it */
}

void hawser_log(enum hawser_log_level level, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    hawser_vlog(level, fmt, ap);
    va_end(ap);
}
