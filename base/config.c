#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LINE 1024

/* Where a file's reading is. */
struct reader {
    const char *path;
    unsigned line, server_line; /* the latter 0: none yet */
    char *out, *err;
    size_t err_size;
};

/* The configuration file in force; false when there is none. What $HAWSER_CONFIG names counts even if it is missing,
 * and so does a file that may not be read. */
static bool find_file(char *out, size_t size) {
    const char *named = getenv("HAWSER_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (named && *named) {
        snprintf(out, size, "%s", named);
        return true;
    }
    if (xdg && *xdg)
        snprintf(out, size, "%s/hawser/config", xdg);
    else
        snprintf(out, size, "%s/.config/hawser/config", home ? home : "");
    if (access(out, F_OK) == 0) return true;
    snprintf(out, size, "/etc/hawser/config");
    return access(out, F_OK) == 0;
}

static char *trim(char *s) {
    while (isspace((unsigned char)*s))
        s++;
    char *end = s + strlen(s);
    while (end > s && isspace((unsigned char)end[-1]))
        *--end = 0;
    return s;
}

static bool wrong(const struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool wrong(const struct reader *r, const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    snprintf(r->err, r->err_size, "%s:%u: %s", r->path, r->line, text);
    return false;
}

static bool take_server(struct reader *r, const char *value) {
    struct hawser_endpoint e;
    char why[400];
    if (r->server_line) return wrong(r, "server is set in line %u already", r->server_line);
    if (hawser_endpoint_parse(value, &e, why, sizeof why) != 0) return wrong(r, "%s", why);
    strcpy(r->out, value); /* an endpoint is shorter than HAWSER_ENDPOINT_MAX */
    r->server_line = r->line;
    return true;
}

static bool take_line(struct reader *r, char *line) {
    if (!strchr(line, '\n') && strlen(line) == MAX_LINE - 1)
        return wrong(r, "the line is longer than %d bytes", MAX_LINE - 2);
    line[strcspn(line, "#")] = 0;
    char *key = trim(line), *equals = strchr(key, '=');
    if (!*key) return true;
    if (!equals) return wrong(r, "\"%.100s\" is not of the form KEY = VALUE", key);
    *equals = 0;
    key = trim(key);
    char *value = trim(equals + 1);
    if (strcmp(key, "server") != 0) return wrong(r, "there is no key \"%.100s\"; the one that there is is server", key);
    if (!*value) return wrong(r, "server has no value");
    return take_server(r, value);
}

static enum hawser_config read_file(const char *path, char *out, char *err, size_t err_size) {
    struct reader r = {.path = path, .out = out, .err = err, .err_size = err_size};
    char line[MAX_LINE];
    bool right = true;
    errno = 0;
    FILE *f = fopen(path, "re");
    while (f && right && fgets(line, sizeof line, f)) {
        r.line++;
        right = take_line(&r, line);
    }
    if (!f || ferror(f)) {
        const char *named = getenv("HAWSER_CONFIG");
        snprintf(err, err_size, "%s: %s%s", path, strerror(errno), named && *named ? " (HAWSER_CONFIG names it)" : "");
        right = false;
    }
    if (f) fclose(f);
    return !right ? HAWSER_CONFIG_WRONG : r.server_line ? HAWSER_CONFIG_NAMED : HAWSER_CONFIG_NONE;
}

enum hawser_config hawser_config_server(char out[HAWSER_ENDPOINT_MAX], char *err, size_t err_size) {
    const char *named = getenv("HAWSER_SERVER");
    char path[4096];
    if (!named || !*named)
        return find_file(path, sizeof path) ? read_file(path, out, err, err_size) : HAWSER_CONFIG_NONE;
    if ((size_t)snprintf(out, HAWSER_ENDPOINT_MAX, "%s", named) < HAWSER_ENDPOINT_MAX) return HAWSER_CONFIG_NAMED;
    snprintf(err, err_size, "HAWSER_SERVER is longer than %d bytes", HAWSER_ENDPOINT_MAX - 1);
    return HAWSER_CONFIG_WRONG;
}
