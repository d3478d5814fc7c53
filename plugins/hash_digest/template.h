/*
 * template.h - the text that is digested, with places to fill in.
 *
 * Owns     the pieces of a template.
 * Used by  hash_digest.c.
 * Thread   any: a template is never written after it was parsed.
 *
 * "{id}-{j}" is three pieces: a field, the literal "-", a field. What stands in braces must be a field that
 * the reader knows; there is no way to write a literal opening brace.
 */
#ifndef HASH_DIGEST_TEMPLATE_H
#define HASH_DIGEST_TEMPLATE_H

#include <stddef.h>

#define TEMPLATE_MAX 128u /* bytes of a template */

/* TEMPLATE_WHOLE is {key} in a key's template and {name} in a place's. */
enum template_field { TEMPLATE_LITERAL, TEMPLATE_ID, TEMPLATE_WHOLE, TEMPLATE_COPY };

struct template_piece {
    enum template_field field;
    const char
        *literal; /* of TEMPLATE_LITERAL; into the text that was parsed, which must outlive the template */
    size_t len;
};

struct template_name {
    const char *name; /* with its braces; NULL ends a list */
    enum template_field field;
};

/* pieces has room for TEMPLATE_MAX. Returns their number; 0 with *wrong at the brace that opens nothing
 * known. An empty text or one longer than TEMPLATE_MAX is the caller's to refuse. */
unsigned template_parse(const char *text, const struct template_name *names, struct template_piece *pieces,
                        const char **wrong);

#endif
