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
#include "credits.h"
#include "dump.h"
#include "inbox.h"
#include "log.h"
#include "nvml_api.h"
#include "opening.h"
#include "protocol.h"
#include "trace.h"
#include "waiters.h"

#define GUEST_MS 20000 /* the guest must come within this time */

/* ---- one call ---- */

struct job {
    struct served served;
    uint32_t function;
    const struct hawser_api_function *api; /* NULL: no function of this release's */
    uint64_t seq;
    ProtobufCMessage *args;                /* NULL for such a one */
    bool understood;
    struct traced traced;
    size_t args_size;
    struct hawser_frame frames[];
};

static serve_function function_of(uint32_t number)
{
    return number < HAWSER_NVML_FIRST ? hawser_cuda_serve[number] : hawser_nvml_serve[number - HAWSER_NVML_FIRST];
}

static CUresult run_in_context(struct job *j)
{
    struct served *c = &j->served;
    if (!j->understood) return CUDA_ERROR_NOT_SUPPORTED;
    if (c->context) {
        struct object o;
        if (!served_object(c, HAWSER_CONTEXT, c->context, &o)) return CUDA_ERROR_INVALID_CONTEXT;
        CUresult r = c->driver->cuCtxSetCurrent(o.handle);
        if (r != CUDA_SUCCESS) return r;
    }
    trace_start(&j->traced, c, j->api, j->args);
    CUresult r = function_of(j->function)(c, j->args);
    trace_end(&j->traced, r);
    return r;
}

/* Before the reply goes, which tells of it. */
static void take(const struct job *j)
{
    uint64_t bulk = 0;
    for (unsigned i = 0; i < j->served.n_frames; i++)
        bulk += j->frames[i].size;
    credits_take(j->served.worker, j->args_size, bulk);
}

static void run(void *arg)
{
    struct job *j = arg;
    struct served *c = &j->served;
    const char *name = j->api ? j->api->name : "function of another release";
    char text[512];
    CUresult r = run_in_context(j);
    if (hawser_log_enabled(HAWSER_DEBUG))
        hawser_log(HAWSER_DEBUG, "%s -> %d", j->args ? hawser_dump(text, sizeof text, j->api, j->args) : name, r);
    if (j->seq == 0 && r != CUDA_SUCCESS) {
        hawser_log(HAWSER_INFO, "the guest's %s failed with %d; its next synchronizing call says so", name, r);
        served_post_failed(c, r);
    }
    if (j->seq != 0) {
        if (j->api && j->api->flags & HAWSER_API_SYNCS) {
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
        take(j);
        credits_attach(c->worker, &m);
        worker_send(c->worker, &m, NULL, 0);
        trace_sent(&m);
    } else {
        take(j);
    }
    hawser_frames_free(c->frames, c->n_frames);
    if (j->args) protobuf_c_message_free_unpacked(j->args, NULL);
    served_free_all(c);
    free(c->out);
    free(j);
}

/* The call's arguments, as far as this release knows its function and all that it asks for (protocol.h); false when
 * they make no sense. */
static bool read_args(struct job *j, const Hawser__Call *call)
{
    j->function = call->function;
    j->api = hawser_api_function(call->function);
    if (!j->api) {
        hawser_log(HAWSER_INFO, "the guest calls function %u, which this release does not know", call->function);
        return true;
    }
    j->args = protobuf_c_message_unpack(j->api->request, NULL, call->args.len, call->args.data);
    if (!j->args) {
        hawser_log(HAWSER_ERROR, "broken arguments of %s", j->api->name);
        return false;
    }
    j->understood = hawser_api_understood(j->args);
    if (!j->understood) hawser_log(HAWSER_INFO, "the guest asks more of %s than this release knows", j->api->name);
    return true;
}

/* False when the call makes no sense: the session then ends. */
static bool start_call(struct worker *w, const Hawser__Call *call, struct hawser_frame *frames)
{
    struct job *j = calloc(1, sizeof *j + call->frames * sizeof *frames);
    if (!j) return false;
    j->args_size = call->args.len;
    if (!read_args(j, call)) {
        free(j);
        return false;
    }
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
    if (j->understood && j->api->flags & HAWSER_API_WAITS)
        waiters_run(run, j);
    else
        run(j);
    return true;
}

/* ---- the session ---- */

/* What may come while the dispatcher waits for what it ends is not queued behind other calls. */
static bool is_at_once(const Hawser__Call *call)
{
    const struct hawser_api_function *api = hawser_api_function(call->function);
    return api && api->flags & HAWSER_API_AT_ONCE && !call->frames;
}

static bool handle_message(struct worker *w, struct inbox_message *in)
{
    Hawser__ToHost *h = in->calls;
    bool ok = true;
    unsigned next = 1;
    for (size_t i = 0; ok && i < h->n_calls; i++) {
        const Hawser__Call *call = h->calls[i];
        if (is_at_once(call)) continue;
        ok = call->frames <= in->frames.n_frames - next && start_call(w, call, &in->frames.frame[next]);
        if (ok) next += call->frames;
    }
    credits_tell(w);
    return ok;
}

int worker_receive(struct worker *w, struct inbox_message *in)
{
    int status;
    while ((status = hawser_lane_recv(w->lane, &in->frames, -1)) == HAWSER_LANE_TIMEOUT) {}
    if (status != HAWSER_LANE_OK) return status;
    in->calls = hawser__to_host__unpack(NULL, in->frames.frame[0].size, in->frames.frame[0].data);
    if (!in->calls) {
        hawser_log(HAWSER_ERROR, "a message that cannot be read");
        hawser_message_clear(&in->frames);
        return HAWSER_LANE_BROKEN;
    }
    if (!credits_come(w, in->calls, &in->frames)) {
        hawser__to_host__free_unpacked(in->calls, NULL);
        hawser_message_clear(&in->frames);
        return HAWSER_LANE_BROKEN;
    }
    for (size_t i = 0; i < in->calls->n_calls; i++)
        if (is_at_once(in->calls->calls[i])) start_call(w, in->calls->calls[i], NULL);
    return HAWSER_LANE_OK;
}

/* The answer to Open. What it allocates lives as long as the process. */
static void send_opened(struct worker *w)
{
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    Hawser__Opened opened = HAWSER__OPENED__INIT;
    int version = 0;
    uint32_t functions[128];
    w->driver.cuDriverGetVersion(&version);
    opened.protocol_minor = HAWSER_PROTOCOL_MINOR;
    opened.version = HAWSER_VERSION;
    opened.driver_version = version;
    opened.software = w->software;
    credits_grant(&opened);
    struct served c = {.worker = w, .driver = &w->driver};
    if (w->minor < HAWSER_MINOR_INITIALIZE) devices_open(&c, &opened);
    if (w->minor >= HAWSER_MINOR_FUNCTIONS) {
        opened.n_functions = hawser_protocol_functions(functions, sizeof functions / sizeof *functions);
        opened.functions = functions;
    }
    m.opened = &opened;
    worker_send(w, &m, NULL, 0);
}

/* The guest comes. False when none did in time. */
static bool open_session(struct worker *w)
{
    Hawser__ToHost *first;
    w->lane = opening_wait(w->listener, w->token, sizeof w->token, GUEST_MS, &first);
    if (!w->lane) return false;
    w->minor = hawser_minor_in_force(first->open->protocol_minor);
    devices_contain(first->open->container_devices);
    hawser__to_host__free_unpacked(first, NULL);
    send_opened(w);
    output_forward(w);
    return true;
}

static int serve(struct worker *w)
{
    if (!open_session(w)) {
        hawser_log(HAWSER_WARN, "no guest came");
        return 1;
    }
    struct inbox_message in;
    int status;
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
    while (got < SESSION_TOKEN && (n = read(fd, token + got, SESSION_TOKEN - got)) > 0)
        got += (size_t)n;
    return got == SESSION_TOKEN;
}

static int start(struct worker *w, const struct settings *s)
{
    char err[512], bound[256];
    struct hawser_listen_options options = {.ports_lo = s->ports_lo, .ports_hi = s->ports_hi};
    if (!read_token(s->control, w->token)) {
        hawser_log(HAWSER_ERROR, "no token on the control descriptor: hawserd starts this program");
        return -1;
    }
    w->listener = hawser_lane_listen(s->endpoint, &options, bound, sizeof bound, err, sizeof err);
    if (!w->listener) {
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
    w->credits = calloc(1, sizeof *w->credits);
    if (!w->objects || !w->credits || !staging_new(w) || output_capture() != 0) return -1;
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
