/* Looking into ELF files (libelf): what hawser run must know before it starts a program. Thread-safe. */
#ifndef HAWSER_INSPECT_H
#define HAWSER_INSPECT_H

#include <stdbool.h>

struct hawser_elf {
    bool is_elf;      /* else: a script, or something the kernel knows */
    bool is_static;   /* has no dynamic loader: nothing can be preloaded */
    bool is_64_bit;
    bool needs_cuda;  /* names libcuda.so.1 among its libraries */
};

/* 0, or -1 when the file cannot be read (errno says why). */
int hawser_elf_inspect(const char *path, struct hawser_elf *out);

#endif
