/*
 * Log lines to stderr (or another descriptor), chosen by HAWSER_LOG = error | warn (default) | info | debug | off.
 * Thread-safe; one write(2) a line; never touches stdout.
 */
#ifndef HAWSER_LOG_H
#define HAWSER_LOG_H

#include <stdarg.h>

enum hawser_log_level { HAWSER_OFF, HAWSER_ERROR, HAWSER_WARN, HAWSER_INFO, HAWSER_DEBUG };

/* The name that stands at the head of each line; default "hawser". The string must live on. */
void hawser_log_name(const char *name);

/* Where lines go; default stderr. The descriptor stays the caller's. */
void hawser_log_to(int fd);
int hawser_log_fd(void);

int hawser_log_enabled(enum hawser_log_level level);

void hawser_log(enum hawser_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void hawser_vlog(enum hawser_log_level level, const char *fmt, va_list ap);

#endif
