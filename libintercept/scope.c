/* Which function a caller would have got of a library whose functions we stand for, had it not got ours. */
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "redirect.h"

void *hawser_owner(const void *address) {
    Dl_info info;
    struct link_map *map;
    if (!dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP)) return NULL;
    return dlopen(*map->l_name ? map->l_name : NULL, RTLD_LAZY | RTLD_NOLOAD);
}

struct search {
    const char *file; /* how the library's file name begins */
    unsigned skip;    /* so many of them have been looked at */
    char path[4096];
};

static int find_file(struct dl_phdr_info *o, size_t size, void *arg) {
    struct search *s = arg;
    const char *slash = strrchr(o->dlpi_name, '/');
    (void)size;
    if (strncmp(slash ? slash + 1 : o->dlpi_name, s->file, strlen(s->file)) || s->skip-- > 0) return 0;
    snprintf(s->path, sizeof s->path, "%s", o->dlpi_name);
    return 1;
}

void *hawser_find_for(const void *caller, const char *name, const void *ours, const char *file) {
    /* What the caller's library needs itself: nobody else may see it, if that was opened with RTLD_LOCAL. */
    void *scope = hawser_owner(caller), *found = scope ? hawser_real_dlsym(scope, name) : NULL;
    if (scope) dlclose(scope);
    if (found && found != ours) return found;
    if ((found = hawser_real_dlsym(RTLD_NEXT, name))) return found;
    /* A caller that was handed the address by somebody else. */
    for (unsigned n = 0;; n++) {
        struct search s = {file, n, ""};
        if (!dl_iterate_phdr(find_file, &s)) return NULL;
        void *library = dlopen(s.path, RTLD_LAZY | RTLD_NOLOAD);
        found = library ? hawser_real_dlsym(library, name) : NULL;
        if (library) dlclose(library);
        if (found && found != ours) return found;
    }
}
