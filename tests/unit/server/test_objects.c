#include <criterion/criterion.h>

#include "state.h"

static struct session session;
static struct served call;
static int streams_made, streams_ended;

static CUresult make_stream(CUstream *out, unsigned flags) {
    (void)flags;
    *out = (CUstream)(uintptr_t)(0x1000 + 16 * ++streams_made);
    return CUDA_SUCCESS;
}

static CUresult end_stream(CUstream s) {
    (void)s;
    streams_ended++;
    return CUDA_SUCCESS;
}

static void start(void) {
    cr_assert(objects_state.begin(&session));
    cr_assert(post_errors_state.begin(&session));
    session.driver.cuStreamCreate = make_stream;
    session.driver.cuStreamDestroy_v2 = end_stream;
    call = (struct served){.session = &session, .driver = &session.driver, .thread = 1, .context = 0x100};
    cr_assert_eq(served_bind(&call, HAWSER_CONTEXT, 0x100, &call), CUDA_SUCCESS);
}

TestSuite(objects, .init = start);

Test(objects, an_id_means_what_it_was_bound_to) {
    void *h;
    int x;
    cr_assert_eq(served_bind(&call, HAWSER_EVENT, 0x200, &x), CUDA_SUCCESS);
    cr_expect_eq(served_handle(&call, HAWSER_EVENT, 0x200, &h), CUDA_SUCCESS);
    cr_expect_eq(h, &x);
}

Test(objects, wrong_kinds_and_unknown_ids_are_refused) {
    void *h;
    int x;
    cr_assert_eq(served_bind(&call, HAWSER_EVENT, 0x200, &x), CUDA_SUCCESS);
    cr_expect_eq(served_handle(&call, HAWSER_MODULE, 0x200, &h), CUDA_ERROR_INVALID_HANDLE);
    cr_expect_eq(served_handle(&call, HAWSER_EVENT, 0x201, &h), CUDA_ERROR_INVALID_HANDLE);
    cr_expect_eq(served_handle(&call, HAWSER_EVENT, 0, &h), CUDA_ERROR_INVALID_HANDLE);
    cr_expect_eq(served_handle(&call, HAWSER_CONTEXT, 0x999, &h), CUDA_ERROR_INVALID_CONTEXT);
}

Test(objects, a_taken_id_is_not_bound_again) {
    int x;
    cr_assert_eq(served_bind(&call, HAWSER_EVENT, 0x200, &x), CUDA_SUCCESS);
    cr_expect_eq(served_bind(&call, HAWSER_EVENT, 0x200, &x), CUDA_ERROR_INVALID_VALUE);
    served_unbind(&call, 0x200);
    cr_expect_eq(served_bind(&call, HAWSER_EVENT, 0x200, &x), CUDA_SUCCESS);
}

Test(objects, many_come_and_go) {
    void *h;
    for (uint64_t id = 1000; id < 200000; id++) {
        cr_assert_eq(served_bind(&call, HAWSER_EVENT, id, (void *)id), CUDA_SUCCESS);
        if (id % 3) served_unbind(&call, id);
    }
    for (uint64_t id = 1000; id < 200000; id++) {
        CUresult r = served_handle(&call, HAWSER_EVENT, id, &h);
        cr_assert_eq(r, id % 3 ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS);
        cr_assert(r != CUDA_SUCCESS || h == (void *)id);
    }
}

Test(objects, a_context_takes_what_was_made_in_it_along) {
    void *h;
    int x;
    served_bind(&call, HAWSER_EVENT, 0x200, &x);
    struct served other = call;
    other.context = 0;
    served_bind(&other, HAWSER_POOL, 0x201, &x);
    objects_state.end_context(&call, &(struct object){.id = 0x100});
    cr_expect_eq(served_handle(&call, HAWSER_EVENT, 0x200, &h), CUDA_ERROR_INVALID_HANDLE);
    cr_expect_eq(served_handle(&call, HAWSER_POOL, 0x201, &h), CUDA_SUCCESS);
    cr_expect_eq(served_handle(&call, HAWSER_CONTEXT, 0x100, &h), CUDA_SUCCESS);
}

Test(objects, each_guest_thread_has_its_default_stream) {
    void *one, *again, *two;
    struct served other = call;
    other.thread = 2;
    cr_expect_eq(served_handle(&call, HAWSER_STREAM, 2, &one), CUDA_SUCCESS);
    cr_expect_eq(served_handle(&call, HAWSER_STREAM, 2, &again), CUDA_SUCCESS);
    cr_expect_eq(served_handle(&other, HAWSER_STREAM, 2, &two), CUDA_SUCCESS);
    cr_expect_eq(one, again);
    cr_expect_neq(one, two);
    served_thread_gone(&call, 1);
    cr_expect_eq(streams_ended, 1);
    cr_expect_eq(served_handle(&call, HAWSER_STREAM, 1, &one), CUDA_SUCCESS);
    cr_expect_eq(one, CU_STREAM_LEGACY);
}

Test(objects, the_first_post_error_waits_and_is_told_once) {
    cr_expect_eq(served_take_post_error(&call), CUDA_SUCCESS);
    served_post_failed(&call, CUDA_ERROR_INVALID_HANDLE);
    served_post_failed(&call, CUDA_ERROR_OUT_OF_MEMORY);
    cr_expect_eq(served_take_post_error(&call), CUDA_ERROR_INVALID_HANDLE);
    cr_expect_eq(served_take_post_error(&call), CUDA_SUCCESS);
}

Test(objects, the_error_of_a_post_without_a_context_is_told_to_its_thread) {
    struct served without = call, other = call;
    without.context = 0;
    other.thread = 2;
    served_post_failed(&without, CUDA_ERROR_INVALID_IMAGE);
    cr_expect_eq(served_take_post_error(&other), CUDA_SUCCESS);
    cr_expect_eq(served_take_post_error(&call), CUDA_ERROR_INVALID_IMAGE);
    cr_expect_eq(served_take_post_error(&call), CUDA_SUCCESS);
    /* Also where it has no context then. */
    served_post_failed(&without, CUDA_ERROR_INVALID_IMAGE);
    cr_expect_eq(served_take_post_error(&without), CUDA_ERROR_INVALID_IMAGE);
    /* And where its context is gone. */
    struct served gone = call;
    gone.context = 0x999;
    served_post_failed(&gone, CUDA_ERROR_INVALID_CONTEXT);
    cr_expect_eq(served_take_post_error(&call), CUDA_ERROR_INVALID_CONTEXT);
}

Test(objects, errors_that_nobody_asked_for_go_with_their_thread_and_context) {
    struct served without = call;
    without.context = 0;
    served_post_failed(&without, CUDA_ERROR_INVALID_IMAGE);
    post_errors_thread_gone(&session, 1);
    cr_expect_eq(served_take_post_error(&without), CUDA_SUCCESS);
    served_post_failed(&call, CUDA_ERROR_INVALID_HANDLE);
    post_errors_state.end_context(&call, &(struct object){.id = 0x100});
    cr_expect_eq(served_take_post_error(&call), CUDA_SUCCESS);
}
