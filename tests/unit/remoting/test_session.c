/* The guest's end of a session, against a host that the test plays. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "lane_pair.h"

enum { FUNCTION = 7, MANY = 8 };

static struct host host;

/* ---- what the host told, in the order in which the guest heard it ---- */

static pthread_mutex_t heard_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t heard_change = PTHREAD_COND_INITIALIZER;
static char heard[200];

static void hears(const char *what) {
    pthread_mutex_lock(&heard_lock);
    snprintf(heard + strlen(heard), sizeof heard - strlen(heard), "%s ", what);
    pthread_cond_broadcast(&heard_change);
    pthread_mutex_unlock(&heard_lock);
}

static void on_push(void *user, const Hawser__Push *push, const void *data, size_t size) {
    char text[40];
    (void)user;
    snprintf(text, sizeof text, "push:%d:%.*s", (int)push->transfer, (int)size, (const char *)data);
    hears(text);
}

static void on_output(void *user, int fd, const void *bytes, size_t size) {
    char text[40];
    (void)user;
    snprintf(text, sizeof text, "output:%d:%.*s", fd, (int)size, (const char *)bytes);
    hears(text);
}

static void on_host_call(void *user, const Hawser__HostCall *call) {
    (void)user, (void)call;
    hears("host_call");
}

static void on_timing(void *user, const Hawser__Timing *timing) {
    (void)user, (void)timing;
    hears("timing");
}

static void on_notification(void *user, const Hawser__Notification *notification) {
    (void)user, (void)notification;
    hears("notification");
}

static void on_gone(void *user) {
    (void)user;
    hears("gone");
}

static void wait_until_heard(const char *what) {
    pthread_mutex_lock(&heard_lock);
    while (!strstr(heard, what))
        pthread_cond_wait(&heard_change, &heard_lock);
    pthread_mutex_unlock(&heard_lock);
}

static void open_with(uint64_t calls, uint64_t bytes) {
    hawser__opened__init(&host.opened);
    host.opened.protocol_minor = HAWSER_PROTOCOL_MINOR;
    host.opened.version = "test";
    host.opened.credit_calls = calls;
    host.opened.credit_bytes = bytes;
    host.events =
        (struct hawser_session_events){on_push, on_output, on_host_call, on_timing, on_notification, on_gone, NULL};
    host_open(&host);
}

static void open_wide(void) {
    open_with(1 << 20, 1 << 30);
}

/* ---- the guest's threads ---- */

/* What a thread does: posts, or one call, with args that have `size` bytes. */
struct guest {
    pthread_t thread;
    unsigned number, posts;
    size_t size;
    bool at_once;
    _Atomic(unsigned) made; /* posts that have returned 0 */
    int rc;
    int32_t result;
    size_t reply_size; /* of the answer's bytes */
    uint64_t reply_seq;
};

static int post(unsigned number, size_t size, bool at_once) {
    static uint8_t bytes[4096];
    Hawser__Reply args = HAWSER__REPLY__INIT; /* any message will do */
    args.seq = number;
    args.out = (ProtobufCBinaryData){size, bytes};
    return hawser_session_post(host.session, (struct hawser_caller){.thread = 1, .at_once = at_once}, FUNCTION,
                               &args.base, NULL, 0);
}

static void *posts(void *arg) {
    struct guest *g = arg;
    for (unsigned i = 0; i < g->posts && g->rc == 0; i++) {
        g->rc = post(i, g->size, g->at_once);
        if (g->rc == 0) g->made++;
    }
    return NULL;
}

static void *calls(void *arg) {
    struct guest *g = arg;
    Hawser__Reply args = HAWSER__REPLY__INIT;
    ProtobufCMessage *reply = NULL;
    args.seq = g->number;
    g->rc = hawser_session_call(host.session, (struct hawser_caller){.thread = g->number}, FUNCTION, &args.base, NULL,
                                0, &hawser__reply__descriptor, &g->result, &reply);
    if (!reply) return NULL;
    g->reply_seq = ((Hawser__Reply *)reply)->seq;
    g->reply_size = ((Hawser__Reply *)reply)->out.len;
    protobuf_c_message_free_unpacked(reply, NULL);
    return NULL;
}

static void start(struct guest *g, void *(*what)(void *)) {
    cr_assert_eq(pthread_create(&g->thread, NULL, what, g), 0);
}

static void join(struct guest *g) {
    pthread_join(g->thread, NULL);
}

/* ---- the host's ears ---- */

/* Calls that have come and have not been looked at. */
static struct { uint64_t seq, number; } queue[4096];
static unsigned queued, looked_at;
static uint64_t bytes_come;

/* Takes in one message. */
static void listen_once(void) {
    Hawser__ToHost *m = host_hear(&host);
    cr_assert(m, "nothing came");
    for (size_t i = 0; i < m->n_calls; i++) {
        Hawser__Reply *args = hawser__reply__unpack(NULL, m->calls[i]->args.len, m->calls[i]->args.data);
        cr_assert(args && m->calls[i]->function == FUNCTION);
        queue[queued].seq = m->calls[i]->seq;
        queue[queued++].number = args->seq;
        bytes_come += m->calls[i]->args.len;
        hawser__reply__free_unpacked(args, NULL);
    }
    hawser__to_host__free_unpacked(m, NULL);
}

/* The next call's number for the answer, and which of the test's it is. */
static uint64_t hear_call(uint64_t *number) {
    while (looked_at == queued)
        listen_once();
    *number = queue[looked_at].number;
    return queue[looked_at++].seq;
}

static void tell_taken(uint64_t taken_calls, uint64_t taken_bytes) {
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    m.taken_calls = taken_calls;
    m.taken_bytes = taken_bytes;
    host_say(&host, &m, NULL, 0);
}

/* ---- posts and calls ---- */

Test(session, posts_and_calls_come_in_the_order_in_which_they_were_made, .timeout = 60) {
    struct guest g = {.number = 100};
    uint64_t number;
    open_wide();
    for (unsigned i = 0; i < 100; i++)
        cr_assert_eq(post(i, 10, false), 0);
    start(&g, calls);
    for (unsigned i = 0; i < 100; i++) {
        cr_assert_eq(hear_call(&number), 0);
        cr_assert_eq(number, i);
    }
    uint64_t seq = hear_call(&number);
    cr_assert(seq != 0 && number == 100);
    host_answer(&host, seq, 3, 50);
    join(&g);
    cr_expect(g.rc == 0 && g.result == 3 && g.reply_seq == seq && g.reply_size == 50);
}

Test(session, a_lone_post_is_sent_without_a_call, .timeout = 60) {
    uint64_t number;
    open_wide();
    cr_assert_eq(post(5, 10, false), 0);
    cr_expect_eq(hear_call(&number), 0);
    cr_expect_eq(number, 5);
}

Test(session, answers_in_another_order_reach_the_threads_that_asked, .timeout = 60) {
    struct guest g[MANY];
    uint64_t seq[MANY], number;
    open_wide();
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            g[i] = (struct guest){.number = i};
            start(&g[i], calls);
        }
        for (unsigned i = 0; i < MANY; i++) {
            uint64_t s = hear_call(&number);
            seq[number] = s;
        }
        for (unsigned i = MANY; i-- > 0;)
            host_answer(&host, seq[i], (int32_t)(100 + i), i * 7);
        for (unsigned i = 0; i < MANY; i++) {
            join(&g[i]);
            cr_assert(g[i].rc == 0 && g[i].result == (int32_t)(100 + i) && g[i].reply_seq == seq[i] &&
                      g[i].reply_size == i * 7);
        }
    }
}

Test(session, an_answer_that_nobody_waits_for_is_passed_over, .timeout = 60) {
    struct guest g = {.number = 1};
    uint64_t number;
    open_wide();
    host_answer(&host, 12345, 0, 0);
    start(&g, calls);
    host_answer(&host, hear_call(&number), 9, 1);
    join(&g);
    cr_expect(g.rc == 0 && g.result == 9);
}

/* ---- credits ---- */

Test(session, posts_wait_while_the_credit_of_calls_is_used_up, .timeout = 60) {
    enum { CREDIT = 4, POSTS = 40 };
    struct guest g = {.posts = POSTS};
    uint64_t number;
    open_with(CREDIT, 1 << 30);
    start(&g, posts);
    for (unsigned i = 0; i < POSTS; i++) {
        cr_assert_eq(hear_call(&number), 0);
        cr_assert_eq(number, i);
        cr_assert(queued <= looked_at + CREDIT, "%u under way", queued - looked_at + 1);
        cr_assert_leq(g.made, i + CREDIT);
        tell_taken(i + 1, 0);
    }
    join(&g);
    cr_expect(g.rc == 0 && g.made == POSTS);
}

Test(session, posts_wait_while_the_credit_of_bytes_is_used_up, .timeout = 60) {
    enum { CREDIT = 1000, POSTS = 40, SIZE = 300 };
    struct guest g = {.posts = POSTS, .size = SIZE};
    uint64_t number, before = 0;
    open_with(1 << 20, CREDIT);
    start(&g, posts);
    for (unsigned i = 0; i < POSTS; i++) {
        cr_assert_eq(hear_call(&number), 0);
        cr_assert_eq(number, i);
        /* The one that uses the credit up may exceed it. */
        cr_assert_lt(bytes_come - before, CREDIT + SIZE + 10);
        if (looked_at < queued) continue;
        before = bytes_come;
        tell_taken(looked_at, before);
    }
    join(&g);
    cr_expect(g.rc == 0 && g.made == POSTS);
}

Test(session, calls_and_what_is_at_once_go_while_posts_wait_for_credit, .timeout = 60) {
    struct guest poster = {.posts = 3}, caller = {.number = 50};
    uint64_t number;
    open_with(2, 1 << 30);
    start(&poster, posts);
    cr_assert_eq(hear_call(&number), 0);
    cr_assert_eq(hear_call(&number), 0);
    cr_assert_eq(number, 1);
    start(&caller, calls);
    host_answer(&host, hear_call(&number), 0, 0);
    cr_assert_eq(number, 50);
    join(&caller);
    cr_assert_eq(post(60, 10, true), 0);
    cr_assert_eq(hear_call(&number), 0);
    cr_assert_eq(number, 60);
    cr_assert_eq(poster.made, 2);
    tell_taken(4, 0);
    cr_assert_eq(hear_call(&number), 0);
    cr_assert_eq(number, 2);
    join(&poster);
}

/* ---- the lane is full ---- */

static void let_it_be_refused(unsigned times) {
    const struct timespec pause = {.tv_nsec = 100000};
    unsigned before = lane_pair_refused;
    while (lane_pair_refused < before + times)
        nanosleep(&pause, NULL);
}

Test(session, posts_go_when_a_full_lane_has_room, .timeout = 60) {
    uint64_t number;
    open_wide();
    lane_pair_full = true;
    for (unsigned i = 0; i < 20; i++)
        cr_assert_eq(post(i, 100, false), 0);
    let_it_be_refused(3);
    lane_pair_full = false;
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(hear_call(&number), 0);
        cr_assert_eq(number, i);
    }
}

Test(session, a_lone_call_goes_when_a_full_lane_has_room, .timeout = 60) {
    struct guest g = {.number = 1};
    uint64_t number;
    open_wide();
    lane_pair_full = true;
    start(&g, calls);
    let_it_be_refused(2);
    lane_pair_full = false;
    host_answer(&host, hear_call(&number), 4, 0);
    join(&g);
    cr_expect(g.rc == 0 && g.result == 4);
}

static _Atomic(unsigned) freed;

static void count_freed(void *data, void *hint) {
    (void)data, (void)hint;
    freed++;
}

static void *posts_with_a_frame(void *arg) {
    struct guest *g = arg;
    Hawser__Reply args = HAWSER__REPLY__INIT;
    for (unsigned i = 0; i < g->posts && g->rc == 0; i++) {
        struct hawser_frame f = {.data = "b", .size = 1, .free = count_freed};
        args.seq = i;
        g->rc = hawser_session_post(host.session, (struct hawser_caller){.thread = 1}, FUNCTION, &args.base, &f, 1);
        if (g->rc == 0) g->made++;
    }
    return NULL;
}

Test(session, posts_with_frames_wait_for_a_full_lane_and_each_frame_is_given_back_once, .timeout = 60) {
    enum { POSTS = 300 };
    struct guest g = {.posts = POSTS};
    uint64_t number;
    open_wide();
    lane_pair_full = true;
    start(&g, posts_with_a_frame);
    let_it_be_refused(20);
    cr_expect_lt(g.made, HAWSER_MAX_FRAMES);
    lane_pair_full = false;
    for (unsigned i = 0; i < POSTS; i++) {
        hear_call(&number);
        cr_assert_eq(number, i);
    }
    join(&g);
    cr_expect_eq(freed, POSTS);
}

/* ---- what the host tells ---- */

Test(session, the_parts_of_a_message_are_told_before_its_answers_and_in_their_order, .timeout = 60) {
    struct guest g = {.number = 1};
    uint64_t number;
    open_wide();
    start(&g, calls);
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    Hawser__Timing timing = HAWSER__TIMING__INIT, *timings[] = {&timing};
    Hawser__Push push[2] = {HAWSER__PUSH__INIT, HAWSER__PUSH__INIT}, *pushes[] = {&push[0], &push[1]};
    Hawser__HostCall host_call = HAWSER__HOST_CALL__INIT, *host_calls[] = {&host_call};
    Hawser__Notification notification = HAWSER__NOTIFICATION__INIT, *notifications[] = {&notification};
    Hawser__Reply reply = HAWSER__REPLY__INIT, *replies[] = {&reply};
    struct hawser_frame frames[] = {{.data = "ab", .size = 2}, {.data = "c", .size = 1}};
    push[0].transfer = 1;
    push[1].transfer = 2;
    m.timings = timings, m.n_timings = 1;
    m.pushes = pushes, m.n_pushes = 2;
    m.host_calls = host_calls, m.n_host_calls = 1;
    m.notifications = notifications, m.n_notifications = 1;
    m.replies = replies, m.n_replies = 1;
    m.output = (ProtobufCBinaryData){2, (uint8_t *)"hi"};
    m.errors = (ProtobufCBinaryData){2, (uint8_t *)"oh"};
    reply.seq = hear_call(&number);
    host_say(&host, &m, frames, 2);
    join(&g);
    cr_expect_eq(g.rc, 0);
    cr_expect_str_eq(heard, "timing push:1:ab push:2:c output:1:hi output:2:oh host_call notification ");
}

Test(session, what_comes_while_nobody_calls_is_told, .timeout = 60) {
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    Hawser__Notification notification = HAWSER__NOTIFICATION__INIT, *notifications[] = {&notification};
    m.notifications = notifications, m.n_notifications = 1;
    open_wide();
    host_say(&host, &m, NULL, 0);
    wait_until_heard("notification");
}

/* ---- ends ---- */

static void expect_gone(void) {
    struct guest late = {.number = 1};
    wait_until_heard("gone");
    cr_expect_str_eq(heard, "gone ");
    cr_expect(hawser_session_is_gone(host.session));
    cr_expect_eq(post(1, 10, false), -1);
    calls(&late);
    cr_expect_eq(late.rc, -1);
}

Test(session, a_host_that_goes_ends_every_wait, .timeout = 60) {
    struct guest caller[MANY], poster = {.posts = 10};
    uint64_t number;
    open_with(MANY + 2, 1 << 30);
    for (unsigned i = 0; i < MANY; i++) {
        caller[i] = (struct guest){.number = i};
        start(&caller[i], calls);
    }
    for (unsigned i = 0; i < MANY; i++)
        hear_call(&number);
    start(&poster, posts);
    hear_call(&number);
    hear_call(&number);
    host_close(&host);
    for (unsigned i = 0; i < MANY; i++) {
        join(&caller[i]);
        cr_expect_eq(caller[i].rc, -1);
    }
    join(&poster);
    cr_expect(poster.rc == -1 && poster.made == 2);
    expect_gone();
}

Test(session, frames_are_given_back_when_the_host_is_gone, .timeout = 60) {
    struct guest g = {.posts = 1};
    open_wide();
    host_close(&host);
    wait_until_heard("gone");
    posts_with_a_frame(&g);
    cr_expect(g.rc == -1 && freed == 1);
}

static void say_bytes(const void *bytes, size_t size) {
    struct hawser_frame f = {.data = (void *)bytes, .size = size};
    cr_assert_eq(hawser_lane_send(host.lane, &f, 1), HAWSER_LANE_OK);
}

Test(session, a_message_that_cannot_be_read_ends_the_session, .timeout = 60) {
    struct guest g = {.number = 1};
    uint64_t number;
    open_wide();
    start(&g, calls);
    hear_call(&number);
    say_bytes("\xff\xff\xff", 3);
    join(&g);
    cr_expect_eq(g.rc, -1);
    expect_gone();
}

Test(session, a_push_without_its_frame_ends_the_session, .timeout = 60) {
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    Hawser__Push push = HAWSER__PUSH__INIT, *pushes[] = {&push};
    m.pushes = pushes, m.n_pushes = 1;
    open_wide();
    host_say(&host, &m, NULL, 0);
    expect_gone();
}

/* ---- memory ---- */

Test(session, an_answer_that_finds_no_memory_fails_its_call_and_no_other, .timeout = 60) {
    enum { SIZE = 12345 };
    struct guest g = {.number = 1}, next = {.number = 2};
    uint64_t number;
    open_wide();
    start(&g, calls);
    uint64_t seq = hear_call(&number);
    /* The packed reply has its own number, the bytes and their length before them. */
    host_memory_short(SIZE + 5, 1);
    host_answer(&host, seq, 0, SIZE);
    join(&g);
    cr_expect_eq(g.rc, -1);
    start(&next, calls);
    host_answer(&host, hear_call(&number), 0, SIZE);
    join(&next);
    cr_expect(next.rc == 0 && next.reply_size == SIZE);
    cr_expect(!hawser_session_is_gone(host.session));
}
