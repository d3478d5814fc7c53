/*
 * builder.c - the thread that does what may take its time.
 *
 * Owns     one thread and the queue of jobs in front of it.
 * Used by  publish.c, reload.c; control.c starts and ends it.
 * Uses     base/mailbox.h.
 * Thread   see builder.h.
 *
 * The queue is the one place of control with a lock: it is far from the data path, and the loop holds it for
 * a few instructions only.
 */
#include "control/builder.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

struct builder {
    struct mailbox *replies;
    pthread_t thread;
    bool started; /* control thread */

    pthread_mutex_t lock;
    pthread_cond_t more;
    struct letter *first, **last; /* under the lock: jobs that wait, chained by next */
    bool leaving;                 /* under the lock */
};

struct builder *builder_new(struct mailbox *replies)
{
    struct builder *b = mem_zero(1, sizeof *b);
    b->replies = replies;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->more, NULL);
    b->last = &b->first;
    return b;
}

/* The next job, or NULL when it is time to leave. */
static struct letter_built *wait_for_job(struct builder *b)
{
    pthread_mutex_lock(&b->lock);
    while (!b->first && !b->leaving) {
        pthread_cond_wait(&b->more, &b->lock);
    }
    struct letter *letter = b->leaving ? NULL : b->first;
    if (letter) {
        b->first = letter->next;
        if (!b->first) {
            b->last = &b->first;
        }
    }
    pthread_mutex_unlock(&b->lock);
    return (struct letter_built *)(void *)letter;
}

static void *builder_main(void *arg)
{
    struct builder *b = arg;
    struct letter_built *job;
    while ((job = wait_for_job(b)) != NULL) {
        job->work(job);
        mailbox_post(b->replies, &job->letter);
    }
    return NULL;
}

int builder_start(struct builder *b)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&b->thread, NULL, builder_main, b);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        errno = failed;
        return -1;
    }
    b->started = true;
    return 0;
}

void builder_post(struct builder *b, struct letter_built *job)
{
    job->letter.kind = MESSAGE_BUILT;
    job->letter.next = NULL;
    pthread_mutex_lock(&b->lock);
    *b->last = &job->letter;
    b->last = &job->letter.next;
    pthread_cond_signal(&b->more);
    pthread_mutex_unlock(&b->lock);
}

void builder_free(struct builder *b)
{
    if (!b) {
        return;
    }
    pthread_mutex_lock(&b->lock);
    b->leaving = true;
    pthread_cond_signal(&b->more);
    pthread_mutex_unlock(&b->lock);
    if (b->started) {
        pthread_join(b->thread, NULL);
    }
    struct letter *next;
    for (struct letter *letter = b->first; letter; letter = next) {
        next = letter->next;
        struct letter_built *job = (struct letter_built *)(void *)letter;
        job->drop(job);
    }
    pthread_cond_destroy(&b->more);
    pthread_mutex_destroy(&b->lock);
    free(b);
}
