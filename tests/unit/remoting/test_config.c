#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"

static char path[64];

static void write_config(const char *text)
{
    snprintf(path, sizeof path, "/tmp/hawser-config-%d", getpid());
    FILE *f = fopen(path, "w");
    cr_assert(f);
    fputs(text, f);
    fclose(f);
}

static void remove_config(void)
{
    unlink(path);
}

TestSuite(config, .fini = remove_config);

Test(config, a_line_gives_the_server)
{
    char server[HAWSER_ENDPOINT_MAX];
    write_config("# where the GPU is\n\n  server =  tcp://gpu:7070  # the big one\n");
    unsetenv("HAWSER_SERVER");
    setenv("HAWSER_CONFIG", path, 1);
    cr_assert(hawser_config_server(server, sizeof server));
    cr_assert_str_eq(server, "tcp://gpu:7070");
}

Test(config, the_environment_comes_before_the_file)
{
    char server[HAWSER_ENDPOINT_MAX];
    write_config("server = tcp://file:1\n");
    setenv("HAWSER_CONFIG", path, 1);
    setenv("HAWSER_SERVER", "tcp://environment:2", 1);
    cr_assert(hawser_config_server(server, sizeof server));
    cr_assert_str_eq(server, "tcp://environment:2");
}

Test(config, other_keys_and_empty_values_give_nothing)
{
    char server[HAWSER_ENDPOINT_MAX];
    write_config("servers = tcp://a:1\nserver =\n# server = tcp://b:2\n");
    unsetenv("HAWSER_SERVER");
    setenv("HAWSER_CONFIG", path, 1);
    cr_assert_not(hawser_config_server(server, sizeof server));
}
