/* CUDA_VISIBLE_DEVICES and NVIDIA_VISIBLE_DEVICES: which entries name what. */
#include "visible.h"
#include <criterion/criterion.h>
#include <string.h>

static const struct hawser_names three = {3,
                                          {"GPU-11111111-0000-0000-0000-000000000000",
                                           "GPU-11112222-0000-0000-0000-000000000000",
                                           "MIG-33333333-0000-0000-0000-000000000000"}};

/* Each digit of seen is a device. */
static void expect_seen(const char *list, const char *seen) {
    unsigned out[HAWSER_MAX_DEVICES];
    char text[HAWSER_MAX_DEVICES + 1] = "";
    unsigned n = hawser_visible_devices(list, &three, out);
    for (unsigned i = 0; i < n; i++)
        text[i] = (char)('0' + out[i]);
    cr_expect_str_eq(text, seen, "'%s' shows '%s', not '%s'", list ? list : "(null)", text, seen);
}

Test(visible, numbers_choose_and_order) {
    expect_seen(NULL, "012");
    expect_seen("", "");
    expect_seen("1", "1");
    expect_seen("2,0", "20");
    expect_seen(" 1 ,\t2", "12");
    expect_seen("+1", "1");
    expect_seen("01", "1");
    expect_seen("0,", "0");
}

Test(visible, the_first_entry_that_names_none_ends_the_list) {
    expect_seen("-1", "");
    expect_seen("0,2,-1,1", "02");
    expect_seen("0,3,1", "0");
    expect_seen("0,,1", "0");
    expect_seen("99999999999999999999,0", "");
    expect_seen("none", "");
    expect_seen("0,NoDevFiles", "0");
    expect_seen("0x1", "0"); /* a number ends at the first character that is no digit */
    expect_seen("1st,2nd", "12");
}

Test(visible, a_device_that_stands_twice_leaves_none) {
    expect_seen("0,0", "");
    expect_seen("1,0,1", "");
    expect_seen("0,-1,0", "0");
    expect_seen("GPU-11111111,GPU-11111111-0000", "");
}

Test(visible, names_may_be_cut_as_long_as_they_name_one) {
    expect_seen("GPU-11112222-0000-0000-0000-000000000000", "1");
    expect_seen("GPU-11112", "1");
    expect_seen("GPU-11112,GPU-11111", "10");
    expect_seen("GPU-1111", "");
    expect_seen("GPU-11111,GPU-1111", "0");
    expect_seen("GPU-11111111-0000-0000-0000-0000000000001", "");
    expect_seen("MIG-33333333-0000-0000-0000-000000000000", "2");
    expect_seen("MIG-GPU-11111111-0000-0000-0000-000000000000/1/0", "");
    expect_seen("GPU-11111,1", "0");
    expect_seen("1,GPU-11111", "1");
}

static void expect_there(const char *list, bool known, const char *there) {
    bool out[HAWSER_MAX_DEVICES];
    char text[4] = "";
    cr_expect_eq(hawser_container_devices(list, &three, out), known, "'%s'", list ? list : "(null)");
    for (unsigned i = 0; i < 3; i++)
        text[i] = out[i] ? '1' : '0';
    cr_expect_str_eq(text, there, "'%s' leaves %s, not %s", list ? list : "(null)", text, there);
}

Test(visible, a_container_has_a_set_of_the_devices) {
    static const char *const nothing_hidden[] = {NULL, "", "all", "void"};
    for (size_t i = 0; i < sizeof nothing_hidden / sizeof *nothing_hidden; i++) {
        cr_expect(!hawser_container_hides(nothing_hidden[i]));
        expect_there(nothing_hidden[i], true, "111");
    }
    cr_expect(hawser_container_hides("none"));
    expect_there("none", true, "000");
    expect_there("2,0", true, "101");
    expect_there("1,1", true, "010");
    expect_there("GPU-11112222-0000-0000-0000-000000000000", true, "010");
    expect_there("1,7", false, "010");
    expect_there("GPU-4,1", false, "010");
}
