#include <criterion/criterion.h>
#include <string.h>

#include "../remoting/lane_pair.h"
#include "opening.h"
#include "protocol.h"

static uint8_t token[32] = "the session's";
static struct hawser_listener *listener;
static struct hawser_lane *guest;

static void start(void) {
    char bound[64], err[200];
    const struct hawser_listen_options options = {0};
    hawser_lane_add_scheme(&lane_pair);
    listener = hawser_lane_listen("pair://worker", &options, bound, sizeof bound, err, sizeof err);
    guest = listener ? hawser_lane_connect("pair://worker", err, sizeof err) : NULL;
    cr_assert(guest, "%s", err);
}

TestSuite(opening, .init = start, .timeout = 30);

static void say(const Hawser__ToHost *m) {
    uint8_t buf[200];
    struct hawser_frame f = {.data = buf, .size = hawser__to_host__pack(m, buf)};
    cr_assert_eq(hawser_lane_send(guest, &f, 1), HAWSER_LANE_OK);
}

static void show(const void *shown, size_t size) {
    Hawser__ToHost m = HAWSER__TO_HOST__INIT;
    Hawser__Open open = HAWSER__OPEN__INIT;
    open.protocol_minor = 3;
    open.token = (ProtobufCBinaryData){size, (uint8_t *)shown};
    m.open = &open;
    say(&m);
}

Test(opening, who_shows_the_token_is_the_guest) {
    Hawser__ToHost *first;
    struct hawser_message m;
    show(token, sizeof token);
    struct hawser_lane *host = opening_wait(listener, token, sizeof token, 10000, &first);
    cr_assert_not_null(host);
    cr_expect_eq(first->open->protocol_minor, 3);
    hawser__to_host__free_unpacked(first, NULL);
    show(token, 1);
    cr_assert_eq(hawser_lane_recv(host, &m, 10000), HAWSER_LANE_OK);
    hawser_message_clear(&m);
}

/* Over this lane there is one peer only, so none comes any more once it has been cut off. */
static void expect_cut_off(void) {
    Hawser__ToHost *first;
    struct hawser_message m;
    cr_expect_null(opening_wait(listener, token, sizeof token, 10000, &first));
    cr_expect_eq(hawser_lane_recv(guest, &m, 10000), HAWSER_LANE_CLOSED);
}

Test(opening, another_token_is_cut_off) {
    uint8_t other[sizeof token];
    memcpy(other, token, sizeof token);
    other[sizeof token - 1] ^= 1;
    show(other, sizeof other);
    expect_cut_off();
}

Test(opening, the_beginning_of_the_token_is_cut_off) {
    show(token, sizeof token - 1);
    expect_cut_off();
}

Test(opening, a_call_before_the_token_is_cut_off) {
    Hawser__ToHost m = HAWSER__TO_HOST__INIT;
    Hawser__Call call = HAWSER__CALL__INIT, *calls[] = {&call};
    m.calls = calls, m.n_calls = 1;
    say(&m);
    expect_cut_off();
}

Test(opening, what_cannot_be_read_is_cut_off) {
    struct hawser_frame f = {.data = "\xff\xff", .size = 2};
    cr_assert_eq(hawser_lane_send(guest, &f, 1), HAWSER_LANE_OK);
    expect_cut_off();
}

Test(opening, a_guest_that_says_nothing_is_waited_for_no_longer_than_told) {
    Hawser__ToHost *first;
    cr_expect_null(opening_wait(listener, token, sizeof token, 1, &first));
}
