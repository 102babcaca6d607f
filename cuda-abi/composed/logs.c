/* The error log: the newest messages of this library, kept in a ring, and callbacks for new ones. */
#include "../abi_internal.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ENTRIES 100u /* what cuLogsDumpToMemory promises to keep */
#define TEXT 256

struct callback {
    struct callback *next;
    CUlogsCallback function;
    void *data;
};

/* lock guards the ring and the list; callbacks are called without it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry {
    CUlogLevel level;
    char text[TEXT];
} ring[ENTRIES];
static unsigned written; /* entries ever; also the iterator of what comes next */
static struct callback *callbacks;

/* To where CUDA_LOG_FILE wants it besides: stdout, stderr or the end of a file. */
static void write_out(const char *text) {
    const char *name = getenv("CUDA_LOG_FILE");
    if (!name || !*name) return;
    bool out = !strcmp(name, "stdout"), err = !strcmp(name, "stderr");
    FILE *f = out ? stdout : err ? stderr : fopen(name, "ae");
    if (!f) return;
    fprintf(f, "%s\n", text);
    if (out || err)
        fflush(f);
    else
        fclose(f);
}

void hawser_abi_record(int error, const char *fmt, ...) {
    struct entry e = {.level = error ? CU_LOG_LEVEL_ERROR : CU_LOG_LEVEL_WARNING};
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(e.text, sizeof e.text, "[%H:%M:%S.", &tm);
    n += (size_t)snprintf(e.text + n, sizeof e.text - n, "%03ld][CUDA][%c] ", now.tv_nsec / 1000000, error ? 'E' : 'W');
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e.text + n, sizeof e.text - n, fmt, ap);
    va_end(ap);
    struct callback copies[16];
    unsigned n_copies = 0;
    pthread_mutex_lock(&lock);
    ring[written++ % ENTRIES] = e;
    for (struct callback *c = callbacks; c && n_copies < 16; c = c->next)
        copies[n_copies++] = *c;
    pthread_mutex_unlock(&lock);
    write_out(e.text);
    for (unsigned i = 0; i < n_copies; i++)
        copies[i].function(copies[i].data, e.level, e.text, strlen(e.text));
}

CUresult cuLogsRegisterCallback(CUlogsCallback callbackFunc, void *userData, CUlogsCallbackHandle *callback_out) {
    if (!callbackFunc) return CUDA_ERROR_INVALID_VALUE;
    struct callback *c = malloc(sizeof *c);
    if (!c) return CUDA_ERROR_OUT_OF_MEMORY;
    pthread_mutex_lock(&lock);
    *c = (struct callback){callbacks, callbackFunc, userData};
    callbacks = c;
    pthread_mutex_unlock(&lock);
    if (callback_out) *callback_out = (CUlogsCallbackHandle)c;
    return CUDA_SUCCESS;
}

CUresult cuLogsUnregisterCallback(CUlogsCallbackHandle callback) {
    pthread_mutex_lock(&lock);
    struct callback **p = &callbacks;
    while (*p && *p != (struct callback *)callback)
        p = &(*p)->next;
    struct callback *c = *p;
    if (c) *p = c->next;
    pthread_mutex_unlock(&lock);
    free(c);
    return c ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuLogsCurrent(CUlogIterator *iterator_out, unsigned int flags) {
    if (!iterator_out || flags) return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&lock);
    *iterator_out = written;
    pthread_mutex_unlock(&lock);
    return CUDA_SUCCESS;
}

/* The lines from *iterator on, or all that are kept without one; malloc'ed, the oldest cut away until `room` bytes
 * with the NUL suffice. */
static char *gather(CUlogIterator *iterator, size_t room, size_t *size) {
    char *text = NULL;
    pthread_mutex_lock(&lock);
    unsigned begin = iterator && written - *iterator <= ENTRIES ? *iterator : written < ENTRIES ? 0 : written - ENTRIES;
    for (*size = 1;; begin++, *size = 1) {
        for (unsigned i = begin; i != written; i++)
            *size += strlen(ring[i % ENTRIES].text) + 1;
        if (*size <= room || begin == written) break;
    }
    text = malloc(*size);
    char *at = text;
    for (unsigned i = begin; text && i != written; i++)
        at += sprintf(at, "%s\n", ring[i % ENTRIES].text);
    if (text) *at = 0;
    if (iterator) *iterator = written;
    pthread_mutex_unlock(&lock);
    return text;
}

CUresult cuLogsDumpToFile(CUlogIterator *iterator, const char *pathToFile, unsigned int flags) {
    size_t size;
    if (!pathToFile || flags) return CUDA_ERROR_INVALID_VALUE;
    FILE *f = fopen(pathToFile, "we");
    if (!f) return CUDA_ERROR_INVALID_VALUE;
    char *text = gather(iterator, SIZE_MAX, &size);
    bool ok = text && fwrite(text, 1, size - 1, f) == size - 1;
    ok = fclose(f) == 0 && ok;
    free(text);
    return ok ? CUDA_SUCCESS : CUDA_ERROR_OPERATING_SYSTEM;
}

/* *size: the buffer's bytes, then those written without the NUL. */
CUresult cuLogsDumpToMemory(CUlogIterator *iterator, char *buffer, size_t *size, unsigned int flags) {
    size_t need;
    if (!buffer || !size || !*size || flags) return CUDA_ERROR_INVALID_VALUE;
    char *text = gather(iterator, *size, &need);
    if (!text) return CUDA_ERROR_OUT_OF_MEMORY;
    memcpy(buffer, text, need);
    *size = need - 1;
    free(text);
    return CUDA_SUCCESS;
}
