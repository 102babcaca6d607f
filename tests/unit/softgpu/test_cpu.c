/* The CPU's figures, read from a made-up /proc and /sys. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cpu.h"

static char root[] = "/tmp/hawser-cpu-XXXXXX";

static void make_root(void) {
    strcpy(root + strlen(root) - 6, "XXXXXX");
    cr_assert(mkdtemp(root));
}

static void remove_root(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

/* Makes a file with its folders. */
static void put(const char *path, const char *text) {
    char whole[512];
    int n = snprintf(whole, sizeof whole, "%s", root);
    for (const char *c = path; *c; c++) {
        if (*c == '/' && c != path) mkdir(whole, 0700);
        whole[n++] = *c;
        whole[n] = 0;
    }
    FILE *f = fopen(whole, "w");
    cr_assert(f);
    fputs(text, f);
    fclose(f);
}

TestSuite(cpu, .init = make_root, .fini = remove_root);

Test(cpu, nothing_is_told_where_nothing_is) {
    struct cpu_times t;
    int degrees;
    unsigned mhz;
    unsigned long long energy;
    cr_expect_not(cpu_times(root, &t));
    cr_expect_not(cpu_temperature(root, &degrees));
    cr_expect_not(cpu_clock(root, &mhz));
    cr_expect_not(cpu_max_clock(root, &mhz));
    cr_expect_not(cpu_memory_clock(root, &mhz));
    cr_expect_not(cpu_energy(root, &energy));
}

Test(cpu, busy_time_is_all_but_idle_and_iowait) {
    struct cpu_times a, b;
    put("/proc/stat", "cpu  100 10 40 800 50 0 0 0 0 0\ncpu0 1 2 3 4\n");
    cr_assert(cpu_times(root, &a));
    cr_expect_eq(a.all, 1000);
    cr_expect_eq(a.busy, 150);
    put("/proc/stat", "cpu  160 10 60 810 60 0 0 0 0 0\n");
    cr_assert(cpu_times(root, &b));
    cr_expect_eq(cpu_percent(a, b), 80);
    cr_expect_eq(cpu_percent(a, a), 0);
    cr_expect_eq(cpu_percent(b, a), 0);
}

Test(cpu, the_package_sensor_is_found_among_others) {
    int degrees = 0;
    put("/sys/class/hwmon/hwmon0/name", "nvme\n");
    put("/sys/class/hwmon/hwmon0/temp1_input", "33000\n");
    put("/sys/class/hwmon/hwmon1/name", "coretemp\n");
    put("/sys/class/hwmon/hwmon1/temp1_input", "51999\n");
    cr_expect(cpu_temperature(root, &degrees));
    cr_expect_eq(degrees, 51);
}

Test(cpu, a_thermal_zone_serves_where_no_sensor_is) {
    int degrees = 0;
    put("/sys/class/thermal/thermal_zone0/type", "acpitz\n");
    put("/sys/class/thermal/thermal_zone0/temp", "20000\n");
    put("/sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n");
    put("/sys/class/thermal/thermal_zone1/temp", "64000\n");
    cr_expect(cpu_temperature(root, &degrees));
    cr_expect_eq(degrees, 64);
}

Test(cpu, the_fastest_cpu_tells_the_clock) {
    unsigned mhz = 0;
    put("/proc/cpuinfo", "processor\t: 0\ncpu MHz\t\t: 1800.500\nprocessor\t: 1\ncpu MHz\t\t: 2200.000\n");
    cr_expect(cpu_clock(root, &mhz));
    cr_expect_eq(mhz, 2200);
    put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "3400000\n");
    put("/sys/devices/system/cpu/cpu11/cpufreq/scaling_cur_freq", "3500000\n");
    put("/sys/devices/system/cpu/cpu11/cpufreq/cpuinfo_max_freq", "4700000\n");
    cr_expect(cpu_clock(root, &mhz));
    cr_expect_eq(mhz, 3500);
    cr_expect(cpu_max_clock(root, &mhz));
    cr_expect_eq(mhz, 4700);
}

static void put_module(const char *path, unsigned char type, unsigned speed) {
    char whole[512];
    unsigned char raw[0x28] = {
        [0] = type, [1] = 0x28, [0x20] = (unsigned char)speed, [0x21] = (unsigned char)(speed >> 8)};
    put(path, "");
    snprintf(whole, sizeof whole, "%s%s", root, path);
    FILE *f = fopen(whole, "w");
    cr_assert(f && fwrite(raw, sizeof raw, 1, f) == 1);
    fclose(f);
}

Test(cpu, the_slowest_module_tells_the_memory_s_clock) {
    unsigned mhz = 0;
    put_module("/sys/firmware/dmi/entries/17-0/raw", 17, 0); /* an empty slot */
    put_module("/sys/firmware/dmi/entries/17-1/raw", 17, 4800);
    put_module("/sys/firmware/dmi/entries/17-2/raw", 17, 4400);
    put_module("/sys/firmware/dmi/entries/17-3/raw", 4, 2000); /* a processor */
    put("/sys/firmware/dmi/entries/17-4/raw", "short");
    cr_expect(cpu_memory_clock(root, &mhz));
    cr_expect_eq(mhz, 2200);
}

Test(cpu, energy_is_that_of_all_packages_and_of_no_part_twice) {
    unsigned long long energy = 0;
    put("/sys/class/powercap/intel-rapl:0/energy_uj", "5000000\n");
    put("/sys/class/powercap/intel-rapl:1/energy_uj", "7000000\n");
    put("/sys/class/powercap/intel-rapl:0:0/energy_uj", "4000000\n");
    cr_expect(cpu_energy(root, &energy));
    cr_expect_eq(energy, 12000);
}
