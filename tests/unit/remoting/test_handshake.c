/* Opening a session, against a broker and a worker that the test plays. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handshake.h"
#include "host.h"
#include "lane_pair.h"
#include "probe.h"

#define TOKEN "a token that the worker knows"

/* What the two answer; a member that is NULL is not sent. */
struct played {
    Hawser__Welcome welcome;
    Hawser__Refused *refused; /* instead of the welcome */
    Hawser__Opened *opened;
    Hawser__Refused *worker_refused;
    /* What they heard. */
    Hawser__ToHost *hello, *open;
    struct hawser_listener *broker, *worker;
    char endpoint[300], err[400];
};

static void *play(void *arg) {
    struct played *p = arg;
    struct hawser_peer guest;
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    p->hello = host_receive(p->broker, &guest);
    if (p->refused)
        m.refused = p->refused;
    else
        m.welcome = &p->welcome;
    if (!p->hello || host_send(p->broker, &guest, &m) != HAWSER_LANE_OK || !p->worker) return NULL;
    p->open = host_receive(p->worker, &guest);
    m = (Hawser__ToGuest)HAWSER__TO_GUEST__INIT;
    m.opened = p->opened;
    m.refused = p->worker_refused;
    if (p->open && (m.opened || m.refused)) host_send(p->worker, &guest, &m);
    return NULL;
}

static void listen_as(struct played *p, const char *broker, const char *worker) {
    static char named[300];
    hawser_lane_add_scheme(&lane_pair);
    p->broker = host_listen(broker, p->endpoint, sizeof p->endpoint);
    if (worker) p->worker = host_listen(worker, named, sizeof named);
    hawser__welcome__init(&p->welcome);
    p->welcome.protocol_major = HAWSER_PROTOCOL_MAJOR;
    p->welcome.version = "7.7";
    p->welcome.endpoint = named;
    p->welcome.token = (ProtobufCBinaryData){sizeof TOKEN, (uint8_t *)TOKEN};
}

/* The guest's lane, or NULL with p->err. */
static struct hawser_lane *shake_hands(struct played *p, Hawser__Opened **opened) {
    pthread_t t;
    cr_assert_eq(pthread_create(&t, NULL, play, p), 0);
    struct hawser_lane *lane = hawser_handshake(p->endpoint, opened, p->err, sizeof p->err);
    pthread_join(t, NULL);
    return lane;
}

static struct played in_tcp(void) {
    struct played p = {0};
    listen_as(&p, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*");
    return p;
}

Test(handshake, the_guest_says_who_it_is_and_shows_the_token, .timeout = 60) {
    struct played p = in_tcp();
    Hawser__Opened told = HAWSER__OPENED__INIT, *opened;
    told.driver_version = 13000;
    p.opened = &told;
    setenv("NVIDIA_VISIBLE_DEVICES", "0,1", 1);
    struct hawser_lane *lane = shake_hands(&p, &opened);
    cr_assert(lane, "%s", p.err);
    cr_expect(p.hello->hello->pid == (uint32_t)getpid() && !p.hello->hello->probe);
    cr_expect_eq(p.hello->hello->protocol_minor, HAWSER_PROTOCOL_MINOR);
    cr_assert_not_null(p.open->open);
    cr_expect(p.open->open->token.len == sizeof TOKEN && !memcmp(p.open->open->token.data, TOKEN, sizeof TOKEN));
    cr_expect_str_eq(p.open->open->container_devices, "0,1");
    cr_expect_eq(opened->driver_version, 13000);
    hawser__opened__free_unpacked(opened, NULL);
    hawser_lane_close(lane);
}

/* A broker of one name has workers that other names may not reach, so only the port counts. */
Test(handshake, a_worker_is_reached_by_the_brokers_host_and_its_own_port, .timeout = 60) {
    struct played p = in_tcp();
    char named[300];
    Hawser__Opened told = HAWSER__OPENED__INIT, *opened;
    snprintf(named, sizeof named, "tcp://*%s", strrchr(p.welcome.endpoint, ':'));
    p.welcome.endpoint = named;
    p.opened = &told;
    struct hawser_lane *lane = shake_hands(&p, &opened);
    cr_assert(lane, "%s", p.err);
    hawser__opened__free_unpacked(opened, NULL);
    hawser_lane_close(lane);
}

static void fails_with(struct played *p, const char *why) {
    Hawser__Opened *opened;
    cr_assert_null(shake_hands(p, &opened));
    cr_expect(strstr(p->err, why), "%s", p->err);
    cr_expect(strstr(p->err, p->endpoint), "%s", p->err);
}

Test(handshake, the_brokers_refusal_is_told, .timeout = 60) {
    Hawser__Refused no = HAWSER__REFUSED__INIT;
    no.reason = "too many guests";
    struct played p = {.refused = &no};
    listen_as(&p, "tcp://127.0.0.1:*", NULL);
    fails_with(&p, "refused: too many guests");
}

Test(handshake, another_protocol_is_told_with_both_releases, .timeout = 60) {
    struct played p = {0};
    listen_as(&p, "tcp://127.0.0.1:*", NULL);
    p.welcome.protocol_major = HAWSER_PROTOCOL_MAJOR + 1;
    fails_with(&p, "speaks protocol 2 (release 7.7), this is protocol 1 (release " HAWSER_VERSION ")");
}

Test(handshake, a_worker_without_a_port_is_told, .timeout = 60) {
    struct played p = {0};
    listen_as(&p, "tcp://127.0.0.1:*", NULL);
    p.welcome.endpoint = "nowhere";
    fails_with(&p, "named the worker \"nowhere\"");
}

Test(handshake, a_worker_that_nobody_is_is_told, .timeout = 60) {
    char endpoint[64];
    struct played p = {0};
    snprintf(endpoint, sizeof endpoint, "ipc:///tmp/hawser-handshake-%d", getpid());
    listen_as(&p, endpoint, NULL);
    p.welcome.endpoint = "pair://nobody";
    Hawser__Opened *opened;
    cr_assert_null(shake_hands(&p, &opened));
    cr_expect_str_eq(p.err, "nobody listens to pair://nobody");
    p.broker->ops->close(p.broker);
    unlink(endpoint + strlen("ipc://"));
}

Test(handshake, the_workers_refusal_is_told, .timeout = 60) {
    Hawser__Refused no = HAWSER__REFUSED__INIT;
    struct played p = in_tcp();
    no.reason = "has another guest";
    p.worker_refused = &no;
    fails_with(&p, "has another guest");
}

Test(handshake, a_worker_that_goes_is_told, .timeout = 60) {
    char endpoint[64];
    struct played p = {0};
    Hawser__Opened *opened;
    snprintf(endpoint, sizeof endpoint, "ipc:///tmp/hawser-handshake-%d", getpid());
    listen_as(&p, endpoint, "pair://worker");
    p.worker->ops->cut(p.worker, &(struct hawser_peer){0});
    cr_assert_null(shake_hands(&p, &opened));
    cr_expect(strstr(p.err, "does not answer"), "%s", p.err);
    p.broker->ops->close(p.broker);
    unlink(endpoint + strlen("ipc://"));
}

/* ---- probes ---- */

Test(handshake, a_probe_asks_no_worker_and_tells_the_kind_of_device, .timeout = 60) {
    struct played p = {0};
    bool software = false;
    char err[300];
    pthread_t t;
    listen_as(&p, "tcp://127.0.0.1:*", NULL);
    p.welcome.software = true;
    cr_assert_eq(pthread_create(&t, NULL, play, &p), 0);
    cr_expect_eq(hawser_probe(p.endpoint, 0, 10000, &software, err, sizeof err), 0);
    pthread_join(t, NULL);
    cr_expect(software && p.hello->hello->probe);
}

Test(handshake, a_probe_of_what_nobody_listens_to_names_it, .timeout = 60) {
    char err[300];
    cr_expect_eq(hawser_probe("ipc:///nonexistent/hawser.sock", 0, 1000, NULL, err, sizeof err), -1);
    cr_expect(strstr(err, "ipc:///nonexistent/hawser.sock"), "%s", err);
    cr_expect_eq(hawser_probe("udp://somewhere", 0, 1000, NULL, err, sizeof err), -1);
    cr_expect(strstr(err, "udp://somewhere"), "%s", err);
}
