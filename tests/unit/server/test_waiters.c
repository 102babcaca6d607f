#include <criterion/criterion.h>
#include <pthread.h>

#include "waiters.h"

static pthread_barrier_t meet;

static void arrive(void *unused) {
    (void)unused;
    pthread_barrier_wait(&meet);
}

/* If one task waited behind another, they would never meet. */
Test(waiters, every_task_runs_at_once, .timeout = 30) {
    for (int round = 0; round < 20; round++) {
        pthread_barrier_init(&meet, NULL, 41);
        for (int i = 0; i < 40; i++)
            waiters_run(arrive, NULL);
        pthread_barrier_wait(&meet);
        pthread_barrier_destroy(&meet);
    }
}
