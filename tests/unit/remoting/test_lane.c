/* What lane.h promises, of every kind of lane. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lane_pair.h"

enum kind { TCP, IPC, PAIR };

struct pair {
    struct hawser_listener *listener;
    struct hawser_lane *guest, *host;
    struct hawser_peer peer;
    char endpoint[256];
};

static const char *endpoint_of(enum kind kind) {
    static char ipc[64];
    hawser_lane_add_scheme(&lane_pair);
    snprintf(ipc, sizeof ipc, "ipc:///tmp/hawser-lane-%d", getpid());
    return kind == TCP ? "tcp://127.0.0.1:*" : kind == IPC ? ipc : "pair://test";
}

static void listen_and_connect(struct pair *p, enum kind kind, unsigned max_frames) {
    char err[200];
    struct hawser_listen_options options = {.max_frames = max_frames};
    *p = (struct pair){0};
    p->listener = hawser_lane_listen(endpoint_of(kind), &options, p->endpoint, sizeof p->endpoint, err, sizeof err);
    cr_assert(p->listener, "%s", err);
    p->guest = hawser_lane_connect(p->endpoint, err, sizeof err);
    cr_assert(p->guest, "%s", err);
    cr_assert(hawser_lane_greeted(p->guest, 5000));
}

/* The next message of any peer, within some seconds; the lane's status. */
static int hear(struct pair *p, struct hawser_message *m) {
    int status;
    while ((status = p->listener->ops->recv(p->listener, &p->peer, m)) == HAWSER_LANE_TIMEOUT) {
        struct pollfd fds[HAWSER_LISTENER_FDS];
        if (poll(fds, p->listener->ops->fds(p->listener, fds), 5000) == 0) break;
    }
    return status;
}

static void say(struct hawser_lane *lane, const char *text) {
    struct hawser_frame f = {.data = (char *)text, .size = strlen(text)};
    cr_assert_eq(hawser_lane_send(lane, &f, 1), HAWSER_LANE_OK);
}

/* Both sides have a lane. */
static struct pair make_pair(enum kind kind) {
    struct pair p;
    struct hawser_message m;
    listen_and_connect(&p, kind, 0);
    say(p.guest, "hello");
    cr_assert_eq(hear(&p, &m), HAWSER_LANE_OK);
    cr_assert(m.n_frames == 1 && m.frame[0].size == 5 && !memcmp(m.frame[0].data, "hello", 5));
    hawser_message_clear(&m);
    p.host = p.listener->ops->serve(p.listener, &p.peer);
    return p;
}

static void close_pair(struct pair *p) {
    hawser_lane_close(p->guest);
    hawser_lane_close(p->host);
}

#define OF_EVERY_LANE(name)                                                                                            \
    static void name(enum kind kind);                                                                                  \
    Test(lane, name##_over_tcp, .timeout = 60) {                                                                       \
        name(TCP);                                                                                                     \
    }                                                                                                                  \
    Test(lane, name##_over_ipc, .timeout = 60) {                                                                       \
        name(IPC);                                                                                                     \
    }                                                                                                                  \
    Test(lane, name##_over_a_socketpair, .timeout = 60) {                                                              \
        name(PAIR);                                                                                                    \
    }                                                                                                                  \
    static void name(enum kind kind)

OF_EVERY_LANE(frames_arrive_whole) {
    struct pair p = make_pair(kind);
    struct hawser_message m;
    struct hawser_frame f[3] = {{.data = "head", .size = 4}, {.data = "", .size = 0}, {.data = "tail!", .size = 5}};
    cr_assert_eq(hawser_lane_send(p.guest, f, 3), HAWSER_LANE_OK);
    cr_assert_eq(hawser_lane_recv(p.host, &m, 5000), HAWSER_LANE_OK);
    cr_assert_eq(m.n_frames, 3);
    cr_expect_eq(m.frame[0].size, 4);
    cr_expect_eq(m.frame[1].size, 0);
    cr_expect(!memcmp(m.frame[2].data, "tail!", 5));
    hawser_message_clear(&m);
    cr_assert_eq(hawser_lane_send(p.host, f, 1), HAWSER_LANE_OK);
    cr_assert_eq(hawser_lane_recv(p.guest, &m, 5000), HAWSER_LANE_OK);
    cr_expect_eq(m.n_frames, 1);
    hawser_message_clear(&m);
    close_pair(&p);
}

OF_EVERY_LANE(a_reserved_frame_is_sent_as_it_was_filled) {
    struct pair p = make_pair(kind);
    struct hawser_message m;
    struct hawser_frame f, given_up;
    cr_assert(hawser_lane_reserve(p.guest, 1000, &f));
    cr_assert(hawser_lane_reserve(p.guest, 10, &given_up));
    cr_assert(f.size == 1000 && f.free);
    memset(f.data, 'x', f.size);
    hawser_frames_free(&given_up, 1);
    cr_assert_eq(hawser_lane_send(p.guest, &f, 1), HAWSER_LANE_OK);
    cr_assert_eq(hawser_lane_recv(p.host, &m, 5000), HAWSER_LANE_OK);
    cr_expect(m.frame[0].size == 1000 && ((char *)m.frame[0].data)[999] == 'x');
    hawser_message_clear(&m);
    close_pair(&p);
}

OF_EVERY_LANE(what_the_guest_sent_before_it_went_is_read) {
    struct pair p = make_pair(kind);
    struct hawser_message m;
    for (int i = 0; i < 100; i++) {
        struct hawser_frame f = {.data = &i, .size = sizeof i};
        cr_assert_eq(hawser_lane_send(p.guest, &f, 1), HAWSER_LANE_OK);
    }
    hawser_lane_close(p.guest);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(hawser_lane_recv(p.host, &m, 5000), HAWSER_LANE_OK, "message %d", i);
        cr_expect_eq(*(int *)m.frame[0].data, i);
        hawser_message_clear(&m);
    }
    cr_assert_eq(hawser_lane_recv(p.host, &m, 5000), HAWSER_LANE_CLOSED);
    hawser_lane_close(p.host);
}

OF_EVERY_LANE(a_guest_learns_that_its_host_went) {
    struct pair p = make_pair(kind);
    struct hawser_message m;
    hawser_lane_close(p.host);
    cr_assert_eq(hawser_lane_recv(p.guest, &m, 5000), HAWSER_LANE_CLOSED);
    hawser_lane_close(p.guest);
}

OF_EVERY_LANE(an_oversized_message_is_broken) {
    struct pair p;
    struct hawser_message m;
    struct hawser_frame f[3] = {{.data = "x", .size = 1}, {.data = "x", .size = 1}, {.data = "x", .size = 1}};
    listen_and_connect(&p, kind, 2);
    cr_assert_eq(hawser_lane_send(p.guest, f, 3), HAWSER_LANE_OK);
    cr_expect_eq(hear(&p, &m), HAWSER_LANE_BROKEN);
    cr_assert_eq(hawser_lane_send(p.guest, f, 2), HAWSER_LANE_OK);
    cr_expect_eq(hear(&p, &m), HAWSER_LANE_OK);
    hawser_message_clear(&m);
    hawser_lane_close(p.guest);
    p.listener->ops->close(p.listener);
}

OF_EVERY_LANE(a_peer_that_is_cut_off_learns_it) {
    struct pair p;
    struct hawser_message m;
    listen_and_connect(&p, kind, 0);
    say(p.guest, "nonsense");
    cr_assert_eq(hear(&p, &m), HAWSER_LANE_OK);
    hawser_message_clear(&m);
    cr_expect(p.listener->ops->cut(p.listener, &p.peer));
    cr_expect_eq(hawser_lane_recv(p.guest, &m, 5000), HAWSER_LANE_CLOSED);
    hawser_lane_close(p.guest);
    p.listener->ops->close(p.listener);
}

OF_EVERY_LANE(a_listener_answers_who_asked) {
    struct pair p;
    struct hawser_message m;
    struct hawser_frame answer = {.data = "yes", .size = 3};
    listen_and_connect(&p, kind, 0);
    say(p.guest, "there?");
    cr_assert_eq(hear(&p, &m), HAWSER_LANE_OK);
    hawser_message_clear(&m);
    cr_assert_eq(p.listener->ops->send(p.listener, &p.peer, &answer, 1), HAWSER_LANE_OK);
    cr_assert_eq(hawser_lane_recv(p.guest, &m, 5000), HAWSER_LANE_OK);
    cr_expect(!memcmp(m.frame[0].data, "yes", 3));
    hawser_message_clear(&m);
    hawser_lane_close(p.guest);
    p.listener->ops->close(p.listener);
}

static void *wake_later(void *lane) {
    usleep(20000);
    hawser_lane_wake(lane);
    return NULL;
}

OF_EVERY_LANE(who_waits_can_be_woken) {
    struct pair p = make_pair(kind);
    struct hawser_message m;
    pthread_t t;
    pthread_create(&t, NULL, wake_later, p.host);
    cr_expect_eq(hawser_lane_recv(p.host, &m, -1), HAWSER_LANE_TIMEOUT);
    pthread_join(t, NULL);
    close_pair(&p);
}

static void *send_many(void *arg) {
    for (int i = 0; i < 2000;) {
        struct hawser_frame f = {.data = &i, .size = sizeof i};
        if (hawser_lane_send(arg, &f, 1) == HAWSER_LANE_OK)
            i++;
        else
            usleep(100); /* full */
    }
    return NULL;
}

/* An edge-triggered descriptor must lose nothing while other threads send on the same socket. */
OF_EVERY_LANE(nothing_is_lost_when_both_sides_send_at_once) {
    struct pair p = make_pair(kind);
    struct hawser_message m;
    pthread_t a, b;
    pthread_create(&a, NULL, send_many, p.guest);
    pthread_create(&b, NULL, send_many, p.host);
    for (int i = 0; i < 2000; i++) {
        cr_assert_eq(hawser_lane_recv(p.host, &m, 5000), HAWSER_LANE_OK);
        cr_assert_eq(*(int *)m.frame[0].data, i);
        hawser_message_clear(&m);
        cr_assert_eq(hawser_lane_recv(p.guest, &m, 5000), HAWSER_LANE_OK);
        hawser_message_clear(&m);
    }
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    close_pair(&p);
}

Test(lane, a_full_lane_takes_nothing_until_there_is_room, .timeout = 60) {
    struct pair p = make_pair(PAIR);
    struct hawser_message m;
    unsigned n = 0;
    struct hawser_frame f = {.data = &n, .size = sizeof n};
    while (hawser_lane_send(p.guest, &f, 1) == HAWSER_LANE_OK)
        n++;
    cr_assert_eq(hawser_lane_send(p.guest, &f, 1), HAWSER_LANE_FULL);
    for (unsigned i = 0; i < n; i++) {
        cr_assert_eq(hawser_lane_recv(p.host, &m, 5000), HAWSER_LANE_OK);
        cr_assert_eq(*(unsigned *)m.frame[0].data, i);
        hawser_message_clear(&m);
    }
    cr_assert_eq(hawser_lane_send(p.guest, &f, 1), HAWSER_LANE_OK);
    close_pair(&p);
}

Test(lane, an_endpoint_of_no_scheme_has_no_lane) {
    char err[200] = "", bound[200];
    struct hawser_listen_options options = {0};
    cr_expect(!hawser_lane_connect("smoke://signals", err, sizeof err));
    cr_expect(strstr(err, "smoke://signals"));
    cr_expect(!hawser_lane_listen("smoke://signals", &options, bound, sizeof bound, err, sizeof err));
}
