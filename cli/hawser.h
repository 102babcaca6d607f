/* The hawser command: one file per sub-command. */
#ifndef HAWSER_CLI_H
#define HAWSER_CLI_H

#include <stddef.h>

/* Exit statuses of "hawser run" before the program runs, as env(1) and timeout(1) use them. */
enum { EXIT_HAWSER = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

int cmd_run(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* The path of a file of ours, relative to the folder of this program. Static storage per call site is the
 * caller's: out has PATH_MAX bytes. NULL when it cannot be told. */
char *hawser_beside(const char *name, char *out);

/* The private server of one run (private.c). */
struct private_server {
    char endpoint[256];
    int lifetime; /* write end of a pipe: the server ends when it is closed */
};

struct private_options {
    const char *device, *mem, *threads;
};

/* Starts a hawserd of our own and waits until it listens. 0, or -1 after a line on stderr. */
int private_start(const struct private_options *o, struct private_server *out);

#endif
