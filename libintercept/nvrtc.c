/*
 * NVRTC for the software GPU. Programs compile for the exact architecture of their device and load the machine code;
 * the software GPU runs PTX. While it is the device, the architecture asked for becomes the virtual one that this
 * NVRTC knows, and where there is no machine code the PTX is handed out in its place: cuModuleLoadData takes either.
 *
 * Reached by interposition (a program that needs libnvrtc) and by dlsym (one that opens it); a program that has
 * libnvrtc_static inside is out of reach. What NVRTC takes and gives: its documentation, nvrtc.h 13.0.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redirect.h"

#define EXPORT __attribute__((visibility("default")))

typedef struct nvrtc_program *program;
enum { SUCCESS = 0, OUT_OF_MEMORY = 1, INTERNAL_ERROR = 11 };

/* In libhawser-cuda.so.1: whether the host's first device is the software GPU. Opens the session. */
int hawser_guest_software(void);

static void *library; /* the handle through which a program looked NVRTC up; NULL for the global scope */

static void *real(const char *name)
{
    return hawser_real_dlsym(library ? library : RTLD_NEXT, name);
}

/* The number after sm_ or compute_, 0 for none. */
static int number_of(const char *arch)
{
    const char *digits = strchr(arch, '_');
    return digits ? atoi(digits + 1) : 0;
}

/* The best architecture that this NVRTC compiles for and that is not above the wanted one. */
static int supported(int wanted)
{
    int n = 0, best = 0, list[256];
    int (*count)(int *) = real("nvrtcGetNumSupportedArchs"), (*get)(int *) = real("nvrtcGetSupportedArchs");
    if (!count || !get || count(&n) != SUCCESS || n > 256 || get(list) != SUCCESS) return wanted;
    for (int i = 0; i < n; i++)
        if (list[i] <= wanted && list[i] > best) best = list[i];
    return best ? best : wanted;
}

/* Where an option's architecture begins, in it or in the next one; NULL when it is another option. */
static const char *architecture(const char *const *options, int n, int i, int *at)
{
    static const char *const names[] = {"--gpu-architecture", "-arch"};
    for (int k = 0; k < 2; k++) {
        size_t length = strlen(names[k]);
        if (strncmp(options[i], names[k], length)) continue;
        *at = i;
        if (options[i][length] == '=') return options[i] + length + 1;
        *at = i + 1;
        if (!options[i][length] && i + 1 < n) return options[i + 1];
    }
    return NULL;
}

EXPORT int nvrtcCompileProgram(program prog, int numOptions, const char *const *options)
{
    int (*compile)(program, int, const char *const *) = real("nvrtcCompileProgram");
    if (!compile) return INTERNAL_ERROR;
    if (numOptions <= 0 || !options || !hawser_guest_software()) return compile(prog, numOptions, options);
    const char **changed = malloc((size_t)numOptions * sizeof *changed);
    char (*text)[64] = calloc((size_t)numOptions, sizeof *text);
    int status = OUT_OF_MEMORY;
    if (changed && text) {
        memcpy(changed, options, (size_t)numOptions * sizeof *changed);
        for (int i = 0, at; i < numOptions; i++) {
            const char *arch = architecture(options, numOptions, i, &at);
            if (!arch || !number_of(arch)) continue;
            snprintf(text[i], sizeof text[i], "%scompute_%d", at == i ? "--gpu-architecture=" : "",
                     supported(number_of(arch)));
            changed[at] = text[i];
        }
        status = compile(prog, numOptions, changed);
    }
    free(text);
    free(changed);
    return status;
}

/* The size or the bytes of the machine code, or of the PTX where there is none. */
static int machine_code(program prog, size_t *size, char *out)
{
    int (*cubin_size)(program, size_t *) = real("nvrtcGetCUBINSize"), (*ptx_size)(program, size_t *) = real("nvrtcGetPTXSize");
    int (*cubin)(program, char *) = real("nvrtcGetCUBIN"), (*ptx)(program, char *) = real("nvrtcGetPTX");
    size_t bytes = 0;
    if (!cubin_size || !ptx_size || !cubin || !ptx) return INTERNAL_ERROR;
    int status = cubin_size(prog, &bytes);
    if (bytes || !hawser_guest_software()) {
        if (size) *size = bytes;
        return status != SUCCESS || !out ? status : cubin(prog, out);
    }
    return out ? ptx(prog, out) : ptx_size(prog, size);
}

EXPORT int nvrtcGetCUBINSize(program prog, size_t *size)
{
    return machine_code(prog, size, NULL);
}

EXPORT int nvrtcGetCUBIN(program prog, char *cubin)
{
    return machine_code(prog, NULL, cubin);
}

void *hawser_nvrtc_symbol(void *handle, const char *name)
{
    static const struct {
        const char *name;
        void *ours;
    } table[] = {{"nvrtcCompileProgram", (void *)nvrtcCompileProgram},
                 {"nvrtcGetCUBINSize", (void *)nvrtcGetCUBINSize},
                 {"nvrtcGetCUBIN", (void *)nvrtcGetCUBIN}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(name, table[i].name)) continue;
        if (handle == RTLD_DEFAULT || handle == RTLD_NEXT) return NULL; /* interposition does it */
        if (!hawser_real_dlsym(handle, name)) return NULL;
        library = handle;
        return table[i].ours;
    }
    return NULL;
}
