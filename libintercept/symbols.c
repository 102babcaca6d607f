/* The look-ups of dlsym.S: which names are answered here. */
#include <dlfcn.h>
#include <stdbool.h>

#include "redirect.h"

void *(*hawser_real_dlsym)(void *handle, const char *name);

/* Not by dlsym, which is ours. */
void hawser_find_dlsym(void)
{
    hawser_real_dlsym = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
    if (!hawser_real_dlsym)
        hawser_real_dlsym = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
}

/* Called by all kinds of code at all times, by sanitizers before libc's functions may be used: so the common case
 * uses none. */
void *hawser_find_symbol(void *handle, const char *name)
{
    if (!hawser_real_dlsym) hawser_find_dlsym();
    bool may_be_ours = name && name[0] == 'n' && name[1] == 'v' && name[2] == 'r' && name[3] == 't';
    return may_be_ours ? hawser_symbol(handle, name) : NULL;
}
