#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "log.h"

/* In the child: only what may be called between fork and exec.
 *
 * A worker's mappings, and with them the addresses that NVIDIA's driver gives to device memory, go where old kernels
 * put them (from a third of the address space upwards): a guest has its own at the top, so what it has there is never
 * taken for device memory. Where that is forbidden (seccomp in some containers), they lie at random beside the guest's.
 */
static void become_worker(const char *path, char **argv, int control) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    fcntl(control, F_SETFD, 0);
#ifndef HAWSER_SANITIZE_THREAD /* which wants mappings at the top */
    int now = personality(0xffffffff);
    if (now != -1) personality((unsigned long)now | ADDR_COMPAT_LAYOUT);
#endif
    execv(path, argv);
    _exit(127);
}

static bool send_start(int control, const struct broker_settings *s, const uint8_t *token) {
    Control__ToWorker m = CONTROL__TO_WORKER__INIT;
    Control__Start start = CONTROL__START__INIT;
    start.token = (ProtobufCBinaryData){CONTROL_TOKEN, (uint8_t *)token};
    start.software = s->software;
    m.start = &start;
    return control_send(control, &m.base);
}

int spawn_worker(const struct broker_settings *s, const char *endpoint, const uint8_t *token, pid_t *pid,
                 int *control) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return -1;
    char fd[16], ports[32];
    snprintf(fd, sizeof fd, "%d", pair[1]);
    snprintf(ports, sizeof ports, "%u-%u", s->ports_lo, s->ports_hi);
    char *argv[] = {(char *)s->worker, "--endpoint", (char *)endpoint, "--library", (char *)s->library,
                    "--control",       fd,           "--ports",        ports,       NULL};
    *pid = fork();
    if (*pid == 0) become_worker(s->worker, argv, pair[1]);
    close(pair[1]);
    if (*pid < 0 || !send_start(pair[0], s, token)) {
        hawser_log(HAWSER_ERROR, "cannot start %s: %s", s->worker, strerror(errno));
        close(pair[0]);
        return -1;
    }
    *control = pair[0];
    return 0;
}
