/*
 * Figures of the CPU that stands for the GPU, as the kernel tells them. `root` is the folder in which /proc and /sys
 * lie: "" but for tests. All functions are thread-safe, and return false where the machine has no such figure.
 */
#ifndef SOFTGPU_NVML_CPU_H
#define SOFTGPU_NVML_CPU_H

#include <stdbool.h>

struct cpu_times {
    unsigned long long busy, all; /* ticks of all CPUs since boot */
};

/* /proc/stat. */
bool cpu_times(const char *root, struct cpu_times *out);
/* Of the time between two readings; 0 when it is none. */
unsigned cpu_percent(struct cpu_times from, struct cpu_times to);

/* The package's sensor, in degrees Celsius: hwmon's coretemp, k10temp or zenpower, else the thermal zone
 * x86_pkg_temp or cpu-thermal. */
bool cpu_temperature(const char *root, int *degrees);
/* The highest of the CPUs' present and possible frequencies, in MHz: cpufreq, for the present one else
 * /proc/cpuinfo. */
bool cpu_clock(const char *root, unsigned *mhz);
bool cpu_max_clock(const char *root, unsigned *mhz);
/* Of the slowest memory module as it is set up, in MHz (half its transfers a second): SMBIOS's memory devices, which
 * Linux shows to root alone and virtual machines rarely have. */
bool cpu_memory_clock(const char *root, unsigned *mhz);
/* Energy used by all packages since an arbitrary time, in millijoules: RAPL, which most systems show to root
 * alone. */
bool cpu_energy(const char *root, unsigned long long *millijoules);

#endif
