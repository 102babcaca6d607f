/* hawser: choosing the sub-command. */
#include "hawser.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static int cmd_help(int argc, char **argv);
static int cmd_version(int argc, char **argv);

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    bool needs_files; /* of this installation */
    const char *help;
} commands[] = {
    {"run", cmd_run, true, "run PROGRAM ARGS…   run a CUDA program on a GPU that hawser lends"},
    {"trace", cmd_trace, true, "trace PROGRAM ARGS… the same, and tell every call with its times"},
    {"inspect", cmd_inspect, true, "inspect PROGRAM     what a program needs, and whether hawser has it"},
    {"doctor", cmd_doctor, true, "doctor              check this machine and say what to do"},
    {"version", cmd_version, false, "version             print the version"},
    {"help", cmd_help, false, "help                print this text"},
};

static int cmd_help(int argc, char **argv) {
    (void)argc, (void)argv;
    printf("usage: hawser COMMAND …\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        printf("  %s\n", commands[i].help);
    printf("\nhawser COMMAND --help tells more. hawserd is the daemon that lends the GPU.\n");
    return 0;
}

static int cmd_version(int argc, char **argv) {
    (void)argc, (void)argv;
    printf("hawser %s\n", HAWSER_VERSION);
    return 0;
}

/* getopt_long and hawser_error begin their lines with the command's name. */
static int run_command(size_t i, int argc, char **argv) {
    static char name[32];
    char path[PATH_MAX];
    snprintf(name, sizeof name, "hawser %s", commands[i].name);
    argv[0] = name;
    hawser_error_begin(name);
    if (commands[i].needs_files && !hawser_beside(".", path)) {
        hawser_error("cannot tell where hawser is installed: /proc/self/exe: %s%s", strerror(errno),
                     errno == ENOENT ? " (is /proc mounted?)" : "");
        return EXIT_HAWSER;
    }
    return commands[i].run(argc, argv);
}

int main(int argc, char **argv) {
    if (argc < 2) return cmd_help(argc, argv);
    const char *name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h")) name = "help";
    if (!strcmp(name, "--version")) name = "version";
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(name, commands[i].name)) return run_command(i, argc - 1, argv + 1);
    hawser_error("there is no command '%s'; 'hawser help' lists them", name);
    return EXIT_HAWSER;
}
