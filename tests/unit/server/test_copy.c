/* Copies between the lane and a driver that is plain memory here. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

static struct session session;
static struct served call;
static char device[16 << 20], guest[16 << 20];
static size_t pushed;
static int last_result;
static CUresult copy_result, stream_state;
static unsigned waits;  /* for events */
static bool lane_keeps; /* what it is given to send */
static struct hawser_frame kept[8];
static unsigned n_kept;

/* What the worker would send: pushes are applied as a guest would. */
void session_send(struct session *to, const Hawser__ToGuest *m, struct hawser_frame *frames, unsigned n) {
    (void)to;
    for (unsigned i = 0; i < n; i++) {
        if (frames[i].size) memcpy(guest + m->pushes[i]->offset, frames[i].data, frames[i].size);
        pushed += frames[i].size;
        last_result = m->pushes[i]->result;
        if (frames[i].free && lane_keeps) {
            kept[n_kept++] = frames[i];
        } else if (frames[i].free) {
            frames[i].free(frames[i].data, frames[i].hint);
        }
    }
}

static CUresult host_alloc(void **p, size_t size, unsigned flags) {
    (void)flags;
    *p = malloc(size);
    return CUDA_SUCCESS;
}
static CUresult host_free(void *p) {
    free(p);
    return CUDA_SUCCESS;
}
static CUresult event_create(CUevent *e, unsigned flags) {
    (void)flags;
    *e = (CUevent)1;
    return CUDA_SUCCESS;
}
static CUresult event_ok(CUevent e) {
    (void)e;
    return copy_result;
}
static CUresult event_wait(CUevent e) {
    waits++;
    return event_ok(e);
}
static CUresult stream_query(CUstream s) {
    (void)s;
    return stream_state;
}
static CUresult event_record(CUevent e, CUstream s) {
    (void)e, (void)s;
    return CUDA_SUCCESS;
}
static CUresult to_device(CUdeviceptr dst, const void *src, size_t n, CUstream s) {
    (void)s;
    memcpy(device + dst, src, n);
    return CUDA_SUCCESS;
}
static CUresult from_device(void *dst, CUdeviceptr src, size_t n, CUstream s) {
    (void)s;
    memcpy(dst, device + src, n);
    return CUDA_SUCCESS;
}
static CUresult rows(const CUDA_MEMCPY2D *m, CUstream s) {
    (void)s;
    for (size_t y = 0; y < m->Height; y++)
        if (m->dstMemoryType == CU_MEMORYTYPE_HOST)
            memcpy((char *)m->dstHost + y * m->dstPitch, device + m->srcDevice + y * m->srcPitch, m->WidthInBytes);
        else
            memcpy(device + m->dstDevice + y * m->dstPitch, (const char *)m->srcHost + y * m->srcPitch,
                   m->WidthInBytes);
    return CUDA_SUCCESS;
}

static void start(void) {
    cr_assert(objects_state.begin(&session));
    session.driver = (struct cuda_driver){.cuMemHostAlloc = host_alloc,
                                          .cuMemFreeHost = host_free,
                                          .cuEventCreate = event_create,
                                          .cuEventQuery = event_ok,
                                          .cuEventSynchronize = event_wait,
                                          .cuEventRecord = event_record,
                                          .cuStreamQuery = stream_query,
                                          .cuEventDestroy_v2 = event_ok,
                                          .cuMemcpyHtoDAsync_v2 = to_device,
                                          .cuMemcpyDtoHAsync_v2 = from_device,
                                          .cuMemcpy2DAsync_v2 = rows};
    call = (struct served){.session = &session, .driver = &session.driver, .thread = 1, .context = 0x100};
    cr_assert(staging_state.begin(&session));
    for (size_t i = 0; i < sizeof device; i++)
        device[i] = (char)(i * 2654435761u >> 11);
}

TestSuite(copy, .init = start);

static CUresult out(size_t width, size_t height, size_t pitch) {
    struct copy_out_args a = {.width = width, .height = height, .pitch = pitch, .transfer = 7};
    return serve_CopyOut(&call, &a);
}

static CUresult out_later(size_t width, size_t height, size_t pitch) {
    struct copy_out_later_args a = {.width = width, .height = height, .pitch = pitch, .transfer = 7};
    return serve_CopyOutLater(&call, &a, CUDA_SUCCESS);
}

Test(copy, a_long_line_comes_in_pieces) {
    cr_assert_eq(out((9 << 20) + 5, 1, (9 << 20) + 5), CUDA_SUCCESS);
    cr_expect_eq(pushed, (9 << 20) + 5);
    cr_expect_eq(memcmp(guest, device, (9 << 20) + 5), 0);
}

Test(copy, rows_come_packed) {
    cr_assert_eq(out(1000, 9000, 1024), CUDA_SUCCESS);
    cr_expect_eq(pushed, 9000000);
    for (size_t y = 0; y < 9000; y++)
        cr_assert_eq(memcmp(guest + y * 1000, device + y * 1024, 1000), 0);
}

Test(copy, what_nobody_waits_for_is_there_after_push_ready) {
    cr_assert_eq(out_later(5 << 20, 1, 5 << 20), CUDA_SUCCESS);
    staging_push_ready(&session);
    cr_expect_eq(memcmp(guest, device, 5 << 20), 0);
}

Test(copy, a_failed_copy_is_told_to_the_guest) {
    copy_result = CUDA_ERROR_ILLEGAL_ADDRESS;
    cr_expect_eq(out(100, 1, 100), CUDA_ERROR_ILLEGAL_ADDRESS);
    cr_expect_eq(out_later(100, 1, 100), CUDA_SUCCESS);
    staging_push_ready(&session);
    cr_expect_eq(last_result, CUDA_ERROR_ILLEGAL_ADDRESS);
    cr_expect_eq(pushed, 0);
}

Test(copy, wrong_arguments_of_a_copy_that_nobody_waits_for_are_told_to_the_guest) {
    struct copy_out_later_args a = {.transfer = 7};
    cr_expect_eq(serve_CopyOutLater(&call, &a, CUDA_ERROR_INVALID_HANDLE), CUDA_ERROR_INVALID_HANDLE);
    cr_expect_eq(last_result, CUDA_ERROR_INVALID_HANDLE);
}

Test(copy, sizes_that_do_not_fit_their_frame_are_refused) {
    struct copy_in_args a = {.width = 63, .height = 1};
    char bytes[64] = "";
    struct hawser_frame f = {.data = bytes, .size = sizeof bytes};
    call.frames = &f;
    call.n_frames = 1;
    cr_expect_eq(serve_CopyIn(&call, &a), CUDA_ERROR_INVALID_VALUE);
    a.width = 1ull << 62;
    a.height = 8;
    cr_expect_eq(serve_CopyIn(&call, &a), CUDA_ERROR_INVALID_VALUE);
    a.width = 8;
    a.pitch = 100;
    cr_expect_eq(serve_CopyIn(&call, &a), CUDA_SUCCESS);
    cr_expect_eq(out(1ull << 40, 1ull << 40, 0), CUDA_ERROR_INVALID_VALUE);
}

/* Other streams use what has been copied; a stream with work holds nobody up. */
Test(copy, into_an_idle_stream_is_made_at_once) {
    static const struct {
        CUresult stream;
        unsigned waits;
    } cases[] = {{CUDA_SUCCESS, 1}, {CUDA_ERROR_NOT_READY, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct copy_in_args a = {.width = 16, .height = 1};
        char bytes[16] = "sixteen of them";
        struct hawser_frame frame = {.data = bytes, .size = sizeof bytes};
        stream_state = cases[i].stream;
        waits = 0;
        call.frames = &frame;
        call.n_frames = 1;
        cr_assert_eq(serve_CopyIn(&call, &a), CUDA_SUCCESS);
        cr_expect_eq(waits, cases[i].waits, "case %zu", i);
        cr_expect_str_eq(device, bytes);
    }
}

Test(copy, a_context_gives_its_staging_memory_back) {
    out(1 << 20, 1, 1 << 20);
    staging_state.end_context(
        &call, &(struct object){.id = 0x100}); /* the sanitizer would see what is not freed or freed twice */
    cr_assert_eq(out(1 << 20, 1, 1 << 20), CUDA_SUCCESS);
}

Test(copy, what_the_lane_still_has_keeps_a_session_from_ending_in_order) {
    cr_expect(staging_state.idle(&session));
    lane_keeps = true;
    cr_assert_eq(out(1 << 20, 1, 1 << 20), CUDA_SUCCESS);
    cr_expect_not(staging_state.idle(&session));
    cr_assert_eq(n_kept, 1);
    kept[0].free(kept[0].data, kept[0].hint);
    cr_expect(staging_state.idle(&session));
    copy_result = CUDA_ERROR_NOT_READY;
    cr_assert_eq(out_later(100, 1, 100), CUDA_SUCCESS);
    cr_expect_not(staging_state.idle(&session));
}
