/* hawser: choosing the sub-command. */
#include "hawser.h"

#include <stdio.h>
#include <string.h>

static int cmd_help(int argc, char **argv);
static int cmd_version(int argc, char **argv);

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"run", cmd_run, "run PROGRAM ARGS…   run a CUDA program on a GPU that hawser lends"},
    {"trace", cmd_trace, "trace PROGRAM ARGS… the same, and tell every call with its times"},
    {"inspect", cmd_inspect, "inspect PROGRAM     what a program needs, and whether hawser has it"},
    {"doctor", cmd_doctor, "doctor              check this machine and say what to do"},
    {"version", cmd_version, "version             print the version"},
    {"help", cmd_help, "help                print this text"},
};

static int cmd_help(int argc, char **argv)
{
    (void)argc, (void)argv;
    printf("usage: hawser COMMAND …\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        printf("  %s\n", commands[i].help);
    printf("\nhawser COMMAND --help tells more. hawserd is the daemon that lends the GPU.\n");
    return 0;
}

static int cmd_version(int argc, char **argv)
{
    (void)argc, (void)argv;
    printf("hawser %s\n", HAWSER_VERSION);
    return 0;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    if (!strcmp(name, "--help") || !strcmp(name, "-h")) name = "help";
    if (!strcmp(name, "--version")) name = "version";
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(name, commands[i].name)) return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "hawser: there is no command '%s'; 'hawser help' lists them\n", name);
    return EXIT_HAWSER;
}
