/*
 * hawser-worker: serves one guest process. The broker starts it and keeps a control channel with it (control.proto), on
 * which the session's token comes; it listens, tells the broker where, waits for its guest, and ends with it.
 */
#include "state.h"

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
#include "layers.h"
#include "log.h"
#include "nvml_api.h"
#include "opening.h"
#include "protocol.h"
#include "report.h"
#include "trace.h"
#include "waiters.h"

#define GUEST_MS 20000 /* the guest must come within this time */

/* ---- one call ---- */

struct job {
    struct served served; /* without api and args: no function of this release's */
    uint32_t function;
    uint64_t seq;
    ProtobufCMessage *args; /* the job's own */
    bool understood;
    struct traced traced;
    size_t args_size;
    struct hawser_frame frames[];
};

static serve_function function_of(uint32_t number) {
    return number < HAWSER_NVML_FIRST ? hawser_cuda_serve[number] : hawser_nvml_serve[number - HAWSER_NVML_FIRST];
}

static CUresult run_in_context(struct job *j) {
    struct served *c = &j->served;
    if (!j->understood) return CUDA_ERROR_NOT_SUPPORTED;
    if (c->context) {
        struct object o;
        if (!served_object(c, HAWSER_CONTEXT, c->context, &o)) return CUDA_ERROR_INVALID_CONTEXT;
        CUresult r = c->driver->cuCtxSetCurrent(o.handle);
        if (r != CUDA_SUCCESS) return r;
    }
    trace_start(&j->traced, c, c->api, j->args);
    session_serves(c);
    CUresult r = function_of(j->function)(c, j->args);
    session_serves(NULL);
    trace_end(&j->traced, r);
    return r;
}

/* It was to end something that is not there: it went with its context, or could not be made, which has been told. */
static bool ends_nothing(const struct served *c) {
    const struct hawser_field_role *role = c->api ? c->api->roles : NULL;
    while (role && role->number && !(role->role & HAWSER_ROLE_GONE))
        role++;
    return c->unknown && role && role->number;
}

static void note_failure(struct served *c, const char *name, CUresult r) {
    if (ends_nothing(c)) {
        hawser_log(HAWSER_DEBUG, "the guest's %s names nothing that is there", name);
        return;
    }
    hawser_log(HAWSER_INFO, "the guest's %s failed with %d; its next synchronizing call says so", name, r);
    served_post_failed(c, r);
}

/* Before the reply goes, which tells of it. */
static void take(const struct job *j) {
    uint64_t bulk = 0;
    for (unsigned i = 0; i < j->served.n_frames; i++)
        bulk += j->frames[i].size;
    credits_take(j->served.session, j->args_size, bulk);
}

static void run(void *arg) {
    struct job *j = arg;
    struct served *c = &j->served;
    const char *name = c->api ? c->api->name : "function of another release";
    char text[512];
    CUresult r = run_in_context(j);
    if (hawser_log_enabled(HAWSER_DEBUG))
        hawser_log(HAWSER_DEBUG, "%s -> %d", j->args ? hawser_dump(text, sizeof text, c->api, j->args) : name, r);
    if (j->seq == 0 && r != CUDA_SUCCESS) note_failure(c, name, r);
    if (j->seq != 0) {
        if (c->api && c->api->flags & HAWSER_API_SYNCS) {
            CUresult earlier = r == CUDA_SUCCESS ? served_take_post_error(c) : CUDA_SUCCESS;
            if (r == CUDA_SUCCESS) r = earlier;
            staging_push_ready(c->session);
            host_memory_push(c->session);
            output_flush(c->session);
        }
        Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
        Hawser__Reply reply = HAWSER__REPLY__INIT, *list[] = {&reply};
        reply.seq = j->seq;
        reply.result = r;
        reply.out.data = c->out;
        reply.out.len = c->out_size;
        m.n_replies = 1;
        m.replies = list;
        trace_attach(c->session, &m);
        take(j);
        credits_attach(c->session, &m);
        session_send(c->session, &m, NULL, 0);
        trace_sent(&m);
    } else {
        take(j);
    }
    hawser_frames_free(c->frames, c->n_frames);
    if (j->args) protobuf_c_message_free_unpacked(j->args, NULL);
    served_free_all(c);
    free(c->out);
    c->session->calls++;
    c->session->serving--;
    free(j);
}

/* The call's arguments, as far as this release knows its function and all that it asks for (protocol.h); false when
 * they make no sense. */
static bool read_args(struct job *j, const Hawser__Call *call) {
    const struct hawser_api_function *api = hawser_api_function(call->function);
    j->function = call->function;
    if (!api) {
        hawser_log(HAWSER_INFO, "the guest calls function %u, which this release does not know", call->function);
        return true;
    }
    j->args = protobuf_c_message_unpack(api->request, NULL, call->args.len, call->args.data);
    if (!j->args) {
        hawser_log(HAWSER_ERROR, "broken arguments of %s", api->name);
        return false;
    }
    j->understood = hawser_api_understood(j->args);
    if (!j->understood) hawser_log(HAWSER_INFO, "the guest asks more of %s than this release knows", api->name);
    j->served.api = api;
    j->served.args = j->args;
    return true;
}

/* False when the call makes no sense: the session then ends. */
static bool start_call(struct session *session, const Hawser__Call *call, struct hawser_frame *frames) {
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
    j->served = (struct served){.session = session,
                                .driver = &session->driver,
                                .api = j->served.api,
                                .args = j->args,
                                .thread = call->thread,
                                .context = call->context,
                                .frames = j->frames,
                                .n_frames = call->frames};
    session->serving++;
    if (j->understood && j->served.api->flags & HAWSER_API_WAITS)
        waiters_run(run, j);
    else
        run(j);
    return true;
}

/* ---- the session ---- */

/* What may come while the dispatcher waits for what it ends is not queued behind other calls. */
static bool is_at_once(const Hawser__Call *call) {
    const struct hawser_api_function *api = hawser_api_function(call->function);
    return api && api->flags & HAWSER_API_AT_ONCE && !call->frames;
}

static bool handle_message(struct session *session, struct inbox_message *in) {
    Hawser__ToHost *h = in->calls;
    bool ok = true;
    unsigned next = 1;
    for (size_t i = 0; ok && i < h->n_calls; i++) {
        const Hawser__Call *call = h->calls[i];
        if (is_at_once(call)) continue;
        ok = call->frames <= in->frames.n_frames - next && start_call(session, call, &in->frames.frame[next]);
        if (ok) next += call->frames;
    }
    credits_tell(session);
    return ok;
}

int session_receive(struct session *session, struct inbox_message *in) {
    int status;
    while ((status = hawser_lane_recv(session->lane, &in->frames, -1)) == HAWSER_LANE_TIMEOUT) {
    }
    if (status != HAWSER_LANE_OK) return status;
    in->calls = hawser__to_host__unpack(NULL, in->frames.frame[0].size, in->frames.frame[0].data);
    if (!in->calls) {
        hawser_log(HAWSER_ERROR, "a message that cannot be read");
        hawser_message_clear(&in->frames);
        return HAWSER_LANE_BROKEN;
    }
    if (!credits_come(session, in->calls, &in->frames)) {
        hawser__to_host__free_unpacked(in->calls, NULL);
        hawser_message_clear(&in->frames);
        return HAWSER_LANE_BROKEN;
    }
    for (size_t i = 0; i < in->calls->n_calls; i++)
        if (is_at_once(in->calls->calls[i])) start_call(session, in->calls->calls[i], NULL);
    return HAWSER_LANE_OK;
}

/* The answer to Open. */
static void send_opened(struct session *session) {
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    Hawser__Opened opened = HAWSER__OPENED__INIT;
    int version = 0;
    uint32_t functions[128];
    session->driver.cuDriverGetVersion(&version);
    opened.protocol_minor = HAWSER_PROTOCOL_MINOR;
    opened.version = HAWSER_VERSION;
    opened.driver_version = version;
    opened.software = session->software;
    credits_grant(&opened);
    struct served c = {.session = session, .driver = &session->driver};
    if (session->minor < HAWSER_MINOR_INITIALIZE) devices_open(&c, &opened);
    if (session->minor >= HAWSER_MINOR_FUNCTIONS) {
        opened.n_functions = hawser_protocol_functions(functions, sizeof functions / sizeof *functions);
        opened.functions = functions;
    }
    m.opened = &opened;
    session_send(session, &m, NULL, 0);
    served_free_all(&c);
}

/* The guest comes. False when none did in time. */
static bool open_session(struct session *session) {
    Hawser__ToHost *first;
    session->lane = opening_wait(session->listener, session->token, sizeof session->token, GUEST_MS, &first);
    if (!session->lane) return false;
    session->minor = hawser_minor_in_force(first->open->protocol_minor);
    devices_contain(session, first->open->container_devices);
    hawser__to_host__free_unpacked(first, NULL);
    send_opened(session);
    output_forward(session);
    return true;
}

static int serve(struct session *session) {
    if (!open_session(session)) {
        hawser_log(HAWSER_WARN, "no guest came");
        return 1;
    }
    struct inbox_message in;
    int status;
    while ((status = inbox_next(session, &in)) == HAWSER_LANE_OK) {
        bool ok = handle_message(session, &in);
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

/* What hawserd says first. */
static bool read_start(int control, struct session *session) {
    Control__ToWorker *m = (Control__ToWorker *)control_receive(control, &control__to_worker__descriptor, true);
    const Control__Start *start = m ? m->start : NULL;
    bool ok = start && start->token.len == SESSION_TOKEN;
    if (ok) {
        memcpy(session->token, start->token.data, SESSION_TOKEN);
        session->software = start->software;
    }
    if (m) control__to_worker__free_unpacked(m, NULL);
    return ok;
}

static int start(struct session *session, const struct settings *s) {
    char err[512], bound[256];
    struct hawser_listen_options options = {.ports_lo = s->ports_lo, .ports_hi = s->ports_hi};
    fcntl(s->control, F_SETFD, FD_CLOEXEC);
    if (!read_start(s->control, session)) {
        hawser_log(HAWSER_ERROR, "no session's token on the control channel: hawserd starts this program");
        return -1;
    }
    session->listener = hawser_lane_listen(s->endpoint, &options, bound, sizeof bound, err, sizeof err);
    if (!session->listener) {
        hawser_log(HAWSER_ERROR, "%s", err);
        return -1;
    }
    if (driver_load(s->library, &session->driver, err, sizeof err) != 0) {
        hawser_log(HAWSER_ERROR, "cannot load the driver library: %s", err);
        return -1;
    }
    layers_install(&session->driver);
    session->credits = calloc(1, sizeof *session->credits);
    if (!session->credits || !session_begin(session) || output_capture(session) != 0) return -1;
    nvml_from(session, s->library);
    return report_begin(session, s->control, bound) ? 0 : -1;
}

#ifndef HAWSER_SANITIZE
/* A crash here ends one session. What is known goes to the log before the default action. */
static void crashed(int signal) {
    static const char text[] = "hawser-worker: crashed; where it was:\n";
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigaction(signal, &standard, NULL); /* whoever handed the signal on stays installed otherwise */
    if (write(hawser_log_fd(), text, sizeof text - 1) > 0) hawser_backtrace(hawser_log_fd());
    raise(signal);
}
#endif

/* Before the driver is loaded: the software GPU hands on what is not a kernel's fault. */
static void report_crashes(void) {
#ifndef HAWSER_SANITIZE
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    struct sigaction action = {.sa_handler = crashed, .sa_flags = SA_NODEFER};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        sigaction(fatal[i], &action, NULL);
#endif
}

static void usage(FILE *to) {
    fprintf(to, "usage: hawser-worker --endpoint ENDPOINT --library FILE --control FD [--ports LO-HI]\n"
                "Serves one guest process. hawserd starts it; it is of no use by itself.\n"
                "  --help, --version\n");
}

static int parse(int argc, char **argv, struct settings *s) {
    static const struct option options[] = {{"endpoint", required_argument, NULL, 'e'},
                                            {"library", required_argument, NULL, 'l'},
                                            {"control", required_argument, NULL, 'c'},
                                            {"ports", required_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'v'},
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

int main(int argc, char **argv) {
    static struct session session; /* the one of this process */
    struct settings s;
    hawser_log_name("hawser-worker");
    if (parse(argc, argv, &s) != 0) {
        usage(stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* sessions end with their broker */
    signal(SIGPIPE, SIG_IGN);
    report_crashes();
    if (start(&session, &s) != 0) return 1;
    int status = serve(&session);
    report_end(&session);
    /* What still runs cannot be ended in order, and nobody waits for it: with the process it goes all the same. */
    if (session_idle(&session)) {
        session_end(&session);
        hawser_log(HAWSER_DEBUG, "the session has ended in order");
    }
    _exit(status);
}
