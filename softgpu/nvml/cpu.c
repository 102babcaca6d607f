#include "cpu.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first line of a file, without its end. */
static bool read_line(const char *path, char *out, int size) {
    FILE *f = fopen(path, "re");
    bool ok = f && fgets(out, size, f);
    if (f) fclose(f);
    if (ok) out[strcspn(out, "\n")] = 0;
    return ok;
}

static bool read_number(const char *path, long long *out) {
    char text[64], *end;
    if (!read_line(path, text, sizeof text)) return false;
    *out = strtoll(text, &end, 10);
    return end != text;
}

/* Calls `each` with the paths that match until it returns false. */
static void for_each(const char *root, const char *pattern, bool (*each)(const char *path, void *arg), void *arg) {
    char whole[4096];
    glob_t found;
    snprintf(whole, sizeof whole, "%s%s", root, pattern);
    if (glob(whole, 0, NULL, &found) != 0) return;
    for (size_t i = 0; i < found.gl_pathc && each(found.gl_pathv[i], arg); i++)
        ;
    globfree(&found);
}

/* ---- time ---- */

bool cpu_times(const char *root, struct cpu_times *out) {
    char path[4096], line[512];
    /* user nice system idle iowait irq softirq steal; guests' time is in user's */
    unsigned long long t[8] = {0};
    snprintf(path, sizeof path, "%s/proc/stat", root);
    if (!read_line(path, line, sizeof line)) return false;
    int n = sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6],
                   &t[7]);
    if (n < 4) return false;
    *out = (struct cpu_times){0};
    for (int i = 0; i < 8; i++)
        out->all += t[i];
    out->busy = out->all - t[3] - t[4];
    return true;
}

unsigned cpu_percent(struct cpu_times from, struct cpu_times to) {
    if (to.all <= from.all || to.busy < from.busy) return 0;
    return (unsigned)(100 * (to.busy - from.busy) / (to.all - from.all));
}

/* ---- temperature ---- */

struct sensor {
    const char *const *names;
    const char *value; /* the file beside the one that holds the name */
    long long millidegrees;
    bool found;
};

static bool look_at_sensor(const char *path, void *arg) {
    struct sensor *s = arg;
    char name[64], value[4096];
    if (!read_line(path, name, sizeof name)) return true;
    for (const char *const *n = s->names; *n; n++) {
        if (strcmp(name, *n) != 0) continue;
        snprintf(value, sizeof value, "%.*s/%s", (int)(strrchr(path, '/') - path), path, s->value);
        s->found = read_number(value, &s->millidegrees);
    }
    return !s->found;
}

bool cpu_temperature(const char *root, int *degrees) {
    static const char *const chips[] = {"coretemp", "k10temp", "zenpower", NULL};
    static const char *const zones[] = {"x86_pkg_temp", "cpu-thermal", NULL};
    struct sensor s = {.names = chips, .value = "temp1_input"};
    for_each(root, "/sys/class/hwmon/hwmon*/name", look_at_sensor, &s);
    if (!s.found) {
        s = (struct sensor){.names = zones, .value = "temp"};
        for_each(root, "/sys/class/thermal/thermal_zone*/type", look_at_sensor, &s);
    }
    if (s.found) *degrees = (int)(s.millidegrees / 1000);
    return s.found;
}

/* ---- clocks ---- */

static bool highest(const char *path, void *arg) {
    long long *most = arg, khz;
    if (read_number(path, &khz) && khz > *most) *most = khz;
    return true;
}

static bool cpufreq(const char *root, const char *pattern, unsigned *mhz) {
    long long khz = 0;
    for_each(root, pattern, highest, &khz);
    *mhz = (unsigned)(khz / 1000);
    return khz > 0;
}

bool cpu_clock(const char *root, unsigned *mhz) {
    char path[4096], line[512];
    double most = 0, here;
    if (cpufreq(root, "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq", mhz)) return true;
    snprintf(path, sizeof path, "%s/proc/cpuinfo", root);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "cpu MHz : %lf", &here) == 1 && here > most) most = here;
    if (f) fclose(f);
    *mhz = (unsigned)most;
    return most > 0;
}

bool cpu_max_clock(const char *root, unsigned *mhz) {
    return cpufreq(root, "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq", mhz);
}

/* SMBIOS 2.7: a memory device, type 17, has its configured speed in megatransfers a second at 0x20; 0 and 0xffff say
 * that it is unknown, or that there is no module. */
static bool slowest(const char *path, void *arg) {
    unsigned *least = arg;
    unsigned char raw[256];
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(raw, 1, sizeof raw, f) : 0;
    if (f) fclose(f);
    unsigned speed = n > 0x21 && raw[0] == 17 && raw[1] > 0x21 ? raw[0x20] | (unsigned)raw[0x21] << 8 : 0;
    if (speed && speed != 0xffff && (!*least || speed < *least)) *least = speed;
    return true;
}

bool cpu_memory_clock(const char *root, unsigned *mhz) {
    unsigned speed = 0;
    for_each(root, "/sys/firmware/dmi/entries/17-*/raw", slowest, &speed);
    *mhz = speed / 2;
    return *mhz > 0;
}

/* ---- energy ---- */

static bool add_package(const char *path, void *arg) {
    long long *sum = arg, microjoules;
    if (read_number(path, &microjoules)) *sum += microjoules;
    return true;
}

bool cpu_energy(const char *root, unsigned long long *millijoules) {
    long long sum = 0;
    /* intel-rapl:0 is a package; intel-rapl:0:0 a part of it */
    for_each(root, "/sys/class/powercap/intel-rapl:[0-9]/energy_uj", add_package, &sum);
    *millijoules = (unsigned long long)sum / 1000;
    return sum > 0;
}
