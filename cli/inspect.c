/*
 * hawser inspect: what a program and the libraries that it loads ask of the APIs that hawser carries, what GPU code
 * they hold, and whether the software GPU can run it. Nothing of the program is run.
 */
#include "hawser.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cuda_api.h"
#include "fatbin.h"
#include "inspect.h"
#include "nvml_api.h"

#define MAX_FILES 512
#define MAX_PARTS 256 /* of a program of relocatable code */

/* ---- the APIs ---- */

enum { CUDA_DRIVER, NVML, N_APIS };

static const struct {
    const char *title, *library, *prefix;
    const struct hawser_api_name *names; /* sorted */
} apis[N_APIS] = {
    [CUDA_DRIVER] = {"CUDA driver ", "libcuda.so.1", "cu", hawser_cuda_names},
    [NVML] = {"NVML        ", "libnvidia-ml.so.1", "nvml", hawser_nvml_names},
};

/* The function, and its API in *api; NULL when it is none that hawser knows. */
static const struct hawser_api_name *api_function(const char *name, int *api) {
    static size_t counts[N_APIS];
    for (*api = 0; *api < N_APIS && strncmp(name, apis[*api].prefix, strlen(apis[*api].prefix)) != 0;)
        *api += 1;
    if (*api == N_APIS) return NULL;
    const struct hawser_api_name *names = apis[*api].names;
    size_t low = 0, high = counts[*api];
    while (names[high].name)
        counts[*api] = ++high;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = strcmp(names[mid].name, name);
        if (order == 0) return &names[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* ---- one file ---- */

struct code {
    unsigned kind, sm, version, count; /* as in struct sg_fat_entry */
};

struct file {
    const char *path;
    struct needs {
        unsigned linked, linked_missing;   /* functions that it is linked against */
        unsigned by_name, by_name_missing; /* names of functions among its strings: what it may look up */
        bool opens;                        /* names the API's library */
        char missing[2048];
    } needs[N_APIS];
    unsigned opencl, runtime;
    struct code code[64];
    unsigned n_code;
    bool check_kernels, all_kernels;
    unsigned kernels, kernels_bad;
};

static void add_missing(struct needs *needs, const char *name) {
    size_t n = strlen(needs->missing);
    if (!strstr(needs->missing, name)) snprintf(needs->missing + n, sizeof needs->missing - n, " %s", name);
}

static void needs_symbol(void *user, const char *name) {
    struct file *f = user;
    int api;
    if (!strncmp(name, "cuda", 4) && name[4] >= 'A' && name[4] <= 'Z') f->runtime++;
    if (!strncmp(name, "cl", 2) && name[2] >= 'A' && name[2] <= 'Z') f->opencl++;
    const struct hawser_api_name *known = api_function(name, &api);
    if (!known) return;
    f->needs[api].linked++;
    if (known->carried) return;
    f->needs[api].linked_missing++;
    add_missing(&f->needs[api], name);
}

/* Names among the strings: cudart and others look functions up one by one. */
static void scan_strings(struct file *f, const char *data, size_t size) {
    for (const char *at = data, *end = data + size; at < end;) {
        size_t left = (size_t)(end - at), n = strnlen(at, left);
        int api;
        if (n == left) break;
        for (int i = 0; i < N_APIS; i++)
            if (!strcmp(at, apis[i].library)) f->needs[i].opens = true;
        const struct hawser_api_name *known = n > 3 ? api_function(at, &api) : NULL;
        if (known) {
            f->needs[api].by_name++;
            if (!known->carried) {
                f->needs[api].by_name_missing++;
                add_missing(&f->needs[api], at);
            }
        }
        at += n + 1;
    }
}

/* ---- kernels on the software GPU: its own library is asked ---- */

#define FUNCTIONS(X) X(cuInit) X(cuLibraryLoadData) X(cuLibraryGetKernel) X(cuLibraryUnload) X(cuGetErrorName)
#define DECLARE(name) static __typeof__(&name) p_##name;
FUNCTIONS(DECLARE)

static bool load_software_gpu(void) {
    static int state; /* 1: there, 2: not */
    char path[PATH_MAX];
    if (state) return state == 1;
    state = 2;
    void *library = hawser_beside("../lib/softgpu/libcuda.so.1", path) ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!library) return false;
#define LOOK_UP(name) p_##name = (__typeof__(p_##name))dlsym(library, #name);
    FUNCTIONS(LOOK_UP)
    if (p_cuInit(0) == CUDA_SUCCESS) state = 1;
    return state == 1;
}

static void check_kernel(struct file *f, CUlibrary library, const char *name) {
    CUkernel kernel;
    const char *error = "?";
    CUresult r = p_cuLibraryGetKernel(&kernel, library, name);
    f->kernels++;
    if (r != CUDA_SUCCESS) f->kernels_bad++;
    p_cuGetErrorName(r, &error);
    if (r != CUDA_SUCCESS)
        printf("    cannot run   %s: %s\n", name, error);
    else if (f->all_kernels)
        printf("    runs         %s\n", name);
}

static void check_image(struct file *f, const void *fatbin) {
    struct sg_image image = {0};
    struct sg_diag diag = {0};
    CUlibrary library;
    if (!load_software_gpu() || sg_image_open_memory(fatbin, 999, &image, &diag) != SG_OK) return;
    struct sg_module *module = sg_module_load(image.texts, image.count, &diag);
    if (!module) {
        printf("    cannot run   PTX line %u: %s\n", diag.line, diag.message);
        f->kernels++;
        f->kernels_bad++;
    } else if (p_cuLibraryLoadData(&library, fatbin, NULL, NULL, 0, NULL, NULL, 0) == CUDA_SUCCESS) {
        for (uint32_t i = 0; i < module->nfunctions; i++)
            if (module->functions[i]->entry) check_kernel(f, library, module->functions[i]->name);
        p_cuLibraryUnload(library);
    }
    if (module) sg_module_free(module);
    sg_image_close(&image);
}

/* ---- GPU code ---- */

static void count_code(struct file *f, const struct sg_fat_entry *e) {
    unsigned version = e->kind == 1 ? e->version : 0; /* machine code has none that means something */
    for (unsigned i = 0; i < f->n_code; i++)
        if (f->code[i].kind == e->kind && f->code[i].sm == e->sm && f->code[i].version == version) {
            f->code[i].count++;
            return;
        }
    if (f->n_code < sizeof f->code / sizeof *f->code) f->code[f->n_code++] = (struct code){e->kind, e->sm, version, 1};
}

/* A section of fat binaries, one after the other, with padding between them. Relocatable ones are one program when
 * they are linked, and that is how the runtime hands them over. */
static void look_at_fatbins(struct file *f, const uint8_t *data, size_t size, bool relocatable) {
    const void *parts[MAX_PARTS] = {0};
    unsigned n_parts = 0;
    for (size_t at = 0; at + 16 <= size;) {
        uint32_t magic;
        uint16_t header;
        uint64_t body, offset = 0;
        struct sg_fat_entry entry;
        memcpy(&magic, data + at, sizeof magic);
        memcpy(&header, data + at + 6, sizeof header);
        memcpy(&body, data + at + 8, sizeof body);
        if (magic != SG_FATBIN_MAGIC || body > size - at || header > size - at - body) {
            at += 8;
            continue;
        }
        bool ptx = false;
        while (sg_fatbin_next(data + at, header + body, &offset, &entry) == 1) {
            count_code(f, &entry);
            ptx |= entry.kind == 1;
        }
        if (ptx && relocatable && n_parts < MAX_PARTS - 1)
            parts[n_parts++] = data + at;
        else if (ptx && f->check_kernels)
            check_image(f, data + at);
        at += header + body;
    }
    struct sg_fat_wrapper linked = {SG_WRAPPER_MAGIC, 2, parts[0], parts};
    if (n_parts && f->check_kernels) check_image(f, &linked);
}

static void section(void *user, const char *name, const void *data, size_t size) {
    struct file *f = user;
    if (!strcmp(name, ".nv_fatbin") || !strcmp(name, "__nv_relfatbin"))
        look_at_fatbins(f, data, size, !strcmp(name, "__nv_relfatbin"));
    if (!strncmp(name, ".rodata", 7) || !strncmp(name, ".data", 5)) scan_strings(f, data, size);
}

static bool looks_up(const struct needs *needs) {
    return needs->by_name && needs->opens;
}

static void print_needs(const struct needs *needs, const char *title, const char *library) {
    if (needs->linked)
        printf("    %s linked against %u functions, %u not carried\n", title, needs->linked, needs->linked_missing);
    if (looks_up(needs))
        printf("    %s opens %s and knows %u functions by name, %u not carried\n", title, library, needs->by_name,
               needs->by_name_missing);
    if (*needs->missing && (needs->linked_missing || looks_up(needs))) printf("    not carried %s\n", needs->missing);
}

static void print_file(const struct file *f) {
    for (int i = 0; i < N_APIS; i++)
        print_needs(&f->needs[i], apis[i].title, apis[i].library);
    if (f->runtime) printf("    CUDA runtime %u functions (the runtime asks the driver)\n", f->runtime);
    if (f->opencl) printf("    OpenCL       %u functions, none carried\n", f->opencl);
    for (unsigned i = 0; i < f->n_code; i++) {
        const struct code *c = &f->code[i];
        printf("    GPU code     %s%u%s: %u image%s",
               c->kind == 1   ? "PTX for compute_"
               : c->kind == 2 ? "sm_"
                              : "LTO-IR for ",
               c->sm, c->kind == 2 ? " machine code" : "", c->count, c->count == 1 ? "" : "s");
        if (c->kind == 1) printf(", PTX %u.%u", c->version / 10, c->version % 10);
        putchar('\n');
    }
}

enum check { NO_KERNELS, COUNT_KERNELS, NAME_KERNELS };

static bool is_fatbin(const char *data, size_t size) {
    const uint32_t magic = SG_FATBIN_MAGIC;
    return size >= sizeof magic && !memcmp(data, &magic, sizeof magic);
}

/* A file of GPU code by itself, as nvcc -fatbin and nvcc -ptx write them, with a NUL behind; NULL if it is none. */
static char *read_gpu_code(const char *path, size_t *size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    char *data = fd >= 0 && fstat(fd, &st) == 0 ? malloc((size_t)st.st_size + 1) : NULL;
    ssize_t n = data ? read(fd, data, (size_t)st.st_size) : -1;
    if (fd >= 0) close(fd);
    *size = n < 0 ? 0 : (size_t)n;
    if (n > 0) data[n] = 0;
    if (n > 0 && (is_fatbin(data, *size) || (memmem(data, *size, ".version", 8) && memmem(data, *size, ".target", 7))))
        return data;
    free(data);
    return NULL;
}

static void inspect_gpu_code(struct file *f, const char *path) {
    size_t size;
    char *data = read_gpu_code(path, &size);
    if (data && is_fatbin(data, size))
        look_at_fatbins(f, (const uint8_t *)data, size, false);
    else if (data)
        check_image(f, data);
    free(data);
}

/* Whether it has anything to do with what hawser carries. Adds to *bad what the software GPU cannot run. */
static bool inspect_file(const char *path, enum check check, unsigned *bad) {
    struct file f = {.path = path, .check_kernels = check != NO_KERNELS, .all_kernels = check == NAME_KERNELS};
    struct hawser_elf_visitor v = {needs_symbol, section, &f};
    if (f.check_kernels) printf("%s\n", path);
    if (hawser_elf_visit(path, &v) != 0) inspect_gpu_code(&f, path);
    bool said = f.runtime || f.opencl || f.n_code, ptx = false;
    for (int i = 0; i < N_APIS; i++)
        said |= f.needs[i].linked || looks_up(&f.needs[i]);
    if (said && !f.check_kernels) printf("%s\n", path);
    if (said) print_file(&f);
    for (unsigned i = 0; i < f.n_code; i++)
        ptx |= f.code[i].kind == 1;
    if (f.check_kernels && f.n_code && !ptx) {
        printf("    software GPU cannot run it: it holds machine code only\n");
        *bad += 1;
    } else if (f.kernels) {
        printf("    software GPU %u of %u kernels can run\n", f.kernels - f.kernels_bad, f.kernels);
        *bad += f.kernels_bad;
    }
    return said || f.kernels;
}

/* ---- what cannot be inspected ---- */

static const char *machine_name(const struct hawser_elf *elf) {
    static const struct {
        unsigned machine;
        const char *name;
    } names[] = {{EM_386, "32-bit x86"},  {EM_X86_64, "x86-64 with 32-bit addresses"},
                 {EM_AARCH64, "AArch64"}, {EM_ARM, "32-bit ARM"},
                 {EM_PPC64, "POWER"},     {EM_RISCV, "RISC-V"},
                 {EM_S390, "s390"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].machine == elf->machine) return names[i].name;
    return "another machine";
}

/* Whether a file that is no ELF file is GPU code; else says what it is. */
static bool is_gpu_code(const char *path) {
    size_t size;
    char *data = read_gpu_code(path, &size), head[256] = "";
    bool code = data != NULL;
    free(data);
    if (code) return true;
    FILE *f = fopen(path, "re");
    if (f && !fgets(head, sizeof head, f)) head[0] = 0;
    if (f) fclose(f);
    if (!strncmp(head, "#!", 2))
        hawser_error("%s is a script: inspect its interpreter,%s%.*s, and the libraries that it opens", path,
                     head[2] == ' ' ? "" : " ", (int)strcspn(head + 2, "\n"), head + 2);
    else
        hawser_error("%s is neither a program or library (ELF) nor GPU code (PTX, a fat binary)", path);
    return false;
}

/* 0 when the file can be inspected, else the exit status. */
static int check_file(const char *path, struct hawser_elf *elf) {
    struct stat st;
    errno = stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? EISDIR : 0;
    if (errno == EISDIR || hawser_elf_inspect(path, elf) != 0) {
        hawser_error("%s: %s", path, strerror(errno));
        return EXIT_HAWSER;
    }
    if (!elf->is_elf) return is_gpu_code(path) ? 0 : EXIT_HAWSER;
    if (elf->machine == EM_CUDA) {
        printf("%s\n    software GPU cannot run it: it holds machine code only\n", path);
        return 1;
    }
    if (elf->is_native) return 0;
    hawser_error("%s is built for %s; hawser runs programs of x86-64", path, machine_name(elf));
    return EXIT_HAWSER;
}

/* ---- the libraries: as the dynamic loader would find them ---- */

static unsigned libraries_of(const char *program, char **out) {
    int ends[2];
    unsigned n = 0;
    if (pipe(ends) != 0) return 0;
    pid_t child = fork();
    if (child == 0) {
        char folder[PATH_MAX]; /* our libcuda.so.1 stands for the one that this machine may lack */
        if (hawser_beside("../lib", folder)) setenv("LD_LIBRARY_PATH", folder, 1);
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(nowhere, STDERR_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/lib64/ld-linux-x86-64.so.2", "ld.so", "--list", program, NULL);
        _exit(EXIT_NOT_FOUND);
    }
    close(ends[1]);
    FILE *f = child > 0 ? fdopen(ends[0], "r") : NULL;
    char line[PATH_MAX + 256];
    while (f && n < MAX_FILES && fgets(line, sizeof line, f)) {
        char *path = strstr(line, "=> /"), *end = path ? strrchr(path, '(') : NULL;
        if (strstr(line, "not found")) printf("%.*s\n", (int)strcspn(line, "\n"), line + strspn(line, "\t "));
        if (!end || end == path) continue;
        end[-1] = 0;
        out[n] = strdup(path + 3);
        if (out[n]) n++;
    }
    if (f) fclose(f);
    if (child > 0) waitpid(child, NULL, 0);
    return n;
}

static void help(void) {
    printf(
        "usage: hawser inspect [--kernels] [--libraries] PROGRAM\n\n"
        "Prints what PROGRAM and the libraries that it is linked against need of each API that hawser carries, which\n"
        "GPU code they hold, and which of the program's kernels the software GPU can run. The program is not run.\n"
        "Libraries that it opens itself are not seen: inspect them like programs. PROGRAM may also be a file of GPU\n"
        "code, as nvcc -fatbin and nvcc -ptx write them.\n\n"
        "  --kernels     name also the kernels that can run\n"
        "  --libraries   try the kernels of the libraries too\n\n"
        "Exit status: 0, or 1 when the software GPU cannot run some kernel, 125 when PROGRAM cannot\n"
        "be read, is no program, or is one for another machine.\n");
}

int cmd_inspect(int argc, char **argv) {
    enum check check = COUNT_KERNELS;
    bool of_libraries = false;
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (!strcmp(argv[i], "--kernels"))
            check = NAME_KERNELS;
        else if (!strcmp(argv[i], "--libraries"))
            of_libraries = true;
        else {
            bool asked = !strcmp(argv[i], "--help");
            if (!asked) hawser_error("unknown option %s", argv[i]);
            if (asked) help();
            return asked ? 0 : EXIT_HAWSER;
        }
    }
    struct hawser_elf elf;
    if (i + 1 != argc) {
        hawser_error("name one program; hawser inspect --help tells more");
        return EXIT_HAWSER;
    }
    int status = check_file(argv[i], &elf);
    if (status != 0) return status;
    unsigned bad = 0;
    bool needs = inspect_file(argv[i], check, &bad);
    if (!elf.is_elf) return bad != 0;
    if (elf.is_static) {
        printf("    statically linked: hawser run cannot bring its libraries into it\n");
        return 1;
    }
    char *libraries[MAX_FILES];
    unsigned n = libraries_of(argv[i], libraries);
    for (unsigned k = 0; k < n; k++) {
        needs |= inspect_file(libraries[k], of_libraries ? check : NO_KERNELS, &bad);
        free(libraries[k]);
    }
    if (!needs)
        printf("    needs nothing of what hawser carries and holds no GPU code; libraries that it opens itself are not "
               "seen\n");
    return bad != 0;
}
