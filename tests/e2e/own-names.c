/* A program with such a library twice: linked, and opened later. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int devices(void);

int main(int argc, char **argv) {
    char path[4096];
    char *slash = strrchr(argv[0], '/');
    (void)argc;
    snprintf(path, sizeof path, "%.*s/libown-names-too.so", slash ? (int)(slash - argv[0]) : 1, slash ? argv[0] : ".");
    void *library = dlopen(path, RTLD_NOW);
    int (*too)(void) = library ? (int (*)(void))dlsym(library, "devices") : NULL;
    printf("%d and %d device(s)\n", devices(), too ? too() : -1);
    return 0;
}
