/* A program whose library is opened with RTLD_DEEPBIND: that one looks dlopen up in libc first. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    char path[4096];
    char *slash = strrchr(argv[0], '/');
    (void)argc;
    snprintf(path, sizeof path, "%.*s/libdeep.so", slash ? (int)(slash - argv[0]) : 1, slash ? argv[0] : ".");
    void *self = dlopen(NULL, RTLD_NOW | RTLD_DEEPBIND), *library = dlopen(path, RTLD_NOW | RTLD_DEEPBIND);
    int (*devices)(void) = library ? (int (*)(void))dlsym(library, "devices") : NULL;
    printf("%d device(s)\n", self && devices ? devices() : -1);
    return !devices;
}
