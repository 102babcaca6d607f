/* The control channel between hawserd and a worker. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"

static int ends[2];

static void open_channel(void) {
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
}

TestSuite(control, .init = open_channel);

static Control__ToBroker *receive(void) {
    return (Control__ToBroker *)control_receive(ends[1], &control__to_broker__descriptor, false);
}

static bool send_calls(uint64_t calls) {
    Control__ToBroker m = CONTROL__TO_BROKER__INIT;
    Control__Counts counts = CONTROL__COUNTS__INIT;
    counts.calls = calls;
    m.counts = &counts;
    return control_send(ends[0], &m.base);
}

Test(control, messages_stay_apart_and_in_order) {
    for (uint64_t i = 1; i <= 3; i++)
        cr_assert(send_calls(i));
    for (uint64_t i = 1; i <= 3; i++) {
        Control__ToBroker *m = receive();
        cr_assert(m && m->counts);
        cr_expect_eq(m->counts->calls, i);
        cr_expect_null(m->ready);
        control__to_broker__free_unpacked(m, NULL);
    }
    cr_expect_null(receive());
    cr_expect_eq(errno, EAGAIN);
}

Test(control, the_end_is_told_after_the_last_message) {
    send_calls(7);
    close(ends[0]);
    Control__ToBroker *m = receive();
    cr_assert(m);
    control__to_broker__free_unpacked(m, NULL);
    cr_expect_null(receive());
    cr_expect_neq(errno, EAGAIN);
}

Test(control, what_makes_no_sense_is_the_end) {
    cr_assert_eq(send(ends[0], "\xff\xff\xff", 3, 0), 3);
    errno = EAGAIN;
    cr_expect_null(receive());
    cr_expect_neq(errno, EAGAIN);
}

Test(control, a_side_that_does_not_read_holds_nobody_up, .timeout = 30) {
    unsigned n = 0;
    while (send_calls(n))
        n++;
    cr_expect_gt(n, 0);
}

Test(control, a_message_that_is_too_long_is_not_sent) {
    char endpoint[8192];
    Control__ToBroker m = CONTROL__TO_BROKER__INIT;
    Control__Ready ready = CONTROL__READY__INIT;
    memset(endpoint, 'x', sizeof endpoint - 1);
    endpoint[sizeof endpoint - 1] = 0;
    ready.endpoint = endpoint;
    m.ready = &ready;
    cr_expect_not(control_send(ends[0], &m.base));
    cr_expect_null(receive());
    cr_expect_eq(errno, EAGAIN);
}
