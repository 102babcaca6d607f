#include <criterion/criterion.h>

#include "shim.h"

Test(object, a_handle_is_of_one_kind) {
    struct shim_object *o = shim_object_new(HAWSER_STREAM, NULL);
    cr_assert(o);
    cr_expect_eq(shim_object(HAWSER_STREAM, o), o);
    cr_expect_null(shim_object(HAWSER_EVENT, o));
}

Test(object, ids_are_never_used_twice) {
    struct shim_object *a = shim_object_new(HAWSER_EVENT, NULL);
    uint64_t id = a->id;
    shim_object_gone(a);
    for (int i = 0; i < 3000; i++) {
        struct shim_object *b = shim_object_new(HAWSER_EVENT, NULL);
        cr_assert_neq(b->id, id);
        shim_object_gone(b);
    }
}

Test(object, freed_and_foreign_handles_are_refused) {
    int mine;
    uint64_t id;
    struct shim_object *o = shim_object_new(HAWSER_EVENT, NULL);
    shim_object_gone(o);
    cr_expect_null(shim_object(HAWSER_EVENT, o));
    cr_expect_null(shim_object(HAWSER_EVENT, &mine));
    cr_expect_null(shim_object(HAWSER_EVENT, NULL));
    cr_expect_null(shim_object(HAWSER_EVENT, (char *)o + 8));
    cr_expect_eq(shim_handle(HAWSER_EVENT, o, &id), CUDA_ERROR_INVALID_HANDLE);
    cr_expect_eq(shim_handle(HAWSER_CONTEXT, &mine, &id), CUDA_ERROR_INVALID_CONTEXT);
}

Test(object, a_freed_handle_is_not_reused_at_once) {
    struct shim_object *a = shim_object_new(HAWSER_EVENT, NULL);
    shim_object_gone(a);
    struct shim_object *b = shim_object_new(HAWSER_EVENT, NULL);
    cr_expect_neq(a, b);
}

Test(object, default_streams_have_numbers_of_their_own) {
    uint64_t id;
    cr_expect_eq(shim_handle(HAWSER_STREAM, NULL, &id), CUDA_SUCCESS);
    cr_expect_eq(id, SHIM_STREAM_LEGACY);
    cr_expect_eq(shim_handle(HAWSER_STREAM, CU_STREAM_PER_THREAD, &id), CUDA_SUCCESS);
    cr_expect_eq(id, SHIM_STREAM_PER_THREAD);
}
