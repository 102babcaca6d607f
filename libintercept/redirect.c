#include "redirect.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name; /* as programs ask for it */
    const char *file; /* ours, beside this object */
} table[] = {
    {"libcuda.so.1", "libhawser-cuda.so.1"},
    {"libcuda.so", "libhawser-cuda.so.1"},
    {"libnvidia-ml.so.1", "libnvidia-ml.so.1"},
    {"libnvidia-ml.so", "libnvidia-ml.so.1"},
};

const char *hawser_replacement(const char *name) {
    if (!name) return NULL;
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(base, table[i].name)) return table[i].file;
    return NULL;
}

static char paths[sizeof table / sizeof *table][PATH_MAX];

/* libc's functions, to which the trampolines jump. */
void *(*hawser_real_dlopen)(const char *name, int flags);
__attribute__((visibility("hidden"))) void *hawser_real_dlmopen;

/* Called by the constructor, and by the first dlopen if that comes earlier: the constructors of libraries that
 * the program needs run before this object's, and some of them call dlopen. */
__attribute__((constructor)) static void prepare(void) {
    Dl_info self;
    hawser_find_dlsym();
    hawser_real_dlmopen = hawser_real_dlsym(RTLD_NEXT, "dlmopen");
    hawser_real_dlopen = (void *(*)(const char *, int))hawser_real_dlsym(RTLD_NEXT, "dlopen");
    if (!dladdr(&paths, &self) || !self.dli_fname) return;
    bool traced = getenv("HAWSER_TRACE"); /* then its library stands before ours, see trace/ */
    const char *slash = strrchr(self.dli_fname, '/');
    int folder = slash ? (int)(slash - self.dli_fname) : 1;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int n = snprintf(paths[i], sizeof paths[i], "%.*s/%s", folder, slash ? self.dli_fname : ".",
                         traced ? "libhawser-trace.so" : table[i].file);
        if (n < 0 || n >= (int)sizeof paths[i]) paths[i][0] = 0;
    }
}

const char *hawser_redirect(const char *name) {
    if (!hawser_real_dlopen) prepare();
    const char *file = hawser_replacement(name);
    if (!file) return name;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].file, file) && paths[i][0]) return paths[i];
    return name;
}
