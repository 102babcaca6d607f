/*
 * What kernels print goes to the worker's stdout (NVIDIA's driver and the software GPU both write it there), what
 * the driver says of them, a failed assert say, to its stderr. Both are pipes here; their bytes go to the guest, at
 * the latest before the reply of the synchronizing call after which CUDA promises them. The worker's own log goes to
 * the stderr that it was started with.
 */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"

#ifdef HAWSER_SANITIZE
#include <sanitizer/common_interface_defs.h>
#endif

#define PIPE_SIZE (1 << 20)

enum { OUT, ERR, CHANNELS };

/* stdout and stderr are the process's, so a process can serve one session that prints. */
struct output {
    int pipes[CHANNELS];
    pthread_mutex_t lock; /* covers reading and sending, so that the order stays */
};

static void send_what_is_there(struct session *session) {
    uint8_t text[64 << 10];
    ssize_t n;
    struct output *o = session->output;
    if (!o) return;
    pthread_mutex_lock(&o->lock);
    for (int i = 0; i < CHANNELS; i++)
        while ((n = read(o->pipes[i], text, sizeof text)) > 0) {
            Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
            ProtobufCBinaryData *field = i == OUT ? &m.output : &m.errors;
            field->data = text;
            field->len = (size_t)n;
            session_send(session, &m, NULL, 0);
        }
    pthread_mutex_unlock(&o->lock);
}

static void *forward(void *arg) {
    const struct output *o = ((struct session *)arg)->output;
    for (;;) {
        struct pollfd p[CHANNELS] = {{.fd = o->pipes[OUT], .events = POLLIN}, {.fd = o->pipes[ERR], .events = POLLIN}};
        if (poll(p, CHANNELS, -1) < 0 && errno != EINTR) return NULL;
        send_what_is_there(arg);
    }
}

/* Makes descriptor fd the write end of a pipe; the read end, or -1. */
static int capture(int fd) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return -1;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE);
    if (dup2(ends[1], fd) < 0) return -1;
    close(ends[1]);
    return ends[0];
}

int output_capture(struct session *session) {
    int log = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (log < 0) return -1;
    hawser_log_to(log);
#ifdef HAWSER_SANITIZE
    __sanitizer_set_report_fd((void *)(intptr_t)log);
#endif
    struct output *o = session->output = calloc(1, sizeof *o);
    if (!o) return -1;
    pthread_mutex_init(&o->lock, NULL);
    o->pipes[OUT] = capture(STDOUT_FILENO);
    o->pipes[ERR] = capture(STDERR_FILENO);
    return o->pipes[OUT] < 0 || o->pipes[ERR] < 0 ? -1 : 0;
}

void output_forward(struct session *session) {
    pthread_t t;
    if (pthread_create(&t, NULL, forward, session) != 0) {
        hawser_log(HAWSER_ERROR, "cannot start the thread that forwards output");
        _exit(1);
    }
    pthread_detach(t);
}

void output_flush(struct session *session) {
    fflush(stdout);
    fflush(stderr);
    send_what_is_there(session);
}
