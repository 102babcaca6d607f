#include "waiters.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "log.h"

#define MAX_IDLE 16

struct task {
    struct task *next;
    void (*work)(void *);
    void *arg;
};

/* One pool per worker process. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static struct task *tasks, **tasks_end = &tasks;
static unsigned idle, queued;

/* Under the lock; leaves it while the task runs. */
static void run_next(void) {
    struct task *t = tasks;
    tasks = t->next;
    if (!tasks) tasks_end = &tasks;
    queued--;
    pthread_mutex_unlock(&lock);
    t->work(t->arg);
    free(t);
    pthread_mutex_lock(&lock);
}

static void *waiter(void *unused) {
    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!tasks) {
            if (idle >= MAX_IDLE) {
                pthread_mutex_unlock(&lock);
                return NULL;
            }
            idle++;
            pthread_cond_wait(&more, &lock);
            idle--;
        }
        run_next();
    }
}

void waiters_run(void (*work)(void *), void *arg) {
    struct task *t = malloc(sizeof *t);
    if (!t) {
        work(arg); /* slower for others, still right */
        return;
    }
    *t = (struct task){.work = work, .arg = arg};
    pthread_mutex_lock(&lock);
    *tasks_end = t;
    tasks_end = &t->next;
    queued++;
    int need = queued > idle;
    if (!need) pthread_cond_signal(&more);
    pthread_mutex_unlock(&lock);
    pthread_t thread;
    if (!need) return;
    if (pthread_create(&thread, NULL, waiter, NULL) == 0) {
        pthread_detach(thread);
    } else {
        hawser_log(HAWSER_ERROR, "cannot start a thread for a waiting call");
        pthread_mutex_lock(&lock);
        while (tasks)
            run_next();
        pthread_mutex_unlock(&lock);
    }
}
