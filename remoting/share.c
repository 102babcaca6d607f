#include "share.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "/hawser-"
#define RANDOM_BYTES 16

int hawser_share_create(size_t size, char name[HAWSER_SHARE_NAME]) {
    uint8_t random[RANDOM_BYTES];
    const char *wanted = getenv("HAWSER_SHARED_MEMORY");
    if (wanted && !strcmp(wanted, "0")) return -1; /* as if the worker were on another machine */
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) return -1;
    int n = snprintf(name, HAWSER_SHARE_NAME, "%s", PREFIX);
    for (size_t i = 0; i < sizeof random; i++)
        n += snprintf(name + n, HAWSER_SHARE_NAME - (size_t)n, "%02x", random[i]);
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return -1;
    /* Not posix_fallocate: pages come when they are touched, as with ordinary memory. */
    if (ftruncate(fd, (off_t)size) == 0) return fd;
    close(fd);
    shm_unlink(name);
    return -1;
}

int hawser_share_open(const char *name, size_t size) {
    struct stat s;
    size_t prefix = strlen(PREFIX);
    if (strncmp(name, PREFIX, prefix) || strlen(name) != prefix + 2 * RANDOM_BYTES) return -1;
    for (const char *c = name + prefix; *c; c++)
        if (!isxdigit((unsigned char)*c)) return -1;
    int fd = shm_open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd < 0) return -1;
    if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && (size_t)s.st_size == size) return fd;
    close(fd);
    return -1;
}

void hawser_share_unlink(const char *name) {
    shm_unlink(name);
}
