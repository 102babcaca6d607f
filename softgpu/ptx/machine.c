#include "machine.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

// Attributes in .nv.info: a byte of format, one of kind, and a 16-bit size or value.
enum { FORMAT_SIZED = 4, KIND_REGISTERS = 0x2f };

struct bytes {
    const char *at;
    size_t size;
};

// [offset, offset + size) of b; empty when it does not lie in it.
static struct bytes part(struct bytes b, uint64_t offset, uint64_t size) {
    if (offset > b.size || size > b.size - offset) return (struct bytes){b.at, 0};
    return (struct bytes){b.at + offset, size};
}

static bool section(struct bytes elf, const Elf64_Ehdr *file, unsigned i, Elf64_Shdr *header) {
    struct bytes b = part(elf, file->e_shoff + (uint64_t)i * sizeof *header, sizeof *header);
    if (b.size) memcpy(header, b.at, sizeof *header);
    return b.size && header->sh_type != SHT_NOBITS;
}

// The text at an offset of a table, "" when it does not end there.
static const char *text_at(struct bytes table, uint64_t offset) {
    struct bytes rest = part(table, offset, offset < table.size ? table.size - offset : 0);
    return rest.size && memchr(rest.at, 0, rest.size) ? rest.at : "";
}

static void add(struct sg_registers *r, const char *name, uint32_t count) {
    if (r->n == r->room) {
        size_t room = r->room ? r->room * 2 : 16;
        struct sg_register_count *more = realloc(r->function, room * sizeof *more);
        if (!more) return;
        r->function = more;
        r->room = room;
    }
    char *copy = strdup(name);
    if (copy) r->function[r->n++] = (struct sg_register_count){copy, count};
}

static void read_notes(struct sg_registers *r, struct bytes notes, struct bytes symbols, struct bytes names) {
    while (notes.size >= 4) {
        uint16_t value;
        memcpy(&value, notes.at + 2, sizeof value);
        size_t size = notes.at[0] == FORMAT_SIZED ? value : 0;
        if (size > notes.size - 4) return;
        if (notes.at[0] == FORMAT_SIZED && notes.at[1] == KIND_REGISTERS && size >= 8) {
            uint32_t field[2]; // symbol, registers
            Elf64_Sym symbol;
            memcpy(field, notes.at + 4, sizeof field);
            struct bytes b = part(symbols, (uint64_t)field[0] * sizeof symbol, sizeof symbol);
            if (b.size) {
                memcpy(&symbol, b.at, sizeof symbol);
                const char *name = text_at(names, symbol.st_name);
                if (*name) add(r, name, field[1]);
            }
        }
        notes = part(notes, 4 + size, notes.size - 4 - size);
    }
}

void sg_registers_add(struct sg_registers *r, const void *elf, size_t size) {
    struct bytes all = {elf, size};
    Elf64_Ehdr file;
    Elf64_Shdr header, table;
    if (size < sizeof file || memcmp(elf, ELFMAG, SELFMAG)) return;
    memcpy(&file, elf, sizeof file);
    if (file.e_ident[EI_CLASS] != ELFCLASS64 || file.e_shentsize != sizeof header ||
        !section(all, &file, file.e_shstrndx, &header))
        return;
    struct bytes section_names = part(all, header.sh_offset, header.sh_size), notes = {0}, symbols = {0}, names = {0};
    for (unsigned i = 0; i < file.e_shnum; i++) {
        if (!section(all, &file, i, &header)) continue;
        struct bytes body = part(all, header.sh_offset, header.sh_size);
        if (!strcmp(text_at(section_names, header.sh_name), ".nv.info")) notes = body;
        if (header.sh_type != SHT_SYMTAB || !section(all, &file, header.sh_link, &table)) continue;
        symbols = body;
        names = part(all, table.sh_offset, table.sh_size);
    }
    read_notes(r, notes, symbols, names);
}

void sg_registers_free(struct sg_registers *r) {
    for (size_t i = 0; i < r->n; i++)
        free(r->function[i].name);
    free(r->function);
    *r = (struct sg_registers){0};
}

void sg_registers_tell(const struct sg_registers *r, struct sg_module *module) {
    for (size_t i = 0; i < r->n; i++) {
        struct sg_function *fn = sg_module_entry(module, r->function[i].name);
        if (fn) fn->registers = r->function[i].count;
    }
}
