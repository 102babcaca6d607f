/* An input as a message: frames, each with its size before it (two bytes, the lower first). */
#ifndef INPUT_H
#define INPUT_H

#include <stdlib.h>
#include <string.h>

#include "lane.h"

static void input_free(void *data, void *hint) {
    (void)hint;
    free(data);
}

/* False when the input has no frame. The copies are as long as they say, so that a sanitizer sees who reads beyond. */
static bool input_message(const uint8_t *data, size_t size, struct hawser_message *out) {
    *out = (struct hawser_message){0};
    while (size >= 2 && out->n_frames < HAWSER_MAX_FRAMES) {
        size_t n = data[0] | data[1] << 8;
        data += 2;
        size -= 2;
        if (n > size) n = size;
        void *copy = malloc(n);
        if (n) memcpy(copy, data, n);
        if (!hawser_message_add(out, (struct hawser_frame){.data = copy, .size = n, .free = input_free})) return false;
        data += n;
        size -= n;
    }
    return out->n_frames != 0;
}

#endif
