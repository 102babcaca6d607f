#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lane.h"
#include "wire.pb-c.h"

static const uint8_t token[4] = {1, 2, 3, 4};

struct pair {
    struct hawser_lane *guest, *host;
    char endpoint[256];
};

static void send_open(struct hawser_lane *lane, const uint8_t *shown, size_t size)
{
    Hawser__ToHost m = HAWSER__TO_HOST__INIT;
    Hawser__Open open = HAWSER__OPEN__INIT;
    uint8_t buf[64];
    open.token.data = (uint8_t *)shown;
    open.token.len = size;
    m.open = &open;
    struct hawser_frame f = {.data = buf, .size = hawser__to_host__pack(&m, buf)};
    cr_assert_eq(hawser_lane_send(lane, &f, 1), HAWSER_LANE_OK);
}

static struct pair make_pair(const char *endpoint)
{
    struct pair p;
    char err[200];
    p.host = hawser_zmq_serve(endpoint, 0, 0, token, sizeof token, p.endpoint, sizeof p.endpoint, err,
                              sizeof err);
    cr_assert(p.host, "%s", err);
    p.guest = hawser_zmq_connect(p.endpoint, err, sizeof err);
    cr_assert(p.guest, "%s", err);
    return p;
}

static void open_pair(struct pair *p)
{
    struct hawser_message m;
    send_open(p->guest, token, sizeof token);
    cr_assert_eq(hawser_lane_recv(p->host, &m, 5000), HAWSER_LANE_OK);
    hawser_message_clear(&m);
}

static const char *ipc(void)
{
    static char text[64];
    snprintf(text, sizeof text, "ipc:///tmp/hawser-lane-%d", getpid());
    return text;
}

static void frames_arrive(const char *endpoint)
{
    struct pair p = make_pair(endpoint);
    struct hawser_message m;
    open_pair(&p);
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
    hawser_lane_close(p.guest);
    hawser_lane_close(p.host);
}

Test(lane, frames_arrive_whole_over_ipc)
{
    frames_arrive(ipc());
}

Test(lane, frames_arrive_whole_over_tcp)
{
    frames_arrive("tcp://127.0.0.1:*");
}

Test(lane, the_host_learns_that_its_guest_went_after_reading_all_it_sent)
{
    struct pair p = make_pair(ipc());
    struct hawser_message m;
    open_pair(&p);
    for (int i = 0; i < 100; i++) {
        struct hawser_frame f = {.data = &i, .size = sizeof i};
        hawser_lane_send(p.guest, &f, 1);
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

Test(lane, a_guest_learns_that_its_host_went)
{
    struct pair p = make_pair(ipc());
    struct hawser_message m;
    open_pair(&p);
    hawser_lane_close(p.host);
    cr_assert_eq(hawser_lane_recv(p.guest, &m, 5000), HAWSER_LANE_CLOSED);
    hawser_lane_close(p.guest);
}

Test(lane, a_wrong_token_gets_no_session)
{
    struct pair p = make_pair(ipc());
    struct hawser_message m;
    send_open(p.guest, (const uint8_t *)"none", 4);
    cr_assert_eq(hawser_lane_recv(p.host, &m, 300), HAWSER_LANE_TIMEOUT);
    hawser_lane_close(p.guest);
    hawser_lane_close(p.host);
}

Test(lane, an_oversized_message_is_broken)
{
    struct pair p = make_pair(ipc());
    struct hawser_message m;
    open_pair(&p);
    struct hawser_frame f[HAWSER_MAX_FRAMES + 1];
    for (int i = 0; i <= HAWSER_MAX_FRAMES; i++)
        f[i] = (struct hawser_frame){.data = "x", .size = 1};
    hawser_lane_send(p.guest, f, HAWSER_MAX_FRAMES + 1);
    cr_assert_eq(hawser_lane_recv(p.host, &m, 5000), HAWSER_LANE_BROKEN);
    hawser_lane_close(p.guest);
    hawser_lane_close(p.host);
}

static void *send_many(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        struct hawser_frame f = {.data = &i, .size = sizeof i};
        hawser_lane_send(arg, &f, 1);
    }
    return NULL;
}

/* The edge-triggered descriptor must lose nothing while other threads send on the same socket. */
Test(lane, nothing_is_lost_when_both_sides_send_at_once, .timeout = 60)
{
    struct pair p = make_pair(ipc());
    struct hawser_message m;
    pthread_t a, b;
    open_pair(&p);
    pthread_create(&a, NULL, send_many, p.guest);
    pthread_create(&b, NULL, send_many, p.host);
    for (int i = 0; i < 2000; i++) {
        cr_assert_eq(hawser_lane_recv(p.host, &m, 5000), HAWSER_LANE_OK);
        hawser_message_clear(&m);
        cr_assert_eq(hawser_lane_recv(p.guest, &m, 5000), HAWSER_LANE_OK);
        hawser_message_clear(&m);
    }
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    hawser_lane_close(p.guest);
    hawser_lane_close(p.host);
}
