/* What the broker hears before anybody has shown who he is. No worker is started. */
#include "../../server/daemon/broker.c"

#include <assert.h>

#include "input.h"

static struct hawser_message input;
static bool there;
static unsigned answers, cuts;

static int input_recv(struct hawser_listener *l, struct hawser_peer *from, struct hawser_message *out) {
    (void)l;
    if (!there) return HAWSER_LANE_TIMEOUT;
    *from = (struct hawser_peer){.id = "x", .size = 1, .fd = -1};
    *out = input;
    there = false;
    return HAWSER_LANE_OK;
}

static int count_answer(struct hawser_listener *l, const struct hawser_peer *to, struct hawser_frame *frames,
                        unsigned n) {
    (void)l, (void)to;
    answers++;
    hawser_frames_free(frames, n);
    return HAWSER_LANE_OK;
}

static bool count_cut(struct hawser_listener *l, const struct hawser_peer *peer) {
    (void)l, (void)peer;
    cuts++;
    return false;
}

int spawn_worker(const struct broker_settings *s, const char *endpoint, const uint8_t *token, pid_t *pid,
                 int *control) {
    (void)s, (void)endpoint, (void)token;
    *pid = 1;
    *control = -1;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct hawser_listener_ops ops = {.recv = input_recv, .send = count_answer, .cut = count_cut};
    static const struct broker_settings settings = {.listen = {"tcp://127.0.0.1:1"}, .n_listen = 1};
    struct hawser_listener listener = {&ops};
    struct broker b = {.settings = &settings, .listener = {&listener}};
    if (!input_message(data, size, &input)) return 0;
    there = true;
    answers = cuts = 0;
    hear_guests(&b, 0);
    /* He is answered, cut off, or gets a worker. */
    assert(answers + cuts + (b.workers != NULL) == 1);
    free(b.workers);
    return 0;
}
