#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>

#include "inbox.h"

enum { MESSAGES = 1000 };

static struct session session;
static Hawser__ToHost message[MESSAGES];
static _Atomic(unsigned) received;
static pthread_t receiver;
static int last_status;

/* The lane has so many messages, and then the last status. */
int session_receive(struct session *w, struct inbox_message *out) {
    (void)w;
    receiver = pthread_self();
    if (received == MESSAGES) return last_status;
    *out = (struct inbox_message){.calls = &message[received]};
    received++;
    return HAWSER_LANE_OK;
}

static void expect(unsigned i) {
    struct inbox_message m;
    cr_assert_eq(inbox_next(&session, &m), HAWSER_LANE_OK);
    cr_assert_eq(m.calls, &message[i]);
}

static void all_come_in_their_order_and_then(int status) {
    struct inbox_message m;
    last_status = status;
    for (unsigned i = received; i < MESSAGES; i++)
        expect(i);
    cr_expect_eq(inbox_next(&session, &m), status);
    cr_expect_eq(inbox_next(&session, &m), status);
}

Test(inbox, the_dispatcher_receives_for_itself, .timeout = 30) {
    expect(0);
    cr_expect_eq(received, 1);
    cr_expect(pthread_equal(receiver, pthread_self()));
    all_come_in_their_order_and_then(HAWSER_LANE_CLOSED);
}

Test(inbox, a_thread_of_its_own_takes_over_between_two_messages, .timeout = 30) {
    last_status = HAWSER_LANE_BROKEN;
    expect(0);
    session_receive_apart(&session);
    session_receive_apart(&session); /* there is one */
    struct inbox_message m;
    for (unsigned i = 1; i < MESSAGES; i++)
        expect(i);
    cr_expect_eq(inbox_next(&session, &m), HAWSER_LANE_BROKEN);
    cr_expect_eq(inbox_next(&session, &m), HAWSER_LANE_BROKEN);
    cr_expect(!pthread_equal(receiver, pthread_self()));
}
