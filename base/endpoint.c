#include "endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int parse_tcp(const char *text, const char *rest, struct hawser_endpoint *out, char *err, size_t err_size) {
    const char *colon = strrchr(rest, ':');
    size_t host_size = colon ? (size_t)(colon - rest) : 0;
    if (host_size == 0 || strlen(colon + 1) == 0 || strlen(colon + 1) >= sizeof out->port) {
        snprintf(err, err_size, "%s: a tcp endpoint is tcp://HOST:PORT", text);
        return -1;
    }
    if (rest[0] == '[' && rest[host_size - 1] == ']') { /* [::1]:PORT */
        rest++;
        host_size -= 2;
    }
    memcpy(out->host, rest, host_size);
    out->host[host_size] = 0;
    strcpy(out->port, colon + 1);
    char *end;
    long port = strtol(out->port, &end, 10);
    if (strcmp(out->port, "*") != 0 && (*end || port < 1 || port > 65535)) {
        snprintf(err, err_size, "%s: the port must be a number from 1 to 65535", text);
        return -1;
    }
    return 0;
}

int hawser_endpoint_parse(const char *text, struct hawser_endpoint *out, char *err, size_t err_size) {
    memset(out, 0, sizeof *out);
    if (strlen(text) >= HAWSER_ENDPOINT_MAX) {
        snprintf(err, err_size, "endpoint longer than %d bytes", HAWSER_ENDPOINT_MAX - 1);
        return -1;
    }
    if (!strncmp(text, "tcp://", 6)) {
        out->kind = HAWSER_TCP;
        return parse_tcp(text, text + 6, out, err, err_size);
    }
    if (!strncmp(text, "ipc://", 6) && text[6]) {
        out->kind = HAWSER_IPC;
        strcpy(out->path, text + 6);
        if (strlen(out->path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
            snprintf(err, err_size, "%s: the path is longer than a unix socket's path may be", text);
            return -1;
        }
        return 0;
    }
    snprintf(err, err_size, "%s: an endpoint is tcp://HOST:PORT or ipc://PATH", text);
    return -1;
}

/* A connect that gives up in time. The descriptor is closed again: only the answer counts. */
static int try_connect(int family, const struct sockaddr *addr, socklen_t size, int timeout_ms) {
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return errno;
    int code = 0;
    if (connect(fd, addr, size) < 0) code = errno;
    if (code == EINPROGRESS) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        int n;
        while ((n = poll(&p, 1, timeout_ms)) < 0 && errno == EINTR)
            ;
        socklen_t len = sizeof code;
        code = ETIMEDOUT;
        if (n > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0) code = errno;
    }
    close(fd);
    return code;
}

int hawser_endpoint_reachable(const struct hawser_endpoint *e, int timeout_ms, char *err, size_t err_size) {
    if (e->kind == HAWSER_IPC) {
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        memcpy(un.sun_path, e->path, strnlen(e->path, sizeof un.sun_path - 1));
        int code = try_connect(AF_UNIX, (struct sockaddr *)&un, sizeof un, timeout_ms);
        if (code == 0) return 0;
        snprintf(err, err_size, "no server at ipc://%s: %s", e->path, strerror(code));
        return -1;
    }
    struct addrinfo hint = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int rc = getaddrinfo(e->host, e->port, &hint, &list);
    if (rc != 0) {
        snprintf(err, err_size, "no server at tcp://%s:%s: %s", e->host, e->port, gai_strerror(rc));
        return -1;
    }
    int code = ECONNREFUSED;
    for (struct addrinfo *a = list; a && code != 0; a = a->ai_next)
        code = try_connect(a->ai_family, a->ai_addr, a->ai_addrlen, timeout_ms);
    freeaddrinfo(list);
    if (code == 0) return 0;
    snprintf(err, err_size, "no server at tcp://%s:%s: %s", e->host, e->port, strerror(code));
    return -1;
}
