/* The private server of one run: a hawserd in a session of its own, on a socket in a folder of its own. */
#include "hawser.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ARGS 24
#define SOCKET "/hawser-XXXXXX/hawser.sock"
/* A session's socket is the server's with a number behind it. */
#define MAX_BASE (sizeof((struct sockaddr_un *)0)->sun_path - sizeof SOCKET ".4294967295")

/* Arguments for hawserd; strings live as long as the process. */
static void fill_args(char **argv, const char *daemon, const char *endpoint, int ready, int lifetime,
                      const struct private_options *o) {
    static char ready_text[16], lifetime_text[16];
    int n = 0;
    snprintf(ready_text, sizeof ready_text, "%d", ready);
    snprintf(lifetime_text, sizeof lifetime_text, "%d", lifetime);
    argv[n++] = (char *)daemon;
    argv[n++] = "--listen";
    argv[n++] = (char *)endpoint;
    argv[n++] = "--private";
    argv[n++] = "--ready-fd";
    argv[n++] = ready_text;
    argv[n++] = "--lifetime-fd";
    argv[n++] = lifetime_text;
    const struct {
        const char *option, *value;
    } more[] = {{"--device", o->device}, {"--mem", o->mem}, {"--threads", o->threads}};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (more[i].value) {
            argv[n++] = (char *)more[i].option;
            argv[n++] = (char *)more[i].value;
        }
    argv[n] = NULL;
}

/* In the child. A grandchild becomes the daemon, so that the run's parent never has to wait for it. */
static void become_daemon(char **argv, int ready, int lifetime) {
    if (setsid() < 0) _exit(1);
    pid_t pid = fork();
    if (pid != 0) _exit(pid < 0);
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0) _exit(1);
    fcntl(ready, F_SETFD, 0);
    fcntl(lifetime, F_SETFD, 0);
    if (null > 2) close(null);
    execv(argv[0], argv);
    hawser_error("%s: %s", argv[0], strerror(errno));
    _exit(1);
}

/* True when the daemon says that it is ready. */
static int wait_until_ready(int fd) {
    char line[512];
    size_t size = 0;
    ssize_t n;
    while (size < sizeof line - 1 &&
           ((n = read(fd, line + size, sizeof line - 1 - size)) > 0 || (n < 0 && errno == EINTR)))
        if (n > 0) size += (size_t)n;
    line[size] = 0;
    return !strncmp(line, "ready ", 6);
}

const char *private_base(void) {
    const char *const bases[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR")};
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        const char *base = bases[i];
        if (base && *base == '/' && strlen(base) <= MAX_BASE && access(base, W_OK | X_OK) == 0) return base;
    }
    return "/tmp";
}

int private_start(const struct private_options *o, struct private_server *out) {
    char folder[PATH_MAX], daemon[PATH_MAX], *argv[MAX_ARGS];
    int ready[2] = {-1, -1}, lifetime[2] = {-1, -1}, status;
    const char *base = private_base();
    if (!hawser_beside("hawserd", daemon)) {
        hawser_error("cannot tell where hawserd is: /proc/self/exe: %s", strerror(errno));
        return -1;
    }
    snprintf(folder, sizeof folder, "%s/hawser-XXXXXX", base);
    if (!mkdtemp(folder)) {
        hawser_error("cannot make a folder for the private server in %s: %s", base, strerror(errno));
        return -1;
    }
    snprintf(out->endpoint, sizeof out->endpoint, "ipc://%.200s/hawser.sock", folder);
    if (pipe2(ready, O_CLOEXEC) != 0 || pipe2(lifetime, O_CLOEXEC) != 0) goto fail;
    fill_args(argv, daemon, out->endpoint, ready[1], lifetime[0], o);
    pid_t pid = fork();
    if (pid == 0) become_daemon(argv, ready[1], lifetime[0]);
    close(ready[1]);
    close(lifetime[0]);
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0 || !wait_until_ready(ready[0])) goto fail;
    close(ready[0]);
    out->lifetime = lifetime[1];
    return 0;
fail:
    rmdir(folder);
    hawser_error("the private server did not start");
    return -1;
}
