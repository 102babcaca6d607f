/* The broker as a process, with workers that are made up here. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker.h"
#include "control.h"
#include "endpoint.h"
#include "lane.h"
#include "protocol.h"
#include "spawn.h"

/* What a worker does once it has been started. */
static enum { NAMES, TALKS_NONSENSE, DIES, CANNOT_START, DIES_WHEN_TOLD } worker;

static char folder[] = "/tmp/hawser-broker-XXXXXX", endpoint[64];
static int lifetime = -1; /* the broker ends with it */
static int told[2];       /* workers that wait to be told read it */
static pid_t broker;

static void tell(int control, const char *at) {
    Control__ToBroker m = CONTROL__TO_BROKER__INIT;
    Control__Ready ready = CONTROL__READY__INIT;
    ready.endpoint = (char *)at;
    m.ready = &ready;
    if (!control_send(control, &m.base)) _exit(1);
}

static void be_worker(int control, const char *at) {
    char byte;
    int file = open(at + strlen("ipc://"), O_CREAT | O_WRONLY, 0600); /* in place of a socket */
    close(file);
    if (worker == DIES) _exit(1);
    if (worker == TALKS_NONSENSE && write(control, "\xff\xff", 2) == 2) pause();
    tell(control, at);
    close(told[1]);
    if (worker == DIES_WHEN_TOLD && read(told[0], &byte, 1) == 1) raise(SIGKILL);
    for (;;)
        pause();
}

int spawn_worker(const struct broker_settings *s, const char *at, const uint8_t *token, pid_t *pid, int *control) {
    int pair[2];
    (void)s, (void)token;
    if (worker == CANNOT_START || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return -1;
    *pid = fork();
    if (*pid == 0) be_worker(pair[1], at);
    close(pair[1]);
    *control = pair[0];
    return 0;
}

/* The broker's exit status, or what the shell would say of a signal. */
static int wait_for(pid_t pid) {
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static pid_t start_broker(int *its_lifetime) {
    int ready[2], life[2];
    char line[100] = "";
    cr_assert(pipe(ready) == 0 && pipe(life) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct broker_settings s = {
            .listen = {endpoint}, .n_listen = 1, .software = true, .ready_fd = ready[1], .lifetime_fd = life[0]};
        close(life[1]);
        _exit(broker_run(&s));
    }
    close(ready[1]);
    close(life[0]);
    *its_lifetime = life[1];
    if (read(ready[0], line, sizeof line - 1) > 0) cr_expect(strstr(line, endpoint), "%s", line);
    close(ready[0]);
    return pid;
}

static void start(void) {
    cr_assert(mkdtemp(folder) && pipe(told) == 0);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/sock", folder);
}

static void end(void) {
    char command[100];
    if (broker) {
        close(lifetime);
        cr_expect_eq(wait_for(broker), 0);
    }
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_expect_eq(system(command), 0);
}

TestSuite(broker, .init = start, .fini = end, .timeout = 60);

static void begin(int behaviour) {
    worker = behaviour;
    broker = start_broker(&lifetime);
}

static struct hawser_lane *connect_to_it(void) {
    char err[200];
    struct hawser_lane *lane = hawser_lane_connect(endpoint, err, sizeof err);
    cr_assert(lane, "%s", err);
    return lane;
}

/* What the broker answers to one frame; NULL: it cuts the guest off. */
static Hawser__ToGuest *ask_with(const void *bytes, size_t size) {
    struct hawser_message m;
    struct hawser_frame f = {.data = (void *)bytes, .size = size};
    struct hawser_lane *lane = connect_to_it();
    cr_assert_eq(hawser_lane_send(lane, &f, 1), HAWSER_LANE_OK);
    int status = hawser_lane_recv(lane, &m, 20000);
    hawser_lane_close(lane);
    if (status == HAWSER_LANE_CLOSED) return NULL;
    cr_assert_eq(status, HAWSER_LANE_OK);
    Hawser__ToGuest *g = hawser__to_guest__unpack(NULL, m.frame[0].size, m.frame[0].data);
    hawser_message_clear(&m);
    return g;
}

static Hawser__ToGuest *greet(unsigned major, bool probe) {
    uint8_t buf[200];
    Hawser__ToHost m = HAWSER__TO_HOST__INIT;
    Hawser__Hello hello = HAWSER__HELLO__INIT;
    hello.protocol_major = major;
    hello.version = "7.7";
    hello.program = "test";
    hello.host = "here";
    hello.probe = probe;
    m.hello = &hello;
    return ask_with(buf, hawser__to_host__pack(&m, buf));
}

static Hawser__Welcome *welcomed(Hawser__ToGuest *g) {
    cr_assert(g && g->welcome, "%s", g && g->refused ? g->refused->reason : "no answer");
    cr_expect(g->welcome->protocol_major == HAWSER_PROTOCOL_MAJOR && g->welcome->software);
    return g->welcome;
}

static void expect_refused(const char *why) {
    Hawser__ToGuest *g = greet(HAWSER_PROTOCOL_MAJOR, false);
    cr_assert(g && g->refused);
    cr_expect_str_eq(g->refused->reason, why);
    hawser__to_guest__free_unpacked(g, NULL);
}

static bool there(const char *file) {
    struct stat s;
    return stat(file + strlen("ipc://"), &s) == 0;
}

Test(broker, a_probe_starts_no_worker) {
    begin(CANNOT_START);
    Hawser__ToGuest *g = greet(HAWSER_PROTOCOL_MAJOR, true);
    cr_expect(!*welcomed(g)->endpoint && welcomed(g)->token.len == 0);
    hawser__to_guest__free_unpacked(g, NULL);
}

Test(broker, two_guests_have_workers_of_their_own) {
    begin(NAMES);
    Hawser__ToGuest *a = greet(HAWSER_PROTOCOL_MAJOR, false), *b = greet(HAWSER_PROTOCOL_MAJOR, false);
    Hawser__Welcome *x = welcomed(a), *y = welcomed(b);
    cr_expect_str_neq(x->endpoint, y->endpoint);
    cr_expect(!strncmp(x->endpoint, endpoint, strlen(endpoint)), "%s", x->endpoint);
    cr_assert(x->token.len == CONTROL_TOKEN && y->token.len == CONTROL_TOKEN);
    cr_expect(memcmp(x->token.data, y->token.data, CONTROL_TOKEN));
    cr_expect(there(x->endpoint) && there(y->endpoint));
    /* With the broker go its workers and their sockets. */
    close(lifetime);
    cr_expect_eq(wait_for(broker), 0);
    broker = 0;
    cr_expect(!there(x->endpoint) && !there(y->endpoint));
    hawser__to_guest__free_unpacked(a, NULL);
    hawser__to_guest__free_unpacked(b, NULL);
}

Test(broker, a_guest_whose_worker_talks_nonsense_is_refused) {
    begin(TALKS_NONSENSE);
    expect_refused("its worker process could not start; the host's log says why");
}

Test(broker, a_guest_whose_worker_died_is_refused) {
    begin(DIES);
    expect_refused("its worker process could not start; the host's log says why");
    expect_refused("its worker process could not start; the host's log says why");
}

Test(broker, a_guest_whose_worker_cannot_be_started_is_refused) {
    begin(CANNOT_START);
    expect_refused("the host cannot start a worker process");
}

Test(broker, the_socket_of_a_worker_that_was_killed_goes_and_others_are_served) {
    const struct timespec pause = {.tv_nsec = 1000000};
    begin(DIES_WHEN_TOLD);
    Hawser__ToGuest *g = greet(HAWSER_PROTOCOL_MAJOR, false);
    char *at = welcomed(g)->endpoint;
    cr_assert(there(at));
    cr_assert_eq(write(told[1], "x", 1), 1);
    while (there(at))
        nanosleep(&pause, NULL);
    hawser__to_guest__free_unpacked(g, NULL);
    g = greet(HAWSER_PROTOCOL_MAJOR, false);
    welcomed(g);
    hawser__to_guest__free_unpacked(g, NULL);
}

Test(broker, another_protocol_is_refused_with_both_releases) {
    char want[200];
    begin(NAMES);
    Hawser__ToGuest *g = greet(HAWSER_PROTOCOL_MAJOR + 1, false);
    cr_assert(g && g->refused);
    snprintf(want, sizeof want, "this host speaks protocol %d (release %s), the guest %d (release 7.7)",
             HAWSER_PROTOCOL_MAJOR, HAWSER_VERSION, HAWSER_PROTOCOL_MAJOR + 1);
    cr_expect_str_eq(g->refused->reason, want);
    hawser__to_guest__free_unpacked(g, NULL);
}

Test(broker, what_is_no_greeting_is_cut_off_and_others_are_served) {
    begin(NAMES);
    cr_expect_null(ask_with("\xff\xff\xff", 3));
    cr_expect_null(ask_with("", 0)); /* a message with nothing in it */
    Hawser__ToGuest *g = greet(HAWSER_PROTOCOL_MAJOR, true);
    welcomed(g);
    hawser__to_guest__free_unpacked(g, NULL);
}

Test(broker, a_second_broker_does_not_take_the_first_ones_socket) {
    int life;
    begin(NAMES);
    pid_t second = start_broker(&life);
    cr_expect_eq(wait_for(second), 1);
    Hawser__ToGuest *g = greet(HAWSER_PROTOCOL_MAJOR, true);
    welcomed(g);
    hawser__to_guest__free_unpacked(g, NULL);
}

Test(broker, a_signal_ends_it_and_the_next_takes_its_place) {
    begin(NAMES);
    kill(broker, SIGKILL);
    cr_assert_eq(wait_for(broker), 128 + SIGKILL);
    close(lifetime);
    begin(NAMES); /* its socket file was left behind */
    kill(broker, SIGTERM);
    cr_expect_eq(wait_for(broker), 0);
    broker = 0;
}
