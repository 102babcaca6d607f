#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger.h"
#include "log.h"

struct report {
    struct session *session;
    int control;
    pthread_mutex_t lock; /* the session stays while it is held */
    bool ended;
};

static void count(const struct session_item *item, void *arg) {
    (void)item;
    ++*(uint64_t *)arg;
}

static Control__Counts counts_of(struct session *session) {
    Control__Counts c = CONTROL__COUNTS__INIT;
    c.calls = session->calls;
    c.memory = ledger_in_use(session);
    c.memory_peak = ledger_peak(session);
    session_list(session, count, &c.things);
    return c;
}

static void write_log(struct session *session) {
    char *text = NULL, *next;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) return;
    session_dump(session, out);
    fclose(out);
    for (char *line = text; line && *line; line = next) {
        next = strchr(line, '\n');
        *next++ = 0; /* each line has an end */
        hawser_log(HAWSER_DEBUG, "session: %s", line);
    }
    free(text);
}

static void answer(struct report *r) {
    pthread_mutex_lock(&r->lock);
    if (!r->ended) {
        Control__ToBroker m = CONTROL__TO_BROKER__INIT;
        Control__Counts counts = counts_of(r->session);
        m.counts = &counts;
        if (hawser_log_enabled(HAWSER_DEBUG)) write_log(r->session);
        control_send(r->control, &m.base);
    }
    pthread_mutex_unlock(&r->lock);
}

static void *listen_to_broker(void *arg) {
    struct report *r = arg;
    ProtobufCMessage *m;
    while ((m = control_receive(r->control, &control__to_worker__descriptor, true))) {
        if (((Control__ToWorker *)m)->report) answer(r);
        protobuf_c_message_free_unpacked(m, NULL);
    }
    return NULL; /* sessions end with their broker: the kernel sees to it */
}

bool report_begin(struct session *session, int control, const char *endpoint) {
    Control__ToBroker m = CONTROL__TO_BROKER__INIT;
    Control__Ready ready = CONTROL__READY__INIT;
    pthread_t t;
    struct report *r = session->report = calloc(1, sizeof *r);
    if (!r) return false;
    r->session = session;
    r->control = control;
    pthread_mutex_init(&r->lock, NULL);
    if (pthread_create(&t, NULL, listen_to_broker, r) != 0) return false;
    pthread_detach(t);
    ready.endpoint = (char *)endpoint;
    m.ready = &ready;
    return control_send(control, &m.base);
}

void report_end(struct session *session) {
    struct report *r = session->report;
    Control__ToBroker m = CONTROL__TO_BROKER__INIT;
    pthread_mutex_lock(&r->lock);
    Control__Counts counts = counts_of(session);
    m.ended = &counts;
    control_send(r->control, &m.base);
    r->ended = true;
    pthread_mutex_unlock(&r->lock);
}
