/*
 * Transfers: bytes on their way from the device into the guest's memory. The host pushes them by the
 * transfer's number; only addresses that the program itself named are ever written.
 */
#include "shim.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

struct shim_transfer {
    struct shim_transfer *next;
    uint64_t id;
    char *dst;
    size_t pitch, width, height;
    size_t left; /* bytes to come */
    bool later;  /* freed when its last push has come */
    CUresult result;
};

/* All transfers under way in the process. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static struct shim_transfer *transfers;
static uint64_t next_id = 1;
static bool lost;

struct shim_transfer *shim_transfer_begin(void *dst, size_t pitch, size_t width, size_t height, bool later,
                                          uint64_t *id) {
    struct shim_transfer *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->dst = dst;
    t->pitch = pitch;
    t->width = width;
    t->height = height;
    t->left = width * height;
    t->later = later;
    pthread_mutex_lock(&lock);
    *id = t->id = next_id++;
    t->next = transfers;
    transfers = t;
    pthread_mutex_unlock(&lock);
    return t;
}

/* Under the lock. */
static void unlink_transfer(struct shim_transfer *t) {
    for (struct shim_transfer **p = &transfers; *p; p = &(*p)->next)
        if (*p == t) {
            *p = t->next;
            break;
        }
    pthread_cond_broadcast(&change);
}

CUresult shim_transfer_end(struct shim_transfer *t) {
    pthread_mutex_lock(&lock);
    unlink_transfer(t);
    CUresult r = t->result;
    pthread_mutex_unlock(&lock);
    free(t);
    return r;
}

/* Packed bytes from offset on, into rows. The caller has checked that they fit. */
static void scatter(const struct shim_transfer *t, uint64_t offset, const char *data, size_t size) {
    while (size > 0) {
        size_t row = offset / t->width, column = offset % t->width;
        size_t n = t->width - column < size ? t->width - column : size;
        memcpy(t->dst + row * t->pitch + column, data, n);
        offset += n;
        data += n;
        size -= n;
    }
}

void shim_transfer_push(const Hawser__Push *push, const void *data, size_t size) {
    pthread_mutex_lock(&lock);
    struct shim_transfer *t = transfers;
    while (t && t->id != push->transfer)
        t = t->next;
    if (!t || push->offset > t->width * t->height || size > t->width * t->height - push->offset) {
        hawser_log(HAWSER_DEBUG, "a push for no known transfer was dropped");
        pthread_mutex_unlock(&lock);
        return;
    }
    if (push->result != 0) t->result = (CUresult)push->result;
    scatter(t, push->offset, data, size);
    t->left -= size < t->left ? size : t->left;
    /* Pieces may come in any order; a failed one is the last. */
    if (t->later && (t->left == 0 || (push->last && push->result != 0))) {
        unlink_transfer(t);
        free(t);
    }
    pthread_mutex_unlock(&lock);
}

/* Under the lock. */
static bool touched(const char *address, size_t size) {
    for (struct shim_transfer *t = transfers; t; t = t->next) {
        size_t extent = t->height ? t->pitch * (t->height - 1) + t->width : 0;
        if (t->later && address < t->dst + extent && t->dst < address + size) return true;
    }
    return false;
}

void shim_transfer_settle(const void *address, size_t size) {
    pthread_mutex_lock(&lock);
    while (!lost && touched(address, size))
        pthread_cond_wait(&change, &lock);
    pthread_mutex_unlock(&lock);
}

void shim_transfers_lost(void) {
    pthread_mutex_lock(&lock);
    lost = true;
    pthread_cond_broadcast(&change);
    pthread_mutex_unlock(&lock);
}
