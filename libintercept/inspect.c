#include "inspect.h"

#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <unistd.h>

/* Names in DT_NEEDED; *program: whether it says that it is one, as those without a fixed address do. */
static void look_at_dynamic(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, struct hawser_elf *out,
                            bool *program) {
    Elf_Data *data = elf_getdata(section, NULL);
    if (!data || !header->sh_entsize) return;
    for (size_t i = 0; i < header->sh_size / header->sh_entsize; i++) {
        GElf_Dyn dyn;
        if (!gelf_getdyn(data, (int)i, &dyn) || dyn.d_tag == DT_NULL) break;
        if (dyn.d_tag == DT_FLAGS_1 && dyn.d_un.d_val & DF_1_PIE) *program = true;
        const char *name = dyn.d_tag == DT_NEEDED ? elf_strptr(elf, header->sh_link, dyn.d_un.d_val) : NULL;
        if (name && !strcmp(name, "libcuda.so.1")) out->needs_cuda = true;
    }
}

int hawser_elf_inspect(const char *path, struct hawser_elf *out) {
    memset(out, 0, sizeof *out);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    size_t segments = 0;
    if (elf && elf_kind(elf) == ELF_K_ELF && elf_getphdrnum(elf, &segments) == 0) {
        GElf_Ehdr file = {0};
        bool program = !gelf_getehdr(elf, &file) || file.e_type != ET_DYN;
        out->is_elf = out->is_static = true;
        out->is_64_bit = gelf_getclass(elf) == ELFCLASS64;
        out->machine = file.e_machine;
        out->is_native = out->is_64_bit && file.e_machine == EM_X86_64;
        for (size_t i = 0; i < segments; i++) {
            GElf_Phdr p;
            if (gelf_getphdr(elf, (int)i, &p) && p.p_type == PT_INTERP) out->is_static = false;
        }
        for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s));) {
            GElf_Shdr h;
            if (gelf_getshdr(s, &h) && h.sh_type == SHT_DYNAMIC) look_at_dynamic(elf, s, &h, out, &program);
        }
        if (!program) out->is_static = false; /* a shared library */
    }
    if (elf) elf_end(elf);
    close(fd);
    return 0;
}

static void visit_symbols(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, const struct hawser_elf_visitor *v) {
    Elf_Data *data = elf_getdata(section, NULL);
    if (!data || !header->sh_entsize) return;
    for (size_t i = 0; i < header->sh_size / header->sh_entsize; i++) {
        GElf_Sym symbol;
        if (!gelf_getsym(data, (int)i, &symbol) || symbol.st_shndx != SHN_UNDEF) continue;
        const char *name = elf_strptr(elf, header->sh_link, symbol.st_name);
        if (name && *name) v->needs_symbol(v->user, name);
    }
}

int hawser_elf_visit(const char *path, const struct hawser_elf_visitor *v) {
    int fd = open(path, O_RDONLY | O_CLOEXEC), status = -1;
    size_t names;
    if (fd < 0) return -1;
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    if (elf && elf_kind(elf) == ELF_K_ELF && elf_getshdrstrndx(elf, &names) == 0) {
        status = 0;
        for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s));) {
            GElf_Shdr h;
            if (!gelf_getshdr(s, &h)) continue;
            if (h.sh_type == SHT_DYNSYM) visit_symbols(elf, s, &h, v);
            const char *name = elf_strptr(elf, names, h.sh_name);
            Elf_Data *data = h.sh_type == SHT_PROGBITS && name ? elf_rawdata(s, NULL) : NULL;
            if (data && data->d_buf) v->section(v->user, name, data->d_buf, data->d_size);
        }
    }
    if (elf) elf_end(elf);
    close(fd);
    return status;
}
