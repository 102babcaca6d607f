/* Asynchronous notifications: what the driver tells of a device goes to the guest, whose callbacks they are. */
#include "state.h"

#include <stdlib.h>

struct watched {
    struct watched *next;
    struct session *session;
    CUdevice device;
    CUasyncCallbackHandle handle;
};

/* The dispatcher's alone, but for the driver's threads, each of which reads its own entry. */
struct notifications {
    struct watched *all;
};

/* On a thread of the driver's. */
static void on_notification(CUasyncNotificationInfo *info, void *data, CUasyncCallbackHandle handle) {
    struct watched *w = data;
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    Hawser__Notification n = HAWSER__NOTIFICATION__INIT, *list[] = {&n};
    (void)handle;
    n.device = w->device;
    n.type = (int32_t)info->type;
    if (info->type == CU_ASYNC_NOTIFICATION_TYPE_OVER_BUDGET)
        n.bytes_over_budget = info->info.overBudget.bytesOverBudget;
    m.n_notifications = 1;
    m.notifications = list;
    session_send(w->session, &m, NULL, 0);
}

static CUresult watch(struct served *c, CUdevice device) {
    if (!c->driver->cuDeviceRegisterAsyncNotification) return CUDA_ERROR_NOT_SUPPORTED;
    struct watched *w = malloc(sizeof *w);
    if (!w) return CUDA_ERROR_OUT_OF_MEMORY;
    struct notifications *n = c->session->notifications;
    *w = (struct watched){.next = n->all, .session = c->session, .device = device};
    CUresult r = c->driver->cuDeviceRegisterAsyncNotification(device, on_notification, w, &w->handle);
    if (r == CUDA_SUCCESS)
        n->all = w;
    else
        free(w);
    return r;
}

CUresult serve_Watch(struct served *c, const struct watch_args *a) {
    struct watched **p = &c->session->notifications->all;
    while (*p && (*p)->device != a->device)
        p = &(*p)->next;
    if (a->on) return *p ? CUDA_SUCCESS : watch(c, a->device);
    if (!*p) return CUDA_ERROR_INVALID_VALUE;
    struct watched *w = *p;
    CUresult r = c->driver->cuDeviceUnregisterAsyncNotification(w->device, w->handle);
    if (r != CUDA_SUCCESS) return r; /* it may still be called */
    *p = w->next;
    free(w);
    return r;
}

/* ---- of the session ---- */

static bool begin(struct session *session) {
    return (session->notifications = calloc(1, sizeof *session->notifications));
}

static void list(struct session *session, session_visit *visit, void *arg) {
    for (struct watched *w = session->notifications->all; w; w = w->next)
        visit(&(struct session_item){.what = "watched device", .id = (uint64_t)w->device, .made_by = "Watch"}, arg);
}

static void end(struct session *session) {
    struct notifications *n = session->notifications;
    for (struct watched *w; (w = n->all);) {
        n->all = w->next;
        if (session->driver.cuDeviceUnregisterAsyncNotification(w->device, w->handle) == CUDA_SUCCESS) free(w);
    }
    free(n);
    session->notifications = NULL;
}

const struct session_state notifications_state = {.name = "notifications", .begin = begin, .list = list, .end = end};
