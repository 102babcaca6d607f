/*
 * The driver's file descriptors for other sessions of this host. A ticket names a socket of this worker and a secret;
 * the other guest's worker comes with it and gets the descriptor. They stay until the guest says that its own, with the
 * ticket, is closed everywhere, or the session ends.
 */
#include "state.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define MAGIC 0x746b637472737768ull

struct ticket {
    uint64_t magic;
    uint8_t worker[16]; /* the socket's name */
    uint8_t secret[16];
};

struct exported {
    struct exported *next;
    uint8_t secret[16];
    int fd;
};

struct exports {
    pthread_mutex_t lock; /* guards the list, and the start of listening */
    struct exported *list;
    bool tried; /* to listen */
    uint8_t name[16];
    int listener; /* -1 when there is none */
};

/* ---- the socket ---- */

/* An abstract name: no file, and gone with the process. */
static socklen_t address_of(const uint8_t worker[16], struct sockaddr_un *out) {
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    char *at = out->sun_path + 1;
    at += sprintf(at, "hawser-");
    for (int i = 0; i < 16; i++)
        at += sprintf(at, "%02x", worker[i]);
    return (socklen_t)(at - (char *)out);
}

/* Both ends are workers of one daemon's user. */
static bool same_user(int socket) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == getuid();
}

/* A copy of the descriptor, the caller's to close; -1 when there is none. */
static int find(struct exports *x, const uint8_t secret[16]) {
    int fd = -1;
    pthread_mutex_lock(&x->lock);
    for (struct exported *e = x->list; e; e = e->next)
        if (!memcmp(e->secret, secret, sizeof e->secret)) fd = fcntl(e->fd, F_DUPFD_CLOEXEC, 0);
    pthread_mutex_unlock(&x->lock);
    return fd;
}

static void send_descriptor(int socket, int fd) {
    char byte = 0;
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof fd)];
    } control = {0};
    struct iovec data = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    if (sendmsg(socket, &m, MSG_NOSIGNAL) < 0) hawser_log(HAWSER_DEBUG, "a descriptor could not be handed over");
}

static int receive_descriptor(int socket) {
    char byte;
    int fd = -1;
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof fd)];
    } control;
    struct iovec data = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control};
    struct cmsghdr *c = recvmsg(socket, &m, MSG_CMSG_CLOEXEC) > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof fd)) memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

static void set_patience(int socket) {
    const struct timeval patience = {.tv_sec = 5};
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

static void *hand_out(void *arg) {
    struct exports *x = arg;
    for (;;) {
        uint8_t secret[16];
        int guest = accept4(x->listener, NULL, NULL, SOCK_CLOEXEC);
        if (guest < 0) { /* no descriptor left, say */
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
            continue;
        }
        set_patience(guest);
        if (same_user(guest) && recv(guest, secret, sizeof secret, MSG_WAITALL) == sizeof secret) {
            int fd = find(x, secret);
            if (fd >= 0) {
                send_descriptor(guest, fd);
                close(fd);
            }
        }
        close(guest);
    }
    return NULL;
}

/* Under the lock, once. The thread and its socket live as long as the process. */
static void start_listening(struct exports *x) {
    struct sockaddr_un address;
    pthread_t t;
    if (x->tried) return;
    x->tried = true;
    if (getrandom(x->name, sizeof x->name, 0) != sizeof x->name) return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = address_of(x->name, &address);
    x->listener = fd;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 16) != 0 ||
        pthread_create(&t, NULL, hand_out, x) != 0)
        x->listener = -1;
    else
        pthread_detach(t);
}

static int fetch(const struct ticket *t) {
    struct sockaddr_un address;
    socklen_t size = address_of(t->worker, &address);
    int fd = -1, s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0) return -1;
    set_patience(s);
    if (connect(s, (struct sockaddr *)&address, size) == 0 && same_user(s) &&
        send(s, t->secret, sizeof t->secret, MSG_NOSIGNAL) == sizeof t->secret)
        fd = receive_descriptor(s);
    close(s);
    return fd;
}

/* ---- the calls ---- */

/* Takes the descriptor over. */
static CUresult keep(struct exports *x, int fd, struct ticket *t) {
    struct exported *e = malloc(sizeof *e);
    pthread_mutex_lock(&x->lock);
    start_listening(x);
    pthread_mutex_unlock(&x->lock);
    *t = (struct ticket){.magic = MAGIC};
    memcpy(t->worker, x->name, sizeof x->name);
    if (!e || x->listener < 0 || getrandom(t->secret, sizeof t->secret, 0) != sizeof t->secret) {
        free(e);
        close(fd);
        return CUDA_ERROR_OPERATING_SYSTEM;
    }
    memcpy(e->secret, t->secret, sizeof e->secret);
    e->fd = fd;
    pthread_mutex_lock(&x->lock);
    e->next = x->list;
    x->list = e;
    pthread_mutex_unlock(&x->lock);
    return CUDA_SUCCESS;
}

CUresult serve_HandleExport(struct served *c, const struct handle_export_args *a, Hawser__HandleExportReply *reply) {
    const struct cuda_driver *d = c->driver;
    struct ticket *ticket = served_alloc(c, sizeof *ticket);
    void *object = a->object.handle;
    int fd = -1;
    CUresult r;
    if (!ticket) return CUDA_ERROR_OUT_OF_MEMORY;
    if (a->pool != (a->object.kind == HAWSER_POOL)) return CUDA_ERROR_INVALID_HANDLE;
    if (a->pool)
        r = d->cuMemPoolExportToShareableHandle(&fd, object, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
    else
        r = d->cuMemExportToShareableHandle(&fd, (CUmemGenericAllocationHandle)(uintptr_t)object,
                                            CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
    if (r == CUDA_SUCCESS) r = keep(c->session->exports, fd, ticket);
    if (r == CUDA_SUCCESS) reply->ticket = (ProtobufCBinaryData){sizeof *ticket, (uint8_t *)ticket};
    return r;
}

CUresult serve_HandleImport(struct served *c, const struct handle_import_args *a, struct object *object) {
    const struct cuda_driver *d = c->driver;
    struct ticket ticket;
    if (a->ticket.len != sizeof ticket) return CUDA_ERROR_INVALID_VALUE;
    memcpy(&ticket, a->ticket.data, sizeof ticket);
    int fd = ticket.magic == MAGIC ? fetch(&ticket) : -1;
    if (fd < 0) return CUDA_ERROR_INVALID_VALUE;
    CUresult r;
    object->kind = a->pool ? HAWSER_POOL : HAWSER_MEMORY;
    if (a->pool)
        r = d->cuMemPoolImportFromShareableHandle((CUmemoryPool *)&object->handle, (void *)(intptr_t)fd,
                                                  CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
    else
        r = d->cuMemImportFromShareableHandle((CUmemGenericAllocationHandle *)&object->handle, (void *)(intptr_t)fd,
                                              CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
    close(fd);
    return r;
}

CUresult serve_HandleForget(struct served *c, const struct handle_forget_args *a) {
    struct exports *x = c->session->exports;
    struct ticket ticket;
    if (a->ticket.len != sizeof ticket) return CUDA_ERROR_INVALID_VALUE;
    memcpy(&ticket, a->ticket.data, sizeof ticket);
    pthread_mutex_lock(&x->lock);
    struct exported **p = &x->list;
    while (*p && memcmp((*p)->secret, ticket.secret, sizeof ticket.secret))
        p = &(*p)->next;
    struct exported *e = *p;
    if (e) *p = e->next;
    pthread_mutex_unlock(&x->lock);
    if (e) close(e->fd);
    free(e);
    return CUDA_SUCCESS;
}

/* ---- of the session ---- */

static bool begin(struct session *session) {
    struct exports *x = session->exports = calloc(1, sizeof *x);
    if (!x) return false;
    x->listener = -1;
    pthread_mutex_init(&x->lock, NULL);
    return true;
}

static void list(struct session *session, session_visit *visit, void *arg) {
    struct exports *x = session->exports;
    pthread_mutex_lock(&x->lock);
    for (struct exported *e = x->list; e; e = e->next)
        visit(&(struct session_item){.what = "exported descriptor",
                                     .address = (uint64_t)e->fd,
                                     .made_by = "HandleExport"},
              arg);
    pthread_mutex_unlock(&x->lock);
}

/* What listens goes with the process; it finds nothing any more. */
static void end(struct session *session) {
    struct exports *x = session->exports;
    pthread_mutex_lock(&x->lock);
    for (struct exported *e; (e = x->list);) {
        x->list = e->next;
        close(e->fd);
        free(e);
    }
    pthread_mutex_unlock(&x->lock);
    if (!x->tried) free(x);
    session->exports = NULL;
}

const struct session_state handle_file_state = {.name = "exports", .begin = begin, .list = list, .end = end};
