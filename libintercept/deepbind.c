/*
 * Libraries that are opened with RTLD_DEEPBIND look names up in libc before they look here, so their dlopen and dlsym
 * are patched: in the opened library and in all that were loaded with it, the slots of the global offset table that hold
 * libc's functions get ours.
 */
#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "redirect.h"

#if defined(__x86_64__)
static void *ours(const char *name)
{
    static const struct {
        const char *name;
        void *address;
    } table[] = {{"dlopen", (void *)dlopen}, {"dlmopen", (void *)dlmopen}, {"dlsym", (void *)dlsym}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(name, table[i].name)) return table[i].address;
    return NULL;
}

struct slot {
    uintptr_t address;
    bool read_only; /* since it was relocated */
};

static int look_for(struct dl_phdr_info *object, size_t size, void *data)
{
    struct slot *s = data;
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &object->dlpi_phdr[i];
        if (p->p_type == PT_GNU_RELRO && s->address - (object->dlpi_addr + p->p_vaddr) < p->p_memsz) s->read_only = true;
    }
    return s->read_only;
}

static void set(void **at, void *value)
{
    struct slot s = {.address = (uintptr_t)at};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *start = (void *)((uintptr_t)at & ~(page - 1));
    if (*at == value) return;
    dl_iterate_phdr(look_for, &s);
    if (s.read_only && mprotect(start, page, PROT_READ | PROT_WRITE) != 0) return;
    *at = value;
    if (s.read_only) mprotect(start, page, PROT_READ);
}

static void patch_table(const struct link_map *l, const ElfW(Rela) *r, size_t bytes, const ElfW(Sym) *symbols,
                        const char *names)
{
    for (size_t i = 0; i < bytes / sizeof *r; i++) {
        unsigned type = (unsigned)ELF64_R_TYPE(r[i].r_info);
        if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) continue;
        void *value = ours(names + symbols[ELF64_R_SYM(r[i].r_info)].st_name);
        if (value) set((void **)(l->l_addr + r[i].r_offset), value);
    }
}

static void patch(const struct link_map *l)
{
    uintptr_t at[DT_JMPREL + 1] = {0};
    for (const ElfW(Dyn) *d = l->l_ld; d->d_tag != DT_NULL; d++)
        if (d->d_tag > 0 && d->d_tag <= DT_JMPREL) at[d->d_tag] = d->d_un.d_val;
    static const int addresses[] = {DT_SYMTAB, DT_STRTAB, DT_JMPREL, DT_RELA};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) /* the loader has mostly made them absolute */
        if (at[addresses[i]] && at[addresses[i]] < l->l_addr) at[addresses[i]] += l->l_addr;
    const ElfW(Sym) *symbols = (const void *)at[DT_SYMTAB];
    const char *names = (const void *)at[DT_STRTAB];
    if (!symbols || !names) return;
    if (at[DT_JMPREL]) patch_table(l, (const void *)at[DT_JMPREL], at[DT_PLTRELSZ], symbols, names);
    if (at[DT_RELA]) patch_table(l, (const void *)at[DT_RELA], at[DT_RELASZ], symbols, names);
}

void *hawser_open_deep(const char *name, int flags)
{
    void *library = hawser_real_dlopen(name, flags);
    struct link_map *l = NULL;
    if (!library || dlinfo(library, RTLD_DI_LINKMAP, &l) != 0) return library;
    for (; l; l = l->l_next) /* itself, and what was loaded after it */
        patch(l);
    return library;
}
#endif
