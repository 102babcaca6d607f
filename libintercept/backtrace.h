/* Where a thread is (libunwind), for reports of crashes. */
#ifndef HAWSER_BACKTRACE_H
#define HAWSER_BACKTRACE_H

/* Writes one line per frame of the calling thread to fd. For fatal-signal handlers: it allocates nothing
 * of its own, but the process should end afterwards. */
void hawser_backtrace(int fd);

#endif
