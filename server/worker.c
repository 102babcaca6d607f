/*
 * hawser-worker: serves one guest process. The broker starts it and hands it a control descriptor with
 * the session's token; it listens, tells the broker where, waits for its guest, and ends with it.
 */
#include "served.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "backtrace.h"
#include "clock.h"
#include "inbox.h"
#include "log.h"
#include "nvml_api.h"
#include "session.h"
#include "trace.h"
#include "waiters.h"

#define GUEST_MS 20000 /* the guest must come within this time */
#define TOKEN_SIZE 32
#define CONSUMED_STEP ((uint64_t)16 << 20)

/* ---- one call ---- */

struct job {
    struct served served;
    uint32_t function;
    uint64_t seq;
    ProtobufCMessage *args;
    struct traced traced;
    struct hawser_frame frames[HAWSER_MAX_FRAMES];
};

static CUresult run_in_context(struct job *j)
{
    struct served *c = &j->served;
    if (c->context) {
        struct object o;
        if (!served_object(c, HAWSER_CONTEXT, c->context, &o)) return CUDA_ERROR_INVALID_CONTEXT;
        CUresult r = c->driver->cuCtxSetCurrent(o.handle);
        if (r != CUDA_SUCCESS) return r;
    }
    serve_function serve = j->function < HAWSER_NVML_FIRST ? hawser_cuda_serve[j->function]
                                                           : hawser_nvml_serve[j->function - HAWSER_NVML_FIRST];
    trace_start(&j->traced, c, hawser_api_function(j->function), j->args);
    CUresult r = serve(c, j->args);
    trace_end(&j->traced, r);
    return r;
}

static void run(void *arg)
{
    struct job *j = arg;
    struct served *c = &j->served;
    const struct hawser_api_function *api = hawser_api_function(j->function);
    CUresult r = run_in_context(j);
    hawser_log(HAWSER_DEBUG, "%s -> %d", api->name, r);
    if (j->seq == 0 && r != CUDA_SUCCESS) {
        hawser_log(HAWSER_INFO, "the guest's %s failed with %d; its next synchronizing call says so",
                   api->name, r);
        served_post_failed(c, r);
    }
    if (j->seq != 0) {
        if (api->flags & HAWSER_API_SYNCS) {
            CUresult earlier = r == CUDA_SUCCESS ? served_take_post_error(c) : CUDA_SUCCESS;
            if (r == CUDA_SUCCESS) r = earlier;
            staging_push_ready(c->worker);
            host_memory_push(c->worker);
            output_flush(c->worker);
        }
        Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
        Hawser__Reply reply = HAWSER__REPLY__INIT, *list[] = {&reply};
        reply.seq = j->seq;
        reply.result = r;
        reply.out.data = c->out;
        reply.out.len = c->out_size;
        m.n_replies = 1;
        m.replies = list;
        trace_attach(c->worker, &m);
        worker_send(c->worker, &m, NULL, 0);
        trace_sent(&m);
    }
    for (unsigned i = 0; i < c->n_frames; i++) {
        c->worker->consumed += c->frames[i].size;
        if (c->frames[i].free) c->frames[i].free(c->frames[i].data, c->frames[i].hint);
    }
    protobuf_c_message_free_unpacked(j->args, NULL);
    free(c->out);
    free(j);
}

/* False when the call makes no sense: the session then ends. */
static bool start_call(struct worker *w, const Hawser__Call *call, struct hawser_frame *frames)
{
    const struct hawser_api_function *api = hawser_api_function(call->function);
    if (!api) {
        hawser_log(HAWSER_ERROR, "the guest calls function %u, which this release does not know",
                   call->function);
        return false;
    }
    struct job *j = calloc(1, sizeof *j);
    if (!j) return false;
    j->args = protobuf_c_message_unpack(api->request, NULL, call->args.len, call->args.data);
    if (!j->args) {
        hawser_log(HAWSER_ERROR, "broken arguments of %s", api->name);
        free(j);
        return false;
    }
    j->function = call->function;
    j->seq = call->seq;
    hawser__timing__init(&j->traced.timing);
    j->traced.timing.trace = call->trace;
    j->traced.timing.function = call->function;
    if (call->trace) j->traced.timing.received = hawser_now_ns();
    if (call->frames) memcpy(j->frames, frames, call->frames * sizeof *frames);
    for (unsigned i = 0; i < call->frames; i++)
        frames[i].free = NULL; /* the job's now */
    j->served = (struct served){.worker = w, .driver = &w->driver, .thread = call->thread,
                                .context = call->context, .frames = j->frames, .n_frames = call->frames};
    if (api->flags & HAWSER_API_WAITS)
        waiters_run(run, j);
    else
        run(j);
    return true;
}

static void tell_consumed(struct worker *w)
{
    uint64_t now = w->consumed;
    if (now - w->consumed_told < CONSUMED_STEP) return;
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    m.consumed = w->consumed_told = now;
    worker_send(w, &m, NULL, 0);
}

/* ---- the session ---- */

/* HostDone may come while the dispatcher waits for what it ends, so it is not queued behind other calls. */
static bool take_at_once(struct worker *w, const Hawser__Call *call)
{
    if (call->function != HAWSER_FN_HostDone || call->frames) return false;
    return start_call(w, call, NULL);
}

static bool handle_message(struct worker *w, struct inbox_message *in)
{
    Hawser__ToHost *h = in->calls;
    bool ok = true;
    unsigned next = 1;
    for (size_t i = 0; ok && i < h->n_calls; i++) {
        const Hawser__Call *call = h->calls[i];
        if (call->function == HAWSER_FN_HostDone && !call->frames) continue;
        ok = call->frames <= in->frames.n_frames - next && start_call(w, call, &in->frames.frame[next]);
        if (ok) next += call->frames;
    }
    tell_consumed(w);
    return ok;
}

int worker_receive(struct worker *w, struct inbox_message *in)
{
    int status = hawser_lane_recv(w->lane, &in->frames, -1);
    if (status != HAWSER_LANE_OK) return status;
    in->calls = hawser__to_host__unpack(NULL, in->frames.frame[0].size, in->frames.frame[0].data);
    if (!in->calls) {
        hawser_log(HAWSER_ERROR, "a message that cannot be read");
        hawser_message_clear(&in->frames);
        return HAWSER_LANE_BROKEN;
    }
    for (size_t i = 0; i < in->calls->n_calls; i++)
        take_at_once(w, in->calls->calls[i]);
    return HAWSER_LANE_OK;
}

/* The answer to Open. What it allocates lives as long as the process. */
static void send_opened(struct worker *w, const Hawser__Open *open)
{
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    Hawser__Opened opened = HAWSER__OPENED__INIT;
    int version = 0;
    w->driver.cuDriverGetVersion(&version);
    opened.protocol_minor = HAWSER_PROTOCOL_MINOR;
    opened.version = HAWSER_VERSION;
    opened.driver_version = version;
    opened.software = w->software;
    devices_contain(open->container_devices);
    struct served c = {.worker = w, .driver = &w->driver};
    if (open->protocol_minor < HAWSER_PROTOCOL_INITIALIZE) devices_open(&c, &opened);
    m.opened = &opened;
    worker_send(w, &m, NULL, 0);
}

static int serve(struct worker *w)
{
    struct hawser_message m;
    int status = hawser_lane_recv(w->lane, &m, GUEST_MS);
    if (status != HAWSER_LANE_OK) {
        hawser_log(HAWSER_WARN, "no guest came");
        return 1;
    }
    /* The lane lets nothing through before an Open with the token. */
    Hawser__ToHost *first = hawser__to_host__unpack(NULL, m.frame[0].size, m.frame[0].data);
    hawser_message_clear(&m);
    if (!first) return 1;
    send_opened(w, first->open);
    hawser__to_host__free_unpacked(first, NULL);
    struct inbox_message in;
    while ((status = inbox_next(w, &in)) == HAWSER_LANE_OK) {
        bool ok = handle_message(w, &in);
        hawser__to_host__free_unpacked(in.calls, NULL);
        hawser_message_clear(&in.frames);
        if (!ok) {
            status = HAWSER_LANE_BROKEN;
            break;
        }
    }
    if (status == HAWSER_LANE_BROKEN) hawser_log(HAWSER_ERROR, "broken message: session closed");
    return status == HAWSER_LANE_BROKEN;
}

/* ---- starting ---- */

struct settings {
    const char *endpoint, *library;
    unsigned ports_lo, ports_hi;
    int control;
};

static bool read_token(int fd, uint8_t *token)
{
    size_t got = 0;
    ssize_t n;
    while (got < TOKEN_SIZE && (n = read(fd, token + got, TOKEN_SIZE - got)) > 0)
        got += (size_t)n;
    return got == TOKEN_SIZE;
}

static int start(struct worker *w, const struct settings *s)
{
    char err[512], bound[256];
    uint8_t token[TOKEN_SIZE];
    if (!read_token(s->control, token)) {
        hawser_log(HAWSER_ERROR, "no token on the control descriptor: hawserd starts this program");
        return -1;
    }
    w->lane = hawser_zmq_serve(s->endpoint, s->ports_lo, s->ports_hi, token, sizeof token, bound,
                               sizeof bound, err, sizeof err);
    if (!w->lane) {
        hawser_log(HAWSER_ERROR, "%s", err);
        return -1;
    }
    if (driver_load(s->library, &w->driver, &w->software, err, sizeof err) != 0) {
        hawser_log(HAWSER_ERROR, "cannot load the driver library: %s", err);
        return -1;
    }
    nvml_from(s->library);
    devices_lend();
    w->objects = objects_new();
    if (!w->objects || !staging_new(w) || output_capture(w) != 0) return -1;
    dprintf(s->control, "%s\n", bound);
    close(s->control);
    return 0;
}

#ifndef HAWSER_SANITIZE
/* A crash here ends one session. What is known goes to the log before the default action. */
static void crashed(int signal)
{
    static const char text[] = "hawser-worker: crashed; where it was:\n";
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigaction(signal, &standard, NULL); /* whoever handed the signal on stays installed otherwise */
    if (write(hawser_log_fd(), text, sizeof text - 1) > 0) hawser_backtrace(hawser_log_fd());
    raise(signal);
}
#endif

/* Before the driver is loaded: the software GPU hands on what is not a kernel's fault. */
static void report_crashes(void)
{
#ifndef HAWSER_SANITIZE
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    struct sigaction action = {.sa_handler = crashed, .sa_flags = SA_NODEFER};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        sigaction(fatal[i], &action, NULL);
#endif
}

static void usage(FILE *to)
{
    fprintf(to, "usage: hawser-worker --endpoint ENDPOINT --library FILE --control FD [--ports LO-HI]\n"
                "Serves one guest process. hawserd starts it; it is of no use by itself.\n"
                "  --help, --version\n");
}

static int parse(int argc, char **argv, struct settings *s)
{
    static const struct option options[] = {
        {"endpoint", required_argument, NULL, 'e'}, {"library", required_argument, NULL, 'l'},
        {"control", required_argument, NULL, 'c'},  {"ports", required_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},           {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0}};
    int o;
    *s = (struct settings){.control = -1};
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (o) {
        case 'e':
            s->endpoint = optarg;
            break;
        case 'l':
            s->library = optarg;
            break;
        case 'c':
            s->control = atoi(optarg);
            break;
        case 'p':
            if (sscanf(optarg, "%u-%u", &s->ports_lo, &s->ports_hi) != 2) return -1;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        case 'v':
            printf("hawser-worker %s\n", HAWSER_VERSION);
            exit(0);
        default:
            return -1;
        }
    return s->endpoint && s->library && s->control >= 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    static struct worker w; /* one per process: the session's */
    struct settings s;
    hawser_log_name("hawser-worker");
    if (parse(argc, argv, &s) != 0) {
        usage(stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* sessions end with their broker */
    signal(SIGPIPE, SIG_IGN);
    report_crashes();
    if (start(&w, &s) != 0) return 1;
    int status = serve(&w);
    /* Nothing to take down in order: the kernel frees all that the session held. */
    _exit(status);
}
