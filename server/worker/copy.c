/*
 * Bulk data. Bytes pass through pinned staging blocks, so that neither the dispatcher nor the lane waits
 * for the device: a block that carries bytes to the device comes back when its event is done; a block
 * with bytes for the guest comes back when the lane has sent it.
 */
#include "state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"

#define BLOCK_SMALL ((size_t)64 << 10)
#define BLOCK_LARGE HAWSER_BULK_CHUNK
#define STAGING_LIMIT ((size_t)256 << 20) /* bytes in blocks; beyond it a copy waits for an older one */
#define OUT_PIPELINE 4                    /* chunks of a copy to the guest that are under way at once */
#define READY_POLL_NS 100000              /* how often copies nobody waits for are looked at */

struct block {
    struct block *next;
    struct staging *staging;
    uint64_t context;
    size_t size;
    void *memory; /* pinned */
    CUevent done;
};

/* A chunk on its way to the guest that no call waits for. */
struct later {
    struct later *next;
    struct block *block;
    uint64_t transfer, offset;
    size_t size;
    bool last;
};

/* How many blocks of a context the lane still has to send. */
struct sending {
    struct sending *next;
    uint64_t context;
    unsigned blocks;
};

struct staging {
    struct session *session;
    pthread_mutex_t push_lock; /* from taking an entry off "later" until it is on the lane */
    pthread_mutex_t lock;      /* all below; taken after push_lock */
    pthread_cond_t more;       /* for the thread that looks after "later" */
    pthread_cond_t sent;       /* a block came back from the lane */
    struct sending *sending;
    struct block *idle;                       /* ready for use */
    struct block *to_device, **to_device_end; /* in use until their events are done, oldest first */
    struct later *later, **later_end;
    size_t bytes;
    bool ends;
    pthread_t thread; /* that looks after "later" */
};

/* ---- blocks ---- */

/* Under the lock. Takes back blocks whose bytes have reached the device; with wait, at least one. */
static void reclaim(struct staging *s, const struct cuda_driver *d, bool wait) {
    while (s->to_device) {
        struct block *b = s->to_device;
        if (d->cuEventQuery(b->done) == CUDA_ERROR_NOT_READY) {
            if (!wait) return;
            /* Without the lock: the device may itself wait for a host function whose guest needs pushes first. */
            pthread_mutex_unlock(&s->lock);
            nanosleep(&(struct timespec){.tv_nsec = READY_POLL_NS}, NULL);
            pthread_mutex_lock(&s->lock);
            continue;
        }
        wait = false;
        s->to_device = b->next;
        if (!s->to_device) s->to_device_end = &s->to_device;
        b->next = s->idle;
        s->idle = b;
    }
}

/* Under the lock. An idle block of this context and size class, or NULL. */
static struct block *take_idle(struct staging *s, uint64_t context, size_t size) {
    for (struct block **p = &s->idle; *p; p = &(*p)->next) {
        struct block *b = *p;
        if (b->context != context || b->size != size) continue;
        *p = b->next;
        return b;
    }
    return NULL;
}

static CUresult new_block(struct served *c, size_t size, struct block **out) {
    struct block *b = calloc(1, sizeof *b);
    if (!b) return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult r = c->driver->cuMemHostAlloc(&b->memory, size, CU_MEMHOSTALLOC_PORTABLE);
    if (r == CUDA_SUCCESS) r = c->driver->cuEventCreate(&b->done, CU_EVENT_DISABLE_TIMING);
    if (r != CUDA_SUCCESS) {
        if (b->memory) c->driver->cuMemFreeHost(b->memory);
        free(b);
        return r;
    }
    b->staging = c->session->staging;
    b->context = c->context;
    b->size = size;
    *out = b;
    return CUDA_SUCCESS;
}

static CUresult take_block(struct served *c, size_t need, struct block **out) {
    struct staging *s = c->session->staging;
    size_t size = need <= BLOCK_SMALL ? BLOCK_SMALL : BLOCK_LARGE;
    pthread_mutex_lock(&s->lock);
    reclaim(s, c->driver, false);
    struct block *b = take_idle(s, c->context, size);
    if (!b && s->bytes + size > STAGING_LIMIT) {
        reclaim(s, c->driver, true);
        b = take_idle(s, c->context, size);
    }
    if (!b) s->bytes += size;
    pthread_mutex_unlock(&s->lock);
    if (!b) {
        CUresult r = new_block(c, size, &b);
        if (r != CUDA_SUCCESS) {
            pthread_mutex_lock(&s->lock);
            s->bytes -= size;
            pthread_mutex_unlock(&s->lock);
            return r;
        }
    }
    *out = b;
    return CUDA_SUCCESS;
}

static void give_block(struct block *b) {
    struct staging *s = b->staging;
    pthread_mutex_lock(&s->lock);
    b->next = s->idle;
    s->idle = b;
    pthread_mutex_unlock(&s->lock);
}

/* Under the lock. */
static struct sending *sending_of(struct staging *s, uint64_t context) {
    struct sending *e = s->sending;
    while (e && e->context != context)
        e = e->next;
    return e;
}

/* Counts a block that goes to the lane; false when memory is short. */
static bool begin_sending(struct block *b) {
    struct staging *s = b->staging;
    pthread_mutex_lock(&s->lock);
    struct sending *e = sending_of(s, b->context);
    if (!e && (e = calloc(1, sizeof *e))) {
        e->context = b->context;
        e->next = s->sending;
        s->sending = e;
    }
    if (e) e->blocks++;
    pthread_mutex_unlock(&s->lock);
    return e != NULL;
}

/* Called by the lane when a frame has left. */
static void frame_sent(void *data, void *hint) {
    (void)data;
    struct block *b = hint;
    struct staging *s = b->staging;
    pthread_mutex_lock(&s->lock);
    sending_of(s, b->context)->blocks--;
    b->next = s->idle;
    s->idle = b;
    pthread_cond_broadcast(&s->sent);
    pthread_mutex_unlock(&s->lock);
}

/* ---- to the device ---- */

static CUresult copy_rows(const struct cuda_driver *d, CUdeviceptr dst, size_t pitch, const void *src, size_t width,
                          size_t height, CUstream stream) {
    if (height == 1) return d->cuMemcpyHtoDAsync_v2(dst, src, width, stream);
    CUDA_MEMCPY2D m = {.srcMemoryType = CU_MEMORYTYPE_HOST,
                       .srcHost = src,
                       .srcPitch = width,
                       .dstMemoryType = CU_MEMORYTYPE_DEVICE,
                       .dstDevice = dst,
                       .dstPitch = pitch,
                       .WidthInBytes = width,
                       .Height = height};
    return d->cuMemcpy2DAsync_v2(&m, stream);
}

CUresult serve_CopyIn(struct served *c, const struct copy_in_args *a) {
    struct block *b;
    size_t size;
    if (c->n_frames != 1 || __builtin_mul_overflow(a->width, a->height, &size) || size != c->frames[0].size ||
        size > HAWSER_BULK_CHUNK)
        return CUDA_ERROR_INVALID_VALUE;
    CUresult r = take_block(c, size, &b);
    if (r != CUDA_SUCCESS) return r;
    /* Programs use in one context or stream what they have copied in another, without waiting (cuFFT its tables): where
     * CUDA takes pageable memory and its stream is idle, the copy has been made when the function returns, and so it is
     * here. */
    bool at_once = c->driver->cuStreamQuery(a->stream) == CUDA_SUCCESS;
    memcpy(b->memory, c->frames[0].data, size);
    r = copy_rows(c->driver, a->dst, a->pitch, b->memory, a->width, a->height, a->stream);
    CUresult recorded = c->driver->cuEventRecord(b->done, a->stream);
    if (at_once && r == CUDA_SUCCESS && recorded == CUDA_SUCCESS) recorded = c->driver->cuEventSynchronize(b->done);
    struct staging *s = c->session->staging;
    pthread_mutex_lock(&s->lock);
    b->next = NULL;
    *s->to_device_end = b;
    s->to_device_end = &b->next;
    pthread_mutex_unlock(&s->lock);
    return r != CUDA_SUCCESS ? r : recorded;
}

/* ---- to the guest ---- */

/* One piece of a copy: packed bytes [offset, offset + size) of the rectangle, whole rows or part of one. */
struct piece {
    uint64_t offset;
    size_t size, row, column, width, rows;
};

static bool next_piece(const struct copy_out_args *a, struct piece *p) {
    p->offset += p->size;
    if (p->offset >= a->width * a->height) return false;
    p->row = p->offset / a->width;
    p->column = p->offset % a->width;
    if (a->width <= HAWSER_BULK_CHUNK && p->column == 0) {
        p->width = a->width;
        p->rows = HAWSER_BULK_CHUNK / a->width;
        if (p->rows > a->height - p->row) p->rows = a->height - p->row;
    } else {
        p->rows = 1;
        p->width = a->width - p->column;
        if (p->width > HAWSER_BULK_CHUNK) p->width = HAWSER_BULK_CHUNK;
    }
    p->size = p->width * p->rows;
    return true;
}

/* Starts a piece's copy into a block and records its end there. */
static CUresult start_piece(struct served *c, const struct copy_out_args *a, const struct piece *p,
                            struct block **out) {
    CUresult r = take_block(c, p->size, out);
    if (r != CUDA_SUCCESS) return r;
    struct block *b = *out;
    CUdeviceptr src = a->src + p->row * a->pitch + p->column;
    if (p->rows == 1) {
        r = c->driver->cuMemcpyDtoHAsync_v2(b->memory, src, p->width, a->stream);
    } else {
        CUDA_MEMCPY2D d = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
                           .srcDevice = src,
                           .srcPitch = a->pitch,
                           .dstMemoryType = CU_MEMORYTYPE_HOST,
                           .dstHost = b->memory,
                           .dstPitch = p->width,
                           .WidthInBytes = p->width,
                           .Height = p->rows};
        r = c->driver->cuMemcpy2DAsync_v2(&d, a->stream);
    }
    if (r == CUDA_SUCCESS) r = c->driver->cuEventRecord(b->done, a->stream);
    if (r != CUDA_SUCCESS) give_block(b);
    return r;
}

/* A failed piece is the transfer's last: nothing more would complete it. */
static void push(struct session *session, struct block *b, uint64_t transfer, uint64_t offset, size_t size, bool last,
                 CUresult result) {
    Hawser__ToGuest m = HAWSER__TO_GUEST__INIT;
    Hawser__Push p = HAWSER__PUSH__INIT, *list[] = {&p};
    struct hawser_frame f = {0};
    if (result == CUDA_SUCCESS && begin_sending(b)) {
        f = (struct hawser_frame){.data = b->memory, .size = size, .free = frame_sent, .hint = b};
    } else {
        if (result == CUDA_SUCCESS) result = CUDA_ERROR_OUT_OF_MEMORY;
        if (b) give_block(b);
    }
    p.transfer = transfer;
    p.offset = offset;
    p.last = last || result != CUDA_SUCCESS;
    p.result = result;
    m.n_pushes = 1;
    m.pushes = list;
    session_send(session, &m, &f, 1);
}

static bool sane(const struct copy_out_args *a) {
    size_t size;
    return a->width && a->height && !__builtin_mul_overflow(a->width, a->height, &size);
}

CUresult serve_CopyOut(struct served *c, const struct copy_out_args *a) {
    CUresult r = CUDA_SUCCESS;
    if (!sane(a)) return CUDA_ERROR_INVALID_VALUE;
    struct {
        struct piece piece;
        struct block *block;
    } ring[OUT_PIPELINE];
    struct piece p = {0};
    unsigned started = 0, sent = 0;
    bool more = true;
    while (more || sent < started) {
        more = more && r == CUDA_SUCCESS && next_piece(a, &p);
        if (more) {
            r = start_piece(c, a, &p, &ring[started % OUT_PIPELINE].block);
            if (r == CUDA_SUCCESS) ring[started++ % OUT_PIPELINE].piece = p;
        }
        if (sent == started || (more && started - sent < OUT_PIPELINE)) continue;
        struct piece *oldest = &ring[sent % OUT_PIPELINE].piece;
        struct block *b = ring[sent++ % OUT_PIPELINE].block;
        CUresult done = c->driver->cuEventSynchronize(b->done);
        if (r == CUDA_SUCCESS) r = done;
        if (r == CUDA_SUCCESS)
            push(c->session, b, a->transfer, oldest->offset, oldest->size, false, CUDA_SUCCESS);
        else
            give_block(b);
    }
    return r;
}

static CUresult push_later(struct served *c, const struct copy_out_args *a) {
    struct staging *s = c->session->staging;
    CUresult r = sane(a) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    struct piece p = {0};
    while (r == CUDA_SUCCESS && next_piece(a, &p)) {
        struct later *e = calloc(1, sizeof *e);
        r = e ? start_piece(c, a, &p, &e->block) : CUDA_ERROR_OUT_OF_MEMORY;
        if (r != CUDA_SUCCESS) {
            free(e);
            break;
        }
        e->transfer = a->transfer;
        e->offset = p.offset;
        e->size = p.size;
        e->last = p.offset + p.size == a->width * a->height;
        pthread_mutex_lock(&s->lock);
        *s->later_end = e;
        s->later_end = &e->next;
        pthread_cond_signal(&s->more);
        pthread_mutex_unlock(&s->lock);
    }
    return r;
}

CUresult serve_CopyOutLater(struct served *c, const struct copy_out_later_args *l, CUresult wrong) {
    struct copy_out_args a = {l->src, l->pitch, l->width, l->height, l->stream, l->transfer};
    CUresult r = wrong == CUDA_SUCCESS ? push_later(c, &a) : wrong;
    /* The guest must learn that nothing more comes. */
    if (r != CUDA_SUCCESS) push(c->session, NULL, a.transfer, 0, 0, true, r);
    return r;
}

/* Under the lock. The first entry whose copy is done, taken off the list, with its result. */
static struct later *take_ready(struct staging *s, const struct cuda_driver *d, CUresult *result) {
    struct later *e;
    for (struct later **at = &s->later; (e = *at); at = &e->next) {
        *result = d->cuEventQuery(e->block->done);
        if (*result == CUDA_ERROR_NOT_READY) continue;
        *at = e->next;
        if (!e->next) s->later_end = at;
        return e;
    }
    return NULL;
}

/* When this returns, every copy that was done before the call is on the lane: also one that another
 * thread had begun to push. */
void staging_push_ready(struct session *session) {
    struct staging *s = session->staging;
    struct later *e;
    CUresult r = CUDA_SUCCESS;
    pthread_mutex_lock(&s->push_lock);
    do {
        pthread_mutex_lock(&s->lock);
        e = take_ready(s, &session->driver, &r);
        pthread_mutex_unlock(&s->lock);
        if (e) push(session, e->block, e->transfer, e->offset, e->size, e->last, r);
        free(e);
    } while (e);
    pthread_mutex_unlock(&s->push_lock);
}

/* Looks after the copies that no call waits for. */
static void *look_after_later(void *arg) {
    struct staging *s = arg;
    for (;;) {
        pthread_mutex_lock(&s->lock);
        while (!s->later && !s->ends)
            pthread_cond_wait(&s->more, &s->lock);
        bool ends = s->ends;
        pthread_mutex_unlock(&s->lock);
        if (ends) return NULL;
        staging_push_ready(s->session);
        nanosleep(&(struct timespec){.tv_nsec = READY_POLL_NS}, NULL);
    }
}

static bool begin(struct session *session) {
    struct staging *s = calloc(1, sizeof *s);
    pthread_t t;
    if (!s) return false;
    s->session = session;
    session->staging = s;
    pthread_mutex_init(&s->push_lock, NULL);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->more, NULL);
    pthread_cond_init(&s->sent, NULL);
    s->to_device_end = &s->to_device;
    s->later_end = &s->later;
    if (pthread_create(&t, NULL, look_after_later, s) != 0) return false;
    s->thread = t;
    return true;
}

static void list(struct session *session, session_visit *visit, void *arg) {
    struct staging *s = session->staging;
    pthread_mutex_lock(&s->lock);
    for (struct block *b = s->idle; b; b = b->next)
        visit(&(struct session_item){.what = "staging block", .context = b->context, .size = b->size, .made_by = ""},
              arg);
    for (struct block *b = s->to_device; b; b = b->next)
        visit(
            &(struct session_item){.what = "copy to the device", .context = b->context, .size = b->size, .made_by = ""},
            arg);
    for (struct later *e = s->later; e; e = e->next)
        visit(
            &(struct session_item){
                .what = "copy to the guest", .context = e->block->context, .size = e->size, .made_by = ""},
            arg);
    pthread_mutex_unlock(&s->lock);
}

/* The context's pinned memory and events go with it. */
static void end_context(struct served *c, const struct object *context) {
    struct session *session = c->session;
    struct staging *s = session->staging;
    pthread_mutex_lock(&s->lock);
    while (s->to_device)
        reclaim(s, &session->driver, true);
    pthread_mutex_unlock(&s->lock);
    staging_push_ready(session);
    pthread_mutex_lock(&s->lock);
    /* So the lane must have let go of it. */
    for (struct sending *e; (e = sending_of(s, context->id)) && e->blocks;)
        pthread_cond_wait(&s->sent, &s->lock);
    for (struct block **p = &s->idle, *b; (b = *p);) {
        if (b->context != context->id) {
            p = &b->next;
            continue;
        }
        *p = b->next;
        s->bytes -= b->size;
        session->driver.cuEventDestroy_v2(b->done);
        session->driver.cuMemFreeHost(b->memory);
        free(b);
    }
    for (struct sending **p = &s->sending, *e; (e = *p); p = &e->next)
        if (e->context == context->id) {
            *p = e->next;
            free(e);
            break;
        }
    pthread_mutex_unlock(&s->lock);
}

/* Every block went with its context. */
static void end(struct session *session) {
    struct staging *s = session->staging;
    pthread_mutex_lock(&s->lock);
    s->ends = true;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    free(s);
    session->staging = NULL;
}

/* A guest that has gone takes nothing any more of what the lane has. */
static bool idle(struct session *session) {
    struct staging *s = session->staging;
    pthread_mutex_lock(&s->lock);
    bool idle = !s->later;
    for (struct sending *e = s->sending; e; e = e->next)
        idle = idle && !e->blocks;
    pthread_mutex_unlock(&s->lock);
    return idle;
}

const struct session_state staging_state = {"staging", begin, list, end_context, end, idle};

/* ---- within the device ---- */

CUresult serve_CopyDevice(struct served *c, const struct copy_device_args *a) {
    if (a->height == 1) return c->driver->cuMemcpyDtoDAsync_v2(a->dst, a->src, a->width, a->stream);
    CUDA_MEMCPY2D d = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
                       .srcDevice = a->src,
                       .srcPitch = a->src_pitch,
                       .dstMemoryType = CU_MEMORYTYPE_DEVICE,
                       .dstDevice = a->dst,
                       .dstPitch = a->dst_pitch,
                       .WidthInBytes = a->width,
                       .Height = a->height};
    return c->driver->cuMemcpy2DAsync_v2(&d, a->stream);
}

CUresult serve_Fill(struct served *c, const struct fill_args *a) {
    const struct cuda_driver *d = c->driver;
    bool line = a->height == 1;
    switch (a->element) {
    case 1:
        return line ? d->cuMemsetD8Async(a->dst, (unsigned char)a->value, a->width, a->stream)
                    : d->cuMemsetD2D8Async(a->dst, a->pitch, (unsigned char)a->value, a->width, a->height, a->stream);
    case 2:
        return line ? d->cuMemsetD16Async(a->dst, (unsigned short)a->value, a->width, a->stream)
                    : d->cuMemsetD2D16Async(a->dst, a->pitch, (unsigned short)a->value, a->width, a->height, a->stream);
    case 4:
        return line ? d->cuMemsetD32Async(a->dst, a->value, a->width, a->stream)
                    : d->cuMemsetD2D32Async(a->dst, a->pitch, a->value, a->width, a->height, a->stream);
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
}
