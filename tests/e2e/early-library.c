/* A library whose constructor asks for libcuda, before the preload object's own constructor has run. */
#include <dlfcn.h>
#include <stddef.h>

const char *early_answer = "the constructor did not run";

__attribute__((constructor)) static void ask(void) {
    void *lib = dlopen("/usr/lib/libcuda.so.1", RTLD_NOW);
    early_answer = lib && dlsym(lib, "cuInit") ? "found early" : "not found";
}
