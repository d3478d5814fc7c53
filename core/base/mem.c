/*
 * mem.c - allocation that does not fail, and slabs for the data path.
 *
 * Owns     the chunks behind each slab.
 * Used by  everyone; slabs by the workers.
 * Uses     malloc, log.h for the last sentence.
 * Thread   mem_: any. slab_: the thread that owns the slab.
 *
 * A chunk is one word of chain, padding to the strictest alignment, then `batch` objects. Free objects are
 * chained through their first word, last in first out, so that the one used next is the one most likely still
 * in the cache. Under AddressSanitizer the rest of a free object is poisoned: a slab hides no use after
 * giving back.
 */
#include "base/mem.h"
#include "base/hint.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#if defined(__SANITIZE_ADDRESS__)
#define MEM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEM_ASAN 1
#endif
#endif
#ifdef MEM_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

static void *or_end(void *memory, size_t bytes)
{
    if (!memory) {
        log_error("out of memory: the system refused %zu bytes", bytes);
        abort();
    }
    return memory;
}

void *mem_alloc(size_t bytes)
{
    return or_end(malloc(bytes ? bytes : 1), bytes);
}

void *mem_zero(size_t count, size_t bytes)
{
    size_t all;
    if (__builtin_mul_overflow(count, bytes, &all))
        return or_end(NULL, (size_t)-1);
    return or_end(calloc(1, all ? all : 1), all);
}

void *mem_grow(void *old, size_t bytes)
{
    return or_end(realloc(old, bytes ? bytes : 1), bytes);
}

void *mem_aligned(size_t align, size_t bytes)
{
    void *memory = NULL;
    if (align < sizeof(void *))
        align = sizeof(void *);
    if (posix_memalign(&memory, align, bytes ? bytes : 1) != 0)
        memory = NULL;
    return memset(or_end(memory, bytes), 0, bytes);
}

void mem_clear(void *at, size_t bytes)
{
    memset(at, 0, bytes);
}

char *mem_text(const char *text)
{
    return text ? mem_text_n(text, strlen(text)) : NULL;
}

char *mem_text_n(const char *text, size_t len)
{
    char *copy = mem_alloc(len + 1);
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *mem_format(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    return or_end(len < 0 ? NULL : text, len < 0 ? 0 : (size_t)len);
}

/* ---- slabs */

struct slab_chunk {
    alignas(max_align_t) struct slab_chunk *next;
};

void slab_init(struct slab *slab, size_t size, size_t batch)
{
    const size_t align = alignof(max_align_t);
    assert(size > 0 && batch > 0);
    *slab = (struct slab){ .size = (size + align - 1) & ~(align - 1), .batch = batch };
}

/* One more batch, chained so that the objects are handed out in the order of their addresses. */
static RARELY void add_chunk(struct slab *slab)
{
    struct slab_chunk *chunk = mem_alloc(sizeof *chunk + slab->size * slab->batch);
    chunk->next = slab->chunks;
    slab->chunks = chunk;
    char *objects = (char *)(chunk + 1);
    for (size_t i = slab->batch; i-- > 0;) {
        void *object = objects + i * slab->size;
        *(void **)object = slab->free;
        slab->free = object;
        ASAN_POISON_MEMORY_REGION((char *)object + sizeof(void *), slab->size - sizeof(void *));
    }
    slab->total += slab->batch;
}

void *slab_take(struct slab *slab)
{
    if (!slab->free)
        add_chunk(slab);
    void *object = slab->free;
    slab->free = *(void **)object;
    __builtin_prefetch(slab->free, 1);
    slab->used++;
    ASAN_UNPOISON_MEMORY_REGION(object, slab->size);
    return object;
}

void slab_give(struct slab *slab, void *object)
{
    *(void **)object = slab->free;
    slab->free = object;
    slab->used--;
    ASAN_POISON_MEMORY_REGION((char *)object + sizeof(void *), slab->size - sizeof(void *));
}

void slab_close(struct slab *slab)
{
    struct slab_chunk *chunk = slab->chunks;
    while (chunk) {
        struct slab_chunk *next = chunk->next;
        ASAN_UNPOISON_MEMORY_REGION(chunk, sizeof *chunk + slab->size * slab->batch);
        free(chunk);
        chunk = next;
    }
    slab->free = slab->chunks = NULL;
    slab->used = slab->total = 0;
}
