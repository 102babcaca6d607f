/* Looking into ELF files (libelf): what hawser run must know before it starts a program. Thread-safe. */
#ifndef HAWSER_INSPECT_H
#define HAWSER_INSPECT_H

#include <stdbool.h>
#include <stddef.h>

struct hawser_elf {
    bool is_elf;    /* else: a script, or something the kernel knows */
    bool is_static; /* a program without a dynamic loader: nothing can be preloaded */
    bool is_64_bit;
    bool is_native;   /* for x86-64 */
    unsigned machine; /* EM_... */
    bool needs_cuda;  /* names libcuda.so.1 among its libraries */
};

/* 0, or -1 when the file cannot be read (errno says why). */
int hawser_elf_inspect(const char *path, struct hawser_elf *out);

/* What a file needs and holds. */
struct hawser_elf_visitor {
    void (*needs_symbol)(void *user, const char *name);                           /* undefined in its dynamic table */
    void (*section)(void *user, const char *name, const void *data, size_t size); /* with contents; valid in the call */
    void *user;
};

/* Calls the visitor for all of a file. 0, or -1 when it cannot be read or is no ELF file. */
int hawser_elf_visit(const char *path, const struct hawser_elf_visitor *visitor);

#endif
