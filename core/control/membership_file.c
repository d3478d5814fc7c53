/*
 * membership_file.c - membership that lasts: the file.
 *
 * Owns     replicas.state_file and what is to be written to it.
 * Used by  supervisor*.c, control.c.
 * Uses     membership_text.c for the format, builder.h for the thread.
 * Thread   control, except write_file and what it calls: the builder's thread, or control's after that has ended.
 */
#include "control/membership_file.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "control/builder.h"

#define FILE_MAX_BYTES (64u << 20)
#define RETRY_S        2

struct membership_file {
    char *path;
    struct builder *builder;
    struct event retry;
    void (*saved)(void *ctx, uint64_t revision);
    void *ctx;
    char *next; /* to be written; NULL: nothing */
    uint64_t next_revision;
    bool is_out;       /* a job is on its way */
    char trouble[384]; /* why the last one could not be written; "" */
};

struct job {
    struct letter_built built;
    struct membership_file *file;
    char *path, *text;
    uint64_t revision;
    bool was_written, was_tried;
    char why[384];
};

/* ------------------------------------------------------------------ writing; any thread */

static bool write_all(int fd, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t n = write(fd, text, left);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        text += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* The rename is not safe from a power cut before the directory is on the disk too. */
static bool sync_directory_of(const char *path)
{
    char *directory = mem_text(path);
    char *slash = strrchr(directory, '/');
    if (slash) {
        slash[slash == directory] = 0;
    }
    int fd = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(directory);
    if (fd < 0) {
        return false;
    }
    bool synced = fsync(fd) == 0 || errno == EINVAL; /* some file systems cannot, and need not */
    int error = errno;
    close(fd);
    errno = error;
    return synced;
}

/* Names the step that failed; NULL: all is on the disk. */
static const char *replace_file(const char *path, const char *beside, const char *text)
{
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return "create";
    }
    bool written = write_all(fd, text) && fsync(fd) == 0;
    int error = errno;
    close(fd);
    errno = error;
    if (!written) {
        return "write";
    }
    if (rename(beside, path) != 0) {
        return "rename";
    }
    return sync_directory_of(path) ? NULL : "sync the directory of";
}

static bool write_file(const char *path, const char *text, char *why, size_t why_size)
{
    char *beside = mem_format("%s.new", path);
    const char *failed = replace_file(path, beside, text);
    if (failed) {
        snprintf(why, why_size, "cannot %s %s: %s", failed,
                 strcmp(failed, "create") == 0 || strcmp(failed, "write") == 0 ? beside : path,
                 strerror(errno));
        unlink(beside);
    }
    free(beside);
    return failed == NULL;
}

/* ------------------------------------------------------------------ the way to the thread and back */

static void post(struct membership_file *f);

static void free_job(struct job *job)
{
    free(job->path);
    free(job->text);
    free(job);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    post(arg);
}

/* What could not be written stays to be written, unless something newer is there. */
static void keep(struct membership_file *f, struct job *job)
{
    if (!f->next) {
        f->next = job->text;
        f->next_revision = job->revision;
        job->text = NULL;
    }
}

static void note_result(struct membership_file *f, const struct job *job)
{
    if (job->was_written && *f->trouble) {
        log_info("state file %s: written again", f->path);
    } else if (!job->was_written && strcmp(job->why, f->trouble) != 0) {
        log_error("state file: %s; what /add and /rm make is lost at a restart until it can be written",
                  job->why);
    }
    snprintf(f->trouble, sizeof f->trouble, "%s", job->was_written ? "" : job->why);
}

static void job_work(struct letter_built *built)
{
    struct job *job = (struct job *)built;
    job->was_tried = true;
    job->was_written = write_file(job->path, job->text, job->why, sizeof job->why);
}

static void job_done(struct letter_built *built)
{
    static const struct timeval pause = { .tv_sec = RETRY_S };
    struct job *job = (struct job *)built;
    struct membership_file *f = job->file;
    uint64_t revision = job->revision;
    f->is_out = false;
    note_result(f, job);
    if (!job->was_written) {
        keep(f, job);
        evtimer_add(&f->retry, &pause);
    } else if (f->next) {
        post(f);
    }
    free_job(job);
    if (f->saved) {
        f->saved(f->ctx, revision);
    }
}

/* The loop has ended: membership_file_close writes what is left. */
static void job_drop(struct letter_built *built)
{
    struct job *job = (struct job *)built;
    job->file->is_out = false;
    if (!job->was_tried || !job->was_written) {
        keep(job->file, job);
    }
    free_job(job);
}

static void post(struct membership_file *f)
{
    if (f->is_out || !f->next) {
        return;
    }
    struct job *job = mem_zero(1, sizeof *job);
    job->built.work = job_work;
    job->built.done = job_done;
    job->built.drop = job_drop;
    job->file = f;
    job->path = mem_text(f->path);
    job->text = f->next;
    job->revision = f->next_revision;
    f->next = NULL;
    f->is_out = true;
    evtimer_del(&f->retry);
    builder_post(f->builder, &job->built);
}

void membership_file_save(struct membership_file *f, char *text, uint64_t revision)
{
    free(f->next);
    f->next = text;
    f->next_revision = revision;
    post(f);
}

/* ------------------------------------------------------------------ reading */

/* The whole file, malloced; NULL with errno, or with errno 0 when it is not one to be read. */
static char *read_file(const char *path, size_t *len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
    if (fd < 0) {
        return NULL;
    }
    errno = 0;
    bool fits = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX_BYTES;
    char *text = fits ? mem_alloc((size_t)st.st_size + 1) : NULL;
    *len = 0;
    for (ssize_t n = 1; text && n > 0; *len += n > 0 ? (size_t)n : 0) {
        n = read(fd, text + *len, (size_t)st.st_size - *len);
        if (n < 0) {
            int error = errno;
            free(text);
            text = NULL;
            errno = error;
        }
    }
    int error = errno;
    close(fd);
    errno = error;
    return text;
}

static void move_aside(const struct membership_file *f, const char *why)
{
    char *aside = mem_format("%s.refused", f->path);
    if (rename(f->path, aside) == 0) {
        log_error("state file %s cannot be used: %s; it is kept as %s, and the replicas are those of lb.conf",
                  f->path, why, aside);
    } else {
        log_error("state file %s cannot be used: %s; the replicas are those of lb.conf", f->path, why);
    }
    free(aside);
}

struct membership *membership_file_load(struct membership_file *f)
{
    char why[256];
    size_t len;
    char *text = read_file(f->path, &len);
    if (!text) {
        if (errno != ENOENT) {
            move_aside(f, errno ? strerror(errno) : "it is no regular file, or far too large");
        }
        return NULL;
    }
    struct membership *m = membership_parse(text, len, why, sizeof why);
    if (!m) {
        move_aside(f, why);
    }
    free(text);
    return m;
}

/* ------------------------------------------------------------------ from beginning to end */

struct membership_file *membership_file_open(const char *path, struct event_base *base,
                                             struct builder *builder)
{
    struct membership_file *f = mem_zero(1, sizeof *f);
    f->path = mem_text(path);
    f->builder = builder;
    evtimer_assign(&f->retry, base, on_retry, f);
    return f;
}

void membership_file_listen(struct membership_file *f, void (*saved)(void *ctx, uint64_t revision), void *ctx)
{
    f->saved = saved;
    f->ctx = ctx;
}

const char *membership_file_trouble(const struct membership_file *f)
{
    return *f->trouble ? f->trouble : NULL;
}

const char *membership_file_path(const struct membership_file *f)
{
    return f->path;
}

void membership_file_close(struct membership_file *f)
{
    char why[384];
    if (!f) {
        return;
    }
    if (f->next && !write_file(f->path, f->next, why, sizeof why)) {
        log_error("state file: %s; the last changes of membership are lost", why);
    }
    event_del(&f->retry);
    free(f->next);
    free(f->path);
    free(f);
}
