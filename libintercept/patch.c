/*
 * What the dynamic loader binds otherwise than a program expects that is not told of us, mended in the global offset
 * tables of its libraries:
 *
 * - Our libraries are in the global scope, before those that are opened later. A library that defines a name of theirs
 *   itself (function pointers called cuInit, filled by dlsym, are common) must have its own.
 * - A library opened with RTLD_DEEPBIND looks names up in libc before it looks here: its dlopen and dlsym become ours.
 *
 * Objects are looked at once, when they are there: at the start, and after each dlopen of a path.
 */
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "redirect.h"

#if defined(__x86_64__)
enum { MAX_OURS = 8 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all below */
static struct { uintptr_t start, end; } ours[MAX_OURS];  /* hawser's libraries */
static unsigned n_ours;
static uintptr_t *seen; /* the bases of objects that were looked at */
static size_t n_seen, cap_seen;
static unsigned long long adds, subs; /* objects loaded and unloaded by then */
static struct dl_phdr_info xla;       /* the object with XLA in it, when it is new; no phdr, none */

/* ---- one slot ---- */

static void set(const struct dl_phdr_info *o, void **at, void *value) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *start = (void *)((uintptr_t)at & ~(page - 1));
    bool read_only = false; /* since it was relocated */
    if (*at == value) return;
    for (int i = 0; i < o->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &o->dlpi_phdr[i];
        read_only |= p->p_type == PT_GNU_RELRO && (uintptr_t)at - (o->dlpi_addr + p->p_vaddr) < p->p_memsz;
    }
    if (read_only && mprotect(start, page, PROT_READ | PROT_WRITE) != 0) return;
    *at = value;
    if (read_only) mprotect(start, page, PROT_READ);
}

static void *interposed(const char *name) {
    static const struct {
        const char *name;
        void *address;
    } table[] = {{"dlopen", (void *)dlopen}, {"dlmopen", (void *)dlmopen}, {"dlsym", (void *)dlsym}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(name, table[i].name)) return table[i].address;
    return NULL;
}

static bool in_ours(const void *p) {
    for (unsigned i = 0; i < n_ours; i++)
        if ((uintptr_t)p >= ours[i].start && (uintptr_t)p < ours[i].end) return true;
    return false;
}

/* ---- one object ---- */

struct tables {
    const ElfW(Sym) * symbols;
    const char *names;
    const ElfW(Rela) * rela[2];
    size_t n[2];
};

static bool find_tables(const struct dl_phdr_info *o, struct tables *t) {
    uintptr_t at[DT_JMPREL + 1] = {0};
    const ElfW(Dyn) *d = NULL;
    for (int i = 0; i < o->dlpi_phnum; i++)
        if (o->dlpi_phdr[i].p_type == PT_DYNAMIC) d = (const void *)(o->dlpi_addr + o->dlpi_phdr[i].p_vaddr);
    for (; d && d->d_tag != DT_NULL; d++)
        if (d->d_tag > 0 && d->d_tag <= DT_JMPREL) at[d->d_tag] = d->d_un.d_val;
    static const int addresses[] = {DT_SYMTAB, DT_STRTAB, DT_JMPREL, DT_RELA};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) /* the loader has mostly made them absolute */
        if (at[addresses[i]] && at[addresses[i]] < o->dlpi_addr) at[addresses[i]] += o->dlpi_addr;
    *t = (struct tables){(const void *)at[DT_SYMTAB],
                         (const void *)at[DT_STRTAB],
                         {(const void *)at[DT_JMPREL], (const void *)at[DT_RELA]},
                         {at[DT_JMPREL] ? at[DT_PLTRELSZ] / sizeof(ElfW(Rela)) : 0,
                          at[DT_RELA] ? at[DT_RELASZ] / sizeof(ElfW(Rela)) : 0}};
    return t->symbols && t->names;
}

static void patch_slot(const struct dl_phdr_info *o, const struct tables *t, const ElfW(Rela) * r, bool deep) {
    unsigned type = (unsigned)ELF64_R_TYPE(r->r_info);
    if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT && type != R_X86_64_64) return;
    const ElfW(Sym) *symbol = &t->symbols[ELF64_R_SYM(r->r_info)];
    bool own = symbol->st_shndx != SHN_UNDEF && symbol->st_value;
    if (!own && !deep) return; /* nearly all: without a look at the name */
    const char *name = t->names + symbol->st_name;
    void **slot = (void **)(o->dlpi_addr + r->r_offset), *mine = deep ? interposed(name) : NULL;
    if (mine && type != R_X86_64_64) {
        set(o, slot, mine);
        return;
    }
    bool api = (name[0] == 'c' && name[1] == 'u') || (name[0] == 'n' && name[1] == 'v' && name[2] == 'm');
    if (!api || !own) return;
    if (type == R_X86_64_JUMP_SLOT || in_ours((char *)*slot - (type == R_X86_64_64 ? r->r_addend : 0)))
        set(o, slot, (char *)o->dlpi_addr + symbol->st_value + (type == R_X86_64_64 ? r->r_addend : 0));
}

static bool is_new(uintptr_t base) {
    for (size_t i = 0; i < n_seen; i++)
        if (seen[i] == base) return false;
    if (n_seen == cap_seen) {
        size_t more = cap_seen ? 2 * cap_seen : 128;
        uintptr_t *p = realloc(seen, more * sizeof *p);
        if (!p) return true;
        seen = p;
        cap_seen = more;
    }
    seen[n_seen++] = base;
    return true;
}

static int look_at(struct dl_phdr_info *o, size_t size, void *deep) {
    struct tables t;
    (void)size;
    adds = o->dlpi_adds;
    subs = o->dlpi_subs;
    if (!is_new(o->dlpi_addr) || in_ours((void *)(o->dlpi_addr + o->dlpi_phdr[0].p_vaddr)) || !find_tables(o, &t))
        return 0;
    if (hawser_is_xla(o->dlpi_name)) xla = *o;
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < t.n[k]; i++)
            patch_slot(o, &t, &t.rela[k][i], *(bool *)deep);
    return 0;
}

/* ---- when ---- */

/* Objects in the folder of this one are hawser's. */
static int note_ours(struct dl_phdr_info *o, size_t size, void *folder) {
    size_t length = strlen(folder);
    uintptr_t end = 0;
    (void)size;
    if (strncmp(o->dlpi_name, folder, length) || strchr(o->dlpi_name + length, '/') || n_ours == MAX_OURS) return 0;
    for (int i = 0; i < o->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &o->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && p->p_vaddr + p->p_memsz > end) end = p->p_vaddr + p->p_memsz;
    }
    ours[n_ours].start = o->dlpi_addr;
    ours[n_ours++].end = o->dlpi_addr + end;
    return 0;
}

static void start(void) {
    bool deep = false;
    char folder[PATH_MAX];
    Dl_info self;
    char *slash = dladdr(&lock, &self) && self.dli_fname && strlen(self.dli_fname) < sizeof folder
                      ? strrchr(strcpy(folder, self.dli_fname), '/')
                      : NULL;
    pthread_mutex_lock(&lock);
    if (slash) {
        slash[1] = 0;
        dl_iterate_phdr(note_ours, folder);
    }
    dl_iterate_phdr(look_at, &deep);
    pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void start_once(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
}

static int count(struct dl_phdr_info *o, size_t size, void *changed) {
    (void)size;
    *(bool *)changed = o->dlpi_adds != adds || o->dlpi_subs != subs;
    if (o->dlpi_subs != subs) n_seen = 0; /* something else may be where one was */
    return 1;
}

void *hawser_open_path(const char *name, int flags) {
    start_once(); /* a library's constructor may come before ours */
    void *library = hawser_real_dlopen(name, flags);
    bool deep = flags & RTLD_DEEPBIND, changed = false;
    if (!library) return NULL;
    pthread_mutex_lock(&lock);
    dl_iterate_phdr(count, &changed);
    if (changed) dl_iterate_phdr(look_at, &deep);
    struct dl_phdr_info new_xla = xla;
    xla.dlpi_phdr = NULL;
    pthread_mutex_unlock(&lock);
    if (new_xla.dlpi_phdr) hawser_xla_opened(&new_xla);
    return library;
}
#endif
