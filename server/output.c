/*
 * What kernels print goes to the worker's stdout (NVIDIA's driver and the software GPU both write it
 * there). That stdout is a pipe; its bytes go to the guest, at the latest before the reply of the
 * synchronizing call after which CUDA promises them.
 */
#include "served.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "log.h"

#define PIPE_SIZE (1 << 20)

/* One per process, as stdout is. lock covers reading and sending, so that the order stays. */
static int pipe_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void send_what_is_there(struct worker *w)
{
    uint8_t text[64 << 10];
    ssize_t n;
    pthread_mutex_lock(&lock);
    while ((n = read(pipe_fd, text, sizeof text)) > 0) {
        Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
        m.output.data = text;
        m.output.len = (size_t)n;
        worker_send(w, &m, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
}

static void *forward(void *arg)
{
    for (;;) {
        struct pollfd p = {.fd = pipe_fd, .events = POLLIN};
        if (poll(&p, 1, -1) < 0 && errno != EINTR) return NULL;
        send_what_is_there(arg);
    }
}

int output_capture(struct worker *w)
{
    int fds[2];
    pthread_t t;
    if (pipe2(fds, O_CLOEXEC) != 0) return -1;
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE);
    if (dup2(fds[1], STDOUT_FILENO) < 0) return -1;
    close(fds[1]);
    pipe_fd = fds[0];
    if (pthread_create(&t, NULL, forward, w) != 0) return -1;
    pthread_detach(t);
    return 0;
}

void output_flush(struct worker *w)
{
    fflush(stdout);
    send_what_is_there(w);
}
