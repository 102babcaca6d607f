#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "endpoint.h"

static int parse(const char *text, struct hawser_endpoint *e) {
    char err[200] = "";
    int rc = hawser_endpoint_parse(text, e, err, sizeof err);
    cr_assert(rc == 0 || err[0], "a refusal says why");
    return rc;
}

Test(endpoint, tcp_has_host_and_port) {
    struct hawser_endpoint e;
    cr_assert_eq(parse("tcp://127.0.0.1:7070", &e), 0);
    cr_assert_eq(e.kind, HAWSER_TCP);
    cr_assert_str_eq(e.host, "127.0.0.1");
    cr_assert_str_eq(e.port, "7070");
}

Test(endpoint, ipv6_host_loses_its_brackets) {
    struct hawser_endpoint e;
    cr_assert_eq(parse("tcp://[::1]:7070", &e), 0);
    cr_assert_str_eq(e.host, "::1");
}

Test(endpoint, ipc_has_a_path) {
    struct hawser_endpoint e;
    cr_assert_eq(parse("ipc:///run/hawser.sock", &e), 0);
    cr_assert_eq(e.kind, HAWSER_IPC);
    cr_assert_str_eq(e.path, "/run/hawser.sock");
}

Test(endpoint, nonsense_is_refused) {
    struct hawser_endpoint e;
    const char *bad[] = {"",
                         "tcp://",
                         "tcp://host",
                         "tcp://host:",
                         "tcp://host:0",
                         "tcp://host:65536",
                         "tcp://host:12x",
                         "ipc://",
                         "udp://host:1",
                         "host:1",
                         "pgm://eth0;239.0.0.1:1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_neq(parse(bad[i], &e), 0, "\"%s\" was accepted", bad[i]);
}

Test(endpoint, a_path_too_long_for_a_socket_is_refused) {
    struct hawser_endpoint e;
    char text[200] = "ipc:///";
    memset(text + 7, 'x', 150);
    text[157] = 0;
    cr_assert_neq(parse(text, &e), 0);
}

Test(endpoint, nobody_listening_is_told_with_the_endpoint) {
    struct hawser_endpoint e;
    char err[200];
    parse("ipc:///nonexistent/hawser.sock", &e);
    cr_assert_neq(hawser_endpoint_reachable(&e, 1000, err, sizeof err), 0);
    cr_assert(strstr(err, "/nonexistent/hawser.sock"));
}

Test(endpoint, a_listener_is_reachable) {
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct hawser_endpoint e;
    char text[140], err[200];
    snprintf(un.sun_path, sizeof un.sun_path, "/tmp/hawser-test-%d", getpid());
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    unlink(un.sun_path);
    cr_assert_eq(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    cr_assert_eq(listen(fd, 1), 0);
    snprintf(text, sizeof text, "ipc://%s", un.sun_path);
    parse(text, &e);
    cr_expect_eq(hawser_endpoint_reachable(&e, 1000, err, sizeof err), 0);
    close(fd);
    unlink(un.sun_path);
}
