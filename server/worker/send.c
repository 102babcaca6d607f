/* What leaves the worker: packed envelopes with their bulk frames. */
#include "served.h"

#include <stdlib.h>
#include <unistd.h>

void session_send(struct session *session, const Hawser__ToGuest *m, struct hawser_frame *frames, unsigned n) {
    struct hawser_frame all[1 + HAWSER_MAX_FRAMES];
    size_t size = hawser__to_guest__get_packed_size(m);
    uint8_t *buf = malloc(size ? size : 1);
    if (!buf) _exit(1); /* the session cannot go on without its answer */
    hawser__to_guest__pack(m, buf);
    all[0] = (struct hawser_frame){.data = buf, .size = size};
    for (unsigned i = 0; i < n; i++)
        all[i + 1] = frames[i];
    hawser_lane_send(session->lane, all, n + 1);
    free(buf);
}
