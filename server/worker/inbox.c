#include "inbox.h"

#include <stdlib.h>
#include <unistd.h>

#include "log.h"

struct entry {
    struct entry *next;
    struct inbox_message message;
};

struct inbox {
    struct session *session;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t change;
    struct entry *first, **last;
    int status; /* of the lane */
};

static void *receive(void *arg) {
    struct inbox *in = arg;
    int status = HAWSER_LANE_OK;
    while (status == HAWSER_LANE_OK) {
        struct entry *e = calloc(1, sizeof *e);
        if (!e) _exit(1);
        status = session_receive(in->session, &e->message);
        pthread_mutex_lock(&in->lock);
        if (status == HAWSER_LANE_OK) {
            *in->last = e;
            in->last = &e->next;
        } else {
            in->status = status;
            free(e);
        }
        pthread_cond_signal(&in->change);
        pthread_mutex_unlock(&in->lock);
    }
    return NULL;
}

void session_receive_apart(struct session *session) {
    pthread_t t;
    if (session->inbox) return;
    struct inbox *in = calloc(1, sizeof *in);
    if (!in) _exit(1);
    in->session = session;
    in->last = &in->first;
    in->status = HAWSER_LANE_OK;
    pthread_mutex_init(&in->lock, NULL);
    pthread_cond_init(&in->change, NULL);
    session->inbox = in;
    if (pthread_create(&t, NULL, receive, in) != 0) {
        hawser_log(HAWSER_ERROR, "cannot start the receiving thread");
        _exit(1);
    }
    pthread_detach(t);
}

int inbox_next(struct session *session, struct inbox_message *out) {
    struct inbox *in = session->inbox;
    if (!in) return session_receive(session, out);
    pthread_mutex_lock(&in->lock);
    while (!in->first && in->status == HAWSER_LANE_OK)
        pthread_cond_wait(&in->change, &in->lock);
    struct entry *e = in->first;
    int status = e ? HAWSER_LANE_OK : in->status;
    if (e) {
        in->first = e->next;
        if (!in->first) in->last = &in->first;
        *out = e->message;
    }
    pthread_mutex_unlock(&in->lock);
    free(e);
    return status;
}
