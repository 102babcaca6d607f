#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backtrace.h"
#include "inspect.h"
#include "redirect.h"

Test(redirect, libcuda_is_ours_by_any_path)
{
    const char *names[] = {"libcuda.so.1", "libcuda.so", "/usr/lib/libcuda.so.1", "./libcuda.so"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cr_expect_str_eq(hawser_replacement(names[i]), "libhawser-cuda.so.1", "%s", names[i]);
        const char *path = hawser_redirect(names[i]);
        cr_expect(strstr(path, "/libhawser-cuda.so.1"), "%s became %s", names[i], path);
    }
}

Test(redirect, other_libraries_are_left_alone)
{
    const char *names[] = {"libcudart.so.13", "libcuda.so.1.2", "mylibcuda.so.1", "libcuda", "", "/libcuda.so.1/x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cr_expect_null(hawser_replacement(names[i]), "%s", names[i]);
        cr_expect_eq(hawser_redirect(names[i]), names[i]);
    }
    cr_expect_null(hawser_redirect(NULL), "the program itself, as dlopen(NULL) means it");
}

Test(inspect, this_program_is_dynamic_and_needs_no_cuda)
{
    struct hawser_elf e;
    cr_assert_eq(hawser_elf_inspect("/proc/self/exe", &e), 0);
    cr_expect(e.is_elf && e.is_64_bit && !e.is_static && !e.needs_cuda);
}

Test(inspect, text_is_no_elf_and_a_missing_file_is_an_error)
{
    struct hawser_elf e;
    cr_expect_eq(hawser_elf_inspect("/etc/passwd", &e), 0);
    cr_expect_not(e.is_elf);
    cr_expect_eq(hawser_elf_inspect("/nonexistent", &e), -1);
}

Test(inspect, a_truncated_file_harms_nothing)
{
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

Test(backtrace, names_the_functions_that_are_running)
{
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
