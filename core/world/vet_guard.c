/*
 * vet_guard.c - memory that notices who reads or writes past its end.
 *
 * Owns     the pages of each block.
 * Used by  vet_*.c.
 * Uses     mmap.
 * Thread   any; nothing is shared.
 */
#include "world/vet_guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE    4096u /* a larger page of another machine is a multiple of it, and mprotect would say so */
#define PATTERN 0xa5

static size_t pages_of(size_t bytes)
{
    return (bytes + PAGE - 1) / PAGE * PAGE;
}

/* Inner bytes between two forbidden pages. */
static void open_pages(struct guard *g, size_t inner)
{
    g->pages_size = inner + 2 * PAGE;
    g->pages = mmap(NULL, g->pages_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g->pages == MAP_FAILED || mprotect(g->pages, PAGE, PROT_NONE) != 0 ||
        mprotect(g->pages + PAGE + inner, PAGE, PROT_NONE) != 0) {
        perror("vet_guard: no guarded memory");
        abort();
    }
}

void guard_open(struct guard *g, size_t size, size_t align)
{
    size_t room = (size + align - 1) & ~(align - 1), inner = pages_of(room ? room : 1);
    *g = (struct guard){ .size = size };
    open_pages(g, inner);
    g->data = g->pages + PAGE + inner - room;
}

void guard_open_framed(struct guard *g, size_t size)
{
    size_t inner = pages_of(size) + 2 * PAGE;
    *g = (struct guard){ .size = size, .margin = PAGE };
    open_pages(g, inner);
    g->data = g->pages + 2 * PAGE;
    memset(g->pages + PAGE, PATTERN, inner);
    memset(g->data, 0, size);
}

/* The first byte is the pattern's, and each byte is like the one before it. */
static bool is_pattern(const unsigned char *at, size_t len)
{
    return len == 0 || (at[0] == PATTERN && memcmp(at, at + 1, len - 1) == 0);
}

bool guard_is_whole(const struct guard *g)
{
    return is_pattern(g->data - g->margin, g->margin) && is_pattern(g->data + g->size, g->margin);
}

void guard_retire(struct guard *g)
{
    if (g->pages)
        mmap(g->pages, g->pages_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    *g = (struct guard){ 0 };
}

void guard_close(struct guard *g)
{
    if (g->pages)
        munmap(g->pages, g->pages_size);
    *g = (struct guard){ 0 };
}
