#include <criterion/criterion.h>

#include "credits.h"
#include "protocol.h"

static struct credits credits;
static struct session session = {.minor = HAWSER_PROTOCOL_MINOR, .credits = &credits};
static Hawser__Opened opened;

static void start(void) {
    hawser__opened__init(&opened);
    credits_grant(&opened);
    cr_assert(opened.credit_calls > 0 && opened.credit_bytes > 0);
}

TestSuite(credits, .init = start);

/* A message of so many calls, the first of which has args of that size. */
static bool come(size_t n, size_t args, size_t bulk) {
    enum { MOST = 5000 };
    static Hawser__Call call[MOST], *calls[MOST];
    Hawser__ToHost h = HAWSER__TO_HOST__INIT;
    struct hawser_frame frames[2] = {{0}, {.size = bulk}};
    struct hawser_message m = {bulk ? 2 : 1, frames};
    for (size_t i = 0; i < n; i++) {
        hawser__call__init(&call[i]);
        calls[i] = &call[i];
    }
    call[0].args.len = args;
    h.n_calls = n;
    h.calls = calls;
    return credits_come(&session, &h, &m);
}

Test(credits, a_guest_that_keeps_to_them_is_served_for_ever) {
    const unsigned step = 1000;
    uint64_t under_way = 0;
    for (unsigned i = 0; i < 100; i++) {
        cr_assert(come(step, 0, 0));
        under_way += step;
        while (under_way + step > opened.credit_calls) {
            credits_take(&session, 0, 0);
            under_way--;
        }
    }
}

Test(credits, a_guest_that_exceeds_the_calls_is_not) {
    unsigned messages = 0;
    /* Besides the credit there may be calls that are answered, of which a thread has one: far fewer. */
    while (messages < 100 && come(5000, 0, 0))
        messages++;
    cr_expect_gt(messages * 5000, opened.credit_calls);
    cr_expect_lt(messages, 100);
}

Test(credits, a_guest_that_exceeds_the_bytes_is_not) {
    size_t half = opened.credit_bytes / 2;
    cr_expect(come(1, half, 0));
    cr_expect(come(1, 0, half));
    cr_expect(come(1, HAWSER_MAX_FRAME_SIZE + 1, 0)); /* by which the last may exceed them; one more is too much */
    cr_expect(!come(1, 0, 0));
}

Test(credits, what_has_been_taken_may_come_again) {
    size_t all = opened.credit_bytes + HAWSER_MAX_FRAME_SIZE;
    cr_expect(come(1, 0, all));
    credits_take(&session, 0, all);
    cr_expect(come(1, all, 0));
    credits_take(&session, all, 0);
    cr_expect(come(1, all, 0));
}

Test(credits, guests_from_before_credits_are_not_held_to_them) {
    session.minor = HAWSER_MINOR_CREDITS - 1;
    for (unsigned i = 0; i < 10; i++)
        cr_expect(come(1, opened.credit_bytes, 0));
}

Test(credits, the_guest_is_told_of_what_was_taken_in_its_protocols_fields) {
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT, older = HAWSER__TO_GUEST__INIT;
    credits_take(&session, 10, 100);
    credits_take(&session, 1, 0);
    credits_attach(&session, &m);
    cr_expect(m.taken_calls == 2 && m.taken_bytes == 111 && m.consumed == 0);
    session.minor = HAWSER_MINOR_CREDITS - 1;
    credits_attach(&session, &older);
    cr_expect(older.taken_calls == 0 && older.taken_bytes == 0 && older.consumed == 100);
}
