#include "lend.h"

#include <cuda.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "environment.h"
#include "library.h"
#include "log.h"
#include "visible.h"

#define LIST_SIZE (HAWSER_MAX_DEVICES * HAWSER_UUID_TEXT + 1)

void lend_environment(bool private) {
    /* What guests do for themselves. */
    static const char *const own[] = {"LD_PRELOAD", "HAWSER_SERVER", "NVIDIA_VISIBLE_DEVICES", "CUDA_LAUNCH_BLOCKING",
                                      "CUDA_LOG_FILE"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        unsetenv(own[i]);
    for (const char *const *name = hawser_environment; private && *name; name++)
        unsetenv(*name);
}

/* A device of an instance of a GPU has a name of its own, beside its GPU's. */
static void name_device(CUdevice device, CUresult (*first)(CUuuid *, CUdevice), CUresult (*second)(CUuuid *, CUdevice),
                        char out[HAWSER_UUID_TEXT]) {
    CUuuid gpu = {{0}}, own;
    if (first) first(&gpu, device);
    if (!second || second(&own, device) != CUDA_SUCCESS) own = gpu;
    hawser_uuid_text(first && memcmp(&gpu, &own, sizeof own) ? "MIG" : "GPU", &own, out);
}

/* In a child: the names of the devices that the driver shows, each with a comma behind it. */
static void write_names(const char *library, int fd) {
    char err[1024], text[HAWSER_UUID_TEXT];
    int n = 0;
    void *lib = library_open(library, "cuInit", err, sizeof err);
    if (!lib) {
        hawser_log(HAWSER_INFO, "no CUDA device: %s", err);
        _exit(1);
    }
    CUresult (*init)(unsigned) = (CUresult(*)(unsigned))dlsym(lib, "cuInit");
    CUresult (*count)(int *) = (CUresult(*)(int *))dlsym(lib, "cuDeviceGetCount");
    CUresult (*uuid)(CUuuid *, CUdevice) = (CUresult(*)(CUuuid *, CUdevice))dlsym(lib, "cuDeviceGetUuid");
    CUresult (*uuid_v2)(CUuuid *, CUdevice) = (CUresult(*)(CUuuid *, CUdevice))dlsym(lib, "cuDeviceGetUuid_v2");
    if (!init || !count || init(0) != CUDA_SUCCESS || count(&n) != CUDA_SUCCESS) _exit(1);
    for (int i = 0; i < n; i++) {
        name_device(i, uuid, uuid_v2, text);
        dprintf(fd, "%s,", text);
    }
    _exit(0);
}

static int status_of(pid_t pid) {
    int status = -1;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

/* Asked in a child, because a driver once loaded stays. */
static void names_of(const char *library, char list[LIST_SIZE]) {
    int pair[2];
    size_t size = 0;
    ssize_t n;
    list[0] = 0;
    if (pipe(pair) != 0) return;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) write_names(library, pair[1]);
    close(pair[1]);
    while ((n = read(pair[0], list + size, LIST_SIZE - 1 - size)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0) size += (size_t)n;
    close(pair[0]);
    list[size ? size - 1 : 0] = 0; /* the last comma */
    status_of(pid);
}

bool lend_software(const char *library) {
    char err[1024];
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        void *lib = library_open(library, "cuInit", err, sizeof err);
        _exit(lib && dlsym(lib, "hawser_softgpu_count") ? 0 : 1);
    }
    return status_of(pid) == 0;
}

bool lend_works(const char *library) {
    char list[LIST_SIZE];
    names_of(library, list);
    return *list;
}

void lend_by_name(const char *library) {
    char list[LIST_SIZE];
    const char *wanted = getenv("CUDA_VISIBLE_DEVICES");
    if (!wanted) return;
    names_of(library, list);
    if (!*list) hawser_log(HAWSER_WARN, "CUDA_VISIBLE_DEVICES=%s leaves no device to lend", wanted);
    setenv("CUDA_VISIBLE_DEVICES", *list ? list : "-1", 1);
}
