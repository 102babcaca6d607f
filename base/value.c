#include "value.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GIB (double)(1 << 30)

bool hawser_number(const char *text, long least, long most, long *out) {
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno || end == text || *end || isspace((unsigned char)*text) || n < least || n > most) return false;
    *out = n;
    return true;
}

/* Bytes, with a unit or without: "4G", "1.5GiB", "512M". 0 when it is no size. */
static double size_of(const char *text) {
    static const char units[] = "KMGT";
    char *end;
    if (!isdigit((unsigned char)*text)) return 0;
    double value = strtod(text, &end);
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    if (unit) {
        value *= pow(1024, (double)(unit - units + 1));
        end++;
        if (!strcmp(end, "B") || !strcmp(end, "iB")) end += strlen(end);
    }
    return *end || !isfinite(value) ? 0 : value;
}

static bool check_device(const char *value, char *why, size_t size) {
    if (!strcmp(value, "cuda") || !strcmp(value, "soft") || !strcmp(value, "auto")) return true;
    snprintf(why, size, "expected cuda, soft or auto");
    return false;
}

static bool check_mem(const char *value, char *why, size_t size) {
    double want = size_of(value), there = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (want >= 1 << 20 && want <= there) return true;
    if (want > there)
        snprintf(why, size, "this machine has %.1f GiB", there / GIB);
    else
        snprintf(why, size, "expected a size such as 4G or 512M, at least 1M");
    return false;
}

static bool check_threads(const char *value, char *why, size_t size) {
    long n;
    if (hawser_number(value, 1, HAWSER_MAX_THREADS, &n)) return true;
    snprintf(why, size, "expected a number from 1 to %d", HAWSER_MAX_THREADS);
    return false;
}

static const struct {
    const char *option;
    bool (*check)(const char *value, char *why, size_t size);
} checks[] = {{"--device", check_device}, {"--mem", check_mem}, {"--threads", check_threads}};

bool hawser_value_check(const char *option, const char *value, char *err, size_t err_size) {
    char why[100];
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (strcmp(checks[i].option, option) != 0 || checks[i].check(value, why, sizeof why)) continue;
        snprintf(err, err_size, "%s %s: %s", option, value, why);
        return false;
    }
    return true;
}
