#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool hawser_config_path(char *out, size_t size)
{
    const char *named = getenv("HAWSER_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (named && *named) {
        snprintf(out, size, "%s", named);
        return true; /* named by the user: it counts even when it cannot be read */
    }
    if (xdg && *xdg)
        snprintf(out, size, "%s/hawser/config", xdg);
    else
        snprintf(out, size, "%s/.config/hawser/config", home ? home : "");
    if (access(out, R_OK) == 0) return true;
    snprintf(out, size, "/etc/hawser/config");
    return access(out, R_OK) == 0;
}

static char *trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    char *end = s + strlen(s);
    while (end > s && isspace((unsigned char)end[-1]))
        *--end = 0;
    return s;
}

bool hawser_config_get_from(const char *path, const char *key, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    if (!f) return false;
    char line[1024];
    bool found = false;
    while (!found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "#")] = 0;
        char *equals = strchr(line, '=');
        if (!equals) continue;
        *equals = 0;
        if (strcmp(trim(line), key) != 0) continue;
        found = (size_t)snprintf(out, size, "%s", trim(equals + 1)) < size && *out;
    }
    fclose(f);
    return found;
}

bool hawser_config_get(const char *key, char *out, size_t size)
{
    char path[4096];
    return hawser_config_path(path, sizeof path) && hawser_config_get_from(path, key, out, size);
}

bool hawser_config_server(char *out, size_t size)
{
    const char *named = getenv("HAWSER_SERVER");
    if (named && *named) return (size_t)snprintf(out, size, "%s", named) < size;
    return hawser_config_get("server", out, size);
}
