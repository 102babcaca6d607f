/* Images without code for the device: a program may bring thousands, so each library that has such is told of once, and
 * at the end how many there were. */
#include "abi_internal.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#define MAX_LIBRARIES 64

/* One list a process. The first entry is of images that lie in no library. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    const void *base;
    char name[256]; /* a copy: the library may be gone when it is told */
    unsigned times;
} libraries[MAX_LIBRARIES] = {{NULL, "an image in memory", 0}};
static unsigned n_libraries = 1;

/* Under the lock. Libraries beyond the last are counted with it. */
static unsigned library_of(const void *image) {
    Dl_info info;
    if (!dladdr(image, &info) || !info.dli_fname) return 0;
    for (unsigned i = 1; i < n_libraries; i++)
        if (libraries[i].base == info.dli_fbase) return i;
    if (n_libraries == MAX_LIBRARIES) return n_libraries - 1;
    libraries[n_libraries].base = info.dli_fbase;
    snprintf(libraries[n_libraries].name, sizeof libraries->name, "%s", info.dli_fname);
    return n_libraries++;
}

void hawser_abi_image_refused(const void *image, const char *why) {
    pthread_mutex_lock(&lock);
    unsigned i = library_of(image);
    bool first = libraries[i].times++ == 0;
    const char *name = libraries[i].name;
    pthread_mutex_unlock(&lock);
    if (first) hawser_abi_log("%s: %s", name, why);
}

__attribute__((destructor)) static void tell_counts(void) {
    for (unsigned i = 0; i < n_libraries; i++)
        if (libraries[i].times > 1)
            hawser_abi_log("%s: %u images in all had no code for this device", libraries[i].name, libraries[i].times);
}
