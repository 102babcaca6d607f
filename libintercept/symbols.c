/* The look-ups of dlsym.S: which names are answered here. */
#include <dlfcn.h>
#include <stdbool.h>

#include "redirect.h"

void *(*hawser_real_dlsym)(void *handle, const char *name);

/* Not by dlsym, which is ours. */
void hawser_find_dlsym(void) {
    hawser_real_dlsym = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
    if (!hawser_real_dlsym)
        hawser_real_dlsym = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
}

/* Called by all kinds of code at all times, by sanitizers before libc's functions may be used: so the common case
 * uses none. */
void *hawser_find_symbol(void *handle, const char *name) {
    if (!hawser_real_dlsym) hawser_find_dlsym();
    const char *n = name;
    if (!n) return NULL;
    if (n[0] == '_' && n[1] == '_') n += 2;
    if (n[0] != 'n' || n[1] != 'v') return NULL;
    if (n[2] == 'r' && n[3] == 't' && n[4] == 'c') return n == name ? hawser_nvrtc_symbol(handle, name) : NULL;
    bool linker = n[2] == 'J' && n[3] == 'i' && n[4] == 't' && n[5] == 'L' && n[6] == 'i' && n[7] == 'n' && n[8] == 'k';
    return linker ? hawser_nvjitlink_symbol(handle, name) : NULL;
}
