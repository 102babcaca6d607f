/*
 * Events for other processes: a page of memory in a file without a name, where each record takes the next number and
 * writes it down when its stream has come to it. What is waited for is that the last number taken has been written.
 */
#include "driver.h"

#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 100 /* how often a waiter looks whether the recording process is still there */

struct page {
    _Atomic uint32_t recorded, reached;
    _Atomic int32_t recorder; /* the process that recorded last */
};

struct sd_shared_event {
    _Atomic int references;
    struct page *page;
    int fd;
};

static struct sd_shared_event *map(int fd) {
    struct sd_shared_event *e = calloc(1, sizeof *e);
    void *page = e ? mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (page == MAP_FAILED) {
        free(e);
        close(fd);
        return NULL;
    }
    e->references = 1;
    e->page = page;
    e->fd = fd;
    return e;
}

struct sd_shared_event *sd_shared_event_new(void) {
    int fd = memfd_create(SD_IPC_EVENT, MFD_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, sizeof(struct page)) != 0) {
        close(fd);
        fd = -1;
    }
    return fd >= 0 ? map(fd) : NULL;
}

struct sd_shared_event *sd_shared_event_open(int fd) {
    return map(fd);
}

int sd_shared_event_fd(const struct sd_shared_event *e) {
    return e->fd;
}

static struct sd_shared_event *ref(struct sd_shared_event *e) {
    e->references++;
    return e;
}

void sd_shared_event_unref(struct sd_shared_event *e) {
    if (!e || --e->references) return;
    munmap(e->page, sizeof(struct page));
    close(e->fd);
    free(e);
}

/* ---- waiting ---- */

static bool reached(const struct page *p, uint32_t number) {
    return (int32_t)(p->reached - number) >= 0;
}

bool sd_shared_event_reached(struct sd_shared_event *e) {
    return reached(e->page, e->page->recorded);
}

static CUresult wait_for(struct page *p, uint32_t number) {
    const struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};
    for (;;) {
        uint32_t seen = p->reached;
        if (reached(p, number)) return CUDA_SUCCESS;
        syscall(SYS_futex, &p->reached, FUTEX_WAIT, seen, &look, NULL, 0);
        /* Its stream will never come to it. */
        if (!reached(p, number) && kill(p->recorder, 0) != 0) return CUDA_ERROR_UNKNOWN;
    }
}

CUresult sd_shared_event_wait(struct sd_shared_event *e) {
    return wait_for(e->page, e->page->recorded);
}

/* ---- in streams ---- */

struct shared_task {
    struct sd_task task;
    struct sd_shared_event *event;
    uint32_t number;
};

static void write_number(struct sd_task *t) {
    struct shared_task *s = (struct shared_task *)t;
    struct page *p = s->event->page;
    uint32_t now = p->reached;
    while ((int32_t)(s->number - now) > 0 &&
           !__atomic_compare_exchange_n(&p->reached, &now, s->number, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    syscall(SYS_futex, &p->reached, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static void wait_for_number(struct sd_task *t) {
    struct shared_task *s = (struct shared_task *)t;
    wait_for(s->event->page, s->number);
}

static void drop(struct sd_task *t) {
    sd_shared_event_unref(((struct shared_task *)t)->event);
    free(t);
}

static CUresult enqueue(struct sd_shared_event *e, struct sd_stream *s, void (*run)(struct sd_task *),
                        uint32_t number) {
    struct shared_task *t = calloc(1, sizeof *t);
    if (!t) return CUDA_ERROR_OUT_OF_MEMORY;
    *t = (struct shared_task){
        .task = {.run = run, .drop = drop, .always = run == write_number}, .event = ref(e), .number = number};
    return sd_enqueue(s, &t->task, NULL);
}

CUresult sd_shared_event_record(struct sd_shared_event *e, struct sd_stream *s) {
    e->page->recorder = (int32_t)getpid();
    return enqueue(e, s, write_number, __atomic_add_fetch(&e->page->recorded, 1, __ATOMIC_SEQ_CST));
}

CUresult sd_shared_event_before(struct sd_shared_event *e, struct sd_stream *s) {
    uint32_t number = e->page->recorded;
    return reached(e->page, number) ? CUDA_SUCCESS : enqueue(e, s, wait_for_number, number);
}
