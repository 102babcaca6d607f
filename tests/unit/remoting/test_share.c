#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "share.h"

enum { SIZE = 3 * 4096 };

static char *map(int fd) {
    char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    cr_assert_neq(p, MAP_FAILED);
    close(fd);
    return p;
}

static int made(char name[HAWSER_SHARE_NAME]) {
    unsetenv("HAWSER_SHARED_MEMORY");
    int fd = hawser_share_create(SIZE, name);
    cr_assert_geq(fd, 0);
    return fd;
}

Test(share, the_one_who_opens_it_sees_the_memory_of_the_one_who_made_it) {
    char name[HAWSER_SHARE_NAME];
    char *here = map(made(name));
    int fd = hawser_share_open(name, SIZE);
    hawser_share_unlink(name);
    cr_assert_geq(fd, 0);
    char *there = map(fd);
    strcpy(here + 5000, "across");
    cr_expect_str_eq(there + 5000, "across");
}

Test(share, without_its_name_it_is_not_found_any_more) {
    char name[HAWSER_SHARE_NAME];
    char *here = map(made(name));
    hawser_share_unlink(name);
    cr_expect_eq(hawser_share_open(name, SIZE), -1);
    here[0] = 1; /* still there */
}

Test(share, no_two_have_one_name) {
    char a[HAWSER_SHARE_NAME], b[HAWSER_SHARE_NAME];
    close(made(a));
    close(made(b));
    cr_expect_str_neq(a, b);
    hawser_share_unlink(a);
    hawser_share_unlink(b);
}

Test(share, another_size_is_refused) {
    char name[HAWSER_SHARE_NAME];
    close(made(name));
    cr_expect_eq(hawser_share_open(name, SIZE + 4096), -1);
    cr_expect_eq(hawser_share_open(name, SIZE - 4096), -1);
    hawser_share_unlink(name);
}

/* A guest must not make a worker open what is another's. */
Test(share, names_that_are_none_of_ours_are_refused) {
    char other[64];
    snprintf(other, sizeof other, "/other-%d", getpid());
    int fd = shm_open(other, O_RDWR | O_CREAT | O_EXCL, 0600);
    cr_assert(fd >= 0 && ftruncate(fd, SIZE) == 0);
    close(fd);
    static const char *const wrong[] = {"",
                                        "/hawser-",
                                        "/hawser-0123456789abcdef0123456789abcde",
                                        "/hawser-../../../../../../../tmp/x/yyyy",
                                        "/hawser-0123456789abcdef0123456789abcdef0",
                                        "/hawser-0123456789abcdefg123456789abcdef"};
    cr_expect_eq(hawser_share_open(other, SIZE), -1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect_eq(hawser_share_open(wrong[i], SIZE), -1, "%s", wrong[i]);
    shm_unlink(other);
}

Test(share, a_name_of_our_form_that_is_a_link_is_refused) {
    char name[HAWSER_SHARE_NAME], link[] = "/hawser-00000000000000000000000000000000", from[80], to[80];
    close(made(name));
    snprintf(link, sizeof link, "/hawser-%032d", getpid());
    snprintf(from, sizeof from, "/dev/shm%s", name);
    snprintf(to, sizeof to, "/dev/shm%s", link);
    cr_assert_eq(symlink(from, to), 0);
    cr_expect_eq(hawser_share_open(link, SIZE), -1);
    unlink(to);
    hawser_share_unlink(name);
}

Test(share, nothing_is_shared_where_the_environment_says_so) {
    char name[HAWSER_SHARE_NAME];
    setenv("HAWSER_SHARED_MEMORY", "0", 1);
    cr_expect_eq(hawser_share_create(SIZE, name), -1);
}
