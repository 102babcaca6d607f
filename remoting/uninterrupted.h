/*
 * libzmq looks at its mailbox before it does what it was called for, and a signal may interrupt that look: the call
 * fails with EINTR, and nothing was done. So it is made again.
 */
#ifndef HAWSER_UNINTERRUPTED_H
#define HAWSER_UNINTERRUPTED_H

#include <errno.h>

#define HAWSER_UNINTERRUPTED(call)                                                                                     \
    ({                                                                                                                 \
        int result_;                                                                                                   \
        do                                                                                                             \
            result_ = (call);                                                                                          \
        while (result_ < 0 && errno == EINTR);                                                                         \
        result_;                                                                                                       \
    })

#endif
