/*
 * nvJitLink for the software GPU. Programs link for the exact architecture of their device and load the machine code;
 * the software GPU runs PTX. While it is the device, the architecture asked for becomes the best one that this
 * nvJitLink knows, LTO-IR is linked to PTX, and what needs no compiler (PTX, fat binaries, host objects and libraries)
 * goes to the driver's own linker. What is handed out as machine code is then an image that cuModuleLoadData takes.
 *
 * Reached by interposition (a program that needs libnvJitLink) and by dlsym (one that opens it); a program that has
 * libnvJitLink_static inside is out of reach. What nvJitLink takes and gives: its documentation, nvJitLink.h 13.0. Its
 * functions have names of their own for each release (__nvJitLinkCreate_13_0), all with the same parameters.
 *
 * Handles are nvJitLink's own; what is kept for one is found by it. Not thread-safe for one handle, as nvJitLink is
 * not.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redirect.h"

#define EXPORT __attribute__((visibility("default")))

typedef void *handle;
enum { SUCCESS = 0, INVALID_INPUT = 3, INTERNAL = 6 };
enum { CUBIN = 1, PTX, LTOIR, FATBIN, OBJECT, LIBRARY, ANY = 10 };

int hawser_guest_software(void);

/* nvJitLink's functions, under the names of one release. */
struct functions {
    int (*create)(void **handle, uint32_t n, const char **options);
    int (*destroy)(void **handle);
    int (*add_data)(void *handle, int type, const void *data, size_t size, const char *name);
    int (*add_file)(void *handle, int type, const char *file);
    int (*complete)(void *handle);
    int (*cubin_size)(void *handle, size_t *size), (*ptx_size)(void *handle, size_t *size);
    int (*error_size)(void *handle, size_t *size), (*info_size)(void *handle, size_t *size);
    int (*cubin)(void *handle, void *cubin);
    int (*ptx)(void *handle, char *ptx), (*error)(void *handle, char *log), (*info)(void *handle, char *log);
};

struct input {
    struct input *next;
    int type;
    size_t size;
    char name[128];
    char data[];
};

struct link {
    struct link *next;
    void *real;
    struct functions f;
    bool software, lto;
    uintptr_t registers;         /* the most that a thread may have; 0 for no limit */
    unsigned n_lto;              /* inputs that nvJitLink itself has */
    struct input *inputs, **end; /* for the driver's linker, in their order */
    char *image;                 /* what has come of it */
    size_t size;
    char error[4096]; /* the driver's */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct link *links; /* under the lock */

/* What is kept for a handle, NULL for one that did not come from here. */
static struct link *kept(handle h) {
    pthread_mutex_lock(&lock);
    struct link *l = links;
    while (l && l->real != h)
        l = l->next;
    pthread_mutex_unlock(&lock);
    return h ? l : NULL;
}

static void *library; /* the handle through which a program last looked nvJitLink up */

/* ---- the driver's linker ---- */

/* The few functions of CUDA that are needed here. The driver may be loaded later than we are. */
struct driver {
    int (*get_current)(void **context), (*set_current)(void *context);
    int (*retain)(void **context, int device), (*release)(int device);
    int (*init)(unsigned flags);
    int (*create)(unsigned n, int *options, void **values, void **state);
    int (*add)(void *state, int type, void *data, size_t size, const char *name, unsigned n, int *options,
               void **values);
    int (*complete)(void *state, void **image, size_t *size);
    int (*destroy)(void *state);
};
enum { JIT_MAX_REGISTERS, JIT_ERROR_LOG_BUFFER = 5, JIT_ERROR_LOG_BUFFER_SIZE = 6 }; /* CUjit_option */

static bool find_driver(struct driver *d) {
    static const char *const names[] = {
        "cuCtxGetCurrent", "cuCtxSetCurrent", "cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2",
        "cuInit",          "cuLinkCreate_v2", "cuLinkAddData_v2",         "cuLinkComplete",
        "cuLinkDestroy"};
    void *found[sizeof names / sizeof *names], *cuda = dlopen("libcuda.so.1", RTLD_LAZY); /* never closed */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!cuda || !(found[i] = hawser_real_dlsym(cuda, names[i]))) return false;
    memcpy(d, found, sizeof found);
    return true;
}

_Static_assert(sizeof(struct driver) == 9 * sizeof(void *), "one function for each name");

/* In CUjitInputType. */
static int driver_type(const struct input *in) {
    static const unsigned char fatbin[] = {0x50, 0xed, 0x55, 0xba};
    if (in->type == FATBIN) return 2;
    if (in->type == OBJECT) return 3;
    if (in->type == LIBRARY) return 4;
    if (in->type == CUBIN) return 0;
    if (in->type == PTX) return 1;
    if (!memcmp(in->data, fatbin, sizeof fatbin)) return 2;
    return !memcmp(in->data, "!<arch>", 7) ? 4 : !memcmp(in->data, "\177ELF", 4) ? 3 : 1;
}

static int link_inputs(struct link *h, const struct driver *d) {
    int options[] = {JIT_ERROR_LOG_BUFFER, JIT_ERROR_LOG_BUFFER_SIZE, JIT_MAX_REGISTERS};
    void *values[] = {h->error, (void *)sizeof h->error, (void *)h->registers}, *state, *image;
    size_t size;
    if (d->create(h->registers ? 3 : 2, options, values, &state)) return INTERNAL;
    int r = 0;
    for (struct input *in = h->inputs; in && !r; in = in->next)
        r = d->add(state, driver_type(in), in->data, in->size, in->name, 0, NULL, NULL);
    if (!r) r = d->complete(state, &image, &size);
    if (!r && (h->image = malloc(size))) {
        memcpy(h->image, image, size);
        h->size = size;
    }
    d->destroy(state);
    return r ? INVALID_INPUT : h->image ? SUCCESS : INTERNAL;
}

/* The driver's linker wants a context; nvJitLink wants none. */
static int link_by_driver(struct link *h) {
    struct driver d;
    void *before = NULL, *context = NULL;
    if (!find_driver(&d) || d.init(0) || d.get_current(&before)) return INTERNAL;
    if (!before && (d.retain(&context, 0) || d.set_current(context))) return INTERNAL;
    int status = link_inputs(h, &d);
    if (!before) {
        d.set_current(NULL);
        d.release(0);
    }
    return status;
}

/* ---- nvJitLink's functions ---- */

/* Of the nvJitLink that the code at caller meant to call; ours is what it called. Any that has the release's names
 * does for a caller that has none of its own: a handle stays with the one that made it. */
static bool find_functions(struct functions *f, const char *release, const void *caller, const void *ours) {
    static const char *const names[] = {
        "Create",           "Destroy",         "AddData",        "AddFile",        "Complete",     "GetLinkedCubinSize",
        "GetLinkedPtxSize", "GetErrorLogSize", "GetInfoLogSize", "GetLinkedCubin", "GetLinkedPtx", "GetErrorLog",
        "GetInfoLog"};
    void *found[sizeof names / sizeof *names];
    char name[64];
    const char *prefix = *release ? "__" : "";
    snprintf(name, sizeof name, "%snvJitLink%s%s", prefix, names[0], release);
    void *create = hawser_find_for(caller, name, ours, "libnvJitLink");
    void *from = create ? hawser_owner(create) : library; /* which stays */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(name, sizeof name, "%snvJitLink%s%s", prefix, names[i], release);
        found[i] = from ? hawser_real_dlsym(from, name) : NULL;
        if (!found[i]) return false;
    }
    memcpy(f, found, sizeof found);
    return true;
}

_Static_assert(sizeof(struct functions) == 13 * sizeof(void *), "one function for each name");

/* With the best architecture that this nvJitLink knows and that is not above the wanted one. */
static int create_software(struct link *h, uint32_t n, const char **options) {
    static const int known[] = {
        0 /* as asked */, 130, 121, 120, 110, 103, 101, 100, 90, 89, 87, 86, 80, 75, 72, 70, 62, 61, 60, 53, 52, 50};
    const char **changed = malloc((n + 1) * sizeof *changed);
    char text[32];
    uint32_t at = n, length = n;
    bool ptx = false;
    if (!changed) return INTERNAL;
    for (uint32_t i = 0; i < n; i++) {
        changed[i] = options[i];
        if (!strncmp(options[i], "-arch=", 6)) at = i;
        h->lto |= !strcmp(options[i], "-lto");
        if (!strncmp(options[i], "-maxrregcount=", 14)) h->registers = strtoul(options[i] + 14, NULL, 10);
        ptx |= !strcmp(options[i], "-ptx");
    }
    if (h->lto && !ptx) changed[length++] = "-ptx";
    const char *digits = at < n ? strchr(options[at], '_') : NULL;
    int wanted = digits ? atoi(digits + 1) : 0, status = INTERNAL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (i && known[i] >= wanted) continue;
        if (i) snprintf(text, sizeof text, "-arch=sm_%d", known[i]);
        if (i) changed[at] = text;
        status = h->f.create(&h->real, length, changed);
        if (status == SUCCESS || !wanted) break;
    }
    free(changed);
    return status;
}

static int create(handle *out, uint32_t n, const char **options, const char *release, const void *caller,
                  const void *ours) {
    struct link *h = calloc(1, sizeof *h);
    int status = INTERNAL;
    if (h && find_functions(&h->f, release, caller, ours)) {
        h->end = &h->inputs;
        h->software = out && (!n || options) && hawser_guest_software();
        status = h->software ? create_software(h, n, options) : h->f.create(out ? &h->real : NULL, n, options);
    }
    if (status != SUCCESS) {
        free(h);
        return status;
    }
    pthread_mutex_lock(&lock);
    h->next = links;
    links = h;
    pthread_mutex_unlock(&lock);
    *out = h->real;
    return status;
}

EXPORT int nvJitLinkDestroy(handle *at) {
    struct link *h = at ? kept(*at) : NULL;
    if (!h) return INVALID_INPUT;
    pthread_mutex_lock(&lock);
    struct link **p = &links;
    while (*p != h)
        p = &(*p)->next;
    *p = h->next;
    pthread_mutex_unlock(&lock);
    int status = h->f.destroy(at);
    while (h->inputs) {
        struct input *next = h->inputs->next;
        free(h->inputs);
        h->inputs = next;
    }
    free(h->image);
    free(h);
    return status;
}

/* Whether there is LTO-IR in a fat binary, or in one inside a host object or a library of them, where they begin at
 * multiples of 8 bytes of the member. An entry: u16 kind, at 4 u32 size of this header, at 8 u64 size of what follows.
 */
static bool holds_lto(const char *data, size_t size) {
    static const unsigned char magic[] = {0x50, 0xed, 0x55, 0xba};
    for (const char *at = data, *end = data + size; (at = memmem(at, (size_t)(end - at), magic, sizeof magic)); at++) {
        uint16_t header, kind;
        uint32_t before;
        uint64_t body, follows;
        size_t left = (size_t)(end - at);
        if (left < 16) break;
        memcpy(&header, at + 6, sizeof header);
        memcpy(&body, at + 8, sizeof body);
        if (header < 16 || header > left || body > left - header) continue;
        for (uint64_t i = header; i + 16 <= header + body; i += before + follows) {
            memcpy(&kind, at + i, sizeof kind);
            memcpy(&before, at + i + 4, sizeof before);
            memcpy(&follows, at + i + 8, sizeof follows);
            if (kind == 8) return true;
            if (before < 16 || follows > body) break;
        }
    }
    return false;
}

/* Whether nvJitLink itself takes it: LTO-IR, which wants a compiler. */
static bool for_nvjitlink(struct link *h, int type, const void *data, size_t size) {
    if (!h->software || type == LTOIR) return true;
    return h->lto && type != PTX && type != CUBIN && data && holds_lto(data, size);
}

static int keep(struct link *h, int type, const void *data, size_t size, const char *name) {
    if (!data || !size) return INVALID_INPUT;
    struct input *in = malloc(sizeof *in + size + 8);
    if (!in) return INTERNAL;
    *in = (struct input){.type = type, .size = size};
    snprintf(in->name, sizeof in->name, "%s", name ? name : "input");
    memcpy(in->data, data, size);
    memset(in->data + size, 0, 8);
    if (driver_type(in) == 1) in->size++; /* PTX may come without its NUL */
    *h->end = in;
    h->end = &in->next;
    return SUCCESS;
}

EXPORT int nvJitLinkAddData(handle which, int type, const void *data, size_t size, const char *name) {
    struct link *h = kept(which);
    if (!h) return INVALID_INPUT;
    if (!for_nvjitlink(h, type, data, size)) return keep(h, type, data, size, name);
    h->n_lto++;
    return h->f.add_data(h->real, type, data, size, name);
}

EXPORT int nvJitLinkAddFile(handle which, int type, const char *path) {
    struct link *h = kept(which);
    if (!h) return INVALID_INPUT;
    if (!h->software) return h->f.add_file(h->real, type, path);
    FILE *f = path ? fopen(path, "rb") : NULL;
    if (!f) return INVALID_INPUT;
    int status = INTERNAL;
    long size = fseek(f, 0, SEEK_END) ? -1 : ftell(f);
    char *data = size > 0 && !fseek(f, 0, SEEK_SET) ? malloc((size_t)size) : NULL;
    if (data && fread(data, 1, (size_t)size, f) == (size_t)size)
        status = nvJitLinkAddData(which, type, data, (size_t)size, path);
    free(data);
    fclose(f);
    return status;
}

/* The PTX that has come of LTO-IR is the first of the driver's inputs, or all. */
static int take_ptx(struct link *h) {
    size_t size = 0;
    int status = h->f.ptx_size(h->real, &size);
    struct input *in = status == SUCCESS ? malloc(sizeof *in + size + 1) : NULL;
    if (status == SUCCESS && !in) return INTERNAL;
    if (status == SUCCESS) status = h->f.ptx(h->real, in->data);
    if (status != SUCCESS) {
        free(in);
        return status;
    }
    in->data[size] = 0;
    in->type = PTX;
    in->size = size + 1;
    strcpy(in->name, "LTO-IR");
    in->next = h->inputs;
    if (!h->inputs) h->end = &in->next;
    h->inputs = in;
    return SUCCESS;
}

EXPORT int nvJitLinkComplete(handle which) {
    struct link *h = kept(which);
    if (!h) return INVALID_INPUT;
    if (!h->software) return h->f.complete(h->real);
    if (h->image) return INVALID_INPUT;
    int status = h->n_lto || !h->inputs ? h->f.complete(h->real) : SUCCESS;
    if (status == SUCCESS && h->n_lto) status = take_ptx(h);
    return status == SUCCESS ? link_by_driver(h) : status;
}

EXPORT int nvJitLinkGetLinkedCubinSize(handle which, size_t *size) {
    struct link *h = kept(which);
    if (!h || !size) return INVALID_INPUT;
    if (!h->software) return h->f.cubin_size(h->real, size);
    *size = h->size;
    return h->image ? SUCCESS : INVALID_INPUT;
}

EXPORT int nvJitLinkGetLinkedCubin(handle which, void *cubin) {
    struct link *h = kept(which);
    if (!h || !cubin) return INVALID_INPUT;
    if (!h->software) return h->f.cubin(h->real, cubin);
    if (h->image) memcpy(cubin, h->image, h->size);
    return h->image ? SUCCESS : INVALID_INPUT;
}

EXPORT int nvJitLinkGetLinkedPtxSize(handle which, size_t *size) {
    struct link *h = kept(which);
    return h ? h->f.ptx_size(h->real, size) : INVALID_INPUT;
}

EXPORT int nvJitLinkGetLinkedPtx(handle which, char *ptx) {
    struct link *h = kept(which);
    return h ? h->f.ptx(h->real, ptx) : INVALID_INPUT;
}

EXPORT int nvJitLinkGetErrorLogSize(handle which, size_t *size) {
    struct link *h = kept(which);
    if (!h || !size) return INVALID_INPUT;
    if (!h->error[0]) return h->f.error_size(h->real, size);
    *size = strlen(h->error) + 1;
    return SUCCESS;
}

EXPORT int nvJitLinkGetErrorLog(handle which, char *log) {
    struct link *h = kept(which);
    if (!h || !log) return INVALID_INPUT;
    if (!h->error[0]) return h->f.error(h->real, log);
    strcpy(log, h->error);
    return SUCCESS;
}

EXPORT int nvJitLinkGetInfoLogSize(handle which, size_t *size) {
    struct link *h = kept(which);
    return h ? h->f.info_size(h->real, size) : INVALID_INPUT;
}

EXPORT int nvJitLinkGetInfoLog(handle which, char *log) {
    struct link *h = kept(which);
    return h ? h->f.info(h->real, log) : INVALID_INPUT;
}

EXPORT int nvJitLinkCreate(handle *out, uint32_t n, const char **options) {
    return create(out, n, options, "", __builtin_return_address(0), (void *)nvJitLinkCreate);
}

/* ---- the names of each release ---- */

#define ALIAS(function, release)                                                                                       \
    EXPORT extern __typeof__(nvJitLink##function) __nvJitLink##function##release                                       \
        __attribute__((alias("nvJitLink" #function)));
/* clang-format off */
#define RELEASE(release) \
    ALIAS(Destroy, release) ALIAS(AddData, release) ALIAS(AddFile, release) ALIAS(Complete, release) \
    ALIAS(GetLinkedCubinSize, release) ALIAS(GetLinkedCubin, release) ALIAS(GetLinkedPtxSize, release) \
    ALIAS(GetLinkedPtx, release) ALIAS(GetErrorLogSize, release) ALIAS(GetErrorLog, release) \
    ALIAS(GetInfoLogSize, release) ALIAS(GetInfoLog, release) \
    EXPORT int __nvJitLinkCreate##release(handle *out, uint32_t n, const char **options) \
    { \
        return create(out, n, options, #release, __builtin_return_address(0), (void *)__nvJitLinkCreate##release); \
    }
#define RELEASES(X) \
    X(_12_0) X(_12_1) X(_12_2) X(_12_3) X(_12_4) X(_12_5) X(_12_6) X(_12_7) X(_12_8) X(_12_9) \
    X(_13_0) X(_13_1) X(_13_2) X(_13_3) X(_13_4) X(_13_5) X(_13_6) X(_13_7) X(_13_8) X(_13_9)
RELEASES(RELEASE)
/* clang-format on */

void *hawser_nvjitlink_symbol(void *from, const char *name) {
#define CREATE(release) {"Create" #release, (void *)__nvJitLinkCreate##release},
    static const struct {
        const char *name;
        void *ours;
    } of_release[] = {RELEASES(CREATE)}, table[] = {{"Create", (void *)nvJitLinkCreate},
                                                    {"Destroy", (void *)nvJitLinkDestroy},
                                                    {"AddData", (void *)nvJitLinkAddData},
                                                    {"AddFile", (void *)nvJitLinkAddFile},
                                                    {"Complete", (void *)nvJitLinkComplete},
                                                    {"GetLinkedCubinSize", (void *)nvJitLinkGetLinkedCubinSize},
                                                    {"GetLinkedCubin", (void *)nvJitLinkGetLinkedCubin},
                                                    {"GetLinkedPtxSize", (void *)nvJitLinkGetLinkedPtxSize},
                                                    {"GetLinkedPtx", (void *)nvJitLinkGetLinkedPtx},
                                                    {"GetErrorLogSize", (void *)nvJitLinkGetErrorLogSize},
                                                    {"GetErrorLog", (void *)nvJitLinkGetErrorLog},
                                                    {"GetInfoLogSize", (void *)nvJitLinkGetInfoLogSize},
                                                    {"GetInfoLog", (void *)nvJitLinkGetInfoLog}};
    const char *rest = name + (name[0] == '_' ? 2 : 0) + strlen("nvJitLink"), *release = strchr(rest, '_');
    size_t length = release ? (size_t)(release - rest) : strlen(rest);
    void *ours = NULL;
    for (size_t i = 0; !release && i < sizeof table / sizeof *table; i++)
        if (!strcmp(rest, table[i].name)) ours = table[i].ours;
    for (size_t i = 0; release && i < sizeof of_release / sizeof *of_release; i++) {
        if (strcmp(release, of_release[i].name + strlen("Create"))) continue;
        if (!strcmp(rest, of_release[i].name)) ours = of_release[i].ours;
        for (size_t k = 1; k < sizeof table / sizeof *table; k++)
            if (strlen(table[k].name) == length && !strncmp(rest, table[k].name, length)) ours = table[k].ours;
    }
    if (!ours || from == RTLD_DEFAULT || from == RTLD_NEXT || !hawser_real_dlsym(from, name)) return NULL;
    library = from;
    return ours;
}
