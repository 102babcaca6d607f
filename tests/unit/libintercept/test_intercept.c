#include <criterion/criterion.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backtrace.h"
#include "inspect.h"
#include "redirect.h"

Test(redirect, libcuda_is_ours_by_any_path) {
    const char *names[] = {"libcuda.so.1", "libcuda.so", "/usr/lib/libcuda.so.1", "./libcuda.so"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cr_expect_str_eq(hawser_replacement(names[i]), "libhawser-cuda.so.1", "%s", names[i]);
        const char *path = hawser_redirect(names[i]);
        cr_expect(strstr(path, "/libhawser-cuda.so.1"), "%s became %s", names[i], path);
    }
}

Test(redirect, other_libraries_are_left_alone) {
    const char *names[] = {"libcudart.so.13", "libcuda.so.1.2", "mylibcuda.so.1", "libcuda", "", "/libcuda.so.1/x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cr_expect_null(hawser_replacement(names[i]), "%s", names[i]);
        cr_expect_eq(hawser_redirect(names[i]), names[i]);
    }
    cr_expect_null(hawser_redirect(NULL), "the program itself, as dlopen(NULL) means it");
}

Test(inspect, this_program_is_dynamic_and_needs_no_cuda) {
    struct hawser_elf e;
    cr_assert_eq(hawser_elf_inspect("/proc/self/exe", &e), 0);
    cr_expect(e.is_elf && e.is_64_bit && !e.is_static && !e.needs_cuda);
}

Test(inspect, a_library_is_no_static_program) {
    struct hawser_elf e;
    Dl_info libelf;
    cr_assert(dladdr(dlsym(RTLD_DEFAULT, "elf_version"), &libelf) && libelf.dli_fname);
    cr_assert_eq(hawser_elf_inspect(libelf.dli_fname, &e), 0);
    cr_expect(e.is_elf && !e.is_static, "%s", libelf.dli_fname);
    char path[64], command[256];
    snprintf(path, sizeof path, "/tmp/hawser-static-%d", getpid());
    for (int pie = 0; pie < 2; pie++) {
        snprintf(command, sizeof command, "echo 'int main(void) { return 0; }' | cc %s -x c -o %s -",
                 pie ? "-static-pie" : "-static", path);
        cr_assert_eq(system(command), 0);
        cr_assert_eq(hawser_elf_inspect(path, &e), 0);
        cr_expect(e.is_elf && e.is_static, "%s", command);
    }
    unlink(path);
}

Test(inspect, text_is_no_elf_and_a_missing_file_is_an_error) {
    struct hawser_elf e;
    cr_expect_eq(hawser_elf_inspect("/etc/passwd", &e), 0);
    cr_expect_not(e.is_elf);
    cr_expect_eq(hawser_elf_inspect("/nonexistent", &e), -1);
}

Test(inspect, a_truncated_file_harms_nothing) {
    struct hawser_elf e;
    char path[64], bytes[4096];
    int in = open("/proc/self/exe", O_RDONLY);
    ssize_t n = read(in, bytes, sizeof bytes);
    close(in);
    for (ssize_t size = 0; size < n; size += 61) {
        snprintf(path, sizeof path, "/tmp/hawser-elf-%d", getpid());
        int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        cr_assert_eq(write(out, bytes, (size_t)size), size);
        close(out);
        cr_expect_eq(hawser_elf_inspect(path, &e), 0);
    }
    unlink(path);
}

Test(backtrace, names_the_functions_that_are_running) {
    int fds[2];
    char text[8192];
    cr_assert_eq(pipe(fds), 0);
    hawser_backtrace(fds[1]);
    close(fds[1]);
    ssize_t n = read(fds[0], text, sizeof text - 1);
    cr_assert_gt(n, 0);
    text[n] = 0;
    cr_expect(strstr(text, "#0 ") && strstr(text, "#1 "), "%s", text);
}

/* ---- NVRTC: a compiler of the test's own stands for it ---- */

static char compiled_with[256];
static size_t machine_code_bytes;

int hawser_guest_software(void) {
    return 1;
}

static int fake_compile(void *prog, int n, const char *const *options) {
    (void)prog;
    compiled_with[0] = 0;
    for (int i = 0; i < n; i++)
        snprintf(compiled_with + strlen(compiled_with), sizeof compiled_with - strlen(compiled_with), "%s ",
                 options[i]);
    return 0;
}

static int fake_count(int *n) {
    *n = 3;
    return 0;
}

static int fake_archs(int *list) {
    list[0] = 75;
    list[1] = 90;
    list[2] = 121;
    return 0;
}

static int fake_size(void *prog, size_t *size) {
    (void)prog;
    *size = machine_code_bytes;
    return 0;
}

static int fake_ptx_size(void *prog, size_t *size) {
    (void)prog;
    *size = 4;
    return 0;
}

static int fake_code(void *prog, char *out) {
    (void)prog;
    strcpy(out, "ELF");
    return 0;
}

static int fake_ptx(void *prog, char *out) {
    (void)prog;
    strcpy(out, "PTX");
    return 0;
}

static void *fake_dlsym(void *handle, const char *name) {
    static const struct {
        const char *name;
        void *address;
    } table[] = {{"nvrtcCompileProgram", (void *)fake_compile},
                 {"nvrtcGetNumSupportedArchs", (void *)fake_count},
                 {"nvrtcGetSupportedArchs", (void *)fake_archs},
                 {"nvrtcGetCUBINSize", (void *)fake_size},
                 {"nvrtcGetPTXSize", (void *)fake_ptx_size},
                 {"nvrtcGetCUBIN", (void *)fake_code},
                 {"nvrtcGetPTX", (void *)fake_ptx}};
    (void)handle;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].name, name)) return table[i].address;
    return NULL;
}

int nvrtcCompileProgram(void *prog, int n, const char *const *options);
int nvrtcGetCUBINSize(void *prog, size_t *size);
int nvrtcGetCUBIN(void *prog, char *out);

Test(nvrtc, exact_architectures_become_virtual_ones_that_it_knows) {
    static const struct {
        const char *options[3], *expected;
        int n;
    } cases[] = {
        {{"--gpu-architecture=sm_130", "-I."}, "--gpu-architecture=compute_121 -I. ", 2},
        {{"-arch=sm_90a"}, "--gpu-architecture=compute_90 ", 1},
        {{"-arch", "sm_100", "-G"}, "-arch compute_90 -G ", 3},
        {{"-archaic", "--std=c++17"}, "-archaic --std=c++17 ", 2},
        {{"-arch=sm_50"}, "--gpu-architecture=compute_50 ", 1}, /* it knows none: its own error says so */
    };
    hawser_real_dlsym = fake_dlsym;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(nvrtcCompileProgram(NULL, cases[i].n, cases[i].options), 0);
        cr_assert_str_eq(compiled_with, cases[i].expected);
    }
}

Test(nvrtc, ptx_stands_in_for_machine_code_that_is_not_there) {
    size_t size = 0;
    char out[8] = "";
    hawser_real_dlsym = fake_dlsym;
    machine_code_bytes = 0;
    cr_assert_eq(nvrtcGetCUBINSize(NULL, &size), 0);
    cr_assert_eq(size, 4);
    cr_assert_eq(nvrtcGetCUBIN(NULL, out), 0);
    cr_assert_str_eq(out, "PTX");
    machine_code_bytes = 3;
    cr_assert_eq(nvrtcGetCUBINSize(NULL, &size), 0);
    cr_assert_eq(size, 3);
    cr_assert_eq(nvrtcGetCUBIN(NULL, out), 0);
    cr_assert_str_eq(out, "ELF");
}

Test(nvrtc, only_its_functions_are_answered_by_dlsym) {
    hawser_real_dlsym = fake_dlsym;
    int (*found)(void *, int, const char *const *) =
        (int (*)(void *, int, const char *const *))hawser_find_symbol(compiled_with, "nvrtcCompileProgram");
    const char *option = "-arch=sm_90";
    cr_assert_not_null(found);
    cr_assert_eq(found(NULL, 1, &option), 0);
    cr_assert_str_eq(compiled_with, "--gpu-architecture=compute_90 ");
    cr_assert_null(hawser_find_symbol(RTLD_DEFAULT, "nvrtcCompileProgram"));
    cr_assert_null(hawser_find_symbol(compiled_with, "nvrtcVersion"));
    cr_assert_null(hawser_find_symbol(compiled_with, "cuInit"));
}
