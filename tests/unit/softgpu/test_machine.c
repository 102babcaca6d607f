#include <criterion/criterion.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

enum { KIND_REGISTERS = 0x2f, KIND_OTHER = 0x11 };

// A cubin as far as registers go: names, symbols and notes.
struct cubin {
    Elf64_Ehdr file;
    Elf64_Shdr section[5];
    char names[64], symbol_names[16];
    Elf64_Sym symbol[3];
    struct {
        uint8_t format, kind;
        uint16_t size;
        uint32_t symbol, value;
    } note[3];
};

static struct cubin make(void) {
    static const char names[] = "\0.strtab\0.symtab\0.shstrtab\0.nv.info";
    struct cubin c = {
        .file = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64},
                 .e_shoff = offsetof(struct cubin, section),
                 .e_shentsize = sizeof(Elf64_Shdr),
                 .e_shnum = 5,
                 .e_shstrndx = 3},
        .section = {[1] = {.sh_name = 1,
                           .sh_type = SHT_STRTAB,
                           .sh_offset = offsetof(struct cubin, symbol_names),
                           .sh_size = sizeof c.symbol_names},
                    [2] = {.sh_name = 9,
                           .sh_type = SHT_SYMTAB,
                           .sh_offset = offsetof(struct cubin, symbol),
                           .sh_size = sizeof c.symbol,
                           .sh_link = 1},
                    [3] = {.sh_name = 17,
                           .sh_type = SHT_STRTAB,
                           .sh_offset = offsetof(struct cubin, names),
                           .sh_size = sizeof c.names},
                    [4] = {.sh_name = 27,
                           .sh_type = SHT_LOPROC,
                           .sh_offset = offsetof(struct cubin, note),
                           .sh_size = sizeof c.note}},
        .symbol_names = "\0one\0two",
        .symbol = {[1] = {.st_name = 1}, [2] = {.st_name = 5}},
        .note = {{4, KIND_REGISTERS, 8, 2, 40}, {4, KIND_OTHER, 8, 1, 7}, {4, KIND_REGISTERS, 8, 1, 24}},
    };
    memcpy(c.names, names, sizeof names);
    return c;
}

Test(machine, registers_are_told_by_name) {
    struct cubin c = make();
    struct sg_registers r = {0};
    sg_registers_add(&r, &c, sizeof c);
    cr_assert_eq(r.n, 2);
    cr_expect_str_eq(r.function[0].name, "two");
    cr_expect_eq(r.function[0].count, 40);
    cr_expect_str_eq(r.function[1].name, "one");
    cr_expect_eq(r.function[1].count, 24);
    sg_registers_free(&r);
}

// Of a file that is cut off or has wrong numbers, nothing is read that is not there (the sanitizers would tell).
Test(machine, a_broken_file_harms_nothing) {
    struct cubin c = make();
    for (size_t size = 0; size < sizeof c; size++) {
        struct sg_registers r = {0};
        char *cut = malloc(size ? size : 1);
        memcpy(cut, &c, size);
        sg_registers_add(&r, cut, size);
        cr_expect_leq(r.n, 2);
        sg_registers_free(&r);
        free(cut);
    }
    srand(1);
    for (int i = 0; i < 20000; i++) {
        struct sg_registers r = {0};
        struct cubin *broken = malloc(sizeof *broken);
        *broken = c;
        for (int k = rand() % 4; k >= 0; k--)
            ((uint8_t *)broken)[(size_t)rand() % sizeof c] = (uint8_t)rand();
        sg_registers_add(&r, broken, sizeof *broken);
        sg_registers_free(&r);
        free(broken);
    }
}
