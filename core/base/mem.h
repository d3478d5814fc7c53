/*
 * mem.h - allocation that does not fail, and slabs for the data path.
 *
 * Owns     the chunks behind each slab.
 * Used by  everyone; slabs by the workers.
 * Thread   mem_: any. slab_: the thread that owns the slab.
 *
 * Out of memory ends the program with a sentence: with overcommit nothing sensible could be done, and every
 * limit that could lead here is a named option.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t bytes);                 /* not zeroed */
void *mem_zero(size_t count, size_t bytes);    /* zeroed */
void *mem_grow(void *old, size_t bytes);       /* realloc */
void *mem_aligned(size_t align, size_t bytes); /* zeroed; align is a power of two */
/* memset to 0 by a call. A compiler that knows the size makes `rep stos` of it, whose start takes longer than clearing the few
 * hundred bytes of the structs of a request. */
void mem_clear(void *at, size_t bytes);
char *mem_text(const char *text);               /* strdup; NULL stays NULL */
char *mem_text_n(const char *text, size_t len); /* terminated copy */
char *mem_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Objects of one size, kept for reuse. */
struct slab {
    size_t size;  /* of one object */
    size_t batch; /* objects in a chunk */
    void *free;   /* chained through their first word */
    void *chunks;
    size_t used;  /* handed out now */
    size_t total; /* made so far */
};

/* size and batch are above 0. Allocates nothing yet. */
void slab_init(struct slab *slab, size_t size, size_t batch);
/* An object with undefined content. The next one's first line is fetched meanwhile: between two requests the kernel evicts it. */
void *slab_take(struct slab *slab);
void slab_give(struct slab *slab, void *object);
/* Frees every chunk; objects still out become invalid. */
void slab_close(struct slab *slab);

#endif
