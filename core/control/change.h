/*
 * change.h - the body of /add or /rm, read. Pure.
 *
 * Owns     the rules of CONTRACT 3 and DECISIONS 29: what may stand in such a body, and the sentence that
 * refuses it.
 * Used by  membership.c.
 * Uses     jansson.
 * Thread   any.
 */
#ifndef CONTROL_CHANGE_H
#define CONTROL_CHANGE_H

#include <stddef.h>
#include <stdint.h>

enum change_kind { CHANGE_ADD, CHANGE_REMOVE };

struct change {
    uint32_t n;        /* 1 to max */
    char **names;      /* the first n_names of the n; valid names, as given; ends with NULL */
    size_t n_names;    /* at most n */
    uint32_t *weights; /* of the first n_weights of the n, in their order; the rest have none */
    size_t n_weights;  /* at most n; 0 of a removal */
};

/* Reads body[0 .. len), of any Content-Type: JSON when the first byte that is no blank is '{', else a form;
 * nothing but blanks means n = 1. max is replicas.max. Returns 0 and the change, to be freed with
 * change_free; or -1 with a sentence that begins with "<Error> " in why. */
int change_read(enum change_kind kind, const char *body, size_t len, uint32_t max, struct change *out,
                char *why, size_t why_size);

void change_free(struct change *c);

#endif
