/*
 * spool.c - lines on their way to a file: see spool.h.
 *
 * Owns     the writing thread: only it writes to the descriptor and closes it.
 * Used by  control, path/access.c.
 * Uses     mailbox.h, log.h.
 * Thread   see spool.h.
 *
 * Blocks and new descriptors arrive in one mailbox, so a descriptor applies to exactly the blocks that were posted after it.
 * The file is opened by whoever directs the spool, which so learns at once when that can't be.
 */
#include "base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define PATIENCE_MS \
    1000 /* for a pipe whose reader sleeps; when it was in vain, none until a write succeeds */

enum spool_kind { SPOOL_BLOCK = 1, SPOOL_FILE, SPOOL_STOP };

struct letter_file {
    struct letter letter;
    int fd; /* -1: none */
};

struct spool {
    struct mailbox mailbox;
    pthread_t thread;
    /* control */
    char *path; /* NULL: none */
    bool running;
    /* the thread */
    int fd;
    bool torn;    /* the file ends with a piece of a line that could not be cut off */
    bool failing; /* the last write was refused */
    bool impatient;
    bool stopping;
    uint64_t lost_before; /* when it began to fail */
    /* any */
    atomic_ulong written, lost;
};

/* ------------------------------------------------------------------ blocks */

struct spool_block *spool_block_new(struct spool_home *home, uint32_t size)
{
    struct spool_block *block = mem_alloc(sizeof *block + size);
    *block = (struct spool_block){ .letter.kind = SPOOL_BLOCK, .home = home, .size = size };
    return block;
}

/* Only makers take, and they take all: no block can leave and come back between the load and the exchange unseen. */
static void send_home(struct spool_block *block)
{
    struct spool_home *home = block->home;
    block->next = atomic_load_explicit(&home->top, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&home->top, &block->next, block, memory_order_release,
                                                  memory_order_relaxed))
        continue;
}

struct spool_block *spool_take_home(struct spool_home *home)
{
    if (!atomic_load_explicit(&home->top, memory_order_relaxed))
        return NULL;
    struct spool_block *all = atomic_exchange_explicit(&home->top, NULL, memory_order_acquire);
    for (struct spool_block *b = all; b; b = b->next)
        b->used = b->lines = 0;
    return all;
}

/* ------------------------------------------------------------------ writing */

static void count_lost(struct spool *s, uint64_t lines)
{
    atomic_fetch_add_explicit(&s->lost, lines, memory_order_relaxed);
}

/* The descriptor does not block: a pipe's reader gets a while. False: it did not wake up. */
static bool wait_writable(struct spool *s)
{
    struct pollfd p = { .fd = s->fd, .events = POLLOUT };
    bool hurry = s->impatient || s->stopping;
    if (poll(&p, 1, hurry ? 0 : PATIENCE_MS) == 1)
        return true;
    s->impatient = true;
    errno = EAGAIN;
    return false;
}

/* How much of it was written; below len: errno says why no more. */
static size_t write_all(struct spool *s, const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len) {
        ssize_t n = write(s->fd, bytes + at, len - at);
        if (n == 0)
            errno = EIO; /* nothing says so, but it would not end */
        if (n > 0)
            at += (size_t)n;
        else if (errno != EINTR && !(errno == EAGAIN && wait_writable(s)))
            break;
    }
    return at;
}

/* Takes the beginning of a line back out of the file, if it is one and nobody has written behind us. */
static bool cut_off(const struct spool *s, size_t piece)
{
    struct stat st;
    off_t end = lseek(s->fd, 0, SEEK_CUR);
    return end >= (off_t)piece && fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == end &&
           ftruncate(s->fd, end - (off_t)piece) == 0;
}

static uint32_t count_lines(const char *bytes, size_t len)
{
    uint32_t lines = 0;
    for (const char *end = bytes + len; (bytes = memchr(bytes, '\n', (size_t)(end - bytes))); bytes++)
        lines++;
    return lines;
}

static void tell_failure(struct spool *s, int why)
{
    if (s->failing)
        return;
    s->failing = true;
    s->lost_before = atomic_load_explicit(&s->lost, memory_order_relaxed);
    log_warn("access log: %s; lines are lost", strerror(why));
}

static void tell_recovery(struct spool *s)
{
    s->impatient = false;
    if (!s->failing)
        return;
    s->failing = false;
    uint64_t lost = atomic_load_explicit(&s->lost, memory_order_relaxed) - s->lost_before;
    log_warn("access log: it is written again; %llu lines were lost", (unsigned long long)lost);
}

/* The lines of it that are whole in the file. */
static uint32_t write_lines(struct spool *s, const struct spool_block *block)
{
    if (s->fd < 0)
        return 0;
    if (s->torn && write_all(s, "\n", 1) != 1) {
        tell_failure(s, errno);
        return 0;
    }
    s->torn = false;
    size_t done = write_all(s, block->bytes, block->used);
    if (done == block->used) {
        tell_recovery(s);
        return block->lines;
    }
    tell_failure(s, errno);
    const char *last = done ? memrchr(block->bytes, '\n', done) : NULL;
    size_t whole = last ? (size_t)(last + 1 - block->bytes) : 0;
    s->torn = done > whole && !cut_off(s, done - whole);
    return count_lines(block->bytes, whole);
}

static void take_block(struct spool *s, struct spool_block *block)
{
    uint32_t lines = block->lines;
    uint32_t written = write_lines(s, block);
    atomic_fetch_add_explicit(&s->written, written, memory_order_relaxed);
    count_lost(s, lines - written);
    send_home(block);
}

/* ------------------------------------------------------------------ the thread */

static void use_file(struct spool *s, int fd)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = fd;
    s->torn = s->impatient = false;
}

static void open_letter(struct spool *s, struct letter *letter)
{
    switch ((enum spool_kind)letter->kind) {
    case SPOOL_BLOCK: take_block(s, (struct spool_block *)letter); return;
    case SPOOL_FILE: use_file(s, ((struct letter_file *)letter)->fd); break;
    case SPOOL_STOP: s->stopping = true; break;
    }
    free(letter);
}

static void *run(void *arg)
{
    struct spool *s = arg;
    struct pollfd p = { .fd = s->mailbox.fd, .events = POLLIN };
    while (!s->stopping) {
        poll(&p, 1, -1);
        for (struct letter *l = mailbox_take(&s->mailbox), *next; l; l = next) {
            next = l->next;
            open_letter(s, l);
        }
    }
    return NULL;
}

/* Signals are control's. SIGXFSZ, of a file at its size limit, is blocked with them: the write says EFBIG. */
static int start(struct spool *s)
{
    if (s->running)
        return 0;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&s->thread, NULL, run, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    s->running = result == 0;
    errno = result;
    return result == 0 ? 0 : -1;
}

/* ------------------------------------------------------------------ from outside */

struct spool *spool_new(void)
{
    struct spool *s = mem_zero(1, sizeof *s);
    s->fd = -1;
    if (mailbox_open(&s->mailbox) == 0)
        return s;
    free(s);
    return NULL;
}

static void post_file(struct spool *s, int fd)
{
    struct letter_file *letter = mem_zero(1, sizeof *letter);
    letter->letter.kind = SPOOL_FILE;
    letter->fd = fd;
    mailbox_post(&s->mailbox, &letter->letter);
}

/* O_NONBLOCK so that a FIFO without a reader is an error now, and one with a slow reader loses lines. */
static int open_path(struct spool *s, const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    if (start(s) < 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    post_file(s, fd);
    return 0;
}

int spool_direct(struct spool *s, const char *path)
{
    char *copy = path && *path ? mem_text(path) : NULL;
    if (copy && open_path(s, copy) < 0) {
        int why = errno;
        free(copy);
        errno = why;
        return -1;
    }
    if (!copy && s->path)
        post_file(s, -1);
    free(s->path);
    s->path = copy;
    return 0;
}

int spool_reopen(struct spool *s)
{
    return s->path ? open_path(s, s->path) : 0;
}

void spool_post(struct spool *s, struct spool_block *block)
{
    mailbox_post(&s->mailbox, &block->letter);
}

/* What was never read: there was no thread, or it lay behind the last letter. */
static void burn_mail(struct spool *s)
{
    for (struct letter *l = mailbox_take(&s->mailbox), *next; l; l = next) {
        next = l->next;
        open_letter(s, l);
    }
}

void spool_stop(struct spool *s)
{
    if (s->running) {
        struct letter *stop = mem_zero(1, sizeof *stop);
        stop->kind = SPOOL_STOP;
        mailbox_post(&s->mailbox, stop);
        pthread_join(s->thread, NULL);
        s->running = false;
    }
    burn_mail(s);
    use_file(s, -1);
}

void spool_free(struct spool *s)
{
    if (!s)
        return;
    spool_stop(s);
    mailbox_close(&s->mailbox);
    free(s->path);
    free(s);
}

uint64_t spool_written(const struct spool *s)
{
    return atomic_load_explicit(&s->written, memory_order_relaxed);
}

uint64_t spool_lost(const struct spool *s)
{
    return atomic_load_explicit(&s->lost, memory_order_relaxed);
}
