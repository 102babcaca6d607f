#include <criterion/criterion.h>
#include <string.h>

#include "diff.h"

enum { SIZE = 3 * 4096 + 6 }; /* the last block and its last word are not whole */

static uint8_t memory[SIZE], shadow[SIZE], there[SIZE], there_shadow[SIZE];

static void expect_runs(const struct hawser_diff *d, const uint64_t *runs, size_t n) {
    cr_assert_eq(d->n_runs, n);
    cr_expect(!n || !memcmp(d->runs, runs, n * sizeof *runs));
}

Test(diff, nothing_changed_is_no_run) {
    struct hawser_diff d;
    cr_assert(hawser_diff_take(memory, shadow, SIZE, 0, SIZE, &d));
    expect_runs(&d, NULL, 0);
    cr_expect(d.size == 0 && d.next == SIZE);
    hawser_diff_free(&d);
}

Test(diff, words_that_changed_are_runs_that_end_with_their_block) {
    struct hawser_diff d;
    memory[5] = 1;    /* the word from 4 on */
    memory[8] = 2;    /* its neighbour */
    memory[4093] = 3; /* the last of a block */
    memory[4096] = 4; /* the first of the next */
    memory[SIZE - 1] = 5;
    cr_assert(hawser_diff_take(memory, shadow, SIZE, 0, SIZE, &d));
    expect_runs(&d, (uint64_t[]){4, 8, 4092, 4, 4096, 4, SIZE - 2, 2}, 8);
    cr_expect_eq(d.size, 18);
    cr_expect(d.data[1] == 1 && d.data[4] == 2 && d.data[9] == 3 && d.data[12] == 4 && d.data[17] == 5);
    cr_expect(!memcmp(memory, shadow, SIZE));
    hawser_diff_free(&d);
}

Test(diff, what_exceeds_the_limit_is_found_when_one_goes_on) {
    struct hawser_diff d;
    memset(memory, 7, SIZE);
    size_t at = 0, found = 0, rounds = 0;
    while (at < SIZE) {
        cr_assert(hawser_diff_take(memory, shadow, SIZE, at, 100, &d));
        cr_assert_leq(d.size, 100 + 4096);
        cr_assert(hawser_diff_apply(there, there_shadow, SIZE, d.runs, d.n_runs, d.data, d.size));
        at = d.next;
        found += d.size;
        rounds++;
        hawser_diff_free(&d);
    }
    cr_expect(rounds == 4 && found == SIZE);
    cr_expect(!memcmp(memory, there, SIZE) && !memcmp(memory, there_shadow, SIZE));
}

Test(diff, both_sides_keep_their_own_words_of_one_page) {
    struct hawser_diff mine, theirs;
    memory[0] = 1;
    there[4] = 2;
    cr_assert(hawser_diff_take(memory, shadow, SIZE, 0, SIZE, &mine));
    cr_assert(hawser_diff_take(there, there_shadow, SIZE, 0, SIZE, &theirs));
    cr_assert(hawser_diff_apply(there, there_shadow, SIZE, mine.runs, mine.n_runs, mine.data, mine.size));
    cr_assert(hawser_diff_apply(memory, shadow, SIZE, theirs.runs, theirs.n_runs, theirs.data, theirs.size));
    cr_expect(memory[0] == 1 && memory[4] == 2 && !memcmp(memory, there, SIZE));
    cr_expect(!memcmp(shadow, there_shadow, SIZE) && !memcmp(memory, shadow, SIZE));
    hawser_diff_free(&mine);
    hawser_diff_free(&theirs);
}

Test(diff, runs_that_do_not_fit_change_nothing) {
    static const uint8_t data[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const struct {
        uint64_t runs[4];
        size_t n;
    } wrong[] = {
        {{0, 8, 8}, 3},             /* half a pair */
        {{0, 8, SIZE + 1, 0}, 4},   /* begins beyond the memory */
        {{0, 8, SIZE - 4, 8}, 4},   /* ends beyond it */
        {{0, 8, 100, 9}, 4},        /* more than there is data */
        {{0, 8, 8, UINT64_MAX}, 4}, /* would wrap around */
        {{UINT64_MAX - 3, 8}, 2},
    };
    static const uint8_t untouched[SIZE];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect(!hawser_diff_apply(memory, shadow, SIZE, wrong[i].runs, wrong[i].n, data, sizeof data), "%zu", i);
    cr_expect(!memcmp(memory, untouched, SIZE) && !memcmp(shadow, untouched, SIZE));
    cr_expect(hawser_diff_apply(memory, shadow, SIZE, (uint64_t[]){SIZE - 8, 8, 0, 8}, 4, data, sizeof data));
    cr_expect(memory[SIZE - 1] == 1 && shadow[7] == 1);
}
