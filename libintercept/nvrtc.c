/*
 * NVRTC for the software GPU. Programs compile for the exact architecture of their device and load the machine code;
 * the software GPU runs PTX. While it is the device, the architecture asked for becomes the virtual one that this
 * NVRTC knows, and where there is no machine code the PTX is handed out in its place: cuModuleLoadData takes either.
 *
 * Reached by interposition (a library that needs libnvrtc) and by dlsym (one that opens it); a program that has
 * libnvrtc_static inside is out of reach. A process may hold several releases of NVRTC, and a program that one of them
 * has made is good for that one only: so each has its own functions here. What NVRTC takes and gives: its
 * documentation, nvrtc.h 13.0.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redirect.h"

#define EXPORT __attribute__((visibility("default")))

typedef struct nvrtc_program *program;
enum { SUCCESS = 0, OUT_OF_MEMORY = 1, INTERNAL_ERROR = 11 };
enum { MAX_RELEASES = 8 };

EXPORT int nvrtcCompileProgram(program prog, int numOptions, const char *const *options);

/* In libhawser-cuda.so.1: whether the host's first device is the software GPU. Opens the session. */
int hawser_guest_software(void);

/* ---- the NVRTCs of this process ---- */

/* The functions of one; old releases lack some. */
struct nvrtc {
    int (*compile)(program, int n, const char *const *options);
    int (*cubin_size)(program, size_t *), (*ptx_size)(program, size_t *);
    int (*cubin)(program, char *), (*ptx)(program, char *);
    int (*n_archs)(int *), (*archs)(int *);
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct nvrtc releases[MAX_RELEASES]; /* the first n_releases stay as they are */
static unsigned n_releases;                 /* under the lock */

static void fill(struct nvrtc *n, void *compile) {
    static const char *const names[] = {"nvrtcGetCUBINSize", "nvrtcGetPTXSize",           "nvrtcGetCUBIN",
                                        "nvrtcGetPTX",       "nvrtcGetNumSupportedArchs", "nvrtcGetSupportedArchs"};
    void *found[1 + sizeof names / sizeof *names] = {compile}, *library = hawser_owner(compile); /* which stays */
    for (size_t i = 0; library && i < sizeof names / sizeof *names; i++)
        found[1 + i] = hawser_real_dlsym(library, names[i]);
    memcpy(n, found, sizeof found);
}

_Static_assert(sizeof(struct nvrtc) == 7 * sizeof(void *), "one function for each name");

/* The number of the NVRTC with this nvrtcCompileProgram; MAX_RELEASES when there are too many. */
static unsigned release_of(void *compile) {
    unsigned i = 0;
    pthread_mutex_lock(&lock);
    while (i < n_releases && (void *)releases[i].compile != compile)
        i++;
    if (i == n_releases && i < MAX_RELEASES) fill(&releases[n_releases++], compile);
    pthread_mutex_unlock(&lock);
    return i;
}

/* The one whose function the code at that address meant to call, or NULL. */
static const struct nvrtc *meant_by(const void *caller) {
    static const char key[] = "nvrtcCompileProgram";
    void *compile = hawser_find_for(caller, key, (void *)nvrtcCompileProgram, "libnvrtc");
    unsigned i = compile ? release_of(compile) : MAX_RELEASES;
    return i < MAX_RELEASES ? &releases[i] : NULL;
}

/* ---- compiling ---- */

/* The number after sm_ or compute_, 0 for none. */
static int number_of(const char *arch) {
    const char *digits = strchr(arch, '_');
    return digits ? atoi(digits + 1) : 0;
}

/* The best architecture that this NVRTC compiles for and that is not above the wanted one. */
static int supported(const struct nvrtc *r, int wanted) {
    int n = 0, best = 0, list[256];
    if (!r->n_archs || !r->archs || r->n_archs(&n) != SUCCESS || n > 256 || r->archs(list) != SUCCESS) return wanted;
    for (int i = 0; i < n; i++)
        if (list[i] <= wanted && list[i] > best) best = list[i];
    return best ? best : wanted;
}

/* Where an option's architecture begins, in it or in the next one; NULL when it is another option. */
static const char *architecture(const char *const *options, int n, int i, int *at) {
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

static int compile(const struct nvrtc *r, program prog, int n, const char *const *options) {
    if (!r) return INTERNAL_ERROR;
    if (n <= 0 || !options || !hawser_guest_software()) return r->compile(prog, n, options);
    const char **changed = malloc((size_t)n * sizeof *changed);
    char(*text)[64] = calloc((size_t)n, sizeof *text);
    int status = OUT_OF_MEMORY;
    if (changed && text) {
        memcpy(changed, options, (size_t)n * sizeof *changed);
        for (int i = 0, at; i < n; i++) {
            const char *arch = architecture(options, n, i, &at);
            if (!arch || !number_of(arch)) continue;
            snprintf(text[i], sizeof text[i], "%scompute_%d", at == i ? "--gpu-architecture=" : "",
                     supported(r, number_of(arch)));
            changed[at] = text[i];
        }
        status = r->compile(prog, n, changed);
    }
    free(text);
    free(changed);
    return status;
}

/* The size or the bytes of the machine code, or of the PTX where there is none. */
static int machine_code(const struct nvrtc *r, program prog, size_t *size, char *out) {
    size_t bytes = 0;
    if (!r || !r->cubin_size || !r->ptx_size || !r->cubin || !r->ptx) return INTERNAL_ERROR;
    int status = r->cubin_size(prog, &bytes);
    if (bytes || !hawser_guest_software()) {
        if (size) *size = bytes;
        return status != SUCCESS || !out ? status : r->cubin(prog, out);
    }
    return out ? r->ptx(prog, out) : r->ptx_size(prog, size);
}

/* ---- for those that are linked against it ---- */

EXPORT int nvrtcCompileProgram(program prog, int numOptions, const char *const *options) {
    return compile(meant_by(__builtin_return_address(0)), prog, numOptions, options);
}

EXPORT int nvrtcGetCUBINSize(program prog, size_t *size) {
    return machine_code(meant_by(__builtin_return_address(0)), prog, size, NULL);
}

EXPORT int nvrtcGetCUBIN(program prog, char *cubin) {
    return machine_code(meant_by(__builtin_return_address(0)), prog, NULL, cubin);
}

/* ---- for those that look it up: a set for each release ---- */

#define SET(i)                                                                                                         \
    static int compile_##i(program p, int n, const char *const *options) {                                             \
        return compile(&releases[i], p, n, options);                                                                   \
    }                                                                                                                  \
    static int cubin_size_##i(program p, size_t *size) {                                                               \
        return machine_code(&releases[i], p, size, NULL);                                                              \
    }                                                                                                                  \
    static int cubin_##i(program p, char *cubin) {                                                                     \
        return machine_code(&releases[i], p, NULL, cubin);                                                             \
    }
SET(0)
SET(1)
SET(2)
SET(3)
SET(4)
SET(5)
SET(6)
SET(7)

void *hawser_nvrtc_symbol(void *handle, const char *name) {
    static const char *const names[] = {"nvrtcCompileProgram", "nvrtcGetCUBINSize", "nvrtcGetCUBIN"};
#define ROW(i)                                                                                                         \
    { (void *)compile_##i, (void *)cubin_size_##i, (void *)cubin_##i }
    static void *const sets[MAX_RELEASES][3] = {ROW(0), ROW(1), ROW(2), ROW(3), ROW(4), ROW(5), ROW(6), ROW(7)};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i])) continue;
        if (handle == RTLD_DEFAULT || handle == RTLD_NEXT) return NULL; /* interposition does it */
        void *real = hawser_real_dlsym(handle, names[0]);
        if (!real || real == (void *)nvrtcCompileProgram || !hawser_real_dlsym(handle, name)) return NULL;
        unsigned release = release_of(real);
        return release < MAX_RELEASES ? sets[release][i] : NULL;
    }
    return NULL;
}
