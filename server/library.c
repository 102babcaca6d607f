#include "library.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUEST_LIBRARY "libhawser-cuda.so"

void *library_open(const char *path, const char *symbol, char *err, size_t err_size) {
    Dl_info info;
    char real[4096];
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        snprintf(err, err_size, "%s", dlerror());
        return NULL;
    }
    void *init = dlsym(lib, symbol);
    bool ours =
        init && dladdr(init, &info) && info.dli_fname && realpath(info.dli_fname, real) && strstr(real, GUEST_LIBRARY);
    if (!init || ours) {
        if (ours)
            snprintf(err, err_size, "%s is hawser's guest library (%.500s): LD_LIBRARY_PATH hides NVIDIA's", path,
                     real);
        else
            snprintf(err, err_size, "%s has no %s", path, symbol);
        dlclose(lib);
        return NULL;
    }
    return lib;
}
