#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

static char path[64], server[HAWSER_ENDPOINT_MAX], err[512];

static enum hawser_config read_config(const char *text) {
    snprintf(path, sizeof path, "/tmp/hawser-config-%d", getpid());
    FILE *f = fopen(path, "w");
    cr_assert(f);
    fputs(text, f);
    fclose(f);
    setenv("HAWSER_CONFIG", path, 1);
    return hawser_config_server(server, err, sizeof err);
}

static void clear(void) {
    unsetenv("HAWSER_SERVER");
    strcpy(server, "?");
    strcpy(err, "?");
}

static void remove_config(void) {
    unlink(path);
}

TestSuite(config, .init = clear, .fini = remove_config);

Test(config, a_line_gives_the_server) {
    cr_assert_eq(read_config("# where the GPU is\n\n  server =  tcp://gpu:7070  # the big one\n"), HAWSER_CONFIG_NAMED);
    cr_assert_str_eq(server, "tcp://gpu:7070");
}

Test(config, the_environment_comes_before_the_file) {
    setenv("HAWSER_SERVER", "tcp://environment:2", 1);
    cr_assert_eq(read_config("server = tcp://file:1\n"), HAWSER_CONFIG_NAMED);
    cr_assert_str_eq(server, "tcp://environment:2");
}

Test(config, a_file_of_comments_names_none) {
    cr_assert_eq(read_config("# server = tcp://b:2\n\n   \n#"), HAWSER_CONFIG_NONE);
    cr_assert_eq(read_config(""), HAWSER_CONFIG_NONE);
}

Test(config, what_is_wrong_is_told_with_its_line) {
    static const struct {
        const char *text, *said;
    } cases[] = {{"\nservre = tcp://a:1\n", ":2: there is no key \"servre\""},
                 {"server tcp://a:1\n", ":1: \"server tcp://a:1\" is not of the form KEY = VALUE"},
                 {"# mine\nserver =\n", ":2: server has no value"},
                 {"= tcp://a:1\n", ":1: there is no key \"\""},
                 {"server = http://a\n", ":1: http://a: an endpoint is"},
                 {"server = tcp://a:1\n\nserver = tcp://b:1\n", ":3: server is set in line 1 already"},
                 {"server = tcp://a:1\nnonsense", ":2: \"nonsense\""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(read_config(cases[i].text), HAWSER_CONFIG_WRONG, "%s", cases[i].text);
        cr_expect_eq(strncmp(err, path, strlen(path)), 0, "%s", err);
        cr_expect(strstr(err, cases[i].said), "%s", err);
        cr_expect_not(strchr(err, '\n'));
    }
}

Test(config, a_line_that_is_too_long_is_told) {
    char text[3000] = "server = tcp://a:1 #";
    memset(text + strlen(text), 'x', 2000);
    cr_assert_eq(read_config(text), HAWSER_CONFIG_WRONG);
    cr_assert(strstr(err, ":1: the line is longer than"), "%s", err);
    strcpy(text, "server = ipc:///");
    memset(text + strlen(text), 'x', 400);
    cr_assert_eq(read_config(text), HAWSER_CONFIG_WRONG);
    cr_assert(strstr(err, ":1: "), "%s", err);
}

Test(config, a_named_file_that_is_missing_or_no_file_is_told) {
    static const char *const names[] = {"/nonexistent/config", "/tmp"};
    for (int i = 0; i < 2; i++) {
        setenv("HAWSER_CONFIG", names[i], 1);
        cr_expect_eq(hawser_config_server(server, err, sizeof err), HAWSER_CONFIG_WRONG);
        cr_expect(strstr(err, names[i]) && strstr(err, "HAWSER_CONFIG"), "%s", err);
    }
}

Test(config, a_server_of_the_environment_that_is_too_long_is_told) {
    char text[400] = "";
    memset(text, 'x', sizeof text - 1);
    setenv("HAWSER_SERVER", text, 1);
    cr_assert_eq(hawser_config_server(server, err, sizeof err), HAWSER_CONFIG_WRONG);
    cr_assert(strstr(err, "HAWSER_SERVER"), "%s", err);
}
