/* hawser doctor: looks at what hawser needs, one line a check, and says what to do. */
#include "hawser.h"

#include <cuda.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <protobuf-c/protobuf-c.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "config.h"
#include "probe.h"

static int failures;

enum verdict { OK, WARN, FAIL };

static void report(enum verdict v, const char *what, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void report(enum verdict v, const char *what, const char *fmt, ...) {
    static const char *const words[] = {"ok", "warn", "FAIL"};
    va_list ap;
    printf("%-5s %-16s ", words[v], what);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    failures += v == FAIL;
}

static void check_versions(void) {
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    report(OK, "versions", "hawser %s, libzmq %d.%d.%d, protobuf-c %s, glibc %s, CUDA headers %d.%d", HAWSER_VERSION,
           major, minor, patch, protobuf_c_version(), gnu_get_libc_version(), CUDA_VERSION / 1000,
           CUDA_VERSION % 1000 / 10);
}

static void check_files(void) {
    static const char *const files[] = {"hawserd", "hawser-worker", "../lib/libhawser-preload.so",
                                        "../lib/libhawser-cuda.so.1", "../lib/softgpu/libcuda.so.1"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (!hawser_beside(files[i], path) || access(path, R_OK) != 0) {
            report(FAIL, "installation", "%s is missing: build or install hawser again", path);
            return;
        }
    report(OK, "installation", "programs and libraries are in their places");
}

static void check_toolkit(void) {
    FILE *p = popen("nvcc --version 2>/dev/null | sed -n 's/.*release \\([0-9.]*\\).*/\\1/p'", "re");
    char version[32] = "";
    if (p && fgets(version, sizeof version, p)) version[strcspn(version, "\n")] = 0;
    if (p) pclose(p);
    if (*version)
        report(OK, "toolkit", "nvcc %s", version);
    else
        report(WARN, "toolkit", "nvcc is not on PATH: needed to compile CUDA programs, not to run them");
}

/* What a driver library says of itself, asked in a child: a driver once loaded stays, and may crash. */
static void check_driver(const char *what, const char *library, enum verdict if_missing, const char *advice) {
    int fds[2], status;
    char line[300] = "";
    unsetenv("LD_PRELOAD"); /* the machine's own driver is meant */
    if (pipe(fds) != 0) return;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);
        if (!lib) _exit(2);
        int (*init)(unsigned) = (int (*)(unsigned))dlsym(lib, "cuInit");
        int (*count)(int *) = (int (*)(int *))dlsym(lib, "cuDeviceGetCount");
        int (*version)(int *) = (int (*)(int *))dlsym(lib, "cuDriverGetVersion");
        int (*name)(char *, int, int) = (int (*)(char *, int, int))dlsym(lib, "cuDeviceGetName");
        int n = 0, v = 0;
        char text[200] = "";
        int r = init && count && version && name ? init(0) : 999;
        if (r == 0) r = count(&n);
        if (r == 0 && n > 0) name(text, sizeof text, 0);
        if (r == 0) version(&v);
        if (r == 0)
            dprintf(fds[1], "%d device(s), first: %s, driver API %d.%d", n, text, v / 1000, v % 1000 / 10);
        else
            dprintf(fds[1], "cuInit answers error %d", r);
        _exit(r == 0 && n > 0 ? 0 : 1);
    }
    close(fds[1]);
    ssize_t got = read(fds[0], line, sizeof line - 1);
    close(fds[0]);
    if (got > 0) line[got] = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        report(OK, what, "%s", line);
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
        report(if_missing, what, "there is none: %s", advice);
    else
        report(if_missing, what, "%s: %s", *line ? line : "it crashed", advice);
}

static void check_permissions(void) {
    static const char *const nodes[] = {"/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia-uvm"};
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
        if (access(nodes[i], F_OK) == 0 && access(nodes[i], R_OK | W_OK) != 0)
            report(WARN, "permissions", "%s may not be opened by this user: --device cuda will not work", nodes[i]);
    const char *base = private_base();
    if (access(base, W_OK) == 0)
        report(OK, "permissions", "private servers get their sockets in %s", base);
    else
        report(FAIL, "permissions", "%s cannot be written: set XDG_RUNTIME_DIR or TMPDIR to a folder that can", base);
}

static void check_endpoint(void) {
    char server[HAWSER_ENDPOINT_MAX], err[512];
    enum hawser_config told = hawser_config_server(server, err, sizeof err);
    if (told == HAWSER_CONFIG_WRONG)
        report(FAIL, "server", "%s", err);
    else if (told == HAWSER_CONFIG_NONE)
        report(OK, "server", "none configured: hawser run starts a private one");
    else if (hawser_probe(server, 0, 5000, NULL, err, sizeof err) == 0)
        report(OK, "server", "%s answers", server);
    else
        report(FAIL, "server", "%s: start hawserd there, or correct HAWSER_SERVER or the configuration file", err);
}

static void check_memory(void) {
    long pages = sysconf(_SC_AVPHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    double gib = (double)pages * (double)size / (1 << 30);
    report(gib < 1 ? WARN : OK, "memory", "%.1f GiB free, %ld CPU(s) for the software GPU", gib,
           sysconf(_SC_NPROCESSORS_ONLN));
}

int cmd_doctor(int argc, char **argv) {
    char soft[PATH_MAX];
    if (argc > 1) {
        bool help = !strcmp(argv[1], "--help");
        fprintf(help ? stdout : stderr, "usage: hawser doctor\nChecks this machine; exit status 1 if something "
                                        "must be mended.\n");
        return help ? 0 : EXIT_HAWSER;
    }
    check_versions();
    check_files();
    check_toolkit();
    check_driver("NVIDIA driver", "libcuda.so.1", WARN, "the software GPU serves instead");
    if (hawser_beside("../lib/softgpu/libcuda.so.1", soft))
        check_driver("software GPU", soft, FAIL, "build or install hawser again");
    check_permissions();
    check_endpoint();
    check_memory();
    return failures ? 1 : 0;
}
