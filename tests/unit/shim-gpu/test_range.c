#include <criterion/criterion.h>

#include "shim.h"

Test(range, an_address_inside_is_found_and_one_beyond_is_not) {
    struct shim_range r;
    cr_assert_eq(
        shim_range_add((struct shim_range){.base = 0x10000, .size = 0x1000, .kind = HAWSER_ON_DEVICE, .flags = 0}),
        CUDA_SUCCESS);
    cr_assert_eq(
        shim_range_add((struct shim_range){.base = 0x30000, .size = 0x1000, .kind = HAWSER_PINNED, .flags = 3}),
        CUDA_SUCCESS);
    cr_expect(shim_range_find(0x10fff, &r));
    cr_expect_eq(r.base, 0x10000);
    cr_expect(shim_range_find(0x30000, &r));
    cr_expect_eq(r.flags, 3);
    cr_expect_not(shim_range_find(0x11000, &r));
    cr_expect_not(shim_range_find(0xffff, &r));
}

Test(range, overlapping_ranges_are_refused) {
    cr_assert_eq(
        shim_range_add((struct shim_range){.base = 0x10000, .size = 0x1000, .kind = HAWSER_ON_DEVICE, .flags = 0}),
        CUDA_SUCCESS);
    cr_expect_neq(
        shim_range_add((struct shim_range){.base = 0x10800, .size = 0x1000, .kind = HAWSER_PINNED, .flags = 0}),
        CUDA_SUCCESS);
    cr_expect_neq(
        shim_range_add((struct shim_range){.base = 0xf800, .size = 0x1000, .kind = HAWSER_PINNED, .flags = 0}),
        CUDA_SUCCESS);
    cr_expect_eq(
        shim_range_add((struct shim_range){.base = 0x11000, .size = 0x1000, .kind = HAWSER_PINNED, .flags = 0}),
        CUDA_SUCCESS);
}

Test(range, only_the_base_of_the_right_kind_removes) {
    cr_assert_eq(
        shim_range_add((struct shim_range){.base = 0x10000, .size = 0x1000, .kind = HAWSER_ON_DEVICE, .flags = 0}),
        CUDA_SUCCESS);
    cr_expect_not(shim_range_remove(0x10004, HAWSER_ON_DEVICE));
    cr_expect_not(shim_range_remove(0x10000, HAWSER_PINNED));
    cr_expect(shim_range_remove(0x10000, HAWSER_ON_DEVICE));
    cr_expect_not(shim_range_remove(0x10000, HAWSER_ON_DEVICE));
}

Test(range, holds_looks_at_the_whole_span) {
    cr_assert_eq(
        shim_range_add((struct shim_range){.base = 0x10000, .size = 0x1000, .kind = HAWSER_ON_DEVICE, .flags = 0}),
        CUDA_SUCCESS);
    cr_expect(shim_range_holds(0x10000, 0x1000, HAWSER_ON_DEVICE));
    cr_expect_not(shim_range_holds(0x10001, 0x1000, HAWSER_ON_DEVICE));
    cr_expect_not(shim_range_holds(0x10000, (size_t)-1, HAWSER_ON_DEVICE));
    cr_expect_not(shim_range_holds(0x10000, 1, HAWSER_PINNED));
}
