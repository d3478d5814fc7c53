/*
 * pipe.c - a worker's pipes: see pipe.h.
 *
 * Owns     the pool.
 * Used by  relay.c, worker.c.
 * Thread   the worker.
 */
#include "path/pipe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

#define PIPE_SIZE \
    (256 * 1024)     /* asked for; what an unprivileged user does not get stays at the kernel's 64 KiB */
#define IDLE_MOST 32 /* kept for the next body */

void pipe_pool_open(struct pipe_pool *pool)
{
    list_init(&pool->idle);
    pool->n_idle = pool->n_open = 0;
}

static void destroy(struct pipe_pool *pool, struct pipe *p)
{
    close(p->out);
    close(p->in);
    free(p);
    pool->n_open--;
}

void pipe_pool_close(struct pipe_pool *pool)
{
    while (!list_is_empty(&pool->idle)) {
        struct pipe *p = LIST_OWNER(pool->idle.next, struct pipe, link);
        list_remove(&p->link);
        destroy(pool, p);
    }
    pool->n_idle = 0;
}

static struct pipe *make(struct pipe_pool *pool)
{
    int fds[2];
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0)
        return NULL;
    fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE);
    struct pipe *p = mem_zero(1, sizeof *p);
    list_init(&p->link);
    p->out = fds[0];
    p->in = fds[1];
    pool->n_open++;
    return p;
}

struct pipe *pipe_take(struct pipe_pool *pool, uint32_t most)
{
    if (list_is_empty(&pool->idle))
        return pool->n_open < most ? make(pool) : NULL;
    struct pipe *p = LIST_OWNER(pool->idle.next, struct pipe, link);
    list_remove(&p->link);
    pool->n_idle--;
    return p;
}

void pipe_give(struct pipe_pool *pool, struct pipe **pipe)
{
    struct pipe *p = *pipe;
    *pipe = NULL;
    if (!p)
        return;
    if (p->held > 0 || pool->n_idle >= IDLE_MOST) {
        destroy(pool, p);
        return;
    }
    list_push_front(&pool->idle, &p->link);
    pool->n_idle++;
}
