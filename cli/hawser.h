/* The hawser command: one file per sub-command. */
#ifndef HAWSER_CLI_H
#define HAWSER_CLI_H

#include <stdbool.h>
#include <stddef.h>

/* Exit statuses of "hawser run" before the program runs, as env(1) and timeout(1) use them. */
enum { EXIT_HAWSER = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

int cmd_run(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* How lines of hawser_error begin: "hawser run", say. The string must live on. */
void hawser_error_begin(const char *name);
/* One line on stderr. */
void hawser_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The path of a file of ours, relative to the folder of this program. Static storage per call site is the
 * caller's: out has PATH_MAX bytes. NULL when it cannot be told. */
char *hawser_beside(const char *name, char *out);

/* A library's path as LD_PRELOAD and LD_LIBRARY_PATH can carry it: itself, or one that leads to it by a link. 0, or -1
 * after a line on stderr. out has PATH_MAX bytes. */
int hawser_preloadable(const char *path, char *out);

/* The private server of one run (private.c). */
struct private_server {
    char endpoint[256];
    int lifetime; /* write end of a pipe: the server ends when it is closed */
};

struct private_options {
    const char *device, *mem, *threads;
};

/* The folder in which private servers get theirs: of $XDG_RUNTIME_DIR, $TMPDIR and /tmp the first that can be written
 * and is no longer than a socket's path may be. */
const char *private_base(void);

/* Starts a hawserd of our own and waits until it listens. 0, or -1 after a line on stderr. */
int private_start(const struct private_options *o, struct private_server *out);

/* ---- running a program (run.c) ---- */

struct run_options {
    const char *server; /* NULL: the configuration's, else a private one */
    struct private_options private;
    unsigned wait_ms; /* for a server that is just starting */
    bool traced;      /* with libhawser-trace.so, and always as a child */
};

/* For getopt_long, and what to do with them: false for options of others. Ends the program after a line on stderr for a
 * value that is none. */
#define RUN_OPTIONS                                                                                                    \
    {"server", required_argument, NULL, 's'}, {"device", required_argument, NULL, 'd'},                                \
        {"mem", required_argument, NULL, 'm'}, {"threads", required_argument, NULL, 't'},                              \
        {"wait", required_argument, NULL, 'w'}, {                                                                      \
        "version", no_argument, NULL, 'v'                                                                              \
    }
#define RUN_DEFAULTS                                                                                                   \
    { .wait_ms = 2000 }
bool run_option(struct run_options *o, int c);

/* 0 with the program's wait status; or an exit status of ours after a line on stderr. Does not return where hawser
 * becomes the program. */
int run_program(struct run_options *o, char **argv, int *wait_status);
/* Ends as a program with this wait status did; or returns its exit status. */
int run_end_like(int wait_status);

/* ---- what a traced program left (report.c) ---- */

struct trace_record;

/* Reads the files of a folder, see trace/trace.h. NULL when there is none, or memory is short. Never freed. */
struct trace_record *trace_read(const char *folder);
/* "-" is stderr. 0, or -1 with errno. */
int trace_write_text(const struct trace_record *r, const char *path);
int trace_write_summary(const struct trace_record *r, const char *path);
int trace_write_json(const struct trace_record *r, const char *path);

#endif
