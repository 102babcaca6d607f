/*
 * What a worker hears from its guest, as far as the driver, which refuses everything that it is asked but to make a
 * context current. A context, a stream and a module are there for the calls to name.
 */
#define main worker_main
#include "../../server/worker/worker.c"
#undef main

#include "input.h"

static struct hawser_message input;
static bool there;

static int input_recv(struct hawser_lane *l, struct hawser_message *out) {
    (void)l;
    if (!there) return HAWSER_LANE_CLOSED;
    *out = input;
    there = false;
    return HAWSER_LANE_OK;
}

static int drop_answer(struct hawser_lane *l, struct hawser_frame *frames, unsigned n) {
    (void)l;
    hawser_frames_free(frames, n);
    return HAWSER_LANE_OK;
}

static CUresult refuses(void) {
    return CUDA_ERROR_INVALID_VALUE;
}

static CUresult makes_current(CUcontext context) {
    (void)context;
    return CUDA_SUCCESS;
}

/* In place of inbox.c and waiters.c: one thread does all, so that an input does the same each time. */
int inbox_next(struct session *session, struct inbox_message *out) {
    return session_receive(session, out);
}
void session_receive_apart(struct session *session) {
    (void)session;
}
void waiters_run(void (*run)(void *), void *arg) {
    run(arg);
}

static struct session *new_session(void) {
    static const struct hawser_lane_ops ops = {.recv = input_recv, .send = drop_answer};
    static struct hawser_lane lane = {&ops};
    static struct session s;
    void (*function)(void) = (void (*)(void))refuses;
    if (s.lane) return &s;
    for (size_t at = 0; at + sizeof function <= sizeof s.driver; at += sizeof function)
        memcpy((char *)&s.driver + at, &function, sizeof function);
    s.driver.cuCtxSetCurrent = makes_current;
    s.lane = &lane;
    s.minor = HAWSER_PROTOCOL_MINOR;
    s.credits = calloc(1, sizeof *s.credits);
    layers_install(&s.driver);
    if (!s.credits || !session_begin(&s)) abort();
    nvml_from(&s, "/nonexistent/libcuda.so.1");
    struct served c = {.session = &s, .driver = &s.driver, .thread = 1, .context = 0x100};
    served_bind(&c, HAWSER_CONTEXT, 0x100, &c);
    served_bind(&c, HAWSER_STREAM, 0x101, &c);
    served_bind(&c, HAWSER_MODULE, 0x102, &c);
    return &s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct session *session = new_session();
    struct inbox_message in;
    if (!input_message(data, size, &input)) return 0;
    there = true;
    if (session_receive(session, &in) != HAWSER_LANE_OK) return 0;
    handle_message(session, &in);
    hawser__to_host__free_unpacked(in.calls, NULL);
    hawser_message_clear(&in.frames);
    return 0;
}
