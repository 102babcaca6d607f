/*
 * XLA (JAX, TensorFlow) for the software GPU. XLA compiles for its device with an assembler that is linked into it, and
 * keeps kernels of some libraries as machine code; both can be told otherwise, by flags in XLA_FLAGS, which it reads
 * when its first client is made. So when the library with XLA in it has been opened and the device is the software GPU,
 * the flags below are put before those that the program's user gave, and the assembler becomes ours (scripts/ptxas),
 * which hands the PTX on. Unknown flags end the program, so only those are set whose names the library holds.
 *
 * The flags: XLA's documentation of XLA_FLAGS, and xla.proto, DebugOptions.
 */
#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redirect.h"

/* In libhawser-cuda.so.1: whether the host's first device is the software GPU. Opens the session. */
int hawser_guest_software(void);

static const struct {
    const char *name, *value; /* NULL: the folder of our assembler */
} flags[] = {
    {"xla_gpu_enable_libnvptxcompiler", "false"},
    {"xla_gpu_enable_libnvjitlink", "false"},
    {"xla_gpu_cuda_data_dir", NULL},
    /* Which of many kernels is the fastest on a CPU is not worth the time to try them all. */
    {"xla_gpu_autotune_level", "0"},
};
enum { N_FLAGS = sizeof flags / sizeof *flags };

bool hawser_is_xla(const char *name) {
    static const char *const names[] = {"xla_cuda_plugin.so" /* JAX */, "libtensorflow_framework.so.2"};
    const char *slash = strrchr(name, '/');
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(slash ? slash + 1 : name, names[i])) return true;
    return false;
}

/* Marks the flags whose names are among the strings of a segment. */
static void find_names(const char *at, const char *end, bool *found) {
    static const char prefix[] = "xla_gpu_";
    while ((at = memmem(at, (size_t)(end - at), prefix, sizeof prefix - 1))) {
        for (size_t i = 0; i < N_FLAGS; i++) {
            size_t size = strlen(flags[i].name) + 1;
            if ((size_t)(end - at) >= size && !memcmp(at, flags[i].name, size)) found[i] = true;
        }
        at += sizeof prefix - 1;
    }
}

/* The folder beside this object in which bin/ptxas is ours. */
static bool data_folder(char *out, size_t size) {
    Dl_info self;
    if (!dladdr(flags, &self) || !self.dli_fname) return false;
    const char *slash = strrchr(self.dli_fname, '/');
    int n = slash ? snprintf(out, size, "%.*s/softgpu", (int)(slash - self.dli_fname), self.dli_fname) : -1;
    return n > 0 && (size_t)n < size;
}

void hawser_xla_opened(const struct dl_phdr_info *object) {
    bool found[N_FLAGS] = {false};
    char folder[PATH_MAX];
    const char *given = getenv("XLA_FLAGS");
    if (given && *given && !strstr(given, "--")) return; /* the name of a file */
    if (!hawser_guest_software() || !data_folder(folder, sizeof folder)) return;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &object->dlpi_phdr[i];
        const char *start = (const char *)(object->dlpi_addr + p->p_vaddr);
        if (p->p_type == PT_LOAD && p->p_flags == PF_R) find_names(start, start + p->p_filesz, found);
    }
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) return;
    for (size_t i = 0; i < N_FLAGS; i++)
        if (found[i]) fprintf(out, "--%s=%s ", flags[i].name, flags[i].value ? flags[i].value : folder);
    fprintf(out, "%s", given ? given : "");
    if (fclose(out) == 0 && size) setenv("XLA_FLAGS", text, 1);
    free(text);
}
