/* Filling the driver table from a shared library with the CUDA driver ABI. */
#include "served.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "library.h"
#include "log.h"

int driver_load(const char *path, struct cuda_driver *out, char *err, size_t err_size) {
    void *lib = library_open(path, "cuInit", err, err_size);
    if (!lib) return -1;
    memset(out, 0, sizeof *out);
    for (const struct hawser_symbol *s = cuda_driver_symbols; s->name; s++) {
        void *address = dlsym(lib, s->name);
        memcpy((char *)out + s->offset, &address, sizeof address);
        if (!address) hawser_log(HAWSER_DEBUG, "%s has no %s", path, s->name);
    }
    if (!out->cuInit || !out->cuDriverGetVersion || !out->cuCtxSetCurrent || !out->cuLaunchKernel) {
        snprintf(err, err_size, "%s is no CUDA driver library", path);
        dlclose(lib);
        return -1;
    }
    return 0;
}
