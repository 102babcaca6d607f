/* hawser trace: runs a program as hawser run does, with libhawser-trace.so before hawser's libraries, and reports. */
#include "hawser.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void usage(void) {
    fputs("usage: hawser trace [options] [--] PROGRAM ARGS…\n"
          "Runs a program as 'hawser run' does and reports every call of the CUDA driver API and NVML that it made.\n"
          "\n"
          "  --summary FILE   a table of the functions, and of the kernels (default: -, which is stderr)\n"
          "  --text FILE      every call with its arguments, result and times, in the order in which they began\n"
          "  --json FILE      the same for chrome://tracing and https://ui.perfetto.dev, with the host's and the\n"
          "                   device's share on tracks of their own\n"
          "  --backtrace      with where in the program each call was made (text and JSON)\n"
          "  --server, --wait, --device, --mem, --threads, --version as of 'hawser run'; --help\n"
          "\n"
          "Times: guest is spent in hawser's library, wire on the way to the host and back and in its queue, host in\n"
          "the host's driver, device by copies and kernels. The exit status is the program's.\n",
          stdout);
}

static void remove_folder(const char *folder) {
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') unlinkat(dirfd(d), e->d_name, 0);
    if (d) closedir(d);
    rmdir(folder);
}

/* Told before the program runs, which may take hours. Nothing is made or emptied yet. */
static bool can_be_written(const char *path) {
    struct stat st;
    char copy[4096];
    if (!strcmp(path, "-")) return true;
    if (!*path) return errno = ENOENT, false;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return errno = EISDIR, false;
    if (access(path, F_OK) == 0) return access(path, W_OK) == 0;
    snprintf(copy, sizeof copy, "%s", path);
    return access(dirname(copy), W_OK | X_OK) == 0;
}

static int write_all(const struct trace_record *r, const char *const paths[3]) {
    static int (*const write[])(const struct trace_record *, const char *) = {trace_write_text, trace_write_json,
                                                                              trace_write_summary};
    for (int i = 0; i < 3; i++)
        if (paths[i] && write[i](r, paths[i]) != 0) {
            hawser_error("%s: %s", paths[i], strerror(errno));
            return EXIT_HAWSER;
        }
    return 0;
}

int cmd_trace(int argc, char **argv) {
    static const struct option table[] = {RUN_OPTIONS,
                                          {"summary", required_argument, NULL, 'S'},
                                          {"text", required_argument, NULL, 'T'},
                                          {"json", required_argument, NULL, 'J'},
                                          {"backtrace", no_argument, NULL, 'B'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct run_options o = RUN_DEFAULTS;
    const char *paths[3] = {NULL, NULL, "-"}; /* text, JSON, summary */
    const char *base = getenv("TMPDIR");
    char folder[4096];
    int c, wait_status = 0;
    o.traced = true;
    while ((c = getopt_long(argc, argv, "+", table, NULL)) != -1)
        if (c == 'S' || c == 'T' || c == 'J')
            paths[c == 'T' ? 0 : c == 'J' ? 1 : 2] = optarg;
        else if (c == 'B')
            setenv("HAWSER_TRACE_BACKTRACE", "1", 1);
        else if (!run_option(&o, c)) {
            if (c == 'h') usage();
            return c == 'h' ? 0 : EXIT_HAWSER; /* getopt_long has told */
        }
    if (optind >= argc) {
        hawser_error("no program is named; hawser trace --help tells more");
        return EXIT_HAWSER;
    }
    for (int i = 0; i < 3; i++)
        if (paths[i] && !can_be_written(paths[i])) {
            hawser_error("%s: %s", paths[i], strerror(errno));
            return EXIT_HAWSER;
        }
    snprintf(folder, sizeof folder, "%s/hawser-trace-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(folder)) {
        hawser_error("%s: %s", folder, strerror(errno));
        return EXIT_HAWSER;
    }
    setenv("HAWSER_TRACE", folder, 1);
    int status = run_program(&o, argv + optind, &wait_status);
    if (status == 0) {
        const struct trace_record *r = trace_read(folder);
        if (r)
            status = write_all(r, paths);
        else
            hawser_error("the program made no call that could be traced");
    }
    remove_folder(folder);
    return status ? status : run_end_like(wait_status);
}
