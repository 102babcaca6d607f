#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "shim.h"

static void push(uint64_t transfer, uint64_t offset, const char *data, bool last, int result) {
    Hawser__Push p = HAWSER__PUSH__INIT;
    p.transfer = transfer;
    p.offset = offset;
    p.last = last;
    p.result = result;
    shim_transfer_push(&p, data, strlen(data));
}

Test(transfer, pushes_fill_rows_and_leave_the_gaps) {
    char memory[] = "................";
    uint64_t id;
    struct shim_transfer *t = shim_transfer_begin(memory, 5, 3, 3, false, &id);
    push(id, 4, "EFGHI", true, 0);
    push(id, 0, "ABCD", false, 0);
    cr_expect_eq(shim_transfer_end(t), CUDA_SUCCESS);
    cr_expect_str_eq(memory, "ABC..DEF..GHI...");
}

Test(transfer, bytes_beyond_the_transfer_are_dropped) {
    char memory[] = "........";
    uint64_t id;
    struct shim_transfer *t = shim_transfer_begin(memory, 4, 4, 1, false, &id);
    push(id, 2, "XYZ", true, 0);
    push(id, (uint64_t)-1, "XY", true, 0);
    push(id + 1, 0, "XY", true, 0);
    shim_transfer_end(t);
    cr_expect_str_eq(memory, "........");
}

Test(transfer, an_error_ends_it_and_is_told) {
    char memory[8] = "";
    uint64_t id;
    struct shim_transfer *t = shim_transfer_begin(memory, 4, 4, 1, false, &id);
    push(id, 0, "", true, CUDA_ERROR_ILLEGAL_ADDRESS);
    cr_expect_eq(shim_transfer_end(t), CUDA_ERROR_ILLEGAL_ADDRESS);
}

static void *push_later(void *id) {
    push(*(uint64_t *)id, 2, "cd", true, 0);
    push(*(uint64_t *)id, 0, "ab", false, 0);
    return NULL;
}

Test(transfer, settling_waits_for_every_piece_in_any_order, .timeout = 20) {
    static char memory[] = "....";
    static uint64_t id;
    pthread_t t;
    cr_assert(shim_transfer_begin(memory, 4, 4, 1, true, &id));
    pthread_create(&t, NULL, push_later, &id);
    shim_transfer_settle(memory, 1);
    cr_expect_str_eq(memory, "abcd");
    pthread_join(t, NULL);
}

Test(transfer, settling_elsewhere_does_not_wait, .timeout = 20) {
    char memory[8] = "", other[8];
    uint64_t id;
    cr_assert(shim_transfer_begin(memory, 4, 4, 1, true, &id));
    shim_transfer_settle(other, sizeof other);
    shim_transfers_lost();
    shim_transfer_settle(memory, 4);
}
