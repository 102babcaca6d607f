/* Threads for calls that may take long. A call gets a thread at once: an idle one or a new one, so no
 * call ever waits behind another. Thread-safe. */
#ifndef HAWSER_WAITERS_H
#define HAWSER_WAITERS_H

void waiters_run(void (*work)(void *), void *arg);

#endif
