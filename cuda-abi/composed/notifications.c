/*
 * Asynchronous notifications: the callbacks of this library's program. What is told, the library that links this room
 * knows: it is asked to watch a device while there are callbacks for it.
 */
#include "../abi_internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct registration {
    struct registration *next;
    CUdevice device;
    CUasyncCallback function;
    void *data;
};

/* Guards the list, and is held while callbacks run: once a registration is taken back, its callback runs no more. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct registration *all;
static __thread bool in_callback;

static bool watched(CUdevice device) {
    struct registration *r = all;
    while (r && r->device != device)
        r = r->next;
    return r != NULL;
}

static CUresult allowed(CUdevice device) {
    int n;
    CUresult r = cuDeviceGetCount(&n);
    if (r != CUDA_SUCCESS) return r;
    if (device < 0 || device >= n) return CUDA_ERROR_INVALID_DEVICE;
    return in_callback ? CUDA_ERROR_NOT_PERMITTED : CUDA_SUCCESS;
}

CUresult cuDeviceRegisterAsyncNotification(CUdevice device, CUasyncCallback callbackFunc, void *userData,
                                           CUasyncCallbackHandle *callback) {
    CUresult r = allowed(device);
    if (r != CUDA_SUCCESS) return r;
    if (!callbackFunc || !callback) return CUDA_ERROR_INVALID_VALUE;
    struct registration *one = malloc(sizeof *one);
    if (!one) return CUDA_ERROR_OUT_OF_MEMORY;
    pthread_mutex_lock(&lock);
    r = watched(device) ? CUDA_SUCCESS : hawser_abi_watch(device, 1);
    if (r == CUDA_SUCCESS) {
        *one = (struct registration){all, device, callbackFunc, userData};
        *callback = (CUasyncCallbackHandle)(all = one);
    }
    pthread_mutex_unlock(&lock);
    if (r != CUDA_SUCCESS) free(one);
    return r;
}

CUresult cuDeviceUnregisterAsyncNotification(CUdevice device, CUasyncCallbackHandle callback) {
    CUresult r = allowed(device);
    if (r != CUDA_SUCCESS) return r;
    pthread_mutex_lock(&lock);
    struct registration **p = &all;
    while (*p && (*p != (struct registration *)callback || (*p)->device != device))
        p = &(*p)->next;
    struct registration *one = *p;
    if (one) {
        *p = one->next;
        if (!watched(device)) r = hawser_abi_watch(device, 0);
    }
    pthread_mutex_unlock(&lock);
    free(one);
    return one ? r : CUDA_ERROR_INVALID_VALUE;
}

struct told {
    CUdevice device;
    CUasyncNotificationInfo info;
};

static void *tell(void *arg) {
    struct told *t = arg;
    pthread_mutex_lock(&lock);
    in_callback = true;
    for (struct registration *r = all; r; r = r->next)
        if (r->device == t->device) {
            CUasyncNotificationInfo info = t->info; /* each callback's own */
            r->function(&info, r->data, (CUasyncCallbackHandle)r);
        }
    pthread_mutex_unlock(&lock);
    free(t);
    return NULL;
}

void hawser_abi_notify(CUdevice device, const CUasyncNotificationInfo *info) {
    sigset_t every, before;
    pthread_t thread;
    struct told *t = malloc(sizeof *t);
    if (!t) return;
    *t = (struct told){device, *info};
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before); /* the program's signals are not for this thread */
    bool started = pthread_create(&thread, NULL, tell, t) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        pthread_detach(thread);
    else
        free(t);
}
