#include "hawser.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEPARATORS " :;" /* of LD_PRELOAD and LD_LIBRARY_PATH, which can quote none of them */

static uint64_t hash(const char *text, size_t size) {
    uint64_t h = 0xcbf29ce484222325;
    for (size_t i = 0; i < size; i++)
        h = (h ^ (uint8_t)text[i]) * 0x100000001b3;
    return h;
}

/* A folder that nobody else can have put links into. */
static int own_folder(char *out) {
    struct stat st;
    const char *base = private_base();
    int n = snprintf(out, PATH_MAX, "%s/hawser-%u", strpbrk(base, SEPARATORS) ? "/tmp" : base, (unsigned)geteuid());
    if (n >= PATH_MAX) return errno = ENAMETOOLONG, -1;
    if (mkdir(out, 0700) != 0 && errno != EEXIST) return -1;
    if (lstat(out, &st) != 0) return -1;
    if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH))) return 0;
    return errno = EPERM, -1;
}

/* The link's name is made from where it leads, so it never has to change. */
static int link_to(const char *folder, size_t size, char *out) {
    char own[PATH_MAX], target[PATH_MAX], there[PATH_MAX];
    if (own_folder(own) != 0) return -1;
    snprintf(target, sizeof target, "%.*s", (int)size, folder);
    if (snprintf(out, PATH_MAX, "%s/%016llx", own, (unsigned long long)hash(folder, size)) >= PATH_MAX)
        return errno = ENAMETOOLONG, -1;
    if (symlink(target, out) == 0) return 0;
    ssize_t n = errno == EEXIST ? readlink(out, there, sizeof there) : -1;
    if (n < 0) return -1;
    return (size_t)n == size && !memcmp(there, folder, size) ? 0 : (errno = EEXIST, -1);
}

int hawser_preloadable(const char *path, char *out) {
    const char *name = strrchr(path, '/');
    char folder[PATH_MAX];
    if (!strpbrk(path, SEPARATORS)) return snprintf(out, PATH_MAX, "%s", path) < PATH_MAX ? 0 : -1;
    if (link_to(path, (size_t)(name - path), folder) == 0 && snprintf(out, PATH_MAX, "%s%s", folder, name) < PATH_MAX)
        return 0;
    hawser_error(
        "the path %s has a blank, a colon or a semicolon, which LD_PRELOAD cannot carry, and no link to it can "
        "be made in %s: %s",
        path, private_base(), strerror(errno));
    return -1;
}
