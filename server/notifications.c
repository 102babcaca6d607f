/* Asynchronous notifications: what the driver tells of a device goes to the guest, whose callbacks they are. */
#include "served.h"

#include <stdlib.h>

struct watched {
    struct watched *next;
    struct worker *worker;
    CUdevice device;
    CUasyncCallbackHandle handle;
};

static struct watched *all; /* dispatcher only */

/* On a thread of the driver's. */
static void on_notification(CUasyncNotificationInfo *info, void *data, CUasyncCallbackHandle handle)
{
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
    worker_send(w->worker, &m, NULL, 0);
}

static CUresult watch(struct served *c, CUdevice device)
{
    if (!c->driver->cuDeviceRegisterAsyncNotification) return CUDA_ERROR_NOT_SUPPORTED;
    struct watched *w = malloc(sizeof *w);
    if (!w) return CUDA_ERROR_OUT_OF_MEMORY;
    *w = (struct watched){.next = all, .worker = c->worker, .device = device};
    CUresult r = c->driver->cuDeviceRegisterAsyncNotification(device, on_notification, w, &w->handle);
    if (r == CUDA_SUCCESS)
        all = w;
    else
        free(w);
    return r;
}

CUresult serve_Watch(struct served *c, const struct watch_args *a)
{
    struct watched **p = &all;
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
