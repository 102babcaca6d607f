/* hawser: choosing the sub-command. */
#include "hawser.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int cmd_help(int argc, char **argv);
static int cmd_version(int argc, char **argv);

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"run", cmd_run, "run PROGRAM ARGS…   run a CUDA program on a GPU that hawser lends"},
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

char *hawser_beside(const char *name, char *out)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) return NULL;
    self[n] = 0;
    n = snprintf(out, PATH_MAX, "%s/%s", dirname(self), name);
    return n < PATH_MAX ? out : NULL;
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
