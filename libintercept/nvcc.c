/*
 * nvcc for the software GPU. Programs that have kernels compiled as they run (PyCUDA, CuPy's nvcc backend) ask for the
 * machine code of their device (nvcc --cubin) and load it; the software GPU runs PTX. So when this process is nvcc with
 * that request and the device is the software GPU, it writes PTX in the same file: cuModuleLoadData takes either. What
 * else nvcc is asked for (programs, objects, fat binaries) stays as it is.
 *
 * By NVCC_APPEND_FLAGS, which nvcc reads from its environment: NVIDIA's documentation of nvcc.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redirect.h"

/* In libhawser-cuda.so.1: whether the host's first device is the software GPU. Opens the session. */
int hawser_guest_software(void);

static bool is(const char *argument, const char *one, const char *other) {
    return !strcmp(argument, one) || !strcmp(argument, other);
}

/* The base name of a source file without its suffix, which nvcc gives to what it makes; its length, 0 for no source. */
static size_t source_name(const char *argument, const char **name) {
    static const char *const suffixes[] = {".cu", ".c", ".cc", ".cpp", ".cxx"};
    const char *slash = strrchr(argument, '/'), *dot = strrchr(argument, '.');
    *name = slash ? slash + 1 : argument;
    for (size_t i = 0; argument[0] != '-' && dot && i < sizeof suffixes / sizeof *suffixes; i++)
        if (!strcmp(dot, suffixes[i])) return (size_t)(dot - *name);
    return 0;
}

__attribute__((constructor)) static void prepare(int argc, char **argv) {
    bool cubin = false, named = false;
    const char *name = NULL, *folder = NULL, *source;
    size_t length = 0, sources = 0;
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    if (argc < 2 || strcmp(slash ? slash + 1 : argv[0], "nvcc")) return;
    for (int i = 1; i < argc; i++) {
        size_t n = source_name(argv[i], &source);
        cubin |= is(argv[i], "-cubin", "--cubin");
        named |= is(argv[i], "-o", "--output-file") || !strncmp(argv[i], "--output-file=", 14);
        if (is(argv[i], "-odir", "--output-directory")) folder = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strncmp(argv[i], "--output-directory=", 19)) folder = argv[i] + 19;
        if (!n) continue;
        sources++;
        name = source;
        length = n;
    }
    if (!cubin || !sources || (sources > 1 && !named) || !hawser_guest_software()) return;
    const char *given = getenv("NVCC_APPEND_FLAGS");
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) return;
    fprintf(out, "%s --ptx", given ? given : "");
    if (!named) fprintf(out, " -o %s%s%.*s.cubin", folder ? folder : "", folder ? "/" : "", (int)length, name);
    if (fclose(out) == 0) setenv("NVCC_APPEND_FLAGS", text, 1);
    free(text);
}
