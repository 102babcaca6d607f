/*
 * hawser run: the program gets our preload object and the server's endpoint, and is otherwise left alone.
 *
 * With a server named, hawser becomes the program (exec). With a private server it stays as the parent:
 * the server ends when the pipe that the parent alone holds is closed, however the parent ends. Signals
 * that reach the parent alone are handed to the program; those of the terminal reach both anyway.
 */
#include "hawser.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "inspect.h"
#include "probe.h"
#include "value.h"

#define PROBE_MS 5000
#define MAX_WAIT_S 3600

static void usage(void) {
    fputs("usage: hawser run [options] [--] PROGRAM ARGS…\n"
          "Runs an unmodified CUDA program. With no server named by --server, HAWSER_SERVER or a\n"
          "configuration file, a private one is started for the run.\n"
          "\n"
          "  --server ENDPOINT   tcp://HOST:PORT or ipc://PATH of a running hawserd\n"
          "  --wait SECONDS      for a named server that is just starting (default 2)\n"
          "  --device KIND       of the private server: cuda, soft or auto (default)\n"
          "  --mem SIZE          memory of the private server's software GPU, for example 4G\n"
          "  --threads N         CPU threads of the private server's software GPU\n"
          "  --help, --version\n"
          "\n"
          "The exit status is the program's. 125: hawser itself failed; 126: the program cannot be\n"
          "executed; 127: there is no such program.\n",
          stdout);
}

/* ---- the program ---- */

/* As execvp would find it. Exit status 0, 126 or 127. */
static int find_program(const char *name, char *out) {
    int status = EXIT_NOT_FOUND;
    const char *path = getenv("PATH");
    if (strchr(name, '/')) path = NULL;
    for (const char *p = path ? path : "", *end; p; p = *end ? end + 1 : NULL) {
        end = p + strcspn(p, ":");
        if (path)
            snprintf(out, PATH_MAX, "%.*s%s%s", (int)(end - p), p, end > p ? "/" : "./", name);
        else
            snprintf(out, PATH_MAX, "%s", name);
        struct stat st;
        if (stat(out, &st) != 0) continue;
        if (!S_ISDIR(st.st_mode) && access(out, X_OK) == 0) return 0;
        status = EXIT_NOT_EXECUTABLE;
        if (!path) return status;
    }
    return status;
}

/* Programs into which nothing can be preloaded would run without hawser and not know it. */
static int check_program(const char *path) {
    struct hawser_elf elf;
    struct stat st;
    if (stat(path, &st) == 0 && st.st_mode & (S_ISUID | S_ISGID)) {
        hawser_error("%s is setuid or setgid: the system loads no foreign library into it", path);
        return EXIT_HAWSER;
    }
    if (hawser_elf_inspect(path, &elf) != 0 || !elf.is_elf || (elf.is_native && !elf.is_static)) return 0;
    hawser_error("%s is %s: hawser's libraries cannot be loaded into it", path,
                 !elf.is_64_bit  ? "a 32-bit program"
                 : elf.is_native ? "linked statically"
                                 : "built for another machine than x86-64");
    return EXIT_HAWSER;
}

/* ---- its environment ---- */

static void prepend_preload(const char *library) {
    char *before = getenv("LD_PRELOAD"), *value = NULL;
    if (before && strstr(before, library)) return;
    if (asprintf(&value, "%s%s%s", library, before && *before ? ":" : "", before ? before : "") < 0) return;
    setenv("LD_PRELOAD", value, 1);
    free(value);
}

/* Programs that know no CUDA driver by name ask these. Variables that the user has set stay. */
static void set_if_there(const char *variable, const char *name) {
    char path[PATH_MAX], real[PATH_MAX];
    if (hawser_beside(name, path) && realpath(path, real)) setenv(variable, real, 0);
}

/* Some look for a driver's file in folders. The one they find is only its name: loading it loads hawser's. */
static void append_library_folder(void) {
    char path[PATH_MAX], real[PATH_MAX], folder[PATH_MAX], *value = NULL;
    const char *before = getenv("LD_LIBRARY_PATH");
    if (!hawser_beside("../lib/stubs", path) || !realpath(path, real) || hawser_preloadable(real, folder) != 0) return;
    if (before && strstr(before, folder)) return;
    if (asprintf(&value, "%s%s%s", before ? before : "", before && *before ? ":" : "", folder) < 0) return;
    setenv("LD_LIBRARY_PATH", value, 1);
    free(value);
}

/* AddressSanitizer's runtime, where it is a library, wants to be the first one, and LD_PRELOAD stands before it: in
 * this program or in one that it starts. It works behind hawser's libraries too, which take no function away from it.
 */
static void let_asan_stand_behind(void) {
    const char *before = getenv("ASAN_OPTIONS");
    char *value = NULL;
    if (before && strstr(before, "verify_asan_link_order")) return;
    if (asprintf(&value, "%s%sverify_asan_link_order=0", before ? before : "", before && *before ? ":" : "") < 0)
        return;
    setenv("ASAN_OPTIONS", value, 1);
    free(value);
}

static int set_environment(const char *endpoint, bool software, bool traced) {
    /* The last stands first in LD_PRELOAD. NVML's is for programs that need it by DT_NEEDED; its functions, and
     * CUDA's, are looked for in the tracer first, because NVML's library has none itself. */
    static const char *const objects[] = {"../lib/libhawser-trace.so", "../lib/libnvidia-ml.so.1",
                                          "../lib/libhawser-preload.so"};
    for (size_t i = traced ? 0 : 1; i < sizeof objects / sizeof *objects; i++) {
        char path[PATH_MAX], real[PATH_MAX], library[PATH_MAX];
        if (!hawser_beside(objects[i], path) || !realpath(path, real)) {
            hawser_error("%s is missing: this installation is not whole", path);
            return EXIT_HAWSER;
        }
        if (hawser_preloadable(real, library) != 0) return EXIT_HAWSER;
        prepend_preload(library);
    }
#ifdef HAWSER_SANITIZER_LIBRARY
    /* A library built with a sanitizer wants its runtime before all others. */
    prepend_preload(HAWSER_SANITIZER_LIBRARY);
    setenv("ASAN_OPTIONS", "detect_leaks=0", 0);
#endif
    let_asan_stand_behind();
    setenv("HAWSER_SERVER", endpoint, 1);
    append_library_folder();
    /* Triton links what it compiles against a file, for which it asks ldconfig if it is not told. */
    set_if_there("TRITON_LIBCUDA_PATH", "../lib/stubs");
    if (software) { /* which runs PTX, not what an assembler makes of it */
        set_if_there("TRITON_PTXAS_PATH", "../lib/softgpu/bin/ptxas");
        set_if_there("TRITON_PTXAS_BLACKWELL_PATH", "../lib/softgpu/bin/ptxas");
    }
    return 0;
}

/* ---- running ---- */

static volatile sig_atomic_t child;

static void hand_on(int signal, siginfo_t *info, void *context) {
    (void)context;
    /* A signal of the terminal's has si_code > 0 and reached the program as well. */
    if (child > 0 && info->si_code <= 0) kill(child, signal);
}

static const int handed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH};

int run_end_like(int status) {
    if (!WIFSIGNALED(status)) return WEXITSTATUS(status);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none); /* the program has left its core dump, if any */
    signal(WTERMSIG(status), SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, WTERMSIG(status));
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(WTERMSIG(status));
    return 128 + WTERMSIG(status);
}

static int cannot_exec(const char *path) {
    hawser_error("%s: %s", path, strerror(errno));
    return errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/* 0 with the program's wait status, else an exit status of ours. */
static int run_as_child(const char *path, char **argv, int *status) {
    sigset_t all, before;
    struct sigaction action = {.sa_sigaction = hand_on, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* a killed parent takes the server along */
        sigprocmask(SIG_SETMASK, &before, NULL);
        execv(path, argv);
        _exit(cannot_exec(path));
    }
    if (pid < 0) {
        hawser_error("cannot start a process: %s", strerror(errno));
        return EXIT_HAWSER;
    }
    child = pid;
    for (size_t i = 0; i < sizeof handed_on / sizeof *handed_on; i++)
        sigaction(handed_on[i], &action, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    while (waitpid(pid, status, 0) < 0)
        if (errno != EINTR) return EXIT_HAWSER;
    return 0;
}

/* The value as it is, checked. */
static const char *checked(const char *option, const char *value) {
    char err[512];
    if (hawser_value_check(option, value, err, sizeof err)) return value;
    hawser_error("%s", err);
    exit(EXIT_HAWSER);
}

static unsigned wait_of(const char *value) {
    char *end;
    double seconds = strtod(value, &end);
    if (end > value && !*end && seconds >= 0 && seconds <= MAX_WAIT_S) return (unsigned)(seconds * 1000);
    hawser_error("--wait %s: expected seconds, from 0 to %d", value, MAX_WAIT_S);
    exit(EXIT_HAWSER);
}

bool run_option(struct run_options *o, int c) {
    switch (c) {
    case 's':
        o->server = optarg;
        return true;
    case 'd':
        o->private.device = checked("--device", optarg);
        return true;
    case 'm':
        o->private.mem = checked("--mem", optarg);
        return true;
    case 't':
        o->private.threads = checked("--threads", optarg);
        return true;
    case 'w':
        o->wait_ms = wait_of(optarg);
        return true;
    case 'v':
        printf("hawser %s\n", HAWSER_VERSION);
        exit(0);
    default:
        return false;
    }
}

int run_program(struct run_options *o, char **argv, int *wait_status) {
    char path[PATH_MAX], server[HAWSER_ENDPOINT_MAX], err[1024];
    int status = find_program(argv[0], path);
    if (status != 0) {
        hawser_error("%s: %s", argv[0], status == EXIT_NOT_FOUND ? "no such program" : "not executable");
        return status;
    }
    if ((status = check_program(path)) != 0) return status;
    enum hawser_config told = o->server ? HAWSER_CONFIG_NONE : hawser_config_server(server, err, sizeof err);
    if (told == HAWSER_CONFIG_WRONG) {
        hawser_error("%s", err);
        return EXIT_HAWSER;
    }
    if (told == HAWSER_CONFIG_NAMED) o->server = server;
    struct private_server private;
    bool stay = o->traced, software = false;
    if (!o->server) {
        if (private_start(&o->private, &private) != 0) return EXIT_HAWSER;
        o->server = private.endpoint;
        stay = true;
    }
    if (hawser_probe(o->server, o->wait_ms, PROBE_MS, &software, err, sizeof err) != 0) {
        hawser_error("%s", err);
        return EXIT_HAWSER;
    }
    if ((status = set_environment(o->server, software, o->traced)) != 0) return status;
    if (stay) return run_as_child(path, argv, wait_status);
    execv(path, argv);
    return cannot_exec(path);
}

int cmd_run(int argc, char **argv) {
    static const struct option table[] = {RUN_OPTIONS, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    struct run_options o = RUN_DEFAULTS;
    int c, wait_status;
    while ((c = getopt_long(argc, argv, "+", table, NULL)) != -1)
        if (!run_option(&o, c)) {
            if (c == 'h') usage();
            return c == 'h' ? 0 : EXIT_HAWSER; /* getopt_long has told */
        }
    if (optind >= argc) {
        hawser_error("no program is named; hawser run --help tells more");
        return EXIT_HAWSER;
    }
    int status = run_program(&o, argv + optind, &wait_status);
    return status ? status : run_end_like(wait_status);
}
