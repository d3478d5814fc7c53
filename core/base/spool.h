/*
 * spool.h - lines on their way to a file that may be slow or full, and the thread that writes them.
 *
 * Owns     the file's descriptor, the thread, the count of lines written and lost.
 * Used by  control (directs it to a path, opens that again, stops it), path/access.c (fills blocks, hands them over).
 * Uses     mailbox.h, log.h.
 * Thread   spool_direct, spool_reopen, spool_stop: control. spool_post and the totals: any. A block belongs to whoever
 *          filled it, to the spool from spool_post on, and to its maker again once it lies in its home.
 *
 * Whoever has lines fills blocks and never waits: a block goes by mailbox, without a lock, and comes back through its
 * home, without a system call. What the disk does not take (it is full, or a pipe that nobody empties) is lost and counted.
 * A line is written whole or not at all where the file allows it: what a failing write has left of one is cut off again.
 */
#ifndef BASE_SPOOL_H
#define BASE_SPOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"

struct spool_block;

/* Where a maker finds its written blocks. */
struct spool_home {
    _Atomic(struct spool_block *) top;
};

/* Whole lines, each with its line feed. */
struct spool_block {
    struct letter letter;
    struct spool_home *home;
    struct spool_block *next; /* in the home, and its maker's to use */
    uint32_t size;            /* room in bytes */
    uint32_t used;            /* of it */
    uint32_t lines;
    char bytes[];
};

struct spool;

/* Goes nowhere yet, and has no thread. NULL with errno. */
struct spool *spool_new(void);

/* From now on blocks are appended to the file, made when it is not there; "" or NULL: to none. What was posted before goes
 * where it was to go. The first file starts the thread. Returns 0, or -1 with errno and everything as it was. */
int spool_direct(struct spool *s, const char *path);

/* Opens the same path again (SIGUSR1, after a rotation). Returns like spool_direct; 0 when there is none. */
int spool_reopen(struct spool *s);

/* Hands a block over. Never fails, never blocks; the block must not be touched until it is home again. */
void spool_post(struct spool *s, struct spool_block *block);

/* Writes what was posted and ends the thread. Nobody posts any more. Every block is home then. */
void spool_stop(struct spool *s);

/* After spool_stop. NULL is fine. */
void spool_free(struct spool *s);

/* Lines since the start: in the file, and lost because it did not take them. */
uint64_t spool_written(const struct spool *s);
uint64_t spool_lost(const struct spool *s);

/* An empty block with so much room. free() ends it. */
struct spool_block *spool_block_new(struct spool_home *home, uint32_t size);

/* All blocks that came home, chained by next, emptied; NULL when none did. The maker's thread. */
struct spool_block *spool_take_home(struct spool_home *home);

#endif
