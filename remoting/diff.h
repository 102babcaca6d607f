/*
 * What changed in a stretch of memory since it was last looked at: both ends of a session keep a copy ("shadow")
 * of memory that they cannot share, and send each other the words in which memory and shadow differ. Word by word,
 * so that each side may change its own words of one page.
 */
#ifndef HAWSER_DIFF_H
#define HAWSER_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hawser_diff {
    uint64_t *runs; /* pairs: offset and size, in bytes, in order */
    size_t n_runs;  /* numbers in runs: twice the pairs */
    uint8_t *data;  /* the runs' new bytes, one after the other */
    size_t size;    /* bytes in data, at most limit + the size of one run */
    size_t next;    /* offset from which to go on; the stretch's size when all was looked at */
};

/* Looks from offset on for changes, brings the shadow up to date with them, and stops when about `limit` bytes have
 * been found. False when memory is short; *out is then empty. To be freed with hawser_diff_free. Not thread-safe for
 * one stretch of memory. */
bool hawser_diff_take(const void *memory, void *shadow, size_t size, size_t offset, size_t limit,
                      struct hawser_diff *out);
void hawser_diff_free(struct hawser_diff *d);

/* Writes runs into memory and shadow. False when they do not fit `size` or the data. */
bool hawser_diff_apply(void *memory, void *shadow, size_t size, const uint64_t *runs, size_t n_runs, const void *data,
                       size_t data_size);

#endif
