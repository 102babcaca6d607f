/*
 * What kernels print goes to the worker's stdout (NVIDIA's driver and the software GPU both write it there), what
 * the driver says of them, a failed assert say, to its stderr. Both are pipes here; their bytes go to the guest, at
 * the latest before the reply of the synchronizing call after which CUDA promises them. The worker's own log goes to
 * the stderr that it was started with.
 */
#include "served.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "log.h"

#ifdef HAWSER_SANITIZE
#include <sanitizer/common_interface_defs.h>
#endif

#define PIPE_SIZE (1 << 20)

enum { OUT, ERR, CHANNELS };

/* One pair per process, as stdout and stderr are. lock covers reading and sending, so that the order stays. */
static int pipes[CHANNELS] = {-1, -1};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void send_what_is_there(struct worker *w)
{
    uint8_t text[64 << 10];
    ssize_t n;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < CHANNELS; i++)
        while ((n = read(pipes[i], text, sizeof text)) > 0) {
            Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
            ProtobufCBinaryData *field = i == OUT ? &m.output : &m.errors;
            field->data = text;
            field->len = (size_t)n;
            worker_send(w, &m, NULL, 0);
        }
    pthread_mutex_unlock(&lock);
}

static void *forward(void *arg)
{
    for (;;) {
        struct pollfd p[CHANNELS] = {{.fd = pipes[OUT], .events = POLLIN}, {.fd = pipes[ERR], .events = POLLIN}};
        if (poll(p, CHANNELS, -1) < 0 && errno != EINTR) return NULL;
        send_what_is_there(arg);
    }
}

/* Makes descriptor fd the write end of a pipe; the read end, or -1. */
static int capture(int fd)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return -1;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE);
    if (dup2(ends[1], fd) < 0) return -1;
    close(ends[1]);
    return ends[0];
}

int output_capture(void)
{
    int log = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (log < 0) return -1;
    hawser_log_to(log);
#ifdef HAWSER_SANITIZE
    __sanitizer_set_report_fd((void *)(intptr_t)log);
#endif
    pipes[OUT] = capture(STDOUT_FILENO);
    pipes[ERR] = capture(STDERR_FILENO);
    return pipes[OUT] < 0 || pipes[ERR] < 0 ? -1 : 0;
}

void output_forward(struct worker *w)
{
    pthread_t t;
    if (pthread_create(&t, NULL, forward, w) != 0) {
        hawser_log(HAWSER_ERROR, "cannot start the thread that forwards output");
        _exit(1);
    }
    pthread_detach(t);
}

void output_flush(struct worker *w)
{
    fflush(stdout);
    fflush(stderr);
    send_what_is_there(w);
}
