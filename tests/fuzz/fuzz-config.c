/* The configuration file, as a user may have written it. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int fd = -1;
    char out[HAWSER_ENDPOINT_MAX], err[600] = "", path[40];
    if (fd < 0) fd = memfd_create("config", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    setenv("HAWSER_CONFIG", path, 1);
    unsetenv("HAWSER_SERVER");
    if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size) return 0;
    enum hawser_config found = hawser_config_server(out, err, sizeof err);
    /* What is named is an endpoint, and what is wrong is said in one line. */
    struct hawser_endpoint e;
    if (found == HAWSER_CONFIG_NAMED) assert(hawser_endpoint_parse(out, &e, err, sizeof err) == 0);
    if (found == HAWSER_CONFIG_WRONG) assert(!strncmp(err, path, strlen(path)));
    return 0;
}
